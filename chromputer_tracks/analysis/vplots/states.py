"""V-plots of what a model makes of sites: by chromatin state, or of sites explained before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.vplots.images import (
    CONTRIBUTION,
    INPUT,
    Float64,
    VplotAxes,
    VplotImage,
    VplotRow,
    VplotTable,
    label_title,
    mean_image,
    sum_image,
)
from chromputer_tracks.analysis.vplots.sites import MOST_CLASSES, VplotSites, contig_sites
from chromputer_tracks.data.features import Features
from chromputer_tracks.data.labels import UNKNOWN, LabelSet, Mask, StateLabels
from chromputer_tracks.errors import InputError, meant
from chromputer_tracks.evaluation.sites import predict_sites
from chromputer_tracks.inference.explain import Explainer, head_weights
from chromputer_tracks.inference.session import Session
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.contributions import (
    WINDOWS,
    ExplainedSites,
    explained_labels,
    read_contributions,
)
from chromputer_tracks.spec import HeadSpec, InputSpec, ModelSpec

Int64 = NDArray[np.int64]

# ---- Chromatin states: what a model reads at their sites, and what it makes of it.

_BATCH = 64
"""Windows that are predicted at once."""


@dataclass(frozen=True, slots=True, eq=False)
class StateImages:
    """Mean images of each state's sites, turned by strand.

    Attributes:
        sites: int64 (states,), number of sites.
        values: float64 (states, lengths, positions), the input as the network reads it; NaN for a
            state without sites, here and below.
        contributions: the same shape, to the state's own logit.
        changes: the same shape, in the state's own probability; see :func:`explain_states`.
    """

    sites: Int64
    values: Float64
    contributions: Float64
    changes: Float64


def states_head(spec: ModelSpec) -> HeadSpec:
    """A model's states.

    Raises:
        InputError: it predicts none.
    """
    if spec.states_head is not None:
        return spec.states_head
    raise InputError(
        f"model {spec.name} predicts no chromatin states, by which V-plots could be told apart; "
        "draw a BED with --regions, without --model, or explained sites with --contributions"
    )


def vplot_input(spec: ModelSpec, name: str | None) -> InputSpec:
    """A model's V-plot input of a name; without one, its only one.

    Raises:
        InputError: there is none of that name, or more than one and no name.
    """
    found = {item.name: item for item in spec.inputs if item.kind == "vplot"}
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    if name in found:
        return found[name]
    has = f"it reads {', '.join(found)}" if found else "it reads no V-plot"
    if name is None:
        raise InputError(f"model {spec.name}: {has}" + "; choose one with --input" * bool(found))
    raise InputError(f"model {spec.name} has no V-plot input {name!r}; {has}")


def state_bins(sizes: ChromSizes, contigs: Sequence[str], width: int) -> VplotSites:
    """The centres of the whole bins, of ``width`` bp, of contigs, as sites."""
    return contig_sites(
        [
            (name, np.arange(sizes[name] // width, dtype=np.int64) * width + width // 2)
            for name in contigs
        ]
    )


def with_states(sites: VplotSites, states: StateLabels, head: HeadSpec) -> VplotSites:
    """The same sites, in classes by the state at their centre; of none where it is not known."""
    code = np.full(len(sites), UNKNOWN, dtype=np.int64)
    for name, here in sites.by_contig():
        code[here] = states.at(name, sites.centre[here])
    return replace(sites, classes=tuple(label.name for label in head.labels), code=code)


def predicted_bins(
    session: Session,
    features: Features,
    sizes: ChromSizes,
    contigs: Sequence[str],
    spec: ModelSpec,
    head: HeadSpec,
) -> VplotSites:
    """All whole label bins of contigs, in classes by the most likely state.

    Raises:
        ConfigError: no contig holds a whole bin.
    """
    labels = LabelSet(
        None,
        (None,) * sum(len(item.labels) for item in spec.heads if item.kind == "binary"),
        Mask({}, {}),
        continuous=(None,) * sum(len(i.labels) for i in spec.heads if i.kind == "continuous"),
    )
    found = predict_sites(
        lambda arrays: session.run(arrays)[0],
        features,
        labels,
        sizes,
        contigs,
        spec.grid,
        spec.label_bin,
        len(head.labels),
    )
    return VplotSites(
        found.contigs,
        found.contig,
        found.centre,
        np.ones(len(found.centre), dtype=np.int64),
        tuple(label.name for label in head.labels),
        _most_likely(found.logits.T, spec, head),
    )


def with_predicted_states(
    session: Session, features: Features, sites: VplotSites, spec: ModelSpec, head: HeadSpec
) -> VplotSites:
    """The same sites, in classes by the most likely state of the window around each."""
    code = np.zeros(len(sites), dtype=np.int64)
    windows = sites.windows(spec.window)
    for first in range(0, len(windows), _BATCH):
        made = [features.arrays(window) for window in windows[first : first + _BATCH]]
        arrays = {name: np.stack([item[name] for item in made]) for name in made[0]}
        logits = session.run(arrays)[:, :, 0]
        code[first : first + _BATCH] = _most_likely(logits, spec, head)
    return replace(sites, classes=tuple(label.name for label in head.labels), code=code)


def _most_likely(logits: NDArray[np.float32], spec: ModelSpec, head: HeadSpec) -> Int64:
    """State of the largest calibrated logit; logits (n, outputs), int64 (n,)."""
    scale = np.array([label.scale for label in head.labels])
    bias = np.array([label.bias for label in head.labels])
    states = logits[:, spec.head_slices()[head.name]] * scale + bias
    return np.asarray(states.argmax(axis=1), dtype=np.int64)


def explain_states(
    explainer: Explainer,
    features: Features,
    sites: VplotSites,
    spec: ModelSpec,
    head: HeadSpec,
    item: InputSpec,
    progress: Callable[[int], None] = lambda done: None,
) -> StateImages:
    """Mean input, contributions and changes in probability at the sites of each state.

    A pixel's contributions ``c[j]`` to all K states' logits (calibrated, each minus the mean over
    states) are what the pixel adds to a classifier that knows nothing else. One whose logits are
    all 0 gives each state 1 / K; with this pixel's contributions alone it gives
    ``softmax(c)[k]``. The change in the probability of state k, which the site is in, is
    ``softmax(c)[k] - 1 / K``, and the image is its mean over the sites of state k.

    The mean is taken after the softmax, over sites, not of the contributions before it: a
    classifier judges one site at a time, and an average site does not exist. At a single site most
    pixels are empty and, against an empty reference, contribute exactly 0, while the few that hold
    a fragment contribute much. The mean of contributions would spread each of these thinly, as if
    every site held a hundredth of a fragment there, where the softmax is nearly linear; the mean
    of changes keeps that it saturates. For small contributions both are equal to first order,
    ``c[k] / K``.

    Sites are in classes by state, in the head's order; those of no state are left out, and images
    of sites with strand -1 are turned around. ``item`` is the V-plot input to draw; ``progress`` is
    told the number of sites done.

    Raises:
        ProviderError: ONNX Runtime failed.
    """
    sites = sites.take(sites.code != UNKNOWN)
    states = len(head.labels)
    weights = np.stack([head_weights(spec, f"{head.name}.{label.name}") for label in head.labels])
    # One window for each site and state, so that the explainer chooses its batches itself.
    windows = [window for window in sites.windows(spec.window) for _ in range(states)]
    shape = (states, item.channels, spec.window // item.bin)
    values, contributions, changes = (np.zeros(shape) for _ in range(3))
    towards = np.zeros(shape)
    row = 0
    for _, arrays, found in explainer.stream(features, windows, np.tile(weights, (len(sites), 1))):
        for image, given in zip(arrays[item.name], found.inputs[item.name], strict=True):
            site, state = divmod(row, states)
            towards[state] = given
            row += 1
            if state < states - 1:
                continue
            code = sites.code[site]
            turn = slice(None, None, int(sites.strand[site]))
            values[code] += image[:, turn]
            contributions[code] += towards[code][:, turn]
            changes[code] += probability_change(towards, int(code))[:, turn]
            progress(site + 1)
    count = np.bincount(sites.code, minlength=states)
    many = np.where(count, count, np.nan)[:, np.newaxis, np.newaxis]
    return StateImages(count, values / many, contributions / many, changes / many)


def probability_change(contributions: Float64, state: int) -> Float64:
    """``softmax(contributions)[state] - 1 / K``, each pixel by itself.

    Contributions of each pixel to the logits of all states are float64 (K, lengths, positions).

    Returns:
        float64 (lengths, positions), from -1 / K to 1 - 1 / K.
    """
    odds = np.exp(contributions - contributions.max(axis=0))
    found: Float64 = odds[state] / odds.sum(axis=0) - 1 / len(contributions)
    return found


# ---- Sites explained before: what ``chromputer explain`` wrote, averaged over sites.


def explained_table(
    folder: Path,
    spec: ModelSpec,
    item: InputSpec,
    only: Sequence[str] = (),
    by: str | None = None,
    chroms: Sequence[str] = (),
) -> VplotTable:
    """Mean input and mean contributions over explained sites, turned by strand.

    A row for each label, or for each label and class. Memory holds one label's contributions of the
    V-plot, 12.8 kB a site for one of 16 lengths and 200 positions.

    Args:
        folder: that ``chromputer explain`` wrote, or that of one label in it.
        spec: describes the model that was explained.
        item: its V-plot input.
        only: labels; empty: all.
        by: tell the sites of a label apart by ``name``, ``strand`` or ``chrom`` of their BED.
        chroms: contigs whose sites count; empty: all.

    Raises:
        InputError: a label, input or column is not there, or no site is left.
        FormatError: a file is damaged, or not of this model.
    """
    if (folder / WINDOWS).is_file():
        folders = {folder.resolve().name: folder}
    else:
        folders = explained_labels(folder)
    unknown = [name for name in only if name not in folders]
    if unknown:
        raise InputError(
            f"{folder} holds no label {unknown[0]!r}, only {', '.join(folders)}"
            f"{meant(unknown[0], folders)}"
        )
    named = {label.name: label for head in spec.heads for label in head.labels}
    axes = VplotAxes.around_site(spec.window, item.bin, item.length_edges)
    rows = []
    for name in only or folders:
        sites = read_contributions(folders[name])
        label = named.get(name.rpartition(".")[2])
        for part, chosen in _classes(sites, by, chroms):
            title = label_title(label) if label else name
            rows.append(
                VplotRow(
                    f"{name}.{part}" if part else name,
                    f"{name}, {part}" if part else title,
                    len(chosen),
                    _images(sites, item, axes, chosen),
                    label.color if label else None,
                )
            )
    if not rows:
        raise InputError(f"{folder}: no site of {', '.join(only or folders)} lies on "
                         f"{', '.join(chroms)}")  # fmt: skip
    return VplotTable(axes, (INPUT, CONTRIBUTION), tuple(rows))


def _classes(
    sites: ExplainedSites, by: str | None, chroms: Sequence[str]
) -> list[tuple[str, Int64]]:
    """Name and rows of each class that has any; the name is empty where there is one."""
    kept = np.flatnonzero(np.isin(sites.chrom, list(chroms))) if chroms else np.arange(len(sites))
    if by is None:
        return [("", kept)] if len(kept) else []
    columns = {
        "chrom": sites.chrom.tolist(),
        "name": sites.sites.names,
        "strand": sites.sites.strands,
    }
    words = columns.get(by)
    if words is None:
        raise InputError(
            f"{sites.sites.path} has no classes in a column {by!r}: choose name, strand or chrom"
        )
    column = np.array(words)[kept]
    names = sorted(set(column.tolist()))
    if len(names) > MOST_CLASSES:
        raise InputError(
            f"{sites.sites.path}: its column {by} has {len(names):,} different values, and at most "
            f"{MOST_CLASSES} classes can be drawn"
        )
    return [(name, kept[column == name]) for name in names]


def _images(
    sites: ExplainedSites, item: InputSpec, axes: VplotAxes, chosen: Int64
) -> tuple[VplotImage, VplotImage]:
    """Mean input and contributions of some sites."""
    strands = sites.sites.strands
    reverse = np.array([word == "-" for word in strands] if strands else [False] * len(sites))
    means = []
    for array in (sites.values(item.name), sites.contributions(item.name)):
        if array.shape[1:] != axes.shape:
            raise InputError(
                f"{sites.folder} holds {item.name!r} of shape {array.shape[1:]}, but the model's "
                f"has {axes.shape}: name the model that was explained with --model"
            )
        forward, turned = chosen[~reverse[chosen]], chosen[reverse[chosen]]
        total = array[forward].sum(axis=0, dtype=np.float64)
        total += array[turned].sum(axis=0, dtype=np.float64)[:, ::-1]
        means.append(total / len(chosen))
    values, contributions = means
    return mean_image(values), sum_image(contributions)

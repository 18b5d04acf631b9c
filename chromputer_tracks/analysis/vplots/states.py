"""V-plots by chromatin state: what a model reads there, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.vplots.measures import (
    CHANGE,
    CONTRIBUTION,
    INPUT,
    mean_image,
    sum_image,
)
from chromputer_tracks.analysis.vplots.options import VplotOptions
from chromputer_tracks.analysis.vplots.select import (
    excluded_positions,
    kept_sites,
    only_classes,
    region_sites,
    turned,
)
from chromputer_tracks.analysis.vplots.sites import VplotSites, contig_sites, thinned
from chromputer_tracks.analysis.vplots.table import (
    Float64,
    VplotAxes,
    VplotRow,
    VplotTable,
    label_title,
)
from chromputer_tracks.data.features import Features
from chromputer_tracks.data.labels import (
    MODEL_STATES,
    UNKNOWN,
    LabelSet,
    Mask,
    StateLabels,
    read_states,
)
from chromputer_tracks.errors import InputError, counted
from chromputer_tracks.evaluation.sites import predict_sites
from chromputer_tracks.inference.explain import Contributions, head_weights, open_explainer
from chromputer_tracks.inference.registry import Model
from chromputer_tracks.inference.sample import announce, assay_files, open_sample
from chromputer_tracks.inference.session import Session, open_session
from chromputer_tracks.intervals import ChromSizes, Interval, parse_region
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.run import Report
from chromputer_tracks.spec import HeadSpec, InputSpec, ModelSpec

_BATCH = 64
"""Windows that are predicted at once."""


class StreamsContributions(Protocol):
    """Explains windows; :class:`chromputer_tracks.inference.explain.Explainer` is one."""

    def stream(
        self, features: Features, windows: Sequence[Interval], weights: NDArray[np.float32]
    ) -> Iterator[tuple[int, dict[str, NDArray[np.float32]], Contributions]]:
        """First window, input arrays and contributions of each batch, in order."""


@dataclass(frozen=True, slots=True, eq=False)
class StateImages:
    """Mean images of each state's sites, turned by strand.

    Attributes:
        sites: int64 (states,), number of sites.
        values: float64 (states, lengths, positions), the input as the network reads it; NaN for a
            state without sites, here and below.
        contributions: likewise, to the state's own logit.
        changes: likewise, of the state's own probability; see :func:`explain_states`.
    """

    sites: NDArray[np.int64]
    values: Float64
    contributions: Float64
    changes: Float64


def states_head(spec: ModelSpec) -> HeadSpec:
    """A model's states.

    Raises:
        InputError: it predicts none.
    """
    for head in spec.heads:
        if head.kind == "states":
            return head
    raise InputError(
        f"model {spec.name} predicts no chromatin states, by which V-plots could be told apart; "
        "draw a BED with --regions, without --model, or explained sites with --contributions"
    )


def vplot_input(spec: ModelSpec, name: str | None) -> InputSpec:
    """A model's V-plot input.

    Args:
        spec: of the model.
        name: of the input; None: the only one.

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
    """The centres of the whole bins of contigs, as sites.

    Args:
        sizes: the genome's contigs.
        contigs: to take.
        width: bp of a bin.
    """
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
    windows = site_windows(sites, spec.window)
    for first in range(0, len(windows), _BATCH):
        made = [features.arrays(window) for window in windows[first : first + _BATCH]]
        arrays = {name: np.stack([item[name] for item in made]) for name in made[0]}
        logits = session.run(arrays)[:, :, 0]
        code[first : first + _BATCH] = _most_likely(logits, spec, head)
    return replace(sites, classes=tuple(label.name for label in head.labels), code=code)


def site_windows(sites: VplotSites, window: int) -> list[Interval]:
    """The window of bases around each site, which may leave its contig."""
    return [
        Interval.centred(sites.contigs[contig], centre, window)
        for contig, centre in zip(sites.contig.tolist(), sites.centre.tolist(), strict=True)
    ]


def _most_likely(logits: NDArray[np.float32], spec: ModelSpec, head: HeadSpec) -> NDArray[np.int64]:
    """State of the largest calibrated logit; logits (n, outputs), int64 (n,)."""
    scale = np.array([label.scale for label in head.labels])
    bias = np.array([label.bias for label in head.labels])
    states = logits[:, spec.head_slices()[head.name]] * scale + bias
    return np.asarray(states.argmax(axis=1), dtype=np.int64)


def explain_states(
    explainer: StreamsContributions,
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

    Args:
        explainer: of the model.
        features: makes its inputs.
        sites: in classes by state, in the head's order; those of no state are left out. Images of
            sites with strand -1 are turned around.
        spec: of the model.
        head: its states.
        item: the V-plot input to draw.
        progress: called with the number of sites done.

    Raises:
        ProviderError: ONNX Runtime failed.
    """
    sites = sites.take(sites.code != UNKNOWN)
    states = len(head.labels)
    weights = np.stack([head_weights(spec, f"{head.name}.{label.name}") for label in head.labels])
    # One window for each site and state, so that the explainer chooses its batches itself.
    windows = [window for window in site_windows(sites, spec.window) for _ in range(states)]
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

    Args:
        contributions: float64 (K, lengths, positions), of each pixel to the logits of all states.
        state: index of the state.

    Returns:
        float64 (lengths, positions), from -1 / K to 1 - 1 / K.
    """
    odds = np.exp(contributions - contributions.max(axis=0))
    found: Float64 = odds[state] / odds.sum(axis=0) - 1 / len(contributions)
    return found


# ---- V-plots by a model's states: their sites found, explained, and made a table.


def state_table(
    options: VplotOptions, model: Model, stack: ExitStack, report: Report
) -> VplotTable:
    """What a model reads at the sites of each state, and what it makes of it.

    Args:
        options: of the run.
        model: predicts states.
        stack: closes the files.
        report: told what is done.

    Returns:
        a row for each state with enough sites: its mean V-plot, the mean contributions to its
        logit, and the mean change of its probability.

    Raises:
        InputError: a file cannot be used, or no state has enough sites.
        SpecError: the model cannot be explained.
        ProviderError: the provider does not work here.
    """
    spec, files = model.spec, options.files()
    head, item = states_head(spec), vplot_input(spec, options.input)
    fasta = stack.enter_context(Fasta(files.fasta))
    sizes = fasta.sizes
    assay_files(model, files)
    known = (
        None
        if options.states is None
        else (read_states(options.states, head.labels, sizes, MODEL_STATES))
    )
    explainer = open_explainer(
        model,
        options.method,
        references=options.references,
        seed=options.seed,
        provider=options.provider,
        threads=options.threads,
    )
    candidates = None
    if options.regions is not None or known is not None:
        candidates = _candidates(options, sizes, spec.label_bin, report)
    announce(model, explainer.session, sizes, files, report)
    features = open_sample(stack, model, fasta, files, report).features
    if candidates is not None and known is not None:
        sites = with_states(candidates, known, head)
    else:
        sites = _predicted(options, model, head, features, sizes, candidates, report)
    sites = _enough(options, only_classes(sites, options.only, f"model {model.name}"), report)
    sites = turned(options, thinned(sites, options.max_sites), sizes, report)
    images = explain_states(
        explainer,
        features,
        sites,
        spec,
        head,
        item,
        lambda done: report.progress("explaining", done, len(sites), "sites"),
    )
    rows = tuple(
        VplotRow(
            label.name,
            label_title(label),
            int(images.sites[code]),
            (
                mean_image(images.values[code]),
                sum_image(images.contributions[code]),
                mean_image(images.changes[code]),
            ),
            label.color,
        )
        for code, label in enumerate(head.labels)
        if images.sites[code]
    )
    axes = VplotAxes.around_site(spec.window, item.bin, item.length_edges)
    return VplotTable(axes, (INPUT, CONTRIBUTION, CHANGE), rows)


def _contigs(options: VplotOptions, sizes: ChromSizes) -> list[str]:
    """Contigs on which bins are taken."""
    if not options.chroms:
        return list(sizes)
    return list(dict.fromkeys(parse_region(text, sizes).chrom for text in options.chroms))


def _candidates(options: VplotOptions, sizes: ChromSizes, width: int, report: Report) -> VplotSites:
    """The regions, or all whole label bins, that are not excluded."""
    excluded = excluded_positions(options, sizes)
    if options.regions is not None:
        return region_sites(options, sizes, excluded, report)
    bins = state_bins(sizes, _contigs(options, sizes), width)
    return kept_sites(options, bins, sizes, excluded, report)


def _predicted(
    options: VplotOptions,
    model: Model,
    head: HeadSpec,
    features: Features,
    sizes: ChromSizes,
    regions: VplotSites | None,
    report: Report,
) -> VplotSites:
    """Sites in classes by the model's own states."""
    session = open_session(model.path, options.provider, options.threads)
    if regions is not None:
        report.note("predicting the states of the sites")
        return with_predicted_states(session, features, regions, model.spec, head)
    contigs = _contigs(options, sizes)
    report.note(f"predicting the states of {', '.join(contigs)}")
    bins = predicted_bins(session, features, sizes, contigs, model.spec, head)
    return kept_sites(options, bins, sizes, excluded_positions(options, sizes), report)


def _enough(options: VplotOptions, sites: VplotSites, report: Report) -> VplotSites:
    """Sites of the states that have enough of them."""
    count = np.bincount(sites.code[sites.code != UNKNOWN], minlength=len(sites.classes))
    few = (count < options.min_sites) & (count > 0)
    listed = ", ".join(
        f"{name} ({n:,})"
        for name, n, is_few in zip(sites.classes, count, few, strict=True)
        if is_few
    )
    if not (count >= max(1, options.min_sites)).any():
        where = options.states or f"the predictions of {options.model}"
        raise InputError(
            f"no state of {where} has {counted(options.min_sites, 'site')} or more"
            + (f": {listed}; lower --min-sites" if listed else "")
        )
    if listed:
        report.note(f"left out, with fewer than {counted(options.min_sites, 'site')}: {listed}")
    return sites.take((sites.code != UNKNOWN) & ~few[sites.code])

"""How good a model is on thinner samples: its own, of whose fragments a part is drawn at random.

What a new sample's depth and local coverage let one expect of a model is measured here, on held-out
contigs. Each draw of fragments is a part of the deeper ones, so that figures differ by depth and
not by the luck of the draw; and each is treated as a new sample is: its own density scales it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression

from chromputer_tracks.data.features import Assay, Features, probabilities
from chromputer_tracks.data.labels import UNKNOWN, LabelSet
from chromputer_tracks.evaluation.metrics import (
    DRAWS,
    Resamples,
    accuracy,
    confusion,
    estimate,
    macro_f1,
    mean_known,
    rank,
)
from chromputer_tracks.evaluation.scores import DIGITS
from chromputer_tracks.evaluation.sites import (
    LabelledSites,
    Predict,
    in_order,
    pool_sites,
    predict_sites,
)
from chromputer_tracks.intervals import Grid
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.spec import (
    DepthAccuracy,
    Fitness,
    HeadSpec,
    InputSpec,
    LocalAccuracy,
    fragment_assays,
)

SHARES = (1.0, 0.5, 0.25, 0.1, 0.05, 0.02)
"""Shares of the fragments that are scored."""
SEED = 0
"""Of the draws, and of the resamples of their figures."""
GROUPS = 20
"""Groups of sites by fragments around them, of equal numbers; fewer with many equal counts."""
_LEAST = 100
"""Fragments below which nothing is drawn: no such sample is worth an expectation."""


class DepthSample(NamedTuple):
    """A sample to thin: its name, its open files by assay, and the labels to score against."""

    name: str
    assays: Mapping[str, Assay]
    labels: LabelSet


@dataclass(frozen=True, slots=True)
class DepthSites:
    """Predictions at the sites of a share of the fragments.

    Attributes:
        share: of the fragments, drawn at random.
        depth: fragments per kb of the first assay of fragments, the mean over the samples.
        sites: predictions and labels.
        around: float64 (n,), fragments of all assays whose midpoints lie in each site's window.
    """

    share: float
    depth: float
    sites: LabelledSites
    around: NDArray[np.float64]


def measure_fitness(
    predict: Predict,
    inputs: tuple[InputSpec, ...],
    fasta: Fasta,
    samples: Sequence[DepthSample],
    contigs: Sequence[str],
    grid: Grid,
    label_bin: int,
    heads: tuple[HeadSpec, ...],
    report: Callable[[str], None] = lambda _: None,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Fitness | None:
    """Score a model with parts of its samples' fragments.

    Fragments of all assays and samples are thinned alike; a bigWig stays as it is.

    Args:
        predict: the network; a row of NaN where it lacks a label.
        inputs: its inputs, in graph order.
        fasta: the genome.
        samples: those that it was trained on, or that it is scored on.
        contigs: held out, to be scored.
        grid: places of the network's outputs.
        label_bin: bp between sites.
        heads: calibrated, in the order of the network's outputs.
        report: told what is done.
        draws: resamples of the figures.
        seed: of the resamples; the draws of fragments are always the same.

    Returns:
        What was found, without the samples' profiles; None for a model that reads no fragments.

    Raises:
        OutputError: the scratch folder is full or cannot be written.
    """
    names = fragment_assays(inputs)
    if not names:
        return None
    states = sum(len(head.labels) for head in heads if head.kind == "states")
    found, around, truth, called = [], [], [], []
    for share in SHARES:
        drawn = _predicted(predict, inputs, fasta, samples, contigs, grid, label_bin, states, share)
        if drawn is None:
            report(f"{share:.0%} of the fragments are too few to draw; thinner is not measured")
            break
        found.append(depth_accuracy(drawn, heads, draws, seed))
        report(_line(found[-1]))
        known = _known_states(drawn.sites)
        if known.any():
            around.append(drawn.around[known])
            truth.append(drawn.sites.states[known])
            called.append(drawn.sites.logits[:states, known].argmax(axis=0))
    local: tuple[LocalAccuracy, ...] = ()
    if around:
        local = local_accuracy(
            np.concatenate(around), np.concatenate(truth), np.concatenate(called)
        )
    return Fitness(tuple(contigs), {}, tuple(found), local)


def _predicted(
    predict: Predict,
    inputs: tuple[InputSpec, ...],
    fasta: Fasta,
    samples: Sequence[DepthSample],
    contigs: Sequence[str],
    grid: Grid,
    label_bin: int,
    states: int,
    share: float,
) -> DepthSites | None:
    """The sites with a share of the fragments; None where they are too few."""
    names, sizes = fragment_assays(inputs), fasta.sizes
    parts, around, depths = [], [], []
    for sample in samples:
        with ExitStack() as stack:
            assays, stores = dict(sample.assays), []
            for name in names:
                store = sample.assays[name]
                # What is no fragments is refused with the features, whose message tells of it.
                if isinstance(store, FragmentStore):
                    if store.total * share < _LEAST:
                        return None
                    if share < 1:
                        store = stack.enter_context(store.thinned(share, SEED))
                    assays[name] = store
                    stores.append(store)
            features = Features(inputs, fasta, assays)
            sites = predict_sites(
                predict, features, sample.labels, sizes, contigs, grid, label_bin, states
            )
            parts.append(sites)
            around.append(fragments_around(sites, stores, grid.window))
            depths.append(stores[0].density)
    several = [sample.name for sample in samples] if len(samples) > 1 else None
    pooled = pool_sites(parts, several)
    return DepthSites(share, float(np.mean(depths)), pooled, np.concatenate(around))


def fragments_around(
    sites: LabelledSites, stores: Sequence[FragmentStore], window: int
) -> NDArray[np.float64]:
    """Number of fragments whose midpoints lie in the window around each site, float64 (n,).

    Args:
        sites: where.
        stores: their fragments are counted together.
        window: bp; it is ``[centre - window // 2, centre - window // 2 + window)``.
    """
    counts = np.zeros(len(sites))
    for code, name in enumerate(sites.contigs):
        here = sites.contig == code
        start = sites.centre[here] - window // 2
        for store in stores:
            below = store.cumulative(name, np.concatenate([start, start + window]))
            counts[here] += below[len(start) :] - below[: len(start)]
    return counts


def depth_accuracy(
    drawn: DepthSites, heads: tuple[HeadSpec, ...], draws: int = DRAWS, seed: int = SEED
) -> DepthAccuracy:
    """The figures of a share, on the resamples of blocks of :func:`~.scores.score`.

    Args:
        drawn: predictions with that share.
        heads: calibrated.
        draws: resamples.
        seed: makes them reproducible.
    """
    sites, heads = drawn.sites, in_order(heads)
    resamples = Resamples.draw(sites.blocks, draws, seed)
    values = probabilities(sites.logits, heads)
    states = sites.number_of_states
    found: dict[str, tuple[float, float, float] | None] = {}
    confidence = None
    known = _known_states(sites)
    if known.any():
        predicted = values[:states, known]
        kept = resamples.select(known)
        table = confusion(sites.states[known], predicted.argmax(axis=0), states, kept)
        found["accuracy"], found["macro_f1"] = _figure(accuracy(table)), _figure(macro_f1(table))
        confidence = _cut(float(predicted.max(axis=0).mean()))
    rows = []
    for truth, scores in zip(sites.binary, values[states:], strict=False):
        known = (truth != UNKNOWN) & np.isfinite(scores)
        if (truth[known] == 1).any():
            rows.append(rank(truth[known] == 1, scores[known], resamples.select(known)).auprc)
    if rows:
        found["auprc"] = _figure(mean_known(rows))
    return DepthAccuracy(drawn.share, _cut(drawn.depth), **found, confidence=confidence)


def _known_states(sites: LabelledSites) -> NDArray[np.bool_]:
    """The sites whose state is known and predicted, bool (n,)."""
    predicted = sites.logits[: sites.number_of_states]
    known: NDArray[np.bool_] = (sites.states != UNKNOWN) & np.isfinite(predicted).all(axis=0)
    return known & (sites.number_of_states > 0)


def _figure(values: NDArray[np.float64]) -> tuple[float, float, float] | None:
    item = estimate(values)
    if np.isnan([item.value, item.low, item.high]).any():
        return None
    return _cut(item.value), _cut(item.low), _cut(item.high)


def _cut(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _line(item: DepthAccuracy) -> str:
    figures = [
        f"{name} {value[0]:.3f}"
        for name, value in (("accuracy", item.accuracy), ("mean AUPRC", item.auprc))
        if value is not None
    ]
    return ", ".join(
        [f"with {item.share:.0%} of the fragments ({item.depth:.3g} per kb)", *figures]
    )


def local_accuracy(
    around: NDArray[np.float64],
    truth: NDArray[np.int64],
    called: NDArray[np.int64],
    groups: int = GROUPS,
) -> tuple[LocalAccuracy, ...]:
    """Balanced accuracy of the states by the fragments around a site.

    Where nothing is seen, the most frequent state is called, and often right: the share of right
    calls would be largest where the sample says least. So it is the mean over the states of the
    share of their sites that are called right. It is told as the non-decreasing one that is nearest
    to the groups' own (isotonic regression, weighted by sites), as more fragments say no less.

    Args:
        around: float64 (n,), fragments around each site, n at least 1.
        truth: int64 (n,), its state.
        called: int64 (n,), the state that it is called.
        groups: of equal numbers of sites; fewer where many sites have as many fragments.
    """
    ranked = np.sort(around)
    # Sites with as many fragments stay in one group.
    edges = np.unique(ranked[np.arange(1, groups) * len(ranked) // groups])
    group = np.searchsorted(edges, around, side="right")
    _, group, sites = np.unique(group, return_inverse=True, return_counts=True)
    fragments = np.bincount(group, around) / sites
    states = int(truth.max()) + 1
    cells = group * states + truth
    shape = len(sites), states
    there = np.bincount(cells, minlength=len(sites) * states).reshape(shape)
    right = np.bincount(cells, called == truth, len(sites) * states).reshape(shape)
    recall = np.divide(right, there, out=np.full(shape, np.nan), where=there > 0)
    fitted = isotonic_regression(np.nanmean(recall, axis=1), sample_weight=sites)
    return tuple(
        LocalAccuracy(_cut(float(x)), _cut(float(y)), int(n))
        for x, y, n in zip(fragments, fitted, sites, strict=True)
    )

"""The network over the sites of a map: its embedding and its predictions, one window a site."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import probabilities, reverse_strand
from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.genome import Arrays, ArraySource, Prediction
from chromputer_tracks.inference.session import Session
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import SiteTable
from chromputer_tracks.io.threads import Workers
from chromputer_tracks.options.explain import Strands
from chromputer_tracks.spec import ModelSpec

Float32 = NDArray[np.float32]

BATCH = 32
"""Windows per run of the session: more are no faster."""
_AHEAD = 2
"""Batches that wait for a worker, so that none waits for arrays."""

_OUTPUTS = ("logits", "embedding")
_Pair = tuple[Float32, Float32]


@dataclass(frozen=True, slots=True, eq=False)
class WindowOutputs:
    """What the network says of sites.

    Attributes:
        embedding: float32 (n, hidden), the layer before the heads.
        probabilities: float32 (n, outputs), calibrated; values of continuous labels.
        strands: which strand of the windows was read, never ``auto``.
    """

    embedding: Float32
    probabilities: Float32
    strands: Strands


def chosen_strands(sites: SiteTable, strands: Strands) -> Strands:
    """What ``auto`` stands for: ``site`` where all sites have a strand, else ``both``."""
    if strands != "auto":
        return strands
    return "site" if len(sites) and bool((sites.strand != 0).all()) else "both"


def read_windows(
    session: Session,
    spec: ModelSpec,
    features: ArraySource,
    sites: SiteTable,
    strands: Strands = "auto",
    *,
    batch: int = BATCH,
    progress: Callable[[int], None] | None = None,
) -> WindowOutputs:
    """Run the network on the window around each site, of which there is at least one.

    The network tells the strands of a window apart, so that a map of unstranded sites read as the
    genome has them shows each asymmetric element (a promoter and its gene) twice, as its mirror
    image too. ``both`` takes the mean of the embeddings, and of the probabilities, of both strands,
    which no turning around changes; ``site`` reads sites of the - strand on their own strand;
    ``forward`` reads all as the genome has them; ``auto``: see :func:`chosen_strands`.

    Each window is computed by itself: a row does not depend on the sites beside it, their order,
    or the batch size. ``progress`` is told how many sites are done.

    Raises:
        ProviderError: ONNX Runtime failed.
    """
    read = chosen_strands(sites, strands)
    embeddings, values = [], []
    done = 0
    for embedding, value in _stream(session, spec, features, sites, read, batch):
        embeddings.append(embedding)
        values.append(value)
        done += len(embedding)
        if progress is not None:
            progress(done)
    return WindowOutputs(np.concatenate(embeddings), np.concatenate(values), read)


def _stream(
    session: Session,
    spec: ModelSpec,
    features: ArraySource,
    sites: SiteTable,
    strands: Strands,
    batch: int,
) -> Iterator[_Pair]:
    """Embedding and probabilities of each batch, in order."""

    def run(arrays: Arrays) -> _Pair:
        logits, embedding = session.fetch(_OUTPUTS, arrays)
        return embedding[:, :, 0], probabilities(logits, spec.heads)[:, :, 0]

    def compute(arrays: Arrays) -> _Pair:
        one = run(arrays)
        if strands != "both":
            return one
        other = run(reverse_strand(spec.inputs, arrays))
        half = np.float32(0.5)
        return (one[0] + other[0]) * half, (one[1] + other[1]) * half

    def made(row: int) -> Arrays:
        arrays = features.arrays(sites.window(row, spec.window))
        turned = strands == "site" and sites.strand[row] < 0
        return reverse_strand(spec.inputs, arrays) if turned else arrays

    running: deque[Future[_Pair]] = deque()
    pool = Workers(session.workers, "chromputer-embed")
    try:
        for first in range(0, len(sites), batch):
            rows = [made(row) for row in range(first, min(first + batch, len(sites)))]
            arrays = {name: np.stack([item[name] for item in rows]) for name in rows[0]}
            running.append(pool.submit(compute, arrays))
            if len(running) > session.workers + _AHEAD:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


# ---- The sites of a map when none are given: one for each element that the model predicts.

# Neighbouring bins share nearly all of their window, so that a map of bins would draw each element
# as a string of beads, long ones with many.


@dataclass(frozen=True, slots=True)
class MapSites:
    """Sites to map, and what they are, in words."""

    sites: SiteTable
    rule: str


@dataclass(slots=True)
class _BinRun:
    """Consecutive bins of one class: half-open bp, the greatest score and the base of its bin."""

    chrom: str
    start: int
    end: int
    code: int
    score: float
    centre: int


def find_elements(
    spec: ModelSpec,
    predictions: Iterable[Prediction],
    bins: Mapping[str, list[tuple[int, int]]],
    sizes: ChromSizes,
) -> MapSites:
    """The elements that a model predicts: a site each, in genome order, named by its label.

    With a states head they are the runs of bins of one most likely state; the state of the most
    bases, the background, is left out. Without one they are the runs of bins where a binary label
    reaches its threshold, and their bin is that of the greatest probability above the threshold. A
    model of continuous labels alone has no elements: each ``label_bin`` is a site.

    Args:
        spec: says what is predicted.
        predictions: in genome order, from
            :func:`~chromputer_tracks.inference.genome.predict_regions`; not asked of a model of
            continuous labels alone.
        bins: runs of outputs that they cover, from
            :func:`~chromputer_tracks.inference.genome.region_bins`.
        sizes: contigs of the genome.

    Raises:
        InputError: the model predicts none.
    """
    states = spec.states_head
    slices = spec.head_slices()
    if states is not None:
        rows = slices[states.name]
        runs = list(_runs(spec, ((p, _of_states(p.probabilities[rows])) for p in predictions)))
        bases = np.zeros(len(states.labels), dtype=np.int64)
        for run in runs:
            bases[run.code] += run.end - run.start
        background = int(bases.argmax())
        rule = f"runs of one most likely state, without {states.labels[background].name}"
        names = [label.name for label in states.labels]
        runs = [run for run in runs if run.code != background]
    elif binary := [head for head in spec.heads if head.kind == "binary"]:
        places = np.concatenate([np.arange(spec.outputs)[slices[head.name]] for head in binary])
        labels = [label for head in binary for label in head.labels]
        threshold = np.array([label.threshold for label in labels], dtype=np.float32)[:, None]
        calls = ((p, _of_calls(p.probabilities[places] - threshold)) for p in predictions)
        runs = list(_runs(spec, calls))
        rule = "runs of bins where a label reaches its threshold"
        names = [label.name for label in labels]
    else:
        return MapSites(_bins(spec, bins, sizes), f"all bins of {spec.label_bin} bp")
    if not runs:
        raise InputError(
            f"model {spec.name} predicts no element here ({rule}): give the sites with --regions"
        )
    contigs = tuple(sorted({run.chrom for run in runs}))
    code = {name: index for index, name in enumerate(contigs)}
    spans = [(code[run.chrom], run.start, run.end, run.centre) for run in runs]
    return MapSites(_site_table(contigs, spans, tuple(names[run.code] for run in runs)), rule)


_Codes = tuple[NDArray[np.intp], Float32]
"""Class of each bin, -1 for none, and its score; (bins,) each."""


def _of_states(probabilities: Float32) -> _Codes:
    return probabilities.argmax(axis=0), probabilities.max(axis=0)


def _of_calls(margins: Float32) -> _Codes:
    """All called bins are of one class here; the label is that of the greatest margin."""
    best = margins.max(axis=0)
    return np.where(best >= 0, margins.argmax(axis=0), -1), best


def _runs(spec: ModelSpec, bins: Iterable[tuple[Prediction, _Codes]]) -> Iterable[_BinRun]:
    """Merge consecutive bins, across predictions.

    Bins of different states are different elements; called bins that touch are one element
    whatever the label, and it is of the label that stands out most.
    """
    by_state = spec.states_head is not None
    run: _BinRun | None = None
    for prediction, (codes, scores) in bins:
        kinds = codes if by_state else np.where(codes < 0, -1, 0)
        firsts = np.flatnonzero(np.diff(kinds, prepend=-2))
        for first, last in zip(firsts, [*firsts[1:], len(kinds)], strict=True):
            if kinds[first] < 0:
                continue
            top = int(first + scores[first:last].argmax())
            begin = prediction.start + int(first) * spec.stride
            stop = min(prediction.start + int(last) * spec.stride, prediction.end)
            peak = prediction.start + top * spec.stride
            centre = min(peak + spec.stride // 2, prediction.end - 1)
            new = _BinRun(
                prediction.chrom, begin, stop, int(codes[top]), float(scores[top]), centre
            )
            same = run is not None and run.chrom == new.chrom and run.end == begin
            if run is not None and same and (not by_state or run.code == new.code):
                run.end = stop
                if new.score > run.score:
                    run.code, run.score, run.centre = new.code, new.score, new.centre
            else:
                if run is not None:
                    yield run
                run = new
    if run is not None:
        yield run


def _bins(
    spec: ModelSpec, bins: Mapping[str, list[tuple[int, int]]], sizes: ChromSizes
) -> SiteTable:
    """Each ``label_bin`` of runs of outputs, cut at their and the contigs' ends."""
    places = []
    for code, chrom in enumerate(bins):
        for first, last in bins[chrom]:
            end = min(last * spec.stride, sizes[chrom])
            for at in range(first * spec.stride, end, spec.label_bin):
                span = Interval(chrom, at, min(at + spec.label_bin, end))
                places.append((code, span.start, span.end, span.centre))
    return _site_table(tuple(bins), places, ("",) * len(places))


def _site_table(
    contigs: tuple[str, ...], places: Sequence[tuple[int, int, int, int]], names: tuple[str, ...]
) -> SiteTable:
    """Sites without strands; places are the number of the contig, start, end and centre."""
    contig, start, end, centre = np.array(places, dtype=np.int64).reshape(-1, 4).T.copy()
    return SiteTable(contigs, contig, start, end, centre, np.zeros_like(start), names)

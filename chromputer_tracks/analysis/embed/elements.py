"""The sites of a map when none are given: one for each element that the model predicts.

Neighbouring bins share nearly all of their window, so that a map of bins would draw each element as
a string of beads, long ones with many. So an element, a run of bins with one prediction, is one
site, on its bin with the highest probability.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.genome import Prediction
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.site_table import SiteTable
from chromputer_tracks.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Elements:
    """Elements of a genome.

    Attributes:
        sites: one an element, in genome order, named by its label; no strands.
        rule: what an element is, in words.
    """

    sites: SiteTable
    rule: str


@dataclass(slots=True)
class _Run:
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
) -> Elements:
    """The elements that a model predicts.

    With a states head they are the runs of bins of one most likely state; the state of the most
    bases, the background, is left out. Without one they are the runs of bins where a binary label
    reaches its threshold, and their bin is that of the greatest probability above the threshold. A
    model of continuous labels alone has no elements: each ``label_bin`` is a site.

    Args:
        spec: of the model.
        predictions: in genome order, from
            :func:`~chromputer_tracks.inference.genome.predict_regions`; not asked of a model of
            continuous labels alone.
        bins: runs of outputs that they cover, from
            :func:`~chromputer_tracks.inference.genome.region_bins`.
        sizes: the genome's contigs.

    Raises:
        InputError: the model predicts none.
    """
    states = next((head for head in spec.heads if head.kind == "states"), None)
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
        return Elements(_bins(spec, bins, sizes), f"all bins of {spec.label_bin} bp")
    if not runs:
        raise InputError(
            f"model {spec.name} predicts no element here ({rule}): give the sites with --regions"
        )
    contigs = tuple(sorted({run.chrom for run in runs}))
    code = {name: index for index, name in enumerate(contigs)}
    sites = SiteTable(
        contigs,
        np.array([code[run.chrom] for run in runs], dtype=np.int64),
        np.array([run.start for run in runs], dtype=np.int64),
        np.array([run.end for run in runs], dtype=np.int64),
        np.array([run.centre for run in runs], dtype=np.int64),
        np.zeros(len(runs), dtype=np.int64),
        tuple(names[run.code] for run in runs),
    )
    return Elements(sites, rule)


_Codes = tuple[NDArray[np.intp], NDArray[np.float32]]
"""Class of each bin, -1 for none, and its score; (bins,) each."""


def _of_states(probabilities: NDArray[np.float32]) -> _Codes:
    return probabilities.argmax(axis=0), probabilities.max(axis=0)


def _of_calls(margins: NDArray[np.float32]) -> _Codes:
    """All called bins are of one class here; the label is that of the greatest margin."""
    best = margins.max(axis=0)
    return np.where(best >= 0, margins.argmax(axis=0), -1), best


def _runs(spec: ModelSpec, bins: Iterable[tuple[Prediction, _Codes]]) -> Iterable[_Run]:
    """Merge consecutive bins, across predictions.

    Bins of different states are different elements; called bins that touch are one element
    whatever the label, and it is of the label that stands out most.
    """
    by_state = any(head.kind == "states" for head in spec.heads)
    run: _Run | None = None
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
            new = _Run(prediction.chrom, begin, stop, int(codes[top]), float(scores[top]), centre)
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
    contigs = tuple(bins)
    contig: list[int] = []
    spans: list[Interval] = []
    for code, chrom in enumerate(contigs):
        for first, last in bins[chrom]:
            end = min(last * spec.stride, sizes[chrom])
            for at in range(first * spec.stride, end, spec.label_bin):
                contig.append(code)
                spans.append(Interval(chrom, at, min(at + spec.label_bin, end)))
    return SiteTable(
        contigs,
        np.array(contig, dtype=np.int64),
        np.array([span.start for span in spans], dtype=np.int64),
        np.array([span.end for span in spans], dtype=np.int64),
        np.array([span.centre for span in spans], dtype=np.int64),
        np.zeros(len(spans), dtype=np.int64),
        ("",) * len(spans),
    )

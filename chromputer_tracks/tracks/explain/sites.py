"""Which sites are explained, of a BED or a label's own calls, and which of them are pictured."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.explain import Arrays, Contributions
from chromputer_tracks.inference.genome import covered_bases, predict_regions, region_bins
from chromputer_tracks.inference.sample import Sample
from chromputer_tracks.inference.session import Model, open_session
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import read_site_table
from chromputer_tracks.io.contributions import Batch, Site
from chromputer_tracks.io.record import Report, Stages
from chromputer_tracks.io.text import first_line
from chromputer_tracks.options.explain import ExplainOptions
from chromputer_tracks.spec import ModelSpec, find_label
from chromputer_tracks.tracks.predict import RESOLUTION, Call, CallMerger

_STRANDS = {1: "+", -1: "-", 0: "."}


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Sites in any order, and how strong they are.

    Attributes:
        sites: windows are centred on their ``centre``.
        strength: float64 (n,); all 0 where the file gives none.
    """

    sites: list[Site]
    strength: NDArray[np.float64]

    def strongest(self, limit: int | None, seed: int) -> list[Site]:
        """The strongest sites, sorted by contig, centre and what else tells them apart.

        Which of equally strong ones are taken is drawn by the seed; the order in which they came
        plays no part.

        Args:
            limit: how many; None: all.
            seed: what is drawn depends on it; at least 0.
        """
        order = sorted(range(len(self.sites)), key=lambda i: (self.sites[i], self.strength[i]))
        if limit is None or limit >= len(order):
            return [self.sites[i] for i in order]
        draws = np.random.default_rng(seed).random(len(order))
        ranked = np.lexsort((draws, -self.strength[order]))[:limit]
        return [self.sites[order[i]] for i in np.sort(ranked)]


def region_sites(
    path: Path, sizes: ChromSizes, within: Sequence[Interval] = (), step: int | None = None
) -> Candidates:
    """The regions of a BED or narrowPeak file as sites.

    A window is centred on the region's summit, by the rule of
    :func:`~chromputer_tracks.io.bed.read_site_table`. With ``step`` a region is cut into
    pieces of ``step`` bases, each a site of its own with a window on its middle. A region's
    strength is a narrowPeak's signalValue, else column 5; where that is no number, it has none. Its
    score is column 5, 0 where that is no number or below 0.

    Args:
        path: the file, in any order; columns beyond the third may hold anything but the strand.
        sizes: the genome's contigs.
        within: keep only sites whose centre lies in one of these; empty: all.
        step: bp, at least 1; None: one window a region.

    Raises:
        InputError: the file is empty or no site is left.
        FormatError, BoundsError, ContigError: see
            :func:`~chromputer_tracks.io.bed.read_site_table`.
    """
    if first_line(path) is None:
        raise InputError(
            f"{path} is empty: it holds no site to explain; give a BED or narrowPeak file with "
            "sites, or --calls for the model's own"
        )
    table = read_site_table(path, sizes)
    scores = np.maximum(_or_zero(table.numbers(5)), 0)
    strengths = _or_zero(table.numbers(7 if table.narrow_peak else 5))
    rows = zip(
        table.chroms,
        table.centre.tolist(),
        table.start.tolist(),
        table.end.tolist(),
        (name or "." for name in table.names),
        scores.tolist(),
        (_STRANDS[sign] for sign in table.strand.tolist()),
        strict=True,
    )
    sites: list[Site] = []
    strength: list[float] = []
    for row, whole in zip(rows, strengths.tolist(), strict=True):
        region = Site(*row)
        for site in [region] if step is None else _pieces(region, step):
            if not within or any(_holds(place, site) for place in within):
                sites.append(site)
                strength.append(whole)
    if not sites:
        shown = ", ".join(str(place) for place in within[:3])
        more = " ..." if len(within) > 3 else ""
        raise InputError(f"{path}: none of its {len(table):,} regions is centred in {shown}{more}")
    return Candidates(sites, np.array(strength))


def _or_zero(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isnan(values), 0.0, values)


def _pieces(site: Site, step: int) -> list[Site]:
    starts = range(site.start, site.end, step)
    pieces = [(start, min(start + step, site.end)) for start in starts]
    return [replace(site, centre=(a + b) // 2, start=a, end=b) for a, b in pieces]


def _holds(place: Interval, site: Site) -> bool:
    return place.chrom == site.chrom and place.start <= site.centre < place.end


class _LabelCalls:
    """Collects a label's calls, or a state's segments, from predictions."""

    def __init__(self, spec: ModelSpec, name: str) -> None:
        found = find_label(spec, name)
        label, self._row = found.label, found.row
        states = found.head.kind == "states"
        self._states = spec.head_slices()[found.head.name] if states else None
        if self._states is not None:
            # Bins of other states are set below 0, so that any probability is called.
            label = replace(label, threshold=0.0)
        self._merger = CallMerger(label, spec.stride)
        self._calls: list[Call] = []

    def add(self, chrom: str, start: int, end: int, values: NDArray[np.float32]) -> None:
        """Take the next bins; float32 (outputs, bins)."""
        row = values[self._row]
        if self._states is not None:
            states = values[self._states]
            row = np.where(states.argmax(axis=0) == self._row - self._states.start, row, -1)
        self._calls += self._merger.add(chrom, start, end, row)

    def candidates(self) -> Candidates:
        """The calls; each window is centred on the bin of the maximum."""
        name = self._merger.label.name
        calls = self._calls + self._merger.finish()
        scores = [float(round(1000 * call.maximum)) for call in calls]
        sites = [
            Site(
                call.chrom,
                (call.peak_start + call.peak_end) // 2,
                call.start,
                call.end,
                name,
                score,
                ".",
            )
            for call, score in zip(calls, scores, strict=True)
        ]
        return Candidates(sites, np.array(scores))


def check_callable(spec: ModelSpec, names: Sequence[str]) -> None:
    """Whether labels have calls.

    Raises:
        InputError: one is continuous.
    """
    for name in names:
        if find_label(spec, name).head.kind == "continuous":
            raise InputError(
                f"--calls: {name} is a signal, which has no calls: give the sites with --regions"
            )


def called_sites(
    options: ExplainOptions,
    model: Model,
    sample: Sample,
    sizes: ChromSizes,
    within: list[Interval],
    names: Sequence[str],
    stages: Stages,
    report: Report,
) -> dict[str, Candidates]:
    """Predict, and take the calls of labels as their sites: those that ``predict`` writes.

    Args:
        options: say where to predict.
        model: what predicts.
        sample: the open sample.
        sizes: the genome's contigs.
        within: predict only the bins that touch these; empty: the whole genome.
        names: labels that have calls, see :func:`check_callable`.
        stages: collects times.
        report: told the bases predicted so far.

    Raises:
        InputError: a label has no call.
    """
    spec = model.spec
    session = open_session(model.path, options.provider, options.threads)
    wanted = region_bins(within or None, sizes, spec.grid)
    total = covered_bases(wanted, sizes, spec.grid)
    collected = {name: _LabelCalls(spec, name) for name in names}
    bases = 0
    predictions = predict_regions(session, spec, sample.features, wanted, sizes, stages=stages)
    with closing(predictions):
        for item in predictions:
            # As the tracks are rounded, so that the calls are the same.
            rounded = np.rint(item.probabilities * np.float32(1 / RESOLUTION))
            rounded *= np.float32(RESOLUTION)
            for calls in collected.values():
                calls.add(item.chrom, item.start, item.end, rounded)
            bases += item.end - item.start
            report.progress("predicting", bases, total, "bp")
    found = {name: calls.candidates() for name, calls in collected.items()}
    for name, candidates in found.items():
        if not candidates.sites:
            raise InputError(
                f"--calls: {name} has no call in the {bases:,} bp predicted; give the sites with "
                "--regions"
            )
    return found


# The sites that are pictured.


@dataclass(frozen=True, slots=True, eq=False)
class SiteView:
    """What a picture of a site shows.

    Attributes:
        site: where it is.
        window: its window.
        logit: explained.
        sequence: float32 (4, window), the bases; None where the model reads none.
        importance: float32 (window,), what they contribute; likewise.
        shape: float32 (features, window), contributions of DNA shape, or None.
        values: input name to float32 (channels, positions) of each V-plot and signal.
        inputs: their contributions.
    """

    site: Site
    window: Interval
    logit: float
    sequence: NDArray[np.float32] | None
    importance: NDArray[np.float32] | None
    shape: NDArray[np.float32] | None
    values: Arrays
    inputs: Arrays


class HighestSites:
    """Keeps the sites with the highest logits; of equal ones those that come first."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._kept: list[tuple[float, int, SiteView]] = []
        self._seen = 0

    def add(
        self,
        sites: Sequence[Site],
        windows: Sequence[Interval],
        batch: Batch,
        found: Contributions,
    ) -> None:
        """Take the next sites."""
        for row, logit in enumerate(batch.logit.tolist()):
            self._seen += 1
            full = len(self._kept) >= self._number
            if full and (not self._kept or logit <= self._kept[0][0]):
                continue
            view = SiteView(
                site=sites[row],
                window=windows[row],
                logit=logit,
                sequence=None if batch.sequence is None else batch.sequence[row].copy(),
                importance=None if found.sequence is None else found.sequence[row].copy(),
                shape=None if found.shape is None else found.shape[row].copy(),
                values={name: array[row].copy() for name, array in batch.values.items()},
                inputs={name: array[row].copy() for name, array in batch.inputs.items()},
            )
            item = (logit, -self._seen, view)
            if full:
                heapq.heapreplace(self._kept, item)
            else:
                heapq.heappush(self._kept, item)

    def views(self) -> tuple[SiteView, ...]:
        """The highest logit first."""
        return tuple(view for _, _, view in sorted(self._kept, key=lambda item: item[:2])[::-1])

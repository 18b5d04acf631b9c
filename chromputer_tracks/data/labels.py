"""Labels at genome positions: chromatin states from a BED, binary labels from peak centres."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import FormatError, InputError
from chromputer_tracks.intervals import ChromSizes, Grid, Interval
from chromputer_tracks.io.assays import BigWigSource
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.spec import Label

UNKNOWN = -1
"""The label of a position that is not to be learnt from or scored."""


def _by_contig(rows: Iterable[tuple[str, *tuple[int, ...]]]) -> dict[str, NDArray[np.int64]]:
    """Contig to the numbers of its rows, sorted: int64 (numbers, n)."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for chrom, *numbers in rows:
        found.setdefault(chrom, []).append(tuple(numbers))
    return {chrom: np.array(sorted(held), dtype=np.int64).T for chrom, held in found.items()}


@dataclass(frozen=True, slots=True)
class StateLabels:
    """State at a position.

    Attributes:
        starts: contig to int64 (n,), ascending, bp, 0-based.
        ends: contig to int64 (n,), exclusive.
        codes: contig to int64 (n,), index of the state.
    """

    starts: Mapping[str, NDArray[np.int64]]
    ends: Mapping[str, NDArray[np.int64]]
    codes: Mapping[str, NDArray[np.int64]]

    @classmethod
    def from_segments(cls, segments: Iterable[tuple[str, int, int, int]]) -> StateLabels:
        """Build from (contig, start, end, code) rows in any order.

        Raises:
            InputError: two segments overlap, so that a position would have two states.
        """
        columns = _by_contig(segments)
        for chrom, (starts, ends, _) in columns.items():
            overlaps = np.flatnonzero(starts[1:] < ends[:-1])
            if len(overlaps):
                one, other = (
                    Interval(chrom, int(starts[row]), int(ends[row]))
                    for row in (overlaps[0], overlaps[0] + 1)
                )
                raise InputError(
                    f"segments {one} and {other} overlap; a position has one state: keep one"
                )
        return cls(*({c: column[row] for c, column in columns.items()} for row in range(3)))

    def at(self, chrom: str, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """State index at each position, ``UNKNOWN`` where no segment lies; int64 (n,)."""
        if chrom not in self.starts:
            return np.full(len(positions), UNKNOWN, dtype=np.int64)
        index = np.searchsorted(self.starts[chrom], positions, side="right") - 1
        inside = (index >= 0) & (positions < self.ends[chrom][index])
        return np.where(inside, self.codes[chrom][index], UNKNOWN)


@dataclass(frozen=True, slots=True)
class PeakLabels:
    """Whether a peak centre lies in the bin around a position.

    A position is positive when a centre lies in ``[position - width/2, position + width/2)``,
    ``UNKNOWN`` when one lies within a further ``flank`` on either side, else negative.

    Attributes:
        centres: contig to int64 (n,), ascending, bp, 0-based.
        width: bp of the bin.
        flank: bp of the ambiguous zone on each side.
    """

    centres: Mapping[str, NDArray[np.int64]]
    width: int
    flank: int

    @classmethod
    def from_peaks(cls, peaks: Iterable[tuple[str, int]], width: int, flank: int) -> PeakLabels:
        """Build from (contig, centre) rows in any order."""
        centres = {chrom: np.unique(column) for chrom, (column,) in _by_contig(peaks).items()}
        return cls(centres, width, flank)

    def at(self, chrom: str, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """1, 0 or ``UNKNOWN`` at each position; int64 (n,)."""
        half = self.width // 2
        centres = self.centres.get(chrom)
        if centres is None or not len(positions):
            return np.zeros(len(positions), dtype=np.int64)
        furthest = half + self.flank
        around = (positions.min() - furthest, positions.max() + furthest)
        first, last = np.searchsorted(centres, around)
        # Most stretches hold no peak of most labels.
        if first == last:
            return np.zeros(len(positions), dtype=np.int64)
        near = centres[first:last]

        def within(reach: int) -> NDArray[np.bool_]:
            begin = np.searchsorted(near, positions - reach, side="left")
            return begin < np.searchsorted(near, positions + reach, side="left")

        found = within(half)
        if not self.flank:
            return found.astype(np.int64)
        return np.where(found, 1, np.where(within(half + self.flank), UNKNOWN, 0))


@dataclass(frozen=True, slots=True)
class Mask:
    """A set of positions: a blacklist, or the sites that count.

    Attributes:
        starts: contig to int64 (n,), ascending, bp, 0-based.
        ends: contig to int64 (n,), exclusive, the furthest end so far.
    """

    starts: Mapping[str, NDArray[np.int64]]
    ends: Mapping[str, NDArray[np.int64]]

    @classmethod
    def from_intervals(cls, intervals: Iterable[Interval]) -> Mask:
        """Build from merged or overlapping intervals in any order."""
        columns = _by_contig((item.chrom, item.start, item.end) for item in intervals)
        # The furthest end so far makes the test right for overlapping intervals, too.
        return cls(
            {c: column[0] for c, column in columns.items()},
            {c: np.maximum.accumulate(column[1]) for c, column in columns.items()},
        )

    def touches(self, chrom: str, start: int, end: int) -> bool:
        """Whether any position of ``[start, end)`` is in the set."""
        if chrom not in self.starts:
            return False
        index = int(np.searchsorted(self.starts[chrom], end, side="left")) - 1
        return index >= 0 and bool(self.ends[chrom][index] > start)

    def at(self, chrom: str, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """True at positions inside an interval; bool (n,)."""
        if chrom not in self.starts:
            return np.zeros(len(positions), dtype=bool)
        index = np.searchsorted(self.starts[chrom], positions, side="right") - 1
        return (index >= 0) & (positions < self.ends[chrom][index])


@dataclass(frozen=True, slots=True)
class SignalLabels:
    """Mean of a signal around a position, in units of its own or scaled.

    Attributes:
        source: what gives the values.
        width: bp over which they are averaged, ``[position - width/2, position + width/2)``; a
            multiple of 10.
        scale: that the mean is multiplied by.
    """

    source: BigWigSource
    width: int
    scale: float = 1.0

    def at(self, chrom: str, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Mean per bp at each position, float32 (n,); 0 beyond the contig's ends.

        Args:
            chrom: contig.
            positions: int64 (n,), bp, ascending, in steps that are multiples of 10.
        """
        step = 10
        first = int(positions[0]) - self.width // 2
        length = int(positions[-1]) - int(positions[0]) + self.width
        values = self.source.means(Interval(chrom, first, first + length), step)
        sums = np.concatenate([[0.0], np.cumsum(values)])
        begin = (positions - positions[0]) // step
        count = self.width // step
        means = (sums[begin + count] - sums[begin]) * (self.scale / count)
        return np.asarray(means, dtype=np.float32)


class Labels(NamedTuple):
    """Labels at positions.

    Attributes:
        states: int64 (n,), ``UNKNOWN`` where there is none.
        binary: int64 (labels, n), 1, 0 or ``UNKNOWN``.
        continuous: float32 (labels, n), NaN where there is none.
    """

    states: NDArray[np.int64]
    binary: NDArray[np.int64]
    continuous: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LabelSet:
    """All labels of a sample.

    Attributes:
        states: chromatin states, if they are known.
        binary: one entry per binary label, in the order of the outputs; None where not known.
        masked: positions to leave out.
        sites: positions to keep; None keeps all.
        continuous: one entry per continuous label, likewise.
    """

    states: StateLabels | None
    binary: tuple[PeakLabels | None, ...]
    masked: Mask
    sites: Mask | None = None
    continuous: tuple[SignalLabels | None, ...] = ()

    def any_site(self, chrom: str, start: int, end: int) -> bool:
        """Whether a site touches ``[start, end)``."""
        return self.sites is None or self.sites.touches(chrom, start, end)

    def at(self, chrom: str, positions: NDArray[np.int64]) -> Labels:
        """Labels at positions (bp, 0-based, window centres, ascending); unknown where masked."""
        hidden = self.masked.at(chrom, positions)
        if self.sites is not None:
            hidden |= ~self.sites.at(chrom, positions)
        states = np.full(len(positions), UNKNOWN, dtype=np.int64)
        if self.states is not None:
            states[:] = self.states.at(chrom, positions)
        binary = np.full((len(self.binary), len(positions)), UNKNOWN, dtype=np.int64)
        for row, peaks in zip(binary, self.binary, strict=True):
            if peaks is not None:
                row[:] = peaks.at(chrom, positions)
        continuous = np.full((len(self.continuous), len(positions)), np.nan, dtype=np.float32)
        for values, signal in zip(continuous, self.continuous, strict=True):
            if signal is not None:
                values[:] = signal.at(chrom, positions)
        states[hidden] = UNKNOWN
        binary[:, hidden] = UNKNOWN
        continuous[:, hidden] = np.nan
        return Labels(states, binary, continuous)


# ---- Files of labels, as sets of positions and segments.

MODEL_STATES = "a model's states are fixed; give the BED that it was trained for"
"""What to do about a state that a trained model does not have."""


def read_mask(path: Path | None, sizes: ChromSizes) -> Mask:
    """The positions inside the intervals of a BED; none without one."""
    if path is None:
        return Mask({}, {})
    return Mask.from_intervals(record.interval for record in read_bed(path, sizes))


def read_states(
    path: Path, labels: tuple[Label, ...], sizes: ChromSizes, remedy: str
) -> StateLabels:
    """The segments of a BED whose names are states.

    Its message about a state that is not among the labels ends with ``remedy``: what to do.

    Raises:
        InputError: a state that is not among the labels.
        FormatError: segments overlap.
    """
    codes = {label.name: index for index, label in enumerate(labels)}
    segments = []
    table = read_bed(path, sizes)
    for row, record in enumerate(table):
        if record.name not in codes:
            raise InputError(
                f"{table.where(row)}: state {record.name!r} is not among the states "
                f"({', '.join(codes)}): {remedy}"
            )
        segments.append((record.chrom, record.start, record.end, codes[record.name]))
    try:
        return StateLabels.from_segments(segments)
    except InputError as error:
        raise FormatError(f"{path}: {error}") from error


# ---- Stretches of genome in outputs of the network.


class Segment(NamedTuple):
    """A run of outputs.

    Attributes:
        chrom: contig.
        first: centre of the first output's window, bp, 0-based; any offset.
        outputs: number of outputs, a stride apart.
        reverse: take the other strand.
        uniform: drawn uniformly from the genome, so that the states and continuous heads may learn
            from it.
        sample: index of the sample.
    """

    chrom: str
    first: int
    outputs: int
    reverse: bool = False
    uniform: bool = True
    sample: int = 0

    def centres(self, stride: int) -> NDArray[np.int64]:
        """Window centres, int64 (outputs,), bp, 0-based."""
        return self.first + stride * np.arange(self.outputs, dtype=np.int64)

    def span(self, grid: Grid) -> Interval:
        """The bases that the windows read; may leave the contig."""
        start = self.first - grid.window // 2
        return Interval(self.chrom, start, start + grid.window + (self.outputs - 1) * grid.stride)


def site_segments(
    sizes: ChromSizes,
    contigs: Sequence[str],
    label_bin: int,
    stride: int,
    sample: int = 0,
    sites: int = 128,
) -> list[Segment]:
    """Segments that cover the whole ``label_bin`` bins of contigs, for scoring.

    The first output of each lies at a bin's centre, and every ``label_bin / stride``-th output
    after it, too.
    """
    step = label_bin // stride
    segments = []
    for chrom in contigs:
        bins = sizes[chrom] // label_bin
        for begin in range(0, bins, sites):
            count = min(sites, bins - begin)
            first = begin * label_bin + label_bin // 2
            segments.append(Segment(chrom, first, (count - 1) * step + 1, sample=sample))
    return segments

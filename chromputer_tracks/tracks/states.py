"""Chromatin states as a segmentation: BED9 and bigBed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bigbed import read_rows, write_bigbed
from chromputer_tracks.spec import Label

STATES_BED, STATES_BIGBED = "states.bed", "states.bb"
"""Files of the states in a run's folder."""

_TITLE_LENGTH = 60


@dataclass(slots=True)
class _Run:
    """Consecutive bins of one state: half-open bp, and the sum of probability over its bases."""

    chrom: str
    start: int
    end: int
    state: int
    total: float


class StateRuns:
    """Merges equal consecutive states and writes them as BED9, across calls.

    Name: the state's short name; score: 1000 times its mean probability over the run's bases;
    thick part: the run; colour: the state's.

    Args:
        file: text, written to in genome order.
        labels: the states, in the order of the rows of probabilities.
        step: bp per bin.
    """

    def __init__(self, file: IO[str], labels: Sequence[Label], step: int) -> None:
        self._file = file
        self._step = step
        self._names = [label.name for label in labels]
        self._colors = [",".join(map(str, label.color)) for label in labels]
        self._run: _Run | None = None
        self.bases = [0] * len(labels)
        self.rows = 0

    def add(self, chrom: str, start: int, end: int, probabilities: NDArray[np.float32]) -> None:
        """Take the next bins.

        Args:
            chrom: contig; calls come in genome order.
            start: 0-based; a gap after the last call's end ends a run.
            end: exclusive; cuts the last bin.
            probabilities: float32 (states, bins), multiples of 2**-17 (TrackWriter rounds
                them), so that sums over bases are exact and the same however calls are cut.
        """
        step = self._step
        states = probabilities.argmax(0)
        weighted = probabilities.max(0).astype(np.float64) * step
        cut = start + len(states) * step - end
        weighted[-1] *= (step - cut) / step
        firsts = np.flatnonzero(np.diff(states, prepend=-1))
        totals = np.add.reduceat(weighted, firsts).tolist()
        codes = states[firsts].tolist()
        starts = (start + firsts * step).tolist()
        ends = [*starts[1:], end]
        lines: list[str] = []
        run = self._run
        for begin, stop, code, total in zip(starts, ends, codes, totals, strict=True):
            if run is None:
                run = _Run(chrom, begin, stop, code, total)
            elif run.state == code and run.end == begin and run.chrom == chrom:
                run.end = stop
                run.total += total
            else:
                lines.append(self._line(run))
                run = _Run(chrom, begin, stop, code, total)
        self._run = run
        self._file.write("".join(lines))

    def finish(self) -> None:
        """Write the last run."""
        if self._run is not None:
            self._file.write(self._line(self._run))
            self._run = None

    def _line(self, run: _Run) -> str:
        bases = run.end - run.start
        self.bases[run.state] += bases
        self.rows += 1
        score = round(1000 * run.total / bases)
        return (
            f"{run.chrom}\t{run.start}\t{run.end}\t{self._names[run.state]}\t{score}\t.\t"
            f"{run.start}\t{run.end}\t{self._colors[run.state]}\n"
        )


def write_states_bigbed(
    bed: Path, path: Path, sizes: ChromSizes, labels: Sequence[Label], table: str
) -> int:
    """Turn the finished BED of :class:`StateRuns` into a bigBed; returns its number of rows.

    Args:
        bed: the BED file.
        path: the bigBed file.
        sizes: the genome's contigs.
        labels: the states; their names and titles go into the autoSql.
        table: what the table is, for the autoSql.
    """
    return write_bigbed(path, sizes, read_rows(bed), states_autosql(labels, table))


def states_autosql(labels: Sequence[Label], table: str) -> str:
    """AutoSql of the states' BED9; the comment on ``name`` lists the full names."""
    legend = "; ".join(f"{label.name} {_plain(label.title)}" for label in labels)
    return f"""table chromatinStates
"{_plain(table)}"
    (
    string chrom;       "Contig"
    uint   chromStart;  "Start, 0-based"
    uint   chromEnd;    "End, exclusive"
    string name;        "{legend}"
    uint   score;       "Mean probability of the state, times 1000"
    char[1] strand;     "Always ."
    uint   thickStart;  "Start, 0-based"
    uint   thickEnd;    "End, exclusive"
    uint   reserved;    "Colour of the state"
    )
"""


def _plain(text: str) -> str:
    """Text that an autoSql comment can hold: no quotes, line breaks or semicolons, not long."""
    words = " ".join(text.replace('"', "'").replace(";", ",").split())
    return words if len(words) <= _TITLE_LENGTH else words[: _TITLE_LENGTH - 3] + "..."


# ---- Calls of a binary label: merged bins at and above its threshold, as BED9.


@dataclass(slots=True)
class _Call:
    """A run of called bins: half-open bp, its maximum and the bin that has it."""

    chrom: str
    start: int
    end: int
    maximum: float
    peak_start: int
    peak_end: int


class CallRuns:
    """Merges consecutive bins with probability >= threshold and writes them, across calls.

    Args:
        file: text, written to in genome order; stays empty without calls.
        label: gives name, threshold and colour.
        step: bp per bin.
    """

    def __init__(self, file: IO[str], label: Label, step: int) -> None:
        self._file = file
        self.label = label
        self._step = step
        self._color = ",".join(map(str, label.color))
        self._call: _Call | None = None
        self.count = 0
        self.bases = 0

    def add(self, chrom: str, start: int, end: int, probabilities: NDArray[np.float32]) -> None:
        """Take the next bins.

        Args:
            chrom: contig; calls of this method come in genome order.
            start: 0-based; a gap after the last end ends a run.
            end: exclusive; cuts the last bin.
            probabilities: float32 (bins,).
        """
        called = probabilities >= self.label.threshold
        if not called.any():
            return
        padded = np.zeros(len(called) + 2, np.bool_)
        padded[1:-1] = called
        edges = np.flatnonzero(padded[1:] != padded[:-1])
        lines: list[str] = []
        for first, last in edges.reshape(-1, 2).tolist():
            top = first + int(probabilities[first:last].argmax())
            run = _Call(
                chrom,
                start + first * self._step,
                min(start + last * self._step, end),
                float(probabilities[top]),
                start + top * self._step,
                min(start + (top + 1) * self._step, end),
            )
            before = self._call
            if before is None:
                self._call = run
            elif before.chrom == chrom and before.end == run.start:
                before.end = run.end
                if run.maximum > before.maximum:
                    before.maximum = run.maximum
                    before.peak_start, before.peak_end = run.peak_start, run.peak_end
            else:
                lines.append(self._line(before))
                self._call = run
        self._file.write("".join(lines))

    def finish(self) -> None:
        """Write the last run."""
        if self._call is not None:
            self._file.write(self._line(self._call))
            self._call = None

    def _line(self, call: _Call) -> str:
        self.count += 1
        self.bases += call.end - call.start
        return (
            f"{call.chrom}\t{call.start}\t{call.end}\t{self.label.name}\t"
            f"{round(1000 * call.maximum)}\t.\t{call.peak_start}\t{call.peak_end}\t"
            f"{self._color}\n"
        )

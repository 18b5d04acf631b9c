"""Calls of a binary label: merged bins at and above its threshold, as BED9.

Columns: contig, start, end, name, score (1000 times the maximum probability), strand ``.``,
thickStart and thickEnd (the bin with the maximum, leftmost on ties, which browsers draw thick: its
centre is the summit), colour. Plain BED9 is what every browser and BED reader takes; the exact
probabilities are in the label's bigWig.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.spec import Label


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

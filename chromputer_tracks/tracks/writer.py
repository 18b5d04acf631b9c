"""All tracks of a prediction, written in a stream and published together at the end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import OutputError
from chromputer_tracks.intervals import ChromSizes, format_span
from chromputer_tracks.io.atomic import output_errors
from chromputer_tracks.io.bigbed import read_rows
from chromputer_tracks.io.bigwig import BigWigWriter
from chromputer_tracks.spec import HeadSpec, Label, ModelSpec
from chromputer_tracks.tracks.states import (
    STATES_BED,
    STATES_BIGBED,
    CallRuns,
    StateRuns,
    write_states_bigbed,
)

LARGEST_SIGNAL = 2.0**48
"""Larger values of continuous labels are refused (2.8e14): zoom levels of bigWig files hold sums of
squares as float32."""
RESOLUTION = 2.0**-17
"""Probabilities are rounded to multiples of it (7.6e-6) before anything is written, so that sums
are exact, all tracks agree with one another, and the files compress well."""


@dataclass(frozen=True, slots=True)
class StateShare:
    """How much of the predicted bases a state takes; ``share`` is between 0 and 1."""

    name: str
    title: str
    bases: int
    share: float


@dataclass(frozen=True, slots=True)
class CallCount:
    """Calls of a binary label: their number and the bases in them."""

    name: str
    title: str
    calls: int
    bases: int


@dataclass(frozen=True, slots=True)
class TrackSummary:
    """What the tracks hold.

    Attributes:
        bases: bp predicted.
        states: one for each state, in the head's order; empty without a states head.
        calls: one for each binary label, in the heads' order.
    """

    bases: int
    states: tuple[StateShare, ...]
    calls: tuple[CallCount, ...]


def label_file(head: HeadSpec, label: Label, suffix: str) -> str:
    """Where a label's file lies in a run's folder: ``states/STATE.bw``, else ``HEAD/LABEL.SUFFIX``.

    Args:
        head: the label's.
        label: itself.
        suffix: ``bw``, or ``bed`` for the calls of a binary label.
    """
    folder = "states" if head.kind == "states" else head.name
    return f"{folder}/{label.name}.{suffix}"


class TrackWriter:
    """Writes a folder of tracks; use it as a context manager.

    Written are ``states.bed``, ``states.bb``, ``states/STATE.bw``, and for each binary or
    continuous head ``HEAD/NAME.bw``, for binary ones ``HEAD/NAME.bed``, too. At the clean end of
    the block every file has passed its check.

    Args:
        out: an empty folder.
        spec: the model's spec.
        sizes: the genome's contigs.
        threads: threads that compress bigWig data.

    Attributes:
        summary: what the tracks hold (after the block).
        outputs: the files (after the block).

    Raises:
        OutputError: ``out`` is not writable, the disk is full, a file does not pass its check, two
            labels would share a file, or a head's name would lead out of the folder.
    """

    summary: TrackSummary
    outputs: tuple[Path, ...]

    def __init__(self, out: Path, spec: ModelSpec, sizes: ChromSizes, *, threads: int = 1) -> None:
        self._out = out
        self._spec = spec
        self._sizes = sizes
        self._threads = threads
        self._names: list[str] = []
        self._beds: list[IO[str]] = []
        self._bigwigs: list[tuple[int, BigWigWriter]] = []
        self._states: StateRuns | None = None
        self._state_rows = slice(0)
        self._calls: list[tuple[int, str, CallRuns]] = []
        self._continuous: list[int] = []
        self._bases = 0

    def __enter__(self) -> TrackWriter:
        with ExitStack() as stack:
            self._map = (
                stack.enter_context(ThreadPoolExecutor(self._threads)).map
                if self._threads > 1
                else map
            )
            row = 0
            for head in self._spec.heads:
                if head.kind == "states":
                    self._state_rows = slice(row, row + len(head.labels))
                    self._states = StateRuns(
                        self._bed(stack, STATES_BED), head.labels, self._spec.stride
                    )
                for label in head.labels:
                    name = label_file(head, label, "bw")
                    writer = BigWigWriter(self._path(name), self._sizes, self._spec.stride)
                    self._bigwigs.append((row, stack.enter_context(writer)))
                    if head.kind == "binary":
                        name = label_file(head, label, "bed")
                        runs = CallRuns(self._bed(stack, name), label, self._spec.stride)
                        self._calls.append((row, name, runs))
                    if head.kind == "continuous":
                        self._continuous.append(row)
                    row += 1
            self._stack = stack.pop_all()
        return self

    def _path(self, name: str) -> Path:
        """Where the file is made; each name is used once, also where case does not count."""
        if name.casefold() in (other.casefold() for other in self._names):
            raise OutputError(f"cannot write {self._out / name}: two labels have this name")
        self._names.append(name)
        path = self._out / name
        with output_errors(self._out / name):
            path.parent.mkdir(exist_ok=True)
        return path

    def _bed(self, stack: ExitStack, name: str) -> IO[str]:
        path = self._path(name)
        with output_errors(self._out / name):
            file = path.open("w", encoding="utf-8", newline="\n")
        self._beds.append(stack.enter_context(file))
        return self._beds[-1]

    def write(self, chrom: str, start: int, end: int, values: NDArray[np.float32]) -> None:
        """Write the next bins of all tracks.

        Args:
            chrom: contigs come in the order of their names (bytes).
            start: 0-based, a multiple of the model's stride, not before the last end.
            end: exclusive; cuts the last bin.
            values: float32 (outputs, bins) in the order of the model's outputs: probabilities,
                and values of continuous labels.

        Raises:
            OutputError: a value is not a probability or signal, the order is wrong, or the disk is
                full.
            ContigError: the contig is unknown.
        """
        where = format_span(chrom, start, end)
        stride, outputs = self._spec.stride, self._spec.outputs
        if values.shape != (outputs, -(-(end - start) // stride)):
            raise OutputError(f"{where}: {values.shape} values for {outputs} tracks")
        limits = np.ones((outputs, 1), dtype=np.float32)
        limits[self._continuous] = LARGEST_SIGNAL
        # Comparisons with NaN are false.
        if not ((values >= 0) & (values <= limits)).all():
            raise OutputError(
                f"{where}: the model gave a value that is no probability, or no signal from 0 to "
                f"{LARGEST_SIGNAL:.2g} ({values.min()} to {values.max()}); is the model file "
                f"damaged?"
            )
        rounded = np.rint(values * np.float32(1 / RESOLUTION))
        rounded *= np.float32(RESOLUTION)
        for row in self._continuous:
            rounded[row] = _rounded_signal(values[row])
        for _ in self._map(
            lambda item: item[1].add(chrom, start, end, rounded[item[0]]), self._bigwigs
        ):
            pass
        with output_errors(self._out):
            if self._states is not None:
                self._states.add(chrom, start, end, rounded[self._state_rows])
            for row, _, calls in self._calls:
                calls.add(chrom, start, end, rounded[row])
        self._bases += end - start

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            # A full disk fails again on closing; the first error is the one to show.
            with suppress(OSError, OutputError):
                self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            if not self._bases:
                raise OutputError(f"cannot write tracks to {self._out}: nothing was predicted")
            self._finish_beds()
        self.outputs = tuple(self._out / name for name in self._names)
        self.summary = self._summarise()

    def _finish_beds(self) -> None:
        with output_errors(self._out):
            for run in [self._states, *(calls for _, _, calls in self._calls)]:
                if run is not None:
                    run.finish()
            for file in self._beds:
                file.close()
        for _, name, calls in self._calls:
            rows = sum(1 for _ in read_rows(self._out / name))
            self._check_rows(name, rows, calls.count)
        for head in self._spec.heads:
            if head.kind == "states" and self._states is not None:
                rows = write_states_bigbed(
                    self._out / STATES_BED,
                    self._path(STATES_BIGBED),
                    self._sizes,
                    head.labels,
                    f"Chromatin states predicted by {self._spec.name}",
                )
                self._check_rows(STATES_BED, rows, self._states.rows)

    def _check_rows(self, name: str, found: int, written: int) -> None:
        if found != written:
            raise OutputError(
                f"cannot write {self._out / name}: {found:,} of {written:,} rows read back; is the "
                "disk full?"
            )

    def _summarise(self) -> TrackSummary:
        labels = {head.kind: head.labels for head in self._spec.heads}
        bases = self._states.bases if self._states is not None else []
        binary = [
            label for head in self._spec.heads if head.kind == "binary" for label in head.labels
        ]
        return TrackSummary(
            self._bases,
            tuple(
                StateShare(label.name, label.title, count, count / self._bases)
                for label, count in zip(labels.get("states", ()), bases, strict=True)
            ),
            tuple(
                CallCount(label.name, label.title, calls.count, calls.bases)
                for label, (_, _, calls) in zip(binary, self._calls, strict=True)
            ),
        )


def _rounded_signal(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """To 11 significant bits (one part in 2,000), so that the files compress well."""
    mantissa, exponent = np.frexp(values)
    rounded: NDArray[np.float32] = np.ldexp(np.rint(mantissa * 2048) / 2048, exponent)
    return rounded

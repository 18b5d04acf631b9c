"""Importance tracks: which there are, their values base by base, and how windows are merged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import NUCLEOSOME
from chromputer_tracks.errors import InputError, OutputError
from chromputer_tracks.inference.explain import Contributions
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bigwig import BigWigWriter
from chromputer_tracks.options.explain import MergeRule
from chromputer_tracks.spec import InputSpec, ModelSpec

DINUCLEOSOME = 281
"""bp halfway between the fragments of one nucleosome, up to 247, and of two, from 315 (Buenrostro
et al. 2013, doi:10.1038/nmeth.2688)."""
_CUTS = ((NUCLEOSOME, 100, 180), (DINUCLEOSOME, 247, 315))
"""Each cut and the lengths between which it may lie: between the peaks of Buenrostro et al."""
_CLASSES = ("subnucleosomal", "mononucleosomal", "dinucleosomal")


@dataclass(frozen=True, slots=True)
class FragmentClass:
    """Consecutive length classes of a V-plot.

    Attributes:
        name: ``subnucleosomal`` ...; empty for all lengths.
        first: row of the V-plot.
        last: row, exclusive.
        shortest: bp.
        longest: bp, exclusive.
    """

    name: str
    first: int
    last: int
    shortest: int
    longest: int


@dataclass(frozen=True, slots=True)
class ImportanceTrack:
    """One bigWig.

    Attributes:
        name: the file's, without its ending.
        kind: ``sequence``, ``shape``, or that of an input.
        source: feature of shape or name of the input; empty for the sequence.
        first: row of the contributions.
        last: row, exclusive.
        bin: bp over which a contribution is spread.
    """

    name: str
    kind: str
    source: str = ""
    first: int = 0
    last: int = 1
    bin: int = 1


def fragment_classes(edges: tuple[int, ...]) -> tuple[FragmentClass, ...]:
    """Sub-, mono- and di-nucleosomal lengths among the length classes of a V-plot.

    Each cut is the edge nearest to :data:`NUCLEOSOME` and :data:`DINUCLEOSOME`; the last class
    holds all longer fragments, too. Together the classes hold every length.

    Args:
        edges: bp, ascending.

    Returns:
        three classes, or one of all lengths where no edge lies between the peaks of the lengths
        (100 to 180 and 247 to 315 bp).
    """
    cuts = []
    for wanted, low, high in _CUTS:
        row = min(range(len(edges)), key=lambda i: abs(edges[i] - wanted))
        if low <= edges[row] <= high and 0 < row < len(edges) - 1:
            cuts.append(row)
    if len(cuts) < len(_CUTS):
        return (FragmentClass("", 0, len(edges) - 1, edges[0], edges[-1]),)
    rows = (0, *cuts, len(edges) - 1)
    return tuple(
        FragmentClass(name, first, last, edges[first], edges[last])
        for name, first, last in zip(_CLASSES, rows, rows[1:], strict=False)
    )


def importance_tracks(spec: ModelSpec) -> tuple[ImportanceTrack, ...]:
    """The tracks of a model: ``importance``, each V-plot's classes, signals, features of shape.

    Raises:
        OutputError: two would have the same name.
    """
    tracks: list[ImportanceTrack] = []
    for item in spec.inputs:
        if item.kind == "sequence":
            if item.bases:
                tracks.append(ImportanceTrack("importance", "sequence"))
            tracks += [
                ImportanceTrack(f"shape.{feature}", "shape", feature, row, row + 1)
                for row, feature in enumerate(item.shape)
            ]
        elif item.kind == "vplot":
            tracks += [_class_track(item, part) for part in fragment_classes(item.length_edges)]
        else:
            tracks.append(ImportanceTrack(item.name, "signal", item.name, 0, 1, item.bin))
    names = [track.name.casefold() for track in tracks]
    for track in tracks:
        if names.count(track.name.casefold()) > 1:
            raise OutputError(
                f"two tracks of model {spec.name} would be named {track.name}.bw: an input of the "
                "model needs another name"
            )
    return tuple(tracks)


def _class_track(item: InputSpec, part: FragmentClass) -> ImportanceTrack:
    name = f"{item.name}.{part.name}" if part.name else item.name
    return ImportanceTrack(name, "vplot", item.name, part.first, part.last, item.bin)


def track_values(tracks: tuple[ImportanceTrack, ...], found: Contributions) -> NDArray[np.float32]:
    """Values of each base of n windows.

    What one bin contributes is spread evenly over its bases, so that the sum over bases is the
    contribution.

    Returns:
        float32 (n, tracks, window).
    """
    return np.stack([_values(track, found) for track in tracks], axis=1)


def _values(track: ImportanceTrack, found: Contributions) -> NDArray[np.float32]:
    rows = slice(track.first, track.last)
    if track.kind == "sequence" and found.sequence is not None:
        return found.sequence
    if track.kind == "shape" and found.shape is not None:
        return found.shape[:, track.first]
    binned = found.inputs[track.source][:, rows].sum(axis=1) / np.float32(track.bin)
    return np.repeat(binned, track.bin, axis=1)


# Contributions of overlapping windows, merged into one value a base.

_CHUNK = 1 << 16
"""Bases that wait to be handed on together, beside one window."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Merged values of consecutive bases.

    Attributes:
        chrom: contig.
        start: bp, 0-based; negative where a window begins before its contig.
        values: float32 (tracks, bases).
    """

    chrom: str
    start: int
    values: NDArray[np.float32]


def window_weights(rule: MergeRule, window: int) -> NDArray[np.float64]:
    """Weight of a window at each of its bases.

    Args:
        rule: how overlapping windows are merged.
        window: bp.

    Returns:
        float64 (window,), above 0: by ``centre`` the distance of the base's middle from the nearer
        end, in half windows.
    """
    if rule != "centre":
        return np.ones(window)
    middle = np.arange(window) + 0.5
    return np.asarray(np.minimum(middle, window - middle) / (window / 2))


class WindowMerge:
    """Merges windows that come by contig and ascending start; holds one window's bases.

    Args:
        rule: how overlapping windows are merged.
        window: bp of each window.
        tracks: number of values at each base.
    """

    def __init__(self, rule: MergeRule, window: int, tracks: int) -> None:
        self._rule = rule
        self._window = window
        self._weights = window_weights(rule, window)
        self._sum = np.zeros((tracks, window))
        self._weight = np.zeros(window)
        self._chrom = ""
        self._start = 0
        self._open = False
        self._waiting: list[NDArray[np.float32]] = []
        self._waiting_from = 0

    def add(self, chrom: str, start: int, values: NDArray[np.float32]) -> Iterator[Stretch]:
        """Take the next window.

        Args:
            chrom: contig; one whose windows have ended does not come again.
            start: bp, 0-based; not below the start before on the same contig.
            values: float32 (tracks, window).

        Yields:
            what no later window can change, in order, now and then.

        Raises:
            InputError: the windows are not sorted.
        """
        if self._open and chrom == self._chrom and start < self._start:
            raise InputError(
                f"window {chrom}:{start + 1:,} comes after {self._start + 1:,}: windows are not "
                "sorted"
            )
        touching = self._open and chrom == self._chrom and start <= self._start + self._window
        if self._open:
            self._pass(start - self._start if touching else self._window)
        if not touching or start - self._waiting_from >= _CHUNK:
            yield from self._hand_on()
            self._waiting_from = start
        self._chrom, self._start, self._open = chrom, start, True
        if self._rule == "max":
            larger = np.abs(values) > np.abs(self._sum)
            np.copyto(self._sum, values, where=larger)
        else:
            self._sum += self._weights * values
            self._weight += self._weights

    def finish(self) -> Iterator[Stretch]:
        """Yield the rest."""
        if self._open:
            self._pass(self._window)
            self._open = False
        yield from self._hand_on()

    def _pass(self, bases: int) -> None:
        """The first bases are done: they wait to be handed on, and the others move up."""
        if not bases:
            return
        done = self._sum[:, :bases]
        if self._rule != "max":
            done = done / self._weight[:bases]
        self._waiting.append(done.astype(np.float32))
        left = self._window - bases
        self._sum[:, :left] = self._sum[:, bases:]
        self._sum[:, left:] = 0
        self._weight[:left] = self._weight[bases:]
        self._weight[left:] = 0

    def _hand_on(self) -> Iterator[Stretch]:
        if self._waiting:
            values = np.concatenate(self._waiting, axis=1)
            self._waiting = []
            yield Stretch(self._chrom, self._waiting_from, values)


class ImportanceWriter:
    """The bigWigs of a label; a context manager that finishes them.

    Args:
        spec: the model, which says which there are.
        folder: exists.
        sizes: the genome's contigs.
        rule: how overlapping windows are merged.

    Attributes:
        bases: bp written to each.
    """

    def __init__(self, spec: ModelSpec, folder: Path, sizes: ChromSizes, rule: MergeRule) -> None:
        self._tracks = importance_tracks(spec)
        self._sizes = sizes
        self._merge = WindowMerge(rule, spec.window, len(self._tracks))
        self._writers = [
            BigWigWriter(folder / f"{track.name}.bw", sizes, step=1) for track in self._tracks
        ]
        self.bases = 0

    def __enter__(self) -> ImportanceWriter:
        with ExitStack() as stack:
            for writer in self._writers:
                stack.enter_context(writer)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            for stretch in self._merge.finish():
                self._write(stretch)

    def add(self, windows: Sequence[Interval], found: Contributions) -> None:
        """Take the next windows."""
        for window, values in zip(windows, track_values(self._tracks, found), strict=True):
            for stretch in self._merge.add(window.chrom, window.start, values):
                self._write(stretch)

    def _write(self, stretch: Stretch) -> None:
        """Write what lies inside the contig."""
        start = max(stretch.start, 0)
        end = min(stretch.start + stretch.values.shape[1], self._sizes[stretch.chrom])
        if end <= start:
            return
        for writer, values in zip(self._writers, stretch.values, strict=True):
            inside = values[start - stretch.start : end - stretch.start]
            writer.add(stretch.chrom, start, end, inside)
        self.bases += end - start

"""A sample's files, opened by what they hold: fragments, or a bigWig as a source of signal.

A bigWig is checked once as a whole, for fast random access by position. It is read with pybigtools:
pyBigWig takes two to three times as long and crashes on some damaged files.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import IO, Any, Self

import numpy as np
import pybigtools
from numpy.typing import NDArray

from chromputer_tracks.errors import FormatError, InputError
from chromputer_tracks.intervals import ChromSizes, Interval, check_contigs
from chromputer_tracks.io.bbi import BIGWIG_MAGIC, bbi_errors
from chromputer_tracks.io.depth import weighted_median
from chromputer_tracks.io.fragment_store import FragmentStore, GivenDepth
from chromputer_tracks.io.fragments import FragmentOptions
from chromputer_tracks.io.scratch import scratch_errors
from chromputer_tracks.io.text import open_input


def is_bigwig(path: Path) -> bool:
    """Whether a file starts as a bigWig does, of either byte order.

    Raises:
        InputError: it cannot be read.
    """
    with open_input(path) as file:
        return _is_bigwig_head(file.read(4))


def _is_bigwig_head(head: bytes) -> bool:
    return BIGWIG_MAGIC in (int.from_bytes(head, "little"), int.from_bytes(head, "big"))


def open_assay(
    stack: ExitStack,
    path: Path,
    sizes: ChromSizes,
    options: FragmentOptions,
    progress: Callable[[int], None] | None = None,
    scratch: Path | None = None,
    depth: GivenDepth = None,
) -> FragmentStore | BigWigSource:
    """Open a file of fragments or a bigWig, told apart by content; ``stack`` closes it.

    Arguments and errors are those of :meth:`FragmentStore.build` and :meth:`BigWigSource.open`.
    """
    if is_bigwig(path):
        return stack.enter_context(
            BigWigSource.open(path, sizes, scratch, others=options.only_fasta_contigs)
        )
    return stack.enter_context(FragmentStore.build(path, sizes, options, progress, scratch, depth))


# ---- A bigWig as a source of signal.

CUMULATIVE_BIN = 100
"""bp between the sums that :meth:`BigWigSource.cumulative` interpolates."""

_CHUNK = 1_000_000
"""bp read at a time when the file is checked, a multiple of CUMULATIVE_BIN."""

_SUFFIXES = (".bw", ".bigWig", ".bigwig")
"""pybigtools takes a file of another name only as an open file, at half the speed."""

_READ_BEFORE_NEW_FILE = 10_000_000
"""bp; pybigtools keeps up to 160 MB of blocks that it has read."""

Float64 = NDArray[np.float64]


class BigWigSource:
    """Values of a bigWig, all finite and at least 0; a context manager, made by :meth:`open`.

    Bases for which the file has no value have the value 0, as bigWigs of counts leave zeros out;
    so have all bases of a contig that the file does not list, as with fragments (``absent`` names
    those). Reading is safe from several threads, and in processes forked from this one.

    Attributes:
        path: the file.
        sizes: the genome's contigs.
        density: mean value per bp: the length-weighted median over the contigs that hold any value
            above 0, see :func:`chromputer_tracks.io.depth.weighted_median`.
        absent: contigs of the genome that the file does not list.
    """

    def __init__(
        self, path: Path, sizes: ChromSizes, scratch: Path | None, held: ExitStack, others: bool
    ) -> None:
        self.path = path
        self.sizes = sizes
        self._held = held
        self._file = _Reader(path)
        held.callback(self._file.close)
        used = {
            name: length
            for name, length in self._file.contigs.items()
            if name in sizes or (not others and self._file.holds(name))
        }
        if not used:  # to say what it has instead
            used = self._file.contigs
        check_contigs(used, str(path), sizes)
        self._listed = frozenset(used)
        self.absent = tuple(name for name in sizes if name not in used)
        self._folder = scratch or Path(tempfile.gettempdir())
        with scratch_errors(self._folder):
            self._sums: IO[bytes] = held.enter_context(tempfile.TemporaryFile(dir=scratch))
        self._offsets: dict[str, int] = {}
        self.density = self._density(self._read_all())

    @classmethod
    def open(
        cls, path: Path, sizes: ChromSizes, scratch: Path | None = None, *, others: bool = False
    ) -> Self:
        """Open a bigWig and read it once as a whole, to check it and to sum it up.

        Args:
            path: the file, of any name.
            sizes: the genome's contigs.
            scratch: folder for a scratch file of 8 bytes every 100 bp; None: TMPDIR.
            others: whether values on contigs that the genome lacks are left out.

        Raises:
            InputError: the file cannot be read, or all of its values are 0.
            FormatError: it is no bigWig, truncated or damaged, or a value is negative or not
                finite; the message names the place.
            ContigError: contigs that the genome lacks or that have another length in it.
            OutputError: the scratch folder is full or cannot be written.
        """
        with ExitStack() as held:
            source = cls(Path(path), sizes, scratch, held, others)
            source._held = held.pop_all()
            return source

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and remove the scratch file."""
        self._held.close()

    @property
    def per_bp(self) -> float:
        """:attr:`density`, which is per bp."""
        return self.density

    def means(self, interval: Interval, bin_size: int) -> Float64:
        """Mean value per bp of each bin.

        Args:
            interval: its length is a multiple of ``bin_size``; it may leave its contig, beyond
                whose ends the value is 0. Bins are counted from its start.
            bin_size: bp, also of bins that the contig's end cuts.

        Returns:
            float64 (len(interval) / bin_size,).

        Raises:
            ContigError: the contig is unknown.
            FormatError: the file cannot be read any more.
        """
        chrom, size = interval.chrom, self.sizes.require(interval.chrom, str(self.path))
        values = np.zeros(len(interval))
        start, end = max(interval.start, 0), min(interval.end, size)
        if start < end and chrom in self._listed:
            inside = values[start - interval.start : end - interval.start]
            inside[:] = self._file.values(chrom, start, end)
        return np.asarray(values.reshape(-1, bin_size).mean(axis=1))

    def cumulative(self, chrom: str, positions: NDArray[np.int64]) -> Float64:
        """Sum of the values of the contig's bases below each position.

        Exact at multiples of 100 bp and at the contig's end, linear in between.

        Args:
            chrom: contig.
            positions: int64 (n,), bp, in any order; may be negative or past the contig's end.

        Returns:
            float64 (n,).

        Raises:
            ContigError: the contig is unknown.
        """
        size = self.sizes.require(chrom, str(self.path))
        if chrom not in self._listed or not len(positions):
            return np.zeros(len(positions))
        inside = np.clip(positions, 0, size)
        row = np.minimum(inside // CUMULATIVE_BIN, (size - 1) // CUMULATIVE_BIN)
        first, last = int(row.min()), int(row.max()) + 2
        with scratch_errors(self._folder):
            # Read by offset: several threads may, and no pages stay mapped.
            at = self._offsets[chrom] + 8 * first
            sums = np.frombuffer(os.pread(self._sums.fileno(), 8 * (last - first), at))
        below, above = sums[row - first], sums[row - first + 1]
        width = np.minimum(size - row * CUMULATIVE_BIN, CUMULATIVE_BIN)
        return np.asarray(below + (above - below) * ((inside - row * CUMULATIVE_BIN) / width))

    def _read_all(self) -> dict[str, float]:
        """Check all values and write the cumulative sums; returns the sum by contig."""
        totals: dict[str, float] = {}
        for chrom, size in self.sizes.items():
            if chrom not in self._listed:
                continue
            total = 0.0
            with scratch_errors(self._folder):
                self._offsets[chrom] = self._sums.tell()
                self._sums.write(bytes(8))
                for start in range(0, size, _CHUNK):
                    values = self._checked(chrom, start, min(start + _CHUNK, size))
                    edges = np.arange(0, len(values), CUMULATIVE_BIN)
                    sums = total + np.cumsum(np.add.reduceat(values, edges))
                    self._sums.write(sums.tobytes())
                    total = float(sums[-1])
            totals[chrom] = total
        with scratch_errors(self._folder):
            self._sums.flush()
        return totals

    def _checked(self, chrom: str, start: int, end: int) -> Float64:
        values = self._file.values(chrom, start, end)
        # Values read by base are 0 where the file holds NaN; their sum is NaN.
        if values.min() >= 0 and np.isfinite(self._file.total(chrom, start, end)):
            return values
        place, value = next(
            (Interval(chrom, *span), value)
            for *span, value in self._file.records(chrom, start, end)
            if not 0 <= value < np.inf
        )
        raise FormatError(
            f"{self.path}: {place} has the value {value:g}; values must be finite and at least 0: "
            f"give counts, coverage or fold change, no log ratio or difference"
        )

    def _density(self, totals: Mapping[str, float]) -> float:
        used = [name for name, total in totals.items() if total > 0]
        if not used:
            raise InputError(f"{self.path} holds no value above 0")
        sizes = np.array([self.sizes[name] for name in used])
        means = np.array([totals[name] for name in used]) / sizes
        return float(weighted_median(means[:, np.newaxis], sizes)[0])


class _Reader:
    """A pybigtools file that threads and forked processes may share.

    Raises:
        InputError: the file cannot be opened.
        FormatError: it does not start as a bigWig does, or its header cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._open()
        with bbi_errors(path, "its contigs"):
            self.contigs: dict[str, int] = self._file.chroms()

    def _open(self) -> None:
        path = self._path
        with ExitStack() as opened:
            file = opened.enter_context(open_input(path))
            head = file.read(4)
            if not _is_bigwig_head(head):
                what = f"starts with {head!r}" if head else "is empty"
                raise FormatError(f"{path} is not a bigWig: it {what}")
            file.seek(0)
            with bbi_errors(path, "the header"):
                self._file: Any = opened.enter_context(
                    pybigtools.open(str(path) if path.suffix in _SUFFIXES else file)
                )
            self._opened = opened.pop_all()
        self._process = os.getpid()
        self._read = 0

    def close(self) -> None:
        self._opened.close()

    @contextmanager
    def _reading(self, chrom: str, start: int, end: int) -> Iterator[Any]:
        forked = self._process != os.getpid()
        if forked:  # the lock may be held by a thread that is not there any more
            self._lock = Lock()
        with self._lock:
            if forked or self._read > _READ_BEFORE_NEW_FILE:
                self._opened.close()
                self._open()
            self._read += end - start
            with bbi_errors(self._path, f"{Interval(chrom, start, end)}"):
                yield self._file

    def values(self, chrom: str, start: int, end: int) -> Float64:
        """The value of each base, float64 (end - start,); 0 where there is none or NaN."""
        with self._reading(chrom, start, end) as file:
            values: Float64 = file.values(chrom, start, end, fillna=0.0)
        return values

    def total(self, chrom: str, start: int, end: int) -> float:
        """Sum of the values; NaN when one of them is."""
        with self._reading(chrom, start, end) as file:
            how: dict[str, Any] = {"summary": "sum", "exact": True, "uncovered": 0.0}
            return float(file.values(chrom, start, end, bins=1, fillna=None, **how)[0])

    def records(self, chrom: str, start: int, end: int) -> list[tuple[int, int, float]]:
        """Start, end and value of the stretches with a value, cut to what was asked for."""
        with self._reading(chrom, start, end) as file:
            return list(file.records(chrom, start, end))

    def holds(self, chrom: str) -> bool:
        """Whether there is any value on the contig."""
        with self._reading(chrom, 0, self.contigs[chrom]) as file:
            return next(file.records(chrom), None) is not None

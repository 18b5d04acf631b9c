"""All fragments of a sample on disk, sorted, for fast random access by position.

How it is made: a file's fragments come in any order, and all of them may not fit into memory. They
go to a scratch file that remembers whose are where (:class:`ContigRows`); then one contig after the
other is loaded, sorted and written behind the ones before it. So memory holds one contig, no order
of the input is asked for, and the same fragments give the same store.

How it is asked: see :class:`FragmentStore`.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import InputError, counted
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.depth import (
    REMEDY,
    Depth,
    Pieces,
    contig_pieces,
    estimate,
    region_pieces,
    weighted_median,
)
from chromputer_tracks.io.fragments import (
    IDENTICAL,
    FragmentOptions,
    Fragments,
    FragmentSummary,
    Int32,
    open_fragments,
)
from chromputer_tracks.io.scratch import ScratchFile

_BUFFER_BYTES = 1 << 26


class ContigRows:
    """Append rows of one dtype by contig to a scratch file, then load one contig at a time."""

    def __init__(self, folder: Path | None, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._pending: dict[int, list[NDArray[Any]]] = {}
        self._pending_bytes = 0
        self._file = ScratchFile(folder)
        self._extents: dict[int, array[int]] = {}
        """Place and bytes in the file, one after the other, by contig."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, contigs: NDArray[np.int32], rows: NDArray[Any]) -> None:
        """Append rows (n,) of contigs with these codes (n,); the order within a contig is kept.

        Raises:
            OutputError: the scratch folder is full or cannot be written.
        """
        if len(rows) and (contigs == contigs[0]).all():
            self._pending.setdefault(int(contigs[0]), []).append(rows)
        else:
            order = np.argsort(contigs, kind="stable")
            codes, begins = np.unique(contigs[order], return_index=True)
            bounds = [*begins.tolist(), len(rows)]
            rows = rows[order]
            for code, begin, end in zip(codes.tolist(), bounds, bounds[1:], strict=False):
                self._pending.setdefault(code, []).append(rows[begin:end])
        self._pending_bytes += rows.nbytes
        if self._pending_bytes > _BUFFER_BYTES:
            self._flush()

    def _flush(self) -> None:
        for code, parts in self._pending.items():
            places = [self._file.append(part.tobytes()) for part in parts]
            extent = places[0], sum(part.nbytes for part in parts)
            self._extents.setdefault(code, array("q")).extend(extent)
        self._file.flush()
        self._pending.clear()
        self._pending_bytes = 0

    def pop(self, contig: int) -> NDArray[Any]:
        """All rows of a contig in the order they were added; they are forgotten.

        Raises:
            OutputError: the scratch folder is full or cannot be read.
        """
        if self._pending:  # else the buffer would stay in memory while contigs are sorted
            self._flush()
        extents = self._extents.pop(contig, array("q"))
        parts = [
            np.frombuffer(self._file.read(at, count), self._dtype)
            for at, count in zip(extents[::2], extents[1::2], strict=True)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=self._dtype)


_LONG = 2_000
"""bp; longer fragments are looked for one by one."""
_READ_BEFORE_NEW_MAP = 1 << 22
"""Fragments (8 bytes each); so that a walk over a genome holds no more in memory at its end."""
_CHUNK = 1 << 20
"""Values (4 bytes each) read at a time when all of them are."""

_INT32 = np.iinfo(np.int32)
_DEFAULT = FragmentOptions()

Int64 = NDArray[np.int64]

GivenDepth = float | Sequence[Interval] | None
"""What a caller says of a sample's depth: fragments per kb, or regions to count them in."""


class Midpoints(NamedTuple):
    """``midpoints`` and ``lengths``, int32 (n,), bp; sorted by midpoint, then length.

    A midpoint is ``(start + end) // 2``, 0-based.
    """

    midpoints: Int32
    lengths: Int32


class FragmentStore:
    """Fragments sorted by midpoint in memory-mapped scratch files; a context manager.

    Made by :meth:`build`. A midpoint and a length determine the fragment, so that one order on
    disk serves both kinds of query. Midpoints in an interval are one stretch of rows, found by
    binary search. A fragment that overlaps an interval has its midpoint at most half its length
    away; an index of intervals would be needed if lengths had no bound, but nearly all are below
    2 kb: those are in the stretch of rows of the interval widened by 2 kb, and the rows of the few
    longer ones are kept in a list that is looked through each time.

    Reading is safe from several threads, and in processes forked from this one. Leaving the context
    removes the scratch files.

    Attributes:
        sizes: the genome's contigs.
        counts: fragments by contig, all contigs of ``sizes``, 0 where there are none.
        depth: how deep the sample is and how that was found, see ``io/depth.py``; where it is in
            doubt, :meth:`sure_depth` raises.
        summary: what was kept and removed, by reason.
    """

    def __init__(
        self,
        scratch: tuple[ScratchFile, ScratchFile],
        sizes: ChromSizes,
        counts: dict[str, int],
        long: dict[str, Int64],
        summary: FragmentSummary,
        depth: GivenDepth = None,
    ) -> None:
        self._scratch = scratch
        self.sizes = sizes
        self.counts = counts
        self.summary = summary
        self._long = long
        self._map()
        ends = zip(counts, accumulate(counts.values()), strict=True)
        self._bounds = {name: (end - counts[name], end) for name, end in ends}
        self._length_densities: dict[tuple[int, ...], NDArray[np.float64]] = {}
        self._given = depth
        self.depth, self._pieces = self._depth(depth)

    def _map(self) -> None:
        """Map the files anew; the pages read through the maps before are let go."""
        self._midpoints, self._lengths = (file.map(np.int32) for file in self._scratch)
        self._read = 0

    @classmethod
    def build(
        cls,
        path: Path,
        sizes: ChromSizes,
        options: FragmentOptions = _DEFAULT,
        progress: Callable[[int], None] | None = None,
        scratch: Path | None = None,
        depth: GivenDepth = None,
    ) -> Self:
        """Read a file once and sort it by contig and midpoint.

        Memory holds one contig's fragments (8 bytes each, twice) and a buffer of 64 MiB.
        With ``drop_duplicates``, identical fragments are one fragment, those of a fragment file by
        barcode where it has several, as ``chromputer fragments`` writes them; the cells are pooled.

        Args:
            path: BAM, fragment file or BEDPE.
            sizes: the genome's contigs, against which the fragments are checked.
            options: which fragments to keep.
            progress: called after each batch with the number of fragments kept so far.
            scratch: folder for the scratch files (two times 8 bytes a fragment); None: TMPDIR.
            depth: fragments per kb, or regions over which they are counted; None: estimated.

        Raises:
            InputError, FormatError, ContigError, BoundsError: see :meth:`FragmentReader.batches`.
            OutputError: the scratch folder is full or cannot be written.
        """
        collapse = options.drop_duplicates
        reader = open_fragments(path, sizes, options, barcodes=collapse)
        with ExitStack() as stack:
            files = _scratch_files(stack, scratch)
            with (
                ContigRows(scratch, np.dtype(np.int64)) as rows,
                ContigRows(scratch, np.dtype(np.int32)) as cells,
            ):
                for batch in reader.batches():
                    length = batch.ends - batch.starts
                    # Midpoint above, length below: sorting the one number sorts by both.
                    key = (batch.starts + length // 2).astype(np.int64) << 32 | length
                    rows.add(batch.contigs, key)
                    if batch.barcodes is not None:
                        cells.add(batch.contigs, batch.barcodes)
                    if progress is not None:
                        progress(reader.kept)
                codes = {name: code for code, name in enumerate(reader.names)}
                # One barcode distinguishes nothing.
                by_cell = cells if len(reader.barcode_names) > 1 else None
                counts, long = _write_sorted(*files, rows, by_cell, sizes, codes, collapse)
            kept = sum(counts.values())
            removed = dict(reader.removed)
            if collapse:
                removed[IDENTICAL] = reader.kept - kept
            summary = FragmentSummary(reader.path, reader.kind, kept, removed)
            store = cls(files, sizes, counts, long, summary, depth)
            stack.pop_all()
            return store

    def thinned(self, share: float, seed: int, scratch: Path | None = None) -> Self:
        """A store of a random part of the fragments.

        Each fragment is kept with the probability ``share``, by a number that follows from the
        seed and its place in the order of the store: with one seed, the fragments of a smaller
        share are among those of a larger one.

        Args:
            share: above 0, at most 1.
            seed: of the draw.
            scratch: folder for the scratch files (8 bytes a fragment); None: TMPDIR.

        Raises:
            InputError: the share is none, or no fragment is left.
            OutputError: the scratch folder is full or cannot be written.
        """
        if not 0 < share <= 1:
            raise InputError(f"share {share} of the fragments must be above 0 and at most 1")
        rng = np.random.default_rng(seed)
        with ExitStack() as stack:
            midpoints, lengths = files = _scratch_files(stack, scratch)
            counts, long, at = {}, {}, 0
            for name in self.sizes:
                counts[name], found = 0, [np.zeros(0, dtype=np.int64)]
                parts = (self._chunks(file, *self._bounds[name]) for file in self._scratch)
                for places, sizes in zip(*parts, strict=True):
                    kept = rng.random(len(places)) < share
                    midpoints.append(places[kept].tobytes())
                    lengths.append(sizes[kept].tobytes())
                    found.append(at + np.flatnonzero(sizes[kept] > _LONG))
                    counts[name] += int(kept.sum())
                    at += int(kept.sum())
                long[name] = np.concatenate(found)
            for file in files:
                file.flush()
            if not at:
                raise InputError(f"{self.summary.path}: no fragment is left of a share of {share}")
            removed = {**self.summary.removed, "left out at random": self.total - at}
            summary = replace(self.summary, kept=at, removed=removed)
            given = self._given
            if isinstance(given, float | int):
                given *= at / self.total
            store = self.__class__(files, self.sizes, counts, long, summary, given)
            stack.pop_all()
            return store

    def __repr__(self) -> str:
        return f"<FragmentStore of {self.summary.path}: {self.total:,} fragments>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the scratch files."""
        for file in self._scratch:
            file.close()

    @property
    def total(self) -> int:
        """Number of fragments."""
        return len(self._midpoints)

    @property
    def per_bp(self) -> float:
        """:attr:`density` in fragments per bp."""
        return self.density / 1000

    @property
    def density(self) -> float:
        """:attr:`depth`, fragments per kb, also where it is in doubt."""
        return self.depth.per_kb

    def stretches(
        self, contigs: Collection[str], number: int, size: int
    ) -> Iterator[tuple[str, Midpoints]]:
        """Stretches of neighbouring fragments, spread evenly over all those of some contigs.

        A few of them stand for all: what is asked of a stretch costs as much in a large store as in
        a small one. Stretches do not overlap; where there are at most ``number * size`` fragments,
        they hold each.

        Args:
            contigs: of the genome's, in any order.
            number: of stretches.
            size: most fragments of a stretch, which ends with its contig, too.

        Yields:
            a stretch's contig, in the order of the genome's, and its fragments, sorted.
        """
        names = [name for name in self.sizes if name in contigs and self.counts[name]]
        ends = list(accumulate(self.counts[name] for name in names))
        total = ends[-1] if ends else 0
        step = max(total / number, size)
        at = 0.0
        while (rank := math.floor(at)) < total:
            place = bisect_right(ends, rank)
            first, last = self._bounds[names[place]]
            begin = first + rank - (ends[place - 1] if place else 0)
            end = min(begin + size, last)
            yield names[place], Midpoints(self._midpoints[begin:end], self._lengths[begin:end])
            # A stretch that its contig cuts is followed by the next contig's.
            at = rank + (end - begin) if total <= number * size else at + step

    def sure_depth(self) -> Depth:
        """:attr:`depth`, by which counts may be divided.

        Raises:
            InputError: it is in doubt; says why and what to do.
        """
        if self.depth.doubt:
            raise InputError(f"{self.summary.path}: {self.depth.doubt}: {REMEDY}")
        return self.depth

    def _depth(self, given: GivenDepth) -> tuple[Depth, Pieces]:
        whole = contig_pieces(list(self.counts.values()), list(self.sizes.values()))
        if given is None:
            contigs = list(self.counts)
            return estimate(
                lambda contig: np.concatenate(
                    list(self._chunks(self._scratch[0], *self._bounds[contigs[contig]]))
                ),
                list(self.counts.values()),
                self.sizes,
            )
        if isinstance(given, float | int):
            if not 0 < given < np.inf:
                raise InputError(f"{self.summary.path}: depth {given} must be a number above 0")
            return Depth(float(given), "given"), whole
        pieces = region_pieces(given, self._search, self._bounds, self.sizes)
        bases, found = int(pieces.bases.sum()), int((pieces.last - pieces.first).sum())
        if not found:
            raise InputError(
                f"{self.summary.path}: none of its {counted(self.total, 'fragment')} has its "
                f"midpoint in the {bases:,} bp of the regions for its depth: name regions that it "
                "covers"
            )
        return Depth(found / (bases / 1000), "regions", bases, len(pieces)), pieces

    def length_density(self, edges: tuple[int, ...]) -> NDArray[np.float64]:
        """Fragments per kb of each length class, by the rule of :attr:`depth`.

        All contigs (or regions) that hold any fragment count, also where a class is empty; a class
        that few of them hold may have density 0. A depth that was given as a figure is shared out
        as all fragments are. The first call for some edges reads the lengths once.

        Args:
            edges: bp, ascending; class i holds ``edges[i] <= length < edges[i + 1]``.

        Returns:
            float64 (len(edges) - 1,).

        Raises:
            OutputError: the scratch files cannot be read.
        """
        if edges not in self._length_densities:
            pieces, contigs = self._pieces, list(self.counts)
            counts = np.zeros((len(pieces), len(edges) - 1), dtype=np.int64)
            limits = np.array(edges, dtype=np.int32)
            for row in range(len(pieces)):
                begin = self._bounds[contigs[pieces.contig[row]]][0]
                first, last = begin + int(pieces.first[row]), begin + int(pieces.last[row])
                for lengths in self._chunks(self._scratch[1], first, last):
                    code = np.searchsorted(limits, lengths, side="right")
                    counts[row] += np.bincount(code, minlength=len(edges) + 1)[1:-1]
            self._length_densities[edges] = self._class_densities(counts)
        return self._length_densities[edges].copy()

    def _class_densities(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Fragments per kb (classes,) from counts (pieces, classes)."""
        match self.depth.how:
            case "given":
                return np.asarray(counts.sum(axis=0) / self.total * self.density)
            case "regions":
                return np.asarray(counts.sum(axis=0) / (self.depth.bases / 1000))
            case _:
                return weighted_median(self._pieces.densities(counts), self._pieces.bases)

    def _chunks(self, file: ScratchFile, first: int, last: int) -> Iterator[Int32]:
        """Some rows of a file, read beside the maps, so that no pages are held."""
        for at in range(first, last, _CHUNK):
            yield np.frombuffer(file.read(at * 4, 4 * min(_CHUNK, last - at)), np.int32)

    def cumulative(self, chrom: str, positions: Int64) -> NDArray[np.float64]:
        """Number of the contig's fragments whose midpoint is below each position.

        Args:
            chrom: contig.
            positions: int64 (n,), bp, in any order; may be negative or past the contig's end.

        Returns:
            float64 (n,).

        Raises:
            ContigError: the contig is unknown.
        """
        self.sizes.require(chrom, "fragments")
        if not len(positions):
            return np.zeros(0)
        # Only the stretch between the outermost positions is searched, and its pages counted.
        first, last = self._search(chrom, int(positions.min()), int(positions.max()))
        keys = np.clip(positions, _INT32.min, _INT32.max).astype(np.int32)
        begin = self._bounds[chrom][0]
        found = np.searchsorted(self._midpoints[first:last], keys)
        return np.asarray(found + (first - begin), dtype=np.float64)

    def midpoints(self, interval: Interval) -> Midpoints:
        """Fragments whose midpoint lies in ``interval``, which may leave its contig.

        Raises:
            ContigError: the contig is unknown.
        """
        first, last = self._search(interval.chrom, interval.start, interval.end)
        return Midpoints(self._midpoints[first:last], self._lengths[first:last])

    def fetch(self, interval: Interval) -> Fragments:
        """Fragments that share at least one base with ``interval``, which may leave its contig.

        Raises:
            ContigError: the contig is unknown.
        """
        first, last = self._search(interval.chrom, interval.start - _LONG, interval.end + _LONG)
        near = np.arange(first, last)
        far = self._long[interval.chrom]
        rows = np.concatenate([near[self._lengths[first:last] <= _LONG], far])
        length = np.asarray(self._lengths[rows])
        start = np.asarray(self._midpoints[rows]) - length // 2
        end = start + length
        hit = (start < interval.end) & (end > interval.start)
        start, end = start[hit], end[hit]
        order = np.lexsort((end, start))
        return Fragments(start[order], end[order])

    def _search(self, chrom: str, start: int, end: int) -> tuple[int, int]:
        """First and last (exclusive) row whose midpoint lies in ``[start, end)``."""
        self.sizes.require(chrom, "fragments")
        first, last = self._bounds[chrom]
        # A key of the array's own dtype: any other makes numpy convert the whole contig.
        keys = np.clip([start, end], _INT32.min, _INT32.max).astype(np.int32)
        low, high = np.searchsorted(self._midpoints[first:last], keys)
        self._read += int(high - low)
        if self._read > _READ_BEFORE_NEW_MAP:
            self._map()
        return first + int(low), first + int(high)


def _scratch_files(stack: ExitStack, folder: Path | None) -> tuple[ScratchFile, ScratchFile]:
    """Files for midpoints and lengths, which the stack closes."""
    files = ScratchFile(folder), ScratchFile(folder)
    for file in files:
        stack.callback(file.close)
    return files


def _write_sorted(
    midpoints: ScratchFile,
    lengths: ScratchFile,
    rows: ContigRows,
    cells: ContigRows | None,
    sizes: ChromSizes,
    codes: dict[str, int],
    collapse: bool,
) -> tuple[dict[str, int], dict[str, Int64]]:
    """Sort each contig into the two final files; returns counts and rows of long fragments."""
    counts: dict[str, int] = {}
    long: dict[str, Int64] = {}
    at = 0
    for name in sizes:
        keys = rows.pop(codes[name]) if name in codes else np.zeros(0, dtype=np.int64)
        if cells is None or not len(keys):
            keys.sort()
            new = keys[1:] != keys[:-1]
        else:
            cell = cells.pop(codes[name])
            order = np.lexsort((cell, keys))
            keys, cell = keys[order], cell[order]
            new = (keys[1:] != keys[:-1]) | (cell[1:] != cell[:-1])
        if collapse and len(keys):
            keys = keys[np.concatenate([[True], new])]
        length = (keys & _INT32.max).astype(np.int32)
        midpoints.append((keys >> 32).astype(np.int32).tobytes())
        lengths.append(length.tobytes())
        counts[name] = len(keys)
        long[name] = at + np.flatnonzero(length > _LONG)
        at += len(keys)
    midpoints.flush()
    lengths.flush()
    return counts, long

"""bigWig writing: fixed-step values in a stream, with zoom levels, in bounded memory.

The file is laid out here (numpy and zlib) and checked by pyBigWig before it gets its name.
pyBigWig does not write it because it never returns from a write on a full disk, holds Python's
global lock throughout, and needs about three times the processor time.
"""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import pyBigWig
from numpy.typing import NDArray

from chromputer_tracks.errors import FormatError, OutputError
from chromputer_tracks.intervals import ChromSizes, format_span, runs
from chromputer_tracks.io import bbi
from chromputer_tracks.io.atomic import PARTIAL, atomic_path, check_parent, output_errors

# ---- Zoom levels of a bigWig file, made section by section while values stream past.
#
# A browser that shows a whole chromosome must not read each of its values: the file also holds
# summaries (extremes, sum, sum of squares) of 16 bins, of 64, of 256 and so on, and the browser
# reads the level whose records are about as wide as its pixels. A level is made of the one below
# by joining four records, so that each value is looked at once.
#
# The stream is cut into batches of 65,536 bins. The seven finest levels divide a batch: they are
# made when it is full, and forgotten but for its one record of the seventh. The levels above join
# those, a few hundred in a human chromosome, when the contig ends. Records of all levels come at
# the same time but must stand one level after the other: full blocks wait in a scratch file.

SECTION = 4096
"""Most values in a block of data; blocks start at multiples of it, whatever the calls."""

_FIRST = 16
_FACTOR = 4
_BATCH = 16 * SECTION  # bins whose zoom records are made at once
_BATCH_LEVELS = 7  # 16, 64 ... 65,536 bins: complete within a batch
_MOST_LEVELS = 10
_RECORDS = 1024
_COMPRESSION = 1
_READ = 1 << 13

_RUN = struct.Struct("<IIIIIBBH")
"""Head of a block: contig, start, end, step and span, kind (3: fixed step), reserved, values."""

_INTEGERS, _FLOATS = ("start", "end", "bases"), ("minimum", "maximum", "total", "squares")
_RECORD = np.dtype(
    [(name, "<u4") for name in ("contig", *_INTEGERS)] + [(name, "<f4") for name in _FLOATS]
)
_START, _END, _BASES, _MIN, _MAX, _SUM, _SQUARES = range(7)
_JOINS = (np.minimum, np.maximum, np.add, np.minimum, np.maximum, np.add, np.add)
"""Rows of the tables below that records are made of, and how the columns of each are joined."""

ZOOM_BLOCK_BYTES = _RECORDS * _RECORD.itemsize
"""Bytes of a full block of zoom records before compression."""


class ZoomPyramid:
    """All zoom levels of one file: 16 values per record, then four times as many at each level.

    A value is of ``step`` bp; levels end before they are coarser than the ``longest`` contig, bp.
    Finished blocks wait in the ``spill`` file, so that memory does not grow with the genome.
    """

    def __init__(self, step: int, longest: int, spill: IO[bytes]) -> None:
        every = [_FIRST * step * _FACTOR**level for level in range(_MOST_LEVELS)]
        self.reductions = every[:1] + [bp for bp in every[1:] if bp < longest]
        self._step = step
        self._spill = spill
        self._levels = [_Level() for _ in self.reductions]
        self._rank = 0
        self._batch = 0
        self._columns = 0
        self._table = _empty_table(_BATCH // _FIRST)
        self._coarse: list[tuple[int, NDArray[np.float64]]] = []
        self._total = _empty_table(1)[:, 0]

    def add(
        self, rank: int, section: int, values: NDArray[np.float32], spans: NDArray[np.int64] | None
    ) -> None:
        """Take the next section of the contig ``rank``.

        Its values are float32 (SECTION,), NaN where there is none; ``spans``, int64 (SECTION,), are
        bp of each; None: all present, all of the full step.
        """
        batch, place = divmod(section * SECTION, _BATCH)
        if (rank, batch) != (self._rank, self._batch):
            self._flush_batch()
            if rank != self._rank:
                self._finish_contig()
            self._rank, self._batch = rank, batch
        column = place // _FIRST
        self._columns = column + SECTION // _FIRST
        origin = section * SECTION * self._step
        self._table[:, column : self._columns] = (
            _whole_table(values, origin, self._step)
            if spans is None
            else _partial_table(values, spans, origin, self._step)
        )

    def summary(self) -> bbi.Summary:
        """Totals of the whole file; call after :meth:`write`."""
        bases, low, high, total, squares = self._total[_BASES:].tolist()
        return bbi.Summary(int(bases), low, high, total, squares)

    def write(self, file: IO[bytes]) -> list[bbi.Zoom]:
        """Append data and index of each level to ``file``."""
        self._flush_batch()
        self._finish_contig()
        zooms = []
        for level, reduction in zip(self._levels, self.reductions, strict=True):
            data_at = file.tell()
            file.write(struct.pack("<I", level.records))
            leaves = np.frombuffer(bytes(level.leaves), bbi.LEAF).copy()
            for leaf in leaves:
                self._spill.seek(int(leaf["offset"]))
                leaf["offset"] = file.tell()
                file.write(self._spill.read(int(leaf["size"])))
            zooms.append(bbi.Zoom(reduction, data_at, file.tell()))
            file.write(bbi.range_tree(leaves, file.tell(), _RECORDS))
        return zooms

    def _flush_batch(self) -> None:
        if not self._columns:
            return
        table = self._table[:, : self._columns]
        for level in range(_BATCH_LEVELS):
            if level:
                table = _coarser(table)
            if level < len(self._levels):
                self._emit(level, table)
        self._coarse.append((self._batch, table[:, 0]))
        # The last level's one record holds all of the batch: the file's totals come from these.
        both = np.stack([self._total, table[:, 0]], 1)
        self._total = _coarser(both, 2)[:, 0]
        self._table = _empty_table(_BATCH // _FIRST)
        self._columns = 0

    def _finish_contig(self) -> None:
        if len(self._levels) > _BATCH_LEVELS and self._coarse:
            table = _empty_table(self._coarse[-1][0] + 1)
            for batch, column in self._coarse:
                table[:, batch] = column
            for level in range(_BATCH_LEVELS, len(self._levels)):
                table = _coarser(table)
                self._emit(level, table)
        self._coarse.clear()
        for zoom in self._levels:
            if zoom.pending:
                self._write_block(zoom, bytes(zoom.pending))
                zoom.pending.clear()

    def _emit(self, level: int, table: NDArray[np.float64]) -> None:
        zoom = self._levels[level]
        zoom.pending += _records(self._rank, table)
        while len(zoom.pending) >= ZOOM_BLOCK_BYTES:
            self._write_block(zoom, bytes(zoom.pending[:ZOOM_BLOCK_BYTES]))
            del zoom.pending[:ZOOM_BLOCK_BYTES]

    def _write_block(self, zoom: _Level, raw: bytes) -> None:
        records = np.frombuffer(raw, _RECORD)
        start, end = int(records["start"][0]), int(records["end"][-1])
        zoom.leaves += _write_block(self._spill, raw, self._rank, start, end)
        zoom.records += len(records)


def _write_block(file: IO[bytes], raw: bytes, rank: int, start: int, end: int) -> bytes:
    """Append a compressed block; returns its :data:`bbi.LEAF`."""
    block = zlib.compress(raw, _COMPRESSION)
    leaf = struct.pack("<IIIIQQ", rank, start, rank, end, file.tell(), len(block))
    file.write(block)
    return leaf


class _Level:
    """Records of one zoom level that wait for a full block, and the blocks spilled so far."""

    def __init__(self) -> None:
        self.pending = bytearray()
        self.leaves = bytearray()
        self.records = 0


def _empty_table(count: int) -> NDArray[np.float64]:
    """Seven rows (start, end, bases, minimum, maximum, sum, sum of squares) of no bases."""
    table = np.zeros((7, count), np.float64)
    table[[_START, _MIN]] = np.inf
    table[_MAX] = -np.inf
    return table


def _whole_table(values: NDArray[np.float32], origin: int, step: int) -> NDArray[np.float64]:
    """Summaries of 16 bins each, none missing or cut: float64 (7, SECTION / 16)."""
    # Sums along the first axis are the fast ones.
    columns = np.ascontiguousarray(values.reshape(-1, _FIRST).T)
    exact = columns.astype(np.float64)
    width = _FIRST * step
    table = np.empty((7, columns.shape[1]), np.float64)
    table[_START] = np.arange(origin, origin + len(values) * step, width)
    table[_END] = table[_START] + width
    table[_BASES] = width
    table[_MIN], table[_MAX] = columns.min(0), columns.max(0)
    table[_SUM] = exact.sum(0) * step
    table[_SQUARES] = np.square(exact).sum(0) * step
    return table


def _partial_table(
    values: NDArray[np.float32], spans: NDArray[np.int64], origin: int, step: int
) -> NDArray[np.float64]:
    """Summaries of 16 bins each, where bins are missing or cut: float64 (7, SECTION / 16)."""
    present = ~np.isnan(values)
    starts = origin + np.arange(SECTION, dtype=np.int64) * step
    exact = np.where(present, values, 0).astype(np.float64)
    table = np.empty((7, SECTION), np.float64)
    table[_START] = np.where(present, starts, np.inf)
    table[_END] = np.where(present, starts + spans, 0)
    table[_BASES] = np.where(present, spans, 0)
    table[_MIN] = np.where(present, values, np.inf)
    table[_MAX] = np.where(present, values, -np.inf)
    table[_SUM] = exact * table[_BASES]
    table[_SQUARES] = exact * table[_SUM]
    return _coarser(table, _FIRST)


def _coarser(table: NDArray[np.float64], factor: int = _FACTOR) -> NDArray[np.float64]:
    """Every ``factor`` columns joined; the last may be fewer."""
    missing = -table.shape[1] % factor
    if missing:
        table = np.concatenate([table, _empty_table(missing)], 1)
    grouped = table.reshape(7, -1, factor)
    return np.stack([join.reduce(row, 1) for join, row in zip(_JOINS, grouped, strict=True)])


def _records(rank: int, table: NDArray[np.float64]) -> bytes:
    """Zoom records of the columns that have bases."""
    table = table[:, table[_BASES] > 0]
    out = np.empty(table.shape[1], _RECORD)
    out["contig"] = rank
    for name, row in zip((*_INTEGERS, *_FLOATS), table, strict=True):
        out[name] = row
    return out.tobytes()


class BigWigWriter:
    """Writes one bigWig file; use it as a context manager.

    The file appears under its name when the block ends well and the file has passed its check;
    otherwise nothing is left. Equal values give equal bytes, however they are cut into calls.

    Args:
        path: the final name.
        sizes: all contigs of the genome; the header lists them sorted by name.
        step: bp per value.
        kept: what is called when the block ends with an error: whether the file is to stay as far
            as it is written, for :func:`read_unfinished`. None: there is nothing to come back to.
    """

    def __init__(
        self,
        path: Path,
        sizes: ChromSizes,
        step: int,
        kept: Callable[[], bool] | None = None,
    ) -> None:
        self.path = path
        self._kept = kept
        self._sizes = sizes
        self._step = step
        self._contigs = sorted(sizes.items(), key=lambda item: item[0].encode())
        self._ranks = {name: rank for rank, (name, _) in enumerate(self._contigs)}
        self._chrom: str | None = None
        self._rank = -1
        self._end = 0
        self._written: dict[str, _Extent] = {}
        self._section = 0
        self._filled = 0
        self._values = np.full(SECTION, np.nan, np.float32)
        self._spans = np.full(SECTION, step, np.int64)
        self._leaves = bytearray()

    def __enter__(self) -> BigWigWriter:
        with ExitStack() as stack:
            if self._kept is None:
                self._temporary = stack.enter_context(atomic_path(self.path))
            else:
                self._temporary = stack.enter_context(_lasting_path(self.path, self._kept))
            stack.enter_context(output_errors(self.path))
            self._file: IO[bytes] = stack.enter_context(self._temporary.open("w+b"))
            spill = stack.enter_context(tempfile.TemporaryFile(dir=self.path.parent))
            self._zooms = ZoomPyramid(self._step, max(self._sizes.values()), spill)
            headers = bbi.ZOOM_HEADER_BYTES * len(self._zooms.reductions)
            self._summary_at = bbi.HEADER_BYTES + headers
            self._tree_at = self._summary_at + bbi.SUMMARY_BYTES
            tree = bbi.contig_tree(self._contigs, self._tree_at)
            self._data_at = self._tree_at + len(tree)
            # Where data begin is known from the start, to whoever reads the file unfinished.
            places = {"tree": self._tree_at, "data": self._data_at, "summary": self._summary_at}
            self._file.write(bbi.header(**places, index=0, buffer=0, zooms=()))
            self._file.write(bytes(self._tree_at - self._file.tell()))
            self._file.write(tree)
            self._file.write(bytes(8))
            self._stack = stack.pop_all()
        return self

    def add(self, chrom: str, start: int, end: int, values: NDArray[np.float32]) -> None:
        """Append values.

        Args:
            chrom: contigs come in the order of their names (bytes).
            start: 0-based, a multiple of ``step``, at or after the end of the last call.
            end: exclusive; cuts the last value's span when it is not a multiple of ``step``.
            values: float32 (ceil((end - start) / step),), finite.

        Raises:
            OutputError: a rule above is broken, or the disk is full.
            ContigError: the contig is unknown.
        """
        size = self._sizes.require(chrom, str(self.path))
        step = self._step
        where = f"{self.path}: {format_span(chrom, start, end)}"
        if start < 0 or start % step or not start < end <= size:
            raise OutputError(f"{where} must start after a multiple of {step} and end by {size:,}")
        if values.shape != (-(-(end - start) // step),):
            raise OutputError(f"{where} at {step} bp does not take values of {values.shape}")
        if not np.isfinite(values).all():
            raise OutputError(f"{where} has a value that is not finite")
        rank = self._ranks[chrom]
        if rank < self._rank or (rank == self._rank and start < self._end):
            raise OutputError(f"{where} comes after {self._chrom} up to {self._end:,}: not sorted")
        with output_errors(self.path):
            if rank != self._rank:
                self._flush_section()
                if self._kept is not None:
                    # A whole contig is out of this process's hands.
                    self._file.flush()
                self._chrom, self._rank = chrom, rank
                self._written[chrom] = _Extent(start, float(values[0]))
            self._end = end
            self._written[chrom].extend(start, end, float(values[-1]))
            self._fill(start // step, values, end - start - (len(values) - 1) * step)

    def _fill(self, first: int, values: NDArray[np.float32], last_span: int) -> None:
        at = 0
        while at < len(values):
            section, place = divmod(first + at, SECTION)
            if section != self._section:
                self._flush_section()
                self._section = section
            count = min(SECTION - place, len(values) - at)
            self._values[place : place + count] = values[at : at + count]
            self._filled += count
            at += count
            if at == len(values):
                self._spans[place + count - 1] = last_span
            if place + count == SECTION:
                self._flush_section()

    def _flush_section(self) -> None:
        if not self._filled:
            return
        present = ~np.isnan(self._values)
        origin = self._section * SECTION * self._step
        # A run ends at a gap and on both sides of a cut value.
        whole = present & (self._spans == self._step)
        pieces = runs(whole).tolist()
        pieces += [[place, place + 1] for place in np.flatnonzero(present & ~whole).tolist()]
        for begin, stop in sorted(pieces):
            self._write_run(origin, begin, stop)
        spans = None if pieces == [[0, SECTION]] else self._spans
        self._zooms.add(self._rank, self._section, self._values, spans)
        self._values.fill(np.nan)
        self._spans.fill(self._step)
        self._filled = 0

    def _write_run(self, origin: int, begin: int, stop: int) -> None:
        step, span = self._step, int(self._spans[begin])
        start = origin + begin * step
        end = origin + (stop - 1) * step + span
        head = _RUN.pack(self._rank, start, end, step, span, 3, 0, stop - begin)
        raw = head + self._values[begin:stop].astype("<f4").tobytes()
        self._leaves += _write_block(self._file, raw, self._rank, start, end)

    def _finish(self) -> None:
        self._flush_section()
        if not self._leaves:
            raise OutputError(f"{self.path}: no values to write")
        file = self._file
        index_at = file.tell()
        leaves = np.frombuffer(bytes(self._leaves), bbi.LEAF)
        file.write(bbi.range_tree(leaves, index_at, SECTION))
        zooms = self._zooms.write(file)
        file.write(struct.pack("<I", bbi.BIGWIG_MAGIC))
        file.seek(self._data_at)
        file.write(struct.pack("<Q", len(leaves)))
        file.seek(0)
        file.write(
            bbi.header(
                tree=self._tree_at,
                data=self._data_at,
                index=index_at,
                summary=self._summary_at,
                buffer=max(SECTION * 4 + 24, ZOOM_BLOCK_BYTES),
                zooms=zooms,
            )
        )
        file.write(self._zooms.summary().pack())
        file.close()

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None:
            # The error of the block is the one to show, not what closing adds to it.
            with suppress(OutputError):
                self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            self._finish()
            _check(self._temporary, self.path, self._sizes, self._written)


@contextmanager
def _lasting_path(path: Path, kept: Callable[[], bool]) -> Iterator[Path]:
    """A temporary path of a known name, which outlives a kill, and an error if it is to be kept."""
    check_parent(path)
    temporary = _unfinished(path)
    done = False
    try:
        with output_errors(path):
            yield temporary
            temporary.replace(path)
        done = True
    finally:
        if not done and not kept():
            temporary.unlink(missing_ok=True)


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{PARTIAL}{path.name}")


class Values(NamedTuple):
    """Values of consecutive bins of a contig.

    Attributes:
        contig: its place among all contigs, sorted by the bytes of their names.
        start: bp, 0-based.
        end: bp, exclusive; cuts the last bin.
        values: float32 (bins,).
    """

    contig: int
    start: int
    end: int
    values: NDArray[np.float32]


def read_unfinished(path: Path, step: int) -> Iterator[Values]:
    """What a :class:`BigWigWriter` wrote before its process was killed, in order.

    Blocks of data are streams of zlib one behind the other, each with a checksum: what a kill or a
    loss of power cut off, or left empty, ends the data, and nothing false is read.

    Args:
        path: the final name; the file may already have it.
        step: bp per value.

    Raises:
        OutputError: the file cannot be read.
    """
    place = path if path.exists() else _unfinished(path)
    with output_errors(place), place.open("rb") as file:
        head = file.read(bbi.HEADER_BYTES)
        if len(head) < bbi.HEADER_BYTES:
            return
        file.seek(struct.unpack_from("<Q", head, 16)[0] + 8)
        for raw in _streams(file):
            if len(raw) < _RUN.size:
                return
            contig, start, end, width, _, kind, _, count = _RUN.unpack_from(raw)
            if (width, kind, len(raw)) != (step, 3, _RUN.size + 4 * count):
                return
            yield Values(contig, start, end, np.frombuffer(raw, "<f4", offset=_RUN.size))


def _streams(file: IO[bytes]) -> Iterator[bytes]:
    """Streams of zlib one behind the other, as far as they are whole."""
    rest = b""
    while True:
        stream, parts = zlib.decompressobj(), []
        try:
            while not stream.eof:
                block = rest or file.read(_READ)
                if not block:
                    return
                parts.append(stream.decompress(block))
                rest = stream.unused_data
        except zlib.error:
            return
        yield b"".join(parts)


class _Extent:
    """What was written of one contig: first and last value, last end, bases."""

    def __init__(self, start: int, first: float) -> None:
        self.start, self.first = start, first
        self.end, self.last, self.bases = start, first, 0

    def extend(self, start: int, end: int, last: float) -> None:
        self.end, self.last = end, last
        self.bases += end - start

    def told(self) -> tuple[int, int, float, int, float]:
        """Bases, start and first value, end and last value."""
        return self.bases, self.start, self.first, self.end, self.last


def _check(temporary: Path, path: Path, sizes: ChromSizes, written: dict[str, _Extent]) -> None:
    """Read the file with pyBigWig: contig sizes, covered bases, first and last values.

    Where there are many contigs, all of them are read in one pass, and pyBigWig is asked for some.
    """
    try:
        file: Any = pyBigWig.open(str(temporary))
    except RuntimeError as error:
        raise OutputError(f"{path}: cannot be read back after writing: {error}") from error
    with file:
        if file.chroms() != dict(sizes):
            raise OutputError(f"{path}: contigs read back differ from {sizes.source}")
        for chrom in bbi.spread(list(written)):
            extent = written[chrom]
            share = file.stats(chrom, type="coverage", exact=True)[0] or 0.0
            first = file.intervals(chrom, extent.start, extent.start + 1)
            last = file.intervals(chrom, extent.end - 1, extent.end)
            found = (round(share * sizes[chrom]), first and first[0][2], last and last[-1][1:])
            wanted = (extent.bases, extent.first, (extent.end, extent.last))
            if found != wanted:
                raise OutputError(
                    f"{path}: {chrom} read back as {found} instead of {wanted} "
                    f"(bases, first value, last end and value)"
                )
    if len(written) > bbi.LOOKED_UP:
        _check_all(temporary, path, written)


def _check_all(temporary: Path, path: Path, written: dict[str, _Extent]) -> None:
    """Compare every contig, in one pass through the file."""
    found: dict[int, _Extent] = {}
    try:
        numbers = bbi.read_contigs(temporary)
        for raw in bbi.read_blocks(temporary):
            contig, start, end = _RUN.unpack_from(raw)[:3]
            first, last = struct.unpack_from("<f", raw, _RUN.size)[0], struct.unpack("<f", raw[-4:])
            found.setdefault(contig, _Extent(start, first)).extend(start, end, last[0])
    except FormatError as error:
        raise OutputError(f"{path}: cannot be read back after writing: {error}") from error
    for chrom, extent in written.items():
        read = found.pop(numbers[chrom][0], None)
        if read is None or read.told() != extent.told():
            raise OutputError(
                f"{path}: {chrom} read back as {read and read.told()} instead of {extent.told()} "
                "(bases, start and first value, end and last value)"
            )
    if found:
        raise OutputError(f"{path}: {len(found):,} contigs read back that were not written")

"""Zoom levels of a bigWig file, made section by section while values stream past."""

from __future__ import annotations

import struct
import zlib
from typing import IO

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.io import bbi

SECTION = 4096
"""Most values in a block of data; blocks start at multiples of it, whatever the calls."""

_FIRST = 16
_FACTOR = 4
_BATCH = 16 * SECTION  # bins whose zoom records are made at once
_BATCH_LEVELS = 7  # 16, 64 ... 65,536 bins: complete within a batch
_MOST_LEVELS = 10
_RECORDS = 1024
_COMPRESSION = 1

_RECORD = np.dtype(
    [
        ("contig", "<u4"),
        ("start", "<u4"),
        ("end", "<u4"),
        ("bases", "<u4"),
        ("minimum", "<f4"),
        ("maximum", "<f4"),
        ("total", "<f4"),
        ("squares", "<f4"),
    ]
)
_START, _END, _BASES, _MIN, _MAX, _SUM, _SQUARES = range(7)

ZOOM_BLOCK_BYTES = _RECORDS * _RECORD.itemsize
"""Bytes of a full block of zoom records before compression."""


class ZoomPyramid:
    """All zoom levels of one file: 16 values per record, then four times as many at each level.

    Finished blocks wait in a spill file, so that memory does not grow with the genome.

    Args:
        step: bp per value.
        longest: bp of the longest contig; levels end before they are coarser than it.
        spill: an empty binary file to keep blocks in.
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
        self,
        rank: int,
        section: int,
        values: NDArray[np.float32],
        spans: NDArray[np.int64] | None,
    ) -> None:
        """Take the next section.

        Args:
            rank: the contig's id.
            section: its number within the contig.
            values: float32 (SECTION,), NaN where there is none.
            spans: int64 (SECTION,), bp of each value; None: all present, all of the full step.
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
        block = zlib.compress(raw, _COMPRESSION)
        start, end = int(records["start"][0]), int(records["end"][-1])
        leaf = (self._rank, start, self._rank, end, self._spill.tell(), len(block))
        zoom.leaves += struct.pack("<IIIIQQ", *leaf)
        zoom.records += len(records)
        self._spill.write(block)


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
    table[_MIN] = columns.min(0)
    table[_MAX] = columns.max(0)
    table[_SUM] = exact.sum(0) * step
    table[_SQUARES] = np.square(exact).sum(0) * step
    return table


def _partial_table(
    values: NDArray[np.float32],
    spans: NDArray[np.int64],
    origin: int,
    step: int,
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
    return np.stack(
        [
            grouped[_START].min(1),
            grouped[_END].max(1),
            grouped[_BASES].sum(1),
            grouped[_MIN].min(1),
            grouped[_MAX].max(1),
            grouped[_SUM].sum(1),
            grouped[_SQUARES].sum(1),
        ]
    )


def _records(rank: int, table: NDArray[np.float64]) -> bytes:
    """Zoom records of the columns that have bases."""
    table = table[:, table[_BASES] > 0]
    out = np.empty(table.shape[1], _RECORD)
    out["contig"] = rank
    names = ("start", "end", "bases", "minimum", "maximum", "total", "squares")
    for name, row in zip(names, table, strict=True):
        out[name] = row
    return out.tobytes()

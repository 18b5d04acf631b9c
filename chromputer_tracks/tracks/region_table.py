"""One table of the regions that were asked for: what each label's track holds in each of them.

It is read back from the finished bigWigs, so that both say the same, whether a run was unbroken or
went on with what an earlier one had finished.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pybigtools
from numpy.typing import NDArray

from chromputer_tracks.intervals import ChromSizes, Grid
from chromputer_tracks.io.atomic import output_errors
from chromputer_tracks.io.bbi import bbi_errors
from chromputer_tracks.io.bed import BedTable
from chromputer_tracks.spec import ModelSpec, model_labels

SCHEMA = pa.schema(
    [
        ("region", pa.int64()),
        ("chrom", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("name", pa.string()),
        ("head", pa.string()),
        ("label", pa.string()),
        ("maximum", pa.float32()),
        ("mean", pa.float32()),
        ("summit", pa.int64()),
        ("share", pa.float32()),
        ("called", pa.bool_()),
    ]
)
"""Columns; see :func:`write_region_table`."""

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Bins = Mapping[str, Sequence[tuple[int, int]]]
"""Contig to runs of predicted bins, as ``inference.genome.region_bins`` gives them."""

_NEAR, _MOST = 40, 1 << 15
"""Bins that are read for nothing rather than asking a file once more; most of a run at once."""
_ROWS = 1 << 16
"""Rows of the table written at a time."""


def write_region_table(
    path: Path,
    tracks: Sequence[Path],
    spec: ModelSpec,
    regions: BedTable,
    bins: Bins,
    sizes: ChromSizes,
) -> int:
    """Write a row for each region and label, regions in the order of their file.

    Columns: ``region``, the row in the BED, from 1; its ``chrom``, ``start``, ``end`` (bp, 0-based,
    half-open) and ``name`` (column 4; missing where the BED has none); ``head`` and ``label``; over
    the bins that touch the region ``maximum``, and ``summit``, the middle of the first bin that has
    it (bp, 0-based); the ``mean`` over the region's bases; ``share`` of the region's bases in which
    a state is the most probable one (missing for other labels); and whether the label is
    ``called``: a bin reaches its threshold, or no other state has a larger share (of two, the first
    of the model's); missing for continuous labels.

    Args:
        path: the new file: ``.parquet``, else tab-separated text with a header, where what is
            missing is empty and ``called`` is ``true`` or ``false``.
        tracks: the finished bigWig of each of the model's outputs, in their order.
        spec: the model's spec.
        regions: a BED, its rows in any order; they may overlap.
        bins: what was predicted: every bin that touches a region, and no others.
        sizes: the genome's contigs.

    Returns:
        the number of rows.

    Raises:
        OutputError: the table cannot be written.
        FormatError: a bigWig cannot be read.
    """
    grid = spec.grid
    places = _Places(regions, bins, sizes, grid)
    labels = model_labels(spec)
    count, of = len(regions), len(labels)
    maximum, mean = (np.empty((count, of), dtype=np.float32) for _ in range(2))
    summit = np.empty((count, of), dtype=np.int64)
    share = np.full((count, of), np.nan, dtype=np.float32)
    called = np.zeros((count, of), dtype=np.bool_)
    best, state = np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.int64)
    states = [item.row for item in labels if item.head.kind == "states"]
    for item in labels:
        values = places.read(tracks[item.row])
        row = item.row
        maximum[:, row], summit[:, row] = places.maxima(values)
        mean[:, row] = places.means(values)
        if item.head.kind == "binary":
            # As calls are made: of probabilities as they are written.
            called[:, row] = maximum[:, row] >= item.label.threshold
        elif item.head.kind == "states":
            if not len(best):
                best, state = values.copy(), np.full(len(values), row)
            state[values > best] = row
            best = np.maximum(best, values)
    for row in states:
        share[:, row] = places.means((state == row).astype(np.float32))
    if states:
        called[np.arange(count), np.array(states)[share[:, states].argmax(axis=1)]] = True
    unknown = np.array([item.head.kind == "continuous" for item in labels])
    names: Sequence[str | None] = regions.names or [None] * count
    chroms = regions.chroms

    def part(first: int, last: int) -> pa.Table:
        """Rows of some regions."""
        many, rows = last - first, slice(first, last)

        def each(values: Sequence[object]) -> list[object]:
            return [value for value in values for _ in range(of)]

        columns = [
            np.repeat(np.arange(first + 1, last + 1), of),
            each(chroms[rows]),
            np.repeat(regions.start[rows], of),
            np.repeat(regions.end[rows], of),
            each(names[rows]),
            [item.head.name for item in labels] * many,
            [item.label.name for item in labels] * many,
            maximum[rows].ravel(),
            mean[rows].ravel(),
            summit[rows].ravel(),
            pa.array(share[rows].ravel(), from_pandas=True),
            pa.array(called[rows].ravel(), mask=np.tile(unknown, many)),
        ]
        return pa.table(dict(zip(SCHEMA.names, columns, strict=True)), schema=SCHEMA)

    step = max(1, _ROWS // of)
    tables = (part(at, min(at + step, count)) for at in range(0, count, step))
    with output_errors(path):
        _write(path, tables)
    return count * of


def _write(path: Path, tables: Iterator[pa.Table]) -> None:
    if PurePosixPath(path.name).suffix == ".parquet":
        with pyarrow.parquet.ParquetWriter(path, SCHEMA) as file:
            for table in tables:
                file.write_table(table)
        return
    how = pyarrow.csv.WriteOptions(delimiter="\t", quoting_style="none", include_header=False)
    with path.open("wb") as file:
        file.write(("\t".join(SCHEMA.names) + "\n").encode())
        for table in tables:
            pyarrow.csv.write_csv(table, file, how)


class _Places:
    """Where the regions' bins are among all predicted bins, one run of bins behind the other."""

    def __init__(self, regions: BedTable, bins: Bins, sizes: ChromSizes, grid: Grid) -> None:
        self._stride, self._sizes = grid.stride, sizes
        self._runs = [
            (chrom, at, min(at + _MOST, last))
            for chrom, runs in bins.items()
            for first, last in runs
            for at in range(first, last, _MOST)
        ]
        lengths = [last - first for _, first, last in self._runs]
        self._offsets = np.cumsum([0, *lengths])
        self.bins = int(self._offsets[-1])
        first = regions.start // grid.stride
        last = -(-regions.end // grid.stride)
        where = np.empty(len(regions), dtype=np.int64)
        code = {chrom: number for number, chrom in enumerate(regions.contigs)}
        begins = np.array([begin for _, begin, _ in self._runs])
        owners = np.array([code.get(chrom, -1) for chrom, *_ in self._runs])
        for number in code.values():
            here, runs = regions.contig == number, np.flatnonzero(owners == number)
            run = runs[np.searchsorted(begins[runs], first[here], side="right") - 1]
            where[here] = self._offsets[run] + first[here] - begins[run]
        self._count = last - first
        self._first_bin = first
        # All bins of the regions, one region behind the other, and where each region begins there.
        self._starts = np.cumsum(self._count) - self._count
        self._owner = np.repeat(np.arange(len(regions)), self._count)
        self._within = np.arange(len(self._owner)) - self._starts[self._owner]
        self._at = where[self._owner] + self._within
        ends = np.array([sizes[chrom] for chrom in regions.contigs])[regions.contig]
        self._contig_end = ends
        begin = (first[self._owner] + self._within) * grid.stride
        self._bases = np.minimum(begin + grid.stride, regions.end[self._owner]) - np.maximum(
            begin, regions.start[self._owner]
        )
        self._length = regions.end - regions.start

    def read(self, path: Path) -> Float32:
        """A value of each predicted bin, float32 (bins,)."""
        found = np.empty(self.bins, dtype=np.float32)
        with bbi_errors(path, "its values"), pybigtools.open(str(path)) as file:
            for first, last in self._together():
                chrom, begin = self._runs[first][:2]
                stop = self._runs[last - 1][2]
                end = min(stop * self._stride, self._sizes[chrom])
                values = file.values(chrom, begin * self._stride, end, fillna=0.0)[:: self._stride]
                for number in range(first, last):
                    _, low, high = self._runs[number]
                    at = self._offsets[number]
                    found[at : at + high - low] = values[low - begin : high - begin]
        return found

    def _together(self) -> Iterator[tuple[int, int]]:
        """Runs ``[first, last)`` that lie so near to one another that they are read at once."""
        first = 0
        for number in range(1, len(self._runs) + 1):
            if number < len(self._runs):
                (chrom, _, end), (other, begin, _) = self._runs[number - 1], self._runs[number]
                near = chrom == other and begin - end <= _NEAR
                if near and self._runs[number][2] - self._runs[first][1] <= 2 * _MOST:
                    continue
            yield first, number
            first = number

    def maxima(self, values: Float32) -> tuple[Float32, Int64]:
        """Each region's largest value, and the middle of the first bin that has it."""
        own = values[self._at]
        largest = np.maximum.reduceat(own, self._starts)
        top = np.flatnonzero(own == largest[self._owner])
        _, once = np.unique(self._owner[top], return_index=True)
        start = (self._first_bin + self._within[top[once]]) * self._stride
        end = np.minimum(start + self._stride, self._contig_end)
        return largest, (start + end) // 2

    def means(self, values: Float32) -> Float32:
        """Mean over each region's bases."""
        weighted = values[self._at].astype(np.float64) * self._bases
        sums = np.add.reduceat(weighted, self._starts)
        return np.asarray(sums / self._length, dtype=np.float32)

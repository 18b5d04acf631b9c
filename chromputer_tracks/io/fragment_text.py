"""Fragments of text files: 10x fragment files and BEDPE, plain, gzip or bgzip."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, NoReturn

import numpy as np
import pyarrow as pa

from chromputer_tracks.errors import BoundsError, FormatError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.fragment_batch import (
    IMPROPER,
    FragmentBatch,
    FragmentKind,
    FragmentOptions,
    FragmentReader,
    Int32,
)
from chromputer_tracks.io.text_table import (
    INT32_MAX,
    NAMES,
    Line,
    MalformedTable,
    numbered_lines,
    parse_int32,
    table_batches,
)

_UNPLACED = "."


class _TextReader(FragmentReader):
    """What the two text formats share: contig codes by first appearance, and naming bad lines."""

    _hint: ClassVar[str] = ""

    def __init__(
        self,
        path: Path,
        sizes: ChromSizes | None,
        options: FragmentOptions,
        *,
        barcodes: bool,
        columns: int,
    ) -> None:
        super().__init__(path, sizes, options, barcodes=barcodes)
        self._columns = columns
        self._codes: dict[str, int] = {}
        self._barcode_codes: dict[str, int] = {}

    def _length(self, name: str) -> int:
        return 0

    def _contig_codes(self, column: pa.DictionaryArray) -> Int32:
        """int32 (n,) codes into ``names``; -1 for ``.``."""
        return _global_codes(column, self._codes, self.names, no_code=(_UNPLACED, ""))

    def _limits(self) -> Int32:
        """int32 by code: the largest end allowed; excluded contigs have none."""
        return np.array(
            [
                INT32_MAX
                if self._sizes is None or name in self.options.exclude
                else self._sizes.get(name, INT32_MAX)
                for name in self.names
            ],
            dtype=np.int32,
        )

    def _refuse(self, why: str) -> NoReturn:
        """Find the first bad line and raise with its number."""
        for line in numbered_lines(self.path):
            if len(line.fields) != self._columns:
                raise FormatError(
                    f"{self.path} line {line.number} has {len(line.fields)} columns, but the first "
                    f"line has {self._columns}"
                )
            if any("\ufffd" in field for field in line.fields):
                raise FormatError(f"{self.path} line {line.number} is not UTF-8 text")
            self._check_line(line)
        raise FormatError(f"{self.path} cannot be read as a table: {why}")

    @abstractmethod
    def _check_line(self, line: Line) -> None:
        """Raise when the format does not allow the line."""

    def _integer(self, line: Line, column: int) -> int:
        value = parse_int32(line.fields[column].strip())
        if value is None:
            raise FormatError(
                f"{self.path} line {line.number}: column {column + 1} is "
                f"{line.fields[column]!r}, not an integer{self._hint}"
            )
        return value

    def _check_span(self, line: Line, contig: str, start: int, end: int) -> None:
        where = f"{self.path} line {line.number}: {contig}:{start:,}-{end:,}"
        if start < 0:
            raise BoundsError(f"{where} starts before 0")
        if end <= start:
            raise FormatError(f"{where} is empty or reversed: its end must be above its start")
        if self._sizes is not None and contig not in self.options.exclude:
            size = self._sizes.get(contig, INT32_MAX)
            if end > size:
                raise BoundsError(
                    f"{where} ends past {contig} ({size:,} bp in {self._sizes.source}); is it the "
                    "same assembly?"
                )


class FragmentFileReader(_TextReader):
    """Reads a 10x fragment file of 3, 4 or 5 columns; see :class:`FragmentReader`.

    Columns: contig, start, end, barcode, read pairs. Rows are taken as they are: by the format's
    definition they are unique already. Without the fourth column the barcode is ``bulk``.
    """

    kind: ClassVar[FragmentKind] = "fragments"

    def _read(self) -> Iterator[FragmentBatch]:
        types = {
            "contig": NAMES,
            "start": pa.int32(),
            "end": pa.int32(),
            "barcode": NAMES,
            "count": pa.int32(),
        }
        columns = dict(list(types.items())[: self._columns])
        wanted = [name for name in columns if name != "barcode" or self._with_barcodes]
        try:
            for rows in table_batches(self.path, columns, wanted):
                yield self._fragments(rows)
        except MalformedTable as error:
            self._refuse(str(error))

    def _fragments(self, rows: pa.RecordBatch) -> FragmentBatch:
        contigs = self._contig_codes(rows.column("contig"))
        starts, ends = rows.column("start").to_numpy(), rows.column("end").to_numpy()
        counts = rows.column("count").to_numpy() if self._columns == 5 else None
        barcodes = None
        if self._with_barcodes and self._columns > 3:
            barcodes = _global_codes(
                rows.column("barcode"), self._barcode_codes, self.barcode_names
            )
        if contigs.min() < 0:
            self._refuse("a row has no contig")
        bad = (starts < 0) | (ends <= starts) | (ends > self._limits()[contigs])
        if counts is not None:
            bad |= counts < 1
        if bad.any():
            self._refuse("a row is out of bounds")
        return FragmentBatch(contigs, starts, ends, barcodes, counts)

    def _check_line(self, line: Line) -> None:
        contig, start, end = line.fields[0], self._integer(line, 1), self._integer(line, 2)
        if contig in ("", _UNPLACED):
            raise FormatError(f"{self.path} line {line.number}: the contig is {contig!r}")
        self._check_span(line, contig, start, end)
        if len(line.fields) == 5 and self._integer(line, 4) < 1:
            raise FormatError(
                f"{self.path} line {line.number}: column 5 is {line.fields[4]}; it counts read "
                "pairs and must be at least 1"
            )


class BedpeReader(_TextReader):
    """Reads BEDPE of 6 or more columns; see :class:`FragmentReader`.

    A fragment reaches from the smaller start to the larger end of the two mates. Rows with a mate
    on ``.`` (unmapped) or with mates on two contigs are no fragments: they are removed and counted.
    Columns after the sixth are not looked at; mapping quality is not filtered.
    """

    kind: ClassVar[FragmentKind] = "bedpe"
    _hint = " (6 or more columns are read as BEDPE: contig, start and end of each mate)"

    def _read(self) -> Iterator[FragmentBatch]:
        columns = {
            "contig1": NAMES,
            "start1": pa.int32(),
            "end1": pa.int32(),
            "contig2": NAMES,
            "start2": pa.int32(),
            "end2": pa.int32(),
        }
        wanted = list(columns)
        columns |= {f"more{i}": pa.string() for i in range(self._columns - 6)}
        try:
            for rows in table_batches(self.path, columns, wanted):
                yield self._fragments(rows)
        except MalformedTable as error:
            self._refuse(str(error))

    def _fragments(self, rows: pa.RecordBatch) -> FragmentBatch:
        first = self._contig_codes(rows.column("contig1"))
        second = self._contig_codes(rows.column("contig2"))
        pair = np.flatnonzero((first == second) & (first >= 0))
        self.removed[IMPROPER] += len(first) - len(pair)
        start1, end1, start2, end2 = (
            rows.column(name).to_numpy()[pair] for name in ("start1", "end1", "start2", "end2")
        )
        contigs = first[pair]
        starts, ends = np.minimum(start1, start2), np.maximum(end1, end2)
        bad = (starts < 0) | (end1 <= start1) | (end2 <= start2) | (ends > self._limits()[contigs])
        if bad.any():
            self._refuse("a row is out of bounds")
        return FragmentBatch(contigs, starts, ends)

    def _check_line(self, line: Line) -> None:
        numbers = [self._integer(line, column) for column in (1, 2, 4, 5)]
        first, second = line.fields[0], line.fields[3]
        if first == second != _UNPLACED:
            self._check_span(line, first, numbers[0], numbers[1])
            self._check_span(line, second, numbers[2], numbers[3])


def _global_codes(
    column: pa.DictionaryArray,
    codes: dict[str, int],
    names: list[str],
    no_code: tuple[str, ...] = (),
) -> Int32:
    """Codes of one batch's own dictionary to codes by first appearance in the file; else -1."""
    mapping = []
    for name in column.dictionary.to_pylist():
        if name in no_code:
            mapping.append(-1)
            continue
        if name not in codes:
            codes[name] = len(names)
            names.append(name)
        mapping.append(codes[name])
    table = np.array(mapping, dtype=np.int32)
    indices: Int32 = column.indices.to_numpy()
    return table[indices]

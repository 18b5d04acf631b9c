"""bigBed writing through pybigtools, whose silent failures are guarded against here.

pybigtools 0.3 prints and returns when rows are unsorted, of unknown contigs or none, when the
iterator raises, and loops forever on an empty interval; so each row is checked before it gets it,
and the file is read back and counted after.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import pybigtools

from chromputer_tracks.errors import BoundsError, FormatError, OutputError
from chromputer_tracks.intervals import ChromSizes, format_span
from chromputer_tracks.io import bbi
from chromputer_tracks.io.atomic import atomic_path, output_errors

Row = tuple[str, int, int, str]
"""Contig, start (0-based), end (exclusive) and the other columns, joined by tabs."""

_CONTIG = struct.Struct("<I")
_FIELD = re.compile(r"^\s*\w+(?:\[\w+\])?\s+\w+\s*;", re.MULTILINE)


def write_bigbed(
    path: Path, sizes: ChromSizes, rows: Iterable[Row], autosql: str, *, overlap: bool = False
) -> int:
    """Write a bigBed file (``.bb`` or ``.bigBed``) in a stream, check it and count its rows.

    The rows are sorted by contig name (bytes), then start, and overlap only with ``overlap``; the
    fields of ``autosql`` number the columns.

    Raises:
        ContigError: a row's contig is unknown.
        BoundsError: a row ends past its contig.
        FormatError: a row is empty, unsorted, overlapping, or does not fit the autoSql.
        OutputError: there are no rows (the format has no empty file: write none), the disk is
            full, or the file read back differs.
    """
    if path.suffix not in (".bb", ".bigBed"):
        raise OutputError(f"cannot write {path}: name it .bb or .bigBed")
    source = iter(rows)
    first = next(source, None)
    if first is None:
        raise OutputError(f"cannot write {path}: no rows, and bigBed has no empty file")
    rows = chain([first], source)
    checked = _CheckedRows(path, sizes, rows, len(_FIELD.findall(autosql)), overlap=overlap)
    with atomic_path(path) as temporary:
        ordered = {name: sizes[name] for name in sorted(sizes, key=str.encode)}
        try:
            pybigtools.open(str(temporary), "w").write(ordered, iter(checked), autosql)
        except BaseException as error:
            if checked.failure is not None:
                raise checked.failure from None
            # A panic in Rust derives from BaseException; a full disk gives one.
            if isinstance(error, Exception) or type(error).__name__ == "PanicException":
                raise OutputError(
                    f"cannot write {path}: {error} (is the disk full or the folder read-only?)"
                ) from error
            raise
        if checked.failure is not None:
            raise checked.failure
        if not checked.counts:
            raise OutputError(f"cannot write {path}: nothing was written; is the disk full?")
        _check(temporary, path, sizes, checked.counts, autosql)
    return checked.counts.total()


class _CheckedRows:
    """Passes rows on after checking them, and keeps the error that pybigtools swallows."""

    def __init__(
        self, path: Path, sizes: ChromSizes, rows: Iterable[Row], fields: int, *, overlap: bool
    ) -> None:
        self.failure: BaseException | None = None
        self.counts: Counter[str] = Counter()
        self._path, self._sizes, self._rows = path, sizes, rows
        self._tabs, self._overlap = fields - 4, overlap

    def __iter__(self) -> Iterator[Row]:
        try:
            yield from self._checked()
        except GeneratorExit:
            # pybigtools drops the iterator when it fails by itself.
            raise
        except BaseException as error:
            self.failure = error
            raise

    def _checked(self) -> Iterator[Row]:
        chrom, size, least = "", 0, 0
        for number, row in enumerate(self._rows, 1):
            name, start, end, rest = row
            if name != chrom:
                size = self._new_contig(chrom, name, number)
                chrom, least = name, 0
            if not least <= start < end <= size or rest.count("\t") != self._tabs or "\n" in rest:
                raise self._error(row, number, size, least)
            least = start if self._overlap else end
            self.counts[name] += 1
            yield row

    def _new_contig(self, before: str, name: str, number: int) -> int:
        size = self._sizes.require(name, f"{self._path} row {number}")
        if before and name.encode() <= before.encode():
            raise FormatError(
                f"{self._path} row {number}: {name} comes after {before}: sort by contig name"
            )
        return size

    def _error(self, row: Row, number: int, size: int, least: int) -> FormatError | BoundsError:
        chrom, start, end, rest = row
        where = f"{self._path} row {number}: {format_span(chrom, start, end)}"
        if end > size:
            return BoundsError(f"{where} ends past {chrom} ({size:,} bp)")
        if start < 0 or start >= end:
            return FormatError(f"{where} is empty, reversed or starts before base 1")
        if start < least:
            what = "is not sorted by start" if self._overlap else "overlaps the row before"
            return FormatError(f"{where} {what} (which leads up to {least:,})")
        return FormatError(
            f"{where} has {rest.count(chr(9)) + 4} columns, but its autoSql has {self._tabs + 4}"
            if "\n" not in rest
            else f"{where} has a line break in {rest!r}"
        )


def _check(
    temporary: Path, path: Path, sizes: ChromSizes, counts: Counter[str], autosql: str
) -> None:
    """Open the file again and count: contigs, their sizes, rows, and the autoSql.

    Where there are many contigs, the rows of all are counted in one pass, and pybigtools is asked
    for some of them.
    """
    try:
        with pybigtools.open(str(temporary)) as file:
            contigs: dict[str, int] = file.chroms()
            asked = bbi.spread(list(contigs))
            found = {chrom: sum(1 for _ in file.records(chrom)) for chrom in asked}
            sql: str = file.sql()
        if len(contigs) > len(asked):
            every = _count_rows(temporary)
            if any(every[chrom] != count for chrom, count in found.items()):
                raise FormatError(f"{temporary}: rows of one contig were read as another's")
            found = every
    except (pybigtools.BBIReadError, FormatError, OSError, ValueError) as error:
        raise OutputError(
            f"cannot write {path}: it cannot be read back ({error}); is the disk full?"
        ) from error
    if found != counts:
        raise OutputError(f"{path}: {sum(found.values())} rows read back of {counts.total()}")
    if any(contigs[chrom] != sizes[chrom] for chrom in contigs) or sql.strip("\0") != autosql:
        raise OutputError(f"{path}: contig sizes or autoSql read back differ from those written")


def _count_rows(path: Path) -> Counter[str]:
    """Rows by contig."""
    names = {number: name for name, (number, _) in bbi.read_contigs(path).items()}
    counts: Counter[int] = Counter()
    for raw in bbi.read_blocks(path):
        at = 0
        while at < len(raw):
            counts[_CONTIG.unpack_from(raw, at)[0]] += 1
            # Contig, start and end, 4 bytes each, then text that ends with a zero.
            at = raw.index(b"\0", at + 12) + 1
    return Counter({names[number]: count for number, count in counts.items()})


def read_rows(path: Path) -> Iterator[Row]:
    """Rows of a BED file that this package has written, in a stream.

    Raises:
        FormatError: a line has fewer than four columns or positions that are no numbers.
        OutputError: the file is gone.
    """
    with output_errors(path), path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                chrom, start, end, rest = line.rstrip("\n").split("\t", 3)
                yield chrom, int(start), int(end), rest
            except ValueError as error:
                raise FormatError(f"{path} line {number} is not BED4 or more: {line!r}") from error

"""Sites from a BED with whatever columns it has, and the one rule for the middle of a site.

Only the first three columns and the strand must be BED's; the others may hold anything
(annotations keep classes in column 5, and a map is coloured by columns of any kind).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from chromputer_tracks.errors import BoundsError, FormatError, InputError
from chromputer_tracks.intervals import ChromSizes, Interval, check_contigs, format_region
from chromputer_tracks.io.text_table import (
    INT32_MAX,
    NAMES,
    Line,
    MalformedTable,
    first_line,
    numbered_lines,
    open_bytes,
    parse_int32,
    table_batches,
)
from chromputer_tracks.wording import counted

_STANDARD = {4: "name", 5: "score", 6: "strand"}
"""Names of columns without a header; a fifth of words is none of scores."""
_STRANDS = {"+": 1, "-": -1, ".": 0}
_THICK_NAMES = ("thick",)
_SUMMIT_NAMES = ("summit", "peak", "source", "offset")
"""What the header calls a thick part's and a summit's column, among other letters."""
_NARROW_PEAK = 10
_INTEGER = r"^-?[0-9]{1,18}$"
_NUMBER = r"^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$|^-?(?i:inf|infinity)$"


@dataclass(frozen=True, slots=True)
class Column:
    """A column beyond the third.

    Attributes:
        number: from 1, as ``cut -f`` counts.
        name: from the header line; without one ``name``, ``score`` (of numbers), ``strand`` or
            ``column 7``.
        values: (n,), as they stand in the file.
    """

    number: int
    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SiteTable:
    """Sites in the order of their file.

    Attributes:
        contigs: names of the contigs.
        contig: int64 (n,), index into ``contigs``.
        start: int64 (n,), bp, 0-based.
        end: int64 (n,), bp, exclusive.
        centre: int64 (n,), bp, 0-based: the base that the site's window is centred on; right of the
            middle where that lies between two bases.
        strand: int64 (n,), 1, -1, or 0 where there is none.
        names: (n,), empty where there is none.
        columns: what else the file says of them.
        thick: columns 7 and 8, where they are thick parts.
        between: bool (n,), the middle lies between ``centre - 1`` and ``centre``; None: it lies
            within a base everywhere.
        narrow_peak: column 7 is a narrowPeak's signalValue and column 10 its summit.
    """

    contigs: tuple[str, ...]
    contig: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    centre: NDArray[np.int64]
    strand: NDArray[np.int64]
    names: tuple[str, ...]
    columns: tuple[Column, ...] = ()
    thick: tuple[Column, ...] = ()
    between: NDArray[np.bool_] | None = None
    narrow_peak: bool = False

    def __len__(self) -> int:
        return len(self.centre)

    @property
    def chroms(self) -> list[str]:
        """Contig of each site, (n,)."""
        return [self.contigs[code] for code in self.contig.tolist()]

    @property
    def loci(self) -> list[str]:
        """Each site as browsers write it, 1-based and inclusive, (n,)."""
        spans = zip(self.chroms, self.start.tolist(), self.end.tolist(), strict=True)
        return [format_region(Interval(*span)) for span in spans]

    def numbers(self, number: int) -> NDArray[np.float64]:
        """A column's finite or infinite numbers, float64 (n,); NaN where there is none."""
        found = next((column.values for column in self.columns if column.number == number), None)
        return np.full(len(self), np.nan) if found is None else _numbers(pa.array(found))

    def window(self, row: int, width: int) -> Interval:
        """The ``width`` bases around a site's centre; may leave its contig."""
        return Interval.centred(self.contigs[self.contig[row]], int(self.centre[row]), width)

    def select(self, rows: NDArray[np.intp]) -> SiteTable:
        """The sites of some rows, in their order."""
        kept = rows.tolist()

        def picked(columns: tuple[Column, ...]) -> tuple[Column, ...]:
            return tuple(replace(c, values=tuple(c.values[row] for row in kept)) for c in columns)

        return replace(
            self,
            contig=self.contig[rows],
            start=self.start[rows],
            end=self.end[rows],
            centre=self.centre[rows],
            strand=self.strand[rows],
            names=tuple(self.names[row] for row in kept),
            columns=picked(self.columns),
            thick=picked(self.thick),
            between=None if self.between is None else self.between[rows],
        )

    def sample(self, most: int, seed: int) -> SiteTable:
        """At most ``most`` of the sites, drawn without replacement; the order stays."""
        if len(self) <= most:
            return self
        drawn = np.random.default_rng(seed).choice(len(self), most, replace=False)
        return self.select(np.sort(drawn))


def read_site_table(
    path: Path, sizes: ChromSizes, *, summits: bool = True, instead: str = ""
) -> SiteTable:
    """Read sites from a BED of at least three columns, plain, gzip or bgzip.

    A site is centred on its summit: column 10 of a narrowPeak; else the middle of the thick part
    (columns 7 and 8) where that is not empty; else the middle of the site, as where a narrowPeak
    gives no summit (-1).

    A file of 10 columns is a narrowPeak where columns 7 to 9 of a line are numbers and its column
    10 is an integer; columns 7 and 8 are a thick part where both are integers in a line. Then they
    must be that in every line. Neither holds where the header names these columns otherwise: a
    ``#`` line above the data that has as many columns and does not call column 10 a summit, peak,
    source or offset, or columns 7 and 8 thick.

    Args:
        path: the file; ``#``, ``track``, ``browser`` and blank lines hold no site.
        sizes: the genome's contigs.
        summits: False: all sites are centred on their middles, and columns 7 to 10 may hold
            anything.
        instead: what else the user may do about a bad summit, for the message.

    Raises:
        InputError: the file cannot be read or holds no site.
        FormatError: a malformed line, with its number.
        BoundsError: a site ends past its contig.
        ContigError: contigs that the genome lacks.
    """
    line = first_line(path)
    if line is None:
        raise InputError(f"{path} is empty: it holds no site; give a BED with at least one")
    count = len(line.fields)
    if count < 3:
        raise _first_bad_line(path, count, sizes)
    types = {
        str(number): NAMES if number in (1, 6) else pa.string() for number in range(1, 1 + count)
    }
    try:
        batches = pa.Table.from_batches(table_batches(path, types, list(types)))
    except MalformedTable as error:
        raise _first_bad_line(path, count, sizes) from error
    table = batches.unify_dictionaries()
    fields = {number: table.column(number - 1).combine_chunks() for number in range(1, 1 + count)}
    contigs = tuple(fields[1].dictionary.to_pylist())
    contig = fields[1].indices.to_numpy().astype(np.int64)
    (start, is_start), (end, is_end) = _integers(fields[2]), _integers(fields[3])
    limits = np.array([sizes.get(name, INT32_MAX) if name else 0 for name in contigs])
    good = is_start & is_end & (start >= 0) & (end > start) & (end <= limits[contig])
    strand = np.zeros(len(start), dtype=np.int64)
    if count > 5:
        words = fields[6].dictionary.to_pylist()
        at = fields[6].indices.to_numpy()
        strand = np.array([_STRANDS.get(word, 0) for word in words], dtype=np.int64)[at]
        good &= np.array([word in _STRANDS for word in words])[at]
    if not good.all():
        raise _first_bad_line(path, count, sizes)
    check_contigs(list(contigs), str(path), sizes)
    named = _header(path, count)
    parts = _Parts(start, end)
    if summits:
        parts = _summits(path, fields, named, parts, instead) or (
            _thick_parts(path, fields, named, parts, instead) or parts
        )
    columns = [
        Column(number, named.get(number) or _usual_name(number, values), values)
        for number, values in ((n, tuple(fields[n].to_pylist())) for n in range(4, 1 + count))
    ]
    return SiteTable(
        contigs,
        contig,
        start,
        end,
        (parts.first + parts.last) // 2,
        strand,
        tuple("" if n == "." else n for n in columns[0].values) if columns else ("",) * len(start),
        tuple(column for column in columns if column.number not in parts.columns),
        tuple(column for column in columns if column.number in parts.columns),
        between=(parts.first + parts.last) % 2 == 0,
        narrow_peak=parts.narrow_peak,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Parts:
    """The part ``[first, last)`` of each site in whose middle it is centred; int64 (n,), bp.

    ``columns`` are those that say nothing else.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    columns: tuple[int, ...] = ()
    narrow_peak: bool = False


def _summits(
    path: Path, fields: dict[int, pa.Array], named: dict[int, str], whole: _Parts, instead: str
) -> _Parts | None:
    """A narrowPeak's summits, one base each; None where the file is none."""
    if len(fields) != _NARROW_PEAK or not _may_be(named, (10,), _SUMMIT_NAMES):
        return None
    offset, typed = _integers(fields[10])
    numbers = {number: ~np.isnan(_numbers(fields[number])) for number in (7, 8, 9)}
    for found in numbers.values():
        typed = typed & found
    if not typed.any():
        return None
    length = whole.last - whole.first
    bad = ~typed | (offset < -1) | (offset >= length)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        wrong = next((number for number, found in numbers.items() if not found[row]), 10)
        what = f"a summit inside the peak of {length[row]:,} bp" if wrong == 10 else "a number"
        why = f"column {wrong} is {fields[wrong][row].as_py()!r}, not {what}"
        raise _bad_summit(path, row, why, instead)
    summit = whole.first + offset
    return _Parts(
        np.where(offset < 0, whole.first, summit),
        np.where(offset < 0, whole.last, summit + 1),
        narrow_peak=True,
    )


def _thick_parts(
    path: Path, fields: dict[int, pa.Array], named: dict[int, str], whole: _Parts, instead: str
) -> _Parts | None:
    """The thick parts, the whole site where one is empty; None where the file has none."""
    if len(fields) < 8 or not _may_be(named, (7, 8), _THICK_NAMES):
        return None
    (first, is_first), (last, is_last) = _integers(fields[7]), _integers(fields[8])
    typed = is_first & is_last
    if not typed.any():
        return None
    bad = ~typed | (first < whole.first) | (last < first) | (last > whole.last)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        shown = ", ".join(fields[number][row].as_py() for number in (7, 8))
        why = f"columns 7 and 8 ({shown}) are no thick part inside the line's span"
        raise _bad_summit(path, row, why, instead)
    empty = first == last
    return _Parts(
        np.where(empty, whole.first, first), np.where(empty, whole.last, last), columns=(7, 8)
    )


def _may_be(named: dict[int, str], numbers: Sequence[int], words: Sequence[str]) -> bool:
    """Whether the header, if there is one, calls columns so."""
    names = [named[number].lower() for number in numbers if number in named]
    return all(any(word in name for word in words) for name in names)


def _bad_summit(path: Path, row: int, why: str, instead: str) -> FormatError:
    line = next(islice(numbered_lines(path), row, None))
    other = f"{instead}, or," if instead else "or,"
    return FormatError(
        f"{path} line {line.number}: {why}; mend it, {other} where such columns mean something "
        "else, name all columns in a # line above the data"
    )


def _first_bad_line(path: Path, columns: int, sizes: ChromSizes) -> InputError:
    """The error of the first malformed line."""
    for line in numbered_lines(path):
        error = _line_error(f"{path} line {line.number}", line, columns, sizes)
        if error is not None:
            return error
    return FormatError(f"{path} cannot be read as a BED of {columns} tab-separated columns")


def _line_error(where: str, line: Line, columns: int, sizes: ChromSizes) -> InputError | None:
    fields = line.fields
    if len(fields) < 3:
        hint = "; columns must be separated by tabs" if len(fields[0].split()) > 2 else ""
        return FormatError(
            f"{where} has {counted(len(fields), 'tab-separated column')}; a "
            f"site needs 3: contig, start, end{hint}"
        )
    if len(fields) != columns:
        return FormatError(f"{where} has {len(fields)} columns, but the first site has {columns}")
    if any("\ufffd" in field for field in fields):
        return FormatError(f"{where} is not UTF-8 text")
    start, end = (parse_int32(field) for field in fields[1:3])
    if start is None or end is None or start < 0 or end <= start:
        header = "; a line of column names must begin with #" if start is end is None else ""
        return FormatError(
            f"{where}: columns 2 and 3 ({fields[1]}, {fields[2]}) are not a start of at least 0 "
            f"and an end above it{header}"
        )
    if not fields[0]:
        return FormatError(f"{where}: the contig is empty")
    if columns > 5 and fields[5] not in _STRANDS:
        return FormatError(f"{where}: column 6 is {fields[5]!r}, not a strand (+, - or .)")
    if end > sizes.get(fields[0], end):
        return BoundsError(
            f"{where}: {fields[0]}:{start:,}-{end:,} ends past {fields[0]} "
            f"({sizes[fields[0]]:,} bp in {sizes.source})"
        )
    return None


def _usual_name(number: int, values: Sequence[str]) -> str:
    name = _STANDARD.get(number)
    words = number == 5 and bool(np.isnan(_numbers(pa.array(values))).all())
    return f"column {number}" if name is None or words else name


def _integers(texts: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """A column's integers of at most 32 bits, int64 (n,), and where there is one, bool (n,)."""
    values = np.zeros(len(texts), dtype=np.int64)
    found: NDArray[np.bool_] = pc.match_substring_regex(texts, _INTEGER).to_numpy(
        zero_copy_only=False
    )
    values[found] = texts.filter(pa.array(found)).cast(pa.int64()).to_numpy()
    return values, found & (np.abs(values) <= INT32_MAX)


def _numbers(texts: pa.Array) -> NDArray[np.float64]:
    """A column's numbers, float64 (n,), NaN where there is none."""
    values = np.full(len(texts), np.nan)
    found = pc.match_substring_regex(texts, _NUMBER)
    values[found.to_numpy(zero_copy_only=False)] = texts.filter(found).cast(pa.float64())
    return values


def _header(path: Path, columns: int) -> dict[int, str]:
    """Column number to name, from the last ``#`` line above the data with as many columns."""
    named: dict[int, str] = {}
    with open_bytes(path) as file:
        for raw in takewhile(lambda line: line.startswith(b"#"), file):
            names = raw.decode(errors="replace").strip("\r\n").lstrip("#").split("\t")
            if len(names) == columns:
                named = {number: name.strip() for number, name in enumerate(names, 1)}
    return named

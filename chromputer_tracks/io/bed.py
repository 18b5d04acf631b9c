"""BED files: places, further columns, centres of sites and start sites; 0-based, half-open.

One reader takes every BED of three columns or more, and narrowPeak. The places (columns 1 to 3) are
judged when a file is read, each further column when it is asked for: a column that nobody needs may
hold anything (annotations keep a class in column 5).

One rule says where the centre of a site is, see :attr:`BedTable.parts`: a narrowPeak's summit; else
the middle of the thick part; else the middle of the site.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from chromputer_tracks.errors import BoundsError, FormatError, InputError, counted
from chromputer_tracks.intervals import ChromSizes, Interval, check_contigs, format_region
from chromputer_tracks.io.text import (
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

Rgb = tuple[int, int, int]
Int64 = NDArray[np.int64]

_NEEDED = ("contig", "start", "end", "name", "score", "strand")
_STANDARD = {4: "name", 5: "score", 6: "strand"}
"""Names of columns without a header; a fifth of words is none of scores."""
_STRANDS = {"+": 1, "-": -1, ".": 0}
_THICK_NAMES = ("thick",)
_SUMMIT_NAMES = ("summit", "peak", "source", "offset")
"""What the header calls a thick part's and a summit's column, among other letters."""
_NARROW_PEAK, _BED12 = 10, 12
_TOP_SCORE = 1000.0
_INTEGER = r"^-?[0-9]{1,18}$"
_NUMBER = r"^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$|^-?(?i:inf|infinity)$"


@dataclass(frozen=True, slots=True)
class BedRecord:
    """The place of a line, bp, 0-based and half-open, and its column 4 if it has one."""

    chrom: str
    start: int
    end: int
    name: str | None = None

    @property
    def interval(self) -> Interval:
        """The place."""
        return Interval(self.chrom, self.start, self.end)


@dataclass(frozen=True, slots=True)
class Peak:
    """A peak's centre (bp, 0-based) and what peaks are ranked by; None where the file has it not.

    Attributes:
        chrom: contig.
        centre: see :attr:`BedTable.parts`.
        score: column 5.
        signal: a narrowPeak's signalValue.
        p_value: a narrowPeak's -log10 p-value, -1 where not given.
    """

    chrom: str
    centre: int
    score: float | None = None
    signal: float | None = None
    p_value: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SiteParts:
    """The part ``[first, last)`` of each site in whose middle it is centred; int64 (n,), bp.

    Attributes:
        first: 0-based.
        last: exclusive.
        columns: numbers of the columns that say nothing else.
        narrow_peak: whether the file is a narrowPeak.
    """

    first: Int64
    last: Int64
    columns: tuple[int, ...] = ()
    narrow_peak: bool = False

    @property
    def centres(self) -> Int64:
        """The middles, bp, 0-based; the base right of the middle where that is between two."""
        return (self.first + self.last) // 2


@dataclass(frozen=True, slots=True, eq=False)
class BedTable:
    """A whole file by column, rows in file order; iterating gives :class:`BedRecord`.

    The properties that judge a column raise ``FormatError`` with the number of the first bad line.

    Attributes:
        path: the file.
        contigs: names of the contigs, by first appearance.
        contig: int64 (n,), index into ``contigs``.
        start: int64 (n,), bp, 0-based.
        end: int64 (n,), bp, exclusive.
        texts: the columns from the fourth on, as they stand in the file.
        header: column number to name, from the last ``#`` line above the data with as many columns.
    """

    path: Path
    contigs: tuple[str, ...]
    contig: Int64
    start: Int64
    end: Int64
    texts: tuple[pa.StringArray, ...]
    header: dict[int, str]

    def __len__(self) -> int:
        return len(self.start)

    def __iter__(self) -> Iterator[BedRecord]:
        names: Sequence[str | None] = self.names or [None] * len(self)
        rows = zip(self.chroms, self.start.tolist(), self.end.tolist(), names, strict=True)
        return (BedRecord(*row) for row in rows)

    @property
    def columns(self) -> int:
        """The file's number of columns."""
        return 3 + len(self.texts)

    @property
    def chroms(self) -> list[str]:
        """Contig of each row, (n,)."""
        return [self.contigs[code] for code in self.contig.tolist()]

    @property
    def names(self) -> list[str] | None:
        """Column 4, or None."""
        return self.texts[0].to_pylist() if self.texts else None

    @property
    def scores(self) -> NDArray[np.float64] | None:
        """Column 5, float64 (n,), or None: 0 to 1000; from 0 in a narrowPeak."""
        if self.columns < 5:
            return None
        top = _TOP_SCORE if self._summits("") is None else math.inf
        limit = "a number from 0" if top == math.inf else "a score from 0 to 1000"
        values = _numbers(self._text(5))
        bad = ~((values >= 0) & (values <= top) & np.isfinite(values))
        self._refuse(bad, (5,), f"not {limit}; write 0 where there is none")
        return values

    @property
    def strands(self) -> list[str] | None:
        """Column 6, each ``+``, ``-`` or ``.``, or None."""
        if self.columns < 6:
            return None
        return self._words(6, _STRANDS.__contains__, "a strand (+, - or .)")

    @property
    def colors(self) -> list[Rgb | None] | None:
        """Column 9, or None; an item is None for ``0`` and ``.``."""
        if self.columns < 9 or self._summits("") is not None:
            return None
        words = self._words(9, _is_rgb, "a colour such as 255,0,0")
        known: dict[str, Rgb | None] = {"0": None, ".": None}
        for word in set(words) - set(known):
            red, green, blue = map(int, word.split(","))
            known[word] = red, green, blue
        return [known[word] for word in words]

    @property
    def thick(self) -> tuple[Int64, Int64] | None:
        """Start and end of the thick parts, int64 (n,) each; None where the file has none."""
        return self._thick("") if self._summits("") is None else None

    @property
    def parts(self) -> SiteParts:
        """By what each row is centred, see :meth:`centred_by`."""
        return self.centred_by()

    @property
    def places(self) -> list[tuple[str, int]]:
        """Contig and centre (bp, 0-based) of each row, (n,)."""
        return list(zip(self.chroms, self.parts.centres.tolist(), strict=True))

    def peaks(self, *, ranked: bool) -> list[Peak]:
        """The rows as peaks, with what they can be ranked by only if they are to be."""
        if not ranked:
            return [Peak(*place) for place in self.places]
        narrow_peak, scores = self.parts.narrow_peak, self.scores
        columns = [scores, *(_numbers(self._text(n)) if narrow_peak else None for n in (7, 8))]
        for number, values in ((7, columns[1]), (8, columns[2])):
            if values is not None:
                self._refuse(np.isinf(values), (number,), "not a finite number")
        nothing = [None] * len(self)
        lists = [nothing if values is None else values.tolist() for values in columns]
        return [Peak(*place, *row) for place, *row in zip(self.places, *lists, strict=True)]

    def centred_by(self, instead: str = "") -> SiteParts:
        """The one rule for the centre of a site: it is the middle of the part that is given here.

        The part is the summit's base (column 10) in a narrowPeak; else the thick part (columns 7
        and 8) where that is not empty; else the whole site, as where a narrowPeak gives no summit
        (-1).

        A file of 10 columns or more is a narrowPeak, whatever follows (an IDR's 20 columns), where
        columns 7 to 9 of a line are numbers and its column 10 is an integer; but not where columns
        10 to 12 are the blocks of a BED12 or gappedPeak. Columns 7 and 8 are a thick part where
        both are integers in a line and fractions in none (a broadPeak's signal and p-value). Then
        they must be that in every line. Neither holds where the header names these columns
        otherwise: it does not call column 10 a summit, peak, source or offset, or columns 7 and 8
        thick.

        Args:
            instead: what else the user may do about a bad line, for the message.

        Raises:
            FormatError: a line without them, or where they lie outside of the site.
        """
        summits = self._summits(instead)
        if summits is not None:
            return SiteParts(
                np.where(summits < 0, self.start, summits),
                np.where(summits < 0, self.end, summits + 1),
                narrow_peak=True,
            )
        thick = self._thick(instead)
        if thick is None:
            return SiteParts(self.start, self.end)
        empty = thick[0] == thick[1]
        return SiteParts(
            np.where(empty, self.start, thick[0]), np.where(empty, self.end, thick[1]), (7, 8)
        )

    def _summits(self, instead: str) -> Int64 | None:
        """Summits of a narrowPeak, int64 (n,), bp, 0-based, -1 for none; None if it is no such."""
        if self.columns < _NARROW_PEAK or not self._may_be((10,), _SUMMIT_NAMES):
            return None
        if self.columns >= _BED12 and self._has_blocks():
            return None
        offset, typed = _integers(self._text(10))
        length = self.end - self.start
        numbers = {number: ~np.isnan(_numbers(self._text(number))) for number in (7, 8, 9)}
        if not (typed & np.logical_and.reduce(list(numbers.values()))).any():
            return None
        for number, found in numbers.items():
            self._refuse(~found, (number,), "not a number", instead)
        bad = ~typed | (offset < -1) | (offset >= length)
        inside = f"not a summit inside the peak of {length[bad][:1].sum():,} bp"
        self._refuse(bad, (10,), inside, instead)
        return np.where(offset < 0, -1, self.start + offset)

    def _has_blocks(self) -> bool:
        """Whether columns 10 to 12 are a BED12's blocks: a number, and so many sizes and starts."""
        number, typed = _integers(self._text(10))
        lists = [pc.split_pattern(pc.utf8_rtrim(self._text(n), ","), ",") for n in (11, 12)]
        sizes, starts = (
            pc.list_value_length(found).to_numpy(zero_copy_only=False) for found in lists
        )
        return bool((typed & (number == sizes) & (number == starts)).all())

    def _thick(self, instead: str) -> tuple[Int64, Int64] | None:
        if self.columns < 8 or not self._may_be((7, 8), _THICK_NAMES):
            return None
        (first, is_first), (last, is_last) = _integers(self._text(7)), _integers(self._text(8))
        typed = is_first & is_last
        values = [_numbers(self._text(number)) for number in (7, 8)]
        # Fractions are the signal and the p-value of a broadPeak, of which some may be whole.
        if not typed.any() or (~typed & ~np.isnan(values).any(axis=0)).any():
            return None
        # MACS writes 0 and 0 in a gappedPeak for no thick part.
        none = (first == 0) & (last == 0)
        first, last = np.where(none, self.start, first), np.where(none, self.start, last)
        bad = ~typed | (first < self.start) | (last < first) | (last > self.end)
        self._refuse(bad, (7, 8), "no thick part inside the line's span", instead)
        return first, last

    def _may_be(self, numbers: Sequence[int], words: Sequence[str]) -> bool:
        """Whether the header, if there is one, calls columns so."""
        names = [self.header[number].lower() for number in numbers if number in self.header]
        return all(any(word in name for word in words) for name in names)

    def _text(self, number: int) -> pa.StringArray:
        return self.texts[number - 4]

    def _words(self, number: int, allowed: Callable[[str], bool], what: str) -> list[str]:
        """A column of few different words; each is judged once."""
        words: list[str] = self._text(number).to_pylist()
        refused = {word for word in set(words) if not allowed(word)}
        if refused:
            self._refuse(np.array([word in refused for word in words]), (number,), f"not {what}")
        return words

    def _refuse(
        self, bad: NDArray[np.bool_], numbers: Sequence[int], why: str, instead: str | None = None
    ) -> None:
        """Refuse the first bad row, with its number and what stands in columns there.

        With ``instead`` the message says that the columns may mean something else.
        """
        if not bad.any():
            return
        row = int(np.flatnonzero(bad)[0])
        values = [self._text(number)[row].as_py() for number in numbers]
        shown = (
            f"column {numbers[0]} is {values[0]!r}, {why}"
            if len(numbers) == 1
            else f"columns {' and '.join(map(str, numbers))} ({', '.join(values)}) are {why}"
        )
        if instead is not None:
            other = f"{instead}, or," if instead else "or,"
            shown += (
                f"; mend it, {other} where such columns mean something else, name all columns in a "
                "# line above the data"
            )
        raise FormatError(f"{self.where(row)}: {shown}")

    def where(self, row: int) -> str:
        """File and number of the line of a row, for a message."""
        line = next(islice(numbered_lines(self.path), row, None))
        return f"{self.path} line {line.number}"

    def check_sorted(self) -> None:
        """Check that each contig's lines stand together, by ascending start."""
        # Codes go by first appearance: a smaller one after a larger is a contig that came back.
        step = np.diff(self.contig)
        rows = np.flatnonzero((step < 0) | ((step == 0) & (np.diff(self.start) < 0)))
        if len(rows):
            row = int(rows[0]) + 1
            line = next(islice(numbered_lines(self.path), row, None))
            here, before = (f"{self.chroms[at]} {self.start[at]}" for at in (row, row - 1))
            raise FormatError(
                f"{self.path} is not sorted: line {line.number} ({here}) comes after {before}; "
                f"sort it with: sort -k1,1 -k2,2n {self.path}"
            )


def read_bed(
    path: Path, sizes: ChromSizes | None = None, *, require_sorted: bool = False
) -> BedTable:
    """Read a BED of three columns or more, plain, gzip or bgzip.

    ``#``, ``track`` and ``browser`` lines and blank lines are skipped. Columns are separated by
    tabs; all lines have the same number of them.

    Contigs and ends are checked against ``sizes`` if they are given; with ``require_sorted`` also
    that each contig's lines stand together, by ascending start.

    Raises:
        InputError: the file cannot be read or holds no line of data.
        FormatError: a malformed line, with its number; an unsorted file; a truncated one.
        BoundsError: a line ends past its contig.
        ContigError: contigs that the genome lacks.
    """
    table = _read(Path(path), sizes, "BED line")
    if require_sorted:
        table.check_sorted()
    return table


def _read(
    path: Path, sizes: ChromSizes | None, what: str, needed: int = 3, *, ragged: bool = False
) -> BedTable:
    """Read a file whose places are right, of lines that messages call ``what``.

    With ``ragged`` only the ``needed`` columns are read, whatever follows them in a line.
    """
    line = first_line(path)
    if line is None:
        raise InputError(f"{path} is empty: it holds no {what}; give a BED with at least one")
    columns = len(line.fields)
    bad_line = _Judge(path, sizes, what, needed, None if ragged else columns)
    if columns < needed:
        raise bad_line.first()
    types = {str(n): NAMES if n == 1 else pa.string() for n in range(1, 1 + columns)}
    kept = list(types)[: needed if ragged else columns]
    try:
        table = pa.Table.from_batches(table_batches(path, types, kept))
    except MalformedTable as error:
        if not ragged:
            raise bad_line.first() from error
        rows = [bad_line.fields(found) for found in numbered_lines(path)]
        texts = [pa.array(column) for column in zip(*rows, strict=True)]
        table = pa.table([texts[0].dictionary_encode(), *texts[1:]], kept)
    arrays = [column.combine_chunks() for column in table.unify_dictionaries().columns]
    contigs = tuple(arrays[0].dictionary.to_pylist())
    contig = arrays[0].indices.to_numpy().astype(np.int64)
    (start, is_start), (end, is_end) = _integers(arrays[1]), _integers(arrays[2])
    known = {} if sizes is None else sizes
    limits = np.array([known.get(name, INT32_MAX) if name else 0 for name in contigs])
    if not (is_start & is_end & (start >= 0) & (end > start) & (end <= limits[contig])).all():
        raise bad_line.first()
    columns_kept = arrays[3:]
    if sizes is not None:
        lacking = [name for name in contigs if name not in sizes]
        if lacking and sizes.leaves_out_others and len(lacking) < len(contigs):
            here = np.array([name in sizes for name in contigs])[contig]
            sizes.tell_left_out(int((~here).sum()), lacking, str(path))
            kept_names = [name for name in contigs if name in sizes]
            places = {name: place for place, name in enumerate(kept_names)}
            code = np.array([places.get(name, -1) for name in contigs])
            contig, contigs = code[contig[here]], tuple(kept_names)
            start, end = start[here], end[here]
            columns_kept = [column.filter(pa.array(here)) for column in columns_kept]
        else:
            check_contigs(list(contigs), str(path), sizes)
    header = {} if ragged else _header(path, columns)
    return BedTable(path, contigs, contig, start, end, tuple(columns_kept), header)


@dataclass(frozen=True, slots=True)
class _Judge:
    """Says which line of a file is malformed, and why; the slow way, a line at a time."""

    path: Path
    sizes: ChromSizes | None
    what: str
    needed: int
    columns: int | None

    def first(self) -> InputError:
        """The error of the first malformed line."""
        for line in numbered_lines(self.path):
            try:
                self.fields(line)
            except InputError as error:
                return error
        return FormatError(f"{self.path} cannot be read as a BED of {self.columns} columns")

    def fields(self, line: Line) -> list[str]:
        """The needed fields of a line, or its error."""
        fields, where = line.fields, f"{self.path} line {line.number}"
        if len(fields) < self.needed:
            hint = "; columns must be separated by tabs" if len(fields[0].split()) > 2 else ""
            raise FormatError(
                f"{where} has {counted(len(fields), 'tab-separated column')}; a {self.what} needs "
                f"{self.needed}: {', '.join(_NEEDED[: self.needed])}{hint}"
            )
        if self.columns not in (None, len(fields)):
            raise FormatError(
                f"{where} has {len(fields)} columns, but the first line has {self.columns}"
            )
        if any("\ufffd" in field for field in fields):
            raise FormatError(f"{where} is not UTF-8 text")
        start, end = (parse_int32(field) for field in fields[1:3])
        if start is None or end is None or start < 0 or end <= start:
            header = "; a line of column names must begin with #" if start is end is None else ""
            raise FormatError(
                f"{where}: columns 2 and 3 ({fields[1]}, {fields[2]}) are not a start of at least "
                f"0 and an end above it{header}"
            )
        if not fields[0]:
            raise FormatError(f"{where}: the contig is empty")
        if self.sizes is not None and end > self.sizes.get(fields[0], end):
            raise BoundsError(
                f"{where}: column 3 ({end}) ends past {fields[0]} ({self.sizes[fields[0]]:,} bp in "
                f"{self.sizes.source})"
            )
        return fields[: self.needed]


def _is_rgb(text: str) -> bool:
    if text in ("0", "."):
        return True
    values = [parse_int32(part) for part in text.split(",")]
    return len(values) == 3 and all(value is not None and 0 <= value <= 255 for value in values)


# ---- Sites: places with their centres, strands and all that a file says of them.


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
    contig: Int64
    start: Int64
    end: Int64
    centre: Int64
    strand: Int64
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

        arrays: dict[str, Any] = {
            name: getattr(self, name)[rows]
            for name in ("contig", "start", "end", "centre", "strand")
        }
        return replace(
            self,
            **arrays,
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
    """Read sites from a BED as :func:`read_bed` does, with their centres, strands and columns.

    Args:
        path: the file.
        sizes: the genome's contigs.
        summits: False: all sites are centred on their middles, and columns 7 to 10 may hold
            anything; True: by the rule of :meth:`BedTable.centred_by`.
        instead: what else the user may do about a bad summit, for the message.

    Raises:
        InputError: the file cannot be read or holds no site.
        FormatError: a malformed line, with its number.
        BoundsError: a site ends past its contig.
        ContigError: contigs that the genome lacks.
    """
    table = _read(path, sizes, "site")
    strands = ["."] * len(table) if table.strands is None else table.strands
    parts = table.centred_by(instead) if summits else SiteParts(table.start, table.end)
    texts = enumerate((tuple(text.to_pylist()) for text in table.texts), 4)
    columns = [
        Column(number, table.header.get(number) or _usual_name(number, values), values)
        for number, values in texts
    ]
    return SiteTable(
        table.contigs,
        table.contig,
        table.start,
        table.end,
        parts.centres,
        np.array([_STRANDS[strand] for strand in strands], dtype=np.int64),
        tuple("" if name == "." else name for name in table.names or [""] * len(table)),
        tuple(column for column in columns if column.number not in parts.columns),
        tuple(column for column in columns if column.number in parts.columns),
        between=(parts.first + parts.last) % 2 == 0,
        narrow_peak=parts.narrow_peak,
    )


def _usual_name(number: int, values: Sequence[str]) -> str:
    name = _STANDARD.get(number)
    words = number == 5 and bool(np.isnan(_numbers(pa.array(values))).all())
    return f"column {number}" if name is None or words else name


def _integers(texts: pa.Array) -> tuple[Int64, NDArray[np.bool_]]:
    """A column's integers of at most 32 bits, int64 (n,), and where there is one, bool (n,)."""
    values = np.zeros(len(texts), dtype=np.int64)
    matched = pc.match_substring_regex(texts, _INTEGER)
    found: NDArray[np.bool_] = matched.to_numpy(zero_copy_only=False)
    values[found] = texts.filter(matched).cast(pa.int64())
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


# ---- Transcription start sites from a BED of genes or of start sites.


@dataclass(frozen=True, slots=True)
class TssTable:
    """Transcription start sites.

    Attributes:
        contigs: names, by first appearance.
        contig: int64 (n,), index into ``contigs``.
        position: int64 (n,), bp, 0-based, the first transcribed base.
        forward: bool (n,), on the + strand.
    """

    contigs: tuple[str, ...]
    contig: Int64
    position: Int64
    forward: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.position)

    def on(self, contig: str, *, forward: bool) -> NDArray[np.int64]:
        """Positions on one strand of a contig, int64, ascending, each once."""
        if contig not in self.contigs:
            return np.empty(0, dtype=np.int64)
        here = (self.contig == self.contigs.index(contig)) & (self.forward == forward)
        return np.unique(self.position[here])


def read_tss(path: Path, sizes: ChromSizes | None = None) -> TssTable:
    """Read the start sites of a BED with strands, plain, gzip or bgzip.

    The start site is the first base of a line on the + strand and the last base of one on the -
    strand, so that genes serve as well as start sites of 1 bp. Columns 4 and 5 may hold anything
    (annotations keep classes there), the sixth is the strand, and further columns are not looked
    at. Contigs and ends are checked against ``sizes`` if they are given.

    Raises:
        InputError: the file cannot be read or holds no line of data.
        FormatError: a malformed line, with its number.
        BoundsError: a line ends past its contig.
        ContigError: contigs that the genome lacks.
    """
    table = _read(path, sizes, "gene", 6, ragged=True)
    strands = np.array(table.strands)
    table._refuse(strands == ".", (6,), "but a start site needs the strand + or -")
    forward = strands == "+"
    position = np.where(forward, table.start, table.end - 1)
    return TssTable(table.contigs, table.contig, position, forward)

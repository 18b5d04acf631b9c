"""Strict reading of BED3 to BED9 and narrowPeak; coordinates are 0-based and half-open."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
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

Rgb = tuple[int, int, int]

_BED = {
    "chrom": NAMES,
    "start": pa.int32(),
    "end": pa.int32(),
    "name": pa.string(),
    "score": pa.float64(),
    "strand": NAMES,
    "thick_start": pa.int32(),
    "thick_end": pa.int32(),
    "rgb": NAMES,
}
_NARROW_PEAK = dict(list(_BED.items())[:6]) | {
    "signal": pa.float64(),
    "p_value": pa.float64(),
    "q_value": pa.float64(),
    "summit": pa.int32(),
}
_MAX_SCORE = 1000.0


@dataclass(frozen=True, slots=True)
class BedRecord:
    """One line; None for what its file has no column for.

    Attributes:
        chrom: contig.
        start: bp, 0-based.
        end: bp, exclusive.
        name: column 4.
        score: column 5, 0 to 1000 (narrowPeak: from 0).
        strand: ``+``, ``-`` or ``.``.
        rgb: column 9 of BED9, None for ``0`` and ``.``.
        summit: bp, 0-based, of a narrowPeak's highest point; None where it gives none (-1).
        signal: a narrowPeak's signalValue.
        p_value: a narrowPeak's -log10 p-value, -1 where not given.
    """

    chrom: str
    start: int
    end: int
    name: str | None = None
    score: float | None = None
    strand: str | None = None
    rgb: Rgb | None = None
    summit: int | None = None
    signal: float | None = None
    p_value: float | None = None

    @property
    def interval(self) -> Interval:
        """Where it lies."""
        return Interval(self.chrom, self.start, self.end)

    @property
    def centre(self) -> int:
        """The summit where there is one, else the base right of the middle."""
        return self.interval.centre if self.summit is None else self.summit


@dataclass(frozen=True, slots=True)
class BedTable:
    """A whole file by column, rows in file order; iterating gives :class:`BedRecord`.

    Attributes:
        path: the file.
        columns: its number of columns: 3 to 9, or 10 for narrowPeak.
        chroms: contig names by code, by first appearance.
        codes: int32 (n,), index into ``chroms``.
        starts: int32 (n,), bp, 0-based.
        ends: int32 (n,), bp, exclusive.
        names: column 4, or None.
        scores: float64 (n,), column 5, or None.
        strands: column 6, each ``+``, ``-`` or ``.``, or None.
        colors: column 9 of BED9, or None; an item is None for ``0`` and ``.``.
        summits: int32 (n,), bp, 0-based, of a narrowPeak's highest points, -1 where not given;
            None for BED.
        signals: float64 (n,), a narrowPeak's signalValue; None for BED.
        p_values: float64 (n,), a narrowPeak's -log10 p-values, -1 where not given; None for BED.
        thick_starts: int32 (n,), column 7 of BED8 and BED9, bp, 0-based; else None.
        thick_ends: int32 (n,), column 8, bp, exclusive.
    """

    path: Path
    columns: int
    chroms: tuple[str, ...]
    codes: NDArray[np.int32]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    names: list[str] | None
    scores: NDArray[np.float64] | None
    strands: list[str] | None
    colors: list[Rgb | None] | None
    summits: NDArray[np.int32] | None
    signals: NDArray[np.float64] | None = None
    p_values: NDArray[np.float64] | None = None
    thick_starts: NDArray[np.int32] | None = None
    thick_ends: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def centres(self) -> NDArray[np.int64]:
        """int64 (n,): :attr:`BedRecord.centre` of each row."""
        middle = (self.starts.astype(np.int64) + self.ends) // 2
        return middle if self.summits is None else np.where(self.summits < 0, middle, self.summits)

    def __iter__(self) -> Iterator[BedRecord]:
        starts, ends, codes = self.starts.tolist(), self.ends.tolist(), self.codes.tolist()
        scores = None if self.scores is None else self.scores.tolist()
        summits = None if self.summits is None else self.summits.tolist()
        signals = None if self.signals is None else self.signals.tolist()
        p_values = None if self.p_values is None else self.p_values.tolist()
        for row in range(len(self)):
            summit = None if summits is None or summits[row] < 0 else summits[row]
            yield BedRecord(
                self.chroms[codes[row]],
                starts[row],
                ends[row],
                None if self.names is None else self.names[row],
                None if scores is None else scores[row],
                None if self.strands is None else self.strands[row],
                None if self.colors is None else self.colors[row],
                summit,
                None if signals is None else signals[row],
                None if p_values is None else p_values[row],
            )


def read_bed(
    path: Path, sizes: ChromSizes | None = None, *, require_sorted: bool = False
) -> BedTable:
    """Read a BED3 to BED9 or narrowPeak file, plain, gzip or bgzip.

    ``#``, ``track`` and ``browser`` lines and blank lines are skipped. Columns are separated by
    tabs; all lines have the same number of them.

    Args:
        path: the file; 10 columns make it a narrowPeak.
        sizes: the genome's contigs; None: contigs and ends are not checked.
        require_sorted: also check that each contig's lines stand together, by ascending start.

    Raises:
        InputError: the file cannot be read or holds no line of data.
        FormatError: a malformed line, with its number; an unsorted file; a truncated one.
        BoundsError: a line ends past its contig.
        ContigError: contigs that the genome lacks.
    """
    path = Path(path)
    line = first_line(path)
    if line is None:
        raise InputError(f"{path} is empty: it holds no BED line")
    columns = len(line.fields)
    if columns < 3 or columns > 10:
        hint = (
            "columns must be separated by tabs"
            if columns == 1 and len(line.fields[0].split()) > 2
            else "BED has 3 to 9, narrowPeak 10"
        )
        raise FormatError(
            f"{path} line {line.number} has {counted(columns, 'tab-separated column')}; {hint}"
        )
    types = _NARROW_PEAK if columns == 10 else dict(list(_BED.items())[:columns])
    try:
        table = pa.Table.from_batches(table_batches(path, types, list(types)))
    except MalformedTable as error:
        raise _first_bad_line(path, columns, sizes, str(error)) from error
    return _checked_table(path, columns, table.unify_dictionaries(), sizes, require_sorted)


def _checked_table(
    path: Path, columns: int, table: pa.Table, sizes: ChromSizes | None, require_sorted: bool
) -> BedTable:
    arrays = {name: table.column(name).combine_chunks() for name in table.column_names}
    chroms = tuple(arrays["chrom"].dictionary.to_pylist())
    codes = arrays["chrom"].indices.to_numpy()
    starts, ends = arrays["start"].to_numpy(), arrays["end"].to_numpy()
    limits = [INT32_MAX if sizes is None else sizes.get(name, INT32_MAX) for name in chroms]
    bad = (starts < 0) | (ends <= starts) | (ends > np.array(limits, dtype=np.int32)[codes])
    bad |= np.array([not name for name in chroms])[codes]

    scores = arrays["score"].to_numpy() if columns > 4 else None
    if scores is not None:
        top = math.inf if columns == 10 else _MAX_SCORE
        bad |= ~((scores >= 0) & (scores <= top) & np.isfinite(scores))
    if columns > 5:
        bad |= _bad_words(arrays["strand"], lambda word: word in ("+", "-", "."))
    if 7 <= columns <= 9:
        thick = arrays["thick_start"].to_numpy()
        bad |= (thick < starts) | (thick > ends)
        if columns > 7:
            thick_end = arrays["thick_end"].to_numpy()
            bad |= (thick_end < thick) | (thick_end > ends)
    if columns == 9:
        bad |= _bad_words(arrays["rgb"], _is_rgb)
    summits = None
    if columns == 10:
        offset = arrays["summit"].to_numpy()
        for name in ("signal", "p_value", "q_value"):
            bad |= ~np.isfinite(arrays[name].to_numpy())
        bad |= (offset < -1) | (offset >= ends - starts)
        summits = np.where(offset < 0, -1, starts + offset).astype(np.int32)
    if bad.any():
        raise _first_bad_line(path, columns, sizes, "a value is out of range")
    if sizes is not None:
        check_contigs(list(chroms), str(path), sizes)
    if require_sorted:
        _check_sorted(path, chroms, codes, starts)
    return BedTable(
        path,
        columns,
        chroms,
        codes,
        starts,
        ends,
        arrays["name"].to_pylist() if columns > 3 else None,
        scores,
        arrays["strand"].to_pylist() if columns > 5 else None,
        _colors(arrays["rgb"]) if columns == 9 else None,
        summits,
        arrays["signal"].to_numpy() if columns == 10 else None,
        arrays["p_value"].to_numpy() if columns == 10 else None,
        arrays["thick_start"].to_numpy() if columns in (8, 9) else None,
        arrays["thick_end"].to_numpy() if columns in (8, 9) else None,
    )


def _bad_words(column: pa.DictionaryArray, allowed: Callable[[str], bool]) -> NDArray[np.bool_]:
    """Give bool (n,): the value is not allowed; each distinct value is looked at once."""
    refused = np.array([not allowed(word) for word in column.dictionary.to_pylist()], dtype=bool)
    indices: NDArray[np.int32] = column.indices.to_numpy()
    return refused[indices]


def _is_rgb(text: str) -> bool:
    parts = text.split(",")
    if len(parts) != 3:
        return text in ("0", ".")
    values = [parse_int32(part) for part in parts]
    return all(value is not None and 0 <= value <= 255 for value in values)


def _colors(column: pa.DictionaryArray) -> list[Rgb | None]:
    words: list[Rgb | None] = []
    for text in column.dictionary.to_pylist():
        if text in ("0", "."):
            words.append(None)
        else:
            red, green, blue = (int(part) for part in text.split(","))
            words.append((red, green, blue))
    return [words[index] for index in column.indices.to_pylist()]


def _check_sorted(
    path: Path, chroms: tuple[str, ...], codes: NDArray[np.int32], starts: NDArray[np.int32]
) -> None:
    # Codes go by first appearance: a smaller code after a larger one is a contig that came back.
    step = np.diff(codes)
    back = (step < 0) | ((step == 0) & (np.diff(starts) < 0))
    rows = np.flatnonzero(back)
    if len(rows):
        row = int(rows[0]) + 1
        line = next(islice(numbered_lines(path), row, None))
        here, before = (f"{chroms[codes[r]]}:{starts[r]:,}" for r in (row, row - 1))
        raise FormatError(
            f"{path} is not sorted: line {line.number} ({here}) comes after {before}; sort it "
            f"with: sort -k1,1 -k2,2n {path}"
        )


def _first_bad_line(path: Path, columns: int, sizes: ChromSizes | None, why: str) -> InputError:
    """The error of the first malformed line."""
    for line in numbered_lines(path):
        error = _line_error(path, line, columns, sizes)
        if error is not None:
            return error
    return FormatError(f"{path} cannot be read as BED: {why}")


def _line_error(
    path: Path, line: Line, columns: int, sizes: ChromSizes | None
) -> InputError | None:
    fields = line.fields
    where = f"{path} line {line.number}"
    if len(fields) != columns:
        return FormatError(f"{where} has {len(fields)} columns, but the first line has {columns}")
    if any("\ufffd" in field for field in fields):
        return FormatError(f"{where} is not UTF-8 text")
    integers = (2, 3, 10) if columns == 10 else (2, 3, 7, 8)
    for column in integers:
        if column <= columns and parse_int32(fields[column - 1].strip()) is None:
            header = column == 2 and parse_int32(fields[2].strip()) is None
            hint = "; a line of column names must begin with #" if header else ""
            return FormatError(
                f"{where}: column {column} is {fields[column - 1]!r}, not an integer{hint}"
            )
    chrom, start, end = fields[0], int(fields[1]), int(fields[2])
    span = f"{chrom}:{start:,}-{end:,}"
    if not chrom:
        return FormatError(f"{where}: the contig is empty")
    if start < 0:
        return BoundsError(f"{where}: {span} starts before 0")
    if end <= start:
        return FormatError(f"{where}: {span} is empty or reversed: its end must be above its start")
    size = INT32_MAX if sizes is None else sizes.get(chrom, INT32_MAX)
    if sizes is not None and end > size:
        return BoundsError(f"{where}: {span} ends past {chrom} ({size:,} bp in {sizes.source})")
    reason = _value_error(fields, columns, start, end)
    return FormatError(f"{where}: {reason}") if reason else None


def _value_error(fields: list[str], columns: int, start: int, end: int) -> str | None:
    if columns > 4:
        score, top = _number(fields[4]), math.inf if columns == 10 else _MAX_SCORE
        if score is None or not 0 <= score <= top:
            limit = "a number from 0" if columns == 10 else "a score from 0 to 1000"
            return f"column 5 is {fields[4]!r}, not {limit}; write 0 where there is none"
    if columns > 5 and fields[5] not in ("+", "-", "."):
        return f"column 6 is {fields[5]!r}, not a strand (+, - or .)"
    if columns == 10:
        for column in (7, 8, 9):
            if _number(fields[column - 1]) is None:
                return f"column {column} is {fields[column - 1]!r}, not a number"
        if not -1 <= int(fields[9]) < end - start:
            return f"column 10 is {fields[9]}, a summit outside the peak of {end - start:,} bp"
    elif columns > 6:
        thick = [int(field) for field in fields[6:8]]
        if not all(a <= b for a, b in zip([start, *thick], [*thick, end], strict=True)):
            return f"columns 7 and 8 ({', '.join(fields[6:8])}) do not lie inside the line's span"
        if columns == 9 and not _is_rgb(fields[8]):
            return f"column 9 is {fields[8]!r}, not a colour such as 255,0,0"
    return None


def _number(text: str) -> float | None:
    """The finite number that ``text`` writes, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


# ---- Sites from a BED with whatever columns it has, and the one rule for the middle of a site.

_STANDARD = {4: "name", 5: "score", 6: "strand"}
"""Names of columns without a header; a fifth of words is none of scores."""
_STRANDS = {"+": 1, "-": -1, ".": 0}
_THICK_NAMES = ("thick",)
_SUMMIT_NAMES = ("summit", "peak", "source", "offset")
"""What the header calls a thick part's and a summit's column, among other letters."""
_NARROW_PEAK_site_table = 10
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
        raise _first_bad_line_site_table(path, count, sizes)
    types = {
        str(number): NAMES if number in (1, 6) else pa.string() for number in range(1, 1 + count)
    }
    try:
        batches = pa.Table.from_batches(table_batches(path, types, list(types)))
    except MalformedTable as error:
        raise _first_bad_line_site_table(path, count, sizes) from error
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
        raise _first_bad_line_site_table(path, count, sizes)
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
    if len(fields) != _NARROW_PEAK_site_table or not _may_be(named, (10,), _SUMMIT_NAMES):
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


def _first_bad_line_site_table(path: Path, columns: int, sizes: ChromSizes) -> InputError:
    """The error of the first malformed line."""
    for line in numbered_lines(path):
        error = _line_error_site_table(f"{path} line {line.number}", line, columns, sizes)
        if error is not None:
            return error
    return FormatError(f"{path} cannot be read as a BED of {columns} tab-separated columns")


def _line_error_site_table(
    where: str, line: Line, columns: int, sizes: ChromSizes
) -> InputError | None:
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
    contig: NDArray[np.int64]
    position: NDArray[np.int64]
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
    (annotations keep classes there), and further columns are not looked at.

    Args:
        path: at least 6 tab-separated columns, the strand in the sixth.
        sizes: the genome's contigs; None: contigs and ends are not checked.

    Raises:
        InputError: the file cannot be read or holds no line of data.
        FormatError: a malformed line, with its number.
        BoundsError: a line ends past its contig.
        ContigError: contigs that the genome lacks.
    """
    codes: dict[str, int] = {}
    rows: list[tuple[int, int, bool]] = []
    for line in numbered_lines(path):
        chrom, start, end, forward = _gene(path, line)
        if sizes is not None and end > sizes.get(chrom, end):
            raise BoundsError(
                f"{path} line {line.number}: {chrom}:{start:,}-{end:,} ends past {chrom} "
                f"({sizes[chrom]:,} bp in {sizes.source})"
            )
        rows.append((codes.setdefault(chrom, len(codes)), start if forward else end - 1, forward))
    if not rows:
        raise InputError(f"{path} is empty: it holds no gene")
    if sizes is not None:
        check_contigs(list(codes), str(path), sizes)
    contig, position, strand = zip(*rows, strict=True)
    return TssTable(
        tuple(codes),
        np.array(contig, dtype=np.int64),
        np.array(position, dtype=np.int64),
        np.array(strand, dtype=bool),
    )


def _gene(path: Path, line: Line) -> tuple[str, int, int, bool]:
    """Contig, start, end and whether the strand is +."""
    where, fields = f"{path} line {line.number}", line.fields
    if len(fields) < 6:
        raise FormatError(
            f"{where} has {counted(len(fields), 'tab-separated column')}; "
            f"start sites need 6: contig, start, end, name, score or class, strand"
        )
    start, end = (parse_int32(field) for field in fields[1:3])
    if start is None or end is None or start < 0 or end <= start:
        raise FormatError(
            f"{where}: columns 2 and 3 ({fields[1]}, {fields[2]}) are not a start of at least 0 "
            f"and an end above it"
        )
    if not fields[0] or fields[5] not in ("+", "-"):
        raise FormatError(
            f"{where}: column 6 is {fields[5]!r}; a start site needs the strand + or -"
            if fields[0]
            else f"{where}: the contig is empty"
        )
    return fields[0], start, end, fields[5] == "+"

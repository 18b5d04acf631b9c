"""Strict reading of BED3 to BED9 and narrowPeak; coordinates are 0-based and half-open."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from chromputer_tracks.errors import BoundsError, FormatError, InputError
from chromputer_tracks.intervals import ChromSizes, Interval, check_contigs
from chromputer_tracks.io.text_table import (
    INT32_MAX,
    NAMES,
    Line,
    MalformedTable,
    first_line,
    numbered_lines,
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

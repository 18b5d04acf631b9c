"""The sites of a map: a BED with whatever columns it has, and the choice among too many.

Only the first three columns and the strand must be BED's; the others may hold anything, for they
are what a map is coloured by: peak scores, gene classes, clusters of another method.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import BoundsError, FormatError, InputError
from chromputer_tracks.intervals import ChromSizes, Interval, check_contigs, format_region
from chromputer_tracks.io.text_table import Line, numbered_lines, open_bytes, parse_int32

_STANDARD = {4: "name", 5: "score", 6: "strand"}
"""Names of columns without a header; a fifth of words is none of scores."""
_THICK = (7, 8)
_STRANDS = {"+": 1, "-": -1, ".": 0}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the BED that sites may be coloured by.

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
        centre: int64 (n,), bp, 0-based: the base that the site's window is centred on.
        strand: int64 (n,), 1, -1, or 0 where there is none.
        names: (n,), empty where there is none.
        columns: what else the file says of them.
    """

    contigs: tuple[str, ...]
    contig: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    centre: NDArray[np.int64]
    strand: NDArray[np.int64]
    names: tuple[str, ...]
    columns: tuple[Column, ...] = ()

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

    def window(self, row: int, width: int) -> Interval:
        """The ``width`` bases around a site's centre; may leave its contig."""
        return Interval.centred(self.contigs[self.contig[row]], int(self.centre[row]), width)

    def select(self, rows: NDArray[np.intp]) -> SiteTable:
        """The sites of some rows, in their order."""

        def picked(values: Sequence[str]) -> tuple[str, ...]:
            return tuple(values[row] for row in rows.tolist())

        return SiteTable(
            self.contigs,
            self.contig[rows],
            self.start[rows],
            self.end[rows],
            self.centre[rows],
            self.strand[rows],
            picked(self.names),
            tuple(Column(c.number, c.name, picked(c.values)) for c in self.columns),
        )

    def sample(self, most: int, seed: int) -> SiteTable:
        """At most ``most`` of the sites, drawn without replacement; the order stays."""
        if len(self) <= most:
            return self
        drawn = np.random.default_rng(seed).choice(len(self), most, replace=False)
        return self.select(np.sort(drawn))


def read_site_table(path: Path, sizes: ChromSizes) -> SiteTable:
    """Read sites from a BED of at least three columns, plain, gzip or bgzip.

    A site is centred on its summit: a narrowPeak's column 10; else the middle of the thick part,
    where columns 7 and 8 of all lines are one; else the middle of the site. Columns are named by a
    ``#`` line above the data that has as many of them.

    Args:
        path: the file; ``#``, ``track``, ``browser`` and blank lines hold no site.
        sizes: the genome's contigs.

    Raises:
        InputError: the file cannot be read or holds no site.
        FormatError: a malformed line, with its number.
        BoundsError: a site ends past its contig.
        ContigError: contigs that the genome lacks.
    """
    rows: list[list[str]] = []
    for line in numbered_lines(path):
        _check_line(path, line, sizes, len(rows[0]) if rows else len(line.fields))
        rows.append(line.fields)
    if not rows:
        raise InputError(f"{path} is empty: it holds no site; give a BED with at least one")
    fields = list(zip(*rows, strict=True))
    contigs = tuple(dict.fromkeys(fields[0]))
    check_contigs(list(contigs), str(path), sizes)
    code = {name: index for index, name in enumerate(contigs)}
    start = np.array([int(text) for text in fields[1]], dtype=np.int64)
    end = np.array([int(text) for text in fields[2]], dtype=np.int64)
    thick = _thick(fields, start, end)
    centre = (start + end) // 2 if thick is None else (thick[0] + thick[1]) // 2
    summit = _summits(fields, start, end)
    if summit is not None:
        centre = np.where(summit < 0, centre, start + summit)
    named = _header(path, len(fields))
    columns = tuple(
        Column(number, named.get(number) or _usual_name(number, values), values)
        for number, values in enumerate(fields, 1)
        if number > 3 and not (thick is not None and number in _THICK)
    )
    unstranded = ("",) * len(rows)
    return SiteTable(
        contigs,
        np.array([code[name] for name in fields[0]], dtype=np.int64),
        start,
        end,
        centre,
        np.array(
            [_STRANDS.get(text, 0) for text in (fields[5] if len(fields) > 5 else unstranded)],
            dtype=np.int64,
        ),
        tuple("" if n == "." else n for n in fields[3]) if len(fields) > 3 else unstranded,
        columns,
    )


def _check_line(path: Path, line: Line, sizes: ChromSizes, columns: int) -> None:
    fields, where = line.fields, f"{path} line {line.number}"
    if len(fields) < 3:
        hint = "; columns must be separated by tabs" if len(fields[0].split()) > 2 else ""
        raise FormatError(
            f"{where} has {len(fields)} tab-separated column{'s' if len(fields) > 1 else ''}; a "
            f"site needs 3: contig, start, end{hint}"
        )
    if len(fields) != columns:
        raise FormatError(f"{where} has {len(fields)} columns, but the first site has {columns}")
    start, end = (parse_int32(field) for field in fields[1:3])
    if start is None or end is None or start < 0 or end <= start:
        raise FormatError(
            f"{where}: columns 2 and 3 ({fields[1]}, {fields[2]}) are not a start of at least 0 "
            f"and an end above it"
        )
    if not fields[0]:
        raise FormatError(f"{where}: the contig is empty")
    if columns > 5 and fields[5] not in _STRANDS:
        raise FormatError(f"{where}: column 6 is {fields[5]!r}, not a strand (+, - or .)")
    if end > sizes.get(fields[0], end):
        raise BoundsError(
            f"{where}: {fields[0]}:{start:,}-{end:,} ends past {fields[0]} "
            f"({sizes[fields[0]]:,} bp in {sizes.source})"
        )


def _usual_name(number: int, values: Sequence[str]) -> str:
    name = _STANDARD.get(number)
    words = number == 5 and not any(_is_number(text) for text in values)
    return f"column {number}" if name is None or words else name


def _integers(texts: Sequence[str]) -> NDArray[np.int64] | None:
    """The column as integers, int64 (n,); None where one is not."""
    values = [parse_int32(text) for text in texts]
    found = [value for value in values if value is not None]
    return np.array(found, dtype=np.int64) if len(found) == len(values) else None


def _thick(
    fields: Sequence[Sequence[str]], start: NDArray[np.int64], end: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Start and end of the thick parts; the site itself where its thick part is empty."""
    if len(fields) < 8:
        return None
    first, last = _integers(fields[6]), _integers(fields[7])
    if first is None or last is None or bool(((first < start) | (last > end)).any()):
        return None
    if bool((last < first).any()):
        return None
    empty = first == last
    return np.where(empty, start, first), np.where(empty, end, last)


def _summits(
    fields: Sequence[Sequence[str]], start: NDArray[np.int64], end: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """Offsets of a narrowPeak's summits, -1 where not given; None where it is no narrowPeak."""
    if len(fields) != 10 or not all(_is_number(text) for c in fields[6:9] for text in c):
        return None
    summit = _integers(fields[9])
    if summit is None or bool(((summit < -1) | (summit >= end - start)).any()):
        return None
    return summit


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _header(path: Path, columns: int) -> dict[int, str]:
    """Column number to name, from the last ``#`` line above the data with as many columns."""
    named: dict[int, str] = {}
    with open_bytes(path) as file:
        lines: Iterator[bytes] = iter(file)
        for raw in takewhile(lambda line: line.startswith(b"#"), lines):
            names = raw.decode(errors="replace").strip("\r\n").lstrip("#").split("\t")
            if len(names) == columns:
                named = {number: name.strip() for number, name in enumerate(names, 1)}
    return named

"""The sites of a V-plot: from any BED, centred, turned by strand, and in classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.labels import Mask
from chromputer_tracks.errors import BoundsError, FormatError, InputError
from chromputer_tracks.intervals import ChromSizes, check_contigs
from chromputer_tracks.io.text_table import Line, numbered_lines, parse_int32
from chromputer_tracks.io.tss import TssTable

Centre = Literal["summit", "middle", "start", "end"]

ALL = "all"
"""Name of the only class where sites are not told apart."""
MOST_CLASSES = 24
"""Classes that one picture shows at most."""

_COLUMNS = ("chrom", "start", "end", "name", "score", "strand", "thickStart", "thickEnd", "rgb")
_NARROW_PEAK_COLUMNS = (*_COLUMNS[:6], "signalValue", "pValue", "qValue", "summit")
_NARROW_PEAK = 10
_ROUNDS = 100
"""Attempts at drawing random sites outside of a mask."""


@dataclass(frozen=True, slots=True, eq=False)
class VplotSites:
    """Sites that a V-plot is drawn around.

    Attributes:
        contigs: names of the contigs.
        contig: int64 (n,), index into ``contigs``.
        centre: int64 (n,), bp, 0-based: the border between two bases that the picture's 0 stands
            for, the window is ``[centre - window/2, centre + window/2)``. It lies left of the
            site's base on the + strand and right of it on the - strand, so that turning a site
            around leaves its base where it is.
        strand: int64 (n,), -1 for a site to be turned around, else 1.
        classes: names of the classes.
        code: int64 (n,), index into ``classes``; ``labels.UNKNOWN`` for a site of none.
    """

    contigs: tuple[str, ...]
    contig: NDArray[np.int64]
    centre: NDArray[np.int64]
    strand: NDArray[np.int64]
    classes: tuple[str, ...]
    code: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.centre)

    def take(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> VplotSites:
        """Some of the sites, by a mask or by index, in that order."""
        return replace(
            self,
            contig=self.contig[which],
            centre=self.centre[which],
            strand=self.strand[which],
            code=self.code[which],
        )

    def by_contig(self) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """Name and sites (index) of each contig that has any."""
        for number, name in enumerate(self.contigs):
            here = np.flatnonzero(self.contig == number)
            if len(here):
                yield name, here

    def inside(self, mask: Mask) -> NDArray[np.bool_]:
        """Whether each site's centre lies in a set of positions; bool (n,)."""
        found = np.zeros(len(self), dtype=bool)
        for name, here in self.by_contig():
            found[here] = mask.at(name, self.centre[here])
        return found


def read_sites(
    path: Path, sizes: ChromSizes, centre: Centre = "summit", by: str | None = None
) -> VplotSites:
    """Read sites from a BED of 3 columns or more, plain, gzip or bgzip.

    Columns that are not needed may hold anything (annotations keep a class in column 5).

    Args:
        path: tab-separated; with 10 columns it is a narrowPeak.
        sizes: the genome's contigs.
        centre: what the picture's 0 stands for. ``summit``: column 10 of a narrowPeak, else the
            middle of the thick part (columns 7 and 8) where that is a part of the line, else the
            middle; ``middle``: of the line; ``start``, ``end``: its first or last base in the
            direction of its strand (``start`` is the start site of a gene).
        by: the column that tells classes apart: a BED column's name (``name``, ``strand`` ...) or
            number from 1; None: all sites are one class.

    Returns:
        the sites in file order; classes in order of their names, numbers by value.

    Raises:
        InputError: the file cannot be read, holds no site, lacks the column, or has more than
            ``MOST_CLASSES`` classes.
        FormatError: a malformed line, with its number.
        BoundsError: a line ends past its contig.
        ContigError: contigs that the genome lacks.
    """
    contigs: dict[str, int] = {}
    words: dict[str, int] = {}
    rows: list[tuple[int, int, int, int]] = []
    columns, column = 0, None
    for line in numbered_lines(path):
        if not rows:
            columns = len(line.fields)
            column = _column(by, columns, path)
        if len(line.fields) != columns:
            raise FormatError(
                f"{path} line {line.number} has {len(line.fields)} tab-separated columns, but the "
                f"first line has {columns}"
            )
        start, end = _span(path, line, sizes)
        strand = _strand(path, line)
        at = _centre(path, line, start, end, strand, centre)
        word = ALL if column is None else line.fields[column] or "(empty)"
        name = line.fields[0]
        rows.append(
            (
                contigs.setdefault(name, len(contigs)),
                # A site on a contig's last base, turned around, has its border at the contig's end.
                min(at, sizes.get(name, at + 1) - 1),
                strand,
                words.setdefault(word, len(words)),
            )
        )
    if not rows:
        raise InputError(f"{path} is empty: it holds no site")
    check_contigs(list(contigs), str(path), sizes)
    if len(words) > MOST_CLASSES:
        raise InputError(
            f"{path}: its column {by} has {len(words):,} different values, and at most "
            f"{MOST_CLASSES} classes can be drawn: name a column of classes with --by"
        )
    contig, middle, strands, code = np.array(rows, dtype=np.int64).T
    ordered = sorted(words, key=_by_value)
    rank = np.array([ordered.index(word) for word in words], dtype=np.int64)
    return VplotSites(tuple(contigs), contig, middle, strands, tuple(ordered), rank[code])


def oriented(sites: VplotSites, genes: TssTable, within: int) -> tuple[VplotSites, int]:
    """Sites with the strand of the nearest transcription start site.

    Args:
        sites: their own strands are not looked at.
        genes: start sites; of two that are as near, the one on the + strand counts.
        within: bp; a site that has no start site this near is not turned around.

    Returns:
        the sites, and the number of those that have a start site near.
    """
    strand = np.ones(len(sites), dtype=np.int64)
    found = 0
    for name, here in sites.by_contig():
        # Borders as centres are: left of a + strand's base, right of a - strand's.
        forward, reverse = (
            _distance(sites.centre[here], genes.on(name, forward=plus) + (not plus))
            for plus in (True, False)
        )
        strand[here[(reverse < forward) & (reverse <= within)]] = -1
        found += int((np.minimum(forward, reverse) <= within).sum())
    return replace(sites, strand=strand), found


def random_sites(
    sites: VplotSites, sizes: ChromSizes, window: int, mask: Mask, least: int, seed: int
) -> VplotSites:
    """Random places that match sites in number by contig and strand, as a background.

    Each site gets the same number of places, drawn uniformly from its contig: with its whole
    window inside where the contig is long enough, and outside of the mask.

    Args:
        sites: to be matched.
        sizes: the genome's contigs.
        window: bp.
        mask: positions that no place's centre may have.
        least: number of places at least.
        seed: of the draw.

    Returns:
        all of one class, ``all``; empty where there are no sites.

    Raises:
        InputError: a contig lies in the mask so far that no place is found.
    """
    repeats = -(-least // max(1, len(sites)))
    drawn = sites.take(np.tile(np.arange(len(sites)), repeats))
    rng = np.random.default_rng(seed)
    length = np.array([sizes[name] for name in sites.contigs], dtype=np.int64)[drawn.contig]
    roomy = length > window
    low = np.where(roomy, window // 2, 0)
    high = np.where(roomy, length - window // 2, length)
    places = replace(
        drawn,
        centre=rng.integers(low, high),
        classes=(ALL,),
        code=np.zeros(len(drawn), dtype=np.int64),
    )
    for _ in range(_ROUNDS):
        again = np.flatnonzero(places.inside(mask))
        if not len(again):
            return places
        places.centre[again] = rng.integers(low[again], high[again])
    name = places.contigs[places.contig[places.inside(mask)][0]]
    raise InputError(
        f"no random site outside of the excluded regions was found on {name}: exclude less of it, "
        "or compare with another background"
    )


def thinned(sites: VplotSites, most: int) -> VplotSites:
    """At most ``most`` sites of each class, evenly spaced in their order; those of none go."""
    kept = []
    for code in range(len(sites.classes)):
        rows = np.flatnonzero(sites.code == code)
        if len(rows) > most:
            rows = rows[np.arange(most) * len(rows) // most]
        kept.append(rows)
    return sites.take(np.sort(np.concatenate(kept)))


def _column(by: str | None, columns: int, path: Path) -> int | None:
    """Index of the column of a name or number."""
    if by is None:
        return None
    names = (_NARROW_PEAK_COLUMNS if columns == _NARROW_PEAK else _COLUMNS)[:columns]
    if by in names:
        return names.index(by)
    number = parse_int32(by)
    if number is not None and 1 <= number <= columns:
        return number - 1
    raise InputError(
        f"{path} has no column {by!r}: it has {columns}, numbered from 1"
        + (f" or named {', '.join(names)}" if names else "")
    )


def _span(path: Path, line: Line, sizes: ChromSizes) -> tuple[int, int]:
    where, fields = f"{path} line {line.number}", line.fields
    if len(fields) < 3:
        raise FormatError(
            f"{where} has {len(fields)} tab-separated column{'s' if len(fields) > 1 else ''}; a "
            "site needs at least 3: contig, start, end"
        )
    start, end = parse_int32(fields[1]), parse_int32(fields[2])
    if start is None or end is None or start < 0 or end <= start:
        raise FormatError(
            f"{where}: columns 2 and 3 ({fields[1]}, {fields[2]}) are not a start of at least 0 "
            "and an end above it"
        )
    if end > sizes.get(fields[0], end):
        raise BoundsError(
            f"{where}: {fields[0]}:{start:,}-{end:,} ends past {fields[0]} "
            f"({sizes[fields[0]]:,} bp in {sizes.source})"
        )
    return start, end


def _strand(path: Path, line: Line) -> int:
    if len(line.fields) < 6:
        return 1
    word = line.fields[5]
    if word not in ("+", "-", "."):
        raise FormatError(
            f"{path} line {line.number}: column 6 is {word!r}, not a strand (+, - or .)"
        )
    return -1 if word == "-" else 1


def _centre(path: Path, line: Line, start: int, end: int, strand: int, centre: Centre) -> int:
    """The border that 0 stands for; see :class:`VplotSites`."""
    if centre not in get_args(Centre):
        raise InputError(f"centre {centre!r} is not one of {', '.join(get_args(Centre))}")
    if centre in ("start", "end"):
        first = (centre == "start") == (strand > 0)
        base = start if first else end - 1
        return base + (strand < 0)
    columns = len(line.fields)
    if centre == "summit" and columns == _NARROW_PEAK:
        offset = parse_int32(line.fields[9])
        if offset is None or not -1 <= offset < end - start:
            raise FormatError(
                f"{path} line {line.number}: column 10 is {line.fields[9]!r}, not a summit inside "
                f"the peak of {end - start:,} bp; choose --centre middle"
            )
        if offset >= 0:
            return start + offset + (strand < 0)
    elif centre == "summit" and columns >= 8:
        thick = [parse_int32(field) for field in line.fields[6:8]]
        low, high = thick
        if low is None or high is None or not start <= low <= high <= end:
            raise FormatError(
                f"{path} line {line.number}: columns 7 and 8 ({', '.join(line.fields[6:8])}) are "
                "no thick part inside the line's span; choose --centre middle"
            )
        if low < high:
            start, end = low, high
    return (start + end + (strand < 0)) // 2


def _by_value(word: str) -> tuple[bool, float, str]:
    """Numbers first, by value; then words."""
    try:
        return False, float(word), word
    except ValueError:
        return True, 0.0, word


def _distance(centres: NDArray[np.int64], borders: NDArray[np.int64]) -> NDArray[np.float64]:
    """Bp from each centre to the nearest of ascending borders; infinite where there are none."""
    if not len(borders):
        return np.full(len(centres), np.inf)
    after = np.searchsorted(borders, centres)
    left = np.abs(centres - borders[np.maximum(after - 1, 0)])
    right = np.abs(borders[np.minimum(after, len(borders) - 1)] - centres)
    nearest: NDArray[np.float64] = np.minimum(left, right).astype(np.float64)
    return nearest


def contig_sites(
    sites: Sequence[tuple[str, NDArray[np.int64]]], classes: tuple[str, ...] = (ALL,)
) -> VplotSites:
    """Sites from centres by contig, not turned around, all of the first class.

    Args:
        sites: name and int64 (n,) centres of each contig.
        classes: names of the classes.
    """
    count = sum(len(centres) for _, centres in sites)
    return VplotSites(
        tuple(name for name, _ in sites),
        np.repeat(np.arange(len(sites)), [len(centres) for _, centres in sites]),
        np.concatenate([np.zeros(0, dtype=np.int64), *(centres for _, centres in sites)]),
        np.ones(count, dtype=np.int64),
        classes,
        np.zeros(count, dtype=np.int64),
    )

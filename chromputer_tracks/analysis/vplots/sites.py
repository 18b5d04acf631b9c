"""The sites of a V-plot: read from a BED, kept or left out, turned by strand, and in classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.labels import UNKNOWN, Mask
from chromputer_tracks.errors import InputError, meant
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import SiteTable, TssTable, read_site_table
from chromputer_tracks.io.text import parse_int32
from chromputer_tracks.options.explain import Centre

Int64 = NDArray[np.int64]

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
    contig: Int64
    centre: Int64
    strand: Int64
    classes: tuple[str, ...]
    code: Int64

    def __len__(self) -> int:
        return len(self.centre)

    def take(self, which: NDArray[np.bool_] | Int64) -> VplotSites:
        """Some of the sites, by a mask or by index, in that order."""
        return replace(
            self,
            contig=self.contig[which],
            centre=self.centre[which],
            strand=self.strand[which],
            code=self.code[which],
        )

    def by_contig(self) -> Iterator[tuple[str, Int64]]:
        """Name and sites (index) of each contig that has any."""
        for number, name in enumerate(self.contigs):
            here = np.flatnonzero(self.contig == number)
            if len(here):
                yield name, here

    def counts(self) -> Int64:
        """Number of sites of each class, int64 (classes,)."""
        known = self.code[self.code != UNKNOWN]
        return np.bincount(known, minlength=len(self.classes)).astype(np.int64)

    def windows(self, width: int) -> list[Interval]:
        """The ``width`` bp around each site, which may leave its contig."""
        return [
            Interval.centred(self.contigs[contig], centre, width)
            for contig, centre in zip(self.contig.tolist(), self.centre.tolist(), strict=True)
        ]

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
        path: tab-separated.
        sizes: the genome's contigs.
        centre: what the picture's 0 stands for. ``summit``: by the rule of
            :func:`~chromputer_tracks.io.bed.read_site_table`; ``middle``: of the line;
            ``start``, ``end``: its first or last base in the direction of its strand (``start`` is
            the start site of a gene).
        by: the column that tells classes apart: a BED column's name (``name``, ``strand`` ...), a
            name from the file's header line, or a number from 1; None: all sites are one class.

    Returns:
        the sites in file order; classes in order of their names, numbers by value.

    Raises:
        InputError: the file cannot be read, holds no site, lacks the column, or has more than
            ``MOST_CLASSES`` classes; no such centre.
        FormatError: a malformed line, with its number.
        BoundsError: a line ends past its contig.
        ContigError: contigs that the genome lacks.
    """
    if centre not in get_args(Centre):
        raise InputError(f"centre {centre!r} is not one of {', '.join(get_args(Centre))}")
    table = read_site_table(
        path, sizes, summits=centre == "summit", instead="choose --centre middle"
    )
    strand = np.where(table.strand < 0, -1, 1)
    # A site on a contig's last base, turned around, has its border at the contig's end.
    last = np.array([sizes[name] - 1 for name in table.contigs], dtype=np.int64)[table.contig]
    words = [ALL] * len(table) if by is None else _class_words(table, by, path)
    classes = sorted(set(words), key=_by_value)
    if len(classes) > MOST_CLASSES:
        raise InputError(
            f"{path}: its column {by} has {len(classes):,} different values, and at most "
            f"{MOST_CLASSES} classes can be drawn: name a column of classes with --by"
        )
    rank = {word: code for code, word in enumerate(classes)}
    return VplotSites(
        table.contigs,
        table.contig,
        np.minimum(_borders(table, centre), last),
        strand,
        tuple(classes),
        np.array([rank[word] for word in words], dtype=np.int64),
    )


def contig_sites(
    sites: Sequence[tuple[str, Int64]], classes: tuple[str, ...] = (ALL,)
) -> VplotSites:
    """Sites from the name and the int64 (n,) centres of each contig, all of the first class."""
    count = sum(len(centres) for _, centres in sites)
    return VplotSites(
        tuple(name for name, _ in sites),
        np.repeat(np.arange(len(sites)), [len(centres) for _, centres in sites]),
        np.concatenate([np.zeros(0, dtype=np.int64), *(centres for _, centres in sites)]),
        np.ones(count, dtype=np.int64),
        classes,
        np.zeros(count, dtype=np.int64),
    )


def oriented(sites: VplotSites, genes: TssTable, within: int) -> tuple[VplotSites, int]:
    """Sites with the strand of the nearest transcription start site, whatever their own.

    Of two start sites that are as near, the one on the + strand counts. A site that has none within
    ``within`` bp is not turned around.

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

    Each site gets the same number of places, ``least`` in all at least, drawn uniformly from its
    contig: with its whole window inside where the contig is long enough, and its centre outside of
    the mask. All are of one class, ``all``.

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


def present_classes(sites: VplotSites) -> VplotSites:
    """The same sites without classes that no site has, and without sites of no class."""
    has = sites.counts() > 0
    sites = sites.take(sites.code != UNKNOWN)
    names = tuple(name for name, there in zip(sites.classes, has, strict=True) if there)
    return replace(sites, classes=names, code=(has.cumsum() - 1)[sites.code])


def thinned(sites: VplotSites, most: int) -> VplotSites:
    """At most ``most`` sites of each class, evenly spaced in their order; those of none go."""
    kept = []
    for code in range(len(sites.classes)):
        rows = np.flatnonzero(sites.code == code)
        if len(rows) > most:
            rows = rows[np.arange(most) * len(rows) // most]
        kept.append(rows)
    return sites.take(np.sort(np.concatenate(kept)))


def _class_words(table: SiteTable, by: str, path: Path) -> list[str]:
    """The values of the column of a name or number, (n,)."""
    found = (*table.columns, *table.thick)
    columns = 3 + len(found)
    names = (_NARROW_PEAK_COLUMNS if columns == _NARROW_PEAK else _COLUMNS)[:columns]
    header = {column.name: column.number for column in found}
    number = names.index(by) + 1 if by in names else header.get(by) or parse_int32(by)
    places = {1: table.chroms, 2: table.start.tolist(), 3: table.end.tolist()}
    if number in places:
        return [str(value) for value in places[number]]
    for column in found:
        if column.number == number:
            return [value or "(empty)" for value in column.values]
    raise InputError(
        f"{path} has no column {by!r}: it has {columns}, numbered from 1 or named "
        f"{', '.join(names)}"
    )


def _borders(table: SiteTable, centre: Centre) -> Int64:
    """The border that 0 stands for; see :class:`VplotSites`."""
    reverse = table.strand < 0
    if centre in ("start", "end"):
        first = reverse == (centre == "end")
        return np.where(first, table.start, table.end - 1) + reverse
    inside = True if table.between is None else ~table.between
    return table.centre + (reverse & inside)


def _by_value(word: str) -> tuple[bool, float, str]:
    """Numbers first, by value; then words."""
    try:
        return False, float(word), word
    except ValueError:
        return True, 0.0, word


def _distance(centres: Int64, borders: Int64) -> NDArray[np.float64]:
    """Bp from each centre to the nearest of ascending borders; infinite where there are none."""
    if not len(borders):
        return np.full(len(centres), np.inf)
    after = np.searchsorted(borders, centres)
    left = np.abs(centres - borders[np.maximum(after - 1, 0)])
    right = np.abs(borders[np.minimum(after, len(borders) - 1)] - centres)
    nearest: NDArray[np.float64] = np.minimum(left, right).astype(np.float64)
    return nearest


def only_classes(sites: VplotSites, only: tuple[str, ...], what: str) -> VplotSites:
    """Sites of the named classes, of all where none is named.

    The classes stay as they are; sites of others are of none. ``what`` has the classes, for
    messages.

    Raises:
        InputError: there is no such class.
    """
    unknown = [name for name in only if name not in sites.classes]
    if unknown:
        raise InputError(
            f"{what} has no class {unknown[0]!r}, only {', '.join(sites.classes)}"
            f"{meant(unknown[0], sites.classes)}"
        )
    if not only:
        return sites
    wanted = np.isin(sites.code, [sites.classes.index(name) for name in only])
    return replace(sites, code=np.where(wanted, sites.code, UNKNOWN))

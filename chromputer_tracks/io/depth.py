"""How deep a sample is: fragments per kb where the experiment could have put any.

Counts are divided by it before a model reads them, so that it must be that of the genome also where
a file holds fragments of a few loci alone. The rule, whose figures are constants below:

1. *Genome.* The pieces are the contigs that hold any fragment, and the depth is the length-weighted
   median of their fragments per kb (:func:`weighted_median`): contigs of extreme depth
   (mitochondria, rDNA) do not move it.
2. *Is that true?* A library of the whole genome, however shallow, leaves few tiles empty once
   they are large enough to expect some fragments. Where fragments cluster (negative binomial
   counts of dispersion 1, more than real ATAC-seq shows) a share ``m / (1 + m)`` of tiles that
   expect ``m`` holds one. Coverage is *confined* when less than half as many bases lie in occupied
   tiles, at 1 or at 10 expected: half, because much of a genome cannot be mapped.
3. *Confined.* The pieces are the runs of fragments with no gap as long as a tile that expects 10,
   from the first midpoint to the last, so that their edges are not diluted. ``n`` midpoints
   enclose ``n - 1`` gaps, so that the density of a piece is ``n - 1`` over its length. The
   weighted median over them is a new depth, its tiles are smaller, and pieces in which less than
   three quarters are occupied are cut again.
4. *Does the result hold?* Pieces cut down to peaks say nothing of the background between them. So
   pieces long enough to hold both must make up most of the covered bases, hold enough fragments and
   bases in all, and agree with one another; the depth is taken over those alone. Else the depth is
   in doubt, and must be given: as a figure, or as regions that hold background and peaks both.

Measured on yeast ATAC-seq cut down to random regions of 3 to 50 kb, 20 kb and more in all: mostly
0.5 to 1.5 times the genome's depth, over which the shipped model's states agree in nine of ten bins
with those of the whole sample; on ATAC-seq within 1 kb of peaks 3 times and more, which is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import counted
from chromputer_tracks.intervals import ChromSizes, Interval

DepthHow = Literal["genome", "confined", "regions", "given"]
"""How a depth was found; see :class:`Depth`."""

FEW, MANY = 1, 10
"""Fragments expected in the two sizes of tile."""
SHORTEST_TILE = 2_000
"""bp; what is empty at a smaller scale may lie between peaks, or between nucleosomes."""
SHORTEST_GAP = 1_000
"""bp between two regions."""
LEAST_OCCUPIED = 0.5
"""Of the expected share of occupied tiles, in a library of the whole genome."""
LEAST_COVERED = 0.75
"""Share of the bases of pieces in occupied tiles, for them to be covered."""

SHORTEST_PIECE = 2_500
"""bp that hold background and peak both: a promoter with the nucleosomes on its sides."""
LEAST_LONG = 0.75
"""Share of the covered bases that pieces of this length make up."""
LEAST_BASES, LEAST_FRAGMENTS = 20_000, 200
"""Bases and fragments in those pieces: so that a locus or two do not decide."""
MOST_UNEVEN = 5.0
"""Ratio of the upper to the lower quartile of the density over those pieces."""
FEWEST = 10
"""Fragments of which no depth can be told."""

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Depth:
    """A sample's depth, and how it was found.

    Attributes:
        per_kb: fragments per kb.
        how: ``genome``: over whole contigs; ``confined``: over the stretches to which coverage is
            confined; ``regions``: over regions that were named; ``given``: as a figure.
        bases: bp over which it was taken; 0 where it was given.
        pieces: contigs, stretches or regions that these bases are.
        doubt: why the figure cannot be believed, a clause; empty: it can.
    """

    per_kb: float
    how: DepthHow
    bases: int = 0
    pieces: int = 0
    doubt: str = ""

    def __str__(self) -> str:
        """The figure and how it was found, as the terminal says it."""
        many, where = f"{self.per_kb:.3g} per kb", f"{self.bases / 1000:,.1f} kb"
        match self.how:
            case "genome":
                return many
            case "confined":
                regions = counted(self.pieces, "region")
                return f"{many} over the {where} in {regions} to which coverage is confined"
            case "regions":
                return f"{many} over the {where} of the regions given"
            case _:
                return f"{many} as given"


REMEDY = (
    "give the depth by --depth FRAGMENTS_PER_KB, or by --depth-regions BED whose regions hold "
    "background and peaks both (in Python: open_fragments(..., depth=...))"
)
"""What can be done about a depth in doubt."""


def weighted_median(densities: Float64, sizes: NDArray[np.integer]) -> Float64:
    """The smallest density such that contigs of at most this density make up half of the bases.

    Contigs of extreme depth (mitochondria, rDNA) do not move it.

    Args:
        densities: float64 (contigs, classes), at least one contig.
        sizes: int (contigs,), bp.

    Returns:
        float64 (classes,).
    """
    return _weighted_quantile(densities, sizes, 0.5)


def _weighted_quantile(densities: Float64, sizes: NDArray[np.integer], share: float) -> Float64:
    order = np.argsort(densities, axis=0, kind="stable")
    below = np.cumsum(sizes[order], axis=0)
    row = np.argmax(below >= below[-1] * share, axis=0)[np.newaxis]
    found = np.take_along_axis(densities, np.take_along_axis(order, row, axis=0), axis=0)
    return np.asarray(found[0])


@dataclass(frozen=True, slots=True)
class Pieces:
    """Stretches of contigs and the rows of sorted midpoints that they hold.

    Attributes:
        table: int64 (5, n): the contig's number, ascending; first and last (exclusive) row, counted
            within the contig; start, bp, 0-based; and length, bp.
        whole: whether they have edges of their own, with ``last - first`` fragments on their bases;
            else they run from a midpoint to a midpoint, and one of the fragments bounds the piece.
    """

    table: Int64
    whole: bool

    def __len__(self) -> int:
        return int(self.table.shape[1])

    @property
    def contig(self) -> Int64:
        """Numbers of their contigs."""
        return np.asarray(self.table[0])

    @property
    def first(self) -> Int64:
        """Their first rows."""
        return np.asarray(self.table[1])

    @property
    def last(self) -> Int64:
        """Their last rows, exclusive."""
        return np.asarray(self.table[2])

    @property
    def start(self) -> Int64:
        """bp, 0-based."""
        return np.asarray(self.table[3])

    @property
    def bases(self) -> Int64:
        """Bp."""
        return np.asarray(self.table[4])

    def kept(self, mask: NDArray[np.bool_]) -> Pieces:
        """Those of them where the mask, bool (n,), is true."""
        return Pieces(self.table[:, mask], self.whole)

    def densities(self, counts: NDArray[np.int64] | None = None) -> Float64:
        """Fragments per kb, float64 (n, classes), of counts (n, classes); None: all fragments."""
        rows = (self.last - self.first)[:, np.newaxis]
        kb = (self.bases / 1000)[:, np.newaxis]
        if counts is None:
            counts = rows
        return np.asarray(counts / kb if self.whole else counts * ((rows - 1) / rows) / kb)

    def density(self) -> float:
        """The weighted median of their fragments per kb."""
        return float(weighted_median(self.densities(), self.bases)[0])


def contig_pieces(counts: Sequence[int], sizes: Sequence[int]) -> Pieces:
    """The contigs that hold any fragment, whole."""
    many, size = np.array(counts, dtype=np.int64), np.array(sizes, dtype=np.int64)
    used = np.flatnonzero(many)
    zero = np.zeros(len(used), dtype=np.int64)
    return Pieces(np.stack([used, zero, many[used], zero, size[used]]), whole=True)


def region_pieces(
    regions: Sequence[Interval],
    search: Callable[[str, int, int], tuple[int, int]],
    bounds: Mapping[str, tuple[int, int]],
    sizes: ChromSizes,
) -> Pieces:
    """The union of some regions.

    Args:
        regions: in any order; they may overlap.
        search: first and last row with a midpoint in a contig's ``[start, end)``.
        bounds: each contig's first and last row, by which rows within the contig are counted.
        sizes: the genome's contigs.
    """
    merged: list[Interval] = []
    for region in sorted(regions):
        if merged and merged[-1].chrom == region.chrom and region.start <= merged[-1].end:
            last = merged.pop()
            region = replace(last, end=max(last.end, region.end))
        merged.append(region)
    numbers = {name: number for number, name in enumerate(sizes)}
    rows = [
        (numbers[at.chrom], *(row - bounds[at.chrom][0] for row in found), at.start, len(at))
        for at in merged
        for found in (search(at.chrom, at.start, at.end),)
    ]
    return Pieces(np.array(sorted(rows), dtype=np.int64).reshape(-1, 5).T, whole=True)


Midpoints = Callable[[int], Int32]
"""Sorted midpoints, int32 (n,), bp, of a contig by its number."""


def estimate(
    midpoints: Midpoints, counts: Sequence[int], sizes: ChromSizes
) -> tuple[Depth, Pieces]:
    """The depth by the rule of this module, and the pieces it was taken over.

    Args:
        midpoints: gives those of one contig; called once a contig and step.
        counts: fragments of each contig, in the order of ``sizes``.
        sizes: the genome's contigs.
    """
    pieces = contig_pieces(counts, list(sizes.values()))
    depth = Depth(pieces.density(), "genome", int(pieces.bases.sum()), len(pieces))
    total = sum(counts)
    if total < FEWEST:
        doubt = f"{counted(total, 'fragment')} are too few to tell how deep the sample is"
        return replace(depth, doubt=doubt), pieces
    if not _confined(midpoints, pieces, depth.per_kb):
        return depth, pieces
    while True:
        finer = _split(midpoints, pieces, max(SHORTEST_GAP, _expecting(depth.per_kb, MANY)))
        resolved = len(finer) and finer.bases.sum() < pieces.bases.sum()
        if len(finer):
            pieces = finer
            depth = Depth(pieces.density(), "confined", int(pieces.bases.sum()), len(pieces))
        whole = _occupied(midpoints, pieces, _tile(depth.per_kb, MANY)) >= LEAST_COVERED
        if not resolved or (whole and _confined(midpoints, pieces, depth.per_kb)):
            doubt = (
                f"its {counted(total, 'fragment')} are confined to a part of the genome, but "
                "too few to tell which"
            )
            return replace(depth, how="confined", doubt=doubt), pieces
        if whole:
            return _over_long(pieces)


def _expecting(per_kb: float, expected: int) -> int:
    """Bp in which so many fragments are expected."""
    return int(np.ceil(1000 * expected / per_kb))


def _tile(per_kb: float, expected: int) -> int:
    return max(SHORTEST_TILE, _expecting(per_kb, expected))


def _confined(midpoints: Midpoints, pieces: Pieces, per_kb: float) -> bool:
    for expected in (FEW, MANY):
        tile = _tile(per_kb, expected)
        mean = tile * per_kb / 1000
        if _occupied(midpoints, pieces, tile) < LEAST_OCCUPIED * mean / (1 + mean):
            return True
    return False


def _points(midpoints: Midpoints, here: Pieces) -> tuple[Int64, Int64, Int64]:
    """Of the fragments in the pieces of one contig: row, midpoint, and number of the piece."""
    rows = here.last - here.first
    owner = np.repeat(np.arange(len(here)), rows)
    at = np.arange(len(owner)) + np.repeat(here.first - (np.cumsum(rows) - rows), rows)
    return at, midpoints(int(here.contig[0]))[at].astype(np.int64), owner


def _by_contig(pieces: Pieces) -> Iterator[Pieces]:
    return (pieces.kept(pieces.contig == contig) for contig in np.unique(pieces.contig))


def _occupied(midpoints: Midpoints, pieces: Pieces, tile: int) -> float:
    """Share of the pieces' bases in tiles that hold a midpoint; tiles begin where pieces do."""
    occupied = 0
    for here in _by_contig(pieces):
        _, points, owner = _points(midpoints, here)
        begin = (points - here.start[owner]) // tile * tile
        new = np.ones(len(owner), dtype=np.bool_)
        new[1:] = (np.diff(owner) != 0) | (np.diff(begin) != 0)
        occupied += int(np.clip(here.bases[owner] - begin, 0, tile)[new].sum())
    return occupied / int(pieces.bases.sum())


def _split(midpoints: Midpoints, pieces: Pieces, gap: int) -> Pieces:
    """Runs of midpoints in the pieces with gaps below ``gap`` bp; a run on one base is none."""
    parts = []
    for here in _by_contig(pieces):
        at, points, owner = _points(midpoints, here)
        ends = np.flatnonzero((np.diff(owner) != 0) | (np.diff(points) >= gap))
        first, last = np.append(0, ends + 1), np.append(ends, len(at) - 1)
        contig = np.full(len(first), here.contig[0])
        bases = points[last] - points[first]
        parts.append(np.stack([contig, at[first], at[last] + 1, points[first], bases]))
    runs = Pieces(np.concatenate(parts, axis=1), whole=False)
    return runs.kept(runs.bases > 0)


def _over_long(pieces: Pieces) -> tuple[Depth, Pieces]:
    """The depth over those pieces that can hold background and peaks both; with a doubt if few."""
    covered, every = int(pieces.bases.sum()), pieces
    lengths = pieces.bases[:, np.newaxis].astype(np.float64)
    typical = int(_weighted_quantile(lengths, pieces.bases, 0.5)[0])
    long = pieces.kept(pieces.bases >= SHORTEST_PIECE)
    bases = int(long.bases.sum())
    within = f"its fragments are confined to {counted(len(every), 'region')}"
    if bases < LEAST_LONG * covered:
        doubt = (
            f"{within} of typically {typical:,} bp, too short to hold peaks and the background "
            "between them"
        )
        return Depth(every.density(), "confined", covered, len(every), doubt), every
    depth = Depth(long.density(), "confined", bases, len(long))
    fragments = int((long.last - long.first).sum())
    low, high = (
        float(_weighted_quantile(long.densities(), long.bases, q)[0]) for q in (0.25, 0.75)
    )
    doubt = ""
    if bases < LEAST_BASES or fragments < LEAST_FRAGMENTS:
        doubt = (
            f"{within} of {covered:,} bp with {counted(fragments, 'fragment')}, too little to tell "
            "how deep the genome would be covered"
        )
    elif high > MOST_UNEVEN * low:
        doubt = (
            f"{within}, a quarter of whose bases has at most {low:.3g} and another at least "
            f"{high:.3g} fragments per kb, too uneven to tell how deep the genome would be covered"
        )
    return replace(depth, doubt=doubt), long

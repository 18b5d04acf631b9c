"""How the fragments of a sample look: what training keeps of its own and a new sample is held to.

All of it is counted on stretches of neighbouring fragments that are spread evenly over the genome,
so that a sample of 100 million fragments costs hardly more than one of 100,000. The contigs of
organelles, which have no nucleosomes and a share of the fragments that differs from library to
library, are left out.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import ALPHABET
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import TssTable
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore, Midpoints
from chromputer_tracks.spec import (
    CUT_FLANK,
    GC_CLASSES,
    LENGTH_CLASSES,
    LENGTH_STEP,
    TSS_FLANK,
    TSS_STEP,
    TSS_VPLOT_FLANK,
    TSS_VPLOT_LENGTHS,
    SampleProfile,
)

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

MITOCHONDRIA = frozenset(
    "chrm chrmt chrmito m mt mito mtdna mitochondrion mitochondria mitochondrion_genome "
    "nc_012920.1 nc_005089.1 nc_001224.1 nc_001328.1 nc_024511.2 nc_037304.1".split()
)
PLASTIDS = frozenset("chrc chrpt pt pltd plastid chloroplast nc_000932.1".split())
"""Usual names of organelles' contigs, lower case: UCSC's, Ensembl's, TAIR's, WormBase's, RefSeq's
(human, mouse, budding yeast, worm, fly, thale cress)."""

LONGEST = 1000
"""bp; in counts of lengths the last class holds all fragments of this length and more."""
_LENGTH_STRETCHES, _LENGTH_STRETCH = 4000, 1000
_BASE_STRETCHES, _BASE_STRETCH = 250, 200
_GAP = 10_000
"""bp; between fragments that are further apart, the sequence is not read."""
_BLOCK = 1 << 16
"""Bases of a block of bgzip, which are read for any in it."""
_BUDGET = 100_000_000
"""Bases that are read at most: a thin sample of a large genome is looked at here and there."""
_GC_PLACES = 10_000
_TSS_MOST = 10_000
"""TSSs that are looked at at most, spread evenly."""
_TSS_HALF = 50
"""bp on each side of a TSS over which its cut sites are averaged."""
TSS_EDGE = 100
"""bp at each end of the profile around TSSs whose mean is the background."""
_DIGITS = 4
"""Significant digits of what is kept."""
_NO_BASE = 4
_CODES = np.full(256, _NO_BASE, dtype=np.uint8)
_CODES[ALPHABET] = np.arange(4)


def organelles(sizes: ChromSizes) -> tuple[str, ...]:
    """The contigs of mitochondria and plastids, by their usual names."""
    return tuple(name for name in sizes if name.lower() in MITOCHONDRIA | PLASTIDS)


def nuclear(sizes: ChromSizes) -> tuple[str, ...]:
    """All other contigs; all where there are no others."""
    others = organelles(sizes)
    return tuple(name for name in sizes if name not in others) or tuple(sizes)


# ---- Lengths.


def length_counts(store: FragmentStore, contigs: Collection[str]) -> Int64:
    """Number of fragments by length, of up to 4 million fragments spread over some contigs.

    Returns:
        int64 (LONGEST + 1,): of 0, 1, ... bp; the last holds all of ``LONGEST`` bp and more.
    """
    counts = np.zeros(LONGEST + 1, dtype=np.int64)
    for _, (_, lengths) in store.stretches(contigs, _LENGTH_STRETCHES, _LENGTH_STRETCH):
        counts += np.bincount(np.minimum(lengths, LONGEST), minlength=LONGEST + 1)
    return counts


def length_shares(counts: Int64) -> Float64:
    """Shares by the classes of :attr:`SampleProfile.lengths`.

    Args:
        counts: int64 (LONGEST + 1,), see :func:`length_counts`.

    Returns:
        float64 (LENGTH_CLASSES,), of sum 1; all 0 without fragments.
    """
    classes = np.minimum(np.arange(len(counts)) // LENGTH_STEP, LENGTH_CLASSES - 1)
    found = np.bincount(classes, counts, LENGTH_CLASSES)
    return np.asarray(found / max(found.sum(), 1))


# ---- Bases at cut sites and in fragments.


@dataclass(frozen=True, slots=True, eq=False)
class Bases:
    """The genome's bases at the ends of fragments, and in them.

    Attributes:
        ends: int64 (2, 2 * flank + 1, 4): number of A, C, G, T at each base around the fragments'
            left and right ends, 5' to 3' on the strand that reads into the fragment. The middle is
            the fragment's first base on the left, and on the right the base behind its last one:
            of fragments shifted by +4/-5, both are the centre of the 9 bp that Tn5 duplicates.
        gc: int64 (GC_CLASSES,), fragments by their share of G and C among the known bases.
    """

    ends: Int64
    gc: Int64

    @property
    def flank(self) -> int:
        """Bases on each side."""
        return int(self.ends.shape[1] // 2)

    def shares(self, left: int = 0, right: int = 0, flank: int = CUT_FLANK) -> Float64:
        """Shares of A, C, G, T around the ends, the two kinds of ends taken together.

        Args:
            left: where the middle lies from that of the left ends, bp, positive: into the fragment.
            right: likewise, of the right ends.
            flank: bases on each side.

        Returns:
            float64 (2 * flank + 1, 4), rows of sum 1; NaN without bases.
        """
        middle = self.flank
        parts = [
            side[middle + move - flank : middle + move + flank + 1]
            for side, move in zip(self.ends, (left, right), strict=True)
        ]
        counts = np.add(*parts).astype(np.float64)
        with np.errstate(invalid="ignore"):
            return np.asarray(counts / counts.sum(axis=1, keepdims=True))


class _Piece(NamedTuple):
    """Neighbouring fragments of a contig: starts and ends, bp, int64 (n,)."""

    chrom: str
    starts: Int64
    ends: Int64


def count_bases(
    store: FragmentStore, fasta: Fasta, contigs: Collection[str], flank: int = CUT_FLANK
) -> Bases:
    """Count the bases at the ends of, and in, up to 50,000 fragments spread over some contigs.

    Raises:
        InputError: the sequence cannot be read.
    """
    ends = np.zeros((2, 2 * flank + 1, _NO_BASE + 1), dtype=np.int64)
    gc = np.zeros(GC_CLASSES, dtype=np.int64)
    offsets = np.arange(-flank, flank + 1)
    budget = _BUDGET
    for chrom, starts, stops in _spread(list(_pieces(store, contigs))):
        begin = int(starts.min()) - flank
        hull = Interval(chrom, begin, int(stops.max()) + flank + 1)
        budget -= max(len(hull), _BLOCK)
        if budget < 0:
            break
        codes = _CODES[fasta.fetch(hull)]
        left = codes[(starts - begin)[:, np.newaxis] + offsets]
        right = codes[(stops - begin)[:, np.newaxis] - offsets]
        right = np.where(right == _NO_BASE, _NO_BASE, 3 - right)
        for side, bases in enumerate((left, right)):
            for place in range(len(offsets)):
                ends[side, place] += np.bincount(bases[:, place], minlength=_NO_BASE + 1)
        strong, known = ((codes == 1) | (codes == 2)), codes != _NO_BASE
        of_gc, of_all = (_sums(flags, starts - begin, stops - begin) for flags in (strong, known))
        read = of_all > 0
        share = of_gc[read] * GC_CLASSES // of_all[read]
        gc += np.bincount(np.minimum(share, GC_CLASSES - 1), minlength=GC_CLASSES)
    return Bases(ends[..., :_NO_BASE], gc)


def _sums(flags: NDArray[np.bool_], starts: Int64, ends: Int64) -> Int64:
    """How many flags are up in each stretch, int64 (n,)."""
    below = np.concatenate([[0], np.cumsum(flags)])
    return np.asarray(below[ends] - below[starts])


def _pieces(store: FragmentStore, contigs: Collection[str]) -> Iterator[_Piece]:
    """Stretches of fragments, cut where the next fragment is far away."""
    for chrom, found in store.stretches(contigs, _BASE_STRETCHES, _BASE_STRETCH):
        starts, ends = fragment_ends(found)
        cuts = np.flatnonzero(np.diff(found.midpoints) > _GAP) + 1
        for first, last in zip([0, *cuts], [*cuts, len(starts)], strict=True):
            yield _Piece(chrom, starts[first:last], ends[first:last])


def fragment_ends(found: Midpoints) -> tuple[Int64, Int64]:
    """Starts and ends of fragments, bp, 0-based, half-open, int64 (n,)."""
    lengths = found.lengths.astype(np.int64)
    starts = found.midpoints - lengths // 2
    return starts, starts + lengths


def _spread(pieces: Sequence[_Piece]) -> Iterator[_Piece]:
    """The pieces in an order whose beginning lies all over: by multiples of the golden ratio."""
    golden = (math.sqrt(5) - 1) / 2
    places = np.argsort(np.arange(1, len(pieces) + 1) * golden % 1, kind="stable")
    yield from (pieces[place] for place in places)


def genome_gc(fasta: Fasta, contigs: Collection[str], lengths: Int64) -> Int64:
    """What GC fragments of such lengths would have, were they cut from anywhere in the genome.

    10,000 stretches, spread evenly over the contigs, each as long as a fragment, the lengths in the
    shares in which they come; those that leave a contig or are N alone are left out.

    Args:
        fasta: the genome, open.
        contigs: to look at.
        lengths: see :func:`length_counts`.

    Returns:
        int64 (GC_CLASSES,), as :attr:`Bases.gc`.

    Raises:
        InputError: the sequence cannot be read.
    """
    found = np.zeros(GC_CLASSES, dtype=np.int64)
    total = int(lengths.sum())
    bases = sum(fasta.sizes[name] for name in contigs)
    if not total:
        return found
    upto = np.cumsum(lengths)
    # The golden ratio strews the lengths over the places, as these go up.
    ranks = np.arange(_GC_PLACES) * (math.sqrt(5) - 1) / 2 % 1 * total
    sizes = np.searchsorted(upto, ranks, side="right")
    places = np.arange(_GC_PLACES) * bases // _GC_PLACES
    begin = 0
    for name in contigs:
        length = fasta.sizes[name]
        here = np.flatnonzero((places >= begin) & (places < begin + length))
        for at in here:
            start, size = int(places[at]) - begin, int(sizes[at])
            if not 0 < size <= length - start:
                continue
            codes = _CODES[fasta.fetch(Interval(name, start, start + size))]
            known = np.count_nonzero(codes != _NO_BASE)
            if known:
                strong = np.count_nonzero((codes == 1) | (codes == 2))
                found[min(int(strong) * GC_CLASSES // int(known), GC_CLASSES - 1)] += 1
        begin += length
    return found


# ---- Around TSSs.


@dataclass(frozen=True, slots=True, eq=False)
class TssProfile:
    """Fragments around start sites, in the genes' direction.

    Attributes:
        sites: number of start sites, those whose surroundings leave their contig not among them.
        cuts: int64 (2 * TSS_FLANK + 1,), cut sites by position: fragments' first and last bases.
        vplot: int64 (lengths, positions): fragments by length, of :data:`TSS_VPLOT_LENGTHS`, and
            midpoint, classes of :data:`TSS_STEP` bp from ``-TSS_VPLOT_FLANK`` on.
    """

    sites: int
    cuts: Int64
    vplot: Int64

    @property
    def background(self) -> float:
        """Mean cut sites per bp in the 100 bp at each end."""
        return float(np.concatenate([self.cuts[:TSS_EDGE], self.cuts[-TSS_EDGE:]]).mean())

    @property
    def enrichment(self) -> float | None:
        """Mean cut sites per bp within 50 bp of the TSSs over those 1.9 to 2 kb away.

        ENCODE's TSS enrichment, with fragments' ends in place of reads. None without any far away.
        """
        near = self.cuts[TSS_FLANK - _TSS_HALF : TSS_FLANK + _TSS_HALF + 1].mean()
        return float(near / self.background) if self.background else None

    def relative_cuts(self) -> Float64:
        """Cut sites over the background, float64 (2 * TSS_FLANK / TSS_STEP,); NaN without any."""
        means = self.cuts[:-1].reshape(-1, TSS_STEP).mean(axis=1)
        return np.asarray(means / (self.background or math.nan))

    def relative_vplot(self) -> Float64:
        """The V-plot over its mean, float64 (lengths, positions); NaN without fragments."""
        return np.asarray(self.vplot / (self.vplot.mean() or math.nan))


def tss_profile(store: FragmentStore, tss: TssTable) -> TssProfile:
    """Fragments of less than 1 kb around up to 10,000 start sites, spread over all.

    Start sites on organelles' contigs, and those nearer to an end of their contig than 2 kb, are
    left out.
    """
    contigs = nuclear(store.sizes)
    sites = [
        (chrom, int(position), forward)
        for chrom in contigs
        for forward in (True, False)
        for position in tss.on(chrom, forward=forward)
        if TSS_FLANK <= position < store.sizes[chrom] - TSS_FLANK
    ]
    step = max(len(sites) / _TSS_MOST, 1.0)
    chosen = [sites[int(place)] for place in np.arange(0, len(sites), step)]
    cuts = np.zeros(2 * TSS_FLANK + 1, dtype=np.int64)
    edges = np.array(TSS_VPLOT_LENGTHS)
    height, width = len(edges) - 1, 2 * TSS_VPLOT_FLANK // TSS_STEP
    vplot = np.zeros(height * width, dtype=np.int64)
    reach = TSS_FLANK + LONGEST // 2
    for chrom, position, forward in chosen:
        found = store.midpoints(Interval(chrom, position - reach, position + reach + 1))
        short = found.lengths < LONGEST
        found = Midpoints(found.midpoints[short], found.lengths[short])
        starts, ends = fragment_ends(found)
        sense = 1 if forward else -1
        offset = (np.concatenate([starts, ends - 1]) - position) * sense + TSS_FLANK
        inside = (offset >= 0) & (offset < len(cuts))
        cuts += np.bincount(offset[inside], minlength=len(cuts))
        offset = (found.midpoints.astype(np.int64) - position) * sense + TSS_VPLOT_FLANK
        row = np.searchsorted(edges, found.lengths, side="right") - 1
        inside = (offset >= 0) & (offset < 2 * TSS_VPLOT_FLANK) & (row >= 0) & (row < height)
        pixel = row[inside] * width + offset[inside] // TSS_STEP
        vplot += np.bincount(pixel, minlength=len(vplot))
    return TssProfile(len(chosen), cuts, vplot.reshape(height, width))


# ---- The whole.


def profile_sample(
    store: FragmentStore, fasta: Fasta, tss: TssTable | None = None
) -> SampleProfile:
    """How the fragments of a sample look, for a model's spec.

    Args:
        store: the fragments.
        fasta: the genome, open.
        tss: start sites; None: nothing is said of them.

    Raises:
        InputError: the sequence cannot be read.
    """
    contigs = nuclear(store.sizes)
    bases = count_bases(store, fasta, contigs)
    around = None if tss is None else tss_profile(store, tss)
    enrichment = None if around is None else around.enrichment
    return SampleProfile(
        store.total,
        _cut(store.density),
        _row(length_shares(length_counts(store, contigs))),
        _rows(bases.shares()) if bases.ends.sum(axis=2).all() else (),
        None if enrichment is None else _cut(enrichment),
        mitochondrial_share(store),
        _row(bases.gc / bases.gc.sum()) if bases.gc.any() else (),
        _row(around.relative_cuts()) if around and around.background else (),
        _rows(around.relative_vplot()) if around and around.vplot.any() else (),
    )


def mitochondrial_share(store: FragmentStore) -> float | None:
    """Share of all fragments on the organelles' contigs; None where the genome has none."""
    names = organelles(store.sizes)
    if not names:
        return None
    return _cut(sum(store.counts[name] for name in names) / store.total)


def mean_profile(profiles: Sequence[SampleProfile]) -> SampleProfile:
    """The mean of several samples' profiles, each of one weight; what not all have is left out.

    Args:
        profiles: at least one.
    """

    def mean(name: str) -> Float64 | None:
        found = [getattr(item, name) for item in profiles]
        if any(value is None or value == () for value in found):
            return None
        return np.asarray(np.mean(found, axis=0))

    def number(name: str) -> float | None:
        found = mean(name)
        return None if found is None else _cut(float(found))

    lengths, bases, gc, cuts, vplot = map(
        mean, ("lengths", "cut_bases", "gc", "tss_cuts", "tss_vplot")
    )
    return SampleProfile(
        round(float(np.mean([item.fragments for item in profiles]))),
        _cut(float(np.mean([item.depth for item in profiles]))),
        () if lengths is None else _row(lengths),
        () if bases is None else _rows(bases),
        number("tss_enrichment"),
        number("mitochondrial"),
        () if gc is None else _row(gc),
        () if cuts is None else _row(cuts),
        () if vplot is None else _rows(vplot),
    )


def _cut(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _row(values: Float64) -> tuple[float, ...]:
    return tuple(map(_cut, values.tolist()))


def _rows(values: Float64) -> tuple[tuple[float, ...], ...]:
    return tuple(map(_row, values))

"""Instances of patterns in explained windows, and all that is known of a label's patterns.

A hit of a pattern is a stretch as long as the pattern's core whose

1. bases match the core's PWM with a p-value below a limit (FIMO: Grant et al. 2011,
   doi:10.1093/bioinformatics/btr064, as memelite computes it, against equal base frequencies),
2. summed contribution, of the pattern's sign, is at least that of the weakest seqlets of the
   pattern but for the lowest 1 %,
3. contributions are alike the core's CWM: their cosine similarity is at least that of the
   pattern's seqlets, likewise.

Contribution and likeness to the CWM, compared with the pattern's own seqlets, are what BPNet's CWM
scanning judges by (Avsec et al. 2021, doi:10.1038/s41588-021-00782-6). Where windows overlap, a hit
is judged in the window whose centre is nearest to its middle, once. Where hits of a label overlap
by more than half of the shorter one, the one stays whose CWM explains most of the contributions
there, as the patterns compete in Fi-NeMo (https://github.com/kundajelab/Fi-NeMo).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.known_motifs import MotifMatch, named
from chromputer_tracks.analysis.logos import pattern_logo
from chromputer_tracks.analysis.motifs.discovery import (
    FEWEST_SEQLETS,
    Discovery,
    Pattern,
    SeqletCount,
    Seqlets,
    smoothed,
)
from chromputer_tracks.errors import counted

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bools = NDArray[np.bool_]

# ---- Instances of patterns in explained windows: hits by sequence and by contribution.


P_LIMIT = 1e-3
"""Default limit of the PWM's p-value: a perfect match of six bases passes it."""
WEAKEST = 0.01
"""Share of a pattern's seqlets that may be weaker, or less alike, than a hit."""


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedWindows:
    """Explained windows.

    Attributes:
        chrom: str (n,).
        start: int64 (n,), bp, 0-based; may be negative.
        sequences: int8 (n, 4, L), one-hot; all 0 at N and beyond the contig.
        hypothetical: float32 (n, 4, L).
    """

    chrom: NDArray[np.str_]
    start: Int64
    sequences: NDArray[np.int8]
    hypothetical: NDArray[np.float32]

    @property
    def length(self) -> int:
        """Bp of each window."""
        return int(self.sequences.shape[2])


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """Hits of a label's patterns, sorted by contig name, start and end.

    Attributes:
        pattern: int64 (h,), place among the patterns.
        row: int64 (h,), of the window that a hit is judged in.
        chrom: str (h,).
        start: int64 (h,), bp, 0-based.
        end: int64 (h,), bp, exclusive.
        reverse: bool (h,): on the other strand.
        contribution: float64 (h,): of all its bases, summed.
        similarity: float64 (h,): cosine with the core's CWM, up to 1.
        p: float64 (h,): of its bases by chance.
    """

    pattern: Int64
    row: Int64
    chrom: NDArray[np.str_]
    start: Int64
    end: Int64
    reverse: Bools
    contribution: Float64
    similarity: Float64
    p: Float64

    def __len__(self) -> int:
        return len(self.start)

    @classmethod
    def concatenate(cls, parts: Sequence[Hits]) -> Hits:
        """All hits of the parts, in their order."""
        types = (int, int, np.str_, int, int, bool, float, float, float)
        nothing = cls(*(np.zeros(0, dtype=kind) for kind in types))
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in (nothing, *parts)])
                for name in cls.__slots__
            )
        )

    def take(self, rows: Int64 | Bools) -> Hits:
        """Some of them, in the order of ``rows``."""
        return Hits(*(getattr(self, name)[rows] for name in self.__slots__))


@dataclass(frozen=True, slots=True, eq=False)
class StretchScores:
    """Stretches as a pattern sees them.

    Attributes:
        contribution: float64 (k,), summed over the core.
        similarity: float64 (k,), cosine with the core's CWM; 0 without any contribution.
        explained: float64 (k,), length of the contributions' projection on the CWM.
    """

    contribution: Float64
    similarity: Float64
    explained: Float64


def find_hits(
    patterns: Sequence[Pattern], windows: ExplainedWindows, p_limit: float = P_LIMIT
) -> Hits:
    """All hits of a label's patterns in all of its windows, each place once.

    The result depends neither on the order of the windows nor on that of the patterns. The limit of
    the PWM's p-value is above 0.
    """
    nearest = NearestWindow(windows)
    found, explained = [], [np.zeros(0)]
    for place, matches in enumerate(_scan(patterns, windows, p_limit)):
        pattern = patterns[place]
        row, start, reverse, p = matches
        width = pattern.core.stop - pattern.core.start
        kept = nearest.owns(row, windows.start[row] + start, width)
        kept[kept] &= _known(windows, row[kept], start[kept], width)
        row, start, reverse, p = row[kept], start[kept], reverse[kept], p[kept]
        seen = score_stretches(pattern, windows, row, start, reverse)
        least, alike = thresholds(pattern, windows)
        good = (seen.contribution * pattern.sign >= least) & (seen.similarity >= alike)
        begin = windows.start[row] + start
        hits = Hits(
            pattern=np.full(len(row), place),
            row=row,
            chrom=windows.chrom[row],
            start=begin,
            end=begin + width,
            reverse=reverse,
            contribution=seen.contribution,
            similarity=seen.similarity,
            p=p,
        )
        found.append(hits.take(good))
        explained.append(seen.explained[good])
    hits = Hits.concatenate(found)
    names = np.array([pattern.name for pattern in patterns] or [""])[hits.pattern]
    order = np.lexsort(
        (hits.reverse, names, hits.end, hits.start, hits.chrom, -np.concatenate(explained))
    )
    hits = hits.take(compete(hits, order))
    return hits.take(np.lexsort((hits.pattern, hits.end, hits.start, hits.chrom)))


def score_stretches(
    pattern: Pattern, windows: ExplainedWindows, row: Int64, start: Int64, reverse: Bools
) -> StretchScores:
    """Contributions of k stretches as long as the core, and how alike its CWM they are.

    Stretches lie in the windows ``row``, int64 (k,), from ``start``, int64 (k,), bp from the
    window's first base; ``reverse``, bool (k,), are read on the other strand.
    """
    matrix = pattern.contributions[:, pattern.core]
    span = np.arange(matrix.shape[1])
    # (k, width, 4), as they stand on the forward strand
    where = (row[:, None], slice(None), start[:, None] + span)
    actual = windows.sequences[where] * windows.hypothetical[where].astype(np.float64)
    actual = np.where(reverse[:, None, None], actual[:, ::-1, ::-1], actual)
    dot = np.einsum("kwb,bw->k", actual, matrix)
    size = np.sqrt((actual**2).sum(axis=(1, 2)))
    explained = dot / np.linalg.norm(matrix)
    similarity = np.divide(explained, size, out=np.zeros(len(row)), where=size > 0)
    return StretchScores(actual.sum(axis=(1, 2)), similarity, explained)


def thresholds(pattern: Pattern, windows: ExplainedWindows) -> tuple[float, float]:
    """What a hit must reach: contribution (of the pattern's sign) and similarity.

    Both are the :data:`WEAKEST` quantile of the pattern's own seqlets.
    """
    seen = score_seqlets(pattern, windows)
    # The value of a seqlet: the weakest itself where there are few.
    contribution, similarity = (
        float(np.quantile(values, WEAKEST, method="lower"))
        for values in (seen.contribution * pattern.sign, seen.similarity)
    )
    return max(contribution, 0.0), similarity


def score_seqlets(pattern: Pattern, windows: ExplainedWindows) -> StretchScores:
    """:func:`score_stretches` of the cores of a pattern's own seqlets, in their order."""
    seqlets = pattern.seqlets
    return score_stretches(
        pattern, windows, seqlets.row, core_starts(seqlets, pattern), seqlets.reverse
    )


def core_starts(seqlets: Seqlets, pattern: Pattern) -> Int64:
    """First base of the core in each seqlet, int64 (n,), bp from the window's first base."""
    core = pattern.core
    offset = np.where(seqlets.reverse, pattern.width - core.stop, core.start)
    starts: Int64 = seqlets.start + offset
    return starts


class NearestWindow:
    """Says which window has its centre nearest to a place.

    Of windows with the same centre it is the first, and of centres at the same distance the left
    one.
    """

    def __init__(self, windows: ExplainedWindows) -> None:
        self._length = windows.length
        self._chrom = windows.chrom
        self._order = np.lexsort((np.arange(len(windows.start)), windows.start, windows.chrom))
        self._names, first = np.unique(windows.chrom[self._order], return_index=True)
        self._bounds = np.append(first, len(self._order))
        # Twice the centres, so that all are integers.
        self._centres = 2 * windows.start[self._order] + self._length

    def owns(self, row: Int64, start: Int64, width: int) -> Bools:
        """Whether no other window is nearer to the middle of stretches of ``width`` bp; bool (k,).

        Each begins at ``start``, int64 (k,), bp, 0-based, and lies in the window ``row``, int64
        (k,).
        """
        own = np.zeros(len(row), dtype=np.bool_)
        chrom = self._chrom[row]
        for name, first, end in zip(self._names, self._bounds[:-1], self._bounds[1:], strict=True):
            here = np.flatnonzero(chrom == name)
            middle = 2 * start[here] + width
            centres = self._centres[first:end]
            right = np.searchsorted(centres, middle).clip(1, max(len(centres) - 1, 1))
            left = right - 1
            right = np.minimum(right, len(centres) - 1)
            nearer = np.abs(centres[right] - middle) < np.abs(centres[left] - middle)
            best = np.searchsorted(centres, centres[np.where(nearer, right, left)])
            own[here] = self._order[first + best] == row[here]
        return own


def compete(hits: Hits, order: Int64) -> Bools:
    """Which hits stay: each that no hit before it covers by more than half of the shorter one.

    ``order``, int64 (h,), has the best first; the result is bool (h,) in the order of the hits.
    """
    kept = np.zeros(len(hits), dtype=np.bool_)
    widest = int((hits.end - hits.start).max(initial=0))
    taken: dict[str, list[tuple[int, int]]] = {}
    chroms, starts, ends = hits.chrom.tolist(), hits.start.tolist(), hits.end.tolist()
    for place in order.tolist():
        start, end = starts[place], ends[place]
        others = taken.setdefault(chroms[place], [])
        at = bisect_left(others, (start - widest, 0))
        while at < len(others) and others[at][0] < end:
            first, last = others[at]
            shared = min(end, last) - max(start, first)
            if 2 * shared > min(end - start, last - first):
                break
            at += 1
        else:
            kept[place] = True
            insort(others, (start, end))
    return kept


_Matches = tuple[Int64, Int64, Bools, Float64]


def _scan(patterns: Sequence[Pattern], windows: ExplainedWindows, p_limit: float) -> list[_Matches]:
    """Row, start, strand and p-value of each pattern's PWM matches in all windows."""
    from memelite import fimo

    if not patterns:
        return []
    matrices = {
        pattern.name: smoothed(pattern.frequencies[:, pattern.core], len(pattern.seqlets))
        for pattern in patterns
    }
    found = fimo(matrices, windows.sequences, threshold=p_limit)
    return [
        (
            table["sequence_name"].to_numpy(np.int64),
            table["start"].to_numpy(np.int64),
            table["strand"].to_numpy() == "-",
            table["p-value"].to_numpy(np.float64),
        )
        for table in found
    ]


def _known(windows: ExplainedWindows, row: Int64, start: Int64, width: int) -> Bools:
    """Whether all bases of stretches are known, bool (k,)."""
    where = (row[:, None], slice(None), start[:, None] + np.arange(width))
    return np.asarray(windows.sequences[where].sum(axis=(1, 2)) == width)


# ---- What ``chromputer motifs`` found for a label: patterns, where they lie, what they look like.

TOP_SCORE = 1000
MEDIAN_SCORE = 500
"""BED score of a hit that contributes as much as the median seqlet of its pattern."""
FEWEST_NAMED = 50
"""Seqlets below which a pattern is weak: the standard error of a base's share is then above 6 to 7
percentage points, and what a handful of sites share by chance looks like a motif."""
LEAST_CONTRIBUTION = 2.0
"""Mean contribution of a base of the core, over that of any base looked at, below which a pattern
is weak. Reb1's own motif reaches 22 in the shipped model, a cluster of what is left 1.2."""


@dataclass(frozen=True, slots=True, eq=False)
class SeqletSpans:
    """Where a pattern's seqlets lie in the genome, in TF-MoDISco's order.

    Attributes:
        chrom: str (n,).
        start: int64 (n,), bp, 0-based.
        end: int64 (n,), bp, exclusive; bases of N at both ends, such as those beyond a contig, are
            cut off.
        reverse: bool (n,).
        contribution: float64 (n,), of the pattern's core.
    """

    chrom: NDArray[np.str_]
    start: Int64
    end: Int64
    reverse: Bools
    contribution: Float64


@dataclass(frozen=True, slots=True, eq=False)
class PatternResult:
    """A pattern and all that is known of it.

    Attributes:
        pattern: its matrices and seqlets.
        seqlets: the same seqlets in the genome.
        hits: its instances in the explained windows, sorted.
        offsets: float64 (h,), bp: from the middle of the summit's base, of the window that a hit
            is judged in, to the middle of the hit; along the site's strand where it has one.
        sites: number of sites with a hit whose middle lies in the bases that were looked at.
        matches: known motifs that its core looks like, the best first; empty without a database.
        contribution: mean magnitude of the core's columns of the CWM, over the mean magnitude of
            the contribution of all bases that were looked at.
        weak: why it is too weak to be named, in words; empty where it is not. See :func:`weakness`.
    """

    pattern: Pattern
    seqlets: SeqletSpans
    hits: Hits
    offsets: Float64
    sites: int
    matches: tuple[MotifMatch, ...] = ()
    contribution: float = float("nan")
    weak: str = ""

    def scores(self, contribution: Float64) -> Int64:
        """BED scores: :data:`MEDIAN_SCORE` at the median of the seqlets, 0 to 1000."""
        median = float(np.median(self.seqlets.contribution * self.pattern.sign))
        if median <= 0:
            return np.zeros(len(contribution), dtype=np.int64)
        relative = contribution * self.pattern.sign / median
        scores: Int64 = np.clip(np.rint(MEDIAN_SCORE * relative), 0, TOP_SCORE).astype(np.int64)
        return scores

    @property
    def description(self) -> str:
        """The pattern in words: ``Reb1.pos.1, CGGGTAA, 557 seqlets``."""
        own = self.pattern
        return f"{own.name}, {own.consensus}, {len(own.seqlets):,} seqlets"

    def logo(self, description: str) -> str:
        """Its matrices as letters, ``<svg>``; see :func:`~chromputer_tracks.analysis.logos`."""
        own = self.pattern
        return pattern_logo(
            own.contributions, own.hypothetical, own.frequencies, own.core, description
        )

    def known(self, q: float) -> MotifMatch | None:
        """The best match when its false discovery rate is not above ``q``; None if it is weak."""
        return None if self.weak else named(self.matches, q)


@dataclass(frozen=True, slots=True, eq=False)
class LabelMotifs:
    """What was found for a label, at so many sites.

    Seqlets speak for it (``positive``) or against it; ``window`` are the bp around the sites'
    summits that were looked at. Patterns are by falling number of seqlets, whatever their sign.
    """

    label: str
    sites: int
    window: int
    positive: SeqletCount
    negative: SeqletCount
    patterns: tuple[PatternResult, ...]


def outcome(result: LabelMotifs) -> str:
    """What came of a label, in a sentence."""
    seqlets = f"{result.positive.found:,} positive and {result.negative.found:,} negative seqlets"
    if result.patterns:
        hits = sum(len(item.hits) for item in result.patterns)
        patterns = counted(len(result.patterns), "pattern")
        return f"{patterns} of {seqlets}, {counted(hits, 'hit')}"
    if not (result.positive.used or result.negative.used):
        return (
            f"no pattern: {seqlets}, but patterns are only sought in more than {FEWEST_SEQLETS}; "
            "explain more sites"
        )
    return f"no pattern recurs among {seqlets}"


def label_motifs(
    label: str,
    discovery: Discovery,
    windows: ExplainedWindows,
    strands: Sequence[str],
    hits: Hits,
    matches: Sequence[tuple[MotifMatch, ...]],
) -> LabelMotifs:
    """Put together what was found for a label.

    ``windows`` are those in which its patterns were sought, ``strands`` are ``+``, ``-`` or ``.``
    of each site, ``hits`` those of all patterns; ``matches``, known motifs by pattern, are empty
    without a database.
    """
    centres = windows.start + windows.length // 2
    background = mean_contribution(windows, discovery.window)
    turned = np.array([strand == "-" for strand in strands])
    found = []
    for place, pattern in enumerate(discovery.patterns):
        own = hits.take(hits.pattern == place)
        offsets = (own.start + own.end) / 2 - (centres[own.row] + 0.5)
        contribution = core_contribution(pattern) / background
        found.append(
            PatternResult(
                pattern=pattern,
                seqlets=seqlet_spans(pattern, windows),
                hits=own,
                offsets=np.where(turned[own.row], -offsets, offsets),
                sites=sites_with_hit(windows.chrom, centres, discovery.window, own),
                matches=matches[place] if matches else (),
                contribution=contribution,
                weak=weakness(len(pattern.seqlets), contribution),
            )
        )
    found.sort(key=lambda item: -len(item.pattern.seqlets))
    seqlets = discovery.positive, discovery.negative
    return LabelMotifs(label, len(windows.start), discovery.window, *seqlets, tuple(found))


def mean_contribution(windows: ExplainedWindows, window: int) -> float:
    """Mean magnitude of the contributions of all bases in the ``window`` bp around the centres.

    Bases that are not known (N) do not count.
    """
    first = windows.length // 2 - window // 2
    span = slice(first, first + window)
    bases = windows.sequences[:, :, span]
    total = np.abs((bases * windows.hypothetical[:, :, span]).sum(axis=1, dtype=np.float64)).sum()
    return float(total) / max(1, int(bases.sum(dtype=np.int64)))


def core_contribution(pattern: Pattern) -> float:
    """Mean magnitude of the core's columns of the CWM.

    Where seqlets do not agree, their contributions cancel out in the CWM.
    """
    return float(np.abs(pattern.contributions[:, pattern.core].sum(axis=0)).mean())


def weakness(seqlets: int, contribution: float) -> str:
    """Why a pattern is too weak to be named, in words; empty where it is not.

    It is where it has fewer than :data:`FEWEST_NAMED` seqlets, or where its ``contribution``, as of
    :class:`PatternResult`, is below :data:`LEAST_CONTRIBUTION`.
    """
    reasons = []
    if seqlets < FEWEST_NAMED:
        reasons.append(f"{counted(seqlets, 'seqlet')}, too few to name")
    if contribution < LEAST_CONTRIBUTION:
        reasons.append(
            f"its bases contribute {contribution:.1f} times what any base does, too little"
        )
    return "; ".join(reasons)


def seqlet_spans(pattern: Pattern, windows: ExplainedWindows) -> SeqletSpans:
    """Genome coordinates of a pattern's seqlets, cut to known bases."""
    seqlets = pattern.seqlets
    span = seqlets.start[:, None] + np.arange(pattern.width)
    # (n, width)
    known: Int64 = windows.sequences[seqlets.row[:, None], :, span].sum(axis=2)
    start = windows.start[seqlets.row] + seqlets.start
    first = known.argmax(axis=1)
    last = known[:, ::-1].argmax(axis=1)
    return SeqletSpans(
        chrom=windows.chrom[seqlets.row],
        start=start + first,
        end=start + pattern.width - last,
        reverse=seqlets.reverse,
        contribution=score_seqlets(pattern, windows).contribution,
    )


def sites_with_hit(chrom: NDArray[np.str_], centres: Int64, window: int, hits: Hits) -> int:
    """Number of sites with the middle of a hit among the ``window`` bp around their centres.

    Sites have a contig, str (n,), and a centre, int64 (n,), bp, 0-based: the base right of the
    middle.
    """
    count = 0
    for name in np.unique(chrom):
        middles = np.sort((hits.start + hits.end)[hits.chrom == name])  # twice
        first = centres[chrom == name] - window // 2
        between = np.searchsorted(middles, 2 * (first + window)) - np.searchsorted(
            middles, 2 * first
        )
        count += int((between > 0).sum())
    return count

"""What ``chromputer motifs`` found for a label: patterns, where they lie, what they look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.known_motifs import MotifMatch
from chromputer_tracks.analysis.logos import pattern_logo
from chromputer_tracks.analysis.motifs.discovery import (
    FEWEST_SEQLETS,
    Discovery,
    Pattern,
    SeqletCount,
)
from chromputer_tracks.analysis.motifs.hits import Hits, Windows, core_starts, judge
from chromputer_tracks.errors import counted

TOP_SCORE = 1000
MEDIAN_SCORE = 500
"""BED score of a hit that contributes as much as the median seqlet of its pattern."""

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


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
    reverse: NDArray[np.bool_]
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
    """

    pattern: Pattern
    seqlets: SeqletSpans
    hits: Hits
    offsets: Float64
    sites: int
    matches: tuple[MotifMatch, ...] = ()

    def scores(self, contribution: Float64) -> Int64:
        """BED scores: :data:`MEDIAN_SCORE` at the median of the seqlets, 0 to 1000."""
        median = float(np.median(self.seqlets.contribution * self.pattern.sign))
        if median <= 0:
            return np.zeros(len(contribution), dtype=np.int64)
        relative = contribution * self.pattern.sign / median
        scores: Int64 = np.clip(np.rint(MEDIAN_SCORE * relative), 0, TOP_SCORE).astype(np.int64)
        return scores

    def logo(self, description: str) -> str:
        """Its matrices as letters, ``<svg>``; see :func:`~chromputer_tracks.analysis.logos`."""
        own = self.pattern
        return pattern_logo(
            own.contributions, own.hypothetical, own.frequencies, own.core, description
        )

    def known(self, q: float) -> MotifMatch | None:
        """The best match when its false discovery rate is not above ``q``."""
        return self.matches[0] if self.matches and self.matches[0].q <= q else None


@dataclass(frozen=True, slots=True, eq=False)
class LabelResult:
    """What was found for a label.

    Attributes:
        label: its name.
        sites: how many were explained.
        window: bp around the sites' summits that were looked at.
        positive: seqlets that speak for the label.
        negative: seqlets that speak against it.
        patterns: by falling number of seqlets, whatever their sign.
    """

    label: str
    sites: int
    window: int
    positive: SeqletCount
    negative: SeqletCount
    patterns: tuple[PatternResult, ...]


def outcome(result: LabelResult) -> str:
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


def label_result(
    label: str,
    discovery: Discovery,
    windows: Windows,
    strands: Sequence[str],
    hits: Hits,
    matches: Sequence[tuple[MotifMatch, ...]],
) -> LabelResult:
    """Put together what was found for a label.

    Args:
        label: its name.
        discovery: its patterns.
        windows: its windows.
        strands: of the sites, ``+``, ``-`` or ``.``.
        hits: of all patterns.
        matches: of each pattern; empty without a database.
    """
    centres = windows.start + windows.length // 2
    turned = np.array([strand == "-" for strand in strands])
    found = []
    for place, pattern in enumerate(discovery.patterns):
        own = hits.take(hits.pattern == place)
        offsets = (own.start + own.end) / 2 - (centres[own.row] + 0.5)
        found.append(
            PatternResult(
                pattern=pattern,
                seqlets=seqlet_spans(pattern, windows),
                hits=own,
                offsets=np.where(turned[own.row], -offsets, offsets),
                sites=sites_with_hit(windows.chrom, centres, discovery.window, own),
                matches=matches[place] if matches else (),
            )
        )
    found.sort(key=lambda item: -len(item.pattern.seqlets))
    return LabelResult(
        label=label,
        sites=len(windows.start),
        window=discovery.window,
        positive=discovery.positive,
        negative=discovery.negative,
        patterns=tuple(found),
    )


def seqlet_spans(pattern: Pattern, windows: Windows) -> SeqletSpans:
    """Genome coordinates of a pattern's seqlets, cut to known bases."""
    seqlets = pattern.seqlets
    span = seqlets.start[:, None] + np.arange(pattern.width)
    # (n, width)
    known: NDArray[np.int64] = windows.sequences[seqlets.row[:, None], :, span].sum(axis=2)
    start = windows.start[seqlets.row] + seqlets.start
    first = known.argmax(axis=1)
    last = known[:, ::-1].argmax(axis=1)
    seen = judge(pattern, windows, seqlets.row, core_starts(seqlets, pattern), seqlets.reverse)
    return SeqletSpans(
        chrom=windows.chrom[seqlets.row],
        start=start + first,
        end=start + pattern.width - last,
        reverse=seqlets.reverse,
        contribution=seen.contribution,
    )


def sites_with_hit(chrom: NDArray[np.str_], centres: Int64, window: int, hits: Hits) -> int:
    """Number of sites with the middle of a hit among the ``window`` bp around their centres.

    Args:
        chrom: str (n,), of the sites.
        centres: int64 (n,), bp, 0-based: the base right of the middle.
        window: bp.
        hits: of any number of patterns.
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

"""Instances of patterns in explained windows: hits by sequence and by contribution.

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

from chromputer_tracks.analysis.motifs.discovery import Pattern, Seqlets, smoothed

P_LIMIT = 1e-3
"""Default limit of the PWM's p-value: a perfect match of six bases passes it."""
WEAKEST = 0.01
"""Share of a pattern's seqlets that may be weaker, or less alike, than a hit."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Explained windows.

    Attributes:
        chrom: str (n,).
        start: int64 (n,), bp, 0-based; may be negative.
        sequences: int8 (n, 4, L), one-hot; all 0 at N and beyond the contig.
        hypothetical: float32 (n, 4, L).
    """

    chrom: NDArray[np.str_]
    start: NDArray[np.int64]
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

    pattern: NDArray[np.int64]
    row: NDArray[np.int64]
    chrom: NDArray[np.str_]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    reverse: NDArray[np.bool_]
    contribution: NDArray[np.float64]
    similarity: NDArray[np.float64]
    p: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.start)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Hits:
        """Some of them, in the order of ``rows``."""
        return Hits(*(getattr(self, name)[rows] for name in self.__slots__))


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Stretches as a pattern sees them.

    Attributes:
        contribution: float64 (k,), summed over the core.
        similarity: float64 (k,), cosine with the core's CWM; 0 without any contribution.
        explained: float64 (k,), length of the contributions' projection on the CWM.
    """

    contribution: NDArray[np.float64]
    similarity: NDArray[np.float64]
    explained: NDArray[np.float64]


def find_hits(patterns: Sequence[Pattern], windows: Windows, p_limit: float = P_LIMIT) -> Hits:
    """All hits of a label's patterns in its windows, each place once.

    The result depends neither on the order of the windows nor on that of the patterns.

    Args:
        patterns: of one label.
        windows: all of its windows.
        p_limit: of the PWM, above 0.
    """
    nearest = NearestWindow(windows)
    found, explained = [_no_hits()], [np.zeros(0)]
    for place, matches in enumerate(_scan(patterns, windows, p_limit)):
        pattern = patterns[place]
        row, start, reverse, p = matches
        width = pattern.core.stop - pattern.core.start
        kept = nearest.owns(row, windows.start[row] + start, width)
        kept[kept] &= _known(windows, row[kept], start[kept], width)
        row, start, reverse, p = row[kept], start[kept], reverse[kept], p[kept]
        seen = judge(pattern, windows, row, start, reverse)
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
    hits = _concatenate(found)
    names = np.array([pattern.name for pattern in patterns] or [""])[hits.pattern]
    order = np.lexsort(
        (hits.reverse, names, hits.end, hits.start, hits.chrom, -np.concatenate(explained))
    )
    hits = hits.take(compete(hits, order))
    return hits.take(np.lexsort((hits.pattern, hits.end, hits.start, hits.chrom)))


def judge(
    pattern: Pattern,
    windows: Windows,
    row: NDArray[np.int64],
    start: NDArray[np.int64],
    reverse: NDArray[np.bool_],
) -> Judged:
    """Contributions of stretches as long as the core, and how alike the CWM they are.

    Args:
        pattern: its core's CWM is compared.
        windows: hold the stretches.
        row: int64 (k,), window of each.
        start: int64 (k,), bp from the window's first base.
        reverse: bool (k,): read on the other strand.
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
    return Judged(actual.sum(axis=(1, 2)), similarity, explained)


def thresholds(pattern: Pattern, windows: Windows) -> tuple[float, float]:
    """What a hit must reach: contribution (of the pattern's sign) and similarity.

    Both are the :data:`WEAKEST` quantile of the pattern's own seqlets.
    """
    seqlets = pattern.seqlets
    seen = judge(pattern, windows, seqlets.row, core_starts(seqlets, pattern), seqlets.reverse)
    # The value of a seqlet: the weakest itself where there are few.
    contribution, similarity = (
        float(np.quantile(values, WEAKEST, method="lower"))
        for values in (seen.contribution * pattern.sign, seen.similarity)
    )
    return max(contribution, 0.0), similarity


def core_starts(seqlets: Seqlets, pattern: Pattern) -> NDArray[np.int64]:
    """First base of the core in each seqlet, int64 (n,), bp from the window's first base."""
    core = pattern.core
    offset = np.where(seqlets.reverse, pattern.width - core.stop, core.start)
    starts: NDArray[np.int64] = seqlets.start + offset
    return starts


class NearestWindow:
    """Says which window has its centre nearest to a place.

    Args:
        windows: of windows with the same centre, and of centres at the same distance, the left
            one and the first of equals.
    """

    def __init__(self, windows: Windows) -> None:
        self._length = windows.length
        self._chrom = windows.chrom
        self._order = np.lexsort((np.arange(len(windows.start)), windows.start, windows.chrom))
        self._names, first = np.unique(windows.chrom[self._order], return_index=True)
        self._bounds = np.append(first, len(self._order))
        # Twice the centres, so that all are integers.
        self._centres = 2 * windows.start[self._order] + self._length

    def owns(
        self, row: NDArray[np.int64], start: NDArray[np.int64], width: int
    ) -> NDArray[np.bool_]:
        """Whether no other window is nearer.

        Args:
            row: int64 (k,), windows.
            start: int64 (k,), bp, 0-based, of a stretch in each.
            width: bp of the stretches.

        Returns:
            bool (k,).
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


def compete(hits: Hits, order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which hits stay: each that no hit before it covers by more than half of the shorter one.

    Args:
        hits: in any order.
        order: int64 (h,), best first.

    Returns:
        bool (h,).
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


_Matches = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]


def _scan(patterns: Sequence[Pattern], windows: Windows, p_limit: float) -> list[_Matches]:
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


def _known(
    windows: Windows, row: NDArray[np.int64], start: NDArray[np.int64], width: int
) -> NDArray[np.bool_]:
    """Whether all bases of stretches are known, bool (k,)."""
    where = (row[:, None], slice(None), start[:, None] + np.arange(width))
    bases: NDArray[np.int64] = windows.sequences[where].sum(axis=(1, 2), dtype=np.int64)
    known: NDArray[np.bool_] = bases == width
    return known


def _no_hits() -> Hits:
    whole, real = np.zeros(0, dtype=np.int64), np.zeros(0)
    return Hits(
        whole, whole, np.zeros(0, dtype=np.str_), whole, whole, np.zeros(0, dtype=bool), real, real,
        real,
    )  # fmt: skip


def _concatenate(parts: Sequence[Hits]) -> Hits:
    return Hits(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in Hits.__slots__)
    )

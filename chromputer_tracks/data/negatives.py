"""Which label bins are learnt from and scored: positives and the negatives worth telling apart.

Bins are the whole ``label_bin`` bp of a contig, bin ``k`` being ``[k * label_bin, (k + 1) *
label_bin)``; 0-based, half-open. Each contig is treated by itself, so that contigs of different
splits never mix and a contig's bins do not depend on which others are asked for.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.labels import Mask
from chromputer_tracks.errors import ConfigError, InputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.records import Limits, check_limits

CLASSES = ("positive", "accessible", "flank", "matched")
"""Classes of bins, see :class:`ContigSites`."""

_STRATA = 10
_PIECE = 40_000
"""Bins that are read at once."""

Int64 = NDArray[np.int64]
Float = NDArray[np.float64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MatchedConfig:
    """How negatives are chosen.

    Attributes:
        peaks: BED or narrowPeak of accessible regions; the bins that touch one and are not
            positive are negatives.
        quantile: without ``peaks``: bins with more fragments (see ``around``) than this quantile
            of their contig's bins are taken for accessible; 0 takes none.
        flank_from: bp from the nearest positive centre to a bin's centre, from which on the bin is
            in a flank. Nearer bins are ambiguous and in no class.
        flank_to: bp, exclusive, at which flanks end.
        per_positive: random bins for each positive bin.
        around: bp on each side of a bin in which fragments count as its accessibility, too.
        max_n: largest share of N in a negative bin.
    """

    peaks: Path | None = None
    quantile: Annotated[float, Limits(least=0, below=1)] = 0.0
    flank_from: Annotated[int, Limits(least=0, unit="bp")] = 400
    flank_to: int = 1000
    per_positive: Annotated[float, Limits(least=0)] = 1.0
    around: Annotated[int, Limits(least=0, unit="bp")] = 500
    max_n: Annotated[float, Limits(least=0, below=1)] = 0.1

    def check(self, table: str = "sites") -> None:
        """Check the values.

        Args:
            table: its name in the configuration, for messages.

        Raises:
            ConfigError: names the key, the value and its limits.
        """
        check_limits(self, table, error=ConfigError)
        if self.flank_to < self.flank_from:
            key = f"{table}.flank_to"
            raise ConfigError(
                f"{key} is {self.flank_to}; it must be at least flank_from {self.flank_from}",
                key=key,
            )
        if self.peaks is not None and self.quantile:
            raise ConfigError(
                f"{table}.peaks and {table}.quantile both say which bins are accessible; give one",
                key=f"{table}.peaks",
            )


@dataclass(frozen=True, slots=True)
class ContigSites:
    """Bins of one contig by class; ascending indices.

    Positive, accessible and flank exclude each other, in this order. A random bin may be an
    accessible one.

    Attributes:
        positive: int64 (n,), bins with a positive's centre, but for those whose own centre is
            masked.
        accessible: int64 (n,), bins that touch another accessible peak.
        flank: int64 (n,), bins in the flanks of positives.
        matched: int64 (n,), random bins with the positives' GC and accessibility.
        borrowed: how many of ``matched`` come from another stratum than the one that had too few.
        missing: how many more ``matched`` were asked for than the contig has bins.
    """

    positive: Int64
    accessible: Int64
    flank: Int64
    matched: Int64
    borrowed: int
    missing: int

    @property
    def bins(self) -> Int64:
        """All bins, each once, ascending."""
        return np.unique(np.concatenate([getattr(self, name) for name in CLASSES]))


@dataclass(frozen=True, slots=True)
class Balance:
    """How well the random bins match the positives in one property.

    Attributes:
        name: the property.
        positive: its mean over the positive bins.
        matched: its mean over the random bins.
        difference: between the means, in standard deviations (root of the mean of both variances).
        distance: largest difference of the cumulative distributions (Kolmogorov-Smirnov).
    """

    name: str
    positive: float
    matched: float
    difference: float
    distance: float


@dataclass(frozen=True, slots=True)
class MatchedSites:
    """What :func:`matched_sites` chose.

    Attributes:
        label_bin: bp of a bin.
        contigs: contig to its bins.
        balance: of GC share and, with fragments, of accessibility (fragments in the bin and
            around it); empty without random bins.
    """

    label_bin: int
    contigs: Mapping[str, ContigSites]
    balance: tuple[Balance, ...]

    def mask(self) -> Mask:
        """The bins of all classes as positions to keep, see :class:`LabelSet`'s ``sites``."""
        width = self.label_bin
        return Mask.from_intervals(
            Interval(chrom, index * width, (index + 1) * width)
            for chrom, sites in self.contigs.items()
            for index in sites.bins.tolist()
        )


def matched_sites(
    positives: Sequence[Mapping[str, Int64]],
    accessible: Mask | None,
    masked: Mask,
    sizes: Mapping[str, int],
    contigs: Sequence[str],
    label_bin: int,
    sequence: Fasta,
    fragments: FragmentStore | None,
    config: MatchedConfig,
    seed: int,
) -> MatchedSites:
    """Choose the bins to learn from and to score.

    Random bins are drawn without replacement within strata: deciles of the positives' GC times
    deciles of their accessibility, on the same contig. Where a stratum runs dry, the nearest ones
    give. They are not positive, in no flank, not ambiguous, not masked and not mostly N.

    Args:
        positives: for each label, contig to int64 (n,), peak centres, bp, 0-based.
        accessible: accessible regions; None: see ``config.quantile``.
        masked: the blacklist; a negative bin does not touch it.
        sizes: contig lengths, bp.
        contigs: those to choose bins on.
        label_bin: bp of a bin.
        sequence: the genome.
        fragments: for the accessibility; None: GC alone is matched.
        config: how to choose; checked already.
        seed: for the random bins; each contig has its own stream.

    Raises:
        InputError: no positive lies on any of the contigs, or ``config.quantile`` is given
            without fragments.
    """
    if accessible is None and config.quantile and fragments is None:
        raise InputError(
            "accessible bins by a quantile of fragments need a fragment file; give one, or a BED "
            "of accessible peaks"
        )
    chosen: dict[str, ContigSites] = {}
    pairs: list[tuple[Float, Float]] = []
    for chrom in contigs:
        found = [centres[chrom] for centres in positives if chrom in centres]
        centres = np.unique(np.concatenate([*found, np.empty(0, dtype=np.int64)]))
        bins = _Bins(chrom, sizes[chrom] // label_bin, label_bin)
        properties, share_n = bins.measure(sequence, fragments, config.around)
        hidden = bins.touch(masked) | (share_n > config.max_n)
        positive, near, flank = bins.around(centres, config)
        if accessible is not None:
            is_open = bins.touch(accessible)
        elif config.quantile and not hidden.all():
            level = np.quantile(properties[1][~hidden], config.quantile)
            is_open = properties[1] > level
        else:
            is_open = np.zeros(bins.count, dtype=bool)
        is_open &= ~(hidden | positive | near)
        learnt = positive & ~masked.at(chrom, bins.centres)
        rng = np.random.default_rng([seed, zlib.crc32(chrom.encode())])
        pool = np.flatnonzero(~(hidden | positive | near | flank))
        matched, borrowed, missing = _draw(
            properties[:, learnt], properties[:, pool], config.per_positive, rng
        )
        chosen[chrom] = ContigSites(
            np.flatnonzero(learnt),
            np.flatnonzero(is_open),
            np.flatnonzero(flank & ~(hidden | is_open)),
            np.sort(pool[matched]),
            borrowed,
            missing,
        )
        pairs.append((properties[:, learnt], properties[:, pool[matched]]))
    if not any(len(sites.positive) for sites in chosen.values()):
        raise InputError(f"no positive lies on {', '.join(contigs)}: there is nothing to match")
    one, other = (np.concatenate(rows, axis=1) for rows in zip(*pairs, strict=True))
    names = ("GC share", "fragments in and around the bin")
    rows = zip(names, one, other, strict=False) if other.size else ()
    return MatchedSites(label_bin, chosen, tuple(_balance(*row) for row in rows))


@dataclass(frozen=True, slots=True)
class _Bins:
    """The whole bins of one contig."""

    chrom: str
    count: int
    width: int

    @property
    def centres(self) -> Int64:
        return np.arange(self.count, dtype=np.int64) * self.width + self.width // 2

    def measure(
        self, sequence: Fasta, fragments: FragmentStore | None, around: int
    ) -> tuple[Float, Float]:
        """Properties to match, float64 (1 or 2, bins), and the share of N, float64 (bins,).

        They are the GC share of the bases that are not N, and fragment midpoints in the bin and
        ``around`` it.
        """
        gc, unknown, depth = np.zeros((3, self.count))
        for first in range(0, self.count, _PIECE):
            last = min(first + _PIECE, self.count)
            span = Interval(self.chrom, first * self.width, last * self.width)
            bases = sequence.fetch(span).reshape(last - first, self.width)
            strong = ((bases == ord("G")) | (bases == ord("C"))).sum(axis=1)
            known = strong + ((bases == ord("A")) | (bases == ord("T"))).sum(axis=1)
            gc[first:last] = strong / np.maximum(known, 1)
            unknown[first:last] = 1 - known / self.width
            if fragments is not None:
                wide = Interval(self.chrom, span.start - around, span.end + around)
                midpoints = np.sort(fragments.midpoints(wide)[0]).astype(np.int64)
                starts = np.arange(first, last) * self.width - around
                ends = starts + self.width + 2 * around
                depth[first:last] = np.searchsorted(midpoints, ends)
                depth[first:last] -= np.searchsorted(midpoints, starts)
        return np.stack([gc] if fragments is None else [gc, depth]), unknown

    def touch(self, mask: Mask) -> Bool:
        """Whether each bin touches the mask, bool (bins,)."""
        edges = np.zeros(self.count + 1, dtype=np.int64)
        if self.chrom in mask.starts:
            first = mask.starts[self.chrom] // self.width
            last = -(-mask.ends[self.chrom] // self.width)
            np.add.at(edges, first.clip(0, self.count), 1)
            np.add.at(edges, last.clip(0, self.count), -1)
        inside: Bool = np.cumsum(edges[:-1]) > 0
        return inside

    def around(self, centres: Int64, config: MatchedConfig) -> tuple[Bool, Bool, Bool]:
        """Positive, ambiguous and flank bins, each bool (bins,); they exclude each other."""
        positive = np.zeros(self.count, dtype=bool)
        holding = centres // self.width
        positive[holding[holding < self.count]] = True
        if not len(centres):
            return positive, positive.copy(), positive.copy()
        after = np.searchsorted(centres, self.centres)
        distance = np.minimum(
            np.abs(centres[after.clip(max=len(centres) - 1)] - self.centres),
            np.abs(centres[(after - 1).clip(min=0)] - self.centres),
        )
        near = ~positive & (distance < config.flank_from)
        return positive, near, ~positive & ~near & (distance < config.flank_to)


def _draw(
    positive: Float, pool: Float, per_positive: float, rng: np.random.Generator
) -> tuple[Int64, int, int]:
    """Columns of ``pool`` with the distribution of ``positive``; see :func:`matched_sites`.

    Both are float64 (properties, n). Returns distinct columns, int64 (k,), how many of them come
    from a neighbouring stratum, and how many are missing.
    """
    if not positive.shape[1]:
        return np.empty(0, dtype=np.int64), 0, 0
    edges = [np.unique(np.quantile(row, np.linspace(0, 1, _STRATA + 1)))[1:-1] for row in positive]
    shape = [len(edge) + 1 for edge in edges]

    def strata(values: Float) -> Int64:
        places = [
            np.searchsorted(e, row, side="right") for e, row in zip(edges, values, strict=True)
        ]
        stratum: Int64 = np.ravel_multi_index(places, shape).astype(np.int64)
        return stratum

    held = np.bincount(strata(positive), minlength=math.prod(shape))
    # Rounding the running sum keeps the total right where strata want a part of a bin.
    wanted = np.diff(np.rint(per_positive * np.cumsum(held)).astype(np.int64), prepend=0)
    order = rng.permutation(pool.shape[1])
    place = strata(pool)
    order = order[np.argsort(place[order], kind="stable")]
    stock = np.bincount(place, minlength=len(held))
    ends = np.cumsum(stock)
    used = ends - stock
    taken: list[Int64] = []

    def take(stratum: int, count: int) -> int:
        count = min(count, int(ends[stratum] - used[stratum]))
        taken.append(order[used[stratum] : used[stratum] + count])
        used[stratum] += count
        return count

    lacking = wanted - [take(stratum, count) for stratum, count in enumerate(wanted.tolist())]
    borrowed = 0
    grid = np.stack(np.unravel_index(np.arange(len(held)), shape))
    for stratum in np.flatnonzero(lacking).tolist():
        nearness = ((grid - grid[:, [stratum]]) ** 2).sum(axis=0)
        for other in np.argsort(nearness, kind="stable").tolist():
            given = take(other, int(lacking[stratum]))
            lacking[stratum] -= given
            borrowed += given
    return np.concatenate(taken), borrowed, int(lacking.sum())


def _balance(name: str, positive: Float, matched: Float) -> Balance:
    difference = positive.mean() - matched.mean()
    deviation = math.sqrt((positive.var() + matched.var()) / 2)
    every = np.sort(np.concatenate([positive, matched]))
    below = [
        np.searchsorted(np.sort(values), every, side="right") / len(values)
        for values in (positive, matched)
    ]
    return Balance(
        name,
        float(positive.mean()),
        float(matched.mean()),
        float(difference / deviation) if deviation else 0.0,
        float(np.abs(below[0] - below[1]).max()),
    )

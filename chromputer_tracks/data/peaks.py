"""Peak sets: what several replicates agree on; coordinates are 0-based and half-open."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, compress
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import DependencyError, InputError
from chromputer_tracks.io.bed import Peak
from chromputer_tracks.io.scratch import scratch_folder

# ---- Irreproducible discovery rate: which peaks two replicates rank alike.
#
# After Li et al. 2011 (doi:10.1214/11-AOAS466): the ranks of the peaks' scores in two replicates
# are taken to come from a Gaussian copula mixture of a reproducible part, whose latent scores
# correlate and are higher, and an irreproducible part, whose latent scores are independent. Ranks
# alone count, because peak callers' scores follow no distribution of a known form.

LEAST_PEAKS = 20
"""Fewer matched peaks do not determine the mixture's four parameters."""

_TRIAL, _ROUNDS = 20, 500
_CHANGE = 1e-8
"""Gain in log-likelihood per peak below which the EM has converged."""

_GRID = 4_001
_STARTS = ((2.0, 1.0, 0.8, 0.5), (1.0, 1.0, 0.3, 0.5), (3.0, 1.0, 0.9, 0.1), (1.0, 1.0, 0.8, 0.9))
_SHARE = (0.01, 0.99)
_LARGEST_CORRELATION = 0.999
_LEAST_DEVIATION = 0.2

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CopulaMixture:
    """Parameters of the mixture.

    Attributes:
        mean: that of the reproducible part's latent scores, above 0; the other part's is 0.
        deviation: their standard deviation; the other part's is 1.
        correlation: their correlation between the replicates; the other part's is 0.
        share: how many of all peaks are reproducible.
    """

    mean: float
    deviation: float
    correlation: float
    share: float


@dataclass(frozen=True, slots=True)
class Reproducibility:
    """What :func:`reproducibility` found.

    Attributes:
        mixture: the fitted parameters.
        local: float64 (n,), probability that a peak is irreproducible.
        rate: float64 (n,), the IDR: mean of ``local`` over the peaks with at most this ``local``,
            that is, the expected share of irreproducible peaks among those.
    """

    mixture: CopulaMixture
    local: Float
    rate: Float


def reproducibility(one: Float, other: Float) -> Reproducibility:
    """Fit the copula mixture to the scores of the same peaks in two replicates.

    Only ranks count, so any monotone transform of the scores gives the same; tied scores share
    their mean rank. The fit is the paper's pseudo-likelihood EM: the latent scores are the inverse
    of the mixture's marginal distribution at the ranks, computed anew in each round. Some
    rounds from each of several starts choose the one to go on from.

    Args:
        one: float64 (n,), scores in one replicate, higher is better.
        other: float64 (n,), scores of the same peaks in the other.

    Raises:
        InputError: fewer than :data:`LEAST_PEAKS` peaks, or scores that are all equal.
        DependencyError: scipy is not installed.
    """
    if len(one) < LEAST_PEAKS:
        raise InputError(
            f"rank agreement needs at least {LEAST_PEAKS} peaks that both replicates have, got "
            f"{len(one)}; take the intersection instead"
        )
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        raise InputError(
            "rank agreement needs scores that differ, but a replicate's are all equal; take the "
            "intersection instead"
        )
    ranks = np.stack([_uniform(one), _uniform(other)])
    trials = [_fit(ranks, CopulaMixture(*start), _TRIAL) for start in _STARTS]
    best = max(trials, key=lambda fit: fit[2])[0]
    mixture, local, _ = _fit(ranks, best, _ROUNDS)
    order = np.argsort(local, kind="stable")
    means = np.cumsum(local[order]) / np.arange(1, len(local) + 1)
    # Peaks of equal local rate are kept or left together.
    last = np.searchsorted(local[order], local, side="right") - 1
    return Reproducibility(mixture, local, means[last])


def _uniform(scores: Float) -> Float:
    """Mean ranks from 1, divided by n + 1: float64 (n,) inside 0 to 1."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    after = np.cumsum(counts)
    rank: Float = ((2 * after - counts + 1) / 2)[place]
    return rank / (len(scores) + 1)


def _fit(ranks: Float, mixture: CopulaMixture, rounds: int) -> tuple[CopulaMixture, Float, float]:
    """Parameters, local rates and the pseudo log-likelihood at the end of the EM."""
    before = -math.inf
    for _ in range(rounds):
        latent = _latent(ranks, mixture)
        expected, likelihood = _expect(latent, mixture)
        if abs(likelihood - before) < _CHANGE * len(expected):
            break
        before = likelihood
        mixture = _maximise(latent, expected)
    latent = _latent(ranks, mixture)
    expected, likelihood = _expect(latent, mixture)
    return mixture, 1 - expected, likelihood


def _latent(ranks: Float, mixture: CopulaMixture) -> Float:
    """Latent scores: the marginal's quantiles at the ranks, float64 (2, n)."""
    try:
        from scipy.special import ndtr
    except ImportError as error:
        raise DependencyError(
            "rank agreement of peaks needs scipy: pip install 'chromputer-tracks[train]'"
        ) from error
    reach = 6 * max(1.0, mixture.deviation)
    grid = np.linspace(min(-6.0, mixture.mean - reach), mixture.mean + reach, _GRID)
    below = (1 - mixture.share) * ndtr(grid)
    below += mixture.share * ndtr((grid - mixture.mean) / mixture.deviation)
    latent: Float = np.interp(ranks, below, grid)
    return latent


def _expect(latent: Float, mixture: CopulaMixture) -> tuple[Float, float]:
    """Probability that each peak is reproducible, float64 (n,), and the copula's log-likelihood."""
    centred = (latent - mixture.mean) / mixture.deviation
    rest = 1 - mixture.correlation**2
    squares = (centred**2).sum(axis=0) - 2 * mixture.correlation * centred[0] * centred[1]
    scale = 2 * math.log(mixture.deviation) + math.log(rest) / 2
    good = math.log(mixture.share) - scale - squares / (2 * rest)
    bad = math.log1p(-mixture.share) - (latent**2).sum(axis=0) / 2
    joint = np.logaddexp(good, bad)
    # The copula's density is the joint density over the marginals'; 2 pi cancels.
    marginal = np.logaddexp(
        math.log(mixture.share) - math.log(mixture.deviation) - centred**2 / 2,
        math.log1p(-mixture.share) - latent**2 / 2,
    ).sum(axis=0)
    return np.exp(good - joint), float((joint - marginal).sum())


def _maximise(latent: Float, expected: Float) -> CopulaMixture:
    weight = float(expected.sum())
    mean = max(float((expected * latent).sum() / (2 * weight)), 0.0)
    centred = latent - mean
    variance = float((expected * centred**2).sum() / (2 * weight))
    correlation = float((expected * centred[0] * centred[1]).sum() / (weight * variance))
    return CopulaMixture(
        mean,
        max(math.sqrt(variance), _LEAST_DEVIATION),
        min(max(correlation, 0.0), _LARGEST_CORRELATION),
        min(max(weight / len(expected), _SHARE[0]), _SHARE[1]),
    )


# ---- One set of peaks from several.

How = Literal["union", "intersection", "rank"]

Int64 = NDArray[np.int64]

_RANKED_BY = {"signal": "signalValue", "p_value": "p-value", "score": "score"}
"""What peaks may be ranked by, in order of preference: attribute to name."""


def reproducible_peaks(
    replicates: Sequence[Sequence[Peak]], how: How, within: int, keep: float = 0.05
) -> list[tuple[str, int]]:
    """One set of peak centres from the peaks of several replicates.

    Args:
        replicates: at least two, each its peaks in any order. Of several peaks of one replicate
            at one place the one with the highest score counts.
        how: ``union``: every peak; those within ``within`` bp of a neighbour are one, in chains,
            at the mean of their centres. ``intersection``: peaks with a partner in every other
            replicate, each the other's nearest and at most ``within`` bp apart (of two that are
            equally near the left one is taken), at the mean of the partners' centres. ``rank``:
            those of the intersection whose scores the replicates rank alike, see
            :func:`reproducibility`; of more than two replicates the
            two that agree least decide. Replicates are to hold weak peaks, too, for this. The
            scores are narrowPeaks' signalValue or p-value, else column 5: the first of them that
            all replicates have and that differs within each.
        within: bp.
        keep: for ``rank``, the largest expected share of irreproducible peaks (IDR).

    Returns:
        contig and centre (bp, 0-based, the mean rounded half up), by contig name and centre.

    Raises:
        InputError: fewer than two replicates, an empty one, a negative ``within``, or, for
            ``rank``, ``keep`` outside 0 to 1, scores that are absent or all equal, too few peaks.
        DependencyError: bedtools, pybedtools or scipy is missing.
    """
    if how not in get_args(How):
        raise InputError(f"peaks of replicates: {how!r} is none of {', '.join(get_args(How))}")
    if len(replicates) < 2:
        raise InputError(f"reproducible peaks need at least two replicates, got {len(replicates)}")
    if within < 0:
        raise InputError(f"distance between partners {within} bp must be at least 0")
    if not 0 < keep < 1:
        raise InputError(f"largest share of irreproducible peaks {keep} must be between 0 and 1")
    for number, records in enumerate(replicates, 1):
        if not records:
            raise InputError(f"replicate {number} holds no peak; leave it out")
    if how == "union":
        return _union([record for records in replicates for record in records], within)
    if how == "rank":
        replicates = _ranked(replicates)
    partners = _partners(replicates, within)
    if how == "rank":
        partners = list(compress(partners, _agreeing(partners, len(replicates), keep)))
    return [(row[0].chrom, _mean([peak.centre for peak in row])) for row in partners]


def _union(records: Iterable[Peak], within: int) -> list[tuple[str, int]]:
    try:
        from pybedtools import BedTool
    except ImportError as error:
        raise DependencyError(
            "combining peaks needs pybedtools: pip install 'chromputer-tracks[train]'"
        ) from error
    if shutil.which("bedtools") is None:
        raise DependencyError(
            "combining peaks needs the program bedtools, which is not on PATH: install it with "
            "conda install -c bioconda bedtools, apt-get install bedtools or brew install bedtools"
        )
    # pybedtools would leave its files in TMPDIR until the process ends.
    with scratch_folder() as folder:
        points, ordered, merged = (f"{folder}/{name}" for name in ("points", "sorted", "merged"))
        rows = (f"{record.chrom}\t{record.centre}\t{record.centre + 1}\n" for record in records)
        Path(points).write_text("".join(rows))
        table: Any = BedTool(points).sort(output=ordered)
        # A gap between two bases is one less than the distance of their positions.
        chains = table.merge(d=within - 1, c=2, o="collapse", output=merged)
        return [(row.chrom, _mean([int(at) for at in row[3].split(",")])) for row in chains]


def _mean(positions: Sequence[int]) -> int:
    """The mean, rounded half up."""
    return (2 * sum(positions) + len(positions)) // (2 * len(positions))


def _ranked(replicates: Sequence[Sequence[Peak]]) -> list[list[Peak]]:
    """The peaks with what they are ranked by as their score; see :func:`reproducible_peaks`."""
    for key in _RANKED_BY:
        values = [{getattr(record, key) for record in records} for records in replicates]
        if all(None not in found and len(found) > 1 for found in values):
            return [
                [replace(record, score=getattr(record, key)) for record in records]
                for records in replicates
            ]
    remedy = (
        "rank agreement needs scores that differ: give narrowPeak or BED files with a score in "
        "column 5, or take the intersection"
    )
    for number, records in enumerate(replicates, 1):
        if any(record.score is None for record in records):
            raise InputError(f"the peaks of replicate {number} have no score; {remedy}")
    everywhere = {
        key: name
        for key, name in _RANKED_BY.items()
        if all(getattr(record, key) is not None for records in replicates for record in records)
    }
    for number, records in enumerate(replicates, 1):
        found = {
            name: {getattr(record, key) for record in records} for key, name in everywhere.items()
        }
        if all(len(values) == 1 for values in found.values()):
            same = ", ".join(f"the {name} {values.pop():g}" for name, values in found.items())
            raise InputError(f"all peaks of replicate {number} have {same}; {remedy}")
    raise InputError(f"the replicates' peaks have no score in common; {remedy}")


def _partners(replicates: Sequence[Sequence[Peak]], within: int) -> list[tuple[Peak, ...]]:
    """Peaks of all replicates that are each other's nearest, a row each, by contig and centre."""
    by_contig = [_by_contig(records) for records in replicates]
    rows: list[tuple[Peak, ...]] = []
    for chrom in sorted(set(by_contig[0]).intersection(*by_contig[1:])):
        peaks = [table[chrom] for table in by_contig]
        centres = [np.array([peak.centre for peak in row], dtype=np.int64) for row in peaks]
        index = np.stack([_nearest(centres[0], other) for other in centres])
        kept = np.ones(len(centres[0]), dtype=bool)
        for one, other in combinations(range(len(peaks)), 2):
            here, there = centres[one][index[one]], centres[other][index[other]]
            kept &= np.abs(here - there) <= within
            kept &= _nearest(centres[one], centres[other])[index[one]] == index[other]
            kept &= _nearest(centres[other], centres[one])[index[other]] == index[one]
        for column in index[:, kept].T.tolist():
            rows.append(tuple(row[place] for row, place in zip(peaks, column, strict=True)))
    return rows


def _by_contig(records: Iterable[Peak]) -> dict[str, list[Peak]]:
    """Peaks by contig and centre, one at a centre: the one with the highest score."""
    best: dict[tuple[str, int], Peak] = {}
    for record in records:
        place = (record.chrom, record.centre)
        if place not in best or (record.score or 0) > (best[place].score or 0):
            best[place] = record
    table: dict[str, list[Peak]] = {}
    for (chrom, _), record in sorted(best.items()):
        table.setdefault(chrom, []).append(record)
    return table


def _nearest(centres: Int64, others: Int64) -> Int64:
    """Index of the nearest of ``others`` (ascending, at least one), the left one on a tie."""
    right = np.searchsorted(others, centres).clip(max=len(others) - 1)
    left = (right - 1).clip(min=0)
    return np.where(np.abs(others[right] - centres) < np.abs(centres - others[left]), right, left)


def _agreeing(partners: Sequence[tuple[Peak, ...]], replicates: int, keep: float) -> list[bool]:
    """Whether each row's IDR is at most ``keep`` in every pair of replicates."""
    scores = np.array([[peak.score for peak in row] for row in partners], dtype=np.float64)
    scores = scores.reshape(len(partners), replicates)
    pairs = combinations(scores.T, 2)
    kept = [reproducibility(one, other).rate <= keep for one, other in pairs]
    everywhere: list[bool] = np.all(kept, axis=0).tolist()
    return everywhere

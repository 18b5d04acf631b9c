"""Irreproducible discovery rate: which peaks two replicates rank alike.

After Li et al. 2011 (doi:10.1214/11-AOAS466): the ranks of the peaks' scores in two replicates are
taken to come from a Gaussian copula mixture of a reproducible part, whose latent scores correlate
and are higher, and an irreproducible part, whose latent scores are independent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import DependencyError, InputError

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
    """Parameters of the mixture, see the module's docstring.

    Attributes:
        mean: of the reproducible part's latent scores, above 0; the other part's is 0.
        deviation: their standard deviation; the other part's is 1.
        correlation: their correlation between the replicates; the other part's is 0.
        share: of the reproducible peaks among all.
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

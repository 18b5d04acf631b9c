"""Agreement of predicted and observed values, on all resamples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from chromputer_tracks.evaluation.resamples import Resamples, cumulated, ratio


def pearson(
    one: NDArray[np.float64], other: NDArray[np.float64], resamples: Resamples
) -> NDArray[np.float64]:
    """Pearson's correlation of two rows of values (n,), float64 (1 + draws,)."""
    one, other = one - one.mean(), other - other.mean()
    sites = resamples.total(np.ones(len(one)))
    sums = {name: resamples.total(row) for name, row in (("one", one), ("other", other))}
    shared = resamples.total(one * other) - ratio(sums["one"] * sums["other"], sites)
    first = resamples.total(one**2) - ratio(sums["one"] ** 2, sites)
    second = resamples.total(other**2) - ratio(sums["other"] ** 2, sites)
    return ratio(shared, np.sqrt(np.maximum(first * second, 0)))


def variance_explained(
    observed: NDArray[np.float64], predicted: NDArray[np.float64], resamples: Resamples
) -> NDArray[np.float64]:
    """Share of the variance around the mean that a prediction explains (R squared).

    Returns:
        float64 (1 + draws,), at most 1, below 0 where the mean is better; NaN for a constant.
    """
    centred = observed - observed.mean()
    sites = resamples.total(np.ones(len(observed)))
    around_mean = resamples.total(centred**2) - ratio(resamples.total(centred) ** 2, sites)
    return 1 - ratio(resamples.total((observed - predicted) ** 2), around_mean)


def poisson_explained(
    observed: NDArray[np.float64], predicted: NDArray[np.float64], resamples: Resamples
) -> NDArray[np.float64]:
    """Share of the Poisson deviance of the mean that a prediction explains.

    The deviance is ``2 * sum(y * log(y / mu) - y + mu)`` (McCullagh and Nelder 1989, table 2.1).

    Returns:
        float64 (1 + draws,), at most 1, below 0 where the mean is better; NaN for a constant.
    """
    own = xlogy(observed, observed)
    left = resamples.total(own - xlogy(observed, predicted) - observed + predicted)
    total, sites = resamples.total(observed), resamples.total(np.ones(len(observed)))
    return 1 - ratio(left, resamples.total(own) - xlogy(total, ratio(total, sites)))


def spearman(
    one: NDArray[np.floating], other: NDArray[np.floating], resamples: Resamples
) -> NDArray[np.float64]:
    """Rank correlation of two rows of values (n,), ranked anew in each resample.

    Returns:
        float64 (1 + draws,); NaN where one of them is constant.
    """
    result = np.empty(len(resamples))
    sides = [_groups(values) for values in (one, other)]
    for rows, weights in resamples.weights():
        ranks = [_ranks(weights, *side) for side in sides]
        result[rows] = _correlation(ranks[0], ranks[1], weights)
    return result


def _groups(values: NDArray[np.floating]) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """Order of the sites, the group of equal values of each site, and the number of groups."""
    unique, group = np.unique(values, return_inverse=True)
    return np.argsort(group, kind="stable"), group, len(unique)


def _ranks(
    weights: NDArray[np.int32], order: NDArray[np.intp], group: NDArray[np.intp], groups: int
) -> NDArray[np.float64]:
    """Mean rank of each site among repeated sites, float64 (rows, n)."""
    total = cumulated(weights[:, order])
    bounds = np.searchsorted(group[order], np.arange(groups + 1))
    before, after = total[:, bounds[:-1]], total[:, bounds[1:]]
    ranks: NDArray[np.float64] = ((before + after + 1) / 2)[:, group]
    return ranks


def _correlation(
    one: NDArray[np.float64], other: NDArray[np.float64], weights: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Pearson's correlation of each row, weighted."""
    total = weights.sum(axis=1)
    one = one - ratio(np.einsum("ij,ij->i", one, weights), total)[:, None]
    other = other - ratio(np.einsum("ij,ij->i", other, weights), total)[:, None]
    shared = np.einsum("ij,ij,ij->i", one, other, weights)
    spread = np.einsum("ij,ij,ij->i", one, one, weights) * np.einsum(
        "ij,ij,ij->i", other, other, weights
    )
    return ratio(shared, np.sqrt(spread))

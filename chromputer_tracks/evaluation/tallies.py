"""Figures that are made of counts of sites, on all resamples: calls and calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.evaluation.resamples import Resamples, estimate, ratio
from chromputer_tracks.evaluation.scores import Reliability

BINS = 15
"""Reliability bins. They hold equally many sites each: of a rare label nearly all probabilities are
small, so that bins of equal width would put nearly all sites into the first."""


def confusion(
    truth: NDArray[np.int64], called: NDArray[np.int64], states: int, resamples: Resamples
) -> NDArray[np.float64]:
    """Sites by true and called state, float64 (1 + draws, states, states).

    Args:
        truth: int64 (n,), 0 to ``states``.
        called: int64 (n,), likewise.
        states: their number.
        resamples: of the same sites.
    """
    counts = resamples.sums(truth * states + called, states * states)
    return counts.reshape(-1, states, states)


def accuracy(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of a :func:`confusion` on the diagonal, float64 (1 + draws,)."""
    return ratio(np.trace(table, axis1=1, axis2=2), table.sum(axis=(1, 2)))


def state_f1(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 of each state, float64 (1 + draws, states); NaN where a state does not occur."""
    right = np.diagonal(table, axis1=1, axis2=2)
    return f1(right, table.sum(axis=2), table.sum(axis=1))


def macro_f1(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean F1 over the states that occur (in the resample), float64 (1 + draws,)."""
    each = state_f1(table)
    occurs = ~np.isnan(each)
    return ratio(np.where(occurs, each, 0).sum(axis=1), occurs.sum(axis=1).astype(np.float64))


def f1(
    right: NDArray[np.float64], positives: NDArray[np.float64], called: NDArray[np.float64]
) -> NDArray[np.float64]:
    """F1 from numbers of true calls, positives and calls; NaN where there is no positive."""
    return ratio(2 * right, np.where(positives > 0, positives + called, 0))


def reliability(
    positive: NDArray[np.bool_], predicted: NDArray[np.floating], resamples: Resamples
) -> Reliability:
    """Predicted against observed share of positives, in :data:`BINS` bins of equally many sites.

    The bins' edges are those of the sites as they are, in the resamples, too. The expected
    calibration error is never 0, not even of perfect probabilities, as observed shares are
    counts; and it is larger in resamples, so that its interval may lie above it.

    Args:
        positive: bool (n,).
        predicted: (n,), probability.
        resamples: of the same sites.
    """
    ranked = np.sort(predicted)
    # Equal probabilities stay in one bin.
    edges = np.unique(ranked[np.arange(1, BINS) * len(ranked) // BINS])
    bins = np.searchsorted(edges, predicted, side="right")
    number = len(edges) + 1
    sites = np.bincount(bins, minlength=number)
    share = np.bincount(bins, predicted, number) / np.maximum(sites, 1)
    observed = np.bincount(bins, positive, number) / np.maximum(sites, 1)
    gaps = resamples.sums(bins, number, positive - predicted.astype(np.float64))
    error = ratio(np.abs(gaps).sum(axis=1), resamples.total(np.ones(len(bins))))
    kept = sites > 0
    return Reliability(
        tuple(share[kept].tolist()),
        tuple(observed[kept].tolist()),
        tuple(sites[kept].tolist()),
        estimate(error),
    )

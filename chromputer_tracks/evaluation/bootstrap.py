"""Block bootstrap: intervals that neighbouring sites do not make too narrow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.evaluation.scores import Estimate

DRAWS = 1000
"""Resamples of a published interval."""


def block_counts(blocks: int, draws: int = DRAWS, seed: int = 0) -> NDArray[np.int32]:
    """How often each block is drawn: ``blocks`` times with replacement, in each resample.

    The same arguments give the same resamples, so that figures of two models on the same sites are
    paired.

    Returns:
        int32 (draws, blocks), each row summing to ``blocks``.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=draws).astype(np.int32)


def interval(value: float, draws: NDArray[np.floating]) -> Estimate:
    """The figure with the central 95 % of its resamples; NaN ones are left out."""
    kept = draws[~np.isnan(draws)]
    if not len(kept):
        return Estimate(value, float("nan"), float("nan"))
    low, high = np.percentile(kept, [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def bootstrap(
    blocks: NDArray[np.int64],
    score: Callable[[NDArray[np.intp]], float],
    draws: int = 200,
    seed: int = 0,
) -> Estimate:
    """Any score with its 95 % interval, computed anew on each resample.

    Args:
        blocks: int64 (n,), block of each site, 0 to the number of blocks.
        score: takes site indices (with repeats) and gives the figure; NaN draws are left out.
        draws: number of resamples.
        seed: of the resampling.
    """
    sites = np.arange(len(blocks))
    counts = block_counts(int(blocks.max()) + 1, draws, seed)
    values = [score(np.repeat(sites, drawn[blocks])) for drawn in counts]
    return interval(score(sites), np.array(values))

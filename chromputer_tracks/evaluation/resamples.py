"""All resamples of a block bootstrap at once, as weights of the sites.

A site's weight in a resample is how often its block was drawn. Figures that are made of sums over
sites need only each block's sums; those that are made of rankings need cumulative weights in sorted
order, which are computed for a chunk of resamples at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.evaluation.scores import (
    BinaryScores,
    ContinuousScores,
    Curve,
    Estimate,
    Reliability,
)

# ---- Block bootstrap: intervals that neighbouring sites do not make too narrow.

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


_CHUNK = 1 << 21
"""Weights held at a time, some tens of MiB with what is computed from them."""


@dataclass(frozen=True, slots=True)
class Resamples:
    """The sites as they are, and resampled.

    Attributes:
        counts: int32 (1 + draws, blocks), how often each block is drawn; the first row is all 1,
            so that the first of every figure's values is the figure itself.
        blocks: int64 (n,), block of each site.
    """

    counts: NDArray[np.int32]
    blocks: NDArray[np.int64]

    @classmethod
    def draw(cls, blocks: NDArray[np.int64], draws: int = DRAWS, seed: int = 0) -> Resamples:
        """Resample the blocks 0 to their number; the same arguments give the same resamples."""
        number = int(blocks.max()) + 1
        drawn = block_counts(number, draws, seed)
        return cls(np.concatenate([np.ones((1, number), dtype=np.int32), drawn]), blocks)

    def __len__(self) -> int:
        return len(self.counts)

    def select(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> Resamples:
        """The same resamples of the sites that a mask or an index array picks."""
        return replace(self, blocks=self.blocks[keep])

    def weights(self) -> Iterator[tuple[slice, NDArray[np.int32]]]:
        """Chunks of resamples: their rows, and the weights int32 (rows, n) of the sites."""
        rows = max(1, _CHUNK // max(1, len(self.blocks)))
        for first in range(0, len(self), rows):
            chunk = slice(first, min(first + rows, len(self)))
            yield chunk, self.counts[chunk][:, self.blocks]

    def sums(
        self,
        cells: NDArray[np.integer],
        number: int,
        values: NDArray[np.floating] | None = None,
    ) -> NDArray[np.float64]:
        """Weighted sums of values over the sites of each of ``number`` cells.

        Args:
            cells: int (n,), the cell of each site, 0 to ``number``.
            number: of cells.
            values: (n,); None counts the sites.

        Returns:
            float64 (1 + draws, number).
        """
        blocks = self.counts.shape[1]
        by_block = np.bincount(self.blocks * number + cells, values, blocks * number)
        return self._weighted(by_block.reshape(blocks, number))

    def total(self, values: NDArray[np.floating] | NDArray[np.bool_]) -> NDArray[np.float64]:
        """Weighted sum of values (n,) over all sites, float64 (1 + draws,)."""
        return self._weighted(np.bincount(self.blocks, values, self.counts.shape[1]))

    def _weighted(self, by_block: NDArray[np.generic]) -> NDArray[np.float64]:
        total: NDArray[np.float64] = np.matmul(self.counts, by_block, dtype=np.float64)
        return total


def estimate(values: NDArray[np.float64]) -> Estimate:
    """A figure, the first value, with its 95 % interval from the resamples, the others."""
    return interval(float(values[0]), values[1:])


def ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """``above / below``, NaN where ``below`` is 0."""
    result = np.full(np.broadcast(above, below).shape, np.nan)
    np.divide(above, below, out=result, where=below != 0)
    return result


def cumulated(weights: NDArray[np.int32]) -> NDArray[np.float64]:
    """Sums of the first 0, 1, ... n weights of each row, float64 (rows, n + 1)."""
    total = np.zeros((weights.shape[0], weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=total[:, 1:])
    return total


# ---- Scores of several runs that differ in their seed alone.

T = TypeVar("T")


def mean_scores(runs: Sequence[T]) -> T:
    """The mean of every number of scores on the same sites.

    Estimates and their bounds are averaged: an interval says how much the figure of one run hangs
    on the sites, not on the seed. A figure that is not a number in one run is none in the mean.
    Counts are rounded means. Curves and the bins of reliability are those of the first run. What
    some runs do not have (a label that they do not predict) is the mean over those that have it.

    Args:
        runs: of one type of :mod:`chromputer_tracks.evaluation.scores`, at least one.
    """
    return _mean(runs)  # type: ignore[no-any-return]


def _mean(runs: Sequence[Any]) -> Any:
    items = [item for item in runs if item is not None]
    if not items:
        return None
    first = items[0]
    if isinstance(first, Curve | str):
        return first
    if isinstance(first, Reliability):
        # Bins without a site are left out, so that those of two runs need not be the same ones.
        return replace(first, error=_mean([item.error for item in items]))
    if is_dataclass(first):
        return first.__class__(
            **{f.name: _mean([getattr(item, f.name) for item in items]) for f in fields(first)}
        )
    if isinstance(first, dict):
        return {key: _mean([item[key] for item in items]) for key in first}
    if isinstance(first, tuple):
        return tuple(map(_mean, _beside(items)))
    mean = float(np.mean(items))
    return round(mean) if isinstance(first, int) else mean


def _beside(tuples: Sequence[tuple[Any, ...]]) -> list[Sequence[Any]]:
    """What stands at the same place in each: labels by their names, all else by position."""
    entries = [entry for items in tuples for entry in items]
    if not any(isinstance(entry, BinaryScores | ContinuousScores) for entry in entries):
        return list(zip(*tuples, strict=True))
    named: dict[str, list[Any]] = {}
    for entry in entries:
        named.setdefault(entry.name, []).append(entry)
    return list(named.values())

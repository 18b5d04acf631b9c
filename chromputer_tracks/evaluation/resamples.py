"""All resamples of a block bootstrap at once, as weights of the sites.

A site's weight in a resample is how often its block was drawn. Figures that are made of sums over
sites need only each block's sums; those that are made of rankings need cumulative weights in sorted
order, which are computed for a chunk of resamples at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.evaluation.bootstrap import DRAWS, block_counts, interval
from chromputer_tracks.evaluation.scores import Estimate

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

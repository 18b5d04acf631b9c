"""One depth for a whole sample, whatever single contigs hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def weighted_median(
    densities: NDArray[np.float64], sizes: NDArray[np.integer]
) -> NDArray[np.float64]:
    """The smallest density such that contigs of at most this density make up half of the bases.

    Contigs of extreme depth (mitochondria, rDNA) do not move it.

    Args:
        densities: float64 (contigs, classes), at least one contig.
        sizes: int (contigs,), bp.

    Returns:
        float64 (classes,).
    """
    order = np.argsort(densities, axis=0, kind="stable")
    below = np.cumsum(sizes[order], axis=0)
    row = np.argmax(below >= below[-1] / 2, axis=0)[np.newaxis]
    found = np.take_along_axis(densities, np.take_along_axis(order, row, axis=0), axis=0)
    return np.asarray(found[0])

"""Predictions and labels at sites: what every score is computed from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 20_000
"""bp of a bootstrap block: neighbouring sites share windows and peaks, so blocks are drawn."""


@dataclass(frozen=True, slots=True)
class Sites:
    """Predictions and labels at label bins.

    Outputs and labels are in the order of the model's heads: the states head's labels, if any, then
    those of the binary heads, then those of the continuous heads.

    Attributes:
        contigs: names of the contigs.
        contig: int64 (n,), index into ``contigs``.
        centre: int64 (n,), bp, 0-based, centre of the bin.
        logits: float32 (outputs, n), not calibrated; a row of NaN where nothing is predicted.
        states: int64 (n,), ``UNKNOWN`` where there is no label.
        binary: int64 (labels, n), 1, 0 or ``UNKNOWN``.
        continuous: float32 (labels, n), NaN where there is no label.
        number_of_states: how many rows of ``logits`` are states.
    """

    contigs: tuple[str, ...]
    contig: NDArray[np.int64]
    centre: NDArray[np.int64]
    logits: NDArray[np.float32]
    states: NDArray[np.int64]
    binary: NDArray[np.int64]
    continuous: NDArray[np.float32]
    number_of_states: int

    def __len__(self) -> int:
        return len(self.centre)

    @property
    def blocks(self) -> NDArray[np.int64]:
        """Index of each site's bootstrap block of :data:`BLOCK` bp, 0 to their number."""
        block = self.contig * (int(self.centre.max(initial=0)) // BLOCK + 1) + self.centre // BLOCK
        index: NDArray[np.int64] = np.unique(block, return_inverse=True)[1].astype(np.int64)
        return index

"""DNA shape from sequence, inside the network."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from chromputer_tracks.io.shape_table import COLUMNS

_MEMBERS = {
    "MGW": ("MGW",),
    "ProT": ("ProT",),
    "Roll": ("Roll1", "Roll2"),
    "HelT": ("HelT1", "HelT2"),
}
"""Feature to its columns: of a base, or of the steps before and after it."""


class DnaShape(nn.Module):
    """Shape features of each base from a pentamer table, as DNAshape computes them.

    Zhou et al. 2013 (doi:10.1093/nar/gkt437): groove width and propeller twist of a base are those
    of the pentamer around it; the roll or helix twist of a step is the mean of what the two
    pentamers around its bases say. A base gets the mean of its two steps, so that every feature
    reads the same on both strands. Features are standardised over the 1,024 pentamers; a pentamer
    with an N counts as 0, the mean.

    Args:
        table: float64 (1024, 6), from :func:`chromputer_tracks.io.shape_table.read_shape_table`.
        features: which of ``MGW``, ``ProT``, ``Roll``, ``HelT``, in this order.
    """

    table: Tensor
    MARGIN = 3
    """Bases lost at each end."""

    def __init__(self, table: NDArray[np.float64], features: tuple[str, ...]) -> None:
        super().__init__()
        columns = []
        for feature in features:
            members = table[:, [COLUMNS.index(name) for name in _MEMBERS[feature]]]
            # By the mean of a pentamer's one or two values: its spread is the feature's.
            scaled = (members - members.mean()) / members.mean(axis=1).std()
            before, after = scaled[:, 0], scaled[:, -1]
            nothing = np.zeros(len(table))
            # What a base takes from the pentamers around the base before it, itself, and the next.
            if len(_MEMBERS[feature]) == 1:
                columns += [nothing, before, nothing]
            else:
                columns += [after / 4, (before + after) / 4, before / 4]
        stacked = np.stack(columns, axis=1).astype(np.float32)
        self.register_buffer("table", torch.from_numpy(stacked))

    def forward(self, sequence: Tensor) -> Tensor:
        """One-hot (n, 4, L) -> (n, features, L - 6)."""
        # Sums and products of small whole numbers, not a convolution: exact at any precision.
        code = (sequence[:, 1] + 2 * sequence[:, 2] + 3 * sequence[:, 3]).long()
        known = sequence.sum(1)
        index, complete = code[:, :-4], known[:, :-4]
        for offset in range(1, 5):
            # Ends counted from the right: the exporter cannot tell the length of others.
            end = offset - 4 or None
            index = index * 4 + code[:, offset:end]
            complete = complete * known[:, offset:end]
        found = self.table[index] * complete.unsqueeze(2)  # (n, L - 4, 3 * features)
        n, length, _ = found.shape
        parts = found.view(n, length, -1, 3)
        summed = parts[:, :-2, :, 0] + parts[:, 1:-1, :, 1] + parts[:, 2:, :, 2]
        return summed.transpose(1, 2)

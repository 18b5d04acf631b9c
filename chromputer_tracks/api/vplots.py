"""V-plots as arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.api.inputs import place
from chromputer_tracks.data.vplot import DEFAULT_BIN, DEFAULT_LENGTH_EDGES
from chromputer_tracks.data.vplot import vplot as count_vplot
from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.fragment_store import FragmentStore


def vplot(
    fragments: FragmentStore,
    interval: Interval | str,
    *,
    bin_size: int = DEFAULT_BIN,
    length_edges: tuple[int, ...] = DEFAULT_LENGTH_EDGES,
) -> NDArray[np.float32]:
    """Count an interval's fragments by length and position of their midpoint.

    Args:
        fragments: from ``open_fragments``.
        interval: an ``Interval``, which may leave its contig, or text such as ``chrI:1,001-2,000``.
        bin_size: bp per position, at least 1; it divides the interval's length.
        length_edges: bp, ascending; row i counts ``edges[i] <= length < edges[i + 1]``.

    Returns:
        float32 (len(length_edges) - 1, len(interval) / bin_size), not normalised.

    Raises:
        InputError: the bin does not divide the interval, the edges do not ascend, or the fragments
            are not open.
        ContigError: the contig is unknown.
    """
    if not isinstance(fragments, FragmentStore):
        raise InputError(
            "fragments: give what open_fragments returns, not an object of type "
            f"{type(fragments).__name__}"
        )
    where = place(interval, fragments.sizes, "interval")
    if bin_size < 1 or len(where) % bin_size:
        raise InputError(
            f"{where} is {len(where):,} bp, which is not a multiple of bins of {bin_size} bp"
        )
    if len(length_edges) < 2 or any(np.diff(length_edges) <= 0):
        raise InputError(f"length_edges must be at least two that ascend, got {length_edges}")
    midpoints, lengths = fragments.midpoints(where)
    return count_vplot(midpoints, lengths, where, bin_size, length_edges)

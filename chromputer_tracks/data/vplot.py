"""V-plots: fragments as an image, midpoint position by fragment length.

After Henikoff et al. 2011 (doi:10.1073/pnas.1110731108): each fragment adds one count to the pixel
of its midpoint's position bin and its length class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.intervals import Interval

DEFAULT_BIN = 10
"""bp per position bin."""

# Sub-nucleosomal lengths in steps of 20, mono-nucleosomal (147 bp of DNA and its linkers) in steps
# of 20, then the troughs and the di-nucleosome in wider steps, as counts fall.
DEFAULT_LENGTH_EDGES = (
    20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 220, 250, 300, 350, 420, 500, 700,
)  # fmt: skip
"""Fragment-length class edges in bp."""


def vplot(
    midpoints: NDArray[np.integer],
    lengths: NDArray[np.integer],
    interval: Interval,
    bin_size: int = DEFAULT_BIN,
    length_edges: tuple[int, ...] = DEFAULT_LENGTH_EDGES,
) -> NDArray[np.float32]:
    """Count fragments by length class and midpoint bin.

    Args:
        midpoints: int (n,), bp, 0-based: ``(start + end) // 2`` of each fragment.
        lengths: int (n,), bp: ``end - start`` of each fragment.
        interval: the image's extent; its length is a multiple of ``bin_size``. Fragments whose
            midpoint lies outside, or whose length lies outside the edges, are not counted.
        bin_size: bp per position bin; bins are counted from ``interval.start``.
        length_edges: ascending; class i holds ``edges[i] <= length < edges[i + 1]``.

    Returns:
        float32 (len(length_edges) - 1, len(interval) / bin_size): counts.
    """
    width = len(interval) // bin_size
    height = len(length_edges) - 1
    rows = np.searchsorted(np.asarray(length_edges), lengths, side="right") - 1
    columns = (midpoints - interval.start) // bin_size
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    flat = rows[inside] * width + columns[inside]
    counts = np.bincount(flat, minlength=height * width)
    return counts.reshape(height, width).astype(np.float32)

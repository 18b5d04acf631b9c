"""The windows over which first-layer filters are looked at: each place of the genome counted once.

Windows around sites overlap where sites are near each other. So that no stretch of the genome
counts twice, every base belongs to one window: the one whose centre is nearest, the left one of two
as near.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.intervals import Interval

Arrays = dict[str, NDArray[np.float32]]

BATCH = 16
"""Windows whose arrays and activations are held at once."""


class ArraySource(Protocol):
    """Where input arrays come from; :class:`chromputer_tracks.data.features.Features` is one."""

    def arrays(self, interval: Interval) -> Arrays:
        """Input name to float32 (channels, len(interval) / bin)."""


def distinct_windows(windows: Iterable[Interval]) -> list[Interval]:
    """The windows in sorted order, each once."""
    return sorted(set(windows))


def owned_ranges(windows: Sequence[Interval]) -> NDArray[np.int64]:
    """The bases that each window owns, so that every base of their union has one owner.

    Args:
        windows: sorted, distinct, of one length.

    Returns:
        int64 (n, 2): start and end of each window's own part, bp, 0-based, half-open, inside it.
        A base belongs to the window whose ``centre`` is nearest to it, on ties to the left one.
    """
    ranges = np.array([(item.start, item.end) for item in windows], dtype=np.int64).reshape(-1, 2)
    for left in range(len(windows) - 1):
        one, other = windows[left], windows[left + 1]
        if one.chrom == other.chrom and other.start < one.end:
            # The first base that is nearer to the right window's centre.
            border = (one.centre + other.centre) // 2 + 1
            ranges[left, 1] = ranges[left + 1, 0] = border
    return ranges


def window_batches(
    features: ArraySource, windows: Sequence[Interval], batch: int = BATCH
) -> Iterator[tuple[slice, Arrays]]:
    """Input arrays of consecutive windows.

    Args:
        features: makes them.
        windows: of one length.
        batch: windows at once.

    Yields:
        which windows, and input name to float32 (n, channels, positions).
    """
    for first in range(0, len(windows), batch):
        part = slice(first, min(first + batch, len(windows)))
        made = []
        for interval in windows[part]:
            try:
                made.append(features.arrays(interval))
            except Exception as error:
                error.add_note(f"while making the input of {interval}")
                raise
        yield part, {name: np.stack([arrays[name] for arrays in made]) for name in made[0]}

"""1D signals: cut sites, coverage and midpoints of fragments, and values of a bigWig, by bin."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.intervals import Interval
from chromputer_tracks.spec import InputSpec

Pair = tuple[NDArray[np.int32], NDArray[np.int32]]


class FragmentSignalSource(Protocol):
    """Where fragments come from; ``io.fragment_store.FragmentStore`` is one."""

    def fetch(self, interval: Interval) -> Pair:
        """Starts and ends (bp, 0-based, half-open) of the fragments that overlap the interval."""

    def midpoints(self, interval: Interval) -> Pair:
        """Midpoints (bp, 0-based) and lengths of the fragments whose midpoint is inside."""


class ValueSource(Protocol):
    """Where values come from; ``io.bigwig_source.BigWigSource`` is one."""

    def means(self, interval: Interval, bin_size: int) -> NDArray[np.float64]:
        """Mean per bp of each bin, 0 beyond the contig's ends."""


def fragment_signal(
    source: FragmentSignalSource, interval: Interval, item: InputSpec
) -> NDArray[np.float32]:
    """A signal computed from fragments.

    A bin's value is the same in every interval: a smoothed one takes in what lies beyond the ends.

    Args:
        source: fragments.
        interval: may leave its contig, beyond whose ends there is nothing; its length is a
            multiple of ``item.bin``, and bins are counted from its start.
        item: a ``signal`` whose measure is ``cuts``: the first and last base of each fragment,
            ``coverage``: all bases of each fragment, or ``midpoints``. Only fragments with
            ``length_edges[0] <= length < length_edges[1]`` count where it has edges.

    Returns:
        float32 (len(interval) / item.bin,): mean per bp of each bin, over ``item.smooth`` bp
        around its centre where that is not 0.
    """
    wide = _widened(interval, item)
    match item.measure:
        case "midpoints":
            points, lengths = source.midpoints(wide)
            counts = _points(points[_of_length(lengths, item)], wide, item.bin)
        case "cuts":
            starts, ends = _fetch(source, wide, item)
            counts = _points(np.concatenate([starts, ends - 1]), wide, item.bin)
        case _:
            counts = _overlaps(*_fetch(source, wide, item), wide, item.bin)
    return (_box(counts, item) / item.bin).astype(np.float32)


def bigwig_signal(source: ValueSource, interval: Interval, item: InputSpec) -> NDArray[np.float32]:
    """A signal read from a bigWig; see :func:`fragment_signal`.

    Args:
        source: values.
        interval: may leave its contig, beyond whose ends the value is 0.
        item: a ``signal`` whose measure is ``values``.

    Returns:
        float32 (len(interval) / item.bin,): mean per bp of each bin, smoothed.
    """
    return _box(source.means(_widened(interval, item), item.bin), item).astype(np.float32)


def _widened(interval: Interval, item: InputSpec) -> Interval:
    """With the bins on each side that smoothing reads."""
    flank = item.smooth // item.bin // 2 * item.bin
    return Interval(interval.chrom, interval.start - flank, interval.end + flank)


def _of_length(lengths: NDArray[np.int32], item: InputSpec) -> NDArray[np.bool_]:
    if not item.length_edges:
        return np.ones(len(lengths), dtype=np.bool_)
    low, high = item.length_edges
    return (lengths >= low) & (lengths < high)


def _fetch(source: FragmentSignalSource, interval: Interval, item: InputSpec) -> Pair:
    starts, ends = source.fetch(interval)
    kept = _of_length(ends - starts, item)
    return starts[kept], ends[kept]


def _points(positions: NDArray[np.int32], interval: Interval, bin_size: int) -> NDArray[np.float64]:
    """Number of positions in each bin."""
    inside = (positions >= interval.start) & (positions < interval.end)
    bins = (positions[inside] - interval.start) // bin_size
    return np.bincount(bins, minlength=len(interval) // bin_size).astype(np.float64)


def _overlaps(
    starts: NDArray[np.int32], ends: NDArray[np.int32], interval: Interval, bin_size: int
) -> NDArray[np.float64]:
    """Sum over each bin's bases of the number of fragments over the base.

    All fragments overlap the interval. The fragments over a base are those begun by then less
    those ended by then.
    """
    width = len(interval)
    begun = np.bincount(np.maximum(starts - interval.start, 0), minlength=width)
    ended = np.bincount(np.minimum(ends - interval.start, width), minlength=width + 1)[:width]
    depth = np.cumsum(begun - ended, dtype=np.float64)
    return np.asarray(depth.reshape(-1, bin_size).sum(axis=1))


def _box(values: NDArray[np.float64], item: InputSpec) -> NDArray[np.float64]:
    """Mean over the ``item.smooth`` bp around each bin but the widening ones, which are cut off.

    Added up one offset at a time: each bin's sum rounds in the same way wherever it stands.
    """
    bins = max(item.smooth // item.bin, 1)
    width = len(values) - bins + 1
    total = values[:width].copy()
    for offset in range(1, bins):
        total += values[offset : offset + width]
    return total / bins

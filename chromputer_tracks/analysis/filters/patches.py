"""V-plot and signal filters of the first layer: the input patches that activate them most.

A V-plot filter reads 3 length classes and, as the V-plot is averaged over 5 positions first, 11
positions; a signal's filter reads 11 positions. Its pattern is the mean of the :data:`TOP` patches
with the largest activations. (Half of the maximum, as for sequence filters, would leave the few
patches of the genome's deepest place, such as the rDNA: counts have no upper bound.) Neighbouring
patches see nearly the same fragments, so that only the highest one counts: no other within half a
patch of it, up, down, left or right, has a larger activation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.inference.explain import FirstLayer
from chromputer_tracks.intervals import Interval
from chromputer_tracks.spec import InputSpec

TOP = 300
"""Patches of which a filter's pattern is the mean."""

_BOX = 5
"""Positions over which a V-plot is averaged before its filters read it."""


@dataclass(frozen=True, slots=True, eq=False)
class PatchLayer:
    """What the first layer computes from a V-plot or a signal: ``relu(kernel * patch + bias)``.

    Attributes:
        kernel: float32 (filters, rows, span), with the averaging over positions in it: rows are
            length classes around a patch's own (1 for a signal), span is in positions; both odd.
        bias: float32 (filters,).
        bin: bp per position.
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    bin: int

    @classmethod
    def of(cls, layer: FirstLayer, item: InputSpec) -> PatchLayer:
        """The layer of a V-plot or signal.

        Args:
            layer: of the model.
            item: the input that it reads.
        """
        box = _BOX if item.kind == "vplot" else 1
        bias = layer.scale * layer.bias + layer.shift
        kernel = smoothed_kernel(layer.weight, box) * layer.scale[:, None, None]
        return cls(kernel, bias, item.bin)

    @property
    def filters(self) -> int:
        """How many there are."""
        return len(self.kernel)

    @property
    def rows(self) -> int:
        """Length classes that a filter reads."""
        return int(self.kernel.shape[1])

    @property
    def span(self) -> int:
        """Positions that a filter reads."""
        return int(self.kernel.shape[2])


def smoothed_kernel(weight: NDArray[np.float32], box: int) -> NDArray[np.float32]:
    """A filter that reads means of ``box`` positions, as one that reads the positions themselves.

    Args:
        weight: float32 (filters, rows, width).
        box: positions of which the mean is taken first; 1 for none.

    Returns:
        float32 (filters, rows, width + box - 1).
    """
    width = weight.shape[2]
    kernel = np.zeros((*weight.shape[:2], width + box - 1), dtype=np.float32)
    for offset in range(box):
        kernel[:, :, offset : offset + width] += weight / np.float32(box)
    return kernel


def patch_activations(layer: PatchLayer, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Activation of each filter at each length class and position.

    Args:
        layer: the filters.
        images: float32 (n, lengths, positions); beyond the shortest and the longest length class
            there is nothing.

    Returns:
        float32 (n, lengths, positions - span + 1, filters), at least 0.
    """
    edge = layer.rows // 2
    padded = np.pad(images, ((0, 0), (edge, edge), (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (layer.rows, layer.span), (1, 2))
    n, lengths, positions = patches.shape[:3]
    flat = patches.reshape(n * lengths * positions, layer.rows * layer.span)
    found = flat @ layer.kernel.reshape(layer.filters, -1).T + layer.bias
    values: NDArray[np.float32] = np.maximum(found, 0).reshape(n, lengths, positions, -1)
    return values


@dataclass(frozen=True, slots=True, eq=False)
class TopPatches:
    """The patches that activate a filter most; none for one that was never active.

    Attributes:
        activation: float32 (n,), descending, above 0.
        window: int64 (n,), index of the window that the patch lies in.
        position: int64 (n,), the patch's first position in its window.
        length: int64 (n,), its middle length class; 0 for a signal.
        patch: float32 (n, rows, span), what the filter reads (normalised values); rows beyond the
            shortest and the longest length class are 0.
        context: float32 (n, lengths, span), all length classes at its positions.
    """

    activation: NDArray[np.float32]
    window: NDArray[np.int64]
    position: NDArray[np.int64]
    length: NDArray[np.int64]
    patch: NDArray[np.float32]
    context: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.activation)

    @classmethod
    def none(cls, layer: PatchLayer, lengths: int) -> TopPatches:
        """Of a filter that was never active."""
        nothing = np.zeros(0, np.int64)
        return cls(
            np.zeros(0, np.float32),
            nothing,
            nothing,
            nothing,
            np.zeros((0, layer.rows, layer.span), np.float32),
            np.zeros((0, lengths, layer.span), np.float32),
        )

    def join(self, more: TopPatches, number: int) -> TopPatches:
        """The ``number`` highest of both; of equals those that come first."""
        parts = [
            np.concatenate([getattr(self, name), getattr(more, name)])
            for name in TopPatches.__slots__
        ]
        order = np.argsort(-parts[0], kind="stable")[:number]
        return TopPatches(*(part[order] for part in parts))

    def interval(self, row: int, windows: Sequence[Interval], layer: PatchLayer) -> Interval:
        """Where a patch lies."""
        place = windows[self.window[row]]
        start = place.start + int(self.position[row]) * layer.bin
        return Interval(place.chrom, start, start + layer.span * layer.bin)


@dataclass(frozen=True, slots=True, eq=False)
class FilterPatches:
    """What activates the filters of a layer.

    Attributes:
        active: int64 (filters,), pixels with an activation above 0.
        pixels: pixels looked at, of all windows together.
        top: of each filter, its most activating patches, the highest first.
    """

    active: NDArray[np.int64]
    pixels: int
    top: tuple[TopPatches, ...]


class PatchScan:
    """Finds the patterns of a layer; :meth:`add` sees all windows, :meth:`result` is then asked.

    Memory is bounded by the batch and :data:`TOP`.

    Args:
        layer: the filters.
        lengths: length classes of the input, 1 for a signal.
        top: patches of which a pattern is the mean.
    """

    def __init__(self, layer: PatchLayer, lengths: int, top: int = TOP) -> None:
        self._layer = layer
        self._number = top
        self._active = np.zeros(layer.filters, dtype=np.int64)
        self._pixels = 0
        self._top = [TopPatches.none(layer, lengths)] * layer.filters

    def add(
        self,
        images: NDArray[np.float32],
        windows: Sequence[Interval],
        owned: NDArray[np.int64],
        first: int = 0,
    ) -> None:
        """Look at the next windows.

        Args:
            images: float32 (n, lengths, positions).
            windows: the n windows.
            owned: int64 (n, 2), from :func:`~.filters.windows.owned_ranges`: a patch counts in the
                window that owns the first base of its middle position.
            first: index of the first of these windows among all.
        """
        layer = self._layer
        values = patch_activations(layer, images)
        self._active += (values > 0).sum(axis=(0, 1, 2))
        self._pixels += values[..., 0].size
        # What a full list already beats is not looked at.
        least = np.array(
            [top.activation[-1] if len(top) == self._number else 0 for top in self._top],
            dtype=np.float32,
        )
        hits = np.stack(np.nonzero(values > least))
        middle = np.array([item.start for item in windows], dtype=np.int64)[hits[0]]
        middle += (hits[2] + layer.span // 2) * layer.bin
        inside = (middle >= owned[hits[0], 0]) & (middle < owned[hits[0], 1])
        hits = hits[:, inside]
        hits = hits[:, _highest(values, hits, (layer.rows // 2, layer.span // 2))]
        for item in np.unique(hits[3]):
            found = _cut(layer, images, values, hits[:, hits[3] == item], self._number)
            moved = replace(found, window=found.window + first)
            self._top[item] = self._top[item].join(moved, self._number)

    def result(self) -> FilterPatches:
        """What was found."""
        return FilterPatches(self._active, self._pixels, tuple(self._top))


def _cut(
    layer: PatchLayer,
    images: NDArray[np.float32],
    values: NDArray[np.float32],
    hits: NDArray[np.int64],
    number: int,
) -> TopPatches:
    """The ``number`` highest of one filter's hits, with their patches."""
    order = np.argsort(-values[tuple(hits)], kind="stable")[:number]
    window, length, position, _ = best = hits[:, order]
    edge = layer.rows // 2
    padded = np.pad(images, ((0, 0), (edge, edge), (0, 0)))
    column = (position[:, None] + np.arange(layer.span))[:, None, :]
    rows = (length[:, None] + np.arange(layer.rows))[:, :, None]
    every = np.arange(images.shape[1])[None, :, None]
    at = window[:, None, None]
    return TopPatches(
        values[tuple(best)],
        window,
        position,
        length,
        padded[at, rows, column],
        images[at, every, column],
    )


def _highest(
    values: NDArray[np.float32], hits: NDArray[np.int64], reach: tuple[int, int]
) -> NDArray[np.bool_]:
    """Which hits have no larger neighbour; the first of equal ones stays.

    Args:
        values: float32 (n, lengths, positions, filters).
        hits: int64 (4, hits), indices into ``values``, in ascending order.
        reach: length classes and positions to each side that are neighbours.

    Returns:
        bool (hits,).
    """
    window, length, position, item = hits
    own = values[window, length, position, item]
    kept = np.ones(len(own), dtype=np.bool_)
    for down in range(-reach[0], reach[0] + 1):
        for right in range(-reach[1], reach[1] + 1):
            row, column = length + down, position + right
            there = (row >= 0) & (row < values.shape[1])
            there &= (column >= 0) & (column < values.shape[2])
            row, column = np.where(there, row, 0), np.where(there, column, 0)
            other = np.where(there, values[window, row, column, item], -1)
            kept &= other < own if (down, right) < (0, 0) else other <= own
    return kept

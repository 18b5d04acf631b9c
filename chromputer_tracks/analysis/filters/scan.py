"""What activates a model's first layers, scanned over windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import reverse_complement
from chromputer_tracks.inference.explain import FirstLayer
from chromputer_tracks.inference.genome import Arrays, ArraySource
from chromputer_tracks.intervals import Interval
from chromputer_tracks.spec import InputSpec, ModelSpec

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

# ---- The windows to scan: each place of the genome counted once.

BATCH = 16
"""Windows whose arrays and activations are held at once."""


def owned_ranges(windows: Sequence[Interval]) -> Int64:
    """The bases that each window owns, so that every base of their union has one owner.

    A base belongs to the window whose ``centre`` is nearest to it, on ties to the left one. Windows
    are sorted, distinct, of one length.

    Returns:
        int64 (n, 2): start and end of each window's own part, bp, 0-based, half-open, inside it.
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
    """Input arrays of consecutive windows of one length, some at a time.

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


# ---- V-plot and signal filters of the first layer: the input patches that activate them most.

# A V-plot filter reads 3 length classes and, as the V-plot is averaged over 5 positions first, 11
# positions; a signal's filter reads 11 positions. Its pattern is the mean of the TOP patches with
# the largest activations. (Half of the maximum, as for sequence filters, would leave the few
# patches of the genome's deepest place, such as the rDNA: counts have no upper bound.) Neighbouring
# patches see nearly the same fragments, so that only the highest one counts: no other within half a
# patch of it, up, down, left or right, has a larger activation.

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

    kernel: Float32
    bias: Float32
    bin: int

    @classmethod
    def of(cls, layer: FirstLayer, item: InputSpec) -> PatchLayer:
        """The layer that reads an input, a V-plot or a signal."""
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


def smoothed_kernel(weight: Float32, box: int) -> Float32:
    """Filters that read means of ``box`` positions, as ones that read the positions themselves.

    float32 (filters, rows, width) becomes (filters, rows, width + box - 1).
    """
    width = weight.shape[2]
    kernel = np.zeros((*weight.shape[:2], width + box - 1), dtype=np.float32)
    for offset in range(box):
        kernel[:, :, offset : offset + width] += weight / np.float32(box)
    return kernel


def patch_activations(layer: PatchLayer, images: Float32) -> Float32:
    """Activation of each filter at each length class and position.

    Images are float32 (n, lengths, positions); beyond the shortest and the longest length class
    there is nothing. The result, at least 0, is float32 (n, lengths, positions - span + 1,
    filters).
    """
    edge = layer.rows // 2
    padded = np.pad(images, ((0, 0), (edge, edge), (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (layer.rows, layer.span), (1, 2))
    n, lengths, positions = patches.shape[:3]
    flat = patches.reshape(n * lengths * positions, layer.rows * layer.span)
    found = flat @ layer.kernel.reshape(layer.filters, -1).T + layer.bias
    values: Float32 = np.maximum(found, 0).reshape(n, lengths, positions, -1)
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

    activation: Float32
    window: Int64
    position: Int64
    length: Int64
    patch: Float32
    context: Float32

    def __len__(self) -> int:
        return len(self.activation)

    @classmethod
    def none(cls, layer: PatchLayer, lengths: int) -> TopPatches:
        """No patches, as a filter has that was never active."""
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
        pixels: how many were looked at, of all windows together.
        top: most activating patches of each filter, the highest first.
    """

    active: Int64
    pixels: int
    top: tuple[TopPatches, ...]


class PatchScan:
    """Finds the patterns of a layer; :meth:`add` sees all windows, :meth:`result` is then asked.

    Memory is bounded by the batch and by ``top``, the patches of which a pattern is the mean.
    ``lengths`` are the input's length classes, 1 for a signal.
    """

    def __init__(self, layer: PatchLayer, lengths: int, top: int = TOP) -> None:
        self._layer = layer
        self._number = top
        self._active = np.zeros(layer.filters, dtype=np.int64)
        self._pixels = 0
        self._top = [TopPatches.none(layer, lengths)] * layer.filters

    def add(
        self, images: Float32, windows: Sequence[Interval], owned: Int64, first: int = 0
    ) -> None:
        """Look at the next windows, of which the first has the index ``first`` among all.

        Images are float32 (n, lengths, positions). A patch counts in the window that owns the first
        base of its middle position, by ``owned``, int64 (n, 2), from :func:`owned_ranges`.
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
    layer: PatchLayer, images: Float32, values: Float32, hits: Int64, number: int
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


def _highest(values: Float32, hits: Int64, reach: tuple[int, int]) -> NDArray[np.bool_]:
    """Which hits have no larger neighbour, bool (hits,); the first of equal ones stays.

    Values are float32 (n, lengths, positions, filters), hits int64 (4, hits), indices into them in
    ascending order; ``reach`` are the length classes and positions to each side that are
    neighbours.
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


# ---- Sequence filters of the first layer as motifs: counts of what activates them most.

# A filter reads both strands; the larger match of the two and of 10 consecutive positions is taken,
# and ``relu(scale * match + shift)`` is its activation. A match on the other strand is turned round
# before it is counted. Subsequences count as in DeepBind (doi:10.1038/nbt.3300) and Basset
# (doi:10.1101/gr.200535.115), by :data:`SHARE`.

POOL = 10
"""Consecutive positions of which the layer takes the best match."""
SHARE = 0.5
"""A subsequence counts when its activation is above this share of the filter's maximum."""

_BASES = 4
_ROWS = 20_000
"""Subsequences that are cut out at once."""


@dataclass(frozen=True, slots=True, eq=False)
class MotifLayer:
    """What the first layer computes from bases.

    Attributes:
        weight: float32 (filters, 4, width); the match of a subsequence is the sum of the weights
            of its bases, 0 at N.
        scale: float32 (filters,), that the best match is multiplied by.
        shift: float32 (filters,), that is added to it.
        margin: bp from a window's start to the first base that is read.
    """

    weight: Float32
    scale: Float32
    shift: Float32
    margin: int

    @classmethod
    def of(cls, layer: FirstLayer, stride: int) -> MotifLayer:
        """What a model's first layer computes from its 4 first rows, the bases.

        Shape that the filters read beside the bases is taken to be average, which is 0. The stride
        says where the layer begins to read.
        """
        width = layer.weight.shape[2]
        shift = layer.scale * layer.bias + layer.shift
        return cls(layer.weight[:, :_BASES], layer.scale, shift, (stride - width + 1) // 2)

    @property
    def filters(self) -> int:
        """How many there are."""
        return len(self.weight)

    @property
    def width(self) -> int:
        """Bases that a filter reads."""
        return int(self.weight.shape[2])


@dataclass(frozen=True, slots=True)
class FilterMatch:
    """A filter's best match: the subsequence as the filter reads it, and where it lies."""

    interval: Interval
    strand: str
    sequence: str


@dataclass(frozen=True, slots=True, eq=False)
class FilterMotifs:
    """What activates the filters of a layer.

    Attributes:
        maximum: float32 (filters,), the largest activation over all windows; 0: never active.
        active: int64 (filters,), 10-bp positions with an activation above 0.
        positions: 10-bp positions looked at, of all windows together.
        counts: int64 (filters, 4, width): bases A, C, G, T of the subsequences whose activation is
            above :data:`SHARE` of the maximum, as the filter reads them. N adds to no base.
        subsequences: int64 (filters,), how many these are.
        best: for each filter, the match with the largest activation, the first of equals; None for
            a filter that was never active.
    """

    maximum: Float32
    active: Int64
    positions: int
    counts: Int64
    subsequences: Int64
    best: tuple[FilterMatch | None, ...]


def match_scores(layer: MotifLayer, bases: Float32) -> Float32:
    """Match of every subsequence on either strand, where the layer reads.

    Bases are float32 (n, 4, L), one-hot, all 0 at N.

    Returns:
        float32 (n, cells, 10, 2, filters): for each 10-bp position, the matches of the subsequences
        that begin at its 10 bases, forward and on the other strand.
    """
    read = bases[:, :, layer.margin : bases.shape[2] - layer.margin]
    n, cells = len(read), (read.shape[2] - layer.width + 1) // POOL
    patches = np.lib.stride_tricks.sliding_window_view(read, layer.width, axis=2)
    # (n, 4, positions, width) -> (n * positions, 4 * width)
    flat = patches[:, :, : cells * POOL].transpose(0, 2, 1, 3).reshape(n * cells * POOL, -1)
    both = np.concatenate([layer.weight, reverse_complement(layer.weight)])
    found: Float32 = flat @ both.reshape(2 * layer.filters, -1).T
    return found.reshape(n, cells, POOL, 2, layer.filters)


def activations(layer: MotifLayer, found: Float32) -> Float32:
    """What the layer gives, of :func:`match_scores`: float32 (n, cells, filters), at least 0."""
    best: Float32 = found.max(axis=(2, 3)) * layer.scale + layer.shift
    return np.maximum(best, 0)


class MotifScan:
    """Finds the motifs of a layer in two passes over the same windows.

    First :meth:`measure` sees all windows, then :meth:`count` does, then :meth:`result` may be
    asked. Memory is bounded by the batch.
    """

    def __init__(self, layer: MotifLayer) -> None:
        self._layer = layer
        filters, width = layer.filters, layer.width
        self._maximum = np.zeros(filters, dtype=np.float32)
        self._active = np.zeros(filters, dtype=np.int64)
        self._positions = 0
        self._counts = np.zeros((filters, _BASES, width), dtype=np.int64)
        self._subsequences = np.zeros(filters, dtype=np.int64)
        self._best: list[FilterMatch | None] = [None] * filters
        self._best_value = np.zeros(filters, dtype=np.float32)

    def measure(self, bases: Float32) -> None:
        """First pass: the largest activation of each filter.

        Bases are float32 (n, 4, window), one-hot.
        """
        values = activations(self._layer, match_scores(self._layer, bases))
        np.maximum(self._maximum, values.max(axis=(0, 1)), out=self._maximum)
        self._active += (values > 0).sum(axis=(0, 1))
        self._positions += values.shape[0] * values.shape[1]

    def count(self, bases: Float32, windows: Sequence[Interval], owned: Int64) -> None:
        """Second pass: count the subsequences above the threshold.

        Bases are float32 (n, 4, window), one-hot. A subsequence counts in the window that owns its
        middle base, by ``owned``, int64 (n, 2), from :func:`owned_ranges`.
        """
        layer = self._layer
        found = match_scores(layer, bases)
        values = activations(layer, found)
        window, cell, kind = np.nonzero(values > SHARE * self._maximum)
        # (hits, 2, 10): ties go to the forward strand, then to the left.
        choices = found[window, cell, :, :, kind].transpose(0, 2, 1).reshape(-1, 2 * POOL)
        strand, offset = np.divmod(choices.argmax(axis=1), POOL)
        first = layer.margin + cell * POOL + offset
        starts = np.array([item.start for item in windows], dtype=np.int64)
        middle = starts[window] + first + layer.width // 2
        inside = (middle >= owned[window, 0]) & (middle < owned[window, 1])
        strength = values[window, cell, kind][inside]
        window, kind, strand, first = (a[inside] for a in (window, kind, strand, first))
        span = np.arange(layer.width)
        for at in range(0, len(window), _ROWS):
            part = slice(at, at + _ROWS)
            cut = bases[window[part, None], :, first[part, None] + span].transpose(0, 2, 1)
            backward = strand[part] == 1
            cut[backward] = reverse_complement(cut[backward])
            for item in np.unique(kind[part]):
                rows = np.flatnonzero(kind[part] == item)
                self._counts[item] += cut[rows].sum(axis=0).astype(np.int64)
                self._subsequences[item] += len(rows)
                top = int(rows[strength[part][rows].argmax()])
                if strength[part][top] > self._best_value[item]:
                    self._best_value[item] = strength[part][top]
                    place = windows[window[part][top]]
                    begin = place.start + int(first[part][top])
                    self._best[item] = FilterMatch(
                        Interval(place.chrom, begin, begin + layer.width),
                        "-" if backward[top] else "+",
                        _letters(cut[top]),
                    )

    def result(self) -> FilterMotifs:
        """What was found."""
        return FilterMotifs(
            self._maximum,
            self._active,
            self._positions,
            self._counts,
            self._subsequences,
            tuple(self._best),
        )


def _letters(bases: Float32) -> str:
    """One-hot (4, L) to letters; N where no base is."""
    return "".join("ACGT"[int(column.argmax())] if column.any() else "N" for column in bases.T)


# ---- All first layers of a model scanned over the same windows.


def scan_layers(
    spec: ModelSpec,
    layers: Mapping[str, FirstLayer],
    features: ArraySource,
    windows: Sequence[Interval],
    progress: Callable[[int, int], None],
) -> tuple[FilterMotifs | None, dict[str, tuple[PatchLayer, FilterPatches]]]:
    """Find what activates the filters of every input.

    The sorted, distinct windows are gone through twice, as motifs are counted above half of a
    maximum that is known after the first time; once where the model reads no bases. ``progress`` is
    told the windows done, and how many there are in all.

    Returns:
        the motifs of the sequence's filters, None where no bases are read; layer and patterns of
        each V-plot and signal, by input name.
    """
    owned = owned_ranges(windows)
    motifs: MotifScan | None = None
    dna = ""
    patches: dict[str, tuple[PatchLayer, PatchScan]] = {}
    for item in spec.inputs:
        if item.kind != "sequence":
            layer = PatchLayer.of(layers[item.name], item)
            patches[item.name] = (layer, PatchScan(layer, item.channels))
        elif item.bases:
            dna, motifs = item.name, MotifScan(MotifLayer.of(layers[item.name], spec.stride))
    total = len(windows) * (1 + (motifs is not None))
    for part, arrays in window_batches(features, windows):
        if motifs is not None:
            motifs.measure(arrays[dna])
        for name, (_, scan) in patches.items():
            scan.add(arrays[name], windows[part], owned[part], part.start)
        progress(part.stop, total)
    if motifs is not None:
        for part, arrays in window_batches(features, windows):
            motifs.count(arrays[dna], windows[part], owned[part])
            progress(len(windows) + part.stop, total)
    found = {name: (layer, scan.result()) for name, (layer, scan) in patches.items()}
    return None if motifs is None else motifs.result(), found

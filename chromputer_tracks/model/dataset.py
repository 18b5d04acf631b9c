"""Stretches of genome with labels: random segments to train on, tiled sites to score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from chromputer_tracks.data.features import Features, reverse_strand
from chromputer_tracks.data.labels import UNKNOWN, LabelSet
from chromputer_tracks.intervals import ChromSizes, Grid, Interval


class Segment(NamedTuple):
    """A run of outputs.

    Attributes:
        chrom: contig.
        first: centre of the first output's window, bp, 0-based; any offset.
        outputs: number of outputs, a stride apart.
        reverse: take the other strand.
        uniform: drawn uniformly from the genome, so that the states head may learn from it.
    """

    chrom: str
    first: int
    outputs: int
    reverse: bool = False
    uniform: bool = True

    def centres(self, stride: int) -> NDArray[np.int64]:
        """Window centres, int64 (outputs,), bp, 0-based."""
        return self.first + stride * np.arange(self.outputs, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class SegmentConfig:
    """How training segments are drawn.

    Attributes:
        outputs: outputs per segment.
        balanced: segments around positives of a binary label, as a share of the uniform ones;
            the label is drawn first, each equally often (auxiliary ones, too), then one of its
            peaks.
        jitter: bp by which a balanced segment's middle may miss the peak, each side.
    """

    outputs: int = 48
    balanced: float = 0.75
    jitter: int = 900


class SegmentPlan(Sampler[Segment]):
    """Draws one epoch's segments: each site once, and balanced ones; fixed by seed and epoch.

    Args:
        sizes: the genome's contigs.
        contigs: training contigs.
        labels: where the positives and the sites are.
        stride: bp between outputs.
        config: how to draw.
        seed: of the whole run.
    """

    def __init__(
        self,
        sizes: ChromSizes,
        contigs: Sequence[str],
        labels: LabelSet,
        stride: int,
        config: SegmentConfig,
        seed: int,
    ) -> None:
        self._sizes, self._contigs, self._labels = sizes, tuple(contigs), labels
        self._stride, self._config, self._seed = stride, config, seed
        self._epoch = 0
        positives = [
            [(c, int(p)) for c in self._contigs for p in peaks.centres.get(c, ())]
            for peaks in labels.binary
        ]
        self._positives = [centres for centres in positives if centres]
        # Where sites are few, epochs differ by some segments; each gets the first one's number.
        self._length = len(self.segments(0))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose segments are drawn."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Segment]:
        return islice(cycle(self.segments(self._epoch)), self._length)

    def segments(self, epoch: int) -> list[Segment]:
        """The segments of an epoch, shuffled."""
        config = self._config
        rng = np.random.default_rng([self._seed, epoch])
        span = config.outputs * self._stride
        segments = []
        for chrom in self._contigs:
            # One segment more than fits, so that every base is reached whatever the offset.
            offset = -int(rng.integers(span))
            for index in range(-(-self._sizes[chrom] // span) + 1):
                first = offset + index * span
                segment = Segment(chrom, first, config.outputs, bool(rng.integers(2)))
                if self._labels.any_site(chrom, first, first + span):
                    segments.append(segment)
        balanced = round(len(segments) * config.balanced) if self._positives else 0
        for _ in range(balanced):
            centres = self._positives[rng.integers(len(self._positives))]
            chrom, centre = centres[rng.integers(len(centres))]
            first = centre + int(rng.integers(-config.jitter, config.jitter + 1)) - span // 2
            segments.append(Segment(chrom, first, config.outputs, bool(rng.integers(2)), False))
        return [segments[index] for index in rng.permutation(len(segments))]


def site_segments(
    sizes: ChromSizes, contigs: Sequence[str], label_bin: int, stride: int, sites: int = 128
) -> list[Segment]:
    """Segments that cover the whole ``label_bin`` bins of contigs, for scoring.

    The first output of each lies at a bin's centre, and every ``label_bin / stride``-th output
    after it, too.
    """
    step = label_bin // stride
    segments = []
    for chrom in contigs:
        bins = sizes[chrom] // label_bin
        for begin in range(0, bins, sites):
            count = min(sites, bins - begin)
            first = begin * label_bin + label_bin // 2
            segments.append(Segment(chrom, first, (count - 1) * step + 1))
    return segments


class SegmentDataset(Dataset[dict[str, Tensor]]):
    """Segments to arrays and labels; indexed by :class:`Segment`.

    Items: each input by name, float32 (channels, positions); ``states`` int64 (outputs,);
    ``binary`` int64 (labels, outputs); ``UNKNOWN`` where a label is missing.
    """

    def __init__(self, features: Features, labels: LabelSet, sizes: ChromSizes, grid: Grid) -> None:
        self._features, self._labels, self._sizes, self._grid = features, labels, sizes, grid

    def __getitem__(self, segment: Segment) -> dict[str, Tensor]:
        """Arrays and labels of one segment."""
        window, stride = self._grid.window, self._grid.stride
        centres = segment.centres(stride)
        start = segment.first - window // 2
        length = window + (segment.outputs - 1) * stride
        arrays = self._features.arrays(Interval(segment.chrom, start, start + length))
        states, binary = self._labels.at(segment.chrom, centres)
        outside = (centres < 0) | (centres >= self._sizes[segment.chrom])
        states[outside] = UNKNOWN
        binary[:, outside] = UNKNOWN
        if not segment.uniform:
            states[:] = UNKNOWN
        if segment.reverse:
            arrays = reverse_strand(self._features.inputs, arrays)
            states, binary = states[::-1].copy(), binary[:, ::-1].copy()
        item = {name: torch.from_numpy(array) for name, array in arrays.items()}
        item["states"] = torch.from_numpy(states)
        item["binary"] = torch.from_numpy(binary)
        return item

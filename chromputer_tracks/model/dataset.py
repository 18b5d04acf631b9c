"""Random segments of genome with labels to train on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle, islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from chromputer_tracks.data.features import Features, reverse_strand
from chromputer_tracks.data.labels import UNKNOWN, LabelSet, Segment
from chromputer_tracks.intervals import ChromSizes, Grid
from chromputer_tracks.model.config import SegmentConfig


class SegmentPlan(Sampler[Segment]):
    """Draws one epoch's segments: each site once, and balanced ones; fixed by seed and epoch.

    Args:
        sizes: the genome's contigs.
        contigs: training contigs.
        labels: labels of each training sample, with where the positives and the sites are.
        balanced: number of binary labels that segments are balanced over: the first ones.
        stride: bp between outputs.
        config: how to draw.
        seed: seed of the whole run.
    """

    def __init__(
        self,
        sizes: ChromSizes,
        contigs: Sequence[str],
        labels: Sequence[LabelSet],
        balanced: int,
        stride: int,
        config: SegmentConfig,
        seed: int,
    ) -> None:
        self._sizes, self._contigs, self._labels = sizes, tuple(contigs), labels
        self._stride, self._config, self._seed = stride, config, seed
        self._epoch = 0
        positives = [
            [
                (sample, chrom, int(centre))
                for sample, of in enumerate(labels)
                for chrom in self._contigs
                for centre in _learnable(of, row, chrom)
            ]
            for row in range(balanced)
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
        for sample, labels in enumerate(self._labels):
            for chrom in self._contigs:
                # One segment more than fits, so that every base is reached whatever the offset.
                offset = -int(rng.integers(span))
                for index in range(-(-self._sizes[chrom] // span) + 1):
                    first = offset + index * span
                    reverse = bool(rng.integers(2))
                    if labels.any_site(chrom, first, first + span):
                        segments.append(
                            Segment(chrom, first, config.outputs, reverse, sample=sample)
                        )
        balanced = round(len(segments) * config.balanced) if self._positives else 0
        for _ in range(balanced):
            centres = self._positives[rng.integers(len(self._positives))]
            sample, chrom, centre = centres[rng.integers(len(centres))]
            first = centre + int(rng.integers(-config.jitter, config.jitter + 1)) - span // 2
            reverse = bool(rng.integers(2))
            segments.append(Segment(chrom, first, config.outputs, reverse, False, sample))
        return [segments[index] for index in rng.permutation(len(segments))]


def _learnable(labels: LabelSet, row: int, chrom: str) -> NDArray[np.int64]:
    """Peak centres of a label that are neither masked nor off the sites."""
    peaks = labels.binary[row]
    nothing = np.empty(0, dtype=np.int64)
    centres = nothing if peaks is None else peaks.centres.get(chrom, nothing)
    kept = ~labels.masked.at(chrom, centres)
    if labels.sites is not None:
        kept &= labels.sites.at(chrom, centres)
    return centres[kept]


class SegmentDataset(Dataset[dict[str, Tensor]]):
    """Segments to arrays and labels; indexed by :class:`Segment`.

    Items: each input by name, float32 (channels, positions); ``states`` int64 (outputs,),
    ``binary`` int64 (labels, outputs), ``UNKNOWN`` where a label is missing; ``continuous``
    float32 (labels, outputs), NaN where it is.

    Args:
        features: what makes the arrays of each sample; segments name a sample by its index.
        labels: labels of each sample, in the same order.
        sizes: the genome's contigs.
        grid: where the outputs lie.
    """

    def __init__(
        self,
        features: Sequence[Features],
        labels: Sequence[LabelSet],
        sizes: ChromSizes,
        grid: Grid,
    ) -> None:
        self._features, self._labels, self._sizes, self._grid = features, labels, sizes, grid

    def __getitem__(self, segment: Segment) -> dict[str, Tensor]:
        """Arrays and labels of one segment."""
        centres = segment.centres(self._grid.stride)
        features = self._features[segment.sample]
        arrays = features.arrays(segment.span(self._grid))
        states, binary, continuous = self._labels[segment.sample].at(segment.chrom, centres)
        outside = (centres < 0) | (centres >= self._sizes[segment.chrom])
        states[outside] = UNKNOWN
        binary[:, outside] = UNKNOWN
        continuous[:, outside] = np.nan
        if not segment.uniform:
            states[:] = UNKNOWN
            continuous[:] = np.nan
        if segment.reverse:
            arrays = reverse_strand(features.inputs, arrays)
            states, binary = states[::-1].copy(), binary[:, ::-1].copy()
            continuous = continuous[:, ::-1].copy()
        item = {name: torch.from_numpy(array) for name, array in arrays.items()}
        item["states"] = torch.from_numpy(states)
        item["binary"] = torch.from_numpy(binary)
        item["continuous"] = torch.from_numpy(continuous)
        return item

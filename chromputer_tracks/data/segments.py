"""Stretches of genome in outputs of the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.intervals import ChromSizes


class Segment(NamedTuple):
    """A run of outputs.

    Attributes:
        chrom: contig.
        first: centre of the first output's window, bp, 0-based; any offset.
        outputs: number of outputs, a stride apart.
        reverse: take the other strand.
        uniform: drawn uniformly from the genome, so that the states and continuous heads may learn
            from it.
        sample: index of the sample.
    """

    chrom: str
    first: int
    outputs: int
    reverse: bool = False
    uniform: bool = True
    sample: int = 0

    def centres(self, stride: int) -> NDArray[np.int64]:
        """Window centres, int64 (outputs,), bp, 0-based."""
        return self.first + stride * np.arange(self.outputs, dtype=np.int64)


def site_segments(
    sizes: ChromSizes,
    contigs: Sequence[str],
    label_bin: int,
    stride: int,
    sample: int = 0,
    sites: int = 128,
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
            segments.append(Segment(chrom, first, (count - 1) * step + 1, sample=sample))
    return segments

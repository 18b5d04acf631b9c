"""What makes signals of samples of any depth comparable; see :class:`spec.Normalisation`."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.intervals import Interval
from chromputer_tracks.spec import Normalisation


class DepthSource(Protocol):
    """Whose coverage is measured; ``FragmentStore`` and ``BigWigSource`` are two."""

    @property
    def per_bp(self) -> float:
        """Coverage of one bp, genome-wide: fragments, or value of a bigWig; above 0."""

    def cumulative(self, chrom: str, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Coverage of the contig below each position, any position."""


def local_ratio(
    source: DepthSource,
    chrom_size: int,
    interval: Interval,
    bin_size: int,
    normalisation: Normalisation,
) -> NDArray[np.float32]:
    """Coverage around each bin relative to the sample's genome-wide mean.

    ``(n / density + prior) / (length + prior)``, with ``n`` the coverage of the box of
    ``background`` bp whose ``Interval.centre`` is that of the bin, cut at the contig's ends,
    ``length`` its bp after the cut, and ``density`` per bp. A bin so far outside of the contig
    that nothing of its box is left has ratio 1. A bin's ratio is the same in every interval.

    Args:
        source: of the coverage.
        chrom_size: bp of the interval's contig.
        interval: may leave its contig; its length is a multiple of ``bin_size``.
        bin_size: bp; bins are counted from the interval's start.
        normalisation: its ``background`` and ``prior`` are used.

    Returns:
        float32 (len(interval) / bin_size,), above 0; all 1 where ``background`` is 0.
    """
    background, prior = normalisation.background, normalisation.prior
    if not background:
        return np.ones(len(interval) // bin_size, dtype=np.float32)
    first = interval.start + bin_size // 2 - background // 2
    starts = first + np.arange(len(interval) // bin_size, dtype=np.int64) * bin_size
    low, high = np.clip((starts, starts + background), 0, chrom_size)
    below, upto = source.cumulative(interval.chrom, np.concatenate([low, high])).reshape(2, -1)
    ratio = ((upto - below) / source.per_bp + prior) / (high - low + prior)
    return np.asarray(ratio, dtype=np.float32)


def normalise(
    values: NDArray[np.float32],
    density: NDArray[np.float64],
    local: NDArray[np.float32] | None,
    normalisation: Normalisation,
) -> NDArray[np.float32]:
    """``transform(values * reference / density / local)``.

    Args:
        values: float32 (channels, bins), at least 0.
        density: float64 (channels,) or (1,), of the sample, in the unit of
            ``normalisation.reference``. Where it is 0 the result is 0.
        local: float32 (bins,), above 0, from :func:`local_ratio`; None: 1.
        normalisation: reference density and transform.

    Returns:
        float32 (channels, bins), a new array.
    """
    reference = np.asarray(normalisation.reference)
    shape = np.broadcast_shapes(reference.shape, density.shape)
    scale = np.divide(reference, density, out=np.zeros(shape), where=density > 0)
    scaled: NDArray[np.float32] = values * scale.astype(np.float32)[:, np.newaxis]
    if local is not None:
        scaled /= local
    match normalisation.transform:
        case "log1p":
            np.log1p(scaled, out=scaled)
        case "asinh":
            np.arcsinh(scaled, out=scaled)
        case "sqrt":
            np.sqrt(scaled, out=scaled)
        case "none":
            pass
    return scaled

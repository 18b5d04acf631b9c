"""What periods the lengths of fragments have: of free DNA, of nucleosomes, of the helix.

Fragments of ATAC-seq end in linkers and on the outside of nucleosomes. So their lengths have a peak
below 100 bp of DNA without nucleosome, peaks of DNA around one, two and more nucleosomes, and, as
Tn5 reaches DNA on a nucleosome where it faces outward, ripples of about 10 bp, a turn of the helix
(Buenrostro et al. 2013, doi:10.1038/nmeth.2688).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

FREE, MONO, DI, TRI = (20, 120), (110, 260), (270, 450), (450, 650)
"""bp between which the peaks are looked for: without nucleosome, around one, two, three."""
_SMOOTH, _TREND = 10.0, 60.0
"""Standard deviations in bp of what smooths the lengths, and of the trend that peaks rise above."""
_LEAST_PEAK, _LEAST_RISE = 200, 0.05
"""Fragments around a peak, and how far (natural logarithm) it rises above the trend."""
_RIPPLES = (40, 200)
"""bp between which ripples are looked for."""
PERIODS = (8.0, 13.0)
"""bp between which their period is looked for."""
_RIPPLE_TREND = 6.0
LEAST_RIPPLE = 12.0
"""Times the power of counting noise from which on ripples are there: noise has as much by chance
with a probability of e^-12 at any one period."""


@dataclass(frozen=True, slots=True)
class LengthPeaks:
    """Peaks of the distribution of fragment lengths, bp; None where there is none.

    Attributes:
        free: mode of fragments without a nucleosome.
        mono: where fragments around one nucleosome rise most above the trend.
        di: likewise, around two.
        tri: likewise, around three.
        ripple: period of the ripples.
        ripple_power: their power over that of counting noise.
    """

    free: int | None
    mono: int | None
    di: int | None
    tri: int | None
    ripple: float | None
    ripple_power: float


def length_peaks(counts: Int64) -> LengthPeaks:
    """Find the peaks and ripples.

    The peak without nucleosome is the highest of the counts smoothed by a Gaussian (10 bp), where
    it is higher than the ends of its range. Peaks around nucleosomes stand on a slope, so they are
    the local maxima of the logarithm of the smoothed counts over a trend of 60 bp, the highest in
    each range, of at least 0.05. Ripples are the period of 8 to 13 bp with most power in
    the counts of 40 to 200 bp over their trend of 6 bp.

    Args:
        counts: int64 (n,), fragments of 0, 1, ... bp; the last holds all longer ones, too.
    """
    values = counts[:-1].astype(np.float64)
    smooth = _smoothed(values, _SMOOTH)
    low, high = FREE
    top = low + int(smooth[low:high].argmax())
    edge = max(smooth[low], smooth[high - 1])
    free = top if smooth[top] > edge and _near(values, top) >= _LEAST_PEAK else None
    log = np.log(smooth + 1)
    above = log - _smoothed(log, _TREND)
    mono, di, tri = (_rise(above, values, span) for span in (MONO, DI, TRI))
    ripple, power = _ripple(values)
    found = ripple if power >= LEAST_RIPPLE else None
    return LengthPeaks(free, mono, di, tri, found, round(power, 1))


def _smoothed(values: Float64, deviation: float) -> Float64:
    """Smoothed by a Gaussian; the ends are mirrored."""
    reach = int(4 * deviation)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    padded = np.pad(values, reach, mode="reflect")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")


def _near(values: Float64, at: int) -> float:
    """Fragments within 10 bp."""
    return float(values[max(at - 10, 0) : at + 11].sum())


def _rise(above: Float64, values: Float64, span: tuple[int, int]) -> int | None:
    """The highest local maximum above the trend."""
    at = np.arange(*span)
    tops = at[(above[at] > above[at - 1]) & (above[at] >= above[at + 1])]
    enough = [int(top) for top in tops if _near(values, int(top)) >= _LEAST_PEAK]
    best = max(enough, key=lambda top: float(above[top]), default=None)
    return None if best is None or above[best] < _LEAST_RISE else best


def _ripple(values: Float64) -> tuple[float, float]:
    """Period of the ripples, bp, and their power over counting noise's."""
    low, high = _RIPPLES
    trend = np.maximum(_smoothed(values, _RIPPLE_TREND)[low:high], 1.0)
    wave = values[low:high] / trend - 1
    window = np.hanning(high - low)
    # A Poisson count over its mean has the variance 1 / mean.
    noise = float((window**2 / trend).sum())
    periods = np.arange(PERIODS[0], PERIODS[1] + 0.05, 0.1)
    angles = 2 * math.pi * np.arange(low, high) / periods[:, np.newaxis]
    power = np.abs((wave * window * np.exp(-1j * angles)).sum(axis=1)) ** 2 / noise
    best = int(power.argmax())
    return round(float(periods[best]), 1), float(power[best])

"""Colours of V-plot images: how values are drawn, smoothed and scaled."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, PowerNorm
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from chromputer_tracks.analysis.vplots.table import Quantity, VplotAxes

Float64 = NDArray[np.float64]

SMOOTH = 1.0
"""Pixels of the Gaussian that smooths an image unless another is asked for."""
NUCLEOSOME = 147
"""bp of DNA around a histone octamer; images have a line there."""

SIGNED_COLORS = (
    "#0a2f5c", "#124580", "#1f5e9f", "#2c7bb5", "#4897c5", "#74b0d4", "#a0c8e1", "#cbe0ed",
    "#f7f7f7", "#f9d7c0", "#f4b493", "#ea8f6b", "#db6a4c", "#c8433a", "#ac1c2e", "#870425",
    "#5f0a20",
)  # fmt: skip
"""Blue over white to red, each step as far from the next as any other in Oklab."""

_SEQUENTIAL = "magma"
_TOP, _SIGNED_TOP = 99.7, 99.0
"""Percentiles of all pixels at which a scale ends; signed values are near 0 in most pixels."""
_PLACES = (1 / 3, 2 / 3)
_NO_VALUE = "#c9ced4"


@dataclass(frozen=True, slots=True)
class VplotScale:
    """One colour scale for all images of a quantity.

    Attributes:
        quantity: what is drawn.
        top: where the scale ends, in values as drawn, above 0; a signed one begins at ``-top``.
    """

    quantity: Quantity
    top: float

    @classmethod
    def of(cls, quantity: Quantity, images: Iterable[Float64]) -> VplotScale:
        """The scale on which images, as :func:`drawn` gives them, can be compared."""
        pixels = np.concatenate([np.zeros(1), *(np.abs(image).ravel() for image in images)])
        pixels = pixels[np.isfinite(pixels)]
        top = float(np.percentile(pixels, _SIGNED_TOP if quantity.signed else _TOP)) or float(
            pixels.max()
        )
        return cls(quantity, top or 1.0)

    @property
    def norm(self) -> Normalize:
        """The same as matplotlib's norm."""
        if self.quantity.signed:
            return Normalize(-self.top, self.top, clip=True)
        return PowerNorm(self.quantity.gamma, 0, self.top, clip=True)

    @property
    def ticks(self) -> list[float]:
        """Round values for the scale's bar, in the unit that is shown."""
        top = self.top * self.quantity.factor
        if self.quantity.signed:
            half, whole = rounded_down(top / 2, 1), rounded_down(top, 2)
            return [-whole, -half, 0.0, half, whole]
        # Evenly spaced along the scale.
        inner = [rounded_down(top * place ** (1 / self.quantity.gamma), 1) for place in _PLACES]
        return [0.0, *inner, rounded_down(top, 2)]

    @property
    def colors(self) -> Colormap:
        """Perceptually even; grey where there is no value."""
        base = (
            LinearSegmentedColormap.from_list("signed", SIGNED_COLORS, 512)
            if self.quantity.signed
            else colormaps[_SEQUENTIAL]
        )
        found: Colormap = base.with_extremes(bad=_NO_VALUE)
        return found

    def draw_bar(self, axes: Axes, size: float = 7.5) -> None:
        """Fill axes with the scale, from left to right, with its numbers and unit.

        Args:
            axes: wider than high.
            size: of the text, points.
        """
        bar = axes.figure.colorbar(
            ScalarMappable(self.norm, self.colors), cax=axes, orientation="horizontal"
        )
        ticks = self.ticks
        bar.set_ticks(
            [tick / self.quantity.factor for tick in ticks],
            labels=[minus(f"{tick:g}") for tick in ticks],
        )
        bar.set_label(self.quantity.shown, fontsize=size, labelpad=2)
        axes.tick_params(labelsize=size, pad=2)
        bar.outline.set_visible(False)


def drawn(values: Float64, quantity: Quantity, axes: VplotAxes, sigma: float) -> Float64:
    """Values as they are drawn: densities for counts, smoothed.

    Args:
        values: float64 (lengths, positions); NaN where there is no value.
        quantity: one ``per_area`` is divided by each pixel's bp and bp of length.
        axes: of the image.
        sigma: pixels of the Gaussian that smooths along both axes; 0 for none. Pixels without a
            value stay without and do not count for others.

    Returns:
        float64, the shape of ``values``.
    """
    if quantity.per_area:
        values = values / (np.diff(np.asarray(axes.edges))[:, np.newaxis] * axes.bin)
    if not sigma:
        return values
    known = np.isfinite(values)
    if known.all():
        smooth: Float64 = gaussian_filter(values, sigma, mode="nearest")
        return smooth
    sums = gaussian_filter(np.where(known, values, 0.0), sigma, mode="nearest")
    weights = gaussian_filter(known.astype(np.float64), sigma, mode="nearest")
    found: Float64 = np.full(values.shape, np.nan)
    np.divide(sums, weights, out=found, where=known)
    return found


def minus(text: str) -> str:
    """A number with a minus sign for its hyphen."""
    return text.replace("-", "\N{MINUS SIGN}")


def rounded_down(value: float, digits: int) -> float:
    """A value cut towards 0 to some significant digits."""
    if not value:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - digits + 1)
    # The quotient of a value that is already round may lie a little below its integer.
    return float(f"{math.copysign(math.floor(abs(value) / step + 1e-9) * step, value):.{digits}g}")

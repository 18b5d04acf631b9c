"""Aggregate V-plots as pictures: sharp axes around a raster image, all on one colour scale."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import PowerNorm
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from chromputer_tracks.analysis.figures.style import canvas, to_svg
from chromputer_tracks.analysis.vplots.aggregate import VplotSet

_MAP = "magma"
_GAMMA = 0.5
"""Exponent of the colour scale: below 1 shows weak signal beside strong."""
_TOP = 99.7
"""Percentile of all pixels at which the colour scale ends."""


@dataclass(frozen=True, slots=True)
class VplotScale:
    """One colour scale for several images.

    Attributes:
        top: where it ends, in fragments per site, bp and bp of length.
        sigma: pixels of the Gaussian by which images are smoothed; 0 for none.
        nucleosome: fragment length (bp) to mark, 0 for none.
    """

    top: float
    sigma: float = 1.0
    nucleosome: int = 147

    @classmethod
    def of(cls, sets: Iterable[VplotSet], sigma: float = 1.0) -> VplotScale:
        """The scale on which all images of some sets can be compared."""
        images = [
            _density(image, item, sigma).ravel()
            for item in sets
            for pair in item.pairs
            for image in (pair.observed, pair.predicted)
            if image is not None and not np.isnan(image).any()
        ]
        top = float(np.percentile(np.concatenate(images), _TOP)) if images else 0.0
        return cls(top or 1.0, sigma)

    @property
    def norm(self) -> PowerNorm:
        """The same as matplotlib's norm."""
        return PowerNorm(_GAMMA, 0, self.top, clip=True)


def _density(image: NDArray[np.float64], item: VplotSet, sigma: float) -> NDArray[np.float64]:
    """Fragments per site, bp and bp of length, in rows of equal length classes."""
    widths = np.diff(item.edges)
    step = math.gcd(*(int(width) for width in widths))
    bin_size = item.window / image.shape[1]
    density = image / (widths[:, None] * bin_size)
    rows = np.repeat(density, widths // step, axis=0)
    smooth: NDArray[np.float64] = gaussian_filter(rows, sigma, mode="nearest")
    return smooth


def vplot_panel(
    image: NDArray[np.float64], item: VplotSet, scale: VplotScale, title: str, description: str
) -> str:
    """One aggregate V-plot as SVG.

    Args:
        image: float64 (lengths, positions), of a pair of ``item``; NaN gives an empty panel.
        item: its axes.
        scale: from :meth:`VplotScale.of`.
        title: above it.
        description: for those who cannot see it.
    """
    half = item.window / 2
    with canvas(2.32, 1.78, (0.5, 0.42, 0.1, 0.24)) as figure:
        axes = figure.add_subplot()
        axes.grid(False)
        axes.set_title(title, fontweight="normal", fontsize=9)
        if np.isnan(image).any():
            axes.text(
                0.5, 0.5, "no sites", transform=axes.transAxes, ha="center", va="center", alpha=0.7
            )
        else:
            axes.imshow(
                _density(image, item, scale.sigma),
                norm=scale.norm,
                cmap=_MAP,
                extent=(-half, half, item.edges[0], item.edges[-1]),
                origin="lower",
                aspect="auto",
                interpolation="none",
            )
            if item.edges[0] < scale.nucleosome < item.edges[-1]:
                axes.axhline(
                    scale.nucleosome, color="white", linewidth=0.6, alpha=0.55, dashes=(4, 4)
                )
        axes.set(xlim=(-half, half), ylim=(item.edges[0], item.edges[-1]))
        axes.set_xticks((-half, 0, half), (f"−{half:,.0f}", "0", f"+{half:,.0f}"))
        first, _, last = axes.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
        axes.set_yticks(
            [tick for tick in range(0, 2000, 100) if item.edges[0] <= tick <= item.edges[-1]]
        )
        axes.set_xlabel("bp from the site", labelpad=1)
        axes.set_ylabel("length (bp)")
        return to_svg(figure, description)


def color_bar(scale: VplotScale) -> str:
    """The colour scale of :func:`vplot_panel`, as SVG."""
    with canvas(3.4, 0.62) as figure:
        axes = figure.add_subplot()
        bar = figure.colorbar(
            ScalarMappable(scale.norm, colormaps[_MAP]),
            cax=axes,
            orientation="horizontal",
            label="fragments per 1,000 sites in 10 bp × 10 bp",
        )
        ticks = [tick for tick in bar.get_ticks() if 0 <= tick <= scale.top]
        bar.set_ticks(ticks, labels=[f"{tick * 1e5:g}" for tick in ticks])
        bar.outline.set_visible(False)
        return to_svg(figure, f"Colour scale from 0 to {scale.top * 1e5:.3g}")

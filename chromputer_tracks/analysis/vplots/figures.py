"""Aggregate V-plots as pictures: sharp axes around a raster image, all on one colour scale."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from chromputer_tracks.analysis.vplots.aggregate import VplotSet
from chromputer_tracks.analysis.vplots.measures import FRAGMENTS
from chromputer_tracks.analysis.vplots.scale import NUCLEOSOME, SMOOTH, VplotScale, drawn
from chromputer_tracks.analysis.vplots.table import VplotAxes
from chromputer_tracks.figures.style import canvas, to_svg


def set_scale(item: VplotSet) -> VplotScale:
    """The scale on which all images of a set, as they are drawn, can be compared."""
    images = (image for pair in item.pairs for image in (pair.observed, pair.predicted))
    return VplotScale.of(FRAGMENTS, (_drawn(image, item) for image in images if image is not None))


def _drawn(image: NDArray[np.float64], item: VplotSet) -> NDArray[np.float64]:
    """Fragments per site, bp and bp of length, smoothed."""
    axes = VplotAxes.around_site(item.window, item.window // image.shape[1], item.edges)
    return drawn(image, FRAGMENTS, axes, SMOOTH)


def draw_vplot(
    axes: Axes,
    image: NDArray[np.float64],
    item: VplotSet,
    scale: VplotScale,
    *,
    positions: bool = True,
) -> None:
    """Draw one aggregate V-plot: the image, the nucleosome's length, ticks.

    Args:
        axes: to draw into.
        image: float64 (lengths, positions), of a pair of ``item``; NaN for a class without sites,
            which is said.
        item: its axes.
        scale: from :func:`set_scale`.
        positions: whether the ticks of positions have their numbers.
    """
    half, (shortest, longest) = item.window / 2, (item.edges[0], item.edges[-1])
    axes.grid(False)
    if np.isnan(image).any():
        axes.text(
            0.5, 0.5, "no sites", transform=axes.transAxes, ha="center", va="center", alpha=0.7
        )
    else:
        axes.imshow(
            _drawn(image, item),
            norm=scale.norm,
            cmap=scale.colors,
            extent=(-half, half, shortest, longest),
            origin="lower",
            aspect="auto",
            interpolation="none",
        )
        if shortest < NUCLEOSOME < longest:
            axes.axhline(NUCLEOSOME, color="white", linewidth=0.6, alpha=0.55, dashes=(4, 4))
    axes.set(xlim=(-half, half), ylim=(shortest, longest))
    axes.set_yticks([tick for tick in range(0, 2000, 100) if shortest <= tick <= longest])
    axes.set_ylabel("length (bp)")
    axes.set_xticks((-half, 0, half), (f"−{half:,.0f}", "0", f"+{half:,.0f}") if positions else ())
    if positions:
        first, _, last = axes.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
        axes.set_xlabel("bp from the site", labelpad=1)


def vplot_panel(
    image: NDArray[np.float64], item: VplotSet, scale: VplotScale, title: str, description: str
) -> str:
    """One aggregate V-plot as SVG.

    Args:
        image: as :func:`draw_vplot` takes it.
        item: likewise.
        scale: likewise.
        title: above it.
        description: for those who cannot see it.
    """
    with canvas(2.32, 1.78, (0.5, 0.42, 0.1, 0.24)) as figure:
        axes = figure.add_subplot()
        axes.set_title(title, fontweight="normal", fontsize=9)
        draw_vplot(axes, image, item, scale)
        return to_svg(figure, description)


def color_bar(scale: VplotScale) -> str:
    """The colour scale of :func:`vplot_panel`, as SVG."""
    with canvas(3.4, 0.62) as figure:
        scale.draw_bar(figure.add_subplot(), size=8.5)
        return to_svg(figure, f"Colour scale from 0 to {scale.ticks[-1]:g}")

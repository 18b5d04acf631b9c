"""One V-plot with its margins: the image, the profile above it, the lengths beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from chromputer_tracks.analysis.figures.style import INK, MUTED, css
from chromputer_tracks.analysis.vplots.scale import NUCLEOSOME, VplotScale, minus, rounded_down
from chromputer_tracks.analysis.vplots.table import Float64, VplotAxes, VplotImage, VplotRow
from chromputer_tracks.wording import counted

_STEPS = (10, 20, 50, 100, 200, 500, 1000)
_MOST_TICKS = 6
_WIDE = 3.0
"""Inches from which an image has room for more ticks and larger text."""
_FILL = "#b9c3cd"
Limits = tuple[float, float]


@dataclass(frozen=True, slots=True)
class PanelSizes:
    """Inches: of an image, of its margins' curves, and of what lies around."""

    width: float
    height: float
    curve: float
    left: float = 0.6
    right: float = 0.14
    above: float = 0.3
    below: float = 0.4
    gap: float = 0.05

    @property
    def cell(self) -> tuple[float, float]:
        """Width and height of an image with its margins and texts."""
        return (
            self.left + self.width + self.gap + self.curve + self.right,
            self.below + self.height + self.gap + self.curve + self.above,
        )


@dataclass(frozen=True, slots=True)
class Panel:
    """Where an image is drawn, and on which scales.

    Attributes:
        figure: to draw into.
        sizes: of the panel.
        at: left and lower corner of its cell, inches.
        axes: of the image.
        scale: of its colours.
        profile: least and greatest value of the profiles that it is compared with.
        lengths: likewise, of the curves of lengths.
    """

    figure: Figure
    sizes: PanelSizes
    at: tuple[float, float]
    axes: VplotAxes
    scale: VplotScale
    profile: Limits
    lengths: Limits

    def draw(self, values: Float64, row: VplotRow, image: VplotImage) -> Axes:
        """Draw the image and its curves.

        Args:
            values: float64 (lengths, positions), as :func:`~.vplots.scale.drawn` gives them.
            row: its points are marked.
            image: its margins are drawn.

        Returns:
            the axes of the image.
        """
        axes, sizes = self.axes, self.sizes
        plot = self._place(0, 0, sizes.width, sizes.height)
        plot.imshow(
            values,
            norm=self.scale.norm,
            cmap=self.scale.colors,
            extent=(axes.start, axes.end, 0, axes.shape[0]),
            origin="lower",
            aspect="auto",
            interpolation="none",
        )
        ink = MUTED if self.scale.quantity.signed else "white"
        if axes.edges[0] < NUCLEOSOME < axes.edges[-1]:
            at = float(self._height(NUCLEOSOME))
            plot.axhline(at, color=ink, linewidth=0.6, alpha=0.6, dashes=(4, 4))
        if not axes.contig:
            plot.axvline(0, color=ink, linewidth=0.6, alpha=0.8)
        if row.points is not None:
            plot.plot(
                row.points[0], self._height(row.points[1]), "o", markersize=2.6,
                markerfacecolor="white", markeredgecolor="black", markeredgewidth=0.4,
            )  # fmt: skip
        plot.set(xlim=(axes.start, axes.end), ylim=(0, axes.shape[0]))
        for spine in plot.spines.values():
            spine.set(visible=True, linewidth=0.6)
        self._ticks(plot)
        if image.profile is not None:
            self._draw_profile(image.profile)
        if image.lengths is not None:
            self._draw_lengths(image.lengths)
        return plot

    def heading(self, plot: Axes, row: VplotRow) -> None:
        """The class above the panel: its colour, name and number of sites."""
        wide, tall = self.figure.get_size_inches()
        x = self.at[0] + self.sizes.left
        y = self.at[1] + self.sizes.cell[1] - self.sizes.above + 0.09
        if row.color is not None:
            swatch = Rectangle(
                (x / wide, (y - 0.01) / tall), 0.11 / wide, 0.11 / tall, facecolor=css(row.color),
                edgecolor=MUTED, linewidth=0.4, transform=self.figure.transFigure,
            )  # fmt: skip
            self.figure.add_artist(swatch)
            x += 0.17
        size = 10.5 if self.sizes.width > _WIDE else 8.5
        name = self.figure.text(
            x / wide, y / tall, row.title, fontsize=size, fontweight="bold", color=INK
        )
        if not self.axes.contig:
            plot.annotate(
                counted(row.sites, "site"),
                xy=(1, y / tall), xycoords=(name, self.figure.transFigure), xytext=(6, 0),
                textcoords="offset points", va="baseline", fontsize=size - 1, color=MUTED,
                annotation_clip=False,
            )  # fmt: skip

    def name_axes(self, plot: Axes, site: str, *, bottom: bool, left: bool) -> None:
        """Names of the axes, where the panel is the lowest or the first of its line."""
        if left:
            plot.set_ylabel("fragment length (bp)", fontsize=8, labelpad=3)
        if bottom:
            where = f"{self.axes.contig} (bp)" if self.axes.contig else f"bp from the {site}"
            plot.set_xlabel(where, fontsize=8, labelpad=2)

    def _place(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes whose corner is given in inches from that of the image."""
        wide, tall = self.figure.get_size_inches()
        x, y = self.at[0] + self.sizes.left + left, self.at[1] + self.sizes.below + bottom
        axes = self.figure.add_axes((x / wide, y / tall, width / wide, height / tall))
        axes.grid(False)
        return axes

    def _height(self, length: float | NDArray[np.int64]) -> Float64:
        """Where a fragment length lies on the axis: each length class has the height 1."""
        edges = self.axes.edges
        return np.asarray(np.interp(length, edges, np.arange(len(edges))))

    def _ticks(self, plot: Axes) -> None:
        axes = self.axes
        if axes.contig:
            plot.xaxis.set_major_locator(MaxNLocator(4 if self.sizes.width > _WIDE else 2))
            plot.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:,.0f}"))
        else:
            half = axes.end
            at = (-half, -half // 2, 0, half // 2, half) if self.sizes.width > _WIDE else (
                -half, 0, half
            )  # fmt: skip
            plot.set_xticks(at, [_signed(tick) for tick in at])
            first, *_, last = plot.get_xticklabels()
            first.set_horizontalalignment("left")
            last.set_horizontalalignment("right")
        lengths = _length_ticks(axes.edges)
        plot.set_yticks([float(self._height(tick)) for tick in lengths], [f"{n}" for n in lengths])
        plot.tick_params(labelsize=7.5, pad=2.5)

    def _draw_profile(self, values: Float64) -> None:
        sizes, axes = self.sizes, self.axes
        curve = self._place(0, sizes.height + sizes.gap, sizes.width, sizes.curve)
        borders = axes.start + axes.bin * np.arange(axes.bins + 1)
        curve.stairs(values, borders, fill=True, color=_FILL)
        curve.stairs(values, borders, color=INK, linewidth=0.7)
        curve.set(xlim=(axes.start, axes.end), ylim=_roomy(self.profile))
        if not axes.contig:
            curve.axvline(0, color=MUTED, linewidth=0.5, alpha=0.8)
        self._bare(curve)
        if sizes.width > _WIDE:
            curve.set_yticks([_tick(self.profile)])

    def _draw_lengths(self, values: Float64) -> None:
        sizes, axes = self.sizes, self.axes
        curve = self._place(sizes.width + sizes.gap, 0, sizes.curve, sizes.height)
        borders = np.arange(axes.shape[0] + 1)
        curve.stairs(values, borders, orientation="horizontal", fill=True, color=_FILL)
        curve.stairs(values, borders, orientation="horizontal", color=INK, linewidth=0.7)
        curve.set(ylim=(0, axes.shape[0]), xlim=_roomy(self.lengths))
        if axes.edges[0] < NUCLEOSOME < axes.edges[-1]:
            at = float(self._height(NUCLEOSOME))
            curve.axhline(at, color=MUTED, linewidth=0.5, alpha=0.8, dashes=(4, 4))
        self._bare(curve)
        if sizes.width > _WIDE:
            curve.set_xticks([_tick(self.lengths)])

    @staticmethod
    def _bare(curve: Axes) -> None:
        curve.set_xticks([])
        curve.set_yticks([])
        curve.tick_params(labelsize=6.5, pad=1.5)
        for axis in (curve.xaxis, curve.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: minus(f"{value:g}")))
        for spine in curve.spines.values():
            spine.set_visible(False)


def _roomy(limits: Limits) -> Limits:
    """A little above the highest value; from 0 where no value is below."""
    low, high = limits
    room = 0.06 * (high - low)
    return (low - room if low < 0 else 0.0), high + room


def _tick(limits: Limits) -> float:
    """A value of two digits just within the limit that is further from 0."""
    low, high = limits
    return rounded_down(high if high >= -low else low, 2)


def _signed(value: int) -> str:
    return minus(f"{value:+,}") if value else "0"


def _length_ticks(edges: tuple[int, ...]) -> list[int]:
    """Round lengths where classes are equal, else some of the classes' borders."""
    if len(set(np.diff(edges).tolist())) == 1:
        span = edges[-1] - edges[0]
        step = next((step for step in _STEPS if span / step <= _MOST_TICKS), span)
        return [tick for tick in range(0, edges[-1] + 1, step) if tick >= edges[0]]
    every = -(-(len(edges) - 1) // _MOST_TICKS)
    return list(edges[::every])

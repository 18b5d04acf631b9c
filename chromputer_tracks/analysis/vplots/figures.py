"""Aggregate V-plots as pictures: one panel as SVG, or a table of them as PNG, SVG or PDF."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from chromputer_tracks.analysis.vplots.aggregate import VplotSet
from chromputer_tracks.analysis.vplots.images import (
    FRAGMENTS,
    SMOOTH,
    Float64,
    Quantity,
    VplotAxes,
    VplotImage,
    VplotRow,
    VplotScale,
    VplotTable,
    drawn,
    minus,
    rounded_down,
)
from chromputer_tracks.data.features import NUCLEOSOME
from chromputer_tracks.errors import InputError, counted
from chromputer_tracks.figures import INK, MUTED, canvas, css, to_svg
from chromputer_tracks.io.atomic import atomic_path

# ---- One of a set of V-plots, as SVG: sharp axes around a raster image, all on one colour scale.


def set_scale(item: VplotSet) -> VplotScale:
    """The scale on which all images of a set, as they are drawn, can be compared."""
    images = (image for pair in item.pairs for image in (pair.observed, pair.predicted))
    return VplotScale.of(FRAGMENTS, (_drawn(image, item) for image in images if image is not None))


def _drawn(image: Float64, item: VplotSet) -> Float64:
    """Fragments per site, bp and bp of length, smoothed."""
    axes = VplotAxes.around_site(item.window, item.window // image.shape[1], item.edges)
    return drawn(image, FRAGMENTS, axes, SMOOTH)


def draw_vplot(
    axes: Axes, image: Float64, item: VplotSet, scale: VplotScale, *, positions: bool = True
) -> None:
    """Draw one aggregate V-plot: the image, the nucleosome's length, ticks.

    The image is float64 (lengths, positions), one of ``item``; NaN for a class without sites, which
    is said. The scale is from :func:`set_scale`; ``positions`` is whether the ticks of positions
    have their numbers.
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
    image: Float64, item: VplotSet, scale: VplotScale, title: str, description: str
) -> str:
    """One aggregate V-plot, as :func:`draw_vplot` takes it, as SVG with a title."""
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


# ---- One V-plot with its margins: the image, the profile above it, the lengths beside it.

_STEPS = (10, 20, 50, 100, 200, 500, 1000)
_MOST_TICKS = 6
_WIDE = 3.0
"""Inches from which an image has room for more ticks and larger text."""
_FILL = "#b9c3cd"
_UNIT, _UNIT_LINE = 6.5, 20
"""Points of the curves' numbers and units, and most letters of a line of these."""
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
        sizes: inches of its parts.
        at: left and lower corner of its cell, inches.
        axes: say what the image's pixels are.
        scale: gives its colours.
        profile: least and greatest value of the profiles that it is compared with.
        lengths: the same for the curves of lengths.
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

        Values are float64 (lengths, positions), as :func:`~.vplots.images.drawn` gives them; the
        row's points are marked, and the image's margins drawn.

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
        curve.set_yticks([_tick(self.profile)])
        if sizes.width > _WIDE:
            unit = fill(self.scale.quantity.profile, _UNIT_LINE)
            curve.set_ylabel(unit, fontsize=_UNIT, labelpad=3)

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
        curve.set_xticks([_tick(self.lengths)])
        if sizes.width > _WIDE:
            unit = fill(self.scale.quantity.lengths, _UNIT_LINE)
            curve.set_xlabel(unit, fontsize=_UNIT, labelpad=3)

    @staticmethod
    def _bare(curve: Axes) -> None:
        curve.set_xticks([])
        curve.set_yticks([])
        curve.tick_params(labelsize=_UNIT, pad=1.5)
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


# ---- A table of V-plots as one picture: each quantity on one scale.

SUFFIXES = (".png", ".svg", ".pdf")

_LARGE = PanelSizes(4.6, 2.7, 0.6)
_SMALL = PanelSizes(2.25, 1.3, 0.3, right=0.22, below=0.24)
_PER_LINE = 3
"""Classes side by side where there is one quantity."""
_TITLE, _HEAD, _BAR, _FOOT, _UNITS = 0.34, 0.26, 0.1, 0.76, 0.28
"""Inches: the picture's title, the line of column titles, a colour bar, the room for bars, and that
for the units of the curves below them, which small panels have no room for."""
_DPI = 200
_DATES = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""Metadata that a file must not have for its bytes to be the same each time, by its suffix."""


def check_suffix(path: Path) -> None:
    """Check that pictures can be written in the format that a name's suffix says.

    Raises:
        InputError: they cannot.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"--out {path}: the name of a picture must end in {', '.join(SUFFIXES[:-1])} or "
            f"{SUFFIXES[-1]}, which says its format"
        )


def save_vplots(
    path: Path, table: VplotTable, title: str = "", site: str = "site", sigma: float = SMOOTH
) -> None:
    """Draw a table: a row for each class, a column for each quantity.

    Several classes of one quantity stand side by side. Above each image stands its profile over
    all lengths, beside it its lengths over all positions. The same numbers give the same file.
    ``title`` may be empty, ``site`` says what lies at 0 (``TSS``), and the images (not the margins)
    are smoothed by a Gaussian of ``sigma`` pixels; 0 for none.

    Raises:
        InputError: the suffix is none of ``SUFFIXES``.
        OutputError: it cannot be written.
    """
    check_suffix(path)
    layout = _Layout.of(table, title)
    with canvas(*layout.size, (0, 0, 0, 0)) as figure:
        for place, quantity in enumerate(table.quantities):
            images = [
                drawn(row.images[place].values, quantity, table.axes, sigma) for row in table.rows
            ]
            scale = VplotScale.of(quantity, images)
            _draw_column(figure, layout, table, place, images, scale, site)
            _color_bar(figure, layout, place, scale)
            if layout.panel is _SMALL:
                _curves_units(figure, layout, place, quantity)
        if title:
            _write(figure, 0.12, layout.size[1] - 0.24, title, 11.0)
        with atomic_path(path) as temporary:
            figure.savefig(
                temporary,
                format=path.suffix[1:].lower(),
                dpi=_DPI,
                facecolor="white",
                metadata=_DATES.get(path.suffix.lower()),
            )


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where panels lie: ``columns`` by ``lines`` of them, on a picture of ``size`` inches.

    ``wrapped`` classes follow each other along lines; else each class has a line. ``top`` and
    ``foot`` are the inches above and below the panels.
    """

    panel: PanelSizes
    columns: int
    lines: int
    wrapped: bool
    size: tuple[float, float]
    top: float
    foot: float

    @classmethod
    def of(cls, table: VplotTable, title: str) -> _Layout:
        wrapped = len(table.quantities) == 1
        columns = min(_PER_LINE, len(table.rows)) if wrapped else len(table.quantities)
        lines = -(-len(table.rows) // columns) if wrapped else len(table.rows)
        panel = _LARGE if columns == lines == 1 else _SMALL
        wide, tall = panel.cell
        top = _TITLE * bool(title) + _HEAD * (not wrapped)
        foot = _FOOT + _UNITS * (panel is _SMALL)
        size = (columns * wide, lines * tall + top + foot)
        return cls(panel, columns, lines, wrapped, size, top, foot)

    def corner(self, line: int, column: int) -> tuple[float, float]:
        """Left and lower corner of a panel, inches."""
        wide, tall = self.panel.cell
        return column * wide, self.size[1] - self.top - (line + 1) * tall


def _draw_column(
    figure: Figure,
    layout: _Layout,
    table: VplotTable,
    place: int,
    images: list[Float64],
    scale: VplotScale,
    site: str,
) -> None:
    """All images of one quantity."""
    profile = _limits(row.images[place].profile for row in table.rows)
    lengths = _limits(row.images[place].lengths for row in table.rows)
    for number, (row, values) in enumerate(zip(table.rows, images, strict=True)):
        line, column = divmod(number, layout.columns) if layout.wrapped else (number, place)
        at = layout.corner(line, column)
        panel = Panel(figure, layout.panel, at, table.axes, scale, profile, lengths)
        plot = panel.draw(values, row, row.images[place])
        if layout.wrapped or not place:
            panel.heading(plot, row)
        last = number + layout.columns >= len(table.rows) if layout.wrapped else (
            line == layout.lines - 1
        )  # fmt: skip
        panel.name_axes(plot, site, bottom=last, left=not column)
    if not layout.wrapped:
        left, _ = layout.corner(0, place)
        _write(
            figure, left + layout.panel.left, layout.size[1] - layout.top + 0.02,
            scale.quantity.title, 9.5,
        )  # fmt: skip


def _limits(curves: Iterable[Float64 | None]) -> Limits:
    """Least and greatest value of curves that are to be compared, 0 among them."""
    values = np.concatenate([np.zeros(1), *(curve for curve in curves if curve is not None)])
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (0.0, 1.0)


def _color_bar(figure: Figure, layout: _Layout, place: int, scale: VplotScale) -> None:
    wide, tall = layout.size
    left = layout.corner(0, place)[0] + layout.panel.left
    axes = figure.add_axes(
        (left / wide, (layout.foot - 0.3) / tall, layout.panel.width / wide, _BAR / tall)
    )
    scale.draw_bar(axes)


def _curves_units(figure: Figure, layout: _Layout, place: int, quantity: Quantity) -> None:
    """What the curves of a column show, below its colour bar."""
    wide, tall = layout.size
    left = layout.corner(0, place)[0] + layout.panel.left
    words = f"curve above: {quantity.profile}\ncurve beside: {quantity.lengths}"
    figure.text(left / wide, 0.06 / tall, words, fontsize=_UNIT, color=MUTED)


def _write(figure: Figure, x: float, y: float, text: str, size: float) -> None:
    """Bold text at inches from the lower left corner."""
    wide, tall = figure.get_size_inches()
    figure.text(x / wide, y / tall, text, fontsize=size, fontweight="bold", color=INK)

"""A table of V-plots as one picture: each quantity on one scale, written as PNG, SVG or PDF."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from chromputer_tracks.analysis.figures.style import INK, canvas
from chromputer_tracks.analysis.vplots.panel import Limits, Panel, PanelSizes
from chromputer_tracks.analysis.vplots.scale import SMOOTH, VplotScale, drawn
from chromputer_tracks.analysis.vplots.table import Float64, VplotTable
from chromputer_tracks.errors import InputError
from chromputer_tracks.io.atomic import atomic_path

SUFFIXES = (".png", ".svg", ".pdf")

_LARGE = PanelSizes(4.6, 2.7, 0.6)
_SMALL = PanelSizes(2.25, 1.3, 0.3, below=0.24)
_PER_LINE = 3
"""Classes side by side where there is one quantity."""
_TITLE, _HEAD, _BAR, _FOOT = 0.34, 0.26, 0.1, 0.76
"""Inches: the picture's title, the line of column titles, a colour bar, and the room for bars."""
_DPI = 200


@dataclass(frozen=True, slots=True)
class PictureText:
    """What a picture says beside its images.

    Attributes:
        title: of the picture; empty for none.
        site: what lies at 0, for the axis (``TSS``).
    """

    title: str = ""
    site: str = "site"


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
    path: Path, table: VplotTable, text: PictureText | None = None, sigma: float = SMOOTH
) -> None:
    """Draw a table: a row for each class, a column for each quantity.

    Several classes of one quantity stand side by side. Above each image stands its profile over
    all lengths, beside it its lengths over all positions. The same numbers give the same file.

    Args:
        path: ends in one of ``SUFFIXES``.
        table: at least one row.
        text: of the picture.
        sigma: pixels of the Gaussian that smooths the images (not the margins); 0 for none.

    Raises:
        InputError: the suffix is another.
        OutputError: it cannot be written.
    """
    check_suffix(path)
    said = text or PictureText()
    layout = _Layout.of(table, said)
    with canvas(*layout.size, (0, 0, 0, 0)) as figure:
        for place, quantity in enumerate(table.quantities):
            images = [
                drawn(row.images[place].values, quantity, table.axes, sigma) for row in table.rows
            ]
            scale = VplotScale.of(quantity, images)
            _draw_column(figure, layout, table, place, images, scale, said.site)
            _color_bar(figure, layout, place, scale)
        if said.title:
            _write(figure, 0.12, layout.size[1] - 0.24, said.title, 11.0)
        with atomic_path(path) as temporary:
            figure.savefig(
                temporary,
                format=path.suffix[1:].lower(),
                dpi=_DPI,
                facecolor="white",
                metadata=_metadata(path),
            )


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where panels lie: ``columns`` by ``lines`` of them; ``size`` of the picture in inches.

    Attributes:
        panel: sizes of each.
        columns: panels side by side.
        lines: panels above each other.
        wrapped: classes follow each other along lines; else each class has a line.
        size: inches, width and height.
        top: inches above the panels.
    """

    panel: PanelSizes
    columns: int
    lines: int
    wrapped: bool
    size: tuple[float, float]
    top: float

    @classmethod
    def of(cls, table: VplotTable, text: PictureText) -> _Layout:
        wrapped = len(table.quantities) == 1
        columns = min(_PER_LINE, len(table.rows)) if wrapped else len(table.quantities)
        lines = -(-len(table.rows) // columns) if wrapped else len(table.rows)
        panel = _LARGE if columns == lines == 1 else _SMALL
        wide, tall = panel.cell
        top = _TITLE * bool(text.title) + _HEAD * (not wrapped)
        size = (columns * wide, lines * tall + top + _FOOT)
        return cls(panel, columns, lines, wrapped, size, top)

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
        (left / wide, (_FOOT - 0.3) / tall, layout.panel.width / wide, _BAR / tall)
    )
    scale.draw_bar(axes)


def _write(figure: Figure, x: float, y: float, text: str, size: float) -> None:
    """Bold text at inches from the lower left corner."""
    wide, tall = figure.get_size_inches()
    figure.text(x / wide, y / tall, text, fontsize=size, fontweight="bold", color=INK)


def _metadata(path: Path) -> dict[str, str | None]:
    match path.suffix.lower():
        case ".svg":
            return {"Date": None}
        case ".pdf":
            return {"CreationDate": None}
        case _:
            return {}

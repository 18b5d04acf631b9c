"""Small SVG pictures of filters: sequence logos, and weights as a grid of coloured cells.

Hand-made, so that a page can hold hundreds: a letter is one element that refers to a glyph defined
once.
"""

from __future__ import annotations

from functools import cache
from html import escape

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from numpy.typing import NDArray

from chromputer_tracks.analysis.filters.pwm import information

COLORS = {"A": "#109648", "C": "#255c99", "G": "#f0a022", "T": "#d62839"}
"""The usual colours of bases."""

_COLUMN, _BITS = 12, 22
"""Units of a column's width and of one bit's height."""
_LEAST = 0.02
"""Bits below which a letter is not drawn."""
_CELL = 10
_RISE, _FALL = "#b2182b", "#2166ac"
_COMMANDS = {
    int(Outline.MOVETO): "M",
    int(Outline.LINETO): "L",
    int(Outline.CURVE3): "Q",
    int(Outline.CURVE4): "C",
    int(Outline.CLOSEPOLY): "Z",
}
"""What SVG calls the parts of an outline."""
_XMLNS = 'xmlns="http://www.w3.org/2000/svg"'


@cache
def _glyph(letter: str) -> str:
    """A letter's outline as SVG path data in the unit square, y downwards."""
    path = TextPath(
        (0, 0), letter, size=100, prop=FontProperties(family="DejaVu Sans", weight="bold")
    )
    low, high = path.vertices.min(axis=0), path.vertices.max(axis=0)
    points = (path.vertices - low) / (high - low)
    points[:, 1] = 1 - points[:, 1]
    outline = Outline(points, path.codes)
    commands = []
    for values, code in outline.iter_segments(simplify=False):
        numbers = () if code == Outline.CLOSEPOLY else values
        commands.append(_COMMANDS[int(code)] + " ".join(f"{value:.3f}" for value in numbers))
    return "".join(commands)


def glyphs() -> str:
    """The four letters as SVG symbols, which :func:`logo_symbol` refers to."""
    return "".join(
        f'<symbol id="base-{letter}" viewBox="0 0 1 1" preserveAspectRatio="none">'
        f'<path d="{_glyph(letter)}" fill="{color}"/></symbol>'
        for letter, color in COLORS.items()
    )


def logo_size(columns: int) -> tuple[int, int]:
    """Width and height of a logo, in the units of its ``viewBox``."""
    return columns * _COLUMN, 2 * _BITS


def _letters(pwm: NDArray[np.float64]) -> str:
    """The letters of a logo, the most frequent of each column on top; heights are bits."""
    height = pwm * information(pwm)
    parts = []
    for column, values in enumerate(height.T):
        base = 2.0 * _BITS
        for row in np.argsort(values, kind="stable"):
            if values[row] < _LEAST:
                continue
            tall = values[row] * _BITS
            base -= tall
            parts.append(
                f'<use href="#base-{"ACGT"[row]}" x="{column * _COLUMN + 0.4:g}" y="{base:.2f}" '
                f'width="{_COLUMN - 0.8:g}" height="{tall:.2f}"/>'
            )
    return "".join(parts)


def logo_symbol(pwm: NDArray[np.float64], name: str) -> str:
    """A logo as an SVG symbol, for pages that define :func:`glyphs`.

    Args:
        pwm: float64 (4, width), frequencies; the stack of a column is as high as its information.
        name: the symbol's id.
    """
    width, height = logo_size(pwm.shape[1])
    return (
        f'<symbol id="{escape(name)}" viewBox="0 0 {width} {height}" '
        f'preserveAspectRatio="none">{_letters(pwm)}</symbol>'
    )


def logo_svg(pwm: NDArray[np.float64], description: str) -> str:
    """A logo with its axis as an SVG file of its own.

    Args:
        pwm: float64 (4, width), frequencies.
        description: what it shows.
    """
    width, height = logo_size(pwm.shape[1])
    left, above, below = 30, 6, 16
    lines = "".join(
        f'<path d="M{left - 4} {above + height - bits * _BITS:g}h4" stroke="#5a646f"/>'
        f'<text x="{left - 7}" y="{above + height - bits * _BITS + 3:g}" '
        f'text-anchor="end">{bits}</text>'
        for bits in (0, 1, 2)
    )
    numbers = "".join(
        f'<text x="{left + (place + 0.5) * _COLUMN:g}" y="{above + height + 12:g}" '
        f'text-anchor="middle">{place + 1}</text>'
        for place in range(pwm.shape[1])
        if place == 0 or (place + 1) % 5 == 0
    )
    total_width, total_height = left + width + 6, above + height + below
    return (
        f'<svg {_XMLNS} viewBox="0 0 {total_width} {total_height}" '
        f'width="{2 * total_width}" height="{2 * total_height}" role="img" '
        f'aria-label="{escape(description)}"><title>{escape(description)}</title>{glyphs()}'
        f'<g font-family="sans-serif" font-size="8" fill="#5a646f">{lines}{numbers}'
        f'<text transform="translate(10 {above + height / 2:g}) rotate(-90)" '
        f'text-anchor="middle">bits</text></g>'
        f'<path d="M{left} {above}v{height}h{width}" fill="none" stroke="#5a646f"/>'
        f'<g transform="translate({left} {above})">{_letters(pwm)}</g></svg>\n'
    )


def grid_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Width and height of a grid of (rows, columns) cells, in the units of its ``viewBox``."""
    return shape[1] * _CELL, shape[0] * _CELL


def grid_symbol(values: NDArray[np.float32], name: str) -> str:
    """Weights as an SVG symbol of cells: red above 0, blue below, as opaque as they are large.

    Args:
        values: float32 (rows, columns); the first row is drawn lowest.
        name: the symbol's id.
    """
    width, height = grid_size(values.shape)
    top = float(np.abs(values).max()) or 1.0
    cells = "".join(
        f'<rect x="{column * _CELL}" y="{height - (row + 1) * _CELL}" width="{_CELL}" '
        f'height="{_CELL}" fill="{_RISE if value > 0 else _FALL}" '
        f'fill-opacity="{abs(value) / top:.3f}"/>'
        for (row, column), value in np.ndenumerate(values)
    )
    return (
        f'<symbol id="{escape(name)}" viewBox="0 0 {width} {height}" '
        f'preserveAspectRatio="none">{cells}</symbol>'
    )

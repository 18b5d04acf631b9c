"""Motifs as small SVG pictures: sequence logos, contributions as letters, weights as cells.

Hand-made, so that a page can hold hundreds: a letter is one element that refers to a glyph defined
once. Base counts become frequencies, information and a consensus here, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from html import escape

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

TRIM = 0.25
"""Bits: columns below it at both ends of a filter are not part of its motif."""
FLANK = 5
"""Columns shown on either side of a pattern's core."""
COLORS = {"A": "#109648", "C": "#255c99", "G": "#f0a022", "T": "#d62839"}
"""The usual colours of bases."""

_MAX_BITS = 2.0
_LEAST_SHARE = 0.01
"""Letters lower than this share of a logo's height are not drawn."""
_XMLNS = 'xmlns="http://www.w3.org/2000/svg"'

# ---- Base counts as motifs: frequencies, information, consensus, and what to cut off.

_CODES = {
    "A": "A", "C": "C", "G": "G", "T": "T",
    "AC": "M", "AG": "R", "AT": "W", "CG": "S", "CT": "Y", "GT": "K",
}  # fmt: skip


def frequencies(counts: NDArray[np.int64]) -> Float64:
    """Counts (..., 4, width) to shares of the known bases of each column; 0.25 without any."""
    total = counts.sum(axis=-2, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), 0.25)


def information(pwm: Float64) -> Float64:
    """Information of each column against equal base frequencies, bits, 0 to 2.

    ``2 + sum(p * log2(p))``; Schneider and Stephens 1990 (doi:10.1093/nar/18.20.6097), without
    their correction for few sequences. Of float64 (..., 4, width) it is float64 (..., width).
    """
    logs = np.log2(pwm, out=np.zeros_like(pwm), where=pwm > 0)
    bits: Float64 = np.maximum(2 + (pwm * logs).sum(axis=-2), 0)
    return bits


def letter_heights(pwm: Float64) -> Float64:
    """Heights of a logo's letters, bits: shares of each column's information; (4, width)."""
    heights: Float64 = pwm * information(pwm)
    return heights


def motif_columns(pwm: Float64) -> slice:
    """The columns from the first to the last with at least :data:`TRIM` bits; empty without any."""
    strong = np.flatnonzero(information(pwm) >= TRIM)
    return slice(int(strong[0]), int(strong[-1]) + 1) if len(strong) else slice(0, 0)


def consensus(pwm: Float64) -> str:
    """IUPAC consensus of (4, width) frequencies.

    After Cavener 1987 (doi:10.1093/nar/15.4.1353): one base when its share is above 0.5 and above
    twice the second's, two when they make up more than 0.75, else N.
    """
    letters = []
    for column in pwm.T:
        first, second = np.argsort(-column, kind="stable")[:2]
        if column[first] > 0.5 and column[first] > 2 * column[second]:
            letters.append("ACGT"[first])
        elif column[first] + column[second] > 0.75:
            letters.append(_CODES["".join("ACGT"[i] for i in sorted((first, second)))])
        else:
            letters.append("N")
    return "".join(letters)


# ---- Letters: a glyph of each base, and stacks of them.

_COMMANDS = {
    int(Outline.MOVETO): "M",
    int(Outline.LINETO): "L",
    int(Outline.CURVE3): "Q",
    int(Outline.CURVE4): "C",
    int(Outline.CLOSEPOLY): "Z",
}
"""What SVG calls the parts of an outline."""


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
    """The four letters as SVG symbols, which all logos but those of :func:`logo_svg` refer to."""
    return "".join(
        f'<symbol id="base-{letter}" viewBox="0 0 1 1" preserveAspectRatio="none">'
        f'<path d="{_glyph(letter)}" fill="{color}"/></symbol>'
        for letter, color in COLORS.items()
    )


def _letters(heights: Float64, limits: tuple[float, float], tall: float, step: int) -> str:
    """Stacks of letters; the largest are farthest from the base line.

    Heights are float64 (4, columns); those below 0 hang from the base line. ``limits`` are the
    values at the lower and at the upper edge, ``tall`` SVG units apart; ``step`` is from column to
    column.
    """
    low, high = limits
    unit = tall / (high - low)
    parts = []
    for column, values in enumerate(heights.T):
        above = below = high * unit  # the base line, from the upper edge
        for row in np.argsort(np.abs(values), kind="stable"):
            size = abs(float(values[row])) * unit
            if size < _LEAST_SHARE * tall:
                continue
            if values[row] > 0:
                above -= size
                y = above
            else:
                y = below
                below += size
            parts.append(
                f'<use href="#base-{"ACGT"[row]}" x="{column * step + 0.4:g}" y="{y:.2f}" '
                f'width="{step - 0.8:g}" height="{size:.2f}"/>'
            )
    return "".join(parts)


def _limits(heights: Float64) -> tuple[float, float]:
    """Lowest and highest end of the stacks, 0 among them."""
    high = float(np.clip(heights, 0, None).sum(axis=0).max())
    low = float(np.clip(heights, None, 0).sum(axis=0).min())
    return low, high if high > low else low + 1


# ---- Logos of frequencies, and weights as cells: what a page of filters shows.

_COLUMN, _BITS = 12, 22
"""Units of a column's width and of one bit's height."""
_CELL = 10
_RISE, _FALL = "#b2182b", "#2166ac"


def logo_size(columns: int) -> tuple[int, int]:
    """Width and height of a logo, in the units of its ``viewBox``."""
    return columns * _COLUMN, 2 * _BITS


def _logo_letters(pwm: Float64) -> str:
    return _letters(letter_heights(pwm), (0, _MAX_BITS), _MAX_BITS * _BITS, _COLUMN)


def _symbol(name: str, size: tuple[int, int], content: str) -> str:
    return (
        f'<symbol id="{escape(name)}" viewBox="0 0 {size[0]} {size[1]}" '
        f'preserveAspectRatio="none">{content}</symbol>'
    )


def logo_symbol(pwm: Float64, name: str) -> str:
    """A logo of (4, width) frequencies as an SVG symbol, for pages that define :func:`glyphs`.

    The stack of a column is as high as its information; ``name`` is the symbol's id.
    """
    return _symbol(name, logo_size(pwm.shape[1]), _logo_letters(pwm))


def logo_svg(pwm: Float64, description: str) -> str:
    """A logo of (4, width) frequencies with its axis, as an SVG file of its own."""
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
        f'<g transform="translate({left} {above})">{_logo_letters(pwm)}</g></svg>\n'
    )


def grid_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Width and height of a grid of (rows, columns) cells, in the units of its ``viewBox``."""
    return shape[1] * _CELL, shape[0] * _CELL


def grid_symbol(values: NDArray[np.float32], name: str) -> str:
    """Weights as an SVG symbol of cells: red above 0, blue below, as opaque as they are large.

    Of float32 (rows, columns) the first row is drawn lowest; ``name`` is the symbol's id.
    """
    width, height = grid_size(values.shape)
    top = float(np.abs(values).max()) or 1.0
    cells = "".join(
        f'<rect x="{column * _CELL}" y="{height - (row + 1) * _CELL}" width="{_CELL}" '
        f'height="{_CELL}" fill="{_RISE if value > 0 else _FALL}" '
        f'fill-opacity="{abs(value) / top:.3f}"/>'
        for (row, column), value in np.ndenumerate(values)
    )
    return _symbol(name, (width, height), cells)


# ---- Patterns of contributions, and the known motifs that they look like.

_STEP = 18
"""Width of a column, SVG units, which are CSS pixels of a pattern's own picture."""
_SMALL = 13
"""Width of a column in rows of tables, CSS pixels."""
_LEFT, _RIGHT, _ABOVE, _BELOW = 56, 4, 4, 16
_GAP = 12
_ROW = 54
"""Height of a logo in rows of tables, SVG units."""
_MUTED, _BAND = "var(--fig-muted, #5a646f)", "var(--fig-accent, #0072b1)"


@dataclass(frozen=True, slots=True, eq=False)
class _LetterRow:
    """Letters of heights (4, columns) in one row of a picture, ``tall`` SVG units high."""

    heights: Float64
    name: str
    tall: int
    limits: tuple[float, float]


def shown_columns(core: slice, width: int) -> slice:
    """The core and :data:`FLANK` columns on either side, as far as a pattern's width reaches."""
    return slice(max(core.start - FLANK, 0), min(core.stop + FLANK, width))


def pattern_logo(
    contributions: Float64, hypothetical: Float64, pwm: Float64, core: slice, description: str
) -> str:
    """Contributions, hypothetical contributions and information of a pattern, ``<svg>``.

    All are float64 (4, width), ``pwm`` frequencies. The columns of ``core`` have a band behind
    them; see :func:`shown_columns` for those shown. The description is for those who cannot see it.
    """
    part = shown_columns(core, pwm.shape[1])
    shown = slice(core.start - part.start, core.stop - part.start)
    actual, possible = contributions[:, part], hypothetical[:, part]
    rows = [
        _LetterRow(actual, "contribution", 120, _limits(actual)),
        _LetterRow(possible, "hypothetical", 84, _limits(possible)),
        _LetterRow(letter_heights(pwm)[:, part], "bits", 76, (0, _MAX_BITS)),
    ]
    return _letter_rows(rows, part.stop - part.start, shown, description)


def small_logo(heights: Float64, description: str) -> str:
    """Letters alone, ``<svg>``, for a row of a table; heights float64 (4, width)."""
    letters = _letters(heights, _limits(heights), _ROW, _STEP)
    return _in_table(letters, heights.shape[1], description)


def aligned_logo(pwm: Float64, start: int, columns: slice, description: str) -> str:
    """A motif's information where it lies in a picture of several, ``<svg>``.

    ``pwm`` are float64 (4, width), frequencies, whose first column is ``start``; ``columns`` are
    shown, of the same numbering. The description is for those who cannot see it.
    """
    shift = (start - columns.start) * _STEP
    number = columns.stop - columns.start
    letters = _letters(letter_heights(pwm), (0, _MAX_BITS), _ROW, _STEP)
    drawn = (
        f'<path d="M0 {_ROW - 0.5}h{number * _STEP}" stroke="{_MUTED}" stroke-opacity="0.4"/>'
        f'<g transform="translate({shift} 0)">{letters}</g>'
    )
    return _in_table(drawn, number, description)


def logo_file(picture: str) -> str:
    """An ``<svg>`` that refers to :func:`glyphs`, as a file of its own."""
    head, _, rest = picture.partition(">")
    return f"{head.replace('<svg', f'<svg {_XMLNS}', 1)}>{glyphs()}{rest}\n"


def _in_table(drawn: str, columns: int, description: str) -> str:
    scale = _SMALL / _STEP
    width = columns * _STEP
    return (
        f'<svg class="logo" viewBox="0 0 {width} {_ROW}" width="{width * scale:g}" '
        f'height="{_ROW * scale:g}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(description)}">{drawn}</svg>'
    )


def _letter_rows(rows: list[_LetterRow], columns: int, core: slice, description: str) -> str:
    """Rows below each other over the same columns, with a scale each and numbered columns."""
    width = columns * _STEP
    total_width = _LEFT + width + _RIGHT
    total_height = _ABOVE + sum(row.tall for row in rows) + _GAP * (len(rows) - 1) + _BELOW
    parts = [
        f'<rect x="{_LEFT + core.start * _STEP}" y="{_ABOVE}" '
        f'width="{(core.stop - core.start) * _STEP}" height="{total_height - _ABOVE - _BELOW}" '
        f'fill="{_BAND}" fill-opacity="0.08"/>'
    ]
    top = _ABOVE
    for row in rows:
        low, high = row.limits
        base = row.tall * high / (high - low)
        parts.append(
            f'<g transform="translate({_LEFT} {top})">'
            f'<path d="M-4 {base:.1f}h{width + 4}" stroke="{_MUTED}" stroke-opacity="0.6"/>'
            f'<text transform="translate(-44 {row.tall / 2:g}) rotate(-90)" text-anchor="middle">'
            f"{escape(row.name)}</text>"
            f"{_tick(high, 8) if base > 14 else ''}"
            f"{_tick(low, row.tall) if row.tall - base > 12 else ''}"
            f"{_tick(0, base + 3)}"
            f"{_letters(row.heights, row.limits, row.tall, _STEP)}</g>"
        )
        top += row.tall + _GAP
    parts.extend(
        f'<text x="{_LEFT + (column + 0.5) * _STEP:g}" y="{total_height - 2}" '
        f'text-anchor="middle">{column + 1 - core.start}</text>'
        for column in range(core.start, core.stop)
        if column == core.start or (column + 1 - core.start) % 5 == 0
    )
    return (
        f'<svg class="logo" viewBox="0 0 {total_width} {total_height}" width="{total_width}" '
        f'height="{total_height}" role="img" aria-label="{escape(description)}" '
        f'font-family="var(--fig-font, sans-serif)" font-size="11" fill="{_MUTED}">'
        f"{''.join(parts)}</svg>"
    )


def _tick(value: float, y: float) -> str:
    text = f"{value:.2g}".replace("-", "\N{MINUS SIGN}")
    return f'<text x="-7" y="{y:.1f}" text-anchor="end">{text}</text>'

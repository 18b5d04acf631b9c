"""Logos of patterns and of the motifs that they look like, as small SVG.

A letter refers to a glyph that a page defines once (:func:`~.filters.logo.glyphs`). All pictures of
a pattern have the same columns below each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.filters.logo import glyphs
from chromputer_tracks.analysis.filters.pwm import information
from chromputer_tracks.analysis.motifs.patterns import Pattern

FLANK = 5
"""Columns shown on either side of a pattern's core."""

_COLUMN = 18
"""Width of a column, SVG units, which are CSS pixels of a pattern's own picture."""
_SMALL = 13
"""Width of a column in rows of tables, CSS pixels."""
_LEAST = 0.01
"""Letters lower than this share of the highest column are not drawn."""
_BITS = 2.0
_LEFT, _RIGHT, _ABOVE, _BELOW = 56, 4, 4, 16
_GAP = 12
_ROW = 54
"""Height of a logo in rows of tables, SVG units."""
_XMLNS = 'xmlns="http://www.w3.org/2000/svg"'
_MUTED, _BAND = "var(--fig-muted, #5a646f)", "var(--fig-accent, #0072b1)"


@dataclass(frozen=True, slots=True, eq=False)
class LetterRow:
    """One row of letters of a picture.

    Attributes:
        heights: float64 (4, columns): of A, C, G and T; below 0 they hang from the base line.
        name: of the row, at its left.
        tall: of the row, SVG units.
        limits: lowest and highest value shown; None: of the columns.
    """

    heights: NDArray[np.float64]
    name: str
    tall: int = 84
    limits: tuple[float, float] | None = None


def bits(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights of a PWM's letters: shares of each column's information, bits.

    Args:
        frequencies: float64 (4, width).
    """
    heights: NDArray[np.float64] = frequencies * information(frequencies)
    return heights


def shown_columns(pattern: Pattern) -> slice:
    """The core and :data:`FLANK` columns on either side, as far as the pattern reaches."""
    core = pattern.core
    return slice(max(core.start - FLANK, 0), min(core.stop + FLANK, pattern.width))


def pattern_logo(pattern: Pattern, description: str) -> str:
    """Contributions, hypothetical contributions and information of a pattern, ``<svg>``.

    Args:
        pattern: columns outside of its core are drawn without the band behind them.
        description: for those who cannot see it.
    """
    part = shown_columns(pattern)
    core = slice(pattern.core.start - part.start, pattern.core.stop - part.start)
    rows = [
        LetterRow(pattern.contributions[:, part], "contribution", 120),
        LetterRow(pattern.hypothetical[:, part], "hypothetical"),
        LetterRow(bits(pattern.frequencies)[:, part], "bits", 76, (0, _BITS)),
    ]
    return _picture(rows, part.stop - part.start, core, description)


def small_logo(heights: NDArray[np.float64], description: str) -> str:
    """Letters alone, ``<svg>``, for a row of a table; heights float64 (4, width)."""
    low, high = _limits(LetterRow(heights, ""))
    return _in_table(_letters(heights, low, high, _ROW), heights.shape[1], description)


def aligned_logo(
    frequencies: NDArray[np.float64], start: int, columns: slice, description: str
) -> str:
    """A motif's information where it lies in a picture of several, ``<svg>``.

    Args:
        frequencies: float64 (4, width).
        start: its first column.
        columns: shown, of the same numbering as ``start``.
        description: for those who cannot see it.
    """
    shift = (start - columns.start) * _COLUMN
    number = columns.stop - columns.start
    drawn = (
        f'<path d="M0 {_ROW - 0.5}h{number * _COLUMN}" stroke="{_MUTED}" stroke-opacity="0.4"/>'
        f'<g transform="translate({shift} 0)">{_letters(bits(frequencies), 0, _BITS, _ROW)}</g>'
    )
    return _in_table(drawn, number, description)


def logo_file(picture: str) -> str:
    """An ``<svg>`` of this module as a file of its own, with its glyphs."""
    head, _, rest = picture.partition(">")
    return f"{head.replace('<svg', f'<svg {_XMLNS}', 1)}>{glyphs()}{rest}\n"


def _in_table(drawn: str, columns: int, description: str) -> str:
    scale = _SMALL / _COLUMN
    width = columns * _COLUMN
    return (
        f'<svg class="logo" viewBox="0 0 {width} {_ROW}" width="{width * scale:g}" '
        f'height="{_ROW * scale:g}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(description)}">{drawn}</svg>'
    )


def _picture(rows: list[LetterRow], columns: int, core: slice, description: str) -> str:
    """Rows below each other over the same columns, with a scale each and numbered columns."""
    width = columns * _COLUMN
    total_width = _LEFT + width + _RIGHT
    total_height = _ABOVE + sum(row.tall for row in rows) + _GAP * (len(rows) - 1) + _BELOW
    parts = [
        f'<rect x="{_LEFT + core.start * _COLUMN}" y="{_ABOVE}" '
        f'width="{(core.stop - core.start) * _COLUMN}" height="{total_height - _ABOVE - _BELOW}" '
        f'fill="{_BAND}" fill-opacity="0.08"/>'
    ]
    top = _ABOVE
    for row in rows:
        low, high = _limits(row)
        base = row.tall * high / (high - low)
        parts.append(
            f'<g transform="translate({_LEFT} {top})">'
            f'<path d="M-4 {base:.1f}h{width + 4}" stroke="{_MUTED}" stroke-opacity="0.6"/>'
            f'<text transform="translate(-44 {row.tall / 2:g}) rotate(-90)" text-anchor="middle">'
            f"{escape(row.name)}</text>"
            f"{_tick(high, 8) if base > 14 else ''}"
            f"{_tick(low, row.tall) if row.tall - base > 12 else ''}"
            f"{_tick(0, base + 3)}"
            f"{_letters(row.heights, low, high, row.tall)}</g>"
        )
        top += row.tall + _GAP
    parts.extend(
        f'<text x="{_LEFT + (column + 0.5) * _COLUMN:g}" y="{total_height - 2}" '
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


def _limits(row: LetterRow) -> tuple[float, float]:
    """Lowest and highest end of the stacks, 0 among them."""
    if row.limits is not None:
        return row.limits
    high = float(np.clip(row.heights, 0, None).sum(axis=0).max())
    low = float(np.clip(row.heights, None, 0).sum(axis=0).min())
    return low, high if high > low else low + 1


def _letters(heights: NDArray[np.float64], low: float, high: float, tall: float) -> str:
    """Stacks of letters; the largest are farthest from the base line.

    Args:
        heights: float64 (4, columns).
        low: value at the lower edge.
        high: value at the upper edge.
        tall: height between the edges, SVG units.
    """
    unit = tall / (high - low)
    parts = []
    for column, values in enumerate(heights.T):
        above = below = high * unit  # the base line, from the upper edge
        for row in np.argsort(np.abs(values), kind="stable"):
            size = abs(float(values[row])) * unit
            if size < _LEAST * tall:
                continue
            if values[row] > 0:
                above -= size
                y = above
            else:
                y = below
                below += size
            parts.append(
                f'<use href="#base-{"ACGT"[row]}" x="{column * _COLUMN + 0.4:g}" y="{y:.2f}" '
                f'width="{_COLUMN - 0.8:g}" height="{size:.2f}"/>'
            )
    return "".join(parts)

"""What a report's page is made of, as the template takes it: sections of blocks, no HTML."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from chromputer_tracks.analysis.figures.style import RGB, css
from chromputer_tracks.evaluation.scores import Estimate

MISSING = "–"


@dataclass(frozen=True, slots=True)
class Strip:
    """A small picture of an estimate on an axis from 0 to 1, beside its number.

    Attributes:
        value: the dot.
        low: of its interval.
        high: of its interval.
        marks: ticks of what it is compared with.
    """

    value: float
    low: float
    high: float
    marks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: shown.
        note: smaller, behind it: an interval, a full name.
        color: of a swatch in front of it, CSS.
        strip: drawn in place of text.
        strong: the best of its row or column.
        code: monospaced and breakable, such as a checksum.
    """

    text: str
    note: str = ""
    color: str = ""
    strip: Strip | None = None
    strong: bool = False
    code: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column's title, whether it stands to the right, and what it means (shown on hover)."""

    title: str
    numeric: bool = True
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class TextBlock:
    """A paragraph; ``warning`` sets it off."""

    text: str
    warning: bool = False
    block: ClassVar[str] = "text"


@dataclass(frozen=True, slots=True)
class HeadingBlock:
    """A heading within a section."""

    text: str
    block: ClassVar[str] = "heading"


@dataclass(frozen=True, slots=True)
class TableBlock:
    """A table; the first cell of each row is its header. ``folded``: shown on a click."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False
    block: ClassVar[str] = "table"


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of the key above figures: ``line``, ``dotted`` line or ``area`` of a CSS colour."""

    name: str
    color: str
    mark: str = "line"


@dataclass(frozen=True, slots=True)
class FigureBlock:
    """Figures with one caption.

    Attributes:
        figures: SVG from :mod:`.figures`.
        caption: what they show, in one plain sentence or two.
        layout: ``one`` (as wide as it is), ``pair`` (two in a row), ``grid`` (small panels), or
            ``couples`` (small panels that belong together two by two).
        key: shown above them.
        foot: a further SVG under them, such as a colour scale.
        heads: of each couple.
    """

    figures: tuple[str, ...]
    caption: str
    layout: str = "one"
    key: tuple[Key, ...] = ()
    foot: str = ""
    heads: tuple[Cell, ...] = ()
    block: ClassVar[str] = "figure"


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and a value of the summary's list."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class FactsBlock:
    """A list of facts."""

    facts: tuple[Fact, ...]
    block: ClassVar[str] = "facts"


@dataclass(frozen=True, slots=True)
class Headline:
    """A figure of the summary.

    Attributes:
        name: of the figure.
        strip: the estimate, with the baseline as its mark.
        text: the value.
        interval: in brackets.
        against: the best baseline and its value.
        gain: signed difference to it; empty without one.
        better: whether it is above 0.
    """

    name: str
    strip: Strip
    text: str
    interval: str
    against: str = ""
    gain: str = ""
    better: bool = True


@dataclass(frozen=True, slots=True)
class HeadlinesBlock:
    """The summary's figures."""

    headlines: tuple[Headline, ...]
    block: ClassVar[str] = "headlines"


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Preformatted text with a name for those who cannot see it."""

    text: str
    name: str
    block: ClassVar[str] = "code"


Block = (
    TextBlock | HeadingBlock | TableBlock | FigureBlock | FactsBlock | HeadlinesBlock | CodeBlock
)


@dataclass(frozen=True, slots=True)
class Section:
    """A section with its anchor; one without blocks is left out."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


def number(value: float) -> str:
    """Three decimals, a true minus sign, an en dash where there is no value."""
    return f"{value:.3f}".replace("-", "−") if math.isfinite(value) else MISSING


def signed(value: float) -> str:
    """As :func:`number`, with its sign."""
    return f"{value:+.3f}".replace("-", "−") if math.isfinite(value) else MISSING


def share(value: float) -> str:
    """Three significant digits, for prevalences."""
    return f"{value:#.3g}" if math.isfinite(value) else MISSING


def interval(estimate: Estimate, form: str = ".3f") -> str:
    """``[0.722, 0.770]``; empty without an interval."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return ""
    return f"[{estimate.low:{form}}, {estimate.high:{form}}]".replace("-", "−")


def estimate_cell(estimate: Estimate | None, *, strong: bool = False) -> Cell:
    """A figure with its interval; an en dash where there is none."""
    if estimate is None or not math.isfinite(estimate.value):
        return Cell(MISSING)
    return Cell(number(estimate.value), interval(estimate), strong=strong)


def strip_cell(estimate: Estimate, marks: tuple[float, ...] = ()) -> Cell:
    """The picture of a figure and of what it is compared with."""
    if not math.isfinite(estimate.value):
        return Cell("")
    return Cell("", strip=strip(estimate, marks))


def strip(estimate: Estimate, marks: tuple[float, ...] = ()) -> Strip:
    """See :class:`Strip`; a missing interval has no width, values are cut at 0 and 1."""

    def cut(value: float, missing: float) -> float:
        return min(max(value if math.isfinite(value) else missing, 0.0), 1.0)

    value = cut(estimate.value, 0.0)
    return Strip(
        value,
        cut(estimate.low, value),
        cut(estimate.high, value),
        tuple(cut(mark, 0.0) for mark in marks if math.isfinite(mark)),
    )


def label_cell(name: str, title: str, color: RGB) -> Cell:
    """A label's name with its swatch and, where it says more, its full name.

    Of ``Reb1 (general regulatory factor)``, what is in brackets says more than ``Reb1``.
    """
    more = "" if title == name else title
    if title.startswith(f"{name} (") and title.endswith(")"):
        more = title[len(name) + 2 : -1]
    return Cell(name, more, css(color))


def plain(value: object) -> str:
    """A value of a record or a table: numbers with separators, or to four digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def words(key: object) -> str:
    """The name of a value of a record, without its underscores."""
    return str(key).replace("_", " ")

"""How every figure looks, and the charts that several pages share: SVG that lives inside a page."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from chromputer_tracks.errors import counted

if TYPE_CHECKING:
    from chromputer_tracks.evaluation.metrics import Curve, Estimate, Reliability
    from chromputer_tracks.evaluation.scores import BinaryScores


INK = "#1f2328"
MUTED = "#5a646f"
GRID = "#dde2e7"
PAPER = "#fefefe"
ACCENT = "#0072b1"
CELL = "#0072b0"
"""Colours that the page may replace; see :data:`PROPERTIES`."""

PROPERTIES = {
    INK: "--fig-ink",
    MUTED: "--fig-muted",
    GRID: "--fig-grid",
    PAPER: "--fig-paper",
    ACCENT: "--fig-accent",
    CELL: "--fig-cell",
}
"""Colour to the CSS custom property that stands for it: ``PAPER`` is the page behind a figure,
``CELL`` fills cells that bear white text."""

SERIES = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9")
"""Colours of models, conditions and splits: Okabe and Ito, safe for colour-blind readers."""

RGB = tuple[int, int, int]

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "chromputer",
    "image.composite_image": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 7.0,
    "axes.labelsize": 9.0,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "xtick.major.pad": 4.0,
    "ytick.major.pad": 4.0,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
}

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_PIXELS_PER_POINT = 96 / 72
_PLACES = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_FAMILY = re.compile(r"font-family: [^;]*;\s*")


@contextmanager
def canvas(
    width: float, height: float, margins: tuple[float, float, float, float] | None = None
) -> Iterator[Figure]:
    """A figure of ``width`` by ``height`` inches in the house style.

    Draw and call :func:`to_svg` inside the block: the style holds only there.

    Args:
        width: inches.
        height: inches.
        margins: inches left, below, right and above the axes; None measures the texts, which takes
            twice the time.
    """
    with style.context(["default", _STYLE]):
        figure = Figure(figsize=(width, height), layout=None if margins else "constrained")
        if margins:
            left, bottom, right, top = margins
            figure.subplots_adjust(
                left=left / width, bottom=bottom / height, right=1 - right / width,
                top=1 - top / height,
            )  # fmt: skip
        yield figure


def to_svg(figure: Figure, description: str) -> str:
    """The figure as an ``<svg>`` element to put into a page.

    Args:
        figure: from :func:`canvas`.
        description: what it shows, read aloud to those who cannot see it.

    Returns:
        ``<svg role="img" aria-label=...>``: no prologue, no scripts, nothing loaded from elsewhere;
        ids are unique to the content; the size in CSS pixels is the width and height attributes.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    # The input is what matplotlib has just written.
    root = ElementTree.fromstring(buffer.getvalue())  # noqa: S314
    _prune(root)
    _recolour(root)
    width, height = (float(size) for size in root.attrib["viewBox"].split()[2:])
    root.attrib = {
        "class": "figure",
        "viewBox": root.attrib["viewBox"],
        "width": f"{width * _PIXELS_PER_POINT:.0f}",
        "height": f"{height * _PIXELS_PER_POINT:.0f}",
        "role": "img",
        "aria-label": description,
        "style": "font-family: var(--fig-font, system-ui, sans-serif)",
    }
    # Before the ids: they come from the text, which has its namespace's prefix in it.
    ElementTree.register_namespace("", _SVG)
    _unique_ids(root, description)
    return ElementTree.tostring(root, encoding="unicode")


def _prune(root: ElementTree.Element) -> None:
    """Drop metadata and ids that nothing refers to; ``href`` for ``xlink:href``."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    referred = set()
    for element in root.iter():
        link = element.attrib.pop(f"{{{_XLINK}}}href", None)
        if link is not None:
            element.set("href", "".join(link.split()))
            referred.add(link.removeprefix("#"))
        for value in element.attrib.values():
            referred.update(_REFERENCE.findall(value))
    for element in root.iter():
        if element.get("id") not in referred:
            element.attrib.pop("id", None)
        element.text = element.text if (element.text or "").strip() else None
        element.tail = element.tail if (element.tail or "").strip() else None


def _recolour(root: ElementTree.Element) -> None:
    """Custom properties for the house's colours, the page's font, two decimals for points."""
    for element in root.iter():
        given = element.get("style")
        if given is not None:
            for colour, name in PROPERTIES.items():
                given = given.replace(colour, f"var({name}, {colour})")
            element.set("style", _FAMILY.sub("", given))
        for key in ("d", "transform", "x", "y", "width", "height"):
            value = element.get(key)
            if value is not None:
                short = _PLACES.sub(lambda found: f"{float(found[0]):.2f}", value)
                element.set(key, " ".join(short.split()))
        if element.get("transform", "").startswith("rotate(-0 "):
            del element.attrib["transform"]


def _unique_ids(root: ElementTree.Element, description: str) -> None:
    content = ElementTree.tostring(root) + description.encode()
    prefix = "f" + hashlib.sha256(content).hexdigest()[:10]
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "id":
                element.set(key, f"{prefix}-{value}")
            elif key == "href" and value.startswith("#"):
                element.set(key, f"#{prefix}-{value[1:]}")
            elif "url(#" in value:
                element.set(key, _REFERENCE.sub(rf"url(#{prefix}-\1)", value))


def css(color: RGB) -> str:
    """``(230, 145, 56)`` as ``#e69138``."""
    return "#" + "".join(f"{value:02x}" for value in color)


def thin(curve: Curve, steps: int = 200) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The points of a curve that can be told apart in a picture.

    The axes, 0 to 1, are cut into ``steps``; of the points in a step of x, the first, the last, the
    highest and the lowest stay, with their exact values.

    Returns:
        x and y, float64 (n,), at most ``4 * (steps + 1)`` points.
    """
    x, y = np.asarray(curve.x, dtype=np.float64), np.asarray(curve.y, dtype=np.float64)
    if len(x) <= steps:
        return x, y
    column = np.round(x * steps).astype(np.int64)
    first = np.flatnonzero(np.diff(column, prepend=column[0] - 1))
    last = np.append(first[1:], len(x)) - 1
    order = np.lexsort((y, column))
    lowest = order[np.searchsorted(column[order], column[first], side="left")]
    highest = order[np.searchsorted(column[order], column[first], side="right") - 1]
    kept = np.unique(np.concatenate([first, last, lowest, highest]))
    return x[kept], y[kept]


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Positions as near to ``values`` as can be, in their order, at least ``gap`` apart.

    For the labels at the ends of lines.
    """
    order = np.argsort(values, kind="stable")
    placed: list[list[float]] = []  # of groups that touch: the wanted centres of their first label
    sizes: list[int] = []
    for rank in order:
        placed.append([values[rank]])
        sizes.append(1)
        while len(placed) > 1:
            upper, lower = np.mean(placed[-1]), np.mean(placed[-2])
            if upper - lower >= gap * sizes[-2]:
                break
            moved = [value - gap * sizes[-2] for value in placed.pop()]
            placed[-1] = placed[-1] + moved
            sizes[-2:] = [sizes[-2] + sizes[-1]]
    at = [
        float(np.mean(group)) + gap * k
        for group, n in zip(placed, sizes, strict=True)
        for k in range(n)
    ]
    found = [0.0] * len(values)
    for rank, position in zip(order, at, strict=True):
        found[rank] = position
    return found


def unit_axes(axes: Axes, x: str, y: str) -> None:
    """A square from 0 to 1 with few ticks: recall, precision, probability."""
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=x, ylabel=y, aspect="equal")
    ticks = (0, 0.25, 0.5, 0.75, 1)
    axes.set_xticks(ticks, ("0", "", "0.5", "", "1"))
    axes.set_yticks(ticks, ("0", "", "0.5", "", "1"))


_PANEL = (2.32, 2.46, (0.46, 0.46, 0.08, 0.26))
"""Inches of a small square panel and its margins; pages lay several out in a row."""

_FITS = 20
"""Letters of a panel's title that fit beside three decimals; half as many beside their name."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line with intervals.

    Attributes:
        name: written at its end.
        x: in the order of drawing.
        y: an estimate for each x; NaN limits draw no band.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[Estimate, ...]


def training_curve(
    title: str,
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    best: float | None,
    colors: Mapping[str, RGB] = MappingProxyType({}),
) -> str:
    """One quantity by epoch, as SVG; lines carry their names at their ends.

    Args:
        title: the quantity.
        series: line's name to its epochs and values; NaN values are left out.
        best: the chosen epoch, marked; None marks none.
        colors: line's name to its colour, for those that have one of their own.
    """
    with canvas(4.3, max(2.5, 0.75 + 0.17 * len(series))) as figure:
        axes = figure.add_subplot()
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
        ends = []
        for colour, (name, (epochs, values)) in zip(
            _cycle(len(series)), series.items(), strict=True
        ):
            colour = css(colors[name]) if name in colors else colour
            points = [(e, v) for e, v in zip(epochs, values, strict=True) if np.isfinite(v)]
            if not points:
                continue
            x, y = np.array(points).T
            axes.plot(x, y, color=colour, marker="o" if len(x) < 25 else "", markersize=2.6)
            ends.append((name, colour, float(y[-1]), float(x[-1])))
            chosen = x == best
            axes.plot(x[chosen], y[chosen], "o", color=colour, markersize=6, markeredgecolor=PAPER)
        if best is not None:
            axes.axvline(best, color=MUTED, linewidth=0.9, dashes=(3, 3), zorder=1)
        axes.margins(x=0.03, y=0.1)
        _label_ends(figure, axes, ends)
        mark = "" if best is None else f"; epoch {best:g} was chosen"
        return to_svg(figure, f"{title} by epoch: {', '.join(series)}{mark}")


def pr_curve(
    scores: BinaryScores, color: RGB, others: Sequence[tuple[str, Curve]] = (), title: str = ""
) -> str:
    """Precision against recall of one label, as SVG.

    Args:
        scores: the model's: ink line over an area in the label's own colour.
        color: the label's.
        others: name and curve of models or baselines to compare with, in the colours of
            :data:`SERIES` in this order.
        title: above it; empty: the label's name.
    """
    with canvas(*_PANEL) as figure:
        axes = figure.add_subplot()
        unit_axes(axes, "recall", "precision")
        _titles(axes, title or scores.name, "AUPRC", scores.auprc.value)
        x, y = thin(scores.pr)
        axes.fill_between(x, y, color=css(color), alpha=0.35 if others else 0.5, linewidth=0)
        axes.axhline(scores.prevalence, color=MUTED, linewidth=1, dashes=(1, 2.5))
        for (_, curve), colour in zip(others, _cycle(len(others), first=1), strict=True):
            axes.plot(*thin(curve), color=colour, linewidth=1.2)
        axes.plot(x, y, color=INK, linewidth=1.4)
        return to_svg(
            figure,
            f"Precision-recall curve of {scores.name}: area {number(scores.auprc.value)}, "
            f"prevalence {scores.prevalence:.3g}",
        )


def reliability_diagram(name: str, reliability: Reliability, color: RGB) -> str:
    """Observed share of positives against predicted probability, as SVG.

    Dots are bins of sites, the larger the more sites (by the logarithm).

    Args:
        name: the label's name.
        reliability: the bins.
        color: the label's.
    """
    with canvas(*_PANEL) as figure:
        axes = figure.add_subplot()
        unit_axes(axes, "predicted probability", "observed share")
        _titles(axes, name, "ECE", reliability.error.value)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, dashes=(3, 3))
        size = 8 + 9 * np.log10(np.maximum(reliability.sites, 1))
        axes.plot(reliability.predicted, reliability.observed, color=INK, linewidth=1, alpha=0.55)
        axes.scatter(
            reliability.predicted, reliability.observed, s=size, color=css(color),
            edgecolors=INK, linewidths=0.8, zorder=3, clip_on=False,
        )  # fmt: skip
        error = number(reliability.error.value)
        return to_svg(figure, f"Reliability of {name}: expected calibration error {error}")


def depth_curves(lines: Sequence[Line], x: str, y: str, ceiling: float | None = None) -> str:
    """Figures against sequencing depth (log axis) with bands of their intervals, as SVG.

    Args:
        lines: one a model or condition.
        x: title of the depth's axis.
        y: title of the figure's axis.
        ceiling: the best possible value, drawn as a dashed line; None draws none.
    """
    with canvas(6.2, 3.3) as figure:
        axes = figure.add_subplot()
        axes.set_xscale("log")
        axes.set(xlabel=x, ylabel=y)
        ends = []
        for line, colour in zip(lines, _cycle(len(lines)), strict=True):
            value, low, high = (
                np.array([getattr(estimate, part) for estimate in line.y])
                for part in ("value", "low", "high")
            )
            axes.fill_between(line.x, low, high, color=colour, alpha=0.18, linewidth=0)
            axes.plot(line.x, value, color=colour, marker="o", markersize=3.5)
            ends.append((line.name, colour, float(value[-1]), float(line.x[-1])))
        if ceiling is not None:
            axes.axhline(ceiling, color=MUTED, linewidth=1, dashes=(4, 3))
            ends.append(
                ("best possible", MUTED, ceiling, max((line.x[-1] for line in lines), default=1))
            )
        depths = sorted({depth for line in lines for depth in line.x})
        axes.set_xticks(depths, [f"{depth:g}" for depth in depths])
        axes.minorticks_off()
        axes.margins(x=0.03, y=0.08)
        _label_ends(figure, axes, ends)
        return to_svg(figure, f"{y} against {x}: {', '.join(line.name for line in lines)}")


def number(value: float) -> str:
    """Three decimals; an en dash where there is no value."""
    return f"{value:.3f}" if np.isfinite(value) else "–"


def _titles(axes: Axes, name: str, figure: str, value: float) -> None:
    """The name at the left above a panel and a figure at the right, cut so that both fit."""
    axes.set_title(name if len(name) <= _FITS else name[: _FITS - 1] + "…")
    text = f"{figure} {number(value)}" if len(name) <= _FITS // 2 else number(value)
    axes.set_title(text, loc="right", fontweight="normal", fontsize=8.5, color=MUTED)


def _cycle(count: int, first: int = 0) -> list[str]:
    # The accent stands for the first series, so that a page can lighten it on a dark background.
    colours = (ACCENT, *SERIES[1:])
    return [colours[(first + index) % len(colours)] for index in range(count)]


def _label_ends(figure: Figure, axes: Axes, ends: Sequence[tuple[str, str, float, float]]) -> None:
    """Names at the right of lines' ends, pushed apart where they would overlap, led to by a line.

    Args:
        figure: holds the axes alone.
        axes: drawn upon; its limits stay.
        ends: name, colour, last y and last x of each line.
    """
    if not ends:
        return
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    last = max(x for *_, x in ends)
    gap = 0.145 / (figure.get_figheight() - 0.75) * (high - low)
    heights = spread([y for *_, y, _ in ends], gap)
    right = axes.transData + ScaledTranslation(16 / 72, 0, figure.dpi_scale_trans)
    for (name, colour, y, x), height in zip(ends, heights, strict=True):
        if name == axes.get_title("left").lower():
            continue
        axes.annotate(
            name, (x, y), xytext=(last, height), textcoords=right, color=INK, va="center",
            fontsize=8.5, annotation_clip=False,
            arrowprops={
                "arrowstyle": "-", "color": colour, "linewidth": 1.1, "shrinkA": 1, "shrinkB": 2,
                "relpos": (0, 0.5),
            },
        )  # fmt: skip


# Bars: figures of models and baselines with intervals, label counts, shares of states.


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure of one model or baseline.

    Attributes:
        name: beside the bar.
        value: with its interval; NaN limits draw none.
        baseline: drawn in grey.
    """

    name: str
    value: Estimate
    baseline: bool = False


def bars(rows: Sequence[Bar], title: str, ceiling: Bar | None = None) -> str:
    """Horizontal bars with intervals, top to bottom, and their values at the right, as SVG.

    Args:
        rows: models and baselines; those without a value are left out.
        title: the figure (``accuracy``); its axis is 0 to 1, or begins below 0 where a value does.
        ceiling: the best that can be expected: the last bar, empty, and a dashed line through the
            others; None draws none.
    """
    drawn = [
        row for row in (*rows, *([ceiling] if ceiling else [])) if np.isfinite(row.value.value)
    ]
    with canvas(4.3, 0.30 * len(drawn) + 0.75) as figure:
        axes = figure.add_subplot()
        axes.set_title(title)
        axes.grid(axis="y", visible=False)
        for at, row in enumerate(drawn):
            value, low, high = row.value.value, row.value.low, row.value.high
            if row is ceiling:
                axes.barh(at, value, height=0.62, fill=False, edgecolor=MUTED, linewidth=1)
                axes.plot([value, value], [-0.5, at], color=MUTED, linewidth=1, dashes=(4, 3))
            else:
                colour, alpha = (MUTED, 0.45) if row.baseline else (ACCENT, 0.85)
                axes.barh(at, value, height=0.62, color=colour, alpha=alpha)
            if np.isfinite(low) and np.isfinite(high):
                axes.plot([low, high], [at, at], color=PAPER, linewidth=3.4, alpha=0.8)
                axes.plot([low, high], [at, at], color=INK, linewidth=1.3)
            axes.annotate(
                number(value), (1, at), xycoords=("axes fraction", "data"), xytext=(5, 0),
                textcoords="offset points", va="center", fontsize=8.5, color=INK,
            )  # fmt: skip
        lowest = min((row.value.value for row in drawn), default=0.0)
        axes.set_xlim(min(0.0, lowest * 1.1), 1)
        axes.set_xticks(
            [tick for tick in (-1, -0.5, 0, 0.25, 0.5, 0.75, 1) if tick >= min(0, lowest)]
        )
        axes.xaxis.set_major_formatter(lambda tick, _: f"{tick:g}")
        axes.set_yticks(range(len(drawn)), [row.name for row in drawn], color=INK)
        axes.set_ylim(len(drawn) - 0.4, -0.6)
        axes.spines["left"].set_visible(False)
        shown = ", ".join(f"{row.name} {number(row.value.value)}" for row in drawn)
        return to_svg(figure, f"{title}: {shown}")


def label_counts(names: Sequence[str], counts: Mapping[str, Sequence[int]]) -> str:
    """Number of sites of each label in each split, on a log axis, as SVG.

    Args:
        names: the labels' names.
        counts: split to the number of sites of each label; labels without any get no dot.
    """
    with canvas(6.6, 0.27 * len(names) + 0.85) as figure:
        axes = figure.add_subplot()
        axes.set_xscale("log")
        axes.set_xlabel("sites")
        for at, _ in enumerate(names):
            row = [values[at] for values in counts.values() if values[at]]
            if row:
                axes.plot([min(row), max(row)], [at, at], color=MUTED, linewidth=0.8, alpha=0.5)
        colours = (ACCENT, *SERIES[1:])
        for index, (split, values) in enumerate(counts.items()):
            where = [at for at, value in enumerate(values) if value]
            axes.scatter(
                [values[at] for at in where], where, s=34, color=colours[index % len(colours)],
                edgecolors=PAPER, linewidths=0.8, label=split, zorder=3,
            )  # fmt: skip
        axes.set_yticks(range(len(names)), names, color=INK)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else "")
        axes.spines["left"].set_visible(False)
        axes.legend(
            loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=len(counts), frameon=False,
            handletextpad=0.2, columnspacing=1.4, borderpad=0.2,
        )  # fmt: skip
        return to_svg(figure, f"Sites of {counted(len(names), 'label')} in {', '.join(counts)}")


def class_shares(
    rows: Sequence[tuple[str, Sequence[int]]], names: Sequence[str], colors: Sequence[RGB]
) -> str:
    """Share of each class in each contig or split, as stacked bars in the classes' colours, as SVG.

    Args:
        rows: name (of a contig, a split) and number of sites of each class.
        names: the classes' names.
        colors: the classes' colours.
    """
    with canvas(6.6, 0.27 * len(rows) + 0.95) as figure:
        axes = figure.add_subplot()
        axes.grid(visible=False)
        for at, (_, values) in enumerate(rows):
            share = np.array(values, dtype=np.float64) / max(sum(values), 1)
            left = np.concatenate([[0], np.cumsum(share)[:-1]])
            for begin, width, color, name in zip(left, share, colors, names, strict=True):
                if width:
                    axes.barh(
                        at, width, left=begin, height=0.74, color=css(color), edgecolor=PAPER,
                        linewidth=0.6, label=name,
                    )  # fmt: skip
            axes.annotate(
                f"{sum(values):,}", (1, at), xytext=(5, 0), textcoords="offset points",
                va="center", fontsize=8.5, color=MUTED,
            )  # fmt: skip
        axes.set(xlim=(0, 1))
        axes.set_xticks((0, 0.25, 0.5, 0.75, 1), ("0", "25 %", "50 %", "75 %", "100 % of sites"))
        axes.set_yticks(range(len(rows)), [name for name, _ in rows], color=INK)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.spines[:].set_visible(False)
        return to_svg(
            figure, f"Share of {', '.join(names)} in {', '.join(name for name, _ in rows)}"
        )


# Matrices: confusion, overlap of labels, accuracy of models on samples.

_DARK = 0.72
"""Opacity of a cell from which on text upon it is white."""


def confusion_matrix(
    confusion: Sequence[Sequence[int]], names: Sequence[str], colors: Sequence[RGB]
) -> str:
    """Row-normalised shares with the number of sites, as SVG.

    Args:
        confusion: rows: true class, columns: predicted; number of sites.
        names: the classes' names.
        colors: the classes' colours.
    """
    counts = np.array(confusion, dtype=np.float64)
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)
    text = [
        [_per_cent(part) if count else "" for part, count in zip(*row, strict=True)]
        for row in zip(share, counts, strict=True)
    ]
    under = [[f"{int(c):,}" if c else "" for c in row] for row in counts]
    side = 0.62 * len(names)
    with canvas(side + 0.75, side + 0.6) as figure:
        axes = figure.add_subplot()
        _cells(axes, share, text, under)
        _names(axes, names, names)
        axes.set(xlabel="predicted", ylabel="true")
        for at, color in enumerate(colors):
            for corner, width, height in (
                ((at - 0.5, len(names) - 0.46), 1, 0.09),
                ((-0.63, at - 0.5), 0.09, 1),
            ):
                axes.add_patch(
                    Rectangle(corner, width, height, fc=css(color), ec=INK, lw=0.3, clip_on=False)
                )
        hits = float(np.trace(counts) / counts.sum()) if counts.sum() else float("nan")
        return to_svg(
            figure,
            f"Confusion matrix of {len(names)} classes, {int(counts.sum()):,} sites, "
            f"{number(hits)} of them on the diagonal",
        )


def overlap_matrix(jaccard: Sequence[Sequence[float]], names: Sequence[str]) -> str:
    """Jaccard index of each pair of labels (shared sites by sites of either), as SVG.

    Args:
        jaccard: symmetric, 0 to 1; only the lower triangle is drawn; NaN cells stay empty.
        names: the labels' names.
    """
    values = np.array(jaccard, dtype=np.float64)
    values[np.triu_indices(len(names))] = np.nan
    text = [
        [f"{v:.2f}" if v >= 0.005 else ("" if np.isnan(v) else "0") for v in row] for row in values
    ]
    side = 0.46 * len(names)
    with canvas(side + 0.8, side * 0.72 + 0.6) as figure:
        axes = figure.add_subplot()
        _cells(axes, values[1:, :-1], [row[:-1] for row in text[1:]], None)
        _names(axes, names[1:], names[:-1])
        axes.set_xticklabels(names[:-1], rotation=45, ha="right", rotation_mode="anchor")
        return to_svg(figure, f"Overlap (Jaccard index) of {len(names)} labels: {', '.join(names)}")


def accuracy_matrix(
    values: Sequence[Sequence[Estimate]], models: Sequence[str], samples: Sequence[str], what: str
) -> str:
    """A figure of each model on each sample, as SVG.

    Args:
        values: rows: models, columns: samples; NaN cells stay empty.
        models: what each row was trained on.
        samples: what each column was scored on.
        what: the figure (``accuracy``).
    """
    grid = np.array([[cell.value for cell in row] for row in values], dtype=np.float64)
    text = [[number(v) if np.isfinite(v) else "" for v in row] for row in grid]
    under = [
        [f"{number(c.low)}–{number(c.high)}" if np.isfinite(c.low) else "" for c in row]
        for row in values
    ]
    with canvas(1.05 * len(samples) + 1.6, 0.62 * len(models) + 0.95) as figure:
        axes = figure.add_subplot()
        _cells(axes, grid, text, under)
        _names(axes, models, samples)
        axes.set(xlabel=f"{what} on", ylabel="trained on")
        return to_svg(
            figure,
            f"{what} of {len(models)} models ({', '.join(models)}) on {len(samples)} samples "
            f"({', '.join(samples)})",
        )


def _per_cent(part: float) -> str:
    """Whole per cents; neither none nor all where it is not."""
    if 0 < part < 0.01:
        return "<1%"
    return ">99%" if 0.99 < part < 1 else f"{part:.0%}"


def _cells(
    axes: Axes,
    share: NDArray[np.float64],
    text: Sequence[Sequence[str]],
    under: Sequence[Sequence[str]] | None,
) -> None:
    """Squares of one colour, as opaque as their value (0 to 1), with one or two lines of text."""
    axes.grid(False)
    for (row, column), value in np.ndenumerate(share):
        if np.isnan(value):
            continue
        opacity = float(np.clip(value, 0, 1)) * 0.94 + 0.03
        axes.add_patch(
            Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, color=CELL, alpha=opacity, lw=0)
        )
        ink = "white" if opacity > _DARK else INK
        two = under is not None and bool(under[row][column])
        axes.text(
            column, row - (0.13 if two else 0), text[row][column],
            ha="center", va="center", fontsize=9, color=ink,
        )  # fmt: skip
        if under is not None:
            axes.text(
                column, row + 0.22, under[row][column],
                ha="center", va="center", fontsize=7, color=ink, alpha=0.85,
            )  # fmt: skip
    axes.set_xlim(-0.5, share.shape[1] - 0.5)
    axes.set_ylim(share.shape[0] - 0.5, -0.5)
    axes.spines[:].set_visible(False)


def _names(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    axes.set_xticks(range(len(columns)), columns, color=INK)
    axes.set_yticks(range(len(rows)), rows, color=INK)
    axes.tick_params(pad=9)

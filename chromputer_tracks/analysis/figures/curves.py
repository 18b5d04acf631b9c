"""Curves: training, precision against recall, reliability, accuracy against depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from chromputer_tracks.analysis.figures.style import (
    ACCENT,
    INK,
    MUTED,
    PAPER,
    RGB,
    SERIES,
    canvas,
    css,
    spread,
    thin,
    to_svg,
    unit_axes,
)
from chromputer_tracks.evaluation.scores import BinaryScores, Curve, Estimate, Reliability

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
        colors: of lines that have a colour of their own.
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
        scores: of the model: ink line over an area in the label's own colour.
        color: the label's.
        others: name and curve of models or baselines to compare with, in the colours of
            :data:`SERIES` in this order.
        title: above it; empty: the label's name.
    """
    share = scores.positives / scores.sites if scores.sites else float("nan")
    with canvas(*_PANEL) as figure:
        axes = figure.add_subplot()
        unit_axes(axes, "recall", "precision")
        _titles(axes, title or scores.name, "AUPRC", scores.auprc.value)
        x, y = thin(scores.pr)
        axes.fill_between(x, y, color=css(color), alpha=0.35 if others else 0.5, linewidth=0)
        axes.axhline(share, color=MUTED, linewidth=1, dashes=(1, 2.5))
        for (_, curve), colour in zip(others, _cycle(len(others), first=1), strict=True):
            axes.plot(*thin(curve), color=colour, linewidth=1.2)
        axes.plot(x, y, color=INK, linewidth=1.4)
        return to_svg(
            figure,
            f"Precision-recall curve of {scores.name}: area {number(scores.auprc.value)}, "
            f"prevalence {share:.3g}",
        )


def reliability_diagram(name: str, reliability: Reliability, color: RGB) -> str:
    """Observed share of positives against predicted probability, as SVG.

    Dots are bins of sites, the larger the more sites (by the logarithm).

    Args:
        name: of the label.
        reliability: its bins.
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
        figure: which holds the axes alone.
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

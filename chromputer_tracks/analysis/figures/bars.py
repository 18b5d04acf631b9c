"""Bars: figures of models and baselines with intervals, label counts, shares of states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chromputer_tracks.analysis.figures.curves import number
from chromputer_tracks.analysis.figures.style import (
    ACCENT,
    INK,
    MUTED,
    PAPER,
    RGB,
    SERIES,
    canvas,
    css,
    to_svg,
)
from chromputer_tracks.evaluation.scores import Estimate
from chromputer_tracks.wording import counted


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
        names: of the labels.
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
        names: of the classes.
        colors: of the classes.
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

"""Matrices: confusion, overlap of labels, accuracy of models on samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from chromputer_tracks.analysis.figures.curves import number
from chromputer_tracks.analysis.figures.style import CELL, INK, RGB, canvas, css, to_svg
from chromputer_tracks.evaluation.scores import Estimate

_DARK = 0.72
"""Opacity of a cell from which on text upon it is white."""


def confusion_matrix(
    confusion: Sequence[Sequence[int]], names: Sequence[str], colors: Sequence[RGB]
) -> str:
    """Row-normalised shares with the number of sites, as SVG.

    Args:
        confusion: rows: true class, columns: predicted; number of sites.
        names: of the classes.
        colors: of the classes.
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
        names: of the labels.
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

"""Figures of filters: patterns of V-plots and signals, and what filters contribute to classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from chromputer_tracks.analysis.figures.style import ACCENT, INK, MUTED, canvas, to_svg
from chromputer_tracks.analysis.filters.patches import TopPatches

_SIGNED, _COUNTS = "RdBu_r", "magma"
_NUCLEOSOME = 147
_WIDTH, _HEIGHT, _BELOW, _ABOVE = 9.4, 1.75, 0.27, 0.27
_PANELS = ((1.0, 1.6), (3.2, 1.6), (5.9, 1.45), (7.7, 1.5))
"""Inches of a V-plot filter's figure; left and width of its panels."""
_MINUS = "\N{MINUS SIGN}"


def vplot_pattern(
    kernel: NDArray[np.float32], top: TopPatches, edges: Sequence[int], bin_size: int, title: str
) -> str:
    """A V-plot filter: its weights, the mean of its top patches, and where they lie, as SVG.

    Args:
        kernel: float32 (rows, span), what each pixel of a patch is multiplied by.
        top: its most activating patches; none for a filter that was never active.
        edges: of the length classes, bp, ascending.
        bin_size: bp per position.
        title: the filter's name.
    """
    rows, span = kernel.shape
    half = span * bin_size / 2
    with canvas(_WIDTH, _HEIGHT, (0, 0, 0, 0)) as figure:
        weights, mean, where, lengths = (_panel(figure, *place) for place in _PANELS)
        extent = (-half, half, -rows / 2, rows / 2)
        limit = float(np.abs(kernel).max()) or 1.0
        picture = weights.imshow(
            kernel, cmap=_SIGNED, norm=TwoSlopeNorm(0, -limit, limit), extent=extent,
            origin="lower", aspect="auto", interpolation="none",
        )  # fmt: skip
        _bar(figure, picture, _PANELS[0])
        weights.set_title(f"{title}: weights")
        middle = rows // 2
        names = ["shorter"] * middle + ["its length class"] + ["longer"] * middle
        weights.set_yticks(np.arange(rows) - middle, names)
        if len(top):
            picture = mean.imshow(
                top.patch.mean(axis=0), cmap=_COUNTS, norm=Normalize(0), extent=extent,
                origin="lower", aspect="auto", interpolation="none",
            )  # fmt: skip
            _bar(figure, picture, _PANELS[1])
            _context(where, top, edges, half)
            _shares(lengths, top, len(edges) - 1)
        else:
            for axes in (mean, where, lengths):
                _nothing(axes)
        mean.set_yticks(np.arange(rows) - middle, [""] * rows)
        mean.set_title(f"mean of {len(top):,} patches")
        where.set_title("all lengths there")
        lengths.set_title("patches by length")
        for axes in (weights, mean, where):
            axes.set_xlim(-half, half)
            axes.set_xticks((-half, 0, half), (f"{_MINUS}{half:g}", "0 bp", f"+{half:g}"))
            axes.grid(False)
        for axes in (where, lengths):
            _length_ticks(axes, edges)
        where.set_ylabel("fragment length (bp)")
        lengths.set_yticklabels([])
        return to_svg(
            figure,
            f"Filter {title}: weights over {rows} length classes and {span * bin_size} bp, the "
            f"mean of its {len(top)} most activating patches, and the lengths at which they lie",
        )


def _panel(figure: Figure, left: float, width: float) -> Axes:
    """Axes at a place in inches."""
    return figure.add_axes(
        (left / _WIDTH, _BELOW / _HEIGHT, width / _WIDTH, 1 - (_BELOW + _ABOVE) / _HEIGHT)
    )


def _bar(figure: Figure, picture: AxesImage, place: tuple[float, float]) -> None:
    """The colours of a panel, at its right."""
    left, width = place
    bar = figure.colorbar(picture, cax=_panel(figure, left + width + 0.07, 0.07))
    bar.outline.set_visible(False)
    bar.locator = MaxNLocator(4)
    bar.update_ticks()


def _context(axes: Axes, top: TopPatches, edges: Sequence[int], half: float) -> None:
    """The mean of all length classes, each as high as any, at the top patches' positions."""
    axes.imshow(
        top.context.mean(axis=0), cmap=_COUNTS, norm=Normalize(0),
        extent=(-half, half, 0, len(edges) - 1), origin="lower", aspect="auto",
        interpolation="none",
    )  # fmt: skip
    if edges[0] < _NUCLEOSOME < edges[-1]:
        at = float(np.interp(_NUCLEOSOME, edges, range(len(edges))))
        axes.axhline(at, color="white", linewidth=0.6, alpha=0.6, dashes=(4, 4))


def _shares(axes: Axes, top: TopPatches, lengths: int) -> None:
    """How many of the top patches have each length class in their middle."""
    counts = np.bincount(top.length, minlength=lengths)
    axes.barh(np.arange(lengths) + 0.5, counts, height=0.85, color=ACCENT, alpha=0.85)
    axes.set_ylim(0, lengths)
    axes.set_xlim(0, None)
    axes.set_xticks((0, int(counts.max())), ("0", f"{counts.max():,}"))
    axes.grid(axis="y", visible=False)


def _length_ticks(axes: Axes, edges: Sequence[int]) -> None:
    """Every other edge of the length classes, which are drawn equally high."""
    shown = range(0, len(edges), 2 if len(edges) > 8 else 1)
    axes.set_ylim(0, len(edges) - 1)
    axes.set_yticks(list(shown), [f"{edges[i]}" for i in shown])


def _nothing(axes: Axes) -> None:
    axes.text(
        0.5, 0.5, "never active", transform=axes.transAxes, ha="center", va="center", color=MUTED
    )


def signal_pattern(kernel: NDArray[np.float32], top: TopPatches, bin_size: int, title: str) -> str:
    """A signal's filter: its weights and the mean of its top patches, as SVG.

    Args:
        kernel: float32 (1, span).
        top: its most activating patches; none for a filter that was never active.
        bin_size: bp per position.
        title: the filter's name.
    """
    span = kernel.shape[1]
    places = (np.arange(span) - span // 2) * bin_size
    with canvas(4.6, 1.7) as figure:
        weights, mean = figure.subplots(1, 2)
        weights.bar(places, kernel[0], width=0.85 * bin_size, color=ACCENT, alpha=0.85)
        weights.axhline(0, color=MUTED, linewidth=0.8)
        weights.set_title(f"{title}: weights")
        mean.set_title(f"mean of {len(top):,} patches")
        if len(top):
            values = top.patch[:, 0]
            low, high = np.percentile(values, (25, 75), axis=0)
            mean.fill_between(places, low, high, color=ACCENT, alpha=0.2, linewidth=0)
            mean.plot(places, values.mean(axis=0), color=INK)
        else:
            _nothing(mean)
        for axes in (weights, mean):
            axes.set_xlabel("bp")
        return to_svg(
            figure,
            f"Filter {title}: weights over {span * bin_size} bp and the mean of its {len(top)} "
            "most activating patches",
        )


def contribution_map(
    values: NDArray[np.float64], classes: Sequence[str], filters: Sequence[str]
) -> str:
    """Mean contribution of filters to classes, each row relative to its largest, as SVG.

    Args:
        values: float64 (classes, filters); NaN rows, of classes without sites, stay empty.
        classes: their names.
        filters: their names.
    """
    largest = np.max(np.abs(values), axis=1, keepdims=True, initial=0)
    shown = np.divide(values, largest, out=np.full_like(values, np.nan), where=largest > 0)
    with canvas(0.155 * len(filters) + 1.6, 0.24 * len(classes) + 1.9) as figure:
        axes = figure.add_subplot()
        axes.grid(False)
        picture = axes.imshow(
            shown, cmap=_SIGNED, norm=TwoSlopeNorm(0, -1, 1), aspect="auto", interpolation="none"
        )
        axes.set_yticks(range(len(classes)), classes, color=INK)
        axes.set_xticks(range(len(filters)), filters, rotation=90, fontsize=7, color=INK)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(picture, ax=axes, location="right", aspect=24, pad=0.01)
        bar.set_ticks((-1, 0, 1), labels=(f"{_MINUS}1", "0", "1"))
        bar.outline.set_visible(False)
        return to_svg(
            figure,
            f"Mean contribution of {len(filters)} filters to {len(classes)} classes, each class "
            "relative to its largest",
        )

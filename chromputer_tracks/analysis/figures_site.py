"""A picture of one explained site: its V-plots and signals, what they contribute, and the bases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import logomaker
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from chromputer_tracks.analysis.figures_style import GRID, INK, MUTED, canvas
from chromputer_tracks.spec import InputSpec, Label, ModelSpec
from chromputer_tracks.tracks.explain_label import SiteView
from chromputer_tracks.tracks.explain_layout import NUCLEOSOME

FORMATS = ("png", "pdf")
ZOOM = 100
"""Bases that are drawn as letters: those that hold most of the contributions."""

_COLORS = {"A": "#109648", "C": "#255c99", "G": "#f0a022", "T": "#d62839"}
_UP, _DOWN = "#b2182b", "#2166ac"
"""What speaks for the label and what against it: the ends of the map of contributions."""
_VALUES, _SIGNED = "Greys", "RdBu_r"
_SHADE = "#eef1f4"
"""Behind the letters, and behind the same bases in the row above."""
_WIDTH = 7.2
_HEIGHTS = {"values": 1.3, "contributions": 1.3, "signal": 0.8, "bases": 0.95, "letters": 1.15}
"""Inches of each row."""
_HEAD = 0.55
_TOP = 99.5
"""Percentile of the pixels other than 0 at which a colour scale ends."""
_DOTS = 200


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the picture: what it draws, and of which input; None for bases and letters."""

    kind: str
    item: InputSpec | None = None


def write_pictures(
    views: Sequence[SiteView], spec: ModelSpec, label: Label, folder: Path
) -> tuple[str, ...]:
    """Draw sites into a folder.

    Args:
        views: the sites; the first is numbered 01.
        spec: of the model.
        label: what was explained.
        folder: exists.

    Returns:
        names of the files: ``01_CONTIG_POSITION.png`` and the same as PDF, the position 1-based.
    """
    names = []
    for number, view in enumerate(views, 1):
        chrom = "".join(c if c.isalnum() or c in ".-" else "-" for c in view.site.chrom)
        stem = f"{number:02d}_{chrom}_{view.site.centre + 1}"
        made = [f"{stem}.{suffix}" for suffix in FORMATS]
        draw_site(view, spec, label, [folder / name for name in made])
        names += made
    return tuple(names)


def draw_site(view: SiteView, spec: ModelSpec, label: Label, paths: Sequence[Path]) -> None:
    """Draw one site: from top to bottom V-plots, signals, and bases.

    All rows but the last show the window, in bp from the site's centre. Of a V-plot, the values
    that the network reads and their contributions; of a signal, its values as a line and its
    contributions as bars; of the bases, their contributions, and the :data:`ZOOM` bases that hold
    most of them as letters.

    Args:
        view: the site.
        spec: of the model.
        label: what was explained.
        paths: the format of each follows from its ending.
    """
    rows = _rows(view, spec)
    heights = [_HEIGHTS[row.kind] for row in rows]
    with canvas(_WIDTH, sum(heights) + _HEAD) as figure:
        axes = figure.subplots(
            len(rows), 2, squeeze=False, height_ratios=heights, width_ratios=(1, 0.016)
        )
        for row, (panel, bar) in zip(rows, axes, strict=True):
            _draw_row(row, view, figure, panel, bar)
        _label_axes(view, [panel for panel, _ in axes], rows)
        place = f"{view.site.chrom}:{view.site.centre + 1:,}"
        name = "" if view.site.name in (".", label.name) else f" · {view.site.name}"
        figure.suptitle(
            f"{label.title}{name} · {place} · logit {view.logit:.2f}",
            fontsize=10,
            fontweight="bold",
            color=INK,
            x=0.01,
            ha="left",
        )
        for path in paths:
            # No date: equal sites give equal files.
            dates = {"CreationDate": None} if path.suffix == ".pdf" else {}
            figure.savefig(path, dpi=_DOTS, facecolor="white", metadata=dates)


def zoomed(importance: NDArray[np.float32], width: int = ZOOM) -> int:
    """Offset of the bases that hold most of the contributions, without their signs.

    Args:
        importance: float32 (window,).
        width: bp.

    Returns:
        the first of ``width`` bases; the stretch nearest to the window's middle on ties.
    """
    width = min(width, len(importance))
    sums = np.concatenate([[0.0], np.cumsum(np.abs(importance), dtype=np.float64)])
    held = sums[width:] - sums[:-width]
    best = np.flatnonzero(held >= held.max() * (1 - 1e-9))
    middle = (len(importance) - width) / 2
    return int(best[np.argmin(np.abs(best - middle))])


def _rows(view: SiteView, spec: ModelSpec) -> list[_Row]:
    rows = []
    for item in spec.inputs:
        if item.kind == "vplot":
            rows += [_Row("values", item), _Row("contributions", item)]
        elif item.kind == "signal":
            rows.append(_Row("signal", item))
    if view.importance is not None and view.sequence is not None:
        rows += [_Row("bases"), _Row("letters")]
    return rows


def _draw_row(row: _Row, view: SiteView, figure: Figure, panel: Axes, bar: Axes) -> None:
    panel.grid(False)
    if row.item is not None and row.item.kind == "vplot":
        mesh = _draw_vplot(row, row.item, view, panel)
        figure.colorbar(mesh, cax=bar)
        bar.set_ylabel("contribution" if row.kind == "contributions" else "value", fontsize=7)
        bar.yaxis.set_major_locator(MaxNLocator(3))
        bar.tick_params(labelsize=7, pad=2)
        bar.spines[:].set_visible(False)
        return
    bar.set_axis_off()
    if row.item is not None:
        _draw_signal(row.item, view, panel)
    elif view.importance is not None and row.kind == "bases":
        _bars(panel, _offsets(view, len(view.importance)), view.importance)
        panel.set_ylabel("contribution")
        _caption(panel, "bases, contributions")
    elif view.importance is not None and view.sequence is not None:
        _draw_letters(view.sequence, view.importance, view, panel)


def _offsets(view: SiteView, bins: int) -> NDArray[np.float64]:
    """Edges of equal bins over the window, float64 (bins + 1,), bp from the site's centre."""
    first = view.window.start - view.site.centre
    return np.linspace(first, first + len(view.window), bins + 1)


def _caption(panel: Axes, text: str) -> None:
    panel.text(
        0.006, 0.94, text, transform=panel.transAxes, va="top", fontsize=7.5, color=MUTED, zorder=5
    )


def _draw_vplot(row: _Row, item: InputSpec, view: SiteView, panel: Axes) -> QuadMesh:
    """Values or contributions, each pixel at its position and lengths."""
    signed = row.kind == "contributions"
    image = (view.inputs if signed else view.values)[item.name]
    sizes = np.abs(image[image != 0])
    top = float(np.percentile(sizes, _TOP)) if len(sizes) else 1.0
    mesh = panel.pcolormesh(
        _offsets(view, image.shape[1]),
        item.length_edges,
        np.ma.masked_equal(image, 0),
        cmap=_SIGNED if signed else _VALUES,
        norm=Normalize(-top if signed else 0, top),
        rasterized=True,
    )
    panel.set_ylabel("length (bp)")
    panel.set_yticks([tick for tick in range(0, 2000, 200) if tick <= item.length_edges[-1]])
    panel.set_ylim(item.length_edges[0], item.length_edges[-1])
    if item.length_edges[0] < NUCLEOSOME < item.length_edges[-1]:
        panel.axhline(NUCLEOSOME, color=MUTED, linewidth=0.5, dashes=(4, 4), alpha=0.6)
    what = "contributions" if signed else "fragments by midpoint and length, as the network reads"
    _caption(panel, f"{item.name}, {what}")
    return mesh


def _draw_signal(item: InputSpec, view: SiteView, panel: Axes) -> None:
    """Contributions as bars; the values behind them, on an axis of their own."""
    contributions, values = view.inputs[item.name][0], view.values[item.name][0]
    edges = _offsets(view, len(values))
    behind = panel.twinx()
    behind.grid(False)
    behind.fill_between(edges, np.append(values, values[-1]), step="post", color=GRID, linewidth=0)
    behind.set_ylim(0, 1.15 * max(float(values.max()), 1e-6))
    behind.set_yticks([])
    behind.spines[:].set_visible(False)
    panel.set_zorder(behind.get_zorder() + 1)
    _bars(panel, edges, contributions)
    panel.set_ylabel("contribution")
    _caption(panel, f"{item.name}, contributions (grey: its values)")


def _bars(panel: Axes, edges: NDArray[np.float64], values: NDArray[np.float32]) -> None:
    """Steps from 0, above in one colour and below in the other."""
    heights = np.append(values, values[-1])
    for part, color in ((np.maximum(heights, 0), _UP), (np.minimum(heights, 0), _DOWN)):
        panel.fill_between(edges, part, step="post", color=color, linewidth=0.3)
    panel.axhline(0, color=MUTED, linewidth=0.5)
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    room = (high - low) or 1.0
    panel.set_ylim(low - 0.06 * room, high + 0.22 * room)
    panel.yaxis.set_major_locator(MaxNLocator(3))


def _draw_letters(
    sequence: NDArray[np.float32], importance: NDArray[np.float32], view: SiteView, panel: Axes
) -> None:
    """The bases with most of the contributions, as letters of their height."""
    first = zoomed(importance)
    width = min(ZOOM, len(importance))
    heights = (sequence * importance)[:, first : first + width]
    start = view.window.start - view.site.centre + first
    table = pd.DataFrame(heights.T, columns=list(_COLORS), index=np.arange(start, start + width))
    if heights.any():
        logomaker.Logo(
            table, ax=panel, color_scheme=_COLORS, show_spines=False, baseline_width=0.5, vpad=0.03
        )
    panel.spines[["left", "bottom"]].set_visible(True)
    panel.spines[["left", "bottom"]].set_color(MUTED)
    panel.spines[["left", "bottom"]].set_linewidth(0.8)
    panel.set_facecolor(_SHADE)
    panel.set_xlim(start - 0.5, start + width - 0.5)
    panel.yaxis.set_major_locator(MaxNLocator(3))
    panel.set_ylabel("contribution")


def _label_axes(view: SiteView, panels: Sequence[Axes], rows: Sequence[_Row]) -> None:
    """One axis of positions below the rows of the window, another below the letters."""
    whole = [panel for panel, row in zip(panels, rows, strict=True) if row.kind != "letters"]
    first = view.window.start - view.site.centre
    for panel in whole:
        panel.set_xlim(first, first + len(view.window))
        panel.axvline(0, color=MUTED, linewidth=0.5, dashes=(2, 3), alpha=0.8)
        panel.tick_params(labelbottom=panel is whole[-1])
    place = f"bp from {view.site.chrom}:{view.site.centre + 1:,}"
    whole[-1].set_xlabel(place, labelpad=1)
    if rows[-1].kind == "letters":
        letters = panels[-1]
        letters.set_xlabel(place, labelpad=1)
        left, right = letters.get_xlim()
        whole[-1].axvspan(left, right, color=_SHADE, linewidth=0, zorder=-1)

"""A picture of one explained site: its V-plots and signals, what they contribute, and the bases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import logomaker
import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from chromputer_tracks.data.features import NUCLEOSOME
from chromputer_tracks.figures import INK, MUTED, canvas
from chromputer_tracks.spec import InputSpec, Label, ModelSpec
from chromputer_tracks.tracks.explain.sites import SiteView

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
_IMAGE, _CURVE, _LETTERS = 1.3, 0.95, 1.25
"""Inches of a row."""
_HEAD = 0.55
_TOP = 99.5
"""Percentile of the pixels other than 0 at which a colour scale ends."""
_DOTS = 200


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the picture.

    Attributes:
        kind: ``values`` or ``contributions`` of ``item``, ``bases``, ``shape`` or ``letters``.
        height: inches.
        item: a V-plot or signal.
    """

    kind: str
    height: float
    item: InputSpec | None = None


def write_pictures(views: Sequence[SiteView], spec: ModelSpec, label: Label, folder: Path) -> None:
    """Draw sites into a folder: ``01_CONTIG_POSITION.png`` and the same as PDF, 1-based.

    Args:
        views: the sites; the first is numbered 01.
        spec: the model, its inputs and labels.
        label: what was explained.
        folder: exists.
    """
    for number, view in enumerate(views, 1):
        chrom = "".join(c if c.isalnum() or c in ".-" else "-" for c in view.site.chrom)
        stem = f"{number:02d}_{chrom}_{view.site.centre + 1}"
        draw_site(view, spec, label, [folder / f"{stem}.{suffix}" for suffix in FORMATS])


def draw_site(view: SiteView, spec: ModelSpec, label: Label, paths: Sequence[Path]) -> None:
    """Draw one site: V-plots and signals, then the bases.

    All rows but the last show the window, in bp from the site's centre: of each V-plot and signal
    the values that the network reads and their contributions, of DNA shape the sum over its
    features, of the bases their contributions. The last shows the :data:`ZOOM` bases that hold most
    of them as letters.

    Args:
        view: the site.
        spec: the model, its inputs and labels.
        label: what was explained.
        paths: the format of each follows from its ending.
    """
    rows = _rows(view, spec)
    heights = [row.height for row in rows]
    with canvas(_WIDTH, sum(heights) + _HEAD) as figure:
        axes = figure.subplots(
            len(rows), 2, squeeze=False, height_ratios=heights, width_ratios=(1, 0.016)
        )
        for row, (panel, bar) in zip(rows, axes, strict=True):
            _draw_row(row, view, figure, panel, bar)
        panels = [panel for panel, _ in axes]
        _label_axes(view, panels, rows)
        figure.align_ylabels(panels)
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
        # TrueType: text of a PDF can be edited.
        with rc_context({"pdf.fonttype": 42}):
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
        if item.kind != "sequence":
            height = _IMAGE if item.kind == "vplot" else _CURVE
            rows += [_Row(kind, height, item) for kind in ("values", "contributions")]
    if view.shape is not None:
        rows.append(_Row("shape", _CURVE))
    if view.importance is not None and view.sequence is not None:
        rows += [_Row("bases", _CURVE), _Row("letters", _LETTERS)]
    return rows


def _draw_row(row: _Row, view: SiteView, figure: Figure, panel: Axes, bar: Axes) -> None:
    panel.grid(False)
    panel.set_ylabel("value" if row.kind == "values" else "contribution", fontsize=8)
    if row.item is not None and row.item.kind == "vplot":
        mesh = _draw_vplot(row, row.item, view, panel)
        figure.colorbar(mesh, cax=bar)
        bar.set_ylabel("value" if row.kind == "values" else "contribution", fontsize=7)
        bar.yaxis.set_major_locator(MaxNLocator(3))
        bar.tick_params(labelsize=7, pad=2)
        bar.spines[:].set_visible(False)
        return
    bar.set_axis_off()
    if row.kind == "letters" and view.sequence is not None and view.importance is not None:
        _draw_letters(view.sequence, view.importance, view, panel)
    elif row.kind == "bases" and view.importance is not None:
        _draw_steps(panel, view, view.importance, "contributions of the bases")
    elif row.kind == "shape" and view.shape is not None:
        _draw_steps(panel, view, view.shape.sum(axis=0), "contributions of DNA shape")
    elif row.item is not None and row.kind == "values":
        _draw_steps(panel, view, view.values[row.item.name][0], row.item.name, (MUTED, MUTED))
    elif row.item is not None:
        what = f"contributions of {row.item.name}"
        _draw_steps(panel, view, view.inputs[row.item.name][0], what)


def _offsets(view: SiteView, bins: int) -> NDArray[np.float64]:
    """Edges of equal bins over the window, float64 (bins + 1,), bp from the site's centre."""
    first = view.window.start - view.site.centre
    return np.linspace(first, first + len(view.window), bins + 1)


def _caption(panel: Axes, text: str) -> None:
    panel.set_title(text, fontsize=8, fontweight="normal", color=MUTED, pad=2)


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
    panel.set_ylabel("length (bp)", fontsize=8)
    panel.set_yticks([tick for tick in range(0, 2000, 200) if tick <= item.length_edges[-1]])
    panel.set_ylim(item.length_edges[0], item.length_edges[-1])
    if item.length_edges[0] < NUCLEOSOME < item.length_edges[-1]:
        panel.axhline(NUCLEOSOME, color=MUTED, linewidth=0.5, dashes=(4, 4), alpha=0.6)
    _caption(panel, f"contributions of {item.name}" if signed else f"{item.name}: fragments")
    return mesh


def _draw_steps(
    panel: Axes,
    view: SiteView,
    values: NDArray[np.float32],
    caption: str,
    colors: tuple[str, str] = (_UP, _DOWN),
) -> None:
    """Steps from 0, those above in one colour and those below in the other."""
    edges, heights = _offsets(view, len(values)), np.append(values, values[-1])
    for part, color in zip((heights.clip(min=0), heights.clip(max=0)), colors, strict=True):
        panel.fill_between(edges, part, step="post", color=color, linewidth=0.3)
    panel.axhline(0, color=MUTED, linewidth=0.5)
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    room = (high - low) or 1.0
    panel.set_ylim(low - 0.06 * room, high + 0.06 * room)
    panel.yaxis.set_major_locator(MaxNLocator(3))
    _caption(panel, caption)


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

"""Where a pattern's hits lie relative to the sites, as a small figure."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from chromputer_tracks.analysis.figures.style import ACCENT, MUTED, canvas, to_svg

_BARS = 41
_MINUS = "\N{MINUS SIGN}"


def offset_figure(offsets: NDArray[np.float64], window: int, description: str) -> str:
    """Histogram of hits by their distance from the site's summit, SVG.

    Args:
        offsets: float64 (h,), bp; those beyond the window are not shown.
        window: bp around the summit.
        description: for those who cannot see it.
    """
    half = window / 2
    with canvas(3.1, 1.45) as figure:
        axes = figure.add_subplot()
        counts, edges = np.histogram(offsets, bins=_BARS, range=(-half, half))
        axes.bar(
            (edges[:-1] + edges[1:]) / 2, counts, width=0.86 * window / _BARS, color=ACCENT,
            linewidth=0,
        )  # fmt: skip
        axes.axvline(0, color=MUTED, linewidth=0.7, dashes=(3, 3), zorder=0)
        axes.set(xlim=(-half, half), ylim=(0, None), ylabel="hits")
        axes.set_xlabel("bp from the summit", labelpad=2)
        axes.set_xticks((-half, 0, half), (f"{_MINUS}{half:g}", "0", f"+{half:g}"))
        axes.grid(axis="x", visible=False)
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        return to_svg(figure, description)

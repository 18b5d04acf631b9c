"""How every figure looks, and how it becomes SVG that lives inside a page.

Figures are drawn with matplotlib without pyplot, so that no global state changes. Their SVG is
transparent; its text stays text in the page's font, and its ink, grid and accent are CSS custom
properties with a fall-back (``var(--fig-ink, #1f2328)``), so that a page can turn them light on a
dark background and a file of its own still shows.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

if TYPE_CHECKING:
    from chromputer_tracks.evaluation.metrics import Curve


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

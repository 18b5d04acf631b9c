"""A map of sites, and what it can be coloured by."""

from __future__ import annotations

import colorsys
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.embed.clusters import (
    Clustering,
    ClusterSummary,
    MapLayout,
    PrincipalComponents,
    states_of,
)
from chromputer_tracks.analysis.embed.windows import WindowOutputs
from chromputer_tracks.analysis.vplots.aggregate import VplotSet
from chromputer_tracks.errors import InputError
from chromputer_tracks.figures import RGB, SERIES
from chromputer_tracks.io.bed import Column, SiteTable
from chromputer_tracks.spec import Label, ModelSpec

Float64 = NDArray[np.float64]

# ---- Colourings: by predicted state, cluster, label, or column of the BED.

Group = Literal["model", "label", "column"]

STATE, CLUSTER = "state", "cluster"
MISSING = "no value"
MISSING_COLOR: RGB = (170, 176, 184)
"""Colour of sites without a value, and of classes too rare for a colour of their own."""
MOST_CLASSES = 16
"""Classes with a colour of their own; the rarest of more share one."""
FEW_NUMBERS = 10
"""A column of at most so many different whole numbers is one of classes."""

_NO_VALUE = {"", ".", "na", "n/a", "nan", "none", "null"}
_MORE_COLORS = (
    "#882255", "#44aa99", "#999933", "#332288", "#ddcc77", "#aa4499", "#117733", "#661100",
    "#6699cc", "#888888",
)  # fmt: skip
"""After figures.style.SERIES: Paul Tol's muted scheme, which colour-blind readers can tell apart,
too."""


@dataclass(frozen=True, slots=True, eq=False)
class ClassColoring:
    """Sites in classes.

    Attributes:
        key: what ``--color-by`` takes.
        title: what the legend says.
        group: where it comes from.
        names: names of the classes.
        titles: full names, as long as ``names``; empty where there is none.
        colors: as long as ``names``.
        codes: int64 (n,), index into ``names``.
    """

    key: str
    title: str
    group: Group
    names: tuple[str, ...]
    titles: tuple[str, ...]
    colors: tuple[RGB, ...]
    codes: NDArray[np.int64]

    @property
    def counts(self) -> list[int]:
        """Sites of each class."""
        counts: list[int] = np.bincount(self.codes, minlength=len(self.names)).tolist()
        return counts


@dataclass(frozen=True, slots=True, eq=False)
class ValueColoring:
    """Sites with a number: float64 (n,), NaN where there is none.

    The colour scale starts at ``low`` and ends at ``high``, above it; the rest is as in
    :class:`ClassColoring`.
    """

    key: str
    title: str
    group: Group
    values: Float64
    low: float
    high: float


Coloring = ClassColoring | ValueColoring


def output_names(spec: ModelSpec) -> list[str]:
    """Name of each output: its label's, or ``HEAD.LABEL`` where something else has that, too."""
    pairs = [(head.name, label.name) for head in spec.heads for label in head.labels]
    taken = [STATE, CLUSTER, *(name for _, name in pairs)]
    return [name if taken.count(name) == 1 else f"{head}.{name}" for head, name in pairs]


def category_color(index: int) -> RGB:
    """The colour of a class by its place: 16 that differ for all readers, then hues in between."""
    fixed = (*SERIES, *_MORE_COLORS)
    if index < len(fixed):
        text = fixed[index].removeprefix("#")
        red, green, blue = (int(text[at : at + 2], 16) for at in (0, 2, 4))
        return red, green, blue
    # Steps of the golden angle never come back to a hue.
    hue = (index - len(fixed)) * 0.618033988749895 % 1
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, 0.45, 0.6))
    return red, green, blue


def coloring_keys(spec: ModelSpec, columns: Sequence[Column]) -> list[str]:
    """What ``--color-by`` may name: states and labels of the model, then the BED's columns.

    A column whose name something else has, too, is called by its number, ``column 7``.
    """
    own = [*([STATE] if states_of(spec)[1] else []), CLUSTER, *output_names(spec)]
    names = [*own, *(column.name for column in columns)]
    return own + [
        column.name if names.count(column.name) == 1 else f"column {column.number}"
        for column in columns
    ]


def resolve_key(asked: str | None, spec: ModelSpec, columns: Sequence[Column]) -> str:
    """The key of what was asked for; the predicted state, else the cluster, where nothing was.

    A column may also be named by its number. Names of the model go before those of the BED.

    Raises:
        InputError: there is no such label or column.
    """
    keys = coloring_keys(spec, columns)
    if asked is None:
        return keys[0]
    if asked in keys:
        return asked
    for column, key in zip(columns, keys[len(keys) - len(columns) :], strict=True):
        if asked == str(column.number):
            return key
    numbers = [str(column.number) for column in columns]
    or_number = f" or the column number {', '.join(numbers)}" if numbers else ""
    raise InputError(
        f"--color-by {asked}: neither a label of model {spec.name} nor a column of the sites; name "
        f"one of {', '.join(keys)}{or_number}"
    )


def colorings(
    spec: ModelSpec, sites: SiteTable, probabilities: NDArray[np.float32], clustering: Clustering
) -> tuple[Coloring, ...]:
    """All that a map of sites can be coloured by, in the order of :func:`coloring_keys`.

    Probabilities are float32 (n, outputs).
    """
    keys = coloring_keys(spec, sites.columns)[-len(sites.columns) :] if sites.columns else []
    found: list[Coloring] = []
    rows, labels = states_of(spec)
    if labels:
        found.append(
            ClassColoring(
                STATE,
                "predicted state",
                "model",
                tuple(label.name for label in labels),
                tuple(label.title for label in labels),
                tuple(label.color for label in labels),
                probabilities[:, rows].argmax(axis=1).astype(np.int64),
            )
        )
    names = tuple(f"C{code + 1}" for code in range(clustering.k))
    palette = tuple(category_color(code) for code in range(clustering.k))
    found.append(
        ClassColoring(
            CLUSTER, "cluster", "model", names, ("",) * len(names), palette, clustering.codes
        )
    )
    kinds = [head.kind for head in spec.heads for _ in head.labels]
    columns = probabilities.T.astype(np.float64)
    for name, kind, values in zip(output_names(spec), kinds, columns, strict=True):
        continuous = kind == "continuous"
        low, high = _limits(values) if continuous else (0.0, 1.0)
        title = name if continuous else f"probability of {name}"
        found.append(ValueColoring(name, title, "label", values, low, high))
    rgb = next((c.values for c in sites.columns if c.number == 9), None)
    for column, key in zip(sites.columns, keys, strict=True):
        found.append(_of_column(key, column, rgb if column.number == 4 else None))
    return tuple(found)


def _of_column(key: str, column: Column, rgb: Sequence[str] | None) -> Coloring:
    """Numbers where all values are, unless they are few whole ones; else classes."""
    missing = [text.strip().lower() in _NO_VALUE for text in column.values]
    if column.number != 6:
        numbers = _numbers(column.values, missing)
        known = np.array([]) if numbers is None else numbers[np.isfinite(numbers)]
        whole = bool((known == np.round(known)).all()) and len(np.unique(known)) <= FEW_NUMBERS
        score = column.number == 5 and len(np.unique(known)) > 1
        if numbers is not None and len(known) and (score or not whole):
            low, high = _limits(numbers)
            return ValueColoring(key, column.name, "column", numbers, low, high)
    texts = [MISSING if gone else text for text, gone in zip(column.values, missing, strict=True)]
    counts = Counter(texts)
    by_count = sorted((name for name in counts if name != MISSING), key=lambda n: (-counts[n], n))
    kept = by_count if len(by_count) <= MOST_CLASSES else by_count[: MOST_CLASSES - 1]
    kept = sorted(kept, key=_natural)
    own = None if rgb is None else _own_colors(column.values, rgb, kept)
    colors = own or [category_color(index) for index in range(len(kept))]
    names = list(kept)
    code = {name: index for index, name in enumerate(kept)}
    rest = [name for name in by_count if name not in code]
    for group, title in ((rest, f"{len(rest):,} rarer"), ([MISSING], MISSING)):
        if any(name in counts for name in group):
            code |= dict.fromkeys(group, len(names))
            names.append(title)
            colors = [*colors, MISSING_COLOR]
    return ClassColoring(
        key,
        column.name,
        "column",
        tuple(names),
        ("",) * len(names),
        tuple(colors),
        np.array([code[text] for text in texts], dtype=np.int64),
    )


def _numbers(texts: Sequence[str], missing: Sequence[bool]) -> Float64 | None:
    """The column as numbers, NaN where there is none; None where a value is not one."""
    values = np.full(len(texts), np.nan)
    for row, (text, gone) in enumerate(zip(texts, missing, strict=True)):
        if gone:
            continue
        try:
            number = float(text)
        except ValueError:
            return None
        values[row] = number if math.isfinite(number) else math.nan
    return values


def _limits(values: Float64) -> tuple[float, float]:
    """The 1st and 99th percentile, so that a few extremes do not take up the colours."""
    known = values[np.isfinite(values)]
    low, high = (float(v) for v in np.percentile(known, (1, 99)))
    if high <= low:
        low, high = float(known.min()), float(known.max())
    return (low, high) if high > low else (low, low + 1)


def _natural(name: str) -> list[tuple[str, int]]:
    """Sorts ``C2`` before ``C10``."""
    return [(text, int(digits or -1)) for text, digits in re.findall(r"([^0-9]*)([0-9]*)", name)]


def _own_colors(names: Sequence[str], rgb: Sequence[str], kept: Sequence[str]) -> list[RGB] | None:
    """The BED's own colours of its names; None where they are not one each."""
    found: dict[str, RGB] = {}
    for name, text in zip(names, rgb, strict=True):
        parts = text.split(",")
        if len(parts) != 3 or not all(p.isascii() and p.isdigit() for p in parts):
            return None
        red, green, blue = (int(part) for part in parts)
        if max(red, green, blue) > 255 or found.setdefault(name, (red, green, blue)) != (
            red,
            green,
            blue,
        ):
            return None
    return [found[name] for name in kept]


# ---- A map of sites: all that its figures, its page and its files show.

DECIMALS = 4
"""Digits of coordinates on the map and of probabilities, wherever they are text."""


@dataclass(frozen=True, slots=True, eq=False)
class SiteMap:
    """A map of n sites.

    Attributes:
        sites: as they were given or found, at most as many as were asked for.
        found: how many sites there were before that.
        rule: what the sites are, in words.
        outputs: embedding and predictions.
        colorings: all that the map can be coloured by.
        key: names the colouring that it is drawn in.
        vplots: mean V-plots of the clusters, one set for each file of fragments.
        ucsc: name of the assembly at UCSC; empty where it is not known there.
    """

    spec: ModelSpec
    sites: SiteTable
    found: int
    rule: str
    outputs: WindowOutputs
    components: PrincipalComponents
    layout: MapLayout
    clustering: Clustering
    summaries: tuple[ClusterSummary, ...]
    colorings: tuple[Coloring, ...]
    key: str
    vplots: tuple[VplotSet, ...]
    ucsc: str = ""

    def __len__(self) -> int:
        return len(self.sites)

    @property
    def coloring(self) -> Coloring:
        """The colouring that the map is drawn in."""
        return next(item for item in self.colorings if item.key == self.key)

    @property
    def labels(self) -> tuple[Label, ...]:
        """All labels of the model, in the order of its outputs."""
        return tuple(label for head in self.spec.heads for label in head.labels)

    @property
    def names(self) -> list[str]:
        """A name of its own for each output."""
        return output_names(self.spec)

    @property
    def bounded(self) -> tuple[bool, ...]:
        """Whether each output is a probability, not a value of a continuous label."""
        return tuple(head.kind != "continuous" for head in self.spec.heads for _ in head.labels)

    @property
    def xy(self) -> Float64:
        """Where each site lies, float64 (n, 2), rounded as files show it."""
        return _rounded(self.layout.xy)

    @property
    def probabilities(self) -> Float64:
        """Float64 (n, outputs), rounded as files show them."""
        return _rounded(self.outputs.probabilities)


def _rounded(values: NDArray[np.float32] | Float64) -> Float64:
    """Rounded, without negative zeros."""
    return np.asarray(np.round(values.astype(np.float64), DECIMALS) + 0.0, dtype=np.float64)

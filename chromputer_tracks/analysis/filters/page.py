"""The page of ``chromputer filters``: one HTML file that opens offline, without scripts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from chromputer_tracks.analysis.figures.style import css
from chromputer_tracks.analysis.filters.classes import FilterClass
from chromputer_tracks.analysis.filters.logo import (
    glyphs,
    grid_size,
    grid_symbol,
    logo_size,
    logo_symbol,
)
from chromputer_tracks.analysis.filters.pictures import MAP, pattern_file
from chromputer_tracks.analysis.filters.pwm import consensus, information
from chromputer_tracks.analysis.filters.ranking import ClassContributions, FilterKey
from chromputer_tracks.analysis.filters.results import (
    PATCH_RULE,
    RANK_RULE,
    FilterResults,
)
from chromputer_tracks.analysis.pages import Page
from chromputer_tracks.analysis.report.blocks import MISSING, Fact, number, signed
from chromputer_tracks.intervals import format_region

PAGE = "filters.html"

_HEIGHT = 44
"""Height of pictures in tables at most, CSS pixels."""
_ROW = 14
"""Height of a row of weights, CSS pixels."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A symbol of the page, drawn at a size in CSS pixels."""

    symbol: str
    width: int
    height: int
    description: str


@dataclass(frozen=True, slots=True)
class RankedFilter:
    """A row of a class's table.

    Attributes:
        name: of the filter.
        picture: its logo or weights; None for one that was never active.
        reads: its consensus, or fragment lengths.
        known: the motif that it looks like; empty for none.
        match: its identifier and the false discovery rate; empty for none.
        mean: mean contribution.
        error: its standard error.
        share: of the sites with a contribution above 0.
        bar: length of its bar, 0 to 1, relative to the class's largest.
    """

    name: str
    picture: Picture | None
    reads: str
    known: str
    match: str
    mean: str
    error: str
    share: str
    bar: float


@dataclass(frozen=True, slots=True)
class RankedClass:
    """A class with its highest filters."""

    anchor: str
    name: str
    title: str
    color: str
    sites: str
    logit: str
    rows: tuple[RankedFilter, ...]


@dataclass(frozen=True, slots=True)
class SequenceFilter:
    """A row of the table of sequence filters."""

    name: str
    picture: Picture | None
    consensus: str
    known: str
    match: str
    bits: str
    subsequences: str
    maximum: str
    active: str
    best: str
    contribution: str


@dataclass(frozen=True, slots=True)
class PatternFilter:
    """A V-plot or signal filter: its figure and what is said of it."""

    name: str
    figure: str
    text: str


def render_page(results: FilterResults, pictures: Mapping[str, str], version: str) -> str:
    """The page, HTML5.

    Args:
        results: what was found.
        pictures: from :func:`~.filters.pictures.draw_pictures`.
        version: of this package, for the foot of the page.
    """
    page = Page("filters.html.j2")
    signals = [n for n in results.patches if results.item(n).kind == "signal"]
    return page.render(
        title=results.spec.name,
        style=page.own("report.css", "filters.css"),
        symbols=Markup(glyphs() + _symbols(results)),  # noqa: S704
        facts=_facts(results),
        sites=results.sites.rule,
        map=pictures[MAP],
        classes=[
            _ranked(results, item, found)
            for item, found in zip(results.classes, results.contributions, strict=True)
        ],
        sequence=_sequence_filters(results),
        database=results.database,
        vplots=[(n, _patterns(results, n, pictures)) for n in results.patches if n not in signals],
        signals=[(n, _patterns(results, n, pictures)) for n in signals],
        dead=", ".join(map(str, results.dead())),
        rules={"motifs": results.motif_rule, "patterns": PATCH_RULE, "ranking": RANK_RULE},
        version=version,
    )


def _facts(results: FilterResults) -> list[Fact]:
    filters = ", ".join(f"{len(layer.weight)} of {name}" for name, layer in results.layers.items())
    return [
        Fact("filters of the first layers", filters),
        Fact("windows scanned", f"{len(results.windows):,} of {results.spec.window:,} bp"),
        Fact("classes", f"{len(results.classes):,}"),
        Fact("contributions by", results.method),
        Fact("known motifs", results.database or "none were looked for"),
        Fact("never active", f"{len(results.dead()):,} filters"),
    ]


def _symbols(results: FilterResults) -> str:
    """The picture of each filter, once."""
    parts = []
    for name in results.layers:
        for key in results.keys(name):
            if results.maximum(key) == 0:
                continue
            if name == results.sequence:
                parts.append(logo_symbol(results.pwm(key.number), _symbol(key)))
            elif name in results.patches:
                kernel = results.patches[name][0].kernel[key.number]
                parts.append(grid_symbol(kernel, _symbol(key)))
            else:
                parts.append(grid_symbol(results.layers[name].weight[key.number], _symbol(key)))
    return "".join(parts)


def _symbol(key: FilterKey) -> str:
    return f"filter-{key}"


def _picture(results: FilterResults, key: FilterKey) -> Picture | None:
    if results.maximum(key) == 0:
        return None
    tall = _HEIGHT
    if key.input == results.sequence:
        width, height = logo_size(results.pwm(key.number).shape[1])
        what = f"sequence logo of {key}, {results.says(key)}"
    else:
        shape = results.layers[key.input].weight.shape
        if key.input in results.patches:
            shape = results.patches[key.input][0].kernel.shape
        width, height = grid_size(shape[1:])
        tall = min(_HEIGHT, _ROW * shape[1])
        what = f"weights of {key}"
    return Picture(_symbol(key), round(width * tall / height), tall, what)


def _ranked(results: FilterResults, item: FilterClass, found: ClassContributions) -> RankedClass:
    keys = results.ranking(item.name)[: results.top]
    means = [float(found.mean[key.input][key.number]) for key in keys]
    largest = max(map(abs, means), default=0.0) or 1.0
    rows = []
    for key, mean in zip(keys, means, strict=True):
        known, match = _known(results, key)
        rows.append(
            RankedFilter(
                str(key),
                _picture(results, key),
                results.says(key),
                known,
                match,
                signed(mean),
                number(float(found.error[key.input][key.number])),
                f"{found.positive[key.input][key.number]:.0%}",
                max(mean, 0.0) / largest,
            )
        )
    return RankedClass(
        f"class-{item.name}",
        item.name,
        "" if item.label.title == item.name else item.label.title,
        css(item.label.color),
        f"{found.sites:,}",
        signed(found.logit),
        tuple(rows),
    )


def _known(results: FilterResults, key: FilterKey) -> tuple[str, str]:
    """Name of the known motif, and its identifier with q; empty texts without one."""
    match = results.known(key.number) if key.input == results.sequence else None
    if match is None:
        return "", ""
    found = [f"q {match.q:.1e}"]
    if match.target.alternate:
        found.insert(0, match.target.name)
    return match.target.alternate or match.target.name, ", ".join(found)


def _sequence_filters(results: FilterResults) -> list[SequenceFilter]:
    """All sequence filters, those that add most to any class first; the never active last."""
    name, found = results.sequence, results.motifs
    if name is None or found is None:
        return []
    rows = []
    for key in _sorted(results, name):
        best, contribution = results.best_class(key)
        known, match = _known(results, key)
        motif = results.motif(key.number)
        rows.append(
            SequenceFilter(
                str(key),
                _picture(results, key),
                consensus(motif) if results.maximum(key) else "never active",
                known,
                match,
                f"{information(motif).sum():.1f}" if results.maximum(key) else MISSING,
                f"{found.subsequences[key.number]:,}",
                f"{results.maximum(key):.2f}",
                f"{found.active[key.number] / max(found.positions, 1):.1%}",
                best,
                signed(contribution),
            )
        )
    return rows


def _sorted(results: FilterResults, name: str) -> list[FilterKey]:
    def order(key: FilterKey) -> tuple[bool, float]:
        value = results.best_class(key)[1]
        return results.maximum(key) == 0, -value if math.isfinite(value) else math.inf

    return sorted(results.keys(name), key=order)


def _patterns(
    results: FilterResults, name: str, pictures: Mapping[str, str]
) -> list[PatternFilter]:
    layer, found = results.patches[name]
    rows = []
    for key in _sorted(results, name):
        best, contribution = results.best_class(key)
        top = found.top[key.number]
        parts = []
        if best:
            parts.append(f"Adds most to {best}: {signed(contribution)}.")
        if len(top):
            parts.append(
                f"Activations of the {len(top):,} patches {top.activation[-1]:.3g} to "
                f"{top.activation[0]:.3g}, the highest at "
                f"{format_region(top.interval(0, results.windows, layer))}; active in "
                f"{found.active[key.number] / max(found.pixels, 1):.0%} of all pixels."
            )
        rows.append(PatternFilter(str(key), pictures[pattern_file(key)], " ".join(parts)))
    return rows

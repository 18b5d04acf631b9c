"""The page of ``chromputer filters``: one HTML file that opens offline, without scripts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from chromputer_tracks.analysis.filters.results import (
    PATCH_RULE,
    RANK_RULE,
    ClassContributions,
    FilterKey,
    FilterResults,
)
from chromputer_tracks.analysis.filters.scan import TopPatches
from chromputer_tracks.analysis.filters.sites import FilterClass
from chromputer_tracks.analysis.logos import (
    consensus,
    glyphs,
    grid_size,
    grid_symbol,
    information,
    logo_size,
    logo_svg,
    logo_symbol,
)
from chromputer_tracks.analysis.pages import Page
from chromputer_tracks.analysis.report.blocks import MISSING, Fact, number, signed
from chromputer_tracks.data.features import NUCLEOSOME
from chromputer_tracks.figures import ACCENT, INK, MUTED, canvas, css, to_svg
from chromputer_tracks.intervals import format_region

# ---- Figures of filters: patterns of V-plots and signals, and what filters contribute to classes.

_SIGNED, _COUNTS = "RdBu_r", "magma"
_WIDTH, _HEIGHT, _BELOW, _ABOVE = 9.4, 1.75, 0.27, 0.27
_PANELS = ((1.0, 1.6), (3.2, 1.6), (5.9, 1.45), (7.7, 1.5))
"""Inches of a V-plot filter's figure; left and width of its panels."""
_MINUS = "\N{MINUS SIGN}"


def vplot_pattern(
    kernel: NDArray[np.float32], top: TopPatches, edges: Sequence[int], bin_size: int, title: str
) -> str:
    """A V-plot filter: its weights, the mean of its top patches, and where they lie, as SVG.

    The kernel is float32 (rows, span), what each pixel of a patch is multiplied by; there are no
    patches where the filter was never active. ``edges`` are borders of the length classes, bp,
    ascending, ``bin_size`` is bp per position, and the title names the filter.
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
    if edges[0] < NUCLEOSOME < edges[-1]:
        at = float(np.interp(NUCLEOSOME, edges, range(len(edges))))
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
    """A signal's filter as SVG: its weights, float32 (1, span), and the mean of its top patches."""
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

    Values are float64 (classes, filters); NaN rows, of classes without sites, stay empty.
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


# ---- All pictures, each an SVG file.

MAP = "contributions.svg"


def draw_pictures(results: FilterResults) -> dict[str, str]:
    """File name to SVG: the map of contributions, the logo or pattern of each filter."""
    texts = {MAP: _map(results)}
    if results.motifs is not None and results.sequence is not None:
        for key in results.keys(results.sequence):
            if results.maximum(key):
                number = int(results.motifs.subsequences[key.number])
                texts[f"logos/{key}.svg"] = logo_svg(
                    results.pwm(key.number), f"{key}: {number:,} subsequences"
                )
    for name in results.patches:
        for key in results.keys(name):
            texts[pattern_file(key)] = _pattern(results, key)
    return texts


def pattern_file(key: FilterKey) -> str:
    """Name of the picture of a V-plot or signal filter."""
    return f"patterns/{key}.svg"


def _pattern(results: FilterResults, key: FilterKey) -> str:
    """The picture of a V-plot or signal filter, SVG."""
    layer, found = results.patches[key.input]
    item, top = results.item(key.input), found.top[key.number]
    kernel = layer.kernel[key.number]
    if item.kind == "vplot":
        return vplot_pattern(kernel, top, item.length_edges, item.bin, str(key))
    return signal_pattern(kernel, top, item.bin, str(key))


def _map(results: FilterResults) -> str:
    """The map of contributions, of the filters that are among the highest of a class, as SVG.

    They stand in the order of the class that they add most to, relative to its largest.
    """
    rows = [item for item in results.contributions if item.sites]
    top = {key for item in rows for key in results.ranking(item.name)[: results.top]}
    keys = sorted(top)
    values = np.array([[item.mean[key.input][key.number] for key in keys] for item in rows])
    values = values.reshape(len(rows), len(keys))
    largest = np.abs(values).max(axis=1, keepdims=True, initial=1e-9)
    order = sorted(
        range(len(keys)),
        key=lambda i: (int((values / largest)[:, i].argmax()), -float(values[:, i].max())),
    )
    names = []
    for i in order:
        match = results.looks_like(keys[i])
        names.append(f"{keys[i]} {match.name}" if match else str(keys[i]))
    return contribution_map(values[:, order], [item.name for item in rows], names)


# ---- The page.

PAGE = "filters.html"

_CELL_HEIGHT = 44
"""Height of pictures in tables at most, CSS pixels."""
_ROW = 14
"""Height of a row of weights, CSS pixels."""


@dataclass(frozen=True, slots=True)
class FilterSymbol:
    """A filter's logo or weights, a symbol of the page, drawn at a size in CSS pixels."""

    symbol: str
    width: int
    height: int
    description: str


def render_page(results: FilterResults, pictures: Mapping[str, str], version: str) -> str:
    """The page, HTML5, with the pictures of :func:`draw_pictures`."""
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
            else:
                parts.append(grid_symbol(_weights(results, key), _symbol(key)))
    return "".join(parts)


def _weights(results: FilterResults, key: FilterKey) -> NDArray[np.float32]:
    """A filter's weights, (rows, columns), with the averaging over positions in them."""
    weights = results.layers[key.input].weight
    if key.input in results.patches:
        weights = results.patches[key.input][0].kernel
    own: NDArray[np.float32] = weights[key.number]
    return own


def _symbol(key: FilterKey) -> str:
    return f"filter-{key}"


def _drawn(results: FilterResults, key: FilterKey) -> FilterSymbol | None:
    """None for a filter that was never active."""
    if results.maximum(key) == 0:
        return None
    tall = _CELL_HEIGHT
    if key.input == results.sequence:
        width, height = logo_size(results.pwm(key.number).shape[1])
        what = f"sequence logo of {key}, {results.reads(key)}"
    else:
        shape = _weights(results, key).shape
        width, height = grid_size(shape)
        tall = min(_CELL_HEIGHT, _ROW * shape[0])
        what = f"weights of {key}"
    return FilterSymbol(_symbol(key), round(width * tall / height), tall, what)


def _ranked(results: FilterResults, item: FilterClass, found: ClassContributions) -> dict[str, Any]:
    """A class with its highest filters; the bar of each is relative to the largest."""
    keys = results.ranking(item.name)[: results.top]
    means = [float(found.mean[key.input][key.number]) for key in keys]
    largest = max(map(abs, means), default=0.0) or 1.0
    rows = []
    for key, mean in zip(keys, means, strict=True):
        known, match = _known(results, key)
        rows.append(
            {
                "name": str(key),
                "picture": _drawn(results, key),
                "reads": results.reads(key),
                "known": known,
                "match": match,
                "mean": signed(mean),
                "error": number(float(found.error[key.input][key.number])),
                "share": f"{found.positive[key.input][key.number]:.0%}",
                "bar": max(mean, 0.0) / largest,
            }
        )
    return {
        "anchor": f"class-{item.name}",
        "name": item.name,
        "title": "" if item.label.title == item.name else item.label.title,
        "color": css(item.label.color),
        "sites": f"{found.sites:,}",
        "logit": signed(found.logit),
        "rows": rows,
    }


def _known(results: FilterResults, key: FilterKey) -> tuple[str, str]:
    """Name of the known motif, and its identifier with q; empty texts without one."""
    match = results.looks_like(key)
    if match is None:
        return "", ""
    found = [f"q {match.q:.1e}"]
    if match.target.alternate:
        found.insert(0, match.target.name)
    return match.name, ", ".join(found)


def _sequence_filters(results: FilterResults) -> list[dict[str, Any]]:
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
            {
                "name": str(key),
                "picture": _drawn(results, key),
                "consensus": consensus(motif) if results.maximum(key) else "never active",
                "known": known,
                "match": match,
                "bits": f"{information(motif).sum():.1f}" if results.maximum(key) else MISSING,
                "subsequences": f"{found.subsequences[key.number]:,}",
                "maximum": f"{results.maximum(key):.2f}",
                "active": f"{found.active[key.number] / max(found.positions, 1):.1%}",
                "best": best,
                "contribution": signed(contribution),
            }
        )
    return rows


def _sorted(results: FilterResults, name: str) -> list[FilterKey]:
    def order(key: FilterKey) -> tuple[bool, float]:
        value = results.best_class(key)[1]
        return results.maximum(key) == 0, -value if math.isfinite(value) else math.inf

    return sorted(results.keys(name), key=order)


def _patterns(
    results: FilterResults, name: str, pictures: Mapping[str, str]
) -> list[dict[str, str]]:
    """The figure of each V-plot or signal filter, and what is said of it."""
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
        figure = pictures[pattern_file(key)]
        rows.append({"name": str(key), "figure": figure, "text": " ".join(parts)})
    return rows

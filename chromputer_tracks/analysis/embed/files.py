"""The files of a map: its figures, its page, its arrays and tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from chromputer_tracks import __version__
from chromputer_tracks.analysis.embed.clusters import ClusterSummary, states_of
from chromputer_tracks.analysis.embed.site_map import (
    DECIMALS,
    MISSING_COLOR,
    ClassColoring,
    Coloring,
    SiteMap,
    category_color,
)
from chromputer_tracks.analysis.pages import Page
from chromputer_tracks.analysis.vplots.aggregate import VplotSet
from chromputer_tracks.analysis.vplots.figures import color_bar, draw_vplot, set_scale, vplot_panel
from chromputer_tracks.analysis.vplots.images import VplotScale
from chromputer_tracks.errors import counted
from chromputer_tracks.figures import INK, MUTED, RGB, canvas, css, to_svg
from chromputer_tracks.io.atomic import output_errors
from chromputer_tracks.io.text import tsv_lines, write_tsv
from chromputer_tracks.spec import Label

# ---- The map of sites as a picture, and its clusters with what is in them.

VALUES_MAP = "viridis"
"""Colour map of numbers."""

_METHODS = {"tsne": "t-SNE", "umap": "UMAP", "pca": "PCA"}
_DPI = 200
_POINTS_DPI = 300
"""The points inside the SVG are an image: thousands of circles would be megabytes."""
_MOST_LABELS = 6
_MOST_RIGHT = 0.86
"""Where a bar may end at most for its fold to fit beside it."""
_LEAST_SHARE = 0.08
"""Share of a cluster's sites from which on a state's name fits into the bar."""
_NAME, _VPLOT, _STATES, _LABELS = 1.15, 2.75, 2.35, 2.2
"""Inches of a cluster's columns: its name, each V-plot, states, labels; with their texts."""
_TICKS, _NAMES_OF_LABELS = 0.55, 0.55
"""Inches left of a V-plot and of the labels' bars."""
_GAP, _ABOVE, _BELOW = 0.15, 0.3, 0.95
_BAR = (0.4, 0.09)
"""Inches from below, and height, of a V-plot's colour scale."""
_ROW = 1.32
_MAP_WIDTH = 4.9
_MAP_HEIGHTS = (2.6, 6.0)
_MAP_MARGINS = (0.08, 0.28, 2.75, 0.3)
"""Inches of the map, and left, below, right and above; its legend is on the right."""


def method_name(item: SiteMap) -> str:
    """``t-SNE``, ``UMAP`` or ``PCA``."""
    return _METHODS[item.layout.method]


def draw_map(item: SiteMap, png: Path, svg: Path) -> None:
    """Draw the map in its colouring, as PNG on white and as SVG.

    Classes are drawn in random order, so that none hides the others; of numbers the highest lie on
    top. Sites without a value, and classes too rare for a colour, lie at the bottom.
    """
    coloring = item.coloring
    low, high = item.xy.min(axis=0), item.xy.max(axis=0)
    wide, tall = (high - low).tolist()
    height = float(np.clip(_MAP_WIDTH * tall / wide if wide > 0 else 0.0, *_MAP_HEIGHTS))
    left, below, right, above = _MAP_MARGINS
    size = (left + _MAP_WIDTH + right, below + height + above)
    with canvas(*size, margins=_MAP_MARGINS) as figure:
        figure.set_dpi(_POINTS_DPI)
        axes = figure.add_subplot()
        axes.grid(False)
        axes.set_xticks([])
        axes.set_yticks([])
        # One scale for both directions, with a little room around.
        unit = 1.08 * max(wide / _MAP_WIDTH, tall / height) / 2 or 1.0
        (x, y), half = (low + high) / 2, (unit * _MAP_WIDTH, unit * height)
        axes.set(xlim=(x - half[0], x + half[0]), ylim=(y - half[1], y + half[1]))
        for spine in axes.spines.values():
            spine.set(visible=True, linewidth=0.6)
        title = _short(coloring.title, 40)
        axes.set_title(f"{item.spec.name}: {counted(len(item), 'site')} by {title}")
        axes.set_xlabel(_axis_note(item), fontsize=8, loc="left")
        colors, order = _point_colors(item)
        axes.scatter(
            item.xy[order, 0],
            item.xy[order, 1],
            s=float(np.clip(40_000 / len(item), 3, 30)),
            c=colors[order],
            linewidths=0,
            alpha=0.85,
            rasterized=True,
        )
        if isinstance(coloring, ClassColoring):
            _class_legend(axes, coloring)
        else:
            norm = Normalize(coloring.low, coloring.high)
            place = (1 - (right - 0.15) / size[0], 0.3, 0.14 / size[0], 0.45)
            bar = figure.colorbar(
                ScalarMappable(norm, colormaps[VALUES_MAP]), cax=figure.add_axes(place), label=title
            )
            bar.outline.set_visible(False)
        _save(figure, png, svg, f"Map of {counted(len(item), 'site')} by {coloring.title}")


def _axis_note(item: SiteMap) -> str:
    shares = item.components.explained
    if item.layout.method == "pca":
        return f"first two principal components ({shares[0]:.0%} and {shares[1]:.0%} of variance)"
    return (
        f"{method_name(item)} of {len(shares)} principal components of the embedding "
        f"({shares.sum():.0%} of variance)"
    )


def _point_colors(item: SiteMap) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """RGBA of each site, float64 (n, 4), and the order in which they are drawn."""
    coloring = item.coloring
    if isinstance(coloring, ClassColoring):
        palette = np.array([_rgba(color) for color in coloring.colors])
        order = np.random.default_rng(0).permutation(len(item))
        named = np.array([color != MISSING_COLOR for color in coloring.colors])
        return palette[coloring.codes], order[
            np.argsort(named[coloring.codes][order], kind="stable")
        ]
    values = coloring.values
    scaled = (np.nan_to_num(values) - coloring.low) / (coloring.high - coloring.low)
    colors = colormaps[VALUES_MAP](np.clip(scaled, 0, 1))
    colors[np.isnan(values)] = _rgba(MISSING_COLOR)
    return colors, np.argsort(np.nan_to_num(values, nan=-np.inf), kind="stable")


def _rgba(color: RGB) -> tuple[float, float, float, float]:
    red, green, blue = (part / 255 for part in color)
    return red, green, blue, 1.0


def _class_legend(axes: Axes, coloring: ClassColoring) -> None:
    handles, texts = [], []
    for name, title, color, count in zip(
        coloring.names, coloring.titles, coloring.colors, coloring.counts, strict=True
    ):
        if not count:
            continue
        handles.append(
            Line2D([], [], marker="o", linestyle="", markersize=5.5, markerfacecolor=css(color),
                   markeredgecolor=MUTED, markeredgewidth=0.3)
        )  # fmt: skip
        full = f"{name} {title}" if title and title != name else name
        texts.append(f"{_short(full, 34)} ({count:,})")
    axes.legend(
        handles, texts, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8,
        handletextpad=0.3, labelspacing=0.45, borderaxespad=0.3, title=_short(coloring.title, 34),
        title_fontsize=8.5, alignment="left",
    )  # fmt: skip


def _short(text: str, length: int) -> str:
    """At most ``length`` characters; dollars, which would begin a formula, stand for themselves."""
    cut = text if len(text) <= length else text[: length - 1] + "…"
    return cut.replace("$", r"\$")


def draw_clusters(item: SiteMap, png: Path, svg: Path) -> None:
    """Draw each cluster's mean V-plots, states and enriched labels, one row a cluster."""
    _, states = states_of(item.spec)
    sets = item.vplots
    scales = [set_scale(one) for one in sets]
    widths = [_NAME, *[_VPLOT] * len(sets), *[_STATES] * bool(states), _LABELS]
    rows = len(item.summaries)
    size = (sum(widths), _ROW * rows + _ABOVE + _BELOW)
    # Laid out by hand: the solver of a constrained layout does not give the same bits each time.
    with canvas(*size, margins=(0, 0, 0, 0)) as figure:

        def cell(row: int, column: int) -> Axes:
            left = sum(widths[:column]) + (_NAMES_OF_LABELS if column == len(widths) - 1 else 0)
            if 1 <= column <= len(sets):
                left += _TICKS
            right = sum(widths[: column + 1]) - _GAP
            bottom = _BELOW + _ROW * (rows - 1 - row)
            place = (left / size[0], bottom / size[1])
            return figure.add_axes((*place, (right - left) / size[0], (_ROW - _GAP / 2) / size[1]))

        for column, scale in enumerate(scales, 1):
            left = sum(widths[:column]) + _TICKS
            width = widths[column] - _TICKS - _GAP
            below, height = (inches / size[1] for inches in _BAR)
            scale.draw_bar(figure.add_axes((left / size[0], below, width / size[0], height)))
        for row, summary in enumerate(item.summaries):
            first, last = row == 0, row == rows - 1
            _name_cell(cell(row, 0), summary, row)
            for column, (one, scale) in enumerate(zip(sets, scales, strict=True), 1):
                _vplot_cell(cell(row, column), one, row, scale, first=first, last=last)
            if states:
                _states_cell(cell(row, len(sets) + 1), summary, states, first=first)
            _labels_cell(cell(row, len(widths) - 1), item, summary, first=first, last=last)
        _save(figure, png, svg, f"{counted(rows, 'cluster')} of {counted(len(item), 'site')}")


def _name_cell(axes: Axes, summary: ClusterSummary, code: int) -> None:
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.add_patch(Rectangle((0.05, 0.2), 0.08, 0.6, color=css(category_color(code)), lw=0))
    axes.text(0.18, 0.68, summary.name, fontsize=13, fontweight="bold", va="center")
    about = (
        f"{counted(summary.sites, 'site')}\n{summary.share:.1%}\nstability {summary.stability:.2f}"
    )
    axes.text(0.18, 0.3, about, fontsize=8, color=MUTED, va="center")


def _vplot_cell(
    axes: Axes, one: VplotSet, code: int, scale: VplotScale, *, first: bool, last: bool
) -> None:
    draw_vplot(axes, one.pairs[code].observed, one, scale, positions=last)
    # That of the longest would touch the row above.
    axes.set_yticks([tick for tick in axes.get_yticks() if tick < one.edges[-1]])
    axes.yaxis.label.set_fontsize(8)
    if first:
        axes.set_title(f"mean V-plot, {one.title}", fontweight="normal", fontsize=9)


def _states_cell(
    axes: Axes, summary: ClusterSummary, states: Sequence[Label], *, first: bool
) -> None:
    axes.set_axis_off()
    if first:
        axes.set_title("predicted state", fontweight="normal", fontsize=9)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    left = 0.0
    for label, share in zip(states, summary.states.tolist(), strict=True):
        color = css(label.color)
        axes.add_patch(
            Rectangle((left, 0.42), share, 0.3, facecolor=color, edgecolor=MUTED, lw=0.3)
        )
        if share >= _LEAST_SHARE:
            centre = left + share / 2
            axes.text(centre, 0.36, label.name, ha="center", va="top", fontsize=7.5, color=INK)
            axes.text(centre, 0.22, f"{share:.0%}", ha="center", va="top", fontsize=7, color=MUTED)
        left += share


def _labels_cell(
    axes: Axes, item: SiteMap, summary: ClusterSummary, *, first: bool, last: bool
) -> None:
    """Bars of the mean probability, with the mean of all sites as a tick."""
    if first:
        axes.set_title("labels above average", fontweight="normal", fontsize=9)
    axes.spines["bottom"].set_visible(last)
    axes.grid(axis="y", visible=False)
    axes.set(xlim=(0, 1), ylim=(_MOST_LABELS - 0.4, -0.6))
    axes.set_xticks((0, 0.5, 1), ("0", "0.5", "1") if last else ())
    if last:
        axes.set_xlabel("mean probability", labelpad=1)
    shown = [row for row in summary.enriched if item.bounded[row]][:_MOST_LABELS]
    axes.set_yticks(range(len(shown)), [item.names[row] for row in shown], color=INK)
    for at, row in enumerate(shown):
        mean, fold = float(summary.means[row]), float(summary.folds[row])
        axes.barh(at, mean, height=0.62, color=css(item.labels[row].color))
        axes.plot([mean / fold] * 2, (at - 0.4, at + 0.4), color=INK, linewidth=1)
        right = max(mean, mean / fold) + 0.03
        inside = right > _MOST_RIGHT
        axes.text(
            mean - 0.03 if inside else right, at, f"×{fold:.1f}", va="center", fontsize=7.5,
            ha="right" if inside else "left", color="white" if inside else MUTED,
        )  # fmt: skip
    if not shown:
        axes.text(0.5, _MOST_LABELS / 2, "none", ha="center", va="center", color=MUTED)


def _save(figure: Figure, png: Path, svg: Path, description: str) -> None:
    figure.savefig(png, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
    svg.write_text(to_svg(figure, description) + "\n", encoding="utf-8")


# ---- The interactive map: one HTML file with its points, scripts and styles, that opens offline.

UCSC_ASSEMBLIES = frozenset(
    """
    hs1 hg38 hg19 hg18 mm39 mm10 mm9 rn7 rn6 danRer11 danRer10 dm6 dm3 ce11 ce10 sacCer3 sacCer2
    galGal6 xenTro10 xenTro9 susScr11 bosTau9 canFam6 canFam4 canFam3 felCat9 oviAri4 equCab3
    panTro6 panPan3 gorGor6 rheMac10 calJac4 oryCun2 cavPor3 anoGam3 ci3 strPur2 wuhCor1
    """.split()
)
"""Assemblies that the UCSC genome browser has under these names."""

_STYLES = ("report.css", "embed.css")
_SCRIPTS = ("embed_view.js", "embed_panel.js", "embed.js")
_STEPS = 64
_STRANDS = {1: "+", -1: "−", 0: ""}
_READ = {
    "forward": "each window read as the genome has it",
    "site": "each window read on its site's strand",
    "both": "mean over both strands of each window",
}


def payload(item: SiteMap) -> dict[str, Any]:
    """What the page's script reads: arrays over the sites, in the order of ``sites.tsv``.

    ``x``, ``y`` and ``values`` (one list a label) are the numbers of ``sites.tsv``; numbers that
    are missing are null. ``chrom`` indexes ``chroms``; ``start`` and ``end`` are 0-based,
    half-open; ``states`` are the labels, by number, that are states.
    """
    sites = item.sites
    outputs = {name: row for row, name in enumerate(item.names)}
    states, _ = states_of(item.spec)
    return {
        "model": item.spec.name,
        "ucsc": item.ucsc,
        "window": item.spec.window,
        "method": method_name(item),
        "chroms": list(sites.contigs),
        "chrom": sites.contig.tolist(),
        "start": sites.start.tolist(),
        "end": sites.end.tolist(),
        "centre": sites.centre.tolist(),
        "strand": [_STRANDS[strand] for strand in sites.strand.tolist()],
        "names": list(sites.names) if any(c.number == 4 for c in sites.columns) else [],
        "x": item.xy[:, 0].tolist(),
        "y": item.xy[:, 1].tolist(),
        "states": list(range(states.start, states.stop)),
        "labels": [
            {"name": name, "title": label.title, "color": css(label.color), "top": top}
            for name, label, top in zip(item.names, item.labels, _tops(item), strict=True)
        ],
        "values": item.probabilities.T.tolist(),
        "colorings": [_coloring(one, outputs) for one in item.colorings],
        "key": item.key,
        "missing": css(MISSING_COLOR),
        "scale": [to_hex(color) for color in colormaps[VALUES_MAP](np.linspace(0, 1, _STEPS))],
    }


def _tops(item: SiteMap) -> list[float]:
    """Where the bar of each output ends: 1 for probabilities."""
    largest = item.probabilities.max(axis=0)
    return [
        1.0 if bounded else float(top) or 1.0
        for bounded, top in zip(item.bounded, largest, strict=True)
    ]


def _coloring(one: Coloring, outputs: dict[str, int]) -> dict[str, Any]:
    about: dict[str, Any] = {"key": one.key, "title": one.title, "group": one.group}
    if isinstance(one, ClassColoring):
        return about | {
            "names": one.names,
            "titles": one.titles,
            "colors": [css(color) for color in one.colors],
            "codes": one.codes.tolist(),
        }
    about |= {"low": one.low, "high": one.high}
    if one.group == "label":
        return about | {"output": outputs[one.key]}
    return about | {
        "values": [None if math.isnan(value) else value for value in one.values.tolist()]
    }


def render_page(item: SiteMap) -> str:
    """The page, HTML5; every text of the map is escaped."""
    page = Page("embed.html.j2")
    scales = [set_scale(one) for one in item.vplots]
    return page.render(
        item=item,
        payload=payload(item),
        cards=_cards(item, scales),
        bars=[color_bar(scale) for scale in scales],
        facts=_facts(item),
        method=method_name(item),
        style=page.own(*_STYLES),
        script=page.own(*_SCRIPTS),
        version=__version__,
    )


def _cards(item: SiteMap, scales: list[VplotScale]) -> list[dict[str, Any]]:
    """The clusters as the page shows them."""
    _, states = states_of(item.spec)
    loci = item.sites.loci
    cards = []
    for code, summary in enumerate(item.summaries):
        about = f"Mean V-plot of {counted(summary.sites, 'site')} of cluster {summary.name}"
        shares = zip(states, summary.states.tolist(), strict=True)
        cards.append(
            {
                "summary": summary,
                "color": css(category_color(code)),
                "panels": [
                    vplot_panel(
                        one.pairs[code].observed, one, scale, one.title, f"{about}, {one.title}"
                    )
                    for one, scale in zip(item.vplots, scales, strict=True)
                ],
                "states": [(s.name, s.title, css(s.color), share) for s, share in shares if share],
                "labels": [
                    (item.names[row], f"{summary.means[row]:.2f}", f"{summary.folds[row]:.1f}")
                    for row in summary.enriched
                ],
                "medoids": [(row, loci[row]) for row in summary.medoids],
            }
        )
    return cards


def _facts(item: SiteMap) -> list[tuple[str, str]]:
    """What was done, as pairs of a name and a text."""
    shares, clustering = item.components.explained, item.clustering
    chosen = "as asked for"
    if clustering.tried:
        chosen = (
            "the most of which all come back when half of the sites are clustered"
            if clustering.k > 1
            else "for no larger number of clusters comes back when half of the sites are clustered"
        )
    worst = f"; stability {clustering.stability.min():.2f} and more" if clustering.k > 1 else ""
    drawn = f", {len(item):,} of {item.found:,} drawn at random" if item.found > len(item) else ""
    perplexity = item.layout.perplexity
    return [
        ("Sites", f"{item.rule}{drawn}"),
        ("Embedding", f"{item.outputs.embedding.shape[1]} numbers a site, "
         f"{_READ[item.outputs.strands]}"),
        ("Components", f"{len(shares)} principal components, {shares.sum():.0%} of the variance"),
        ("Map", f"{method_name(item)} by {item.layout.library}"
         + (f", perplexity {perplexity:.3g}" if perplexity else "")),
        ("Clusters", f"{clustering.k} by k-means on the components, {chosen}{worst}"),
    ]  # fmt: skip


# ---- Arrays and tables.

_BED_STRANDS = {1: "+", -1: "-", 0: "."}


def write_map(out: Path, item: SiteMap) -> None:
    """Write all files of a map into a folder; raises OutputError where one cannot be written."""
    with output_errors(out):
        write_embedding(out / "embedding.npz", item)
        write_sites(out / "sites.tsv", item)
        write_clusters_bed(out / "clusters.bed", item)
        write_clusters_tsv(out / "clusters.tsv", item)
        write_cluster_vplots(out / "clusters.npz", item)
        draw_map(item, out / "map.png", out / "map.svg")
        draw_clusters(item, out / "clusters.png", out / "clusters.svg")
        (out / "map.html").write_text(render_page(item), encoding="utf-8")


def write_embedding(path: Path, item: SiteMap) -> None:
    """Write the arrays, n sites in the order of ``sites.tsv``.

    ``embedding`` float32 (n, hidden), ``components`` float64 (n, k), ``map`` float64 (n, 2),
    ``cluster`` int64 (n,) from 1, ``chrom`` str (n,), ``start``, ``end`` int64 (n,) of the sites,
    ``window_start`` int64 (n,) of the windows (may be negative), ``window`` bp, ``strand`` int64.
    """
    sites, window = item.sites, item.spec.window
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            embedding=item.outputs.embedding,
            components=item.components.scores,
            map=item.layout.xy,
            cluster=item.clustering.codes + 1,
            chrom=np.array(sites.chroms),
            start=sites.start,
            end=sites.end,
            strand=sites.strand,
            window_start=sites.centre - window // 2,
            window=np.int64(window),
        )


def write_sites(path: Path, item: SiteMap) -> None:
    """Write one row a site: place, position on the map, cluster, predictions, the BED's columns."""
    sites = item.sites
    rows, labels = states_of(item.spec)
    header = ["chrom", "start", "end", "name", "strand", "centre", "x", "y", "cluster"]
    columns: list[Iterable[object]] = [
        sites.chroms,
        sites.start.tolist(),
        sites.end.tolist(),
        [name or "." for name in sites.names],
        [_BED_STRANDS[strand] for strand in sites.strand.tolist()],
        sites.centre.tolist(),
        *(_texts(values) for values in item.xy.T.tolist()),
        [f"C{code + 1}" for code in item.clustering.codes.tolist()],
    ]
    if labels:
        header.append("state")
        codes = item.outputs.probabilities[:, rows].argmax(axis=1)
        columns.append([labels[code].name for code in codes.tolist()])
    header += item.names
    columns += [_texts(values) for values in item.probabilities.T.tolist()]
    for column in sites.columns:
        if column.number not in (4, 6):
            header.append(f"bed.{column.name}")
            columns.append(column.values)
    write_tsv(path, header, zip(*columns, strict=True))


def _texts(values: Iterable[float]) -> list[str]:
    return [f"{value:.{DECIMALS}f}" for value in values]


def write_clusters_tsv(path: Path, item: SiteMap) -> None:
    """Write one row a cluster: its sites, share of each state, mean and fold of each label.

    A fold is relative to the mean of all sites. Medoids are the most typical sites.
    """
    _, states = states_of(item.spec)
    loci = item.sites.loci
    header = ["cluster", "color", "sites", "share", "stability"]
    header += [f"share.{label.name}" for label in states]
    header += [f"mean.{name}" for name in item.names]
    header += [f"fold.{name}" for name in item.names]
    rows = [
        (
            summary.name,
            css(category_color(code)),
            summary.sites,
            *_texts([summary.share, summary.stability, *summary.states, *summary.means]),
            *("" if np.isnan(fold) else f"{fold:.3f}" for fold in summary.folds),
            ";".join(loci[row].replace(",", "") for row in summary.medoids),
        )
        for code, summary in enumerate(item.summaries)
    ]
    write_tsv(path, [*header, "medoids"], rows)


def write_cluster_vplots(path: Path, item: SiteMap) -> None:
    """Write the mean V-plots: fragments a site and pixel.

    ``vplot.ASSAY`` float64 (clusters, lengths, positions) and ``length_edges.ASSAY`` int64, bp, for
    each file of fragments; ``window`` bp, with the site in its middle.
    """
    arrays: dict[str, Any] = {}
    for one in item.vplots:
        arrays[f"vplot.{one.title}"] = np.stack([pair.observed for pair in one.pairs])
        arrays[f"length_edges.{one.title}"] = np.array(one.edges)
        arrays["window"] = np.array(one.window)
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def write_clusters_bed(path: Path, item: SiteMap) -> None:
    """Write the sites as BED9, sorted: named and coloured by cluster, thick at their centre.

    The score is 1000 times the probability of the most likely state, or of the most likely label
    where the model has no states.
    """
    sites = item.sites
    rows, states = states_of(item.spec)
    best = np.arange(item.spec.outputs)[rows] if states else np.flatnonzero(item.bounded)
    scores = item.probabilities[:, best].max(axis=1, initial=0.0)
    chroms = sites.chroms
    order = sorted(
        range(len(item)), key=lambda row: (chroms[row], int(sites.start[row]), int(sites.end[row]))
    )
    lines = []
    for row in order:
        code, centre = int(item.clustering.codes[row]), int(sites.centre[row])
        lines.append(
            (chroms[row], sites.start[row], sites.end[row], f"C{code + 1}",
             round(1000 * scores[row]), _BED_STRANDS[int(sites.strand[row])], centre, centre + 1,
             ",".join(map(str, category_color(code))))
        )  # fmt: skip
    path.write_text("".join(tsv_lines(lines)), encoding="utf-8")

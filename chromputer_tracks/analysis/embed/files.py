"""The files of a map: its arrays, and its sites and clusters as tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from chromputer_tracks import __version__
from chromputer_tracks.analysis.embed.clusters import ClusterSummary, states_of
from chromputer_tracks.analysis.embed.colors import (
    MISSING_COLOR,
    ClassColoring,
    Coloring,
    category_color,
)
from chromputer_tracks.analysis.embed.figures import (
    VALUES_MAP,
    draw_clusters,
    draw_map,
    method_name,
)
from chromputer_tracks.analysis.embed.result import DECIMALS, SiteMap
from chromputer_tracks.analysis.pages import Page
from chromputer_tracks.analysis.vplots.figures import color_bar, set_scale, vplot_panel
from chromputer_tracks.analysis.vplots.scale import VplotScale
from chromputer_tracks.errors import counted
from chromputer_tracks.figures.style import css
from chromputer_tracks.io.atomic import atomic_path

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


@dataclass(frozen=True, slots=True)
class Card:
    """A cluster on the page.

    Attributes:
        summary: what is in it.
        color: CSS.
        panels: mean V-plots, SVG.
        states: name, full name, CSS colour and share of each state that its sites have.
        labels: name, mean and fold of each enriched label, as text.
        medoids: row and locus of its most typical sites.
    """

    summary: ClusterSummary
    color: str
    panels: tuple[str, ...]
    states: tuple[tuple[str, str, str, float], ...]
    labels: tuple[tuple[str, str, str], ...]
    medoids: tuple[tuple[int, str], ...]


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


def _cards(item: SiteMap, scales: list[VplotScale]) -> list[Card]:
    _, states = states_of(item.spec)
    loci = item.sites.loci
    cards = []
    for code, summary in enumerate(item.summaries):
        panels = tuple(
            vplot_panel(
                one.pairs[code].observed,
                one,
                scale,
                one.title,
                f"Mean V-plot of {counted(summary.sites, 'site')} of cluster {summary.name}, "
                f"{one.title}",
            )
            for one, scale in zip(item.vplots, scales, strict=True)
        )
        shares = zip(states, summary.states.tolist(), strict=True)
        cards.append(
            Card(
                summary,
                css(category_color(code)),
                panels,
                tuple((s.name, s.title, css(s.color), share) for s, share in shares if share),
                tuple(
                    (
                        item.names[row],
                        f"{summary.means[row]:.2f}",
                        f"{summary.folds[row]:.1f}",
                    )
                    for row in summary.enriched
                ),
                tuple((row, loci[row]) for row in summary.medoids),
            )
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
        ("Embedding", f"{item.readings.embedding.shape[1]} numbers a site, "
         f"{_READ[item.readings.strands]}"),
        ("Components", f"{len(shares)} principal components, {shares.sum():.0%} of the variance"),
        ("Map", f"{method_name(item)} by {item.layout.library}"
         + (f", perplexity {perplexity:.3g}" if perplexity else "")),
        ("Clusters", f"{clustering.k} by k-means on the components, {chosen}{worst}"),
    ]  # fmt: skip


FILES = (
    "clusters.bed",
    "clusters.npz",
    "clusters.png",
    "clusters.svg",
    "clusters.tsv",
    "embedding.npz",
    "map.html",
    "map.png",
    "map.svg",
    "sites.tsv",
)
"""What :func:`write_map` writes."""

_BED_STRANDS = {1: "+", -1: "-", 0: "."}


def write_map(out: Path, item: SiteMap) -> None:
    """Write all files of a map; they appear together, when all of them are complete.

    Args:
        out: the folder, which exists.
        item: the map.

    Raises:
        OutputError: one cannot be written.
    """
    with ExitStack() as stack:
        paths = {name: stack.enter_context(atomic_path(out / name)) for name in FILES}
        write_embedding(paths["embedding.npz"], item)
        write_sites(paths["sites.tsv"], item)
        write_clusters_bed(paths["clusters.bed"], item)
        write_clusters_tsv(paths["clusters.tsv"], item)
        write_cluster_vplots(paths["clusters.npz"], item)
        draw_map(item, paths["map.png"], paths["map.svg"])
        draw_clusters(item, paths["clusters.png"], paths["clusters.svg"])
        paths["map.html"].write_text(render_page(item), encoding="utf-8")


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
            embedding=item.readings.embedding,
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
        codes = item.readings.probabilities[:, rows].argmax(axis=1)
        columns.append([labels[code].name for code in codes.tolist()])
    header += item.names
    columns += [_texts(values) for values in item.probabilities.T.tolist()]
    for column in sites.columns:
        if column.number not in (4, 6):
            header.append(f"bed.{column.name}")
            columns.append(column.values)
    _write_table(path, header, zip(*columns, strict=True))


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
    _write_table(path, [*header, "medoids"], rows)


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
    _write_rows(path, lines)


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    _write_rows(path, [header, *rows])


def _write_rows(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Tab-separated lines; no field holds a tab, for those of a BED were cut at them."""
    text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")

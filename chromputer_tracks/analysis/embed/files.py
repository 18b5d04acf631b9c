"""The files of a map: its arrays, and its sites and clusters as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from chromputer_tracks.analysis.embed.clusters import states_of
from chromputer_tracks.analysis.embed.colors import category_color
from chromputer_tracks.analysis.embed.figures import draw_clusters, draw_map
from chromputer_tracks.analysis.embed.page import render_page
from chromputer_tracks.analysis.embed.result import DECIMALS, SiteMap
from chromputer_tracks.analysis.figures.style import css
from chromputer_tracks.io.atomic import atomic_path

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

_STRANDS = {1: "+", -1: "-", 0: "."}


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
        [_STRANDS[strand] for strand in sites.strand.tolist()],
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
             round(1000 * scores[row]), _STRANDS[int(sites.strand[row])], centre, centre + 1,
             ",".join(map(str, category_color(code))))
        )  # fmt: skip
    _write_rows(path, lines)


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    _write_rows(path, [header, *rows])


def _write_rows(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Tab-separated lines; no field holds a tab, for those of a BED were cut at them."""
    text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")

"""``chromputer embed``: a map of sites as the network sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromputer_tracks.cli.console import MAPS, require
from chromputer_tracks.cli.flags import command
from chromputer_tracks.options.explain import EmbedOptions

if TYPE_CHECKING:
    from rich.console import Console

    from chromputer_tracks.analysis.embed.run import EmbedResult

_SHOWN = 3
"""Enriched labels of each cluster in the table on the terminal."""


def run_embed(options: EmbedOptions) -> None:
    """Map sites with messages and progress on stderr, then show the clusters."""
    from chromputer_tracks.cli.console import Reporter

    require("embed", MAPS, extra="analysis")
    from chromputer_tracks.analysis.embed.run import embed_sites

    with Reporter() as reporter:
        result = embed_sites(options, reporter)
    _summary(options, result, reporter.console)


embed = command(
    EmbedOptions,
    run_embed,
    "embed",
    "Map sites as the network sees them: t-SNE of its embedding, clusters, and a page to "
    "explore.\n\n"
    "Writes map.png, map.svg and map.html (interactive, opens offline), clusters.png, .svg, .tsv, "
    ".npz and .bed with the mean V-plot, states and enriched labels of each cluster, sites.tsv, "
    "embedding.npz and run.json.",
)


def _summary(options: EmbedOptions, result: EmbedResult, console: Console) -> None:
    from rich.table import Table

    from chromputer_tracks.analysis.embed.clusters import states_of
    from chromputer_tracks.cli.console import took

    item = result.map
    _, states = states_of(item.spec)
    loci = item.sites.loci
    table = Table()
    table.add_column("cluster", no_wrap=True)
    table.add_column("sites", justify="right")
    table.add_column("stable", justify="right")
    if states:
        table.add_column("states")
    table.add_column("enriched labels")
    table.add_column("most typical site", no_wrap=True)
    for summary in item.summaries:
        cells = [summary.name, f"{summary.sites:,}", f"{summary.stability:.2f}"]
        if states:
            order = (-summary.states).argsort(kind="stable")[:2]
            shares = [(states[row].name, f"{summary.states[row]:.0%}") for row in order]
            cells.append(", ".join(f"{name} {share}" for name, share in shares if share != "0%"))
        labels = summary.enriched[:_SHOWN]
        cells.append(", ".join(f"{item.names[row]} ×{summary.folds[row]:.1f}" for row in labels))
        table.add_row(*cells, loci[summary.medoids[0]])
    console.print(table)
    record = result.record
    console.print(
        f"{len(record.outputs)} files in {options.out} ({took(record)}): "
        f"open {options.out / 'map.html'} in a browser; how they were "
        "made is in run.json"
    )

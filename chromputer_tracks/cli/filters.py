"""``chromputer filters``: what the first layers' filters read, and what they add to each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromputer_tracks.cli.console import DRAWING, MOTIFS, require
from chromputer_tracks.cli.flags import command
from chromputer_tracks.options.explain import FiltersOptions

if TYPE_CHECKING:
    from rich.console import Console

    from chromputer_tracks.analysis.filters.run import FiltersResult

_SHOWN = 3
"""Filters of each class in the table on the terminal."""


def run_filters(options: FiltersOptions) -> None:
    """Rank filters with messages and progress on stderr, then show the highest."""
    from chromputer_tracks.cli.console import Reporter

    matching = options.motifs is not None or options.jaspar is not None
    require("drawing filters", MOTIFS if matching else DRAWING, extra="analysis")
    from chromputer_tracks.analysis.filters.run import rank_filters

    with Reporter() as reporter:
        result = rank_filters(options, reporter)
    _summary(options, result, reporter.console)


filters = command(
    FiltersOptions,
    run_filters,
    "filters",
    "Show the first layers' filters: motifs, patterns, and what they add to each label.",
)


def _summary(options: FiltersOptions, result: FiltersResult, console: Console) -> None:
    from rich.table import Table

    from chromputer_tracks.analysis.filters.page import PAGE
    from chromputer_tracks.cli.console import took

    results = result.results
    table = Table()
    table.add_column("label")
    table.add_column("sites", justify="right")
    table.add_column("filters that add most to it")
    for item in results.contributions:
        best = []
        for key in results.ranking(item.name)[:_SHOWN]:
            match = results.looks_like(key)
            what = match.name if match else results.reads(key)
            mean = float(item.mean[key.input][key.number])
            best.append(f"{key} ({what}) {mean:+.2f}")
        table.add_row(item.name, f"{item.sites:,}", "\n".join(best))
    console.print(table)
    dead = results.dead()
    if dead:
        console.print(f"never active: {', '.join(map(str, dead))}")
    record = result.record
    console.print(
        f"{len(record.outputs)} files in {options.out} ({took(record)}); "
        f"look at {options.out / PAGE}"
    )

"""``chromputer dataset``: what a configuration trains and scores, before any training."""

from __future__ import annotations

from chromputer_tracks.cli.flags import command
from chromputer_tracks.options.train import DatasetOptions

_MOST_ROWS = 40
"""Rows of a table that the terminal shows; the files have all."""


def run_dataset(options: DatasetOptions) -> None:
    """Count, then show tables and warnings on stderr."""
    from chromputer_tracks.cli.console import (
        TRAINING,
        Reporter,
        require,
        stderr_console,
        terminal_table,
    )

    require("showing a dataset", TRAINING)
    from chromputer_tracks.analysis.dataset.report import PAGE, TABLE, show_dataset

    with Reporter() as reporter:
        shown = show_dataset(options, reporter)
    console, page = reporter.console, options.out / PAGE
    for table in shown.tables:
        console.print(terminal_table(table, console.width, _MOST_ROWS))
        if len(table.rows) > _MOST_ROWS:
            console.print(f"... and {len(table.rows) - _MOST_ROWS:,} more rows in {page}")
    for warning in shown.warnings:
        stderr_console("warning").print(f"[bold yellow]warning:[/] {warning}", markup=True)
    console.print(
        f"figures and V-plots in {page}; counts by contig and label in {options.out / TABLE}"
    )


dataset = command(
    DatasetOptions,
    run_dataset,
    "dataset",
    "Show what a configuration trains and scores: sites by class, contig and split.",
)

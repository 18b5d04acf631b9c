"""``chromputer dataset``: what a configuration trains and scores, before any training."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from chromputer_tracks.cli.sample_flags import Config, Data

_MOST_ROWS = 40
"""Rows of a table that the terminal shows; the files have all."""


def dataset(
    config: Config,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for dataset.html and dataset.tsv.")
    ],
    data: Data = None,
) -> None:
    """Show what a configuration trains and scores: sites by class, contig and split."""
    from chromputer_tracks.cli.console import command_line, stderr_console, terminal_table
    from chromputer_tracks.cli.requirements import TRAINING, require

    require("showing a dataset", TRAINING)
    from chromputer_tracks.analysis.dataset.report import write_dataset

    command = shlex.join(command_line())
    shown = write_dataset(config, data, out, command)
    console = stderr_console()
    for table in shown.tables:
        console.print(terminal_table(table, console.width, _MOST_ROWS))
        if len(table.rows) > _MOST_ROWS:
            console.print(f"... and {len(table.rows) - _MOST_ROWS:,} more rows in {shown.page}")
    for warning in shown.warnings:
        console.print(f"[bold yellow]warning:[/] {warning}", markup=True)
    console.print(f"figures and V-plots in {shown.page}; counts by contig and label in {shown.tsv}")

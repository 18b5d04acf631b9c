"""``chromputer dataset``: what a configuration trains and scores, before any training."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from chromputer_tracks.analysis.report import PlainTable

_NEEDED = ("torch", "matplotlib", "jinja2", "scipy")
_MOST_ROWS = 40
"""Rows of a table that the terminal shows; the files have all."""


def dataset(
    config: Annotated[Path, typer.Argument(help="Training configuration (TOML).")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for dataset.html and dataset.tsv.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Folder that relative paths in the configuration start from; "
            "default: the configuration's own folder.",
        ),
    ] = None,
) -> None:
    """Show what a configuration trains and scores: sites by class, contig and split."""
    from importlib.util import find_spec

    from chromputer_tracks.cli.console import stderr_console
    from chromputer_tracks.errors import DependencyError

    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise DependencyError(
            f"showing a dataset needs {', '.join(missing)}: "
            "pip install 'chromputer-tracks[train,analysis]'"
        )
    from chromputer_tracks.analysis.dataset_report import write_dataset

    command = shlex.join(["chromputer", *sys.argv[1:]])
    shown = write_dataset(config, data, out, command)
    console = stderr_console()
    for table in shown.tables:
        console.print(_table(table))
        if len(table.rows) > _MOST_ROWS:
            console.print(f"... and {len(table.rows) - _MOST_ROWS:,} more rows in {shown.page}")
    for warning in shown.warnings:
        console.print(f"[bold yellow]warning:[/] {warning}", markup=True)
    console.print(f"figures and V-plots in {shown.page}; counts by contig and label in {shown.tsv}")


def _table(table: PlainTable) -> Table:
    """Numbers to the right."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=Text(table.caption), title_justify="left", title_style="bold")
    for place, name in enumerate(table.header):
        cells = (str(row[place]).lstrip("+-") for row in table.rows)
        numbers = all(cell[:1].isdigit() or cell == "–" for cell in cells)
        shown.add_column(name, justify="right" if place and numbers else "left")
    for row in table.rows[:_MOST_ROWS]:
        shown.add_row(*map(str, row))
    return shown

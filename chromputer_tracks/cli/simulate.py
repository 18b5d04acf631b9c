"""``chromputer simulate``: a random genome with fragments whose best possible accuracy is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromputer_tracks.cli.flags import command
from chromputer_tracks.options.train import SimulateOptions

if TYPE_CHECKING:
    from rich.table import Table

    from chromputer_tracks.simulation.files import SimulateResult


def run_simulate(options: SimulateOptions) -> None:
    """Simulate with progress on stderr, then say how good a classifier can be."""
    from chromputer_tracks.cli.console import Reporter
    from chromputer_tracks.simulation.files import CONFIG, TRUTH
    from chromputer_tracks.simulation.files import simulate as write

    with Reporter() as reporter:
        made = write(options, reporter)
    if options.optimum:
        reporter.console.print(_table(made))
    fragments, sites = made.truth["fragments"], made.truth["sites"]
    reporter.note(
        f"{sum(fragments.values()):,} fragments and {sum(sites.values()):,} sites in {options.out};"
        f" what is true is in {TRUTH}. Train with: chromputer train {options.out / CONFIG} "
        "--out MODEL"
    )


simulate = command(
    SimulateOptions,
    run_simulate,
    "simulate",
    "Simulate a genome with motifs, chromatin states and fragments, and a configuration.",
)


def _table(made: SimulateResult) -> Table:
    from chromputer_tracks.cli.console import summary_table

    table = summary_table(
        ("cell type",),
        ("fragments per kb", "fragments", "sequence", "both"),
        "best possible accuracy of the states",
    )
    for cell in made.plan.cells:
        for row in made.truth["best_accuracy"][cell.name]["by_depth"]:
            figures = (f"{row[key]['value']:.3f}" for key in ("fragments", "sequence", "both"))
            table.add_row(cell.name, f"{row['depth']:g}", *figures)
    return table

"""``chromputer ablate``: what each input of a configuration is worth."""

from __future__ import annotations

from chromputer_tracks.cli.flags import command
from chromputer_tracks.options.train import AblateOptions


def run_ablate(options: AblateOptions) -> None:
    """Train and compare, then show the tables on stderr."""
    from chromputer_tracks.cli.console import TRAINING, Reporter, require, terminal_table

    require("an ablation", TRAINING)
    from chromputer_tracks.analysis.ablate.run import ablate as study
    from chromputer_tracks.analysis.ablate.run import terminal_tables

    with Reporter() as reporter:
        result = study(options, reporter)
    if result is None:  # not the first of several training processes
        return
    console = reporter.console
    for table in terminal_tables(result.ablation):
        console.print(terminal_table(table, console.width))
    for note in result.ablation.notes:
        console.print(f"note: {note}")
    console.print(f"all figures in {', '.join(map(str, result.files))}")


ablate = command(
    AblateOptions,
    run_ablate,
    "ablate",
    """Train subsets of the inputs and compare them with one another and with baselines.

    Finished runs in the output folder are read, not repeated, and one that was stopped goes on.
    """,
)

"""``chromputer init``: a training configuration of the files at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromputer_tracks.cli.flags import command
from chromputer_tracks.options.train import InitOptions

if TYPE_CHECKING:
    from chromputer_tracks.analysis.init.run import InitResult
    from chromputer_tracks.cli.console import Reporter


def run_init(options: InitOptions) -> None:
    """Write the configuration, then show its splits and peaks, and what to run next."""
    from chromputer_tracks.analysis.init.run import init_config
    from chromputer_tracks.cli.console import Reporter

    with Reporter() as reporter:
        result = init_config(options, reporter)
        _summary(result, reporter)


init = command(
    InitOptions,
    run_init,
    "init",
    "Write a commented training configuration of the files at hand: genome, fragments, peaks.",
)


def _summary(result: InitResult, reporter: Reporter) -> None:
    from chromputer_tracks.cli.console import summary_table

    table = summary_table(("split", "contigs"), ("share",), overflow="fold")
    for use, names in result.splits.uses().items():
        table.add_row(use, ", ".join(names), f"{result.shares[use]:.0%}")
    reporter.console.print(table)
    if result.peaks:
        table = summary_table(("label",), ("train", "validation", "test"), "peaks")
        for label, peaks in result.peaks.items():
            table.add_row(label, *(f"{peaks[use]:,}" for use in ("train", "validation", "test")))
        reporter.console.print(table)
    for warning in result.warnings:
        reporter.note(f"warning: {warning}")
    reporter.note(f"{result.path} is written and checked; look it through, then run")
    for line in result.commands:
        reporter.note(f"  {line}")

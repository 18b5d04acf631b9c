"""``chromputer motifs``: the motifs in contributions, their known names and their instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromputer_tracks.cli.console import MOTIFS, require
from chromputer_tracks.cli.flags import command
from chromputer_tracks.options.explain import MotifsOptions

if TYPE_CHECKING:
    from rich.console import Console

    from chromputer_tracks.analysis.motifs.run import MotifsResult


def run_motifs(options: MotifsOptions) -> None:
    """Find motifs with messages on stderr, then show them."""
    from chromputer_tracks.cli.console import Reporter

    require("finding motifs", MOTIFS, extra="analysis")
    from chromputer_tracks.analysis.motifs.run import find_motifs

    # Its bars would be drawn by a thread, with which modisco-lite cannot compile beside its work.
    reporter = Reporter()
    _summary(options, find_motifs(options, reporter), reporter.console)


motifs = command(
    MotifsOptions,
    run_motifs,
    "motifs",
    "Find the motifs that recur in contributions, name them, and list their instances.\n\n"
    "The first run in an installation compiles its libraries, for a minute or two.",
)


def _summary(options: MotifsOptions, result: MotifsResult, console: Console) -> None:
    from chromputer_tracks.analysis.motifs.files import PAGE, scientific
    from chromputer_tracks.cli.console import summary_table, took

    named = bool(result.database)
    table = summary_table(
        ("pattern", "consensus", *(("looks like",) * named)),
        (*(("q",) * named), "seqlets", "hits", "sites with one"),
    )
    weak: list[str] = []
    for label in result.labels:
        for item in label.patterns:
            match = item.known(options.q)
            name = (match.target.title, scientific(match.q)) if match else ("", "")
            if item.weak:
                name = ("weak", "")
                weak.append(f"{item.pattern.name} is weak: {item.weak}")
            table.add_row(
                item.pattern.name,
                item.pattern.consensus,
                *(name * named),
                f"{len(item.pattern.seqlets):,}",
                f"{len(item.hits):,}",
                f"{item.sites:,} of {label.sites:,}",
            )
    if table.row_count:
        console.print(table)
    else:
        console.print("no pattern was found")
    for line in weak:
        console.print(line, soft_wrap=True)
    record = result.record
    console.print(
        f"{len(record.outputs)} files in {options.out} ({took(record)}); "
        f"look at {options.out / PAGE}"
    )

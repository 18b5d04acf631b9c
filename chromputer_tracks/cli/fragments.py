"""``chromputer fragments``: any fragment format to a sorted, indexed fragment file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromputer_tracks.cli.flags import command
from chromputer_tracks.options.predict import ConvertOptions

if TYPE_CHECKING:
    from rich.table import Table

    from chromputer_tracks.io.fragments import FragmentSummary


def run_fragments(options: ConvertOptions) -> None:
    """Convert with progress on stderr, then show what was kept."""
    from chromputer_tracks.cli.console import Reporter
    from chromputer_tracks.io.fasta import Fasta, check_swapped
    from chromputer_tracks.io.fragment_convert import convert_fragments

    sizes = None
    with Reporter() as reporter:
        if options.fasta is not None:
            check_swapped(options.fasta, options.source, "IN")
            with Fasta(options.fasta, options.scratch, reporter.note) as genome:
                sizes = genome.sizes
        summary = convert_fragments(
            options.source,
            options.out,
            sizes,
            options.fragment_options,
            progress=lambda kept: reporter.progress("Reading", kept, None, "fragments"),
            scratch=options.scratch,
        )
    reporter.console.print(_table(summary))
    shifted = options.fragment_options.shifts(summary.kind)
    shift = "ends shifted by +4/-5" if shifted else "ends as they are"
    reporter.note(f"Wrote {options.out} ({shift}) and its index")


fragments = command(
    ConvertOptions,
    run_fragments,
    "fragments",
    "Convert fragments to a sorted, bgzipped, tabix-indexed fragment file.",
)


def _table(summary: FragmentSummary) -> Table:
    from chromputer_tracks.cli.console import summary_table

    what = "rows" if summary.kind == "fragments" else "read pairs"
    title = f"{summary.path.name}: {summary.read:,} {what}"
    table = summary_table((what,), ("number", "share"), title)
    for reason, count in (("kept", summary.kept), *summary.removed.items()):
        label = reason if reason == "kept" else f"removed: {reason}"
        table.add_row(label, f"{count:,}", f"{count / summary.read:.1%}")
    return table

"""``chromputer fragments``: any fragment format to a sorted, indexed fragment file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromputer_tracks.cli.sample_flags import (
    DropDuplicates,
    ExcludeContig,
    MinMapq,
    Scratch,
    Tn5Shift,
)

if TYPE_CHECKING:
    from rich.table import Table

    from chromputer_tracks.io.fragments import FragmentSummary


def fragments(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN", help="Paired-end BAM in any order, fragments.tsv[.gz], or BEDPE."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="The new file, OUT.fragments.tsv.gz; its .tbi is written beside it."
        ),
    ],
    min_mapq: MinMapq = 30,
    drop_duplicates: DropDuplicates = True,
    exclude_contig: ExcludeContig = None,
    tn5_shift: Tn5Shift = None,
    fasta: Annotated[
        Path | None,
        typer.Option(help="Genome FASTA with its .fai: order of contigs, and bounds to check."),
    ] = None,
    scratch: Scratch = None,
) -> None:
    """Convert fragments to a sorted, bgzipped, tabix-indexed fragment file."""
    from chromputer_tracks.cli.console import Reporter
    from chromputer_tracks.io.fasta import Fasta
    from chromputer_tracks.io.fragment_convert import convert_fragments
    from chromputer_tracks.io.fragments import FragmentOptions

    options = FragmentOptions(min_mapq, drop_duplicates, tuple(exclude_contig or ()), tn5_shift)
    sizes = None
    if fasta is not None:
        with Fasta(fasta) as genome:
            sizes = genome.sizes
    with Reporter() as reporter:
        summary = convert_fragments(
            source,
            out,
            sizes,
            options,
            progress=lambda kept: reporter.progress("Reading", kept, None, "fragments"),
            scratch=scratch,
        )
    reporter.console.print(_table(summary))
    shift = "ends shifted by +4/-5" if options.shifts(summary.kind) else "ends as they are"
    reporter.note(f"Wrote {out} ({shift}) and its index")


def _table(summary: FragmentSummary) -> Table:
    from rich.table import Table

    what = "rows" if summary.kind == "fragments" else "read pairs"
    table = Table(title=f"{summary.path.name}: {summary.read:,} {what}", title_justify="left")
    table.add_column(what)
    table.add_column("number", justify="right")
    table.add_column("share", justify="right")
    for reason, count in (("kept", summary.kept), *summary.removed.items()):
        label = reason if reason == "kept" else f"removed: {reason}"
        table.add_row(label, f"{count:,}", f"{count / summary.read:.1%}")
    return table

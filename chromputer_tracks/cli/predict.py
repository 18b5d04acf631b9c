"""``chromputer predict``: tracks of a genome from ATAC-seq fragments and a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromputer_tracks.cli.sample_flags import (
    AssayFiles,
    DropDuplicates,
    ExcludeContig,
    FastaFile,
    Force,
    FragmentsFile,
    MinMapq,
    ModelName,
    Provider,
    ProviderName,
    Scratch,
    Threads,
    Tn5Shift,
    sample_files,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from chromputer_tracks.tracks.predict import PredictOptions, PredictResult


def predict(
    model: ModelName,
    fasta: FastaFile,
    out: Annotated[Path, typer.Option(help="Folder for the tracks; its parent must exist.")],
    fragments: FragmentsFile = None,
    assay: AssayFiles = None,
    regions: Annotated[
        Path | None, typer.Option(help="Predict only the bins that touch the regions of this BED.")
    ] = None,
    chrom: Annotated[
        list[str] | None,
        typer.Option(
            help="Predict only this chromosome or region (chrI:1,001-2,000); may be repeated."
        ),
    ] = None,
    provider: Provider = ProviderName.AUTO,
    threads: Threads = None,
    average_strands: Annotated[
        bool,
        typer.Option("--average-strands", help="Average over both strands; twice the time."),
    ] = False,
    min_mapq: MinMapq = 30,
    drop_duplicates: DropDuplicates = True,
    exclude_contig: ExcludeContig = None,
    tn5_shift: Tn5Shift = None,
    tile: Annotated[int | None, typer.Option(min=1, help="Outputs per tile.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Tiles per run of the network.")] = None,
    scratch: Scratch = None,
    force: Force = False,
) -> None:
    """Predict tracks of a genome: chromatin states and binding probabilities for every base."""
    from chromputer_tracks.cli.console import command_line
    from chromputer_tracks.inference.genome import DEFAULT_BATCH, DEFAULT_TILE
    from chromputer_tracks.tracks.predict import PredictOptions

    options = PredictOptions(
        model=model,
        sample=sample_files(
            fasta, fragments, assay, scratch, min_mapq, drop_duplicates, exclude_contig, tn5_shift
        ),
        out=out,
        regions=regions,
        chroms=tuple(chrom or ()),
        provider=provider.value,
        threads=threads,
        average_strands=average_strands,
        tile=tile or DEFAULT_TILE,
        batch=batch or DEFAULT_BATCH,
        force=force,
        command=command_line(),
    )
    run_predict(options)


def run_predict(options: PredictOptions) -> None:
    """Predict with messages and progress on stderr, then show what is in the tracks."""
    from chromputer_tracks.cli.console import Reporter
    from chromputer_tracks.tracks.predict import predict_tracks

    with Reporter() as reporter:
        result = predict_tracks(options, reporter)
    _summary(result, reporter.console)


def _summary(result: PredictResult, console: Console) -> None:
    if result.summary.states:
        table = _table("state", "name", "bases", "share")
        for state in result.summary.states:
            table.add_row(state.name, state.title, f"{state.bases:,}", f"{state.share:.1%}")
        console.print(table)
    if result.summary.calls:
        table = _table("label", "name", "calls", "bases")
        for call in result.summary.calls:
            table.add_row(call.name, call.title, f"{call.calls:,}", f"{call.bases:,}")
        console.print(table)
    megabases, seconds = result.summary.bases / 1e6, result.record["seconds"]
    console.print(
        f"{len(result.record['outputs'])} files with tracks of {megabases:.2f} Mb in {result.out} "
        f"({seconds:.0f} s, {megabases / seconds:.2f} Mb/s, peak {result.record['peak_mb']:.0f} "
        "MiB); how they were made is in run.json"
    )


def _table(*columns: str) -> Table:
    """A table of two columns of text and then of numbers."""
    from rich.table import Table

    table = Table()
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place < 2 else "right")
    return table

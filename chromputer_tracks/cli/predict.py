"""``chromputer predict``: tracks of a genome from ATAC-seq fragments and a model."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromputer_tracks.cli.fragment_flags import (
    DropDuplicates,
    ExcludeContig,
    MinMapq,
    Tn5Shift,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from chromputer_tracks.tracks.predict import PredictOptions, PredictResult


class ProviderName(StrEnum):
    """Values of ``--provider``."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"


def predict(
    model: Annotated[
        str,
        typer.Argument(help="Model folder, .onnx file or shipped model (chromputer models)."),
    ],
    fasta: Annotated[Path, typer.Option(help="Genome FASTA, plain or bgzip, with its .fai.")],
    out: Annotated[Path, typer.Option(help="Folder for the tracks; its parent must exist.")],
    fragments: Annotated[
        Path | None,
        typer.Option(
            help="Paired-end BAM, fragments.tsv.gz or BEDPE, for models of one assay of fragments."
        ),
    ] = None,
    assay: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="File of one of the model's assays (fragments or bigWig); may be repeated.",
        ),
    ] = None,
    regions: Annotated[
        Path | None, typer.Option(help="Predict only the bins that touch the regions of this BED.")
    ] = None,
    chrom: Annotated[
        list[str] | None,
        typer.Option(
            help="Predict only this chromosome or region (chrI:1,001-2,000); may be repeated."
        ),
    ] = None,
    provider: Annotated[
        ProviderName,
        typer.Option(help="Where to run; auto takes a GPU when one works, else the CPU."),
    ] = ProviderName.AUTO,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads; default: those this process may use.")
    ] = None,
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
    scratch: Annotated[
        Path | None, typer.Option(help="Folder for temporary files; default: the system's.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Write into a folder that holds other files.")
    ] = False,
) -> None:
    """Predict tracks of a genome: chromatin states and binding probabilities for every base."""
    import sys

    from chromputer_tracks.cli.requirements import named_files
    from chromputer_tracks.inference.genome import DEFAULT_BATCH, DEFAULT_TILE
    from chromputer_tracks.io.fragments import FragmentOptions
    from chromputer_tracks.tracks.predict import PredictOptions

    options = PredictOptions(
        model=model,
        fasta=fasta,
        out=out,
        fragments=fragments,
        assays=named_files("--assay", assay or []),
        regions=regions,
        chroms=tuple(chrom or ()),
        provider=provider.value,
        threads=threads,
        average_strands=average_strands,
        fragment_options=FragmentOptions(
            min_mapq=min_mapq,
            drop_duplicates=drop_duplicates,
            exclude=tuple(exclude_contig or ()),
            tn5_shift=tn5_shift,
        ),
        tile=tile or DEFAULT_TILE,
        batch=batch or DEFAULT_BATCH,
        scratch=scratch,
        force=force,
        command=("chromputer", *sys.argv[1:]),
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

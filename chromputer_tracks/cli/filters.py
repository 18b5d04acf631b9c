"""``chromputer filters``: what the first layers' filters read, and what they add to each class."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromputer_tracks.cli.motifs import Taxon
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

    from chromputer_tracks.analysis.filters.run import FiltersRun

_SHOWN = 3
"""Filters of each class in the table on the terminal."""


class MethodName(StrEnum):
    """Values of ``--method``."""

    DEEPLIFT = "deeplift"
    GRADIENT = "gradient*input"


def filters(
    model: ModelName,
    fasta: FastaFile,
    out: Annotated[Path, typer.Option(help="Folder for the results; its parent must exist.")],
    fragments: FragmentsFile = None,
    assay: AssayFiles = None,
    head: Annotated[
        list[str] | None,
        typer.Option(
            help="Label or state (Reb1, S5) to rank filters for; may be repeated. Default: all."
        ),
    ] = None,
    regions: Annotated[
        Path | None,
        typer.Option(
            help="BED or narrowPeak of the sites (their summits), the same for every label. "
            "Default: of each label the most probable sites that the model calls, found by "
            "predicting first, and random windows for what activates filters."
        ),
    ] = None,
    chrom: Annotated[
        list[str] | None,
        typer.Option(
            help="Only sites in this chromosome or region (chrI:1,001-2,000); may be repeated."
        ),
    ] = None,
    exclude: Annotated[
        Path | None,
        typer.Option(
            help="BED, such as a blacklist: sites whose windows touch it are left out. Places of "
            "extreme depth, such as rDNA, would else make the patterns of V-plot filters."
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Filters shown of each label.")] = 8,
    sites: Annotated[
        int,
        typer.Option(min=1, help="Sites of each label over which contributions are averaged."),
    ] = 200,
    sample_sites: Annotated[
        int,
        typer.Option(
            min=0,
            help="Random windows scanned for what activates filters, beside the labels' sites; "
            "not with --regions.",
        ),
    ] = 1000,
    motifs: Annotated[
        Path | None, typer.Option(help="MEME file of known motifs to match sequence filters to.")
    ] = None,
    jaspar: Annotated[
        Taxon | None, typer.Option(help="Match sequence filters to JASPAR CORE of this taxon.")
    ] = None,
    q: Annotated[
        float,
        typer.Option(min=0, max=1, help="False discovery rate up to which a match is named."),
    ] = 0.01,
    method: Annotated[MethodName, typer.Option(help="How contributions are computed.")] = (
        MethodName.DEEPLIFT
    ),
    references: Annotated[
        int,
        typer.Option(
            min=1,
            help="Dinucleotide shuffles of each window's sequence; few do, as the mean over sites "
            "is a mean over shuffles, too.",
        ),
    ] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all that is drawn at random.")] = 0,
    provider: Provider = ProviderName.AUTO,
    threads: Threads = None,
    min_mapq: MinMapq = 30,
    drop_duplicates: DropDuplicates = True,
    exclude_contig: ExcludeContig = None,
    tn5_shift: Tn5Shift = None,
    scratch: Scratch = None,
    force: Force = False,
) -> None:
    """Show the first layers' filters: motifs, patterns, and what they add to each label."""
    from chromputer_tracks.cli.console import Reporter, command_line
    from chromputer_tracks.cli.requirements import DRAWING, MOTIFS, require

    matching = motifs is not None or jaspar is not None
    require("drawing filters", MOTIFS if matching else DRAWING, extra="analysis")
    from chromputer_tracks.analysis.filters.run import FiltersOptions, look_at_filters

    options = FiltersOptions(
        model=model,
        sample=sample_files(
            fasta, fragments, assay, scratch, min_mapq, drop_duplicates, exclude_contig, tn5_shift
        ),
        out=out,
        heads=tuple(head or ()),
        regions=regions,
        chroms=tuple(chrom or ()),
        exclude=exclude,
        top=top,
        sites=sites,
        sample_sites=sample_sites,
        motifs=motifs,
        jaspar=None if jaspar is None else jaspar.value,
        q=q,
        method=method.value,
        references=references,
        seed=seed,
        provider=provider.value,
        threads=threads,
        force=force,
        command=command_line(),
    )
    with Reporter() as reporter:
        run = look_at_filters(options, reporter)
    _summary(run, reporter.console)


def _summary(run: FiltersRun, console: Console) -> None:
    from rich.table import Table

    from chromputer_tracks.analysis.filters.page import PAGE

    results = run.results
    table = Table()
    table.add_column("label")
    table.add_column("sites", justify="right")
    table.add_column("filters that add most to it")
    for item in results.contributions:
        best = []
        for key in results.ranking(item.name)[:_SHOWN]:
            match = results.known(key.number) if key.input == results.sequence else None
            what = match.target.alternate or match.target.name if match else results.says(key)
            mean = float(item.mean[key.input][key.number])
            best.append(f"{key} ({what}) {mean:+.2f}")
        table.add_row(item.name, f"{item.sites:,}", "\n".join(best))
    console.print(table)
    dead = results.dead()
    if dead:
        console.print(f"never active: {', '.join(map(str, dead))}")
    record = run.record
    console.print(
        f"{len(record['outputs'])} files in {run.out} ({record['seconds']:.0f} s, peak "
        f"{record['peak_mb']:.0f} MiB); look at {run.out / PAGE}"
    )

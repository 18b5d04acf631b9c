"""``chromputer explain``: why a model says what it says, at given sites or its own calls."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromputer_tracks.cli.requirements import require
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
from chromputer_tracks.errors import DependencyError
from chromputer_tracks.wording import counted

if TYPE_CHECKING:
    from rich.console import Console

    from chromputer_tracks.tracks.explain.run import ExplainOptions, ExplainResult

_PICTURES = ("logomaker", "matplotlib")
_IMAGES = 6


class MethodName(StrEnum):
    """Values of ``--method``."""

    DEEPLIFT = "deeplift"
    GRADIENT = "gradient*input"


class BaselineName(StrEnum):
    """Values of ``--baseline``."""

    ZERO = "zero"
    MEAN = "mean"


class MergeName(StrEnum):
    """Values of ``--merge``."""

    CENTRE = "centre"
    MEAN = "mean"
    MAX = "max"


def explain(
    model: ModelName,
    fasta: FastaFile,
    head: Annotated[
        list[str],
        typer.Option(
            help="Label or state to explain (Reb1, S5), or all; may be repeated.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results; its parent must exist.")],
    fragments: FragmentsFile = None,
    assay: AssayFiles = None,
    regions: Annotated[
        Path | None, typer.Option(help="narrowPeak, or any BED, of the sites to explain.")
    ] = None,
    calls: Annotated[
        bool, typer.Option("--calls", help="Explain the model's own calls of each label.")
    ] = False,
    chrom: Annotated[
        list[str] | None,
        typer.Option(
            help="Only sites in this chromosome or region (chrI:1,001-2,000); may be repeated."
        ),
    ] = None,
    max_sites: Annotated[
        int | None, typer.Option(min=1, help="Explain so many sites of a label, the strongest.")
    ] = None,
    step: Annotated[
        int | None,
        typer.Option(min=1, help="A window every so many bp along each region, not one a region."),
    ] = None,
    method: Annotated[MethodName, typer.Option(help="How contributions are computed.")] = (
        MethodName.DEEPLIFT
    ),
    references: Annotated[
        int, typer.Option(min=1, help="Dinucleotide shuffles of each window's sequence.")
    ] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the shuffles.")] = 0,
    baseline: Annotated[
        BaselineName,
        typer.Option(help="Reference of V-plots and signals: nothing, or the genome's mean."),
    ] = BaselineName.ZERO,
    merge: Annotated[
        MergeName,
        typer.Option(
            help="What a base of several windows gets: their mean weighted to window centres, "
            "their mean, or the value of the largest magnitude."
        ),
    ] = MergeName.CENTRE,
    images: Annotated[
        int | None,
        typer.Option(
            min=0, help=f"Pictures of the sites with the highest logits; default: {_IMAGES}."
        ),
    ] = None,
    provider: Provider = ProviderName.AUTO,
    threads: Threads = None,
    min_mapq: MinMapq = 30,
    drop_duplicates: DropDuplicates = True,
    exclude_contig: ExcludeContig = None,
    tn5_shift: Tn5Shift = None,
    scratch: Scratch = None,
    force: Force = False,
) -> None:
    """Explain a model's labels at sites: contributions of every base, fragment and signal."""
    from chromputer_tracks.cli.console import command_line
    from chromputer_tracks.tracks.explain.run import ExplainOptions

    if (regions is None) == (not calls):
        raise typer.BadParameter("give either --regions BED or --calls", param_hint="--regions")
    options = ExplainOptions(
        model=model,
        sample=sample_files(
            fasta, fragments, assay, scratch, min_mapq, drop_duplicates, exclude_contig, tn5_shift
        ),
        out=out,
        heads=tuple(head),
        regions=regions,
        chroms=tuple(chrom or ()),
        method=method.value,
        references=references,
        seed=seed,
        baseline=baseline.value,
        merge=merge.value,
        step=step,
        max_sites=max_sites,
        images=_pictures(images),
        provider=provider.value,
        threads=threads,
        force=force,
        command=command_line(),
    )
    _run(options)


def _pictures(asked: int | None) -> int:
    """How many sites are pictured: none by default where what draws them is not installed."""
    if asked == 0:
        return 0
    try:
        require("drawing sites (--images)", _PICTURES, extra="analysis")
    except DependencyError as error:
        if asked is not None:
            raise
        from chromputer_tracks.cli.console import stderr_console

        stderr_console().print(f"note: no pictures of sites: {error}")
        return 0
    return _IMAGES if asked is None else asked


def _run(options: ExplainOptions) -> None:
    """Explain with messages and progress on stderr, then show what was found."""
    from chromputer_tracks.cli.console import Reporter
    from chromputer_tracks.tracks.explain.run import explain_tracks

    with Reporter() as reporter:
        result = explain_tracks(options, reporter)
    _summary(result, reporter.console)


def _summary(result: ExplainResult, console: Console) -> None:
    from rich.table import Table

    parts = list(dict.fromkeys(part for label in result.labels for part in label.shares))
    complete = any(label.completeness is not None for label in result.labels)
    table = Table()
    table.add_column("label", overflow="fold")
    for name in ("sites", "mean logit", *parts, *(("median error", "largest") * complete)):
        table.add_column(name, justify="right", overflow="fold")
    for label in result.labels:
        cells = [f"{label.sites:,}", f"{label.mean_logit:.2f}"]
        cells += [f"{label.shares.get(part, 0):.1%}" for part in parts]
        if label.completeness is not None:
            cells += [f"{label.completeness.median:.1e}", f"{label.completeness.maximum:.1e}"]
        table.add_row(label.label, *cells)
    console.print(table)
    what = f"{', '.join(parts)}: shares of all contributions without their signs"
    if complete:
        what += "; error: by how much contributions do not add up to the difference in logit"
    console.print(what)
    seconds, sites = result.record["seconds"], sum(label.sites for label in result.labels)
    console.print(
        f"{counted(sites, 'site')} explained in {result.out} ({seconds:.0f} s, "
        f"{sites / seconds:.1f} per s, peak {result.record['peak_mb']:.0f} MiB); how "
        "they were made is in run.json"
    )

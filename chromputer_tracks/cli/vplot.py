"""``chromputer vplot``: fragments around sites as an image, and what a model makes of them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromputer_tracks.cli.sample_flags import (
    AssayFiles,
    DropDuplicates,
    ExcludeContig,
    FragmentsFile,
    MinMapq,
    Provider,
    ProviderName,
    Scratch,
    Threads,
    Tn5Shift,
    sample_files,
)

if TYPE_CHECKING:
    from chromputer_tracks.analysis.vplots.run import VplotOptions

_SITES, _VALUES, _MODEL, _PICTURE = (
    "Sites",
    "What a pixel shows",
    "With a model",
    "The picture",
)


class CentreName(StrEnum):
    """Values of ``--centre``."""

    SUMMIT = "summit"
    MIDDLE = "middle"
    START = "start"
    END = "end"


class NormaliseName(StrEnum):
    """Values of ``--normalise``."""

    NONE = "none"
    DEPTH = "depth"
    LENGTHS = "lengths"
    MODEL = "model"


class CompareName(StrEnum):
    """Values of ``--compare``."""

    LOG2 = "log2"
    DIFFERENCE = "difference"


class MethodName(StrEnum):
    """Values of ``--method``."""

    DEEPLIFT = "deeplift"
    GRADIENT = "gradient*input"


def vplot(
    out: Annotated[
        Path,
        typer.Option(
            help="The picture: .png, .svg or .pdf; numbers (.tsv) and record (.json) beside it."
        ),
    ],
    fasta: Annotated[
        Path | None, typer.Option(help="Genome FASTA, plain or bgzip, with its .fai.")
    ] = None,
    fragments: FragmentsFile = None,
    assay: AssayFiles = None,
    regions: Annotated[
        Path | None,
        typer.Option(
            help="BED (3 columns or more) or narrowPeak; - strand sites are mirrored.",
            rich_help_panel=_SITES,
        ),
    ] = None,
    site: Annotated[
        str | None,
        typer.Option(
            help="One locus (chrI:1,001-2,000) or the window around one base (chrI:1,500).",
            rich_help_panel=_SITES,
        ),
    ] = None,
    centre: Annotated[
        CentreName,
        typer.Option(
            help="What lies at 0: the summit (narrowPeak column 10, thick part, else the middle), "
            "the middle, or the first or last base in the direction of the strand.",
            rich_help_panel=_SITES,
        ),
    ] = CentreName.SUMMIT,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="One image for each value of this column of --regions: name, strand or a number.",
            rich_help_panel=_SITES,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS",
            help="Draw only this class, state or label; may be repeated.",
            rich_help_panel=_SITES,
        ),
    ] = None,
    chrom: Annotated[
        list[str] | None,
        typer.Option(
            help="Sites on this chromosome or in this region only; may be repeated.",
            rich_help_panel=_SITES,
        ),
    ] = None,
    exclude: Annotated[
        Path | None,
        typer.Option(
            help="BED: leave out sites whose centre lies inside (a blacklist).",
            rich_help_panel=_SITES,
        ),
    ] = None,
    orient: Annotated[
        Path | None,
        typer.Option(
            help="BED of genes or start sites: turn each site by the strand of the nearest.",
            rich_help_panel=_SITES,
        ),
    ] = None,
    orient_within: Annotated[
        int, typer.Option(min=0, help="bp within which it counts.", rich_help_panel=_SITES)
    ] = 1000,
    normalise: Annotated[
        NormaliseName,
        typer.Option(
            help="none: fragments per site and pixel; depth: of a million fragments; lengths: over "
            "the genome's mean of each length; model: as --model reads them.",
            rich_help_panel=_VALUES,
        ),
    ] = NormaliseName.NONE,
    background: Annotated[
        str | None,
        typer.Option(
            metavar="genome|random|BED",
            help="Also compare with the genome's mean, matched random places, or other sites.",
            rich_help_panel=_VALUES,
        ),
    ] = None,
    compare: Annotated[
        CompareName, typer.Option(help="How to compare.", rich_help_panel=_VALUES)
    ] = CompareName.LOG2,
    prior: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Fragments by which a pixel's ratio is drawn towards 1.",
            rich_help_panel=_VALUES,
        ),
    ] = 5.0,
    model: Annotated[
        str | None,
        typer.Option(
            help="Draw a model's states: what it reads, contributions, changes in probability; "
            "with --normalise model or --contributions: the model that is meant.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    states: Annotated[
        Path | None,
        typer.Option(
            help="BED of true states; without it sites are told apart by the predicted state.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    contributions: Annotated[
        Path | None,
        typer.Option(
            help="Folder of chromputer explain: draw its sites' contributions; needs --model.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    input_name: Annotated[
        str | None,
        typer.Option("--input", help="V-plot input, where there are more.", rich_help_panel=_MODEL),
    ] = None,
    max_sites: Annotated[
        int,
        typer.Option(
            min=1, help="Sites of a state at most, evenly spaced.", rich_help_panel=_MODEL
        ),
    ] = 100,
    min_sites: Annotated[
        int,
        typer.Option(min=1, help="Leave out states with fewer sites.", rich_help_panel=_MODEL),
    ] = 10,
    method: Annotated[
        MethodName, typer.Option(help="Of explaining.", rich_help_panel=_MODEL)
    ] = MethodName.DEEPLIFT,
    references: Annotated[
        int,
        typer.Option(min=1, help="Dinucleotide shuffles a window.", rich_help_panel=_MODEL),
    ] = 5,
    provider: Provider = ProviderName.AUTO,
    threads: Threads = None,
    seed: Annotated[int, typer.Option(min=0, help="Of random places and shuffles.")] = 0,
    window: Annotated[
        int | None,
        typer.Option(min=1, help="bp; default: 2,000.", rich_help_panel=_PICTURE),
    ] = None,
    bin_size: Annotated[
        int | None,
        typer.Option("--bin", min=1, help="bp; default: 10.", rich_help_panel=_PICTURE),
    ] = None,
    lengths: Annotated[
        str | None,
        typer.Option(
            metavar="FIRST:LAST:STEP",
            help="Fragment lengths in bp, or edges (20,100,180,247); default: 20:400:10.",
            rich_help_panel=_PICTURE,
        ),
    ] = None,
    title: Annotated[str, typer.Option(help="Of the picture.", rich_help_panel=_PICTURE)] = "",
    zero: Annotated[
        str,
        typer.Option(help="Name of what lies at 0, such as TSS.", rich_help_panel=_PICTURE),
    ] = "",
    smooth: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Gaussian in pixels that smooths the picture, not the numbers; 0: none.",
            rich_help_panel=_PICTURE,
        ),
    ] = 1.0,
    min_mapq: MinMapq = 30,
    drop_duplicates: DropDuplicates = True,
    exclude_contig: ExcludeContig = None,
    tn5_shift: Tn5Shift = None,
    scratch: Scratch = None,
) -> None:
    """Draw V-plots: fragments by midpoint and length around sites, by class or by state."""
    from chromputer_tracks.cli.console import command_line
    from chromputer_tracks.cli.requirements import DRAWING, require

    require("chromputer vplot", DRAWING, "analysis")
    from chromputer_tracks.analysis.vplots.run import VplotOptions, parse_lengths

    sample = None
    if fasta is not None:
        sample = sample_files(
            fasta, fragments, assay, scratch, min_mapq, drop_duplicates, exclude_contig, tn5_shift
        )
    options = VplotOptions(
        out=out,
        sample=sample,
        regions=regions,
        site=site,
        centre=centre.value,
        by=by,
        chroms=tuple(chrom or ()),
        exclude=exclude,
        orient=orient,
        orient_within=orient_within,
        window=window,
        bin_size=bin_size,
        edges=None if lengths is None else parse_lengths(lengths),
        normalise=normalise.value,
        background=background,
        compare=compare.value,
        prior=prior,
        seed=seed,
        model=model,
        input=input_name,
        states=states,
        only=tuple(only or ()),
        max_sites=max_sites,
        min_sites=min_sites,
        contributions=contributions,
        method=method.value,
        references=references,
        provider=provider.value,
        threads=threads,
        title=title,
        zero=zero,
        smooth=smooth,
        command=command_line(),
    )
    run_vplot(options)


def run_vplot(options: VplotOptions) -> None:
    """Draw with messages and progress on stderr, then say what was written."""
    from chromputer_tracks.analysis.vplots.run import draw_vplots
    from chromputer_tracks.cli.console import Reporter

    with Reporter() as reporter:
        result = draw_vplots(options, reporter)
        picture, numbers, record = result.outputs
        reporter.note(
            f"{picture}: {', '.join(f'{row.title} ({row.sites:,})' for row in result.table.rows)}; "
            f"numbers in {numbers.name}, how they were made in {record.name}"
        )

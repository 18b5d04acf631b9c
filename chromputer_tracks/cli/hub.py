"""``chromputer hub``: a UCSC track hub of what was predicted and explained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromputer_tracks.cli.sample_flags import Force, Scratch

if TYPE_CHECKING:
    from rich.console import Console

    from chromputer_tracks.tracks.hub.run import HubResult

_GENOME = "A genome that UCSC lacks"


def hub(
    out: Annotated[Path, typer.Option(help="Folder for the hub; its parent must exist.")],
    assembly: Annotated[
        str, typer.Option(help="UCSC's name of the assembly (sacCer3, hg38), or with --fasta any.")
    ],
    email: Annotated[str, typer.Option(help="Whom to ask about the hub; browsers show it.")],
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIR", help="Folders that predict or explain wrote."),
    ] = None,
    sample: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=DIR", help="A folder and its sample's name in the hub; may be repeated."
        ),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Where the folder will be served: prints links to see it.")
    ] = None,
    one_file: Annotated[
        bool, typer.Option("--one-file", help="All settings in hub.txt (useOneFile on).")
    ] = False,
    link: Annotated[
        bool, typer.Option("--link", help="Link to bigWig and bigBed files instead of copying.")
    ] = False,
    coverage: Annotated[
        bool, typer.Option("--coverage/--no-coverage", help="Show the samples' inputs, too.")
    ] = True,
    input_: Annotated[
        list[Path] | None,
        typer.Option("--input", help="A sample's input that has moved since; may be repeated."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model that has moved since; may be repeated."),
    ] = None,
    sizes: Annotated[
        Path | None,
        typer.Option(help="chrom.sizes or .fai of the assembly, to compare contigs with."),
    ] = None,
    position: Annotated[
        str | None,
        typer.Option(help="Region shown at first; default: the strongest site or call."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The hub's name, one word.")] = None,
    label: Annotated[str | None, typer.Option(help="Its label, under 20 characters.")] = None,
    long_label: Annotated[
        str | None, typer.Option(help="Its long label, under 70 characters.")
    ] = None,
    fasta: Annotated[
        Path | None,
        typer.Option(help="FASTA that the hub brings along as 2bit.", rich_help_panel=_GENOME),
    ] = None,
    organism: Annotated[
        str | None, typer.Option(help="Its organism.", rich_help_panel=_GENOME)
    ] = None,
    scientific_name: Annotated[
        str | None, typer.Option(help="The organism's scientific name.", rich_help_panel=_GENOME)
    ] = None,
    description: Annotated[
        str | None, typer.Option(help="A line about the assembly.", rich_help_panel=_GENOME)
    ] = None,
    scratch: Scratch = None,
    force: Force = False,
) -> None:
    """Make a UCSC track hub of predicted and explained tracks, of one sample or several."""
    from chromputer_tracks.cli.console import Reporter
    from chromputer_tracks.cli.requirements import named_folders
    from chromputer_tracks.tracks.hub.options import HubOptions
    from chromputer_tracks.tracks.hub.run import make_hub

    options = HubOptions(
        folders=tuple(folders or ()),
        samples=named_folders("--sample", sample or ()),
        out=out,
        assembly=assembly,
        email=email,
        url=url,
        name=name,
        short=label,
        long=long_label,
        one_file=one_file,
        link=link,
        fasta=fasta,
        organism=organism,
        scientific_name=scientific_name,
        description=description,
        sizes=sizes,
        position=position,
        coverage=coverage,
        inputs=tuple(input_ or ()),
        models=tuple(model or ()),
        scratch=scratch,
        force=force,
    )
    with Reporter() as reporter:
        result = make_hub(options, reporter)
    _summary(result, reporter.console)


def _summary(result: HubResult, console: Console) -> None:
    megabytes, seconds = result.bytes / 1e6, result.record["seconds"]
    console.print(
        f"hub of {result.tracks} tracks in {result.out} ({megabytes:.1f} MB, {seconds:.0f} s); "
        "hub.html says what is in it"
    )
    where = result.url or "URL/hub.txt"
    console.print(
        f"put the folder on a web server and check it there with UCSC's hubCheck: hubCheck {where}"
    )
    for text, link in result.links:
        console.print(f"{text}: {link}")

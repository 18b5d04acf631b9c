"""``chromputer motifs``: the motifs in contributions, their known names and their instances."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromputer_tracks.cli.sample_flags import Force

if TYPE_CHECKING:
    from rich.console import Console

    from chromputer_tracks.analysis.motifs.run import MotifsRun


class Taxon(StrEnum):
    """Values of ``--jaspar``."""

    FUNGI = "fungi"
    VERTEBRATES = "vertebrates"
    PLANTS = "plants"
    INSECTS = "insects"
    NEMATODES = "nematodes"
    UROCHORDATES = "urochordates"


def motifs(
    explained: Annotated[Path, typer.Argument(help="Folder that chromputer explain wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; its parent must exist.")],
    head: Annotated[
        list[str] | None,
        typer.Option(help="Label to look at; may be repeated. Default: all that were explained."),
    ] = None,
    motifs: Annotated[
        Path | None, typer.Option(help="MEME file of known motifs to match patterns to.")
    ] = None,
    jaspar: Annotated[
        Taxon | None, typer.Option(help="Match patterns to JASPAR CORE of this taxon.")
    ] = None,
    window: Annotated[
        int, typer.Option(min=1, help="Bases around the sites' summits to seek patterns in.")
    ] = 400,
    max_seqlets: Annotated[
        int,
        typer.Option(
            min=101,
            help="Seqlets of each label and sign that patterns are made of, the first in the order "
            "of the sites; time and memory grow with it.",
        ),
    ] = 20_000,
    q: Annotated[
        float,
        typer.Option(min=0, max=1, help="False discovery rate up to which a match is named."),
    ] = 0.01,
    hit_p: Annotated[
        float, typer.Option(min=1e-12, max=0.1, help="Largest p-value of a hit's sequence.")
    ] = 1e-3,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads; default: those this process may use.")
    ] = None,
    force: Force = False,
) -> None:
    """Find the motifs that recur in contributions, name them, and list their instances.

    The first run in an installation compiles its libraries, for a minute or two.
    """
    from chromputer_tracks.cli.console import Reporter, command_line
    from chromputer_tracks.cli.requirements import MOTIFS, require

    require("finding motifs", MOTIFS, extra="analysis")
    from chromputer_tracks.analysis.motifs.run import MotifsOptions, find_motifs

    options = MotifsOptions(
        explained=explained,
        out=out,
        heads=tuple(head or ()),
        motifs=motifs,
        jaspar=None if jaspar is None else jaspar.value,
        window=window,
        max_seqlets=max_seqlets,
        q=q,
        hit_p=hit_p,
        threads=threads,
        force=force,
        command=command_line(),
    )
    # Its bars would be drawn by a thread, with which modisco-lite cannot compile beside its work.
    reporter = Reporter()
    run = find_motifs(options, reporter)
    _summary(run, options.q, reporter.console)


def _summary(run: MotifsRun, q: float, console: Console) -> None:
    from rich.table import Table

    from chromputer_tracks.analysis.motifs.files import PAGE, scientific

    table = Table()
    for name in ("pattern", "consensus", "looks like", "q", "seqlets", "hits", "sites with one"):
        numeric = name in ("q", "seqlets", "hits", "sites with one")
        if run.database or name not in ("looks like", "q"):
            table.add_column(name, justify="right" if numeric else "left")
    for result in run.results:
        for item in result.patterns:
            match = item.known(q)
            named = ((match.target.title, scientific(match.q)) if match else ("", "")) * bool(
                run.database
            )
            table.add_row(
                item.pattern.name,
                item.pattern.consensus,
                *named,
                f"{len(item.pattern.seqlets):,}",
                f"{len(item.hits):,}",
                f"{item.sites:,} of {result.sites:,}",
            )
    if table.row_count:
        console.print(table)
    else:
        console.print("no pattern was found")
    record = run.record
    console.print(
        f"{len(record['outputs'])} files in {run.out} ({record['seconds']:.0f} s, peak "
        f"{record['peak_mb']:.0f} MiB); look at {run.out / PAGE}"
    )

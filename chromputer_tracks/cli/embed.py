"""``chromputer embed``: a map of sites as the model sees them, and their clusters."""

from __future__ import annotations

from enum import StrEnum
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

    from chromputer_tracks.analysis.embed.run import EmbedResult

_AUTO = "auto"
_SHOWN = 3
"""Enriched labels of a cluster that the terminal shows."""


class MethodName(StrEnum):
    """Values of ``--method``."""

    TSNE = "tsne"
    UMAP = "umap"
    PCA = "pca"


class StrandsName(StrEnum):
    """Values of ``--strands``."""

    AUTO = "auto"
    FORWARD = "forward"
    SITE = "site"
    BOTH = "both"


def embed(
    model: ModelName,
    fasta: FastaFile,
    out: Annotated[Path, typer.Option(help="Folder for the results; its parent must exist.")],
    fragments: FragmentsFile = None,
    assay: AssayFiles = None,
    regions: Annotated[
        Path | None,
        typer.Option(
            help="BED of the sites, with any other columns; windows are centred on a narrowPeak's "
            "summit, on the thick part, else on the middle. Default: the elements that the model "
            "predicts, one site for each run of bins of one state, on its most certain bin, "
            "without the most common state (without states: each run of called bins)."
        ),
    ] = None,
    chrom: Annotated[
        list[str] | None,
        typer.Option(
            help="Find elements only on this chromosome or region (chrI:1,001-2,000); may be "
            "repeated."
        ),
    ] = None,
    color_by: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Colour of map.png and map.svg, and the first of the page: the predicted state, "
            "the cluster, the probability of a label, or a column of the BED by its number, its "
            "name (name, score, strand) or its header's. Default: state, or cluster.",
        ),
    ] = None,
    method: Annotated[
        MethodName,
        typer.Option(
            help="t-SNE (by openTSNE where it is installed, else scikit-learn), UMAP (needs "
            "umap-learn), or the first two principal components."
        ),
    ] = MethodName.TSNE,
    clusters: Annotated[
        str,
        typer.Option(
            metavar="NUMBER|auto",
            help="Number of clusters; auto: the most that come back when half of the sites are "
            "clustered.",
        ),
    ] = _AUTO,
    max_sites: Annotated[
        int, typer.Option(min=1, help="Map at most so many sites, drawn at random.")
    ] = 10_000,
    strands: Annotated[
        StrandsName,
        typer.Option(
            help="How windows are read: forward, as the genome has them; site, those of the - "
            "strand on it; both, the mean of both strands; auto: site where all sites have a "
            "strand, else both."
        ),
    ] = StrandsName.AUTO,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample, the map and the clusters.")] = 0,
    provider: Provider = ProviderName.AUTO,
    threads: Threads = None,
    min_mapq: MinMapq = 30,
    drop_duplicates: DropDuplicates = True,
    exclude_contig: ExcludeContig = None,
    tn5_shift: Tn5Shift = None,
    scratch: Scratch = None,
    force: Force = False,
) -> None:
    """Map sites as the network sees them: t-SNE of its embedding, clusters, and a page to explore.

    Writes map.png, map.svg and map.html (interactive, opens offline), clusters.png, .svg, .tsv,
    .npz and .bed with the mean V-plot, states and enriched labels of each cluster, sites.tsv,
    embedding.npz and run.json.
    """
    from chromputer_tracks.cli.console import Reporter, command_line
    from chromputer_tracks.cli.requirements import MAPS, require

    number = _cluster_number(clusters)
    require("embed", MAPS, extra="analysis")
    from chromputer_tracks.analysis.embed.run import EmbedOptions, embed_sites

    options = EmbedOptions(
        model=model,
        sample=sample_files(
            fasta, fragments, assay, scratch, min_mapq, drop_duplicates, exclude_contig, tn5_shift
        ),
        out=out,
        regions=regions,
        chroms=tuple(chrom or ()),
        color_by=color_by,
        method=method.value,
        clusters=number,
        max_sites=max_sites,
        strands=strands.value,
        seed=seed,
        provider=provider.value,
        threads=threads,
        force=force,
        command=command_line(),
    )
    with Reporter() as reporter:
        result = embed_sites(options, reporter)
    _summary(result, reporter.console)


def _cluster_number(text: str) -> int | None:
    if text == _AUTO:
        return None
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise typer.BadParameter(
            f"{text!r} is neither auto nor a number of at least 1", param_hint="--clusters"
        )
    return int(text)


def _summary(result: EmbedResult, console: Console) -> None:
    from rich.table import Table

    from chromputer_tracks.analysis.embed.clusters import states_of

    item = result.map
    _, states = states_of(item.spec)
    loci = item.sites.loci
    table = Table()
    table.add_column("cluster", no_wrap=True)
    table.add_column("sites", justify="right")
    table.add_column("stable", justify="right")
    if states:
        table.add_column("states")
    table.add_column("enriched labels")
    table.add_column("most typical site", no_wrap=True)
    for summary in item.summaries:
        cells = [summary.name, f"{summary.sites:,}", f"{summary.stability:.2f}"]
        if states:
            order = (-summary.states).argsort(kind="stable")[:2]
            shares = [(states[row].name, f"{summary.states[row]:.0%}") for row in order]
            cells.append(", ".join(f"{name} {share}" for name, share in shares if share != "0%"))
        labels = summary.enriched[:_SHOWN]
        cells.append(", ".join(f"{item.names[row]} ×{summary.folds[row]:.1f}" for row in labels))
        table.add_row(*cells, loci[summary.medoids[0]])
    console.print(table)
    console.print(
        f"{len(result.record['outputs'])} files in {result.out} ({result.record['seconds']:.0f} s, "
        f"peak {result.record['peak_mb']:.0f} MiB): open {result.out / 'map.html'} in a browser; "
        "how they were made is in run.json"
    )

"""Options of the commands that predict and show: predict, fragments, hub, view."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from chromputer_tracks.errors import InputError, OptionError, meant
from chromputer_tracks.options.fields import (
    DepthNumber,
    DepthRegions,
    Flag,
    FragmentOptions,
    RunOptions,
    SampleFiles,
    SampleOptions,
    Scratch,
    Strict,
    check_options,
    options,
)
from chromputer_tracks.records import Limits

TABLE = "regions.tsv"
"""Name of the table of regions."""
_TABLE = re.compile(r"[^/\\\x00-\x1f]*[^/\\\x00-\x1f.][.](tsv|parquet)")


@options
class PredictOptions(SampleOptions):
    """What to predict, from what, and how."""

    out: Annotated[Path, Flag("Folder for the tracks.", "--out -o")]
    regions: Annotated[
        Path | None,
        Flag(
            "Predict only the bins that touch the regions of this BED, and write a table of them."
        ),
    ] = None
    table: Annotated[
        str | None,
        Flag(
            "Name of the table of --regions, in the folder; default: regions.tsv.",
            metavar="NAME.tsv|NAME.parquet",
        ),
    ] = None
    chroms: Annotated[
        tuple[str, ...],
        Flag(
            "Predict only this chromosome or region (chrI:1,001-2,000); may be repeated.",
            "--chrom",
            complete="contig",
        ),
    ] = ()
    resume: Annotated[
        bool,
        Flag(
            "Go on, by whole contigs, where a run of this command was killed or stopped; it needs "
            "the room of what was done twice for a while. Without it, that is removed.",
        ),
    ] = False
    average_strands: Annotated[bool, Flag("Average over both strands; twice the time.")] = False
    grey_below: Annotated[
        float | None,
        Flag(
            "Draw states grey where the accuracy to expect, confidence.bw, is below this.",
            metavar="ACCURACY",
        ),
        Limits(least=0.0, most=1.0),
    ] = None
    tile: Annotated[int, Flag("Outputs per tile.", last=True), Limits(least=1, most=1_000_000)] = (
        1024
    )
    batch: Annotated[
        int, Flag("Tiles per run of the network.", last=True), Limits(least=1, most=4_096)
    ] = 1

    def __post_init__(self) -> None:
        check_options(self)
        if self.table is None:
            return
        if self.regions is None:
            raise OptionError(
                "--table is of the regions of --regions: give these, too", key="--table"
            )
        if not _TABLE.fullmatch(self.table):
            raise OptionError(
                f"--table {self.table!r} is not the name of a file in the folder, ending in .tsv "
                "or .parquet",
                key="--table",
            )


@options
class CheckOptions(RunOptions):
    """A sample to look at, and what to compare it with."""

    out: Annotated[Path, Flag("Folder for the page, the JSON and the record.", "--out -o")]
    fragments: Annotated[
        Path,
        Flag(
            "Paired-end BAM, fragments.tsv.gz or BEDPE.",
            argument=True,
            metavar="FRAGMENTS",
        ),
    ]
    fasta: Annotated[Path, Flag("Genome FASTA, plain or bgzip; a missing .fai is made.")]
    model: Annotated[
        str | Path | None,
        Flag(
            "Model to judge the sample for: a folder, .onnx file or shipped model; default: none.",
            complete="model",
        ),
    ] = None
    for_assay: Annotated[
        str | None,
        Flag("Which assay of the model the fragments are, where it reads several.", metavar="NAME"),
    ] = None
    tss: Annotated[
        Path | None, Flag("BED of genes or start sites with strands: what lies around them.")
    ] = None
    blacklist: Annotated[Path | None, Flag("BED: the share of fragments in it is told.")] = None
    fragment_options: FragmentOptions = FragmentOptions()
    depth: DepthNumber = None
    depth_regions: DepthRegions = None
    strict: Strict = False
    scratch: Scratch = None

    def files(self) -> SampleFiles:
        """As the commands that run a model take them."""
        return SampleFiles(
            self.fasta,
            self.fragments,
            fragment_options=self.fragment_options,
            depth=self.depth,
            depth_regions=self.depth_regions,
            strict=self.strict,
            scratch=self.scratch,
        )


@options
class ConvertOptions:
    """Fragments of any format to one sorted, indexed file."""

    source: Annotated[
        Path,
        Flag(
            "Paired-end BAM in any order, fragments.tsv[.gz], or BEDPE.",
            argument=True,
            metavar="IN",
        ),
    ]
    out: Annotated[
        Path,
        Flag("The new file, OUT.fragments.tsv.gz; its .tbi is written beside it.", "--out -o"),
    ]
    fragment_options: FragmentOptions = FragmentOptions()
    fasta: Annotated[Path | None, Flag("Genome FASTA: order of contigs, and bounds to check.")] = (
        None
    )
    scratch: Scratch = None

    def __post_init__(self) -> None:
        check_options(self)


_GENOME = "A genome that UCSC lacks"
_EMAIL = re.compile(r"[^@\s<>\"]+@[^@\s<>\"]+")
_ASSEMBLY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_UCSC = re.compile(
    r"GC[AF]_[0-9]{9}\.[0-9]+"  # GenArk's accessions
    r"|[a-z]{2,3}[0-9]{1,2}"  # hg38, mm39, dm6, hs1
    r"|[a-z]{3}[A-Z][a-z]{2}[0-9]{1,2}"  # sacCer3: three letters of genus and of species
    r"|mpxvRivers"
)
"""How UCSC names assemblies; a name of another form is none of them."""
_AT_UCSC = {
    "R64": "sacCer3",
    "R64-1-1": "sacCer3",
    "S288C": "sacCer3",
    "EF4": "sacCer3",
    "GRCh38": "hg38",
    "GRCh37": "hg19",
    "b37": "hg19",
    "hs37d5": "hg19",
    "NCBI36": "hg18",
    "T2T-CHM13v2.0": "hs1",
    "CHM13": "hs1",
    "GRCm39": "mm39",
    "GRCm38": "mm10",
    "NCBIM37": "mm9",
    "mRatBN7.2": "rn7",
    "Rnor_6.0": "rn6",
    "GRCz11": "danRer11",
    "GRCz10": "danRer10",
    "BDGP6": "dm6",
    "BDGP5": "dm3",
    "WBcel235": "ce11",
    "GRCg6a": "galGal6",
}
"""Names of Ensembl, NCBI and others to UCSC's of the same assembly."""
HUB_SHORT, HUB_LONG = 19, 69
"""Most characters of a hub's labels: UCSC wants under 20 and 70."""


@options
class HubOptions(RunOptions):
    """What a hub is made of, and how; its record leaves out what names places of this machine."""

    out: Annotated[Path, Flag("Folder for the hub.", "--out -o")]
    assembly: Annotated[
        str, Flag("UCSC's name of the assembly (sacCer3, hg38), or with --fasta any.")
    ]
    email: Annotated[str, Flag("Whom to ask about the hub; browsers show it.")]
    folders: Annotated[
        tuple[Path, ...],
        Flag("Folders that predict or explain wrote.", argument=True, metavar="DIR"),
    ] = ()
    samples: Annotated[
        tuple[tuple[str, Path], ...],
        Flag("A folder and its sample's name in the hub; may be repeated.", "--sample"),
    ] = ()
    url: Annotated[str | None, Flag("Where the folder will be served: prints links to see it.")] = (
        None
    )
    one_file: Annotated[bool, Flag("All settings in hub.txt (useOneFile on).")] = False
    link: Annotated[bool, Flag("Link to bigWig and bigBed files instead of copying.")] = False
    coverage: Annotated[
        bool, Flag("Show the samples' inputs, too.", "--coverage/--no-coverage")
    ] = True
    inputs: Annotated[
        tuple[Path, ...],
        Flag("A sample's input that has moved since; may be repeated.", "--input"),
    ] = ()
    models: Annotated[
        tuple[str | Path, ...],
        Flag("A model whose accuracy is told, if not shipped; may be repeated.", "--model"),
    ] = ()
    sizes: Annotated[
        Path | None, Flag("chrom.sizes or .fai of the assembly, to compare contigs with.")
    ] = None
    position: Annotated[
        str | None, Flag("Region shown at first; default: the strongest site or call.")
    ] = None
    name: Annotated[str | None, Flag("The hub's name, one word.")] = None
    short: Annotated[
        str | None, Flag("Its short label, under 20 characters.", "--short-label", old="--label")
    ] = None
    long: Annotated[str | None, Flag("Its long label, under 70 characters.", "--long-label")] = None
    any_assembly: Annotated[
        bool, Flag("Take a name that UCSC does not have, for a browser of your own.")
    ] = False
    fasta: Annotated[
        Path | None, Flag("FASTA that the hub brings along as 2bit.", panel=_GENOME)
    ] = None
    organism: Annotated[str | None, Flag("Its organism.", panel=_GENOME)] = None
    scientific_name: Annotated[
        str | None, Flag("The organism's scientific name.", panel=_GENOME)
    ] = None
    description: Annotated[str | None, Flag("A line about the assembly.", panel=_GENOME)] = None
    scratch: Scratch = None

    def __post_init__(self) -> None:
        check_options(self)
        if not (self.folders or self.samples):
            raise InputError(
                "no results to show: name a folder that `chromputer predict` or `explain` wrote"
            )
        if not _EMAIL.fullmatch(self.email):
            raise InputError(f"--email {self.email!r} is not an address such as me@example.org")
        if not _ASSEMBLY.fullmatch(self.assembly):
            raise InputError(
                f"--assembly {self.assembly!r}: use letters, digits, '.', '_' and '-', as UCSC's "
                "sacCer3"
            )
        if self.fasta is None and not self.any_assembly:
            _check_assembly(self.assembly)
        if self.name is not None and not _NAME.fullmatch(self.name):
            raise InputError(
                f"--name {self.name!r}: use letters, digits, '_' and '-', begun with a letter"
            )
        for option, text, most in (
            ("--short-label", self.short, HUB_SHORT),
            ("--long-label", self.long, HUB_LONG),
        ):
            if text is not None and not 0 < len(text.strip()) <= most:
                raise InputError(f"{option} {text!r} must have 1 to {most} characters")
        for option, value in (
            ("--organism", self.organism),
            ("--scientific-name", self.scientific_name),
            ("--description", self.description),
        ):
            if value is not None and self.fasta is None:
                raise InputError(f"{option} tells of a genome that the hub brings: add --fasta")
        if self.url is not None:
            _check_address(self.url)


def _check_assembly(name: str) -> None:
    """Refuse a name that no assembly at UCSC can have: the hub would show nothing there.

    Raises:
        InputError: says which is meant, or what else to do.
    """
    theirs = {key.casefold(): value for key, value in _AT_UCSC.items()}
    # Patches keep the coordinates: GRCh38.p14 is hg38.
    other = theirs.get(name.casefold()) or theirs.get(re.sub(r"\.[^.]*$", "", name).casefold())
    if other is None and _UCSC.fullmatch(name):
        return
    close = f", where this is {other}" if other else meant(name, set(_AT_UCSC.values()))
    raise InputError(
        f"--assembly {name} is not a name that UCSC has{close}: give UCSC's name, or bring the "
        "genome along with --fasta (--any-assembly for a browser of your own)"
    )


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    # A path is put behind it, so that it has neither query nor fragment, not even empty ones.
    if not whole or not url.isprintable() or {"?", "#"} & set(url):
        raise InputError(
            f"--url {url!r} is not the address of a folder, such as https://example.org/hub"
        )


@options
class ViewOptions:
    """What to show, and where."""

    folders: Annotated[
        tuple[Path, ...],
        Flag("Folders that `chromputer predict` and `chromputer explain` wrote.", argument=True),
    ] = ()
    samples: Annotated[
        tuple[tuple[str, Path], ...],
        Flag("A folder with its sample's name; may be repeated.", "--sample"),
    ] = ()
    fasta: Annotated[Path | None, Flag("The genome; default: the one of the runs.")] = None
    tracks: Annotated[
        tuple[Path, ...],
        Flag(
            "Another file to show: BED, GFF, GTF, bigBed or bigWig; may be repeated.",
            "--track",
        ),
    ] = ()
    genes: Annotated[
        Path | None,
        Flag("Genes, found by name: GFF, GTF, BED12 or refFlat; default: sacCer3's, if it is."),
    ] = None
    models: Annotated[
        tuple[str | Path, ...],
        Flag("A model of the runs; tracks are seen without; may be repeated.", "--model"),
    ] = ()
    locus: Annotated[str | None, Flag("Where to start, such as chrI:1,001-2,000.")] = None
    port: Annotated[int, Flag("0: any free port."), Limits(least=0, most=65535)] = 0
    browser: Annotated[bool, Flag("Open the page in a browser.", "--browser/--no-browser")] = True
    token: Annotated[
        bool,
        Flag("Answer only who has the page's address, with its token.", "--token/--no-token"),
    ] = True
    write_session: Annotated[
        Path | None,
        Flag(
            "Write session.json (igv.js) and session.xml (IGV) there, and serve nothing.",
            metavar="FOLDER",
        ),
    ] = None
    log_requests: Annotated[bool, Flag("Show each request of the browser.", "--log-requests")] = (
        False
    )
    scratch: Scratch = None

    def __post_init__(self) -> None:
        check_options(self)

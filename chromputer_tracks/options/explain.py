"""Options of the commands that explain: explain, motifs, filters, embed, vplot, quiz."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from chromputer_tracks.errors import InputError, OptionError
from chromputer_tracks.options.fields import (
    SEEDS,
    ComputeOptions,
    Flag,
    Method,
    RunOptions,
    SampleFiles,
    SampleOptions,
    Taxon,
    Threads,
    check_options,
    options,
)
from chromputer_tracks.records import Limits

MergeRule = Literal["centre", "mean", "max"]
"""What a base of several windows gets."""
Baseline = Literal["zero", "mean"]
"""Reference of V-plots and signals: nothing, or the genome's mean."""

ExplainBy = Annotated[Method, Flag("How contributions are computed.")]
Within = Annotated[
    tuple[str, ...],
    Flag(
        "Only sites in this chromosome or region (chrI:1,001-2,000); may be repeated.",
        "--chrom",
        complete="contig",
    ),
]
FalseDiscovery = Annotated[
    float, Flag("False discovery rate up to which a match is named."), Limits(least=0, most=1)
]


@options
class ExplainOptions(SampleOptions):
    """What to explain, where, and how."""

    heads: Annotated[
        tuple[str, ...],
        Flag(
            "Label or state to explain (Reb1, S5), or all; may be repeated.",
            "--label",
            old="--head",
            complete="label",
        ),
    ]
    regions: Annotated[Path | None, Flag("narrowPeak, or any BED, of the sites to explain.")] = None
    calls: Annotated[bool, Flag("Explain the model's own calls of each label.")] = False
    chroms: Within = ()
    max_sites: Annotated[
        int | None, Flag("Explain so many sites of a label, the strongest."), Limits(least=1)
    ] = None
    step: Annotated[
        int | None,
        Flag("A window every so many bp along each region, not one a region."),
        Limits(least=1),
    ] = None
    method: ExplainBy = "deeplift"
    references: Annotated[
        int, Flag("Dinucleotide shuffles of each window's sequence."), Limits(least=1)
    ] = 20
    seed: Annotated[int, Flag("Seed of the shuffles."), SEEDS] = 0
    baseline: Annotated[
        Baseline, Flag("Reference of V-plots and signals: nothing, or the genome's mean.")
    ] = "zero"
    merge: Annotated[
        MergeRule,
        Flag(
            "What a base of several windows gets: their mean weighted to window centres, their "
            "mean, or the value of the largest magnitude."
        ),
    ] = "centre"
    images: Annotated[
        int | None,
        Flag("Pictures of the sites with the highest logits; default: 6."),
        Limits(least=0),
    ] = None

    def __post_init__(self) -> None:
        check_options(self)
        if (self.regions is None) == (not self.calls):
            raise OptionError("give either --regions BED or --calls", key="--regions")


@options
class MotifsOptions(RunOptions):
    """Where to look for motifs, and how."""

    explained: Annotated[Path, Flag("Folder that chromputer explain wrote.", argument=True)]
    heads: Annotated[
        tuple[str, ...],
        Flag(
            "Label to look at; may be repeated. Default: all that were explained.",
            "--label",
            old="--head",
            complete="label",
        ),
    ] = ()
    motifs: Annotated[Path | None, Flag("MEME file of known motifs to match patterns to.")] = None
    jaspar: Annotated[Taxon | None, Flag("Match patterns to JASPAR CORE of this taxon.")] = None
    window: Annotated[
        int, Flag("Bases around the sites' summits to seek patterns in."), Limits(least=1)
    ] = 400
    max_seqlets: Annotated[
        int,
        Flag(
            "Seqlets of each label and sign that patterns are made of, the first in the order of "
            "the sites; time and memory grow with it."
        ),
        Limits(least=101),
    ] = 20_000
    q: FalseDiscovery = 0.01
    hit_p: Annotated[
        float, Flag("Largest p-value of a hit's sequence."), Limits(least=1e-12, most=0.1)
    ] = 1e-3
    threads: Threads = None


@options
class FiltersOptions(SampleOptions):
    """Which filters to look at, where, and how."""

    heads: Annotated[
        tuple[str, ...],
        Flag(
            "Label or state (Reb1, S5) to rank filters for; may be repeated. Default: all.",
            "--label",
            old="--head",
            complete="label",
        ),
    ] = ()
    regions: Annotated[
        Path | None,
        Flag(
            "BED or narrowPeak of the sites (their summits), the same for every label. Default: "
            "of each label the most probable sites that the model calls, found by predicting "
            "first, and random windows for what activates filters."
        ),
    ] = None
    chroms: Within = ()
    exclude: Annotated[
        Path | None,
        Flag(
            "BED, such as a blacklist: sites whose windows touch it are left out. Places of "
            "extreme depth, such as rDNA, would else make the patterns of V-plot filters.",
            "--blacklist",
            old="--exclude",
        ),
    ] = None
    top: Annotated[int, Flag("Filters shown of each label."), Limits(least=1)] = 8
    sites: Annotated[
        int, Flag("Sites of each label over which contributions are averaged."), Limits(least=1)
    ] = 200
    sample_sites: Annotated[
        int,
        Flag(
            "Random windows scanned for what activates filters, beside the labels' sites; not "
            "with --regions."
        ),
        Limits(least=0),
    ] = 1000
    motifs: Annotated[
        Path | None, Flag("MEME file of known motifs to match sequence filters to.")
    ] = None
    jaspar: Annotated[
        Taxon | None, Flag("Match sequence filters to JASPAR CORE of this taxon.")
    ] = None
    q: FalseDiscovery = 0.01
    method: ExplainBy = "deeplift"
    references: Annotated[
        int,
        Flag(
            "Dinucleotide shuffles of each window's sequence; few do, as the mean over sites is a "
            "mean over shuffles, too."
        ),
        Limits(least=1),
    ] = 5
    seed: Annotated[int, Flag("Seed of all that is drawn at random."), SEEDS] = 0


MapMethod = Literal["tsne", "umap", "pca"]
Strands = Literal["auto", "forward", "site", "both"]
"""How windows are read."""


def _cluster_number(text: str) -> int | None:
    if text == "auto":
        return None
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise ValueError(f"{text!r} is neither auto nor a number of at least 1")
    return int(text)


@options
class EmbedOptions(SampleOptions):
    """What to map, and how."""

    regions: Annotated[
        Path | None,
        Flag(
            "BED of the sites, with any other columns; windows are centred on a narrowPeak's "
            "summit, on the thick part, else on the middle. Default: the elements that the model "
            "predicts, one site for each run of bins of one state, on its most certain bin, "
            "without the most common state (without states: each run of called bins)."
        ),
    ] = None
    chroms: Annotated[
        tuple[str, ...],
        Flag(
            "Find elements only on this chromosome or region (chrI:1,001-2,000); may be repeated.",
            "--chrom",
            complete="contig",
        ),
    ] = ()
    color_by: Annotated[
        str | None,
        Flag(
            "Colour of map.png and map.svg, and the first of the page: the predicted state, the "
            "cluster, the probability of a label, or a column of the BED by its number, its name "
            "(name, score, strand) or its header's. Default: state, or cluster.",
            metavar="NAME",
        ),
    ] = None
    method: Annotated[
        MapMethod,
        Flag(
            "t-SNE (by openTSNE where it is installed, else scikit-learn), UMAP (needs "
            "umap-learn), or the first two principal components."
        ),
    ] = "tsne"
    clusters: Annotated[
        int | None,
        Flag(
            "Number of clusters; auto: the most that come back when half of the sites are "
            "clustered.",
            metavar="NUMBER|auto",
            parse=_cluster_number,
            shown="auto",
        ),
    ] = None
    max_sites: Annotated[
        int, Flag("Map at most so many sites, drawn at random."), Limits(least=1)
    ] = 10_000
    strands: Annotated[
        Strands,
        Flag(
            "How windows are read: forward, as the genome has them; site, those of the - strand "
            "on it; both, the mean of both strands; auto: site where all sites have a strand, "
            "else both."
        ),
    ] = "auto"
    seed: Annotated[int, Flag("Of the sample, the map and the clusters."), SEEDS] = 0


Centre = Literal["summit", "middle", "start", "end"]
"""What lies at 0 of a V-plot."""
Normalise = Literal["none", "depth", "lengths", "model"]
Compare = Literal["log2", "difference"]
GENOME, RANDOM = "genome", "random"
_SITES, _VALUES, _MODEL, _PICTURE = ("Sites", "What a pixel shows", "With a model", "The picture")


def parse_lengths(text: str) -> tuple[int, ...]:
    """Length class edges from ``FIRST:LAST:STEP`` or a list such as ``20,100,180,247``, in bp.

    Raises:
        InputError: the text is neither, or the edges do not ascend.
    """
    parts = text.split(":")
    words = [part.strip() for part in (parts if len(parts) > 1 else text.split(","))]
    if len(parts) not in (1, 3) or not all(
        word.isascii() and word.isdecimal() and int(word) < 2**31 for word in words
    ):
        raise InputError(f"lengths {text!r}: write FIRST:LAST:STEP or edges such as 20,100,180,247")
    edges = tuple(map(int, words))
    if len(parts) == 3:
        first, last, step = edges
        if step < 1 or last <= first or (last - first) % step:
            raise InputError(
                f"lengths {text!r}: the step must divide the stretch from first to last"
            )
        edges = tuple(range(first, last + 1, step))
    if len(edges) < 2 or any(b <= a for a, b in zip(edges, edges[1:], strict=False)):
        raise InputError(f"lengths {text!r}: at least two edges, ascending")
    return edges


@options
class VplotOptions(ComputeOptions):
    """Which V-plots to draw, of what, and how."""

    out: Annotated[
        Path,
        Flag(
            "The picture: .png, .svg or .pdf; numbers (.tsv) and record (.json) beside it.",
            "--out -o",
        ),
    ]
    force: bool = False
    sample: SampleFiles | None = None
    regions: Annotated[
        Path | None,
        Flag("BED (3 columns or more) or narrowPeak; - strand sites are mirrored.", panel=_SITES),
    ] = None
    site: Annotated[
        str | None,
        Flag(
            "One locus (chrI:1,001-2,000) or the window around one base (chrI:1,500).", panel=_SITES
        ),
    ] = None
    centre: Annotated[
        Centre,
        Flag(
            "What lies at 0: the summit (narrowPeak column 10, thick part, else the middle), the "
            "middle, or the first or last base in the direction of the strand.",
            panel=_SITES,
        ),
    ] = "summit"
    by: Annotated[
        str | None,
        Flag(
            "One image for each value of this column of --regions: name, strand or a number.",
            metavar="COLUMN",
            panel=_SITES,
        ),
    ] = None
    only: Annotated[
        tuple[str, ...],
        Flag(
            "Draw only this class, state or label; may be repeated.", metavar="CLASS", panel=_SITES
        ),
    ] = ()
    chroms: Annotated[
        tuple[str, ...],
        Flag(
            "Sites on this chromosome or in this region only; may be repeated.",
            "--chrom",
            complete="contig",
            panel=_SITES,
        ),
    ] = ()
    exclude: Annotated[
        Path | None,
        Flag(
            "BED: leave out sites whose centre lies inside.",
            "--blacklist",
            old="--exclude",
            panel=_SITES,
        ),
    ] = None
    orient: Annotated[
        Path | None,
        Flag(
            "BED of genes or start sites: turn each site by the strand of the nearest.",
            panel=_SITES,
        ),
    ] = None
    orient_within: Annotated[
        int, Flag("bp within which it counts.", panel=_SITES), Limits(least=0)
    ] = 1000
    normalise: Annotated[
        Normalise,
        Flag(
            "none: fragments per site and pixel; depth: of a million fragments; lengths: over the "
            "genome's mean of each length; model: as --model reads them.",
            panel=_VALUES,
        ),
    ] = "none"
    background: Annotated[
        str | None,
        Flag(
            "Also compare with the genome's mean, matched random places, or other sites.",
            metavar="genome|random|BED",
            panel=_VALUES,
        ),
    ] = None
    compare: Annotated[Compare, Flag("How to compare.", panel=_VALUES)] = "log2"
    prior: Annotated[
        float,
        Flag("Fragments by which a pixel's ratio is drawn towards 1.", panel=_VALUES),
        Limits(least=0.0),
    ] = 5.0
    model: Annotated[
        str | Path | None,
        Flag(
            "Draw a model's states: what it reads, contributions, changes in probability; with "
            "--normalise model or --contributions: the model that is meant.",
            panel=_MODEL,
            complete="model",
        ),
    ] = None
    states: Annotated[
        Path | None,
        Flag(
            "BED of true states; without it sites are told apart by the predicted state.",
            panel=_MODEL,
        ),
    ] = None
    contributions: Annotated[
        Path | None,
        Flag(
            "Folder of chromputer explain: draw its sites' contributions; needs --model.",
            panel=_MODEL,
        ),
    ] = None
    input: Annotated[str | None, Flag("V-plot input, where there are more.", panel=_MODEL)] = None
    max_sites: Annotated[
        int, Flag("Sites of a state at most, evenly spaced.", panel=_MODEL), Limits(least=1)
    ] = 100
    min_sites: Annotated[
        int, Flag("Leave out states with fewer sites.", panel=_MODEL), Limits(least=1)
    ] = 10
    method: Annotated[Method, Flag("How contributions are computed.", panel=_MODEL)] = "deeplift"
    references: Annotated[
        int, Flag("Dinucleotide shuffles a window.", panel=_MODEL), Limits(least=1)
    ] = 5
    seed: Annotated[int, Flag("Of random places and shuffles."), SEEDS] = 0
    window: Annotated[int | None, Flag("bp; default: 2,000.", panel=_PICTURE), Limits(least=1)] = (
        None
    )
    bin_size: Annotated[
        int | None, Flag("bp; default: 10.", "--bin", panel=_PICTURE), Limits(least=1)
    ] = None
    edges: Annotated[
        tuple[int, ...] | None,
        Flag(
            "Fragment lengths in bp, or edges (20,100,180,247); default: 20:400:10.",
            "--lengths",
            metavar="FIRST:LAST:STEP",
            panel=_PICTURE,
            parse=parse_lengths,
        ),
    ] = None
    title: Annotated[str, Flag("Of the picture.", panel=_PICTURE)] = ""
    zero: Annotated[str, Flag("Name of what lies at 0, such as TSS.", panel=_PICTURE)] = ""
    smooth: Annotated[
        float,
        Flag(
            "Gaussian in pixels that smooths the picture, not the numbers; 0: none.", panel=_PICTURE
        ),
        Limits(least=0.0),
    ] = 1.0

    @property
    def by_state(self) -> bool:
        """Whether a model's states are explained."""
        return self.model is not None and self.contributions is None and self.normalise != "model"

    @property
    def at_zero(self) -> str:
        """What lies at 0, for the axis."""
        return self.zero or (self.centre if self.centre in ("start", "end") else "site")

    def files(self) -> SampleFiles:
        """The genome and the fragments.

        Raises:
            InputError: none are given.
        """
        if self.sample is None:
            raise InputError(
                "give the genome with --fasta and fragments with --fragments, or explained sites "
                "with --contributions and --model"
            )
        return self.sample

    def check(self) -> None:
        """Check that the options go together.

        Raises:
            InputError: they do not; says what to do.
        """
        given = {
            "--site": self.site,
            "--regions": self.regions,
            "--by": self.by,
            "--background": self.background,
            "--orient": self.orient,
            "--states": self.states,
            "--blacklist": self.exclude,
            "--model": self.model,
            "--window": self.window,
            "--bin": self.bin_size,
            "--lengths": self.edges,
        }
        refused: tuple[str, ...] = ()
        why = ""
        if self.contributions is not None:
            refused = ("--site", "--regions", "--background", "--states", "--blacklist", "--orient")
            refused += ("--window", "--bin", "--lengths")
            why = "--contributions draws the sites of that folder"
            if self.model is None:
                raise InputError(
                    "--contributions needs the model that was explained: name it with --model"
                )
        elif self.site is not None:
            refused = ("--regions", "--by", "--background", "--orient", "--states", "--model")
            why = "--site draws the fragments of one locus"
            if self.normalise != "none":
                raise InputError(f"{why}: leave --normalise {self.normalise} out")
        elif self.by_state:
            refused = ("--by", "--background", "--window", "--bin", "--lengths")
            why = "--model draws its own states and pixels"
            if self.normalise != "none":
                raise InputError(f"{why}: leave --normalise {self.normalise} out")
        else:
            refused = ("--states",)
            why = "true states are drawn with a model (--model), or by --regions FILE --by name"
            if self.regions is None:
                raise InputError("give sites with --regions, or one locus with --site")
        if self.normalise == "model":
            refused += ("--bin", "--lengths")
            why = "--normalise model draws the model's own pixels"
            if self.model is None:
                raise InputError("--normalise model needs a model: name it with --model")
            if self.background == GENOME or (self.background and self.compare == "log2"):
                raise InputError(
                    "what a model reads is compared with --background random or a BED, by "
                    "--compare difference"
                )
        for name in refused:
            if given[name] is not None:
                raise InputError(f"{why}: leave {name} out")


def _choices(text: str) -> int | None:
    if text not in ("4", "all"):
        raise ValueError(f"{text!r} is neither 4 nor all")
    return None if text == "all" else int(text)


@options
class QuizOptions(SampleOptions):
    """What to ask, and of whom."""

    out: Annotated[Path, Flag("The page (.html).", "--out -o")]
    force: bool = False
    states: Annotated[
        Path | None, Flag("BED of chromatin states: the truth; names as the model's.")
    ] = None
    state_table: Annotated[
        Path | None, Flag("Names and colours of the states (TSV); default: the model's.")
    ] = None
    binary: Annotated[
        str | None,
        Flag(
            "Ask for one of the model's binary labels instead.",
            "--label",
            old="--binary",
            metavar="LABEL",
            complete="label",
        ),
    ] = None
    peaks: Annotated[Path | None, Flag("Peaks of that label (BED or narrowPeak): the truth.")] = (
        None
    )
    blacklist: Annotated[Path | None, Flag("BED of regions not to ask.")] = None
    chroms: Annotated[
        tuple[str, ...],
        Flag(
            "Ask sites of this chromosome; may be repeated. Default: those that the model was "
            "tested on.",
            "--chrom",
            complete="contig",
        ),
    ] = ()
    allow_training_contigs: Annotated[
        bool,
        Flag("Ask sites that the model was trained on, too."),
    ] = False
    questions: Annotated[int, Flag("How many."), Limits(least=2)] = 20
    choices: Annotated[
        int | None,
        Flag(
            "Answers to choose from: four, or all classes.",
            metavar="<4|all>",
            parse=_choices,
            shown="4",
        ),
    ] = 4
    min_fragments: Annotated[
        int, Flag("Ask only sites with at least so many fragments in the picture."), Limits(least=0)
    ] = 20
    max_fragments: Annotated[
        int | None,
        Flag(
            "Neither ask nor show in the lesson sites with more fragments in the picture; default: "
            "those that are outliers (modified z-score of the log above 3.5), as repeats are."
        ),
        Limits(least=1),
    ] = None
    lesson: Annotated[
        bool,
        Flag(
            "Show what each class looks like on the training chromosomes.",
            "--lesson/--no-lesson",
        ),
    ] = True
    seed: Annotated[int, Flag("Another seed asks other sites."), SEEDS] = 0
    draws: Annotated[int, Flag("Bootstrap resamples of the model's score."), Limits(least=10)] = (
        1000
    )
    tsv: Annotated[
        bool, Flag("Write questions (.tsv) and scores (.json) beside the page.", "--tsv")
    ] = False

    def __post_init__(self) -> None:
        check_options(self)
        if self.out.suffix != ".html" or self.out.is_dir():
            raise OptionError(f"{self.out} is no name of a page (.html)", key="--out")

"""What a V-plot is drawn of, and how: the options of a run, checked against each other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from chromputer_tracks.analysis.vplots.aggregate import FINE_LENGTH_EDGES
from chromputer_tracks.analysis.vplots.measures import PRIOR
from chromputer_tracks.analysis.vplots.sites import Centre
from chromputer_tracks.data.features import DEFAULT_BIN
from chromputer_tracks.errors import FormatError, InputError
from chromputer_tracks.inference.explain import Method
from chromputer_tracks.inference.session import ProviderChoice
from chromputer_tracks.intervals import ChromSizes, Interval, parse_region
from chromputer_tracks.io.text import parse_int32
from chromputer_tracks.options.fields import SampleFiles

Normalise = Literal["none", "depth", "lengths", "model"]
Compare = Literal["log2", "difference"]
GENOME, RANDOM = "genome", "random"

_MOST_BINS = 10_000
"""Position bins of a picture; a V-plot of more cannot be seen."""
_POSITION = re.compile(r"(?P<chrom>\S+):(?P<position>[0-9][0-9,]*)")


@dataclass(frozen=True, slots=True)
class VplotOptions:
    """A run of ``chromputer vplot``.

    Attributes:
        out: the picture; the numbers (``.tsv``) and the record (``.json``) get its name.
        sample: the genome and the fragments; None where explained sites are drawn.
        regions: BED of sites.
        site: one locus, as a browser shows it, or one position; in place of ``regions``.
        centre: what lies at 0; see :func:`~.vplots.sites.read_sites`.
        by: column of ``regions`` that tells classes apart.
        chroms: contigs that sites may lie on; empty: all.
        exclude: BED; sites whose centre lies inside are left out.
        orient: BED of genes or start sites; sites are turned by the nearest one's strand.
        orient_within: bp within which a start site counts.
        window: bp; None: 2,000, or the model's.
        bin_size: bp per position bin; None: 10, or the model's.
        edges: fragment-length class edges in bp; None: 20 to 400 by 10, or the model's.
        normalise: ``none``: fragments per site and pixel; ``depth``: per million fragments, too;
            ``lengths``: over the genome's mean of each length class; ``model``: as the model reads
            them.
        background: compared with: ``genome`` (its mean), ``random`` (places) or a BED's name.
        compare: with the background.
        prior: fragments that draw a ratio towards 1.
        seed: of random places and of a model's references.
        model: a model folder, an ``.onnx`` file or a shipped model's name.
        input: name of the model's V-plot; None: the only one.
        states: BED of true states; None: the model's predictions.
        only: names of the classes to draw; empty: all.
        max_sites: of a state at most, evenly spaced; explaining takes time.
        min_sites: a state with fewer sites is left out.
        contributions: folder that ``chromputer explain`` wrote.
        method: of explaining.
        references: dinucleotide shuffles a window.
        provider: where the model runs.
        threads: CPU threads; None: those that the process may use.
        title: of the picture.
        zero: what lies at 0, for the axis; empty: by ``centre``.
        smooth: pixels of the Gaussian that smooths the picture.
        command: the command line, for the record.
    """

    out: Path
    sample: SampleFiles | None = None
    regions: Path | None = None
    site: str | None = None
    centre: Centre = "summit"
    by: str | None = None
    chroms: tuple[str, ...] = ()
    exclude: Path | None = None
    orient: Path | None = None
    orient_within: int = 1000
    window: int | None = None
    bin_size: int | None = None
    edges: tuple[int, ...] | None = None
    normalise: Normalise = "none"
    background: str | None = None
    compare: Compare = "log2"
    prior: float = PRIOR
    seed: int = 0
    model: str | Path | None = None
    input: str | None = None
    states: Path | None = None
    only: tuple[str, ...] = ()
    max_sites: int = 100
    min_sites: int = 10
    contributions: Path | None = None
    method: Method = "deeplift"
    references: int = 5
    provider: ProviderChoice = "auto"
    threads: int | None = None
    title: str = ""
    zero: str = ""
    smooth: float = 1.0
    command: tuple[str, ...] = ()

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
        for value, allowed, name in (
            (self.normalise, get_args(Normalise), "--normalise"),
            (self.compare, get_args(Compare), "--compare"),
        ):
            if value not in allowed:
                raise InputError(f"{name} {value!r} is not one of {', '.join(allowed)}")
        given = {
            "--site": self.site,
            "--regions": self.regions,
            "--by": self.by,
            "--background": self.background,
            "--orient": self.orient,
            "--states": self.states,
            "--exclude": self.exclude,
            "--model": self.model,
            "--window": self.window,
            "--bin": self.bin_size,
            "--lengths": self.edges,
        }
        refused: tuple[str, ...] = ()
        why = ""
        if self.contributions is not None:
            refused = ("--site", "--regions", "--background", "--states", "--exclude", "--orient")
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

    def own_axes(self) -> tuple[int, int, tuple[int, ...]]:
        """Window, bin and length edges where no model gives them.

        Raises:
            InputError: they cannot be drawn.
        """
        bin_size = DEFAULT_BIN if self.bin_size is None else self.bin_size
        return (
            checked_window(2000 if self.window is None else self.window, bin_size),
            bin_size,
            FINE_LENGTH_EDGES if self.edges is None else self.edges,
        )


def checked_window(window: int, bin_size: int) -> int:
    """The window itself when it can be drawn.

    Raises:
        InputError: it is no even multiple of the bin, or of too many bins.
    """
    if bin_size < 1 or window < bin_size or window % 2 or window % bin_size:
        raise InputError(
            f"a V-plot's window of {window:,} bp must be even and a multiple of its bin of "
            f"{bin_size} bp"
        )
    if window > _MOST_BINS * bin_size:
        raise InputError(
            f"a V-plot of {window:,} bp in bins of {bin_size} bp has more than {_MOST_BINS:,} "
            "bins: draw less, or in larger bins"
        )
    return window


def parse_lengths(text: str) -> tuple[int, ...]:
    """Length class edges from ``FIRST:LAST:STEP`` or a list such as ``20,100,180,247``, in bp.

    Raises:
        InputError: the text is neither, or the edges do not ascend.
    """
    parts = text.split(":")
    numbers = [parse_int32(part.strip()) for part in (parts if len(parts) > 1 else text.split(","))]
    known = [number for number in numbers if number is not None and number >= 0]
    if len(known) < len(numbers) or len(parts) not in (1, 3):
        raise InputError(f"lengths {text!r}: write FIRST:LAST:STEP or edges such as 20,100,180,247")
    edges = tuple(known)
    if len(parts) == 3:
        first, last, step = known
        if step < 1 or last <= first or (last - first) % step:
            raise InputError(
                f"lengths {text!r}: the step must divide the stretch from first to last"
            )
        edges = tuple(range(first, last + 1, step))
    if len(edges) < 2 or any(b <= a for a, b in zip(edges, edges[1:], strict=False)):
        raise InputError(f"lengths {text!r}: at least two edges, ascending")
    return edges


def parse_locus(text: str, sizes: ChromSizes, window: int, bin_size: int) -> Interval:
    """The stretch to draw of a locus, in whole bins.

    Args:
        text: ``chrI:1,001-2,000`` (1-based, inclusive) for all of it, its end moved right to a
            whole bin; ``chrI:1,500`` for the window around that base.
        sizes: the genome's contigs.
        window: bp around a single base.
        bin_size: bp.

    Raises:
        InputError: it cannot be read, leaves its contig, or is too long.
    """
    found = _POSITION.fullmatch(text.strip())
    if found and text.strip() not in sizes:
        size = sizes.require(found["chrom"], f"--site {text}")
        position = int(found["position"].replace(",", ""))
        if not 1 <= position <= size:
            raise InputError(f"--site {text}: {found['chrom']} has the bases 1 to {size:,}")
        return Interval.centred(found["chrom"], position - 1, checked_window(window, bin_size))
    try:
        region = parse_region(text, sizes)
    except FormatError as error:
        error.add_note("or as chrI:1,500 for the window around a base")
        raise
    bins = -(-len(region) // bin_size)
    if bins > _MOST_BINS:
        raise InputError(
            f"--site {text}: {len(region):,} bp in bins of {bin_size} bp are more than "
            f"{_MOST_BINS:,} bins: draw less, or in larger bins with --bin"
        )
    return Interval(region.chrom, region.start, region.start + bins * bin_size)

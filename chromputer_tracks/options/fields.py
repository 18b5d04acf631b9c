"""Options that several commands share, and how a field becomes an option of the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from chromputer_tracks.errors import OptionError
from chromputer_tracks.records import Limits, to_plain

ProviderChoice = Literal["auto", "cpu", "cuda", "tensorrt"]
"""Where ONNX Runtime runs."""
Method = Literal["deeplift", "gradient*input"]
"""How contributions are computed."""
FragmentKind = Literal["bam", "fragments", "bedpe"]
"""Formats of fragments."""
Taxon = Literal["fungi", "vertebrates", "plants", "insects", "nematodes", "urochordates"]
"""Groups of JASPAR CORE."""


@dataclass(frozen=True, slots=True)
class Flag:
    """What the command line adds to a field's name, type, default and limits.

    Attributes:
        help: what is shown.
        names: flags, such as ``--out``; none: the field's name with hyphens.
        argument: a word of its own instead of a flag.
        metavar: what stands for the value in the help.
        panel: heading that it is listed under; empty: the command's options.
        parse: value of a text that has a syntax of its own; raises ``ValueError``.
        shown: the default as the user would write it, for ``parse``.
        last: listed behind the command's own options.
        recorded: whether the record of a run lists it (what only says where a result lies or how
            fast it comes is left out; files are listed among the inputs, too).
    """

    help: str
    names: tuple[str, ...] = ()
    argument: bool = False
    metavar: str | None = None
    panel: str = ""
    parse: Callable[[str], Any] | None = None
    shown: str | None = None
    last: bool = False
    recorded: bool = True


def flag_of(hint: Any) -> Flag | None:
    """The flag of an annotated type; None where a field is no option of the command line."""
    return next(
        (item for item in getattr(hint, "__metadata__", ()) if isinstance(item, Flag)), None
    )


def recorded(options: Any) -> dict[str, Any]:
    """What a record says of options: names to plain values, those of groups among them."""
    values: dict[str, Any] = {}
    hints = get_type_hints(type(options), include_extras=True)
    for item in fields(options):
        value, flag = getattr(options, item.name), flag_of(hints[item.name])
        if flag is None and is_dataclass(value):
            values |= recorded(value)
        elif flag is not None and flag.recorded:
            values[item.name] = to_plain(value)
    return values


def check_options(options: Any) -> None:
    """Check limits and choices, which the types alone do not hold for Python callers.

    Raises:
        OptionError: names the option, its value and what it may be.
    """
    hints = get_type_hints(type(options), include_extras=True)
    for name, hint in hints.items():
        flag, value = flag_of(hint), getattr(options, name)
        if flag is None:
            continue
        word = (flag.names or (f"--{name.replace('_', '-')}",))[0].partition("/")[0]
        plain, *extras = get_args(hint)
        choices = [
            c
            for part in (plain, *get_args(plain))
            if get_origin(part) is Literal
            for c in get_args(part)
        ]
        if choices and value is not None and value not in choices:
            raise OptionError(f"{word} {value!r} is not one of {', '.join(choices)}", key=word)
        for limits in extras:
            if isinstance(limits, Limits):
                values = value if isinstance(value, tuple) else (value,)
                for each in values:
                    if each is not None and not limits.holds(each):
                        raise OptionError(f"{word} {each} must be {limits}", key=word)


def name_and_path(text: str, what: str) -> tuple[str, Path]:
    """The parts of ``NAME=FILE``.

    Raises:
        ValueError: the text has another form.
    """
    name, equals, path = text.partition("=")
    if not (name.strip() and equals and path):
        raise ValueError(f"{text!r} is not NAME={what}")
    return name.strip(), Path(path)


@dataclass(frozen=True, slots=True)
class FragmentOptions:
    """Which fragments to keep and where their ends lie.

    Attributes:
        min_mapq: BAM only: both mates need at least this mapping quality. The mate's is known
            from the ``MQ`` tag (``samtools fixmate -m`` writes it); without the tag the quality of
            the record at the fragment's start decides. A BAM whose first 16,384 records carry no
            such tag is read as one without. Quality 255 means not available, and passes.
        drop_duplicates: drop pairs that a BAM flags as duplicates, and collapse fragments of
            equal contig, start, end and barcode into one, whose count is the number of pairs.
        exclude: contigs to leave out.
        tn5_shift: move starts by +4 and ends by -5, to the centre of the 9 bp that Tn5 duplicates;
            None: on for BAM, off for fragment files (shifted by their maker) and BEDPE.
    """

    min_mapq: Annotated[
        int,
        Flag("BAM: least mapping quality of both mates.", last=True),
        Limits(least=0, most=255),
    ] = 30
    drop_duplicates: Annotated[
        bool,
        Flag(
            "Drop pairs flagged as duplicates; count identical fragments once.",
            names=("--drop-duplicates/--keep-duplicates",),
            last=True,
        ),
    ] = True
    exclude: Annotated[
        tuple[str, ...],
        Flag(
            "Leave out the fragments of this contig; may be repeated.",
            names=("--exclude-contig",),
            last=True,
        ),
    ] = ()
    tn5_shift: Annotated[
        bool | None,
        Flag(
            "Shift ends by +4/-5 bp; default: on for BAM, off for fragment files and BEDPE.",
            names=("--tn5-shift/--no-tn5-shift",),
            last=True,
        ),
    ] = None

    def __post_init__(self) -> None:
        check_options(self)

    def shifts(self, kind: FragmentKind) -> bool:
        """Whether fragments of this format get the Tn5 shift."""
        return kind == "bam" if self.tn5_shift is None else self.tn5_shift


@dataclass(frozen=True, slots=True)
class SampleFiles:
    """The files of a sample, as a command is given them.

    Attributes:
        fasta: the genome, with its ``.fai``; the authority on contigs.
        fragments: BAM, fragment file or BEDPE of a model that reads one assay; None for a model
            that reads DNA only, or where ``assays`` names the files.
        assays: files by assay, fragments or bigWig, as the model names them.
        fragment_options: which fragments count.
        scratch: folder for temporary files; None: the system's.
    """

    fasta: Annotated[Path, Flag("Genome FASTA, plain or bgzip, with its .fai.", recorded=False)]
    fragments: Annotated[
        Path | None,
        Flag(
            "Paired-end BAM, fragments.tsv.gz or BEDPE, for models of one assay of fragments.",
            recorded=False,
        ),
    ] = None
    assays: Annotated[
        Mapping[str, Path],
        Flag(
            "File of one of the model's assays (fragments or bigWig); may be repeated.",
            names=("--assay",),
            recorded=False,
        ),
    ] = field(default_factory=dict)
    fragment_options: FragmentOptions = FragmentOptions()
    scratch: Annotated[
        Path | None,
        Flag("Folder for temporary files; default: the system's.", last=True, recorded=False),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What every command that makes a folder takes.

    Attributes:
        out: folder of the results; its parent must exist.
        force: write into a folder that holds other things than an earlier run's results.
        command: words of the command line, for the record.
    """

    out: Annotated[
        Path,
        Flag(
            "Folder for the results; its parent must exist.",
            names=("--out", "-o"),
            recorded=False,
        ),
    ]
    force: Annotated[
        bool,
        Flag(
            "Write into a folder that holds other files.",
            names=("--force",),
            last=True,
            recorded=False,
        ),
    ] = False
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeOptions(RunOptions):
    """What commands take that compute with a model.

    Attributes:
        provider: where the model runs.
        threads: CPU threads; None: those that the process may use.
    """

    provider: Annotated[
        ProviderChoice,
        Flag(
            "Where to run; auto takes a GPU when one works, else the CPU.",
            last=True,
            recorded=False,
        ),
    ] = "auto"
    threads: Annotated[
        int | None,
        Flag("CPU threads; default: those this process may use.", last=True, recorded=False),
        Limits(least=1),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOptions(ComputeOptions):
    """What commands take that run a model on a sample.

    Attributes:
        model: a model folder, an ``.onnx`` file or a shipped model's name.
        sample: the genome and the sample's files.
    """

    model: Annotated[
        str | Path,
        Flag(
            "Model folder, .onnx file or shipped model (chromputer models).",
            argument=True,
            recorded=False,
        ),
    ]
    sample: SampleFiles

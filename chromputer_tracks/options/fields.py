"""Options that several commands share, and how a field becomes an option of the command line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

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

LogLevel = Literal["error", "warning", "info", "debug"]
"""How much is said on stderr, the least first."""
Completion = Literal["", "model", "label", "contig"]
"""What a shell offers for a value: names of shipped models, a model's labels, a FASTA's contigs."""

Kind = TypeVar("Kind")
_LONGEST_NAME = 255
"""Bytes of a file's name on Linux and macOS."""


@dataclass(frozen=True, slots=True)
class Flag:
    """What the command line adds to a field's name, type, default and limits.

    Attributes:
        help: what is shown.
        names: flags with spaces between, such as ``--out -o``; empty: the field's name with
            hyphens, which alone turns a truth value on that is off by default.
        argument: a word of its own instead of a flag.
        metavar: what stands for the value in the help.
        panel: heading that it is listed under; empty: the command's options.
        parse: value of a text that has a syntax of its own; raises ``ValueError``.
        shown: the default as the user would write it, for ``parse``.
        last: listed behind the command's own options.
        old: names of earlier releases, with spaces between, which still work but are not listed.
        complete: what a shell offers for the value.
    """

    help: str
    names: str = ""
    argument: bool = False
    metavar: str | None = None
    panel: str = ""
    parse: Callable[[str], Any] | None = None
    shown: str | None = None
    last: bool = False
    old: str = ""
    complete: Completion = ""


@dataclass(frozen=True, slots=True)
class Option:
    """A field that is an option of the command line: its name, its bare type, and what is said."""

    name: str
    hint: Any
    flag: Flag
    limits: Limits | None

    @property
    def words(self) -> tuple[str, ...]:
        """Its flags."""
        return tuple(self.flag.names.split()) or (f"--{self.name.replace('_', '-')}",)

    def given(self, value: Any) -> Any:
        """The value itself, or of the right type: a path of a text, several of one."""
        kinds, item = get_args(self.hint), item_type(self.hint)
        if item is not None and value is not None:
            value = (value,) if isinstance(value, str | Path) else tuple(value)
            return tuple(map(Path, value)) if item is Path else value
        if get_origin(self.hint) is Mapping and Path in kinds:
            return {name: Path(path) for name, path in value.items()}
        takes_text = self.hint is str or str in kinds
        is_path = self.hint is Path or Path in kinds
        return Path(value) if is_path and isinstance(value, str) and not takes_text else value

    def check(self, value: Any) -> None:
        """Hold a value to the choices and the limits.

        Raises:
            OptionError: names the option, its value and what it may be.
        """
        word = self.words[0].partition("/")[0]
        for part in (self.hint, *get_args(self.hint)):
            if get_origin(part) is Literal and value not in (None, *get_args(part)):
                known = ", ".join(get_args(part))
                raise OptionError(f"{word} {value!r} is not one of {known}", key=word)
        for path in _paths(value):
            _check_path(word, path)
        if self.limits is not None:
            for each in value if isinstance(value, tuple) else (value,):
                if each is not None and not self.limits.holds(each):
                    raise OptionError(f"{word} {each} must be {self.limits}", key=word)


def _paths(value: Any) -> Iterator[Path]:
    """The paths in a value: itself, its items, those of names."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, tuple | Mapping):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _paths(each)


def _check_path(word: str, path: Path) -> None:
    """Refuse at once what no file can be called, or what no record could hold.

    Raises:
        OptionError: names the path, in ASCII.
    """
    text = str(path)
    if "\0" in text:
        raise OptionError(f"{word} {text!a} holds a NUL character", key=word)
    try:
        parts = [part.encode() for part in path.parts]
    except UnicodeEncodeError:
        raise OptionError(
            f"{word} {text!a}: the name is not UTF-8; rename the file or the folder", key=word
        ) from None
    longest = max(parts, key=len, default=b"")
    if len(longest) > _LONGEST_NAME:
        raise OptionError(
            f"{word} {text[:40]}...: a name in it has {len(longest):,} bytes; files' names have at "
            f"most {_LONGEST_NAME}",
            key=word,
        )


def option_of(name: str, hint: Any) -> Option | None:
    """The option of an annotated field; None where it is none of the command line."""
    said = getattr(hint, "__metadata__", ())
    flag = next((item for item in said if isinstance(item, Flag)), None)
    limits = next((item for item in said if isinstance(item, Limits)), None)
    return None if flag is None else Option(name, get_args(hint)[0], flag, limits)


Threads = Annotated[
    int | None,
    Flag("CPU threads; default: those this process may use.", last=True),
    Limits(least=1, most=1_024),
]
SEEDS = Limits(least=0, most=2**32 - 1)
"""What a seed may be: as numpy and scikit-learn take them."""
Scratch = Annotated[
    Path | None, Flag("Folder for temporary files; default: the system's.", last=True)
]

_UNRECORDED = {"out", "force", "resume", "scratch", "strict", "provider", "threads"}
"""Where results lie, and how they are computed, which the record tells by itself."""


def recorded(options: Any) -> dict[str, Any]:
    """What a record says of options: names to plain values, those of groups among them.

    A name that a group shares with the options themselves begins with the group's.
    """
    values: dict[str, Any] = {}
    hints = get_type_hints(type(options), include_extras=True)
    for name, hint in hints.items():
        value, option = getattr(options, name), option_of(name, hint)
        if option is None and is_dataclass(value):
            inner = recorded(value)
            values |= {f"{name}_{key}" if key in hints else key: inner[key] for key in inner}
        elif option is not None and name not in _UNRECORDED:
            values[name] = to_plain(value)
    return values


def item_type(hint: Any) -> Any:
    """The type of the items of ``tuple[X, ...]``, or of that or None; None of other types."""
    for part in (hint, *get_args(hint)):
        if get_origin(part) is tuple and get_args(part)[-1] is Ellipsis:
            return get_args(part)[0]
    return None


def check_options(options: Any) -> None:
    """Hold Python callers to the types, limits and choices; texts for paths become paths.

    Raises:
        OptionError: names the option, its value and what it may be.
    """
    for name, hint in get_type_hints(type(options), include_extras=True).items():
        option = option_of(name, hint)
        if option is not None:
            value = option.given(getattr(options, name))
            option.check(value)
            object.__setattr__(options, name, value)


@dataclass_transform(kw_only_default=True, frozen_default=True)
def options(kind: type[Kind]) -> type[Kind]:
    """A frozen dataclass of options, given by keyword, whose docstring lists their helps."""
    made = dataclass(frozen=True, slots=True, kw_only=True)(kind)
    found = [option_of(*item) for item in get_type_hints(made, include_extras=True).items()]
    lines = [f"    {option.name}: {option.flag.help}" for option in found if option is not None]
    made.__doc__ = "\n".join([f"{kind.__doc__}\n", "Attributes:", *lines])
    return made


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
        only_fasta_contigs: leave out what lies on contigs that the genome lacks, and say how much,
            also of the command's other files; else that is an error.
        tn5_shift: move starts by +4 and ends by -5, to the centre of the 9 bp that Tn5 duplicates;
            None: on for BAM, off for fragment files (shifted by their maker) and BEDPE.
    """

    min_mapq: Annotated[
        int, Flag("BAM: least mapping quality of both mates.", last=True), Limits(least=0, most=255)
    ] = 30
    drop_duplicates: Annotated[
        bool,
        Flag(
            "Drop pairs flagged as duplicates; count identical fragments once.",
            "--drop-duplicates/--keep-duplicates",
            last=True,
        ),
    ] = True
    exclude: Annotated[
        tuple[str, ...],
        Flag(
            "Leave out the fragments of this contig; may be repeated.",
            "--exclude-contig",
            last=True,
        ),
    ] = ()
    only_fasta_contigs: Annotated[
        bool,
        Flag("Leave out, and count, what lies on contigs that the FASTA lacks.", last=True),
    ] = False
    tn5_shift: Annotated[
        bool | None,
        Flag(
            "Shift ends by +4/-5 bp; default: on for BAM, off for fragment files and BEDPE.",
            "--tn5-shift/--no-tn5-shift",
            last=True,
        ),
    ] = None

    def __post_init__(self) -> None:
        check_options(self)

    def shifts(self, kind: FragmentKind) -> bool:
        """Whether fragments of this format get the Tn5 shift."""
        return kind == "bam" if self.tn5_shift is None else self.tn5_shift


def parse_depth(text: str) -> float | dict[str, float]:
    """A depth, ``450``, or depths by assay, ``atac=450,mnase=30``.

    Raises:
        ValueError: the text is neither.
    """
    found = {}
    for part in text.split(","):
        name, equals, value = part.rpartition("=")
        name = name.strip()
        try:
            depth = float(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a number of fragments per kb") from None
        if bool(name) != bool(equals) or (not name and "," in text) or name in found:
            raise ValueError(f"{text!r} is neither a number nor ASSAY=NUMBER,ASSAY=NUMBER")
        found[name] = depth
    return found.get("", found)


DepthNumber = Annotated[
    float | Mapping[str, float] | None,
    Flag(
        "Fragments per kb of the genome, where the file holds a part of it (of several assays "
        "ASSAY=NUMBER,ASSAY=NUMBER); default: estimated.",
        metavar="NUMBER",
        parse=parse_depth,
        last=True,
    ),
]
DepthRegions = Annotated[
    Path | None, Flag("Take the fragments per kb over the regions of this BED.", last=True)
]
Strict = Annotated[
    bool,
    Flag(
        "Stop where the sample does not fit the model in every respect (chromputer check).",
        "--strict",
        last=True,
    ),
]


@dataclass(frozen=True, slots=True)
class SampleFiles:
    """The files of a sample, as a command is given them."""

    fasta: Annotated[Path, Flag("Genome FASTA, plain or bgzip; a missing .fai is made.")]
    fragments: Annotated[
        Path | None,
        Flag("Paired-end BAM, fragments.tsv.gz or BEDPE, for models of one assay of fragments."),
    ] = None
    assays: Annotated[
        Mapping[str, Path],
        Flag(
            "File of one of the model's assays (fragments or bigWig); may be repeated.",
            "--assay",
        ),
    ] = field(default_factory=dict)
    fragment_options: FragmentOptions = FragmentOptions()
    depth: DepthNumber = None
    depth_regions: DepthRegions = None
    strict: Strict = False
    scratch: Scratch = None

    def __post_init__(self) -> None:
        check_options(self)
        if self.depth is not None and self.depth_regions is not None:
            raise OptionError("give either --depth or --depth-regions, not both", key="--depth")
        depths = self.depth.values() if isinstance(self.depth, Mapping) else [self.depth]
        for depth in depths:
            if depth is not None and not 0 < depth < math.inf:
                raise OptionError(f"--depth {depth} must be a number above 0", key="--depth")


@options
class MessageOptions:
    """How much every command says on stderr; results on stdout and errors are always shown."""

    quiet: Annotated[
        bool,
        Flag(
            "Show warnings and errors only, no notes, progress or summary.", "--quiet -q", last=True
        ),
    ] = False
    verbose: Annotated[
        bool,
        Flag(
            "Also show versions, the time since the start, and what an error came from.",
            "--verbose -v",
            last=True,
        ),
    ] = False
    log_level: Annotated[
        LogLevel | None,
        Flag(
            "How much is said on stderr: --quiet is warning, --verbose is debug; default: info.",
            last=True,
        ),
    ] = None

    def __post_init__(self) -> None:
        check_options(self)
        if self.quiet + self.verbose + (self.log_level is not None) > 1:
            raise OptionError("give one of --quiet, --verbose and --log-level", key="--log-level")

    @property
    def level(self) -> LogLevel | None:
        """The level that is asked for; None: none."""
        return "warning" if self.quiet else "debug" if self.verbose else self.log_level


@options
class RunOptions:
    """What every command that makes a folder takes."""

    out: Annotated[Path, Flag("Folder for the results.", "--out -o")]
    force: Annotated[
        bool, Flag("Write into a folder that holds other files.", "--force", last=True)
    ] = False
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_options(self)


@options
class ComputeOptions(RunOptions):
    """What commands take that compute with a model."""

    provider: Annotated[
        ProviderChoice,
        Flag("Where to run; auto takes a GPU when one works, else the CPU.", last=True),
    ] = "auto"
    threads: Threads = None


@options
class SampleOptions(ComputeOptions):
    """What commands take that run a model on a sample."""

    model: Annotated[
        str | Path,
        Flag(
            "Model folder, .onnx file or shipped model (chromputer models).",
            argument=True,
            complete="model",
        ),
    ]
    sample: SampleFiles

"""The command line made from a dataclass of options: each kind of field, and what a record says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from chromputer_tracks.cli.flags import command
from chromputer_tracks.cli.main import app
from chromputer_tracks.errors import OptionError
from chromputer_tracks.options.fields import (
    Flag,
    FragmentOptions,
    RunOptions,
    SampleFiles,
    SampleOptions,
    check_options,
    name_and_path,
    options,
    recorded,
)
from chromputer_tracks.records import Limits


def _halves(text: str) -> tuple[str, ...] | None:
    if text == "none":
        return None
    if text.count("/") != 1:
        raise ValueError(f"{text!r} is not A/B")
    return tuple(text.split("/"))


@dataclass(frozen=True)
class Files:
    """A group, of which one must be given."""

    fasta: Annotated[Path, Flag("Genome.")]
    depth: Annotated[int, Flag("Reads.", last=True), Limits(least=1)] = 3


@options
class Everything:
    """One field of each kind."""

    place: Annotated[Path, Flag("Where.", argument=True, metavar="PLACE")]
    name: Annotated[str, Flag("Must be given.", "--called -c")]
    number: Annotated[int, Flag("Limited on both sides."), Limits(least=1, most=9)] = 4
    share: Annotated[float | None, Flag("Limited below."), Limits(least=0)] = None
    choice: Annotated[Literal["one", "two"], Flag("One of two.")] = "one"
    maybe: Annotated[Literal["x", "y"] | None, Flag("One of two or none.")] = None
    on: Annotated[bool, Flag("Off by default.")] = False
    either: Annotated[bool | None, Flag("Three ways.", "--either/--no-either")] = None
    words: Annotated[tuple[str, ...], Flag("May be repeated.", "--word")] = ()
    numbers: Annotated[tuple[int, ...], Flag("Likewise.", "--seed"), Limits(least=0)] = (1, 2)
    files: Annotated[Mapping[str, Path], Flag("By name.", "--file")] = field(default_factory=dict)
    folders: Annotated[tuple[tuple[str, Path], ...], Flag("With a name.", "--folder")] = ()
    model: Annotated[str | Path | None, Flag("A name or a path.")] = None
    halves: Annotated[
        tuple[str, ...] | None, Flag("Its own syntax.", metavar="A/B", parse=_halves, shown="a/b")
    ] = ("a", "b")
    group: Files | None = None
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_options(self)
        if self.number == 7:
            raise OptionError("--number 7 is taken", key="--number")


def asked(*words: str, kind: Any = Everything) -> tuple[Any, Result]:
    """The options that a command line makes, and what became of it."""
    made: list[Any] = []
    program = typer.Typer(rich_markup_mode=None)
    program.command()(command(kind, made.append, "x", "Help."))
    done = CliRunner().invoke(program, list(words), env={"COLUMNS": "200"})
    return (made[0] if made else None), done


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ("", {}),
        ("-c other", {"name": "other"}),
        ("--number 9", {"number": 9}),
        ("--share 0.5", {"share": 0.5}),
        ("--choice two", {"choice": "two"}),
        ("--maybe y", {"maybe": "y"}),
        ("--on", {"on": True}),
        ("--either", {"either": True}),
        ("--no-either", {"either": False}),
        ("--word a --word b --word a", {"words": ("a", "b", "a")}),
        ("--seed 3", {"numbers": (3,)}),
        ("--file A=x --file B=y=z", {"files": {"A": Path("x"), "B": Path("y=z")}}),
        ("--folder A=x --folder A=y", {"folders": (("A", Path("x")), ("A", Path("y")))}),
        ("--model yeast-atac", {"model": "yeast-atac"}),
        ("--halves c/d", {"halves": ("c", "d")}),
        ("--halves none", {"halves": None}),
        ("--group-fasta", None),
        ("--fasta g.fa", {"group": Files(Path("g.fa"))}),
        ("--fasta g.fa --depth 5", {"group": Files(Path("g.fa"), 5)}),
        # Of a group that may be missing nothing is made without what it needs.
        ("--depth 5", {}),
    ],
)
def test_each_kind_of_field(words: str, changed: dict[str, Any] | None) -> None:
    found, done = asked("here", "--called", "n", *words.split())
    if changed is None:
        assert (found, done.exit_code) == (None, 2)
        return
    assert done.exit_code == 0, done.output
    expected: dict[str, Any] = {"place": Path("here"), "name": "n"} | changed
    assert found.command[0] == "chromputer"
    assert found == Everything(**expected, command=found.command)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--called n", "Missing argument 'PLACE'"),
        ("here", "Missing option '--called' / '-c'"),
        ("here -c n --number 0", "Invalid value for '--number'"),
        ("here -c n --number 7", "--number: --number 7 is taken"),
        ("here -c n --share -1", "Invalid value for '--share'"),
        ("here -c n --seed 1 --seed -2", "Invalid value for '--seed'"),
        ("here -c n --choice three", "Invalid value for '--choice'"),
        ("here -c n --file A", "--file: 'A' is not NAME=FILE"),
        ("here -c n --file =x", "--file: '=x' is not NAME=FILE"),
        ("here -c n --file A= ", "--file: 'A=' is not NAME=FILE"),
        ("here -c n --file A=x --file A=y", "--file: A is given twice"),
        ("here -c n --folder A", "--folder: 'A' is not NAME=DIR"),
        ("here -c n --halves abc", "--halves: 'abc' is not A/B"),
        ("here -c n --fasta g.fa --depth 0", "Invalid value for '--depth'"),
    ],
)
def test_what_is_refused(words: str, message: str) -> None:
    found, done = asked(*words.split())
    assert (found, done.exit_code) == (None, 2)
    assert message in " ".join(done.stderr.split())


def test_the_help_shows_every_option_once_with_its_default() -> None:
    _, done = asked("--help")
    told = " ".join(done.stdout.split())
    for text in (
        "PLACE",
        "-c, --called",
        "[default: 4; 1<=x<=9]",
        "<one|two>",
        "--either / --no-either",
        "NAME=FILE",
        "NAME=DIR",
        "A/B",
        "[default: a/b]",
        "[default: 3; x>=1]",
    ):
        assert text in told, text
    assert told.count("[required]") == 2
    # What is marked as last is listed behind all others.
    assert told.index("--depth") > max(told.index(f"--{name}") for name in ("fasta", "halves"))


TEXTS = st.text("abc-=/. é", min_size=1).filter(lambda text: not text.startswith("-"))


@given(
    words=st.lists(TEXTS, max_size=3),
    pairs=st.lists(st.tuples(st.text("abc é", min_size=1), TEXTS), max_size=3),
    number=st.integers(1, 6),
)
def test_what_is_given_comes_through(
    words: list[str], pairs: list[tuple[str, str]], number: int
) -> None:
    pairs = [(name, path) for name, path in pairs if name.strip()]
    line = ["here", "-c", "n", "--number", str(number)]
    line += [part for word in words for part in ("--word", word)]
    line += [part for name, path in pairs for part in ("--folder", f"{name}={path}")]
    found, done = asked(*line)
    assert done.exit_code == 0, done.output
    assert found.words == tuple(words) and found.number == number
    assert found.folders == tuple((name.strip(), Path(path)) for name, path in pairs)


def test_options_are_recorded_by_name() -> None:
    made = Everything(
        place=Path("a b"),
        name="n",
        files={"A": Path("x")},
        folders=(("S", Path("y")),),
        group=Files(Path("g.fa")),
    )
    assert recorded(made) == {
        "place": "a b",
        "name": "n",
        "number": 4,
        "share": None,
        "choice": "one",
        "maybe": None,
        "on": False,
        "either": None,
        "words": [],
        "numbers": [1, 2],
        "files": {"A": "x"},
        "folders": [["S", "y"]],
        "model": None,
        "halves": ["a", "b"],
        "fasta": "g.fa",
        "depth": 3,
    }


def test_a_record_leaves_out_where_results_lie_and_what_it_says_elsewhere() -> None:
    files = SampleFiles(Path("g.fa"), scratch=Path("tmp"), fragment_options=FragmentOptions(20))
    made = SampleOptions(
        out=Path("out"), model="m", sample=files, provider="cpu", threads=2, force=True
    )
    assert recorded(made) == {
        "model": "m",
        "fasta": "g.fa",
        "fragments": None,
        "assays": {},
        "min_mapq": 20,
        "drop_duplicates": True,
        "exclude": [],
        "only_fasta_contigs": False,
        "tn5_shift": None,
        "depth": None,
        "depth_regions": None,
    }
    assert recorded(RunOptions(out=Path("out"), command=("x",))) == {}


@options
class Sharing(RunOptions):
    """An option of the name of one in its group."""

    exclude: Annotated[Path | None, Flag("Regions.")] = None
    fragment_options: FragmentOptions = FragmentOptions()


def test_a_name_in_two_groups_is_two_options() -> None:
    found, done = asked("-o", "x", "--exclude", "a.bed", "--exclude-contig", "chrM", kind=Sharing)
    assert done.exit_code == 0, done.output
    assert (found.exclude, found.fragment_options.exclude) == (Path("a.bed"), ("chrM",))
    values = recorded(found)
    assert (values["exclude"], values["fragment_options_exclude"]) == ("a.bed", ["chrM"])


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"number": 10}, "--number 10 must be in 1 to 9"),
        ({"share": -0.5}, "--share -0.5 must be at least 0"),
        ({"numbers": (1, -1)}, "--seed -1 must be at least 0"),
        ({"choice": "three"}, "--choice 'three' is not one of one, two"),
        ({"maybe": "z"}, "--maybe 'z' is not one of x, y"),
    ],
)
def test_python_callers_are_held_to_the_same(given_: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        Everything(**({"place": Path("p"), "name": "n"} | given_))
    assert str(caught.value) == message
    assert caught.value.key == message.split()[0]


def test_texts_for_paths_become_paths() -> None:
    made = Everything(place="p", name="n", files={"A": "x"}, model="m")  # type: ignore[arg-type]
    assert (made.place, made.files, made.model) == (Path("p"), {"A": Path("x")}, "m")


def test_docstrings_list_the_helps() -> None:
    assert "    number: Limited on both sides." in (Everything.__doc__ or "")


def test_files_by_name():
    assert name_and_path("TF=a.bed", "FILE") == ("TF", Path("a.bed"))
    assert name_and_path("Odd=b=c.bed", "FILE") == ("Odd", Path("b=c.bed"))


@pytest.mark.parametrize("text", ["TF", "TF=", "=a.bed"])
def test_files_by_name_that_are_none(text):
    with pytest.raises(ValueError, match=f"^'{text}' is not NAME=FILE$"):
        name_and_path(text, "FILE")


def test_a_name_that_is_given_twice(tmp_path):
    twice = ["--replicate", "TF=a", "--replicate", "TF=b"]
    done = CliRunner().invoke(app, ["ablate", "no.toml", "--out", str(tmp_path / "o"), *twice])
    assert done.exit_code == 2
    assert "--replicate" in done.stderr
    assert "TF is given twice" in done.stderr

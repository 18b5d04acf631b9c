"""How much is said, old names of options, paths at home, and what a shell offers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from predict_command import toy_inputs
from test_cli_predict import COMMAND
from test_flags import asked
from toy_genome import toy_genome
from typer.testing import CliRunner, Result

from chromputer_tracks.cli.console import Reporter, level, set_level
from chromputer_tracks.cli.main import app


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return toy_inputs(tmp_path_factory.mktemp("messages"), toy_genome())


def run(files: dict[str, Path], *more: str, before: tuple[str, ...] = ()) -> Result:
    args = [*before, "predict", str(files["model"]), "--provider", "cpu"]
    for name in ("fasta", "fragments", "out"):
        args += [f"--{name}", str(files[name])]
    return CliRunner().invoke(app, [*args, *more])


def test_quiet_says_nothing_and_verbose_says_when(files: dict[str, Path]) -> None:
    usual = run(files)
    assert level() == "info"
    assert "model tiny on cpu" in usual.stderr and "┃ state" in usual.stderr
    for words, before in ((("-q",), ()), ((), ("--log-level", "error")), (("--quiet",), ("-v",))):
        result = run(files, *words, before=before)
        assert (result.exit_code, result.output) == (0, ""), words
    result = run(files, "-v")
    first, *lines = result.stderr.splitlines()
    assert re.match(r" +\d+\.\d s  chromputer-tracks \S+, python 3", first)
    assert any(re.match(r" +\d+\.\d s  model tiny on cpu", line) for line in lines)
    assert "┃ state" in result.stderr
    # The next command line begins anew.
    assert any(line.startswith("model tiny") for line in run(files).stderr.splitlines())


def test_errors_are_always_shown(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "bad.fa").write_text("no FASTA")
    bad = {**files, "fasta": tmp_path / "bad.fa"}
    quiet = run(bad, "--log-level", "error")
    assert quiet.exit_code == 1
    assert quiet.stderr.startswith(f"error: {tmp_path / 'bad.fa'} is not FASTA")
    missing = run({**files, "fasta": tmp_path / "gone.fa"}, "-v")
    assert "\n  from FileNotFoundError: [Errno 2]" in missing.stderr
    assert "from FileNotFoundError" not in run({**files, "fasta": tmp_path / "gone.fa"}).stderr


@pytest.mark.parametrize("words", [("-q", "-v"), ("--quiet", "--log-level", "info")])
def test_one_of_them(files: dict[str, Path], words: tuple[str, ...]) -> None:
    result = run(files, *words)
    assert result.exit_code == 2
    told = " ".join(re.sub("[│╭─╮╰╯]", " ", result.stderr).split())
    assert "give one of --quiet, --verbose and --log-level" in told
    assert run(files, before=words).exit_code == 2


def test_results_on_stdout_are_always_shown() -> None:
    for words in (("models", "-q"), ("-q", "models")):
        assert "yeast-atac" in CliRunner().invoke(app, list(words)).stdout


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ("error", []),
        ("warning", ["warning: thin"]),
        ("info", ["a note", "warning: thin", "stage: 100%, 1 of 1 bp"]),
    ],
)
def test_what_a_level_lets_through(wanted: Any, shown: list[str], capsys: Any) -> None:
    set_level(wanted)
    try:
        with Reporter() as reporter:
            reporter.note("a note")
            reporter.note("warning: thin")
            reporter.progress("stage", 1, 1, "bp")
    finally:
        set_level("info")
    assert capsys.readouterr().err.splitlines() == shown


def test_every_command_takes_them_and_short_help() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        words = {word for item in command.params for word in item.opts}
        assert {"-q", "--quiet", "-v", "--verbose", "--log-level"} <= words, name
        told = CliRunner().invoke(app, [name, "-h"])
        assert (told.exit_code, "Usage:" in told.stdout) == (0, True), name


# ---- Old names.


@pytest.mark.parametrize(
    ("command", "old", "now"),
    [
        ("explain", "--head", "--label"),
        ("motifs", "--head", "--label"),
        ("filters", "--head", "--label"),
        ("filters", "--exclude", "--blacklist"),
        ("vplot", "--exclude", "--blacklist"),
        ("quiz", "--binary", "--label"),
        ("hub", "--label", "--short-label"),
    ],
)
def test_names_of_earlier_releases_work_and_are_not_listed(
    command: str, old: str, now: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, Any]] = []
    found: Any = typer.main.get_command(app)
    monkeypatch.setattr(found.commands[command], "invoke", lambda ctx: given.append(ctx.params))
    needed = {
        "explain": ["m", "--fasta", "g", "-o", "x"],
        "motifs": ["e", "-o", "x"],
        "filters": ["m", "--fasta", "g", "-o", "x"],
        "vplot": ["-o", "x.png"],
        "quiz": ["m", "--fasta", "g", "-o", "x.html"],
        "hub": ["d", "-o", "x", "--assembly", "a", "--email", "e"],
    }[command]
    for words in ([old, "A"], [f"{old}=A"], [now, "A"]):
        found.main([command, *needed, *words], standalone_mode=False)
    assert given[0] == given[1] == given[2]
    told = CliRunner().invoke(app, [command, "--help"]).stdout
    assert f"{now} " in told
    assert not re.search(rf"(?m)^  (-\w, )?{old} ", told)


def test_a_repeated_option_keeps_its_order_under_both_names(monkeypatch) -> None:
    given: list[Any] = []
    found: Any = typer.main.get_command(app)
    monkeypatch.setattr(
        found.commands["explain"], "invoke", lambda ctx: given.append(ctx.params["heads"])
    )
    words = ["--head", "A", "--label", "B", "--head", "C"]
    found.main(["explain", "m", "--fasta", "g", "-o", "x", *words], standalone_mode=False)
    assert list(given[0]) == ["A", "B", "C"]


# ---- Paths that no shell writes out.


def test_a_home_folder_behind_an_equals_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    found, done = asked(
        "~/place", "-c", "~/no-path", "--file=A=~/a", "--folder=S=~/s", "--fasta=~/g.fa",
        "--model=~/m", "--word=~/w",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert found.place == Path("/home/me/place")
    assert found.files == {"A": Path("/home/me/a")}
    assert found.folders == (("S", Path("/home/me/s")),)
    assert found.group.fasta == Path("/home/me/g.fa")
    assert found.model == "/home/me/m"
    # What is no path stays, and so does the home of nobody.
    assert (found.name, found.words) == ("~/no-path", ("~/w",))
    found, _ = asked("~nobody-of-this-name/x", "-c", "n", "--file=A=b~/c")
    assert (found.place, found.files) == (Path("~nobody-of-this-name/x"), {"A": Path("b~/c")})


# ---- What a shell offers.


def offered(words: str) -> list[str]:
    environment = {
        **os.environ,
        "_CHROMPUTER_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - (not words.endswith(" "))),
    }
    code = "import sys; sys.argv[0] = 'chromputer'; " + COMMAND[-1]
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_a_shell_is_offered_models_labels_and_contigs(files: dict[str, Path]) -> None:
    assert offered("chromputer predict yea") == ["yeast-atac"]
    assert offered("chromputer explain yeast-atac --label Re") == ["Reb1"]
    given = f"chromputer explain {files['model']} --fasta {files['fasta']}"
    assert offered(f"{given} --label ") == ["S0", "S1", "S2", "TF1", "TF2"]
    assert offered(f"{given} --chrom chr") == ["chr2", "chr10", "chr1"]


def test_nothing_is_offered_and_nothing_said_of_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.json").write_text('{"heads": [1')
    (tmp_path / "g.fa.fai").write_bytes(b"\xff\xfe\t5\n")
    given = f"chromputer explain {tmp_path}/m --fasta {tmp_path}/g.fa"
    assert offered(f"{given} --label ") == offered(f"{given} --chrom ") == []
    assert offered("chromputer explain nothing --label ") == []
    assert offered("chromputer predict nothing --chrom ") == []


def test_completion_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom chromputer_tracks.cli.completion import completer\n"
        "class Context: params, args = {}, []\n"
        "assert 'yeast-atac' in completer('model')(Context, '')\n"
        "assert 'Reb1' in completer('label')(Context, '')\n"
        "print(set(sys.modules) & {'numpy', 'onnxruntime', 'pysam', 'rich.console'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

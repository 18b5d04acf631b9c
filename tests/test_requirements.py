"""What commands ask of their surroundings: packages, and files given by name."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chromputer_tracks.cli.console import TRAINING, require
from chromputer_tracks.cli.main import app
from chromputer_tracks.errors import DependencyError
from chromputer_tracks.options.fields import name_and_path


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """As if modules were not installed."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in names else find(name)
    )


def test_all_is_there():
    require("training", TRAINING)


def test_missing_packages_are_named_as_pip_calls_them(monkeypatch):
    without(monkeypatch, "sklearn", "onnx")
    with pytest.raises(DependencyError) as caught:
        require("training", TRAINING)
    assert str(caught.value) == (
        "training needs onnx, scikit-learn: pip install 'chromputer-tracks[train]'"
    )
    require("training", ["torch"])


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["train", "no.toml", "--out", "no"], "training"),
        (["ablate", "no.toml", "--out", "no"], "an ablation"),
        (["evaluate", "no", "--config", "no.toml", "--out", "no"], "evaluating"),
        (["dataset", "no.toml", "--out", "no"], "showing a dataset"),
    ],
)
def test_commands_say_so_before_they_read_anything(monkeypatch, arguments, what):
    without(monkeypatch, "lightning")
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert done.stderr == (
        f"error: {what} needs lightning: pip install 'chromputer-tracks[train]'\n"
    )


def test_files_by_name():
    assert name_and_path("TF=a.bed", "FILE") == ("TF", Path("a.bed"))
    assert name_and_path("Odd=b=c.bed", "FILE") == ("Odd", Path("b=c.bed"))


@pytest.mark.parametrize("given", ["TF", "TF=", "=a.bed"])
def test_files_by_name_that_are_none(given):
    with pytest.raises(ValueError, match=f"^'{given}' is not NAME=FILE$"):
        name_and_path(given, "FILE")


def test_a_name_that_is_given_twice(tmp_path):
    given = ["--replicate", "TF=a", "--replicate", "TF=b"]
    done = CliRunner().invoke(app, ["ablate", "no.toml", "--out", str(tmp_path / "o"), *given])
    assert done.exit_code == 2
    assert "--replicate" in done.stderr
    assert "TF is given twice" in done.stderr

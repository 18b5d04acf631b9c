"""The command line beside ``predict``: versions, exit codes, ``models`` and ``doctor``."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import typer
from test_cli_predict import COMMAND
from tiny_models import write_tiny_model
from typer.testing import CliRunner

from chromputer_tracks import __version__
from chromputer_tracks.cli.main import app


def test_unexpected_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("chromputer_tracks.inference.session.shipped_models", broken)
    result = CliRunner().invoke(app, ["models"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_version_and_exit_codes_of_the_real_command(tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"chromputer {__version__}\n"
    args = ["predict", "nope", "--fasta", "x.fa", "--out", str(tmp_path / "out")]
    done = subprocess.run([*COMMAND, *args], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: model 'nope'")
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()


def test_training_says_what_is_missing_before_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> object:
        return None if name in ("torch", "onnxscript") else object()

    monkeypatch.setattr("importlib.util.find_spec", find)
    result = CliRunner().invoke(app, ["train", "no.toml", "--out", "no"])
    assert result.exit_code == 1
    assert "training needs torch, onnxscript: pip install 'chromputer-tracks[train]'" in (
        result.stderr
    )


def test_models_lists_what_is_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chromputer_tracks.inference.session._PACKAGE", tmp_path / "package")
    result = CliRunner().invoke(app, ["models"])
    assert result.exit_code == 0
    assert "No model is shipped" in result.stdout
    write_tiny_model(tmp_path / "models" / "tiny")
    result = CliRunner().invoke(app, ["models"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    for text in ("tiny", "dna (sequence)", "factors (binary): TF1, TF2", "300 / 50 bp", "toy"):
        assert text in result.stdout


def test_doctor_reports_what_works(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    for text in (f"{__version__} ", "provider cpu", "provider cuda", "CPUs", "bedtools"):
        assert text in result.stdout
    monkeypatch.setattr(
        "chromputer_tracks.inference.session.installed_wheels",
        lambda: {"onnxruntime": "1", "onnxruntime-gpu": "1"},
    )
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "160"})
    assert result.exit_code == 1
    assert "pip uninstall onnxruntime onnxruntime-gpu" in result.stdout
    assert "onnxruntime │ 1" in " ".join(result.stdout.split())


def test_doctor_tells_of_a_gpu_that_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    session = "chromputer_tracks.inference.session"
    monkeypatch.setattr(f"{session}.has_driver", lambda: True)
    monkeypatch.setattr(f"{session}.installed_wheels", lambda: {"onnxruntime": "1.32.0"})
    monkeypatch.setattr(f"{session}.ort.get_available_providers", lambda: ["CPUExecutionProvider"])
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "400"})
    assert result.exit_code == 0, result.output
    told = " ".join(result.stdout.split())
    assert "warning: this machine has an NVIDIA driver, but the CPU is used" in told
    assert "python -m pip install 'onnxruntime-gpu[cuda,cudnn]'" in told
    assert "Everything needed works." in told


def test_help_gives_every_option_in_full_in_a_narrow_terminal() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert len(commands) > 15
    for name, command in commands.items():
        told = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "80"}).stdout
        assert "…" not in told, name
        options = (text for item in command.params for text in item.opts if text.startswith("--"))
        for option in options:
            assert option in told, (name, option)

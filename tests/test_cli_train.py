"""``chromputer train`` as a command: what it says, what it leaves, when it fails."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from scored_sites import load_sites
from toy_training import Toy, make_toy
from typer.testing import CliRunner

from chromputer_tracks.analysis.report import page as train_report
from chromputer_tracks.cli.main import app
from chromputer_tracks.errors import OutputError
from chromputer_tracks.io.record import RunRecord
from chromputer_tracks.model import training
from chromputer_tracks.spec import ModelSpec


def exported(network: torch.nn.Module, spec: ModelSpec, folder: Path) -> float:
    """In place of the export, which takes longer than the training."""
    (folder / "predict.onnx").write_text("graph")
    (folder / "model.json").write_text(spec.to_json())
    return 2e-6


@pytest.fixture(scope="module", autouse=True)
def no_export() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "export_network", exported)
        patch.setattr(training, "export_explain", lambda network, spec, folder: 0.0)
        yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Toy:
    toy = make_toy(tmp_path_factory.mktemp("toy"))
    text = re.sub(r"(?s)\[auxiliary\].*?(?=\[inputs\])", "", (toy.folder / "toy.toml").read_text())
    (toy.folder / "toy.toml").write_text(text.replace("A toy.", "Ein Spielzeug – klein."))
    return toy


def run(*words: object) -> Any:
    return CliRunner().invoke(app, ["train", *map(str, words)], env={"COLUMNS": "80"})


@dataclass(frozen=True)
class Done:
    """A run of the command."""

    out: Path
    result: Any

    @property
    def said(self) -> list[str]:
        return self.result.stderr.splitlines()


@pytest.fixture(scope="module")
def done(toy, tmp_path_factory) -> Done:
    out = tmp_path_factory.mktemp("models") / "toy"
    result = run(toy.folder / "toy.toml", "--out", out, "--epochs", 2, "--seed", 6)
    assert result.exit_code == 0, result.output
    return Done(out, result)


def test_lines(done):
    assert done.result.stdout == ""
    out = done.out
    patterns = [
        r"training on 1 contig: 180 sites, 65 segments an epoch; 2 states, 2 binary labels, "
        r"1 continuous label",
        r"\d+ of 16 motif filters start from k-mers",
        r"training on the CPU, 1 thread, precision 32-true",
        r"epoch 1 of 2: loss \d\.\d{3}, validation score 0\.\d{3} \(.*\), \d+ s, [\d,]+ windows/s",
        r"training: 100%, 16 of 16 steps, epoch 2 of 2, loss \d\.\d{3}",
        r"epoch 2 of 2: loss .*",
        r"best epoch: [12], validation score 0\.\d{3}",
        r"scoring the validation and test contigs",
        r"measuring the accuracy by depth on the test contigs",
        r"with 100% of the fragments \([\d.]+ per kb\), accuracy 0\.\d{3}, mean AUPRC 0\.\d{3}",
        *[r"with \d+% of the fragments \([\d.]+ per kb\), accuracy .*"] * 3,
        r"5% of the fragments are too few to draw; thinner is not measured",
        r"on the test contigs: accuracy 0\.\d{3} \[0\.\d{3}, [01]\.\d{3}\], macro-F1 0\.\d{3} "
        r"\[0\.\d{3}, [01]\.\d{3}\], mean AUPRC of 2 labels 0\.\d{3}, Pearson -?0\.\d{3}",
        rf"model written to {out}, its figures to {out / 'README.md'}; ONNX Runtime and PyTorch "
        rf"agree within 2e-06",
        rf"report written to {out / 'training' / 'report.html'}",
    ]
    assert len(done.said) == len(patterns), done.said
    for pattern, line in zip(patterns, done.said, strict=True):
        assert re.fullmatch(pattern, line), line


def test_what_a_run_leaves(done):
    names = {str(path.relative_to(done.out)) for path in done.out.rglob("*") if path.is_file()}
    events = {name for name in names if "events.out.tfevents" in name}
    assert names - events == {
        *("README.md", "model.json", "predict.onnx", "run.json"),
        *(f"training/{name}.npz" for name in ("validation", "test")),
        *(f"training/{name}.ckpt" for name in ("last", "best")),
        *("training/metrics.csv", "training/report.html", "training/report.tables.tsv"),
    }
    spec = json.loads((done.out / "model.json").read_text())
    assert spec["provenance"]["seed"] == 6
    assert spec["provenance"]["command"].split()[0] == "chromputer"
    record = RunRecord.read(done.out)
    assert record.kind == "train"
    assert (record.options["epochs"], record.options["seed"]) == (2, 6)
    assert record.outputs == ("README.md", "model.json", "predict.onnx")
    assert {name: item.sha256 for name, item in record.inputs.items() if name != "config"} == {
        name: item["sha256"] for name, item in spec["provenance"]["inputs"].items()
    }
    sites, heads = load_sites(done.out / "training" / "test.npz")
    assert sites.contigs == ("chr3",)
    assert [head.name for head in heads] == ["states", "binary", "halves", "signal"]
    for name in ("README.md", "training/report.html"):
        assert "Ein Spielzeug – klein." in (done.out / name).read_text(encoding="utf-8")


def test_the_report_tells_the_epoch_that_was_kept(done):
    (kept,) = re.findall(r"best epoch: (\d)", done.result.stderr)
    page = (done.out / "training" / "report.html").read_text(encoding="utf-8")
    assert f"2, epoch {kept} chosen" in page
    assert "motif scan" in page


def test_a_finished_run_is_resumed_to_the_same_model(toy, done):
    before = (done.out / "model.json").read_text()
    checkpoint = (done.out / "training" / "last.ckpt").stat().st_mtime_ns
    again = run(
        *(toy.folder / "toy.toml", "--out", done.out, "--epochs", 2, "--seed", 6, "--resume")
    )
    assert again.exit_code == 0, again.output
    lines = again.stderr.splitlines()
    assert "resuming after epoch 2 of 2, which was the last" in lines
    assert not [line for line in lines if line.startswith("epoch ")]
    assert lines[-4:] == done.said[-4:]
    assert (done.out / "training" / "last.ckpt").stat().st_mtime_ns == checkpoint
    one, other = (json.loads(text) for text in (before, (done.out / "model.json").read_text()))
    assert one["metrics"] == other["metrics"]
    assert one["heads"] == other["heads"]


def test_other_settings_are_not_resumed(toy, done):
    before = (done.out / "model.json").read_bytes()
    found = run(toy.folder / "toy.toml", "--out", done.out, "--epochs", 3, "--resume")
    assert found.exit_code == 1
    message = found.stderr.splitlines()[-1]
    assert message.startswith(f"error: cannot resume: {done.out / 'training' / 'last.ckpt'} is of ")
    assert "fit.epochs was 2, now 3; seed was 6, now 3" in message
    assert (done.out / "model.json").read_bytes() == before


def test_a_report_that_fails_costs_no_model(toy, done, monkeypatch):
    """It is said that the model is there, before the report is made."""

    def full(path, data):
        raise OutputError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(train_report, "write_report", full)
    (done.out / "model.json").unlink()
    (done.out / "README.md").unlink()
    found = run(
        *(toy.folder / "toy.toml", "--out", done.out, "--epochs", 2, "--seed", 6, "--resume")
    )
    assert found.exit_code == 1
    assert found.stderr.splitlines()[-2].startswith(f"model written to {done.out}, ")
    assert found.stderr.splitlines()[-1] == (
        f"error: cannot write {done.out / 'training' / 'report.html'}: No space left on device"
    )
    assert ModelSpec.from_json((done.out / "model.json").read_text(), "model.json").name == "toy"
    assert (done.out / "README.md").exists()


def test_processes_but_the_first_write_and_say_nothing(toy, done, monkeypatch):
    """They end well when the network is trained."""
    monkeypatch.setattr(training, "process_rank", lambda fit: 1)
    (done.out / "README.md").unlink(missing_ok=True)
    found = run(
        *(toy.folder / "toy.toml", "--out", done.out, "--epochs", 2, "--seed", 6, "--resume")
    )
    assert found.exit_code == 0, found.output
    assert found.output == ""
    assert not (done.out / "README.md").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--epochs", "0"),
        ("--seed", "-1"),
        ("--epochs", "many"),
        ("--resume", "--force"),
        ("--measure", "perhaps"),
        ("--measure", "only", "--resume"),
        ("--measure", "only", "--epochs", "3"),
        ("--gpu",),
    ],
)
def test_a_wrong_command_line(toy, tmp_path, arguments):
    found = run(toy.folder / "toy.toml", "--out", tmp_path / "out", *arguments)
    assert found.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_a_configuration_that_is_none(toy, tmp_path):
    found = run(tmp_path / "no.toml", "--out", tmp_path / "out")
    assert found.exit_code == 1
    assert found.stderr == f"error: cannot read {tmp_path / 'no.toml'}: No such file or directory\n"
    (tmp_path / "bad.toml").write_text(
        (toy.folder / "toy.toml").read_text().replace("batch = 8", "batches = 8")
    )
    found = run(tmp_path / "bad.toml", "--data", toy.folder, "--out", tmp_path / "out")
    assert found.exit_code == 1
    assert re.match(r"error: .*bad\.toml line \d+: unknown key 'fit\.batches'", found.stderr)
    assert not (tmp_path / "out").exists()

"""``chromputer ablate`` as a command: options, files, messages, exit codes."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from scored_sites import load_sites
from toy_training import Toy, make_toy
from typer.testing import CliRunner

from chromputer_tracks.analysis.ablate.run import AblateRecord
from chromputer_tracks.cli.main import app
from chromputer_tracks.evaluation import baselines
from chromputer_tracks.io.run import RunRecord
from chromputer_tracks.model.experiment import Experiment


@pytest.fixture(scope="module", autouse=True)
def small_forest() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(baselines._FOREST, "n_estimators", 5)
        yield


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Toy:
    toy = make_toy(tmp_path_factory.mktemp("toy"))
    text = re.sub(r"(?s)\[auxiliary\].*?(?=\[inputs\])", "", (toy.folder / "toy.toml").read_text())
    (toy.folder / "toy.toml").write_text(text.replace("A toy.", "Ein Spielzeug – klein."))
    return toy


@dataclass
class Command:
    """Runs the command with networks as they begin, and notes what should have been trained."""

    asked: list[tuple[str, int, int]] = field(default_factory=list)

    def fit(self, experiment, folder, report, **options):
        seed, epochs = experiment.config.seed, experiment.config.fit.epochs
        self.asked.append((folder.parent.name, seed, epochs))
        assert folder.name == f"seed{seed}"
        network = experiment.network()
        network.keep_binary(len(experiment.config.binary))
        return network

    def __call__(self, *words: object) -> Any:
        return CliRunner().invoke(app, ["ablate", *map(str, words)], env={"COLUMNS": "80"})


@pytest.fixture
def run(monkeypatch) -> Command:
    command = Command()
    monkeypatch.setattr(Experiment, "fit", lambda *a, **k: command.fit(*a, **k))
    return command


def test_everything_that_can_be_said(toy, run, tmp_path):
    out = tmp_path / "out"
    done = run(
        *(toy.folder / "toy.toml", "--out", out, "--epochs", 3),
        *("--inputs", "vplot", "--inputs", "sequence + vplot"),
        *("--seed", 7, "--seed", 2, "--seed", 7),
        *("--replicate-states", toy.folder / "states.bed"),
        *("--replicate", f"TF={toy.folder / 'peaks' / 'TF.bed'}"),
    )
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert run.asked == [
        ("vplot", 7, 3),
        ("vplot+sequence", 7, 3),
        ("vplot", 2, 3),
        ("vplot+sequence", 2, 3),
    ]
    text = done.stderr
    assert "vplot+sequence, seed 2 (run 4 of 4)" in text
    assert "note: no gene proximity, which needs start sites: --tss, or data.tss" in text
    assert text.endswith(f"all figures in {', '.join(str(out / f'ablation.{k}') for k in FILES)}\n")
    tables = [line for line in text.splitlines() if line[:1] in "┏┃┡│└"]
    assert max(map(len, tables)) <= 80
    # The labels' own file agrees with itself.
    assert re.search(r"│ replicate +│ 1\.000 \[1\.000, 1\.000\] │ 1\.000", text)
    with (out / "ablation.tsv").open(newline="", encoding="utf-8") as file:
        rows = {
            (r["inputs"], r["seed"], r["figure"], r["label"]): float(r["value"])
            for r in csv.DictReader(file, delimiter="\t")
        }
    assert {seed for name, seed, *_ in rows if name == "vplot"} == {"7", "2"}
    mean = sum(rows["vplot", seed, "accuracy", ""] for seed in ("7", "2")) / 2
    (shown,) = re.findall(r"│ vplot +│ (\d\.\d+) ", text.split("AUPRC\n")[0])
    assert float(shown) == pytest.approx(mean, abs=6e-4)
    record = json.loads((out / "ablation.json").read_text())
    assert record["provenance"]["command"].split()[0] == "chromputer"
    assert record["provenance"]["seeds"] == [7, 2]
    assert record["provenance"]["inputs"]["replicate TF"]["file"] == "TF.bed"
    page = (out / "ablation.html").read_text(encoding="utf-8")
    assert "Ein Spielzeug – klein." in page
    assert (out / "ablation.md").read_text(encoding="utf-8").startswith("AUPRC of each label:")
    run_record = RunRecord.read(out)
    assert run_record.outputs == tuple(sorted(f"ablation.{kind}" for kind in FILES))
    assert run_record.results_as(AblateRecord, out).subsets == ("vplot", "vplot+sequence")
    assert run_record.inputs["replicate TF"].path.endswith("TF.bed")
    sites, _ = load_sites(out / "runs" / "vplot+sequence" / "seed7" / "test.npz")
    assert sites.contigs == ("chr3",)


FILES = ("tsv", "md", "json", "html")


def test_defaults(toy, run, tmp_path):
    done = run(toy.folder / "toy.toml", "--out", tmp_path / "out", "--data", toy.folder)
    assert done.exit_code == 0, done.output
    assert run.asked == [
        (subset, seed, 10)
        for seed in (1, 2, 3)
        for subset in ("vplot", "sequence", "vplot+sequence")
    ]
    assert "note: no ceiling: it needs second label files" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--inputs", "mnase"), "error: subset 'mnase': no input 'mnase'; the configuration has "),
        (("--inputs", "vplot+vplot"), "error: subset 'vplot+vplot' names an input twice"),
        (("--inputs", "vplot", "--inputs", "vplot"), "error: subset vplot is given twice"),
        (("--replicate", "Fox=a.bed"), "error: --replicate Fox: the configuration has no such "),
        (("--replicate", "TF=no.bed"), "error: no.bed: cannot be read"),
        (("--tss", "no.bed"), "error: no.bed: cannot be read"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(toy, run, tmp_path, arguments, message):
    done = run(toy.folder / "toy.toml", "--out", tmp_path / "out", *arguments)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1].startswith(message)
    assert run.asked == []
    assert not (tmp_path / "out").exists()


def test_a_configuration_that_is_none(toy, run, tmp_path):
    done = run(tmp_path / "no.toml", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert done.stderr == f"error: cannot read {tmp_path / 'no.toml'}: No such file or directory\n"
    done = run(toy.folder / "toy.toml", "--out", tmp_path / "no" / "out")
    assert done.exit_code == 1
    assert "does not exist; make it first" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--epochs", "0"),
        ("--seed", "-1"),
        ("--jobs", "0"),
        ("--replicate", "TF"),
        ("--replicate", "TF=a", "--replicate", "TF=b"),
        ("--subsets", "vplot"),
    ],
)
def test_a_wrong_command_line(toy, run, tmp_path, arguments):
    done = run(toy.folder / "toy.toml", "--out", tmp_path / "out", *arguments)
    assert done.exit_code == 2
    assert run.asked == []
    assert not (tmp_path / "out").exists()


def test_a_run_that_fails_is_named(toy, run, tmp_path, monkeypatch):
    """As by a loss that became infinite: the message says which run, and what to remove."""
    (toy.folder / "bad.toml").write_text(
        (toy.folder / "toy.toml").read_text().replace("batch = 8", "batch = 4000")
    )
    monkeypatch.undo()
    out = tmp_path / "out"
    done = run(toy.folder / "bad.toml", "--out", out, "--inputs", "vplot", "--seed", 4)
    assert done.exit_code == 1
    folder = out / "runs" / "vplot" / "seed4"
    assert done.stderr.splitlines()[-1] == (
        f"error: 65 segments do not fill one batch of 4000: lower fit.batch or segments.outputs "
        f"(vplot, seed 4: to train it from the beginning, remove {folder} or name another folder "
        f"with --out)"
    )
    assert not (out / "ablation.tsv").exists()

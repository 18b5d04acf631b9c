"""Ablations of networks as they begin: what is scored and refused, and the command."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scored_sites import load_sites
from toy_training import BIN, LENGTHS, Lines, Toy, make_samples, make_toy, shorter
from typer.testing import CliRunner

from chromputer_tracks.analysis.ablate import study
from chromputer_tracks.analysis.ablate.run import AblateRecord, terminal_tables, write_ablation
from chromputer_tracks.analysis.ablate.study import ablation
from chromputer_tracks.analysis.evaluate.run import ceiling_sites
from chromputer_tracks.cli.main import app
from chromputer_tracks.errors import InputError, OutputError
from chromputer_tracks.evaluation import baselines
from chromputer_tracks.io.record import RunRecord, Silent
from chromputer_tracks.model.config import SitesConfig, TrainConfig
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.experiment import Experiment
from chromputer_tracks.model.sources import open_sources
from chromputer_tracks.options.train import AblateOptions

SUBSETS = ("vplot", "vplot+sequence")


@pytest.fixture(scope="module", autouse=True)
def small_forest() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(baselines._FOREST, "n_estimators", 10)
        yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Toy:
    toy = make_toy(tmp_path_factory.mktemp("toy"))
    text = re.sub(r"(?s)\[auxiliary\].*?(?=\[inputs\])", "", (toy.folder / "toy.toml").read_text())
    (toy.folder / "toy.toml").write_text(text.replace("A toy.", "Ein Spielzeug – klein."))
    return toy


@pytest.fixture(scope="module")
def config(toy) -> TrainConfig:
    return shorter(toy.config(), 1, auxiliary=None)


@pytest.fixture
def untrained(monkeypatch) -> list[tuple[int, tuple[str, ...]]]:
    """Networks are taken as they begin; seeds and inputs that were asked for."""
    asked: list[tuple[int, tuple[str, ...]]] = []

    def fit(experiment, folder, report, **options):
        asked.append((experiment.config.seed, tuple(i.name for i in experiment.sources.inputs)))
        network = experiment.network()
        network.keep_binary(len(experiment.config.binary))
        return network

    monkeypatch.setattr(Experiment, "fit", fit)
    return asked


def wanted(out: Path, **more) -> AblateOptions:
    """The configuration is given beside them, so that theirs is not read."""
    return AblateOptions(config=Path("none.toml"), out=out, **({"draws": 5} | more))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subsets": ("mnase",)}, "no input 'mnase'; the configuration has vplot, sequence"),
        ({"replicates": {"Fox": Path("a")}}, "--replicate Fox: .* it has TF, Odd"),
        ({"tss": Path("none.bed")}, "cannot read none.bed"),
        ({"replicate_states": Path("none.bed")}, "cannot read none.bed"),
        ({"replicates": {"TF": Path("none.bed")}}, "cannot read none.bed"),
    ],
)
def test_what_cannot_be_used_is_found_before_training(
    config, untrained, tmp_path, changes, message
):
    with pytest.raises(InputError, match=message):
        ablation(config, wanted(tmp_path / "out", **changes), Silent())
    assert untrained == []
    assert not (tmp_path / "out").exists()


def test_folders_that_cannot_be_written(config, untrained, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file: it is a file; name a folder"):
        ablation(config, wanted(tmp_path / "file"), Silent())
    with pytest.raises(OutputError, match="file is a file; name a folder"):
        ablation(config, wanted(tmp_path / "file" / "out"), Silent())
    assert untrained == []


def test_states_that_are_not_there_have_no_replicate(toy, config, untrained, tmp_path):
    options = wanted(tmp_path / "out", replicate_states=toy.folder / "states.bed")
    with pytest.raises(InputError, match=r"--replicate-states: the configuration has no \[states]"):
        ablation(replace(config, states=None), options, Silent())


def test_several_samples_are_scored_together(toy, untrained, tmp_path):
    config = load_config(make_samples(toy))
    options = wanted(tmp_path / "out", subsets=("vplot", "cuts"), seeds=(4,))
    found = ablation(config, options, Silent())
    assert found is not None
    assert untrained == [(4, ("vplot",)), (4, ("cuts",))]
    assert found.sites.contigs == ("chr3 (A)", "chr3 (B)")
    by_name = {row.name: row.scores for row in found.rows}
    assert list(by_name) == ["majority class", "random forest", "vplot", "cuts"]
    for scores in by_name.values():
        # Both samples have peaks of TF, A alone states and Odd.
        assert [label.sites for label in scores.binary] == [120, 60]
        assert scores.states.sites == 60
    (tf, _) = by_name["vplot"].binary
    assert tf.positives == (found.sites.binary[0] == 1).sum()
    given = replace(options, replicates={"TF": toy.folder / "peaks" / "Odd.bed"})
    with pytest.raises(InputError, match="of one sample, but the configuration trains on A, B"):
        ablation(config, given, Silent())


def test_continuous_labels_alone(config, untrained, tmp_path):
    alone = replace(config, states=None, binary=())
    found = ablation(alone, wanted(tmp_path / "out", subsets=("sequence",)), Silent())
    assert found is not None
    # No baseline knows anything of signals.
    assert [row.name for row in found.rows] == ["sequence"]
    (signals,) = terminal_tables(found)
    assert signals.caption == "Pearson correlation (log1p)"
    pearson = found.rows[0].scores.continuous[0].pearson.value
    assert signals.rows == (("sequence", f"{pearson:.3f}"),)
    out = tmp_path / "files"
    out.mkdir()
    paths = write_ablation(found, out, "signals", "", {})
    with paths[0].open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {row["figure"] for row in rows} == {"pearson", "spearman", "explained"}
    assert "Pol2" in paths[3].read_text()


def test_binary_labels_alone(config, untrained, tmp_path):
    options = wanted(tmp_path / "out", subsets=("sequence", "vplot"), seeds=(1,))
    found = ablation(replace(config, states=None, continuous=()), options, Silent())
    assert found is not None
    assert [row.name for row in found.rows] == [
        *("majority class", "random forest", "motif scan", "sequence", "vplot")
    ]
    head, ranked, gains = terminal_tables(found)
    assert head.header == ("inputs", "mean AUPRC")
    assert ranked.header == ("inputs", "TF", "Odd")
    assert {row[1] for row in gains.rows} == {"mean AUPRC"}
    assert found.notes == (
        "no gene proximity, which needs start sites: --tss, or data.tss",
        "no ceiling: it needs second label files (--replicate-states, --replicate)",
    )


def test_matched_sites_are_the_same_for_all_subsets_and_seeds(config, untrained, tmp_path):
    matched = replace(config, sites=SitesConfig("matched"))
    options = wanted(tmp_path / "out", subsets=SUBSETS[::-1] + ("sequence",), seeds=(1, 2))
    found = ablation(matched, options, Silent())
    assert found is not None
    files = sorted((tmp_path / "out").glob("runs/*/*/test.npz"))
    assert len(files) == 6
    first, *others = (load_sites(path)[0] for path in files)
    chosen = (first.binary[0] >= 0).sum()
    assert 10 < chosen < 50
    for other in others:
        np.testing.assert_array_equal(other.binary, first.binary)
        np.testing.assert_array_equal(other.states, first.states)
    for row in found.rows:
        for label in row.scores.binary:
            assert label.sites == chosen


def test_a_ceiling_stands_at_the_sites_of_the_first_labels(toy, config):
    """Not at those that would match the second ones, where the two would agree too well."""
    matched = replace(config, sites=SitesConfig("matched"))
    with open_sources(matched) as sources:
        (sample,) = sources.samples
        found = ceiling_sites(
            matched, sources, sample, None, {"TF": toy.folder / "peaks" / "Even.bed"}
        )
    known = found.binary[0] >= 0
    assert 10 < known.sum() < 50
    assert np.isfinite(found.logits[2, known]).all()
    every = [(c, at) for c in LENGTHS for at in toy.planted[c]]
    even = {at // BIN for chrom, at in every[::2] if chrom == "chr3"}
    called = np.array([k in even for k in range(60)])
    np.testing.assert_array_equal(found.logits[2, known] > 0, called[known])
    # Every other positive is not in the second file.
    assert (found.logits[2, found.binary[0] == 1] < 0).any()
    assert np.isnan(found.logits[[0, 1, 3]]).all()


def test_all_training_processes_but_the_first_only_train(config, untrained, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "process_rank", lambda fit: 1)
    monkeypatch.setattr(study, "sample_baselines", lambda *given, **more: pytest.fail("not here"))
    told = Lines()
    assert ablation(config, wanted(tmp_path / "out", seeds=(1, 2)), told) is None
    assert [seed for seed, _ in untrained] == [1, 1, 1, 2, 2, 2]
    assert told.lines == []
    assert not list(tmp_path.rglob("*.npz"))


# ---- ``chromputer ablate`` as a command: options, files, messages, exit codes.


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
    said = re.search("^all figures in (.*)$", text, re.M)
    assert said is not None
    assert set(said[1].split(", ")) == {
        str(out / f"ablation.{kind}") for kind in FILES if kind != "tables.tsv"
    }
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


FILES = ("tsv", "md", "json", "html", "tables.tsv")


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
        (("--replicate", "TF=no.bed"), "error: cannot read no.bed"),
        (("--tss", "no.bed"), "error: cannot read no.bed"),
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
    (tmp_path / "no").touch()
    done = run(toy.folder / "toy.toml", "--out", tmp_path / "no" / "out")
    assert done.exit_code == 1
    assert "no is a file; name a folder" in done.stderr


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

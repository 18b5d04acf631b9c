"""An ablation on the toy genome: figures against scikit-learn and loops, runs taken up again."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scored_sites import load_sites
from sklearn.metrics import accuracy_score, average_precision_score, f1_score
from toy_training import BIN, LENGTHS, Lines, Toy, make_toy, shorter

from chromputer_tracks.analysis.ablate.run import table, terminal_tables, write_ablation
from chromputer_tracks.analysis.ablate.study import Ablation, ablation
from chromputer_tracks.data.features import probabilities
from chromputer_tracks.errors import ChromputerError
from chromputer_tracks.evaluation import baselines, sites
from chromputer_tracks.evaluation.metrics import bootstrap
from chromputer_tracks.evaluation.scores import to_json
from chromputer_tracks.evaluation.sites import LabelledSites
from chromputer_tracks.io.atomic import PARTIAL
from chromputer_tracks.io.record import Silent
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.experiment import Experiment
from chromputer_tracks.options.train import AblateOptions

DRAWS = 40
SUBSETS = ("vplot", "vplot+sequence")
SEEDS = (1, 5)


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """Few trees, and blocks of which the test contig has several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(baselines._FOREST, "n_estimators", 10)
        patch.setattr(sites, "BLOCK", 2000)
        yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Toy:
    toy = make_toy(tmp_path_factory.mktemp("toy"))
    rows = [(c, at, at + 300, "+-"[n % 2]) for c in LENGTHS for n, at in enumerate(toy.planted[c])]
    (toy.folder / "genes.bed").write_text(
        "".join(f"{c}\t{start}\t{end}\tg\t0\t{strand}\n" for c, start, end, strand in rows)
    )
    lines = (toy.folder / "states.bed").read_text().splitlines()
    # Every fifth bin is called open in the second experiment.
    again = [re.sub(r"\w+$", "open", row) if n % 5 == 0 else row for n, row in enumerate(lines)]
    (toy.folder / "again.bed").write_text("\n".join(again) + "\n")
    return toy


@pytest.fixture(scope="module")
def config(toy) -> TrainConfig:
    return shorter(toy.config(), 1, auxiliary=None)


@dataclass(frozen=True)
class Done:
    """An ablation that was stopped in its third run and done again."""

    config: TrainConfig
    options: AblateOptions
    found: Ablation
    lines: list[str]
    stopped: list[str]
    times: dict[Path, int]
    left: list[str]


def times(folder: Path) -> dict[Path, int]:
    """Every checkpoint and when it was written."""
    return {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*/last.ckpt")}


@pytest.fixture(scope="module")
def done(toy, config, tmp_path_factory) -> Done:
    options = AblateOptions(
        config=toy.folder / "toy.toml",
        out=tmp_path_factory.mktemp("ablation") / "out",
        subsets=("vplot", " sequence + vplot"),
        seeds=SEEDS,
        tss=toy.folder / "genes.bed",
        replicate_states=toy.folder / "again.bed",
        replicates={"TF": toy.folder / "peaks" / "Even.bed"},
        draws=DRAWS,
    )
    validate, asked = Experiment._validate, []

    def interrupted(experiment, network):
        asked.append(0)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return validate(experiment, network)

    stopped, report = Lines(), Lines()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Experiment, "_validate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ablation(config, options, stopped)
    before = times(options.out)
    left = [str(path.relative_to(options.out / "runs")) for path in options.out.rglob("*.*")]
    found = ablation(config, options, report)
    assert found is not None
    return Done(config, options, found, report.lines, stopped.lines, before, left)


def run_sites(done: Done, subset: str, seed: int) -> tuple[LabelledSites, np.ndarray]:
    """What a run left: its test sites and calibrated probabilities (outputs, sites)."""
    found, heads = load_sites(done.options.out / "runs" / subset / f"seed{seed}" / "test.npz")
    return found, probabilities(found.logits, heads)


def test_a_stopped_ablation_leaves_whole_runs_and_goes_on(done):
    out = done.options.out
    first = [out / "runs" / subset / "seed1" / "last.ckpt" for subset in SUBSETS]
    assert sorted(done.times) == sorted(first)
    assert not [name for name in done.left if PARTIAL in name]
    assert sorted(name for name in done.left if name.endswith(".npz")) == [
        "vplot+sequence/seed1/test.npz",
        "vplot/seed1/test.npz",
    ]
    now = times(out)
    assert {path: now[path] for path in first} == done.times
    assert len(now) == 4
    said = [line for line in done.lines if re.search(r"\(run|resuming|epoch 1 of", line)]
    assert [line.split(":")[0] for line in said] == [
        "vplot, seed 1 (run 1 of 4)",
        "resuming after epoch 1 of 1, which was the last",
        "vplot+sequence, seed 1 (run 2 of 4)",
        "resuming after epoch 1 of 1, which was the last",
        "vplot, seed 5 (run 3 of 4)",
        "epoch 1 of 1",
        "vplot+sequence, seed 5 (run 4 of 4)",
        "epoch 1 of 1",
    ]
    assert done.stopped[-1] == "training on the CPU, 1 thread, precision 32-true"
    # Baselines come first, so that their files are looked at before any training.
    learnt = [n for n, line in enumerate(done.lines) if "learning from" in line]
    assert learnt == [0, 1]


def test_a_second_call_trains_nothing_and_finds_the_same(done):
    before, report = times(done.options.out), Lines()
    again = ablation(done.config, done.options, report)
    assert times(done.options.out) == before
    assert sum("which was the last" in line for line in report.lines) == 4
    assert not any(line.startswith("training on") for line in report.lines)
    assert again is not None
    assert repr(again.rows) == repr(done.found.rows)
    assert repr(again.paired) == repr(done.found.paired)


def test_rows(done):
    assert [(row.name, row.role, len(row.runs)) for row in done.found.rows] == [
        ("majority class", "baseline", 1),
        ("gene proximity", "baseline", 1),
        ("random forest", "baseline", 1),
        ("motif scan", "baseline", 1),
        ("vplot", "network", 2),
        ("vplot+sequence", "network", 2),
        ("replicate", "ceiling", 1),
    ]
    assert done.found.full == "vplot+sequence"
    assert done.found.seeds == SEEDS
    assert done.found.notes == ()


def accuracy(found: LabelledSites, shares: np.ndarray, index: np.ndarray) -> float:
    index = index[found.states[index] >= 0]
    return accuracy_score(found.states[index], shares[:2, index].argmax(axis=0))


def auprc(found: LabelledSites, shares: np.ndarray, index: np.ndarray) -> float:
    index = index[found.binary[0, index] >= 0]
    return average_precision_score(found.binary[0, index], shares[2, index])


@pytest.mark.parametrize("subset", SUBSETS)
def test_figures_and_intervals_are_means_over_the_seeds(done, subset):
    (row,) = (row for row in done.found.rows if row.name == subset)
    for figure, estimate, single in (
        (accuracy, row.scores.states.accuracy, [run.states.accuracy for run in row.runs]),
        (auprc, row.scores.binary[0].auprc, [run.binary[0].auprc for run in row.runs]),
    ):
        slow = []
        for seed in SEEDS:
            found, shares = run_sites(done, subset, seed)
            assert len(np.unique(found.blocks)) == 6
            slow.append(
                bootstrap(
                    found.blocks,
                    lambda index, f=figure, s=found, p=shares: f(s, p, index),
                    DRAWS,
                )
            )
        for bound in ("value", "low", "high"):
            expected = [getattr(item, bound) for item in slow]
            assert [getattr(item, bound) for item in single] == pytest.approx(expected)
            assert getattr(estimate, bound) == pytest.approx(np.mean(expected))
    values = [run.binary[0].auprc.value for run in row.runs]
    assert values[0] != values[1]


def gain(done: Done, name: str, figure: str, label: str = ""):
    (test,) = (test for test in done.found.paired if test.second == name)
    (item,) = (item for item in test.differences if (item.figure, item.label) == (figure, label))
    return item


@pytest.mark.parametrize(("key", "figure"), [("accuracy", accuracy), ("auprc", auprc)])
def test_gains_average_the_seeds_within_each_resample(done, key, figure):
    runs = {subset: [run_sites(done, subset, seed) for seed in SEEDS] for subset in SUBSETS}

    def difference(index):
        full, other = ([figure(*run, index) for run in runs[subset]] for subset in SUBSETS[::-1])
        return np.mean(np.subtract(full, other))

    slow = bootstrap(runs["vplot"][0][0].blocks, difference, DRAWS)
    found = gain(done, "vplot", key, "TF" if key == "auprc" else "").difference
    assert (found.value, found.low, found.high) == pytest.approx((slow.value, slow.low, slow.high))


def test_a_baseline_stands_against_every_seed(toy, done):
    (majority,) = (row for row in done.found.rows if row.name == "majority class")
    share = majority.scores.states.accuracy.value
    truth = run_sites(done, "vplot", 1)[0].states
    # closed is the more frequent one on the training contig.
    assert share == pytest.approx((truth[truth >= 0] == 1).mean())
    (full,) = (row for row in done.found.rows if row.name == done.found.full)
    expected = np.mean([run.states.accuracy.value for run in full.runs]) - share
    assert gain(done, "majority class", "accuracy").difference.value == pytest.approx(expected)
    names = [test.second for test in done.found.paired]
    assert names == ["majority class", "gene proximity", "random forest", "motif scan", "vplot"]


def test_the_ceiling_is_the_agreement_of_the_second_labels(toy, done):
    (ceiling,) = (row for row in done.found.rows if row.role == "ceiling")
    known = run_sites(done, "vplot", 1)[0]
    read = {
        name: [
            line.split("\t")[3] == "closed"
            for line in (toy.folder / f"{name}.bed").read_text().splitlines()
            if line.startswith("chr3")
        ]
        for name in ("states", "again")
    }
    scored = known.states >= 0
    first, second = (np.array(read[name])[scored] for name in ("states", "again"))
    assert 0.5 < np.mean(first == second) < 1
    assert ceiling.scores.states.accuracy.value == pytest.approx(np.mean(first == second))
    every = [(c, at) for c in LENGTHS for at in toy.planted[c]]
    even = {at // BIN for chrom, at in every[::2] if chrom == "chr3"}
    (label,) = ceiling.scores.binary
    expected = f1_score(toy.truth("chr3")[scored], np.array([k in even for k in range(60)])[scored])
    assert (label.name, label.f1.value) == ("TF", pytest.approx(expected))


def test_files(done, tmp_path):
    paths = write_ablation(done.found, tmp_path, "A <toy>", 'name = "toy"', {"torch": "9"})
    assert [path.name for path in paths] == [f"ablation.{k}" for k in ("tsv", "md", "json", "html")]
    with paths[0].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    by_key = {
        (r["inputs"], r["seed"], r["figure"], r["label"]): [r["value"], r["low"], r["high"]]
        for r in rows
    }
    assert len(by_key) == len(rows)
    for row in done.found.rows:
        for seed, run in zip(SEEDS if row.role == "network" else ("",), row.runs, strict=True):
            for item in run.binary:
                key = (row.name, str(seed), "auprc", item.name)
                if row.role == "ceiling":
                    assert key not in by_key
                    continue
                numbers = [item.auprc.value, item.auprc.low, item.auprc.high]
                assert [float(cell) for cell in by_key[key]] == pytest.approx(numbers, rel=1e-3)
            assert ((row.name, str(seed), "accuracy", "") in by_key) == (run.states is not None)
    record = json.loads(paths[2].read_text())
    assert [len(row["runs"]) for row in record["rows"].values()] == [1, 1, 1, 1, 2, 2, 1]
    assert record["rows"]["vplot"]["mean"] == to_json(done.found.rows[4].scores)
    assert list(record["gains"])[-1] == "vplot+sequence over vplot"
    assert record["seeds"] == [1, 5]
    inputs = record["provenance"].pop("inputs")
    assert record["provenance"] == {"torch": "9"}
    assert [name for name in inputs if name.startswith(("start", "replicate"))] == [
        *("start sites", "replicate states", "replicate TF"),
    ]
    assert inputs["atac"]["file"] == "toy.fragments.tsv"
    page = paths[3].read_text(encoding="utf-8")
    for text in ("A &lt;toy&gt;", "means over 2 seeds", "vplot+sequence against vplot"):
        assert text in page, text
    assert page.count("<svg") > 5
    # The states' own titles, from the model's spec.
    assert "open chromatin" in page
    sections = paths[1].read_text(encoding="utf-8").split(":\n\n")
    assert [part.splitlines()[-1] for part in sections[:-1]] == [
        "AUPRC of each label",
        "F1",
        "Pearson correlation (log1p)",
        "vplot+sequence minus each other, paired on the same resamples",
    ]


def test_cells_tell_the_mean_the_interval_and_the_spread(done):
    header, rows = table(done.found, ("accuracy", "macro_f1", "auprc"))
    assert header == ["inputs", "accuracy", "macro-F1", "TF", "Odd"]
    cells = {row[0]: row[1:] for row in rows}
    assert list(cells) == [row.name for row in done.found.rows]
    (row,) = (row for row in done.found.rows if row.name == "vplot")
    mean, values = row.scores.binary[0].auprc, [run.binary[0].auprc.value for run in row.runs]
    assert cells["vplot"][2] == (
        f"{mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}] ({min(values):.3f}-{max(values):.3f})"
    )
    assert cells["motif scan"][0] == "–"
    assert cells["motif scan"][3] == "–"  # Odd has no motif
    assert "(" not in cells["random forest"][0]
    assert cells["replicate"][2:] == ["–", "–"]


def test_terminal_tables(done):
    tables = {item.caption: item for item in terminal_tables(done.found)}
    assert list(tables) == [
        "means over the seeds, 95 % intervals of one run",
        "AUPRC",
        "F1",
        "Pearson correlation (log1p)",
        "vplot+sequence minus each other, paired on the same resamples",
    ]
    head, ranked, called, signal, gains = tables.values()
    assert head.header == ("inputs", "accuracy", "macro-F1", "mean AUPRC")
    means = {row[0]: row[3] for row in head.rows}
    (row,) = (row for row in done.found.rows if row.name == "vplot")
    assert means["vplot"] == f"{np.mean([b.auprc.value for b in row.scores.binary]):.3f}"
    # Of one label only, it would not be comparable.
    assert means["motif scan"] == means["replicate"] == "–"
    assert [row[0] for row in ranked.rows] == [row.name for row in done.found.rows[:-1]]
    assert called.rows[-1][0] == "replicate"
    assert [row[0] for row in signal.rows] == ["vplot", "vplot+sequence"]
    cells = {(row[0], row[1]): row[2] for row in gains.rows}
    found = gain(done, "vplot", "accuracy").difference
    assert cells["vplot", "accuracy"].startswith(f"{found.value:+.3f} [{found.low:+.3f},")
    assert ("motif scan", "accuracy") not in cells


def test_a_run_of_other_settings_is_not_taken_up(done):
    before = times(done.options.out)
    config = replace(done.config, network=replace(done.config.network, hidden=8))
    changed = replace(done.options, tss=None, subsets=("vplot",))
    with pytest.raises(ChromputerError, match=r"network.hidden was 16, now 8") as caught:
        ablation(config, changed, Silent())
    (note,) = caught.value.__notes__
    folder = done.options.out / "runs" / "vplot" / "seed1"
    assert note == (
        f"vplot, seed 1: to train it from the beginning, remove {folder} or name another folder "
        f"with --out"
    )
    assert times(done.options.out) == before

"""Ablations of other configurations, on networks as they begin: what is scored and refused."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scored_sites import load_sites
from toy_training import BIN, LENGTHS, Lines, Toy, make_samples, make_toy, shorter

from chromputer_tracks.analysis.ablate import study
from chromputer_tracks.analysis.ablate.run import terminal_tables, write_ablation
from chromputer_tracks.analysis.ablate.study import ablation
from chromputer_tracks.analysis.evaluate.run import ceiling_sites
from chromputer_tracks.errors import InputError, OutputError
from chromputer_tracks.evaluation import baselines
from chromputer_tracks.io.run import Silent
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
    return make_toy(tmp_path_factory.mktemp("toy"))


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
    with pytest.raises(OutputError, match="does not exist; make it first"):
        ablation(config, wanted(tmp_path / "none" / "out"), Silent())
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
    monkeypatch.setattr(study, "sample_baselines", lambda *given: pytest.fail("not for these"))
    told = Lines()
    assert ablation(config, wanted(tmp_path / "out", seeds=(1, 2)), told) is None
    assert [seed for seed, _ in untrained] == [1, 1, 1, 2, 2, 2]
    assert told.lines == []
    assert not list(tmp_path.rglob("*.npz"))

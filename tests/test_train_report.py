"""The report of a training run: its epoch, its pictures, what it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from toy_training import Toy, make_samples, make_toy, shorter

from chromputer_tracks.analysis.report import page as train_report
from chromputer_tracks.analysis.report.blocks import ReportData
from chromputer_tracks.analysis.report.page import write_training_report
from chromputer_tracks.evaluation.scores import score
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.experiment import Experiment
from chromputer_tracks.model.sources import open_sources
from chromputer_tracks.model.training import Trained, model_spec, run_provenance


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


def untrained(config: TrainConfig, folder: Path) -> Trained:
    """What comes of training, with the network as it begins and no logs."""
    with open_sources(config) as sources:
        experiment = Experiment(config, sources)
        network = experiment.network()
        network.keep_binary(len(config.binary))
        sites = experiment.sites(network, config.splits.test)
        provenance = run_provenance(config, sources, "chromputer train toy.toml")
        spec = model_spec(config, sources, sources.heads, {}, provenance)
    scores = score(sites, spec.heads, draws=5)
    (folder / "training").mkdir(parents=True)
    return Trained(config, spec, folder, 0.0, sites, scores, {"majority class": scores})


@pytest.fixture(scope="module")
def trained(toy, tmp_path_factory) -> Trained:
    return untrained(toy.config(), tmp_path_factory.mktemp("models") / "toy")


def write_log(trained: Trained, scores: Sequence[str]) -> None:
    rows = ["epoch,step,train_loss,validation_score,learning_rate,validation_TF"]
    rows += [f"{n},{8 * n},{9 - n},{score},0.001,{score}" for n, score in enumerate(scores, 1)]
    (trained.folder / "training" / "metrics.csv").write_text("\n".join(rows) + "\n")


@pytest.fixture
def written(monkeypatch) -> list[ReportData]:
    """Reports are kept and not written."""
    kept: list[ReportData] = []
    monkeypatch.setattr(train_report, "write_report", lambda path, data: kept.append(data))
    return kept


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        (["0.1", "0.3", "0.2"], 2),
        (["0.3", "0.3", "0.2"], 1),  # the first of equal ones, as training has it
        (["nan", "0.3", "0.2"], 2),
        (["nan", "-0.5", "nan", "-0.4"], 4),
        (["0.3", "nan"], 1),
        (["nan", "nan"], 1),
        (["0.3"], 1),
    ],
)
def test_the_epoch_is_the_one_that_training_kept(toy, trained, written, scores, best):
    write_log(trained, scores)
    config = replace(toy.config(), states=None)
    write_training_report(replace(trained, scores=replace(trained.scores, states=None)), config, "")
    (data,) = written
    assert data.best_epoch == best
    assert len(data.history) == len(scores)


def test_a_page_of_a_run(toy, trained):
    write_log(trained, ["0.1", "0.3"])
    text = (toy.folder / "toy.toml").read_text()
    path = write_training_report(trained, toy.config(), text)
    assert path == trained.folder / "training" / "report.html"
    page = path.read_text(encoding="utf-8")
    for words in (
        "Training run",
        "A toy.",
        "epoch 2 chosen",
        "majority class",
        "open chromatin",
        "sequence_channels = 8",
        trained.spec.provenance["inputs"]["fasta"]["sha256"],
    ):
        assert words in page, words
    # Aggregate V-plots of both states, true and predicted.
    assert "Aggregate V-plot of open, open chromatin" in page
    assert page.count("Aggregate V-plot of") == 4


def test_vplots_of_every_assay_of_the_only_training_sample(toy, trained, written):
    write_log(trained, ["0.1"])
    config = toy.config()
    fragments = {
        "atac": toy.folder / "toy.fragments.tsv",
        "mnase": toy.folder / "toy.fragments.tsv",
    }
    both = replace(
        config,
        data=replace(config.data, fragments=None, assays=fragments),
        inputs=replace(config.inputs, vplots=("atac", "mnase")),
    )
    write_training_report(trained, both, "")
    assert [item.title for item in written[0].vplots] == ["atac", "mnase"]
    # One state in each pair; sites are the test contig's.
    for plots in written[0].vplots:
        assert [pair.label.name for pair in plots.pairs] == ["open", "closed"]
        assert sum(pair.sites for pair in plots.pairs) == (trained.sites.states >= 0).sum()


def test_several_samples_have_no_vplots(toy, written, tmp_path):
    config = shorter(load_config(make_samples(toy)), 1)
    trained = untrained(config, tmp_path / "samples")
    write_log(trained, ["0.1"])
    write_training_report(trained, config, "")
    assert written[0].vplots == ()
    assert written[0].models[0].sites.contigs == ("chr3 (A)", "chr3 (B)")
    # One sample that is learnt from, though another is scored: its V-plots are of it.
    one = replace(config, samples=(config.samples[0], config.samples[2]))
    alone = untrained(one, tmp_path / "one")
    write_log(alone, ["0.1"])
    write_training_report(alone, one, "")
    assert [item.title for item in written[1].vplots] == ["atac"]

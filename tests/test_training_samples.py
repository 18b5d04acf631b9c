"""Training on several samples of different depth and labels, which share the network."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scored_sites import load_sites
from sklearn.metrics import average_precision_score
from toy_training import Run, Toy, make_samples, make_toy, shorter, train

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.inference.session import load_model
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.dataset import SegmentDataset
from chromputer_tracks.model.experiment import Experiment
from chromputer_tracks.model.sources import open_sources


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def config(toy) -> TrainConfig:
    return shorter(load_config(make_samples(toy)), 6)


@pytest.fixture(scope="module")
def run(config, tmp_path_factory) -> Run:
    return train(config, tmp_path_factory.mktemp("models") / "samples", write=True)


def test_the_model_of_several_samples_loads(run):
    spec = load_model(run.trained.folder).spec
    assert spec.to_json() == run.spec.to_json()
    assert 0 < run.trained.parity < 1e-4
    assert [item.name for item in spec.inputs] == ["sequence", "vplot", "cuts"]
    assert [head.name for head in spec.heads] == [
        *("states", "binary", "signal_poisson", "signal_mse")
    ]
    assert run.lines[0] == (
        "training on 1 contig of 2 samples: 360 sites, 130 segments an epoch; 2 states, "
        "2 binary labels, 2 continuous labels"
    )
    assert list(spec.provenance["inputs"]) == [
        *("fasta", "state table", "A atac", "A states", "A TF", "A Odd", "A Pol2", "A RNA"),
        *("B atac", "B TF", "B Pol2", "B RNA", "C atac", "C TF", "C Pol2"),
    ]


def test_the_samples_sites_are_pooled_under_names_of_their_own(toy, run):
    sites, _ = load_sites(run.trained.folder / "training" / "test.npz")
    assert sites.contigs == ("chr3 (A)", "chr3 (B)")
    assert np.bincount(sites.contig).tolist() == [60, 60]
    one, other = (sites.on([contig]) for contig in sites.contigs)
    assert (one.states != UNKNOWN).all()
    assert (other.states == UNKNOWN).all()
    assert one.binary[0].tolist() == toy.truth("chr3").tolist()
    assert (other.binary[0] <= one.binary[0]).all()
    assert 0 < other.binary[0].sum() < one.binary[0].sum()
    assert (other.binary[1] == UNKNOWN).all()
    factor, odd = run.spec.metrics["test"]["model"]["binary"]
    assert (factor["sites"], factor["positives"]) == (120, (sites.binary[0] == 1).sum())
    assert (odd["sites"], odd["positives"]) == (60, one.binary[1].sum())
    value = average_precision_score(sites.binary[0], sites.logits[2])
    assert factor["auprc"]["value"] == pytest.approx(value, abs=1e-4)


def test_a_sample_is_told_from_the_other_by_its_fragments(toy, run):
    sites, _ = load_sites(run.trained.folder / "training" / "test.npz")
    one, other = (sites.on([contig]) for contig in sites.contigs)
    for sample in (one, other):
        assert average_precision_score(sample.binary[0], sample.logits[2]) > 0.7
    # Words that are bound in A and not in B: the same sequence, other fragments.
    changed = (one.binary[0] == 1) & (other.binary[0] == 0)
    assert changed.sum() > 3
    assert (one.logits[2, changed] - other.logits[2, changed]).mean() > 1
    # A's signal is a hundredfold of B's, and yet both are predicted in one unit.
    pearson, explained = (
        run.spec.metrics["test"]["model"]["continuous"][0][key]["value"]
        for key in ("pearson", "explained")
    )
    assert pearson > 0.7
    assert explained > 0.5
    means = [sample.continuous[0].mean() for sample in (one, other)]
    assert 0.3 < means[0] / means[1] < 3


def test_a_sample_that_is_only_scored_is_predicted_as_well(config, run):
    with open_sources(config) as sources:
        experiment = Experiment(config, sources)
        scored = sources.samples[2]
        sites = experiment.sites(run.network, ["chr3"], [scored])
        labels = experiment.labels(["chr3"], [scored])
        drawn = {segment.sample for segment in experiment._plan.segments(0)}
        assert experiment.training_sites.contigs == ("chr1 (A)", "chr1 (B)")
    assert sites.contigs == ("chr3",)
    assert drawn == {0, 1}
    assert sites.logits.shape == (6, 60)
    np.testing.assert_array_equal(labels.binary, sites.binary)
    assert average_precision_score(sites.binary[0], sites.logits[2]) > 0.7


def test_prior_shifts_count_each_sample_s_own_segments(config):
    with open_sources(config) as sources:
        experiment = Experiment(config, sources)
        dataset = SegmentDataset(
            [sample.features for sample in sources.training_samples],
            [sample.learnt for sample in sources.training_samples],
            sources.sizes,
            config.network.grid,
        )
        segments = experiment._plan.segments(0)
        drawn = np.concatenate([dataset[s]["binary"].numpy() for s in segments], axis=1)
        known = experiment.training_sites.binary
        shifts = experiment._prior_shifts()
    for shift, seen, every in zip(shifts, drawn, known, strict=True):
        odds = [((row == 1).sum() + 0.5) / ((row == 0).sum() + 0.5) for row in (every, seen)]
        assert shift == pytest.approx(np.log(odds[0] / odds[1]))
    # Both samples know TF, one of them Odd.
    assert (known != UNKNOWN).sum(axis=1).tolist() == [360, 180]


def test_the_same_seed_gives_the_same_model_of_several_samples(config, tmp_path):
    short = shorter(config, 1)
    runs = [
        train(short, tmp_path / name, write=False, seed=seed)
        for name, seed in (("one", 3), ("again", 3), ("other", 4))
    ]
    one, again, other = (run.network.state_dict() for run in runs)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["fuse.0.weight"], other["fuse.0.weight"])
    specs = [json.loads(run.spec.to_json()) for run in runs]
    assert specs[0]["metrics"] == specs[1]["metrics"]

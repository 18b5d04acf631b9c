"""Figures on held-out contigs: against scikit-learn, examples by hand and simulations."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score
from torch import nn
from toy_genome import toy_genome

from chromputer_tracks.data.features import Features
from chromputer_tracks.data.labels import UNKNOWN, LabelSet, Mask, PeakLabels, StateLabels
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.intervals import Grid
from chromputer_tracks.model.dataset import SegmentDataset, site_segments
from chromputer_tracks.model.evaluation import (
    Sites,
    average_precision,
    bootstrap,
    mean_average_precision,
    predict_sites,
    score_sites,
    state_scores,
)
from chromputer_tracks.spec import InputSpec


def test_average_precision_by_hand():
    # Ranked: positive, negative, positive, negative: (1/1 + 2/3) / 2.
    truth = np.array([0, 1, 1, 0, UNKNOWN])
    scores = np.array([0.1, 0.4, 0.9, 0.5, 7.0])
    assert average_precision(truth, scores) == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_against_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(-1, 2, 300)
    scores = rng.normal(truth, 1.5).round(1)  # with ties
    known = truth != UNKNOWN
    expected = average_precision_score(truth[known], scores[known])
    assert average_precision(truth, scores) == pytest.approx(expected)


def test_average_precision_without_a_positive_is_nan():
    assert np.isnan(average_precision(np.array([0, 0, UNKNOWN]), np.zeros(3)))
    assert np.isnan(average_precision(np.array([UNKNOWN]), np.zeros(1)))


def test_a_random_ranking_reaches_the_prevalence():
    rng = np.random.default_rng(0)
    truth = (rng.random(50_000) < 0.05).astype(np.int64)
    assert average_precision(truth, rng.random(50_000)) == pytest.approx(0.05, abs=0.005)


def test_state_scores_ignore_unknown():
    truth = np.array([0, 0, 1, 2, UNKNOWN, UNKNOWN])
    called = np.array([0, 1, 1, 0, 2, 1])
    logits = np.eye(3, dtype=np.float32)[called].T
    found = state_scores(logits, truth)
    assert found["accuracy"] == 0.5
    # F1 of state 0: 1 of 2 found, 1 of 2 right: 1/2; of state 1: 1 of 1, 1 of 2: 2/3; of 2: 0.
    assert found["macro_f1"] == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    known = truth != UNKNOWN
    expected = f1_score(truth[known], called[known], average="macro", zero_division=0)
    assert found["macro_f1"] == pytest.approx(expected)


def test_macro_f1_is_over_the_states_that_occur():
    logits = np.eye(4, dtype=np.float32)[[0, 1, 3]].T
    # State 3 is called once but never true: it lowers state 1, and is no class of its own.
    assert state_scores(logits, np.array([0, 1, 1]))["macro_f1"] == pytest.approx((1 + 2 / 3) / 2)


def test_state_scores_with_nothing_known():
    found = state_scores(np.zeros((2, 3), dtype=np.float32), np.full(3, UNKNOWN))
    assert np.isnan(found["accuracy"])
    assert np.isnan(found["macro_f1"])


def test_bootstrap_draws_whole_blocks():
    blocks = np.array([0, 1, 1, 0, 2, 2, 2])
    draws = []

    def score(index):
        counts = np.bincount(index, minlength=7)
        draws.append(counts)
        return float(len(index))

    found = bootstrap(blocks, score, draws=50)
    *resampled, whole = draws
    assert whole.tolist() == [1] * 7
    assert found.value == 7
    per_block = []
    for counts in resampled:
        of_block = [set(counts[blocks == b].tolist()) for b in range(3)]
        assert all(len(times) == 1 for times in of_block)
        per_block.append([times.pop() for times in of_block])
        assert sum(per_block[-1]) == 3
    assert len({tuple(row) for row in per_block}) > 5


def test_bootstrap_is_fixed_by_its_seed():
    blocks = np.repeat(np.arange(30), 4)
    values = np.random.default_rng(1).normal(size=120)

    def mean(index):
        return float(values[index].mean())

    assert bootstrap(blocks, mean) == bootstrap(blocks, mean)
    assert bootstrap(blocks, mean) != bootstrap(blocks, mean, seed=1)


def test_bootstrap_covers_the_truth():
    # Sites of a block share an effect, as neighbouring bins do.
    rng = np.random.default_rng(3)
    covered, sites_covered = 0, 0
    for _ in range(100):
        blocks = np.repeat(np.arange(60), 8)
        values = np.repeat(rng.normal(0.5, 1, 60), 8) + rng.normal(0, 0.2, 480)

        def mean(index, values=values):
            return float(values[index].mean())

        found = bootstrap(blocks, mean, draws=150)
        covered += found.low <= 0.5 <= found.high
        alone = bootstrap(np.arange(480), mean, draws=150)
        sites_covered += alone.low <= 0.5 <= alone.high
    assert 87 <= covered <= 100
    # Drawing single sites would promise too much.
    assert sites_covered < 70


def test_bootstrap_leaves_nan_draws_out():
    blocks = np.arange(4)
    truth = np.array([1, 0, 0, 0])

    def score(index):
        return average_precision(truth[index], np.array([4.0, 3, 2, 1])[index])

    found = bootstrap(blocks, score)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
    nothing = bootstrap(blocks, lambda index: float("nan"))
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()


def simulated(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    states = rng.integers(-1, 3, n)
    logits = rng.normal(0, 1, (5, n))
    logits[states.clip(0), np.arange(n)] += 1.5 * (states >= 0)
    binary = (rng.random((2, n)) < [[0.1], [0.02]]).astype(np.int64)
    logits[3:] += 2 * binary
    binary[:, ::7] = UNKNOWN
    return Sites(logits.astype(np.float32), states, binary, np.arange(n) // 50, 3)


def softmax(logits):
    weights = np.exp(logits.astype(np.float64))
    return weights / weights.sum(axis=0)


def test_mean_average_precision_is_over_all_labels():
    sites = simulated()
    known = sites.states != UNKNOWN
    scores = [
        average_precision_score(sites.states[known] == row, softmax(sites.logits[:3])[row][known])
        for row in range(3)
    ]
    for row in range(2):
        known = sites.binary[row] != UNKNOWN
        scores.append(
            average_precision_score(sites.binary[row][known], sites.logits[3 + row][known])
        )
    assert mean_average_precision(sites) == pytest.approx(np.mean(scores), rel=1e-6)


def test_mean_average_precision_with_one_head():
    sites = simulated()
    binary = Sites(sites.logits[3:], sites.states, sites.binary, sites.blocks, 0)
    expected = [average_precision(sites.binary[row], sites.logits[3 + row]) for row in range(2)]
    assert mean_average_precision(binary) == pytest.approx(np.mean(expected))
    states = Sites(sites.logits[:3], sites.states, sites.binary[:0], sites.blocks, 3)
    assert 0.4 < mean_average_precision(states) < 1


def test_mean_average_precision_with_nothing_to_score_is_an_error():
    sites = Sites(np.zeros((1, 3), dtype=np.float32), np.empty(0), np.zeros((1, 3)), np.zeros(3), 0)
    with pytest.raises(ConfigError, match="no label has a positive"):
        mean_average_precision(sites)


def test_score_sites():
    sites = simulated()
    scan = (sites.logits[4] + 1).astype(np.float32)
    lenient = np.where(np.roll(sites.binary, 1, axis=1) == 1, UNKNOWN, sites.binary)
    figures = score_sites(sites, lenient, ["S1", "S2", "S3"], ["A", "B"], 1, {"B": scan})
    states, binary = figures["states"], figures["binary"]
    known = sites.states != UNKNOWN
    called = sites.logits[:3].argmax(axis=0)
    assert states["sites"] == known.sum()
    value, low, high = states["accuracy"]
    assert value == pytest.approx((called == sites.states)[known].mean(), abs=1e-4)
    assert low < value < high
    assert states["majority_accuracy"] == pytest.approx((sites.states[known] == 1).mean(), abs=1e-4)
    prevalence = (sites.states[known] == 1).mean()
    assert states["majority_macro_f1"] == pytest.approx(
        2 * prevalence / (1 + prevalence) / 3, abs=1e-4
    )
    for row, name in enumerate(["S1", "S2", "S3"]):
        entry = states["per_state"][name]
        expected = average_precision_score(
            sites.states[known] == row, softmax(sites.logits[:3])[row][known]
        )
        assert entry["auprc"][0] == pytest.approx(expected, abs=1e-4)
        assert entry["prevalence"] == pytest.approx((sites.states[known] == row).mean(), abs=1e-5)
    for row, name in enumerate(["A", "B"]):
        truth = sites.binary[row]
        kept = truth != UNKNOWN
        assert binary[name]["positives"] == (truth == 1).sum()
        assert binary[name]["prevalence"] == pytest.approx(truth[kept].mean(), abs=1e-5)
        expected = average_precision_score(truth[kept], sites.logits[3 + row][kept])
        assert binary[name]["auprc"][0] == pytest.approx(expected, abs=1e-4)
        kept = lenient[row] != UNKNOWN
        expected = average_precision_score(lenient[row][kept], sites.logits[3 + row][kept])
        assert binary[name]["auprc_flanks_masked"][0] == pytest.approx(expected, abs=1e-4)
    assert "motif_scan_auprc" not in binary["A"]
    assert binary["B"]["motif_scan_auprc"] == binary["B"]["auprc"]


class CountsBase(nn.Module):
    """Logit k: how often base k occurs in the window; a sliding model with a known answer."""

    def __init__(self, window: int, stride: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(4)[:, :, None].repeat(1, 1, window))
        self.stride = stride

    def forward(self, sequence):
        counts = nn.functional.conv1d(sequence, self.weight, stride=self.stride)
        return counts, counts


def test_predicted_sites_belong_to_their_bins():
    genome = toy_genome({"a": 41_050, "b": 950})
    grid = Grid(300, 50)
    states = StateLabels.from_segments([("a", 0, 20_000, 1), ("b", 400, 800, 0)])
    peaks = (PeakLabels.from_peaks([("a", 5_000), ("b", 399)], 200, 0),)
    labels = LabelSet(states, peaks, Mask({}, {}))
    features = Features((InputSpec("sequence", "dna"),), genome)
    dataset = SegmentDataset(features, labels, genome.sizes, grid)
    network = CountsBase(300, 50).train()
    segments = site_segments(genome.sizes, ["a", "b"], 200, 50, sites=30)
    found = predict_sites(network, dataset, segments, ["dna"], 50, 200, 3)
    assert not network.training
    centres = [("a", 100 + 200 * k) for k in range(205)] + [("b", 100 + 200 * k) for k in range(4)]
    assert found.logits.shape == (4, len(centres))
    assert found.number_of_states == 3
    for index, (chrom, centre) in enumerate(centres):
        bases = genome.bases[chrom][max(centre - 150, 0) : centre + 150].tobytes()
        assert found.logits[:, index].tolist() == [bases.count(b) for b in (b"A", b"C", b"G", b"T")]
        if chrom == "a":
            assert found.states[index] == (1 if centre < 20_000 else UNKNOWN)
        else:
            assert found.states[index] == (0 if centre in (500, 700) else UNKNOWN)
        assert found.binary[0, index] == ((chrom, centre) in {("a", 5100), ("b", 300)})
    expected = [c // 20_000 if chrom == "a" else 3 for chrom, c in centres]
    assert found.blocks.tolist() == expected


def test_contigs_without_a_whole_bin_are_an_error():
    with pytest.raises(ConfigError, match="hold no whole bin of 200 bp"):
        predict_sites(CountsBase(300, 50), None, [], ["dna"], 50, 200, 0)  # type: ignore[arg-type]

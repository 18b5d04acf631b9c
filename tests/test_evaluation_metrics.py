"""Figures: against scikit-learn and scipy, on sites repeated by hand, and examples by hand."""

import dataclasses

import numpy as np
import pytest
from scipy.special import softmax
from scored_sites import plain_sites, simulated
from sklearn.metrics import average_precision_score, f1_score

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.evaluation.metrics import (
    average_precision,
    bootstrap,
    mean_average_precision,
    state_scores,
)


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


def test_mean_average_precision_is_over_all_labels():
    sites = simulated()
    known = sites.states != UNKNOWN
    scores = [
        average_precision_score(
            sites.states[known] == row, softmax(sites.logits[:3], axis=0)[row][known]
        )
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
    binary = dataclasses.replace(sites, logits=sites.logits[3:], number_of_states=0)
    expected = [average_precision(sites.binary[row], sites.logits[3 + row]) for row in range(2)]
    assert mean_average_precision(binary) == pytest.approx(np.mean(expected))
    states = dataclasses.replace(sites, logits=sites.logits[:3], binary=sites.binary[:0])
    assert 0.4 < mean_average_precision(states) < 1


def test_mean_average_precision_with_nothing_to_score_is_an_error():
    sites = plain_sites(np.zeros((1, 3)), binary=np.zeros((1, 3)))
    with pytest.raises(ConfigError, match="no label has a positive"):
        mean_average_precision(sites)


# ---- Block bootstrap: whole blocks, fixed by the seed, and intervals that hold the truth.


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

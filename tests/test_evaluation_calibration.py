"""Calibration: known scales and biases found again, and probabilities that mean what they say."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored_sites import plain_sites

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.evaluation.sites import (
    best_threshold,
    calibrate,
    fit_platt,
    fit_temperature,
    prior_shift,
)
from chromputer_tracks.spec import HeadSpec, Label

RED = (255, 0, 0)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def binary_sample(n, scale, bias, seed=0, spread=2.0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, spread, n)
    truth = (rng.random(n) < sigmoid(scale * logits + bias)).astype(np.int64)
    return logits.astype(np.float32), truth


@pytest.mark.parametrize(("scale", "bias"), [(1.0, 0.0), (0.6, -2.0), (1.8, 1.0), (0.8, -4.0)])
def test_platt_finds_scale_and_bias_with_much_data(scale, bias):
    found = fit_platt(*binary_sample(200_000, scale, bias), shift=0.0)
    assert found == pytest.approx((scale, bias), abs=0.06)


def test_platt_leaves_unknown_sites_out():
    logits, truth = binary_sample(20_000, 0.7, -1.0)
    extra = np.full(5000, 8.0, dtype=np.float32)
    unknown = np.full(5000, UNKNOWN, dtype=np.int64)
    alone = fit_platt(logits, truth, -1.0)
    among = fit_platt(np.concatenate([extra, logits]), np.concatenate([unknown, truth]), -1.0)
    assert among == pytest.approx(alone, rel=1e-6)


def test_platt_without_data_is_the_prior():
    nothing = np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64)
    assert fit_platt(*nothing, shift=-3.2) == pytest.approx((1.0, -3.2))
    logits = np.array([2.0, -1.0], dtype=np.float32)
    unknown = np.array([UNKNOWN, UNKNOWN])
    assert fit_platt(logits, unknown, shift=-3.2) == pytest.approx((1.0, -3.2))


def test_platt_with_one_positive_stays_near_the_prior():
    logits = np.array([6.0, -4, -5, -6, -3], dtype=np.float32)
    scale, bias = fit_platt(logits, np.array([1, 0, 0, 0, 0]), shift=-1.0)
    assert 0.7 < scale < 1.5
    assert -1.3 < bias < -0.7


def test_platt_of_extreme_logits_is_finite():
    logits = np.array([3000.0, -3000, 2500, -90], dtype=np.float32)
    scale, bias = fit_platt(logits, np.array([1, 0, 0, 1]), shift=-9.0)
    assert np.isfinite([scale, bias]).all()
    assert scale > 0


def test_prior_shift_by_hand():
    # odds 1:99 in the genome, 1:3 in the batches: ln((1/99) / (1/3)) = ln(1/33)
    assert prior_shift(0.01, 0.25) == pytest.approx(-np.log(33))
    assert prior_shift(0.2, 0.2) == 0


def test_probabilities_are_calibrated_after_a_prior_shift():
    # Two normals 2 apart: the right log odds are 2 x - 2 plus the prior's. A network trained
    # where 30 % are positive says 2 x - 2 + logit(0.3); the genome has 2 %.
    rng = np.random.default_rng(5)
    n, true, sampled = 400_000, 0.02, 0.3
    truth = (rng.random(n) < true).astype(np.int64)
    x = rng.normal(2.0 * truth, 1.0)
    logits = (2 * x - 2 + np.log(sampled / (1 - sampled))).astype(np.float32)
    half = n // 2
    scale, bias = fit_platt(logits[:half], truth[:half], prior_shift(true, sampled))
    probability = sigmoid(logits[half:] * scale + bias)
    held_out = truth[half:]
    assert probability.mean() == pytest.approx(held_out.mean(), rel=0.1)
    for low, high in [(0.0, 0.02), (0.02, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.0)]:
        chosen = (probability >= low) & (probability < high)
        error = np.sqrt(high * (1 - low) / chosen.sum())
        assert chosen.sum() > 100
        assert abs(held_out[chosen].mean() - probability[chosen].mean()) < 3 * error + 0.002
    # Uncorrected it would say far too much.
    assert sigmoid(logits[half:]).mean() > 3 * held_out.mean()


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.5])
def test_temperature_is_found(scale):
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 1.5, (4, 60_000)).astype(np.float32)
    weights = np.exp(scale * logits)
    cut = np.cumsum(weights / weights.sum(axis=0), axis=0)
    states = (rng.random(60_000) > cut).sum(axis=0).astype(np.int64).clip(0, 3)
    assert fit_temperature(logits, states) == pytest.approx(scale, rel=0.03)
    unknown = states.copy()
    unknown[::2] = UNKNOWN
    logits[:, ::2] = 50
    assert fit_temperature(logits, unknown) == pytest.approx(scale, rel=0.04)


def test_temperature_without_a_known_state_is_an_error():
    logits = np.zeros((3, 5), dtype=np.float32)
    with pytest.raises(ConfigError, match="no chromatin state is known on the validation contigs"):
        fit_temperature(logits, np.full(5, UNKNOWN))


def expected_f1(probabilities, threshold):
    called = probabilities >= threshold
    found = probabilities[called].sum()
    return 2 * found / (called.sum() + probabilities.sum())


@given(
    st.lists(
        st.floats(0.001, 1.0) | st.sampled_from([0.1, 0.25, 0.5]),
        min_size=1,
        max_size=40,
    )
)
def test_best_threshold_against_brute_force(values):
    probabilities = np.array(values)
    best = max(expected_f1(probabilities, t) for t in values)
    found = expected_f1(probabilities, best_threshold(probabilities))
    assert found == pytest.approx(best, rel=1e-9)


def test_best_threshold_is_best_for_the_true_f1_when_calibrated():
    logits, truth = binary_sample(100_000, 1.0, -3.0)
    probabilities = sigmoid(logits.astype(np.float64) - 3)

    def f1(threshold):
        called = probabilities >= threshold
        return 2 * (called & (truth == 1)).sum() / (called.sum() + truth.sum())

    best = max(f1(t) for t in np.linspace(0.01, 0.99, 99))
    assert f1(best_threshold(probabilities)) == pytest.approx(best, abs=0.01)


def heads():
    states = HeadSpec("states", "states", (Label("S1", "one", RED), Label("S2", "two", RED)))
    binary = HeadSpec("binary", "binary", (Label("A", "a", RED), Label("B", "b", RED)))
    return states, binary


def test_calibrate_treats_each_label_with_its_own_rows():
    rng = np.random.default_rng(0)
    n = 40_000
    states = rng.integers(0, 2, n)
    # A network twice as sure as it may be: log odds 2 (2 s - 1) + noise, given doubled.
    margin = rng.normal(2.0 * (2 * states - 1), 2.0)
    first, truth_first = binary_sample(n, 0.7, -1.0, seed=1)
    second, truth_second = binary_sample(n, 1.4, -3.0, seed=2)
    sites = plain_sites(
        [-margin, margin, first, second], states, np.stack([truth_first, truth_second])
    )
    head, binary = calibrate(heads(), sites, (-1.0, -3.0))
    # Log odds of N(2, 2) against N(-2, 2) are margin; the logits say 2 * margin.
    assert [label.scale for label in head.labels] == pytest.approx([0.5, 0.5], rel=0.05)
    assert [label.bias for label in head.labels] == [0, 0]
    one, other = binary.labels
    assert (one.scale, one.bias) == pytest.approx((0.7, -1.0), abs=0.06)
    assert (other.scale, other.bias) == pytest.approx((1.4, -3.0), abs=0.12)
    for label, logits in ((one, first), (other, second)):
        expected = best_threshold(sigmoid(logits.astype(np.float64) * label.scale + label.bias))
        assert label.threshold == pytest.approx(expected, rel=2e-3)
    assert (one.name, one.title, one.color) == ("A", "a", RED)


def test_a_hopeless_label_does_not_call_everything():
    # Probabilities of 1e-6 to 1e-5: a threshold rounded to 0 would call every bin.
    logits = np.linspace(-1, 1, 1000).astype(np.float32)
    sites = plain_sites(logits[None], binary=np.zeros((1, 1000)))
    head = HeadSpec("binary", "binary", (Label("A", "a", RED),))
    ((label,),) = (h.labels for h in calibrate((head,), sites, (-12.0,)))
    probabilities = sigmoid(logits * label.scale + label.bias)
    assert label.threshold > 0
    assert label.threshold == pytest.approx(best_threshold(probabilities), rel=1e-2)


def test_masked_sites_do_not_move_the_threshold():
    logits, truth = binary_sample(5000, 1.0, -2.0)
    masked = np.full(5000, UNKNOWN, dtype=np.int64)

    def threshold(x, y):
        sites = plain_sites(x[None], binary=y[None])
        head = HeadSpec("binary", "binary", (Label("A", "a", RED),))
        return calibrate((head,), sites, (-2.0,))[0].labels[0].threshold

    high = np.full(5000, 9.0, dtype=np.float32)
    alone = threshold(logits, truth)
    assert threshold(np.concatenate([logits, high]), np.concatenate([truth, masked])) == alone


def test_a_label_known_nowhere_is_an_error():
    unknown = np.full((1, 4), UNKNOWN)
    sites = plain_sites(np.zeros((1, 4)), binary=unknown)
    head = HeadSpec("binary", "binary", (Label("A", "a", RED),))
    with pytest.raises(ConfigError, match="label A is known nowhere on the validation contigs"):
        calibrate((head,), sites, (0.0,))


def test_labels_of_several_heads_keep_their_rows_and_continuous_heads_are_left():
    rng = np.random.default_rng(0)
    first, truth_first = binary_sample(40_000, 0.7, -1.0, seed=1)
    second, truth_second = binary_sample(40_000, 1.4, -3.0, seed=2)
    truth = np.stack([truth_first, truth_second])
    sites = plain_sites([first, second, rng.normal(size=40_000)], binary=truth)
    sites = dataclasses.replace(sites, number_of_states=0)
    found = calibrate(
        (
            HeadSpec("binary", "one", (Label("A", "a", RED),)),
            HeadSpec("binary", "other", (Label("B", "b", RED),)),
            HeadSpec("continuous", "signal", (Label("C", "c", RED),), "log"),
        ),
        sites,
        (-1.0, -3.0),
    )
    assert found[0].labels[0].scale == pytest.approx(0.7, abs=0.06)
    assert found[1].labels[0].scale == pytest.approx(1.4, abs=0.12)
    assert found[2].labels[0] == Label("C", "c", RED)


def test_what_is_not_predicted_is_left():
    logits, truth = binary_sample(20_000, 0.7, -1.0)
    rows = np.full((4, 20_000), np.nan)
    rows[2] = logits
    sites = plain_sites(rows, states=truth, binary=np.stack([truth, truth]))
    states, binary = heads()
    found = calibrate((states, binary), sites, (-1.0, -1.0))
    assert found[0] == states
    assert found[1].labels[0].scale == pytest.approx(0.7, abs=0.06)
    assert found[1].labels[1] == binary.labels[1]

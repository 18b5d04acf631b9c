"""Figures on resampled sites: against scikit-learn and scipy on sites repeated by hand."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from scored_sites import heads, plain_sites, simulated
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    d2_tweedie_score,
    f1_score,
    precision_recall_curve,
    r2_score,
    roc_auc_score,
)

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.data.probabilities import probabilities
from chromputer_tracks.evaluation import metrics, resamples
from chromputer_tracks.evaluation.resamples import Resamples, bootstrap
from chromputer_tracks.evaluation.scoring import score
from chromputer_tracks.spec import HeadSpec, Label


def drawn(resampled: Resamples):
    """Weights of the sites in each resample, the sites as they are first."""
    return [row[resampled.blocks] for row in resampled.counts]


@st.composite
def ranked(draw):
    n = draw(st.integers(2, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    decimals = draw(st.sampled_from([0, 1, 8]))  # many, few, no ties
    scores = rng.normal(size=n).round(decimals).astype(draw(st.sampled_from(["f4", "f8"])))
    positive = rng.random(n) < draw(st.sampled_from([0.05, 0.5, 0.9]))
    positive[rng.integers(n)] = True
    blocks = np.unique(rng.integers(0, draw(st.integers(1, 12)), n), return_inverse=True)[1]
    return positive, scores, Resamples.draw(blocks.astype(np.int64), 12, int(rng.integers(99)))


@given(ranked())
@settings(max_examples=60)
def test_rank_against_scikit_learn(case):
    positive, scores, resampled = case
    found = metrics.rank(positive, scores, resampled)
    for row, weight in enumerate(drawn(resampled)):
        true_weight = weight[positive].sum()
        if not true_weight:
            assert np.isnan(found.auprc[row])
            continue
        expected = average_precision_score(positive, scores, sample_weight=weight)
        assert found.auprc[row] == pytest.approx(expected)
        if weight[~positive].sum():
            expected = roc_auc_score(positive, scores, sample_weight=weight)
            assert found.auroc[row] == pytest.approx(expected)
        else:
            assert np.isnan(found.auroc[row])
        precision, recall, _ = precision_recall_curve(positive, scores, sample_weight=weight)
        for level in (0.5, 0.9):
            reached = recall[:-1][precision[:-1] >= level]
            expected = reached.max(initial=0)
            assert found.recall_at[level][row] == pytest.approx(expected)


def test_the_curve_is_scikit_learn_s_where_recall_rises():
    rng = np.random.default_rng(0)
    positive = rng.random(100) < 0.3
    scores = rng.normal(positive).round(1)
    found = metrics.rank(positive, scores, Resamples.draw(np.arange(100), 1)).pr
    precision, recall, _ = precision_recall_curve(positive, scores)
    rising = np.flatnonzero(np.diff(recall) < 0)
    np.testing.assert_allclose(found.x, recall[rising][::-1])
    np.testing.assert_allclose(found.y, precision[rising][::-1])


def test_a_long_curve_is_thinned_to_its_ends():
    rng = np.random.default_rng(0)
    found = metrics.rank(
        np.ones(5000, bool),
        rng.normal(size=5000),
        Resamples.draw(np.arange(5)[np.zeros(5000, int)], 1),
    ).pr
    assert len(found.x) == 200
    assert (found.x[0], found.x[-1], set(found.y)) == (1 / 5000, 1.0, {1.0})


def test_chunks_of_resamples_do_not_matter(monkeypatch):
    sites = simulated(500)
    whole = score(sites, heads(), draws=50)
    monkeypatch.setattr(resamples, "_CHUNK", 1100)  # three rows
    assert score(sites, heads(), draws=50) == whole


def known_rows(sites, head_specs):
    """Truth and calibrated probability of each binary label at its known sites."""
    values = probabilities(sites.logits, head_specs)
    for row in range(len(sites.binary)):
        known = sites.binary[row] != UNKNOWN
        yield known, sites.binary[row][known], values[sites.number_of_states + row][known]


def test_score_equals_the_slow_bootstrap():
    """Every figure and interval: each resample made by repeating sites, scored by a library."""
    sites, head_specs, draws, seed = simulated(1200), heads(), 40, 3
    found = score(sites, head_specs, draws, seed)
    blocks = sites.blocks
    assert len(np.unique(blocks)) == 24

    def check(estimate, figure, mask):
        """``figure`` of the known sites among those drawn."""
        at = np.cumsum(mask) - 1  # site to row among the known ones

        def of(index):
            kept = at[index[mask[index]]]
            return figure(kept)

        slow = bootstrap(blocks, of, draws, seed)
        values = (estimate.value, estimate.low, estimate.high)
        assert values == pytest.approx((slow.value, slow.low, slow.high), abs=1e-9)

    values = probabilities(sites.logits, head_specs)
    known = sites.states != UNKNOWN
    truth, shares = sites.states[known], values[:3, known]
    called = shares.argmax(axis=0)
    states = found.states
    assert states.sites == known.sum()
    check(states.accuracy, lambda i: accuracy_score(truth[i], called[i]), known)
    check(states.macro_f1, lambda i: f1_score(truth[i], called[i], average="macro"), known)
    assert states.confusion == tuple(map(tuple, confusion_matrix(truth, called).tolist()))
    for row, label in enumerate(states.labels):
        assert (label.name, label.positives) == (f"S{row}", (truth == row).sum())
        check(
            label.auprc,
            lambda i, r=row: average_precision_score(truth[i] == r, shares[r][i]),
            known,
        )
        check(label.f1, lambda i, r=row: f1_score(truth[i] == r, called[i] == r), known)

    for label, threshold, rows in zip(
        found.binary, (0.2, 0.1), known_rows(sites, head_specs), strict=True
    ):
        known, truth, shares = rows
        assert (label.sites, label.positives) == (known.sum(), truth.sum())
        check(label.auprc, lambda i, t=truth, p=shares: average_precision_score(t[i], p[i]), known)
        check(label.auroc, lambda i, t=truth, p=shares: roc_auc_score(t[i], p[i]), known)
        check(
            label.f1,
            lambda i, t=truth, p=shares, cut=threshold: f1_score(t[i], p[i] >= cut),
            known,
        )

    (signal,) = found.continuous
    known = ~np.isnan(sites.continuous[0])
    observed, predicted = sites.continuous[0][known].astype(float), values[5][known].astype(float)
    assert signal.sites == known.sum()
    logs = np.log1p(observed), np.log1p(predicted)
    check(signal.pearson, lambda i: pearsonr(logs[0][i], logs[1][i]).statistic, known)
    check(signal.spearman, lambda i: spearmanr(observed[i], predicted[i]).statistic, known)
    check(signal.explained, lambda i: d2_tweedie_score(observed[i], predicted[i], power=1), known)


def test_variance_explained_against_scikit_learn():
    rng = np.random.default_rng(0)
    observed = rng.gamma(2, size=300)
    predicted = observed + rng.normal(size=300)
    resampled = Resamples.draw(np.arange(300) // 10, 20)
    found = metrics.variance_explained(observed, predicted, resampled)
    for value, weight in zip(found, drawn(resampled), strict=True):
        assert value == pytest.approx(r2_score(observed, predicted, sample_weight=weight))


def test_a_log1p_head_is_scored_on_its_own_scale():
    sites = simulated(400)
    head = HeadSpec("continuous", "signal", (Label("C", "", (0, 0, 0)),), "log1p")
    logits = np.abs(sites.logits[5:])
    only = dataclasses.replace(sites, logits=logits, binary=sites.binary[:0], number_of_states=0)
    found = score(only, (head,), draws=5)
    known = ~np.isnan(sites.continuous[0])
    expected = r2_score(np.log1p(sites.continuous[0][known]), logits[0][known])
    assert found.continuous[0].explained.value == pytest.approx(expected, abs=1e-5)
    assert found.states is None
    assert found.binary == ()


def test_constants_have_no_correlation():
    constant, rising = np.ones(20), np.arange(20.0)
    resampled = Resamples.draw(np.arange(20), 3)
    assert np.isnan(metrics.pearson(constant, rising, resampled)).all()
    assert np.isnan(metrics.spearman(constant, rising, resampled)).all()
    assert np.isnan(metrics.variance_explained(constant, rising, resampled)).all()


def test_reliability_against_scikit_learn():
    rng = np.random.default_rng(1)
    predicted = rng.random(3001)
    positive = rng.random(3001) < predicted**2
    found = metrics.reliability(positive, predicted, Resamples.draw(np.arange(3001) // 10, 20))
    observed, mean = calibration_curve(positive, predicted, n_bins=15, strategy="quantile")
    np.testing.assert_allclose(found.predicted, mean, atol=1e-3)
    np.testing.assert_allclose(found.observed, observed, atol=1e-2)
    assert sum(found.sites) == 3001
    assert max(found.sites) - min(found.sites) <= 1
    gaps = np.abs(np.subtract(found.observed, found.predicted))
    assert found.error.value == pytest.approx(np.average(gaps, weights=found.sites))
    # E|p^2 - p| over uniform p is 1/6.
    assert found.error.value == pytest.approx(1 / 6, abs=0.02)
    assert found.error.low < 1 / 6 < found.error.high


def test_equal_probabilities_share_a_bin():
    positive = np.array([True, False, False, False] * 10)
    found = metrics.reliability(positive, np.full(40, 0.5), Resamples.draw(np.arange(40), 4))
    assert (found.predicted, found.observed, found.sites) == ((0.5,), (0.25,), (40,))
    assert found.error.value == 0.25


def test_what_cannot_be_scored_is_left_out():
    logits = np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32)
    logits[4] = np.nan
    binary = np.zeros((3, 40), dtype=int)
    binary[0, :5] = binary[2, :5] = 1
    sites = plain_sites(logits, states=np.arange(40) % 2, binary=binary)
    names = [Label(name, "", (0, 0, 0)) for name in "ABC"]
    head_specs = (
        HeadSpec("binary", "tfs", tuple(names)),
        HeadSpec("states", "states", (Label("S", "", (0, 0, 0)), Label("T", "", (0, 0, 0)))),
    )
    found = score(sites, head_specs, draws=10)
    assert [label.name for label in found.binary] == ["A"]  # B has no positive, C no prediction
    assert found.states.sites == 40
    unknown = dataclasses.replace(sites, states=np.full(40, UNKNOWN))
    assert score(unknown, head_specs, draws=10).states is None


def test_states_that_do_not_occur_are_in_the_table_only():
    states = np.array([0, 0, 1, 1, 0, 1])
    logits = np.zeros((3, 6), dtype=np.float32)
    logits[[0, 2, 1, 1, 0, 0], np.arange(6)] = 4
    head = HeadSpec("states", "states", tuple(Label(n, "", (0, 0, 0)) for n in "STU"))
    found = score(plain_sites(logits, states=states), (head,), draws=10).states
    assert found.confusion == ((2, 0, 1), (1, 2, 0), (0, 0, 0))
    assert [label.name for label in found.labels] == ["S", "T"]
    assert found.macro_f1.value == pytest.approx((2 / 3 + 4 / 5) / 2)


@pytest.mark.parametrize("name", ["pearson", "spearman", "variance_explained", "poisson_explained"])
def test_a_resample_without_a_known_site_has_no_correlation(name):
    # The label is known in the first of four blocks alone.
    blocks = np.repeat(np.arange(4), 5)
    everywhere = Resamples.draw(blocks, 200)
    known = blocks == 0
    rng = np.random.default_rng(0)
    values = getattr(metrics, name)(rng.random(5), rng.random(5), everywhere.select(known))
    drawn = everywhere.counts[:, 0] > 0
    assert 0 < (~drawn).sum() < 200
    assert np.isnan(values[~drawn]).all()
    assert np.isfinite(values[drawn]).all()

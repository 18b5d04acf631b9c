"""Scores of a model, means over seeds, their plain values, and paired tests of two models."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import replace

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

from chromputer_tracks.data.features import probabilities
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import FormatError, InputError
from chromputer_tracks.evaluation import metrics
from chromputer_tracks.evaluation.metrics import DRAWS, Estimate, Resamples, bootstrap
from chromputer_tracks.evaluation.scores import Scores, mean_scores, score, to_json
from chromputer_tracks.evaluation.scores import paired as paired_runs
from chromputer_tracks.evaluation.sites import BLOCK, LabelledSites
from chromputer_tracks.records import from_plain
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
    monkeypatch.setattr(metrics, "_CHUNK", 1100)  # three rows
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
    only = replace(sites, logits=logits, binary=sites.binary[:0], number_of_states=0)
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
    unknown = replace(sites, states=np.full(40, UNKNOWN))
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


# ---- Means of scores over seeds, against means of the single figures.


@pytest.fixture(scope="module")
def runs() -> list[Scores]:
    """Three networks on the same sites."""
    sites = simulated(900)
    found = []
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(0, 1, sites.logits.shape)
        noisy = replace(sites, logits=(sites.logits + noise).astype(np.float32))
        found.append(score(noisy, heads(), draws=20))
    return found


def figures(scores: Scores) -> dict[str, Estimate]:
    """Every estimate of scores by where it stands."""
    found: dict[str, Estimate] = {}

    def visit(value: object, place: str) -> None:
        if isinstance(value, Estimate):
            found[place] = value
        elif dataclasses.is_dataclass(value):
            for item in dataclasses.fields(value):
                visit(getattr(value, item.name), f"{place}.{item.name}")
        elif isinstance(value, dict):
            for key, item in value.items():
                visit(item, f"{place}.{key}")
        elif isinstance(value, tuple):
            for row, item in enumerate(value):
                visit(item, f"{place}.{getattr(item, 'name', row)}")

    visit(scores, "")
    return found


def test_every_estimate_and_bound_is_averaged(runs):
    mean, single = figures(mean_scores(runs)), [figures(run) for run in runs]
    assert mean.keys() == single[0].keys()
    assert {".states.accuracy", ".binary.B.recall_at.0.9", ".continuous.C.explained"} < set(mean)
    for place, found in mean.items():
        for bound in ("value", "low", "high"):
            values = [getattr(run[place], bound) for run in single]
            assert getattr(found, bound) == pytest.approx(sum(values) / 3), place
    assert len({run[".states.accuracy"].value for run in single}) == 3


def test_counts_are_rounded_means_and_curves_those_of_the_first_run(runs):
    mean = mean_scores(runs)
    assert mean.states is not None
    confusions = np.array([run.states.confusion for run in runs])
    expected = np.floor(confusions.mean(axis=0) + 0.5)
    assert np.abs(np.array(mean.states.confusion) - expected).max() <= 0.5
    assert isinstance(mean.states.confusion[0][0], int)
    assert mean.states.sites == runs[0].states.sites
    assert [label.name for label in mean.binary] == ["A", "B"]
    for found, first in zip(mean.binary, runs[0].binary, strict=True):
        assert found.pr == first.pr
        # Bins are averaged neither where they are the same number nor where they are not.
        assert replace(found.reliability, error=first.reliability.error) == first.reliability


def test_one_run_is_its_own_mean(runs):
    assert mean_scores(runs[:1]) == runs[0]


def test_what_is_not_a_number_in_one_run_has_no_mean(runs):
    (label,) = runs[1].continuous
    broken = replace(label, pearson=Estimate(0.5, math.nan, math.nan))
    mean = mean_scores([runs[0], replace(runs[1], continuous=(broken,))]).continuous[0]
    assert mean.pearson.value == pytest.approx((runs[0].continuous[0].pearson.value + 0.5) / 2)
    assert math.isnan(mean.pearson.low)
    assert math.isnan(mean.pearson.high)
    assert mean.spearman.value == pytest.approx(
        (runs[0].continuous[0].spearman.value + label.spearman.value) / 2
    )


def test_labels_are_matched_by_name(runs):
    """A label that one run lacks is the mean over the others, and does not shift its neighbours."""
    one, two, three = runs
    lacking = replace(two, binary=two.binary[1:], states=None)
    mean = mean_scores([lacking, one, three])
    by_name = {label.name: label.auprc.value for label in mean.binary}
    rows = [[run.binary[row].auprc.value for run in (one, two, three)] for row in range(2)]
    assert by_name == pytest.approx({"A": (rows[0][0] + rows[0][2]) / 2, "B": np.mean(rows[1])})
    assert mean.states is not None
    accuracies = [run.states.accuracy.value for run in (one, three)]
    assert mean.states.accuracy.value == pytest.approx(np.mean(accuracies))


def test_nothing_scored_stays_nothing():
    empty = Scores(None, (), ())
    assert mean_scores([empty, empty]) == empty


# ---- Scores in JSON: plain values, four digits, NaN as null, and back.


def close(one, other):
    """Equal but for the digits that are not written."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, float):
        return one == pytest.approx(other, rel=6e-4)
    return one == other


def test_scores_are_read_back():
    scores = score(simulated(800), heads(), draws=30)
    raw = to_json(scores)
    text = json.dumps(raw, allow_nan=False)
    found = from_plain(Scores, json.loads(text))
    assert to_json(found) == raw
    assert type(found) is Scores
    assert type(found.states.labels[0].reliability.error) is Estimate
    assert type(found.binary[1].recall_at["0.9"]) is Estimate
    assert found.states.confusion == scores.states.confusion
    assert close(raw["binary"][0]["auprc"]["low"], scores.binary[0].auprc.low)
    assert found.continuous[0].pearson.value == pytest.approx(
        scores.continuous[0].pearson.value, rel=6e-4
    )


def test_four_digits_count():
    raw = to_json(Estimate(0.123456, 0.0000123456, 98765.4))
    assert raw == {"value": 0.1235, "low": 1.235e-05, "high": 98770.0}
    assert to_json({"n": 123456, "x": (1, "a", None)}) == {"n": 123456, "x": [1, "a", None]}


def test_nan_is_null_and_back():
    assert to_json(Estimate(math.nan, math.inf, 0.5)) == {"value": None, "low": None, "high": 0.5}
    scores = score(simulated(800), heads(), draws=5)
    raw = to_json(scores)
    raw["binary"][0]["auprc"]["value"] = None
    assert math.isnan(from_plain(Scores, raw).binary[0].auprc.value)


def test_no_heads():
    assert from_plain(Scores, to_json(Scores(None, (), ()))) == Scores(None, (), ())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({}, "key 'states' is missing"),
        ({"states": 3, "binary": [], "continuous": []}, "states.* must be a table, got 3"),
    ],
)
def test_other_json_is_an_error(spoil, message):
    with pytest.raises(FormatError, match=message):
        from_plain(Scores, spoil)


# ---- Paired tests: same resamples, right intervals, honest p-values.


def worse(sites, seed=1):
    noise = np.random.default_rng(seed).normal(0, 1, sites.logits.shape)
    return replace(sites, logits=(sites.logits + noise).astype(np.float32))


def by_name(differences):
    return {(item.figure, item.label): item for item in differences}


def paired(one, one_heads, other, other_heads, draws=DRAWS, seed=0):
    """Of one run each."""
    return paired_runs([(one, one_heads)], [(other, other_heads)], draws, seed)


def test_a_model_equals_itself():
    sites = simulated(600)
    for item in paired(sites, heads(), sites, heads(), draws=50):
        assert item.difference == replace(item.difference, value=0, low=0, high=0)
        assert item.p == 1


def test_differences_equal_the_slow_bootstrap():
    one, draws, seed = simulated(1200), 60, 2
    other = worse(one)
    found = by_name(paired(one, heads(), other, heads(), draws, seed))
    assert set(found) == {
        ("accuracy", ""),
        ("macro_f1", ""),
        ("auprc", "A"),
        ("auprc", "B"),
        ("mean_auprc", ""),
    }
    first, second = (probabilities(sites.logits, heads()) for sites in (one, other))

    def check(key, figure):
        slow = bootstrap(one.blocks, figure, draws, seed)
        fast = found[key].difference
        values = fast.value, fast.low, fast.high
        assert values == pytest.approx((slow.value, slow.low, slow.high), abs=1e-9)

    def of_states(metric):
        def figure(index):
            index = index[one.states[index] != UNKNOWN]
            truth = one.states[index]
            scores = [metric(truth, rows[:3, index].argmax(axis=0)) for rows in (first, second)]
            return scores[0] - scores[1]

        return figure

    def gain(index, row):
        index = index[one.binary[row, index] != UNKNOWN]
        truth = one.binary[row, index]
        scores = [average_precision_score(truth, rows[3 + row, index]) for rows in (first, second)]
        return scores[0] - scores[1]

    check(("accuracy", ""), of_states(accuracy_score))
    check(("macro_f1", ""), of_states(lambda t, c: f1_score(t, c, average="macro")))
    check(("auprc", "A"), lambda index: gain(index, 0))
    check(("auprc", "B"), lambda index: gain(index, 1))
    check(("mean_auprc", ""), lambda index: (gain(index, 0) + gain(index, 1)) / 2)


def test_the_other_way_round_the_sign_changes():
    one = simulated(1200)
    other = worse(one)
    forth, back = (
        by_name(paired(*pair, draws=200))
        for pair in ((one, heads(), other, heads()), (other, heads(), one, heads()))
    )
    for key, item in forth.items():
        assert back[key].difference.value == pytest.approx(-item.difference.value)
        assert back[key].difference.low == pytest.approx(-item.difference.high)
        assert back[key].p == item.p
    assert forth["accuracy", ""].difference.low > 0
    assert forth["accuracy", ""].p == pytest.approx(2 / 201)


def test_calibration_of_the_states_does_not_change_the_calls():
    sites = simulated(600)
    states, *others = heads()
    hot = replace(states, labels=tuple(replace(label, scale=3.0) for label in states.labels))
    found = by_name(paired(sites, heads(), sites, (hot, *others), draws=20))
    assert found["accuracy", ""].difference.value == 0


def test_p_values_are_uniform_where_models_are_equally_good():
    """Errors come in whole blocks: a test that takes sites as independent would reject often."""
    rng = np.random.default_rng(0)
    head = (HeadSpec("states", "states", tuple(Label(n, "", (0, 0, 0)) for n in "ST")),)
    rejected = 0
    for _ in range(200):
        states = rng.integers(0, 2, 400)
        pair = []
        for _ in range(2):
            right = np.repeat(rng.random(40) < 0.7, 10)
            called = np.where(right, states, 1 - states)
            sites = plain_sites(np.eye(2)[called].T, states=states)
            pair.append(replace(sites, centre=np.arange(400) * (BLOCK // 10)))
        found = by_name(paired(pair[0], head, pair[1], head, draws=200))
        rejected += found["accuracy", ""].p <= 0.05
    assert 2 <= rejected <= 24  # 10 expected


def test_only_common_bins_and_labels_count():
    sites = simulated(600)
    keep = np.arange(600) % 3 != 0
    other = worse(sites).select(keep)
    other.logits[4] = np.nan
    found = by_name(paired(sites, heads(), other, heads(), draws=20))
    assert ("auprc", "B") not in found
    expected = [
        score(each, heads(), draws=1).states.accuracy.value for each in (sites.select(keep), other)
    ]
    assert found["accuracy", ""].difference.value == pytest.approx(expected[0] - expected[1])
    assert found["mean_auprc", ""].difference == found["auprc", "A"].difference


def test_other_labels_are_an_error():
    sites = simulated(100)
    other = replace(sites, binary=1 - sites.binary)
    with pytest.raises(InputError, match="binary labels differ"):
        paired(sites, heads(), other, heads())


# ---- Paired tests over several seeds: means of the single pairs, resample by resample.


TRUTH = simulated(900)


def run(noise: float, seed: int) -> tuple[LabelledSites, tuple]:
    drawn = np.random.default_rng(seed).normal(0, noise, TRUTH.logits.shape)
    return replace(TRUTH, logits=(TRUTH.logits + drawn).astype(np.float32)), heads()


ONES = [run(0.3, seed) for seed in range(3)]
OTHERS = [run(1.5, seed) for seed in range(3, 6)]


def test_differences_are_means_of_the_single_pairs():
    found = by_name(paired_runs(ONES, OTHERS, draws=30))
    single = [
        by_name(paired(*one, *other, draws=30)) for one, other in zip(ONES, OTHERS, strict=True)
    ]
    assert (
        found.keys()
        == single[0].keys()
        == {
            *(("accuracy", ""), ("macro_f1", ""), ("mean_auprc", "")),
            *(("auprc", "A"), ("auprc", "B")),
        }
    )
    for key, item in found.items():
        values = [pair[key].difference.value for pair in single]
        assert item.difference.value == pytest.approx(np.mean(values))
        assert len(set(values)) == 3


def test_intervals_and_p_are_of_the_mean_over_the_pairs_in_each_resample():
    draws, seed = 60, 4
    found = by_name(paired_runs(ONES, OTHERS, draws, seed))
    shares = [[probabilities(of.logits, h) for of, h in runs] for runs in (ONES, OTHERS)]

    def accuracy(rows, index):
        index = index[TRUTH.states[index] != UNKNOWN]
        return accuracy_score(TRUTH.states[index], rows[:3, index].argmax(axis=0))

    def auprc(rows, index):
        index = index[TRUTH.binary[0, index] != UNKNOWN]
        return average_precision_score(TRUTH.binary[0, index], rows[3, index])

    for key, figure in ((("accuracy", ""), accuracy), (("auprc", "A"), auprc)):
        drawn: list[float] = []

        def difference(index, figure=figure, drawn=drawn):
            one, other = ([figure(rows, index) for rows in runs] for runs in shares)
            drawn.append(np.mean(one) - np.mean(other))
            return drawn[-1]

        slow = bootstrap(TRUTH.blocks, difference, draws, seed)
        fast = found[key].difference
        assert (fast.value, fast.low, fast.high) == pytest.approx((slow.value, slow.low, slow.high))
        # The sites as they are come last.
        side = min(sum(value <= 0 for value in drawn[:-1]), sum(v >= 0 for v in drawn[:-1]))
        assert found[key].p == pytest.approx(min(1, 2 * (side + 1) / (draws + 1)))


def test_one_pair_is_a_paired_test():
    assert paired_runs(ONES[:1], OTHERS[:1], 20, 3) == paired(*ONES[0], *OTHERS[0], 20, 3)


def test_the_noise_of_seeds_averages_out():
    wide, narrow = (
        by_name(paired_runs(ONES[:n], OTHERS[:n], draws=200))["auprc", "A"].difference
        for n in (1, 3)
    )
    assert narrow.high - narrow.low < wide.high - wide.low


def test_a_label_that_one_run_lacks_is_left_out():
    sites, its_heads = OTHERS[1]
    logits = sites.logits.copy()
    logits[4] = np.nan
    others = [OTHERS[0], (replace(sites, logits=logits), its_heads), OTHERS[2]]
    found = by_name(paired_runs(ONES, others, draws=5))
    assert ("auprc", "B") not in found
    assert ("auprc", "A") in found


def test_as_many_runs_of_each_kind():
    with pytest.raises(ValueError, match="shorter"):
        paired_runs(ONES, OTHERS[:2])


def test_sites_of_one_block_prove_nothing():
    few = np.arange(40)
    one, other = (replace(runs[0][0].select(few)) for runs in (ONES, OTHERS))
    assert not one.blocks.any()
    for item in paired(one, heads(), other, heads(), draws=50):
        assert item.p == 1
        assert math.isnan(item.difference.low)
        assert math.isnan(item.difference.high)
        assert math.isfinite(item.difference.value)

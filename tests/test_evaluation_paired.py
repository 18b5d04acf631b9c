"""Paired tests: same resamples, right intervals, honest p-values."""

import dataclasses

import numpy as np
import pytest
from scored_sites import heads, plain_sites, simulated
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.data.probabilities import probabilities
from chromputer_tracks.errors import InputError
from chromputer_tracks.evaluation.paired import paired
from chromputer_tracks.evaluation.resamples import bootstrap
from chromputer_tracks.evaluation.scoring import score
from chromputer_tracks.evaluation.sites import BLOCK
from chromputer_tracks.spec import HeadSpec, Label


def worse(sites, seed=1):
    noise = np.random.default_rng(seed).normal(0, 1, sites.logits.shape)
    return dataclasses.replace(sites, logits=(sites.logits + noise).astype(np.float32))


def by_name(differences):
    return {(item.figure, item.label): item for item in differences}


def test_a_model_equals_itself():
    sites = simulated(600)
    for item in paired(sites, heads(), sites, heads(), draws=50):
        assert item.difference == dataclasses.replace(item.difference, value=0, low=0, high=0)
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
    hot = dataclasses.replace(
        states, labels=tuple(dataclasses.replace(label, scale=3.0) for label in states.labels)
    )
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
            pair.append(dataclasses.replace(sites, centre=np.arange(400) * (BLOCK // 10)))
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
    other = dataclasses.replace(sites, binary=1 - sites.binary)
    with pytest.raises(InputError, match="binary labels differ"):
        paired(sites, heads(), other, heads())

"""The model's answers to a quiz, against enumeration, and its score, against a plain loop."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromputer_tracks.analysis.quiz.answers import (
    balanced_probabilities,
    best_choice,
    chance_of_right_answer,
    model_score,
)
from chromputer_tracks.evaluation.metrics import bootstrap


def test_odds_are_bayes_rule_by_hand():
    probabilities = np.array([[0.6, 0.1], [0.3, 0.1], [0.1, 0.8]], dtype=np.float32)
    frequencies = np.array([0.6, 0.2, 0.2])
    odds = balanced_probabilities(probabilities, frequencies, (0, 1, 2))
    np.testing.assert_allclose(odds[:, 0], [1 / 3, 1.5 / 3, 0.5 / 3], rtol=1e-6)
    # Without the last class, the others share its part.
    odds = balanced_probabilities(probabilities, frequencies, (0, 1))
    np.testing.assert_allclose(odds[:, 0], [1 / 2.5, 1.5 / 2.5, 0], rtol=1e-6)
    assert (odds[2] == 0).all()


def test_odds_of_an_uninformed_model_are_equal():
    frequencies = np.array([0.7, 0.2, 0.1])
    odds = balanced_probabilities(frequencies[:, None].astype(np.float32), frequencies, (0, 1, 2))
    np.testing.assert_allclose(odds, 1 / 3, rtol=1e-6)


@given(
    st.integers(2, 6).flatmap(
        lambda k: st.tuples(
            st.just(k),
            st.integers(2, k),
            st.lists(
                st.tuples(st.lists(st.integers(0, 3), min_size=k, max_size=k), st.integers(0, 9)),
                min_size=1,
                max_size=6,
            ),
        )
    )
)
def test_chances_against_all_ways_to_draw_the_choices(case):
    classes, choices, rows = case
    offered = tuple(range(0, 2 * classes, 2))  # with classes between that are not asked
    odds = np.zeros((2 * classes, len(rows)))
    odds[list(offered)] = np.array([values for values, _ in rows], dtype=float).T
    truth = np.array([offered[place % classes] for _, place in rows])
    expected = []
    for column, true in zip(odds.T, truth.tolist(), strict=True):
        others = [code for code in offered if code != true]
        right = [
            best_choice(column, sorted([true, *wrong])) == true
            for wrong in combinations(others, choices - 1)
        ]
        expected.append(np.mean(right))
    np.testing.assert_allclose(chance_of_right_answer(odds, truth, offered, choices), expected)


@pytest.mark.parametrize("choices", [2, 3])
def test_score_counts_each_class_the_same(choices):
    rng = np.random.default_rng(1)
    n, offered = 400, (0, 2, 3)
    truth = rng.choice(offered, n, p=[0.8, 0.15, 0.05])
    odds = rng.random((4, n))
    odds[truth, np.arange(n)] += 0.4
    blocks = np.arange(n) // 10
    score = model_score(odds, truth, blocks, offered, choices, 300, 7)
    right = chance_of_right_answer(odds, truth, offered, choices)
    assert score.sites == n
    assert score.recall == pytest.approx([right[truth == code].mean() for code in offered])
    assert score.accuracy.value == pytest.approx(np.mean(score.recall))

    def mean_recall(rows):
        return np.nanmean(
            [right[rows][truth[rows] == code].mean() for code in offered if code in truth[rows]]
        )

    slow = bootstrap(blocks, mean_recall, 300, 7)
    assert (score.accuracy.low, score.accuracy.high) == pytest.approx((slow.low, slow.high))
    assert score.accuracy.low < score.accuracy.value < score.accuracy.high


def test_the_first_of_equal_answers_is_taken():
    odds = np.array([0.2, 0.4, 0.4])
    assert best_choice(odds, (0, 1, 2)) == 1
    assert best_choice(odds, (0, 2)) == 2

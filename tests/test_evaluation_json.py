"""Scores in JSON: plain values, four digits, NaN as null, and back."""

import json
import math

import pytest
from scored_sites import heads, simulated

from chromputer_tracks.errors import FormatError
from chromputer_tracks.evaluation.scores import Estimate, Scores, from_json, to_json
from chromputer_tracks.evaluation.scoring import score


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
    found = from_json(json.loads(text), "scores.json")
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
    assert math.isnan(from_json(raw, "x").binary[0].auprc.value)


def test_no_heads():
    assert from_json(to_json(Scores(None, (), ())), "x") == Scores(None, (), ())


@pytest.mark.parametrize("spoil", [{}, {"states": 3, "binary": [], "continuous": []}])
def test_other_json_is_an_error(spoil):
    with pytest.raises(FormatError, match="scores.json does not hold scores"):
        from_json(spoil, "scores.json")

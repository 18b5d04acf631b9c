"""What becomes of logits, head by head, against float64 formulas."""

import numpy as np
import pytest

from chromputer_tracks.data.features import probabilities
from chromputer_tracks.spec import HeadSpec, Label

RED = (255, 0, 0)
HEADS = (
    HeadSpec("continuous", "a", (Label("A", "", RED, 0.5, 1.0), Label("B", "", RED)), "log"),
    HeadSpec("states", "s", (Label("S", "", RED, 2.0), Label("T", "", RED, 2.0))),
    HeadSpec("continuous", "c", (Label("C", "", RED, 1.0, -0.5),), "log1p"),
    HeadSpec("binary", "b", (Label("D", "", RED, 3.0, 1.0),)),
)


def test_each_head_has_its_own_link():
    logits = np.random.default_rng(0).normal(0, 3, (4, 6, 9)).astype(np.float32)
    given = logits.copy()
    found = probabilities(logits, HEADS)
    np.testing.assert_array_equal(logits, given)
    assert found.dtype == np.float32
    z = logits.astype(np.float64)
    np.testing.assert_allclose(found[:, 0], np.exp(z[:, 0] * 0.5 + 1), rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], np.exp(z[:, 1]), rtol=1e-5)
    weights = np.exp(2 * z[:, 2:4])
    np.testing.assert_allclose(found[:, 2:4], weights / weights.sum(1, keepdims=True), rtol=1e-4)
    np.testing.assert_allclose(found[:, 4], np.maximum(np.expm1(z[:, 4] - 0.5), 0), rtol=1e-4)
    assert (found[:, 4] == 0).any()
    np.testing.assert_allclose(found[:, 5], 1 / (1 + np.exp(-3 * z[:, 5] - 1)), rtol=1e-4)


@pytest.mark.parametrize("value", [1e4, -1e4])
def test_extreme_logits_have_their_limits(value):
    found = probabilities(np.full((6, 1), value, dtype=np.float32), HEADS)[:, 0]
    up = value > 0
    assert found.tolist() == [
        *([np.inf if up else 0.0] * 2),
        0.5,
        0.5,
        np.inf if up else 0.0,
        float(up),
    ]

"""Means of scores over seeds, against means of the single figures."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace

import numpy as np
import pytest
from scored_sites import heads, simulated

from chromputer_tracks.evaluation.resamples import mean_scores
from chromputer_tracks.evaluation.scores import Estimate, Scores
from chromputer_tracks.evaluation.scoring import score


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

"""Paired tests over several seeds: means of the single pairs, resample by resample."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scored_sites import heads, simulated
from sklearn.metrics import accuracy_score, average_precision_score

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.data.probabilities import probabilities
from chromputer_tracks.evaluation.paired import paired, paired_runs
from chromputer_tracks.evaluation.resamples import bootstrap
from chromputer_tracks.evaluation.sites import Sites

TRUTH = simulated(900)


def run(noise: float, seed: int) -> tuple[Sites, tuple]:
    drawn = np.random.default_rng(seed).normal(0, noise, TRUTH.logits.shape)
    return replace(TRUTH, logits=(TRUTH.logits + drawn).astype(np.float32)), heads()


ONES = [run(0.3, seed) for seed in range(3)]
OTHERS = [run(1.5, seed) for seed in range(3, 6)]


def by_name(differences):
    return {(item.figure, item.label): item for item in differences}


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

"""Block bootstrap: whole blocks, fixed by the seed, and intervals that hold the truth."""

import numpy as np

from chromputer_tracks.evaluation.metrics import average_precision
from chromputer_tracks.evaluation.resamples import bootstrap


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

"""Elements that stand in for sites where no BED of them is given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import tiny_spec

from chromputer_tracks.analysis.embed.windows import find_elements
from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.genome import Prediction, region_bins
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.spec import HeadSpec, Label

SIZES = ChromSizes({"chr1": 5000, "chr2": 3000}, "toy.fa")


def predictions(values: np.ndarray, cuts: list[int], chrom: str = "chr1") -> list[Prediction]:
    """Bins of 50 bp of one contig of 5,000 bp, handed over in parts."""
    edges = [0, *sorted(set(cuts) - {0, values.shape[1]}), values.shape[1]]
    return [
        Prediction(chrom, 50 * a, min(50 * b, SIZES[chrom]), values[:, a:b])
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]


def slow_elements(states: list[int], tops: list[float]) -> list[tuple[int, int, int, int]]:
    """Start bin, end bin, state and bin of the first maximum of each run."""
    runs, at = [], 0
    while at < len(states):
        end = at
        while end < len(states) and states[end] == states[at]:
            end += 1
        best = max(range(at, end), key=lambda k: (tops[k], -k))
        runs.append((at, end, states[at], best))
        at = end
    return runs


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), min_size=2, max_size=60),
    st.integers(1, 9),
)
def test_elements_are_runs_whatever_the_tiles(bins: list[tuple[int, int]], step: int) -> None:
    values = np.zeros((5, len(bins)), np.float32)
    for k, (state, height) in enumerate(bins):
        values[:3, k] = 0.05
        values[state, k] = 0.3 + height / 10
    states, tops = [s for s, _ in bins], values[:3].max(axis=0).tolist()
    runs = slow_elements(states, tops)
    bases = [sum(b - a for a, b, s, _ in runs if s == state) for state in range(3)]
    background = bases.index(max(bases))
    kept = [run for run in runs if run[2] != background]
    spec = tiny_spec()
    tiles = predictions(values, list(range(step, len(bins), step)))
    if not kept:
        with pytest.raises(InputError, match="predicts no element here .* --regions"):
            find_elements(spec, tiles, {}, SIZES)
        return
    found = find_elements(spec, tiles, {}, SIZES)
    assert found.rule == f"runs of one most likely state, without S{background}"
    sites = found.sites
    got = zip(sites.start, sites.end, sites.names, sites.centre, strict=True)
    assert [(int(a), int(b), n, int(c)) for a, b, n, c in got] == [
        (50 * a, 50 * b, f"S{state}", 50 * best + 25) for a, b, state, best in kept
    ]


def test_elements_end_with_their_contig_and_stay_on_it() -> None:
    spec = tiny_spec()
    values = np.full((5, 2), 0.1, np.float32)
    values[1] = 0.6
    tiles = [
        Prediction("chr1", 4900, 5000, values),
        Prediction("chr2", 0, 90, values),
        Prediction("chr2", 500, 8000, np.repeat(np.eye(5, dtype=np.float32)[:, :1], 150, 1)),
    ]
    sites = find_elements(spec, tiles, {}, SIZES).sites
    assert sites.chroms == ["chr1", "chr2"]
    assert list(zip(sites.start, sites.end, strict=True)) == [(4900, 5000), (0, 90)]
    assert sites.centre.tolist() == [4925, 25]


def test_without_states_an_element_is_a_run_of_calls() -> None:
    spec = tiny_spec(heads=tiny_spec().heads[1:])
    threshold = [label.threshold for label in spec.heads[0].labels]
    assert threshold == [0.6, 0.5]
    tf1 = [0.1, 0.7, 0.65, 0.1, 0.0, 0.6]
    tf2 = [0.2, 0.4, 0.90, 0.4, 0.4, 0.4]
    values = np.array([tf1, tf2], np.float32)
    found = find_elements(spec, predictions(values, [2]), {}, SIZES)
    sites = found.sites
    assert list(zip(sites.start, sites.end, sites.names, sites.centre, strict=True)) == [
        (50, 150, "TF2", 125), (250, 300, "TF1", 275),
    ]  # fmt: skip


def test_of_continuous_labels_alone_all_bins_are_sites() -> None:
    head = HeadSpec("continuous", "signals", (Label("X", "x", (0, 0, 0)),), "log1p")
    spec = tiny_spec(heads=(head,))
    bins = region_bins([Interval("chr2", 2450, 3000), Interval("chr1", 0, 50)], SIZES, spec.grid)
    found = find_elements(spec, iter(()), bins, SIZES)
    assert found.rule == "all bins of 200 bp"
    assert list(zip(found.sites.chroms, found.sites.start, found.sites.end, strict=True)) == [
        ("chr1", 0, 50), ("chr2", 2450, 2650), ("chr2", 2650, 2850), ("chr2", 2850, 3000),
    ]  # fmt: skip

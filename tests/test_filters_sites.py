"""Where filters are looked at, and what is said of motifs: small functions against slow ones."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_models import STRIDE, WINDOW, tiny_spec

from chromputer_tracks.analysis.filters.results import ClassContributions, FilterKey, ranked
from chromputer_tracks.analysis.filters.sites import (
    TopSites,
    drawn_sites,
    filter_classes,
    random_windows,
    unmasked,
)
from chromputer_tracks.data.labels import Mask
from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.explain import head_weights
from chromputer_tracks.intervals import Interval
from chromputer_tracks.spec import HeadSpec, Label, ModelSpec

NOTHING = Mask({}, {})
SIZES = {"chr1": 61, "chr2": 30, "tiny": 1}
"""Bins of each contig; six make a window."""


def spec() -> ModelSpec:
    states, binary = tiny_spec().heads
    marks = HeadSpec("continuous", "marks", (Label("H3", "H3", (0, 0, 9)),), "log")
    return tiny_spec(heads=(states, binary, marks))


def predictions(seed: int) -> dict[str, NDArray[np.float32]]:
    """Rounded, so that there are ties."""
    rng = np.random.default_rng(seed)
    found = {}
    for chrom, bins in SIZES.items():
        states = rng.dirichlet(np.ones(3), bins).T
        others = np.vstack([rng.random((2, bins)), 30 * rng.random((1, bins))])
        found[chrom] = np.vstack([states, others]).round(1).astype(np.float32)
    return found


def slow_top(
    values: dict[str, NDArray[np.float32]], name: str, number: int, mask: Mask
) -> list[Interval]:
    row = ["S0", "S1", "S2", "TF1", "TF2", "H3"].index(name)
    threshold = {"TF1": np.float32(0.6), "TF2": np.float32(0.5)}.get(name)
    found = []
    for chrom in sorted(values):
        for first in range(0, values[chrom].shape[1], WINDOW // STRIDE):
            best = None
            for place in range(first, min(first + WINDOW // STRIDE, values[chrom].shape[1])):
                column = values[chrom][:, place]
                if threshold is not None and column[row] < threshold:
                    continue
                if row < 3 and list(column[:3]).index(max(column[:3])) != row:
                    continue
                if best is None or column[row] > best[0]:
                    best = (column[row], place)
            if best is not None:
                start = best[1] * STRIDE - (WINDOW - STRIDE) // 2
                window = Interval(chrom, start, start + WINDOW)
                if not mask.touches(chrom, window.start, window.end):
                    found.append((-float(best[0]), window))
    return sorted(window for _, window in sorted(found)[:number])


@pytest.mark.parametrize("tile", [1, 4, 7, 100])
@pytest.mark.parametrize("masked", [False, True])
def test_top_sites_equal_slow_search(tile: int, masked: bool) -> None:
    model, values = spec(), predictions(tile)
    mask = Mask.from_intervals([Interval("chr1", 700, 900)]) if masked else NOTHING
    for number in (1, 2, 5, 50):
        top = TopSites(model, filter_classes(model), number, mask)
        for chrom in sorted(values):
            for first in range(0, SIZES[chrom], tile):
                top.add(chrom, first * STRIDE, values[chrom][:, first : first + tile])
        for name, windows in top.result().items():
            assert list(windows) == slow_top(values, name, number, mask), (name, number)


def test_a_class_without_calls_has_no_sites() -> None:
    model = spec()
    top = TopSites(model, filter_classes(model, ("TF1", "S1")), 3, NOTHING)
    values = np.zeros((6, 10), np.float32)
    values[0] = 1
    top.add("chr1", 0, values)
    assert top.result() == {"S1": (), "TF1": ()}


def test_classes_in_the_models_order() -> None:
    model = spec()
    assert [item.name for item in filter_classes(model)] == ["S0", "S1", "S2", "TF1", "TF2", "H3"]
    some = filter_classes(model, ("factors.TF2", "S1"))
    assert [(item.name, item.row) for item in some] == [("S1", 1), ("TF2", 4)]
    np.testing.assert_array_equal(some[1].weights, head_weights(model, "TF2"))
    with pytest.raises(InputError, match="no label 'S9'; it has S0"):
        filter_classes(model, ("S1", "S9"))


def test_labels_of_one_name_are_told_apart() -> None:
    states, binary = tiny_spec().heads
    twin = dataclasses.replace(binary, name="other")
    model = tiny_spec(heads=(states, binary, twin))
    names = [item.name for item in filter_classes(model)]
    assert names[3:] == ["factors.TF1", "factors.TF2", "other.TF1", "other.TF2"]
    assert [item.row for item in filter_classes(model, ("other.TF1",))] == [5]
    with pytest.raises(InputError, match="2 labels 'TF1'"):
        filter_classes(model, ("TF1",))


REGIONS = [Interval("a", 100, 130), Interval("b", 0, 7)]


@given(st.integers(0, 60), st.integers(0, 5))
def test_random_windows_lie_around_different_bases_of_the_regions(number: int, seed: int) -> None:
    windows = random_windows(REGIONS, number, 20, seed)
    centres = [(window.chrom, window.centre) for window in windows]
    assert len(set(centres)) == len(windows) == min(number, 37)
    for chrom, centre in centres:
        assert any(r.chrom == chrom and r.start <= centre < r.end for r in REGIONS)
    assert windows == sorted(windows) == random_windows(REGIONS, number, 20, seed)
    assert {len(window) for window in windows} <= {20}


def test_random_windows_are_drawn_uniformly() -> None:
    counts: Counter[tuple[str, int]] = Counter()
    for seed in range(600):
        counts.update((w.chrom, w.centre) for w in random_windows(REGIONS, 5, 20, seed))
    expected = 600 * 5 / 37
    # Chi-square of 36 degrees of freedom: above 80 in less than 5 of 100,000 draws.
    assert len(counts) == 37
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 80


def test_no_regions_no_windows() -> None:
    assert random_windows([], 5, 20, 0) == []


def test_drawn_sites_keep_their_order() -> None:
    windows = [Interval("a", i, i + 5) for i in range(50)]
    assert drawn_sites(windows, 50, 0) == tuple(windows)
    some = drawn_sites(windows, 10, 1)
    assert len(set(some)) == 10
    assert list(some) == sorted(some)
    assert some == drawn_sites(windows, 10, 1) != drawn_sites(windows, 10, 2)


def test_unmasked() -> None:
    windows = [Interval("a", 0, 10), Interval("a", 10, 20), Interval("b", 0, 10)]
    mask = Mask.from_intervals([Interval("a", 10, 11)])
    assert unmasked(windows, mask) == [windows[0], windows[2]]
    assert unmasked(windows, NOTHING) == windows


def test_ranking_is_by_mean_over_all_inputs() -> None:
    mean = {"dna": np.array([0.5, -1, 2]), "atac": np.array([3, 0.5])}
    item = ClassContributions("TF1", 4, mean, mean, mean, 0.0, None)
    keys = [("atac", 0), ("dna", 2), ("dna", 0), ("atac", 1), ("dna", 1)]
    assert ranked(item) == [FilterKey(*key) for key in keys]
    assert str(FilterKey("dna", 2)) == "dna.f2"
    assert ranked(dataclasses.replace(item, sites=0)) == []

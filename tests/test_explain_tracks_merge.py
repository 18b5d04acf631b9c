"""Merging of overlapping windows, against a loop over bases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from chromputer_tracks.errors import InputError
from chromputer_tracks.tracks.explain.importance import WindowMerge, window_weights

WINDOW, TRACKS = 10, 2
Windows = list[tuple[str, int, NDArray[np.float32]]]
PLACES = st.lists(st.tuples(st.sampled_from("ab"), st.integers(-8, 60)), min_size=1, max_size=12)


def windows(places: list[tuple[str, int]]) -> Windows:
    rng = np.random.default_rng(len(places))
    values = rng.normal(size=(len(places), TRACKS, WINDOW)).astype(np.float32)
    return [(*place, array) for place, array in zip(sorted(places), values, strict=True)]


def oracle(items: Windows, rule: str) -> dict[tuple[str, int], list[float]]:
    """Contig and base to the merged value of each track."""
    found: dict[tuple[str, int], list[float]] = {}
    bases = {(chrom, start + i) for chrom, start, _ in items for i in range(WINDOW)}
    for chrom, base in bases:
        over = [(s, v) for c, s, v in items if c == chrom and s <= base < s + WINDOW]
        row = []
        for track in range(TRACKS):
            values = [float(v[track, base - s]) for s, v in over]
            if rule == "max":
                row.append(max(values, key=abs))
            else:
                weights = [
                    WINDOW / 2 - abs(base + 0.5 - (s + WINDOW / 2)) if rule == "centre" else 1
                    for s, _ in over
                ]
                total = sum(w * v for w, v in zip(weights, values, strict=True))
                row.append(total / sum(weights))
        found[chrom, base] = row
    return found


def merged(items: Windows, rule: str) -> dict[tuple[str, int], list[float]]:
    merge = WindowMerge(rule, WINDOW, TRACKS)  # type: ignore[arg-type]
    stretches = [stretch for item in items for stretch in merge.add(*item)]
    stretches += merge.finish()
    found: dict[tuple[str, int], list[float]] = {}
    order = []
    for stretch in stretches:
        assert stretch.values.dtype == np.float32
        order.append((stretch.chrom, stretch.start))
        for i, row in enumerate(stretch.values.T.tolist()):
            assert (stretch.chrom, stretch.start + i) not in found
            found[stretch.chrom, stretch.start + i] = row
    assert order == sorted(order)
    return found


@pytest.mark.parametrize("rule", ["centre", "mean", "max"])
@given(places=PLACES, chunk=st.sampled_from([1, 15, 1000]))
def test_each_base_gets_the_rule_s_value(
    rule: str, places: list[tuple[str, int]], chunk: int
) -> None:
    items = windows(places)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chromputer_tracks.tracks.explain.importance._CHUNK", chunk)
        found = merged(items, rule)
    expected = oracle(items, rule)
    assert found.keys() == expected.keys()
    for base, row in expected.items():
        np.testing.assert_allclose(found[base], row, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("rule", ["centre", "mean", "max"])
def test_a_base_of_one_window_keeps_its_value(rule: str) -> None:
    items = windows([("a", -3), ("a", 7), ("b", 0)])
    found = merged(items, rule)
    for chrom, start, values in items:
        for i in range(WINDOW):
            assert found[chrom, start + i] == values[:, i].tolist()


def test_weights_fall_from_the_centre_to_the_ends() -> None:
    assert window_weights("centre", 4).tolist() == [0.25, 0.75, 0.75, 0.25]
    assert window_weights("centre", 5).tolist() == pytest.approx([0.2, 0.6, 1, 0.6, 0.2])
    assert window_weights("mean", 3).tolist() == [1, 1, 1]


def test_the_leftmost_of_equal_magnitudes_is_taken() -> None:
    one = np.full((1, 4), -2, np.float32)
    merge = WindowMerge("max", 4, 1)
    assert not [*merge.add("a", 0, one), *merge.add("a", 2, -one)]
    (found,) = merge.finish()
    assert found.values.tolist() == [[-2, -2, -2, -2, 2, 2]]


def test_windows_must_be_sorted() -> None:
    merge = WindowMerge("mean", 4, 1)
    values = np.zeros((1, 4), np.float32)
    list(merge.add("a", 5, values))
    with pytest.raises(InputError, match="a:5 comes after 6"):
        list(merge.add("a", 4, values))

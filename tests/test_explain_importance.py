"""Importance tracks: which there are, and how windows are merged."""

from __future__ import annotations

import numpy as np
import pytest
from explain_run import HOW, explained_spec
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from chromputer_tracks.data.features import DEFAULT_LENGTH_EDGES
from chromputer_tracks.errors import InputError, OutputError
from chromputer_tracks.inference.explain import Contributions
from chromputer_tracks.spec import InputSpec
from chromputer_tracks.tracks.explain.importance import (
    FragmentClass,
    WindowMerge,
    fragment_classes,
    importance_tracks,
    track_values,
    window_weights,
)


def test_classes_of_the_default_lengths() -> None:
    assert fragment_classes(DEFAULT_LENGTH_EDGES) == (
        FragmentClass("subnucleosomal", 0, 6, 20, 140),
        FragmentClass("mononucleosomal", 6, 12, 140, 300),
        FragmentClass("dinucleosomal", 12, 16, 300, 700),
    )


@pytest.mark.parametrize(
    ("edges", "cuts"),
    [
        ((0, 100, 250, 300, 400), (100, 300)),
        ((0, 147, 148, 281, 282, 999), (147, 281)),
        ((0, 130, 165, 260, 303, 999), (130, 260)),
        # No edge between the peaks, or no fragments on one side of the cut.
        ((0, 99, 300, 400), None),
        ((0, 120, 246, 316, 400), None),
        ((0, 1000), None),
        ((120, 200, 300, 400), None),
        ((20, 140, 280), None),
    ],
)
def test_cuts_lie_between_the_peaks(edges: tuple[int, ...], cuts: tuple[int, int] | None) -> None:
    found = fragment_classes(edges)
    if cuts is None:
        assert found == (FragmentClass("", 0, len(edges) - 1, edges[0], edges[-1]),)
    else:
        bounds = [edges[0], *cuts, edges[-1]]
        assert [(c.shortest, c.longest) for c in found] == [*zip(bounds, bounds[1:], strict=False)]


@given(st.lists(st.integers(0, 900), min_size=2, max_size=20, unique=True))
def test_classes_hold_every_length_once(lengths: list[int]) -> None:
    edges = tuple(sorted(lengths))
    rows = [row for part in fragment_classes(edges) for row in range(part.first, part.last)]
    assert rows == list(range(len(edges) - 1))
    for part in fragment_classes(edges):
        assert (edges[part.first], edges[part.last]) == (part.shortest, part.longest)


def test_tracks_of_a_model_without_classes() -> None:
    item = InputSpec("vplot", "mnase", 10, (0, 100, 1000), HOW, "mnase")
    spec = explained_spec(inputs=(InputSpec("sequence", "dna"), item))
    assert [track.name for track in importance_tracks(spec)] == ["importance", "mnase"]


@pytest.mark.parametrize("name", ["Importance", "shape.mgw", "atac.subnucleosomal"])
def test_tracks_of_one_name_are_refused(name: str) -> None:
    signal = InputSpec("signal", name, 10, (), HOW, "atac", "cuts")
    spec = explained_spec()
    with pytest.raises(OutputError, match=f"(?i)would be named .*{name}.bw"):
        importance_tracks(explained_spec(inputs=(*spec.inputs[:2], signal)))


def test_bins_are_spread_over_their_bases() -> None:
    spec = explained_spec()
    rng = np.random.default_rng(0)

    def floats(*shape: int) -> np.ndarray:
        return rng.normal(size=(2, *shape)).astype(np.float32)

    inputs = {"atac": floats(5, 30), "cuts": floats(1, 12)}
    found = Contributions(floats(300), None, floats(2, 300), inputs, {}, floats(), floats())
    values = track_values(importance_tracks(spec), found)
    assert values.shape == (2, 7, 300)
    np.testing.assert_array_equal(values[:, 0], found.sequence)
    np.testing.assert_array_equal(values[:, 1:3], found.shape)
    for row, (first, last) in enumerate(((0, 2), (2, 4), (4, 5)), 3):
        for base in (0, 9, 10, 299):
            expected = inputs["atac"][:, first:last, base // 10].sum(axis=1) / 10
            np.testing.assert_allclose(values[:, row, base], expected, rtol=1e-6)
    for base in (0, 24, 25, 299):
        np.testing.assert_allclose(values[:, 6, base], inputs["cuts"][:, 0, base // 25] / 25)


# Merging of overlapping windows, against a loop over bases.


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

"""Which tracks a model's contributions make."""

from __future__ import annotations

import numpy as np
import pytest
from explain_run import HOW, explained_spec
from hypothesis import given
from hypothesis import strategies as st

from chromputer_tracks.data.features import DEFAULT_LENGTH_EDGES
from chromputer_tracks.errors import OutputError
from chromputer_tracks.inference.explain import Contributions
from chromputer_tracks.spec import InputSpec
from chromputer_tracks.tracks.explain.importance import (
    FragmentClass,
    fragment_classes,
    importance_tracks,
    track_values,
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

"""V-plots against a loop over fragments and numbers worked by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chromputer_tracks.data.features import DEFAULT_BIN, DEFAULT_LENGTH_EDGES, vplot
from chromputer_tracks.intervals import Interval

EDGES = (20, 50, 51, 100, 180)


def oracle(fragments, interval, bin_size, edges):
    """One fragment at a time, one class at a time."""
    counts = np.zeros((len(edges) - 1, len(interval) // bin_size), dtype=np.float32)
    for start, end in fragments:
        midpoint = (start + end) // 2
        if not interval.start <= midpoint < interval.end:
            continue
        for row in range(len(edges) - 1):
            if edges[row] <= end - start < edges[row + 1]:
                counts[row, (midpoint - interval.start) // bin_size] += 1
    return counts


def image(fragments, interval, bin_size=DEFAULT_BIN, edges=EDGES):
    midpoints = np.array([(start + end) // 2 for start, end in fragments], dtype=np.int32)
    lengths = np.array([end - start for start, end in fragments], dtype=np.int32)
    return vplot(midpoints, lengths, interval, bin_size, edges)


@st.composite
def cases(draw):
    bin_size = draw(st.sampled_from([1, 5, 10, 25]))
    start = draw(st.integers(-300, 300))
    interval = Interval("chr1", start, start + bin_size * draw(st.integers(1, 30)))
    fragments = draw(
        st.lists(
            st.tuples(st.integers(-50, 250), st.integers(interval.start - 60, interval.end + 60)),
            max_size=40,
        )
    )
    # Lengths from the edges' neighbourhood, from 0 on, placed by their start.
    rows = [(at, at + abs(length)) for length, at in fragments]
    edges = tuple(sorted(draw(st.sets(st.integers(1, 250), min_size=2, max_size=8))))
    return rows, interval, bin_size, edges


@given(cases())
def test_pixels_against_the_oracle(case):
    fragments, interval, bin_size, edges = case
    found = image(fragments, interval, bin_size, edges)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, oracle(fragments, interval, bin_size, edges))


@given(cases(), st.integers(-10_000, 10_000))
def test_shifting_fragments_and_interval_changes_nothing(case, shift):
    fragments, interval, bin_size, edges = case
    moved = [(start + shift, end + shift) for start, end in fragments]
    np.testing.assert_array_equal(
        image(fragments, interval, bin_size, edges),
        image(moved, interval.shift(shift), bin_size, edges),
    )


@given(cases(), st.integers(0, 12))
def test_shifting_fragments_by_bins_shifts_the_image(case, bins):
    fragments, interval, bin_size, edges = case
    moved = [(start + bins * bin_size, end + bins * bin_size) for start, end in fragments]
    before = image(fragments, interval, bin_size, edges)
    after = image(moved, interval, bin_size, edges)
    width = before.shape[1]
    kept = max(width - bins, 0)
    np.testing.assert_array_equal(after[:, width - kept :], before[:, :kept])


def test_every_edge_is_in_the_class_that_it_opens():
    # (length, row): below the first edge and at the last one there is no row.
    at = {19: None, 20: 0, 49: 0, 50: 1, 51: 2, 99: 2, 100: 3, 179: 3, 180: None}
    for length, row in at.items():
        found = vplot(np.array([15]), np.array([length]), Interval("c", 0, 30), 10, EDGES)
        expected = np.zeros((4, 3))
        if row is not None:
            expected[row, 1] = 1
        assert found.tolist() == expected.tolist(), length


def test_midpoints_at_the_interval_s_ends():
    interval = Interval("c", 100, 130)
    found = vplot(np.array([99, 100, 129, 130]), np.full(4, 60), interval, 10, EDGES)
    assert found[2].tolist() == [1, 0, 1]
    assert found.sum() == 2


def test_no_fragments_is_an_empty_image():
    none = np.empty(0, dtype=np.int32)
    found = vplot(none, none, Interval("c", -20, 30))
    assert found.shape == (len(DEFAULT_LENGTH_EDGES) - 1, 5)
    assert not found.any()


def test_default_classes_resolve_nucleosomes():
    edges = np.array(DEFAULT_LENGTH_EDGES)
    sub, mono, di = (int(np.searchsorted(edges, x, side="right")) for x in (60, 170, 340))
    assert len({sub, mono, di}) == 3
    assert (np.diff(edges) > 0).all()

"""Signals against loops over single fragments, bases and bins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromputer_tracks.data.features import bigwig_signal, fragment_signal
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.spec import InputSpec, Measure, Normalisation

SIZE = 1_000
MEASURES: tuple[Measure, ...] = ("cuts", "coverage", "midpoints")


class Listed:
    """A contig of SIZE bp that holds some fragments."""

    def __init__(self, fragments):
        self.starts = np.array([start for start, _ in fragments], dtype=np.int32)
        self.ends = np.array([end for _, end in fragments], dtype=np.int32)

    def fetch(self, interval):
        hit = (self.starts < interval.end) & (self.ends > interval.start)
        return self.starts[hit], self.ends[hit]

    def midpoints(self, interval):
        middle = (self.starts + self.ends) // 2
        hit = (middle >= interval.start) & (middle < interval.end)
        return middle[hit], (self.ends - self.starts)[hit]


class Values:
    """A contig of SIZE bp with a value a base."""

    def __init__(self, values):
        self.values = values

    def means(self, interval, bin_size):
        def at(base):
            return self.values[base] if 0 <= base < SIZE else 0.0

        starts = range(interval.start, interval.end, bin_size)
        return np.array([sum(at(s + i) for i in range(bin_size)) / bin_size for s in starts])


def signal(measure, bin_size=1, smooth=0, edges=()):
    return InputSpec("signal", "s", bin_size, edges, Normalisation((1.0,)), "atac", measure, smooth)


def per_base(fragments, measure, edges):
    """Count by base, one fragment at a time, of a line without ends."""
    counts = {}
    for start, end in fragments:
        if edges and not edges[0] <= end - start < edges[1]:
            continue
        hit = {
            "cuts": [start, end - 1],
            "coverage": range(start, end),
            "midpoints": [(start + end) // 2],
        }[measure]
        for base in hit:
            counts[base] = counts.get(base, 0) + 1
    return counts


def oracle(counts, interval, bin_size, smooth):
    """Mean per bp of the bases that each bin, or the box around it, holds."""
    flank = (smooth - bin_size) // 2 if smooth else 0
    width = smooth or bin_size
    out = []
    for start in range(interval.start, interval.end, bin_size):
        box = range(start - flank, start - flank + width)
        out.append(sum(counts.get(base, 0) for base in box) / width)
    return np.array(out, dtype=np.float32)


spans = st.tuples(st.integers(0, SIZE - 1), st.integers(1, 300)).map(
    lambda span: (span[0], min(span[0] + span[1], SIZE))
)
edge_pairs = st.one_of(
    st.just(()),
    st.tuples(st.integers(1, 150), st.integers(1, 150)).map(lambda e: (e[0], e[0] + e[1])),
)


@st.composite
def places(draw):
    """An interval that may leave the contig, its bin and the box of a smoothing."""
    bin_size = draw(st.sampled_from([1, 3, 10, 25]))
    smooth = bin_size * draw(st.sampled_from([0, 1, 3, 11]))
    start = draw(st.integers(-400, SIZE + 200))
    return Interval("c", start, start + bin_size * draw(st.integers(1, 40))), bin_size, smooth


@given(st.lists(spans, max_size=30), places(), st.sampled_from(MEASURES), edge_pairs)
def test_measures_against_a_count_by_base(fragments, place, measure, edges):
    interval, bin_size, smooth = place
    found = fragment_signal(Listed(fragments), interval, signal(measure, bin_size, smooth, edges))
    assert found.dtype == np.float32
    expected = oracle(per_base(fragments, measure, edges), interval, bin_size, smooth)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(st.lists(spans, max_size=30), places(), st.sampled_from(MEASURES), st.data())
def test_a_bin_is_the_same_in_every_interval(fragments, place, measure, data):
    interval, bin_size, smooth = place
    item = signal(measure, bin_size, smooth, (20, 200))
    whole = fragment_signal(Listed(fragments), interval, item)
    first = data.draw(st.integers(0, len(whole) - 1))
    last = data.draw(st.integers(first + 1, len(whole)))
    start = interval.start
    part = Interval("c", start + first * bin_size, start + last * bin_size)
    assert (fragment_signal(Listed(fragments), part, item) == whole[first:last]).all()


def test_by_hand():
    # Fragments [2, 6) and [5, 8): coverage 1 at 2-4, 2 at 5, 1 at 6 and 7.
    source, interval = Listed([(2, 6), (5, 8)]), Interval("c", 0, 10)
    assert fragment_signal(source, interval, signal("coverage", 2)).tolist() == [0, 1, 1.5, 1, 0]
    assert fragment_signal(source, interval, signal("cuts", 2)).tolist() == [0, 0.5, 1, 0.5, 0]
    assert fragment_signal(source, interval, signal("midpoints", 2)).tolist() == [0, 0, 0.5, 0.5, 0]
    smooth = fragment_signal(source, interval, signal("coverage", 2, 6))
    np.testing.assert_allclose(smooth, np.array([1, 2.5, 3.5, 2.5, 1]) / 3, rtol=1e-6)
    # The first length counts, the last does not.
    assert fragment_signal(source, interval, signal("cuts", 2, edges=(3, 4))).tolist() == [
        0, 0, 0.5, 0.5, 0,
    ]  # fmt: skip


def test_a_fragment_of_one_base_is_cut_twice():
    found = fragment_signal(Listed([(4, 5)]), Interval("c", 4, 5), signal("cuts"))
    assert found.tolist() == [2.0]


def test_smoothing_reads_beyond_the_interval():
    inside, beside = Interval("c", 10, 20), Interval("c", 0, 10)
    item = signal("midpoints", 10, 30)
    assert fragment_signal(Listed([(14, 16)]), beside, item) == pytest.approx(1 / 30)
    assert fragment_signal(Listed([(14, 16)]), inside, item) == pytest.approx(1 / 30)
    assert not fragment_signal(Listed([(34, 36)]), inside, item).any()


@given(st.integers(0, 2**32), places(), st.data())
def test_values_of_a_bigwig(seed, place, data):
    interval, bin_size, smooth = place
    values = np.random.default_rng(seed).random(SIZE)
    source, item = Values(values), signal("values", bin_size, smooth)
    whole = bigwig_signal(source, interval, item)
    assert whole.dtype == np.float32
    expected = oracle(dict(enumerate(values)), interval, bin_size, smooth)
    np.testing.assert_allclose(whole, expected, rtol=1e-5, atol=1e-7)
    first = data.draw(st.integers(0, len(whole) - 1))
    part = Interval("c", interval.start + first * bin_size, interval.end)
    assert (bigwig_signal(source, part, item) == whole[first:]).all()


def test_real_fragments(shared_yeast):
    with Fasta(shared_yeast / "sacCer3.fa.gz") as fasta:
        sizes = fasta.sizes
    whole = Interval("chrI", 0, sizes["chrI"])
    path = shared_yeast / "atac_SRR1822137.fragments.tsv.gz"
    with FragmentStore.build(path, sizes) as store:
        starts, ends = store.fetch(whole)
        total = {
            m: float(fragment_signal(store, whole, signal(m)).sum(dtype=float)) for m in MEASURES
        }
        assert total == {
            "cuts": 2 * len(starts),
            "coverage": int((ends - starts).sum()),
            "midpoints": len(starts),
        }
        for measure in MEASURES:
            item = signal(measure, 10, 150)
            tiles = [
                fragment_signal(store, Interval("chrI", at, at + 50_000), item)
                for at in range(-10_000, 240_000, 50_000)
            ]
            at_once = fragment_signal(store, Interval("chrI", -10_000, 240_000), item)
            assert (np.concatenate(tiles) == at_once).all()

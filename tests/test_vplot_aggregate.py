"""Aggregate V-plots against a loop over sites and fragments."""

import time
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromputer_tracks.analysis.vplots import aggregate as vplots
from chromputer_tracks.analysis.vplots.aggregate import (
    FINE_LENGTH_EDGES,
    aggregate_by_class,
    aggregate_vplot,
    state_vplots,
)
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import BoundsError, ContigError, InputError
from chromputer_tracks.evaluation.sites import LabelledSites
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.spec import Label

LENGTHS = {"chr2": 4321, "chr10": 1000, "chr1": 6150, "tiny": 37, "edge": 300}
EDGES = (20, 50, 51, 100, 180, 400)
NAMES = list(LENGTHS)


@dataclass(frozen=True)
class Genome:
    """Fragments in memory, in no order."""

    sizes: ChromSizes
    starts: dict[str, np.ndarray]
    ends: dict[str, np.ndarray]

    def midpoints(self, interval):
        starts, ends = self.starts[interval.chrom], self.ends[interval.chrom]
        middle = (starts + ends) // 2
        inside = (middle >= interval.start) & (middle < interval.end)
        return middle[inside].astype(np.int32), (ends - starts)[inside].astype(np.int32)


def random_genome():
    rng = np.random.default_rng(5)
    starts, ends = {}, {}
    for name, length in LENGTHS.items():
        sizes = rng.integers(20, 500, length // 10)
        first = rng.integers(0, length, len(sizes))
        inside = first + sizes <= length
        starts[name], ends[name] = first[inside], (first + sizes)[inside]
    return Genome(ChromSizes(LENGTHS), starts, ends)


GENOME = random_genome()


def oracle(genome, sites, window, bin_size, edges, strand):
    """One site, one fragment, one class at a time."""
    image = np.zeros((len(edges) - 1, window // bin_size))
    for (chrom, centre), sign in zip(sites, strand, strict=True):
        for start, end in zip(genome.starts[chrom], genome.ends[chrom], strict=True):
            offset = (start + end) // 2 - (centre - window // 2)
            if not 0 <= offset < window:
                continue
            column = offset // bin_size
            if sign < 0:
                column = window // bin_size - 1 - column
            for row in range(len(edges) - 1):
                if edges[row] <= end - start < edges[row + 1]:
                    image[row, column] += 1
    return image / len(sites)


@st.composite
def site_lists(draw, least=1):
    chrom = st.sampled_from(NAMES)
    rows = draw(st.lists(st.tuples(chrom, st.integers(0, 10**6)), min_size=least, max_size=12))
    return [(name, at % LENGTHS[name]) for name, at in rows]


@settings(max_examples=40)
@given(site_lists(), st.sampled_from([(200, 10), (60, 20), (2000, 50), (14, 7)]), st.data())
def test_against_the_oracle_with_strands(sites, size, data):
    window, bin_size = size
    strand = data.draw(st.lists(st.sampled_from([-1, 1]), min_size=len(sites), max_size=len(sites)))
    found = aggregate_vplot(GENOME, sites, GENOME.sizes, window, bin_size, EDGES, strand)
    assert found.dtype == np.float64
    expected = oracle(GENOME, sites, window, bin_size, EDGES, strand)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    plain = aggregate_vplot(GENOME, sites, GENOME.sizes, window, bin_size, EDGES)
    forward = oracle(GENOME, sites, window, bin_size, EDGES, [1] * len(sites))
    np.testing.assert_allclose(plain, forward, rtol=1e-12)


@settings(max_examples=30)
@given(site_lists(), st.data())
def test_classes_are_separate_means_and_unknown_sites_are_left_out(sites, data):
    codes = st.sampled_from([UNKNOWN, 0, 1, 2])
    classes = np.array(data.draw(st.lists(codes, min_size=len(sites), max_size=len(sites))))
    contig = np.array([NAMES.index(name) for name, _ in sites])
    centre = np.array([at for _, at in sites])
    found = aggregate_by_class(
        GENOME, NAMES, contig, centre, classes, 3, GENOME.sizes, 200, 10, EDGES
    )
    assert found.shape == (3, 5, 20)
    for code in range(3):
        mine = [site for site, c in zip(sites, classes, strict=True) if c == code]
        if mine:
            expected = oracle(GENOME, mine, 200, 10, EDGES, [1] * len(mine))
            np.testing.assert_allclose(found[code], expected, rtol=1e-12)
        else:
            assert np.isnan(found[code]).all()


@pytest.mark.parametrize(("span", "pairs"), [(1, 10**6), (500, 3), (10**6, 1), (0, 0)])
def test_how_the_work_is_cut_does_not_matter(monkeypatch, span, pairs):
    rng = np.random.default_rng(2)
    sites = [("chr1", int(at)) for at in rng.integers(0, LENGTHS["chr1"], 60)] + [("chr2", 9)] * 3
    whole = aggregate_vplot(GENOME, sites, GENOME.sizes, 400, 10)
    monkeypatch.setattr(vplots, "_SPAN", span)
    monkeypatch.setattr(vplots, "_PAIRS", pairs)
    np.testing.assert_array_equal(whole, aggregate_vplot(GENOME, sites, GENOME.sizes, 400, 10))
    assert whole.sum() > 0


def test_by_hand_at_a_contig_s_end():
    sizes = ChromSizes({"c": 100})
    starts, ends = np.array([0, 10, 90]), np.array([30, 50, 120])  # midpoints 15, 30, 105
    genome = Genome(sizes, {"c": starts}, {"c": ends})
    found = aggregate_vplot(genome, [("c", 0), ("c", 99)], sizes, 40, 10, (20, 35, 60))
    # Windows [-20, 20) and [79, 119): lengths 30, 40, 30; the second image's bin is (105-79)//10.
    assert found.tolist() == [[0, 0, 0.5, 0.5], [0, 0, 0, 0]]
    turned = aggregate_vplot(genome, [("c", 0), ("c", 99)], sizes, 40, 10, (20, 35, 60), [-1, 1])
    assert turned.tolist() == [[0.5, 0, 0.5, 0], [0, 0, 0, 0]]


def test_no_sites_is_not_a_silent_zero():
    found = aggregate_vplot(GENOME, [], GENOME.sizes, 200, 10, EDGES)
    assert found.shape == (5, 20)
    assert np.isnan(found).all()


@pytest.mark.parametrize(
    ("kind", "site", "window", "bin_size", "words"),
    [
        (ContigError, ("chrX", 1), 200, 10, "chrX"),
        (BoundsError, ("edge", 300), 200, 10, "edge:301 is outside edge \\(300 bp\\)"),
        (BoundsError, ("edge", -1), 200, 10, "outside"),
        (InputError, ("edge", 1), 205, 5, "even"),
        (InputError, ("edge", 1), 200, 30, "multiple"),
        (InputError, ("edge", 1), 200, 0, "multiple"),
    ],
)
def test_refused(kind, site, window, bin_size, words):
    with pytest.raises(kind, match=words):
        aggregate_vplot(GENOME, [site], GENOME.sizes, window, bin_size)


def test_a_class_that_does_not_exist_is_refused():
    one = np.zeros(1, dtype=np.int64)
    with pytest.raises(InputError, match="class 2"):
        aggregate_by_class(GENOME, ["chr1"], one, one, one + 2, 2, GENOME.sizes)


def test_states_true_and_predicted():
    labels = [Label("A", "first", (1, 2, 3)), Label("B", "second", (4, 5, 6))]
    sites = LabelledSites(
        contigs=("chr1", "chr2"),
        contig=np.array([0, 0, 1, 1]),
        centre=np.array([500, 900, 700, 4000]),
        logits=np.array([[2, 0, 0, 5], [1, 1, 1, 0], [9, 9, 9, 9]], dtype=np.float32),
        states=np.array([0, 0, 1, UNKNOWN]),
        binary=np.zeros((1, 4), dtype=np.int64),
        continuous=np.zeros((0, 4), dtype=np.float32),
        number_of_states=2,
    )
    found = state_vplots("toy", GENOME, GENOME.sizes, sites, labels, 400, 20, EDGES)
    assert (found.title, found.window, found.edges) == ("toy", 400, EDGES)
    assert [(p.label.name, p.sites, p.predicted_sites) for p in found.pairs] == [
        ("A", 2, 1),
        ("B", 1, 2),
    ]

    def mean(*where):
        return oracle(GENOME, where, 400, 20, EDGES, [1] * len(where))

    a, b = found.pairs
    np.testing.assert_allclose(a.observed, mean(("chr1", 500), ("chr1", 900)))
    np.testing.assert_allclose(a.predicted, mean(("chr1", 500)))
    np.testing.assert_allclose(b.observed, mean(("chr2", 700)))
    np.testing.assert_allclose(b.predicted, mean(("chr1", 900), ("chr2", 700)))


def test_real_promoters_show_their_nucleosome_free_region(shared_yeast):
    sizes = ChromSizes({"chrII": 813_184, "chrI": 230_218}, "sacCer3")
    fragments = shared_yeast / "atac_SRR1822137.fragments.tsv.gz"
    full = {
        row[0]: int(row[1])
        for row in map(str.split, (shared_yeast / "sacCer3.fa.gz.fai").read_text().splitlines())
    }
    rows = [line.split() for line in (shared_yeast / "tss.bed").read_text().splitlines()]
    rows = [row for row in rows if row[0] in sizes]
    sites = [(row[0], int(row[2 if row[5] == "-" else 1])) for row in rows]
    strand = [-1 if row[5] == "-" else 1 for row in rows]
    with FragmentStore.build(fragments, ChromSizes(full, "sacCer3.fa.gz")) as store:
        start = time.perf_counter()
        found = aggregate_vplot(store, sites * 10, store.sizes, strand=strand * 10)
        assert time.perf_counter() - start < 5
        again = aggregate_vplot(store, sites, store.sizes, strand=strand)
    np.testing.assert_allclose(found, again, rtol=1e-12)
    short = np.array(FINE_LENGTH_EDGES[:-1]) < 100
    upstream, downstream = found[short, 85:98].mean(), found[short, 103:115].mean()
    assert upstream > 1.5 * downstream

"""Classes of label bins against loops over every bin; random bins against the positives."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from toy_genome import toy_genome

from chromputer_tracks.data.labels import LabelSet, Mask, PeakLabels
from chromputer_tracks.data.negatives import CLASSES, MatchedConfig, _draw, matched_sites
from chromputer_tracks.errors import ConfigError, InputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore

TOY = toy_genome({"a": 1234, "b": 900, "short": 15})
WIDTH = 20
CONFIG = MatchedConfig(flank_from=35, flank_to=90, around=50, max_n=0.4, per_positive=0.5)


def choose(positives, accessible=None, masked=(), contigs=("a", "b", "short"), **more):
    config = replace(CONFIG, **{k: v for k, v in more.items() if k != "seed" and k != "fragments"})
    return matched_sites(
        [{c: np.array(sorted(v)) for c, v in label.items()} for label in positives],
        None if accessible is None else Mask.from_intervals(accessible),
        Mask.from_intervals(masked),
        TOY.sizes,
        contigs,
        WIDTH,
        TOY,
        more.get("fragments", TOY),
        config,
        more.get("seed", 1),
    )


PLACES = {"a": st.integers(0, 1233), "b": st.integers(0, 899)}
LABELS = st.fixed_dictionaries({c: st.lists(p, min_size=1, max_size=6) for c, p in PLACES.items()})
SPANS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 850), st.integers(1, 60)), max_size=6
).map(lambda rows: [Interval(c, at, at + length) for c, at, length in rows])


def classes_oracle(chrom, positives, accessible, masked):
    """The class of each bin, and the bins that a random one may be."""
    found, pool = {name: [] for name in CLASSES[:3]}, []
    bases = TOY.bases[chrom].tobytes().decode()
    for index in range(len(bases) // WIDTH):
        start, end = index * WIDTH, (index + 1) * WIDTH
        centre = start + WIDTH // 2

        def touched(spans, start=start, end=end):
            return any(i.chrom == chrom and i.start < end and i.end > start for i in spans)

        every = [at for label in positives for at in label[chrom]]
        distance = min(abs(at - centre) for at in every)
        hidden = touched(masked) or bases[start:end].count("N") / WIDTH > CONFIG.max_n
        if any(start <= at < end for at in every):
            if not any(i.chrom == chrom and i.start <= centre < i.end for i in masked):
                found["positive"].append(index)
        elif distance >= CONFIG.flank_from and not hidden:
            if touched(accessible):
                found["accessible"].append(index)
            elif distance < CONFIG.flank_to:
                found["flank"].append(index)
            if distance >= CONFIG.flank_to:
                pool.append(index)
    return found, pool


@settings(max_examples=60)
@given(st.lists(LABELS, min_size=1, max_size=2), SPANS, SPANS, st.integers(0, 5))
def test_classes_against_the_oracle(positives, accessible, masked, seed):
    oracle = {c: classes_oracle(c, positives, accessible, masked) for c in "ab"}
    if not any(found["positive"] for found, _ in oracle.values()):
        with pytest.raises(InputError, match="no positive lies on a, b"):
            choose(positives, accessible, masked, "ab")
        return
    sites = choose(positives, accessible, masked, "ab", seed=seed)
    for chrom, (found, pool) in oracle.items():
        here = sites.contigs[chrom]
        for name, bins in found.items():
            assert getattr(here, name).tolist() == bins, name
        matched = here.matched.tolist()
        assert len(set(matched)) == len(matched)
        assert set(matched) <= set(pool)
        wanted = round(CONFIG.per_positive * len(found["positive"]))
        assert len(matched) == min(wanted, len(pool))
        assert here.missing == wanted - len(matched)
        assert here.bins.tolist() == sorted({*sum(found.values(), []), *matched})


def test_a_contig_shorter_than_a_bin_has_none():
    sites = choose([{"a": [100]}])
    assert all(getattr(sites.contigs["short"], name).size == 0 for name in CLASSES)
    assert sites.contigs["b"].flank.size == 0
    assert sites.contigs["a"].positive.tolist() == [5]


def test_the_last_partial_bin_is_in_no_class():
    sites = choose([{"a": [1233, 600]}], per_positive=1000)
    assert sites.contigs["a"].positive.tolist() == [30]
    assert sites.contigs["a"].bins.max() <= 60
    # Its peak has a flank all the same: bins with centres 35 to 90 bp before it.
    assert {57, 58, 59}.isdisjoint(sites.contigs["a"].matched)


def test_accessible_bins_by_a_quantile():
    sites = choose([{"a": [600]}], quantile=0.75, max_n=0.99)
    middle = (TOY.starts["a"] + TOY.ends["a"]) // 2
    counts = [
        int(np.sum((middle >= 20 * k - 50) & (middle < 20 * k + 70))) for k in range(1234 // 20)
    ]
    level = np.quantile(counts, 0.75)
    expected = [
        k for k, count in enumerate(counts) if count > level and abs(20 * k + 10 - 600) >= 35
    ]
    assert sites.contigs["a"].accessible.tolist() == expected
    assert 5 < len(expected) < 16
    with pytest.raises(InputError, match="BED of accessible peaks"):
        choose([{"a": [600]}], quantile=0.75, fragments=None)


def test_the_mask_is_the_bins_of_all_classes():
    sites = choose([{"a": [600, 100], "b": [50]}], [Interval("a", 900, 950)])
    mask = sites.mask()
    for chrom in ("a", "b"):
        bins = sites.contigs[chrom].bins
        inside = np.repeat(np.isin(np.arange(45), bins), WIDTH)
        assert np.array_equal(mask.at(chrom, np.arange(900)), inside)
    labels = LabelSet(
        None, (PeakLabels.from_peaks([("a", 600), ("a", 100)], WIDTH, 0),), Mask({}, {}), mask
    )
    centres = np.arange(1234 // WIDTH) * WIDTH + WIDTH // 2
    found = labels.at("a", centres).binary[0]
    assert np.flatnonzero(found == 1).tolist() == sites.contigs["a"].positive.tolist()
    assert np.flatnonzero(found >= 0).tolist() == sites.contigs["a"].bins.tolist()


def test_seeds_and_contigs():
    positives = [{"a": [600, 100, 320], "b": [50, 420]}]
    first, again = choose(positives, per_positive=3), choose(positives, per_positive=3)
    other = choose(positives, per_positive=3, seed=2)
    alone = choose(positives, per_positive=3, contigs=["b"])
    turned = choose(positives, per_positive=3, contigs=["b", "a"])

    def bins(sites, chrom):
        return [getattr(sites.contigs[chrom], name).tolist() for name in CLASSES]

    for chrom in ("a", "b"):
        assert bins(first, chrom) == bins(again, chrom) == bins(turned, chrom)
        assert bins(first, chrom)[:3] == bins(other, chrom)[:3]
        assert bins(first, chrom)[3] != bins(other, chrom)[3]
    assert bins(first, "b") == bins(alone, "b")


def deciles(row):
    return np.unique(np.quantile(row, np.linspace(0, 1, 11)))[1:-1]


def test_each_stratum_gets_its_share():
    rng = np.random.default_rng(1)
    positive = np.stack([rng.normal(2, 1, 300), rng.poisson(6, 300)]).astype(float)
    pool = np.stack([rng.normal(0, 2, 200_000), rng.poisson(4, 200_000)]).astype(float)
    columns, borrowed, missing = _draw(positive, pool, 2.0, np.random.default_rng(3))
    assert (borrowed, missing) == (0, 0)
    assert len(np.unique(columns)) == len(columns) == 600

    def strata(values):
        pairs = zip(positive, values, strict=True)
        places = [np.searchsorted(deciles(p), row, side="right") for p, row in pairs]
        return list(zip(*(p.tolist() for p in places), strict=True))

    held, drawn = strata(positive), strata(pool[:, columns])
    for stratum in set(held):
        assert drawn.count(stratum) == 2 * held.count(stratum)


def test_dry_strata_take_from_the_nearest():
    positive = np.arange(20.0)[None]
    pool = np.array([[3.1, 3.2, 3.3, 18.5, 18.6]])
    columns, borrowed, missing = _draw(positive, pool, 0.2, np.random.default_rng(3))
    # Two of each stratum's 20 positives make 0.4 bins; four in all, on both sides of the middle.
    assert len(columns) == 4
    assert missing == 0
    assert borrowed >= 2
    columns, borrowed, missing = _draw(positive, pool, 1.0, np.random.default_rng(3))
    assert sorted(columns.tolist()) == [0, 1, 2, 3, 4]
    assert missing == 15
    # 2 and 3, and 18 and 19, are strata of their own: two and two were theirs.
    assert borrowed == 1


def test_parts_of_a_bin_add_up():
    positive = np.arange(100.0)[None]
    pool = np.arange(0, 100, 0.01)[None]
    for share in (0.01, 0.25, 0.333, 1.5):
        columns, borrowed, missing = _draw(positive, pool, share, np.random.default_rng(0))
        assert (len(columns), borrowed, missing) == (round(100 * share), 0, 0)


def test_equal_positives_make_one_stratum():
    columns, borrowed, missing = _draw(
        np.full((2, 5), 0.5),
        np.random.default_rng(0).random((2, 50)),
        2.0,
        np.random.default_rng(0),
    )
    assert (len(columns), borrowed, missing) == (10, 0, 0)


def test_the_balance_table():
    sites = choose([{"a": list(range(5, 1200, 200))}], per_positive=2)
    gc, depth = sites.balance

    def measured(bins):
        middle = (TOY.starts["a"] + TOY.ends["a"]) // 2
        rows = []
        for k in bins:
            bases = TOY.bases["a"][k * 20 : k * 20 + 20].tobytes().decode()
            strong = bases.count("G") + bases.count("C")
            near = (middle >= k * 20 - 50) & (middle < k * 20 + 70)
            rows.append((strong / (20 - bases.count("N")), near.sum()))
        return np.array(rows, dtype=float).T

    here = sites.contigs["a"]
    positive, matched = measured(here.positive), measured(here.matched)
    for row, one, other in zip((gc, depth), positive, matched, strict=True):
        assert row.positive == pytest.approx(one.mean())
        assert row.matched == pytest.approx(other.mean())
        deviation = np.sqrt((one.var() + other.var()) / 2)
        assert row.difference == pytest.approx((one.mean() - other.mean()) / deviation)
        assert row.distance == pytest.approx(ks_2samp(one, other).statistic)
    assert len(choose([{"a": [5]}], per_positive=0).balance) == 0
    assert [row.name for row in choose([{"a": [600]}], fragments=None, per_positive=3).balance] == [
        "GC share"
    ]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"flank_from": -1}, r"sites\.flank_from is -1; it must be at least 0"),
        ({"flank_from": 500, "flank_to": 400}, r"flank_to is 400.*flank_from 500"),
        ({"per_positive": -0.5}, r"per_positive is -0\.5"),
        ({"per_positive": float("nan")}, "per_positive is nan"),
        ({"around": -5}, "around is -5"),
        ({"quantile": 1.0}, r"quantile is 1\.0.*0 to 1"),
        ({"max_n": 1.5}, r"max_n is 1\.5"),
    ],
)
def test_settings_are_checked(values, words):
    MatchedConfig().check()
    with pytest.raises(ConfigError, match=words):
        MatchedConfig(**values).check()


def test_two_ways_of_naming_accessible_bins_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="both say"):
        MatchedConfig(peaks=tmp_path, quantile=0.5).check()


def test_random_bins_of_the_yeast_genome_match(shared_yeast):
    """Reb1: its random bins have its GC and accessibility, which bins at large have not."""
    with Fasta(shared_yeast / "sacCer3.fa.gz") as fasta:
        sizes = fasta.sizes
        fragments = shared_yeast / "atac_SRR1822137.fragments.tsv.gz"
        table = read_bed(shared_yeast / "peaks" / "Reb1.bed", sizes)
        centres = PeakLabels.from_peaks(table.places, 200, 0).centres
        blacklist = [r.interval for r in read_bed(shared_yeast / "blacklist.bed", sizes)]
        with FragmentStore.build(fragments, sizes) as store:
            sites = matched_sites(
                [centres],
                None,
                Mask.from_intervals(blacklist),
                sizes,
                ("chrII", "chrV", "chrVII", "chrX", "chrXIII", "chrXIV"),
                200,
                fasta,
                store,
                MatchedConfig(),
                1,
            )
            counts = [
                len(store.midpoints(Interval("chrII", 200 * k - 500, 200 * k + 700)).midpoints)
                for k in range(sizes["chrII"] // 200)
            ]
    here = sites.contigs["chrII"]
    chance = ks_2samp(np.array(counts)[here.positive], counts)
    assert chance.statistic > 0.4
    positives = sum(len(contig.positive) for contig in sites.contigs.values())
    assert sum(len(contig.matched) for contig in sites.contigs.values()) == positives > 300
    assert sum(contig.borrowed for contig in sites.contigs.values()) < 0.15 * positives
    for row in sites.balance:
        assert row.distance < 0.07
        assert abs(row.difference) < 0.1

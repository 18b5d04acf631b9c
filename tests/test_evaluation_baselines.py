"""Baselines: features against loops, predictors that learn them, motif scans, all in one run."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scored_sites import heads, simulated

from chromputer_tracks.data.features import probabilities
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.evaluation import baselines
from chromputer_tracks.evaluation.baselines import (
    SampleSites,
    fragment_features,
    gene_features,
    gene_proximity,
    jaspar_matrix,
    majority,
    motif_odds,
    motif_scan,
    motif_scans,
    random_forest,
    run_baselines,
)
from chromputer_tracks.evaluation.metrics import average_precision
from chromputer_tracks.evaluation.sites import calibrate, pool_sites, uncalibrated
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import TssTable


class Fragments:
    """Midpoints and lengths by contig, fragments per kb."""

    def __init__(self, rows, density):
        self.rows, self.density = rows, density

    def midpoints(self, interval: Interval):
        midpoints, lengths = self.rows[interval.chrom]
        inside = (midpoints >= interval.start) & (midpoints < interval.end)
        return midpoints[inside], lengths[inside]


def at(places, contigs=("a", "b")):
    """Sites at (contig, centre) places, without labels or predictions."""
    return dataclasses.replace(
        simulated(len(places)),
        contigs=contigs,
        contig=np.array([contig for contig, _ in places], dtype=np.int64),
        centre=np.array([centre for _, centre in places], dtype=np.int64),
    )


def test_fragment_features_against_loops():
    rng = np.random.default_rng(0)
    rows = {
        name: (
            rng.integers(0, 9000, n).astype(np.int32),
            rng.integers(10, 800, n).astype(np.int32),
        )
        for name, n in (("a", 3000), ("b", 500))
    }
    places = [(0, 150), (1, 4000), (0, 8990), (0, 4321), (1, 100)]
    found = fragment_features(at(places), Fragments(rows, 250.0))
    assert found.dtype == np.float32
    edges = (20, 100, 150, 200, 300, 450, 700)
    for row, (contig, centre) in enumerate(places):
        midpoints, lengths = rows["ab"[contig]]

        def count(low, high, shortest=0, longest=10**6, centre=centre, m=midpoints, n=lengths):
            inside = (m >= centre + low) & (m < centre + high) & (n >= shortest) & (n < longest)
            return int(inside.sum())

        expected = [count(s, s + 50) / 50 for s in range(-500, 500, 50)]
        expected += [count(s, s + 200) / 200 for s in range(-2000, 2000, 200)]
        for pair in zip(edges[:-1], edges[1:], strict=True):
            expected += [count(s, s + 100, *pair) / 100 for s in range(-400, 400, 100)]
        for pair in zip(edges[:-1], edges[1:], strict=True):
            for extent in (100, 200, 500, 1000, 2000):
                expected.append(count(-extent // 2, extent // 2, *pair) / extent)
        expected = [value / 0.25 for value in expected]
        inside = [count(-500, 500, *pair) for pair in zip(edges[:-1], edges[1:], strict=True)]
        shares = np.array(inside) / max(sum(inside), 1)
        expected += [*shares, shares @ [60, 125, 175, 250, 375, 575]]
        np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-6)


def test_depth_does_not_matter():
    rng = np.random.default_rng(1)
    midpoints = rng.integers(0, 9000, 3000).astype(np.int32)
    lengths = rng.integers(30, 600, 3000).astype(np.int32)
    sites = at([(0, 2000), (0, 5000)])
    rows = {"a": (midpoints, lengths), "b": (midpoints[:0], lengths[:0])}
    twice = {name: tuple(np.repeat(column, 2) for column in pair) for name, pair in rows.items()}
    one = fragment_features(sites, Fragments(rows, 300.0))
    np.testing.assert_allclose(fragment_features(sites, Fragments(twice, 600.0)), one, rtol=1e-6)


def genes(rows):
    """(contig, position, forward) rows as a table."""
    return TssTable(
        ("a", "b"),
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=bool),
    )


def gene_oracle(contig, centre, rows):
    """The five distances by looking at every gene."""
    nearest = {}
    for of, start, forward in rows:
        if of != contig:
            continue
        downstream = centre - start if forward else start - centre
        side = (forward, downstream >= 0)
        nearest[side] = min(nearest.get(side, np.inf), abs(downstream))

    def take(forward):
        return [nearest.get((forward, True), np.nan), nearest.get((forward, False), np.nan)]

    both = take(True) + take(False)
    if np.isnan(both).all():
        return [np.nan] * 5
    best = int(np.nanargmin(both))
    signed = both[best] if best % 2 == 0 else -both[best]
    own, other = (both[:2], both[2:]) if best < 2 else (both[2:], both[:2])
    return [signed, *own, *other]


PLACES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 60)), min_size=1, max_size=12)
GENES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 60), st.booleans()), max_size=12)


@given(PLACES, GENES)
def test_gene_features_against_the_oracle(places, rows):
    found = gene_features(at(places), genes(rows))
    expected = [gene_oracle(contig, centre, rows) for contig, centre in places]
    np.testing.assert_array_equal(found, np.array(expected, dtype=np.float32))


@given(PLACES, GENES)
@settings(max_examples=50)
def test_the_other_strand_has_the_same_gene_features(places, rows):
    starts = [abs(start - centre) for _, centre in places for _, start, _ in rows]
    if len(set(starts)) < len(starts) or 0 in starts:
        return  # a tie between strands has no nearest
    turned = [(contig, 1000 - start, not forward) for contig, start, forward in rows]
    one = gene_features(at(places), genes(rows))
    other = gene_features(at([(contig, 1000 - centre) for contig, centre in places]), genes(turned))
    np.testing.assert_array_equal(one, other)


def learnable(n=3000, seed=0):
    """Sites whose states and labels follow from two of three features."""
    sites = simulated(n, seed)
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 3)).astype(np.float32)
    states = np.digitize(features[:, 0], [-0.5, 0.5])
    states[::10] = UNKNOWN
    binary = np.stack([features[:, 1] > 1, 2 * features[:, 1] + rng.normal(size=n) > 3.5])
    return dataclasses.replace(sites, states=states, binary=binary.astype(np.int64)), features


@pytest.mark.parametrize("predict", [gene_proximity, random_forest])
def test_a_classifier_learns_states_and_labels(monkeypatch, predict):
    monkeypatch.setitem(random_forest.__globals__["_FOREST"], "n_estimators", 30)
    train, seen = learnable()
    test, new = learnable(500, 1)
    found = predict(train, seen, test, new)
    assert found.logits.dtype == np.float32
    known = test.states != UNKNOWN
    accuracy = (found.logits[:3].argmax(axis=0) == test.states)[known].mean()
    assert accuracy > 0.9
    assert average_precision(test.binary[0], found.logits[3]) > 0.95
    assert average_precision(test.binary[1], found.logits[4]) > 0.5
    assert np.isnan(found.logits[5]).all()  # continuous
    shares = probabilities(found.logits[:3], heads()[:1])
    assert shares[:, known].min() > 0
    rare = 1 / (1 + np.exp(-found.logits[4]))
    assert rare.mean() == pytest.approx(test.binary[1].mean(), abs=0.02)
    np.testing.assert_array_equal(found.states, test.states)
    again = predict(train, seen, test, new)
    np.testing.assert_array_equal(found.logits, again.logits)


def test_labels_without_a_training_positive_are_not_predicted(monkeypatch):
    monkeypatch.setitem(random_forest.__globals__["_FOREST"], "n_estimators", 5)
    train, seen = learnable(600)
    train.binary[1] = 0
    train.states[train.states == 2] = UNKNOWN
    for predict in (gene_proximity, random_forest):
        found = predict(train, seen, train, seen)
        assert np.isfinite(found.logits[:4]).all()
        assert np.isnan(found.logits[4]).all()
        assert (found.logits[2] == found.logits[:3].min(axis=0)).all()


def test_majority():
    train, _ = learnable()
    test = simulated(200)
    found = majority(train, test)
    known = train.states[train.states != UNKNOWN]
    shares = np.exp(found.logits[:3])
    np.testing.assert_allclose(shares.sum(axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(shares[:, 7], np.bincount(known) / len(known), atol=1e-3)
    odds = np.exp(found.logits[3:5, 0])
    np.testing.assert_allclose(odds / (1 + odds), train.binary.mean(axis=1), atol=1e-3)
    assert (found.logits == found.logits[:, :1])[:5].all()
    assert np.isnan(found.logits[5]).all()


class Text:
    """Contigs of letters."""

    def __init__(self, rows):
        self.rows = rows
        self.sizes = ChromSizes({name: len(row) for name, row in rows.items()})

    def fetch(self, interval):
        row = self.rows[interval.chrom]
        before = "N" * (min(interval.end, 0) - min(interval.start, 0))
        inside = row[max(interval.start, 0) : max(interval.end, 0)]
        return np.frombuffer((before + inside).ljust(len(interval), "N").encode(), dtype=np.uint8)


def test_motif_scans_follow_the_order_of_the_sites():
    rng = np.random.default_rng(2)
    rows = {name: "".join(rng.choice(list("ACGT"), 400)) for name in "ab"}
    matrix = rng.normal(size=(4, 6)).astype(np.float32)
    places = [(1, 300), (0, 50), (1, 100), (0, 350), (0, 150)]
    found = motif_scans(at(places), Text(rows), {1: matrix}, 100)
    assert np.isnan(found[0]).all()
    for column, (contig, centre) in enumerate(places):
        alone = motif_scan(Text(rows), "ab"[contig], np.array([centre]), matrix, 100)
        assert found[1, column] == pytest.approx(alone[0], rel=1e-5)


def test_motif_odds_keep_the_ranking_and_mean_what_they_say():
    train, _ = learnable()
    test, _ = learnable(1000, 1)
    rng = np.random.default_rng(0)

    def scores(sites):
        rows = 10 * sites.binary + rng.normal(-20, 8, sites.binary.shape)
        rows[1] = np.nan
        return rows.astype(np.float32)

    new = scores(test)
    found = motif_odds(train, scores(train), test, new)
    assert (np.argsort(found.logits[3]) == np.argsort(new[0])).all()
    share = 1 / (1 + np.exp(-found.logits[3]))
    assert share.mean() == pytest.approx(test.binary[0].mean(), abs=0.02)
    assert np.isnan(found.logits[[0, 1, 2, 4, 5]]).all()


def test_features_of_a_contig_without_sites():
    found = baselines.fragment_features(
        at([(1, 100)]), Fragments({"a": None, "b": (np.array([90]), np.array([50]))}, 1.0)
    )
    assert found.shape == (1, 125)


# ---- The motif scan against string matching and a loop over words; JASPAR's matrices.


COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


def score(matrix, word):
    return sum(matrix["ACGT".index(c), i] for i, c in enumerate(word) if c != "N")


def oracle(bases, centre, matrix, width):
    """Best of every word, on either strand, whose middle lies in the bin."""
    motif = matrix.shape[1]
    best = -np.inf
    for middle in range(centre - width // 2, centre - width // 2 + width):
        start = middle - motif // 2
        word = "".join(
            bases[i] if 0 <= i < len(bases) else "N" for i in range(start, start + motif)
        )
        backwards = word.translate(COMPLEMENT)[::-1]
        best = max(best, score(matrix, word), score(matrix, backwards))
    return best


@given(
    st.text(alphabet="ACGTN", min_size=30, max_size=120),
    st.integers(1, 9),
    st.sampled_from([4, 10, 20]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60)
def test_scan_against_the_oracle(bases, motif, width, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(0, 2, (4, motif)).astype(np.float32)
    # From the first base to the last: bins that leave the contig are there, too.
    step = int(rng.integers(1, 12))
    centres = np.arange(0, len(bases) + 1, step, dtype=np.int64)
    found = motif_scan(Text({"chr1": bases}), "chr1", centres, matrix, width)
    assert found.dtype == np.float32
    expected = [oracle(bases, int(centre), matrix, width) for centre in centres]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


WORD = "TTACCCGT"


def word_matrix() -> np.ndarray:
    matrix = np.full((4, len(WORD)), -1, dtype=np.float32)
    for column, letter in enumerate(WORD):
        matrix["ACGT".index(letter), column] = 1
    return matrix


@pytest.mark.parametrize("at", [0, 37, 92])
@pytest.mark.parametrize("word", [WORD, WORD.translate(COMPLEMENT)[::-1]])
def test_a_planted_word_is_found_in_its_bin_only(at, word):
    bases = "G" * at + word + "G" * (100 - at - len(word))
    centres = np.arange(5, 100, 10, dtype=np.int64)
    found = motif_scan(Text({"chr1": bases}), "chr1", centres, word_matrix(), 10)
    assert np.flatnonzero(found == len(WORD)).tolist() == [(at + len(WORD) // 2) // 10]


def consensus(matrix) -> str:
    return "".join("ACGT"[row] for row in matrix.argmax(axis=0))


def test_reb1_s_matrix_has_its_consensus():
    matrix = jaspar_matrix("MA0363")
    assert matrix.dtype == np.float32
    assert matrix.shape[0] == 4
    word = consensus(matrix)
    assert any(core in word for core in ("TTACCCG", "CGGGTAA")), word


def test_log_odds_are_those_of_the_counts():
    from pyjaspar import jaspardb

    matrix = jaspar_matrix("MA0265.3")
    motif = jaspardb().fetch_motif_by_id("MA0265.3")
    assert matrix.shape == (4, motif.length)
    for column in range(motif.length):
        counts = [motif.counts[base][column] for base in "ACGT"]
        for row, count in enumerate(counts):
            share = (count + 0.2) / (sum(counts) + 0.8)
            assert matrix[row, column] == pytest.approx(np.log2(share / 0.25), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("matrix_id", ["MA9999999", "Reb1", "MA0363.99"])
def test_an_unknown_matrix_is_an_error(matrix_id):
    with pytest.raises(ConfigError, match=f"no motif {matrix_id!r}"):
        jaspar_matrix(matrix_id)


# ---- Baselines in one run: each place gets its own predictions, calibration comes from validation.


class Store:
    """Fragments at random on any contig."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.all = np.sort(rng.integers(0, 1_200_000, 40_000)).astype(np.int32)
        self.lengths = rng.integers(30, 600, 40_000).astype(np.int32)
        self.density = 40.0

    def midpoints(self, interval):
        inside = (self.all >= interval.start) & (self.all < interval.end)
        return self.all[inside], self.lengths[inside]


class Letters(Text):
    """Random bases, the same on both contigs."""

    def __init__(self):
        letters = "".join(np.random.default_rng(0).choice(list("ACGT"), 1_300_000))
        super().__init__({"chr1": letters, "chr2": letters})


@pytest.fixture(scope="module")
def found():
    """What the run gave, what it was given, and what it said."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(baselines._FOREST, "n_estimators", 10)
        rng = np.random.default_rng(0)
        position = np.sort(rng.integers(0, 1_200_000, 600))
        strand = rng.random(600) < 0.5
        genes = TssTable(("chr1", "chr2"), rng.integers(0, 2, 600), position, strand)
        place = {
            name: SampleSites(simulated(n, seed), (Store(seed), Store(seed + 10)))
            for seed, (name, n) in enumerate(
                {"train": 900, "more": 600, "validation": 500, "here": 200, "there": 300}.items()
            )
        }
        matrices = {1: rng.normal(size=(4, 7)).astype(np.float32)}
        said = []
        results = run_baselines(
            [place["train"], place["more"]],
            [place["validation"]],
            [place["here"], place["there"]],
            heads(),
            200,
            Letters(),
            matrices,
            genes,
            seed=4,
            report=said.append,
        )
        yield {item.name: item for item in results}, place, genes, matrices, said


def expected(name, found, place):
    """Predictions at one place by calling the baseline itself."""
    _, places, genes, matrices, _ = found
    train = [places["train"], places["more"]]
    known = pool_sites([item.sites for item in train], ["0", "1"])

    def features(make):
        return np.concatenate([make(item) for item in train]), make(place)

    def fragments(item):
        return np.concatenate([fragment_features(item.sites, f) for f in item.fragments], axis=1)

    if name == "majority class":
        return majority(known, place.sites)
    if name == "gene proximity":
        seen, new = features(lambda item: gene_features(item.sites, genes))
        return gene_proximity(known, seen, place.sites, new, seed=4)
    if name == "random forest":
        seen, new = features(fragments)
        return random_forest(known, seen, place.sites, new, seed=4)
    seen, new = features(lambda item: motif_scans(item.sites, Letters(), matrices, 200).T)
    return motif_odds(known, seen.T, place.sites, new.T)


NAMES = ["majority class", "gene proximity", "random forest", "motif scan"]


@pytest.mark.parametrize("name", NAMES)
def test_each_place_has_its_predictions(found, name):
    results, places, *_ = found
    assert list(results) == NAMES
    assert len(results[name].sites) == 2
    for sites, place in zip(results[name].sites, ("here", "there"), strict=True):
        alone = expected(name, found, places[place])
        np.testing.assert_allclose(sites.logits, alone.logits, rtol=1e-6)
        np.testing.assert_array_equal(sites.binary, places[place].sites.binary)
        assert sites.contigs == places[place].sites.contigs
    # The places differ, so that a mix-up would be seen.
    assert results[name].sites[0].logits.shape != results[name].sites[1].logits.shape


@pytest.mark.parametrize("name", NAMES)
def test_calibration_is_that_of_the_validation_sites(found, name):
    results, places, *_ = found
    plain = uncalibrated(heads())
    if name != "majority class":
        predicted = expected(name, found, places["validation"])
        plain = calibrate(plain, predicted, (0.0, 0.0))
    for one, other in zip(results[name].heads, plain, strict=True):
        for label, same in zip(one.labels, other.labels, strict=True):
            assert dataclasses.astuple(label)[3:] == pytest.approx(dataclasses.astuple(same)[3:])
    assert results[name].heads[0] != heads()[0]


def test_what_is_learnt_is_said(found):
    assert found[-1] == [
        "gene proximity: learning from 1,494 sites and 600 genes",
        "random forest: learning from 1,494 sites",
        "motif scan: 1 motif",
    ]


def test_baselines_without_their_files_are_left_out():
    place = SampleSites(simulated(300))
    results = run_baselines([place], [place], [place], heads(), 200, Letters(), {}, None)
    assert [item.name for item in results] == ["majority class"]

"""Accuracy by depth and by local fragments, against slow loops."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter

import numpy as np
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scored_sites import heads, simulated
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from chromputer_tracks.data.features import probabilities
from chromputer_tracks.data.labels import UNKNOWN, LabelSet, Mask, StateLabels
from chromputer_tracks.errors import InputError
from chromputer_tracks.evaluation.depth import (
    SEED,
    SHARES,
    DepthSample,
    DepthSites,
    depth_accuracy,
    fragments_around,
    local_accuracy,
    measure_fitness,
)
from chromputer_tracks.evaluation.scores import score
from chromputer_tracks.evaluation.sites import LabelledSites
from chromputer_tracks.intervals import ChromSizes, Grid, Interval
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.spec import HeadSpec, InputSpec, Label, Normalisation

SIZES = ChromSizes({"chr1": 40_000, "chr2": 24_000, "chr3": 50}, "g.fa")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Some thousand fragments, a few of them long, none on chr3."""
    rng = np.random.default_rng(4)
    rows = []
    for chrom in ("chr1", "chr2"):
        for _ in range(3000):
            size = int(rng.integers(20, 400)) if rng.random() < 0.99 else 2500
            start = int(rng.integers(0, SIZES[chrom] - size))
            rows.append(f"{chrom}\t{start}\t{start + size}\n")
    path = tmp_path_factory.mktemp("depth") / "a.tsv"
    path.write_text("".join(sorted(rows)))
    with FragmentStore.build(path, SIZES) as opened:
        yield opened


def everything(store: FragmentStore) -> Counter[tuple[str, int, int]]:
    return Counter(
        (chrom, start, end)
        for chrom, size in SIZES.items()
        for start, end in zip(*store.fetch(Interval(chrom, -5000, size + 5000)), strict=True)
    )


@settings(max_examples=20, deadline=None)
@given(shares=st.lists(st.floats(0.01, 1), min_size=2, max_size=2), seed=st.integers(0, 2**32 - 1))
def test_a_smaller_share_is_part_of_a_larger_one(store, shares, seed):
    low, high = sorted(shares)
    with store.thinned(low, seed) as thin, store.thinned(high, seed) as thick:
        assert everything(thin) <= everything(thick) <= everything(store)
        for share, drawn in ((low, thin), (high, thick)):
            spread = math.sqrt(store.total * share * (1 - share))
            assert abs(drawn.total - store.total * share) <= 5 * spread + 1
            assert drawn.total == sum(drawn.counts.values()) == everything(drawn).total()
            assert drawn.summary.kept == drawn.total
            assert drawn.summary.removed["left out at random"] == store.total - drawn.total


def test_a_draw_follows_from_the_seed(store):
    with store.thinned(0.3, 1) as one, store.thinned(0.3, 1) as same, store.thinned(0.3, 2) as two:
        assert everything(one) == everything(same) != everything(two)
    with store.thinned(1, 1) as whole:
        assert everything(whole) == everything(store)
        assert (whole.density, whole.counts) == (store.density, store.counts)


def test_a_thinned_store_answers_as_one_that_is_built_of_its_fragments(store, tmp_path):
    edges = (20, 100, 300, 3000)
    with store.thinned(0.2, 5) as drawn:
        rows = sorted(everything(drawn).elements())
        path = tmp_path / "drawn.tsv"
        path.write_text("".join(f"{c}\t{s}\t{e}\n" for c, s, e in rows))
        with FragmentStore.build(path, SIZES) as built:
            assert drawn.density == built.density
            np.testing.assert_array_equal(drawn.length_density(edges), built.length_density(edges))
            for chrom in SIZES:
                at = np.arange(-10, SIZES[chrom] + 10, 37)
                np.testing.assert_array_equal(
                    drawn.cumulative(chrom, at), built.cumulative(chrom, at)
                )
                for begin in range(0, SIZES[chrom], 5000):
                    place = Interval(chrom, begin, begin + 777)
                    for one, other in zip(
                        drawn.midpoints(place), built.midpoints(place), strict=True
                    ):
                        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, math.nan])
def test_a_share_that_is_none(store, share):
    with pytest.raises(InputError, match="share"):
        store.thinned(share, 1)


def test_nothing_left_is_said(store):
    with pytest.raises(InputError, match=r"a\.tsv: no fragment is left"):
        store.thinned(1e-9, 1)


def sites_at(places: list[tuple[int, int]], states: int = 0) -> LabelledSites:
    n = len(places)
    contig, centre = np.array(places).T
    return LabelledSites(
        ("chr1", "chr2"),
        contig,
        centre,
        np.zeros((states, n), np.float32),
        np.zeros(n, np.int64),
        np.zeros((0, n), np.int64),
        np.zeros((0, n), np.float32),
        states,
    )


@pytest.mark.parametrize("window", [600, 150, 75])
def test_fragments_around_are_those_with_their_midpoint_in_the_window(store, window):
    rng = np.random.default_rng(1)
    places = [(int(c), int(at)) for c in (0, 1) for at in rng.integers(0, 24_000, 20)]
    places += [(0, 0), (1, 23_999), (0, 39_999)]
    found = fragments_around(sites_at(places), [store, store], window)
    for (contig, centre), number in zip(places, found, strict=True):
        begin = centre - window // 2
        middles = store.midpoints(Interval(f"chr{contig + 1}", begin, begin + window)).midpoints
        assert number == 2 * len(middles)
    assert found.max() > 2


def test_figures_are_those_of_every_score_and_of_scikit_learn():
    sites = simulated(1500, 3)
    found = depth_accuracy(DepthSites(0.25, 4.56789, sites, np.zeros(1500)), heads(), 60, 7)
    assert (found.share, found.depth) == (0.25, 4.568)
    scores = score(sites, heads(), 60, 7)
    for ours, theirs in (
        (found.accuracy, scores.states.accuracy),
        (found.macro_f1, scores.states.macro_f1),
    ):
        assert ours == pytest.approx(dataclasses.astuple(theirs), abs=6e-5)
    values = probabilities(sites.logits, heads())
    known = sites.states != UNKNOWN
    called = values[:3].argmax(axis=0)
    assert found.accuracy[0] == pytest.approx(
        accuracy_score(sites.states[known], called[known]), abs=6e-5
    )
    assert found.macro_f1[0] == pytest.approx(
        f1_score(sites.states[known], called[known], average="macro"), abs=6e-5
    )
    each = [
        average_precision_score(truth[truth != UNKNOWN] == 1, row[truth != UNKNOWN])
        for truth, row in zip(sites.binary, values[3:5], strict=True)
    ]
    value, low, high = found.auprc
    assert value == pytest.approx(np.mean(each), abs=6e-5)
    assert low < value < high
    assert found.confidence == pytest.approx(values[:3, known].max(axis=0).mean(), abs=6e-5)


def test_without_states_or_labels_there_are_no_such_figures():
    sites = dataclasses.replace(simulated(300), binary=np.full((2, 300), UNKNOWN))
    assert depth_accuracy(DepthSites(1, 1, sites, np.zeros(300)), heads(), 20).auprc is None
    found = depth_accuracy(
        DepthSites(
            1,
            1,
            dataclasses.replace(
                simulated(300), logits=simulated(300).logits[3:], number_of_states=0
            ),
            np.zeros(300),
        ),
        heads()[1:],
        20,
    )
    assert (found.accuracy, found.macro_f1, found.confidence) == (None, None, None)
    assert found.auprc is not None


def balanced(truth: list[int], called: list[int]) -> float:
    """Mean over the states of the share of their sites that are called right."""
    recalls = []
    for state in sorted(set(truth)):
        calls = [c for t, c in zip(truth, called, strict=True) if t == state]
        recalls.append(sum(c == state for c in calls) / len(calls))
    return sum(recalls) / len(recalls)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=80
    ),
    groups=st.integers(2, 8),
)
def test_local_accuracy_against_a_loop(rows, groups):
    around, truth, called = (np.array(column) for column in zip(*rows, strict=True))
    found = local_accuracy(around.astype(float), truth, called, groups)
    assert sum(item.sites for item in found) == len(rows)
    assert len(found) <= groups
    # Groups are stretches of the ranked counts: taken anew from their sizes.
    ranked = sorted(rows)
    own, at = [], 0
    for item in found:
        part = ranked[at : at + item.sites]
        at += item.sites
        # Equal counts are in one group.
        assert at == len(ranked) or part[-1][0] < ranked[at][0]
        assert item.fragments == pytest.approx(np.mean([row[0] for row in part]), rel=6e-4)
        own.append(balanced([row[1] for row in part], [row[2] for row in part]))
    fitted = [item.accuracy for item in found]
    assert fitted == sorted(fitted)
    # The isotonic fit keeps the weighted mean; where nothing falls it changes nothing.
    weights = [item.sites for item in found]
    assert np.average(fitted, weights=weights) == pytest.approx(
        np.average(own, weights=weights), abs=1e-3
    )
    if own == sorted(own):
        assert fitted == pytest.approx(own, abs=6e-4)


# ---- The whole measurement, with a network that is nothing but its input.

EDGES = (20, 3000)
GRID = Grid(600, 200)
CONTIGS = ("chr2",)


def labels() -> LabelSet:
    rows = [("chr2", at, at + 200, at // 200 % 2) for at in range(0, 24_000, 200)]
    return LabelSet(StateLabels.from_segments(rows), (), Mask.from_intervals([]))


def vplot(assay: str = "atac") -> InputSpec:
    return InputSpec("vplot", assay, 10, EDGES, Normalisation((10.0,), "none"), assay)


HEADS = (HeadSpec("states", "states", (Label("quiet", "", (0, 0, 0)), Label("x", "", (1, 1, 1)))),)


def network(arrays):
    """Calls a bin ``x`` where its window holds more than the genome's mean of fragments."""
    (array,) = arrays.values()
    height = array.sum(axis=1)[0]
    total = np.convolve(height, np.ones(60), "valid")[::20]
    return np.stack([np.full(len(total), 6.0), total]).astype(np.float32)


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text("".join(f">{name}\n{'A' * size}\n" for name, size in SIZES.items()))
    pysam.faidx(str(path))
    with Fasta(path) as opened:
        yield opened


def test_a_model_is_measured_on_its_thinned_sample(store, fasta):
    lines: list[str] = []
    sample = DepthSample("a", {"atac": store}, labels())
    found = measure_fitness(
        network, (vplot(),), fasta, [sample], CONTIGS, GRID, 200, HEADS, lines.append
    )
    assert found is not None
    assert found.contigs == CONTIGS
    assert [item.share for item in found.depths] == list(SHARES)
    every: list[tuple[int, int, int]] = []
    for item in found.depths:
        with store.thinned(item.share, SEED) as drawn:
            assert item.depth == float(f"{drawn.density:.4g}")
            right = []
            for centre in range(100, 24_000, 200):
                begin = centre - 300
                inside = drawn.midpoints(Interval("chr2", begin, begin + 600)).midpoints
                truth = centre // 200 % 2
                # 6 fragments in the window at the sample's own depth, scaled to 10 per kb.
                call = int(np.float32(len(inside) * 10 / drawn.density) > 6)
                right.append(call == truth)
                every.append((len(inside), truth, call))
        assert item.accuracy[0] == pytest.approx(np.mean(right), abs=6e-5)
        assert item.auprc is None
    around, truth, call = (np.array(column) for column in zip(*every, strict=True))
    assert found.local == local_accuracy(around.astype(float), truth, call)
    assert len(lines) == len(SHARES)
    assert lines[0].startswith(f"with 100% of the fragments ({store.density:.3g} per kb), accuracy")


def test_samples_and_assays_are_thinned_alike(store, fasta):
    samples = [
        DepthSample(name, {"atac": store, "mnase": other}, labels())
        for name, other in (("a", store), ("b", store))
    ]

    def both(arrays):
        one, two = arrays.values()
        np.testing.assert_array_equal(one, two)
        return network({"atac": one})

    found = measure_fitness(
        both, (vplot(), vplot("mnase")), fasta, samples, CONTIGS, GRID, 200, HEADS
    )
    alone = measure_fitness(network, (vplot(),), fasta, [samples[0]], CONTIGS, GRID, 200, HEADS)
    assert found is not None
    assert alone is not None
    for one, other in zip(found.depths, alone.depths, strict=True):
        assert (one.share, one.depth) == (other.share, other.depth)
        assert one.accuracy[0] == other.accuracy[0]
    # Fragments of both assays are counted, and the sites of both samples.
    for one, other in zip(found.local, alone.local, strict=True):
        assert one.sites == 2 * other.sites
        assert one.fragments == pytest.approx(2 * other.fragments, rel=1e-3)


def test_what_reads_no_fragments_has_nothing_to_thin(fasta):
    sequence = InputSpec("sequence", "sequence")
    assert (
        measure_fitness(
            network, (sequence,), fasta, [DepthSample("a", {}, labels())], CONTIGS, GRID, 200, HEADS
        )
        is None
    )


def test_too_few_fragments_are_not_drawn(fasta, tmp_path):
    path = tmp_path / "few.tsv"
    path.write_text("".join(f"chr2\t{at}\t{at + 100}\n" for at in range(0, 20_000, 20)))
    lines: list[str] = []
    with FragmentStore.build(path, SIZES) as few:
        found = measure_fitness(
            network,
            (vplot(),),
            fasta,
            [DepthSample("a", {"atac": few}, labels())],
            CONTIGS,
            GRID,
            200,
            HEADS,
            lines.append,
        )
    assert found is not None
    assert [item.share for item in found.depths] == [1, 0.5, 0.25, 0.1]
    assert lines[-1] == "5% of the fragments are too few to draw; thinner is not measured"

"""Hits of patterns: known places on both strands, each once, whatever the windows."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_motifs import ABF1, REB1, Genome, Plant, pattern_of

from chromputer_tracks.analysis.motifs import hits as motif_hits
from chromputer_tracks.analysis.motifs.hits import (
    ExplainedWindows,
    Hits,
    NearestWindow,
    compete,
    core_starts,
    find_hits,
    score_stretches,
    thresholds,
)

SIZES = {"chrI": 4000, "chrX": 1500}
PLANTS = [
    # One seqlet is less alike the others, so that all of them pass.
    Plant(REB1, chrom, start, strand, height, 0.15 * (start == 1300))
    for (chrom, start), strand, height in zip(
        [("chrI", s) for s in (4, 300, 450, 900, 1300, 2100, 2500, 3000, 3990)] + [("chrX", 700)],
        "+-+--+-+-+",
        (1.0, 1.1, 0.9, 1.2, 0.8, 1.0, 1.1, 0.9, 1.0, 1.3),
        strict=True,
    )
]
STARTS = [("chrI", s) for s in (-60, 200, 350, 700, 1150, 2000, 2380, 2850, 3750)] + [("chrX", 500)]
LENGTH = 400


def places(hits):
    return [
        (str(c), int(s), int(e), "-" if r else "+")
        for c, s, e, r in zip(hits.chrom, hits.start, hits.end, hits.reverse, strict=True)
    ]


def expected(plants):
    return sorted(plant.place for plant in plants)


@pytest.fixture(scope="module")
def genome():
    return Genome(SIZES, PLANTS)


@pytest.fixture(scope="module")
def pattern(genome):
    windows = genome.windows(STARTS, LENGTH)
    return pattern_of(windows, [plant for plant in PLANTS if 10 < plant.start < 3900])


def test_every_planted_motif_is_found_where_it_lies(genome, pattern):
    """On both strands, at both ends of a contig, in windows that reach beyond it and overlap."""
    windows = genome.windows(STARTS, LENGTH)
    hits = find_hits([pattern], windows)
    assert places(hits) == expected(PLANTS)
    heights = {plant.start: plant.height for plant in PLANTS}
    for k in range(len(hits)):
        assert hits.contribution[k] == pytest.approx(8 * heights[hits.start[k]], abs=0.6)
        assert hits.similarity[k] > (0.97 if hits.start[k] == 1300 else 0.995)
        assert hits.p[k] < 1e-4
        row = hits.row[k]
        assert windows.chrom[row] == hits.chrom[k]
        assert windows.start[row] <= hits.start[k] < hits.end[k] <= windows.start[row] + LENGTH


def test_a_place_in_many_windows_is_one_hit_of_the_nearest(genome, pattern):
    starts = [("chrI", s) for s in range(-200, 3900, 37)] + [
        ("chrX", s) for s in range(0, 1500, 50)
    ]
    # Thresholds come from the seqlets, whose rows are those of the fixture's windows.
    base = genome.windows(STARTS, LENGTH)
    many = genome.windows([*STARTS, *starts, *starts], LENGTH)
    assert (many.start[: len(STARTS)] == base.start).all()
    hits = find_hits([pattern], many)
    assert places(hits) == expected(PLANTS)
    centres = 2 * many.start + LENGTH
    for k in range(len(hits)):
        middle = hits.start[k] + hits.end[k]
        here = many.chrom == hits.chrom[k]
        assert abs(centres[hits.row[k]] - middle) == np.abs(centres[here] - middle).min()


def test_the_order_of_windows_and_patterns_changes_nothing(genome, pattern):
    windows = genome.windows(STARTS, LENGTH)
    order = np.random.default_rng(0).permutation(len(STARTS))
    shuffled = genome.windows([STARTS[i] for i in order], LENGTH)
    moved = pattern_of(shuffled, [plant for plant in PLANTS if 10 < plant.start < 3900])
    other = pattern_of(windows, [PLANTS[1], PLANTS[2]], "TF.pos.2")
    again = pattern_of(shuffled, [PLANTS[1], PLANTS[2]], "TF.pos.2")
    first = find_hits([pattern, other], windows)
    second = find_hits([again, moved], shuffled)
    assert places(first) == places(second)
    assert [("TF.pos.1", "TF.pos.2")[i] for i in first.pattern] == [
        ("TF.pos.2", "TF.pos.1")[i] for i in second.pattern
    ]
    np.testing.assert_allclose(first.contribution, second.contribution)


def test_sequence_contribution_and_likeness_are_all_needed(genome, pattern):
    windows = genome.windows(STARTS, LENGTH)
    # chrI:4, forward, is no seqlet of the pattern and lies in the first window alone.
    span = slice(4 + 60, 12 + 60)
    for change in ("weak", "against", "one base", "none"):
        hypothetical = windows.hypothetical.copy()
        there = hypothetical[0, :, span]
        if change == "weak":
            there *= 0.5
        elif change == "against":
            there *= -1
        elif change == "one base":
            there[:, 1:] = 0
            there[:, 0] *= 20
        changed = ExplainedWindows(windows.chrom, windows.start, windows.sequences, hypothetical)
        found = ("chrI", 4, 12, "+") in places(find_hits([pattern], changed))
        assert found == (change == "none"), change
    assert find_hits([pattern], windows, p_limit=1e-9).start.tolist() == []


def test_a_stretch_with_an_unknown_base_is_no_hit(genome, pattern):
    windows = genome.windows(STARTS, LENGTH)
    sequences = windows.sequences.copy()
    sequences[1, :, 457 - 200] = 0
    sequences[2, :, 457 - 350] = 0
    changed = ExplainedWindows(windows.chrom, windows.start, sequences, windows.hypothetical)
    missing = set(expected(PLANTS)) - set(places(find_hits([pattern], changed, 0.01)))
    assert missing == {("chrI", 450, 458, "+")}


def test_a_pattern_against_the_label_has_hits_that_speak_against_it():
    plants = [Plant(ABF1, "chrI", s, strand, -1.0) for s, strand in ((100, "+"), (180, "-"))]
    genome = Genome({"chrI": 400}, plants)
    windows = genome.windows([("chrI", 0)], 400)
    negative = pattern_of(windows, plants, "TF.neg.1", sign=-1)
    hits = find_hits([negative], windows)
    assert places(hits) == expected(plants)
    assert (hits.contribution < -11).all()
    assert (hits.similarity > 0.99).all()


def test_no_pattern_has_no_hit(genome):
    hits = find_hits([], genome.windows(STARTS, LENGTH))
    assert len(hits) == 0
    assert places(hits) == []


def test_of_patterns_that_say_the_same_one_hit_stays(genome, pattern):
    """A part of the motif is a pattern, too; the whole explains more."""
    windows = genome.windows(STARTS, LENGTH)
    short = [Plant(p.motif[:6], p.chrom, p.start) for p in PLANTS if p.strand == "+"][1:-1]
    part = pattern_of(windows, short, "TF.pos.2", flanks=(0, 0))
    hits = find_hits([part, pattern], windows)
    assert places(hits) == expected(PLANTS)
    assert set(hits.pattern.tolist()) == {1}


def test_judging_is_the_sum_and_the_cosine_of_loops(genome, pattern):
    windows = genome.windows(STARTS, LENGTH)
    row = np.array([0, 3, 9, 9])
    start = np.array([100, 0, 200, 392])
    reverse = np.array([False, True, True, False])
    seen = score_stretches(pattern, windows, row, start, reverse)
    matrix = pattern.contributions[:, pattern.core]
    width = matrix.shape[1]
    for k in range(4):
        total = dot = size = 0.0
        for place, base in itertools.product(range(width), range(4)):
            at = start[k] + (width - 1 - place if reverse[k] else place)
            there = 3 - base if reverse[k] else base
            value = float(
                windows.sequences[row[k], there, at] * windows.hypothetical[row[k], there, at]
            )
            total += value
            dot += value * matrix[base, place]
            size += value**2
        norm = np.sqrt((matrix**2).sum())
        assert seen.contribution[k] == pytest.approx(total)
        assert seen.explained[k] == pytest.approx(dot / norm)
        assert seen.similarity[k] == pytest.approx(dot / norm / np.sqrt(size))


def test_thresholds_are_those_of_all_but_the_weakest_seqlets(genome, pattern, monkeypatch):
    windows = genome.windows(STARTS, LENGTH)
    monkeypatch.setattr(motif_hits, "WEAKEST", 0.0)
    contribution, similarity = thresholds(pattern, windows)
    seqlets = pattern.seqlets
    seen = score_stretches(
        pattern, windows, seqlets.row, core_starts(seqlets, pattern), seqlets.reverse
    )
    assert contribution == pytest.approx(seen.contribution.min())
    assert contribution == pytest.approx(8 * 0.8, abs=0.6)
    assert similarity == pytest.approx(seen.similarity.min())


def test_the_core_of_a_seqlet_on_the_other_strand_counts_from_its_end(genome, pattern):
    windows = genome.windows(STARTS, LENGTH)
    starts = windows.start[pattern.seqlets.row] + core_starts(pattern.seqlets, pattern)
    assert starts.tolist() == [plant.start for plant in PLANTS if 10 < plant.start < 3900]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(-30, 60)), min_size=1, max_size=8),
    st.integers(7, 12),
    st.integers(1, 7),
    st.data(),
)
def test_exactly_one_of_the_windows_that_hold_a_stretch_owns_it(starts, length, width, data):
    """And it is one whose centre is nearest, as a loop over all windows finds."""
    sequences = np.zeros((len(starts), 4, length), dtype=np.int8)
    windows = ExplainedWindows(
        np.array([chrom for chrom, _ in starts]),
        np.array([start for _, start in starts]),
        sequences,
        sequences.astype(np.float32),
    )
    chrom = data.draw(st.sampled_from([chrom for chrom, _ in starts]))
    start = data.draw(st.integers(-30, 75))
    rows = [
        row
        for row, (name, first) in enumerate(starts)
        if name == chrom and first <= start and start + width <= first + length
    ]
    if not rows:
        return
    distance = {row: abs(2 * starts[row][1] + length - 2 * start - width) for row in rows}
    own = NearestWindow(windows).owns(np.array(rows), np.full(len(rows), start), width)
    assert own.sum() == 1
    owner = rows[int(np.flatnonzero(own)[0])]
    assert distance[owner] == min(distance.values())
    ties = [row for row in rows if distance[row] == distance[owner]]
    assert (starts[owner][1], owner) == min((starts[row][1], row) for row in ties)


spans = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 30), st.integers(1, 8)), max_size=14
)


@given(spans, st.randoms(use_true_random=False))
def test_competing_is_a_loop_over_all_that_stayed(found, random):
    n = len(found)
    order = list(range(n))
    random.shuffle(order)
    zeros = np.zeros(n)
    hits = Hits(
        pattern=zeros.astype(np.int64),
        row=zeros.astype(np.int64),
        chrom=np.array([item[0] for item in found], dtype=np.str_),
        start=np.array([item[1] for item in found], dtype=np.int64),
        end=np.array([item[1] + item[2] for item in found], dtype=np.int64),
        reverse=zeros.astype(bool),
        contribution=zeros,
        similarity=zeros,
        p=zeros,
    )
    stayed = []
    for k in order:
        bases = {(found[k][0], found[k][1] + i) for i in range(found[k][2])}
        if all(2 * len(bases & other) <= min(len(bases), len(other)) for _, other in stayed):
            stayed.append((k, bases))
    kept = compete(hits, np.array(order, dtype=np.int64))
    assert np.flatnonzero(kept).tolist() == sorted(k for k, _ in stayed)

"""The exact posterior against enumeration of all layouts, and its calibration."""

from dataclasses import replace
from itertools import product
from math import log

import numpy as np
import pytest

from chromputer_tracks.simulation import optimum
from chromputer_tracks.simulation.genome import (
    LENGTH_STEP,
    LENGTHS,
    SHORTEST,
    STEP,
    CellType,
    GenomePlan,
    SimulatedFragments,
    draw_fragments,
    draw_sites,
    element_intensity,
    quiescent,
    regional_bias,
    second_cell,
)
from chromputer_tracks.simulation.motifs import (
    by_class,
    draw_bases,
    motif_evidence,
    motifs_of,
)
from chromputer_tracks.simulation.optimum import LABEL_BIN, accuracy, best_accuracy, bin_posteriors

CONTIG = "chr1"
SLOT_STEPS, MARGIN = 100, 40


def tiny(seed: int) -> tuple[GenomePlan, CellType]:
    cell = CellType("A", 9.0, background=0.15, tilt=0.1, turnover=0.4)
    return GenomePlan({CONTIG: 2_860}, 3, (cell,), gap=60, seed=seed), cell


def count_slowly(drawn: SimulatedFragments, steps: int) -> np.ndarray:
    counts = np.zeros((steps, LENGTHS))
    for start, end in zip(drawn.starts.tolist(), drawn.ends.tolist(), strict=True):
        middle = start + (end - start) // 2
        counts[middle // STEP, (end - start - SHORTEST) // LENGTH_STEP] += 1
    return counts


def layouts(steps: int):
    """Begins of all layouts of up to two sites (no more fit), with their prior probability."""
    last = steps - MARGIN - SLOT_STEPS
    places = range(MARGIN, last + 1)
    yield ()
    for one in places:
        yield (one,)
        yield from ((one, two) for two in range(one + SLOT_STEPS, last + 1))


def layout_prior(begins: tuple[int, ...], steps: int, begin: float) -> float:
    """Walk over the contig step by step."""
    at, total = 0, 0.0
    while at < steps:
        may = MARGIN <= at <= steps - MARGIN - SLOT_STEPS
        if at in begins:
            total += log(begin)
            at += SLOT_STEPS
        else:
            total += log(1 - begin) if may else 0.0
            at += 1
    return total


def site_sequence(
    plan: GenomePlan, bases: np.ndarray, begin: int, kind: int, reverse: bool
) -> float:
    """Log likelihood ratio by summing over which motifs are there, base by base."""
    slot = bases[begin * STEP : begin * STEP + 1000]
    if reverse:
        slot = 3 - slot[::-1]
    chance = ((1 - plan.gc) / 2, plan.gc / 2, plan.gc / 2, (1 - plan.gc) / 2)
    total = 0.0
    here = [motif for motif in motifs_of(plan) if motif.kind == kind]
    for present in product((False, True), repeat=len(here)):
        weight = 1.0
        for there, motif in zip(present, here, strict=True):
            weight *= motif.rate if there else 1 - motif.rate
            for place in range(motif.width if there else 0):
                base = slot[500 + motif.offset + place]
                weight *= motif.matrix()[base, place] / chance[base]
        total += weight
    return log(total)


def enumerate_posterior(
    plan: GenomePlan, cell: CellType, counts: np.ndarray, bases: np.ndarray, use: str
) -> np.ndarray:
    """Sum of the joint probability of data and layout over all layouts, by state of each step."""
    steps = len(counts)
    scale = plan.scale(cell)
    table = plan.state_given_class(cell)
    plain = scale * np.repeat(quiescent(cell.digestion)[None], steps, axis=0)
    images = {}
    for state in range(1, plan.states):
        image = scale * element_intensity(state, cell.digestion)
        images[state, False], images[state, True] = image, image[::-1]
    kinds = list(product(range(1, plan.states), (False, True), range(plan.states)))
    sequence = {}
    for begin in range(MARGIN, steps - MARGIN - SLOT_STEPS + 1):
        for kind, reverse in product(range(1, plan.states), (False, True)):
            ratio = site_sequence(plan, bases, begin, kind, reverse) if use != "fragments" else 0
            sequence[begin, kind, reverse] = ratio
    likelihood = {}
    joint, rows = [], []
    for begins in layouts(steps):
        prior = layout_prior(begins, steps, plan.begin)
        for chosen in product(kinds, repeat=len(begins)):
            total = prior
            states = np.zeros(steps, dtype=int)
            painted = []
            for begin, (kind, reverse, state) in zip(begins, chosen, strict=True):
                total += log(0.5 / (plan.states - 1) * table[kind - 1, state])
                total += sequence[begin, kind, reverse]
                if state:
                    length = len(images[state, reverse])
                    first = begin + (SLOT_STEPS - length) // 2
                    states[first : first + length] = state
                    painted.append((first, state, reverse))
            if use != "sequence":
                key = tuple(painted)
                if key not in likelihood:
                    rate = plain.copy()
                    for first, state, reverse in painted:
                        image = images[state, reverse]
                        rate[first : first + len(image)] = image
                    likelihood[key] = float((counts * np.log(rate) - rate).sum())
                total += likelihood[key]
            joint.append(total)
            rows.append(states)
    weight = np.exp(np.array(joint) - max(joint))
    weight /= weight.sum()
    stacked = np.array(rows)
    return np.array([weight @ (stacked == state) for state in range(plan.states)])


@pytest.mark.parametrize("use", ["fragments", "sequence", "both"])
def test_posterior_equals_enumeration(use):
    plan, cell = tiny(seed=243)
    steps = plan.sizes[CONTIG] // STEP
    sites = draw_sites(plan, CONTIG)
    assert len(sites) == 2 and sites.states.any()
    drawn = draw_fragments(plan, CONTIG, sites, cell)
    bases = draw_bases(plan, CONTIG, sites)
    expected = enumerate_posterior(plan, cell, count_slowly(drawn, steps), bases, use)
    fragments = optimum.fragment_evidence(plan, cell, drawn, np.ones(steps))
    sequence = by_class(plan, motif_evidence(plan, bases))
    found = optimum.contig_posterior(
        plan,
        cell,
        steps,
        fragments if use != "sequence" else None,
        sequence if use != "fragments" else None,
    )
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert 0.05 < expected[0].max() and expected[0].min() < 0.95


def test_evidence_of_long_contigs_has_no_seam(monkeypatch):
    cell = second_cell(20.0)
    plan = GenomePlan({CONTIG: 20_000}, 5, (cell,), seed=2)
    drawn = draw_fragments(plan, CONTIG, draw_sites(plan, CONTIG), cell)
    bias = regional_bias(plan, CONTIG, cell)
    whole = optimum.fragment_evidence(plan, cell, drawn, bias)
    monkeypatch.setattr(optimum, "_BLOCK_STEPS", 300)
    np.testing.assert_allclose(optimum.fragment_evidence(plan, cell, drawn, bias), whole, atol=1e-9)


def test_evidence_against_a_loop():
    cell = second_cell(30.0)
    plan = GenomePlan({CONTIG: 40_000}, 4, (cell,), seed=2)
    steps = 4_000
    drawn = draw_fragments(plan, CONTIG, draw_sites(plan, CONTIG), cell)
    bias = regional_bias(plan, CONTIG, cell)
    assert len(np.unique(bias)) > 1
    counts = count_slowly(drawn, steps)
    plain, scale = quiescent(cell.digestion), plan.scale(cell)
    found = optimum.fragment_evidence(plan, cell, drawn, bias)
    for state, strand, begin in ((1, 0, 40), (1, 1, 1_234), (2, 0, 2_000), (3, 1, 3_860)):
        image = element_intensity(state, cell.digestion)[:: -1 if strand else 1]
        first = begin + (SLOT_STEPS - len(image)) // 2
        total = 0.0
        for at, row in enumerate(image):
            total += counts[first + at] @ np.log(row / plain)
            total -= scale * bias[first + at] * (row.sum() - plain.sum())
        assert found[state - 1, strand, begin] == pytest.approx(total, abs=1e-8)


def test_window_equals_a_long_contig_of_which_nothing_else_is_seen():
    cell = CellType("A", 12.0)
    plan = GenomePlan({CONTIG: 60_000}, 4, (cell,), gap=50, seed=5)
    steps, window = 6_000, 160
    sites = draw_sites(plan, CONTIG)
    drawn = draw_fragments(plan, CONTIG, sites, cell)
    motifs = motif_evidence(plan, draw_bases(plan, CONTIG, sites))
    data = np.concatenate([optimum.count(drawn, steps), np.ones((1, steps))])
    centres = np.array([3_000, 3_010, 3_111])
    found = optimum.window_posterior(plan, cell, centres, window, data, None)
    tables = optimum.templates(plan, cell, 8_192)
    for column, centre in zip(found.T, centres.tolist(), strict=True):
        seen = np.zeros_like(data)
        inside = slice(centre - window // 2, centre + window // 2)
        seen[:, inside] = data[:, inside]
        evidence = tables.evidence(seen).reshape(3, 2, steps)
        whole = optimum.contig_posterior(plan, cell, steps, evidence, None)
        np.testing.assert_allclose(column, whole[:, centre], atol=1e-7)
    # With sequence: only motifs wholly inside the window count.
    found = optimum.window_posterior(plan, cell, centres[:1], window, data, motifs)
    first, last = 3_000 - window // 2, 3_000 + window // 2
    shown = np.zeros_like(motifs)
    for row, motif in enumerate(motifs_of(plan)):
        for begin in range(first - SLOT_STEPS, last):
            for strand, offset in ((0, motif.offset), (1, -motif.offset - motif.width)):
                at = begin * STEP + 500 + offset
                if first * STEP <= at and at + motif.width <= last * STEP:
                    shown[row, strand, begin] = motifs[row, strand, begin]
    seen = np.zeros_like(data)
    seen[:, first:last] = data[:, first:last]
    evidence = tables.evidence(seen).reshape(3, 2, steps)
    whole = optimum.contig_posterior(plan, cell, steps, evidence, by_class(plan, shown))
    np.testing.assert_allclose(found[:, 0], whole[:, 3_000], atol=1e-7)


def test_posterior_is_calibrated_and_rises_with_depth():
    cell = CellType("A", 8.0)
    plan = GenomePlan({CONTIG: 400_000}, 6, (cell,), seed=3)
    low = best_accuracy(plan, cell, [CONTIG], windows=False)
    high = best_accuracy(plan, replace(cell, depth=100.0), [CONTIG])
    for each in (low.fragments, low.sequence, low.both):
        assert each.low - 0.01 < each.expected < each.high + 0.01
        assert each.bins == 2_000
    assert low.sequence.value < low.both.value < high.both.value
    assert low.fragments.value < 0.95 and high.fragments.value > 0.99
    assert low.sequence == high.sequence


def test_bins_have_the_state_of_the_base_right_of_their_middle():
    cell = CellType("A", 400.0)
    plan = GenomePlan({CONTIG: 100_100}, 4, (cell,), seed=3)
    found = bin_posteriors(plan, cell, CONTIG, windows=20)
    assert found.centres[0] == LABEL_BIN // 2 and found.centres[-1] == 99_900
    assert len(found.windows) == 20
    sites = draw_sites(plan, CONTIG)
    lengths = {1: 800, 2: 600, 3: 800}
    for centre, state in zip(found.centres.tolist(), found.truth.tolist(), strict=True):
        covering = [
            s
            for middle, s in zip(sites.centres.tolist(), sites.states[0].tolist(), strict=True)
            if s and middle - lengths[s] // 2 <= centre < middle + lengths[s] // 2
        ]
        assert state == (covering[0] if covering else 0)
    right = found.fragments.argmax(axis=0) == found.truth
    assert right.mean() > 0.99
    assert (found.window.argmax(axis=0) == found.truth[found.windows]).mean() > 0.9


def test_interval_of_independent_bins_is_the_binomial_one():
    rng = np.random.default_rng(1)
    truth = (rng.random(4_000) < 0.2).astype(np.int64)
    posterior = np.stack([np.full(4_000, 0.8), np.full(4_000, 0.2)])
    found = accuracy(posterior, truth, np.arange(4_000))
    share = 1 - truth.mean()
    assert found.value == pytest.approx(share)
    assert found.expected == pytest.approx(0.8)
    half = 1.96 * (share * (1 - share) / 4_000) ** 0.5
    assert found.high - found.value == pytest.approx(half, rel=0.01)
    assert found.value - found.low == pytest.approx(half, rel=0.01)


def test_prior_alone_is_the_share_of_sites():
    """Without data the posterior is the layout's prior: far from the ends, sites per step."""
    cell = CellType("A", 10.0, turnover=0.5)
    plan = GenomePlan({CONTIG: 80_000}, 4, (cell,), gap=40)
    found = optimum.contig_posterior(plan, cell, 8_000, None, None)[:, 4_000]
    share = plan.state_given_class(cell).mean(axis=0)[1:] * np.array([80, 60, 80])
    np.testing.assert_allclose(found[1:], plan.site_rate * share, atol=1e-6)


def test_a_window_without_data_has_the_prior_of_a_genome_without_ends():
    cell = CellType("A", 10.0)
    plan = GenomePlan({CONTIG: 20_000}, 4, (cell,), gap=30)
    data = np.zeros((LENGTHS + 1, 2_000))
    found = optimum.window_posterior(plan, cell, np.array([1_000]), 60, data, None)[:, 0]
    share = plan.state_given_class(cell).mean(axis=0)[1:] * np.array([80, 60, 80])
    np.testing.assert_allclose(found[1:], plan.site_rate * share, rtol=1e-9)

"""Sites, sequence and fragments are drawn from the distributions that the optimum assumes."""

import numpy as np
import pytest

from chromputer_tracks.errors import InputError
from chromputer_tracks.simulation.genome import (
    ELEMENTS,
    LENGTH_STEP,
    LENGTHS,
    LONGEST,
    MOST_STATES,
    SHORTEST,
    SLOT,
    STEP,
    CellType,
    Digestion,
    GenomePlan,
    draw_fragments,
    draw_sites,
    element_intensity,
    equal_contigs,
    first_cell,
    length_centres,
    quiescent,
    regional_bias,
    second_cell,
    state_steps,
)
from chromputer_tracks.simulation.motifs import (
    MOTIFS,
    draw_bases,
    motif_starts,
    motifs_of,
    planted,
)

CONTIG = "chr1"
CODES = {"A": 0, "C": 1, "G": 2, "T": 3}
IUPAC = {"R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC", "N": "ACGT"}


@pytest.mark.parametrize("digestion", [Digestion(0.1, 0.0), Digestion(0.2, 0.25)])
def test_intensities_are_positive_and_have_their_fold(digestion):
    plain = quiescent(digestion)
    assert plain.shape == (LENGTHS,) == length_centres().shape
    assert plain.min() > 0
    if not digestion.tilt:
        assert plain.sum() == pytest.approx(1)
    for number, element in enumerate(ELEMENTS, 1):
        image = element_intensity(number, digestion)
        assert image.shape == (element.length // STEP, LENGTHS)
        assert element.length <= SLOT and element.length % (2 * STEP) == 0
        assert image.min() > 0
        if not digestion.tilt:
            share = digestion.background
            mean = (1 - share) * element.fold + share
            assert image.sum() / len(image) == pytest.approx(mean)


def test_no_fragment_ends_in_a_footprint():
    number = [element.title for element in ELEMENTS].index("Insulator") + 1
    image = element_intensity(number, Digestion(0.01, 0.0))
    middle = len(image) // 2
    row = (60 - SHORTEST) // LENGTH_STEP  # 60 to 69 bp: ends 30 to 35 bp from the midpoint
    beside, over, clear = image[middle + 3, row], image[middle, row], image[middle + 6, row]
    assert beside < 0.2 * over  # its left end would lie at the footprint's middle
    assert beside < 0.2 * clear


def test_depth_is_what_is_asked_for():
    for cell in (first_cell(30.0), second_cell(12.0)):
        plan = GenomePlan({CONTIG: 4_000_000}, 6, (cell,), seed=9)
        drawn = draw_fragments(plan, CONTIG, draw_sites(plan, CONTIG), cell)
        bias = regional_bias(plan, CONTIG, cell).mean()
        assert len(drawn.starts) / 4_000 / bias == pytest.approx(cell.depth, rel=0.03)


def test_fragments_of_sites_follow_the_intensity_on_their_strand():
    cell = CellType("A", 60.0, background=0.05, turnover=0.1)
    plan = GenomePlan({CONTIG: 3_000_000}, 4, (cell,), seed=2)
    sites = draw_sites(plan, CONTIG)
    drawn = draw_fragments(plan, CONTIG, sites, cell)
    length = drawn.ends - drawn.starts
    middle = drawn.starts + length // 2
    steps = plan.sizes[CONTIG] // STEP
    counts = np.zeros((steps, LENGTHS))
    np.add.at(counts, (middle // STEP, (length - SHORTEST) // LENGTH_STEP), 1)
    for state in (1, 2, 3):
        image = element_intensity(state, cell.digestion) * plan.scale(cell)
        half = len(image) // 2
        for reverse in (False, True):
            chosen = (sites.states[0] == state) & (sites.reverse == reverse)
            centres = sites.centres[chosen] // STEP
            assert len(centres) > 150
            found = counts[centres[:, None] + np.arange(-half, half)].sum(axis=0)
            expected = len(centres) * (image[::-1] if reverse else image)
            z = (found - expected) / np.sqrt(expected)
            busy = expected > 5
            assert busy.sum() > 100
            assert np.mean(z[busy] ** 2) == pytest.approx(1, abs=0.25)
            assert found.sum() == pytest.approx(expected.sum(), rel=0.05)
    quiet = counts[state_steps(plan, CONTIG, sites, 0) == 0].mean(axis=0)
    expected = quiescent(cell.digestion) * plan.scale(cell)
    np.testing.assert_allclose(quiet.sum(), expected.sum(), rtol=0.02)
    np.testing.assert_allclose(quiet[expected > 0.01], expected[expected > 0.01], rtol=0.1)


def test_midpoints_and_lengths_are_uniform_within_their_step_and_class():
    cell = first_cell(50.0)
    plan = GenomePlan({CONTIG: 1_000_000}, 4, (cell,))
    drawn = draw_fragments(plan, CONTIG, draw_sites(plan, CONTIG), cell)
    length = drawn.ends - drawn.starts
    assert SHORTEST <= length.min() and length.max() < LONGEST
    assert drawn.starts.min() >= 0 and drawn.ends.max() <= 1_000_000
    order = np.lexsort((drawn.ends, drawn.starts))
    np.testing.assert_array_equal(order, np.arange(len(order)))
    for values in ((drawn.starts + length // 2) % STEP, length % LENGTH_STEP):
        counts = np.bincount(values, minlength=10)
        assert np.abs(counts / len(length) - 0.1).max() < 0.005


def test_sites_follow_their_process():
    cell = CellType("A", 10.0, turnover=0.3)
    other = CellType("B", 10.0, turnover=0.3)
    plan = GenomePlan({CONTIG: 20_000_000}, 5, (cell, other), gap=100, seed=1)
    sites = draw_sites(plan, CONTIG)
    spacing = np.diff(sites.steps)
    assert spacing.min() >= SLOT // STEP
    assert spacing.mean() == pytest.approx(200, rel=0.03)
    assert (spacing - 100).std() == pytest.approx((100 * 101) ** 0.5, rel=0.05)
    assert len(sites) / 2_000_000 == pytest.approx(plan.site_rate, rel=0.03)
    assert sites.reverse.mean() == pytest.approx(0.5, abs=0.02)
    assert sites.steps[0] >= 40 and sites.steps[-1] + 140 <= 2_000_000
    for number in (0, 1):
        table = plan.state_given_class(plan.cells[number])
        np.testing.assert_allclose(table.sum(axis=1), 1)
        for kind in range(1, 5):
            states = sites.states[number][sites.classes == kind]
            found = np.bincount(states, minlength=5) / len(states)
            np.testing.assert_allclose(found, table[kind - 1], atol=0.025)
    # 0.7 keep their class's state, 0.15 are silent, 0.15 are spread over four states.
    assert plan.state_given_class(cell)[0, 1] == pytest.approx(0.7375)
    assert (sites.states[0] != sites.states[1]).mean() == pytest.approx(0.42, abs=0.03)


def test_regional_bias_has_domains_and_mean_one():
    cell = CellType("A", 10.0, domains=0.5)
    plan = GenomePlan({CONTIG: 60_000_000}, 4, (cell,))
    bias = regional_bias(plan, CONTIG, cell)
    assert len(bias) == 6_000_000
    edges = np.flatnonzero(np.diff(bias)) + 1
    widths = np.diff(edges) * STEP
    assert widths.min() >= 10_000 and widths.max() <= 50_000
    factors = bias[edges]
    assert np.log(factors).std() == pytest.approx(0.5, rel=0.05)
    assert factors.mean() == pytest.approx(1, abs=0.04)
    assert (regional_bias(plan, CONTIG, first_cell(5.0)) == 1).all()


@pytest.mark.parametrize("states", [4, 8])
def test_motifs_stand_where_the_sites_say(states):
    cell = first_cell(10.0)
    plan = GenomePlan({CONTIG: 3_000_000}, states, (cell,), seed=6)
    sites = draw_sites(plan, CONTIG)
    bases = draw_bases(plan, CONTIG, sites)
    assert [motif.kind for motif in motifs_of(plan)] == [m.kind for m in MOTIFS if m.kind < states]
    for motif in motifs_of(plan):
        chosen = planted(plan, CONTIG, sites, motif)
        of_class = sites.classes == motif.kind
        assert not chosen[~of_class].any()
        assert chosen[of_class].mean() == pytest.approx(motif.rate, abs=0.08)
        fits = []
        starts = motif_starts(sites, motif)[chosen].tolist()
        centres = sites.centres[chosen].tolist()
        turned = sites.reverse[chosen].tolist()
        for start, centre, reverse in zip(starts, centres, turned, strict=True):
            instance = bases[start : start + motif.width]
            if reverse:
                instance = 3 - instance[::-1]
                # The last base of the plus strand is the motif's first.
                assert centre - 1 - (start + motif.width - 1) == motif.offset
            else:
                assert start - centre == motif.offset
            fits.append(
                [
                    base in [CODES[x] for x in IUPAC.get(letter, letter)]
                    for base, letter in zip(instance, motif.consensus, strict=True)
                ]
            )
        free = [letter == "N" for letter in motif.consensus]
        share = np.mean(fits, axis=0)
        np.testing.assert_allclose(share, np.where(free, 1.0, 0.88), atol=0.08)
    assert np.isin(bases, [1, 2]).mean() == pytest.approx(plan.gc, abs=0.01)
    assert (bases == 1).mean() == pytest.approx((bases == 2).mean(), abs=0.005)


def test_motifs_of_a_class_do_not_overlap_and_lie_in_the_slot():
    for kind in range(1, MOST_STATES):
        here = sorted((m.offset, m.offset + m.width) for m in MOTIFS if m.kind == kind)
        assert here
        assert all(a_end <= b for (_, a_end), (b, _) in zip(here, here[1:], strict=False))
        assert here[0][0] >= -SLOT // 2 and here[-1][1] <= SLOT // 2


def test_contigs_do_not_depend_on_each_other():
    cell = first_cell(10.0)
    one = GenomePlan({"chr2": 200_000}, 6, (cell,))
    two = GenomePlan({"chr1": 300_000, "chr2": 200_000}, 6, (cell, second_cell(5.0)))
    sites, again = draw_sites(one, "chr2"), draw_sites(two, "chr2")
    np.testing.assert_array_equal(sites.steps, again.steps)
    np.testing.assert_array_equal(sites.states[0], again.states[0])
    np.testing.assert_array_equal(draw_bases(one, "chr2", sites), draw_bases(two, "chr2", again))
    drawn = draw_fragments(one, "chr2", sites, cell)
    np.testing.assert_array_equal(drawn.ends, draw_fragments(two, "chr2", again, cell).ends)
    assert not np.array_equal(draw_sites(two, "chr1").steps[:50], sites.steps[:50])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: GenomePlan({CONTIG: 5_000}, 9, (first_cell(1.0),)), "9 states: give 2 to 8"),
        (lambda: GenomePlan({CONTIG: 1_000}, 4, (first_cell(1.0),)), "contig chr1 of 1,000 bp"),
        (lambda: GenomePlan({CONTIG: 5_005}, 4, (first_cell(1.0),)), "a multiple of 10"),
        (lambda: GenomePlan({CONTIG: 5_000}, 4, (first_cell(1.0),) * 2), "must be distinct"),
        (lambda: GenomePlan({CONTIG: 5_000}, 4, (first_cell(1.0),), seed=-1), "seed -1"),
        (lambda: CellType("A", 0.0), "depth 0 must be between 0.5 and"),
        (lambda: CellType("A", 5.0, background=1.0), "background 1 must be between 0.01 and"),
        (lambda: CellType("A", float("nan")), "depth nan"),
    ],
)
def test_impossible_parameters_are_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_equal_contigs():
    assert equal_contigs(100_000, 3) == {"chr1": 33_330, "chr2": 33_330, "chr3": 33_330}

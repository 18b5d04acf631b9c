"""Normalisation against its formula, one bin and one fragment at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromputer_tracks.data.features import local_ratio, normalise
from chromputer_tracks.intervals import Interval
from chromputer_tracks.spec import Normalisation

SIZE = 1_000


class Points:
    """Midpoints of fragments on one contig of SIZE bp."""

    def __init__(self, points, per_bp=0.02):
        self.points = np.sort(np.array(points, dtype=np.int64))
        self.per_bp = per_bp

    def cumulative(self, chrom, positions):
        assert chrom == "c"
        return np.searchsorted(self.points, positions).astype(np.float64)


def how(background=0, prior=1000, reference=(1.0,), transform="none"):
    return Normalisation(reference, transform, background, prior)


def oracle(points, per_bp, interval, bin_size, background, prior):
    ratios = []
    for start in range(interval.start, interval.end, bin_size):
        box = Interval.centred("c", Interval("c", start, start + bin_size).centre, background)
        bases = [base for base in range(box.start, box.end) if 0 <= base < SIZE]
        inside = sum(base in bases for base in points)
        ratios.append((inside / per_bp + prior) / (len(bases) + prior) if bases else 1.0)
    return ratios


@st.composite
def places(draw):
    bin_size = draw(st.sampled_from([1, 7, 10, 50]))
    start = draw(st.integers(-600, SIZE + 400))
    return Interval("c", start, start + bin_size * draw(st.integers(1, 12))), bin_size


points = st.lists(st.integers(0, SIZE - 1), max_size=30)
backgrounds = st.sampled_from([1, 10, 101, 500, 5_000])


@given(points, st.floats(0.001, 10), places(), backgrounds, st.integers(1, 2_000))
def test_local_ratio_against_the_formula(points, per_bp, place, background, prior):
    interval, bin_size = place
    found = local_ratio(Points(points, per_bp), SIZE, interval, bin_size, how(background, prior))
    assert found.dtype == np.float32
    assert (found > 0).all()
    expected = oracle(points, per_bp, interval, bin_size, background, prior)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(points, places(), backgrounds, st.data())
def test_a_bin_is_the_same_in_every_interval(points, place, background, data):
    interval, bin_size = place
    whole = local_ratio(Points(points), SIZE, interval, bin_size, how(background))
    first = data.draw(st.integers(0, len(whole) - 1))
    last = data.draw(st.integers(first + 1, len(whole)))
    start = interval.start
    part = Interval("c", start + first * bin_size, start + last * bin_size)
    found = local_ratio(Points(points), SIZE, part, bin_size, how(background))
    assert (found == whole[first:last]).all()


@given(points, backgrounds)
def test_what_lies_outside_the_box_does_not_count(points, background):
    bin_ = Interval("c", 480, 490)
    box = Interval.centred("c", 485, background)
    inside = [base for base in points if box.start <= base < box.end]
    found = [
        local_ratio(Points(p), SIZE, bin_, 10, how(background)).tolist() for p in (points, inside)
    ]
    assert found[0] == found[1]


def test_local_ratio_by_hand():
    # Boxes of 100 bp; 0.02 fragments per bp; a prior of 100 bp.
    source = Points([10, 20, 30, 40, 500])
    for start, expected in (
        (45, (4 / 0.02 + 100) / 200),  # [0, 100)
        (0, (4 / 0.02 + 100) / 155),  # [-45, 55) is cut to 55 bp
        (495, (1 / 0.02 + 100) / 200),
        (300, 0.5),  # nothing inside: the prior alone
        (990, (0 + 100) / 155),  # [945, 1045) is cut to 55 bp
        (1_046, 1.0),  # the box [1001, 1101) lies outside
        (-60, 1.0),  # [-105, -5)
    ):
        found = local_ratio(source, SIZE, Interval("c", start, start + 10), 10, how(100, 100))
        assert found.tolist() == pytest.approx([expected])


def test_without_a_background_nothing_is_read():
    found = local_ratio(None, SIZE, Interval("c", -5, 25), 10, how(0))
    assert found.tolist() == [1, 1, 1]
    assert found.dtype == np.float32


TRANSFORMS = {"log1p": math.log1p, "asinh": math.asinh, "sqrt": math.sqrt, "none": float}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("references", [1, 3])
@pytest.mark.parametrize("densities", [1, 3])
@pytest.mark.parametrize("with_local", [False, True])
def test_normalise_against_the_formula(transform, references, densities, with_local):
    rng = np.random.default_rng(3)
    values = rng.poisson(2, (3, 5)).astype(np.float32)
    before = values.copy()
    reference = tuple(rng.uniform(1, 9, references).tolist())
    density = rng.uniform(1, 9, densities)
    local = rng.uniform(0.1, 4, 5).astype(np.float32) if with_local else None
    found = normalise(values, density, local, how(reference=reference, transform=transform))
    assert found.dtype == np.float32
    assert found.shape == (3, 5)
    for row in range(3):
        for bin_ in range(5):
            scale = reference[row % references] / density[row % densities]
            ratio = float(local[bin_]) if with_local else 1.0
            expected = TRANSFORMS[transform](float(values[row, bin_]) * scale / ratio)
            assert found[row, bin_] == pytest.approx(expected, rel=1e-5)
    assert (values == before).all()


def test_a_class_without_fragments_stays_zero():
    values = np.array([[4, 0], [0, 0]], dtype=np.float32)
    found = normalise(values, np.array([2.0, 0.0]), None, how(reference=(3.0, 5.0)))
    assert found.tolist() == [[6, 0], [0, 0]]
    found = normalise(values[:1], np.array([0.0]), np.ones(2, np.float32), how())
    assert found.tolist() == [[0, 0]]


@given(st.integers(1, 40))
def test_twice_the_depth_gives_the_same(depth):
    rng = np.random.default_rng(depth)
    points = rng.integers(0, SIZE, 50)
    values = rng.poisson(2, (1, 4)).astype(np.float32)
    spec = how(200, 300, (4.0,), "log1p")
    interval = Interval("c", 400, 440)
    found = [
        normalise(
            values * times,
            np.array([50.0 * times]),
            local_ratio(Points(np.repeat(points, times), 0.05 * times), SIZE, interval, 10, spec),
            spec,
        )
        for times in (1, depth)
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)

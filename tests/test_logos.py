"""Logos: letters as high as their values where they belong; consensus and information."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_motifs import REB1, Genome, Plant, pattern_of

from chromputer_tracks.analysis.logos import (
    aligned_logo,
    consensus,
    frequencies,
    information,
    letter_heights,
    logo_file,
    motif_columns,
    pattern_logo,
    shown_columns,
    small_logo,
)

USE = re.compile(
    r'<use href="#base-(\w)" x="([\d.]+)" y="([-\d.]+)" width="[\d.]+" height="([\d.]+)"/>'
)
SIZE = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')


def letters(svg):
    """Letter, column, upper edge and height."""
    return [(b, int(float(x) // 18), float(y), float(h)) for b, x, y, h in USE.findall(svg)]


def test_letters_stack_from_the_base_line_the_largest_outside():
    heights = np.array([[3.0, -1.0], [1.0, 0.0], [0.0, -2.0], [0.001, 1.0]])
    svg = small_logo(heights, "two columns")
    _, tall = (float(value) for value in SIZE.search(svg).groups())
    unit = tall / 7  # from 4 above to 3 below
    base = 4 * unit
    found = letters(svg)
    assert [item[:2] for item in found] == [("C", 0), ("A", 0), ("A", 1), ("T", 1), ("G", 1)]
    expected = [
        (base - unit, 1),
        (base - 4 * unit, 3),
        (base, 1),
        (base - unit, 1),
        (base + unit, 2),
    ]
    for (_, _, y, height), (top, value) in zip(found, expected, strict=True):
        assert y == pytest.approx(top, abs=0.02)
        assert height == pytest.approx(value * unit, abs=0.02)


def test_information_is_two_bits_of_a_certain_base():
    shares = np.array([[1.0, 0.25, 0.5], [0, 0.25, 0.5], [0, 0.25, 0], [0, 0.25, 0]])
    np.testing.assert_allclose(letter_heights(shares).sum(axis=0), [2, 0, 1])


def test_a_known_motif_lies_below_the_columns_it_matches():
    core = np.eye(4)[:, [0, 1, 2, 3]]
    columns = slice(-2, 6)
    own = letters(aligned_logo(core, 0, columns, "own"))
    other = letters(aligned_logo(core[:, :2], -2, columns, "other"))
    assert SIZE.search(aligned_logo(core, 0, columns, "own")).group(1) == str(8 * 18)
    # Shifted as a whole, by two columns.
    assert [(b, column) for b, column, _, _ in own] == [("A", 0), ("C", 1), ("G", 2), ("T", 3)]
    assert "translate(36 0)" in aligned_logo(core, 0, columns, "own")
    assert [(b, column) for b, column, _, _ in other] == [("A", 0), ("C", 1)]
    assert "translate(0 0)" in aligned_logo(core[:, :2], -2, columns, "other")


@pytest.fixture(scope="module")
def pattern():
    plants = [Plant(REB1, "chrI", 100), Plant(REB1, "chrI", 200, "-")]
    return pattern_of(
        Genome({"chrI": 400}, plants).windows([("chrI", 0)], 400), plants, flanks=(8, 6)
    )


def drawing(pattern, description):
    return pattern_logo(
        pattern.contributions,
        pattern.hypothetical,
        pattern.frequencies,
        pattern.core,
        description,
    )


def test_a_pattern_shows_its_core_with_flanks(pattern):
    assert pattern.core == slice(8, 16)
    assert shown_columns(pattern.core, pattern.width) == slice(3, 21)  # of 22
    svg = drawing(pattern, 'it says "<so>"')
    band = re.search(r'<rect x="(\d+)" y="\d+" width="(\d+)"', svg)
    assert [int(value) for value in band.groups()] == [56 + 5 * 18, 8 * 18]
    assert "&lt;so&gt;" in svg
    assert ">contribution<" in svg
    assert ">hypothetical<" in svg
    assert ">bits<" in svg
    assert [n for n in re.findall(r'text-anchor="middle">(\d+)<', svg)] == ["1", "5"]


def test_a_file_holds_its_letters(pattern):
    text = logo_file(drawing(pattern, "a > b"))
    assert text.startswith('<svg xmlns="http://www.w3.org/2000/svg" ')
    assert text.count("<symbol ") == 4
    assert text.index("<symbol ") < text.index("<use ")


def test_frequencies_and_information() -> None:
    counts = np.array([[8, 2, 0, 1], [0, 2, 0, 1], [0, 2, 0, 2], [0, 2, 0, 0]])
    found = frequencies(counts)
    np.testing.assert_allclose(
        found,
        [[1, 0.25, 0.25, 0.25], [0, 0.25, 0.25, 0.25], [0, 0.25, 0.25, 0.5], [0, 0.25, 0.25, 0]],
    )
    entropy = -sum(p * math.log2(p) for p in (0.25, 0.25, 0.5))
    np.testing.assert_allclose(information(found), [2, 0, 0, 2 - entropy], atol=1e-12)
    assert motif_columns(found) == slice(0, 4)
    assert motif_columns(found[:, 1:3]) == slice(0, 0)
    assert motif_columns(found[:, [1, 3, 1, 0, 2]]) == slice(1, 4)


@given(st.lists(st.lists(st.integers(0, 20), min_size=4, max_size=4), min_size=1, max_size=8))
def test_consensus_after_cavener(columns: list[list[int]]) -> None:
    pwm = frequencies(np.array(columns).T)
    codes = {
        "A": "A", "C": "C", "G": "G", "T": "T", "AC": "M", "AG": "R", "AT": "W", "CG": "S",
        "CT": "Y", "GT": "K",
    }  # fmt: skip
    expected = ""
    for column in columns:
        total = sum(column)
        order = sorted(zip(column, "ACGT", strict=True), key=lambda pair: (-pair[0], pair[1]))
        (one, first), (two, second) = order[:2]
        if total and 2 * one > total and one > 2 * two:
            expected += first
        elif total and 4 * (one + two) > 3 * total:
            expected += codes["".join(sorted(first + second))]
        else:
            expected += "N"
    assert consensus(pwm) == expected

"""Labels within the browser's limits, names and stanzas."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chromputer_tracks.intervals import Interval
from chromputer_tracks.tracks.hub.text import (
    LONG,
    SHORT,
    Names,
    browser_position,
    file_text,
    identifier,
    long_label,
    plain,
    short_label,
    shorten,
    stanza,
    word,
)

TEXT = st.text(max_size=40)


@given(TEXT)
@example("a\\\nb")
def test_plain_text_is_one_line_of_ascii_without_markup(text):
    made = plain(text)
    assert made.isascii()
    assert made == made.strip()
    assert made == "" or made.isprintable()
    assert not set(made) & set('<>&"\\|')
    assert plain(made) == made


def test_plain_text_keeps_what_it_can():
    assert plain("Reb1 (general regulatory factor)") == "Reb1 (general regulatory factor)"
    assert plain("naïve\tT  cells\n") == "naive T cells"
    assert plain('A & B <C> "D"') == "A and B (C) 'D'"
    assert plain("β") == "?"


@given(TEXT, TEXT)
def test_labels_keep_to_the_limits(text, sample):
    for made, limit in ((short_label(text, sample), SHORT), (long_label(text, sample), LONG)):
        assert len(made) <= limit
        assert made.isascii()


@pytest.mark.parametrize(
    ("text", "sample", "short"),
    [
        ("Reb1", "", "Reb1"),
        ("A name of 18 chars", "", "A name of 18 ch.."),
        ("A name of 17 char", "", "A name of 17 char"),
        ("Reb1", "liver", "Reb1 liver"),
        ("Reb1", "patient_7_rep1", "Reb1 patie.._rep1"),
        ("Reb1", "patient_7_rep2", "Reb1 patie.._rep2"),
        ("Reb1 sub", "patient_7_rep2", "Reb1 sub pat..ep2"),
        ("An endless name", "patient_7_rep2", "An endle.. pa..p2"),
        ("An endless name", "wt", "An endless n.. wt"),
    ],
)
def test_short_labels(text, sample, short):
    made = short_label(text, sample)
    assert made == short
    assert len(made) <= SHORT


def test_long_labels():
    assert long_label("Reb1: probability", "") == "Reb1: probability"
    assert long_label("Reb1: probability", "wild type") == "Reb1: probability, wild type"
    made = long_label("x" * 70, "a sample with a long name")
    assert len(made) == LONG
    assert made == "x" * 66 + ".., a ..me"
    assert shorten("x" * 80, 10) == "x" * 8 + ".."


@given(st.lists(TEXT, max_size=3))
def test_identifiers_are_names_of_tracks(parts):
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", identifier(*parts))


def test_identifiers():
    assert identifier("calls", "H2A.Z", "") == "calls_H2A_Z"
    assert identifier("1") == "t1"
    assert identifier("") == "t"


@given(st.lists(st.sampled_from(["a", "A", "a.b", "a_b", "a_2", "", "é"]), max_size=12))
def test_names_differ_also_where_case_does_not_count(wanted):
    names = Names()
    made = [names.new(name) for name in wanted]
    assert len({name.casefold() for name in made}) == len(made)


def test_the_first_keeps_its_name():
    names = Names()
    assert [names.new("a", "b"), names.new("a.b"), names.new("A_B")] == ["a_b", "a_b_2", "A_B_3"]


def test_long_names_are_cut_and_still_differ():
    """They are names of folders, too, of which most file systems take 255 characters."""
    names = Names()
    made = [names.new("x" * 300), names.new("x" * 301), names.new("prob", "y" * 99)]
    assert made == ["x" * 100, "x" * 100 + "_2", "prob_" + "y" * 95]


def test_words():
    assert word("Reb1 (a = b)") == "Reb1_(a_-_b)"
    assert word("") == "_"


def test_stanzas_and_files():
    first = stanza([("track", "a"), ("type", "bigWig 0 1")])
    second = stanza([("track", "b"), ("parent", "a on")], depth=1)
    assert first == "track a\ntype bigWig 0 1\n"
    assert second == "    track b\n    parent a on\n"
    assert file_text([first, second]) == first + "\n" + second


def test_positions_count_from_one():
    assert browser_position(Interval("chrI", 0, 10)) == "chrI:1-10"

"""Labels within the browser's limits, names, and stanzas of tracks and composites."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chromputer_tracks.intervals import Interval
from chromputer_tracks.tracks.browser_tracks import BrowserTrack, Kind
from chromputer_tracks.tracks.hub.stanzas import (
    COMPOSITE,
    FOLDER,
    LONG,
    OVERLAY,
    SHORT,
    HubTrack,
    SubGroup,
    UniqueNames,
    browser_position,
    composite,
    file_text,
    identifier,
    long_label,
    plain,
    short_label,
    shorten,
    stanza,
    track_stanzas,
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
    names = UniqueNames()
    made = [names.new(name) for name in wanted]
    assert len({name.casefold() for name in made}) == len(made)


def test_the_first_keeps_its_name():
    names = UniqueNames()
    assert [names.new("a", "b"), names.new("a.b"), names.new("A_B")] == ["a_b", "a_b_2", "A_B_3"]


def test_long_names_are_cut_and_still_differ():
    """They are names of folders, too, of which most file systems take 255 characters."""
    names = UniqueNames()
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


RGB = (1, 2, 3)
PROBABILITY = (0.0, 1.0)
SCALED = "visibility full\nautoScale on\nalwaysZero on\nmaxHeightPixels 100:32:8\n"


def leaf(name: str, kind: Kind = "signal", **more: object) -> HubTrack:
    form = "bed" if kind == "sites" else "bigwig"
    shown = BrowserTrack(Path("x"), name, "", "", kind, form, RGB)
    return HubTrack(name, name, f"the {name}", replace(shown, **more), f"s/{name}.bw")


def lines(*tracks: HubTrack, **more: str) -> str:
    ranges = {f"s/{name}.bw": (0.5, 2.0) for name in "abcd"}
    return "\n".join(track_stanzas(tracks, ranges, **more))


def test_a_track():
    track = replace(leaf("a"), page="page")
    assert lines(track) == (
        "track a\ntype bigWig 0 2\nshortLabel a\nlongLabel the a\nbigDataUrl s/a.bw\n"
        f"html page.html\npriority 1\n{SCALED}windowingFunction mean\ncolor 1,2,3\n"
    )
    assert lines(leaf("b", "sites"), track, base="x/", group="g") == (
        "track b\ntype bigBed 6 .\nshortLabel b\nlongLabel the b\nbigDataUrl x/s/b.bw\n"
        "group g\npriority 1\nvisibility dense\ncolor 1,2,3\n\n"
        "track a\ntype bigWig 0 2\nshortLabel a\nlongLabel the a\nbigDataUrl x/s/a.bw\n"
        f"html x/page.html\ngroup g\npriority 2\n{SCALED}windowingFunction mean\ncolor 1,2,3\n"
    )


@pytest.mark.parametrize(
    ("found", "limits", "shown"),
    [
        ((0.25, 2.5), None, "0 2.5"),
        ((-3.0, -1.0), None, "-3 0"),
        ((-0.123456789, 1e9), None, "-0.123457 1e+09"),
        ((0.0, 0.0), None, "0 1"),
        ((0.2, 0.3), (0.0, 1.0), "0 1"),
    ],
)
def test_the_range_of_a_bigwig(found, limits, shown):
    text = "".join(track_stanzas([leaf("a", limits=limits)], {"s/a.bw": found}))
    assert f"type bigWig {shown}\n" in text


def test_what_holds_tracks():
    shown = leaf("a").shown
    stack = HubTrack("o", "o", "o", shown, children=(leaf("a"), leaf("b")), kind=OVERLAY)
    folder = HubTrack("f", "f", "f", children=(stack,), kind=FOLDER)
    choice = (replace(leaf("c"), on=False), leaf("d"))
    picked = HubTrack("m", "m", "m", shown, children=choice, kind=COMPOSITE)
    text = lines(folder, picked, group="g")
    heads = [item.split("shortLabel")[0] for item in text.split("\n\n")]
    assert heads == [
        "track f\nsuperTrack on show\n",
        "    track o\n    parent f\n    container multiWig\n    type bigWig 0 2\n    ",
        "        track a\n        parent o\n        type bigWig 0 2\n        ",
        "        track b\n        parent o\n        type bigWig 0 2\n        ",
        "track m\ncompositeTrack on\ntype bigWig 0 2\n",
        "    track c\n    parent m off\n    type bigWig 0 2\n    ",
        "    track d\n    parent m on\n    type bigWig 0 2\n    ",
    ]
    assert text.count("group g") == 2
    assert re.findall(r"priority (.)", text) == ["1", "1", "1", "2", "2", "1", "2"]


GROUPS = (
    SubGroup("head", "Head", {"h": "the head", "k": "other"}),
    SubGroup("label", "Label", {"A.1": "first = one", "B": "second", "C": "nobody"}),
    SubGroup("sample", "Sample", {"s": "s", "t t": "t t"}),
)


def member(name: str, *choices: str, on: bool = True) -> HubTrack:
    return replace(leaf(name, "probability", limits=PROBABILITY), choices=choices, on=on)


def made(*members: HubTrack, most: int = 9) -> HubTrack:
    return composite("m", ("short", "long"), members, GROUPS, "page", most)


def settings(track: HubTrack) -> dict[str, str]:
    """Of the track's own stanza, behind what every stanza has."""
    first = lines(track).split("\n\n")[0].split("priority 1\n")[1]
    return dict(line.split(" ", 1) for line in first.splitlines())


PROBABILITIES = {
    "visibility": "full",
    "autoScale": "off",
    "viewLimits": "0:1",
    "maxHeightPixels": "100:32:8",
    "windowingFunction": "maximum",
}


def test_a_composite_of_all_choices():
    track = made(
        member("a", "h", "A.1", "s"),
        member("b", "h", "A.1", "t t"),
        member("c", "k", "B", "s", on=False),
    )
    assert track.kind == COMPOSITE and track.page == "page"
    assert settings(track) == PROBABILITIES | {
        "subGroup1": "head Head h=the_head k=other",
        "subGroup2": "label Label A_1=first_-_one B=second",
        "subGroup3": "sample Sample s=s t_t=t_t",
        "dimensions": "dimX=sample dimY=label dimA=head",
        "filterComposite": "dimA",
        "dimensionAchecked": "h",
        "dragAndDrop": "subTracks",
    }
    top, *children = lines(track).split("\n\n")
    assert "type bigWig 0 1\n" in top
    assert [re.split(r"bigDataUrl .*\n", child)[1].split("\n    ") for child in children] == [
        ["    color 1,2,3", "subGroups head=h label=A_1 sample=s", "priority 1"],
        ["    color 1,2,3", "subGroups head=h label=A_1 sample=t_t", "priority 2"],
        ["    color 1,2,3", "subGroups head=k label=B sample=s", "priority 3\n"],
    ]


@pytest.mark.parametrize(("most", "on"), [(9, "acd"), (3, "acd"), (2, "ac"), (1, "a")])
def test_whole_labels_are_drawn_at_first(most, on):
    track = made(
        member("a", "h", "A.1", "s"),
        member("b", "h", "A.1", "t t", on=False),
        member("c", "h", "A.1", "t t"),
        member("d", "k", "B", "s"),
        most=most,
    )
    assert "".join(child.name for child in track.children if child.on) == on
    assert settings(track)["dimensionAchecked"] == ("h k" if "d" in on else "h")


def test_two_subgroups_beside_the_matrix():
    letters = {letter: letter for letter in "ab"}
    groups = [SubGroup(tag, tag, letters) for tag in ("w", "x", "y", "z")]
    members = [member("a", *"aaaa"), member("b", *"bbbb")]
    found = settings(composite("c", ("C", "c"), members, groups, "page", 1))
    assert found["dimensions"] == "dimX=z dimY=y dimA=x dimB=w"
    assert found["filterComposite"] == "dimA dimB"
    assert found["dimensionAchecked"] == found["dimensionBchecked"] == "a"


def test_a_composite_of_one_sample():
    track = made(member("a", "h", "A.1", "s"), member("b", "h", "B", "s"))
    assert settings(track) == PROBABILITIES | {
        "subGroup1": "label Label A_1=first_-_one B=second",
        "dimensions": "dimX=label",
        "dragAndDrop": "subTracks",
    }
    assert "subGroups label=B\n" in lines(track).split("\n\n")[2]


def test_an_only_member_stands_alone():
    track = made(member("a", "h", "A.1", "s"))
    assert track.name == "a" and track.kind == "" and track.children == ()
    assert settings(track) == PROBABILITIES | {"color": "1,2,3"}
    assert "type bigWig 0 1\n" in lines(track)
    assert track.page == "page"


def test_members_that_share_a_scale():
    members = [member("a", "h", "A.1", "s"), member("b", "h", "B", "s")]
    members = [replace(item, shown=replace(item.shown, limits=None)) for item in members]
    for one_scale, scaling in ((True, "group"), (False, "on")):
        track = composite("m", ("", ""), members, GROUPS, "page", 9, one_scale=one_scale)
        assert settings(track)["autoScale"] == scaling
        assert {child.shown.scale_group for child in track.children} == {"m" * one_scale}
    alone = composite("m", ("", ""), members[:1], GROUPS, "page", 9, one_scale=True)
    assert settings(alone)["autoScale"] == "on"

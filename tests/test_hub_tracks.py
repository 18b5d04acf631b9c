"""Stanzas of tracks and composites, setting by setting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chromputer_tracks.tracks.hub.files import Kept
from chromputer_tracks.tracks.hub.tracks import (
    BIGBED9,
    BIGWIG,
    COMPOSITE,
    FOLDER,
    OVERLAY,
    Member,
    SubGroup,
    Track,
    composite,
    track_stanzas,
)


def leaf(name: str, type_: str = BIGWIG) -> Track:
    file = Kept(f"s/{name}.bw", Path("x"))
    return Track(name, name, f"the {name}", type_, file, settings=(("color", "1,2,3"),))


def lines(*tracks: Track, **more: str) -> str:
    ranges = {f"s/{name}.bw": (0.5, 2.0) for name in "abcd"}
    return "\n".join(track_stanzas(tracks, ranges, **more))


def test_a_track():
    track = replace(leaf("a"), page="page")
    assert lines(track) == (
        "track a\ntype bigWig 0 2\nshortLabel a\nlongLabel the a\nbigDataUrl s/a.bw\n"
        "html page.html\npriority 1\ncolor 1,2,3\n"
    )
    assert lines(leaf("b", BIGBED9), track, base="x/", group="g") == (
        "track b\ntype bigBed 9 .\nshortLabel b\nlongLabel the b\nbigDataUrl x/s/b.bw\n"
        "group g\npriority 1\ncolor 1,2,3\n\n"
        "track a\ntype bigWig 0 2\nshortLabel a\nlongLabel the a\nbigDataUrl x/s/a.bw\n"
        "html x/page.html\ngroup g\npriority 2\ncolor 1,2,3\n"
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
    text = "".join(track_stanzas([replace(leaf("a"), limits=limits)], {"s/a.bw": found}))
    assert f"type bigWig {shown}\n" in text


def test_what_holds_tracks():
    stack = Track("o", "o", "o", BIGWIG, children=(leaf("a"), leaf("b")), kind=OVERLAY)
    folder = Track("f", "f", "f", "", children=(stack,), kind=FOLDER)
    choice = (replace(leaf("c"), on=False), leaf("d"))
    picked = Track("m", "m", "m", BIGWIG, children=choice, kind=COMPOSITE)
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
    assert text.count("priority") == 3


GROUPS = (
    SubGroup("head", "Head", {"h": "the head", "k": "other"}),
    SubGroup("label", "Label", {"A.1": "first = one", "B": "second", "C": "nobody"}),
    SubGroup("sample", "Sample", {"s": "s", "t t": "t t"}),
)


def made(*members: Member, most: int = 9) -> Track:
    settings = (("visibility", "full"), ("color", "9,9,9"))
    return composite("m", ("short", "long"), members, GROUPS, settings, "page", most, (0, 1))


def test_a_composite_of_all_choices():
    track = made(
        Member(leaf("a"), ("h", "A.1", "s")),
        Member(leaf("b"), ("h", "A.1", "t t")),
        Member(replace(leaf("c"), on=False), ("k", "B", "s")),
    )
    assert track.kind == COMPOSITE and track.limits == (0, 1) and track.page == "page"
    assert dict(track.settings) == {
        "visibility": "full",
        "color": "9,9,9",
        "subGroup1": "head Head h=the_head k=other",
        "subGroup2": "label Label A_1=first_-_one B=second",
        "subGroup3": "sample Sample s=s t_t=t_t",
        "dimensions": "dimX=sample dimY=label dimA=head",
        "filterComposite": "dimA",
        "dimensionAchecked": "h",
        "dragAndDrop": "subTracks",
    }
    assert [child.settings[1:] for child in track.children] == [
        (("subGroups", "head=h label=A_1 sample=s"), ("priority", "1")),
        (("subGroups", "head=h label=A_1 sample=t_t"), ("priority", "2")),
        (("subGroups", "head=k label=B sample=s"), ("priority", "3")),
    ]


@pytest.mark.parametrize(("most", "on"), [(9, "acd"), (3, "acd"), (2, "ac"), (1, "a")])
def test_whole_labels_are_drawn_at_first(most, on):
    track = made(
        Member(leaf("a"), ("h", "A.1", "s")),
        Member(replace(leaf("b"), on=False), ("h", "A.1", "t t")),
        Member(leaf("c"), ("h", "A.1", "t t")),
        Member(leaf("d"), ("k", "B", "s")),
        most=most,
    )
    assert "".join(child.name for child in track.children if child.on) == on
    assert dict(track.settings)["dimensionAchecked"] == ("h k" if "d" in on else "h")


def test_two_subgroups_beside_the_matrix():
    letters = {letter: letter for letter in "ab"}
    groups = [SubGroup(tag, tag, letters) for tag in ("w", "x", "y", "z")]
    members = [Member(leaf("a"), tuple("aaaa")), Member(leaf("b"), tuple("bbbb"))]
    track = composite("c", ("C", "c"), members, groups, (), "page", 1)
    settings = dict(track.settings)
    assert settings["dimensions"] == "dimX=z dimY=y dimA=x dimB=w"
    assert settings["filterComposite"] == "dimA dimB"
    assert settings["dimensionAchecked"] == settings["dimensionBchecked"] == "a"


def test_a_composite_of_one_sample():
    track = made(Member(leaf("a"), ("h", "A.1", "s")), Member(leaf("b"), ("h", "B", "s")))
    assert dict(track.settings) == {
        "visibility": "full",
        "color": "9,9,9",
        "subGroup1": "label Label A_1=first_-_one B=second",
        "dimensions": "dimX=label",
        "dragAndDrop": "subTracks",
    }
    assert track.children[1].settings[1] == ("subGroups", "label=B")


def test_an_only_member_stands_alone():
    track = made(Member(leaf("a"), ("h", "A.1", "s")))
    assert track.name == "a" and track.kind == "" and track.children == ()
    # Its own colour counts.
    assert track.settings == (("visibility", "full"), ("color", "1,2,3"))
    assert (track.limits, track.page) == ((0, 1), "page")

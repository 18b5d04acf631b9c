"""IGV sessions beside a hub, against the hub's own stanzas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET

import pytest
from hub_spec_check import stanzas
from toy_runs import hub
from twobit_reader import read as read_twobit

Stanza = dict[str, str]


def read(folder: Path) -> tuple[dict[str, Any], ET.Element]:
    session = json.loads((folder / "session.json").read_text())
    return session, ET.fromstring((folder / "session.xml").read_text())


def drawn(genome: Path) -> list[Stanza]:
    """Tracks with data that the browser draws at first, with what they inherit."""
    found: list[Stanza] = []
    tracks: dict[str, Stanza] = {}
    for track in stanzas((genome / "trackDb.txt").read_text()):
        parent, _, ticked = track.get("parent", "").partition(" ")
        own = tracks.get(parent, {"shown": "yes"}) | track
        hidden = own.get("visibility") == "hide" or ticked == "off"
        own["shown"] = "" if hidden else own["shown"]
        tracks[track["track"]] = own
        if "bigDataUrl" in track and own["shown"]:
            found.append(own)
    return found


def test_what_the_hub_draws_at_first_in_its_order_colours_and_scales(runs, tmp_path):
    _, genome = hub(runs, tmp_path / "hub")
    session, root = read(tmp_path / "hub")
    wanted = drawn(genome)
    # The second sample's states, and states one by one, are a click away.
    assert len(wanted) > 20
    assert {track["shown"] for track in wanted} == {"yes"}
    assert session["genome"] == root.attrib["genome"] == "toy1"
    resources = {item.attrib["path"]: item.attrib for item in root.iter("Resource")}
    shown = [item.attrib for item in root.iter("Track") if item.attrib["id"] in resources]
    assert len(shown) == len(session["tracks"]) == len(wanted)
    for track, json_track, xml_track in zip(wanted, session["tracks"], shown, strict=True):
        path = f"toy1/{track['bigDataUrl']}"
        assert (genome.parent / path).is_file()
        assert unquote(json_track["url"]) == xml_track["id"] == path
        assert json_track["name"] == resources[path]["name"]
        assert json_track["name"].startswith(track["shortLabel"])
        assert json_track["metadata"] == {"Shows": track["longLabel"]}
        assert json_track["format"] == track["type"].split()[0].lower()
        color = track.get("color")
        assert json_track.get("color") == (color and f"rgb({color})")
        assert xml_track.get("color") == color
        letters = track.get("logo") == "on"
        assert (json_track.get("graphType") == "dynseq") == letters
        assert (xml_track.get("renderer") == "DYNSEQ") == letters
        if "bigWig" in track["type"]:
            limits = track.get("viewLimits")
            assert json_track.get("autoscale", False) == (limits is None)
            if limits is not None:
                assert [json_track["min"], json_track["max"]] == [*map(float, limits.split(":"))]
        assert ("autoscaleGroup" in json_track) == (track.get("autoScale") == "group")
    names = [track["name"] for track in session["tracks"]]
    assert len(set(names)) == len(names)
    # Calls are thinner than states, whose colours tell them apart.
    heights = {track["name"]: track["height"] for track in session["tracks"]}
    assert heights["TF1 first calls"] == heights["TF1 first sites"] < heights["States first"]
    assert {"TF1 first probability", "TF1 first calls", "S0 first probability"} <= {*names}
    assert {"TF1 first importance", "TF1 first sites", "atac first input"} <= {*names}
    assert {track["graphType"] for track in session["tracks"] if "altColor" in track} == {
        "bar",
        "dynseq",
    }


def test_what_the_hub_hides_is_not_in_its_sessions(runs, tmp_path, monkeypatch):
    monkeypatch.setattr("chromputer_tracks.tracks.hub.layout.LOW", 1)
    _, genome = hub(runs, tmp_path / "hub")
    session, _ = read(tmp_path / "hub")
    names = [track["name"] for track in session["tracks"]]
    assert len(names) == len(drawn(genome))
    assert "S0 first probability" in names
    assert "S0 second probability" not in names


def test_a_genome_of_its_own(runs, tmp_path):
    result, genome = hub(runs, tmp_path / "hub", fasta=runs.fasta)
    session, root = read(tmp_path / "hub")
    assert session["reference"]["id"] == session["reference"]["name"] == "toy1"
    place = session["reference"]["twoBitURL"]
    assert place == root.attrib["genome"] == "toy1/toy1.2bit"
    assert read_twobit(genome.parent / place).keys() == runs.toy.bases.keys()
    assert {"session.json", "session.xml"} <= set(result.record.outputs)


@pytest.mark.parametrize("folder", ["my hub", "my%20hub/", "my hub/hub.txt"])
def test_with_an_address_sessions_work_from_anywhere(runs, tmp_path, folder):
    url = f"https://example.org/{folder}"
    result, _ = hub(runs, tmp_path / "hub", fasta=runs.fasta, url=url)
    session, root = read(tmp_path / "hub")
    start = "https://example.org/my%20hub/toy1/"
    assert session["reference"]["twoBitURL"] == root.attrib["genome"] == f"{start}toy1.2bit"
    places = [track["url"] for track in session["tracks"]]
    assert places == [item.attrib["path"] for item in root.iter("Resource")]
    assert all(place.startswith(start) for place in places)
    (asked,) = parse_qs(urlsplit(dict(result.links)["IGV-Web"]).query)["sessionURL"]
    assert asked == url.removesuffix("hub.txt").rstrip("/") + "/session.json"


def test_the_marks_of_an_address_stay(runs, tmp_path):
    url = "http://me@[2001:db8::1]:8000/a+b,c;d=(1)"
    hub(runs, tmp_path / "hub", url=url)
    session, _ = read(tmp_path / "hub")
    assert all(track["url"].startswith(f"{url}/toy1/") for track in session["tracks"])


def test_the_page_leads_to_them(runs, tmp_path):
    hub(runs, tmp_path / "hub")
    page = (tmp_path / "hub" / "hub.html").read_text()
    assert 'href="session.xml"' in page
    assert 'href="session.json"' in page

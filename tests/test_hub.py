"""What a hub holds: the runs' files as they are, calls, sites, coverage and sessions of IGV."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET

import numpy as np
import pyBigWig
import pytest
from explain_run import Notes
from hub_spec_check import check_hub, stanzas
from tiny_models import write_linear_model
from toy_runs import copied, hub
from twobit_reader import read as read_twobit

from chromputer_tracks.errors import OutputError
from chromputer_tracks.inference.session import read_spec
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.options.predict import PredictOptions
from chromputer_tracks.tracks.predict import predict_tracks


def rows(path: Path) -> list[tuple[str, int, int, str]]:
    with pyBigWig.open(str(path)) as file:
        return [
            (chrom, *entry)
            for chrom, size in file.chroms().items()
            for entry in file.entries(chrom, 0, size) or ()
        ]


def bed(path: Path) -> list[tuple[str, int, int, str]]:
    lines = [line.split("\t", 3) for line in path.read_text().splitlines()]
    return [(chrom, int(start), int(end), rest) for chrom, start, end, rest in lines]


def test_the_runs_files_are_shown_as_they_are(runs, tmp_path):
    result, folder = hub(runs, tmp_path / "hub")
    kept = {
        "first/states.bb": runs.first / "states.bb",
        "first/states.S2.bw": runs.first / "states/S2.bw",
        "first/factors.TF1.bw": runs.first / "factors/TF1.bw",
        "second/marks.H3.bw": runs.second / "marks/H3.bw",
        "first/explain.TF1.importance.bw": runs.explained / "TF1/importance.bw",
        "first/explain.S1.atac.subnucleosomal.bw": runs.explained / "S1/atac.subnucleosomal.bw",
        "first/explain.S1.shape.MGW.bw": runs.explained / "S1/shape.MGW.bw",
        "first/explain.S1.cuts.bw": runs.explained / "S1/cuts.bw",
    }
    for name, path in kept.items():
        assert (folder / name).read_bytes() == path.read_bytes(), name
    data = {str(path.relative_to(folder)) for path in folder.rglob("*.b[bw]")}
    # By sample a coverage, states, 3 states, 2 labels and their calls, a signal; by explained
    # label sites, importance, 3 classes, cuts and 2 shapes.
    assert len(data) == 2 * (1 + 1 + 3 + 4 + 1) + 2 * (1 + 1 + 3 + 1 + 2)
    shown = stanzas((folder / "trackDb.txt").read_text())
    assert {item["bigDataUrl"] for item in shown if "bigDataUrl" in item} == data
    assert result.tracks == sum("bigDataUrl" in item for item in shown) == len(data) + 6


def test_calls_are_those_of_the_prediction(runs, tmp_path):
    _, folder = hub(runs, tmp_path / "hub")
    for sample, run in (("first", runs.first), ("second", runs.second)):
        for label in ("TF1", "TF2"):
            found = rows(folder / sample / f"factors.{label}.calls.bb")
            assert found == bed(run / f"factors/{label}.bed")
            assert len(found) > 5


def test_sites_are_sorted(runs, tmp_path):
    """By their starts; ``explain`` sorts by the centres of windows."""
    _, folder = hub(runs, tmp_path / "hub")
    found = rows(folder / "first/explain.TF1.sites.bb")
    assert found == [
        ("chr1", 1900, 2900, "b\t900\t-"),
        ("chr1", 2000, 2200, "a\t700\t+"),
        ("chr2", 900, 1000, "c\t0\t."),
    ]


@pytest.mark.parametrize("chunk", [40, 1_000_000])
def test_coverage_is_the_mean_number_of_fragments_over_the_bases_of_a_bin(
    runs, tmp_path, monkeypatch, chunk
):
    monkeypatch.setattr("chromputer_tracks.tracks.hub.files._CHUNK", chunk)
    _, folder = hub(runs, tmp_path / "hub", folders=(runs.first,))
    toy = runs.toy
    with pyBigWig.open(str(folder / "first/coverage.atac.bw")) as file:
        assert file.chroms() == dict(toy.sizes)
        for chrom, size in toy.sizes.items():
            depth = np.zeros(size)
            for start, end in zip(toy.starts[chrom], toy.ends[chrom], strict=True):
                depth[start:end] += 1
            means = [depth[at : at + 10].mean() for at in range(0, size, 10)]
            expected = np.repeat(means, 10)[:size]
            np.testing.assert_allclose(file.values(chrom, 0, size), expected, rtol=1e-6)
    assert runs.toy.sizes["edge"] % 10 == 0 != runs.toy.sizes["tiny"] % 10


def test_samples_are_told_by_what_they_read(runs, tmp_path):
    _, folder = hub(runs, tmp_path / "hub", folders=(runs.explained, runs.second, runs.first))
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"first", "second"}
    _, folder = hub(
        runs,
        tmp_path / "named",
        folders=(),
        samples=(
            ("wild type", runs.first),
            ("wild type", runs.explained),
            ("Δ1 mutant", runs.second),
        ),
    )
    tracks = {item["track"]: item for item in stanzas((folder / "trackDb.txt").read_text())}
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"wild_type", "t_1_mutant"}
    assert tracks["prob_TF1_wild_type"]["shortLabel"] == "TF1 wild type"
    assert tracks["prob_TF1_wild_type"]["longLabel"] == "factor 1: probability, wild type"
    assert "sample=wild_type" in tracks["prob_TF1_wild_type"]["subGroups"].split()
    assert check_hub(folder.parent) == []


def test_models_of_one_name_are_told_apart(runs, tmp_path):
    """Such as one that was trained again."""
    spec = read_spec(runs.model)
    write_linear_model(tmp_path / "again", replace(spec, heads=spec.heads[1:2]))
    files = SampleFiles(runs.fasta, runs.fragments)
    predict_tracks(
        PredictOptions(model=tmp_path / "again", sample=files, out=tmp_path / "third"), Notes()
    )
    _, folder = hub(runs, tmp_path / "hub", folders=(runs.first, tmp_path / "third"))
    for name, run in (("tiny", runs.first), ("tiny_2", tmp_path / "third")):
        made = folder / f"first/{name}.factors.TF1.bw"
        assert made.read_bytes() == (run / "factors/TF1.bw").read_bytes()
    tracks = {item["track"]: item for item in stanzas((folder / "trackDb.txt").read_text())}
    assert tracks["tiny_calls"]["shortLabel"] == "Calls tiny"
    assert tracks["tiny_2_calls"]["shortLabel"] == "Calls tiny_2"
    assert tracks["tiny_2_calls"]["html"] == "tiny_2_calls.html"
    # The input is the same.
    assert [name for name in tracks if name.startswith("coverage")] == ["coverage_atac"]
    assert check_hub(tmp_path / "hub") == []


def test_one_sample_has_no_subgroup_of_samples(runs, tmp_path):
    _, folder = hub(runs, tmp_path / "hub", folders=(runs.first, runs.explained))
    text = (folder / "trackDb.txt").read_text()
    assert "sample=" not in text
    tracks = {item["track"]: item for item in stanzas(text)}
    assert tracks["states"]["bigDataUrl"] == "first/states.bb"
    assert tracks["state_probabilities"]["container"] == "multiWig"
    assert tracks["prob_TF1"]["shortLabel"] == "TF1"
    assert tracks["probabilities"]["dimensions"] == "dimX=label dimY=head"


def test_limits_and_colours(runs, tmp_path):
    _, folder = hub(runs, tmp_path / "hub", folders=(runs.first, runs.explained))
    tracks = {item["track"]: item for item in stanzas((folder / "trackDb.txt").read_text())}
    assert tracks["states"]["itemRgb"] == "on"
    assert tracks["states"]["filterValues.name"] == "S0|state 0,S1|state 1,S2|state 2"
    assert tracks["probabilities"]["viewLimits"] == "0:1"
    assert tracks["calls"]["subGroup1"] == "label Label TF1=factor_1 TF2=factor_2"
    assert [tracks[f"prob_{name}"]["priority"] for name in ("TF1", "TF2", "S0")] == ["1", "2", "3"]
    assert tracks["prob_TF2"]["color"] == "0,255,0"
    assert tracks["prob_TF2"]["yLineMark"] == "0.4"
    assert [tracks[f"prob_{name}"]["parent"] for name in ("TF1", "S0")] == [
        "probabilities on",
        "probabilities off",
    ]
    assert tracks["importance"]["logo"] == "on"
    assert tracks["importance_S1"]["type"] == "bigWig -1 1"
    assert tracks["contributions"]["autoScale"] == "group"
    # Fragments by their class; the sequence by label.
    assert tracks["atac_subnucleosomal_TF1"]["color"] == "0,114,178"
    assert tracks["atac_dinucleosomal_S1"]["color"] == "0,158,115"
    assert tracks["importance_TF1"]["color"] == "255,0,0"
    with pyBigWig.open(str(runs.first / "marks/H3.bw")) as file:
        largest = max(file.stats(name, type="max", exact=True)[0] for name in file.chroms())
    assert float(tracks["signal_H3"]["type"].split()[2]) == pytest.approx(largest, rel=1e-5)


def drawn(folder: Path, parent: str) -> list[str]:
    """Tracks of a composite that a browser draws at first."""
    shown = stanzas((folder / "trackDb.txt").read_text())
    return [item["track"] for item in shown if item.get("parent") == f"{parent} on"]


def test_few_of_many_tracks_are_drawn_at_first(runs, tmp_path, monkeypatch):
    for name in ("layout.LOW",):
        monkeypatch.setattr(f"chromputer_tracks.tracks.hub.{name}", 3)
    monkeypatch.setattr("chromputer_tracks.tracks.hub.layout.THIN", 1)
    monkeypatch.setattr("chromputer_tracks.tracks.hub.layout.TALL", 1)
    _, folder = hub(runs, tmp_path / "hub")
    # A label is drawn in all samples, or not.
    assert drawn(folder, "probabilities") == ["prob_TF1_first", "prob_TF1_second"]
    assert drawn(folder, "importance") == ["importance_TF1_first"]
    # There are more of one label than are drawn.
    assert drawn(folder, "contributions") == [
        "shape_MGW_TF1_first",
        "shape_Roll_TF1_first",
        "atac_subnucleosomal_TF1_first",
    ]
    assert drawn(folder, "states") == ["states_first"]
    assert drawn(folder, "calls") == ["calls_TF1_first"]
    monkeypatch.setattr("chromputer_tracks.tracks.hub.layout.LOW", 1)
    _, folder = hub(runs, tmp_path / "hub")
    tracks = {item["track"]: item for item in stanzas((folder / "trackDb.txt").read_text())}
    stacks = [tracks[f"state_probabilities_{name}"]["visibility"] for name in ("first", "second")]
    assert stacks == ["full", "hide"]
    assert check_hub(tmp_path / "hub") == []


def test_models_share_what_is_drawn_at_first(runs, tmp_path, monkeypatch):
    monkeypatch.setattr("chromputer_tracks.tracks.hub.layout.LOW", 4)
    _, folder = hub(runs, tmp_path / "hub", folders=(runs.first, runs.second, runs.other_model))
    assert drawn(folder, "tiny_probabilities") == [
        "tiny_prob_TF1_first",
        "tiny_prob_TF1_second",
    ]
    assert len(drawn(folder, "other-model_probabilities")) == 2


def test_links_are_relative(runs, tmp_path):
    moved = tmp_path / "here"
    moved.mkdir()
    own = copied(runs, moved / "runs")
    _, folder = hub(own, moved / "hub", link=True)
    path = folder / "first/states.bb"
    assert path.is_symlink() and not path.readlink().is_absolute()
    assert not (folder / "first/coverage.atac.bw").is_symlink()
    moved.rename(tmp_path / "there")
    assert check_hub(tmp_path / "there" / "hub") == []


def test_nothing_in_a_hub_names_this_machine(runs, tmp_path):
    _, folder = hub(runs, tmp_path / "hub", fasta=runs.fasta, organism="Toy")
    for path in (tmp_path / "hub").rglob("*"):
        if path.is_file():
            assert str(tmp_path).encode() not in path.read_bytes(), path
            assert str(runs.folder).encode() not in path.read_bytes(), path


def test_another_hub_takes_its_place(runs, tmp_path):
    out = tmp_path / "hub"
    hub(runs, out)
    before = {path: path.read_bytes() for path in out.rglob("*.bw")}
    hub(runs, out)
    assert {path: path.read_bytes() for path in out.rglob("*.bw")} == before
    hub(runs, out, folders=(runs.first,), one_file=True)
    assert not (out / "genomes.txt").exists()
    assert not list(out.rglob("*importance*"))
    assert not list(out.rglob("second/*"))
    assert check_hub(out) == []
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def test_a_hub_does_not_replace_a_run(runs, tmp_path):
    own = copied(runs, tmp_path / "runs")
    before = sorted(own.first.rglob("*"))
    with pytest.raises(OutputError, match="holds the results of `chromputer predict`"):
        hub(own, own.first)
    assert sorted(own.first.rglob("*")) == before


def test_the_record_names_no_place_of_the_machine(runs, tmp_path):
    """A hub is published as it is."""
    result, folder = hub(runs, tmp_path / "hub", fasta=runs.fasta, inputs=(runs.fragments,))
    text = (folder.parent / "run.json").read_text()
    assert str(tmp_path) not in text and str(runs.folder) not in text
    assert str(Path.cwd()) not in text
    record = json.loads(text)
    assert record["options"]["assembly"] == "toy1"
    assert record["genome"]["digest"] == runs.toy.sizes.digest()
    (model,) = record["models"]
    assert [(name, len(shown)) for name, shown in model["samples"].items()] == [
        ("first", 2),
        ("second", 1),
    ]
    assert result.record.outputs == tuple(record["outputs"])


def test_own_genome(runs, tmp_path):
    result, folder = hub(
        runs,
        tmp_path / "hub",
        fasta=runs.fasta,
        organism="Toy yeast",
        scientific_name="Ludus ludi",
        description="Made up, 2026",
        url="https://example.org/my hub/",
        position="chr1:101-200",
    )
    (genome,) = stanzas((tmp_path / "hub" / "genomes.txt").read_text())
    assert genome == {
        "genome": "toy1",
        "trackDb": "toy1/trackDb.txt",
        "groups": "toy1/groups.txt",
        "description": "Made up, 2026",
        "twoBitPath": "toy1/toy1.2bit",
        "chromSizes": "toy1/chrom.sizes",
        "organism": "Toy yeast",
        "defaultPos": "chr1:101-200",
        "orderKey": "4800",
        "scientificName": "Ludus ludi",
        "htmlPath": "toy1/description.html",
    }
    sequence = read_twobit(folder / "toy1.2bit")
    assert sequence == {name: row.tobytes().decode() for name, row in runs.toy.bases.items()}
    sizes = (folder / "chrom.sizes").read_text().splitlines()
    assert sizes == [f"{name}\t{size}" for name, size in runs.toy.sizes.items()]
    assert result.url == "https://example.org/my hub/hub.txt"
    assert result.links[0] == (
        "UCSC genome browser",
        "https://genome.ucsc.edu/cgi-bin/hgTracks?genome=toy1&"
        "hubUrl=https%3A%2F%2Fexample.org%2Fmy+hub%2Fhub.txt&position=chr1%3A101-200",
    )


def test_the_strongest_site_is_shown_at_first(runs, tmp_path):
    hub(runs, tmp_path / "hub", fasta=runs.fasta)
    (genome,) = stanzas((tmp_path / "hub" / "genomes.txt").read_text())
    # Site b, with the score 900, is centred on 2,400 of chr1, which has 6,150 bp.
    assert genome["defaultPos"] == "chr1:1-6150"
    hub(runs, tmp_path / "second", fasta=runs.fasta, folders=(runs.second,))
    (genome,) = stanzas((tmp_path / "second" / "genomes.txt").read_text())
    calls = bed(runs.second / "factors/TF1.bed")
    top = max(calls, key=lambda row: int(row[3].split("\t")[1]))
    centre = (top[1] + top[2]) // 2
    size = runs.toy.sizes[top[0]]
    first, last = max(centre - 5000, 0), min(max(centre - 5000, 0) + 10_000, size)
    assert genome["defaultPos"] == f"{top[0]}:{first + 1}-{last}"


# ---- IGV sessions beside a hub, against the hub's own stanzas.

Stanza = dict[str, str]


def read(folder: Path) -> tuple[dict[str, Any], ET.Element]:
    session = json.loads((folder / "session.json").read_text())
    return session, ET.fromstring((folder / "session.xml").read_text())


def drawn_at_first(genome: Path) -> list[Stanza]:
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
    wanted = drawn_at_first(genome)
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
    assert len(names) == len(drawn_at_first(genome))
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

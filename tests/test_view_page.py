"""What the page is sent, the sites it goes through, and its files."""

import hashlib
import http.client
import json
import re
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest

from chromputer_tracks.errors import FormatError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bigwig import BigWigWriter
from chromputer_tracks.tracks.browser_tracks import BrowserTrack
from chromputer_tracks.tracks.view.run import (
    MOST_SITES,
    SiteList,
    first_locus,
    open_server,
    page_payload,
    site_lists,
)

STATIC = resources.files("chromputer_tracks.tracks.view") / "static"


@pytest.fixture(scope="module")
def view(demo):
    return demo.view()


@pytest.fixture(scope="module")
def server(view):
    with open_server(view) as server, server.serving():
        yield server


def get(server, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read()
    finally:
        connection.close()


def files_of(session):
    """The tracks that have a file; the others, of the input, are asked for as the page is moved."""
    return [track for track in session["tracks"] if "live" not in track]


def test_all_that_the_session_names_is_served(server, view, demo):
    payload = json.loads(get(server, "/view.json")[2])
    session = payload["session"]
    served = [(session["reference"]["fastaURL"], demo.fasta)]
    served += [(session["reference"]["indexURL"], demo.fasta.with_name("toy.fa.fai"))]
    served += [
        (shown["url"], track.path)
        for shown, track in zip(files_of(session), view.tracks, strict=True)
    ]
    for url, path in served:
        status, kind, body = get(server, f"/{url}")
        assert (status, kind) == (200, "application/octet-stream")
        assert body == path.read_bytes()
    assert len({url for url, _ in served}) == len(view.tracks) + 2


def test_the_runs_own_record_is_not_served(server):
    for path in ("/run.json", "/tracks/0/run.json", "/tracks/0/", "/genome/", "/static/"):
        assert get(server, path)[0] == 404


def test_the_page_and_what_it_loads(server):
    status, kind, page = get(server, "/")
    assert (status, kind) == (200, "text/html; charset=utf-8")
    loaded = re.findall(r'(?:href|src)="([^"]+)"', page.decode())
    assert "static/igv.min.js" in loaded
    for name in loaded:
        if not name.startswith("data:"):
            assert get(server, f"/{name}")[0] == 200, name
    for name in re.findall(r'from "\./([^"]+)"', (STATIC / "view.js").read_text()):
        assert get(server, f"/static/{name}")[1] == "text/javascript; charset=utf-8"


def test_the_page_names_nothing_elsewhere():
    for name in ("view.html", "view.css", "view.js", "sites.js", "text.js"):
        assert "http" not in (STATIC / name).read_text().replace("http-equiv", "")


def test_every_file_of_the_page_is_served(server):
    names = {item.name for item in STATIC.iterdir()} - {"view.html"}
    for name in names:
        status, _, body = get(server, f"/static/{name}")
        assert (status, body) == (200, (STATIC / name).read_bytes())


def test_igv_js_is_the_published_file_with_its_licence():
    script = (STATIC / "igv.min.js").read_bytes()
    # dist/igv.min.js of npm's igv-3.8.10.tgz.
    digest = "87b991ae2a720978172e269dd5127c495e56df5af31144dff19c83124e2f5744"
    assert hashlib.sha256(script).hexdigest() == digest
    licence = (STATIC / "igv.LICENSE.txt").read_text()
    assert "igv 3.8.10" in licence
    assert "The MIT License (MIT)" in licence
    assert "Broad Institute" in licence
    assert "igv.js 3.8.10" in (STATIC / "view.html").read_text()


def test_title_legend_and_groups(view):
    payload = page_payload(
        view.models, view.tracks, view.sites, {"reference": {"name": "toy"}, "tracks": []}
    )
    assert (payload["title"], payload["model"], payload["assembly"]) == ("predicted", "tiny", "toy")
    assert payload["legend"] == [
        {"name": "S0", "title": "state 0", "color": "rgb(0,0,255)"},
        {"name": "S1", "title": "state 1", "color": "rgb(10,0,255)"},
        {"name": "S2", "title": "state 2", "color": "rgb(20,0,255)"},
    ]
    groups = {group["name"]: group for group in payload["groups"]}
    assert groups["TF1"]["color"] == "rgb(255,0,0)"
    assert groups["TF2"]["color"] == "rgb(0,255,0)"
    places = [place for group in payload["groups"] for place in group["tracks"]]
    assert sorted(places) == list(range(len(view.tracks)))
    for group in payload["groups"]:
        assert {view.tracks[place].group for place in group["tracks"]} == {group["name"]}
    sites = {item["name"]: item for item in payload["sites"]}
    assert list(sites) == [
        *("TF1 explained sites", "S1 explained sites", "H3 explained sites", "TF2 calls")
    ]
    assert [item["explained"] for item in payload["sites"]] == [True, True, True, False]


def test_no_legend_without_states(demo, view):
    tracks = [track for track in view.tracks if track.kind != "states"]
    session = {"reference": {"name": "toy"}}
    assert page_payload(view.models, tracks, (), session)["legend"] == []


SIZES = ChromSizes({"chrB": 5000, "chrA": 900, "tiny": 9})


def bed(path, *rows):
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return path


def track(path, kind, group="TF"):
    format = "bigwig" if path.suffix == ".bw" else "bed"
    return BrowserTrack(path, f"{group} {kind}", "about", group, kind, format)


def test_calls_by_score_at_the_middle_of_their_thick_part(tmp_path):
    rows = [
        ("chrB", 100, 400, "TF", 500, ".", 300, 350, "1,2,3"),
        ("chrB", 600, 900, "TF", 900, ".", 600, 651, "1,2,3"),
        ("chrB", 2000, 2050, "TF", 900, ".", 2000, 2050, "1,2,3"),
        ("chrA", 0, 50, "TF", 901, ".", 0, 50, "1,2,3"),
    ]
    (found,) = site_lists([track(bed(tmp_path / "TF.bed", *rows), "calls")], SIZES)
    assert found.places == (("chrA", 25), ("chrB", 625), ("chrB", 2025), ("chrB", 325))
    assert (found.total, found.explained, found.name) == (4, False, "TF calls")


def test_the_strongest_of_many(tmp_path):
    rows = [("chrB", i, i + 1, "TF", i % 1000, ".", i, i + 1, "1,2,3") for i in range(1500)]
    (found,) = site_lists([track(bed(tmp_path / "TF.bed", *rows), "calls")], SIZES)
    expected = sorted(rows, key=lambda row: (-row[4], row[1]))[:MOST_SITES]
    assert found.places == tuple((row[0], row[1]) for row in expected)
    assert found.total == 1500


def test_calls_of_an_explained_label_are_not_listed_twice(tmp_path):
    calls = track(bed(tmp_path / "c.bed", ("chrB", 1, 2, "TF", 1, ".", 1, 2, "0")), "calls")
    sites = track(bed(tmp_path / "s.bed", ("chrB", 5, 7)), "sites")
    (found,) = site_lists([calls, sites], SIZES)
    assert (found.name, found.explained, found.places) == ("TF sites", True, (("chrB", 6),))
    # Those of another sample, which is not explained, are.
    of_a, of_b = replace(sites, sample="a"), replace(calls, sample="b", name="b TF calls")
    found = site_lists([replace(calls, sample="a"), of_a, of_b], SIZES)
    assert [item.name for item in found] == ["TF sites", "b TF calls"]


def test_explained_sites_are_at_their_most_important_bases(tmp_path):
    values = np.random.default_rng(3).normal(0, 0.1, 5000).astype(np.float32)
    values[1190:1200] += 5
    values[2000] = 30
    with BigWigWriter(tmp_path / "importance.bw", SIZES, step=1) as writer:
        writer.add("chrB", 0, 5000, values)
    rows = [("chrB", 1000, 1100, "a", 9), ("chrB", 2200, 2300, "b", 8), ("chrA", 100, 110, "c", 7)]
    tracks = [
        track(tmp_path / "importance.bw", "importance"),
        track(bed(tmp_path / "sites.bed", *rows), "sites"),
    ]
    (found,) = site_lists(tracks, SIZES)

    def best(centre):
        window = range(centre - 250, centre + 250)
        return max(window, key=lambda i: (values[max(i - 7, centre - 250) : i + 8].sum(), -i))

    first, second, third = found.places
    assert first[0] == second[0] == "chrB"
    assert abs(first[1] - best(1050)) <= 1
    assert 1188 <= first[1] <= 1202
    assert 1993 <= second[1] <= 2007
    assert third[0] == "chrA"


def test_sites_of_a_contig_shorter_than_a_motif(tmp_path):
    with BigWigWriter(tmp_path / "importance.bw", SIZES, step=1) as writer:
        writer.add("tiny", 0, 9, np.arange(9, dtype=np.float32))
    tracks = [
        track(tmp_path / "importance.bw", "importance"),
        track(bed(tmp_path / "sites.bed", ("tiny", 2, 5)), "sites"),
    ]
    (found,) = site_lists(tracks, SIZES)
    assert 0 <= found.places[0][1] < 9


def test_a_damaged_bigwig_is_named(tmp_path):
    (tmp_path / "importance.bw").write_bytes(b"no bigWig")
    tracks = [
        track(tmp_path / "importance.bw", "importance"),
        track(bed(tmp_path / "sites.bed", ("chrB", 2, 5)), "sites"),
    ]
    with pytest.raises(FormatError, match=r"importance\.bw cannot be read as bigWig"):
        site_lists(tracks, SIZES)


def sites(*places, explained=False):
    return SiteList("TF", "TF", explained, places, len(places))


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ([], Interval("long", 0, 10_000)),
        ([sites()], Interval("long", 0, 10_000)),
        ([sites(("long", 50_000))], Interval("long", 45_000, 55_000)),
        ([sites(("long", 10))], Interval("long", 0, 10_000)),
        ([sites(("long", 99_999))], Interval("long", 90_000, 100_000)),
        ([sites(("short", 100))], Interval("short", 0, 600)),
        (
            [sites(("long", 50_000)), sites(("long", 60_000), explained=True)],
            Interval("long", 55_000, 65_000),
        ),
    ],
)
def test_the_first_locus(lists, expected):
    assert first_locus(lists, ChromSizes({"long": 100_000, "short": 600})) == expected

"""A hub and session files in igv.js: what others load, from a plain folder on a web server."""

from __future__ import annotations

import re
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from shutil import copy

import pysam
import pytest
from pages import LETTERS
from runs import MOTIF, REGION
from typer.testing import CliRunner

from chromputer_tracks.cli.main import app
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.tracks.view.server import Content, ViewServer

IGV = resources.files("chromputer_tracks.tracks.view") / "static" / "igv.min.js"
PAGE = """<!DOCTYPE html><html lang="en"><link rel="icon" href="data:,">
<main aria-busy="true"></main>
<script src="igv.min.js"></script><script src="start.js"></script></html>"""
START = """
const main = document.querySelector("main");
igv.createBrowser(main, %s).then((browser) => {
  globalThis.chromputerBrowser = browser;
  main.ariaBusy = "false";
});
"""


@contextmanager
def served(folder: Path, place: str, config: str):
    """A folder as a web server gives it, with a page of igv.js in ``place``."""
    files = {f"/{p.relative_to(folder)}": p for p in folder.rglob("*") if p.is_file()}
    page = {
        f"/{place}/": Content(PAGE.encode(), "text/html"),
        f"/{place}/start.js": Content((START % config).encode(), "text/javascript"),
        f"/{place}/igv.min.js": Content(IGV.read_bytes(), "text/javascript"),
    }
    lines: list[str] = []
    with ViewServer(files | page, log=lines.append) as server, server.serving():
        yield f"{server.url}{place}/", lines


def chromputer(*args):
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == 0, result.stderr


@pytest.fixture(scope="module")
def folder(demo):
    """A hub and sessions beside the runs, and the genome."""
    runs = (demo.predicted, demo.explained)
    hub = ("--out", demo.folder / "hub", "--assembly", "yeastDemo", "--email", "me@example.org")
    chromputer("hub", *runs, *hub, "--fasta", demo.fasta, "--one-file", "--no-coverage")
    for suffix in ("", ".fai", ".gzi"):
        name = demo.fasta.name + suffix
        copy(demo.fasta.with_name(name), demo.folder)
    sessions = (
        "--write-session",
        demo.folder / "sessions",
        "--locus",
        f"{REGION[0]}:{REGION[1] + 1}-{REGION[2]}",
    )
    chromputer("view", *runs, "--fasta", demo.folder / demo.fasta.name, *sessions)
    return demo.folder


def test_igv_js_reads_the_session(folder, page):
    with served(folder, "sessions", '{sessionURL: "session.json", loadDefaultGenomes: false}') as (
        address,
        lines,
    ):
        page.open(address)
        tracks = [track for track in page.tracks() if track["type"] in ("wig", "annotation")]
        importance = page.ask(
            "browser => browser.trackViews.map(({track}) => track)"
            ".filter(track => track.graphType === 'dynseq').map(track => track.name)"
        )
        assert page.locus() == REGION
    assert page.errors == []
    # Genes, states and their confidence, 12 labels with calls, 8 states' probabilities, and Reb1.
    assert len(tracks) == 1 + 2 + 2 * 12 + 8 + 5
    assert all(track["features"] for track in tracks[:4])
    assert importance == ["Reb1 importance"]
    assert any(" 206 " in line for line in lines)
    assert not any(re.search(" [45][0-9][0-9]", line) for line in lines)


def test_igv_js_reads_the_hub(folder, demo, page):
    config = '{hubURL: "hub.txt", loadDefaultGenomes: false, search: false}'
    with served(folder, "hub", config) as (address, lines):
        page.open(address)
        page.go(f"{REGION[0]}:{REGION[1] + 1}-{REGION[2]}")
        names = {track["name"] for track in page.tracks() if track["features"]}
        states = inside(page.features("States", *REGION))
        calls = inside(page.features("Reb1 calls", *REGION))
        drawn = page.colors("States")
    assert page.errors == []
    assert {"States", "Reb1 calls", "Reb1", "S5", "Reb1 sub", "Reb1 sites"} <= names
    assert any(" 206 " in line for line in lines)
    for found, path in ((states, "states.bed"), (calls, "binary/Reb1.bed")):
        table = read_bed(demo.predicted / path)
        rows = [row for row in zip(table, table.scores, strict=True) if row[0].chrom == REGION[0]]
        assert [(item["start"], item["end"], item["name"], item["score"]) for item in found] == [
            (row.start, row.end, row.name, score)
            for row, score in rows
            if row.end > REGION[1] and row.start < REGION[2]
        ]
    states_bed = read_bed(demo.predicted / "states.bed")
    colors = dict(zip(states_bed.names, states_bed.colors, strict=True))
    for item in states:
        assert drawn.get(colors[item["name"]], 0) > 20, item["name"]


def test_the_session_of_a_hub_draws_letters(folder, demo, page):
    config = '{sessionURL: "session.json", loadDefaultGenomes: false}'
    with served(folder, "hub", config) as (address, lines):
        page.open(address)
        name = "Reb1 importance"
        tracks = {track["name"]: track for track in page.tracks()}
        from_afar = page.colors(name)
        with pysam.FastaFile(str(demo.fasta)) as fasta:
            place = REGION[1] + fasta.fetch(*REGION).upper().index(MOTIF)
        page.go(f"{REGION[0]}:{place - 20}-{place + 40}")
        close = page.colors(name)
    assert page.errors == []
    # What the hub draws at first: the states and their confidence, one by one, 12
    # labels with calls, and Reb1.
    assert len([track for track in tracks.values() if track["type"] in ("wig", "annotation")]) == (
        2 + 8 + 2 * 12 + 5
    )
    assert tracks["States"]["features"] > 0
    assert tracks["Reb1 probability"]["features"] > 0
    assert not set(LETTERS.values()) & set(from_afar)
    for base in set(MOTIF):
        assert close.get(LETTERS[base], 0) > 100, base
    assert any(re.search(r"yeastDemo\.2bit HTTP/1\.1' 206", line) for line in lines)


def inside(found):
    return [item for item in found if item["end"] > REGION[1] and item["start"] < REGION[2]]

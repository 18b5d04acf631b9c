"""The page of ``chromputer view`` in a real browser, against the files it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pyBigWig
import pysam
import pytest
from pages import LETTERS
from runs import MODEL, MOTIF, REGION

from chromputer_tracks.inference.session import load_model
from chromputer_tracks.options.predict import ViewOptions
from chromputer_tracks.tracks.view.run import open_server, read_view

NEGATIVE = (120, 120, 120)
STATES = "Chromatin states"
PICTURES = os.environ.get("CHROMPUTER_SCREENSHOTS")
"""Folder for pictures of what is tested. Those of the documentation are made with
``CHROMPUTER_SCREENSHOTS=docs/screenshots pytest tests/browser``; igv-desktop.png is IGV's own
snapshot of a session of the same runs at the same place."""


@pytest.fixture(scope="module")
def served(demo):
    """Address and log file of the real command, stopped by Ctrl-C at the end."""
    log = demo.folder / "server.log"
    command = "from chromputer_tracks.cli.main import run; run()"
    args = ["view", str(demo.predicted), str(demo.explained), "--no-browser", "--log-requests"]
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-c", command, *args], stderr=file)
    try:
        while not (address := re.search(r"http://\S+", log.read_text())):
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield address[0], log
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def shown(page, served):
    page.open(served[0] + f"#{REGION[0]}:{REGION[1] + 1}-{REGION[2]}")
    yield page
    assert page.errors == []
    assert page.hosts == {"127.0.0.1"}


def wiggle(path: Path, chrom: str, start: int, end: int) -> list[tuple[int, int, float]]:
    with pyBigWig.open(str(path)) as file:
        return [row for row in file.intervals(chrom, start, end) or ()]


def read(page, name, chrom, start, end):
    found = page.features(name, chrom, start, end)
    return [
        (item["start"], item["end"], item["value"])
        for item in found
        if item["start"] < end and item["end"] > start
    ]


def picture(page, name, height):
    if PICTURES:
        page.picture(Path(PICTURES) / name, height)


def test_states_probabilities_and_calls(shown, demo, served):
    spec = load_model(MODEL).spec
    states, binary = spec.heads
    tracks = {track["name"]: track for track in shown.tracks()}
    expected = [STATES, "Reb1 probability", "Reb1 calls", "Reb1 importance"]
    assert [name for name in tracks if name in expected] == expected
    for label in states.labels:
        assert tracks[f"{label.name} {label.title}"]["features"] > 0
    for label in binary.labels:
        assert tracks[f"{label.name} probability"]["features"] > 0

    # Features are those of a second reader.
    with pyBigWig.open(str(demo.predicted / "states.bb")) as file:
        rows = file.entries(*REGION)
    found = [item for item in shown.features(STATES, *REGION) if item["end"] > REGION[1]]
    found = [item for item in found if item["start"] < REGION[2]]
    colors = {label.name: label.color for label in states.labels}
    assert [(item["start"], item["end"], item["name"]) for item in found] == [
        (start, end, rest.split("\t")[0]) for start, end, rest in rows
    ]
    for item in found:
        assert item["color"] == f"rgb({','.join(map(str, colors[item['name']]))})"
    for name, path in (
        ("Reb1 probability", "demo-output/binary/Reb1.bw"),
        (f"S5 {states.labels[4].title}", "demo-output/states/S5.bw"),
    ):
        values = wiggle(demo.folder / path, *REGION)
        assert read(shown, name, *REGION) == values
        assert len(values) > 50

    # What is drawn has their colours.
    drawn = shown.colors(STATES)
    for name in {item["name"] for item in found}:
        assert drawn.get(colors[name], 0) > 20, name
    reb1 = next(label.color for label in binary.labels if label.name == "Reb1")
    for name in ("Reb1 probability", "Reb1 calls"):
        assert shown.colors(name).get(reb1, 0) > 100
    # From afar, importance is bars.
    from_afar = shown.colors("Reb1 importance")
    assert from_afar.get(reb1, 0) > 20
    assert from_afar.get(NEGATIVE, 0) > 0
    assert not set(LETTERS.values()) & set(from_afar)
    picture(shown, "view-region.png", 1180)

    log = served[1].read_text()
    for path in ("states.bb", "Reb1.bw", "S5.bw", "importance.bw", "sacCer3.fa.gz"):
        assert re.search(rf"/{re.escape(path)} HTTP/1.1' 206 bytes=\d+-\d+", log), path
    assert not re.search(r"HTTP/1\.1' [45]", log)


def test_letters_at_the_motif(shown, demo):
    # The first site is the strongest; its importance is in the middle.
    shown.page.get_by_text("letters", exact=True).click()
    shown.moved(REGION)
    chrom, start, end = shown.locus()
    assert (chrom, end - start) == (REGION[0], 100)
    with pysam.FastaFile(str(demo.fasta)) as fasta:
        bases = fasta.fetch(chrom, start, end).upper()
    assert MOTIF in bases

    name = "Reb1 importance"
    values = wiggle(demo.explained / "Reb1/importance.bw", chrom, start, end)
    assert read(shown, name, chrom, start, end) == values
    # igv.js read the same bases from the bgzipped FASTA, at the same places.
    for item in shown.features(name, chrom, start, end):
        if start <= item["start"] and item["end"] <= end:
            assert item["sequence"].upper() == bases[item["start"] - start : item["end"] - start]

    drawn = shown.colors(name)
    for base in set(MOTIF):
        assert drawn.get(LETTERS[base], 0) > 100, base
    reb1 = next(label for label in load_model(MODEL).spec.heads[1].labels if label.name == "Reb1")
    assert not {reb1.color, NEGATIVE} & set(drawn)
    # The tallest letters are the motif's.
    best = max(values, key=lambda row: row[2])[0] - start
    assert abs(best - bases.index(MOTIF)) < len(MOTIF)
    picture(shown, "view-letters.png", 760)


def test_one_sample_has_short_names_and_its_contributions(shown):
    options = shown.page.locator("#vplot-source option").all_text_contents()
    assert options == ["atac fragments", "contributions to Reb1"]
    names = [track["name"] for track in shown.tracks()]
    first = names.index("Genes")
    assert names[first + 1 : first + 4] == ["Cut sites", "Fragments 140-299 bp", STATES]
    shown.go(f"{REGION[0]}:22,801-24,800")
    shown.page.locator("#vplot-source").select_option("contributions to Reb1")
    shown.page.wait_for_timeout(50)
    shown.settle()
    assert shown.panel()["kind"] == "contributions"
    picture(shown, "view-vplot.png", 860)


def test_sites_and_switches(shown):
    page = shown.page
    assert page.locator("#place").text_content() == "1 of 5"
    first = shown.locus()
    page.get_by_role("button", name="Next site").click()
    shown.moved(first)
    assert page.locator("#place").text_content() == "2 of 5"
    second = shown.locus()
    assert second != first
    assert second[2] - second[1] == 10_000
    # Reloading the page keeps the place.
    page.reload()
    shown.wait()
    assert shown.locus() == second

    names = [track["name"] for track in shown.tracks()]
    page.get_by_text("Abf1", exact=True).click()
    page.wait_for_selector(".chip :disabled", state="detached")
    without = [track["name"] for track in shown.tracks()]
    assert without == [name for name in names if name not in ("Abf1 probability", "Abf1 calls")]
    page.get_by_text("Abf1", exact=True).click()
    page.wait_for_selector(".chip :disabled", state="detached")
    shown.settle()
    assert [track["name"] for track in shown.tracks()] == names
    assert page.locator("#legend li").all_text_contents()[4] == "S5Active promoter (PIC/TFIID)"


@pytest.mark.parametrize("address", ["#chr7:5,000-6,000", "#%E0%A4%A"])
def test_a_place_of_another_genome_leaves_the_first_one_in_view(page, served, address):
    page.open(served[0])
    first = page.locus()
    page.page.goto("about:blank")
    page.open(served[0] + address)
    assert page.locus() == first
    assert page.errors == []


@pytest.mark.parametrize("name", ["MINE1", "ybr999c", "YBR999C_mRNA"])
def test_names_of_added_genes_are_found_in_the_locus_box(page, demo, name):
    genes = demo.folder / "genes.gff"
    about = "ID=YBR999C_mRNA;Name=YBR999C;gene=MINE1"
    genes.write_text(f"##gff-version 3\nchrII\tSGD\tmRNA\t336821\t339252\t.\t+\t.\t{about}\n")
    view = read_view(ViewOptions(folders=(demo.predicted,), tracks=(genes,), locus="chrI:1-5,000"))
    with open_server(view) as server, server.serving():
        page.open(server.url)
        before = page.locus()
        box = page.page.locator("input.igv-search-input")
        box.fill(name)
        box.press("Enter")
        page.moved(before)
        chrom, start, end = page.locus()
    assert (chrom, start <= 336_820, end >= 339_252) == ("chrII", True, True)
    assert page.errors == []
    assert page.hosts == {"127.0.0.1"}


def test_a_click_on_a_name_tells_what_the_track_shows(shown):
    shown.page.locator(".igv-track-label", has_text="Reb1 probability").click()
    told = shown.page.locator(".igv-track-label-popover__body").inner_text()
    assert "probability that a peak's centre lies in the 200 bp around" in told


def test_another_list_of_sites(shown):
    shown.page.locator("#list").select_option("Htz1 calls")
    shown.moved(REGION)
    assert re.fullmatch(r"1 strongest of \d[\d,]*", shown.page.locator("#place").text_content())
    chrom, start, end = shown.locus()
    calls = [item for item in shown.features("Htz1 calls", chrom, start, end)]
    middle = (start + end) // 2
    assert any(item["start"] <= middle < item["end"] for item in calls)

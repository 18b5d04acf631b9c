"""What follows the place in view: the V-plot, the input's coverage, axes, notes and genes."""

from __future__ import annotations

import gzip
import itertools
from collections import Counter

import numpy as np
import pytest
from notes import Notes
from pages import Page
from runs import MODEL, REGION

from chromputer_tracks.analysis.vplots.images import (
    CONTRIBUTION,
    COUNTS,
    VplotAxes,
    VplotScale,
    drawn,
)
from chromputer_tracks.data.features import FINE_LENGTH_EDGES
from chromputer_tracks.intervals import Interval
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.options.predict import PredictOptions, ViewOptions
from chromputer_tracks.tracks.predict import predict_tracks
from chromputer_tracks.tracks.view.run import open_server, read_view

SITE = ("chrXIII", 22_800, 24_800)
VIEWPORT = {"width": 1280, "height": 1500}
CUTS, NUCLEOSOMES = "Cut sites", "Fragments 140-299 bp"


@pytest.fixture(scope="module")
def thinned(demo, example):
    """A second sample: every third fragment of the chromosome, predicted around the site."""
    folder = demo.folder / "thinned"
    folder.mkdir()
    path = folder / "thinned.fragments.tsv.gz"
    with gzip.open(path, "wt") as file:
        file.writelines("\t".join(map(str, row)) + "\tb\t1\n" for row in read(example)[::3])
    out = folder / "thinned"
    files = SampleFiles(demo.fasta, path)
    options = PredictOptions(
        model=MODEL, sample=files, out=out, chroms=("chrXIII:20,001-40,000",), threads=1
    )
    predict_tracks(options, Notes())
    return out


@pytest.fixture(scope="module")
def address(demo, thinned):
    options = ViewOptions(
        folders=(demo.explained,), samples=(("all", demo.predicted), ("third", thinned))
    )
    view = read_view(options)
    with open_server(view) as server, server.serving():
        yield server.url, view


@pytest.fixture(scope="module")
def loaded(chromium, address):
    """One page for all tests: most of a test's time would be its start."""
    context = chromium.new_context(viewport=VIEWPORT)
    page = Page(context.new_page())
    page.open(address[0] + place(*SITE))
    yield page
    context.close()


@pytest.fixture
def shown(loaded):
    loaded.page.set_viewport_size(VIEWPORT)
    loaded.page.locator("#vplot-source").select_option("0")
    loaded.go(place(*SITE).removeprefix("#"))
    yield loaded
    assert loaded.errors == []
    assert loaded.hosts == {"127.0.0.1"}


def place(chrom, start, end):
    return f"#{chrom}:{start + 1}-{end}"


def read(example):
    """Fragments of the chromosome, line by line."""
    with gzip.open(example / "atac.fragments.tsv.gz", "rt") as file:
        rows = [line.split("\t")[:3] for line in file if line.startswith(f"{SITE[0]}\t")]
    return [(chrom, int(start), int(end)) for chrom, start, end in rows]


def counted(rows, start, end, bin_size):
    """Image of counts, one fragment at a time."""
    counts = np.zeros((len(FINE_LENGTH_EDGES) - 1, (end - start) // bin_size))
    for _, first, last in rows:
        middle, length = (first + last) // 2, last - first
        if start <= middle < end and FINE_LENGTH_EDGES[0] <= length < FINE_LENGTH_EDGES[-1]:
            counts[(length - 20) // 10, (middle - start) // bin_size] += 1
    return counts


def colored(values, quantity, axes, sigma):
    """As ``chromputer vplot`` colours them, by matplotlib."""
    image = drawn(values, quantity, axes, sigma)
    scale = VplotScale.of(quantity, [image])
    return scale.colors(scale.norm(np.ma.masked_invalid(image)), bytes=True)[..., :3].astype(int)


def same_colors(page, expected, most=2):
    """Two libraries round to whole steps of a colour, each on its own."""
    found, edges = np.array(page.panel_pixels()), page.panel()["edges"]
    assert found.shape == expected.shape
    worst = np.abs(found - expected).max(axis=(1, 2))
    # There is a line at the nucleosome's 147 bp.
    lines = [low <= 147 < high for low, high in itertools.pairwise(edges)]
    assert worst[np.logical_not(lines)].max() <= most


def choose(page, name):
    page.page.locator("#vplot-source").select_option(name)
    page.page.wait_for_timeout(50)
    page.settle()


@pytest.mark.parametrize("smooth", [False, True])
def test_pixels_are_the_counts_of_the_fragments_in_the_colours_of_vplot(shown, example, smooth):
    shown.page.locator("#vplot-smooth").set_checked(smooth)
    counts = counted(read(example), *SITE[1:], 10)
    panel = shown.panel()
    assert (panel["chrom"], panel["start"], panel["end"], panel["bin"]) == (*SITE, 10)
    assert panel["rows"] == counts.tolist()
    assert counts.sum() > 50
    note = shown.page.locator("#vplot-note").text_content()
    assert note == f"{int(counts.sum())} fragments · pixels of 10 bp"
    axes = VplotAxes(SITE[1], 10, 200, FINE_LENGTH_EDGES, SITE[0])
    same_colors(shown, colored(counts, COUNTS, axes, float(smooth)))


def test_it_follows_when_the_browser_is_dragged_and_zoomed(shown, example):
    before = shown.locus()
    box = shown.page.locator("main").bounding_box()
    x, y = box["x"] + 500, box["y"] + 500
    shown.page.mouse.move(x, y)
    shown.page.mouse.down()
    for step in range(1, 11):
        shown.page.mouse.move(x - 20 * step, y)
    shown.page.mouse.up()
    shown.moved(before)
    _, start, end = shown.locus()
    assert start > before[1] + 100
    panel = shown.panel()
    assert (panel["start"], panel["bin"]) == (start, 10)
    rows = read(example)
    assert panel["rows"] == counted(rows, start, panel["end"], 10).tolist()
    shown.go("chrXIII:22,001-32,000")
    panel = shown.panel()
    assert (panel["start"], panel["end"], panel["bin"]) == (22_000, 32_000, 50)
    assert panel["rows"] == counted(rows, 22_000, 32_000, 50).tolist()
    shown.go("chrXIII:1-60,000")
    assert shown.panel() == {"note": "Zoom in to at most 50 kb to see the V-plot."}


def test_another_sample(shown, example):
    options = shown.page.locator("#vplot-source option").all_text_contents()
    assert options == ["all atac fragments", "third atac fragments", "contributions to all Reb1"]
    choose(shown, options[1])
    assert shown.panel()["rows"] == counted(read(example)[::3], *SITE[1:], 10).tolist()
    names = [track["name"] or "" for track in shown.tracks()]
    assert [name for name in names if "atac" in name] == [
        *(f"{sample} atac {what}" for sample in ("all", "third")
          for what in (CUTS.lower(), NUCLEOSOMES.lower()))
    ]  # fmt: skip


def test_contributions_in_the_colours_of_vplot(shown, address):
    choose(shown, "contributions to all Reb1")
    source = address[1].live.contributions[0]
    values = source.image(Interval(*SITE), 10)
    edges = source.item.length_edges
    panel = shown.panel()
    assert panel["edges"] == list(edges)
    found = np.array(panel["rows"], dtype=float)
    np.testing.assert_allclose(found, values, rtol=1e-4)
    assert np.isnan(values).any()
    assert np.nanmax(values) > 0.05
    axes = VplotAxes(SITE[1], 10, 200, edges, SITE[0])
    same_colors(shown, colored(found, CONTRIBUTION, axes, 1.0), most=4)
    shown.go("chrXIII:500,001-502,000")
    assert shown.panel()["note"].startswith("all Reb1 was not explained in what is in view")


def test_coverage_is_that_of_the_fragments(shown, example):
    start, end = 23_700, 23_900
    shown.go(f"chrXIII:{start + 1}-{end}")
    cuts, over = Counter(), Counter()
    for _, first, last in read(example):
        cuts.update((first, last - 1))
        if 140 <= last - first < 300:
            over.update(range(first, last))
    for name, expected in ((CUTS, cuts), (NUCLEOSOMES, over)):
        found = {
            base: item["value"]
            for item in shown.features(f"all atac {name.lower()}", "chrXIII", start, end)
            for base in range(int(item["start"]), int(item["end"]))
            if start <= base < end
        }
        assert found == {base: expected[base] for base in range(start, end) if expected[base]}
        assert len(found) > 20


def test_axes_end_at_what_is_in_view_and_stay_where_there_is_nothing(shown):
    ranges = """browser => Object.fromEntries(browser.trackViews.map(
        ({track}) => [track.name, track.dataRange]))"""
    in_view = """(browser, name) => browser.trackViews.find(({track}) => track.name === name)
        .getInViewFeatures().then(found => found.map(({value}) => value))"""
    importance, short = "all Reb1 importance", "all Reb1 fragments 20-139 bp"

    def settled():
        shown.page.wait_for_timeout(300)
        shown.settle()
        return shown.ask(ranges)

    found = settled()
    values = shown.ask(in_view, importance)
    assert max(values) <= found[importance]["max"] < 1.2 * max(values)
    assert 1.2 * min(values) < found[importance]["min"] <= min(values) < 0
    # Tracks of one V-plot share an axis.
    assert found[short] == found["all Reb1 fragments 300-699 bp"]
    shown.go("chrXIII:500,001-502,000")
    assert settled()[importance] == found[importance]
    shown.go("chrXIII:29,901-30,100")
    assert settled()[importance] != found[importance]


def test_an_unpredicted_chromosome_says_so(shown):
    notes = shown.page.locator("#notes")
    assert not notes.is_visible()
    assert shown.page.locator("#split").text_content() == (
        f"chrXIII was kept out of the training of {MODEL}"
    )
    shown.go("chrI:1,001-3,000")
    told = notes.locator("p").all_text_contents()
    assert [text.split(":")[0] for text in told] == [
        "chrI was not predicted in all",
        "chrI was not predicted in third",
    ]
    assert told[0].endswith("Predicted: chrXIII.")
    assert "was trained on chrI" in shown.page.locator("#split").text_content()
    shown.go("chrXIII:39,001-41,000")
    assert (
        notes.locator("p")
        .all_text_contents()[0]
        .startswith("Only part of chrXIII:39,001-41,000 was predicted in third")
    )
    shown.go("chrXIII:22,001-32,000")
    assert not notes.is_visible()


@pytest.mark.parametrize(
    ("name", "gene"),
    [
        ("GAL1", ("chrII", 279_020, 280_607)),
        ("ybr020w", ("chrII", 279_020, 280_607)),
        ("PHO84", ("chrXIII", 24_036, 25_800)),
    ],
)
def test_genes_are_found_by_name_without_any_file(shown, name, gene):
    shown.go("chrXIII:500,001-502,000")
    before = shown.locus()
    box = shown.page.locator("input.igv-search-input")
    box.fill(name)
    box.press("Enter")
    shown.moved(before)
    chrom, start, end = shown.locus()
    assert (chrom, start <= gene[1], end >= gene[2]) == (gene[0], True, True)
    found = {item["name"]: (item["start"], item["end"]) for item in shown.features("Genes", *gene)}
    assert gene[1:] in found.values()


def test_choosing_sites_shows_their_labels_tracks(shown):
    page = shown.page
    page.get_by_text("Htz1", exact=True).click()
    page.wait_for_selector(".chip :disabled", state="detached")
    assert "all Htz1 calls" not in [track["name"] for track in shown.tracks()]
    page.locator("#list").select_option("all Htz1 calls")
    page.wait_for_selector(".chip :disabled", state="detached")
    shown.settle()
    names = [track["name"] for track in shown.tracks()]
    states = names.index("all Confidence")  # of the states, below them
    assert set(names[states + 1 : states + 5]) == {
        *(
            f"{sample} Htz1 {what}"
            for sample in ("all", "third")
            for what in ("probability", "calls")
        )
    }
    # Another list puts them back to their place.
    page.locator("#list").select_option("all Reb1 explained sites")
    shown.settle()
    names = [track["name"] for track in shown.tracks()]
    assert names[states + 1].startswith("all Reb1")


@pytest.mark.parametrize("width", [700, 1000, 1700])
def test_nothing_overlaps_at_other_widths(shown, width):
    page = shown.page
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(400)
    shown.settle()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    main, aside = (page.locator(name).bounding_box() for name in ("main", "aside"))
    if width < 960:
        assert aside["y"] + aside["height"] <= main["y"]
    else:
        assert main["x"] + main["width"] <= aside["x"]
    assert REGION[0] == shown.panel()["chrom"]

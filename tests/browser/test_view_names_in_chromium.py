"""Names in strangers' files are shown as the text that they are, never as HTML."""

from __future__ import annotations

import json
import shutil

import pytest

from chromputer_tracks.errors import ContigError
from chromputer_tracks.options.predict import ViewOptions
from chromputer_tracks.tracks.view.run import open_server, read_view

COVER = '<a class=evil href="//evil.example" style="position:fixed;inset:0">Sign in</a> & <5\' "x"'
"""Would lie over the whole page, and lead elsewhere."""
WORD = COVER.split(" style")[0].replace(" ", "/") + ">Sign&in</a>"
"""Likewise: igv.js takes spaces for the columns' bounds."""
EVIL = "() => [document, document.querySelector('#browser').shadowRoot].reduce("
EVIL += "(sum, root) => sum + root.querySelectorAll('.evil').length, 0)"
LABELS = "browser => browser.trackViews.flatMap(view => view.viewports).flatMap("
LABELS += "item => item.trackLabelElement ? [item.trackLabelElement.textContent] : [])"
INPUT = ("Cut sites", "Fragments 140-299 bp")
MIDDLE = """(browser, name) => {
    const {track, viewports} = browser.trackViews.find(({track}) => track.name === name);
    const {x, y, width} = viewports[0].canvas.getBoundingClientRect();
    return [x + width / 2, y + track.margin + track.expandedRowHeight / 3];
}"""
"""Where the feature is that lies over most of what is in view."""


@pytest.fixture
def hostile(demo, tmp_path):
    """A prediction whose record names labels so, and a BED with such a name and such a feature."""
    folder = tmp_path / "<b class=evil>results"
    shutil.copytree(demo.predicted, folder)
    record = json.loads((folder / "run.json").read_text())
    for head in record["model"]["spec"]["heads"]:
        for label in head["labels"]:
            label["title"] = COVER
    record["model"]["path"] = "gone.onnx"
    record["model"]["sha256"] = "0" * 64
    (folder / "run.json").write_text(json.dumps(record))
    bed = tmp_path / "<img class=evil src=x>.bed"
    bed.write_text(f"chrI\t1000\t9000\t{WORD}\t5\t+\n")
    return ViewOptions(
        samples=((COVER, folder),), tracks=(bed,), fasta=demo.fasta, locus="chrI:1-10,000"
    )


def test_names_are_text(hostile, page):
    view = read_view(hostile)
    with open_server(view, token="t") as server, server.serving():
        page.open(server.url)
        titles = [track.name for track in view.tracks]
        assert any(COVER in title for title in titles)
        shown = page.ask(LABELS)
        # The added file, the genes and the input, then the run.
        assert [name for name in shown if name] == [*titles[:2], *INPUT, *titles[2:]]
        legend = page.page.locator("#legend li").all_text_contents()
        assert legend[0] == f"S1{COVER}"
        # On a name, and on a feature.
        page.page.locator(".igv-track-label", has_text="Sign in").first.click()
        told = page.page.locator(".igv-track-label-popover").first
        assert COVER in told.locator(".igv-track-label-popover__title").inner_text()
        told.locator(".igv-track-label-popover__close").click()
        page.page.mouse.click(*page.ask(MIDDLE, view.tracks[1].name))
        popup = page.page.locator(".igv-ui-popover", has_text="Sign&in")
        popup.wait_for()
        assert WORD in popup.inner_text()
        # A message of igv.js, of a place in the address.
        page.page.goto("about:blank")
        page.open(server.url + "#<a class=evil style=position:fixed href=//evil.example>x</a>")
        assert page.page.evaluate(EVIL) == 0
    assert page.hosts == {"127.0.0.1"}
    assert page.errors == []


def test_contigs_that_no_browser_can_show_are_refused(demo, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "chromputer_tracks.tracks.view.run.browser_genome",
        lambda *_: type("Genome", (), {"sizes": {"<img>": 5}, "fasta": "g.fa"}),
    )
    with pytest.raises(ContigError, match=r"g\.fa: the contig '<img>' has '<' or '>'"):
        read_view(ViewOptions(folders=(demo.predicted,)))

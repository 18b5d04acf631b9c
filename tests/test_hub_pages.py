"""Description pages: whole HTML, figures of the runs and the model card, no markup let in."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from explain_run import Notes
from hub_spec_check import check_hub
from tiny_models import write_linear_model
from toy_runs import copied, edit, hub

from chromputer_tracks.inference.session import read_spec, shipped_models
from chromputer_tracks.io.record import GenomeRecord, ModelRecord, RunRecord
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.options.predict import PredictOptions
from chromputer_tracks.spec import HeadSpec, Label, ModelSpec
from chromputer_tracks.tracks.explain.run import ExplainRecord
from chromputer_tracks.tracks.hub.layout import HubModel
from chromputer_tracks.tracks.hub.pages import render, track_page
from chromputer_tracks.tracks.hub.stanzas import UniqueNames
from chromputer_tracks.tracks.predict import predict_tracks
from chromputer_tracks.tracks.runs import ExplainFolder, ModelRuns, SampleRuns, read_runs

VOID = {"meta", "link", "br"}
SECTIONS = ["Description", "Display Conventions and Configuration", "Methods", "Credits",
            "References"]  # fmt: skip


class Reader(HTMLParser):
    """Checks that tags are balanced, and collects headings, cells and links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: dict[str, list[str]] = {"h2": [], "td": [], "th": [], "caption": []}
        self.links: list[str] = []
        self.swatches: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag in self.text:
            self.text[tag].append("")
        if tag == "a":
            self.links.append(given["href"] or "")
        if given.get("class") == "swatch":
            self.swatches.append(given["style"] or "")
        assert tag not in ("script", "iframe", "object")
        assert not [name for name in given if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in self.text:
            if tag in self.open:
                self.text[tag][-1] += data


def rows(page: Reader, width: int) -> list[list[str]]:
    cells = page.text["td"]
    return [cells[at : at + width] for at in range(0, len(cells), width)]


def test_every_page_has_the_sections_of_the_browsers_own(runs, tmp_path):
    _, folder = hub(runs, tmp_path / "hub", fasta=runs.fasta)
    pages = {path.name: path.read_text(encoding="ascii") for path in folder.glob("*.html")}
    assert set(pages) == {
        "calls.html", "contributions.html", "coverage.html", "description.html", "importance.html",
        "probabilities.html", "signals.html", "sites.html", "state_probabilities.html",
        "states.html",
    }  # fmt: skip
    for name, page in pages.items():
        read = Reader(page)
        if name == "description.html":
            assert read.text["h2"] == ["toy1"]
            assert read.text["td"] == ["5", "11,808", "chr1, 6,150 bp"]
            continue
        assert read.text["h2"] == SECTIONS, name
        assert "mailto:me@example.org" in read.links
        assert [link for link in read.links if link.startswith("https://doi.org/10.")]
        assert "{{" not in page and "{%" not in page


def test_the_overview_leads_to_all_pages(runs, tmp_path):
    result, folder = hub(runs, tmp_path / "hub", url="https://example.org/a")
    page = Reader((tmp_path / "hub" / "hub.html").read_text())
    local = [link for link in page.links if link.startswith("toy1/")]
    assert sorted(local) == sorted(f"toy1/{path.name}" for path in folder.glob("*.html"))
    assert result.links[0][1] in page.links
    table = {row[0]: row[2] for row in rows(page, 3)}
    assert table["Chromatin states"] == "2"
    assert table["Contributions"] == "12"


def test_states_have_a_legend_and_shares(runs, tmp_path):
    _, folder = hub(runs, tmp_path / "hub")
    page = Reader((folder / "states.html").read_text())
    shares = {}
    for name in ("first", "second"):
        record = json.loads((runs.folder / name / "run.json").read_text())
        shares[name] = [f"{row['share']:.1%}" for row in record["summary"]["states"]]
    legend = [row for row in rows(page, 5) if row[1].startswith("S")]
    assert legend == [
        ["", f"S{i}", f"state {i}", shares["first"][i], shares["second"][i]] for i in range(3)
    ]
    assert page.swatches == [f"background-color: rgb({10 * i}, 0, 255)" for i in range(3)]


def test_calls_are_counted(runs, tmp_path):
    _, folder = hub(runs, tmp_path / "hub", folders=(runs.first,))
    page = Reader((folder / "calls.html").read_text())
    lines = (runs.first / "factors/TF1.bed").read_text().splitlines()
    spans = [line.split("\t")[1:3] for line in lines]
    bases = sum(int(end) - int(start) for start, end in spans)
    assert ["", "TF1", "factor 1", "0.500", f"{len(lines):,}", f"{bases:,}"] in rows(page, 6)


def test_heads_may_have_labels_of_the_same_name(runs, tmp_path):
    spec = read_spec(runs.model)
    states, binary = spec.heads[:2]
    spec = replace(spec, heads=(states, binary, replace(binary, name="more")))
    write_linear_model(tmp_path / "m", spec)
    files = SampleFiles(runs.fasta, runs.fragments)
    predict_tracks(
        PredictOptions(model=tmp_path / "m", sample=files, out=tmp_path / "run"), Notes()
    )
    _, folder = hub(runs, tmp_path / "hub", folders=(tmp_path / "run",))
    page = Reader((folder / "calls.html").read_text())
    counts = {row[1]: int(row[4]) for row in rows(page, 6) if not row[0]}
    assert counts == {
        f"{head}.{label}": len((tmp_path / f"run/{head}/{label}.bed").read_text().splitlines())
        for head in ("factors", "more")
        for label in ("TF1", "TF2")
    }
    assert counts["factors.TF1"] != counts["more.TF1"]
    assert check_hub(tmp_path / "hub") == []
    assert "shortLabel factors.TF1 calls\n" in (folder / "trackDb.txt").read_text()


def test_what_was_explained_and_how(runs, tmp_path):
    _, folder = hub(runs, tmp_path / "hub", folders=(runs.first, runs.explained))
    text = (folder / "importance.html").read_text()
    record = json.loads((runs.explained / "run.json").read_text())["labels"]["TF1"]
    expected = ["", "TF1", "factor 1", "3", f"{record['bases']:,}", f"{record['mean_logit']:.2f}"]
    assert expected in rows(Reader(text), 6)
    assert "DeepLIFT (rescale rule): the sequence against 20 dinucleotide" in text
    assert "other inputs against zero (no fragments)" in text
    assert "mean weighted to window centres" in text
    assert "add up to the difference between its logit" in text
    assert "the mean of all states" in text
    text = (folder / "contributions.html").read_text()
    assert ["atac", "subnucleosomal", "20 to 139"] in rows(Reader(text), 3)
    assert "all of the given regions" in (folder / "sites.html").read_text()


def test_gradients_are_not_called_deeplift(runs, tmp_path):
    own = copied(runs, tmp_path / "runs")
    edit(own.explained, '"method": "deeplift"', '"method": "gradient*input"')
    _, folder = hub(own, tmp_path / "hub", folders=(own.explained,))
    text = (folder / "importance.html").read_text()
    assert "gradient times input" in text
    assert "add up to" not in text


def test_the_inputs_by_the_names_of_their_files(runs, tmp_path):
    _, folder = hub(runs, tmp_path / "hub")
    page = Reader((folder / "coverage.html").read_text())
    kept = sum(len(starts) for starts in runs.toy.starts.values())
    (first, second) = rows(page, 5)
    assert first[:4] == ["first", "atac", "toy.fragments.tsv.gz", f"{kept:,}"]
    assert re.fullmatch(r"[\d.]+ per kb", first[4])
    assert second[0] == "second"


def shipped(kind: str, **changes: object) -> str:
    """A page of the shipped model, with a run that shows nothing."""
    spec = ModelSpec.from_json(
        (shipped_models()["yeast-atac"] / "model.json").read_text(), "model.json"
    )
    spec = replace(spec, **changes)  # type: ignore[arg-type]
    record = RunRecord(
        "explain", "", "", "2026-01-02T03:04:05+00:00", 1.0, {"chromputer-tracks": "9.9"},
        {}, {}, (), 1.0, {},
    )  # fmt: skip
    graph = ModelRecord(spec.name, "", 1, "", {})
    genome = GenomeRecord(1, 1, spec.sizes_digest, spec.assembly, True)
    results = ExplainRecord("regions", spec.window, "", {}, {})
    run = ExplainFolder(Path("x"), record, graph, genome, spec, (), results)
    runs = ModelRuns(spec, (SampleRuns("s", None, (run,)),))
    model = HubModel(runs, UniqueNames(), {"s": "s"}, "", False)
    return track_page(kind, model, "me@example.org")


def test_the_model_card_is_quoted():
    metrics = json.loads((shipped_models()["yeast-atac"] / "model.json").read_text())["metrics"]
    scores = metrics["test"]["model"]
    text = shipped("probabilities")
    reb1 = scores["binary"][0]
    low, high = reb1["auprc"]["low"], reb1["auprc"]["high"]
    assert [
        "Reb1",
        f"{reb1['auprc']['value']:.3f}",
        f"{low:.3f} to {high:.3f}",
        f"{reb1['positives'] / reb1['sites']:.3f}",
    ] in [cells[-4:] for cells in (rows(Reader(text), 4))]
    assert "chrVII, chrXIII were held out" in text
    assert "Made with chromputer-tracks 9.9 on 2026-01-02." in text
    assert "16 classes of fragment length from 20 to 699 bp" in text
    text = shipped("states")
    accuracy = scores["states"]["accuracy"]
    assert f"{accuracy['value']:.3f} [{accuracy['low']:.3f}, {accuracy['high']:.3f}]" in text
    majority = metrics["test"]["baselines"]["majority class"]["states"]["accuracy"]["value"]
    assert f"{majority:.3f}" in text
    assert "How good the model is on other samples" in text


def test_figures_that_are_not_known():
    metrics = json.loads((shipped_models()["yeast-atac"] / "model.json").read_text())["metrics"]
    metrics["test"]["model"]["binary"][0]["auprc"]["low"] = None
    assert "not known to 0.675" in shipped("calls", metrics=metrics)
    assert "Accuracy" not in shipped("calls", metrics={})
    assert "Accuracy" not in shipped("states", metrics={})


def test_signals_have_correlations():
    estimate = {"value": 0.5, "low": 0.4, "high": 0.6}
    scores = {"name": "H3", "sites": 9, "pearson": estimate, "spearman": estimate}
    metrics = {"test": {"model": {"states": None, "binary": [], "continuous": [scores]}}}
    heads = (HeadSpec("continuous", "marks", (Label("H3", "H3 marks", (1, 2, 3)),), "log"),)
    page = Reader(shipped("signals", heads=heads, metrics=metrics))
    assert ["H3", "0.500 [0.400, 0.600]", "0.500 [0.400, 0.600]"] == page.text["td"][-3:]


def test_texts_bring_no_markup_in():
    heads = (HeadSpec("binary", "h", (Label("A", '<script>x()</script> & "β"', (1, 2, 3)),)),)
    text = shipped("probabilities", heads=heads, metrics={}, name="<b>")
    assert "<script>" not in text
    assert "&lt;script&gt;x()&lt;/script&gt; &amp; &#34;&#946;&#34;" in text
    assert text.isascii()
    Reader(text)


def test_another_genome_is_said(runs, tmp_path):
    (model,) = read_runs((runs.first,), ())
    assert model.spec.sizes_digest == runs.toy.sizes.digest()
    _, folder = hub(runs, tmp_path / "hub")
    assert "another genome" not in (folder / "states.html").read_text()
    text = shipped("states", sizes_digest="0" * 64)
    assert "another genome" not in text
    other = render("assembly", dict.fromkeys(
        ("organism", "description", "contigs", "bases", "longest", "fasta", "sha256"), "x<y"
    ))  # fmt: skip
    assert "x&lt;y" in other


def test_notes_are_not_needed(runs, tmp_path):
    notes = Notes()
    hub(runs, tmp_path / "hub", notes, assembly="toy", any_assembly=True, models=(runs.model,))
    assert notes.lines == []


def test_where_a_model_is_needed_for_its_figures_it_is_asked_for(runs, tmp_path):
    notes = Notes()
    hub(runs, tmp_path / "hub", notes, assembly="toy", any_assembly=True)
    (line,) = notes.lines
    assert line.startswith("note: the pages do not tell the accuracy of model tiny")
    assert line.endswith("name its folder with --model")

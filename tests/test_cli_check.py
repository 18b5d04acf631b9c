"""``chromputer check`` on a toy genome, from the command line to the JSON and the page."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from predict_command import toy_inputs
from tiny_models import tiny_spec, write_tiny_model
from toy_genome import ToyGenome, toy_genome
from typer.testing import CliRunner

import chromputer_tracks as ct
from chromputer_tracks.analysis.check.run import SampleCheck, _assay
from chromputer_tracks.cli.main import app
from chromputer_tracks.data.fitness import profile_sample
from chromputer_tracks.inference.session import load_model
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.record import RunRecord
from chromputer_tracks.records import from_plain
from chromputer_tracks.spec import DepthAccuracy, Fitness

LENGTHS = {"chr1": 30_000, "chr2": 12_000, "chrM": 4_000}


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    return toy_genome(LENGTHS, seed=6)


@pytest.fixture(scope="module")
def inputs(toy, tmp_path_factory):
    """Files, and a model that was trained on just this sample."""
    found = toy_inputs(tmp_path_factory.mktemp("check"), toy)
    folder = found["fasta"].parent
    with (
        Fasta(found["fasta"]) as fasta,
        FragmentStore.build(found["fragments"], fasta.sizes) as store,
    ):
        profile = profile_sample(store, fasta)
        deep = store.density
    found["density"] = deep
    depths = tuple(
        DepthAccuracy(share, share * deep, (x, x - 0.1, x + 0.1), (x / 2, 0.1, 0.6), None)
        for share, x in ((1, 0.8), (0.1, 0.6))
    )
    fitness = Fitness(("chr2",), {"atac": profile}, depths)
    spec = tiny_spec(sizes_digest=toy.sizes.digest(), fitness=fitness)
    found["model"] = write_tiny_model(folder / "known", spec)
    found["tss"] = folder / "genes.bed"
    found["tss"].write_text("chr1\t9000\t9500\tg\t0\t+\nchr1\t14000\t15001\th\t0\t-\n")
    found["blacklist"] = folder / "black.bed"
    found["blacklist"].write_text("chr1\t0\t3000\nchr1\t1000\t2000\nchrM\t0\t4000\n")
    return found


def check(inputs, out, *more):
    args = ["check", str(inputs["fragments"]), "--fasta", str(inputs["fasta"]), "-o", str(out)]
    return CliRunner().invoke(app, [*args, *more])


def read(out) -> SampleCheck:
    return from_plain(SampleCheck, json.loads((out / "check.json").read_text()))


class Links(HTMLParser):
    """What a page would load, and its headings."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.titles, self.tags, self._in = [], [], set(), ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self._in = tag
        self.loads += [
            value for name, value in attrs if name in ("src", "href") and value[:1] != "#"
        ]

    def handle_data(self, data):
        if self._in == "h2":
            self.titles.append(data)
            self._in = ""


@pytest.fixture(scope="module")
def out(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("result") / "out"
    more = ("--model", str(inputs["model"]), "--tss", str(inputs["tss"]))
    result = check(inputs, folder, *more, "--blacklist", str(inputs["blacklist"]), "--strict")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    where = f"{folder / 'check.html'}, {folder / 'check.json'}"
    assert result.stderr.splitlines()[-1] == f"written: {where}"
    return folder


def test_the_json_against_counts_by_hand(inputs, out, toy):
    found = read(out)
    rows = {
        name: {(int(s), int(e)) for s, e in zip(toy.starts[name], toy.ends[name], strict=True)}
        for name in LENGTHS
    }
    total = sum(map(len, rows.values()))
    assert found.assay.kept == total
    assert [(c.name, c.bases, c.fragments) for c in found.contigs] == [
        (name, size, len(rows[name])) for name, size in LENGTHS.items()
    ]
    assert found.mitochondrial == pytest.approx(len(rows["chrM"]) / total, rel=1e-3)
    black = len(rows["chrM"]) + sum((s + e) // 2 < 3000 for s, e in rows["chr1"])
    assert found.blacklisted == pytest.approx(black / total, rel=1e-3)
    lengths = [e - s for name in ("chr1", "chr2") for s, e in rows[name]]
    assert found.lengths == tuple(np.bincount(lengths, minlength=1001).tolist())
    every = sum(len(toy.starts[name]) for name in LENGTHS)
    assert found.duplicates == pytest.approx((every - total) / every, rel=1e-3)
    assert found.length_distance == pytest.approx(0, abs=1e-3)
    assert sum(found.gc) == pytest.approx(1, abs=1e-3)
    # Bases are drawn evenly from five letters, N among them.
    middle = np.average(np.arange(25) * 4 + 2, weights=found.genome_gc)
    assert middle == pytest.approx(50, abs=1.5)
    assert np.average(np.arange(25) * 4 + 2, weights=found.gc) == pytest.approx(50, abs=1.5)
    assert found.tss.sites == 2
    assert len(found.tss.cuts) == 80
    assert (len(found.tss.vplot), len(found.tss.vplot[0])) == (20, 40)
    assert found.training.model == "tiny"


def test_the_verdict_is_told_alike_everywhere(inputs, out):
    found = read(out)
    assert found.verdict.level == "ok"
    assert found.verdict.expected.accuracy == 0.8
    record = RunRecord.read(out)
    assert record.kind == "check"
    assert record.verdicts == {"atac": found.verdict}
    assert set(record.inputs) == {"fasta", "fragments", "tss", "blacklist", "model"}
    assert record.outputs == ("check.html", "check.json")
    page = re.sub(r"<[^>]+>", " ", (out / "check.html").read_text())
    for item in found.verdict.findings:
        assert item.text.replace("'", "&#39;") in page
    assert "Fit for tiny; at" in page


def test_the_page_holds_all_that_it_shows(out):
    page = Links((out / "check.html").read_text())
    assert page.loads
    assert {link.partition(":")[0] for link in page.loads} == {"data"}
    assert not page.tags & {"script", "img", "iframe"}
    assert page.titles == [
        "Verdict",
        "Accuracy to expect",
        "Fragment lengths",
        "Start sites",
        "Bias of sequence",
        "Contigs",
        "How it was made",
    ]


def test_without_a_model_and_start_sites(inputs, tmp_path):
    result = check(inputs, tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "sample: nothing was found against it; name a model to judge it for" in result.stderr
    found = read(tmp_path / "out")
    assert (found.training, found.tss, found.blacklisted, found.length_distance) == (None,) * 4
    titles = Links((tmp_path / "out" / "check.html").read_text()).titles
    assert not {"Accuracy to expect", "Start sites"} & set(titles)


def test_strict_writes_and_fails(inputs, tmp_path):
    rows = tmp_path / "bad<b>.tsv"
    rows.write_text("".join(f"chr1\t{at}\t{at + 200}\n" for at in range(0, 29_000, 200)))
    given = inputs | {"fragments": rows}
    result = check(given, tmp_path / "out", "--model", str(inputs["model"]), "--strict")
    assert result.exit_code == 1
    assert "is not fit for model tiny, and --strict was given: (1) these are no" in result.stderr
    found = read(tmp_path / "out")
    assert found.verdict.level == "unfit"
    page = (tmp_path / "out" / "check.html").read_text()
    assert "bad&lt;b&gt;.tsv" in page
    assert "<b>" not in page
    assert check(given, tmp_path / "out", "--model", str(inputs["model"])).exit_code == 0


def test_another_genome_is_told_on_the_terminal(inputs, tmp_path):
    other = write_tiny_model(tmp_path / "other", tiny_spec(sizes_digest="0" * 64))
    result = check(inputs, tmp_path / "out", "--model", str(other))
    (fault,) = (item for item in read(tmp_path / "out").verdict.faults if item.subject == "genome")
    told = " ".join(result.stderr.split())
    assert told.count(f"warning: genome: {fault.text}") == 1


def test_which_assay(inputs, tmp_path):
    model = str(inputs["model"])
    result = check(inputs, tmp_path / "out", "--model", model, "--for-assay", "mnase")
    assert result.exit_code == 1
    assert "--for-assay mnase: model tiny reads fragments of atac" in result.stderr
    model = load_model(inputs["model"])
    dna = dataclasses.replace(model, spec=tiny_spec(inputs=model.spec.inputs[:1]))
    with pytest.raises(ct.InputError, match="model tiny reads no fragments"):
        _assay(dna, None)
    other = dataclasses.replace(model.spec.inputs[1], name="b", assay="mnase")
    both = dataclasses.replace(model, spec=tiny_spec(inputs=(*model.spec.inputs, other)))
    with pytest.raises(ct.InputError, match="atac, mnase: say which these are with --for-assay"):
        _assay(both, None)
    assert _assay(both, "mnase") == "mnase"


def test_from_python_and_without_matplotlib(inputs, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name)
    )
    notes = []

    class Notes:
        def note(self, text):
            notes.append(text)

        def progress(self, *_):
            pass

    options = ct.CheckOptions(
        fragments=str(inputs["fragments"]), fasta=inputs["fasta"], out=tmp_path / "out", depth=7.5
    )
    result = ct.check_sample(options, Notes())
    assert result.record.outputs == ("check.json",)
    assert result.check.assay.per_kb == 7.5
    assert any("no check.html, whose figures need matplotlib" in text for text in notes)

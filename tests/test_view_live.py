"""Answers to the page's questions against the fragment file, read line by line, and the tracks."""

from __future__ import annotations

import gzip
import json
import shutil
import time
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyBigWig
import pytest
from notes import Notes
from test_view_page import get

from chromputer_tracks.data.features import FINE_LENGTH_EDGES
from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.options.predict import PredictOptions, ViewOptions
from chromputer_tracks.tracks.predict import predict_tracks
from chromputer_tracks.tracks.view import live as module
from chromputer_tracks.tracks.view.live import NotReady, open_live
from chromputer_tracks.tracks.view.run import (
    open_server,
    read_view,
    shipped_genes,
    write_view_sessions,
)


@pytest.fixture(scope="module")
def view(demo):
    return demo.view()


@pytest.fixture(scope="module")
def server(view):
    with open_server(view) as server, server.serving():
        yield server


def ask(server, path, **query):
    text = "&".join(f"{key}={value}" for key, value in query.items())
    for _ in range(200):
        status, kind, body = get(server, f"/live/{path}?{text}")
        assert (status, kind) == (200, "application/json")
        found = json.loads(body)
        if "wait" not in found:
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def fragments(demo):
    with gzip.open(demo.folder / "input" / "toy.fragments.tsv.gz", "rt") as file:
        rows = [line.split("\t") for line in file]
    return [(row[0], int(row[1]), int(row[2])) for row in rows]


@pytest.mark.parametrize(
    ("start", "end", "bin_size"), [(0, 100, 2), (1000, 2000, 5), (37, 1536, 10), (0, 4000, 20)]
)
def test_a_vplot_counts_the_fragments(demo, server, start, end, bin_size):
    found = ask(server, "vplot", source=0, chrom="chr1", start=start, end=end)
    counts = Counter()
    for chrom, first, last in fragments(demo):
        middle, length = (first + last) // 2, last - first
        if chrom == "chr1" and start <= middle < found["end"] and 20 <= length < 400:
            counts[(length - 20) // 10, (middle - start) // bin_size] += 1
    assert (found["bin"], found["edges"]) == (bin_size, list(FINE_LENGTH_EDGES))
    assert found["end"] - end < bin_size
    shape = (len(FINE_LENGTH_EDGES) - 1, (found["end"] - start) // bin_size)
    assert np.array(found["rows"]).shape == shape
    assert found["total"] == sum(counts.values()) > 0
    for (row, column), count in counts.items():
        assert found["rows"][row][column] == count


@pytest.mark.parametrize("kind", ["cuts", "nucleosomes"])
@pytest.mark.parametrize(("start", "end", "bin_size"), [(0, 300, 1), (101, 1500, 7)])
def test_coverage_counts_the_fragments(demo, server, kind, start, end, bin_size):
    query = {"source": 0, "kind": kind, "chrom": "chr1", "start": start, "end": end}
    found = ask(server, "coverage", bin=bin_size, **query)
    bins = -(-(end - start) // bin_size)
    expected = np.zeros(bins * bin_size)
    payload = json.loads(get(server, "/view.json")[2])
    low, high = payload["live"]["fragments"][0]["nucleosomal"]
    for chrom, first, last in fragments(demo):
        if chrom != "chr1":
            continue
        spans = [(first, first + 1), (last - 1, last)]
        if kind == "nucleosomes":
            spans = [(first, last)] if low <= last - first < high else []
        for a, b in spans:
            expected[max(0, a - start) : max(0, b - start)] += 1
    assert (found["start"], found["bin"]) == (start, bin_size)
    means = expected.reshape(bins, bin_size).mean(axis=1)
    np.testing.assert_allclose(found["values"], means, rtol=1e-4)
    assert means.any()


def test_contributions_sum_to_the_tracks_of_the_run(demo):
    source = open_live(demo.runs(), demo.toy.sizes).contributions[0]
    assert source.name == "TF1"
    span = Interval("chr1", 300, 900)
    image = source.image(span, 5)
    assert image.shape == (source.item.channels, 120)
    # The tracks of all length classes together.
    total = np.full(len(span), np.nan)
    for path in source.folder.glob(f"{source.item.name}*.bw"):
        with pyBigWig.open(str(path)) as file:
            values = file.values("chr1", span.start, span.end, numpy=True)
        total = np.where(np.isnan(total), values, total + np.nan_to_num(values))
    known = ~np.isnan(total).reshape(-1, 5).all(axis=1)
    assert 0 < known.sum() < len(known)
    assert (np.isfinite(image).all(axis=0) == known).all()
    expected = np.nansum(total.reshape(-1, 5), axis=1)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(image[:, known].sum(axis=0), expected[known], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rule", ["centre", "mean", "max"])
def test_windows_that_overlap_are_merged_base_by_base(demo, monkeypatch, rule):
    source = replace(open_live(demo.runs(), demo.toy.sizes).contributions[0], rule=rule)
    channels, step = source.item.channels, source.item.bin
    window = 20 * step
    starts = np.array([-step, 103, 110, 110 + window // 2, 110])
    chroms = np.array(["chr1", "chr1", "chr1", "chr1", "chr2"])
    values = np.random.default_rng(4).normal(size=(5, channels, 20)).astype(np.float32)
    sites = SimpleNamespace(chrom=chroms, start=starts, window=window)
    monkeypatch.setattr(module, "_explained", lambda *_: (sites, values))
    span = Interval("chr1", 0, 700)
    image = source.image(span, 10)
    expected = np.full((channels, 70), np.nan)
    for base in range(700):
        found = [i for i in range(4) if starts[i] <= base < starts[i] + window]
        if not found:
            continue
        columns = [values[i][:, (base - starts[i]) // step] / step for i in found]
        if rule == "max":
            merged = [max(row, key=abs) for row in zip(*columns, strict=True)]
        else:
            middles = [base + 0.5 - starts[i] for i in found]
            weights = [1 if rule == "mean" else min(at, window - at) for at in middles]
            merged = np.average(columns, axis=0, weights=weights)
        expected[:, base // 10] = np.nan_to_num(expected[:, base // 10]) + merged
    np.testing.assert_allclose(image, expected, rtol=1e-4, atol=1e-6)
    assert 0 < np.isnan(image).sum() < image.size


def test_contributions_by_the_page(server):
    found = ask(server, "contributions", source=0, chrom="chr1", start=500, end=3500)
    assert found["explained"] is True
    assert len(found["rows"]) == len(found["edges"]) - 1
    flat = [value for row in found["rows"] for value in row]
    assert None in flat or all(isinstance(value, float) for value in flat)


def test_what_was_not_predicted_is_told(demo, tmp_path):
    files = SampleFiles(demo.fasta, demo.folder / "input" / "toy.fragments.tsv.gz")
    out = tmp_path / "part"
    predict_tracks(
        PredictOptions(
            model=demo.folder / "input" / "tiny",
            sample=files,
            out=out,
            chroms=("chr1:1-2,000", "chr10"),
            threads=1,
        ),
        Notes(),
    )
    with open_server(read_view(ViewOptions(folders=(out,)))) as server, server.serving():

        def notes(chrom, start, end):
            return ask(server, "where", chrom=chrom, start=start, end=end)["notes"]

        assert notes("chr10", 0, 1000) == notes("chr1", 0, 2000) == []
        (gone,) = notes("chr2", 0, 100)
        assert gone == (
            "chr2 was not predicted in part: its tracks are empty here, which does not mean 0. "
            "Predicted: chr1, chr10."
        )
        (part,) = notes("chr1", 1000, 5000)
        assert part.startswith("Only part of chr1:1,001-5,000 was predicted in part: ")
        (nothing,) = notes("chr1", 4000, 5000)
        assert nothing.startswith("Nothing of chr1:4,001-5,000 was predicted in part: ")


def test_what_the_model_had_of_a_contig(demo):
    (model,) = demo.runs()
    splits = {"train": ("chr1",), "validation": ("chr10",), "test": ("chr2",)}
    digest = demo.toy.sizes.digest()
    spec = replace(model.spec, splits=splits, sizes_digest=digest)
    live = open_live([replace(model, spec=spec)], demo.toy.sizes)
    told = {
        name: live.where({"chrom": name, "start": "0", "end": "9"})["split"]
        for name in demo.toy.sizes
    }
    assert told == {
        "chr2": ["chr2 was kept out of the training of tiny"],
        "chr10": ["tiny was tuned on chr10: its tracks may look better here than on new data"],
        "chr1": ["tiny was trained on chr1: its tracks look better here than on new data"],
        "tiny": [],
        "edge": [],
    }
    # Of another genome, names of contigs say nothing.
    other = open_live([replace(model, spec=replace(spec, sizes_digest="0"))], demo.toy.sizes)
    assert other.where({"chrom": "chr1", "start": "0", "end": "9"})["split"] == []


def test_genes_are_served_and_lie_beside_sessions(demo, tmp_path):
    genes = tmp_path / "genes.bed"
    genes.write_text("chr1\t10\t90\tTHR1\t0\t+\nscaffold\t1\t2\tother\n")
    view = demo.view(genes=genes)
    with open_server(view) as server, server.serving():
        payload = json.loads(get(server, "/view.json")[2])
        track = payload["session"]["tracks"][0]
        lines = get(server, "/" + track["url"])[2].decode()
    assert (track["name"], track["format"], track["indexed"]) == ("Genes", "refflat", False)
    assert lines == "THR1\tTHR1\tchr1\t+\t10\t90\t90\t90\t1\t10,\t90,\n"
    assert track["metadata"]["Shows"] == (
        "1 gene of genes.bed; 1 on contigs that the genome lacks are left out"
    )
    names = [group["name"] for group in payload["groups"]]
    assert names[:3] == ["Genes", "Input", "Chromatin states"]
    places = [place for group in payload["groups"] for place in group["tracks"]]
    assert sorted(places) == list(range(len(payload["session"]["tracks"])))
    order = sorted(payload["session"]["tracks"], key=lambda track: track["order"])
    assert [track["name"] for track in order][:4] == [
        *("Genes", "Cut sites", "Fragments 140-299 bp", "Chromatin states")
    ]
    written = write_view_sessions(tmp_path / "out", view)
    assert (tmp_path / "out" / "genes.refflat").read_text() == lines
    assert json.loads(written[0].read_text())["tracks"][0]["url"] == "genes.refflat"


def test_genes_ship_for_saccer3_alone(demo, example):
    with Fasta(example / "sacCer3.fa.gz") as fasta:
        assert shipped_genes(fasta.sizes) == example / "genes.refflat.gz"
    assert shipped_genes(demo.toy.sizes) is None


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("vplot", {"source": 9}, "source 9 is none of 1"),
        ("vplot", {"source": 0, "chrom": "chrZ", "start": 0, "end": 5}, "contig 'chrZ' is not in"),
        (
            "vplot",
            {"source": 0, "chrom": "chr1", "start": "x", "end": 5},
            "start 'x' is no integer",
        ),
        ("vplot", {"source": 0, "chrom": "chr1", "start": 5, "end": 5}, "no stretch of bases"),
        (
            "coverage",
            {"source": 0, "chrom": "chr1", "start": 0, "end": 9, "bin": 1},
            "neither cuts",
        ),
        ("where", {"chrom": "chr1", "start": "9" * 50, "end": 5}, "is too large"),
    ],
)
def test_questions_that_have_no_answer(server, path, query, message):
    assert message in ask(server, path, **query)["message"]


def test_a_wide_view_is_to_be_zoomed(server, monkeypatch):
    monkeypatch.setattr(module, "MOST_BASES", 1000)
    found = ask(server, "vplot", source=0, chrom="chr1", start=0, end=1001)
    assert found == {"message": "Zoom in to at most 1 kb to see the V-plot."}


def moved(demo, tmp_path):
    """The runs with their inputs, which a test may change."""
    shutil.copytree(demo.folder, tmp_path / "runs")
    record = tmp_path / "runs" / "predicted" / "run.json"
    text = record.read_text()
    assert str(demo.folder) in text
    record.write_text(text.replace(str(demo.folder), str(tmp_path / "runs")))
    return tmp_path / "runs"


def test_fragments_that_are_gone_or_others_are_not_shown(demo, tmp_path):
    folder = moved(demo, tmp_path)
    file = folder / "input" / "toy.fragments.tsv.gz"
    data = bytearray(file.read_bytes())
    data[4] ^= 1  # the time of packing: another file of the same size
    file.write_bytes(data)
    options = ViewOptions(folders=(folder / "predicted",))
    with open_server(read_view(options)) as server, server.serving():
        found = ask(server, "vplot", source=0, chrom="chr1", start=0, end=100)
    assert "is not the file any more that the run read (SHA-256" in found["message"]
    file.write_bytes(data[:-1])
    assert "(its size differs)" in read_view(options).live.fragments[0].missing
    file.unlink()
    with open_server(read_view(options)) as server, server.serving():
        payload = json.loads(get(server, "/view.json")[2])
        found = ask(server, "vplot", source=0, chrom="chr1", start=0, end=100)
    assert "which the run read, is not there any more" in found["message"]
    assert not any("live" in track for track in payload["session"]["tracks"])
    assert "not there any more" in payload["live"]["fragments"][0]["missing"]


def test_the_page_is_told_to_come_again_while_fragments_are_read(demo, tmp_path, monkeypatch):
    live = open_live(demo.runs(), demo.toy.sizes, tmp_path)
    source = live.fragments[0]
    true, go = module.file_record, []

    def slow(path):
        while not go:
            time.sleep(0.01)
        return true(path)

    monkeypatch.setattr(module, "file_record", slow)
    with pytest.raises(NotReady, match=r"reading toy\.fragments\.tsv\.gz: 0 fragments so far"):
        source.store(wait=0.01)
    go.append(True)
    assert source.store(wait=30).total == len(fragments(demo))
    live.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="is not open any more"):
        source.store()


def test_reading_stops_when_the_page_is_closed(demo, tmp_path):
    source = open_live(demo.runs(), demo.toy.sizes, tmp_path).fragments[0]
    source._closed = True
    with pytest.raises(InputError, match="is not open any more"):
        source.store(wait=30)
    source.close()
    assert list(tmp_path.iterdir()) == []


def test_answers_need_the_token(view):
    with open_server(view, token="secret") as server, server.serving():
        assert get(server, "/live/where?chrom=chr1&start=0&end=9")[0] == 403
        assert get(server, "/secret/live/where?chrom=chr1&start=0&end=9")[0] == 200
        assert get(server, "/secret/live/other")[0] == 404

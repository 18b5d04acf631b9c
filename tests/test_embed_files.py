"""The files of ``chromputer embed``, on a model with known answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from embed_run import BED, FILES, payload, runs, table
from predict_command import toy_inputs
from tiny_models import EDGES, WINDOW, tiny_spec, weights
from toy_genome import ToyGenome, toy_genome

from chromputer_tracks.io.bed import read_bed


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    return toy_genome()


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory, toy: ToyGenome) -> Path:
    """The sites of :data:`BED`, in two clusters."""
    folder = tmp_path_factory.mktemp("mapped")
    path = folder / "sites.bed"
    path.write_text(BED)
    inputs = toy_inputs(folder, toy)
    return runs(inputs, "--regions", str(path), "--color-by", "kind", "--clusters", "2")


def slow_logits(toy: ToyGenome, chrom: str, start: int, density: float) -> np.ndarray:
    """The tiny model's logits of a window on the forward strand and on the other, (2, outputs)."""
    dna = np.zeros((4, WINDOW), np.float32)
    atac = np.zeros((len(EDGES) - 1, WINDOW // 10), np.float32)
    for i in range(WINDOW):
        if 0 <= start + i < len(toy.bases[chrom]):
            base = chr(toy.bases[chrom][start + i])
            if base in "ACGT":
                dna["ACGT".index(base), i] = 1
    for s, e in zip(toy.starts[chrom].tolist(), toy.ends[chrom].tolist(), strict=True):
        at = (s + e) // 2 - start
        for row in range(len(EDGES) - 1):
            if 0 <= at < WINDOW and EDGES[row] <= e - s < EDGES[row + 1]:
                atac[row, at // 10] += 1
    atac = (atac / density).astype(np.float32)
    strands = [(dna, atac), (dna[::-1, ::-1], atac[:, ::-1])]
    return np.array(
        [
            sum((w * x).sum(axis=(1, 2)) for w, x in zip(weights(), one, strict=True))
            for one in strands
        ]
    )


def slow_probabilities(logits: np.ndarray) -> np.ndarray:
    heads = tiny_spec().heads
    labels = [label for head in heads for label in head.labels]
    scaled = zip(logits, labels, strict=True)
    values = np.array([x * label.scale + label.bias for x, label in scaled])
    states = np.exp(values[:3] - values[:3].max())
    return np.concatenate([states / states.sum(), 1 / (1 + np.exp(-values[3:]))])


def test_rows_are_the_network_s(mapped: Path, toy: ToyGenome) -> None:
    out = mapped
    assert sorted(path.name for path in out.iterdir()) == sorted([*FILES, "run.json"])
    record = json.loads((out / "run.json").read_text())
    density = record["assays"]["atac"]["per_kb"]
    rows = table(out / "sites.tsv")
    assert [row["name"] for row in rows] == ["a", "b", "c", "d", "<b>&\"'</script>", "f"]
    assert [row["bed.kind"] for row in rows] == ["x", "x", "y", ".", "y", "x"]
    assert [int(row["centre"]) for row in rows] == [3000, 120, 501, 4310, 150, 15]
    with np.load(out / "embedding.npz") as arrays:
        assert set(arrays) == {
            "embedding", "components", "map", "cluster", "chrom", "start", "end", "strand",
            "window_start", "window",
        }  # fmt: skip
        assert arrays["embedding"].dtype == np.float32 and arrays["embedding"].shape == (6, 5)
        assert int(arrays["window"]) == WINDOW
        for i, row in enumerate(rows):
            start = int(row["centre"]) - WINDOW // 2
            assert int(arrays["window_start"][i]) == start
            assert (arrays["chrom"][i], int(arrays["start"][i])) == (
                row["chrom"],
                int(row["start"]),
            )
            # All sites have a strand, so that each is read on it.
            expected = slow_logits(toy, row["chrom"], start, density)[int(row["strand"] == "-")]
            np.testing.assert_allclose(arrays["embedding"][i], expected, rtol=1e-5, atol=1e-4)
            shown = [float(row[name]) for name in ("S0", "S1", "S2", "TF1", "TF2")]
            np.testing.assert_allclose(shown, slow_probabilities(expected), atol=1e-4)
            assert row["state"] == f"S{int(np.argmax(shown[:3]))}"
            assert row["cluster"] == f"C{int(arrays['cluster'][i])}"
            np.testing.assert_allclose(
                [float(row["x"]), float(row["y"])], arrays["map"][i], atol=6e-5
            )
    assert record["sites"] == {
        "found": 6, "mapped": 6, "rule": "the regions of a BED", "strands": "site", "window": 300,
    }  # fmt: skip
    assert record["map"]["color_by"] == "kind" and record["outputs"] == sorted(FILES)
    assert record["clusters"]["number"] == 2 and sum(record["clusters"]["sites"]) == 6


def test_the_page_holds_the_numbers_of_the_table(mapped: Path) -> None:
    rows, data = table(mapped / "sites.tsv"), payload(mapped)
    for key, column in (("x", "x"), ("y", "y"), ("start", "start"), ("end", "end")):
        assert data[key] == [float(row[column]) for row in rows]
    assert data["names"] == [row["name"] for row in rows]
    assert [data["chroms"][code] for code in data["chrom"]] == [row["chrom"] for row in rows]
    assert [one["name"] for one in data["labels"]] == ["S0", "S1", "S2", "TF1", "TF2"]
    for label, values in zip(data["labels"], data["values"], strict=True):
        assert values == [float(row[label["name"]]) for row in rows]
    colorings = {one["key"]: one for one in data["colorings"]}
    assert list(colorings) == [
        "state", "cluster", "S0", "S1", "S2", "TF1", "TF2", "name", "score", "strand", "kind",
    ]  # fmt: skip
    for key in ("state", "cluster"):
        one = colorings[key]
        assert [one["names"][code] for code in one["codes"]] == [row[key] for row in rows]
    assert colorings["state"]["colors"] == ["#0000ff", "#0a00ff", "#1400ff"]
    assert colorings["score"]["values"] == [5, 7, 9, 1, 2, 3]
    assert colorings["TF1"]["output"] == 3
    assert colorings["kind"]["names"] == ["x", "y", "no value"]
    assert data["key"] == "kind" and data["states"] == [0, 1, 2]
    # The toy genome is not at UCSC.
    assert data["ucsc"] == ""
    clusters = table(mapped / "clusters.tsv")
    counts = [sum(row["cluster"] == one["cluster"] for row in rows) for one in clusters]
    assert counts == [int(one["sites"]) for one in clusters]
    for one in clusters:
        here = [row for row in rows if row["cluster"] == one["cluster"]]
        for name in ("S0", "S1", "S2", "TF1", "TF2"):
            mean = np.mean([float(row[name]) for row in here])
            assert abs(float(one[f"mean.{name}"]) - mean) < 2e-4
            whole = np.mean([float(row[name]) for row in rows])
            assert abs(float(one[f"fold.{name}"]) - mean / whole) < 0.01
        for state in ("S0", "S1", "S2"):
            share = np.mean([row["state"] == state for row in here])
            assert abs(float(one[f"share.{state}"]) - share) < 1e-4
        loci = {f"{row['chrom']}:{int(row['start']) + 1}-{row['end']}" for row in here}
        assert set(one["medoids"].split(";")) <= loci


class Outside(HTMLParser):
    """Collects what a page would load or run, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name.startswith("on") or (name in ("src", "href") and tag in ("script", "img")):
                self.loads.append(f"{tag} {name}={value}")
            if name in ("src", "href") and not (value or "").startswith(("#", "data:")):
                self.loads.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_stands_alone_and_is_safe(mapped: Path) -> None:
    page = (mapped / "map.html").read_text(encoding="utf-8")
    parser = Outside()
    parser.feed(page)
    assert parser.loads == []
    assert "default-src 'none'" in page
    assert "<b>&" not in page
    links = set(re.findall(r"https?://[^\"'`\s$]+", page)) - {"http://www.w3.org/2000/svg"}
    assert links == {"https://genome.ucsc.edu/cgi-bin/hgTracks?"}
    assert page.count("</script>") == 2
    # Every id that the script asks for is there.
    script = page[page.rindex("<script>") :]
    ids = set(re.findall(r'\bid="([^"]+)"', page)) | {"least"}
    assert set(re.findall(r'(?<!\.)get\("([^"]+)"\)', script)) <= ids


def test_pictures_and_bed(mapped: Path, toy: ToyGenome) -> None:
    out = mapped
    for name in ("map", "clusters"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG\r\n")
        root = ElementTree.fromstring((out / f"{name}.svg").read_text(encoding="utf-8"))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
    text = (out / "map.svg").read_text(encoding="utf-8")
    assert "6 sites by kind" in text and "x (3)" in text and "no value (1)" in text
    found = read_bed(out / "clusters.bed", toy.sizes, require_sorted=True)
    rows = table(out / "sites.tsv")
    places = sorted((row["chrom"], int(row["start"]), int(row["end"])) for row in rows)
    assert [(r.chrom, r.start, r.end) for r in found] == places
    by_start = {(row["chrom"], int(row["start"])): row for row in rows}
    colors = {row["cluster"]: row["color"] for row in table(out / "clusters.tsv")}
    lines = [line.split("\t") for line in (out / "clusters.bed").read_text().splitlines()]
    columns = zip(lines, found, found.scores, found.strands, found.colors, strict=True)
    for line, record, score, strand, rgb in columns:
        row = by_start[record.chrom, record.start]
        assert record.name == row["cluster"] and strand == row["strand"]
        assert "#" + "".join(f"{part:02x}" for part in rgb) == colors[row["cluster"]]
        assert int(line[6]) == int(row["centre"]) == int(line[7]) - 1
        assert score == round(1000 * max(float(row[s]) for s in ("S0", "S1", "S2")))


def fragments(toy: ToyGenome, chrom: str) -> Iterator[tuple[int, int]]:
    for s, e in zip(toy.starts[chrom].tolist(), toy.ends[chrom].tolist(), strict=True):
        yield (s + e) // 2, e - s


def test_mean_vplots_of_clusters_against_slow_loops(mapped: Path, toy: ToyGenome) -> None:
    rows = table(mapped / "sites.tsv")
    with np.load(mapped / "clusters.npz") as arrays:
        edges, found = arrays["length_edges.atac"], arrays["vplot.atac"]
        window = int(arrays["window"])
    assert window == WINDOW and found.shape == (2, len(edges) - 1, window // 10)
    for code in range(2):
        here = [row for row in rows if row["cluster"] == f"C{code + 1}"]
        slow = np.zeros(found.shape[1:])
        for row in here:
            for middle, length in fragments(toy, row["chrom"]):
                at = middle - (int(row["centre"]) - window // 2)
                if row["strand"] == "-":
                    at = window - 1 - at
                for k in range(len(edges) - 1):
                    if 0 <= at < window and edges[k] <= length < edges[k + 1]:
                        slow[k, at // 10] += 1
        np.testing.assert_allclose(found[code], slow / len(here))

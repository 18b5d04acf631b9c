"""``chromputer embed`` from the command line to the files, on a model with known answers."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from predict_command import toy_inputs
from tiny_models import EDGES, WINDOW, tiny_spec, weights, write_linear_model
from toy_genome import ToyGenome, toy_genome
from typer.testing import CliRunner, Result

from chromputer_tracks.analysis.embed.files import FILES
from chromputer_tracks.cli.main import app
from chromputer_tracks.io.bed import read_bed

BED = (
    "#chrom\tstart\tend\tname\tscore\tstrand\tkind\n"
    "chr1\t3000\t3001\ta\t5\t+\tx\n"
    "chr1\t100\t140\tb\t7\t-\tx\n"
    "chr10\t500\t503\tc\t9\t-\ty\n"
    "chr2\t4300\t4321\td\t1\t+\t.\n"
    "edge\t0\t300\t<b>&\"'</script>\t2\t+\ty\n"
    "tiny\t1\t30\tf\t3\t-\tx\n"
)


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    return toy_genome()


@pytest.fixture
def inputs(tmp_path: Path, toy: ToyGenome) -> dict[str, Path]:
    return toy_inputs(tmp_path, toy)


@pytest.fixture
def bed(tmp_path: Path) -> Path:
    path = tmp_path / "sites.bed"
    path.write_text(BED)
    return path


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory, toy: ToyGenome) -> Path:
    """The sites of :data:`BED`, in two clusters."""
    folder = tmp_path_factory.mktemp("mapped")
    path = folder / "sites.bed"
    path.write_text(BED)
    inputs = toy_inputs(folder, toy)
    return runs(inputs, "--regions", str(path), "--color-by", "kind", "--clusters", "2")


def embed(inputs: dict[str, Path], *more: str) -> Result:
    args = ["embed", str(inputs["model"]), "--provider", "cpu"]
    for name in ("fasta", "fragments", "out"):
        if name in inputs:
            args += [f"--{name}", str(inputs[name])]
    return CliRunner().invoke(app, [*args, *more])


def runs(inputs: dict[str, Path], *more: str) -> Path:
    result = embed(inputs, *more)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    return inputs["out"]


def fails(inputs: dict[str, Path], *more: str) -> str:
    """The message of a run that must fail cleanly."""
    result = embed(inputs, *more)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.stderr
    assert not inputs["out"].exists()
    message = result.stderr.strip().splitlines()[-1]
    assert message.startswith("error: ")
    return message


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def payload(out: Path) -> dict[str, Any]:
    page = (out / "map.html").read_text(encoding="utf-8")
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    found: dict[str, Any] = json.loads(text)
    return found


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
    for line, record in zip(lines, found, strict=True):
        row = by_start[record.chrom, record.start]
        assert record.name == row["cluster"] and record.strand == row["strand"]
        assert record.rgb is not None
        assert "#" + "".join(f"{part:02x}" for part in record.rgb) == colors[row["cluster"]]
        assert int(line[6]) == int(row["centre"]) == int(line[7]) - 1
        assert record.score == round(1000 * max(float(row[s]) for s in ("S0", "S1", "S2")))


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


def test_the_same_again_with_other_threads_and_another_seed(inputs: dict[str, Path]) -> None:
    out = runs(inputs, "--threads", "1", "--max-sites", "20", "--seed", "4")
    names = [name for name in FILES if not name.endswith(".npz")]
    first = {name: (out / name).read_bytes() for name in names}
    with np.load(out / "embedding.npz") as arrays:
        before = dict(arrays)
    runs(inputs, "--threads", "2", "--max-sites", "20", "--seed", "4")
    assert {name: (out / name).read_bytes() for name in names} == first
    with np.load(out / "embedding.npz") as arrays:
        assert all((arrays[name] == before[name]).all() for name in before)
    runs(inputs, "--max-sites", "20", "--seed", "5")
    assert (out / "sites.tsv").read_bytes() != first["sites.tsv"]
    assert len(table(out / "sites.tsv")) == 20


def test_elements_are_the_states_that_predict_finds(inputs: dict[str, Path]) -> None:
    out = runs(inputs, "--method", "pca")
    rows = table(out / "sites.tsv")
    tracks = inputs["out"].with_name("tracks")
    result = CliRunner().invoke(
        app,
        ["predict", str(inputs["model"]), "--provider", "cpu", "--average-strands", "--out",
         str(tracks), "--fasta", str(inputs["fasta"]), "--fragments", str(inputs["fragments"])],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    states = [(r.chrom, r.start, r.end, r.name) for r in read_bed(tracks / "states.bed")]
    bases = {name: sum(e - s for _, s, e, n in states if n == name) for *_, name in states}
    background = max(bases, key=lambda name: bases[name])
    assert [(r["chrom"], int(r["start"]), int(r["end"]), r["name"]) for r in rows] == [
        run for run in states if run[3] != background
    ]
    # A site lies on its element's most certain bin, where the state is the one predicted; of bins
    # that their contig's end cuts, the window may be another.
    whole = [row for row in rows if int(row["centre"]) % 50 == 25]
    assert len(rows) - len(whole) <= 5
    assert all(row["name"] == row["state"] for row in whole)
    record = json.loads((out / "run.json").read_text())
    assert record["sites"]["rule"] == f"runs of one most likely state, without {background}"
    assert record["sites"]["strands"] == "both"
    assert payload(out)["names"] == []


def test_a_label_colours_the_map(inputs: dict[str, Path], bed: Path) -> None:
    out = runs(inputs, "--regions", str(bed), "--color-by", "TF1", "--strands", "forward")
    assert "probability of TF1" in (out / "map.svg").read_text(encoding="utf-8")
    assert payload(out)["key"] == "TF1"
    assert json.loads((out / "run.json").read_text())["sites"]["strands"] == "forward"


def test_elements_of_a_region(inputs: dict[str, Path]) -> None:
    out = runs(inputs, "--chrom", "chr10", "--chrom", "chr2:1,001-2,000", "--method", "pca")
    found = {row["chrom"] for row in table(out / "sites.tsv")}
    assert found <= {"chr10", "chr2"} and found
    chr2 = [row for row in table(out / "sites.tsv") if row["chrom"] == "chr2"]
    assert all(1000 <= int(row["start"]) < int(row["end"]) <= 2000 for row in chr2)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_few_sites(inputs: dict[str, Path], tmp_path: Path, n: int) -> None:
    path = tmp_path / "few.bed"
    path.write_text("".join(f"chr1\t{500 * i}\t{500 * i + 10}\n" for i in range(1, n + 1)))
    result = embed(inputs, "--regions", str(path))
    assert result.exit_code == 0, result.output
    assert (f"too few sites for tsne ({n}); map by pca" in result.stderr) == (n < 4)
    assert len(table(inputs["out"] / "sites.tsv")) == n
    assert len(table(inputs["out"] / "clusters.tsv")) == 1


def test_sites_that_are_equal_to_the_network(inputs: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "same.bed"
    path.write_text("chr1\t500\t510\n" * 7)
    out = runs(inputs, "--regions", str(path))
    rows = table(out / "sites.tsv")
    assert {(row["x"], row["y"], row["cluster"]) for row in rows} == {("0.0000", "0.0000", "C1")}


def test_a_model_of_dna_alone_has_no_vplots(tmp_path: Path, toy: ToyGenome, bed: Path) -> None:
    inputs = toy_inputs(tmp_path, toy)
    spec = tiny_spec(inputs=tiny_spec().inputs[:1])
    inputs["model"] = write_linear_model(tmp_path / "dna", spec)
    del inputs["fragments"]
    out = runs(inputs, "--regions", str(bed))
    with np.load(out / "clusters.npz") as arrays:
        assert list(arrays) == []
    assert "V-plot" not in re.sub(r"<script.*", "", (out / "map.html").read_text(), flags=re.S)


def test_a_graph_without_an_embedding_is_refused(inputs: dict[str, Path]) -> None:
    path = inputs["model"] / "predict.onnx"
    model = onnx.load(path)
    del model.graph.node[-1], model.graph.output[-1]
    onnx.save(model, path)
    message = fails(inputs)
    assert "predict.onnx gives no embedding: train or export the model again" in message


def test_refusals(inputs: dict[str, Path], tmp_path: Path, bed: Path) -> None:
    regions = ("--regions", str(bed))
    empty = tmp_path / "empty.bed"
    empty.write_text("# nothing\n")
    assert "empty.bed is empty: it holds no site" in fails(inputs, "--regions", str(empty))
    message = fails(inputs, *regions, "--color-by", "kin")
    assert "--color-by kin: neither a label of model tiny nor a column" in message
    assert "name, score, strand, kind or the column number 4, 5, 6, 7" in message
    message = fails(inputs, "--color-by", "name")
    assert message.endswith("name one of state, cluster, S0, S1, S2, TF1, TF2")
    message = fails(inputs, *regions, "--clusters", "7")
    assert "--clusters 7 is more than there are different sites (6)" in message
    assert "either --regions or --chrom" in fails(inputs, *regions, "--chrom", "chr1")
    lost = tmp_path / "lost.bed"
    lost.write_text("chr7\t1\t5\n")
    assert "'chr7' not in" in fails(inputs, "--regions", str(lost))


def test_a_folder_of_other_things_is_refused(inputs: dict[str, Path], bed: Path) -> None:
    inputs["out"].mkdir()
    (inputs["out"] / "thesis.txt").write_text("x")
    result = embed(inputs, "--regions", str(bed))
    assert result.exit_code == 1 and "pass --force" in result.stderr
    assert [path.name for path in inputs["out"].iterdir()] == ["thesis.txt"]
    assert embed(inputs, "--regions", str(bed), "--force").exit_code == 0


@pytest.mark.parametrize(
    "wrong",
    [["--clusters", "0"], ["--clusters", "many"], ["--max-sites", "0"], ["--method", "mds"],
     ["--strands", "left"], ["--seed", "-1"]],
)  # fmt: skip
def test_wrong_command_lines(inputs: dict[str, Path], bed: Path, wrong: list[str]) -> None:
    assert embed(inputs, "--regions", str(bed), *wrong).exit_code == 2
    assert not inputs["out"].exists()


def test_packages_that_are_missing_are_named(
    inputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.util import find_spec

    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, *more: None if name in ("sklearn", "umap") else find_spec(name, *more),
    )
    message = fails(inputs)
    assert "embed needs scikit-learn: pip install 'chromputer-tracks[analysis]'" in message


def test_starting_loads_neither_torch_nor_plotting() -> None:
    code = (
        "import sys; from chromputer_tracks.cli import embed; import chromputer_tracks.cli.main; "
        "print([m for m in ('torch', 'sklearn', 'matplotlib', 'onnxruntime') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"

"""``chromputer embed``: its options, what it refuses, and that it can be repeated."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from embed_run import BED, FILES, embed, fails, payload, runs, table
from predict_command import toy_inputs
from tiny_models import tiny_spec, write_linear_model
from toy_genome import ToyGenome, toy_genome
from typer.testing import CliRunner

from chromputer_tracks.cli.main import app
from chromputer_tracks.io.bed import read_bed


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

"""``chromputer predict`` of models that read several assays and predict signals."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from predict_command import fails, predict
from tiny_models import BIN, EDGES, SCALE, STRIDE, WINDOW, tiny_spec, weights, write_linear_model
from toy_genome import LENGTHS, ToyGenome, toy_genome

from chromputer_tracks.data.features import Features
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.assays import BigWigSource
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.spec import HeadSpec, InputSpec, Label, ModelSpec, Normalisation

LOCAL = Normalisation((1.0,), "log1p", background=500, prior=200)
ATAC = InputSpec("vplot", "short", BIN, EDGES, LOCAL, "atac")
CUTS = InputSpec("signal", "cuts", BIN, (), LOCAL, "atac", "cuts", 50)
MNASE = InputSpec("vplot", "long", BIN, EDGES, LOCAL, "mnase")
H3 = InputSpec("signal", "marks", BIN, (), Normalisation((1.0,), "sqrt"), "h3", "values")
DNA = InputSpec("sequence", "dna")
HEADS = (
    HeadSpec("binary", "factors", (Label("TF1", "factor", (1, 2, 3), SCALE),)),
    HeadSpec(
        "continuous",
        "signal",
        (
            Label("H3", "H3", (0, 0, 0), SCALE * 2, 0.3),
            Label("Pol2", "Pol II", (0, 0, 0), SCALE, -1.0),
        ),
        "log",
    ),
    HeadSpec("continuous", "level", (Label("RNA", "RNA", (0, 0, 0), SCALE, 0.1),), "log1p"),
)


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    return toy_genome()


@pytest.fixture
def files(tmp_path: Path, toy: ToyGenome) -> dict[str, Path]:
    """FASTA, fragments of two assays and a bigWig, and where the tracks go."""
    for name in ("atac", "mnase"):
        (tmp_path / name).mkdir()
    fasta, atac = toy.write(tmp_path / "atac")
    _, mnase = toy_genome(seed=6).write(tmp_path / "mnase")
    h3 = tmp_path / "h3.bw"
    rng = np.random.default_rng(1)
    with pyBigWig.open(str(h3), "w") as file:
        file.addHeader(sorted(toy.sizes.items()))
        for chrom in ("chr1", "chr10"):
            starts = np.arange(0, LENGTHS[chrom] - 9, 9)
            values = rng.poisson(2, len(starts)).astype(float)
            file.addEntries(chrom, starts.tolist(), values=values.tolist(), span=9, step=9)
    return {"fasta": fasta, "atac": atac, "mnase": mnase, "h3": h3, "out": tmp_path / "out"}


def given(files: dict[str, Path], *inputs: InputSpec) -> dict[str, Path]:
    """What :func:`predict` takes, for a model with these inputs; no file of an assay yet."""
    spec = tiny_spec(inputs=inputs, heads=HEADS)
    model = write_linear_model(files["out"].parent / "model", spec)
    return {"model": model, "fasta": files["fasta"], "out": files["out"]}


def assays(files: dict[str, Path], *names: str) -> list[str]:
    return [word for name in names for word in ("--assay", f"{name}={files[name]}")]


def logits_of(spec: ModelSpec, features: Features, chrom: str, size: int) -> np.ndarray:
    """float64 (outputs, bins), one window at a time."""
    columns = []
    for start in range(0, size, STRIDE):
        left = start + STRIDE // 2 - WINDOW // 2
        arrays = features.arrays(Interval(chrom, left, left + WINDOW))
        columns.append(
            sum(
                (weight.astype(float) * arrays[item.name]).sum(axis=(1, 2))
                for item, weight in zip(spec.inputs, weights(spec), strict=True)
            )
        )
    return np.stack(columns, axis=1)


def test_signals_are_what_the_logits_stand_for(files, toy) -> None:
    inputs = (H3, MNASE, DNA, CUTS, ATAC)
    arguments = given(files, *inputs)
    result = predict(arguments, *assays(files, "mnase", "h3", "atac"), "--tile", "20")
    assert result.exit_code == 0, result.output
    out = files["out"]
    names = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    assert names == {
        "run.json",
        "factors/TF1.bw",
        "factors/TF1.bed",
        "signal/H3.bw",
        "signal/Pol2.bw",
        "level/RNA.bw",
    }
    spec = tiny_spec(inputs=inputs, heads=HEADS)
    labels = [label for head in HEADS for label in head.labels]
    scale = np.array([label.scale for label in labels])[:, None]
    bias = np.array([label.bias for label in labels])[:, None]
    floor = 0
    with (
        Fasta(files["fasta"]) as fasta,
        FragmentStore.build(files["atac"], fasta.sizes) as atac,
        FragmentStore.build(files["mnase"], fasta.sizes) as mnase,
        BigWigSource.open(files["h3"], fasta.sizes) as h3,
    ):
        features = Features(inputs, fasta, {"atac": atac, "mnase": mnase, "h3": h3})
        for chrom, size in LENGTHS.items():
            z = logits_of(spec, features, chrom, size) * scale + bias
            expected = {
                "factors/TF1": 1 / (1 + np.exp(-z[0])),
                "signal/H3": np.exp(z[1]),
                "signal/Pol2": np.exp(z[2]),
                "level/RNA": np.maximum(np.expm1(z[3]), 0),
            }
            floor += (z[3] < 0).sum()
            for name, values in expected.items():
                with pyBigWig.open(str(out / f"{name}.bw")) as file:
                    found = np.array([value for _, _, value in file.intervals(chrom)])
                if name == "factors/TF1":
                    np.testing.assert_allclose(found, values, rtol=0, atol=1e-5)
                else:
                    np.testing.assert_allclose(found, values, rtol=1 / 2000, atol=1e-6)
    assert floor > 10


def test_run_json_tells_of_each_assay(files) -> None:
    result = predict(given(files, H3, CUTS), *assays(files, "h3", "atac"))
    assert result.exit_code == 0, result.output
    record = json.loads((files["out"] / "run.json").read_text())
    assert set(record["inputs"]) == {"fasta", "assay atac", "assay h3"}
    for name in ("atac", "h3"):
        digest = hashlib.sha256(files[name].read_bytes()).hexdigest()
        assert record["inputs"][f"assay {name}"]["sha256"] == digest
    with Fasta(files["fasta"]) as fasta, BigWigSource.open(files["h3"], fasta.sizes) as source:
        assert record["assays"]["h3"] == {"format": "bigwig", "mean": source.density}
        assert f"h3.bw: mean {source.density:.3g} per bp" in result.stderr
    assert record["assays"]["atac"]["format"] == "fragments"
    assert record["assays"]["atac"]["kept"] > 0
    assert f"{files['atac'].name}: {record['assays']['atac']['kept']:,} fragments" in result.stderr
    assert {"reading atac", "reading h3"} <= set(record["stages"]["phases"])


def test_fragments_stand_for_the_only_assay_of_fragments(files) -> None:
    arguments = given(files, H3, CUTS)
    one = predict(arguments | {"fragments": files["atac"]}, *assays(files, "h3"))
    assert one.exit_code == 0, one.output
    first = (files["out"] / "signal" / "H3.bw").read_bytes()
    other = predict(arguments | {"out": files["out"].parent / "2"}, *assays(files, "h3", "atac"))
    assert other.exit_code == 0, other.output
    assert (files["out"].parent / "2" / "signal" / "H3.bw").read_bytes() == first


def test_average_of_both_strands_of_a_signal(files, toy) -> None:
    """The mean of the two values, not of their logarithms; on a contig of whole bins."""
    arguments = given(files, DNA)
    plain = ["--chrom", "chr10"]
    assert predict(arguments, *plain).exit_code == 0
    with pyBigWig.open(str(files["out"] / "signal" / "H3.bw")) as file:
        forward = np.array([v for _, _, v in file.intervals("chr10")])
    assert predict(arguments, *plain, "--average-strands").exit_code == 0
    with pyBigWig.open(str(files["out"] / "signal" / "H3.bw")) as file:
        mean = np.array([v for _, _, v in file.intervals("chr10")])
    (weight,) = weights(tiny_spec(inputs=(DNA,), heads=HEADS))
    turned = weight[1, ::-1, ::-1]
    label = HEADS[1].labels[0]
    with Fasta(files["fasta"]) as fasta:
        features = Features((DNA,), fasta, {})
        back = []
        for start in range(0, 1000, STRIDE):
            left = start + STRIDE // 2 - WINDOW // 2
            window = features.arrays(Interval("chr10", left, left + WINDOW))["dna"]
            back.append(np.exp((turned * window).sum() * label.scale + label.bias))
    np.testing.assert_allclose(mean, (forward + back) / 2, rtol=2 / 2000)
    assert abs(mean / forward - 1).max() > 0.1


def test_several_assays_of_fragments_are_named(files) -> None:
    arguments = given(files, ATAC, MNASE, H3)
    message = fails(arguments | {"fragments": files["atac"]}, *assays(files, "h3"))
    assert "model tiny reads fragments of atac, mnase: give each file with --assay" in message
    # One is named, so the other is meant.
    given_one = assays(files, "h3", "mnase")
    assert predict(arguments | {"fragments": files["atac"]}, *given_one).exit_code == 0


def test_an_assay_is_missing(files) -> None:
    arguments = given(files, ATAC, MNASE, H3)
    message = fails(arguments, *assays(files, "atac", "h3"))
    assert "model tiny reads mnase fragments: give a BAM, fragment file or BEDPE" in message
    assert message.endswith("with --assay mnase=FILE")
    message = fails(arguments, *assays(files, "atac", "mnase"))
    assert "reads a signal of h3: give its bigWig with --assay h3=FILE" in message
    message = fails(arguments | {"fragments": files["atac"]}, *assays(files, "atac", "mnase"))
    assert "give each file with --assay NAME=FILE instead of --fragments" in message


def test_a_model_of_bigwigs_takes_no_fragments(files) -> None:
    message = fails(given(files, H3) | {"fragments": files["atac"]})
    assert "model tiny reads fragments of no assay: give each file with --assay" in message


def test_an_unknown_assay(files) -> None:
    message = fails(given(files, ATAC, H3), *assays(files, "atac", "h3", "mnase"))
    assert "--assay mnase: model tiny reads no such assay; it reads atac, h3" in message
    message = fails(given(files, DNA), *assays(files, "atac"))
    assert "--assay atac: model tiny reads no such assay; it reads DNA only" in message


def test_fragments_of_a_model_that_reads_dna_are_not_read(files, tmp_path) -> None:
    arguments = given(files, DNA)
    assert predict(arguments).exit_code == 0
    first = (files["out"] / "signal" / "H3.bw").read_bytes()
    result = predict(arguments | {"fragments": tmp_path / "none.bam"})
    assert result.exit_code == 0, result.output
    assert "note: model tiny reads DNA only;" in result.stderr
    assert "none.bam is not read" in result.stderr
    assert (files["out"] / "signal" / "H3.bw").read_bytes() == first
    assert json.loads((files["out"] / "run.json").read_text())["assays"] == {}


def test_a_file_of_the_wrong_kind_is_refused_before_any_is_read(files) -> None:
    arguments = given(files, ATAC, H3)
    swapped = ["--assay", f"atac={files['atac']}", "--assay", f"h3={files['mnase']}"]
    message = fails(arguments, *swapped)
    assert f"{files['mnase']} holds fragments, but the model's input 'marks' reads a" in message
    # Nothing was said of fragments read before.
    assert predict(arguments, *swapped).stderr.splitlines() == [message]
    message = fails(arguments, "--assay", f"h3={files['h3']}", "--assay", f"atac={files['h3']}")
    assert f"{files['h3']} holds a bigWig, but the model's input 'short' reads frag" in message


def test_a_file_is_not_there(files, tmp_path) -> None:
    message = fails(given(files, H3), "--assay", f"h3={tmp_path / 'none.bw'}")
    assert "none.bw: No such file" in message


@pytest.mark.parametrize("text", ["h3", "h3=", "=x.bw", "="])
def test_a_malformed_assay(files, text) -> None:
    result = predict(given(files, H3), "--assay", text)
    assert result.exit_code == 2
    assert f"{text!r} is not NAME=FILE" in result.stderr


def test_an_assay_given_twice(files) -> None:
    result = predict(given(files, H3), *assays(files, "h3", "h3"))
    assert result.exit_code == 2
    assert "h3 is given twice" in result.stderr


def test_a_path_may_hold_an_equals_sign(files, tmp_path) -> None:
    path = tmp_path / "a=b.bw"
    path.write_bytes(files["h3"].read_bytes())
    assert predict(given(files, H3), "--assay", f"h3={path}").exit_code == 0


def test_an_assay_may_be_named_like_a_file_of_every_run(files) -> None:
    """Names that ``run.json`` uses for other files."""
    item = dataclasses.replace(H3, assay="model")
    result = predict(given(files, item), "--assay", f"model={files['h3']}")
    assert result.exit_code == 0, result.output
    record = json.loads((files["out"] / "run.json").read_text())
    assert record["model"]["path"].endswith("predict.onnx")
    assert record["inputs"]["assay model"]["path"] == str(files["h3"])

"""``chromputer predict`` from the command line to the files, on a model with known answers."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from limits import file_size_limit
from predict_command import LABELS, fails, predict, toy_inputs, tracks
from test_genome import oracle
from tiny_models import (
    BIN,
    EDGES,
    SCALE,
    STRIDE,
    WINDOW,
    tiny_graph,
    tiny_spec,
    weights,
    write_linear_model,
    write_tiny_model,
)
from toy_genome import LENGTHS, ToyGenome, toy_genome
from typer.testing import CliRunner

from chromputer_tracks import __version__
from chromputer_tracks.cli.main import app
from chromputer_tracks.data.features import Features
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.assays import BigWigSource
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.spec import HeadSpec, InputSpec, Label, ModelSpec, Normalisation

COMMAND = [sys.executable, "-c", "from chromputer_tracks.cli.main import run; run()"]


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    return toy_genome()


@pytest.fixture
def inputs(tmp_path: Path, toy: ToyGenome) -> dict[str, Path]:
    return toy_inputs(tmp_path, toy)


def test_all_contigs_all_bases_right_values(inputs: dict[str, Path], toy: ToyGenome) -> None:
    result = predict(inputs)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    # The model's reference depth is one fragment per kb.
    record = json.loads((inputs["out"] / "run.json").read_text())
    toy = dataclasses.replace(toy, density=record["assays"]["atac"]["per_kb"])
    values = tracks(inputs["out"])
    assert {chrom: len(values[chrom]["states/S0"]) for chrom in values} == LENGTHS
    for chrom, length in LENGTHS.items():
        rows = np.stack([values[chrom][label] for label in LABELS])
        assert not np.isnan(rows).any()
        np.testing.assert_allclose(rows[:3].sum(0), 1, atol=2e-5)
        for k in {0, min(1, (length - 1) // 50), length // 100, (length - 1) // 50}:
            bin_values = rows[:, 50 * k : min(50 * k + 50, length)]
            assert (bin_values == bin_values[:, :1]).all()
            # Tracks are rounded to multiples of 2**-17.
            np.testing.assert_allclose(bin_values[:, 0], oracle(toy, chrom, 50 * k), atol=2e-5)


def test_run_json(inputs: dict[str, Path], toy: ToyGenome) -> None:
    result = predict(inputs, "--threads", "1", "--tile", "64", "--batch", "2")
    assert result.exit_code == 0, result.output
    record = json.loads((inputs["out"] / "run.json").read_text())
    for role, name in (("fasta", "fasta"), ("assay atac", "fragments")):
        data = inputs[name].read_bytes()
        assert record["inputs"][role] == {
            "path": str(inputs[name]),
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    graph = inputs["model"] / "predict.onnx"
    assert record["model"]["name"] == "tiny"
    assert record["model"]["sha256"] == hashlib.sha256(graph.read_bytes()).hexdigest()
    assert record["provider"] == {"name": "cpu", "reason": "asked for", "threads": 1}
    assert record["genome"]["contigs"] == len(LENGTHS)
    assert record["genome"]["bases"] == record["predicted_bases"] == sum(LENGTHS.values())
    assert record["genome"]["digest"] == toy.sizes.digest()
    assert record["genome"]["same_as_model"] is True
    assert record["assays"]["atac"]["kept"] == sum(map(len, toy.starts.values()))
    assert record["assays"]["atac"]["per_kb"] > 0
    assert record["options"]["tile"] == 64
    assert record["options"]["batch"] == 2
    assert record["versions"]["chromputer-tracks"] == __version__
    assert record["peak_mb"] > 10
    assert {"reading atac", "predicting"} <= set(record["stages"]["phases"])
    on_disk = {
        str(path.relative_to(inputs["out"])) for path in inputs["out"].rglob("*") if path.is_file()
    }
    assert set(record["outputs"]) == on_disk - {"run.json"}
    assert {f"{label}.bw" for label in LABELS} <= on_disk
    assert {"states.bed", "states.bb", "factors/TF1.bed"} <= on_disk


def test_tile_batch_threads_change_nothing(inputs: dict[str, Path], tmp_path: Path) -> None:
    assert predict(inputs).exit_code == 0
    other = {**inputs, "out": tmp_path / "other"}
    assert predict(other, "--tile", "5", "--batch", "3", "--threads", "2").exit_code == 0
    one, two = tracks(inputs["out"]), tracks(other["out"])
    for chrom in LENGTHS:
        for label in LABELS:
            np.testing.assert_allclose(one[chrom][label], two[chrom][label], atol=1e-5)
    for name in ("states.bed", "factors/TF1.bed", "factors/TF2.bed"):
        assert (inputs["out"] / name).read_text() == (other["out"] / name).read_text()


def test_regions_are_a_part_of_the_whole(inputs: dict[str, Path], tmp_path: Path) -> None:
    assert predict(inputs).exit_code == 0
    bed = tmp_path / "regions.bed"
    bed.write_text("chr2\t4000\t4321\nchr1\t120\t130\nchr1\t3000\t3100\nchr1\t3050\t3260\n")
    part = {**inputs, "out": tmp_path / "part"}
    result = predict(part, "--regions", str(bed))
    assert result.exit_code == 0, result.output
    whole, some = tracks(inputs["out"]), tracks(part["out"])
    wanted = {"chr1": [(100, 150), (3000, 3300)], "chr2": [(4000, 4321)]}
    for chrom, size in LENGTHS.items():
        inside = np.zeros(size, bool)
        for start, end in wanted.get(chrom, []):
            inside[start:end] = True
        for label in LABELS:
            got = some.get(chrom, {}).get(label, np.full(size, np.nan, np.float32))
            assert (~np.isnan(got) == inside).all()
            np.testing.assert_allclose(got[inside], whole[chrom][label][inside], atol=1e-5)


def test_chromosomes_by_name(inputs: dict[str, Path]) -> None:
    result = predict(inputs, "--chrom", "chr10", "--chrom", "tiny")
    assert result.exit_code == 0, result.output
    rows = (inputs["out"] / "states.bed").read_text().splitlines()
    assert {row.split("\t")[0] for row in rows if not row.startswith("#")} == {"chr10", "tiny"}


def test_a_region_as_browsers_write_it(inputs: dict[str, Path]) -> None:
    result = predict(inputs, "--chrom", "chr1:3,001-3,100", "--chrom", "chr1:3,051-3,260")
    assert result.exit_code == 0, result.output
    rows = [r.split("\t") for r in (inputs["out"] / "states.bed").read_text().splitlines()]
    assert {row[0] for row in rows} == {"chr1"}
    assert (rows[0][1], rows[-1][2]) == ("3000", "3300")
    assert "ends past chr1" in fails(inputs, "--chrom", "chr1:1-99,999,999")


def test_summary_and_notes_go_to_stderr(inputs: dict[str, Path]) -> None:
    write_tiny_model(inputs["model"], tiny_spec())
    result = predict(inputs)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "model tiny on cpu (asked for)" in result.stderr
    assert "is not the assembly that the model tiny was trained on (toy)" in result.stderr
    assert "predicting: 100%, 11,808 of 11,808 bp" in result.stderr
    assert str(inputs["out"]) in result.stderr
    assert "state 1" in result.stderr
    assert "TF2" in result.stderr


def test_what_became_of_the_fragments_is_said(inputs: dict[str, Path], toy: ToyGenome) -> None:
    result = predict(inputs, "--exclude-contig", "chr2")
    assert result.exit_code == 0, result.output
    read, out = sum(map(len, toy.starts.values())), len(toy.starts["chr2"])
    note = f"{read - out:,} fragments of {read:,} rows (not: {out:,} on an excluded contig), "
    assert note in result.stderr


def test_second_run_replaces_the_first(inputs: dict[str, Path]) -> None:
    assert predict(inputs).exit_code == 0
    assert (inputs["out"] / "factors" / "TF1.bw").exists()
    assert "contig 'nope' is not in" in fails(inputs, "--chrom", "nope")
    assert predict(inputs, "--chrom", "chr10").exit_code == 0
    rows = (inputs["out"] / "states.bed").read_text().splitlines()
    assert {row.split("\t")[0] for row in rows if not row.startswith("#")} == {"chr10"}
    # A model with other labels: the tracks of the first one go.
    spec = tiny_spec()
    labels = (dataclasses.replace(spec.heads[1].labels[0], name="Other"), spec.heads[1].labels[1])
    factors = dataclasses.replace(spec.heads[1], labels=labels)
    write_tiny_model(inputs["model"], tiny_spec(heads=(spec.heads[0], factors)))
    assert predict(inputs).exit_code == 0
    names = {path.name for path in (inputs["out"] / "factors").iterdir()}
    assert names == {"Other.bw", "Other.bed", "TF2.bw", "TF2.bed"}


def test_what_a_killed_run_left_is_no_hindrance(inputs: dict[str, Path]) -> None:
    (inputs["out"] / ".partial-0123abcd").mkdir(parents=True)
    assert predict(inputs).exit_code == 0
    assert (inputs["out"] / "states.bed").exists()


@pytest.mark.parametrize(
    ("number", "status", "message"),
    [
        (signal.SIGINT, 130, "Interrupted"),
        (signal.SIGTERM, 143, "Stopped by SIGTERM"),
        (signal.SIGHUP, 129, "Stopped by SIGHUP"),
    ],
)
def test_a_stopped_run_leaves_nothing(
    tmp_path: Path, number: signal.Signals, status: int, message: str
) -> None:
    toy = toy_genome({"chr1": 3_000_000})
    fasta, fragments = toy.write(tmp_path)
    model = write_tiny_model(tmp_path / "tiny")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    args = ["predict", str(model), "--fragments", str(fragments), "--fasta", str(fasta)]
    args += ["--scratch", str(scratch)]
    process = subprocess.Popen(
        [*COMMAND, *args, "--out", str(tmp_path / "out"), "--provider", "cpu", "--tile", "1"],
        stderr=subprocess.PIPE,
        text=True,
        # Tests that run in the background of a shell, or under nohup, inherit it as ignored.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("predicting"):
            break
    process.send_signal(number)
    begin = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert time.monotonic() - begin < 10
    assert message in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "out").exists()
    assert list(scratch.iterdir()) == []


# ``chromputer predict`` of models that read several assays and predict signals.


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


# What ``chromputer predict`` refuses, with one clear message and nothing written.


def test_an_excluded_contig_must_exist(inputs: dict[str, Path]) -> None:
    assert "--exclude-contig chrZ: " in fails(inputs, "--exclude-contig", "chrZ")


def test_damaged_run_json_is_refused(inputs: dict[str, Path]) -> None:
    inputs["out"].mkdir()
    (inputs["out"] / "run.json").write_text("[]")
    assert "is not the record of an earlier run" in fails(inputs)


def test_fragments_are_missing(inputs: dict[str, Path], tmp_path: Path) -> None:
    message = fails({k: v for k, v in inputs.items() if k != "fragments"})
    assert "model tiny reads atac fragments: give a BAM" in message
    assert message.endswith("with --fragments")
    message = fails({**inputs, "fragments": tmp_path / "none.bam"})
    assert "none.bam: No such file" in message


def test_folder_with_other_files_is_refused(inputs: dict[str, Path]) -> None:
    inputs["out"].mkdir()
    (inputs["out"] / "thesis.txt").write_text("precious")
    assert "not of an earlier run" in fails(inputs)
    assert predict(inputs, "--force").exit_code == 0
    assert (inputs["out"] / "thesis.txt").read_text() == "precious"


def test_out_is_a_file(inputs: dict[str, Path]) -> None:
    inputs["out"].write_text("x")
    assert "it is a file; name a folder" in fails(inputs)


def test_parents_of_out_are_made_for_results_alone(inputs: dict[str, Path], tmp_path: Path) -> None:
    deep = {**inputs, "out": tmp_path / "new" / "deep" / "out"}
    assert "no such folder" in fails({**deep, "model": Path("no-such-model")})
    assert not (tmp_path / "new").exists()
    assert predict(deep).exit_code == 0
    assert (deep["out"] / "run.json").is_file()
    below = fails({**inputs, "out": inputs["fasta"] / "out"})
    assert f"{inputs['fasta']} is a file; name a folder" in below


def test_unknown_model(inputs: dict[str, Path]) -> None:
    message = fails({**inputs, "model": Path("no-such-model")})
    assert "model 'no-such-model': no such folder or .onnx file" in message
    assert "shipped:" in message


def test_unknown_spec_version(inputs: dict[str, Path]) -> None:
    raw = json.loads(tiny_spec().to_json()) | {"version": 7}
    path = inputs["model"] / "predict.onnx"
    path.write_bytes(tiny_graph(tiny_spec(), json.dumps(raw)).SerializeToString())
    message = fails({**inputs, "model": path})
    assert "model spec version 7 is unknown" in message


def test_fasta_without_index_and_a_place_for_it(
    inputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(f"{inputs['fasta']}.fai").unlink()
    monkeypatch.setattr("chromputer_tracks.io.fasta_index._can_write", lambda _: False)
    message = fails(inputs, "--scratch", str(inputs["out"] / "none"))
    assert "toy.fa has no index toy.fa.fai" in message
    assert "samtools faidx" in message


def test_contigs_do_not_match(inputs: dict[str, Path], toy: ToyGenome, tmp_path: Path) -> None:
    folder = tmp_path / "renamed"
    folder.mkdir()
    short = {name.removeprefix("chr"): row for name, row in toy.bases.items()}
    renamed = ToyGenome(
        short,
        {name.removeprefix("chr"): rows for name, rows in toy.starts.items()},
        {name.removeprefix("chr"): rows for name, rows in toy.ends.items()},
    )
    fasta, _ = renamed.write(folder)
    message = fails({**inputs, "fasta": fasta})
    assert "toy.fragments.tsv.gz: 'chr1'" in message
    assert str(fasta) in message
    assert "rename the contigs" in message


def test_empty_fragments(inputs: dict[str, Path], tmp_path: Path) -> None:
    empty = tmp_path / "empty.tsv"
    empty.write_text("")
    message = fails({**inputs, "fragments": empty})
    assert "empty.tsv" in message
    assert "no fragments" in message


def test_malformed_regions(inputs: dict[str, Path], tmp_path: Path) -> None:
    bed = tmp_path / "regions.bed"
    bed.write_text("chr1\t0\t100\nchr1\tzero\t100\n")
    message = fails(inputs, "--regions", str(bed))
    assert "regions.bed" in message
    assert "line 2" in message


def test_regions_past_the_contig(inputs: dict[str, Path], tmp_path: Path) -> None:
    bed = tmp_path / "regions.bed"
    bed.write_text("chr1\t0\t100\nchr10\t900\t1001\n")
    message = fails(inputs, "--regions", str(bed))
    assert "line 2" in message
    assert "chr10" in message


def test_regions_and_chromosomes_exclude_each_other(inputs: dict[str, Path]) -> None:
    assert "either --regions or --chrom" in fails(inputs, "--regions", "x.bed", "--chrom", "chr1")


@pytest.mark.skipif(Path("/proc/driver/nvidia/version").exists(), reason="this machine has a GPU")
def test_cuda_is_an_error_here(inputs: dict[str, Path]) -> None:
    message = fails(inputs, "--provider", "cuda")
    assert "--provider cuda cannot be used" in message
    result = predict(inputs, "--provider", "auto")
    assert result.exit_code == 0
    assert "on cpu (no usable GPU: " in result.stderr


def test_full_disk(inputs: dict[str, Path]) -> None:
    with file_size_limit(2_000):
        message = fails(inputs)
    assert "cannot" in message
    assert "File too large" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(inputs: dict[str, Path]) -> None:
    inputs["out"].mkdir(mode=0o500)
    assert "no permission" in fails(inputs)


def test_usage_errors_exit_with_2(inputs: dict[str, Path]) -> None:
    assert predict(inputs, "--provider", "rocm").exit_code == 2
    assert predict(inputs, "--threads", "0").exit_code == 2
    assert CliRunner().invoke(app, ["predict"]).exit_code == 2
    assert CliRunner().invoke(app, ["no-such-command"]).exit_code == 2


def test_debug_shows_the_traceback(inputs: dict[str, Path]) -> None:
    result = CliRunner().invoke(
        app, ["--debug", "predict", "nope", "--fasta", "x", "--out", str(inputs["out"])]
    )
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert "SpecError: model 'nope'" in result.stderr

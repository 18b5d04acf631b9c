"""``chromputer predict`` from the command line to the files, on a model with known answers."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from predict_command import LABELS, fails, predict, toy_inputs, tracks
from test_genome import oracle
from tiny_models import tiny_spec, write_tiny_model
from toy_genome import LENGTHS, ToyGenome, toy_genome

from chromputer_tracks import __version__

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

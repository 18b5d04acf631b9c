"""What ``chromputer predict`` refuses, with one clear message and nothing written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from limits import file_size_limit
from predict_command import fails, predict, toy_inputs
from tiny_models import tiny_graph, tiny_spec
from toy_genome import ToyGenome, toy_genome
from typer.testing import CliRunner

from chromputer_tracks.cli.main import app


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    return toy_genome()


@pytest.fixture
def inputs(tmp_path: Path, toy: ToyGenome) -> dict[str, Path]:
    return toy_inputs(tmp_path, toy)


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


def test_parent_of_out_is_missing(inputs: dict[str, Path], tmp_path: Path) -> None:
    message = fails({**inputs, "out": tmp_path / "no" / "out"})
    assert f"folder {tmp_path / 'no'} does not exist; make it first" in message


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


def test_fasta_without_index(inputs: dict[str, Path]) -> None:
    Path(f"{inputs['fasta']}.fai").unlink()
    message = fails(inputs)
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


def test_unsorted_regions(inputs: dict[str, Path], tmp_path: Path) -> None:
    bed = tmp_path / "regions.bed"
    bed.write_text("chr1\t200\t300\nchr1\t0\t100\n")
    message = fails(inputs, "--regions", str(bed))
    assert "is not sorted: line 2 (chr1 0) comes after chr1 200" in message


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

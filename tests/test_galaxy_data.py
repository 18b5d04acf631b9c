"""The test data and the workflow of the Galaxy tools."""

from __future__ import annotations

import gzip
import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pysam
import pytest
import yaml
from galaxy_tools import GALAXY, NAMES, read_tool

from chromputer_tracks import __version__
from chromputer_tracks.inference.session import load_model
from chromputer_tracks.io.fragments import open_fragments
from chromputer_tracks.tracks.runs import read_runs

DATA = GALAXY / "test-data"
EXAMPLES = GALAXY.parent / "examples/yeast"
WORKFLOW = GALAXY / "workflows/bam_to_hub.gxwf.yml"


def fragments(name: str) -> list[tuple[int, int]]:
    return sorted(
        (int(start), int(end))
        for batch in open_fragments(DATA / name).batches()
        for start, end in zip(batch.starts, batch.ends, strict=True)
    )


def expected() -> list[tuple[int, int]]:
    with pysam.TabixFile(str(EXAMPLES / "atac.fragments.tsv.gz")) as table:
        fields = [line.split("\t") for line in table.fetch("chrI")]
    return sorted((int(row[1]), int(row[2])) for row in fields)


def test_the_bam_and_the_fragment_file_are_the_examples_chri():
    assert len(expected()) == 4_979
    assert fragments("chrI.fragments.tsv.gz") == expected()
    assert fragments("chrI.bam") == expected()


def test_the_genome_is_the_examples_chri():
    with (
        pysam.FastaFile(str(DATA / "chrI.fa.gz")) as ours,
        pysam.FastaFile(str(EXAMPLES / "sacCer3.fa.gz")) as whole,
    ):
        assert ours.references == ["chrI"]
        assert ours.fetch("chrI") == whole.fetch("chrI")


def test_the_genes_are_the_examples_chri():
    with gzip.open(EXAMPLES / "genes.refflat.gz", "rt") as file:
        table = [line.rstrip("\n").split("\t") for line in file]
    wanted = [(int(row[4]), int(row[5]), row[0], row[3]) for row in table if row[2] == "chrI"]
    with (DATA / "chrI.genes.bed").open() as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    found = [(int(start), int(end), name, way) for _, start, end, name, _, way in rows]
    assert (len(found), sorted(found)) == (128, sorted(wanted))
    assert {row[0] for row in rows} == {"chrI"}


def test_fragments_of_two_names_are_half_each():
    lines = (DATA / "mixed_names.fragments.tsv").read_text().splitlines()
    names = [line.split("\t")[0] for line in lines]
    assert names == ["I"] * 20 + ["chrI"] * 20


RUNS = [
    ("predict_run", "chrI", "predict"),
    ("explain_run", "chrI", "explain"),
    ("thinned_run", "thinned", "predict"),
]


@pytest.mark.parametrize(("name", "sample", "kind"), RUNS)
def test_packed_runs_are_whole_and_name_no_place_of_a_machine(name: str, sample: str, kind: str):
    with zipfile.ZipFile(DATA / f"{name}.zip") as packed:
        text = packed.read(f"{sample}/run.json").decode()
        names = set(packed.namelist())
    record = json.loads(text)
    assert record["kind"] == kind
    assert {f"{sample}/{output}" for output in record["outputs"]} - names == {
        f"{sample}/TF1/{array}.npz"
        for array in ("filters", "hypothetical", "inputs", "sequences", "windows")
        if kind == "explain"
    }
    assert not [word for word in text.split('"') if word.startswith("/")]
    assert record["model"]["sha256"] == hashlib.sha256(graph()).hexdigest()


def test_packed_runs_are_of_this_release_and_of_two_samples(tmp_path: Path):
    folders = []
    for name, sample, _ in RUNS:
        with zipfile.ZipFile(DATA / f"{name}.zip") as packed:
            packed.extractall(tmp_path / name)
        folders.append(tmp_path / name / sample)
    (model,) = read_runs(folders, [])
    assert model.spec.name == "toy"
    assert [(sample.name, len(sample.runs)) for sample in model.samples] == [
        ("chrI", 2),
        ("thinned", 1),
    ]


def graph() -> bytes:
    with zipfile.ZipFile(DATA / "toy_model.zip") as packed:
        return packed.read("toy/predict.onnx")


def test_the_toy_model_is_the_same_in_both_files():
    assert (DATA / "toy_model.onnx").read_bytes() == graph()
    assert load_model(DATA / "toy_model.onnx").spec.name == "toy"


def steps() -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())
    return made


def test_the_workflow_connects_what_there_is():
    flow = steps()
    tools = {name: read_tool(name) for name in NAMES}
    # predict judges each sample itself.
    assert {step["tool_id"] for step in flow["steps"].values()} == {
        tool.root.attrib["id"] for tool in tools.values() if tool.name != "check"
    }
    sources = {name: set() for name in flow["inputs"]} | {
        name: tools[name].outputs() for name in flow["steps"]
    }

    def check(source: str) -> None:
        step, _, output = source.partition("/")
        assert output in sources[step] or (not output and step in flow["inputs"]), source

    for name, step in flow["steps"].items():
        assert (
            step["tool_version"] == tools[name].root.attrib["version"] == f"{__version__}+galaxy0"
        )
        inputs = tools[name].inputs()
        for target, given in step["in"].items():
            first, *rest = target.split("|")
            first = first.removesuffix("_0")
            assert first in inputs, target
            assert set(rest) <= inputs[first], target
            given = given["source"] if isinstance(given, dict) else given
            for source in given if isinstance(given, list) else [given]:
                check(source)
        for first, value in step["tool_state"].items():
            assert first in inputs, first
            below = value[0] if isinstance(value, list) and isinstance(value[0], dict) else value
            assert set(below if isinstance(below, dict) else ()) <= inputs[first], first
    for output in flow["outputs"].values():
        check(output["outputSource"])


def test_the_workflow_has_tests_of_its_outputs():
    (test,) = yaml.safe_load(WORKFLOW.with_name("bam_to_hub.gxwf-tests.yml").read_text())
    flow = steps()
    assert set(test["job"]) == set(flow["inputs"])
    assert set(test["outputs"]) == set(flow["outputs"]) - {"pictures"}


def test_what_goes_to_the_toolshed_is_described():
    shed = yaml.safe_load((GALAXY / ".shed.yml").read_text())
    assert {"name", "owner", "description", "long_description", "categories"} <= set(shed)
    for pattern in shed["exclude"]:
        assert list(GALAXY.glob(pattern)), pattern

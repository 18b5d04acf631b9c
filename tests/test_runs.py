"""Folders are sorted into samples by what they read, and refused where they do not fit."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from explain_run import Notes
from toy_runs import copied

from chromputer_tracks.errors import ContigError, InputError, SpecError
from chromputer_tracks.inference.session import load_model, read_spec, shipped_models
from chromputer_tracks.io.contributions import WINDOWS, explained_labels
from chromputer_tracks.io.outputs import OutputFile
from chromputer_tracks.io.record import file_record
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.options.predict import PredictOptions
from chromputer_tracks.tracks.igv import browser_genome
from chromputer_tracks.tracks.predict import predict_tracks
from chromputer_tracks.tracks.runs import ModelRuns, read_runs, recorded_path


def change(folder: Path, how: Callable[[dict[str, Any]], object]) -> Path:
    record = json.loads((folder / "run.json").read_text())
    how(record)
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def samples(found: tuple[ModelRuns, ...]) -> list[dict[str, list[str]]]:
    """By model: sample to the names of its folders."""
    return [
        {sample.name: [run.folder.name for run in sample.runs] for sample in model.samples}
        for model in found
    ]


def test_samples_by_their_inputs(runs):
    found = read_runs((runs.explained, runs.second, runs.first), ())
    assert samples(found) == [{"first": ["first", "explained"], "second": ["second"]}]
    (model,) = found
    assert model.spec.name == "tiny"
    first = model.samples[0]
    assert first.predict is not None and first.predict.record.kind == "predict"
    assert list(first.explain[0].results.labels) == ["TF1", "S1"]
    (item,) = first.predict.inputs
    assert (item.assay, item.path, item.bytes) == (
        "atac",
        runs.fragments,
        runs.fragments.stat().st_size,
    )
    assert item.fragments == sum(len(starts) for starts in runs.toy.starts.values())
    assert item.options.min_mapq == 30 and item.options.drop_duplicates


def test_inputs_are_found_from_another_folder(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(runs.fragments.parent)
    files = SampleFiles(Path("toy.fa"), Path("toy.fragments.tsv.gz"))
    options = PredictOptions(
        model=runs.model, sample=files, out=tmp_path / "out", provider="cpu", threads=1
    )
    predict_tracks(options, Notes())
    monkeypatch.chdir(tmp_path)
    (run,) = read_runs((Path("out"),), ())[0].samples[0].runs
    assert run.record.inputs["fasta"].path == "toy.fa"
    assert browser_genome(run).fasta == runs.fragments.with_name("toy.fa")
    assert run.inputs[0].path == runs.fragments
    # Moved together with the results, they are found from the new place.
    record = replace(run.record, directory=str(tmp_path / "gone"))
    assert recorded_path(record, "toy.fa") == Path("toy.fa")
    assert recorded_path(replace(record, directory=""), "toy.fa") == Path("toy.fa")


def test_without_a_prediction_the_folder_names_the_sample(runs):
    assert samples(read_runs((runs.explained,), ())) == [{"explained": ["explained"]}]


def test_names_are_given(runs):
    found = read_runs((runs.explained,), (("wt", runs.first), ("mutant", runs.second)))
    assert samples(found) == [{"wt": ["first", "explained"], "mutant": ["second"]}]
    found = read_runs((), (("all", runs.first), ("all", runs.explained)))
    assert samples(found) == [{"all": ["first", "explained"]}]


def test_models_stand_apart(runs):
    found = read_runs((runs.first, runs.other_model), ())
    assert [model.spec.name for model in found] == ["tiny", "other-model"]
    assert samples(found) == [{"first": ["first"]}, {"first": ["other_model"]}]


def test_two_predictions_of_a_sample(runs, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(runs.first, again)
    with pytest.raises(InputError, match="again are both predictions of sample 'first'"):
        read_runs((runs.first, again), ())
    found = read_runs((), (("a", runs.first), ("b", again)))
    assert samples(found) == [{"a": ["first"], "b": ["again"]}]


def test_a_folder_that_may_be_of_two_samples(runs, tmp_path):
    """Such as predictions of one file with other options."""
    again = tmp_path / "again"
    shutil.copytree(runs.first, again)
    named = (("a", runs.first), ("b", again))
    with pytest.raises(InputError, match="explained was made of .* samples 'a' and 'b': say whose"):
        read_runs((runs.explained,), named)
    found = read_runs((), (*named, ("a", runs.explained)))
    assert samples(found) == [{"a": ["first", "explained"], "b": ["again"]}]


def test_a_label_explained_twice(runs, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(runs.explained, again)
    with pytest.raises(InputError, match="explained and .*again both explain TF1 in sample"):
        read_runs((runs.explained, again), ())
    change(again, lambda record: record["labels"].pop("TF1"))
    change(runs_copy := copied(runs, tmp_path / "r").explained, lambda r: r["labels"].pop("S1"))
    (model,) = read_runs((runs_copy, again), ())
    assert [list(run.results.labels) for run in model.samples[0].explain] == [["TF1"], ["S1"]]


def test_two_samples_of_one_name(runs, tmp_path):
    other = tmp_path / "first"
    shutil.copytree(runs.second, other)
    with pytest.raises(InputError, match="both would be called 'first': name samples with"):
        read_runs((runs.first, other), ())


def test_another_genome(runs, tmp_path):
    own = copied(runs, tmp_path / "runs")
    change(own.second, lambda record: record["genome"].update(digest="0" * 64))
    with pytest.raises(ContigError, match="second is of another genome than .*first"):
        read_runs((own.first, own.second), ())


def test_no_run(runs, tmp_path):
    with pytest.raises(InputError, match="none does not hold .*: there is no such folder"):
        read_runs((tmp_path / "none",), ())
    with pytest.raises(InputError, match="input does not hold .*: it has no run.json"):
        read_runs((runs.folder / "input",), ())
    with pytest.raises(InputError, match="states.bed does not hold .*: it is a file, no folder"):
        read_runs((runs.first / "states.bed",), ())


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (lambda record: record.update(kind="vplot"), "results of `chromputer vplot`; browsers are"),
        (lambda record: record.pop("kind"), "not the record .*kind"),
        (lambda record: record.pop("inputs"), "not the record .*inputs"),
        (lambda record: record.pop("started"), "not the record .*started"),
        (lambda record: record["summary"].pop("calls"), "not the record .*calls"),
        (lambda record: record["genome"].pop("same_as_model"), "not the record .*same_as_model"),
        (lambda record: record.pop("genome"), "not the record .*the genome: missing"),
        (lambda record: record["versions"].clear(), "not the record .*chromputer-tracks: missing"),
        (lambda record: record["options"].pop("exclude"), "not the record .*exclude"),
        (lambda record: record["assays"].clear(), "not the record .*atac"),
        (lambda record: record.update(model=[]), "not the record .*model"),
    ],
)
def test_records_of_something_else(runs, tmp_path, how, message):
    own = copied(runs, tmp_path / "runs")
    with pytest.raises(InputError, match=message):
        read_runs((change(own.first, how),), ())


def test_records_that_are_no_json(runs, tmp_path):
    own = copied(runs, tmp_path / "runs")
    (own.first / "run.json").write_text("{")
    with pytest.raises(InputError, match="run.json is not the record of a run of this release"):
        read_runs((own.first,), ())


def test_a_label_that_the_model_lacks(runs, tmp_path):
    own = copied(runs, tmp_path / "runs")
    change(own.explained, lambda r: r["labels"].update(TF9=r["labels"]["TF1"]))
    with pytest.raises(InputError, match="no label 'TF9'"):
        read_runs((own.explained,), ())


def test_a_file_that_the_record_does_not_name(runs, tmp_path):
    own = copied(runs, tmp_path / "runs")
    (own.first / "factors/TF1.bw").unlink()
    (model,) = read_runs((own.first,), ())
    run = model.samples[0].predict
    assert run is not None
    assert run.file("factors/TF2.bw") == own.first / "factors/TF2.bw"
    for name in ("factors/TF1.bw", "run.json", "../second/states.bb"):
        with pytest.raises(InputError, match="is missing, which belongs to the results in"):
            run.file(name)


@pytest.mark.parametrize("how", ["longer", "other bytes"])
def test_a_file_that_the_run_did_not_make(runs, tmp_path, monkeypatch, how):
    """Sizes are compared always, bytes where that is quick and in a hub."""
    own = copied(runs, tmp_path / "runs")
    path = own.first / "factors/TF1.bw"
    data = path.read_bytes()
    path.write_bytes(data + b"\0" if how == "longer" else data[:-9] + b"x" + data[-8:])
    size = f"{len(data) + 1:,} bytes, not {len(data):,}"
    shown = size if how == "longer" else "another SHA-256"
    what = rf"factors/TF1\.bw is not the file that the run made, .*\({shown}\)"
    with pytest.raises(InputError, match=what):
        read_runs((own.first,), ())
    read_runs((own.second,), ())
    monkeypatch.setattr("chromputer_tracks.io.outputs.READ_AT_ONCE", 1_000)
    if how == "longer":
        with pytest.raises(InputError, match=what):
            read_runs((own.first,), ())
    else:
        read_runs((own.first,), ())
        with pytest.raises(InputError, match=what):
            read_runs((own.first,), (), contents=True)
    # Of a release that did not tell them nothing is known.
    change(own.first, lambda r: r.pop("checksums"))
    read_runs((own.first,), (), contents=True)


def test_explained_sites_that_the_run_did_not_make(runs, tmp_path):
    own = copied(runs, tmp_path / "runs")
    assert list(explained_labels(own.explained)) == ["S1", "TF1"]
    path = own.explained / "TF1" / WINDOWS
    path.write_bytes(path.read_bytes() + b"chr1\t0\t2000\n")
    with pytest.raises(InputError, match=f"TF1/{WINDOWS} is not the file that the run made"):
        explained_labels(own.explained)
    (own.explained / "run.json").unlink()
    assert list(explained_labels(own.explained)) == ["S1", "TF1"]


def test_models_are_found_by_their_checksum(runs, tmp_path):
    own = copied(runs, tmp_path / "runs")
    change(own.first, lambda r: r["model"].update(path=str(runs.folder / "input/other")))
    (described,) = read_runs((own.first,), (), [runs.folder / "input/other"])
    spec = load_model(runs.model).spec
    assert described.spec == replace(spec, metrics={}, provenance={})
    found = read_runs((own.first,), (), [runs.folder / "input/other", runs.model])
    assert [model.spec.name for model in found] == ["tiny"]
    assert found[0].spec == spec


def test_a_model_that_a_record_names_is_never_opened(runs, tmp_path, monkeypatch):
    """A stranger's results may bring a graph, and a graph is a program."""
    own = copied(runs, tmp_path / "runs")
    graph = own.first / "graph.onnx"
    shutil.copy(runs.model / "predict.onnx", graph)
    change(own.first, lambda r: r["model"].update(path=str(graph)))
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_, **__: pytest.fail("it was run"))
    opened = []
    real = Path.open
    monkeypatch.setattr(
        Path, "open", lambda self, *a, **k: (opened.append(self), real(self, *a, **k))[1]
    )
    (found,) = read_runs((own.first,), ())
    assert found.spec.name == "tiny"
    assert graph not in opened


def test_a_shipped_model_is_known_by_name_and_checksum(runs, tmp_path):
    own = copied(runs, tmp_path / "runs")
    shipped = shipped_models()["yeast-atac"]
    digest = file_record(shipped / "predict.onnx").sha256
    change(own.first, lambda r: r["model"].update(name="yeast-atac"))
    assert read_runs((own.first,), ())[0].spec.name == "tiny"
    change(own.first, lambda r: r["model"].update(sha256=digest))
    assert read_runs((own.first,), ())[0].spec == read_spec(shipped)
    change(own.first, lambda r: r["model"].update(name="tiny"))
    assert read_runs((own.first,), ())[0].spec.metrics == {}


SECRET = "states.bb"


@pytest.mark.parametrize(
    "name", ["../secret.bb", "../../../../../../../etc/passwd", "{folder}/secret.bb"]
)
def test_files_outside_of_a_folder_are_none_of_its_results(runs, tmp_path, name):
    own = copied(runs, tmp_path / "runs")
    (own.folder / "secret.bb").write_text("secret")
    name = name.format(folder=own.folder)
    change(own.first, lambda r: r["outputs"].append(name))
    run = read_runs((own.first,), ())[0].samples[0].predict
    with pytest.raises(InputError, match="leads to .*, which is not the file that the run made"):
        run.file(name)


@pytest.mark.parametrize("of_link", [False, True])
def test_links_lead_to_the_runs_own_files_only(runs, tmp_path, of_link):
    own = copied(runs, tmp_path / "runs")
    path = own.first / SECRET
    # As Galaxy and git-annex do.
    kept = tmp_path / "dataset_1.dat"
    path.rename(kept)
    path.symlink_to(kept)
    run = read_runs((own.first,), ())[0].samples[0].predict
    assert run.file(SECRET) == path
    kept.write_bytes(b"secret" + kept.read_bytes())
    if of_link:
        link = dataclasses.asdict(OutputFile.of(path))
        change(own.first, lambda r: r["checksums"].update({SECRET: link}))
        run = read_runs((own.first,), ())[0].samples[0].predict
    with pytest.raises(InputError, match=rf"{SECRET} leads to {kept}, which is not the file"):
        run.file(SECRET)


@pytest.mark.parametrize("name", ["../x", "a/b", "..", "/abs", "a\nb", ""])
def test_names_of_labels_are_no_paths(runs, tmp_path, name):
    for place in ("head", "label"):

        def rename(record, place=place):
            head = record["model"]["spec"]["heads"][0]
            (head if place == "head" else head["labels"][0])["name"] = name

        with pytest.raises(SpecError, match="use letters, digits"):
            read_runs((change(copied(runs, tmp_path / place).first, rename),), ())

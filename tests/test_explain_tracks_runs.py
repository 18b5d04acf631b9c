"""Runs of ``explain``: which labels, and what stands in the folder before and after."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from explain_run import Bench, FakeExplainer, explained_spec, files
from toy_genome import ToyGenome, toy_genome

from chromputer_tracks.errors import InputError, OutputError
from chromputer_tracks.io.contributions import explained_labels

REGIONS = ("chr2 1990 2010 a 5 +", "chr1 2000 2001 b 900 -", "chr1 2100 2102 c 1 .")


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    return toy_genome()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ToyGenome) -> Bench:
    return Bench.make(tmp_path, monkeypatch, toy)


def test_all_labels(bench: Bench) -> None:
    bench.run(heads=("all",), regions=bench.bed(REGIONS[0]))
    assert list(explained_labels(bench.folder / "out")) == ["H3", "S0", "S1", "S2", "TF1", "TF2"]
    bench.run("calls", heads=("all",), max_sites=2)
    assert list(explained_labels(bench.folder / "calls")) == ["S0", "S1", "S2", "TF1", "TF2"]


def test_labels_of_one_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ToyGenome
) -> None:
    factors = explained_spec().heads[1]
    spec = explained_spec(heads=(factors, replace(factors, name="other")))
    bench = Bench.make(tmp_path, monkeypatch, toy, spec)
    regions = bench.bed(REGIONS[0])
    with pytest.raises(InputError, match="has 2 labels 'TF1': write HEAD.TF1"):
        bench.run(regions=regions)
    bench.run(heads=("all",), regions=regions)
    names = ["factors.TF1", "factors.TF2", "other.TF1", "other.TF2"]
    assert list(explained_labels(tmp_path / "out")) == names
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["labels"]["other.TF2"]["weights"] == {"other.TF2": 1 / 64}


def test_labels_that_differ_in_case_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ToyGenome
) -> None:
    factors = explained_spec().heads[1]
    labels = (factors.labels[0], replace(factors.labels[1], name="tf1"))
    spec = explained_spec(heads=(replace(factors, labels=labels),))
    bench = Bench.make(tmp_path, monkeypatch, toy, spec)
    with pytest.raises(OutputError, match="differ in case alone, such as TF1"):
        bench.run(heads=("all",), regions=bench.bed(REGIONS[0]))


def test_a_failure_leaves_nothing(bench: Bench) -> None:
    class Fails(FakeExplainer):
        def stream(self, *args):
            for number, item in enumerate(super().stream(*args)):
                if number == 1:
                    raise OutputError("no more")
                yield item

    regions = bench.bed(*REGIONS)
    bench.use(Fails(bench.spec, batch=1))
    with pytest.raises(OutputError, match="no more"):
        bench.run(regions=regions)
    assert not (bench.folder / "out").exists()
    bench.use(FakeExplainer(bench.spec))
    bench.run(regions=regions)
    before = files(bench.folder / "out")
    bench.use(Fails(bench.spec, batch=1))
    with pytest.raises(OutputError, match="no more"):
        bench.run(regions=regions, heads=("TF2",))
    assert files(bench.folder / "out") == before


def test_what_an_earlier_run_left_is_removed(bench: Bench) -> None:
    regions = bench.bed(*REGIONS)
    bench.run(regions=regions, heads=("TF1", "TF2"))
    bench.run(regions=regions, heads=("TF2",))
    out = bench.folder / "out"
    assert sorted(path.name for path in out.iterdir()) == ["TF2", "run.json"]


def test_another_command_s_folder_is_refused(bench: Bench) -> None:
    out = bench.folder / "out"
    out.mkdir()
    (out / "run.json").write_text('{"kind": "predict", "outputs": ["states.bed"]}')
    (out / "states.bed").write_text("precious")
    with pytest.raises(OutputError, match="results of `chromputer predict`.*: name another folder"):
        bench.run(regions=bench.bed(*REGIONS), force=True)
    assert (out / "states.bed").read_text() == "precious"

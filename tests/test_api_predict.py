"""Predictions as arrays: equal to the tracks that ``chromputer predict`` writes."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fragment_files import open_in
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from predict_command import LABELS, predict, toy_inputs, tracks
from tiny_models import SCALE, STRIDE, tiny_spec, write_linear_model
from toy_genome import LENGTHS, toy_genome

import chromputer_tracks as ct
from chromputer_tracks.spec import HeadSpec, InputSpec, Label, Normalisation
from chromputer_tracks.tracks.predict import RESOLUTION

NAMES = [label.split("/")[1] for label in LABELS]


@dataclass(frozen=True)
class Run:
    """A run of the command on toy files, and the same files opened."""

    inputs: dict[str, Path]
    bigwigs: dict[str, dict[str, NDArray[np.float32]]]
    model: ct.Model
    fragments: ct.FragmentStore

    def predict(self, regions: object = None, **options: object) -> list:
        options = {"fragments": self.fragments, "provider": "cpu"} | options
        return list(ct.predict(self.model, fasta=self.inputs["fasta"], regions=regions, **options))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    inputs = toy_inputs(tmp_path_factory.mktemp("api"), toy_genome())
    result = predict(inputs)
    assert result.exit_code == 0, result.output
    model = ct.load_model(inputs["model"])
    with ct.open_fragments(inputs["fragments"], inputs["fasta"]) as fragments:
        yield Run(inputs, tracks(inputs["out"]), model, fragments)


def as_written(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.rint(values / RESOLUTION) * np.float32(RESOLUTION)


def check(run: Run, interval: ct.Interval, values: dict[str, NDArray[np.float32]]) -> None:
    assert list(values) == NAMES
    for label, name in zip(LABELS, NAMES, strict=True):
        assert values[name].dtype == np.float32
        per_base = np.repeat(values[name], STRIDE)[: len(interval)]
        written = run.bigwigs[interval.chrom][label][interval.start : interval.end]
        np.testing.assert_array_equal(as_written(per_base), written)


def test_the_whole_genome_is_what_the_command_writes(run):
    found = run.predict()
    places = [ct.Interval(chrom, 0, size) for chrom, size in sorted(LENGTHS.items())]
    assert [interval for interval, _ in found] == places
    for interval, values in found:
        check(run, interval, values)


@st.composite
def regions(draw: st.DrawFn) -> list[ct.Interval]:
    found = []
    for _ in range(draw(st.integers(1, 6))):
        chrom = draw(st.sampled_from(sorted(LENGTHS)))
        start = draw(st.integers(0, LENGTHS[chrom] - 1))
        found.append(ct.Interval(chrom, start, draw(st.integers(start + 1, LENGTHS[chrom]))))
    return found


@given(places=regions())
def test_regions_come_whole_and_in_the_order_given(run, places):
    found = run.predict(places)
    assert len(found) == len(places)
    for place, (interval, values) in zip(places, found, strict=True):
        assert interval.chrom == place.chrom
        assert interval.start == place.start // STRIDE * STRIDE
        assert interval.end == min(-(-place.end // STRIDE) * STRIDE, LENGTHS[place.chrom])
        check(run, interval, values)


def test_pieces_of_a_region_are_put_together(run, monkeypatch):
    """As where a region is longer than a tile."""
    original = ct.predict.__globals__["predict_regions"]
    monkeypatch.setitem(
        ct.predict.__globals__,
        "predict_regions",
        lambda *args, **options: original(*args, tile=3, **options),
    )
    places = [
        ct.Interval("chr1", 130, 1130),
        ct.Interval("chr1", 0, 800),
        ct.Interval("edge", 0, 9),
    ]
    for interval, values in run.predict(places):
        check(run, interval, values)


def test_strands_are_averaged(run, tmp_path):
    out = {**run.inputs, "out": tmp_path / "out"}
    assert predict(out, "--average-strands", "--chrom", "chr2").exit_code == 0
    written = tracks(out["out"])["chr2"]["factors/TF1"]
    ((interval, values),) = run.predict("chr2", average_strands=True)
    per_base = np.repeat(values["TF1"], STRIDE)[: len(interval)]
    np.testing.assert_array_equal(as_written(per_base), written)
    assert (per_base != np.repeat(run.predict("chr2")[0][1]["TF1"], STRIDE)[:4321]).any()


def test_ways_to_say_where(run, tmp_path, monkeypatch):
    bed = tmp_path / "sites.bed"
    bed.write_text("chr2\t100\t200\nchr1\t0\t10\n")
    expected = [ct.Interval("chr2", 100, 200), ct.Interval("chr1", 0, 50)]
    monkeypatch.chdir(tmp_path)
    # A file of a region's name is not read.
    shutil.copy(bed, tmp_path / "tiny")
    for where, places in (
        (bed, expected),
        (str(bed), expected),
        ("sites.bed", expected),
        (["chr2:101-200", ct.Interval("chr1", 0, 10)], expected),
        (ct.Interval("chr2", 110, 190), expected[:1]),
        ("chr2:101-200", expected[:1]),
        ("tiny", [ct.Interval("tiny", 0, 37)]),
        (Path("tiny"), expected),
        (iter(expected), expected),
    ):
        assert [interval for interval, _ in run.predict(where)] == places


@pytest.mark.parametrize(
    ("where", "kind", "message"),
    [
        ([], ct.InputError, "regions holds no region"),
        ("none.bed", ct.InputError, "'none.bed' is neither a file nor a region: .*'none.bed'"),
        ("1", ct.InputError, "neither a file nor a region: .*calls it 'chr1'"),
        ("chr1:1-7,000", ct.BoundsError, "ends past chr1"),
        (["none.bed"], ct.ContigError, "'none.bed' is not in"),
        (ct.Interval("chr1", -5, 10), ct.BoundsError, "regions: chr1:-4-10 starts before base 1"),
        (ct.Interval("chrX", 5, 10), ct.ContigError, "regions: contig 'chrX' is not in"),
        ([("chr1", 5, 10)], ct.InputError, r"regions: \('chr1', 5, 10\) is no region: write Inter"),
        (("chr1", 5, 10), ct.InputError, "regions: 5 is no region"),
        ([None], ct.InputError, "regions: None is no region"),
        (5, ct.InputError, "give a region, several, or .*, not an object of type int"),
        (b"chr1", ct.InputError, "not an object of type bytes"),
        (pd.DataFrame({"chrom": ["chr1"]}), ct.InputError, "DataFrame; .* map\\(Interval, chroms"),
        (ct.Interval("chr1", 5.0, 10.0), ct.InputError, "end=10.0\\) must be whole numbers"),
    ],
)
def test_regions_that_cannot_be_used(run, where, kind, message):
    with pytest.raises(kind, match=message):
        # Before anything is asked of the generator.
        ct.predict(run.model, fasta=run.inputs["fasta"], fragments=run.fragments, regions=where)


def test_rows_of_a_table_are_regions(run):
    """Of numpy's integers, which do not leak into the results."""
    table = pd.DataFrame({"chrom": ["chr2", "chr1"], "start": [110, 0], "end": [190, 10]})
    found = run.predict(map(ct.Interval, table.chrom, table.start, table.end))
    places = [interval for interval, _ in found]
    assert places == [ct.Interval("chr2", 100, 200), ct.Interval("chr1", 0, 50)]
    assert {type(place.start) for place in places} == {int}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": 5}, "model: give a path or what load_model returns, not an object of type int"),
        ({"fasta": None}, "fasta: give a path or what open_genome returns, .* NoneType"),
        ({"fragments": pd.DataFrame()}, "what open_fragments returns, .* type DataFrame"),
        ({"assays": ["a.bam"]}, "assays: give files by name, such as {'atac': file}, not"),
        ({"fragments": None, "assays": {"atac": 3}}, "assay 'atac': give a path or what open_frag"),
    ],
)
def test_objects_that_are_not_read(run, changes, message):
    given = {"model": run.model, "fasta": run.inputs["fasta"], "fragments": run.fragments}
    with pytest.raises(ct.InputError, match=message):
        ct.predict(**(given | changes))


def test_files_models_and_open_ones_give_the_same(run):
    paths = {name: str(path) for name, path in run.inputs.items()}
    with ct.open_genome(paths["fasta"]) as genome:
        for model, fasta, given in (
            (paths["model"], paths["fasta"], {"fragments": paths["fragments"]}),
            (run.model, genome, {"fragments": run.fragments}),
            (run.inputs["model"], genome, {"assays": {"atac": run.fragments}}),
            (run.model, genome, {"assays": {"atac": paths["fragments"]}}),
        ):
            found = ct.predict(model, fasta=fasta, regions="chr2", provider="cpu", **given)
            ((interval, values),) = found
            check(run, interval, values)
        # An open genome can be read meanwhile, and stays open.
        for interval, _ in ct.predict(
            run.model, fasta=genome, fragments=run.fragments, regions=["chr1", "chr2"]
        ):
            assert len(genome.fetch(interval)) == len(interval)
        assert len(genome.fetch(ct.Interval("tiny", 0, 37))) == 37
    # So do the fragments.
    assert run.fragments.total > 0


def test_stopping_early_closes_what_was_opened(run, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    stream = ct.predict(
        run.model, fasta=run.inputs["fasta"], fragments=run.inputs["fragments"], provider="cpu"
    )
    assert not open_in(tmp_path)
    next(stream)
    assert open_in(tmp_path)
    stream.close()
    assert not open_in(tmp_path)


@pytest.mark.parametrize("reason", [GeneratorExit, KeyboardInterrupt, ValueError])
def test_leaving_the_loop_closes_what_was_opened(run, tmp_path, monkeypatch, reason):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(threading.enumerate())

    def loop() -> None:
        for _ in ct.predict(
            run.model, fasta=run.inputs["fasta"], fragments=run.inputs["fragments"], provider="cpu"
        ):
            assert open_in(tmp_path)
            if reason is GeneratorExit:
                break
            raise reason

    with nullcontext() if reason is GeneratorExit else pytest.raises(reason):
        loop()
    assert not open_in(tmp_path)
    assert set(threading.enumerate()) == before


def test_a_program_may_end_while_predictions_are_under_way(run):
    """It does not wait for threads that wait for it."""
    code = (
        "import sys, chromputer_tracks as ct\n"
        "model, fasta, fragments = sys.argv[1:]\n"
        "many = [f'chr1:{at}-{at}' for at in range(1, 6000, 100)]\n"
        "stream = ct.predict(model, fasta=fasta, fragments=fragments, regions=many, threads=1)\n"
        "print(next(stream)[0])\n"
    )
    files = [str(run.inputs[name]) for name in ("model", "fasta", "fragments")]
    done = subprocess.run(
        [sys.executable, "-c", code, *files], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "chr1:1-50\n", "")


def test_each_label_has_memory_of_its_own(run):
    """Whoever keeps one label of each region must not keep them all."""
    for _, values in run.predict(["chr1", "chr2:1-100"]):
        assert all(array.base is None and array.flags.c_contiguous for array in values.values())


def test_runs_side_by_side_do_not_disturb_each_other(run):
    """In turn, and in threads, on one store."""
    regions = ["chr2", "chr1:1-3,000", "edge"]
    alone = run.predict(regions)
    other = shutil.copytree(run.inputs["model"], run.inputs["model"].with_name("copy"))
    where = {"fasta": run.inputs["fasta"], "fragments": run.fragments, "provider": "cpu"}
    streams = [ct.predict(model, regions=regions, **where) for model in (run.model, other)]
    in_turn = zip(*zip(*streams, strict=True), strict=True)
    with ThreadPoolExecutor(2) as pool:
        results = [*in_turn, *pool.map(run.predict, [regions] * 2)]
    assert len(results) == 4
    for found in results:
        for (place, values), (expected, theirs) in zip(found, alone, strict=True):
            assert place == expected
            for name, array in theirs.items():
                np.testing.assert_array_equal(values[name], array)


def test_another_genome_and_unread_fragments_are_warned_of(run, tmp_path):
    spec = tiny_spec(
        name="dna", inputs=(InputSpec("sequence", "dna"),), heads=tiny_spec().heads[1:]
    )
    model = write_linear_model(tmp_path / "dna", spec)
    with pytest.warns(UserWarning) as caught:
        found = ct.predict(
            model,
            fasta=run.inputs["fasta"],
            fragments=run.fragments,
            regions="tiny",
            provider="cpu",
        )
    assert [interval for interval, _ in found] == [ct.Interval("tiny", 0, 37)]
    first, second = (str(item.message) for item in caught)
    assert "is not the assembly that the model dna was trained on (toy)" in first
    assert "reads DNA only" in second
    # The line to look at is the user's.
    assert {item.filename for item in caught} == {__file__}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.predict("tiny")


def test_a_name_that_two_heads_have_carries_its_head(run, tmp_path):
    twice = HeadSpec("continuous", "signal", (Label("TF2", "2", (0, 0, 0), SCALE),), "log1p")
    spec = tiny_spec(heads=(*tiny_spec().heads, twice), sizes_digest=run.model.spec.sizes_digest)
    model = ct.load_model(write_linear_model(tmp_path / "twice", spec))
    ((_, values),) = ct.predict(
        model, fasta=run.inputs["fasta"], fragments=run.fragments, regions="edge", provider="cpu"
    )
    assert list(values) == ["S0", "S1", "S2", "TF1", "factors.TF2", "signal.TF2"]


def test_what_a_model_reads_is_asked_for(run, tmp_path):
    def message(model: object, **given: object) -> str:
        with pytest.raises(ct.InputError) as caught:
            ct.predict(model, fasta=run.inputs["fasta"], **given)
        return str(caught.value)

    fasta, fragments = run.inputs["fasta"], run.inputs["fragments"]
    assert message(run.model) == (
        "model tiny reads atac fragments: give a BAM, fragment file or BEDPE with fragments=file"
    )
    assert message(run.model, assays={"mnase": fragments}) == (
        "assays['mnase']: model tiny reads no such assay; it reads atac"
    )
    assert "none.bam" in message(run.model, fragments="none.bam")
    how = Normalisation((1.0,), "none")
    inputs = (*tiny_spec().inputs, InputSpec("vplot", "mnase", 10, (1, 400), how, "mnase"))
    inputs += (InputSpec("signal", "k4", 10, (), how, "h3k4", "values"),)
    two = ct.load_model(write_linear_model(tmp_path / "two", tiny_spec(inputs=inputs)))
    assert "reads fragments of atac, mnase: give each file" in message(two, fragments=fragments)
    assert "give its bigWig with assays={'h3k4': file}" in message(
        two, fragments=fragments, assays={"mnase": fragments}
    )
    given = {"mnase": fragments, "h3k4": run.fragments}
    assert "holds fragments" in message(two, fragments=fragments, assays=given)
    other = toy_genome({"chr1": 6150, "chr2": 4000})
    folder = tmp_path / "other"
    folder.mkdir()
    other_fasta, _ = other.write(folder)
    with pytest.raises(ct.InputError, match="opened with the contigs of .*toy.fa, which are not"):
        ct.predict(run.model, fasta=other_fasta, fragments=run.fragments)
    with pytest.raises(ct.ProviderError):
        ct.predict(run.model, fasta=fasta, fragments=fragments, provider="tensorrt")
    with pytest.raises(ct.SpecError, match="model 'none'"):
        ct.predict("none", fasta=fasta, fragments=fragments)

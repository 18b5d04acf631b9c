"""What ``explain`` writes, on a toy genome, against loops over windows and bases."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from explain_run import EDGES, Bench, FakeExplainer, Notes, explained_spec, files, weights_of
from tiny_models import BIN, WINDOW
from toy_genome import LENGTHS, ToyGenome, toy_genome

from chromputer_tracks.errors import InputError, OutputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.contributions import explained_labels, read_contributions
from chromputer_tracks.spec import InputSpec
from chromputer_tracks.tracks.explain.run import COMPLETENESS

CLASSES = {"subnucleosomal": (0, 2), "mononucleosomal": (2, 4), "dinucleosomal": (4, 5)}
TRACKS = (
    "importance",
    "shape.MGW",
    "shape.Roll",
    *(f"atac.{name}" for name in CLASSES),
    "cuts",
)
# Isolated, overlapping, twice the same, at both ends of contigs, and of contigs below a window.
REGIONS = (
    "chr2 1990 2010 a 5 +",
    "chr1 2000 2001 b 900 -",
    "chr1 2100 2102 c 1 .",
    "chr1 2110 2112 d 2 .",
    "chr1 2110 2112 d 2 .",
    "chr1 2400 2402 touching 2 .",
    "chr10 0 4 left 3 .",
    "chr10 996 1000 right 3 .",
    "tiny 10 30 t 1 .",
    "edge 0 300 e 1 .",
)


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    return toy_genome()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ToyGenome) -> Bench:
    return Bench.make(tmp_path, monkeypatch, toy)


def contributions(bench: Bench, window: Interval, scale: float) -> dict[str, np.ndarray]:
    """Track to its value at each base of a window, by the fake's rule, one fragment at a time."""
    toy, spec = bench.toy, bench.spec
    bases = toy.fetch(window).tobytes().decode()
    dna = weights_of(spec, "dna", (4, WINDOW))
    shape = weights_of(spec, "shape", (2, WINDOW))
    vplot = weights_of(spec, "atac", (len(EDGES) - 1, WINDOW // BIN))
    cuts = weights_of(spec, "cuts", (1, WINDOW // 25))
    found = {name: np.zeros(WINDOW) for name in TRACKS}
    for i, base in enumerate(bases):
        if base != "N":
            found["importance"][i] = dna["ACGT".index(base), i]
            found["shape.MGW"][i], found["shape.Roll"][i] = shape[:, i]
    for start, end in zip(toy.starts[window.chrom], toy.ends[window.chrom], strict=True):
        row = int(np.searchsorted(EDGES, end - start, side="right")) - 1
        at = (start + end) // 2 - window.start
        if 0 <= row < len(EDGES) - 1 and 0 <= at < WINDOW:
            name = next(n for n, (low, high) in CLASSES.items() if low <= row < high)
            place = slice(at // BIN * BIN, at // BIN * BIN + BIN)
            found[f"atac.{name}"][place] += scale * vplot[row, at // BIN] / BIN
        for cut in (start - window.start, end - 1 - window.start):
            if 0 <= cut < WINDOW:
                place = slice(cut // 25 * 25, cut // 25 * 25 + 25)
                # The signal is cuts per bp.
                found["cuts"][place] += scale * cuts[0, cut // 25] / 25 / 25
    return found


def oracle(bench: Bench, windows: list[Interval], scale: float) -> dict[str, dict[str, np.ndarray]]:
    """Track to contig to the weighted mean over windows, NaN where there is none."""
    sums = {t: {c: np.zeros(n) for c, n in LENGTHS.items()} for t in TRACKS}
    weights = {c: np.zeros(n) for c, n in LENGTHS.items()}
    for window in windows:
        values = contributions(bench, window, scale)
        for i in range(WINDOW):
            base = window.start + i
            if 0 <= base < LENGTHS[window.chrom]:
                weight = 1 - abs(i + 0.5 - WINDOW / 2) / (WINDOW / 2)
                weights[window.chrom][base] += weight
                for track in TRACKS:
                    sums[track][window.chrom][base] += weight * values[track][i]
    with np.errstate(invalid="ignore"):
        return {t: {c: sums[t][c] / weights[c] for c in LENGTHS} for t in TRACKS}


def tracks(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    found = {}
    for name in TRACKS:
        with pyBigWig.open(str(folder / f"{name}.bw")) as file:
            assert file.chroms() == LENGTHS
            found[name] = {c: file.values(c, 0, n, numpy=True) for c, n in LENGTHS.items()}
    return found


def test_tracks_hold_each_base_s_merged_contribution(bench: Bench) -> None:
    result = bench.run(regions=bench.bed(*REGIONS))
    folder = bench.folder / "out" / "TF1"
    scale = 1 / result.record.assays["atac"].per_kb
    windows = []
    for line in REGIONS:
        chrom, start, end = line.split()[:3]
        windows.append(Interval.centred(chrom, (int(start) + int(end)) // 2, WINDOW))
    expected, found = oracle(bench, windows, scale), tracks(folder)
    for track in TRACKS:
        for chrom in LENGTHS:
            np.testing.assert_allclose(
                found[track][chrom], expected[track][chrom], rtol=1e-5, atol=1e-6, err_msg=track
            )
    covered = sum(int((~np.isnan(found["importance"][chrom])).sum()) for chrom in LENGTHS)
    assert result.labels[0].bases == covered
    for chrom, values in found["importance"].items():
        unknown = bench.toy.bases[chrom] == ord("N")
        assert (values[unknown & ~np.isnan(values)] == 0).all()


def test_arrays_and_sites_stand_in_the_same_order(bench: Bench) -> None:
    bench.run(regions=bench.bed(*REGIONS))
    found = read_contributions(bench.folder / "out" / "TF1")
    assert [site.name for site in found.sites] == [
        *"bcdd",
        "touching",
        "left",
        "right",
        "a",
        "e",
        "t",
    ]
    assert found.window == WINDOW
    assert found.start.tolist()[5:7] == [2 - WINDOW // 2, 998 - WINDOW // 2]
    fake = FakeExplainer(bench.spec)
    for i in range(len(found)):
        chrom, start = str(found.chrom[i]), int(found.start[i])
        centre = list(found.sites)[i].interval.centre
        assert (chrom, start) == (list(found.sites)[i].chrom, centre - WINDOW // 2)
        bases = bench.toy.fetch(Interval(chrom, start, start + WINDOW))
        np.testing.assert_array_equal(
            found.sequences()[i], bases == np.frombuffer(b"ACGT", np.uint8)[:, None]
        )
    arrays = {"dna": found.sequences().astype(np.float32)}
    arrays |= {name: found.values(name) for name in found.inputs}
    again = fake.explain(arrays)
    assert again.sequence is not None
    np.testing.assert_array_equal(found.hypothetical(), again.hypothetical)
    np.testing.assert_allclose(found.importance(), again.sequence)
    for name in ("atac", "cuts"):
        np.testing.assert_array_equal(found.contributions(name), again.inputs[name])
    for name in ("dna", "atac", "cuts"):
        np.testing.assert_array_equal(found.filter_contributions(name), again.filters[name])
    np.testing.assert_array_equal(found.logit, again.logit)
    np.testing.assert_array_equal(found.difference, again.difference)
    np.testing.assert_allclose(found.total, again.total(), rtol=1e-6)


@pytest.mark.parametrize("rule", ["centre", "mean", "max"])
def test_order_of_regions_and_batches_change_no_byte(bench: Bench, rule: str) -> None:
    bench.run("one", regions=bench.bed(*REGIONS), merge=rule)
    order = np.random.default_rng(3).permutation(len(REGIONS))
    bench.use(FakeExplainer(bench.spec, batch=3))
    bench.run("two", regions=bench.bed(*(REGIONS[i] for i in order)), merge=rule)
    one, two = files(bench.folder / "one"), files(bench.folder / "two")
    assert len(one) == 7 + len(TRACKS)
    assert one == two


def test_the_merge_rule_is_the_one_asked_for(bench: Bench) -> None:
    digests = set()
    for rule in ("centre", "mean", "max"):
        bench.run(rule, regions=bench.bed(*REGIONS), merge=rule)
        digests.add(files(bench.folder / rule)["TF1/importance.bw"])
    assert len(digests) == 3


def test_contributions_of_a_lone_window_are_spread_over_its_bases(bench: Bench) -> None:
    bench.run(regions=bench.bed("chr2 1990 2010 a 5 +"))
    found = read_contributions(bench.folder / "out" / "TF1")
    values = tracks(bench.folder / "out" / "TF1")
    for name, (first, last) in CLASSES.items():
        total = np.nansum(values[f"atac.{name}"]["chr2"])
        assert total == pytest.approx(found.contributions("atac")[0, first:last].sum(), rel=1e-5)
    assert np.nansum(values["cuts"]["chr2"]) == pytest.approx(
        found.contributions("cuts").sum(), rel=1e-5
    )
    assert np.nansum(values["importance"]["chr2"]) == pytest.approx(
        found.importance().sum(), rel=1e-5
    )


def test_the_table_of_sites_and_the_summary(bench: Bench) -> None:
    result = bench.run(regions=bench.bed(*REGIONS))
    folder = bench.folder / "out" / "TF1"
    found = read_contributions(folder)
    header, *rows = [line.split("\t") for line in (folder / "sites.tsv").read_text().splitlines()]
    parts = ("sequence", "shape", "atac", "cuts")
    assert header[11:15] == [f"contribution.{name}" for name in parts]
    assert header[15:] == [*(f"share.{name}" for name in parts), "completeness_error"]
    table = np.array([[float(value) for value in row[8:]] for row in rows])
    np.testing.assert_allclose(table[:, 0], found.logit, rtol=1e-5)
    np.testing.assert_allclose(table[:, 3:7].sum(axis=1), found.total, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(table[:, 7:11].sum(axis=1), 1, rtol=1e-4)
    sizes = {
        "sequence": np.abs(found.importance()).sum(),
        "atac": np.abs(found.contributions("atac")).sum(),
        "cuts": np.abs(found.contributions("cuts")).sum(),
    }
    (summary,) = result.labels
    assert summary.sites == len(REGIONS)
    assert summary.title == "factor 1"
    assert summary.mean_logit == pytest.approx(found.logit.mean(), rel=1e-5)
    assert sum(summary.shares.values()) == pytest.approx(1)
    for name, size in sizes.items():
        ratio = summary.shares[name] / summary.shares["sequence"]
        assert ratio == pytest.approx(size / sizes["sequence"], rel=1e-5)


def test_completeness_is_reported_and_warned_of(bench: Bench) -> None:
    notes = Notes()
    regions = bench.bed(*REGIONS)
    summary = bench.run("good", notes, regions=regions).labels[0]
    assert summary.completeness is not None
    assert summary.completeness.maximum == summary.completeness.above == 0
    assert not [line for line in notes.lines if line.startswith("warning: TF1")]
    bench.use(FakeExplainer(bench.spec, error=0.01))
    result = bench.run("bad", notes, regions=regions)
    complete = result.labels[0].completeness
    assert complete is not None
    assert complete.median == pytest.approx(0.01 / 1.01, rel=1e-3)
    assert complete.above == len(REGIONS)
    assert result.record.results["completeness_error"] == COMPLETENESS
    assert result.record.results["labels"]["TF1"]["completeness"]["above"] == len(REGIONS)
    (warning,) = [line for line in notes.lines if line.startswith("warning: TF1")]
    assert "TF1: at 10 of 10 sites the contributions do not add up" in warning


def test_gradient_times_input_promises_no_sum(bench: Bench) -> None:
    result = bench.run(regions=bench.bed(*REGIONS), method="gradient*input")
    assert result.labels[0].completeness is None
    assert result.labels[0].mean_difference is None
    record = json.loads((bench.folder / "out" / "run.json").read_text())
    assert record["labels"]["TF1"]["completeness"] is None
    assert np.isnan(read_contributions(bench.folder / "out" / "TF1").difference).all()


def test_several_labels_and_the_record(bench: Bench) -> None:
    notes = Notes()
    options = {
        "heads": ("TF1", "S2", "H3", "TF1"),
        "regions": bench.bed(*REGIONS),
        "chroms": ("chr1",),
    }
    result = bench.run("out", notes, **options)
    out = bench.folder / "out"
    assert list(explained_labels(out)) == ["H3", "S2", "TF1"]
    record = json.loads((out / "run.json").read_text())
    assert list(record["labels"]) == ["TF1", "S2", "H3"]
    assert record["labels"]["TF1"]["weights"] == {"factors.TF1": 1 / 64}
    third = 1 / 64 / 3
    assert record["labels"]["S2"]["weights"] == pytest.approx(
        {"chromatin.S0": -third, "chromatin.S1": -third, "chromatin.S2": 2 * third}
    )
    assert record["fragment_classes"] == {
        "atac": {
            "subnucleosomal": [20, 140],
            "mononucleosomal": [140, 300],
            "dinucleosomal": [300, 500],
        }
    }
    for key, value in (("kind", "explain"), ("sites", "regions")):
        assert record[key] == value
    for key, value in (("merge", "centre"), ("seed", 0), ("heads", ["TF1", "S2", "H3", "TF1"])):
        assert record["options"][key] == value
    graph = out.parent / "input" / "tiny"
    for where, name in (
        (record["model"], "predict.onnx"),
        (record["model"]["explain"], "explain.onnx"),
    ):
        assert where["sha256"] == hashlib.sha256((graph / name).read_bytes()).hexdigest()
    assert set(record["outputs"]) == set(files(out))
    assert json.loads(result.record.to_json()) == record
    assert notes.stages["explaining S2"] == [4, 5]
    assert "S2: 5 sites" in notes.lines


def test_the_genome_s_mean_as_baseline(bench: Bench) -> None:
    seen: dict[str, np.ndarray] = {}

    class Remembers(FakeExplainer):
        def with_baselines(self, baselines: dict[str, np.ndarray]) -> FakeExplainer:
            seen.update(baselines)
            return self

    bench.use(Remembers(bench.spec))
    bench.run(regions=bench.bed(REGIONS[0]), baseline="mean")
    assert {name: array.shape for name, array in seen.items()} == {"atac": (5, 30), "cuts": (1, 12)}
    assert (seen["atac"] == seen["atac"][:, :1]).all()
    assert seen["cuts"].min() > 0


def test_models_that_read_no_bases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ToyGenome
) -> None:
    dna, vplot, _ = explained_spec().inputs
    shape = InputSpec("sequence", "dna", bases=False, shape=dna.shape)
    bench = Bench.make(tmp_path, monkeypatch, toy, explained_spec(inputs=(shape, vplot)))
    bench.run(regions=bench.bed(*REGIONS))
    found = read_contributions(tmp_path / "out" / "TF1")
    assert not found.has_bases
    names = {path.name for path in (tmp_path / "out" / "TF1").glob("*.bw")}
    assert names == {f"{name}.bw" for name in TRACKS if name not in ("importance", "cuts")}


# Runs of ``explain``: which labels, and what stands in the folder before and after.


SOME_REGIONS = ("chr2 1990 2010 a 5 +", "chr1 2000 2001 b 900 -", "chr1 2100 2102 c 1 .")


def test_all_labels(bench: Bench) -> None:
    bench.run(heads=("all",), regions=bench.bed(SOME_REGIONS[0]))
    assert list(explained_labels(bench.folder / "out")) == ["H3", "S0", "S1", "S2", "TF1", "TF2"]
    bench.run("calls", heads=("all",), max_sites=2)
    assert list(explained_labels(bench.folder / "calls")) == ["S0", "S1", "S2", "TF1", "TF2"]


def test_labels_of_one_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ToyGenome
) -> None:
    factors = explained_spec().heads[1]
    spec = explained_spec(heads=(factors, replace(factors, name="other")))
    bench = Bench.make(tmp_path, monkeypatch, toy, spec)
    regions = bench.bed(SOME_REGIONS[0])
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
        bench.run(heads=("all",), regions=bench.bed(SOME_REGIONS[0]))


def test_a_failure_leaves_nothing(bench: Bench) -> None:
    class Fails(FakeExplainer):
        def stream(self, *args):
            for number, item in enumerate(super().stream(*args)):
                if number == 1:
                    raise OutputError("no more")
                yield item

    regions = bench.bed(*SOME_REGIONS)
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
    regions = bench.bed(*SOME_REGIONS)
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
        bench.run(regions=bench.bed(*SOME_REGIONS), force=True)
    assert (out / "states.bed").read_text() == "precious"

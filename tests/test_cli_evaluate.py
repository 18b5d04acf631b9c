"""``chromputer evaluate`` on a toy genome and a tiny model whose logits are known exactly."""

import dataclasses
import json
import re

import numpy as np
import onnxruntime as ort
import pytest
from evaluate_toy import CONFIG, SPLITS, make_toy, rows, run
from scored_sites import load_sites
from sklearn.metrics import accuracy_score, average_precision_score, confusion_matrix, f1_score
from tiny_models import tiny_spec, write_tiny_model

from chromputer_tracks.analysis.evaluate.run import EvaluateRecord, _check_bins
from chromputer_tracks.data.features import Features
from chromputer_tracks.errors import InputError
from chromputer_tracks.evaluation import baselines
from chromputer_tracks.evaluation.scores import Scores
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.fragments import FragmentOptions
from chromputer_tracks.io.record import RunRecord
from chromputer_tracks.records import from_plain


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("toy"))


def window_logits(folder, model, chrom, centres):
    """Logits of one window a site, by ONNX Runtime."""
    spec = tiny_spec()
    session = ort.InferenceSession(str(folder / model / "predict.onnx"))
    options = FragmentOptions()
    with (
        Fasta(folder / "toy.fa") as fasta,
        FragmentStore.build(folder / "toy.fragments.tsv.gz", fasta.sizes, options) as store,
    ):
        features = Features(spec.inputs, fasta, {"atac": store})
        windows = [features.arrays(Interval(chrom, int(at) - 150, int(at) + 150)) for at in centres]
        batch = {name: np.stack([each[name] for each in windows]) for name in windows[0]}
        return session.run(["logits"], batch)[0][:, :, 0].T


def softmax(logits):
    weights = np.exp(logits.astype(float) - logits.max(axis=0))
    return weights / weights.sum(axis=0)


@pytest.fixture(scope="module", autouse=True)
def small_forest():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(baselines._FOREST, "n_estimators", 20)
        yield


@pytest.fixture(scope="module")
def scored(toy):
    """One run with everything: two models, baselines, replicates."""
    out = toy / "out"
    result = run(
        *(toy / "tiny", toy / "second", "--config", toy / "toy.toml", "--out", out),
        *("--baselines", "--draws", 50, "--threads", 1),
        *("--replicate-states", toy / "states_again.bed"),
        *("--replicate", f"TF1={toy / 'TF1_again.bed'}"),
    )
    assert result.exit_code == 0, result.output
    return out, result


def test_what_ships_is_scored_at_the_right_bins(toy, scored):
    out, _ = scored
    sites, heads = load_sites(out / "sites-tiny.npz")
    centres = np.arange(250) * 200 + 100
    assert sites.contigs == ("chr3",)
    np.testing.assert_array_equal(sites.centre, centres)
    logits = window_logits(toy, "tiny", "chr3", centres)
    # The configuration's order of labels; TF9 is not the model's.
    np.testing.assert_allclose(sites.logits[[0, 1, 2, 3, 5]], logits[[0, 1, 2, 4, 3]], atol=1e-5)
    assert np.isnan(sites.logits[4]).all()
    states = {int(row[1]): int(row[3][1]) for row in read(toy / "states.bed", "chr3")}
    assert [states.get(at - 100, -1) for at in centres] == sites.states.tolist()
    bound = {int(row[1]) // 200 for row in read(toy / "TF1.bed", "chr3")}
    assert [int(at // 200 in bound) for at in centres] == sites.binary[2].tolist()
    names = [[label.name for label in head.labels] for head in heads]
    assert names == [["S0", "S1", "S2"], ["TF2", "TF9", "TF1"]]
    assert heads[1].labels[2].threshold == 0.6
    assert heads[1].labels[0].bias == 0.5


def read(path, contig):
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    return [line for line in lines if line[0] == contig]


def test_scores_are_those_of_scikit_learn(toy, scored):
    out, _ = scored
    record = json.loads((out / "scores.json").read_text())
    found = {item["name"]: from_plain(Scores, item["scores"]) for item in record["scored"]}
    sites, _ = load_sites(out / "sites-tiny.npz")
    calibrated = sites.logits / 64 + np.array([0, 0.1, 0.2, 0, 0, 0])[:, None]
    shares = softmax(calibrated[:3])
    known = sites.states >= 0
    truth, called = sites.states[known], shares[:, known].argmax(axis=0)
    states = found["tiny"].states
    assert states.accuracy.value == pytest.approx(accuracy_score(truth, called), rel=1e-3)
    assert states.macro_f1.value == pytest.approx(
        f1_score(truth, called, average="macro"), rel=1e-3
    )
    assert states.confusion == tuple(map(tuple, confusion_matrix(truth, called).tolist()))
    assert [label.name for label in found["tiny"].binary] == ["TF2", "TF1"]
    for label, row in zip(found["tiny"].binary, (3, 5), strict=True):
        expected = average_precision_score(sites.binary[row - 3], sites.logits[row])
        assert label.auprc.value == pytest.approx(expected, rel=1e-3)
    called = 1 / (1 + np.exp(1 - sites.logits[5] / 64)) >= 0.6
    expected = f1_score(sites.binary[2], called)
    assert found["tiny"].binary[1].f1.value == pytest.approx(expected, rel=1e-3)
    majority = np.bincount([int(row[3][1]) for row in read(toy / "states.bed", "chr1")]).argmax()
    assert found["majority class"].states.accuracy.value == pytest.approx(
        (truth == majority).mean(), rel=1e-3
    )
    assert all(label.f1.value == 0 for label in found["majority class"].binary)
    assert record["provenance"]["contigs"] == ["chr3"]
    assert set(record["provenance"]["files"]) >= {"model tiny", "fasta", "states", "TF1", "atac"}


def test_the_ceiling_is_the_agreement_of_the_replicates(toy, scored):
    out, _ = scored
    states = {row["name"]: row for row in rows(out / "states.tsv")}
    first, second = (
        {(row[0], row[1]): row[3] for row in read(toy / f"{name}.bed", "chr3")}
        for name in ("states", "states_again")
    )
    agreed = np.mean([second[place] == state for place, state in first.items()])
    assert float(states["replicate"]["accuracy"]) == pytest.approx(agreed, rel=1e-3)
    bound, again = (
        {int(row[1]) // 200 for row in read(toy / f"{name}.bed", "chr3")}
        for name in ("TF1", "TF1_again")
    )
    f1 = 2 * len(bound & again) / (len(bound) + len(again))
    (row,) = (
        row
        for row in rows(out / "labels.tsv")
        if (row["name"], row["kind"]) == ("replicate", "binary")
    )
    assert row["label"] == "TF1"
    assert float(row["f1"]) == pytest.approx(f1, rel=1e-3)


def test_tables_and_files(scored):
    out, result = scored
    assert sorted(path.name for path in out.iterdir()) == [
        "confusion.tsv",
        "labels.tsv",
        "paired.tsv",
        "report.html",
        "report.tables.tsv",
        "run.json",
        "scores.json",
        "sites-other.npz",
        "sites-tiny.npz",
        "states.tsv",
    ]
    names = ["tiny", "other", "majority class", "gene proximity", "random forest", "replicate"]
    assert [row["name"] for row in rows(out / "states.tsv")] == names
    pairs = {(row["first"], row["second"]) for row in rows(out / "paired.tsv")}
    assert pairs == {("tiny", other) for other in [*names[1:-1], "motif scan"]}
    labels = {(row["name"], row["label"]) for row in rows(out / "labels.tsv")}
    assert ("motif scan", "TF2") in labels
    assert ("motif scan", "TF1") not in labels
    assert ("random forest", "TF9") in labels
    text = result.stderr
    assert result.stdout == ""
    for line in (
        "note: tiny does not predict TF9: not scored",
        "chromatin states",
        "labels: tiny",
        "AUPRC of each label",
        "F1 of each label",
        "tiny minus each other",
        "250 bins of 200 bp on chr3",
        "50 resamples of the 3 blocks of 20 kb",
        f"look at {out / 'report.html'}",
    ):
        assert line in text.replace("\n", " "), line
    (state_row,) = re.findall(r"│ tiny +│ (0\.\d+) \[", text.split("each state")[0])
    assert float(state_row) == pytest.approx(
        float(rows(out / "states.tsv")[0]["accuracy"]), abs=6e-4
    )
    page = (out / "report.html").read_text()
    assert "does not predict TF9" in page
    assert "<svg" in page


def test_parts_of_the_fragments_are_scored(toy, tmp_path):
    out = tmp_path / "out"
    result = run(
        *(toy / "tiny", toy / "second", "--config", toy / "toy.toml", "--out", out),
        *("--draws", 20, "--seed", 4, "--by-depth"),
    )
    assert result.exit_code == 0, result.output
    found = rows(out / "depths.tsv")
    shares = ["1", "0.5", "0.25", "0.1", "0.05", "0.02"][: len(found) // 2]
    assert [(row["name"], row["share"]) for row in found] == [
        (name, share) for name in ("tiny", "other") for share in shares
    ]
    # All fragments: as scored beside.
    for row, states in zip(found[:: len(shares)], rows(out / "states.tsv"), strict=True):
        for figure in ("accuracy", "accuracy_low", "accuracy_high", "macro_f1", "macro_f1_high"):
            assert row[figure] == states[figure]
        each = [
            float(label["auprc"])
            for label in rows(out / "labels.tsv")
            if (label["name"], label["kind"]) == (row["name"], "binary")
        ]
        # TF9 is not predicted, and counts for nothing.
        assert float(row["mean_auprc"]) == pytest.approx(np.mean(each), abs=2e-4)
    with (
        Fasta(toy / "toy.fa") as fasta,
        FragmentStore.build(toy / "toy.fragments.tsv.gz", fasta.sizes) as store,
        store.thinned(0.25, 0) as thin,
    ):
        assert float(found[2]["fragments_per_kb"]) == pytest.approx(thin.density, rel=1e-3)
        options = ("mean_auprc", "accuracy")
        assert any(found[2][name] != found[0][name] for name in options)
    local = [row for row in rows(out / "local.tsv") if row["name"] == "tiny"]
    assert sum(int(row["sites"]) for row in local) == 250 * len(shares)
    assert "with parts of the fragments: tiny" in result.stderr
    assert len(json.loads((out / "scores.json").read_text())["by_depth"]) == 2


def test_a_second_run_leaves_nothing_of_the_first(toy, tmp_path):
    out = tmp_path / "out"
    common = ("--config", toy / "toy.toml", "--out", out, "--draws", 10)
    assert run(toy / "tiny", toy / "second", *common).exit_code == 0
    assert {"paired.tsv", "sites-tiny.npz", "sites-other.npz"} <= {p.name for p in out.iterdir()}
    again = run(toy / "tiny", *common)
    assert again.exit_code == 0, again.output
    assert "results of an earlier `chromputer evaluate`" in again.stderr.replace("\n", " ")
    record = RunRecord.read(out)
    assert (record.kind, record.options["models"]) == ("evaluate", [str(toy / "tiny")])
    files = (
        "confusion.tsv labels.tsv report.html report.tables.tsv scores.json sites.npz states.tsv"
    )
    assert list(record.outputs) == files.split()
    assert {p.name for p in out.iterdir()} == {"run.json", *record.outputs}
    assert record.results_as(EvaluateRecord, out).contigs == ("chr3",)
    assert record.inputs["model tiny"].path == str(toy / "tiny" / "predict.onnx")
    assert {row["name"] for row in rows(out / "states.tsv")} == {"tiny"}


def test_a_folder_of_other_things_is_left_alone(toy, tmp_path):
    (tmp_path / "mine.txt").touch()
    common = (toy / "tiny", "--config", toy / "toy.toml", "--out", tmp_path, "--draws", 10)
    refused = run(*common)
    assert refused.exit_code == 1
    assert "holds files that are not of an earlier run" in refused.stderr.replace("\n", " ")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    forced = run(*common, "--force")
    assert forced.exit_code == 0, forced.output
    assert {"mine.txt", "scores.json"} <= {path.name for path in tmp_path.iterdir()}


SAMPLES = """
[[samples]]
name = "K562"
assays = { atac = "toy.fragments.tsv.gz" }
states = "states.bed"
peaks = { TF1 = ["TF1.bed"], TF2 = ["TF2.bed"] }
[[samples]]
name = "HSC"
use = "test"
assays = { atac = "toy.fragments.tsv.gz" }
states = "states_again.bed"
"""


@pytest.fixture(scope="module")
def two_samples(toy):
    path = toy / "two.toml"
    text = re.sub(r'(?m)^(fragments|bed|peaks) = ".*"\n', "", CONFIG)
    text = re.sub(r'\[\[binary\]\]\nname = "TF9"\n', "", text)
    path.write_text(text + SAMPLES)
    return path


def test_a_matrix_of_models_by_samples(toy, two_samples, tmp_path):
    out = tmp_path / "out"
    found = run(
        *(toy / "tiny", toy / "second", "--config", two_samples, "--out", out),
        *("--draws", 20, "--baselines"),
    )
    assert found.exit_code == 0, found.output
    by_place = {(row["name"], row["sample"]): row["accuracy"] for row in rows(out / "states.tsv")}
    assert set(by_place) >= {(m, s) for m in ("tiny", "other") for s in ("K562", "HSC")}
    matrix = found.stderr.split("accuracy of each model on each sample")[1]
    for name in ("tiny", "other", "random forest"):
        (line,) = re.findall(rf"│ {name} +│(.*)│", matrix.split("minus each other")[0])
        shown = re.findall(r"(0\.\d{3}) \[", line)
        assert [float(value) for value in shown] == pytest.approx(
            [float(by_place[name, sample]) for sample in ("K562", "HSC")], abs=6e-4
        )
    # The second sample has no peaks; the first run of states is another there.
    assert {row["sample"] for row in rows(out / "labels.tsv") if row["kind"] == "binary"} == {
        "K562"
    }
    assert by_place["tiny", "K562"] != by_place["tiny", "HSC"]
    assert (out / "sites-tiny-HSC.npz").exists()
    one = run(
        *(toy / "tiny", "--config", two_samples, "--out", tmp_path / "one"),
        *("--sample", "HSC", "--draws", 20),
    )
    assert one.exit_code == 0, one.output
    (row,) = rows(tmp_path / "one" / "states.tsv")
    assert (row["sample"], row["accuracy"]) == ("HSC", by_place["tiny", "HSC"])


# ---- ``chromputer evaluate``: what it refuses, and what it says of models that fit in part.


def test_validation_contigs_are_noted_and_training_contigs_refused(toy, tmp_path):
    common = (toy / "tiny", "--config", toy / "toy.toml", "--draws", 10, "--out", tmp_path / "out")
    found = run(*common, "--split", "validation")
    assert found.exit_code == 0, found.output
    assert "tiny was tuned and calibrated on chr2" in found.stderr.replace("\n", " ")
    sites, _ = load_sites(tmp_path / "out" / "sites.npz")
    assert sites.contigs == ("chr2",)
    refused = run(*common, "--contigs", "chr3,chr1")
    assert refused.exit_code == 1
    assert "model tiny was trained on chr1" in refused.stderr.replace("\n", " ")
    allowed = run(*common, "--contigs", "chr3,chr1", "--allow-training-contigs")
    assert allowed.exit_code == 0, allowed.output
    assert "its figures there are too good" in allowed.stderr.replace("\n", " ")
    sites, _ = load_sites(tmp_path / "out" / "sites.npz")
    assert sites.contigs == ("chr3", "chr1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--contigs", "chr9"), r"chr9.*--contigs stands for splits.test here"),
        (("--contigs", "chr4"), r"chr4.*--contigs stands for splits.test here"),
        (("--sample", "HSC"), "--sample HSC: .*toy.toml has no such sample; it has sample"),
        (("--replicate", "TF7=x.bed"), "--replicate TF7: .*no such binary label; it has TF2, TF9"),
        (("--replicate-states", "none.bed"), "cannot read none.bed"),
        (("--baselines", "--tss", "none.bed"), "cannot read none.bed"),
    ],
)
def test_what_cannot_be_scored_is_one_clear_error(toy, tmp_path, arguments, message):
    found = run(
        *(toy / "tiny", "--config", toy / "toy.toml", "--out", tmp_path / "out", "--draws", 10),
        *arguments,
    )
    assert found.exit_code == 1
    assert re.search(message, found.stderr.replace("\n", " ")), found.stderr
    assert "predicting" not in found.stderr  # it is found before
    assert not (tmp_path / "out").exists()


def test_models_that_speak_for_other_bins(toy, tmp_path):
    config = tmp_path / "wide.toml"
    config.write_text("label_bin = 400\n" + CONFIG)
    common = ("--data", toy, "--out", tmp_path / "out")
    found = run(toy / "tiny", "--config", config, *common)
    assert found.exit_code == 1
    message = "speaks for bins of 200 bp, but the configuration's label_bin is 400"
    assert message in found.stderr.replace("\n", " ")
    with pytest.raises(InputError, match="stride of 30 bp, which does not divide label_bin"):
        _check_bins("tiny", tiny_spec(stride=30), 200)


def test_models_without_the_labels(toy, tmp_path):
    spec = tiny_spec(splits=SPLITS)
    names = {"S0": "A", "S1": "B", "S2": "C", "TF1": "X", "TF2": "Y"}
    heads = tuple(
        dataclasses.replace(
            head,
            labels=tuple(dataclasses.replace(item, name=names[item.name]) for item in head.labels),
        )
        for head in spec.heads
    )
    write_tiny_model(tmp_path / "strange", dataclasses.replace(spec, heads=heads))
    common = ("--config", toy / "toy.toml", "--out", tmp_path / "out", "--draws", 10)
    found = run(tmp_path / "strange", *common)
    assert found.exit_code == 1
    assert "predicts none of the configuration's labels" in found.stderr.replace("\n", " ")
    # Two of three states are no shares of three; the factors are scored.
    states, factors = spec.heads
    renamed = (dataclasses.replace(states.labels[0], name="Q"), *states.labels[1:])
    heads = (dataclasses.replace(states, labels=renamed), factors)
    write_tiny_model(tmp_path / "half", dataclasses.replace(spec, heads=heads, assembly="hg"))
    found = run(tmp_path / "half", *common)
    assert found.exit_code == 0, found.output
    text = found.stderr.replace("\n", " ")
    assert "does not predict S0, S1, S2, TF9: not scored" in text
    assert "no labels for Q, S1, S2 of tiny: not scored" in text
    assert "trained on another assembly (hg)" in text
    assert not (tmp_path / "out" / "states.tsv").exists()


def test_names_of_models(toy, tmp_path):
    spec = tiny_spec(splits=SPLITS)
    for name in ("a", "b/a", "c"):
        write_tiny_model(tmp_path / name, spec)
    common = ("--config", toy / "toy.toml", "--out", tmp_path / "out", "--draws", 10)
    found = run(tmp_path / "a", tmp_path / "c", *common)
    assert found.exit_code == 0, found.output
    assert (tmp_path / "out" / "sites-a.npz").exists()
    assert (tmp_path / "out" / "sites-c.npz").exists()
    found = run(tmp_path / "c", tmp_path / "c", *common)
    assert found.exit_code == 1
    assert "is given twice" in found.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--contigs", "chr3,,chr2"),
        ("--contigs", "chr3,chr3"),
        ("--replicate", "TF1"),
        ("--replicate", "=x"),
        ("--replicate", "TF1=a", "--replicate", "TF1=b"),
        ("--draws", "0"),
        ("--split", "train"),
    ],
)
def test_a_wrong_command_line(toy, tmp_path, arguments):
    found = run(toy / "tiny", "--config", toy / "toy.toml", "--out", tmp_path / "out", *arguments)
    assert found.exit_code == 2
    assert not (tmp_path / "out").exists()

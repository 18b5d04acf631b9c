"""Training as a whole on a toy genome with a planted motif: configuration in, model folder out."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from scored_sites import load_sites
from sklearn.metrics import average_precision_score
from toy_training import BIN, LENGTHS, Lines, Run, Toy, make_toy, recorded, shorter, train

from chromputer_tracks.analysis.evaluate.measure import measure_model
from chromputer_tracks.data.features import Features, probabilities
from chromputer_tracks.data.fitness import profile_sample
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import ConfigError, ContigError, OptionError, OutputError
from chromputer_tracks.inference.explain import head_weights, open_explainer
from chromputer_tracks.inference.session import load_model
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.record import RunRecord
from chromputer_tracks.model.config import AuxiliaryConfig
from chromputer_tracks.model.dataset import SegmentDataset
from chromputer_tracks.model.experiment import Experiment
from chromputer_tracks.model.export import export_spec
from chromputer_tracks.model.sources import open_sources
from chromputer_tracks.model.training import train_model
from chromputer_tracks.options.train import TrainOptions


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def run(toy, tmp_path_factory) -> Run:
    return train(toy.config(), tmp_path_factory.mktemp("models") / "toy", write=True)


@pytest.fixture(scope="module")
def features(toy, run) -> Iterator[Features]:
    with (
        Fasta(toy.folder / "toy.fa") as fasta,
        FragmentStore.build(toy.folder / "toy.fragments.tsv", fasta.sizes) as store,
    ):
        yield Features(run.spec.inputs, fasta, {"atac": store})


def contig_arrays(features: Features, run: Run, chrom: str) -> dict[str, np.ndarray]:
    """Inputs whose outputs are all whole strides of a contig, as the genome stream makes them."""
    grid = run.spec.grid
    interval = grid.span(chrom, 0, LENGTHS[chrom] // grid.stride)
    return {name: array[None] for name, array in features.arrays(interval).items()}


@pytest.fixture(scope="module")
def exported(run, features) -> np.ndarray:
    """What the exported model says about each stride of the test contig, (outputs, strides)."""
    session = onnxruntime.InferenceSession(
        load_model(run.trained.folder).path, providers=["CPUExecutionProvider"]
    )
    (logits,) = session.run(["logits"], contig_arrays(features, run, "chr3"))
    return probabilities(logits, run.spec.heads)[0]


def test_the_model_folder_loads(run):
    folder = run.trained.folder
    model = load_model(folder)
    assert model.spec.to_json() == run.spec.to_json()
    names = {path.name for path in folder.iterdir()}
    assert names >= {"predict.onnx", "explain.onnx", "model.json", "README.md", "training"}
    assert 0 < run.trained.parity < 1e-4
    assert run.lines[0] == (
        "training on 1 contig: 180 sites, 65 segments an epoch; 2 states, 2 binary labels, "
        "1 continuous label, 1 auxiliary label"
    )
    # The auxiliary labels are learnt and then forgotten.
    assert [
        (head.kind, head.name, [label.name for label in head.labels]) for head in model.spec.heads
    ] == [
        ("states", "states", ["open", "closed"]),
        ("binary", "binary", ["TF"]),
        ("binary", "halves", ["Odd"]),
        ("continuous", "signal", ["Pol2"]),
    ]


def test_every_epoch_draws_its_own_segments(run):
    assert sorted(set(run.epochs)) == list(range(10))
    assert sum(line.startswith("epoch ") for line in run.lines) == 10


def test_the_exported_model_finds_the_planted_motif(toy, exported):
    # Label bin k is centred between stride bins 4 k + 1 and 4 k + 2; the larger one speaks for it.
    score = np.array([exported[2, 4 * k + 1 : 4 * k + 3].max() for k in range(60)])
    truth = toy.truth("chr3")
    assert 0.05 < truth.mean() < 0.3
    assert average_precision_score(truth, score) > 0.8
    # Calibrated: the mean probability is near the share of positives.
    assert score.mean() == pytest.approx(truth.mean(), abs=0.12)


def test_the_exported_model_explains_itself_by_the_planted_motif(toy, run, features):
    explainer = open_explainer(load_model(run.trained.folder), references=5, provider="cpu")
    places = [at for at in toy.planted["chr3"] if 500 < at < LENGTHS["chr3"] - 500]
    windows = [Interval.centred("chr3", at, run.spec.window) for at in places]
    middle = run.spec.window // 2
    shares = []
    for _, _, found in explainer.stream(features, windows, head_weights(run.spec, "TF")):
        assert (abs(found.total() - found.difference) < 1e-3 * abs(found.difference)).all()
        sizes = abs(found.sequence)
        shares += list(sizes[:, middle - 8 : middle + 8].sum(1) / sizes.sum(1))
    # 16 of the window's bases; what is beside them is background.
    assert np.median(shares) > 5 * 16 / run.spec.window


def test_the_continuous_head_follows_the_signal_in_its_own_units(toy, run, exported):
    values = np.full(LENGTHS["chr3"], 400.0)
    for at in toy.planted["chr3"]:
        values[max(at - 150, 0) : at + 150] = 4000.0
    # The mean over 200 bp around the middle of each stride, but for the ends of the contig.
    middles = np.arange(25, LENGTHS["chr3"] // 50 * 50, 50)[4:-4]
    observed = np.array([values[at - 100 : at + 100].mean() for at in middles])
    predicted = exported[4, 4:-4]
    assert np.corrcoef(np.log1p(observed), np.log1p(predicted))[0, 1] > 0.8
    assert predicted.mean() == pytest.approx(observed.mean(), rel=0.3)


def test_the_figures_are_those_of_the_test_contig(toy, run):
    assert set(run.spec.metrics) == {"validation", "test"}
    model, baselines = (run.spec.metrics["test"][key] for key in ("model", "baselines"))
    factor, odd = model["binary"]
    assert (factor["name"], odd["name"]) == ("TF", "Odd")
    scored = toy.truth("chr3")[5:]  # the blacklist hides the first five bins
    assert (factor["positives"], factor["sites"]) == (scored.sum(), len(scored))
    assert 0.8 < factor["auprc"]["value"] <= 1
    assert factor["auprc"]["low"] <= factor["auprc"]["value"] <= factor["auprc"]["high"]
    assert model["states"]["accuracy"]["value"] > 0.8
    assert model["continuous"][0]["pearson"]["value"] > 0.8
    assert model["continuous"][0]["explained"]["value"] > 0.5
    assert set(baselines) == {"majority class", "motif scan"}
    majority = baselines["majority class"]
    assert model["states"]["accuracy"]["value"] > majority["states"]["accuracy"]["value"] + 0.1
    assert model["states"]["macro_f1"]["value"] > majority["states"]["macro_f1"]["value"] + 0.2
    assert majority["binary"][0]["auprc"]["value"] == pytest.approx(scored.mean(), abs=1e-5)
    (scan,) = baselines["motif scan"]["binary"]  # Odd has no motif
    assert scan["name"] == "TF"
    assert scan["auprc"]["value"] > 0.6
    sites, heads = load_sites(run.trained.folder / "training" / "test.npz")
    assert heads == run.spec.heads
    np.testing.assert_array_equal(sites.binary[0, 5:], scored)
    assert (sites.binary[:, :5] == UNKNOWN).all()
    assert average_precision_score(scored, sites.logits[2, 5:]) == pytest.approx(
        factor["auprc"]["value"], abs=1e-4
    )


def test_the_spec_says_where_the_model_comes_from(toy, run):
    spec = json.loads((run.trained.folder / "model.json").read_text())
    assert spec["splits"] == {"train": ["chr1"], "validation": ["chr2"], "test": ["chr3"]}
    assert spec["provenance"]["seed"] == 3
    assert spec["provenance"]["command"] == "chromputer train toy.toml"
    assert list(spec["provenance"]["inputs"]) == [
        *("fasta", "blacklist", "state table", "atac", "states", "TF", "Odd", "Pol2"),
        "auxiliary Even",
    ]
    with Fasta(toy.folder / "toy.fa") as fasta:
        assert spec["sizes_digest"] == fasta.sizes.digest()


def network_logits(run: Run, features: Features) -> torch.Tensor:
    arrays = contig_arrays(features, run, "chr3")
    with torch.no_grad():
        return run.network(*(torch.from_numpy(array) for array in arrays.values()))[0]


def without_dates(run: Run) -> dict[str, object]:
    spec = json.loads(run.spec.to_json())
    del spec["provenance"]["date"]
    return spec


def without_times(run: Run) -> list[str]:
    return [line.split("), ")[0] for line in run.lines]


def test_the_same_seed_gives_the_same_model(toy, run, features, tmp_path):
    # An earlier run's logs and checkpoint lie there and change nothing.
    logs = tmp_path / "again" / "training"
    logs.mkdir(parents=True)
    for name in ("last.ckpt", "best.ckpt", "metrics.csv"):
        (logs / name).write_text("earlier")
    (tmp_path / "again" / "predict.onnx").write_text("earlier")
    again = train(toy.config(), tmp_path / "again", write=False, force=True)
    assert torch.equal(network_logits(again, features), network_logits(run, features))
    assert without_dates(again) == without_dates(run)
    assert without_times(again) == without_times(run)


def test_accuracy_by_depth_is_measured_at_the_end(toy, run):
    fitness = run.spec.fitness
    assert fitness.contigs == ("chr3",)
    assert [item.share for item in fitness.depths] == [1, 0.5, 0.25, 0.1]
    test = run.spec.metrics["test"]["model"]
    for key in ("accuracy", "macro_f1"):
        value = test["states"][key]
        assert getattr(fitness.depths[0], key) == (value["value"], value["low"], value["high"])
    each = [item["auprc"]["value"] for item in test["binary"]]
    assert fitness.depths[0].auprc[0] == pytest.approx(np.mean(each), abs=1e-4)
    # Of 12,100 bp at most.
    assert 0 <= fitness.local[0].fragments < fitness.local[-1].fragments < 100
    assert load_model(run.trained.folder).spec.fitness == fitness
    with (
        Fasta(toy.folder / "toy.fa") as fasta,
        FragmentStore.build(toy.folder / "toy.fragments.tsv", fasta.sizes) as store,
    ):
        assert fitness.samples == {"atac": profile_sample(store, fasta)}
    assert "### Thinner samples" in (run.trained.folder / "README.md").read_text()


@pytest.fixture
def copied(toy, run, tmp_path) -> TrainOptions:
    """A copy of the model as an earlier release left it, and how it is measured."""
    folder = tmp_path / "model"
    shutil.copytree(run.trained.folder, folder)
    (folder / "run.json").unlink()
    export_spec(folder, dataclasses.replace(run.spec, fitness=None), folder)
    (folder / "README.md").write_text("old")
    return TrainOptions(config=toy.folder / "toy.toml", out=folder, measure="only")


def test_a_model_is_measured_again_without_training(run, copied):
    before = {name: onnx.load(copied.out / name) for name in ("predict.onnx", "explain.onnx")}
    checkpoint = (copied.out / "training" / "last.ckpt").read_bytes()
    measured = measure_model(copied)
    spec = load_model(copied.out).spec
    assert spec == measured.spec
    assert dataclasses.replace(spec, fitness=None) == dataclasses.replace(run.spec, fitness=None)
    # On ONNX Runtime in place of PyTorch.
    for one, other in zip(spec.fitness.depths, run.spec.fitness.depths, strict=True):
        assert one.depth == other.depth
        for key in ("accuracy", "macro_f1", "auprc"):
            assert getattr(one, key) == pytest.approx(getattr(other, key), abs=0.02)
    for name, graph in before.items():
        after = onnx.load(copied.out / name)
        assert after.graph.SerializeToString() == graph.graph.SerializeToString()
        (found,) = [item.value for item in after.metadata_props]
        assert found == spec.to_json()
    assert (copied.out / "model.json").read_text() == spec.to_json() + "\n"
    assert "### Thinner samples" in (copied.out / "README.md").read_text()
    assert (copied.out / "training" / "last.ckpt").read_bytes() == checkpoint
    assert RunRecord.read(copied.out).options["measure"] == "only"


def test_start_sites_are_looked_at(copied, toy):
    """The spec then has the profile around them, and the record the file."""
    path = copied.out.parent / "tss.bed"
    path.write_text("chr1\t9000\t9001\ta\t0\t+\nchr2\t5000\t5001\tb\t0\t-\n")
    config = copied.out.parent / "with.toml"
    text = copied.config.read_text()
    config.write_text(text.replace("blacklist =", f'tss = "{path}"\nblacklist ='))
    measured = measure_model(dataclasses.replace(copied, config=config, data=toy.folder))
    profile = measured.spec.fitness.samples["atac"]
    assert profile.tss_enrichment > 0
    assert len(profile.tss_cuts) == 80
    assert RunRecord.read(copied.out).inputs["start sites"].path == str(path)


def test_bad_start_sites_are_found_before_training(toy, tmp_path):
    path = tmp_path / "tss.bed"
    path.write_text("chrX\t9000\t9001\ta\t0\t+\n")
    config = dataclasses.replace(
        toy.config(), data=dataclasses.replace(toy.config().data, tss=path)
    )
    with pytest.raises(ContigError, match="chrX"):
        train(config, tmp_path / "m", write=False)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("label_bin", None, "label_bin differs"),
        ("window = 600", "window = 700", "the window differs"),
        ('test = ["chr3"]', 'test = ["chr2"]', "the splits differ"),
        ("reference = 10", "reference = 20", "the inputs differ"),
        ('name = "Odd"', 'name = "Even"', "the labels differ"),
        ("peaks/TF.bed", "peaks/Even.bed", r"TF is another file \(.*Even\.bed\)"),
    ],
)
def test_a_model_is_measured_with_what_it_was_trained_with(copied, toy, wrong, right, message):
    text = copied.config.read_text()
    text = "label_bin = 100\n" + text if right is None else text.replace(wrong, right)
    if wrong.startswith("test"):
        text = text.replace('validation = ["chr2"]', 'validation = ["chr3"]')
    config = copied.out.parent / "other.toml"
    config.write_text(text)
    files = {path: path.read_bytes() for path in copied.out.glob("*.*")}
    other = dataclasses.replace(copied, config=config, data=toy.folder)
    with pytest.raises(ConfigError, match=f"was not trained with .*other.toml: {message}"):
        measure_model(other)
    assert {path: path.read_bytes() for path in copied.out.glob("*.*")} == files


def test_what_measures_does_not_train(copied):
    with pytest.raises(OptionError, match="trains nothing: measure_model does it"):
        train_model(copied)


def test_training_without_the_measurement(toy, tmp_path):
    options = TrainOptions(config=toy.folder / "toy.toml", out=tmp_path / "m", measure="no")
    report = Lines()
    with recorded(write=False):
        trained = train_model(options, report, shorter(toy.config(), 1))
    assert trained is not None
    assert trained.spec.fitness is None
    assert not [line for line in report.lines if "by depth" in line]
    assert "Thinner samples" not in (tmp_path / "m" / "README.md").read_text()


def test_another_seed_gives_another_model(toy, run, features, tmp_path):
    config = shorter(toy.config(), 1)
    one, other = (train(config, tmp_path / str(seed), write=False, seed=seed) for seed in (3, 4))
    difference = network_logits(other, features) - network_logits(one, features)
    assert difference.abs().max() > 0.01


def test_a_finished_run_that_is_resumed_gives_the_same_model(toy, run, features, tmp_path):
    shutil.copytree(run.trained.folder / "training", tmp_path / "again" / "training")
    # The files may lie elsewhere, if they hold the same.
    moved = Toy(tmp_path / "moved", toy.planted)
    shutil.copytree(toy.folder, moved.folder)
    again = train(moved.config(), tmp_path / "again", write=False, resume=True)
    assert again.epochs == []
    assert "resuming after epoch 10 of 10, which was the last" in again.lines
    assert torch.equal(network_logits(again, features), network_logits(run, features))
    assert without_dates(again) == without_dates(run)


def test_a_resumed_run_must_be_of_the_same_settings_and_files(toy, run, tmp_path):
    shutil.copytree(run.trained.folder / "training", tmp_path / "m" / "training")
    config = toy.config()
    (tmp_path / "TF.bed").write_text(
        (toy.folder / "peaks" / "TF.bed").read_text() + "chr3\t9\t10\n"
    )
    factor = dataclasses.replace(config.binary[0], peaks=(tmp_path / "TF.bed",))
    folder = toy.folder / "peaks"
    for changes, message in (
        ({"seed": 4}, r"seed was 3, now 4"),
        ({"label_bin": 100}, r"label_bin was 200, now 100"),
        (
            {"network": dataclasses.replace(config.network, hidden=8)},
            "network.hidden was 16, now 8",
        ),
        ({"data": dataclasses.replace(config.data, min_mapq=9)}, "data.min_mapq was 30, now 9"),
        ({"data": dataclasses.replace(config.data, blacklist=None)}, "SHA-256 of blacklist was"),
        ({"fit": dataclasses.replace(config.fit, batch=4)}, "batch was 8, now 4"),
        ({"auxiliary": AuxiliaryConfig(folder, 10, 0.5)}, "auxiliary.weight was 0.03, now 0.5"),
        ({"auxiliary": None}, "SHA-256 of auxiliary Even was .*, now not there"),
        (
            {"binary": (factor, config.binary[1])},
            "SHA-256 of TF was [0-9a-f]{64}, now [0-9a-f]{64}",
        ),
    ):
        changed = dataclasses.replace(config, **changes)
        with pytest.raises(ConfigError, match=f"cannot resume: .*last.ckpt.*{message}"):
            train(changed, tmp_path / "m", write=False, resume=True)


def test_prior_shifts_are_those_of_what_training_sees(toy):
    config = toy.config()
    with open_sources(config) as sources:
        experiment = Experiment(config, sources)
        (sample,) = sources.training_samples
        dataset = SegmentDataset(
            [sample.features], [sample.learnt], sources.sizes, config.network.grid
        )
        segments = experiment._plan.segments(0)
        seen = np.concatenate([dataset[s]["binary"].numpy() for s in segments], axis=1)
        shifts = experiment._prior_shifts()

    def log_odds(positives: int, known: int) -> float:
        share = (positives + 0.5) / (known + 1)
        return np.log(share / (1 - share))

    odd = {at // BIN for at in toy.planted["chr1"][1::2]}
    truths = [toy.truth("chr1"), np.array([int(k in odd) for k in range(180)])]
    assert len(shifts) == 2  # none of the auxiliary label
    for truth, drawn, shift in zip(truths, seen, shifts, strict=False):
        expected = log_odds(truth.sum(), len(truth))
        expected -= log_odds((drawn == 1).sum(), (drawn != UNKNOWN).sum())
        assert shift == pytest.approx(expected)
    assert shifts[0] < -0.5


def test_sites_leave_the_auxiliary_outputs_out(toy):
    config = toy.config()
    with open_sources(config) as sources:
        experiment = Experiment(config, sources)
        network = experiment.network()
        heads = (network.states_head, network.binary_head, network.continuous_head)
        with torch.no_grad():
            for head, values in zip(heads, ([1, 2], [3, 4, 5], [6]), strict=True):
                head.weight.zero_()
                head.bias.copy_(torch.tensor(values))
        network.train()
        sites = experiment.sites(network, ["chr3"])
        assert not network.training
        network.keep_binary(2)
        kept = experiment.sites(network, ["chr3"])
        labels = experiment.labels(["chr3"])
    for found in (sites, kept):
        assert found.logits.shape == (5, 60)
        assert found.logits[:, 0].tolist() == [1, 2, 3, 4, 6]
        assert (found.number_of_states, len(found.binary), len(found.continuous)) == (2, 2, 1)
    assert labels.logits.shape == (5, 60)
    np.testing.assert_array_equal(labels.binary, sites.binary)


def test_the_epoch_is_picked_by_all_labels_alike(toy):
    config = toy.config()
    with open_sources(config) as sources:
        experiment = Experiment(config, sources)
        network = experiment.network()
        figures = experiment._validate(network)
        sites = experiment.sites(network, ["chr2"])
    parts = []
    shifted = torch.softmax(torch.from_numpy(sites.logits[:2]), 0).numpy()
    for row in range(2):
        parts.append(average_precision_score(sites.states == row, shifted[row]))
    for row, name in ((0, "TF"), (1, "Odd")):
        value = average_precision_score(sites.binary[row], sites.logits[2 + row])
        assert figures[name] == pytest.approx(value)
        parts.append(value)
    correlation = np.corrcoef(np.log1p(sites.continuous[0]), sites.logits[4])[0, 1]
    assert figures["Pol2"] == pytest.approx(correlation)
    assert figures["score"] == pytest.approx(np.mean([*parts, correlation]))


def test_a_folder_that_cannot_be_made_is_found_before_training(toy, tmp_path):
    config = toy.config()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file is a file; name a folder"):
        train(config, tmp_path / "file" / "toy", write=False)
    with pytest.raises(OutputError, match="cannot write .*file: it is a file"):
        train(config, tmp_path / "file", write=False)

"""Training as a whole on a toy genome with a planted motif: configuration in, model folder out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pysam
import pytest
import torch
from sklearn.metrics import average_precision_score

from chromputer_tracks.data.features import Features
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.data.probabilities import probabilities
from chromputer_tracks.errors import ConfigError, FormatError, InputError, OutputError
from chromputer_tracks.inference.registry import load_model
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.model import training
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.dataset import SegmentDataset, SegmentPlan
from chromputer_tracks.model.network import Chromputer
from chromputer_tracks.model.sources import open_sources
from chromputer_tracks.model.training import Trained, train_model

LENGTHS = {"chr1": 36_000, "chr2": 12_000, "chr3": 12_100}
BIN = 200
# The core of JASPAR's Reb1 matrix, so that the motif scan has something to find.
WORD = "TTACCCGG"
COMPLEMENT = str.maketrans("ACGT", "TGCA")

CONFIG = """
name = "toy"
assembly = "toy1"
seed = 3
description = "A toy."
[data]
fasta = "toy.fa"
fragments = "toy.fragments.tsv"
blacklist = "blacklist.bed"
[splits]
train = ["chr1"]
validation = ["chr2"]
test = ["chr3"]
[states]
bed = "states.bed"
table = "states.tsv"
[[binary]]
name = "TF"
title = "the planted factor"
peaks = "peaks/TF.bed"
motif = "MA0363.3"
[auxiliary]
folder = "peaks"
minimum = 10
[inputs]
length_edges = [20, 100, 200, 400]
reference = 10
[network]
window = 600
motif_filters = 16
motif_width = 11
motif_context = 1
sequence_channels = 8
local_extent = 250
local_hidden = 16
vplot_channels = [4, 8]
context_channels = 16
dilations = [1]
hidden = 16
dropout = 0.1
[segments]
outputs = 20
jitter = 300
[fit]
epochs = 10
batch = 8
learning_rate = 0.02
precision = "32-true"
threads = 1
"""


@dataclass(frozen=True)
class Toy:
    """The toy's files and what was planted: contig to positions, bp, 0-based."""

    folder: Path
    planted: dict[str, list[int]]

    def centres(self, chrom: str) -> np.ndarray:
        return np.arange(BIN // 2, LENGTHS[chrom] // BIN * BIN, BIN)

    def truth(self, chrom: str) -> np.ndarray:
        """1 for the whole bins that hold a planted word."""
        bins = {at // BIN for at in self.planted[chrom]}
        return np.array([int(k in bins) for k in range(LENGTHS[chrom] // BIN)])


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Toy:
    folder = tmp_path_factory.mktemp("toy")
    rng = np.random.default_rng(12)
    planted, bases, fragments, states = {}, {}, [], []
    for chrom, length in LENGTHS.items():
        letters = rng.choice(list("ACGT"), length)
        places = rng.choice(np.arange(1, length // 500 - 1), length // 1100, replace=False)
        planted[chrom] = sorted(int(k) * 500 + int(rng.integers(300)) for k in places)
        for at in planted[chrom]:
            word = WORD if rng.integers(2) else WORD.translate(COMPLEMENT)[::-1]
            letters[at - 4 : at + 4] = list(word)
            for _ in range(12):
                middle, size = at + int(rng.integers(-60, 61)), int(rng.integers(30, 90))
                fragments.append((chrom, middle - size // 2, middle - size // 2 + size))
        for _ in range(length // 50):
            size = int(rng.integers(30, 390))
            start = int(rng.integers(0, length - size))
            fragments.append((chrom, start, start + size))
        bases[chrom] = "".join(letters)
        for start in range(0, length // BIN * BIN, BIN):
            near = any(start - BIN <= at < start + 2 * BIN for at in planted[chrom])
            states.append(f"{chrom}\t{start}\t{start + BIN}\t{'open' if near else 'closed'}\n")
    (folder / "toy.fa").write_text("".join(f">{name}\n{row}\n" for name, row in bases.items()))
    pysam.faidx(str(folder / "toy.fa"))
    rows = sorted(fragments)
    (folder / "toy.fragments.tsv").write_text("".join(f"{c}\t{s}\t{e}\n" for c, s, e in rows))
    (folder / "states.bed").write_text("".join(states))
    (folder / "states.tsv").write_text(
        "state\tname\tcolor\nopen\topen chromatin\t255,0,0\nclosed\tclosed\t90,90,90\n"
    )
    (folder / "blacklist.bed").write_text("chr3\t0\t1000\n")
    (folder / "peaks").mkdir()
    every = [(c, at) for c in LENGTHS for at in planted[c]]
    for name, peaks in {"TF": every, "Half": every[::2], "Few": every[:5]}.items():
        (folder / "peaks" / f"{name}.bed").write_text(
            "".join(f"{c}\t{at}\t{at + 1}\n" for c, at in peaks)
        )
    (folder / "toy.toml").write_text(CONFIG)
    return Toy(folder, planted)


@dataclass
class Run:
    """What a training run left behind."""

    trained: Trained
    network: Chromputer
    lines: list[str]
    epochs: list[int]


def train(toy: Toy, out: Path, *, write: bool, **changes: object) -> Run:
    """Train; without ``write`` the export is left out, as it takes longer than the training."""
    config = dataclasses.replace(load_config(toy.folder / "toy.toml"), **changes)
    networks: list[Chromputer] = []
    lines: list[str] = []
    epochs: list[int] = []
    export, set_epoch = training.export_network, SegmentPlan.set_epoch

    def keep(network, spec, folder):
        networks.append(network)
        return export(network, spec, folder) if write else 0.0

    def record(plan, epoch):
        epochs.append(epoch)
        set_epoch(plan, epoch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "export_network", keep)
        patch.setattr(SegmentPlan, "set_epoch", record)
        trained = train_model(config, out, lines.append, "chromputer train toy.toml")
    torch.use_deterministic_algorithms(False)
    return Run(trained, networks[0].eval(), lines, epochs)


@pytest.fixture(scope="module")
def run(toy, tmp_path_factory) -> Run:
    return train(toy, tmp_path_factory.mktemp("models") / "toy", write=True)


@pytest.fixture(scope="module")
def features(toy, run) -> Iterator[Features]:
    with (
        Fasta(toy.folder / "toy.fa") as fasta,
        FragmentStore.build(toy.folder / "toy.fragments.tsv", fasta.sizes) as store,
    ):
        yield Features(run.trained.spec.inputs, fasta, store)


def contig_arrays(features: Features, run: Run, chrom: str) -> dict[str, np.ndarray]:
    """Inputs whose outputs are all whole strides of a contig, as the genome stream makes them."""
    grid = run.trained.spec.grid
    return {
        name: array[None]
        for name, array in features.arrays(
            grid.span(chrom, 0, LENGTHS[chrom] // grid.stride)
        ).items()
    }


def test_the_model_folder_loads(run):
    folder = run.trained.folder
    model = load_model(folder)
    assert model.spec.to_json() == run.trained.spec.to_json()
    names = {path.name for path in folder.iterdir()}
    assert names == {"predict.onnx", "model.json", "README.md", "training"}
    assert 0 < run.trained.parity < 1e-4
    # The auxiliary labels are learnt and then forgotten.
    assert "1 binary labels, 1 auxiliary ones" in run.lines[0]
    names = [label.name for head in model.spec.heads for label in head.labels]
    assert names == ["open", "closed", "TF"]


def test_every_epoch_draws_its_own_segments(run):
    assert sorted(set(run.epochs)) == list(range(10))
    assert sum(line.startswith("epoch ") for line in run.lines) == 10


def test_the_exported_model_finds_the_planted_motif(toy, run, features):
    spec = run.trained.spec
    session = onnxruntime.InferenceSession(
        load_model(run.trained.folder).path, providers=["CPUExecutionProvider"]
    )
    (logits,) = session.run(["logits"], contig_arrays(features, run, "chr3"))
    # Label bin k is centred between stride bins 4 k + 1 and 4 k + 2; the larger one speaks for it.
    called = probabilities(logits, spec.heads)[0, 2]
    score = np.array([called[4 * k + 1 : 4 * k + 3].max() for k in range(60)])
    truth = toy.truth("chr3")
    assert 0.05 < truth.mean() < 0.3
    assert average_precision_score(truth, score) > 0.9
    # Calibrated: the mean probability is near the share of positives.
    assert score.mean() == pytest.approx(truth.mean(), abs=0.1)


def test_the_figures_are_those_of_the_test_contig(toy, run):
    spec = run.trained.spec
    assert set(spec.metrics) == {"validation", "test"}
    binary = spec.metrics["test"]["binary"]["TF"]
    scored = toy.truth("chr3")[5:]  # the blacklist hides the first five bins
    assert binary["positives"] == scored.sum()
    assert binary["prevalence"] == pytest.approx(scored.mean(), abs=1e-5)
    value, low, high = binary["auprc"]
    assert value > 0.9
    assert low <= value <= high
    assert binary["motif_scan_auprc"][0] > 0.6
    states = spec.metrics["test"]["states"]
    assert states["accuracy"][0] > states["majority_accuracy"] + 0.1
    assert states["macro_f1"][0] > states["majority_macro_f1"] + 0.2
    card = (run.trained.folder / "README.md").read_text()
    assert card.startswith("# toy\n\nA toy.\n")
    assert f"| TF | {value:.3f} [{low:.3f}, {high:.3f}] |" in card


def test_the_spec_says_where_the_model_comes_from(toy, run):
    spec = json.loads((run.trained.folder / "model.json").read_text())
    assert spec["splits"] == {"train": ["chr1"], "validation": ["chr2"], "test": ["chr3"]}
    assert spec["provenance"]["seed"] == 3
    assert spec["provenance"]["command"] == "chromputer train toy.toml"
    files = spec["provenance"]["inputs"]
    known = {"fasta", "fragments", "blacklist", "states", "state table", "TF"}
    auxiliary = set(files) - known
    assert known < set(files)
    assert len(auxiliary) == 1
    assert auxiliary.pop().startswith("auxiliary ")
    with Fasta(toy.folder / "toy.fa") as fasta:
        assert spec["sizes_digest"] == fasta.sizes.digest()


def network_logits(run: Run, features: Features) -> torch.Tensor:
    arrays = contig_arrays(features, run, "chr3")
    with torch.no_grad():
        return run.network(*(torch.from_numpy(array) for array in arrays.values()))[0]


def test_the_same_seed_gives_the_same_model(toy, run, features, tmp_path):
    # An earlier run's logs and checkpoint lie there and change nothing.
    logs = tmp_path / "again" / "training"
    logs.mkdir(parents=True)
    for name in ("best.ckpt", "metrics.csv"):
        (logs / name).write_text("earlier")
    again = train(toy, tmp_path / "again", write=False)
    assert torch.equal(network_logits(again, features), network_logits(run, features))
    assert again.trained.spec.to_json() == run.trained.spec.to_json()
    assert again.lines == run.lines


def test_another_seed_gives_another_model(toy, run, features, tmp_path):
    other = train(toy, tmp_path / "other", write=False, seed=4)
    difference = network_logits(other, features) - network_logits(run, features)
    assert difference.abs().max() > 0.01


def test_prior_shifts_are_those_of_what_training_sees(toy):
    config = load_config(toy.folder / "toy.toml")
    with open_sources(config) as sources:
        started = training._Run(config, sources)
        dataset = SegmentDataset(
            sources.features, sources.learnt, sources.sizes, config.network.grid
        )
        plan = started._plan
        seen = np.concatenate([dataset[s]["binary"][0].numpy() for s in plan.segments(0)])
        (shift,) = started.prior_shifts()

    def log_odds(positives: int, known: int) -> float:
        share = (positives + 0.5) / (known + 1)
        return np.log(share / (1 - share))

    truth = toy.truth("chr1")
    expected = log_odds(truth.sum(), len(truth))
    expected -= log_odds((seen == 1).sum(), (seen != UNKNOWN).sum())
    assert shift == pytest.approx(expected)
    assert shift < -0.5


def test_a_missing_parent_is_found_before_training(toy, tmp_path):
    config = load_config(toy.folder / "toy.toml")
    with pytest.raises(OutputError, match="does not exist; make it"):
        train_model(config, tmp_path / "none" / "toy", print)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write .*file: File exists"):
        train_model(config, tmp_path / "file", print)


def changed(toy: Toy, tmp_path: Path, **files: str) -> Path:
    """The toy's folder with other files; ``a__b`` names ``a.b``."""
    for path in toy.folder.iterdir():
        if path.is_file() and path.name not in {name.replace("__", ".") for name in files}:
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "peaks").symlink_to(toy.folder / "peaks")
    for name, text in files.items():
        (tmp_path / name.replace("__", ".")).write_text(text)
    return tmp_path / "toy.toml"


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({"states__tsv": "state\tname\n"}, FormatError, "states.tsv: the header must name"),
        (
            {"toy__toml": CONFIG.replace('table = "states.tsv"', 'table = "peaks"')},
            FormatError,
            "cannot read .*peaks as a table: .*Is a directory",
        ),
        (
            {"states__tsv": "state\tname\tcolor\nopen\to\tred\n"},
            FormatError,
            r"states.tsv line 2: color 'red' is not R,G,B",
        ),
        (
            {"states__tsv": "state\tname\tcolor\nopen\to\t1,2,3\nopen\tp\t1,2,4\n"},
            FormatError,
            r"states.tsv line 3: state 'open' is there twice",
        ),
        (
            {"states__tsv": "state\tname\tcolor\nopen\to\t1,2,3\na b\tp\t1,2,4\n"},
            FormatError,
            r"states.tsv line 3: label name 'a b'",
        ),
        ({"states__tsv": "state\tname\tcolor\nopen\to\t1,2,3\n"}, FormatError, "at least two"),
        (
            {"states__bed": "chr1\t0\t200\tajar\n"},
            ConfigError,
            r"states.bed: state 'ajar' at chr1:0-200 is not in .*states.tsv \(open, closed\)",
        ),
        (
            {"states__bed": "chr1\t0\t200\topen\nchr1\t100\t300\topen\n"},
            FormatError,
            r"states.bed: segments chr1:0-200 and chr1:100-300 overlap",
        ),
        (
            {"states__bed": "chr1\t0\t200\topen\nchr2\t0\t200\topen\n"},
            ConfigError,
            r"splits.test: no state in .*states.bed lies on chr3",
        ),
        (
            {"toy__toml": CONFIG.replace('["chr3"]', '["3"]')},
            InputError,
            r"splits.test: contig '3' is not in .*which calls it 'chr3'",
        ),
        (
            {"toy__toml": CONFIG.replace("batch = 8", "batch = 800")},
            ConfigError,
            "do not fill one batch of 800",
        ),
    ],
)
def test_wrong_files(toy, tmp_path, files, error, message):
    config = load_config(changed(toy, tmp_path, **files))
    with pytest.raises(error, match=message):
        train_model(config, tmp_path / "out", lambda line: None)


def test_a_contig_whose_peaks_are_withheld_is_no_contig_without_peaks(toy, tmp_path):
    text = CONFIG.replace('[states]\nbed = "states.bed"\ntable = "states.tsv"\n', "")
    text = text.replace('peaks = "peaks/TF.bed"', 'peaks = "TF.bed"')
    lines = (toy.folder / "peaks" / "TF.bed").read_text().splitlines(keepends=True)
    peaks = "".join(line for line in lines if not line.startswith("chr3"))
    config = load_config(changed(toy, tmp_path, toy__toml=text, TF__bed=peaks))
    with pytest.raises(ConfigError, match=r"splits.test: no peak of any label lies on chr3"):
        train_model(config, tmp_path / "out", lambda line: None)

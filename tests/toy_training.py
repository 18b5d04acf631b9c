"""A genome with a planted motif, its fragments, states and signal; and a training run on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyBigWig
import pysam
import pytest
import torch

from chromputer_tracks.io.record import Silent
from chromputer_tracks.model import training
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.dataset import SegmentPlan
from chromputer_tracks.model.network import Chromputer
from chromputer_tracks.model.training import Trained, train_model
from chromputer_tracks.options.train import TrainOptions
from chromputer_tracks.spec import ModelSpec

LENGTHS = {"chr1": 36_000, "chr2": 12_000, "chr3": 12_100}
BIN = 200
# The core of JASPAR's Reb1 matrix, so that the motif scan has something to find.
WORD = "TTACCCGG"
COMPLEMENT = str.maketrans("ACGT", "TGCA")

NETWORK = """
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
signal_channels = [2, 4]
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
accelerator = "cpu"
threads = 1
"""

CONFIG = f"""
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
[[binary]]
name = "Odd"
title = "every other site"
peaks = "peaks/Odd.bed"
head = "halves"
[[continuous]]
name = "Pol2"
title = "polymerase"
bigwig = "pol2.bw"
bin = 200
[auxiliary]
folder = "peaks"
minimum = 10
{NETWORK}"""


SAMPLES = f"""
name = "samples"
assembly = "toy1"
seed = 3
[data]
fasta = "toy.fa"
[splits]
train = ["chr1"]
validation = ["chr2"]
test = ["chr3"]
[states]
table = "states.tsv"
[[binary]]
name = "TF"
[[binary]]
name = "Odd"
[[continuous]]
name = "Pol2"
bin = 200
[[continuous]]
name = "RNA"
loss = "mse"
[[samples]]
name = "A"
assays = {{ atac = "toy.fragments.tsv" }}
states = "states.bed"
peaks = {{ TF = "peaks/TF.bed", Odd = "peaks/Odd.bed" }}
signals = {{ Pol2 = "pol2.bw", RNA = "a.bw" }}
[[samples]]
name = "B"
assays = {{ atac = "b.fragments.tsv" }}
peaks = {{ TF = "peaks/Even.bed" }}
signals = {{ Pol2 = "b.bw", RNA = "b.bw" }}
[[samples]]
name = "C"
use = "test"
assays = {{ atac = "c.fragments.tsv" }}
peaks = {{ TF = "peaks/Odd.bed" }}
signals = {{ Pol2 = "c.bw" }}
[[inputs.signals]]
name = "cuts"
assay = "atac"
smooth = 50
{NETWORK.replace("[network]", "per_length = true" + chr(10) + "[network]")}"""


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

    def config(self) -> TrainConfig:
        return load_config(self.folder / "toy.toml")


def write_fragments(
    path: Path,
    planted: dict[str, list[int]],
    rng: np.random.Generator,
    at_sites: int = 12,
    every: int = 50,
    lengths: tuple[int, int] = (30, 390),
) -> None:
    """Short fragments around the planted words, and one of any length each ``every`` bp."""
    rows = []
    for chrom, length in LENGTHS.items():
        for at in planted[chrom]:
            for _ in range(at_sites):
                middle, size = at + int(rng.integers(-60, 61)), int(rng.integers(30, 90))
                rows.append((chrom, middle - size // 2, middle - size // 2 + size))
        for _ in range(length // every):
            size = int(rng.integers(*lengths))
            start = int(rng.integers(0, length - size))
            rows.append((chrom, start, start + size))
    path.write_text("".join(f"{c}\t{s}\t{e}\n" for c, s, e in sorted(rows)))


def write_signal(path: Path, planted: dict[str, list[int]], height: float) -> None:
    """A bigWig that is ``height`` / 10 everywhere and ``height`` around the planted words."""
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(LENGTHS.items()))
        for chrom, length in LENGTHS.items():
            values = np.full(length, height / 10)
            for at in planted[chrom]:
                values[max(at - 150, 0) : at + 150] = height
            file.addEntries(chrom, 0, values=values.tolist(), span=1, step=1)


def write_peaks(path: Path, peaks: Sequence[tuple[str, int]]) -> None:
    path.write_text("".join(f"{chrom}\t{at}\t{at + 1}\n" for chrom, at in peaks))


def make_toy(folder: Path) -> Toy:
    """Write the toy's files."""
    rng = np.random.default_rng(12)
    planted, bases, states = {}, {}, []
    for chrom, length in LENGTHS.items():
        letters = rng.choice(list("ACGT"), length)
        places = rng.choice(np.arange(1, length // 500 - 1), length // 1100, replace=False)
        planted[chrom] = sorted(int(k) * 500 + int(rng.integers(300)) for k in places)
        for at in planted[chrom]:
            word = WORD if rng.integers(2) else WORD.translate(COMPLEMENT)[::-1]
            letters[at - 4 : at + 4] = list(word)
        bases[chrom] = "".join(letters)
        for start in range(0, length // BIN * BIN, BIN):
            near = any(start - BIN <= at < start + 2 * BIN for at in planted[chrom])
            states.append(f"{chrom}\t{start}\t{start + BIN}\t{'open' if near else 'closed'}\n")
    (folder / "toy.fa").write_text("".join(f">{name}\n{row}\n" for name, row in bases.items()))
    pysam.faidx(str(folder / "toy.fa"))
    write_fragments(folder / "toy.fragments.tsv", planted, rng)
    write_signal(folder / "pol2.bw", planted, 4000.0)
    (folder / "states.bed").write_text("".join(states))
    (folder / "states.tsv").write_text(
        "state\tname\tcolor\nopen\topen chromatin\t255,0,0\nclosed\tclosed\t90,90,90\n"
    )
    (folder / "blacklist.bed").write_text("chr3\t0\t1000\n")
    (folder / "peaks").mkdir()
    every = [(c, at) for c in LENGTHS for at in planted[c]]
    for name, peaks in {"TF": every, "Odd": every[1::2], "Even": every[::2]}.items():
        write_peaks(folder / "peaks" / f"{name}.bed", peaks)
    write_peaks(folder / "peaks" / "Few.bed", every[:5])
    (folder / "toy.toml").write_text(CONFIG)
    return Toy(folder, planted)


def make_samples(toy: Toy) -> Path:
    """Write further samples beside the toy's; their configuration.

    All words are bound in sample A, every other one in B, whose fragments are fewer and shorter,
    and the remaining ones in C. B's signal is a hundredth of A's.
    """
    rng = np.random.default_rng(13)
    every = [(c, at) for c in LENGTHS for at in toy.planted[c]]
    for name, bound in (("b", every[::2]), ("c", every[1::2])):
        planted = {c: [at for chrom, at in bound if chrom == c] for c in LENGTHS}
        path = toy.folder / f"{name}.fragments.tsv"
        write_fragments(path, planted, rng, at_sites=8, every=120, lengths=(30, 190))
        write_signal(toy.folder / f"{name}.bw", planted, 40.0)
    write_signal(toy.folder / "a.bw", toy.planted, 40.0)
    path = toy.folder / "samples.toml"
    path.write_text(SAMPLES)
    return path


@dataclass
class Run:
    """What a training run left behind."""

    trained: Trained
    network: Chromputer
    lines: list[str]
    epochs: list[int]

    @property
    def spec(self) -> ModelSpec:
        return self.trained.spec


@contextmanager
def recorded(*, write: bool) -> Iterator[tuple[list[Chromputer], list[int]]]:
    """Networks that are exported, and the epochs that are drawn."""
    networks: list[Chromputer] = []
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
        if not write:
            patch.setattr(training, "export_explain", lambda network, spec, folder: 0.0)
        patch.setattr(SegmentPlan, "set_epoch", record)
        yield networks, epochs
    torch.use_deterministic_algorithms(False)


def train(
    config: TrainConfig,
    out: Path,
    *,
    write: bool,
    resume: bool = False,
    force: bool = False,
    **changes: object,
) -> Run:
    """Train; without ``write`` the export is left out, as it takes longer than the training."""
    report = Lines()
    options = TrainOptions(
        config=Path(__file__),  # of which only the checksum is recorded
        out=out,
        resume=resume,
        force=force,
        command=("chromputer", "train", "toy.toml"),
    )
    with recorded(write=write) as (networks, epochs):
        trained = train_model(options, report, dataclasses.replace(config, **changes))
    assert trained is not None
    return Run(trained, networks[0].eval(), report.lines, epochs)


def shorter(config: TrainConfig, epochs: int, **changes: object) -> TrainConfig:
    """The configuration with fewer epochs."""
    return dataclasses.replace(
        config, fit=dataclasses.replace(config.fit, epochs=epochs), **changes
    )


class Lines(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)

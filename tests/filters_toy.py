"""``chromputer filters`` on a toy genome, with an explainer whose answers are known exactly."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from notes import Notes
from numpy.typing import NDArray
from tiny_models import BIN, STRIDE, write_linear_model
from tiny_models import tiny_spec as plain_spec
from toy_genome import ToyGenome

from chromputer_tracks.analysis.filters import page as filters_pictures
from chromputer_tracks.analysis.filters import run as filters
from chromputer_tracks.analysis.filters.run import FiltersResult, rank_filters
from chromputer_tracks.data.features import one_hot
from chromputer_tracks.inference.explain import Contributions, FirstLayer
from chromputer_tracks.intervals import Interval
from chromputer_tracks.options.explain import FiltersOptions
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.spec import EXPLAIN, HeadSpec, InputSpec, Label, ModelSpec, Normalisation

HOW = Normalisation((1.0,), "none")
EDGES = (20, 80, 140, 200, 300, 500)
DNA = InputSpec("sequence", "dna")
DNA_AND_SHAPE = InputSpec("sequence", "dna", shape=("MGW", "Roll"))
SHAPE = InputSpec("sequence", "dna", bases=False, shape=("MGW", "Roll"))
VPLOT = InputSpec("vplot", "atac", BIN, EDGES, HOW, "atac")
SIGNAL = InputSpec("signal", "cuts", BIN, (), HOW, "atac", "cuts")
WORDS = ("ACGTTACCAGA", "GGATCCTTGAC")
WIDTH = len(WORDS[0])
MARGIN = (STRIDE - WIDTH + 1) // 2


def turned(text: str) -> str:
    """The other strand."""
    return text[::-1].translate(str.maketrans("ACGTN", "TGCAN"))


def rows(path: Path) -> list[dict[str, str]]:
    """A table without its comments."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines, dialect="excel-tab"))


def toy_spec(*inputs: InputSpec, **changes: Any) -> ModelSpec:
    """States, two binary labels and a signal of the given inputs."""
    states, _ = plain_spec().heads
    binary = HeadSpec(
        "binary",
        "factors",
        (
            Label("TF1", "factor 1", (255, 0, 0), 1 / 64, 0.3, 0.5),
            Label("TF2", "factor <2>", (0, 255, 0), 1 / 64, -0.2, 0.999999),
        ),
    )
    marks = HeadSpec("continuous", "marks", (Label("H3", "H3", (0, 0, 9), 1 / 64),), "log1p")
    return plain_spec(
        inputs=inputs or (DNA, VPLOT, SIGNAL), heads=(states, binary, marks), **changes
    )


def toy_layers(spec: ModelSpec) -> dict[str, FirstLayer]:
    """Sequence filters that count a word's letters and one that is never active; random others."""
    layers = {}
    for item in spec.inputs:
        rng = np.random.default_rng(len(item.name))
        if item.kind == "sequence":
            words = np.stack([one_hot(np.frombuffer(w.encode(), np.uint8)) for w in WORDS])
            bases = (
                np.concatenate([words, 0 * words[:1]]) if item.bases else np.zeros((3, 0, WIDTH))
            )
            shape = rng.normal(size=(3, len(item.shape), WIDTH))
            weight, count = np.concatenate([bases, shape], axis=1), 3
            shift = np.full(count, -5, np.float32)
        else:
            count = 4
            size = (count, 3, 7) if item.kind == "vplot" else (count, 1, 11)
            weight, shift = rng.normal(size=size), np.zeros(count, np.float32)
        bias = np.zeros(count, np.float32)
        if item.kind != "sequence":
            bias[-1] = -1e6
        layers[item.name] = FirstLayer(
            weight.astype(np.float32), bias, np.ones(count, np.float32), shift
        )
    return layers


def filter_contributions(
    arrays: dict[str, NDArray[np.float32]], layers: dict[str, FirstLayer], row: int
) -> dict[str, NDArray[np.float32]]:
    """Something that depends on a window, the explained label and the filter."""
    found = {}
    for name, layer in layers.items():
        size = arrays[name].sum(axis=(1, 2)) / 100
        number = np.arange(len(layer.weight))
        found[name] = np.outer(size, np.cos(number + row)).astype(np.float32)
    return found


@dataclass(frozen=True)
class FakeExplainer:
    """Contributions of :func:`filter_contributions`, in batches of three."""

    spec: ModelSpec
    method: str = "deeplift"
    provider: str = "cpu"

    @property
    def session(self) -> Any:
        return SimpleNamespace(provider="cpu", reason="asked for", threads=1)

    def first_layers(self) -> dict[str, FirstLayer]:
        return toy_layers(self.spec)

    def stream(
        self, features: Any, windows: Sequence[Interval], weights: NDArray[np.float32]
    ) -> Iterator[tuple[int, dict[str, NDArray[np.float32]], Contributions]]:
        row = int(weights.argmax())
        for first in range(0, len(windows), 3):
            made = [features.arrays(window) for window in windows[first : first + 3]]
            arrays = {name: np.stack([item[name] for item in made]) for name in made[0]}
            n = len(made)
            inputs = {
                item.name: arrays[item.name] for item in self.spec.inputs if item.kind != "sequence"
            }
            dna = arrays.get("dna")
            sequence = None if dna is None else dna.sum(axis=1)
            logit = np.arange(first, first + n, dtype=np.float32)
            found = Contributions(
                sequence,
                dna,
                None,
                inputs,
                filter_contributions(arrays, self.first_layers(), row),
                logit,
                logit,
            )
            total = found.total()
            nan = np.full(n, np.nan, np.float32)
            yield (
                first,
                arrays,
                replace(found, difference=total if self.method == "deeplift" else nan),
            )


@dataclass(frozen=True)
class Bench:
    """Files of a toy genome and a model, and a fake in the place of its explainer."""

    folder: Path
    toy: ToyGenome
    spec: ModelSpec

    @classmethod
    def make(
        cls, folder: Path, patch: pytest.MonkeyPatch, toy: ToyGenome, spec: ModelSpec | None = None
    ) -> Bench:
        spec = toy_spec() if spec is None else spec
        spec = replace(spec, sizes_digest=toy.sizes.digest())
        where = folder / "input"
        where.mkdir()
        toy.write(where)
        write_linear_model(where / "tiny", spec)
        (where / "tiny" / EXPLAIN).write_bytes(b"stands for a graph")
        patch.setattr(
            filters,
            "explainer_of",
            lambda model, options: FakeExplainer(model.spec, options.method),
        )
        return cls(folder, toy, spec)

    @staticmethod
    def without_figures(patch: pytest.MonkeyPatch) -> None:
        """Empty figures in place of matplotlib's, which take most of the time."""
        for name in ("vplot_pattern", "signal_pattern", "contribution_map"):
            patch.setattr(filters_pictures, name, lambda *_: "<svg/>")

    @property
    def files(self) -> SampleFiles:
        where = self.folder / "input"
        return SampleFiles(where / "toy.fa", where / "toy.fragments.tsv.gz")

    def bed(self, *lines: str, name: str = "sites.bed") -> Path:
        path = self.folder / name
        path.write_text("".join("\t".join(line.split()) + "\n" for line in lines))
        return path

    def options(self, out: str = "out", **more: Any) -> FiltersOptions:
        given: dict[str, Any] = {"provider": "cpu", "threads": 1, "sites": 5, "sample_sites": 10}
        return FiltersOptions(
            model=self.folder / "input" / "tiny",
            sample=self.files,
            out=self.folder / out,
            **(given | more),
        )

    def run(self, out: str = "out", notes: Notes | None = None, **more: Any) -> FiltersResult:
        return rank_filters(self.options(out, **more), notes or Notes())

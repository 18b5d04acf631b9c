"""``explain_tracks`` on a toy genome, with an explainer whose contributions are known exactly."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from notes import Notes
from numpy.typing import NDArray
from tiny_models import BIN, tiny_spec, write_linear_model
from toy_genome import ToyGenome

from chromputer_tracks.inference.explain import Contributions
from chromputer_tracks.intervals import Interval
from chromputer_tracks.options.explain import ExplainOptions
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.spec import EXPLAIN, HeadSpec, InputSpec, Label, ModelSpec, Normalisation
from chromputer_tracks.tracks.explain.run import ExplainResult, explain_tracks

HOW = Normalisation((1.0,), "none")
EDGES = (20, 80, 140, 200, 300, 500)


def explained_spec(**changes: Any) -> ModelSpec:
    """Bases and shape, a V-plot and a signal; a head of each kind, whose labels all have calls."""
    signal = HeadSpec("continuous", "marks", (Label("H3", "H3", (0, 0, 9), 0.5),), "log")
    states, _ = tiny_spec().heads
    factors = HeadSpec(
        "binary",
        "factors",
        (
            Label("TF1", "factor 1", (255, 0, 0), 1 / 64, 0.3, 0.5),
            Label("TF2", "factor 2", (0, 255, 0), 1 / 64, -0.2, 0.4),
        ),
    )
    spec = tiny_spec(
        inputs=(
            InputSpec("sequence", "dna", shape=("MGW", "Roll")),
            InputSpec("vplot", "atac", BIN, EDGES, HOW, "atac"),
            InputSpec("signal", "cuts", 25, (), HOW, "atac", "cuts"),
        ),
        heads=(states, factors, signal),
    )
    return replace(spec, **changes)


def weights_of(spec: ModelSpec, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Fixed weights of each position of an input."""
    rng = np.random.default_rng([sum(name.encode()), spec.window])
    return rng.integers(-8, 9, shape).astype(np.float32) / 8


@dataclass(frozen=True)
class FakeExplainer:
    """Contributions are the inputs times :func:`weights_of`; batches of a size that is given."""

    spec: ModelSpec
    method: str = "deeplift"
    batch: int = 4
    error: float = 0.0
    baselines: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    provider: str = "cpu"

    @property
    def session(self) -> Any:
        return SimpleNamespace(provider="cpu", reason="asked for", threads=1)

    def with_baselines(self, baselines: dict[str, NDArray[np.float32]]) -> FakeExplainer:
        return replace(self, baselines=baselines)

    def explain(self, arrays: dict[str, NDArray[np.float32]]) -> Contributions:
        spec = self.spec
        dna = arrays.get("dna")
        sequence = hypothetical = shape = None
        item = spec.inputs[0]
        if dna is not None and item.bases:
            weight = weights_of(spec, "dna", dna.shape[1:])
            hypothetical = np.repeat(weight[None], len(dna), axis=0)
            sequence = (dna * weight).sum(axis=1)
        if dna is not None and item.shape:
            known = dna.any(axis=1, keepdims=True)
            shape = known * weights_of(spec, "shape", (len(item.shape), dna.shape[2]))
        inputs = {
            name: array * weights_of(spec, name, array.shape[1:])
            for name, array in arrays.items()
            if name != "dna"
        }
        filters = {name: array.sum(axis=2)[:, :3] for name, array in arrays.items()}
        n = len(next(iter(arrays.values())))
        made = Contributions(
            sequence, hypothetical, shape, inputs, filters, np.zeros(n), np.zeros(n)
        )
        total = made.total().astype(np.float32)
        difference = total * np.float32(1 + self.error)
        if self.method != "deeplift":
            difference = np.full_like(total, np.nan)
        return replace(made, logit=total + np.float32(0.5), difference=difference)

    def stream(
        self, features: Any, windows: Sequence[Interval], weights: NDArray[np.float32]
    ) -> Iterator[tuple[int, dict[str, NDArray[np.float32]], Contributions]]:
        assert weights.shape == (self.spec.outputs,)
        for first in range(0, len(windows), self.batch):
            made = [features.arrays(window) for window in windows[first : first + self.batch]]
            arrays = {name: np.stack([item[name] for item in made]) for name in made[0]}
            yield first, arrays, self.explain(arrays)


@dataclass(frozen=True)
class Bench:
    """Files of a toy genome and a model, and a fake in the place of its explainer."""

    folder: Path
    patch: pytest.MonkeyPatch
    toy: ToyGenome
    spec: ModelSpec

    @classmethod
    def make(
        cls, folder: Path, patch: pytest.MonkeyPatch, toy: ToyGenome, spec: ModelSpec | None = None
    ) -> Bench:
        spec = explained_spec() if spec is None else spec
        spec = replace(spec, sizes_digest=toy.sizes.digest())
        where = folder / "input"
        where.mkdir()
        toy.write(where)
        write_linear_model(where / "tiny", spec)
        (where / "tiny" / EXPLAIN).write_bytes(b"stands for a graph")
        bench = cls(folder, patch, toy, spec)
        bench.use(FakeExplainer(spec))
        return bench

    def use(self, fake: FakeExplainer) -> None:
        def opened(model: Any, options: ExplainOptions) -> FakeExplainer:
            return replace(fake, method=options.method)

        self.patch.setattr("chromputer_tracks.tracks.explain.run.explainer_of", opened)

    def bed(self, *lines: str, name: str = "sites.bed") -> Path:
        path = self.folder / name
        path.write_text("".join("\t".join(line.split()) + "\n" for line in lines))
        return path

    def options(self, out: str = "out", **more: Any) -> ExplainOptions:
        where = self.folder / "input"
        files = SampleFiles(where / "toy.fa", where / "toy.fragments.tsv.gz")
        given: dict[str, Any] = {"heads": ("TF1",), "provider": "cpu", "threads": 1}
        given["calls"] = more.get("regions") is None
        return ExplainOptions(
            model=where / "tiny", sample=files, out=self.folder / out, **(given | more)
        )

    def run(self, out: str = "out", notes: Notes | None = None, **more: Any) -> ExplainResult:
        return explain_tracks(self.options(out, **more), notes or Notes())


def files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file but the record, by its name below the folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "run.json"
    }

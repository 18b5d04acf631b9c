"""The shipped ``explain.onnx`` on real windows against Captum, tangermeme and torch's gradient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
from explain_oracle import Explained, autograd, captum, tangermeme
from explain_oracle_networks import Case, network_of
from numpy.typing import NDArray
from torch import nn

from chromputer_tracks.data.features import Features
from chromputer_tracks.data.shuffles import shuffle_windows, window_rng
from chromputer_tracks.inference.explain import (
    Arrays,
    Contributions,
    Method,
    head_weights,
    open_explainer,
)
from chromputer_tracks.inference.sample import open_sample
from chromputer_tracks.inference.session import Model, load_model
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.model.network import Chromputer
from chromputer_tracks.options.fields import SampleFiles

LABELS = ("Reb1", "S5", "Sua7")
# A promoter, a Reb1 site, and one whose window begins before its contig.
WINDOWS = [
    Interval.centred(chrom, centre, 2000)
    for chrom, centre in (("chrVII", 436_700), ("chrXIII", 100_200), ("chrVII", 700))
]
REFERENCES, SEED = 3, 7


class Silent:
    def note(self, text: str) -> None: ...

    def progress(self, stage: str, done: int, total: int | None, unit: str) -> None: ...


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("yeast-atac")


@pytest.fixture(scope="module")
def network(model: Model) -> Chromputer:
    root = Path(__file__).resolve().parents[1]
    return network_of(model.spec, model.path, root / "models" / "yeast-atac.toml")


@pytest.fixture(scope="module")
def arrays(model: Model, example: Path) -> Iterator[Arrays]:
    files = SampleFiles(example / "sacCer3.fa.gz", example / "atac.fragments.tsv.gz")
    with ExitStack() as stack:
        fasta = stack.enter_context(Fasta(files.fasta))
        features: Features = open_sample(stack, model, fasta, files, Silent()).features
        made = [features.arrays(window) for window in WINDOWS]
        yield {name: np.stack([item[name] for item in made]) for name in made[0]}


@pytest.fixture(scope="module")
def weights(model: Model) -> NDArray[np.float32]:
    """One label a window."""
    return np.stack([head_weights(model.spec, label) for label in LABELS])


def case_of(
    model: Model, network: Chromputer, arrays: Arrays, weights: NDArray[np.float32]
) -> Case:
    """The same windows, references and weights for the libraries."""
    windows, references = [], []
    for item in model.spec.inputs:
        x = arrays[item.name]
        windows.append(torch.from_numpy(x))
        reference = np.zeros_like(x[:1])
        if item.kind == "sequence":
            rngs = [window_rng(SEED, place.chrom, place.start) for place in WINDOWS]
            reference = shuffle_windows(x, REFERENCES, rngs)
        references.append(torch.from_numpy(reference))
    return Case(network, model.spec.inputs, windows, references, torch.from_numpy(weights))


def explain(
    model: Model, method: Method, arrays: Arrays, weights: NDArray[np.float32]
) -> Contributions:
    explainer = open_explainer(
        model, method, references=REFERENCES, seed=SEED, provider="cpu", threads=1
    )
    return explainer.explain(arrays, weights, WINDOWS)


def tied(case: Case) -> NDArray[np.bool_]:
    """Bases, (n, window), that a maximum of motif matches reads whose two largest are equal.

    In repeats such as AAAA a motif matches equally well at several places, up to the last bit,
    which differs between ONNX Runtime's and torch's convolutions. The place that is the largest by
    that bit gets the contribution.
    """
    layer = case.network.motifs
    reach = 10 + layer.weight.shape[2] - 1
    margin = case.network.trunks[0].crop.positions
    arrays = torch.cat([case.windows[0][:, None], case.references[0]], 1)
    found = torch.zeros(len(arrays), arrays.shape[-1], dtype=torch.bool)
    for bases in arrays.unbind(1):
        with torch.no_grad():
            read = bases[:, :, margin:-margin].double()
            matches = nn.functional.conv1d(read, layer.both_strands().double())
        # (n, 2 strands, filters, groups, 10) -> (n, groups, filters, 20)
        groups = matches.unflatten(1, (2, -1)).unflatten(3, (-1, 10)).permute(0, 3, 2, 1, 4)
        two = groups.flatten(3).topk(2).values
        equal = (two[..., 0] - two[..., 1] < 1e-5).any(2)
        for window, group in equal.nonzero().tolist():
            found[window, margin + 10 * group :][:reach] = True
    return found.numpy()


def check(
    found: Contributions, expected: Explained, limit: float, ignored: NDArray[np.bool_]
) -> None:
    """Within ``limit`` of the largest contribution of the same window and input.

    Args:
        ignored: bases, (n, window), that are not compared but in sum.
    """
    ours = {
        "contributions.sequence": found.sequence,
        "hypothetical.sequence": found.hypothetical,
        "contributions.vplot": found.inputs["vplot"],
        "filters.sequence": found.filters["sequence"],
        "filters.vplot": found.filters["vplot"],
    }
    for name, tensor in expected.items():
        values = tensor.numpy()
        difference = np.asarray(ours[name]) - values
        if name == "contributions.sequence":
            np.testing.assert_allclose(difference.sum(axis=1), 0, atol=limit)
        if name in ("contributions.sequence", "hypothetical.sequence"):
            difference = difference * ~ignored.reshape(len(WINDOWS), *[1] * (values.ndim - 2), -1)
        largest = abs(values).reshape(len(WINDOWS), -1).max(axis=1)
        assert (largest > 1e-3).all(), name
        error = abs(difference).reshape(len(WINDOWS), -1).max(axis=1)
        assert (error <= limit * largest).all(), (name, error / largest)


@pytest.mark.parametrize("oracle", [captum, tangermeme])
def test_deeplift(oracle, model, network, arrays, weights):
    case = case_of(model, network, arrays, weights)
    found, expected = explain(model, "deeplift", arrays, weights), oracle(case)
    unknown = arrays["sequence"].sum(axis=1) == 0
    repeats = tied(case)
    assert unknown.any() and repeats[:2].mean() < 0.2
    # What a base beyond the contig would contribute: see test_explain_oracle, its second point.
    check(found, expected, 1e-4, repeats | unknown)
    assert (found.sequence[unknown] == 0).all()
    error = abs(found.total() - found.difference)
    assert (error < 1e-4 * abs(found.difference)).all()


def test_gradient(model, network, arrays, weights):
    case = case_of(model, network, arrays, weights)
    found = explain(model, "gradient*input", arrays, weights)
    check(found, autograd(case), 1e-5, tied(case))

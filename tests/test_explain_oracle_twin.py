"""The oracles' twin is the network: the same logits from plain modules, shape as an input."""

from pathlib import Path

import pytest
import torch
from explain_oracle_networks import (
    INPUTS,
    SHORT_CELLS,
    SMALL,
    network_of,
    random_case,
    random_network,
)
from explain_oracle_twin import Twin, twin_arrays
from network_inputs import ATAC, CUTS, DNA, random_arrays
from torch import nn

from chromputer_tracks.inference.session import load_model, open_session


def logits(network: nn.Module, arrays: list[torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        return network(*arrays)[0].squeeze(2)


def check(network: nn.Module, arrays: list[torch.Tensor]) -> None:
    expected = logits(network, arrays)
    with torch.no_grad():
        found = Twin(network)(*twin_arrays(network, arrays))
    assert expected.std(0).min() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("items", INPUTS.values(), ids=INPUTS)
def test_inputs(items):
    case = random_case(items, windows=5)
    check(case.network, case.windows)


@pytest.mark.parametrize("sizes", [(3, 0, 0), (0, 2, 0), (0, 0, 2), (2, 1, 1)], ids=str)
@pytest.mark.parametrize("items", [(DNA, ATAC), (CUTS,)], ids=["with sequence", "without"])
def test_heads(items, sizes):
    network = random_network(items, *sizes)
    check(network, random_arrays(items, 5, SMALL.window, 5))


def test_trunks_that_lose_unequal_numbers_of_cells():
    case = random_case((DNA, ATAC), windows=5, config=SHORT_CELLS)
    assert {crop.positions for crop in case.network.crops} == {0, 1}
    check(case.network, case.windows)


def test_weights_combine_the_logits():
    case = random_case((DNA, CUTS))
    weights = case.weights[0]
    with torch.no_grad():
        found = Twin(case.network, weights)(*twin_arrays(case.network, case.windows))
    expected = logits(case.network, case.windows) @ weights
    torch.testing.assert_close(found[:, 0], expected, rtol=1e-5, atol=1e-5)


def test_the_shipped_model():
    """Its twin, made of the exported graph's numbers, gives what the graph gives."""
    model = load_model("yeast-atac")
    root = Path(__file__).resolve().parents[1]
    network = network_of(model.spec, model.path, root / "models" / "yeast-atac.toml")
    arrays = random_arrays(model.spec.inputs, 4, model.spec.window, 3)
    with torch.no_grad():
        found = Twin(network)(*twin_arrays(network, arrays))
    feed = {item.name: x.numpy() for item, x in zip(model.spec.inputs, arrays, strict=True)}
    expected = open_session(model.path, "cpu", 1).run(feed)[:, :, 0]
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=1e-5, atol=1e-5)

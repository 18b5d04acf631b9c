"""Gradient times input against torch's autograd, on random networks of every kind."""

from __future__ import annotations

import pytest
import torch
from explain_oracle import Explained, autograd
from explain_oracle_networks import INPUTS, SHORT_CELLS, Case, random_case, random_network
from network_inputs import ATAC, CUTS, DNA, VALUES

from chromputer_tracks.model.deeplift import Explain


def explain(case: Case) -> Explained:
    module = Explain(case.network, case.items)
    with torch.no_grad():
        values = module(case.windows, None, case.weights)
    return dict(zip(module.output_names, values, strict=True))


def check(case: Case) -> None:
    found = explain(case)
    for name, values in autograd(case).items():
        assert found[name].shape == values.shape, name
        largest = values.flatten(1).abs().amax(1)
        error = (found[name] - values).flatten(1).abs().amax(1)
        assert (error <= 1e-5 * largest).all(), (name, error / largest)
        assert (largest > 0).all(), name


@pytest.mark.parametrize("items", INPUTS.values(), ids=INPUTS)
def test_inputs(items):
    check(random_case(items))


@pytest.mark.parametrize("sizes", [(3, 0, 0), (0, 2, 0), (0, 0, 2)], ids=str)
def test_heads(sizes):
    check(random_case((DNA, ATAC), network=random_network((DNA, ATAC), *sizes)))


def test_trunks_that_lose_unequal_numbers_of_cells():
    check(random_case((DNA, ATAC), config=SHORT_CELLS))


@pytest.mark.parametrize("seed", range(1, 4))
def test_the_network_itself(seed):
    """Without the twin."""
    case = random_case((CUTS, ATAC, DNA, VALUES), seed=seed)
    found = explain(case)
    inputs = [x.clone().requires_grad_() for x in case.windows]
    logits, _ = case.network(*inputs)
    weighted = (logits[:, :, 0] * case.weights).sum(1)
    torch.testing.assert_close(found["explain.logit"], weighted, rtol=1e-5, atol=1e-5)
    slopes = torch.autograd.grad(weighted.sum(), inputs)
    for item, x, slope in zip(case.items, case.windows, slopes, strict=True):
        expected = x * slope
        if item.kind == "sequence":
            expected = expected.sum(1)
            name = f"hypothetical.{item.name}"
            torch.testing.assert_close(found[name], slope, rtol=1e-4, atol=1e-6)
        values = found[f"contributions.{item.name}"]
        error = (values - expected).abs().max()
        assert error <= 1e-5 * expected.abs().max(), item.name


def test_a_network_without_biases_is_complete():
    """Such a network is homogeneous: gradient times input is the whole logit."""
    items = (CUTS, ATAC)
    network = random_network(items)
    for name, values in network.named_parameters():
        if name.endswith("bias"):
            values.data.zero_()
    for name, values in network.named_buffers():
        if name.endswith("running_mean"):
            values.zero_()
    case = random_case(items, network=network)
    found = explain(case)
    summed = sum(found[f"contributions.{item.name}"].sum((1, 2)) for item in items)
    torch.testing.assert_close(summed, found["explain.logit"], rtol=1e-4, atol=1e-5)


def test_results_do_not_depend_on_the_batch():
    case = random_case((DNA, ATAC), windows=5)
    whole = explain(case)
    for rows in ([0], [4, 2]):
        part = explain(case.rows(rows))
        for name, values in whole.items():
            torch.testing.assert_close(part[name], values[rows], rtol=1e-5, atol=1e-7)

"""The explicit backward pass against Captum, tangermeme and, without references, autograd.

On random networks of every kind. Captum's and tangermeme's rules are ours but for three details,
which change contributions by no more than rounding:

- Below a difference of 1e-10 (Captum, and ours) or 1e-6 (tangermeme) of a rectifier's input the
  gradient takes the place of the ratio.
- Where an input of a maximum equals its reference, both take the gradient, ours only where the
  maxima are equal, too. A match of real weights is only equal to its reference where all its bases
  are, so that nothing differs there; hypothetical contributions do, at the bases of
  :func:`unchanged`.
- Captum takes that gradient from the wrong window (see ``explain_oracle.captum``), and its hooks
  need a copy between a rectifier and a maximum (see ``explain_oracle_twin.Apart``).
"""

from __future__ import annotations

import dataclasses

import pytest
import torch
from explain_oracle import Explained, autograd, captum, tangermeme
from explain_oracle_networks import (
    INPUTS,
    SHORT_CELLS,
    SMALL,
    Case,
    random_case,
    random_network,
    shuffled_references,
)
from network_inputs import ATAC, CUTS, DNA, DNA_AND_SHAPE, VALUES
from torch import Tensor, nn

from chromputer_tracks.model.deeplift import Explain
from chromputer_tracks.model.network import StrandMotifs

ORACLES = pytest.mark.parametrize("oracle", [captum, tangermeme])
EVERYTHING = (CUTS, ATAC, DNA_AND_SHAPE, VALUES)


def explain(case: Case, *, gradient: bool = False) -> Explained:
    module = Explain(case.network, case.items)
    with torch.no_grad():
        values = module(case.windows, None if gradient else case.references, case.weights)
    return dict(zip(module.output_names, values, strict=True))


def check(found: Explained, expected: Explained, rtol: float = 1e-4) -> None:
    """Within ``rtol`` of the largest contribution of the same window and input."""
    for name, values in expected.items():
        assert found[name].shape == values.shape, name
        largest = values.reshape(len(values), -1).abs().amax(1)
        error = (found[name] - values).reshape(len(values), -1).abs().amax(1)
        assert (error <= rtol * largest).all(), (name, error / largest)
        assert (largest > 0).all(), name


def total(case: Case, found: Explained) -> Tensor:
    """The sum of all contributions, (n,)."""
    parts = [f"contributions.{item.name}" for item in case.items if item.bases]
    parts += [f"shape.{item.name}" for item in case.items if item.shape]
    return sum(found[name].flatten(1).sum(1) for name in parts)


def check_complete(case: Case, found: Explained) -> None:
    difference = found["explain.difference"]
    assert (difference.abs() > 1e-4).all()
    assert ((total(case, found) - difference).abs() < 1e-3 * difference.abs()).all()


def with_windows(case: Case, place: int, windows: Tensor) -> Case:
    """Another array of one input; references of bases are shuffled anew."""
    arrays = [windows if row == place else x for row, x in enumerate(case.windows)]
    references = list(case.references)
    if references[place].dim() == 4:
        references[place] = shuffled_references(windows, references[place].shape[1], 9)
    return dataclasses.replace(case, windows=arrays, references=references)


@pytest.mark.parametrize("items", INPUTS.values(), ids=INPUTS)
@ORACLES
def test_inputs(items, oracle):
    case = random_case(items)
    found = explain(case)
    check(found, oracle(case))
    check_complete(case, found)


@pytest.mark.parametrize("sizes", [(3, 0, 0), (0, 2, 0), (0, 0, 2), (2, 1, 1)], ids=str)
@pytest.mark.parametrize("items", [(DNA, ATAC), (CUTS,)], ids=["with sequence", "without"])
def test_heads(items, sizes):
    case = random_case(items, network=random_network(items, *sizes))
    check(explain(case), captum(case))


@ORACLES
def test_trunks_that_lose_unequal_numbers_of_cells(oracle):
    case = random_case((DNA, ATAC), config=SHORT_CELLS)
    check(explain(case), oracle(case))


@pytest.mark.parametrize("seed", range(1, 6))
def test_other_random_networks(seed):
    case = random_case(EVERYTHING, seed=seed)
    found = explain(case)
    check(found, captum(case))
    check_complete(case, found)


@pytest.mark.parametrize("count", [1, 20])
@ORACLES
def test_numbers_of_references(oracle, count):
    case = random_case((DNA, ATAC), windows=1, references=count)
    check(explain(case), oracle(case))


def test_the_difference_is_from_the_mean_of_the_references():
    case = random_case(EVERYTHING, references=3)
    found = explain(case)
    with torch.no_grad():
        logits, _ = case.network(*case.windows)
        expected = (logits[:, :, 0] * case.weights).sum(1)
        torch.testing.assert_close(found["explain.logit"], expected, rtol=1e-5, atol=1e-5)
        for row in range(3):
            behind = [r[:, row] if r.dim() == 4 else r.expand(3, -1, -1) for r in case.references]
            expected = expected - (case.network(*behind)[0][:, :, 0] * case.weights).sum(1) / 3
    torch.testing.assert_close(found["explain.difference"], expected, rtol=1e-5, atol=1e-5)


def test_hypothetical_contributions_hold_the_actual_ones():
    case = random_case((DNA, ATAC))
    found = explain(case)
    actual = (found["hypothetical.dna"] * case.windows[0]).sum(1)
    torch.testing.assert_close(found["contributions.dna"], actual)


def test_filters_hold_what_their_inputs_hold():
    """Nothing is lost between an input and its first layer."""
    case = random_case((DNA_AND_SHAPE, ATAC, CUTS))
    found = explain(case)
    for item in case.items:
        parts = [f"contributions.{item.name}"] + [f"shape.{item.name}"] * bool(item.shape)
        expected = sum(found[name].flatten(1).sum(1) for name in parts)
        summed = found[f"filters.{item.name}"].sum(1)
        torch.testing.assert_close(summed, expected, rtol=1e-4, atol=1e-6)


def test_results_depend_neither_on_batch_nor_on_order():
    case = random_case(EVERYTHING, windows=5)
    whole = explain(case)
    for rows in ([0], [3], [4, 2], [2, 3, 1, 0]):
        part = explain(case.rows(rows))
        check(part, {name: values[rows] for name, values in whole.items()})


@ORACLES
def test_unknown_bases(oracle):
    """A long N, as beyond a contig's end: no contribution, and no NaN."""
    case = random_case((DNA, ATAC))
    windows = case.windows[0].clone()
    windows[:, :, :200] = 0
    windows[0, :, 300:320] = 0
    case = with_windows(case, 0, windows)
    found, expected = explain(case), oracle(case)
    assert (found["contributions.dna"][windows.sum(1) == 0] == 0).all()
    for values in (found, expected):
        values["hypothetical.dna"] = values["hypothetical.dna"] * ~unchanged(case, 0)
    check(found, expected)
    check_complete(case, found)


def unchanged(case: Case, place: int) -> Tensor:
    """Bases, (n, 1, L), of a filter's width of bases that one of the references has, too."""
    width = SMALL.motif_width
    same = (case.windows[place].unsqueeze(1) == case.references[place]).all(2).float()
    whole = -nn.functional.max_pool1d(-same, width, 1)
    covered = nn.functional.max_pool1d(nn.functional.pad(whole, (width - 1, width - 1)), width, 1)
    return (covered.amax(1, keepdim=True) > 0)[:, :1]


@ORACLES
def test_empty_vplots(oracle):
    case = random_case((DNA, ATAC))
    case.references[1].zero_()
    empty = with_windows(case, 1, torch.zeros_like(case.windows[1]))
    found, expected = explain(empty), oracle(empty)
    assert (found["contributions.atac"] == 0).all()
    assert (found["filters.atac"] == 0).all()
    for name in ("contributions.atac", "filters.atac"):
        expected.pop(name, None)
    check(found, expected)
    one = with_windows(case, 1, torch.zeros_like(case.windows[1]))
    one.windows[1][:, 3, 30] = 1
    check(explain(one), oracle(one))


def test_windows_that_are_their_references():
    case = random_case(EVERYTHING, windows=1)
    references = [
        x.unsqueeze(1).repeat(1, 2, 1, 1) if r.dim() == 4 else x
        for x, r in zip(case.windows, case.references, strict=True)
    ]
    found = explain(dataclasses.replace(case, references=references))
    for name, values in found.items():
        assert torch.isfinite(values).all(), name
        if not name.startswith(("explain.logit", "hypothetical")):
            assert values.abs().max() < 1e-6, name
    # The multipliers are the gradient there.
    assert found["hypothetical.dna"].abs().max() > 0


def exact(layer: nn.Module) -> None:
    """Round so far that float32 sums of small counts are exact."""
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        layer.running_mean.mul_(256).round_().div_(256)
        layer.running_var.fill_(1)
        layer.weight.data.sign_()
        layer.bias.data.mul_(256).round_().div_(256)
        layer.eps = 0.0
    elif isinstance(layer, nn.Conv1d | nn.Conv2d | StrandMotifs):
        layer.weight.data.mul_(256).round_().div_(256)


@ORACLES
@pytest.mark.parametrize("seed", range(3))
def test_ties(oracle, seed):
    """Where several places are the largest, the first carries all.

    Repeats, of which the first window's, AT and CG, read the same on both strands; even V-plots.
    """
    network = random_network((DNA, ATAC), seed=seed)
    network.trunks.apply(exact)
    case = random_case((DNA, ATAC), network=network, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for palindrome, arrays in ((0, case.windows), (1, case.references)):
        repeated = torch.randint(4, (*arrays[0].shape[:-2], 5), generator=generator)
        bases = nn.functional.one_hot(repeated, 4).transpose(-1, -2).float()
        arrays[0] = bases.repeat(*[1] * (bases.dim() - 1), SMALL.window // 5)
        arrays[0][:1] = 0
        arrays[0][:1, ..., palindrome, ::2] = 1
        arrays[0][:1, ..., 3 - palindrome, 1::2] = 1
        # Multiples of 5, the positions over which it is averaged first.
        arrays[1] = torch.full_like(arrays[1], 5.0 * len(arrays[1]))
        arrays[1][:, :, ::9] += 5
    found = network.motifs(case.windows[0][:, :, 15:-15])
    assert (found == found[:, :, :1]).all()
    check(explain(case), oracle(case))


# ---- Gradient times input, against torch's autograd.


def check_gradient(case: Case) -> None:
    check(explain(case, gradient=True), autograd(case), 1e-5)


@pytest.mark.parametrize("items", INPUTS.values(), ids=INPUTS)
def test_gradients_of_inputs(items):
    check_gradient(random_case(items))


@pytest.mark.parametrize("sizes", [(3, 0, 0), (0, 2, 0), (0, 0, 2)], ids=str)
def test_gradients_of_heads(sizes):
    check_gradient(random_case((DNA, ATAC), network=random_network((DNA, ATAC), *sizes)))


def test_gradients_of_trunks_that_lose_unequal_numbers_of_cells():
    check_gradient(random_case((DNA, ATAC), config=SHORT_CELLS))


@pytest.mark.parametrize("seed", range(1, 4))
def test_the_gradient_of_the_network_itself(seed):
    """Without the twin."""
    case = random_case((CUTS, ATAC, DNA, VALUES), seed=seed)
    found = explain(case, gradient=True)
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
    found = explain(case, gradient=True)
    summed = sum(found[f"contributions.{item.name}"].sum((1, 2)) for item in items)
    torch.testing.assert_close(summed, found["explain.logit"], rtol=1e-4, atol=1e-5)


def test_gradients_do_not_depend_on_the_batch():
    case = random_case((DNA, ATAC), windows=5)
    whole = explain(case, gradient=True)
    for rows in ([0], [4, 2]):
        part = explain(case.rows(rows), gradient=True)
        for name, values in whole.items():
            torch.testing.assert_close(part[name], values[rows], rtol=1e-5, atol=1e-7)

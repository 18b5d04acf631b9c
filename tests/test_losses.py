"""Losses against loops, torch's own functions and finite values of published formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch.nn import functional

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.model.losses import continuous_loss, masked_loss, state_weights


def batch(n=2, states=3, labels=2, positions=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    # One output more than states and labels: a continuous one, which is no business of this loss.
    logits = torch.randn(n, states + labels + 1, positions, generator=generator)
    truth = torch.randint(-1, states, (n, positions), generator=generator)
    binary = torch.randint(-1, 2, (n, labels, positions), generator=generator)
    return logits.requires_grad_(), truth, binary


@pytest.mark.parametrize("focal", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_masked_loss_against_a_loop(seed, focal):
    logits, truth, binary = batch(seed=seed)
    weights, class_weights = torch.tensor([1.0, 0.25]), torch.tensor([0.5, 2.0, 1.0])
    found = masked_loss(logits, truth, binary, 3, weights, class_weights=class_weights, focal=focal)
    x = logits.detach().double().numpy()
    cross = []
    for i in range(2):
        for p in range(5):
            if truth[i, p] != UNKNOWN:
                share = np.exp(x[i, :3, p]) / np.exp(x[i, :3, p]).sum()
                right = share[truth[i, p]]
                weight = class_weights[truth[i, p]].item()
                cross.append(-weight * (1 - right) ** focal * np.log(right))
    expected = np.mean(cross)
    for label, weight in enumerate((1.0, 0.25)):
        losses = []
        for i in range(2):
            for p in range(5):
                if binary[i, label, p] != UNKNOWN:
                    right = 1 / (1 + np.exp(-x[i, 3 + label, p]))
                    right = right if binary[i, label, p] == 1 else 1 - right
                    losses.append(-((1 - right) ** focal) * np.log(right))
        expected += weight * np.mean(losses)
    assert found.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("focal", [0.0, 0.5, 2.0])
def test_unknown_labels_give_no_gradient(focal):
    logits, truth, binary = batch()
    masked_loss(logits, truth, binary, 3, torch.ones(2), focal=focal).backward()
    assert logits.grad is not None
    assert not logits.grad[:, :3].permute(0, 2, 1)[truth == UNKNOWN].any()
    assert not logits.grad[:, 3:5][binary == UNKNOWN].any()
    assert logits.grad[:, 3:5][binary != UNKNOWN].all()
    assert logits.grad[:, :3].permute(0, 2, 1)[truth != UNKNOWN].all()
    assert not logits.grad[:, 5].any()


@pytest.mark.parametrize("focal", [0.0, 0.5, 2.0])
def test_a_certain_and_right_prediction_has_a_finite_gradient(focal):
    logits = torch.tensor([[[200.0], [-200.0], [200.0]]], requires_grad=True)
    loss = masked_loss(
        logits, torch.tensor([[0]]), torch.tensor([[[1]]]), 2, torch.ones(1), focal=focal
    )
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert torch.equal(logits.grad, torch.zeros(1, 3, 1))


def test_the_loss_is_0_where_nothing_is_known():
    logits, truth, binary = batch()
    unknown = torch.full_like(truth, UNKNOWN), torch.full_like(binary, UNKNOWN)
    loss = masked_loss(
        logits, *unknown, 3, torch.ones(2), class_weights=torch.tensor([1.0, 2.0, 3.0])
    )
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_the_loss_of_one_head_alone():
    logits, truth, binary = batch()
    states_only = masked_loss(logits[:, :3], truth, binary[:, :0], 3, torch.ones(0))
    expected = functional.cross_entropy(logits[:, :3], truth, ignore_index=UNKNOWN)
    assert states_only.item() == pytest.approx(expected.item(), rel=1e-6)
    binary_only = masked_loss(logits[:, 3:], truth, binary, 0, torch.ones(2))
    both = masked_loss(logits, truth, binary, 3, torch.ones(2))
    assert binary_only.item() == pytest.approx(both.item() - states_only.item(), rel=1e-4)


def test_state_weights_of_known_frequencies():
    frequencies = torch.tensor([0.64, 0.32, 0.04])
    # 1 / f, divided by the 3 states; 1 / sqrt(f), divided by the sum of sqrt(f).
    balanced = [1 / 0.64 / 3, 1 / 0.32 / 3, 1 / 0.04 / 3]
    assert state_weights(frequencies, "balanced").tolist() == pytest.approx(balanced)
    root = 0.8 + math.sqrt(0.32) + 0.2
    square = [1 / 0.8 / root, 1 / math.sqrt(0.32) / root, 1 / 0.2 / root]
    assert state_weights(frequencies, "sqrt").tolist() == pytest.approx(square)


@given(
    st.lists(st.integers(0, 1000), min_size=2, max_size=8).filter(any),
    st.sampled_from(["balanced", "sqrt"]),
)
def test_state_weights_are_1_on_average_and_do_not_fall_with_rarity(counts, kind):
    weights = state_weights(torch.tensor(counts), kind).double().numpy()
    assert (np.array(counts) * weights).sum() / sum(counts) == pytest.approx(1, rel=1e-5)
    for i, first in enumerate(counts):
        for j, second in enumerate(counts):
            if first <= second:
                assert weights[i] >= weights[j] * (1 - 1e-6)


def test_frequencies_of_nothing_are_an_error():
    with pytest.raises(ConfigError, match="no training site has a state; set it to 'none'"):
        state_weights(torch.zeros(3), "balanced")


def test_continuous_losses_against_a_loop():
    rng = np.random.default_rng(4)
    logits = rng.normal(size=(2, 2, 6)).astype(np.float32)
    targets = rng.poisson(3, size=(2, 2, 6)).astype(np.float32)
    targets[0, :, :2] = targets[1, 1, 5] = np.nan
    found = continuous_loss(torch.tensor(logits), torch.tensor(targets), ("log", "log1p")).item()
    poisson, squared = [], []
    for i in range(2):
        for p in range(6):
            if not np.isnan(targets[i, 0, p]):
                mean, count = np.exp(float(logits[i, 0, p])), targets[i, 0, p]
                # The likelihood as scipy has it, without the factorial.
                likelihood = stats.poisson.logpmf(count, mean) + math.lgamma(count + 1)
                poisson.append(-likelihood)
            if not np.isnan(targets[i, 1, p]):
                squared.append((logits[i, 1, p] - math.log(1 + targets[i, 1, p])) ** 2)
    assert len(poisson) == 10
    assert len(squared) == 9
    assert found == pytest.approx(np.mean(poisson) + np.mean(squared), rel=1e-5)


def test_unknown_values_give_no_gradient():
    logits = torch.randn(1, 2, 3, requires_grad=True)
    nan = float("nan")
    targets = torch.tensor([[[1.0, nan, 2.0], [nan, nan, nan]]])
    continuous_loss(logits, targets, ("log", "log1p")).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert (logits.grad != 0).tolist() == [[[True, False, True], [False] * 3]]


def test_the_best_log_mean_is_that_of_the_data():
    logits = torch.zeros(1, 1, 4, requires_grad=True)
    targets = torch.tensor([[[0.0, 1.0, 3.0, 4.0]]])
    shift = torch.full((1, 1, 1), math.log(2.0))  # their mean is 2
    (gradient,) = torch.autograd.grad(continuous_loss(logits + shift, targets, ("log",)), logits)
    assert gradient.sum().item() == pytest.approx(0, abs=1e-6)

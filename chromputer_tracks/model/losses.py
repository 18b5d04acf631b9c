"""Losses of a batch: states, binary labels and continuous labels, each over its known positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import ConfigError

Transform = Literal["log", "log1p"]


@dataclass(frozen=True, slots=True)
class Losses:
    """How a batch is scored.

    A batch holds the inputs by name and ``states`` int64 (n, positions), ``binary`` int64
    (n, labels, positions), ``UNKNOWN`` where there is no label, and, where there are continuous
    labels, ``continuous`` float32 (n, labels, positions), NaN where there is none. The logits come
    in the order states, binary labels (auxiliary ones last), continuous labels.

    Attributes:
        inputs: names of the network's inputs in a batch, in graph order.
        states: how many outputs are states.
        weights: float32 (labels,), weight of each binary label's loss.
        class_frequencies: float (states,), share of each state among the training sites; None
            where there are no states or they are not weighted.
        continuous: what the network's output of each continuous label is: the ``log`` of the
            mean, scored by the Poisson likelihood, or ``log1p`` of the value, scored by the
            squared error.
    """

    inputs: Sequence[str]
    states: int
    weights: Tensor
    class_frequencies: Tensor | None = None
    continuous: tuple[Transform, ...] = ()


def state_weights(frequencies: Tensor, kind: Literal["balanced", "sqrt"]) -> Tensor:
    """Weight of each state's sites.

    Args:
        frequencies: (states,), shares or counts of the states among the training sites.
        kind: ``balanced`` for the inverse of the frequency, ``sqrt`` for its square root.

    Returns:
        float32 (states,), mean 1 over the sites; a state without a site has the largest of them.

    Raises:
        ConfigError: no state has a site.
    """
    shares = frequencies.double()
    if not shares.sum() > 0:
        raise ConfigError("fit.class_weights: no training site has a state; set it to 'none'")
    shares = shares / shares.sum()
    there = shares > 0
    weights = shares[there] ** (-1.0 if kind == "balanced" else -0.5)
    weights = weights / (shares[there] * weights).sum()
    filled = torch.full_like(shares, float(weights.max()))
    filled[there] = weights
    return filled.float()


def masked_loss(
    logits: Tensor,
    states: Tensor,
    binary: Tensor,
    number_of_states: int,
    weights: Tensor,
    *,
    class_weights: Tensor | None = None,
    focal: float = 0.0,
) -> Tensor:
    """Cross-entropy over known states plus binary cross-entropy over known binary labels.

    The states' loss is the mean over known positions; each binary label's is, too, and they are
    summed with their weights. With ``focal``, each position's loss is multiplied by
    ``(1 - p) ** focal``, p the probability of its label (Lin et al. 2017, arXiv 1708.02002).

    Args:
        logits: float32 (n, outputs, positions): states, binary labels, others.
        states: int64 (n, positions), ``UNKNOWN`` where there is no label.
        binary: int64 (n, labels, positions), likewise.
        number_of_states: how many outputs are states.
        weights: float32 (labels,), weight of each binary label's mean over known positions.
        class_weights: float32 (states,), weight of each state's positions; None for 1.
        focal: exponent of the focal loss.
    """
    # Nothing known, or an output without labels, still gives every weight a gradient of 0.
    loss = logits.sum() * 0.0
    if number_of_states:
        known = states != UNKNOWN
        # Reduced here: torch's own mean has no deterministic form on a GPU.
        each = functional.cross_entropy(
            logits[:, :number_of_states], states, ignore_index=UNKNOWN, reduction="none"
        )
        each = _focused(each, focal)
        if class_weights is not None:
            each = each * class_weights[states.clamp(min=0)]
        loss = loss + (each * known).sum() / known.sum().clamp(min=1)
    labels = binary.shape[1]
    if labels:
        known = binary != UNKNOWN
        each = functional.binary_cross_entropy_with_logits(
            logits[:, number_of_states : number_of_states + labels],
            (binary == 1).float(),
            reduction="none",
        )
        loss = loss + (weights * _label_means(_focused(each, focal), known)).sum()
    return loss


def continuous_loss(logits: Tensor, targets: Tensor, transforms: Sequence[Transform]) -> Tensor:
    """Summed losses of continuous labels, each the mean over its known positions.

    ``log``: the Poisson likelihood's negative logarithm, without the term that does not depend on
    the network, of a mean whose natural logarithm the logit is. ``log1p``: the squared difference
    of the logit and the value's ``log(1 + x)``.

    Args:
        logits: float32 (n, labels, positions).
        targets: float32 (n, labels, positions), at least 0; NaN where unknown.
        transforms: each label's.
    """
    known = ~targets.isnan()
    values = targets.nan_to_num(0.0)
    losses = [
        functional.poisson_nll_loss(logits[:, row], values[:, row], reduction="none")
        if transform == "log"
        else (logits[:, row] - values[:, row].log1p()) ** 2
        for row, transform in enumerate(transforms)
    ]
    return _label_means(torch.stack(losses, 1), known).sum()


def _focused(losses: Tensor, focal: float) -> Tensor:
    """Cross-entropies, times (1 - p) ** focal; p is exp(-cross-entropy)."""
    if not focal:
        return losses
    # -expm1(-x) is exact where p is nearly 1; the root of 0 has no gradient.
    missed = (-torch.expm1(-losses)).clamp(min=torch.finfo(losses.dtype).tiny)
    return losses * missed**focal


def _label_means(losses: Tensor, known: Tensor) -> Tensor:
    """(n, labels, positions) -> (labels,), means over the known positions, 0 where none is."""
    return (losses * known).sum(dim=(0, 2)) / known.sum(dim=(0, 2)).clamp(min=1)

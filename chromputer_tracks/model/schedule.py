"""The learning rate by step."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from chromputer_tracks.model.fit_config import FitConfig


def learning_rates(optimizer: Optimizer, fit: FitConfig, steps: int) -> LRScheduler:
    """The schedule that a configuration asks for; it is to be moved on after every step.

    Args:
        optimizer: with the maximum as its rate.
        fit: ``schedule``, ``warmup`` and ``learning_rate`` of it are used.
        steps: of the whole training, at least 1.
    """
    warm = round(fit.warmup * steps)
    if fit.schedule == "one-cycle":
        # Its first phase ends at step share * steps - 1, which must not be its first step, 0.
        share = fit.warmup if abs(fit.warmup * steps - 1) > 1e-6 else 0.0
        return OneCycleLR(optimizer, fit.learning_rate, total_steps=steps, pct_start=share)

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / (warm + 1)
        if fit.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))

    return LambdaLR(optimizer, factor)

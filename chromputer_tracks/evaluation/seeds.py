"""Scores of several runs that differ in their seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

from chromputer_tracks.evaluation.scores import Curve

T = TypeVar("T")


def mean_scores(runs: Sequence[T]) -> T:
    """The mean of every number of scores on the same sites.

    Estimates and their bounds are averaged: an interval says how much the figure of one run hangs
    on the sites, not on the seed. Curves are those of the first run.

    Args:
        runs: of one type of :mod:`chromputer_tracks.evaluation.scores`, at least one.
    """
    return _mean(runs)  # type: ignore[no-any-return]


def _mean(items: Sequence[Any]) -> Any:
    first = items[0]
    if isinstance(first, Curve) or first is None:
        return first
    if is_dataclass(first):
        return first.__class__(
            **{f.name: _mean([getattr(item, f.name) for item in items]) for f in fields(first)}
        )
    if isinstance(first, dict):
        return {key: _mean([item[key] for item in items]) for key in first}
    if isinstance(first, tuple):
        # Bins of a reliability curve may differ in number; the first run's are shown.
        if any(len(item) != len(first) for item in items):
            return first
        return tuple(_mean(group) for group in zip(*items, strict=True))
    if isinstance(first, int):
        return round(float(np.mean(items)))
    return float(np.mean(items)) if isinstance(first, float) else first

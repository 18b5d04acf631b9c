"""Scores of several runs that differ in their seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np

from chromputer_tracks.evaluation.scores import (
    BinaryScores,
    ContinuousScores,
    Curve,
    Reliability,
)

T = TypeVar("T")


def mean_scores(runs: Sequence[T]) -> T:
    """The mean of every number of scores on the same sites.

    Estimates and their bounds are averaged: an interval says how much the figure of one run hangs
    on the sites, not on the seed. A figure that is not a number in one run is none in the mean.
    Counts are rounded means. Curves and the bins of reliability are those of the first run. What
    some runs do not have (a label that they do not predict) is the mean over those that have it.

    Args:
        runs: of one type of :mod:`chromputer_tracks.evaluation.scores`, at least one.
    """
    return _mean(runs)  # type: ignore[no-any-return]


def _mean(runs: Sequence[Any]) -> Any:
    items = [item for item in runs if item is not None]
    if not items:
        return None
    first = items[0]
    if isinstance(first, Curve | str):
        return first
    if isinstance(first, Reliability):
        # Bins without a site are left out, so that those of two runs need not be the same ones.
        return replace(first, error=_mean([item.error for item in items]))
    if is_dataclass(first):
        return first.__class__(
            **{f.name: _mean([getattr(item, f.name) for item in items]) for f in fields(first)}
        )
    if isinstance(first, dict):
        return {key: _mean([item[key] for item in items]) for key in first}
    if isinstance(first, tuple):
        return tuple(map(_mean, _beside(items)))
    mean = float(np.mean(items))
    return round(mean) if isinstance(first, int) else mean


def _beside(tuples: Sequence[tuple[Any, ...]]) -> list[Sequence[Any]]:
    """What stands at the same place in each: labels by their names, all else by position."""
    entries = [entry for items in tuples for entry in items]
    if not any(isinstance(entry, BinaryScores | ContinuousScores) for entry in entries):
        return list(zip(*tuples, strict=True))
    named: dict[str, list[Any]] = {}
    for entry in entries:
        named.setdefault(entry.name, []).append(entry)
    return list(named.values())

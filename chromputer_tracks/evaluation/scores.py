"""What a model scores at sites, as plain values that go to JSON, tables and figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from chromputer_tracks.records import to_plain


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its bootstrap interval (95 %)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a curve in the order of x."""

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Reliability:
    """Calibration in bins of predicted probability that hold any site.

    Attributes:
        predicted: mean predicted probability of each bin.
        observed: share of positives in it.
        sites: number of sites in it.
        error: expected calibration error: mean of |observed - predicted| weighted by sites.
    """

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    sites: tuple[int, ...]
    error: Estimate


@dataclass(frozen=True, slots=True)
class BinaryScores:
    """One label against all other sites; a state of a softmax has them, too.

    Attributes:
        name: the label's name.
        sites: number of known sites.
        positives: how many of them have the label.
        auprc: average precision; ``positives / sites`` is what a random ranking reaches.
        auroc: area under the ROC curve.
        f1: F1 of the calls at the label's threshold (for a state: of the most likely state).
        recall_at: a precision (0.5, 0.9) to the recall that is reached at it.
        pr: precision-recall curve: recall is x, precision y.
        reliability: how far the calibrated probability can be believed.
    """

    name: str
    sites: int
    positives: int
    auprc: Estimate
    auroc: Estimate
    f1: Estimate
    recall_at: dict[str, Estimate]
    pr: Curve
    reliability: Reliability


@dataclass(frozen=True, slots=True)
class StatesScores:
    """The states head.

    Attributes:
        sites: number of known sites.
        accuracy: share of sites whose most likely state is the true one.
        macro_f1: mean F1 over the states that occur.
        confusion: number of sites by true state (row) and predicted state (column).
        reliability: how far the most likely state's probability can be believed (top-label
            calibration).
        labels: scores of each state against the rest.
    """

    sites: int
    accuracy: Estimate
    macro_f1: Estimate
    confusion: tuple[tuple[int, ...], ...]
    reliability: Reliability
    labels: tuple[BinaryScores, ...]


@dataclass(frozen=True, slots=True)
class ContinuousScores:
    """One label of a continuous head: predicted against observed value of each bin.

    Attributes:
        name: the label's name.
        sites: number of known sites.
        pearson: correlation of log1p values.
        spearman: rank correlation.
        explained: share of the Poisson deviance (log heads) or of the variance (log1p heads) of a
            constant prediction that the model explains.
    """

    name: str
    sites: int
    pearson: Estimate
    spearman: Estimate
    explained: Estimate


@dataclass(frozen=True, slots=True)
class Scores:
    """All heads; labels that cannot be scored (no positive, nothing predicted) are left out."""

    states: StatesScores | None
    binary: tuple[BinaryScores, ...]
    continuous: tuple[ContinuousScores, ...]


# ---- Scores as plain values; ``records.from_plain(Scores, ...)`` reads them back.

DIGITS = 4
"""Significant digits that are written: the intervals are wider."""


def to_json(value: Any) -> Any:
    """As :func:`~chromputer_tracks.records.to_plain`, with floats cut to :data:`DIGITS` digits."""
    if is_dataclass(value):
        return to_json(to_plain(value))
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value


def split_metrics(scores: Scores, baselines: Mapping[str, Scores]) -> dict[str, Any]:
    """What a model's spec says of one split: scores without their curves.

    Args:
        scores: scores of the model.
        baselines: name to scores at the same sites.

    Returns:
        ``model`` and ``baselines`` (by name): scores as plain values, estimates as ``value``,
        ``low`` and ``high``.
    """
    return {
        "model": _without_curves(to_json(scores)),
        "baselines": {name: _without_curves(to_json(of)) for name, of in baselines.items()},
    }


def _without_curves(value: Any) -> Any:
    """The same without what only figures show: curves, and all of reliability but its error."""
    if isinstance(value, dict):
        return {
            key: {"error": item["error"]} if key == "reliability" else _without_curves(item)
            for key, item in value.items()
            if key != "pr"
        }
    return [_without_curves(item) for item in value] if isinstance(value, list) else value


# ---- Scores of several runs that differ in their seed alone.


def mean_scores(runs: Sequence[Scores]) -> Scores:
    """The mean of every number of scores on the same sites.

    Estimates and their bounds are averaged: an interval says how much the figure of one run hangs
    on the sites, not on the seed. A figure that is not a number in one run is none in the mean.
    Counts are rounded means. Curves and the bins of reliability are those of the first run. What
    some runs do not have (a label that they do not predict) is the mean over those that have it.

    Args:
        runs: at least one.
    """
    mean: Scores = _mean(runs)
    return mean


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

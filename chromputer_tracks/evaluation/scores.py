"""What a model scores at sites, as plain values that go to JSON, tables and figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from chromputer_tracks.errors import FormatError


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
        name: of the label.
        sites: known sites.
        positives: among them.
        auprc: average precision; ``positives / sites`` is what a random ranking reaches.
        auroc: area under the ROC curve.
        f1: at the label's threshold (for a state: of the most likely state).
        recall_at: precision to the recall at it, for the precisions 0.5 and 0.9.
        pr: recall (x) and precision (y).
        reliability: of the calibrated probability.
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
        sites: known sites.
        accuracy: of the most likely state.
        macro_f1: mean F1 over the states that occur.
        confusion: rows: true state, columns: predicted; number of sites.
        reliability: of the most likely state's probability (top-label calibration).
        labels: each state against the rest.
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
        name: of the label.
        sites: known sites.
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


# ---- Scores as plain values for JSON, and back.

DIGITS = 4
"""Significant digits that are written: the intervals are wider."""


def to_json(value: Any) -> Any:
    """Dataclasses to dicts, tuples to lists, floats to :data:`DIGITS` digits, NaN to None."""
    if is_dataclass(value):
        return {item.name: to_json(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value


def from_json(raw: dict[str, Any], source: str) -> Scores:
    """Scores from what :func:`to_json` made of them; None is NaN.

    Args:
        raw: the dict.
        source: the file's name, for messages.

    Raises:
        FormatError: a key is missing, unknown or ill-typed.
    """
    try:
        return Scores(
            None if raw["states"] is None else _states(raw["states"]),
            tuple(_binary(item) for item in raw["binary"]),
            tuple(_continuous(item) for item in raw["continuous"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"{source} does not hold scores of this release: {error!r}") from error


def _number(raw: float | None) -> float:
    return math.nan if raw is None else float(raw)


def _numbers(raw: list[float | None]) -> tuple[float, ...]:
    return tuple(_number(item) for item in raw)


def _estimate(raw: dict[str, Any]) -> Estimate:
    return Estimate(**{key: _number(value) for key, value in raw.items()})


def _reliability(raw: dict[str, Any]) -> Reliability:
    return Reliability(
        _numbers(raw["predicted"]),
        _numbers(raw["observed"]),
        tuple(raw["sites"]),
        _estimate(raw["error"]),
    )


def _estimates(raw: dict[str, Any]) -> dict[str, Any]:
    """The entries of ``raw``, with those that look like estimates as such."""
    return {
        key: _estimate(value) if isinstance(value, dict) and "low" in value else value
        for key, value in raw.items()
    }


def _binary(raw: dict[str, Any]) -> BinaryScores:
    return BinaryScores(
        **_estimates(raw)
        | {
            "recall_at": _estimates(raw["recall_at"]),
            "pr": Curve(_numbers(raw["pr"]["x"]), _numbers(raw["pr"]["y"])),
            "reliability": _reliability(raw["reliability"]),
        }
    )


def _states(raw: dict[str, Any]) -> StatesScores:
    return StatesScores(
        **_estimates(raw)
        | {
            "confusion": tuple(tuple(row) for row in raw["confusion"]),
            "reliability": _reliability(raw["reliability"]),
            "labels": tuple(_binary(item) for item in raw["labels"]),
        }
    )


def _continuous(raw: dict[str, Any]) -> ContinuousScores:
    return ContinuousScores(**_estimates(raw))


# ---- The figures that a model carries in its spec: scores without their curves.


def split_metrics(scores: Scores, baselines: Mapping[str, Scores]) -> dict[str, Any]:
    """What a spec says of one split.

    Args:
        scores: of the model.
        baselines: name to scores at the same sites.

    Returns:
        ``model`` and ``baselines`` (by name): scores as plain values, estimates as ``value``,
        ``low`` and ``high``, without curves.
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
    if isinstance(value, list):
        return [_without_curves(item) for item in value]
    return value


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

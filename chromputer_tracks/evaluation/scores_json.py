"""Scores as plain values for JSON, and back."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import Any

from chromputer_tracks.errors import FormatError
from chromputer_tracks.evaluation.scores import (
    BinaryScores,
    ContinuousScores,
    Curve,
    Estimate,
    Reliability,
    Scores,
    StatesScores,
)

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

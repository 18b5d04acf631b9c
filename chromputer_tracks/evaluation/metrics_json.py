"""The figures that a model carries in its spec: scores without their curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chromputer_tracks.evaluation.scores import Scores
from chromputer_tracks.evaluation.scores_json import to_json
from chromputer_tracks.spec import HeadSpec


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


def uncalibrated(heads: tuple[HeadSpec, ...]) -> tuple[HeadSpec, ...]:
    """The heads for logits that are already what they should be."""
    return tuple(
        replace(
            head,
            labels=tuple(replace(item, scale=1.0, bias=0.0, threshold=0.5) for item in head.labels),
        )
        for head in heads
    )


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

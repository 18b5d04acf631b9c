"""The figures that a model carries in its spec: scores without their curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chromputer_tracks.evaluation.scores_json import to_json
from chromputer_tracks.evaluation.scoring import score
from chromputer_tracks.evaluation.sites import Sites
from chromputer_tracks.spec import HeadSpec

_CURVES = ("pr", "predicted", "observed")


def split_metrics(
    sites: Sites, heads: tuple[HeadSpec, ...], baselines: Mapping[str, Sites]
) -> dict[str, Any]:
    """Scores of a model and of baselines at the same sites.

    Args:
        sites: of the model.
        heads: calibrated.
        baselines: name to predictions at the same sites, NaN where there are none.

    Returns:
        ``model`` and ``baselines`` (by name): :class:`~chromputer_tracks.evaluation.scores.Scores`
        as plain values, estimates as ``value``, ``low`` and ``high``, without curves.
    """
    plain = uncalibrated(heads)
    return {
        "model": _without_curves(to_json(score(sites, heads))),
        "baselines": {
            name: _without_curves(to_json(score(found, plain))) for name, found in baselines.items()
        },
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
    if isinstance(value, dict):
        return {key: _without_curves(item) for key, item in value.items() if key not in _CURVES}
    if isinstance(value, list):
        return [_without_curves(item) for item in value]
    return value

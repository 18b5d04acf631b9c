"""The classes that filters are ranked for: labels whose logits are explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.inference.explain import head_weights
from chromputer_tracks.inference.model_labels import find_label, model_labels
from chromputer_tracks.spec import HeadSpec, Label, ModelSpec


@dataclass(frozen=True, slots=True, eq=False)
class FilterClass:
    """A label whose logit is explained.

    Attributes:
        name: the label's, as HEAD.LABEL where several heads have one of that name.
        head: its head.
        label: itself.
        row: its row among the model's outputs.
        weights: float32 (outputs,), of the logits in what is explained.
    """

    name: str
    head: HeadSpec
    label: Label
    row: int
    weights: NDArray[np.float32]


def filter_classes(spec: ModelSpec, names: Sequence[str] = ()) -> tuple[FilterClass, ...]:
    """The classes asked for, in the model's order.

    Args:
        spec: the model.
        names: labels, as LABEL or HEAD.LABEL; empty: all.

    Raises:
        InputError: there is no such label, or more than one.
    """
    chosen = {find_label(spec, name).row for name in names}
    return tuple(
        FilterClass(item.key, item.head, item.label, item.row, head_weights(spec, item.key))
        for item in model_labels(spec)
        if not names or item.row in chosen
    )

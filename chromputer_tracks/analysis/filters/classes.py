"""The classes that filters are ranked for: labels whose logits are explained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.inference.explain import explainable, head_weights
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
    for name in names:
        head_weights(spec, name)
    often = Counter(explainable(spec))
    found = []
    for head in spec.heads:
        for row, label in enumerate(head.labels, spec.head_slices()[head.name].start):
            full = f"{head.name}.{label.name}"
            if not names or {label.name, full} & set(names):
                name = full if often[label.name] > 1 else label.name
                found.append(FilterClass(name, head, label, row, head_weights(spec, full)))
    return tuple(found)

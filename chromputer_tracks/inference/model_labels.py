"""The labels of a model: their order among its outputs, and how they are named."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from chromputer_tracks.errors import InputError
from chromputer_tracks.spec import HeadSpec, Label, ModelSpec


@dataclass(frozen=True, slots=True)
class ModelLabel:
    """A label and its place in the model.

    Attributes:
        key: its name, as ``HEAD.LABEL`` where several labels have it.
        head: its head.
        label: itself.
        row: among the model's outputs.
    """

    key: str
    head: HeadSpec
    label: Label
    row: int


def model_labels(spec: ModelSpec) -> tuple[ModelLabel, ...]:
    """All labels, in the order of the outputs."""
    pairs = [(head, label) for head in spec.heads for label in head.labels]
    often = Counter(label.name for _, label in pairs)
    return tuple(
        ModelLabel(
            label.name if often[label.name] == 1 else f"{head.name}.{label.name}", head, label, row
        )
        for row, (head, label) in enumerate(pairs)
    )


def find_label(spec: ModelSpec, name: str) -> ModelLabel:
    """The label of a name.

    Args:
        spec: of the model.
        name: ``LABEL`` or ``HEAD.LABEL``; the latter where several heads have one of that name.

    Raises:
        InputError: there is no such label, or more than one.
    """
    every = model_labels(spec)
    found = [
        item for item in every if name in (item.label.name, f"{item.head.name}.{item.label.name}")
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"model {spec.name} has {len(found)} labels {name!r}: write HEAD.{name}, with one of "
            f"the heads {', '.join(item.head.name for item in found)}"
        )
    raise InputError(
        f"model {spec.name} has no label {name!r}; it has {', '.join(item.key for item in every)}"
    )

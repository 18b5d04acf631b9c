"""Classes that filters are ranked for, and the sites that speak for each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.labels import Mask
from chromputer_tracks.inference.explain import explainable, head_weights
from chromputer_tracks.intervals import Interval
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


@dataclass(frozen=True, slots=True, eq=False)
class Sites:
    """Where filters are looked at.

    Attributes:
        by_class: class name to the windows that speak for it, sorted, distinct, around their sites.
        sample: further windows, for what activates filters only.
        rule: how they were chosen, in a sentence.
    """

    by_class: dict[str, tuple[Interval, ...]]
    sample: tuple[Interval, ...]
    rule: str


def random_windows(
    regions: Sequence[Interval], number: int, window: int, seed: int
) -> list[Interval]:
    """Windows around bases that are drawn uniformly from regions, without repeats.

    Args:
        regions: disjoint.
        number: how many; all bases where there are fewer.
        window: bp.
        seed: of the draw.

    Returns:
        sorted; they may leave their contigs.
    """
    lengths = np.array([len(region) for region in regions], dtype=np.int64)
    ends = np.cumsum(lengths)
    if not len(ends):
        return []
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(ends[-1], min(number, int(ends[-1])), replace=False, shuffle=False))
    rows = np.searchsorted(ends, drawn, side="right")
    centres = drawn - (ends[rows] - lengths[rows]) + [regions[row].start for row in rows]
    return sorted(
        Interval.centred(regions[row].chrom, centre, window)
        for row, centre in zip(rows.tolist(), centres.tolist(), strict=True)
    )


def drawn_sites(windows: Sequence[Interval], number: int, seed: int) -> tuple[Interval, ...]:
    """At most ``number`` of some windows, drawn at random, in their order."""
    if len(windows) <= number:
        return tuple(windows)
    rows = np.random.default_rng(seed).choice(len(windows), number, replace=False)
    return tuple(windows[row] for row in np.sort(rows).tolist())


def without(windows: Sequence[Interval], mask: Mask | None) -> list[Interval]:
    """The windows that touch no position of a mask."""
    if mask is None:
        return list(windows)
    return [item for item in windows if not mask.touches(item.chrom, item.start, item.end)]

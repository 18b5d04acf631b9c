"""Filters ranked by what they contribute to each class: the top scoring filters for a label.

What is averaged: for each site of a class, the contribution of a first-layer filter to the class's
logit, summed over all positions of the window (DeepLIFT counts the activations of a layer as it
counts inputs: what they add beyond what they are at the references). The mean over the class's
sites ranks the filters. Of a state, the logit is taken relative to the mean of all states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.filters.classes import FilterClass
from chromputer_tracks.data.features import Features
from chromputer_tracks.inference.explain import Explainer
from chromputer_tracks.intervals import Interval
from chromputer_tracks.tracks.explain.tally import Completeness, Tally


@dataclass(frozen=True, slots=True, eq=False)
class ClassContributions:
    """What the filters contribute to one class.

    Attributes:
        name: of the class.
        sites: number of sites averaged over.
        mean: input name to float64 (filters,), mean contribution per site, in units of the logit;
            NaN without sites.
        error: likewise, the standard error of that mean over the sites; NaN with fewer than two.
        positive: likewise, the share of the sites where the contribution is above 0.
        logit: mean logit of the sites; NaN without any.
        completeness: how well contributions add up; None for a method that does not promise it, or
            without sites.
    """

    name: str
    sites: int
    mean: dict[str, NDArray[np.float64]]
    error: dict[str, NDArray[np.float64]]
    positive: dict[str, NDArray[np.float64]]
    logit: float
    completeness: Completeness | None


def class_contributions(
    explainer: Explainer,
    features: Features,
    item: FilterClass,
    windows: Sequence[Interval],
    filters: dict[str, int],
    progress: Callable[[int], None] = lambda done: None,
) -> ClassContributions:
    """Average the contributions of the filters over the sites of a class.

    Args:
        explainer: of the model.
        features: makes its inputs.
        item: the class.
        windows: of its sites.
        filters: number of filters of each input, by name.
        progress: told the number of sites done.

    Raises:
        ChromputerError: what the features or the explainer raise.
    """
    found = {name: np.zeros((len(windows), number)) for name, number in filters.items()}
    tally = Tally()
    for first, _, contributions in explainer.stream(features, windows, item.weights):
        rows = slice(first, first + len(contributions.logit))
        for name, values in contributions.filters.items():
            found[name][rows] = values
        tally.add(contributions, contributions.total())
        progress(rows.stop)
    nothing = {name: np.full(number, np.nan) for name, number in filters.items()}
    if not windows:
        return ClassContributions(item.name, 0, nothing, nothing, nothing, float("nan"), None)
    summary = tally.summary(item.name, item.label.title, 0)
    error = nothing
    if len(windows) > 1:
        root = np.sqrt(len(windows))
        error = {name: values.std(axis=0, ddof=1) / root for name, values in found.items()}
    return ClassContributions(
        item.name,
        len(windows),
        {name: values.mean(axis=0) for name, values in found.items()},
        error,
        {name: (values > 0).mean(axis=0) for name, values in found.items()},
        summary.mean_logit,
        summary.completeness,
    )


@dataclass(frozen=True, slots=True, order=True)
class FilterKey:
    """A filter: the input that it reads, and its number from 0."""

    input: str
    number: int

    def __str__(self) -> str:
        return f"{self.input}.f{self.number}"


def ranked(item: ClassContributions) -> list[FilterKey]:
    """All filters of all inputs, the highest mean contribution first; ties in the model's order.

    Empty where the class has no sites.
    """
    if not item.sites:
        return []
    keys = [FilterKey(name, i) for name, values in item.mean.items() for i in range(len(values))]
    values = np.concatenate(list(item.mean.values()))
    return [keys[place] for place in np.argsort(-values, kind="stable").tolist()]

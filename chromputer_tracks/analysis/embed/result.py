"""A map of sites: all that its figures, its page and its files show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.embed.clusters import Clustering, ClusterSummary, Components, Layout
from chromputer_tracks.analysis.embed.colors import Coloring, output_names
from chromputer_tracks.analysis.embed.windows import Readings
from chromputer_tracks.analysis.vplots.aggregate import VplotSet
from chromputer_tracks.io.bed import SiteTable
from chromputer_tracks.spec import Label, ModelSpec

DECIMALS = 4
"""Of coordinates on the map and of probabilities, in every file that holds them as text."""


@dataclass(frozen=True, slots=True, eq=False)
class SiteMap:
    """A map of n sites.

    Attributes:
        spec: of the model.
        sites: as they were given or found, at most as many as were asked for.
        found: how many sites there were before that.
        rule: what the sites are, in words.
        readings: embedding and predictions.
        components: principal components of the embedding.
        layout: where each site lies.
        clustering: of the sites, in the components.
        summaries: of the clusters.
        colorings: all that the map can be coloured by.
        key: of the colouring that it is drawn in.
        vplots: mean V-plots of the clusters, one set for each file of fragments.
        ucsc: name of the assembly at UCSC; empty where it is not known there.
    """

    spec: ModelSpec
    sites: SiteTable
    found: int
    rule: str
    readings: Readings
    components: Components
    layout: Layout
    clustering: Clustering
    summaries: tuple[ClusterSummary, ...]
    colorings: tuple[Coloring, ...]
    key: str
    vplots: tuple[VplotSet, ...]
    ucsc: str = ""

    def __len__(self) -> int:
        return len(self.sites)

    @property
    def coloring(self) -> Coloring:
        """The colouring that the map is drawn in."""
        return next(item for item in self.colorings if item.key == self.key)

    @property
    def labels(self) -> tuple[Label, ...]:
        """All labels of the model, in the order of its outputs."""
        return tuple(label for head in self.spec.heads for label in head.labels)

    @property
    def names(self) -> list[str]:
        """A name of its own for each output."""
        return output_names(self.spec)

    @property
    def bounded(self) -> tuple[bool, ...]:
        """Of each output whether it is a probability, not a value of a continuous label."""
        return tuple(head.kind != "continuous" for head in self.spec.heads for _ in head.labels)

    @property
    def xy(self) -> NDArray[np.float64]:
        """Where each site lies, float64 (n, 2), rounded as files show it."""
        return _rounded(self.layout.xy)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Float64 (n, outputs), rounded as files show them."""
        return _rounded(self.readings.probabilities)


def _rounded(values: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounded, without negative zeros."""
    return np.asarray(np.round(values.astype(np.float64), DECIMALS) + 0.0, dtype=np.float64)

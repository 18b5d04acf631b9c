"""Where a sample is too thin to say: the accuracy to expect of the states, bin by bin.

A model's spec holds how accurate its states were at held-out sites by the number of fragments in
the window around a site, over samples of many depths (``spec.LocalAccuracy``, measured in
``evaluation/depth.py``). The same count around a bin of a new sample tells what to expect there. It
is the balanced accuracy, low where nothing is seen, though most of such a genome is rightly
called quiescent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import Assay
from chromputer_tracks.intervals import Grid
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.spec import LocalAccuracy, ModelSpec, fragment_assays

CONFIDENCE = "confidence.bw"
"""The track in a run's folder."""


class Confidence:
    """Expected accuracy of the states by the fragments around a bin.

    Args:
        local: the model's accuracy, ascending in fragments; at least one row.
        stores: the fragments of all assays that the model reads, which are counted together.
        grid: where the model's outputs lie.
    """

    def __init__(
        self, local: Sequence[LocalAccuracy], stores: Sequence[FragmentStore], grid: Grid
    ) -> None:
        self._fragments = np.array([row.fragments for row in local])
        self._accuracy = np.array([row.accuracy for row in local])
        self._stores = tuple(stores)
        self._grid = grid

    @classmethod
    def of(cls, spec: ModelSpec, assays: Mapping[str, Assay]) -> Self | None:
        """That of a model and a sample's open files; None where the model's was not measured."""
        if not is_measured(spec) or spec.fitness is None:
            return None
        names = fragment_assays(spec.inputs)
        found = [source for name, source in assays.items() if name in names]
        stores = [source for source in found if isinstance(source, FragmentStore)]
        return cls(spec.fitness.local, stores, spec.grid)

    def bins(self, chrom: str, start: int, end: int) -> NDArray[np.float32]:
        """Expected accuracy of consecutive bins.

        Linear between the counts that were measured, and constant beyond the smallest and the
        largest of them.

        Args:
            chrom: contig.
            start: bp, 0-based, a multiple of the stride.
            end: bp, exclusive; cuts the last bin.

        Returns:
            float32 (bins,).
        """
        first, last = self._grid.bins(start, end)
        starts = np.arange(first, last, dtype=np.int64) * self._grid.stride - self._grid.flank
        edges = np.concatenate([starts, starts + self._grid.window])
        around = np.zeros(last - first)
        for store in self._stores:
            low, high = store.cumulative(chrom, edges).reshape(2, -1)
            around += high - low
        expected = np.interp(around, self._fragments, self._accuracy)
        return np.asarray(expected, dtype=np.float32)


def is_measured(spec: ModelSpec) -> bool:
    """Whether a model's spec tells the accuracy of its states by the fragments around."""
    fitness = spec.fitness
    return fitness is not None and bool(fitness.local) and spec.states_head is not None

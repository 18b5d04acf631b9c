"""References of V-plots and signals: the genome's mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import Features
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.spec import ModelSpec


def mean_baselines(
    spec: ModelSpec, features: Features, sizes: ChromSizes, windows: int = 500
) -> dict[str, NDArray[np.float32]]:
    """The genome's mean V-plot and signals, the same at all positions.

    Args:
        spec: of the model.
        features: makes the inputs.
        sizes: the genome's contigs.
        windows: how many, evenly spaced over the genome, the mean is taken of.

    Returns:
        input name to float32 (channels, window / bin).
    """
    items = [item for item in spec.inputs if item.kind != "sequence"]
    sums = {item.name: np.zeros(item.channels) for item in items}
    starts = np.cumsum([0, *sizes.values()])
    names = list(sizes)
    places = (np.arange(windows) + 0.5) * starts[-1] / windows
    for place in places.astype(np.int64):
        contig = int(np.searchsorted(starts, place, side="right")) - 1
        centre = int(place - starts[contig])
        arrays = features.arrays(Interval.centred(names[contig], centre, spec.window))
        for item in items:
            sums[item.name] += arrays[item.name].mean(axis=1, dtype=np.float64)
    return {
        item.name: np.repeat(
            (sums[item.name] / windows).astype(np.float32)[:, None], spec.window // item.bin, axis=1
        )
        for item in items
    }

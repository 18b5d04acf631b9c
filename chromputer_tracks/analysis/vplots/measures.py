"""What the pixels of aggregate V-plots mean: counts, depth, the genome's mean, a background."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.vplots.table import Quantity, VplotAxes, VplotImage
from chromputer_tracks.errors import InputError

Float64 = NDArray[np.float64]

PRIOR = 5.0
"""Fragments by which a ratio is drawn towards 1; see :func:`fold`."""

FRAGMENTS = Quantity(
    "fragments",
    "Fragments",
    "mean fragments per site and pixel",
    "fragments per 1,000 sites in 10 bp × 10 bp",
    1e5,
    per_area=True,
    gamma=0.5,
)
PER_MILLION = Quantity(
    "fragments_per_million",
    "Fragments at equal depth",
    "mean fragments per site and pixel, per million fragments of the sample",
    "fragments per 1,000 sites in 10 bp × 10 bp, of 1 million",
    1e5,
    per_area=True,
    gamma=0.5,
)
COUNTS = Quantity(
    "fragments",
    "Fragments",
    "fragments per pixel",
    "fragments in 10 bp × 10 bp",
    1e2,
    per_area=True,
    gamma=0.5,
)
"""Of one locus."""
INPUT = Quantity(
    "input",
    "What the network reads",
    "mean of the V-plot as the network reads it (normalised)",
    "normalised V-plot, mean over sites",
    gamma=0.5,
)
CONTRIBUTION = Quantity(
    "contribution",
    "Contribution",
    "mean contribution to the explained logit (calibrated; of a state: minus the states' mean)",
    "contribution to the logit (× 10⁻³)",
    1e3,
    signed=True,
)
CHANGE = Quantity(
    "probability_change",
    "Change in the state's probability",
    "mean over sites of softmax(contributions of this pixel to all states)[state] - 1 / states",
    "change in probability (× 10⁻⁴)",
    1e4,
    signed=True,
)
FOLD = Quantity(
    "fold",
    "Over the genome's mean",
    "mean fragments per site and pixel, divided by the genome's mean for that length class",
    "fold of the genome's mean density of each length",
)


def log2_against(background: str) -> Quantity:
    """The log2 ratio to a background, named as ``the genome's mean`` is."""
    return Quantity(
        "log2_ratio",
        "Against background",
        f"log2 of mean fragments per site and pixel over {background}",
        f"log2 ratio to {background}",
        signed=True,
    )


def difference_from(quantity: Quantity, background: str) -> Quantity:
    """The quantity of an image minus that of a background; see :func:`log2_against`."""
    return replace(
        quantity,
        name=f"{quantity.name}_difference",
        title=f"Above {background}",
        unit=f"{quantity.unit}; minus {background}",
        signed=True,
    )


class DensitySource(Protocol):
    """A sample's depth; ``io.fragment_store.FragmentStore`` is one."""

    def length_density(self, edges: tuple[int, ...]) -> Float64:
        """Fragments per kb of each length class; float64 (classes,)."""


def density_image(values: Float64, axes: VplotAxes) -> VplotImage:
    """Counts with their margins: fragments per bp, and per bp of length.

    Args:
        values: float64 (lengths, positions), mean fragments per site and pixel.
        axes: of the image.
    """
    widths = np.diff(np.asarray(axes.edges))
    return VplotImage(values, values.sum(axis=0) / axes.bin, values.sum(axis=1) / widths)


def mean_image(values: Float64) -> VplotImage:
    """Values that do not add up, with their means over lengths and over positions."""
    return VplotImage(values, values.mean(axis=0), values.mean(axis=1))


def sum_image(values: Float64) -> VplotImage:
    """Values that add up, with their sums over lengths and over positions."""
    return VplotImage(values, values.sum(axis=0), values.sum(axis=1))


def genome_mean(source: DensitySource, axes: VplotAxes) -> Float64:
    """Fragments that a pixel holds on average over the genome, whatever its position.

    Args:
        source: of the fragments; its density is robust against contigs of extreme depth.
        axes: of the image.

    Returns:
        float64 (lengths, positions), equal along positions.
    """
    per_bin = source.length_density(axes.edges) * (axes.bin / 1000)
    return np.repeat(per_bin[:, np.newaxis], axes.bins, axis=1)


def fold(values: Float64, sites: int, mean: Float64, prior: float = PRIOR) -> VplotImage:
    """Observed over expected, drawn towards 1 where few fragments are expected.

    ``(n * values + prior) / (n * mean + prior)`` with ``n`` the number of sites: ``n * values`` are
    the fragments that the pixel holds in all, ``n * mean`` those that it would hold if the sites
    were like the genome or the background. A pixel for which fewer than ``prior`` fragments are
    expected cannot show a large ratio by chance. The margins have the ratios of their own sums.

    Args:
        values: float64 (lengths, positions), mean fragments per site and pixel.
        sites: number of sites.
        mean: as ``values``, of what they are compared with.
        prior: fragments, above 0.

    Raises:
        InputError: the prior is not above 0.
    """
    if not prior > 0:
        raise InputError(f"the prior of a ratio ({prior}) must be above 0 fragments")

    def ratio(over: Float64, under: Float64) -> Float64:
        return np.asarray((sites * over + prior) / (sites * under + prior))

    return VplotImage(
        ratio(values, mean),
        ratio(values.sum(axis=0), mean.sum(axis=0)),
        ratio(values.sum(axis=1), mean.sum(axis=1)),
    )


def log2_ratio(
    values: Float64, sites: int, background: Float64, prior: float = PRIOR
) -> VplotImage:
    """Log2 of :func:`fold`, with the same arguments and errors."""
    found = fold(values, sites, background, prior)
    profile, lengths = (
        None if curve is None else np.log2(curve) for curve in (found.profile, found.lengths)
    )
    return VplotImage(np.log2(found.values), profile, lengths)

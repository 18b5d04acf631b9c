"""V-plots of the fragments around sites or at one locus, raw, normalised or compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chromputer_tracks.analysis.vplots.aggregate import aggregate_by_class
from chromputer_tracks.analysis.vplots.images import (
    COUNTS,
    FOLD,
    FRAGMENTS,
    INPUT,
    PER_MILLION,
    PRIOR,
    Float64,
    Quantity,
    VplotAxes,
    VplotImage,
    VplotRow,
    VplotTable,
    density_image,
    difference_from,
    fold,
    genome_mean,
    log2_against,
    log2_ratio,
    mean_image,
)
from chromputer_tracks.analysis.vplots.sites import VplotSites, random_sites, read_sites
from chromputer_tracks.data.features import Features, vplot
from chromputer_tracks.data.labels import UNKNOWN, Mask
from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.options.explain import Centre, Compare, Normalise
from chromputer_tracks.spec import InputSpec

_RANDOM_PLACES = 10_000
"""Random places of a background at least, so that it adds little noise."""
_MOST_POINTS = 2_000
"""Fragments of a locus that are marked one by one at most."""

Means = Callable[[VplotSites], Float64]
"""Mean image of each class of sites: float64 (classes, lengths, positions)."""


def locus_table(store: FragmentStore, locus: Interval, bin_size: int, edges: tuple[int, ...],
                title: str) -> VplotTable:  # fmt: skip
    """The fragments of one locus, of whole bins, counted, and each marked where they are few.

    Raises:
        InputError: no fragment lies there.
    """
    midpoints, lengths = store.midpoints(locus)
    counts = vplot(midpoints, lengths, locus, bin_size, edges).astype(np.float64)
    total = int(counts.sum())
    if not total:
        raise InputError(
            f"{store.summary.path}: no fragment of {edges[0]} to {edges[-1]} bp has its midpoint "
            f"in {locus}"
        )
    axes = VplotAxes(locus.start, bin_size, len(locus) // bin_size, edges, locus.chrom)
    shown = (lengths >= edges[0]) & (lengths < edges[-1])
    points = None
    if total <= _MOST_POINTS:
        points = midpoints[shown].astype(np.int64), lengths[shown].astype(np.int64)
    row = VplotRow("locus", title, 1, (density_image(counts, axes),), points=points)
    return VplotTable(axes, (COUNTS,), (row,))


def fragment_means(store: FragmentStore, sizes: ChromSizes, axes: VplotAxes) -> Means:
    """Means of fragments per site and pixel."""

    def means(sites: VplotSites) -> Float64:
        return aggregate_by_class(
            store,
            sites.contigs,
            sites.contig,
            sites.centre,
            sites.code,
            len(sites.classes),
            sizes,
            axes.bin * axes.bins,
            axes.bin,
            axes.edges,
            sites.strand,
        )

    return means


def input_means(features: Features, item: InputSpec, axes: VplotAxes) -> Means:
    """Means of a V-plot as a model reads it."""

    def means(sites: VplotSites) -> Float64:
        sums = np.zeros((len(sites.classes), *axes.shape))
        windows = sites.windows(axes.bin * axes.bins)
        for row, window in enumerate(windows):
            if sites.code[row] != UNKNOWN:
                image = features.arrays(window)[item.name]
                sums[sites.code[row]] += image[:, :: int(sites.strand[row])]
        many = sites.counts().astype(np.float64)
        many[many == 0] = np.nan
        found: Float64 = sums / many[:, np.newaxis, np.newaxis]
        return found

    return means


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """What sites are compared with.

    Attributes:
        image: float64 (lengths, positions), mean fragments per place and pixel.
        places: number of places that it is the mean over.
        name: as titles have it (``the genome's mean``).
    """

    image: Float64
    places: int
    name: str


def genome_background(store: FragmentStore, axes: VplotAxes) -> Background:
    """The genome's mean."""
    return Background(genome_mean(store, axes), _RANDOM_PLACES, "the genome's mean")


def random_background(
    means: Means, sites: VplotSites, sizes: ChromSizes, axes: VplotAxes, excluded: Mask, seed: int
) -> Background:
    """Random places that match sites; see :func:`~.vplots.sites.random_sites`."""
    window = axes.bin * axes.bins
    places = random_sites(sites, sizes, window, excluded, _RANDOM_PLACES, seed)
    return Background(means(places)[0], len(places), "matched random places")


def bed_background(
    path: Path, means: Means, sizes: ChromSizes, centre: Centre, excluded: Mask
) -> Background:
    """Other sites, read as :func:`~.vplots.sites.read_sites` reads them.

    Raises:
        InputError: the file cannot be used, or all of its sites are excluded.
    """
    places = read_sites(path, sizes, centre)
    places = places.take(~places.inside(excluded))
    if not len(places):
        raise InputError(f"--background {path}: all of its sites are excluded")
    return Background(means(places)[0], len(places), path.name.partition(".")[0])


def sites_table(
    means: Means,
    store: FragmentStore,
    sites: VplotSites,
    axes: VplotAxes,
    source: str,
    *,
    normalise: Normalise = "none",
    background: Background | None = None,
    compare: Compare = "log2",
    prior: float = PRIOR,
) -> VplotTable:
    """Aggregates of each class, and where there is a background, compared with it.

    Args:
        means: make the sites' images.
        store: the fragments, for their depth.
        sites: at least one of each class.
        axes: say what their pixels are.
        source: where the sites are from, for messages.
        normalise: ``none``: fragments per site and pixel; ``depth``: per million fragments, too;
            ``lengths``: over the genome's mean of each length class; ``model``: as the model reads
            them.
        background: None: none.
        compare: with the background.
        prior: fragments that draw a ratio towards 1.

    Raises:
        InputError: no fragment lies in any window.
    """
    images, counts = means(sites), sites.counts().tolist()
    if not np.nansum(images):
        raise InputError(
            f"{store.summary.path}: no fragment of {axes.edges[0]} to {axes.edges[-1]} bp has its "
            f"midpoint in any of the {len(sites):,} windows of {axes.bin * axes.bins:,} bp around "
            f"the sites of {source}"
        )
    quantity, measure = _measure(normalise, prior, store, axes)
    columns = [[measure(image, n) for image, n in zip(images, counts, strict=True)]]
    quantities = [quantity]
    if background is not None and compare == "log2":
        quantities.append(log2_against(background.name))
        other = background.image
        columns.append(
            [log2_ratio(image, n, other, prior) for image, n in zip(images, counts, strict=True)]
        )
    elif background is not None:
        quantities.append(difference_from(quantity, background.name))
        base = measure(background.image, background.places)
        columns.append([_minus(image, base) for image in columns[0]])
    rows = (
        VplotRow(name, name, n, tuple(column[code] for column in columns))
        for code, (name, n) in enumerate(zip(sites.classes, counts, strict=True))
    )
    return VplotTable(axes, tuple(quantities), tuple(rows))


def _measure(
    normalise: Normalise, prior: float, store: FragmentStore, axes: VplotAxes
) -> tuple[Quantity, Callable[[Float64, int], VplotImage]]:
    """What is drawn, and how it comes from the mean image and the number of sites."""
    match normalise:
        case "depth":
            factor = 1e6 / store.total
            return PER_MILLION, lambda image, _: density_image(image * factor, axes)
        case "lengths":
            mean = genome_mean(store, axes)
            return FOLD, lambda image, n: fold(image, n, mean, prior)
        case "model":
            return INPUT, lambda image, _: mean_image(image)
        case _:
            return FRAGMENTS, lambda image, _: density_image(image, axes)


def _minus(image: VplotImage, base: VplotImage) -> VplotImage:
    def less(one: Float64 | None, other: Float64 | None) -> Float64 | None:
        return None if one is None or other is None else one - other

    return VplotImage(
        image.values - base.values,
        less(image.profile, base.profile),
        less(image.lengths, base.lengths),
    )

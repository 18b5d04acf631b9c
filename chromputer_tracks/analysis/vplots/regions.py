"""V-plots of the fragments around sites or at one locus, raw, normalised or compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.vplots.aggregate import FragmentSource, aggregate_by_class
from chromputer_tracks.analysis.vplots.measures import (
    COUNTS,
    FOLD,
    FRAGMENTS,
    INPUT,
    PER_MILLION,
    density_image,
    difference_from,
    fold,
    genome_mean,
    log2_against,
    log2_ratio,
    mean_image,
)
from chromputer_tracks.analysis.vplots.options import GENOME, RANDOM, VplotOptions
from chromputer_tracks.analysis.vplots.sites import VplotSites, random_sites, read_sites
from chromputer_tracks.analysis.vplots.states import site_windows
from chromputer_tracks.analysis.vplots.table import (
    Float64,
    Quantity,
    VplotAxes,
    VplotImage,
    VplotRow,
    VplotTable,
)
from chromputer_tracks.data.features import Features, vplot
from chromputer_tracks.data.labels import UNKNOWN, Mask
from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.spec import InputSpec

_RANDOM_PLACES = 10_000
"""Random places of a background at least, so that it adds little noise."""
_MOST_POINTS = 2_000
"""Fragments of a locus that are marked one by one at most."""

Means = Callable[[VplotSites], Float64]
"""Mean image of each class of sites: float64 (classes, lengths, positions)."""


def locus_table(store: FragmentStore, locus: Interval, bin_size: int, edges: tuple[int, ...],
                title: str) -> VplotTable:  # fmt: skip
    """The fragments of one locus, counted, and each marked where they are few.

    Args:
        store: the fragments.
        locus: of whole bins.
        bin_size: bp.
        edges: length class edges, bp.
        title: of the image.

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


def fragment_means(store: FragmentSource, sizes: ChromSizes, axes: VplotAxes) -> Means:
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
        windows = site_windows(sites, axes.bin * axes.bins)
        for row, window in enumerate(windows):
            if sites.code[row] != UNKNOWN:
                image = features.arrays(window)[item.name]
                sums[sites.code[row]] += image[:, :: int(sites.strand[row])]
        many = site_counts(sites).astype(np.float64)
        many[many == 0] = np.nan
        found: Float64 = sums / many[:, np.newaxis, np.newaxis]
        return found

    return means


def site_counts(sites: VplotSites) -> NDArray[np.int64]:
    """Number of sites of each class, int64 (classes,)."""
    known = sites.code[sites.code != UNKNOWN]
    return np.bincount(known, minlength=len(sites.classes)).astype(np.int64)


def sites_table(
    options: VplotOptions,
    means: Means,
    store: FragmentStore,
    sites: VplotSites,
    sizes: ChromSizes,
    axes: VplotAxes,
    excluded: Mask,
) -> VplotTable:
    """Aggregates of each class, and where asked for, compared with a background.

    Args:
        options: what to draw.
        means: of the sites' images.
        store: the fragments, for their depth.
        sites: at least one of each class.
        sizes: the genome's contigs.
        axes: of the images.
        excluded: positions where no random place may lie.

    Raises:
        InputError: no fragment lies in any window, or the background cannot be made.
    """
    images, counts = means(sites), site_counts(sites)
    if not np.nansum(images):
        raise InputError(
            f"{store.summary.path}: no fragment of {axes.edges[0]} to {axes.edges[-1]} bp has its "
            f"midpoint in any of the {len(sites):,} windows of {axes.bin * axes.bins:,} bp around "
            f"the sites of {options.regions}"
        )
    quantity, measure = _measure(options, store, axes)
    columns = [[measure(image, int(n)) for image, n in zip(images, counts, strict=True)]]
    quantities = [quantity]
    if options.background is not None:
        behind, places, what = _background(options, means, store, sites, sizes, axes, excluded)
        if options.compare == "log2":
            quantities.append(log2_against(what))
            columns.append(
                [
                    log2_ratio(image, int(n), behind, options.prior)
                    for image, n in zip(images, counts, strict=True)
                ]
            )
        else:
            quantities.append(difference_from(quantity, what))
            base = measure(behind, places)
            columns.append([_minus(image, base) for image in columns[0]])
    rows = (
        VplotRow(name, name, int(n), tuple(column[code] for column in columns))
        for code, (name, n) in enumerate(zip(sites.classes, counts, strict=True))
    )
    return VplotTable(axes, tuple(quantities), tuple(rows))


def _measure(
    options: VplotOptions, store: FragmentStore, axes: VplotAxes
) -> tuple[Quantity, Callable[[Float64, int], VplotImage]]:
    """What is drawn, and how it comes from the mean image and the number of sites."""
    match options.normalise:
        case "depth":
            factor = 1e6 / store.total
            return PER_MILLION, lambda image, _: density_image(image * factor, axes)
        case "lengths":
            mean = genome_mean(store, axes)
            return FOLD, lambda image, n: fold(image, n, mean, options.prior)
        case "model":
            return INPUT, lambda image, _: mean_image(image)
        case _:
            return FRAGMENTS, lambda image, _: density_image(image, axes)


def _background(
    options: VplotOptions,
    means: Means,
    store: FragmentStore,
    sites: VplotSites,
    sizes: ChromSizes,
    axes: VplotAxes,
    excluded: Mask,
) -> tuple[Float64, int, str]:
    """Mean image of the background, of how many places it is, and its name."""
    if options.background == GENOME:
        return genome_mean(store, axes), _RANDOM_PLACES, "the genome's mean"
    if options.background == RANDOM:
        window = axes.bin * axes.bins
        places = random_sites(sites, sizes, window, excluded, _RANDOM_PLACES, options.seed)
        what = "matched random places"
    else:
        path = Path(str(options.background))
        what = path.name.partition(".")[0]
        places = read_sites(path, sizes, options.centre)
        places = places.take(~places.inside(excluded))
        if not len(places):
            raise InputError(f"--background {options.background}: all of its sites are excluded")
    return means(places)[0], len(places), what


def _minus(image: VplotImage, base: VplotImage) -> VplotImage:
    def less(one: Float64 | None, other: Float64 | None) -> Float64 | None:
        return None if one is None or other is None else one - other

    return VplotImage(
        image.values - base.values,
        less(image.profile, base.profile),
        less(image.lengths, base.lengths),
    )

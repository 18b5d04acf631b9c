"""Aggregate V-plots: the mean image of the fragments around many sites.

After Henikoff et al. 2011 (doi:10.1073/pnas.1110731108): what one site is too sparse to show, such
as the nucleosomes beside a bound factor, stands out in the mean over thousands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import DEFAULT_BIN
from chromputer_tracks.data.features import FINE_LENGTH_EDGES as FINE_LENGTH_EDGES
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import BoundsError, InputError
from chromputer_tracks.evaluation.sites import LabelledSites
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.spec import Label

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

_SPAN = 1_000_000
"""bp that one query of the source covers at most, beside one window."""
_PAIRS = 2_000_000
"""Fragments that are placed at once, counted once for each window that they lie in."""


@dataclass(frozen=True, slots=True, eq=False)
class VplotPair:
    """Aggregate V-plots of one class: at the sites that have it, and at those predicted to.

    Attributes:
        label: the class.
        sites: number of sites that have it.
        observed: float64 (lengths, positions), mean fragments per site and pixel; NaN without
            sites.
        predicted_sites: number of sites predicted to have it.
        predicted: as ``observed``, at those; None where nothing is predicted (a dataset).
    """

    label: Label
    sites: int
    observed: Float64
    predicted_sites: int = 0
    predicted: Float64 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class VplotSet:
    """Aggregate V-plots of several classes of one sample.

    Attributes:
        title: whose fragments they are (``SRR1822137``, ``MNase-seq``).
        window: bp of the positions' axis; the site is in its middle.
        edges: length class edges in bp, ascending, all classes of one width.
        pairs: one entry a class.
    """

    title: str
    window: int
    edges: tuple[int, ...]
    pairs: tuple[VplotPair, ...]


def aggregate_by_class(
    source: FragmentStore,
    contigs: Sequence[str],
    contig: Int64,
    centre: Int64,
    classes: Int64,
    n_classes: int,
    sizes: ChromSizes,
    window: int = 2000,
    bin_size: int = DEFAULT_BIN,
    edges: tuple[int, ...] = FINE_LENGTH_EDGES,
    strand: Int64 | None = None,
) -> Float64:
    """Mean fragments per site and pixel, for each class of sites.

    Args:
        source: the fragments.
        contigs: names of the contigs.
        contig: int64 (n,), index into ``contigs``.
        centre: int64 (n,), bp, 0-based; the window is ``[centre - window/2, centre + window/2)``.
            A window that leaves its contig counts like any other, with no fragments beyond.
        classes: int64 (n,), 0 to ``n_classes - 1``; sites of ``UNKNOWN`` class are left out.
        n_classes: number of classes.
        sizes: the genome's contigs.
        window: bp.
        bin_size: bp per position bin.
        edges: length class edges in bp, ascending; class i holds
            ``edges[i] <= length < edges[i + 1]``, and other fragments are not counted.
        strand: int64 (n,), -1 turns a site's window around; None turns none.

    Returns:
        float64 (n_classes, len(edges) - 1, window / bin_size); NaN for a class without sites.

    Raises:
        InputError: the bin does not divide the window, the window is odd, or a class is not one of
            ``n_classes``.
        ContigError: a contig is unknown.
        BoundsError: a centre lies outside its contig.
    """
    if bin_size < 1 or window < bin_size or window % 2 or window % bin_size:
        raise InputError(
            f"a V-plot's window of {window} bp must be even and a multiple of its bin of "
            f"{bin_size} bp"
        )
    known = classes != UNKNOWN
    if (wrong := (classes[known] < 0) | (classes[known] >= n_classes)).any():
        raise InputError(f"class {classes[known][wrong][0]} of a site is not in 0 to {n_classes}")
    width, height = window // bin_size, len(edges) - 1
    counts = np.zeros(n_classes * height * width, dtype=np.int64)
    for code, name in enumerate(contigs):
        here = np.flatnonzero(known & (contig == code))
        if not len(here):
            continue
        here = here[np.argsort(centre[here], kind="stable")]
        _check_centres(name, centre[here], sizes)
        for part, row, midpoint, owner in _placed(source, name, here, centre, window, edges):
            offset = midpoint - (centre[part] - window // 2)[owner]
            if strand is not None:
                offset = np.where(strand[part][owner] < 0, window - 1 - offset, offset)
            pixel = (classes[part][owner] * height + row) * width + offset // bin_size
            counts += np.bincount(pixel, minlength=len(counts))
    members = np.bincount(classes[known], minlength=n_classes).astype(np.float64)
    members[members == 0] = np.nan
    return counts.reshape(n_classes, height, width) / members[:, None, None]


def aggregate_vplot(
    source: FragmentStore,
    sites: Iterable[tuple[str, int]],
    sizes: ChromSizes,
    window: int = 2000,
    bin_size: int = DEFAULT_BIN,
    edges: tuple[int, ...] = FINE_LENGTH_EDGES,
    strand: Sequence[int] | None = None,
) -> Float64:
    """Mean fragments per site and pixel over all sites; see :func:`aggregate_by_class`.

    Sites are contig and centre (bp, 0-based) each; ``strand`` has -1 for each to be turned around.

    Returns:
        float64 (len(edges) - 1, window / bin_size); NaN without sites.
    """
    rows = list(sites)
    names = list(dict.fromkeys(name for name, _ in rows))
    code = {name: index for index, name in enumerate(names)}
    image: Float64 = aggregate_by_class(
        source,
        names,
        np.array([code[name] for name, _ in rows], dtype=np.int64),
        np.array([centre for _, centre in rows], dtype=np.int64),
        np.zeros(len(rows), dtype=np.int64),
        1,
        sizes,
        window,
        bin_size,
        edges,
        None if strand is None else np.array(strand, dtype=np.int64),
    )[0]
    return image


def state_vplots(
    title: str,
    source: FragmentStore,
    sizes: ChromSizes,
    sites: LabelledSites,
    labels: Sequence[Label],
    window: int = 2000,
    bin_size: int = DEFAULT_BIN,
    edges: tuple[int, ...] = FINE_LENGTH_EDGES,
) -> VplotSet:
    """V-plots by true and by predicted state, over the sites whose state is known.

    The most likely state, by the logits, is the one predicted; labels are in the order of the
    states head. See :func:`aggregate_by_class` for the rest, and for what is raised.
    """
    known = sites.states != UNKNOWN
    called = np.where(known, sites.logits[: len(labels)].argmax(axis=0), UNKNOWN).astype(np.int64)

    def images(classes: Int64) -> Float64:
        where = (sites.contigs, sites.contig, sites.centre)
        return aggregate_by_class(
            source, *where, classes, len(labels), sizes, window, bin_size, edges
        )

    observed, predicted = images(sites.states), images(called)
    return VplotSet(
        title,
        window,
        edges,
        tuple(
            VplotPair(
                label,
                int((sites.states == code).sum()),
                observed[code],
                int((called == code).sum()),
                predicted[code],
            )
            for code, label in enumerate(labels)
        ),
    )


def _check_centres(name: str, centre: Int64, sizes: ChromSizes) -> None:
    size = sizes.require(name, "V-plot sites")
    for at in (int(centre[0]), int(centre[-1])):
        if not 0 <= at < size:
            raise BoundsError(f"V-plot sites: {name}:{at + 1:,} is outside {name} ({size:,} bp)")


def _placed(
    source: FragmentStore,
    name: str,
    here: NDArray[np.intp],
    centre: Int64,
    window: int,
    edges: tuple[int, ...],
) -> Iterator[tuple[NDArray[np.intp], Int64, Int64, NDArray[np.intp]]]:
    """Fragments in each site's window, some of a contig's sites at a time.

    ``here`` are these sites, ascending by centre; ``centre`` is of all sites.

    Yields:
        part of ``here``; and for each fragment in a window of it: length class, midpoint, and
        index into the part.
    """
    begin = 0
    while begin < len(here):
        first = int(centre[here[begin]])
        stop = begin + int(np.searchsorted(centre[here[begin:]], first + _SPAN, side="right"))
        part, begin = here[begin:stop], stop
        start = centre[part] - window // 2
        hull = Interval(name, int(start[0]), int(start[-1]) + window)
        midpoint, lengths = source.midpoints(hull)
        row = np.searchsorted(np.asarray(edges), lengths, side="right") - 1
        kept = np.flatnonzero((row >= 0) & (row < len(edges) - 1))
        kept = kept[np.argsort(midpoint[kept], kind="stable")]
        midpoint, row = midpoint[kept].astype(np.int64), row[kept]
        low = np.searchsorted(midpoint, start)
        many = np.searchsorted(midpoint, start + window) - low
        ends = np.cumsum(many)
        at = 0
        while at < len(part):
            done = int(ends[at - 1]) if at else 0
            to = max(at + 1, int(np.searchsorted(ends, done + _PAIRS, side="right")))
            owner = np.repeat(np.arange(to - at), many[at:to])
            rank = np.arange(len(owner)) - np.repeat(ends[at:to] - many[at:to] - done, many[at:to])
            index = low[at:to][owner] + rank
            yield part[at:to], row[index], midpoint[index], owner
            at = to

"""Places worth a look: the strongest explained sites and calls of each label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyBigWig
from numpy.typing import NDArray

from chromputer_tracks.errors import FormatError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.site_table import read_site_table
from chromputer_tracks.tracks.igv.tracks import BrowserTrack

MOST_SITES = 200
"""Of a label."""
_FLANK = 250
"""bp on each side of a site's centre in which its most important bases are sought."""
_MOTIF = 15
"""bp: of the stretch with the largest sum of importance."""
_FIRST_WIDTH = 10_000
"""bp shown at first."""


@dataclass(frozen=True, slots=True)
class SiteList:
    """Sites of a label, the strongest first.

    Attributes:
        group: the tracks' group.
        name: shown.
        explained: whether there are contributions at the sites.
        places: contig and base of each, 0-based: the middle of its most important bases where it is
            explained, else its summit, of a call the middle of its most likely bin (by the rule of
            :func:`~chromputer_tracks.io.site_table.read_site_table`).
        total: number of sites, of which those are the strongest.
    """

    group: str
    name: str
    explained: bool
    places: tuple[tuple[str, int], ...]
    total: int


def site_lists(tracks: Sequence[BrowserTrack], sizes: ChromSizes) -> tuple[SiteList, ...]:
    """A list for each track of explained sites, and of calls of what is not explained in a sample.

    Raises:
        InputError: a BED file cannot be read.
        FormatError: a file is damaged.
    """
    explained = {(track.sample, track.group) for track in tracks if track.kind == "sites"}
    importance = {track.path.parent: track for track in tracks if track.kind == "importance"}
    found = []
    for track in tracks:
        called = track.kind == "calls" and (track.sample, track.group) not in explained
        if track.kind == "sites" or called:
            table = read_site_table(track.path, sizes)
            kept = table.select(_strongest(table.numbers(5)))
            places = list(zip(kept.chroms, kept.centre.tolist(), strict=True))
            letters = importance.get(track.path.parent) if track.kind == "sites" else None
            if letters is not None:
                places = _most_important(letters, places, sizes)
            found.append(
                SiteList(track.group, track.name, track.kind == "sites", tuple(places), len(table))
            )
    return tuple(found)


def first_locus(lists: Sequence[SiteList], sizes: ChromSizes) -> Interval:
    """The surroundings of the first explained site, else of the first call, else a contig's start.

    Returns:
        up to 10 kb, inside the contig.
    """
    ordered = sorted(lists, key=lambda item: not item.explained)
    chrom, centre = next(
        (item.places[0] for item in ordered if item.places), (next(iter(sizes)), 0)
    )
    wanted = Interval.centred(chrom, centre, _FIRST_WIDTH)
    start = max(0, min(wanted.start, sizes[chrom] - _FIRST_WIDTH))
    return Interval(chrom, start, min(start + _FIRST_WIDTH, sizes[chrom]))


def _strongest(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows of the highest scores, equal ones in file order: intp (n,)."""
    return np.argsort(-np.nan_to_num(scores), kind="stable")[:MOST_SITES]


def _most_important(
    track: BrowserTrack, places: Sequence[tuple[str, int]], sizes: ChromSizes
) -> list[tuple[str, int]]:
    """Each place moved to the middle of the bases near it that contribute most.

    Raises:
        FormatError: the bigWig is damaged.
    """
    moved = []
    try:
        file: Any = pyBigWig.open(str(track.path))
        try:
            for chrom, centre in places:
                start, end = max(0, centre - _FLANK), min(sizes[chrom], centre + _FLANK)
                values = np.nan_to_num(file.values(chrom, start, end, numpy=True))
                sums = np.convolve(values, np.ones(_MOTIF), "same")
                # Of a contig shorter than a motif there are more sums than bases.
                moved.append((chrom, min(start + int(sums.argmax()), end - 1)))
        finally:
            file.close()
    except RuntimeError as error:
        raise FormatError(
            f"{track.path} cannot be read as bigWig ({error}): run it again"
        ) from error
    return moved

"""Sessions of igv.js, which newer versions of IGV desktop read, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chromputer_tracks.intervals import Interval, format_region
from chromputer_tracks.io.bed import Rgb
from chromputer_tracks.tracks.igv.genome import BrowserGenome
from chromputer_tracks.tracks.igv.tracks import BrowserTrack

Url = Callable[[Path], str]
"""Where a browser finds a file."""

_TYPES = {"bigwig": "wig"}
_GRAPHS = {"importance": "dynseq"}
_LETTERS_WINDOW = 2_000_000
"""bp: importance is not shown in wider views."""
_GENE_FIELDS = ("name", "gene", "gene_name", "gene_id", "transcript_id", "id")
"""Attributes by which genes are found: those that igv.js looks at, and ``gene``, where files of SGD
and NCBI have the usual name."""
_MARGIN = 4
"""Pixels above features."""


def igv_js_session(
    genome: str | Mapping[str, str],
    tracks: Sequence[BrowserTrack],
    locus: Interval,
    url: Url,
) -> dict[str, Any]:
    """A session as ``igv.createBrowser`` takes it, ready for JSON.

    The keys are those of the igv.js manual (https://igv.org/doc/igvjs).

    Args:
        genome: id of one that igv.js knows, or the reference.
        tracks: from top to bottom.
        locus: shown first.
        url: of a file.
    """
    return {
        "genome" if isinstance(genome, str) else "reference": genome,
        "locus": format_region(locus),
        "tracks": [_track(track, place, url) for place, track in enumerate(tracks, 1)],
    }


def fasta_reference(genome: BrowserGenome, url: Url) -> dict[str, str]:
    """An indexed FASTA as igv.js takes it.

    Args:
        genome: the FASTA.
        url: of a file.
    """
    reference = {
        "id": genome.name,
        "name": genome.name,
        "fastaURL": url(genome.fasta),
        "indexURL": url(genome.fai),
    }
    if genome.gzi is not None:
        reference["compressedIndexURL"] = url(genome.gzi)
    return reference


def _track(track: BrowserTrack, order: int, url: Url) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": track.name,
        "type": _TYPES.get(track.format, "annotation"),
        "format": track.format,
        "url": url(track.path),
        "order": order,
        "height": track.height,
        # Shown on a click on the name; igv.js 3.8 fails on a description in its place.
        "metadata": {"Shows": track.about},
    }
    if track.index is not None:
        found["indexURL"] = url(track.index)
    elif found["type"] == "annotation" and track.format != "bigbed":
        found["indexed"] = False
    if track.color is not None:
        found["color"] = rgb(track.color)
    if found["type"] == "annotation":
        added = track.kind == "features"
        found["displayMode"] = "EXPANDED" if added else "COLLAPSED"
        found["searchable"] = added
        if added:
            found["searchableFields"] = _GENE_FIELDS
        else:
            # One row fills the track; the names of calls, all the same, fall below it.
            found["margin"] = _MARGIN
            found["expandedRowHeight"] = track.height - _MARGIN
        return found
    found["graphType"] = _GRAPHS.get(track.kind, "bar")
    if track.kind == "importance":
        # igv.js reads the bases of all that is in view, letters or not.
        found["visibilityWindow"] = _LETTERS_WINDOW
        found["supportsWholeGenome"] = False
    found["windowFunction"] = "mean"
    if track.negative is not None:
        found["altColor"] = rgb(track.negative)
    if track.limits is None:
        found["autoscale"] = True
    else:
        found["min"], found["max"] = track.limits
    if track.scale_group:
        found["autoscaleGroup"] = track.scale_group
    return found


def rgb(color: Rgb) -> str:
    """The colour as CSS writes it."""
    return f"rgb({','.join(map(str, color))})"

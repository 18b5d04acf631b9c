"""Session files beside tracks: ``session.json`` for igv.js, ``session.xml`` for IGV desktop."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree as ET

from chromputer_tracks.errors import ContigError, FileIndexError, InputError, OutputError
from chromputer_tracks.intervals import ChromSizes, Interval, format_region
from chromputer_tracks.io.atomic import atomic_path, check_folder, output_errors
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.record import RUN_JSON
from chromputer_tracks.tracks.browser_tracks import BrowserTrack, css_color
from chromputer_tracks.tracks.predict import rgb_text
from chromputer_tracks.tracks.runs import RunFolder, recorded_path

# ---- The genome that a browser shows tracks on, and where it starts.


@dataclass(frozen=True, slots=True)
class BrowserGenome:
    """An indexed FASTA, plain or bgzipped.

    ``name`` is shown, and the genome's id in sessions; ``gzi``, the index of blocks, is None where
    it is not compressed.
    """

    fasta: Path
    name: str
    sizes: ChromSizes
    fai: Path
    gzi: Path | None


def browser_genome(run: RunFolder, fasta: Path | None = None) -> BrowserGenome:
    """The genome that a run was made with: ``fasta``, or None for the file that the run read.

    Raises:
        InputError: it is not there any more, or cannot be used (:class:`Fasta` tells why).
        ContigError: its contigs are not the run's.
    """
    if "fasta" not in run.record.inputs:
        raise InputError(
            f"{run.folder / RUN_JSON} does not name the genome: run `chromputer {run.record.kind}` "
            "again"
        )
    path = fasta or recorded_path(run.record, run.record.inputs["fasta"].path)
    if fasta is None and not path.is_file():
        raise InputError(
            f"{path}, the genome that {run.folder} was made with, is not there: name the file with "
            "--fasta"
        )
    with Fasta(path) as file:
        sizes, index = file.sizes, file.index
    if index.missing():
        raise FileIndexError(
            f"{path} has no index, and its folder cannot be written into; browsers need one beside "
            f"the file: copy it to a folder of yours, and name that one with --fasta"
        )
    if sizes.digest() != run.genome.digest:
        raise ContigError(
            f"{path} has other contigs than the genome that {run.folder} was made with: name that "
            "one with --fasta"
        )
    name = run.spec.assembly if run.genome.same_as_model else path.name.split(".")[0]
    return BrowserGenome(path, name, sizes, index.fai, index.gzi)


# ---- Sessions of igv.js, which newer versions of IGV desktop read, too.

Url = Callable[[Path], str]
"""Where a browser finds a file."""

_LETTERS_WINDOW = 2_000_000
"""bp: importance is not shown in wider views."""
_GENE_FIELDS = ("name", "gene", "gene_name", "gene_id", "transcript_id", "id")
"""Attributes by which genes are found: those that igv.js looks at, and ``gene``, where files of SGD
and NCBI have the usual name."""
_MARGIN = 4
"""Pixels above features."""


def igv_js_session(
    genome: str | Mapping[str, str], tracks: Sequence[BrowserTrack], locus: Interval, url: Url
) -> dict[str, Any]:
    """A session as ``igv.createBrowser`` takes it, ready for JSON; tracks are from top to bottom.

    The keys are those of the igv.js manual (https://igv.org/doc/igvjs). The genome is the id of one
    that igv.js knows, or the reference.
    """
    return {
        "genome" if isinstance(genome, str) else "reference": genome,
        "locus": format_region(locus),
        "tracks": [_json_track(track, place, url) for place, track in enumerate(tracks, 1)],
    }


def fasta_reference(genome: BrowserGenome, url: Url) -> dict[str, str]:
    """An indexed FASTA as igv.js takes it."""
    reference = {
        "id": genome.name,
        "name": genome.name,
        "fastaURL": url(genome.fasta),
        "indexURL": url(genome.fai),
    }
    if genome.gzi is not None:
        reference["compressedIndexURL"] = url(genome.gzi)
    return reference


def _json_track(track: BrowserTrack, order: int, url: Url) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": track.name,
        "type": "wig" if track.is_signal else "annotation",
        "format": track.format,
        "url": url(track.path),
        "order": order,
        "height": track.height,
        # Shown on a click on the name; igv.js 3.8 fails on a description in its place.
        "metadata": {"Shows": track.about},
    }
    if track.index is not None:
        found["indexURL"] = url(track.index)
    elif track.format not in ("bigwig", "bigbed"):
        found["indexed"] = False
    if track.format == "refflat":
        # Else igv.js takes spaces for the columns' bounds, too.
        found["delimiter"] = "\t"
    if track.color is not None:
        found["color"] = css_color(track.color)
    return found | (_json_signal(track) if track.is_signal else _json_features(track))


def _json_features(track: BrowserTrack) -> dict[str, Any]:
    if track.kind == "features":
        fields = _GENE_FIELDS
        return {"displayMode": "EXPANDED", "searchable": True, "searchableFields": fields}
    return {
        "displayMode": "COLLAPSED",
        "searchable": False,
        # One row fills the track; the names of calls, all the same, fall below it.
        "margin": _MARGIN,
        "expandedRowHeight": track.height - _MARGIN,
    }


def _json_signal(track: BrowserTrack) -> dict[str, Any]:
    found: dict[str, Any] = {"graphType": "bar"}
    if track.letters:
        # igv.js reads the bases of all that is in view, letters or not.
        found = {
            "graphType": "dynseq",
            "visibilityWindow": _LETTERS_WINDOW,
            "supportsWholeGenome": False,
        }
    found["windowFunction"] = "mean"
    if track.negative is not None:
        found["altColor"] = css_color(track.negative)
    if track.limits is None:
        found["autoscale"] = True
    else:
        found["min"], found["max"] = track.limits
    if track.scale_group:
        found["autoscaleGroup"] = track.scale_group
    return found


# ---- Sessions of IGV desktop.

VERSION = "8"
_CLASS = "org.broad.igv.track.{}Track"
_SEQUENCE_ID = "Reference sequence"


def igv_xml_session(genome: str, tracks: Sequence[BrowserTrack], locus: Interval, url: Url) -> str:
    """The text of a ``.xml`` session; tracks are from top to bottom.

    The genome is the id of one that IGV knows, or the URL of its sequence; relative paths that
    ``url`` gives are relative to the session.
    """
    session = ET.Element("Session", genome=genome, locus=format_region(locus), version=VERSION)
    resources = ET.SubElement(session, "Resources")
    for track in tracks:
        resource = ET.SubElement(
            resources, "Resource", path=url(track.path), name=track.name, type=track.format
        )
        if track.index is not None:
            resource.set("index", url(track.index))
    panel = ET.SubElement(session, "Panel", name="DataPanel")
    groups: dict[str, str] = {}
    sequence = {"id": _SEQUENCE_ID, "name": _SEQUENCE_ID, "clazz": _CLASS.format("Sequence")}
    ET.SubElement(panel, "Track", sequence, visible="true")
    for track in tracks:
        if track.scale_group:
            groups.setdefault(track.scale_group, str(len(groups) + 1))
        _xml_track(panel, track, url(track.path), groups.get(track.scale_group, ""))
    if groups:
        session.set("nextAutoscaleGroup", str(len(groups) + 1))
    ET.indent(session)
    text: str = ET.tostring(session, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n{text}\n'


def _xml_track(panel: ET.Element, track: BrowserTrack, path: str, scale_group: str) -> None:
    clazz = _CLASS.format("DataSource" if track.is_signal else "Feature")
    height = str(track.height)
    element = ET.SubElement(panel, "Track", id=path, clazz=clazz, height=height, visible="true")
    if track.color is not None:
        element.set("color", rgb_text(track.color))
        element.set("altColor", rgb_text(track.negative or track.color))
    if not track.is_signal:
        element.set("displayMode", "EXPANDED" if track.kind == "features" else "COLLAPSED")
        return
    element.set("renderer", "DYNSEQ" if track.letters else "BAR_CHART")
    element.set("windowFunction", "mean")
    element.set("autoScale", str(track.limits is None).lower())
    if scale_group:
        element.set("autoscaleGroup", scale_group)
    if track.limits is not None:
        least, greatest = map(str, track.limits)
        span = {"minimum": least, "baseline": least, "maximum": greatest}
        ET.SubElement(
            element, "DataRange", {"type": "LINEAR"} | span, drawBaseline="true", flipAxis="false"
        )


# ---- Both sessions as files.

JSON_NAME = "session.json"
XML_NAME = "session.xml"


def write_sessions(
    folder: Path, genome: BrowserGenome, tracks: Sequence[BrowserTrack], locus: Interval
) -> tuple[Path, Path]:
    """Write both sessions; paths in them are relative to ``folder``; returns the files.

    The folder is made, with its parents. Inside a run's folder, the session moves along.

    Raises:
        InputError: the name of a file is not UTF-8.
        OutputError: they cannot be written, or a path in them does not lead to its file.
    """
    check_folder(folder)
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)

    def relative(path: Path) -> str:
        return relative_path(path, folder)

    def quoted(path: Path) -> str:
        return quoted_url(relative(path))

    reference = fasta_reference(genome, quoted)
    texts = session_texts(reference, relative(genome.fasta), tracks, locus, quoted, relative)
    for name, text in texts.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
            named = _json_paths(text) if name == JSON_NAME else _xml_paths(text)
            for path in named:
                if not (folder / path).is_file():
                    raise OutputError(f"{folder / name}: {path} leads to no file from {folder}")
    return folder / JSON_NAME, folder / XML_NAME


def session_texts(
    reference: str | Mapping[str, str],
    genome: str,
    tracks: Sequence[BrowserTrack],
    locus: Interval,
    url: Url,
    place: Url,
) -> dict[str, str]:
    """Both sessions by name; tracks are from top to bottom.

    ``reference`` is the genome of igv.js, its id or its files, ``genome`` that of IGV desktop, its
    id or where the sequence lies. ``url`` gives the address of a file for igv.js, ``place`` its
    path for IGV desktop, which takes it as it is, without percent signs.
    """
    # igv.js takes names for HTML, IGV on the desktop for text.
    shown = [replace(track, name=track.name.replace("<", "‹")) for track in tracks]
    session = igv_js_session(reference, shown, locus, url)
    return {
        JSON_NAME: json.dumps(session, indent=2) + "\n",
        XML_NAME: igv_xml_session(genome, tracks, locus, place),
    }


def quoted_url(text: str) -> str:
    """A path as an address has it.

    Raises:
        InputError: it is not UTF-8, in which addresses are.
    """
    try:
        return quote(text)
    except UnicodeEncodeError as error:
        raise InputError(f"{text!r}: browsers ask for names in UTF-8: rename the file") from error


def relative_path(path: Path, folder: Path) -> str:
    """``path`` from ``folder``, with ``/``; a link to a file stays a link."""
    place = path.parent.resolve() / path.name
    return Path(os.path.relpath(place, folder.resolve())).as_posix()


def _json_paths(text: str) -> Iterator[str]:
    session = json.loads(text)
    for item in (session["reference"], *session["tracks"]):
        for key, value in item.items():
            if key.lower().endswith("url"):
                yield unquote(value)


def _xml_paths(text: str) -> Iterator[str]:
    session = ET.fromstring(text)  # noqa: S314
    yield session.attrib["genome"]
    for resource in session.iter("Resource"):
        yield resource.attrib["path"]
        if "index" in resource.attrib:
            yield resource.attrib["index"]

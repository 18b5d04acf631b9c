"""Session files beside tracks: ``session.json`` for igv.js, ``session.xml`` for IGV desktop."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, unquote
from xml.etree import ElementTree as ET

from chromputer_tracks.errors import InputError, OutputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.atomic import atomic_path, check_folder, output_errors
from chromputer_tracks.tracks.igv.genome import BrowserGenome
from chromputer_tracks.tracks.igv.json import Url, fasta_reference, igv_js_session
from chromputer_tracks.tracks.igv.tracks import BrowserTrack
from chromputer_tracks.tracks.igv.xml import igv_xml_session

JSON_NAME = "session.json"
XML_NAME = "session.xml"


def write_sessions(
    folder: Path, genome: BrowserGenome, tracks: Sequence[BrowserTrack], locus: Interval
) -> tuple[Path, Path]:
    """Write both sessions; paths in them are relative to ``folder``.

    Args:
        folder: made where only its parent exists. Inside a run's folder, the session moves along.
        genome: the reference.
        tracks: from top to bottom.
        locus: shown first.

    Returns:
        the files.

    Raises:
        InputError: the name of a file is not UTF-8.
        OutputError: they cannot be written, or a path in them does not lead to its file.
    """
    check_folder(folder)
    with output_errors(folder):
        folder.mkdir(exist_ok=True)

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
    """Both sessions by name.

    Args:
        reference: of igv.js: its id of a genome, or the files of one.
        genome: of IGV desktop: its id of a genome, or where the sequence lies.
        tracks: from top to bottom.
        locus: shown first.
        url: of a file, for igv.js.
        place: of a file, for IGV desktop, which takes paths as they are, without percent signs.
    """
    session = igv_js_session(reference, tracks, locus, url)
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

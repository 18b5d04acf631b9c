"""Sessions of IGV desktop.

Elements and attributes are those that IGV itself writes and reads (version 8 of its sessions). A
``Resource`` loads a file and names it, a ``Track`` whose ``id`` is the resource's path says how it
is shown. IGV before 2.17 takes the first file with the path's last part for it; were names in
tracks, it would give one label's name to the contributions of another. Letters (``DYNSEQ``) are
drawn from 2.19.6 on, bars by older versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from chromputer_tracks.intervals import Interval, format_region
from chromputer_tracks.io.bed import Rgb
from chromputer_tracks.tracks.igv.json import Url
from chromputer_tracks.tracks.igv.tracks import BrowserTrack

VERSION = "8"
_FEATURES = "org.broad.igv.track.FeatureTrack"
_DATA = "org.broad.igv.track.DataSourceTrack"
_SEQUENCE = "org.broad.igv.track.SequenceTrack"
_SEQUENCE_ID = "Reference sequence"
_RENDERERS = {"importance": "DYNSEQ"}


def igv_xml_session(genome: str, tracks: Sequence[BrowserTrack], locus: Interval, url: Url) -> str:
    """The text of a ``.xml`` session.

    Args:
        genome: id of one that IGV knows, or URL of its sequence.
        tracks: from top to bottom.
        locus: shown first.
        url: of a file; relative ones are relative to the session.
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
    ET.SubElement(
        panel,
        "Track",
        id=_SEQUENCE_ID,
        name=_SEQUENCE_ID,
        clazz=_SEQUENCE,
        visible="true",
    )
    for track in tracks:
        if track.scale_group:
            groups.setdefault(track.scale_group, str(len(groups) + 1))
        _track(panel, track, url(track.path), groups.get(track.scale_group, ""))
    if groups:
        session.set("nextAutoscaleGroup", str(len(groups) + 1))
    ET.indent(session)
    text: str = ET.tostring(session, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n{text}\n'


def _track(panel: ET.Element, track: BrowserTrack, path: str, scale_group: str) -> None:
    data = track.format == "bigwig"
    element = ET.SubElement(
        panel,
        "Track",
        id=path,
        clazz=_DATA if data else _FEATURES,
        height=str(track.height),
        visible="true",
    )
    if track.color is not None:
        element.set("color", _rgb(track.color))
        element.set("altColor", _rgb(track.negative or track.color))
    if not data:
        element.set("displayMode", "EXPANDED" if track.kind == "features" else "COLLAPSED")
        return
    element.set("renderer", _RENDERERS.get(track.kind, "BAR_CHART"))
    element.set("windowFunction", "mean")
    element.set("autoScale", str(track.limits is None).lower())
    if scale_group:
        element.set("autoscaleGroup", scale_group)
    if track.limits is not None:
        least, greatest = track.limits
        ET.SubElement(
            element,
            "DataRange",
            type="LINEAR",
            minimum=str(least),
            baseline=str(least),
            maximum=str(greatest),
            drawBaseline="true",
            flipAxis="false",
        )


def _rgb(color: Rgb) -> str:
    return ",".join(map(str, color))

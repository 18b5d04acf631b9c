"""What the page of ``chromputer view`` is sent: the session, a legend, groups of tracks, sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chromputer_tracks.tracks.colors import NEUTRAL
from chromputer_tracks.tracks.igv.json import rgb
from chromputer_tracks.tracks.igv.tracks import BrowserTrack
from chromputer_tracks.tracks.runs import ModelRuns
from chromputer_tracks.tracks.view.sites import SiteList


def page_payload(
    models: Sequence[ModelRuns],
    tracks: Sequence[BrowserTrack],
    sites: Sequence[SiteList],
    session: Mapping[str, Any],
) -> dict[str, Any]:
    """The object that ``view.js`` reads, ready for JSON.

    Args:
        models: what is shown.
        tracks: in the order of the session's.
        sites: to go through.
        session: of igv.js.
    """
    samples = [sample.name for runs in models for sample in runs.samples]
    return {
        "title": ", ".join(dict.fromkeys(samples)),
        "model": ", ".join(dict.fromkeys(runs.spec.name for runs in models)),
        "assembly": session["reference"]["name"],
        "session": session,
        "legend": _legend(models, tracks),
        "groups": _groups(tracks),
        "sites": [
            {
                "name": item.name,
                "explained": item.explained,
                "places": item.places,
                "total": item.total,
            }
            for item in sites
        ],
    }


def _legend(models: Sequence[ModelRuns], tracks: Sequence[BrowserTrack]) -> list[dict[str, str]]:
    """Name, full name and colour of each state of the models whose states are shown."""
    if not any(track.kind == "states" for track in tracks):
        return []
    states = {
        (label.name, label.title, rgb(label.color)): None
        for runs in models
        for head in runs.spec.heads
        if head.kind == "states"
        for label in head.labels
    }
    return [{"name": name, "title": title, "color": color} for name, title, color in states]


def _groups(tracks: Sequence[BrowserTrack]) -> list[dict[str, Any]]:
    """Groups in the order of their first tracks, with the tracks' places in the session."""
    found: dict[str, dict[str, Any]] = {}
    for place, track in enumerate(tracks):
        group = found.setdefault(
            track.group, {"name": track.group, "color": rgb(track.color or NEUTRAL), "tracks": []}
        )
        group["tracks"].append(place)
    return list(found.values())

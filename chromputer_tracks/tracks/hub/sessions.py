"""IGV sessions beside a hub: what it draws at first, in its order, colours and scales.

igv.js and IGV desktop can load hubs, but draw no letters there (``logo on``); in sessions they do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.bed import Rgb
from chromputer_tracks.tracks.hub.genome import OwnGenome
from chromputer_tracks.tracks.hub.options import HubOptions
from chromputer_tracks.tracks.hub.tracks import BIGWIG, Range, Track
from chromputer_tracks.tracks.igv.sessions import session_texts
from chromputer_tracks.tracks.igv.tracks import BrowserTrack, Kind

_AS_GIVEN = "/:@[]!$&'()*+,;=%"
"""What an address keeps beside letters, digits and ``_.-~`` (RFC 3986); it may be quoted already.
"""


def hub_sessions(
    options: HubOptions, tracks: Sequence[Track], own: OwnGenome | None, position: Interval
) -> dict[str, str]:
    """Both sessions by name.

    With the hub's address the paths in them are addresses, so that a session works from anywhere;
    without it they are relative.

    Args:
        options: of the hub.
        tracks: in the order in which the browser is to show them.
        own: the genome where the hub brings it; else IGV is asked for ``options.assembly``.
        position: shown at first.
    """
    url = options.folder_url

    def address(path: Path) -> str:
        return quote(f"{url or ''}{options.assembly}/{path}", safe=_AS_GIVEN)

    def place(path: Path) -> str:
        return f"{options.assembly}/{path}" if url is None else address(path)

    shown = [found for track in tracks for found in _drawn(track, track, {}, None)]
    if own is None:
        reference: str | dict[str, str] = options.assembly
        genome = options.assembly
    else:
        twobit = Path(own.twobit)
        reference = {"id": own.name, "name": own.name, "twoBitURL": address(twobit)}
        genome = place(twobit)
    return session_texts(reference, genome, shown, position, address, place)


def _drawn(
    track: Track, top: Track, inherited: Mapping[str, str], limits: Range | None
) -> Iterator[BrowserTrack]:
    """What the browser draws at first of a track and all that it holds."""
    settings = {**inherited, **dict(track.settings)}
    limits = track.limits or limits
    if settings.get("visibility") == "hide" or not track.on:
        return
    if track.file is not None:
        signal = track.type == BIGWIG
        yield BrowserTrack(
            Path(track.file.name),
            track.short if track.noun in track.short else f"{track.short} {track.noun}",
            track.long,
            top.name,
            _kind(settings, limits, signal=signal),
            "bigwig" if signal else "bigbed",
            _color(settings, "color"),
            _color(settings, "altColor"),
            limits if signal else None,
            top.name if settings.get("autoScale") == "group" else "",
        )
    for child in track.children:
        yield from _drawn(child, top, settings, limits)


def _kind(settings: Mapping[str, str], limits: Range | None, *, signal: bool) -> Kind:
    if not signal:
        # The file has a colour for each state.
        return "calls" if "color" in settings else "states"
    if "logo" in settings:
        return "importance"
    return "signal" if limits is None else "probability"


def _color(settings: Mapping[str, str], key: str) -> Rgb | None:
    if key not in settings:
        return None
    red, green, blue = map(int, settings[key].split(","))
    return red, green, blue

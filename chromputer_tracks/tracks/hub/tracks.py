"""A hub's tracks as a tree, and their stanzas in ``trackDb.txt``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chromputer_tracks.tracks.hub.files import HubFile
from chromputer_tracks.tracks.hub.text import Settings, stanza

Range = tuple[float, float]
"""Smallest and largest value."""

COMPOSITE, OVERLAY, FOLDER = "compositeTrack on", "container multiWig", "superTrack on show"
"""Kinds of tracks that hold others: configured together, drawn on top of each other, a folder."""
BIGWIG, BIGBED6, BIGBED9 = "bigWig", "bigBed 6 .", "bigBed 9 ."
"""Types of tracks; the full stop lets the browser filter by score."""


@dataclass(frozen=True, slots=True)
class Track:
    """One track.

    Attributes:
        name: unique in the hub.
        short: its short label.
        long: its long label.
        type: :data:`BIGWIG` ...; empty for a :data:`FOLDER`.
        file: its data; None for a track that holds others.
        children: the tracks that it holds.
        kind: :data:`COMPOSITE` ...; empty for a track with data.
        settings: further ones.
        limits: of a bigWig's values; None: those of the data.
        on: whether a composite draws it at first.
        page: stem of its description page; empty for that of what holds it.
        noun: what it shows of what the short label names, where no track that holds it says so.
    """

    name: str
    short: str
    long: str
    type: str
    file: HubFile | None = None
    children: tuple[Track, ...] = ()
    kind: str = ""
    settings: Settings = ()
    limits: Range | None = None
    on: bool = True
    page: str = ""
    noun: str = ""

    def walk(self) -> Iterator[Track]:
        """Itself and all that it holds."""
        yield self
        for child in self.children:
            yield from child.walk()


def track_stanzas(
    tracks: Sequence[Track], ranges: Mapping[str, Range], *, base: str = "", group: str = ""
) -> Iterator[str]:
    """The stanzas of tracks, each parent before its children.

    Args:
        tracks: in the order in which the browser is to show them.
        ranges: of each bigWig, by the name of its file.
        base: what leads from the file of stanzas to the data: empty, or a folder and ``/``.
        group: of tracks, where the genome has groups.
    """
    for number, track in enumerate(tracks, 1):
        yield from _stanzas(track, None, ranges, base, group, 0, number)


def _stanzas(
    track: Track,
    parent: Track | None,
    ranges: Mapping[str, Range],
    base: str,
    group: str,
    depth: int,
    number: int,
) -> Iterator[str]:
    lines = [("track", track.name)]
    if parent is not None:
        state = (" on" if track.on else " off") if parent.kind == COMPOSITE else ""
        lines.append(("parent", parent.name + state))
    if track.kind:
        key, value = track.kind.split(" ", 1)
        lines.append((key, value))
    if track.type:
        lines.append(("type", _type(track, ranges)))
    lines += [("shortLabel", track.short), ("longLabel", track.long)]
    if track.file is not None:
        lines.append(("bigDataUrl", base + track.file.name))
    if track.page:
        lines.append(("html", f"{base}{track.page}.html"))
    if group and parent is None:
        lines.append(("group", group))
    if parent is None or parent.kind == FOLDER:
        lines.append(("priority", str(number)))
    yield stanza([*lines, *track.settings], depth)
    for place, child in enumerate(track.children, 1):
        yield from _stanzas(child, track, ranges, base, group, depth + 1, place)


def _type(track: Track, ranges: Mapping[str, Range]) -> str:
    """A bigWig's type names the range of its values."""
    if track.type != BIGWIG:
        return track.type
    found = [ranges[item.file.name] for item in track.walk() if item.file is not None]
    low, high = track.limits or (min(low for low, _ in found), max(high for _, high in found))
    low, high = min(low, 0), max(high, 0)
    # A range of nothing is none.
    return f"{BIGWIG} {low:.6g} {high if high > low else 1:.6g}"

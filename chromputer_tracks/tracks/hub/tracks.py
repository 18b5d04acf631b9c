"""A hub's tracks as a tree, and their stanzas in ``trackDb.txt``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from chromputer_tracks.tracks.hub.files import HubFile
from chromputer_tracks.tracks.hub.text import LONG, SHORT, Names, Settings, shorten, stanza, word

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


# ---- Tracks that are configured together and chosen from by sample, label and other properties.

_AXES = ("dimX", "dimY", "dimA", "dimB")
_CHECKED = {"dimA": "dimensionAchecked", "dimB": "dimensionBchecked"}
"""Settings of what is chosen at first in a list beside the matrix."""


@dataclass(frozen=True, slots=True)
class SubGroup:
    """One way to choose among a composite's tracks.

    Attributes:
        tag: of the way (``label``).
        title: shown.
        choices: name to title of each choice, in order.
    """

    tag: str
    title: str
    choices: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Member:
    """A track of a composite, and the name of its choice in each subgroup."""

    track: Track
    choices: tuple[str, ...]


def composite(
    name: str,
    labels: tuple[str, str],
    members: Sequence[Member],
    groups: Sequence[SubGroup],
    settings: Settings,
    page: str,
    most: int,
    limits: Range | None = None,
) -> Track:
    """The members as one track, or the only member as a track of its own.

    The last subgroup runs across the matrix by which members are chosen, the one before it down;
    others are lists beside it. Choices that no member has are left out, and subgroups with a single
    choice.

    Args:
        name: of the composite.
        labels: short and long label.
        members: at least one, of one type.
        groups: subgroups in the order of the members' choices, at most four.
        settings: of the composite; the members inherit them.
        page: stem of the description page.
        most: members that are drawn at first; the others are a click away.
        limits: of values; None: those of the data.
    """
    members = _first_drawn(members, most)
    first = members[0].track
    if len(members) == 1:
        own = {key for key, _ in first.settings}
        inherited = [item for item in settings if item[0] not in own]
        return replace(
            first,
            settings=(*inherited, *first.settings),
            limits=first.limits or limits,
            page=page,
        )
    tags = [_tags(group, members, place) for place, group in enumerate(groups)]
    used = [place for place, found in enumerate(tags) if len(found) > 1]
    axes = dict(zip(_AXES, reversed(used), strict=False))
    lists = list(axes)[2:]
    how = [
        (f"subGroup{number}", _declared(groups[place], tags[place]))
        for number, place in enumerate(used, 1)
    ]
    dimensions = [f"{axis}={groups[place].tag}" for axis, place in axes.items()]
    how.append(("dimensions", " ".join(dimensions)))
    if lists:
        how.append(("filterComposite", " ".join(lists)))
    for axis in lists:
        drawn = {member.choices[axes[axis]] for member in members if member.track.on}
        first_tags = [tag for choice, tag in tags[axes[axis]].items() if choice in drawn]
        how.append((_CHECKED[axis], " ".join(first_tags)))
    how.append(("dragAndDrop", "subTracks"))
    children = []
    for number, member in enumerate(members, 1):
        chosen = [f"{groups[place].tag}={tags[place][member.choices[place]]}" for place in used]
        # The number keeps the order, which would be that of the labels.
        own_settings = (
            *member.track.settings,
            ("subGroups", " ".join(chosen)),
            ("priority", str(number)),
        )
        children.append(replace(member.track, settings=own_settings))
    short, long = labels
    return Track(
        name,
        shorten(short, SHORT),
        shorten(long, LONG),
        first.type,
        children=tuple(children),
        kind=COMPOSITE,
        settings=(*settings, *how),
        limits=limits,
        page=page,
    )


def _first_drawn(members: Sequence[Member], most: int) -> list[Member]:
    """The members with so many on at most: all of a label in all samples, or none where it fits."""
    kept = 0
    drawn = [member for member in members if member.track.on]
    for _, same in groupby(drawn, key=lambda member: member.choices[-2:-1]):
        count = len(list(same))
        if kept + count > most:
            break
        kept += count
    on = {id(member) for member in drawn[: kept or most]}
    return [replace(member, track=replace(member.track, on=id(member) in on)) for member in members]


def _tags(group: SubGroup, members: Sequence[Member], place: int) -> dict[str, str]:
    """A tag of each choice that a member has."""
    names, had = Names(), {member.choices[place] for member in members}
    return {choice: names.new(choice) for choice in group.choices if choice in had}


def _declared(group: SubGroup, tags: Mapping[str, str]) -> str:
    pairs = [f"{tag}={word(group.choices[choice])}" for choice, tag in tags.items()]
    return " ".join([group.tag, word(group.title), *pairs])

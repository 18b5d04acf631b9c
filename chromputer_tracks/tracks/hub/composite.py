"""Tracks that are configured together and chosen from by sample, label and other properties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from chromputer_tracks.tracks.hub.text import LONG, SHORT, Names, Settings, shorten, word
from chromputer_tracks.tracks.hub.tracks import COMPOSITE, Range, Track

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

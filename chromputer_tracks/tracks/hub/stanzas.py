"""A hub's tracks as a tree, and their stanzas in ``trackDb.txt``.

A hub's files are stanzas of ``setting value`` lines with blank lines between them; see
https://genome.ucsc.edu/goldenPath/help/trackDb/trackDbHub.html for the settings and their limits.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from chromputer_tracks.intervals import Interval
from chromputer_tracks.tracks.browser_tracks import BrowserTrack
from chromputer_tracks.tracks.predict import rgb_text
from chromputer_tracks.tracks.runs import AssayInput

# ---- Labels within the genome browser's limits, and names.

SHORT, LONG = 17, 76
"""Most characters of a track's short and long label."""

_CUT = ".."
_LEAST_SAMPLE = 6
"""Characters that a sample's name keeps beside a long text."""
_NAME = 100
"""Most characters of a name, which is part of file names."""
_MARKUP = str.maketrans({"&": "and", "<": "(", ">": ")", '"': "'", "\\": "/", "|": "/"})


def plain(text: str) -> str:
    """One line of ASCII without markup, which every browser shows as it stands."""
    # Wide forms of < and the like become plain ones.
    decomposed = unicodedata.normalize("NFKD", text).translate(_MARKUP)
    kept = "".join(c for c in decomposed if not unicodedata.combining(c))
    ascii_text = kept.encode("ascii", "replace").decode()
    return " ".join("".join(c if c.isprintable() else " " for c in ascii_text).split())


def shorten(text: str, limit: int) -> str:
    """The text as :func:`plain` gives it, cut at the end where it is longer than ``limit``."""
    text = plain(text)
    return text if len(text) <= limit else text[: limit - len(_CUT)].rstrip() + _CUT


def short_label(text: str, sample: str) -> str:
    """A track's short label; the sample is empty where there is one only."""
    return _with_sample(text, sample, " ", SHORT)


def long_label(text: str, sample: str) -> str:
    """A track's long label; see :func:`short_label`."""
    return _with_sample(text, sample, ", ", LONG)


def _with_sample(text: str, sample: str, joint: str, limit: int) -> str:
    """Names of samples tend to differ at both ends, so they are cut in the middle."""
    text, sample = plain(text), plain(sample)
    if not sample:
        return shorten(text, limit)
    whole = f"{text}{joint}{sample}"
    if len(whole) <= limit:
        return whole
    text = shorten(text, limit - len(joint) - min(len(sample), _LEAST_SAMPLE))
    room = limit - len(joint) - len(text)
    if len(sample) > room:
        tail = (room - len(_CUT)) // 2
        sample = sample[: room - len(_CUT) - tail] + _CUT + sample[len(sample) - tail :]
    return f"{text}{joint}{sample}"


def word(text: str) -> str:
    """A text as one word: blanks become ``_``, which the browser shows as blanks; no ``=``."""
    return plain(text).replace("=", "-").replace(" ", "_") or "_"


def identifier(*parts: str) -> str:
    """The parts joined by ``_``, of letters, digits, ``_`` and ``-``, begun with a letter."""
    joined = "_".join(part for part in parts if part)
    name = re.sub(r"[^A-Za-z0-9_-]", "_", plain(joined))
    return name if name[:1].isalpha() else f"t{name}"


class UniqueNames:
    """Gives each thing another name, also where case does not count."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def new(self, *parts: str) -> str:
        """:func:`identifier` of the parts, cut, with a number behind it where that is taken."""
        base = identifier(*parts)[:_NAME]
        name, number = base, 1
        while name.casefold() in self._given:
            number += 1
            name = f"{base}_{number}"
        self._given.add(name.casefold())
        return name


# ---- Stanzas.

Settings = Sequence[tuple[str, str]]


def stanza(settings: Settings, depth: int = 0) -> str:
    """Lines of a stanza, which the first setting names, without the blank line behind it."""
    return "".join(f"{'    ' * depth}{key} {value}\n" for key, value in settings)


def file_text(stanzas: Iterable[str]) -> str:
    """A file of stanzas."""
    return "\n".join(stanzas)


def browser_position(interval: Interval) -> str:
    """A position as browsers and hubs write it: 1-based, both ends included."""
    return f"{interval.chrom}:{interval.start + 1}-{interval.end}"


# ---- Tracks, each with data or with tracks that it holds.

Range = tuple[float, float]
"""Smallest and largest value."""

COMPOSITE, OVERLAY, FOLDER = "compositeTrack on", "container multiWig", "superTrack on show"
"""Kinds of tracks that hold others: configured together, drawn on top of each other, a folder."""
BIGWIG = "bigWig"
_TYPES = {"states": "bigBed 9 .", "calls": "bigBed 9 .", "sites": "bigBed 6 ."}
"""Types of what is no bigWig; the full stop lets the browser filter by score."""
_NOUNS = {
    "coverage": "input",
    "calls": "calls",
    "probability": "probability",
    "signal": "signal",
    "importance": "importance",
    "contribution": "contributions",
    "sites": "sites",
}
"""What each kind of track shows of what its short label names."""


@dataclass(frozen=True, slots=True)
class HubTrack:
    """One track.

    Attributes:
        name: unique in the hub.
        short: its short label.
        long: its long label.
        shown: what is drawn and how; one of its children where it holds others; None: a folder.
        file: name of its data in the genome's folder of the hub; empty where it holds others.
        input: a sample's input whose coverage the data are; None: they are a run's.
        children: the tracks that it holds.
        kind: :data:`COMPOSITE` ...; empty for a track with data.
        on: whether it is drawn at first.
        page: stem of its description page; empty for that of what holds it.
        choices: name of its choice in each subgroup of the composite that is to hold it.
        subgroups: settings of a composite's subgroups, or of its place in them.
    """

    name: str
    short: str
    long: str
    shown: BrowserTrack | None = None
    file: str = ""
    input: AssayInput | None = None
    children: tuple[HubTrack, ...] = ()
    kind: str = ""
    on: bool = True
    page: str = ""
    choices: tuple[str, ...] = ()
    subgroups: Settings = ()

    @property
    def type(self) -> str:
        """Type of its data: :data:`BIGWIG` or a bigBed's; empty for a folder."""
        return "" if self.shown is None else _TYPES.get(self.shown.kind, BIGWIG)

    def walk(self) -> Iterator[HubTrack]:
        """Itself and all that it holds."""
        yield self
        for child in self.children:
            yield from child.walk()


def tracks_with_data(tracks: Iterable[HubTrack]) -> Iterator[tuple[HubTrack, BrowserTrack]]:
    """Each track that has data, and how it is shown, from top to bottom."""
    for track in tracks:
        for item in track.walk():
            if item.file and item.shown is not None:
                yield item, item.shown


def session_tracks(tracks: Iterable[HubTrack]) -> Iterator[BrowserTrack]:
    """What a hub draws at first, as other browsers are to show it; paths are names of its files."""
    for track in tracks:
        if track.on and track.file and track.shown is not None:
            noun = _NOUNS.get(track.shown.kind, "")
            yield replace(
                track.shown,
                path=Path(track.file),
                name=track.short if noun in track.short else f"{track.short} {noun}",
                about=track.long,
                format="bigwig" if track.type == BIGWIG else "bigbed",
            )
        elif track.on:
            yield from session_tracks(track.children)


def track_stanzas(
    tracks: Sequence[HubTrack], ranges: Mapping[str, Range], *, base: str = "", group: str = ""
) -> Iterator[str]:
    """The stanzas of tracks, in the order in which the browser is to show them, parents first.

    ``ranges`` are of each bigWig's values, by the name of its file; ``base`` is what leads from the
    file of stanzas to the data: empty, or a folder and ``/``; all tracks are of ``group``, where
    the genome has groups.
    """
    for number, track in enumerate(tracks, 1):
        yield from _stanzas(track, None, ranges, base, group, 0, number)


def _stanzas(
    track: HubTrack,
    parent: HubTrack | None,
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
        lines.append(("type", _type_and_range(track, ranges)))
    lines += [("shortLabel", track.short), ("longLabel", track.long)]
    if track.file:
        lines.append(("bigDataUrl", base + track.file))
    if track.page:
        lines.append(("html", f"{base}{track.page}.html"))
    if group and parent is None:
        lines.append(("group", group))
    alone = parent is None or parent.kind == FOLDER
    if alone:
        lines.append(("priority", str(number)))
    if track.shown is not None:
        # What a composite or an overlay holds inherits how it is drawn.
        lines += _display(track.shown, track) if alone else ()
        lines += _colors(track.shown) if track.file else ()
    lines += track.subgroups
    if not alone:
        # The number keeps the order, which would be that of the labels.
        lines.append(("priority", str(number)))
    yield stanza(lines, depth)
    for place, child in enumerate(track.children, 1):
        yield from _stanzas(child, track, ranges, base, group, depth + 1, place)


def _type_and_range(track: HubTrack, ranges: Mapping[str, Range]) -> str:
    """A bigWig's type names the range of its values."""
    if track.type != BIGWIG:
        return track.type
    if track.shown is not None and track.shown.limits is not None:
        low, high = track.shown.limits
    else:
        found = [ranges[item.file] for item, _ in tracks_with_data([track])]
        low, high = min(low for low, _ in found), max(high for _, high in found)
    low, high = min(low, 0), max(high, 0)
    # A range of nothing is none.
    return f"{BIGWIG} {low:.6g} {high if high > low else 1:.6g}"


def _display(shown: BrowserTrack, track: HubTrack) -> Settings:
    """How a track, or what it holds, is drawn."""
    if track.type != BIGWIG:
        lines = [("visibility", "dense")]
        if shown.kind == "states":
            # In filters a comma ends a value and | its name.
            values = [f"{item.name}|{plain(item.title).replace(',', ';')}" for item in shown.states]
            lines += [("itemRgb", "on"), ("filterValues.name", ",".join(values))]
            lines += [("filterLabel.name", "State")]
            lines += [("mouseOver", "${name}: mean probability ${score}/1000")]
        elif shown.kind == "calls":
            lines += [("itemRgb", "on"), ("thickDrawItem", "on")]
            lines += [("mouseOver", "${name}: largest probability ${score}/1000")]
        return lines
    stacked = track.kind == OVERLAY
    lines = [("visibility", "full" if track.on else "hide")]
    if stacked:
        lines += [("aggregate", "stacked"), ("showSubtrackColorOnUi", "on")]
    if shown.letters:
        lines.append(("logo", "on"))
    if shown.limits is not None:
        low, high = shown.limits
        lines += [("autoScale", "off"), ("viewLimits", f"{low:g}:{high:g}")]
    else:
        lines += [("autoScale", "group" if shown.scale_group else "on"), ("alwaysZero", "on")]
    lines.append(("maxHeightPixels", "128:64:16" if shown.letters else "100:32:8"))
    maximum = shown.kind == "probability" and not stacked
    lines.append(("windowingFunction", "maximum" if maximum else "mean"))
    return lines


def _colors(shown: BrowserTrack) -> Settings:
    """Colours, and the line at a label's threshold."""
    colors = (("color", shown.color), ("altColor", shown.negative))
    lines = [(key, rgb_text(color)) for key, color in colors if color is not None]
    item = shown.label
    if shown.kind == "probability" and item is not None and item.head.kind == "binary":
        lines += [("yLineMark", f"{item.label.threshold:g}"), ("yLineOnOff", "on")]
    return lines


# ---- Tracks that are configured together and chosen from by sample, label and other properties.

_AXES = ("dimX", "dimY", "dimA", "dimB")
_CHECKED = {"dimA": "dimensionAchecked", "dimB": "dimensionBchecked"}
"""Settings of what is chosen at first in a list beside the matrix."""


@dataclass(frozen=True, slots=True)
class SubGroup:
    """One way to choose among a composite's tracks.

    ``tag`` is its short name (``label``); ``choices`` are name to title of each choice, in order.
    """

    tag: str
    title: str
    choices: Mapping[str, str]


def composite(
    name: str,
    labels: tuple[str, str],
    members: Sequence[HubTrack],
    groups: Sequence[SubGroup],
    page: str,
    most: int,
    *,
    on: bool = True,
    one_scale: bool = False,
) -> HubTrack:
    """The members as one track, or the only member as a track of its own.

    The last subgroup runs across the matrix by which members are chosen, the one before it down;
    others are lists beside it. Choices that no member has are left out, and subgroups with a single
    choice.

    Args:
        name: the composite's name.
        labels: short and long label.
        members: at least one, of one kind.
        groups: at most four, in the order of the members' choices.
        page: stem of the description page.
        most: members that are drawn at first; the others are a click away.
        on: whether it is drawn at first.
        one_scale: whether the members share a scale, that of the largest value shown.
    """
    members = _first_drawn(members, most)
    if len(members) == 1:
        return replace(members[0], on=on, page=page)
    tags = [_tags(group, members, place) for place, group in enumerate(groups)]
    used = [place for place, found in enumerate(tags) if len(found) > 1]
    axes = dict(zip(_AXES, reversed(used), strict=False))
    lists = list(axes)[2:]
    how = []
    for number, place in enumerate(used, 1):
        group = groups[place]
        pairs = [f"{tag}={word(group.choices[choice])}" for choice, tag in tags[place].items()]
        how.append((f"subGroup{number}", " ".join([group.tag, word(group.title), *pairs])))
    dimensions = [f"{axis}={groups[place].tag}" for axis, place in axes.items()]
    how.append(("dimensions", " ".join(dimensions)))
    if lists:
        how.append(("filterComposite", " ".join(lists)))
    for axis in lists:
        drawn = {member.choices[axes[axis]] for member in members if member.on}
        first_tags = [tag for choice, tag in tags[axes[axis]].items() if choice in drawn]
        how.append((_CHECKED[axis], " ".join(first_tags)))
    how.append(("dragAndDrop", "subTracks"))
    children = []
    for member in members:
        chosen = [f"{groups[place].tag}={tags[place][member.choices[place]]}" for place in used]
        shown = member.shown and replace(member.shown, scale_group=name if one_scale else "")
        children.append(replace(member, shown=shown, subgroups=(("subGroups", " ".join(chosen)),)))
    short, long = labels
    return HubTrack(
        name,
        shorten(short, SHORT),
        shorten(long, LONG),
        children[0].shown,
        children=tuple(children),
        kind=COMPOSITE,
        on=on,
        page=page,
        subgroups=how,
    )


def _first_drawn(members: Sequence[HubTrack], most: int) -> list[HubTrack]:
    """The members with so many on at most: all of a label in all samples, or none where it fits."""
    kept = 0
    drawn = [member for member in members if member.on]
    for _, same in groupby(drawn, key=lambda member: member.choices[-2:-1]):
        count = len(list(same))
        if kept + count > most:
            break
        kept += count
    on = {member.name for member in drawn[: kept or most]}
    return [replace(member, on=member.name in on) for member in members]


def _tags(group: SubGroup, members: Sequence[HubTrack], place: int) -> dict[str, str]:
    """A tag of each choice that a member has."""
    names, had = UniqueNames(), {member.choices[place] for member in members}
    return {choice: names.new(choice) for choice in group.choices if choice in had}

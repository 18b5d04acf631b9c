"""Checks a hub against UCSC's documentation, and knows nothing of what made it.

First, as a table, what the documentation says of the settings of hubs
(https://genome.ucsc.edu/goldenPath/help/trackDb/trackDbHub.html, version 3): which exist for which
type of track, and what values they take. Then how long labels may be, what a genome that a hub
brings must say, and what UCSC's hubCheck refuses. Files are opened with pyBigWig, which wrote none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyBigWig

COMMON = frozenset(
    """
    track type shortLabel longLabel bigDataUrl html visibility meta color priority altColor boxedCfg
    chromosomes configureByPopup darkerLabels dataVersion directUrl downloadUrl iframeUrl
    iframeOptions multiRegionsBedUrl onlyVisibility origAssembly otherDb pennantIcon tableBrowser
    url urlLabel parent group maxWindowToDraw
    """.split()
)
"""Of every track. ``group`` belongs to genomes with groups of their own."""
OF_TYPE = {
    "bigBed": frozenset(
        """
        itemRgb colorByStrand denseCoverage labelOnFeature detailsStaticTable detailsDynamicTable
        exonArrows exonNumbers exonArrowsDense scoreFilter scoreFilterLimits maxItems
        maxWindowCoverage minGrayLevel noScoreFilter spectrum scoreMax scoreMin style thickDrawItem
        searchIndex searchTrix labelFields defaultLabelFields labelSeparator bedNameLabel
        itemImagePath itemBigImagePath mergeSpannedItems linkIdInName nextExonText prevExonText
        scoreLabel showTopScorers mouseOver mouseOverField urls skipEmptyFields skipFields sepFields
        highlightColor
        """.split()
    ),
    "bigWig": frozenset(
        """
        autoScale maxHeightPixels viewLimits viewLimitsMax alwaysZero graphTypeDefault
        maxWindowToQuery mouseOverFunction negateValues setColorWith smoothingWindow transformFunc
        logo logoMaf windowingFunction yLineMark yLineOnOff gridDefault
        """.split()
    ),
}
OF_FIELD = frozenset(
    """
    filter filterByRange filterLimits filterText filterType filterValues filterValuesDefault
    filterLabel filterPriority highlight highlightByRange highlightLimits highlightText
    highlightType highlightValues highlightValuesDefault
    """.split()
)
"""Of a bigBed, followed by a full stop and the name of a column."""
OF_KIND = {
    "superTrack": frozenset(["superTrack"]),
    "compositeTrack": frozenset(
        """
        compositeTrack allButtonPair centerLabelsDense dragAndDrop hideEmptySubtracks
        hideEmptySubtracksMultiBedUrl hideEmptySubtracksSourcesUrl hideEmptySubtracksLabel
        dimensions filterComposite dimensionAchecked dimensionBchecked dimensionCchecked sortOrder
        configurable
        """.split()
        + [f"subGroup{number}" for number in range(1, 10)]
    ),
    "container": frozenset(["container", "aggregate", "showSubtrackColorOnUi"]),
}
OF_SUBTRACK = frozenset(["subGroups"])
"""Of what a composite holds."""

HUB = {"hub", "shortLabel", "longLabel", "genomesFile", "email", "descriptionUrl", "useOneFile"}
GENOME = set(
    """
    genome trackDb groups description twoBitPath chromAlias chromAliasBb chromSizes chromAuthority
    codonTable organism defaultPos orderKey scientificName htmlPath transBlat blat isPcr
    """.split()
)
GROUP = {"name", "label", "priority", "defaultIsClosed"}

ON_OFF = r"on|off"
RGB = r"(\d{1,2}|1\d\d|2[0-4]\d|25[0-5])(,(\d{1,2}|1\d\d|2[0-4]\d|25[0-5])){2}"
NUMBER = r"-?\d+(\.\d+)?(e[+-]?\d+)?"
VALUES = {
    "visibility": "hide|dense|squish|pack|full",
    "color": RGB,
    "altColor": RGB,
    "priority": NUMBER,
    "itemRgb": "on",
    "thickDrawItem": ON_OFF,
    "spectrum": "on",
    "noScoreFilter": "on",
    "autoScale": r"on|off|group",
    "alwaysZero": ON_OFF,
    "logo": "on",
    "maxHeightPixels": r"\d+:\d+:\d+",
    "viewLimits": f"{NUMBER}:{NUMBER}",
    "yLineMark": NUMBER,
    "yLineOnOff": ON_OFF,
    "windowingFunction": r"mean|mean\+whiskers|maximum|minimum",
    "smoothingWindow": r"off|[1-9]|1[0-6]",
    "superTrack": r"on( show)?",
    "compositeTrack": "on",
    "container": "multiWig",
    "aggregate": "transparentOverlay|stacked|solidOverlay|none",
    "showSubtrackColorOnUi": "on",
    "dragAndDrop": "subTracks",
    "type": rf"bigWig {NUMBER} {NUMBER}|bigBed ([3-9]|1[0-2])( [.+])?",
}
"""What values look like, of the settings with few."""

Stanza = dict[str, str]


@dataclass
class Node:
    """A track, what holds it, and what it holds."""

    settings: Stanza
    parent: Node | None
    children: list[Node] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.settings["track"]

    @property
    def kind(self) -> str:
        return next((kind for kind in OF_KIND if kind in self.settings), "")

    def inherited(self, key: str) -> str:
        """A setting of its own or of what holds it; a type is its own."""
        node: Node | None = self
        while node is not None:
            if key in node.settings:
                return node.settings[key]
            node = node.parent
        return ""


def stanzas(text: str) -> list[Stanza]:
    """The stanzas of a file; a repeated or empty setting is an error."""
    found: list[Stanza] = []
    lines = text.replace("\\\n", " ").splitlines()
    fresh = True
    for line in lines:
        if line.strip().startswith("#"):
            continue
        if not line.strip():
            fresh = True
            continue
        key, _, value = line.strip().partition(" ")
        if fresh:
            found.append({})
            fresh = False
        if key in found[-1]:
            raise ValueError(f"{key} comes twice in a stanza")
        found[-1][key] = value
    return found


def check_hub(folder: Path) -> list[str]:
    """What is wrong with the hub in a folder; nothing where all is well."""
    try:
        return list(_problems(folder))
    except ValueError as error:
        return [str(error)]


def _problems(folder: Path) -> Iterator[str]:
    first, *rest = stanzas((folder / "hub.txt").read_text(encoding="ascii"))
    found = list(_hub_problems(folder, first))
    one_file = first.get("useOneFile") == "on"
    if found:
        yield from found
        return
    if not one_file:
        if rest:
            yield "hub.txt has more than one stanza"
        rest = stanzas((folder / first["genomesFile"]).read_text(encoding="ascii"))
    genome, *tracks = rest
    found = list(_genome_problems(folder, genome, one_file=one_file))
    if found:
        yield from found
        return
    base = folder
    if not one_file:
        path = folder / genome["trackDb"]
        base, tracks = path.parent, stanzas(path.read_text(encoding="ascii"))
    groups = set()
    if "groups" in genome:
        for group in stanzas((folder / genome["groups"]).read_text(encoding="ascii")):
            if set(group) != GROUP:
                yield f"a group has the settings {sorted(group)}"
            groups.add(group.get("name"))
    yield from _track_problems(base, tracks, groups)


def _hub_problems(folder: Path, hub: Stanza) -> Iterator[str]:
    yield from (f"hub.txt: unknown setting {key}" for key in set(hub) - HUB)
    for key in ("hub", "shortLabel", "longLabel", "email"):
        if not hub.get(key):
            yield f"hub.txt lacks {key}"
    if next(iter(hub)) != "hub" or " " in hub.get("hub", ""):
        yield "hub.txt must begin with hub and one word"
    if len(hub.get("shortLabel", "")) >= 20 or len(hub.get("longLabel", "")) >= 70:
        yield "a label of the hub is too long"
    if ("genomesFile" in hub) == (hub.get("useOneFile") == "on"):
        yield "a hub has either genomesFile or useOneFile on"
    if "@" not in hub.get("email", ""):
        yield "email is no address"
    if "descriptionUrl" in hub and not (folder / hub["descriptionUrl"]).is_file():
        yield "descriptionUrl leads nowhere"


def _genome_problems(folder: Path, genome: Stanza, *, one_file: bool) -> Iterator[str]:
    yield from (f"unknown setting {key} of a genome" for key in set(genome) - GENOME)
    if next(iter(genome)) != "genome" or " " in genome.get("genome", " "):
        yield "a genome must begin with genome and one word"
    if ("trackDb" in genome) == one_file:
        yield "trackDb belongs to hubs of several files"
    for key in ("trackDb", "groups", "twoBitPath", "chromSizes", "htmlPath"):
        if key in genome and not (folder / genome[key]).is_file():
            yield f"{key} leads nowhere"
    own = "twoBitPath" in genome
    for key in ("organism", "defaultPos", "groups"):
        if own != (key in genome):
            yield f"{key} belongs to genomes with twoBitPath, and they need it"
    if own and not re.fullmatch(r"\S+:\d+-\d+", genome.get("defaultPos", "")):
        yield "defaultPos is no position"


def _track_problems(base: Path, tracks: list[Stanza], groups: set[str | None]) -> Iterator[str]:
    nodes: dict[str, Node] = {}
    fixed: set[str] = set()
    for settings in tracks:
        if next(iter(settings)) != "track":
            yield f"a track begins with {next(iter(settings))}"
            continue
        name = settings["track"]
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
            yield f"{name}: not a name"
        if name.casefold() in fixed:
            yield f"{name}: the name comes twice"
        fixed.add(name.casefold())
        parent = None
        if "parent" in settings:
            above, *state = settings["parent"].split()
            parent = nodes.get(above)
            if parent is None:
                yield f"{name}: its parent {above} does not come before it"
            elif (parent.kind == "compositeTrack") != bool(state) or state not in (
                [], ["on"], ["off"],
            ):  # fmt: skip
                yield f"{name}: parent {settings['parent']} of a {parent.kind}"
        nodes[name] = Node(settings, parent)
        if parent is not None:
            parent.children.append(nodes[name])
    for node in nodes.values():
        yield from (f"{node.name}: {what}" for what in _node_problems(base, node, groups))


def _node_problems(base: Path, node: Node, groups: set[str | None]) -> Iterator[str]:
    settings = node.settings
    yield from _label_problems(settings)
    ill = [key for key, value in settings.items() if not _fits(key, value)]
    if ill:
        yield from (f"{key} {settings[key]}" for key in ill)
        return
    base_type = settings.get("type", "").split(" ")[0]
    allowed = COMMON | OF_TYPE.get(base_type, frozenset()) | OF_KIND.get(node.kind, frozenset())
    if node.parent is not None and node.parent.kind == "compositeTrack":
        allowed |= OF_SUBTRACK
    for key in settings:
        head, dot, column = key.partition(".")
        if dot and head in OF_FIELD and base_type == "bigBed":
            yield from _column_problems(base, node, key, column)
        elif key not in allowed:
            yield f"{key} is no setting of {base_type or node.kind}"
    if "html" in settings and not (base / settings["html"]).is_file():
        yield "html leads nowhere"
    if "group" in settings and settings["group"] not in groups:
        yield "its group is not in groups.txt"
    yield from _value_problems(node)
    if node.kind:
        yield from _holder_problems(node)
    else:
        yield from _data_problems(base, node)


def _fits(key: str, value: str) -> bool:
    """Whether a setting's value is one of those that it takes."""
    return bool(value) and re.fullmatch(VALUES.get(key, ".*"), value) is not None


def _label_problems(settings: Stanza) -> Iterator[str]:
    for key, most in (("shortLabel", 17), ("longLabel", 76)):
        value = settings.get(key, "")
        if not 0 < len(value) <= most:
            yield f"{key} has {len(value)} characters"
        if not (value.isascii() and value.isprintable()) or set(value) & set("<>&"):
            yield f"{key} {value!r} is not plain"


def _value_problems(node: Node) -> Iterator[str]:
    settings = node.settings
    if "maxHeightPixels" in settings:
        most, default, least = map(int, settings["maxHeightPixels"].split(":"))
        if not most >= default >= least:
            yield "maxHeightPixels is not max:default:min"
    if "viewLimits" in settings:
        low, high = map(float, settings["viewLimits"].split(":"))
        if not low < high:
            yield "viewLimits is empty"
    if settings.get("autoScale") == "group" and node.kind != "compositeTrack":
        yield "autoScale group belongs to the composite alone"
    words = settings.get("type", "").split()
    if words[:1] == ["bigWig"] and not float(words[1]) < float(words[2]):
        yield "the range of its type is empty"


def _column_problems(base: Path, node: Node, key: str, column: str) -> Iterator[str]:
    if not re.fullmatch(r"bigBed \d+ [.+]", node.settings["type"]):
        yield f"{key} needs a type that ends in . or +"
    for leaf in [node] if not node.kind else node.children:
        if column not in _columns(base / leaf.settings["bigDataUrl"]):
            yield f"{key}: {leaf.name} has no such column"


def _columns(path: Path) -> list[str]:
    """Names of a bigBed's columns; none of a file that is no bigBed."""
    text = ""
    if path.is_file():
        with pyBigWig.open(str(path)) as file:
            text = file.SQL() if file.isBigBed() else ""
    text = text.decode() if isinstance(text, bytes) else text
    return re.findall(r"^\s*\w+(?:\[\w+\])?\s+(\w+)\s*;", text, re.MULTILINE)


def _holder_problems(node: Node) -> Iterator[str]:
    if not node.children:
        yield "holds no track"
    if "bigDataUrl" in node.settings:
        yield "holds tracks and has data"
    if sum(kind in node.settings for kind in OF_KIND) > 1:
        yield "is of two kinds"
    if node.kind == "superTrack":
        for child in node.children:
            if "visibility" not in child.settings:
                yield f"{child.name} in a folder has no visibility"
        return
    types = {child.settings.get("type", "").split(" ")[0] for child in node.children}
    if types != {node.settings.get("type", "").split(" ")[0]}:
        yield f"is a {node.settings.get('type')}, but holds {sorted(types)}"
    if node.kind == "container":
        if len(node.children) < 2:
            yield "a multiWig has more than one track"
        if any(re.match(r"subGroup|dimension|filterComp", key) for key in node.settings):
            yield "a multiWig has no subgroups"
        return
    yield from _subgroup_problems(node)


def _subgroup_problems(node: Node) -> Iterator[str]:
    settings = node.settings
    numbers = [key for key in settings if re.fullmatch(r"subGroup\d", key)]
    if numbers != [f"subGroup{number}" for number in range(1, len(numbers) + 1)]:
        yield f"its subgroups are {numbers}"
    tags: dict[str, set[str]] = {}
    for key in numbers:
        tag, _, *pairs = settings[key].split()
        members = [pair.split("=") for pair in pairs]
        if any(len(pair) != 2 or not re.fullmatch(r"[\w-]+", pair[0]) for pair in members):
            yield f"{key} has a member that is not tag=title"
        names = [pair[0] for pair in members]
        if tag in tags or len(set(names)) != len(names) or not names:
            yield f"{key} is declared twice or empty"
        tags[tag] = set(names)
    for child in node.children:
        own = dict(pair.split("=") for pair in child.settings.get("subGroups", "").split())
        if set(own) != set(tags) or any(own[tag] not in tags[tag] for tag in own if tag in tags):
            yield f"{child.name} is not a member of each subgroup"
    axes = dict(pair.split("=") for pair in settings.get("dimensions", "").split())
    if set(axes.values()) != set(tags) or len(set(axes.values())) != len(axes):
        yield "its dimensions are not its subgroups"
    if any(not re.fullmatch(r"dim[XYA-G]", axis) for axis in axes) or (axes and "dimX" not in axes):
        yield "its dimensions have wrong names"
    lists = {axis for axis in axes if axis not in ("dimX", "dimY")}
    chosen = {item.split("=")[0] for item in settings.get("filterComposite", "").split()}
    if chosen != lists:
        yield "filterComposite names the dimensions beside the matrix"
    for axis in lists:
        first = settings.get(f"dimension{axis[-1]}checked", "").split()
        if not first or not set(first) <= tags[axes[axis]]:
            yield f"what is chosen at first of {axis} is not said"


def _data_problems(base: Path, node: Node) -> Iterator[str]:
    if node.children:
        yield "holds tracks and is no container"
    settings = node.settings
    if "bigDataUrl" not in settings or "type" not in settings:
        yield "has no data or no type"
        return
    url = settings["bigDataUrl"]
    if ":" in url or url.startswith("/") or ".." in url.split("/"):
        yield f"bigDataUrl {url} is not relative to the hub"
    path = base / url
    if not path.is_file():
        yield "bigDataUrl leads nowhere"
        return
    kind, *words = settings["type"].split()
    with pyBigWig.open(str(path)) as file:
        if not (file.isBigBed() if kind == "bigBed" else file.isBigWig()):
            yield f"its data are no {kind}"
            return
        lowest, highest = _extremes(file) if kind == "bigWig" else (0.0, 0.0)
    if kind == "bigBed":
        columns = _columns(path)
        if len(columns) != int(words[0]):
            yield f"its data have {len(columns)} columns"
        if node.inherited("itemRgb") and len(columns) < 9:
            yield "itemRgb needs nine columns"
        named = re.findall(r"\$\{(\w+)\}", node.inherited("mouseOver"))
        if set(named) - set(columns):
            yield f"mouseOver names {named}"
        return
    low, high = map(float, words)
    slack = 1e-5 * max(1.0, abs(lowest), abs(highest))
    if not math.isfinite(low + high):
        yield "the range of its type is not finite"
    if lowest < low - slack or highest > high + slack:
        yield "its values leave the range of its type"


def _extremes(file: pyBigWig.pyBigWig) -> tuple[float, float]:
    """Smallest and largest value; the header's are cut to whole numbers."""
    found = {
        kind: [file.stats(chrom, type=kind, exact=True)[0] for chrom in file.chroms()]
        for kind in ("min", "max")
    }
    low, high = ([value for value in found[kind] if value is not None] for kind in ("min", "max"))
    return min(low), max(high)

"""Hubs of all forms hold to UCSC's documentation; hubs that are broken on purpose do not."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hub_spec_check import check_hub, stanzas
from toy_runs import HubRuns
from toy_runs import hub as hub_of


@pytest.fixture(scope="module")
def hub(runs: HubRuns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two samples, one explained, with a genome of their own."""
    _, folder = hub_of(runs, tmp_path_factory.mktemp("hub") / "hub", fasta=runs.fasta)
    return folder.parent


@pytest.mark.parametrize("one_file", [False, True])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("what", ["all", "predicted", "explained", "several models"])
def test_a_hub_holds_to_the_documentation(runs, tmp_path, one_file, own, what):
    folders = {
        "all": (runs.first, runs.second, runs.explained),
        "predicted": (runs.first,),
        "explained": (runs.explained,),
        "several models": (runs.first, runs.second, runs.other_model),
    }
    out = tmp_path / "hub"
    hub_of(
        runs,
        out,
        folders=folders[what],
        one_file=one_file,
        fasta=runs.fasta if own else None,
    )
    assert check_hub(out) == []
    assert (out / "genomes.txt").exists() != one_file
    names = {path.name for path in out.rglob("*.html")}
    assert "hub.html" in names
    assert ("description.html" in names) == own


def test_all_kinds_of_tracks_are_there(hub):
    tracks = stanzas((hub / "toy1" / "trackDb.txt").read_text())
    top = [item["track"] for item in tracks if "parent" not in item]
    assert top == [
        "coverage", "states", "state_probabilities", "calls", "probabilities", "signals",
        "importance", "contributions", "sites",
    ]  # fmt: skip
    assert [item["priority"] for item in tracks if "parent" not in item] == list("123456789")
    logos = [item for item in tracks if item.get("logo") == "on"]
    assert [item["track"] for item in logos] == ["importance"]
    kinds = {key for item in tracks for key in ("superTrack", "compositeTrack", "container")
             if key in item}  # fmt: skip
    assert kinds == {"superTrack", "compositeTrack", "container"}


Edit = Callable[[str], str]


def put(pattern: str, new: str) -> Edit:
    """The first match of a pattern replaced; there must be one."""

    def edit(text: str) -> str:
        edited, count = re.subn(pattern, new, text, count=1, flags=re.MULTILINE)
        assert count == 1, pattern
        return edited

    return edit


def without_stanza(name: str) -> Edit:
    return put(rf"^ *track {name}\n( *\S.*\n)+\n?", "")


TRACKS, HUB, GENOMES, GROUPS = "toy1/trackDb.txt", "hub.txt", "genomes.txt", "toy1/groups.txt"

MUTATIONS: list[tuple[str, Edit, str]] = [
    (HUB, put("^hub .*", "hub two words"), "begin with hub and one word"),
    (HUB, put("^shortLabel .*", "shortLabel A label that is far too long"), "label of the hub"),
    (HUB, put("^email .*\n", ""), "lacks email"),
    (HUB, put("^email .*", "email nobody"), "email is no address"),
    (HUB, put("^genomesFile .*\n", ""), "either genomesFile or useOneFile"),
    (HUB, put("^genomesFile", "useOneFile on\ngenomesFile"), "either genomesFile"),
    (HUB, put("^descriptionUrl .*", "descriptionUrl no.html"), "descriptionUrl leads nowhere"),
    (HUB, put("^hub ", "colour red\nhub "), "unknown setting colour"),
    (GENOMES, put("^trackDb .*", "trackDbFile toy1/trackDb.txt"), "trackDb"),
    (GENOMES, put("^twoBitPath .*", "twoBitPath toy1/no.2bit"), "twoBitPath leads nowhere"),
    (GENOMES, put("^organism .*\n", ""), "organism belongs"),
    (GENOMES, put("^defaultPos .*\n", ""), "defaultPos belongs"),
    (GENOMES, put("^defaultPos .*", "defaultPos chr1"), "defaultPos is no position"),
    (GENOMES, put("^groups .*\n", ""), "groups belongs"),
    (GROUPS, put("^priority .*\n", ""), "a group has the settings"),
    (GROUPS, put("^name .*", "name other"), "not in groups.txt"),
    (TRACKS, put("^track states$", "track chromatin states"), "not a name"),
    (TRACKS, put("^track states$", "track 1states"), "not a name"),
    (TRACKS, put("track calls_TF1_first", "track calls_TF2_first"), "name comes twice"),
    (TRACKS, put("^ *shortLabel .*\n", ""), "shortLabel has 0"),
    (TRACKS, put("shortLabel Calls", "shortLabel Calls of all factors"), "shortLabel has 20"),
    (TRACKS, put("longLabel Calls", "longLabel " + "Calls " * 12), "longLabel has"),
    (TRACKS, put("longLabel Calls", "longLabel Calls é"), "ascii"),
    (TRACKS, put("longLabel Calls", "longLabel <b>Calls</b>"), "is not plain"),
    (TRACKS, put("bigBed 9 .", "bigBed 13 ."), "type bigBed 13"),
    (TRACKS, put("bigBed 9 .\n( *)shortLabel", r"bigBed 9\n\1shortLabel"), "ends in . or"),
    (TRACKS, put("type bigWig", "type wig"), "type wig"),
    (TRACKS, put("(track sites_.*\n.*\n *type )bigBed 6 .", r"\1bigBed 9 ."), "have 6 columns"),
    (TRACKS, put("(track prob_.*\n.*\n *type bigWig 0) 1", r"\1 0.0001"), "leave the range"),
    (TRACKS, put("(track prob_.*\n.*\n *type bigWig 0) 1", r"\1 0"), "range of its type is empty"),
    (TRACKS, put("^( *)bigDataUrl .*\n", ""), "no data"),
    (TRACKS, put("bigDataUrl first", "bigDataUrl none"), "bigDataUrl leads nowhere"),
    (TRACKS, put("bigDataUrl first", "bigDataUrl ../toy1/first"), "not relative"),
    (TRACKS, put("bigDataUrl first/", "bigDataUrl https://x.org/"), "not relative"),
    (TRACKS, put("first/states.bb", "first/states.S0.bw"), "are no bigBed"),
    (TRACKS, put("parent calls on", "parent calls"), "parent calls of a composite"),
    (TRACKS, put("parent state_probabilities\n", "parent state_probabilities on\n"), "of a superT"),
    (TRACKS, put("parent calls on", "parent nothing on"), "does not come before"),
    (TRACKS, put("parent calls on", "parent calls maybe"), "parent calls maybe"),
    (TRACKS, put("compositeTrack on", "compositeTrack yes"), "compositeTrack yes"),
    (TRACKS, put("compositeTrack on\n", ""), "is no container|no setting"),
    (TRACKS, put("compositeTrack on", "bigDataUrl first/states.bb\ncompositeTrack on"), "has data"),
    (TRACKS, put("container multiWig", "container multiBed"), "container multiBed"),
    (TRACKS, put("aggregate stacked", "aggregate piled"), "aggregate piled"),
    (TRACKS, put("aggregate stacked", "subGroup1 a b c=d"), "no setting|no subgroups"),
    (TRACKS, put("superTrack on show", "superTrack show"), "superTrack show"),
    (TRACKS, put("(multiWig\n(.*\n)+?)( *)visibility full\n", r"\1"), "has no visibility"),
    (TRACKS, without_stanza("stacked_S1_first"), ""),
    (TRACKS, put("visibility dense", "visibility some"), "visibility some"),
    (TRACKS, put("color 89,99,110", "color 89,99,300"), "color"),
    (TRACKS, put("color 89,99,110", "color grey"), "color grey"),
    (TRACKS, put("itemRgb on", "itemRgb yes"), "itemRgb yes"),
    (TRACKS, put("itemRgb on", "itemrgb on"), "itemrgb is no setting"),
    (TRACKS, put("viewLimits 0:1", "viewLimits 1:0"), "viewLimits is empty"),
    (TRACKS, put("viewLimits 0:1", "viewLimits 0-1"), "viewLimits 0-1"),
    (TRACKS, put("maxHeightPixels 100:32:8", "maxHeightPixels 8:32:100"), "max:default:min"),
    (TRACKS, put("autoScale on", "autoScale auto"), "autoScale auto"),
    (TRACKS, put("(track prob_(.*\n)+?)( *)color", r"\1\3autoScale group\n\3color"), "alone"),
    (TRACKS, put("visibility dense", "visibility dense\nlogo on"), "logo is no setting of bigBed"),
    (TRACKS, put("logo on", "logo letters"), "logo letters"),
    (TRACKS, put("windowingFunction mean", "windowingFunction median"), "median"),
    (TRACKS, put("dragAndDrop subTracks", "dragAndDrop on"), "dragAndDrop on"),
    (TRACKS, put(r"\$\{score\}", "${value}"), "mouseOver names"),
    (TRACKS, put(r"filterValues\.name", "filterValues.state"), "no such column"),
    (TRACKS, put("filterValues", "filterChoices"), "filterChoices.name is no setting"),
    (TRACKS, put("subGroup2 sample", "subGroup3 sample"), "its subgroups are"),
    (TRACKS, put("subGroup2 sample", "subGroup2 label"), "declared twice|each subgroup"),
    (TRACKS, put("TF2=factor_2", "TF2=factor 2"), "not tag=title"),
    (TRACKS, put("subGroups label=TF1 sample=first", "subGroups label=TF1"), "each subgroup"),
    (TRACKS, put("subGroups label=TF1", "subGroups label=TF9"), "each subgroup"),
    (TRACKS, put("dimensions dimX=sample dimY=label\n", "dimensions dimX=sample\n"), "dimensions"),
    (TRACKS, put("dimensions dimX=sample$", "dimensions dimA=sample"), "wrong names"),
    (TRACKS, put("filterComposite dimA\n", ""), "filterComposite"),
    (TRACKS, put("dimensionAchecked .*\n", ""), "chosen at first"),
    (TRACKS, put("html states.html", "html nothing.html"), "html leads nowhere"),
    (TRACKS, put("priority 1$", "priority first"), "priority first"),
    (TRACKS, put("yLineMark 0.5", "yLineMark half"), "yLineMark half"),
    (TRACKS, put("itemRgb on", "itemRgb on\nitemRgb on"), "comes twice"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "edit", "message"), MUTATIONS)
def test_a_broken_hub_is_found(hub, tmp_path, name, edit, message):
    broken = tmp_path / "hub"
    shutil.copytree(hub, broken)
    path = broken / name
    path.write_text(edit(path.read_text()))
    found = check_hub(broken)
    if message:
        assert re.search(message, "\n".join(found)), found
    else:
        # Two of three states are a stack as well.
        assert found == []


def test_broken_data_are_found(hub, tmp_path) -> None:
    broken = tmp_path / "hub"
    shutil.copytree(hub, broken)
    data = broken / "toy1" / "first"
    (data / "states.bb").unlink()
    shutil.copyfile(data / "factors.TF1.bw", data / "factors.TF2.calls.bb")
    found = check_hub(broken)
    assert [item for item in found if "leads nowhere" in item] != []
    assert [item for item in found if "no bigBed" in item] != []

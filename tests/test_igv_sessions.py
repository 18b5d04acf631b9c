"""Session files, read by second readers: json and xml.etree, against what the browsers document."""

import json
import os
import shutil
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pysam
import pytest

from chromputer_tracks.errors import ContigError, FormatError, InputError, OutputError
from chromputer_tracks.intervals import Interval, parse_region
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.options.predict import ViewOptions
from chromputer_tracks.tracks.igv import relative_path, write_sessions
from chromputer_tracks.tracks.view.run import (
    read_view,
)

TRACK_ATTRIBUTES = {
    *("id", "clazz", "name", "color", "altColor", "height", "visible", "displayMode"),
    *("renderer", "windowFunction", "autoScale", "autoscaleGroup", "fontSize"),
}
"""Of IGV's sessions (igv.org/doc/desktop, Sessions, and what IGV 2.16 to 3.0 read)."""
RANGE_ATTRIBUTES = {"type", "minimum", "baseline", "maximum", "drawBaseline", "flipAxis"}
"""All must be there: IGV reads a missing one as an empty number and drops the range."""
RENDERERS = {"BAR_CHART", "DYNSEQ", "HEATMAP", "LINE_PLOT", "SCATTER_PLOT"}
DISPLAY_MODES = {"COLLAPSED", "EXPANDED", "SQUISHED"}
JSON_TRACK_KEYS = {
    "annotation": {
        *("displayMode", "searchable", "searchableFields", "indexed"),
        *("margin", "expandedRowHeight"),
    },
    "wig": {
        *("graphType", "windowFunction", "autoscale", "autoscaleGroup", "min", "max"),
        *("visibilityWindow", "supportsWholeGenome"),
    },
} | {"both": {"name", "type", "format", "url", "indexURL", "order", "height", "metadata"}}
"""Of igv.js (igv.org/doc/igvjs, Tracks); margin is a default of its annotation tracks."""


def write_view_sessions(view, folder):
    return write_sessions(folder, view.genome, view.tracks, view.locus)


@pytest.fixture(scope="module")
def view(demo):
    return demo.view(locus="chr2:1,001-1,200")


@pytest.fixture(scope="module")
def written(view, demo):
    folder = demo.folder / "sessions"
    assert write_view_sessions(view, folder) == (folder / "session.json", folder / "session.xml")
    return folder


@pytest.fixture(scope="module")
def session(written):
    return json.loads((written / "session.json").read_text())


@pytest.fixture(scope="module")
def xml(written):
    return ET.parse(written / "session.xml").getroot()


def test_json_reference_and_locus(session, written, demo):
    assert session["locus"] == "chr2:1,001-1,200"
    reference = session["reference"]
    assert set(reference) == {"id", "name", "fastaURL", "indexURL"}
    assert (written / reference["fastaURL"]).resolve() == demo.fasta
    assert reference["indexURL"] == reference["fastaURL"] + ".fai"


def test_json_tracks_are_the_views(session, view, written):
    assert [track["name"] for track in session["tracks"]] == [track.name for track in view.tracks]
    assert [track["order"] for track in session["tracks"]] == list(range(1, len(view.tracks) + 1))
    for shown, track in zip(session["tracks"], view.tracks, strict=True):
        assert (written / unquote(shown["url"])).resolve() == track.path.resolve()
        assert set(shown) <= JSON_TRACK_KEYS["both"] | JSON_TRACK_KEYS[shown["type"]] | {
            "color",
            "altColor",
        }
        expected = None if track.color is None else f"rgb({','.join(map(str, track.color))})"
        assert shown.get("color") == expected
        assert shown["type"] == ("wig" if track.path.suffix == ".bw" else "annotation")


def test_json_importance_is_drawn_as_letters_and_all_else_as_bars(session):
    graphs = {
        track["name"]: track["graphType"] for track in session["tracks"] if "graphType" in track
    }
    assert {name for name, graph in graphs.items() if graph == "dynseq"} == {
        "TF1 importance",
        "S1 importance",
        "H3 importance",
    }
    assert set(graphs.values()) == {"dynseq", "bar"}
    # igv.js would read whole chromosomes of sequence.
    for track in session["tracks"]:
        letters = track.get("graphType") == "dynseq"
        assert (track.get("visibilityWindow", 10**9) <= 2_000_000) == letters
        assert track.get("supportsWholeGenome", True) != letters


def test_json_scales(session):
    for track in session["tracks"]:
        if track["type"] == "wig":
            fixed = track["name"].endswith(" probability") or " state " in track["name"]
            assert (track.get("min"), track.get("max")) == ((0, 1) if fixed else (None, None))
            assert track.get("autoscale") == (None if fixed else True)
            assert ("autoscaleGroup" in track) == (" fragments " in track["name"])


def test_xml_session_element(xml, written, demo):
    assert xml.tag == "Session"
    assert set(xml.attrib) == {"genome", "locus", "version", "nextAutoscaleGroup"}
    assert xml.attrib["locus"] == "chr2:1,001-1,200"
    assert xml.attrib["version"] == "8"
    assert (written / xml.attrib["genome"]).resolve() == demo.fasta
    assert [child.tag for child in xml] == ["Resources", "Panel"]


def test_xml_resources_are_the_views_files(xml, view, written):
    resources = xml.findall("Resources/Resource")
    for resource, track in zip(resources, view.tracks, strict=True):
        assert set(resource.attrib) == {"path", "name", "type"}
        assert not Path(resource.attrib["path"]).is_absolute()
        assert (written / resource.attrib["path"]).resolve() == track.path.resolve()
        assert resource.attrib["name"] == track.name
        assert resource.attrib["type"] == track.format


def test_xml_tracks_say_how_their_resources_are_shown(xml, view):
    sequence, *shown = xml.findall("Panel/Track")
    assert sequence.attrib["clazz"].endswith("SequenceTrack")
    ids = [resource.attrib["path"] for resource in xml.iter("Resource")]
    assert [track.attrib["id"] for track in shown] == ids
    for element, track in zip(shown, view.tracks, strict=True):
        assert set(element.attrib) <= TRACK_ATTRIBUTES
        # IGV 2.16 confuses files of the same name in different folders.
        assert "name" not in element.attrib
        assert int(element.attrib["height"]) == track.height
        bigwig = track.path.suffix == ".bw"
        assert element.attrib["clazz"].endswith("DataSourceTrack" if bigwig else "FeatureTrack")
        if bigwig:
            assert element.attrib["renderer"] in RENDERERS
            assert element.attrib["windowFunction"] == "mean"
        else:
            assert element.attrib["displayMode"] in DISPLAY_MODES
        if track.color is None:
            assert "color" not in element.attrib
        else:
            assert tuple(map(int, element.attrib["color"].split(","))) == track.color


def test_xml_letters_scales_and_groups(xml, view):
    _, *shown = xml.findall("Panel/Track")
    groups = {}
    for element, track in zip(shown, view.tracks, strict=True):
        if track.path.suffix != ".bw":
            continue
        assert (element.attrib["renderer"] == "DYNSEQ") == (track.path.stem == "importance")
        data_range = element.find("DataRange")
        assert element.attrib["autoScale"] == str(data_range is None).lower()
        if track.kind == "probability":
            assert set(data_range.attrib) == RANGE_ATTRIBUTES
            assert data_range.attrib["type"] == "LINEAR"
            ends = [float(data_range.attrib[key]) for key in ("minimum", "baseline", "maximum")]
            assert ends == [0, 0, 1]
        else:
            assert data_range is None
        if track.scale_group:
            groups.setdefault(track.scale_group, set()).add(element.attrib["autoscaleGroup"])
        else:
            assert "autoscaleGroup" not in element.attrib
    assert groups == {"TF1 atac": {"1"}, "S1 atac": {"2"}, "H3 atac": {"3"}}
    assert xml.attrib["nextAutoscaleGroup"] == "4"


def test_a_folder_and_its_session_can_be_moved(demo, tmp_path):
    shutil.copytree(demo.folder, tmp_path / "here")
    here = tmp_path / "here"
    view = read_view(
        ViewOptions(folders=(here / "predicted", here / "explained"), fasta=here / "input/toy.fa")
    )
    write_view_sessions(view, here / "predicted")
    here.rename(tmp_path / "there")
    session = json.loads((tmp_path / "there/predicted/session.json").read_text())
    urls = [track["url"] for track in session["tracks"]]
    assert "states.bb" in urls
    assert "../explained/TF1/importance.bw" in urls
    for url in (*urls, session["reference"]["fastaURL"]):
        assert (tmp_path / "there/predicted" / unquote(url)).is_file()


def test_names_that_urls_and_xml_must_escape(demo, tmp_path):
    odd = tmp_path / "50% <a>&'\"#?ü"
    shutil.copytree(demo.predicted, odd)
    view = read_view(ViewOptions(samples=(("<b>&", odd), ("b", demo.predicted))))
    write_view_sessions(view, tmp_path)
    session = json.loads((tmp_path / "session.json").read_text())
    url = session["tracks"][0]["url"]
    assert not set(url) & set(" <>&'\"#?ü")
    assert unquote(url) == f"{odd.name}/states.bb"
    resource = ET.parse(tmp_path / "session.xml").getroot().find("Resources/Resource")
    assert resource.attrib["path"] == f"{odd.name}/states.bb"
    assert resource.attrib["name"] == "<b>& Chromatin states"


def test_names_are_no_html_in_igv_js_and_stay_as_they_are_in_igv(demo, tmp_path):
    name = "<a href=x>fragments <150 bp & more"
    (tmp_path / f"{name}.bed").write_text("chr1\t10\t20\tx\n")
    write_view_sessions(demo.view(tracks=(tmp_path / f"{name}.bed",)), tmp_path / "s")
    session = json.loads((tmp_path / "s" / "session.json").read_text())
    assert session["tracks"][0]["name"] == "‹a href=x>fragments ‹150 bp & more"
    xml = ET.parse(tmp_path / "s" / "session.xml").getroot()
    assert xml.find("Resources/Resource").get("name") == name


def test_a_bgzipped_genome_has_its_index_of_blocks(demo, tmp_path):
    packed = tmp_path / "toy.fa.gz"
    pysam.tabix_compress(str(demo.fasta), str(packed))
    pysam.faidx(str(packed))
    view = demo.view(fasta=packed)
    write_view_sessions(view, tmp_path / "out")
    reference = json.loads((tmp_path / "out/session.json").read_text())["reference"]
    assert reference["fastaURL"] == "../toy.fa.gz"
    assert reference["indexURL"] == "../toy.fa.gz.fai"
    assert reference["compressedIndexURL"] == "../toy.fa.gz.gzi"


def test_added_tracks_are_searchable_and_carry_their_index(demo, tmp_path):
    genes = tmp_path / "genes.bed"
    genes.write_text("chr1\t10\t90\tTHR1\n")
    packed = Path(pysam.tabix_index(str(genes), preset="bed", force=True, keep_original=True))
    view = demo.view(tracks=(packed, genes))
    write_view_sessions(view, tmp_path / "out")
    with_index, plain, states, *_ = json.loads((tmp_path / "out/session.json").read_text())[
        "tracks"
    ]
    assert with_index["indexURL"] == "../genes.bed.gz.tbi"
    assert "indexed" not in with_index
    assert plain["indexed"] is False
    assert (with_index["searchable"], states["searchable"]) == (True, False)
    assert {"name", "gene", "id"} <= set(with_index["searchableFields"])
    assert "searchableFields" not in states
    assert (with_index["displayMode"], states["displayMode"]) == ("EXPANDED", "COLLAPSED")
    root = ET.parse(tmp_path / "out/session.xml").getroot()
    packed_file, plain_file, *_ = root.iter("Resource")
    assert packed_file.attrib["index"] == "../genes.bed.gz.tbi"
    assert "index" not in plain_file.attrib
    _sequence, genes_track, _, states_track, *_ = root.iter("Track")
    assert genes_track.attrib["displayMode"] == "EXPANDED"
    assert states_track.attrib["displayMode"] == "COLLAPSED"


def test_names_that_are_not_utf8(demo, tmp_path):
    """Linux allows any bytes in names; addresses are in UTF-8."""
    path = tmp_path / os.fsdecode(b"caf\xe9.bed")
    try:
        path.write_text("chr1\t10\t90\n")
    except OSError:
        pytest.skip("the file system takes names in UTF-8 only")
    with pytest.raises(InputError, match="the name is not UTF-8; rename the file"):
        demo.view(tracks=(path,))


def test_links_to_files_stay_links(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file.bw").write_bytes(b"")
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub/linked.bw").symlink_to(tmp_path / "data/file.bw")
    assert relative_path(tmp_path / "hub/linked.bw", tmp_path / "hub") == "linked.bw"
    assert relative_path(tmp_path / "hub/linked.bw", tmp_path / "data") == "../hub/linked.bw"
    assert relative_path(tmp_path / "data/file.bw", tmp_path / "hub") == "../data/file.bw"
    # ".." of a linked folder leads elsewhere than where the link lies.
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "short").symlink_to(tmp_path / "deep/er")
    assert relative_path(tmp_path / "data/file.bw", tmp_path / "short") == "../../data/file.bw"


def test_a_track_that_vanishes_leaves_no_session(demo, tmp_path):
    shutil.copytree(demo.predicted, tmp_path / "gone")
    view = read_view(ViewOptions(folders=(tmp_path / "gone",)))
    (tmp_path / "gone/factors/TF1.bw").unlink()
    with pytest.raises(OutputError, match=r"session\.json: \.\./gone/factors/TF1\.bw leads to no"):
        write_view_sessions(view, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_folder_is_made_with_its_parents(view, tmp_path):
    write_view_sessions(view, tmp_path / "none" / "out")
    assert (tmp_path / "none" / "out" / "session.json").is_file()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file is a file; name a folder"):
        write_view_sessions(view, tmp_path / "file" / "out")


def test_the_first_locus_is_around_the_strongest_explained_site(demo):
    view = demo.view()
    sites = read_bed(demo.explained / "TF1/sites.bed")
    strongest = list(sites)[sites.scores.argmax()]
    assert view.locus.chrom == strongest.chrom
    assert view.locus.start <= strongest.start < strongest.end <= view.locus.end
    # chr1 is shorter than 10 kb.
    assert view.locus == Interval("chr1", 0, 6150)


def test_a_locus_outside_the_genome_is_refused(demo):
    with pytest.raises(ContigError, match="chr9"):
        demo.view(locus="chr9:1-100")
    with pytest.raises(FormatError, match="not a region"):
        demo.view(locus="chr1:x-y")
    sizes = demo.toy.sizes
    assert demo.view(locus="tiny").locus == parse_region("tiny", sizes)


def test_there_must_be_something_to_show():
    with pytest.raises(InputError, match="name a folder"):
        read_view(ViewOptions())

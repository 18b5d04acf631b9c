"""Which tracks are shown, in what order and colours."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from toy_runs import as_made
from typer.testing import CliRunner

from chromputer_tracks.cli.main import app
from chromputer_tracks.errors import ContigError, InputError
from chromputer_tracks.tracks.browser_tracks import SPAN_COLORS, browser_tracks
from chromputer_tracks.tracks.igv import browser_genome
from chromputer_tracks.tracks.runs import read_runs


def explained(label: str) -> list[tuple[str, str, str]]:
    where = f"explained/{label}"
    return [
        (f"{label} importance", "importance", f"{where}/importance.bw"),
        (f"{label} fragments 20-139 bp", "contribution", f"{where}/atac.subnucleosomal.bw"),
        (f"{label} fragments 140-299 bp", "contribution", f"{where}/atac.mononucleosomal.bw"),
        (f"{label} fragments 300-499 bp", "contribution", f"{where}/atac.dinucleosomal.bw"),
        (f"{label} cuts", "contribution", f"{where}/cuts.bw"),
        (f"{label} shape.MGW", "contribution", f"{where}/shape.MGW.bw"),
        (f"{label} shape.Roll", "contribution", f"{where}/shape.Roll.bw"),
        (f"{label} explained sites", "sites", f"{where}/sites.bed"),
    ]


def listed(tracks, folder):
    return [(track.name, track.kind, track.path.relative_to(folder).as_posix()) for track in tracks]


def factor(name: str) -> list[tuple[str, str, str]]:
    where = f"predicted/factors/{name}"
    return [
        (f"{name} probability", "probability", f"{where}.bw"),
        (f"{name} calls", "calls", f"{where}.bed"),
    ]


def test_states_then_explained_labels_then_others_then_states_probabilities(demo):
    tracks = browser_tracks(demo.runs())
    assert listed(tracks, demo.folder) == [
        ("Chromatin states", "states", "predicted/states.bb"),
        *factor("TF1"),
        *explained("TF1"),
        ("S1 state 1", "probability", "predicted/states/S1.bw"),
        *explained("S1"),
        ("H3", "signal", "predicted/marks/H3.bw"),
        *explained("H3"),
        *factor("TF2"),
        ("S0 state 0", "probability", "predicted/states/S0.bw"),
        ("S2 state 2", "probability", "predicted/states/S2.bw"),
    ]
    groups = list(dict.fromkeys(track.group for track in tracks))
    assert groups == ["Chromatin states", "TF1", "S1", "H3", "TF2", "State probabilities"]


def test_every_bigwig_and_bed_of_the_folders_is_shown_once(demo):
    found = {
        path
        for folder in (demo.predicted, demo.explained)
        for path in folder.rglob("*")
        if path.suffix in (".bw", ".bed", ".bb") and path.name != "states.bed"
    }
    tracks = browser_tracks(demo.runs())
    assert {track.path for track in tracks} == found
    assert len(tracks) == len(found)


def test_colours_scales_and_formats(demo):
    (model,) = demo.runs()
    colors = {label.name: label.color for head in model.spec.heads for label in head.labels}
    formats = {".bw": "bigwig", ".bed": "bed", ".bb": "bigbed"}
    for track in browser_tracks([model]):
        assert track.format == formats[track.path.suffix]
        if track.kind in ("probability", "calls"):
            assert track.color == colors[track.path.stem]
        # The bigBed has a colour for each state.
        assert (track.color is None) == (track.kind == "states")
        assert track.limits == ((0.0, 1.0) if track.kind == "probability" else None)
        assert track.about.strip() == track.about != ""
    spans = [track for track in browser_tracks([model]) if track.scale_group]
    assert [track.color for track in spans] == [*SPAN_COLORS] * 3
    assert [track.scale_group for track in spans] == [
        *["TF1 atac"] * 3,
        *["S1 atac"] * 3,
        *["H3 atac"] * 3,
    ]


def test_colours_are_those_of_a_hub(demo, tmp_path):
    args = (demo.predicted, demo.explained, "--fasta", demo.fasta, "--out", tmp_path / "hub")
    options = ("--assembly", "toy", "--email", "me@example.org", "--no-coverage")
    result = CliRunner().invoke(app, ["hub", *map(str, args), *options])
    assert result.exit_code == 0, result.stderr
    hub = {}
    for stanza in (tmp_path / "hub/toy/trackDb.txt").read_text().split("\n\n"):
        said = dict(line.strip().partition(" ")[::2] for line in stanza.splitlines())
        hub[said.get("bigDataUrl")] = (said.get("color"), said.get("altColor"))
    compared = 0
    for track in browser_tracks(demo.runs()):
        place, stem = track.path.parent.name, track.path.stem
        name = {
            "probability": f"predicted/{place}.{stem}.bw",
            "calls": f"predicted/{place}.{stem}.calls.bb",
            "importance": f"predicted/explain.{place}.importance.bw",
            "contribution": f"predicted/explain.{place}.{stem}.bw",
            "sites": f"predicted/explain.{place}.sites.bb",
        }.get(track.kind)
        if name is not None:
            shown = [color and ",".join(map(str, color)) for color in (track.color, track.negative)]
            assert hub[name] == tuple(shown), track.name
            compared += 1
    # Of two factors, three states and three explained labels, each with six other inputs.
    assert compared == 2 * 2 + 3 + (2 + 6) * 3


def test_calls_say_their_threshold_and_probabilities_their_bin(demo):
    about = {track.name: track.about for track in browser_tracks(demo.runs())}
    assert about["TF2 calls"] == "factor 2: merged bins with a probability of 0.4 or more"
    assert "in the 200 bp around, by model tiny" in about["TF2 probability"]


def test_explaining_alone_and_prediction_alone(demo):
    alone = browser_tracks(read_runs([demo.explained], []))
    assert listed(alone, demo.folder) == [*explained("TF1"), *explained("S1"), *explained("H3")]
    (predicted,) = read_runs([demo.predicted], [])
    names = [track.name for track in browser_tracks([predicted])]
    assert names == [
        "Chromatin states",
        *("TF1 probability", "TF1 calls", "TF2 probability", "TF2 calls", "H3"),
        *("S0 state 0", "S1 state 1", "S2 state 2"),
    ]


def test_several_samples_have_their_names_in_front(demo, tmp_path):
    shutil.copytree(demo.predicted, tmp_path / "other")
    two = read_runs([], [("one", demo.predicted), ("two", tmp_path / "other")])
    (alone,) = read_runs([], [("one", demo.predicted)])
    names = [track.name for track in browser_tracks([alone])]
    tracks = browser_tracks(two)
    assert [track.name for track in tracks] == [
        f"{sample} {name}" for sample in ("one", "two") for name in names
    ]
    # One switch hides a label in all samples.
    assert [track.group for track in tracks[: len(names)]] == [
        track.group for track in tracks[len(names) :]
    ]


def test_scales_are_not_shared_between_samples(demo, tmp_path):
    shutil.copytree(demo.explained, tmp_path / "other")
    two = read_runs([], [("one", demo.explained), ("two", tmp_path / "other")])
    groups = {track.scale_group for track in browser_tracks(two) if track.scale_group}
    assert groups == {f"{s} {label} atac" for s in ("one", "two") for label in ("TF1", "S1", "H3")}


def test_a_label_without_calls_has_no_calls_track(demo, tmp_path):
    shutil.copytree(demo.predicted, tmp_path / "quiet")
    (tmp_path / "quiet" / "factors" / "TF1.bed").write_text("")
    as_made(tmp_path / "quiet")
    names = [track.name for track in browser_tracks(read_runs([tmp_path / "quiet"], []))]
    assert "TF1 probability" in names
    assert "TF1 calls" not in names
    assert "TF2 calls" in names


def test_a_track_that_is_gone_is_named(demo, tmp_path):
    shutil.copytree(demo.predicted, tmp_path / "cut")
    (tmp_path / "cut" / "factors" / "TF2.bw").unlink()
    with pytest.raises(InputError, match=r"factors/TF2\.bw is missing"):
        browser_tracks(read_runs([tmp_path / "cut"], []))


@pytest.mark.parametrize(
    ("name", "kind", "format", "shown"),
    [
        ("genes.gff3", "features", "gff3", "genes"),
        ("genes.GFF.gz", "features", "gff3", "genes"),
        ("peaks.narrowPeak", "features", "narrowPeak", "peaks"),
        ("a.b.bed.gz", "features", "bed", "a.b"),
        ("cover.bw", "signal", "bigwig", "cover"),
        ("genes.bigBed", "features", "bigbed", "genes"),
    ],
)
def test_added_files_come_first(demo, tmp_path, name, kind, format, shown):
    path = tmp_path / name
    path.write_bytes(b"x")
    first, *others = browser_tracks(demo.runs(), [path])
    assert (first.path, first.kind, first.format) == (path, kind, format)
    assert first.name == first.group == shown
    assert first.index is None
    assert tuple(others) == browser_tracks(demo.runs())


@pytest.mark.parametrize("ending", [".tbi", ".csi"])
def test_the_index_of_an_added_file_is_found(demo, tmp_path, ending):
    path = tmp_path / "genes.gff3.gz"
    path.write_bytes(b"x")
    index = tmp_path / f"genes.gff3.gz{ending}"
    index.write_bytes(b"x")
    assert browser_tracks(demo.runs(), [path])[0].index == index


@pytest.mark.parametrize("name", ["genes.txt", "reads.bam", "cover.bw.gz", "genes", "genes.gz"])
def test_added_files_of_other_kinds_are_refused(demo, tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=f"{name}: a track must be a .bed, "):
        browser_tracks(demo.runs(), [tmp_path / name])


def test_an_added_file_must_be_there(demo):
    with pytest.raises(InputError, match=r"none\.bed: no such file"):
        browser_tracks(demo.runs(), [Path("none.bed")])


def test_the_genome_of_the_run(demo):
    (model,) = demo.runs()
    genome = browser_genome(model.samples[0].runs[0])
    assert genome.fasta == demo.fasta
    assert (genome.fai, genome.gzi) == (demo.fasta.with_name("toy.fa.fai"), None)
    assert genome.name == model.spec.assembly
    assert dict(genome.sizes) == dict(demo.toy.sizes)


def without(run, role, **more):
    """A run whose record names another file, or none, for a role."""
    inputs = {key: item for key, item in run.record.inputs.items() if key != role}
    return replace(run, record=replace(run.record, inputs=inputs | more))


def test_a_genome_that_is_gone_or_another_one_is_refused(demo, tmp_path):
    run = demo.runs()[0].samples[0].runs[0]
    gone = without(run, "fasta", fasta=replace(run.record.inputs["fasta"], path="gone.fa"))
    with pytest.raises(InputError, match=r"gone\.fa, the genome .* --fasta"):
        browser_genome(gone)
    assert browser_genome(gone, demo.fasta).fasta == demo.fasta
    other = tmp_path / "other.fa"
    other.write_text(">chr1\nACGT\n")
    (tmp_path / "other.fa.fai").write_text("chr1\t4\t6\t4\t5\n")
    with pytest.raises(ContigError, match=r"other\.fa has other contigs"):
        browser_genome(run, other)


def test_a_record_without_a_genome_is_refused(demo):
    run = demo.runs()[0].samples[0].runs[0]
    with pytest.raises(InputError, match=r"run\.json does not name the genome"):
        browser_genome(without(run, "fasta"))


def test_a_genome_that_is_not_the_models_has_its_files_name(demo):
    run = demo.runs()[0].samples[0].runs[0]
    other = replace(run, genome=replace(run.genome, same_as_model=False))
    assert browser_genome(other).name == "toy"

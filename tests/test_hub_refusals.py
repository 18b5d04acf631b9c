"""What a hub is not made of: other genomes, moved or damaged files; and what mends it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pybigtools
import pytest
from explain_run import Notes
from hub_spec_check import check_hub, stanzas
from toy_runs import as_made, copied, edit, hub

from chromputer_tracks.errors import ContigError, FormatError, InputError, SpecError


def test_contigs_are_compared(runs, tmp_path):
    notes = Notes()
    hub(runs, tmp_path / "unknown", notes)
    assert [line for line in notes.lines if "contigs are not compared" in line]
    notes = Notes()
    hub(runs, tmp_path / "known", notes, assembly="toy", any_assembly=True)
    assert not [line for line in notes.lines if "not compared" in line]
    sizes = tmp_path / "chrom.sizes"
    lines = [f"{name}\t{size}\n" for name, size in runs.toy.sizes.items()]
    sizes.write_text("".join(lines) + "chr9\t77\n")
    notes = Notes()
    hub(runs, tmp_path / "compared", notes, sizes=sizes)
    assert not [line for line in notes.lines if "not compared" in line]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("chr10\t", "10\t", "'chr10' not in .*has '10': rename the contigs"),
        ("chr10\t1000", "chr10\t1001", "chr10 is 1,000 bp, but 1,001 bp in"),
        ("edge\t300\n", "", "'edge' not in .*are they the same assembly"),
    ],
)
def test_contigs_that_do_not_match(runs, tmp_path, old, new, message):
    sizes = tmp_path / "chrom.sizes"
    text = "".join(f"{name}\t{size}\n" for name, size in runs.toy.sizes.items())
    assert old in text
    sizes.write_text(text.replace(old, new))
    with pytest.raises(ContigError, match=message):
        hub(runs, tmp_path / "hub", sizes=sizes)
    assert not (tmp_path / "hub").exists()


def test_a_genome_that_does_not_match(runs, tmp_path):
    other = tmp_path / "other.fa"
    other.write_text(">chr1\nACGT\n")
    Path(f"{other}.fai").write_text("chr1\t4\t6\t4\t5\n")
    with pytest.raises(ContigError, match="not in .*other.fa"):
        hub(runs, tmp_path / "hub", fasta=other)


def test_inputs_that_have_moved(runs, tmp_path):
    own = copied(runs, tmp_path / "runs")
    moved = tmp_path / "moved.tsv.gz"
    shutil.copy(runs.fragments, moved)
    edit(own.first, str(runs.fragments), str(tmp_path / "gone.tsv.gz"))
    edit(own.explained, str(runs.fragments), str(tmp_path / "gone.tsv.gz"))
    notes = Notes()
    _, folder = hub(own, tmp_path / "without", notes)
    assert [line for line in notes.lines if line.startswith("note: no coverage of first: its atac")]
    assert not (folder / "first/coverage.atac.bw").exists()
    assert (folder / "second/coverage.atac.bw").exists()
    _, folder = hub(own, tmp_path / "with", inputs=(moved,))
    assert (folder / "first/coverage.atac.bw").exists()
    _, folder = hub(own, tmp_path / "none", coverage=False)
    assert not list(folder.rglob("coverage*"))
    with pytest.raises(InputError, match="no file that any of the runs read"):
        hub(own, tmp_path / "other", inputs=(runs.fasta,))
    with pytest.raises(InputError, match="either --input or --no-coverage"):
        hub(own, tmp_path / "both", inputs=(moved,), coverage=False)


def test_two_inputs_of_a_sample_are_two_tracks(runs, tmp_path):
    """The user may give one name to runs that read different files."""
    named = (("both", runs.second), ("both", runs.explained), ("other", runs.first))
    _, two = hub(runs, tmp_path / "two", folders=(), samples=named[:2])
    _, three = hub(runs, tmp_path / "three", folders=(), samples=named)
    for folder, shown in ((two, ("atac input", "atac 2 input")), (three, ("atac", "atac 2"))):
        tracks = {item["track"]: item for item in stanzas((folder / "trackDb.txt").read_text())}
        files = {
            item["shortLabel"].removesuffix(" both"): folder / item["bigDataUrl"]
            for item in tracks.values()
            if item.get("bigDataUrl", "").startswith("both/coverage")
        }
        assert tuple(files) == shown
        assert "assay=atac_2" in tracks[list(tracks)[2]]["subGroups"].split()
        with pybigtools.open(str(files[shown[0]])) as first:
            with pybigtools.open(str(files[shown[1]])) as second:
                assert first.info()["summary"] != second.info()["summary"]
        assert check_hub(folder.parent) == []


def test_an_input_that_has_changed(runs, tmp_path):
    own = copied(runs, tmp_path / "runs")
    changed = tmp_path / "changed.tsv.gz"
    raw = bytearray(runs.fragments.read_bytes())
    raw[-40] ^= 1
    changed.write_bytes(raw)
    edit(own.first, str(runs.fragments), str(changed))
    with pytest.raises(InputError, match="is not the file any more that the run read"):
        hub(own, tmp_path / "hub", folders=(own.first,))
    assert not (tmp_path / "hub").exists()


def test_a_bigwig_input_is_shown_as_it_is(runs, tmp_path):
    """The same file stands for an input: what counts is that the run's record names it."""
    own = copied(runs, tmp_path / "runs")
    signal = own.first / "factors/TF1.bw"
    record = json.loads((own.first / "run.json").read_text())
    record["inputs"]["assay atac"] |= {
        "path": str(signal),
        "bytes": signal.stat().st_size,
        "sha256": hashlib.sha256(signal.read_bytes()).hexdigest(),
    }
    record["assays"]["atac"] = {"format": "bigwig", "mean": 0.5}
    (own.first / "run.json").write_text(json.dumps(record))
    _, folder = hub(own, tmp_path / "hub", folders=(own.first,))
    assert (folder / "first/coverage.atac.bw").read_bytes() == signal.read_bytes()
    assert "0.5 per bp" in (folder / "coverage.html").read_text()


def test_a_model_that_is_gone(runs, tmp_path):
    own = copied(runs, tmp_path / "runs")
    _, folder = hub(own, tmp_path / "hub")
    before = (folder / "trackDb.txt").read_text()
    for run in (own.first, own.second, own.explained):
        edit(run, str(runs.model / "predict.onnx"), str(tmp_path / "gone.onnx"))
    _, folder = hub(own, tmp_path / "again")
    assert (folder / "trackDb.txt").read_text() == before
    for run in (own.first, own.second, own.explained):
        edit(run, '"stride"', '"was"')
    with pytest.raises(SpecError, match=r"run\.json \(model\.spec\).*stride"):
        hub(own, tmp_path / "third")
    _, folder = hub(own, tmp_path / "third", models=(own.model,))
    assert (folder / "trackDb.txt").read_text() == before


@pytest.mark.parametrize("damage", ["cut", "missing", "other"])
def test_a_damaged_file_leaves_no_hub(runs, tmp_path, damage):
    own = copied(runs, tmp_path / "runs")
    path = own.second / "marks/H3.bw"
    if damage == "missing":
        path.unlink()
        error: type[Exception] = InputError
    else:
        raw = path.read_bytes()
        path.write_bytes(raw[: len(raw) // 2] if damage == "cut" else b"x" * len(raw))
        with pytest.raises(InputError, match=r"H3\.bw is not the file that the run made"):
            hub(own, tmp_path / "hub")
        as_made(own.second)
        error = FormatError
    with pytest.raises(error, match="H3.bw"):
        hub(own, tmp_path / "hub")
    assert not (tmp_path / "hub").exists()
    hub(runs, tmp_path / "hub")
    before = sorted((tmp_path / "hub").rglob("*"))
    with pytest.raises(error):
        hub(own, tmp_path / "hub")
    assert sorted((tmp_path / "hub").rglob("*")) == before


def test_a_label_without_calls_has_no_track(runs, tmp_path):
    own = copied(runs, tmp_path / "runs")
    (own.first / "factors/TF1.bed").write_text("")
    as_made(own.first)
    _, folder = hub(own, tmp_path / "hub", folders=(own.first,))
    tracks = [item["track"] for item in stanzas((folder / "trackDb.txt").read_text())]
    assert "calls_TF2" in tracks and "calls_TF1" not in tracks
    assert check_hub(tmp_path / "hub") == []

"""``chromputer hub`` as a command: its options, what it says, and how it fails."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hub_spec_check import check_hub, stanzas
from toy_runs import EMAIL
from typer.testing import CliRunner, Result

from chromputer_tracks.cli.main import app
from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.options.predict import HubOptions
from chromputer_tracks.tracks.hub.run import hub_labels, hub_links, hub_url


def hub(out: Path, *more: str, email: str = EMAIL, assembly: str = "toy") -> Result:
    args = ["hub", "--out", str(out), "--assembly", assembly, "--email", email, *more]
    # The tiny model's assembly is not at UCSC.
    args += ["--any-assembly"] if assembly == "toy" else []
    return CliRunner().invoke(app, args)


def fails(out: Path, *more: str, **given: str) -> str:
    result = hub(out, *more, **given)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert not out.exists()
    message = result.stderr.strip().splitlines()[-1]
    assert message.startswith("error: ")
    return message


def test_a_hub(runs, tmp_path):
    out = tmp_path / "hub"
    result = hub(out, str(runs.first), str(runs.explained), "--url", "https://example.org/h")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert check_hub(out) == []
    said = result.stderr.splitlines()
    assert f"hub of 29 tracks in {out} (" in result.stderr
    assert said[-3] == (
        "put the folder on a web server and check it there with UCSC's hubCheck: hubCheck "
        "https://example.org/h/hub.txt"
    )
    assert said[-2] == (
        "UCSC genome browser: https://genome.ucsc.edu/cgi-bin/hgTracks?db=toy&"
        "hubUrl=https%3A%2F%2Fexample.org%2Fh%2Fhub.txt&position=chr1%3A1-6150"
    )
    (head,) = stanzas((out / "hub.txt").read_text())
    assert head == {
        "hub": "chromputer_toy",
        "shortLabel": "Chromputer tracks",
        "longLabel": "Chromatin tracks predicted by tiny",
        "genomesFile": "genomes.txt",
        "email": EMAIL,
        "descriptionUrl": "hub.html",
    }


def test_all_options(runs, tmp_path):
    out = tmp_path / "hub"
    moved = tmp_path / "moved.tsv.gz"
    shutil.copy(runs.fragments, moved)
    sizes = tmp_path / "toy.chrom.sizes"
    sizes.write_text("".join(f"{name}\t{size}\n" for name, size in runs.toy.sizes.items()))
    result = hub(
        out,
        "--sample", f"wt={runs.first}", "--sample", f"wt={runs.explained}",
        "--sample", f"mutant={runs.second}", "--one-file", "--link",
        "--input", str(moved), "--model", str(runs.model), "--sizes", str(sizes),
        "--position", "chr2:1-100", "--name", "my_hub", "--label", "My hub",
        "--long-label", "A hub of mine", "--scratch", str(tmp_path),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert check_hub(out) == []
    head, genome, *_ = stanzas((out / "hub.txt").read_text())
    assert head == {
        "hub": "my_hub",
        "shortLabel": "My hub",
        "longLabel": "A hub of mine",
        "useOneFile": "on",
        "email": EMAIL,
        "descriptionUrl": "hub.html",
    }
    assert genome == {"genome": "toy"}
    assert (out / "toy/wt/states.bb").is_symlink()
    assert result.stderr.splitlines()[-1].endswith("hubCheck: hubCheck URL/hub.txt")


def test_own_genome(runs, tmp_path):
    out = tmp_path / "hub"
    result = hub(
        out, str(runs.first), "--no-coverage", "--fasta", str(runs.fasta),
        "--organism", "Toy", "--scientific-name", "Ludus ludi", "--description", "A toy",
        assembly="toy_v1.2",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert check_hub(out) == []
    (genome,) = stanzas((out / "genomes.txt").read_text())
    assert genome["twoBitPath"] == "toy_v1.2/toy_v1.2.2bit"
    assert genome["organism"] == "Toy"
    assert not list(out.rglob("coverage*"))


@pytest.mark.parametrize(
    ("more", "given", "message"),
    [
        (["--url", "example.org/h"], {}, "--url 'example.org/h' is not the address of a folder"),
        (["--url", "ftp://x.org/h"], {}, "--url 'ftp://x.org/h' is not the address of a folder"),
        (["--url", "http://[x/h"], {}, "--url 'http://[x/h' is not the address of a folder"),
        (["--url", "http://x.org:y/h"], {}, "--url 'http://x.org:y/h' is not the address of"),
        (["--url", "https://x.org/h#a"], {}, "--url 'https://x.org/h#a' is not the address of"),
        (["--url", "https://x.org/h?"], {}, "--url 'https://x.org/h?' is not the address of"),
        (["--name", "my hub"], {}, "--name 'my hub': use letters, digits, '_' and '-'"),
        (["--short-label", "x" * 20], {}, "--short-label 'xxxxxxxxxxxxxxxxxxxx' must have 1 to 19"),
        (["--long-label", " "], {}, "--long-label ' ' must have 1 to 69 characters"),
        (["--organism", "Toy"], {}, "--organism tells of a genome that the hub brings: add"),
        ([], {"email": "me"}, "--email 'me' is not an address such as me@example.org"),
        ([], {"assembly": "a b"}, "--assembly 'a b': use letters, digits, '.', '_' and '-'"),
        (["--position", "chr7:1-2"], {}, "contig 'chr7' is not in"),
        (["--sizes", "none"], {}, "cannot read none"),
    ],
)
def test_options_that_cannot_be_used(runs, tmp_path, more, given, message):
    assert message in fails(tmp_path / "hub", str(runs.first), *more, **given)


@pytest.mark.parametrize("url", ["https://x.org/h", "https://x.org/h/", "https://x.org/h/hub.txt"])
def test_the_address_of_a_hub(url):
    options = HubOptions(
        folders=(Path("x"),), out=Path("out"), assembly="hg38", email=EMAIL, url=url
    )
    assert hub_url(options) == "https://x.org/h/hub.txt"
    accession = replace(options, assembly="GCF_000146045.2")
    (_, link), _ = hub_links(accession, Interval("chrI", 0, 9))
    assert link == (
        "https://genome.ucsc.edu/cgi-bin/hgTracks?genome=GCF_000146045.2&"
        "hubUrl=https%3A%2F%2Fx.org%2Fh%2Fhub.txt&position=chrI%3A1-9"
    )


def test_labels_of_a_hub():
    samples = (("liver", Path("x")),)
    options = HubOptions(samples=samples, out=Path("out"), assembly="hg38", email=EMAIL)
    assert hub_labels(options, ["m"], ["liver"]) == (
        "Chromputer liver",
        "Chromatin tracks of liver, predicted by m",
    )
    assert hub_labels(options, ["m", "n"], ["liver", "lung"]) == (
        "Chromputer tracks",
        "Chromatin tracks of 2 samples, predicted by m, n",
    )
    short, long = hub_labels(options, ["m" * 70], ["an endless name"])
    assert (len(short), len(long)) == (19, 69)


def test_no_folder(tmp_path):
    assert "no results to show" in fails(tmp_path / "hub")


@pytest.mark.parametrize("given", ["wt", "=x", "wt=", " =x"])
def test_a_sample_that_is_none(tmp_path, given):
    result = hub(tmp_path / "hub", "--sample", given)
    assert result.exit_code == 2
    assert "is not NAME=DIR" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; give a chrom.sizes or .fai file"),
        ("chr1 100\n", "line 1 is not a name and a length with a tab between them"),
        ("chr1\t100\nchr1\t100\n", "line 2: chr1 comes twice"),
        ("chr1\tx\n", "line 1 is not a name and a length"),
    ],
)
def test_sizes_that_are_none(runs, tmp_path, text, message):
    path = tmp_path / "chrom.sizes"
    path.write_text(text)
    assert message in fails(tmp_path / "hub", str(runs.first), "--sizes", str(path))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("R64-1-1", ", where this is sacCer3: give UCSC's name, or bring the genome along with"),
        ("S288C", ", where this is sacCer3"),
        ("GRCh38", ", where this is hg38"),
        ("GRCh38.p14", ", where this is hg38"),
        ("grcm39", ", where this is mm39"),
        ("T2T-CHM13v2.0", ", where this is hs1"),
        ("BDGP6.46", ", where this is dm6"),
        ("saccer3", "; did you mean 'sacCer3'?"),
        ("HG38", "; did you mean 'hg38'?"),
        ("myYeast", " is not a name that UCSC has"),
    ],
)
def test_assemblies_that_ucsc_does_not_have_are_refused(name: str, told: str) -> None:
    given: dict[str, Any] = {"folders": ("x",), "out": Path("o"), "email": EMAIL}
    with pytest.raises(InputError) as caught:
        HubOptions(assembly=name, **given)
    assert f"--assembly {name} is not a name that UCSC has" in str(caught.value)
    assert told in str(caught.value)
    assert "--any-assembly for a browser of your own" in str(caught.value)
    assert HubOptions(assembly=name, fasta=Path("g.fa"), **given).assembly == name
    assert HubOptions(assembly=name, any_assembly=True, **given).assembly == name


@pytest.mark.parametrize(
    "name",
    "hg38 hg19 hs1 mm39 mm10 rn7 dm6 ce11 ci3 sacCer3 danRer11 xenTro10 panTro6 wuhCor1 "
    "mpxvRivers GCF_000146045.2 GCA_009914755.4".split(),
)
def test_names_of_ucsc_are_taken(name: str) -> None:
    made = HubOptions(folders=(Path("x"),), out=Path("o"), email=EMAIL, assembly=name)
    assert made.assembly == name

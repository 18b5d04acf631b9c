"""``chromputer motifs`` on planted motifs: files, page, refusals and the same result each time."""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from planted_motifs import ABF1, RAP1, Genome, Plant, write_explained
from run_records import write_record
from typer.testing import CliRunner

from chromputer_tracks.analysis.known_motifs import JASPAR_TAXA, jaspar_motifs
from chromputer_tracks.analysis.motifs import hits
from chromputer_tracks.analysis.motifs.files import scientific
from chromputer_tracks.cli.main import app
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.contributions import HYPOTHETICAL
from chromputer_tracks.io.meme import read_meme, write_meme

SITES, LENGTH = 120, 300


def explained_folder(folder, motif, seed, sites=SITES, factor=1.0):
    """A motif in every site; every fifth site has a second window, 60 bp further."""
    rng = np.random.default_rng(seed)
    plants, starts = [], []
    for site in range(sites):
        first = 500 * site - 140
        starts += [("chrI", first), ("chrI", first + 60)][: 2 if site % 5 == 0 else 1]
        offset = int(rng.integers(145, 190))
        plants.append(
            Plant(motif, "chrI", first + offset, "+-"[site % 2], rng.uniform(0.6, 1.4), 0.2)
        )
    genome = Genome({"chrI": 500 * sites}, plants, seed=seed, noise=0.05)
    windows = genome.windows(starts, LENGTH)
    windows.hypothetical[:] *= factor
    write_explained(folder, windows)
    return plants


def run(*args):
    return CliRunner().invoke(app, ["motifs", *map(str, args)])


def shown(result):
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def explained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("motifs") / "explained"
    plants = explained_folder(folder / "Rap1", RAP1, 4)
    explained_folder(folder / "few", ABF1, 5, sites=20)
    write_record(folder, "explain", "toy <model>", method="deeplift", references=3)
    return folder, plants


@pytest.fixture(scope="module")
def done(explained):
    folder, _ = explained
    out = folder.parent / "out"
    result = run(folder, "--out", out, "--jaspar", "fungi", "--window", 200)
    assert result.exit_code == 0, result.output
    return out, result


def test_the_motif_is_found_named_and_told(done):
    out, result = done
    text = shown(result)
    assert "Rap1: 144 sites; TF-MoDISco in their 200 bp" in text
    assert "few: no pattern:" in text
    assert "but patterns are only sought in more than 100; explain more sites" in text
    assert "Rap1.pos.1" in text
    assert f"look at {out / 'motifs.html'}" in text.replace("\n", "")
    record = json.loads((out / "run.json").read_text())
    first = record["labels"]["Rap1"]["patterns"][0]
    assert first["looks_like"].startswith("RAP1 (MA0359")
    assert first["q"] < 0.01
    assert record["labels"]["few"]["patterns"] == []
    assert record["explained"]["method"] == "deeplift"
    assert record["motif_database"].endswith("CORE fungi")
    assert set(record["inputs"]) == {
        f"{label}/{name}" for label in ("Rap1", "few") for name in ("sequences.npz", HYPOTHETICAL)
    }
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert files == {*record["outputs"], "run.json"}
    assert {"patterns.meme", "Rap1/modisco.h5", "Rap1/hits.bed", "few/hits.bed"} <= files


def test_hits_are_the_planted_places_once(explained, done):
    _, plants = explained
    out, _ = done
    beds = read_bed(out / "Rap1/hits.bed", require_sorted=True)
    found = {(hit.chrom, hit.start, hit.end) for hit in beds}
    assert len(found) == len(beds)
    truth = {(plant.chrom, plant.start, plant.end) for plant in plants}
    assert len(truth & found) >= 0.95 * len(truth)
    assert len(found - truth) <= 2
    # A pattern may be of the motif (G first) or of its reverse complement.
    turned = {
        item.name: item.matrix[:, 0].argmax() != 2 for item in read_meme(out / "patterns.meme")
    }
    strands = {(plant.start, plant.end): plant.strand for plant in plants}
    for hit, strand in zip(beds, beds.strands, strict=True):
        if (hit.start, hit.end) in strands:
            forward = (strand == "+") != turned[hit.name]
            assert strands[hit.start, hit.end] == ("+" if forward else "-")
    assert (out / "few/hits.bed").read_text() == ""


class Links(HTMLParser):
    """Collects what a page refers to."""

    def __init__(self):
        super().__init__()
        self.loaded, self.targets, self.ids, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.loaded += [(tag, values[key]) for key in ("src", "data", "poster") if key in values]
        if tag == "link":
            self.loaded.append((tag, values["href"]))
        elif "href" in values:
            self.targets.append((tag, values["href"]))
        if "id" in values:
            self.ids.append(values["id"])

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_holds_all_it_shows(done):
    out, _ = done
    page = (out / "motifs.html").read_text()
    links = Links()
    links.feed(page)
    assert links.loaded == [("link", "data:,")]
    assert "<script" not in page
    assert "url(http" not in page
    assert len(set(links.ids)) == len(links.ids)
    for tag, target in links.targets:
        if target.startswith("#"):
            assert target[1:] in links.ids
        else:
            assert (tag, target.split("/")[2]) == ("a", "jaspar.elixir.no")
    text = " ".join(" ".join(links.text).split())
    assert "toy <model>" in text
    assert "toy <model>" not in page
    assert "No pattern was found" not in text
    assert "RAP1 MA0359" in text
    assert "no pattern:" in text.lower()


def test_the_same_again_gives_the_same_files(explained, done, tmp_path):
    folder, _ = explained
    out, _ = done
    again = tmp_path / "again"
    assert run(folder, "--out", again, "--jaspar", "fungi", "--window", 200).exit_code == 0
    for name in json.loads((out / "run.json").read_text())["outputs"]:
        first, second = ((folder / name).read_bytes() for folder in (out, again))
        if name == "motifs.html":
            # Ids of figures differ between the first in a process and all others.
            first, second = (re.sub(rb"f[0-9a-f]{10}-", b"", page) for page in (first, second))
        assert first == second, name


def test_motifs_of_a_file_and_stale_files_of_an_earlier_run(explained, done, tmp_path):
    folder, _ = explained
    known = [item for item in jaspar_motifs("fungi").motifs if item.alternate in ("REB1", "CBF1")]
    write_meme(tmp_path / "two.meme", known)
    out = tmp_path / "out"
    shutil.copytree(done[0], out)
    (out / "mine.txt").write_text("kept")
    result = run(
        folder, "--out", out, "--label", "few", "--motifs", tmp_path / "two.meme", "--window", 200
    )
    assert result.exit_code == 0, result.output
    text = shown(result)
    assert "has 2 motifs: with fewer than 25, Tomtom's p-values depend strongly" in text
    assert "no pattern was found" in text
    assert "No pattern was found" in (out / "motifs.html").read_text()
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert files == {
        "few/hits.bed", "few/hits.tsv", "few/modisco.h5", "few/seqlets.bed", "matches.tsv",
        "matrices.tsv", "mine.txt", "motifs.html", "patterns.tsv", "run.json",
    }  # fmt: skip


def test_without_known_motifs_nothing_is_matched(explained, tmp_path):
    folder, _ = explained
    out = tmp_path / "out"
    result = run(folder, "--out", out, "--label", "few", "--window", 200)
    assert result.exit_code == 0
    assert "neither --motifs nor --jaspar" in shown(result)
    assert not (out / "matches.tsv").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--label", "Abf1"], r"--label Abf1: \S+explained holds no such label; it has Rap1, few"),
        (["--window", "301"], r"--window 301: Rap1 was explained in windows of 300 bp; give 60 to"),
        (["--motifs", "m.meme", "--jaspar", "fungi"], "give either --motifs or --jaspar, not both"),
        (["--motifs", "none.meme"], r"cannot read none\.meme"),
    ],
)
def test_what_cannot_be_done_is_said(explained, tmp_path, args, message):
    folder, _ = explained
    result = run(folder, "--out", tmp_path / "out", *args)
    assert result.exit_code == 1
    assert re.search(message, shown(result))
    assert not (tmp_path / "out").exists()


def test_a_file_of_no_motif_is_said(explained, tmp_path):
    folder, _ = explained
    (tmp_path / "m.meme").write_text("MEME version 4\n\nALPHABET= ACGT\n")
    result = run(folder, "--out", tmp_path / "out", "--motifs", tmp_path / "m.meme")
    assert result.exit_code == 1
    assert "holds no motif" in shown(result)


@pytest.mark.parametrize("kind", ["missing", "file", "other folder", "its own", "half"])
def test_folders_of_another_kind_are_refused(explained, tmp_path, kind):
    folder, _ = explained
    given, out = tmp_path / "given", tmp_path / "out"
    message = {
        "missing": "is no folder: name the one that `chromputer explain` wrote",
        "file": "is no folder: name the one that `chromputer explain` wrote",
        "other folder": "holds no explained label",
        "its own": "which `chromputer motifs` would replace: name another folder",
        "half": "hypothetical.npz is missing",
    }[kind]
    if kind == "file":
        given.write_text("")
    elif kind == "other folder":
        (given / "Rap1").mkdir(parents=True)
    elif kind in ("its own", "half"):
        shutil.copytree(folder, given)
        if kind == "half":
            (given / "few" / HYPOTHETICAL).unlink()
        else:
            out = given
    before = sorted(given.rglob("*"))
    result = run(given, "--out", out, "--label", "few", *(["--window", "200"]))
    assert result.exit_code == 1
    assert message in shown(result)
    assert sorted(given.rglob("*")) == before
    assert out == given or not out.exists()


def test_contributions_of_zero_are_refused(tmp_path):
    explained_folder(tmp_path / "given/none", RAP1, 1, sites=3, factor=0.0)
    result = run(tmp_path / "given", "--out", tmp_path / "out", "--window", 200)
    assert result.exit_code == 1
    assert "no motif can be found in the contributions to none" in shown(result)
    assert not (tmp_path / "out").exists()


def test_values_out_of_range_are_wrong_usage(tmp_path):
    for args in (["--q", "2"], ["--max-seqlets", "100"], ["--jaspar", "yeast"], ["--window", "0"]):
        assert run(tmp_path, "--out", tmp_path / "out", *args).exit_code == 2


def test_the_taxa_of_the_option_are_those_there_are():
    help_text = shown(run("--help"))
    assert f"<{'|'.join(JASPAR_TAXA)}>" in help_text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0342, "0.034"), (5.24e-8, "5.2×10⁻⁸"), (9.99e-4, "1.0×10⁻³"), (1e-3, "0.001"), (0.0, "0")],
)
def test_small_numbers_are_written_with_powers(value, text):
    assert scientific(value) == text


def test_weak_patterns_are_told_and_have_no_name(explained, tmp_path, monkeypatch):
    # As many seqlets as there are do not suffice: the same motif as above, without its name.
    monkeypatch.setattr(hits, "FEWEST_NAMED", 1000)
    out = tmp_path / "out"
    result = run(
        explained[0], "--out", out, "--label", "Rap1", "--jaspar", "fungi", "--window", 200
    )
    assert result.exit_code == 0, result.output
    record = json.loads((out / "run.json").read_text())
    for told in record["labels"]["Rap1"]["patterns"]:
        reason = f"{told['seqlets']} seqlets, too few to name"
        assert (told["weak"], told["looks_like"]) == (reason, None)
        assert f"{told['name']} is weak: {reason}" in shown(result)
    assert "RAP1" not in result.output
    assert "RAP1" in (out / "matches.tsv").read_text()

"""A simulated genome on disk: read by our readers and others, atomic, repeatable; the command."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pybedtools
import pysam
import pytest
from typer.testing import CliRunner

from chromputer_tracks.cli.main import app
from chromputer_tracks.errors import InputError, OutputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.fragments import FragmentOptions
from chromputer_tracks.io.record import RunRecord, Silent
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.sources import open_sources
from chromputer_tracks.options.train import SimulateOptions
from chromputer_tracks.simulation import files
from chromputer_tracks.simulation.files import (
    CONFIG,
    TRUTH,
    SimulateRecord,
    simulate,
    splits,
    write_simulation,
)
from chromputer_tracks.simulation.genome import (
    GenomePlan,
    draw_fragments,
    draw_sites,
    equal_contigs,
    first_cell,
    second_cell,
    state_steps,
)
from chromputer_tracks.simulation.motifs import motifs_of
from chromputer_tracks.simulation.optimum import LABEL_BIN, WINDOW, bin_posteriors

PLAN = GenomePlan(equal_contigs(360_000, 3), 5, (first_cell(20.0), second_cell(10.0)), seed=7)


class Quiet(Silent):
    """Checks that progress makes sense."""

    def progress(self, stage: str, done: int, total: int | None, unit: str) -> None:
        assert total is not None
        assert 0 < done <= total
        assert unit == ("depths" if stage.startswith("best") else "bp")


class Interrupted(Silent):
    """Stops a run at its fragments."""

    def progress(self, stage: str, done: int, total: int | None, unit: str) -> None:
        if stage.startswith("fragments"):
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("simulation")
    write_simulation(PLAN, out, Quiet(), optimum=False)
    return out


def small(out: Path, **more) -> SimulateOptions:
    """A genome that is made at once."""
    given = {"size": 90_000, "contigs": 3, "states": 4, "depth": 5.0, "optimum": False}
    return SimulateOptions(out=out, **(given | more))


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_genome_opens_with_our_reader_and_with_pysam(folder):
    with (
        Fasta(folder / "genome.fa.gz") as genome,
        pysam.FastaFile(str(folder / "genome.fa.gz")) as other,
    ):
        assert dict(genome.sizes) == PLAN.sizes
        assert list(zip(other.references, other.lengths, strict=True)) == list(PLAN.sizes.items())
        for name, size in PLAN.sizes.items():
            bases = genome.fetch(Interval(name, 0, size)).tobytes().decode()
            assert bases == other.fetch(name)
            assert set(bases) == set("ACGT")


def test_the_fragments_open_with_our_store_and_with_pysam(folder):
    truth = json.loads((folder / TRUTH).read_text())
    with Fasta(folder / "genome.fa.gz") as genome:
        sizes = genome.sizes
    for cell in PLAN.cells:
        path = folder / f"{cell.name}.fragments.tsv.gz"
        keep = FragmentOptions(drop_duplicates=False)
        with FragmentStore.build(path, sizes, keep) as store, pysam.TabixFile(str(path)) as tabix:
            assert store.total == truth["fragments"][cell.name]
            for name in PLAN.sizes:
                drawn = draw_fragments(PLAN, name, draw_sites(PLAN, name), cell)
                rows = [line.split("\t") for line in tabix.fetch(name)]
                assert [int(row[1]) for row in rows] == drawn.starts.tolist()
                assert [int(row[2]) for row in rows] == drawn.ends.tolist()
                assert {tuple(row[3:]) for row in rows} == {("bulk", "1")}
                middles, _ = store.midpoints(Interval(name, 0, sizes[name]))
                expected = drawn.starts + (drawn.ends - drawn.starts) // 2
                np.testing.assert_array_equal(middles, np.sort(expected))


def test_states_cover_every_base_once_and_are_those_of_the_sites(folder):
    lines = (folder / "states.tsv").read_text().splitlines()
    assert lines[:2] == ["state\tname\tcolor", "S1\tQuiescent\t225,225,225"]
    assert len(lines) == 1 + PLAN.states
    for number, cell in enumerate(PLAN.cells):
        ends = defaultdict(int)
        segments = defaultdict(list)
        for record in read_bed(folder / f"{cell.name}.states.bed", require_sorted=True):
            assert record.start == ends[record.chrom]
            ends[record.chrom] = record.end
            segments[record.chrom].append(record)
        assert dict(ends) == PLAN.sizes
        for name in PLAN.sizes:
            steps = state_steps(PLAN, name, draw_sites(PLAN, name), number)
            for one in segments[name]:
                assert set(steps[one.start // 10 : one.end // 10]) == {int(one.name[1:]) - 1}
            joined = zip(segments[name], segments[name][1:], strict=False)
            assert all(a.name != b.name for a, b in joined)


def test_bound_factors_lie_in_their_state_on_their_motif(folder):
    """With bedtools: every peak is in a segment of its class, and carries its consensus."""
    with pysam.FastaFile(str(folder / "genome.fa.gz")) as genome:
        for cell in PLAN.cells:
            states = pybedtools.BedTool(str(folder / f"{cell.name}.states.bed"))
            for motif in motifs_of(PLAN):
                path = folder / f"{cell.name}.peaks" / f"{motif.name}.bed"
                peaks = pybedtools.BedTool(str(path))
                assert len(peaks) > 5
                inside = peaks.intersect(states, wa=True, wb=True)
                assert {item.fields[9] for item in inside} == {f"S{motif.kind + 1}"}
                assert len(inside) == len(peaks)
                fits = []
                for peak in peaks:
                    first = peak.start - motif.width // 2
                    word = genome.fetch(peak.chrom, first, first + motif.width)
                    if peak.strand == "-":
                        word = word[::-1].translate(str.maketrans("ACGT", "TGCA"))
                    pairs = zip(word, motif.consensus, strict=True)
                    fits += [a == b for a, b in pairs if b in "ACGT"]
                assert np.mean(fits) > 0.8


def test_start_sites_are_the_promoters(folder):
    rows = read_bed(folder / "tss.bed")
    expected = []
    for name in PLAN.sizes:
        sites = draw_sites(PLAN, name)
        for at in np.flatnonzero(sites.classes == 1):
            expected.append((name, int(sites.centres[at]), "-" if sites.reverse[at] else "+"))
    assert list(zip(rows.chroms, rows.start, rows.strands, strict=True)) == expected


def test_truth_tells_the_parameters(folder):
    truth = json.loads((folder / TRUTH).read_text())
    assert truth["plan"]["seed"] == 7
    assert [cell["name"] for cell in truth["plan"]["cells"]] == ["A", "B"]
    assert truth["fragments_per_kb"]["A"] == pytest.approx(20, rel=0.1)
    assert truth["splits"] == {"train": ["chr1"], "validation": ["chr2"], "test": ["chr3"]}
    assert set(truth["files"]) == set(content(folder))
    assert "best_accuracy" not in truth


def test_one_seed_gives_one_genome_and_an_earlier_one_is_replaced(folder, tmp_path):
    again = tmp_path / "again"
    simulate(small(again, states=6, seed=8), Quiet())
    assert "A.peaks/Repr.bed" in content(again)
    assert content(again)["genome.fa.gz"] != content(folder)["genome.fa.gz"]
    like_plan = SimulateOptions(
        out=again, size=360_000, contigs=3, states=5, depth=20.0, second_depth=10.0, seed=7,
        optimum=False,
    )  # fmt: skip
    made = simulate(like_plan, Quiet())
    assert made.plan == PLAN
    found = content(again)
    del found["run.json"]
    assert found == content(folder)
    record = RunRecord.read(again)
    assert set(record.outputs) == set(made.truth["files"])
    assert (record.options["seed"], record.options["depth"]) == (7, 20.0)
    assert record.results_as(SimulateRecord, again).fragments == made.truth["fragments"]


def test_the_best_accuracy_by_depth(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "CURVE", (5.0, 100.0))
    plan = GenomePlan(equal_contigs(180_000, 3), 4, (first_cell(20.0),))
    truth = write_simulation(plan, tmp_path, Quiet())
    assert json.dumps(truth, indent=2) + "\n" == (tmp_path / TRUTH).read_text()
    best = truth["best_accuracy"]
    assert best["contigs"] == ["chr3"]
    assert best["A"]["here"]["window"]["bins"] > 200
    low, high = best["A"]["by_depth"]
    assert (low["depth"], high["depth"]) == (5.0, 100.0)
    assert low["fragments"]["value"] < high["fragments"]["value"]
    # A genome too long for the exact posterior has a sample contig of the same kind judged.
    monkeypatch.setattr(files, "_OPTIMUM_BASES", 50_000)
    monkeypatch.setattr(files, "_SAMPLE", 100_000)
    truth = write_simulation(plan, tmp_path, Quiet())
    assert truth["best_accuracy"]["contigs"] == ["optimum"]
    assert truth["best_accuracy"]["A"]["here"]["both"]["bins"] == 500


def test_splits():
    names = [f"chr{n}" for n in range(1, 9)]
    assert splits(names) == {"train": names[:5], "validation": ["chr6"], "test": ["chr7", "chr8"]}
    with pytest.raises(InputError, match="2 contigs cannot be split"):
        splits(names[:2])


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    mine = tmp_path / "notes.txt"
    mine.write_text("mine")
    with pytest.raises(OutputError, match=r"not of an earlier run .* pass --force"):
        simulate(small(tmp_path))
    assert content(tmp_path) == {"notes.txt": b"mine"}
    simulate(small(tmp_path, force=True))
    simulate(small(tmp_path))
    assert mine.read_text() == "mine" and (tmp_path / CONFIG).is_file()
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(OutputError, match="not the record of an earlier run"):
        simulate(small(tmp_path))
    (tmp_path / "no").touch()
    with pytest.raises(OutputError, match="no is a file; name a folder"):
        simulate(small(tmp_path / "no" / "sim"))
    (tmp_path / "no").unlink()
    with pytest.raises(OutputError, match="it is a file"):
        simulate(small(mine))


def test_a_run_that_fails_leaves_nothing(tmp_path):
    out = tmp_path / "sim"
    with pytest.raises(KeyboardInterrupt):
        simulate(small(out), Interrupted())
    assert list(tmp_path.iterdir()) == []
    simulate(small(out))
    before = content(out)
    with pytest.raises(KeyboardInterrupt):
        simulate(small(out, seed=9), Interrupted())
    assert content(out) == before


def test_the_configuration_opens_for_training(folder):
    config = load_config(folder / CONFIG)
    assert config.network.window == WINDOW and config.label_bin == LABEL_BIN
    with open_sources(config) as sources:
        assert [sample.name for sample in sources.samples] == ["A", "B"]
        assert sources.number("states") == PLAN.states
        assert sources.number("binary") == len(motifs_of(PLAN))
        found = bin_posteriors(PLAN, PLAN.cells[1], "chr3")
        labels = sources.samples[1].scored.at("chr3", found.centres)
        np.testing.assert_array_equal(labels.states, found.truth)
        # The contig is whole bins: one bound site is one positive bin.
        peaks = [sum(r.chrom == "chr3" for r in read_bed(path)) for path in peak_files(config)]
        assert [(row == 1).sum() for row in labels.binary] == peaks


def peak_files(config) -> list[Path]:
    return [paths[0] for paths in config.samples[1].peaks.values()]


# ---- ``chromputer simulate`` from the command line.


runner = CliRunner()


def test_simulate_writes_a_genome_and_says_so(tmp_path):
    out = tmp_path / "sim"
    command = ["simulate", "-o", str(out), "--size", "60000", "--contigs", "3", "--depth", "4"]
    done = runner.invoke(app, [*command, "--states", "4", "--second-cell-type", "--no-optimum"])
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert "chromputer train" in done.stderr and "config.toml" in done.stderr
    truth = json.loads((out / "truth.json").read_text())
    assert truth["plan"]["sizes"] == {"chr1": 20_000, "chr2": 20_000, "chr3": 20_000}
    assert [cell["depth"] for cell in truth["plan"]["cells"]] == [4.0, 2.0]
    assert {path.name for path in out.iterdir()} >= {
        "genome.fa.gz",
        "genome.fa.gz.fai",
        "genome.fa.gz.gzi",
        "A.fragments.tsv.gz",
        "A.fragments.tsv.gz.tbi",
        "B.fragments.tsv.gz",
        "B.states.bed",
        "states.tsv",
        "tss.bed",
        "config.toml",
    }


def test_simulate_shows_the_best_accuracy_by_depth(tmp_path):
    out = tmp_path / "sim"
    command = ["simulate", "-o", str(out), "--size", "60000", "--contigs", "3", "--states", "4"]
    done = runner.invoke(app, [*command, "--second-depth", "40"])
    assert done.exit_code == 0, done.output
    assert "best possible accuracy of the states" in done.stderr
    truth = json.loads((out / "truth.json").read_text())
    assert [cell["depth"] for cell in truth["plan"]["cells"]] == [25.0, 40.0]
    for cell in "AB":
        for row in truth["best_accuracy"][cell]["by_depth"]:
            assert f"{row['both']['value']:.3f}" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--contigs", "2"], 2, "Invalid value"),
        (["--states", "3"], 2, "Invalid value"),
        (["--depth", "0"], 1, "error: cell type 'A': depth 0 must be between 0.5 and 100,000"),
        (["--size", "3000", "--contigs", "3"], 1, "error: contig chr1 of 1,000 bp: give 2,000 to"),
    ],
)
def test_simulate_refuses(tmp_path, options, code, says):
    done = runner.invoke(app, ["simulate", "-o", str(tmp_path / "sim"), *options])
    assert done.exit_code == code
    assert says in " ".join(done.stderr.split())
    assert list(tmp_path.iterdir()) == []

"""``chromputer init``: which files are found, which splits are proposed, and that it trains."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from notes import Notes
from toy_training import Toy, make_toy, train
from typer.testing import CliRunner, Result

from chromputer_tracks.analysis.init.files import by_label
from chromputer_tracks.analysis.init.run import init_config
from chromputer_tracks.analysis.init.splits import main_contigs, propose_splits
from chromputer_tracks.cli.main import app
from chromputer_tracks.errors import ContigError, InputError, OutputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.options.train import InitOptions


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """Files as a lab has them: no configuration, no index."""
    made = make_toy(tmp_path)
    for name in ("toy.toml", "toy.fa.fai"):
        (tmp_path / name).unlink()
    return made


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["init", *map(str, words)], env={"COLUMNS": "200"})


def refused(*words: str | Path) -> str:
    result = run(*words)
    assert result.exit_code == 1, result.output
    return result.stderr.removeprefix("error: ").strip()


def test_a_folder_makes_a_configuration_that_trains(toy: Toy) -> None:
    out = toy.folder / "mine.toml"
    done = run(toy.folder, "--out", out)
    assert done.exit_code == 0, done.output
    raw = tomllib.loads(out.read_text())
    assert raw["data"] == {
        "fasta": "toy.fa",
        "fragments": "toy.fragments.tsv",
        "blacklist": "blacklist.bed",
    }
    # 36, 12 and 12.1 kb: the two small ones are scored and chosen by.
    assert raw["splits"]["train"] == ["chr1"]
    assert sorted(raw["splits"]["validation"] + raw["splits"]["test"]) == ["chr2", "chr3"]
    assert raw["states"] == {"bed": "states.bed", "table": "states.tsv"}
    assert [item["name"] for item in raw["binary"]] == ["Even", "Few", "Odd", "TF"]
    assert '# bigwig = "pol2.bw"' in out.read_text()
    assert "has no index toy.fa.fai: made beside it" in done.stderr
    assert "warning: Few has 5 peaks on the train contigs: few to learn from" in done.stderr
    assert f"chromputer train {out} --out models/mine" in done.stderr
    config = load_config(out)
    small = replace(
        config,
        network=replace(config.network, window=600, motif_filters=8, hidden=8, dilations=(1,)),
        fit=replace(config.fit, epochs=1, precision="32-true", accelerator="cpu", threads=1),
    )
    trained = train(small, toy.folder / "model", write=False)
    assert trained.spec.splits["train"] == ("chr1",)
    assert {label.name for head in trained.spec.heads for label in head.labels} == {
        "open", "closed", "Even", "Few", "Odd", "TF"
    }  # fmt: skip


def test_peaks_are_counted_by_split(toy: Toy) -> None:
    result = init_config(InitOptions(folder=toy.folder, out=toy.folder / "a.toml"), Notes())
    uses = {name: use for use, names in result.splits.uses().items() for name in names}
    truth = {use: 0 for use in ("train", "validation", "test")}
    for chrom, places in toy.planted.items():
        truth[uses[chrom]] += len(places)
    assert result.peaks["TF"] == truth
    assert sum(result.shares.values()) == pytest.approx(1)
    assert result.shares["train"] == pytest.approx(36_000 / 60_100)


def test_what_is_named_wins_and_is_judged(toy: Toy) -> None:
    other = toy.folder / "other"
    other.mkdir()
    for number in (1, 2):
        lines = (f"chr{n}\t1{number}\t60\tp\t5\t.\t3\t2\t1\t20\n" for n in (1, 2, 3))
        (other / f"Mine_rep{number}.narrowPeak").write_text("".join(lines))
    out = toy.folder / "b.toml"
    more = ("--peaks", other, "--signal", toy.folder / "pol2.bw", "--name", "lab", "--test", "chr2")
    assert run(toy.folder, "-o", out, *more).exit_code == 0
    config = load_config(out)
    assert config.name == "lab"
    (label,) = config.binary
    assert (label.name, label.agreement, len(label.peaks)) == ("Mine", "intersection", 2)
    assert [item.name for item in config.continuous] == ["pol2"]
    assert config.splits.test == ("chr2",)
    bad = toy.folder / "bad.bed"
    bad.write_text("chr9\t1\t2\n")
    assert "bad.bed: 'chr9' not in" in refused(toy.folder, "-o", out, "--force", "--peaks", bad)


def test_a_found_file_that_does_not_fit_is_left_out(toy: Toy) -> None:
    (toy.folder / "peaks" / "Human.bed").write_text("chr19\t1\t2\n")
    done = run(toy.folder, "--out", toy.folder / "c.toml")
    assert done.exit_code == 0
    assert "note: left out: " in done.stderr and "Human.bed: 'chr19' not in" in done.stderr
    assert "Human" not in {item.name for item in load_config(toy.folder / "c.toml").binary}


def test_labels_can_be_chosen(toy: Toy) -> None:
    out = toy.folder / "d.toml"
    assert run(toy.folder, "-o", out, "--label", "TF", "--label", "Odd").exit_code == 0
    assert [item.name for item in load_config(out).binary] == ["TF", "Odd"]
    message = refused(toy.folder, "-o", out, "--force", "--label", "Tf")
    assert "--label Tf: no peak file has this name; there are Even, Few, Odd, TF" in message
    assert message.endswith("did you mean 'TF'?")


def test_a_table_of_states_is_written_where_there_is_none(toy: Toy) -> None:
    (toy.folder / "states.tsv").unlink()
    lines = (
        f"chr{n}\t0\t200\tS10\t0\t.\t0\t200\t1,2,3\nchr{n}\t200\t400\tS2\t0\t.\t200\t400\t0\n"
        for n in (1, 2, 3)
    )
    (toy.folder / "states.bed").write_text("".join(lines))
    out = toy.folder / "e.toml"
    assert run(toy.folder, "-o", out).exit_code == 0
    table = toy.folder / "e.states.tsv"
    assert load_config(out).states.table == table
    lines = table.read_text().splitlines()
    assert lines[0] == "state\tname\tcolor"
    assert lines[1].startswith("S2\tS2\t") and lines[2] == "S10\tS10\t1,2,3"


def test_a_configuration_is_not_written_over(toy: Toy) -> None:
    out = toy.folder / "f.toml"
    out.write_text("mine")
    assert "is there already: name another file with --out, or pass --force" in refused(
        toy.folder, "-o", out
    )
    assert out.read_text() == "mine"
    with pytest.raises(OutputError):
        init_config(InitOptions(folder=toy.folder, out=out))
    assert run(toy.folder, "-o", out, "--force").exit_code == 0
    assert run(toy.folder, "-o", toy.folder / "x.txt").exit_code == 2


def test_contigs_without_a_label_are_in_no_split(toy: Toy) -> None:
    (toy.folder / "toy.fa").write_text(
        (toy.folder / "toy.fa").read_text() + f">chr4\n{'ACGT' * 3000}\n>chr5\n{'ACGT' * 3000}\n"
    )
    with (toy.folder / "states.bed").open("a") as file:
        file.write("chr4\t0\t200\topen\n")
    out = toy.folder / "j.toml"
    done = run(toy.folder, "-o", out)
    assert done.exit_code == 0, done.output
    splits = load_config(out).splits
    assert {*splits.train, *splits.validation, *splits.test} == {"chr1", "chr2", "chr3"}
    assert "warning: chr5: no state there, so in no split" in done.stderr
    assert "warning: chr4, chr5: no peak of any label there, so in no split" in done.stderr
    assert "# in none: chr4, chr5" in out.read_text()


def test_each_state_has_a_colour_of_its_own(toy: Toy) -> None:
    (toy.folder / "states.tsv").unlink()
    (toy.folder / "states.bed").write_text(
        "".join(f"chr{n}\t{k * 200}\t{k * 200 + 200}\tS{k}\n" for n in (1, 2, 3) for k in range(18))
    )
    assert run(toy.folder, "-o", toy.folder / "k.toml").exit_code == 0
    rows = [line.split("\t") for line in (toy.folder / "k.states.tsv").read_text().splitlines()]
    assert [row[0] for row in rows[1:]] == [f"S{k}" for k in range(18)]
    assert len({row[2] for row in rows[1:]}) == 18


def test_what_is_missing_or_not_clear(toy: Toy, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    out = ("-o", tmp_path / "g.toml")
    assert "no genome in" in refused(tmp_path / "empty", *out)
    assert "name the FASTA with --fasta" in refused(*out)
    assert "there is nothing to learn" in refused("--fasta", toy.folder / "toy.fa", *out)
    assert "is no folder" in refused(tmp_path / "gone", *out)
    swapped = ("--fasta", toy.folder / "toy.fragments.tsv", "--fragments", toy.folder / "toy.fa")
    assert "--fasta and --fragments are swapped" in refused(*swapped, *out)
    (toy.folder / "more.fragments.tsv").write_text("chr1\t5\t90\n")
    message = refused(toy.folder, *out)
    assert message.startswith("more than one file of fragments: ")
    assert message.endswith("name the one that is meant with --fragments")
    one = ("--fragments", toy.folder / "toy.fragments.tsv")
    assert "chr7" in refused(toy.folder, *one, *out, "--test", "chr7")
    both = ("--test", "chr2", "--validation", "chr2")
    assert "chr2 is named with --validation and with --test" in refused(
        toy.folder, *one, *out, *both
    )
    assert not (tmp_path / "g.toml").exists()


def test_without_fragments_it_reads_dna_and_says_so(toy: Toy) -> None:
    (toy.folder / "toy.fragments.tsv").unlink()
    done = run(toy.folder, "-o", toy.folder / "h.toml")
    assert "warning: no fragments were found: the model reads DNA alone" in done.stderr
    assert load_config(toy.folder / "h.toml").inputs.vplots == ()


def test_it_needs_no_pytorch(toy: Toy) -> None:
    out = toy.folder / "i.toml"
    code = (
        "import sys\n"
        "for name in ('torch', 'lightning', 'onnx'): sys.modules[name] = None\n"
        "from chromputer_tracks.analysis.init.run import init_config\n"
        "from chromputer_tracks.options.train import InitOptions\n"
        f"found = init_config(InitOptions(folder={str(toy.folder)!r}, out={str(out)!r}))\n"
        "print(found.commands[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert out.is_file() and torch.__version__


# ---- Replicates.


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["Reb1.bed", "Abf1.bed"], {"Reb1": 1, "Abf1": 1}),
        (["CTCF_rep1.narrowPeak", "CTCF_rep2.narrowPeak.gz"], {"CTCF": 2}),
        (["CTCF.1.bed", "CTCF.2.bed", "CTCF.3.bed"], {"CTCF": 3}),
        (["CTCF-R1_peaks.narrowPeak", "CTCF-R2_peaks.narrowPeak"], {"CTCF": 2}),
        (["H3K4me3_peaks.broadPeak", "H3K27ac_peaks.broadPeak"], {"H3K4me3": 1, "H3K27ac": 1}),
        (["A rep 1.bed", "x_rep1.bed"], {"A_rep_1": 1, "x_rep1": 1}),
        (["p53_1.bed"], {"p53_1": 1}),
    ],
)
def test_labels_and_replicates_by_name(names: list[str], labels: dict[str, int]) -> None:
    found = by_label([Path(name) for name in names])
    assert {label: len(paths) for label, paths in found.items()} == labels


# ---- Splits.

YEAST = {
    "chrI": 230218, "chrII": 813184, "chrIII": 316620, "chrIV": 1531933, "chrV": 576874,
    "chrVI": 270161, "chrVII": 1090940, "chrVIII": 562643, "chrIX": 439888, "chrX": 745751,
    "chrXI": 666816, "chrXII": 1078177, "chrXIII": 924431, "chrXIV": 784333, "chrXV": 1091291,
    "chrXVI": 948066, "chrM": 85779,
}  # fmt: skip


def test_organelles_and_scaffolds_are_no_chromosomes() -> None:
    assert main_contigs(ChromSizes(YEAST)) == list(YEAST)[:-1]
    sizes = ChromSizes({"1": 1000, "2": 900, "X": 300, "MT": 16, "Pt": 800, "scaffold_9": 40})
    assert main_contigs(sizes) == ["1", "2", "X"]


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(100, 1000), min_size=3, max_size=7),
    peaks=st.lists(st.integers(0, 50), min_size=7, max_size=7),
)
def test_splits_are_the_nearest_to_what_is_wanted(lengths: list[int], peaks: list[int]) -> None:
    sizes = ChromSizes({f"c{n}": length for n, length in enumerate(lengths)})
    counts = {"TF": {name: peaks[n] for n, name in enumerate(sizes)}}
    splits = propose_splits(sizes, counts)
    assert sorted([*splits.train, *splits.validation, *splits.test]) == sorted(sizes)
    assert all(splits.uses().values())

    def off(names: tuple[str, ...], wanted: float) -> float:
        shares = [sum(sizes[name] for name in names) / sizes.total]
        if total := sum(counts["TF"].values()):
            shares.append(sum(counts["TF"][name] for name in names) / total)
        return float(np.mean([(share - wanted) ** 2 for share in shares]))

    most = min(3, len(sizes) - 2)
    best = min(
        off(group, 0.2)
        for number in range(1, most + 1)
        for group in itertools.combinations(sizes, number)
    )
    assert off(splits.test, 0.2) == pytest.approx(best)


def test_splits_that_were_named() -> None:
    sizes = ChromSizes(YEAST)
    splits = propose_splits(sizes, {}, ["chrII"], ["chrVII", "chrXIII"])
    assert (splits.validation, splits.test) == (("chrII",), ("chrVII", "chrXIII"))
    assert len(splits.train) == 13 and splits.left == ("chrM",)
    with pytest.raises(InputError, match="chrII is named with --validation and with --test"):
        propose_splits(sizes, {}, ["chrII"], ["chrII"])
    with pytest.raises(ContigError, match="--test: contig 'chr7' .* calls it 'chrVII'"):
        propose_splits(sizes, {}, [], ["chr7"])
    with pytest.raises(InputError, match="has 1 contig of some size, but training needs three"):
        propose_splits(ChromSizes({"a": 5}), {})


def test_the_shipped_configuration_is_printed() -> None:
    done = CliRunner().invoke(app, ["models", "--config", "yeast-atac"])
    assert done.exit_code == 0
    assert tomllib.loads(done.stdout)["name"] == "yeast-atac"
    done = CliRunner().invoke(app, ["models", "--config", "yeast"])
    assert done.exit_code == 1 and "there is yeast-atac" in done.stderr

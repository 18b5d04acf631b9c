"""``chromputer simulate`` from the command line."""

import json

import pytest
from typer.testing import CliRunner

from chromputer_tracks.cli.main import app

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

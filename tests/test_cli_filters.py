"""``chromputer filters`` from the command line, with the shipped model on the example data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from filters_toy import rows
from typer.testing import CliRunner, Result

from chromputer_tracks.cli.demo import example_folder
from chromputer_tracks.cli.main import app
from chromputer_tracks.io.meme import read_meme

EXAMPLE = example_folder()


def filters(out: Path, *more: str) -> Result:
    args = ["filters", "yeast-atac", "--fasta", str(EXAMPLE / "sacCer3.fa.gz"), "--out", str(out)]
    args += ["--fragments", str(EXAMPLE / "atac.fragments.tsv.gz"), "--provider", "cpu"]
    return CliRunner().invoke(app, [*args, *more])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("filters") / "out"
    result = filters(
        out, "--chrom", "chrVII:1-300,000", "--label", "Reb1", "--sites", "15", "--references", "2",
        "--sample-sites", "40", "--top", "3", "--threads", "1",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return out, result


def test_reb1s_own_filter_ranks_first(run: tuple[Path, Result]) -> None:
    out, result = run
    first = rows(out / "ranking.tsv")[0]
    assert first["class"] == "Reb1"
    assert first["filter"].startswith("sequence.f")
    # Reb1 binds CGGGTAA, read on either strand.
    assert "GGGTAA" in first["reads"] or "TTACCC" in first["reads"]
    assert float(first["mean_contribution"]) > 1
    assert float(first["share_of_sites_above_0"]) > 0.8
    motif = next(item for item in read_meme(out / "filters.meme") if item.name == first["filter"])
    assert motif.sites > 20
    assert first["filter"] in result.stderr
    assert result.stdout == ""


def test_contributions_add_up(run: tuple[Path, Result]) -> None:
    record = json.loads((run[0] / "run.json").read_text())
    reb1 = record["classes"]["Reb1"]
    assert reb1["sites"] == 15
    assert 0 <= reb1["completeness"]["maximum"] < 1e-3
    assert record["never_active"] == []
    assert len(rows(run[0] / "sequence.filters.tsv")) == 96
    assert len(rows(run[0] / "vplot.filters.tsv")) == 16


def test_sites_lie_in_the_region_asked_for(run: tuple[Path, Result]) -> None:
    for line in (run[0] / "sites.bed").read_text().splitlines():
        chrom, start, end, _ = line.split("\t")
        assert chrom == "chrVII"
        assert (int(start) + int(end)) // 2 <= 300_000


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (("--label", "CTCF"), 1, "has no label 'CTCF'; it has S1, S2"),
        (("--jaspar", "fungi", "--motifs", "known.meme"), 1, "either --motifs or --jaspar"),
        (("--jaspar", "bacteria"), 2, "bacteria"),
        (("--motifs", "absent.meme"), 1, "absent.meme"),
        (("--top", "0"), 2, "--top"),
        (("--q", "2"), 2, "--q"),
        (("--chrom", "chr7"), 1, "chr7"),
    ],
)
def test_mistakes(tmp_path: Path, more: tuple[str, ...], code: int, message: str) -> None:
    result = filters(tmp_path / "out", *more)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()

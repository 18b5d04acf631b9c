"""``chromputer explain`` with the shipped model on real yeast: from calls to a motif."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from typer.testing import CliRunner

from chromputer_tracks.cli.main import app
from chromputer_tracks.io.contributions import read_contributions

REGION = "chrVII:150,001-165,000"
MOTIFS = ("CGGGTAA", "TTACCCG")
"""Reb1's site on both strands."""


def explain(example: Path, out: Path, *more: str) -> None:
    files = ("--fasta", str(example / "sacCer3.fa.gz"))
    files += ("--fragments", str(example / "atac.fragments.tsv.gz"), "--out", str(out))
    args = ["explain", "yeast-atac", *files, "--label", "Reb1", "--provider", "cpu"]
    result = CliRunner().invoke(app, [*args, "--threads", "1", *more])
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def out(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain") / "out"
    explain(example, folder, "--calls", "--chrom", REGION, "--references", "5", "--images", "1")
    return folder


def test_contributions_add_up(out: Path) -> None:
    record = json.loads((out / "run.json").read_text())
    complete = record["labels"]["Reb1"]["completeness"]
    assert complete["maximum"] < 1e-3
    assert sorted(record["labels"]["Reb1"]["shares"]) == ["sequence", "vplot"]
    assert record["labels"]["Reb1"]["sites"] >= 1


def test_the_bases_that_count_are_the_motif(out: Path) -> None:
    found = read_contributions(out / "Reb1")
    best = int(found.logit.argmax())
    bases = "".join(np.array([*"ACGT"])[found.sequences()[best].argmax(axis=0)])
    importance = found.importance()[best]
    held = {
        at: importance[at : at + 7].sum()
        for at in range(found.window - 6)
        if bases[at : at + 7] in MOTIFS
    }
    top = max(held, key=lambda at: held[at])
    assert abs(top + 3 - found.window // 2) < 150
    sums = np.convolve(importance, np.ones(7), "valid")
    assert abs(int(sums.argmax()) - top) <= 2
    # 7 of 2,000 bases.
    assert held[top] > 0.3 * np.abs(importance).sum()


def test_the_track_holds_the_same_importance(out: Path) -> None:
    found = read_contributions(out / "Reb1")
    best = int(found.logit.argmax())
    start, middle = int(found.start[best]), found.window // 2
    others = np.delete(found.start, best)
    assert (np.abs(others - start) > found.window).all()
    with pyBigWig.open(str(out / "Reb1" / "importance.bw")) as file:
        values = file.values("chrVII", start + middle - 200, start + middle + 200, numpy=True)
    np.testing.assert_allclose(
        values, found.importance()[best, middle - 200 : middle + 200], atol=1e-6
    )


def test_a_picture_of_the_best_site(out: Path) -> None:
    found = read_contributions(out / "Reb1")
    centre = int(found.start[found.logit.argmax()]) + found.window // 2
    names = sorted(path.name for path in (out / "Reb1" / "images").iterdir())
    assert names == [f"01_chrVII_{centre + 1}.pdf", f"01_chrVII_{centre + 1}.png"]


def test_gradient_at_the_ends_of_chromosomes(example: Path, tmp_path: Path) -> None:
    regions = tmp_path / "ends.bed"
    regions.write_text("chrM\t0\t10\tstart\nchrI\t230210\t230218\tend\n")
    more = ("--regions", str(regions), "--method", "gradient*input", "--images", "0")
    explain(example, tmp_path / "out", *more)
    found = read_contributions(tmp_path / "out" / "Reb1")
    assert found.start.tolist() == [229_214, -995]
    assert not found.sequences()[0, :, 1004:].any()
    assert not found.sequences()[1, :, :995].any()
    assert (found.importance()[0, 1004:] == 0).all()
    with pyBigWig.open(str(tmp_path / "out" / "Reb1" / "importance.bw")) as file:
        assert not np.isnan(file.values("chrI", 229_214, 230_218, numpy=True)).any()
        assert not np.isnan(file.values("chrM", 0, 1005, numpy=True)).any()
        assert np.isnan(file.values("chrM", 1005, 2000, numpy=True)).all()

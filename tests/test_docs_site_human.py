"""The steps of docs/human.md, on stand-ins for what is downloaded."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest
from docs_pages import DOCS, blocks, run_page
from human_files import CONTIGS, LENGTH, ROADMAP, write_downloads, write_sources
from typer.testing import CliRunner

from chromputer_tracks.cli.main import app
from chromputer_tracks.data.labels import read_states
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bed import read_tss
from chromputer_tracks.io.text import read_state_table
from chromputer_tracks.model.config_file import load_config

LINES = ("gm12878", "k562")
PAGE = (DOCS / "human.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's own files, after its examples have run, and its configuration."""
    monkeypatch.chdir(tmp_path)
    write_sources(tmp_path)
    assert list(run_page("human.md", PAGE, tmp_path)) == []
    (text,) = (block.text for block in blocks(PAGE) if block.kind == "toml")
    (tmp_path / "config.toml").write_text(text)
    return tmp_path


@pytest.mark.parametrize(("states", "count"), [("states", 15), ("states8", 8)])
def test_states_can_be_read(folder: Path, states: str, count: int) -> None:
    sizes = ChromSizes({f"chr{n}": LENGTH for n in (*range(1, 23), "X", "Y")}, "hg38.fa.gz")
    labels = read_state_table(folder / ("states8.tsv" if count == 8 else "states15.tsv"))
    found = read_states(folder / f"gm12878.{states}.bed", labels, sizes, "")
    names = [labels[code].name for code in found.at("chr1", range(500, 15_000, 1000))]
    assert len(labels) == count
    if count == 15:
        assert names == [state.replace("/", "-") for state in ROADMAP]
    else:
        assert names[:5] == ["Tss", "TssFlnk", "TssFlnk", "Tx", "Tx"]
        assert set(names) == {label.name for label in labels}


def test_the_lines_states_are_their_own(folder: Path) -> None:
    first = [(folder / f"{line}.states8.bed").read_text().splitlines()[:2] for line in LINES]
    assert first == [
        ["chr1\t0\t1000\tTss", "chr1\t1000\t2000\tTssFlnk"],
        ["chr1\t0\t1000\tTssFlnk", "chr1\t1000\t2000\tTssFlnk"],
    ]


def test_start_sites_are_those_of_genes_with_a_protein(folder: Path) -> None:
    table = read_tss(folder / "genes.bed.gz")
    assert len(table) == len(CONTIGS)
    assert table.on("chr1", forward=True).tolist() == [9000]
    with gzip.open(folder / "genes.bed.gz", "rt") as file:
        assert file.readline() == "chr1\t9000\t12000\tENSG0.1\t0\t+\n"


def test_the_configuration_is_right_and_every_file_is_read(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_config(folder / "config.toml")
    write_downloads(folder)
    config = load_config(folder / "config.toml")
    assert [(sample.name, sample.use) for sample in config.samples] == [
        ("GM12878", "train"),
        ("K562", "test"),
    ]
    heads = {name: [item.name for item in of] for name, of in config.binary_heads().items()}
    assert heads == {"binary": ["CTCF", "REST"], "marks": ["H3K27ac"]}
    splits = config.splits
    used = [*splits.train, *splits.validation, *splits.test]
    assert sorted(used) == sorted(f"chr{n}" for n in range(1, 19))

    result = CliRunner().invoke(app, ["dataset", "config.toml", "--out", "dataset"])
    assert result.exit_code == 0, result.output
    with (folder / "dataset" / "dataset.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {row["contig"] for row in rows} >= set(used)
    assert {row["sample"] for row in rows} == {"GM12878", "K562"}

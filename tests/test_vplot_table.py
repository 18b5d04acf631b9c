"""V-plots' file of numbers: what is written is read back, by the csv module too."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chromputer_tracks.analysis.vplots.measures import FRAGMENTS, INPUT
from chromputer_tracks.analysis.vplots.table import (
    VplotAxes,
    VplotImage,
    VplotRow,
    VplotTable,
    label_title,
    read_vplot_tsv,
    write_vplot_tsv,
)
from chromputer_tracks.errors import FormatError, InputError
from chromputer_tracks.spec import Label

AXES = VplotAxes.around_site(40, 10, (20, 50, 100))


def table(values: np.ndarray, axes: VplotAxes = AXES) -> VplotTable:
    rows = tuple(
        VplotRow(name, f"the {name}", sites, (VplotImage(values + k), VplotImage(values * k)))
        for k, (name, sites) in enumerate([("a b", 5), ("#2", 7000)])
    )
    return VplotTable(axes, (FRAGMENTS, INPUT), rows)


@given(arrays(np.float64, (2, 4), elements=st.floats(-1e6, 1e6)))
def test_numbers_come_back(values: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.tsv"
        write_vplot_tsv(path, table(values))
        found = read_vplot_tsv(path)
    assert found.edges == (20, 50, 100)
    assert found.positions == (-20, -10, 0, 10, 20)
    assert found.sites == {"a b": 5, "#2": 7000}
    assert list(found.images) == [
        ("a b", "fragments"),
        ("a b", "input"),
        ("#2", "fragments"),
        ("#2", "input"),
    ]
    np.testing.assert_allclose(found.images["#2", "fragments"], values + 1, rtol=1e-8)
    np.testing.assert_allclose(found.images["a b", "input"], 0)


def test_layout_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    values = np.array([[1.0, np.nan, 0.125, 0], [1 / 3, 0, 0, 2]])
    write_vplot_tsv(path, table(values))
    lines = path.read_text().splitlines()
    data = [line.split("\t") for line in lines if not line.startswith("#")]
    assert data[0] == ["length", "class", "sites", "quantity", "-20:-10", "-10:0", "0:10", "10:20"]
    assert data[1] == ["20:50", "a b", "5", "fragments", "1", "nan", "0.125", "0"]
    assert data[2] == ["50:100", "a b", "5", "fragments", "0.333333333", "0", "0", "2"]
    assert "#fragments: mean fragments per site and pixel" in lines
    with path.open() as file:
        rows = list(csv.DictReader((x for x in file if x[0] != "#"), delimiter="\t"))
    assert rows[1]["10:20"] == "2"
    assert np.isnan(read_vplot_tsv(path).images["a b", "fragments"][0, 1])


def test_a_locus_counts_in_its_contig(tmp_path: Path) -> None:
    axes = VplotAxes(990, 10, 4, (20, 50, 100), "chrI")
    write_vplot_tsv(tmp_path / "x.tsv", table(np.zeros((2, 4)), axes))
    assert "positions: chrI, 0-based" in (tmp_path / "x.tsv").read_text()
    assert read_vplot_tsv(tmp_path / "x.tsv").positions == (990, 1000, 1010, 1020, 1030)


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (FormatError, "", "no file of V-plots"),
        (FormatError, "chrom\tstart\n", "does not begin with length, class"),
        (FormatError, "length\tclass\tsites\tquantity\t0\n", "line 1: '0' is not start:end"),
        (InputError, "length\tclass\tsites\tquantity\t0:1\n", "holds no V-plot"),
        (FormatError, "length\tclass\tsites\tquantity\t0:1\n1:2\ta\t1\tx\ty\n", "line 2: could"),
        (
            FormatError,
            "length\tclass\tsites\tquantity\t0:1\n1:2\ta\t1\tx\t0\n3:4\ta\t1\tx\t0\n",
            "3:4 does not begin at 2",
        ),
        (
            FormatError,
            "length\tclass\tsites\tquantity\t0:1\n1:2\ta\t1\tx\t0\n1:3\tb\t1\tx\t0\n",
            "x of b has other length classes",
        ),
    ],
)
def test_malformed(tmp_path: Path, kind: type[Exception], text: str, words: str) -> None:
    path = tmp_path / "x.tsv"
    path.write_text(text)
    with pytest.raises(kind, match=words):
        read_vplot_tsv(path)


def test_titles_do_not_say_a_name_twice() -> None:
    assert label_title(Label("S5", "Active promoter", (0, 0, 0))) == "S5 Active promoter"
    assert label_title(Label("Reb1", "Reb1 (factor)", (0, 0, 0))) == "Reb1 (factor)"

"""bigBed files read back with pyBigWig, and each way in which pybigtools fails silently."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pybigtools
import pyBigWig
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import file_size_limit

from chromputer_tracks.errors import (
    BoundsError,
    ChromputerError,
    ContigError,
    FormatError,
    OutputError,
)
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bigbed import Row, read_rows, write_bigbed
from chromputer_tracks.spec import Label
from chromputer_tracks.tracks.predict import states_autosql

AUTOSQL = """table named
"Things"
    (
    string chrom;      "Contig"
    uint   chromStart; "Start"
    uint   chromEnd;   "End"
    string name;       "Name; also: a semicolon"
    uint   score;      "Score"
    )
"""
SIZES = ChromSizes({"chr2": 1000, "chr10": 1000, "chr1": 1000}, "g.fa")


def read(path: Path) -> list[Row]:
    rows = []
    with pyBigWig.open(str(path)) as file:
        for chrom, size in file.chroms().items():
            rows += [(chrom, *entry) for entry in file.entries(chrom, 0, size) or []]
    return sorted(rows, key=lambda row: row[0])


rows_strategy = st.lists(
    st.tuples(
        st.sampled_from(["chr1", "chr10", "chr2"]), st.integers(0, 999), st.integers(1, 1000)
    ).filter(lambda row: row[1] < row[2]),
    min_size=1,
    max_size=30,
).map(lambda rows: [(c, s, e, f"n{i}\t{i}") for i, (c, s, e) in enumerate(sorted(rows))])


@given(rows_strategy)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_come_back(tmp_path: Path, rows: list[Row]) -> None:
    path = tmp_path / "x.bb"
    assert write_bigbed(path, SIZES, rows, AUTOSQL, overlap=True) == len(rows)
    assert sorted(read(path)) == sorted(rows)
    assert [p.name for p in tmp_path.iterdir()] == ["x.bb"]


def test_header(tmp_path: Path) -> None:
    path = tmp_path / "x.bb"
    rows = [("chr1", i * 10, i * 10 + 10, f"n{i % 3}\t{i}") for i in range(100)]
    sizes = ChromSizes({"chr1": 1000, "chr2": 5})
    write_bigbed(path, sizes, iter(rows), AUTOSQL)
    with pyBigWig.open(str(path)) as file:
        assert file.isBigBed()
        assert file.SQL().decode() == AUTOSQL
        assert file.chroms() == {"chr1": 1000}
        assert file.entries("chr1", 25, 31) == [(20, 30, "n2\t2"), (30, 40, "n0\t3")]


@pytest.mark.parametrize(
    ("rows", "kind", "message"),
    [
        ([("chr1", 10, 20, "a\t1"), ("chr1", 0, 5, "a\t1")], FormatError, "row 2: chr1:1-5 over"),
        ([("chr1", 0, 20, "a\t1"), ("chr1", 19, 30, "a\t1")], FormatError, "overlaps the row bef"),
        ([("chr2", 0, 5, "a\t1"), ("chr10", 0, 5, "a\t1")], FormatError, "chr10 comes after chr2"),
        (
            [("chr1", 0, 5, "a\t1"), ("chr2", 0, 5, "a\t1"), ("chr1", 9, 12, "a\t1")],
            FormatError,
            "row 3: chr1 comes after chr2: sort by contig name",
        ),
        ([("2", 0, 5, "a\t1")], ContigError, r"row 1: contig '2' is not in g\.fa, which calls"),
        ([("chr1", 990, 1001, "a\t1")], BoundsError, r"991-1,001 ends past chr1 \(1,000 bp\)"),
        ([("chr1", 5, 5, "a\t1")], FormatError, "is empty, reversed or starts before base 1"),
        ([("chr1", 6, 5, "a\t1")], FormatError, "is empty, reversed or starts before base 1"),
        ([("chr1", -1, 5, "a\t1")], FormatError, "is empty, reversed or starts before base 1"),
        ([("chr1", 0, 5, "a")], FormatError, "has 4 columns, but its autoSql has 5"),
        ([("chr1", 0, 5, "a\t1\tx")], FormatError, "has 6 columns, but its autoSql has 5"),
        ([("chr1", 0, 5, "a\t1\n")], FormatError, "has a line break"),
        ([], OutputError, "no rows, and bigBed has no empty file"),
    ],
)
def test_refused(
    tmp_path: Path, rows: list[Row], kind: type[ChromputerError], message: str
) -> None:
    (tmp_path / "x.bb").write_text("old")
    with pytest.raises(kind, match=message):
        write_bigbed(tmp_path / "x.bb", SIZES, rows, AUTOSQL)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]


def test_unsorted_starts_where_overlap_is_allowed(tmp_path: Path) -> None:
    rows = [("chr1", 10, 20, "a\t1"), ("chr1", 9, 30, "a\t1")]
    with pytest.raises(FormatError, match="chr1:10-30 is not sorted by start"):
        write_bigbed(tmp_path / "x.bb", SIZES, rows, AUTOSQL, overlap=True)


def test_errors_of_the_iterator_come_through(tmp_path: Path) -> None:
    for failure in (ZeroDivisionError("mine"), KeyboardInterrupt()):

        def rows(failure: BaseException = failure) -> Iterator[Row]:
            yield "chr1", 0, 5, "a\t1"
            raise failure

        with pytest.raises(type(failure)):
            write_bigbed(tmp_path / "x.bb", SIZES, rows(), AUTOSQL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [0, 100, 2_000, 40_000, 200_000])
def test_full_disk(tmp_path: Path, limit: int) -> None:
    sizes = ChromSizes({"chr1": 10**8})
    rows = (("chr1", i * 50, i * 50 + 50, f"n{i * 7919 % 1000}\t{i}") for i in range(30_000))
    with pytest.raises(OutputError, match=r"x\.bb: .*disk full"), file_size_limit(limit):
        write_bigbed(tmp_path / "x.bb", sizes, rows, AUTOSQL)
    assert list(tmp_path.iterdir()) == []


def test_lost_rows_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pybigtools.open

    class Lossy:
        def __init__(self, path: str) -> None:
            self.file = real(path, "w")

        def write(self, chroms: dict[str, int], rows: Iterator[Row], autosql: str) -> None:
            self.file.write(chroms, iter(list(rows)[:-1]), autosql)

    def lossy(path: str, mode: str = "r") -> object:
        return Lossy(path) if mode == "w" else real(path)

    monkeypatch.setattr(pybigtools, "open", lossy)
    rows = [("chr1", 0, 5, "a\t1"), ("chr1", 5, 9, "b\t2")]
    with pytest.raises(OutputError, match=r"x\.bb: 1 rows read back of 2"):
        write_bigbed(tmp_path / "x.bb", SIZES, rows, AUTOSQL)
    assert list(tmp_path.iterdir()) == []


def test_names_and_folders(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"name it \.bb or \.bigBed"):
        write_bigbed(tmp_path / "x.bed", SIZES, [("chr1", 0, 5, "a\t1")], AUTOSQL)
    with pytest.raises(OutputError, match="does not exist; make it first"):
        write_bigbed(tmp_path / "gone" / "x.bb", SIZES, [("chr1", 0, 5, "a\t1")], AUTOSQL)


def test_read_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.bed"
    path.write_text("chr1\t0\t5\ta\t1\nchr1\t5\t9\tb\t2\n")
    assert list(read_rows(path)) == [("chr1", 0, 5, "a\t1"), ("chr1", 5, 9, "b\t2")]
    path.write_text("chr1\t0\t5\ta\nchr1\tx\t9\tb\n")
    with pytest.raises(FormatError, match=r"x\.bed line 2 is not BED4 or more"):
        list(read_rows(path))


def test_states_autosql_holds_any_title(tmp_path: Path) -> None:
    labels = [
        Label("S1", 'Active "TSS"; strong\npromoter', (255, 0, 0)),
        Label("S2", "x" * 200, (0, 0, 0)),
    ]
    sql = states_autosql(labels, 'model "m"')
    assert "\"S1 Active 'TSS', strong promoter; S2 " + "x" * 57 + '..."' in sql
    rows = [("chr1", 0, 50, "S1\t900\t.\t0\t50\t255,0,0")]
    write_bigbed(tmp_path / "x.bb", SIZES, rows, sql)
    with pyBigWig.open(str(tmp_path / "x.bb")) as file:
        assert file.SQL().decode() == sql
    # The header's counts say BED9, all of its fields standard.
    raw = (tmp_path / "x.bb").read_bytes()
    assert int.from_bytes(raw[32:34], "little") == 9
    assert int.from_bytes(raw[34:36], "little") == 9

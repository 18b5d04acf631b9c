"""Strict BED reading: values kept, every kind of bad line refused with its number."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromputer_tracks.errors import BoundsError, ContigError, FormatError, InputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bed import BedRecord, Peak, read_bed

SIZES = ChromSizes({"chr1": 1_000, "chr2": 500}, "g.fa")
BED9 = "chr1\t10\t30\tS1\t7\t+\t12\t20\t255,0,10\nchr2\t0\t500\tS2\t1000\t.\t0\t500\t0\n"
PEAK = "chr1\t10\t30\tp\t2500\t.\t3.5\t-1\t4e2\t5\nchr1\t40\t51\tq\t0\t-\t0\t0\t0\t-1\n"


def bed(folder: Path, text: str) -> Path:
    path = folder / "a.bed"
    path.write_bytes(text.encode())
    return path


def test_bed9_with_headers(tmp_path):
    head = '# made by hand\ntrack name="x"\nbrowser position chr1:1-2\n\n'
    table = read_bed(bed(tmp_path, head + BED9), SIZES, require_sorted=True)
    assert list(table) == [BedRecord("chr1", 10, 30, "S1"), BedRecord("chr2", 0, 500, "S2")]
    assert (table.scores.tolist(), table.strands) == ([7.0, 1000.0], ["+", "."])
    assert table.colors == [(255, 0, 10), None]
    assert table.contigs == ("chr1", "chr2")
    assert table.columns == 9
    assert table.start.dtype == table.end.dtype == np.int64
    assert table.places == [("chr1", 16), ("chr2", 250)]


def test_narrow_peak_summits(tmp_path):
    table = read_bed(bed(tmp_path, PEAK), SIZES)
    assert table.scores.tolist() == [2500.0, 0.0]
    assert table.places == [("chr1", 15), ("chr1", 45)]
    assert table.peaks(ranked=True) == [
        Peak("chr1", 15, 2500.0, 3.5, -1.0), Peak("chr1", 45, 0.0, 0.0, 0.0),
    ]  # fmt: skip
    assert table.peaks(ranked=False) == [Peak("chr1", 15), Peak("chr1", 45)]


def test_skipped_lines_in_the_middle_windows_newlines_and_gzip(tmp_path):
    path = tmp_path / "a.bed.gz"
    path.write_bytes(gzip.compress(b"chr1\t1\t2\r\n#c\td\te\r\n\r\ntrack x\r\nchr1\t3\t4"))
    assert [(r.start, r.end) for r in read_bed(path, SIZES)] == [(1, 2), (3, 4)]


def test_contigs_whose_names_look_like_skipped_lines(tmp_path):
    path = bed(tmp_path, "tracker\t1\t2\nbrowserA\t1\t2\nchr1#a\t5\t6\n#x\n")
    assert [r.chrom for r in read_bed(path)] == ["tracker", "browserA", "chr1#a"]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(0, 400), st.integers(1, 99)),
        min_size=1,
        max_size=40,
    ),
    st.booleans(),
)
def test_round_trip(tmp_path_factory, rows, comments):
    path = tmp_path_factory.mktemp("bed") / "a.bed"
    gap = "# x\n\n" if comments else ""
    path.write_text("".join(f"{c}\t{s}\t{s + n}\n{gap}" for c, s, n in rows))
    table = read_bed(path, SIZES)
    assert [(r.chrom, r.start, len(r.interval)) for r in table] == rows


def judge(path: Path, sizes: ChromSizes | None = None) -> None:
    """Ask for every column that BED and narrowPeak define."""
    table = read_bed(path, sizes)
    _ = table.scores, table.strands, table.colors, table.thick, table.peaks(ranked=True)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1\t5\n", "line 3 has 2 tab-separated columns; a BED line needs 3"),
        ("chr1\t5\t9\n", "line 3 has 3 columns, but the first line has 9"),
        ("chr1\tx\t9\tn\t0\t+\t5\t9\t0\n", r"line 3: columns 2 and 3 \(x, 9\) are not a start"),
        ("chr1\t5\t9.0\tn\t0\t+\t5\t9\t0\n", r"line 3: columns 2 and 3 \(5, 9\.0\) are not a"),
        ("chr1\t5\t3000000000\tn\t0\t+\t5\t9\t0\n", r"line 3: .* \(5, 3000000000\) are not a"),
        ("chr1\t5\t\tn\t0\t+\t5\t9\t0\n", r"line 3: columns 2 and 3 \(5, \) are not a start"),
        ("chr1\t9\t9\tn\t0\t+\t9\t9\t0\n", r"line 3: .* \(9, 9\) are not .* an end above it"),
        ("\t5\t9\tn\t0\t+\t5\t9\t0\n", "line 3: the contig is empty"),
    ],
)
def test_bad_place(tmp_path, line, message):
    with pytest.raises(FormatError, match=message):
        read_bed(bed(tmp_path, BED9 + line + "chr1\tlast\n"), SIZES)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1\t5\t9\tn\thigh\t+\t5\t9\t0\n", "line 3: column 5 is 'high', not a score"),
        ("chr1\t5\t9\tn\t1001\t+\t5\t9\t0\n", "line 3: column 5 is '1001'"),
        ("chr1\t5\t9\tn\t-1\t+\t5\t9\t0\n", "line 3: column 5 is '-1'"),
        ("chr1\t5\t9\tn\tnan\t+\t5\t9\t0\n", "line 3: column 5 is 'nan'"),
        ("chr1\t5\t9\tn\t0\t*\t5\t9\t0\n", r"line 3: column 6 is '\*', not a strand"),
        ("chr1\t5\t9\tn\t0\t+\t4\t9\t0\n", "line 3: columns 7 and 8"),
        ("chr1\t5\t9\tn\t0\t+\t5\t10\t0\n", "line 3: columns 7 and 8"),
        ("chr1\t5\t9\tn\t0\t+\t8\t7\t0\n", "line 3: columns 7 and 8"),
        ("chr1\t5\t9\tn\t0\t+\t5\t9\t1,2\n", "line 3: column 9 is '1,2', not a colour"),
        ("chr1\t5\t9\tn\t0\t+\t5\t9\t1,2,256\n", "line 3: column 9 is '1,2,256'"),
    ],
)
def test_a_column_is_judged_when_it_is_asked_for(tmp_path, line, message):
    path = bed(tmp_path, BED9 + line + BED9)
    assert len(list(read_bed(path, SIZES))) == 5
    with pytest.raises(FormatError, match=message):
        judge(path, SIZES)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1\t5\t9\tn\t-3\t.\t1\t1\t1\t0\n", "line 3: column 5 is '-3'"),
        ("chr1\t5\t9\tn\t3\t.\t1\tinf\t1\t0\n", "line 3: column 8 is 'inf', not a finite number"),
        ("chr1\t5\t9\tn\t3\t.\t1\t1\t1\t4\n", "line 3: column 10 is '4', not a summit inside"),
        ("chr1\t5\t9\tn\t3\t.\t1\t1\t1\t-2\n", "line 3: column 10 is '-2'"),
    ],
)
def test_bad_narrow_peak_line(tmp_path, line, message):
    with pytest.raises(FormatError, match=message):
        judge(bed(tmp_path, PEAK + line))


def test_bounds(tmp_path):
    path = bed(tmp_path, "chr1\t1\t2\n#\nchr2\t499\t501\n")
    with pytest.raises(
        BoundsError, match=r"line 3: column 3 \(501\) ends past chr2 \(500 bp in g.fa"
    ):
        read_bed(path, SIZES)
    assert len(read_bed(path)) == 2
    with pytest.raises(FormatError, match=r"line 1: columns 2 and 3 \(-1, 5\) are not a start"):
        read_bed(bed(tmp_path, "chr1\t-1\t5\n"))


def test_unknown_contig(tmp_path):
    with pytest.raises(ContigError, match=r"a\.bed: '1' not in g\.fa; g\.fa has 'chr1'"):
        read_bed(bed(tmp_path, "1\t1\t2\n"), SIZES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\t5\t9\nchr1\t4\t9\n", r"not sorted: line 2 \(chr1 4\) comes after chr1 5"),
        ("chr1\t5\t9\n#\nchr2\t4\t9\n\nchr1\t8\t9\n", r"line 5 \(chr1 8\) comes after chr2 4"),
    ],
)
def test_unsorted(tmp_path, text, message):
    path = bed(tmp_path, text)
    with pytest.raises(FormatError, match=message):
        read_bed(path, SIZES, require_sorted=True)
    assert len(read_bed(path, SIZES)) == text.count("chr")


@pytest.mark.parametrize("text", ["", "# nothing\n", "track name=x\n\n"])
def test_empty(tmp_path, text):
    with pytest.raises(InputError, match="is empty"):
        read_bed(bed(tmp_path, text))


def test_columns_that_are_no_bed(tmp_path):
    with pytest.raises(FormatError, match="separated by tabs"):
        read_bed(bed(tmp_path, "chr1 5 9\n"))
    with pytest.raises(FormatError, match="line 1 has 2 tab-separated columns"):
        read_bed(bed(tmp_path, "chr1\t5\n"))


def test_not_text_and_truncated_gzip(tmp_path):
    path = tmp_path / "a.bed"
    path.write_bytes(b"chr1\t1\t2\tx\nchr1\t1\t2\t\xff\n")
    with pytest.raises(FormatError, match="line 2 is not UTF-8"):
        read_bed(path)
    path.write_bytes(gzip.compress(b"chr1\t1\t2\n" * 1000)[:-10])
    with pytest.raises(FormatError, match="truncated"):
        read_bed(path)


def test_many_blocks_equal_a_plain_loop(tmp_path):
    rows = [(f"chr{1 + i % 2}", i % 400, i % 400 + 1 + i % 7, f"n{i}") for i in range(300_000)]
    path = bed(tmp_path, "".join(f"{c}\t{s}\t{e}\t{n}\n" for c, s, e, n in rows))
    table = read_bed(path, SIZES)
    assert [(r.chrom, r.start, r.end, r.name) for r in table] == rows


def test_real_files(shared_yeast):
    states = read_bed(shared_yeast / "states8.bed", require_sorted=True)
    assert len(states) == 10_562
    assert set(states.names) == {f"S{i}" for i in range(1, 9)}
    peaks = read_bed(shared_yeast / "peaks" / "Reb1.bed")
    assert (len(peaks), peaks.places[0][1]) == (840, 72_075)
    with pytest.raises(InputError, match="Ckb1.bed is empty"):
        read_bed(shared_yeast / "peaks" / "Ckb1.bed")

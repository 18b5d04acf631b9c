"""Sites from BED files with any columns: places, the rule of the middle, columns and refusals."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromputer_tracks.errors import BoundsError, ContigError, FormatError, InputError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import SiteTable, read_site_table

SIZES = ChromSizes({"chr1": 5000, "chr2": 3000}, "toy.fa")
HEADER = "#chrom\tstart\tend\tname\tscore\tstrand\tsignal\tp\tq\t"


def table(tmp_path: Path, text: str) -> SiteTable:
    path = tmp_path / "sites.bed"
    path.write_text(text)
    return read_site_table(path, SIZES)


def test_bed3_has_nothing_but_places(tmp_path: Path) -> None:
    sites = table(tmp_path, "chr2\t10\t21\nchr1\t0\t1\n")
    assert sites.contigs == ("chr2", "chr1")
    assert sites.chroms == ["chr2", "chr1"]
    assert sites.centre.tolist() == [15, 0]
    assert sites.strand.tolist() == [0, 0]
    assert sites.names == ("", "")
    assert sites.columns == ()
    assert sites.loci == ["chr2:11-21", "chr1:1-1"]
    assert sites.window(1, 300) == Interval("chr1", -150, 150)


def test_columns_have_numbers_and_names(tmp_path: Path) -> None:
    sites = table(
        tmp_path,
        "##made by hand\n"
        "#chrom\tstart\tend\tgene\tscore\tstrand\tclass\n"
        "track name=x\n"
        "chr1\t100\t200\tA\t7\t-\tRP\n"
        "chr1\t300\t400\t.\t.\t+\tSTM\n",
    )
    assert [(c.number, c.name) for c in sites.columns] == [
        (4, "gene"), (5, "score"), (6, "strand"), (7, "class"),
    ]  # fmt: skip
    assert sites.columns[3].values == ("RP", "STM")
    assert sites.names == ("A", "")
    assert sites.strand.tolist() == [-1, 1]


def test_columns_without_a_header(tmp_path: Path) -> None:
    sites = table(tmp_path, "chr1\t1\t2\tA\t01_RP\t.\tx\ny\n".replace("\ny", ""))
    # A fifth column of words is no score.
    assert [c.name for c in sites.columns] == ["name", "column 5", "strand", "column 7"]
    assert [c.name for c in table(tmp_path, "chr1\t1\t2\tA\t0.5\n").columns] == ["name", "score"]


def test_a_header_of_other_width_names_nothing(tmp_path: Path) -> None:
    sites = table(tmp_path, "#chrom\tstart\tend\nchr1\t1\t2\tA\n")
    assert [c.name for c in sites.columns] == ["name"]


THICK = "chr1\t100\t200\tn\t0\t+\t"
PEAK = "chr1\t100\t200\tn\t0\t-\t5.5\t3\t2\t"


@pytest.mark.parametrize(
    ("line", "centre", "between"),
    [
        ("chr1\t100\t201", 150, False),
        ("chr1\t100\t200", 150, True),
        (THICK + "120\t131\t0,0,0", 125, False),
        (THICK + "120\t130\t0,0,0\tclass", 125, True),  # ten columns, and no narrowPeak
        (THICK + "100\t100\t0,0,0", 150, True),  # an empty one
        (THICK + "199\t200", 199, False),
        (THICK + "x\ty", 150, True),
        (THICK + "0.5\t7", 150, True),
        (PEAK + "7", 107, False),
        (PEAK + "0", 100, False),
        (PEAK + "99", 199, False),
        (PEAK + "-1", 150, True),
        (PEAK + "seven", 150, True),
        (THICK + "120\t130\t2\t-1", 150, True),  # a narrowPeak has no thick part
        (THICK + "5.5\tz\t2\t7", 150, True),
    ],
)
def test_the_middle_of_a_site(tmp_path: Path, line: str, centre: int, between: bool) -> None:
    sites = table(tmp_path, line + "\n")
    assert sites.centre.tolist() == [centre]
    assert sites.between is not None
    assert sites.between.tolist() == [between]
    path = tmp_path / "sites.bed"
    assert read_site_table(path, SIZES, summits=False).centre.tolist() == [150]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (THICK + "20\t131\t0,0,0", r"columns 7 and 8 \(20, 131\) are no thick part inside"),
        (THICK + "110\t300", r"columns 7 and 8 \(110, 300\)"),
        (THICK + "110\t201", r"columns 7 and 8 \(110, 201\)"),
        (THICK + "130\t120", r"columns 7 and 8 \(130, 120\)"),
        (THICK + "120\tNA", r"columns 7 and 8 \(120, NA\)"),
        (PEAK + "100", "column 10 is '100', not a summit inside the peak of 100 bp"),
        (PEAK + "-2", "column 10 is '-2'"),
        (PEAK + "x", "column 10 is 'x'"),
        (PEAK.replace("3", "z") + "7", "column 8 is 'z', not a number"),
    ],
)
def test_a_summit_outside_its_site_is_refused(tmp_path: Path, line: str, message: str) -> None:
    start = PEAK + "7" if "-\t5.5" in line else THICK + "120\t130\t0,0,0"
    good = "\t".join(start.split("\t")[: line.count("\t") + 1]) + "\n"
    path = tmp_path / "sites.bed"
    path.write_text(f"# comment\n{good}{good}{line}\n{good}")
    with pytest.raises(FormatError, match=f"line 4: {message}.*; mend it, or, .* # line above"):
        read_site_table(path, SIZES)
    with pytest.raises(FormatError, match="mend it, choose x, or, "):
        read_site_table(path, SIZES, instead="choose x")
    assert read_site_table(path, SIZES, summits=False).centre.tolist() == [150] * 4


def test_thick_parts_are_no_columns_of_their_own(tmp_path: Path) -> None:
    both = table(tmp_path, f"{THICK}120\t130\n{THICK}120\t131\n")
    assert [c.number for c in both.columns] == [4, 5, 6]
    assert [(c.number, c.values) for c in both.thick] == [(7, ("120",) * 2), (8, ("130", "131"))]
    words = table(tmp_path, f"{THICK}120\tNA\n{THICK}NA\t130\n")
    assert words.centre.tolist() == [150, 150]
    assert [c.number for c in words.columns] == [4, 5, 6, 7, 8]
    assert words.thick == ()


@pytest.mark.parametrize(
    ("tenth", "value", "centre"),
    [("peak", 7, 107), ("Summit", 7, 107), ("cluster", 7, 150), ("cluster", 700, 150)],
)
def test_a_header_says_what_column_10_is(
    tmp_path: Path, tenth: str, value: int, centre: int
) -> None:
    sites = table(tmp_path, f"{HEADER}{tenth}\n{PEAK}{value}\n")
    assert sites.centre.tolist() == [centre]
    assert sites.narrow_peak == (centre == 107)
    assert sites.columns[-1].name == tenth


def test_a_header_says_what_columns_7_and_8_are(tmp_path: Path) -> None:
    eight = "#chrom\tstart\tend\tname\tscore\tstrand\t"
    own = table(tmp_path, f"{eight}genes\treads\n{THICK}120\t130\n{THICK}0\t999\n")
    assert own.centre.tolist() == [150, 150]
    assert [c.name for c in own.columns] == ["name", "score", "strand", "genes", "reads"]
    thick = table(tmp_path, f"{eight}thickStart\tthickEnd\n{THICK}120\t130\n")
    assert thick.centre.tolist() == [125]


@given(
    st.lists(
        st.tuples(st.integers(0, 4000), st.integers(1, 900), st.data()), min_size=1, max_size=4
    ),
    st.sampled_from(["plain", "thick", "peak"]),
)
def test_middles_against_a_loop(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple], kind: str
) -> None:
    lines, expected = [], []
    for start, length, data in rows:
        first, end = start, start + length
        last = end
        line = f"chr1\t{start}\t{end}"
        if kind == "thick":
            a, b = sorted(data.draw(st.tuples(*[st.integers(start, end)] * 2)))
            line += f"\tn\t0\t.\t{a}\t{b}\t0"
            first, last = (a, b) if a < b else (start, end)
        elif kind == "peak":
            offset = data.draw(st.integers(-1, length - 1))
            line += f"\tn\t0\t.\t1\t1e-3\tinf\t{offset}"
            if offset >= 0:
                first, last = start + offset, start + offset + 1
        lines.append(line + "\n")
        # The bases on both sides of the middle; the same one where it lies within a base.
        bases = range(first, last)
        expected.append((bases[len(bases) // 2], len(bases) % 2 == 0))
    path = tmp_path_factory.mktemp("loop") / "sites.bed"
    path.write_text("".join(lines))
    sites = read_site_table(path, SIZES)
    assert list(zip(sites.centre.tolist(), sites.between.tolist(), strict=True)) == expected


def test_numbers_of_a_column(tmp_path: Path) -> None:
    texts = ["7", "-0.5", "1e3", ".25", "3.", "inf", "01_RP", ".", "", "nan", "0x10", "1 "]
    sites = table(tmp_path, "".join(f"chr1\t5\t9\tn\t{text}\n" for text in texts))
    np.testing.assert_array_equal(sites.numbers(5), [7, -0.5, 1000, 0.25, 3, np.inf, *[np.nan] * 6])
    assert np.isnan(sites.numbers(4)).all()
    assert np.isnan(sites.numbers(6)).all()


@pytest.mark.parametrize("packed", ["gzip", "bgzip"])
def test_packed(tmp_path: Path, packed: str) -> None:
    path = tmp_path / "sites.bed.gz"
    text = b"#a\tb\tc\td\nchr1\t5\t8\tq\n"
    if packed == "gzip":
        path.write_bytes(gzip.compress(text))
    else:
        with pysam.BGZFile(str(path), "wb") as file:
            file.write(text)
    sites = read_site_table(path, SIZES)
    assert sites.columns[0].name == "d"
    assert sites.centre.tolist() == [6]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", InputError, "is empty: it holds no site"),
        ("# nothing\n\n", InputError, "is empty: it holds no site"),
        ("chr1\t5\n", FormatError, "line 1 has 2 tab-separated columns; a site needs 3"),
        ("chr1 5 8\n", FormatError, "columns must be separated by tabs"),
        ("chr1\t5\t8\nchr1\t5\t8\tx\n", FormatError, "line 2 has 4 columns, .*first line has 3"),
        ("chr1\t8\t8\n", FormatError, r"line 1: columns 2 and 3 \(8, 8\) are not a start"),
        ("chr1\t-1\t8\n", FormatError, "are not a start of at least 0"),
        ("chr1\tstart\tend\n", FormatError, "are not a start of at least 0"),
        ("#c\ts\te\nchr1\t5\t8\nchrom\tstart\tend\n", FormatError, "line 3.*must begin with #"),
        ("chr1\t5\t0x10\n", FormatError, r"\(5, 0x10\) are not a start"),
        ("chr1\t1\t4294967299\n", FormatError, "are not a start"),
        ("chr1\t1\t8\nchr1\t5\n", FormatError, "line 2 has 2 tab-separated columns"),
        ("\t1\t8\n", FormatError, "line 1: the contig is empty"),
        ("chr1\t1\t8\ta\t0\tplus\n", FormatError, "column 6 is 'plus', not a strand"),
        (
            "chr1\t1\t5001\n",
            BoundsError,
            r"column 3 \(5001\) ends past chr1 \(5,000 bp in toy.fa\)",
        ),
        ("1\t1\t8\n", ContigError, "'1' not in toy.fa; toy.fa has 'chr1'"),
    ],
)
def test_refusals_name_the_line(
    tmp_path: Path, text: str, error: type[InputError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        table(tmp_path, text)
    assert "sites.bed" in str(caught.value)


def test_a_sample_is_seeded_and_keeps_the_order(tmp_path: Path) -> None:
    text = "".join(f"chr1\t{at}\t{at + 2}\tn{at}\n" for at in range(0, 400, 4))
    sites = table(tmp_path, text)
    some = sites.sample(30, 5)
    assert len(some) == 30
    assert (np.diff(some.start) > 0).all()
    assert some.names == tuple(f"n{at}" for at in some.start.tolist())
    assert some.columns[0].values == some.names
    assert (sites.sample(30, 5).start == some.start).all()
    assert (sites.sample(30, 6).start != some.start).any()
    assert sites.sample(100, 5) is sites


def test_text_of_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sites.bed"
    path.write_bytes(b"chr1\t1\t8\tg\nchr1\t1\t8\tg\xe9ne\n")
    with pytest.raises(FormatError, match="line 2 is not UTF-8 text"):
        read_site_table(path, SIZES)


def test_many_sites_are_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "many.bed"
    path.write_text("".join(f"{PEAK}{at % 100}\n" for at in range(100_000)))
    began = time.process_time()
    sites = read_site_table(path, SIZES)
    assert time.process_time() - began < 3
    assert (sites.centre == 100 + np.arange(100_000) % 100).all()

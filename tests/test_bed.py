"""BED files: what is kept, the rule of the centre, and every kind of bad line refused by number."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chromputer_tracks.errors import BoundsError, ContigError, FormatError, InputError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import BedRecord, Peak, SiteTable, read_bed, read_site_table, read_tss

BIG = ChromSizes({"chr1": 5000, "chr2": 3000}, "toy.fa")
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


@pytest.mark.parametrize(
    "read", [read_bed, read_site_table, read_tss], ids=["places", "sites", "start sites"]
)
@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", InputError, "is empty: it holds no"),
        ("# nothing\n\n", InputError, "is empty: it holds no"),
        ("track name=x\n\n", InputError, "is empty: it holds no"),
        ("chr1\t5\n", FormatError, "line 1 has 2 tab-separated columns; a .* needs [36]: contig"),
        ("chr1 5 8\n", FormatError, "line 1 has 1 .*columns must be separated by tabs"),
        ("OK\nchr1\t5\n", FormatError, "line 2 has 2 tab-separated columns"),
        ("chr1\t8\t8REST\n", FormatError, r"line 1: columns 2 and 3 \(8, 8\) are not a start"),
        ("OK\nchr1\t-1\t8REST\n", FormatError, r"line 2: .* \(-1, 8\) are not a start of at least"),
        ("chr1\tx\t8REST\n", FormatError, r"\(x, 8\) are not a start of at least 0 and an end"),
        ("chr1\tstart\tendREST\n", FormatError, "are not a start.*must begin with #"),
        ("#c\ts\te\nOK\nchrom\tstart\tendREST\n", FormatError, "line 3.*must begin with #"),
        ("chr1\t5\t9.0REST\n", FormatError, r"\(5, 9\.0\) are not a start"),
        ("chr1\t5\t0x10REST\n", FormatError, r"\(5, 0x10\) are not a start"),
        ("chr1\t5\tREST\n", FormatError, r"\(5, \) are not a start"),
        ("chr1\t1\t4294967299REST\n", FormatError, "are not a start"),
        ("\t1\t8REST\n", FormatError, "line 1: the contig is empty"),
        (
            "OK\nchr1\t1\t5001REST\n",
            BoundsError,
            r"line 2: column 3 \(5001\) ends past chr1 \(5,000",
        ),
        ("1\t1\t8REST\n", ContigError, r"a\.bed: '1' not in toy\.fa; toy\.fa has 'chr1'"),
    ],
)
def test_refusals_name_the_line(tmp_path, read, text, error, message):
    """Every reader finds the same fault with a place."""
    rest = "\tn\t0\t+" if read is read_tss else ""
    text = text.replace("OK", "chr1\t5\t8REST").replace("REST", rest)
    with pytest.raises(error, match=message) as caught:
        read(bed(tmp_path, text), BIG)
    assert "a.bed" in str(caught.value)


@pytest.mark.parametrize("read", [read_bed, read_site_table])
def test_lines_of_different_width_are_refused(tmp_path, read):
    path = bed(tmp_path, "chr1\t5\t8\nchr1\t5\t8\tx\n")
    with pytest.raises(FormatError, match="line 2 has 4 columns, but the first line has 3"):
        read(path, BIG)
    path.write_bytes(b"chr1\t1\t8\tg\nchr1\t1\t8\tg\xe9ne\n")
    with pytest.raises(FormatError, match="line 2 is not UTF-8 text"):
        read(path, BIG)


def test_a_strand_is_judged_where_it_is_needed(tmp_path):
    path = bed(tmp_path, "chr1\t1\t8\ta\t0\tplus\n")
    assert len(read_bed(path, BIG)) == 1
    with pytest.raises(FormatError, match="line 1: column 6 is 'plus', not a strand"):
        read_site_table(path, BIG)


def judge(path: Path, sizes: ChromSizes | None = None) -> None:
    """Ask for every column that BED and narrowPeak define."""
    table = read_bed(path, sizes)
    _ = table.scores, table.strands, table.colors, table.thick, table.peaks(ranked=True)


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


# ---- Sites from BED files with any columns: places, the rule of the middle, columns and refusals.

HEADER = "#chrom\tstart\tend\tname\tscore\tstrand\tsignal\tp\tq\t"


def table(tmp_path: Path, text: str) -> SiteTable:
    path = tmp_path / "sites.bed"
    path.write_text(text)
    return read_site_table(path, BIG)


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
NARROW = "chr1\t100\t200\tn\t0\t-\t5.5\t3\t2\t"


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
        (NARROW + "7", 107, False),
        (NARROW + "0", 100, False),
        (NARROW + "99", 199, False),
        (NARROW + "-1", 150, True),
        (NARROW + "seven", 150, True),
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
    assert read_site_table(path, BIG, summits=False).centre.tolist() == [150]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (THICK + "20\t131\t0,0,0", r"columns 7 and 8 \(20, 131\) are no thick part inside"),
        (THICK + "110\t300", r"columns 7 and 8 \(110, 300\)"),
        (THICK + "110\t201", r"columns 7 and 8 \(110, 201\)"),
        (THICK + "130\t120", r"columns 7 and 8 \(130, 120\)"),
        (THICK + "120\tNA", r"columns 7 and 8 \(120, NA\)"),
        (NARROW + "100", "column 10 is '100', not a summit inside the peak of 100 bp"),
        (NARROW + "-2", "column 10 is '-2'"),
        (NARROW + "x", "column 10 is 'x'"),
        (NARROW.replace("3", "z") + "7", "column 8 is 'z', not a number"),
    ],
)
def test_a_summit_outside_its_site_is_refused(tmp_path: Path, line: str, message: str) -> None:
    start = NARROW + "7" if "-\t5.5" in line else THICK + "120\t130\t0,0,0"
    good = "\t".join(start.split("\t")[: line.count("\t") + 1]) + "\n"
    path = tmp_path / "sites.bed"
    path.write_text(f"# comment\n{good}{good}{line}\n{good}")
    with pytest.raises(FormatError, match=f"line 4: {message}.*; mend it, or, .* # line above"):
        read_site_table(path, BIG)
    with pytest.raises(FormatError, match="mend it, choose x, or, "):
        read_site_table(path, BIG, instead="choose x")
    assert read_site_table(path, BIG, summits=False).centre.tolist() == [150] * 4


def test_whole_numbers_in_a_broad_peak_are_no_thick_part(tmp_path: Path) -> None:
    path = tmp_path / "peaks.broadPeak"
    path.write_text("a\t0\t90\tn\t84\t.\t8\t11\t9\na\t200\t300\tn\t84\t.\t8.2\t11.2\t8.4\n")
    assert read_bed(path).places == [("a", 45), ("a", 250)]
    # A word is no fraction.
    path.write_text("a\t0\t90\tn\t84\t.\t8\t11\t9\na\t200\t300\tn\t84\t.\tx\t11\t8\n")
    with pytest.raises(FormatError, match=r"line 2: columns 7 and 8 \(x, 11\) are no thick part"):
        _ = read_bed(path).places


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
    sites = table(tmp_path, f"{HEADER}{tenth}\n{NARROW}{value}\n")
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
    sites = read_site_table(path, BIG)
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
    sites = read_site_table(path, BIG)
    assert sites.columns[0].name == "d"
    assert sites.centre.tolist() == [6]


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


def test_many_sites_are_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "many.bed"
    path.write_text("".join(f"{NARROW}{at % 100}\n" for at in range(100_000)))
    began = time.process_time()
    sites = read_site_table(path, BIG)
    assert time.process_time() - began < 3
    assert (sites.centre == 100 + np.arange(100_000) % 100).all()


# ---- Start sites: the first transcribed base, whatever stands in the score column.

GENOME = ChromSizes({"chrI": 1000, "chrII": 500})
GENES = (
    "# genes\n"
    "chrI\t100\t400\tG1\tclass A\t+\n"
    "chrI\t150\t300\tG2\t0\t-\textra\n"
    "chrII\t7\t8\tG3\t03_TFO\t-\n"
    "chrI\t100\t200\tG4\t.\t+\n"
)


def genes(folder, text, name="genes.bed"):
    path = folder / name
    path.write_text(text)
    return path


def test_start_sites_by_strand(tmp_path):
    found = read_tss(genes(tmp_path, GENES), GENOME)
    assert len(found) == 4
    assert found.contigs == ("chrI", "chrII")
    assert found.contig.tolist() == [0, 0, 1, 0]
    assert found.position.tolist() == [100, 299, 7, 100]
    assert found.forward.tolist() == [True, False, False, True]
    assert found.on("chrI", forward=True).tolist() == [100]
    assert found.on("chrI", forward=False).tolist() == [299]
    assert found.on("chrII", forward=True).tolist() == []
    assert found.on("chrIII", forward=True).tolist() == []


def test_gzip(tmp_path):
    path = tmp_path / "genes.bed.gz"
    path.write_bytes(gzip.compress(GENES.encode()))
    assert read_tss(path).position.tolist() == [100, 299, 7, 100]


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("chrI\t1\t2\tG", FormatError, r"genes.bed line 2 has 4 tab-separated columns; .*needs 6"),
        ("chrI 1 2 G 0 +", FormatError, "line 2 has 1 tab-separated column; "),
        ("chrI\t1\t2\tG\t0\t.", FormatError, r"line 2: column 6 is '\.', but a start site needs"),
        ("chrI\t1\t2\tG\t0\tx", FormatError, "line 2: column 6 is 'x', not a strand"),
    ],
)
def test_a_line_that_cannot_be_used(tmp_path, line, error, message):
    path = genes(tmp_path, "chrI\t1\t2\tG\t0\t+\n" + line + "\n")
    with pytest.raises(error, match=message):
        read_tss(path, GENOME)


def test_no_gene_and_no_file(tmp_path):
    with pytest.raises(InputError, match="genes.bed is empty: it holds no gene"):
        read_tss(genes(tmp_path, "# nothing\n"))
    with pytest.raises(InputError, match="cannot read"):
        read_tss(tmp_path / "none.bed")


def test_yeast(shared_yeast):
    found = read_tss(shared_yeast / "tss.bed")
    assert len(found) == 5378
    assert found.forward.sum() == 2692


def test_rows_on_other_contigs_are_left_out_and_told_when_asked(tmp_path):
    path = tmp_path / "a.bed"
    path.write_text("chrUn\t1\t5\tx\nchr2\t3\t9\ty\nchrX\t1\t2\tz\nchr1\t2\t4\tw\nchrUn\t2\t6\tv\n")
    sizes = ChromSizes({"chr1": 100, "chr2": 50}, "g.fa")
    with pytest.raises(ContigError, match="'chrUn', 'chrX' not in g.fa"):
        read_bed(path, sizes)
    told = []
    sizes.leave_out_others(told.append)
    found = read_bed(path, sizes)
    assert [(*_place(record.interval), record.name) for record in found] == [
        ("chr2", 3, 9, "y"),
        ("chr1", 2, 4, "w"),
    ]
    assert found.contigs == ("chr2", "chr1")
    assert told == [f"{path}: 3 rows on 2 contigs that g.fa lacks left out (chrUn, chrX)"]
    path.write_text("1\t1\t5\n")
    with pytest.raises(ContigError, match=r"g\.fa has 'chr1'"):
        read_bed(path, sizes)


def _place(interval: Interval) -> tuple[str, int, int]:
    return interval.chrom, interval.start, interval.end

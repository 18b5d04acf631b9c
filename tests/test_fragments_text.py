"""Fragment files and BEDPE: values, columns, compression, and bad lines by number."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pysam
import pytest
from fragment_files import PLAIN, SIZES, Pair, write_bedpe
from hypothesis import given, settings
from hypothesis import strategies as st

from chromputer_tracks.errors import BoundsError, ContigError, FormatError, InputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io import fragments as reasons
from chromputer_tracks.io.fragment_convert import convert_fragments
from chromputer_tracks.io.fragments import FragmentOptions, open_fragments

DEFAULT = FragmentOptions()
BEDPE_ROW = "chr1\t1\t20\tchr1\t30\t90\n"
BEDPE_PAST = "chr1\t1\t20\tchr1\t30\t3001\n"


def read(path: Path, options=DEFAULT, sizes: ChromSizes | None = SIZES):
    """(contig, start, end, barcode, count) rows in file order."""
    reader = open_fragments(path, sizes, options, barcodes=True)
    rows = []
    for batch in reader.batches():
        for i in range(len(batch)):
            barcode = None if batch.barcodes is None else reader.barcode_names[batch.barcodes[i]]
            count = None if batch.counts is None else int(batch.counts[i])
            contig = reader.names[batch.contigs[i]]
            rows.append((contig, int(batch.starts[i]), int(batch.ends[i]), barcode, count))
    return rows


def store(path: Path, text: str, packing: str) -> Path:
    if packing == "plain":
        path.write_text(text)
    elif packing == "gzip":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        with pysam.BGZFile(str(path), "wb", None) as file:
            file.write(text.encode())
    return path


row = st.tuples(
    st.sampled_from(["chr1", "chr2", "chrUn"]),
    st.integers(0, 400),
    st.integers(1, 100),
    st.sampled_from(["AAAC-1", "GGGT-1", "bulk", "."]),
    st.integers(1, 9),
)


@settings(max_examples=80)
@given(
    rows=st.lists(row, min_size=1, max_size=30),
    columns=st.integers(3, 5),
    packing=st.sampled_from(["plain", "gzip", "bgzip"]),
    header=st.sampled_from(["", "# id=x\n# description=\ty\n"]),
    last_newline=st.booleans(),
)
def test_round_trip(tmp_path_factory, rows, columns, packing, header, last_newline):
    lines = ["\t".join(map(str, [c, s, s + n, b, k][:columns])) for c, s, n, b, k in rows]
    text = header + "\n".join(lines) + "\n" * last_newline
    path = store(tmp_path_factory.mktemp("text") / "a.tsv.gz", text, packing)
    expected = [
        (c, s, s + n, b if columns > 3 else None, k if columns > 4 else None)
        for c, s, n, b, k in rows
    ]
    assert read(path) == expected


def test_shift_only_when_asked(tmp_path):
    path = store(tmp_path / "a.tsv", "chr1\t10\t60\nchr1\t10\t19\n", "plain")
    assert [r[1:3] for r in read(path)] == [(10, 60), (10, 19)]
    reader = open_fragments(path, SIZES, FragmentOptions(tn5_shift=True))
    assert [(b.starts.tolist(), b.ends.tolist()) for b in reader.batches()] == [([14], [55])]
    assert reader.removed == {reasons.TOO_SHORT: 1}


def test_excluded_contigs_need_not_be_known(tmp_path):
    path = store(tmp_path / "a.tsv", "chr1\t10\t60\nother\t10\t90000\n", "plain")
    with pytest.raises(ContigError, match=r"a\.tsv: 'other' not in g\.fa.*--exclude-contig"):
        read(path)
    assert read(path, FragmentOptions(exclude=("other",))) == [("chr1", 10, 60, None, None)]
    assert len(read(path, sizes=None)) == 2


def test_many_batches_equal_a_plain_loop(tmp_path):
    rows = [(f"chr{1 + i % 2}", i % 900, i % 900 + 40, f"b{i % 77}") for i in range(500_000)]
    text = "".join(f"{c}\t{s}\t{e}\t{b}\t1\n" for c, s, e, b in rows)
    path = store(tmp_path / "a.tsv.gz", text, "bgzip")
    reader = open_fragments(path, SIZES, barcodes=True)
    spans, batches = [], 0
    for batch in reader.batches():
        batches += 1
        spans += zip(
            [reader.names[c] for c in batch.contigs],
            batch.starts.tolist(),
            batch.ends.tolist(),
            [reader.barcode_names[b] for b in batch.barcodes],
            strict=True,
        )
    assert batches > 1
    assert spans == rows


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        ("chr1\t5", FormatError, "line 3 has 2 columns, but the first line has 5"),
        ("chr1\t5\t9", FormatError, "line 3 has 3 columns"),
        ("chr1\t5\t9\tb\t1\tx", FormatError, "line 3 has 6 columns"),
        ("chr1\tfive\t9\tb\t1", FormatError, "line 3: column 2 is 'five', not an integer"),
        ("chr1\t5\t9.5\tb\t1", FormatError, r"line 3: column 3 is '9\.5', not an integer"),
        ("chr1\t5\t\tb\t1", FormatError, "line 3: column 3 is ''"),
        ("chr1\t5\t99999999999\tb\t1", FormatError, "line 3: column 3 is '99999999999'"),
        ("chr1\t5\t9\tb\tmany", FormatError, "line 3: column 5 is 'many'"),
        ("chr1\t5\t9\tb\t0", FormatError, "line 3: column 5 is '0'; it counts read pairs"),
        ("chr1\t-5\t9\tb\t1", BoundsError, r"line 3: columns 2 and 3 \(-5, 9\) start before 0"),
        (
            "chr1\t9\t9\tb\t1",
            FormatError,
            r"line 3: .* 2 and 3 \(9, 9\) are empty or reversed",
        ),
        (
            "chr1\t9\t5\tb\t1",
            FormatError,
            r"line 3: .* 2 and 3 \(9, 5\) are empty or reversed",
        ),
        (".\t5\t9\tb\t1", FormatError, r"line 3: the contig is '\.'"),
        ("\t5\t9\tb\t1", FormatError, "line 3: the contig is ''"),
        (
            "chr2\t1990\t2001\tb\t1",
            BoundsError,
            r"line 3: columns 2 and 3 \(1990, 2001\) end past chr2 \(2,000 bp in g\.fa\)",
        ),
    ],
)
@pytest.mark.parametrize("packing", ["plain", "gzip", "bgzip"])
def test_bad_line(tmp_path, line, kind, message, packing):
    text = f"# head\nchr1\t1\t2000\tb\t1\n{line}\nchr1\tworse\n"
    with pytest.raises(kind, match=message):
        read(store(tmp_path / "a.tsv.gz", text, packing))


def test_bad_line_far_in(tmp_path):
    text = "chr1\t1\t20\n" * 700_000 + "# remark\nchr1\t30\t30\n" + "chr1\t1\t20\n"
    path = store(tmp_path / "a.tsv.gz", text, "gzip")
    with pytest.raises(FormatError, match=r"line 700002: .* 2 and 3 \(30, 30\) are empty"):
        read(path)


@pytest.mark.parametrize(
    ("good", "row"), [("chr1\t1\t20\n", "chr1\t30\t3001\n"), (BEDPE_ROW, BEDPE_PAST)]
)
def test_a_few_rows_past_the_contigs_end_are_left_out_and_more_are_an_error(tmp_path, good, row):
    path = store(tmp_path / "a.tsv", good * 99 + row, "plain")
    reader = open_fragments(path, SIZES, PLAIN)
    assert sum(map(len, reader.batches())) == 99
    assert +reader.removed == {reasons.PAST_END: 1}
    path = store(tmp_path / "b.tsv", good * 98 + row, "plain")
    with pytest.raises(BoundsError, match=r"line 99: columns .* end past chr1 .* same assembly"):
        read(path)


def test_contigs_that_the_fasta_lacks_are_left_out_when_asked(tmp_path):
    others = "".join(f"KI270{n}.1\t1\t90\n" for n in range(700, 739))
    path = store(tmp_path / "a.tsv", "chr1\t1\t20\n" + others, "plain")
    with pytest.raises(ContigError, match=r"KI270700\.1.* and 36 more .*--only-fasta-contigs"):
        read(path)
    options = FragmentOptions(only_fasta_contigs=True)
    reader = open_fragments(path, SIZES, options)
    assert sum(map(len, reader.batches())) == 1
    assert +reader.removed == {reasons.LACKING: 39}
    none = store(tmp_path / "b.tsv", others.replace("KI270700.1", "1"), "plain")
    with pytest.raises(ContigError, match=r"not in g\.fa; g\.fa has 'chr1'"):
        list(open_fragments(none, SIZES, options).batches())


def test_read_pairs_are_summed_in_64_bits(tmp_path):
    path = store(tmp_path / "a.tsv", "chr1\t5\t90\tb\t2000000000\n" * 2, "plain")
    convert_fragments(path, tmp_path / "b.tsv.gz", SIZES, PLAIN)
    text = gzip.decompress((tmp_path / "b.tsv.gz").read_bytes()).decode()
    assert text == "chr1\t5\t90\tb\t4000000000\n"


def test_the_interpreter_ends_after_a_refused_or_abandoned_file(tmp_path):
    good = store(tmp_path / "good.tsv", "chr1\t1\t20\n" * 2_000_000, "plain")
    bad = store(tmp_path / "bad.tsv", "chr1\t1\tx\n" + "chr1\t1\t20\n" * 2_000_000, "plain")
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from chromputer_tracks.errors import FormatError\n"
        "from chromputer_tracks.io.fragments import open_fragments\n"
        "rows = open_fragments(Path(sys.argv[1])).batches()\n"
        "next(rows)\n"
        "try:\n"
        "    next(open_fragments(Path(sys.argv[2])).batches())\n"
        "except FormatError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", script, str(good), str(bad)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "line 1: column 3 is 'x'" in done.stdout


@pytest.mark.parametrize("text", ["", "# only\n# remarks\n", "\n\n"])
@pytest.mark.parametrize("packing", ["plain", "gzip", "bgzip"])
def test_empty(tmp_path, text, packing):
    with pytest.raises(InputError, match="holds no fragments"):
        read(store(tmp_path / "a.tsv.gz", text, packing))


def test_columns_that_are_no_fragments(tmp_path):
    with pytest.raises(FormatError, match="line 1 has 1 tab-separated columns"):
        read(store(tmp_path / "a", "chr1 5 9\n", "plain"))
    with pytest.raises(FormatError, match=r"line 1: column 5 is '0', .*|column 6 is '\+'"):
        read(store(tmp_path / "a", "chr1\t5\t9\tname\t0\t+\n", "plain"))


def test_truncated(tmp_path):
    text = "".join(f"chr1\t{i % 900}\t{i % 900 + 40}\n" for i in range(200_000))
    for packing in ("gzip", "bgzip"):
        path = store(tmp_path / "a.tsv.gz", text, packing)
        data = path.read_bytes()
        for cut in (len(data) // 2, len(data) - 5, 200):
            path.write_bytes(data[:cut])
            with pytest.raises(FormatError, match="truncated"):
                read(path)
    path = store(tmp_path / "a.tsv.gz", text, "gzip")
    damaged = bytearray(path.read_bytes())
    damaged[-6] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(FormatError, match="damaged"):
        read(path)


def test_bedpe(tmp_path):
    path = write_bedpe(tmp_path / "a.bedpe", [Pair("chr1", 10, 100), Pair("chr2", 5, 20)])
    with path.open("a") as file:
        file.write("chr1\t5\t25\tchr2\t50\t70\tr\t60\t+\t-\n")
        file.write(".\t-1\t-1\tchr2\t50\t70\tr\t60\t+\t-\n")
        file.write(".\t-1\t-1\t.\t-1\t-1\tr\t60\t.\t.\n")
    reader = open_fragments(path, SIZES)
    (batch,) = reader.batches()
    assert [reader.names[c] for c in batch.contigs] == ["chr1", "chr2"]
    assert batch.starts.tolist() == [10, 5]
    assert batch.ends.tolist() == [110, 25]
    assert reader.removed == {reasons.IMPROPER: 3}


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        ("chr1\t5\t9\tchr1\t5\tx", FormatError, "line 2: column 6 is 'x'"),
        ("chr1\t5\t9\tchr1\t9\t9", FormatError, r"line 2: columns 5 and 6 \(9, 9\) are empty"),
        (
            "chr1\t-5\t9\tchr1\t5\t9",
            BoundsError,
            r"line 2: .* 2 and 3 \(-5, 9\) start before 0",
        ),
        (
            "chr1\t5\t9\tchr1\t2990\t3001",
            BoundsError,
            r"line 2: .* 5 and 6 \(2990, 3001\) end past chr1",
        ),
        ("chr1\t5\t9", FormatError, "line 2 has 3 columns, but the first line has 6"),
    ],
)
def test_bad_bedpe(tmp_path, line, kind, message):
    with pytest.raises(kind, match=message):
        read(store(tmp_path / "a", f"chr1\t5\t9\tchr1\t7\t12\n{line}\n", "plain"))


def test_bed6_is_told_what_it_was_taken_for(tmp_path):
    path = tmp_path / "a.bed"
    path.write_text("chr1\t5\t90\tN\t1000\t+\n")
    with pytest.raises(FormatError, match=r"line 1: column 6 is '\+', not an integer \(6 or more"):
        list(open_fragments(path, SIZES).batches())


def test_bedpe_of_no_pairs(tmp_path):
    path = store(tmp_path / "a", "chr1\t5\t9\tchr2\t7\t12\n.\t-1\t-1\t.\t-1\t-1\n", "plain")
    with pytest.raises(InputError, match=r"holds no fragments to keep \(2 unpaired or improper"):
        read(path)


def test_real_file(shared_yeast):
    rows = read(shared_yeast / "mnase_henikoff2011.fragments.tsv.gz", sizes=None)
    assert len(rows) == 400_000
    assert rows[0] == ("chrI", 1, 116, "bulk", 1)

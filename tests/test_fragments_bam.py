"""Fragments of BAM files of known pairs, in every order, and refusals."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from pathlib import Path

import pysam
import pytest
from fragment_files import (
    CONTIGS,
    PLAIN,
    READ,
    SIZES,
    Pair,
    random_pairs,
    record,
    write_bam,
    write_pairs,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from chromputer_tracks.errors import ContigError, FormatError, InputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io import fragments as reasons
from chromputer_tracks.io.fragments import FragmentOptions, open_fragments


def read(path: Path, options: FragmentOptions = PLAIN, sizes: ChromSizes | None = SIZES):
    """(contig, start, end) rows in file order, and the counts removed."""
    reader = open_fragments(path, sizes, options)
    rows = [
        (reader.names[code], start, end)
        for batch in reader.batches()
        for code, start, end in zip(
            batch.contigs.tolist(), batch.starts.tolist(), batch.ends.tolist(), strict=True
        )
    ]
    assert reader.kept == len(rows)
    return rows, +reader.removed


pairs_of = st.builds(
    Pair,
    chrom=st.sampled_from(list(CONTIGS)),
    start=st.integers(0, 100),
    length=st.integers(READ, 300),
    mapq=st.sampled_from([0, 29, 30, 60, 255]),
    mate_mapq=st.sampled_from([0, 29, 30, 60, 255]),
    duplicate=st.booleans(),
    qc_fail=st.booleans(),
    proper=st.booleans(),
)


def oracle(pairs: list[Pair], options: FragmentOptions, *, tags: bool):
    kept, removed = [], Counter()
    for pair in pairs:
        low = pair.mapq < options.min_mapq or (tags and pair.mate_mapq < options.min_mapq)
        if not pair.proper:
            removed[reasons.IMPROPER] += 1
        elif pair.chrom in options.exclude:
            removed[reasons.EXCLUDED] += 1
        elif pair.qc_fail:
            removed[reasons.FAILED] += 1
        elif pair.duplicate and options.drop_duplicates:
            removed[reasons.FLAGGED] += 1
        elif low:
            removed[reasons.LOW_MAPQ] += 1
        elif options.tn5_shift is not False:
            kept.append((pair.chrom, pair.start + 4, pair.start + pair.length - 5))
        else:
            kept.append((pair.chrom, pair.start, pair.start + pair.length))
    return kept, removed


@settings(max_examples=80)
@given(
    pairs=st.lists(pairs_of, min_size=1, max_size=25),
    tags=st.booleans(),
    options=st.builds(
        FragmentOptions,
        min_mapq=st.sampled_from([0, 30]),
        drop_duplicates=st.booleans(),
        exclude=st.sampled_from([(), ("chrUn",), ("chr1", "chrUn")]),
        tn5_shift=st.sampled_from([None, True, False]),
    ),
)
def test_filters_against_the_pairs_themselves(tmp_path_factory, pairs, tags, options):
    # Where both mates start together and no tag tells the mate's quality, read 1 decides: it is
    # the one that these files give the pair's ``mapq``.
    path = write_pairs(tmp_path_factory.mktemp("bam") / "a.bam", pairs, tags=tags)
    kept, removed = oracle(pairs, options, tags=tags)
    if not kept:
        with pytest.raises(InputError, match="holds no fragments"):
            read(path, options)
        return
    assert read(path, options) == (kept, removed)


@pytest.fixture(scope="module")
def many() -> list[Pair]:
    return random_pairs(3, 2_000, 350)


@pytest.mark.parametrize("order", ["as aligned", "shuffled", "coordinate", "name"])
def test_any_order(tmp_path, many, order):
    path = write_pairs(tmp_path / "a.bam", many)
    if order == "shuffled":
        with pysam.AlignmentFile(str(path), "rb") as file:
            reads = list(file)
        random.Random(4).shuffle(reads)
        path = write_bam(tmp_path / "b.bam", lambda _: reads)
    elif order != "as aligned":
        flags = ["-n"] if order == "name" else []
        pysam.sort(*flags, "-o", str(tmp_path / "b.bam"), str(path))
        path = tmp_path / "b.bam"
    rows, removed = read(path)
    assert Counter(rows) == Counter((p.chrom, p.start, p.start + p.length) for p in many)
    assert not removed


@pytest.mark.parametrize("signs", [(1, -1), (-1, 1), (1, 1), (-1, -1)])
@pytest.mark.parametrize("flags", [(0x63, 0x93), (0x53, 0xA3)])
def test_mates_with_one_start_count_once(tmp_path, signs, flags):
    path = write_bam(
        tmp_path / "a.bam",
        lambda h: [
            record(h, "r", flag, "chr1", 40, 40, sign * READ)
            for flag, sign in zip(flags, signs, strict=True)
        ],
    )
    assert read(path) == ([("chr1", 40, 40 + READ)], {})


def test_mates_past_each_other_in_both_conventions_of_tlen(tmp_path):
    # The reverse mate starts 3 bp before the forward one and ends 3 bp before it.
    bwa = write_bam(
        tmp_path / "five_prime.bam",
        lambda h: [
            record(h, "r", 0x63, "chr1", 103, 100, READ - 3),
            record(h, "r", 0x93, "chr1", 100, 103, -(READ - 3)),
        ],
    )
    assert read(bwa)[0] == [("chr1", 103, 100 + READ)]
    outermost = write_bam(
        tmp_path / "outermost.bam",
        lambda h: [
            record(h, "r", 0x63, "chr1", 103, 100, -(READ + 3)),
            record(h, "r", 0x93, "chr1", 100, 103, READ + 3),
        ],
    )
    assert read(outermost)[0] == [("chr1", 100, 103 + READ)]


def test_template_past_the_end_and_too_short_for_the_shift(tmp_path):
    path = write_bam(
        tmp_path / "a.bam",
        lambda h: [
            record(h, "past", 0x63, "chrUn", 400, 481, 101),
            record(h, "fits", 0x63, "chrUn", 400, 480, 100),
            record(h, "nine", 0x63, "chrUn", 10, 12, 9),
            record(h, "ten", 0x63, "chrUn", 10, 12, 10),
            record(h, "none", 0x63, "chrUn", 10, 12, 0),
        ],
    )
    rows, removed = read(path, FragmentOptions())
    assert rows == [("chrUn", 404, 495), ("chrUn", 14, 15)]
    assert removed == {reasons.PAST_END: 1, reasons.TOO_SHORT: 1, reasons.IMPROPER: 1}


@pytest.mark.parametrize("lost", ["contig", "position"])
def test_a_pair_that_lost_its_place_is_unmapped_whatever_its_flag(tmp_path, lost):
    """As tools leave it that drop contigs; samtools reads it."""

    def records(header):
        gone = record(header, "gone", 0x63, "chr1", -1, 200, 120)
        if lost == "contig":
            gone.reference_id = -1
        return [record(header, "kept", 0x63, "chr1", 100, 170, 120), gone]

    rows, removed = read(write_bam(tmp_path / "a.bam", records))
    assert rows == [("chr1", 100, 220)]
    assert removed == {reasons.IMPROPER: 1}


SQ = "".join(f"@SQ\tSN:{name}\tLN:{size}\n" for name, size in CONTIGS.items())
ODD_HEADERS = {
    "empty VN": SQ + "@PG\tID:samtools.1\tPN:samtools\tVN:\tCL:samtools sort\n",
    "empty PM": SQ + "@RG\tID:a\tPM:\tSM:s\n",
    "tabs in CL": SQ + "@PG\tID:bwa\tCL:bwa mem -R @RG\tID:l1\tSM:s1 ref.fa\n",
    "DS twice": SQ + "@RG\tID:a\tDS:x\tDS:y\n",
    "PG twice": SQ + "@PG\tID:bwa\n@PG\tID:bwa\n",
    "HD behind SQ": SQ + "@HD\tVN:1.6\n",
    "tab at the end": SQ.replace("\n", "\t\n"),
    "own record": SQ + "@xx\tAA:b\n",
    "no text": "",
    "long": SQ + "@CO\t" + "x" * 200_000 + "\n@RG\tID:a\tPM:\n",
    "latin-1": SQ + "@CO\t\xe9\n",
}


def with_header(path: Path, source: Path, text: str) -> Path:
    """The BAM with another text in its header, in blocks of odd sizes."""
    data = gzip.decompress(source.read_bytes())
    old = int.from_bytes(data[4:8], "little")
    words = text.encode("latin-1")
    data = data[:4] + len(words).to_bytes(4, "little") + words + data[8 + old :]
    with pysam.BGZFile(str(path), "wb") as file:
        for at in range(0, len(data), 7_001):
            file.write(data[at : at + 7_001])
            file.flush()
    return path


@pytest.mark.parametrize("text", ODD_HEADERS.values(), ids=ODD_HEADERS)
def test_headers_that_samtools_reads(tmp_path, many, text):
    source = write_pairs(tmp_path / "a.bam", many, tags=True)
    path = with_header(tmp_path / "b.bam", source, text)
    options = FragmentOptions(min_mapq=30)
    assert read(path, options) == read(source, options)


@pytest.mark.parametrize("cut", [10, 30, 60, 90])
def test_a_header_that_is_cut_is_told(tmp_path, many, cut):
    source = write_pairs(tmp_path / "a.bam", many)
    path = tmp_path / "b.bam"
    path.write_bytes(with_header(path, source, ODD_HEADERS["long"]).read_bytes()[:cut])
    with pytest.raises(FormatError, match="cut off|header") as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(("tag", "value"), [("f", 60.0), ("A", "x"), ("Z", "60")])
def test_a_mate_quality_of_another_type_is_no_mate_quality(tmp_path, tag, value):
    def change(source: Path, path: Path, rows: slice) -> Path:
        with pysam.AlignmentFile(source) as old, pysam.AlignmentFile(path, "wb", old) as new:
            records = list(old)
            for row in records[rows]:
                row.set_tag("MQ", value, tag)
            for row in records:
                new.write(row)
        return path

    pairs = [Pair("chr1", 5 * i, 200) for i in range(40)]
    source = write_pairs(tmp_path / "a.bam", pairs, tags=True)
    options = FragmentOptions(min_mapq=30)
    assert read(change(source, tmp_path / "b.bam", slice(None)), options) == read(source, options)


def test_single_end(tmp_path):
    path = write_bam(
        tmp_path / "a.bam",
        lambda h: [record(h, f"r{i}", 0x10, "chr1", i, -1, 0) for i in range(5)],
    )
    with pytest.raises(InputError, match="holds 5 reads, none of them paired"):
        read(path)


def test_nothing_in_it_and_nothing_left(tmp_path):
    empty = write_bam(tmp_path / "e.bam", lambda _: [])
    with pytest.raises(InputError, match=r"e\.bam holds no fragments$"):
        read(empty)
    path = write_pairs(tmp_path / "a.bam", [Pair("chr1", 1, 50, mapq=3)] * 2)
    with pytest.raises(InputError, match=r"holds no fragments to keep \(2 low mapping quality\)"):
        read(path, FragmentOptions())


def test_truncated_and_damaged(tmp_path, many):
    path = write_pairs(tmp_path / "a.bam", many)
    data = path.read_bytes()
    path.write_bytes(data[:-28])
    with pytest.raises(FormatError, match=r"a\.bam is truncated: its end-of-file block"):
        read(path)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError, match="truncated"):
        read(path)
    # Cut in the middle, with an end-of-file block put back.
    path.write_bytes(data[: len(data) // 2] + data[-28:])
    with pytest.raises(FormatError, match="truncated or damaged after record"):
        read(path)
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(FormatError, match="truncated or damaged after record"):
        read(path)


def test_other_formats(tmp_path):
    path = tmp_path / "a.bam"
    path.write_bytes(b"BAM\x01 not compressed")
    with pytest.raises(FormatError, match="is not a BAM"):
        read(path)
    path.write_bytes(gzip.compress(b"BAM\x01"))
    with pytest.raises(FormatError, match="packed with gzip, not bgzip"):
        read(path)
    path.write_bytes(b"CRAM\x03\x00")
    with pytest.raises(InputError, match="is CRAM, which is not read; convert it with: samtools"):
        read(path)
    path.write_bytes(b"@HD\tVN:1.6\n")
    with pytest.raises(InputError, match="is SAM text; convert it with: samtools view -b"):
        read(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        read(path)
    with pytest.raises(InputError, match=r"cannot read .*none\.bam: No such file"):
        read(tmp_path / "none.bam")


def test_contigs_are_checked_only_where_fragments_are_kept(tmp_path):
    path = write_pairs(
        tmp_path / "a.bam", [Pair("chr1", 1, 50), Pair("chrUn", 1, 50), Pair("chr2", 5, 60)]
    )
    known = ChromSizes({"chr2": 2_000, "chr1": 3_000}, "g.fa")
    with pytest.raises(ContigError, match=r"'chrUn' not in g\.fa.*--exclude-contig"):
        read(path, PLAIN, known)
    without = FragmentOptions(min_mapq=0, tn5_shift=False, exclude=("chrUn",))
    assert read(path, without, known) == (
        [("chr1", 1, 51), ("chr2", 5, 65)],
        {reasons.EXCLUDED: 1},
    )
    with pytest.raises(ContigError, match=r"chr1 is 3,000 bp, but 3,001 bp in g\.fa"):
        read(path, without, ChromSizes({"chr1": 3_001, "chr2": 2_000}, "g.fa"))
    bare = ChromSizes({"1": 3_000, "2": 2_000}, "g.fa")
    with pytest.raises(ContigError, match=r"g\.fa has '1': rename .* of the two files$"):
        read(path, without, bare)


def test_real_bam_against_a_pysam_loop(shared_yeast):
    path = shared_yeast / "atac_SRR1822137.bam"
    spans, crossed = Counter(), 0
    with pysam.AlignmentFile(str(path)) as file:
        for r in file:
            if r.is_proper_pair and r.template_length > 0:
                spans[r.reference_name, r.reference_start, r.template_length] += 1
                crossed += r.next_reference_start < r.reference_start
    rows, removed = read(path, PLAIN, None)
    assert Counter((c, s, e - s) for c, s, e in rows) == spans
    assert len(rows) == 467_908
    assert removed == {reasons.IMPROPER: 500_000 - 467_908}
    assert crossed == 10_496


def test_real_bam_against_its_fragment_file(shared_yeast):
    """The fragment file starts each pair at its leftmost base and adds |TLEN|.

    bwa's TLEN runs from 5' end to 5' end. For the 10,496 pairs whose reverse mate starts before
    the forward one, the file's fragments are therefore moved left; all others must be equal.
    """
    ours, theirs = Counter(), {}
    with pysam.AlignmentFile(str(shared_yeast / "atac_SRR1822137.bam")) as file:
        moved = Counter()
        for r in file:
            if r.is_proper_pair and r.template_length > 0:
                left = min(r.reference_start, r.next_reference_start)
                if left != r.reference_start:
                    moved[r.reference_name, r.reference_start, r.template_length] += 1
                    moved[r.reference_name, left, r.template_length] -= 1
    for chrom, start, end in read(shared_yeast / "atac_SRR1822137.bam", PLAIN, None)[0]:
        ours[chrom, start, end - start] += 1
    with gzip.open(shared_yeast / "atac_SRR1822137.fragments.tsv.gz", "rt") as file:
        for line in file:
            chrom, start, end, _, count = line.split("\t")
            theirs[chrom, int(start), int(end) - int(start)] = int(count)
    assert len(theirs) == 414_968
    ours.subtract(moved)
    assert +ours == theirs

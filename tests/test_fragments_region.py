"""Region queries against whole-file reading and a slow pysam loop."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pysam
import pytest
from fragment_files import CONTIGS, READ, SIZES, Pair, record, write_bam, write_pairs

from chromputer_tracks.errors import BoundsError, ContigError, FileIndexError, FormatError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_convert import convert_fragments
from chromputer_tracks.io.fragment_region import read_fragments
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.fragments import FragmentOptions

OPTIONS = [
    FragmentOptions(),
    FragmentOptions(min_mapq=0, tn5_shift=False),
    FragmentOptions(drop_duplicates=False, exclude=("chr2",)),
]


@pytest.fixture(scope="module")
def sorted_bam(tmp_path_factory) -> Path:
    rng = random.Random(8)
    folder = tmp_path_factory.mktemp("region")
    pairs = [
        Pair(
            rng.choice(["chr1", "chr2"]),
            rng.randrange(1_500),
            rng.randrange(READ, 500),
            rng.choice([10, 60]),
            rng.choice([10, 60]),
            rng.random() < 0.2,
            rng.random() < 0.1,
            rng.random() < 0.9,
        )
        for _ in range(1_500)
    ]
    path = write_pairs(folder / "raw.bam", pairs + pairs[:200], tags=True)
    pysam.sort("-o", str(folder / "a.bam"), str(path))
    pysam.index(str(folder / "a.bam"))
    return folder / "a.bam"


def tuples(found) -> list[tuple[int, int]]:
    return list(zip(found.starts.tolist(), found.ends.tolist(), strict=True))


@pytest.mark.parametrize("options", OPTIONS, ids=["default", "plain", "duplicates"])
def test_equal_to_the_store(sorted_bam, tmp_path, options):
    text = tmp_path / "a.fragments.tsv.gz"
    convert_fragments(sorted_bam, text, SIZES, options)
    rng = random.Random(9)
    with (
        FragmentStore.build(sorted_bam, SIZES, options) as bam,
        FragmentStore.build(text, SIZES) as rows,
    ):
        for _ in range(150):
            start = rng.randrange(-200, 2_100)
            interval = Interval("chr1", start, start + rng.choice([1, 9, 30, 400]))
            expected = tuples(bam.fetch(interval))
            assert tuples(read_fragments(sorted_bam, interval, SIZES, options)) == expected
            if options.drop_duplicates:
                assert tuples(read_fragments(text, interval, SIZES)) == expected
                assert tuples(rows.fetch(interval)) == expected
        everything = Interval("chr2", 0, 2_000)
        found = tuples(read_fragments(sorted_bam, everything, SIZES, options))
        assert found == tuples(bam.fetch(everything))
        assert bool(found) == ("chr2" not in options.exclude)
        assert tuples(read_fragments(sorted_bam, Interval("chrUn", 0, 500), SIZES)) == []
        assert tuples(read_fragments(text, Interval("chrUn", 0, 500), SIZES)) == []


def test_a_pair_around_the_interval_and_the_longest_length(tmp_path):
    path = write_bam(
        tmp_path / "a.bam",
        lambda h: [
            record(h, "long", 0x63, "chr1", 100, 2_080, 2_000),
            record(h, "short", 0x63, "chr1", 900, 1_180, 300),
            record(h, "short", 0x93, "chr1", 1_180, 900, -300),
            record(h, "long", 0x93, "chr1", 2_080, 100, -2_000),
        ],
    )
    pysam.index(str(path))
    plain = FragmentOptions(tn5_shift=False)
    interval = Interval("chr1", 1_000, 1_001)
    assert tuples(read_fragments(path, interval, SIZES, plain)) == [(100, 2_100), (900, 1_200)]
    found = read_fragments(path, interval, SIZES, plain, max_length=1_999)
    assert tuples(found) == [(900, 1_200)]
    last = Interval("chr1", 2_099, 2_100)
    assert tuples(read_fragments(path, last, SIZES, plain, max_length=2_000)) == [(100, 2_100)]
    assert tuples(read_fragments(path, last, SIZES)) == []


def test_no_index_and_old_index(tmp_path, sorted_bam):
    path = write_bam(tmp_path / "a.bam", lambda h: [record(h, "r", 0x63, "chr1", 5, 35, 50)])
    interval = Interval("chr1", 0, 100)
    with pytest.raises(FileIndexError, match=r"no index \(\.bai or \.csi\); .*samtools sort"):
        read_fragments(path, interval, SIZES)
    pysam.index(str(path))
    stamp = path.stat().st_mtime - 60
    os.utime(path.with_name("a.bam.bai"), (stamp, stamp))
    with pytest.raises(FileIndexError, match="older than a.bam"):
        read_fragments(path, interval, SIZES)
    text = tmp_path / "a.tsv"
    text.write_text("chr1\t1\t50\n")
    with pytest.raises(FileIndexError, match=r"chromputer fragments .*a\.tsv -o SORTED"):
        read_fragments(text, interval, SIZES)
    packed = tmp_path / "b.tsv.gz"
    convert_fragments(text, packed)
    packed.with_name("b.tsv.gz.tbi").unlink()
    with pytest.raises(FileIndexError, match=r"no index \(\.tbi or \.csi\); sort and index it"):
        read_fragments(packed, interval, SIZES)


def test_contigs_and_bounds(sorted_bam, tmp_path):
    with pytest.raises(ContigError, match="chr9"):
        read_fragments(sorted_bam, Interval("chr9", 0, 5), SIZES)
    other = ChromSizes({**CONTIGS, "chr9": 50}, "g.fa")
    with pytest.raises(ContigError, match=r"header has no contig 'chr9' of g\.fa"):
        read_fragments(sorted_bam, Interval("chr9", 0, 5), other)
    small = ChromSizes({**CONTIGS, "chr1": 100}, "g.fa")
    with pytest.raises(ContigError, match="chr1 is 3,000 bp, but 100 bp"):
        read_fragments(sorted_bam, Interval("chr1", 0, 5), small)
    text = tmp_path / "a.tsv.gz"
    convert_fragments(sorted_bam, text)
    with pytest.raises(BoundsError, match=r"ends past chr1 \(100 bp in g\.fa\)"):
        read_fragments(text, Interval("chr1", 0, 100), small)


def test_bedpe_is_refused(tmp_path):
    path = tmp_path / "a.bedpe.gz"
    with pysam.BGZFile(str(path), "wb", None) as file:
        file.write(b"chr1\t5\t25\tchr1\t50\t70\n")
    pysam.tabix_index(str(path), preset="bed")
    with pytest.raises(FormatError, match="has 6 columns, a fragment file has 3 to 5"):
        read_fragments(path, Interval("chr1", 0, 100), SIZES)


def test_real_bam_against_a_pysam_loop(shared_yeast):
    path = shared_yeast / "atac_nucleoatac_19loci.bam"
    with Fasta(shared_yeast / "sacCer3.fa.gz") as fasta:
        sizes = fasta.sizes
    spans: dict[str, set[tuple[int, int]]] = {name: set() for name in sizes}
    with pysam.AlignmentFile(str(path)) as file:
        for r in file:
            left = r.template_length > 0 and r.reference_start != r.next_reference_start
            same = r.reference_start == r.next_reference_start and r.is_read1
            if r.is_proper_pair and (left or same) and r.mapping_quality >= 30:
                start, end = r.reference_start, r.reference_start + abs(r.template_length)
                spans[r.reference_name].add((start + 4, end - 5))
    rng = random.Random(10)
    for chrom in (name for name, rows in spans.items() if rows):
        for start, _ in rng.sample(sorted(spans[chrom]), 12):
            interval = Interval(chrom, start - 50, start + rng.choice([1, 100, 1_000]))
            expected = sorted(
                (s, e) for s, e in spans[chrom] if s < interval.end and e > interval.start
            )
            assert tuples(read_fragments(path, interval, sizes)) == expected


def test_real_fragment_file_against_the_store(shared_yeast):
    path = shared_yeast / "atac_SRR1822137.fragments.tsv.gz"
    with Fasta(shared_yeast / "sacCer3.fa.gz") as fasta:
        sizes = fasta.sizes
    with FragmentStore.build(path, sizes) as store:
        for start in (-100, 0, 50_000, 229_000):
            interval = Interval("chrI", start, start + 1_500)
            assert tuples(read_fragments(path, interval, sizes)) == tuples(store.fetch(interval))

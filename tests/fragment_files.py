"""Small BAM and text files of known pairs, for the fragment tests."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pysam

from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.fragments import FragmentOptions

CONTIGS = {"chr1": 3_000, "chr2": 2_000, "chrUn": 500}
SIZES = ChromSizes(CONTIGS, "g.fa")
READ = 20


@dataclass(frozen=True)
class Pair:
    """One read pair as the tests make it: what its records say."""

    chrom: str
    start: int
    length: int
    mapq: int = 60
    mate_mapq: int = 60
    duplicate: bool = False
    qc_fail: bool = False
    proper: bool = True


PLAIN = FragmentOptions(min_mapq=0, tn5_shift=False)


def random_pairs(seed: int, count: int, longest: int) -> list[Pair]:
    """Pairs near the contigs' starts, many of them equal where ``longest`` is small."""
    rng = random.Random(seed)
    return [
        Pair(rng.choice(list(CONTIGS)), rng.randrange(150), rng.randrange(READ, longest))
        for _ in range(count)
    ]


def record(
    header: pysam.AlignmentHeader,
    name: str,
    flag: int,
    chrom: str,
    start: int,
    mate: int,
    tlen: int,
    mapq: int = 60,
    mate_mapq: int | None = None,
) -> pysam.AlignedSegment:
    read = pysam.AlignedSegment(header)
    read.query_name, read.flag, read.mapping_quality = name, flag, mapq
    read.reference_id = read.next_reference_id = header.get_tid(chrom)
    read.reference_start, read.next_reference_start, read.template_length = start, mate, tlen
    read.query_sequence, read.cigarstring = "A" * READ, f"{READ}M"
    if mate_mapq is not None:
        read.set_tag("MQ", mate_mapq)
    return read


def pair_records(
    header: pysam.AlignmentHeader, name: str, pair: Pair, *, tags: bool
) -> list[pysam.AlignedSegment]:
    """The two records, and a secondary and a supplementary one that must not count."""
    extra = 0x400 * pair.duplicate + 0x200 * pair.qc_fail
    flag = 0x1 + 0x2 * pair.proper + extra
    start, right, length = pair.start, pair.start + pair.length - READ, pair.length
    left_mq, right_mq = (pair.mate_mapq, pair.mapq) if tags else (None, None)
    left_args = (pair.chrom, start, right, length, pair.mapq, left_mq)
    right_args = (pair.chrom, right, start, -length, pair.mate_mapq, right_mq)
    return [
        record(header, name, flag + 0x20 + 0x40, *left_args),
        record(header, name, flag + 0x10 + 0x80, *right_args),
        record(header, name, flag + 0x20 + 0x40 + 0x100, *left_args),
        record(header, name, flag + 0x20 + 0x40 + 0x800, *left_args),
    ]


def header_of(contigs: dict[str, int] | None = None) -> pysam.AlignmentHeader:
    contigs = CONTIGS if contigs is None else contigs
    return pysam.AlignmentHeader.from_dict(
        {"SQ": [{"SN": name, "LN": size} for name, size in contigs.items()]}
    )


def write_bam(
    path: Path,
    records: Callable[[pysam.AlignmentHeader], Iterable[pysam.AlignedSegment]],
    contigs: dict[str, int] | None = None,
) -> Path:
    header = header_of(contigs)
    with pysam.AlignmentFile(str(path), "wb", header=header) as file:
        for read in records(header):
            file.write(read)
    return path


def write_pairs(path: Path, pairs: list[Pair], *, tags: bool = False) -> Path:
    """A BAM of the pairs, each pair's records together, as an aligner leaves it."""
    return write_bam(
        path,
        lambda header: [
            read
            for number, pair in enumerate(pairs)
            for read in pair_records(header, f"r{number}", pair, tags=tags)
        ],
    )


def write_bedpe(path: Path, pairs: list[Pair]) -> Path:
    path.write_text(
        "".join(
            f"{p.chrom}\t{p.start + p.length - READ}\t{p.start + p.length}\t{p.chrom}\t{p.start}\t"
            f"{p.start + READ}\tr\t60\t-\t+\n"
            for p in pairs
        )
    )
    return path


def open_in(folder: Path) -> int:
    """How many files without a name this process has open in a folder."""
    links = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the folder's own is closed again
            links.append(str(link.readlink()))
    return sum(link.startswith(f"{folder}/") and link.endswith(" (deleted)") for link in links)

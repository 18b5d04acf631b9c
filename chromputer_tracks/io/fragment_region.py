"""Fragments of one region from an indexed file, without reading the rest of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pysam

from chromputer_tracks.errors import BoundsError, ContigError, FileIndexError, FormatError
from chromputer_tracks.intervals import ChromSizes, Interval, check_contigs
from chromputer_tracks.io.bgzf import check_eof_block, check_fresh, is_bgzf
from chromputer_tracks.io.fragment_batch import (
    TN5_END,
    TN5_START,
    FragmentKind,
    FragmentOptions,
    Fragments,
)
from chromputer_tracks.io.fragments import (
    DUPLICATE,
    MAPQ_MISSING,
    PAIRED,
    PLACED_PAIR,
    PROPER,
    QC_FAIL,
    READ1,
    SECONDARY,
    SUPPLEMENTARY,
    is_bam,
)
from chromputer_tracks.io.text_table import parse_int32

_DEFAULT = FragmentOptions()
_Span = tuple[int, int]


def read_fragments(
    path: Path,
    interval: Interval,
    sizes: ChromSizes,
    options: FragmentOptions = _DEFAULT,
    *,
    max_length: int = 5_000,
) -> Fragments:
    """Fragments that share at least one base with ``interval``.

    Args:
        path: coordinate-sorted BAM with a ``.bai`` or ``.csi``, or bgzipped fragment file with a
            ``.tbi`` or ``.csi``.
        interval: may leave its contig.
        sizes: the genome's contigs.
        options: which fragments to keep, as in :meth:`FragmentStore.build`.
        max_length: bp; longer fragments are left out. It bounds how far before the interval a
            BAM's pairs are looked for.

    Returns:
        the same fragments, in the same order, as :meth:`FragmentStore.fetch` gives for a file
        whose fragments are all of at most ``max_length``; none is no error.

    Raises:
        ContigError: the interval's contig is unknown, or of another length in the BAM.
        FileIndexError: there is no index, or it is older than the file.
        InputError, FormatError, BoundsError: the file cannot be read or is malformed.
    """
    path = Path(path)
    sizes.require(interval.chrom, f"region {interval}")
    kind: FragmentKind = "bam" if is_bam(path) else "fragments"
    first, last = (TN5_START, TN5_END) if options.shifts(kind) else (0, 0)
    spans: list[_Span] = []
    if interval.chrom not in options.exclude:
        # The shift makes fragments shorter at both ends: what overlaps after it overlaps before.
        reach = max_length + first - last
        found = (
            _bam_spans(path, interval, sizes, options, reach)
            if kind == "bam"
            else _text_spans(path, interval, sizes)
        )
        spans = [(start + first, end + last) for start, end in found]
    if options.drop_duplicates and kind == "bam":
        spans = list(set(spans))
    pairs = np.array(sorted(spans), dtype=np.int32).reshape(-1, 2)
    length = pairs[:, 1] - pairs[:, 0]
    hit = (pairs[:, 0] < interval.end) & (pairs[:, 1] > interval.start)
    hit &= (length > 0) & (length <= max_length)
    return Fragments(pairs[hit, 0], pairs[hit, 1])


def _index(path: Path, suffixes: tuple[str, ...], remedy: str) -> Path:
    for suffix in suffixes:
        index = path.with_name(path.name + suffix)
        if index.exists():
            check_fresh(index, path, remedy)
            return index
    raise FileIndexError(f"{path} has no index ({' or '.join(suffixes)}); {remedy}")


def _bam_spans(
    path: Path, interval: Interval, sizes: ChromSizes, options: FragmentOptions, reach: int
) -> Iterator[_Span]:
    """Spans of pairs whose deciding record starts within ``reach`` before the interval or in it."""
    check_eof_block(path)
    index = _index(
        path,
        (".bai", ".csi"),
        f"sort and index it: samtools sort -o SORTED.bam {path} && samtools index SORTED.bam",
    )
    chrom = interval.chrom
    start, end = max(interval.start - reach, 0), min(interval.end, sizes[chrom])
    try:
        with pysam.AlignmentFile(str(path), "rb", index_filename=str(index)) as file:
            if chrom not in file.references:
                raise ContigError(f"{path}: its header has no contig {chrom!r} of {sizes.source}")
            check_contigs({chrom: file.get_reference_length(chrom)}, str(path), sizes)
            if start < end:
                for record in file.fetch(chrom, start, end):
                    span = _pair_span(record, options)
                    if span is not None and span[1] <= sizes[chrom]:
                        yield span
    except (OSError, ValueError) as error:
        raise FormatError(f"cannot read {interval} of {path}: {error}") from error


def _pair_span(record: pysam.AlignedSegment, options: FragmentOptions) -> _Span | None:
    """The fragment, before the shift, if this record decides its pair's and passes the filters."""
    flag, length = record.flag, record.template_length
    first_read = bool(flag & READ1)
    same = record.reference_start == record.next_reference_start
    refused = SECONDARY | SUPPLEMENTARY | QC_FAIL
    if options.drop_duplicates:
        refused |= DUPLICATE
    if flag & refused or flag & PLACED_PAIR != PAIRED | PROPER or length == 0:
        return None
    if not (first_read if same else length > 0):
        return None
    if options.min_mapq:
        mate = record.get_tag("MQ") if record.has_tag("MQ") else MAPQ_MISSING
        if record.mapping_quality < options.min_mapq or int(mate) < options.min_mapq:
            return None
    return record.reference_start, record.reference_start + abs(length)


def _text_spans(path: Path, interval: Interval, sizes: ChromSizes) -> Iterator[_Span]:
    """Spans of the rows of a fragment file that overlap the interval."""
    remedy = f"sort and index it: chromputer fragments {path} -o SORTED.fragments.tsv.gz"
    if not is_bgzf(path):
        raise FileIndexError(f"{path} is not a bgzipped, indexed fragment file; {remedy}")
    check_eof_block(path)
    index = _index(path, (".tbi", ".csi"), remedy)
    chrom = interval.chrom
    start, end = max(interval.start, 0), min(interval.end, sizes[chrom])
    try:
        with pysam.TabixFile(str(path), index=str(index)) as file:
            if start < end and chrom in file.contigs:
                for row in file.fetch(chrom, start, end):
                    yield _row_span(path, row, sizes)
    except (OSError, ValueError) as error:
        raise FormatError(f"cannot read {interval} of {path}: {error}") from error


def _row_span(path: Path, row: str, sizes: ChromSizes) -> _Span:
    fields = row.split("\t")
    if not 3 <= len(fields) <= 5:
        raise FormatError(
            f"{path}: {row!r} has {len(fields)} columns, a fragment file has 3 to 5; {path.name} "
            "cannot be read by region"
        )
    start, end = parse_int32(fields[1]), parse_int32(fields[2])
    if start is None or end is None or end <= start:
        raise FormatError(f"{path}: {row!r} is no fragment: start and end must be ascending")
    if end > sizes[fields[0]]:
        raise BoundsError(
            f"{path}: {row!r} ends past {fields[0]} ({sizes[fields[0]]:,} bp in {sizes.source})"
        )
    return start, end

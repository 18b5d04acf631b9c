"""Paired-end fragments from BAM, 10x fragment files and BEDPE, told apart by content.

``open_fragments`` gives a reader that streams a file once as numpy batches, in the file's order.
Coordinates are 0-based and half-open in every format once read.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from chromputer_tracks.errors import FormatError, InputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bgzf import check_eof_block, is_bgzf, is_gzip, open_input
from chromputer_tracks.io.fragment_bam import BamReader
from chromputer_tracks.io.fragment_batch import (
    FragmentBatch,
    FragmentKind,
    FragmentOptions,
    FragmentReader,
    Fragments,
    FragmentSummary,
)
from chromputer_tracks.io.fragment_text import BedpeReader, FragmentFileReader
from chromputer_tracks.io.text_table import first_line

__all__ = [
    "FragmentBatch",
    "FragmentKind",
    "FragmentOptions",
    "FragmentReader",
    "FragmentSummary",
    "Fragments",
    "is_bam",
    "open_fragments",
]

_DEFAULT = FragmentOptions()


def is_bam(path: Path) -> bool:
    """Whether the file is a BAM.

    Raises:
        InputError: it cannot be read, is empty, or is CRAM or SAM.
        FormatError: its first block cannot be decompressed.
    """
    with open_input(path) as file:
        head = file.read(4)
    if not head:
        raise InputError(f"{path} is empty: it holds no fragments")
    if is_gzip(path):
        try:
            with gzip.open(path) as packed:
                head = packed.read(4)
        except (EOFError, OSError, zlib.error) as error:
            raise FormatError(f"{path} is truncated or damaged: {error}") from error
        if head == b"BAM\x01" and not is_bgzf(path):
            raise FormatError(f"{path} is a BAM packed with gzip, not bgzip; write it again")
        return head == b"BAM\x01"
    if head == b"CRAM":
        raise InputError(
            f"{path} is CRAM, which is not read; convert it with: "
            f"samtools view -b -T GENOME.fa -o {path.with_suffix('.bam').name} {path}"
        )
    if head[:3] in (b"@HD", b"@SQ", b"@RG", b"@PG", b"@CO"):
        raise InputError(
            f"{path} is SAM text; convert it with: "
            f"samtools view -b -o {path.with_suffix('.bam').name} {path}"
        )
    if path.suffix == ".bam":
        raise FormatError(f"{path} is not a BAM: it does not start with a bgzip block")
    return False


def open_fragments(
    path: Path,
    sizes: ChromSizes | None = None,
    options: FragmentOptions = _DEFAULT,
    *,
    barcodes: bool = False,
) -> FragmentReader:
    """A reader for one pass over ``path``, whose format is found by its content.

    Args:
        path: BAM in any order, fragment file (3 to 5 columns) or BEDPE (6 or more); text may be
            plain, gzip or bgzip, with ``#`` lines.
        sizes: the genome's contigs; fragments are checked against them.
        options: which fragments to keep.
        barcodes: whether batches carry barcodes where the file has them.

    Raises:
        InputError: the file cannot be read, is empty, or is of another format.
        FormatError: it is truncated, damaged, or its first line is malformed.
    """
    path = Path(path)
    if is_bam(path):
        return BamReader(path, sizes, options, barcodes=barcodes)
    if is_bgzf(path):
        check_eof_block(path)
    line = first_line(path)
    if line is None:
        raise InputError(f"{path} holds no fragments: it has no line of data")
    columns = len(line.fields)
    if columns < 3:
        raise FormatError(
            f"{path} line {line.number} has {columns} tab-separated columns; a fragment file has "
            "3 to 5 (contig, start, end, barcode, count), BEDPE 6 or more"
        )
    if columns > 5:
        return BedpeReader(path, sizes, options, barcodes=barcodes, columns=columns)
    return FragmentFileReader(path, sizes, options, barcodes=barcodes, columns=columns)

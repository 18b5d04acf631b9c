"""Fragments of a paired-end BAM in any order, in bulk: one record per pair decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import oxbow
import pyarrow as pa
from numpy.typing import NDArray

from chromputer_tracks.errors import FormatError, InputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bgzf import check_eof_block
from chromputer_tracks.io.fragment_batch import (
    FAILED,
    FLAGGED,
    IMPROPER,
    LOW_MAPQ,
    PAST_END,
    FragmentBatch,
    FragmentKind,
    FragmentOptions,
    FragmentReader,
)

PAIRED, PROPER, UNMAPPED, MATE_UNMAPPED, READ1 = 0x1, 0x2, 0x4, 0x8, 0x40
SECONDARY, QC_FAIL, DUPLICATE, SUPPLEMENTARY = 0x100, 0x200, 0x400, 0x800
PLACED_PAIR = PAIRED | PROPER | UNMAPPED | MATE_UNMAPPED

_COLUMNS = ["rname", "pos", "flag", "mapq", "tlen", "pnext"]
MAPQ_MISSING = 255
_PEEK = 1 << 14


class BamReader(FragmentReader):
    """Reads a BAM; see :class:`FragmentReader`.

    A pair is two primary, mapped records flagged as properly paired. Its fragment starts at the
    record with the positive template length (TLEN) and is as long as that: this holds for both
    conventions of TLEN, outermost bases (SAM specification) and 5' end to 5' end (bwa, samtools
    fixmate), which differ for mates that read past each other's start. Where both mates start at
    the same base the first read decides, so that such a pair counts once whatever the signs.

    Pairs whose deciding record is missing from the file are not seen. Pairs whose template length
    reaches past the contig's end (soft-clipped bases counted by the aligner) are removed and
    counted.

    Raises:
        InputError: the header cannot be read.
        FormatError: the file was cut off.
    """

    kind: ClassVar[FragmentKind] = "bam"

    def __init__(
        self, path: Path, sizes: ChromSizes | None, options: FragmentOptions, *, barcodes: bool
    ) -> None:
        super().__init__(path, sizes, options, barcodes=barcodes)
        check_eof_block(path)
        try:
            self.lengths: dict[str, int] = dict(_open(path, _COLUMNS).chrom_sizes)
        except Exception as error:
            raise InputError(
                f"cannot read the header of {path}: {error}; check it with: samtools quickcheck "
                f"-v {path}"
            ) from error
        self.names = list(self.lengths)
        self._ends = np.array(list(self.lengths.values()), dtype=np.int64)
        self._mate_quality = False
        self._records = 0
        self._paired = 0

    def _length(self, name: str) -> int:
        return self.lengths[name]

    def _nothing_left(self) -> InputError:
        if self._records and not self._paired:
            return InputError(
                f"{self.path} holds {self._records:,} reads, none of them paired; fragments need "
                "paired-end sequencing"
            )
        return super()._nothing_left()

    def _read(self) -> Iterator[FragmentBatch]:
        for records in self._record_batches():
            yield self._fragments(records)

    def _record_batches(self) -> Iterator[pa.RecordBatch]:
        batches: Iterator[Any] | None = None
        while True:
            try:
                if batches is None:
                    self._mate_quality = self.options.min_mapq > 0 and _has_mate_quality(self.path)
                    file = _open(self.path, _COLUMNS, mate_quality=self._mate_quality)
                    batches = iter(file.batches())
                records = pa.record_batch(next(batches))
            except StopIteration:
                return
            except Exception as error:
                raise FormatError(
                    f"{self.path} is truncated or damaged after record {self._records:,}: {error}; "
                    "copy or write it again"
                ) from error
            self._records += records.num_rows
            yield records

    def _fragments(self, records: pa.RecordBatch) -> FragmentBatch:
        flag = records.column("flag").to_numpy()
        tlen = records.column("tlen").to_numpy()
        self._paired += int(np.count_nonzero(flag & PAIRED))
        primary = (flag & (SECONDARY | SUPPLEMENTARY)) == 0
        placed = primary & ((flag & PLACED_PAIR) == (PAIRED | PROPER)) & (tlen != 0)
        once = (flag & PAIRED == 0) | (flag & READ1 != 0)
        self.removed[IMPROPER] += int(np.count_nonzero(primary & ~placed & once))

        start = records.column("pos").fill_null(-1).to_numpy()
        same = start == records.column("pnext").fill_null(-1).to_numpy()
        decides = np.where(same, flag & READ1 != 0, tlen > 0)
        rows = np.flatnonzero(placed & decides)

        flag, start, length = flag[rows], start[rows], np.abs(tlen[rows])
        contig = records.column("rname").indices.fill_null(-1).to_numpy()[rows]
        keep = np.ones(len(rows), dtype=bool)
        excluded = np.isin(contig, self.excluded_codes())
        for reason, drop in (
            (FAILED, flag & QC_FAIL != 0),
            (FLAGGED, flag & DUPLICATE != 0 if self.options.drop_duplicates else None),
            (LOW_MAPQ, self._low(records, rows) if self.options.min_mapq else None),
            (PAST_END, start.astype(np.int64) + length > self._ends[contig]),
        ):
            if drop is not None:
                drop &= keep & ~excluded
                self.removed[reason] += int(np.count_nonzero(drop))
                keep &= ~drop
        return FragmentBatch(contig[keep], start[keep], start[keep] + length[keep])

    def _low(self, records: pa.RecordBatch, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Give bool (n,): the record or its mate has a mapping quality below the minimum."""
        quality = records.column("mapq").fill_null(MAPQ_MISSING).to_numpy()[rows]
        if self._mate_quality:
            mate = records.column("tags").field("MQ").fill_null(MAPQ_MISSING).to_numpy()[rows]
            quality = np.minimum(quality, mate)
        low: NDArray[np.bool_] = quality < self.options.min_mapq
        return low


def _open(
    path: Path, columns: list[str], *, mate_quality: bool = False, batch: int = 1 << 17
) -> Any:
    return oxbow.from_bam(
        str(path),
        fields=columns,
        tag_defs=[("MQ", "i")] if mate_quality else [],
        coords="01",
        batch_size=batch,
    )


def _has_mate_quality(path: Path) -> bool:
    """Whether any of the first records carries the ``MQ`` tag, which costs time to look for."""
    first = next(iter(_open(path, ["flag"], mate_quality=True, batch=_PEEK).batches()), None)
    if first is None:
        return False
    tag = pa.record_batch(first).column("tags").field("MQ")
    return bool(tag.null_count < len(tag))

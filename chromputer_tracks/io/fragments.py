"""Paired-end fragments from BAM, 10x fragment files and BEDPE, told apart by content.

``open_fragments`` gives a reader that streams a file once as numpy batches, in the file's order.
Coordinates are 0-based and half-open in every format once read.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, NoReturn

import numpy as np
import oxbow
import pyarrow as pa
from numpy.typing import NDArray

from chromputer_tracks import errors
from chromputer_tracks.errors import (
    BoundsError,
    ContigError,
    FormatError,
    InputError,
    is_readers,
    meant,
)
from chromputer_tracks.intervals import ChromSizes, check_contigs
from chromputer_tracks.io.bam import Header, plain_header, read_header
from chromputer_tracks.io.text import (
    INT32_MAX,
    NAMES,
    Line,
    MalformedTable,
    first_line,
    is_bgzf,
    is_gzip,
    numbered_lines,
    open_bytes,
    open_input,
    parse_int32,
    table_batches,
)
from chromputer_tracks.options.fields import FragmentKind as FragmentKind
from chromputer_tracks.options.fields import FragmentOptions as FragmentOptions

# ---- What every format is read into, and what all readers do.

Int32 = NDArray[np.int32]

BULK_BARCODE = "bulk"
TN5_START, TN5_END = 4, -5

EXCLUDED = "on an excluded contig"
LACKING = "on a contig that the FASTA lacks"
IMPROPER = "unpaired or improper pair"
FAILED = "failed the sequencer's quality check"
FLAGGED = "flagged as duplicate"
LOW_MAPQ = "low mapping quality"
PAST_END = "past the contig's end"
TOO_SHORT = "too short for the Tn5 shift"
IDENTICAL = "identical to another fragment"

_MOST_PAST_END = 0.01
"""Share of the fragments that may end past their contig, as old versions of aligners and of 10x's
software wrote some; more of them speak for another assembly."""


@dataclass(frozen=True, slots=True)
class FragmentBatch:
    """Some fragments in the order of the file; bp, 0-based, half-open, after any Tn5 shift.

    Attributes:
        contigs: int32 (n,), index into the reader's ``names``.
        starts: int32 (n,).
        ends: int32 (n,), each above its start.
        barcodes: int32 (n,), index into the reader's ``barcode_names``; None unless asked for.
        counts: int64 (n,), read pairs of each fragment; None where each row is one pair.
    """

    contigs: Int32
    starts: Int32
    ends: Int32
    barcodes: Int32 | None = None
    counts: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> FragmentBatch:
        """The rows that a boolean mask or an index array picks."""
        barcodes = None if self.barcodes is None else self.barcodes[keep]
        counts = None if self.counts is None else self.counts[keep]
        return FragmentBatch(
            self.contigs[keep], self.starts[keep], self.ends[keep], barcodes, counts
        )


class Fragments(NamedTuple):
    """``starts`` and ``ends``, int32 (n,), bp, 0-based, half-open; sorted by start, then end."""

    starts: Int32
    ends: Int32


@dataclass(frozen=True, slots=True)
class FragmentSummary:
    """What became of a file's read pairs (BAM, BEDPE) or rows (fragment files).

    ``removed`` is reason to number left out, in the order of the filters; zeros included.
    """

    path: Path
    kind: FragmentKind
    kept: int
    removed: dict[str, int]

    @property
    def read(self) -> int:
        """All pairs or rows that were looked at."""
        return self.kept + sum(self.removed.values())


class FragmentReader(ABC):
    """One pass over a file of fragments.

    Attributes:
        path: the file.
        options: which fragments are kept.
        names: contig names by code: the BAM header's, or by first appearance.
        lengths: the contigs', bp, as a BAM header states them; empty for text.
        barcode_names: barcodes by code, by first appearance.
        removed: reason to number of pairs or rows that were left out so far.
        kept: fragments yielded so far.
    """

    kind: ClassVar[FragmentKind]

    def __init__(
        self, path: Path, sizes: ChromSizes | None, options: FragmentOptions, *, barcodes: bool
    ) -> None:
        self.path = path
        self.options = options
        self.names: list[str] = []
        self.lengths: dict[str, int] = {}
        self.barcode_names: list[str] = []
        self.removed: Counter[str] = Counter()
        self.kept = 0
        self._sizes = sizes
        self._with_barcodes = barcodes
        self._checked: set[int] = set()

    @abstractmethod
    def _read(self) -> Iterator[FragmentBatch]:
        """Batches after the format's own filters, before exclusion of contigs and the shift."""

    def _nothing_left(self) -> InputError:
        """What to raise when the whole file gave no fragment."""
        why = "; ".join(f"{count:,} {reason}" for reason, count in self.removed.items() if count)
        return InputError(f"{self.path} holds no fragments" + (f" to keep ({why})" if why else ""))

    def batches(self) -> Iterator[FragmentBatch]:
        """Read the file once.

        Raises:
            InputError: the file cannot be read or holds no fragments.
            FormatError: it is malformed or truncated.
            ContigError: a fragment lies on a contig that the genome lacks, or whose length in the
                file's header is another than the genome's; or an excluded contig is unknown.
            BoundsError: a fragment of a text file starts before its contig, or more than 1 % of a
                file's fragments end past theirs.
        """
        shift = self.options.shifts(self.kind)
        for raw in self._read():
            batch = self._without_lacking(self._without_excluded(raw))
            self._check_contigs(batch)
            if shift:
                batch = self._shifted(batch)
            self.kept += len(batch)
            if len(batch):
                yield batch
        for name in self.options.exclude:
            if name not in self.names and (self._sizes is None or name not in self._sizes):
                raise ContigError(
                    f"--exclude-contig {name}: {self.path} has no such contig; its contigs: "
                    f"{', '.join(self.names[:5])}{', ...' if len(self.names) > 5 else ''}"
                    f"{meant(name, self.names)}"
                )
        if not self.kept:
            if self.removed[LACKING] and self._sizes is not None:
                lacking = [name for name in self.names if name not in self._sizes]
                check_contigs(lacking, str(self.path), self._sizes)
            raise self._nothing_left()

    def _without_lacking(self, batch: FragmentBatch) -> FragmentBatch:
        if self._sizes is None or not self.options.only_fasta_contigs:
            return batch
        here = np.array([name in self._sizes for name in self.names], dtype=bool)
        keep = here[batch.contigs]
        self.removed[LACKING] += len(batch) - int(keep.sum())
        return batch.take(keep)

    def _without_excluded(self, batch: FragmentBatch) -> FragmentBatch:
        if not self.options.exclude:
            return batch
        drop = np.isin(batch.contigs, self.excluded_codes())
        self.removed[EXCLUDED] += int(drop.sum())
        return batch.take(~drop)

    def excluded_codes(self) -> list[int]:
        """Codes of the excluded contigs that were met so far."""
        return [code for code, name in enumerate(self.names) if name in self.options.exclude]

    def _check_contigs(self, batch: FragmentBatch) -> None:
        met = np.flatnonzero(np.bincount(batch.contigs)).tolist()
        new = [self.names[code] for code in met if code not in self._checked]
        self._checked.update(met)
        if self._sizes is not None and new:
            lengths = {name: self.lengths.get(name, 0) for name in new}
            try:
                check_contigs(lengths, str(self.path), self._sizes)
            except ContigError as error:
                if not any(name in self._sizes for name in self.names):
                    raise
                raise ContigError(
                    f"{error}; --only-fasta-contigs leaves out all contigs that it lacks, "
                    f"--exclude-contig a single one"
                ) from error

    def _shifted(self, batch: FragmentBatch) -> FragmentBatch:
        long_enough = batch.ends - batch.starts > TN5_START - TN5_END
        short = len(batch) - int(long_enough.sum())
        if short:
            self.removed[TOO_SHORT] += short
            batch = batch.take(long_enough)
        starts, ends = batch.starts + np.int32(TN5_START), batch.ends + np.int32(TN5_END)
        return replace(batch, starts=starts, ends=ends)


# ---- Fragments of a paired-end BAM in any order, in bulk: one record per pair decides.

PAIRED, PROPER, UNMAPPED, MATE_UNMAPPED, READ1 = 0x1, 0x2, 0x4, 0x8, 0x40
SECONDARY, QC_FAIL, DUPLICATE, SUPPLEMENTARY = 0x100, 0x200, 0x400, 0x800
PLACED_PAIR = PAIRED | PROPER | UNMAPPED | MATE_UNMAPPED

_PLACE = ("rname", "pos")
_COLUMNS = ["rname", "pos", "flag", "mapq", "tlen", "pnext"]
MAPQ_MISSING = 255
_PEEK = 1 << 14
_OTHER_TYPE = "ype mismatch"
"""In what oxbow says of a tag that is no number."""


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
        FormatError: the header is cut off or damaged.
    """

    kind: ClassVar[FragmentKind] = "bam"

    def __init__(
        self, path: Path, sizes: ChromSizes | None, options: FragmentOptions, *, barcodes: bool
    ) -> None:
        super().__init__(path, sizes, options, barcodes=barcodes)
        self._bam = _Bam(path)
        self.lengths = self._bam.lengths
        self.names = list(self.lengths)
        self._ends = np.array(list(self.lengths.values()), dtype=np.int64)
        self._mate_quality = False
        self._records = 0
        self._paired = 0

    def _nothing_left(self) -> InputError:
        if self._records and not self._paired:
            return InputError(
                f"{self.path} holds {self._records:,} reads, none of them paired; fragments need "
                "paired-end sequencing"
            )
        return super()._nothing_left()

    def _read(self) -> Iterator[FragmentBatch]:
        return map(self._fragments, self._record_batches())

    def _record_batches(self) -> Iterator[pa.RecordBatch]:
        try:
            self._mate_quality = self.options.min_mapq > 0 and self._bam.has_mate_quality()
            file = self._bam.open(_COLUMNS, mate_quality=self._mate_quality)
            for records in map(pa.record_batch, file.batches()):
                self._records += records.num_rows
                yield records
        except BaseException as error:
            if not is_readers(error):
                raise
            why = errors.reason(error)
            if self._mate_quality and _OTHER_TYPE in why:
                raise FormatError(
                    f"{self.path}: an MQ tag after record {self._records:,} is no whole number, as "
                    "those before it are; write them again with `samtools fixmate -m`, or do not "
                    "look at mapping qualities with --min-mapq 0"
                ) from error
            raise FormatError(
                f"{self.path} is truncated or damaged after record {self._records:,}: {why}; "
                "copy or write it again"
            ) from error

    def _fragments(self, records: pa.RecordBatch) -> FragmentBatch:
        flag = records.column("flag").to_numpy()
        tlen = records.column("tlen").to_numpy()
        self._paired += int(np.count_nonzero(flag & PAIRED))
        primary = (flag & (SECONDARY | SUPPLEMENTARY)) == 0
        # A record without contig or position is unmapped, whatever its flag says: tools that filter
        # contigs leave such pairs behind.
        known = np.logical_and.reduce(
            [records.column(name).is_valid().to_numpy(zero_copy_only=False) for name in _PLACE]
        )
        placed = primary & known & ((flag & PLACED_PAIR) == (PAIRED | PROPER)) & (tlen != 0)
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
        """Bool (n,): the record or its mate has a mapping quality below the minimum."""
        quality = records.column("mapq").fill_null(MAPQ_MISSING).to_numpy()[rows]
        if self._mate_quality:
            mate = records.column("tags").field("MQ").fill_null(MAPQ_MISSING).to_numpy()[rows]
            quality = np.minimum(quality, mate)
        low: NDArray[np.bool_] = quality < self.options.min_mapq
        return low


class _Bam:
    """A BAM opened by oxbow, with its own header or, where that is refused, a plain one.

    Raises:
        FormatError: the header is cut off or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._header: Header | None = None
        try:
            self.lengths = dict(self.open(_COLUMNS).chrom_sizes)
        except BaseException as error:
            if not is_readers(error):
                raise
            self._header = read_header(path)
            self.lengths = dict(self._header.contigs)

    def open(self, columns: list[str], *, mate_quality: bool = False, batch: int = 1 << 17) -> Any:
        """An oxbow file of some columns."""
        path, header = self._path, self._header
        source = str(path) if header is None else lambda: plain_header(path, header)
        tags = [("MQ", "i")] if mate_quality else []
        return oxbow.from_bam(source, fields=columns, tag_defs=tags, coords="01", batch_size=batch)

    def has_mate_quality(self) -> bool:
        """Whether any of the first records carries a usable ``MQ`` tag; to look costs time."""
        batches = self.open(["flag"], mate_quality=True, batch=_PEEK).batches()
        try:
            first = next(iter(batches), None)
        except Exception as error:
            if _OTHER_TYPE in str(error):
                return False
            raise
        if first is None:
            return False
        tag = pa.record_batch(first).column("tags").field("MQ")
        return bool(tag.null_count < len(tag))


# ---- Fragments of text files: 10x fragment files and BEDPE, plain, gzip or bgzip.

_UNPLACED = "."


class _TextReader(FragmentReader):
    """What the two text formats share: contig codes by first appearance, and naming bad lines."""

    _hint: ClassVar[str] = ""

    def __init__(
        self,
        path: Path,
        sizes: ChromSizes | None,
        options: FragmentOptions,
        *,
        barcodes: bool,
        columns: int,
    ) -> None:
        super().__init__(path, sizes, options, barcodes=barcodes)
        self._columns = columns
        self._codes: dict[str, int] = {}
        self._barcode_codes: dict[str, int] = {}

    def _read(self) -> Iterator[FragmentBatch]:
        try:
            yield from map(self._fragments, table_batches(self.path, *self._table()))
            past = self.removed[PAST_END]
            if past > _MOST_PAST_END * (past + self.kept):
                self._refuse(f"{past:,} rows end past their contig")
        except MalformedTable as error:
            self._refuse(str(error))

    @abstractmethod
    def _table(self) -> tuple[dict[str, pa.DataType], list[str]]:
        """Name and type of each column, and the names of those to convert."""

    @abstractmethod
    def _fragments(self, rows: pa.RecordBatch) -> FragmentBatch:
        """The fragments of some rows."""

    def _contig_codes(self, column: pa.DictionaryArray) -> Int32:
        """int32 (n,) codes into ``names``; -1 for ``.``."""
        return _global_codes(column, self._codes, self.names, no_code=(_UNPLACED, ""))

    def _limit(self, contig: str) -> int:
        """The largest end allowed; excluded and unknown contigs have none."""
        if self._sizes is None or contig in self.options.exclude:
            return INT32_MAX
        return self._sizes.get(contig, INT32_MAX)

    def _inside(self, batch: FragmentBatch) -> FragmentBatch:
        """The fragments that end on their contig; the others are counted."""
        limits = np.array([self._limit(name) for name in self.names], dtype=np.int32)
        keep = batch.ends <= limits[batch.contigs]
        past = len(batch) - int(keep.sum())
        if not past:
            return batch
        self.removed[PAST_END] += past
        return batch.take(keep)

    def _refuse(self, why: str) -> NoReturn:
        """Find the first bad line, or one past its contig's end, and raise with its number."""
        for line in numbered_lines(self.path):
            if len(line.fields) != self._columns:
                raise FormatError(
                    f"{self.path} line {line.number} has {len(line.fields)} columns, but the first "
                    f"line has {self._columns}"
                )
            if any("\ufffd" in field for field in line.fields):
                raise FormatError(f"{self.path} line {line.number} is not UTF-8 text")
            self._check_line(line)
        raise FormatError(f"{self.path} cannot be read as a table: {why}")

    @abstractmethod
    def _check_line(self, line: Line) -> None:
        """Raise when the format does not allow the line."""

    def _integer(self, line: Line, column: int) -> int:
        value = parse_int32(line.fields[column].strip())
        if value is None:
            raise FormatError(
                f"{self.path} line {line.number}: column {column + 1} is "
                f"{line.fields[column]!r}, not an integer{self._hint}"
            )
        return value

    def _check_span(self, line: Line, first: int) -> None:
        """Check contig, start and end from column ``first`` (from 0) on."""
        contig = line.fields[first]
        start, end = (self._integer(line, first + column) for column in (1, 2))
        columns = f"columns {first + 2} and {first + 3} ({start}, {end})"
        where = f"{self.path} line {line.number}: {columns}"
        if start < 0:
            raise BoundsError(f"{where} start before 0")
        if end <= start:
            raise FormatError(f"{where} are empty or reversed: the end must be above the start")
        size = self._limit(contig)
        if self._sizes is not None and end > size:
            raise BoundsError(
                f"{where} end past {contig} ({size:,} bp in {self._sizes.source}); is it the "
                "same assembly?"
            )


class FragmentFileReader(_TextReader):
    """Reads a 10x fragment file of 3, 4 or 5 columns; see :class:`FragmentReader`.

    Columns: contig, start, end, barcode, read pairs. Rows are taken as they are here: who reads
    them drops duplicates. Without the fourth column the barcode is ``bulk``.
    """

    kind: ClassVar[FragmentKind] = "fragments"

    def _table(self) -> tuple[dict[str, pa.DataType], list[str]]:
        columns = ("contig", "start", "end", "barcode", "count")[: self._columns]
        wanted = [name for name in columns if name != "barcode" or self._with_barcodes]
        kinds = {"contig": NAMES, "barcode": NAMES, "count": pa.int64()}
        return {name: kinds.get(name, pa.int32()) for name in columns}, wanted

    def _fragments(self, rows: pa.RecordBatch) -> FragmentBatch:
        contigs = self._contig_codes(rows.column("contig"))
        starts, ends = rows.column("start").to_numpy(), rows.column("end").to_numpy()
        counts = rows.column("count").to_numpy() if self._columns == 5 else None
        barcodes = None
        if self._with_barcodes and self._columns > 3:
            barcodes = _global_codes(
                rows.column("barcode"), self._barcode_codes, self.barcode_names
            )
        if contigs.min() < 0:
            self._refuse("a row has no contig")
        bad = (starts < 0) | (ends <= starts)
        if counts is not None:
            bad |= counts < 1
        if bad.any():
            self._refuse("a row is out of bounds")
        return self._inside(FragmentBatch(contigs, starts, ends, barcodes, counts))

    def _check_line(self, line: Line) -> None:
        for column in (1, 2):
            self._integer(line, column)
        if line.fields[0] in ("", _UNPLACED):
            raise FormatError(f"{self.path} line {line.number}: the contig is {line.fields[0]!r}")
        self._check_span(line, 0)
        if len(line.fields) == 5 and not re.fullmatch("0*[1-9][0-9]{0,17}", line.fields[4]):
            raise FormatError(
                f"{self.path} line {line.number}: column 5 is {line.fields[4]!r}; it counts read "
                "pairs and must be a whole number of at least 1"
            )


class BedpeReader(_TextReader):
    """Reads BEDPE of 6 or more columns; see :class:`FragmentReader`.

    A fragment reaches from the smaller start to the larger end of the two mates. Rows with a mate
    on ``.`` (unmapped) or with mates on two contigs are no fragments: they are removed and counted.
    Columns after the sixth are not looked at; mapping quality is not filtered.
    """

    kind: ClassVar[FragmentKind] = "bedpe"
    _hint = " (6 or more columns are read as BEDPE: contig, start and end of each mate)"

    def _table(self) -> tuple[dict[str, pa.DataType], list[str]]:
        wanted = [f"{column}{mate}" for mate in (1, 2) for column in ("contig", "start", "end")]
        types = {name: NAMES if name.startswith("contig") else pa.int32() for name in wanted}
        return types | {f"more{i}": pa.string() for i in range(self._columns - 6)}, wanted

    def _fragments(self, rows: pa.RecordBatch) -> FragmentBatch:
        first = self._contig_codes(rows.column("contig1"))
        second = self._contig_codes(rows.column("contig2"))
        pair = np.flatnonzero((first == second) & (first >= 0))
        self.removed[IMPROPER] += len(first) - len(pair)
        start1, end1, start2, end2 = (
            rows.column(name).to_numpy()[pair] for name in ("start1", "end1", "start2", "end2")
        )
        contigs = first[pair]
        starts, ends = np.minimum(start1, start2), np.maximum(end1, end2)
        if ((starts < 0) | (end1 <= start1) | (end2 <= start2)).any():
            self._refuse("a row is out of bounds")
        return self._inside(FragmentBatch(contigs, starts, ends))

    def _check_line(self, line: Line) -> None:
        for column in (1, 2, 4, 5):
            self._integer(line, column)
        if line.fields[0] == line.fields[3] != _UNPLACED:
            self._check_span(line, 0)
            self._check_span(line, 3)


def _global_codes(
    column: pa.DictionaryArray,
    codes: dict[str, int],
    names: list[str],
    no_code: tuple[str, ...] = (),
) -> Int32:
    """Codes of one batch's own dictionary to codes by first appearance in the file; else -1."""
    mapping = [
        -1 if name in no_code else codes.setdefault(name, len(codes))
        for name in column.dictionary.to_pylist()
    ]
    names.extend(list(codes)[len(names) :])
    indices: Int32 = column.indices.to_numpy()
    return np.array(mapping, dtype=np.int32)[indices]


# ---- Any of the formats.

_DEFAULT = FragmentOptions()


def is_bam(path: Path) -> bool:
    """Whether the file is a BAM.

    Raises:
        InputError: it cannot be read, is empty, or is CRAM or SAM.
        FormatError: it was cut off, or its first block cannot be decompressed.
    """
    with open_input(path) as file:
        head = file.read(4)
    if not head:
        raise InputError(f"{path} is empty: it holds no fragments")
    if is_gzip(path):
        with open_bytes(path) as packed:
            head = packed.read(4)
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

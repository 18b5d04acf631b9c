"""Paired-end fragments as numpy batches: what every fragment format is read into."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import ContigError, InputError
from chromputer_tracks.intervals import ChromSizes, check_contigs
from chromputer_tracks.options.fields import FragmentKind as FragmentKind
from chromputer_tracks.options.fields import FragmentOptions as FragmentOptions

Int32 = NDArray[np.int32]

BULK_BARCODE = "bulk"
TN5_START, TN5_END = 4, -5

EXCLUDED = "on an excluded contig"
IMPROPER = "unpaired or improper pair"
FAILED = "failed the sequencer's quality check"
FLAGGED = "flagged as duplicate"
LOW_MAPQ = "low mapping quality"
PAST_END = "past the contig's end"
TOO_SHORT = "too short for the Tn5 shift"
IDENTICAL = "identical to another fragment"


@dataclass(frozen=True, slots=True)
class FragmentBatch:
    """Some fragments in the order of the file; bp, 0-based, half-open, after any Tn5 shift.

    Attributes:
        contigs: int32 (n,), index into the reader's ``names``.
        starts: int32 (n,).
        ends: int32 (n,), each above its start.
        barcodes: int32 (n,), index into the reader's ``barcode_names``; None unless asked for.
        counts: int32 (n,), read pairs of each fragment; None where each row is one pair.
    """

    contigs: Int32
    starts: Int32
    ends: Int32
    barcodes: Int32 | None = None
    counts: Int32 | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> FragmentBatch:
        """The rows that a boolean mask or an index array picks."""
        return FragmentBatch(
            self.contigs[keep],
            self.starts[keep],
            self.ends[keep],
            None if self.barcodes is None else self.barcodes[keep],
            None if self.counts is None else self.counts[keep],
        )


class Fragments(NamedTuple):
    """``starts`` and ``ends``, int32 (n,), bp, 0-based, half-open; sorted by start, then end."""

    starts: Int32
    ends: Int32


@dataclass(frozen=True, slots=True)
class FragmentSummary:
    """What became of a file's read pairs (BAM, BEDPE) or rows (fragment files).

    Attributes:
        path: the file.
        kind: its format.
        kept: fragments kept.
        removed: reason to number left out, in the order of the filters; zeros included.
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
        self.barcode_names: list[str] = []
        self.removed: Counter[str] = Counter()
        self.kept = 0
        self._sizes = sizes
        self._with_barcodes = barcodes
        self._checked = np.zeros(0, dtype=bool)

    @abstractmethod
    def _read(self) -> Iterator[FragmentBatch]:
        """Batches after the format's own filters, before exclusion of contigs and the shift."""

    @abstractmethod
    def _length(self, name: str) -> int:
        """Length of a contig as the file itself states it, 0 where it does not."""

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
            BoundsError: a fragment of a text file leaves its contig.
        """
        shift = self.options.shifts(self.kind)
        for raw in self._read():
            batch = self._without_excluded(raw)
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
                )
        if not self.kept:
            raise self._nothing_left()

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
        used = np.bincount(batch.contigs, minlength=len(self.names)) > 0
        used[: len(self._checked)] &= ~self._checked
        new = {self.names[code]: self._length(self.names[code]) for code in np.flatnonzero(used)}
        if self._sizes is not None and new:
            try:
                check_contigs(new, str(self.path), self._sizes)
            except ContigError as error:
                if not any(name in self._sizes for name in self.names):
                    raise
                raise ContigError(
                    f"{error}; leave out contigs that are not wanted with --exclude-contig, of "
                    f"predict or of chromputer fragments"
                ) from error
        used[: len(self._checked)] |= self._checked
        self._checked = used

    def _shifted(self, batch: FragmentBatch) -> FragmentBatch:
        long_enough = batch.ends - batch.starts > TN5_START - TN5_END
        short = len(batch) - int(long_enough.sum())
        if short:
            self.removed[TOO_SHORT] += short
            batch = batch.take(long_enough)
        return FragmentBatch(
            batch.contigs,
            batch.starts + np.int32(TN5_START),
            batch.ends + np.int32(TN5_END),
            batch.barcodes,
            batch.counts,
        )

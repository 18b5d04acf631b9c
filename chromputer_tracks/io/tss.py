"""Transcription start sites from a BED of genes or of start sites."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import BoundsError, FormatError, InputError
from chromputer_tracks.intervals import ChromSizes, check_contigs
from chromputer_tracks.io.text_table import Line, numbered_lines, parse_int32
from chromputer_tracks.wording import counted


@dataclass(frozen=True, slots=True)
class TssTable:
    """Transcription start sites.

    Attributes:
        contigs: names, by first appearance.
        contig: int64 (n,), index into ``contigs``.
        position: int64 (n,), bp, 0-based, the first transcribed base.
        forward: bool (n,), on the + strand.
    """

    contigs: tuple[str, ...]
    contig: NDArray[np.int64]
    position: NDArray[np.int64]
    forward: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.position)

    def on(self, contig: str, *, forward: bool) -> NDArray[np.int64]:
        """Positions on one strand of a contig, int64, ascending, each once."""
        if contig not in self.contigs:
            return np.empty(0, dtype=np.int64)
        here = (self.contig == self.contigs.index(contig)) & (self.forward == forward)
        return np.unique(self.position[here])


def read_tss(path: Path, sizes: ChromSizes | None = None) -> TssTable:
    """Read the start sites of a BED with strands, plain, gzip or bgzip.

    The start site is the first base of a line on the + strand and the last base of one on the -
    strand, so that genes serve as well as start sites of 1 bp. Columns 4 and 5 may hold anything
    (annotations keep classes there), and further columns are not looked at.

    Args:
        path: at least 6 tab-separated columns, the strand in the sixth.
        sizes: the genome's contigs; None: contigs and ends are not checked.

    Raises:
        InputError: the file cannot be read or holds no line of data.
        FormatError: a malformed line, with its number.
        BoundsError: a line ends past its contig.
        ContigError: contigs that the genome lacks.
    """
    codes: dict[str, int] = {}
    rows: list[tuple[int, int, bool]] = []
    for line in numbered_lines(path):
        chrom, start, end, forward = _gene(path, line)
        if sizes is not None and end > sizes.get(chrom, end):
            raise BoundsError(
                f"{path} line {line.number}: {chrom}:{start:,}-{end:,} ends past {chrom} "
                f"({sizes[chrom]:,} bp in {sizes.source})"
            )
        rows.append((codes.setdefault(chrom, len(codes)), start if forward else end - 1, forward))
    if not rows:
        raise InputError(f"{path} is empty: it holds no gene")
    if sizes is not None:
        check_contigs(list(codes), str(path), sizes)
    contig, position, strand = zip(*rows, strict=True)
    return TssTable(
        tuple(codes),
        np.array(contig, dtype=np.int64),
        np.array(position, dtype=np.int64),
        np.array(strand, dtype=bool),
    )


def _gene(path: Path, line: Line) -> tuple[str, int, int, bool]:
    """Contig, start, end and whether the strand is +."""
    where, fields = f"{path} line {line.number}", line.fields
    if len(fields) < 6:
        raise FormatError(
            f"{where} has {counted(len(fields), 'tab-separated column')}; "
            f"start sites need 6: contig, start, end, name, score or class, strand"
        )
    start, end = (parse_int32(field) for field in fields[1:3])
    if start is None or end is None or start < 0 or end <= start:
        raise FormatError(
            f"{where}: columns 2 and 3 ({fields[1]}, {fields[2]}) are not a start of at least 0 "
            f"and an end above it"
        )
    if not fields[0] or fields[5] not in ("+", "-"):
        raise FormatError(
            f"{where}: column 6 is {fields[5]!r}; a start site needs the strand + or -"
            if fields[0]
            else f"{where}: the contig is empty"
        )
    return fields[0], start, end, fields[5] == "+"

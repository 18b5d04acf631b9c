"""Genome sequence from an indexed FASTA file, plain or bgzipped."""

from __future__ import annotations

import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pysam
from numpy.typing import NDArray

from chromputer_tracks.errors import FileIndexError, FormatError, InputError
from chromputer_tracks.intervals import ChromSizes, Interval, format_span
from chromputer_tracks.io.fasta_index import IndexFiles, find_index
from chromputer_tracks.io.text import (
    block_size,
    file_kind,
    is_bgzf,
    is_gzip,
    open_bytes,
    open_input,
)

_HEADER_LIMIT = 1 << 16
_N = ord("N")


@dataclass(frozen=True, slots=True)
class _Record:
    """One line of the ``.fai``: ``offset`` is the byte of the first base."""

    name: str
    length: int
    offset: int
    line_bases: int
    line_bytes: int

    @property
    def end(self) -> int:
        """Byte after the last base."""
        full, rest = divmod(self.length, self.line_bases) if self.line_bases else (0, 0)
        if full and not rest:
            return self.offset + (full - 1) * self.line_bytes + self.line_bases
        return self.offset + full * self.line_bytes + rest


class Fasta:
    """A genome opened for random access; a context manager.

    One object serves one thread at a time (it may be opened in one thread and read in another),
    and processes forked from this one.

    Args:
        path: FASTA, plain or compressed with bgzip. Its ``.fai`` (and ``.gzi``) is made beside it
            where it is missing, or in ``scratch`` where that folder cannot be written into.
        scratch: folder for temporary files; None: the system's.
        note: is told what is made, and what of the file is not read.

    Attributes:
        index: where its index lies.

    Raises:
        InputError: the file is missing, unreadable, empty, or gzip that is not bgzip.
        FormatError: it is not FASTA, cannot be indexed, or is a bgzip file that was cut off.
        FileIndexError: an index is stale: its contig names, offsets, lengths or blocks do not fit
            what the FASTA holds. The files' dates say nothing: a checkout or an unpacked archive
            sets them in any order.
    """

    def __init__(
        self,
        path: Path,
        scratch: Path | None = None,
        note: Callable[[str], None] | None = None,
    ) -> None:
        self.path = Path(path)
        compressed = _check_kind(self.path)
        with ExitStack() as stack:
            self.index = find_index(self.path, stack, packed=compressed, scratch=scratch, note=note)
            records = _read_fai(self.path, self.index.fai)
            twice = _check_records(self.path, records, self.index)
            if twice and note is not None:
                note(
                    f"note: {self.path} holds {twice[0]} twice"
                    f"{f', and {len(twice) - 1} others' if len(twice) > 1 else ''}; the first is "
                    "read, as samtools does"
                )
            self._open()
            self._scratch = stack.pop_all()
        self.sizes = ChromSizes(
            {record.name: record.length for record in records}, source=str(self.path)
        )

    def _open(self) -> None:
        try:
            self._file = pysam.FastaFile(
                str(self.path),
                filepath_index=str(self.index.fai),
                filepath_index_compressed=None if self.index.gzi is None else str(self.index.gzi),
            )
        except (OSError, ValueError) as error:
            raise InputError(f"cannot open {self.path} with its index: {error}") from error
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"<Fasta {self.path}: {len(self.sizes)} contigs, {self.sizes.total:,} bp>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the object cannot be read afterwards."""
        self._file.close()
        self._scratch.close()

    def fetch(self, interval: Interval) -> NDArray[np.uint8]:
        """The bases of ``interval`` as upper-case ASCII codes.

        Returns:
            uint8 (len(interval),); ``N`` for bases outside the contig. IUPAC codes stay.

        Raises:
            ContigError: the contig is unknown.
            InputError: the sequence cannot be read.
        """
        size = self.sizes.require(interval.chrom, f"sequence of {interval}")
        start, end = max(interval.start, 0), min(interval.end, size)
        out = np.full(len(interval), _N, dtype=np.uint8)
        if start < end:
            bases = self.letters(interval.chrom, start, end).upper()
            out[start - interval.start : end - interval.start] = np.frombuffer(bases, np.uint8)
        return out

    def letters(self, chrom: str, start: int, end: int) -> bytes:
        """The letters of ``[start, end)`` inside a contig as they stand in the file.

        Raises:
            InputError: the sequence cannot be read.
        """
        if self._process != os.getpid():
            # A forked process shares the place in the file with the one that opened it.
            self._open()
        where = f"{format_span(chrom, start, end)} of {self.path}"
        try:
            letters: bytes = self._file.fetch(chrom, start, end).encode("ascii")
        except (OSError, ValueError, UnicodeError) as error:
            raise InputError(f"cannot read {where}: {error}") from error
        if len(letters) != end - start:
            raise InputError(
                f"cannot read {where}: got {len(letters):,} bases in place of {end - start:,}; is "
                "the file whole?"
            )
        return letters


def _check_kind(path: Path) -> bool:
    """Whether the FASTA is bgzipped; raises when it is something else than FASTA."""
    compressed = is_bgzf(path)
    if not compressed and is_gzip(path):
        plain = path.with_suffix("") if path.suffix == ".gz" else path
        raise InputError(
            f"{path} is compressed with gzip, which has no random access; compress it with bgzip: "
            f"gunzip {path} && bgzip {plain} && samtools faidx {path}"
        )
    with open_bytes(path) as file:
        start = file.read(_HEADER_LIMIT)
    first = start.lstrip(b"\r\n")[:1]
    if not start:
        raise InputError(f"{path} is empty; give a FASTA file")
    if first != b">":
        kind = file_kind(path)
        looks = "" if kind is None else f" (it looks like {kind})"
        raise FormatError(f"{path} is not FASTA: it starts with {first!r}, not '>'{looks}")
    return compressed


def is_fasta(path: Path) -> bool:
    """Whether a file's first text is a FASTA's; False also of one that cannot be read."""
    try:
        with open_bytes(path) as file:
            return file.read(_HEADER_LIMIT).lstrip(b"\r\n").startswith(b">")
    except InputError:
        return False


def check_swapped(fasta: Path, fragments: Path | None, word: str = "--fragments") -> None:
    """Check, by what the files hold, that a genome and fragments are not given as each other.

    Raises:
        InputError: they are.
    """
    # A pipe can be read only once.
    if fragments is None or not (fasta.is_file() and fragments.is_file()):
        return
    if is_fasta(fragments) and not is_fasta(fasta):
        kind = file_kind(fasta)
        looks = "no FASTA" if kind is None else kind
        raise InputError(
            f"--fasta and {word} are swapped: {fasta} is {looks}, and {fragments} is a FASTA; "
            "give each the other's file"
        )


def _read_fai(path: Path, index: Path) -> list[_Record]:
    remedy = f"delete it, or make it again with: samtools faidx {path}"
    records = []
    for number, line in enumerate(index.read_bytes().decode(errors="replace").splitlines(), 1):
        name, *fields = line.split("\t")
        if len(fields) != 4 or not all(field.isdecimal() for field in fields):
            raise FileIndexError(f"{index} line {number} is not a .fai line: {line!r}; {remedy}")
        record = _Record(name, *(int(field) for field in fields))
        if not name.strip():
            raise FormatError(
                f"{path}: the sequence that begins at byte {record.offset:,} has no name; write "
                "one behind its '>', and delete the index"
            )
        if record.length:  # some programs list headers without a sequence
            records.append(record)
    if not records:
        raise FileIndexError(f"{index} is empty; {remedy}")
    return records


def _check_records(path: Path, records: list[_Record], index: IndexFiles) -> list[str]:
    """Compare each index entry with the text before it, and the last with the file's end.

    As samtools has it, a record without a sequence is no contig, and of several records of one name
    the first is.

    Returns:
        names that are there more than once.
    """
    twice: list[str] = []
    known: set[bytes] = set()
    with ExitStack() as stack:
        if index.gzi is not None:
            packed = stack.enter_context(BgzfReader(path, index.gzi))
            read_at: Callable[[int, int], bytes] = packed.read
            size = packed.size()
        else:
            file = stack.enter_context(open_input(path))
            size = file.seek(0, 2)

            def read_at(offset: int, count: int) -> bytes:
                file.seek(offset)
                return file.read(count)

        at = 0
        for record in sorted(records, key=lambda record: record.offset):
            header = record.offset - at
            text = read_at(at, header) if header > 0 else b""
            found = _unindexed(text, known)
            if found is None or not (text.endswith(b"\n") and found[1] == record.name.encode()):
                raise _stale(path, f"{record.name} is not at byte {record.offset:,}")
            twice += found[0]
            known.add(record.name.encode())
            at = record.end
        rest = None
        if at <= size and not read_at(at - 1, 1).isspace():
            rest = _unindexed(read_at(at, size - at), known)
        if rest is None:
            raise _stale(path, f"it describes {at:,} bytes of sequence, the file has {size:,}")
    return list(dict.fromkeys(twice + rest[0]))


def _unindexed(text: bytes, known: set[bytes]) -> tuple[list[str], bytes] | None:
    """What stands between the sequences of an index: headers, and records of names before.

    Args:
        text: from the end of a sequence to the next one, or to the end of the file.
        known: names of the records before.

    Returns:
        names of the records that come again, and the last header's name; None where a sequence
        stands there that an index must have.
    """
    twice: list[str] = []
    name, sequence = b"", False
    for line in text.split(b"\n"):
        if line.startswith(b">"):
            name = (line[1:].split() or [b""])[0]
            sequence = False
        elif line.strip() and not sequence:
            if name not in known:
                return None
            twice.append(name.decode(errors="replace"))
            sequence = True
    # Of a header whose sequence is that of a name before, the index has no entry.
    return twice, b"" if sequence else name


def _stale(path: Path, why: str) -> FileIndexError:
    return FileIndexError(
        f"{path.name}.fai does not belong to {path} ({why}); delete it, or make it again with: "
        f"samtools faidx {path}"
    )


# ---- Random access to bgzip files.


class BgzfReader:
    """Random access by uncompressed offset to a bgzip file that has a ``.gzi`` index.

    Args:
        path: the file.
        index: its index; None: beside it.

    Raises:
        FileIndexError: the index is malformed or does not point at blocks of this file.
    """

    def __init__(self, path: Path, index: Path | None = None) -> None:
        self._path = path
        self._index = path.with_name(path.name + ".gzi") if index is None else index
        raw = self._index.read_bytes()
        count = int.from_bytes(raw[:8], "little")
        if len(raw) != 8 + 16 * count:
            raise self._stale("its length is wrong")
        self._cached: tuple[int, bytes] = (-1, b"")
        self._starts: tuple[int, ...]
        self._plain: tuple[int, ...]
        with ExitStack() as opened:
            self._file = opened.enter_context(open_input(path))
            blocks = self._walk()
            # An index may leave out the last blocks.
            for number, pair in enumerate(struct.iter_unpack("<QQ", raw[8:]), 1):
                if blocks[number : number + 1] != [pair]:
                    raise self._stale(f"block {number} is not at byte {pair[0]:,}")
            self._starts, self._plain = zip(*blocks, strict=True)
            opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _stale(self, why: str) -> FileIndexError:
        return FileIndexError(
            f"{self._index.name} does not belong to {self._path} ({why}); delete it and its .fai "
            f"and make them again with: samtools faidx {self._path}"
        )

    def _walk(self) -> list[tuple[int, int]]:
        """Where each block begins in the file and in the text, and where the last one ends."""
        at, total, end = 0, 0, self._file.seek(0, 2)
        blocks = [(0, 0)]
        while at < end:
            self._file.seek(at)
            size = block_size(self._file.read(18))
            if not size:
                raise self._stale(f"no block at byte {at:,}")
            self._file.seek(at + size - 4)
            at, total = at + size, total + int.from_bytes(self._file.read(4), "little")
            blocks.append((at, total))
        return blocks

    def _block(self, number: int) -> bytes:
        if self._cached[0] != number:
            at, following = self._starts[number : number + 2]
            self._file.seek(at)
            try:
                data = zlib.decompress(self._file.read(following - at), wbits=31)
            except zlib.error as error:
                raise FormatError(
                    f"{self._path}: block at byte {at:,} is damaged: {error}"
                ) from error
            self._cached = (number, data)
        return self._cached[1]

    def read(self, offset: int, count: int) -> bytes:
        """Up to ``count`` uncompressed bytes from ``offset``; fewer at the end of the file."""
        number = bisect_right(self._plain, offset) - 1
        at = offset - self._plain[number]
        out = b""
        while len(out) < count and number < len(self._plain) - 1:
            out += self._block(number)[at : at + count - len(out)]
            number, at = number + 1, 0
        return out

    def size(self) -> int:
        """Uncompressed bytes of the file."""
        return self._plain[-1]

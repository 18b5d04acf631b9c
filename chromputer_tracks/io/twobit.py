"""2bit sequence files, which UCSC's genome browser reads where a hub brings its own genome.

Layout: https://genome.ucsc.edu/FAQ/FAQformat.html#format7, version 0, written little-endian: a
header, an index of names and offsets, and for each contig its length, its blocks of N, its blocks
of lower case, and two bits a base.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import OutputError
from chromputer_tracks.intervals import ChromSizes, runs
from chromputer_tracks.io.atomic import atomic_path, output_errors
from chromputer_tracks.io.fasta import Fasta

_SIGNATURE = 0x1A412743
_LARGEST = 2**32 - 1
_LONGEST_NAME = 255
_CHUNK = 1 << 22
"""Bases read at a time, a multiple of four."""

_CODES = np.zeros(256, np.uint8)
for _code, _bases in enumerate((b"Tt", b"Cc", b"Aa", b"Gg")):
    _CODES[list(_bases)] = _code
_KNOWN = np.zeros(256, np.bool_)
_KNOWN[list(b"ACGTacgt")] = True


def write_twobit(path: Path, fasta: Fasta) -> None:
    """Write a genome as 2bit and check the file.

    Contigs keep their order. Lower case is kept as the format's mask; bases other than A, C, G
    and T become N. Memory holds a quarter of a byte for each base of the longest contig.

    Args:
        path: the final name.
        fasta: an open genome.

    Raises:
        InputError: the genome cannot be read.
        OutputError: it is too long for the format's 32-bit offsets, a name is longer than 255
            bytes, the disk is full, or the file read back differs.
    """
    sizes = fasta.sizes
    names = {name: name.encode() for name in sizes}
    for name, raw in names.items():
        if len(raw) > _LONGEST_NAME:
            raise OutputError(
                f"cannot write {path}: the name of contig {name[:40]}... has {len(raw)} bytes, and "
                f"2bit holds {_LONGEST_NAME}: rename it in the FASTA"
            )
    with atomic_path(path) as temporary, output_errors(path):
        with temporary.open("wb") as file:
            file.write(struct.pack("<IIII", _SIGNATURE, 0, len(sizes), 0))
            file.write(bytes(sum(1 + len(raw) + 4 for raw in names.values())))
            offsets = []
            for name, size in sizes.items():
                offsets.append(file.tell())
                if offsets[-1] > _LARGEST:
                    raise OutputError(
                        f"cannot write {path}: the genome is too long for 2bit with 32-bit "
                        f"offsets; make it with: faToTwoBit -long {fasta.path} {path.name}"
                    )
                _write_contig(file, fasta, name, size)
            file.seek(16)
            for raw, offset in zip(names.values(), offsets, strict=True):
                file.write(struct.pack("<B", len(raw)) + raw + struct.pack("<I", offset))
        _check(temporary, path, sizes)


def _write_contig(file: IO[bytes], fasta: Fasta, name: str, size: int) -> None:
    packed: list[bytes] = []
    unknown: list[NDArray[np.int64]] = []
    lower: list[NDArray[np.int64]] = []
    for at in range(0, size, _CHUNK):
        bases = np.frombuffer(fasta.letters(name, at, min(at + _CHUNK, size)), np.uint8)
        unknown.append(runs(~_KNOWN[bases]) + at)
        lower.append(runs((bases >= ord("a")) & (bases <= ord("z"))) + at)
        codes = np.zeros(-(-len(bases) // 4) * 4, np.uint8)
        codes[: len(bases)] = _CODES[bases]
        quads = codes.reshape(-1, 4) << np.array([6, 4, 2, 0], np.uint8)
        packed.append(np.bitwise_or.reduce(quads, axis=1).tobytes())
    file.write(struct.pack("<I", size))
    for parts in (unknown, lower):
        starts, lengths = _blocks(parts)
        file.write(struct.pack("<I", len(starts)))
        file.write(starts.astype("<u4").tobytes() + lengths.astype("<u4").tobytes())
    file.write(struct.pack("<I", 0))
    file.writelines(packed)


def _blocks(parts: list[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and lengths of blocks from the runs in consecutive chunks.

    A run that a chunk's end cut is one block.
    """
    starts, ends = np.concatenate(parts).T
    apart = ends[:-1] != starts[1:]
    outermost = np.ones(min(len(starts), 1), np.bool_)
    first, last = np.concatenate([outermost, apart]), np.concatenate([apart, outermost])
    return starts[first], ends[last] - starts[first]


def _check(temporary: Path, path: Path, sizes: ChromSizes) -> None:
    """Walk through the file: names, lengths, and that each record ends where the next begins."""
    with temporary.open("rb") as file:

        def numbers(count: int) -> tuple[int, ...]:
            return struct.unpack(f"<{count}I", file.read(4 * count))

        try:
            _, _, count, _ = numbers(4)
            places = []
            for _ in range(count):
                (width,) = file.read(1)
                places.append((file.read(width).decode(), *numbers(1)))
            found = {}
            for name, offset in places:
                if file.tell() != offset:
                    raise OutputError(f"{path}: {name} read back is not at byte {offset:,}")
                (found[name],) = numbers(1)
                for _ in range(2):
                    (blocks,) = numbers(1)
                    file.seek(8 * blocks, 1)
                file.seek(4 + -(-found[name] // 4), 1)
            end = file.tell()
            whole = file.seek(0, 2) == end
        except (struct.error, ValueError) as error:
            raise OutputError(
                f"cannot write {path}: it cannot be read back ({error}); is the disk full?"
            ) from error
    if not whole or list(found.items()) != list(sizes.items()):
        raise OutputError(f"{path}: the contigs read back differ from {sizes.source}")

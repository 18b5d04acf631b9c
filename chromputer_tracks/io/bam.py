"""A BAM behind a header that any reader takes.

The text of a BAM's header is written by many tools, and not all keep to the specification: empty
tags, a tag twice, ``@HD`` behind ``@SQ``, the same ``@PG`` twice. samtools reads them all, the
reader that is used here refuses them. Of the header only the contigs are needed, and those stand
behind the text a second time, in binary (SAM specification, section 4.2). So a text that is refused
is put aside, and one made of the binary list takes its place, without copying the records.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from chromputer_tracks.errors import FormatError
from chromputer_tracks.io.text import block_size, open_input

_MAGIC = b"BAM\x01"
_LARGEST_BLOCK = 0xFF00
"""Bytes that a bgzip block holds here; packed they must stay below 64 KiB."""
_LONGEST_NAME = 1 << 16


class Header(NamedTuple):
    """A BAM's contigs, and where its records are.

    Attributes:
        contigs: name and length in bp, in the order of their codes.
        rest: decompressed bytes behind the header in the block in which it ends.
        offset: where the next block begins in the file.
    """

    contigs: list[tuple[str, int]]
    rest: bytes
    offset: int


def read_header(path: Path) -> Header:
    """Read the binary header of a BAM, and nothing of its text.

    Raises:
        InputError: the file cannot be read.
        FormatError: it is cut off or damaged within the header.
    """
    with open_input(path) as file:
        blocks = _Blocks(path, file)
        if blocks.take(4) != _MAGIC:
            raise FormatError(f"{path} is not a BAM")
        blocks.skip(blocks.integer())
        contigs: list[tuple[str, int]] = []
        for _ in range(blocks.integer()):
            size = blocks.integer()
            if not 1 < size <= _LONGEST_NAME:
                raise blocks.damaged(f"the name of contig {len(contigs) + 1} has {size} bytes")
            name = blocks.take(size)[:-1]
            try:
                contigs.append((name.decode("ascii"), blocks.integer()))
            except UnicodeDecodeError as error:
                raise blocks.damaged(f"contig {len(contigs) + 1} is named {name!r}") from error
        return Header(contigs, blocks.left, file.tell())


class _Blocks:
    """The decompressed bytes of a bgzip file, taken from its start."""

    def __init__(self, path: Path, file: io.BufferedReader) -> None:
        self._path, self._file = path, file
        self.left = b""

    def damaged(self, why: str) -> FormatError:
        return FormatError(f"cannot read the header of {self._path}: {why}; copy or write it again")

    def _next(self) -> None:
        head = self._file.read(18)
        size = block_size(head)
        if not size:
            raise self.damaged("it is cut off" if len(head) < 18 else "a block is damaged")
        body = self._file.read(size - 18)
        try:
            self.left = zlib.decompress(body[:-8], -15)
        except zlib.error as error:
            raise self.damaged(f"{error}") from error

    def skip(self, number: int) -> None:
        if number < 0:
            raise self.damaged(f"a length is {number}")
        while number > len(self.left):
            number -= len(self.left)
            self._next()
        self.left = self.left[number:]

    def take(self, number: int) -> bytes:
        found = b""
        while len(found) + len(self.left) < number:
            found += self.left
            self._next()
        number -= len(found)
        found, self.left = found + self.left[:number], self.left[number:]
        return found

    def integer(self) -> int:
        value: int = struct.unpack("<i", self.take(4))[0]
        return value


def plain_header(path: Path, header: Header) -> io.BufferedReader:
    """The BAM, its records as they are, behind a header of ``@SQ`` lines alone.

    Args:
        path: the file.
        header: its own.

    Returns:
        bgzip bytes that can be read and sought in; the caller closes it.
    """
    text = "".join(f"@SQ\tSN:{name}\tLN:{length}\n" for name, length in header.contigs).encode()
    parts = [_MAGIC, struct.pack("<i", len(text)), text, struct.pack("<i", len(header.contigs))]
    for name, length in header.contigs:
        word = name.encode() + b"\0"
        parts += [struct.pack("<i", len(word)), word, struct.pack("<i", length)]
    start = b"".join(parts) + header.rest
    packed = b"".join(
        _block(start[at : at + _LARGEST_BLOCK]) for at in range(0, len(start), _LARGEST_BLOCK)
    )
    return io.BufferedReader(_Behind(packed, open_input(path), header.offset), 1 << 20)


def _block(data: bytes) -> bytes:
    """A bgzip block."""
    packing = zlib.compressobj(1, zlib.DEFLATED, -15)
    body = packing.compress(data) + packing.flush()
    head = bytes.fromhex("1f8b08040000000000ff060042430200")
    size = struct.pack("<H", len(head) + 2 + len(body) + 8 - 1)
    return head + size + body + struct.pack("<II", zlib.crc32(data), len(data))


class _Behind(io.RawIOBase):
    """Some bytes, and behind them a file from an offset on."""

    def __init__(self, start: bytes, file: io.BufferedReader, offset: int) -> None:
        self._start, self._file, self._offset = start, file, offset
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_CUR:
            offset += self._at
        elif whence == io.SEEK_END:
            offset += self._file.seek(0, io.SEEK_END) - self._offset + len(self._start)
        self._at = offset
        return offset

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        behind = self._at - len(self._start)
        if behind < 0:
            part = self._start[self._at : self._at + len(buffer)]
        else:
            self._file.seek(self._offset + behind)
            part = self._file.read(len(buffer))
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def close(self) -> None:
        self._file.close()
        super().close()

"""What kind of compressed file this is, whether it is whole, and random access to bgzip blocks.

bgzip files (BGZF, SAM specification section 4.1) are gzip files cut into blocks of at most 64 KiB,
each of which tells its own size in an extra field ``BC``; an empty block marks the end.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Self

from chromputer_tracks.errors import FileIndexError, FormatError, InputError

GZIP_MAGIC = b"\x1f\x8b"
_EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def open_input(path: Path) -> BufferedReader:
    """Open ``path`` for reading bytes.

    Raises:
        InputError: it does not exist, is a folder or cannot be read.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def is_gzip(path: Path) -> bool:
    """Whether the file starts with the gzip magic number (bgzip files do)."""
    with open_input(path) as file:
        return file.read(2) == GZIP_MAGIC


def is_bgzf(path: Path) -> bool:
    """Whether the file starts with a bgzip block."""
    with open_input(path) as file:
        return _block_size(file.read(18)) > 0


def check_eof_block(path: Path) -> None:
    """Check that a bgzip file ends with the empty block that marks its end.

    Raises:
        FormatError: the block is missing: the file was cut off.
    """
    with open_input(path) as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - len(_EOF_BLOCK)))
        if file.read() != _EOF_BLOCK:
            raise FormatError(
                f"{path} is truncated: its end-of-file block is missing; copy or write it again"
            )


def check_fresh(index: Path, path: Path, remedy: str) -> None:
    """Check that an index is not older than its file.

    Copying or unpacking a folder writes the two in either order, moments apart: 2 s are allowed.

    Raises:
        FileIndexError: it is older; ``remedy`` ends the message.
    """
    if index.stat().st_mtime + 2 < path.stat().st_mtime:
        raise FileIndexError(f"{index} is older than {path.name}; {remedy}")


def _block_size(head: bytes) -> int:
    """Total bytes of the bgzip block that starts with these 18 bytes; 0 when it is none."""
    if len(head) < 18 or head[:4] != b"\x1f\x8b\x08\x04" or head[12:16] != b"BC\x02\x00":
        return 0
    return int.from_bytes(head[16:18], "little") + 1


class BgzfReader:
    """Random access by uncompressed offset to a bgzip file that has a ``.gzi`` index.

    Raises:
        FileIndexError: the index is missing, malformed, or does not point at blocks of this file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._index = path.with_name(path.name + ".gzi")
        try:
            raw = self._index.read_bytes()
        except FileNotFoundError:
            raise FileIndexError(
                f"{path} has no index {self._index.name}; make it with: samtools faidx {path}"
            ) from None
        count = int.from_bytes(raw[:8], "little")
        if len(raw) != 8 + 16 * count:
            raise self._stale("its length is wrong")
        pairs = list(struct.iter_unpack("<QQ", raw[8:]))
        self._compressed: list[int] = [0, *(pair[0] for pair in pairs)]
        self._plain: list[int] = [0, *(pair[1] for pair in pairs)]
        self._file = open_input(path)
        self._cached: tuple[int, bytes] = (-1, b"")
        try:
            self._check_blocks()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def _stale(self, why: str) -> FileIndexError:
        return FileIndexError(
            f"{self._index.name} does not belong to {self._path} ({why}); delete it and its .fai "
            f"and make them again with: samtools faidx {self._path}"
        )

    def _check_blocks(self) -> None:
        """Compare every indexed block with the block header and trailer at its place."""
        for number in range(len(self._compressed) - 1):
            at, following = self._compressed[number : number + 2]
            self._file.seek(at)
            if at + _block_size(self._file.read(18)) != following:
                raise self._stale(f"no block of {following - at:,} bytes at byte {at:,}")
            self._file.seek(following - 4)
            held = int.from_bytes(self._file.read(4), "little")
            if self._plain[number] + held != self._plain[number + 1]:
                raise self._stale(f"block {number} holds {held:,} bytes")

    def _inflate(self, at: int) -> tuple[bytes, int]:
        """Content and size of the block at byte ``at`` of the file."""
        self._file.seek(at)
        head = self._file.read(18)
        size = _block_size(head)
        if not size:
            raise self._stale(f"no block at byte {at:,}")
        try:
            return zlib.decompress(head + self._file.read(size - 18), wbits=31), size
        except zlib.error as error:
            raise FormatError(f"{self._path}: block at byte {at:,} is damaged: {error}") from error

    def _block(self, number: int) -> bytes:
        if self._cached[0] == number:
            return self._cached[1]
        data, _ = self._inflate(self._compressed[number])
        self._cached = (number, data)
        return data

    def read(self, offset: int, count: int) -> bytes:
        """Up to ``count`` uncompressed bytes from ``offset``; fewer at the end of the file."""
        number = bisect_right(self._plain, offset) - 1
        at = offset - self._plain[number]
        out = b""
        while len(out) < count and number < len(self._plain):
            out += self._block(number)[at : at + count - len(out)]
            number, at = number + 1, 0
        return out

    def size(self) -> int:
        """Uncompressed bytes of the file: the indexed ones and those of the blocks after them."""
        at, total = self._compressed[-1], self._plain[-1]
        end = self._file.seek(0, 2)
        while at < end:
            data, size = self._inflate(at)
            at, total = at + size, total + len(data)
        return total

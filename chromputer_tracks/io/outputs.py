"""The files of a run as its record tells them, and whether a folder still holds them.

``run.json`` has size and SHA-256 of every result, taken before it was published. What reads a
folder of results asks :func:`check_outputs` first: files of two runs side by side, an interrupted
copy or an edited table are found before they are shown under a record that is not theirs.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

READ_AT_ONCE = 64 << 20
"""Bytes of results whose SHA-256 is compared without being asked for; it takes about 0.1 s."""
_THREADS = 4
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A result as it was made.

    Attributes:
        bytes: its size; of a link: of its text.
        sha256: checksum of its content; of a link: of its text.
        link: where it leads, for a link.
    """

    bytes: int
    sha256: str
    link: str | None = None

    @classmethod
    def of(cls, path: Path) -> OutputFile:
        """Read a file; what a link leads to is not read.

        Raises:
            OSError: it cannot be read.
        """
        if path.is_symlink():
            text = os.fsencode(path.readlink())
            return cls(len(text), hashlib.sha256(text).hexdigest(), os.fsdecode(text))
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
        return cls(size, digest.hexdigest())


def output_files(folder: Path, names: Iterable[str]) -> dict[str, OutputFile]:
    """Size and SHA-256 of files in a folder, in threads.

    Raises:
        OSError: one cannot be read.
    """
    wanted = sorted(names)
    with ThreadPoolExecutor(_THREADS, "chromputer-checksums") as pool:
        found = pool.map(OutputFile.of, [folder / name for name in wanted])
        return dict(zip(wanted, found, strict=True))


def is_unchanged(path: Path, made: OutputFile) -> bool:
    """Whether a file is the one that a run made, by its content; False where it cannot be read."""
    try:
        if not path.is_symlink() and (not path.is_file() or path.stat().st_size != made.bytes):
            return False
        return OutputFile.of(path) == made
    except OSError:
        return False

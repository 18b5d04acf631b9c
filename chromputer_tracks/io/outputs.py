"""The files of a run as its record tells them, and whether a folder still holds them.

``run.json`` has size and SHA-256 of every result, taken before it was published. What reads a
folder of results asks :func:`check_outputs` first: files of two runs side by side, an interrupted
copy or an edited table are found before they are shown under a record that is not theirs.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chromputer_tracks.errors import InputError
from chromputer_tracks.io.threads import Workers

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
    with Workers(_THREADS, "chromputer-checksums") as pool:
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


def check_outputs(
    folder: Path, made: Mapping[str, OutputFile], command: str, *, contents: bool = False
) -> None:
    """Check that the files of a folder are those that its record tells of.

    Sizes are compared always; SHA-256 where asked for, and where all files together are small
    (:data:`READ_AT_ONCE`). Files that are not there are not looked for: a folder may be copied
    without its arrays; whoever needs a file says that it is missing.

    Args:
        folder: of results.
        made: by name, as the record tells; of earlier releases nothing.
        command: what made them, for messages.
        contents: compare SHA-256 however large the files are.

    Raises:
        InputError: names the first file that is not as it was made, and what to do.
    """
    there = {name: told for name, told in sorted(made.items()) if (folder / name).is_file()}
    for name, told in there.items():
        size = (folder / name).stat().st_size
        if told.link is None and size != told.bytes:
            raise _other(folder, name, f"{size:,} bytes, not {told.bytes:,}", command)
    if not contents and sum(told.bytes for told in there.values()) > READ_AT_ONCE:
        return
    # A link in the place of a file counts as the file: Galaxy keeps them elsewhere.
    files = {name: told for name, told in there.items() if told.link is None}
    with Workers(_THREADS, "chromputer-checksums") as pool:
        same = pool.map(is_unchanged, [(folder / name).resolve() for name in files], files.values())
        for name, is_same in zip(files, same, strict=True):
            if not is_same:
                raise _other(folder, name, "another SHA-256", command)


def _other(folder: Path, name: str, how: str, command: str) -> InputError:
    return InputError(
        f"{folder / name} is not the file that the run made, of which {folder / 'run.json'} tells "
        f"({how}): it was changed, or is of another run or an unfinished copy; copy the whole "
        f"folder again, or run `chromputer {command}` again"
    )

"""Temporary files, of which nothing stays: whatever ends a process, a kill among it.

What this package reads and writes itself goes to files without a name (:class:`ScratchFile`): the
system frees them when the process ends, and nobody else can open them; ``lsof +L1`` lists them.
Other programs need names: :func:`scratch_folder` makes a folder that is locked as long as its
process lives. The next run removes those that nobody locks (:func:`clean_scratch`), if they are of
the same user and made on the same machine, since locks are not always seen on another.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import InputError, OutputError


@contextmanager
def scratch_errors(folder: Path) -> Iterator[None]:
    """Turn an ``OSError`` in the scratch folder into an ``OutputError`` that names it."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot use scratch folder {folder}: {error.strerror or error}; name one with more "
            "room by --scratch or TMPDIR"
        ) from error


class ScratchFile:
    """A file without a name, to append to and to read anywhere, from several threads.

    Args:
        folder: where it takes its room; None: TMPDIR.

    Raises:
        OutputError: the folder cannot be written (also of the methods).
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder or Path(tempfile.gettempdir())
        with scratch_errors(self.folder):
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - close()
        self._end = 0

    def append(self, data: bytes) -> int:
        """Write behind all that is there; returns where it begins. Read it after a flush."""
        at = self._end
        with scratch_errors(self.folder):
            self._end += self._file.write(data)
        return at

    def flush(self) -> None:
        """Have on the disk what was appended."""
        with scratch_errors(self.folder):
            self._file.flush()

    def read(self, at: int, count: int) -> bytes:
        """Bytes from a place on."""
        parts = []
        with scratch_errors(self.folder):
            while count and (part := os.pread(self._file.fileno(), count, at)):
                parts.append(part)
                at += len(part)
                count -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def map(self, dtype: type[np.generic]) -> NDArray[Any]:
        """The whole file, in pages that are read when they are used."""
        with scratch_errors(self.folder):
            return np.memmap(self._file, dtype=dtype, mode="r")

    def close(self) -> None:
        """Let go of it; what is mapped of it stays readable."""
        # What could not be written for want of room need not be.
        with suppress(OSError):
            self._file.close()


def spooled(path: Path) -> Path:
    """A file with all that comes through a pipe, which programs can read once only.

    It has no name, so that nothing stays of it; other readers find it among this process's open
    files. What the shell made of ``<(command)`` or hands over as standard input keeps its path, so
    that messages and records show what the user wrote.

    Args:
        path: a pipe; this waits for its end.

    Raises:
        OutputError: TMPDIR is full or cannot be written.
        InputError: the pipe cannot be read.
    """
    folder = Path(tempfile.gettempdir())
    try:
        source = path.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    with source, scratch_errors(folder):
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open as long as the process
        shutil.copyfileobj(source, file, 1 << 20)
        file.flush()
    number = _descriptor(path)
    if number is None:
        number = os.dup(file.fileno())
        path = Path(f"/dev/fd/{number}")
    else:
        os.dup2(file.fileno(), number)
    file.close()
    return path


def _descriptor(path: Path) -> int | None:
    """The number of this process's open file that a path such as ``/dev/fd/63`` means."""
    if path == Path("/dev/stdin"):
        return 0
    found = re.fullmatch("/(?:dev|proc/self)/fd/([0-9]+)", str(path))
    return int(found[1]) if found else None


def _prefix() -> str:
    """How the names of this machine's scratch folders begin."""
    return f"chromputer-{re.sub('[^0-9A-Za-z.]', '_', platform.node())}-"


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder for files that other programs read and write, gone at the block's end.

    Args:
        parent: where it lies; None: TMPDIR, where those of killed processes are cleaned up.

    Raises:
        OutputError: it cannot be made.
    """
    if parent is None:
        clean_scratch()
    parent = Path(tempfile.gettempdir()) if parent is None else parent
    while True:
        folder = parent / f"{_prefix()}{token_hex(4)}"
        with scratch_errors(parent):
            folder.mkdir(mode=0o700)
            number = _locked(folder)
        # Between its birth and its lock another process may have taken it for a dead one's.
        if number is None or folder.exists():
            break
        os.close(number)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if number is not None:
            os.close(number)


def clean_scratch() -> None:
    """Remove the scratch folders of this user's processes on this machine that have died."""
    prefix = _prefix()
    with suppress(OSError):
        for item in Path(tempfile.gettempdir()).glob(f"{prefix}{'[0-9a-f]' * 8}"):
            with suppress(OSError):
                if item.lstat().st_uid == os.getuid() and (number := _locked(item)) is not None:
                    shutil.rmtree(item, ignore_errors=True)
                    os.close(number)


def _locked(folder: Path) -> int | None:
    """An open folder, locked until it is closed; None where another process, or nobody, can."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        return None
    return number

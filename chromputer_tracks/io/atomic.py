"""Files appear under their final name only when they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from secrets import token_hex

from chromputer_tracks.errors import OutputError

PARTIAL = ".partial-"
"""How the names of unfinished files begin; a process that was killed may leave some."""


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` while writing ``path`` into an ``OutputError`` that names it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or f"{error} (is the disk full?)"  # htslib's errors have no number
        raise OutputError(f"cannot write {path}: {reason}") from error


def check_parent(path: Path) -> None:
    """Check that the folder that ``path`` is to lie in exists.

    Raises:
        OutputError: it does not.
    """
    if not path.parent.is_dir():
        raise OutputError(
            f"cannot write {path}: folder {path.parent} does not exist; make it first"
        )


@contextmanager
def made_parents(out: Path) -> Iterator[None]:
    """The folders that ``out`` is to lie in, made; those that the block leaves empty go again.

    Raises:
        OutputError: one cannot be made.
    """
    missing = [parent for parent in out.parents if not os.path.lexists(parent)]
    try:
        for parent in reversed(missing):
            with output_errors(parent):
                parent.mkdir(exist_ok=True)
        yield
    finally:
        for parent in missing:
            # It stays when anything was written, here or by another run.
            with suppress(OSError):
                parent.rmdir()


def check_folder(out: Path) -> None:
    """Check that ``out`` is a folder that can be written into, or can be made with its parents.

    Raises:
        OutputError: it or what it is to lie in is a file, or may not be written into.
    """
    with output_errors(out):
        # Also of one below a file, which os.stat calls an error of its own.
        folder = next(path for path in (out, *out.parents, Path.cwd()) if path.exists())
    if not folder.is_dir():
        what = "it" if folder == out else folder
        raise OutputError(f"cannot write {out}: {what} is a file; name a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            f"cannot write {out}: no permission to write into the folder {folder}, or its disk is "
            f"read-only"
        )


@contextmanager
def made_folder(out: Path) -> Iterator[None]:
    """A folder to write into, made with its parents; gone again if the block leaves it empty.

    Raises:
        OutputError: it cannot be made.
    """
    made = not out.exists()
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if made:
            # It stays when anything was written.
            with suppress(OSError):
                out.rmdir()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of ``path``, renamed to it when the block ends well.

    Companions that the block writes (an index: the temporary name plus a suffix) are renamed
    along. Files are on the disk before they get their names; where the process is killed in between
    the file may be without its companion, but none is beside the file of another. When the block
    fails, all of them are removed and nothing appears under
    the final name; a file that stood there before is kept.

    Raises:
        OutputError: the folder is missing, not writable or full.
    """
    check_parent(path)
    # Suffixes stay at the end: several libraries choose the format by them.
    temporary = path.with_name(f"{PARTIAL}{token_hex(4)}-{path.name}")
    try:
        with output_errors(path):
            yield temporary
            if not temporary.exists():
                raise OutputError(f"cannot write {path}: nothing was written")
            companions = {
                companion: path.with_name(path.name + companion.name[len(temporary.name) :])
                for companion in path.parent.glob(f"{escape(temporary.name)}.*")
            }
            for made in (temporary, *companions):
                sync(made)
            for final in companions.values():
                final.unlink(missing_ok=True)
            temporary.replace(path)
            for companion, final in companions.items():
                companion.replace(final)
    finally:
        for leftover in path.parent.glob(f"{escape(temporary.name)}*"):
            leftover.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have a file or folder on the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)

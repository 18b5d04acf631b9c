"""The index of a FASTA, made where it is missing: beside the FASTA, else in scratch."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import pysam
from pysam.utils import SamtoolsError

from chromputer_tracks.errors import FileIndexError, FormatError, OutputError
from chromputer_tracks.io.atomic import PARTIAL
from chromputer_tracks.io.scratch import scratch_errors, scratch_folder
from chromputer_tracks.io.text import open_bytes


@dataclass(frozen=True, slots=True)
class IndexFiles:
    """Where the index of a FASTA lies.

    Attributes:
        fai: names, lengths and places of the contigs.
        gzi: places of the blocks of a bgzip file; None for a plain one.
    """

    fai: Path
    gzi: Path | None

    @classmethod
    def beside(cls, path: Path, *, packed: bool) -> IndexFiles:
        """Where samtools puts it."""
        gzi = path.with_name(path.name + ".gzi") if packed else None
        return cls(path.with_name(path.name + ".fai"), gzi)

    def missing(self) -> list[Path]:
        """The files that are not there."""
        return [path for path in (self.fai, self.gzi) if path is not None and not path.exists()]


def find_index(
    path: Path,
    stack: ExitStack,
    *,
    packed: bool,
    scratch: Path | None = None,
    note: Callable[[str], None] | None = None,
) -> IndexFiles:
    """The index beside a FASTA, made if it is missing.

    Each file appears whole under its name, so that runs that make it at the same time do not meet.
    Where the FASTA's folder cannot be written into, the index lies in a folder of its own for
    scratch until ``stack`` is closed.

    Args:
        path: the FASTA.
        stack: removes what is in scratch.
        packed: whether it is a bgzip file.
        scratch: folder for temporary files; None: the system's.
        note: is told what is made, and where.

    Raises:
        FormatError: it cannot be indexed; names the line.
        FileIndexError: there is no place for the index.
    """
    index = IndexFiles.beside(path, packed=packed)
    missing = index.missing()
    if not missing:
        return index
    names = " and ".join(item.name for item in missing)
    say = note or (lambda _: None)
    marked = f"{PARTIAL}{token_hex(4)}-{path.name}"
    made = IndexFiles.beside(path.with_name(marked), packed=packed)
    try:
        if _can_write(path.parent):
            say(f"note: {path} has no index {names}: made beside it")
            _make(path, made)
            # The names and places of contigs last: who finds them finds all.
            for new, final in ((made.gzi, index.gzi), (made.fai, index.fai)):
                if new is not None and final is not None and final in missing:
                    new.replace(final)
            return index
    except OSError:
        pass  # a folder that looked as if it could be written into, or a full disk
    finally:
        for new in (made.gzi, made.fai):
            if new is not None:
                with suppress(OSError):
                    new.unlink(missing_ok=True)
    try:
        folder = stack.enter_context(scratch_folder(scratch))
        say(
            f"note: {path} has no index {names}, and its folder cannot be written into: made in "
            f"{folder.parent} for this run; `samtools faidx` of a copy keeps it"
        )
        index = IndexFiles.beside(folder / path.name, packed=packed)
        with scratch_errors(folder):
            _make(path, index)
    except OutputError as error:
        raise FileIndexError(
            f"{path} has no index {names}, and none can be made: {error}; or make it with: "
            f"samtools faidx {path}"
        ) from error
    return index


def _can_write(folder: Path) -> bool:
    """Whether files can be made there; a file system that is read-only says so of root, too."""
    return os.access(folder, os.W_OK | os.X_OK)


def _make(path: Path, index: IndexFiles) -> None:
    """Have samtools make the index.

    Raises:
        FormatError: it cannot.
        OSError: it cannot be written.
    """
    index.fai.touch()  # htslib does not tell what kept it from writing
    options = ["--fai-idx", str(index.fai)]
    if index.gzi is not None:
        options += ["--gzi-idx", str(index.gzi)]
    told = pysam.set_verbosity(0)  # samtools would write lines of its own to stderr
    try:
        pysam.faidx(str(path), *options)
    except SamtoolsError as error:
        raise FormatError(f"{path} cannot be indexed: {_why(path)}") from error
    finally:
        pysam.set_verbosity(told)


def _why(path: Path) -> str:
    """Why samtools cannot index a FASTA: the first line that breaks its rules."""
    name, width, short = "", 0, 0
    with open_bytes(path) as file:
        for number, raw in enumerate(file, 1):
            line = raw.rstrip(b"\r\n")
            if line.startswith(b">"):
                words = line[1:].split()
                if not words:
                    return f"line {number}: a sequence has no name; write one behind the '>'"
                name, width, short = words[0].decode(errors="replace"), 0, 0
            elif short and line:
                return (
                    f"line {number} follows a line of another length in {name} (line {short}); "
                    f"all lines of a sequence but the last must be equally long. Write it again: "
                    f"seqkit seq -w 60 {path}"
                )
            elif width and len(line) != width:
                short = number
                if len(line) > width:
                    return (
                        f"line {number} is longer than those before it in {name}; all lines of a "
                        f"sequence but the last must be equally long. Write it again: "
                        f"seqkit seq -w 60 {path}"
                    )
            else:
                width = len(line)
    return f"is {name} without a sequence? samtools faidx {path} says more"

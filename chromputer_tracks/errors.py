"""The exception tree: every failure that a user can cause or mend.

::

    ChromputerError
    ├── InputError            a file or value that the user gave cannot be used
    │   ├── FormatError       malformed content: names the file and the line or record
    │   ├── ContigError       contigs of two files do not match, or a contig is unknown
    │   ├── BoundsError       an interval or fragment ends past its contig
    │   ├── FileIndexError    an index (.fai, .gzi, .tbi, .bai) is missing or stale
    │   └── OptionError       options that are out of bounds or do not go together
    ├── SpecError             a model folder, model file or ``model.json`` cannot be used
    ├── ConfigError           a training configuration cannot be used
    ├── ProviderError         the asked-for execution provider (CUDA ...) is not usable
    ├── ExportError           the exported graph does not equal the trained network
    ├── DependencyError       an optional package or a binary is missing
    └── OutputError           a result cannot be written, or failed its check after writing

Each message is one sentence or two: file, place, value, remedy; :func:`counted` says how many. The
command line prints it and exits with 1; anything that is not a ``ChromputerError`` is a bug and
keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ChromputerError(Exception):
    """Base of all errors that name something the user can mend.

    Attributes:
        key: the setting that it is about (``fit.epochs``, ``binary[2].peaks[0]``), or empty.
    """

    def __init__(self, *args: object, key: str = "") -> None:
        super().__init__(*args)
        self.key = key


class InputError(ChromputerError):
    """A file or value given by the user cannot be used."""


class FormatError(InputError):
    """A file's content is malformed; the message names the line or record."""


class ContigError(InputError):
    """Contig names of two files do not match, or a contig is unknown."""


class BoundsError(InputError):
    """An interval or fragment reaches past the end of its contig."""


class FileIndexError(InputError):
    """An index file is missing, unreadable or older than its data."""


class OptionError(InputError):
    """Options out of bounds or that do not go together; at the command line a usage error (2).

    Its ``key`` is the flag that it is about, such as ``--regions``.
    """


class SpecError(ChromputerError):
    """A model folder, model file or its ``ModelSpec`` cannot be used."""


class ConfigError(ChromputerError):
    """A training configuration is wrong; the message names the key."""


class ProviderError(ChromputerError):
    """The execution provider that was asked for cannot be used on this machine."""


class ExportError(ChromputerError):
    """The exported ONNX graph does not reproduce the trained network."""


class DependencyError(ChromputerError):
    """An optional Python package or an external binary is missing."""


class OutputError(ChromputerError):
    """A result cannot be written or did not pass its check after writing."""


def meant(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'Reb1'?``: the known word that a wrong one may stand for, or nothing."""
    by_case = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), by_case, 1)
    return f"; did you mean {by_case[close[0]]!r}?" if close else ""


def counted(number: int, noun: str) -> str:
    """``1 site``, ``12,345 sites``: a number and what it counts, in the plural but for one."""
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


def is_readers(error: BaseException) -> bool:
    """Whether a library failed, also by a panic of Rust, which is no ``Exception``."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def reason(error: BaseException) -> str:
    """The first line of what a library says, behind which it may print its own stack."""
    return next(iter(str(error).splitlines()), type(error).__name__)

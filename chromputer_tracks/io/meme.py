"""Motifs in MEME's minimal text format, as JASPAR, HOCOMOCO and the MEME suite's databases have it.

The format: https://meme-suite.org/meme/doc/meme-format.html. Only letter-probability matrices of
DNA are read; log-odds matrices, sites and statistics in MEME's full text output are passed over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import FormatError, InputError
from chromputer_tracks.io.atomic import atomic_path
from chromputer_tracks.io.text import Line, numbered_lines

UNIFORM = (0.25, 0.25, 0.25, 0.25)
"""Equal frequencies of A, C, G and T."""
DEFAULT_SITES = 20
"""Sites of a motif whose file does not say (MEME's own default)."""

_MATRIX = "letter-probability matrix:"
_ATTRIBUTE = re.compile(r"(\w+)=\s*(\S+)")
_SUM_TOLERANCE = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class MemeMotif:
    """A motif.

    Attributes:
        name: its identifier (``MA0363.3``), without white space.
        matrix: float64 (4, width): probability of A, C, G and T (rows) in each place.
        alternate: a second name (``REB1``), or empty.
        sites: from how many sites the matrix was counted.
        url: where it is described, or empty.
    """

    name: str
    matrix: NDArray[np.float64]
    alternate: str = ""
    sites: int = DEFAULT_SITES
    url: str = ""

    @property
    def width(self) -> int:
        """Places."""
        return int(self.matrix.shape[1])

    @property
    def title(self) -> str:
        """What people call it: ``REB1 (MA0363.3)``."""
        return f"{self.alternate} ({self.name})" if self.alternate else self.name


def read_meme(path: Path) -> tuple[MemeMotif, ...]:
    """Read the motifs of a file, plain or gzip, in its order.

    Raises:
        InputError: it cannot be read or holds no motif.
        FormatError: it is not MEME text of DNA, or a motif is malformed; names the line.
    """
    path = Path(path)
    lines = list(numbered_lines(path))
    _check_head(path, lines)
    motifs: dict[str, MemeMotif] = {}
    for block in _blocks(lines):
        motif = _motif(path, block)
        if motif.name in motifs:
            raise FormatError(
                f"{path} line {block[0].number}: motif {motif.name!r} is there twice; give each "
                "motif a name of its own"
            )
        motifs[motif.name] = motif
    if not motifs:
        raise InputError(f"{path} holds no motif: it has no line that begins with MOTIF")
    return tuple(motifs.values())


def write_meme(
    path: Path, motifs: Iterable[MemeMotif], background: Sequence[float] = UNIFORM
) -> None:
    """Write motifs (a file of none cannot be read again), probabilities with six decimals.

    The ``background`` is frequencies of A, C, G and T.

    Raises:
        FormatError: a name is empty or has white space.
        OutputError: the file cannot be written.
    """
    letters = " ".join(f"{b} {f:.4g}" for b, f in zip("ACGT", background, strict=True))
    text = [
        "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\n"
        f"Background letter frequencies\n{letters}\n"
    ]
    for motif in motifs:
        names = [motif.name, motif.alternate] if motif.alternate else [motif.name]
        for name in names:
            if name.split() != [name]:
                raise FormatError(f"{path}: a motif cannot be named {name!r}: no white space")
        text.append(f"\nMOTIF {' '.join(names)}\n")
        text.append(f"{_MATRIX} alength= 4 w= {motif.width} nsites= {motif.sites} E= 0\n")
        text.extend(" ".join(f"{p:.6f}" for p in column) + "\n" for column in motif.matrix.T)
        if motif.url:
            text.append(f"URL {motif.url}\n")
    with atomic_path(path) as temporary:
        temporary.write_text("".join(text), encoding="utf-8")


def _text(line: Line) -> str:
    return " ".join(line.fields).strip()


def _check_head(path: Path, lines: Sequence[Line]) -> None:
    """The version line, and an alphabet that is DNA where one is named."""
    texts = [(line.number, _text(line)) for line in lines]
    if not any(text.startswith("MEME version") for _, text in texts):
        raise FormatError(
            f"{path} is not MEME text: no line begins with 'MEME version'; JASPAR's other formats "
            "can be converted with the MEME suite's jaspar2meme"
        )
    for number, text in texts:
        if text.startswith("MOTIF"):
            return
        if text.startswith("ALPHABET"):
            given = text.removeprefix("ALPHABET").removeprefix("=").strip()
            if given.upper() not in ("ACGT", 'DNA "DNA"') and '"DNA"' not in given:
                raise FormatError(
                    f"{path} line {number}: the alphabet is {given!r}, but only DNA (ACGT) can be "
                    "matched"
                )


def _blocks(lines: Iterable[Line]) -> list[list[Line]]:
    """The lines from each MOTIF line to the next."""
    blocks: list[list[Line]] = []
    for line in lines:
        if line.fields[0].split()[:1] == ["MOTIF"] and not line.fields[0][:1].isspace():
            blocks.append([])
        if blocks:
            blocks[-1].append(line)
    return blocks


def _motif(path: Path, block: Sequence[Line]) -> MemeMotif:
    number = block[0].number
    names = _text(block[0]).split()[1:]
    if not names:
        raise FormatError(f"{path} line {number}: MOTIF has no name behind it")
    # MEME's own output goes on with "width = ...".
    alternate = names[1] if len(names) > 1 and names[1] != "width" else ""
    url = next((_text(line)[3:].strip() for line in block if _text(line).startswith("URL")), "")
    for place, line in enumerate(block):
        if _text(line).lower().startswith(_MATRIX):
            matrix, sites = _matrix(path, line, block[place + 1 :])
            return MemeMotif(names[0], matrix, alternate, sites, url)
    raise FormatError(f"{path} line {number}: motif {names[0]!r} has no {_MATRIX.rstrip(':')}")


def _matrix(path: Path, head: Line, rows: Sequence[Line]) -> tuple[NDArray[np.float64], int]:
    """The matrix below its line of attributes, and its number of sites."""
    given = dict(_ATTRIBUTE.findall(_text(head)))
    letters, width, sites = (
        _count(path, head, given, key, default)
        for key, default in (("alength", 4), ("w", 0), ("nsites", DEFAULT_SITES))
    )
    if letters != 4:
        raise FormatError(
            f"{path} line {head.number}: alength= {letters}; only motifs of 4 letters (DNA) can be "
            "matched"
        )
    columns: list[list[float]] = []
    for line in rows:
        values = _numbers(_text(line))
        if values is None or (width and len(columns) == width):
            break
        if problem := _problem(values):
            raise FormatError(f"{path} line {line.number}: {problem}")
        columns.append(values)
    if not columns or (width and len(columns) < width):
        raise FormatError(
            f"{path} line {head.number}: the matrix has {len(columns)} rows of numbers"
            + (f", but w= {width}" if width else "")
        )
    return np.array(columns).T.copy(), sites


def _count(path: Path, head: Line, given: dict[str, str], key: str, default: int) -> int:
    """An attribute that counts; MEME writes some of them as ``17.0``."""
    values = _numbers(given.get(key, str(default)))
    if values is None or not math.isfinite(values[0]) or values[0] < 0:
        raise FormatError(f"{path} line {head.number}: {key}= {given[key]} is not a number")
    return round(values[0])


def _numbers(text: str) -> list[float] | None:
    """The numbers of a line; None where it is empty or holds anything else."""
    try:
        return [float(word) for word in text.split()] or None
    except ValueError:
        return None


def _problem(values: Sequence[float]) -> str:
    """What is wrong with a row of a matrix; empty when it is well."""
    if len(values) != 4:
        return f"{len(values)} numbers, but a row has 4 (A, C, G, T)"
    if not all(0 <= value <= 1 for value in values):
        return "a probability is not between 0 and 1"
    total = sum(values)
    if abs(total - 1) > _SUM_TOLERANCE:
        return f"the probabilities sum to {total:.4g}, not to 1"
    return ""

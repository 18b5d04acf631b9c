"""DNA shape by pentamer, from a tab-separated table."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import FormatError, InputError

COLUMNS = ("MGW", "ProT", "Roll1", "Roll2", "HelT1", "HelT2")
"""Minor groove width (angstrom) and propeller twist (degrees) of the central base; roll and helix
twist (degrees) of the step before and the step after it."""


def read_shape_table(path: Path) -> NDArray[np.float64]:
    """Read a pentamer table such as that of Zhou et al. 2013 (doi:10.1093/nar/gkt437).

    Args:
        path: tab-separated with the header ``pentamer`` and :data:`COLUMNS`, in any order, and one
            row for each of the 1,024 pentamers.

    Returns:
        float64 (1024, 6): rows in the order AAAAA, AAAAC ... TTTTT, columns as :data:`COLUMNS`.

    Raises:
        InputError: the file cannot be read.
        FormatError: a column, a pentamer or a number is missing, or a pentamer is there twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not a text table of DNA shape: {error}") from error
    rows = csv.DictReader(lines, delimiter="\t")
    missing = {"pentamer", *COLUMNS} - set(rows.fieldnames or ())
    if missing:
        raise FormatError(f"{path}: the header lacks {', '.join(sorted(missing))}")
    codes = {"".join(word): code for code, word in enumerate(itertools.product("ACGT", repeat=5))}
    table = np.full((len(codes), len(COLUMNS)), np.nan)
    for row in rows:
        word = row["pentamer"]
        if word not in codes:
            raise FormatError(
                f"{path} line {rows.line_num}: {word!r} is not a pentamer of A, C, G, T"
            )
        if not np.isnan(table[codes[word], 0]):
            raise FormatError(f"{path} line {rows.line_num}: pentamer {word} is there twice")
        try:
            values = [float(row[name]) for name in COLUMNS]
        except (TypeError, ValueError) as error:
            raise FormatError(f"{path} line {rows.line_num}: {error}") from error
        if not np.isfinite(values).all():
            raise FormatError(f"{path} line {rows.line_num}: a value of {word} is not finite")
        table[codes[word]] = values
    absent = [word for word, code in codes.items() if np.isnan(table[code, 0])]
    if absent:
        raise FormatError(f"{path} has no row for {absent[0]} ({len(absent)} of 1,024 are missing)")
    return table

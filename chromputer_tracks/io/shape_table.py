"""DNA shape by pentamer, from a tab-separated table."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import FormatError
from chromputer_tracks.io.table_columns import read_columns

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
    codes = {"".join(word): code for code, word in enumerate(itertools.product("ACGT", repeat=5))}
    table = np.full((len(codes), len(COLUMNS)), np.nan)
    for number, (word, *fields) in read_columns(path, ("pentamer", *COLUMNS)):
        if word not in codes:
            raise FormatError(f"{path} line {number}: {word!r} is not a pentamer of A, C, G, T")
        if not np.isnan(table[codes[word], 0]):
            raise FormatError(f"{path} line {number}: pentamer {word} is there twice")
        try:
            values = [float(field) for field in fields]
        except ValueError as error:
            raise FormatError(f"{path} line {number}: {error}") from error
        if not np.isfinite(values).all():
            raise FormatError(f"{path} line {number}: a value of {word} is not finite")
        table[codes[word]] = values
    absent = [word for word, code in codes.items() if np.isnan(table[code, 0])]
    if absent:
        raise FormatError(f"{path} has no row for {absent[0]} ({len(absent)} of 1,024 are missing)")
    return table

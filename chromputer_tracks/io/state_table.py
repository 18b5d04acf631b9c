"""Names and colours of chromatin states, from a tab-separated table."""

from __future__ import annotations

from pathlib import Path

from chromputer_tracks.errors import FormatError, SpecError
from chromputer_tracks.io.table_columns import read_columns
from chromputer_tracks.spec import Label


def read_state_table(path: Path) -> tuple[Label, ...]:
    """Read a table with the columns ``state`` (code), ``name`` and ``color`` (R,G,B).

    Raises:
        InputError: the file cannot be read.
        FormatError: names the file, the line and what is wrong.
    """
    labels: dict[str, Label] = {}
    for number, (state, name, color) in read_columns(path, ("state", "name", "color")):
        try:
            red, green, blue = (int(value) for value in color.split(","))
        except ValueError as error:
            raise FormatError(f"{path} line {number}: color {color!r} is not R,G,B") from error
        if state in labels:
            raise FormatError(f"{path} line {number}: state {state!r} is there twice")
        try:
            labels[state] = Label(state, name, (red, green, blue))
        except SpecError as error:
            raise FormatError(f"{path} line {number}: {error}") from error
    if len(labels) < 2:
        raise FormatError(f"{path}: a states head needs at least two states")
    return tuple(labels.values())

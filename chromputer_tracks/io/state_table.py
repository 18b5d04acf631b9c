"""Names and colours of chromatin states, from a tab-separated table."""

from __future__ import annotations

import csv
from pathlib import Path

from chromputer_tracks.errors import FormatError, SpecError
from chromputer_tracks.spec import Label


def read_state_table(path: Path) -> tuple[Label, ...]:
    """Read a table with the columns ``state`` (code), ``name`` and ``color`` (R,G,B).

    Raises:
        FormatError: names the file, the line and what is wrong.
    """
    labels: list[Label] = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"cannot read {path} as a table: {error}") from error
    rows = csv.DictReader(lines, delimiter="\t")
    if rows.fieldnames is None or not {"state", "name", "color"} <= set(rows.fieldnames):
        raise FormatError(f"{path}: the header must name the columns state, name and color")
    for row in rows:
        try:
            red, green, blue = (int(value) for value in row["color"].split(","))
        except (ValueError, AttributeError) as error:
            raise FormatError(
                f"{path} line {rows.line_num}: color {row['color']!r} is not R,G,B"
            ) from error
        try:
            label = Label(row["state"], row["name"], (red, green, blue))
        except SpecError as error:
            raise FormatError(f"{path} line {rows.line_num}: {error}") from error
        if label.name in {other.name for other in labels}:
            raise FormatError(f"{path} line {rows.line_num}: state {label.name!r} is there twice")
        labels.append(label)
    if len(labels) < 2:
        raise FormatError(f"{path}: a states head needs at least two states")
    return tuple(labels)

"""Small tab-separated tables whose header names their columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from chromputer_tracks.errors import FormatError
from chromputer_tracks.io.text_table import numbered_lines


def read_columns(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Rows of a table, by the names of its columns.

    Args:
        path: tab-separated text, plain, gzip or bgzip. Its first line names the columns, in any
            order; others than those asked for are not looked at. Lines that start with ``#`` and
            empty lines do not count.
        columns: to read.

    Yields:
        the line's number in the file, from 1, and its fields in the order of ``columns``.

    Raises:
        InputError: the file cannot be read.
        FormatError: a column is missing, or a line has another number of fields than the header.
    """
    lines = numbered_lines(path)
    header = next(lines, None)
    names = [] if header is None else header.fields
    missing = [name for name in columns if name not in names]
    if missing:
        raise FormatError(
            f"{path}: the header must name the columns {', '.join(columns)}, separated by tabs; it "
            f"lacks {', '.join(missing)}"
        )
    places = [names.index(name) for name in columns]
    for line in lines:
        if len(line.fields) != len(names):
            raise FormatError(
                f"{path} line {line.number}: {len(line.fields)} fields, the header has {len(names)}"
            )
        yield line.number, [line.fields[place] for place in places]

"""The section of a report on what made its result: values, files, versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chromputer_tracks.analysis.report.blocks import (
    MISSING,
    Block,
    Cell,
    Column,
    TableBlock,
    plain,
    words,
)

_FOLD = 12
"""Rows from which on a table is folded."""


def provenance(record: Mapping[str, Any]) -> Iterator[Block]:
    """A table of plain values, then a table for each mapping in it."""
    single = {key: value for key, value in record.items() if not isinstance(value, Mapping)}
    if single:
        yield TableBlock(
            "What made this result.",
            (Column("", numeric=False), Column("", numeric=False)),
            tuple((Cell(words(key)), _value(value)) for key, value in single.items()),
        )
    for key, value in record.items():
        if not isinstance(value, Mapping) or not value:
            continue
        inner = [item for item in value.values() if isinstance(item, Mapping)]
        fields = list(dict.fromkeys(name for item in inner for name in item))
        if len(inner) == len(value):
            rows = tuple(
                (Cell(str(name)), *(_value(item.get(one, MISSING)) for one in fields))
                for name, item in value.items()
            )
            columns = tuple(Column(words(name), numeric=False) for name in ("", *fields))
        else:
            rows = tuple((Cell(str(name)), _value(item)) for name, item in value.items())
            columns = (Column("", numeric=False), Column("", numeric=False))
        yield TableBlock(words(key).capitalize() + ".", columns, rows, folded=len(rows) > _FOLD)


def _value(value: object) -> Cell:
    if isinstance(value, Mapping):
        return Cell(", ".join(f"{words(k)} {plain(v)}" for k, v in value.items()))
    if isinstance(value, list | tuple):
        return Cell(", ".join(plain(item) for item in value))
    text = plain(value)
    return Cell(text, code=len(text) >= 32 and " " not in text or text.startswith("chromputer "))

"""Where in a TOML file a key stands, so that a message can name the line to mend."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_NAME = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_NAME})[ \t]*\]\]?")
_KEY = re.compile(rf"[ \t]*({_NAME})[ \t]*=")
_TOKEN = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|#[^\n]*|[\[\]{}\n]''',
    re.DOTALL,
)
"""What may hide or hold a line's end: strings, comments, brackets; and the line's end itself."""


class KeyLines:
    """Line numbers of the tables and keys of a TOML text.

    A place is written as the configuration's checks write it: ``fit.epochs``,
    ``binary[2].peaks[0]`` (tables of an array are counted from 0).

    Args:
        text: valid TOML.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[str, int] = {}
        # Tables that are only named on the way to others: ``a`` by ``[a.b]`` or ``a.b = 1``.
        self._around: dict[str, int] = {}
        counts: dict[str, int] = {}
        table = ""
        for number, statement in _statements(text):
            header = _HEADER.match(statement)
            if header is not None:
                parts = _parts(header[2])
                table = _placed(parts, counts, new=header[1] == "[[")
                self._note(table, number)
                continue
            key = _KEY.match(statement)
            if key is not None:
                place = table
                for part in _parts(key[1]):
                    place = f"{place}.{part}" if place else part
                self._note(place, number)

    def find(self, place: str) -> int | None:
        """The line of a place, or else of the closest table or key around it; 1-based."""
        while place:
            for lines in (self._lines, self._around):
                if place in lines:
                    return lines[place]
            place = _around(place)
        return None

    def _note(self, place: str, number: int) -> None:
        self._lines.setdefault(place, number)
        while place := _around(place):
            self._around.setdefault(place, number)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Number of the first line (1-based) and text of each statement, strings and lists whole."""
    number, start, first, depth = 1, 0, 1, 0
    for token in _TOKEN.finditer(text):
        found = token[0]
        if found in ("[", "{"):
            depth += 1
        elif found in ("]", "}"):
            depth -= 1
        elif found == "\n" and not depth:
            yield first, text[start : token.start()]
            start, first = token.end(), number + 1
        number += found.count("\n")
    yield first, text[start:]


def _around(place: str) -> str:
    return place[: max(place.rfind("."), place.rfind("["), 0)]


def _parts(name: str) -> list[str]:
    """The parts of a dotted key, without quotes."""
    parts, value = [], tomllib.loads(f"{name} = 0")
    while isinstance(value, dict):
        (part,) = value
        parts.append(part)
        value = value[part]
    return parts


def _placed(parts: list[str], counts: dict[str, int], *, new: bool) -> str:
    """``samples.assays`` to ``samples[1].assays`` where ``samples`` is an array of tables.

    Args:
        parts: of a header's name.
        counts: place of each array of tables to the number of its last table; updated.
        new: whether the header begins another table of an array.
    """
    place = ""
    for index, part in enumerate(parts):
        place = f"{place}.{part}" if place else part
        if new and index == len(parts) - 1:
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place += f"[{counts[place]}]"
    return place

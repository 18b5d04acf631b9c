"""Where in a TOML file a key stands, so that a message can name the line to mend."""

from __future__ import annotations

import re

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"))*)\s*="""
)


class KeyLines:
    """Line numbers of the tables and keys of a TOML text.

    A place is written as the configuration's checks write it: ``fit.epochs``,
    ``binary[2].peaks[0]`` (tables of an array are counted from 0).
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[str, int] = {}
        counts: dict[str, int] = {}
        table = ""
        for number, line in enumerate(text.splitlines(), 1):
            header = _HEADER.match(line)
            if header is not None:
                name = _plain(header[2])
                if header[1] == "[[":
                    counts[name] = counts.get(name, -1) + 1
                table = _indexed(name, counts)
                self._lines.setdefault(table, number)
                continue
            key = _KEY.match(line)
            if key is not None:
                name = _plain(key[1])
                self._lines.setdefault(f"{table}.{name}" if table else name, number)

    def find(self, place: str) -> int | None:
        """The line of a place, or else of the closest table or key around it; 1-based."""
        while place:
            if place in self._lines:
                return self._lines[place]
            place = place[: max(place.rfind("."), place.rfind("["), 0)]
        return None


def _plain(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))


def _indexed(name: str, counts: dict[str, int]) -> str:
    """``samples.assays`` to ``samples[1].assays`` where ``samples`` is an array of tables."""
    placed, plain = "", ""
    for part in name.split("."):
        plain = f"{plain}.{part}" if plain else part
        placed = f"{placed}.{part}" if placed else part
        if plain in counts:
            placed += f"[{counts[plain]}]"
    return placed

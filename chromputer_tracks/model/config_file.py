"""Training configurations in TOML, checked whole before anything is read or trained."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from chromputer_tracks.errors import ConfigError
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.config_checks import check_config

# ---- Where in a TOML file a key stands, so that a message can name the line to mend.

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


def load_config(path: Path, root: Path | None = None) -> TrainConfig:
    """Read and check a training configuration.

    Args:
        path: the TOML file.
        root: folder that relative paths start from; the configuration's own is looked into, too.

    Raises:
        ConfigError: names the file, the line, the key, the value and what would be right.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows' editors write the mark
        raw = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    if root is not None and not root.is_dir():
        raise ConfigError(f"--data {root} is not a folder; {path}'s relative paths start from it")
    source = _Source(path, KeyLines(text))
    config: TrainConfig = _Builder(source, root or path.parent).table(TrainConfig, raw, "")
    check_config(config, source.error)
    return config


@dataclasses.dataclass(frozen=True, slots=True)
class _Source:
    """A file and where its keys stand."""

    path: Path
    lines: KeyLines

    def error(self, place: str, message: str) -> ConfigError:
        """The error to raise: file, line of the place where it has one, message."""
        line = self.lines.find(place)
        return ConfigError(f"{self.path}{'' if line is None else f' line {line}'}: {message}")


_TYPES = {int: "a whole number", float: "a number", str: "text in quotes", bool: "true or false"}


class _Builder:
    """TOML tables to dataclasses, by their type hints."""

    def __init__(self, source: _Source, root: Path) -> None:
        self._error, self._path, self._root = source.error, source.path, root

    def table(self, kind: Any, raw: object, place: str) -> Any:
        """One table; every unknown, missing or ill-typed key is an error."""
        if not isinstance(raw, Mapping):
            raise self._error(place, f"[{place}] must be a table, got {raw!r}")
        fields = {item.name: item for item in dataclasses.fields(kind)}
        for key in raw:
            if key not in fields:
                where = _dotted(place, key)
                raise self._error(where, f"unknown key {where!r}; {_meant(key, list(fields))}")
        hints = get_type_hints(kind)
        values = {}
        for name, item in fields.items():
            where = _dotted(place, name)
            if name in raw:
                values[name] = self.value(hints[name], raw[name], where)
            elif item.default is MISSING and item.default_factory is MISSING:
                raise self._error(where, f"key {where!r} is missing")
        return kind(**values)

    def value(self, hint: Any, raw: Any, place: str) -> Any:
        """One value of the hinted type."""
        origin, options = get_origin(hint), get_args(hint)
        if dataclasses.is_dataclass(hint):
            return self.table(hint, raw, place)
        if origin is Literal:
            choices = [option for option in options if option]
            if raw not in choices:
                raise self._error(
                    place, f"{place} is {raw!r}; choose one of {', '.join(map(str, choices))}"
                )
            return raw
        if type(None) in options:
            return self.value(options[0], raw, place)
        if origin is tuple:
            return self._tuple(options, raw, place)
        if origin is Mapping:
            if not isinstance(raw, Mapping):
                raise self._error(place, f"{place} must be a table, got {raw!r}")
            return {key: self.value(options[1], raw[key], _dotted(place, key)) for key in raw}
        if hint is Path:
            return self._existing(raw, place)
        if hint is float and isinstance(raw, int) and not isinstance(raw, bool):
            return float(raw)
        if not isinstance(raw, hint) or (isinstance(raw, bool) and hint is not bool):
            raise self._error(place, f"{place} must be {_TYPES[hint]}, got {raw!r}")
        return raw

    def _tuple(self, options: tuple[Any, ...], raw: Any, place: str) -> tuple[Any, ...]:
        if options == (Path, Ellipsis) and isinstance(raw, str):
            raw = [raw]
        if not isinstance(raw, list):
            raise self._error(place, f"{place} must be a list, got {raw!r}")
        if options[-1] is Ellipsis:
            options = options[:1] * len(raw)
        if len(options) != len(raw):
            raise self._error(place, f"{place} must have {len(options)} values, got {raw!r}")
        return tuple(
            self.value(kind, item, f"{place}[{index}]")
            for index, (kind, item) in enumerate(zip(options, raw, strict=True))
        )

    def _existing(self, raw: Any, place: str) -> Path:
        if not isinstance(raw, str):
            raise self._error(place, f"{place} must be a path, got {raw!r}")
        for folder in (self._root, self._path.parent):
            if (folder / raw).is_dir() and not place.endswith("folder"):
                raise self._error(place, f"{place}: {folder / raw} is a folder; name a file")
            if (folder / raw).exists():
                return folder / raw
        raise self._error(
            place,
            f"{place}: no such file: {self._root / raw}; relative paths start from --data, or from "
            f"the configuration's folder",
        )


def _meant(key: str, known: Sequence[str]) -> str:
    """What a wrong key may stand for: one spelt alike, else any of these, or of another table."""
    close = get_close_matches(key, known, 1)
    if close:
        return f"did you mean {close[0]!r}?"
    homes = [
        name
        for name, hint in get_type_hints(TrainConfig).items()
        for kind in (hint, *get_args(hint))
        if dataclasses.is_dataclass(kind)
        and key in {item.name for item in dataclasses.fields(kind)}
    ]
    elsewhere = f"; a key of this name belongs into [{'] or ['.join(homes)}]" if homes else ""
    return f"known: {', '.join(known)}{elsewhere}"


def _dotted(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key

"""Frozen dataclasses from plain data (TOML, JSON) and back, by their type hints.

An error carries the key that it is about as :attr:`ChromputerError.key`, written as places are
written everywhere: ``fit.epochs``, ``binary[2].peaks[0]`` (items of a list are counted from 0).
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from chromputer_tracks.errors import ChromputerError, FormatError, InputError

T = TypeVar("T")
Faults = Iterator[tuple[str, str]]
"""What is wrong with a record, found one after the other: key and message."""


def raise_first(faults: Faults, error: type[ChromputerError]) -> None:
    """Raise the first fault, if there is any; those after it are not looked for."""
    for key, message in faults:
        raise error(message, key=key)


def _shown(number: float) -> str:
    """A limit for people: whole numbers in full, with commas."""
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a number must be, written on its field: ``epochs: Annotated[int, Limits(least=1)]``.

    Of a list each item is held to it; a value that is None is not. Numbers are always finite.

    Attributes:
        least: the smallest value that is allowed.
        most: the largest value that is allowed.
        above: the value must be larger.
        below: the value must be smaller.
        unit: the unit that a message gives after a single limit, such as ``bp``.
    """

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    unit: str = ""

    def holds(self, value: float) -> bool:
        """Whether a value is finite and inside."""
        return (
            math.isfinite(value)
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        """``at least 1``, ``in 0 to 1, 1 excluded``: what goes after "it must be"."""
        low = self.above if self.least is None else self.least
        high = self.below if self.most is None else self.most
        if low is not None and high is not None:
            out = [_shown(end) for end in (self.above, self.below) if end is not None]
            excluded = {0: "", 1: f", {out[0]} excluded" if out else "", 2: ", both excluded"}
            return f"in {_shown(low)} to {_shown(high)}{excluded[len(out)]}"
        for word, end in (
            ("at least", self.least),
            ("at most", self.most),
            ("above", self.above),
            ("below", self.below),
        ):
            if end is not None:
                return f"{word} {_shown(end)}{self.unit and ' '}{self.unit}"
        return "finite"


def dotted(place: str, key: str) -> str:
    """The place of a key in the table at a place; at the top where that is empty."""
    return f"{place}.{key}" if place and key else place or key


def check_limits(item: Any, place: str = "", *, error: type[ChromputerError] = InputError) -> None:
    """Hold the numbers of a dataclass, and of those inside it, to the :class:`Limits` on them.

    Args:
        item: the dataclass.
        place: where it stands, for messages.
        error: class of the error to raise.

    Raises:
        ChromputerError: the first field that is outside, with its key.
    """
    kind: Any = type(item)
    for name, hint in _hints(kind).items():
        where, value = dotted(place, name), getattr(item, name)
        if isinstance(value, tuple):
            inside = {f"{where}[{index}]": each for index, each in enumerate(value)}
        elif isinstance(value, Mapping):
            inside = {dotted(where, key): each for key, each in value.items()}
        else:
            inside = {where: value}
        for limits in getattr(hint, "__metadata__", ()):
            if isinstance(limits, Limits) and not all(
                limits.holds(each) for each in inside.values() if each is not None
            ):
                raise error(f"{where} is {value}; it must be {limits}", key=where)
        for inner, each in inside.items():
            if dataclasses.is_dataclass(each):
                check_limits(each, inner, error=error)


def from_plain(
    kind: type[T],
    raw: object,
    place: str = "",
    *,
    error: type[ChromputerError] = FormatError,
    path: Callable[[str, str], Path] | None = None,
    lenient: bool = False,
) -> T:
    """Plain data as what a type hint says; a dataclass's limits and own check included.

    Hints may be dataclasses, ``tuple[X, ...]`` and tuples of a fixed length (lists in ``raw``),
    ``Mapping[str, X]`` and ``dict[str, X]``, ``X | None``, ``Literal``, ``Path``, ``bool``,
    ``int``, ``float`` (a whole number is taken, too, and None is NaN, as :func:`to_plain` writes
    it), ``str`` and ``Any``.

    Args:
        kind: the dataclass, or any other hint of these.
        raw: mappings, lists, texts and numbers, as ``tomllib`` and ``json`` give them.
        place: where it stands, for messages.
        error: class of the errors to raise.
        path: makes a path of a text and its place, or raises; where it is given, one text stands
            for a list of paths, too. Without it every text is a path.
        lenient: numbers, texts and choices are taken as they are, for dataclasses that check them
            themselves.

    Raises:
        ChromputerError: ``error`` for an unknown, missing or ill-typed key or a number outside its
            limits; the class of a dataclass's own check for what that refuses. All with the key.
    """
    reader = _Reader(kind, error, path, lenient)
    made: T = reader.value(kind, raw, place)
    if dataclasses.is_dataclass(made) and not lenient:
        check_limits(made, place, error=error)
    return made


def to_plain(item: Any) -> Any:
    """The inverse of :func:`from_plain`, for JSON.

    Dataclasses are dicts in the order of their fields, tuples are lists, paths are texts, and what
    is not a finite number is None.
    """
    if dataclasses.is_dataclass(item):
        fields = dataclasses.fields(item)
        return {field.name: to_plain(getattr(item, field.name)) for field in fields}
    if isinstance(item, Mapping):
        return {key: to_plain(value) for key, value in item.items()}
    if isinstance(item, tuple | list):
        return [to_plain(value) for value in item]
    if isinstance(item, float) and not math.isfinite(item):
        return None
    return str(item) if isinstance(item, Path) else item


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Name to type hint of a dataclass's fields, with what is annotated; of others nothing."""
    if not dataclasses.is_dataclass(kind):
        return {}
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}


_TYPES = {int: "a whole number", float: "a number", str: "text in quotes", bool: "true or false"}


@dataclass(frozen=True, slots=True)
class _Reader:
    """:func:`from_plain` at work; ``root`` is what the whole is read as."""

    root: Any
    error: type[ChromputerError]
    path: Callable[[str, str], Path] | None
    lenient: bool

    def value(self, hint: Any, raw: Any, place: str) -> Any:
        origin, options = get_origin(hint), get_args(hint)
        if hint is Any:
            return raw
        if dataclasses.is_dataclass(hint):
            return self._record(hint, raw, place)
        if origin is Annotated:
            return self.value(options[0], raw, place)
        if origin in (Union, types.UnionType):
            kinds = [option for option in options if option is not types.NoneType]
            if len(kinds) != 1:
                raise TypeError(f"{place}: {hint} has more than one type beside None")
            return None if raw is None else self.value(kinds[0], raw, place)
        if origin is tuple:
            return self._tuple(options, raw, place)
        if origin in (dict, Mapping):
            if not isinstance(raw, Mapping):
                raise self._error(place, f"{place} must be a table, got {raw!r}")
            return {key: self.value(options[1], raw[key], dotted(place, key)) for key in raw}
        if hint is Path:
            if not isinstance(raw, str):
                raise self._error(place, f"{place} must be a path, got {raw!r}")
            return Path(raw) if self.path is None else self.path(raw, place)
        return raw if self.lenient else self._single(hint, raw, place)

    def _single(self, hint: Any, raw: Any, place: str) -> Any:
        """A choice, a number, a text or a truth value."""
        if get_origin(hint) is Literal:
            choices = get_args(hint)
            if raw not in choices:
                shown = ", ".join(str(choice) for choice in choices if choice != "")
                raise self._error(place, f"{place} is {raw!r}; choose one of {shown}")
            return raw
        if hint is float:
            if raw is None:
                return math.nan
            if isinstance(raw, int) and not isinstance(raw, bool):
                return float(raw)
        if not isinstance(raw, hint) or (isinstance(raw, bool) and hint is not bool):
            raise self._error(place, f"{place} must be {_TYPES[hint]}, got {raw!r}")
        return raw

    def _record(self, kind: Any, raw: object, place: str) -> Any:
        """A dataclass; every unknown, missing or ill-typed key is an error."""
        if not isinstance(raw, Mapping):
            raise self._error(place, f"{place and f'[{place}] '}must be a table, got {raw!r}")
        fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
        for key in raw:
            if key not in fields:
                where = dotted(place, key)
                known = self._meant(key, list(fields))
                raise self._error(where, f"unknown key {where!r}; {known}")
        values = {}
        for name, field in fields.items():
            where = dotted(place, name)
            if name in raw:
                values[name] = self.value(_hints(kind)[name], raw[name], where)
            elif field.default is MISSING and field.default_factory is MISSING:
                raise self._error(where, f"key {where!r} is missing")
        try:
            return kind(**values)
        except ChromputerError as error:  # the dataclass's own check, which knows no place
            error.key = dotted(place, error.key)
            raise

    def _tuple(self, options: tuple[Any, ...], raw: Any, place: str) -> tuple[Any, ...]:
        if self.path is not None and options == (Path, Ellipsis) and isinstance(raw, str):
            raw = [raw]
        if not isinstance(raw, list):
            raise self._error(place, f"{place} must be a list, got {raw!r}")
        if options[-1] is Ellipsis:
            options = options[:1] * len(raw)
        if len(options) != len(raw):
            if not self.lenient:
                raise self._error(place, f"{place} must have {len(options)} values, got {raw!r}")
            options = options[:1] * len(raw)
        return tuple(
            self.value(kind, item, f"{place}[{index}]")
            for index, (kind, item) in enumerate(zip(options, raw, strict=True))
        )

    def _error(self, place: str, message: str) -> ChromputerError:
        return self.error(message, key=place)

    def _meant(self, key: str, known: list[str]) -> str:
        """What a wrong key may stand for: one spelt alike, else any, or one of another table."""
        close = get_close_matches(key, known, 1)
        if close:
            return f"did you mean {close[0]!r}?"
        homes = [
            name
            for name, hint in _hints(self.root).items()
            for kind in (hint, *get_args(hint))
            if dataclasses.is_dataclass(kind)
            and key in {field.name for field in dataclasses.fields(kind)}
        ]
        elsewhere = f"; a key of this name belongs into [{'] or ['.join(homes)}]" if homes else ""
        return f"known: {', '.join(known)}{elsewhere}"

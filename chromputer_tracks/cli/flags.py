"""The command line of a command, made from the dataclass of its options."""

from __future__ import annotations

import functools
import inspect
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import typer

from chromputer_tracks.cli.completion import completer
from chromputer_tracks.errors import OptionError
from chromputer_tracks.options.fields import (
    MessageOptions,
    Option,
    item_type,
    name_and_path,
    option_of,
)

Options = TypeVar("Options")
OLD_NAMES = "old_names"
"""Attribute of a command's function: names of options in earlier releases to their present ones."""


def command(
    kind: type[Options], run: Callable[[Options], None], name: str, text: str
) -> Callable[..., None]:
    """A function that Typer takes for a command.

    Args:
        kind: dataclass of the options; fields without a :class:`~.options.fields.Flag` are groups
            of options (dataclasses), or are not on the command line.
        run: is called with the options.
        name: the command's.
        text: its help.
    """

    def invoke(**given: Any) -> None:
        run(_build(kind, given))

    flags = _flags(kind)  # type: ignore[arg-type]
    ordered = [item for last in (False, True) for item in flags if item.flag.last is last]
    invoke.__name__, invoke.__doc__ = name, text
    parameters = [item.parameter() for item in ordered]
    invoke.__annotations__ = {item.name: item.annotation for item in parameters}
    # Typer reads the parameters from here.
    vars(invoke)["__signature__"] = inspect.Signature(parameters)
    vars(invoke)[OLD_NAMES] = {
        old: item.words[0] for item in flags for old in item.flag.old.split()
    }
    return invoke


def with_messages(
    run: Callable[..., None], told: Callable[[MessageOptions], None]
) -> Callable[..., None]:
    """A command that takes the options of what is said, too.

    Args:
        run: the command's function, as Typer would take it.
        told: is called with these options first.
    """
    own = _flags(MessageOptions)
    names = [item.place for item in own]

    @functools.wraps(run)
    def invoke(**given: Any) -> None:
        told(_build(MessageOptions, {name: given.pop(name) for name in names}))
        run(**given)

    hints = get_type_hints(run, include_extras=True)
    parameters = [
        item.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, item in inspect.signature(run).parameters.items()
    ]
    parameters += _message_parameters()
    invoke.__annotations__ = {item.name: item.annotation for item in parameters}
    vars(invoke)["__signature__"] = inspect.Signature(parameters)
    return invoke


@dataclass(frozen=True, slots=True)
class _Given(Option):
    """An option as the command line has it.

    Attributes:
        default: MISSING where it must be given.
        place: name of the parameter, which begins with those of the groups that the option is in.
    """

    default: Any
    place: str

    def parameter(self) -> inspect.Parameter:
        """As Typer is told of it."""
        shown: dict[str, Any] = {"help": self.flag.help}
        if self.flag.panel:
            shown["rich_help_panel"] = self.flag.panel
        kind, default = _shown_type(self.hint), self.default
        metavar = self.flag.metavar
        if self.flag.parse is not None:
            kind, default = str | None, self.flag.shown
        elif _item(self.hint) is not None:
            default = MISSING if default is MISSING else None
            kind = kind if default is MISSING else kind | None
        if is_pairs(self.hint):
            metavar = metavar or f"NAME={_pair_word(self.hint)}"
        if metavar:
            shown["metavar"] = metavar
        if self.flag.complete:
            shown["autocompletion"] = completer(self.flag.complete)
        if self.limits is not None:
            shown |= {"min": self.limits.least, "max": self.limits.most}
        info = typer.Argument(**shown) if self.flag.argument else typer.Option(*self.words, **shown)
        return inspect.Parameter(
            self.place,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if default is MISSING else default,
            annotation=Annotated[kind, info],
        )

    def value(self, given: Any) -> Any:
        """The field's value of what Typer found."""
        special = self.flag.parse is not None or _item(self.hint) is not None
        if special and not given:
            return self.default
        try:
            if self.flag.parse is not None:
                return self.flag.parse(given)
            if is_pairs(self.hint):
                return _each(_each(self._pairs(given), _at_home), _from_pipe)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint=self.words[0]) from error
        found = tuple(given) if special else given
        if Path not in _kinds(self.hint):
            return found
        found = _each(found, _at_home)
        return found if self.name == "out" else _each(found, _from_pipe)

    def _pairs(self, given: Sequence[str]) -> Any:
        pairs = [name_and_path(text, _pair_word(self.hint)) for text in given]
        if get_origin(self.hint) is not Mapping:
            return tuple(pairs)
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} is given twice")
        return dict(pairs)


@functools.cache
def _message_parameters() -> tuple[inspect.Parameter, ...]:
    """Of the options that every command takes."""
    return tuple(item.parameter() for item in _flags(MessageOptions))


def _kinds(hint: Any) -> set[Any]:
    """The single types of which a value, or an item of it, may be."""
    item = item_type(hint)
    return {hint, *get_args(hint), item, *get_args(item)}


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    """A path changed, or each of several, or those of names."""
    if isinstance(value, Mapping):
        return {name: change(path) for name, path in value.items()}
    if isinstance(value, tuple):
        return tuple(
            (part[0], change(part[1])) if isinstance(part, tuple) else change(part)
            for part in value
        )
    return value if value is None else change(value)


def _at_home(path: Any) -> Any:
    """A path whose ``~`` no shell has written out, as in ``--fasta=~/x.fa`` or ``NAME=~/x.bed``."""
    if str(path).startswith("~"):
        # Of an unknown user it stays as it is: no such file, the command will say.
        with suppress(RuntimeError):
            return type(path)(Path(path).expanduser())
    return path


def _from_pipe(path: Any) -> Any:
    """A path, or a file with what comes through it where it is a pipe; ``-``: standard input."""
    if str(path) == "-":
        path = type(path)("/dev/stdin")
    try:
        kind = Path(path).stat().st_mode
    except (OSError, ValueError):
        return path  # the command will say
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        return path
    from chromputer_tracks.io.scratch import spooled

    return type(path)(spooled(Path(path)))


def is_pairs(hint: Any) -> bool:
    """Whether an option is given as ``NAME=FILE``."""
    return get_origin(hint) is Mapping or get_origin(_item(hint)) is tuple


def _pair_word(hint: Any) -> str:
    return "FILE" if get_origin(hint) is Mapping else "DIR"


def _item(hint: Any) -> Any:
    """Type of the items of an option that may be repeated; None of others."""
    return str if get_origin(hint) is Mapping else item_type(hint)


def _shown_type(hint: Any) -> Any:
    """The type that Typer reads a value as."""
    item = _item(hint)
    if is_pairs(hint):
        return list[str]
    if item is not None:
        return list[_shown_type(item)]  # type: ignore[misc]
    # A model is a path or a name.
    return str if set(get_args(hint)) - {NoneType} == {str, Path} else hint


@functools.cache
def _flags(kind: Any, optional: bool = False, within: str = "") -> tuple[_Given, ...]:
    """The options of a dataclass and of its groups, in order.

    Args:
        kind: the dataclass.
        optional: whether nothing of it must be given.
        within: what the names of parameters begin with.
    """
    found = []
    hints = get_type_hints(kind, include_extras=True)
    for item in fields(kind):
        hint = hints[item.name]
        option, group = option_of(item.name, hint), _group(hint)
        if option is not None:
            default, kind_ = _default(item), option.hint
            if default is MISSING and optional:
                kind_, default = kind_ | None, None
            place = within + item.name
            found.append(_Given(item.name, kind_, option.flag, option.limits, default, place))
        elif group is not None:
            found += _flags(group, optional or group is not hint, f"{within}{item.name}_")
    return tuple(found)


def _default(item: Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()


def _group(hint: Any) -> Any:
    """The dataclass of a group of options, which may be optional; None of other types."""
    return next((part for part in (hint, *get_args(hint)) if is_dataclass(part)), None)


def _build(kind: type[Options], given: Mapping[str, Any], within: str = "") -> Options:
    """Options of a command line.

    Raises:
        typer.BadParameter: they do not go together.
    """
    values: dict[str, Any] = {}
    hints = get_type_hints(kind, include_extras=True)
    flags = {item.place: item for item in _flags(kind, within=within)}  # type: ignore[arg-type]
    for item in fields(kind):  # type: ignore[arg-type]
        group = _group(hints[item.name])
        if item.name == "command":
            # The words of this command, as records of results hold them.
            values[item.name] = ("chromputer", *sys.argv[1:])
        elif (place := within + item.name) in flags:
            values[item.name] = flags[place].value(given[place])
        elif group is not None:
            needed = [part.name for part in fields(group) if _default(part) is MISSING]
            found = all(given[f"{place}_{name}"] is not None for name in needed)
            if group is hints[item.name] or found:
                values[item.name] = _build(group, given, f"{place}_")
    try:
        return kind(**values)
    except OptionError as error:
        raise typer.BadParameter(str(error), param_hint=error.key) from error

"""What commands show, on stderr and never on stdout, and the packages that they need."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Sequence
from contextvars import ContextVar
from textwrap import wrap
from types import TracebackType
from typing import TYPE_CHECKING, Self, get_args

from chromputer_tracks.errors import DependencyError
from chromputer_tracks.options.fields import LogLevel

if TYPE_CHECKING:
    from rich.console import Console, Group, OverflowMethod
    from rich.progress import Progress, TaskID
    from rich.table import Table

    from chromputer_tracks.analysis.report.blocks import PlainTable
    from chromputer_tracks.io.record import RunRecord


_STEP = 0.1
_LEAST_SECONDS, _MOST_SECONDS = 5.0, 30.0
"""Between two lines of a stage."""


_LEVEL: ContextVar[LogLevel] = ContextVar("level", default="info")
_STARTED = time.monotonic()


def level() -> LogLevel:
    """How much the command that runs is to say."""
    return _LEVEL.get()


def set_level(wanted: LogLevel) -> None:
    """Say so much from here on."""
    _LEVEL.set(wanted)


def _shows(severity: LogLevel) -> bool:
    levels: tuple[LogLevel, ...] = get_args(LogLevel)
    return levels.index(severity) <= levels.index(level())


def _severity(text: str) -> LogLevel:
    return "warning" if text.lstrip().startswith("warning: ") else "info"


def stderr_console(severity: LogLevel = "error") -> Console:
    """A console on stderr that takes text literally, without markup or emoji codes.

    Args:
        severity: of what is printed; it prints nothing where less is to be said.
    """
    from rich.console import Console

    return Console(
        stderr=True,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
        quiet=not _shows(severity),
    )


class Reporter:
    """Messages and progress: a bar on a terminal, else lines.

    A stage has a line at its end, before that one every 10 %, though not within 5 s of the last,
    and one every 30 s. A context manager; the bars end with it.

    With ``--quiet`` notes, progress and what is printed to ``console`` (summaries) are left out,
    while lines that begin with ``warning:`` are shown. With ``--verbose`` each line begins with the
    time since the start, and the first one names the versions.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = stderr_console("info") if console is None else console
        self._warnings = self.console if _shows("info") else stderr_console("warning")
        self._timed = level() == "debug"
        if self._timed:
            self.note(_program())
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._shown: dict[str, tuple[float, float]] = {}

    def __enter__(self) -> Self:
        if self.console.is_terminal and not self.console.quiet:
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[figures]}"),
                TimeRemainingColumn(),
                console=self.console,
            )
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def note(self, text: str) -> None:
        """One line."""
        to = self._warnings if _severity(text) == "warning" else self.console
        to.print(f"{time.monotonic() - _STARTED:7.1f} s  {text}" if self._timed else text)

    def progress(self, stage: str, done: int, total: int | None, unit: str) -> None:
        """How far a stage is; ``total`` None where it is not known."""
        figures = _figures(done, total, unit)
        if self._bars is not None:
            if stage not in self._tasks:
                # The stages follow each other; a bar without a total would pulse for ever.
                for task in self._bars.tasks:
                    self._bars.update(task.id, total=task.completed)
                self._tasks[stage] = self._bars.add_task(stage, total=total, figures=figures)
            self._bars.update(self._tasks[stage], completed=done, total=total, figures=figures)
            return
        share = done / total if total else 0.0
        now = time.monotonic()
        last_share, last_time = self._shown.setdefault(stage, (0.0, now))
        finished = share >= 1.0 > last_share
        step = round(share - last_share, 6) >= _STEP and now - last_time >= _LEAST_SECONDS
        if step or now - last_time >= _MOST_SECONDS or finished:
            self._shown[stage] = (share, now)
            percent = f"{share:4.0%}, " if total else ""
            self.note(f"{stage}: {percent}{figures}")


def _program() -> str:
    """The package, what it runs on, and the command."""
    import platform
    import shlex
    import sys

    from chromputer_tracks.io.record import versions

    used = ", ".join(f"{name} {version}" for name, version in versions().items())
    return f"{used} on {platform.platform()}: {shlex.join(['chromputer', *sys.argv[1:]])}"


def _figures(done: int, total: int | None, unit: str) -> str:
    if total is None:
        return f"{done:,} {unit}"
    if unit == "bp" and total >= 1_000_000:
        return f"{done / 1e6:.1f} of {total / 1e6:.1f} Mb"
    return f"{done:,} of {total:,} {unit}"


# What a run took, and what it found.


def took(record: RunRecord, speed: str = "") -> str:
    """``12 s, 0.40 Mb/s, peak 316 MiB``: what a run took."""
    return f"{record.seconds:.0f} s, {speed and f'{speed}, '}peak {record.peak_mb:.0f} MiB"


def summary_table(
    texts: Sequence[str],
    numbers: Sequence[str],
    title: str | None = None,
    overflow: OverflowMethod = "ellipsis",
) -> Table:
    """An empty table with these columns of text and then these of numbers, to the right."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in texts:
        table.add_column(name, overflow=overflow)
    for name in numbers:
        table.add_column(name, justify="right", overflow=overflow)
    return table


# Packages that a command needs.

TRAINING = (
    "torch",
    "lightning",
    "tensorboard",
    "onnx",
    "onnxscript",
    "scipy",
    "sklearn",
    "pyjaspar",
    "matplotlib",
)
"""Modules of the extra ``train``."""

DRAWING = ("matplotlib",)
"""Modules of the extra ``analysis`` that draw figures and pages."""
MOTIFS = (*DRAWING, "memelite", "modiscolite", "pyjaspar", "scipy")
"""Modules of the extra ``analysis`` that find and match motifs."""
MAPS = (*DRAWING, "sklearn", "scipy")
"""Modules of the extra ``analysis`` that lay out sites."""

_PACKAGES = {"sklearn": "scikit-learn", "modiscolite": "modisco-lite"}


def require(what: str, modules: Sequence[str], extra: str = "train") -> None:
    """Check that modules are there, before minutes are spent on what then fails.

    Args:
        what: needs them, as the message begins.
        modules: what the extra installs.
        extra: that installs them.

    Raises:
        DependencyError: names the packages that are missing and how to install them.
    """
    missing = [
        _PACKAGES.get(name, name) for name in modules if importlib.util.find_spec(name) is None
    ]
    if missing:
        raise DependencyError(
            f"{what} needs {', '.join(missing)}: pip install 'chromputer-tracks[{extra}]'"
        )


# Tables of text and numbers on the terminal.

_NUMBER_STARTS = "+-–0123456789<"
_GAP = len(" ┃ ")


def terminal_table(table: PlainTable, width: int, rows: int | None = None) -> Group:
    """A table whose first columns name the row and whose columns of numbers stand to the right.

    One that is too wide has no frame around it, and its text breaks between words. Where that does
    not do, further columns follow below, beside the names again: figures are never cut.

    Args:
        table: caption, header and cells.
        width: the terminal's, in characters.
        rows: most rows to show; None: all.
    """
    from rich.console import Group

    cells = [[str(cell) for cell in row] for row in (table.header, *table.rows[:rows])]
    numbers = [
        place > 0 and all(str(row[place])[:1] in _NUMBER_STARTS for row in table.rows)
        for place in range(len(table.header))
    ]
    columns = list(zip(*cells, strict=True))
    whole = [max(map(len, column)) for column in columns]
    if sum(whole) + _GAP * len(whole) + 1 <= width:
        return Group(_table(table.caption, columns, numbers, whole, frame=True))
    least = [
        max(map(len, (*_words(name), *(rest if number else _words(*rest)))))
        for (name, *rest), number in zip(columns, numbers, strict=True)
    ]
    names = numbers.index(True) if True in numbers else len(numbers)
    return Group(
        *(
            _table(
                f"{table.caption}, continued" if part else table.caption,
                [columns[place] for place in places],
                [numbers[place] for place in places],
                [least[place] for place in places],
                frame=False,
            )
            for part, places in enumerate(_parts(least, names, width))
        )
    )


def _words(*texts: str) -> list[str]:
    return " ".join(texts).split() or [""]


def _parts(sizes: Sequence[int], names: int, width: int) -> list[list[int]]:
    """Which columns to show together: the first ``names``, and as many others as there is room."""
    parts: list[list[int]] = [[]]
    for place in range(names, len(sizes)):
        shown = [*range(names), *parts[-1], place]
        if parts[-1] and sum(sizes[other] + _GAP for other in shown) - _GAP > width:
            parts.append([])
        parts[-1].append(place)
    return [[*range(names), *part] for part in parts]


def _table(
    caption: str,
    columns: Sequence[Sequence[str]],
    numbers: Sequence[bool],
    least: Sequence[int],
    *,
    frame: bool,
) -> Table:
    """One table; each column is its header and cells, at least so wide."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(
        title=Text(caption),
        title_justify="left",
        title_style="bold",
        show_edge=frame,
        pad_edge=frame,
    )
    for (name, *_), number, size in zip(columns, numbers, least, strict=True):
        header = "\n".join(wrap(name, size)) if number else name
        shown.add_column(
            header, justify="right" if number else "left", no_wrap=number, min_width=size
        )
    for row in list(zip(*columns, strict=True))[1:]:
        shown.add_row(*row)
    return shown

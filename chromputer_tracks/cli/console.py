"""The commands' words, and what they show: messages and progress on stderr, never on stdout."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

_STEP = 0.1
_LEAST_SECONDS, _MOST_SECONDS = 5.0, 30.0
"""Between two lines of a stage."""


def stderr_console() -> Console:
    """A console on stderr that takes text literally, without markup or emoji codes."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def command_line() -> tuple[str, ...]:
    """The words of this command, as records of results hold them."""
    return ("chromputer", *sys.argv[1:])


class Reporter:
    """Messages and progress: a bar on a terminal, else lines.

    A stage has a line at its end, before that one every 10 %, though not within 5 s of the last,
    and one every 30 s. A context manager; the bars end with it.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = stderr_console() if console is None else console
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._shown: dict[str, tuple[float, float]] = {}

    def __enter__(self) -> Self:
        if self.console.is_terminal:
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
        self.console.print(text)

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


def _figures(done: int, total: int | None, unit: str) -> str:
    if total is None:
        return f"{done:,} {unit}"
    if unit == "bp" and total >= 1_000_000:
        return f"{done / 1e6:.1f} of {total / 1e6:.1f} Mb"
    return f"{done:,} of {total:,} {unit}"

"""Progress where there is no terminal: lines that do not fill a log."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from chromputer_tracks.cli import console as module

Progress = Callable[[float, int], list[str]]


@pytest.fixture
def progress(monkeypatch: pytest.MonkeyPatch) -> Progress:
    """Tell of so many of 100 at a second; returns all lines until then."""
    text, clock = io.StringIO(), [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    reporter = module.Reporter(Console(file=text, width=200))

    def tell(second: float, done: int) -> list[str]:
        clock[0] = second
        reporter.progress("reading", done, 100, "files")
        return text.getvalue().splitlines()

    return tell


def test_a_short_stage_has_one_line(progress: Progress) -> None:
    for done in range(100):
        assert progress(done / 50, done) == []
    assert progress(2, 100) == ["reading: 100%, 100 of 100 files"]
    assert len(progress(9, 100)) == 1


def test_every_tenth_but_not_within_five_seconds(progress: Progress) -> None:
    lines = [progress(second, second) for second in range(0, 101)][-1]
    assert [line.split()[1] for line in lines] == [f"{share}%," for share in range(10, 101, 10)]
    assert lines[2] == "reading:  30%, 30 of 100 files"


def test_thirty_seconds_without_progress(progress: Progress) -> None:
    progress(0, 3)
    assert progress(29, 3) == []
    assert progress(30, 3) == ["reading:   3%, 3 of 100 files"]
    assert len(progress(59, 4)) == 1
    assert len(progress(60, 4)) == 2
    # Ten per cent at once after the last line wait for five seconds.
    assert len(progress(61, 50)) == 2
    assert progress(65, 51)[-1] == "reading:  51%, 51 of 100 files"

"""Pages of docs/ as blocks, and their examples run as they are shown."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_PROMPT = re.compile(r"^\$ ((?:.*\\\n)*.*)\n?((?:(?!\$ ).*\n?)*)", re.MULTILINE)
_FILE = re.compile(r"\A(?:#!.*\n)?# (\S+\.\w+)\n")

# What differs from run to run and from machine to machine.
_PROGRESS = re.compile(r"^[\w ]+: +\d+%, .*\n", re.MULTILINE)
_FIGURES = (
    (re.compile(r"^(model \S+ on ).*$", re.MULTILINE), r"\1..."),
    (re.compile(r"\d+ s\b"), "# s"),
    (re.compile(r"[\d.]+ (Mb/s|per s)\b"), r"# \1"),
    (re.compile(r"peak [\d,]+ MiB"), "peak # MiB"),
    (re.compile(r"[\d.]+ MB\b"), "# MB"),
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and its first line in the page."""

    kind: str
    text: str
    line: int

    @property
    def file(self) -> str | None:
        """The name of the file that the block is, where its first comment is one."""
        named = _FILE.match(self.text)
        return None if named is None else named[1]

    def commands(self) -> list[tuple[str, str]]:
        """Commands after ``$``, continued lines joined, and what is shown below each."""
        return [(match[1], match[2]) for match in _PROMPT.finditer(self.text)]


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page's text."""
    return [
        Block(match[1], match[2], page.count("\n", 0, match.start()) + 2)
        for match in _FENCE.finditer(page)
    ]


def steady(text: str) -> str:
    """Output without progress, times, sizes and the machine."""
    text = _PROGRESS.sub("", text)
    for pattern, replacement in _FIGURES:
        text = pattern.sub(replacement, text)
    return text


def run_page(name: str, text: str, folder: Path) -> Iterator[str]:
    """Run a page's blocks of ``console``, ``pycon`` and named files, and tell what differs.

    Args:
        name: of the page, for the messages.
        text: of the page.
        folder: where it runs.

    Yields:
        a message for each command or block that does not do what the page shows.
    """
    names: dict[str, object] = {}
    for block in blocks(text):
        if block.file is not None:
            (folder / block.file).write_text(block.text)
        elif block.kind == "console":
            yield from _console(f"{name}:{block.line}", block, folder)
        elif block.kind == "pycon":
            parsed = doctest.DocTestParser().get_doctest(block.text, names, name, name, block.line)
            parsed.globs = names
            said: list[str] = []
            doctest.DocTestRunner(optionflags=FLAGS).run(parsed, out=said.append, clear_globs=False)
            yield from said


def _console(place: str, block: Block, folder: Path) -> Iterator[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    plain = {"PATH": path, "COLUMNS": "100", "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
    for command, shown in block.commands():
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", command],
            cwd=folder,
            env={**os.environ, **plain},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        got, want = steady(done.stdout), steady(shown)
        if done.returncode != 0:
            yield f"{place}: {command}\nexit code {done.returncode}:\n{done.stdout}"
        elif not doctest.OutputChecker().check_output(want, got, FLAGS):
            yield f"{place}: {command}\nshown:\n{want}\ngot:\n{got}"

"""What the shell does with parts of the Galaxy tools' commands."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from galaxy_tools import read_tool

SAYS = "echo 'a note' >&2; echo 'error: too bad' >&2; echo 'more' >&2"


def bash(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def wrapped(program: str, before: str = "true") -> str:
    """A program in the place of ``chromputer`` in a tool's command."""
    code = read_tool("predict").command.replace("\\$", "$")
    start = code.index("{", code.index("#if $where"))
    first, last = code.index("chromputer predict"), code.index("2> messages.txt")
    end = code.index("cat messages.txt >&2", code.index("exit", last)) + len("cat messages.txt >&2")
    return (
        f'{before} && {code[start:first]} (exec sh -c "{program}") {code[last:end]} && echo went on'
    )


@pytest.mark.parametrize("status", [1, 137])
def test_an_error_is_repeated_on_stdout_and_keeps_its_status(tmp_path: Path, status: int):
    done = bash(tmp_path, wrapped(f"{SAYS}; exit {status}"))
    assert done.returncode == status
    assert done.stdout == "error: too bad\n"
    assert done.stderr == "a note\nerror: too bad\nmore\n"


def test_a_failure_without_a_message_keeps_its_status(tmp_path: Path):
    done = bash(tmp_path, wrapped("echo 'Killed' >&2; exit 9"))
    assert (done.returncode, done.stdout, done.stderr) == (9, "", "Killed\n")


def test_success_goes_on(tmp_path: Path):
    done = bash(tmp_path, wrapped("echo 'a note' >&2"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "a note\n")


def test_a_failure_before_the_command_keeps_its_status(tmp_path: Path):
    done = bash(tmp_path, wrapped("echo never >&2", before="(echo bad >&2; exit 5)"))
    assert (done.returncode, done.stdout, done.stderr) == (5, "", "bad\n")


@pytest.mark.parametrize("top", ["", "sample/", "inner/deeper/"])
def test_a_zip_file_is_unpacked_to_the_folder_that_holds_a_run(tmp_path: Path, top: str):
    with zipfile.ZipFile(tmp_path / "run.dat", "w") as packed:
        packed.writestr(f"{top}run.json", "{}")
    done = bash(tmp_path, unpacked())
    assert done.stdout.strip() == f"runs/0/{top}".rstrip("/")


def test_a_zip_file_of_something_else_leaves_its_folder(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "run.dat", "w") as packed:
        packed.writestr("notes.txt", "")
    assert bash(tmp_path, unpacked()).stdout.strip() == "runs/0"


def unpacked() -> str:
    """The body of the template's function, with its arguments filled in."""
    code = read_tool("hub").command
    start = code.index("\n", code.index("#def unpacked"))
    body = code[start : code.index("#end def", start)]
    # Those of the template have no backslash; the longer names go first.
    kept = body.replace("\\$", "\0")
    for name, value in {
        "$variable": "place",
        "$landmark": "run.json",
        "$folder": "runs/0",
        "$file": "run.dat",
    }.items():
        kept = kept.replace(name, value)
    return kept.replace("\0", "$") + 'echo "$place"'

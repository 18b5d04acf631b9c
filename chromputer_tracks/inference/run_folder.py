"""A command's output folder: made or refused, and what an earlier run left in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from chromputer_tracks.errors import OutputError
from chromputer_tracks.inference.provenance import RUN_JSON
from chromputer_tracks.io.atomic import PARTIAL, check_folder, output_errors


@contextmanager
def output_folder(out: Path, kind: str, *, force: bool) -> Iterator[set[str]]:
    """Make the folder, or refuse it; removed again when the run fails and left it empty.

    Args:
        out: its parent must exist.
        kind: the command, as its ``run.json`` says; those of another are never written over.
        force: take a folder that holds other things than an earlier run.

    Yields:
        names of the files that an earlier run wrote into it, relative to it.

    Raises:
        OutputError: it cannot be made or written into, or holds other things.
    """
    check_folder(out)
    made = not out.exists()
    earlier: set[str] = set()
    if made:
        with output_errors(out):
            out.mkdir()
    elif (out / RUN_JSON).is_file():
        earlier = _earlier_outputs(out / RUN_JSON, kind)
    elif not (force or _is_empty(out)):
        raise OutputError(
            f"{out} holds files that are not of an earlier run (it has no {RUN_JSON}): name "
            "another folder, or pass --force"
        )
    try:
        yield earlier
    except BaseException:
        if made:
            # It stays when something else has put a file there.
            with suppress(OSError):
                out.rmdir()
        raise


def _is_empty(out: Path) -> bool:
    """Whether a folder holds nothing but what a killed run left."""
    with output_errors(out):
        return all(item.name.startswith(PARTIAL) for item in out.iterdir())


def _earlier_outputs(path: Path, kind: str) -> set[str]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        names, found = set(record["outputs"]), record["kind"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{path} is not the record of an earlier run ({error!r}): name another folder, or "
            "remove that file and pass --force"
        ) from error
    if found != kind:
        raise OutputError(
            f"{path.parent} holds the results of `chromputer {found}`, which `chromputer {kind}` "
            f"would replace: name another folder"
        )
    return names


def remove_stale(out: Path, names: set[str]) -> None:
    """Remove files that an earlier run wrote and this one did not, and folders left empty.

    Args:
        out: the run's folder.
        names: the files, relative to it.

    Raises:
        OutputError: one cannot be removed.
    """
    for name in names:
        path = out / name
        # An edited run.json must not lead outside the folder.
        if path.resolve().is_relative_to(out.resolve()):
            with output_errors(path):
                path.unlink(missing_ok=True)
    for folder in sorted({(out / name).parent.resolve() for name in names}, reverse=True):
        if out.resolve() in folder.parents:
            # It stays when anything else is in it.
            with suppress(OSError):
                folder.rmdir()

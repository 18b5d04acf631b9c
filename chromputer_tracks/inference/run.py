"""What every command that runs a model says in ``run.json``."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Self

import numpy as np
import onnxruntime as ort

from chromputer_tracks import __version__
from chromputer_tracks.errors import InputError, OutputError
from chromputer_tracks.inference.registry import Model
from chromputer_tracks.inference.sample import Sample, assay_record
from chromputer_tracks.inference.session import Session, installed_wheels
from chromputer_tracks.inference.stages import Stages
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.atomic import PARTIAL, atomic_path, check_folder, output_errors
from chromputer_tracks.records import to_plain
from chromputer_tracks.spec import ModelSpec

# ---- Where a result came from: versions, checksums and what is written to ``run.json``.

RUN_JSON = "run.json"

_BLOCK = 1 << 20
_READERS = ("oxbow", "pyBigWig", "pybigtools", "pysam")


def versions() -> dict[str, str]:
    """Package, Python and library versions that a result depends on."""
    found = {
        "chromputer-tracks": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        next(iter(installed_wheels()), "onnxruntime"): ort.__version__,
        "platform": platform.platform(),
    }
    return found | {name: importlib.metadata.version(name) for name in _READERS}


class Checksums:
    """SHA-256 of files, computed in a thread while other work goes on; a context manager.

    Leaving the block early stops the thread.

    Args:
        files: role (``fasta``) to path.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = dict(files)
        self._stop = Event()
        self._pool = ThreadPoolExecutor(1, "chromputer-checksums")
        self._done = self._pool.submit(self._work)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._pool.shutdown()

    def result(self) -> dict[str, dict[str, str | int]]:
        """Role to path, size in bytes and SHA-256; waits for the thread.

        Raises:
            InputError: a file cannot be read.
        """
        return self._done.result()

    def _work(self) -> dict[str, dict[str, str | int]]:
        return {role: self._entry(path) for role, path in self._files.items()}

    def _entry(self, path: Path) -> dict[str, str | int]:
        digest = hashlib.sha256()
        size = 0
        try:
            with path.open("rb") as file:
                while not self._stop.is_set() and (block := file.read(_BLOCK)):
                    digest.update(block)
                    size += len(block)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        return {"path": str(path), "bytes": size, "sha256": digest.hexdigest()}


def write_run_json(folder: Path, record: Mapping[str, Any]) -> Path:
    """Write ``run.json`` into ``folder``; returns its path.

    Raises:
        OutputError: it cannot be written.
    """
    path = folder / RUN_JSON
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return path


SPEC = "spec"
"""Where the model's record holds its spec, so that results can be read without the model."""
GRAPHS = ("model", "explain")
"""Roles of the model's own files among the checksums."""


def run_record(
    kind: str,
    command: Sequence[str],
    started: datetime,
    model: Model,
    session: Session,
    sizes: ChromSizes,
    sample: Sample,
    checksums: Mapping[str, Any],
    stages: Stages,
) -> dict[str, Any]:
    """The part of a run's record that all commands share.

    Args:
        kind: the command.
        command: the command line.
        started: when.
        model: what ran.
        session: on what.
        sizes: the genome's contigs.
        sample: the open sample.
        checksums: path, size and SHA-256 of the files by role, of :data:`GRAPHS` among them.
        stages: times and memory.
    """
    graph = dict(checksums["model"])
    if "explain" in checksums:
        graph["explain"] = checksums["explain"]
    return {
        "kind": kind,
        "command": shlex.join(command),
        "directory": str(Path.cwd()),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round((datetime.now(UTC) - started).total_seconds(), 3),
        "versions": versions(),
        "provider": {
            "name": session.provider,
            "reason": session.reason,
            "threads": session.threads,
        },
        "model": {"name": model.name, **graph, SPEC: _described(model.spec)},
        "inputs": {role: item for role, item in checksums.items() if role not in GRAPHS},
        "genome": {
            "contigs": len(sizes),
            "bases": sizes.total,
            "digest": sizes.digest(),
            "model_assembly": model.spec.assembly,
            "same_as_model": sizes.digest() == model.spec.sizes_digest,
        },
        "assays": {
            name: {k: v for k, v in to_plain(assay_record(source)).items() if v is not None}
            for name, source in sample.assays.items()
        },
        "peak_mb": round(stages.peak_mb(), 1),
        "stages": stages.report(),
    }


def _described(spec: ModelSpec) -> dict[str, Any]:
    """The spec without its figures and its own provenance, which would fill the record."""
    described: dict[str, Any] = json.loads(replace(spec, metrics={}, provenance={}).to_json())
    return described


# ---- A command's output folder: made or refused, and what an earlier run left in it.


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

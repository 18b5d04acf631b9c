"""Where a result came from: versions, checksums and what is written to ``run.json``."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Self

import numpy as np
import onnxruntime as ort

from chromputer_tracks import __version__
from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.session import installed_wheels
from chromputer_tracks.io.atomic import atomic_path

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

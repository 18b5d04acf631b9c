"""Time and peak memory by stage of a run."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


@dataclass(slots=True)
class Stage:
    """What a stage took.

    Attributes:
        seconds: elapsed, s; of a part that several threads do at once: the sum.
        cpu_seconds: of a phase: CPU time of the whole process; of a part: of the threads that did
            it (not of the threads that ONNX Runtime starts itself).
        peak_mb: of a phase: greatest resident memory, MiB; None for a part.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: float | None = None


class Stages:
    """Collects phases, which follow each other, and parts, which run side by side in threads."""

    def __init__(self) -> None:
        self.phases: dict[str, Stage] = {}
        self.parts: dict[str, Stage] = {}
        self._lock = Lock()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase: elapsed and process CPU time, peak memory."""
        reset_peak()
        start, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            stage = self.phases.setdefault(name, Stage())
            stage.seconds += time.perf_counter() - start
            stage.cpu_seconds += time.process_time() - cpu
            stage.peak_mb = max(stage.peak_mb or 0.0, peak_mb())

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure a part: elapsed and this thread's CPU time, added to what others took."""
        start, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            seconds, cpu_seconds = time.perf_counter() - start, time.thread_time() - cpu
            with self._lock:
                stage = self.parts.setdefault(name, Stage())
                stage.seconds += seconds
                stage.cpu_seconds += cpu_seconds

    def peak_mb(self) -> float:
        """Greatest peak over the phases so far, MiB."""
        return max((stage.peak_mb or 0.0 for stage in self.phases.values()), default=0.0)

    def report(self) -> dict[str, dict[str, dict[str, float]]]:
        """Phases and parts with rounded figures, for ``run.json``."""
        return {
            "phases": {name: _figures(stage) for name, stage in self.phases.items()},
            "parts_of_predicting": {name: _figures(stage) for name, stage in self.parts.items()},
        }


def _figures(stage: Stage) -> dict[str, float]:
    figures = {
        "seconds": round(stage.seconds, 3),
        "cpu_seconds": round(stage.cpu_seconds, 3),
    }
    if stage.peak_mb is not None:
        figures["peak_mb"] = round(stage.peak_mb, 1)
    return figures


def reset_peak() -> None:
    """Let :func:`peak_mb` start anew, where the kernel allows it; else it goes on from before."""
    try:
        _CLEAR_REFS.write_text(_RESET_PEAK)
    except OSError:
        return


def peak_mb() -> float:
    """Greatest resident memory since :func:`reset_peak`, or since the start, MiB."""
    try:
        status = _STATUS.read_text()
    except OSError:
        status = ""
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024

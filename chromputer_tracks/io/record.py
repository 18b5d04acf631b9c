"""What a run tells: progress while it goes on; its record, ``run.json``, with time and memory."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from threading import Event, Lock
from typing import Any, Literal, Protocol, TypeVar

from chromputer_tracks import __version__
from chromputer_tracks.errors import FormatError, InputError
from chromputer_tracks.io.outputs import OutputFile
from chromputer_tracks.io.text import open_input
from chromputer_tracks.io.threads import Workers
from chromputer_tracks.records import from_plain, to_plain

RUN_JSON = "run.json"
_BLOCK = 1 << 20
_LIBRARIES = ("numpy", "oxbow", "pyBigWig", "pybigtools", "pysam")
_RUNTIMES = ("onnxruntime-gpu", "onnxruntime")
Results = TypeVar("Results")


class Report(Protocol):
    """Is told what happens; :class:`chromputer_tracks.cli.console.Reporter` is one."""

    def note(self, text: str) -> None:
        """One line."""

    def progress(self, stage: str, done: int, total: int | None, unit: str) -> None:
        """How far a stage is."""


class Silent:
    """A report that nobody reads."""

    def note(self, text: str) -> None:
        """One line."""

    def progress(self, stage: str, done: int, total: int | None, unit: str) -> None:
        """How far a stage is."""


# Time and memory.


_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


@dataclass(slots=True)
class Stage:
    """What a stage took.

    Attributes:
        seconds: elapsed, s; of a part that several threads do at once: the sum.
        cpu_seconds: CPU time: of the whole process for a phase, of the threads that did it for a
            part (not of those that ONNX Runtime starts itself).
        peak_mb: greatest resident memory of a phase, MiB; None for a part.
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

        def figures(stage: Stage) -> dict[str, float]:
            found = {"seconds": round(stage.seconds, 3), "cpu_seconds": round(stage.cpu_seconds, 3)}
            return found if stage.peak_mb is None else found | {"peak_mb": round(stage.peak_mb, 1)}

        return {
            "phases": {name: figures(stage) for name, stage in self.phases.items()},
            "parts_of_predicting": {name: figures(stage) for name, stage in self.parts.items()},
        }


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


# The record.


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file that a run read.

    Attributes:
        path: as the command named it.
        bytes: its size.
        sha256: checksum of its content.
    """

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    """Where a model ran, why there, and on how many threads."""

    name: str
    reason: str
    threads: int


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """The model that ran.

    Attributes:
        name: the model's.
        path: where its graph lies.
        bytes: its size.
        sha256: checksum of its content.
        spec: what the model reads and predicts, so that results can be read without it; see
            :class:`~chromputer_tracks.spec.ModelSpec`.
        explain: the graph that explains, where it was used.
    """

    name: str
    path: str
    bytes: int
    sha256: str
    spec: dict[str, Any]
    explain: FileRecord | None = None


@dataclass(frozen=True, slots=True)
class GenomeRecord:
    """The genome that was read.

    Attributes:
        contigs: how many.
        bases: bp of all.
        digest: checksum of the contigs' names and sizes.
        model_assembly: that the model was trained on.
        same_as_model: whether its contigs are the same.
    """

    contigs: int
    bases: int
    digest: str
    model_assembly: str
    same_as_model: bool


@dataclass(frozen=True, slots=True)
class DepthRecord:
    """How the depth of a sample's fragments was found.

    Attributes:
        how: ``genome``: over whole contigs; ``confined``: over the regions to which coverage is
            confined; ``regions``: over regions that were named; ``given``: as a figure.
        bases: bp over which it was taken; None where it was given.
        regions: contigs or regions that these bases are; None where it was given.
    """

    how: str
    bases: int | None = None
    regions: int | None = None


@dataclass(frozen=True, slots=True)
class AssayRecord:
    """A file of a sample as it was read.

    Attributes:
        format: what the fragments are in, or ``bigwig``.
        kept: fragments; None for a bigWig.
        removed: fragments left out, by reason; None for a bigWig.
        per_kb: fragments per kb; None for a bigWig.
        mean: mean of a bigWig's values per bp.
        depth: how ``per_kb`` was found; None for a bigWig.
    """

    format: str
    kept: int | None = None
    removed: dict[str, int] | None = None
    per_kb: float | None = None
    mean: float | None = None
    depth: DepthRecord | None = None


Level = Literal["ok", "warning", "unfit"]
"""How a sample fits a model: as the training sample does, in part, or not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was judged of a sample.

    Attributes:
        subject: what was judged (``depth``, ``lengths`` ...).
        level: how it fits.
        text: a sentence with the value, what the model has seen, and where it does not fit what to
            do.
    """

    subject: str
    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class ExpectedAccuracy:
    """What the model reaches at a depth, as measured on held-out contigs of its own sample.

    Attributes:
        depth: fragments per kb.
        accuracy: share of sites whose state is right; None without states.
        macro_f1: of the states, likewise.
        auprc: mean over the binary labels; None without any.
        contigs: that were held out.
    """

    depth: float
    accuracy: float | None
    macro_f1: float | None
    auprc: float | None
    contigs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a sample is fit for a model.

    Attributes:
        level: the worst of the findings.
        findings: what was judged.
        expected: accuracy to expect at the sample's depth; None where it is not known, or the
            sample is unfit.
        compared: whether the model brings a profile of its training sample to compare with.
    """

    level: Level
    findings: tuple[Finding, ...]
    expected: ExpectedAccuracy | None = None
    compared: bool = True

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that are not ok, the worst first."""
        order: tuple[Level, ...] = ("unfit", "warning")
        return tuple(item for level in order for item in self.findings if item.level == level)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What ``run.json`` says: how results were made.

    Attributes:
        kind: the command.
        command: its command line.
        directory: folder in which it ran.
        started: ISO 8601.
        seconds: elapsed, s.
        versions: package, Python and libraries by name.
        options: by name, without those that only say where results lie.
        inputs: files that were read, by what they are.
        outputs: the results, relative to the folder, sorted.
        checksums: size and SHA-256 of each of them, by name.
        peak_mb: greatest resident memory, MiB.
        stages: time and memory by stage.
        provider: where the model ran; None without a model.
        model: that ran.
        genome: that was read.
        assays: files of the sample by the model's name for them.
        verdicts: whether the fragments of an assay are fit for the model, by assay.
        results: what the command says of its results, further keys of the JSON.
    """

    kind: str
    command: str
    directory: str
    started: str
    seconds: float
    versions: dict[str, str]
    options: dict[str, Any]
    inputs: dict[str, FileRecord]
    outputs: tuple[str, ...]
    peak_mb: float
    stages: dict[str, Any]
    checksums: dict[str, OutputFile] = field(default_factory=dict)
    provider: ProviderRecord | None = None
    model: ModelRecord | None = None
    genome: GenomeRecord | None = None
    assays: dict[str, AssayRecord] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The text of ``run.json``."""
        values: dict[str, Any] = to_plain(self)
        results = values.pop("results")
        for made in values["checksums"].values():
            if made["link"] is None:
                del made["link"]
        if self.model is None:
            for name in ("provider", "model", "assays"):
                del values[name]
        if self.genome is None:
            del values["genome"]
        if not self.verdicts:
            del values["verdicts"]
        if values.get("model", {}).get("explain", 0) is None:
            del values["model"]["explain"]
        for name, assay in values.get("assays", {}).items():
            values["assays"][name] = {key: v for key, v in assay.items() if v is not None}
            if depth := assay["depth"]:
                known = {key: v for key, v in depth.items() if v is not None}
                values["assays"][name]["depth"] = known
        return json.dumps(values | results, indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> RunRecord:
        """Read a record.

        Args:
            path: a folder of results, or a record.

        Raises:
            InputError: there is none, or it is no record of this release.
        """
        path = path / RUN_JSON if path.is_dir() else path
        known = {item.name for item in fields(cls)} - {"results"}
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(values, dict):
                raise ValueError(f"it holds no table but {values!r}")
            own = {key: value for key, value in values.items() if key in known}
            record = from_plain(cls, own)
        except (OSError, ValueError, RecursionError, FormatError) as error:
            raise _no_record(path, error) from error
        return replace(record, results={k: v for k, v in values.items() if k not in known})

    def results_as(self, kind: type[Results], path: Path) -> Results:
        """The command's own part of the record, typed.

        Args:
            kind: dataclass of it.
            path: the record's, for messages.

        Raises:
            InputError: it is of another form.
        """
        try:
            return from_plain(kind, self.results)
        except FormatError as error:
            raise _no_record(path, error) from error


def _no_record(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} is not the record of a run of this release ({error}): run the command again"
    )


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """What must be known of results that a run replaces, of an earlier release, too."""

    kind: str
    outputs: tuple[str, ...]
    started: str = "an unknown time"
    checksums: dict[str, OutputFile] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> EarlierRun:
        """Read it from a record.

        Raises:
            InputError: it is none.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            known = [item.name for item in fields(cls) if item.name in values]
            return from_plain(cls, {name: values[name] for name in known})
        except (OSError, ValueError, TypeError, RecursionError, FormatError) as error:
            raise InputError(f"{path} is not the record of an earlier run ({error})") from error


def versions() -> dict[str, str]:
    """Package, Python and library versions that a result depends on."""
    runtime = {name: found for name in _RUNTIMES if (found := _installed(name))}
    return {
        "chromputer-tracks": __version__,
        "python": platform.python_version(),
        **dict(list(runtime.items())[:1]),
        "platform": platform.platform(),
        **{name: _installed(name) or "missing" for name in _LIBRARIES},
    }


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def file_record(path: Path, stop: Event | None = None) -> FileRecord:
    """Size and SHA-256 of a file; ``stop`` ends the reading early.

    Raises:
        InputError: it cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with open_input(path) as file:
            while not (stop and stop.is_set()) and (block := file.read(_BLOCK)):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    return FileRecord(str(path), size, digest.hexdigest())


class Checksums:
    """SHA-256 of files, computed in a thread while other work goes on; a context manager."""

    def __init__(self) -> None:
        self._stop = Event()
        self._pool = Workers(1, "chromputer-checksums")
        self._done: dict[str, Future[FileRecord]] = {}

    def __enter__(self) -> Checksums:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()

    def add(self, files: Mapping[str, Path]) -> None:
        """Begin with further files, by what they are."""
        for role, path in files.items():
            self._done[role] = self._pool.submit(file_record, path, self._stop)

    def result(self) -> dict[str, FileRecord]:
        """The files by role; waits for the thread.

        Raises:
            InputError: a file cannot be read.
        """
        return {role: future.result() for role, future in self._done.items()}

"""A command's run: its folder, its record, its time and memory, and the publication of its results.

::

    with run("predict", options, report) as work:
        work.read({"fasta": options.sample.fasta})   # checksums, in a thread
        with work.stages.phase("predicting"):
            ...                                      # write files into work.folder
        work.describe(results)                       # what the record says of them
    work.record                                      # as run.json holds it

The files are made in a hidden folder beside ``out`` and appear under their names, together with
``run.json`` and without anything of an earlier run, in one step: the hidden folder changes places
with ``out``. Where that cannot be done (``out`` is the current folder or a mount point, cannot be
renamed, holds other files, or keeps a run's working state) they are moved one by one, the record
last; a run that was killed meanwhile is rolled back by the next one. Whatever fails, the earlier
results stay.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import importlib.metadata
import json
import os
import platform
import resource
import shlex
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from secrets import token_hex
from threading import Event, Lock
from typing import Any, Protocol, TypeVar

from chromputer_tracks import __version__
from chromputer_tracks.errors import FormatError, InputError, OutputError
from chromputer_tracks.io.atomic import PARTIAL, check_folder, check_parent, output_errors
from chromputer_tracks.options.fields import RunOptions, recorded
from chromputer_tracks.records import from_plain, to_plain

RUN_JSON = "run.json"
_JOURNAL = "publishing.json"
_EARLIER = ".earlier"
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
class AssayRecord:
    """A file of a sample as it was read.

    Attributes:
        format: what the fragments are in, or ``bigwig``.
        kept: fragments; None for a bigWig.
        removed: fragments left out, by reason; None for a bigWig.
        per_kb: fragments per kb; None for a bigWig.
        mean: mean of a bigWig's values per bp.
    """

    format: str
    kept: int | None = None
    removed: dict[str, int] | None = None
    per_kb: float | None = None
    mean: float | None = None


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
        peak_mb: greatest resident memory, MiB.
        stages: time and memory by stage.
        provider: where the model ran; None without a model.
        model: that ran.
        genome: that was read.
        assays: files of the sample by the model's name for them.
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
    provider: ProviderRecord | None = None
    model: ModelRecord | None = None
    genome: GenomeRecord | None = None
    assays: dict[str, AssayRecord] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The text of ``run.json``."""
        values: dict[str, Any] = to_plain(self)
        results = values.pop("results")
        if self.model is None:
            for name in ("provider", "model", "assays"):
                del values[name]
        if self.genome is None:
            del values["genome"]
        if values.get("model", {}).get("explain", 0) is None:
            del values["model"]["explain"]
        for name, assay in values.get("assays", {}).items():
            values["assays"][name] = {key: v for key, v in assay.items() if v is not None}
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

    @classmethod
    def read(cls, path: Path) -> EarlierRun:
        """Read it from a record.

        Raises:
            InputError: it is none.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return from_plain(
                cls, {key: values[key] for key in ("kind", "outputs", "started") if key in values}
            )
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
        with path.open("rb") as file:
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
        self._pool = ThreadPoolExecutor(1, "chromputer-checksums")
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


# The run.


def _write(path: Path, text: str) -> None:
    with output_errors(path):
        path.write_text(text, encoding="utf-8")


class Run:
    """A run while it goes on; see the module's docstring.

    Attributes:
        out: where the results will lie.
        folder: where they are made.
        earlier: the results that are to be replaced; None where there are none.
        stages: time and memory.
        checksums: what was read, by role.
        record: what was written of this run, when its block has ended.
    """

    record: RunRecord

    def __init__(
        self, kind: str, options: RunOptions, folder: Path, earlier: EarlierRun | None
    ) -> None:
        self.kind, self.options, self.out = kind, options, options.out
        self.folder, self.earlier = folder, earlier
        self.stages = Stages()
        self.checksums = Checksums()
        self._started = datetime.now(UTC)
        self._described: dict[str, Any] = {}
        self._results: dict[str, Any] = {}

    def read(self, files: Mapping[str, Path | None]) -> None:
        """Files that the results depend on, by what they are; None: not given."""
        self.checksums.add({role: path for role, path in files.items() if path is not None})

    def describe(self, results: Any = None, **parts: Any) -> None:
        """Say what the record holds beside what every record does.

        Args:
            results: dataclass or mapping of the command's own keys.
            **parts: ``provider``, ``model``, ``genome``, ``assays``; or another field of the record
                that is to say something else.
        """
        self._described |= parts
        if results is not None:
            self._results |= to_plain(results)

    def finish(self, name: str | None) -> None:
        """Make the record, now that all is there, and write it under a name; None: do not."""
        inputs = self.checksums.result()
        model = self._described.get("model")
        if model is not None and "model" in inputs:
            # The model's own files are told with the model.
            graph = inputs.pop("model")
            model = ModelRecord(
                model.name, graph.path, graph.bytes, graph.sha256, model.spec,
                inputs.pop("explain", None),
            )  # fmt: skip
        record = RunRecord(
            self.kind,
            shlex.join(self.options.command),
            str(Path.cwd()),
            self._started.isoformat(timespec="seconds"),
            round((datetime.now(UTC) - self._started).total_seconds(), 3),
            versions(),
            recorded(self.options),
            inputs,
            tuple(sorted(_files(self.folder))),
            round(self.stages.peak_mb() or peak_mb(), 1),
            self.stages.report(),
            results=self._results,
        )
        self.record = replace(record, **(self._described | {"model": model}))
        if name is not None:
            _write(self.folder / name, self.record.to_json())


@contextmanager
def run(
    kind: str, options: RunOptions, report: Report, *, keep: tuple[str, ...] = ()
) -> Iterator[Run]:
    """Run a command whose results are a folder.

    Args:
        kind: the command, as ``run.json`` says; results of another are never written over.
        options: the command's.
        report: told when earlier results are replaced.
        keep: folders of ``out`` that are the run's working state and stay as they are.

    Raises:
        OutputError: the folder cannot be made or written into, is being written into, or holds
            other things (and no ``force``).
    """
    out = options.out
    check_folder(out)
    place = _real(out)
    with _lock(place, out):
        with output_errors(out):
            _recover(place)
            earlier = _earlier(out, kind, keep, force=options.force)
            made = bool(keep) and not place.exists()
            folder = _staged(place, keep)
        if earlier is not None:
            report.note(
                f"note: {out} holds the results of an earlier `chromputer {kind}` "
                f"({earlier.started}), which this run replaces"
            )
        work = Run(kind, options, folder, earlier)
        try:
            with _final_names(work, out):
                yield work
                work.finish(RUN_JSON)
                with output_errors(out):
                    _publish(work, place)
        finally:
            _discard(folder)
            if made:
                # It stays when something was put there.
                with suppress(OSError):
                    place.rmdir()


@contextmanager
def run_files(
    kind: str, options: RunOptions, report: Report, *, record: bool = True
) -> Iterator[Run]:
    """Run a command whose results are a file and others beside it with the same stem.

    Args:
        kind: the command.
        options: the command's; ``out`` is the file.
        report: told when the results of an earlier run are replaced.
        record: write the record, with the file's stem and ``.json``.

    Raises:
        OutputError: the files cannot be written, or are being written.
    """
    out = options.out
    check_parent(out)
    check_folder(out.parent)
    parent = _real(out.parent)
    name = out.with_suffix(".json").name
    with _lock(parent / out.name, out):
        with output_errors(out):
            _recover(parent / out.name)
            folder = _new_folder(parent, out.name)
        earlier = None
        with suppress(InputError):
            found = EarlierRun.read(out.with_name(name))
            earlier = found if found.kind == kind and out.name in found.outputs else None
        work = Run(kind, options, folder, earlier)
        try:
            with _final_names(work, out.parent):
                yield work
                work.finish(name if record else None)
                stale = set() if earlier is None else {*earlier.outputs, name}
                with output_errors(out):
                    _move_in_place(work, parent, stale, name)
        finally:
            _discard(folder)


@contextmanager
def _final_names(work: Run, out: Path) -> Iterator[None]:
    """Compute checksums; errors name files where they are to be, not where they are made."""
    try:
        with work.checksums:
            yield
    except OutputError as error:
        error.args = tuple(str(part).replace(str(work.folder), str(out)) for part in error.args)
        raise


def _real(path: Path) -> Path:
    """The absolute path without links, which is one however a folder is called."""
    with output_errors(path):
        return Path(os.path.realpath(path))


def _discard(folder: Path) -> None:
    """Remove what was made, but not earlier results that could not be put back."""
    if not (folder / _JOURNAL).exists():
        shutil.rmtree(folder, ignore_errors=True)


def _files(folder: Path) -> list[str]:
    """The files below a folder, relative to it, without hidden ones of runs."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if (path.is_file() or path.is_symlink())
        and not path.relative_to(folder).parts[0].startswith(PARTIAL)
    ]


# The folder of results before the run.


@contextmanager
def _lock(place: Path, out: Path) -> Iterator[None]:
    """Keep other runs out of a place; the system lets go when the process ends, however it ends.

    Args:
        place: resolved, so that it is the same by whatever name runs call it.
        out: what messages call it.
    """
    folder = place.parent if os.access(place.parent, os.W_OK | os.X_OK) else place
    path = folder / f"{PARTIAL}{place.name}.lock"
    while True:
        with output_errors(out):
            number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(number, 1000).decode(errors="replace")
            os.close(number)
            raise OutputError(
                f"{out} is being written by another run ({holder or 'just started'}): wait for "
                "it, or name another folder"
            ) from None
        except OSError:
            break  # a file system without locks
        # Its holder may have removed the file since it was opened: then nobody else sees this one.
        with suppress(OSError):
            if path.stat().st_ino == os.fstat(number).st_ino:
                break
        os.close(number)
    try:
        # On a full disk the lock holds without its holder's name.
        with suppress(OSError):
            os.ftruncate(number, 0)
            os.write(number, f"process {os.getpid()} on {platform.node()}".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(number)


def _earlier(out: Path, kind: str, keep: tuple[str, ...], *, force: bool) -> EarlierRun | None:
    """The earlier results in a folder; refuses what is not to be replaced."""
    if (out / RUN_JSON).is_file():
        try:
            record = EarlierRun.read(out / RUN_JSON)
        except InputError as error:
            raise OutputError(
                f"{error}: name another folder, or remove that file and pass --force"
            ) from error
        if record.kind != kind:
            raise OutputError(
                f"{out} holds the results of `chromputer {record.kind}`, which `chromputer {kind}` "
                "would replace: name another folder"
            )
        return record
    if not force and out.exists():
        others = [
            item.name
            for item in out.iterdir()
            if item.name not in keep and not item.name.startswith(PARTIAL)
        ]
        if others:
            raise OutputError(
                f"{out} holds files that are not of an earlier run (it has no {RUN_JSON}): name "
                "another folder, or pass --force"
            )
    return None


def _new_folder(parent: Path, name: str) -> Path:
    """An empty hidden folder for results of this name."""
    folder = _hidden(parent, name)
    folder.mkdir()
    return folder


def _hidden(parent: Path, name: str) -> Path:
    return parent / f"{PARTIAL}{token_hex(4)}-{name}"


def _staged(place: Path, keep: tuple[str, ...]) -> Path:
    """Where results are made: beside their place if that can be exchanged for them, else in it."""
    if not keep and os.access(place.parent, os.W_OK | os.X_OK) and not _is_fixed(place):
        return _new_folder(place.parent, place.name)
    place.mkdir(exist_ok=True)
    return _new_folder(place, place.name)


def _is_fixed(place: Path) -> bool:
    """Whether a folder must stay the one that it is: a mount point, or one that is used."""
    here = Path.cwd().resolve()
    return place.exists() and (place.is_mount() or place in (here, *here.parents))


def _recover(place: Path) -> None:
    """Undo what killed runs left: the earlier results come back, unfinished ones go.

    None of their hidden folders is in use while the lock holds.
    """
    pattern = f"{PARTIAL}{'[0-9a-f]' * 8}-{escape(place.name)}"
    folders = [*place.parent.glob(pattern), *place.glob(pattern)]
    for folder in filter(Path.is_dir, folders):
        _put_back(folder)
        if not place.exists() and (folder / RUN_JSON).is_file():
            # Killed between the two steps of an exchange that the file system lacks.
            folder.rename(place)
        else:
            shutil.rmtree(folder, ignore_errors=True)


# Publication.


def _publish(work: Run, place: Path) -> None:
    """Put the results and their record where they belong, without anything of an earlier run."""
    folder = work.folder
    own = set() if work.earlier is None else {*work.earlier.outputs, RUN_JSON}
    exchange = folder.parent != place and (not place.exists() or set(_files(place)) <= own)
    if exchange:
        _sync(folder)
        try:
            if place.exists():
                shutil.copymode(place, folder)
                _exchange(folder, place)
            else:
                folder.rename(place)
        except OSError:
            # In a folder that has a sticky bit or a lower layer, only files may be renamed.
            if not place.exists():
                raise
            exchange = False
    if exchange:
        _sync_one(place.parent)
    else:
        _move_in_place(work, place, own, RUN_JSON)


def _exchange(folder: Path, place: Path) -> None:
    """Let two folders change places, in one step where the system can."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        # renameat2(AT_FDCWD, folder, AT_FDCWD, place, RENAME_EXCHANGE)
        failed = libc.renameat2(-100, os.fsencode(folder), -100, os.fsencode(place), 2)
        if not failed:
            return
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise OSError(number, os.strerror(number))
    except AttributeError:
        pass  # not Linux
    aside = _hidden(place.parent, place.name)
    place.rename(aside)
    try:
        folder.rename(place)
    except BaseException:
        aside.replace(place)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _move_in_place(work: Run, target: Path, earlier: Iterable[str], record: str) -> None:
    """Move files one by one; on an error put back what was there.

    The old record goes first and the new one comes last: in between there is none, and no false
    one. A journal says what is under way, for the next run if this one is killed.

    Args:
        work: its folder holds the files.
        target: where they go.
        earlier: names of an earlier run's files in ``target``; those that do not come again go.
        record: name of the record.
    """
    folder = work.folder
    made = sorted(_files(folder), key=lambda name: name == record)
    # An edited record must not lead outside of the folder.
    inside = [name for name in earlier if _is_inside(target, name)]
    there = [name for name in {*made, *inside} if os.path.lexists(target / name)]
    there.sort(key=lambda name: name != record)
    for name in there:
        if (target / name).is_dir() and not (target / name).is_symlink():
            raise OutputError(f"cannot write {folder / name}: a folder has this name")
    parents = {parent for name in made for parent in Path(name).parents}
    journal = {
        "target": os.path.relpath(target, folder.parent),
        "names": [*made, *there],
        "earlier": there,
        "folders": [str(parent) for parent in parents if not (target / parent).exists()],
    }
    _sync(folder)
    _write(folder / f"{_JOURNAL}.new", json.dumps(journal))
    _sync_one(folder / f"{_JOURNAL}.new")
    (folder / f"{_JOURNAL}.new").replace(folder / _JOURNAL)
    try:
        for name in there:
            kept = folder / _EARLIER / name
            kept.parent.mkdir(parents=True, exist_ok=True)
            (target / name).replace(kept)
        for name in made:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).replace(target / name)
        _sync_one(target)
        (folder / _JOURNAL).unlink()
    except BaseException:
        _put_back(folder)
        raise
    for parent in sorted({(target / name).parent for name in inside}, reverse=True):
        if parent != target:
            # It stays when anything else is in it.
            with suppress(OSError):
                parent.rmdir()


def _put_back(folder: Path) -> None:
    """Undo the moves of which a folder's journal says that they were under way, if it has one."""
    journal = folder / _JOURNAL
    if not journal.is_file():
        return
    about = json.loads(journal.read_text(encoding="utf-8"))
    target = Path(folder.parent, about["target"])
    for name in about["names"]:
        kept = folder / _EARLIER / name
        if os.path.lexists(kept):
            kept.replace(target / name)
        elif name not in about["earlier"] and not os.path.lexists(folder / name):
            (target / name).unlink(missing_ok=True)
    for name in sorted(about["folders"], reverse=True):
        # It stays when anything else is in it.
        with suppress(OSError):
            (target / name).rmdir()
    journal.unlink()


def _is_inside(folder: Path, name: str) -> bool:
    if ".." in Path(name).parts:
        return False
    return (folder / name).resolve().parent.is_relative_to(folder.resolve())


def _sync(folder: Path) -> None:
    """Have a folder and all that is in it on the disk."""
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            _sync_one(path)


def _sync_one(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)

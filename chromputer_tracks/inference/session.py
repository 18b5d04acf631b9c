"""Models by name or path, and the ONNX Runtime sessions that run them.

A model is a folder, a single ``.onnx`` file, or one that is shipped with the package. Before it is
used, its spec, its graph and its metadata are shown to agree.

onnxruntime-gpu lists CUDA on machines that have none and then falls back to the CPU with a log
line. So a provider counts as usable only when a small convolution has run on it, and a session's
provider is read back after its creation.
"""

from __future__ import annotations

import base64
import ctypes
import importlib.metadata
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal, get_args

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from chromputer_tracks.errors import InputError, ProviderError, SpecError, meant
from chromputer_tracks.inference.graph import read_graph
from chromputer_tracks.io.threads import in_worker, on_stop, stopped
from chromputer_tracks.options.fields import ProviderChoice as ProviderChoice
from chromputer_tracks.spec import METADATA_KEY, PREDICT, WEIGHTS, ModelSpec, shipped_folders

# For programs that import ONNX Runtime before this package, which sets the environment too late.
ort.disable_telemetry_events()

# Finding and checking a model.

SPEC = "model.json"

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, repr=False)
class Model:
    """A checked model.

    Attributes:
        spec: its spec.
        path: its ``predict.onnx``.
    """

    spec: ModelSpec
    path: Path

    @property
    def name(self) -> str:
        """The model's name."""
        return self.spec.name

    def __repr__(self) -> str:
        """What it reads and predicts, in a line."""
        spec = self.spec
        read = ", ".join(item.name for item in spec.inputs)
        heads = ", ".join(f"{head.name} ({len(head.labels)})" for head in spec.heads)
        return (
            f"<Model {spec.name} of {spec.assembly}: {read} of {spec.window:,} bp to {heads} "
            f"every {spec.stride} bp; {self.path}>"
        )


def shipped_models() -> dict[str, Path]:
    """Name to folder of the models that come with the package, sorted by name."""
    return shipped_folders(_PACKAGE)


def read_spec(folder: Path) -> ModelSpec:
    """The spec in a model folder's ``model.json``, not compared with the graph.

    Raises:
        SpecError: it is missing, unreadable or no spec of this version.
    """
    path = folder / SPEC
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 text ({error})") from error
    return ModelSpec.from_json(text, str(path))


def load_model(name_or_path: str | Path) -> Model:
    """Find a model and check that its spec, its graph and its metadata agree.

    Args:
        name_or_path: a model folder, an ``.onnx`` file (its spec is in its metadata) or the name
            of a shipped model. An existing path wins over a name, but for a folder that holds no
            graph (tracks that were written to a folder of the model's name).

    Raises:
        SpecError: nothing of that name, a corrupt file, an unknown spec version, or a spec that
            does not describe the graph.
    """
    path = Path(name_or_path)
    no_graph = path.is_dir() and not (path / PREDICT).is_file()
    if not path.exists() or (no_graph and str(name_or_path) in shipped_models()):
        path = _shipped(str(name_or_path))
    if path.is_dir():
        graph = path / PREDICT
        if not graph.is_file():
            raise SpecError(f"{path}: no {PREDICT} in this folder; it is not a model folder")
        try:
            spec = read_spec(path)
        except SpecError as error:
            with suppress(SpecError):
                _check_graph(graph)
                error.add_note(f"{graph} carries the spec, too, and can be used alone: name it")
            raise
        embedded = _check_graph(graph)
        # As text: a metric may be NaN, which is not equal to itself.
        if spec.to_json() != embedded.to_json():
            raise SpecError(
                f"{path / SPEC} differs from the spec inside {PREDICT}"
                f"{_first_difference(spec, embedded)}: copy the folder again, or name {graph} alone"
            )
        return Model(spec, graph)
    return Model(_check_graph(path), path)


def _shipped(name: str) -> Path:
    shipped = shipped_models()
    if name in shipped:
        return shipped[name]
    known = ", ".join(shipped) or "none"
    raise SpecError(
        f"model {name!r}: no such folder or .onnx file, and no shipped model has that name "
        f"(shipped: {known}){meant(name, shipped)}"
    )


def _first_difference(one: ModelSpec, other: ModelSpec) -> str:
    for field in one.__dataclass_fields__:
        if repr(getattr(one, field)) != repr(getattr(other, field)):
            return f" at {field!r}"
    return ""


def _check_graph(path: Path) -> ModelSpec:
    """The spec embedded in an ONNX file, after a trial run has shown that it fits the graph."""
    unreadable = f"{path}: not a readable ONNX model, copy it again"
    try:
        graph = read_graph(path)
    except OSError as error:
        raise SpecError(f"{unreadable}: {error}") from error
    text = graph.metadata.get(METADATA_KEY)
    if text is None:
        raise SpecError(
            f"{path}: its metadata hold no {METADATA_KEY!r}; export it with `chromputer train`"
        )
    spec = ModelSpec.from_json(text, f"{path} (metadata {METADATA_KEY})")
    positions = 3
    length = spec.window + (positions - 1) * spec.stride
    values = sum(item.channels * (length // item.bin) for item in spec.inputs)
    if values > _MOST_TRIAL_VALUES:
        raise SpecError(
            f"{path}: its spec asks for {values:,} values to predict {positions} places (a window "
            f"of {spec.window:,} bp), which no model that `chromputer train` exports does"
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    # The trial is one small run: optimizing the graph for it would take longer.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = _create(graph.content, [_ORT_NAMES["cpu"]], options)
    except ORT_ERRORS as error:
        raise SpecError(f"{unreadable}: {error}") from error
    names = [item.name for item in session.get_inputs()]
    if WEIGHTS in names:
        raise SpecError(
            f"{path}: this graph explains a model; name its folder, or the {PREDICT} beside it"
        )
    wanted = [item.name for item in spec.inputs]
    if sorted(names) != sorted(wanted):
        raise SpecError(f"{path}: the graph takes inputs {names}, its spec says {wanted}")
    outputs = [item.name for item in session.get_outputs()]
    if "logits" not in outputs:
        raise SpecError(f"{path}: the graph has no output 'logits', only {outputs}")
    trial = {
        item.name: np.zeros((1, item.channels, length // item.bin), dtype=np.float32)
        for item in spec.inputs
    }
    try:
        (logits,) = _run(session, ["logits"], trial)
    except ORT_ERRORS as error:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in trial.items())
        raise SpecError(
            f"{path}: the graph refuses what its spec describes ({shapes}): {error}"
        ) from error
    if logits.shape != (1, spec.outputs, positions):
        raise SpecError(
            f"{path}: {length} bp gave logits of shape {logits.shape}; its spec says "
            f"{(1, spec.outputs, positions)}"
        )
    return spec


# Where it runs.

Provider = Literal["cpu", "cuda", "tensorrt"]
"""What a session runs on."""

WHEELS = ("onnxruntime", "onnxruntime-gpu")
"""Packages that install the same module; only one of them may be there."""
FOR_GPU = (
    "python -m pip uninstall -y onnxruntime onnxruntime-gpu && "
    "python -m pip install 'onnxruntime-gpu[cuda,cudnn]'"
)
"""The one command that gives an installation the runtime for NVIDIA GPUs and CUDA's libraries."""

ORT_ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    *(
        item
        for item in vars(ort_state).values()
        if isinstance(item, type) and issubclass(item, Exception)
    ),
)
"""What ONNX Runtime raises; its own exceptions have no common base."""
_LOAD_ERRORS: tuple[type[Exception], ...] = (*ORT_ERRORS, OSError)

_ORT_NAMES: dict[Provider, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_NO_GPU = "no usable GPU: "
_NO_DRIVER = "this machine has no NVIDIA driver (libcuda.so.1)"
_EXTERNAL_FOLDER = "session.model_external_initializers_file_folder_path"
_NOWHERE = "/nonexistent"
_FATAL_ONLY = 4
_MOST_TRIAL_VALUES = 1 << 26
"""In the arrays of a trial run: 256 MiB, where the shipped model takes 0.2."""
_MAX_WORKERS = 16
"""Each worker holds a tile's activations, tens of MiB."""

# TF32 keeps 10 bits of the mantissa, which would make results depend on the provider; the
# exhaustive search times every algorithm anew for each tile length.
_CUDA_OPTIONS = {
    "use_tf32": "0",
    "cudnn_conv_algo_search": "HEURISTIC",
    "arena_extend_strategy": "kSameAsRequested",
}

# y = conv1d(x (1, 1, L), [1, 2, 3]), so that cuDNN has to load, too.
_PROBE = base64.b64decode(
    "CAgSADpkCg8KAXgKAXcSAXkiBENvbnYSBXByb2JlKhkIAQgBCAMQASIMAACAPwAAAEAAAEBAQgF3WhgKAXgSEwoR"
    "CAESDQoCCAEKAggBCgMSAUxiFQoBeRIQCg4IARIKCgIIAQoCCAEKAEIECgAQEQ=="
)
_PROBE_INPUT = np.array([[[1, 10, 100, 1000]]], dtype=np.float32)
_PROBE_OUTPUT = np.array([[[321, 3210]]], dtype=np.float32)


def installed_wheels() -> dict[str, str]:
    """The installed packages among :data:`WHEELS`, name to version."""
    found = {}
    for name in WHEELS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def wheel_conflict() -> str | None:
    """What is wrong, and the remedy, when both onnxruntime packages are installed."""
    if len(installed_wheels()) < len(WHEELS):
        return None
    return (
        "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files; "
        "run `pip uninstall onnxruntime onnxruntime-gpu`, then `pip install onnxruntime` for the "
        "CPU, or `pip install 'onnxruntime-gpu[cuda,cudnn]'` for an NVIDIA GPU"
    )


def has_driver() -> bool:
    """Whether this machine has NVIDIA's driver, and so most likely a GPU."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def idle_gpu(provider: Provider, reason: str) -> str | None:
    """What to say, with the remedy, where a GPU is not used though nobody asked for the CPU.

    Args:
        provider: where a session runs.
        reason: why there, see :class:`Session`.
    """
    if provider != "cpu" or not reason.startswith(_NO_GPU) or not has_driver():
        return None
    return (
        "this machine has an NVIDIA driver, but the CPU is used, which is far slower "
        f"({reason.removeprefix(_NO_GPU)}). For the GPU, run once: {FOR_GPU}; to use the CPU and "
        "say nothing: --provider cpu"
    )


def available_cpus() -> int:
    """CPUs that this process may use: its affinity, cut by the control group's quota."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota(Path("/sys/fs/cgroup"))
    return cpus if quota is None else max(1, min(cpus, math.ceil(quota)))


def _cgroup_quota(root: Path) -> float | None:
    """CPUs that the control group below ``root`` allows (version 2, then 1); None: no limit."""
    v2 = root / "cpu.max"
    if v2.is_file():
        quota, period = v2.read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    v1 = root / "cpu" / "cpu.cfs_quota_us"
    if v1.is_file():
        quota_us = int(v1.read_text())
        period_us = int(v1.with_name("cpu.cfs_period_us").read_text())
        return quota_us / period_us if quota_us > 0 else None
    return None


_LOGGER = Lock()
"""Held while the severity of the process's one logger is changed."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep ONNX Runtime's provider loader from writing to stderr."""
    with _LOGGER:
        ort.set_default_logger_severity(_FATAL_ONLY)
        try:
            yield
        finally:
            ort.set_default_logger_severity(2)


_ACTIVE: dict[int, ort.RunOptions] = {}
"""Of the runs under way, by which they can be ended."""
_RUNS = Lock()
_ARENA = Lock()
_HAS_ARENA = False
_SHARED_ARENA = "session.use_env_allocators"


def _end_runs() -> None:
    with _RUNS:
        for options in _ACTIVE.values():
            options.terminate = True


on_stop(_end_runs)


def _run(
    session: ort.InferenceSession, outputs: Sequence[str], feed: Mapping[str, NDArray[Any]]
) -> list[NDArray[np.float32]]:
    """Run a graph where Ctrl-C and signals can end it, between two of its nodes at the latest."""
    options = ort.RunOptions()
    with _RUNS:
        _ACTIVE[id(options)] = options
        options.terminate = stopped()
    try:
        found: list[NDArray[np.float32]] = in_worker(
            lambda: session.run(list(outputs), dict(feed), options)
        )
        return found
    finally:
        with _RUNS:
            del _ACTIVE[id(options)]


def _bound_memory() -> None:
    """Have sessions on the CPU share memory, no more than there is when the first is made.

    A graph may ask for any amount, such as by joining an array with itself time and again. Without
    this bound the system would kill this process, or another. Where a program that uses this
    package has made such an allocator itself, its own bound holds.
    """
    global _HAS_ARENA  # noqa: PLW0603
    with _ARENA:
        if not _HAS_ARENA:
            place = ort.OrtMemoryInfo(
                "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
            )
            with suppress(*ORT_ERRORS):
                ort.create_and_register_allocator(
                    place, ort.OrtArenaCfg(available_memory(), -1, -1, -1)
                )
            _HAS_ARENA = True


def available_memory() -> int:
    """Bytes that this process may take: what is free, cut by the control group's limit."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    root = Path("/sys/fs/cgroup")
    for limit, used in (
        (root / "memory.max", root / "memory.current"),
        (root / "memory" / "memory.limit_in_bytes", root / "memory" / "memory.usage_in_bytes"),
    ):
        # "max" where there is none.
        with suppress(OSError, ValueError):
            found.append(max(0, int(limit.read_text()) - int(used.read_text())))
    return min(found)


def _create(
    source: bytes, names: Sequence[Any], options: ort.SessionOptions
) -> ort.InferenceSession:
    options.log_severity_level = _FATAL_ONLY
    if names == [_ORT_NAMES["cpu"]]:
        _bound_memory()
        options.add_session_config_entry(_SHARED_ARENA, "1")
    # A stranger's graph may say that its data lie in other files of this machine. Given bytes, ONNX
    # Runtime seeks them in the folder that is named here, and there is none.
    options.add_session_config_entry(_EXTERNAL_FOLDER, _NOWHERE)
    with _quiet():
        # Without the last ONNX Runtime retries on the CPU when a provider fails.
        return in_worker(
            lambda: ort.InferenceSession(source, options, providers=names, enable_fallback=0)
        )


def probe(provider: Provider) -> str | None:
    """Run a small convolution on a provider.

    Returns:
        None when it ran there and gave the right numbers, else why not, in one clause.
    """
    name = _ORT_NAMES[provider]
    if name not in ort.get_available_providers():
        if provider != "cpu" and not has_driver():
            return _NO_DRIVER
        wheels = " and ".join(installed_wheels()) or "onnxruntime"
        return f"the installed {wheels} has no {name}"
    try:
        session = _create(_PROBE, [name], ort.SessionOptions())
        if session.get_providers()[0] != name:
            return _missing_library(provider) or f"ONNX Runtime could not load {name}"
        (result,) = session.run(None, {"x": _PROBE_INPUT})
    except ORT_ERRORS as error:
        return _missing_library(provider) or " ".join(str(error).split())
    if not np.allclose(result, _PROBE_OUTPUT):
        return f"{name} computed a wrong result"
    return None


def _missing_library(provider: Provider) -> str | None:
    """The first shared library that the provider lacks, in one clause."""
    if provider == "cpu":
        return None
    if not has_driver():
        return _NO_DRIVER
    library = Path(ort_state.__file__).parent / f"libonnxruntime_providers_{provider}.so"
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        if "cannot open shared object file" in str(error):
            return f"{library.name} lacks a library: {error}"
    return None


def _preload_cuda() -> None:
    """Load the CUDA and cuDNN libraries that pip installed, where there are any."""
    if any(Path("/proc/driver/nvidia").glob("version")) and hasattr(ort, "preload_dlls"):
        ort.preload_dlls(directory="")


@dataclass(frozen=True, slots=True)
class Session:
    """A loaded ``predict.onnx``.

    Attributes:
        provider: what it runs on, read back from the session.
        reason: why this provider, one clause.
        threads: CPU threads in all.
        workers: how many threads may call :meth:`run` at the same time.
    """

    provider: Provider
    reason: str
    threads: int
    workers: int
    _session: ort.InferenceSession
    _model: Path

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Logits of a batch.

        Args:
            inputs: input name to float32 (n, channels, positions).

        Returns:
            float32 (n, outputs, (L - window) / stride + 1).

        Raises:
            ProviderError: ONNX Runtime failed, for instance for want of memory.
        """
        (logits,) = self.fetch(["logits"], inputs)
        return logits

    def fetch(
        self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]
    ) -> list[NDArray[np.float32]]:
        """Any of the graph's outputs for a batch.

        Args:
            outputs: their names; ``predict.onnx`` has ``logits`` and ``embedding``.
            inputs: input name to array.

        Returns:
            the arrays, in the order of ``outputs``.

        Raises:
            ProviderError: ONNX Runtime failed, for instance for want of memory.
        """
        try:
            return _run(self._session, outputs, inputs)
        except ORT_ERRORS as error:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in inputs.items())
            raise ProviderError(
                f"{self._model}: ONNX Runtime failed on {self.provider} with {shapes}; when memory "
                f"ran out, lower the tile or batch size: {error}"
            ) from error


def open_session(
    model_path: Path, provider: ProviderChoice = "auto", threads: int | None = None
) -> Session:
    """Open a model for inference.

    Args:
        model_path: the ``predict.onnx``, checked before by :func:`load_model`.
        provider: ``cuda`` and ``tensorrt`` are taken or refused; ``auto`` takes CUDA when it
            works, else the CPU.
        threads: CPU threads; None: :func:`available_cpus`. On the CPU each thread runs a tile of
            its own (up to 16; more than that share operators), because threads that share an
            operator wait for the slowest of them at its end.

    Raises:
        ProviderError: the provider does not work here, or the session cannot be made.
        SpecError: the graph holds what no model of ours needs; see :func:`.graph.read_graph`.
        InputError: an unknown provider or fewer than one thread.
    """
    if provider not in get_args(ProviderChoice):
        raise InputError(
            f"provider {provider!r} is not one of {', '.join(get_args(ProviderChoice))}"
        )
    if threads is not None and threads < 1:
        raise InputError(f"threads {threads} must be at least 1")
    conflict = wheel_conflict()
    if conflict and provider != "cpu":
        raise ProviderError(conflict)
    taken, reason = _choose(provider)
    count = threads or available_cpus()
    options = ort.SessionOptions()
    workers = min(count, _MAX_WORKERS) if taken == "cpu" else 1
    options.intra_op_num_threads = count // workers
    # Idle threads would spin on the cores that make the next tile's arrays and write the last's.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = _create(read_graph(model_path).content, _provider_list(taken), options)
    except _LOAD_ERRORS as error:
        raise ProviderError(f"{model_path}: cannot be loaded on {taken}: {error}") from error
    if session.get_providers()[0] != _ORT_NAMES[taken]:
        raise ProviderError(
            f"{model_path}: asked for {taken}, but ONNX Runtime took {session.get_providers()[0]}"
        )
    return Session(taken, reason, count, workers, session, model_path)


def _provider_list(provider: Provider) -> list[Any]:
    cuda = (_ORT_NAMES["cuda"], _CUDA_OPTIONS)
    if provider == "tensorrt":
        return [_ORT_NAMES["tensorrt"], cuda]
    return [cuda] if provider == "cuda" else [_ORT_NAMES["cpu"]]


def _choose(provider: ProviderChoice) -> tuple[Provider, str]:
    """The provider to take and why."""
    if provider == "cpu":
        return "cpu", "asked for"
    _preload_cuda()
    wanted: Provider = "cuda" if provider == "auto" else provider
    problem = probe(wanted)
    if problem is None:
        return wanted, "asked for" if provider != "auto" else "a GPU works"
    if provider == "auto":
        return "cpu", f"{_NO_GPU}{problem}"
    raise ProviderError(
        f"--provider {provider} cannot be used: {problem}. Use --provider cpu, or install the "
        + ("" if has_driver() else "NVIDIA driver and the ")
        + "runtime for GPUs"
        + (" and TensorRT" if provider == "tensorrt" else "")
        + f": {FOR_GPU}; `chromputer doctor` shows what works"
    )

"""Finding models, and which ONNX Runtime provider really runs them."""

from __future__ import annotations

import base64
import dataclasses
import importlib.metadata
import json
import os
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tiny_models import EDGES, WINDOW, tiny_graph, tiny_spec, write_tiny_model

from chromputer_tracks.data.features import probabilities
from chromputer_tracks.errors import InputError, ProviderError, SpecError
from chromputer_tracks.inference import session as module
from chromputer_tracks.inference.session import (
    available_cpus,
    load_model,
    open_session,
    probe,
    read_spec,
    shipped_models,
)
from chromputer_tracks.spec import HeadSpec, InputSpec, Label


def test_folder_and_single_file_give_the_same_spec(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "tiny")
    from_folder = load_model(folder)
    single = tmp_path / "elsewhere.onnx"
    single.write_bytes((folder / "predict.onnx").read_bytes())
    from_file = load_model(str(single))
    assert from_folder.spec == from_file.spec == tiny_spec()
    assert from_folder.path == folder / "predict.onnx"
    assert from_file.path == single
    assert from_file.name == "tiny"


def test_shipped_model_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package"
    package.mkdir()
    monkeypatch.setattr(module, "_PACKAGE", package)
    folder = write_tiny_model(tmp_path / "models" / "tiny")
    (tmp_path / "models" / "unfinished").mkdir()
    assert shipped_models() == {"tiny": folder}
    assert load_model("tiny").path == folder / "predict.onnx"
    # Tracks in a folder of the model's name do not hide the model; another model there does.
    here = tmp_path / "here"
    (here / "tiny").mkdir(parents=True)
    monkeypatch.chdir(here)
    assert load_model("tiny").path == folder / "predict.onnx"
    write_tiny_model(here / "tiny")
    assert load_model("tiny").path == Path("tiny/predict.onnx")
    with pytest.raises(SpecError, match=r"'nope'.*shipped: tiny"):
        load_model("nope")
    inside = write_tiny_model(package / "_models" / "wheel")
    assert shipped_models() == {"wheel": inside}


def test_real_shipped_models_load() -> None:
    for name, folder in shipped_models().items():
        model = load_model(name)
        assert model.name == name
        assert model.spec == read_spec(folder)
        assert (folder / "README.md").is_file()


def test_unknown_version(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "tiny")
    raw = json.loads((folder / "model.json").read_text())
    raw["version"] = 99
    (folder / "model.json").write_text(json.dumps(raw))
    with pytest.raises(SpecError, match=r"model\.json: model spec version 99 is unknown"):
        load_model(folder)
    onnx.save(tiny_graph(tiny_spec(), json.dumps(raw)), folder / "predict.onnx")
    with pytest.raises(SpecError, match=r"predict\.onnx.*version 99 is unknown"):
        load_model(folder / "predict.onnx")


def test_model_json_differs_from_metadata(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "tiny")
    (folder / "model.json").write_text(tiny_spec(assembly="other").to_json())
    with pytest.raises(
        SpecError, match=r"differs from the spec inside predict\.onnx at 'assembly'"
    ):
        load_model(folder)


def test_metrics_may_hold_nan(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "tiny", tiny_spec(metrics={"auprc": float("nan")}))
    assert load_model(folder).name == "tiny"


def write(tmp_path: Path, model: onnx.ModelProto) -> Path:
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    return path


def test_input_names_differ(tmp_path: Path) -> None:
    inputs = (InputSpec("sequence", "bases"), tiny_spec().inputs[1])
    path = write(tmp_path, tiny_graph(tiny_spec(inputs=inputs)))
    with pytest.raises(SpecError, match=r"takes inputs \['dna', 'atac'\].*\['bases', 'atac'\]"):
        load_model(path)


def test_input_channels_differ(tmp_path: Path) -> None:
    spec = tiny_spec()
    vplot = dataclasses.replace(spec.inputs[1], length_edges=(1, 100, 200))
    path = write(tmp_path, tiny_graph(tiny_spec(inputs=(spec.inputs[0], vplot))))
    with pytest.raises(SpecError, match=r"refuses what its spec describes .*atac \(1, 2, 40\)"):
        load_model(path)


def test_outputs_differ(tmp_path: Path) -> None:
    path = write(tmp_path, tiny_graph(tiny_spec(heads=tiny_spec().heads[:1])))
    with pytest.raises(SpecError, match=r"logits of shape \(1, 5, 3\).*\(1, 3, 3\)"):
        load_model(path)


def test_stride_differs(tmp_path: Path) -> None:
    path = write(tmp_path, tiny_graph(tiny_spec(stride=100)))
    with pytest.raises(SpecError, match=r"500 bp gave logits of shape \(1, 5, 5\)"):
        load_model(path)


def test_no_logits(tmp_path: Path) -> None:
    model = tiny_graph(tiny_spec())
    del model.graph.output[0]
    with pytest.raises(SpecError, match="no output 'logits'"):
        load_model(write(tmp_path, model))


def test_no_metadata(tmp_path: Path) -> None:
    model = tiny_graph(tiny_spec())
    del model.metadata_props[:]
    with pytest.raises(SpecError, match="metadata hold no 'chromputer_model_spec'"):
        load_model(write(tmp_path, model))


@pytest.mark.parametrize("content", [b"", b"not a protobuf", None])
def test_corrupt_file(tmp_path: Path, content: bytes | None, capfd: pytest.CaptureFixture) -> None:
    path = write(tmp_path, tiny_graph(tiny_spec()))
    path.write_bytes(path.read_bytes()[:3000] if content is None else content)
    with pytest.raises(SpecError, match=r"m\.onnx: not a readable ONNX model"):
        load_model(path)
    assert capfd.readouterr().err == ""


def test_folder_without_graph(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no predict\.onnx in this folder"):
        load_model(tmp_path)


def test_folder_without_spec(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "tiny")
    (folder / "model.json").unlink()
    with pytest.raises(SpecError, match=r"model\.json: cannot be read \(No such file"):
        load_model(folder)


# Which ONNX Runtime provider really runs.


HAS_GPU = Path("/proc/driver/nvidia/version").exists()
no_gpu = pytest.mark.skipif(HAS_GPU, reason="this machine has an NVIDIA GPU")


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "tiny") / "predict.onnx"


def inputs(n: int = 1) -> dict[str, np.ndarray]:
    return {
        "dna": np.ones((n, 4, WINDOW), np.float32),
        "atac": np.ones((n, len(EDGES) - 1, WINDOW // 10), np.float32),
    }


def test_probe_model_is_a_convolution() -> None:
    model = onnx.load_from_string(module._PROBE)
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Conv"]
    assert base64.b64encode(module._PROBE).startswith(b"CAgSADpk")


def test_cpu_works() -> None:
    assert probe("cpu") is None


@no_gpu
def test_gpu_providers_do_not_work_here(capfd: pytest.CaptureFixture) -> None:
    assert probe("cuda") is not None
    assert probe("tensorrt") is not None
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


@no_gpu
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_gpu_is_refused_not_replaced(
    graph: Path, provider: module.ProviderChoice, capfd: pytest.CaptureFixture
) -> None:
    with pytest.raises(
        ProviderError, match=rf"--provider {provider} cannot be used.*--provider cpu"
    ):
        open_session(graph, provider)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


@no_gpu
def test_auto_takes_the_cpu_and_says_why(graph: Path) -> None:
    session = open_session(graph)
    assert session.provider == "cpu"
    assert session.reason.startswith("no usable GPU: ")
    assert session.threads == available_cpus()
    assert session.run(inputs(2)).shape == (2, 5, 1)


def test_wrong_shape_names_model_and_shapes(graph: Path) -> None:
    bad = inputs() | {"dna": np.ones((1, 3, WINDOW), np.float32)}
    with pytest.raises(ProviderError, match=r"predict\.onnx.*cpu with dna \(1, 3, 300\)"):
        open_session(graph, "cpu").run(bad)


def test_bad_choices(graph: Path) -> None:
    with pytest.raises(InputError, match="'rocm' is not one of auto, cpu, cuda, tensorrt"):
        open_session(graph, "rocm")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="threads 0 must be at least 1"):
        open_session(graph, "cpu", 0)


def test_both_wheels_are_an_error_unless_cpu(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.0")
    assert "both installed" in str(module.wheel_conflict())
    with pytest.raises(ProviderError, match="pip uninstall onnxruntime onnxruntime-gpu"):
        open_session(graph, "auto")
    assert open_session(graph, "cpu").provider == "cpu"


REMEDY = (
    "For the GPU, run once: python -m pip uninstall -y onnxruntime onnxruntime-gpu && "
    "python -m pip install 'onnxruntime-gpu[cuda,cudnn]'"
)


@no_gpu
def test_a_gpu_that_is_not_used_is_told_with_the_command(
    graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine with NVIDIA's driver, whose runtime is the one for the CPU."""
    unused = open_session(graph)
    assert module.idle_gpu(unused.provider, unused.reason) is None
    monkeypatch.setattr(module, "has_driver", lambda: True)
    monkeypatch.setattr(module.ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(module, "installed_wheels", lambda: {"onnxruntime": "1.32.0"})
    session = open_session(graph)
    told = module.idle_gpu(session.provider, session.reason)
    assert told is not None
    assert REMEDY in told
    assert "has an NVIDIA driver, but the CPU is used" in told
    assert "(the installed onnxruntime has no CUDAExecutionProvider)" in told
    with pytest.raises(ProviderError) as caught:
        open_session(graph, "cuda")
    assert "pip install 'onnxruntime-gpu[cuda,cudnn]'" in str(caught.value)
    assert "install the NVIDIA driver" not in str(caught.value)
    # Who asks for the CPU hears nothing.
    asked = open_session(graph, "cpu")
    assert module.idle_gpu(asked.provider, asked.reason) is None
    assert module.idle_gpu("cuda", "a GPU works") is None


def test_the_remedy_names_what_the_project_asks_for() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert [item for item in project["dependencies"] if "onnxruntime" in item] == [
        "onnxruntime>=1.24"
    ]
    for name in module.WHEELS:
        assert name in module.FOR_GPU


def test_one_wheel_is_no_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "onnxruntime":
            return "1.0"
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert module.installed_wheels() == {"onnxruntime": "1.0"}
    assert module.wheel_conflict() is None


def test_cpus_follow_affinity_and_quota(tmp_path: Path) -> None:
    assert 1 <= available_cpus() <= len(os.sched_getaffinity(0))
    assert module._cgroup_quota(tmp_path) is None
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert module._cgroup_quota(tmp_path) is None
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("150000\n")
    assert module._cgroup_quota(tmp_path) == 1.5
    (tmp_path / "cpu.max").write_text("400000 100000\n")
    assert module._cgroup_quota(tmp_path) == 4
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert module._cgroup_quota(tmp_path) is None


def test_values_of_continuous_heads_against_float64() -> None:
    """exp of the calibrated logit, or expm1 of it but at least 0; beside a sigmoid."""
    heads = (
        HeadSpec("continuous", "a", (Label("x", "x", (0, 0, 0), 0.5, 0.25),), "log"),
        HeadSpec("binary", "b", (Label("y", "y", (0, 0, 0), 2.0, -1.0),)),
        HeadSpec("continuous", "c", (Label("z", "z", (0, 0, 0), 1.5, 0.1),), "log1p"),
    )
    logits = np.random.default_rng(2).normal(0, 5, (2, 3, 40)).astype(np.float32)
    got = probabilities(logits, heads)
    assert got.dtype == np.float32
    z = logits.astype(float) * np.array([[0.5], [2], [1.5]]) + np.array([[0.25], [-1], [0.1]])
    np.testing.assert_allclose(got[:, 0], np.exp(z[:, 0]), rtol=1e-5)
    np.testing.assert_allclose(got[:, 1], 1 / (1 + np.exp(-z[:, 1])), atol=1e-6)
    np.testing.assert_allclose(got[:, 2], np.maximum(np.expm1(z[:, 2]), 0), rtol=1e-5, atol=1e-6)
    assert (got[:, 2] == 0).any()
    # What is too large for a float32 is infinite, which the tracks refuse, and no warning.
    assert probabilities(np.full((3, 1), 1e3, np.float32), heads)[:, 0].tolist() == [
        np.inf,
        1,
        np.inf,
    ]


def test_probabilities_against_float64() -> None:
    spec = tiny_spec()
    logits = np.random.default_rng(1).normal(0, 300, (2, 5, 7)).astype(np.float32)
    logits[0, :, 0] = [1e4, -1e4, 0, -1e5, 1e5]
    got = probabilities(logits, spec.heads)
    assert got.dtype == np.float32
    labels = [label for head in spec.heads for label in head.labels]
    z = np.stack([logits[:, i] * b.scale + b.bias for i, b in enumerate(labels)], 1, dtype=float)
    exp = np.exp(z[:, :3] - z[:, :3].max(1, keepdims=True))
    np.testing.assert_allclose(got[:, :3], exp / exp.sum(1, keepdims=True), atol=1e-6)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(got[:, 3:], 1 / (1 + np.exp(-z[:, 3:])), atol=1e-6)
    np.testing.assert_allclose(got[:, :3].sum(1), 1, atol=1e-6)
    one = probabilities(logits[0], spec.heads)
    np.testing.assert_array_equal(one, got[0])


def test_the_logger_is_quiet_until_all_threads_have_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    severity = [2]
    seen: list[int] = []

    def opens(source: bytes, *_: object, **options: object) -> None:
        time.sleep(0.02 * len(source))
        seen.append(severity[0])

    monkeypatch.setattr(module.ort, "InferenceSession", opens)
    monkeypatch.setattr(
        module.ort, "set_default_logger_severity", lambda value: severity.__setitem__(0, value)
    )
    with ThreadPoolExecutor(2) as pool:
        for size in (1, 4):
            pool.submit(module._create, b"x" * size, [], module.ort.SessionOptions())
    assert seen == [4, 4]
    assert severity == [2]


@pytest.mark.parametrize("place", ["../secret", "secret", "/etc/passwd"])
def test_a_graph_cannot_read_other_files(tmp_path, monkeypatch, place):
    """Initializers of a stranger's graph may be said to lie in a file of this machine."""
    folder = write_tiny_model(tmp_path / "model")
    model = onnx.load(str(folder / "predict.onnx"))
    weights = next(item for item in model.graph.initializer if item.data_type == 1)
    data = numpy_helper.to_array(weights).tobytes()
    for path in (tmp_path / "secret", folder / "secret"):
        path.write_bytes(data)
    for field in ("raw_data", "float_data"):
        weights.ClearField(field)
    weights.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", place), ("offset", "0"), ("length", str(len(data)))):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    (folder / "predict.onnx").write_bytes(model.SerializeToString())
    monkeypatch.chdir(folder)
    with pytest.raises(SpecError, match=r"predict\.onnx"):
        load_model(folder)


def test_a_graph_that_cannot_be_read(tmp_path, monkeypatch):
    folder = write_tiny_model(tmp_path / "model")

    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    # Permissions do not bind root, so the answer is simulated.
    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(SpecError, match=r"predict\.onnx: not a readable ONNX model.*denied"):
        load_model(folder)
    with pytest.raises(ProviderError, match=r"predict\.onnx: cannot be loaded on cpu: .*denied"):
        open_session(folder / "predict.onnx", "cpu", 1)

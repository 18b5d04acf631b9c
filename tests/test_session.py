import base64
import importlib.metadata
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from tiny_models import EDGES, WINDOW, tiny_spec, write_tiny_model

from chromputer_tracks.data.features import probabilities
from chromputer_tracks.errors import InputError, ProviderError
from chromputer_tracks.inference import session as module
from chromputer_tracks.inference.session import available_cpus, open_session, probe
from chromputer_tracks.spec import HeadSpec, Label

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

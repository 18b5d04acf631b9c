"""The trained network as a model folder, refused unless ONNX Runtime reproduces PyTorch."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from chromputer_tracks.errors import DependencyError, ExportError
from chromputer_tracks.io.atomic import atomic_path
from chromputer_tracks.spec import METADATA_KEY, PREDICT, ModelSpec

OPSET = 18
TOLERANCE = 1e-4
"""Largest difference between ONNX Runtime and PyTorch, relative to 1 + |logit|."""


def export_network(network: nn.Module, spec: ModelSpec, folder: Path) -> float:
    """Write ``predict.onnx`` and ``model.json`` into a model folder.

    The graph is checked against the network before it gets its name: windows of several lengths
    in batches of several sizes, with real-looking random inputs.

    Args:
        network: trained; moved to the CPU and put into evaluation mode.
        spec: describes it.
        folder: exists.

    Returns:
        The largest difference found, relative to 1 + |logit|.

    Raises:
        ExportError: the graph does not reproduce the network; nothing is written.
        DependencyError: onnx or onnxscript is missing.
    """
    try:
        import onnx
    except ImportError as error:
        raise DependencyError(
            "the export needs onnx: pip install 'chromputer-tracks[train]'"
        ) from error
    network = network.cpu().eval()
    with atomic_path(folder / PREDICT) as path, atomic_path(folder / "model.json") as text:
        _trace(network, spec, path)
        model = onnx.load(path)
        strip_traces(model.graph)
        _name_dimensions(model, spec)
        onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
        onnx.checker.check_model(model)
        onnx.save(model, path)
        difference = check_parity(network, spec, path)
        text.write_text(spec.to_json() + "\n")
    return difference


def random_inputs(spec: ModelSpec, batch: int, outputs: int, seed: int) -> list[Tensor]:
    """Inputs in graph order: random bases with some N, sparse random V-plots."""
    rng = np.random.default_rng(seed)
    length = spec.window + (outputs - 1) * spec.stride
    inputs = []
    for item in spec.inputs:
        if item.kind == "sequence":
            codes = rng.integers(0, 5, size=(batch, length))
            array = (codes[:, None] == np.arange(4)[:, None]).astype(np.float32)
        else:
            shape = (batch, item.channels, length // item.bin)
            array = np.log1p(rng.poisson(0.03, size=shape)).astype(np.float32)
        inputs.append(torch.from_numpy(array))
    return inputs


def check_parity(network: nn.Module, spec: ModelSpec, path: Path) -> float:
    """Compare an exported graph with the network.

    Returns:
        The largest difference of logits or embedding, relative to 1 + |value|.

    Raises:
        ExportError: the graph refuses an input, shapes differ, a value is not finite, or the
            difference is above :data:`TOLERANCE`.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for seed, (batch, outputs) in enumerate([(1, 1), (1, 2), (3, 1), (2, 7), (1, 65), (4, 32)]):
        inputs = random_inputs(spec, batch, outputs, seed)
        with torch.no_grad():
            expected = network(*inputs)
        feed = {item.name: x.numpy() for item, x in zip(spec.inputs, inputs, strict=True)}
        try:
            found = session.run(["logits", "embedding"], feed)
        except Exception as error:  # ONNX Runtime's errors have no common base of their own
            raise ExportError(
                f"{spec.name}: the exported graph refuses a batch of {batch} with {outputs} "
                f"outputs: {error}"
            ) from error
        if found[0].shape != (batch, spec.outputs, outputs):
            raise ExportError(
                f"{spec.name}: {batch} x {outputs} outputs gave logits of shape {found[0].shape}, "
                f"not {(batch, spec.outputs, outputs)}"
            )
        for ours, torchs in zip(found, expected, strict=True):
            reference = torchs.numpy()
            if not (np.isfinite(ours).all() and np.isfinite(reference).all()):
                raise ExportError(
                    f"{spec.name}: the network gives values that are not finite; was its training "
                    f"stable? Lower fit.learning_rate"
                )
            worst = max(worst, float((abs(ours - reference) / (1 + abs(reference))).max()))
    if not worst <= TOLERANCE:
        raise ExportError(
            f"{spec.name}: the exported graph differs from the network by {worst:.2g} "
            f"(limit {TOLERANCE:g}); nothing was written"
        )
    return worst


def _trace(network: nn.Module, spec: ModelSpec, path: Path) -> None:
    dynamic = torch.export.Dim.DYNAMIC
    example = tuple(random_inputs(spec, 2, 4, 0))
    with quiet_exporter():
        program = torch.onnx.export(
            network,
            example,
            dynamo=True,
            input_names=[item.name for item in spec.inputs],
            output_names=["logits", "embedding"],
            dynamic_shapes=(tuple({0: dynamic, 2: dynamic} for _ in example),),
            opset_version=OPSET,
            external_data=False,
        )
        if program is None:
            raise ExportError(f"{spec.name}: PyTorch's exporter gave no graph")
        program.save(str(path))


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """The exporter prints its steps, and warns of its own deprecated calls."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def strip_traces(graph: Any) -> None:
    """Remove what the exporter notes of each node: stack traces with paths of this machine."""
    for item in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del item.metadata_props[:]
        item.ClearField("doc_string")


def _name_dimensions(model: object, spec: ModelSpec) -> None:
    """Give the dynamic dimensions names that a reader understands."""
    graph = model.graph  # type: ignore[attr-defined]
    lengths = {item.name: f"length/{item.bin}" for item in spec.inputs}
    for value in [*graph.input, *graph.output]:
        dimensions = value.type.tensor_type.shape.dim
        dimensions[0].dim_param = "batch"
        dimensions[2].dim_param = lengths.get(value.name, "outputs")
    del graph.value_info[:]

"""The trained network as a model folder, refused unless ONNX Runtime reproduces PyTorch."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from chromputer_tracks.errors import DependencyError, ExportError
from chromputer_tracks.io.atomic import atomic_path
from chromputer_tracks.model.deeplift import Explain, Linear, Scale
from chromputer_tracks.model.network import Chromputer
from chromputer_tracks.spec import (
    DEEPLIFT,
    EXPLAIN,
    METADATA_KEY,
    PREDICT,
    WEIGHTS,
    ModelSpec,
    layer_name,
    reference_name,
)

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
    onnx = _onnx()
    network = network.cpu().eval()
    example, dynamic = tuple(random_inputs(spec, 2, 4, 0)), torch.export.Dim.DYNAMIC
    shapes = (tuple({0: dynamic, 2: dynamic} for _ in example),)
    names = [item.name for item in spec.inputs], ["logits", "embedding"]
    with atomic_path(folder / PREDICT) as path, atomic_path(folder / "model.json") as text:
        _program(network, example, names, shapes, spec, path)
        model = onnx.load(path)
        strip_traces(model.graph)
        _name_dimensions(model, spec)
        _save(model, spec, path)
        difference = check_parity(network, spec, path)
        text.write_text(spec.to_json() + "\n")
    return difference


def export_spec(graphs: Path, spec: ModelSpec, folder: Path) -> None:
    """Write the graphs of a model folder with another spec, and ``model.json``; weights stay.

    Args:
        graphs: the model folder that is read; its ``explain.onnx`` may be missing.
        spec: describes the same graphs.
        folder: the model folder that is written; exists.

    Raises:
        OutputError: it cannot be written.
        DependencyError: onnx is missing.
    """
    onnx = _onnx()
    for name in (EXPLAIN, PREDICT):
        if (graphs / name).exists():
            model = onnx.load(graphs / name)
            with atomic_path(folder / name) as path:
                _save(model, spec, path)
    with atomic_path(folder / "model.json") as path:
        path.write_text(spec.to_json() + "\n")


def _onnx() -> Any:
    """The package, which has no type stubs."""
    try:
        import onnx
    except ImportError as error:
        raise DependencyError(
            "the export needs onnx: pip install 'chromputer-tracks[train]'"
        ) from error
    return onnx


def _save(model: Any, spec: ModelSpec, path: Path) -> None:
    """Write a graph that holds its spec."""
    onnx = _onnx()
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.checker.check_model(model)
    onnx.save(model, path)


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
        refused = f"exported graph refuses a batch of {batch} with {outputs} outputs"
        found = _run(session, ["logits", "embedding"], feed, f"{spec.name}: the {refused}")
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
    return _tolerable(worst, f"{spec.name}: the exported graph")


def _run(session: Any, names: list[str], feed: dict[str, Any], refused: str) -> list[Any]:
    try:
        found: list[Any] = session.run(names, feed)
    except Exception as error:  # ONNX Runtime's errors have no common base of their own
        raise ExportError(f"{refused}: {error}") from error
    return found


def _tolerable(worst: float, what: str) -> float:
    """The largest difference, if it is small enough; not a number is not."""
    if not worst <= TOLERANCE:
        raise ExportError(
            f"{what} differs from the network by {worst:.2g} (limit {TOLERANCE:g}); nothing was "
            f"written"
        )
    return worst


def _program(
    module: nn.Module,
    example: tuple[Any, ...],
    names: tuple[list[str], list[str]],
    shapes: tuple[Any, ...],
    spec: ModelSpec,
    path: Path,
) -> None:
    """Write the graph of a module with these inputs and outputs and these dynamic dimensions."""
    with quiet_exporter():
        program = torch.onnx.export(
            module,
            example,
            dynamo=True,
            input_names=names[0],
            output_names=names[1],
            dynamic_shapes=shapes,
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


def _name_dimensions(model: Any, spec: ModelSpec) -> None:
    """Give the dynamic dimensions names that a reader understands."""
    graph = model.graph
    lengths = {item.name: f"length/{item.bin}" for item in spec.inputs}
    for value in [*graph.input, *graph.output]:
        dimensions = value.type.tensor_type.shape.dim
        dimensions[0].dim_param = "batch"
        dimensions[2].dim_param = lengths.get(value.name, "outputs")
    del graph.value_info[:]


# ---- ``explain.onnx``: the explaining network as one graph for both methods, checked at once. Its
# ``If`` has the DeepLIFT and the gradient network as branches, which share the weights. Beside what
# ``Explain`` returns it gives the weights of the first layers, so that filters can be shown without
# PyTorch.

_MANY = 1000


def export_explain(network: nn.Module, spec: ModelSpec, folder: Path) -> float:
    """Write ``explain.onnx`` into a model folder.

    Args:
        network: trained, a :class:`Chromputer`; moved to the CPU and put into evaluation mode.
        spec: describes it.
        folder: exists.

    Returns:
        The largest difference between ONNX Runtime and PyTorch, relative to 1 + |value|.

    Raises:
        ExportError: the graph does not reproduce the network, or its contributions do not add up;
            nothing is written.
        DependencyError: onnx or onnxscript is missing.
    """
    _onnx()
    if not isinstance(network, Chromputer):
        raise TypeError(type(network).__name__)
    explain = Explain(network.cpu().eval(), spec.inputs).eval()
    with atomic_path(folder / EXPLAIN) as path:
        graphs = [
            _trace_explain(explain, spec, path, deeplift=deeplift) for deeplift in (True, False)
        ]
        model = _combined(graphs, explain, spec)
        _save(model, spec, path)
        return _check(explain, spec, path)


def _trace_explain(explain: Explain, spec: ModelSpec, path: Path, *, deeplift: bool) -> Any:
    """The exported graph of one method."""
    dynamic = torch.export.Dim.DYNAMIC
    windows, references, weights = _example(spec, 3, 2, 0)
    batch = {0: dynamic}
    per = [{0: dynamic, 1: dynamic} if x.dim() == 4 else None for x in references]
    names = _input_names(spec, deeplift=deeplift), explain.output_names
    shapes = ([batch for _ in windows], per if deeplift else None, batch)
    example = (windows, references if deeplift else None, weights)
    _program(explain, example, names, shapes, spec, path)
    model = _onnx().load(path)
    if model.functions:
        raise ExportError(f"{spec.name}: PyTorch's exporter left functions in the graph")
    strip_traces(model.graph)
    return model.graph


def _input_names(spec: ModelSpec, *, deeplift: bool) -> list[str]:
    names = [item.name for item in spec.inputs]
    references = [reference_name(name) for name in names] if deeplift else []
    return [*names, *references, WEIGHTS]


def _example(
    spec: ModelSpec, batch: int, per: int, seed: int
) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Random windows, references and weights."""
    windows = random_inputs(spec, batch, 1, seed)
    others = random_inputs(spec, batch * per, 1, seed + 1)
    references = [
        other.reshape(batch, per, *other.shape[1:]) if item.kind == "sequence" else other[:1]
        for item, other in zip(spec.inputs, others, strict=True)
    ]
    generator = torch.Generator().manual_seed(seed)
    return windows, references, torch.randn(batch, spec.outputs, generator=generator)


def _combined(graphs: Sequence[Any], explain: Explain, spec: ModelSpec) -> Any:
    """One model of both graphs: the flag, the shared weights, and the branches."""
    from onnx import TensorProto, helper, numpy_helper

    shapes = _output_shapes(explain, spec)
    shared: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    initialisers, branches = [], []
    for method, graph in zip(("deeplift", "gradient"), graphs, strict=True):
        renamed = {}
        for tensor in graph.initializer:
            key = (tensor.data_type, tuple(tensor.dims), numpy_helper.to_array(tensor).tobytes())
            if key not in shared:
                shared[key] = f"constant.{len(shared)}"
                kept = numpy_helper.from_array(numpy_helper.to_array(tensor), shared[key])
                initialisers.append(kept)
            renamed[tensor.name] = shared[key]
        outer = {value.name for value in graph.input}
        outputs = [value.name for value in graph.output]
        for node in graph.node:
            node.name = f"{method}.{node.name}"
            for names in (node.input, node.output):
                names[:] = [
                    renamed.get(name, name if name in outer or not name else f"{method}.{name}")
                    for name in names
                ]
        made = [_value(f"{method}.{name}", shapes[name]) for name in outputs]
        branches.append(helper.make_graph(list(graph.node), method, [], made))
    names = explain.output_names
    node = helper.make_node(
        "If", [DEEPLIFT], names, name="method", then_branch=branches[0], else_branch=branches[1]
    )
    nodes, layers = [node], _first_layers(explain, spec)
    for name, values in layers.items():
        initialisers.append(numpy_helper.from_array(values, f"{name}.values"))
        nodes.append(helper.make_node("Identity", [f"{name}.values"], [name], name=name))
    flag = helper.make_tensor_value_info(DEEPLIFT, TensorProto.BOOL, [])
    made = [_value(name, shapes[name]) for name in names]
    made += [_value(name, list(values.shape)) for name, values in layers.items()]
    graph = helper.make_graph(nodes, "explain", [*_inputs(spec), flag], made, initialisers)
    # The IR version that the opset's own release had: later ones are refused by older runtimes.
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def _value(name: str, shape: Sequence[str | int | None]) -> Any:
    """What the graph says of a float32 input or output."""
    onnx = _onnx()
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def _inputs(spec: ModelSpec) -> list[Any]:
    values = []
    for item in spec.inputs:
        shape = [item.channels, spec.window // item.bin]
        per = ["batch", "references"] if item.kind == "sequence" else [1]
        values.append(_value(item.name, ["batch", *shape]))
        values.append(_value(reference_name(item.name), [*per, *shape]))
    return [*values, _value(WEIGHTS, ["batch", spec.outputs])]


def _output_shapes(explain: Explain, spec: ModelSpec) -> dict[str, list[str | int | None]]:
    """Dimensions of the outputs by name."""
    with torch.no_grad():
        made = explain(*_example(spec, 2, 1, 0))
    return {
        name: ["batch", *x.shape[1:]] for name, x in zip(explain.output_names, made, strict=True)
    }


def _first_layers(explain: Explain, spec: ModelSpec) -> dict[str, NDArray[np.float32]]:
    """Output name to the weights of each input's first layer, with batch norms folded in."""
    layers = {}
    for item, trunk in zip(spec.inputs, explain.trunks, strict=True):
        rules = trunk.rules[0].rules  # type: ignore[index, union-attr]
        linear = next(rule for rule in rules if isinstance(rule, Linear))
        weight, bias = linear.weight, linear.bias
        factor, offset = torch.ones(len(weight)), torch.zeros(len(weight))
        for scale in rules:
            if isinstance(scale, Scale):
                # The other half are the same filters on the other strand.
                weight, bias = weight[: len(weight) // 2], bias[: len(bias) // 2]
                factor, offset = scale.factor[:, 0], scale.offset[:, 0]
        parts = {
            "weight": weight.squeeze(1) if item.kind != "sequence" else weight,
            "bias": bias,
            "scale": factor,
            "shift": offset,
        }
        for part, values in parts.items():
            layers[layer_name(item.name, part)] = values.numpy()
    return layers


def _check(explain: Explain, spec: ModelSpec, path: Path) -> float:
    """Compare the graph with the network that it came from, for both methods."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for seed, (batch, per) in enumerate([(1, 1), (1, 3), (4, 1), (2, 5)]):
        windows, references, weights = _example(spec, batch, per, seed)
        values = [x.numpy() for x in (*windows, *references, weights)]
        feed = dict(zip(_input_names(spec, deeplift=True), values, strict=True))
        for deeplift in (True, False):
            with torch.no_grad():
                expected = explain(windows, references if deeplift else None, weights)
            names = explain.output_names
            refused = f"explaining graph refuses {batch} windows with {per} references"
            feed[DEEPLIFT] = np.array(deeplift)
            found = _run(session, names, feed, f"{spec.name}: the {refused}")
            for name, ours, torchs in zip(names, found, expected, strict=True):
                reference = torchs.numpy()
                if ours.shape != reference.shape or not np.isfinite(reference).all():
                    raise ExportError(
                        f"{spec.name}: the explaining graph's {name} has shape {ours.shape} and "
                        f"not {reference.shape}, or values that are not finite"
                    )
                worst = max(worst, _difference(ours, reference))
    return _tolerable(worst, f"{spec.name}: the explaining graph")


def _difference(ours: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """The largest relative difference, of large arrays but for one value in a thousand.

    Where two places have the same maximum up to the last bit, that bit decides which of them gets
    the contribution, and it may differ between ONNX Runtime and PyTorch.
    """
    differences = abs(ours - reference) / (1 + abs(reference))
    if differences.size < _MANY:
        return float(differences.max())
    return float(np.quantile(differences, 1 - 1 / _MANY))

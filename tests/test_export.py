"""Export: ONNX Runtime gives what PyTorch gives, or nothing is written."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from network_inputs import ATAC, CUTS, DNA_AND_SHAPE, MNASE, SHAPE, VALUES, shape_table
from torch import nn

from chromputer_tracks.errors import ExportError
from chromputer_tracks.inference.graph import read_graph
from chromputer_tracks.inference.session import load_model
from chromputer_tracks.model import export
from chromputer_tracks.model.config import NetworkConfig
from chromputer_tracks.model.export import TOLERANCE, check_parity, export_network, random_inputs
from chromputer_tracks.model.network import Chromputer
from chromputer_tracks.spec import (
    METADATA_KEY,
    HeadSpec,
    InputSpec,
    Label,
    ModelSpec,
    Normalisation,
)

EDGES = (20, 100, 180, 300, 500)
CONFIG = NetworkConfig(
    window=1000,
    stride=50,
    motif_filters=4,
    motif_width=11,
    motif_context=11,
    sequence_channels=4,
    local_extent=150,
    local_hidden=3,
    vplot_channels=(2, 3),
    signal_channels=(2, 3),
    context_channels=5,
    dilations=(1,),
    hidden=6,
)
SEQUENCE = InputSpec("sequence", "sequence")
VPLOT = InputSpec("vplot", "vplot", 10, EDGES, Normalisation((25.0,)), "atac")
ONE_CLASS = InputSpec("vplot", "short", 10, (20, 120), Normalisation((25.0,)), "atac")


ALL = (CUTS, ATAC, DNA_AND_SHAPE, MNASE, VALUES)


def make_spec(
    *inputs: InputSpec, states: int = 2, binary: int = 2, continuous: int = 0
) -> ModelSpec:
    def labels(prefix: str, count: int) -> tuple[Label, ...]:
        return tuple(Label(f"{prefix}{k}", f"label {k}", (k, 0, 0)) for k in range(count))

    heads = ()
    if states:
        heads += (HeadSpec("states", "states", labels("S", states)),)
    if binary:
        heads += (HeadSpec("binary", "binary", labels("B", binary)),)
    if continuous:
        heads += (HeadSpec("continuous", "signal", labels("C", continuous), "log"),)
    return ModelSpec(
        name="toy",
        window=CONFIG.window,
        stride=CONFIG.stride,
        label_bin=200,
        inputs=inputs or (SEQUENCE, VPLOT),
        heads=heads,
        assembly="toy1",
        sizes_digest="0" * 64,
        splits={"train": ("a",), "validation": ("b",), "test": ("c",)},
        metrics={"states": {"accuracy": [0.5, float("nan"), 0.7]}},
    )


def make_network(spec: ModelSpec) -> Chromputer:
    torch.manual_seed(0)
    sizes = {head.kind: len(head.labels) for head in spec.heads}
    counts = [sizes.get(kind, 0) for kind in ("states", "binary", "continuous")]
    network = Chromputer(spec.inputs, *counts, CONFIG, shape_table())
    with torch.no_grad():
        for seed in range(2):
            network(*random_inputs(spec, 4, 5, seed))  # statistics for the batch norms
    return network


def feed_of(spec: ModelSpec, inputs: list[torch.Tensor]) -> dict[str, np.ndarray]:
    return {item.name: x.numpy() for item, x in zip(spec.inputs, inputs, strict=True)}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    spec = make_spec(*ALL, continuous=1)
    network = make_network(spec).train()
    return folder, spec, network, export_network(network, spec, folder)


def test_parity_is_below_the_tolerance(exported):
    _, _, network, difference = exported
    assert 0 < difference < TOLERANCE
    assert not network.training


def test_the_graph_gives_what_the_network_gives(exported):
    folder, spec, network, _ = exported
    session = onnxruntime.InferenceSession(
        folder / "predict.onnx", providers=["CPUExecutionProvider"]
    )
    for batch, outputs in ((1, 1), (2, 40), (5, 3)):
        inputs = random_inputs(spec, batch, outputs, seed=77)
        feed = feed_of(spec, inputs)
        with torch.no_grad():
            expected = network(*inputs)
        found = session.run(["logits", "embedding"], feed)
        assert found[0].shape == (batch, 5, outputs)
        assert found[1].shape == (batch, CONFIG.hidden, outputs)
        for ours, reference in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, reference.numpy(), rtol=1e-4, atol=1e-4)


def test_the_folder_holds_spec_and_graph(exported):
    folder, spec, _, _ = exported
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "predict.onnx"]
    text = (folder / "model.json").read_text()
    assert text == spec.to_json() + "\n"
    graph = onnx.load(folder / "predict.onnx")
    assert {p.key: p.value for p in graph.metadata_props}[METADATA_KEY] == spec.to_json()
    assert load_model(folder).spec.to_json() == spec.to_json()
    assert load_model(folder / "predict.onnx").spec.to_json() == spec.to_json()


def test_dimensions_are_named(exported):
    graph = onnx.load(exported[0] / "predict.onnx").graph

    def shape(value):
        return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]

    assert {value.name: shape(value) for value in graph.input} == {
        "cuts": ["batch", 1, "length/10"],
        "atac": ["batch", 7, "length/10"],
        "dna": ["batch", 4, "length/1"],
        "mnase": ["batch", 4, "length/10"],
        "h3": ["batch", 1, "length/10"],
    }
    assert [value.name for value in graph.input] == [item.name for item in ALL]
    assert {value.name: shape(value) for value in graph.output} == {
        "logits": ["batch", 5, "outputs"],
        "embedding": ["batch", CONFIG.hidden, "outputs"],
    }


def check_sliding(path: Path, spec: ModelSpec) -> None:
    """The graph over a stretch against the graph one window at a time."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    arrays = feed_of(spec, random_inputs(spec, 2, 6, seed=31))
    (sliding,) = session.run(["logits"], arrays)
    assert sliding.shape == (2, spec.outputs, 6)
    assert sliding.std(axis=2).min() > 1e-5
    for index in range(6):
        start, end = index * spec.stride, index * spec.stride + spec.window
        window = {
            item.name: arrays[item.name][:1, :, start // item.bin : end // item.bin]
            for item in spec.inputs
        }
        (one,) = session.run(["logits"], window)
        np.testing.assert_allclose(one[0, :, 0], sliding[0, :, index], rtol=1e-5, atol=1e-5)


def test_the_graph_slides(exported):
    folder, spec, _, _ = exported
    check_sliding(folder / "predict.onnx", spec)


@pytest.mark.parametrize(
    ("inputs", "sizes"),
    [((SHAPE,), (3, 2, 2)), ((ONE_CLASS,), (0, 0, 1))],
    ids=["shape, all heads", "V-plot of one class, continuous"],
)
def test_networks_of_one_input(tmp_path, inputs, sizes):
    states, binary, continuous = sizes
    spec = make_spec(*inputs, states=states, binary=binary, continuous=continuous)
    assert export_network(make_network(spec), spec, tmp_path) < TOLERANCE
    # Its operators are among those that a model may have.
    assert read_graph(tmp_path / "predict.onnx").metadata[METADATA_KEY] == spec.to_json()
    model = load_model(tmp_path)
    assert (model.spec.inputs, model.spec.heads) == (inputs, spec.heads)
    check_sliding(model.path, spec)


class Linear(nn.Module):
    """The least sliding network, quick to export; gives ``change`` more than its trace saw."""

    def __init__(self, outputs: int = 4, change: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv1d(len(EDGES) - 1, outputs, CONFIG.window // 10, CONFIG.stride // 10)
        self.change = change

    def forward(self, *inputs):
        embedding = self.layer(inputs[0])
        exporting = torch.compiler.is_exporting()
        return embedding if exporting else embedding + self.change, embedding


LINEAR = make_spec(VPLOT)


def test_the_least_network_passes(tmp_path):
    assert export_network(Linear(), LINEAR, tmp_path) < TOLERANCE


@pytest.mark.parametrize("change", [0.01, -0.001])
def test_a_graph_that_differs_is_refused(tmp_path, change):
    with pytest.raises(ExportError, match=r"toy: the exported graph differs from the network by"):
        export_network(Linear(change=change), LINEAR, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("in_graph", [True, False])
def test_values_that_are_not_finite_are_refused(tmp_path, value, in_graph):
    network = Linear(change=0.0 if in_graph else value)
    if in_graph:
        with torch.no_grad():
            network.layer.bias[0] = value
    with pytest.raises(ExportError, match="toy: the network gives values that are not finite"):
        export_network(network, LINEAR, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_export_keeps_the_model_that_stood_there(tmp_path):
    for name in ("predict.onnx", "model.json"):
        (tmp_path / name).write_text("earlier")
    with pytest.raises(ExportError):
        export_network(Linear(change=1.0), LINEAR, tmp_path)
    for name in ("predict.onnx", "model.json"):
        assert (tmp_path / name).read_text() == "earlier"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_spec_that_promises_other_outputs_is_refused(tmp_path):
    with pytest.raises(ExportError, match=r"logits of shape \(1, 5, 1\), not \(1, 4, 1\)"):
        export_network(Linear(outputs=5), LINEAR, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_altered_graph_is_found(exported, tmp_path):
    folder, spec, network, _ = exported
    model = onnx.load(folder / "predict.onnx")
    altered = 0
    for tensor in model.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.ndim == 3:
            tensor.CopyFrom(onnx.numpy_helper.from_array(array * np.float32(1.01), tensor.name))
            altered += 1
    assert altered
    onnx.save(model, tmp_path / "altered.onnx")
    with pytest.raises(ExportError, match="differs from the network"):
        check_parity(network, spec, tmp_path / "altered.onnx")


def test_a_graph_of_fixed_length_is_found(tmp_path):
    network = Linear()
    with export.quiet_exporter():
        torch.onnx.export(
            network,
            tuple(random_inputs(LINEAR, 1, 1, 0)),
            tmp_path / "fixed.onnx",
            dynamo=True,
            input_names=["vplot"],
            output_names=["logits", "embedding"],
            external_data=False,
        )
    with pytest.raises(ExportError, match="refuses a batch of 1 with 2 outputs"):
        check_parity(network, LINEAR, tmp_path / "fixed.onnx")


def test_random_inputs_are_like_real_ones():
    spec = make_spec()
    sequence, vplot = random_inputs(spec, 3, 4, seed=5)
    assert sequence.shape == (3, 4, 1150)
    assert vplot.shape == (3, len(EDGES) - 1, 115)
    assert sequence.dtype == vplot.dtype == torch.float32
    assert set(sequence.unique().tolist()) == {0.0, 1.0}
    letters = sequence.sum(1)
    assert set(letters.unique().tolist()) == {0.0, 1.0}  # some N
    assert 0 < (vplot > 0).float().mean() < 0.1  # sparse
    again = random_inputs(spec, 3, 4, seed=5)
    assert all(torch.equal(a, b) for a, b in zip((sequence, vplot), again, strict=True))

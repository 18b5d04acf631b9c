"""Export: ONNX Runtime gives what PyTorch gives, or nothing is written."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from chromputer_tracks.errors import ExportError
from chromputer_tracks.inference.registry import load_model
from chromputer_tracks.model import export
from chromputer_tracks.model.export import TOLERANCE, check_parity, export_network, random_inputs
from chromputer_tracks.model.network import Chromputer, NetworkConfig
from chromputer_tracks.spec import (
    METADATA_KEY,
    DepthNormalisation,
    HeadSpec,
    InputSpec,
    Label,
    ModelSpec,
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
    context_channels=5,
    dilations=(1,),
    hidden=6,
)
SEQUENCE = InputSpec("sequence", "sequence")
VPLOT = InputSpec("vplot", "vplot", 10, EDGES, DepthNormalisation(25.0))


def make_spec(*inputs: InputSpec, states: int = 2, binary: int = 2) -> ModelSpec:
    def labels(prefix: str, count: int) -> tuple[Label, ...]:
        return tuple(Label(f"{prefix}{k}", f"label {k}", (k, 0, 0)) for k in range(count))

    heads = ()
    if states:
        heads += (HeadSpec("states", "states", labels("S", states)),)
    if binary:
        heads += (HeadSpec("binary", "binary", labels("B", binary)),)
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


def make_network(spec: ModelSpec, states: int = 2, binary: int = 2) -> Chromputer:
    torch.manual_seed(0)
    kinds = {item.kind: item for item in spec.inputs}
    lengths = kinds["vplot"].channels if "vplot" in kinds else 0
    network = Chromputer("sequence" in kinds, lengths, states, binary, CONFIG)
    with torch.no_grad():
        for seed in range(2):
            network(*random_inputs(spec, 4, 5, seed))  # statistics for the batch norms
    return network


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    spec = make_spec()
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
        feed = {"sequence": inputs[0].numpy(), "vplot": inputs[1].numpy()}
        with torch.no_grad():
            expected = network(*inputs)
        found = session.run(["logits", "embedding"], feed)
        assert found[0].shape == (batch, 4, outputs)
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
        "sequence": ["batch", 4, "length/1"],
        "vplot": ["batch", len(EDGES) - 1, "length/10"],
    }
    assert {value.name: shape(value) for value in graph.output} == {
        "logits": ["batch", 4, "outputs"],
        "embedding": ["batch", CONFIG.hidden, "outputs"],
    }


@pytest.mark.parametrize(
    ("inputs", "states", "binary"), [((SEQUENCE,), 0, 1), ((VPLOT,), 3, 0)], ids=["DNA", "V-plot"]
)
def test_networks_with_one_input_and_one_head(tmp_path, inputs, states, binary):
    spec = make_spec(*inputs, states=states, binary=binary)
    assert export_network(make_network(spec, states, binary), spec, tmp_path) < TOLERANCE
    assert load_model(tmp_path).spec.outputs == states + binary


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
    with export._quiet_exporter():
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

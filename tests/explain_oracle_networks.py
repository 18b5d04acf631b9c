"""Networks to explain: random ones of every kind, and the shipped one out of its graph."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from network_inputs import (
    ATAC,
    CUTS,
    DNA,
    DNA_AND_SHAPE,
    MNASE,
    SHAPE,
    VALUES,
    random_arrays,
    shape_table,
)
from onnx import numpy_helper
from torch import Tensor, nn

from chromputer_tracks.model.config import NetworkConfig
from chromputer_tracks.model.network import Chromputer
from chromputer_tracks.spec import InputSpec, ModelSpec

SMALL = NetworkConfig(
    window=600,
    stride=50,
    motif_filters=5,
    motif_width=21,
    motif_context=11,
    sequence_channels=4,
    local_extent=150,
    local_hidden=4,
    vplot_channels=(3, 4),
    signal_channels=(3, 4),
    context_channels=6,
    dilations=(1, 2),
    hidden=7,
)
SHORT_CELLS = NetworkConfig(
    window=600,
    stride=30,
    motif_filters=5,
    motif_width=21,
    motif_context=7,
    sequence_channels=4,
    local_extent=150,
    vplot_channels=(3, 4),
    context_channels=6,
    dilations=(1, 2),
    hidden=7,
)
INPUTS = {
    "sequence": (DNA,),
    "V-plot": (ATAC,),
    "signal": (CUTS,),
    "sequence and V-plot": (DNA, ATAC),
    "V-plot first": (MNASE, DNA),
    "shape alone": (SHAPE, CUTS),
    "sequence, shape and V-plot": (DNA_AND_SHAPE, ATAC),
    "two V-plots and two signals": (CUTS, ATAC, DNA_AND_SHAPE, MNASE, VALUES),
}

STATES, BINARY, CONTINUOUS = 3, 2, 1
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


@dataclass(frozen=True, slots=True)
class Case:
    """Something to explain.

    Attributes:
        network: in evaluation mode.
        items: its inputs.
        windows: in graph order, float32 (n, channels, positions).
        references: of the sequence (n, r, 4, window), of others (1, channels, positions).
        weights: float32 (n, outputs).
    """

    network: Chromputer
    items: tuple[InputSpec, ...]
    windows: list[Tensor]
    references: list[Tensor]
    weights: Tensor

    def rows(self, rows: slice | list[int]) -> Case:
        """Some of the windows."""
        references = [r[rows] if r.dim() == 4 else r for r in self.references]
        return Case(
            self.network,
            self.items,
            [x[rows] for x in self.windows],
            references,
            self.weights[rows],
        )


def random_network(
    items: Sequence[InputSpec],
    states: int = STATES,
    binary: int = BINARY,
    continuous: int = CONTINUOUS,
    config: NetworkConfig = SMALL,
    seed: int = 0,
) -> Chromputer:
    """Half of its rectifiers open, about half of its batch norms with a negative scale."""
    torch.manual_seed(seed)
    network = Chromputer(items, states, binary, continuous, config, shape_table())
    norms = [layer for layer in network.modules() if isinstance(layer, NORMS)]
    for norm in norms:
        norm.weight.data.normal_()
        norm.bias.data.normal_(std=0.5)
        norm.momentum = 1.0
    with torch.no_grad():
        network(*random_arrays(items, 16, config.window + config.stride, seed))
    return network.eval()


def shuffled_references(windows: Tensor, count: int, seed: int) -> Tensor:
    """Bases in a random order, N where the windows have N: (n, count, 4, L)."""
    rng = np.random.default_rng(seed)
    made = windows.unsqueeze(1).repeat(1, count, 1, 1)
    for n in range(len(windows)):
        known = np.flatnonzero(windows[n].sum(0).numpy())
        for row in range(count):
            made[n, row][:, known] = windows[n][:, rng.permutation(known)]
    return made


def random_case(
    items: Sequence[InputSpec],
    windows: int = 3,
    references: int = 2,
    network: Chromputer | None = None,
    config: NetworkConfig = SMALL,
    seed: int = 0,
) -> Case:
    """Random windows with some N, shuffled bases and other random counts as references."""
    network = random_network(items, config=config, seed=seed) if network is None else network
    arrays = random_arrays(items, windows, config.window, seed + 100)
    others = random_arrays(items, 1, config.window, seed + 200)
    behind = [
        shuffled_references(x, references, seed) if item.kind == "sequence" else other
        for item, x, other in zip(items, arrays, others, strict=True)
    ]
    heads = (network.states_head, network.binary_head, network.continuous_head)
    outputs = sum(head.out_channels for head in heads if head is not None)
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(windows, outputs, generator=generator)
    return Case(network, tuple(items), arrays, behind, weights)


def network_of(spec: ModelSpec, graph: Path, config: Path) -> Chromputer:
    """The network of a model folder's ``predict.onnx``, without its checkpoint.

    The exporter folds the batch norms that follow convolutions; here they do nothing.

    Args:
        spec: describes it.
        graph: the ``predict.onnx``.
        config: the training configuration, for the sizes.
    """
    table = tomllib.loads(config.read_text())["network"]
    sizes = {key: tuple(v) if isinstance(v, list) else v for key, v in table.items()}
    heads = {head.kind: len(head.labels) for head in spec.heads}
    counts = [heads.get(kind, 0) for kind in ("states", "binary", "continuous")]
    network = Chromputer(spec.inputs, *counts, NetworkConfig(spec.window, spec.stride, **sizes))
    for layer in network.modules():
        if isinstance(layer, NORMS):
            layer.eps = 0.0
    state = network.state_dict()
    model = onnx.load(graph)
    for tensor in model.graph.initializer:
        values = torch.from_numpy(numpy_helper.to_array(tensor).copy())
        if tensor.name in state:
            state[tensor.name] = values
        elif tensor.name == "cat_1":
            # The motifs on both strands.
            state["trunks.0.motifs.weight"] = values[: len(values) // 2]
    network.load_state_dict(state)
    (node,) = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    network.motifs.norm.eps = next(a.f for a in node.attribute if a.name == "epsilon")
    return network.eval()

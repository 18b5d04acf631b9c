"""Small ONNX sliding models whose right answers are known exactly; made without torch.

Each output is a weighted count with small integer weights, so that float32 sums are exact and any
order of summation gives the same number.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from chromputer_tracks.spec import (
    METADATA_KEY,
    HeadSpec,
    InputSpec,
    Label,
    ModelSpec,
    Normalisation,
)

WINDOW, STRIDE, BIN = 300, 50, 10
EDGES = (1, 100, 200, 400)
STATES = 3
BINARY = 2
SCALE = 1 / 64


def tiny_spec(**changes: object) -> ModelSpec:
    """Three states and two binary labels from sequence and V-plot; ``changes`` replace fields."""
    spec = ModelSpec(
        name="tiny",
        window=WINDOW,
        stride=STRIDE,
        label_bin=200,
        inputs=(
            InputSpec("sequence", "dna"),
            InputSpec("vplot", "atac", BIN, EDGES, Normalisation((1.0,), "none"), "atac"),
        ),
        heads=(
            HeadSpec(
                "states",
                "chromatin",
                tuple(
                    Label(f"S{i}", f"state {i}", (10 * i, 0, 255), SCALE, 0.1 * i)
                    for i in range(STATES)
                ),
            ),
            HeadSpec(
                "binary",
                "factors",
                (
                    Label("TF1", "factor 1", (255, 0, 0), SCALE, -1.0, 0.6),
                    Label("TF2", "factor 2", (0, 255, 0), SCALE, 0.5),
                ),
            ),
        ),
        assembly="toy",
        sizes_digest="0" * 64,
        splits={"train": ("chr1",), "validation": (), "test": ()},
    )
    return dataclasses.replace(spec, **changes)  # type: ignore[arg-type]


def weights(spec: ModelSpec | None = None) -> list[NDArray[np.float32]]:
    """Integer weights -2..2 of each input, (outputs, channels, window / bin)."""
    spec = tiny_spec() if spec is None else spec
    rng = np.random.default_rng(11)
    return [
        rng.integers(-2, 3, (spec.outputs, item.channels, spec.window // item.bin)).astype("f4")
        for item in spec.inputs
    ]


def tiny_graph(spec: ModelSpec, metadata: str | None = None) -> onnx.ModelProto:
    """The graph of :func:`tiny_spec`, whatever ``spec`` says of itself in the metadata."""
    return linear_graph(tiny_spec(), spec.to_json() if metadata is None else metadata)


def linear_graph(spec: ModelSpec, metadata: str | None = None) -> onnx.ModelProto:
    """logits = the sum of a strided convolution of each input."""
    nodes = [
        helper.make_node(
            "Conv", [item.name, f"w_{item.name}"], [f"c_{item.name}"], strides=[STRIDE // item.bin]
        )
        for item in spec.inputs
    ]
    *terms, last = [f"c_{item.name}" for item in spec.inputs]
    for item in terms:
        nodes.append(helper.make_node("Add", [last, item], [f"{last} + {item}"]))
        last = f"{last} + {item}"
    nodes += [
        helper.make_node("Identity", [last], ["logits"]),
        helper.make_node("Identity", ["logits"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        spec.name,
        [
            helper.make_tensor_value_info(
                item.name, TensorProto.FLOAT, ["n", item.channels, f"L/{item.bin}"]
            )
            for item in spec.inputs
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", spec.outputs, "P"])
            for name in ("logits", "embedding")
        ],
        [
            numpy_helper.from_array(array, f"w_{item.name}")
            for item, array in zip(spec.inputs, weights(spec), strict=True)
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: spec.to_json() if metadata is None else metadata})
    return model


def write_tiny_model(folder: Path, spec: ModelSpec | None = None) -> Path:
    """Write ``predict.onnx`` and ``model.json``; returns the folder."""
    spec = tiny_spec() if spec is None else spec
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(tiny_graph(spec), folder / "predict.onnx")
    (folder / "model.json").write_text(spec.to_json())
    return folder


def write_linear_model(folder: Path, spec: ModelSpec) -> Path:
    """Write the model whose graph is :func:`linear_graph`; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(linear_graph(spec), folder / "predict.onnx")
    (folder / "model.json").write_text(spec.to_json())
    return folder

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


def weights() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Integer weights -2..2 of the sequence (outputs, 4, window) and V-plot (..., 3, bins)."""
    rng = np.random.default_rng(11)
    outputs = STATES + BINARY
    sequence = rng.integers(-2, 3, (outputs, 4, WINDOW)).astype(np.float32)
    vplot = rng.integers(-2, 3, (outputs, len(EDGES) - 1, WINDOW // BIN)).astype(np.float32)
    return sequence, vplot


def tiny_graph(spec: ModelSpec, metadata: str | None = None) -> onnx.ModelProto:
    """logits = strided convolution of the sequence + strided convolution of the V-plot."""
    sequence, vplot = weights()
    nodes = [
        helper.make_node("Conv", ["dna", "w_dna"], ["a"], strides=[STRIDE]),
        helper.make_node("Conv", ["atac", "w_atac"], ["b"], strides=[STRIDE // BIN]),
        helper.make_node("Add", ["a", "b"], ["logits"]),
        helper.make_node("Identity", ["logits"], ["embedding"]),
    ]
    outputs = STATES + BINARY
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("dna", TensorProto.FLOAT, ["n", 4, "L"]),
            helper.make_tensor_value_info("atac", TensorProto.FLOAT, ["n", len(EDGES) - 1, "B"]),
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", outputs, "P"])
            for name in ("logits", "embedding")
        ],
        [numpy_helper.from_array(sequence, "w_dna"), numpy_helper.from_array(vplot, "w_atac")],
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

"""``explain.onnx`` on ONNX Runtime gives what the torch module gives, in any batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from explain_oracle_networks import SMALL, Case, random_case, random_network
from network_inputs import ATAC, CUTS, DNA_AND_SHAPE, VALUES
from numpy.typing import NDArray

from chromputer_tracks.inference.graph import BRANCH, OPERATORS
from chromputer_tracks.inference.session import Session, open_session, shipped_models
from chromputer_tracks.model.deeplift import Explain
from chromputer_tracks.model.export import TOLERANCE, export_explain
from chromputer_tracks.spec import (
    DEEPLIFT,
    EXPLAIN,
    PREDICT,
    WEIGHTS,
    HeadSpec,
    InputSpec,
    Label,
    ModelSpec,
    reference_name,
)

# An export takes many seconds, the more layers the more.
CONFIG = replace(SMALL, dilations=(1,))
KINDS = ("states", "binary", "continuous")
CASES = {
    "every kind of input": ((CUTS, ATAC, DNA_AND_SHAPE), (3, 2, 1)),
    "without sequence": ((VALUES,), (0, 1, 1)),
}


def make_spec(items: tuple[InputSpec, ...], sizes: tuple[int, ...]) -> ModelSpec:
    heads = tuple(
        HeadSpec(
            kind,
            kind,
            tuple(Label(f"{kind}{row}", "", (row, 0, 0)) for row in range(count)),
            "log" if kind == "continuous" else "",
        )
        for kind, count in zip(KINDS, sizes, strict=True)
        if count
    )
    return ModelSpec(
        "toy", CONFIG.window, CONFIG.stride, 200, items, heads, "toy1", "0" * 64, {"train": ("a",)}
    )


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES)
def exported(request, tmp_path_factory) -> tuple[Case, Session]:
    items, sizes = request.param
    folder: Path = tmp_path_factory.mktemp("model")
    network = random_network(items, *sizes, config=CONFIG)
    difference = export_explain(network, make_spec(items, sizes), folder)
    assert 0 < difference < TOLERANCE
    case = random_case(items, windows=6, references=20, network=network, config=CONFIG)
    return case, open_session(folder / EXPLAIN, "cpu", 1)


def operators(graph: onnx.GraphProto) -> set[str]:
    """Of a graph and its branches."""
    found = set()
    for node in graph.node:
        found.add(node.op_type)
        for attribute in node.attribute:
            found |= operators(attribute.g)
    return found


def test_what_graphs_may_do_is_what_ours_do(exported):
    """The list of :mod:`chromputer_tracks.inference.graph`, no longer and no shorter."""
    case, session = exported
    found = operators(onnx.load(session._model).graph)
    assert found <= OPERATORS | {BRANCH}
    if len(case.items) == len(CASES["every kind of input"][0]):
        found |= operators(onnx.load(shipped_models()["yeast-atac"] / PREDICT).graph)
        assert found == OPERATORS - {"Constant", "MatMul"} | {BRANCH}


def run(
    session: Session, case: Case, *, deeplift: bool, references: int = 20
) -> dict[str, NDArray[np.float32]]:
    feed = {WEIGHTS: case.weights.numpy(), DEEPLIFT: np.array(deeplift)}
    for item, x, r in zip(case.items, case.windows, case.references, strict=True):
        feed[item.name] = x.numpy()
        feed[reference_name(item.name)] = (r[:, :references] if r.dim() == 4 else r).numpy()
    names = Explain(case.network, case.items).output_names
    return dict(zip(names, session.fetch(names, feed), strict=True))


def check(found: dict[str, NDArray[np.float32]], expected: dict[str, NDArray[np.float32]]) -> None:
    """Within 1e-5 of the largest value of the same window, or what is left of a difference."""
    for name, values in expected.items():
        assert found[name].shape == values.shape, name
        rows = (len(values), -1)
        largest = abs(values).reshape(rows).max(axis=1)
        error = abs(found[name] - values).reshape(rows).max(axis=1)
        assert (largest > 0).all(), name
        assert (error <= 1e-5 * largest + 2e-7).all(), (name, error / largest)


@pytest.mark.parametrize("references", [1, 2, 20])
def test_deeplift_is_the_module_s(exported, references):
    case, session = exported
    module = Explain(case.network, case.items)
    behind = [r[:, :references] if r.dim() == 4 else r for r in case.references]
    with torch.no_grad():
        values = [x.numpy() for x in module(case.windows, behind, case.weights)]
    found = run(session, case, deeplift=True, references=references)
    check(found, dict(zip(module.output_names, values, strict=True)))


def test_the_gradient_is_the_module_s(exported):
    case, session = exported
    module = Explain(case.network, case.items)
    with torch.no_grad():
        values = [x.numpy() for x in module(case.windows, None, case.weights)]
    found = run(session, case, deeplift=False)
    check(found, dict(zip(module.output_names, values, strict=True)))


def test_the_gradient_needs_no_references(exported):
    case, session = exported
    none = run(session, case, deeplift=False, references=0)
    check(none, run(session, case, deeplift=False))


@pytest.mark.parametrize("deeplift", [True, False], ids=["deeplift", "gradient"])
def test_results_depend_neither_on_batch_nor_on_order(exported, deeplift):
    case, session = exported
    whole = run(session, case, deeplift=deeplift)
    for rows in ([0], [5], [4, 2, 3], [5, 4, 3, 2, 1, 0]):
        part = run(session, case.rows(rows), deeplift=deeplift)
        check(part, {name: values[rows] for name, values in whole.items()})


def test_references_of_other_windows_do_not_count(exported):
    case, session = exported
    changed = [r.roll(1, 0) if r.dim() == 4 else r for r in case.references]
    for r, other in zip(case.references, changed, strict=True):
        other[:1] = r[:1]
    other_case = Case(case.network, case.items, case.windows, changed, case.weights)
    found, other = (run(session, item, deeplift=True) for item in (case, other_case))
    for name, values in found.items():
        np.testing.assert_allclose(values[:1], other[name][:1], rtol=1e-5, atol=1e-6)
    if any(r.dim() == 4 for r in case.references):
        assert not np.allclose(found["explain.difference"][1:], other["explain.difference"][1:])

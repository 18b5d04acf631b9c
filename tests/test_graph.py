"""What a stranger's graph may not do is refused in its bytes, before ONNX Runtime sees them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tiny_models import linear_graph, tiny_spec

from chromputer_tracks.errors import SpecError
from chromputer_tracks.inference import session as module
from chromputer_tracks.inference.graph import read_graph
from chromputer_tracks.inference.session import load_model, open_session, shipped_models
from chromputer_tracks.spec import METADATA_KEY

Model = onnx.ModelProto


def node(model: Model, operator: str, *inputs: str, output: str = "more", **more: object) -> None:
    model.graph.node.append(helper.make_node(operator, list(inputs), [output], **more))


def constant(model: Model, name: str, values: object, kind: str = "int64") -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array(values, kind), name))


def body() -> onnx.GraphProto:
    return helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [])],
    )


def loop(model: Model) -> None:
    node(model, "Loop", "turns", "", body=body())


def branch(model: Model) -> None:
    constant(model, "always", True, "bool")
    node(model, "If", "always", then_branch=body(), else_branch=body())


def hidden_graph(model: Model) -> None:
    node(model, "Identity", "logits", body=body())


def two_branches(model: Model) -> None:
    for place in range(2):
        node(model, "If", "deeplift", output=f"b{place}", then_branch=body(), else_branch=body())


def own_domain(model: Model) -> None:
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    node(model, "Gelu", "logits", domain="com.microsoft")


def domain_of_a_node(model: Model) -> None:
    node(model, "Relu", "logits", domain="evil")


def function(model: Model) -> None:
    relu = helper.make_node("Relu", ["a"], ["b"])
    model.functions.append(
        helper.make_function("", "Twice", ["a"], ["b"], [relu], [helper.make_opsetid("", 17)])
    )


def random_values(model: Model) -> None:
    node(model, "RandomNormal", shape=[1 << 40])


def fill(model: Model) -> None:
    constant(model, "shape", [1 << 20, 1 << 20])
    node(model, "ConstantOfShape", "shape")


def expand(model: Model) -> None:
    constant(model, "shape", [1 << 20, 1 << 20])
    node(model, "Expand", "logits", "shape")


def expand_by_an_attribute(model: Model) -> None:
    node(model, "Constant", output="shape", value_ints=[1 << 30])
    node(model, "Expand", "logits", "shape")


def pad(model: Model) -> None:
    constant(model, "pads", [0, 0, 0, 0, 0, 1 << 40])
    node(model, "Pad", "logits", "pads")


def tile(model: Model) -> None:
    constant(model, "times", [1, 1, 1 << 40])
    node(model, "Tile", "logits", "times")


def count(model: Model) -> None:
    for name, value in (("from", 0), ("to", 1 << 50), ("by", 1)):
        constant(model, name, value)
    node(model, "Range", "from", "to", "by")


def stretch(model: Model) -> None:
    constant(model, "w", [[[1]]], "float32")
    node(model, "ConvTranspose", "logits", "w", strides=[1 << 40])


def sparse(model: Model) -> None:
    made = helper.make_sparse_tensor(
        helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("i", TensorProto.INT64, [1], [5]),
        [1 << 40],
    )
    model.graph.sparse_initializer.append(made)


def sparse_attribute(model: Model) -> None:
    sparse(model)
    made = model.graph.sparse_initializer.pop()
    node(model, "Constant", sparse_value=made)


def external(model: Model) -> None:
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")


def external_in_an_attribute(model: Model) -> None:
    tensor = TensorProto(name="t", data_type=1, dims=[4], data_location=1)
    tensor.external_data.add(key="location", value="/etc/passwd")
    node(model, "Constant", value=tensor)


def text(model: Model) -> None:
    model.graph.initializer.append(helper.make_tensor("s", TensorProto.STRING, [1], [b"x"]))


def training(model: Model) -> None:
    model.training_info.add()


REFUSED = (
    (loop, "operator Loop, which no model"),
    (branch, "operator If, other than to choose"),
    (two_branches, "operator If, other than to choose"),
    (hidden_graph, "a graph inside of Identity"),
    (own_domain, "operators of the domain 'com.microsoft'"),
    (domain_of_a_node, "operator evil.Relu, of another domain"),
    (function, "functions, which"),
    (random_values, "operator RandomNormal"),
    (fill, "operator ConstantOfShape"),
    (tile, "operator Tile"),
    (expand, "operator Expand to a size of 1,048,576 x 1,048,576"),
    (expand_by_an_attribute, "Constant"),
    (pad, "operator Pad to a size of 0 x 0 x 0 x 0 x 0 x 1,099,511,627,776"),
    (count, "operator Range to a size of 1,125,899,906,842,624"),
    (stretch, "ConvTranspose with strides 1,099,511,627,776"),
    (sparse, "sparse constants, which"),
    (sparse_attribute, "Constant"),
    (external, r"constant 'w_dna' in another file \(external data\)"),
    (external_in_an_attribute, "Constant|constant 't' in another file"),
    (text, "texts in 's'"),
    (training, "training steps"),
)


def saved(model: Model, folder: Path) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("change", "message"), REFUSED, ids=lambda item: getattr(item, "__name__", "")
)
def test_what_no_model_of_ours_does_is_refused_before_it_can_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Model], None],
    message: str,
) -> None:
    model = linear_graph(tiny_spec())
    change(model)
    path = saved(model, tmp_path)
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_, **__: pytest.fail("it was run"))
    for use in (load_model, lambda path: open_session(path, "cpu", 1)):
        with pytest.raises(SpecError, match=message) as caught:
            use(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)


def test_the_shipped_graphs_are_read_as_onnx_reads_them() -> None:
    for folder in shipped_models().values():
        for name in ("predict.onnx", "explain.onnx"):
            found = read_graph(folder / name)
            model = onnx.load(folder / name)
            assert found.content == (folder / name).read_bytes()
            assert found.metadata == {item.key: item.value for item in model.metadata_props}


def test_whatever_onnx_writes_is_read(tmp_path: Path) -> None:
    """Numbers packed or not, and values of every type that constants have."""
    model = linear_graph(tiny_spec())
    for kind in (TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL, TensorProto.DOUBLE):
        for name, values in (("none", []), ("one", [1]), ("some", [0, 1, 1, 0])):
            made = helper.make_tensor(f"{name} {kind}", kind, [len(values)], values)
            model.graph.initializer.append(made)
    constant(model, "shape", [-1, 0, 5])
    node(model, "Constant", output="ends", value=numpy_helper.from_array(np.array([2**63 - 1])))
    node(model, "Reshape", "logits", "shape")
    node(model, "Slice", "logits", "ends", "ends", output="even more")
    assert list(read_graph(saved(model, tmp_path)).metadata) == [METADATA_KEY]


@pytest.mark.parametrize("change", [-4, 4, 1 << 20])
def test_constants_hold_what_they_say(tmp_path: Path, change: int) -> None:
    for typed in (False, True):
        model = linear_graph(tiny_spec())
        tensor = model.graph.initializer[0]
        if typed:
            values = numpy_helper.to_array(tensor)
            tensor.CopyFrom(
                helper.make_tensor(tensor.name, TensorProto.FLOAT, values.shape, values.ravel())
            )
        assert read_graph(saved(model, tmp_path)).metadata
        tensor.dims[0] += change
        with pytest.raises(SpecError, match=r"constant 'w_dna' is .* as it says, but holds"):
            read_graph(saved(model, tmp_path))


@pytest.mark.parametrize("dims", [[-1], [1 << 62, 4, 0, -3]])
def test_shapes_are_not_negative(tmp_path: Path, dims: list[int]) -> None:
    model = linear_graph(tiny_spec())
    model.graph.initializer.append(TensorProto(name="t", data_type=1, dims=dims))
    with pytest.raises(SpecError, match="constant 't' has the shape"):
        read_graph(saved(model, tmp_path))


def test_a_second_value_of_a_field_hides_nothing(tmp_path: Path) -> None:
    """Protobuf joins messages that follow each other: what is added behind counts, too."""
    model = linear_graph(tiny_spec())
    whole = model.SerializeToString()
    other = onnx.ModelProto()
    other.graph.node.append(helper.make_node("Loop", [], []))
    path = tmp_path / "m.onnx"
    path.write_bytes(whole + other.SerializeToString())
    with pytest.raises(SpecError, match="field 7 of a model occurs twice"):
        read_graph(path)
    # Of two names of an operator in a node, readers take the last.
    harmless, evil = (helper.make_node(name, ["logits"], ["m"]) for name in ("Relu", "Loop"))
    joined = harmless.SerializeToString() + evil.SerializeToString()
    del model.graph.node[:], model.metadata_props[:]
    content = field(7, model.graph.SerializeToString() + field(1, joined))
    assert onnx.load_from_string(content).graph.node[0].op_type == "Loop"
    path.write_bytes(content)
    with pytest.raises(SpecError, match="field 4 of a node occurs twice"):
        read_graph(path)


def field(number: int, content: bytes) -> bytes:
    """A field of a message of protobuf that holds bytes."""
    size, digits = len(content), []
    while size > 127:
        digits.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *digits, size]) + content


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.data())
def test_any_damage_is_one_sentence(tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(linear_graph(tiny_spec()).SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "m.onnx"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        read_graph(path)
    except SpecError as error:
        assert str(error).startswith(str(path))


def test_a_spec_that_asks_for_giant_arrays_is_refused(tmp_path: Path) -> None:
    model = linear_graph(tiny_spec())
    spec = json.loads(model.metadata_props[0].value)
    for change in ({"window": 10**12}, {"window": 10**9}):
        helper.set_model_props(model, {METADATA_KEY: json.dumps(spec | change)})
        with pytest.raises(SpecError, match=r"its spec asks for [\d,]+ values to predict 3 places"):
            load_model(saved(model, tmp_path))


def test_a_graph_gets_no_more_memory_than_there_is(tmp_path: Path) -> None:
    """Joining an array with itself needs neither a loop nor a large number in the file."""
    model = linear_graph(tiny_spec())
    *first, last = model.graph.node
    first[-1].output[0] = "d0"
    del model.graph.node[:]
    model.graph.node.extend(first)
    for place in range(40):
        node(model, "Concat", f"d{place}", f"d{place}", output=f"d{place + 1}", axis=2)
    node(model, "ReduceSum", "d40", output="sum", keepdims=1)
    node(model, "Add", "d0", "sum", output="logits")
    model.graph.node.append(last)
    # A process of its own, as the bound is set once in each.
    code = (
        "import sys\n"
        "from chromputer_tracks.inference import session\n"
        "session.available_memory = lambda: 300 << 20\n"
        "session.load_model(sys.argv[1])\n"
    )
    words = [sys.executable, "-c", code, str(saved(model, tmp_path))]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "SpecError: " in ended.stderr
    assert "the graph refuses what its spec describes" in ended.stderr
    assert re.search(r"Available memory of \d+ is smaller", ended.stderr)


def test_memory_is_what_the_system_says() -> None:
    known = {
        line.split(":")[0]: int(line.split()[1]) * 1024
        for line in Path("/proc/meminfo").read_text().splitlines()
    }
    assert 0 < module.available_memory() <= known["MemTotal"]

"""What a model's graph may do, checked in its bytes before ONNX Runtime sees them.

An ONNX graph is a program, and models come from anybody: from a colleague, a public repository, an
upload to Galaxy. What may run is what our own export makes: operators of a list, without loops,
functions or other domains, with all data inside of the file, and none of it larger than it says.
What such a graph takes of memory and time is bounded where it runs (:mod:`.session`).

The file is read field by field (https://protobuf.dev/programming-guides/encoding and ``onnx.proto``
of ONNX 1.23), so that nothing but these lines has to be trusted. A field that is not known here is
refused, as is one that occurs twice where readers might take the one or the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from chromputer_tracks.errors import SpecError
from chromputer_tracks.spec import DEEPLIFT

OPERATORS = frozenset(
    {
        *("Abs", "Add", "ArgMax", "AveragePool", "BatchNormalization", "Cast", "Concat"),
        *("Constant", "Conv", "ConvTranspose", "Div", "Expand", "Gather", "GatherND", "Gemm"),
        *("Greater", "GreaterOrEqual", "Identity", "Less", "MatMul", "Max", "MaxPool", "Mul"),
        *("Pad", "Range", "ReduceMax", "ReduceMean", "ReduceSum", "Relu", "Reshape"),
        *("ScatterElements", "Shape", "Slice", "Split", "Squeeze", "Sub", "Transpose"),
        *("Unsqueeze", "Where"),
    }
)
"""What our export makes, and ``Constant`` and ``MatMul``, which other releases of PyTorch prefer to
constants beside the nodes and to ``Gemm``."""
BRANCH = "If"
"""In ``explain.onnx``, once: which of two methods is asked for."""

_DOMAINS = ("", "ai.onnx")
_MOST_BYTES = (1 << 31) - 1
"""Of a file, as protobuf's own bound."""
_LARGEST = 1 << 24
"""Of an attribute, or a constant that gives a size: more than a chromosome's worth of positions."""
_MOST_VALUES = 1 << 28
"""Of an array whose shape a constant gives."""
_SIZES = {"Expand": 1, "Reshape": 1, "Pad": 1, "Range": 1}
"""Operator to its input that says how large its output is."""
_ITEM_BYTES = {1: 4, 6: 4, 7: 8, 9: 1, 11: 8}
"""Of the types that constants have: float, int32, int64, bool, double."""
_INT64 = 7

Fields = Mapping[int, list[int | memoryview]]


@dataclass(frozen=True, slots=True)
class GraphFile:
    """A checked file.

    Attributes:
        content: its bytes.
        metadata: by key.
    """

    content: bytes
    metadata: dict[str, str]


def read_graph(path: Path) -> GraphFile:
    """Read a model's file and check what its graph may do.

    Raises:
        SpecError: it is no ONNX model, is not whole, or holds what no model of ours needs.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise SpecError(f"{path}: {size:,} bytes are more than an ONNX model can have (2 GiB)")
    content = path.read_bytes()
    return GraphFile(content, _Check(path).model(memoryview(content)))


class _Damaged(Exception):
    """The bytes are no message of this kind."""


class _Check:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._branches = 0

    def refuse(self, what: str) -> SpecError:
        return SpecError(
            f"{self.path}: {what}, which no model that `chromputer train` exports has: take the "
            "model from its makers again, or train it"
        )

    def model(self, content: memoryview) -> dict[str, str]:
        """Check a ModelProto; returns its metadata."""
        try:
            model = _fields(content, "model", _MODEL)
            self._nothing(model, {20: "training steps", 25: "functions", 26: "devices"})
            for entry in _messages(model, 8):
                domain = _text(_fields(entry, "opset_import", {1, 2}), 1)
                if domain not in _DOMAINS:
                    raise self.refuse(f"operators of the domain {domain!r}")
            if not model.get(7):
                raise _Damaged("it has no graph")
            for graph in _messages(model, 7):
                self._graph(graph, {}, inside=False)
            metadata = {}
            for entry in _messages(model, 14):
                pair = _fields(entry, "metadata", {1, 2})
                metadata[_text(pair, 1)] = _text(pair, 2)
        except _Damaged as error:
            raise SpecError(
                f"{self.path}: not a readable ONNX model, copy it again: {error}"
            ) from error
        return metadata

    def _nothing(self, fields: Fields, unwanted: Mapping[int, str]) -> None:
        for number, what in unwanted.items():
            if fields.get(number):
                raise self.refuse(what)

    def _graph(
        self, content: memoryview, outer: Mapping[str, tuple[int, ...] | None], *, inside: bool
    ) -> None:
        """Check a GraphProto.

        Args:
            content: its bytes.
            outer: constants of the graph around it; see :meth:`_tensor`.
            inside: whether it is a branch of another.
        """
        graph = _fields(content, "graph", _GRAPH)
        self._nothing(graph, {14: "quantized data", 15: "sparse constants"})
        constants = dict(outer)
        for tensor in _messages(graph, 5):
            name, values = self._tensor(tensor)
            constants[name] = values
        for node in _messages(graph, 1):
            self._node(node, constants, inside=inside)

    def _node(
        self,
        content: memoryview,
        constants: dict[str, tuple[int, ...] | None],
        *,
        inside: bool,
    ) -> None:
        node = _fields(content, "node", _NODE)
        operator, domain = _text(node, 4), _text(node, 7)
        named = f"node {_text(node, 3)!r} of " if node.get(3) else ""
        if domain not in _DOMAINS or node.get(8):
            raise self.refuse(f"{named}operator {domain}.{operator}, of another domain")
        inputs = [_decode(item) for item in _messages(node, 1)]
        if operator == BRANCH:
            self._branches += 1
            if inside or self._branches > 1 or inputs != [DEEPLIFT]:
                raise self.refuse(f"{named}operator If, other than to choose how to explain")
        elif operator not in OPERATORS:
            raise self.refuse(f"{named}operator {operator}")
        for attribute in _messages(node, 5):
            self._attribute(attribute, node, operator, constants)
        place = _SIZES.get(operator)
        if place is not None and place < len(inputs):
            sizes = constants.get(inputs[place])
            if sizes and (
                max(map(abs, sizes)) > _LARGEST
                or (operator in ("Expand", "Reshape") and _volume(sizes) > _MOST_VALUES)
            ):
                raise self.refuse(f"{named}operator {operator} to a size of {_shown(sizes)}")

    def _attribute(
        self,
        content: memoryview,
        node: Fields,
        operator: str,
        constants: dict[str, tuple[int, ...] | None],
    ) -> None:
        attribute = _fields(content, "attribute", _ATTRIBUTE)
        name = _text(attribute, 1)
        self._nothing(
            attribute,
            {
                11: f"lists of graphs in {operator}",
                21: f"references to functions in {operator}",
                22: f"sparse constants in {operator}",
                23: f"sparse constants in {operator}",
            },
        )
        if attribute.get(6) and operator != BRANCH:
            raise self.refuse(f"a graph inside of {operator}")
        for graph in _messages(attribute, 6):
            self._graph(graph, constants, inside=True)
        numbers = [_signed(item) for item in (*attribute.get(3, ()), *_integers(attribute, 8))]
        if numbers and max(map(abs, numbers)) > _LARGEST:
            raise self.refuse(f"{operator} with {name} {_shown(numbers)}")
        for tensor in (*_messages(attribute, 5), *_messages(attribute, 10)):
            _, values = self._tensor(tensor)
            for output in _messages(node, 2):
                constants[_decode(output)] = values

    def _tensor(self, content: memoryview) -> tuple[str, tuple[int, ...] | None]:
        """Check a TensorProto; returns its name, and its values where they may give a size."""
        tensor = _fields(content, "constant", _TENSOR)
        name = _text(tensor, 8)
        if tensor.get(13) or any(tensor.get(14, ())):
            raise self.refuse(f"constant {name!r} in another file (external data)")
        self._nothing(tensor, {3: f"parts of constant {name!r}", 6: f"texts in {name!r}"})
        shape = [_signed(item) for item in _integers(tensor, 1)]
        kind = _number(tensor, 2)
        if kind not in _ITEM_BYTES:
            raise self.refuse(f"constant {name!r} of type {kind}")
        if shape and min(shape) < 0:
            raise _Damaged(f"constant {name!r} has the shape {_shown(shape)}")
        wanted = math.prod(shape)
        raw = [item for item in _messages(tensor, 9) if len(item)]
        held = sum(len(item) for item in raw) / _ITEM_BYTES[kind]
        held += sum(len(item) for item in _messages(tensor, 4)) / 4
        held += sum(len(item) for item in _messages(tensor, 10)) / 8
        typed = [_signed(item) for place in (5, 7, 11) for item in _integers(tensor, place)]
        if held + len(typed) != wanted:
            raise SpecError(
                f"{self.path}: constant {name!r} is {_shown(shape) or 'one value'} as it says, but "
                f"holds {held + len(typed):,.0f} values: copy the file again"
            )
        if kind != _INT64 or len(shape) > 1:
            return name, None
        values = [
            int.from_bytes(item[at : at + 8], "little", signed=True)
            for item in raw
            for at in range(0, len(item), 8)
        ]
        return name, (*values, *typed)


def _volume(sizes: tuple[int, ...]) -> int:
    """Values of an array of this shape; 0 and -1 stand for what is there."""
    return math.prod(max(1, size) for size in sizes)


def _shown(numbers: tuple[int, ...] | list[int]) -> str:
    return " x ".join(f"{number:,}" for number in numbers[:8])


# ---- Messages of protobuf: fields by number, each a whole number or bytes. Of each kind of message
# the fields that are known, and those that may occur only once.

_MODEL = {1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26}
_GRAPH = {1, 2, 5, 10, 11, 12, 13, 14, 15, 16}
_NODE = {1, 2, 3, 4, 5, 6, 7, 8, 9}
_ATTRIBUTE = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 20, 21, 22, 23}
_TENSOR = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16}
_ONCE = {
    "model": {7},
    "node": {3, 4, 7, 8},
    "attribute": {1, 3, 5, 6, 20},
    "constant": {2, 8, 9, 14},
    "opset_import": {1},
}
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_MOST_VARINT = 10


def _fields(content: memoryview, what: str, known: set[int]) -> Fields:
    """The fields of a message.

    Raises:
        _Damaged: it is none of this kind.
    """
    found: dict[int, list[int | memoryview]] = {}
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        number, wire = key >> 3, key & 7
        if number not in known:
            raise _Damaged(f"field {number} of a {what} is unknown to this release")
        value: int | memoryview
        if wire == _VARINT:
            value, at = _varint(content, at)
        else:
            if wire == _BYTES:
                size, at = _varint(content, at)
            elif wire in (_EIGHT, _FOUR):
                size = 8 if wire == _EIGHT else 4
            else:
                raise _Damaged(f"field {number} of a {what} has no known form")
            if at + size > len(content):
                raise _Damaged(f"it ends inside of a {what}")
            value = content[at : at + size]
            at += size
        found.setdefault(number, []).append(value)
        if len(found[number]) > 1 and number in _ONCE.get(what, ()):
            raise _Damaged(f"field {number} of a {what} occurs twice")
    return found


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    """A whole number, unsigned, and where the next field begins."""
    value = 0
    for place in range(_MOST_VARINT):
        if at >= len(content):
            raise _Damaged("it ends inside of a number")
        byte = content[at]
        at += 1
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value & (1 << 64) - 1, at
    raise _Damaged("a number is too long")


def _signed(value: int | memoryview) -> int:
    if isinstance(value, memoryview):
        raise _Damaged("bytes stand for a number")
    return value - (1 << 64) if value >> 63 else value


def _messages(fields: Fields, number: int) -> Iterator[memoryview]:
    for value in fields.get(number, ()):
        if not isinstance(value, memoryview):
            raise _Damaged(f"field {number} is a number and not bytes")
        yield value


def _integers(fields: Fields, number: int) -> Iterator[int]:
    """Whole numbers that stand one by one or packed together."""
    for value in fields.get(number, ()):
        if isinstance(value, int):
            yield value
            continue
        at = 0
        while at < len(value):
            item, at = _varint(value, at)
            yield item


def _decode(value: memoryview) -> str:
    try:
        return bytes(value).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Damaged(f"a name is not UTF-8 ({error})") from error


def _text(fields: Fields, number: int) -> str:
    """The last text of a field, as readers of protobuf take it; empty where there is none."""
    last = ""
    for value in _messages(fields, number):
        last = _decode(value)
    return last


def _number(fields: Fields, number: int) -> int:
    values = fields.get(number, ())
    return _signed(values[-1]) if values else 0

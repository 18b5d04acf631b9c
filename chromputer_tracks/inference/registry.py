"""Models by name or path: a model folder, a single ``.onnx`` file, or a shipped model."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chromputer_tracks.errors import InputError, SpecError
from chromputer_tracks.spec import METADATA_KEY, PREDICT, WEIGHTS, HeadSpec, Label, ModelSpec

SPEC = "model.json"

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True, repr=False)
class Model:
    """A checked model.

    Attributes:
        spec: its spec.
        path: its ``predict.onnx``.
    """

    spec: ModelSpec
    path: Path

    @property
    def name(self) -> str:
        """The model's name."""
        return self.spec.name

    def __repr__(self) -> str:
        """What it reads and predicts, in a line."""
        spec = self.spec
        read = ", ".join(item.name for item in spec.inputs)
        heads = ", ".join(f"{head.name} ({len(head.labels)})" for head in spec.heads)
        return (
            f"<Model {spec.name} of {spec.assembly}: {read} of {spec.window:,} bp to {heads} "
            f"every {spec.stride} bp; {self.path}>"
        )


def shipped_models() -> dict[str, Path]:
    """Name to folder of the models that come with the package, sorted by name."""
    # A wheel carries them inside the package; in a checkout they lie beside it.
    for root in (_PACKAGE / "_models", _PACKAGE.parent / "models"):
        if root.is_dir():
            return {f.name: f for f in sorted(root.iterdir()) if (f / PREDICT).is_file()}
    return {}


def read_spec(folder: Path) -> ModelSpec:
    """The spec in a model folder's ``model.json``, not compared with the graph.

    Raises:
        SpecError: it is missing, unreadable or no spec of this version.
    """
    path = folder / SPEC
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 text ({error})") from error
    return ModelSpec.from_json(text, str(path))


def load_model(name_or_path: str | Path) -> Model:
    """Find a model and check that its spec, its graph and its metadata agree.

    Args:
        name_or_path: a model folder, an ``.onnx`` file (its spec is in its metadata) or the name
            of a shipped model. An existing path wins over a name, but for a folder that holds no
            graph (tracks that were written to a folder of the model's name).

    Raises:
        SpecError: nothing of that name, a corrupt file, an unknown spec version, or a spec that
            does not describe the graph.
    """
    path = Path(name_or_path)
    no_graph = path.is_dir() and not (path / PREDICT).is_file()
    if not path.exists() or (no_graph and str(name_or_path) in shipped_models()):
        path = _shipped(str(name_or_path))
    if path.is_dir():
        graph = path / PREDICT
        if not graph.is_file():
            raise SpecError(f"{path}: no {PREDICT} in this folder; it is not a model folder")
        try:
            spec = read_spec(path)
        except SpecError as error:
            with suppress(SpecError):
                _check_graph(graph)
                error.add_note(f"{graph} carries the spec, too, and can be used alone: name it")
            raise
        embedded = _check_graph(graph)
        # As text: a metric may be NaN, which is not equal to itself.
        if spec.to_json() != embedded.to_json():
            raise SpecError(
                f"{path / SPEC} differs from the spec inside {PREDICT}"
                f"{_first_difference(spec, embedded)}: copy the folder again, or name {graph} alone"
            )
        return Model(spec, graph)
    return Model(_check_graph(path), path)


def _shipped(name: str) -> Path:
    shipped = shipped_models()
    if name in shipped:
        return shipped[name]
    known = ", ".join(shipped) or "none"
    raise SpecError(
        f"model {name!r}: no such folder or .onnx file, and no shipped model has that name "
        f"(shipped: {known})"
    )


def _first_difference(one: ModelSpec, other: ModelSpec) -> str:
    for field in one.__dataclass_fields__:
        if repr(getattr(one, field)) != repr(getattr(other, field)):
            return f" at {field!r}"
    return ""


def _check_graph(path: Path) -> ModelSpec:
    """The spec embedded in an ONNX file, after a trial run has shown that it fits the graph."""
    import onnxruntime as ort

    from chromputer_tracks.inference.session import ORT_ERRORS

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except ORT_ERRORS as error:
        raise SpecError(f"{path}: not a readable ONNX model, copy it again: {error}") from error
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise SpecError(
            f"{path}: its metadata hold no {METADATA_KEY!r}; export it with `chromputer train`"
        )
    spec = ModelSpec.from_json(text, f"{path} (metadata {METADATA_KEY})")
    names = [item.name for item in session.get_inputs()]
    if WEIGHTS in names:
        raise SpecError(
            f"{path}: this graph explains a model; name its folder, or the {PREDICT} beside it"
        )
    wanted = [item.name for item in spec.inputs]
    if sorted(names) != sorted(wanted):
        raise SpecError(f"{path}: the graph takes inputs {names}, its spec says {wanted}")
    outputs = [item.name for item in session.get_outputs()]
    if "logits" not in outputs:
        raise SpecError(f"{path}: the graph has no output 'logits', only {outputs}")
    positions = 3
    length = spec.window + (positions - 1) * spec.stride
    trial = {
        item.name: np.zeros((1, item.channels, length // item.bin), dtype=np.float32)
        for item in spec.inputs
    }
    try:
        (logits,) = session.run(["logits"], trial)
    except ORT_ERRORS as error:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in trial.items())
        raise SpecError(
            f"{path}: the graph refuses what its spec describes ({shapes}): {error}"
        ) from error
    if logits.shape != (1, spec.outputs, positions):
        raise SpecError(
            f"{path}: {length} bp gave logits of shape {logits.shape}; its spec says "
            f"{(1, spec.outputs, positions)}"
        )
    return spec


# ---- The labels of a model: their order among its outputs, and how they are named.


@dataclass(frozen=True, slots=True)
class ModelLabel:
    """A label and its place in the model.

    Attributes:
        key: its name, as ``HEAD.LABEL`` where several labels have it.
        head: its head.
        label: itself.
        row: among the model's outputs.
    """

    key: str
    head: HeadSpec
    label: Label
    row: int


def model_labels(spec: ModelSpec) -> tuple[ModelLabel, ...]:
    """All labels, in the order of the outputs."""
    pairs = [(head, label) for head in spec.heads for label in head.labels]
    often = Counter(label.name for _, label in pairs)
    return tuple(
        ModelLabel(
            label.name if often[label.name] == 1 else f"{head.name}.{label.name}", head, label, row
        )
        for row, (head, label) in enumerate(pairs)
    )


def find_label(spec: ModelSpec, name: str) -> ModelLabel:
    """The label of a name.

    Args:
        spec: of the model.
        name: ``LABEL`` or ``HEAD.LABEL``; the latter where several heads have one of that name.

    Raises:
        InputError: there is no such label, or more than one.
    """
    every = model_labels(spec)
    found = [
        item for item in every if name in (item.label.name, f"{item.head.name}.{item.label.name}")
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"model {spec.name} has {len(found)} labels {name!r}: write HEAD.{name}, with one of "
            f"the heads {', '.join(item.head.name for item in found)}"
        )
    raise InputError(
        f"model {spec.name} has no label {name!r}; it has {', '.join(item.key for item in every)}"
    )

"""``ModelSpec``: everything that inference needs to know about a model, and its JSON.

The spec is written as ``model.json`` in the model folder and embedded in the metadata of each
ONNX file under :data:`METADATA_KEY`, so that one ``.onnx`` file is usable alone.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from chromputer_tracks.errors import InputError, SpecError
from chromputer_tracks.intervals import Grid

SPEC_VERSION = 1
METADATA_KEY = "chromputer_model_spec"

InputKind = Literal["sequence", "vplot"]
HeadKind = Literal["states", "binary"]


@dataclass(frozen=True, slots=True)
class DepthNormalisation:
    """Genome-wide depth scaling of fragment counts.

    A count becomes ``log1p(count * reference / density)`` (``transform`` ``log1p``) or
    ``count * reference / density`` (``none``), where ``density`` is the sample's fragments per
    kb, the length-weighted median over the contigs (robust against rDNA and mitochondria).

    Attributes:
        reference: fragments per kb of the reference depth.
        transform: ``log1p`` or ``none``.
    """

    reference: float
    transform: Literal["log1p", "none"] = "log1p"

    def __post_init__(self) -> None:
        if not self.reference > 0:
            raise SpecError(f"depth reference {self.reference} must be above 0")
        if self.transform not in ("log1p", "none"):
            raise SpecError(f"unknown transform {self.transform!r}")


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of the network, in the order in which the graph takes them.

    Attributes:
        kind: ``sequence``: one-hot A, C, G, T, float32 (n, 4, L); N is all zero.
            ``vplot``: fragment midpoints by length class, float32 (n, lengths, L / bin).
        name: the graph's input name.
        bin: bp per position bin (1 for sequence).
        length_edges: fragment-length edges in bp, ascending; class i holds
            ``edges[i] <= length < edges[i + 1]``.
        normalisation: depth normalisation of a ``vplot``.
    """

    kind: InputKind
    name: str
    bin: int = 1
    length_edges: tuple[int, ...] = ()
    normalisation: DepthNormalisation | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("sequence", "vplot"):
            raise SpecError(f"input {self.name!r}: unknown kind {self.kind!r}")
        if not isinstance(self.bin, int) or self.bin < 1:
            raise SpecError(f"input {self.name!r}: bin {self.bin!r} must be whole, at least 1 bp")
        if self.kind == "sequence" and self.bin != 1:
            raise SpecError(f"input {self.name!r}: bin {self.bin} of a sequence must be 1 bp")
        if self.kind == "vplot":
            edges = self.length_edges
            if len(edges) < 2 or any(b <= a for a, b in zip(edges, edges[1:], strict=False)):
                raise SpecError(f"input {self.name!r}: length_edges must ascend, got {edges}")
            if self.normalisation is None:
                raise SpecError(f"input {self.name!r}: a vplot needs a normalisation")

    @property
    def channels(self) -> int:
        """Rows of the input array."""
        return 4 if self.kind == "sequence" else len(self.length_edges) - 1


@dataclass(frozen=True, slots=True)
class Label:
    """One output row.

    Attributes:
        name: short code, also the track's file name (``S5``, ``Reb1``).
        title: full name for legends.
        color: RGB, 0-255 each.
        scale: calibration; the probability is computed from ``logit * scale + bias``.
        bias: see ``scale``.
        threshold: probability at and above which a bin is called (binary heads).
    """

    name: str
    title: str
    color: tuple[int, int, int]
    scale: float = 1.0
    bias: float = 0.0
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "._-" for c in self.name):
            raise SpecError(f"label name {self.name!r}: use letters, digits, '.', '_' and '-'")
        rgb = self.color
        if len(rgb) != 3 or not all(isinstance(c, int) and 0 <= c <= 255 for c in rgb):
            raise SpecError(f"label {self.name!r}: colour {rgb} is not RGB 0-255, whole numbers")
        if not (math.isfinite(self.scale) and math.isfinite(self.bias)):
            raise SpecError(
                f"label {self.name!r}: scale {self.scale} and bias {self.bias} must be finite"
            )
        if not 0 <= self.threshold <= 1:
            raise SpecError(f"label {self.name!r}: threshold {self.threshold} is not in 0 to 1")


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """One head: ``states`` is a softmax over its labels, ``binary`` a sigmoid per label."""

    kind: HeadKind
    name: str
    labels: tuple[Label, ...]

    def __post_init__(self) -> None:
        if self.kind not in ("states", "binary"):
            raise SpecError(f"head {self.name!r}: unknown kind {self.kind!r}")
        names = [label.name for label in self.labels]
        if not names or len(set(names)) != len(names):
            raise SpecError(f"head {self.name!r}: labels must be distinct and at least one")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a model reads and predicts; see the module's docstring.

    Attributes:
        name: the model's name (its folder).
        window: bp that one output reads.
        stride: bp between outputs; an output speaks for the ``stride`` bases at the centre.
        label_bin: bp of the bin that a label speaks for (a TF is bound when a peak centre lies
            within the ``label_bin`` bases around the window's centre).
        inputs: in graph order.
        heads: in the order of the graph's output channels.
        assembly: name of the assembly that it was trained on.
        sizes_digest: :meth:`ChromSizes.digest` of that assembly.
        splits: ``train``, ``validation``, ``test`` to contig names.
        metrics: figures by split (``test``, ``validation``), as the model card shows them.
        provenance: package version, inputs' SHA-256, seed, date, command.
    """

    name: str
    window: int
    stride: int
    label_bin: int
    inputs: tuple[InputSpec, ...]
    heads: tuple[HeadSpec, ...]
    assembly: str
    sizes_digest: str
    splits: dict[str, tuple[str, ...]]
    metrics: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    version: int = SPEC_VERSION

    def __post_init__(self) -> None:
        for key in ("window", "stride", "label_bin"):
            value = getattr(self, key)
            if not isinstance(value, int) or value < 1:
                raise SpecError(f"model {self.name!r}: {key} {value!r} must be whole, at least 1")
        try:
            Grid(self.window, self.stride)
        except InputError as error:
            raise SpecError(f"model {self.name!r}: {error}") from error
        for item in self.inputs:
            if self.stride % item.bin or self.window % item.bin:
                raise SpecError(f"input {item.name!r}: bin {item.bin} must divide the stride")
        if not self.inputs or not self.heads:
            raise SpecError(f"model {self.name!r} needs at least one input and one head")
        for what, names in (
            ("input", [i.name for i in self.inputs]),
            ("head", [h.name for h in self.heads]),
        ):
            if len(set(names)) != len(names):
                raise SpecError(f"model {self.name!r}: {what} names must be distinct")
        if sum(head.kind == "states" for head in self.heads) > 1:
            raise SpecError(f"model {self.name!r}: at most one states head")

    @property
    def grid(self) -> Grid:
        """Where the outputs lie."""
        return Grid(self.window, self.stride)

    @property
    def outputs(self) -> int:
        """Number of output channels of the graph."""
        return sum(len(head.labels) for head in self.heads)

    def head_slices(self) -> dict[str, slice]:
        """Head name to its slice of the graph's output channels."""
        slices, at = {}, 0
        for head in self.heads:
            slices[head.name] = slice(at, at + len(head.labels))
            at += len(head.labels)
        return slices

    def to_json(self) -> str:
        """The spec as JSON, two-space indented, keys in declaration order."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str, source: str) -> ModelSpec:
        """Read a spec back.

        Args:
            text: JSON made by :meth:`to_json`.
            source: the file's name, for messages.

        Raises:
            SpecError: not JSON, an unknown version, an unknown or missing key, a bad value.
        """
        try:
            raw = json.loads(text)
        except json.JSONDecodeError as error:
            raise SpecError(f"{source}: not JSON ({error})") from error
        version = raw.get("version") if isinstance(raw, dict) else None
        if version != SPEC_VERSION:
            raise SpecError(
                f"{source}: model spec version {version!r} is unknown; this release reads "
                f"version {SPEC_VERSION}. Upgrade chromputer-tracks or export the model again"
            )
        try:
            raw["inputs"] = tuple(_input(item) for item in raw["inputs"])
            raw["heads"] = tuple(_head(item) for item in raw["heads"])
            raw["splits"] = {key: tuple(value) for key, value in raw["splits"].items()}
            return cls(**raw)
        except SpecError as error:
            raise SpecError(f"{source}: {error}") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SpecError(f"{source}: a key is missing, unknown or ill-typed: {error}") from error


def _input(raw: dict[str, Any]) -> InputSpec:
    depth = raw["normalisation"]
    normalisation = DepthNormalisation(**depth) if depth is not None else None
    edges = tuple(int(edge) for edge in raw["length_edges"])
    return InputSpec(**{**raw, "normalisation": normalisation, "length_edges": edges})


def _head(raw: dict[str, Any]) -> HeadSpec:
    labels = tuple(Label(**{**item, "color": tuple(item["color"])}) for item in raw["labels"])
    return HeadSpec(**{**raw, "labels": labels})

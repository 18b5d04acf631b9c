"""``ModelSpec``: everything that inference needs to know about a model, and its JSON.

The spec is written as ``model.json`` in the model folder and embedded in the metadata of each
ONNX file under :data:`METADATA_KEY`, so that one ``.onnx`` file is usable alone.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from chromputer_tracks.errors import FormatError, InputError, SpecError, meant
from chromputer_tracks.intervals import Grid
from chromputer_tracks.records import Faults, from_plain, raise_first, to_plain

SPEC_VERSION = 2
METADATA_KEY = "chromputer_model_spec"

PREDICT = "predict.onnx"
"""A model folder's graph from inputs to logits."""
EXPLAIN = "explain.onnx"
"""A model folder's graph from one window to contributions."""
DEEPLIFT = "explain.deeplift"
"""Input of the explaining graph, a bool: DeepLIFT, or gradient times input."""
WEIGHTS = "explain.weights"
"""Input of the explaining graph, float32 (n, outputs): the logits' weights in what is explained."""

InputKind = Literal["sequence", "vplot", "signal"]
HeadKind = Literal["states", "binary", "continuous"]
Transform = Literal["log1p", "asinh", "sqrt", "none"]
SignalMeasure = Literal["cuts", "coverage", "midpoints", "values"]
Measure = Literal["", SignalMeasure]

SHAPES = ("MGW", "ProT", "Roll", "HelT")
"""DNA shape features that a ``sequence`` input may carry, computed in the graph."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """What makes counts of samples of any depth comparable.

    A value becomes ``transform(value * reference / density / local)``. ``density`` is the sample's
    own, the length-weighted median over the contigs (robust against rDNA and mitochondria): per
    length class of a ``vplot`` where ``reference`` has one value a class, else of the whole sample.
    ``local`` is the sample's coverage around the position relative to its genome-wide mean::

        local = (n / density + prior) / (length + prior)

    with ``n`` the fragments whose midpoint lies in the box of ``background`` bp centred on the bin,
    cut at the contig's ends, ``length`` the box's length after the cut, and ``density`` per bp; it
    is 1 where ``background`` is 0.

    Attributes:
        reference: density of the reference depth: fragments per kb (one value, or one a length
            class), or mean value per bp of a bigWig.
        transform: ``log1p``, ``asinh``, ``sqrt`` or ``none``.
        background: bp of the local box; 0 for none.
        prior: bp of average coverage that the box is taken to hold beside its own, so that an empty
            box does not divide by 0.
    """

    reference: tuple[float, ...]
    transform: Transform = "log1p"
    background: int = 0
    prior: int = 1000

    def __post_init__(self) -> None:
        raise_first(self._faults(), SpecError)

    def _faults(self) -> Faults:
        if not self.reference or not all(0 < value < math.inf for value in self.reference):
            yield "reference", f"normalisation reference {self.reference} must be above 0"
        if self.transform not in get_args(Transform):
            yield "transform", f"unknown transform {self.transform!r}"
        for key in ("background", "prior"):
            value = getattr(self, key)
            if not isinstance(value, int) or value < 0:
                yield key, f"normalisation {key} {value!r} must be whole bp, at least 0"
        if self.background and not self.prior:
            yield "prior", "normalisation prior must be above 0 where there is a background"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of the network, in the order in which the graph takes them.

    Attributes:
        kind: ``sequence``: one-hot A, C, G, T, float32 (n, 4, L); N is all zero.
            ``vplot``: fragment midpoints by length class, float32 (n, lengths, L / bin).
            ``signal``: a 1D signal, float32 (n, 1, L / bin), the mean per bp of each bin.
        name: the graph's input name.
        bin: bp per position bin (1 for sequence).
        length_edges: fragment-length edges in bp, ascending; class i holds
            ``edges[i] <= length < edges[i + 1]``. A ``signal`` of fragments may have two: other
            fragments do not count.
        normalisation: how counts are made comparable, of a ``vplot`` or ``signal``.
        assay: which of the sample's files is read (``atac``, ``mnase`` ...); empty for sequence.
        measure: what a ``signal`` counts: ``cuts`` (both ends of each fragment), ``coverage``
            (fragments over each base), ``midpoints``, or ``values`` of a bigWig.
        smooth: bp of the centred box over which a ``signal`` is averaged; 0 for none.
        bases: whether the network reads the bases of a ``sequence`` themselves.
        shape: which of :data:`SHAPES` the network computes from a ``sequence``.
    """

    kind: InputKind
    name: str
    bin: int = 1
    length_edges: tuple[int, ...] = ()
    normalisation: Normalisation | None = None
    assay: str = ""
    measure: Measure = ""
    smooth: int = 0
    bases: bool = True
    shape: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        raise_first(self._faults(), SpecError)

    def _faults(self) -> Faults:
        what = f"input {self.name!r}"
        if not self.name or not all(c.isalnum() or c in "._-" for c in self.name):
            yield "name", f"{what}: use letters, digits, '.', '_' and '-' for its name"
        if self.kind not in get_args(InputKind):
            yield "kind", f"{what}: unknown kind {self.kind!r}"
        if not isinstance(self.bin, int) or self.bin < 1:
            yield "bin", f"{what}: bin {self.bin!r} must be whole, at least 1 bp"
        edges = self.length_edges
        if any(not isinstance(edge, int) for edge in edges) or any(
            b <= a for a, b in zip(edges, edges[1:], strict=False)
        ):
            yield "length_edges", f"{what}: length_edges must be whole and ascend, got {edges}"
        if self.kind == "sequence":
            yield from self._sequence_faults(what)
            return
        if not self.assay:
            yield "assay", f"{what}: a {self.kind} needs an assay to read"
        if self.normalisation is None:
            yield "normalisation", f"{what}: a {self.kind} needs a normalisation"
        elif (references := len(self.normalisation.reference)) not in (1, self.channels):
            yield (
                "normalisation.reference",
                f"{what}: {references} reference densities for {self.channels} length classes",
            )
        if self.kind == "vplot" and len(edges) < 2:
            yield "length_edges", f"{what}: a vplot needs at least two length_edges, got {edges}"
        if self.kind == "signal":
            yield from self._signal_faults(what)

    def _sequence_faults(self, what: str) -> Faults:
        if self.bin != 1:
            yield "bin", f"{what}: bin {self.bin} of a sequence must be 1 bp"
        unknown = [name for name in self.shape if name not in SHAPES]
        if unknown:
            known = ", ".join(SHAPES)
            yield "shape", f"{what}: unknown shape {unknown[0]!r}; known: {known}"
        if not (self.bases or self.shape):
            yield "bases", f"{what}: neither bases nor shape are read"

    def _signal_faults(self, what: str) -> Faults:
        if self.measure not in get_args(Measure)[1:]:
            yield "measure", f"{what}: unknown measure {self.measure!r}"
        if len(self.length_edges) not in (0, 2) or (self.length_edges and self.measure == "values"):
            yield "length_edges", f"{what}: a signal of fragments has two length_edges or none"
        if self.smooth and (
            self.smooth < 0 or self.smooth % self.bin or self.smooth // self.bin % 2 == 0
        ):
            yield (
                "smooth",
                f"{what}: smooth {self.smooth} must be an odd number of bins of {self.bin} bp",
            )

    @property
    def channels(self) -> int:
        """Rows of the input array."""
        if self.kind == "sequence":
            return 4
        return len(self.length_edges) - 1 if self.kind == "vplot" else 1


def fragment_assays(inputs: Sequence[InputSpec]) -> tuple[str, ...]:
    """The assays whose fragments a model reads, in the order of its inputs."""
    named = (item.assay for item in inputs if item.assay and item.measure != "values")
    return tuple(dict.fromkeys(named))


def _name_faults(what: str, name: str) -> Faults:
    """Names of labels and heads are names of files and folders, too."""
    if name in ("", ".", "..") or not all(c.isalnum() or c in "._-" for c in name):
        yield "name", f"{what} name {name!r}: use letters, digits, '.', '_' and '-'"


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
        raise_first(self._faults(), SpecError)

    def _faults(self) -> Faults:
        yield from _name_faults("label", self.name)
        rgb = self.color
        if len(rgb) != 3 or not all(isinstance(c, int) and 0 <= c <= 255 for c in rgb):
            yield "color", f"label {self.name!r}: colour {rgb} is not RGB 0-255, whole numbers"
        if not (math.isfinite(self.scale) and math.isfinite(self.bias)):
            yield (
                "scale",
                f"label {self.name!r}: scale {self.scale} and bias {self.bias} must be finite",
            )
        if not 0 <= self.threshold <= 1:
            yield "threshold", f"label {self.name!r}: threshold {self.threshold} is not in 0 to 1"


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """One head.

    Attributes:
        kind: ``states``: a softmax over its labels. ``binary``: a sigmoid per label.
            ``continuous``: a value per label, ``transform``'s inverse of the logit.
        name: the head's name, also the folder of its tracks.
        labels: its outputs.
        transform: what the logit of a ``continuous`` head estimates: ``log`` of the mean
            (Poisson loss; the value is ``exp(logit)``) or ``log1p`` of the value (squared loss; the
            value is ``expm1(logit)``, at least 0).
    """

    kind: HeadKind
    name: str
    labels: tuple[Label, ...]
    transform: Literal["", "log", "log1p"] = ""

    def __post_init__(self) -> None:
        raise_first(self._faults(), SpecError)

    def _faults(self) -> Faults:
        if self.kind not in get_args(HeadKind):
            yield "kind", f"head {self.name!r}: unknown kind {self.kind!r}"
        if (self.kind == "continuous") != (self.transform in ("log", "log1p")):
            yield "transform", f"head {self.name!r}: transform {self.transform!r} of a {self.kind}"
        yield from _name_faults("head", self.name)
        names = [label.name for label in self.labels]
        if not names or len(set(names)) != len(names):
            yield "labels", f"head {self.name!r}: labels must be distinct and at least one"


# What a model has seen: by it a new sample's fitness is judged.

LENGTH_STEP, LENGTH_CLASSES = 10, 101
"""bp per class of :attr:`SampleProfile.lengths`, and their number: the last holds all of 1,000 bp
and more."""
CUT_FLANK = 10
"""Bases on each side of a cut site in :attr:`SampleProfile.cut_bases`."""
GC_CLASSES = 25
"""Classes of :attr:`SampleProfile.gc`, 4 % of G and C each."""
TSS_FLANK, TSS_STEP = 2000, 50
"""bp on each side of a TSS, and bp per class, of :attr:`SampleProfile.tss_cuts`."""
TSS_VPLOT_FLANK, TSS_VPLOT_LENGTHS = 1000, tuple(range(20, 421, 20))
"""bp on each side of a TSS, in classes of :data:`TSS_STEP`, and length edges in bp, of
:attr:`SampleProfile.tss_vplot`."""


@dataclass(frozen=True, slots=True)
class SampleProfile:
    """How the fragments of a sample look.

    All but the number and ``mitochondrial`` leave out contigs of mitochondria and plastids.

    Attributes:
        fragments: their number.
        depth: fragments per kb, by which counts are normalised.
        lengths: share of the fragments by length, :data:`LENGTH_CLASSES` classes of
            :data:`LENGTH_STEP` bp from 0 on.
        cut_bases: shares of A, C, G, T at each base from ``-CUT_FLANK`` to ``CUT_FLANK`` around a
            cut site, 5' to 3' on the strand of the fragment's end; empty: not computed.
        tss_enrichment: mean cut sites at TSSs over those 2 kb away; None without TSSs.
        mitochondrial: share of all fragments on the organelles' contigs; None where the genome has
            none under a usual name.
        gc: share of the fragments by their share of G and C, :data:`GC_CLASSES` classes; empty: not
            computed.
        tss_cuts: cut sites by position, classes of :data:`TSS_STEP` bp from ``-TSS_FLANK`` to
            ``TSS_FLANK`` around TSSs, in the genes' direction, over those 2 kb away; empty without
            TSSs.
        tss_vplot: fragments around TSSs, lengths by positions in the genes' direction, over their
            mean; see :data:`TSS_VPLOT_LENGTHS`; empty without TSSs.
    """

    fragments: int
    depth: float
    lengths: tuple[float, ...]
    cut_bases: tuple[tuple[float, ...], ...] = ()
    tss_enrichment: float | None = None
    mitochondrial: float | None = None
    gc: tuple[float, ...] = ()
    tss_cuts: tuple[float, ...] = ()
    tss_vplot: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class DepthAccuracy:
    """Accuracy on held-out sites with a part of the training sample's fragments.

    Attributes:
        share: of the fragments, drawn at random; 1: all.
        depth: fragments per kb of the first assay of fragments, the mean over training samples.
        accuracy: of the states, with the ends of its 95 % interval; None without states.
        macro_f1: of the states, likewise.
        auprc: mean over the labels of binary heads, likewise.
        confidence: mean probability that the model itself gives the states that it calls: the
            accuracy, if it knew how thin the sample is.
    """

    share: float
    depth: float
    accuracy: tuple[float, float, float] | None = None
    macro_f1: tuple[float, float, float] | None = None
    auprc: tuple[float, float, float] | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class LocalAccuracy:
    """Balanced accuracy of the states at held-out sites by how many fragments lie around.

    Where nothing is seen, the most frequent state is called, and often right: the plain accuracy is
    largest where the sample says least, and so tells nothing of where it is too thin.

    Attributes:
        fragments: mean number of fragments, of all assays, whose midpoints lie in a site's window.
        accuracy: mean over the states of the share of their sites that are called right; of ``n``
            states, ``1 / n`` if all sites were called alike. Never falls with the fragments.
        sites: their number.
    """

    fragments: float
    accuracy: float
    sites: int


@dataclass(frozen=True, slots=True)
class Fitness:
    """What a model needs of a sample, as measured on its own.

    Attributes:
        contigs: held-out contigs of the measured accuracies.
        samples: the training sample's profile by assay of fragments.
        depths: accuracy by depth, the deepest first; empty without states and binary labels.
        local: balanced accuracy by fragments around a site, ascending in ``fragments``, over the
            sites of all depths; empty without states.
    """

    contigs: tuple[str, ...]
    samples: dict[str, SampleProfile]
    depths: tuple[DepthAccuracy, ...] = ()
    local: tuple[LocalAccuracy, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a model reads and predicts; see the module's docstring.

    Attributes:
        name: the model's name (its folder).
        window: bp that one output reads.
        stride: bp between outputs; an output speaks for the ``stride`` bases at the centre.
        label_bin: bp of the bin that a label speaks for (a TF is bound when a peak centre lies
            within the ``label_bin`` bases around the window's centre).
        inputs: the inputs, in graph order.
        heads: the heads, in the order of the graph's output channels.
        assembly: name of the assembly that it was trained on.
        sizes_digest: :meth:`ChromSizes.digest` of that assembly.
        splits: ``train``, ``validation``, ``test`` to contig names.
        metrics: figures by split (``test``, ``validation``), as the model card shows them.
        provenance: package version, inputs' SHA-256, seed, date, command.
        fitness: what it needs of a sample; None where that was not measured.
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
    metrics: dict[str, Any] = field(default_factory=dict, repr=False)
    provenance: dict[str, Any] = field(default_factory=dict, repr=False)
    fitness: Fitness | None = field(default=None, repr=False)
    version: int = SPEC_VERSION

    def __post_init__(self) -> None:
        raise_first(self._faults(), SpecError)

    def _faults(self) -> Faults:
        for key in ("window", "stride", "label_bin"):
            value = getattr(self, key)
            if not isinstance(value, int) or value < 1:
                yield "", f"model {self.name!r}: {key} {value!r} must be whole, at least 1"
        try:
            Grid(self.window, self.stride)
        except InputError as error:
            raise SpecError(f"model {self.name!r}: {error}") from error
        for item in self.inputs:
            if self.stride % item.bin or self.window % item.bin:
                yield "", f"input {item.name!r}: bin {item.bin} must divide the stride"
        if not self.inputs or not self.heads:
            yield "", f"model {self.name!r} needs at least one input and one head"
        for what, names in (
            ("input", [i.name for i in self.inputs]),
            ("head", [h.name for h in self.heads]),
        ):
            if len(set(names)) != len(names):
                yield "", f"model {self.name!r}: {what} names must be distinct"
        if sum(head.kind == "states" for head in self.heads) > 1:
            yield "", f"model {self.name!r}: at most one states head"

    @property
    def grid(self) -> Grid:
        """Where the outputs lie."""
        return Grid(self.window, self.stride)

    @property
    def outputs(self) -> int:
        """Number of output channels of the graph."""
        return sum(len(head.labels) for head in self.heads)

    @property
    def states_head(self) -> HeadSpec | None:
        """The head of chromatin states; None without one."""
        return next((head for head in self.heads if head.kind == "states"), None)

    def head_slices(self) -> dict[str, slice]:
        """Head name to its slice of the graph's output channels."""
        slices, at = {}, 0
        for head in self.heads:
            slices[head.name] = slice(at, at + len(head.labels))
            at += len(head.labels)
        return slices

    def to_json(self) -> str:
        """The spec as JSON, two-space indented, keys in declaration order."""
        return json.dumps(to_plain(self), indent=2)

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
        except (ValueError, RecursionError) as error:
            raise SpecError(f"{source}: not JSON ({error})") from error
        version = raw.get("version") if isinstance(raw, dict) else None
        if version != SPEC_VERSION:
            later = isinstance(version, int) and version > SPEC_VERSION
            raise SpecError(
                f"{source}: model spec version {version!r} is unknown; this release reads "
                f"version {SPEC_VERSION}: "
                + ("upgrade chromputer-tracks" if later else "train the model again")
            )
        # The classes' own checks say more than their types do, so they alone judge the values.
        try:
            return from_plain(cls, raw, lenient=True)
        except FormatError as error:
            raise SpecError(
                f"{source}: a key is missing, unknown or ill-typed: {error}", key=error.key
            ) from error
        except SpecError as error:
            raise SpecError(f"{source}: {error}", key=error.key) from error
        except TypeError as error:  # a check that met another type than it compares
            raise SpecError(f"{source}: a key is ill-typed: {error}") from error


def reference_name(name: str) -> str:
    """The explaining graph's input that holds the references of an input."""
    return f"{name}.reference"


def layer_name(name: str, part: str) -> str:
    """The explaining graph's output with a part of an input's first layer."""
    return f"layer.{name}.{part}"


def explain_outputs(inputs: tuple[InputSpec, ...]) -> list[str]:
    """The explaining graph's outputs, all float32, in order.

    ``explain.logit`` (n,) and ``explain.difference`` (n,), of the logit from the mean of the
    references; of each input ``contributions.NAME`` in the shape of the input (of a sequence only
    of the base that is there, (n, window)), ``hypothetical.NAME`` (n, 4, window) of a sequence's
    bases, ``shape.NAME`` (n, features, window) of its shape, and ``filters.NAME`` (n, filters).
    """
    names = ["explain.logit", "explain.difference"]
    for item in inputs:
        if item.bases:
            names.append(f"contributions.{item.name}")
            names += [f"hypothetical.{item.name}"] * (item.kind == "sequence")
        names += [f"shape.{item.name}"] * bool(item.shape)
        names.append(f"filters.{item.name}")
    return names


# The labels of a model: their order among its outputs, and how they are named.


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


def shipped_folders(package: Path) -> dict[str, Path]:
    """Name to folder of the models that come with a package, sorted by name.

    Args:
        package: folder of the code. In a wheel the models are inside, in a checkout beside it.
    """
    for root in (package / "_models", package.parent / "models"):
        if root.is_dir():
            return {f.name: f for f in sorted(root.iterdir()) if (f / PREDICT).is_file()}
    return {}


def find_label(spec: ModelSpec, name: str) -> ModelLabel:
    """The label of a name.

    Args:
        spec: the model's.
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
    keys = [item.key for item in every]
    close = meant(name, [*keys, *(item.label.name for item in every)])
    raise InputError(
        f"model {spec.name} has no label {name!r}{close or ';'} "
        f"{'It' if close else 'it'} has {', '.join(keys)}"
    )

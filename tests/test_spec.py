"""``ModelSpec``, its JSON and its labels."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from explain_run import explained_spec
from hypothesis import given
from hypothesis import strategies as st

from chromputer_tracks.errors import InputError, SpecError
from chromputer_tracks.spec import (
    SHAPES,
    HeadSpec,
    InputSpec,
    Label,
    ModelSpec,
    Normalisation,
    find_label,
    model_labels,
)

names = st.from_regex(r"[A-Za-z0-9._-]{1,8}", fullmatch=True).filter(lambda n: n not in (".", ".."))
finite = st.floats(allow_nan=False, allow_infinity=False)
labels = st.builds(
    Label,
    name=names,
    title=st.text(max_size=20),
    color=st.tuples(*[st.integers(0, 255)] * 3),
    scale=finite,
    bias=finite,
    threshold=st.floats(0, 1),
)
label_sets = st.lists(labels, min_size=1, max_size=4, unique_by=lambda label: label.name).map(tuple)
edges = st.lists(st.integers(0, 2000), min_size=2, max_size=5, unique=True).map(sorted).map(tuple)
TRANSFORMS = ["log1p", "asinh", "sqrt", "none"]


def normalisations(classes: int) -> st.SearchStrategy[Normalisation]:
    """With one reference, or one for each length class."""
    values = st.floats(1e-6, 1e6)
    return st.builds(
        Normalisation,
        st.one_of(*(st.tuples(*[values] * number) for number in {1, classes})),
        st.sampled_from(TRANSFORMS),
        st.integers(0, 10**5),
        st.integers(1, 10**4),
    )


@st.composite
def input_specs(draw: st.DrawFn, kind: str, name: str, bin_size: int) -> InputSpec:
    """Any input of a kind."""
    if kind == "sequence":
        shape = tuple(draw(st.lists(st.sampled_from(SHAPES), unique=True)))
        return InputSpec("sequence", name, bases=not shape or draw(st.booleans()), shape=shape)
    assay = draw(st.sampled_from(["atac", "mnase"]))
    if kind == "vplot":
        bounds = draw(edges)
        how = draw(normalisations(len(bounds) - 1))
        return InputSpec("vplot", name, bin_size, bounds, how, assay)
    measure = draw(st.sampled_from(["cuts", "coverage", "midpoints", "values"]))
    bounds = () if measure == "values" else draw(st.just(()) | edges.map(lambda all: all[:2]))
    smooth = draw(st.just(0) | st.integers(0, 9).map(lambda half: bin_size * (2 * half + 1)))
    how = draw(normalisations(1))
    return InputSpec("signal", name, bin_size, bounds, how, assay, measure, smooth)


@st.composite
def specs(draw: st.DrawFn) -> ModelSpec:
    bin_size = draw(st.integers(1, 25))
    stride = bin_size * draw(st.integers(1, 10))
    window = stride + 2 * bin_size * draw(st.integers(0, 30))
    kinds = draw(st.lists(st.sampled_from(["sequence", "vplot", "signal"]), min_size=1, max_size=4))
    inputs = tuple(draw(input_specs(k, f"{k}_{row}", bin_size)) for row, k in enumerate(kinds))
    heads = (
        HeadSpec("states", "chromatin", draw(label_sets)),
        HeadSpec("binary", "factors", draw(label_sets)),
        HeadSpec("binary", "marks", draw(label_sets)),
        HeadSpec("continuous", "signal", draw(label_sets), draw(st.sampled_from(["log", "log1p"]))),
    )
    chosen = draw(st.permutations(heads))
    return ModelSpec(
        name=draw(names),
        window=window,
        stride=stride,
        label_bin=draw(st.integers(1, 500)),
        inputs=inputs,
        heads=tuple(chosen[: draw(st.integers(1, len(chosen)))]),
        assembly=draw(st.text(max_size=9)),
        sizes_digest="0" * 64,
        splits=draw(st.dictionaries(names, st.lists(names).map(tuple), max_size=3)),
        metrics=draw(st.dictionaries(names, finite, max_size=3)),
        provenance={"seed": 1, "inputs": {"genome.fa": "ab"}},
    )


def example() -> ModelSpec:
    return ModelSpec(
        name="m",
        window=2000,
        stride=50,
        label_bin=200,
        inputs=(
            InputSpec("sequence", "dna"),
            InputSpec("vplot", "atac", 10, (1, 100, 200), Normalisation((3.5,)), "atac"),
            InputSpec("signal", "h3", 10, (), Normalisation((1.0,)), "h3", "values", 50),
        ),
        heads=(
            HeadSpec("states", "s", (Label("S1", "one", (1, 2, 3)), Label("S2", "two", (0, 0, 0)))),
            HeadSpec("binary", "b", (Label("Reb1", "Reb1", (255, 255, 255), 2.0, -1.5, 0.25),)),
            HeadSpec("continuous", "c", (Label("RNA", "RNA", (0, 0, 0)),), "log"),
        ),
        assembly="sacCer3",
        sizes_digest="ab",
        splits={"train": ("chrI", "chrIII"), "test": ()},
    )


@given(specs())
def test_json_is_inverted(spec: ModelSpec) -> None:
    assert ModelSpec.from_json(spec.to_json(), "model.json") == spec


def test_derived() -> None:
    spec = example()
    assert spec.outputs == 4
    assert spec.head_slices() == {"s": slice(0, 2), "b": slice(2, 3), "c": slice(3, 4)}
    assert [item.channels for item in spec.inputs] == [4, 2, 1]
    assert (spec.grid.window, spec.grid.stride, spec.grid.flank) == (2000, 50, 975)
    assert list(json.loads(spec.to_json()))[:3] == ["name", "window", "stride"]


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set the item at a slash-separated path; ``None`` for a value removes it."""

    def apply(raw: Any) -> None:
        *keys, last = [int(key) if key.isdigit() else key for key in path.split("/")]
        for key in keys:
            raw = raw[key]
        if value is None:
            del raw[last]
        else:
            raw[last] = value

    return apply


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("version", 1, "version 1 is unknown; this release reads version 2: train"),
        ("version", 3, "version 3 is unknown; this release reads version 2: upgrade"),
        ("version", None, "version None is unknown"),
        ("colour", 1, "ill-typed: unknown key 'colour'; known: name, window"),
        ("window", None, "a key is missing, .*: key 'window' is missing"),
        ("inputs", None, "'inputs'"),
        ("inputs/0/kind", "shape", "input 'dna': unknown kind 'shape'"),
        ("inputs/0/bin", 2, "bin 2 of a sequence must be 1 bp"),
        ("inputs/1/bin", 20, "input 'atac': bin 20 must divide the stride"),
        ("inputs/1/bin", 0, "bin 0 must be whole, at least 1 bp"),
        ("inputs/1/bin", 2.5, "bin 2.5 must be whole"),
        ("inputs/1/name", "dna", "input names must be distinct"),
        ("inputs/1/name", "a b", "input 'a b': use letters, digits"),
        ("inputs/1/length_edges", [100, 100], r"must be whole and ascend, got \(100, 100\)"),
        ("inputs/1/length_edges", [100, 200.5], "must be whole and ascend"),
        ("inputs/1/length_edges", [100], r"at least two length_edges, got \(100,\)"),
        ("inputs/1/assay", "", "a vplot needs an assay to read"),
        ("inputs/1/normalisation/reference", 0, "ill-typed"),
        ("inputs/1/normalisation/reference", [], r"reference \(\) must be above 0"),
        ("inputs/1/normalisation/reference", [0], r"reference \(0,\) must be above 0"),
        ("inputs/1/normalisation/reference", [1, float("nan")], "must be above 0"),
        ("inputs/1/normalisation/reference", [1, 2, 3], "3 reference densities for 2 length"),
        ("inputs/1/normalisation/transform", "log", "unknown transform 'log'"),
        ("inputs/1/normalisation/background", -1, "background -1 must be whole bp, at least 0"),
        ("inputs/1/normalisation/background", 1.5, "background 1.5 must be whole bp"),
        ("inputs/1/normalisation/prior", -1, "prior -1 must be whole bp, at least 0"),
        ("inputs/0/shape", ["MGW", "EP"], "unknown shape 'EP'; known: MGW, ProT, Roll, HelT"),
        ("inputs/0/bases", False, "neither bases nor shape are read"),
        ("inputs/2/assay", "", "a signal needs an assay to read"),
        ("inputs/2/measure", "", "unknown measure ''"),
        ("inputs/2/measure", "ends", "unknown measure 'ends'"),
        ("inputs/2/length_edges", [1, 2], "two length_edges or none"),
        ("inputs/2/smooth", 20, "smooth 20 must be an odd number of bins of 10 bp"),
        ("inputs/2/smooth", 35, "smooth 35 must be an odd number"),
        ("inputs/2/smooth", -50, "smooth -50 must be an odd number"),
        ("inputs/2/normalisation/reference", [1, 2], "2 reference densities for 1 length"),
        ("inputs", [], "at least one input and one head"),
        ("heads", [], "at least one input and one head"),
        ("heads/0/kind", "regression", "head 's': unknown kind 'regression'"),
        ("heads/0/kind", "continuous", "head 's': transform '' of a continuous"),
        ("heads/0/transform", "log", "head 's': transform 'log' of a states"),
        ("heads/2/transform", "exp", "head 'c': transform 'exp' of a continuous"),
        ("heads/0/name", "a/b", "head name 'a/b': use letters"),
        ("heads/0/name", "..", r"head name '\.\.': use letters"),
        ("heads/1/kind", "states", "at most one states head"),
        ("heads/1/name", "s", "head names must be distinct"),
        ("heads/0/labels", [], "labels must be distinct and at least one"),
        ("heads/0/labels/1/name", "S1", "labels must be distinct"),
        ("heads/0/labels/0/name", "S/1", "label name 'S/1': use letters"),
        ("heads/0/labels/0/name", "", "label name ''"),
        ("heads/0/labels/0/color", [0, 0, 256], r"colour \(0, 0, 256\) is not RGB"),
        ("heads/0/labels/0/color", [0, 0], "is not RGB"),
        ("heads/0/labels/0/color", [0, 0, 1.5], "is not RGB"),
        ("heads/0/labels/0/color", ["a", 0, 0], "is not RGB"),
        ("heads/0/labels/0/scale", float("nan"), "scale nan and bias 0.0 must be finite"),
        ("heads/1/labels/0/threshold", 1.5, "threshold 1.5 is not in 0 to 1"),
        ("heads/0/labels/0/title", None, "title"),
        ("window", 2001, "must be even"),
        ("window", "2000", "window '2000' must be whole"),
        ("stride", 50.0, "stride 50.0 must be whole"),
        ("label_bin", 0, "label_bin 0 must be whole, at least 1"),
        ("splits", [1], "ill-typed"),
    ],
)
def test_refused(path: str, value: Any, message: str) -> None:
    raw = json.loads(example().to_json())
    change(path, value)(raw)
    with pytest.raises(SpecError, match=message) as caught:
        ModelSpec.from_json(json.dumps(raw), "models/x/model.json")
    assert str(caught.value).startswith("models/x/model.json: ")


def test_an_error_carries_its_key() -> None:
    raw = json.loads(example().to_json())
    change("heads/1/labels/0/threshold", 2)(raw)
    with pytest.raises(SpecError) as caught:
        ModelSpec.from_json(json.dumps(raw), "model.json")
    assert caught.value.key == "heads[1].labels[0].threshold"


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_not_a_spec(text: str) -> None:
    with pytest.raises(SpecError, match="^m.json: "):
        ModelSpec.from_json(text, "m.json")


@pytest.mark.parametrize("row", [1, 2])
def test_counts_need_a_normalisation(row: int) -> None:
    with pytest.raises(SpecError, match="needs a normalisation"):
        dataclasses.replace(example().inputs[row], normalisation=None)


def test_a_background_needs_a_prior() -> None:
    assert Normalisation((1.0,), background=0, prior=0).prior == 0
    with pytest.raises(SpecError, match="prior must be above 0"):
        Normalisation((1.0,), background=10, prior=0)


# Names of a model's labels.


def twice() -> ModelSpec:
    """A model of which two heads have a label TF1."""
    spec = explained_spec()
    other = HeadSpec("binary", "other", (Label("TF1", "again", (1, 2, 3)),))
    return replace(spec, heads=(*spec.heads, other))


def test_labels_are_in_the_order_of_the_outputs():
    spec = twice()
    found = model_labels(spec)
    assert [item.row for item in found] == list(range(spec.outputs))
    for item in found:
        rows = spec.head_slices()[item.head.name]
        assert item.head.labels[item.row - rows.start] is item.label


def test_labels_of_the_same_name_are_told_apart():
    keys = [item.key for item in model_labels(twice())]
    assert keys == ["S0", "S1", "S2", "factors.TF1", "TF2", "H3", "other.TF1"]
    assert [item.key for item in model_labels(explained_spec())][3] == "TF1"


def test_labels_by_name():
    spec = twice()
    names = {"S0": 0, "factors.TF1": 3, "TF2": 4, "factors.TF2": 4, "marks.H3": 5, "other.TF1": 6}
    for name, row in names.items():
        assert find_label(spec, name) == model_labels(spec)[row]


def test_other_names_are_errors():
    with pytest.raises(InputError, match=r"2 labels 'TF1': write HEAD\.TF1.* factors, other$"):
        find_label(twice(), "TF1")
    with pytest.raises(InputError, match=r"no label 'Reb1'; it has S0, S1.*factors\.TF1, TF2"):
        find_label(twice(), "Reb1")

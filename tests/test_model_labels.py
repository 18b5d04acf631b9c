"""Names of a model's labels."""

from __future__ import annotations

from dataclasses import replace

import pytest
from explain_run import explained_spec

from chromputer_tracks.errors import InputError
from chromputer_tracks.spec import HeadSpec, Label, ModelSpec, find_label, model_labels


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

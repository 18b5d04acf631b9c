"""Subsets of inputs: how they are called, and that only the inputs differ between them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_training import Toy, make_toy

from chromputer_tracks.analysis.ablate.study import (
    default_subsets,
    input_names,
    named_subsets,
    with_inputs,
    with_subset,
)
from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.text import COLUMNS
from chromputer_tracks.model.config import InputsConfig, SignalConfig, TrainConfig
from chromputer_tracks.model.sources import open_sources

ALL = InputsConfig(
    shape=("MGW", "Roll"),
    shape_table=Path("shape.tsv"),
    vplots=("atac", "mnase"),
    signals=(SignalConfig("cuts", "atac"), SignalConfig("nucleosomes", "mnase", "midpoints")),
)
NAMES = ("vplot_atac", "vplot_mnase", "cuts", "nucleosomes", "sequence", "shape")


def test_names():
    assert input_names(ALL) == NAMES
    assert input_names(InputsConfig()) == ("vplot", "sequence")
    assert input_names(replace(ALL, sequence=False, vplots=(), signals=())) == ("shape",)


@pytest.mark.parametrize("name", ["shape", "sequence", "vplot_atac"])
def test_a_signal_that_is_called_as_another_input(name):
    inputs = replace(ALL, signals=(SignalConfig(name, "atac"),))
    with pytest.raises(InputError, match=f"two inputs are called '{name}'"):
        input_names(inputs)


def test_up_to_three_inputs_are_combined_in_every_way():
    assert default_subsets(InputsConfig(sequence=False)) == ("vplot",)
    assert default_subsets(InputsConfig()) == ("vplot", "sequence", "vplot+sequence")
    three = replace(ALL, vplots=("atac",), signals=())
    assert default_subsets(three) == (
        *("vplot", "sequence", "shape"),
        *("vplot+sequence", "vplot+shape", "sequence+shape"),
        "vplot+sequence+shape",
    )


def test_of_more_inputs_each_alone_all_but_each_and_all():
    found = default_subsets(ALL)
    assert found[:6] == NAMES
    assert found[-1] == "+".join(NAMES)
    assert found[6] == "vplot_mnase+cuts+nucleosomes+sequence+shape"
    assert found[11] == "vplot_atac+vplot_mnase+cuts+nucleosomes+sequence"
    assert len(found) == 13
    assert named_subsets(ALL, found) == found


def test_a_subset_has_one_name():
    assert named_subsets(ALL, [" shape + cuts", "vplot_mnase+vplot_atac"]) == (
        "cuts+shape",
        "vplot_atac+vplot_mnase",
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["vplot"], "subset 'vplot': no input 'vplot'; the configuration has vplot_atac, vplot_"),
        (["cuts+"], "subset 'cuts\\+': no input ''; the configuration has"),
        ([""], "no input ''"),
        (["cuts+shape+cuts"], "subset 'cuts\\+shape\\+cuts' names an input twice"),
        (["cuts+shape", "cuts", "shape+ cuts"], "subset cuts\\+shape is given twice"),
    ],
)
def test_subsets_that_are_none(given, message):
    with pytest.raises(InputError, match=message):
        named_subsets(ALL, given)


def test_every_subset_has_its_inputs_and_no_others():
    for size in range(1, len(NAMES) + 1):
        for chosen in itertools.combinations(NAMES, size):
            found = with_inputs(ALL, "+".join(chosen))
            vplots = [f"vplot_{assay}" for assay in found.vplots]
            signals = [item.name for item in found.signals]
            rest = ["sequence"] * found.sequence + ["shape"] * bool(found.shape)
            assert (*vplots, *signals, *rest) == chosen
            assert found.shape in ((), ("MGW", "Roll"))
            assert (
                replace(
                    found, sequence=True, shape=ALL.shape, vplots=ALL.vplots, signals=ALL.signals
                )
                == ALL
            )


def test_a_signal_called_sequence_turns_no_sequence_on():
    inputs = InputsConfig(sequence=False, signals=(SignalConfig("sequence", "atac"),))
    found = with_inputs(inputs, "sequence")
    assert not found.sequence
    assert found.vplots == ()
    assert found.signals == inputs.signals


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def config(toy) -> TrainConfig:
    """Every kind of input; sites that are matched by the fragments."""
    rng = np.random.default_rng(0)
    words = ["".join(word) for word in itertools.product("ACGT", repeat=5)]
    rows = ["\t".join([word, *(f"{x:.2f}" for x in rng.random(6))]) for word in words]
    table = toy.folder / "shape.tsv"
    table.write_text("\n".join(["\t".join(["pentamer", *COLUMNS]), *rows]) + "\n")
    base = toy.config()
    fragments = toy.folder / "toy.fragments.tsv"
    return replace(
        base,
        auxiliary=None,
        data=replace(base.data, fragments=None, assays={"atac": fragments, "mnase": fragments}),
        inputs=replace(
            base.inputs,
            shape=ALL.shape,
            shape_table=table,
            vplots=ALL.vplots,
            signals=ALL.signals,
            per_length=True,
        ),
        sites=replace(base.sites, kind="matched"),
    )


def test_arrays_are_those_of_the_whole_and_labels_the_same(config):
    span = Interval("chr2", 3_000, 3_600)
    with open_sources(config) as whole:
        (sample,) = whole.samples
        arrays = sample.features.arrays(span)
        for subset in ("vplot_mnase+sequence", "cuts", "nucleosomes+shape", "+".join(NAMES)):
            chosen = subset.split("+")
            found = with_subset(whole, with_inputs(config.inputs, subset))
            read = [item.name for item in found.inputs]
            assert [n for n in read if n != "sequence"] == [
                n for n in chosen if n not in ("sequence", "shape")
            ]
            (only,) = found.samples
            for name, array in only.features.arrays(span).items():
                np.testing.assert_array_equal(array, arrays[name])
            # Sites are drawn to match the fragments, of which some subsets read none.
            assert only.learnt is sample.learnt
            assert only.scored is sample.scored
            assert only.matched is sample.matched
            assert found.heads is whole.heads
            dna = [item for item in found.inputs if item.kind == "sequence"]
            if "sequence" in chosen or "shape" in chosen:
                assert dna[0].bases == ("sequence" in chosen)
                assert dna[0].shape == (ALL.shape if "shape" in chosen else ())
            else:
                assert not dna
            assert (found.shape_table is not None) == ("shape" in chosen)
        assert whole.inputs == with_subset(whole, config.inputs).inputs


def test_inputs_are_as_if_the_subset_were_opened_alone(config):
    """But for the names of V-plots, which are those of the whole."""
    alone = with_inputs(config.inputs, "vplot_mnase+cuts+sequence")
    with open_sources(config) as whole, open_sources(replace(config, inputs=alone)) as other:
        found = with_subset(whole, alone)
        assert [replace(item, name="any") for item in found.inputs] == [
            replace(item, name="any") for item in other.inputs
        ]

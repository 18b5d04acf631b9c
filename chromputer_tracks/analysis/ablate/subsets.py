"""Subsets of a configuration's inputs, as ``vplot+sequence``, with the files that are open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from chromputer_tracks.data.features import Features
from chromputer_tracks.errors import InputError
from chromputer_tracks.model.config import InputsConfig
from chromputer_tracks.model.sources import Sources
from chromputer_tracks.spec import InputSpec

_ALL_COMBINATIONS = 3
"""Most inputs of which every combination is trained unless subsets are given."""

_BASES, _SHAPE = "sequence", "shape"


def input_names(inputs: InputsConfig) -> tuple[str, ...]:
    """Names of the inputs that can be left out: V-plots, signals, ``sequence``, ``shape``.

    Raises:
        InputError: a signal is called as another input is.
    """
    names = [item.name for item in inputs.specs() if item.kind == "vplot"]
    names += [item.name for item in inputs.signals]
    names += [_BASES] * inputs.sequence + [_SHAPE] * bool(inputs.shape)
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two inputs are called {name!r}: give the signal another name")
    return tuple(names)


def default_subsets(inputs: InputsConfig) -> tuple[str, ...]:
    """Every combination of up to three inputs; of more, each alone, all but each, and all."""
    names = input_names(inputs)
    if len(names) <= _ALL_COMBINATIONS:
        sizes = range(1, len(names) + 1)
        return tuple("+".join(found) for size in sizes for found in combinations(names, size))
    without = ["+".join(other for other in names if other != name) for name in names]
    return (*names, *without, "+".join(names))


def named_subsets(inputs: InputsConfig, given: Sequence[str]) -> tuple[str, ...]:
    """Subsets as they are called everywhere: their inputs in the order of :func:`input_names`.

    Args:
        inputs: of the configuration.
        given: input names joined by ``+``, in any order, with spaces or without.

    Raises:
        InputError: one names an input that is not there, or one twice, or two are the same.
    """
    known = input_names(inputs)
    subsets: list[str] = []
    for subset in given:
        chosen = [name.strip() for name in subset.split("+")]
        for name in chosen:
            if name not in known:
                raise InputError(
                    f"subset {subset!r}: no input {name!r}; the configuration has "
                    f"{', '.join(known)}"
                )
        if len(set(chosen)) < len(chosen):
            raise InputError(f"subset {subset!r} names an input twice")
        named = "+".join(name for name in known if name in chosen)
        if named in subsets:
            raise InputError(f"subset {named} is given twice")
        subsets.append(named)
    return tuple(subsets)


def with_inputs(inputs: InputsConfig, subset: str) -> InputsConfig:
    """The inputs of a subset from :func:`named_subsets` or :func:`default_subsets`."""
    chosen = subset.split("+")
    vplots = {item.name: item.assay for item in inputs.specs() if item.kind == "vplot"}
    return replace(
        inputs,
        sequence=inputs.sequence and _BASES in chosen,
        shape=inputs.shape if _SHAPE in chosen else (),
        vplots=tuple(assay for name, assay in vplots.items() if name in chosen),
        signals=tuple(item for item in inputs.signals if item.name in chosen),
    )


def with_subset(sources: Sources, inputs: InputsConfig) -> Sources:
    """Open files, of which only the inputs of a subset are read.

    Labels and sites stay those of the whole configuration, so that all subsets are trained and
    scored on the same ones, even where sites are matched by the fragments.

    Args:
        sources: of the whole configuration.
        inputs: from :func:`with_inputs`.
    """
    specs: list[InputSpec] = []
    for item in sources.inputs:
        if item.kind == "sequence":
            if inputs.sequence or inputs.shape:
                specs.append(replace(item, bases=inputs.sequence, shape=inputs.shape))
        elif item.kind == "vplot":
            specs += [item] * (item.assay in inputs.vplots)
        else:
            specs += [item] * any(item.name == signal.name for signal in inputs.signals)
    read = tuple(specs)
    return replace(
        sources,
        inputs=read,
        samples=tuple(
            replace(sample, features=Features(read, sources.fasta, sample.assays))
            for sample in sources.samples
        ),
        shape_table=sources.shape_table if inputs.shape else None,
    )

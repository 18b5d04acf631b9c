"""Training configurations in TOML, checked whole before anything is read or trained."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chromputer_tracks.errors import ConfigError, InputError, SpecError
from chromputer_tracks.evaluation.baselines import jaspar_matrix
from chromputer_tracks.intervals import Grid
from chromputer_tracks.io.text import open_input
from chromputer_tracks.model.config import FINE, RENAMED, SignalConfig, TrainConfig
from chromputer_tracks.records import Faults, dotted, from_plain, raise_first
from chromputer_tracks.spec import HeadSpec, Label

_LARGEST = 1 << 24
"""Bytes of a configuration; the reader of TOML takes a thousand times longer than JSON's."""


def load_config(path: Path, root: Path | None = None) -> TrainConfig:
    """Read and check a training configuration.

    Args:
        path: the TOML file.
        root: folder that relative paths start from; the configuration's own is looked into, too.

    Raises:
        ConfigError: names the file, the line, the key, the value and what would be right.
    """
    try:
        with open_input(path) as file:
            text = file.read(_LARGEST + 1).decode("utf-8-sig")  # Windows' editors write the mark
        if len(text) > _LARGEST:
            raise ConfigError(f"{path} is larger than {_LARGEST:,} bytes: it is no configuration")
        raw = tomllib.loads(text)
    except InputError as error:
        raise ConfigError(str(error)) from error
    except (ValueError, RecursionError) as error:  # also of bytes, and of tables in tables
        raise ConfigError(f"{path} is not TOML: {error}") from error
    if root is not None and not root.is_dir():
        raise ConfigError(f"--data {root} is not a folder; {path}'s relative paths start from it")
    folders = (root or path.parent, path.parent)
    old_names: dict[str, str] = {}
    try:
        old_names = _rename_keys(raw)
        config = from_plain(
            TrainConfig,
            raw,
            error=ConfigError,
            path=lambda name, place: _existing(name, place, folders),
        )
        check_config(config)
    except ConfigError as error:
        line = KeyLines(text).find(old_names.get(error.key, error.key))
        where = f"{path}{'' if line is None else f' line {line}'}"
        raise ConfigError(f"{where}: {error}", key=error.key) from error
    for now, then in old_names.items():
        sys.stderr.write(f"note: {path}: {then} is now called {now}\n")
    return config


def _rename_keys(raw: dict[str, Any]) -> dict[str, str]:
    """Give the keys of earlier releases their present names; those to the names that stood there.

    Raises:
        ConfigError: a key is given by both names.
    """
    found = {}
    for then, now in RENAMED.items():
        table, old = then.split(".")
        new = now.split(".")[1]
        values = raw.get(table)
        if isinstance(values, dict) and old in values:
            if new in values:
                raise ConfigError(f"{then} is now called {now}; give it once", key=then)
            values[new] = values.pop(old)
            found[now] = then
    return found


def _existing(name: str, place: str, folders: tuple[Path, Path]) -> Path:
    """The file or folder that a configuration names, in the first of two folders that has it.

    ``~`` and ``$NAME`` are the home folder and what the environment says, as in a shell.
    """
    written = name
    if not any((folder / name).exists() for folder in folders):
        name = _expanded(name, place)
    for folder in folders:
        path = folder / name
        if path.is_dir() and place != "auxiliary.folder":
            raise ConfigError(f"{place}: {path} is a folder; name a file", key=place)
        if path.exists():
            return path
    said = "" if written == name else f" ({written})"
    raise ConfigError(
        f"{place}: no such file: {folders[0] / name}{said}; relative paths start from --data, or "
        f"from the configuration's folder",
        key=place,
    )


def _expanded(name: str, place: str) -> str:
    """A path with the home folder for ``~`` and the environment's values for ``$NAME``."""
    path = os.path.expanduser(os.path.expandvars(name))  # noqa: PTH111 - no error of its own
    unset = re.search(r"\$(\w+|\{[^}]*\})", path)
    if unset and unset[0] in name:
        raise ConfigError(
            f"{place}: {name!r} names the variable {unset[0]}, which is not set in the "
            f"environment: export it, or write the path",
            key=place,
        )
    if path.startswith("~"):
        raise ConfigError(f"{place}: {name!r} names the home of a user who is not here", key=place)
    return path


# ---- What must hold between the keys.

_RESERVED = ("states", "binary", "continuous", "logits", "embedding")
"""Names that no input may have: those of labels in a batch and of the graph's outputs."""


def check_config(config: TrainConfig) -> None:
    """Check a configuration whose keys all have the right type.

    Raises:
        ConfigError: the first thing that is not right, with its key.
    """
    for faults in (_splits, _labels, _sites, _samples, _replicates, _inputs, _network):
        raise_first(faults(config), ConfigError)


def _splits(config: TrainConfig) -> Faults:
    uses: dict[str, str] = {}
    for use in ("train", "validation", "test"):
        contigs = getattr(config.splits, use)
        place = f"splits.{use}"
        if not contigs:
            yield place, f"{place} names no contig"
        for contig in contigs:
            if contig in uses:
                both = f"in splits.{uses[contig]} and in {place}; a contig has one use"
                twice = f"twice in {place}"
                yield place, f"{contig} is {twice if uses[contig] == use else both}"
            uses[contig] = use


def _labels(config: TrainConfig) -> Faults:
    if config.states is None and not (config.binary or config.continuous):
        yield "", "give [states], [[binary]] or [[continuous]]: there is nothing to learn"
    for table in ("binary", "continuous", "samples"):
        names: set[str] = set()
        for row, item in enumerate(getattr(config, table)):
            if item.name in names:
                yield f"{table}[{row}].name", f"two [[{table}]] tables are named {item.name!r}"
            names.add(item.name)
    heads = {*config.binary_heads()}
    for row, item in enumerate(config.binary):
        if item.head == "states" or item.head in config.continuous_heads():
            yield f"binary[{row}].head", f"head {item.head!r} is taken; choose another name"
        with _about(f"binary[{row}]", item):
            label = Label(item.name, item.title, item.color)
        with _about(f"binary[{row}].head"):
            HeadSpec("binary", item.head, (label,))
        if not 0 < item.idr < 1:
            yield f"binary[{row}].idr", f"idr {item.idr} must be in 0 to 1"
        if item.within < 0:
            yield f"binary[{row}].within", f"within {item.within} must be >= 0 bp"
        if item.motif:
            with _about(f"binary[{row}].motif"):
                jaspar_matrix(item.motif)
    for row, item in enumerate(config.continuous):
        place = f"continuous[{row}]"
        with _about(place, item):
            Label(item.name, item.title, item.color)
        if item.bin < 0 or item.bin % FINE:
            yield f"{place}.bin", f"{place}.bin {item.bin} must be a multiple of {FINE} bp, or 0"
    if config.auxiliary is not None and not heads:
        yield "auxiliary", "[auxiliary] goes with [[binary]] labels; there are none"
    if config.auxiliary is not None and not config.auxiliary.folder.is_dir():
        yield "auxiliary.folder", f"auxiliary.folder {config.auxiliary.folder} is not a folder"


def _sites(config: TrainConfig) -> Faults:
    if config.sites.kind == "matched" and config.sites.peaks is not None:
        yield (
            "sites.peaks",
            "sites.peaks goes with sites.kind 'peaks'; accessible regions of the kind "
            "'matched' are sites.matched.peaks",
        )
    if (config.sites.kind == "peaks") != (config.sites.peaks is not None):
        yield (
            "sites",
            f"sites.kind is {config.sites.kind!r}: give sites.peaks with the kind 'peaks', and "
            f"only then",
        )
    if config.sites.matched is not None:
        if config.sites.kind != "matched":
            yield (
                "sites.matched",
                f"[sites.matched] goes with sites.kind 'matched'; it is {config.sites.kind!r}",
            )
        config.sites.matched.check("sites.matched")
    if config.sites.kind == "matched" and not config.binary:
        yield "sites.kind", "sites.kind 'matched' needs [[binary]] labels"


def _samples(config: TrainConfig) -> Faults:
    binary = {item.name for item in config.binary}
    continuous = {item.name for item in config.continuous}
    if config.samples:
        yield from _no_files_beside_samples(config)
        for row, sample in enumerate(config.samples):
            place = f"samples[{row}]"
            for key, names in (("peaks", binary), ("signals", continuous)):
                for name in getattr(sample, key):
                    if name not in names:
                        yield (
                            f"{place}.{key}.{name}",
                            f"{place}.{key} names {name!r}, which no label is called; known: "
                            f"{', '.join(sorted(names)) or 'none'}",
                        )
            if sample.states is not None and config.states is None:
                yield f"{place}.states", f"{place}.states needs [states] with its table"
        yield from _known_in_training(config)
        return
    if config.states is not None and config.states.bed is None:
        yield "states", "key 'states.bed' is missing"
    for row, item in enumerate(config.binary):
        if not item.peaks:
            yield f"binary[{row}]", f"label {item.name!r} has no peaks"
    for row, signal in enumerate(config.continuous):
        if signal.bigwig is None:
            yield f"continuous[{row}]", f"label {signal.name!r} has no bigwig"
    if config.data.fragments is not None and "atac" in config.data.assays:
        yield "data.assays", "data.fragments and data.assays.atac: give one of them"


def _known_in_training(config: TrainConfig) -> Faults:
    """Every label needs a training sample that has a file of it."""
    train = [sample for sample in config.samples if sample.use == "train"]
    if not train:
        yield "samples", "no [[samples]] table has use = 'train'"
    if config.states is not None and all(sample.states is None for sample in train):
        yield "states", "[states] is given, but no [[samples]] table to train on has states"
    for table, key in (("binary", "peaks"), ("continuous", "signals")):
        for row, item in enumerate(getattr(config, table)):
            if not any(getattr(sample, key).get(item.name) for sample in train):
                yield (
                    f"{table}[{row}]",
                    f"label {item.name!r} has no {key} in any [[samples]] table to train on: "
                    f"give {key}.{item.name} there",
                )


def _replicates(config: TrainConfig) -> Faults:
    """What replicates are to agree on needs two files of one sample that differ."""
    of = {
        item.name: [sample.peaks.get(item.name, ()) for sample in config.all_samples()]
        for item in config.binary
    }
    for row, item in enumerate(config.binary):
        if item.agreement != "union" and all(len(files) < 2 for files in of[item.name]):
            yield (
                f"binary[{row}].agreement",
                f"agreement {item.agreement!r} of label {item.name!r} needs the peaks of two "
                f"replicates, but no sample has more than one file: give another, or leave "
                f"agreement out",
            )
        for number, files in enumerate(of[item.name]):
            twice = [path for path in files if files.count(path) > 1]
            if twice:
                sample = f"samples[{number}].peaks.{item.name}"
                yield (
                    sample if config.samples else f"binary[{row}].peaks",
                    f"label {item.name!r} has the file {twice[0]} twice; replicates are "
                    f"different files",
                )


def _no_files_beside_samples(config: TrainConfig) -> Faults:
    given = {
        "data.fragments": config.data.fragments,
        "data.assays": config.data.assays,
        "states.bed": None if config.states is None else config.states.bed,
        **{f"binary[{row}].peaks": item.peaks for row, item in enumerate(config.binary)},
        **{f"continuous[{n}].bigwig": item.bigwig for n, item in enumerate(config.continuous)},
    }
    for place, value in given.items():
        if value:
            yield place, f"{place} is given beside [[samples]]: move it there"


def _inputs(config: TrainConfig) -> Faults:
    inputs = config.inputs
    if not (inputs.sequence or inputs.shape or inputs.vplots or inputs.signals):
        yield "inputs", "[inputs] turns every input off"
    if (inputs.vplots or inputs.signals) and inputs.bin != FINE:
        yield (
            "inputs.bin",
            f"inputs.bin is {inputs.bin}; the network reads V-plots in bins of {FINE} bp",
        )
    if inputs.shape and inputs.shape_table is None:
        yield "inputs.shape", "inputs.shape needs inputs.shape_table"
    for row, signal in enumerate(inputs.signals):
        yield from _signal(config, f"inputs.signals[{row}]", signal)
    with _about("inputs", inputs):
        names = [item.name for item in inputs.specs()]
    for row, name in enumerate(names):
        if name in names[:row]:
            signals = [item.name for item in inputs.signals]
            place = "inputs.vplots"
            if name in signals:  # the last of those that are named so
                place = f"inputs.signals[{len(signals) - 1 - signals[::-1].index(name)}].name"
            yield place, f"two inputs are named {name!r}"
    for row, sample in enumerate(config.all_samples()):
        for assay in inputs.assays:
            if assay not in sample.assays:
                yield (
                    f"samples[{row}]" if config.samples else "data",
                    f"sample {sample.name!r} has no file of the assay {assay!r}, which "
                    f"[inputs] reads; it has: {', '.join(sample.assays) or 'none'}",
                )


def _signal(config: TrainConfig, place: str, signal: SignalConfig) -> Faults:
    if signal.name in _RESERVED:
        yield f"{place}.name", f"{place}.name {signal.name!r} is taken; choose another name"
    if len(signal.lengths) not in (0, 2) or (signal.lengths and signal.measure == "values"):
        yield (
            f"{place}.lengths",
            f"{place}.lengths {list(signal.lengths)} must be two fragment lengths in bp, from "
            f"and to; a bigWig's values have none",
        )
    with _about(place, signal):
        replace(config.inputs, shape=(), vplots=(), signals=(signal,)).specs()


def _network(config: TrainConfig) -> Faults:
    network = config.network
    if config.label_bin % network.stride:
        yield (
            "label_bin",
            f"label_bin {config.label_bin} must be a multiple of the stride ({network.stride})",
        )
    with _about("network.window"):
        Grid(network.window, network.stride)
    with _about("network", network), suppress(ModuleNotFoundError):
        # Without PyTorch a configuration can be written and read; its network is checked with it.
        from chromputer_tracks.model.network import Chromputer

        Chromputer(
            config.inputs.specs(),
            0 if config.states is None else 2,
            len(config.binary),
            len(config.continuous),
            network,
            # Any values that differ, as those of a real table do.
            np.eye(1024, 6) if config.inputs.shape else None,
        )
    reach = config.segments.outputs * network.stride // 2
    if config.segments.jitter > reach:
        yield (
            "segments.jitter",
            f"segments.jitter {config.segments.jitter} would move a peak out of its segment, "
            f"which reaches {reach} bp to each side",
        )


@contextmanager
def _about(place: str, table: Any = None) -> Iterator[None]:
    """Point errors of the parts of a model that are made of a table to the table's key."""
    try:
        yield
    except (ConfigError, InputError, SpecError) as error:
        key = error.key if error.key and hasattr(table, error.key) else ""
        raise ConfigError(str(error), key=dotted(place, key)) from error


# ---- Where in a TOML file a key stands, so that a message can name the line to mend.

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_NAME = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_NAME})[ \t]*\]\]?")
_KEY = re.compile(rf"[ \t]*({_NAME})[ \t]*=")
_TOKEN = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|#[^\n]*|[\[\]{}\n]''',
    re.DOTALL,
)
"""What may hide or hold a line's end: strings, comments, brackets; and the line's end itself."""


class KeyLines:
    """Line numbers of the tables and keys of a TOML text.

    A place is written as the configuration's checks write it: ``fit.epochs``,
    ``binary[2].peaks[0]`` (tables of an array are counted from 0).

    Args:
        text: valid TOML.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[str, int] = {}
        counts: dict[str, int] = {}
        table = ""
        for number, statement in _statements(text):
            header = _HEADER.match(statement)
            if header is not None:
                parts = _parts(header[2])
                table = _placed(parts, counts, new=header[1] == "[[")
                self._note(table, number)
                continue
            key = _KEY.match(statement)
            if key is not None:
                place = table
                for part in _parts(key[1]):
                    place = dotted(place, part)
                self._note(place, number)

    def find(self, place: str) -> int | None:
        """The line of a place, or else of the closest table or key around it; 1-based."""
        while place and place not in self._lines:
            place = _around(place)
        return self._lines.get(place)

    def _note(self, place: str, number: int) -> None:
        self._lines[place] = number
        # Tables that are only named on the way to others: ``a`` by ``[a.b]`` or ``a.b = 1``.
        while place := _around(place):
            self._lines.setdefault(place, number)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Number of the first line (1-based) and text of each statement, strings and lists whole."""
    number, start, first, depth = 1, 0, 1, 0
    for token in _TOKEN.finditer(text):
        found = token[0]
        if found in ("[", "{"):
            depth += 1
        elif found in ("]", "}"):
            depth -= 1
        elif found == "\n" and not depth:
            yield first, text[start : token.start()]
            start, first = token.end(), number + 1
        number += found.count("\n")
    yield first, text[start:]


def _around(place: str) -> str:
    return place[: max(place.rfind("."), place.rfind("["), 0)]


def _parts(name: str) -> list[str]:
    """The parts of a dotted key, without quotes."""
    parts, value = [], tomllib.loads(f"{name} = 0")
    while isinstance(value, dict):
        (part,) = value
        parts.append(part)
        value = value[part]
    return parts


def _placed(parts: list[str], counts: dict[str, int], *, new: bool) -> str:
    """``samples.assays`` to ``samples[1].assays`` where ``samples`` is an array of tables.

    Args:
        parts: the parts of a header's name.
        counts: place of each array of tables to the number of its last table; updated.
        new: whether the header begins another table of an array.
    """
    place = ""
    for index, part in enumerate(parts):
        place = dotted(place, part)
        if new and index == len(parts) - 1:
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place += f"[{counts[place]}]"
    return place

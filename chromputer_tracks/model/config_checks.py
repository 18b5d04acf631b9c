"""What must hold between the keys of a training configuration."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from chromputer_tracks.errors import ConfigError, InputError, SpecError
from chromputer_tracks.evaluation.baselines import jaspar_matrix
from chromputer_tracks.intervals import Grid
from chromputer_tracks.model.config import (
    FINE,
    BinaryConfig,
    ContinuousConfig,
    SignalConfig,
    TrainConfig,
)
from chromputer_tracks.model.network import Chromputer
from chromputer_tracks.spec import HeadSpec, Label

MakeError = Callable[[str, str], ConfigError]
"""Place of a key (``fit.epochs``, ``binary[2].name``) and message, to the error to raise."""


def check_config(config: TrainConfig, error: MakeError) -> None:
    """Check a configuration whose keys all have the right type.

    Raises:
        ConfigError: the first thing that is not right, as made by ``error``.
    """
    _Checks(error, config).all()


class _Checks:
    def __init__(self, error: MakeError, config: TrainConfig) -> None:
        self._error, self._config = error, config

    def all(self) -> None:
        """Raise ConfigError at the first thing that is not right."""
        self._splits()
        self._numbers()
        self._labels()
        self._sites()
        self._samples()
        self._replicates()
        self._inputs()
        self._network()

    def _splits(self) -> None:
        uses: dict[str, str] = {}
        for use in ("train", "validation", "test"):
            contigs = getattr(self._config.splits, use)
            place = f"splits.{use}"
            if not contigs:
                raise self._error(place, f"{place} names no contig")
            for contig in contigs:
                if contig in uses:
                    both = f"in splits.{uses[contig]} and in {place}; a contig has one use"
                    twice = f"twice in {place}"
                    raise self._error(
                        place, f"{contig} is {twice if uses[contig] == use else both}"
                    )
                uses[contig] = use

    def _labels(self) -> None:
        config = self._config
        if config.states is None and not (config.binary or config.continuous):
            raise self._error(
                "", "give [states], [[binary]] or [[continuous]]: there is nothing to learn"
            )
        for table in ("binary", "continuous", "samples"):
            names: set[str] = set()
            for row, item in enumerate(getattr(config, table)):
                if item.name in names:
                    raise self._error(
                        f"{table}[{row}].name", f"two [[{table}]] tables are named {item.name!r}"
                    )
                names.add(item.name)
        heads = {*config.binary_heads()}
        for row, item in enumerate(config.binary):
            if item.head == "states" or item.head in config.continuous_heads():
                raise self._error(
                    f"binary[{row}].head", f"head {item.head!r} is taken; choose another name"
                )
            self._spec(f"binary[{row}]", item, partial(_label_spec, item.head, item))
            if not 0 < item.idr < 1:
                raise self._error(f"binary[{row}].idr", f"idr {item.idr} must be in 0 to 1")
            if item.within < 0:
                raise self._error(f"binary[{row}].within", f"within {item.within} must be >= 0 bp")
            if item.motif:
                self._own_check(f"binary[{row}].motif", partial(jaspar_matrix, item.motif))
        for row, item in enumerate(config.continuous):
            place = f"continuous[{row}]"
            self._spec(place, item, partial(_label_spec, "signal", item))
            if item.bin < 0 or item.bin % FINE:
                raise self._error(
                    f"{place}.bin",
                    f"{place}.bin {item.bin} must be a multiple of {FINE} bp, or 0",
                )
        if config.auxiliary is not None and not heads:
            raise self._error(
                "auxiliary", "[auxiliary] goes with [[binary]] labels; there are none"
            )
        if config.auxiliary is not None and not config.auxiliary.folder.is_dir():
            raise self._error(
                "auxiliary.folder",
                f"auxiliary.folder {config.auxiliary.folder} is not a folder",
            )

    def _sites(self) -> None:
        config = self._config
        if config.sites.kind == "matched" and config.sites.peaks is not None:
            raise self._error(
                "sites.peaks",
                "sites.peaks goes with sites.kind 'peaks'; accessible regions of the kind "
                "'matched' are sites.matched.peaks",
            )
        if (config.sites.kind == "peaks") != (config.sites.peaks is not None):
            raise self._error(
                "sites",
                f"sites.kind is {config.sites.kind!r}: give sites.peaks with the kind 'peaks', and "
                f"only then",
            )
        if config.sites.matched is not None:
            if config.sites.kind != "matched":
                raise self._error(
                    "sites.matched",
                    f"[sites.matched] goes with sites.kind 'matched'; it is {config.sites.kind!r}",
                )
            self._own_check("sites.matched", partial(config.sites.matched.check, "sites.matched"))
        if config.sites.kind == "matched" and not config.binary:
            raise self._error("sites.kind", "sites.kind 'matched' needs [[binary]] labels")

    def _own_check(self, place: str, check: Callable[[], object]) -> None:
        """A table's own check, whose messages begin with the key."""
        try:
            check()
        except ConfigError as error:
            key = str(error).partition(" ")[0]
            raise self._error(key if key.startswith(place) else place, str(error)) from error

    def _samples(self) -> None:
        config = self._config
        binary = {item.name for item in config.binary}
        continuous = {item.name for item in config.continuous}
        if config.samples:
            self._no_files_beside_samples()
            for row, sample in enumerate(config.samples):
                place = f"samples[{row}]"
                for key, names in (("peaks", binary), ("signals", continuous)):
                    for name in getattr(sample, key):
                        if name not in names:
                            raise self._error(
                                f"{place}.{key}.{name}",
                                f"{place}.{key} names {name!r}, which no label is called; known: "
                                f"{', '.join(sorted(names)) or 'none'}",
                            )
                if sample.states is not None and config.states is None:
                    raise self._error(
                        f"{place}.states", f"{place}.states needs [states] with its table"
                    )
            self._known_in_training()
            return
        if config.states is not None and config.states.bed is None:
            raise self._error("states", "key 'states.bed' is missing")
        for row, item in enumerate(config.binary):
            if not item.peaks:
                raise self._error(f"binary[{row}]", f"label {item.name!r} has no peaks")
        for row, signal in enumerate(config.continuous):
            if signal.bigwig is None:
                raise self._error(f"continuous[{row}]", f"label {signal.name!r} has no bigwig")
        if config.data.fragments is not None and "atac" in config.data.assays:
            raise self._error(
                "data.assays", "data.fragments and data.assays.atac: give one of them"
            )

    def _known_in_training(self) -> None:
        """Every label needs a training sample that has a file of it."""
        config = self._config
        train = [sample for sample in config.samples if sample.use == "train"]
        if not train:
            raise self._error("samples", "no [[samples]] table has use = 'train'")
        if config.states is not None and all(sample.states is None for sample in train):
            raise self._error(
                "states", "[states] is given, but no [[samples]] table to train on has states"
            )
        for table, key in (("binary", "peaks"), ("continuous", "signals")):
            for row, item in enumerate(getattr(config, table)):
                if not any(getattr(sample, key).get(item.name) for sample in train):
                    raise self._error(
                        f"{table}[{row}]",
                        f"label {item.name!r} has no {key} in any [[samples]] table to train on: "
                        f"give {key}.{item.name} there",
                    )

    def _replicates(self) -> None:
        """What replicates are to agree on needs two files of one sample that differ."""
        config = self._config
        of = {
            item.name: [sample.peaks.get(item.name, ()) for sample in config.all_samples()]
            for item in config.binary
        }
        for row, item in enumerate(config.binary):
            if item.agreement != "union" and all(len(files) < 2 for files in of[item.name]):
                raise self._error(
                    f"binary[{row}].agreement",
                    f"agreement {item.agreement!r} of label {item.name!r} needs the peaks of two "
                    f"replicates, but no sample has more than one file: give another, or leave "
                    f"agreement out",
                )
            for number, files in enumerate(of[item.name]):
                twice = [path for path in files if files.count(path) > 1]
                if twice:
                    sample = f"samples[{number}].peaks.{item.name}"
                    raise self._error(
                        sample if config.samples else f"binary[{row}].peaks",
                        f"label {item.name!r} has the file {twice[0]} twice; replicates are "
                        f"different files",
                    )

    def _no_files_beside_samples(self) -> None:
        config = self._config
        given = {
            "data.fragments": config.data.fragments,
            "data.assays": config.data.assays,
            "states.bed": None if config.states is None else config.states.bed,
            **{f"binary[{row}].peaks": item.peaks for row, item in enumerate(config.binary)},
            **{f"continuous[{n}].bigwig": item.bigwig for n, item in enumerate(config.continuous)},
        }
        for place, value in given.items():
            if value:
                raise self._error(place, f"{place} is given beside [[samples]]: move it there")

    def _inputs(self) -> None:
        inputs = self._config.inputs
        if not (inputs.sequence or inputs.shape or inputs.vplots or inputs.signals):
            raise self._error("inputs", "[inputs] turns every input off")
        if (inputs.vplots or inputs.signals) and inputs.bin != FINE:
            raise self._error(
                "inputs.bin",
                f"inputs.bin is {inputs.bin}; the network reads V-plots in bins of {FINE} bp",
            )
        if inputs.shape and inputs.shape_table is None:
            raise self._error("inputs.shape", "inputs.shape needs inputs.shape_table")
        for row, signal in enumerate(inputs.signals):
            self._signal(f"inputs.signals[{row}]", signal)
        self._spec("inputs", inputs, inputs.specs)
        names = [item.name for item in inputs.specs()]
        for row, name in enumerate(names):
            if name in names[:row]:
                signals = [item.name for item in inputs.signals]
                place = "inputs.vplots"
                if name in signals:  # the last of those that are named so
                    place = f"inputs.signals[{len(signals) - 1 - signals[::-1].index(name)}].name"
                raise self._error(place, f"two inputs are named {name!r}")
        for row, sample in enumerate(self._config.all_samples()):
            for assay in inputs.assays:
                if assay not in sample.assays:
                    raise self._error(
                        f"samples[{row}]" if self._config.samples else "data",
                        f"sample {sample.name!r} has no file of the assay {assay!r}, which "
                        f"[inputs] reads; it has: {', '.join(sample.assays) or 'none'}",
                    )

    def _signal(self, place: str, signal: SignalConfig) -> None:
        if signal.name in _RESERVED:
            raise self._error(
                f"{place}.name", f"{place}.name {signal.name!r} is taken; choose another name"
            )
        if len(signal.lengths) not in (0, 2) or (signal.lengths and signal.measure == "values"):
            raise self._error(
                f"{place}.lengths",
                f"{place}.lengths {list(signal.lengths)} must be two fragment lengths in bp, from "
                f"and to; a bigWig's values have none",
            )
        one = dataclasses.replace(self._config.inputs, shape=(), vplots=(), signals=(signal,))
        self._spec(place, signal, one.specs)

    def _network(self) -> None:
        config = self._config
        network = config.network
        if config.label_bin % network.stride:
            raise self._error(
                "label_bin",
                f"label_bin {config.label_bin} must be a multiple of the stride ({network.stride})",
            )
        # Any values that differ, as those of a real table do.
        table = np.eye(1024, 6) if config.inputs.shape else None

        def build() -> None:
            Grid(network.window, network.stride)
            Chromputer(
                config.inputs.specs(),
                0 if config.states is None else 2,
                len(config.binary),
                len(config.continuous),
                network,
                table,
            )

        self._spec("network", network, build)
        reach = config.segments.outputs * network.stride // 2
        if config.segments.jitter > reach:
            raise self._error(
                "segments.jitter",
                f"segments.jitter {config.segments.jitter} would move a peak out of its segment, "
                f"which reaches {reach} bp to each side",
            )

    def _spec(self, place: str, table: Any, make: Callable[[], object]) -> None:
        """Whether the parts of the model can be made of a table; errors point to its key."""
        try:
            make()
        except (ConfigError, InputError, SpecError) as error:
            keys = {item.name for item in dataclasses.fields(table)}
            # Names in quotes are the user's own and may be those of keys.
            unquoted = re.sub("'[^']*'", "", str(error)).replace("colour", "color")
            words = re.findall(r"\w+", unquoted)
            key = next((word for word in words if word in keys), "")
            raise self._error(f"{place}.{key}" if key else place, str(error)) from error

    def _numbers(self) -> None:
        config = self._config
        self._own_check("fit", config.fit.check)
        for least, tables in ((1, _AT_LEAST_1), (0, _NOT_NEGATIVE)):
            for table, keys in tables.items():
                holder = getattr(config, table) if table else config
                for key in keys if holder is not None else ():
                    value = getattr(holder, key)
                    items = value if isinstance(value, tuple) else (value,)
                    if not all(least <= item < math.inf for item in items):
                        raise self._error(
                            _dotted(table, key),
                            f"{_dotted(table, key)} is {value}; it must be at least {least}",
                        )
        for table, keys in _SHARES.items():
            for key in keys:
                value = getattr(getattr(config, table), key)
                if not 0 <= value < 1:
                    raise self._error(
                        f"{table}.{key}",
                        f"{table}.{key} is {value}; it must be in 0 to 1, 1 excluded",
                    )


def _label_spec(head: str, item: BinaryConfig | ContinuousConfig) -> HeadSpec:
    return HeadSpec("binary", head, (Label(item.name, item.title, item.color),))


_RESERVED = ("states", "binary", "continuous", "logits", "embedding")
"""Names that no input may have: those of labels in a batch and of the graph's outputs."""

_AT_LEAST_1: dict[str, tuple[str, ...]] = {
    "": ("label_bin",),
    "network": ("window", "stride", "motif_filters", "motif_width", "motif_context")
    + ("sequence_channels", "local_hidden", "context_channels", "hidden")
    + ("vplot_channels", "signal_channels", "dilations"),
    "segments": ("outputs",),
}
"""Table to its keys that must be at least 1, each item of a list."""

_NOT_NEGATIVE: dict[str, tuple[str, ...]] = {
    "": ("seed",),
    "data": ("min_mapq",),
    "inputs": ("background", "prior"),
    "segments": ("balanced", "jitter"),
    "auxiliary": ("minimum", "weight"),
}

_SHARES: dict[str, tuple[str, ...]] = {
    "network": ("base_dropout", "pixel_dropout", "dropout", "cell_dropout", "local_dropout"),
}
"""Table to its keys that must be in [0, 1)."""


def _dotted(table: str, key: str) -> str:
    return f"{table}.{key}" if table else key

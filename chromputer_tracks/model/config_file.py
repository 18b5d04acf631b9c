"""Training configurations in TOML, checked whole before anything is read or trained."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from chromputer_tracks.errors import ConfigError, InputError, SpecError
from chromputer_tracks.intervals import Grid
from chromputer_tracks.model.config import BinaryConfig, ContinuousConfig, TrainConfig
from chromputer_tracks.model.config_lines import KeyLines
from chromputer_tracks.model.network import Chromputer
from chromputer_tracks.model.network_config import FINE
from chromputer_tracks.spec import HeadSpec, Label


def load_config(path: Path, root: Path | None = None) -> TrainConfig:
    """Read and check a training configuration.

    Args:
        path: the TOML file.
        root: folder that relative paths start from; the configuration's own is looked into, too.

    Raises:
        ConfigError: names the file, the line, the key, the value and what would be right.
    """
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    source = _Source(path, KeyLines(text))
    config: TrainConfig = _Builder(source, root or path.parent).table(TrainConfig, raw, "")
    _Checks(source, config).all()
    return config


@dataclasses.dataclass(frozen=True, slots=True)
class _Source:
    """A file and where its keys stand."""

    path: Path
    lines: KeyLines

    def error(self, place: str, message: str) -> ConfigError:
        """The error to raise: file, line of the place where it has one, message."""
        line = self.lines.find(place)
        return ConfigError(f"{self.path}{'' if line is None else f' line {line}'}: {message}")


class _Builder:
    """TOML tables to dataclasses, by their type hints."""

    def __init__(self, source: _Source, root: Path) -> None:
        self._error, self._path, self._root = source.error, source.path, root

    def table(self, kind: Any, raw: object, place: str) -> Any:
        """One table; every unknown, missing or ill-typed key is an error."""
        if not isinstance(raw, Mapping):
            raise self._error(place, f"[{place}] must be a table, got {raw!r}")
        fields = {item.name: item for item in dataclasses.fields(kind)}
        for key in raw:
            if key not in fields:
                where = _dotted(place, key)
                raise self._error(where, f"unknown key {where!r}; known: {', '.join(fields)}")
        hints = get_type_hints(kind)
        values = {}
        for name, item in fields.items():
            where = _dotted(place, name)
            if name in raw:
                values[name] = self.value(hints[name], raw[name], where)
            elif item.default is MISSING and item.default_factory is MISSING:
                raise self._error(where, f"key {where!r} is missing")
        return kind(**values)

    def value(self, hint: Any, raw: Any, place: str) -> Any:
        """One value of the hinted type."""
        origin, options = get_origin(hint), get_args(hint)
        if dataclasses.is_dataclass(hint):
            return self.table(hint, raw, place)
        if origin is Literal:
            choices = [option for option in options if option]
            if raw not in choices:
                raise self._error(
                    place, f"{place} is {raw!r}; choose one of {', '.join(map(str, choices))}"
                )
            return raw
        if type(None) in options:
            return self.value(options[0], raw, place)
        if origin is tuple:
            return self._tuple(options, raw, place)
        if origin is Mapping:
            if not isinstance(raw, Mapping):
                raise self._error(place, f"{place} must be a table, got {raw!r}")
            return {key: self.value(options[1], raw[key], _dotted(place, key)) for key in raw}
        if hint is Path:
            return self._existing(raw, place)
        if hint is float and isinstance(raw, int) and not isinstance(raw, bool):
            return float(raw)
        if not isinstance(raw, hint) or (isinstance(raw, bool) and hint is not bool):
            raise self._error(place, f"{place} must be of type {hint.__name__}, got {raw!r}")
        return raw

    def _tuple(self, options: tuple[Any, ...], raw: Any, place: str) -> tuple[Any, ...]:
        if options == (Path, Ellipsis) and isinstance(raw, str):
            raw = [raw]
        if not isinstance(raw, list):
            raise self._error(place, f"{place} must be a list, got {raw!r}")
        if options[-1] is Ellipsis:
            options = options[:1] * len(raw)
        if len(options) != len(raw):
            raise self._error(place, f"{place} must have {len(options)} values, got {raw!r}")
        return tuple(
            self.value(kind, item, f"{place}[{index}]")
            for index, (kind, item) in enumerate(zip(options, raw, strict=True))
        )

    def _existing(self, raw: Any, place: str) -> Path:
        if not isinstance(raw, str):
            raise self._error(place, f"{place} must be a path, got {raw!r}")
        for folder in (self._root, self._path.parent):
            if (folder / raw).exists():
                return folder / raw
        raise self._error(
            place,
            f"{place}: no such file: {self._root / raw}; relative paths start from --data, or from "
            f"the configuration's folder",
        )


class _Checks:
    """What must hold between the keys of a configuration."""

    def __init__(self, source: _Source, config: TrainConfig) -> None:
        self._error, self._config = source.error, config

    def all(self) -> None:
        """Raise ConfigError at the first thing that is not right."""
        self._splits()
        self._labels()
        self._samples()
        self._inputs()
        self._numbers()
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
                    raise self._error(
                        place,
                        f"{contig} is in splits.{uses[contig]} and in {place}; a contig has one "
                        f"use",
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
            self._spec(f"binary[{row}]", partial(_label_spec, item.head, item))
            if not 0 < item.idr < 1:
                raise self._error(f"binary[{row}].idr", f"idr {item.idr} must be in 0 to 1")
            if item.within < 0:
                raise self._error(f"binary[{row}].within", f"within {item.within} must be >= 0 bp")
        for row, item in enumerate(config.continuous):
            place = f"continuous[{row}]"
            self._spec(place, partial(_label_spec, "signal", item))
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

    def _own_check(self, place: str, check: Callable[[], None]) -> None:
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
            if all(sample.use != "train" for sample in config.samples):
                raise self._error("samples", "no [[samples]] table has use = 'train'")
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
        self._spec("inputs", inputs.specs)
        names = [item.name for item in inputs.specs()]
        for row, signal in enumerate(inputs.signals):
            if names.count(signal.name) > 1:
                raise self._error(
                    f"inputs.signals[{row}].name", f"two inputs are named {signal.name!r}"
                )
        for sample in self._config.all_samples():
            for assay in inputs.assays:
                if assay not in sample.assays:
                    raise self._error(
                        "samples" if self._config.samples else "data",
                        f"sample {sample.name!r} has no file of the assay {assay!r}, which "
                        f"[inputs] reads; it has: {', '.join(sample.assays) or 'none'}",
                    )

    def _network(self) -> None:
        config = self._config
        network = config.network
        if config.label_bin % network.stride:
            raise self._error(
                "label_bin",
                f"label_bin {config.label_bin} must be a multiple of the stride ({network.stride})",
            )
        table = np.zeros((1024, 6)) if config.inputs.shape else None

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

        self._spec("network", build)
        reach = config.segments.outputs * network.stride // 2
        if config.segments.jitter > reach:
            raise self._error(
                "segments.jitter",
                f"segments.jitter {config.segments.jitter} would move a peak out of its segment, "
                f"which reaches {reach} bp to each side",
            )

    def _spec(self, place: str, make: Callable[[], object]) -> None:
        """Whether the parts of the model can be made of it."""
        try:
            make()
        except (ConfigError, InputError, SpecError) as error:
            raise self._error(place, str(error)) from error

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
    "segments": ("balanced", "jitter"),
    "auxiliary": ("minimum", "weight"),
}

_SHARES: dict[str, tuple[str, ...]] = {
    "network": ("base_dropout", "pixel_dropout", "dropout", "cell_dropout", "local_dropout"),
}
"""Table to its keys that must be in [0, 1)."""


def _dotted(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key

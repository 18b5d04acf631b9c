"""Training configurations in TOML, checked whole before anything is read or trained."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from chromputer_tracks.errors import ConfigError, InputError, SpecError
from chromputer_tracks.intervals import Grid
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.network import FINE, Chromputer
from chromputer_tracks.spec import Label


def load_config(path: Path, root: Path | None = None) -> TrainConfig:
    """Read and check a training configuration.

    Args:
        path: the TOML file.
        root: folder that relative paths start from; the configuration's own is looked into, too.

    Raises:
        ConfigError: names the file, the key, the value and what would be right.
    """
    try:
        raw = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    config: TrainConfig = _Builder(path, root or path.parent).table(TrainConfig, raw, "")
    _check(config, path)
    return config


class _Builder:
    """TOML tables to dataclasses, by their type hints."""

    def __init__(self, path: Path, root: Path) -> None:
        self._path, self._root = path, root

    def table(self, kind: Any, raw: object, place: str) -> Any:
        """One table; every unknown, missing or ill-typed key is an error."""
        if not isinstance(raw, Mapping):
            raise ConfigError(f"{self._path}: [{place}] must be a table, got {raw!r}")
        fields = {item.name: item for item in dataclasses.fields(kind)}
        for key in raw:
            if key not in fields:
                known = ", ".join(fields)
                raise ConfigError(
                    f"{self._path}: unknown key {_dotted(place, key)!r}; known: {known}"
                )
        hints = get_type_hints(kind)
        values = {}
        for name, item in fields.items():
            if name in raw:
                values[name] = self.value(hints[name], raw[name], _dotted(place, name))
            elif item.default is MISSING and item.default_factory is MISSING:
                raise ConfigError(f"{self._path}: key {_dotted(place, name)!r} is missing")
        return kind(**values)

    def value(self, hint: Any, raw: Any, place: str) -> Any:
        """One value of the hinted type."""
        origin, options = get_origin(hint), get_args(hint)
        if dataclasses.is_dataclass(hint):
            return self.table(hint, raw, place)
        if origin is Literal:
            if raw not in options:
                raise ConfigError(
                    f"{self._path}: {place} is {raw!r}; choose one of {', '.join(options)}"
                )
            return raw
        if type(None) in options:
            return self.value(options[0], raw, place)
        if origin is tuple:
            return self._tuple(options, raw, place)
        if hint is Path:
            return self._existing(raw, place)
        if hint is float and isinstance(raw, int) and not isinstance(raw, bool):
            return float(raw)
        if not isinstance(raw, hint) or (isinstance(raw, bool) and hint is not bool):
            raise ConfigError(f"{self._path}: {place} must be of type {hint.__name__}, got {raw!r}")
        return raw

    def _tuple(self, options: tuple[Any, ...], raw: Any, place: str) -> tuple[Any, ...]:
        if not isinstance(raw, list):
            raise ConfigError(f"{self._path}: {place} must be a list, got {raw!r}")
        if options[-1] is Ellipsis:
            options = options[:1] * len(raw)
        if len(options) != len(raw):
            raise ConfigError(f"{self._path}: {place} must have {len(options)} values, got {raw!r}")
        return tuple(
            self.value(kind, item, f"{place}[{index}]")
            for index, (kind, item) in enumerate(zip(options, raw, strict=True))
        )

    def _existing(self, raw: Any, place: str) -> Path:
        if not isinstance(raw, str):
            raise ConfigError(f"{self._path}: {place} must be a path, got {raw!r}")
        for folder in (self._root, self._path.parent):
            if (folder / raw).exists():
                return folder / raw
        raise ConfigError(
            f"{self._path}: {place}: no such file: {self._root / raw}; relative paths start from "
            f"--data, or from the configuration's folder"
        )


def _check(config: TrainConfig, path: Path) -> None:
    uses: dict[str, str] = {}
    for use in ("train", "validation", "test"):
        contigs = getattr(config.splits, use)
        if not contigs:
            raise ConfigError(f"{path}: splits.{use} names no contig")
        for contig in contigs:
            if contig in uses:
                raise ConfigError(
                    f"{path}: {contig} is in splits.{uses[contig]} and in splits.{use}; "
                    f"a contig has one use"
                )
            uses[contig] = use
    if config.states is None and not config.binary:
        raise ConfigError(f"{path}: give [states], [[binary]] or both: there is nothing to learn")
    names = [item.name for item in config.binary]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{path}: two [[binary]] tables are named {name!r}")
    if (config.sites.kind == "peaks") != (config.sites.peaks is not None):
        raise ConfigError(
            f"{path}: sites.kind is {config.sites.kind!r}: give sites.peaks with the kind 'peaks', "
            f"and only then"
        )
    if config.auxiliary is not None and not config.auxiliary.folder.is_dir():
        raise ConfigError(f"{path}: auxiliary.folder {config.auxiliary.folder} is not a folder")
    if not (config.inputs.sequence or config.inputs.vplot):
        raise ConfigError(f"{path}: [inputs] turns every input off")
    if config.inputs.vplot and config.inputs.bin != FINE:
        raise ConfigError(
            f"{path}: inputs.bin is {config.inputs.bin}; the network reads V-plots in bins of "
            f"{FINE} bp"
        )
    _check_numbers(config, path)
    network = config.network
    if config.label_bin % network.stride:
        raise ConfigError(
            f"{path}: label_bin {config.label_bin} must be a multiple of the stride "
            f"({network.stride})"
        )
    try:
        Grid(network.window, network.stride)
        config.inputs.specs()
        for item in config.binary:
            Label(item.name, item.title, item.color)
        lengths = len(config.inputs.length_edges) - 1 if config.inputs.vplot else 0
        states = 0 if config.states is None else 2
        Chromputer(config.inputs.sequence, lengths, states, len(config.binary), network)
    except (ConfigError, InputError, SpecError) as error:
        raise ConfigError(f"{path}: {error}") from error
    reach = config.segments.outputs * config.network.stride // 2
    if config.segments.jitter > reach:
        raise ConfigError(
            f"{path}: segments.jitter {config.segments.jitter} would move a peak out of its "
            f"segment, which reaches {reach} bp to each side"
        )


_AT_LEAST_1: dict[str, tuple[str, ...]] = {
    "": ("label_bin",),
    "network": ("window", "stride", "motif_filters", "motif_width", "motif_context")
    + ("sequence_channels", "local_hidden", "context_channels", "hidden")
    + ("vplot_channels", "dilations"),
    "segments": ("outputs",),
    "fit": ("epochs", "batch"),
}
"""Table to its keys that must be at least 1, each item of a list."""

_NOT_NEGATIVE: dict[str, tuple[str, ...]] = {
    "": ("seed",),
    "data": ("min_mapq",),
    "segments": ("balanced", "jitter"),
    "fit": ("weight_decay", "binary_weight", "flank", "gradient_clip", "threads")
    + ("words_per_label",),
    "auxiliary": ("minimum", "weight"),
}

_SHARES: dict[str, tuple[str, ...]] = {
    "network": ("base_dropout", "pixel_dropout", "dropout", "cell_dropout", "local_dropout"),
    "fit": ("average",),
}
"""Table to its keys that must be in [0, 1)."""


def _check_numbers(config: TrainConfig, path: Path) -> None:
    for least, tables in ((1, _AT_LEAST_1), (0, _NOT_NEGATIVE)):
        for table, keys in tables.items():
            holder = getattr(config, table) if table else config
            for key in keys if holder is not None else ():
                value = getattr(holder, key)
                items = value if isinstance(value, tuple) else (value,)
                if not all(least <= item < math.inf for item in items):
                    raise ConfigError(
                        f"{path}: {_dotted(table, key)} is {value}; it must be at least {least}"
                    )
    rate = config.fit.learning_rate
    if not 0 < rate < math.inf:
        raise ConfigError(f"{path}: fit.learning_rate is {rate}; it must be above 0")
    for table, keys in _SHARES.items():
        for key in keys:
            value = getattr(getattr(config, table), key)
            if not 0 <= value < 1:
                raise ConfigError(
                    f"{path}: {table}.{key} is {value}; it must be in 0 to 1, 1 excluded"
                )


def _dotted(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key

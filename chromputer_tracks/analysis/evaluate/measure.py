"""What a trained model needs of a sample, measured again: ``chromputer train --measure only``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import ConfigError
from chromputer_tracks.inference.session import Model, load_model, open_session
from chromputer_tracks.io.record import FileRecord, Report, Silent
from chromputer_tracks.io.run import run
from chromputer_tracks.model.card import model_card
from chromputer_tracks.model.checkpoints import RUN_FOLDERS
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.export import export_spec
from chromputer_tracks.model.sources import (
    Sources,
    input_files,
    open_sources,
    sample_fitness,
    start_sites,
)
from chromputer_tracks.model.training import configured
from chromputer_tracks.options.train import TrainOptions
from chromputer_tracks.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class Measured:
    """A model that was measured.

    Attributes:
        spec: its spec, with what was found.
        folder: the model folder.
    """

    spec: ModelSpec
    folder: Path


def measure_model(options: TrainOptions, report: Report | None = None) -> Measured:
    """Measure the accuracy by depth of a model that is there, and write it into its folder.

    Nothing is trained: the graphs keep their weights, to the bit. Their metadata, ``model.json``
    and the model card are written anew, and appear in one step.

    Args:
        options: ``out`` is the model's folder, ``config`` what it was trained with.
        report: told what happens.

    Raises:
        ConfigError: the model was trained with another configuration or other files.
        ChromputerError: the model or a file cannot be used, or the folder cannot be written.
    """
    report = report or Silent()
    config = configured(options)
    # Auxiliary labels are only learnt from.
    config = replace(config, auxiliary=None)
    notes = config.notes.read_text(encoding="utf-8") if config.notes else ""
    # The folder is the model's own, which `load_model` has judged.
    model = load_model(options.out)
    with run("train", replace(options, force=True), report, keep=RUN_FOLDERS) as work:
        # The seed draws matched sites.
        config = replace(config, seed=model.spec.provenance.get("seed", config.seed))
        with open_sources(config, report.note) as sources:
            _check(_differences(model.spec, config, sources), options)
            files = input_files(config, sources)
            work.read({"config": options.config, **files, "start sites": config.data.tss})
            _check(_other_files(model, work.checksums.result()), options)
            report.note(f"measuring {model.name} on {', '.join(config.splits.test)}")
            session = open_session(model.path)

            def predict(arrays: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
                logits: NDArray[np.float32] = session.run(arrays)[0]
                return logits

            tss = start_sites(config, sources)
            found = sample_fitness(config, sources, model.spec.heads, predict, tss, report.note)
        spec = replace(model.spec, fitness=found)
        export_spec(options.out, spec, work.folder)
        card = model_card(spec, config.description, notes)
        (work.folder / "README.md").write_text(card, encoding="utf-8")
    return Measured(spec, options.out)


def _check(differences: Iterator[str], options: TrainOptions) -> None:
    found = "; ".join(differences)
    if found:
        raise ConfigError(
            f"the model in {options.out} was not trained with {options.config}: {found}. Name the "
            f"configuration and the files that it was trained with"
        )


def _differences(spec: ModelSpec, config: TrainConfig, sources: Sources) -> Iterator[str]:
    """What of a configuration is not the model's, in words."""
    splits = {use: getattr(config.splits, use) for use in spec.splits}
    labels = [
        [(head.kind, head.name, label.name) for head in heads for label in head.labels]
        for heads in (spec.heads, sources.heads)
    ]
    for what, own, other in (
        ("the window", spec.window, config.network.window),
        ("the stride", spec.stride, config.network.stride),
        ("label_bin", spec.label_bin, config.label_bin),
        ("the splits", spec.splits, splits),
        ("the genome", spec.sizes_digest, sources.sizes.digest()),
        ("the inputs", spec.inputs, sources.inputs),
        ("the labels", *labels),
    ):
        if own != other:
            yield f"{what} differ{'s' * (what[-1] != 's')}"


def _other_files(model: Model, read: dict[str, FileRecord]) -> Iterator[str]:
    """The files that are not those that the model was trained with, in words."""
    for name, item in model.spec.provenance.get("inputs", {}).items():
        if name in read and read[name].sha256 != item["sha256"]:
            yield f"{name} is another file ({read[name].path})"

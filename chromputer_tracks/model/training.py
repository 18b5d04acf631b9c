"""Training: a configuration in, a model folder out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightning
import torch

from chromputer_tracks import __version__
from chromputer_tracks.errors import InputError, OutputError
from chromputer_tracks.evaluation.baselines import SampleSites, run_baselines
from chromputer_tracks.evaluation.scores import Scores, split_metrics
from chromputer_tracks.evaluation.scoring import score
from chromputer_tracks.evaluation.sites import LabelledSites, pool_sites, save_sites
from chromputer_tracks.io.atomic import atomic_path, check_folder, made_folder
from chromputer_tracks.model.card import model_card
from chromputer_tracks.model.checkpoints import check_stopped
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.experiment import Experiment
from chromputer_tracks.model.export import export_explain, export_network
from chromputer_tracks.model.fitting import Report
from chromputer_tracks.model.processes import find_accelerator, process_rank
from chromputer_tracks.model.sources import Sources, input_files, motif_matrices, open_sources
from chromputer_tracks.spec import PREDICT, HeadSpec, ModelSpec


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training run gave.

    Attributes:
        spec: of the exported model, with its figures on the validation and test contigs.
        folder: the model folder.
        parity: largest difference between ONNX Runtime and PyTorch, relative.
        sites: predictions at the test sites.
        scores: of the model there.
        baselines: name to scores of what needs no network, there.
    """

    spec: ModelSpec
    folder: Path
    parity: float
    sites: LabelledSites
    scores: Scores
    baselines: dict[str, Scores]


def train_model(
    config: TrainConfig,
    out: Path,
    report: Report,
    command: str = "",
    *,
    resume: bool = False,
    force: bool = False,
) -> Trained | None:
    """Train, calibrate, score on the test contigs, export.

    Args:
        config: checked.
        out: the model folder; made if its parent exists. Training logs, checkpoints and the
            predictions at the validation and test sites go to ``out/training``.
        report: told what happens, a line at a time.
        command: recorded in the model's provenance.
        resume: go on from the last checkpoint in ``out/training``, if there is one.
        force: also where ``out`` holds other files, or a run that was stopped, which is removed.

    Returns:
        What was trained; None in all training processes but the first, which writes the model.

    Raises:
        ChromputerError: a file, a setting or the export is not right.
    """
    check_folder(out)
    find_accelerator(config.fit)
    notes = config.notes.read_text(encoding="utf-8") if config.notes else ""
    prepare_process(config)
    folder = out / "training"
    if process_rank(config.fit) != 0:
        report = silent
    elif not force:
        _check_free(out)
        if not resume:
            check_stopped(folder, out / PREDICT)
    with open_sources(config) as sources:
        experiment = Experiment(config, sources)
        report(experiment.summary())
        provenance = run_provenance(config, sources, command)
        with made_folder(out):
            network = experiment.fit(
                folder, report, resume=resume, fingerprint=fingerprint(config, provenance)
            )
        if process_rank(config.fit) != 0:
            return None
        validation = experiment.sites(network, config.splits.validation)
        heads = experiment.calibrated(validation)
        report("scoring the validation and test contigs")
        test = experiment.sites(network, config.splits.test)
        metrics = {}
        for split, sites in (("validation", validation), ("test", test)):
            save_sites(folder / f"{split}.npz", sites, heads)
            scores = score(sites, heads)
            baselines = _baselines(experiment, getattr(config.splits, split))
            metrics[split] = split_metrics(scores, baselines)
        spec = model_spec(config, sources, heads, metrics, provenance)
        # First, so that a model that can be used can also be explained.
        parity = max(export_explain(network, spec, out), export_network(network, spec, out))
        with atomic_path(out / "README.md") as path:
            path.write_text(model_card(spec, config.description, notes), encoding="utf-8")
    # The test split is the last.
    return Trained(spec, out, parity, sites, scores, baselines)


def _check_free(out: Path) -> None:
    """A folder of other things may hold a README.md, too, that is not to be replaced unasked."""
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    if names and not names & {PREDICT, "model.json", "training"}:
        raise OutputError(
            f"{out} holds files that are not of a model ({min(names)}, for one): name another "
            f"folder, or pass --force"
        )


def model_spec(
    config: TrainConfig,
    sources: Sources,
    heads: tuple[HeadSpec, ...],
    metrics: dict[str, Any],
    provenance: dict[str, Any],
) -> ModelSpec:
    """What describes a network.

    Args:
        config: of its training.
        sources: its files; their inputs are the network's.
        heads: calibrated.
        metrics: figures by split.
        provenance: from :func:`run_provenance`.
    """
    return ModelSpec(
        name=config.name,
        window=config.network.window,
        stride=config.network.stride,
        label_bin=config.label_bin,
        inputs=sources.inputs,
        heads=heads,
        assembly=config.assembly,
        sizes_digest=sources.sizes.digest(),
        splits=dataclasses.asdict(config.splits),
        metrics=metrics,
        provenance=provenance,
    )


def prepare_process(config: TrainConfig) -> None:
    """Seeds, threads and quiet libraries, before anything is made of a configuration."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    if config.fit.threads:
        torch.set_num_threads(config.fit.threads)


def silent(line: str) -> None:
    """Report of the training processes but the first."""


def _baselines(experiment: Experiment, contigs: Sequence[str]) -> dict[str, Scores]:
    """What needs no network: the majority class, and motif matches where labels have a motif."""
    config, sources = experiment.config, experiment.sources
    samples = sources.training_samples

    def places(contigs: Sequence[str]) -> list[SampleSites]:
        return [SampleSites(experiment.labels(contigs, [sample])) for sample in samples]

    found = run_baselines(
        places(config.splits.train),
        places(config.splits.validation),
        places(contigs),
        sources.heads,
        config.label_bin,
        sources.fasta,
        motif_matrices(config),
        tss=None,
    )
    names = [sample.name for sample in samples] if len(samples) > 1 else None
    return {item.name: score(pool_sites(item.sites, names), item.heads) for item in found}


def fingerprint(config: TrainConfig, provenance: Mapping[str, Any]) -> str:
    """What a resumed run must share with the one that it goes on from, a line each.

    Files count by what they hold, not by where they lie; the fit is compared by itself.
    """
    lines = [f"SHA-256 of {name} = {item['sha256']}" for name, item in provenance["inputs"].items()]
    for item in dataclasses.fields(config):
        if item.name not in ("fit", "notes", "description", "name"):
            lines += _settings(getattr(config, item.name), item.name)
    return "\n".join(lines)


def _settings(value: Any, place: str) -> Iterator[str]:
    """A line for each setting inside, as the configuration names it; none for files."""
    if dataclasses.is_dataclass(value):
        value = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _settings(item, f"{place}.{key}")
    elif isinstance(value, tuple) and any(map(dataclasses.is_dataclass, value)):
        for row, item in enumerate(value):
            yield from _settings(item, f"{place}[{row}]")
    elif value is not None:
        items = value if isinstance(value, tuple) else (value,)
        if not any(isinstance(item, Path) for item in items):
            yield f"{place} = {json.dumps(value)}"


def run_provenance(config: TrainConfig, sources: Sources, command: str) -> dict[str, Any]:
    """Versions, seed, command, and the SHA-256 of every input file."""
    return {
        **versions(),
        "date": datetime.now(UTC).date().isoformat(),
        "seed": config.seed,
        "sites": config.sites.kind,
        "command": command,
        "inputs": {name: file_record(path) for name, path in input_files(config, sources).items()},
    }


def versions() -> dict[str, str]:
    """Of what training hangs on."""
    return {
        "chromputer_tracks": __version__,
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "python": platform.python_version(),
    }


def file_record(path: Path) -> dict[str, str]:
    """Name and SHA-256 of a file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    return {"file": path.name, "sha256": digest}

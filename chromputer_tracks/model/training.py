"""Training: a configuration in, a model folder out."""

from __future__ import annotations

import dataclasses
import json
import logging
import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightning
import torch

from chromputer_tracks import __version__
from chromputer_tracks.errors import ChromputerError, ExportError, OptionError, OutputError
from chromputer_tracks.evaluation.scores import Scores, score, split_metrics
from chromputer_tracks.evaluation.sites import LabelledSites, pool_sites, save_sites
from chromputer_tracks.io.atomic import check_folder
from chromputer_tracks.io.record import FileRecord, Report, Silent, file_record
from chromputer_tracks.io.run import run
from chromputer_tracks.model.card import model_card
from chromputer_tracks.model.checkpoints import (
    RUN_FOLDERS,
    TEST,
    TRAINING,
    VALIDATION,
    choose_folder,
    keep_run,
    run_folders,
)
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.experiment import Experiment
from chromputer_tracks.model.export import export_explain, export_network
from chromputer_tracks.model.processes import find_accelerator, process_rank
from chromputer_tracks.model.sources import (
    Sources,
    input_files,
    open_sources,
    sample_baselines,
    start_sites,
)
from chromputer_tracks.options.train import TrainOptions
from chromputer_tracks.spec import EXPLAIN, PREDICT, Fitness, HeadSpec, ModelSpec


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training run gave.

    Attributes:
        config: the configuration as it was trained.
        spec: the exported model, with its figures on the validation and test contigs.
        folder: the model folder.
        parity: largest difference between ONNX Runtime and PyTorch, relative.
        sites: predictions at the test sites.
        scores: the model's scores there.
        baselines: name to scores of what needs no network, there.
    """

    config: TrainConfig
    spec: ModelSpec
    folder: Path
    parity: float
    sites: LabelledSites
    scores: Scores
    baselines: dict[str, Scores]


def train_model(
    options: TrainOptions, report: Report | None = None, config: TrainConfig | None = None
) -> Trained | None:
    """Train, calibrate, score on the test contigs, export.

    Training logs, checkpoints and the predictions at the validation and test sites go to the folder
    ``training`` of the model folder, where a run that was stopped is taken up again; those of a new
    run beside an earlier one to ``training-2`` and so on, until it is done. Nothing of the earlier
    one, model or run, is removed before.

    Args:
        options: what to train, and where to.
        report: told what happens.
        config: takes the place of ``options.config``, ``options.epochs`` and ``options.seed``.

    Returns:
        What was trained; None in all training processes but the first, which writes the model.

    Raises:
        ChromputerError: a file, a setting or the export is not right.
    """
    if options.measure == "only":
        raise OptionError("trains nothing: measure_model does it", key="--measure only")
    config = configured(options) if config is None else config
    report = report or Silent()
    out = options.out
    check_folder(out)
    find_accelerator(config.fit)
    notes = config.notes.read_text(encoding="utf-8") if config.notes else ""
    prepare_process(config)
    first = process_rank(config.fit) == 0
    if first and not options.force:
        _check_free(out)
    # The other processes write nothing; a run that is resumed they find, too.
    force = options.force or not first
    folder = choose_folder(out, resume=options.resume, force=force)
    unexplained, network = None, None
    try:
        with ExitStack() as stack:
            work = None
            if first:
                # What may be replaced was judged above: an earlier release's model has no record.
                may_replace = replace(options, resume=False, force=True)
                work = stack.enter_context(run("train", may_replace, report, keep=RUN_FOLDERS))
                # Once more, now that no other run is at work in the folder.
                folder = choose_folder(out, resume=options.resume, force=force)
            earlier = run_folders(out)
            told = report if first else Silent()
            tell = told.note
            sources = stack.enter_context(open_sources(config, tell))
            experiment = Experiment(config, sources)
            tell(experiment.summary())
            # A file that is wrong is not to be found after training.
            tss = start_sites(config, sources) if options.measure == "after" else None
            checksums = None
            if work is not None:
                files = {"config": options.config, **input_files(config, sources)}
                work.read(files | {"start sites": config.data.tss if tss is not None else None})
                checksums = work.checksums.result()
            command = shlex.join(options.command)
            provenance = run_provenance(config, sources, command, checksums)
            network = experiment.fit(
                folder,
                tell,
                resume=options.resume,
                fingerprint=fingerprint(config, provenance),
                progress=lambda *steps: told.progress("training", *steps),
            )
            if work is None:
                return None
            validation = experiment.sites(network, config.splits.validation)
            heads = experiment.calibrated(validation)
            tell("scoring the validation and test contigs")
            test = experiment.sites(network, config.splits.test)
            metrics = {}
            for split, sites, name in (
                ("validation", validation, VALIDATION),
                ("test", test, TEST),
            ):
                save_sites(folder / name, sites, heads)
                scores = score(sites, heads)
                baselines = _baselines(experiment, getattr(config.splits, split))
                metrics[split] = split_metrics(scores, baselines)
            fitness = None
            if options.measure == "after":
                tell("measuring the accuracy by depth on the test contigs")
                fitness = experiment.fitness(network, heads, tss, tell)
            spec = model_spec(config, sources, heads, metrics, provenance, fitness)
            parity = export_network(network, spec, work.folder)
            try:
                parity = max(parity, export_explain(network, spec, work.folder))
            except ExportError as error:
                # The model predicts without: it is published before this is told.
                unexplained = error
            card = model_card(spec, config.description, notes)
            (work.folder / "README.md").write_text(card, encoding="utf-8")
        keep_run(folder, earlier)
    except ChromputerError as error:
        if network is not None:
            error.add_note(
                f"the network is trained and kept in {folder}: the same command with --resume (and "
                f"without --force) goes on from there"
            )
        raise
    if unexplained is not None:
        # Where the earlier model had no record, its graph is still there.
        (out / EXPLAIN).unlink(missing_ok=True)
        unexplained.add_note(
            f"the model is in {out} and predicts, but has no {EXPLAIN}; --resume exports it again"
        )
        raise unexplained
    # The test split is the last.
    return Trained(config, spec, out, parity, sites, scores, baselines)


def configured(options: TrainOptions) -> TrainConfig:
    """The configuration with what the options have in place of its settings."""
    config = load_config(options.config, options.data)
    if options.epochs is not None:
        config = replace(config, fit=replace(config.fit, epochs=options.epochs))
    return config if options.seed is None else replace(config, seed=options.seed)


def _check_free(out: Path) -> None:
    """A folder of other things may hold a README.md, too, that is not to be replaced unasked."""
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    if names and not names & {PREDICT, "model.json", TRAINING} and not run_folders(out):
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
    fitness: Fitness | None = None,
) -> ModelSpec:
    """What describes a network.

    Args:
        config: the configuration that it was trained with.
        sources: its files; their inputs are the network's.
        heads: calibrated.
        metrics: figures by split.
        provenance: what :func:`run_provenance` gives.
        fitness: what it needs of a sample, if that was measured.
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
        fitness=fitness,
    )


def prepare_process(config: TrainConfig) -> None:
    """Seeds, threads and quiet libraries, before anything is made of a configuration."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    if config.fit.threads:
        torch.set_num_threads(config.fit.threads)


def _baselines(experiment: Experiment, contigs: Sequence[str]) -> dict[str, Scores]:
    """What needs no network: the majority class, and motif matches where labels have a motif."""
    samples = experiment.sources.training_samples
    names = [sample.name for sample in samples] if len(samples) > 1 else None
    found = sample_baselines(experiment.config, experiment.sources, samples, contigs)
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


def run_provenance(
    config: TrainConfig,
    sources: Sources,
    command: str,
    checksums: Mapping[str, FileRecord] | None = None,
) -> dict[str, Any]:
    """Versions, seed, command, and name and SHA-256 of every input file, by what it is.

    Args:
        config: the configuration.
        sources: its files.
        command: words of the command line.
        checksums: records of the files, if they are known already.

    Raises:
        InputError: a file cannot be read.
    """
    files = input_files(config, sources)
    found = checksums or {name: file_record(path) for name, path in files.items()}
    return {
        **training_versions(),
        "date": datetime.now(UTC).date().isoformat(),
        "seed": config.seed,
        "sites": config.sites.kind,
        "command": command,
        "inputs": {
            name: {"file": path.name, "sha256": found[name].sha256} for name, path in files.items()
        },
    }


def training_versions() -> dict[str, str]:
    """Versions of the package, of what trains, and of Python."""
    return {
        "chromputer_tracks": __version__,
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "python": platform.python_version(),
    }

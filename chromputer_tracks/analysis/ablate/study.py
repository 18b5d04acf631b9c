"""What each input is worth: the same training on subsets of the inputs, beside baselines."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from chromputer_tracks.analysis.evaluate.run import (
    CEILING,
    ceiling_sites,
    check_replicates,
    missing_baselines,
)
from chromputer_tracks.data.features import Features
from chromputer_tracks.errors import ChromputerError, InputError, meant
from chromputer_tracks.evaluation.scores import (
    Difference,
    PairedTest,
    Predicted,
    Scores,
    mean_scores,
    paired,
    score,
)
from chromputer_tracks.evaluation.sites import LabelledSites, pool_sites, save_sites, uncalibrated
from chromputer_tracks.io.atomic import check_folder, made_folder
from chromputer_tracks.io.bed import read_tss
from chromputer_tracks.io.record import Report, Silent, file_record
from chromputer_tracks.model.checkpoints import LAST
from chromputer_tracks.model.config import InputsConfig, TrainConfig
from chromputer_tracks.model.experiment import Experiment
from chromputer_tracks.model.processes import find_accelerator, process_rank
from chromputer_tracks.model.sources import Sources, input_files, open_sources, sample_baselines
from chromputer_tracks.model.training import (
    fingerprint,
    model_spec,
    prepare_process,
    run_provenance,
)
from chromputer_tracks.options.train import AblateOptions
from chromputer_tracks.spec import InputSpec, ModelSpec

# ---- Subsets of a configuration's inputs, as ``vplot+sequence``, with the files that are open.

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
        inputs: the configuration's inputs.
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
                    f"{', '.join(known)}{meant(name, known)}"
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
        sources: sources of the whole configuration.
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


# ---- The study.

KIND = "ablate"
"""What ``run.json`` says of the command."""

RUNS = "runs"
"""Folder of the trained networks, which are not trained again."""

_SEEDS = (1, 2, 3)

Role = Literal["baseline", "network", "ceiling"]


@dataclass(frozen=True, slots=True)
class AblationRow:
    """One line of the table.

    Attributes:
        name: inputs, or the baseline's name.
        role: what it is.
        scores: mean over the runs.
        runs: scores of each run, of networks in the order of the seeds; one for others.
    """

    name: str
    role: Role
    scores: Scores
    runs: tuple[Scores, ...]


@dataclass(frozen=True, slots=True)
class Ablation:
    """All that was found.

    Attributes:
        rows: baselines, networks in the order of the subsets, ceiling.
        paired: tests of the last subset against each other row, averaged over the seeds.
        full: name of the last subset.
        sites: test sites of the last subset's first run.
        spec: what describes the same network, without figures.
        seeds: seeds of the networks' runs.
        inputs: files that were read, by what they are.
        checksums: ``file`` and ``sha256`` of the same files.
        notes: what the reader must know.
    """

    rows: tuple[AblationRow, ...]
    paired: tuple[PairedTest, ...]
    full: str
    sites: LabelledSites
    spec: ModelSpec
    seeds: tuple[int, ...]
    inputs: Mapping[str, Path]
    checksums: Mapping[str, Mapping[str, str]]
    notes: tuple[str, ...]


def ablation(config: TrainConfig, options: AblateOptions, report: Report) -> Ablation | None:
    """Train every subset from every seed and score all on the test contigs.

    Networks go to ``runs`` in ``options.out``. Baselines come first, so that a file that cannot be
    used is found before any training.

    Args:
        config: configuration of the full model, checked; the options' own is not read.
        options: what to train.
        report: told what happens.

    Returns:
        What was found; None in all training processes but the first.

    Raises:
        ChromputerError: an input cannot be used, or a run in ``options.out`` is of other settings.
    """
    subsets = named_subsets(config.inputs, options.subsets or default_subsets(config.inputs))
    _check_replicates(config, options)
    check_folder(options.out)
    find_accelerator(config.fit)
    first_process = process_rank(config.fit) == 0
    if not first_process:
        report = Silent()
    prepare_process(config)
    with open_sources(config, report.note) as sources:
        study = _Study(config, options, sources, report)
        references, ceiling = study.references() if first_process else ({}, None)
        trained = study.train(subsets)
    if not first_process:
        return None
    report.note("scoring")
    full = subsets[-1]
    runs = {**references, **{name: [run for run, _ in found] for name, found in trained.items()}}
    rows = [
        _row(name, "network" if name in trained else "baseline", found, options.draws)
        for name, found in runs.items()
    ]
    if ceiling is not None:
        rows.append(_row(CEILING, "ceiling", [ceiling], options.draws))
    (sites, _), spec = trained[full][0]
    return Ablation(
        # Baselines know nothing of continuous labels.
        tuple(row for row in rows if row.scores != Scores(None, (), ())),
        tuple(
            PairedTest("", full, name, _gains(runs[full], found, options.draws))
            for name, found in runs.items()
            if name != full
        ),
        full,
        sites,
        spec,
        study.seeds,
        study.inputs,
        study.checksums,
        tuple(study.notes),
    )


def _check_replicates(config: TrainConfig, options: AblateOptions) -> None:
    check_replicates(config, options.replicate_states, options.replicates)
    train = [sample.name for sample in config.all_samples() if sample.use == "train"]
    if len(train) > 1 and (options.replicate_states is not None or options.replicates):
        raise InputError(
            f"second label files are of one sample, but the configuration trains on "
            f"{', '.join(train)}: leave --replicate-states and --replicate away"
        )


class _Study:
    """All runs on the same open files.

    Attributes:
        seeds: seeds of the runs of each subset, each once.
        inputs: what is read, by what it is.
        checksums: ``file`` and ``sha256`` of the same files.
        notes: what the reader must know.
    """

    def __init__(
        self, config: TrainConfig, options: AblateOptions, sources: Sources, report: Report
    ) -> None:
        self._config, self._options = config, options
        self._sources, self._report = sources, report
        self._command = shlex.join(options.command)
        self._tss = options.tss or config.data.tss
        self.seeds = tuple(dict.fromkeys(options.seeds or _SEEDS))
        self.notes: list[str] = []
        beside = {"start sites": self._tss, "replicate states": options.replicate_states}
        beside |= {f"replicate {name}": path for name, path in options.replicates.items()}
        self.inputs = input_files(config, sources)
        self.inputs |= {name: path for name, path in beside.items() if path is not None}
        self.checksums = {
            name: {"file": path.name, "sha256": file_record(path).sha256}
            for name, path in self.inputs.items()
        }

    def references(self) -> tuple[dict[str, list[Predicted]], Predicted | None]:
        """Baselines and, where there are second label files, the ceiling, on the same sites."""
        options, config, sources = self._options, self._config, self._sources
        samples = sources.training_samples
        tss = None if self._tss is None else read_tss(self._tss, sources.sizes)
        self.notes += missing_baselines(config, samples[0], tss)
        found = sample_baselines(
            config,
            sources,
            samples,
            config.splits.test,
            tss,
            forest=True,
            seed=config.seed,
            jobs=options.jobs,
            report=self._report.note,
        )
        names = [sample.name for sample in samples] if len(samples) > 1 else None
        baselines: dict[str, list[Predicted]] = {
            item.name: [(pool_sites(item.sites, names), item.heads)] for item in found
        }
        if options.replicate_states is None and not options.replicates:
            self.notes.append(
                "no ceiling: it needs second label files (--replicate-states, --replicate)"
            )
            return baselines, None
        sites = ceiling_sites(
            config, sources, samples[0], options.replicate_states, options.replicates
        )
        return baselines, (sites, uncalibrated(sources.heads))

    def train(self, subsets: Sequence[str]) -> dict[str, list[tuple[Predicted, ModelSpec]]]:
        """Runs of each subset, in the order of the seeds."""
        trained: dict[str, list[tuple[Predicted, ModelSpec]]] = {subset: [] for subset in subsets}
        seeds, number = self.seeds, 0
        # Seed by seed: a study that is stopped has all subsets of the seeds that it did.
        for seed in seeds:
            for subset in subsets:
                number += 1
                self._report.note(
                    f"{subset}, seed {seed} (run {number} of {len(seeds) * len(subsets)})"
                )
                folder = self._options.out / RUNS / subset / f"seed{seed}"
                try:
                    trained[subset].append(self._run(subset, seed, folder))
                except ChromputerError as error:
                    error.add_note(
                        f"{subset}, seed {seed}: to train it from the beginning, remove {folder} "
                        f"or name another folder with --out"
                    )
                    raise
        return trained

    def _run(self, subset: str, seed: int, folder: Path) -> tuple[Predicted, ModelSpec]:
        """Test predictions of a subset; a run that is there is taken up or read."""
        inputs = with_inputs(self._config.inputs, subset)
        config = replace(self._config, inputs=inputs, seed=seed)
        sources = with_subset(self._sources, inputs)
        prepare_process(config)
        experiment = Experiment(config, sources)
        provenance = run_provenance(config, sources, self._command)
        with made_folder(folder):
            network = experiment.fit(
                folder,
                self._report.note,
                resume=(folder / LAST).exists(),
                fingerprint=self._identity(config, provenance),
                progress=lambda *steps: self._report.progress(f"{subset}, seed {seed}", *steps),
            )
            heads = experiment.calibrated(experiment.sites(network, config.splits.validation))
            sites = experiment.sites(network, config.splits.test)
            if process_rank(config.fit) == 0:
                save_sites(folder / "test.npz", sites, heads)
        return (sites, heads), model_spec(config, sources, heads, {}, provenance)

    def _identity(self, config: TrainConfig, provenance: Mapping[str, Any]) -> str:
        lines = [fingerprint(config, provenance)]
        if config.sites.kind == "matched":
            # By the fragments and the seed of the whole configuration, whatever is read.
            lines.append(f"seed of the sites = {self._config.seed}")
            lines += [
                f"SHA-256 of {name} = {record['sha256']}"
                for name, record in self.checksums.items()
                if name not in provenance["inputs"]
            ]
        return "\n".join(lines)


def _row(name: str, role: Role, runs: Sequence[Predicted], draws: int) -> AblationRow:
    scores = tuple(score(sites, heads, draws) for sites, heads in runs)
    return AblationRow(name, role, mean_scores(scores), scores)


def _gains(
    full: Sequence[Predicted], other: Sequence[Predicted], draws: int
) -> tuple[Difference, ...]:
    """A baseline has one run, which stands against that of every seed."""
    others = other if len(other) == len(full) else [other[0]] * len(full)
    return paired(full, others, draws)

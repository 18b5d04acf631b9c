"""What each input is worth: the same training on subsets of the inputs, beside baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from chromputer_tracks.analysis.evaluate.run import (
    CEILING,
    ceiling_sites,
    check_replicates,
    sample_baselines,
)
from chromputer_tracks.data.features import Features
from chromputer_tracks.errors import ChromputerError, InputError
from chromputer_tracks.evaluation.calibration import uncalibrated
from chromputer_tracks.evaluation.metrics import DRAWS
from chromputer_tracks.evaluation.scores import Scores, mean_scores
from chromputer_tracks.evaluation.scoring import Difference, Predicted, paired, score
from chromputer_tracks.evaluation.sites import LabelledSites, pool_sites, save_sites
from chromputer_tracks.io.atomic import check_folder, made_folder
from chromputer_tracks.io.bed import read_tss
from chromputer_tracks.model.checkpoints import LAST
from chromputer_tracks.model.config import InputsConfig, TrainConfig
from chromputer_tracks.model.experiment import Experiment
from chromputer_tracks.model.processes import find_accelerator, process_rank
from chromputer_tracks.model.sources import Sources, open_sources
from chromputer_tracks.model.training import (
    file_record,
    fingerprint,
    model_spec,
    prepare_process,
    run_provenance,
    silent,
)
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


Report = Callable[[str], None]
Role = Literal["baseline", "network", "ceiling"]


@dataclass(frozen=True, slots=True)
class AblateOptions:
    """What to train and score.

    Attributes:
        config: of the full model, checked.
        out: folder of the runs; made if its parent exists. Finished runs in it are not repeated.
        subsets: inputs to train with, each joined by ``+``; empty: see
            :func:`~chromputer_tracks.analysis.ablate.run.default_subsets`.
        seeds: of the runs of each subset.
        tss: BED of genes or start sites; None: the configuration's.
        replicate_states: second states BED, for the ceiling.
        replicates: second peak file by binary label, likewise.
        jobs: threads of the random forest.
        draws: bootstrap resamples.
    """

    config: TrainConfig
    out: Path
    subsets: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (1, 2, 3)
    tss: Path | None = None
    replicate_states: Path | None = None
    replicates: tuple[tuple[str, Path], ...] = ()
    jobs: int = 1
    draws: int = DRAWS


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
        paired: name of another row to the last subset's gains over it, averaged over the seeds.
        full: name of the last subset.
        sites: of the last subset's first run.
        spec: of the same network, without figures.
        seeds: of the networks' runs.
        files: what was read, by what it is: ``file`` and ``sha256``.
        notes: what the reader must know.
    """

    rows: tuple[AblationRow, ...]
    paired: tuple[tuple[str, tuple[Difference, ...]], ...]
    full: str
    sites: LabelledSites
    spec: ModelSpec
    seeds: tuple[int, ...]
    files: Mapping[str, Mapping[str, str]]
    notes: tuple[str, ...]


def ablate(options: AblateOptions, report: Report, command: str = "") -> Ablation | None:
    """Train every subset from every seed and score all on the test contigs.

    Baselines come first, so that a file that cannot be used is found before any training.

    Args:
        options: what to train.
        report: told what happens, a line at a time.
        command: for the provenance.

    Returns:
        What was found; None in all training processes but the first.

    Raises:
        ChromputerError: an input cannot be used, or a run in ``out`` is of other settings.
    """
    config = options.config
    subsets = named_subsets(config.inputs, options.subsets or default_subsets(config.inputs))
    _check_replicates(options)
    check_folder(options.out)
    find_accelerator(config.fit)
    first_process = process_rank(config.fit) == 0
    if not first_process:
        report = silent
    prepare_process(config)
    with open_sources(config) as sources:
        study = _Study(options, sources, report, command)
        references, ceiling = study.references() if first_process else ({}, None)
        trained = study.train(subsets)
    if not first_process:
        return None
    report("scoring")
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
            (name, _gains(runs[full], found, options.draws))
            for name, found in runs.items()
            if name != full
        ),
        full,
        sites,
        spec,
        options.seeds,
        study.files,
        tuple(study.notes),
    )


def _check_replicates(options: AblateOptions) -> None:
    config = options.config
    check_replicates(config, options.replicate_states, dict(options.replicates))
    train = [sample.name for sample in config.all_samples() if sample.use == "train"]
    if len(train) > 1 and (options.replicate_states is not None or options.replicates):
        raise InputError(
            f"second label files are of one sample, but the configuration trains on "
            f"{', '.join(train)}: leave --replicate-states and --replicate away"
        )


class _Study:
    """All runs on the same open files.

    Attributes:
        files: what is read, by what it is.
        notes: what the reader must know.
    """

    def __init__(
        self, options: AblateOptions, sources: Sources, report: Report, command: str
    ) -> None:
        self._options, self._sources, self._report = options, sources, report
        self._command = command
        self.notes: list[str] = []
        tss = options.tss or options.config.data.tss
        beside = {} if tss is None else {"start sites": tss}
        if options.replicate_states is not None:
            beside["replicate states"] = options.replicate_states
        beside |= {f"replicate {name}": path for name, path in options.replicates}
        inputs = run_provenance(options.config, sources, command)["inputs"]
        self.files = {**inputs, **{name: file_record(path) for name, path in beside.items()}}

    def references(self) -> tuple[dict[str, list[Predicted]], Predicted | None]:
        """Baselines and, where there are second label files, the ceiling, on the same sites."""
        options, config, sources = self._options, self._options.config, self._sources
        samples = sources.training_samples
        tss = options.tss or config.data.tss
        found = sample_baselines(
            config,
            sources,
            samples,
            None if tss is None else read_tss(tss, sources.sizes),
            config.seed,
            options.jobs,
            self._report,
            self.notes.append,
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
            config, sources, samples[0], options.replicate_states, dict(options.replicates)
        )
        return baselines, (sites, uncalibrated(sources.heads))

    def train(self, subsets: Sequence[str]) -> dict[str, list[tuple[Predicted, ModelSpec]]]:
        """Runs of each subset, in the order of the seeds."""
        trained: dict[str, list[tuple[Predicted, ModelSpec]]] = {subset: [] for subset in subsets}
        seeds = self._options.seeds
        number = 0
        # Seed by seed: a study that is stopped has all subsets of the seeds that it did.
        for seed in seeds:
            for subset in subsets:
                number += 1
                self._report(f"{subset}, seed {seed} (run {number} of {len(seeds) * len(subsets)})")
                folder = self._options.out / "runs" / subset / f"seed{seed}"
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
        inputs = with_inputs(self._options.config.inputs, subset)
        config = replace(self._options.config, inputs=inputs, seed=seed)
        sources = with_subset(self._sources, inputs)
        prepare_process(config)
        experiment = Experiment(config, sources)
        provenance = run_provenance(config, sources, self._command)
        with made_folder(folder):
            network = experiment.fit(
                folder,
                self._report,
                resume=(folder / LAST).exists(),
                fingerprint=self._identity(config, provenance),
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
            lines.append(f"seed of the sites = {self._options.config.seed}")
            lines += [
                f"SHA-256 of {name} = {record['sha256']}"
                for name, record in self.files.items()
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

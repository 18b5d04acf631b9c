"""What each input is worth: the same training on subsets of the inputs, beside baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from chromputer_tracks.analysis.references import ceiling_sites, sample_baselines
from chromputer_tracks.errors import InputError
from chromputer_tracks.evaluation.bootstrap import DRAWS
from chromputer_tracks.evaluation.metrics_json import uncalibrated
from chromputer_tracks.evaluation.paired import Difference, paired_runs
from chromputer_tracks.evaluation.predict import pool_sites
from chromputer_tracks.evaluation.scores import Scores
from chromputer_tracks.evaluation.scoring import score
from chromputer_tracks.evaluation.seeds import mean_scores
from chromputer_tracks.evaluation.sites import Sites, save_sites
from chromputer_tracks.io.atomic import check_parent, output_errors
from chromputer_tracks.io.tss import read_tss
from chromputer_tracks.model.config import InputsConfig, TrainConfig
from chromputer_tracks.model.experiment import Experiment
from chromputer_tracks.model.processes import process_rank
from chromputer_tracks.model.sources import open_sources
from chromputer_tracks.model.training import fingerprint, prepare_process, run_provenance, silent
from chromputer_tracks.spec import HeadSpec

Report = Callable[[str], None]
Run = tuple[Sites, tuple[HeadSpec, ...]]

_ALL_COMBINATIONS = 3
"""Most inputs of which every combination is trained unless subsets are given."""


@dataclass(frozen=True, slots=True)
class AblateOptions:
    """What to train and score.

    Attributes:
        config: of the full model, checked.
        out: folder of the runs; made if its parent exists. Finished runs in it are not repeated.
        subsets: inputs to train with, each joined by ``+``; empty: see :func:`default_subsets`.
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
        role: ``baseline``, ``network`` or ``ceiling``.
        scores: mean over the runs.
        runs: scores of each run; one for a baseline.
    """

    name: str
    role: str
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
        heads: of the same.
        notes: what the reader must know.
    """

    rows: tuple[AblationRow, ...]
    paired: tuple[tuple[str, tuple[Difference, ...]], ...]
    full: str
    sites: Sites
    heads: tuple[HeadSpec, ...]
    notes: tuple[str, ...]


def input_names(inputs: InputsConfig) -> tuple[str, ...]:
    """Names of the inputs that can be left out, as subsets are written."""
    vplots = [item.name for item in inputs.specs() if item.kind == "vplot"]
    signals = [item.name for item in inputs.signals]
    sequence = ["sequence"] if inputs.sequence else []
    return (*vplots, *signals, *sequence, *(["shape"] if inputs.shape else []))


def default_subsets(inputs: InputsConfig) -> tuple[str, ...]:
    """Every combination of up to three inputs; of more, each alone, all but each, and all."""
    names = input_names(inputs)
    if len(names) <= _ALL_COMBINATIONS:
        sizes = range(1, len(names) + 1)
        return tuple("+".join(found) for size in sizes for found in combinations(names, size))
    without = ["+".join(other for other in names if other != name) for name in names]
    return (*names, *without, "+".join(names))


def with_inputs(inputs: InputsConfig, subset: str) -> InputsConfig:
    """The inputs that a subset names.

    Raises:
        InputError: it names one that is not there, or one twice.
    """
    chosen = [name.strip() for name in subset.split("+")]
    known = input_names(inputs)
    for name in chosen:
        if name not in known:
            raise InputError(f"subset {subset!r}: no input {name!r}; known: {', '.join(known)}")
    if len(set(chosen)) < len(chosen):
        raise InputError(f"subset {subset!r} names an input twice")
    vplots = {item.name: item.assay for item in inputs.specs() if item.kind == "vplot"}
    return replace(
        inputs,
        sequence="sequence" in chosen,
        shape=inputs.shape if "shape" in chosen else (),
        vplots=tuple(assay for name, assay in vplots.items() if name in chosen),
        signals=tuple(item for item in inputs.signals if item.name in chosen),
    )


def ablate(options: AblateOptions, report: Report, command: str = "") -> Ablation | None:
    """Train every subset from every seed and score all on the test contigs.

    Args:
        options: what to train.
        report: told what happens, a line at a time.
        command: for the fingerprint of the runs.

    Returns:
        What was found; None in all training processes but the first.

    Raises:
        ChromputerError: an input cannot be used, or a run in ``out`` is of other settings.
    """
    config = options.config
    subsets = options.subsets or default_subsets(config.inputs)
    chosen = {subset: with_inputs(config.inputs, subset) for subset in subsets}
    check_parent(options.out)
    if process_rank(config.fit) != 0:
        report = silent
    trained: dict[str, list[Run]] = {subset: [] for subset in subsets}
    # Seed by seed, so that a study that is stopped has whole tables.
    for seed in options.seeds:
        for subset, inputs in chosen.items():
            report(f"{subset}, seed {seed}")
            folder = options.out / "runs" / subset / f"seed{seed}"
            settings = replace(config, inputs=inputs, seed=seed)
            trained[subset].append(_train(settings, folder, report, command))
    if process_rank(config.fit) != 0:
        return None
    report("scoring")
    notes: list[str] = []
    references, ceiling = _references(options, report, notes.append)
    runs = {**references, **trained}
    rows = [
        _row(name, "network" if name in trained else "baseline", found, options)
        for name, found in runs.items()
    ]
    full = subsets[-1]
    pairs = tuple(
        (name, _gains(trained[full], found, options))
        for name, found in runs.items()
        if name != full
    )
    if ceiling is not None:
        rows.append(_row("replicate", "ceiling", [ceiling], options))
    return Ablation(tuple(rows), pairs, full, *trained[full][0], tuple(notes))


def _train(config: TrainConfig, folder: Path, report: Report, command: str) -> Run:
    """Predictions of a trained subset; a run that is there is taken up or read."""
    prepare_process(config)
    with open_sources(config) as sources:
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        experiment = Experiment(config, sources)
        identity = fingerprint(config, run_provenance(config, sources, command))
        network = experiment.fit(folder, report, resume=True, fingerprint=identity)
        heads = experiment.calibrated(experiment.sites(network, config.splits.validation))
        sites = experiment.sites(network, config.splits.test)
        if process_rank(config.fit) == 0:
            save_sites(folder / "test.npz", sites, heads)
    return sites, heads


def _references(
    options: AblateOptions, report: Report, note: Report
) -> tuple[dict[str, list[Run]], Run | None]:
    """Baselines and, where there are second label files, the ceiling, on the same sites."""
    config = replace(options.config, auxiliary=None)
    with open_sources(config) as sources:
        samples = sources.training_samples
        tss = options.tss or config.data.tss
        found = sample_baselines(
            config,
            sources,
            samples,
            None if tss is None else read_tss(tss, sources.sizes),
            config.seed,
            options.jobs,
            report,
            note,
        )
        names = [sample.name for sample in samples] if len(samples) > 1 else None
        baselines: dict[str, list[Run]] = {
            item.name: [(pool_sites(item.sites, names), item.heads)] for item in found
        }
        ceiling = None
        if options.replicate_states is not None or options.replicates:
            sites = ceiling_sites(
                config, sources, samples[0], options.replicate_states, dict(options.replicates)
            )
            ceiling = (sites, uncalibrated(sources.heads))
        else:
            note("no ceiling: it needs second label files (--replicate-states, --replicate)")
    return baselines, ceiling


def _row(name: str, role: str, runs: Sequence[Run], options: AblateOptions) -> AblationRow:
    scores = tuple(score(sites, heads, options.draws) for sites, heads in runs)
    return AblationRow(name, role, mean_scores(scores), scores)


def _gains(
    full: Sequence[Run], other: Sequence[Run], options: AblateOptions
) -> tuple[Difference, ...]:
    """A baseline has one run, which stands against that of every seed."""
    others = other if len(other) == len(full) else [other[0]] * len(full)
    return paired_runs(full, others, options.draws)


def figures(scores: Scores) -> Iterator[tuple[str, float, float, float]]:
    """Name, value and interval of the figures that a table shows: states, then AUPRC by label."""
    if scores.states is not None:
        for name, found in (
            ("accuracy", scores.states.accuracy),
            ("macro-F1", scores.states.macro_f1),
        ):
            yield name, found.value, found.low, found.high
    for item in scores.binary:
        yield item.name, item.auprc.value, item.auprc.low, item.auprc.high
    for label in scores.continuous:
        yield label.name, label.pearson.value, label.pearson.low, label.pearson.high

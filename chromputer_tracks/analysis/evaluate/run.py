"""Models, baselines and replicates scored on the same held-out sites: ``chromputer evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from chromputer_tracks.analysis.evaluate.models import (
    CEILING,
    Entrant,
    Note,
    ceiling_sites,
    checked_models,
    open_entrant,
    sample_baselines,
)
from chromputer_tracks.analysis.report.page import assay_vplots
from chromputer_tracks.analysis.vplots.aggregate import VplotSet
from chromputer_tracks.errors import ChromputerError, InputError
from chromputer_tracks.evaluation.calibration import uncalibrated
from chromputer_tracks.evaluation.metrics import DRAWS
from chromputer_tracks.evaluation.scores import Scores
from chromputer_tracks.evaluation.scoring import PairedTest, paired, score
from chromputer_tracks.evaluation.sites import LabelledSites
from chromputer_tracks.inference.session import ProviderChoice, available_cpus
from chromputer_tracks.io.bed import TssTable, read_tss
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.sources import Sample, Sources, open_sources
from chromputer_tracks.spec import HeadSpec

Role = Literal["model", "baseline", "ceiling"]


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What to score, where and against what.

    Attributes:
        models: model folders, ``.onnx`` files or names of shipped models.
        config: names the genome, the samples and their labels.
        data: folder that the configuration's relative paths start from; None: its own.
        split: whose contigs are scored, where ``contigs`` is empty.
        contigs: which are scored.
        sample: which of the configuration's samples; None: all.
        baselines: learn and score baselines, too.
        tss: BED of genes or start sites for gene proximity; None: the configuration's.
        replicate_states: second states BED.
        replicates: second peak file by binary label.
        allow_training_contigs: score contigs that a model was trained on.
        provider: what the models run on.
        threads: of models and forest; None: all that may be used.
        draws: bootstrap resamples.
        seed: of resampling and baselines.
    """

    models: tuple[str, ...]
    config: Path
    data: Path | None = None
    split: Literal["validation", "test"] = "test"
    contigs: tuple[str, ...] = ()
    sample: str | None = None
    baselines: bool = False
    tss: Path | None = None
    replicate_states: Path | None = None
    replicates: Mapping[str, Path] = field(default_factory=dict)
    allow_training_contigs: bool = False
    provider: ProviderChoice = "auto"
    threads: int | None = None
    draws: int = DRAWS
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Scored:
    """One model, baseline or ceiling on one sample.

    Attributes:
        name: as tables show it.
        role: what it is.
        sample: name of the sample.
        heads: with the calibration that was applied.
        sites: predictions and labels.
        scores: their figures.
    """

    name: str
    role: Role
    sample: str
    heads: tuple[HeadSpec, ...]
    sites: LabelledSites
    scores: Scores


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that was found.

    Attributes:
        config: the configuration.
        entrants: the models.
        contigs: that were scored.
        samples: names of the samples that were scored.
        scored: sample by sample: models, baselines, ceiling.
        compared: paired tests.
        vplots: by state, of each sample's fragments.
        notes: what the reader must know.
    """

    config: TrainConfig
    entrants: tuple[Entrant, ...]
    contigs: tuple[str, ...]
    samples: tuple[str, ...]
    scored: tuple[Scored, ...]
    compared: tuple[PairedTest, ...]
    vplots: tuple[VplotSet, ...]
    notes: tuple[str, ...]

    def on(self, sample: str, *roles: Role) -> list[Scored]:
        """What was scored on a sample, of some roles or of all."""
        return [
            item
            for item in self.scored
            if item.sample == sample and (not roles or item.role in roles)
        ]


def evaluate(options: EvaluateOptions, report: Note) -> Evaluation:
    """Score models on the contigs of a configuration, with what they are to be compared with.

    Args:
        options: what to score.
        report: told what happens, a line at a time.

    Raises:
        ChromputerError: a model, the configuration or a file of it cannot be used for this.
    """
    config = load_config(options.config, options.data)
    contigs = options.contigs or getattr(config.splits, options.split)
    samples = _chosen(config, options)
    notes: list[str] = []

    def note(text: str) -> None:
        notes.append(text)
        report(f"note: {text}")

    models = checked_models(
        options.models,
        config.label_bin,
        contigs,
        note,
        allow_training_contigs=options.allow_training_contigs,
    )
    # Auxiliary labels are only learnt from.
    config = replace(config, auxiliary=None, splits=replace(config.splits, test=contigs))
    with ExitStack() as stack:
        try:
            sources = stack.enter_context(open_sources(config))
        except ChromputerError as error:
            if options.contigs:
                error.add_note("--contigs stands for splits.test here")
            raise
        entrants = [
            open_entrant(name, model, sources, options.provider, options.threads, note)
            for name, model in models.items()
        ]
        run = _Run(options, config, sources, report, note)
        opened = [sample for sample in sources.samples if sample.name in samples]
        # First all that reads further files: a wrong one is not to be found after predicting.
        for entrant in entrants:
            for sample in opened:
                entrant.features(sources, sample)
        tss = run.start_sites() if options.baselines else None
        second = options.replicate_states is not None or options.replicates
        ceiling = [run.ceiling(opened[0])] if second else []
        scored = [run.model(entrant, sample) for sample in opened for entrant in entrants]
        if options.baselines:
            scored += run.baselines(opened, tss)
        scored += ceiling
        compared = [item for name in samples for item in run.compare(scored, name)]
        vplots = [item for sample in opened for item in _vplots(sources, sample, scored)]
    return Evaluation(
        config,
        tuple(entrants),
        tuple(contigs),
        samples,
        tuple(scored),
        tuple(compared),
        tuple(vplots),
        tuple(notes),
    )


def _chosen(config: TrainConfig, options: EvaluateOptions) -> tuple[str, ...]:
    """Names of the samples to score."""
    names = tuple(sample.name for sample in config.all_samples())
    if options.sample is not None and options.sample not in names:
        raise InputError(
            f"--sample {options.sample}: {options.config} has no such sample; it has "
            f"{', '.join(names)}"
        )
    chosen = names if options.sample is None else (options.sample,)
    if len(chosen) > 1 and (options.replicate_states is not None or options.replicates):
        raise InputError(
            f"replicates are of one sample: say of which with --sample ({', '.join(names)})"
        )
    labels = [item.name for item in config.binary_labels()]
    for name in options.replicates:
        if name not in labels:
            raise InputError(
                f"--replicate {name}: {options.config} has no such binary label; it has "
                f"{', '.join(labels) or 'none'}"
            )
    if options.replicate_states is not None and config.states is None:
        raise InputError(f"--replicate-states: {options.config} has no [states]")
    return chosen


class _Run:
    """Scores one thing after the other, all on the same resamples."""

    def __init__(
        self,
        options: EvaluateOptions,
        config: TrainConfig,
        sources: Sources,
        report: Note,
        note: Note,
    ) -> None:
        self._options, self._config, self._sources = options, config, sources
        self._report, self._note = report, note

    def model(self, entrant: Entrant, sample: Sample) -> Scored:
        """A model on a sample."""
        of = f" on sample {sample.name}" if len(self._sources.samples) > 1 else ""
        self._report(f"{entrant.name}{of}: predicting {', '.join(self._config.splits.test)}")
        sites = entrant.predict(
            self._sources, sample, self._config.splits.test, self._config.label_bin
        )
        return self._score(entrant.name, "model", sample.name, entrant.heads, sites)

    def start_sites(self) -> TssTable | None:
        """For gene proximity, if a file of them is named."""
        path = self._options.tss or self._config.data.tss
        return None if path is None else read_tss(path, self._sources.sizes)

    def baselines(self, samples: Sequence[Sample], tss: TssTable | None) -> list[Scored]:
        """Baselines, learnt on the training contigs of the training samples."""
        found = sample_baselines(
            self._config,
            self._sources,
            samples,
            tss,
            self._options.seed,
            self._options.threads or available_cpus(),
            self._report,
            self._note,
        )
        return [
            self._score(baseline.name, "baseline", sample.name, baseline.heads, sites)
            for baseline in found
            for sample, sites in zip(samples, baseline.sites, strict=True)
        ]

    def ceiling(self, sample: Sample) -> Scored:
        """Second label files as a prediction of the first ones: what agreement can be had."""
        options = self._options
        sites = ceiling_sites(
            self._config, self._sources, sample, options.replicate_states, options.replicates
        )
        heads = uncalibrated(self._sources.heads)
        return self._score(CEILING, "ceiling", sample.name, heads, sites)

    def compare(self, scored: Sequence[Scored], sample: str) -> list[PairedTest]:
        """The first model against all other models and baselines."""
        here = [item for item in scored if item.sample == sample and item.role != "ceiling"]
        first, *others = here
        pairs = []
        for other in others:
            differences = paired(
                [(first.sites, first.heads)],
                [(other.sites, other.heads)],
                self._options.draws,
                self._options.seed,
            )
            pairs.append(PairedTest(sample, first.name, other.name, differences))
        return pairs

    def _score(
        self, name: str, role: Role, sample: str, heads: tuple[HeadSpec, ...], sites: LabelledSites
    ) -> Scored:
        scores = score(sites, heads, self._options.draws, self._options.seed)
        return Scored(name, role, sample, heads, sites, scores)


def _vplots(sources: Sources, sample: Sample, scored: Sequence[Scored]) -> list[VplotSet]:
    """V-plots by true state and by that of the first model, of each of the sample's assays."""
    item = next(item for item in scored if item.sample == sample.name)
    if item.scores.states is None:
        return []
    of = f", {sample.name}" if len(sources.samples) > 1 else ""
    return list(assay_vplots(sources.sizes, sample, item.sites, item.heads[0].labels, of))

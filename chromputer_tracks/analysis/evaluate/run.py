"""Models, baselines and replicates scored on the same held-out sites: ``chromputer evaluate``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.evaluate.files import (
    Evaluation,
    Role,
    SampleDepths,
    SampleScores,
    write_evaluation,
)
from chromputer_tracks.analysis.report.page import assay_vplots
from chromputer_tracks.data.features import Features
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import ChromputerError, InputError, meant
from chromputer_tracks.evaluation.depth import DepthSample, measure_fitness
from chromputer_tracks.evaluation.scores import PairedTest, paired, score
from chromputer_tracks.evaluation.sites import LabelledSites, predict_sites, uncalibrated
from chromputer_tracks.inference.session import (
    Model,
    Session,
    available_cpus,
    load_model,
    open_session,
)
from chromputer_tracks.io.bed import TssTable, read_tss
from chromputer_tracks.io.record import Report, RunRecord, Silent
from chromputer_tracks.io.run import run
from chromputer_tracks.model.config import (
    InputsConfig,
    SampleConfig,
    SitesConfig,
    SplitConfig,
    TrainConfig,
)
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.sources import (
    LabelledSample,
    Sources,
    open_sources,
    sample_baselines,
    sample_input_files,
    sample_labels,
)
from chromputer_tracks.options.train import EvaluateOptions
from chromputer_tracks.spec import Fitness, HeadSpec, Label, ModelSpec

KIND = "evaluate"
"""What ``run.json`` says of the command."""

CEILING = "replicate"
"""Name of the second label files among models and baselines."""

_SURE = 8.0
"""Logit of a label that is given, not predicted."""


@dataclass(frozen=True, slots=True)
class EvaluateRecord:
    """What ``run.json`` says of an evaluation beside what every record does.

    Attributes:
        contigs: contigs that were scored.
        samples: names of the samples that were scored.
        providers: name of a model to what it ran on.
    """

    contigs: tuple[str, ...]
    samples: tuple[str, ...]
    providers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EvaluateResult:
    """What was found, and the record of the run."""

    evaluation: Evaluation
    record: RunRecord


def evaluate(options: EvaluateOptions, report: Report | None = None) -> EvaluateResult:
    """Score models on the contigs of a configuration, with what they are to be compared with.

    Scores, sites, tables and ``report.html`` go to ``options.out``.

    Raises:
        ChromputerError: a model, the configuration or a file of it cannot be used for this, or the
            folder cannot be written.
    """
    report = report or Silent()
    with run(KIND, options, report) as work:
        with work.stages.phase("scoring"):
            found = _evaluation(options, report)
        with work.stages.phase("writing"):
            work.read(_files(found, options))
            write_evaluation(found, options, work)
        providers = {model.name: model.session.provider for model in found.models}
        work.describe(EvaluateRecord(found.contigs, found.samples, providers))
    return EvaluateResult(found, work.record)


def _evaluation(options: EvaluateOptions, report: Report) -> Evaluation:
    config = load_config(options.config, options.data)
    contigs = options.contigs or getattr(config.splits, options.split)
    samples = _chosen(config, options)
    notes: list[str] = []

    def note(text: str) -> None:
        notes.append(text)
        report.note(f"note: {text}")

    loaded = checked_models(
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
        models = [open_model(name, model, sources, options, note) for name, model in loaded.items()]
        opened = [sample for sample in sources.samples if sample.name in samples]
        scored: list[SampleScores] = []
        depths: list[SampleDepths] = []

        def add(
            name: str,
            role: Role,
            sample: LabelledSample,
            heads: tuple[HeadSpec, ...],
            sites: LabelledSites,
        ) -> None:
            # All on the same resamples, so that they can be paired.
            scores = score(sites, heads, options.draws, options.seed)
            scored.append(SampleScores(name, role, sample.name, heads, sites, scores))

        # First all that reads further files: a wrong one is not to be found after predicting.
        for model in models:
            for sample in opened:
                model.features(sources, sample)
        tss = _start_sites(options, config, sources) if options.baselines else None
        second = None
        if options.replicate_states is not None or options.replicates:
            second = ceiling_sites(
                config, sources, opened[0], options.replicate_states, options.replicates
            )
        for sample in opened:
            of = f" on sample {sample.name}" if len(sources.samples) > 1 else ""
            for model in models:
                report.note(f"{model.name}{of}: predicting {', '.join(contigs)}")
                sites = model.predict(sources, sample, contigs, config.label_bin)
                add(model.name, "model", sample, model.heads, sites)
                if options.by_depth:
                    found = model.by_depth(
                        sources, sample, contigs, options, config.label_bin, report.note
                    )
                    if found is None:
                        note(f"{model.name} reads no fragments: not scored by depth")
                    else:
                        depths.append(SampleDepths(model.name, sample.name, found))
        if options.baselines:
            for text in missing_baselines(config, opened[0], tss):
                note(text)
            for baseline in sample_baselines(
                config,
                sources,
                opened,
                contigs,
                tss,
                forest=True,
                seed=options.seed,
                jobs=options.threads or available_cpus(),
                report=report.note,
            ):
                for sample, sites in zip(opened, baseline.sites, strict=True):
                    add(baseline.name, "baseline", sample, baseline.heads, sites)
        if second is not None:
            add(CEILING, "ceiling", opened[0], uncalibrated(sources.heads), second)
        several = len(sources.samples) > 1
        return Evaluation(
            config,
            tuple(models),
            tuple(contigs),
            samples,
            tuple(scored),
            tuple(test for name in samples for test in _paired(scored, name, options)),
            tuple(
                vplots
                for sample in opened
                for first in [next(item for item in scored if item.sample == sample.name)]
                if first.scores.states is not None
                for vplots in assay_vplots(
                    sources.sizes,
                    sample,
                    first.sites,
                    first.heads[0].labels,
                    f", {sample.name}" if several else "",
                )
            ),
            tuple(notes),
            tuple(depths),
        )


def _chosen(config: TrainConfig, options: EvaluateOptions) -> tuple[str, ...]:
    """Names of the samples to score."""
    names = tuple(sample.name for sample in config.all_samples())
    if options.sample is not None and options.sample not in names:
        raise InputError(
            f"--sample {options.sample}: {options.config} has no such sample; it has "
            f"{', '.join(names)}{meant(options.sample, names)}"
        )
    chosen = names if options.sample is None else (options.sample,)
    if len(chosen) > 1 and (options.replicate_states is not None or options.replicates):
        raise InputError(
            f"replicates are of one sample: say of which with --sample ({', '.join(names)})"
        )
    check_replicates(config, options.replicate_states, options.replicates, str(options.config))
    return chosen


def _start_sites(
    options: EvaluateOptions, config: TrainConfig, sources: Sources
) -> TssTable | None:
    """For gene proximity, if a file of them is named."""
    path = options.tss or config.data.tss
    return None if path is None else read_tss(path, sources.sizes)


def _paired(
    scored: Sequence[SampleScores], sample: str, options: EvaluateOptions
) -> list[PairedTest]:
    """The first model against all other models and baselines."""
    first, *others = (item for item in scored if item.sample == sample and item.role != "ceiling")
    return [
        PairedTest(
            sample,
            first.name,
            other.name,
            paired(
                [(first.sites, first.heads)],
                [(other.sites, other.heads)],
                options.draws,
                options.seed,
            ),
        )
        for other in others
    ]


def _files(evaluation: Evaluation, options: EvaluateOptions) -> dict[str, Path]:
    """What was read, by what it is."""
    config = evaluation.config
    files = {f"model {item.name}": item.model.path for item in evaluation.models}
    files |= {"configuration": options.config, "fasta": config.data.fasta}
    several = len(evaluation.samples) > 1
    for sample in config.all_samples():
        if sample.name in evaluation.samples:
            own = dict(sample_input_files(config, sample))
            files |= {f"{sample.name} {k}" if several else k: v for k, v in own.items()}
    if options.replicate_states is not None:
        files["replicate states"] = options.replicate_states
    files |= {f"replicate {name}": path for name, path in options.replicates.items()}
    tss = options.tss or config.data.tss
    if options.baselines and tss is not None:
        files["start sites"] = tss
    return files


# ---- Exported models made comparable: their labels in a configuration's order, at its sites.


@dataclass(frozen=True, slots=True)
class EvaluatedModel:
    """A model with its session, and its labels in the order of a configuration's.

    Attributes:
        name: see :func:`checked_models`.
        model: the model, checked.
        session: the model's session, open.
        heads: the configuration's heads with the model's calibration.
        rows: int64, the model's output of each label of ``heads``, in their order; -1: none.
    """

    name: str
    model: Model
    session: Session
    heads: tuple[HeadSpec, ...]
    rows: NDArray[np.int64]

    def features(self, sources: Sources, sample: LabelledSample) -> Features:
        """What makes the model's inputs of a sample.

        Raises:
            InputError: the configuration reads no file of an assay that the model reads.
        """
        try:
            return Features(self.model.spec.inputs, sources.fasta, sample.assays)
        except InputError as error:
            error.add_note(f"model {self.name}, sample {sample.name}")
            raise

    def predict(
        self, sources: Sources, sample: LabelledSample, contigs: Sequence[str], label_bin: int
    ) -> LabelledSites:
        """Predictions and labels of a sample; NaN rows where the model lacks a label.

        Args:
            sources: the configuration's files.
            sample: one of its samples.
            contigs: contigs to predict.
            label_bin: bp between sites.

        Raises:
            InputError: the configuration reads no file of an assay that the model reads.
        """
        features, spec = self.features(sources, sample), self.model.spec
        return predict_sites(
            self._logits,
            features,
            sample.scored,
            sources.sizes,
            contigs,
            spec.grid,
            label_bin,
            sources.number("states"),
        )

    def by_depth(
        self,
        sources: Sources,
        sample: LabelledSample,
        contigs: Sequence[str],
        options: EvaluateOptions,
        label_bin: int,
        report: Callable[[str], None],
    ) -> Fitness | None:
        """The figures with parts of a sample's fragments; None where it reads none.

        Args:
            sources: the configuration's files.
            sample: one of its samples.
            contigs: contigs to predict.
            options: say how figures are resampled.
            label_bin: bp between sites.
            report: told what is done.
        """
        spec = self.model.spec
        return measure_fitness(
            self._logits,
            spec.inputs,
            sources.fasta,
            [DepthSample(sample.name, sample.assays, sample.scored)],
            contigs,
            spec.grid,
            label_bin,
            self.heads,
            report,
            options.draws,
            options.seed,
        )

    def _logits(self, arrays: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Logits of one segment, in the order of the configuration's labels."""
        logits = self.session.run(arrays)[0]
        nothing = np.full((1, logits.shape[1]), np.nan, dtype=np.float32)
        rows: NDArray[np.float32] = np.concatenate([logits, nothing])[self.rows]
        return rows


def checked_models(
    names: Sequence[str],
    label_bin: int,
    contigs: Sequence[str],
    note: Callable[[str], None],
    *,
    allow_training_contigs: bool,
) -> dict[str, Model]:
    """Load models and check that they can be scored on contigs.

    Args:
        names: model folders, ``.onnx`` files or names of shipped models.
        label_bin: the configuration's, bp.
        contigs: to be scored.
        note: told of contigs that a model was trained or tuned on.
        allow_training_contigs: score those that it was trained on, too.

    Returns:
        name to model; models of the same name have those of their folders or files, or, where
        these are the same, too, what the user wrote.

    Raises:
        SpecError: a model cannot be used.
        InputError: it is given twice, speaks for other bins, or was trained on one of the contigs.
    """
    models = [load_model(name) for name in names]
    choices = [
        [model.name for model in models],
        [Path(given).stem for given in names],
        list(names),
    ]
    checked: dict[str, Model] = {}
    for index, model in enumerate(models):
        called = [choice[index] for choice in choices if choice.count(choice[index]) == 1]
        if not called:
            raise InputError(f"model {names[index]} is given twice")
        name = called[0]
        _check_bins(name, model.spec, label_bin)
        _check_contigs(name, model.spec, contigs, note, allow=allow_training_contigs)
        checked[name] = model
    return checked


def open_model(
    name: str,
    model: Model,
    sources: Sources,
    options: EvaluateOptions,
    note: Callable[[str], None],
) -> EvaluatedModel:
    """Match a model's labels with a configuration's, and open its session.

    Args:
        name: that the model goes by.
        model: checked.
        sources: the configuration's files.
        options: say where it runs, and on how many threads.
        note: told what only one of the two has.

    Raises:
        InputError: the model has no label of the configuration.
        ProviderError: it cannot run.
    """
    if sources.sizes.digest() != model.spec.sizes_digest:
        note(
            f"{name} was trained on another assembly ({model.spec.assembly}) than "
            f"{sources.sizes.source}: whether the contigs were held out cannot be told by name"
        )
    heads, rows = _matched(name, model.spec, sources.heads, note)
    return EvaluatedModel(
        name, model, open_session(model.path, options.provider, options.threads), heads, rows
    )


def _check_bins(name: str, spec: ModelSpec, label_bin: int) -> None:
    if spec.label_bin != label_bin:
        raise InputError(
            f"model {name} speaks for bins of {spec.label_bin} bp, but the configuration's "
            f"label_bin is {label_bin}: set label_bin = {spec.label_bin}, or evaluate the model "
            f"alone with a configuration of its own"
        )
    if label_bin % spec.stride:
        raise InputError(
            f"model {name} has a stride of {spec.stride} bp, which does not divide label_bin "
            f"({label_bin}), so that it has no output at the centres of the bins"
        )


def _check_contigs(
    name: str, spec: ModelSpec, contigs: Sequence[str], note: Callable[[str], None], *, allow: bool
) -> None:
    trained = [contig for contig in contigs if contig in spec.splits.get("train", ())]
    if trained and not allow:
        raise InputError(
            f"model {name} was trained on {', '.join(trained)}, so that figures there would say "
            f"how much it remembers: name held-out contigs with --contigs, or ask for it with "
            f"--allow-training-contigs"
        )
    if trained:
        note(f"{name} was trained on {', '.join(trained)}: its figures there are too good")
    tuned = [contig for contig in contigs if contig in spec.splits.get("validation", ())]
    if tuned:
        note(
            f"{name} was tuned and calibrated on {', '.join(tuned)}: its figures there are "
            f"somewhat too good"
        )


def _matched(
    name: str, spec: ModelSpec, heads: tuple[HeadSpec, ...], note: Callable[[str], None]
) -> tuple[tuple[HeadSpec, ...], NDArray[np.int64]]:
    """The heads with the model's calibration, and its output of each label; -1: none."""
    offered: dict[tuple[str, str, str], tuple[int, Label]] = {}
    output = 0
    for head in spec.heads:
        for label in head.labels:
            offered[head.kind, head.transform, label.name] = (output, label)
            output += 1
    matched, rows, lacking = [], [], []
    for head in heads:
        found = [offered.get((head.kind, head.transform, label.name)) for label in head.labels]
        if head.kind == "states" and not _same_states(head, spec):
            # A share among other states is no share among these.
            found = [None] * len(found)
        labels = []
        for label, item in zip(head.labels, found, strict=True):
            row, own = (-1, label) if item is None else item
            rows.append(row)
            labels.append(replace(label, scale=own.scale, bias=own.bias, threshold=own.threshold))
            if item is None:
                lacking.append(label.name)
        matched.append(replace(head, labels=tuple(labels)))
    if all(row < 0 for row in rows):
        raise InputError(
            f"model {name} predicts none of the configuration's labels ({', '.join(lacking)}); it "
            f"predicts {', '.join(key[2] for key in offered)}"
        )
    if lacking:
        note(f"{name} does not predict {', '.join(lacking)}: not scored")
    spare = [key[2] for key, (row, _) in offered.items() if row not in rows]
    if spare:
        note(f"the configuration has no labels for {', '.join(spare)} of {name}: not scored")
    return tuple(matched), np.array(rows, dtype=np.int64)


def _same_states(head: HeadSpec, spec: ModelSpec) -> bool:
    wanted = {label.name for label in head.labels}
    return any(
        other.kind == "states" and {label.name for label in other.labels} == wanted
        for other in spec.heads
    )


# ---- What models are compared with on a configuration's samples: baselines and replicates.


def missing_baselines(
    config: TrainConfig, sample: LabelledSample, tss: TssTable | None
) -> Iterator[str]:
    """Which baselines there are not, and why."""
    if tss is None:
        yield "no gene proximity, which needs start sites: --tss, or data.tss"
    if not sample.fragments(config.inputs.assays):
        yield "no random forest, as the configuration reads no fragments"


def check_replicates(
    config: TrainConfig,
    states: Path | None,
    peaks: Mapping[str, Path],
    called: str = "the configuration",
) -> None:
    """Check that second label files are of the configuration's labels.

    Args:
        config: the configuration of the first ones.
        states: second states BED, or nothing.
        peaks: second peak file by binary label.
        called: what messages call the configuration.

    Raises:
        InputError: they are not.
    """
    labels = [item.name for item in config.binary_labels()]
    for name in peaks:
        if name not in labels:
            raise InputError(
                f"--replicate {name}: {called} has no such binary label; it has "
                f"{', '.join(labels) or 'none'}"
            )
    if states is not None and config.states is None:
        raise InputError(f"--replicate-states: {called} has no [states]")


def ceiling_sites(
    config: TrainConfig,
    sources: Sources,
    sample: LabelledSample,
    states: Path | None,
    peaks: Mapping[str, Path],
) -> LabelledSites:
    """Second label files as a prediction of a sample's: what agreement can be had.

    Args:
        config: the sources' configuration.
        sources: open.
        sample: sample whose labels are predicted, on the test contigs.
        states: second states BED, or nothing.
        peaks: second peak file by binary label.
    """
    second = SampleConfig(
        sample.name,
        states=states,
        peaks={name: (path,) for name, path in peaks.items()},
        use="test",
    )
    # Opened as a sample without assays, so that its files are checked like all others; the sites
    # are those of the first labels.
    only_labels = replace(
        config,
        samples=(second,),
        continuous=(),
        auxiliary=None,
        sites=SitesConfig(),
        inputs=InputsConfig(vplots=()),
        splits=SplitConfig((), (), config.splits.test),
    )
    with open_sources(only_labels) as opened:
        replicate = sample_labels(config, opened, opened.samples[0], config.splits.test)
    return as_prediction(replicate, sample_labels(config, sources, sample, config.splits.test))


def as_prediction(second: LabelledSites, first: LabelledSites) -> LabelledSites:
    """The labels of ``second`` as logits at the sites of ``first``, NaN where unknown.

    Continuous labels are not predicted. Both are of the same bins.
    """
    logits = np.full(first.logits.shape, np.nan, dtype=np.float32)
    n = first.number_of_states
    known = second.states != UNKNOWN
    states = _SURE * (second.states == np.arange(n)[:, None])
    logits[:n, known] = states[:, known]
    binary = np.where(second.binary == UNKNOWN, np.nan, _SURE * (2 * second.binary - 1))
    logits[n : n + len(binary)] = binary
    return replace(first, logits=logits)

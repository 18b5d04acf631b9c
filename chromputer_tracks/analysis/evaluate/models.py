"""Exported models made comparable: their labels in a configuration's order, at its sites."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import Features
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import InputError
from chromputer_tracks.evaluation.baselines import Baseline, SampleSites, run_baselines
from chromputer_tracks.evaluation.sites import LabelledSites, label_sites, predict_sites
from chromputer_tracks.inference.registry import Model, load_model
from chromputer_tracks.inference.session import ProviderChoice, Session, open_session
from chromputer_tracks.io.bed import TssTable
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.model.config import (
    InputsConfig,
    SampleConfig,
    SitesConfig,
    SplitConfig,
    TrainConfig,
)
from chromputer_tracks.model.sources import Sample, Sources, open_sources
from chromputer_tracks.model.training import motif_matrices
from chromputer_tracks.spec import HeadSpec, Label, ModelSpec

Note = Callable[[str], None]
"""Is told a line."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A model that takes part.

    Attributes:
        name: see :func:`checked_models`.
        model: checked.
        session: open.
        heads: the configuration's heads with the model's calibration.
        rows: int64, the model's output of each label of ``heads``, in their order; -1: none.
    """

    name: str
    model: Model
    session: Session
    heads: tuple[HeadSpec, ...]
    rows: NDArray[np.int64]

    def features(self, sources: Sources, sample: Sample) -> Features:
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
        self, sources: Sources, sample: Sample, contigs: Sequence[str], label_bin: int
    ) -> LabelledSites:
        """Predictions and labels of a sample; NaN rows where the model lacks a label.

        Args:
            sources: the configuration's files.
            sample: one of its samples.
            contigs: which to predict.
            label_bin: bp between sites.

        Raises:
            InputError: the configuration reads no file of an assay that the model reads.
        """
        features, spec = self.features(sources, sample), self.model.spec

        def run(arrays: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
            logits = self.session.run(arrays)[0]
            nothing = np.full((1, logits.shape[1]), np.nan, dtype=np.float32)
            rows: NDArray[np.float32] = np.concatenate([logits, nothing])[self.rows]
            return rows

        return predict_sites(
            run,
            features,
            sample.scored,
            sources.sizes,
            contigs,
            spec.grid,
            label_bin,
            sources.number("states"),
        )


def checked_models(
    names: Sequence[str],
    label_bin: int,
    contigs: Sequence[str],
    note: Note,
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


def open_entrant(
    name: str,
    model: Model,
    sources: Sources,
    provider: ProviderChoice,
    threads: int | None,
    note: Note,
) -> Entrant:
    """Match a model's labels with a configuration's, and open its session.

    Args:
        name: that the model goes by.
        model: checked.
        sources: the configuration's files.
        provider: see :func:`~chromputer_tracks.inference.session.open_session`.
        threads: likewise.
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
    return Entrant(name, model, open_session(model.path, provider, threads), heads, rows)


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
    name: str, spec: ModelSpec, contigs: Sequence[str], note: Note, *, allow: bool
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
    name: str, spec: ModelSpec, heads: tuple[HeadSpec, ...], note: Note
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


CEILING = "replicate"
"""Name of the second label files among models and baselines."""

_SURE = 8.0
"""Logit of a label that is given, not predicted."""


def sample_baselines(
    config: TrainConfig,
    sources: Sources,
    samples: Sequence[Sample],
    tss: TssTable | None,
    seed: int,
    jobs: int,
    report: Note,
    note: Note,
) -> list[Baseline]:
    """Baselines learnt on the training contigs of the training samples, on the test contigs.

    Args:
        config: of the sources.
        sources: open.
        samples: to predict.
        tss: start sites, for gene proximity.
        seed: of what is random.
        jobs: threads of the random forest.
        report: told what is being learnt.
        note: told which baselines there are not, and why.
    """
    train, splits = sources.training_samples, config.splits

    def place(sample: Sample, contigs: Sequence[str]) -> SampleSites:
        stores = [sample.assays[name] for name in config.inputs.assays]
        fragments = tuple(store for store in stores if isinstance(store, FragmentStore))
        return SampleSites(sample_labels(config, sources, sample, contigs), fragments)

    if tss is None:
        note("no gene proximity, which needs start sites: --tss, or data.tss")
    places = [place(sample, splits.test) for sample in samples]
    if not places[0].fragments:
        note("no random forest, as the configuration reads no fragments")
    return list(
        run_baselines(
            [place(sample, splits.train) for sample in train],
            [place(sample, splits.validation) for sample in train],
            places,
            sources.heads,
            config.label_bin,
            sources.fasta,
            motif_matrices(config),
            tss,
            seed,
            jobs,
            report,
        )
    )


def check_replicates(config: TrainConfig, states: Path | None, peaks: Mapping[str, Path]) -> None:
    """Check that second label files are of the configuration's labels.

    Args:
        config: of the first ones.
        states: second states BED, or nothing.
        peaks: second peak file by binary label.

    Raises:
        InputError: they are not.
    """
    labels = [item.name for item in config.binary_labels()]
    for name in peaks:
        if name not in labels:
            raise InputError(
                f"--replicate {name}: the configuration has no such binary label; it has "
                f"{', '.join(labels) or 'none'}"
            )
    if states is not None and config.states is None:
        raise InputError("--replicate-states: the configuration has no [states]")


def ceiling_sites(
    config: TrainConfig,
    sources: Sources,
    sample: Sample,
    states: Path | None,
    peaks: Mapping[str, Path],
) -> LabelledSites:
    """Second label files as a prediction of a sample's: what agreement can be had.

    Args:
        config: of the sources.
        sources: open.
        sample: whose labels are predicted, on the test contigs.
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


def sample_labels(
    config: TrainConfig, sources: Sources, sample: Sample, contigs: Sequence[str]
) -> LabelledSites:
    """A sample's labels at the sites of contigs, with nothing predicted."""
    return label_sites(
        sample.scored,
        sources.sizes,
        contigs,
        config.network.grid,
        config.label_bin,
        sources.number("states"),
    )


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

"""What models are compared with on a configuration's samples: baselines and replicates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import InputError
from chromputer_tracks.evaluation.baseline_run import Baseline, Place, run_baselines
from chromputer_tracks.evaluation.predict import label_sites
from chromputer_tracks.evaluation.sites import Sites
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.tss import TssTable
from chromputer_tracks.model.config import (
    InputsConfig,
    SampleConfig,
    SitesConfig,
    SplitConfig,
    TrainConfig,
)
from chromputer_tracks.model.sources import Sample, Sources, open_sources
from chromputer_tracks.model.training import motif_matrices

Note = Callable[[str], None]

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

    def place(sample: Sample, contigs: Sequence[str]) -> Place:
        stores = [sample.assays[name] for name in config.inputs.assays]
        fragments = tuple(store for store in stores if isinstance(store, FragmentStore))
        return Place(sample_labels(config, sources, sample, contigs), fragments)

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
) -> Sites:
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
) -> Sites:
    """A sample's labels at the sites of contigs, with nothing predicted."""
    return label_sites(
        sample.scored,
        sources.sizes,
        contigs,
        config.network.grid,
        config.label_bin,
        sources.number("states"),
    )


def as_prediction(second: Sites, first: Sites) -> Sites:
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

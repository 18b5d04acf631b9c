"""All baselines in one go: learnt on training sites, calibrated on validation sites, at others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import SequenceSource
from chromputer_tracks.evaluation.baselines import (
    gene_proximity,
    majority,
    motif_odds,
    motif_scans,
    random_forest,
)
from chromputer_tracks.evaluation.calibration import calibrate
from chromputer_tracks.evaluation.metrics_json import uncalibrated
from chromputer_tracks.evaluation.predict import pool_sites
from chromputer_tracks.evaluation.site_features import (
    MidpointSource,
    fragment_features,
    gene_features,
)
from chromputer_tracks.evaluation.sites import Sites
from chromputer_tracks.io.tss import TssTable
from chromputer_tracks.spec import HeadSpec
from chromputer_tracks.wording import counted

MAJORITY, GENES, FOREST, MOTIF = (
    "majority class",
    "gene proximity",
    "random forest",
    "motif scan",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Labelled sites of one sample.

    Attributes:
        sites: labels; predictions are not looked at.
        fragments: the sample's fragment files, of the same assays in the same order in each place.
    """

    sites: Sites
    fragments: tuple[MidpointSource, ...] = ()


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline's predictions.

    Attributes:
        name: of the baseline.
        heads: with the calibration and thresholds that it gets on the validation sites.
        sites: predictions, one entry a place.
    """

    name: str
    heads: tuple[HeadSpec, ...]
    sites: tuple[Sites, ...]


def run_baselines(
    train: Sequence[Place],
    validation: Sequence[Place],
    places: Sequence[Place],
    heads: tuple[HeadSpec, ...],
    label_bin: int,
    sequence: SequenceSource,
    motifs: Mapping[int, NDArray[np.float32]],
    tss: TssTable | None,
    seed: int = 0,
    jobs: int = 1,
    report: Callable[[str], None] = lambda _: None,
) -> Iterator[Baseline]:
    """The baselines that can be had, in the order of what they know.

    Args:
        train: sites of the training contigs, one place a sample.
        validation: sites of the validation contigs, likewise.
        places: sites to predict.
        heads: of the labels.
        label_bin: bp of a bin.
        sequence: the genome.
        motifs: row of the binary labels to its motif, float32 (4, width); may be empty.
        tss: start sites; None: no gene proximity.
        seed: of what is random.
        jobs: threads of the forest.
        report: told what is being learnt, a line at a time.
    """
    run = _Run(train, [*validation, *places], len(validation), heads)
    # Its frequencies are calibrated; the best threshold for F1 would call every site.
    yield run.result(MAJORITY, majority(run.known, run.asked), calibrated=False)
    learnt = counted(int(run.known.labelled.sum()), "site")
    if tss is not None:
        report(f"gene proximity: learning from {learnt} and {counted(len(tss), 'gene')}")
        seen, new = run.features(lambda place: gene_features(place.sites, tss))
        yield run.result(GENES, gene_proximity(run.known, seen, run.asked, new, seed))
    if train[0].fragments:
        report(f"random forest: learning from {learnt}")
        seen, new = run.features(_fragments)
        yield run.result(FOREST, random_forest(run.known, seen, run.asked, new, seed, jobs))
    if motifs:
        report(f"motif scan: {counted(len(motifs), 'motif')}")
        seen, new = run.features(
            lambda place: motif_scans(place.sites, sequence, motifs, label_bin).T
        )
        yield run.result(MOTIF, motif_odds(run.known, seen.T, run.asked, new.T))


def _fragments(place: Place) -> NDArray[np.float32]:
    features = [fragment_features(place.sites, source) for source in place.fragments]
    return np.concatenate(features, axis=1)


class _Run:
    """Sites of all samples together, for learning and for asking."""

    def __init__(
        self,
        train: Sequence[Place],
        asked: Sequence[Place],
        validation: int,
        heads: tuple[HeadSpec, ...],
    ) -> None:
        self._train, self._asked, self._heads = train, asked, uncalibrated(heads)
        self._validation = validation
        self.known = _pooled(train)
        self.asked = _pooled(asked)

    def features(
        self, make: Callable[[Place], NDArray[np.float32]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features of the sites to learn from and of those to predict."""
        return (
            np.concatenate([make(place) for place in self._train]),
            np.concatenate([make(place) for place in self._asked]),
        )

    def result(self, name: str, predicted: Sites, *, calibrated: bool = True) -> Baseline:
        """Predictions of all places together, taken apart again and calibrated."""
        ends = list(accumulate(len(place.sites) for place in self._asked))
        heads = self._heads
        if calibrated:
            validation = predicted.select(np.arange(ends[self._validation - 1]))
            shifts = (0.0,) * len(predicted.binary)
            heads = calibrate(heads, validation, shifts)
        parts = []
        for place, end in zip(self._asked, ends, strict=True):
            logits = predicted.logits[:, end - len(place.sites) : end]
            parts.append(replace(place.sites, logits=logits))
        return Baseline(name, heads, tuple(parts[self._validation :]))


def _pooled(places: Sequence[Place]) -> Sites:
    # Each place is a sample of its own, so that contigs of two samples stay apart.
    return pool_sites([place.sites for place in places], [str(n) for n in range(len(places))])

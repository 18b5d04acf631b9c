"""What a network is measured against, at the same sites and with the same labels.

Each baseline learns from the sites of the training contigs and gives logits of its probabilities at
other sites; rows that it does not predict (continuous labels, labels without a motif or without a
training positive) are NaN. Thresholds are then chosen as for the network, by
:func:`~chromputer_tracks.evaluation.calibration.calibrate` on the validation contigs.

Features come from :mod:`chromputer_tracks.evaluation.site_features`, rows in the order of the
sites. None of them sees more than the network: the forest sees its fragments without the sequence,
the scan the sequence without the fragments, gene proximity neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import SequenceSource
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.evaluation.calibration import calibrate
from chromputer_tracks.evaluation.scores import uncalibrated
from chromputer_tracks.evaluation.site_features import (
    MidpointSource,
    fragment_features,
    gene_features,
    motif_scan,
)
from chromputer_tracks.evaluation.sites import Sites, pool_sites
from chromputer_tracks.io.bed import TssTable
from chromputer_tracks.spec import HeadSpec
from chromputer_tracks.wording import counted

_LEAST = 1e-5
"""Probabilities are kept this far from 0 and 1, where logits would be infinite."""

TREES = 500
_FOREST = {"n_estimators": TREES, "min_samples_leaf": 5, "max_samples": 0.5}
"""Chosen on yeast's training contigs by threefold cross-validation over whole contigs (100 trees).

States: accuracy 0.690, mean AUPRC 0.312; with balanced class weights 0.639 and 0.303 (but macro-F1
0.31 in place of 0.24), with 30 % of the features a split 0.689 and 0.309. Labels: mean AUPRC 0.177
from one forest for all of them; 0.172 from one forest each, 0.145 with balanced class weights. Half
of the sites a tree is as good as all of them (0.689; 0.177) in half the time.
"""

_BOOSTING = {"max_iter": 100, "max_leaf_nodes": 15, "min_samples_leaf": 50, "early_stopping": False}


def majority(train: Sites, at: Sites) -> Sites:
    """The training contigs' frequencies at every site: calls the most frequent state, no label."""
    logits = _nothing(at)
    n = at.number_of_states
    if n:
        counts = np.bincount(train.states[train.states != UNKNOWN], minlength=n) + 0.5
        logits[:n] = np.log(counts / counts.sum())[:, None]
    for row, truth in enumerate(train.binary, n):
        positives = (truth == 1).sum() + 0.5
        logits[row] = np.log(positives / ((truth == 0).sum() + 0.5))
    return replace(at, logits=logits)


def gene_proximity(
    train: Sites,
    train_features: NDArray[np.float32],
    at: Sites,
    features: NDArray[np.float32],
    seed: int = 0,
) -> Sites:
    """Gradient boosting on distances to start sites and strand: what an annotation alone tells.

    Args:
        train: sites to learn from.
        train_features: float32 (sites, 5), from ``gene_features``.
        at: sites to predict.
        features: likewise.
        seed: of the boosting.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    logits = _nothing(at)
    n = at.number_of_states
    for row, truth in enumerate([train.states, *train.binary], n - 1):
        known = truth != UNKNOWN
        if len(np.unique(truth[known])) < 2:
            continue
        model = HistGradientBoostingClassifier(**_BOOSTING, random_state=seed)
        model.fit(train_features[known], truth[known])
        shares = model.predict_proba(features)
        if row < n:
            logits[:n] = np.log(_all_states(shares, model.classes_, n))
        else:
            logits[row] = _log_odds(shares[:, 1])
    return replace(at, logits=logits)


def random_forest(
    train: Sites,
    train_features: NDArray[np.float32],
    at: Sites,
    features: NDArray[np.float32],
    seed: int = 0,
    jobs: int = 1,
) -> Sites:
    """Random forests on V-plot and coverage features: one for the states, one for all labels.

    Args:
        train: sites to learn from; those where all binary labels are known, for the labels.
        train_features: float32 (sites, features), from ``fragment_features``.
        at: sites to predict.
        features: likewise.
        seed: of the forests.
        jobs: threads; the result does not depend on them.
    """
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(**_FOREST, random_state=seed, n_jobs=jobs)
    logits = _nothing(at)
    n = at.number_of_states
    known = train.states != UNKNOWN
    if n and known.any():
        forest.fit(train_features[known], train.states[known])
        logits[:n] = np.log(_all_states(forest.predict_proba(features), forest.classes_, n))
    known = (train.binary != UNKNOWN).all(axis=0)
    rows = [row for row, truth in enumerate(train.binary) if len(np.unique(truth[known])) == 2]
    if rows:
        truth = train.binary[rows][:, known]
        forest.fit(train_features[known], truth.T if len(rows) > 1 else truth[0])
        shares = forest.predict_proba(features)
        # A list with an array for each label, but one array where there is one label only.
        for row, share in zip(rows, shares if len(rows) > 1 else [shares], strict=True):
            logits[n + row] = _log_odds(share[:, 1])
    return replace(at, logits=logits)


def motif_scans(
    at: Sites, sequence: SequenceSource, matrices: Mapping[int, NDArray[np.float32]], width: int
) -> NDArray[np.float32]:
    """Best log-odds of each label's motif in each site's bin.

    Args:
        at: sites on contigs of the genome.
        sequence: the genome.
        matrices: row of ``at.binary`` to float32 (4, motif width).
        width: bp of a bin.

    Returns:
        float32 (labels, n); NaN for labels without a motif.
    """
    scores = np.full((len(at.binary), len(at)), np.nan, dtype=np.float32)
    for code, contig in enumerate(at.contigs):
        here = np.flatnonzero(at.contig == code)
        here = here[np.argsort(at.centre[here], kind="stable")]
        if len(here):
            for row, matrix in matrices.items():
                scores[row, here] = motif_scan(sequence, contig, at.centre[here], matrix, width)
    return scores


def motif_odds(
    train: Sites, train_scores: NDArray[np.float32], at: Sites, scores: NDArray[np.float32]
) -> Sites:
    """Log odds of a label given its motif's best match, by logistic regression on that one score.

    The ranking is that of the scores.

    Args:
        train: sites to learn from.
        train_scores: float32 (labels, sites), from :func:`motif_scans`.
        at: sites to predict.
        scores: likewise.
    """
    from sklearn.linear_model import LogisticRegression

    logits = _nothing(at)
    for row, (truth, seen, new) in enumerate(
        zip(train.binary, train_scores, scores, strict=True), at.number_of_states
    ):
        known = (truth != UNKNOWN) & np.isfinite(seen)
        if len(np.unique(truth[known])) == 2:
            model = LogisticRegression(C=1e6).fit(seen[known][:, None], truth[known])
            logits[row] = model.decision_function(new[:, None])
    return replace(at, logits=logits)


def _nothing(at: Sites) -> NDArray[np.float32]:
    return np.full(
        (at.number_of_states + len(at.binary) + len(at.continuous), len(at)),
        np.nan,
        dtype=np.float32,
    )


def _all_states(
    shares: NDArray[np.float64], classes: NDArray[np.int64], states: int
) -> NDArray[np.float64]:
    """Shares (n, classes) as (states, n), above 0; states not learnt from have the least."""
    full = np.zeros((states, len(shares)))
    full[classes] = shares.T
    return np.maximum(full, _LEAST)


def _log_odds(share: NDArray[np.float64]) -> NDArray[np.float64]:
    share = share.clip(_LEAST, 1 - _LEAST)
    odds: NDArray[np.float64] = np.log(share / (1 - share))
    return odds


# ---- All baselines in one go: learnt on training sites, calibrated on validation sites, at others.

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

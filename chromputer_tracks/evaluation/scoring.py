"""Scores of a model at sites, with block-bootstrap intervals."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.data.probabilities import probabilities
from chromputer_tracks.evaluation.metrics import (
    accuracy,
    confusion,
    f1,
    macro_f1,
    pearson,
    poisson_explained,
    rank,
    reliability,
    spearman,
    state_f1,
    variance_explained,
)
from chromputer_tracks.evaluation.resamples import DRAWS, Resamples, estimate
from chromputer_tracks.evaluation.scores import (
    BinaryScores,
    ContinuousScores,
    Scores,
    StatesScores,
)
from chromputer_tracks.evaluation.sites import Sites, in_order
from chromputer_tracks.spec import HeadSpec, Label


def score(sites: Sites, heads: tuple[HeadSpec, ...], draws: int = DRAWS, seed: int = 0) -> Scores:
    """All scores of a model.

    Resamples depend on the sites' places, ``draws`` and ``seed`` alone: two models on the same
    sites are scored on the same resamples.

    Args:
        sites: predictions and labels; NaN logits are sites that the model does not predict.
        heads: of the model, with the calibration to apply; in any order of kinds.
        draws: resamples of the block bootstrap.
        seed: of the resampling.
    """
    resamples = Resamples.draw(sites.blocks, draws, seed)
    values = probabilities(sites.logits, in_order(heads))
    first, last = sites.number_of_states, sites.number_of_states + len(sites.binary)
    states = [label for _, label in labels(heads, "states")]
    binary = [
        _score_binary(label, truth, predicted, resamples)
        for (_, label), truth, predicted in zip(
            labels(heads, "binary"), sites.binary, values[first:last], strict=True
        )
    ]
    continuous = [
        _score_continuous(head, label, truth, predicted, resamples)
        for (head, label), truth, predicted in zip(
            labels(heads, "continuous"), sites.continuous, values[last:], strict=True
        )
    ]
    return Scores(
        _score_states(states, values[:first], sites.states, resamples) if states else None,
        tuple(item for item in binary if item is not None),
        tuple(item for item in continuous if item is not None),
    )


def labels(
    heads: tuple[HeadSpec, ...], kind: Literal["states", "binary", "continuous"]
) -> list[tuple[HeadSpec, Label]]:
    """Labels of a kind with their heads, in the order of the rows of :class:`Sites`."""
    return [(head, label) for head in heads if head.kind == kind for label in head.labels]


def _score_states(
    states: list[Label],
    predicted: NDArray[np.float32],
    truth: NDArray[np.int64],
    resamples: Resamples,
) -> StatesScores | None:
    """Scores of the states head from probabilities (states, n); None where nothing is known."""
    known = (truth != UNKNOWN) & np.isfinite(predicted).all(axis=0)
    if not known.any():
        return None
    predicted, truth, resamples = predicted[:, known], truth[known], resamples.select(known)
    called = predicted.argmax(axis=0)
    table = confusion(truth, called, len(states), resamples)
    each = state_f1(table)
    return StatesScores(
        sites=len(truth),
        accuracy=estimate(accuracy(table)),
        macro_f1=estimate(macro_f1(table)),
        confusion=tuple(tuple(int(count) for count in row) for row in table[0]),
        reliability=reliability(called == truth, predicted.max(axis=0), resamples),
        labels=tuple(
            _score_label(label.name, truth == row, predicted[row], each[:, row], resamples)
            for row, label in enumerate(states)
            if (truth == row).any()
        ),
    )


def _score_binary(
    label: Label,
    truth: NDArray[np.int64],
    predicted: NDArray[np.float32],
    resamples: Resamples,
) -> BinaryScores | None:
    """Scores of a label; None where it has no positive or is not predicted."""
    known = (truth != UNKNOWN) & np.isfinite(predicted)
    positive, predicted, resamples = truth[known] == 1, predicted[known], resamples.select(known)
    if not positive.any():
        return None
    called = predicted >= label.threshold
    values = f1(*(resamples.total(row) for row in (positive & called, positive, called)))
    return _score_label(label.name, positive, predicted, values, resamples)


def _score_label(
    name: str,
    positive: NDArray[np.bool_],
    predicted: NDArray[np.float32],
    f1_values: NDArray[np.float64],
    resamples: Resamples,
) -> BinaryScores:
    ranking = rank(positive, predicted, resamples)
    return BinaryScores(
        name=name,
        sites=len(positive),
        positives=int(positive.sum()),
        auprc=estimate(ranking.auprc),
        auroc=estimate(ranking.auroc),
        f1=estimate(f1_values),
        recall_at={str(level): estimate(found) for level, found in ranking.recall_at.items()},
        pr=ranking.pr,
        reliability=reliability(positive, predicted, resamples),
    )


def _score_continuous(
    head: HeadSpec,
    label: Label,
    truth: NDArray[np.float32],
    predicted: NDArray[np.float32],
    resamples: Resamples,
) -> ContinuousScores | None:
    """Scores of predicted values; None where nothing is known or predicted."""
    known = np.isfinite(truth) & np.isfinite(predicted)
    if not known.any():
        return None
    observed, value = truth[known].astype(np.float64), predicted[known].astype(np.float64)
    resamples = resamples.select(known)
    if head.transform == "log":
        explained = poisson_explained(observed, value, resamples)
    else:
        explained = variance_explained(np.log1p(observed), np.log1p(value), resamples)
    return ContinuousScores(
        name=label.name,
        sites=len(observed),
        pearson=estimate(pearson(np.log1p(observed), np.log1p(value), resamples)),
        spearman=estimate(spearman(observed, value, resamples)),
        explained=estimate(explained),
    )

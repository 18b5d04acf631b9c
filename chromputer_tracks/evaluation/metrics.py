"""Single figures of a ranking or of calls, by scikit-learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.evaluation.sites import Sites


def average_precision(truth: NDArray[np.int64], scores: NDArray[np.floating]) -> float:
    """Area under the precision-recall curve (average precision); NaN without a positive.

    Args:
        truth: int64 (n,), 1, 0 or ``UNKNOWN``.
        scores: (n,), higher is more likely positive.
    """
    known = truth != UNKNOWN
    if not (truth[known] == 1).any():
        return float("nan")
    return float(average_precision_score(truth[known] == 1, scores[known]))


def state_scores(logits: NDArray[np.float32], states: NDArray[np.int64]) -> dict[str, float]:
    """``accuracy`` and ``macro_f1`` of the most likely state, float64, known sites only."""
    known = states != UNKNOWN
    if not known.any():
        return {"accuracy": float("nan"), "macro_f1": float("nan")}
    truth, called = states[known], logits[:, known].argmax(axis=0)
    macro = f1_score(truth, called, labels=np.unique(truth), average="macro", zero_division=0)
    return {"accuracy": float((called == truth).mean()), "macro_f1": float(macro)}


def mean_average_precision(sites: Sites) -> float:
    """Mean over all labels, the states one against the rest: the score that picks a checkpoint.

    Raises:
        ConfigError: no label has a positive.
    """
    n = sites.number_of_states
    one_hot = np.where(
        sites.states == UNKNOWN, UNKNOWN, (sites.states == np.arange(n)[:, None]).astype(np.int64)
    )
    truths = np.concatenate([one_hot, sites.binary]) if n else sites.binary
    ranked = np.concatenate([softmax(sites.logits[:n]), sites.logits[n:]]) if n else sites.logits
    # A network in training has auxiliary outputs, too, behind the labels.
    scores = [average_precision(*p) for p in zip(truths, ranked[: len(truths)], strict=True)]
    if np.isnan(scores).all():
        raise ConfigError(
            "no label has a positive on the validation contigs, so that no epoch can be picked: "
            "choose others in splits.validation"
        )
    return float(np.nanmean(scores))


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities (states, n) of logits (states, n), uncalibrated; float32."""
    shifted = np.exp(logits - logits.max(axis=0))
    total: NDArray[np.float32] = shifted / shifted.sum(axis=0)
    return total

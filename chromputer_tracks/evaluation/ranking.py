"""Figures of a ranking (AUPRC, AUROC, recall at a precision) on all resamples.

scikit-learn's definitions with ``sample_weight``, computed from sites sorted once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.evaluation.resamples import Resamples, cumulated, ratio
from chromputer_tracks.evaluation.scores import Curve

PRECISIONS = (0.5, 0.9)
"""Precisions at which the recall is given."""

_POINTS = 200
"""Most points of a curve: more are not seen in a figure."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well scores rank positives before negatives; values of (1 + draws,), float64.

    Attributes:
        auprc: average precision; NaN without a positive.
        auroc: area under the ROC curve, ties counted half; NaN without a positive or negative.
        recall_at: precision to the largest recall of any threshold with at least that precision.
        pr: the precision-recall curve of the sites as they are.
    """

    auprc: NDArray[np.float64]
    auroc: NDArray[np.float64]
    recall_at: dict[float, NDArray[np.float64]]
    pr: Curve


@dataclass(frozen=True, slots=True)
class _Ties:
    """Runs of equal scores, from the highest, that hold a positive.

    Attributes:
        starts, ends: int64 (groups,), half-open, in sorted sites.
        first, last: int64 (groups,), half-open, in sorted positives.
    """

    starts: NDArray[np.intp]
    ends: NDArray[np.intp]
    first: NDArray[np.intp]
    last: NDArray[np.intp]


def rank(
    positive: NDArray[np.bool_], scores: NDArray[np.floating], resamples: Resamples
) -> Ranking:
    """Figures of a ranking.

    Only thresholds at which recall rises count, so that the work beside one cumulative sum over
    the sites is in proportion to the positives.

    Args:
        positive: bool (n,).
        scores: (n,), finite, higher is more likely positive.
        resamples: of the same n sites.
    """
    order = np.argsort(-scores, kind="stable")
    among = np.flatnonzero(positive[order])
    ties = _ties(scores[order], among)
    ordered = resamples.select(order)
    auprc, auroc = np.empty(len(resamples)), np.empty(len(resamples))
    recall_at = {level: np.empty(len(resamples)) for level in PRECISIONS}
    curve = Curve((), ())
    for rows, weights in ordered.weights():
        found = cumulated(weights[:, among])
        above = cumulated(weights)
        true_before, true_after = found[:, ties.first], found[:, ties.last]
        all_before, all_after = above[:, ties.starts], above[:, ties.ends]
        positives, negatives = found[:, -1], above[:, -1] - found[:, -1]
        gained = true_after - true_before
        # Nothing of the group drawn: it gains nothing, whatever its precision.
        precision = np.nan_to_num(ratio(true_after, all_after))
        auprc[rows] = ratio((gained * precision).sum(axis=1), positives)
        false_above = (all_before - true_before + all_after - true_after) / 2
        auroc[rows] = 1 - ratio((gained * false_above).sum(axis=1), positives * negatives)
        for level, values in recall_at.items():
            reached = np.where(precision >= level, true_after, 0).max(axis=1, initial=0)
            values[rows] = ratio(reached, positives)
        if rows.start == 0 and len(among):
            curve = _thinned(true_after[0] / positives[0], precision[0])
    return Ranking(auprc, auroc, recall_at, curve)


def _ties(ranked: NDArray[np.floating], among: NDArray[np.intp]) -> _Ties:
    """Groups of equal scores that hold one of the sites ``among``."""
    bounds = np.concatenate([[0], np.flatnonzero(ranked[1:] != ranked[:-1]) + 1, [len(ranked)]])
    groups = np.unique(np.searchsorted(bounds, among, side="right") - 1)
    starts, ends = bounds[groups], bounds[groups + 1]
    return _Ties(starts, ends, np.searchsorted(among, starts), np.searchsorted(among, ends))


def _thinned(recall: NDArray[np.float64], precision: NDArray[np.float64]) -> Curve:
    points = np.unique(np.linspace(0, len(recall) - 1, min(_POINTS, len(recall))).round())
    kept = points.astype(np.intp)
    return Curve(tuple(recall[kept].tolist()), tuple(precision[kept].tolist()))

"""Figures of predictions at sites: on the sites as they are, and on all block resamples at once.

Neighbouring sites share windows, peaks and states, so that an interval from drawing single sites
would be too narrow: whole blocks of sites are drawn, with replacement. A site's weight in a
resample is how often its block was drawn. Figures made of sums over sites then need only each
block's sums, and those made of a ranking need cumulative weights in sorted order, for a chunk of
resamples at a time: no resample is ever sorted or scored by itself.

That is why the figures with intervals are written here. scikit-learn's functions give the same
values from ``sample_weight`` (the tests hold the two together), but one resample a call: for a
label's AUPRC and AUROC on 1,000 resamples of 27,000 sites they take 25 times as long. Single
figures, without an interval, are scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax, xlogy
from sklearn.metrics import average_precision_score, f1_score

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.evaluation.sites import LabelledSites


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its bootstrap interval (95 %)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a curve in the order of x."""

    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Reliability:
    """Calibration in bins of predicted probability that hold any site.

    Attributes:
        predicted: mean predicted probability of each bin.
        observed: share of positives in it.
        sites: number of sites in it.
        error: expected calibration error: mean of |observed - predicted| weighted by sites.
    """

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    sites: tuple[int, ...]
    error: Estimate


# ---- Single figures, as training follows them from epoch to epoch.


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


def mean_average_precision(sites: LabelledSites) -> float:
    """Mean over all labels, the states one against the rest: the score that picks a checkpoint.

    Raises:
        ConfigError: no label has a positive.
    """
    n = sites.number_of_states
    one_hot = np.where(
        sites.states == UNKNOWN, UNKNOWN, (sites.states == np.arange(n)[:, None]).astype(np.int64)
    )
    truths = np.concatenate([one_hot, sites.binary]) if n else sites.binary
    ranked = (
        np.concatenate([softmax(sites.logits[:n], axis=0), sites.logits[n:]]) if n else sites.logits
    )
    # A network in training has auxiliary outputs, too, behind the labels.
    scores = [average_precision(*p) for p in zip(truths, ranked[: len(truths)], strict=True)]
    if np.isnan(scores).all():
        raise ConfigError(
            "no label has a positive on the validation contigs, so that no epoch can be picked: "
            "choose others in splits.validation"
        )
    return float(np.nanmean(scores))


# ---- The block bootstrap.

DRAWS = 1000
"""Resamples of a published interval."""

_CHUNK = 1 << 21
"""Weights held at a time, some tens of MiB with what is computed from them."""


@dataclass(frozen=True, slots=True)
class Resamples:
    """The sites as they are, and resampled.

    Attributes:
        counts: int32 (1 + draws, blocks), how often each block is drawn; the first row is all 1,
            so that the first of every figure's values is the figure itself.
        blocks: int64 (n,), block of each site.
    """

    counts: NDArray[np.int32]
    blocks: NDArray[np.int64]

    @classmethod
    def draw(cls, blocks: NDArray[np.int64], draws: int = DRAWS, seed: int = 0) -> Resamples:
        """Draw as many blocks as there are, with replacement, ``draws`` times.

        The same arguments give the same resamples, so that figures of two models on the same
        sites are paired.
        """
        number = int(blocks.max()) + 1
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(number, np.full(number, 1 / number), size=draws)
        counts = np.concatenate([np.ones((1, number), dtype=np.int32), drawn.astype(np.int32)])
        return cls(counts, blocks)

    def __len__(self) -> int:
        return len(self.counts)

    def select(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> Resamples:
        """The same resamples of the sites that a mask or an index array picks."""
        return replace(self, blocks=self.blocks[keep])

    def weights(self) -> Iterator[tuple[slice, NDArray[np.int32]]]:
        """Chunks of resamples: their rows, and the weights int32 (rows, n) of the sites."""
        rows = max(1, _CHUNK // max(1, len(self.blocks)))
        for first in range(0, len(self), rows):
            chunk = slice(first, min(first + rows, len(self)))
            yield chunk, self.counts[chunk][:, self.blocks]

    def sums(
        self,
        cells: NDArray[np.integer],
        number: int,
        values: NDArray[np.floating] | None = None,
    ) -> NDArray[np.float64]:
        """Weighted sums of values over the sites of each of ``number`` cells.

        Args:
            cells: int (n,), the cell of each site, 0 to ``number``.
            number: how many cells there are.
            values: (n,); None counts the sites.

        Returns:
            float64 (1 + draws, number).
        """
        blocks = self.counts.shape[1]
        by_block = np.bincount(self.blocks * number + cells, values, blocks * number)
        return self._weighted(by_block.reshape(blocks, number))

    def total(self, values: NDArray[np.floating] | NDArray[np.bool_]) -> NDArray[np.float64]:
        """Weighted sum of values (n,) over all sites, float64 (1 + draws,)."""
        return self._weighted(np.bincount(self.blocks, values, self.counts.shape[1]))

    def _weighted(self, by_block: NDArray[np.generic]) -> NDArray[np.float64]:
        total: NDArray[np.float64] = np.matmul(self.counts, by_block, dtype=np.float64)
        return total


def estimate(values: NDArray[np.float64]) -> Estimate:
    """A figure, the first value, with the central 95 % of its resamples, the others but for NaN."""
    drawn = values[1:][~np.isnan(values[1:])]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (np.nan, np.nan)
    return Estimate(float(values[0]), float(low), float(high))


def bootstrap(
    blocks: NDArray[np.int64],
    score: Callable[[NDArray[np.intp]], float],
    draws: int = 200,
    seed: int = 0,
) -> Estimate:
    """Any score with its 95 % interval, computed anew on each resample: slow, but of anything.

    Args:
        blocks: int64 (n,), block of each site, 0 to the number of blocks.
        score: takes site indices (with repeats) and gives the figure; NaN draws are left out.
        draws: number of resamples.
        seed: makes the resamples reproducible.
    """
    sites = np.arange(len(blocks))
    counts = Resamples.draw(blocks, draws, seed).counts[1:]
    values = [score(np.repeat(sites, drawn[blocks])) for drawn in counts]
    return estimate(np.array([score(sites), *values]))


def ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """``above / below``, NaN where ``below`` is 0."""
    result = np.full(np.broadcast(above, below).shape, np.nan)
    np.divide(above, below, out=result, where=below != 0)
    return result


def mean_known(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean over rows of figures, at least one; where some are not a number, over the others.

    A resample without a positive of a label leaves the label out.
    """
    there = ~np.isnan(rows)
    return ratio(np.where(there, rows, 0).sum(axis=0), there.sum(axis=0).astype(np.float64))


def cumulated(weights: NDArray[np.int32]) -> NDArray[np.float64]:
    """Sums of the first 0, 1, ... n weights of each row, float64 (rows, n + 1)."""
    total = np.zeros((weights.shape[0], weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=total[:, 1:])
    return total


# ---- Figures of a ranking (AUPRC, AUROC, recall at a precision) on all resamples.

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


def rank(
    positive: NDArray[np.bool_], scores: NDArray[np.floating], resamples: Resamples
) -> Ranking:
    """Figures of a ranking.

    Only thresholds at which recall rises count, so that the work beside one cumulative sum over
    the sites is in proportion to the positives. Sites of equal score are above a threshold
    together, and half of such pairs count as rightly ranked for the AUROC.

    Args:
        positive: bool (n,).
        scores: (n,), finite, higher is more likely positive.
        resamples: resamples of the same n sites.
    """
    order = np.argsort(-scores, kind="stable")
    among = np.flatnonzero(positive[order])
    (all_first, all_last), (true_first, true_last) = _ties(scores[order], among)
    ordered = resamples.select(order)
    auprc, auroc = np.empty(len(resamples)), np.empty(len(resamples))
    recall_at = {level: np.empty(len(resamples)) for level in PRECISIONS}
    curve = Curve((), ())
    for rows, weights in ordered.weights():
        found = cumulated(weights[:, among])
        above = cumulated(weights)
        true_before, true_after = found[:, true_first], found[:, true_last]
        all_before, all_after = above[:, all_first], above[:, all_last]
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


def _ties(
    ranked: NDArray[np.floating], among: NDArray[np.intp]
) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Runs of equal scores that hold one of the sites ``among``, from the highest score.

    Returns:
        Half-open bounds of each run: in the sorted sites, and in ``among``.
    """
    bounds = np.concatenate([[0], np.flatnonzero(ranked[1:] != ranked[:-1]) + 1, [len(ranked)]])
    runs = np.unique(np.searchsorted(bounds, among, side="right") - 1)
    first, last = bounds[runs], bounds[runs + 1]
    return (first, last), (np.searchsorted(among, first), np.searchsorted(among, last))


def _thinned(recall: NDArray[np.float64], precision: NDArray[np.float64]) -> Curve:
    points = np.unique(np.linspace(0, len(recall) - 1, min(_POINTS, len(recall))).round())
    kept = points.astype(np.intp)
    return Curve(tuple(recall[kept].tolist()), tuple(precision[kept].tolist()))


# ---- Figures that are made of counts of sites, on all resamples: calls and calibration.

BINS = 15
"""Reliability bins. They hold equally many sites each: of a rare label nearly all probabilities are
small, so that bins of equal width would put nearly all sites into the first."""


def confusion(
    truth: NDArray[np.int64], called: NDArray[np.int64], states: int, resamples: Resamples
) -> NDArray[np.float64]:
    """Sites by true and called state, float64 (1 + draws, states, states).

    Args:
        truth: int64 (n,), 0 to ``states``.
        called: int64 (n,), likewise.
        states: how many states there are.
        resamples: resamples of the same sites.
    """
    counts = resamples.sums(truth * states + called, states * states)
    return counts.reshape(-1, states, states)


def accuracy(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of a :func:`confusion` on the diagonal, float64 (1 + draws,)."""
    return ratio(np.trace(table, axis1=1, axis2=2), table.sum(axis=(1, 2)))


def state_f1(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 of each state, float64 (1 + draws, states); NaN where a state does not occur."""
    right = np.diagonal(table, axis1=1, axis2=2)
    return f1(right, table.sum(axis=2), table.sum(axis=1))


def macro_f1(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean F1 over the states that occur (in the resample), float64 (1 + draws,)."""
    each = state_f1(table)
    occurs = ~np.isnan(each)
    return ratio(np.where(occurs, each, 0).sum(axis=1), occurs.sum(axis=1).astype(np.float64))


def f1(
    right: NDArray[np.float64], positives: NDArray[np.float64], called: NDArray[np.float64]
) -> NDArray[np.float64]:
    """F1 from numbers of true calls, positives and calls; NaN where there is no positive."""
    return ratio(2 * right, np.where(positives > 0, positives + called, 0))


def reliability(
    positive: NDArray[np.bool_], predicted: NDArray[np.floating], resamples: Resamples
) -> Reliability:
    """Predicted against observed share of positives, in :data:`BINS` bins of equally many sites.

    The bins' edges are those of the sites as they are, in the resamples, too. The expected
    calibration error is never 0, not even of perfect probabilities, as observed shares are
    counts; and it is larger in resamples, so that its interval may lie above it.

    Args:
        positive: bool (n,).
        predicted: (n,), probability.
        resamples: resamples of the same sites.
    """
    ranked = np.sort(predicted)
    # Equal probabilities stay in one bin.
    edges = np.unique(ranked[np.arange(1, BINS) * len(ranked) // BINS])
    bins = np.searchsorted(edges, predicted, side="right")
    number = len(edges) + 1
    sites = np.bincount(bins, minlength=number)
    share = np.bincount(bins, predicted, number) / np.maximum(sites, 1)
    observed = np.bincount(bins, positive, number) / np.maximum(sites, 1)
    gaps = resamples.sums(bins, number, positive - predicted.astype(np.float64))
    error = ratio(np.abs(gaps).sum(axis=1), resamples.total(np.ones(len(bins))))
    kept = sites > 0
    return Reliability(
        tuple(share[kept].tolist()),
        tuple(observed[kept].tolist()),
        tuple(sites[kept].tolist()),
        estimate(error),
    )


# ---- Agreement of predicted and observed values, on all resamples.


def pearson(
    one: NDArray[np.float64], other: NDArray[np.float64], resamples: Resamples
) -> NDArray[np.float64]:
    """Pearson's correlation of two rows of values (n,), float64 (1 + draws,)."""
    one, other = one - one.mean(), other - other.mean()
    sites = resamples.total(np.ones(len(one)))
    sums = {name: resamples.total(row) for name, row in (("one", one), ("other", other))}
    shared = resamples.total(one * other) - ratio(sums["one"] * sums["other"], sites)
    first = resamples.total(one**2) - ratio(sums["one"] ** 2, sites)
    second = resamples.total(other**2) - ratio(sums["other"] ** 2, sites)
    return ratio(shared, np.sqrt(np.maximum(first * second, 0)))


def variance_explained(
    observed: NDArray[np.float64], predicted: NDArray[np.float64], resamples: Resamples
) -> NDArray[np.float64]:
    """Share of the variance around the mean that a prediction explains (R squared).

    Returns:
        float64 (1 + draws,), at most 1, below 0 where the mean is better; NaN for a constant.
    """
    centred = observed - observed.mean()
    sites = resamples.total(np.ones(len(observed)))
    around_mean = resamples.total(centred**2) - ratio(resamples.total(centred) ** 2, sites)
    return 1 - ratio(resamples.total((observed - predicted) ** 2), around_mean)


def poisson_explained(
    observed: NDArray[np.float64], predicted: NDArray[np.float64], resamples: Resamples
) -> NDArray[np.float64]:
    """Share of the Poisson deviance of the mean that a prediction explains.

    The deviance is ``2 * sum(y * log(y / mu) - y + mu)`` (McCullagh and Nelder 1989, table 2.1).

    Returns:
        float64 (1 + draws,), at most 1, below 0 where the mean is better; NaN for a constant.
    """
    own = xlogy(observed, observed)
    left = resamples.total(own - xlogy(observed, predicted) - observed + predicted)
    total, sites = resamples.total(observed), resamples.total(np.ones(len(observed)))
    return 1 - ratio(left, resamples.total(own) - xlogy(total, ratio(total, sites)))


def spearman(
    one: NDArray[np.floating], other: NDArray[np.floating], resamples: Resamples
) -> NDArray[np.float64]:
    """Rank correlation of two rows of values (n,), ranked anew in each resample.

    Returns:
        float64 (1 + draws,); NaN where one of them is constant.
    """
    result = np.empty(len(resamples))
    sides = [_groups(values) for values in (one, other)]
    for rows, weights in resamples.weights():
        ranks = [_ranks(weights, *side) for side in sides]
        result[rows] = _correlation(ranks[0], ranks[1], weights)
    return result


def _groups(values: NDArray[np.floating]) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """Order of the sites, the group of equal values of each site, and the number of groups."""
    unique, group = np.unique(values, return_inverse=True)
    return np.argsort(group, kind="stable"), group, len(unique)


def _ranks(
    weights: NDArray[np.int32], order: NDArray[np.intp], group: NDArray[np.intp], groups: int
) -> NDArray[np.float64]:
    """Mean rank of each site among repeated sites, float64 (rows, n)."""
    total = cumulated(weights[:, order])
    bounds = np.searchsorted(group[order], np.arange(groups + 1))
    before, after = total[:, bounds[:-1]], total[:, bounds[1:]]
    ranks: NDArray[np.float64] = ((before + after + 1) / 2)[:, group]
    return ranks


def _correlation(
    one: NDArray[np.float64], other: NDArray[np.float64], weights: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Pearson's correlation of each row, weighted."""
    total = weights.sum(axis=1)
    one = one - ratio(np.einsum("ij,ij->i", one, weights), total)[:, None]
    other = other - ratio(np.einsum("ij,ij->i", other, weights), total)[:, None]
    shared = np.einsum("ij,ij,ij->i", one, other, weights)
    spread = np.einsum("ij,ij,ij->i", one, one, weights) * np.einsum(
        "ij,ij,ij->i", other, other, weights
    )
    return ratio(shared, np.sqrt(spread))

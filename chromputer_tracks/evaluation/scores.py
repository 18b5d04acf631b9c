"""Scores of a model at sites, as plain values, as means over runs, and as paired tests.

Two models are scored on the same resamples of blocks, so that what is hard in a block is hard for
both and cancels in the difference: its interval is far narrower than the two models' own. McNemar's
exact test of the accuracies is left out on purpose: it takes sites as independent, but neighbouring
bins share windows, peaks and states, so that its p-values would be far too small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import probabilities
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.evaluation.metrics import (
    DRAWS,
    Curve,
    Estimate,
    Reliability,
    Resamples,
    accuracy,
    confusion,
    estimate,
    f1,
    macro_f1,
    mean_known,
    pearson,
    poisson_explained,
    rank,
    reliability,
    spearman,
    state_f1,
    variance_explained,
)
from chromputer_tracks.evaluation.sites import LabelledSites, common, in_order
from chromputer_tracks.records import to_plain
from chromputer_tracks.spec import HeadKind, HeadSpec, Label


@dataclass(frozen=True, slots=True)
class BinaryScores:
    """One label against all other sites; a state of a softmax has them, too.

    Attributes:
        name: the label's name.
        sites: number of known sites.
        positives: how many of them have the label.
        auprc: average precision; ``positives / sites`` is what a random ranking reaches.
        auroc: area under the ROC curve.
        f1: F1 of the calls at the label's threshold (for a state: of the most likely state).
        recall_at: a precision (0.5, 0.9) to the recall that is reached at it.
        pr: precision-recall curve: recall is x, precision y.
        reliability: how far the calibrated probability can be believed.
    """

    name: str
    sites: int
    positives: int
    auprc: Estimate
    auroc: Estimate
    f1: Estimate
    recall_at: dict[str, Estimate]
    pr: Curve
    reliability: Reliability

    @property
    def prevalence(self) -> float:
        """Share of positives, which a random ranking reaches as its AUPRC; NaN without a site."""
        return self.positives / self.sites if self.sites else float("nan")


@dataclass(frozen=True, slots=True)
class StatesScores:
    """The states head.

    Attributes:
        sites: number of known sites.
        accuracy: share of sites whose most likely state is the true one.
        macro_f1: mean F1 over the states that occur.
        confusion: number of sites by true state (row) and predicted state (column).
        reliability: how far the most likely state's probability can be believed (top-label
            calibration).
        labels: scores of each state against the rest.
    """

    sites: int
    accuracy: Estimate
    macro_f1: Estimate
    confusion: tuple[tuple[int, ...], ...]
    reliability: Reliability
    labels: tuple[BinaryScores, ...]


@dataclass(frozen=True, slots=True)
class ContinuousScores:
    """One label of a continuous head: predicted against observed value of each bin.

    Attributes:
        name: the label's name.
        sites: number of known sites.
        pearson: correlation of log1p values.
        spearman: rank correlation.
        explained: share of the Poisson deviance (log heads) or of the variance (log1p heads) of a
            constant prediction that the model explains.
    """

    name: str
    sites: int
    pearson: Estimate
    spearman: Estimate
    explained: Estimate


@dataclass(frozen=True, slots=True)
class Scores:
    """All heads; labels that cannot be scored (no positive, nothing predicted) are left out."""

    states: StatesScores | None
    binary: tuple[BinaryScores, ...]
    continuous: tuple[ContinuousScores, ...]

    def figures(self) -> dict[tuple[str, str], Estimate]:
        """Figure and label (empty for those of the states) to its value, head by head."""
        found: dict[tuple[str, str], Estimate] = {}
        if self.states is not None:
            found["accuracy", ""] = self.states.accuracy
            found["macro_f1", ""] = self.states.macro_f1
        for item in self.binary:
            found["auprc", item.name], found["f1", item.name] = item.auprc, item.f1
        for label in self.continuous:
            for figure in ("pearson", "spearman", "explained"):
                found[figure, label.name] = getattr(label, figure)
        return found


def score(
    sites: LabelledSites, heads: tuple[HeadSpec, ...], draws: int = DRAWS, seed: int = 0
) -> Scores:
    """All scores of a model.

    Resamples depend on the sites' places, ``draws`` and ``seed`` alone: two models on the same
    sites are scored on the same resamples.

    Args:
        sites: predictions and labels; NaN logits are sites that the model does not predict.
        heads: the model's heads with the calibration to apply; in any order of kinds.
        draws: resamples of the block bootstrap.
        seed: makes the resamples reproducible.
    """
    resamples = Resamples.draw(sites.blocks, draws, seed)
    values = probabilities(sites.logits, in_order(heads))
    first, last = sites.number_of_states, sites.number_of_states + len(sites.binary)
    states = [label for _, label in _labels(heads, "states")]
    binary = [
        _score_binary(label, truth, predicted, resamples)
        for (_, label), truth, predicted in zip(
            _labels(heads, "binary"), sites.binary, values[first:last], strict=True
        )
    ]
    continuous = [
        _score_continuous(head, label, truth, predicted, resamples)
        for (head, label), truth, predicted in zip(
            _labels(heads, "continuous"), sites.continuous, values[last:], strict=True
        )
    ]
    return Scores(
        _score_states(states, values[:first], sites.states, resamples) if states else None,
        tuple(item for item in binary if item is not None),
        tuple(item for item in continuous if item is not None),
    )


def _labels(heads: tuple[HeadSpec, ...], kind: HeadKind) -> list[tuple[HeadSpec, Label]]:
    """Labels of a kind with their heads, in the order of the rows of :class:`LabelledSites`."""
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


# ---- Is one model better than another? The paired block bootstrap.


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of the first model minus that of the second.

    Attributes:
        figure: ``accuracy``, ``macro_f1``, ``auprc``, or ``mean_auprc`` (over the binary labels).
        label: the label of an ``auprc``, else empty.
        difference: with its 95 % interval.
        p: two-sided bootstrap p-value, not corrected for the number of figures; at least
            ``2 / (draws + 1)``.
    """

    figure: str
    label: str
    difference: Estimate
    p: float


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Differences between two models on the same sites of one sample.

    Attributes:
        sample: name of the sample; empty where there is but one.
        first: name of the model that is better where a difference is above 0.
        second: name of the other.
        differences: from :func:`paired`.
    """

    sample: str
    first: str
    second: str
    differences: tuple[Difference, ...]


Predicted = tuple[LabelledSites, tuple[HeadSpec, ...]]
"""Predictions of one model, and its heads with their calibration."""


def paired(
    ones: Sequence[Predicted], others: Sequence[Predicted], draws: int = DRAWS, seed: int = 0
) -> tuple[Difference, ...]:
    """Differences of all figures that both models have, on the bins that both were scored on.

    A model may have several runs, such as trainings from several seeds: each is paired with one
    run of the other on the same resamples, of which each then gives one mean over the pairs. Sites
    of one block cannot be resampled: there is no interval then, and p is 1.

    Args:
        ones: predictions of each run of the first model.
        others: as many of the second, of the same labels in the same order.
        draws: resamples.
        seed: makes the resamples reproducible.

    Raises:
        InputError: no bin in common, or other labels.
    """
    gains = [_gains(*one, *other, draws, seed) for one, other in zip(ones, others, strict=True)]
    return tuple(
        _difference(figure, label, np.mean([gain[figure, label] for gain in gains], axis=0))
        for figure, label in gains[0]
        if all((figure, label) in gain for gain in gains)
    )


def _gains(
    one: LabelledSites,
    one_heads: tuple[HeadSpec, ...],
    other: LabelledSites,
    other_heads: tuple[HeadSpec, ...],
    draws: int,
    seed: int,
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Figure and label to the differences, float64 (1 + draws,)."""
    one, other = common(one, other)
    blocks = one.blocks
    resamples = Resamples.draw(blocks, draws if blocks.any() else 0, seed)
    first = probabilities(one.logits, in_order(one_heads))
    second = probabilities(other.logits, in_order(other_heads))
    found: dict[tuple[str, str], NDArray[np.float64]] = {}
    n = one.number_of_states
    known = (one.states != UNKNOWN) & np.isfinite(first[:n]).all(axis=0)
    known &= np.isfinite(second[:n]).all(axis=0)
    if n and known.any():
        truth, kept = one.states[known], resamples.select(known)
        tables = [
            confusion(truth, rows[:n, known].argmax(axis=0), n, kept) for rows in (first, second)
        ]
        for figure, of in (("accuracy", accuracy), ("macro_f1", macro_f1)):
            found[figure, ""] = of(tables[0]) - of(tables[1])
    gains = []
    for row, (_, label) in enumerate(_labels(one_heads, "binary")):
        gain = _auprc_gain(one.binary[row], first[n + row], second[n + row], resamples)
        if gain is not None:
            gains.append(gain)
            found["auprc", label.name] = gain
    if gains:
        found["mean_auprc", ""] = mean_known(gains)
    return found


def _auprc_gain(
    truth: NDArray[np.int64],
    one: NDArray[np.float32],
    other: NDArray[np.float32],
    resamples: Resamples,
) -> NDArray[np.float64] | None:
    """Difference of AUPRC, float64 (1 + draws,); None where a label cannot be scored."""
    known = (truth != UNKNOWN) & np.isfinite(one) & np.isfinite(other)
    positive, kept = truth[known] == 1, resamples.select(known)
    if not positive.any():
        return None
    first, second = (rank(positive, scores[known], kept).auprc for scores in (one, other))
    difference: NDArray[np.float64] = first - second
    return difference


def _difference(figure: str, label: str, values: NDArray[np.float64]) -> Difference:
    """A difference from its values on the sites as they are and on the resamples.

    The p-value inverts the percentile interval: twice the share of resamples on the rarer side of
    0 (Efron and Tibshirani 1993, chapter 15). The sites as they are count as one more on that
    side, so that p is never 0: some hundreds of resamples cannot show less than one in as many.
    """
    drawn = values[1:][~np.isnan(values[1:])]
    side = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return Difference(figure, label, estimate(values), min(1.0, 2 * (side + 1) / (len(drawn) + 1)))


# ---- Scores as plain values; ``records.from_plain(Scores, ...)`` reads them back.

DIGITS = 4
"""Significant digits that are written: the intervals are wider."""


def to_json(value: Any) -> Any:
    """As :func:`~chromputer_tracks.records.to_plain`, with floats cut to :data:`DIGITS` digits."""
    if is_dataclass(value):
        return to_json(to_plain(value))
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value


def split_metrics(scores: Scores, baselines: Mapping[str, Scores]) -> dict[str, Any]:
    """What a model's spec says of one split: scores without their curves.

    Args:
        scores: scores of the model.
        baselines: name to scores at the same sites.

    Returns:
        ``model`` and ``baselines`` (by name): scores as plain values, estimates as ``value``,
        ``low`` and ``high``.
    """
    return {
        "model": _without_curves(to_json(scores)),
        "baselines": {name: _without_curves(to_json(of)) for name, of in baselines.items()},
    }


def _without_curves(value: Any) -> Any:
    """The same without what only figures show: curves, and all of reliability but its error."""
    if isinstance(value, dict):
        return {
            key: {"error": item["error"]} if key == "reliability" else _without_curves(item)
            for key, item in value.items()
            if key != "pr"
        }
    return [_without_curves(item) for item in value] if isinstance(value, list) else value


# ---- Scores of several runs that differ in their seed alone.


def mean_scores(runs: Sequence[Scores]) -> Scores:
    """The mean of every number of scores on the same sites.

    Estimates and their bounds are averaged: an interval says how much the figure of one run hangs
    on the sites, not on the seed. A figure that is not a number in one run is none in the mean.
    Counts are rounded means. Curves and the bins of reliability are those of the first run. What
    some runs do not have (a label that they do not predict) is the mean over those that have it.

    Args:
        runs: at least one.
    """
    mean: Scores = _mean(runs)
    return mean


def _mean(runs: Sequence[Any]) -> Any:
    items = [item for item in runs if item is not None]
    if not items:
        return None
    first = items[0]
    if isinstance(first, Curve | str):
        return first
    if isinstance(first, Reliability):
        # Bins without a site are left out, so that those of two runs need not be the same ones.
        return replace(first, error=_mean([item.error for item in items]))
    if is_dataclass(first):
        return first.__class__(
            **{f.name: _mean([getattr(item, f.name) for item in items]) for f in fields(first)}
        )
    if isinstance(first, dict):
        return {key: _mean([item[key] for item in items]) for key in first}
    if isinstance(first, tuple):
        return tuple(map(_mean, _beside(items)))
    mean = float(np.mean(items))
    return round(mean) if isinstance(first, int) else mean


def _beside(tuples: Sequence[tuple[Any, ...]]) -> list[Sequence[Any]]:
    """What stands at the same place in each: labels by their names, all else by position."""
    entries = [entry for items in tuples for entry in items]
    if not any(isinstance(entry, BinaryScores | ContinuousScores) for entry in entries):
        return list(zip(*tuples, strict=True))
    named: dict[str, list[Any]] = {}
    for entry in entries:
        named.setdefault(entry.name, []).append(entry)
    return list(named.values())

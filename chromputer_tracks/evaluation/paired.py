"""Is one model better than another? Paired block bootstrap on the same sites.

Both models are scored on the same resamples of blocks, so that what is hard in a block is hard for
both and cancels in the difference. McNemar's exact test of the accuracies is left out on purpose:
it takes sites as independent, but neighbouring bins share windows, peaks and states, so that its
p-values would be far too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.data.probabilities import probabilities
from chromputer_tracks.evaluation.metrics import accuracy, confusion, macro_f1, rank
from chromputer_tracks.evaluation.resamples import DRAWS, Resamples, estimate, ratio
from chromputer_tracks.evaluation.scores import Estimate
from chromputer_tracks.evaluation.sites import Sites, common, in_order
from chromputer_tracks.spec import HeadSpec


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of the first model minus that of the second.

    Attributes:
        figure: ``accuracy``, ``macro_f1``, ``auprc``, or ``mean_auprc`` (over the binary labels).
        label: of an ``auprc``, else empty.
        difference: with its 95 % interval.
        p: two-sided bootstrap p-value, not corrected for the number of figures; at least
            ``2 / (draws + 1)``.
    """

    figure: str
    label: str
    difference: Estimate
    p: float


def paired(
    one: Sites,
    one_heads: tuple[HeadSpec, ...],
    other: Sites,
    other_heads: tuple[HeadSpec, ...],
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[Difference, ...]:
    """Differences of all figures that both models have, on the bins that both were scored on.

    Args:
        one: predictions of the first model.
        one_heads: its heads, with their calibration.
        other: predictions of the second, of the same labels in the same order.
        other_heads: its heads.
        draws: resamples.
        seed: of the resampling.

    Raises:
        InputError: no bin in common, or other labels.
    """
    return paired_runs([(one, one_heads)], [(other, other_heads)], draws, seed)


def paired_runs(
    ones: Sequence[tuple[Sites, tuple[HeadSpec, ...]]],
    others: Sequence[tuple[Sites, tuple[HeadSpec, ...]]],
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[Difference, ...]:
    """Mean differences over pairs of runs, such as trainings from several seeds.

    All pairs are scored on the same resamples, of which each gives one mean over the pairs. Sites
    of one block cannot be resampled: there is no interval then, and p is 1.

    Args:
        ones: predictions and heads of each run of the first kind.
        others: of the second kind, as many; the same bins.
        draws: resamples.
        seed: of the resampling.

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
    one: Sites,
    one_heads: tuple[HeadSpec, ...],
    other: Sites,
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
    names = [label.name for head in one_heads if head.kind == "binary" for label in head.labels]
    gains = []
    for row, name in enumerate(names):
        gain = _auprc_gain(one.binary[row], first[n + row], second[n + row], resamples)
        if gain is not None:
            gains.append(gain)
            found["auprc", name] = gain
    if gains:
        # A resample without a positive of a label leaves the label out.
        there = ~np.isnan(gains)
        mean = ratio(np.where(there, gains, 0).sum(axis=0), there.sum(axis=0).astype(np.float64))
        found["mean_auprc", ""] = mean
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
    0 (Efron and Tibshirani 1993, chapter 15), counting the sites as they are as one more.
    """
    drawn = values[1:][~np.isnan(values[1:])]
    side = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return Difference(figure, label, estimate(values), min(1.0, 2 * (side + 1) / (len(drawn) + 1)))

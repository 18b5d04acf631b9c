"""What a model scores at sites, as plain values that go to JSON, tables and figures."""

from __future__ import annotations

from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True)
class BinaryScores:
    """One label against all other sites; a state of a softmax has them, too.

    Attributes:
        name: of the label.
        sites: known sites.
        positives: among them.
        auprc: average precision; ``positives / sites`` is what a random ranking reaches.
        auroc: area under the ROC curve.
        f1: at the label's threshold (for a state: of the most likely state).
        recall_at: precision to the recall at it, for the precisions 0.5 and 0.9.
        pr: recall (x) and precision (y).
        reliability: of the calibrated probability.
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


@dataclass(frozen=True, slots=True)
class StatesScores:
    """The states head.

    Attributes:
        sites: known sites.
        accuracy: of the most likely state.
        macro_f1: mean F1 over the states that occur.
        confusion: rows: true state, columns: predicted; number of sites.
        reliability: of the most likely state's probability (top-label calibration).
        labels: each state against the rest.
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
        name: of the label.
        sites: known sites.
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

"""Calibration on the validation contigs: logits to probabilities that mean what they say.

What is fitted. Training draws rare labels more often than they occur, so that raw probabilities
are too high. A binary label gets ``logit * scale + bias`` (Platt 1999), which leaves the order of
its sites as it is, and with it every figure of a ranking; a states head gets one temperature (Guo
et al. 2017), which leaves the most likely state as it is.

On what. All labelled bins of the validation contigs, at their true prevalence: the weights were not
fitted to them, though the epoch was chosen there. The test contigs are not looked at.

Why this form. How far sampling shifted the prior is known (:func:`prior_shift`); what is left to
learn is how over-confident the network is. The fit is therefore maximum a posteriori, with Gaussian
priors that hold the bias near the known shift and log(scale) near 0. Many positives outweigh them,
so that they cost nothing; with a handful, maximum likelihood would send the scale to infinity as
soon as these happened to be ranked first.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.evaluation.sites import LabelledSites
from chromputer_tracks.spec import HeadSpec, Label

_SCALE_SPREAD, _BIAS_SPREAD = 0.3, 0.5
"""Standard deviations of the priors on log(scale) and bias."""


def calibrate(
    heads: tuple[HeadSpec, ...],
    sites: LabelledSites,
    shifts: tuple[float, ...],
) -> tuple[HeadSpec, ...]:
    """The heads with calibration and thresholds.

    Continuous heads are left as they are, and so is what is not predicted (NaN logits).

    Args:
        heads: uncalibrated.
        sites: predictions on the validation contigs.
        shifts: prior shift of each binary label, in the order of ``sites.binary``.

    Raises:
        ConfigError: the states, or a label, are known nowhere on the validation contigs.
    """
    calibrated = []
    n, row = sites.number_of_states, 0
    for head in heads:
        labels = head.labels
        if head.kind == "states" and np.isfinite(sites.logits[:n]).any():
            scale = fit_temperature(sites.logits[:n], sites.states)
            labels = tuple(replace(label, scale=round(scale, 5)) for label in labels)
        elif head.kind == "binary":
            rows = range(row, row + len(labels))
            labels = tuple(
                _calibrated(label, sites.logits[n + at], sites.binary[at], shifts[at])
                for label, at in zip(labels, rows, strict=True)
            )
            row = rows.stop
        calibrated.append(replace(head, labels=labels))
    return tuple(calibrated)


def _calibrated(
    label: Label, logits: NDArray[np.float32], truth: NDArray[np.int64], shift: float
) -> Label:
    if len(logits) and np.isnan(logits).all():
        return label
    scale, bias = fit_platt(logits, truth, shift)
    known = logits[truth != UNKNOWN].astype(np.float64)
    if not len(known):
        raise ConfigError(
            f"label {label.name} is known nowhere on the validation contigs, so that no threshold "
            f"can be chosen: choose others in splits.validation"
        )
    threshold = best_threshold(expit(known * scale + bias))
    # Digits that count, not decimal places: a rare label's threshold must not become 0.
    return replace(
        label, scale=round(scale, 5), bias=round(bias, 5), threshold=float(f"{threshold:.4g}")
    )


def uncalibrated(heads: tuple[HeadSpec, ...]) -> tuple[HeadSpec, ...]:
    """The heads for logits that are already what they should be."""
    return tuple(
        replace(
            head,
            labels=tuple(replace(item, scale=1.0, bias=0.0, threshold=0.5) for item in head.labels),
        )
        for head in heads
    )


def prior_shift(true_prevalence: float, sampled_prevalence: float) -> float:
    """What to add to a logit trained at one prevalence to hold at another: the change of log odds.

    Sampling multiplies the odds of every site by the same factor (Bayes' rule), whatever its data.
    """
    true, sampled = (
        float(np.log(share / (1 - share))) for share in (true_prevalence, sampled_prevalence)
    )
    return true - sampled


def fit_platt(
    logits: NDArray[np.floating], truth: NDArray[np.int64], shift: float
) -> tuple[float, float]:
    """Scale and bias of a binary label.

    Args:
        logits: (n,).
        truth: int64 (n,), 1, 0 or ``UNKNOWN``.
        shift: centre of the bias's prior, from :func:`prior_shift`.
    """
    known = truth != UNKNOWN
    x, y = logits[known].astype(np.float64), (truth[known] == 1).astype(np.float64)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_scale, bias = parameters
        scale = np.exp(log_scale)
        z = x * scale + bias
        # Cross-entropy, as log(1 + exp(z)) - y z so that no exponential overflows, plus the priors.
        value = np.logaddexp(0, z).sum() - (y * z).sum()
        residual = expit(z) - y
        value += log_scale**2 / (2 * _SCALE_SPREAD**2)
        value += (bias - shift) ** 2 / (2 * _BIAS_SPREAD**2)
        # By log(scale), which keeps the scale above 0, and by the bias.
        gradient = np.array(
            [
                (residual * x).sum() * scale + log_scale / _SCALE_SPREAD**2,
                residual.sum() + (bias - shift) / _BIAS_SPREAD**2,
            ]
        )
        return float(value), gradient

    found = minimize(loss, np.array([0.0, shift]), jac=True, method="L-BFGS-B").x
    return float(np.exp(found[0])), float(found[1])


def fit_temperature(logits: NDArray[np.floating], states: NDArray[np.int64]) -> float:
    """The scale (1 / temperature) of a states head that makes its validation loss least.

    Args:
        logits: (states, n).
        states: int64 (n,), ``UNKNOWN`` left out.

    Raises:
        ConfigError: no state is known.
    """
    known = states != UNKNOWN
    if not known.any():
        raise ConfigError(
            "no chromatin state is known on the validation contigs: choose others in "
            "splits.validation"
        )
    x, y = logits[:, known].astype(np.float64), states[known]

    def loss(scale: float) -> float:
        z = x * scale
        top = z.max(axis=0)
        total = np.log(np.exp(z - top).sum(axis=0)) + top
        return float((total - z[y, np.arange(len(y))]).mean())

    return float(minimize_scalar(loss, bounds=(0.05, 5.0), method="bounded").x)


def best_threshold(probabilities: NDArray[np.floating]) -> float:
    """The threshold at which the expected F1 is largest, given calibrated probabilities.

    With ``p`` calibrated, calling ``m`` sites finds ``sum(p of the called)`` true ones of
    ``sum(p)``; F1 is then ``2 * found / (m + sum(p))`` (Lipton et al. 2014). It needs no labels,
    which are few for rare TFs.

    Args:
        probabilities: (n,), of one label at validation sites.
    """
    ranked = np.sort(probabilities.astype(np.float64))[::-1]
    f1 = 2 * np.cumsum(ranked) / (np.arange(1, len(ranked) + 1) + ranked.sum())
    return float(ranked[int(f1.argmax())])

"""Predictions and labels at sites: what every score is computed from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit

from chromputer_tracks.data.features import Features
from chromputer_tracks.data.labels import UNKNOWN, LabelSet, Segment, site_segments
from chromputer_tracks.errors import ConfigError, InputError, counted
from chromputer_tracks.intervals import ChromSizes, Grid
from chromputer_tracks.io.atomic import atomic_path
from chromputer_tracks.spec import HeadKind, HeadSpec, Label

BLOCK = 20_000
"""bp of a bootstrap block: neighbouring sites share windows and peaks, so blocks are drawn."""


@dataclass(frozen=True, slots=True)
class LabelledSites:
    """Predictions and labels at label bins.

    Outputs and labels are in the order of the model's heads: the states head's labels, if any, then
    those of the binary heads, then those of the continuous heads.

    Attributes:
        contigs: names of the contigs.
        contig: int64 (n,), index into ``contigs``.
        centre: int64 (n,), bp, 0-based, centre of the bin.
        logits: float32 (outputs, n), not calibrated; a row of NaN where nothing is predicted.
        states: int64 (n,), ``UNKNOWN`` where there is no label.
        binary: int64 (labels, n), 1, 0 or ``UNKNOWN``.
        continuous: float32 (labels, n), NaN where there is no label.
        number_of_states: how many rows of ``logits`` are states.
    """

    contigs: tuple[str, ...]
    contig: NDArray[np.int64]
    centre: NDArray[np.int64]
    logits: NDArray[np.float32]
    states: NDArray[np.int64]
    binary: NDArray[np.int64]
    continuous: NDArray[np.float32]
    number_of_states: int

    def __len__(self) -> int:
        return len(self.centre)

    @property
    def blocks(self) -> NDArray[np.int64]:
        """Index of each site's bootstrap block of :data:`BLOCK` bp, 0 to their number."""
        block = self.contig * (int(self.centre.max(initial=0)) // BLOCK + 1) + self.centre // BLOCK
        index: NDArray[np.int64] = np.unique(block, return_inverse=True)[1].astype(np.int64)
        return index

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Whether any label of each site is known, bool (n,)."""
        known: NDArray[np.bool_] = (self.states != UNKNOWN) | (self.binary != UNKNOWN).any(axis=0)
        return known | ~np.isnan(self.continuous).all(axis=0)

    def select(self, keep: NDArray[np.bool_] | NDArray[np.intp]) -> LabelledSites:
        """The sites that a mask or an index array picks."""
        return replace(
            self,
            contig=self.contig[keep],
            centre=self.centre[keep],
            logits=self.logits[:, keep],
            states=self.states[keep],
            binary=self.binary[:, keep],
            continuous=self.continuous[:, keep],
        )

    def on(self, contigs: Iterable[str]) -> LabelledSites:
        """The sites on contigs."""
        chosen = [self.contigs.index(name) for name in set(contigs) & set(self.contigs)]
        return self.select(np.isin(self.contig, chosen))


def in_order(heads: tuple[HeadSpec, ...]) -> tuple[HeadSpec, ...]:
    """The heads in the order of the rows of :class:`LabelledSites`."""
    kinds = get_args(HeadKind)
    return tuple(sorted(heads, key=lambda head: kinds.index(head.kind)))


def common(one: LabelledSites, other: LabelledSites) -> tuple[LabelledSites, LabelledSites]:
    """The sites of two models that are the same bins, in the same order.

    Raises:
        InputError: they have no bin in common, or disagree about a label.
    """
    shared, first, second = np.intersect1d(_places(one), _places(other), return_indices=True)
    if not len(shared):
        raise InputError(
            f"{_described(one)} and {_described(other)} have no bin in common: the models must be "
            f"scored on the same contigs with the same label_bin"
        )
    order = np.argsort(first)  # as they stand in the first, not by name
    both = one.select(first[order]), other.select(second[order])
    for name in ("states", "binary", "continuous"):
        rows = [getattr(sites, name) for sites in both]
        if not np.array_equal(rows[0], rows[1], equal_nan=name == "continuous"):
            raise InputError(
                f"two models can be compared on the same labels only, but their {name} labels "
                f"differ: score them with the same configuration"
            )
    return both


def _places(sites: LabelledSites) -> NDArray[np.str_]:
    names = np.array(sites.contigs)[sites.contig]
    return np.char.add(np.char.add(names, ":"), sites.centre.astype(str))


def _described(sites: LabelledSites) -> str:
    if not len(sites):
        return "no sites"
    first = f"{sites.contigs[sites.contig[0]]}:{sites.centre[0] + 1:,}"
    return f"{counted(len(sites), 'site')} from {first} on"


_ARRAYS = ("contig", "centre", "logits", "states", "binary", "continuous")


def save_sites(path: Path, sites: LabelledSites, heads: tuple[HeadSpec, ...]) -> None:
    """Write sites and the heads that they were predicted with, as a compressed .npz.

    Raises:
        OutputError: it cannot be written.
    """
    arrays = {name: getattr(sites, name) for name in _ARRAYS}
    about = {
        "contigs": sites.contigs,
        "number_of_states": sites.number_of_states,
        "heads": [asdict(head) for head in heads],
    }
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)


# ---- Predictions and labels at the label bins of contigs, for any network.

Predict = Callable[[dict[str, NDArray[np.float32]]], NDArray[np.float32]]
"""Input name to float32 (1, channels, positions), to logits float32 (outputs, bins)."""


def predict_sites(
    predict: Predict,
    features: Features,
    labels: LabelSet,
    sizes: ChromSizes,
    contigs: Sequence[str],
    grid: Grid,
    label_bin: int,
    states: int,
) -> LabelledSites:
    """Run a network over the whole label bins of contigs.

    Args:
        predict: the network.
        features: makes the network's inputs of the sample.
        labels: the sample's labels, in the order of the network's outputs.
        sizes: the genome's contigs.
        contigs: contigs to score.
        grid: places of the network's outputs.
        label_bin: bp between sites.
        states: how many outputs are states.

    Raises:
        ConfigError: no contig holds a whole bin.
    """

    def logits(segment: Segment) -> NDArray[np.float32]:
        arrays = features.arrays(segment.span(grid))
        return predict({name: array[None] for name, array in arrays.items()})

    parts = list(_bins(logits, labels, sizes, contigs, grid, label_bin, states))
    if not parts:
        raise ConfigError(
            f"the contigs to score hold no whole bin of {label_bin} bp: choose longer ones in "
            f"splits.validation and splits.test"
        )
    return pool_sites(parts)


def label_sites(
    labels: LabelSet,
    sizes: ChromSizes,
    contigs: Sequence[str],
    grid: Grid,
    label_bin: int,
    states: int,
) -> LabelledSites:
    """The labels at the sites of :func:`predict_sites`, with nothing predicted.

    Raises:
        ConfigError: no contig holds a whole bin.
    """
    parts = list(_bins(None, labels, sizes, contigs, grid, label_bin, states))
    if not parts:
        raise ConfigError(f"no contig of {', '.join(contigs)} holds a whole bin of {label_bin} bp")
    return pool_sites(parts)


def _bins(
    logits: Callable[[Segment], NDArray[np.float32]] | None,
    labels: LabelSet,
    sizes: ChromSizes,
    contigs: Sequence[str],
    grid: Grid,
    label_bin: int,
    states: int,
) -> Iterator[LabelledSites]:
    """The whole label bins of contigs, a segment at a time; nothing is predicted without logits."""
    step = label_bin // grid.stride
    for segment in site_segments(sizes, contigs, label_bin, grid.stride):
        centres = segment.centres(grid.stride)[::step]
        found = labels.at(segment.chrom, centres)
        if logits is None:
            shape = states + len(found.binary) + len(found.continuous), len(centres)
            predicted = np.full(shape, np.nan, dtype=np.float32)
        else:
            predicted = logits(segment)[:, ::step]
        contig = np.zeros(len(centres), dtype=np.int64)
        yield LabelledSites((segment.chrom,), contig, centres, predicted, *found, states)


def pool_sites(parts: Iterable[LabelledSites], names: Sequence[str] | None = None) -> LabelledSites:
    """Sites of several stretches or samples together.

    Args:
        parts: with the same outputs and labels.
        names: the parts' samples, whose names their contigs' names then carry, as
            ``chrI (K562)``; None: equal names are the same contig.
    """
    renamed = list(parts)
    if names is not None:
        renamed = [
            replace(part, contigs=tuple(f"{contig} ({name})" for contig in part.contigs))
            for part, name in zip(renamed, names, strict=True)
        ]
    contigs = tuple(dict.fromkeys(contig for part in renamed for contig in part.contigs))
    codes = {contig: code for code, contig in enumerate(contigs)}
    return LabelledSites(
        contigs,
        np.concatenate(
            [np.array([codes[c] for c in part.contigs])[part.contig] for part in renamed]
        ),
        np.concatenate([part.centre for part in renamed]),
        np.concatenate([part.logits for part in renamed], axis=1),
        np.concatenate([part.states for part in renamed]),
        np.concatenate([part.binary for part in renamed], axis=1),
        np.concatenate([part.continuous for part in renamed], axis=1),
        renamed[0].number_of_states,
    )


# ---- Calibration on the validation contigs: logits to probabilities that mean what they say.

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

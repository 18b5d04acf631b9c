"""Scoring on held-out contigs: predictions at sites, metrics, and bootstrap over blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score
from torch import nn

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.model.dataset import Segment, SegmentDataset

BLOCK = 20_000
"""bp of a bootstrap block: neighbouring sites share windows and peaks, so blocks are drawn."""


@dataclass(frozen=True, slots=True)
class Sites:
    """Predictions and labels at sites.

    Attributes:
        logits: float32 (outputs, n), states first, then binary.
        states: int64 (n,), ``UNKNOWN`` where there is no label.
        binary: int64 (labels, n), likewise.
        blocks: int64 (n,), index of each site's block of :data:`BLOCK` bp.
        number_of_states: how many rows of ``logits`` are states.
    """

    logits: NDArray[np.float32]
    states: NDArray[np.int64]
    binary: NDArray[np.int64]
    blocks: NDArray[np.int64]
    number_of_states: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its bootstrap interval (95 %)."""

    value: float
    low: float
    high: float


def predict_sites(
    network: nn.Module,
    dataset: SegmentDataset,
    segments: Sequence[Segment],
    input_names: Sequence[str],
    stride: int,
    label_bin: int,
    number_of_states: int,
) -> Sites:
    """Run the network over site segments; the network is left in evaluation mode.

    Args:
        network: takes the inputs in order, returns logits and embedding.
        dataset: gives arrays and labels.
        segments: from :func:`site_segments`.
        input_names: in graph order.
        stride: bp between outputs.
        label_bin: bp between sites.
        number_of_states: see :class:`Sites`.

    Raises:
        ConfigError: there are no segments, as every contig is shorter than a bin.
    """
    if not segments:
        raise ConfigError(
            f"the contigs to score hold no whole bin of {label_bin} bp: choose longer ones in "
            f"splits.validation and splits.test"
        )
    step = label_bin // stride
    network.eval()
    device = next(network.parameters()).device
    logits, states, binary, blocks = [], [], [], []
    contigs: dict[str, int] = {}
    with torch.no_grad():
        for segment in segments:
            item = dataset[segment]
            out, _ = network(*(item[name][None].to(device) for name in input_names))
            logits.append(out[0, :, ::step].float().cpu().numpy())
            states.append(item["states"].numpy()[::step])
            binary.append(item["binary"].numpy()[:, ::step])
            contig = contigs.setdefault(segment.chrom, len(contigs))
            blocks.append(contig * 10**6 + segment.centres(stride)[::step] // BLOCK)
    _, index = np.unique(np.concatenate(blocks), return_inverse=True)
    return Sites(
        np.concatenate(logits, axis=1),
        np.concatenate(states),
        np.concatenate(binary, axis=1),
        index.astype(np.int64),
        number_of_states,
    )


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
    ranked = np.concatenate([_softmax(sites.logits[:n]), sites.logits[n:]]) if n else sites.logits
    # A network in training has auxiliary outputs, too, behind the labels.
    scores = [average_precision(*p) for p in zip(truths, ranked[: len(truths)], strict=True)]
    if np.isnan(scores).all():
        raise ConfigError(
            "no label has a positive on the validation contigs, so that no epoch can be picked: "
            "choose others in splits.validation"
        )
    return float(np.nanmean(scores))


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = np.exp(logits - logits.max(axis=0))
    total: NDArray[np.float32] = shifted / shifted.sum(axis=0)
    return total


def bootstrap(
    blocks: NDArray[np.int64],
    score: Callable[[NDArray[np.intp]], float],
    draws: int = 200,
    seed: int = 0,
) -> Estimate:
    """A score with its 95 % interval from resampling blocks with replacement.

    Args:
        blocks: int64 (n,), block of each site, 0 to the number of blocks.
        score: takes site indices (with repeats) and gives the figure; NaN draws are left out.
        draws: number of resamples.
        seed: of the resampling.
    """
    rng = np.random.default_rng(seed)
    order = np.argsort(blocks, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(blocks))[:-1])
    values = []
    for _ in range(draws):
        drawn = rng.integers(len(members), size=len(members))
        values.append(score(np.concatenate([members[block] for block in drawn])))
    whole = score(np.arange(len(blocks)))
    kept = [value for value in values if not np.isnan(value)]
    if not kept:
        return Estimate(whole, float("nan"), float("nan"))
    low, high = np.percentile(kept, [2.5, 97.5])
    return Estimate(whole, float(low), float(high))


def score_sites(
    sites: Sites,
    lenient: NDArray[np.int64],
    state_names: Sequence[str],
    binary_names: Sequence[str],
    majority: int | None,
    scans: dict[str, NDArray[np.float32]],
) -> dict[str, dict[str, object]]:
    """All figures of a model card.

    Args:
        sites: predictions on held-out contigs.
        lenient: int64 (labels, n), ``sites.binary`` with the bins beside a positive one masked.
        state_names: codes of the states, may be empty.
        binary_names: codes of the binary labels.
        majority: the most frequent state of the training contigs; None without states.
        scans: label to motif-scan scores, float32 (n,), at the same sites.

    Returns:
        ``states``: accuracy, macro_f1, majority_accuracy, and per state ``auprc`` and
        ``prevalence``; ``binary``: per label ``auprc``, ``auprc_flanks_masked`` (of the lenient
        labels), ``prevalence``, ``positives`` and, where scanned, ``motif_scan_auprc``. Each
        estimate is ``[value, low, high]``.
    """

    def estimate(score: Callable[[NDArray[np.intp]], float]) -> list[float]:
        found = bootstrap(sites.blocks, score)
        return [round(found.value, 4), round(found.low, 4), round(found.high, 4)]

    def auprc(truth: NDArray[np.int64], scores: NDArray[np.floating]) -> list[float]:
        return estimate(lambda index: average_precision(truth[index], scores[index]))

    figures: dict[str, dict[str, object]] = {}
    n = len(state_names)
    if n:
        logits, states = sites.logits[:n], sites.states
        known = states != UNKNOWN
        probabilities = _softmax(logits)

        def state_score(name: str) -> list[float]:
            return estimate(lambda index: state_scores(logits[:, index], states[index])[name])

        figures["states"] = {name: state_score(name) for name in ("accuracy", "macro_f1")}
        constant = np.zeros_like(logits)
        constant[majority] = 1
        for name, value in state_scores(constant, states).items():
            figures["states"][f"majority_{name}"] = round(value, 4)
        figures["states"]["sites"] = int(known.sum())
        figures["states"]["per_state"] = {
            name: {
                "auprc": auprc(
                    np.where(known, (states == row).astype(np.int64), UNKNOWN), probabilities[row]
                ),
                "prevalence": round(float((states[known] == row).mean()), 5),
            }
            for row, name in enumerate(state_names)
        }
    figures["binary"] = {}
    for row, name in enumerate(binary_names):
        truth = sites.binary[row]
        entry: dict[str, object] = {
            "auprc": auprc(truth, sites.logits[n + row]),
            "auprc_flanks_masked": auprc(lenient[row], sites.logits[n + row]),
            "prevalence": round(float((truth[truth != UNKNOWN] == 1).mean()), 5),
            "positives": int((truth == 1).sum()),
        }
        if name in scans:
            entry["motif_scan_auprc"] = auprc(truth, scans[name])
        figures["binary"][name] = entry
    return figures

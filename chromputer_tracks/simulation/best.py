"""How accurate the best possible classifier is, at the bins that a model is scored at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.simulation.architecture import SLOT, STEP, Array
from chromputer_tracks.simulation.genome import (
    CellType,
    Int64,
    Plan,
    draw_sites,
    regional_bias,
    state_steps,
)
from chromputer_tracks.simulation.motifs import by_class, draw_bases, motif_evidence
from chromputer_tracks.simulation.optimum import (
    contig_posterior,
    count,
    fragment_evidence,
    window_posterior,
)
from chromputer_tracks.simulation.sampling import draw_fragments

LABEL_BIN = 200
"""bp of the bins; a bin has the state of the base right of its middle, as in training."""

WINDOW = 2000
BLOCK = 20_000
_MOST_WINDOWS = 1500


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Accuracy of the best possible classifier.

    Attributes:
        value: share of bins whose most likely state is the true one.
        low: lower end of a 95 % interval, from the spread over blocks of 20 kb.
        high: upper end.
        expected: mean posterior of the most likely state, which ``value`` estimates.
        bins: number of bins.
    """

    value: float
    low: float
    high: float
    expected: float
    bins: int


@dataclass(frozen=True, slots=True)
class Best:
    """Accuracies of one cell type.

    Attributes:
        depth: expected fragments per kb.
        fragments: given the fragments of the whole contig.
        sequence: given its sequence.
        both: given both.
        window: given the fragments of the bin's window of 2,000 bp alone, at some of the bins.
        window_both: given the window's fragments and sequence.
        same_bins: given the fragments of the whole contig, at the bins of ``window``.
        same_bins_both: given both, at these bins.
    """

    depth: float
    fragments: Accuracy
    sequence: Accuracy
    both: Accuracy
    window: Accuracy | None = None
    window_both: Accuracy | None = None
    same_bins: Accuracy | None = None
    same_bins_both: Accuracy | None = None


@dataclass(frozen=True, slots=True)
class BinPosteriors:
    """The best possible classifier at the label bins of a contig.

    Attributes:
        centres: int64 (n,), bp, 0-based, of whole bins.
        truth: int64 (n,), the true state, 0 quiescent.
        fragments: float64 (states, n), posterior given the fragments.
        sequence: the same given the sequence.
        both: the same given both.
        windows: int64 (m,), indices of the bins at which windows were judged alone.
        window: float64 (states, m), given the window's fragments.
        window_both: the same given its fragments and sequence.
    """

    centres: Int64
    truth: NDArray[np.int64]
    fragments: Array
    sequence: Array
    both: Array
    windows: Int64
    window: Array
    window_both: Array


def bin_posteriors(plan: Plan, cell: CellType, contig: str, windows: int = 0) -> BinPosteriors:
    """Simulate one contig of one cell type again and judge its bins.

    Args:
        plan: parameters.
        cell: one of the plan's cell types, or one that differs from it in depth alone.
        contig: which.
        windows: number of bins, evenly spread, at which windows are judged alone, too.
    """
    steps = plan.sizes[contig] // STEP
    sites = draw_sites(plan, contig)
    bias = regional_bias(plan, contig, cell)
    drawn = draw_fragments(plan, contig, sites, cell)
    evidence = fragment_evidence(plan, cell, drawn, bias)
    motifs = motif_evidence(plan, draw_bases(plan, contig, sites))
    classes = by_class(plan, motifs)
    centres = np.arange(LABEL_BIN // 2, plan.sizes[contig] // LABEL_BIN * LABEL_BIN, LABEL_BIN)
    at = centres // STEP

    def judged(fragments: Array | None, sequence: Array | None) -> Array:
        return contig_posterior(plan, cell, steps, fragments, sequence)[:, at]

    reach = WINDOW // 2 + SLOT
    whole = np.flatnonzero((centres >= reach) & (centres <= plan.sizes[contig] - reach))
    chosen = whole[:: max(1, len(whole) // windows)][:windows] if windows else whole[:0]
    alone = alone_with_motifs = np.zeros((plan.states, 0))
    if len(chosen):
        data = np.concatenate([count(drawn, steps), bias[None]])
        middles, width = at[chosen], WINDOW // STEP
        alone = window_posterior(plan, cell, middles, width, data, None)
        alone_with_motifs = window_posterior(plan, cell, middles, width, data, motifs)
    return BinPosteriors(
        centres,
        state_steps(plan, contig, sites, plan.number(cell))[at].astype(np.int64),
        judged(evidence, None),
        judged(None, classes),
        judged(evidence, classes),
        chosen,
        alone,
        alone_with_motifs,
    )


def best_accuracy(
    plan: Plan, cell: CellType, contigs: Sequence[str], *, windows: bool = False
) -> Best:
    """Accuracy of the best possible classifier over the bins of contigs.

    Args:
        plan: parameters.
        cell: see :func:`bin_posteriors`.
        contigs: which.
        windows: judge some windows alone, too.
    """
    most = -(-_MOST_WINDOWS // len(contigs)) if windows else 0
    found = [bin_posteriors(plan, cell, contig, most) for contig in contigs]
    truth = np.concatenate([each.truth for each in found])
    blocks = np.concatenate(
        [number * 10**6 + each.centres // BLOCK for number, each in enumerate(found)]
    )

    def joined(key: str) -> Array:
        return np.concatenate([getattr(each, key) for each in found], axis=1)

    whole = {key: joined(key) for key in ("fragments", "sequence", "both")}
    best = {key: accuracy(posterior, truth, blocks) for key, posterior in whole.items()}
    if not windows:
        return Best(cell.depth, **best)
    starts = np.cumsum([0, *(len(each.truth) for each in found[:-1])])
    at = np.concatenate([each.windows + start for each, start in zip(found, starts, strict=True)])
    alone = {
        "window": joined("window"),
        "window_both": joined("window_both"),
        "same_bins": whole["fragments"][:, at],
        "same_bins_both": whole["both"][:, at],
    }
    more = {key: accuracy(value, truth[at], blocks[at]) for key, value in alone.items()}
    return Best(cell.depth, **best, **more)


def accuracy(posterior: Array, truth: NDArray[np.int64], blocks: Int64) -> Accuracy:
    """Accuracy of the most likely state.

    Args:
        posterior: float64 (states, n).
        truth: int64 (n,).
        blocks: int64 (n,), block of each bin; neighbouring bins share sites and fragments.
    """
    right = (posterior.argmax(axis=0) == truth).astype(np.float64)
    value = float(right.mean())
    _, index = np.unique(blocks, return_inverse=True)
    # Ratio estimator: residuals summed by block.
    residual = np.bincount(index, right - value)
    half = 1.96 * float(np.sqrt((residual**2).sum())) / len(right)
    return Accuracy(
        value,
        max(0.0, value - half),
        min(1.0, value + half),
        float(posterior.max(axis=0).mean()),
        len(right),
    )

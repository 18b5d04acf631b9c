"""The best possible classifier: the posterior of the states given fragments, sequence or both.

What is exact, and why. The genome is drawn from a known process, so that Bayes' rule gives the
posterior of each step's state, and no classifier that sees the same data can be right more often
than one that calls the state of highest posterior. Nothing is sampled or cut short on the way to
it:

- Evidence. Given where sites are, fragments are independent Poisson counts by step and length
  class. The log likelihood ratio of an element against quiescent chromatin at the same place is
  then a sum over the fragments of log ratios of intensities, minus the difference of the expected
  numbers: a correlation of the counts with a template, which is done by Fourier transform. Bases
  are independent but for planted motifs, which do not overlap, so that a site's ratio is the
  product of its motifs' ratios, each with and without the motif.
- Layouts. Sites follow each other as a renewal process with a dead time of one slot. The sum over
  all layouts, exponentially many, is one recursion from the left and one from the right, the
  forward-backward algorithm of a semi-Markov chain::

    A(i) = (1 - begin) A(i - 1) + w(i - SLOT) A(i - SLOT)      weight of all layouts of [0, i)
    P(a site of kind k begins at i) = A(i) w_k(i) B(i + SLOT) / A(end)

  with ``w_k(i)`` the probability that a free step begins a site of kind k, times its likelihood
  ratio; ``B`` is ``A`` from the other end. All is kept in logarithms.

The classifier knows the parameters and the regional bias; a network must learn the former and
cannot know the latter, so that the optimum is an upper bound for it. What has an error is the
accuracy, a share of a finite number of bins; its interval is given. A window's optimum is exact for
a genome without ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.simulation.genome import (
    LENGTH_STEP,
    LENGTHS,
    MARGIN_STEPS,
    SHORTEST,
    SLOT,
    SLOT_STEPS,
    STEP,
    Array,
    CellType,
    GenomePlan,
    Int64,
    SimulatedFragments,
    draw_fragments,
    draw_sites,
    element_intensity,
    element_span,
    quiescent,
    regional_bias,
    state_steps,
)
from chromputer_tracks.simulation.motifs import by_class, draw_bases, motif_evidence, motifs_of

_BLOCK_STEPS = (1 << 15) - 2 * SLOT_STEPS


@dataclass(frozen=True, slots=True)
class Templates:
    """What a fragment says for each kind of element, in one cell type.

    Attributes:
        spectra: complex (kinds, LENGTHS + 1, size / 2 + 1): conjugate transforms of the log ratios
            of each length class and, last, of the difference of expected numbers, negative.
        size: length of the transform, steps.
    """

    spectra: NDArray[np.complex128]
    size: int

    def evidence(self, data: Array) -> Array:
        """Log likelihood ratio of each kind's slot beginning at each step.

        Args:
            data: float64 (..., LENGTHS + 1, steps): counts by length class, then the factor on
                the intensities (0 for steps that are not seen); ``steps + SLOT_STEPS`` is at most
                ``size``. Beyond its ends nothing is seen.

        Returns:
            float64 (..., kinds, steps).
        """
        steps = data.shape[-1]
        seen = np.fft.rfft(data, self.size)
        product = np.einsum("...cf,kcf->...kf", seen, self.spectra, optimize=True)
        return np.fft.irfft(product, self.size)[..., :steps]


def templates(plan: GenomePlan, cell: CellType, size: int) -> Templates:
    """Templates of a cell type: kinds are state 1 forward, state 1 reverse, state 2 forward ..."""
    digestion, scale = cell.digestion, plan.scale(cell)
    plain = quiescent(digestion)
    kinds = []
    for state in range(1, plan.states):
        first, length = element_span(state)
        image = element_intensity(state, digestion)
        slot = np.zeros((LENGTHS + 1, SLOT_STEPS))
        slot[:LENGTHS, first : first + length] = np.log(image / plain).T
        slot[LENGTHS, first : first + length] = -scale * (image.sum(axis=1) - plain.sum())
        kinds += [slot, slot[:, ::-1]]
    return Templates(np.conj(np.fft.rfft(np.array(kinds), size)), size)


def count(fragments: SimulatedFragments, steps: int) -> Array:
    """Fragments by length class and step of the midpoint, float64 (LENGTHS, steps)."""
    length = fragments.ends - fragments.starts
    midpoint = fragments.starts + length // 2
    cell = (length - SHORTEST) // LENGTH_STEP * steps + midpoint // STEP
    counts = np.bincount(cell, minlength=LENGTHS * steps).reshape(LENGTHS, steps)
    return counts.astype(np.float64)


def fragment_evidence(
    plan: GenomePlan, cell: CellType, fragments: SimulatedFragments, bias: Array
) -> Array:
    """Log likelihood ratio of each kind of element over a contig.

    Args:
        plan: parameters.
        cell: the cell type that the fragments are from.
        fragments: the fragments of one contig.
        bias: float64 (steps,), the regional bias, known to the best possible classifier.

    Returns:
        float64 (states - 1, 2 strands, steps), for a slot that begins at each step.
    """
    steps = len(bias)
    block = min(steps, _BLOCK_STEPS)
    tables = templates(plan, cell, 1 << (block + 2 * SLOT_STEPS - 1).bit_length())
    data = np.concatenate([count(fragments, steps), bias[None]])
    # Overlap-save: a transform is cyclic, so that of each block only what no slot wraps around for
    # is kept.
    out = np.empty((2 * (plan.states - 1), steps))
    for begin in range(0, steps, _BLOCK_STEPS):
        end = min(begin + _BLOCK_STEPS, steps)
        out[:, begin:end] = tables.evidence(data[:, begin : end + SLOT_STEPS])[:, : end - begin]
    return out.reshape(plan.states - 1, 2, steps)


def weights(
    plan: GenomePlan, cell: CellType, fragments: Array | None, sequence: Array | None, steps: int
) -> Array:
    """Log weight of a site of each state beginning at each step, the prior included.

    Args:
        plan: parameters.
        cell: the cell type.
        fragments: float64 (..., states - 1, 2, steps) of :func:`fragment_evidence`, or nothing.
        sequence: the same of the classes, or nothing.
        steps: number of steps.

    Returns:
        float64 (..., states, steps), silent sites first.
    """
    active = plan.states - 1
    if fragments is None:
        fragments = np.zeros((active, 2, steps))
    # A silent site looks like quiescent chromatin: its fragments say nothing, its motifs do.
    silent = np.zeros((*fragments.shape[:-3], 1, 2, steps))
    by_state = np.concatenate([silent, fragments], axis=-3)
    with np.errstate(divide="ignore"):  # a state that its class rules out
        table = np.log(plan.state_given_class(cell) / active)
    # The class is not observed: summed over, with the sequence's ratio where it is seen.
    if sequence is None:
        prior: Array = np.logaddexp.reduce(table, axis=0)[:, None, None]
    else:
        joined = [np.logaddexp.reduce(row[:, None, None] + sequence, axis=-3) for row in table.T]
        prior = np.stack(joined, axis=-3)
    both = np.logaddexp.reduce(by_state + prior, axis=-2)
    return np.asarray(both + np.log(plan.begin / 2))


def posterior(plan: GenomePlan, weight: Array, log_stay: Array, begin: Array, end: Array) -> Array:
    """Posterior of the state of each step.

    Args:
        plan: parameters.
        weight: float64 (..., states, steps) of :func:`weights`; ``-inf`` where no site may begin.
        log_stay: float64 (steps,), log probability that a free step begins no site.
        begin: float64 (steps + 1,), log probability that free genome begins at step i, for a
            stretch cut out of a longer one; a whole contig has 0, then ``-inf``.
        end: the same from the right: log of the weight of ending at i; for a whole contig 0 at
            ``steps``, else ``-inf``.

    Returns:
        float64 (..., states, steps), the quiescent state first.
    """
    steps = weight.shape[-1]
    total = np.logaddexp.reduce(weight, axis=-2)
    room = total[..., : steps - SLOT_STEPS + 1]  # slots that fit
    left = _recursion(log_stay, room, begin)
    right = _recursion(log_stay[::-1], room[..., ::-1], end[::-1])[..., ::-1]
    whole = np.logaddexp.reduce(left + end, axis=-1)
    # All layouts left of a slot, times all right of it, over all: what the slot's own weight is
    # multiplied with to give the probability that a site begins there.
    around = left[..., : steps - SLOT_STEPS + 1] + right[..., SLOT_STEPS:] - whole[..., None]
    out = np.zeros(weight.shape)
    for state in range(1, plan.states):
        site = np.exp(weight[..., state, : steps - SLOT_STEPS + 1] + around)
        first, length = element_span(state)
        padded = np.zeros((*site.shape[:-1], steps + length + 1))
        padded[..., length + 1 + first : length + 1 + first + site.shape[-1]] = site
        # A step is in the state if a site began at any of the steps whose element covers it; these
        # exclude each other, so that their probabilities add up: a moving sum.
        summed = np.cumsum(padded, axis=-1)
        out[..., state, :] = summed[..., length + 1 :] - summed[..., 1:-length]
    out[..., 0, :] = 1 - out[..., 1:, :].sum(axis=-2)
    return np.clip(out, 0.0, 1.0)


def _recursion(log_stay: Array, weight: Array, source: Array) -> Array:
    """``A`` of the module's docstring, in logarithms.

    Args:
        log_stay: float64 (steps,).
        weight: float64 (..., steps - SLOT_STEPS + 1), of a slot that begins at each step.
        source: float64 (steps + 1,), weight that comes in at each step from outside.

    Returns:
        float64 (..., steps + 1).
    """
    steps = len(log_stay)
    stayed = np.concatenate([[0.0], np.cumsum(log_stay)])
    out = np.empty((*weight.shape[:-1], steps + 1))
    # A site that ends within the next slot's length began before it, so that what it brings in is
    # known already: there the recursion A(i) = stay(i - 1) A(i - 1) + coming(i) has no feedback but
    # its own last value. Divided by the product of all stay, it is a running sum: a whole slot's
    # length at a time in place of a loop over steps.
    last = np.full(weight.shape[:-1], -np.inf)
    for first in range(0, steps + 1, SLOT_STEPS):
        stop = min(first + SLOT_STEPS, steps + 1)
        coming = np.broadcast_to(source[first:stop], (*weight.shape[:-1], stop - first)).copy()
        if first >= SLOT_STEPS:
            before = slice(first - SLOT_STEPS, stop - SLOT_STEPS)
            coming = np.logaddexp(coming, out[..., before] + weight[..., before])
        coming -= stayed[first:stop]
        coming[..., 0] = np.logaddexp(coming[..., 0], last)
        run = np.logaddexp.accumulate(coming, axis=-1)
        out[..., first:stop] = run + stayed[first:stop]
        last = run[..., -1]
    return out


def contig_posterior(
    plan: GenomePlan, cell: CellType, steps: int, fragments: Array | None, sequence: Array | None
) -> Array:
    """Posterior over a whole contig, float64 (states, steps); evidence as for :func:`weights`."""
    weight = weights(plan, cell, fragments, sequence, steps)
    allowed = np.zeros(steps, dtype=bool)
    allowed[MARGIN_STEPS : steps - MARGIN_STEPS - SLOT_STEPS + 1] = True
    weight[:, ~allowed] = -np.inf
    log_stay = np.where(allowed, np.log1p(-plan.begin), 0.0)
    begin = np.full(steps + 1, -np.inf)
    begin[0] = 0.0
    return posterior(plan, weight, log_stay, begin, begin[::-1])


def window_posterior(
    plan: GenomePlan,
    cell: CellType,
    centres: Int64,
    window: int,
    data: Array | None,
    sequence: Array | None,
) -> Array:
    """Posterior at the centre of windows, each seen alone.

    The prior is that of a genome without ends; a site that reaches out of the window is judged by
    its fragments and its whole motifs inside.

    Args:
        plan: parameters.
        cell: the cell type.
        centres: int64 (n,), steps; the windows lie inside the contig.
        window: steps seen, even: ``[centre - window / 2, centre + window / 2)``.
        data: float64 (LENGTHS + 1, steps), counts and bias of the contig, or nothing.
        sequence: float64 (motifs, 2, steps) of :func:`motif_evidence` of the contig, or nothing.

    Returns:
        float64 (states, n).
    """
    around = window // 2 + SLOT_STEPS
    steps = 2 * around
    log_stay = np.full(steps, np.log1p(-plan.begin))
    # The stationary process, cut: free at the left end, or in a site that ends at one of the next
    # steps, each as often as in a genome without ends.
    begin = np.full(steps + 1, -np.inf)
    begin[0] = np.log(plan.gap * plan.site_rate + plan.site_rate)
    begin[1:SLOT_STEPS] = np.log(plan.site_rate)
    end = np.full(steps + 1, -np.inf)
    end[steps - SLOT_STEPS + 1 :] = np.log(plan.begin)
    end[steps] = 0.0
    tables = templates(plan, cell, 1 << (steps + SLOT_STEPS - 1).bit_length())
    visible = _visible_motifs(plan, steps, window)
    out: list[Array] = []
    for first in range(0, len(centres), 64):
        left = centres[first : first + 64] - around
        index = left[:, None] + np.arange(steps)
        seen = evidence = None
        if data is not None:
            cut = data[:, np.clip(index, 0, data.shape[-1] - 1)].transpose(1, 0, 2)
            cut[..., :SLOT_STEPS] = 0.0
            cut[..., steps - SLOT_STEPS :] = 0.0
            seen = tables.evidence(cut).reshape(len(left), plan.states - 1, 2, steps)
        if sequence is not None:
            cut = sequence[..., np.clip(index, 0, sequence.shape[-1] - 1)]
            cut = cut.transpose(2, 0, 1, 3) * visible
            evidence = by_class(plan, cut)
        weight = weights(plan, cell, seen, evidence, steps)
        weight = np.broadcast_to(weight, (len(left), plan.states, steps))
        out.append(posterior(plan, weight, log_stay, begin, end)[..., around].T)
    return np.concatenate(out, axis=-1)


def _visible_motifs(plan: GenomePlan, steps: int, window: int) -> NDArray[np.bool_]:
    """Which motifs lie wholly in the window, bool (motifs, 2, steps) by begin of their slot."""
    middle = (np.arange(steps) - SLOT_STEPS) * STEP + SLOT // 2
    rows = []
    for motif in motifs_of(plan):
        for offset in (motif.offset, -motif.offset - motif.width):
            first = middle + offset
            rows.append((first >= 0) & (first + motif.width <= window * STEP))
    return np.array(rows).reshape(-1, 2, steps)


# ---- How accurate the best possible classifier is, at the bins that a model is scored at.

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
class BestAccuracies:
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


def bin_posteriors(
    plan: GenomePlan, cell: CellType, contig: str, windows: int = 0
) -> BinPosteriors:
    """Simulate one contig of one cell type again and judge its bins.

    Args:
        plan: parameters.
        cell: one of the plan's cell types, or one that differs from it in depth alone.
        contig: the contig's name.
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
    plan: GenomePlan, cell: CellType, contigs: Sequence[str], *, windows: bool = False
) -> BestAccuracies:
    """Accuracy of the best possible classifier over the bins of contigs.

    Args:
        plan: parameters.
        cell: see :func:`bin_posteriors`.
        contigs: the contigs' names.
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
        return BestAccuracies(cell.depth, **best)
    starts = np.cumsum([0, *(len(each.truth) for each in found[:-1])])
    at = np.concatenate([each.windows + start for each, start in zip(found, starts, strict=True)])
    alone = {
        "window": joined("window"),
        "window_both": joined("window_both"),
        "same_bins": whole["fragments"][:, at],
        "same_bins_both": whole["both"][:, at],
    }
    more = {key: accuracy(value, truth[at], blocks[at]) for key, value in alone.items()}
    return BestAccuracies(cell.depth, **best, **more)


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

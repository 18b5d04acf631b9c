"""Motif filters that start from patterns enriched around peaks, so that few positives suffice.

A TF with a hundred peaks rarely teaches a randomly initialised filter its motif before the network
has found other ways to fit them. The words and spaced pairs of triplets (dyads, van Helden et al.
2000, doi:10.1093/nar/28.8.1808) that stand out around the training peaks of each label are a start
from which gradient descent learns the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np
import torch
from numpy.typing import NDArray

from chromputer_tracks.data.features import ALPHABET
from chromputer_tracks.data.labels import PeakLabels
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.model.network import StrandMotifs

FLANK = 50
"""bp on each side of a peak centre that are searched for patterns."""
SHAPES: tuple[tuple[int, ...], ...] = (
    tuple(range(8)),
    *((0, 1, 2, 3 + gap, 4 + gap, 5 + gap) for gap in range(2, 13)),
)
"""Where a pattern has letters: words of eight, and two triplets with 2 to 12 bp between them."""

_STRENGTH = 0.3
_LEAST_COUNT, _LEAST_SCORE = 5, 6.0
Counts = list[NDArray[np.float64]]


def seed_motifs(
    layer: StrandMotifs,
    sequence: Fasta,
    sizes: ChromSizes,
    contigs: Sequence[str],
    labels: Sequence[PeakLabels],
    per_label: int,
) -> int:
    """Write enriched patterns into the first filters of a layer; the others stay random.

    Args:
        layer: the motif layer, which reads bases; changed in place.
        sequence: the genome.
        sizes: its contigs.
        contigs: training contigs; nothing else is read.
        labels: peaks of each binary label.
        per_label: most patterns per label.

    Returns:
        The number of filters written, at most half of the layer.
    """
    filters, _, width = layer.weight.shape
    background = count_patterns(
        _joined(sequence, [Interval(chrom, 0, sizes[chrom]) for chrom in contigs])
    )
    ranked: list[list[str]] = []
    for peaks in labels:
        around = [
            Interval(chrom, int(centre) - FLANK, int(centre) + FLANK)
            for chrom in contigs
            for centre in peaks.centres.get(chrom, ())
        ]
        found = count_patterns(_joined(sequence, around))
        ranked.append(enriched_patterns(found, background, per_label))
    # The best of each label first, so that the limit is fair to all.
    patterns = [text for rank in zip_longest(*ranked) for text in rank if text is not None]
    kept = [text for text in dict.fromkeys(patterns) if len(text) <= width][: filters // 2]
    letters = ALPHABET.tobytes().decode()
    with torch.no_grad():
        layer.weight[: len(kept)] *= 0.1
        for row, text in enumerate(kept):
            start = (width - len(text)) // 2
            for offset, letter in enumerate(text):
                if letter in letters:
                    layer.weight[row, : layer.bases, start + offset] -= _STRENGTH / 4
                    layer.weight[row, letters.index(letter), start + offset] += _STRENGTH
    return len(kept)


def _joined(sequence: Fasta, intervals: list[Interval]) -> NDArray[np.uint8]:
    """The bases of intervals, with an N after each, so that no pattern spans two."""
    end = np.frombuffer(b"N", dtype=np.uint8)
    parts = [part for interval in intervals for part in (sequence.fetch(interval), end)]
    return np.concatenate(parts) if parts else end


def count_patterns(bases: NDArray[np.uint8]) -> Counts:
    """Occurrences of each pattern on either strand.

    Args:
        bases: uint8 (L,), upper-case ASCII; patterns with another letter than A, C, G, T are left
            out.

    Returns:
        For each of :data:`SHAPES` float64 (4 ** letters,), indexed by the pattern's letters read as
        a base-4 number, A = 0 to T = 3.
    """
    codes = np.full(256, -1, dtype=np.int64)
    codes[ALPHABET] = np.arange(4)
    letters = codes[bases]
    counts = []
    for shape in SHAPES:
        span = shape[-1] + 1
        if len(letters) < span:
            counts.append(np.zeros(4 ** len(shape)))
            continue
        rows = np.stack([letters[at : len(letters) - span + 1 + at] for at in shape], axis=1)
        rows = rows[(rows >= 0).all(axis=1)]
        powers = 4 ** np.arange(len(shape) - 1, -1, -1)
        size = 4 ** len(shape)
        # A shape is its own mirror image, so that the other strand is the letters reversed.
        forward = np.bincount(rows @ powers, minlength=size)
        backward = np.bincount((3 - rows[:, ::-1]) @ powers, minlength=size)
        counts.append((forward + backward).astype(np.float64))
    return counts


def enriched_patterns(found: Counts, background: Counts, most: int) -> list[str]:
    """The patterns most in excess, by z-score under the background's frequencies.

    Runs of one letter are left out: they stand out around everything that avoids nucleosomes. So
    is a pattern that is :func:`alike` to one chosen before.

    Args:
        found: occurrences around peaks, from :func:`count_patterns`.
        background: occurrences in the genome, likewise.
        most: number of patterns at most.

    Returns:
        Patterns as text, with N in the gaps, the best first.
    """
    candidates: list[tuple[float, str]] = []
    for shape, seen, whole in zip(SHAPES, found, background, strict=True):
        expected = (whole + 1) / (whole + 1).sum() * seen.sum()
        scores = (seen - expected) / np.sqrt(expected + 1)
        scores[seen < _LEAST_COUNT] = -np.inf
        for code in np.argsort(-scores, kind="stable")[: 20 * most]:
            if scores[code] >= _LEAST_SCORE and code % (4 ** len(shape) // 3):
                candidates.append((-float(scores[code]), _text(int(code), shape)))
    chosen: list[str] = []
    for _, text in sorted(candidates):
        if len(chosen) == most:
            break
        if not any(alike(text, other) for other in chosen):
            chosen.append(text)
    return chosen


def _text(code: int, shape: tuple[int, ...]) -> str:
    text = ["N"] * (shape[-1] + 1)
    for place, at in enumerate(reversed(shape)):
        text[at] = "ACGT"[code // 4**place % 4]
    return "".join(text)


def alike(one: str, other: str) -> bool:
    """Whether two patterns share five letters and differ in at most one where both have letters."""
    mirrored = other.translate(str.maketrans("ACGT", "TGCA"))[::-1]
    for second in (other, mirrored):
        for shift in range(1 - len(second), len(one)):
            pairs = [
                (one[at], second[at - shift])
                for at in range(max(0, shift), min(len(one), shift + len(second)))
            ]
            both = [(a, b) for a, b in pairs if a != "N" and b != "N"]
            same = sum(a == b for a, b in both)
            if same >= 5 and len(both) - same <= 1:
                return True
    return False

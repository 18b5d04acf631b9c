"""Motif filters that start from words enriched around peaks, so that few positives suffice.

A TF with a hundred peaks rarely teaches a randomly initialised filter its motif before the network
has found other ways to fit them. The words that stand out around the training peaks of each label
are a start from which gradient descent learns the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from chromputer_tracks.data.features import SequenceSource
from chromputer_tracks.data.labels import PeakLabels
from chromputer_tracks.data.sequence import ALPHABET
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.model.network import StrandMotifs

WORD = 8
"""bp of a word."""
FLANK = 50
"""bp on each side of a peak centre that are searched for words."""
_STRENGTH = 0.3


def seed_motifs(
    layer: StrandMotifs,
    sequence: SequenceSource,
    sizes: ChromSizes,
    contigs: Sequence[str],
    labels: Sequence[PeakLabels],
    per_label: int,
) -> int:
    """Write enriched words into the first filters of a layer; the others stay random.

    Args:
        layer: the motif layer, changed in place.
        sequence: the genome.
        sizes: its contigs.
        contigs: training contigs; nothing else is read.
        labels: peaks of each binary label.
        per_label: most words per label.

    Returns:
        The number of filters written, at most half of the layer.
    """
    background = np.zeros(4**WORD)
    for chrom in contigs:
        background += count_words(sequence.fetch(Interval(chrom, 0, sizes[chrom])))
    filters, _, width = layer.weight.shape
    words: list[int] = []
    for peaks in labels:
        found = np.zeros(4**WORD)
        for chrom in contigs:
            for centre in peaks.centres.get(chrom, ()):
                around = Interval(chrom, int(centre) - FLANK, int(centre) + FLANK)
                found += count_words(sequence.fetch(around))
        words += [word for word in enriched_words(found, background, per_label)]
    words = list(dict.fromkeys(words))[: filters // 2]
    start = (width - WORD) // 2
    with torch.no_grad():
        for row, word in enumerate(words):
            pattern = (_letters(word)[None] == np.arange(4)[:, None]) - 0.25
            layer.weight[row] *= 0.1
            layer.weight[row, :, start : start + WORD] += _STRENGTH * torch.from_numpy(
                pattern.astype(np.float32)
            )
    return len(words)


def count_words(bases: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Occurrences of each word on either strand.

    Args:
        bases: uint8 (L,), upper-case ASCII; words with another letter than A, C, G, T are left out.

    Returns:
        float64 (4 ** WORD,), indexed by the word read as a base-4 number, A = 0 to T = 3.
    """
    codes = np.full(256, -1, dtype=np.int64)
    codes[ALPHABET] = np.arange(4)
    letters = np.lib.stride_tricks.sliding_window_view(codes[bases], WORD)
    letters = letters[(letters >= 0).all(axis=1)]
    powers = 4 ** np.arange(WORD - 1, -1, -1)
    forward = np.bincount(letters @ powers, minlength=4**WORD)
    backward = np.bincount((3 - letters[:, ::-1]) @ powers, minlength=4**WORD)
    return (forward + backward).astype(np.float64)


def enriched_words(
    found: NDArray[np.float64], background: NDArray[np.float64], most: int
) -> list[int]:
    """The words most in excess, by z-score under the background's frequencies.

    A word that is a shift by at most two letters, a single substitution or the reverse complement
    of one chosen before is left out. Words must occur 5 times and stand 6 standard deviations out.

    Args:
        found: float64 (4 ** WORD,), occurrences around peaks.
        background: float64 (4 ** WORD,), occurrences in the genome.
        most: number of words at most.
    """
    expected = (background + 1) / (background + 1).sum() * found.sum()
    scores = (found - expected) / np.sqrt(expected + 1)
    chosen: list[int] = []
    for word in np.argsort(-scores, kind="stable")[: 50 * most]:
        if len(chosen) == most or scores[word] < 6 or found[word] < 5:
            break
        if not any(_alike(int(word), other) for other in chosen):
            chosen.append(int(word))
    return chosen


def _letters(word: int) -> NDArray[np.int64]:
    powers = 4 ** np.arange(WORD - 1, -1, -1)
    letters: NDArray[np.int64] = word // powers % 4
    return letters


def _alike(one: int, other: int) -> bool:
    first = _letters(one)
    for second in (_letters(other), 3 - _letters(other)[::-1]):
        for shift in range(-2, 3):
            a = first[max(0, shift) : WORD + min(0, shift)]
            b = second[max(0, -shift) : WORD + min(0, -shift)]
            if (a != b).sum() <= (1 if shift == 0 else 0):
                return True
    return False

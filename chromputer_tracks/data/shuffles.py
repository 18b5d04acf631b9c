"""Shuffles of DNA that keep its dinucleotides: the references of a sequence's contributions.

A sequence is a walk in which each dinucleotide is a step from a base to a base. Its shuffles are
the walks that take the same steps in another order (Altschul and Erickson 1985,
doi:10.1093/oxfordjournals.molbev.a040370). The steps out of a base may come in any order but for
the last one: the last steps out of all bases must lead to the walk's last base, or it would end
before all steps are taken. So the last steps are drawn first, one of at most 4^4 choices, each as
likely as there are ways to make it; then the other steps out of each base are put in any order.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import runs

_UNKNOWN = 4
_SHORTEST = 4
"""Bases of the shortest run that may have a second order: three are fixed by their two steps."""

_CHOICES = np.stack(np.unravel_index(np.arange(4**4), (4, 4, 4, 4)), axis=1)
"""int (256, 4): to which base the last step out of each base goes."""


def _arrivals() -> NDArray[np.bool_]:
    """Whether last steps lead from a base to the last: (4, 256, 4), last base, choice, base."""
    reached = np.zeros((4, 4**4, 4), dtype=np.bool_)
    for last in range(4):
        here = np.tile(np.arange(4), (4**4, 1))
        for _ in range(4):
            here = np.where(here == last, last, np.take_along_axis(_CHOICES, here, axis=1))
        reached[last] = here == last
    return reached


_ARRIVALS = _arrivals()


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive known bases of a window, from offset ``start`` and base ``first`` (0 to 3).

    A row of ``exits``, int64 (number, length - 1), has the bases to which the steps of a shuffle
    go: those out of A, then C, G, T, in the order in which the walk takes them. The steps out of
    each base begin there at ``offsets``, int64 (4,).
    """

    window: int
    start: int
    length: int
    first: int
    offsets: NDArray[np.int64]
    exits: NDArray[np.int64]


def window_rng(seed: int, chrom: str, start: int) -> np.random.Generator:
    """A generator of a window's own, so that its shuffles depend on no other window.

    The window's ``start`` is bp, 0-based; negative where it begins before its contig.

    Raises:
        InputError: the seed is negative.
    """
    if seed < 0:
        raise InputError(f"seed {seed} must be at least 0")
    return np.random.default_rng([seed, zlib.crc32(chrom.encode()), start % 2**32])


def shuffle_windows(
    one_hot: NDArray[np.float32] | NDArray[np.int8],
    number: int,
    rngs: Sequence[np.random.Generator],
) -> NDArray[np.float32]:
    """Shuffles of several windows, which are walked in step: some ten windows at once are fastest.

    N stay where they are. The known bases between them are runs, each shuffled by itself: it keeps
    its first and last base and the count of each of its dinucleotides, and all its orders are
    equally likely.

    Args:
        one_hot: (n, 4, L), channels A, C, G, T; N is all zero.
        number: shuffles a window, at least 1.
        rngs: one a window; a window's shuffles depend on its bases and generator alone.

    Returns:
        float32 (n, number, 4, L).

    Raises:
        InputError: an array of another shape, another number of generators, or fewer than one
            shuffle.
    """
    if one_hot.ndim != 3 or one_hot.shape[1] != 4 or len(rngs) != len(one_hot):
        raise InputError(
            f"shuffling takes one-hot windows (n, 4, L) with a generator each, not an array of "
            f"shape {one_hot.shape} with {len(rngs)} generators"
        )
    if number < 1:
        raise InputError(f"{number} shuffles were asked for, at least 1 is needed")
    known = np.asarray(one_hot.any(axis=1))
    bases = np.where(known, one_hot.argmax(axis=1), _UNKNOWN).astype(np.int8)  # (n, L)
    shuffled = np.repeat(bases[:, None], number, axis=1)  # (n, number, L)
    drawn = [
        _drawn(bases[window, start:end], window, start, number, rng)
        for window, rng in enumerate(rngs)
        for start, end in runs(known[window]).tolist()
        if end - start >= _SHORTEST
    ]
    _walk(drawn, number, shuffled)
    matches: NDArray[np.bool_] = shuffled[:, :, None] == np.arange(4, dtype=np.int8)[:, None]
    return matches.astype(np.float32)


def _drawn(
    bases: NDArray[np.int8], window: int, start: int, number: int, rng: np.random.Generator
) -> _Run:
    """Random orders of the steps out of each base of a run, for each shuffle."""
    here, after, last = bases[:-1].astype(np.int64), bases[1:].astype(np.int64), int(bases[-1])
    counts = np.bincount(4 * here + after, minlength=16).reshape(4, 4)
    leaving = counts.sum(axis=1)
    offsets = np.cumsum(leaving) - leaving
    exits = np.tile(np.repeat(np.tile(np.arange(4), 4), counts.ravel()), (number, 1))
    final = _CHOICES[_last_steps(counts, last, number, rng)]  # (number, 4)
    row = np.arange(number)
    for base in range(4):
        steps = exits[:, offsets[base] : offsets[base] + leaving[base]]
        if base != last and leaving[base]:
            first = np.cumsum(counts[base]) - counts[base]
            steps[row, first[final[:, base]]] = steps[:, -1]
            steps[:, -1] = final[:, base]
            steps = steps[:, :-1]
        rng.permuted(steps, axis=1, out=steps)
    return _Run(window, start, len(bases), int(bases[0]), offsets, exits)


def _last_steps(
    counts: NDArray[np.int64], last: int, number: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The last step out of each base but the last one, so that they lead to it: a random tree.

    Each step is as likely as any other, so a tree's weight is the product of its dinucleotides'
    ``counts``, int64 (4, 4). Gives indices into ``_CHOICES``, int64 (number,); what they say of the
    last base, and of bases that are not there, means nothing.
    """
    ways = counts.astype(np.float64)
    free = (counts.sum(axis=1) == 0) | (np.arange(4) == last)
    ways[free] = (1, 0, 0, 0)
    weight = ways[np.arange(4), _CHOICES].prod(axis=1)
    weight[~(_ARRIVALS[last] | free).all(axis=1)] = 0
    return rng.choice(4**4, size=number, p=weight / weight.sum())


def _walk(drawn: list[_Run], number: int, shuffled: NDArray[np.int8]) -> None:
    """Follow the steps of all shuffles at once and write the bases into (n, number, L).

    A lane is a shuffle of a run. Lanes stand by falling length, so that those that are still
    walking are the first ones.
    """
    if not drawn:
        return
    drawn = sorted(drawn, key=lambda run: -run.length)
    lanes = len(drawn) * number
    lengths = np.repeat([run.length for run in drawn], number)
    begins = np.cumsum(lengths - 1) - (lengths - 1)
    offsets = np.repeat(np.stack([run.offsets for run in drawn]), number, axis=0)
    # A place is four times its lane plus its base: pointer[place] is the next step out of it.
    lane = 4 * np.arange(lanes)
    pointer = (begins[:, None] + offsets).ravel()
    exits = np.concatenate([run.exits.ravel() for run in drawn]) + np.repeat(lane, lengths - 1)
    walking = lanes - np.searchsorted(lengths[::-1], np.arange(lengths[0]), side="right")
    places = np.empty((int(lengths[0]), lanes), dtype=np.int64)
    places[0] = lane + np.repeat([run.first for run in drawn], number)
    for position in range(1, len(places)):
        here = places[position - 1, : walking[position]]
        step = pointer[here]
        pointer[here] = step + 1
        exits.take(step, out=places[position, : len(here)], mode="clip")
    for index, run in enumerate(drawn):
        walked = places[: run.length, index * number : (index + 1) * number]
        shuffled[run.window, :, run.start : run.start + run.length] = (walked & 3).T

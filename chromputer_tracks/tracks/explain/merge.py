"""Contributions of overlapping windows, merged into one value a base.

Rules: ``centre``: the mean, in which a window's weight at a base falls linearly from its centre to
0 at its ends; ``mean``: the mean; ``max``: the value that is largest without its sign, of the
leftmost window on ties. A base of one window keeps its value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import InputError

MergeRule = Literal["centre", "mean", "max"]

_CHUNK = 1 << 16
"""Bases that wait to be handed on together, beside one window."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Merged values of consecutive bases.

    Attributes:
        chrom: contig.
        start: bp, 0-based; negative where a window begins before its contig.
        values: float32 (tracks, bases).
    """

    chrom: str
    start: int
    values: NDArray[np.float32]


def window_weights(rule: MergeRule, window: int) -> NDArray[np.float64]:
    """Weight of a window at each of its bases.

    Args:
        rule: of merging.
        window: bp.

    Returns:
        float64 (window,), above 0: by ``centre`` the distance of the base's middle from the nearer
        end, in half windows.
    """
    if rule != "centre":
        return np.ones(window)
    middle = np.arange(window) + 0.5
    return np.asarray(np.minimum(middle, window - middle) / (window / 2))


class WindowMerge:
    """Merges windows that come by contig and ascending start; holds one window's bases.

    Args:
        rule: of merging.
        window: bp of each window.
        tracks: number of values at each base.
    """

    def __init__(self, rule: MergeRule, window: int, tracks: int) -> None:
        self._rule = rule
        self._window = window
        self._weights = window_weights(rule, window)
        self._sum = np.zeros((tracks, window))
        self._weight = np.zeros(window)
        self._chrom = ""
        self._start = 0
        self._open = False
        self._waiting: list[NDArray[np.float32]] = []
        self._waiting_from = 0

    def add(self, chrom: str, start: int, values: NDArray[np.float32]) -> Iterator[Stretch]:
        """Take the next window.

        Args:
            chrom: contig; one whose windows have ended does not come again.
            start: bp, 0-based; not below the start before on the same contig.
            values: float32 (tracks, window).

        Yields:
            what no later window can change, in order, now and then.

        Raises:
            InputError: the windows are not sorted.
        """
        if self._open and chrom == self._chrom and start < self._start:
            raise InputError(
                f"window {chrom}:{start:,} comes after {self._start:,}: windows are not sorted"
            )
        touching = self._open and chrom == self._chrom and start <= self._start + self._window
        if self._open:
            self._pass(start - self._start if touching else self._window)
        if not touching or start - self._waiting_from >= _CHUNK:
            yield from self._hand_on()
            self._waiting_from = start
        self._chrom, self._start, self._open = chrom, start, True
        if self._rule == "max":
            larger = np.abs(values) > np.abs(self._sum)
            np.copyto(self._sum, values, where=larger)
        else:
            self._sum += self._weights * values
            self._weight += self._weights

    def finish(self) -> Iterator[Stretch]:
        """Yield the rest."""
        if self._open:
            self._pass(self._window)
            self._open = False
        yield from self._hand_on()

    def _pass(self, bases: int) -> None:
        """The first bases are done: they wait to be handed on, and the others move up."""
        if not bases:
            return
        done = self._sum[:, :bases]
        if self._rule != "max":
            done = done / self._weight[:bases]
        self._waiting.append(done.astype(np.float32))
        left = self._window - bases
        self._sum[:, :left] = self._sum[:, bases:]
        self._sum[:, left:] = 0
        self._weight[:left] = self._weight[bases:]
        self._weight[left:] = 0

    def _hand_on(self) -> Iterator[Stretch]:
        if self._waiting:
            values = np.concatenate(self._waiting, axis=1)
            self._waiting = []
            yield Stretch(self._chrom, self._waiting_from, values)

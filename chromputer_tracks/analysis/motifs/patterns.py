"""A pattern that recurs in contributions: its matrices, its seqlets and its core."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.filters.pwm import consensus

CORE_SHARE = 0.3
"""The core reaches from the first to the last column of at least this share of the largest
contribution, as in TF-MoDISco's own report."""
NARROWEST_CORE = 6
"""Columns that a core has at least."""

_PSEUDOCOUNT = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Seqlets:
    """Where a pattern lies in the windows; n seqlets, all as long as the pattern.

    Attributes:
        row: int64 (n,), of the window.
        start: int64 (n,), bp from the window's first base.
        reverse: bool (n,): the pattern lies on the other strand.
    """

    row: NDArray[np.int64]
    start: NDArray[np.int64]
    reverse: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """What the seqlets of one cluster have in common.

    Attributes:
        name: ``LABEL.pos.1``: patterns of each sign are numbered by their seqlets.
        sign: 1 where the bases speak for the label, -1 against it.
        frequencies: float64 (4, width): share of A, C, G, T among the seqlets, the PWM.
        contributions: float64 (4, width): mean contribution of the base that is there, the CWM.
        hypothetical: float64 (4, width): mean of what each base would contribute.
        seqlets: that it is the mean of.
    """

    name: str
    sign: int
    frequencies: NDArray[np.float64]
    contributions: NDArray[np.float64]
    hypothetical: NDArray[np.float64]
    seqlets: Seqlets

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.frequencies.shape[1])

    @property
    def core(self) -> slice:
        """Columns of the core; see :func:`core_columns`."""
        return core_columns(self.contributions)

    @property
    def consensus(self) -> str:
        """The core in IUPAC letters, without those at its ends that say nothing (N)."""
        return consensus(self.frequencies[:, self.core]).strip("N") or "N"


def core_columns(contributions: NDArray[np.float64]) -> slice:
    """The columns that matter: by :data:`CORE_SHARE`, and not fewer than :data:`NARROWEST_CORE`.

    Args:
        contributions: float (4, width).

    Returns:
        of columns; a core that is too narrow is widened on both sides, the right side first, as
        far as there are columns.
    """
    height = np.abs(contributions).sum(axis=0)
    width = len(height)
    strong = np.flatnonzero(height >= CORE_SHARE * height.max())
    first, end = int(strong[0]), int(strong[-1]) + 1
    missing = max(0, min(NARROWEST_CORE, width) - (end - first))
    first = min(max(first - missing // 2, 0), width - (end - first) - missing)
    return slice(first, max(end, first + min(NARROWEST_CORE, width)))


def smoothed(frequencies: NDArray[np.float64], counted: int) -> NDArray[np.float64]:
    """Frequencies with one pseudocount a column, shared by the bases; columns sum to 1.

    Args:
        frequencies: float (4, width).
        counted: sequences that they are of.

    Returns:
        float64 (4, width), above 0.
    """
    counts = frequencies * counted + _PSEUDOCOUNT / 4
    result: NDArray[np.float64] = counts / counts.sum(axis=0)
    return result

"""Counts of subsequences as motifs: frequencies, information, consensus, and what to cut off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TRIM = 0.25
"""Bits: columns below it at both ends of a filter are not part of its motif."""

_CODES = {
    "A": "A", "C": "C", "G": "G", "T": "T",
    "AC": "M", "AG": "R", "AT": "W", "CG": "S", "CT": "Y", "GT": "K",
}  # fmt: skip


def frequencies(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Counts (..., 4, width) to shares of the known bases of each column; 0.25 without any."""
    total = counts.sum(axis=-2, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), 0.25)


def information(pwm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Information of each column against equal base frequencies, bits, 0 to 2.

    ``2 + sum(p * log2(p))``; Schneider and Stephens 1990 (doi:10.1093/nar/18.20.6097), without
    their correction for few sequences.

    Args:
        pwm: float64 (..., 4, width).

    Returns:
        float64 (..., width).
    """
    logs = np.log2(pwm, out=np.zeros_like(pwm), where=pwm > 0)
    bits: NDArray[np.float64] = np.maximum(2 + (pwm * logs).sum(axis=-2), 0)
    return bits


def motif_columns(pwm: NDArray[np.float64]) -> slice:
    """The columns from the first to the last with at least :data:`TRIM` bits; empty without any."""
    strong = np.flatnonzero(information(pwm) >= TRIM)
    return slice(int(strong[0]), int(strong[-1]) + 1) if len(strong) else slice(0, 0)


def consensus(pwm: NDArray[np.float64]) -> str:
    """IUPAC consensus of (4, width) frequencies.

    After Cavener 1987 (doi:10.1093/nar/15.4.1353): one base when its share is above 0.5 and above
    twice the second's, two when they make up more than 0.75, else N.
    """
    letters = []
    for column in pwm.T:
        first, second = np.argsort(-column, kind="stable")[:2]
        if column[first] > 0.5 and column[first] > 2 * column[second]:
            letters.append("ACGT"[first])
        elif column[first] + column[second] > 0.75:
            letters.append(_CODES["".join("ACGT"[i] for i in sorted((first, second)))])
        else:
            letters.append("N")
    return "".join(letters)

"""DNA sequence as arrays: one-hot encoding and reverse complement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ALPHABET = np.frombuffer(b"ACGT", dtype=np.uint8)
"""The channel order of one-hot arrays; reversing it complements a base."""


def one_hot(bases: NDArray[np.uint8]) -> NDArray[np.float32]:
    """One-hot encode bases.

    Args:
        bases: uint8 (L,), upper-case ASCII.

    Returns:
        float32 (4, L), channels A, C, G, T; any other letter (N) is all zero.
    """
    matches: NDArray[np.bool_] = bases == ALPHABET[:, None]
    return matches.astype(np.float32)


def reverse_complement(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reverse-complement a one-hot array (..., 4, L): both last axes reversed."""
    return array[..., ::-1, ::-1]

"""The field's usual predictor of TF binding: the best match of a position weight matrix."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import SequenceSource
from chromputer_tracks.data.sequence import one_hot
from chromputer_tracks.errors import ConfigError, DependencyError
from chromputer_tracks.intervals import Interval

PSEUDOCOUNT = 0.8
"""Counts added per column, spread over the bases."""


def jaspar_matrix(matrix_id: str) -> NDArray[np.float32]:
    """Log-odds of a JASPAR motif against equal base frequencies.

    Args:
        matrix_id: such as ``MA0363`` (latest version) or ``MA0363.2``.

    Returns:
        float32 (4, width), log2, rows A, C, G, T.

    Raises:
        DependencyError: pyjaspar is not installed.
        ConfigError: no such motif.
    """
    try:
        from pyjaspar import jaspardb
    except ImportError as error:
        raise DependencyError(
            "motif baselines need pyjaspar: pip install 'chromputer-tracks[train]'"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the error below says
        motif = jaspardb().fetch_motif_by_id(matrix_id)
    if motif is None:
        raise ConfigError(
            f"JASPAR has no motif {matrix_id!r}; give a matrix ID such as MA0363 or MA0363.3"
        )
    counts = np.array([motif.counts[base] for base in "ACGT"], dtype=np.float64)
    counts += PSEUDOCOUNT / 4
    log_odds: NDArray[np.float64] = np.log2(counts / counts.sum(axis=0) / 0.25)
    return log_odds.astype(np.float32)


def motif_scan(
    sequence: SequenceSource,
    chrom: str,
    centres: NDArray[np.int64],
    matrix: NDArray[np.float32],
    width: int,
) -> NDArray[np.float32]:
    """Best log-odds of either strand whose middle lies in the bin around each centre.

    Args:
        sequence: the genome.
        chrom: contig.
        centres: int64 (n,), bp, 0-based, ascending.
        matrix: float32 (4, motif width), log-odds.
        width: bp of the bin.

    Returns:
        float32 (n,).
    """
    motif = matrix.shape[1]
    start = int(centres[0]) - width // 2 - motif // 2
    end = int(centres[-1]) + width // 2 + motif
    bases = one_hot(sequence.fetch(Interval(chrom, start, end)))
    length = bases.shape[1] - motif + 1
    scores = np.full(length, -np.inf, dtype=np.float32)
    for strand in (matrix, matrix[::-1, ::-1]):
        total = np.zeros(length, dtype=np.float32)
        for offset in range(motif):
            total += strand[:, offset] @ bases[:, offset : offset + length]
        np.maximum(scores, total, out=scores)
    # scores[i] is the match whose middle is at start + i + motif // 2.
    windows = np.lib.stride_tricks.sliding_window_view(scores, width)
    best: NDArray[np.float32] = windows[centres - centres[0]].max(axis=1)
    return best

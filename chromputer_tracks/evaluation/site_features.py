"""Features of sites for the baselines: fragments around them, and where genes start."""

from __future__ import annotations

import warnings
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import SequenceSource
from chromputer_tracks.data.sequence import one_hot
from chromputer_tracks.errors import ConfigError, DependencyError
from chromputer_tracks.evaluation.sites import Sites
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.bed import TssTable

LENGTH_EDGES = (20, 100, 150, 200, 300, 450, 700)
"""Fragment-length classes, bp: of the transcription factor, between, one nucleosome (two classes),
two, three; class i holds ``edges[i] <= length < edges[i + 1]``."""

FINE, COARSE, IMAGE = (50, 500), (200, 2000), (100, 400)
"""Bin and reach to either side of the site, bp: of all fragments, near and far, and of each length
class."""

EXTENTS = (100, 200, 500, 1000, 2000)
"""bp around the site in which each length class is counted, from noisy and local to smooth."""


class MidpointSource(Protocol):
    """Where fragments come from; ``io.fragment_store.FragmentStore`` is one."""

    @property
    def density(self) -> float:
        """Fragments per kb, genome-wide."""

    def midpoints(self, interval: Interval) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Midpoints (bp, 0-based) and lengths of the fragments whose midpoint is inside."""


def fragment_features(sites: Sites, fragments: MidpointSource) -> NDArray[np.float32]:
    """V-plot and coverage features of each site.

    The density of fragment midpoints, relative to the sample's mean, so that depth does not matter:
    of all fragments in bins of 50 bp to 500 bp around the site's centre and of 200 bp to 2 kb, and
    of each class of :data:`LENGTH_EDGES` in bins of 100 bp to 400 bp (the V-plot) and in the
    :data:`EXTENTS`; then the share of each class and the mean length within 500 bp.

    Args:
        sites: where.
        fragments: of the sample.

    Returns:
        float32 (n, features).
    """
    parts = [
        _contig_features(sites.centre[rows], contig, fragments)
        for contig, rows in _by_contig(sites)
    ]
    return _in_order(parts, sites)


def _by_contig(sites: Sites) -> list[tuple[str, NDArray[np.intp]]]:
    return [
        (contig, np.flatnonzero(sites.contig == code)) for code, contig in enumerate(sites.contigs)
    ]


def _in_order(parts: list[NDArray[np.float32]], sites: Sites) -> NDArray[np.float32]:
    """Rows made contig by contig, in the order of the sites."""
    result = np.empty((len(sites), parts[0].shape[1]), dtype=np.float32)
    for part, (_, rows) in zip(parts, _by_contig(sites), strict=True):
        result[rows] = part
    return result


def _contig_features(
    centres: NDArray[np.int64], contig: str, fragments: MidpointSource
) -> NDArray[np.float32]:
    reach = max(COARSE[1], *(extent // 2 for extent in EXTENTS))
    if len(centres):
        around = Interval(contig, int(centres.min()) - reach, int(centres.max()) + reach)
        midpoints, lengths = fragments.midpoints(around)
    else:
        midpoints, lengths = (np.empty(0, dtype=np.int32),) * 2
    classes = np.searchsorted(LENGTH_EDGES, lengths, side="right") - 1
    whole = np.sort(midpoints)
    by_class = [np.sort(midpoints[classes == k]) for k in range(len(LENGTH_EDGES) - 1)]

    columns = [*_binned(whole, centres, *FINE), *_binned(whole, centres, *COARSE)]
    for chosen in by_class:
        columns += _binned(chosen, centres, *IMAGE)
    nested = [
        [_counts(chosen, centres, -(extent // 2), extent // 2) / extent for extent in EXTENTS]
        for chosen in by_class
    ]
    columns += [column for row in nested for column in row]
    per_bp = fragments.density / 1000
    densities = np.stack(columns) / per_bp
    middle = np.stack([row[EXTENTS.index(1000)] for row in nested])
    shares = middle / np.maximum(middle.sum(axis=0), 1e-9)
    typical = np.array(
        [(a + b) / 2 for a, b in zip(LENGTH_EDGES[:-1], LENGTH_EDGES[1:], strict=True)]
    )
    return np.concatenate([densities, shares, [typical @ shares]]).T.astype(np.float32)


def _binned(
    midpoints: NDArray[np.int32], centres: NDArray[np.int64], width: int, reach: int
) -> list[NDArray[np.float64]]:
    """Midpoints per bp in bins of ``width`` from ``-reach`` to ``reach`` around each centre."""
    return [
        _counts(midpoints, centres, start, start + width) / width
        for start in range(-reach, reach, width)
    ]


def _counts(
    midpoints: NDArray[np.int32], centres: NDArray[np.int64], start: int, end: int
) -> NDArray[np.int64]:
    """Midpoints (ascending) in ``[centre + start, centre + end)`` of each centre."""
    counts: NDArray[np.int64] = np.searchsorted(midpoints, centres + end) - np.searchsorted(
        midpoints, centres + start
    )
    return counts


def gene_features(sites: Sites, tss: TssTable) -> NDArray[np.float32]:
    """Distances of each site to the genes' start sites, seen from the nearest gene.

    Five columns, bp: how far the site lies downstream of the nearest start site (negative:
    upstream), then the distances to the nearest start site behind and ahead of it on the nearest
    gene's strand, and to those behind and ahead on the other strand; ``behind`` is where the gene
    runs towards the site. NaN where there is none. The same site has the same features when the
    genome is read on the other strand.

    Returns:
        float32 (n, 5).
    """
    parts = [_gene_distances(sites.centre[rows], contig, tss) for contig, rows in _by_contig(sites)]
    return _in_order(parts, sites)


def _gene_distances(centres: NDArray[np.int64], contig: str, tss: TssTable) -> NDArray[np.float32]:
    forward = _behind_and_ahead(centres, tss.on(contig, forward=True))
    backward = _behind_and_ahead(-centres, -tss.on(contig, forward=False)[::-1])
    distances = np.stack([*forward, *backward])  # (4, n)
    with np.errstate(invalid="ignore"):
        nearest = np.where(np.isnan(distances), np.inf, distances).argmin(axis=0)
    columns = np.arange(len(centres))
    signed = np.where(nearest % 2 == 0, 1, -1) * distances[nearest, columns]
    own = np.where(nearest < 2, distances[:2], distances[2:])
    other = np.where(nearest < 2, distances[2:], distances[:2])
    return np.concatenate([signed[None], own, other]).T.astype(np.float32)


def _behind_and_ahead(
    centres: NDArray[np.int64], starts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance to the last start at or before each centre, and to the first after it; NaN: none."""
    padded = np.concatenate([[np.nan], starts, [np.nan]])
    after = np.searchsorted(starts, centres, side="right") + 1
    return centres - padded[after - 1], padded[after] - centres


# ---- The field's usual predictor of TF binding: the best match of a position weight matrix.

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

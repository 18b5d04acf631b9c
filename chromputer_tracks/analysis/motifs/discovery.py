"""TF-MoDISco: patterns that recur in contributions, by modisco-lite.

Shrikumar et al. 2018, arXiv 1811.00416. Every random draw in modisco-lite has a fixed seed, so the
same contributions give the same patterns, by any number of threads. It compiles its code the first
time that it runs in an installation, which takes about a minute; it does so in child processes, and
keeps what it compiled, only where no other Python thread runs.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.logos import consensus
from chromputer_tracks.errors import InputError
from chromputer_tracks.io.atomic import atomic_path

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# ---- A pattern that recurs in contributions: its matrices, its seqlets and its core.

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
        row: int64 (n,), index of the window.
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
        seqlets: what it is the mean of.
    """

    name: str
    sign: int
    frequencies: Float64
    contributions: Float64
    hypothetical: Float64
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


def core_columns(contributions: Float64) -> slice:
    """The columns that matter: by :data:`CORE_SHARE`, and not fewer than :data:`NARROWEST_CORE`.

    A core of float (4, width) contributions that is too narrow is widened on both sides, the right
    side first, as far as there are columns.
    """
    height = np.abs(contributions).sum(axis=0)
    width = len(height)
    strong = np.flatnonzero(height >= CORE_SHARE * height.max())
    first, end = int(strong[0]), int(strong[-1]) + 1
    missing = max(0, min(NARROWEST_CORE, width) - (end - first))
    first = min(max(first - missing // 2, 0), width - (end - first) - missing)
    return slice(first, max(end, first + min(NARROWEST_CORE, width)))


def smoothed(frequencies: Float64, counted: int) -> Float64:
    """Frequencies (4, width) with one pseudocount a column, shared by the bases.

    ``counted`` is the number of sequences that they are of; the result, above 0, sums to 1 by
    column.
    """
    counts = frequencies * counted + _PSEUDOCOUNT / 4
    result: Float64 = counts / counts.sum(axis=0)
    return result


# ---- The search, by modisco-lite.

SEQLET_CORE = 20
"""bp whose summed contribution makes a seqlet."""
SEQLET_FLANK = 5
"""bp on either side of it."""
SEQLET_FDR = 0.05
"""False discovery rate of seqlets. These three are modisco-lite's command line's own choices."""
LEIDEN_RUNS = 2
"""Leiden clusterings, of which the best is taken; that command line's default, too."""
FEWEST_SEQLETS = 100
"""Seqlets of a sign below which modisco-lite looks for no pattern of it."""
NARROWEST_WINDOW = 60
"""bp; narrower windows cannot hold a pattern and its flanks."""


@dataclass(frozen=True, slots=True)
class SeqletCount:
    """Seqlets of one sign: stretches whose contribution is higher than chance, and those used.

    These are not more than asked for, in the order of the windows, and none where there are not
    above :data:`FEWEST_SEQLETS`.
    """

    found: int
    used: int


@dataclass(frozen=True, slots=True, eq=False)
class Discovery:
    """What TF-MoDISco found: the positive, then the negative patterns, most seqlets first.

    ``window`` are the bp around each window's centre that were looked at.
    """

    patterns: tuple[Pattern, ...]
    positive: SeqletCount
    negative: SeqletCount
    window: int
    _found: tuple[list[Any] | None, list[Any] | None]

    def save(self, path: Path) -> None:
        """Write modisco-lite's own result file (HDF5), for its tools and others that read it.

        Its rows are the windows', its positions count from the first base that was looked at.

        Raises:
            OutputError: it cannot be written.
        """
        from modiscolite.io import save_hdf5

        with atomic_path(path) as temporary:
            save_hdf5(str(temporary), *self._found, self.window)


def use_threads(threads: int) -> None:
    """Bound the threads of modisco-lite, memelite and all else that numba runs in this process.

    Call it before any of them is imported: later, modisco-lite compiles its code anew in each run.
    """
    if "numba" in sys.modules:
        import numba

        most: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
        numba.set_num_threads(min(threads, most))
    else:
        os.environ["NUMBA_NUM_THREADS"] = str(threads)


def discover(
    label: str, sequences: NDArray[np.int8], hypothetical: Float32, *, window: int, max_seqlets: int
) -> Discovery:
    """Find the patterns of a label.

    Args:
        label: names the patterns.
        sequences: int8 (n, 4, L), one-hot A, C, G, T of the windows; all 0 at N.
        hypothetical: float32 (n, 4, L): what each base would contribute.
        window: bp around the windows' centres to look at, from :data:`NARROWEST_WINDOW` to L.
        max_seqlets: most seqlets of each sign, the first in the order of the windows; time and
            memory grow with it.

    Raises:
        InputError: the window does not fit, or the contributions do not vary around 0.
    """
    from modiscolite.tfmodisco import TFMoDISco

    length = sequences.shape[2]
    if not NARROWEST_WINDOW <= window <= length:
        raise InputError(
            f"--window {window:,}: {label} was explained in windows of {length:,} bp; give "
            f"{NARROWEST_WINDOW} to {length:,}"
        )
    first = length // 2 - window // 2
    # (n, L, 4), as modisco-lite takes them
    bases, scores = (
        np.ascontiguousarray(array[:, :, first : first + window].transpose(0, 2, 1), np.float32)
        for array in (sequences, hypothetical)
    )
    importance = (bases * scores).sum(axis=2)
    _check_signs(label, importance)
    # First of all that numba runs: it then compiles beside its work, and keeps what it compiled.
    found = TFMoDISco(
        one_hot=bases,
        hypothetical_contribs=scores,
        sliding_window_size=SEQLET_CORE,
        flank_size=SEQLET_FLANK,
        target_seqlet_fdr=SEQLET_FDR,
        min_metacluster_size=FEWEST_SEQLETS,
        max_seqlets_per_metacluster=max_seqlets,
        n_leiden_runs=LEIDEN_RUNS,
    )
    positive, negative = count_seqlets(importance, max_seqlets)
    patterns = []
    for sign, kind, clusters in zip((1, -1), ("pos", "neg"), found, strict=True):
        ordered = sorted(clusters or [], key=lambda item: -len(item.seqlets))
        for number, item in enumerate(ordered, 1):
            patterns.append(_pattern(f"{label}.{kind}.{number}", sign, item, first))
    return Discovery(tuple(patterns), positive, negative, window, found)


def _window_sums(importance: Float32) -> Float64:
    """Sums over :data:`SEQLET_CORE` bp: (n, window) to float64 (n, window - SEQLET_CORE + 1)."""
    total = np.cumsum(np.pad(importance, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
    sums: Float64 = total[:, SEQLET_CORE:] - total[:, :-SEQLET_CORE]
    return sums


def _check_signs(label: str, importance: Float32) -> None:
    """Check that there are sums of both signs, from which modisco-lite estimates chance.

    Raises:
        InputError: there are not.
    """
    sums = _window_sums(importance)
    if not (sums.min() < 0 < sums.max()):
        raise InputError(
            f"no motif can be found in the contributions to {label}: their sums over {SEQLET_CORE} "
            f"bp reach from {sums.min():.3g} to {sums.max():.3g}, but must be of both signs; "
            "explain more sites, or look at a wider --window"
        )


def count_seqlets(importance: Float32, max_seqlets: int) -> tuple[SeqletCount, SeqletCount]:
    """How many seqlets modisco-lite finds and takes of each sign, positive and negative.

    ``importance`` is float32 (n, window), the contribution of the base that is there, whose sums
    over :data:`SEQLET_CORE` bp are of both signs.
    """
    from modiscolite.extract_seqlets import extract_seqlets

    seqlets, threshold = extract_seqlets(
        attribution_scores=importance,
        window_size=SEQLET_CORE,
        flank=SEQLET_FLANK,
        suppress=SEQLET_CORE // 2 + SEQLET_FLANK,
        target_fdr=SEQLET_FDR,
        min_passing_windows_frac=0.03,
        max_passing_windows_frac=0.2,
        weak_threshold_for_counting_sign=0.8,
    )
    rows = np.array([item.example_idx for item in seqlets], dtype=np.int64)
    starts = np.array([item.start for item in seqlets], dtype=np.int64) + SEQLET_FLANK
    heights = _window_sums(importance)[rows, starts]
    counts = []
    for found in (int((heights > threshold).sum()), int((heights < -threshold).sum())):
        enough = found > FEWEST_SEQLETS
        counts.append(SeqletCount(found, min(found, max_seqlets) if enough else 0))
    return counts[0], counts[1]


def _pattern(name: str, sign: int, found: Any, first: int) -> Pattern:
    """The pattern of one of modisco-lite's clusters."""
    seqlets = Seqlets(
        np.array([item.example_idx for item in found.seqlets], dtype=np.int64),
        np.array([item.start for item in found.seqlets], dtype=np.int64) + first,
        np.array([item.is_revcomp for item in found.seqlets], dtype=np.bool_),
    )
    frequencies, contributions, hypothetical = (
        np.asarray(array, dtype=np.float64).T.copy()
        for array in (found.sequence, found.contrib_scores, found.hypothetical_contribs)
    )
    return Pattern(name, sign, frequencies, contributions, hypothetical, seqlets)

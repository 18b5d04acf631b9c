"""What known motif a motif looks like: Tomtom (memelite) against JASPAR or a MEME file.

Tomtom: Gupta et al. 2007, doi:10.1186/gb-2007-8-2-r24, here in its form with complete scores and
Euclidean distances. The p-value is of the best alignment on either strand. Its background is the
targets' own columns, so p-values depend on which targets are given. memelite compiles its code the
first time that it runs in an installation, which takes about a minute.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import InputError
from chromputer_tracks.io.meme import MemeMotif, read_meme
from chromputer_tracks.io.record import Report
from chromputer_tracks.options.fields import Taxon

JASPAR_TAXA = get_args(Taxon)
"""Taxa of JASPAR CORE with enough motifs for a background."""
FEWEST_TARGETS = 25
"""With fewer targets, p-values depend strongly on which they are (memelite warns below this)."""


@dataclass(frozen=True, slots=True, eq=False)
class MotifSet:
    """Known motifs.

    Attributes:
        name: where they are from (``JASPAR2026 CORE fungi``).
        motifs: at least one.
    """

    name: str
    motifs: tuple[MemeMotif, ...]


@dataclass(frozen=True, slots=True, eq=False)
class MotifMatch:
    """A target that a query looks like.

    Attributes:
        target: the known motif, as its file has it.
        p: probability of such an alignment by chance, for this target.
        q: Benjamini and Hochberg's (1995) false discovery rate among all targets of the query.
        e: expected number of targets that match as well by chance: p times the targets.
        reverse: whether the target's reverse complement matches.
        start: column of the query where the target's first column (as it matches) lies; may be
            negative.
        overlap: columns that lie on each other.
    """

    target: MemeMotif
    p: float
    q: float
    e: float
    reverse: bool
    start: int
    overlap: int

    @property
    def name(self) -> str:
        """What people call the target: its second name where it has one (``REB1``)."""
        return self.target.alternate or self.target.name

    @property
    def meme_name(self) -> str:
        """The same as one word, for MEME files."""
        return "_".join(self.name.split())

    @property
    def strand(self) -> str:
        """``-`` where the target's reverse complement matches, else ``+``."""
        return "-" if self.reverse else "+"

    def row(self) -> dict[str, str | int | float]:
        """The match as tables have it; ``start`` counts the query's columns from 0."""
        return {
            "motif": self.target.name,
            "name": self.target.alternate,
            "strand": self.strand,
            "start": self.start,
            "overlap": self.overlap,
            "p": self.p,
            "q": self.q,
            "e": self.e,
        }

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The target's matrix as it matches, float64 (4, width)."""
        return self.target.matrix[::-1, ::-1] if self.reverse else self.target.matrix


def named(matches: Sequence[MotifMatch], q: float) -> MotifMatch | None:
    """The best of a query's matches when its false discovery rate is not above ``q``."""
    return matches[0] if matches and matches[0].q <= q else None


def known_motifs(path: Path | None, taxon: str | None, report: Report) -> MotifSet | None:
    """What patterns are matched to, as ``--motifs`` and ``--jaspar`` say; None without either.

    The report is told of a file with few motifs.

    Raises:
        InputError: both are given, or an unknown taxon.
        FormatError: the file is no MEME file.
    """
    if path is not None and taxon is not None:
        raise InputError("give either --motifs or --jaspar, not both")
    if path is None:
        return None if taxon is None else jaspar_motifs(taxon)
    known = MotifSet(path.name, read_meme(path))
    if len(known.motifs) < FEWEST_TARGETS:
        report.note(
            f"note: {path} has {len(known.motifs)} motifs: with fewer than {FEWEST_TARGETS}, "
            f"Tomtom's p-values depend strongly on which they are"
        )
    return known


def jaspar_motifs(taxon: str) -> MotifSet:
    """The motifs of a taxon in JASPAR CORE, latest versions, from pyjaspar's own database.

    Raises InputError where the taxon is none of :data:`JASPAR_TAXA`.
    """
    from pyjaspar import jaspardb

    if taxon not in JASPAR_TAXA:
        raise InputError(
            f"JASPAR has no taxon {taxon!r}, or too few motifs of it; there are: "
            f"{', '.join(JASPAR_TAXA)}"
        )
    database = jaspardb()
    try:
        found = database.fetch_motifs(collection="CORE", tax_group=[taxon])
    finally:
        database.conn.close()
    motifs = []
    for motif in found:
        counts = np.array([motif.counts[base] for base in "ACGT"], dtype=np.float64)
        sites = round(float(counts.sum(axis=0).max()))
        url = f"https://jaspar.elixir.no/matrix/{motif.matrix_id}"
        name = "::".join(motif.name.split())
        motifs.append(MemeMotif(motif.matrix_id, counts / counts.sum(axis=0), name, sites, url))
    return MotifSet(f"{database.release} CORE {taxon}", tuple(motifs))


def match_motifs(
    queries: Sequence[NDArray[np.float64]], targets: Sequence[MemeMotif], top: int | None = None
) -> list[tuple[MotifMatch, ...]]:
    """Match motifs to known ones by Tomtom, either strand.

    Args:
        queries: float (4, width): probability of A, C, G and T; flanks that say nothing should be
            cut off, they make matches weaker. Columns are scaled to a sum of 1.
        targets: at least one; with fewer than :data:`FEWEST_TARGETS`, p-values say little.
        top: best matches of each query to give; None: all.

    Returns:
        for each query its matches, the best first; equals in the order of ``targets``.
    """
    from memelite import tomtom
    from scipy.stats import false_discovery_control

    if not queries:
        return []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "tomtom was given", UserWarning)
        # (quantity, queries, targets)
        p, scores, offsets, overlaps, strands = tomtom(
            [_columns(query) for query in queries], [_columns(item.matrix) for item in targets]
        )
    found = []
    for row in range(len(queries)):
        q = false_discovery_control(np.clip(p[row], 0, 1), method="bh")
        order = np.lexsort((-scores[row], p[row]))[:top]
        found.append(
            tuple(
                MotifMatch(
                    target=targets[k],
                    p=float(p[row, k]),
                    q=float(q[k]),
                    e=float(p[row, k]) * len(targets),
                    reverse=bool(strands[row, k]),
                    start=-int(offsets[row, k]),
                    overlap=int(overlaps[row, k]),
                )
                for k in order.tolist()
            )
        )
    return found


def _columns(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns that sum to 1; one without any base has equal probabilities."""
    sums = matrix.sum(axis=0)
    filled = np.where(sums > 0, matrix, 0.25)
    scaled: NDArray[np.float64] = np.ascontiguousarray(filled / filled.sum(axis=0), np.float64)
    return scaled

"""What ``chromputer motifs`` is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chromputer_tracks.analysis.motifs.hits import P_LIMIT

DEFAULT_WINDOW = 400
DEFAULT_SEQLETS = 20_000
DEFAULT_Q = 0.01


@dataclass(frozen=True, slots=True)
class MotifsOptions:
    """Where to look for motifs, and how.

    Attributes:
        explained: folder that ``chromputer explain`` wrote.
        out: folder of the results; made when only its parent exists.
        heads: labels; empty: all that were explained.
        motifs: MEME file of known motifs; None: see ``jaspar``.
        jaspar: taxon of JASPAR CORE to match to; None: no database.
        window: bp around the sites' summits in which patterns are sought.
        max_seqlets: of each label and sign.
        q: false discovery rate up to which a known motif names a pattern.
        hit_p: limit of the p-value of a hit's sequence.
        threads: None: those that numba takes, all of the process.
        force: write into a folder that holds other things than an earlier run.
        command: the command line, for ``run.json``.
    """

    explained: Path
    out: Path
    heads: tuple[str, ...] = ()
    motifs: Path | None = None
    jaspar: str | None = None
    window: int = DEFAULT_WINDOW
    max_seqlets: int = DEFAULT_SEQLETS
    q: float = DEFAULT_Q
    hit_p: float = P_LIMIT
    threads: int | None = None
    force: bool = False
    command: tuple[str, ...] = ()

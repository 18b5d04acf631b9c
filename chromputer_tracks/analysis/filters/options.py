"""What ``chromputer filters`` is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chromputer_tracks.inference.explain import Method
from chromputer_tracks.inference.sample import SampleFiles
from chromputer_tracks.inference.session import ProviderChoice

DEFAULT_TOP = 8
DEFAULT_SITES = 200
DEFAULT_SAMPLE = 1000
DEFAULT_REFERENCES = 5
"""Fewer than ``explain`` takes: the mean over sites is a mean over references, too."""
DEFAULT_Q = 0.01


@dataclass(frozen=True, slots=True)
class FiltersOptions:
    """Which filters to look at, where, and how.

    Attributes:
        model: a model folder or a shipped model's name.
        sample: the genome and the sample's files.
        out: folder of the results; made when only its parent exists.
        heads: labels that filters are ranked for; empty: all.
        regions: BED or narrowPeak of the sites; None: the model's most probable and random ones.
        chroms: contigs, or regions such as ``chrI:1,001-2,000``: only sites there; empty: all.
        exclude: BED; sites whose windows touch it are left out; None: none.
        top: filters shown of each class.
        sites: sites of each class over which contributions are averaged.
        sample_sites: random windows that are scanned beside those of the classes.
        motifs: MEME file of known motifs; None: see ``jaspar``.
        jaspar: taxon of JASPAR CORE to match to; None: no database.
        q: false discovery rate up to which a known motif is named.
        method: of explaining.
        references: dinucleotide shuffles a window.
        seed: of the shuffles and of what is drawn at random.
        provider: ``auto``, ``cpu``, ``cuda`` or ``tensorrt``.
        threads: CPU threads; None: those that the process may use.
        force: write into a folder that holds other things than an earlier run.
        command: the command line, for ``run.json``.
    """

    model: str | Path
    sample: SampleFiles
    out: Path
    heads: tuple[str, ...] = ()
    regions: Path | None = None
    chroms: tuple[str, ...] = ()
    exclude: Path | None = None
    top: int = DEFAULT_TOP
    sites: int = DEFAULT_SITES
    sample_sites: int = DEFAULT_SAMPLE
    motifs: Path | None = None
    jaspar: str | None = None
    q: float = DEFAULT_Q
    method: Method = "deeplift"
    references: int = DEFAULT_REFERENCES
    seed: int = 0
    provider: ProviderChoice = "auto"
    threads: int | None = None
    force: bool = False
    command: tuple[str, ...] = ()

"""Windows with motifs planted in their bases and contributions, at places that are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chromputer_tracks.analysis.motifs.discovery import Pattern, Seqlets
from chromputer_tracks.analysis.motifs.hits import ExplainedWindows
from chromputer_tracks.io.contributions import Batch, ContributionWriter, Site
from chromputer_tracks.spec import InputSpec

REB1, ABF1, RAP1 = "TTACCCGG", "CGTATATAGTGA", "GTATGGGTGT"
OTHER = -0.3
"""What another base than the motif's contributes there; the motif's own base: 1."""


@dataclass(frozen=True, slots=True)
class Plant:
    """A motif at a place in the genome, the contribution of each of its bases, and their noise."""

    motif: str
    chrom: str
    start: int
    strand: str = "+"
    height: float = 1.0
    noise: float = 0.0

    @property
    def end(self) -> int:
        return self.start + len(self.motif)

    @property
    def place(self) -> tuple[str, int, int, str]:
        return self.chrom, self.start, self.end, self.strand


def codes(motif: str) -> np.ndarray:
    return np.array(["ACGT".index(base) for base in motif])


class Genome:
    """Random contigs with motifs planted; bases beyond a contig are N."""

    def __init__(self, sizes: dict[str, int], plants=(), seed: int = 0, noise: float = 0.02):
        rng = np.random.default_rng(seed)
        self.bases = {name: rng.integers(0, 4, size) for name, size in sizes.items()}
        self.noise, self.seed, self.plants = noise, seed, list(plants)
        for plant in self.plants:
            code = codes(plant.motif)
            if plant.strand == "-":
                code = 3 - code[::-1]
            self.bases[plant.chrom][plant.start : plant.end] = code

    def windows(self, starts: list[tuple[str, int]], length: int) -> ExplainedWindows:
        """ExplainedWindows at given starts; the same base has the same contribution in each."""
        n = len(starts)
        sequences = np.zeros((n, 4, length), dtype=np.int8)
        hypothetical = np.zeros((n, 4, length), dtype=np.float32)
        for row, (chrom, start) in enumerate(starts):
            bases = self.bases[chrom]
            values = np.random.default_rng([self.seed, len(chrom)]).normal(
                0, self.noise, (4, len(bases))
            )
            for plant in self.plants:
                if plant.chrom == chrom:
                    code = codes(plant.motif)
                    added = np.full((4, len(code)), OTHER)
                    added[code, np.arange(len(code))] = 1
                    turned = added[::-1, ::-1] if plant.strand == "-" else added
                    more = np.random.default_rng(plant.start).normal(0, plant.noise, added.shape)
                    values[:, plant.start : plant.end] += plant.height * turned + more
            first, last = max(start, 0), min(start + length, len(bases))
            inside = slice(first - start, last - start)
            sequences[row, :, inside] = bases[first:last] == np.arange(4)[:, None]
            hypothetical[row, :, inside] = values[:, first:last]
        return ExplainedWindows(
            np.array([chrom for chrom, _ in starts]),
            np.array([start for _, start in starts], dtype=np.int64),
            sequences,
            hypothetical,
        )


def pattern_of(
    windows: ExplainedWindows, plants, name: str = "TF.pos.1", flanks=(4, 6), sign: int = 1
) -> Pattern:
    """The pattern whose seqlets are the plants, each in the first window that holds it whole.

    ``flanks``: columns before and behind the motif, on its strand.
    """
    width = len(plants[0].motif) + sum(flanks)
    rows, starts = [], []
    for plant in plants:
        start = plant.start - flanks[plant.strand == "-"] - windows.start
        held = (windows.chrom == plant.chrom) & (start >= 0) & (start + width <= windows.length)
        rows.append(int(np.flatnonzero(held)[0]))
        starts.append(int(start[rows[-1]]))
    reverse = np.array([plant.strand == "-" for plant in plants])
    parts = []
    for row, start, turned in zip(rows, starts, reverse, strict=True):
        span = slice(start, start + width)
        bases = windows.sequences[row, :, span].astype(float)
        values = windows.hypothetical[row, :, span].astype(float)
        both = np.stack([bases, bases * values, values])
        parts.append(both[:, ::-1, ::-1] if turned else both)
    frequencies, contributions, hypothetical = np.mean(parts, axis=0)
    seqlets = Seqlets(np.array(rows), np.array(starts), reverse)
    return Pattern(name, sign, frequencies, contributions, hypothetical, seqlets)


def write_explained(folder: Path, windows: ExplainedWindows, strands=None) -> Path:
    """A label's folder as ``chromputer explain`` writes it, with one site of 1 bp a window."""
    folder.mkdir(parents=True)
    n = len(windows.start)
    order = np.lexsort((windows.start, windows.chrom))
    centres = windows.start + windows.length // 2
    sites = [
        Site(str(windows.chrom[i]), int(centres[i]), int(centres[i]), int(centres[i]) + 1,
             f"site{i}", 0.0, "." if strands is None else strands[i])
        for i in order
    ]  # fmt: skip
    numbers = np.zeros(n, dtype=np.float32)
    with ContributionWriter(
        folder, sites, windows.length, [InputSpec("sequence", "sequence")]
    ) as writer:
        writer.add(
            Batch(
                windows.sequences[order],
                windows.hypothetical[order],
                {},
                {},
                {"sequence": np.zeros((n, 2), dtype=np.float32)},
                numbers,
                numbers,
                numbers,
                {},
            )
        )
    return folder

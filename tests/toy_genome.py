"""A small genome and its fragments in memory, as sources for ``Features``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam
from numpy.typing import NDArray

from chromputer_tracks.data.features import Features
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.spec import ModelSpec

LENGTHS = {"chr2": 4321, "chr10": 1000, "chr1": 6150, "tiny": 37, "edge": 300}
"""Not in sorted order; some not a multiple of the stride, one shorter than the window."""


@dataclass(frozen=True)
class ToyGenome:
    bases: dict[str, NDArray[np.uint8]]
    starts: dict[str, NDArray[np.int64]]
    ends: dict[str, NDArray[np.int64]]
    density: float = 1.0

    @property
    def sizes(self) -> ChromSizes:
        return ChromSizes({name: len(row) for name, row in self.bases.items()}, "toy.fa")

    def fetch(self, interval: Interval) -> NDArray[np.uint8]:
        out = np.full(len(interval), ord("N"), np.uint8)
        row = self.bases[interval.chrom]
        for i in range(len(interval)):
            if 0 <= interval.start + i < len(row):
                out[i] = row[interval.start + i]
        return out

    def midpoints(self, interval: Interval) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        starts, ends = self.starts[interval.chrom], self.ends[interval.chrom]
        middle = (starts + ends) // 2
        inside = (middle >= interval.start) & (middle < interval.end)
        return middle[inside].astype(np.int32), (ends - starts)[inside].astype(np.int32)

    @property
    def per_bp(self) -> float:
        return self.density / 1000

    def cumulative(self, chrom: str, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        middle = (self.starts[chrom] + self.ends[chrom]) // 2
        return (middle[:, None] < positions).sum(0).astype(np.float64)

    def features(self, spec: ModelSpec) -> Features:
        """Of V-plots alone: :meth:`fetch` gives bases."""
        return Features(spec.inputs, self, {item.assay: self for item in spec.inputs if item.assay})

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Plain FASTA with .fai, and a sorted bgzipped fragment file with .tbi."""
        fasta = folder / "toy.fa"
        fasta.write_text(
            "".join(f">{n}\n{row.tobytes().decode()}\n" for n, row in self.bases.items())
        )
        pysam.faidx(str(fasta))
        rows = sorted(
            (chrom, int(s), int(e))
            for chrom in self.bases
            for s, e in zip(self.starts[chrom], self.ends[chrom], strict=True)
        )
        plain = folder / "toy.fragments.tsv"
        plain.write_text("".join(f"{c}\t{s}\t{e}\tbulk\t1\n" for c, s, e in rows))
        pysam.tabix_index(str(plain), preset="bed", force=True)
        return fasta, folder / "toy.fragments.tsv.gz"


def toy_genome(lengths: dict[str, int] | None = None, seed: int = 5) -> ToyGenome:
    rng = np.random.default_rng(seed)
    bases, starts, ends = {}, {}, {}
    for name, length in (lengths or LENGTHS).items():
        bases[name] = rng.choice(np.frombuffer(b"ACGTN", np.uint8), length)
        sizes = rng.integers(20, 500, length // 10)
        first = rng.integers(0, length, len(sizes))
        inside = first + sizes <= length
        starts[name], ends[name] = first[inside], (first + sizes)[inside]
    return ToyGenome(bases, starts, ends)

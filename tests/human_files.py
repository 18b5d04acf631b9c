"""Stand-ins for the files of docs/human.md: ENCODE's formats, on contigs of 40 kb."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pysam

CONTIGS = [f"chr{name}" for name in (*range(1, 23), "X", "Y", "M")]
LENGTH = 40_000
ROADMAP = (
    *("1_TssA", "2_TssAFlnk", "3_TxFlnk", "4_Tx", "5_TxWk", "6_EnhG", "7_Enh", "8_ZNF/Rpts"),
    *("9_Het", "10_TssBiv", "11_BivFlnk", "12_EnhBiv", "13_ReprPC", "14_ReprPCWk", "15_Quies"),
)
MNEMONICS = "_15_coreMarks_hg38lift_mnemonics.bed.gz"
GTF = "gencode.v44.basic.annotation.gtf.gz"


def write_sources(folder: Path) -> None:
    """What the page's commands read: two cell lines' segments, and genes.

    The segments of all contigs but chrM are Roadmap's 15 states in turn, 1 kb each; K562's are one
    state on.
    """
    for shift, epigenome in enumerate(("E116", "E123")):
        _gzip(
            folder / f"{epigenome}{MNEMONICS}",
            (
                (contig, start, start + 1000, ROADMAP[(start // 1000 + at) % len(ROADMAP)])
                for at, contig in enumerate(CONTIGS[:-1], shift)
                for start in range(0, LENGTH, 1000)
            ),
        )
    kinds = ("protein_coding", "lncRNA")
    names = [f'gene_id "ENSG{at}.1"; gene_type "{kind}";' for at, kind in enumerate(kinds)]
    _gzip(
        folder / GTF,
        (
            (contig, "HAVANA", part, 9001 + 100 * at, 12_000, ".", "+-"[at], ".", name)
            for contig in CONTIGS
            for at, name in enumerate(names)
            for part in ("gene", "exon")
        ),
    )


def write_downloads(folder: Path) -> None:
    """Genome, fragments, peaks and blacklist."""
    rng = np.random.default_rng(1)
    genome = folder / "hg38.fa"
    genome.write_text(
        "".join(f">{contig}\n{''.join(rng.choice([*'ACGT'], LENGTH))}\n" for contig in CONTIGS)
    )
    pysam.tabix_compress(str(genome), f"{genome}.gz")
    pysam.faidx(f"{genome}.gz")
    for sample in ("gm12878", "k562"):
        rows = [
            (contig, start, start + int(rng.choice([60, 180, 350])))
            for contig in sorted(CONTIGS[:-1])
            for start in np.sort(rng.integers(0, LENGTH - 500, 1000)).tolist()
        ]
        _gzip(folder / f"{sample}.fragments.tsv.gz", rows)
    ctcf = _peaks(rng, 12)
    _gzip(folder / "gm12878.ctcf.idr.narrowPeak.gz", ctcf)
    _gzip(folder / "k562.ctcf.idr.narrowPeak.gz", ctcf)
    rest = _peaks(rng, 12)
    for replicate in (1, 2):
        noisy = ((*row[:6], row[6] + rng.random(), *row[7:]) for row in rest)
        _gzip(folder / f"gm12878.rest.rep{replicate}.narrowPeak.gz", noisy)
    broad = [(*row[:9], -1) for row in _peaks(rng, 12)]
    _gzip(folder / "gm12878.h3k27ac.narrowPeak.gz", broad)
    _gzip(folder / "accessible.narrowPeak.gz", _peaks(rng, 20))
    _gzip(folder / "blacklist.bed.gz", [("chr1", 0, 2000, "High Signal Region")])


def _peaks(rng: np.random.Generator, number: int) -> list[tuple[str | int | float, ...]]:
    """narrowPeak rows as ENCODE's: not sorted, without a p-value, with summits."""
    rows = [
        (contig, start, start + 300, ".", 500, ".", float(signal), -1, 3.5, 150)
        for contig in CONTIGS[:-1]
        for start, signal in zip(
            rng.integers(2000, LENGTH - 2000, number).tolist(), rng.random(number), strict=True
        )
    ]
    return [rows[place] for place in rng.permutation(len(rows))]


def _gzip(path: Path, rows: Iterable[tuple[object, ...]]) -> None:
    with gzip.open(path, "wt") as file:
        file.writelines("\t".join(map(str, row)) + "\n" for row in rows)

"""A synthetic genome with paired-end fragments, as large as asked for."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pysam
from numpy.typing import NDArray

LINE = 100
CHUNK = 25_000_000


def write_genome(path: Path, sizes: dict[str, int], seed: int = 1) -> None:
    """Random bases, with a run of N at each start, bgzipped, with .fai and .gzi."""
    rng = np.random.default_rng(seed)
    letters = np.frombuffer(b"ACGT", np.uint8)
    with pysam.BGZFile(str(path), "wb") as file:
        for name, size in sizes.items():
            file.write(f">{name}\n".encode())
            for start in range(0, size, CHUNK):
                count = min(CHUNK, size - start)
                bases = letters[rng.integers(0, 4, count, np.uint8)]
                if start == 0:
                    bases[:10_000] = ord("N")
                full = count // LINE * LINE
                lines = np.full((full // LINE, LINE + 1), ord("\n"), np.uint8)
                lines[:, :LINE] = bases[:full].reshape(-1, LINE)
                file.write(lines.tobytes())
                if full < count:
                    file.write(bases[full:].tobytes() + b"\n")
    pysam.faidx(str(path))


def make_fragments(
    size: int, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and ends, sorted by start: 40 % in peaks of 300 bp, the rest anywhere."""
    lengths = np.where(
        rng.random(count) < 0.6, rng.gamma(6, 12, count) + 25, rng.normal(200, 25, count)
    )
    lengths = np.clip(lengths, 25, 900).astype(np.int64)
    middles = rng.integers(1_000, size - 1_000, count)
    peaks = rng.integers(1_000, size - 1_000, max(size // 30_000, 1))
    in_peak = rng.random(count) < 0.4
    middles[in_peak] = rng.choice(peaks, in_peak.sum()) + rng.normal(0, 150, in_peak.sum())
    starts = np.clip(middles - lengths // 2, 0, size - 900)
    order = np.argsort(starts, kind="stable")
    return starts[order], (starts + lengths)[order]


def write_fragments(path: Path, sizes: dict[str, int], count: int, seed: int = 2) -> None:
    """A sorted, bgzipped fragment file; ``count`` fragments in all."""
    rng = np.random.default_rng(seed)
    total = sum(sizes.values())
    options = pa.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    with pysam.BGZFile(str(path), "wb") as file:
        for name in sorted(sizes):
            starts, ends = make_fragments(sizes[name], count * sizes[name] // total, rng)
            for begin in range(0, len(starts), 1_000_000):
                part = slice(begin, begin + 1_000_000)
                rows = len(starts[part])
                table = pa.table(
                    {
                        "chrom": pa.array([name]).take(pa.array(np.zeros(rows, np.int32))),
                        "start": starts[part],
                        "end": ends[part],
                        "barcode": pa.array(["bulk"]).take(pa.array(np.zeros(rows, np.int32))),
                        "count": np.ones(rows, np.int64),
                    }
                )
                text = io.BytesIO()
                pa.csv.write_csv(table, text, options)
                file.write(text.getvalue())

"""Reading speed: BAM through oxbow against a plain pysam loop, and text into a FragmentStore.

Both BAM readers apply the same filter to the same file in one run and must agree exactly. Exits
with 1 when oxbow is less than 2.5 times as fast. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pysam

from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.fragments import FragmentOptions, open_fragments

TARGET = 2.5
BAM = Path(__file__).resolve().parents[1].parent / "shared/data/yeast/atac_SRR1822137.bam"
MISSING = 255


def pysam_loop(path: Path, min_mapq: int) -> np.ndarray:
    """int32 (n, 3): contig code, start, end of each kept pair, in file order, unshifted."""
    rows = []
    with pysam.AlignmentFile(str(path), "rb") as file:
        for read in file:
            if not read.is_proper_pair or read.is_unmapped or read.mate_is_unmapped:
                continue
            if read.is_secondary or read.is_supplementary or read.is_qcfail or read.is_duplicate:
                continue
            length = read.template_length
            if length == 0:
                continue
            if read.reference_start == read.next_reference_start:
                if not read.is_read1:
                    continue
            elif length < 0:
                continue
            if min_mapq:
                mate = read.get_tag("MQ") if read.has_tag("MQ") else MISSING
                if read.mapping_quality < min_mapq or mate < min_mapq:
                    continue
            start = read.reference_start
            rows.append((read.reference_id, start, start + abs(length)))
    return np.array(rows, dtype=np.int32).reshape(-1, 3)


def oxbow_bulk(path: Path, min_mapq: int) -> np.ndarray:
    """The same array through the package."""
    reader = open_fragments(path, None, FragmentOptions(min_mapq=min_mapq, tn5_shift=False))
    batches = [np.stack([b.contigs, b.starts, b.ends], axis=1) for b in reader.batches()]
    return np.concatenate(batches)


def timed(run: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Seconds that a run takes, and its result."""
    begin = time.perf_counter()
    result = run()
    return time.perf_counter() - begin, result


def compare_bam(path: Path, min_mapq: int, repeats: int) -> bool:
    """Print both times; whether the results agree and the ratio reaches the target."""
    # In turns and the best of each, so that other load on the machine meets both alike.
    slow = fast = float("inf")
    for _ in range(repeats):
        took, expected = timed(lambda: pysam_loop(path, min_mapq))
        slow = min(slow, took)
        took, found = timed(lambda: oxbow_bulk(path, min_mapq))
        fast = min(fast, took)
    equal = np.array_equal(expected, found)
    print(
        f"{path.name}, MAPQ >= {min_mapq}: {len(found):,} pairs; pysam loop {slow:.2f} s, "
        f"oxbow {fast:.2f} s, ratio {slow / fast:.2f} (target {TARGET}); "
        f"results {'equal' if equal else 'DIFFER'}"
    )
    return equal and slow / fast >= TARGET


def store_speed(count: int) -> None:
    """Print fragments/s of FragmentStore.build on a synthetic bgzipped fragment file."""
    rng = np.random.default_rng(0)
    size = 250_000_000
    starts = np.sort(rng.integers(0, size - 1_000, count))
    ends = starts + rng.integers(40, 700, count)
    with tempfile.TemporaryDirectory(prefix="chromputer-bench-") as folder:
        path = Path(folder) / "synthetic.fragments.tsv.gz"
        with pysam.BGZFile(str(path), "wb", None) as file:
            for begin in range(0, count, 100_000):
                stop = min(begin + 100_000, count)
                pairs = zip(starts[begin:stop].tolist(), ends[begin:stop].tolist(), strict=True)
                file.write("".join(f"chr1\t{s}\t{e}\tbulk\t1\n" for s, e in pairs).encode())
        begin_s = time.perf_counter()
        with FragmentStore.build(path, ChromSizes({"chr1": size})) as store:
            took = time.perf_counter() - begin_s
            print(f"FragmentStore: {store.total:,} fragments, {store.total / took:,.0f} a second")


def main() -> int:
    """Run both benchmarks; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bam", type=Path, default=BAM)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--fragments", type=int, default=2_000_000)
    arguments = parser.parse_args()
    if not arguments.bam.exists():
        print(f"{arguments.bam.name} not found: name a paired-end BAM with --bam", file=sys.stderr)
        return 1
    good = [compare_bam(arguments.bam, mapq, arguments.repeats) for mapq in (0, 30)]
    store_speed(arguments.fragments)
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())

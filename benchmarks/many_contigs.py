"""Files of a genome of N and of 2 N small contigs: CPU time of 2 N over that of N, 2 if linear.

usage: python benchmarks/many_contigs.py [N]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bigbed import write_bigbed
from chromputer_tracks.io.bigwig import BigWigWriter
from chromputer_tracks.spec import Label
from chromputer_tracks.tracks.predict import states_autosql


def bigwig(folder: Path, sizes: ChromSizes) -> None:
    with BigWigWriter(folder / "x.bw", sizes, 50) as writer:
        for name in sorted(sizes):
            writer.add(name, 0, 1_000, np.linspace(0, 1, 20, dtype=np.float32))


def bigbed(folder: Path, sizes: ChromSizes) -> None:
    rows = (
        (name, at, at + 100, f"S\t9\t.\t{at}\t{at + 100}\t0,0,0")
        for name in sorted(sizes)
        for at in range(0, 1_000, 100)
    )
    write_bigbed(folder / "x.bb", sizes, rows, states_autosql((Label("S", "S", (0, 0, 0)),), "x"))


def seconds(make: Callable[[Path, ChromSizes], None], count: int) -> float:
    sizes = ChromSizes({f"scaffold_{i:06d}": 1_000 for i in range(count)}, "draft.fa")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        begin = time.process_time()
        make(Path(folder), sizes)
        return time.process_time() - begin


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    for make in (bigwig, bigbed):
        once, twice = seconds(make, count), seconds(make, 2 * count)
        print(
            f"{make.__name__}: {count:,} contigs {once:.2f} s, {2 * count:,} {twice:.2f} s, "
            f"ratio {twice / once:.2f}"
        )


if __name__ == "__main__":
    main()

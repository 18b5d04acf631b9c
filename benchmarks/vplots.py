"""V-plots of whole tiles against one V-plot per window.

python benchmarks/vplots.py
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from synthetic import make_fragments

from chromputer_tracks.data.features import DEFAULT_BIN, vplot
from chromputer_tracks.intervals import Grid, Interval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2_000_000, help="bp of the contig")
    parser.add_argument("--fragments", type=int, default=80_000)
    parser.add_argument("--tile", type=int, default=1024)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    grid = Grid(2000, 50)
    starts, ends = make_fragments(args.size, args.fragments, np.random.default_rng(3))
    middles, lengths = (starts + ends) // 2, ends - starts
    order = np.argsort(middles, kind="stable")
    middles, lengths = middles[order], lengths[order]

    def plot(interval: Interval) -> np.ndarray:
        a, b = np.searchsorted(middles, [interval.start, interval.end])
        return vplot(middles[a:b], lengths[a:b], interval)

    begin = time.perf_counter()
    tiles = [
        plot(grid.span("chr1", first, last))
        for first, last in grid.tiles(0, grid.count(args.size), args.tile)
    ]
    tile_s = time.perf_counter() - begin

    begin = time.perf_counter()
    windows = [plot(grid.span("chr1", k, k + 1)) for k in range(grid.count(args.size))]
    window_s = time.perf_counter() - begin

    step, width = grid.stride // DEFAULT_BIN, grid.window // DEFAULT_BIN
    for k in range(0, len(windows), 97):
        tile, at = tiles[k // args.tile], k % args.tile * step
        np.testing.assert_array_equal(tile[:, at : at + width], windows[k])
    figures = {
        "windows": len(windows),
        "one by one s": round(window_s, 3),
        "by tiles s": round(tile_s, 3),
        "ratio": round(window_s / tile_s, 1),
        "by tiles ms per Mb": round(tile_s / args.size * 1e9, 2),
    }
    for key, value in figures.items():
        print(f"{key:32} {value}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

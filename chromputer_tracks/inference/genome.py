"""The stream over a genome: tiles to arrays to the session to probabilities, in order.

A thread makes the arrays of the next tiles while the session's workers run the network on those
before; :func:`drain` hands the results, in order, to a thread that writes. Only so many batches
wait between two of them, so that memory does not grow with the genome.

A tile of n outputs reads n strides and what a window has more than a stride: half of that on each
side, its flanks, which the neighbouring tiles read again. Long tiles thus waste little, and every
output is the one that its window alone would give, wherever tiles begin and end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from threading import Event
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import probabilities, reverse_strand
from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import ChromSizes, Grid, Interval
from chromputer_tracks.io.record import Stages
from chromputer_tracks.io.threads import Workers
from chromputer_tracks.spec import ModelSpec

Arrays = dict[str, NDArray[np.float32]]

DEFAULT_TILE = 1024
"""Outputs per tile: 51 kb at stride 50, of which the flanks add 4 %."""
DEFAULT_BATCH = 1
"""Tiles per run of the session."""

_DEPTH = 3
"""Batches that may wait between two threads: enough that neither waits for the other's jitter."""


class ArraySource(Protocol):
    """Where input arrays come from; :class:`chromputer_tracks.data.features.Features` is one."""

    def arrays(self, interval: Interval) -> Arrays:
        """Input name to float32 (channels, len(interval) / bin)."""


class LogitSource(Protocol):
    """What computes logits; :class:`chromputer_tracks.inference.session.Session` is one."""

    @property
    def workers(self) -> int:
        """How many threads may call :meth:`run` at the same time."""

    def run(self, inputs: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Input name to float32 (n, channels, positions), to float32 (n, outputs, bins)."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Probabilities, and values of continuous labels, of consecutive bins.

    Attributes:
        chrom: contig.
        start: bp, 0-based, a multiple of the stride.
        end: bp, exclusive; a multiple of the stride or the contig's end.
        probabilities: float32 (outputs, bins).
    """

    chrom: str
    start: int
    end: int
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Tile:
    """Outputs ``[first, last)``, computed as ``width`` outputs of which the rest are dropped."""

    chrom: str
    first: int
    last: int
    width: int


def region_bins(
    regions: list[Interval] | None, sizes: ChromSizes, grid: Grid
) -> dict[str, list[tuple[int, int]]]:
    """Runs of outputs whose bins touch the regions, by contig, in sorted contig order.

    Args:
        regions: in any order, inside their contigs; None: every contig whole.
        sizes: the genome's contigs.
        grid: says where the outputs lie.

    Returns:
        contig to ascending, disjoint, not touching ``(first, last)``; contigs without a region
        are left out.
    """
    if regions is None:
        return {chrom: [(0, grid.count(sizes[chrom]))] for chrom in sorted(sizes)}
    runs: dict[str, list[tuple[int, int]]] = {}
    for region in sorted(regions):
        first, last = grid.bins(region.start, region.end)
        run = runs.setdefault(region.chrom, [])
        if run and first <= run[-1][1]:
            run[-1] = (run[-1][0], max(run[-1][1], last))
        else:
            run.append((first, last))
    return runs


def covered_bases(bins: Mapping[str, list[tuple[int, int]]], sizes: ChromSizes, grid: Grid) -> int:
    """Bases that the bins of :func:`region_bins` cover."""
    return sum(
        min(last * grid.stride, sizes[chrom]) - first * grid.stride
        for chrom, runs in bins.items()
        for first, last in runs
    )


def padded_width(outputs: int, tile: int) -> int:
    """The least of tile, 3/4 tile, 1/2 tile, 3/8 tile ... that holds ``outputs``.

    Short tiles at the ends of regions thus come in few lengths, which is kind to providers that
    prepare for each input shape, and wastes at most a third of such a tile.
    """
    width = tile
    while width > 1:
        half = -(-width // 2)
        three_quarters = -(-3 * width // 4)
        if outputs > three_quarters:
            return width
        if outputs > half:
            return three_quarters
        width = half
    return width


def _batches(
    bins: Mapping[str, list[tuple[int, int]]], grid: Grid, tile: int, batch: int
) -> Iterator[list[_Tile]]:
    """Consecutive tiles of equal width, at most ``batch`` together."""
    waiting: list[_Tile] = []
    for chrom in sorted(bins):
        for first, last in bins[chrom]:
            for begin, end in grid.tiles(first, last, tile):
                item = _Tile(chrom, begin, end, padded_width(end - begin, tile))
                if waiting and (len(waiting) == batch or waiting[0].width != item.width):
                    yield waiting
                    waiting = []
                waiting.append(item)
    if waiting:
        yield waiting


def _load(
    batches: Iterator[list[_Tile]], features: ArraySource, grid: Grid, stages: Stages
) -> Iterator[tuple[list[_Tile], Arrays]]:
    for tiles in batches:
        with stages.part("arrays"):
            made: list[Arrays] = []
            for item in tiles:
                interval = grid.span(item.chrom, item.first, item.first + item.width)
                try:
                    made.append(features.arrays(interval))
                except Exception as error:
                    error.add_note(f"while making the input of {interval}")
                    raise
            stacked = {
                # A single tile needs no copy.
                name: made[0][name][None]
                if len(made) == 1
                else np.stack([arrays[name] for arrays in made])
                for name in made[0]
            }
        yield tiles, stacked


def predict_regions(
    session: LogitSource,
    spec: ModelSpec,
    features: ArraySource,
    bins: Mapping[str, list[tuple[int, int]]],
    sizes: ChromSizes,
    *,
    tile: int = DEFAULT_TILE,
    batch: int = DEFAULT_BATCH,
    average_strands: bool = False,
    done: Collection[str] = (),
    stages: Stages | None = None,
) -> Generator[Prediction, None, None]:
    """Predict runs of outputs, in sorted contig order.

    Args:
        session: computes the logits, in as many threads as it has workers.
        spec: the model's inputs and heads.
        features: makes the input arrays, in a thread of its own.
        bins: from :func:`region_bins`.
        sizes: the genome's contigs; a bin is cut at its contig's end.
        tile: outputs per tile.
        batch: tiles per run of the session.
        average_strands: also run the reverse complement and take the mean of the two strands'
            probabilities and values (not of their logits: each strand is calibrated as it is, and
            the states still sum to 1).
        done: contigs that are left out. What runs of the session hold is as without them, so that
            the values of the others are the same to the last bit.
        stages: collects the time of arrays, session and waiting.

    Raises:
        InputError: tile or batch below 1.
        ChromputerError: what the features or the session raise, with a note on the place.
    """
    if tile < 1 or batch < 1:
        raise InputError(f"tile {tile} and batch {batch} must be at least 1")
    grid, times = spec.grid, stages or Stages()

    def compute(tiles: list[_Tile], inputs: Arrays) -> list[Prediction]:
        with times.part("session"):
            values = probabilities(session.run(inputs), spec.heads)
            if average_strands:
                other = probabilities(session.run(reverse_strand(spec.inputs, inputs)), spec.heads)
                values = (values + other[:, :, ::-1]) / np.float32(2)
        found = [
            Prediction(
                place.chrom,
                place.first * grid.stride,
                min(place.last * grid.stride, sizes[place.chrom]),
                rows[:, : place.last - place.first],
            )
            for place, rows in zip(tiles, values, strict=True)
        ]
        return [item for item in found if item.chrom not in done]

    def stream() -> Generator[Prediction, None, None]:
        left = (
            tiles
            for tiles in _batches(bins, grid, tile, batch)
            if not all(item.chrom in done for item in tiles)
        )
        loaded = _load(left, features, grid, times)
        running: deque[Future[list[Prediction]]] = deque()
        pool = Workers(session.workers, "chromputer-session")
        with closing(_prefetch(loaded)) as ready:
            try:
                while True:
                    with times.part("waiting for arrays"):
                        item = next(ready, None)
                    if item is None:
                        break
                    running.append(pool.submit(compute, *item))
                    # A few more than can run, so that no worker waits for the oldest to end.
                    if len(running) > session.workers + _DEPTH:
                        yield from _result(running, times)
                while running:
                    yield from _result(running, times)
            finally:
                pool.shutdown(cancel_futures=True)

    return stream()


def _result(running: deque[Future[list[Prediction]]], stages: Stages) -> list[Prediction]:
    with stages.part("waiting for the session"):
        return running.popleft().result()


def _prefetch(
    items: Iterator[tuple[list[_Tile], Arrays]],
) -> Generator[tuple[list[_Tile], Arrays], None, None]:
    """Run ``items`` in a thread, a few ahead; its exception is raised here, in its turn.

    The thread never waits for its consumer: a program may end while this generator is under way
    (a variable of its main module holds it), and Python then waits for all threads.
    """
    pool = Workers(1, "chromputer-arrays")
    try:
        ahead = deque(pool.submit(next, items, None) for _ in range(_DEPTH + 1))
        while (item := ahead.popleft().result()) is not None:
            ahead.append(pool.submit(next, items, None))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)


def drain(
    predictions: Generator[Prediction, None, None],
    write: Callable[[str, int, int, NDArray[np.float32]], None],
    stages: Stages | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Hand predictions to ``write`` in a thread of its own, in order.

    Args:
        predictions: from :func:`predict_regions`; run in the caller's thread.
        write: takes contig, start, end (bp) and float32 (outputs, bins).
        stages: collects the time of writing and of waiting for it.
        progress: told the bases predicted so far, in the caller's thread.

    Raises:
        ChromputerError: what the predictions or ``write`` raise, with a note on the place.
    """
    times, failed = stages or Stages(), Event()

    def work(item: Prediction) -> None:
        if failed.is_set():
            return  # what waits behind a failure is not written
        with times.part("writing"):
            try:
                write(item.chrom, item.start, item.end, item.probabilities)
            except Exception as error:
                failed.set()
                error.add_note(f"while writing {Interval(item.chrom, item.start, item.end)}")
                raise

    bases = 0
    waiting: deque[Future[None]] = deque()
    pool = Workers(1, "chromputer-writing")
    with closing(predictions):
        try:
            for item in predictions:
                waiting.append(pool.submit(work, item))
                with times.part("waiting for the writer"):
                    while waiting and (len(waiting) > _DEPTH or waiting[0].done()):
                        waiting.popleft().result()
                bases += item.end - item.start
                if progress is not None:
                    progress(bases)
            for task in waiting:
                task.result()
        finally:
            pool.shutdown(cancel_futures=True)

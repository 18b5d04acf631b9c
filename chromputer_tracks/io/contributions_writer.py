"""Writes the folder of one explained label; see :mod:`.contributions` for what is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import OutputError
from chromputer_tracks.io.atomic import output_errors
from chromputer_tracks.io.contributions import (
    ARRAY,
    FILTERS,
    HYPOTHETICAL,
    INPUTS,
    NUMBERS,
    SEQUENCES,
    SITES_BED,
    SITES_TSV,
    VALUES,
    WINDOWS,
)
from chromputer_tracks.io.npz import ArrayShape, NpzWriter
from chromputer_tracks.spec import InputSpec

_TOP_SCORE = 1000.0
_COLUMNS = ("chrom", "start", "end", "name", "score", "strand", "centre", "window_start")


@dataclass(frozen=True, slots=True, order=True)
class Site:
    """A site and the centre of its window; they sort as the files hold them.

    Attributes:
        chrom: contig.
        centre: bp, 0-based: the base right of the window's middle, its summit.
        start: bp, 0-based.
        end: bp, exclusive.
        name: ``.`` for none.
        score: 0 for none.
        strand: ``+``, ``-`` or ``.``.
    """

    chrom: str
    centre: int
    start: int
    end: int
    name: str = "."
    score: float = 0.0
    strand: str = "."


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What is written of consecutive sites.

    Attributes:
        sequence: (k, 4, window), one-hot; None where the model reads no bases.
        hypothetical: float32 (k, 4, window), likewise.
        values: input name to float32 (k, channels, positions) of each V-plot and signal.
        inputs: their contributions.
        filters: input name to float32 (k, filters).
        logit: float32 (k,).
        difference: float32 (k,).
        total: float32 (k,).
        columns: further columns of ``sites.tsv``: name to (k,).
    """

    sequence: NDArray[Any] | None
    hypothetical: NDArray[np.float32] | None
    values: Mapping[str, NDArray[np.float32]]
    inputs: Mapping[str, NDArray[np.float32]]
    filters: Mapping[str, NDArray[np.float32]]
    logit: NDArray[np.float32]
    difference: NDArray[np.float32]
    total: NDArray[np.float32]
    columns: Mapping[str, NDArray[np.float32]]


class ContributionWriter:
    """Writes the folder of a label in a stream; use it as a context manager.

    Args:
        folder: exists; the files appear in it one by one, so make it where nobody looks.
        sites: in the order in which batches come.
        window: bp.
        inputs: the model's inputs.

    Attributes:
        names: of the files.

    Raises:
        OutputError: two arrays would have the same name, the batches do not fit the sites, or a
            file cannot be written.
    """

    def __init__(
        self, folder: Path, sites: Sequence[Site], window: int, inputs: Sequence[InputSpec]
    ) -> None:
        self._folder = folder
        self._sites = sites
        self._window = window
        self._bases = any(item.kind == "sequence" and item.bases for item in inputs)
        self._inputs = [item for item in inputs if item.kind != "sequence"]
        self._writers: dict[str, NpzWriter] = {}
        self._numbers: dict[str, list[NDArray[np.float32]]] = {name: [] for name in NUMBERS}
        self._done = 0
        self.names = (
            SITES_BED,
            SITES_TSV,
            WINDOWS,
            *((SEQUENCES, HYPOTHETICAL) if self._bases else ()),
            INPUTS,
            FILTERS,
        )

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._stack = stack
            rows, window = len(self._sites), self._window
            if self._bases:
                shape = (rows, 4, window)
                self._open(SEQUENCES, {ARRAY: ArrayShape(shape, np.int8)})
                self._open(HYPOTHETICAL, {ARRAY: ArrayShape(shape, np.float32)})
            self._check_names()
            arrays = {
                name: ArrayShape((rows, item.channels, window // item.bin), np.float32)
                for item in self._inputs
                for name in (item.name, item.name + VALUES)
            }
            self._open(INPUTS, arrays)
            with output_errors(self._folder / SITES_TSV):
                path = self._folder / SITES_TSV
                self._table: IO[str] = stack.enter_context(
                    path.open("w", encoding="utf-8", newline="\n")
                )
            self._stack = stack.pop_all()
        return self

    def _check_names(self) -> None:
        names = {item.name for item in self._inputs}
        for name in names:
            if name + VALUES in names:
                raise OutputError(
                    f"{self._folder / INPUTS}: the values of input {name!r} and the contributions "
                    f"of input {name + VALUES!r} would have the same name; rename one in the model"
                )

    def _open(self, name: str, arrays: Mapping[str, ArrayShape]) -> None:
        writer = NpzWriter(self._folder / name, arrays)
        self._writers[name] = self._stack.enter_context(writer)

    def add(self, batch: Batch) -> None:
        """Write the next sites.

        Raises:
            OutputError: the arrays do not fit, or the disk is full.
        """
        if FILTERS not in self._writers:
            shapes = {
                name: ArrayShape((len(self._sites), array.shape[1]), np.float32)
                for name, array in batch.filters.items()
            }
            self._open(FILTERS, shapes)
            self._write_header(batch.columns)
        if self._bases:
            if batch.sequence is None or batch.hypothetical is None:
                raise OutputError(f"{self._folder}: the model reads bases, but none were explained")
            self._writers[SEQUENCES].add(ARRAY, batch.sequence)
            self._writers[HYPOTHETICAL].add(ARRAY, batch.hypothetical)
        for item in self._inputs:
            self._writers[INPUTS].add(item.name, batch.inputs[item.name])
            self._writers[INPUTS].add(item.name + VALUES, batch.values[item.name])
        for name, array in batch.filters.items():
            self._writers[FILTERS].add(name, array)
        for name in NUMBERS:
            self._numbers[name].append(getattr(batch, name))
        self._write_rows(batch)

    def _write_header(self, columns: Mapping[str, Any]) -> None:
        with output_errors(self._folder / SITES_TSV):
            self._table.write("\t".join((*_COLUMNS, *NUMBERS, *columns)) + "\n")

    def _write_rows(self, batch: Batch) -> None:
        numbers = np.stack(
            [*(getattr(batch, name) for name in NUMBERS), *batch.columns.values()], axis=1
        )
        with output_errors(self._folder / SITES_TSV):
            for row in numbers.tolist():
                site = self._sites[self._done]
                start = site.centre - self._window // 2
                texts = (*_bed_fields(site), str(site.centre), str(start))
                self._table.write("\t".join((*texts, *(f"{x:.6g}" for x in row))) + "\n")
                self._done += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with output_errors(self._folder), self._stack:
            if self._done != len(self._sites) or not self._done:
                raise OutputError(
                    f"{self._folder}: {self._done:,} of {len(self._sites):,} sites were explained"
                )
            self._write_small_files()

    def _write_small_files(self) -> None:
        path = self._folder / SITES_BED
        with output_errors(path), path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines("\t".join(_bed_fields(site)) + "\n" for site in self._sites)
        starts = [site.centre - self._window // 2 for site in self._sites]
        arrays: dict[str, Any] = {
            "chrom": np.array([site.chrom for site in self._sites]),
            "start": np.array(starts, dtype=np.int64),
            "window": np.array(self._window, dtype=np.int64),
            **{name: np.concatenate(parts) for name, parts in self._numbers.items()},
            "inputs": np.array([item.name for item in self._inputs], dtype=np.str_),
            "files": np.array([name for name in self.names if name in self._writers]),
        }
        path = self._folder / WINDOWS
        with output_errors(path):
            np.savez_compressed(path, **arrays)


def _bed_fields(site: Site) -> tuple[str, ...]:
    """BED6; a narrowPeak's score may be larger than BED's largest, and is cut."""
    score = f"{min(site.score, _TOP_SCORE):.10g}"
    return site.chrom, str(site.start), str(site.end), site.name, score, site.strand

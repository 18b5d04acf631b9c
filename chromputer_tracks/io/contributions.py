"""The folder of one explained label: sites, windows, sequences and contributions of every input.

``chromputer explain`` writes it, ``motifs`` and ``vplot`` read it.
Row i of every file is the same site.

==================== ==========================================================================
``sites.bed``        BED6: the site, as it was given
``sites.tsv``        the site, its window, the explained logit and the share of each input
``windows.npz``      ``chrom``; ``start`` int64: first base of the window, may be negative;
                     ``window`` int64, bp; ``logit``, ``difference``, ``total`` float32, see
                     :class:`ExplainedSites`; ``inputs``: names of the V-plots and signals;
                     ``files``: which of the files below there are
``sequences.npz``    ``arr_0`` int8 (n, 4, window): one-hot A, C, G, T, MoDISco's ``-s``
``hypothetical.npz`` ``arr_0`` float32 (n, 4, window): hypothetical contributions, its ``-a``
``inputs.npz``       ``NAME`` float32 (n, channels, positions): contributions of each V-plot and
                     signal; ``NAME.values``: the input itself
``filters.npz``      ``NAME`` float32 (n, filters): contributions of an input's first-layer filters
==================== ==========================================================================

A float32 V-plot of 16 lengths and 200 positions takes 12.8 kB a site, hypothetical contributions of
2 kb 32 kB: 10,000 sites are read into 0.1 and 0.3 GB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import FormatError, InputError, OutputError
from chromputer_tracks.io.atomic import output_errors
from chromputer_tracks.io.bed import BedTable, read_bed
from chromputer_tracks.io.npz import ArrayShape, NpzWriter, array_names, read_array
from chromputer_tracks.io.outputs import check_outputs
from chromputer_tracks.io.record import RUN_JSON, EarlierRun
from chromputer_tracks.io.text import tsv_lines
from chromputer_tracks.spec import InputSpec

SITES_BED = "sites.bed"
SITES_TSV = "sites.tsv"
WINDOWS = "windows.npz"
SEQUENCES = "sequences.npz"
HYPOTHETICAL = "hypothetical.npz"
INPUTS = "inputs.npz"
FILTERS = "filters.npz"
ARRAY = "arr_0"
"""Name of the array that MoDISco reads."""
VALUES = ".values"
"""Follows an input's name where the array is the input itself."""
NUMBERS = ("logit", "difference", "total")


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedSites:
    """An opened folder; its arrays are read when they are asked for.

    Attributes:
        folder: the label's.
        sites: ``sites.bed``.
        chrom: contig of each window, str (n,).
        start: int64 (n,), bp, 0-based: each window's first base; negative where the window begins
            before its contig.
        window: bp.
        logit: float32 (n,): the explained logit.
        difference: float32 (n,): what the contributions should sum to; NaN for gradient*input.
        total: float32 (n,): what they do sum to.
        inputs: names of the V-plots and signals.
        filters: names of the inputs whose filters have contributions.
        has_bases: whether the model reads bases.
    """

    folder: Path
    sites: BedTable
    chrom: NDArray[np.str_]
    start: NDArray[np.int64]
    window: int
    logit: NDArray[np.float32]
    difference: NDArray[np.float32]
    total: NDArray[np.float32]
    inputs: tuple[str, ...]
    filters: tuple[str, ...]
    has_bases: bool

    def __len__(self) -> int:
        return len(self.start)

    @property
    def label(self) -> str:
        """The explained label: the folder's name."""
        return self.folder.resolve().name

    def sequences(self) -> NDArray[np.int8]:
        """Bases of the windows, int8 (n, 4, window), one-hot A, C, G, T; N is all zero.

        Raises:
            InputError: the file cannot be read, or the model reads no bases.
            FormatError: it is damaged or does not fit the windows.
        """
        return self._of_bases(SEQUENCES).astype(np.int8, copy=False)

    def hypothetical(self) -> NDArray[np.float32]:
        """What each of A, C, G, T would contribute, float32 (n, 4, window); see sequences."""
        return self._of_bases(HYPOTHETICAL).astype(np.float32, copy=False)

    def importance(self) -> NDArray[np.float32]:
        """What the base that is there contributes, float32 (n, window), 0 at N; see sequences."""
        there = self.sequences().astype(np.float32)
        there *= self.hypothetical()
        return np.asarray(there.sum(axis=1))

    def contributions(self, name: str) -> NDArray[np.float32]:
        """Contributions of a V-plot or signal, float32 (n, channels, positions).

        Raises:
            InputError: the file cannot be read, or there is no such input.
            FormatError: it is damaged or does not fit the windows.
        """
        return self._named(INPUTS, name, name, self.inputs)

    def values(self, name: str) -> NDArray[np.float32]:
        """A V-plot or signal itself, as the network read it; see :meth:`contributions`."""
        return self._named(INPUTS, name, name + VALUES, self.inputs)

    def filter_contributions(self, name: str) -> NDArray[np.float32]:
        """Contributions of an input's first-layer filters, summed: float32 (n, filters).

        Raises:
            InputError: the file cannot be read, or there are none of this input.
            FormatError: it is damaged or does not fit the windows.
        """
        return self._named(FILTERS, name, name, self.filters)

    def _of_bases(self, file: str) -> NDArray[Any]:
        if not self.has_bases:
            raise InputError(f"{self.folder} has no {file}: the model reads no bases")
        array = self._rows(file, ARRAY)
        if array.shape[1:] != (4, self.window):
            raise FormatError(
                f"{self.folder / file}: its array has shape {array.shape}, but the windows of "
                f"{WINDOWS} are of {self.window:,} bp"
            )
        return array

    def _named(
        self, file: str, name: str, array: str, known: tuple[str, ...]
    ) -> NDArray[np.float32]:
        if name not in known:
            raise InputError(
                f"{self.folder} has no input {name!r} of this kind, only "
                f"{', '.join(known) or 'none'}"
            )
        return self._rows(file, array)

    def _rows(self, file: str, name: str) -> NDArray[Any]:
        array = read_array(self.folder / file, name)
        _check_rows(self.folder / file, f"array {name!r}", array.shape[:1], len(self))
        return array


def explained_labels(out: Path) -> dict[str, Path]:
    """Label to folder of what ``chromputer explain`` wrote into ``out``, sorted by name.

    Files are held against the record, where there is one.

    Raises:
        InputError: there is nothing of it, or a file is not the one that the run made.
    """
    found = {path.parent.name: path.parent for path in sorted(out.glob(f"*/{WINDOWS}"))}
    if not found:
        raise InputError(
            f"{out} holds no explained label (a folder with {WINDOWS}): name the folder that "
            "`chromputer explain` wrote"
        )
    made = None
    with suppress(InputError):
        made = EarlierRun.read(out / RUN_JSON)
    if made is not None:
        check_outputs(out, made.checksums, made.kind)
    return found


def read_contributions(folder: Path) -> ExplainedSites:
    """Open the folder of one label.

    Raises:
        InputError: a file is missing or cannot be read.
        FormatError: a file is truncated or damaged, or does not fit the others.
    """
    windows = folder / WINDOWS
    if not windows.is_file():
        raise InputError(
            f"{folder} is no folder of an explained label: it has no {WINDOWS}; name a folder that "
            "`chromputer explain` wrote"
        )
    start = read_array(windows, "start")
    numbers = {name: read_array(windows, name) for name in ("chrom", *NUMBERS)}
    for name, array in numbers.items():
        _check_rows(windows, f"array {name!r}", array.shape, len(start))
    files = [str(name) for name in read_array(windows, "files")]
    for name in (SITES_BED, *files):
        if not (folder / name).is_file():
            raise InputError(
                f"{folder / name} is missing: copy it, too, or run `chromputer explain` again"
            )
    sites = read_bed(folder / SITES_BED)
    _check_rows(sites.path, "it", (len(sites),), len(start))
    return ExplainedSites(
        folder=folder,
        sites=sites,
        start=start.astype(np.int64, copy=False),
        window=int(read_array(windows, "window")),
        inputs=tuple(str(name) for name in read_array(windows, "inputs")),
        filters=array_names(folder / FILTERS),
        has_bases=SEQUENCES in files,
        **numbers,
    )


def _check_rows(path: Path, what: str, shape: tuple[int, ...], rows: int) -> None:
    if shape != (rows,):
        raise FormatError(
            f"{path}: {what} has {shape[0] if shape else 'no'} rows, but {WINDOWS} has {rows:,} "
            "windows; the files are not of one run"
        )


# ---- Writing the folder.

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
        names: the files'.

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
        names = {item.name for item in self._inputs}
        for name in names:
            if name + VALUES in names:
                raise OutputError(
                    f"{self._folder / INPUTS}: the values of input {name!r} and the contributions "
                    f"of input {name + VALUES!r} would have the same name; rename one in the model"
                )
        with ExitStack() as stack:
            self._stack = stack
            rows, window = len(self._sites), self._window
            if self._bases:
                shape = (rows, 4, window)
                self._open(SEQUENCES, {ARRAY: ArrayShape(shape, np.int8)})
                self._open(HYPOTHETICAL, {ARRAY: ArrayShape(shape, np.float32)})
            arrays = {
                name: ArrayShape((rows, item.channels, window // item.bin), np.float32)
                for item in self._inputs
                for name in (item.name, item.name + VALUES)
            }
            self._open(INPUTS, arrays)
            path = self._folder / SITES_TSV
            with output_errors(path):
                table = path.open("w", encoding="utf-8", newline="\n")
            self._table: IO[str] = stack.enter_context(table)
            self._stack = stack.pop_all()
        return self

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
            self._write_lines([(*_COLUMNS, *NUMBERS, *batch.columns)])
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
        numbers = (*(getattr(batch, name) for name in NUMBERS), *batch.columns.values())
        rows = np.stack(numbers, axis=1).tolist()
        sites = self._sites[self._done : self._done + len(rows)]
        self._done += len(rows)
        self._write_lines(
            (*_bed_fields(site), site.centre, site.centre - self._window // 2, *row)
            for site, row in zip(sites, rows, strict=True)
        )

    def _write_lines(self, rows: Iterable[Iterable[object]]) -> None:
        with output_errors(self._folder / SITES_TSV):
            self._table.writelines(tsv_lines(rows))

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
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
            file.writelines(tsv_lines(map(_bed_fields, self._sites)))
        starts = [site.centre - self._window // 2 for site in self._sites]
        arrays: dict[str, Any] = {
            "chrom": np.array([site.chrom for site in self._sites]),
            "start": np.array(starts, dtype=np.int64),
            "window": np.array(self._window, dtype=np.int64),
            **{name: np.concatenate(parts) for name, parts in self._numbers.items()},
            "inputs": np.array([item.name for item in self._inputs], dtype=np.str_),
            "files": np.array([name for name in self.names if name in self._writers]),
        }
        with output_errors(self._folder / WINDOWS):
            np.savez_compressed(self._folder / WINDOWS, **arrays)


def _bed_fields(site: Site) -> tuple[object, ...]:
    """BED6; a narrowPeak's score may be larger than BED's largest, and is cut."""
    score = f"{min(site.score, _TOP_SCORE):.10g}"
    return site.chrom, site.start, site.end, site.name, score, site.strand

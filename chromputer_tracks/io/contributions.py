"""The folder of one explained label: sites, windows, sequences and contributions of every input.

``chromputer explain`` writes it (:mod:`.contributions_writer`), ``motifs`` and ``vplot`` read it.
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

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import FormatError, InputError
from chromputer_tracks.io.bed import BedTable, read_bed
from chromputer_tracks.io.npz import array_names, read_array

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
        folder: of the label.
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
        """Bases of the windows, one-hot A, C, G, T; N is all zero.

        Returns:
            int8 (n, 4, window).

        Raises:
            InputError: the file cannot be read, or the model reads no bases.
            FormatError: it is damaged or does not fit the windows.
        """
        return self._of_bases(SEQUENCES).astype(np.int8, copy=False)

    def hypothetical(self) -> NDArray[np.float32]:
        """What each of A, C, G, T would contribute in each place; see :meth:`sequences`.

        Returns:
            float32 (n, 4, window).
        """
        return self._of_bases(HYPOTHETICAL).astype(np.float32, copy=False)

    def importance(self) -> NDArray[np.float32]:
        """What the base that is there contributes; see :meth:`sequences`.

        Returns:
            float32 (n, window); 0 at N.
        """
        there = self.sequences().astype(np.float32)
        there *= self.hypothetical()
        total: NDArray[np.float32] = there.sum(axis=1)
        return total

    def contributions(self, name: str) -> NDArray[np.float32]:
        """Contributions of a V-plot or signal.

        Returns:
            float32 (n, channels, positions).

        Raises:
            InputError: the file cannot be read, or there is no such input.
            FormatError: it is damaged or does not fit the windows.
        """
        return self._of_input(name, name)

    def values(self, name: str) -> NDArray[np.float32]:
        """A V-plot or signal itself, as the network read it; see :meth:`contributions`."""
        return self._of_input(name, name + VALUES)

    def filter_contributions(self, name: str) -> NDArray[np.float32]:
        """Contributions of an input's first-layer filters, summed over positions.

        Returns:
            float32 (n, filters).

        Raises:
            InputError: the file cannot be read, or there are none of this input.
            FormatError: it is damaged or does not fit the windows.
        """
        self._check_name(name, self.filters)
        return self._rows(FILTERS, name)

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

    def _of_input(self, name: str, array: str) -> NDArray[np.float32]:
        self._check_name(name, self.inputs)
        return self._rows(INPUTS, array)

    def _check_name(self, name: str, known: tuple[str, ...]) -> None:
        if name not in known:
            raise InputError(
                f"{self.folder} has no input {name!r} of this kind, only "
                f"{', '.join(known) or 'none'}"
            )

    def _rows(self, file: str, name: str) -> NDArray[Any]:
        array = read_array(self.folder / file, name)
        _check_rows(self.folder / file, f"array {name!r}", array.shape[:1], len(self))
        return array


def explained_labels(out: Path) -> dict[str, Path]:
    """Label to folder of what ``chromputer explain`` wrote into ``out``, sorted by name.

    Raises:
        InputError: there is nothing of it.
    """
    found = {path.parent.name: path.parent for path in sorted(out.glob(f"*/{WINDOWS}"))}
    if not found:
        raise InputError(
            f"{out} holds no explained label (a folder with {WINDOWS}): name the folder that "
            "`chromputer explain` wrote"
        )
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

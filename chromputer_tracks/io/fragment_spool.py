"""Rows sorted into one scratch file per contig, so that memory holds one contig at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import OutputError

_BUFFER_BYTES = 1 << 26


@contextmanager
def scratch_errors(folder: Path) -> Iterator[None]:
    """Turn an ``OSError`` in the scratch folder into an ``OutputError`` that names it."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot use scratch folder {folder}: {error.strerror or error}; name one with more "
            "room by --scratch or TMPDIR"
        ) from error


class Spool:
    """Append rows by contig, then load one contig at a time.

    Args:
        folder: where the scratch files go.
        dtype: of the rows.
    """

    def __init__(self, folder: Path, dtype: np.dtype[Any]) -> None:
        self._folder = folder
        self._dtype = dtype
        self._pending: dict[int, list[NDArray[Any]]] = {}
        self._pending_bytes = 0

    def _file(self, contig: int) -> Path:
        return self._folder / f"contig-{contig}.rows"

    def add(self, contigs: NDArray[np.int32], rows: NDArray[Any]) -> None:
        """Append rows.

        Args:
            contigs: (n,) contig code of each row.
            rows: (n,) of the spool's dtype; the order within a contig is kept.

        Raises:
            OutputError: the scratch folder is full or cannot be written.
        """
        if len(rows) and (contigs == contigs[0]).all():
            self._pending.setdefault(int(contigs[0]), []).append(rows)
        else:
            order = np.argsort(contigs, kind="stable")
            codes, begins = np.unique(contigs[order], return_index=True)
            bounds = [*begins.tolist(), len(rows)]
            rows = rows[order]
            for code, begin, end in zip(codes.tolist(), bounds, bounds[1:], strict=False):
                self._pending.setdefault(code, []).append(rows[begin:end])
        self._pending_bytes += rows.nbytes
        if self._pending_bytes > _BUFFER_BYTES:
            self._flush()

    def _flush(self) -> None:
        with scratch_errors(self._folder):
            for code, parts in self._pending.items():
                with self._file(code).open("ab") as file:
                    for part in parts:
                        file.write(part.tobytes())
        self._pending.clear()
        self._pending_bytes = 0

    def pop(self, contig: int) -> NDArray[Any]:
        """All rows of a contig in the order they were added; its scratch file is deleted."""
        if self._pending:  # else the buffer would stay in memory while contigs are sorted
            self._flush()
        file = self._file(contig)
        with scratch_errors(self._folder):
            if not file.exists():
                return np.zeros(0, dtype=self._dtype)
            rows = np.fromfile(file, dtype=self._dtype)
            file.unlink()
        return rows

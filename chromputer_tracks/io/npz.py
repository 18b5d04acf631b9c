"""Arrays in ``.npz`` files: written row by row in bounded memory, read back with clear errors."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chromputer_tracks.errors import FormatError, InputError, OutputError
from chromputer_tracks.io.atomic import atomic_path, output_errors

_SUFFIX = ".npy"
_BLOCK = 1 << 20
_COMPRESSION = 1
"""Zeros shrink as well as at higher levels, and other floats hardly at any."""


@dataclass(frozen=True, slots=True)
class ArrayShape:
    """What an array will be; its shape is (rows, ...)."""

    shape: tuple[int, ...]
    dtype: DTypeLike


class NpzWriter:
    """Writes one ``.npz``, its arrays a few rows at a time; use it as a context manager.

    Rows wait in unnamed files beside ``path``, uncompressed, so that memory does not grow. The file
    appears when the block ends well and every array is whole and reads back; equal arrays give
    equal bytes.
    """

    def __init__(self, path: Path, arrays: Mapping[str, ArrayShape]) -> None:
        self._path = path
        self._arrays = dict(arrays)
        self._rows = dict.fromkeys(arrays, 0)
        self._waiting: dict[str, IO[bytes]] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack, output_errors(self._path):
            for name in self._arrays:
                file = tempfile.TemporaryFile(dir=self._path.parent)  # noqa: SIM115
                self._waiting[name] = stack.enter_context(file)
            self._stack = stack.pop_all()
        return self

    def add(self, name: str, rows: NDArray[Any]) -> None:
        """Append rows (k, ...) to an array.

        Raises:
            OutputError: they are of another shape, there are too many, or the disk is full.
        """
        array = self._arrays[name]
        self._rows[name] += len(rows)
        if rows.shape[1:] != array.shape[1:] or self._rows[name] > array.shape[0]:
            raise OutputError(
                f"{self._path}: rows of shape {rows.shape} up to row {self._rows[name]:,} do not "
                f"fit into array {name!r} of shape {array.shape}"
            )
        with output_errors(self._path):
            self._waiting[name].write(np.ascontiguousarray(rows, dtype=array.dtype).data)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        with self._stack:
            if error is None:
                self._finish()

    def _finish(self) -> None:
        for name, array in self._arrays.items():
            if self._rows[name] != array.shape[0]:
                raise OutputError(
                    f"{self._path}: array {name!r} got {self._rows[name]:,} of "
                    f"{array.shape[0]:,} rows"
                )
        with atomic_path(self._path) as temporary:
            with zipfile.ZipFile(
                temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION
            ) as file:
                for name, array in self._arrays.items():
                    descr = np.lib.format.dtype_to_descr(np.dtype(array.dtype))
                    header = {"descr": descr, "fortran_order": False, "shape": array.shape}
                    with file.open(name + _SUFFIX, "w", force_zip64=True) as member:
                        np.lib.format.write_array_header_1_0(member, header)
                        self._waiting[name].seek(0)
                        shutil.copyfileobj(self._waiting[name], member, _BLOCK)
            with zipfile.ZipFile(temporary) as file:
                damaged = file.testzip()
            if damaged:
                raise OutputError(f"{self._path}: {damaged} cannot be read back after writing")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise FormatError(
            f"{path} is truncated or damaged ({error}); copy or write it again"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def array_names(path: Path) -> tuple[str, ...]:
    """Names of the arrays in an ``.npz``, in its order.

    Raises:
        InputError: it cannot be read.
        FormatError: it is truncated or damaged.
    """
    with _reading(path), zipfile.ZipFile(path) as file:
        return tuple(name.removesuffix(_SUFFIX) for name in file.namelist())


def read_array(path: Path, name: str) -> NDArray[Any]:
    """One array of an ``.npz``, whole; nothing is unpickled.

    Raises:
        InputError: the file cannot be read.
        FormatError: it is truncated or damaged, or has no such array.
    """
    with _reading(path), zipfile.ZipFile(path) as file:
        if name + _SUFFIX not in file.namelist():
            known = ", ".join(member.removesuffix(_SUFFIX) for member in file.namelist())
            raise FormatError(f"{path} has no array {name!r}, only {known or 'nothing'}")
        with file.open(name + _SUFFIX) as member:
            array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
            # The checksum is compared at the end of the member.
            member.read()
    return array

"""Tab-separated text (fragments, BEDPE, BED, small tables), plain or compressed: read and written.

Big files are read in blocks of lines by Arrow's CSV reader, which stops at the first malformed line
but cannot name it reliably. A caller that meets an error therefore reads the file again with
:func:`numbered_lines`, one line at a time, to say which line is wrong and why.
"""

from __future__ import annotations

import gzip
import io
import itertools
import re
import stat
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from chromputer_tracks.errors import FormatError, InputError, SpecError
from chromputer_tracks.io.atomic import atomic_path
from chromputer_tracks.spec import Label

# ---- What kind of compressed file this is, and whether it is whole.
#
# bgzip files (BGZF, SAM specification section 4.1) are gzip files cut into blocks of at most 64 KiB
# that are packed each for itself, so that a reader can begin at any of them. A block tells its own
# size in an extra field ``BC`` of its gzip header. An empty block marks the end: without it nothing
# would show that a file was cut off between two blocks.

GZIP_MAGIC = b"\x1f\x8b"
_EOF_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def open_input(path: Path) -> io.BufferedReader:
    """Open ``path`` for reading bytes.

    Raises:
        InputError: it does not exist, is a folder or a pipe, or cannot be read.
    """
    try:
        # To open a pipe would wait for its writer.
        if stat.S_ISFIFO(path.stat().st_mode):
            raise InputError(
                f"{path} is a pipe, which can be read once only: write what it holds to a file"
            )
        return path.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def is_gzip(path: Path) -> bool:
    """Whether the file starts with the gzip magic number (bgzip files do)."""
    with open_input(path) as file:
        return file.read(2) == GZIP_MAGIC


def is_bgzf(path: Path) -> bool:
    """Whether the file starts with a bgzip block."""
    with open_input(path) as file:
        return block_size(file.read(18)) > 0


def check_eof_block(path: Path) -> None:
    """Check that a bgzip file ends with the empty block that marks its end.

    Raises:
        FormatError: the block is missing: the file was cut off.
    """
    with open_input(path) as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - len(_EOF_BLOCK)))
        if file.read() != _EOF_BLOCK:
            raise FormatError(
                f"{path} is truncated: its end-of-file block is missing; copy or write it again"
            )


def block_size(head: bytes) -> int:
    """Total bytes of the bgzip block that starts with these 18 bytes; 0 when it is none."""
    if len(head) < 18 or head[:4] != b"\x1f\x8b\x08\x04" or head[12:16] != b"BC\x02\x00":
        return 0
    return int.from_bytes(head[16:18], "little") + 1


_MAGICS = (
    (b"BAM\x01", "a BAM"),
    (b"CRAM", "a CRAM"),
    (b"@", "a SAM or FASTQ"),
    (b"\x26\xfc\x8f\x88", "a bigWig"),
    (b"\x88\x8f\xfc\x26", "a bigWig"),
    (b"\xeb\xf2\x89\x87", "a bigBed"),
    (b"\x87\x89\xf2\xeb", "a bigBed"),
    (b"\x43\x27\x41\x1a", "a 2bit file"),
    (b"\x1a\x41\x27\x43", "a 2bit file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"PK\x03\x04", "a zip file"),
    (b"<", "a web page or XML"),
    (b">", "a FASTA"),
)
_INTERVAL_LINE = re.compile(rb"(?m)^[^#\s][^\t\n]*\t[0-9]+\t[0-9]+[\t\r\n]")


def file_kind(path: Path) -> str | None:
    """What a file looks like by its first bytes, such as ``a BAM``; None: nothing that is known."""
    try:
        with open_bytes(path) as file:
            start = file.read(1 << 14)
    except InputError:
        return None
    for magic, name in _MAGICS:
        if start.lstrip(b"\r\n").startswith(magic):
            return name
    return "a table of intervals" if _INTERVAL_LINE.search(start) else None


# ---- Lines of data.

INT32_MAX = 2**31 - 1
NAMES = pa.dictionary(pa.int32(), pa.string())
_CHUNK = 1 << 22
_NO_DATA = re.compile(rb"^(?:#.*|track(?:[ \t].*)?|browser(?:[ \t].*)?|\r?)(?:\n|\Z)", re.MULTILINE)
_MAYBE_NO_DATA = (b"#", b"\ntrack", b"\nbrowser")
_BREAKS = re.compile(r"[\t\r\n]")

# No table of intervals comes near these. Without them a damaged or packed file, such as a line
# without an end, would fill the memory before anything could be said of it.
LONGEST_LINE = 1 << 20
"""Bytes of a line."""
MOST_COLUMNS = 10_000
"""Columns of a line."""
MOST_WITHOUT_DATA = 1_000_000
"""Comments and empty lines that follow each other."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of data: its number in the file (from 1) and its tab-separated fields."""

    number: int
    fields: list[str]


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise FormatError(
            f"{path} is truncated: its gzip stream ends early; copy or write it again"
        ) from error
    except (zlib.error, gzip.BadGzipFile) as error:
        raise FormatError(f"{path} is damaged: {error}; copy or write it again") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


@contextmanager
def open_bytes(path: Path) -> Iterator[io.BufferedIOBase]:
    """The decompressed bytes of a plain, gzip or bgzip file.

    Raises:
        InputError: it cannot be read, when it is opened or later.
        FormatError: a bgzip file without its end marker, a gzip stream that is cut or damaged.
    """
    if is_bgzf(path):
        check_eof_block(path)
    packed = is_gzip(path)
    with open_input(path) as raw, _read_errors(path):
        if packed:
            with gzip.GzipFile(fileobj=raw, mode="rb") as file:
                yield file
        else:
            yield raw


def _line_blocks(source: io.BufferedIOBase) -> Iterator[bytes]:
    """Whole data lines in blocks of some MiB, without those that hold no data."""
    carry, block = b"", b"?"
    while block:
        block = source.read(_CHUNK)
        cut = block.rfind(b"\n") + 1
        if block and not cut:
            if len(block) > LONGEST_LINE:
                raise MalformedTable("a line is too long")
            carry += block
            continue
        lines, carry = carry + block[:cut], block[cut:]
        if _NO_DATA.match(lines) or any(mark in lines for mark in _MAYBE_NO_DATA):
            lines = _NO_DATA.sub(b"", lines)
        if lines.strip():
            yield lines


def numbered_lines(path: Path) -> Iterator[Line]:
    """The data lines of a file, one at a time, with their numbers; slow.

    Raises:
        InputError: it cannot be read.
        FormatError: its compressed stream is cut or damaged, or it is beyond what a table can be.
    """
    last_data = 0
    with open_bytes(path) as file:
        for number in itertools.count(1):
            line = file.readline(LONGEST_LINE + 1)
            if not line:
                return
            if len(line) > LONGEST_LINE:
                raise FormatError(
                    f"{path} line {number} is longer than {LONGEST_LINE:,} bytes: this is no table "
                    "of tab-separated lines"
                )
            if _NO_DATA.fullmatch(line):
                if number - last_data > MOST_WITHOUT_DATA:
                    raise FormatError(
                        f"{path} has no line of data among lines {last_data + 1:,} to {number:,}"
                    )
                continue
            last_data = number
            text = line.decode(errors="replace").rstrip("\r\n")
            if (columns := text.count("\t") + 1) > MOST_COLUMNS:
                raise FormatError(
                    f"{path} line {number} has {columns:,} columns; at most {MOST_COLUMNS:,} are "
                    "read"
                )
            yield Line(number, text.split("\t"))


def first_line(path: Path) -> Line | None:
    """The first data line, or None where the file holds none."""
    return next(numbered_lines(path), None)


class MalformedTable(Exception):  # noqa: N818
    """The fast path met a line that it cannot convert; the caller finds out which."""


def table_batches(
    path: Path, columns: dict[str, pa.DataType], wanted: list[str]
) -> Iterator[pa.RecordBatch]:
    """Arrow batches of the data lines.

    Args:
        path: plain, gzip or bgzip text.
        columns: name and type of every column of the file.
        wanted: names of the columns to convert; the others are not looked at.

    Yields:
        record batches of a few hundred thousand rows with the ``wanted`` columns, no nulls.

    Raises:
        MalformedTable: a line has another number of columns or a value of another type.
        InputError: the file cannot be read.
        FormatError: its compressed stream is cut or damaged.
    """
    reading = pa_csv.ReadOptions(column_names=list(columns))
    parsing = pa_csv.ParseOptions(delimiter="\t", quote_char=False)
    converting = pa_csv.ConvertOptions(column_types=columns, include_columns=wanted, null_values=[])
    with open_bytes(path) as file:
        # Arrow gets bytes, never the Python file: its reading threads would outlive an error and
        # block the interpreter's exit.
        for lines in _line_blocks(file):
            try:
                table = pa_csv.read_csv(pa.BufferReader(lines), reading, parsing, converting)
            except pa.ArrowInvalid as error:
                raise MalformedTable(str(error)) from error
            yield from table.combine_chunks().to_batches()


def parse_int32(text: str) -> int | None:
    """The integer that ``text`` writes, or None where it is not one of at most 32 bits."""
    if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdecimal():
        return None
    value = int(text)
    return value if -INT32_MAX <= value <= INT32_MAX else None


# ---- Small tables whose header names their columns.


def read_columns(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Rows of a table, by the names of its columns.

    Args:
        path: tab-separated text, plain, gzip or bgzip. Its first line names the columns, in any
            order; others than those asked for are not looked at. Lines that start with ``#`` and
            empty lines do not count.
        columns: to read.

    Yields:
        the line's number in the file, from 1, and its fields in the order of ``columns``.

    Raises:
        InputError: the file cannot be read.
        FormatError: a column is missing, or a line has another number of fields than the header.
    """
    lines = numbered_lines(path)
    header = next(lines, None)
    names = [] if header is None else header.fields
    missing = [name for name in columns if name not in names]
    if missing:
        raise FormatError(
            f"{path}: the header must name the columns {', '.join(columns)}, separated by tabs; it "
            f"lacks {', '.join(missing)}"
        )
    places = [names.index(name) for name in columns]
    for line in lines:
        if len(line.fields) != len(names):
            raise FormatError(
                f"{path} line {line.number}: {len(line.fields)} fields, the header has {len(names)}"
            )
        yield line.number, [line.fields[place] for place in places]


def write_tsv(
    path: Path,
    header: Iterable[str],
    rows: Iterable[Iterable[object]],
    comments: Iterable[str] = (),
) -> None:
    """Write a table, which appears when it is complete; see :func:`tsv_lines`.

    The ``comments`` are lines before the header, behind ``#``.

    Raises:
        OutputError: it cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {comment}\n" for comment in comments)
        file.writelines(tsv_lines([header]))
        file.writelines(tsv_lines(rows))


def tsv_lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Lines of a table: a float has six significant digits (``nan`` for none), None is empty.

    A tab or line break in a text would begin another field or line: each becomes a space.
    """
    for row in rows:
        yield "\t".join(map(_field, row)) + "\n"


def _field(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    return _BREAKS.sub(" ", str(value))


# ---- Names and colours of chromatin states, from a table.


def read_state_table(path: Path) -> tuple[Label, ...]:
    """Read a table with the columns ``state`` (code), ``name`` and ``color`` (R,G,B).

    Raises:
        InputError: the file cannot be read.
        FormatError: names the file, the line and what is wrong.
    """
    labels: dict[str, Label] = {}
    for number, (state, name, color) in read_columns(path, ("state", "name", "color")):
        try:
            red, green, blue = (int(value) for value in color.split(","))
        except ValueError as error:
            raise FormatError(f"{path} line {number}: color {color!r} is not R,G,B") from error
        if state in labels:
            raise FormatError(f"{path} line {number}: state {state!r} is there twice")
        try:
            labels[state] = Label(state, name, (red, green, blue))
        except SpecError as error:
            raise FormatError(f"{path} line {number}: {error}") from error
    if len(labels) < 2:
        raise FormatError(f"{path}: a states head needs at least two states")
    return tuple(labels.values())


# ---- DNA shape by pentamer, from a table.

COLUMNS = ("MGW", "ProT", "Roll1", "Roll2", "HelT1", "HelT2")
"""Minor groove width (angstrom) and propeller twist (degrees) of the central base; roll and helix
twist (degrees) of the step before and the step after it."""


def read_shape_table(path: Path) -> NDArray[np.float64]:
    """Read a pentamer table such as that of Zhou et al. 2013 (doi:10.1093/nar/gkt437).

    Args:
        path: tab-separated with the header ``pentamer`` and :data:`COLUMNS`, in any order, and one
            row for each of the 1,024 pentamers.

    Returns:
        float64 (1024, 6): rows in the order AAAAA, AAAAC ... TTTTT, columns as :data:`COLUMNS`.

    Raises:
        InputError: the file cannot be read.
        FormatError: a column, a pentamer or a number is missing, or a pentamer is there twice.
    """
    codes = {"".join(word): code for code, word in enumerate(itertools.product("ACGT", repeat=5))}
    table = np.full((len(codes), len(COLUMNS)), np.nan)
    for number, (word, *fields) in read_columns(path, ("pentamer", *COLUMNS)):
        if word not in codes:
            raise FormatError(f"{path} line {number}: {word!r} is not a pentamer of A, C, G, T")
        if not np.isnan(table[codes[word], 0]):
            raise FormatError(f"{path} line {number}: pentamer {word} is there twice")
        try:
            values = [float(field) for field in fields]
        except ValueError as error:
            raise FormatError(f"{path} line {number}: {error}") from error
        if not np.isfinite(values).all():
            raise FormatError(f"{path} line {number}: a value of {word} is not finite")
        table[codes[word]] = values
    absent = [word for word, code in codes.items() if np.isnan(table[code, 0])]
    if absent:
        raise FormatError(f"{path} has no row for {absent[0]} ({len(absent)} of 1,024 are missing)")
    return table

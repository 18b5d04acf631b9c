"""V-plots of several classes and quantities on the same axes, and their file of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import FormatError, InputError
from chromputer_tracks.io.atomic import atomic_path
from chromputer_tracks.io.text import numbered_lines, read_columns
from chromputer_tracks.spec import Label

Float64 = NDArray[np.float64]

_LEADING = ("length", "class", "sites", "quantity")
_DIGITS = 9
"""Significant digits of a value in a file; float32 has 7."""


@dataclass(frozen=True, slots=True)
class VplotAxes:
    """What the pixels of an image stand for.

    Attributes:
        start: bp of the first pixel's left border, from the site; of a locus: in its contig,
            0-based.
        bin: bp per position bin.
        bins: number of position bins.
        edges: fragment-length class edges in bp, ascending; class i holds
            ``edges[i] <= length < edges[i + 1]``.
        contig: of a locus; empty where positions count from a site.
    """

    start: int
    bin: int
    bins: int
    edges: tuple[int, ...]
    contig: str = ""

    @classmethod
    def around_site(cls, window: int, bin_size: int, edges: tuple[int, ...]) -> VplotAxes:
        """Axes of a window of ``window`` bp with the site in its middle."""
        return cls(-(window // 2), bin_size, window // bin_size, edges)

    @property
    def end(self) -> int:
        """Right border of the last pixel, bp."""
        return self.start + self.bin * self.bins

    @property
    def shape(self) -> tuple[int, int]:
        """Of an image: lengths, positions."""
        return len(self.edges) - 1, self.bins

    @property
    def positions(self) -> list[int]:
        """Left border of each position bin, bp."""
        return list(range(self.start, self.end, self.bin))


@dataclass(frozen=True, slots=True)
class Quantity:
    """What the values of an image are.

    Attributes:
        name: short, as the file of numbers has it.
        title: above a column of images.
        unit: of the values as stored.
        shown: unit of the values as drawn.
        factor: that drawn values are multiplied by for the numbers of the scale.
        per_area: values are counts that grow with a pixel's size, and are drawn per bp of position
            and bp of length.
        signed: values lie around 0; else they are at least 0.
        gamma: exponent of the colour scale of values at least 0: below 1 shows weak signal beside
            strong.
    """

    name: str
    title: str
    unit: str
    shown: str
    factor: float = 1.0
    per_area: bool = False
    signed: bool = False
    gamma: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class VplotImage:
    """One image and what its margins show.

    Attributes:
        values: float64 (lengths, positions); NaN where there is no value.
        profile: float64 (positions,), over all lengths; None: no margins.
        lengths: float64 (lengths,), over all positions; None: no margins.
    """

    values: Float64
    profile: Float64 | None = None
    lengths: Float64 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class VplotRow:
    """The images of one class.

    Attributes:
        name: of the class.
        title: shown; may be longer.
        color: of the class, RGB; None: none.
        sites: number of sites.
        images: one for each quantity of the table.
        points: midpoints (bp, as the axes count) and lengths of single fragments to mark.
    """

    name: str
    title: str
    sites: int
    images: tuple[VplotImage, ...]
    color: tuple[int, int, int] | None = None
    points: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class VplotTable:
    """Images of the same axes: rows are classes, columns are quantities."""

    axes: VplotAxes
    quantities: tuple[Quantity, ...]
    rows: tuple[VplotRow, ...]


def label_title(label: Label) -> str:
    """A label's name and full name, but for the name where the full one begins with it."""
    return label.title if label.title.startswith(label.name) else f"{label.name} {label.title}"


def write_vplot_tsv(path: Path, table: VplotTable) -> None:
    """Write all images of a table as one file of numbers.

    One line a length class of an image: ``length`` (``20:30``, in bp, the second not included),
    ``class``, ``sites``, ``quantity``, then one column a position bin, named by its borders in bp
    from the site (``-10:0``; of a locus: 0-based, in its contig). Lines that begin with ``#`` say
    what the quantities are. A pixel without a value is ``nan``.

    Raises:
        OutputError: it cannot be written.
    """
    axes = table.axes
    # A leading # would make a line of data a comment; tabs cannot be in a BED's field.
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        where = f"{axes.contig}, 0-based" if axes.contig else "bp from the site"
        file.write(f"#length and positions: start:end, end not included; positions: {where}\n")
        for quantity in table.quantities:
            file.write(f"#{quantity.name}: {quantity.unit}\n")
        columns = [f"{at}:{at + axes.bin}" for at in axes.positions]
        file.write("\t".join([*_LEADING, *columns]) + "\n")
        for row in table.rows:
            for quantity, image in zip(table.quantities, row.images, strict=True):
                for index, values in enumerate(image.values):
                    length = f"{axes.edges[index]}:{axes.edges[index + 1]}"
                    fields = [length, row.name, str(row.sites), quantity.name]
                    fields += [f"{value:.{_DIGITS}g}" for value in values.tolist()]
                    file.write("\t".join(fields) + "\n")


@dataclass(frozen=True, slots=True, eq=False)
class VplotNumbers:
    """What a file of numbers holds.

    Attributes:
        edges: length class edges, bp.
        positions: borders of the position bins, bp; one more than there are bins.
        sites: number of sites by class.
        images: (class, quantity) to float64 (lengths, positions).
    """

    edges: tuple[int, ...]
    positions: tuple[int, ...]
    sites: dict[str, int]
    images: dict[tuple[str, str], Float64]


def read_vplot_tsv(path: Path) -> VplotNumbers:
    """Read what :func:`write_vplot_tsv` wrote.

    Raises:
        InputError: the file cannot be read, or holds no image.
        FormatError: it is malformed; names the line.
    """
    header = next(numbered_lines(path), None)
    columns = [] if header is None else header.fields
    if header is None or tuple(columns[: len(_LEADING)]) != _LEADING or len(columns) < 5:
        raise FormatError(
            f"{path} is no file of V-plots: its header does not begin with {', '.join(_LEADING)}"
        )
    bins = [_span(path, header.number, text) for text in columns[len(_LEADING) :]]
    rows: dict[tuple[str, str], list[list[float]]] = {}
    spans: dict[tuple[str, str], list[tuple[int, int]]] = {}
    sites: dict[str, int] = {}
    for number, fields in read_columns(path, columns):
        length, name, count, quantity = fields[: len(_LEADING)]
        key = name, quantity
        try:
            rows.setdefault(key, []).append([float(text) for text in fields[len(_LEADING) :]])
            sites[name] = int(count)
        except ValueError as error:
            raise FormatError(f"{path} line {number}: {error}") from error
        spans.setdefault(key, []).append(_span(path, number, length))
    if not rows:
        raise InputError(f"{path} holds no V-plot")
    edges = _joined(path, next(iter(spans.values())))
    for (name, quantity), found in spans.items():
        if _joined(path, found) != edges:
            raise FormatError(
                f"{path}: {quantity} of {name} has other length classes than the first image"
            )
    images = {key: np.array(values) for key, values in rows.items()}
    return VplotNumbers(edges, _joined(path, bins), sites, images)


def _span(path: Path, number: int, text: str) -> tuple[int, int]:
    low, _, high = text.partition(":")
    try:
        return int(low), int(high)
    except ValueError as error:
        raise FormatError(f"{path} line {number}: {text!r} is not start:end") from error


def _joined(path: Path, spans: list[tuple[int, int]]) -> tuple[int, ...]:
    """Borders of spans, each of which begins where the last one ends."""

    def borders() -> Iterator[int]:
        yield spans[0][0]
        for before, (low, high) in zip([spans[0][0], *(s[1] for s in spans)], spans, strict=False):
            if low != before:
                raise FormatError(f"{path}: {low}:{high} does not begin at {before}")
            yield high

    return tuple(borders())

"""All coordinate arithmetic: intervals, contig sizes, regions and the grid of outputs.

Everything is 0-based and half-open. Conversions to other conventions happen in the file adapters;
what is printed for people is 1-based and inclusive, by :func:`format_region`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chromputer_tracks.errors import (
    BoundsError,
    ContigError,
    FormatError,
    InputError,
    counted,
    meant,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_REGION = re.compile(r"(?P<chrom>\S+?)(?::(?P<start>[0-9][0-9,]*)-(?P<end>[0-9][0-9,]*))?")


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """A stretch of a contig, 0-based, half-open; ``start`` may be negative for padded windows."""

    chrom: str
    start: int
    end: int

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise InputError(
                f"Interval({self.chrom!r}, {self.start}, {self.end}) is empty or reversed: its end "
                "must be above its start"
            )

    def __len__(self) -> int:
        return self.end - self.start

    def __str__(self) -> str:
        return format_region(self)

    @property
    def centre(self) -> int:
        """The base right of the middle: ``(start + end) // 2``."""
        return (self.start + self.end) // 2

    def shift(self, bases: int) -> Interval:
        """The interval moved right by ``bases``."""
        return Interval(self.chrom, self.start + bases, self.end + bases)

    @classmethod
    def centred(cls, chrom: str, centre: int, width: int) -> Interval:
        """The interval of ``width`` bases whose ``centre`` property is ``centre``."""
        start = centre - width // 2
        return cls(chrom, start, start + width)


class ChromSizes(Mapping[str, int]):
    """Contig names and lengths in the order of the genome file; the authority on contigs.

    Args:
        sizes: name to length in bp, in file order.
        source: where they came from, for error messages.
    """

    def __init__(self, sizes: Mapping[str, int], source: str = "the genome") -> None:
        for name, size in sizes.items():
            if size <= 0:
                raise FormatError(f"{source}: contig {name} has length {size}")
        self._sizes = dict(sizes)
        self.source = source
        self._left_out: Callable[[str], None] | None = None

    def __getitem__(self, chrom: str) -> int:
        return self._sizes[chrom]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sizes)

    def __len__(self) -> int:
        return len(self._sizes)

    def __repr__(self) -> str:
        return f"<ChromSizes of {self.source}: {len(self)} contigs, {self.total:,} bp>"

    def leave_out_others(self, note: Callable[[str], None]) -> None:
        """From now on files may use other contigs: those rows are left out, and ``note`` is told.

        It is meant for files of regions, read by :mod:`chromputer_tracks.io.bed`, whose rows are
        few; fragments are counted by their own reader.
        """
        self._left_out = note

    @property
    def leaves_out_others(self) -> bool:
        """Whether rows on other contigs are left out; else they are an error."""
        return self._left_out is not None

    def tell_left_out(self, rows: int, names: Iterable[str], source: str) -> None:
        """Tell that so many rows of a file lie on other contigs."""
        if self._left_out is not None and rows:
            others = sorted(names)
            more = ", ..." if len(others) > 3 else ""
            self._left_out(
                f"{source}: {counted(rows, 'row')} on {counted(len(others), 'contig')} that "
                f"{self.source} lacks left out ({', '.join(others[:3])}{more})"
            )

    @property
    def total(self) -> int:
        """Sum of all contig lengths, bp."""
        return sum(self._sizes.values())

    def digest(self) -> str:
        """SHA-256 over the sorted ``name<TAB>size`` lines: equal for equal assemblies."""
        lines = "".join(f"{name}\t{size}\n" for name, size in sorted(self._sizes.items()))
        return hashlib.sha256(lines.encode()).hexdigest()

    def require(self, chrom: str, source: str) -> int:
        """Length of ``chrom``; ``ContigError`` naming both files when it is unknown."""
        try:
            return self._sizes[chrom]
        except KeyError:
            raise ContigError(
                f"{source}: contig {chrom!r} is not in {self.source}{self._hint(chrom)}"
            ) from None

    def _hint(self, chrom: str) -> str:
        other = self.other_name(chrom)
        if other is not None:
            return f", which calls it {other!r}: use one name for it"
        shown = ", ".join(list(self._sizes)[:5])
        # Of chr5 and chr6 neither stands for the other.
        kinds = [name for name in self._sizes if _letters(name) != _letters(chrom)]
        close = "" if len(self._sizes) > _MOST_COMPARED else meant(chrom, kinds)
        return f" (its contigs: {shown}{', ...' if len(self._sizes) > 5 else ''}){close}"

    def other_name(self, chrom: str) -> str | None:
        """What this genome calls a contig of another source's name; None where it has none."""
        return next((name for name in _other_names(chrom) if name in self._sizes), None)

    def check(self, interval: Interval, source: str) -> Interval:
        """The interval itself when it lies inside its contig, else an error naming ``source``."""
        size = self.require(interval.chrom, source)
        if interval.start < 0:
            raise BoundsError(f"{source}: {interval} starts before base 1")
        if interval.end > size:
            raise BoundsError(f"{source}: {interval} ends past {interval.chrom} ({size:,} bp)")
        return interval


_MITOCHONDRIAL = ("M", "MT", "Mt", "Mito", "mitochondrion")
_ROMAN = ((50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))
_MOST_COMPARED = 10_000
"""Contigs among which one that is spelt alike is sought; it takes time."""


def _other_names(chrom: str) -> list[str]:
    """What other sources may call a contig: ``1``, ``chrI`` and ``I`` for ``chr1``; ``chrM``."""
    bare = re.sub("(?i)^chr(om(osome)?)?[_.]?", "", chrom)
    names = [bare]
    if bare.isascii() and bare.isdecimal() and len(bare) < 3:
        names += [str(int(bare)), _roman(int(bare))]
    else:
        names += [str(number) for number in range(1, 50) if _roman(number) == bare.upper()]
    if bare.casefold() in {name.casefold() for name in _MITOCHONDRIAL}:
        names += _MITOCHONDRIAL
    found = [prefix + name for name in names for prefix in ("chr", "", "Chr") if name]
    return [name for name in dict.fromkeys(found) if name != chrom]


def _roman(number: int) -> str:
    text = ""
    for value, letters in _ROMAN:
        text += letters * (number // value)
        number %= value
    return text


def _letters(name: str) -> str:
    """A name without its number or letter, in lower case: ``chr`` of chr5, chrIX and chrM."""
    return re.sub("[0-9]+|(?<=chr)([IVXL]+|[A-Z])$", "", name).casefold()


def check_contigs(names: Mapping[str, int] | list[str], source: str, sizes: ChromSizes) -> None:
    """Check that each contig that ``source`` uses is in the genome (with the same length).

    Args:
        names: contigs used by the file; a mapping also carries their lengths in bp (0: unknown).
        source: the file's name, for messages.
        sizes: the genome's contigs.

    Raises:
        ContigError: names both files and the first differences; ``1`` beside ``chr1`` gets a hint.
    """
    missing = [name for name in names if name not in sizes]
    if missing:
        shown = ", ".join(repr(name) for name in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        renamed = [other for name in missing if (other := sizes.other_name(name)) is not None]
        if renamed:
            hint = (
                f"; {sizes.source} has {renamed[0]!r}: rename the contigs of one of the two files"
            )
        else:
            has = ", ".join(repr(name) for name in list(sizes)[:3])
            hint = f"; {sizes.source} has {has} ...: are they the same assembly?"
        raise ContigError(f"{source}: {shown}{more} not in {sizes.source}{hint}")
    if isinstance(names, Mapping):
        for name, length in names.items():
            if length and length != sizes[name]:
                raise ContigError(
                    f"{source}: {name} is {length:,} bp, but {sizes[name]:,} bp in "
                    f"{sizes.source}: are they the same assembly?"
                )


def parse_region(text: str, sizes: ChromSizes) -> Interval:
    """``chrI`` or ``chrI:1,001-2,000`` (1-based, inclusive, as browsers show it) to an Interval.

    Raises:
        FormatError: the text is no region.
        ContigError: the contig is unknown.
        BoundsError: the region leaves its contig.
    """
    text = text.strip()
    if text in sizes:
        return Interval(text, 0, sizes[text])
    match = _REGION.fullmatch(text)
    if not match:
        raise FormatError(f"{text!r} is not a region; write it as chrI or chrI:1,001-2,000")
    chrom = match["chrom"]
    if match["start"] is None and chrom.rpartition(":")[0] in sizes:
        raise FormatError(f"{text!r} is not a region; write it as chrI or chrI:1,001-2,000")
    size = sizes.require(chrom, f"region {text!r}")
    if match["start"] is None:
        return Interval(chrom, 0, size)
    start, end = (int(match[key].replace(",", "")) for key in ("start", "end"))
    if start < 1 or end < start:
        raise FormatError(f"region {text!r} is empty or starts before 1")
    return sizes.check(Interval(chrom, start - 1, end), f"region {text!r}")


def format_region(interval: Interval) -> str:
    """The browser's form, 1-based inclusive; the inverse of :func:`parse_region`."""
    return format_span(interval.chrom, interval.start, interval.end)


def format_span(chrom: str, start: int, end: int) -> str:
    """The same of what may be no interval: ``start`` bp, 0-based, ``end`` exclusive."""
    return f"{chrom}:{start + 1:,}-{end:,}"


def runs(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Start and end (exclusive) of each run of True, int64 (runs, 2)."""
    import numpy as np  # not at start-up

    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    return edges.astype(np.int64).reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class Grid:
    """Where a sliding model's outputs lie.

    Output ``k`` of a contig speaks for the bin ``[k * stride, (k + 1) * stride)``, cut at the
    contig's end, and reads the ``window`` bases around the bin's centre. ``window - stride`` must
    be even, so that the window lies symmetrically around the bin.
    """

    window: int
    stride: int

    def __post_init__(self) -> None:
        if self.stride < 1 or self.window < self.stride:
            raise InputError(f"window {self.window} and stride {self.stride} do not fit")
        if (self.window - self.stride) % 2:
            raise InputError(f"window {self.window} minus stride {self.stride} must be even")

    @property
    def flank(self) -> int:
        """Bases that a window reads on each side of its bin."""
        return (self.window - self.stride) // 2

    def count(self, size: int) -> int:
        """Number of outputs that cover a contig of ``size`` bp."""
        return -(-size // self.stride)

    def span(self, chrom: str, first: int, last: int) -> Interval:
        """The bases that outputs ``first`` to ``last`` (exclusive) read; may leave the contig."""
        return Interval(chrom, first * self.stride - self.flank, last * self.stride + self.flank)

    def bins(self, start: int, end: int) -> tuple[int, int]:
        """First and last (exclusive) output whose bin touches ``[start, end)``."""
        return start // self.stride, -(-end // self.stride)

    def tiles(self, first: int, last: int, size: int) -> Iterator[tuple[int, int]]:
        """Cut outputs ``[first, last)`` into runs of at most ``size`` outputs, in order."""
        for begin in range(first, last, size):
            yield begin, min(begin + size, last)

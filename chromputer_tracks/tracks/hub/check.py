"""Checks of bigWig and bigBed files before a hub names them, so that a browser can draw them.

The container is that of Kent et al. 2010 (doi:10.1093/bioinformatics/btq351, supplement tables 5
to 18); pybigtools reads the header, the contigs and the zoom levels, and the index is walked here.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import pybigtools

from chromputer_tracks.errors import ContigError, FormatError
from chromputer_tracks.intervals import ChromSizes, check_contigs
from chromputer_tracks.io import bbi
from chromputer_tracks.io.bgzf import open_input

BIGBED_MAGIC = 0x8789F2EB

_HEADER = struct.Struct("<IHHQQQHH")
"""Magic, version, zoom levels, offsets of contigs, data and index; fields, defined fields."""
_ZOOM = struct.Struct("<IIQQ")
"""Reduction, reserved, offsets of data and index of a zoom level."""
_MOST_BLOCKS = 64
"""Blocks of a contig that are read quickly without zoom levels; small files have none."""
_TREE_HEADER = 48
"""Bytes before the first node of a range tree."""
_BRANCH = np.dtype(bbi.LEAF.descr[:-1])
_BARE = re.compile(r"\d+[LR]?|[IVX]+|[XYWZ]|MT?|Mito", re.IGNORECASE)
"""Names of chromosomes that UCSC begins with ``chr``."""
_KNOWN = {
    "hg18": ("chr1", 247_249_719),
    "hg19": ("chr1", 249_250_621),
    "hg38": ("chr1", 248_956_422),
    "mm9": ("chr1", 197_195_432),
    "mm10": ("chr1", 195_471_971),
    "mm39": ("chr1", 195_154_279),
    "rn7": ("chr1", 260_522_016),
    "danRer11": ("chr1", 59_578_282),
    "dm3": ("chr2L", 23_011_544),
    "dm6": ("chr2L", 23_513_712),
    "ce11": ("chrI", 15_072_434),
    "sacCer3": ("chrI", 230_218),
}
"""A contig of assemblies at UCSC, and its length (bp), which no other of them has."""


class BbiFile(NamedTuple):
    """What a file holds: its contigs (bp), and the range of its values."""

    contigs: dict[str, int]
    low: float
    high: float


def check_bbi(path: Path, type_: str, sizes: ChromSizes | None) -> BbiFile:
    """Check a file: that it is what its track says, its contigs, order and zoom levels.

    Args:
        path: bigWig or bigBed.
        type_: of the track, as in ``trackDb.txt``: ``bigWig``, ``bigBed 9 .`` ...
        sizes: contigs of the genome; None: they are not checked.

    Raises:
        InputError: it cannot be read.
        FormatError: it is of another type, damaged, not sorted, or has no zoom levels.
        ContigError: contigs that the genome lacks, or of another length.
    """
    words = type_.split()
    with open_input(path) as file:
        head = file.read(_HEADER.size)
        wanted = bbi.BIGWIG_MAGIC if words[0] == "bigWig" else BIGBED_MAGIC
        if len(head) < _HEADER.size or struct.unpack_from("<I", head) != (wanted,):
            raise FormatError(f"{path} is not a {words[0]}: it starts with {head[:4]!r}")
        _, _, zooms, _, _, index, fields, defined = _HEADER.unpack(head)
        if words[0] == "bigBed" and not int(words[1]) == fields == defined:
            raise FormatError(
                f"{path} has {fields} columns, {defined} of them of BED, but its track is a {type_}"
            )
        try:
            blocks = _count_sorted(path, _leaves(file, index))
            for zoom in range(zooms):
                file.seek(bbi.HEADER_BYTES + bbi.ZOOM_HEADER_BYTES * zoom)
                _, _, _, of_zoom = _ZOOM.unpack(file.read(_ZOOM.size))
                _count_sorted(path, _leaves(file, of_zoom))
        except (struct.error, OSError, ValueError) as error:
            raise _damaged(path, error) from error
        if not zooms and blocks > _MOST_BLOCKS:
            raise FormatError(
                f"{path} has no zoom levels, without which browsers are slow or show nothing: "
                "write it again with a tool that adds them"
            )
    found = _read(path)
    if sizes is not None:
        check_contigs(found.contigs, str(path), sizes)
    return found


def _read(path: Path) -> BbiFile:
    try:
        with path.open("rb") as source, pybigtools.open(source) as file:
            contigs: dict[str, int] = file.chroms()
            summary: dict[str, Any] = file.info()["summary"]
    except (pybigtools.BBIReadError, OSError, ValueError) as error:
        raise _damaged(path, error) from error
    except BaseException as error:
        # It panics on some damage, with a class that cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise _damaged(path, error) from error
    return BbiFile(contigs, float(summary["min"]), float(summary["max"]))


def _damaged(path: Path, error: BaseException) -> FormatError:
    return FormatError(f"{path} is truncated or damaged ({error}); copy or write it again")


def _count_sorted(path: Path, leaves: Iterator[np.ndarray]) -> int:
    """The number of blocks of the contig that has most, all of which must be in order."""
    last, count, most = (-1, -1), 0, 0
    for block in leaves:
        first = (int(block["first_contig"]), int(block["start"]))
        if first < last:
            raise FormatError(f"{path} is not sorted by contig and start: sort it and write again")
        count = count + 1 if first[0] == last[0] else 1
        last, most = first, max(most, count)
    return most


def _leaves(file: IO[bytes], index: int) -> Iterator[np.ndarray]:
    """Blocks of data in the order of the index.

    Raises:
        ValueError: there is no index, it leads back to itself, or a block leaves the file.
    """
    end = file.seek(0, 2)
    file.seek(index)
    magic, _ = struct.unpack("<II", file.read(8))
    if magic != bbi.RANGE_TREE_MAGIC:
        raise ValueError("its index is not where its header says")
    nodes = [index + _TREE_HEADER]
    read: set[int] = set()
    while nodes:
        node = nodes.pop()
        if node in read:
            raise ValueError("its index leads back to itself")
        read.add(node)
        file.seek(node)
        is_leaf, _, count = struct.unpack("<BBH", file.read(4))
        kind = bbi.LEAF if is_leaf else _BRANCH
        items = np.frombuffer(file.read(count * kind.itemsize), kind, count)
        if is_leaf:
            if (items["offset"] + items["size"] > end).any():
                raise ValueError("a block of data leaves the file")
            yield from items
        else:
            nodes += reversed(items["offset"].tolist())


def check_names(contigs: dict[str, int], assembly: str, source: str) -> None:
    """Check that contigs are called as UCSC calls those of its own assemblies.

    Those of assemblies with accession numbers (``GCA_``, ``GCF_``) have several names there.

    Args:
        contigs: of the tracks.
        assembly: name of an assembly at UCSC.
        source: of the contigs, for messages.

    Raises:
        ContigError: chromosomes are called ``1``, ``I``, ``X`` or ``MT``.
    """
    if assembly.startswith(("GCA_", "GCF_")):
        return
    bare = [name for name in contigs if _BARE.fullmatch(name)]
    if bare:
        raise ContigError(
            f"{source}: contig {bare[0]!r} is called {'chr' + bare[0]!r} in UCSC's {assembly}, "
            "where these tracks would stay empty: run `chromputer predict` with a FASTA that has "
            "UCSC's names, or give your FASTA with --fasta, and the hub brings its own genome"
        )


def check_known(contigs: dict[str, int], assembly: str, source: str) -> bool:
    """Compare contigs with one of those of a common assembly at UCSC; whether that was possible.

    Args:
        contigs: of the tracks.
        assembly: name of an assembly at UCSC.
        source: of the contigs, for messages.

    Raises:
        ContigError: they are of another assembly.
    """
    if assembly not in _KNOWN:
        return False
    name, size = _KNOWN[assembly]
    if contigs.get(name) == size:
        return True
    other = next((key for key, (c, bases) in _KNOWN.items() if contigs.get(c) == bases), None)
    if name not in contigs and other is None:
        return False
    contig = name if other is None else _KNOWN[other][0]
    found = f"{contig} has {contigs[contig]:,} bp"
    theirs = f"{found}, as in {other}" if other else f"{found}, in {assembly} {size:,} bp"
    raise ContigError(
        f"{source} is not of UCSC's {assembly}: {theirs}; give the assembly of these tracks with "
        "--assembly"
    )

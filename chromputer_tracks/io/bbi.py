"""The container of bigWig files: header, contig tree and range tree, as bytes.

Layout and field order follow Kent et al. 2010 (doi:10.1093/bioinformatics/btq351, supplement
tables 5 to 18), version 4, little-endian. :mod:`chromputer_tracks.io.bigwig` fills it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

import numpy as np
import pybigtools

from chromputer_tracks.errors import FormatError, reason
from chromputer_tracks.intervals import ChromSizes, check_contigs
from chromputer_tracks.io.text import open_input

Item = TypeVar("Item")

BIGWIG_MAGIC = 0x888FFC26
CONTIG_TREE_MAGIC = 0x78CA8C91
RANGE_TREE_MAGIC = 0x2468ACE0
HEADER_BYTES = 64
SUMMARY_BYTES = 40
_FANOUT = 256

_SPAN = [(name, "<u4") for name in ("first_contig", "start", "last_contig", "end")]
_BRANCH = np.dtype([*_SPAN, ("offset", "<u8")])
LEAF = np.dtype([*_SPAN, ("offset", "<u8"), ("size", "<u8")])
"""One block of data: its bases (contig ids, 0-based start, exclusive end), place and bytes."""

_CONTIG_HEAD = struct.Struct("<IIIIQQ")
"""Magic, items a node, bytes of a name and of a value, contigs, reserved."""
_ZOOM = struct.Struct("<IIQQ")
"""Reduction, reserved, offsets of data and index of a zoom level."""
ZOOM_HEADER_BYTES = _ZOOM.size


class Summary(NamedTuple):
    """Whole-file totals, weighted by bases: ``bases`` covered, extremes, sum, sum of squares."""

    bases: int
    minimum: float
    maximum: float
    total: float
    squares: float

    def pack(self) -> bytes:
        """The 40 bytes of the total-summary block."""
        return struct.pack("<Qdddd", *self)


@dataclass(frozen=True, slots=True)
class Zoom:
    """One zoom level: bp per record and the file offsets of its data and index."""

    reduction: int
    data: int
    index: int


def header(
    *, tree: int, data: int, index: int, summary: int, buffer: int, zooms: Sequence[Zoom]
) -> bytes:
    """The fixed header with the headers of ``zooms``, finest first.

    ``tree``, ``data``, ``index`` and ``summary`` are file offsets of the contig tree, the
    full-resolution data and its range tree, and the total summary; ``buffer`` is bytes of the
    largest block before compression.
    """
    numbers = (BIGWIG_MAGIC, 4, len(zooms), tree, data, index, 0, 0, 0, summary, buffer, 0)
    fixed = struct.pack("<IHHQQQHHQQIQ", *numbers)
    return fixed + b"".join(_ZOOM.pack(z.reduction, 0, z.data, z.index) for z in zooms)


# The two indexes are trees so that a browser, which reads a file over the network, finds one place
# with few small requests: a node of 256 entries is read whole, and the blocks of a human genome lie
# two or three nodes deep. Both are built bottom-up from sorted entries: leaves are filled one after
# the other, a level above has an entry for each node below, until one node is left. All nodes but
# the last of a level are full, so that a node's place follows from its rank.


def contig_tree(contigs: Sequence[tuple[str, int]], offset: int) -> bytes:
    """The B+ tree from contig name to (id, size), which will stand at ``offset`` of the file.

    Contigs are (name, bp), sorted by the bytes of the name; the id is the rank.
    """
    keys = [name.encode() for name, _ in contigs]
    width = max(len(key) for key in keys)
    fanout = min(_FANOUT, len(keys))
    head = _CONTIG_HEAD.pack(CONTIG_TREE_MAGIC, fanout, width, 8, len(keys), 0)
    items = [(key, struct.pack("<II", rank, contigs[rank][1])) for rank, key in enumerate(keys)]
    node_bytes = 4 + fanout * (width + 8)

    levels = [_chunks(items, fanout)]
    while len(levels[0]) > 1:
        levels.insert(0, _chunks([(node[0][0], b"") for node in levels[0]], fanout))

    out = [head]
    at = offset + len(head)
    for depth, nodes in enumerate(levels):
        child = at + len(nodes) * node_bytes
        is_leaf = depth == len(levels) - 1
        for node in nodes:
            body = struct.pack("<BBH", is_leaf, 0, len(node))
            for key, value in node:
                body += key.ljust(width, b"\0")
                if is_leaf:
                    body += value
                else:
                    body += struct.pack("<Q", child)
                    child += node_bytes
            out.append(body.ljust(node_bytes, b"\0"))
        at += len(nodes) * node_bytes
    return b"".join(out)


def _chunks(items: list[tuple[bytes, bytes]], size: int) -> list[list[tuple[bytes, bytes]]]:
    return [items[i : i + size] for i in range(0, len(items), size)]


def range_tree(leaves: np.ndarray, offset: int, items_per_block: int) -> bytes:
    """The R tree over data blocks: an entry is the stretch of genome that lies below it.

    Blocks come in genome order and do not overlap, so that the tree needs no balancing: each node
    takes the next 256. There is at least one :data:`LEAF`; the tree will stand at ``offset`` of the
    file, and a block has at most ``items_per_block`` values or records.
    """
    levels = [leaves]
    while len(levels[0]) > _FANOUT:
        levels.insert(0, _parents(levels[0]))
    first, last = leaves[0], leaves[-1]
    span = (first["first_contig"], first["start"], last["last_contig"], last["end"])
    data_end = int(last["offset"] + last["size"])
    head = struct.pack(
        "<IIQIIIIQII", RANGE_TREE_MAGIC, _FANOUT, len(leaves), *span, data_end, items_per_block, 0
    )
    out = [head]
    at = offset + len(head)
    for depth, level in enumerate(levels):
        is_leaf = depth == len(levels) - 1
        nodes = -(-len(level) // _FANOUT)
        at += nodes * 4 + level.nbytes
        if not is_leaf:
            # Children are full but for the last, so their offsets follow from their rank.
            width = levels[depth + 1].dtype.itemsize
            level["offset"] = at + np.arange(len(level), dtype=np.uint64) * (4 + _FANOUT * width)
        for node in range(nodes):
            part = level[node * _FANOUT : (node + 1) * _FANOUT]
            out.append(struct.pack("<BBH", is_leaf, 0, len(part)) + part.tobytes())
    return b"".join(out)


def _parents(level: np.ndarray) -> np.ndarray:
    """One record for each full node of ``level``: the bases that it spans."""
    first = np.arange(0, len(level), _FANOUT)
    last = np.minimum(first + _FANOUT, len(level)) - 1
    out = np.zeros(len(first), _BRANCH)
    for rows, names in ((first, ("first_contig", "start")), (last, ("last_contig", "end"))):
        for name in names:
            out[name] = level[name][rows]
    return out


# ---- Checks that a browser can draw a bigWig or bigBed file.

BIGBED_MAGIC = 0x8789F2EB

_HEADER = struct.Struct("<IHHQQQHH")
"""Magic, version, zoom levels, offsets of contigs, data and index; fields, defined fields."""
_MOST_BLOCKS = 64
"""Blocks of a contig that are read quickly without zoom levels; small files have none."""
_TREE_HEADER = 48
"""Bytes before the first node of a range tree."""


class BbiFile(NamedTuple):
    """What a file holds: its contigs (bp), and the range of its values."""

    contigs: dict[str, int]
    low: float
    high: float


def check_bbi(path: Path, type_: str, sizes: ChromSizes | None) -> BbiFile:
    """Check a file: that it is what its track says, its contigs, order and zoom levels.

    Args:
        path: bigWig or bigBed.
        type_: the track's, as in ``trackDb.txt``: ``bigWig``, ``bigBed 9 .`` ...
        sizes: contigs of the genome; None: they are not checked.

    Raises:
        InputError: it cannot be read.
        FormatError: it is of another type, damaged, not sorted, or has no zoom levels.
        ContigError: contigs that the genome lacks, or of another length.
    """
    words = type_.split()
    with open_input(path) as file:
        head = file.read(_HEADER.size)
        wanted = BIGWIG_MAGIC if words[0] == "bigWig" else BIGBED_MAGIC
        if len(head) < _HEADER.size or struct.unpack_from("<I", head) != (wanted,):
            raise FormatError(f"{path} is not a {words[0]}: it starts with {head[:4]!r}")
        _, _, zooms, _, _, index, fields, defined = _HEADER.unpack(head)
        if words[0] == "bigBed" and not int(words[1]) == fields == defined:
            raise FormatError(
                f"{path} has {fields} columns, {defined} of them of BED, but its track is a {type_}"
            )
        with bbi_errors(path, "its index"):
            blocks = _count_sorted(path, _leaves(file, index))
            for zoom in range(zooms):
                file.seek(HEADER_BYTES + ZOOM_HEADER_BYTES * zoom)
                _, _, _, of_zoom = _ZOOM.unpack(file.read(_ZOOM.size))
                _count_sorted(path, _leaves(file, of_zoom))
        if not zooms and blocks > _MOST_BLOCKS:
            raise FormatError(
                f"{path} has no zoom levels, without which browsers are slow or show nothing: "
                "write it again with a tool that adds them"
            )
    with bbi_errors(path, "its summary"), path.open("rb") as source:
        with pybigtools.open(source) as opened:
            contigs: dict[str, int] = opened.chroms()
            summary: dict[str, Any] = opened.info()["summary"]
    if sizes is not None:
        check_contigs(contigs, str(path), sizes)
    return BbiFile(contigs, float(summary["min"]), float(summary["max"]))


# Reading a whole file in one pass: libraries look a contig up among all contigs each time, which
# for a draft genome of 100,000 scaffolds takes longer than all else.

LOOKED_UP = 64
"""Most contigs of a file that a library is asked for one by one."""


def spread(items: Sequence[Item]) -> Sequence[Item]:
    """At most :data:`LOOKED_UP` of the items: the first, the last and others between them."""
    if len(items) <= LOOKED_UP:
        return items
    return [items[round(i * (len(items) - 1) / (LOOKED_UP - 1))] for i in range(LOOKED_UP)]


def read_blocks(path: Path) -> Iterator[bytes]:
    """The full-resolution data of a file, block by block in the order of its index, decompressed.

    Raises:
        FormatError: it is truncated or damaged.
    """
    with bbi_errors(path, "its data"), path.open("rb") as file:
        *_, index, _, _ = _HEADER.unpack(file.read(_HEADER.size))
        # The index is read ahead: 32 bytes a block, of which each holds hundreds of rows.
        for block in list(_leaves(file, index)):
            file.seek(int(block["offset"]))
            yield zlib.decompress(file.read(int(block["size"])))


def read_contigs(path: Path) -> dict[str, tuple[int, int]]:
    """Number and bp of the contigs that a file lists, by name.

    Raises:
        FormatError: it is truncated or damaged.
    """
    found: dict[str, tuple[int, int]] = {}
    with bbi_errors(path, "its contigs"), path.open("rb") as file:
        tree = _HEADER.unpack(file.read(_HEADER.size))[3]
        file.seek(tree)
        magic, _, width, _, _, _ = _CONTIG_HEAD.unpack(file.read(_CONTIG_HEAD.size))
        if magic != CONTIG_TREE_MAGIC:
            raise ValueError("they are not where its header says")
        nodes, read = [file.tell()], set[int]()
        while nodes:
            node = nodes.pop()
            if node in read:
                raise ValueError("their tree leads back to itself")
            read.add(node)
            file.seek(node)
            is_leaf, _, count = struct.unpack("<BBH", file.read(4))
            items = file.read(count * (width + 8))
            for at in range(0, count * (width + 8), width + 8):
                name, value = items[at : at + width], items[at + width : at + width + 8]
                if is_leaf:
                    number, size = struct.unpack("<II", value)
                    found[name.rstrip(b"\0").decode()] = (number, size)
                else:
                    nodes.append(struct.unpack("<Q", value)[0])
    return found


@contextmanager
def bbi_errors(path: Path, what: str) -> Iterator[None]:
    """Turn what pybigtools and damaged numbers raise into a FormatError about reading ``what``."""
    try:
        yield
    except BaseException as error:
        # On some damage it panics, with a class that derives from BaseException and cannot be
        # imported.
        known = (pybigtools.BBIReadError, struct.error, zlib.error, OSError, ValueError)
        if not isinstance(error, known) and type(error).__name__ != "PanicException":
            raise
        raise FormatError(
            f"{path} is truncated or damaged: cannot read {what} ({reason(error)}); copy or write "
            "it again"
        ) from error


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
    """Blocks of data in the order of the index; ``ValueError`` where that is damaged."""
    end = file.seek(0, 2)
    file.seek(index)
    magic, _ = struct.unpack("<II", file.read(8))
    if magic != RANGE_TREE_MAGIC:
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
        kind = LEAF if is_leaf else _BRANCH
        items = np.frombuffer(file.read(count * kind.itemsize), kind, count)
        if is_leaf:
            if (items["offset"] + items["size"] > end).any():
                raise ValueError("a block of data leaves the file")
            yield from items
        else:
            nodes += reversed(items["offset"].tolist())

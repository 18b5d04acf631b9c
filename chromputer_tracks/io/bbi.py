"""The container of bigWig files: header, contig tree and range tree, as bytes.

Layout and field order follow Kent et al. 2010 (doi:10.1093/bioinformatics/btq351, supplement
tables 5 to 18), version 4, little-endian. :mod:`chromputer_tracks.io.bigwig` fills it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BIGWIG_MAGIC = 0x888FFC26
CONTIG_TREE_MAGIC = 0x78CA8C91
RANGE_TREE_MAGIC = 0x2468ACE0
HEADER_BYTES = 64
ZOOM_HEADER_BYTES = 24
SUMMARY_BYTES = 40
_FANOUT = 256

LEAF = np.dtype(
    [
        ("first_contig", "<u4"),
        ("start", "<u4"),
        ("last_contig", "<u4"),
        ("end", "<u4"),
        ("offset", "<u8"),
        ("size", "<u8"),
    ]
)
"""One block of data: its bases (contig ids, 0-based start, exclusive end), place and bytes."""

_BRANCH = np.dtype(
    [
        ("first_contig", "<u4"),
        ("start", "<u4"),
        ("last_contig", "<u4"),
        ("end", "<u4"),
        ("offset", "<u8"),
    ]
)


@dataclass(frozen=True, slots=True)
class Summary:
    """Whole-file totals, weighted by bases: ``bases`` covered, extremes, sum, sum of squares."""

    bases: int
    minimum: float
    maximum: float
    total: float
    squares: float

    def pack(self) -> bytes:
        """The 40 bytes of the total-summary block."""
        return struct.pack(
            "<Qdddd", self.bases, self.minimum, self.maximum, self.total, self.squares
        )


@dataclass(frozen=True, slots=True)
class Zoom:
    """One zoom level: bp per record and the file offsets of its data and index."""

    reduction: int
    data: int
    index: int


def header(
    *, tree: int, data: int, index: int, summary: int, buffer: int, zooms: Sequence[Zoom]
) -> bytes:
    """The fixed header with its zoom headers.

    Args:
        tree: file offset of the contig tree.
        data: file offset of the full-resolution data.
        index: file offset of the full-resolution range tree.
        summary: file offset of the total summary.
        buffer: bytes of the largest block before compression.
        zooms: the zoom levels, finest first.
    """
    parts = [
        struct.pack("<IHHQQQ", BIGWIG_MAGIC, 4, len(zooms), tree, data, index),
        struct.pack("<HHQQIQ", 0, 0, 0, summary, buffer, 0),
    ]
    parts += [struct.pack("<IIQQ", z.reduction, 0, z.data, z.index) for z in zooms]
    return b"".join(parts)


def contig_tree(contigs: Sequence[tuple[str, int]], offset: int) -> bytes:
    """The B+ tree from contig name to (id, size).

    Args:
        contigs: (name, bp), sorted by the bytes of the name; the id is the rank.
        offset: file offset at which the tree will stand.
    """
    keys = [name.encode() for name, _ in contigs]
    width = max(len(key) for key in keys)
    fanout = min(_FANOUT, len(keys))
    head = struct.pack("<IIIIQQ", CONTIG_TREE_MAGIC, fanout, width, 8, len(keys), 0)
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
    """The R tree over data blocks.

    Args:
        leaves: :data:`LEAF` records (n,), n >= 1, in genome order.
        offset: file offset at which the tree will stand.
        items_per_block: most values or records in a block.
    """
    levels = [leaves]
    while len(levels[0]) > _FANOUT:
        levels.insert(0, _parents(levels[0]))
    head = struct.pack(
        "<IIQIIIIQII",
        RANGE_TREE_MAGIC,
        _FANOUT,
        len(leaves),
        int(leaves["first_contig"][0]),
        int(leaves["start"][0]),
        int(leaves["last_contig"][-1]),
        int(leaves["end"][-1]),
        int(leaves["offset"][-1] + leaves["size"][-1]),
        items_per_block,
        0,
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
    out["first_contig"] = level["first_contig"][first]
    out["start"] = level["start"][first]
    out["last_contig"] = level["last_contig"][last]
    out["end"] = level["end"][last]
    return out

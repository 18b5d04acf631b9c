"""A slow reader of 2bit files, written from the format's description alone."""

from __future__ import annotations

import struct
from pathlib import Path


def read(path: Path) -> dict[str, str]:
    """All contigs, base by base, from the layout at genome.ucsc.edu/FAQ/FAQformat.html#format7."""
    raw = path.read_bytes()
    signature, version, count, reserved = struct.unpack_from("<4I", raw)
    assert (signature, version, reserved) == (0x1A412743, 0, 0)
    at, found = 16, {}
    for _ in range(count):
        width = raw[at]
        name = raw[at + 1 : at + 1 + width].decode()
        (offset,) = struct.unpack_from("<I", raw, at + 1 + width)
        at += 1 + width + 4
        found[name] = _bases(raw, offset)
    return found


def _bases(raw: bytes, at: int) -> str:
    (size,) = struct.unpack_from("<I", raw, at)
    at += 4
    blocks = []
    for _ in range(2):
        (count,) = struct.unpack_from("<I", raw, at)
        starts = struct.unpack_from(f"<{count}I", raw, at + 4)
        lengths = struct.unpack_from(f"<{count}I", raw, at + 4 + 4 * count)
        blocks.append(list(zip(starts, lengths, strict=True)))
        ends = [start + length for start, length in blocks[-1]]
        assert all(end < start for end, start in zip(ends, starts[1:], strict=False))
        at += 4 + 8 * count
    assert struct.unpack_from("<I", raw, at) == (0,)
    packed = raw[at + 4 : at + 4 + -(-size // 4)]
    bases = ["TCAG"[packed[i // 4] >> (6 - 2 * (i % 4)) & 3] for i in range(size)]
    unknown, lower = blocks
    for start, length in unknown:
        bases[start : start + length] = "N" * length
    for start, length in lower:
        bases[start : start + length] = "".join(bases[start : start + length]).lower()
    return "".join(bases)

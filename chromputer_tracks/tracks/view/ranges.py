"""The ``Range`` header of an HTTP request (RFC 9110, section 14)."""

from __future__ import annotations

import re

_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


class UnsatisfiableRangeError(Exception):
    """A well-formed range that holds no byte of the file; the answer is 416."""


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The bytes that a request asks for.

    Args:
        header: the value of ``Range``, or None where there is none.
        size: bytes of the file.

    Returns:
        first byte, 0-based, and the one after the last; None: the whole file is to be sent, as
        there is no header, or one to be ignored: of another unit, malformed, or of several ranges,
        which a server need not support.

    Raises:
        UnsatisfiableRangeError: the range lies beyond the file, or asks for its last 0 bytes.
    """
    match = _ONE_RANGE.fullmatch(header) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        wanted = min(int(last), size)
        start, end = size - wanted, size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= min(end, size):
        raise UnsatisfiableRangeError
    return start, end

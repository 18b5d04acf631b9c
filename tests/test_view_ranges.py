"""The Range header against slicing byte by byte, and cases from RFC 9110."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromputer_tracks.tracks.view.server import UnsatisfiableRangeError, parse_range

SIZES = st.integers(0, 40)
PLACES = st.integers(0, 60)


def sliced(data: bytes, header: str) -> bytes | None:
    """What a header of one well-formed range asks for, byte by byte; None: nothing of the file."""
    first, last = header.removeprefix("bytes=").split("-")
    if first:
        wanted = [i for i in range(len(data)) if i >= int(first) and (not last or i <= int(last))]
    else:
        wanted = [i for i in range(len(data)) if i >= len(data) - int(last)]
    return bytes(data[i] for i in wanted) or None


def answered(data: bytes, header: str) -> bytes | None:
    try:
        span = parse_range(header, len(data))
    except UnsatisfiableRangeError:
        return None
    assert span is not None
    start, end = span
    assert 0 <= start < end <= len(data)
    return data[start:end]


@given(SIZES, PLACES, PLACES)
def test_a_range_is_what_slicing_byte_by_byte_gives(size, one, other):
    data = bytes(range(size))
    first, last = sorted((one, other))
    for header in (f"bytes={first}-{last}", f"bytes={first}-", f"bytes=-{last}"):
        assert answered(data, header) == sliced(data, header)


@given(st.integers(1, 40), st.data())
def test_consecutive_ranges_cover_each_byte_once(size, draw):
    data = bytes(range(size))
    cuts = sorted({0, size, *draw.draw(st.lists(st.integers(0, size)))})
    parts = [answered(data, f"bytes={a}-{b - 1}") for a, b in zip(cuts, cuts[1:], strict=False)]
    assert b"".join(parts) == data


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-499", (0, 500)),
        ("bytes=500-999", (500, 1000)),
        ("bytes=-500", (9500, 10000)),
        ("bytes=9500-", (9500, 10000)),
        ("bytes=0-0", (0, 1)),
        ("bytes=-1", (9999, 10000)),
        ("bytes=-20000", (0, 10000)),
        ("bytes=9999-123456", (9999, 10000)),
        ("BYTES= 5-6 ", (5, 7)),
    ],
)
def test_examples(header, expected):
    assert parse_range(header, 10000) == expected


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-4",
        "bytes=0-1,4-5",
        "bytes=1.5-3",
        "bytes=+1-3",
        "bytes=0x1-3",
        "bytes=\N{ARABIC-INDIC DIGIT ONE}-3",
        "lines=0-4",
        "bytes=0-4; x",
        f"bytes=0-{'9' * 5000}",
    ],
)
def test_other_headers_ask_for_the_whole_file(header):
    assert parse_range(header, 10) is None


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-10", "bytes=99-100", "bytes=-0"])
def test_ranges_beyond_the_file_cannot_be_satisfied(header):
    with pytest.raises(UnsatisfiableRangeError):
        parse_range(header, 10)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-5"])
def test_nothing_of_an_empty_file_can_be_sent(header):
    with pytest.raises(UnsatisfiableRangeError):
        parse_range(header, 0)

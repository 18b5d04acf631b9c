"""The table of chromatin states: what is read, and the line of what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chromputer_tracks.errors import FormatError, InputError, OutputError
from chromputer_tracks.io.text import read_columns, read_state_table, write_tsv
from chromputer_tracks.spec import Label

HEADER = "state\tname\tcolor\n"
OPEN, SHUT = "open\tOpen, free\t1,2,3\n", 'shut\ta "closed" one\t255,0,9\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "states.tsv"
    path.write_text(text)
    return path


def test_states_in_the_order_of_the_file(tmp_path):
    expected = (
        Label("open", "Open, free", (1, 2, 3)),
        Label("shut", 'a "closed" one', (255, 0, 9)),
    )
    assert read_state_table(write(tmp_path, HEADER + OPEN + SHUT)) == expected
    assert read_state_table(write(tmp_path, HEADER + SHUT + OPEN)) == expected[::-1]


def test_columns_in_any_order_and_others(tmp_path):
    text = "# of 2021\ncolor\tbases\tname\tstate\n1,2,3\t7\tA\ta\n\n4,5,6\t9\tB\tb\n"
    found = read_state_table(write(tmp_path, text))
    assert found == (Label("a", "A", (1, 2, 3)), Label("b", "B", (4, 5, 6)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("state\tname\n", "the header must name the columns state, name, color, .* lacks color"),
        ("", "the header must name .* lacks state, name, color"),
        (HEADER + OPEN, "a states head needs at least two states"),
        (HEADER + OPEN + "shut\tred\n", "line 3: 2 fields, the header has 3"),
        (HEADER + OPEN + "shut\tx\tred\n", "line 3: color 'red' is not R,G,B"),
        (HEADER + OPEN + "shut\tx\t1,2\n", "line 3: color '1,2' is not R,G,B"),
        (HEADER + OPEN + "shut\tx\t1,2,256\n", r"line 3: .*colour \(1, 2, 256\) is not RGB"),
        (HEADER + OPEN + "a b\tx\t1,2,3\n", "line 3: label name 'a b'"),
        (HEADER + OPEN + SHUT + OPEN, "line 4: state 'open' is there twice"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, message):
    with pytest.raises(FormatError, match=rf"states\.tsv.*{message}"):
        read_state_table(write(tmp_path, text))


def test_a_table_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none\.tsv: No such file"):
        read_state_table(tmp_path / "none.tsv")
    with pytest.raises(InputError, match="cannot read .*: Is a directory"):
        read_state_table(tmp_path)


def test_a_table_is_written_and_read_back(tmp_path):
    path = tmp_path / "x.tsv"
    rows = [
        ("a", 1, 0.1234567, None),
        ("tab\tand\nbreak", np.int64(2), np.float32(1e-9), ""),
        ('"quoted"', True, float("nan"), 1e12),
    ]
    write_tsv(path, ("name", "count", "value", "none"), rows, ["made by hand"])
    assert path.read_text() == (
        "# made by hand\nname\tcount\tvalue\tnone\n"
        'a\t1\t0.123457\t\ntab and break\t2\t1e-09\t\n"quoted"\tTrue\tnan\t1e+12\n'
    )
    found = list(read_columns(path, ("value", "name")))
    assert found == [
        (3, ["0.123457", "a"]),
        (4, ["1e-09", "tab and break"]),
        (5, ["nan", '"quoted"']),
    ]


def test_a_table_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_tsv(tmp_path / "x.tsv", ["a"], ((1 / 0,) for _ in range(1)))
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError, match="does not exist"):
        write_tsv(tmp_path / "none" / "x.tsv", ["a"], [])

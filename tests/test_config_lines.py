"""Line numbers of a TOML text's keys, against texts whose lines are known as they are written."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chromputer_tracks.model.config_file import KeyLines

NAMES = st.sampled_from(["a", "b", "bin", "c-d", "e_f", "7", "K 562", "é", "x=y", "#", "[a]", "'"])
# Each would be taken for a key, a header, a comment or a string's end by a reader of single lines.
VALUES = st.sampled_from(
    [
        "1",
        "true",
        '"a = 1"',
        '"# no comment"',
        '"say \\"[a]\\""',
        "'C:\\'",
        "[1, 2]",
        "[\n  1,\n  2,\n]",
        '[\n["a"],\n["b"]\n]',
        '[ # [a]\n"]",\n]',
        "{ a = 1, b = { c = [1] } }",
        '"""\n[a]\nbin = 3\n"""',
        '"""\\"""\nbin = 1"""',
        '"""ends in a quote\n""""',
        "'''\nb = 1\n[[a]]\n'''",
        "'''[a]\\'''",
    ]
)
COMMENTS = st.sampled_from(["", "# bin = 1\n", "\n", "  # [a]\n\n", '# """\n'])


def quoted(name: str) -> str:
    if name.isascii() and name.replace("-", "").replace("_", "").isalnum():
        return name
    return f'"{name}"' if "'" in name else f"'{name}'"


class Writer:
    """Writes TOML and notes at which line each place is."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw, self.text, self.lines = draw, "", {}

    def statement(self, place: str, text: str) -> None:
        self.text += self.draw(COMMENTS)
        self.lines[place] = self.text.count("\n") + 1
        self.text += self.draw(st.sampled_from(["", "  ", "\t"])) + text
        self.text += self.draw(st.sampled_from(["", "  # c = 1", " # [d]"])) + "\n"

    def keys(self, table: str) -> None:
        for name in self.draw(st.lists(NAMES, max_size=3, unique=True)):
            place = f"{table}.{name}" if table else name
            if self.draw(st.integers(0, 3)):
                self.statement(place, f"{quoted(name)} = {self.draw(VALUES)}")
            else:
                dots = self.draw(st.sampled_from([".", " . ", ". "]))
                self.statement(f"{place}.z", f"{quoted(name)}{dots}z = {self.draw(VALUES)}")

    def tables(self, place: str, header: str, depth: int) -> None:
        for name in self.draw(st.lists(NAMES, max_size=2 if depth else 3, unique=True)):
            # Other names than those of the keys.
            inner = f"{place}.t{name}" if place else f"t{name}"
            title = f"{header}.{quoted(f't{name}')}" if header else quoted(f"t{name}")
            if self.draw(st.booleans()):
                self.statement(inner, f"[{title}]")
                self.keys(inner)
                if depth < 2:
                    self.tables(inner, title, depth + 1)
                continue
            for row in range(self.draw(st.integers(1, 3))):
                self.statement(f"{inner}[{row}]", f"[[ {title} ]]")
                self.keys(f"{inner}[{row}]")
                if depth < 2:
                    self.tables(f"{inner}[{row}]", title, depth + 1)


@st.composite
def written(draw: st.DrawFn) -> Writer:
    writer = Writer(draw)
    writer.keys("")
    writer.tables("", "", 0)
    return writer


@given(written())
def test_every_place_has_the_line_that_it_was_written_at(writer: Writer) -> None:
    tomllib.loads(writer.text)
    found = KeyLines(writer.text)
    assert {place: found.find(place) for place in writer.lines} == writer.lines


@given(written())
def test_what_is_not_there_has_the_line_of_what_is_around_it(writer: Writer) -> None:
    found = KeyLines(writer.text)
    for place, line in writer.lines.items():
        assert found.find(f"{place}.missing") == line
        assert found.find(f"{place}[3].missing[0]") == line
    assert found.find("missing") is None
    assert found.find("") is None


def places(value: Any, place: str) -> Iterator[str]:
    """Every place of parsed TOML; tables in lists are counted."""
    if place:
        yield place
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, f"{place}[{index}]")


@given(written())
def test_every_place_that_a_parser_finds_has_a_line(writer: Writer) -> None:
    found = KeyLines(writer.text)
    last = writer.text.count("\n")
    for place in places(tomllib.loads(writer.text), ""):
        line = found.find(place)
        assert line is not None, place
        assert 1 <= line <= last


def test_by_hand() -> None:
    text = """\
name = "toy"
description = \"\"\"
[fit]
epochs = 3
\"\"\"
[inputs]
vplots = [
  "atac",  # seed = 1
  "mnase",
]
[[samples]]
name = "A"
peaks.Reb1 = "a.bed"
[samples.assays]
atac = "a.tsv"
[[samples]]
name = "B"
peaks = { Reb1 = "b.bed" }
[samples.assays]
"mnase" = "b.tsv"
[fit]
epochs = 5
"""
    lines = KeyLines(text)
    for place, line in {
        "name": 1,
        "description": 2,
        "fit": 21,
        "fit.epochs": 22,
        "fit.batch": 21,
        "seed": None,
        "inputs.vplots[1]": 7,
        "inputs.bin": 6,
        "samples[0]": 11,
        "samples[0].peaks.Reb1": 13,
        "samples[0].peaks.Abf1": 13,
        "samples[0].assays.atac": 15,
        "samples[1].peaks.Reb1": 18,
        "samples[1].assays.mnase": 20,
        "samples[1].states": 16,
        "samples": 11,
    }.items():
        assert lines.find(place) == line, place


def test_tables_of_an_array_are_counted_anew_in_each_outer_one() -> None:
    lines = KeyLines("[[a]]\n[[a.b]]\nc = 1\n[[a.b]]\nc = 2\n[[a]]\n[[a.b]]\nc = 3\n")
    assert [lines.find(f"a[{i}].b[{j}].c") for i, j in ((0, 0), (0, 1), (1, 0))] == [3, 5, 8]


def test_a_table_s_own_header_comes_before_those_inside_it() -> None:
    lines = KeyLines("[a.b]\nc = 1\n[a]\nd = 2\n")
    assert (lines.find("a"), lines.find("a.b"), lines.find("a.x")) == (3, 1, 3)

"""Dataclasses from plain data and back: types, limits, and the key that an error carries."""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromputer_tracks.errors import ConfigError, FormatError, InputError, SpecError
from chromputer_tracks.records import Limits, check_limits, from_plain, to_plain


@dataclass(frozen=True, slots=True)
class Peaks:
    name: str
    files: tuple[Path, ...] = ()
    color: tuple[int, int, int] = (0, 0, 0)
    share: Annotated[float, Limits(least=0, below=1)] = 0.5
    near: Annotated[int | None, Limits(above=0, unit="bp")] = None

    def __post_init__(self) -> None:
        if not self.name:
            raise SpecError("a name is empty", key="name")


@dataclass(frozen=True, slots=True)
class Run:
    kind: Literal["", "quick", "long"]
    peaks: tuple[Peaks, ...]
    best: Peaks | None = None
    by_name: Mapping[str, Peaks] | None = None
    scores: dict[str, tuple[float, ...]] | None = None
    widths: Annotated[tuple[int, ...], Limits(least=1)] = (1,)
    done: bool = False
    more: Any = None


names = st.text(min_size=1, max_size=4)
peaks = st.builds(
    Peaks,
    names,
    st.lists(st.sampled_from([Path("a.bed"), Path("b/c.bed")])).map(tuple),
    st.tuples(*[st.integers(0, 255)] * 3),
    st.floats(0, 1, exclude_max=True),
    st.none() | st.integers(1, 10**6),
)
runs = st.builds(
    Run,
    st.sampled_from(["", "quick", "long"]),
    st.lists(peaks, max_size=3).map(tuple),
    st.none() | peaks,
    st.none() | st.dictionaries(names, peaks, max_size=2),
    st.none() | st.dictionaries(names, st.lists(st.floats(-1, 1)).map(tuple), max_size=2),
    st.lists(st.integers(1, 9)).map(tuple),
    st.booleans(),
    st.none() | st.dictionaries(names, st.integers()),
)


@given(runs)
def test_plain_data_is_inverted(run: Run) -> None:
    assert from_plain(Run, json.loads(json.dumps(to_plain(run)))) == run


RAW: dict[str, Any] = {"kind": "quick", "peaks": [{"name": "a"}, {"name": "b"}]}


@pytest.mark.parametrize(
    ("change", "key", "message"),
    [
        ({"knd": 1}, "knd", "unknown key 'knd'; did you mean 'kind'?"),
        (
            {"files": 1},
            "files",
            "unknown key 'files'; known: kind, peaks, best, by_name, scores, widths, done, more; "
            "a key of this name belongs into [peaks] or [best]",
        ),
        ({"peaks": [{"name": "a"}, {}]}, "peaks[1].name", "key 'peaks[1].name' is missing"),
        ({"peaks": {"name": "a"}}, "peaks", "peaks must be a list, got {'name': 'a'}"),
        ({"peaks": [3]}, "peaks[0]", "[peaks[0]] must be a table, got 3"),
        ({"peaks": [{"name": ""}]}, "peaks[0].name", "a name is empty"),
        ({"kind": "slow"}, "kind", "kind is 'slow'; choose one of quick, long"),
        ({"done": 1}, "done", "done must be true or false, got 1"),
        ({"best": {"name": 3}}, "best.name", "best.name must be text in quotes, got 3"),
        (
            {"best": {"name": "a", "color": [1, 2]}},
            "best.color",
            "best.color must have 3 values, got [1, 2]",
        ),
        (
            {"best": {"name": "a", "color": [1, True, 2]}},
            "best.color[1]",
            "best.color[1] must be a whole number, got True",
        ),
        (
            {"best": {"name": "a", "files": [1]}},
            "best.files[0]",
            "best.files[0] must be a path, got 1",
        ),
        (
            {"best": {"name": "a", "share": "x"}},
            "best.share",
            "best.share must be a number, got 'x'",
        ),
        (
            {"best": {"name": "a", "share": 1}},
            "best.share",
            "best.share is 1.0; it must be in 0 to 1, 1 excluded",
        ),
        (
            {"by_name": {"x": {"name": "a", "near": 1.5}}},
            "by_name.x.near",
            "by_name.x.near must be a whole number, got 1.5",
        ),
        ({"by_name": 3}, "by_name", "by_name must be a table, got 3"),
        (
            {"peaks": [{"name": "a", "near": 0}]},
            "peaks[0].near",
            "peaks[0].near is 0; it must be above 0 bp",
        ),
        ({"widths": [1, 0]}, "widths", "widths is (1, 0); it must be at least 1"),
    ],
)
def test_errors_carry_the_key(change: dict[str, Any], key: str, message: str) -> None:
    kind = SpecError if message == "a name is empty" else ConfigError
    with pytest.raises(kind) as caught:
        from_plain(Run, RAW | change, error=ConfigError)
    assert (caught.value.key, str(caught.value)) == (key, message)
    # Processes hand errors on.
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.key, str(again)) == (key, message)


def test_what_is_no_table_at_all() -> None:
    with pytest.raises(FormatError, match=r"^must be a table, got \[1\]$"):
        from_plain(Run, [1])


def test_numbers() -> None:
    made = from_plain(tuple[float, ...], [1, 2.5, None])
    with pytest.raises(FormatError, match=r"unknown key '\[0\].files'"):
        from_plain(tuple[Limits, ...], [{"files": 1}])
    assert made[:2] == (1.0, 2.5)
    assert isinstance(made[0], float)
    assert math.isnan(made[2])
    assert to_plain((math.nan, math.inf, 1.0)) == [None, None, 1.0]


def test_paths_are_made_by_who_asks_and_one_stands_for_a_list() -> None:
    seen = []

    def path(text: str, place: str) -> Path:
        seen.append(place)
        return Path("root") / text

    made = from_plain(Peaks, {"name": "a", "files": "x.bed"}, "b[1]", path=path)
    assert made.files == (Path("root/x.bed"),)
    assert seen == ["b[1].files[0]"]
    with pytest.raises(FormatError, match="must be a list"):
        from_plain(Peaks, {"name": "a", "files": "x.bed"})


def test_a_lenient_reader_leaves_values_to_the_dataclass() -> None:
    raw = {"name": 3, "color": [1.5], "share": 7}
    made = from_plain(Peaks, raw, lenient=True)
    assert (made.name, made.color, made.share) == (3, (1.5,), 7)
    with pytest.raises(FormatError, match="unknown key 'nme'"):
        from_plain(Peaks, {"nme": 1}, lenient=True)


@pytest.mark.parametrize(
    ("limits", "inside", "outside", "said"),
    [
        (Limits(), [-1e9], [math.nan, math.inf], "finite"),
        (Limits(least=1), [1, 2.5], [0.9, math.nan, math.inf], "at least 1"),
        (Limits(most=0.5), [0.5, -3], [0.6, -math.inf], "at most 0.5"),
        (Limits(above=0), [0.1], [0, math.nan], "above 0"),
        (Limits(below=3, unit="bp"), [2], [3], "below 3 bp"),
        (Limits(least=0, below=1), [0, 0.9], [1, -0.1], "in 0 to 1, 1 excluded"),
        (Limits(least=0, most=1), [0, 1], [1.1], "in 0 to 1"),
        (Limits(above=0, most=1), [1], [0], "in 0 to 1, 0 excluded"),
        (Limits(above=0, below=1), [0.5], [0, 1], "in 0 to 1, both excluded"),
    ],
)
def test_limits(limits: Limits, inside: list[float], outside: list[float], said: str) -> None:
    assert all(limits.holds(value) for value in inside)
    assert not any(limits.holds(value) for value in outside)
    assert str(limits) == said


def test_limits_of_what_was_made_by_hand() -> None:
    check_limits(Run("", (Peaks("a"),), Peaks("b", near=3)), "run")
    with pytest.raises(
        InputError, match=r"^run\.best\.share is -1; it must be in 0 to 1"
    ) as caught:
        check_limits(Run("", (), Peaks("b", share=-1)), "run")
    assert caught.value.key == "run.best.share"


def test_reading_records_loads_the_standard_library_only() -> None:
    code = (
        "import sys, chromputer_tracks.records\n"
        "own = {'chromputer_tracks', *sys.stdlib_module_names}\n"
        "print({name.split('.')[0] for name in sys.modules} - own - {'__main__'})"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("numpy", "torch", "pysam"):
        assert heavy not in shown.stdout

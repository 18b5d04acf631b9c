"""Options of ``chromputer vplot`` that go together, and how they are read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromputer_tracks.analysis.vplots.run import checked_window, own_axes, parse_locus
from chromputer_tracks.errors import BoundsError, ContigError, FormatError, InputError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.options.explain import VplotOptions, parse_lengths

SIZES = ChromSizes({"chrI": 230_218, "HLA:1,2": 500}, "toy.fa")
BED = Path("x.bed")


def options(**changes) -> VplotOptions:
    return VplotOptions(out=Path("x.png"), **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"regions": BED},
        {"regions": BED, "by": "name", "background": "random", "orient": BED, "exclude": BED},
        {"site": "chrI:1-2", "window": 200, "edges": (1, 2), "exclude": BED},
        {"model": "m"},
        {"model": "m", "states": BED, "orient": BED, "exclude": BED},
        {"model": "m", "regions": BED, "states": BED},
        {"model": "m", "contributions": BED, "by": "name"},
        {"model": "m", "regions": BED, "normalise": "model", "by": "name", "window": 400},
        {
            "model": "m",
            "regions": BED,
            "normalise": "model",
            "background": "random",
            "compare": "difference",
        },
    ],
)
def test_what_goes_together(changes: dict) -> None:
    options(**changes).check()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "give sites with --regions, or one locus with --site"),
        ({"regions": BED, "states": BED}, "true states are drawn with a model.*leave --states out"),
        ({"regions": BED, "normalise": "x"}, "--normalise 'x' is not one of none, depth"),
        ({"regions": BED, "compare": "x"}, "--compare 'x' is not one of log2, difference"),
        ({"site": "chrI", "regions": BED}, "one locus: leave --regions out"),
        ({"site": "chrI", "normalise": "depth"}, "leave --normalise depth out"),
        ({"site": "chrI", "model": "m"}, "leave --model out"),
        ({"model": "m", "by": "name"}, "its own states and pixels: leave --by out"),
        ({"model": "m", "window": 100}, "leave --window out"),
        ({"model": "m", "normalise": "depth"}, "leave --normalise depth out"),
        ({"contributions": BED}, "needs the model that was explained: name it with --model"),
        ({"contributions": BED, "model": "m", "regions": BED}, "that folder: leave --regions out"),
        ({"regions": BED, "normalise": "model"}, "needs a model"),
        (
            {"regions": BED, "normalise": "model", "model": "m", "bin_size": 5},
            "the model's own pixels: leave --bin out",
        ),
        (
            {"regions": BED, "normalise": "model", "model": "m", "background": "random"},
            "--compare difference",
        ),
        (
            {
                "regions": BED,
                "normalise": "model",
                "model": "m",
                "background": "genome",
                "compare": "difference",
            },
            "--background random or a BED",
        ),
    ],
)
def test_what_does_not(changes: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        options(**changes).check()


def test_defaults_of_the_axes() -> None:
    assert own_axes(options()) == (2000, 10, tuple(range(20, 401, 10)))
    assert own_axes(options(window=600, bin_size=20, edges=(1, 5))) == (600, 20, (1, 5))
    with pytest.raises(InputError, match="window of 105 bp must be even and a multiple"):
        own_axes(options(window=105, bin_size=5))
    with pytest.raises(InputError, match="more than 10,000 bins"):
        checked_window(200_000, 10)
    with pytest.raises(InputError, match="give the genome with --fasta"):
        options().files()
    assert (options().at_zero, options(centre="start").at_zero) == ("site", "start")
    assert options(zero="TSS").at_zero == "TSS"


@given(st.integers(0, 900), st.integers(1, 40), st.integers(1, 30))
def test_lengths_by_step(first: int, step: int, classes: int) -> None:
    last = first + step * classes
    found = parse_lengths(f"{first}:{last}:{step}")
    assert found == tuple(range(first, last + 1, step))
    assert parse_lengths(",".join(map(str, found))) == found


@pytest.mark.parametrize(
    "text",
    ["", "20", "20:400", "400:20:10", "20:405:10", "20:400:0", "a,b", "20,20", "5,-6", "1:2,3:4"],
)
def test_lengths_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="lengths "):
        parse_lengths(text)


def test_loci() -> None:
    assert parse_locus("chrI:1,001-2,000", SIZES, 400, 10) == Interval("chrI", 1000, 2000)
    # The end moves right to a whole bin.
    assert parse_locus("chrI:1,001-2,001", SIZES, 400, 10) == Interval("chrI", 1000, 2010)
    assert parse_locus("chrI:1,500", SIZES, 400, 10) == Interval("chrI", 1299, 1699)
    assert parse_locus("chrI:1", SIZES, 400, 10) == Interval("chrI", -200, 200)
    assert parse_locus("HLA:1,2", SIZES, 400, 10) == Interval("HLA:1,2", 0, 500)
    with pytest.raises(ContigError, match="'chrV' is not in toy.fa"):
        parse_locus("chrV:12", SIZES, 400, 10)
    with pytest.raises(InputError, match="has the bases 1 to 230,218"):
        parse_locus("chrI:230,219", SIZES, 400, 10)
    with pytest.raises(InputError, match="230,218 bp in bins of 10 bp are more than 10,000"):
        parse_locus("chrI", SIZES, 400, 10)
    with pytest.raises(BoundsError, match="ends past"):
        parse_locus("chrI:1-300,000", SIZES, 400, 10)
    with pytest.raises(FormatError, match="is not a region") as caught:
        parse_locus("chr I", SIZES, 400, 10)
    assert "chrI:1,500" in caught.value.__notes__[0]

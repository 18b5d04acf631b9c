"""Coordinate arithmetic against sets of bases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromputer_tracks.errors import BoundsError, ContigError, FormatError, InputError, counted
from chromputer_tracks.intervals import (
    ChromSizes,
    Grid,
    Interval,
    check_contigs,
    format_region,
    parse_region,
)

SIZES = ChromSizes({"chrI": 230_218, "chrII": 1000, "HLA:01": 50, "HLA:01:5-9": 7}, "g.fa")


def intervals(chroms: tuple[str, ...] = ("a", "b"), top: int = 60) -> st.SearchStrategy[Interval]:
    return st.builds(
        lambda chrom, start, width: Interval(chrom, start, start + width),
        st.sampled_from(chroms),
        st.integers(0, top - 1),
        st.integers(1, top),
    )


def test_interval() -> None:
    item = Interval("chrI", 1000, 2001)
    assert len(item) == 1001
    assert str(item) == "chrI:1,001-2,001"
    assert item.centre == 1500
    assert item.shift(-5) == Interval("chrI", 995, 1996)
    assert Interval("a", 2, 3) < Interval("a", 2, 4) < Interval("b", 0, 1)
    for end in (5, 4):
        with pytest.raises(InputError, match=r"Interval\('chrI', 5, \d\) is empty or reversed"):
            Interval("chrI", 5, end)


@given(st.integers(-1000, 1000), st.integers(1, 500))
def test_centred_inverts_centre(centre: int, width: int) -> None:
    item = Interval.centred("a", centre, width)
    assert (item.centre, len(item)) == (centre, width)


def test_sizes_keep_file_order_and_digest_ignores_it() -> None:
    one, two = ChromSizes({"b": 2, "a": 1}), ChromSizes({"a": 1, "b": 2})
    assert list(one) == ["b", "a"]
    assert one.total == 3
    assert one.digest() == two.digest() != ChromSizes({"a": 1, "b": 3}).digest()
    assert "a" in one
    assert one["b"] == 2
    with pytest.raises(FormatError, match=r"x\.fai: contig a has length 0"):
        ChromSizes({"a": 0}, "x.fai")


def test_unknown_contig_names_both_files_and_hints() -> None:
    with pytest.raises(ContigError, match=r"f\.bed: contig 'I' is not in g\.fa, which calls it"):
        SIZES.require("I", "f.bed")
    with pytest.raises(ContigError, match=r"its contigs: 1, 2\)"):
        ChromSizes({"1": 5, "2": 5}).require("chr3", "f.bed")
    with pytest.raises(ContigError, match=r"calls it '1': use one name"):
        ChromSizes({"1": 5}).require("chr1", "f.bed")
    assert SIZES.require("chrII", "f.bed") == 1000


def test_check_bounds() -> None:
    assert SIZES.check(Interval("chrII", 0, 1000), "f") == Interval("chrII", 0, 1000)
    with pytest.raises(BoundsError, match=r"f: chrII:1-1,001 ends past chrII \(1,000 bp\)"):
        SIZES.check(Interval("chrII", 0, 1001), "f")
    with pytest.raises(BoundsError, match="f: chrII:0-5 starts before base 1"):
        SIZES.check(Interval("chrII", -1, 5), "f")


def test_check_contigs() -> None:
    check_contigs(["chrI"], "f.bam", SIZES)
    check_contigs({"chrI": 230_218, "chrII": 0}, "f.bam", SIZES)
    with pytest.raises(ContigError, match=r"f\.bam: chrII is 999 bp, but 1,000 bp in g\.fa"):
        check_contigs({"chrII": 999}, "f.bam", SIZES)
    with pytest.raises(ContigError, match=r"'I', 'x', 'y' and 1 more not in g\.fa; g\.fa has 'ch"):
        check_contigs(["I", "x", "y", "z"], "f.bam", SIZES)
    with pytest.raises(ContigError, match="has 'chrI', 'chrII', 'HLA:01' ...: are they the same"):
        check_contigs(["x"], "f.bam", SIZES)


@given(st.data())
def test_region_text_is_inverted(data: st.DataObject) -> None:
    chrom = data.draw(st.sampled_from(["chrI", "chrII", "HLA:01"]))
    start = data.draw(st.integers(0, SIZES[chrom] - 1))
    item = Interval(chrom, start, data.draw(st.integers(start + 1, SIZES[chrom])))
    if format_region(item) not in SIZES:
        assert parse_region(format_region(item), SIZES) == item
        assert str(item) == format_region(item)


def test_region_examples() -> None:
    assert parse_region("chrI:1,001-2,000", SIZES) == Interval("chrI", 1000, 2000)
    assert parse_region(" chrII ", SIZES) == Interval("chrII", 0, 1000)
    assert parse_region("chrII:1-1", SIZES) == Interval("chrII", 0, 1)
    assert parse_region("HLA:01", SIZES) == Interval("HLA:01", 0, 50)
    assert parse_region("HLA:01:5-9", SIZES) == Interval("HLA:01:5-9", 0, 7)
    assert parse_region("HLA:01:5-8", SIZES) == Interval("HLA:01", 4, 8)


@pytest.mark.parametrize(
    "text", ["", "chrI:", "chrI:,-,", "chrI:0-5", "chrI:7-6", "chrI:1-", "chrI:-5-6", "chr I:1-2"]
)
def test_region_malformed(text: str) -> None:
    with pytest.raises(FormatError, match="region"):
        parse_region(text, SIZES)


def test_region_elsewhere() -> None:
    with pytest.raises(BoundsError, match=r"region 'chrII:1-1001': chrII:1-1,001 ends past"):
        parse_region("chrII:1-1001", SIZES)
    with pytest.raises(ContigError, match="'I' is not in g.fa, which calls it 'chrI'"):
        parse_region("I:1-5", SIZES)


grids = st.builds(
    lambda stride, flank: Grid(stride + 2 * flank, stride), st.integers(1, 60), st.integers(0, 99)
)


@given(grids, st.integers(1, 3000), st.integers(1, 20))
def test_tiles_cover_each_base_once(grid: Grid, size: int, tile: int) -> None:
    covered = np.zeros(size, int)
    count = grid.count(size)
    for first, last in grid.tiles(0, count, tile):
        assert 0 < last - first <= tile
        for k in range(first, last):
            begin, end = k * grid.stride, min((k + 1) * grid.stride, size)
            assert begin < end
            covered[begin:end] += 1
    assert (covered == 1).all()


@given(grids, st.integers(0, 500), st.integers(1, 50))
def test_span_is_the_union_of_windows(grid: Grid, first: int, count: int) -> None:
    windows = [
        Interval.centred("a", k * grid.stride + grid.stride // 2, grid.window)
        for k in range(first, first + count)
    ]
    span = grid.span("a", first, first + count)
    # An odd stride with an odd window: `centre` is right of the middle in both.
    assert span.start == windows[0].start
    assert span.end == windows[-1].end
    assert (len(span) - grid.window) % grid.stride == 0
    assert (len(span) - grid.window) // grid.stride + 1 == count


@given(grids, st.integers(0, 3000), st.integers(1, 500))
def test_bins_are_those_that_touch(grid: Grid, start: int, width: int) -> None:
    first, last = grid.bins(start, start + width)
    touched = {base // grid.stride for base in range(start, start + width)}
    assert set(range(first, last)) == touched


@pytest.mark.parametrize(("window", "stride"), [(40, 50), (50, 0), (101, 50)])
def test_grid_refuses(window: int, stride: int) -> None:
    with pytest.raises(InputError, match="window"):
        Grid(window, stride)


# ---- Numbers and what they count.


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 sites"), (1, "1 site"), (2, "2 sites"), (12_345, "12,345 sites")]
)
def test_the_plural_is_for_all_but_one(number: int, said: str) -> None:
    assert counted(number, "site") == said

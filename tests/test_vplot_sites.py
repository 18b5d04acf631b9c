"""Sites of a V-plot: centres, strands, classes, orientation and random places."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromputer_tracks.analysis.vplots.sites import (
    ALL,
    contig_sites,
    oriented,
    random_sites,
    read_sites,
    thinned,
)
from chromputer_tracks.data.labels import UNKNOWN, Mask
from chromputer_tracks.errors import FormatError, InputError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import TssTable

SIZES = ChromSizes({"chr1": 5000, "chr2": 300}, "toy.fa")
NONE = Mask({}, {})


def bed(folder: Path, *lines: str) -> Path:
    path = folder / "sites.bed"
    path.write_text("".join("\t".join(line.split()) + "\n" for line in lines))
    return path


BED6 = ("chr1 100 201 a 0 +", "chr1 100 201 a 0 -", "chr1 100 200 b x9 -", "chr2 10 11 b 0 .")


@pytest.mark.parametrize(
    ("centre", "expected"),
    [
        # The base 150 has the border 150 on its left and 151 on its right.
        ("middle", [150, 151, 150, 10]),
        ("summit", [150, 151, 150, 10]),
        ("start", [100, 201, 200, 10]),
        ("end", [200, 101, 101, 10]),
    ],
)
def test_centres_by_hand(tmp_path: Path, centre: str, expected: list[int]) -> None:
    found = read_sites(bed(tmp_path, *BED6), SIZES, centre)
    assert found.centre.tolist() == expected
    assert found.strand.tolist() == [1, -1, -1, 1]
    assert [found.contigs[code] for code in found.contig] == ["chr1"] * 3 + ["chr2"]
    assert found.classes == (ALL,)


@given(st.integers(1, 4000), st.integers(1, 900), st.sampled_from(["middle", "start", "end"]))
def test_a_mirrored_site_has_the_mirrored_border(start: int, length: int, centre: str) -> None:
    size = SIZES["chr1"]
    with tempfile.TemporaryDirectory() as folder:
        end = start + length
        path = bed(Path(folder), f"chr1 {start} {end} . 0 +",
                   f"chr1 {size - end} {size - start} . 0 -")  # fmt: skip
        plus, minus = read_sites(path, SIZES, centre).centre.tolist()
    assert minus == size - plus


def test_summits_of_narrow_peaks_and_thick_parts(tmp_path: Path) -> None:
    peaks = bed(
        tmp_path,
        "chr1 100 200 . 0 + 1 1 1 7",
        "chr1 100 200 . 0 - 1 1 1 7",
        "chr1 100 200 . 0 . 1 1 1 -1",
    )
    assert read_sites(peaks, SIZES).centre.tolist() == [107, 108, 150]
    assert read_sites(peaks, SIZES, "middle").centre.tolist() == [150, 150, 150]
    thick = bed(tmp_path, "chr1 100 200 . 0 + 110 111 0,0,0", "chr1 100 200 . 0 + 100 100 0,0,0")
    assert read_sites(thick, SIZES).centre.tolist() == [110, 150]
    assert read_sites(thick, SIZES, by="thickStart").classes == ("100", "110")
    wrong = bed(tmp_path, "chr1 100 200 . 0 + 110 300 0,0,0")
    with pytest.raises(FormatError, match=r"line 1: columns 7 and 8 \(110, 300\).*--centre middle"):
        read_sites(wrong, SIZES)
    assert read_sites(wrong, SIZES, "middle").centre.tolist() == [150]


def test_the_last_base_of_a_contig(tmp_path: Path) -> None:
    found = read_sites(bed(tmp_path, "chr2 299 300 . 0 -"), SIZES, "start")
    assert found.centre.tolist() == [299]


@pytest.mark.parametrize(
    ("by", "classes", "code"),
    [
        ("name", ("a", "b"), [0, 0, 1, 1]),
        ("4", ("a", "b"), [0, 0, 1, 1]),
        ("strand", ("+", "-", "."), [0, 1, 1, 2]),
        ("chrom", ("chr1", "chr2"), [0, 0, 0, 1]),
        ("3", ("11", "200", "201"), [2, 2, 1, 0]),
        ("5", ("0", "x9"), [0, 0, 1, 0]),
    ],
)
def test_classes_by_column(tmp_path: Path, by: str, classes: tuple[str, ...], code: list) -> None:
    found = read_sites(bed(tmp_path, *BED6), SIZES, by=by)
    assert (found.classes, found.code.tolist()) == (classes, code)


@pytest.mark.parametrize("by", ["7", "thickStart", "nonsense", "0", "-1"])
def test_unknown_columns(tmp_path: Path, by: str) -> None:
    with pytest.raises(
        InputError, match=f"no column '{by}': it has 6, numbered from 1 or named ch"
    ):
        read_sites(bed(tmp_path, *BED6), SIZES, by=by)


def test_a_centre_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="centre 'top' is not one of summit, middle, start, end"):
        read_sites(bed(tmp_path, *BED6), SIZES, "top")  # type: ignore[arg-type]


def test_classes_by_a_name_of_the_header(tmp_path: Path) -> None:
    path = bed(tmp_path, "#chrom start end gene kind", "chr1 5 9 a RP", "chr1 5 9 b STM")
    assert read_sites(path, SIZES, by="kind").classes == ("RP", "STM")


def test_too_many_classes(tmp_path: Path) -> None:
    path = bed(tmp_path, *(f"chr1 {i} {i + 1} gene{i}" for i in range(25)))
    with pytest.raises(InputError, match="25 different values, and at most 24"):
        read_sites(path, SIZES, by="name")


def test_taking_and_masking() -> None:
    sites = contig_sites([("chr1", np.array([5, 50, 500])), ("chr2", np.array([50]))])
    mask = Mask.from_intervals([Interval("chr1", 50, 501)])
    assert sites.inside(mask).tolist() == [False, True, True, False]
    assert sites.take(~sites.inside(mask)).centre.tolist() == [5, 50]
    assert [(name, here.tolist()) for name, here in sites.by_contig()] == [
        ("chr1", [0, 1, 2]),
        ("chr2", [3]),
    ]


def genes(*rows: tuple[str, int, str]) -> TssTable:
    names = tuple(dict.fromkeys(chrom for chrom, _, _ in rows))
    return TssTable(
        names,
        np.array([names.index(chrom) for chrom, _, _ in rows]),
        np.array([position for _, position, _ in rows]),
        np.array([strand == "+" for _, _, strand in rows]),
    )


@given(
    st.lists(st.integers(0, 4999), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 4999), st.sampled_from("+-")), max_size=6),
    st.integers(0, 2000),
)
def test_orientation_against_a_loop(centres: list, starts: list, within: int) -> None:
    sites = contig_sites([("chr1", np.array(centres))])
    # A gene far away on another contig plays no part.
    table = genes(("chr2", 9, "-"), *(("chr1", at, strand) for at, strand in starts))
    found, near = oriented(sites, table, within)
    expected, count = [], 0
    for centre in centres:
        best = (within + 1, "+")
        for at, strand in starts:
            best = min(best, (abs(at + (strand == "-") - centre), strand))
        count += best[0] <= within
        expected.append(-1 if best[0] <= within and best[1] == "-" else 1)
    assert found.strand.tolist() == expected
    assert near == count


def test_random_places_match_in_number_and_stay_out_of_the_mask() -> None:
    sites = contig_sites([("chr1", np.array([5, 50, 500])), ("chr2", np.array([50]))])
    sites.strand[1] = -1
    mask = Mask.from_intervals([Interval("chr1", 1000, 3000)])
    found = random_sites(sites, SIZES, 400, mask, 1001, 7)
    assert len(found) == 1004
    assert np.bincount(found.contig).tolist() == [753, 251]
    assert (found.strand < 0).sum() == 251
    on_one = found.centre[found.contig == 0]
    # Whole windows inside chr1; chr2 is shorter than a window.
    assert on_one.min() >= 200
    assert on_one.max() < 4800
    assert not found.inside(mask).any()
    assert on_one.min() < 300
    assert on_one.max() > 4700
    assert 0 <= found.centre[found.contig == 1].min() < found.centre[found.contig == 1].max() < 300
    again = random_sites(sites, SIZES, 400, mask, 1001, 7)
    np.testing.assert_array_equal(found.centre, again.centre)
    assert (found.centre != random_sites(sites, SIZES, 400, mask, 1001, 8).centre).any()
    everything = Mask.from_intervals([Interval("chr2", 0, 300)])
    with pytest.raises(InputError, match="outside of the excluded regions was found on chr2"):
        random_sites(sites, SIZES, 400, everything, 10, 0)


def test_thinning_is_even_and_drops_sites_of_no_class(tmp_path: Path) -> None:
    lines = [f"chr1 {i} {i + 1} {'ab'[i % 2]}" for i in range(20)]
    sites = read_sites(bed(tmp_path, *lines), SIZES, by="name")
    sites.code[0] = UNKNOWN
    found = thinned(sites, 3)
    assert found.centre[found.code == 0].tolist() == [2, 8, 14]
    assert found.centre[found.code == 1].tolist() == [1, 7, 13]
    assert found.centre.tolist() == sorted(found.centre.tolist())

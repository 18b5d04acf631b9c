"""Pictures of V-plots and their numbers: scales, ticks, formats, and what stands in them."""

from __future__ import annotations

import csv
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from vplot_toy import read_numbers

from chromputer_tracks.analysis.vplots.figures import save_vplots
from chromputer_tracks.analysis.vplots.images import (
    CONTRIBUTION,
    COUNTS,
    FOLD,
    FRAGMENTS,
    INPUT,
    SIGNED_COLORS,
    VplotAxes,
    VplotImage,
    VplotRow,
    VplotScale,
    VplotTable,
    density_image,
    drawn,
    label_title,
    rounded_down,
    sum_image,
    write_vplot_tsv,
)
from chromputer_tracks.errors import InputError, OutputError
from chromputer_tracks.spec import Label

AXES = VplotAxes.around_site(200, 10, (20, 40, 60, 100, 200))
RNG = np.random.default_rng(4)


def table(names: str = "ab", two: bool = False, axes: VplotAxes = AXES) -> VplotTable:
    rows = []
    for number, name in enumerate(names):
        values = RNG.random(axes.shape)
        images = [density_image(values, axes)] + [sum_image(values - 0.5)] * two
        rows.append(VplotRow(name, f"class {name}", 1000 * number + 1, tuple(images), (200, 0, 9)))
    return VplotTable(axes, (FRAGMENTS, CONTRIBUTION)[: 1 + two], tuple(rows))


def texts(path: Path) -> list[str]:
    root = ElementTree.parse(path).getroot()
    return ["".join(item.itertext()) for item in root.iter("{http://www.w3.org/2000/svg}text")]


def test_what_a_picture_says(tmp_path: Path) -> None:
    path = tmp_path / "x.svg"
    before = dict(mpl.rcParams)
    save_vplots(path, table(two=True), "All of it", "TSS")
    assert dict(mpl.rcParams) == before
    shown = texts(path)
    for text in ("All of it", "class a", "1 site", "class b", "1,001 sites", "bp from the TSS"):
        assert shown.count(text) == 1 + (text == "bp from the TSS"), text
    assert shown.count("Fragments") == shown.count("Contribution") == 1
    assert {"−100", "+100", FRAGMENTS.shown, CONTRIBUTION.shown} <= set(shown)
    assert "fragment length (bp)" in shown
    assert not list(tmp_path.glob(".partial*"))


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".PNG"])
def test_formats_and_that_the_same_numbers_give_the_same_file(tmp_path: Path, suffix: str) -> None:
    one, two, drawn_twice = tmp_path / f"1{suffix}", tmp_path / f"2{suffix}", table("abcd")
    save_vplots(one, drawn_twice)
    save_vplots(two, drawn_twice)
    assert one.read_bytes() == two.read_bytes()
    head = one.read_bytes()[:8]
    assert {".png": head[:4] == b"\x89PNG", ".pdf": head[:4] == b"%PDF"}.get(
        suffix.lower(), head[:5] == b"<?xml"
    )


def test_one_class_is_large_and_many_are_wrapped(tmp_path: Path) -> None:
    widths = {}
    for names in ("a", "ab", "abcd"):
        save_vplots(tmp_path / "x.png", table(names))
        with Image.open(tmp_path / "x.png") as image:
            widths[names] = image.size
    assert widths["ab"][0] < widths["abcd"][0]
    assert widths["abcd"][1] > 1.5 * widths["ab"][1]
    assert widths["a"][1] > widths["ab"][1]


def test_a_locus_has_its_contig_s_axis_and_its_fragments(tmp_path: Path) -> None:
    axes = replace(AXES, start=31_000, contig="chrI")
    points = np.array([31_050, 31_060]), np.array([30, 150])
    (row,) = table("a", axes=axes).rows
    save_vplots(tmp_path / "x.svg", VplotTable(axes, (COUNTS,), (replace(row, points=points),)))
    shown = texts(tmp_path / "x.svg")
    assert "chrI (bp)" in shown
    assert {"fragments per bp", "fragments per bp of"} <= set(shown)
    assert any(re.fullmatch(r"31,\d\d\d", text) for text in shown)
    assert not any("site" in text for text in shown)


def test_curves_have_a_number_and_their_unit(tmp_path: Path) -> None:
    # 24 fragments a site in one pixel: 2.4 a bp of its 10, and 1.2 a bp of its class's 20.
    values = np.zeros(AXES.shape)
    values[1, 3] = 24
    row = VplotRow("a", "a", 5, (density_image(values, AXES),))
    for names, words in (
        (("a",), ("fragments per site", "and bp", "and bp of length")),
        (
            ("a", "b"),
            (
                "curve above: fragments per site and bp",
                "curve beside: fragments per site and bp of length",
            ),
        ),
    ):
        rows = tuple(replace(row, name=name) for name in names)
        save_vplots(tmp_path / "x.svg", VplotTable(AXES, (FRAGMENTS,), rows))
        shown = [line for text in texts(tmp_path / "x.svg") for line in text.split("\n")]
        assert set(words) <= set(shown), shown
        assert shown.count("2.4") == shown.count("1.2") == len(names)


def test_refused(tmp_path: Path) -> None:
    for name in ("x.jpg", "x", "x.png.gz"):
        with pytest.raises(InputError, match=r"must end in .png, .svg or .pdf"):
            save_vplots(tmp_path / name, table())
    with pytest.raises(OutputError, match="does not exist"):
        save_vplots(tmp_path / "no" / "x.png", table())


def test_densities_are_per_area_and_smoothing_keeps_what_is_missing() -> None:
    values = np.ones(AXES.shape)
    found = drawn(values, FRAGMENTS, AXES, 0)
    np.testing.assert_allclose(found[:, 5], [1 / 200, 1 / 200, 1 / 400, 1 / 1000])
    assert drawn(values, INPUT, AXES, 0) is values
    values[2, 7] = np.nan
    smooth = drawn(values, INPUT, AXES, 2)
    assert np.isnan(smooth[2, 7])
    np.testing.assert_allclose(smooth[np.isfinite(smooth)], 1)
    spike = np.zeros((21, 21))
    spike[10, 10] = 1
    smooth = drawn(spike, INPUT, AXES, 1)
    assert smooth.sum() == pytest.approx(1)
    assert smooth[10, 12] / smooth[10, 10] == pytest.approx(np.exp(-2), rel=1e-3)


def test_scales() -> None:
    images = [np.linspace(-2, 1, 1000).reshape(10, 100), np.full((2, 2), np.nan)]
    signed = VplotScale.of(CONTRIBUTION, images)
    assert 1.9 < signed.top < 2
    assert signed.norm(0) == 0.5
    assert signed.norm(-signed.top) == 0
    assert signed.ticks == [-1900, -900, 0, 900, 1900]
    middle = signed.colors(0.5)[:3]
    assert min(middle) > 0.95
    assert signed.colors(np.nan)[:3] != middle
    root = VplotScale.of(INPUT, [np.linspace(0, 9, 10_000)])
    assert root.norm(root.top / 4) == pytest.approx(0.5)
    assert root.ticks == [0, 0.9, 3, 8.9]
    assert VplotScale.of(FOLD, [np.linspace(0, 9, 10_000)]).ticks == [0, 2, 5, 8.9]
    assert VplotScale.of(INPUT, [np.zeros((3, 3))]).top == 1
    lone = np.zeros((100, 100))
    lone[3, 3] = 5
    assert VplotScale.of(INPUT, [lone]).top == 5


def test_signed_colours_are_even_steps_in_oklab() -> None:
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in SIGNED_COLORS])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    # Ottosson 2020, https://bottosson.github.io/posts/oklab/
    lms = np.cbrt(
        linear
        @ np.array(
            [
                [0.4122214708, 0.5363325363, 0.0514459929],
                [0.2119034982, 0.6806995451, 0.1073969566],
                [0.0883024619, 0.2817188376, 0.6299787005],
            ]
        ).T
    )
    lab = (
        lms
        @ np.array(
            [
                [0.2104542553, 0.7936177850, -0.0040720468],
                [1.9779984951, -2.4285922050, 0.4505937099],
                [0.0259040371, 0.7827717662, -0.8086757660],
            ]
        ).T
    )
    steps = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert steps.min() > 0.9 * steps.max()
    assert (np.diff(lab[:9, 0]) > 0).all()
    assert (np.diff(lab[8:, 0]) < 0).all()


@given(st.floats(1e-9, 1e9), st.integers(1, 4), st.sampled_from([-1, 1]))
def test_rounding_down(value: float, digits: int, sign: int) -> None:
    found = rounded_down(sign * value, digits)
    assert abs(found) <= value * (1 + 1e-6)
    assert abs(found) > value * (1 - 10.0 ** (1 - digits) - 1e-6)
    assert len(f"{abs(found):.{digits}g}".replace("e", " ").split()[0].strip("0.").replace(".", "")
               ) <= digits  # fmt: skip
    assert rounded_down(found, digits) == found


def test_images_without_margins(tmp_path: Path) -> None:
    row = VplotRow("a", "a", 3, (VplotImage(np.zeros(AXES.shape)),))
    save_vplots(tmp_path / "x.svg", VplotTable(AXES, (INPUT,), (row,)), sigma=0)
    assert "3 sites" in texts(tmp_path / "x.svg")


# ---- The file of numbers: what is written is read back, by the csv module too.

SMALL = VplotAxes.around_site(40, 10, (20, 50, 100))


def two_quantities(values: np.ndarray, axes: VplotAxes = SMALL) -> VplotTable:
    rows = tuple(
        VplotRow(name, f"the {name}", sites, (VplotImage(values + k), VplotImage(values * k)))
        for k, (name, sites) in enumerate([("a b", 5), ("#2", 7000)])
    )
    return VplotTable(axes, (FRAGMENTS, INPUT), rows)


@given(arrays(np.float64, (2, 4), elements=st.floats(-1e6, 1e6)))
def test_numbers_come_back(values: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.tsv"
        write_vplot_tsv(path, two_quantities(values))
        found = read_numbers(path)
    assert found.edges == (20, 50, 100)
    assert found.positions == (-20, -10, 0, 10, 20)
    assert found.sites == {"a b": 5, "#2": 7000}
    assert list(found.images) == [
        ("a b", "fragments"),
        ("a b", "input"),
        ("#2", "fragments"),
        ("#2", "input"),
    ]
    np.testing.assert_allclose(found.images["#2", "fragments"], values + 1, rtol=1e-8)
    np.testing.assert_allclose(found.images["a b", "input"], 0)


def test_layout_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    values = np.array([[1.0, np.nan, 0.125, 0], [1 / 3, 0, 0, 2]])
    write_vplot_tsv(path, two_quantities(values))
    lines = path.read_text().splitlines()
    data = [line.split("\t") for line in lines if not line.startswith("#")]
    assert data[0] == ["length", "class", "sites", "quantity", "-20:-10", "-10:0", "0:10", "10:20"]
    assert data[1] == ["20:50", "a b", "5", "fragments", "1", "nan", "0.125", "0"]
    assert data[2] == ["50:100", "a b", "5", "fragments", "0.333333333", "0", "0", "2"]
    assert "#fragments: mean fragments per site and pixel" in lines
    with path.open() as file:
        rows = list(csv.DictReader((x for x in file if x[0] != "#"), delimiter="\t"))
    assert rows[1]["10:20"] == "2"
    assert np.isnan(read_numbers(path).images["a b", "fragments"][0, 1])


def test_a_locus_counts_in_its_contig(tmp_path: Path) -> None:
    axes = VplotAxes(990, 10, 4, (20, 50, 100), "chrI")
    write_vplot_tsv(tmp_path / "x.tsv", two_quantities(np.zeros((2, 4)), axes))
    assert "positions: chrI, 0-based" in (tmp_path / "x.tsv").read_text()
    assert read_numbers(tmp_path / "x.tsv").positions == (990, 1000, 1010, 1020, 1030)


def test_titles_do_not_say_a_name_twice() -> None:
    assert label_title(Label("S5", "Active promoter", (0, 0, 0))) == "S5 Active promoter"
    assert label_title(Label("Reb1", "Reb1 (factor)", (0, 0, 0))) == "Reb1 (factor)"

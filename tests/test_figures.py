"""Figures as SVG: what they show, and that they fit into a page."""

import base64
import io
import math
import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chromputer_tracks import figures
from chromputer_tracks.analysis.vplots import figures as vplot_figures
from chromputer_tracks.analysis.vplots.aggregate import VplotPair, VplotSet
from chromputer_tracks.analysis.vplots.images import FRAGMENTS, VplotScale
from chromputer_tracks.evaluation.metrics import Curve, Estimate, Reliability
from chromputer_tracks.evaluation.scores import BinaryScores
from chromputer_tracks.figures import Bar, Line
from chromputer_tracks.spec import Label

NAN = float("nan")
E = Estimate(0.5, 0.4, 0.6)
NONE = Estimate(NAN, NAN, NAN)
RELIABILITY = Reliability((0.05, 0.9), (0.1, 0.8), (1000, 10), Estimate(0.0514, 0.04, 0.06))
SVG = "{http://www.w3.org/2000/svg}"


def scores(name="Reb1", x=(0.0, 0.5, 1.0), y=(1.0, 0.8, 0.25)):
    return BinaryScores(name, 400, 100, E, E, E, {"0.5": E}, Curve(x, y), RELIABILITY)


def image_set(observed, predicted=None, edges=(20, 30, 40, 50)):
    pair = VplotPair(Label("A", "first", (1, 2, 3)), 10, observed, 5, predicted)
    return VplotSet("atac", 100, edges, (pair,))


VPLOT = image_set(np.arange(30.0).reshape(3, 10))

DRAWN = {
    "training": lambda: figures.training_curve("Loss", {"train": ([1, 2], [2.0, 1.0])}, 2),
    "pr": lambda: figures.pr_curve(scores(), (1, 2, 3), [("scan", Curve((0, 1), (0.5, 0.2)))]),
    "reliability": lambda: figures.reliability_diagram("Reb1", RELIABILITY, (1, 2, 3)),
    "depth": lambda: figures.depth_curves([Line("net", (1, 10), (E, E))], "depth", "accuracy", 0.9),
    "confusion": lambda: figures.confusion_matrix([[3, 1], [0, 4]], ["A", "B"], [(1, 2, 3)] * 2),
    "overlap": lambda: figures.overlap_matrix([[1, 0.25], [0.25, 1]], ["A", "B"]),
    "accuracy": lambda: figures.accuracy_matrix([[E, NONE]], ["one"], ["x", "y"], "accuracy"),
    "bars": lambda: figures.bars([Bar("net", E), Bar("base", E, True)], "accuracy", Bar("top", E)),
    "counts": lambda: figures.label_counts(["A", "B"], {"train": [10, 0], "test": [3, 0]}),
    "shares": lambda: figures.class_shares([("chrI", [1, 3])], ["A", "B"], [(1, 2, 3)] * 2),
    "vplot": lambda: vplot_figures.vplot_panel(
        VPLOT.pairs[0].observed, VPLOT, vplot_figures.set_scale(VPLOT), "true", "V-plot"
    ),
    "color bar": lambda: vplot_figures.color_bar(VplotScale(FRAGMENTS, 0.001)),
}


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_fits_into_a_page(name):
    before = dict(mpl.rcParams)
    svg = DRAWN[name]()
    assert dict(mpl.rcParams) == before
    assert svg.startswith("<svg ")
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label")
    assert float(root.get("width")) > 100
    assert texts(svg), "text stays text"
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))
    # Ids, and nothing else, are referred to; nothing is loaded from elsewhere.
    for element in root.iter():
        href = element.get("href", "#" + (ids or [""])[0])
        assert href.startswith("data:image/png;base64,") or href[1:] in ids or not ids
        for value in element.attrib.values():
            assert all(target in ids for target in re.findall(r"url\(#(.*?)\)", value))
    assert "DejaVu" not in svg
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")
    for colour, variable in figures.PROPERTIES.items():
        assert svg.count(colour) == svg.count(f"var({variable}, {colour})")
    assert "--fig-ink" in svg or "--fig-muted" in svg


def test_the_same_figure_twice_is_the_same_and_others_share_no_ids():
    one, again = DRAWN["pr"](), DRAWN["pr"]()
    assert one == again
    other = figures.pr_curve(scores("Abf1"), (1, 2, 3))
    ids = [set(re.findall(r' id="(.*?)"', svg)) for svg in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_the_first_figure_of_a_process_is_as_the_later_ones(monkeypatch):
    namespaces = {
        uri: prefix
        for uri, prefix in ElementTree._namespace_map.items()
        if uri != "http://www.w3.org/2000/svg"
    }
    # As in a process that has drawn nothing so far.
    monkeypatch.setattr(ElementTree, "_namespace_map", namespaces)
    monkeypatch.setattr(ElementTree.register_namespace, "_namespace_map", namespaces)
    first, second = DRAWN["pr"](), DRAWN["pr"]()
    assert first == second
    assert "url(#f" in first


def test_confusion_matrix_shows_shares_of_rows_and_counts():
    svg = figures.confusion_matrix(
        [[3, 1, 0], [0, 1990, 10], [0, 0, 0]], ["A", "B", "C"], [(255, 0, 0)] * 3
    )
    shown = texts(svg)
    assert shown.count("75%") == shown.count("25%") == 1
    assert "1,990" in shown
    assert ">99%" in shown
    assert "<1%" in shown
    assert not {"0%", "100%"} & set(shown)  # empty cells stay empty
    assert "2,004 sites" in svg
    assert f"{1993 / 2004:.3f} of them on the diagonal" in svg
    assert svg.count("#ff0000") == 6


def test_matrices_leave_out_what_is_missing():
    assert texts(figures.overlap_matrix([[1, 0.256], [0.256, 1]], ["A", "B"])) == ["A", "B", "0.26"]
    shown = texts(DRAWN["accuracy"]())
    assert "0.500" in shown
    assert "0.400–0.600" in shown
    assert not any("nan" in text for text in shown)


def test_bars_say_their_values_and_leave_out_what_has_none():
    svg = figures.bars(
        [Bar("net", E), Bar("gone", NONE), Bar("bad", Estimate(-0.2, NAN, NAN))], "R"
    )
    shown = texts(svg)
    assert "0.500" in shown
    assert "gone" not in shown
    assert 'aria-label="R: net 0.500, bad -0.200"' in svg


def test_pr_curve_states_area_and_prevalence():
    svg = DRAWN["pr"]()
    assert 'aria-label="Precision-recall curve of Reb1: area 0.500, prevalence 0.25"' in svg
    assert "AUPRC 0.500" in texts(svg)
    assert "#010203" in svg  # the label's own colour
    long = texts(figures.pr_curve(scores("A-very-long-name-of-a-label"), (1, 2, 3)))
    assert "0.500" in long
    assert "A-very-long-name-of…" in long
    assert "–" in figures.reliability_diagram("x", Reliability((), (), (), NONE), (1, 2, 3))


def test_lines_are_named_at_their_ends_but_for_one_that_the_title_names():
    shown = texts(
        figures.training_curve("Loss", {"train": ([1, 2], [2, 1]), "gone": ([1], [NAN])}, None)
    )
    assert "train" in shown
    assert "gone" not in shown
    assert texts(figures.training_curve("Rate", {"rate": ([1], [1.0])}, 1)).count("rate") == 0


def pixels(svg):
    """RGB of a V-plot's image as it stands in the page, top row first."""
    image = next(ElementTree.fromstring(svg).iter(f"{SVG}image"))
    raw = base64.b64decode(image.get("href").removeprefix("data:image/png;base64,"))
    found = np.array(Image.open(io.BytesIO(raw)).convert("RGB")).astype(int).sum(axis=-1)
    scale = [float(n) for n in re.findall(r"-?[\d.]+", image.get("transform"))]
    assert scale[0] > 0
    return found if scale[3] > 0 else found[::-1]


def test_vplot_has_short_fragments_below_and_upstream_at_the_left():
    image = np.zeros((3, 10))
    image[0, 1] = 1.0
    item = image_set(image)
    found = pixels(vplot_figures.vplot_panel(image, item, VplotScale(FRAGMENTS, 0.01), "t", "d"))
    assert found.shape == (3, 10)
    assert np.unravel_index(found.argmax(), found.shape) == (2, 1)
    assert found[2, 1] > found[2, 2] > found[2, 4] > found[2, 9] == found.min()
    assert found[2, 1] > found[1, 1] > found[0, 1]


def test_images_are_shown_as_densities():
    scale = vplot_figures.set_scale(image_set(np.full((3, 10), 2.0)))
    # 2 fragments in 10 bp x 10 bp.
    assert scale.top == pytest.approx(0.02)
    bar = texts(vplot_figures.color_bar(scale))
    assert bar[0] == "0"
    assert "2000" in bar
    assert "fragments per 1,000 sites in 10 bp × 10 bp" in bar


def test_one_scale_for_true_and_predicted():
    low, high = np.full((3, 10), 1.0), np.full((3, 10), 9.0)
    assert vplot_figures.set_scale(image_set(low, high)).top == pytest.approx(0.09)
    gone = np.full((3, 10), NAN)
    assert vplot_figures.set_scale(image_set(gone, low)).top == pytest.approx(0.01)
    assert vplot_figures.set_scale(image_set(gone)).top == 1.0
    empty = vplot_figures.vplot_panel(gone, VPLOT, VplotScale(FRAGMENTS, 1.0), "t", "d")
    assert "no sites" in texts(empty)
    assert "<image" not in empty


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=300),
    st.integers(2, 50),
)
def test_thinned_curves_keep_the_envelope(points, steps):
    x = np.sort([p[0] for p in points])
    y = np.array([p[1] for p in points])
    tx, ty = figures.thin(Curve(tuple(x), tuple(y)), steps)
    assert len(tx) <= max(steps, 4 * (steps + 1))
    assert (np.diff(tx) >= 0).all()
    assert set(zip(tx, ty, strict=True)) <= set(zip(x, y, strict=True))
    for column in {round(value * steps) for value in x}:
        where = np.round(x * steps) == column
        kept = np.round(tx * steps) == column
        assert ty[kept].max() == y[where].max()
        assert ty[kept].min() == y[where].min()
    if len(x):
        assert (tx[0], tx[-1], ty[0], ty[-1]) == (x[0], x[-1], y[0], y[-1])


@given(st.lists(st.floats(-5, 5), max_size=12), st.floats(0.01, 2))
def test_labels_are_pushed_apart_in_order_and_no_more_than_needed(values, gap):
    found = figures.spread(values, gap)
    order = np.argsort(values, kind="stable")
    moved = np.array(found)[order]
    assert (np.diff(moved) >= gap - 1e-9).all()
    if len(values) < 2 or np.diff(np.array(values)[order]).min() >= gap:
        np.testing.assert_allclose(found, values, atol=1e-12)
    if values:
        assert np.mean(found) == pytest.approx(np.mean(values), abs=1e-6)


def test_two_labels_at_one_place():
    assert figures.spread([1.0, 1.0], 0.5) == [0.75, 1.25]
    assert figures.spread([3.0, 1.0, 1.2], 0.4) == pytest.approx([3.0, 0.9, 1.3])


def test_numbers_have_three_decimals():
    from chromputer_tracks.figures import number

    assert number(0.12345) == "0.123"
    assert number(math.inf) == number(NAN) == "–"

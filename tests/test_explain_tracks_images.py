"""Pictures of explained sites: which, under which names, and what they show."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from explain_run import Bench, Notes, explained_spec
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from toy_genome import ToyGenome, toy_genome

from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.contributions import Site, read_contributions
from chromputer_tracks.tracks.explain import pictures
from chromputer_tracks.tracks.explain.pictures import draw_site, zoomed
from chromputer_tracks.tracks.explain.sites import SiteView

REGIONS = tuple(f"chr1 {at} {at + 1} s{at} 1" for at in range(100, 4000, 400))
LABEL = explained_spec().heads[1].labels[0]


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    return toy_genome()


def view(seed: int = 0, **changes: object) -> SiteView:
    rng = np.random.default_rng(seed)
    importance = rng.normal(size=300).astype(np.float32)
    bases = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 300)].T.copy()
    arrays = {"atac": (5, 30), "cuts": (1, 12)}
    fields = {
        "site": Site("chr1", 1000, 990, 1010, "peak"),
        "window": Interval("chr1", 850, 1150),
        "logit": 1.5,
        "sequence": bases,
        "importance": importance,
        "shape": rng.normal(size=(2, 300)).astype(np.float32),
        "values": {n: rng.random(shape).astype(np.float32) for n, shape in arrays.items()},
        "inputs": {n: rng.normal(size=s).astype(np.float32) for n, s in arrays.items()},
    }
    return SiteView(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn, kept instead of saved."""
    kept: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **more: kept.append(self))
    return kept


def test_the_sites_with_the_highest_logits_are_pictured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ToyGenome
) -> None:
    bench = Bench.make(tmp_path, monkeypatch, toy)
    drawn: list = []
    notes = Notes()
    monkeypatch.setattr(pictures, "draw_site", _touching(drawn))
    result = bench.run("out", notes, regions=bench.bed(*REGIONS), images=3)
    found = read_contributions(tmp_path / "out" / "TF1")
    order = np.argsort(-found.logit, kind="stable")[:3]
    assert [view.logit for view, _ in drawn] == found.logit[order].tolist()
    for (shown, paths), row in zip(drawn, order, strict=True):
        assert shown.site.centre == found.start[row] + 150
        assert shown.window == Interval("chr1", int(found.start[row]), int(found.start[row]) + 300)
        np.testing.assert_array_equal(shown.sequence, found.sequences()[row])
        np.testing.assert_allclose(shown.importance, found.importance()[row])
        for name in ("atac", "cuts"):
            np.testing.assert_array_equal(shown.values[name], found.values(name)[row])
            np.testing.assert_array_equal(shown.inputs[name], found.contributions(name)[row])
        assert [path.suffix for path in paths] == [".png", ".pdf"]
        assert paths[0].stem.endswith(f"_chr1_{shown.site.centre + 1}")
    images = {name for name in result.record.outputs if "images" in name}
    assert images == {f"TF1/images/{path.name}" for _, paths in drawn for path in paths}
    assert all((tmp_path / "out" / name).is_file() for name in images)
    assert "TF1: drawing 3 sites" in notes.lines


def _touching(drawn: list) -> object:
    def draw(view, spec, label, paths):
        assert label.name == "TF1"
        drawn.append((view, paths))
        for path in paths:
            path.write_text("picture")

    return draw


@pytest.mark.parametrize("images", [1, 2])
def test_of_equal_logits_the_first_sites_are_pictured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ToyGenome, images: int
) -> None:
    bench = Bench.make(tmp_path, monkeypatch, toy)
    drawn: list = []
    monkeypatch.setattr(pictures, "draw_site", _touching(drawn))
    bench.run(regions=bench.bed(*(f"chr1 900 901 {name} 1" for name in "cba")), images=images)
    assert [view.site.name for view, _ in drawn] == ["a", "b"][:images]


def test_no_pictures_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ToyGenome
) -> None:
    bench = Bench.make(tmp_path, monkeypatch, toy)
    bench.run(regions=bench.bed(*REGIONS), images=0)
    assert not (tmp_path / "out" / "TF1" / "images").exists()


def test_files_are_pictures_and_the_same_again(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.png", "a.pdf", "b.png", "b.pdf")]
    draw_site(view(), explained_spec(), LABEL, paths[:2])
    draw_site(view(), explained_spec(), LABEL, paths[2:])
    height, width, _ = matplotlib.image.imread(paths[0]).shape
    assert width == 1440
    assert height > 1000
    assert paths[1].read_bytes().startswith(b"%PDF")
    assert paths[0].read_bytes() == paths[2].read_bytes()
    assert paths[1].read_bytes() == paths[3].read_bytes()


def test_each_input_has_its_rows(figures: list[Figure]) -> None:
    draw_site(view(), explained_spec(), LABEL, [Path("a.png")])
    (figure,) = figures
    panels = figure.axes[0:14:2]
    assert [panel.get_title("left") for panel in panels] == [
        "atac: fragments",
        "contributions of atac",
        "cuts",
        "contributions of cuts",
        "contributions of DNA shape",
        "contributions of the bases",
        "",
    ]
    for panel in panels[:6]:
        assert panel.get_xlim() == (-150, 150)
    mesh = panels[1].collections[0]
    np.testing.assert_array_equal(mesh.get_array(), view().inputs["atac"])
    low, high = mesh.get_clim()
    assert low == -high
    assert figure.get_suptitle() == "factor 1 · peak · chr1:1,001 · logit 1.50"


def test_models_of_one_input(figures: list[Figure]) -> None:
    dna, vplot, _ = explained_spec().inputs
    only_dna = view(values={}, inputs={}, shape=None)
    draw_site(only_dna, explained_spec(inputs=(dna,)), LABEL, [Path("a.png")])
    one = view()
    parts = {"values": {"atac": one.values["atac"]}, "inputs": {"atac": one.inputs["atac"]}}
    no_dna = view(sequence=None, importance=None, shape=None, **parts)
    draw_site(no_dna, explained_spec(inputs=(vplot,)), LABEL, [Path("a.png")])
    # Each row has a place for its colour bar.
    assert [len(figure.axes) for figure in figures] == [4, 4]


def test_empty_inputs_can_be_drawn(figures: list[Figure]) -> None:
    one = view()
    empty = view(
        sequence=np.zeros((4, 300), np.float32),
        importance=np.zeros(300, np.float32),
        values={name: np.zeros_like(array) for name, array in one.values.items()},
        inputs={name: np.zeros_like(array) for name, array in one.inputs.items()},
    )
    draw_site(empty, explained_spec(), LABEL, [Path("a.png")])
    assert len(figures) == 1


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=30),
    st.integers(1, 12),
)
def test_letters_show_the_bases_with_most_contributions(values: list[int], width: int) -> None:
    importance = np.array(values, dtype=np.float32)
    width = min(width, len(values))
    held = {
        first: sum(abs(v) for v in values[first : first + width])
        for first in range(len(values) - width + 1)
    }
    best = [first for first, total in held.items() if total == max(held.values())]
    middle = (len(values) - width) / 2
    found = zoomed(importance, width)
    assert found in best
    assert abs(found - middle) == min(abs(first - middle) for first in best)

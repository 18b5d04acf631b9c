"""V-plots by state and of explained sites: means and changes in probability by slow formulas."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import write_tiny_model
from toy_genome import ToyGenome, toy_genome
from vplot_toy import EFFECT, HEAD, SHAPE, SPEC, STRANDS, VPLOT, LinearExplainer, write_explained

from chromputer_tracks.analysis.vplots import states as vplot_states
from chromputer_tracks.analysis.vplots.sites import VplotSites, contig_sites
from chromputer_tracks.analysis.vplots.states import (
    explain_states,
    explained_table,
    predicted_bins,
    probability_change,
    state_bins,
    states_head,
    vplot_input,
    with_predicted_states,
    with_states,
)
from chromputer_tracks.data.features import probabilities
from chromputer_tracks.data.labels import MODEL_STATES, UNKNOWN, StateLabels, read_states
from chromputer_tracks.errors import FormatError, InputError
from chromputer_tracks.inference.session import open_session
from chromputer_tracks.intervals import Interval
from chromputer_tracks.spec import HeadSpec, InputSpec, Label, Normalisation


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    return toy_genome()


def sites() -> VplotSites:
    return VplotSites(
        ("chr2", "chr1"),
        np.array([0, 1, 1, 0, 1, 1]),
        np.array([500, 90, 5001, 4000, 3000, 2000]),
        np.array([1, -1, 1, -1, 1, -1]),
        ("S0", "S1", "S2"),
        np.array([0, 0, 2, 2, UNKNOWN, 0]),
    )


@pytest.mark.parametrize("batch", [1, 2, 7, 100])
def test_images_against_a_loop(toy: ToyGenome, batch: int) -> None:
    features, places = toy.features(SPEC), sites()
    done: list[int] = []
    found = explain_states(LinearExplainer(batch), features, places, SPEC, HEAD, VPLOT, done.append)
    assert found.sites.tolist() == [3, 0, 2]
    assert done == [1, 2, 3, 4, 5]
    scale = HEAD.labels[0].scale
    for state in (0, 2):
        values, own, change = (np.zeros(SHAPE) for _ in range(3))
        rows = np.flatnonzero(places.code == state)
        for row in rows:
            centre = int(places.centre[row])
            window = Interval(places.contigs[places.contig[row]], centre - 150, centre + 150)
            image = features.arrays(window)["atac"].astype(np.float64)
            logits = image * EFFECT[:3] * scale
            for length in range(SHAPE[0]):
                for column in range(SHAPE[1]):
                    at = column if places.strand[row] > 0 else SHAPE[1] - 1 - column
                    c = logits[:, length, at]
                    values[length, column] += image[length, at]
                    own[length, column] += c[state] - sum(c) / 3
                    odds = [math.exp(value) for value in c]
                    change[length, column] += odds[state] / sum(odds) - 1 / 3
        assert np.abs(change).max() > 1e-3
        np.testing.assert_allclose(found.values[state], values / len(rows), rtol=1e-6)
        np.testing.assert_allclose(found.contributions[state], own / len(rows), atol=1e-6)
        np.testing.assert_allclose(found.changes[state], change / len(rows), atol=1e-6)
    assert np.isnan(found.values[1]).all()
    assert np.isnan(found.changes[1]).all()


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=6), st.floats(-50, 50), st.data())
def test_probability_change(contributions: list[float], shift: float, data: st.DataObject) -> None:
    state = data.draw(st.integers(0, len(contributions) - 1))
    c = np.array(contributions)[:, None, None]
    found = probability_change(c, state)[0, 0]
    odds = [math.exp(value) for value in contributions]
    assert found == pytest.approx(odds[state] / sum(odds) - 1 / len(odds), abs=1e-12)
    # What all states share changes nothing, nor does an empty pixel.
    assert probability_change(c + shift, state)[0, 0] == pytest.approx(found, abs=1e-9)
    assert probability_change(0 * c, state)[0, 0] == pytest.approx(0, abs=1e-15)


def test_the_mean_is_taken_after_the_softmax(toy: ToyGenome) -> None:
    """One site of two holds a fragment that decides all: half of what it changes there."""
    large = replace(SPEC, window=SPEC.window)
    fake = LinearExplainer()

    @dataclass(frozen=True)
    class Loud:
        def stream(self, features, windows, weights) -> Iterator:
            for first, arrays, found in fake.stream(features, windows, weights):
                given = found.inputs["atac"] * 0
                given[:, 0, 0] = [1000 * rows[0] for rows in weights[first : first + len(given)]]
                given[[windows[first + i].start < 1000 for i in range(len(given))]] = 0
                yield first, arrays, replace(found, inputs={"atac": given})

    places = sites().take(np.array([0, 1]))
    places = replace(places, centre=np.array([500, 3000]), strand=np.array([1, 1]))
    found = explain_states(Loud(), toy.features(large), places, large, HEAD, VPLOT)
    assert found.changes[0][0, 0] == pytest.approx((1 - 1 / 3) / 2, abs=1e-4)


def test_bins_and_true_states(toy: ToyGenome, tmp_path: Path) -> None:
    bins = state_bins(toy.sizes, ["chr10", "edge"], 200)
    assert bins.centre.tolist() == [100, 300, 500, 700, 900, 100]
    path = tmp_path / "states.bed"
    path.write_text("chr10\t0\t400\tS2\nchr10\t400\t600\tS0\nedge\t100\t200\tS1\n")
    found = with_states(bins, read_states(path, HEAD.labels, toy.sizes, MODEL_STATES), HEAD)
    assert found.code.tolist() == [2, 2, 0, UNKNOWN, UNKNOWN, 1]
    assert found.classes == ("S0", "S1", "S2")
    path.write_text("chr10\t0\t400\tS9\n")
    with pytest.raises(
        InputError, match=r"states.bed line 1: state 'S9' is not among the states \(S0, "
    ):
        read_states(path, HEAD.labels, toy.sizes, MODEL_STATES)
    path.write_text("chr10\t0\t400\tS0\nchr10\t300\t500\tS1\n")
    with pytest.raises(FormatError, match=r"states.bed: .*overlap"):
        read_states(path, HEAD.labels, toy.sizes, MODEL_STATES)


def test_predicted_states_are_the_most_probable(
    toy: ToyGenome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vplot_states, "_BATCH", 20)
    session = open_session(write_tiny_model(tmp_path / "tiny") / "predict.onnx", "cpu", 1)
    features = toy.features(SPEC)
    bins = predicted_bins(session, features, toy.sizes, ["chr2", "chr1"], SPEC, HEAD)
    assert len(bins) == 21 + 30
    where = contig_sites([("chr2", bins.centre[:21]), ("chr1", bins.centre[21:])])
    again = with_predicted_states(session, features, where, SPEC, HEAD)
    np.testing.assert_array_equal(bins.code, again.code)
    assert len(set(bins.code.tolist())) > 1
    for row in range(0, len(bins), 5):
        centre = int(bins.centre[row])
        window = Interval(bins.contigs[bins.contig[row]], centre - 150, centre + 150)
        arrays = {name: item[None] for name, item in features.arrays(window).items()}
        best = probabilities(session.run(arrays), SPEC.heads)[0, :3, 0].argmax()
        assert bins.code[row] == best


def test_what_a_model_has() -> None:
    assert states_head(SPEC) is HEAD
    assert vplot_input(SPEC, None) is VPLOT
    assert vplot_input(SPEC, "atac") is VPLOT
    with pytest.raises(InputError, match="no V-plot input 'dna'; it reads atac"):
        vplot_input(SPEC, "dna")
    with pytest.raises(InputError, match="model tiny: it reads no V-plot"):
        vplot_input(replace(SPEC, inputs=SPEC.inputs[:1]), None)
    second = InputSpec("vplot", "mnase", 10, (1, 9), Normalisation((1.0,)), "mnase")
    with pytest.raises(InputError, match="it reads atac, mnase; choose one with --input"):
        vplot_input(replace(SPEC, inputs=(*SPEC.inputs, second)), None)
    binary = HeadSpec("binary", "tf", (Label("TF", "tf", (0, 0, 0)),))
    with pytest.raises(InputError, match="model tiny predicts no chromatin states"):
        states_head(replace(SPEC, heads=(binary,)))


def test_states_without_positions() -> None:
    found = with_states(sites(), StateLabels({}, {}, {}), HEAD)
    assert (found.code == UNKNOWN).all()


# ---- What ``chromputer explain`` wrote.


def mean(array: np.ndarray, rows: list[int]) -> np.ndarray:
    total = np.zeros(array.shape[1:])
    for row in rows:
        total += array[row][:, ::-1] if STRANDS[row] == "-" else array[row]
    return total / len(rows)


def test_explained_means_by_label_turned_by_strand(tmp_path: Path) -> None:
    values, given = write_explained(tmp_path / "S1", 1)
    write_explained(tmp_path / "TF1", 2)
    table = explained_table(tmp_path, SPEC, VPLOT)
    assert [(row.name, row.title, row.sites) for row in table.rows] == [
        ("S1", "S1 state 1", 5),
        ("TF1", "TF1 factor 1", 5),
    ]
    assert [quantity.name for quantity in table.quantities] == ["input", "contribution"]
    assert table.rows[0].color == (10, 0, 255)
    read, contribution = table.rows[0].images
    np.testing.assert_allclose(read.values, mean(values, [0, 1, 2, 3, 4]), rtol=1e-6)
    expected = mean(given, [0, 1, 2, 3, 4])
    np.testing.assert_allclose(contribution.values, expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(contribution.profile, expected.sum(0), atol=1e-6)
    assert (contribution.values != given.mean(axis=0)).any()
    alone = explained_table(tmp_path / "S1", SPEC, VPLOT)
    np.testing.assert_array_equal(alone.rows[0].images[1].values, contribution.values)
    assert [row.name for row in explained_table(tmp_path, SPEC, VPLOT, ["TF1"]).rows] == ["TF1"]


def test_explained_classes_and_contigs(tmp_path: Path) -> None:
    _, given = write_explained(tmp_path / "S1", 1)
    table = explained_table(tmp_path, SPEC, VPLOT, by="name")
    assert [(row.name, row.sites) for row in table.rows] == [("S1.a", 3), ("S1.b", 2)]
    expected = mean(given, [1, 3])
    np.testing.assert_allclose(table.rows[1].images[1].values, expected, rtol=1e-5, atol=1e-8)
    table = explained_table(tmp_path, SPEC, VPLOT, by="strand", chroms=["chr2"])
    assert [(row.title, row.sites) for row in table.rows] == [("S1, +", 1), ("S1, -", 1)]
    table = explained_table(tmp_path, SPEC, VPLOT, chroms=["chr2"])
    expected = mean(given, [3, 4])
    np.testing.assert_allclose(table.rows[0].images[1].values, expected, rtol=1e-5, atol=1e-8)


def test_explained_sites_refused(tmp_path: Path) -> None:
    write_explained(tmp_path / "S1", 1)
    with pytest.raises(InputError, match="no label 'S2', only S1"):
        explained_table(tmp_path, SPEC, VPLOT, ["S2"])
    with pytest.raises(InputError, match="column 'score': choose name, strand or chrom"):
        explained_table(tmp_path, SPEC, VPLOT, by="score")
    with pytest.raises(InputError, match="no site of S1 lies on chr9"):
        explained_table(tmp_path, SPEC, VPLOT, chroms=["chr9"])
    with pytest.raises(InputError, match="no input 'mnase'"):
        explained_table(tmp_path, SPEC, replace(VPLOT, name="mnase"))
    with pytest.raises(InputError, match=r"of shape \(3, 30\), but the model's has \(2, 30\)"):
        explained_table(tmp_path, SPEC, replace(VPLOT, length_edges=(1, 50, 400)))
    with pytest.raises(InputError, match="holds no explained label"):
        explained_table(tmp_path / "S1" / "images", SPEC, VPLOT)

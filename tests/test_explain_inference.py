"""Explaining with the shipped model on ONNX Runtime alone: what callers of Explainer rely on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from chromputer_tracks.cli.demo import example_folder
from chromputer_tracks.data.features import Features
from chromputer_tracks.errors import InputError, SpecError
from chromputer_tracks.inference.explain import (
    Explainer,
    head_weights,
    mean_baselines,
    open_explainer,
)
from chromputer_tracks.inference.sample import open_sample
from chromputer_tracks.inference.session import Model, load_model
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.spec import model_labels

WINDOW = 2000


class Silent:
    def note(self, text: str) -> None: ...

    def progress(self, stage: str, done: int, total: int | None, unit: str) -> None: ...


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("yeast-atac")


@pytest.fixture(scope="module")
def sample(model: Model) -> Iterator[tuple[Features, ChromSizes]]:
    folder = example_folder()
    files = SampleFiles(folder / "sacCer3.fa.gz", folder / "atac.fragments.tsv.gz")
    with ExitStack() as stack:
        fasta = stack.enter_context(Fasta(files.fasta))
        yield open_sample(stack, model, fasta, files, Silent()).features, fasta.sizes


@pytest.fixture(scope="module")
def explainer(model: Model) -> Explainer:
    return open_explainer(model, references=4, provider="cpu", threads=2)


def windows(count: int) -> list[Interval]:
    """In the genes of chrVII, and one over its start."""
    places = [Interval.centred("chrVII", 311 + 40_507 * place, WINDOW) for place in range(count)]
    assert places[0].start < 0
    return places


def test_weights_of_a_binary_label_are_its_calibration(model: Model):
    names = [item.label.name for item in model_labels(model.spec)]
    weights = head_weights(model.spec, "Reb1")
    (row,) = np.flatnonzero(weights)
    assert names[row] == "Reb1"
    label = next(x for head in model.spec.heads for x in head.labels if x.name == "Reb1")
    assert weights[row] == np.float32(label.scale)


def test_weights_of_a_state_are_normalised_by_the_mean_over_states(model: Model):
    names = [item.label.name for item in model_labels(model.spec)]
    states = model.spec.heads[0].labels
    weights = head_weights(model.spec, "S3")
    scale = states[0].scale
    for name, weight in zip(names, weights, strict=True):
        if name == "S3":
            assert weight == pytest.approx(scale * 7 / 8)
        else:
            assert weight == pytest.approx(
                -scale / 8 if name.startswith("S") and len(name) == 2 else 0
            )
    logits = np.random.default_rng(0).normal(size=len(names))
    shifted = logits + np.r_[np.full(8, 3.0), np.zeros(len(names) - 8)]
    assert weights @ logits == pytest.approx(weights @ shifted, abs=1e-6)


def test_unknown_labels_are_listed(model: Model):
    with pytest.raises(InputError, match=r"no label 'Gal4'; it has S1, S2.*Reb1, Abf1"):
        head_weights(model.spec, "Gal4")
    assert np.array_equal(head_weights(model.spec, "binary.Reb1"), head_weights(model.spec, "Reb1"))


def test_contributions_add_up(
    explainer: Explainer, sample: tuple[Features, ChromSizes], model: Model
):
    for label in ("Reb1", "S5"):
        weights = head_weights(model.spec, label)
        for _, arrays, found in explainer.stream(sample[0], windows(5), weights):
            error = abs(found.total() - found.difference)
            assert (error < 1e-3 * abs(found.difference)).all()
            assert found.sequence is not None and found.hypothetical is not None
            there = (arrays["sequence"] * found.hypothetical).sum(axis=1)
            np.testing.assert_allclose(found.sequence, there, atol=1e-7)
            assert set(found.parts()) == {"sequence", "vplot"}


def test_the_logit_is_that_of_prediction(
    explainer: Explainer, sample: tuple[Features, ChromSizes], model: Model
):
    from chromputer_tracks.inference.session import open_session

    weights = np.random.default_rng(1).normal(size=model.spec.outputs).astype(np.float32)
    session = open_session(model.path, "cpu", 1)
    for _, arrays, found in explainer.stream(sample[0], windows(3), weights):
        logits = session.run(arrays)[:, :, 0]
        np.testing.assert_allclose(found.logit, logits @ weights, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", ["deeplift", "gradient*input"])
def test_neither_order_nor_batch_counts(
    method: str, sample: tuple[Features, ChromSizes], model: Model
):
    explainer = open_explainer(model, method, references=3, provider="cpu", threads=2)  # type: ignore[arg-type]
    weights, places = head_weights(model.spec, "Abf1"), windows(9)
    together = [
        (first + row, found.sequence[row], found.inputs["vplot"][row])
        for first, _, found in explainer.stream(sample[0], places, weights)
        for row in range(len(found.logit))
        if found.sequence is not None
    ]
    assert [place for place, _, _ in together] == list(range(9))
    for place in (8, 0, 4):
        arrays = {name: x[None] for name, x in sample[0].arrays(places[place]).items()}
        alone = explainer.explain(arrays, weights, [places[place]])
        assert alone.sequence is not None
        scale = abs(alone.sequence).max()
        np.testing.assert_allclose(alone.sequence[0], together[place][1], atol=1e-5 * scale)
        np.testing.assert_allclose(alone.inputs["vplot"][0], together[place][2], atol=1e-6)


def test_weights_may_differ_by_window(
    explainer: Explainer, sample: tuple[Features, ChromSizes], model: Model
):
    places = windows(2)
    both = np.stack([head_weights(model.spec, name) for name in ("Reb1", "S1")])
    found = [c.logit for _, _, c in explainer.stream(sample[0], places, both)]
    each = [
        next(explainer.stream(sample[0], [place], row))[2].logit
        for place, row in zip(places, both, strict=True)
    ]
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(each), atol=1e-5)


def test_bases_beyond_the_contig_have_no_importance(
    explainer: Explainer, sample: tuple[Features, ChromSizes], model: Model
):
    (window,) = windows(1)
    _, arrays, found = next(explainer.stream(sample[0], [window], head_weights(model.spec, "Reb1")))
    outside = -window.start
    assert outside > 0 and not arrays["sequence"][0, :, :outside].any()
    assert found.sequence is not None
    assert not found.sequence[0, :outside].any() and found.sequence[0, outside:].any()


def test_the_gradient_promises_no_sum(sample: tuple[Features, ChromSizes], model: Model):
    explainer = open_explainer(model, "gradient*input", provider="cpu")
    _, _, found = next(explainer.stream(sample[0], windows(1), head_weights(model.spec, "S2")))
    assert np.isnan(found.difference).all()


def test_references_follow_the_seed(sample: tuple[Features, ChromSizes], model: Model):
    weights, place = head_weights(model.spec, "Rap1"), windows(2)[1:]

    def contributions(seed: int) -> np.ndarray:
        explainer = open_explainer(model, references=2, seed=seed, provider="cpu")
        found = next(explainer.stream(sample[0], place, weights))[2].sequence
        assert found is not None
        return found

    assert np.array_equal(contributions(5), contributions(5))
    assert not np.allclose(contributions(5), contributions(6))


def test_mean_baselines(explainer: Explainer, sample: tuple[Features, ChromSizes], model: Model):
    features, sizes = sample
    found = mean_baselines(model.spec, features, sizes, windows=3)["vplot"]
    starts = dict(zip(sizes, np.cumsum([0, *sizes.values()])[:-1], strict=True))
    slow = []
    for part in (1, 3, 5):
        place = int(sizes.total * part / 6)
        contig = max((name for name in sizes if starts[name] <= place), key=starts.__getitem__)
        window = Interval.centred(contig, place - starts[contig], WINDOW)
        slow.append(features.arrays(window)["vplot"].mean(axis=1))
    np.testing.assert_allclose(found, np.repeat(np.mean(slow, 0)[:, None], 200, 1), rtol=1e-5)
    other = explainer.with_baselines({"vplot": found})
    arrays = {name: x[None] for name, x in features.arrays(windows(2)[1]).items()}
    arrays["vplot"] = found[None]
    alike = other.explain(arrays, head_weights(model.spec, "S4"), windows(2)[1:])
    assert not alike.inputs["vplot"].any()
    assert alike.total() == pytest.approx(alike.difference, rel=1e-3)


def test_baselines_must_fit(explainer: Explainer):
    with pytest.raises(InputError, match="no V-plot or signal 'dnase'"):
        explainer.with_baselines({"dnase": np.zeros((1, 200), dtype=np.float32)})
    with pytest.raises(InputError, match=r"'vplot' has shape \(3, 200\), not \(16, 200\)"):
        explainer.with_baselines({"vplot": np.zeros((3, 200), dtype=np.float32)})


def test_windows_of_another_length_are_refused(
    explainer: Explainer, sample: tuple[Features, ChromSizes], model: Model
):
    with pytest.raises(InputError, match=r"chrI:1-1,990 is not 2,000 bp"):
        next(
            explainer.stream(sample[0], [Interval("chrI", 0, 1990)], head_weights(model.spec, "S1"))
        )


def test_a_model_without_the_graph(tmp_path: Path, model: Model):
    folder = tmp_path / "bare"
    folder.mkdir()
    for name in ("predict.onnx", "model.json"):
        shutil.copy(model.path.with_name(name), folder / name)
    with pytest.raises(SpecError, match=r"explain.onnx is not there.*train it again"):
        open_explainer(load_model(folder))


def test_the_explaining_graph_is_no_model(model: Model):
    with pytest.raises(SpecError, match=r"explains a model; name its folder, or the predict.onnx"):
        load_model(model.path.with_name("explain.onnx"))


def test_a_graph_of_another_model(tmp_path: Path, model: Model):
    folder = tmp_path / "mixed"
    shutil.copytree(model.path.parent, folder, ignore=shutil.ignore_patterns("training"))
    graph = onnx.load(folder / "explain.onnx")
    for tensor in graph.graph.initializer:
        values = numpy_helper.to_array(tensor)
        # The heads, as the layer of all outputs is the only matrix with so many rows.
        if values.ndim == 2 and values.shape[0] == model.spec.outputs:
            tensor.CopyFrom(numpy_helper.from_array(values * np.float32(1.5), tensor.name))
    onnx.save(graph, folder / "explain.onnx")
    with pytest.raises(SpecError, match=r"is of another model than predict.onnx"):
        open_explainer(load_model(folder), provider="cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "shap"}, "method 'shap' is not one of deeplift, gradient"),
        ({"references": 0}, "references 0 must be at least 1"),
        ({"seed": -1}, "seed -1 at least 0"),
    ],
)
def test_settings_are_checked(model: Model, options: dict[str, object], message: str):
    with pytest.raises(InputError, match=message):
        open_explainer(model, **options)  # type: ignore[arg-type]


def test_first_layers_are_those_of_the_prediction(explainer: Explainer, model: Model):
    layers = explainer.first_layers()
    graph = onnx.load(model.path).graph
    stored = [numpy_helper.to_array(tensor) for tensor in graph.initializer]
    motifs = layers["sequence"].weight
    assert motifs.shape == (96, 4, 21) and layers["vplot"].weight.shape == (16, 3, 7)
    assert any(x.shape[-2:] == (4, 21) and np.allclose(x[:96], motifs) for x in stored)

"""The model's answers to a quiz against enumeration, its score against a loop, and its reasons."""

from __future__ import annotations

import base64
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from notes import Notes

from chromputer_tracks.analysis.quiz.answers import (
    balanced_probabilities,
    best_choice,
    chance_of_right_answer,
    model_score,
)
from chromputer_tracks.analysis.quiz.files import payload, render_quiz
from chromputer_tracks.analysis.quiz.run import make_quiz
from chromputer_tracks.evaluation.metrics import bootstrap
from chromputer_tracks.inference.explain import head_weights, open_explainer
from chromputer_tracks.inference.sample import open_sample
from chromputer_tracks.inference.session import load_model
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.options.explain import QuizOptions
from chromputer_tracks.options.fields import SampleFiles

# ---- The model's answers to a quiz, against enumeration, and its score, against a plain loop.


def test_odds_are_bayes_rule_by_hand():
    probabilities = np.array([[0.6, 0.1], [0.3, 0.1], [0.1, 0.8]], dtype=np.float32)
    frequencies = np.array([0.6, 0.2, 0.2])
    odds = balanced_probabilities(probabilities, frequencies, (0, 1, 2))
    np.testing.assert_allclose(odds[:, 0], [1 / 3, 1.5 / 3, 0.5 / 3], rtol=1e-6)
    # Without the last class, the others share its part.
    odds = balanced_probabilities(probabilities, frequencies, (0, 1))
    np.testing.assert_allclose(odds[:, 0], [1 / 2.5, 1.5 / 2.5, 0], rtol=1e-6)
    assert (odds[2] == 0).all()


def test_odds_of_an_uninformed_model_are_equal():
    frequencies = np.array([0.7, 0.2, 0.1])
    odds = balanced_probabilities(frequencies[:, None].astype(np.float32), frequencies, (0, 1, 2))
    np.testing.assert_allclose(odds, 1 / 3, rtol=1e-6)


@given(
    st.integers(2, 6).flatmap(
        lambda k: st.tuples(
            st.just(k),
            st.integers(2, k),
            st.lists(
                st.tuples(st.lists(st.integers(0, 3), min_size=k, max_size=k), st.integers(0, 9)),
                min_size=1,
                max_size=6,
            ),
        )
    )
)
def test_chances_against_all_ways_to_draw_the_choices(case):
    classes, choices, rows = case
    offered = tuple(range(0, 2 * classes, 2))  # with classes between that are not asked
    odds = np.zeros((2 * classes, len(rows)))
    odds[list(offered)] = np.array([values for values, _ in rows], dtype=float).T
    truth = np.array([offered[place % classes] for _, place in rows])
    expected = []
    for column, true in zip(odds.T, truth.tolist(), strict=True):
        others = [code for code in offered if code != true]
        right = [
            best_choice(column, sorted([true, *wrong])) == true
            for wrong in combinations(others, choices - 1)
        ]
        expected.append(np.mean(right))
    np.testing.assert_allclose(chance_of_right_answer(odds, truth, offered, choices), expected)


@pytest.mark.parametrize("choices", [2, 3])
def test_score_counts_each_class_the_same(choices):
    rng = np.random.default_rng(1)
    n, offered = 400, (0, 2, 3)
    truth = rng.choice(offered, n, p=[0.8, 0.15, 0.05])
    odds = rng.random((4, n))
    odds[truth, np.arange(n)] += 0.4
    blocks = np.arange(n) // 10
    score = model_score(odds, truth, blocks, offered, choices, 300, 7)
    right = chance_of_right_answer(odds, truth, offered, choices)
    assert score.sites == n
    assert score.recall == pytest.approx([right[truth == code].mean() for code in offered])
    assert score.accuracy.value == pytest.approx(np.mean(score.recall))

    def mean_recall(rows):
        return np.nanmean(
            [right[rows][truth[rows] == code].mean() for code in offered if code in truth[rows]]
        )

    slow = bootstrap(blocks, mean_recall, 300, 7)
    assert (score.accuracy.low, score.accuracy.high) == pytest.approx((slow.low, slow.high))
    assert score.accuracy.low < score.accuracy.value < score.accuracy.high


def test_the_first_of_equal_answers_is_taken():
    odds = np.array([0.2, 0.4, 0.4])
    assert best_choice(odds, (0, 1, 2)) == 1
    assert best_choice(odds, (0, 2)) == 2


# ---- What the model looked at: the contributions that the page shows are the explainer's.


@pytest.fixture(scope="module")
def files(example: Path) -> SampleFiles:
    return SampleFiles(example / "sacCer3.fa.gz", example / "atac.fragments.tsv.gz")


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """States that alternate, on a part of a test and of a training contig."""
    path = tmp_path_factory.mktemp("quiz") / "states.bed"
    path.write_text(
        "".join(
            f"{chrom}\t{at}\t{at + 200}\tS{at // 200 % 3 + 4}\n"
            for chrom in ("chrXIII", "chrI")
            for at in range(40_000, 90_000, 200)
        )
    )
    return path


@pytest.mark.parametrize("what", ["states", "Reb1"])
def test_contributions_are_those_of_the_answers(files: SampleFiles, bed: Path, what: str):
    # Peaks at the middle of every fourth of the bins.
    peaks = bed.with_name("peaks.bed")
    peaks.write_text("\n".join(bed.read_text().splitlines()[::4]) + "\n")
    options = QuizOptions(
        model="yeast-atac",
        sample=files,
        out=bed.with_name(f"{what}.html"),
        states=bed if what == "states" else None,
        binary=None if what == "states" else what,
        peaks=None if what == "states" else peaks,
        chroms=("chrXIII",),
        questions=3,
        choices=None,
        min_fragments=10,
        lesson=False,
        draws=10,
        seed=4,
        provider="cpu",
        threads=1,
    )
    notes = Notes()
    quiz = make_quiz(options, notes).quiz
    assert "explaining the answers" in notes.lines
    data = payload(quiz)
    assert data["seen"]["edges"] == quiz.model.spec.inputs[1].length_edges
    assert set(data["seen"]["names"]) == {"sequence", "shape", "vplot"}
    model = load_model("yeast-atac")
    explainer = open_explainer(model, seed=4, provider="cpu", threads=1)
    with ExitStack() as stack:
        fasta = stack.enter_context(Fasta(files.fasta))
        features = open_sample(stack, model, fasta, files, notes).features
        for item in quiz.questions:
            assert item.contributions is not None
            name = quiz.subject.classes[item.answer].name if what == "states" else "Reb1"
            assert quiz.subject.classes[item.contributions.code].name == name
            window = Interval(item.chrom, item.centre - 1000, item.centre + 1000)
            arrays = {key: array[None] for key, array in features.arrays(window).items()}
            found = explainer.explain(arrays, head_weights(model.spec, name), [window])
            assert item.contributions.parts == pytest.approx(
                {"sequence": found.sequence.sum(), "vplot": found.inputs["vplot"].sum()}, abs=1e-4
            )
            pixels = found.inputs["vplot"][0]
            levels = np.frombuffer(base64.b64decode(item.contributions.pixels), np.int8)
            scaled = 127 * pixels.ravel() / np.abs(pixels).max()
            assert np.abs(levels - scaled).max() < 0.52
            assert np.abs(levels).max() == 127
            # No fragment, no contribution.
            assert not levels[arrays["vplot"].ravel() == 0].any()
    assert "What the network looked at" in options.out.read_text()
    assert render_quiz(quiz) == options.out.read_text()

"""What the model looked at in a quiz: the contributions that the page shows are the explainer's."""

from __future__ import annotations

import base64
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from chromputer_tracks.analysis.quiz.files import payload, render_quiz
from chromputer_tracks.analysis.quiz.run import make_quiz
from chromputer_tracks.inference.explain import head_weights, open_explainer
from chromputer_tracks.inference.sample import open_sample
from chromputer_tracks.inference.session import load_model
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.options.explain import QuizOptions
from chromputer_tracks.options.fields import SampleFiles


class Notes:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, stage: str, done: int, total: int | None, unit: str) -> None: ...


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

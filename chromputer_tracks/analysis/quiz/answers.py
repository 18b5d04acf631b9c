"""A model's answers to a quiz: why it gave them, and how often it is right."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.quiz.questions import (
    ClassExample,
    QuestionDraw,
    QuizSubject,
    SitePicture,
)
from chromputer_tracks.data.features import Features
from chromputer_tracks.evaluation.metrics import Estimate, Resamples, estimate, ratio
from chromputer_tracks.inference.explain import Explainer, head_weights
from chromputer_tracks.inference.session import Model
from chromputer_tracks.intervals import Interval

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

# ---- What the model looked at: contributions of the V-plot to its answers.


@dataclass(frozen=True, slots=True)
class AnswerContributions:
    """Why the model gave an answer.

    Attributes:
        code: class whose logit is explained, minus the mean of all states' logits where the classes
            are states.
        parts: what each input contributes in all, in units of that logit, by ``sequence``,
            ``shape`` and the names of V-plots and signals.
        pixels: base64 of int8 (lengths, positions): contribution of each pixel of the V-plot, from
            -127 to 127, which is the largest magnitude.
    """

    code: int
    parts: dict[str, float]
    pixels: str


def explain_answers(
    explainer: Explainer,
    features: Features,
    subject: QuizSubject,
    vplot: str,
    places: Sequence[tuple[str, int]],
    answers: Sequence[int],
) -> list[AnswerContributions]:
    """Explain the answers of the model that plays.

    ``vplot`` names the input whose pixels are shown, ``places`` are contig and centre (bp, 0-based)
    of each site, ``answers`` the model's class at each.

    Raises:
        ProviderError: ONNX Runtime failed.
    """
    spec = explainer.spec
    windows = [Interval.centred(chrom, centre, spec.window) for chrom, centre in places]
    # A binary label has one logit, which speaks for it.
    codes = [1 if subject.binary else code for code in answers]
    weights = np.stack([head_weights(spec, subject.output(spec, code)) for code in codes])
    found = []
    for first, _, batch in explainer.stream(features, windows, weights):
        parts = batch.parts()
        for row, pixels in enumerate(batch.inputs[vplot]):
            sums = {name: float(values[row]) for name, values in parts.items()}
            found.append(AnswerContributions(codes[first + row], sums, _levels(pixels)))
    return found


def _levels(values: NDArray[np.float32]) -> str:
    """Contributions as base64 of int8, on a scale of their own."""
    top = float(np.abs(values).max()) or 1.0
    return b64encode(np.round(values / top * 127).astype(np.int8).tobytes()).decode()


# ---- How the model answers a quiz, and how often it would be right on all sites that may be asked.


def balanced_probabilities(
    probabilities: NDArray[np.float32], frequencies: Float64, offered: Sequence[int]
) -> Float64:
    """Probabilities where all offered classes are equally frequent, as they are in a quiz.

    By Bayes' rule each, float32 (classes, n), is divided by its class's frequency among the sites
    that may be asked, float64 (classes,) above 0; those of one site then sum to 1 over the offered
    classes (Saerens et al. 2002, doi:10.1162/089976602753284446).

    Returns:
        float64 (classes, n); 0 in the rows of the other classes.
    """
    balanced = np.zeros(probabilities.shape)
    rows = list(offered)
    balanced[rows] = probabilities[rows] / frequencies[rows, None]
    balanced /= balanced.sum(axis=0)
    return balanced


def best_choice(balanced: Float64, choices: Sequence[int]) -> int:
    """The most probable of the choices, the first of equal ones; ``balanced``: (classes,)."""
    return max(choices, key=lambda code: (balanced[code], -code))


def chance_of_right_answer(
    balanced: Float64, truth: Int64, offered: Sequence[int], choices: int
) -> Float64:
    """Probability of a right answer at each site, over all ways to draw the wrong choices.

    With ``above`` classes more probable than the true one, the answer is right when none of them is
    among the ``choices - 1`` that are drawn from the other offered classes.

    Balanced probabilities are float64 (classes, n), ``truth`` int64 (n,), offered classes;
    ``offered`` are ascending, and ``choices`` is how many answers there are to choose from.

    Returns:
        float64 (n,); 0 or 1 where all classes are to choose from.
    """
    rows = np.array(offered)
    own = balanced[truth, np.arange(len(truth))]
    first = (balanced[rows] == own) & (rows[:, None] < truth)
    above = ((balanced[rows] > own) | first).sum(axis=0)
    others, wrong = len(rows) - 1, choices - 1
    table = np.array([comb(others - k, wrong) / comb(others, wrong) for k in range(len(rows))])
    right: Float64 = table[above]
    return right


@dataclass(frozen=True, slots=True)
class ModelScore:
    """How often the model is right on all sites that may be asked, all classes equally often.

    ``accuracy`` is the mean of ``recall``, the share of right answers at the sites of each offered
    class.
    """

    sites: int
    accuracy: Estimate
    recall: tuple[float, ...]


def model_score(
    balanced: Float64,
    truth: Int64,
    blocks: Int64,
    offered: Sequence[int],
    choices: int,
    draws: int,
    seed: int,
) -> ModelScore:
    """Score the model on sites of the offered classes; see :func:`chance_of_right_answer`.

    ``blocks`` are int64 (n,), the bootstrap block of each site, of which ``draws`` resamples are
    made for the interval.
    """
    right = chance_of_right_answer(balanced, truth, offered, choices)
    place = np.searchsorted(np.array(offered), truth)
    drawn = Resamples.draw(blocks, draws, seed)
    recall = ratio(drawn.sums(place, len(offered), right), drawn.sums(place, len(offered)))
    # A resample may hold no site of a rare class; its mean is over the others.
    accuracy = estimate(np.nanmean(recall, axis=1))
    return ModelScore(len(truth), accuracy, tuple(recall[0].tolist()))


@dataclass(frozen=True, slots=True)
class QuizQuestion:
    """One question with its answers.

    Attributes:
        centre: the site's, bp, 0-based.
        bin: bp around the centre that the truth is about.
        choices: classes to choose from, ascending.
        answer: the model's choice.
        most_common: the choice that is most frequent in the genome.
        probabilities: float32 (classes,), as ``predict`` writes them.
        balanced: float64 (classes,), with all offered classes equally frequent.
        contributions: why the model answered so; None where it cannot be explained.
    """

    chrom: str
    centre: int
    bin: int
    choices: tuple[int, ...]
    truth: int
    answer: int
    most_common: int
    probabilities: NDArray[np.float32]
    balanced: Float64
    picture: SitePicture
    contributions: AnswerContributions | None = None

    @property
    def site(self) -> Interval:
        """The bases that the truth is about."""
        return Interval.centred(self.chrom, self.centre, self.bin)


@dataclass(frozen=True, slots=True)
class QuizOutliers:
    """Labelled sites left out: their pictures show more than ``most`` fragments (None: any)."""

    most: int | None
    sites: int


@dataclass(frozen=True, slots=True)
class Quiz:
    """A quiz that a model plays.

    Codes of classes index the subject's ``classes``; ``draw`` says which of them are asked. The
    questions, in the order of asking, are from the contigs; their pictures show ``window`` bp with
    at least ``min_fragments`` fragments of the assay, and those of the ``outliers`` are not asked,
    nor part of the lesson. ``labelled`` and ``eligible``, int64
    (classes,), are sites on the contigs, and those that could have been asked, of which ``score``
    is the model's; ``examples`` are what the offered classes look like.
    """

    model: Model
    subject: QuizSubject
    draw: QuestionDraw
    contigs: tuple[str, ...]
    assay: str
    window: int
    min_fragments: int
    outliers: QuizOutliers
    seed: int
    labelled: Int64
    eligible: Int64
    questions: tuple[QuizQuestion, ...]
    examples: tuple[ClassExample, ...]
    score: ModelScore

    @property
    def held_out(self) -> bool:
        """Whether the model was neither trained nor tuned on the contigs of the questions."""
        splits = self.model.spec.splits
        known = {name for split in ("train", "validation") for name in splits.get(split, ())}
        return not known.intersection(self.contigs)

    def right(self, who: Literal["model", "most_common"]) -> int:
        """Questions that the model answers rightly, or that its most frequent choice does."""
        name = "answer" if who == "model" else who
        return sum(getattr(item, name) == item.truth for item in self.questions)

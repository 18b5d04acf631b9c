"""The whole of ``chromputer quiz``: sites of held-out contigs, the model's answers, one page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import comb
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.quiz.pictures import Lesson, Picture, Viewer
from chromputer_tracks.analysis.quiz.sites import Draw, Pool, draw_questions
from chromputer_tracks.analysis.quiz.subject import (
    QuizOptions,
    Subject,
    quiz_contigs,
    quiz_subject,
    shown_assay,
    shown_vplot,
)
from chromputer_tracks.data.features import DEFAULT_BIN, Features
from chromputer_tracks.evaluation.metrics import Resamples, estimate, ratio
from chromputer_tracks.evaluation.scores import Estimate
from chromputer_tracks.evaluation.sites import label_sites, predict_sites
from chromputer_tracks.inference.explain import Explainer, head_weights, open_explainer
from chromputer_tracks.inference.registry import Model, load_model
from chromputer_tracks.inference.sample import announce, assay_files, open_sample
from chromputer_tracks.inference.session import open_session
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.run import Report
from chromputer_tracks.spec import EXPLAIN, ModelSpec

# ---- What the model looked at: contributions of the V-plot to its answers.

_PLACES = 3


@dataclass(frozen=True, slots=True)
class Seen:
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

    def to_json(self) -> dict[str, Any]:
        """As the page takes it."""
        parts = {name: round(value, _PLACES) for name, value in self.parts.items()}
        return {"code": self.code, "parts": parts, "pixels": self.pixels}


def explain_answers(
    explainer: Explainer,
    features: Features,
    subject: Subject,
    vplot: str,
    places: Sequence[tuple[str, int]],
    answers: Sequence[int],
) -> list[Seen]:
    """Explain the model's answers.

    Args:
        explainer: of the model.
        features: of the sample.
        subject: what is asked.
        vplot: name of the input whose pixels are shown.
        places: contig and centre (bp, 0-based) of each site.
        answers: the model's class at each.

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
            found.append(Seen(codes[first + row], sums, _levels(pixels)))
    return found


def _levels(values: NDArray[np.float32]) -> str:
    """Contributions as base64 of int8, on a scale of their own."""
    top = float(np.abs(values).max()) or 1.0
    return b64encode(np.round(values / top * 127).astype(np.int8).tobytes()).decode()


# ---- How the model answers a quiz, and how often it would be right on all sites that may be asked.


def equal_odds(
    probabilities: NDArray[np.float32], frequencies: NDArray[np.float64], offered: Sequence[int]
) -> NDArray[np.float64]:
    """Probabilities where all offered classes are equally frequent, as they are in a quiz.

    By Bayes' rule each is divided by its class's frequency among the sites that may be asked; those
    of one site then sum to 1 over the offered classes (Saerens et al. 2002,
    doi:10.1162/089976602753284446).

    Args:
        probabilities: float32 (classes, n).
        frequencies: float64 (classes,), above 0.
        offered: classes that are asked.

    Returns:
        float64 (classes, n); 0 in the rows of the other classes.
    """
    odds = np.zeros(probabilities.shape)
    rows = list(offered)
    odds[rows] = probabilities[rows] / frequencies[rows, None]
    odds /= odds.sum(axis=0)
    return odds


def answer(odds: NDArray[np.float64], choices: Sequence[int]) -> int:
    """The most probable of the choices, the first of equal ones; ``odds``: (classes,)."""
    return max(choices, key=lambda code: (odds[code], -code))


def chances(
    odds: NDArray[np.float64], truth: NDArray[np.int64], offered: Sequence[int], choices: int
) -> NDArray[np.float64]:
    """Probability of a right answer at each site, over all ways to draw the wrong choices.

    With ``above`` classes more probable than the true one, the answer is right when none of them is
    among the ``choices - 1`` that are drawn from the other offered classes.

    Args:
        odds: float64 (classes, n).
        truth: int64 (n,), offered classes.
        offered: classes that are asked, ascending.
        choices: answers to choose from.

    Returns:
        float64 (n,); 0 or 1 where all classes are to choose from.
    """
    rows = np.array(offered)
    own = odds[truth, np.arange(len(truth))]
    first = (odds[rows] == own) & (rows[:, None] < truth)
    above = ((odds[rows] > own) | first).sum(axis=0)
    others, wrong = len(rows) - 1, choices - 1
    table = np.array([comb(others - k, wrong) / comb(others, wrong) for k in range(len(rows))])
    right: NDArray[np.float64] = table[above]
    return right


@dataclass(frozen=True, slots=True)
class ModelScore:
    """How often the model is right on all sites that may be asked, all classes equally often.

    Attributes:
        sites: their number.
        accuracy: mean over the classes of the share of right answers.
        recall: share of right answers at the sites of each offered class.
    """

    sites: int
    accuracy: Estimate
    recall: tuple[float, ...]


def model_score(
    odds: NDArray[np.float64],
    truth: NDArray[np.int64],
    blocks: NDArray[np.int64],
    offered: Sequence[int],
    choices: int,
    draws: int,
    seed: int,
) -> ModelScore:
    """Score the model on sites of the offered classes.

    Args:
        odds: float64 (classes, n), see :func:`equal_odds`.
        truth: int64 (n,), offered classes.
        blocks: int64 (n,), bootstrap block of each site.
        offered: classes that are asked, ascending.
        choices: answers to choose from.
        draws: resamples of the interval.
        seed: of the resamples.
    """
    right = chances(odds, truth, offered, choices)
    place = np.searchsorted(np.array(offered), truth)
    drawn = Resamples.draw(blocks, draws, seed)
    recall = ratio(drawn.sums(place, len(offered), right), drawn.sums(place, len(offered)))
    # A resample may hold no site of a rare class; its mean is over the others.
    accuracy = estimate(np.nanmean(recall, axis=1))
    return ModelScore(len(truth), accuracy, tuple(recall[0].tolist()))


@dataclass(frozen=True, slots=True)
class Asked:
    """One question with its answers.

    Attributes:
        chrom: contig.
        centre: bp, 0-based, of the site.
        bin: bp around the centre that the truth is about.
        choices: classes to choose from, ascending.
        truth: the class.
        answer: the model's.
        commonest: the choice that is most frequent in the genome.
        probabilities: float32 (classes,), as ``predict`` writes them.
        odds: float64 (classes,), with all offered classes equally frequent.
        picture: the V-plot.
        seen: why the model answered so; None where it cannot be explained.
    """

    chrom: str
    centre: int
    bin: int
    choices: tuple[int, ...]
    truth: int
    answer: int
    commonest: int
    probabilities: NDArray[np.float32]
    odds: NDArray[np.float64]
    picture: Picture
    seen: Seen | None = None

    @property
    def site(self) -> Interval:
        """The bases that the truth is about."""
        return Interval.centred(self.chrom, self.centre, self.bin)


@dataclass(frozen=True, slots=True)
class Quiz:
    """A quiz.

    Attributes:
        model: that plays.
        subject: what is asked; codes of classes index its ``classes``.
        draw: which of them are asked, and how many choices there are.
        contigs: where the questions are from.
        assay: whose fragments are shown.
        window: bp of the pictures.
        min_fragments: in a picture.
        seed: of all that was drawn.
        labelled: sites of each class on the contigs, int64 (classes,).
        eligible: those of them that could have been asked, int64 (classes,).
        questions: in the order of asking.
        lessons: what the offered classes look like.
        score: of the model on all sites that could have been asked.
    """

    model: Model
    subject: Subject
    draw: Draw
    contigs: tuple[str, ...]
    assay: str
    window: int
    min_fragments: int
    seed: int
    labelled: NDArray[np.int64]
    eligible: NDArray[np.int64]
    questions: tuple[Asked, ...]
    lessons: tuple[Lesson, ...]
    score: ModelScore

    @property
    def held_out(self) -> bool:
        """Whether the model was neither trained nor tuned on the contigs of the questions."""
        splits = self.model.spec.splits
        known = {name for split in ("train", "validation") for name in splits.get(split, ())}
        return not known.intersection(self.contigs)

    def right(self, who: Literal["model", "commonest"]) -> int:
        """Questions that the model answers rightly, or that its most frequent choice does."""
        name = "answer" if who == "model" else who
        return sum(getattr(item, name) == item.truth for item in self.questions)


def make_quiz(options: QuizOptions, report: Report) -> Quiz:
    """Draw questions from held-out contigs and answer them with the model.

    Raises:
        SpecError: the model cannot be used.
        InputError: a file or value cannot be used, or there are too few sites.
        ProviderError: the provider does not work here.
    """
    with ExitStack() as stack:
        model = load_model(options.model)
        spec = model.spec
        fasta = stack.enter_context(Fasta(options.sample.fasta))
        sizes = fasta.sizes
        contigs = quiz_contigs(model, sizes, options, report)
        subject = quiz_subject(spec, options, sizes)
        assay = shown_assay(model)
        assay_files(model, options.sample)
        session = open_session(model.path, options.provider, options.threads)
        announce(model, session, sizes, options.sample, report)
        sample = open_sample(stack, model, fasta, options.sample, report)
        # What reads fragments has been checked to be given fragments.
        source = cast(FragmentStore, sample.assays[assay])
        viewer = Viewer(source, sizes, spec.window // DEFAULT_BIN * DEFAULT_BIN)
        pool = _pool(subject, viewer, spec, contigs, options.min_fragments)
        draw = draw_questions(pool, options.questions, options.choices, viewer.window, options.seed)
        _tell(draw, subject, options, report)
        training = _training(subject, viewer, spec, contigs, options.min_fragments)
        if training is None:
            report.note(
                "note: there are no labels on the model's training contigs: how frequent each "
                "class is, is taken from the contigs of the questions, and there is no lesson"
            )
        report.note(f"predicting {', '.join(contigs)}")
        sites = predict_sites(
            lambda arrays: session.run(arrays)[0],
            sample.features,
            subject.labels,
            sizes,
            contigs,
            spec.grid,
            spec.label_bin,
            subject.states,
        )
        frequencies = (training or pool).frequencies()
        probabilities = subject.probabilities(sites.logits, spec)
        odds = equal_odds(probabilities, frequencies, draw.offered)
        scored = pool.usable & np.isin(pool.truth, draw.offered)
        questions = [
            Asked(
                *pool.place(item.site),
                bin=spec.label_bin,
                choices=item.choices,
                truth=int(pool.truth[item.site]),
                answer=answer(odds[:, item.site], item.choices),
                commonest=answer(frequencies, item.choices),
                probabilities=probabilities[:, item.site],
                odds=odds[:, item.site],
                picture=viewer.picture(*pool.place(item.site)),
            )
            for item in draw.questions
        ]
        return Quiz(
            model=model,
            subject=subject,
            draw=draw,
            contigs=contigs,
            assay=assay,
            window=viewer.window,
            min_fragments=options.min_fragments,
            seed=options.seed,
            labelled=pool.counts(usable=False),
            eligible=pool.counts(),
            questions=_explained(questions, model, subject, sample.features, options, report),
            lessons=_lessons(training, viewer, draw, options),
            score=model_score(
                odds[:, scored],
                pool.truth[scored],
                sites.select(scored).blocks,
                draw.offered,
                draw.choices,
                options.draws,
                options.seed,
            ),
        )


def _explained(
    questions: Sequence[Asked],
    model: Model,
    subject: Subject,
    features: Features,
    options: QuizOptions,
    report: Report,
) -> tuple[Asked, ...]:
    """The questions with what the model looked at, where it has a V-plot and can be explained."""
    vplot = shown_vplot(model.spec)
    if vplot is None:
        return tuple(questions)
    if not model.path.with_name(EXPLAIN).is_file():
        report.note(
            f"note: {model.name} has no {EXPLAIN} beside {model.path.name}: the page does not show "
            f"what the model looked at"
        )
        return tuple(questions)
    report.note("explaining the answers")
    explainer = open_explainer(
        model, seed=options.seed, provider=options.provider, threads=options.threads
    )
    places = [(item.chrom, item.centre) for item in questions]
    answers = [item.answer for item in questions]
    seen = explain_answers(explainer, features, subject, vplot.name, places, answers)
    return tuple(replace(item, seen=why) for item, why in zip(questions, seen, strict=True))


def _pool(
    subject: Subject,
    viewer: Viewer,
    spec: ModelSpec,
    contigs: Sequence[str],
    min_fragments: int,
) -> Pool:
    """The sites of contigs: the same, in the same order, as are predicted."""
    sites = label_sites(
        subject.labels, viewer.sizes, contigs, spec.grid, spec.label_bin, subject.states
    )
    return Pool.of(sites, subject, viewer, min_fragments)


def _training(
    subject: Subject,
    viewer: Viewer,
    spec: ModelSpec,
    contigs: Sequence[str],
    min_fragments: int,
) -> Pool | None:
    """The sites of the training contigs without a question; None where none may be used."""
    names = [
        name
        for name in spec.splits.get("train", ())
        if viewer.sizes.get(name, 0) >= spec.label_bin and name not in contigs
    ]
    if not names:
        return None
    pool = _pool(subject, viewer, spec, names, min_fragments)
    return pool if pool.usable.any() else None


def _lessons(
    training: Pool | None, viewer: Viewer, draw: Draw, options: QuizOptions
) -> tuple[Lesson, ...]:
    if training is None or not options.lesson:
        return ()
    return viewer.lessons(
        training.sites,
        training.truth,
        training.usable,
        draw.offered,
        options.seed,
    )


def _tell(draw: Draw, subject: Subject, options: QuizOptions, report: Report) -> None:
    if draw.left_out:
        names = ", ".join(
            f"{subject.classes[code].name} ({count})" for code, count in draw.left_out.items()
        )
        report.note(
            f"note: too few sites with at least {options.min_fragments} fragments, so not asked: "
            f"{names}; lower --min-fragments, ask fewer --questions or name more contigs with "
            f"--chrom"
        )
    wanted = min(options.choices or 0, len(subject.classes))
    if draw.choices < wanted:
        report.note(f"note: {draw.choices} classes are asked, so there are as many choices")

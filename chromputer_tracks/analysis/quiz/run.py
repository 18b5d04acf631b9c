"""The whole of ``chromputer quiz``: sites of held-out contigs, the model's answers, one page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import comb
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.quiz.questions import (
    ClassExample,
    QuestionDraw,
    QuizSites,
    QuizSubject,
    SitePicture,
    SitePictures,
    binary_subject,
    draw_questions,
    shown_assay,
    shown_vplot,
    states_subject,
)
from chromputer_tracks.data.features import DEFAULT_BIN, Features
from chromputer_tracks.errors import ContigError, InputError
from chromputer_tracks.evaluation.metrics import DRAWS, Resamples, estimate, ratio
from chromputer_tracks.evaluation.scores import Estimate
from chromputer_tracks.evaluation.sites import label_sites, predict_sites
from chromputer_tracks.inference.explain import Explainer, head_weights, open_explainer
from chromputer_tracks.inference.registry import Model, load_model
from chromputer_tracks.inference.sample import announce, assay_files, open_sample
from chromputer_tracks.inference.session import ProviderChoice, open_session
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.run import Report
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.spec import EXPLAIN, ModelSpec

# ---- What a quiz is asked to be, checked against its model.

MIN_FRAGMENTS = 20
"""Fewest fragments that a picture shows, if the user does not say."""


@dataclass(frozen=True, slots=True)
class QuizOptions:
    """What to ask, and of whom.

    Attributes:
        model: a model folder, an ``.onnx`` file or a shipped model's name.
        sample: the genome and the sample's files.
        states: BED of chromatin states; None with ``binary``.
        state_table: names and colours of the states; None: the model's.
        binary: a binary label to ask for instead of states; None: states.
        peaks: its peaks.
        blacklist: BED of regions not to ask; None: none.
        chroms: contigs of the questions; empty: the model's test contigs.
        allow_training_contigs: ask sites of contigs that the model was trained on, too.
        questions: how many.
        choices: answers to choose from; None: all classes.
        min_fragments: fewest fragments that a picture must show.
        lesson: show what each class looks like.
        draws: bootstrap resamples of the model's score.
        seed: of all that is drawn.
        provider: ``auto``, ``cpu``, ``cuda`` or ``tensorrt``.
        threads: CPU threads; None: those that the process may use.
    """

    model: str | Path
    sample: SampleFiles
    states: Path | None = None
    state_table: Path | None = None
    binary: str | None = None
    peaks: Path | None = None
    blacklist: Path | None = None
    chroms: tuple[str, ...] = ()
    allow_training_contigs: bool = False
    questions: int = 20
    choices: int | None = 4
    min_fragments: int = MIN_FRAGMENTS
    lesson: bool = True
    draws: int = DRAWS
    seed: int = 0
    provider: ProviderChoice = "auto"
    threads: int | None = None


def quiz_contigs(
    model: Model, sizes: ChromSizes, options: QuizOptions, report: Report
) -> tuple[str, ...]:
    """The contigs of the questions: those asked for, else the model's test contigs.

    Raises:
        ContigError: the genome lacks one.
        InputError: there is none, or the model was trained on one.
    """
    splits = model.spec.splits
    contigs = tuple(dict.fromkeys(options.chroms)) or splits.get("test", ())
    if not contigs:
        raise InputError(
            f"model {model.name} names no test contigs: name held-out contigs with --chrom"
        )
    for name in contigs:
        try:
            sizes.require(name, "--chrom" if options.chroms else f"test contigs of {model.name}")
        except ContigError as error:
            if not options.chroms:
                error.add_note("name held-out contigs with --chrom")
            raise
    trained = [name for name in contigs if name in splits.get("train", ())]
    if trained and not options.allow_training_contigs:
        raise InputError(
            f"model {model.name} was trained on {', '.join(trained)}, so that it would only have "
            f"to remember the answers: name held-out contigs with --chrom, or ask for it with "
            f"--allow-training-contigs"
        )
    if trained:
        report.note(
            f"note: {model.name} was trained on {', '.join(trained)}: it plays too well there"
        )
    tuned = [name for name in contigs if name in splits.get("validation", ())]
    if tuned:
        report.note(
            f"note: {model.name} was tuned and calibrated on {', '.join(tuned)}: it plays "
            f"somewhat too well there"
        )
    return contigs


def quiz_subject(spec: ModelSpec, options: QuizOptions, sizes: ChromSizes) -> QuizSubject:
    """What is asked, with its labels read.

    Raises:
        InputError: not one thing is asked, or a file does not fit it, the model or the genome.
    """
    if (options.states is None) == (options.binary is None):
        raise InputError(
            "a quiz asks for chromatin states (--states BED) or for one label (--binary NAME "
            "--peaks BED): give one of the two"
        )
    masked: list[Interval] = []
    if options.blacklist is not None:
        masked = [record.interval for record in read_bed(options.blacklist, sizes)]
    if options.states is not None:
        if options.peaks is not None:
            raise InputError("--peaks goes with --binary, not with --states")
        return states_subject(spec, options.states, options.state_table, sizes, masked)
    if options.binary is None or options.peaks is None:
        raise InputError(f"--binary {options.binary}: give its peaks with --peaks BED")
    if options.state_table is not None:
        raise InputError("--state-table goes with --states, not with --binary")
    return binary_subject(spec, options.binary, options.peaks, sizes, masked)


# ---- What the model looked at: contributions of the V-plot to its answers.

_PLACES = 3


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

    def to_json(self) -> dict[str, Any]:
        """As the page takes it."""
        parts = {name: round(value, _PLACES) for name, value in self.parts.items()}
        return {"code": self.code, "parts": parts, "pixels": self.pixels}


def explain_answers(
    explainer: Explainer,
    features: Features,
    subject: QuizSubject,
    vplot: str,
    places: Sequence[tuple[str, int]],
    answers: Sequence[int],
) -> list[AnswerContributions]:
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
            found.append(AnswerContributions(codes[first + row], sums, _levels(pixels)))
    return found


def _levels(values: NDArray[np.float32]) -> str:
    """Contributions as base64 of int8, on a scale of their own."""
    top = float(np.abs(values).max()) or 1.0
    return b64encode(np.round(values / top * 127).astype(np.int8).tobytes()).decode()


# ---- How the model answers a quiz, and how often it would be right on all sites that may be asked.


def balanced_probabilities(
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
    balanced = np.zeros(probabilities.shape)
    rows = list(offered)
    balanced[rows] = probabilities[rows] / frequencies[rows, None]
    balanced /= balanced.sum(axis=0)
    return balanced


def best_choice(balanced: NDArray[np.float64], choices: Sequence[int]) -> int:
    """The most probable of the choices, the first of equal ones; ``balanced``: (classes,)."""
    return max(choices, key=lambda code: (balanced[code], -code))


def chance_of_right_answer(
    balanced: NDArray[np.float64], truth: NDArray[np.int64], offered: Sequence[int], choices: int
) -> NDArray[np.float64]:
    """Probability of a right answer at each site, over all ways to draw the wrong choices.

    With ``above`` classes more probable than the true one, the answer is right when none of them is
    among the ``choices - 1`` that are drawn from the other offered classes.

    Args:
        balanced: float64 (classes, n).
        truth: int64 (n,), offered classes.
        offered: classes that are asked, ascending.
        choices: answers to choose from.

    Returns:
        float64 (n,); 0 or 1 where all classes are to choose from.
    """
    rows = np.array(offered)
    own = balanced[truth, np.arange(len(truth))]
    first = (balanced[rows] == own) & (rows[:, None] < truth)
    above = ((balanced[rows] > own) | first).sum(axis=0)
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
    balanced: NDArray[np.float64],
    truth: NDArray[np.int64],
    blocks: NDArray[np.int64],
    offered: Sequence[int],
    choices: int,
    draws: int,
    seed: int,
) -> ModelScore:
    """Score the model on sites of the offered classes.

    Args:
        balanced: float64 (classes, n), see :func:`balanced_probabilities`.
        truth: int64 (n,), offered classes.
        blocks: int64 (n,), bootstrap block of each site.
        offered: classes that are asked, ascending.
        choices: answers to choose from.
        draws: resamples of the interval.
        seed: of the resamples.
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
        chrom: contig.
        centre: bp, 0-based, of the site.
        bin: bp around the centre that the truth is about.
        choices: classes to choose from, ascending.
        truth: the class.
        answer: the model's.
        most_common: the choice that is most frequent in the genome.
        probabilities: float32 (classes,), as ``predict`` writes them.
        balanced: float64 (classes,), with all offered classes equally frequent.
        picture: the V-plot.
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
    balanced: NDArray[np.float64]
    picture: SitePicture
    contributions: AnswerContributions | None = None

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
        examples: what the offered classes look like.
        score: of the model on all sites that could have been asked.
    """

    model: Model
    subject: QuizSubject
    draw: QuestionDraw
    contigs: tuple[str, ...]
    assay: str
    window: int
    min_fragments: int
    seed: int
    labelled: NDArray[np.int64]
    eligible: NDArray[np.int64]
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
        viewer = SitePictures(source, sizes, spec.window // DEFAULT_BIN * DEFAULT_BIN)
        pool = _quiz_sites(subject, viewer, spec, contigs, options.min_fragments)
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
        balanced = balanced_probabilities(probabilities, frequencies, draw.offered)
        scored = pool.usable & np.isin(pool.truth, draw.offered)
        questions = [
            QuizQuestion(
                *pool.place(item.site),
                bin=spec.label_bin,
                choices=item.choices,
                truth=int(pool.truth[item.site]),
                answer=best_choice(balanced[:, item.site], item.choices),
                most_common=best_choice(frequencies, item.choices),
                probabilities=probabilities[:, item.site],
                balanced=balanced[:, item.site],
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
            examples=_class_examples(training, viewer, draw, options),
            score=model_score(
                balanced[:, scored],
                pool.truth[scored],
                sites.select(scored).blocks,
                draw.offered,
                draw.choices,
                options.draws,
                options.seed,
            ),
        )


def _explained(
    questions: Sequence[QuizQuestion],
    model: Model,
    subject: QuizSubject,
    features: Features,
    options: QuizOptions,
    report: Report,
) -> tuple[QuizQuestion, ...]:
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
    found = explain_answers(explainer, features, subject, vplot.name, places, answers)
    return tuple(
        replace(item, contributions=why) for item, why in zip(questions, found, strict=True)
    )


def _quiz_sites(
    subject: QuizSubject,
    viewer: SitePictures,
    spec: ModelSpec,
    contigs: Sequence[str],
    min_fragments: int,
) -> QuizSites:
    """The sites of contigs: the same, in the same order, as are predicted."""
    sites = label_sites(
        subject.labels, viewer.sizes, contigs, spec.grid, spec.label_bin, subject.states
    )
    return QuizSites.of(sites, subject, viewer, min_fragments)


def _training(
    subject: QuizSubject,
    viewer: SitePictures,
    spec: ModelSpec,
    contigs: Sequence[str],
    min_fragments: int,
) -> QuizSites | None:
    """The sites of the training contigs without a question; None where none may be used."""
    names = [
        name
        for name in spec.splits.get("train", ())
        if viewer.sizes.get(name, 0) >= spec.label_bin and name not in contigs
    ]
    if not names:
        return None
    pool = _quiz_sites(subject, viewer, spec, names, min_fragments)
    return pool if pool.usable.any() else None


def _class_examples(
    training: QuizSites | None, viewer: SitePictures, draw: QuestionDraw, options: QuizOptions
) -> tuple[ClassExample, ...]:
    if training is None or not options.lesson:
        return ()
    return viewer.class_examples(
        training.sites,
        training.truth,
        training.usable,
        draw.offered,
        options.seed,
    )


def _tell(draw: QuestionDraw, subject: QuizSubject, options: QuizOptions, report: Report) -> None:
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

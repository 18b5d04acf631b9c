"""The whole of ``chromputer quiz``: sites of held-out contigs, the model's answers, one page."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.quiz_pictures import Lesson, Picture, Viewer
from chromputer_tracks.analysis.quiz_scores import ModelScore, answer, equal_odds, model_score
from chromputer_tracks.analysis.quiz_sites import Draw, Pool, draw_questions
from chromputer_tracks.analysis.quiz_subject import Subject, binary_subject, states_subject
from chromputer_tracks.data.labels import Mask
from chromputer_tracks.data.vplot import DEFAULT_BIN
from chromputer_tracks.errors import ContigError, InputError
from chromputer_tracks.evaluation.bootstrap import DRAWS
from chromputer_tracks.evaluation.predict import label_sites, predict_sites
from chromputer_tracks.inference.registry import Model, load_model
from chromputer_tracks.inference.sample import (
    Report,
    SampleFiles,
    announce,
    assay_files,
    open_sample,
)
from chromputer_tracks.inference.session import ProviderChoice, open_session
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.spec import Label, ModelSpec

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
        examples: single sites of each class to learn from; the means are shown, too. None: no
            lesson.
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
    examples: int | None = 3
    draws: int = DRAWS
    seed: int = 0
    provider: ProviderChoice = "auto"
    threads: int | None = None


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

    @property
    def site(self) -> Interval:
        """The bases that the truth is about."""
        return Interval.centred(self.chrom, self.centre, self.bin)


@dataclass(frozen=True, slots=True)
class Quiz:
    """A quiz.

    Attributes:
        model: that plays.
        title: of what is asked.
        classes: all of them; codes index it.
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
    title: str
    classes: tuple[Label, ...]
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
        contigs = _contigs(model, sizes, options, report)
        subject = _subject(spec, options, sizes)
        assay = _assay(model)
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
        return Quiz(
            model=model,
            title=subject.title,
            classes=subject.classes,
            draw=draw,
            contigs=contigs,
            assay=assay,
            window=viewer.window,
            min_fragments=options.min_fragments,
            seed=options.seed,
            labelled=pool.counts(usable=False),
            eligible=pool.counts(),
            questions=tuple(
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
            ),
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
    if training is None or options.examples is None:
        return ()
    return viewer.lessons(
        training.sites,
        training.truth,
        training.usable,
        draw.offered,
        options.examples,
        options.seed,
    )


def _contigs(
    model: Model, sizes: ChromSizes, options: QuizOptions, report: Report
) -> tuple[str, ...]:
    """The contigs of the questions; refuses those that the model was trained on."""
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


def _subject(spec: ModelSpec, options: QuizOptions, sizes: ChromSizes) -> Subject:
    if (options.states is None) == (options.binary is None):
        raise InputError(
            "a quiz asks for chromatin states (--states BED) or for one label (--binary NAME "
            "--peaks BED): give one of the two"
        )
    masked = Mask({}, {})
    if options.blacklist is not None:
        masked = Mask.from_intervals(item.interval for item in read_bed(options.blacklist, sizes))
    if options.states is not None:
        return states_subject(spec, options.states, options.state_table, sizes, masked)
    if options.binary is None or options.peaks is None:
        raise InputError(f"--binary {options.binary}: give its peaks with --peaks BED")
    return binary_subject(spec, options.binary, options.peaks, sizes, masked)


def _assay(model: Model) -> str:
    """The assay whose fragments are shown: that of the first V-plot, else of a signal of them."""
    inputs = [item for item in model.spec.inputs if item.kind != "sequence"]
    for item in sorted(inputs, key=lambda item: item.kind != "vplot"):
        if item.measure != "values":
            return item.assay
    raise InputError(f"model {model.name} reads no fragments, so that there is no V-plot to show")


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
    if options.choices is not None and draw.choices < options.choices:
        report.note(f"note: {draw.choices} classes are asked, so there are as many choices")

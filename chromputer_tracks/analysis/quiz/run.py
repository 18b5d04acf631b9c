"""The whole of ``chromputer quiz``: sites of held-out contigs, the model's answers, one page."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from chromputer_tracks.analysis.pages import write_texts
from chromputer_tracks.analysis.quiz.answers import (
    Quiz,
    QuizOutliers,
    QuizQuestion,
    balanced_probabilities,
    best_choice,
    explain_answers,
    model_score,
)
from chromputer_tracks.analysis.quiz.files import quiz_record, render_quiz, write_questions
from chromputer_tracks.analysis.quiz.questions import (
    ClassExample,
    QuestionDraw,
    QuizSites,
    QuizSubject,
    SitePictures,
    binary_subject,
    draw_questions,
    fragment_limit,
    shown_assay,
    shown_vplot,
    states_subject,
)
from chromputer_tracks.data.features import DEFAULT_BIN, Features
from chromputer_tracks.errors import ContigError, InputError, counted
from chromputer_tracks.evaluation.sites import label_sites, predict_sites
from chromputer_tracks.inference.explain import open_explainer
from chromputer_tracks.inference.sample import (
    announce,
    input_roles,
    model_records,
    open_genome,
    open_sample,
)
from chromputer_tracks.inference.session import Model, load_model, open_session
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.record import Report, RunRecord, Silent
from chromputer_tracks.io.run import run_files
from chromputer_tracks.options.explain import QuizOptions
from chromputer_tracks.spec import EXPLAIN, ModelSpec


@dataclass(frozen=True, slots=True)
class QuizResult:
    """What a run gave: the quiz, and the record."""

    quiz: Quiz
    record: RunRecord


def make_quiz(options: QuizOptions, report: Report | None = None) -> QuizResult:
    """Draw questions from held-out contigs, answer them with the model, and write the page.

    With ``tsv`` the questions (``.tsv``) and the scores (``.json``, the run's record) lie beside
    the page.

    Raises:
        SpecError: the model cannot be used.
        InputError: a file or value cannot be used, or there are too few sites.
        ProviderError: the provider does not work here.
        OutputError: a file cannot be written.
    """
    report = report or Silent()
    with run_files("quiz", options, report, record=options.tsv) as work, ExitStack() as stack:
        model = load_model(options.model)
        spec = model.spec
        fasta = open_genome(stack, options.sample, report)
        sizes = fasta.sizes
        contigs = quiz_contigs(model, sizes, options, report)
        subject = quiz_subject(spec, options, sizes)
        assay = shown_assay(model)
        roles = ("states", "state_table", "peaks", "blacklist")
        others = {role: getattr(options, role) for role in roles}
        files = input_roles(model, options.sample, **others)
        if options.tsv:
            work.read(files)
        session = open_session(model.path, options.provider, options.threads)
        announce(model, session, sizes, options.sample, report)
        sample = open_sample(stack, model, fasta, options.sample, report)
        # What reads fragments has been checked to be given fragments.
        source = cast(FragmentStore, sample.assays[assay])
        pictures = SitePictures(source, sizes, spec.window // DEFAULT_BIN * DEFAULT_BIN)
        pool = _quiz_sites(subject, pictures, spec, contigs, options.min_fragments)
        training = _training(subject, pictures, spec, contigs, options.min_fragments)
        pool, training, outliers = _without_outliers(pool, training, options, report)
        draw = draw_questions(
            pool, options.questions, options.choices, pictures.window, options.seed
        )
        _tell(draw, subject, options, report)
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
                picture=pictures.picture(*pool.place(item.site)),
            )
            for item in draw.questions
        ]
        examples: tuple[ClassExample, ...] = ()
        if training is not None and options.lesson:
            examples = pictures.class_examples(training, draw.offered, options.seed)
        quiz = Quiz(
            model=model,
            subject=subject,
            draw=draw,
            contigs=contigs,
            assay=assay,
            window=pictures.window,
            min_fragments=options.min_fragments,
            outliers=outliers,
            seed=options.seed,
            labelled=pool.counts(usable=False),
            eligible=pool.counts(),
            questions=_explained(questions, model, subject, sample.features, options, report),
            examples=examples,
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
        write_texts(work.folder, {options.out.name: render_quiz(quiz)})
        if options.tsv:
            write_questions(work.folder / options.out.with_suffix(".tsv").name, quiz)
        work.describe(quiz_record(quiz), **model_records(model, session, sizes, sample))
    return QuizResult(quiz, work.record)


# ---- What is asked, checked against the model.


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
            "a quiz asks for chromatin states (--states BED) or for one label (--label NAME "
            "--peaks BED): give one of the two"
        )
    masked: list[Interval] = []
    if options.blacklist is not None:
        masked = [record.interval for record in read_bed(options.blacklist, sizes)]
    if options.states is not None:
        if options.peaks is not None:
            raise InputError("--peaks goes with --label, not with --states")
        return states_subject(spec, options.states, options.state_table, sizes, masked)
    if options.binary is None or options.peaks is None:
        raise InputError(f"--label {options.binary}: give its peaks with --peaks BED")
    if options.state_table is not None:
        raise InputError("--state-table goes with --states, not with --label")
    return binary_subject(spec, options.binary, options.peaks, sizes, masked)


# ---- Sites, examples and contributions.


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
    pictures: SitePictures,
    spec: ModelSpec,
    contigs: Sequence[str],
    min_fragments: int,
) -> QuizSites:
    """The sites of contigs: the same, in the same order, as are predicted."""
    sites = label_sites(
        subject.labels, pictures.sizes, contigs, spec.grid, spec.label_bin, subject.states
    )
    return QuizSites.of(sites, subject, pictures, min_fragments)


def _training(
    subject: QuizSubject,
    pictures: SitePictures,
    spec: ModelSpec,
    contigs: Sequence[str],
    min_fragments: int,
) -> QuizSites | None:
    """The sites of the training contigs without a question; None where none may be used."""
    names = [
        name
        for name in spec.splits.get("train", ())
        if pictures.sizes.get(name, 0) >= spec.label_bin and name not in contigs
    ]
    if not names:
        return None
    pool = _quiz_sites(subject, pictures, spec, names, min_fragments)
    return pool if pool.usable.any() else None


def _without_outliers(
    pool: QuizSites, training: QuizSites | None, options: QuizOptions, report: Report
) -> tuple[QuizSites, QuizSites | None, QuizOutliers]:
    """The sites of the questions and of training, without those of too many fragments."""
    pools = [pool] if training is None else [pool, training]
    fragments = np.concatenate([item.labelled for item in pools])
    most = options.max_fragments
    if most is None:
        most = fragment_limit(fragments)
    outliers = QuizOutliers(most, 0 if most is None else int((fragments > most).sum()))
    if most is None:
        return pool, training, outliers
    if outliers.sites:
        report.note(
            f"note: {counted(outliers.sites, 'site')} of {len(fragments):,} left out, with more "
            f"than {most:,} fragments in the picture"
            + (
                ": outliers, such as repeats (--max-fragments)"
                if options.max_fragments is None
                else ""
            )
        )
    kept = None if training is None else training.up_to(most)
    return pool.up_to(most), kept if kept is not None and kept.usable.any() else None, outliers


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

"""What a quiz is asked to be, checked against its model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chromputer_tracks.analysis.quiz.subject import Subject, binary_subject, states_subject
from chromputer_tracks.errors import ContigError, InputError
from chromputer_tracks.evaluation.bootstrap import DRAWS
from chromputer_tracks.inference.registry import Model
from chromputer_tracks.inference.sample import Report, SampleFiles
from chromputer_tracks.inference.session import ProviderChoice
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.spec import InputSpec, ModelSpec

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


def quiz_subject(spec: ModelSpec, options: QuizOptions, sizes: ChromSizes) -> Subject:
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


def shown_assay(model: Model) -> str:
    """The assay whose fragments are shown: that of the first V-plot, else of a signal of them.

    Raises:
        InputError: the model reads no fragments.
    """
    signals = [item for item in model.spec.inputs if item.measure not in ("", "values")]
    for item in (shown_vplot(model.spec), *signals):
        if item is not None:
            return item.assay
    raise InputError(f"model {model.name} reads no fragments, so that there is no V-plot to show")


def shown_vplot(spec: ModelSpec) -> InputSpec | None:
    """The model's V-plot whose fragments are shown; None where it reads only signals."""
    return next((item for item in spec.inputs if item.kind == "vplot"), None)

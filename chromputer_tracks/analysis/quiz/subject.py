"""What a quiz asks: chromatin states, or whether a label is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import probabilities
from chromputer_tracks.data.labels import MODEL_STATES, LabelSet, Mask, PeakLabels, read_states
from chromputer_tracks.errors import ContigError, InputError
from chromputer_tracks.evaluation.metrics import DRAWS
from chromputer_tracks.evaluation.sites import LabelledSites
from chromputer_tracks.inference.registry import Model
from chromputer_tracks.inference.session import ProviderChoice
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.run import Report
from chromputer_tracks.io.text import read_state_table
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.spec import InputSpec, Label, ModelSpec

_GREY = (150, 150, 150)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked.

    Attributes:
        title: what it is, such as ``chromatin states`` or ``Reb1 peaks``.
        question: as the page asks it.
        classes: the possible answers.
        labels: which class a site is of.
        rows: the model's outputs that speak of it: all states, or one binary label.
    """

    title: str
    question: str
    classes: tuple[Label, ...]
    labels: LabelSet
    rows: slice

    @property
    def binary(self) -> bool:
        """Whether it is one binary label: the classes are *other* and the label."""
        return bool(self.labels.binary)

    @property
    def states(self) -> int:
        """How many states there are; 0 for a binary label."""
        return 0 if self.binary else len(self.classes)

    def output(self, spec: ModelSpec, code: int) -> str:
        """The output that speaks for a class (the one, of a binary label), as ``HEAD.LABEL``."""
        names = [f"{head.name}.{label.name}" for head in spec.heads for label in head.labels]
        return names[self.rows][0 if self.binary else code]

    def truth(self, sites: LabelledSites) -> NDArray[np.int64]:
        """Class of each site, ``UNKNOWN`` where it is not known; int64 (n,)."""
        return sites.binary[0] if self.binary else sites.states

    def probabilities(self, logits: NDArray[np.float32], spec: ModelSpec) -> NDArray[np.float32]:
        """Calibrated probability of each class, as ``predict`` writes it; float32 (classes, n).

        Args:
            logits: float32 (outputs, n), in the order of the model's outputs.
            spec: the model.
        """
        rows = probabilities(logits, spec.heads)[self.rows]
        return np.concatenate([1 - rows, rows]) if self.binary else rows


def states_subject(
    spec: ModelSpec, bed: Path, table: Path | None, sizes: ChromSizes, masked: Sequence[Interval]
) -> Subject:
    """The chromatin states of a BED.

    Args:
        spec: the model.
        bed: segments whose names are the model's states.
        table: names and colours of the states; None: the model's own.
        sizes: the genome's contigs.
        masked: regions to leave out.

    Raises:
        InputError: the model has no states, or not those of a file.
        FormatError: a file is malformed, or segments overlap.
    """
    head = next((head for head in spec.heads if head.kind == "states"), None)
    if head is None:
        raise InputError(
            f"model {spec.name} predicts no states; ask for one of its labels with --binary"
        )
    codes = {label.name: code for code, label in enumerate(head.labels)}
    classes = head.labels
    if table is not None:
        named = {label.name: label for label in read_state_table(table)}
        if named.keys() != codes.keys():
            raise InputError(
                f"{table} names the states {', '.join(named)}, but model {spec.name} has "
                f"{', '.join(codes)}"
            )
        classes = tuple(named[name] for name in codes)
    states = read_states(bed, head.labels, sizes, MODEL_STATES)
    rows = spec.head_slices()[head.name]
    labels = LabelSet(states, (), Mask.from_intervals(masked))
    question = "Which chromatin state is this site in?"
    return Subject("chromatin states", question, classes, labels, rows)


def binary_subject(
    spec: ModelSpec, name: str, peaks: Path, sizes: ChromSizes, masked: Sequence[Interval]
) -> Subject:
    """Whether a site has a binary label.

    A site has it where a peak's centre lies in the ``label_bin`` bp around it; one with a centre in
    the ``label_bin`` bp beyond on either side is not asked. Nothing is known of a contig without
    any peak.

    Args:
        spec: the model.
        name: of the label.
        peaks: BED or narrowPeak.
        sizes: the genome's contigs.
        masked: regions to leave out.

    Raises:
        InputError: the model has no such label, or the file cannot be used.
    """
    rows = {
        label.name: (row, label)
        for head in spec.heads
        if head.kind == "binary"
        for row, label in enumerate(head.labels, spec.head_slices()[head.name].start)
    }
    if name not in rows:
        raise InputError(
            f"--binary {name}: model {spec.name} has no such binary label; it has "
            f"{', '.join(rows) or 'none'}"
        )
    row, label = rows[name]
    centres = read_bed(peaks, sizes).places
    silent = [Interval(chrom, 0, sizes[chrom]) for chrom in set(sizes) - {c for c, _ in centres}]
    found = PeakLabels.from_peaks(centres, spec.label_bin, spec.label_bin)
    classes = (Label("other", f"no {name} peak", _GREY), label)
    return Subject(
        f"{name} peaks",
        f"Is there a {name} peak at this site?",
        classes,
        LabelSet(None, (found,), Mask.from_intervals([*masked, *silent])),
        slice(row, row + 1),
    )


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

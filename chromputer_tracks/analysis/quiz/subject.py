"""What a quiz asks: chromatin states, or whether a label is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.label_files import MODEL_STATES, read_states
from chromputer_tracks.data.labels import LabelSet, Mask, PeakLabels
from chromputer_tracks.data.probabilities import probabilities
from chromputer_tracks.errors import InputError
from chromputer_tracks.evaluation.sites import Sites
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.state_table import read_state_table
from chromputer_tracks.spec import Label, ModelSpec

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

    def truth(self, sites: Sites) -> NDArray[np.int64]:
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
    centres = [(record.chrom, record.centre) for record in read_bed(peaks, sizes)]
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

"""Files of labels, as sets of positions and segments."""

from __future__ import annotations

from pathlib import Path

from chromputer_tracks.data.labels import Mask, StateLabels
from chromputer_tracks.errors import FormatError, InputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.spec import Label

MODEL_STATES = "a model's states are fixed; give the BED that it was trained for"
"""What to do about a state that a trained model does not have."""


def read_mask(path: Path | None, sizes: ChromSizes) -> Mask:
    """The positions inside the intervals of a BED; none without one."""
    if path is None:
        return Mask({}, {})
    return Mask.from_intervals(record.interval for record in read_bed(path, sizes))


def read_states(
    path: Path, labels: tuple[Label, ...], sizes: ChromSizes, remedy: str
) -> StateLabels:
    """The segments of a BED whose names are states.

    Args:
        path: the BED.
        labels: the states.
        sizes: the genome's contigs.
        remedy: what to do about a state that is not among them, for the message.

    Raises:
        InputError: a state that is not among the labels.
        FormatError: segments overlap.
    """
    codes = {label.name: index for index, label in enumerate(labels)}
    segments = []
    for record in read_bed(path, sizes):
        if record.name not in codes:
            raise InputError(
                f"{path}: state {record.name!r} at {record.interval} is not among the states "
                f"({', '.join(codes)}): {remedy}"
            )
        segments.append((record.chrom, record.start, record.end, codes[record.name]))
    try:
        return StateLabels.from_segments(segments)
    except InputError as error:
        raise FormatError(f"{path}: {error}") from error

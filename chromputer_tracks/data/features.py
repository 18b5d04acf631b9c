"""From an interval and a model's inputs to the arrays that its network takes.

Training and inference both come through here, so that there is one feature path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.sequence import one_hot, reverse_complement
from chromputer_tracks.data.vplot import normalise_depth, vplot
from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.spec import InputSpec


class SequenceSource(Protocol):
    """Where bases come from; :class:`chromputer_tracks.io.fasta.Fasta` is one."""

    def fetch(self, interval: Interval) -> NDArray[np.uint8]:
        """Upper-case ASCII bases, uint8 (len(interval),); N outside the contig."""


class FragmentSource(Protocol):
    """Where fragments come from; ``io.fragment_store.FragmentStore`` is one."""

    @property
    def density(self) -> float:
        """Fragments per kb, genome-wide."""

    def midpoints(self, interval: Interval) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Midpoints (bp, 0-based) and lengths of the fragments whose midpoint is inside."""


class Features:
    """Makes a network's input arrays for any interval.

    Args:
        inputs: the model's inputs, in graph order.
        sequence: needed when an input is of kind ``sequence``.
        fragments: needed when an input is of kind ``vplot``.

    Raises:
        InputError: a source that an input needs is missing.
    """

    def __init__(
        self,
        inputs: tuple[InputSpec, ...],
        sequence: SequenceSource | None = None,
        fragments: FragmentSource | None = None,
    ) -> None:
        kinds = {item.kind for item in inputs}
        if "sequence" in kinds and sequence is None:
            raise InputError("the model reads DNA sequence: give a genome FASTA")
        if "vplot" in kinds and fragments is None:
            raise InputError("the model reads ATAC-seq fragments: give a fragment file or BAM")
        self.inputs = inputs
        self._sequence = sequence
        self._fragments = fragments

    def arrays(self, interval: Interval) -> dict[str, NDArray[np.float32]]:
        """Input name to its array for one interval.

        Args:
            interval: may leave its contig: N and zero coverage beyond the ends. Its length is a
                multiple of every input's bin.

        Returns:
            float32 (channels, len(interval) / bin) for each input.

        Raises:
            InputError: the interval's length is not a multiple of an input's bin.
        """
        for item in self.inputs:
            if len(interval) % item.bin:
                raise InputError(
                    f"{interval} is {len(interval):,} bp, which is not a multiple of input "
                    f"{item.name!r}'s bin of {item.bin} bp"
                )
        return {item.name: self._array(item, interval) for item in self.inputs}

    def _array(self, item: InputSpec, interval: Interval) -> NDArray[np.float32]:
        if item.kind == "sequence":
            assert self._sequence is not None  # noqa: S101  checked in __init__
            return one_hot(self._sequence.fetch(interval))
        assert self._fragments is not None and item.normalisation is not None  # noqa: S101
        midpoints, lengths = self._fragments.midpoints(interval)
        counts = vplot(midpoints, lengths, interval, item.bin, item.length_edges)
        return normalise_depth(counts, self._fragments.density, item.normalisation)


def reverse_strand(
    inputs: tuple[InputSpec, ...], arrays: Mapping[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """The same inputs read on the other strand.

    Args:
        inputs: the model's inputs.
        arrays: input name to float32 (..., channels, positions).

    Returns:
        contiguous arrays of the same shapes: positions reversed, and bases complemented.
    """
    return {
        item.name: np.ascontiguousarray(
            reverse_complement(arrays[item.name])
            if item.kind == "sequence"
            else arrays[item.name][..., ::-1]
        )
        for item in inputs
    }

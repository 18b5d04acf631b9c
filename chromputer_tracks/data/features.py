"""From an interval and a model's inputs to the arrays that its network takes.

Training and inference both come through here, so that there is one feature path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.sequence import one_hot, reverse_complement
from chromputer_tracks.data.signal import bigwig_signal, fragment_signal
from chromputer_tracks.data.vplot import vplot
from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bigwig_source import BigWigSource
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.spec import InputSpec, Normalisation

# ---- What makes signals of samples of any depth comparable; see :class:`spec.Normalisation`.


class DepthSource(Protocol):
    """Whose coverage is measured; ``FragmentStore`` and ``BigWigSource`` are two."""

    @property
    def per_bp(self) -> float:
        """Coverage of one bp, genome-wide: fragments, or value of a bigWig; above 0."""

    def cumulative(self, chrom: str, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Coverage of the contig below each position, any position."""


def local_ratio(
    source: DepthSource,
    chrom_size: int,
    interval: Interval,
    bin_size: int,
    normalisation: Normalisation,
) -> NDArray[np.float32]:
    """Coverage around each bin relative to the sample's genome-wide mean.

    ``(n / density + prior) / (length + prior)``, with ``n`` the coverage of the box of
    ``background`` bp whose ``Interval.centre`` is that of the bin, cut at the contig's ends,
    ``length`` its bp after the cut, and ``density`` per bp. A bin so far outside of the contig
    that nothing of its box is left has ratio 1. A bin's ratio is the same in every interval.

    Args:
        source: of the coverage.
        chrom_size: bp of the interval's contig.
        interval: may leave its contig; its length is a multiple of ``bin_size``.
        bin_size: bp; bins are counted from the interval's start.
        normalisation: its ``background`` and ``prior`` are used.

    Returns:
        float32 (len(interval) / bin_size,), above 0; all 1 where ``background`` is 0.
    """
    background, prior = normalisation.background, normalisation.prior
    if not background:
        return np.ones(len(interval) // bin_size, dtype=np.float32)
    first = interval.start + bin_size // 2 - background // 2
    starts = first + np.arange(len(interval) // bin_size, dtype=np.int64) * bin_size
    low, high = np.clip((starts, starts + background), 0, chrom_size)
    below, upto = source.cumulative(interval.chrom, np.concatenate([low, high])).reshape(2, -1)
    ratio = ((upto - below) / source.per_bp + prior) / (high - low + prior)
    return np.asarray(ratio, dtype=np.float32)


def normalise(
    values: NDArray[np.float32],
    density: NDArray[np.float64],
    local: NDArray[np.float32] | None,
    normalisation: Normalisation,
) -> NDArray[np.float32]:
    """``transform(values * reference / density / local)``.

    Args:
        values: float32 (channels, bins), at least 0.
        density: float64 (channels,) or (1,), of the sample, in the unit of
            ``normalisation.reference``. Where it is 0 the result is 0.
        local: float32 (bins,), above 0, from :func:`local_ratio`; None: 1.
        normalisation: reference density and transform.

    Returns:
        float32 (channels, bins), a new array.
    """
    reference = np.asarray(normalisation.reference)
    shape = np.broadcast_shapes(reference.shape, density.shape)
    scale = np.divide(reference, density, out=np.zeros(shape), where=density > 0)
    scaled: NDArray[np.float32] = values * scale.astype(np.float32)[:, np.newaxis]
    if local is not None:
        scaled /= local
    match normalisation.transform:
        case "log1p":
            np.log1p(scaled, out=scaled)
        case "asinh":
            np.arcsinh(scaled, out=scaled)
        case "sqrt":
            np.sqrt(scaled, out=scaled)
        case "none":
            pass
    return scaled


Assay = FragmentStore | BigWigSource
"""One file of a sample."""


class SequenceSource(Protocol):
    """Where bases come from; :class:`chromputer_tracks.io.fasta.Fasta` is one."""

    @property
    def sizes(self) -> ChromSizes:
        """The genome's contigs."""

    def fetch(self, interval: Interval) -> NDArray[np.uint8]:
        """Upper-case ASCII bases, uint8 (len(interval),); N outside the contig."""


def check_kind(item: InputSpec, where: str, *, bigwig: bool) -> None:
    """Whether a file holds what an input reads.

    Args:
        item: a ``vplot`` or ``signal``.
        where: the file, for the message.
        bigwig: whether it is a bigWig; fragments otherwise.

    Raises:
        InputError: it is a bigWig where fragments are read, or the reverse.
    """
    if bigwig != (item.measure == "values"):
        given, needed = ("a bigWig", "fragments") if bigwig else ("fragments", "a bigWig")
        raise InputError(
            f"{where} holds {given}, but the model's input {item.name!r} reads {needed} of the "
            f"assay {item.assay!r}"
        )


class Features:
    """Makes a network's input arrays for any interval.

    Args:
        inputs: the model's inputs, in graph order.
        sequence: the genome.
        assays: the sample's open files by assay.

    Raises:
        InputError: an assay is missing, or its file is not of the kind that is read.
    """

    def __init__(
        self,
        inputs: tuple[InputSpec, ...],
        sequence: SequenceSource,
        assays: Mapping[str, Assay],
    ) -> None:
        for item in inputs:
            if item.kind == "sequence":
                continue
            if item.assay not in assays:
                raise InputError(
                    f"the model's input {item.name!r} reads the assay {item.assay!r}: give its file"
                )
            bigwig = isinstance(assays[item.assay], BigWigSource)
            check_kind(item, f"the file of the assay {item.assay!r}", bigwig=bigwig)
        self.inputs = inputs
        self._sequence = sequence
        self._assays = dict(assays)

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
            return one_hot(self._sequence.fetch(interval))
        source, how = self._assays[item.assay], item.normalisation
        if how is None:
            raise InputError(f"input {item.name!r} has no normalisation")
        density = np.array([source.density])
        if isinstance(source, BigWigSource):
            values = bigwig_signal(source, interval, item)[None]
        elif item.kind == "signal":
            values = fragment_signal(source, interval, item)[None]
        else:
            midpoints, lengths = source.midpoints(interval)
            values = vplot(midpoints, lengths, interval, item.bin, item.length_edges)
            if len(how.reference) > 1:
                density = source.length_density(item.length_edges)
        local = None
        if how.background:
            size = self._sequence.sizes[interval.chrom]
            local = local_ratio(source, size, interval, item.bin, how)
        return normalise(values, density, local, how)


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

"""From an interval and a model's inputs to a network's arrays, and from its logits to values.

Training and inference both come through here, so that there is one feature path.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import Interval
from chromputer_tracks.io.assays import BigWigSource
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.fragments import Fragments
from chromputer_tracks.spec import HeadSpec, InputSpec, Normalisation

ALPHABET = np.frombuffer(b"ACGT", dtype=np.uint8)
"""The channel order of one-hot arrays; reversing it complements a base."""


def one_hot(bases: NDArray[np.uint8]) -> NDArray[np.float32]:
    """One-hot float32 (4, L), channels A, C, G, T, of upper-case ASCII uint8 (L,).

    Any other letter (N) is all zero.
    """
    matches: NDArray[np.bool_] = bases == ALPHABET[:, None]
    return matches.astype(np.float32)


def reverse_complement(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reverse-complement a one-hot array (..., 4, L): both last axes reversed."""
    return array[..., ::-1, ::-1]


Assay = FragmentStore | BigWigSource
"""One open file of a sample."""


def check_kind(item: InputSpec, where: str, *, bigwig: bool) -> None:
    """Check that a file holds what a ``vplot`` or ``signal`` reads: a bigWig or fragments.

    Raises:
        InputError: it is the other; ``where`` says in the message which file it is.
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
        self, inputs: tuple[InputSpec, ...], sequence: Fasta, assays: Mapping[str, Assay]
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
    """The same inputs, float32 (..., channels, positions), read on the other strand.

    Positions are reversed, and bases complemented; the arrays are contiguous.
    """
    return {
        item.name: np.ascontiguousarray(
            reverse_complement(arrays[item.name])
            if item.kind == "sequence"
            else arrays[item.name][..., ::-1]
        )
        for item in inputs
    }


# ---- V-plots: fragments as an image, midpoint position by fragment length.
#
# After Henikoff et al. 2011 (doi:10.1073/pnas.1110731108): each fragment adds one count to the
# pixel of its midpoint's position bin and its length class.

NUCLEOSOME = 147
"""bp of DNA around a nucleosome core (Luger et al. 1997, doi:10.1038/38444): shorter fragments hold
none; pictures have a line there."""

DEFAULT_BIN = 10
"""bp per position bin."""

# Sub-nucleosomal lengths in steps of 20, mono-nucleosomal (147 bp of DNA and its linkers) in steps
# of 20, then the troughs and the di-nucleosome in wider steps, as counts fall.
DEFAULT_LENGTH_EDGES = (
    20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 220, 250, 300, 350, 420, 500, 700,
)  # fmt: skip
"""Fragment-length class edges in bp."""

FINE_LENGTH_EDGES = tuple(range(20, 401, 10))
"""Fragment-length class edges in bp: equal classes, so that the image shows densities."""


def vplot(
    midpoints: NDArray[np.integer],
    lengths: NDArray[np.integer],
    interval: Interval,
    bin_size: int = DEFAULT_BIN,
    length_edges: tuple[int, ...] = DEFAULT_LENGTH_EDGES,
) -> NDArray[np.float32]:
    """Count fragments by length class and midpoint bin.

    Args:
        midpoints: int (n,), bp, 0-based: ``(start + end) // 2`` of each fragment.
        lengths: int (n,), bp: ``end - start`` of each fragment.
        interval: the image's extent; its length is a multiple of ``bin_size``. Fragments whose
            midpoint lies outside, or whose length lies outside the edges, are not counted.
        bin_size: bp per position bin; bins are counted from ``interval.start``.
        length_edges: ascending; class i holds ``edges[i] <= length < edges[i + 1]``.

    Returns:
        float32 (len(length_edges) - 1, len(interval) / bin_size): counts.
    """
    width = len(interval) // bin_size
    height = len(length_edges) - 1
    rows = np.searchsorted(np.asarray(length_edges), lengths, side="right") - 1
    columns = (midpoints - interval.start) // bin_size
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    flat = rows[inside] * width + columns[inside]
    counts = np.bincount(flat, minlength=height * width)
    return counts.reshape(height, width).astype(np.float32)


# ---- 1D signals.


def fragment_signal(
    source: FragmentStore, interval: Interval, item: InputSpec
) -> NDArray[np.float32]:
    """A signal computed from fragments.

    A bin's value is the same in every interval: a smoothed one takes in what lies beyond the ends.

    Args:
        source: fragments.
        interval: may leave its contig, beyond whose ends there is nothing; its length is a
            multiple of ``item.bin``, and bins are counted from its start.
        item: a ``signal`` whose measure is ``cuts``: the first and last base of each fragment,
            ``coverage``: all bases of each fragment, or ``midpoints``. Only fragments with
            ``length_edges[0] <= length < length_edges[1]`` count where it has edges.

    Returns:
        float32 (len(interval) / item.bin,): mean per bp of each bin, over ``item.smooth`` bp
        around its centre where that is not 0.
    """
    wide = _widened(interval, item)
    match item.measure:
        case "midpoints":
            points, lengths = source.midpoints(wide)
            counts = _points(points[_of_length(lengths, item)], wide, item.bin)
        case "cuts":
            starts, ends = _fetch(source, wide, item)
            counts = _points(np.concatenate([starts, ends - 1]), wide, item.bin)
        case _:
            counts = _overlaps(*_fetch(source, wide, item), wide, item.bin)
    return (_box(counts, item) / item.bin).astype(np.float32)


def bigwig_signal(source: BigWigSource, interval: Interval, item: InputSpec) -> NDArray[np.float32]:
    """A signal read from a bigWig; see :func:`fragment_signal`.

    Args:
        source: values.
        interval: may leave its contig, beyond whose ends the value is 0.
        item: a ``signal`` whose measure is ``values``.

    Returns:
        float32 (len(interval) / item.bin,): mean per bp of each bin, smoothed.
    """
    return _box(source.means(_widened(interval, item), item.bin), item).astype(np.float32)


def _widened(interval: Interval, item: InputSpec) -> Interval:
    """With the bins on each side that smoothing reads."""
    flank = item.smooth // item.bin // 2 * item.bin
    return Interval(interval.chrom, interval.start - flank, interval.end + flank)


def _of_length(lengths: NDArray[np.int32], item: InputSpec) -> NDArray[np.bool_]:
    if not item.length_edges:
        return np.ones(len(lengths), dtype=np.bool_)
    low, high = item.length_edges
    return (lengths >= low) & (lengths < high)


def _fetch(source: FragmentStore, interval: Interval, item: InputSpec) -> Fragments:
    starts, ends = source.fetch(interval)
    kept = _of_length(ends - starts, item)
    return Fragments(starts[kept], ends[kept])


def _points(positions: NDArray[np.int32], interval: Interval, bin_size: int) -> NDArray[np.float64]:
    """Number of positions in each bin."""
    inside = (positions >= interval.start) & (positions < interval.end)
    bins = (positions[inside] - interval.start) // bin_size
    return np.bincount(bins, minlength=len(interval) // bin_size).astype(np.float64)


def _overlaps(
    starts: NDArray[np.int32], ends: NDArray[np.int32], interval: Interval, bin_size: int
) -> NDArray[np.float64]:
    """Sum over each bin's bases of the number of fragments over the base.

    All fragments overlap the interval. The fragments over a base are those begun by then less
    those ended by then.
    """
    width = len(interval)
    begun = np.bincount(np.maximum(starts - interval.start, 0), minlength=width)
    ended = np.bincount(np.minimum(ends - interval.start, width), minlength=width + 1)[:width]
    depth = np.cumsum(begun - ended, dtype=np.float64)
    return np.asarray(depth.reshape(-1, bin_size).sum(axis=1))


def _box(values: NDArray[np.float64], item: InputSpec) -> NDArray[np.float64]:
    """Mean over the ``item.smooth`` bp around each bin but the widening ones, which are cut off.

    Added up one offset at a time: each bin's sum rounds in the same way wherever it stands.
    """
    bins = max(item.smooth // item.bin, 1)
    width = len(values) - bins + 1
    total = values[:width].copy()
    for offset in range(1, bins):
        total += values[offset : offset + width]
    return total / bins


# ---- What makes signals of samples of any depth comparable; see :class:`spec.Normalisation`.

_TRANSFORMS = {"log1p": np.log1p, "asinh": np.arcsinh, "sqrt": np.sqrt}


def local_ratio(
    source: Assay, chrom_size: int, interval: Interval, bin_size: int, normalisation: Normalisation
) -> NDArray[np.float32]:
    """Coverage around each bin relative to the sample's genome-wide mean.

    ``(n / density + prior) / (length + prior)``, with ``n`` the coverage of the box of
    ``background`` bp whose ``Interval.centre`` is that of the bin, cut at the contig's ends,
    ``length`` its bp after the cut, and ``density`` per bp. A bin so far outside of the contig
    that nothing of its box is left has ratio 1. A bin's ratio is the same in every interval.

    Args:
        source: what gives the coverage.
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
    if normalisation.transform != "none":
        _TRANSFORMS[normalisation.transform](scaled, out=scaled)
    return scaled


# ---- What a network's logits say.


def probabilities(logits: NDArray[np.float32], heads: tuple[HeadSpec, ...]) -> NDArray[np.float32]:
    """Apply each label's calibration, then what its head makes of a logit.

    A ``states`` head is a softmax, a ``binary`` one a sigmoid per label; a ``continuous`` one gives
    the value that the logit stands for: ``exp(logit)``, or ``expm1(logit)`` but at least 0.

    Args:
        logits: float32 (..., outputs, positions), channels in the order of ``heads``.
        heads: the model's heads; the calibrated logit is ``logit * scale + bias``.

    Returns:
        float32, the shape of ``logits``; a states head sums to 1 over its labels.
    """
    labels = [label for head in heads for label in head.labels]
    scale = np.array([label.scale for label in labels], dtype=np.float32)[:, None]
    bias = np.array([label.bias for label in labels], dtype=np.float32)[:, None]
    result: NDArray[np.float32] = logits * scale + bias
    first = 0
    for head in heads:
        rows = result[..., first : first + len(head.labels), :]
        first += len(head.labels)
        if head.kind == "states":
            rows -= rows.max(axis=-2, keepdims=True)
            np.exp(rows, out=rows)
            rows /= rows.sum(axis=-2, keepdims=True)
            continue
        # Beyond 88 exp overflows to infinity, whose reciprocal is the right limit, 0.
        with np.errstate(over="ignore"):
            if head.kind == "binary":
                np.exp(-rows, out=rows)
                rows += 1
                np.reciprocal(rows, out=rows)
            elif head.transform == "log":
                np.exp(rows, out=rows)
            else:
                np.maximum(np.expm1(rows), 0, out=rows)
    return result

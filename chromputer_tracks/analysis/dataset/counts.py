"""What a configuration trains and scores: its label bins counted, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.data.negatives import CLASSES, Balance
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.sources import LabelledSample, Sources
from chromputer_tracks.spec import HeadKind, Label

SPLITS = ("train", "validation", "test")

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DatasetLabel:
    """A label and the head that it belongs to."""

    kind: HeadKind
    head: str
    label: Label


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """Bins of one label on one contig.

    Attributes:
        positives: bins that have it; for a state, bins in that state.
        negatives: bins that are known not to.
        ambiguous: those of ``negatives`` that are not learnt from, being close to a positive.
    """

    positives: int
    negatives: int
    ambiguous: int


@dataclass(frozen=True, slots=True)
class SignalCounts:
    """Values of a continuous label on one contig.

    Attributes:
        bins: known ones.
        total: sum of their values.
        zeros: how many are 0.
    """

    bins: int
    total: float
    zeros: int


@dataclass(frozen=True, slots=True)
class ContigCounts:
    """The whole label bins of one contig in one sample.

    Attributes:
        sample: name of the sample.
        contig: name of the contig.
        split: ``train``, ``validation`` or ``test``.
        size: bp.
        bins: all.
        masked: those whose centre is in the blacklist.
        left_out: further ones that are no site.
        sites: those with any known label.
        positive: those of ``sites`` with any positive binary label.
        labels: in the order of the dataset's.
        signals: in the order of the dataset's.
    """

    sample: str
    contig: str
    split: str
    size: int
    bins: int
    masked: int
    left_out: int
    sites: int
    positive: int
    labels: tuple[LabelCounts, ...]
    signals: tuple[SignalCounts, ...]


@dataclass(frozen=True, slots=True)
class PeakCounts:
    """Peak centres of one binary label in one sample.

    Attributes:
        sample: name of the sample.
        label: name of the label.
        total: all.
        outside: on contigs of no split.
        masked: on contigs of a split, in the blacklist.
    """

    sample: str
    label: str
    total: int
    outside: int
    masked: int


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """Bins of matched sites on the contigs of one split, in one sample.

    Attributes:
        sample: name of the sample.
        split: name of the split.
        bins: number of each of :data:`~chromputer_tracks.data.negatives.CLASSES`.
        borrowed: random bins from another stratum than their own.
        missing: random bins that there were none for.
    """

    sample: str
    split: str
    bins: tuple[int, ...]
    borrowed: int
    missing: int


@dataclass(frozen=True, slots=True)
class AssayDepth:
    """How deep a file of a sample is.

    Attributes:
        name: name of the assay.
        fragments: number of fragments; None for a bigWig.
        density: fragments per kb, or a bigWig's mean per bp; see their sources.
    """

    name: str
    fragments: int | None
    density: float


@dataclass(frozen=True, slots=True)
class SampleSummary:
    """A sample and its files."""

    name: str
    train: bool
    assays: tuple[AssayDepth, ...]


@dataclass(frozen=True, slots=True, eq=False)
class DatasetCounts:
    """All that :func:`count_dataset` counted.

    Attributes:
        label_bin: bp of a bin.
        samples: in the configuration's order.
        labels: labels of the states head, then of the binary heads.
        signals: labels of the continuous heads.
        contigs: contig by contig within each split within each sample.
        peaks: counts of each sample and binary label that is known in it.
        shared: int64 (labels, labels), bins of all splits and samples that have both; the diagonal
            holds the bins of each.
        auxiliary: number of auxiliary peak sets that are learnt, too.
        unused: contigs of no split and their bp, in the genome's order.
        classes: counts of each sample and split, where sites are matched.
        balance: name of the sample and how well its random bins match, likewise.
    """

    label_bin: int
    samples: tuple[SampleSummary, ...]
    labels: tuple[DatasetLabel, ...]
    signals: tuple[DatasetLabel, ...]
    contigs: tuple[ContigCounts, ...]
    peaks: tuple[PeakCounts, ...]
    shared: Int64
    auxiliary: int
    unused: Mapping[str, int]
    classes: tuple[ClassCounts, ...] = ()
    balance: tuple[tuple[str, Balance], ...] = ()

    @property
    def jaccard(self) -> NDArray[np.float64]:
        """Bins with both labels over bins with either, (labels, labels); NaN where none has one."""
        size = np.diag(self.shared)
        either = size[:, None] + size - self.shared
        out = np.full(self.shared.shape, np.nan)
        np.divide(self.shared, either, out=out, where=either > 0)
        return out

    def of_split(self, split: str) -> tuple[ContigCounts, ...]:
        """The contigs of one split, of all samples."""
        return tuple(row for row in self.contigs if row.split == split)

    def counts(self, split: str) -> tuple[LabelCounts, ...]:
        """Counts of each label over the contigs of a split, of all samples."""
        rows = [row.labels for row in self.of_split(split)]
        return tuple(
            LabelCounts(
                sum(count.positives for count in column),
                sum(count.negatives for count in column),
                sum(count.ambiguous for count in column),
            )
            for column in zip(*rows, strict=True)
        )


def count_dataset(config: TrainConfig, sources: Sources) -> DatasetCounts:
    """Count the bins that a configuration trains and scores.

    Args:
        config: the configuration.
        sources: the configuration's files, open.

    Raises:
        ConfigError: no contig of a split holds a whole bin.
    """
    known = [
        DatasetLabel(head.kind, head.name, label) for head in sources.heads for label in head.labels
    ]
    labels = tuple(item for item in known if item.kind != "continuous")
    shared = np.zeros((len(labels), len(labels)), dtype=np.int64)
    contigs: list[ContigCounts] = []
    peaks: list[PeakCounts] = []
    for sample in sources.samples:
        for split, chrom in _contigs(config, sample):
            counts, positive = _count(config, sources, sample, split, chrom)
            contigs.append(counts)
            # In float32, which has a fast product, counts are whole up to 2 ** 24 a contig.
            rows = positive.astype(np.float32)
            shared += np.rint(rows @ rows.T).astype(np.int64)
        peaks.extend(_peaks(config, sources, sample))
    if not any(row.bins for row in contigs):
        raise ConfigError(
            f"no contig of the splits holds a whole bin of {config.label_bin} bp (label_bin)"
        )
    used = {chrom for split in SPLITS for chrom in getattr(config.splits, split)}
    return DatasetCounts(
        config.label_bin,
        tuple(_summary(sample) for sample in sources.samples),
        labels,
        tuple(item for item in known if item.kind == "continuous"),
        tuple(contigs),
        tuple(peaks),
        shared,
        len(sources.auxiliary),
        {chrom: size for chrom, size in sources.sizes.items() if chrom not in used},
        tuple(_classes(config, sources)),
        tuple(
            (sample.name, balance)
            for sample in sources.samples
            if sample.matched is not None
            for balance in sample.matched.balance
        ),
    )


def bin_centres(sizes: ChromSizes, chrom: str, width: int) -> Int64:
    """Centres of the whole bins of a contig, int64 (n,), bp, 0-based."""
    return np.arange(sizes[chrom] // width, dtype=np.int64) * width + width // 2


def _contigs(config: TrainConfig, sample: LabelledSample) -> Iterator[tuple[str, str]]:
    """Split and contig of what is learnt or scored in a sample."""
    for split in SPLITS if sample.train else SPLITS[-1:]:
        for chrom in getattr(config.splits, split):
            yield split, chrom


def _classes(config: TrainConfig, sources: Sources) -> Iterator[ClassCounts]:
    for sample in sources.samples:
        if sample.matched is None:
            continue
        for split in dict.fromkeys(split for split, _ in _contigs(config, sample)):
            names = getattr(config.splits, split)
            sites = [sample.matched.contigs[chrom] for chrom in names]
            yield ClassCounts(
                sample.name,
                split,
                tuple(sum(len(getattr(row, name)) for row in sites) for name in CLASSES),
                sum(row.borrowed for row in sites),
                sum(row.missing for row in sites),
            )


def _summary(sample: LabelledSample) -> SampleSummary:
    return SampleSummary(
        sample.name,
        sample.train,
        tuple(
            AssayDepth(
                name, source.total if isinstance(source, FragmentStore) else None, source.density
            )
            for name, source in sample.assays.items()
        ),
    )


def _count(
    config: TrainConfig, sources: Sources, sample: LabelledSample, split: str, chrom: str
) -> tuple[ContigCounts, NDArray[np.bool_]]:
    """Counts of a contig, and which bin has which label, bool (labels, bins)."""
    centres = bin_centres(sources.sizes, chrom, config.label_bin)
    scored = sample.scored
    masked = scored.masked.at(chrom, centres)
    no_site = np.zeros(len(centres), dtype=bool)
    if scored.sites is not None:
        no_site = ~scored.sites.at(chrom, centres)
    if not len(centres):
        states, binary, continuous = _nothing(sources)
        learnt = binary
    else:
        states, binary, continuous = scored.at(chrom, centres)
        # The auxiliary labels would only cost time here.
        own = replace(sample.learnt, binary=sample.learnt.binary[: len(binary)], continuous=())
        learnt = own.at(chrom, centres).binary
    one_hot = states == np.arange(sources.number("states"))[:, None]
    known = states != UNKNOWN
    labels = [LabelCounts(int(row.sum()), int((known & ~row).sum()), 0) for row in one_hot] + [
        LabelCounts(
            int((row == 1).sum()), int((row == 0).sum()), int(((row == 0) & (less < 0)).sum())
        )
        for row, less in zip(binary, learnt, strict=True)
    ]
    signals = [
        SignalCounts(
            int((~np.isnan(row)).sum()),
            float(np.nansum(row, dtype=np.float64)),
            int((row == 0).sum()),
        )
        for row in continuous
    ]
    any_known = known | (binary != UNKNOWN).any(axis=0) | ~np.isnan(continuous).all(axis=0)
    counts = ContigCounts(
        sample.name,
        chrom,
        split,
        sources.sizes[chrom],
        len(centres),
        int(masked.sum()),
        int((no_site & ~masked).sum()),
        int(any_known.sum()),
        int((binary == 1).any(axis=0).sum()),
        tuple(labels),
        tuple(signals),
    )
    return counts, np.concatenate([one_hot, binary == 1])


def _nothing(sources: Sources) -> tuple[Int64, Int64, NDArray[np.float32]]:
    """Labels of no bin."""
    return (
        np.empty(0, dtype=np.int64),
        np.empty((sources.number("binary"), 0), dtype=np.int64),
        np.empty((sources.number("continuous"), 0), dtype=np.float32),
    )


def _peaks(config: TrainConfig, sources: Sources, sample: LabelledSample) -> Iterator[PeakCounts]:
    used = {chrom for _, chrom in _contigs(config, sample)}
    labels = [head.labels for head in sources.heads if head.kind == "binary"]
    names = [label.name for row in labels for label in row]
    for name, peaks in zip(names, sample.scored.binary, strict=True):
        if peaks is None:
            continue
        inside = {c: at for c, at in peaks.centres.items() if c in used}
        total = sum(map(len, peaks.centres.values()))
        yield PeakCounts(
            sample.name,
            name,
            total,
            total - sum(map(len, inside.values())),
            sum(int(sample.scored.masked.at(c, at).sum()) for c, at in inside.items()),
        )

"""What a configuration trains and scores: its label bins counted, and what may spoil them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

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

    def of_sample(self, name: str) -> str:
        """``" of NAME"``, for a message; nothing where there is one sample."""
        return "" if len(self.samples) == 1 else f" of {name}"

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


# ---- What a scientist would want to know about a dataset before training on it.

FEW_POSITIVES = 50
"""Positive bins in training below which a label will hardly be learnt."""
SAME_LABEL = 0.9
"""Jaccard index above which two labels are nearly the same."""
UNEVEN = 3.0
"""Ratio of prevalences of two splits above which they are not alike."""
UNBALANCED = 0.25
"""Difference of means, in standard deviations, above which random bins do not match."""
LOST_PEAKS = 0.05
"""Share of a label's peaks in the blacklist above which it is named."""

SHALLOW = 1.0
"""Fragments per kb below which a V-plot of a window is nearly empty."""

_LEAST_EXPECTED = 10.0
"""Positives expected at the overall prevalence, below which chance alone makes numbers differ."""


def dataset_warnings(data: DatasetCounts) -> tuple[str, ...]:
    """One sentence for each thing that may spoil the training or its evaluation."""
    checks = (
        *(_shallow, _few, _absent, _bare_contigs, _uneven, _alike),
        *(_lost_peaks, _badly_matched, _unused),
    )
    return tuple(warning for check in checks for warning in check(data))


def _shallow(data: DatasetCounts) -> Iterator[str]:
    for sample in data.samples:
        for assay in sample.assays:
            if assay.fragments is not None and assay.density < SHALLOW:
                yield (
                    f"{assay.name}{data.of_sample(sample.name)} has {assay.density:.3g} fragments "
                    f"per kb, fewer than {SHALLOW:g}: little can be learnt from it; is it "
                    "the right file?"
                )


def _few(data: DatasetCounts) -> Iterator[str]:
    for item, count in zip(data.labels, data.counts("train"), strict=True):
        if not count.positives:
            yield f"{_name(item)} has no positive bin in train: it cannot be learnt"
        elif count.positives < FEW_POSITIVES:
            yield (
                f"{_name(item)} has {count.positives} positive bins in train, fewer than "
                f"{FEW_POSITIVES}: it will hardly be learnt"
            )


def _absent(data: DatasetCounts) -> Iterator[str]:
    for split, use in (("validation", "calibrated"), ("test", "scored")):
        for item, count in zip(data.labels, data.counts(split), strict=True):
            if not count.positives:
                yield f"{_name(item)} has no positive bin in {split}: it cannot be {use}"


def _bare_contigs(data: DatasetCounts) -> Iterator[str]:
    shares = [_prevalence(column) for column in zip(*map(data.counts, SPLITS), strict=True)]
    for row in data.contigs:
        where = row.contig + data.of_sample(row.sample)
        if not row.sites:
            yield f"{where} ({row.split}) has no known label in any bin: leave it out of the splits"
            continue
        for item, count, share in zip(data.labels, row.labels, shares, strict=True):
            expected = share * (count.positives + count.negatives)
            if not count.positives and expected >= _LEAST_EXPECTED:
                yield (
                    f"{_name(item)} has no positive bin on {where} ({row.split}), where its "
                    f"prevalence elsewhere gives {expected:,.0f}: was the contig left out of its "
                    "file?"
                )


def _uneven(data: DatasetCounts) -> Iterator[str]:
    for item, *column in zip(data.labels, *map(data.counts, SPLITS), strict=True):
        overall = _prevalence(column)
        shares = {
            split: _prevalence([count])
            for split, count in zip(SPLITS, column, strict=True)
            if count.positives and overall * (count.positives + count.negatives) >= _LEAST_EXPECTED
        }
        if len(shares) < 2:
            continue
        low, high = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
        ratio = shares[high] / shares[low]
        if ratio > UNEVEN:
            yield (
                f"{_name(item)} is {ratio:.1f} times as frequent in {high} ({shares[high]:.2%}) as "
                f"in {low} ({shares[low]:.2%}): are the splits alike?"
            )


def _alike(data: DatasetCounts) -> Iterator[str]:
    jaccard = data.jaccard
    for (i, one), (j, other) in combinations(enumerate(data.labels), 2):
        if jaccard[i, j] > SAME_LABEL:
            yield (
                f"{_name(one)} and {_name(other)} are nearly the same bins (Jaccard index "
                f"{jaccard[i, j]:.2f}): is one file given twice?"
            )


def _lost_peaks(data: DatasetCounts) -> Iterator[str]:
    inside = sum(row.total - row.outside for row in data.peaks)
    masked = sum(row.masked for row in data.peaks)
    if not masked:
        return
    worst = [
        (row.masked / (row.total - row.outside), row)
        for row in data.peaks
        if row.masked > LOST_PEAKS * (row.total - row.outside)
    ]
    worst.sort(key=lambda pair: -pair[0])
    named = ", ".join(
        f"{row.label}{data.of_sample(row.sample)} {share:.0%}" for share, row in worst[:5]
    )
    more = f" and {len(worst) - 5} more" if len(worst) > 5 else ""
    yield (
        f"the blacklist drops {masked:,} of {inside:,} peaks on the contigs of the splits "
        f"({masked / inside:.1%})" + (f"; most of all of {named}{more}" if named else "")
    )


def _badly_matched(data: DatasetCounts) -> Iterator[str]:
    for row in data.classes:
        if row.missing:
            yield (
                f"{row.split}{data.of_sample(row.sample)} lacks {row.missing:,} of the random bins "
                "asked for: the genome has no more that are free; lower sites.per_positive or "
                "sites.flank_to"
            )
    for sample, balance in data.balance:
        if abs(balance.difference) > UNBALANCED:
            yield (
                f"random bins{data.of_sample(sample)} do not match the positives in "
                f"{balance.name} (means {balance.matched:.3g} and {balance.positive:.3g}): the "
                "genome has too few like them, so a network may tell them apart by it; lower "
                "sites.per_positive"
            )


def _unused(data: DatasetCounts) -> Iterator[str]:
    if not data.unused:
        return
    names = list(data.unused)
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    yield (
        f"{len(names)} {'contig is' if len(names) == 1 else 'contigs are'} in no split: {shown} "
        f"({sum(data.unused.values()) / 1e6:,.2f} Mb)"
    )


def _name(item: DatasetLabel) -> str:
    return f"{'state' if item.kind == 'states' else 'label'} {item.label.name}"


def _prevalence(counts: Sequence[LabelCounts]) -> float:
    """Share of positives among the known bins, 0 where none is known."""
    positives = sum(count.positives for count in counts)
    known = positives + sum(count.negatives for count in counts)
    return positives / known if known else 0.0

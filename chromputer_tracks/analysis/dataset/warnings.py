"""What a scientist would want to know about a dataset before training on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from chromputer_tracks.analysis.dataset.counts import SPLITS, Dataset, DatasetLabel, LabelCounts

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


def dataset_warnings(data: Dataset) -> tuple[str, ...]:
    """One sentence for each thing that may spoil the training or its evaluation."""
    checks = (
        *(_shallow, _few, _absent, _bare_contigs, _uneven, _alike),
        *(_lost_peaks, _badly_matched, _unused),
    )
    return tuple(warning for check in checks for warning in check(data))


def _shallow(data: Dataset) -> Iterator[str]:
    for sample in data.samples:
        for assay in sample.assays:
            if assay.fragments is not None and assay.density < SHALLOW:
                of = "" if len(data.samples) == 1 else f" of {sample.name}"
                yield (
                    f"{assay.name}{of} has {assay.density:.3g} fragments per kb, fewer than "
                    f"{SHALLOW:g}: little can be learnt from it; is it the right file?"
                )


def _few(data: Dataset) -> Iterator[str]:
    for item, count in zip(data.labels, data.counts("train"), strict=True):
        if not count.positives:
            yield f"{_name(item)} has no positive bin in train: it cannot be learnt"
        elif count.positives < FEW_POSITIVES:
            yield (
                f"{_name(item)} has {count.positives} positive bins in train, fewer than "
                f"{FEW_POSITIVES}: it will hardly be learnt"
            )


def _absent(data: Dataset) -> Iterator[str]:
    for split, use in (("validation", "calibrated"), ("test", "scored")):
        for item, count in zip(data.labels, data.counts(split), strict=True):
            if not count.positives:
                yield f"{_name(item)} has no positive bin in {split}: it cannot be {use}"


def _bare_contigs(data: Dataset) -> Iterator[str]:
    shares = [_prevalence(column) for column in zip(*map(data.counts, SPLITS), strict=True)]
    for row in data.contigs:
        where = row.contig if len(data.samples) == 1 else f"{row.contig} of {row.sample}"
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


def _uneven(data: Dataset) -> Iterator[str]:
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


def _alike(data: Dataset) -> Iterator[str]:
    jaccard = data.jaccard
    for (i, one), (j, other) in combinations(enumerate(data.labels), 2):
        if jaccard[i, j] > SAME_LABEL:
            yield (
                f"{_name(one)} and {_name(other)} are nearly the same bins (Jaccard index "
                f"{jaccard[i, j]:.2f}): is one file given twice?"
            )


def _lost_peaks(data: Dataset) -> Iterator[str]:
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
        f"{row.label}{'' if len(data.samples) == 1 else f' of {row.sample}'} {share:.0%}"
        for share, row in worst[:5]
    )
    more = f" and {len(worst) - 5} more" if len(worst) > 5 else ""
    yield (
        f"the blacklist drops {masked:,} of {inside:,} peaks on the contigs of the splits "
        f"({masked / inside:.1%})" + (f"; most of all of {named}{more}" if named else "")
    )


def _badly_matched(data: Dataset) -> Iterator[str]:
    for row in data.classes:
        if row.missing:
            where = row.split if len(data.samples) == 1 else f"{row.split} of {row.sample}"
            yield (
                f"{where} lacks {row.missing:,} of the random bins asked for: the genome has no "
                "more that are free; lower sites.per_positive or sites.flank_to"
            )
    for sample, balance in data.balance:
        if abs(balance.difference) > UNBALANCED:
            where = "" if len(data.samples) == 1 else f" of {sample}"
            yield (
                f"random bins{where} do not match the positives in {balance.name} (means "
                f"{balance.matched:.3g} and {balance.positive:.3g}): the genome has too few like "
                "them, so a network may tell them apart by it; lower sites.per_positive"
            )


def _unused(data: Dataset) -> Iterator[str]:
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

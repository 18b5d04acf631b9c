"""Files of labels that only training reads: sites and auxiliary peak sets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from chromputer_tracks.data.labels import Mask
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import BedRecord, read_bed
from chromputer_tracks.model.config import TrainConfig

Centres = list[tuple[str, int]]
"""Contig and position (bp, 0-based) of peak centres."""


def site_bins(records: Iterable[BedRecord], width: int, sizes: ChromSizes) -> Mask:
    """The ``width`` bins that touch the sites, whole."""
    bins = []
    for record in records:
        start = record.start // width * width
        end = min(-(-record.end // width) * width, sizes[record.chrom])
        bins.append(Interval(record.chrom, start, end))
    return Mask.from_intervals(bins)


def read_auxiliary(config: TrainConfig, sizes: ChromSizes) -> dict[Path, Centres]:
    """The peak sets of the auxiliary folder with enough peaks, in order of file name."""
    if config.auxiliary is None:
        return {}
    taken = {
        path.resolve()
        for sample in config.all_samples()
        for paths in sample.peaks.values()
        for path in paths
    }
    train = set(config.splits.train)
    found = {}
    for path in sorted(config.auxiliary.folder.glob("*")):
        if path.resolve() in taken or not path.name.endswith((".bed", ".narrowPeak", ".gz")):
            continue
        if path.stat().st_size == 0:  # a set without a peak, the least of all
            continue
        centres = [(record.chrom, record.centre) for record in read_bed(path, sizes)]
        if sum(chrom in train for chrom, _ in centres) >= config.auxiliary.minimum:
            found[path] = centres
    if not found:
        raise ConfigError(
            f"{config.auxiliary.folder} holds no peak set with {config.auxiliary.minimum} peaks on "
            f"the training contigs: lower auxiliary.minimum or leave [auxiliary] out"
        )
    return found

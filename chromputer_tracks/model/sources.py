"""A configuration's files, opened and checked: features, labels and heads."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from chromputer_tracks.data.features import Features
from chromputer_tracks.data.labels import LabelSet, Mask, PeakLabels, StateLabels
from chromputer_tracks.errors import ConfigError, FormatError, InputError, SpecError
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import BedRecord, read_bed
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_batch import FragmentOptions
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.model.config import BinaryConfig, StatesConfig, TrainConfig
from chromputer_tracks.spec import HeadSpec, Label

Centres = list[tuple[str, int]]
"""Contig and position (bp, 0-based) of peak centres."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What training and evaluation read.

    Attributes:
        fasta: the genome.
        sizes: its contigs.
        features: makes the input arrays.
        learnt: labels to learn from, ambiguous flanks masked; the auxiliary ones last.
        scored: labels to score against; nothing masked but the blacklist.
        lenient: the same with half a label bin masked on each side of a positive bin.
        heads: heads and labels, not yet calibrated.
        auxiliary: files of the auxiliary peak sets, in the order of their labels.
    """

    fasta: Fasta
    sizes: ChromSizes
    features: Features
    learnt: LabelSet
    scored: LabelSet
    lenient: LabelSet
    heads: tuple[HeadSpec, ...]
    auxiliary: tuple[Path, ...]


@contextmanager
def open_sources(config: TrainConfig) -> Iterator[Sources]:
    """Open and check every file of a configuration.

    Raises:
        ChromputerError: a file cannot be used, or a split names an unknown contig.
    """
    with ExitStack() as stack:
        fasta = stack.enter_context(Fasta(config.data.fasta))
        sizes = fasta.sizes
        for use in ("train", "validation", "test"):
            for contig in getattr(config.splits, use):
                sizes.require(contig, f"splits.{use}")
        states: StateLabels | None = None
        heads: list[HeadSpec] = []
        if config.states is not None:
            labels = _read_state_table(config.states.table)
            states = _read_states(config.states, labels, sizes)
            heads.append(HeadSpec("states", "states", labels))
        centres = [_read_peaks(item.peaks, sizes) for item in config.binary]
        if centres:
            heads.append(HeadSpec("binary", "binary", tuple(map(_binary_label, config.binary))))
        _check_labels(config, states, centres)
        masked = _read_mask(config.data.blacklist, sizes)
        sites = None
        if config.sites.kind == "peaks" and config.sites.peaks is not None:
            sites = _site_bins(read_bed(config.sites.peaks, sizes), config.label_bin, sizes)
        fragments = None
        if config.inputs.vplot:
            options = FragmentOptions(min_mapq=config.data.min_mapq)
            fragments = stack.enter_context(
                FragmentStore.build(config.data.fragments, sizes, options)
            )
        features = Features(config.inputs.specs(), fasta, fragments)

        def label_set(centres: list[Centres], flank: int) -> LabelSet:
            peaks = tuple(PeakLabels.from_peaks(c, config.label_bin, flank) for c in centres)
            return LabelSet(states, peaks, masked, sites)

        auxiliary = _read_auxiliary(config, sizes)
        learnt = label_set([*centres, *auxiliary.values()], config.fit.flank)
        yield Sources(
            fasta,
            sizes,
            features,
            learnt,
            label_set(centres, 0),
            label_set(centres, config.label_bin // 2),
            tuple(heads),
            tuple(auxiliary),
        )


def _check_labels(config: TrainConfig, states: StateLabels | None, centres: list[Centres]) -> None:
    """A contig without a label in any file has its labels withheld: it is not all negative."""
    with_peaks = {chrom for rows in centres for chrom, _ in rows}
    for use in ("train", "validation", "test"):
        for contig in getattr(config.splits, use):
            if config.states is not None and states is not None and contig not in states.starts:
                raise ConfigError(
                    f"splits.{use}: no state in {config.states.bed} lies on {contig}; leave the "
                    f"contig out of the splits"
                )
            if centres and contig not in with_peaks:
                raise ConfigError(
                    f"splits.{use}: no peak of any label lies on {contig}; leave the contig out "
                    f"of the splits, as nothing says that its bins are negative"
                )


def _read_mask(path: Path | None, sizes: ChromSizes) -> Mask:
    if path is None:
        return Mask({}, {})
    return Mask.from_intervals(record.interval for record in read_bed(path, sizes))


def _site_bins(records: Iterable[BedRecord], width: int, sizes: ChromSizes) -> Mask:
    """The ``width`` bins that touch the sites, whole."""
    bins = []
    for record in records:
        start = record.start // width * width
        end = min(-(-record.end // width) * width, sizes[record.chrom])
        bins.append(Interval(record.chrom, start, end))
    return Mask.from_intervals(bins)


def _read_peaks(path: Path, sizes: ChromSizes) -> Centres:
    return [(record.chrom, record.centre) for record in read_bed(path, sizes)]


def _read_auxiliary(config: TrainConfig, sizes: ChromSizes) -> dict[Path, Centres]:
    """The peak sets of the auxiliary folder with enough peaks, in order of file name."""
    if config.auxiliary is None:
        return {}
    taken = {item.peaks.resolve() for item in config.binary}
    train = set(config.splits.train)
    found = {}
    for path in sorted(config.auxiliary.folder.glob("*")):
        if path.resolve() in taken or not path.name.endswith((".bed", ".narrowPeak", ".gz")):
            continue
        if path.stat().st_size == 0:  # a set without a peak, the least of all
            continue
        centres = _read_peaks(path, sizes)
        if sum(chrom in train for chrom, _ in centres) >= config.auxiliary.minimum:
            found[path] = centres
    if not found:
        raise ConfigError(
            f"{config.auxiliary.folder} holds no peak set with {config.auxiliary.minimum} peaks on "
            f"the training contigs: lower auxiliary.minimum or leave [auxiliary] out"
        )
    return found


def _binary_label(item: BinaryConfig) -> Label:
    return Label(item.name, item.title or item.name, item.color)


def _read_state_table(path: Path) -> tuple[Label, ...]:
    labels: list[Label] = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"cannot read {path} as a table: {error}") from error
    rows = csv.DictReader(lines, delimiter="\t")
    if rows.fieldnames is None or not {"state", "name", "color"} <= set(rows.fieldnames):
        raise FormatError(f"{path}: the header must name the columns state, name and color")
    for row in rows:
        try:
            red, green, blue = (int(value) for value in row["color"].split(","))
        except (ValueError, AttributeError) as error:
            raise FormatError(
                f"{path} line {rows.line_num}: color {row['color']!r} is not R,G,B"
            ) from error
        try:
            label = Label(row["state"], row["name"], (red, green, blue))
        except SpecError as error:
            raise FormatError(f"{path} line {rows.line_num}: {error}") from error
        if label.name in {other.name for other in labels}:
            raise FormatError(f"{path} line {rows.line_num}: state {label.name!r} is there twice")
        labels.append(label)
    if len(labels) < 2:
        raise FormatError(f"{path}: a states head needs at least two states")
    return tuple(labels)


def _read_states(config: StatesConfig, labels: tuple[Label, ...], sizes: ChromSizes) -> StateLabels:
    codes = {label.name: index for index, label in enumerate(labels)}
    table = read_bed(config.bed, sizes)
    segments = []
    for record in table:
        if record.name not in codes:
            raise ConfigError(
                f"{config.bed}: state {record.name!r} at {record.interval} is not in "
                f"{config.table} ({', '.join(codes)})"
            )
        segments.append((record.chrom, record.start, record.end, codes[record.name]))
    try:
        return StateLabels.from_segments(segments)
    except InputError as error:
        raise FormatError(f"{config.bed}: {error}") from error

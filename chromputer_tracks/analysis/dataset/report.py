"""A dataset as tables of text, a tab-separated file and a page of HTML."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import numpy as np

from chromputer_tracks import __version__
from chromputer_tracks.analysis.dataset.counts import (
    SPLITS,
    DatasetCounts,
    bin_centres,
    count_dataset,
    dataset_warnings,
)
from chromputer_tracks.analysis.report.blocks import DatasetReport, PlainTable, ReportData
from chromputer_tracks.analysis.report.page import write_report
from chromputer_tracks.analysis.vplots.aggregate import (
    FINE_LENGTH_EDGES,
    VplotPair,
    VplotSet,
    aggregate_vplot,
)
from chromputer_tracks.data.labels import LabelSet
from chromputer_tracks.io.bed import read_tss
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.record import Report, RunRecord, Silent
from chromputer_tracks.io.run import run
from chromputer_tracks.io.text import write_tsv
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.sources import LabelledSample, Sources, input_files, open_sources
from chromputer_tracks.options.train import DatasetOptions
from chromputer_tracks.spec import Label

# ---- Aggregate V-plots of what is to be trained, by state and by binary label.

_MOST_SITES = 10_000
"""Sites of a class that its V-plot is drawn from at most; more would not change the picture."""

_Sites = list[tuple[str, int]]
"""Contig and centre (bp, 0-based)."""


def dataset_vplots(config: TrainConfig, sources: Sources) -> Iterator[VplotSet]:
    """V-plots on the training contigs, one set for each fragment file of a training sample.

    A state's sites are the centres of its label bins, a binary label's its peak centres; masked
    ones and those that are no site are left out.
    """
    for sample in sources.training_samples:
        sites = list(_by_label(config, sources, sample))
        for assay, store in sample.assays.items():
            if isinstance(store, FragmentStore):
                window = config.network.window
                pairs = tuple(
                    VplotPair(
                        label,
                        len(rows),
                        aggregate_vplot(store, _thinned(rows), sources.sizes, window),
                    )
                    for label, rows in sites
                )
                title = assay if len(sources.samples) == 1 else f"{sample.name}: {assay}"
                yield VplotSet(title, window, FINE_LENGTH_EDGES, pairs)


def _by_label(
    config: TrainConfig, sources: Sources, sample: LabelledSample
) -> Iterator[tuple[Label, _Sites]]:
    scored, train = sample.scored, config.splits.train
    for head in sources.heads:
        if head.kind == "states" and scored.states is not None:
            found: list[_Sites] = [[] for _ in head.labels]
            only = LabelSet(scored.states, (), scored.masked, scored.sites)
            for chrom in train:
                centres = bin_centres(sources.sizes, chrom, config.label_bin)
                states = only.at(chrom, centres).states
                for code, rows in enumerate(found):
                    rows.extend((chrom, at) for at in centres[states == code].tolist())
            yield from zip(head.labels, found, strict=True)
    binary = [label for head in sources.heads if head.kind == "binary" for label in head.labels]
    for label, peaks in zip(binary, scored.binary, strict=True):
        if peaks is None:
            continue
        places: _Sites = []
        for chrom in train:
            centres = peaks.centres.get(chrom, np.empty(0, dtype=np.int64))
            kept = ~scored.masked.at(chrom, centres)
            if scored.sites is not None:
                kept &= scored.sites.at(chrom, centres)
            places.extend((chrom, at) for at in centres[kept].tolist())
        yield label, places


def _thinned(rows: _Sites) -> _Sites:
    """At most :data:`_MOST_SITES` of the rows, evenly spaced."""
    if len(rows) <= _MOST_SITES:
        return rows
    return [rows[i * len(rows) // _MOST_SITES] for i in range(_MOST_SITES)]


KIND = "dataset"
"""What ``run.json`` says of the command."""

PAGE, TABLE = "dataset.html", "dataset.tsv"

NONE = "–"
"""A cell without a value."""

_OVERLAPS = 10
_LEAST_OVERLAP = 0.1
_BINS = ("bins", "blacklisted", "no site", "labelled", "any peak")
_PARTS = ("masked", "left_out", "sites", "positive")
_OVERLAP_HEADER = ("label", "and", "shared bins", "Jaccard")

_Row = tuple[str | float | int, ...]


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """What ``run.json`` says of a dataset beside what every record does.

    Attributes:
        warnings: see :func:`dataset_warnings`.
    """

    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatasetResult:
    """What a run showed.

    Attributes:
        tables: see :func:`dataset_tables`.
        warnings: see :func:`dataset_warnings`.
        record: the record of the run.
    """

    tables: tuple[PlainTable, ...]
    warnings: tuple[str, ...]
    record: RunRecord


def show_dataset(options: DatasetOptions, report: Report | None = None) -> DatasetResult:
    """Count what a configuration trains and scores; write ``dataset.html`` and ``dataset.tsv``.

    Raises:
        ChromputerError: the configuration or a file of it cannot be used, or the result cannot be
            written.
    """
    report = report or Silent()
    with run(KIND, options, report) as work:
        settings = load_config(options.config, options.data)
        with work.stages.phase("counting"), open_sources(settings, report.note) as sources:
            if settings.data.tss is not None:
                # Not shown, but checked as all files are.
                read_tss(settings.data.tss, sources.sizes)
            work.read({"configuration": options.config, **input_files(settings, sources)})
            counts = count_dataset(settings, sources)
            vplots = tuple(dataset_vplots(settings, sources))
        tables, warnings = dataset_tables(counts), dataset_warnings(counts)
        write_dataset_tsv(work.folder / TABLE, counts)
        write_report(
            work.folder / PAGE,
            ReportData(
                title=settings.name,
                kind="dataset",
                subtitle=f"What will be trained and scored on {settings.assembly}",
                summary=_summary(counts, warnings),
                vplots=vplots,
                dataset=_dataset(counts),
                # The page has the overlaps as a matrix.
                tables=tuple(table for table in tables if table.header != _OVERLAP_HEADER),
                config=options.config.read_text(encoding="utf-8"),
                provenance={
                    "command": shlex.join(options.command),
                    "chromputer-tracks": __version__,
                    "date": datetime.now(UTC).date().isoformat(),
                },
                notes="\n\n".join(f"{text[0].upper()}{text[1:]}." for text in warnings),
            ),
        )
        work.describe(DatasetRecord(warnings))
    return DatasetResult(tables, warnings, work.record)


def dataset_tables(data: DatasetCounts) -> tuple[PlainTable, ...]:
    """Samples, splits, sites by class, labels, peaks, overlaps, signals, contigs; if any.

    Numbers are text already, with thousands separated. Columns of nothing but zeros are left out,
    and of a single sample its name.
    """
    tables = (
        _splits(data),
        _classes(data),
        _balance(data),
        _labels(data),
        _peaks(data),
        _overlaps(data),
        _signals(data),
        _contigs(data),
    )
    alone = len(data.samples) == 1
    shown = (_samples(data), *(_without(table, "sample") if alone else table for table in tables))
    return tuple(_without_zeros(table) for table in shown if table.rows)


def _without_zeros(table: PlainTable) -> PlainTable:
    empty = {"0", NONE}
    columns = zip(table.header, zip(*table.rows, strict=True), strict=True)
    return _without(table, *(name for name, column in columns if empty.issuperset(column)))


def _without(table: PlainTable, *names: str) -> PlainTable:
    """The table without the columns of these titles."""
    kept = [place for place, name in enumerate(table.header) if name not in names]
    return PlainTable(
        table.caption,
        tuple(table.header[place] for place in kept),
        tuple(tuple(row[place] for place in kept) for row in table.rows),
    )


def _samples(data: DatasetCounts) -> PlainTable:
    rows: list[_Row] = []
    for sample in data.samples:
        use = "train and test" if sample.train else "test"
        for assay in sample.assays:
            many = NONE if assay.fragments is None else f"{assay.fragments:,}"
            unit = "mean per bp" if assay.fragments is None else "per kb"
            rows.append((sample.name, use, assay.name, many, f"{assay.density:,.3g} {unit}"))
    header = ("sample", "use", "assay", "fragments", "depth")
    return PlainTable("The samples and how deep their files are", header, tuple(rows))


def _splits(data: DatasetCounts) -> PlainTable:
    rows: list[_Row] = []
    for split in SPLITS:
        here = data.of_split(split)
        bins = sum(row.bins for row in here)
        row: list[str] = [split, f"{len({c.contig for c in here}):,}"]
        row += [f"{sum(c.size for c in here) / 1e6:,.2f}", f"{bins:,}"]
        row += [_share(sum(getattr(c, key) for c in here), bins) for key in _PARTS]
        rows.append(tuple(row))
    header = ("split", "contigs", "Mb", *_BINS)
    return PlainTable(f"Bins of {data.label_bin} bp by split", header, tuple(rows))


def _classes(data: DatasetCounts) -> PlainTable:
    rows = tuple(
        (row.sample, row.split, *(f"{n:,}" for n in (*row.bins, row.borrowed, row.missing)))
        for row in data.classes
    )
    return PlainTable(
        "Sites by class: positives of any label, other accessible bins, flanks of positives, and "
        "random bins like the positives (borrowed: from the nearest stratum)",
        ("sample", "split", "positive", "accessible", "flank", "random", "borrowed", "missing"),
        rows,
    )


def _balance(data: DatasetCounts) -> PlainTable:
    rows = tuple(
        (
            sample,
            row.name,
            f"{row.positive:,.3g}",
            f"{row.matched:,.3g}",
            f"{round(row.difference, 2) + 0:+.2f}",
            f"{row.distance:.3f}",
        )
        for sample, row in data.balance
    )
    header = ("sample", "property", "positives", "random bins", "difference (SD)", "KS distance")
    return PlainTable("How well the random bins match the positives (means)", header, rows)


def _labels(data: DatasetCounts) -> PlainTable:
    counts = [data.counts(split) for split in SPLITS]
    # The head is told where its name says more than the kind of label.
    heads = {item.head for item in data.labels} != {item.kind for item in data.labels}
    ambiguous = any(count.ambiguous for count in counts[0])
    rows = tuple(
        (
            item.label.name,
            item.label.title,
            *([item.head] if heads else []),
            *(_share(c.positives, c.positives + c.negatives) for c in column),
            f"{column[0].ambiguous:,}" if item.kind == "binary" else NONE,
        )
        for item, *column in zip(data.labels, *counts, strict=True)
    )
    header = ("label", "name", *(["head"] if heads else []), *SPLITS, "ambiguous")
    caption = "Bins that have each label, and their share of those where it is known" + (
        "; ambiguous: training bins beside a positive, not learnt from" if ambiguous else ""
    )
    return PlainTable(caption, header, rows)


def _peaks(data: DatasetCounts) -> PlainTable:
    rows = tuple(
        (
            row.sample,
            row.label,
            f"{row.total:,}",
            f"{row.outside:,}",
            _share(row.masked, row.total - row.outside),
        )
        for row in data.peaks
    )
    caption = "Peaks of each label; those on contigs of no split or in the blacklist are not used"
    return PlainTable(caption, ("sample", "label", "peaks", "in no split", "blacklisted"), rows)


def _overlaps(data: DatasetCounts) -> PlainTable:
    jaccard = np.nan_to_num(data.jaccard)
    pairs = [
        (float(jaccard[i, j]), i, j)
        for i, j in combinations(range(len(data.labels)), 2)
        if jaccard[i, j] >= _LEAST_OVERLAP
    ]
    names = [item.label.name for item in data.labels]
    rows = tuple(
        (names[i], names[j], f"{data.shared[i, j]:,}", f"{value:.2f}")
        for value, i, j in sorted(pairs, key=lambda pair: -pair[0])[:_OVERLAPS]
    )
    caption = (
        f"Labels that share the most bins (Jaccard index of {_LEAST_OVERLAP} and more, the "
        f"{_OVERLAPS} highest)"
    )
    return PlainTable(caption, _OVERLAP_HEADER, rows)


def _signals(data: DatasetCounts) -> PlainTable:
    rows: list[_Row] = []
    for index, item in enumerate(data.signals):
        row: list[str] = [item.label.name, item.label.title, item.head]
        for split in SPLITS:
            here = [counts.signals[index] for counts in data.of_split(split)]
            bins = sum(signal.bins for signal in here)
            total, zeros = sum(s.total for s in here), sum(s.zeros for s in here)
            row.append(f"{total / bins:,.3g} ({zeros / bins:.0%} zero)" if bins else NONE)
        rows.append(tuple(row))
    header = ("signal", "name", "head", *SPLITS)
    return PlainTable("Mean of each continuous label, and the share of zeros", header, tuple(rows))


def _contigs(data: DatasetCounts) -> PlainTable:
    rows = tuple(
        (
            row.sample,
            row.contig,
            row.split,
            f"{row.size / 1e6:,.2f}",
            f"{row.bins:,}",
            *(_share(getattr(row, key), row.bins) for key in _PARTS),
        )
        for row in data.contigs
    )
    header = ("sample", "contig", "split", "Mb", *_BINS)
    return PlainTable(f"Bins of {data.label_bin} bp by contig", header, rows)


def _share(part: int, whole: int) -> str:
    """``1,234 (5.67%)``."""
    if not whole:
        return NONE
    if not part:
        return "0"
    share = part / whole
    return f"{part:,} ({share:.{1 if share >= 0.1 else 2}%})"


TSV_HEADER = (
    "sample", "contig", "split", "head", "label", "positives", "negatives", "ambiguous",
)  # fmt: skip


def write_dataset_tsv(path: Path, data: DatasetCounts) -> None:
    """A row for each sample, contig and label, bins by class; with a header.

    Raises:
        OutputError: it cannot be written.
    """
    write_tsv(
        path,
        TSV_HEADER,
        (
            (row.sample, row.contig, row.split, item.head, item.label.name)
            + (count.positives, count.negatives, count.ambiguous)
            for row in data.contigs
            for item, count in zip(data.labels, row.labels, strict=True)
        ),
    )


def _summary(data: DatasetCounts, warnings: Sequence[str]) -> str:
    samples = "" if len(data.samples) == 1 else f" of each of {len(data.samples)} samples"
    text = f"A bin of {data.label_bin} bp{samples} can have {' and '.join(_kinds(data))}."
    if data.auxiliary:
        text += f" {data.auxiliary} auxiliary peak sets are learnt beside them, then forgotten."
    if warnings:
        many = f"{len(warnings)} warnings are" if len(warnings) > 1 else "A warning is"
        text += f" {many} under Notes: read them before training."
    return text


def _kinds(data: DatasetCounts) -> Iterator[str]:
    states = sum(item.kind == "states" for item in data.labels)
    binary = len(data.labels) - states
    if states:
        yield f"one of {states} states"
    if binary:
        yield f"any of {binary} binary labels" if binary > 1 else "a binary label"
    if data.signals:
        many = len(data.signals)
        yield f"values of {many} signals" if many > 1 else "the value of a signal"


def _dataset(data: DatasetCounts) -> DatasetReport:
    several = len(data.samples) > 1
    states = [i for i, item in enumerate(data.labels) if item.kind == "states"]
    binary = [i for i, item in enumerate(data.labels) if item.kind == "binary"]

    def labels(index: Sequence[int]) -> tuple[Label, ...]:
        return tuple(data.labels[i].label for i in index)

    def positives(index: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(row.labels[i].positives for i in index) for row in data.contigs)

    return DatasetReport(
        contigs=tuple(
            (f"{row.contig} ({row.sample})" if several else row.contig, row.split)
            for row in data.contigs
        ),
        sites=tuple(row.sites for row in data.contigs),
        states=labels(states),
        state_counts=positives(states),
        labels=labels(binary),
        label_counts=positives(binary),
        overlap_names=tuple(item.label.name for item in data.labels),
        overlap=tuple(map(tuple, data.jaccard.tolist())),
    )

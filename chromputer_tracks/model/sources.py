"""A configuration's files, opened and checked: features, labels and heads of each sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import Assay, Features
from chromputer_tracks.data.fitness import mean_profile, profile_sample
from chromputer_tracks.data.labels import (
    LabelSet,
    Mask,
    PeakLabels,
    SignalLabels,
    StateLabels,
    read_mask,
    read_states,
)
from chromputer_tracks.data.negatives import MatchedConfig, MatchedSites, matched_sites
from chromputer_tracks.data.peaks import reproducible_peaks
from chromputer_tracks.errors import ConfigError, InputError
from chromputer_tracks.evaluation.baselines import (
    Baseline,
    SampleSites,
    jaspar_matrix,
    run_baselines,
)
from chromputer_tracks.evaluation.depth import DepthSample, measure_fitness
from chromputer_tracks.evaluation.sites import LabelledSites, Predict, label_sites
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.assays import BigWigSource, open_assay
from chromputer_tracks.io.bed import BedRecord, TssTable, read_bed, read_tss
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.fragments import FragmentOptions
from chromputer_tracks.io.text import read_shape_table, read_state_table
from chromputer_tracks.model.config import (
    BinaryConfig,
    ContinuousConfig,
    SampleConfig,
    TrainConfig,
)
from chromputer_tracks.spec import Fitness, HeadSpec, InputSpec, Label, fragment_assays

# ---- Files of labels that only training reads: sites and auxiliary peak sets.

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
        centres = read_bed(path, sizes).places
        if sum(chrom in train for chrom, _ in centres) >= config.auxiliary.minimum:
            found[path] = centres
    if not found:
        raise ConfigError(
            f"{config.auxiliary.folder} holds no peak set with {config.auxiliary.minimum} peaks on "
            f"the training contigs: lower auxiliary.minimum or leave [auxiliary] out"
        )
    return found


@dataclass(frozen=True, slots=True)
class LabelledSample:
    """One sample, open, with its labels.

    Attributes:
        name: the sample's name.
        train: whether it is learnt from.
        assays: its open files by assay.
        features: makes the input arrays.
        learnt: labels to learn from, ambiguous flanks masked; the auxiliary binary ones last.
        scored: labels to score against; nothing masked but the blacklist. Signals of the Poisson
            loss are in the unit in which the model tells them: the training samples' mean.
        matched: the sites that both are limited to, where the configuration has them matched.
    """

    name: str
    train: bool
    assays: Mapping[str, Assay]
    features: Features
    learnt: LabelSet
    scored: LabelSet
    matched: MatchedSites | None = None

    def fragments(self, assays: Iterable[str]) -> tuple[FragmentStore, ...]:
        """Its fragments of those assays that are fragments, in their order."""
        stores = (self.assays[name] for name in assays)
        return tuple(store for store in stores if isinstance(store, FragmentStore))


@dataclass(frozen=True, slots=True)
class Sources:
    """What training and evaluation read.

    Attributes:
        fasta: the genome.
        sizes: its contigs.
        inputs: inputs of the network, their normalisation settled.
        samples: the samples, in the configuration's order.
        heads: heads and labels, not yet calibrated, in the order of the network's outputs.
        auxiliary: files of the auxiliary peak sets, in the order of their labels.
        shape_table: float64 (1024, 6), where DNA shape is an input.
    """

    fasta: Fasta
    sizes: ChromSizes
    inputs: tuple[InputSpec, ...]
    samples: tuple[LabelledSample, ...]
    heads: tuple[HeadSpec, ...]
    auxiliary: tuple[Path, ...]
    shape_table: NDArray[np.float64] | None

    @property
    def training_samples(self) -> tuple[LabelledSample, ...]:
        """The samples that are learnt from."""
        return tuple(sample for sample in self.samples if sample.train)

    def number(self, kind: str) -> int:
        """How many labels the heads of a kind have, auxiliary ones not counted."""
        return sum(len(head.labels) for head in self.heads if head.kind == kind)


@contextmanager
def open_sources(
    config: TrainConfig, note: Callable[[str], None] | None = None
) -> Iterator[Sources]:
    """Open and check every file of a configuration.

    Args:
        config: names them.
        note: is told of an index that is made.

    Raises:
        ChromputerError: a file cannot be used, or a split names an unknown contig.
    """
    with ExitStack() as stack:
        fasta = stack.enter_context(Fasta(config.data.fasta, note=note))
        sizes = fasta.sizes
        if config.data.only_fasta_contigs:
            sizes.leave_out_others(note or (lambda _: None))
        for use in ("train", "validation", "test"):
            for contig in getattr(config.splits, use):
                sizes.require(contig, f"splits.{use}")
        states = () if config.states is None else read_state_table(config.states.table)
        shape = config.inputs.shape_table if config.inputs.shape else None
        shape_table = None if shape is None else read_shape_table(shape)
        reader = _Reader(stack, config, sizes, states)
        every = config.all_samples()
        # Labels first: they are quickly read, and most mistakes are in them.
        read = [reader.labels(sample) for sample in every]
        assays = [reader.assays(sample) for sample in every]
        for sample, opened, (_, scored) in zip(every, assays, read, strict=True):
            for name, source in opened.items():
                _check_depth(config, sample, sample.assays[name], source, sizes)
            for label in scored.continuous:
                if label is not None and isinstance(label.source, BigWigSource):
                    _check_depth(config, sample, label.source.path, label.source, sizes)
        profiles = _profiles(config, assays) if config.inputs.per_length else None
        inputs = config.inputs.specs(profiles)
        continuous = config.continuous_labels()
        means = [float(np.mean(reader.densities[item.name])) for item in continuous]
        samples = []
        for sample, opened, (learnt, scored) in zip(every, assays, read, strict=True):
            in_units = tuple(map(_in_units_of, scored.continuous, continuous, means))
            scored = replace(scored, continuous=in_units)
            features = Features(inputs, fasta, opened)
            train = sample.use == "train"
            samples.append(LabelledSample(sample.name, train, opened, features, learnt, scored))
        if config.sites.kind == "matched":
            samples = [_with_matched_sites(config, fasta, sample) for sample in samples]
        heads, auxiliary = _heads(config, states, means), tuple(reader.auxiliary)
        yield Sources(fasta, sizes, inputs, tuple(samples), heads, auxiliary, shape_table)


def _heads(
    config: TrainConfig, states: tuple[Label, ...], means: list[float]
) -> tuple[HeadSpec, ...]:
    heads = [HeadSpec("states", "states", states)] if states else []
    for name, binary in config.binary_heads().items():
        heads.append(HeadSpec("binary", name, tuple(map(_label, binary))))
    for name, continuous in config.continuous_heads().items():
        if continuous[0].loss == "mse":
            heads.append(HeadSpec("continuous", name, tuple(map(_label, continuous)), "log1p"))
            continue
        # Learnt in units of each sample's mean, told in those of the training samples' mean.
        known = dict(zip(config.continuous_labels(), means, strict=True))
        labels = tuple(
            replace(_label(item), bias=round(math.log(known[item]), 5)) for item in continuous
        )
        heads.append(HeadSpec("continuous", name, labels, "log"))
    return tuple(heads)


def _label(item: BinaryConfig | ContinuousConfig) -> Label:
    return Label(item.name, item.title or item.name, item.color)


def _profiles(config: TrainConfig, assays: list[dict[str, Assay]]) -> dict[str, tuple[float, ...]]:
    """Assay to the mean share of each length class over the training samples."""
    inputs = config.inputs
    profiles = {}
    for assay in inputs.vplots:
        shares = []
        for sample, opened in zip(config.all_samples(), assays, strict=True):
            store = opened[assay]
            if sample.use == "train" and isinstance(store, FragmentStore):
                density = store.length_density(inputs.length_edges)
                if not density.any():
                    raise ConfigError(
                        f"{sample.assays[assay]} has hardly any fragment of "
                        f"{inputs.length_edges[0]} to {inputs.length_edges[-1] - 1} bp, so that "
                        f"none can be scaled by length: change inputs.length_edges"
                    )
                shares.append(density / density.sum())
        mean = np.mean(shares, axis=0) if shares else np.ones(1)
        # A class without fragments stays without: any share above 0 is right for it.
        profiles[assay] = tuple(float(f"{max(share, 1e-6):.6g}") for share in mean)
    return profiles


class _Reader:
    """Reads the labels and opens the files of samples."""

    def __init__(
        self, stack: ExitStack, config: TrainConfig, sizes: ChromSizes, states: tuple[Label, ...]
    ) -> None:
        self._stack, self._config, self._sizes, self._states = stack, config, sizes, states
        self._masked = read_mask(config.data.blacklist, sizes)
        self._sites: Mask | None = None
        if config.sites.peaks is not None:
            self._sites = site_bins(read_bed(config.sites.peaks, sizes), config.label_bin, sizes)
        self.auxiliary = read_auxiliary(config, sizes)
        self.densities: dict[str, list[float]] = {item.name: [] for item in config.continuous}

    def assays(self, sample: SampleConfig) -> dict[str, Assay]:
        """Those of the sample's files that are read."""
        data = self._config.data
        options = FragmentOptions(
            min_mapq=data.min_mapq, only_fasta_contigs=data.only_fasta_contigs
        )
        return {
            name: open_assay(self._stack, sample.assays[name], self._sizes, options)
            for name in self._config.inputs.assays
        }

    def labels(self, sample: SampleConfig) -> tuple[LabelSet, LabelSet]:
        """The labels learnt and scored; see :class:`LabelledSample`."""
        config = self._config
        states = None
        if sample.states is not None:
            states = read_states(
                sample.states, self._states, self._sizes, "add a row for it to states.table"
            )
        centres = [self._centres(sample, item) for item in config.binary_labels()]
        scored = tuple(self._signal(sample, item) for item in config.continuous_labels())
        learnt = tuple(
            _in_units_of(item, label, 1.0)
            for item, label in zip(scored, config.continuous_labels(), strict=True)
        )
        _check_labels(config, sample, states, centres)
        # Auxiliary sets are of the only sample, or of every training sample alike.
        extra = list(self.auxiliary.values()) if sample.use == "train" else []
        unknown = [None] * (len(self.auxiliary) - len(extra))

        def label_set(
            rows: list[Centres | None], flank: int, signals: tuple[SignalLabels | None, ...]
        ) -> LabelSet:
            peaks = tuple(
                None if row is None else PeakLabels.from_peaks(row, config.label_bin, flank)
                for row in rows
            )
            return LabelSet(states, peaks, self._masked, self._sites, signals)

        return (
            label_set([*centres, *extra, *unknown], config.fit.flank, learnt),
            label_set(centres, 0, scored),
        )

    def _centres(self, sample: SampleConfig, item: BinaryConfig) -> Centres | None:
        files = sample.peaks.get(item.name, ())
        if not files:
            return None
        try:
            tables = [read_bed(path, self._sizes) for path in files]
            if len(tables) == 1:
                return tables[0].places
            replicates = [table.peaks(ranked=item.agreement == "rank") for table in tables]
            agreed = reproducible_peaks(replicates, item.agreement, item.within, item.idr)
            if not agreed:
                raise InputError(
                    f"the replicates agree on no peak (agreement {item.agreement!r}, within "
                    f"{item.within} bp): are they of one genome? Else use 'union', or raise within "
                    f"or idr"
                )
            return agreed
        except InputError as error:
            of = f" of sample {sample.name}" if self._config.samples else ""
            several = f", replicates {', '.join(map(str, files))}" if len(files) > 1 else ""
            error.add_note(f"label {item.name}{of}{several}")
            raise

    def _signal(self, sample: SampleConfig, item: ContinuousConfig) -> SignalLabels | None:
        path = sample.signals.get(item.name)
        if path is None:
            return None
        source = self._stack.enter_context(BigWigSource.open(path, self._sizes))
        if sample.use == "train":
            self.densities[item.name].append(source.density)
        return SignalLabels(source, item.bin or self._config.network.stride)


def _with_matched_sites(
    config: TrainConfig, fasta: Fasta, sample: LabelledSample
) -> LabelledSample:
    how, splits = config.sites.matched or MatchedConfig(), config.splits
    accessible = None if how.peaks is None else read_mask(how.peaks, fasta.sizes)
    stores = sample.fragments(sample.assays)
    try:
        chosen = matched_sites(
            [peaks.centres for peaks in sample.scored.binary if peaks is not None],
            accessible,
            sample.scored.masked,
            fasta.sizes,
            [*splits.train, *splits.validation, *splits.test],
            config.label_bin,
            fasta,
            stores[0] if stores else None,
            how,
            config.seed,
        )
    except InputError as error:
        error.add_note(f"sample {sample.name}")
        raise
    learnt, scored = (
        replace(labels, sites=chosen.mask()) for labels in (sample.learnt, sample.scored)
    )
    return replace(sample, learnt=learnt, scored=scored, matched=chosen)


def _in_units_of(
    labels: SignalLabels | None, item: ContinuousConfig, mean: float
) -> SignalLabels | None:
    """With a mean for the Poisson loss, whose gradient would otherwise hang on the file's units."""
    if labels is None or item.loss != "poisson" or not isinstance(labels.source, BigWigSource):
        return labels
    return replace(labels, scale=mean / labels.source.density)


def _asked_of(config: TrainConfig, sample: SampleConfig) -> Iterator[tuple[str, str]]:
    """Split and contig that a sample must know; of one that is only scored, the test contigs."""
    for use in ("train", "validation", "test") if sample.use == "train" else ("test",):
        for contig in getattr(config.splits, use):
            yield use, contig


def _check_depth(
    config: TrainConfig, sample: SampleConfig, path: Path, source: Assay, sizes: ChromSizes
) -> None:
    """A contig without a fragment or value is one that the file was not made for.

    Raises:
        ConfigError: one of the splits is, or the fragments do not tell their depth.
    """
    what = "fragment" if isinstance(source, FragmentStore) else "value above 0"
    for use, contig in _asked_of(config, sample):
        if not source.cumulative(contig, np.array([sizes[contig]]))[0]:
            raise ConfigError(
                f"splits.{use}: no {what} of {path} lies on {contig}: give the file of the whole "
                f"genome, or leave the contig out of the splits"
            )
    if isinstance(source, FragmentStore) and source.depth.doubt:
        raise ConfigError(
            f"{path}: {source.depth.doubt}: give the file of the whole genome, or of whole contigs"
        )


def _check_labels(
    config: TrainConfig,
    sample: SampleConfig,
    states: StateLabels | None,
    centres: list[Centres | None],
) -> None:
    """A contig without a label in any file has its labels withheld: it is not all negative."""
    with_peaks = {chrom for rows in centres for chrom, _ in rows or ()}
    of = f" of sample {sample.name!r}" if config.samples else ""
    if sample.use == "train" and states is None and not with_peaks and not sample.signals:
        raise ConfigError(f"sample {sample.name!r} has no labels; give some, or use = 'test'")
    for use, contig in _asked_of(config, sample):
        if states is not None and contig not in states.starts:
            raise ConfigError(
                f"splits.{use}: no state in {sample.states} lies on {contig}; leave the contig "
                f"out of the splits"
            )
        if with_peaks and contig not in with_peaks:
            raise ConfigError(
                f"splits.{use}: no peak of any label{of} lies on {contig}; leave the contig out "
                f"of the splits, as nothing says that its bins are negative"
            )


def input_files(config: TrainConfig, sources: Sources) -> dict[str, Path]:
    """Every file that a configuration reads, by what it is.

    Args:
        config: the configuration.
        sources: its files, open.
    """
    matched = config.sites.matched
    single = {
        "fasta": config.data.fasta,
        "blacklist": config.data.blacklist,
        "state table": config.states.table if config.states else None,
        "sites": config.sites.peaks,
        "accessible peaks": matched.peaks if matched else None,
        "DNA shape": config.inputs.shape_table if sources.shape_table is not None else None,
    }
    files = [(name, path) for name, path in single.items() if path is not None]
    for sample in config.all_samples():
        prefix = f"{sample.name} " if config.samples else ""
        files += [(f"{prefix}{name}", path) for name, path in sample_input_files(config, sample)]
    files += [(f"auxiliary {path.name.split('.')[0]}", path) for path in sources.auxiliary]
    named: dict[str, Path] = {}
    for name, path in files:
        # A label may be called as an assay is, or as another label.
        free, number = name, 1
        while free in named:
            number += 1
            free = f"{name} ({number})"
        named[free] = path
    return named


def sample_input_files(config: TrainConfig, sample: SampleConfig) -> list[tuple[str, Path]]:
    """The files of one sample and what they are: assays, states, peaks, signals."""
    files = [(name, sample.assays[name]) for name in config.inputs.assays]
    if sample.states is not None:
        files.append(("states", sample.states))
    for name, paths in sample.peaks.items():
        single = len(paths) == 1
        files += [(name if single else f"{name} {n}", path) for n, path in enumerate(paths, 1)]
    return files + list(sample.signals.items())


def sample_labels(
    config: TrainConfig, sources: Sources, sample: LabelledSample, contigs: Sequence[str]
) -> LabelledSites:
    """A sample's labels at the sites of contigs, with nothing predicted."""
    return label_sites(
        sample.scored,
        sources.sizes,
        contigs,
        config.network.grid,
        config.label_bin,
        sources.number("states"),
    )


def sample_fitness(
    config: TrainConfig,
    sources: Sources,
    heads: tuple[HeadSpec, ...],
    predict: Predict,
    tss: TssTable | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Fitness | None:
    """What a model needs of a sample: how its own look, and its accuracy by depth.

    See :func:`~.evaluation.depth.measure_fitness` and :func:`~.data.fitness.profile_sample`.

    Args:
        config: the sources' configuration.
        sources: the configuration's files, open.
        heads: the model's, calibrated.
        predict: the model.
        tss: start sites, around which the samples are looked at.
        report: told what is done, a line at a time.
    """
    samples = sources.training_samples
    found = measure_fitness(
        predict,
        sources.inputs,
        sources.fasta,
        [DepthSample(item.name, item.assays, item.scored) for item in samples],
        config.splits.test,
        config.network.grid,
        config.label_bin,
        heads,
        report,
    )
    if found is None:
        return None
    profiles = {
        assay: mean_profile(
            [
                profile_sample(store, sources.fasta, tss)
                for sample in samples
                for store in sample.fragments([assay])
            ]
        )
        for assay in fragment_assays(sources.inputs)
    }
    return replace(found, samples=profiles)


def start_sites(config: TrainConfig, sources: Sources) -> TssTable | None:
    """The start sites of ``data.tss``; None where there are none.

    Raises:
        InputError: they cannot be read.
    """
    return None if config.data.tss is None else read_tss(config.data.tss, sources.sizes)


def sample_baselines(
    config: TrainConfig,
    sources: Sources,
    samples: Sequence[LabelledSample],
    contigs: Sequence[str],
    tss: TssTable | None = None,
    *,
    forest: bool = False,
    seed: int = 0,
    jobs: int = 1,
    report: Callable[[str], None] = lambda _: None,
) -> Iterator[Baseline]:
    """Baselines learnt on the training contigs of the training samples.

    Args:
        config: the sources' configuration.
        sources: the configuration's files, open.
        samples: samples to predict.
        contigs: where to predict them.
        tss: start sites, for gene proximity; None: no gene proximity.
        forest: learn a random forest, too, where the configuration reads fragments.
        seed: makes what is random reproducible.
        jobs: threads of the forest.
        report: told what is being learnt.
    """

    def sites(samples: Sequence[LabelledSample], contigs: Sequence[str]) -> list[SampleSites]:
        return [
            SampleSites(
                sample_labels(config, sources, sample, contigs),
                sample.fragments(config.inputs.assays) if forest else (),
            )
            for sample in samples
        ]

    train = sources.training_samples
    labels = enumerate(config.binary_labels())
    motifs = {row: jaspar_matrix(item.motif) for row, item in labels if item.motif}
    return run_baselines(
        sites(train, config.splits.train),
        sites(train, config.splits.validation),
        sites(samples, contigs),
        sources.heads,
        config.label_bin,
        sources.fasta,
        motifs,
        tss,
        seed,
        jobs,
        report,
    )

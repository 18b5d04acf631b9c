"""The settings of a training run; :mod:`chromputer_tracks.model.config_file` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from chromputer_tracks.data.negatives import MatchedConfig
from chromputer_tracks.data.vplot import DEFAULT_BIN, DEFAULT_LENGTH_EDGES
from chromputer_tracks.model.dataset import SegmentConfig
from chromputer_tracks.model.fit_config import FitConfig
from chromputer_tracks.model.network_config import NetworkConfig
from chromputer_tracks.spec import InputSpec, Measure, Normalisation, Transform

ONLY_SAMPLE = "sample"
"""Name of the sample of a configuration without ``[[samples]]``."""

_PER_BP = 1000.0
"""Reference of signals of fragments, fragments per kb: values are in units of the sample's mean
fragments per bp."""


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Input files.

    Attributes:
        fasta: genome.
        fragments: the only sample's ATAC-seq fragments (BAM, fragments.tsv.gz, BEDPE); short for
            ``assays = { atac = ... }``.
        assays: the only sample's files by assay: fragments, or a bigWig.
        blacklist: BED of regions to leave out, or nothing.
        tss: BED of transcription start sites or genes, for the gene-proximity baseline, or nothing.
        min_mapq: least mapping quality of a BAM's reads.
    """

    fasta: Path
    fragments: Path | None = None
    assays: Mapping[str, Path] = field(default_factory=dict)
    blacklist: Path | None = None
    tss: Path | None = None
    min_mapq: int = 30


@dataclass(frozen=True, slots=True)
class SampleConfig:
    """One of several samples (cell types) that share the network; a ``[[samples]]`` table.

    Attributes:
        name: of the sample.
        assays: its files by assay: fragments, or a bigWig.
        states: its states BED; without it the states are not known in this sample.
        peaks: its peak files by binary label; labels without any are not known in this sample.
        signals: its bigWigs by continuous label, likewise.
        use: ``train``: learnt from on the training contigs, and scored; ``test``: scored only.
    """

    name: str
    assays: Mapping[str, Path] = field(default_factory=dict)
    states: Path | None = None
    peaks: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    signals: Mapping[str, Path] = field(default_factory=dict)
    use: Literal["train", "test"] = "train"


@dataclass(frozen=True, slots=True)
class SitesConfig:
    """Which bins are learnt from and scored.

    Attributes:
        kind: ``bins``: every bin of the genome; ``peaks``: the bins that touch ``peaks``;
            ``matched``: positives, and negatives chosen as ``matched`` says.
        peaks: BED of sites, for ``peaks``.
        matched: see :mod:`chromputer_tracks.data.negatives`; its defaults where it is left out.
    """

    kind: Literal["bins", "peaks", "matched"] = "bins"
    peaks: Path | None = None
    matched: MatchedConfig | None = None


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """Contigs by use; a contig named in none is not touched."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignalConfig:
    """A 1D signal that the network reads; an ``[[inputs.signals]]`` table.

    Attributes:
        name: of the input.
        assay: whose file is read.
        measure: ``cuts``, ``coverage`` or ``midpoints`` of fragments, or ``values`` of a bigWig.
        lengths: only fragments of ``lengths[0] <= length < lengths[1]`` bp; all where empty.
        smooth: bp of the box that it is averaged over, an odd number of bins; 0 for none.
    """

    name: str
    assay: str
    measure: Measure = "cuts"
    lengths: tuple[int, ...] = ()
    smooth: int = 0


@dataclass(frozen=True, slots=True)
class InputsConfig:
    """Inputs of the network.

    Attributes:
        sequence: read DNA sequence.
        shape: DNA shape features that are computed from the sequence: ``MGW``, ``ProT``, ``Roll``,
            ``HelT``.
        shape_table: pentamer table of DNA shape, where ``shape`` names any.
        vplots: assays whose fragments are read as a V-plot.
        signals: 1D signals.
        bin: bp per V-plot and signal position bin.
        length_edges: fragment-length edges, bp.
        reference: fragments per kb of the V-plots' reference depth.
        per_length: scale each length class of a V-plot to the mean profile of the training samples.
        transform: of V-plots and signals: ``log1p``, ``asinh``, ``sqrt`` or ``none``.
        background: bp of the box of the local background that they are divided by; 0 for none.
        prior: see :class:`chromputer_tracks.spec.Normalisation`.
    """

    sequence: bool = True
    shape: tuple[str, ...] = ()
    shape_table: Path | None = None
    vplots: tuple[str, ...] = ("atac",)
    signals: tuple[SignalConfig, ...] = ()
    bin: int = DEFAULT_BIN
    length_edges: tuple[int, ...] = DEFAULT_LENGTH_EDGES
    reference: float = 25.0
    per_length: bool = False
    transform: Transform = "log1p"
    background: int = 0
    prior: int = 1000

    @property
    def assays(self) -> tuple[str, ...]:
        """The assays that are read, each once."""
        return tuple(dict.fromkeys([*self.vplots, *(item.assay for item in self.signals)]))

    def specs(
        self, profiles: Mapping[str, tuple[float, ...]] | None = None
    ) -> tuple[InputSpec, ...]:
        """The inputs as the model's spec has them.

        Args:
            profiles: assay to the share of each length class in the reference; None: no classes.
        """
        specs: tuple[InputSpec, ...] = ()
        if self.sequence or self.shape:
            specs += (InputSpec("sequence", "sequence", bases=self.sequence, shape=self.shape),)
        for assay in self.vplots:
            shares = (profiles or {}).get(assay, (1.0,))
            how = self._normalisation(tuple(self.reference * share for share in shares))
            # The first keeps the plain name, so that a model of one assay reads simply "vplot".
            name = "vplot" if len(self.vplots) == 1 else f"vplot_{assay}"
            specs += (InputSpec("vplot", name, self.bin, self.length_edges, how, assay),)
        for item in self.signals:
            how = self._normalisation((1.0 if item.measure == "values" else _PER_BP,))
            specs += (
                InputSpec(
                    "signal",
                    item.name,
                    self.bin,
                    item.lengths,
                    how,
                    item.assay,
                    item.measure,
                    item.smooth,
                ),
            )
        return specs

    def _normalisation(self, reference: tuple[float, ...]) -> Normalisation:
        return Normalisation(reference, self.transform, self.background, self.prior)


@dataclass(frozen=True, slots=True)
class StatesConfig:
    """The softmax head.

    Attributes:
        table: tab-separated ``state``, ``name``, ``color`` (R,G,B), one row a state, with header.
        bed: the only sample's segments, the state's code in the name column.
    """

    table: Path
    bed: Path | None = None


@dataclass(frozen=True, slots=True)
class BinaryConfig:
    """One binary label.

    Attributes:
        name: short code.
        peaks: the only sample's BED or narrowPeak files, one a replicate; the centre counts (the
            summit, where a narrowPeak has one).
        title: full name; the code where empty.
        color: RGB.
        motif: JASPAR matrix ID for the motif-scan baseline, or empty.
        head: name of the head that the label belongs to, also the folder of its tracks.
        agreement: which peaks of several replicates count: ``union``, ``intersection`` or ``rank``
            (see :func:`chromputer_tracks.data.peaks.reproducible_peaks`).
        within: bp within which peaks of replicates are the same.
        idr: irreproducible discovery rate up to which peaks are kept, for ``rank``.
    """

    name: str
    peaks: tuple[Path, ...] = ()
    title: str = ""
    color: tuple[int, int, int] = (31, 73, 125)
    motif: str = ""
    head: str = "binary"
    agreement: Literal["union", "intersection", "rank"] = "union"
    within: int = 100
    idr: float = 0.05


@dataclass(frozen=True, slots=True)
class ContinuousConfig:
    """One continuous label: the mean of a bigWig around the centre.

    Attributes:
        name: short code.
        bigwig: the only sample's signal; values are at least 0.
        title: full name; the code where empty.
        color: RGB.
        loss: ``poisson`` on the mean, or ``mse`` on log1p of the value.
        bin: bp over which the signal is averaged, a multiple of 10; 0: the stride.
    """

    name: str
    bigwig: Path | None = None
    title: str = ""
    color: tuple[int, int, int] = (31, 73, 125)
    loss: Literal["poisson", "mse"] = "poisson"
    bin: int = 0


@dataclass(frozen=True, slots=True)
class AuxiliaryConfig:
    """Further peak sets that the network learns beside its labels and then forgets.

    They teach the shared layers what regulatory sequence looks like; the exported model does not
    predict them.

    Attributes:
        folder: of BED or narrowPeak files; those of ``[[binary]]`` labels are not taken twice.
        minimum: least number of peaks on the training contigs.
        weight: of their summed loss beside the labels'.
    """

    folder: Path
    minimum: int = 300
    weight: float = 0.03


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The whole configuration; the TOML's tables and keys have these names.

    Attributes:
        name: the model's name.
        assembly: name of the genome assembly.
        data: input files.
        splits: contigs by use.
        samples: several samples; without any, ``data``, ``states``, ``binary`` and ``continuous``
            name the files of the only one.
        states: the softmax head, or nothing.
        binary: the binary labels (``[[binary]]`` tables).
        continuous: the continuous labels (``[[continuous]]`` tables).
        auxiliary: further peak sets to learn from, or nothing.
        sites: which bins count.
        inputs: inputs of the network.
        network: its sizes.
        segments: how training segments are drawn.
        fit: optimisation.
        label_bin: bp of the bin that a label speaks for.
        seed: of everything random.
        description: free text for the model card.
        notes: Markdown file that the model card ends with (what was tried), or nothing.
    """

    name: str
    assembly: str
    data: DataConfig
    splits: SplitConfig
    samples: tuple[SampleConfig, ...] = ()
    states: StatesConfig | None = None
    binary: tuple[BinaryConfig, ...] = ()
    continuous: tuple[ContinuousConfig, ...] = ()
    auxiliary: AuxiliaryConfig | None = None
    sites: SitesConfig = field(default_factory=SitesConfig)
    inputs: InputsConfig = field(default_factory=InputsConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    segments: SegmentConfig = field(default_factory=SegmentConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    label_bin: int = 200
    seed: int = 1
    description: str = ""
    notes: Path | None = None

    def all_samples(self) -> tuple[SampleConfig, ...]:
        """The samples; a configuration without ``[[samples]]`` has one, :data:`ONLY_SAMPLE`."""
        if self.samples:
            return self.samples
        atac = {} if self.data.fragments is None else {"atac": self.data.fragments}
        only = SampleConfig(ONLY_SAMPLE, {**atac, **self.data.assays})
        if self.states is not None:
            only = replace(only, states=self.states.bed)
        peaks = {item.name: item.peaks for item in self.binary if item.peaks}
        signals = {item.name: item.bigwig for item in self.continuous if item.bigwig is not None}
        return (replace(only, peaks=peaks, signals=signals),)

    def binary_heads(self) -> dict[str, tuple[BinaryConfig, ...]]:
        """Name of each binary head to its labels, heads in the order of their first label."""
        names = dict.fromkeys(item.head for item in self.binary)
        return {name: tuple(b for b in self.binary if b.head == name) for name in names}

    def binary_labels(self) -> tuple[BinaryConfig, ...]:
        """The binary labels in the order of the model's outputs: head by head."""
        return tuple(item for items in self.binary_heads().values() for item in items)

    def continuous_heads(self) -> dict[str, tuple[ContinuousConfig, ...]]:
        """Name of each continuous head (``signal``, or by loss) to its labels."""
        losses = dict.fromkeys(item.loss for item in self.continuous)
        named = {loss: "signal" if len(losses) == 1 else f"signal_{loss}" for loss in losses}
        return {named[loss]: tuple(c for c in self.continuous if c.loss == loss) for loss in losses}

    def continuous_labels(self) -> tuple[ContinuousConfig, ...]:
        """The continuous labels in the order of the model's outputs: head by head."""
        return tuple(item for items in self.continuous_heads().values() for item in items)

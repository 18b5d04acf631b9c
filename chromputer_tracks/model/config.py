"""The settings of a training run; :mod:`chromputer_tracks.model.config_file` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from chromputer_tracks.data.features import DEFAULT_BIN, DEFAULT_LENGTH_EDGES
from chromputer_tracks.data.negatives import MatchedConfig
from chromputer_tracks.intervals import Grid
from chromputer_tracks.records import Limits
from chromputer_tracks.spec import InputSpec, Normalisation, SignalMeasure, Transform

RENAMED = {"fit.words_per_label": "fit.kmers_per_label"}
"""Keys of earlier releases, which are still read, and what they are called now."""

# Types of numbers and what they may be; see records.Limits.
Positive = Annotated[int, Limits(least=1)]
Count = Annotated[int, Limits(least=0)]
Weight = Annotated[float, Limits(least=0)]
Share = Annotated[float, Limits(least=0, below=1)]

# ---- Sizes of the network: the ``[network]`` table of a training configuration.

FINE = 10
"""bp per position of the trunks before cells; also the bin of V-plot and signal inputs."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes of the network.

    Attributes:
        window: bp read by one output.
        stride: bp between outputs; a multiple of 10.
        motif_filters: first-layer sequence filters, each applied to both strands.
        motif_width: bp of a filter, odd, at most ``stride``.
        motif_context: width of the second sequence layer, in 10-bp positions.
        sequence_channels: channels of the second sequence layer.
        local_extent: bp around the centre that the binary labels' own sequence features read.
        local_hidden: units of these features.
        vplot_channels: channels of the two layers of each V-plot's trunk.
        signal_channels: channels of the two layers of each signal's trunk.
        context_channels: channels of the fused layers over cells.
        dilations: dilation of each fused layer, in cells.
        hidden: units of the embedding.
        base_dropout: share of bases that are hidden (as N) in training; their shape is not.
        pixel_dropout: dropout of V-plot pixels and signal bins, which thins the fragments.
        dropout: dropout of the embedding before the heads.
        cell_dropout: dropout of the fused cells before the context layers.
        local_dropout: dropout of the binary labels' own sequence features.
    """

    window: Positive = 2000
    stride: Positive = 50
    motif_filters: Positive = 96
    motif_width: Positive = 21
    motif_context: Positive = 11
    sequence_channels: Positive = 64
    local_extent: int = 250
    local_hidden: Positive = 64
    vplot_channels: Annotated[tuple[int, int], Limits(least=1)] = (16, 48)
    signal_channels: Annotated[tuple[int, int], Limits(least=1)] = (16, 32)
    context_channels: Positive = 96
    dilations: Annotated[tuple[int, ...], Limits(least=1)] = (1, 2, 4)
    hidden: Positive = 128
    base_dropout: Share = 0.1
    pixel_dropout: Share = 0.3
    dropout: Share = 0.4
    cell_dropout: Share = 0.3
    local_dropout: Share = 0.1

    @property
    def grid(self) -> Grid:
        """Where the outputs lie."""
        return Grid(self.window, self.stride)


# ---- Settings of the optimisation: the ``[fit]`` table of a training configuration.


@dataclass(frozen=True, slots=True)
class FitConfig:
    """Optimisation.

    Attributes:
        epochs: passes over the training contigs, at most.
        batch: segments per step and process.
        learning_rate: maximum of the schedule.
        schedule: ``one-cycle`` (Smith & Topin 2017, arXiv 1708.07120), ``cosine`` (warm-up, then
            half a cosine down to 0) or ``constant`` (warm-up, then the maximum).
        warmup: share of the steps in which the rate rises to its maximum.
        weight_decay: AdamW's weight decay.
        binary_weight: weight of the binary labels' summed loss beside the states' loss.
        continuous_weight: weight of the continuous labels' summed loss beside the states' loss.
        class_weights: how much a site of each state counts: ``none`` the same, ``balanced`` by the
            inverse of the state's frequency, ``sqrt`` by its square root; mean 1 over the sites.
        focal: exponent of the focal loss of states and binary labels (Lin et al. 2017,
            arXiv 1708.02002), which takes weight off sites that are predicted well; 0 is
            cross-entropy.
        flank: bp on each side of a positive bin that are masked in training.
        kmers_per_label: motif filters that start from k-mers enriched around a label's training
            peaks, at most, see :mod:`chromputer_tracks.model.seeding`; 0 starts all at random.
        average: decay per step of the exponential moving average of the weights that is kept in
            place of the last ones; 0 keeps the last.
        patience: epochs without a better validation score after which training ends; 0 trains all
            epochs.
        gradient_clip: largest gradient norm.
        precision: ``bf16-mixed``, ``16-mixed`` (on a GPU only) or ``32-true``, as Lightning names
            them.
        accelerator: ``auto`` takes a GPU (CUDA or ROCm) where PyTorch finds one, else the CPU;
            ``gpu`` fails where there is none.
        devices: training processes on each node: as many GPUs, or processes on the CPU. More than
            one train in step (distributed data parallel); the batch of a step is ``batch`` times
            the processes, and the learning rate is not scaled to it.
        nodes: machines. With more than one, each must see the same files, and the processes are
            started by SLURM (``srun``, with ``--nodes`` and ``--ntasks-per-node`` equal to
            ``nodes`` and ``devices``), by ``torchrun --nnodes NODES --nproc-per-node DEVICES``, or
            by one plain command on each node with the environment variables ``MASTER_ADDR`` and
            ``MASTER_PORT`` (of the first node, a free port) and ``NODE_RANK`` (0, 1, ...). On one
            node the command starts its other processes itself.
        strategy: ``auto`` is ``ddp`` for several processes and none for one.
        workers: processes that make the arrays, for each training process; 0 makes them in the
            training process.
        threads: CPU threads of the network; 0 leaves PyTorch's choice.
    """

    epochs: Positive = 12
    batch: Positive = 16
    learning_rate: Annotated[float, Limits(above=0)] = 3e-3
    schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle"
    warmup: Share = 0.2
    weight_decay: Weight = 1e-2
    binary_weight: Weight = 1.0
    continuous_weight: Weight = 1.0
    class_weights: Literal["none", "balanced", "sqrt"] = "none"
    focal: Weight = 0.0
    flank: Count = 100
    kmers_per_label: Count = 6
    average: Share = 0.0
    patience: Count = 0
    gradient_clip: Weight = 5.0
    precision: Literal["bf16-mixed", "16-mixed", "32-true"] = "bf16-mixed"
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: Positive = 1
    nodes: Positive = 1
    strategy: Literal["auto", "ddp"] = "auto"
    workers: Count = 0
    threads: Count = 0

    @property
    def processes(self) -> int:
        """Training processes on all nodes."""
        return self.devices * self.nodes


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
        only_fasta_contigs: leave out, and count, what files have on contigs that the genome lacks.
    """

    fasta: Path
    fragments: Path | None = None
    assays: Mapping[str, Path] = field(default_factory=dict)
    blacklist: Path | None = None
    tss: Path | None = None
    min_mapq: Count = 30
    only_fasta_contigs: bool = False


@dataclass(frozen=True, slots=True)
class SampleConfig:
    """One of several samples (cell types) that share the network; a ``[[samples]]`` table.

    Attributes:
        name: the sample's name.
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
        name: the input's name.
        assay: whose file is read.
        measure: ``cuts``, ``coverage`` or ``midpoints`` of fragments, or ``values`` of a bigWig.
        lengths: only fragments of ``lengths[0] <= length < lengths[1]`` bp; all where empty.
        smooth: bp of the box that it is averaged over, an odd number of bins; 0 for none.
    """

    name: str
    assay: str
    measure: SignalMeasure = "cuts"
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
        transform: how counts of V-plots and signals are squeezed: ``log1p``, ``asinh``, ``sqrt`` or
            ``none``.
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
    background: Count = 0
    prior: Count = 1000

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
        peaks: the only sample's BED or narrowPeak files, one a replicate; the centre counts, see
            :meth:`~chromputer_tracks.io.bed.BedTable.centred_by`.
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
        folder: where BED or narrowPeak files lie; those of ``[[binary]]`` labels are not taken
            twice.
        minimum: least number of peaks on the training contigs.
        weight: weight of their summed loss beside the labels'.
    """

    folder: Path
    minimum: Count = 300
    weight: Weight = 0.03


@dataclass(frozen=True, slots=True)
class SegmentConfig:
    """How training segments are drawn.

    Attributes:
        outputs: outputs per segment.
        balanced: segments around positives of a binary label, as a share of the uniform ones;
            the label is drawn first, each equally often (but not auxiliary ones), then one of its
            peaks in any training sample.
        jitter: bp by which a balanced segment's middle may miss the peak, each side.
    """

    outputs: Positive = 48
    balanced: Weight = 0.75
    jitter: Count = 900


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
        seed: seed of everything random.
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
    label_bin: Positive = 200
    seed: Annotated[int, Limits(least=0, most=2**32 - 1)] = 1
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

"""The settings of a training run; :mod:`chromputer_tracks.model.config_file` reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from chromputer_tracks.data.vplot import DEFAULT_BIN, DEFAULT_LENGTH_EDGES
from chromputer_tracks.model.dataset import SegmentConfig
from chromputer_tracks.model.network import NetworkConfig
from chromputer_tracks.spec import DepthNormalisation, InputSpec


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Input files.

    Attributes:
        fasta: genome.
        fragments: ATAC-seq fragments (BAM, fragments.tsv.gz, BEDPE).
        blacklist: BED of regions to leave out, or nothing.
        min_mapq: least mapping quality of a BAM's reads.
    """

    fasta: Path
    fragments: Path
    blacklist: Path | None = None
    min_mapq: int = 30


@dataclass(frozen=True, slots=True)
class SitesConfig:
    """Which bins are learnt from and scored.

    Attributes:
        kind: ``bins``: every bin of the genome; ``peaks``: the bins that touch ``peaks``.
        peaks: BED of sites, for ``peaks``.
    """

    kind: Literal["bins", "peaks"] = "bins"
    peaks: Path | None = None


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """Contigs by use; a contig named in none is not touched."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InputsConfig:
    """Inputs of the network.

    Attributes:
        sequence: read DNA sequence.
        vplot: read fragments as a V-plot.
        bin: bp per V-plot position bin.
        length_edges: fragment-length edges, bp.
        reference: fragments per kb of the reference depth.
        transform: ``log1p`` or ``none``.
    """

    sequence: bool = True
    vplot: bool = True
    bin: int = DEFAULT_BIN
    length_edges: tuple[int, ...] = DEFAULT_LENGTH_EDGES
    reference: float = 25.0
    transform: Literal["log1p", "none"] = "log1p"

    def specs(self) -> tuple[InputSpec, ...]:
        """The inputs as the model's spec has them."""
        specs: tuple[InputSpec, ...] = ()
        if self.sequence:
            specs += (InputSpec("sequence", "sequence"),)
        if self.vplot:
            depth = DepthNormalisation(self.reference, self.transform)
            specs += (InputSpec("vplot", "vplot", self.bin, self.length_edges, depth),)
        return specs


@dataclass(frozen=True, slots=True)
class StatesConfig:
    """The softmax head.

    Attributes:
        bed: segments, the state's code in the name column.
        table: tab-separated ``state``, ``name``, ``color`` (R,G,B), one row a state, with header.
    """

    bed: Path
    table: Path


@dataclass(frozen=True, slots=True)
class BinaryConfig:
    """One binary label.

    Attributes:
        name: short code.
        peaks: BED or narrowPeak; the centre counts (the summit, where a narrowPeak has one).
        title: full name; the code where empty.
        color: RGB.
        motif: JASPAR matrix ID for the motif-scan baseline, or empty.
    """

    name: str
    peaks: Path
    title: str = ""
    color: tuple[int, int, int] = (31, 73, 125)
    motif: str = ""


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
class FitConfig:
    """Optimisation.

    Attributes:
        epochs: passes over the training contigs.
        batch: segments per step.
        learning_rate: maximum of the one-cycle schedule.
        weight_decay: of AdamW.
        binary_weight: weight of the binary labels' summed loss beside the states' loss.
        flank: bp on each side of a positive bin that are masked in training.
        words_per_label: motif filters that start from words enriched around a label's training
            peaks, at most, see :mod:`chromputer_tracks.model.seeding`; 0 starts all at random.
        average: decay per step of the exponential moving average of the weights that is kept in
            place of the last ones; 0 keeps the last.
        gradient_clip: largest gradient norm.
        precision: ``bf16-mixed`` or ``32-true``, as Lightning names them.
        threads: CPU threads of the network; 0 leaves PyTorch's choice.
    """

    epochs: int = 12
    batch: int = 16
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    binary_weight: float = 1.0
    flank: int = 100
    words_per_label: int = 6
    average: float = 0.0
    gradient_clip: float = 5.0
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed"
    threads: int = 0


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The whole configuration; the TOML's tables and keys have these names.

    Attributes:
        name: the model's name.
        assembly: name of the genome assembly.
        data: input files.
        splits: contigs by use.
        states: the softmax head, or nothing.
        binary: the binary labels (``[[binary]]`` tables).
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
    states: StatesConfig | None = None
    binary: tuple[BinaryConfig, ...] = ()
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

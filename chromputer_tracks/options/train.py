"""Options of the commands that learn and score: dataset, train, ablate, evaluate, simulate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

from chromputer_tracks.errors import OptionError
from chromputer_tracks.options.fields import (
    SEEDS,
    ComputeOptions,
    Flag,
    RunOptions,
    check_options,
    options,
)
from chromputer_tracks.records import Limits

Data = Annotated[
    Path | None,
    Flag(
        "Folder that relative paths in the configuration start from; default: the "
        "configuration's own folder."
    ),
]
Epochs = Annotated[int | None, Flag("Instead of the configuration's."), Limits(least=1)]


@options
class ConfigOptions(RunOptions):
    """What commands take that read a training configuration."""

    config: Annotated[Path, Flag("Training configuration (TOML).", argument=True)]
    data: Data = None


@options
class DatasetOptions(ConfigOptions):
    """A configuration whose sites are shown."""

    out: Annotated[Path, Flag("Folder for dataset.html and dataset.tsv.", "--out -o")]


@options
class TrainOptions(ConfigOptions):
    """What to train."""

    out: Annotated[Path, Flag("Model folder to write.", "--out -o")]
    epochs: Epochs = None
    resume: Annotated[bool, Flag("Go on where a run into the same folder was stopped.")] = False
    force: Annotated[
        bool,
        Flag(
            "Start from the beginning where a run was stopped or a model is, which stays until the "
            "new one is done; write into a folder that holds other files.",
            "--force",
        ),
    ] = False
    seed: Annotated[int | None, Flag("Instead of the configuration's."), SEEDS] = None
    measure: Annotated[
        Literal["after", "no", "only"],
        Flag(
            "Measure the accuracy to expect at lower depths, on the test contigs: after training, "
            "not at all, or only that, of the model that is in --out already."
        ),
    ] = "after"

    def __post_init__(self) -> None:
        check_options(self)
        if self.measure == "only" and (self.resume or self.epochs is not None):
            given = "--resume" if self.resume else "--epochs"
            raise OptionError("is of training, and --measure only does not train", key=given)
        if self.resume and self.force:
            raise OptionError("goes on with what --force removes", key="--resume")


@options
class AblateOptions(ConfigOptions):
    """What to train and score."""

    out: Annotated[Path, Flag("Folder for runs, tables and report.", "--out -o")]
    subsets: Annotated[
        tuple[str, ...],
        Flag(
            "Inputs to train with, joined by +; may be repeated, the full set last. Default: "
            "every combination of up to three inputs; of more, each alone, all but each, and "
            "all.",
            "--inputs",
            metavar="A+B",
        ),
    ] = ()
    seeds: Annotated[
        tuple[int, ...],
        Flag("A run from each; may be repeated. Default: 1, 2, 3.", "--seed"),
        SEEDS,
    ] = ()
    epochs: Epochs = None
    tss: Annotated[Path | None, Flag("BED of genes or start sites; default: data.tss.")] = None
    replicate_states: Annotated[
        Path | None, Flag("Second states BED: its agreement is the ceiling.")
    ] = None
    replicates: Annotated[
        Mapping[str, Path],
        Flag("Second peak file of a label; may be repeated.", "--replicate", metavar="NAME=BED"),
    ] = field(default_factory=dict)
    jobs: Annotated[int, Flag("Threads of the random forest."), Limits(least=1)] = 1
    draws: int = 1000


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise ValueError(f"{text!r} is not a list of different names such as chrVII,chrXIII")
    return names


@options
class EvaluateOptions(ComputeOptions):
    """What to score, where and against what."""

    models: Annotated[
        tuple[str, ...],
        Flag(
            "Model folders, .onnx files or shipped models; the first is compared with all others.",
            argument=True,
            metavar="model",
        ),
    ]
    config: Annotated[
        Path, Flag("Training configuration (TOML): genome, samples, labels and splits.")
    ]
    out: Annotated[Path, Flag("Folder for scores, tables and report.html.", "--out -o")]
    data: Data = None
    split: Annotated[
        Literal["test", "validation"], Flag("Which of the configuration's splits to score.")
    ] = "test"
    contigs: Annotated[
        tuple[str, ...],
        Flag("Score these contigs instead of a split.", metavar="NAME,NAME", parse=_names),
    ] = ()
    sample: Annotated[
        str | None, Flag("Score one of the configuration's samples; default: all.")
    ] = None
    baselines: Annotated[
        bool,
        Flag(
            "Learn and score the majority class, gene proximity, a random forest on the "
            "fragments, and motif scans, too; some minutes.",
            "--baselines",
        ),
    ] = False
    tss: Annotated[
        Path | None,
        Flag(
            "BED of genes or transcription start sites, for gene proximity; default: data.tss of "
            "the configuration."
        ),
    ] = None
    replicate_states: Annotated[
        Path | None, Flag("A second states BED: its agreement with the first is the ceiling.")
    ] = None
    replicates: Annotated[
        Mapping[str, Path],
        Flag(
            "A second peak file of a label, likewise; may be repeated.",
            "--replicate",
            metavar="NAME=BED",
        ),
    ] = field(default_factory=dict)
    allow_training_contigs: Annotated[bool, Flag("Score contigs that a model was trained on.")] = (
        False
    )
    by_depth: Annotated[
        bool,
        Flag(
            "Score each model with 50 to 2 % of each sample's fragments, too, drawn at random; "
            "takes some predictions more.",
            "--by-depth",
        ),
    ] = False
    draws: Annotated[int, Flag("Bootstrap resamples."), Limits(least=10)] = 1000
    seed: Annotated[int, Flag("Of resampling and baselines."), SEEDS] = 0


@options
class SimulateOptions(RunOptions):
    """A genome whose best possible accuracy is known."""

    out: Annotated[Path, Flag("Folder to write.", "--out -o")]
    size: Annotated[int, Flag("Bases of the whole genome.", metavar="BP"), Limits(least=1)] = (
        4_000_000
    )
    contigs: Annotated[int, Flag("Contigs of equal size, chr1, chr2 ..."), Limits(least=3)] = 8
    depth: Annotated[float, Flag("Expected fragments per kb of the first cell type.")] = 25.0
    states: Annotated[
        int, Flag("Chromatin states, quiescent included."), Limits(least=4, most=8)
    ] = 6
    seed: Annotated[int, Flag("Of everything random."), SEEDS] = 1
    second_cell_type: Annotated[
        bool,
        Flag(
            "A second sample: other states at some sites, over-digested, with regional bias and "
            "more background.",
            "--second-cell-type",
        ),
    ] = False
    second_depth: Annotated[
        float | None, Flag("Its fragments per kb; half of --depth if not given.")
    ] = None
    optimum: Annotated[
        bool, Flag("Compute the best possible accuracy by depth.", "--optimum/--no-optimum")
    ] = True


@options
class InitOptions:
    """Which files a configuration is made of."""

    folder: Annotated[
        Path | None,
        Flag("Folder to look for files in that are not named below.", argument=True),
    ] = None
    out: Annotated[Path, Flag("The configuration to write (TOML).", "--out -o")] = Path(
        "config.toml"
    )
    force: Annotated[bool, Flag("Write over a configuration that is there.", "--force")] = False
    name: Annotated[str | None, Flag("The model's name; default: the file's.")] = None
    assembly: Annotated[
        str | None, Flag("Name of the assembly (sacCer3, hg38); default: the FASTA's.")
    ] = None
    fasta: Annotated[Path | None, Flag("Genome FASTA.")] = None
    fragments: Annotated[Path | None, Flag("Paired-end BAM, fragments.tsv.gz or BEDPE.")] = None
    peaks: Annotated[
        tuple[Path, ...],
        Flag(
            "A folder of peak files (BED, narrowPeak), or one file; may be repeated. Each is a "
            "label of its name; files that differ by rep1, rep2 are replicates."
        ),
    ] = ()
    labels: Annotated[
        tuple[str, ...],
        Flag("Take only the peaks of this label; may be repeated. Default: all.", "--label"),
    ] = ()
    states: Annotated[
        Path | None, Flag("BED of chromatin states, the state's code in column 4.")
    ] = None
    state_table: Annotated[
        Path | None,
        Flag("Names and colours of the states (TSV); default: one is written."),
    ] = None
    signals: Annotated[
        tuple[Path, ...],
        Flag("A bigWig to predict; may be repeated.", "--signal"),
    ] = ()
    tss: Annotated[Path | None, Flag("BED of genes or start sites.")] = None
    blacklist: Annotated[Path | None, Flag("BED of regions to leave out.")] = None
    validation: Annotated[
        tuple[str, ...],
        Flag("Contigs to choose the epoch by.", metavar="NAME,NAME", parse=_names),
    ] = ()
    test: Annotated[
        tuple[str, ...], Flag("Contigs to score.", metavar="NAME,NAME", parse=_names)
    ] = ()

    def __post_init__(self) -> None:
        check_options(self)
        if self.out.suffix != ".toml":
            raise OptionError(f"{self.out} is no name of a configuration (.toml)", key="--out")

"""The options that name a model, a sample's files, and where to run, the same in every command."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from chromputer_tracks.options.fields import SampleFiles


class ProviderName(StrEnum):
    """Values of ``--provider``."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"


ModelName = Annotated[
    str, typer.Argument(help="Model folder, .onnx file or shipped model (chromputer models).")
]
FastaFile = Annotated[Path, typer.Option(help="Genome FASTA, plain or bgzip, with its .fai.")]
FragmentsFile = Annotated[
    Path | None,
    typer.Option(
        help="Paired-end BAM, fragments.tsv.gz or BEDPE, for models of one assay of fragments."
    ),
]
AssayFiles = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=FILE",
        help="File of one of the model's assays (fragments or bigWig); may be repeated.",
    ),
]
Provider = Annotated[
    ProviderName, typer.Option(help="Where to run; auto takes a GPU when one works, else the CPU.")
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="CPU threads; default: those this process may use.")
]
Scratch = Annotated[
    Path | None, typer.Option(help="Folder for temporary files; default: the system's.")
]
Force = Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files.")]


def sample_files(
    fasta: Path,
    fragments: Path | None,
    assay: list[str] | None,
    scratch: Path | None,
    min_mapq: int,
    drop_duplicates: bool,
    exclude_contig: list[str] | None,
    tn5_shift: bool | None,
) -> SampleFiles:
    """The sample of a command line; the last four are those of :mod:`.fragment_flags`."""
    from chromputer_tracks.cli.requirements import named_files
    from chromputer_tracks.io.fragments import FragmentOptions
    from chromputer_tracks.options.fields import SampleFiles

    return SampleFiles(
        fasta=fasta,
        fragments=fragments,
        assays=named_files("--assay", assay or []),
        fragment_options=FragmentOptions(
            min_mapq=min_mapq,
            drop_duplicates=drop_duplicates,
            exclude=tuple(exclude_contig or ()),
            tn5_shift=tn5_shift,
        ),
        scratch=scratch,
    )


# ---- The options that say which fragments of a file count, the same in every command.

MinMapq = Annotated[
    int, typer.Option(min=0, max=255, help="BAM: least mapping quality of both mates.")
]
DropDuplicates = Annotated[
    bool,
    typer.Option(
        "--drop-duplicates/--keep-duplicates",
        help="Drop pairs flagged as duplicates; count identical fragments once.",
    ),
]
ExcludeContig = Annotated[
    list[str] | None,
    typer.Option(help="Leave out the fragments of this contig; may be repeated."),
]
Tn5Shift = Annotated[
    bool | None,
    typer.Option(
        "--tn5-shift/--no-tn5-shift",
        help="Shift ends by +4/-5 bp; default: on for BAM, off for fragment files and BEDPE.",
    ),
]


# ---- The arguments of commands that read a training configuration, the same in each of them.

Config = Annotated[Path, typer.Argument(help="Training configuration (TOML).")]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder that relative paths in the configuration start from; "
        "default: the configuration's own folder.",
    ),
]
Epochs = Annotated[
    int | None, typer.Option("--epochs", min=1, help="Instead of the configuration's.")
]

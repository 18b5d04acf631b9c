"""The genome that a browser shows tracks on, and where it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chromputer_tracks.errors import ContigError, InputError
from chromputer_tracks.inference.provenance import RUN_JSON
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.bgzf import is_bgzf
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.tracks.runs import Run, recorded_path


@dataclass(frozen=True, slots=True)
class BrowserGenome:
    """An indexed FASTA.

    Attributes:
        fasta: plain or bgzipped.
        name: shown, and the genome's id in sessions.
        sizes: its contigs.
        fai: its index.
        gzi: its index of blocks; None where it is not compressed.
    """

    fasta: Path
    name: str
    sizes: ChromSizes
    fai: Path
    gzi: Path | None


def browser_genome(run: Run, fasta: Path | None = None) -> BrowserGenome:
    """The genome that runs were made with.

    Args:
        run: tells its contigs and its name.
        fasta: the file; None: the one that the run read.

    Raises:
        InputError: it is not there any more, or cannot be used (:class:`Fasta` tells why).
        ContigError: its contigs are not the run's.
    """
    try:
        recorded = recorded_path(run.record, run.record["inputs"]["fasta"]["path"])
        same = bool(run.record["genome"]["same_as_model"])
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{run.folder / RUN_JSON} does not name the genome ({error!r}): run `chromputer "
            f"{run.kind}` again"
        ) from error
    path = recorded if fasta is None else fasta
    if fasta is None and not path.is_file():
        raise InputError(
            f"{path}, the genome that {run.folder} was made with, is not there: name the file with "
            "--fasta"
        )
    with Fasta(path) as file:
        sizes = file.sizes
    if sizes.digest() != run.digest:
        raise ContigError(
            f"{path} has other contigs than the genome that {run.folder} was made with: name that "
            "one with --fasta"
        )
    name = run.spec.assembly if same else path.name.split(".")[0]
    gzi = path.with_name(f"{path.name}.gzi") if is_bgzf(path) else None
    return BrowserGenome(path, name, sizes, path.with_name(f"{path.name}.fai"), gzi)

"""A sample opened for a model: the genome and the file of each assay that the model reads."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from chromputer_tracks.data.features import Assay, Features, check_kind
from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.registry import Model
from chromputer_tracks.inference.session import Session
from chromputer_tracks.inference.stages import Stages
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.assays import is_bigwig, open_assay
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.fragments import FragmentOptions
from chromputer_tracks.wording import counted


class Report(Protocol):
    """Is told what happens; :class:`chromputer_tracks.cli.console.Reporter` is one."""

    def note(self, text: str) -> None:
        """One line."""

    def progress(self, stage: str, done: int, total: int | None, unit: str) -> None:
        """How far a stage is."""


@dataclass(frozen=True, slots=True)
class SampleFiles:
    """The files of a sample, as a command is given them.

    Attributes:
        fasta: the genome, with its ``.fai``; the authority on contigs.
        fragments: BAM, fragment file or BEDPE of a model that reads one assay; None for a model
            that reads DNA only, or where ``assays`` names the files.
        assays: files by assay, fragments or bigWig, as the model names them.
        fragment_options: which fragments count.
        scratch: folder for temporary files; None: the system's.
    """

    fasta: Path
    fragments: Path | None = None
    assays: Mapping[str, Path] = field(default_factory=dict)
    fragment_options: FragmentOptions = FragmentOptions()
    scratch: Path | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """An open sample.

    Attributes:
        features: makes the model's input arrays.
        assays: its open files.
    """

    features: Features
    assays: dict[str, Assay]


def open_sample(
    stack: ExitStack,
    model: Model,
    fasta: Fasta,
    files: SampleFiles,
    report: Report,
    stages: Stages | None = None,
) -> Sample:
    """Open the files that a model reads.

    Args:
        stack: closes them.
        model: says which.
        fasta: the open genome.
        files: of the sample.
        report: told what was read.
        stages: collects the time of reading.

    Raises:
        InputError: a file is missing, of another kind, or does not fit the genome.
    """
    timer = stages or Stages()
    paths = assay_files(model, files)
    assays = {}
    for name, path in paths.items():
        with timer.phase(f"reading {name}"):
            assays[name] = _open(stack, path, fasta.sizes, files, report, named=len(paths) > 1)
    return Sample(Features(model.spec.inputs, fasta, assays), assays)


def assay_files(model: Model, files: SampleFiles) -> dict[str, Path]:
    """The file of each assay that the model reads; none when it reads DNA only.

    Raises:
        InputError: one is missing, of another kind, or of an assay that the model does not read.
    """
    inputs = [item for item in model.spec.inputs if item.assay]
    needed = tuple(dict.fromkeys(item.assay for item in inputs))
    given = dict(files.assays)
    unknown = [name for name in given if name not in needed]
    if unknown:
        raise InputError(
            f"--assay {unknown[0]}: model {model.name} reads no such assay; it reads "
            f"{', '.join(needed) or 'DNA only'}"
        )
    of_fragments = list(dict.fromkeys(i.assay for i in inputs if i.measure != "values"))
    if files.fragments is not None and needed:
        open_ones = [name for name in of_fragments if name not in given]
        if len(open_ones) != 1:
            raise InputError(
                f"model {model.name} reads fragments of {', '.join(of_fragments) or 'no assay'}: "
                f"give each file with --assay NAME=FILE instead of --fragments"
            )
        given[open_ones[0]] = files.fragments
    for name in needed:
        if name in given:
            continue
        if name not in of_fragments:
            raise InputError(
                f"model {model.name} reads a signal of {name}: give its bigWig with "
                f"--assay {name}=FILE"
            )
        how = "--fragments" if of_fragments == [name] else f"--assay {name}=FILE"
        raise InputError(
            f"model {model.name} reads {name} fragments: give a BAM, fragment file or BEDPE with "
            f"{how}"
        )
    for item in inputs:
        path = given[item.assay]
        check_kind(item, str(path), bigwig=is_bigwig(path))
    return {name: given[name] for name in needed}


def input_roles(model: Model, files: SampleFiles, **others: Path | None) -> dict[str, Path]:
    """The files that a result depends on, by what they are.

    Args:
        model: what reads them.
        files: of the sample.
        **others: further files by role; None: not given.

    Raises:
        InputError: see :func:`assay_files`.
    """
    found = {"model": model.path, "fasta": files.fasta}
    found |= {role: path for role, path in others.items() if path is not None}
    return found | {f"assay {name}": path for name, path in assay_files(model, files).items()}


def _open(
    stack: ExitStack,
    path: Path,
    sizes: ChromSizes,
    files: SampleFiles,
    report: Report,
    *,
    named: bool,
) -> Assay:
    source = open_assay(
        stack,
        path,
        sizes,
        files.fragment_options,
        lambda kept: report.progress("reading", kept, None, "fragments"),
        files.scratch,
    )
    if isinstance(source, FragmentStore):
        report.note(f"{path.name}: " * named + _fragment_note(source))
    else:
        report.note(f"{path.name}: mean {source.density:.3g} per bp")
    return source


def _fragment_note(store: FragmentStore) -> str:
    removed = [f"{count:,} {reason}" for reason, count in store.summary.removed.items() if count]
    what = "rows" if store.summary.kind == "fragments" else "read pairs"
    of = f" of {store.summary.read:,} {what} (not: {'; '.join(removed)})" if removed else ""
    return f"{store.total:,} fragments{of}, {store.density:.3g} per kb"


def assay_record(source: Assay) -> dict[str, Any]:
    """What ``run.json`` says of an open file."""
    if not isinstance(source, FragmentStore):
        return {"format": "bigwig", "mean": source.density}
    return {
        "format": source.summary.kind,
        "kept": source.total,
        "removed": source.summary.removed,
        "per_kb": source.density,
    }


def announce(
    model: Model, session: Session, sizes: ChromSizes, files: SampleFiles, report: Report
) -> None:
    """Tell what runs where, and what about the sample is unusual for the model."""
    threads = counted(session.threads, "thread")
    report.note(f"model {model.name} on {session.provider} ({session.reason}), {threads}")
    if sizes.digest() != model.spec.sizes_digest:
        report.note(
            f"note: {files.fasta} is not the assembly that the model was trained on "
            f"({model.spec.assembly}); its figures on other genomes are not known"
        )
    if files.fragments is not None and not any(item.assay for item in model.spec.inputs):
        report.note(f"note: model {model.name} reads DNA only; {files.fragments} is not read")

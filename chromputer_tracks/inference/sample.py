"""A sample opened for a model: the genome and the file of each assay that the model reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chromputer_tracks.data.features import Assay, Features, check_kind
from chromputer_tracks.data.verdict import count_asked, judge, look_at, refuse, sentences
from chromputer_tracks.errors import InputError, counted
from chromputer_tracks.inference.session import Model, Session, idle_gpu
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.assays import BigWigSource, is_bigwig, open_assay
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fasta import Fasta, check_swapped
from chromputer_tracks.io.fragment_store import FragmentStore, GivenDepth
from chromputer_tracks.io.record import (
    AssayRecord,
    DepthRecord,
    GenomeRecord,
    ModelRecord,
    ProviderRecord,
    Report,
    Silent,
    Stages,
    Verdict,
)
from chromputer_tracks.options.fields import FragmentOptions, SampleFiles
from chromputer_tracks.spec import fragment_assays

Source = Assay | Path
"""A file of an assay, or what was opened of it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An open sample.

    Attributes:
        features: makes the model's input arrays.
        assays: its open files.
        verdicts: whether the fragments of an assay are fit for the model; empty: not judged.
    """

    features: Features
    assays: dict[str, Assay]
    verdicts: dict[str, Verdict] = field(default_factory=dict)


def open_genome(stack: ExitStack, files: SampleFiles, report: Report) -> Fasta:
    """Open the genome of the sample that a command is given.

    Raises:
        InputError: it cannot be used, or the files of ``--fasta`` and ``--fragments`` are swapped.
    """
    check_swapped(files.fasta, files.fragments)
    fasta = stack.enter_context(Fasta(files.fasta, files.scratch, report.note))
    if files.fragment_options.only_fasta_contigs:
        fasta.sizes.leave_out_others(report.note)
    return fasta


def assay_sources(
    model: Model, fragments: Source | None, assays: Mapping[str, Source], *, flags: bool = True
) -> dict[str, Source]:
    """What holds each assay that a model reads; nothing when it reads DNA only.

    Args:
        model: says which.
        fragments: those of the one assay of fragments that ``assays`` does not name.
        assays: by name.
        flags: whether messages speak of the command line, not of arguments in Python.

    Raises:
        InputError: one is missing, unreadable, of another kind, or of an assay that the model does
            not read.
    """

    def way(name: str) -> str:
        return f"--assay {name}=FILE" if flags else f"assays={{{name!r}: file}}"

    single = "--fragments" if flags else "fragments=file"
    inputs = [item for item in model.spec.inputs if item.assay]
    needed = tuple(dict.fromkeys(item.assay for item in inputs))
    given = dict(assays)
    for name in given:
        if name not in needed:
            what = f"--assay {name}" if flags else f"assays[{name!r}]"
            raise InputError(
                f"{what}: model {model.name} reads no such assay; it reads "
                f"{', '.join(needed) or 'DNA only'}"
            )
    of_fragments = fragment_assays(inputs)
    if fragments is not None and needed:
        free = [name for name in of_fragments if name not in given]
        if len(free) != 1:
            raise InputError(
                f"model {model.name} reads fragments of {', '.join(of_fragments) or 'no assay'}: "
                f"give each file with {way('NAME')} instead of {single}"
            )
        given[free[0]] = fragments
    for name in needed:
        if name in given:
            continue
        if name not in of_fragments:
            raise InputError(
                f"model {model.name} reads a signal of {name}: give its bigWig with {way(name)}"
            )
        only = of_fragments == (name,)
        raise InputError(
            f"model {model.name} reads {name} fragments: give a BAM, fragment file or BEDPE with "
            + (single if only else way(name))
        )
    for item in inputs:
        source = given[item.assay]
        bigwig = is_bigwig(source) if isinstance(source, Path) else isinstance(source, BigWigSource)
        where = source if isinstance(source, Path) else f"assay {item.assay!r}"
        check_kind(item, str(where), bigwig=bigwig)
    return {name: given[name] for name in needed}


def open_sources(
    stack: ExitStack,
    model: Model,
    fasta: Fasta,
    sources: Mapping[str, Source],
    options: FragmentOptions = FragmentOptions(),  # noqa: B008 - frozen
    scratch: Path | None = None,
    report: Report | None = None,
    stages: Stages | None = None,
    depths: Mapping[str, GivenDepth] | None = None,
) -> Sample:
    """Open what a model reads.

    Args:
        stack: closes what is opened here; what was open stays so.
        model: says which.
        fasta: the open genome.
        sources: from :func:`assay_sources`.
        options: which fragments count.
        scratch: folder for temporary files; None: the system's.
        report: told what was read.
        stages: collects the time of reading.
        depths: by assay, from :func:`given_depths`; those of others are estimated.

    Raises:
        InputError: a file cannot be used, does not fit the genome, or does not tell its depth.
    """
    timer, told = stages or Stages(), report or Silent()
    assays: dict[str, Assay] = {}
    for name, source in sources.items():
        if isinstance(source, Path):
            with timer.phase(f"reading {name}"):
                assays[name] = open_assay(
                    stack,
                    source,
                    fasta.sizes,
                    options,
                    lambda kept: told.progress("reading", kept, None, "fragments"),
                    scratch,
                    (depths or {}).get(name),
                )
            told.note(f"{source.name}: " * (len(sources) > 1) + _about(source, assays[name]))
        else:
            check_same_genome(source, fasta.sizes)
            assays[name] = source
        if isinstance(opened := assays[name], FragmentStore):
            opened.sure_depth()
    return Sample(Features(model.spec.inputs, fasta, assays), assays)


def open_sample(
    stack: ExitStack,
    model: Model,
    fasta: Fasta,
    files: SampleFiles,
    report: Report,
    stages: Stages | None = None,
    asked: Sequence[Interval] | None = None,
) -> Sample:
    """Open the sample that a command is given, and judge whether it is fit for the model.

    Args:
        stack: closes what is opened here.
        model: says what is read, and what it has seen.
        fasta: the open genome.
        files: the sample's.
        report: told what was read, and the verdict.
        stages: collects the time of reading and judging.
        asked: what is to be predicted; None: the whole genome.

    Raises:
        InputError: see :func:`open_sources`; or the sample is not fit, and ``files.strict``.
    """
    sources = assay_sources(model, files.fragments, files.assays)
    depths = given_depths(files, [n for n, s in sources.items() if _of_fragments(s)], fasta.sizes)
    sample = open_sources(
        stack, model, fasta, sources, files.fragment_options, files.scratch, report, stages, depths
    )
    verdicts = {}
    with (stages or Stages()).phase("judging the sample"):
        for name, source in sample.assays.items():
            if isinstance(source, FragmentStore):
                where = None if asked is None else count_asked(source, asked)
                verdict = judge(look_at(source, fasta), model.spec, name, where)
                if files.strict:
                    refuse(verdict, model.name, str(source.summary.path))
                for line in sentences(verdict, model.name, name if len(sources) > 1 else ""):
                    report.note(line)
                verdicts[name] = verdict
    return replace(sample, verdicts=verdicts)


def _of_fragments(source: Source) -> bool:
    return not (is_bigwig(source) if isinstance(source, Path) else isinstance(source, BigWigSource))


def given_depths(
    files: SampleFiles, assays: Sequence[str], sizes: ChromSizes
) -> dict[str, GivenDepth]:
    """What a command is told of the depth of each assay of fragments.

    Args:
        files: says it.
        assays: those of fragments.
        sizes: the genome's contigs.

    Raises:
        InputError: a depth is of no such assay, or the regions cannot be read.
    """
    if files.depth_regions is not None:
        regions = [record.interval for record in read_bed(files.depth_regions, sizes)]
        return dict.fromkeys(assays, regions)
    if files.depth is None:
        return {}
    known = ", ".join(assays) or "none"
    if not isinstance(files.depth, Mapping):
        if len(assays) != 1:
            raise InputError(
                f"--depth {files.depth:g}: the assays of fragments are {known}; give each its own, "
                "--depth NAME=NUMBER,NAME=NUMBER"
            )
        return {assays[0]: float(files.depth)}
    for name in files.depth:
        if name not in assays:
            raise InputError(f"--depth {name}=...: the assays of fragments are {known}")
    return {name: float(depth) for name, depth in files.depth.items()}


def check_same_genome(source: Assay, sizes: ChromSizes) -> None:
    """Check that an open file has a genome's contigs.

    Raises:
        InputError: it was opened with others.
    """
    if dict(source.sizes) != dict(sizes):
        raise InputError(
            f"fragments were opened with the contigs of {source.sizes.source}, which are not "
            f"those of {sizes.source}: open them with this genome"
        )


def _about(path: Path, source: Assay) -> str:
    if not isinstance(source, FragmentStore):
        return f"{path.name}: mean {source.density:.3g} per bp"
    removed = [f"{count:,} {reason}" for reason, count in source.summary.removed.items() if count]
    what = "rows" if source.summary.kind == "fragments" else "read pairs"
    of = f" of {source.summary.read:,} {what} (not: {'; '.join(removed)})" if removed else ""
    return f"{source.total:,} fragments{of}, {source.depth}"


def input_roles(model: Model, files: SampleFiles, **others: Path | None) -> dict[str, Path]:
    """The files that a result depends on, by what they are.

    Args:
        model: what reads them.
        files: the sample's.
        **others: further files by role; None: not given.

    Raises:
        InputError: see :func:`assay_sources`.
    """
    sources = assay_sources(model, files.fragments, files.assays)
    found: dict[str, Source | None] = {"model": model.path, "fasta": files.fasta, **others}
    found["depth regions"] = files.depth_regions
    found |= {f"assay {name}": source for name, source in sources.items()}
    return {role: path for role, path in found.items() if isinstance(path, Path)}


def model_records(
    model: Model, session: Session, sizes: ChromSizes, sample: Sample
) -> dict[str, Any]:
    """What the record of a run says of its model, where it ran, the genome and the sample."""
    # Without its figures and its own provenance, which would fill the record.
    spec = json.loads(replace(model.spec, metrics={}, provenance={}, fitness=None).to_json())
    return {
        "provider": ProviderRecord(session.provider, session.reason, session.threads),
        "model": ModelRecord(model.name, str(model.path), 0, "", spec),
        "genome": GenomeRecord(
            len(sizes),
            sizes.total,
            sizes.digest(),
            model.spec.assembly,
            sizes.digest() == model.spec.sizes_digest,
        ),
        "assays": {name: assay_record(source) for name, source in sample.assays.items()},
        "verdicts": sample.verdicts,
    }


def assay_record(source: Assay) -> AssayRecord:
    """What the record of a run says of an open file of a sample."""
    if not isinstance(source, FragmentStore):
        return AssayRecord("bigwig", mean=source.density)
    summary = source.summary
    depth = source.depth
    return AssayRecord(
        summary.kind,
        source.total,
        dict(summary.removed),
        depth.per_kb,
        depth=DepthRecord(depth.how, depth.bases or None, depth.pieces or None),
    )


def unusual(model: Model, sizes: ChromSizes, fragments: object) -> list[str]:
    """What about a sample is unusual for a model, but may be meant; a sentence each."""
    found = []
    if sizes.digest() != model.spec.sizes_digest:
        found.append(
            f"{sizes.source} is not the assembly that the model {model.name} was trained on "
            f"({model.spec.assembly}); its figures on other genomes are not known"
        )
    if fragments is not None and not any(item.assay for item in model.spec.inputs):
        what = f"{fragments} is" if isinstance(fragments, str | Path) else "the fragments are"
        found.append(f"model {model.name} reads DNA only; {what} not read")
    return found


def announce(
    model: Model, session: Session, sizes: ChromSizes, files: SampleFiles, report: Report
) -> None:
    """Tell what runs where, and what about the sample is unusual for the model."""
    threads = counted(session.threads, "thread")
    report.note(f"model {model.name} on {session.provider} ({session.reason}), {threads}")
    idle = idle_gpu(session.provider, session.reason)
    if idle is not None:
        report.note(f"warning: {idle}")
    for sentence in unusual(model, sizes, files.fragments):
        report.note(f"note: {sentence}")

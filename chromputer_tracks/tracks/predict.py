"""From fragments, a genome and a model to a folder of tracks: the whole prediction run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from chromputer_tracks.data.features import Assay, Features, check_kind
from chromputer_tracks.errors import InputError, OutputError
from chromputer_tracks.inference.genome import (
    DEFAULT_BATCH,
    DEFAULT_TILE,
    covered_bases,
    drain,
    predict_regions,
    region_bins,
)
from chromputer_tracks.inference.provenance import RUN_JSON, Checksums, versions, write_run_json
from chromputer_tracks.inference.registry import Model, load_model
from chromputer_tracks.inference.session import ProviderChoice, Session, open_session
from chromputer_tracks.inference.stages import Stages
from chromputer_tracks.intervals import ChromSizes, Interval, parse_region
from chromputer_tracks.io.assays import is_bigwig, open_assay
from chromputer_tracks.io.atomic import PARTIAL, check_folder, output_errors
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.fragments import FragmentOptions
from chromputer_tracks.tracks.writer import TrackSummary, TrackWriter


class Report(Protocol):
    """Is told what happens; :class:`chromputer_tracks.cli.console.Reporter` is one."""

    def note(self, text: str) -> None:
        """One line."""

    def progress(self, stage: str, done: int, total: int | None, unit: str) -> None:
        """How far a stage is."""


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """What to predict, from what, and how.

    Attributes:
        model: a model folder, an ``.onnx`` file or a shipped model's name.
        fasta: the genome, with its ``.fai``; the authority on contigs.
        out: folder of the tracks; made when only its parent exists.
        fragments: BAM, fragment file or BEDPE of a model that reads one assay; None for a model
            that reads DNA only, or where ``assays`` names the files.
        assays: files by assay, fragments or bigWig, as the model names them.
        regions: BED; bins that touch its regions are predicted. None: see ``chroms``.
        chroms: contigs, or regions such as ``chrI:1,001-2,000``, to predict; empty: all.
        provider: ``auto``, ``cpu``, ``cuda`` or ``tensorrt``.
        threads: CPU threads; None: those that the process may use.
        average_strands: take the mean of both strands' probabilities.
        fragment_options: which fragments count.
        tile: outputs per tile.
        batch: tiles per run of the network.
        scratch: folder for temporary files; None: the system's.
        force: write into a folder that holds other things than an earlier run.
        command: the command line, for ``run.json``.
    """

    model: str | Path
    fasta: Path
    out: Path
    fragments: Path | None = None
    assays: Mapping[str, Path] = field(default_factory=dict)
    regions: Path | None = None
    chroms: tuple[str, ...] = ()
    provider: ProviderChoice = "auto"
    threads: int | None = None
    average_strands: bool = False
    fragment_options: FragmentOptions = FragmentOptions()
    tile: int = DEFAULT_TILE
    batch: int = DEFAULT_BATCH
    scratch: Path | None = None
    force: bool = False
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PredictResult:
    """What a run gave.

    Attributes:
        out: folder of the tracks.
        model: the model used.
        summary: shares of states and calls by label.
        record: what ``run.json`` holds.
    """

    out: Path
    model: Model
    summary: TrackSummary
    record: dict[str, Any]


def predict_tracks(options: PredictOptions, report: Report) -> PredictResult:
    """Predict tracks and write them with ``run.json`` into ``options.out``.

    Everything that can be checked is checked before the fragments are read. A run that fails
    leaves nothing under a final name, and removes the folder if it made it.

    Raises:
        SpecError: the model cannot be used.
        InputError: an input cannot be used, or does not fit the genome.
        ProviderError: the provider does not work here.
        OutputError: the tracks cannot be written.
    """
    started = datetime.now(UTC)
    stages = Stages()
    with ExitStack() as stack:
        with stages.phase("checking"):
            model = load_model(options.model)
            fasta = stack.enter_context(Fasta(options.fasta))
            sizes = fasta.sizes
            bins = region_bins(_regions(options, sizes), sizes, model.spec.grid)
            files = _assay_files(model, options)
            earlier = stack.enter_context(_output_folder(options.out, force=options.force))
            session = open_session(model.path, options.provider, options.threads)
        _announce(model, session, sizes, options, report)
        roles = {"model": model.path, "fasta": options.fasta}
        if options.regions is not None:
            roles["regions"] = options.regions
        roles |= {f"assay {name}": path for name, path in files.items()}
        checksums = stack.enter_context(Checksums(roles))
        assays = {}
        for name, path in files.items():
            with stages.phase(f"reading {name}"):
                assays[name] = _open(stack, path, sizes, options, report, named=len(files) > 1)
        total = covered_bases(bins, sizes, model.spec.grid)
        writing = stack.enter_context(ExitStack())
        writer = writing.enter_context(
            TrackWriter(options.out, model.spec, sizes, threads=max(1, session.threads // 2))
        )
        with stages.phase("predicting"):
            drain(
                predict_regions(
                    session,
                    model.spec,
                    Features(model.spec.inputs, fasta, assays),
                    bins,
                    sizes,
                    tile=options.tile,
                    batch=options.batch,
                    average_strands=options.average_strands,
                    stages=stages,
                ),
                writer.write,
                stages,
                lambda bases: report.progress("predicting", bases, total, "bp"),
            )
        inputs = checksums.result()
        with stages.phase("finishing tracks"):
            writing.close()
        outputs = sorted(str(path.relative_to(options.out)) for path in writer.outputs)
        record: dict[str, Any] = {
            "command": shlex.join(options.command),
            "started": started.isoformat(timespec="seconds"),
            "seconds": round((datetime.now(UTC) - started).total_seconds(), 3),
            "versions": versions(),
            "provider": {
                "name": session.provider,
                "reason": session.reason,
                "threads": session.threads,
            },
            "model": {"name": model.name, **inputs.pop("model")},
            "inputs": inputs,
            "genome": {
                "contigs": len(sizes),
                "bases": sizes.total,
                "digest": sizes.digest(),
                "model_assembly": model.spec.assembly,
                "same_as_model": sizes.digest() == model.spec.sizes_digest,
            },
            "assays": {name: _assay_record(source) for name, source in assays.items()},
            "options": _option_record(options),
            "predicted_bases": total,
            "summary": asdict(writer.summary),
            "outputs": outputs,
            "peak_mb": round(stages.peak_mb(), 1),
            "stages": stages.report(),
        }
        write_run_json(options.out, record)
    _remove_stale(options.out, earlier - set(outputs))
    return PredictResult(options.out, model, writer.summary, record)


def _open(
    stack: ExitStack,
    path: Path,
    sizes: ChromSizes,
    options: PredictOptions,
    report: Report,
    *,
    named: bool,
) -> Assay:
    source = open_assay(
        stack,
        path,
        sizes,
        options.fragment_options,
        lambda kept: report.progress("reading", kept, None, "fragments"),
        options.scratch,
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


def _assay_record(source: Assay) -> dict[str, Any]:
    if not isinstance(source, FragmentStore):
        return {"format": "bigwig", "mean": source.density}
    return {
        "format": source.summary.kind,
        "kept": source.total,
        "removed": source.summary.removed,
        "per_kb": source.density,
    }


def _option_record(options: PredictOptions) -> dict[str, Any]:
    names = ("chroms", "average_strands", "tile", "batch")
    return {name: getattr(options, name) for name in names} | asdict(options.fragment_options)


def _remove_stale(out: Path, names: set[str]) -> None:
    """Remove files that an earlier run wrote and this one did not (tracks of another model)."""
    for name in names:
        path = out / name
        # An edited run.json must not lead outside the folder.
        if path.resolve().is_relative_to(out.resolve()):
            with output_errors(path):
                path.unlink(missing_ok=True)


def _assay_files(model: Model, options: PredictOptions) -> dict[str, Path]:
    """The file of each assay that the model reads; none when it reads DNA only."""
    inputs = [item for item in model.spec.inputs if item.assay]
    needed = tuple(dict.fromkeys(item.assay for item in inputs))
    given = dict(options.assays)
    unknown = [name for name in given if name not in needed]
    if unknown:
        raise InputError(
            f"--assay {unknown[0]}: model {model.name} reads no such assay; it reads "
            f"{', '.join(needed) or 'DNA only'}"
        )
    of_fragments = list(dict.fromkeys(i.assay for i in inputs if i.measure != "values"))
    if options.fragments is not None and needed:
        open_ones = [name for name in of_fragments if name not in given]
        if len(open_ones) != 1:
            raise InputError(
                f"model {model.name} reads fragments of {', '.join(of_fragments) or 'no assay'}: "
                f"give each file with --assay NAME=FILE instead of --fragments"
            )
        given[open_ones[0]] = options.fragments
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


def _regions(options: PredictOptions, sizes: ChromSizes) -> list[Interval] | None:
    """The regions asked for, inside their contigs; None: the whole genome."""
    if options.regions is not None and options.chroms:
        raise InputError("give either --regions or --chrom, not both")
    if options.chroms:
        return [parse_region(text, sizes) for text in dict.fromkeys(options.chroms)]
    if options.regions is None:
        return None
    return [record.interval for record in read_bed(options.regions, sizes, require_sorted=True)]


@contextmanager
def _output_folder(out: Path, *, force: bool) -> Iterator[set[str]]:
    """Make the folder, or refuse it; removed again when the run fails and left it empty.

    Yields:
        names of the files that an earlier run wrote into it, relative to it.
    """
    check_folder(out)
    made = not out.exists()
    if made:
        with output_errors(out):
            out.mkdir()
    elif not (force or (out / RUN_JSON).is_file() or _is_empty(out)):
        raise OutputError(
            f"{out} holds files that are not of an earlier run (it has no {RUN_JSON}): name "
            "another folder, or pass --force"
        )
    try:
        yield set() if made else _earlier_outputs(out / RUN_JSON)
    except BaseException:
        if made:
            # It stays when something else has put a file there.
            with suppress(OSError):
                out.rmdir()
        raise


def _is_empty(out: Path) -> bool:
    """Whether a folder holds nothing but what a killed run left."""
    with output_errors(out):
        return all(item.name.startswith(PARTIAL) for item in out.iterdir())


def _earlier_outputs(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    try:
        names: list[str] = json.loads(path.read_text(encoding="utf-8"))["outputs"]
        return set(names)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{path} is not the record of an earlier run ({error!r}): name another folder, or "
            "remove that file and pass --force"
        ) from error


def _announce(
    model: Model, session: Session, sizes: ChromSizes, options: PredictOptions, report: Report
) -> None:
    threads = f"{session.threads} thread{'s' if session.threads > 1 else ''}"
    report.note(f"model {model.name} on {session.provider} ({session.reason}), {threads}")
    if sizes.digest() != model.spec.sizes_digest:
        report.note(
            f"note: {options.fasta} is not the assembly that the model was trained on "
            f"({model.spec.assembly}); its figures on other genomes are not known"
        )
    if options.fragments is not None and not any(item.assay for item in model.spec.inputs):
        report.note(f"note: model {model.name} reads DNA only; {options.fragments} is not read")

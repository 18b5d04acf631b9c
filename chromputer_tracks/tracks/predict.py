"""From fragments, a genome and a model to a folder of tracks: the whole prediction run."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.genome import (
    DEFAULT_BATCH,
    DEFAULT_TILE,
    covered_bases,
    drain,
    predict_regions,
    region_bins,
)
from chromputer_tracks.inference.registry import Model, load_model
from chromputer_tracks.inference.run import (
    Checksums,
    output_folder,
    remove_stale,
    run_record,
    write_run_json,
)
from chromputer_tracks.inference.sample import (
    Report,
    SampleFiles,
    announce,
    input_roles,
    open_sample,
)
from chromputer_tracks.inference.session import ProviderChoice, open_session
from chromputer_tracks.inference.stages import Stages
from chromputer_tracks.intervals import ChromSizes, Interval, parse_region
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.tracks.writer import TrackSummary, TrackWriter

KIND = "predict"
"""What ``run.json`` says of the command."""


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """What to predict, from what, and how.

    Attributes:
        model: a model folder, an ``.onnx`` file or a shipped model's name.
        sample: the genome and the sample's files.
        out: folder of the tracks; made when only its parent exists.
        regions: BED; bins that touch its regions are predicted. None: see ``chroms``.
        chroms: contigs, or regions such as ``chrI:1,001-2,000``, to predict; empty: all.
        provider: ``auto``, ``cpu``, ``cuda`` or ``tensorrt``.
        threads: CPU threads; None: those that the process may use.
        average_strands: take the mean of both strands' probabilities.
        tile: outputs per tile.
        batch: tiles per run of the network.
        force: write into a folder that holds other things than an earlier run.
        command: the command line, for ``run.json``.
    """

    model: str | Path
    sample: SampleFiles
    out: Path
    regions: Path | None = None
    chroms: tuple[str, ...] = ()
    provider: ProviderChoice = "auto"
    threads: int | None = None
    average_strands: bool = False
    tile: int = DEFAULT_TILE
    batch: int = DEFAULT_BATCH
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
            fasta = stack.enter_context(Fasta(options.sample.fasta))
            sizes = fasta.sizes
            bins = region_bins(_regions(options, sizes), sizes, model.spec.grid)
            roles = input_roles(model, options.sample, regions=options.regions)
            earlier = stack.enter_context(output_folder(options.out, KIND, force=options.force))
            session = open_session(model.path, options.provider, options.threads)
        announce(model, session, sizes, options.sample, report)
        checksums = stack.enter_context(Checksums(roles))
        sample = open_sample(stack, model, fasta, options.sample, report, stages)
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
                    sample.features,
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
        record = run_record(
            KIND, options.command, started, model, session, sizes, sample, inputs, stages
        ) | {
            "options": _option_record(options),
            "predicted_bases": total,
            "summary": asdict(writer.summary),
            "outputs": outputs,
        }
        write_run_json(options.out, record)
    remove_stale(options.out, earlier - set(outputs))
    return PredictResult(options.out, model, writer.summary, record)


def _option_record(options: PredictOptions) -> dict[str, Any]:
    names = ("chroms", "average_strands", "tile", "batch")
    return {name: getattr(options, name) for name in names} | asdict(
        options.sample.fragment_options
    )


def _regions(options: PredictOptions, sizes: ChromSizes) -> list[Interval] | None:
    """The regions asked for, inside their contigs; None: the whole genome."""
    if options.regions is not None and options.chroms:
        raise InputError("give either --regions or --chrom, not both")
    if options.chroms:
        return [parse_region(text, sizes) for text in dict.fromkeys(options.chroms)]
    if options.regions is None:
        return None
    return [record.interval for record in read_bed(options.regions, sizes, require_sorted=True)]

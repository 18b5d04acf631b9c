"""From fragments, a genome and a model to a folder of tracks: the whole prediction run."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.genome import (
    covered_bases,
    drain,
    predict_regions,
    region_bins,
)
from chromputer_tracks.inference.registry import Model, load_model
from chromputer_tracks.inference.sample import (
    announce,
    input_roles,
    model_records,
    open_sample,
)
from chromputer_tracks.inference.session import open_session
from chromputer_tracks.intervals import ChromSizes, Interval, parse_region
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.run import Report, RunRecord, Silent, run
from chromputer_tracks.options.predict import PredictOptions
from chromputer_tracks.tracks.writer import TrackSummary, TrackWriter

KIND = "predict"
"""What ``run.json`` says of the command."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What ``run.json`` says of a prediction beside what every record does.

    Attributes:
        predicted_bases: bp that have values.
        summary: shares of states and calls by label.
    """

    predicted_bases: int
    summary: TrackSummary


@dataclass(frozen=True, slots=True)
class PredictResult:
    """What a run gave: the model used, what is in the tracks, and the record."""

    model: Model
    summary: TrackSummary
    record: RunRecord


def predict_tracks(options: PredictOptions, report: Report | None = None) -> PredictResult:
    """Predict tracks and write them with ``run.json`` into ``options.out``.

    Everything that can be checked is checked before the fragments are read. A run that fails
    leaves what was there.

    Raises:
        SpecError: the model cannot be used.
        InputError: an input cannot be used, or does not fit the genome.
        ProviderError: the provider does not work here.
        OutputError: the tracks cannot be written.
    """
    report, files = report or Silent(), options.sample
    with run(KIND, options, report) as work, ExitStack() as stack:
        stages = work.stages
        with stages.phase("checking"):
            model = load_model(options.model)
            fasta = stack.enter_context(Fasta(files.fasta))
            sizes = fasta.sizes
            bins = region_bins(_regions(options, sizes), sizes, model.spec.grid)
            work.read(input_roles(model, files, regions=options.regions))
            session = open_session(model.path, options.provider, options.threads)
        announce(model, session, sizes, files, report)
        sample = open_sample(stack, model, fasta, files, report, stages)
        total = covered_bases(bins, sizes, model.spec.grid)
        writing = stack.enter_context(ExitStack())
        writer = writing.enter_context(
            TrackWriter(work.folder, model.spec, sizes, threads=max(1, session.threads // 2))
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
        with stages.phase("finishing tracks"):
            writing.close()
        work.describe(
            Prediction(total, writer.summary), **model_records(model, session, sizes, sample)
        )
    return PredictResult(model, writer.summary, work.record)


def _regions(options: PredictOptions, sizes: ChromSizes) -> list[Interval] | None:
    """The regions asked for, inside their contigs; None: the whole genome."""
    if options.regions is not None and options.chroms:
        raise InputError("give either --regions or --chrom, not both")
    if options.chroms:
        return [parse_region(text, sizes) for text in dict.fromkeys(options.chroms)]
    if options.regions is None:
        return None
    return [record.interval for record in read_bed(options.regions, sizes, require_sorted=True)]

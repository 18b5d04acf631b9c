"""A UCSC track hub from runs of ``predict`` and ``explain``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.provenance import versions, write_run_json
from chromputer_tracks.inference.run_folder import output_folder, remove_stale
from chromputer_tracks.inference.sample import Report
from chromputer_tracks.intervals import ChromSizes, check_contigs, parse_region
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.staging import Staging
from chromputer_tracks.tracks.hub.check import check_bbi, check_known, check_names
from chromputer_tracks.tracks.hub.explained import COVERAGE, coverage_track
from chromputer_tracks.tracks.hub.files import Kept
from chromputer_tracks.tracks.hub.genome import OwnGenome, first_position, read_sizes
from chromputer_tracks.tracks.hub.layout import KINDS, model_tracks
from chromputer_tracks.tracks.hub.options import HUB, HubOptions
from chromputer_tracks.tracks.hub.pages import Inputs, coverage_page, overview_page, track_page
from chromputer_tracks.tracks.hub.plan import Plan
from chromputer_tracks.tracks.hub.sessions import hub_sessions
from chromputer_tracks.tracks.hub.text import Names
from chromputer_tracks.tracks.hub.tracks import BIGWIG, Track
from chromputer_tracks.tracks.hub.write import OVERVIEW, HubWriter, hub_texts
from chromputer_tracks.tracks.runs import ModelRuns, file_digest, read_runs

KIND = "hub"
"""What ``run.json`` says wrote the folder."""


@dataclass(frozen=True, slots=True)
class HubResult:
    """What was made.

    Attributes:
        out: folder of the hub.
        tracks: number of tracks with data.
        bytes: of all files; a link counts as its file.
        url: of ``hub.txt``; None where it is not known.
        links: text and address of where to see it; empty without a URL.
        record: what ``run.json`` holds.
    """

    out: Path
    tracks: int
    bytes: int
    url: str | None
    links: tuple[tuple[str, str], ...]
    record: dict[str, Any]


def make_hub(options: HubOptions, report: Report) -> HubResult:
    """Make a hub: text files, description pages and data, all paths relative to its folder.

    All files are made and checked before the first appears under its name.

    Raises:
        InputError: a run, the genome or an input cannot be used.
        ContigError: contigs of the runs, the assembly and the FASTA do not match.
        FormatError: a data file is damaged, not sorted or lacks zoom levels.
        SpecError: a model cannot be found.
        OutputError: the hub cannot be written.
    """
    started = datetime.now(UTC)
    runs = read_runs(options.folders, options.samples, options.models)
    samples = list(dict.fromkeys(sample.name for model in runs for sample in model.samples))
    many, names, folders, models = len(samples) > 1, Names(), Names(), Names()
    placed = {sample: folders.new(sample) for sample in samples}
    plans = [
        Plan(
            model,
            names,
            placed,
            models.new(model.spec.name) if len(runs) > 1 else "",
            many,
            len(runs),
        )
        for model in runs
    ]
    inputs = _inputs(options, runs, report)
    covered = coverage_track(inputs, names, placed, many=many)
    tracks = [] if covered is None else [covered]
    tracks += [track for plan in plans for track in model_tracks(plan)]
    sizes, own = _genome(options, plans, tracks, report)
    if options.position is None:
        position = first_position(plans, sizes)
    else:
        position = parse_region(options.position, sizes)
    labels = options.labels([model.spec.name for model in runs], samples)
    links = options.links(position)
    with output_folder(options.out, KIND, force=options.force) as earlier:
        with Staging(options.out) as staging:
            writer = HubWriter(options, staging.folder, sizes, report)
            ranges = writer.data(tracks)
            writer.texts(hub_texts(options, labels, tracks, ranges, own, position))
            writer.texts(hub_sessions(options, tracks, own, position))
            writer.texts(_pages(options, plans, inputs, tracks, many=many))
            writer.texts({OVERVIEW: overview_page(labels[1], options, plans, tracks, links)})
            if own is not None:
                writer.genome(own)
            # A folder comes before what is in it, and the file that names all others at last.
            outputs = sorted(writer.names, key=lambda name: (name == HUB, name.count("/"), name))
            staging.publish_when_done(outputs)
        record = _record(options, plans, sizes, outputs, started)
        write_run_json(options.out, record)
    remove_stale(options.out, earlier - set(outputs))
    return HubResult(
        options.out,
        sum(item.file is not None for track in tracks for item in track.walk()),
        sum((options.out / name).stat().st_size for name in outputs),
        options.hub_url,
        links,
        record,
    )


def _inputs(options: HubOptions, runs: Sequence[ModelRuns], report: Report) -> Inputs:
    """The inputs to show: those that are where a run found them, or where the user says."""
    if not options.coverage:
        if options.inputs:
            raise InputError("give either --input or --no-coverage, not both")
        return []
    given = {file_digest(path): path for path in options.inputs}
    wanted = {
        (sample.name, item.sha256): item
        for model in runs
        for sample in model.samples
        for run in sample.runs
        for item in run.inputs
    }
    unknown = set(given) - {sha256 for _, sha256 in wanted}
    if unknown:
        path = next(path for sha256, path in given.items() if sha256 in unknown)
        raise InputError(f"--input {path} is no file that any of the runs read (by its SHA-256)")
    found = []
    for (sample, sha256), item in wanted.items():
        path = given.get(sha256, item.path)
        if path.is_file():
            found.append((sample, item, path))
        else:
            report.note(
                f"note: no coverage of {sample}: its {item.assay} is not at {path} any more; say "
                "where it is with --input"
            )
    return found


def _genome(
    options: HubOptions, plans: Sequence[Plan], tracks: Sequence[Track], report: Report
) -> tuple[ChromSizes, OwnGenome | None]:
    """The contigs of the hub's genome, compared with those of the tracks."""
    path = next(
        item.file.path
        for track in tracks
        for item in track.walk()
        if item.type == BIGWIG and isinstance(item.file, Kept)
    )
    contigs = check_bbi(path, BIGWIG, None).contigs
    if options.fasta is None:
        check_names(contigs, options.assembly, str(path))
        known = check_known(contigs, options.assembly, str(path))
        if options.sizes is None:
            sizes = ChromSizes(contigs, source=str(path))
            specs = [plan.runs.spec for plan in plans]
            if not known and (options.assembly, sizes.digest()) not in [
                (spec.assembly, spec.sizes_digest) for spec in specs
            ]:
                report.note(
                    f"note: contigs are not compared with those of {options.assembly}; give its "
                    "chrom.sizes with --sizes to do so"
                )
            return sizes, None
        sizes = read_sizes(options.sizes)
        check_contigs(contigs, str(path), sizes)
        return sizes, None
    with Fasta(options.fasta) as fasta:
        sizes = fasta.sizes
    check_contigs(contigs, str(path), sizes)
    organism = options.organism or options.assembly
    own = OwnGenome(
        options.assembly,
        options.fasta,
        file_digest(options.fasta),
        sizes,
        organism,
        options.scientific_name or "",
        options.description or f"Assembly {options.assembly}",
    )
    return sizes, own


def _pages(
    options: HubOptions,
    plans: Sequence[Plan],
    inputs: Inputs,
    tracks: Sequence[Track],
    *,
    many: bool,
) -> dict[str, str]:
    """The description pages that tracks name, by file name."""
    named = {track.page for top in tracks for track in top.walk() if track.page}
    made = {
        plan.page(kind): track_page(kind, plan, options.email)
        for plan in plans
        for kind in KINDS
        if plan.page(kind) in named
    }
    if COVERAGE in named:
        made[COVERAGE] = coverage_page(inputs, options.email, many=many)
    return {f"{options.assembly}/{page}.html": text for page, text in made.items()}


def _record(
    options: HubOptions,
    plans: Sequence[Plan],
    sizes: ChromSizes,
    outputs: Sequence[str],
    started: datetime,
) -> dict[str, Any]:
    """What ``run.json`` holds; a hub is published, so it names no folder of this machine."""
    return {
        "kind": KIND,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round((datetime.now(UTC) - started).total_seconds(), 3),
        "versions": versions(),
        "assembly": options.assembly,
        "genome": {"contigs": len(sizes), "bases": sizes.total, "digest": sizes.digest()},
        "models": [
            {
                "name": plan.runs.spec.name,
                "sha256": plan.runs.samples[0].runs[0].model,
                "samples": {
                    sample.name: [
                        {
                            "kind": run.kind,
                            "started": run.record["started"],
                            "inputs": {item.assay: item.sha256 for item in run.inputs},
                        }
                        for run in sample.runs
                    ]
                    for sample in plan.runs.samples
                },
            }
            for plan in plans
        ],
        "outputs": sorted(outputs),
    }

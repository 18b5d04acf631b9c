"""A UCSC track hub from runs of ``predict`` and ``explain``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.run import output_folder, remove_stale, versions, write_run_json
from chromputer_tracks.intervals import ChromSizes, Interval, parse_region
from chromputer_tracks.io.atomic import Staging
from chromputer_tracks.io.run import Report
from chromputer_tracks.tracks.hub.files import HubWriter
from chromputer_tracks.tracks.hub.genome import (
    GROUP,
    first_position,
    genome_settings,
    genome_texts,
    hub_contigs,
    twobit_name,
)
from chromputer_tracks.tracks.hub.layout import (
    COVERAGE_PAGE,
    PAGES,
    HubModel,
    coverage_track,
    model_tracks,
)
from chromputer_tracks.tracks.hub.options import HUB, HubOptions
from chromputer_tracks.tracks.hub.pages import Inputs, coverage_page, overview_page, track_page
from chromputer_tracks.tracks.hub.stanzas import (
    HubTrack,
    Range,
    UniqueNames,
    file_text,
    session_tracks,
    stanza,
    track_stanzas,
    tracks_with_data,
)
from chromputer_tracks.tracks.igv import session_texts
from chromputer_tracks.tracks.runs import ModelRuns, file_digest, read_runs

KIND = "hub"
"""What ``run.json`` says wrote the folder."""
GENOMES, TRACKS, OVERVIEW = "genomes.txt", "trackDb.txt", "hub.html"
_AS_GIVEN = "/:@[]!$&'()*+,;=%"
"""What an address keeps beside letters, digits and ``_.-~`` (RFC 3986); it may be quoted already.
"""


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
    many, names, folders, called = len(samples) > 1, UniqueNames(), UniqueNames(), UniqueNames()
    placed = {sample: folders.new(sample) for sample in samples}
    models = [
        HubModel(
            model,
            names,
            placed,
            called.new(model.spec.name) if len(runs) > 1 else "",
            many,
            len(runs),
        )
        for model in runs
    ]
    inputs = _inputs(options, runs, report)
    covered = coverage_track(inputs, names, placed, many=many)
    tracks = [] if covered is None else [covered]
    tracks += [track for model in models for track in model_tracks(model)]
    sizes = hub_contigs(options, runs, tracks, report)
    if options.position is None:
        position = first_position(tracks, sizes)
    else:
        position = parse_region(options.position, sizes)
    labels = options.labels([model.spec.name for model in runs], samples)
    links = options.links(position)
    with output_folder(options.out, KIND, force=options.force) as earlier:
        with Staging(options.out) as staging:
            writer = HubWriter(options, staging.folder, sizes, report)
            ranges = writer.data(tracks)
            writer.texts(_settings(options, labels, tracks, ranges, position))
            writer.texts(_sessions(options, tracks, position))
            writer.texts(_pages(options, models, inputs, tracks, many=many))
            writer.texts({OVERVIEW: overview_page(labels[1], options, models, tracks, links)})
            if options.fasta is not None:
                base = f"{options.assembly}/"
                texts = genome_texts(options, options.fasta, sizes)
                writer.sequence(base + twobit_name(options), options.fasta)
                writer.texts({base + name: text for name, text in texts.items()})
            # A folder comes before what is in it, and the file that names all others at last.
            outputs = sorted(writer.names, key=lambda name: (name == HUB, name.count("/"), name))
            staging.publish_when_done(outputs)
        record = _record(options, models, sizes, outputs, started)
        write_run_json(options.out, record)
    remove_stale(options.out, earlier - set(outputs))
    return HubResult(
        options.out,
        sum(1 for _ in tracks_with_data(tracks)),
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


def _settings(
    options: HubOptions,
    labels: tuple[str, str],
    tracks: Sequence[HubTrack],
    ranges: Mapping[str, Range],
    position: Interval,
) -> dict[str, str]:
    """The files of settings by name: three, or one.

    Args:
        options: of the hub.
        labels: short and long label of the hub.
        tracks: in the order in which the browser is to show them.
        ranges: of each bigWig, by the name of its file.
        position: shown at first where the hub brings its genome.
    """
    base = f"{options.assembly}/"
    short, long = labels
    hub = [("hub", options.hub_name()), ("shortLabel", short), ("longLabel", long)]
    hub.append(("useOneFile", "on") if options.one_file else ("genomesFile", GENOMES))
    hub += [("email", options.email), ("descriptionUrl", OVERVIEW)]
    genome = [("genome", options.assembly)]
    if not options.one_file:
        genome.append(("trackDb", base + TRACKS))
    group = ""
    if options.fasta is not None:
        genome += genome_settings(options, base, position)
        group = GROUP
    if options.one_file:
        stanzas = track_stanzas(tracks, ranges, base=base, group=group)
        return {HUB: file_text([stanza(hub), stanza(genome), *stanzas])}
    return {
        HUB: stanza(hub),
        GENOMES: stanza(genome),
        base + TRACKS: file_text(track_stanzas(tracks, ranges, group=group)),
    }


def _sessions(
    options: HubOptions, tracks: Sequence[HubTrack], position: Interval
) -> dict[str, str]:
    """Both sessions of IGV by name: what the hub draws at first, in its order, colours and scales.

    With the hub's address the paths in them are addresses, so that a session works from anywhere;
    without it they are relative. Where the hub brings no genome, IGV is asked for the assembly.
    """
    url, assembly = options.folder_url, options.assembly

    def address(path: Path) -> str:
        return quote(f"{url or ''}{assembly}/{path}", safe=_AS_GIVEN)

    def place(path: Path) -> str:
        return f"{assembly}/{path}" if url is None else address(path)

    reference: str | dict[str, str] = assembly
    genome = assembly
    if options.fasta is not None:
        twobit = Path(twobit_name(options))
        reference = {"id": assembly, "name": assembly, "twoBitURL": address(twobit)}
        genome = place(twobit)
    shown = list(session_tracks(tracks))
    return session_texts(reference, genome, shown, position, address, place)


def _pages(
    options: HubOptions,
    models: Sequence[HubModel],
    inputs: Inputs,
    tracks: Sequence[HubTrack],
    *,
    many: bool,
) -> dict[str, str]:
    """The description pages that tracks name, by file name."""
    named = {track.page for top in tracks for track in top.walk() if track.page}
    made = {
        model.page(stem): track_page(stem, model, options.email)
        for model in models
        for stem in PAGES
        if model.page(stem) in named
    }
    if COVERAGE_PAGE in named:
        made[COVERAGE_PAGE] = coverage_page(inputs, options.email, many=many)
    return {f"{options.assembly}/{page}.html": text for page, text in made.items()}


def _record(
    options: HubOptions,
    models: Sequence[HubModel],
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
                "name": model.runs.spec.name,
                "sha256": model.runs.samples[0].runs[0].model,
                "samples": {
                    sample.name: [
                        {
                            "kind": run.kind,
                            "started": run.record["started"],
                            "inputs": {item.assay: item.sha256 for item in run.inputs},
                        }
                        for run in sample.runs
                    ]
                    for sample in model.runs.samples
                },
            }
            for model in models
        ],
        "outputs": sorted(outputs),
    }

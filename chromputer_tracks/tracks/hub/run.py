"""A UCSC track hub from runs of ``predict`` and ``explain``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import Interval, parse_region
from chromputer_tracks.io.atomic import output_errors
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.record import GenomeRecord, Report, RunRecord, Silent, file_record
from chromputer_tracks.io.run import run
from chromputer_tracks.io.twobit import write_twobit
from chromputer_tracks.options.fields import recorded
from chromputer_tracks.options.predict import HUB_LONG, HUB_SHORT, HubOptions
from chromputer_tracks.tracks.hub.files import make_data
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
    lay_out,
    sample_names,
)
from chromputer_tracks.tracks.hub.pages import Inputs, coverage_page, overview_page, track_page
from chromputer_tracks.tracks.hub.stanzas import (
    HubTrack,
    Range,
    browser_position,
    file_text,
    identifier,
    session_tracks,
    shorten,
    stanza,
    track_stanzas,
    tracks_with_data,
)
from chromputer_tracks.tracks.igv import JSON_NAME, session_texts
from chromputer_tracks.tracks.runs import ModelRuns, read_runs, verdict_lines

KIND = "hub"
"""What ``run.json`` says wrote the folder."""
HUB = "hub.txt"
"""The file that a browser is given."""
GENOMES, TRACKS, OVERVIEW = "genomes.txt", "trackDb.txt", "hub.html"
BROWSER = "https://genome.ucsc.edu/cgi-bin/hgTracks"
IGV = "https://igv.org/app/"
_PLACES = ("folders", "samples", "inputs", "models", "sizes", "fasta")
"""Options that name files and folders."""
_AS_GIVEN = "/:@[]!$&'()*+,;=%"
"""What an address keeps beside letters, digits and ``_.-~`` (RFC 3986); it may be quoted already.
"""


@dataclass(frozen=True, slots=True)
class HubResult:
    """What was made: how many tracks with data, and how many bytes; a link counts as its file.

    ``url`` is the address of ``hub.txt``, None where it is not known; ``links`` are text and
    address of where to see it, empty without a URL.
    """

    tracks: int
    bytes: int
    url: str | None
    links: tuple[tuple[str, str], ...]
    record: RunRecord


def make_hub(options: HubOptions, report: Report | None = None) -> HubResult:
    """Make a hub: text files, description pages and data, all paths relative to its folder.

    Raises:
        InputError: a run, the genome or an input cannot be used.
        ContigError: contigs of the runs, the assembly and the FASTA do not match.
        FormatError: a data file is damaged, not sorted or lacks zoom levels.
        SpecError: a model cannot be found.
        OutputError: the hub cannot be written.
    """
    report = report or Silent()
    with run(KIND, options, report) as work:
        runs = read_runs(options.folders, options.samples, options.models, contents=True)
        for found in runs:
            if not (options.models or found.spec.metrics):
                report.note(
                    f"note: the pages do not tell the accuracy of model {found.spec.name}, which "
                    "results do not carry: name its folder with --model"
                )
        for line in verdict_lines(runs):
            report.note(line)
        inputs = _inputs(options, runs, report)
        models, tracks = lay_out(runs, inputs)
        sizes = hub_contigs(options, runs, tracks, report)
        if options.position is None:
            position = first_position(tracks, sizes)
        else:
            position = parse_region(options.position, sizes)
        labels = hub_labels(options, [model.spec.name for model in runs], sample_names(runs))
        links = hub_links(options, position)
        ranges = make_data(tracks, options, work.folder, sizes, report)
        texts = _settings(options, labels, tracks, ranges, position)
        texts |= _sessions(options, tracks, position)
        texts |= _pages(options, models, inputs, tracks)
        texts[OVERVIEW] = overview_page(labels[1], options, models, tracks, links)
        if options.fasta is not None:
            own = genome_texts(options, options.fasta, sizes)
            texts |= {f"{options.assembly}/{name}": text for name, text in own.items()}
            report.note(f"writing {twobit_name(options)}")
            with Fasta(options.fasta, options.scratch) as fasta:
                write_twobit(work.folder / options.assembly / twobit_name(options), fasta)
        for name, text in texts.items():
            with output_errors(work.folder / name):
                (work.folder / name).write_text(text, encoding="utf-8", newline="\n")
        spec = runs[0].spec
        genome = GenomeRecord(
            len(sizes),
            sizes.total,
            sizes.digest(),
            spec.assembly,
            sizes.digest() == spec.sizes_digest,
        )
        # A hub is published: its record names no folder of this machine.
        told = {name: value for name, value in recorded(options).items() if name not in _PLACES}
        work.describe(
            {"models": list(map(_shown, runs))},
            genome=genome,
            options=told,
            command="",
            directory="",
        )
    return HubResult(
        sum(1 for _ in tracks_with_data(tracks)),
        sum((options.out / name).stat().st_size for name in work.record.outputs),
        hub_url(options),
        links,
        work.record,
    )


# ---- What a hub is called, and where it is seen.


def folder_url(options: HubOptions) -> str | None:
    """Address of the hub's folder, with a ``/`` behind it; None where it is not known."""
    return None if options.url is None else f"{options.url.removesuffix('/' + HUB).rstrip('/')}/"


def hub_url(options: HubOptions) -> str | None:
    """Address of ``hub.txt``; None where it is not known."""
    folder = folder_url(options)
    return None if folder is None else folder + HUB


def hub_labels(
    options: HubOptions, models: Sequence[str], samples: Sequence[str]
) -> tuple[str, str]:
    """Short and long label of the hub, made of the names of models and samples."""
    # A folder's name tells something only beside others.
    one = samples[0] if len(samples) == 1 and options.samples else ""
    of = f"of {one}, " if one else f"of {len(samples)} samples, " * (len(samples) > 1)
    by = ", ".join(models)
    return (
        shorten(options.short or f"Chromputer {one or 'tracks'}", HUB_SHORT),
        shorten(options.long or f"Chromatin tracks {of}predicted by {by}", HUB_LONG),
    )


def hub_links(options: HubOptions, position: Interval) -> tuple[tuple[str, str], ...]:
    """What the hub is seen with, and its address; nothing without a URL."""
    url = hub_url(options)
    if url is None:
        return ()
    known = options.fasta is None and not options.assembly.startswith(("GCA_", "GCF_"))
    query = {
        "db" if known else "genome": options.assembly,
        "hubUrl": url,
        "position": browser_position(position),
    }
    session = {"sessionURL": f"{folder_url(options)}{JSON_NAME}"}
    return (
        ("UCSC genome browser", f"{BROWSER}?{urlencode(query)}"),
        ("IGV-Web", f"{IGV}?{urlencode(session)}"),
    )


# ---- What is in its files.


def _inputs(options: HubOptions, runs: Sequence[ModelRuns], report: Report) -> Inputs:
    """The inputs to show: those that are where a run found them, or where the user says."""
    if not options.coverage:
        if options.inputs:
            raise InputError("give either --input or --no-coverage, not both")
        return []
    given = {file_record(path).sha256: path for path in options.inputs}
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
    """The files of settings by name, three or one; ``labels`` are the hub's short and long one.

    ``ranges`` are of each bigWig's values, by the name of its file; ``position`` is shown at first
    where the hub brings its genome.
    """
    base = f"{options.assembly}/"
    short, long = labels
    name = options.name or identifier("chromputer", options.assembly.replace(".", "_"))
    hub = [("hub", name), ("shortLabel", short), ("longLabel", long)]
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
    url, assembly = folder_url(options), options.assembly

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
    options: HubOptions, models: Sequence[HubModel], inputs: Inputs, tracks: Sequence[HubTrack]
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
        made[COVERAGE_PAGE] = coverage_page(inputs, options.email, many=models[0].many)
    return {f"{options.assembly}/{page}.html": text for page, text in made.items()}


def _shown(model: ModelRuns) -> dict[str, Any]:
    """What ``run.json`` says of a model that is shown: its runs by sample."""
    samples = {
        sample.name: [
            {
                "kind": run.record.kind,
                "started": run.record.started,
                "inputs": {item.assay: item.sha256 for item in run.inputs},
            }
            for run in sample.runs
        ]
        for sample in model.samples
    }
    first = model.samples[0].runs[0]
    return {"name": model.spec.name, "sha256": first.model.sha256, "samples": samples}

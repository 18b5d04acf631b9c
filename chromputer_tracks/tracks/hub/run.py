"""A UCSC track hub from runs of ``predict`` and ``explain``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.run import output_folder, remove_stale, versions, write_run_json
from chromputer_tracks.intervals import ChromSizes, Interval, check_contigs, parse_region
from chromputer_tracks.io.atomic import Staging, output_errors
from chromputer_tracks.io.bbi import check_bbi, check_known, check_names
from chromputer_tracks.io.bed import Rgb
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.run import Report
from chromputer_tracks.io.twobit import write_twobit
from chromputer_tracks.tracks.browser_tracks import BrowserTrack, Kind
from chromputer_tracks.tracks.hub.files import Kept, is_kept, make_file
from chromputer_tracks.tracks.hub.genome import GROUP, OwnGenome, first_position, read_sizes
from chromputer_tracks.tracks.hub.layout import COVERAGE, KINDS, Plan, coverage_track, model_tracks
from chromputer_tracks.tracks.hub.options import HUB, HubOptions
from chromputer_tracks.tracks.hub.pages import Inputs, coverage_page, overview_page, track_page
from chromputer_tracks.tracks.hub.text import Names, file_text, stanza
from chromputer_tracks.tracks.hub.tracks import BIGWIG, Range, Track, track_stanzas
from chromputer_tracks.tracks.igv.sessions import session_texts
from chromputer_tracks.tracks.runs import ModelRuns, file_digest, read_runs

# ---- Writes the files of a hub into a folder, each checked.

GENOMES, TRACKS, OVERVIEW = "genomes.txt", "trackDb.txt", "hub.html"


class HubWriter:
    """Makes the files in a folder from which they are published.

    Args:
        options: of the hub.
        folder: exists.
        sizes: the genome's contigs.
        report: told how far it is.

    Attributes:
        names: of the files made, relative to the hub.
    """

    def __init__(
        self, options: HubOptions, folder: Path, sizes: ChromSizes, report: Report
    ) -> None:
        self._options = options
        self._folder = folder
        self._sizes = sizes
        self._report = report
        self.names: list[str] = []

    def data(self, tracks: Sequence[Track]) -> dict[str, Range]:
        """Make and check the data of all tracks; returns the range of values by file name.

        Several tracks may show the same file.

        Raises:
            InputError: what a file is made of cannot be used.
            FormatError: a file is damaged, not sorted or lacks zoom levels.
            ContigError: its contigs are not those of the genome.
            OutputError: it cannot be written.
        """
        shown = [item for track in tracks for item in track.walk()]
        wanted = {item.file.name: (item.file, item.type) for item in shown if item.file is not None}
        ranges = {}
        for number, (name, (file, kind)) in enumerate(wanted.items(), 1):
            path = self._new(f"{self._options.assembly}/{name}")
            final = self._options.out / self._options.assembly / name
            make_file(
                file,
                path,
                final,
                self._sizes,
                self._report,
                link=self._options.link,
                scratch=self._options.scratch,
            )
            # A link leads from its final place only; and an error names what the user knows.
            found = check_bbi(file.path if is_kept(file) else path, kind, self._sizes)
            ranges[name] = (found.low, found.high)
            self._report.progress("files", number, len(wanted), "files")
        return ranges

    def texts(self, texts: Mapping[str, str]) -> None:
        """Write text files by name.

        Raises:
            OutputError: one cannot be written.
        """
        for name, text in texts.items():
            with output_errors(self._options.out / name):
                self._new(name).write_text(text, encoding="utf-8", newline="\n")

    def genome(self, own: OwnGenome) -> None:
        """Write the sequence and the text files of a genome that the hub brings.

        Raises:
            InputError: the FASTA cannot be read.
            OutputError: a file cannot be written.
        """
        self._report.note(f"writing {own.twobit}")
        with Fasta(own.fasta) as fasta:
            write_twobit(self._new(f"{own.name}/{own.twobit}"), fasta)
        self.texts({f"{own.name}/{name}": text for name, text in own.texts().items()})

    def _new(self, name: str) -> Path:
        """Where a file is made."""
        path = self._folder / name
        with output_errors(self._options.out / name):
            path.parent.mkdir(parents=True, exist_ok=True)
        self.names.append(name)
        return path


def hub_texts(
    options: HubOptions,
    labels: tuple[str, str],
    tracks: Sequence[Track],
    ranges: Mapping[str, Range],
    own: OwnGenome | None,
    position: Interval,
) -> dict[str, str]:
    """The files of settings by name: three, or one.

    Args:
        options: of the hub.
        labels: short and long label of the hub.
        tracks: in the order in which the browser is to show them.
        ranges: of each bigWig, by the name of its file.
        own: the genome where the hub brings it.
        position: shown at first where it does.
    """
    base = f"{options.assembly}/"
    short, long = labels
    hub = [("hub", options.hub_name()), ("shortLabel", short), ("longLabel", long)]
    hub.append(("useOneFile", "on") if options.one_file else ("genomesFile", GENOMES))
    hub += [("email", options.email), ("descriptionUrl", OVERVIEW)]
    genome = [("genome", options.assembly)]
    if not options.one_file:
        genome.append(("trackDb", base + TRACKS))
    if own is not None:
        genome += own.settings(base, position)
    group = "" if own is None else GROUP
    if options.one_file:
        stanzas = track_stanzas(tracks, ranges, base=base, group=group)
        return {HUB: file_text([stanza(hub), stanza(genome), *stanzas])}
    return {
        HUB: stanza(hub),
        GENOMES: stanza(genome),
        base + TRACKS: file_text(track_stanzas(tracks, ranges, group=group)),
    }


# ---- IGV sessions beside a hub: what it draws at first, in its order, colours and scales.

_AS_GIVEN = "/:@[]!$&'()*+,;=%"
"""What an address keeps beside letters, digits and ``_.-~`` (RFC 3986); it may be quoted already.
"""


def hub_sessions(
    options: HubOptions, tracks: Sequence[Track], own: OwnGenome | None, position: Interval
) -> dict[str, str]:
    """Both sessions by name.

    With the hub's address the paths in them are addresses, so that a session works from anywhere;
    without it they are relative.

    Args:
        options: of the hub.
        tracks: in the order in which the browser is to show them.
        own: the genome where the hub brings it; else IGV is asked for ``options.assembly``.
        position: shown at first.
    """
    url = options.folder_url

    def address(path: Path) -> str:
        return quote(f"{url or ''}{options.assembly}/{path}", safe=_AS_GIVEN)

    def place(path: Path) -> str:
        return f"{options.assembly}/{path}" if url is None else address(path)

    shown = [found for track in tracks for found in _drawn(track, track, {}, None)]
    if own is None:
        reference: str | dict[str, str] = options.assembly
        genome = options.assembly
    else:
        twobit = Path(own.twobit)
        reference = {"id": own.name, "name": own.name, "twoBitURL": address(twobit)}
        genome = place(twobit)
    return session_texts(reference, genome, shown, position, address, place)


def _drawn(
    track: Track, top: Track, inherited: Mapping[str, str], limits: Range | None
) -> Iterator[BrowserTrack]:
    """What the browser draws at first of a track and all that it holds."""
    settings = {**inherited, **dict(track.settings)}
    limits = track.limits or limits
    if settings.get("visibility") == "hide" or not track.on:
        return
    if track.file is not None:
        signal = track.type == BIGWIG
        yield BrowserTrack(
            Path(track.file.name),
            track.short if track.noun in track.short else f"{track.short} {track.noun}",
            track.long,
            top.name,
            _kind(settings, limits, signal=signal),
            "bigwig" if signal else "bigbed",
            _color(settings, "color"),
            _color(settings, "altColor"),
            limits if signal else None,
            top.name if settings.get("autoScale") == "group" else "",
        )
    for child in track.children:
        yield from _drawn(child, top, settings, limits)


def _kind(settings: Mapping[str, str], limits: Range | None, *, signal: bool) -> Kind:
    if not signal:
        # The file has a colour for each state.
        return "calls" if "color" in settings else "states"
    if "logo" in settings:
        return "importance"
    return "signal" if limits is None else "probability"


def _color(settings: Mapping[str, str], key: str) -> Rgb | None:
    if key not in settings:
        return None
    red, green, blue = map(int, settings[key].split(","))
    return red, green, blue


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

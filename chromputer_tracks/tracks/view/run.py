"""A page that shows runs in igv.js, served on loopback; and the same as session files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import Interval, parse_region
from chromputer_tracks.tracks.igv.genome import BrowserGenome, browser_genome
from chromputer_tracks.tracks.igv.json import fasta_reference, igv_js_session
from chromputer_tracks.tracks.igv.sessions import quoted_url, write_sessions
from chromputer_tracks.tracks.igv.tracks import BrowserTrack, browser_tracks
from chromputer_tracks.tracks.runs import ModelRuns, read_runs
from chromputer_tracks.tracks.view.page import page_payload
from chromputer_tracks.tracks.view.server import Content, Log, Resource, ViewServer
from chromputer_tracks.tracks.view.sites import SiteList, first_locus, site_lists

PAGE = "view.html"
PAYLOAD = "view.json"
_STATIC = ("view.css", "view.js", "sites.js", "igv.min.js", "igv.LICENSE.txt")


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """What to show.

    Attributes:
        folders: of runs.
        samples: names of samples and their folders.
        models: where models lie that are not where the runs found them.
        fasta: the genome; None: the one that the runs read.
        tracks: other files to show: BED, GFF, GTF, bigBed, bigWig.
        locus: shown first, such as ``chrI:1,001-2,000``; None: a strong site.
    """

    folders: tuple[Path, ...] = ()
    samples: tuple[tuple[str, Path], ...] = ()
    models: tuple[str, ...] = ()
    fasta: Path | None = None
    tracks: tuple[Path, ...] = ()
    locus: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """All that is shown, read and checked.

    Attributes:
        models: the runs.
        genome: the reference.
        tracks: from top to bottom.
        sites: to go through.
        locus: shown first.
    """

    models: tuple[ModelRuns, ...]
    genome: BrowserGenome
    tracks: tuple[BrowserTrack, ...]
    sites: tuple[SiteList, ...]
    locus: Interval


def read_view(options: ViewOptions) -> View:
    """Read and check all that is to be shown.

    Raises:
        InputError: a folder, the genome or a track cannot be used, or there is nothing to show.
        ContigError: the runs, or the genome, do not match.
        SpecError: a model cannot be found or used.
    """
    if not (options.folders or options.samples):
        raise InputError("name a folder that `chromputer predict` or `chromputer explain` wrote")
    models = read_runs(options.folders, options.samples, options.models)
    run = models[0].samples[0].runs[0]
    genome = browser_genome(run, options.fasta)
    tracks = browser_tracks(models, options.tracks)
    sites = site_lists(tracks, genome.sizes)
    if options.locus is None:
        locus = first_locus(sites, genome.sizes)
    else:
        locus = parse_region(options.locus, genome.sizes)
    return View(models, genome, tracks, sites, locus)


def open_server(view: View, port: int = 0, log: Log | None = None) -> ViewServer:
    """A server of the page and all that it reads; not yet serving.

    Args:
        view: what is shown.
        port: 0 for any free one.
        log: is told of each answer.

    Raises:
        InputError: the name of a file is not UTF-8.
        OutputError: the port cannot be used.
    """
    files = dict(_files(view))
    urls = {path: quoted_url(url) for url, path in files.items()}
    reference = fasta_reference(view.genome, urls.__getitem__)
    session = igv_js_session(reference, view.tracks, view.locus, urls.__getitem__)
    payload = page_payload(view.models, view.tracks, view.sites, session)
    static = resources.files("chromputer_tracks.tracks.view") / "static"
    served: dict[str, Resource] = {f"/{url}": path for url, path in files.items()}
    served["/"] = Content((static / PAGE).read_bytes(), "text/html; charset=utf-8")
    served["/" + PAYLOAD] = Content(json.dumps(payload).encode(), "application/json")
    for name in _STATIC:
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        kind = "text/plain" if name.endswith(".txt") else kind
        served["/static/" + name] = Content((static / name).read_bytes(), f"{kind}; charset=utf-8")
    return ViewServer(served, port, log)


def write_view_sessions(view: View, folder: Path) -> tuple[Path, Path]:
    """Write ``session.json`` and ``session.xml``; see :func:`.igv.sessions.write_sessions`."""
    return write_sessions(folder, view.genome, view.tracks, view.locus)


def _files(view: View) -> Iterator[tuple[str, Path]]:
    """URL, relative to the page and not quoted, and path of each file."""
    genome = view.genome
    # The index of blocks is looked for under the FASTA's name.
    for path in (genome.fasta, genome.fai, genome.gzi):
        if path is not None:
            yield f"genome/{path.name}", path
    for place, track in enumerate(view.tracks):
        yield f"tracks/{place}/{track.path.name}", track.path
        if track.index is not None:
            yield f"tracks/{place}/{track.index.name}", track.index

"""A page that shows runs in igv.js, served on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyBigWig

from chromputer_tracks.errors import ContigError, FormatError, InputError, counted
from chromputer_tracks.intervals import ChromSizes, Interval, parse_region
from chromputer_tracks.io.atomic import atomic_path, check_folder, output_errors
from chromputer_tracks.io.bed import read_site_table
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.genes import read_genes, refflat_text
from chromputer_tracks.options.predict import ViewOptions
from chromputer_tracks.tracks.browser_tracks import (
    COVERAGE,
    GENES,
    NEUTRAL,
    SPAN_COLORS,
    BrowserTrack,
    browser_tracks,
    css_color,
    genes_track,
)
from chromputer_tracks.tracks.igv import (
    BrowserGenome,
    browser_genome,
    fasta_reference,
    igv_js_session,
    quoted_url,
    write_sessions,
)
from chromputer_tracks.tracks.runs import ModelRuns, read_runs
from chromputer_tracks.tracks.view.live import Live, open_live
from chromputer_tracks.tracks.view.server import Content, Log, Resource, ViewServer

PAGE = "view.html"
PAYLOAD = "view.json"
GENES_FILE = "genes.refflat"
"""Genes as they are sent, and beside sessions; with ``.gz`` among the examples."""
_PACKAGE = Path(__file__).resolve().parents[2]
_STATIC = (
    "view.css", "view.js", "sites.js", "text.js", "ask.js", "live.js", "vplot.js", "colors.js",
    "igv.min.js", "igv.LICENSE.txt",
)  # fmt: skip

MOST_SITES = 200
"""Most sites of a label that are listed."""
_FLANK = 250
"""bp on each side of a site's centre in which its most important bases are sought."""
_MOTIF = 15
"""bp: of the stretch with the largest sum of importance."""
_LIVE_HEIGHT = 35
_FIRST_WIDTH = 10_000
"""bp shown at first."""


@dataclass(frozen=True, slots=True)
class SiteList:
    """Sites of a label, the strongest first.

    Attributes:
        group: the tracks' group.
        name: shown.
        explained: whether there are contributions at the sites.
        places: contig and base of each, 0-based: the middle of its most important bases where it is
            explained, else its summit, of a call the middle of its most likely bin (by the rule of
            :func:`~chromputer_tracks.io.bed.read_site_table`).
        total: number of sites, of which those are the strongest.
    """

    group: str
    name: str
    explained: bool
    places: tuple[tuple[str, int], ...]
    total: int


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """All that is shown, read and checked: tracks from top to bottom, sites to go through.

    ``genes`` are the lines of the track of genes, which has no file yet; empty where there is none.
    ``live`` answers what depends on the place in view; ``locus`` is shown first.
    """

    models: tuple[ModelRuns, ...]
    genome: BrowserGenome
    tracks: tuple[BrowserTrack, ...]
    sites: tuple[SiteList, ...]
    locus: Interval
    genes: str
    live: Live


def read_view(options: ViewOptions) -> View:
    """Read and check all that is to be shown.

    Raises:
        InputError: a folder, the genome or a track cannot be used, or there is nothing to show.
        ContigError: the runs, or the genome, do not match.
        SpecError: a model cannot be found or used.
        FormatError, BoundsError: the genes cannot be read.
    """
    if not (options.folders or options.samples):
        raise InputError("name a folder that `chromputer predict` or `chromputer explain` wrote")
    models = read_runs(options.folders, options.samples, options.models)
    run = models[0].samples[0].runs[0]
    genome = browser_genome(run, options.fasta)
    for name in genome.sizes:
        if {"<", ">"} & set(name):
            raise ContigError(
                f"{genome.fasta}: the contig {name!r} has '<' or '>' in its name, which a browser "
                "takes for HTML, and SAM and VCF do not allow: rename it"
            )
    genes, shown = _genes(options.genes, genome.sizes)
    tracks = (*shown, *browser_tracks(models, options.tracks))
    sites = site_lists(tracks, genome.sizes)
    if options.locus is None:
        locus = first_locus(sites, genome.sizes)
    else:
        locus = parse_region(options.locus, genome.sizes)
    live = open_live(models, genome.sizes, options.scratch)
    return View(models, genome, tracks, sites, locus, genes, live)


def _genes(path: Path | None, sizes: ChromSizes) -> tuple[str, tuple[BrowserTrack, ...]]:
    """Lines of refFlat and their track: of a file, else of the genome whose genes ship."""
    source = shipped_genes(sizes) if path is None else path
    if source is None:
        return "", ()
    table = read_genes(source, sizes)
    about = f"{counted(len(table), 'gene')} of {source.name}"
    if table.dropped:
        about += f"; {table.dropped:,} on contigs that the genome lacks are left out"
    return refflat_text(table.genes), (genes_track(Path(GENES_FILE), about),)


def shipped_genes(sizes: ChromSizes) -> Path | None:
    """The genes that come with the package, where a genome is theirs (sacCer3)."""
    for place in (_PACKAGE / "_examples" / "yeast", _PACKAGE.parent / "examples" / "yeast"):
        genes, fasta = place / f"{GENES_FILE}.gz", place / "sacCer3.fa.gz"
        if genes.is_file() and fasta.is_file():
            with Fasta(fasta) as genome:
                if genome.sizes.digest() == sizes.digest():
                    return genes
    return None


def write_view_sessions(folder: Path, view: View) -> tuple[Path, Path]:
    """Write sessions of what is shown, and the genes beside them; returns the sessions.

    Raises:
        InputError: the name of a file is not UTF-8.
        OutputError: they cannot be written.
    """
    tracks = view.tracks
    if view.genes:
        check_folder(folder)
        path = folder / GENES_FILE
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary, output_errors(path):
            temporary.write_text(view.genes, encoding="utf-8")
        tracks = tuple(replace(track, path=path) if _is_genes(track) else track for track in tracks)
    return write_sessions(folder, view.genome, tracks, view.locus)


def _is_genes(track: BrowserTrack) -> bool:
    return track.group == GENES and track.path == Path(GENES_FILE)


def open_server(
    view: View, port: int = 0, log: Log | None = None, token: str | None = None
) -> ViewServer:
    """A server of the page and all that it reads; not yet serving. It closes the view's live part.

    Port 0 is any free one; ``log`` is called with a line for each answer; with a ``token`` it
    answers only who has it.

    Raises:
        InputError: the name of a file is not UTF-8.
        OutputError: the port cannot be used.
    """
    files = dict(_files(view))
    files_of = {path: url for url, path in files.items()}
    urls = {path: quoted_url(url) for path, url in files_of.items()}
    reference = fasta_reference(view.genome, urls.__getitem__)
    session = igv_js_session(reference, view.tracks, view.locus, urls.__getitem__)
    payload = page_payload(view.models, view.tracks, view.sites, session)
    add_live(payload, view.live, sum(track.kind == "features" for track in view.tracks))
    static = resources.files("chromputer_tracks.tracks.view") / "static"
    served: dict[str, Resource] = {f"/{url}": path for url, path in files.items()}
    served |= view.live.routes()
    for track in view.tracks:
        if _is_genes(track):
            url = f"/{files_of[track.path]}"
            served[url] = Content(view.genes.encode(), "text/plain; charset=utf-8")
    served["/"] = Content((static / PAGE).read_bytes(), "text/html; charset=utf-8")
    served["/" + PAYLOAD] = Content(json.dumps(payload).encode(), "application/json")
    for name in _STATIC:
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        kind = "text/plain" if name.endswith(".txt") else kind
        served["/static/" + name] = Content((static / name).read_bytes(), f"{kind}; charset=utf-8")
    return ViewServer(served, port, log, token, view.live.close)


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


# ---- What the page of ``chromputer view`` is sent: the session, a legend, groups of tracks, sites.


def page_payload(
    models: Sequence[ModelRuns],
    tracks: Sequence[BrowserTrack],
    sites: Sequence[SiteList],
    session: Mapping[str, Any],
) -> dict[str, Any]:
    """The object that ``view.js`` reads, ready for JSON.

    Tracks are in the order of ``session``, that of igv.js; ``sites`` are to go through.
    """
    samples = [sample.name for runs in models for sample in runs.samples]
    return {
        "title": ", ".join(dict.fromkeys(samples)),
        "model": ", ".join(dict.fromkeys(runs.spec.name for runs in models)),
        "assembly": session["reference"]["name"],
        "session": session,
        "legend": _legend(models, tracks),
        "groups": _groups(tracks),
        "sites": [
            {key: getattr(item, key) for key in ("group", "name", "explained", "places", "total")}
            for item in sites
        ],
    }


def add_live(payload: dict[str, Any], live: Live, features: int) -> None:
    """Add tracks and pictures of the samples' fragments to what the page is sent.

    The tracks stand below the ``features`` that are on top. They have no file: the page asks for
    what is in view.
    """
    about = live.about()
    payload["live"] = about
    tracks, group = payload["session"]["tracks"], []
    many = len(about["fragments"]) > 1
    for source, item in enumerate(about["fragments"]):
        if item["missing"]:
            continue
        first, last = item["nucleosomal"]
        shown = (
            ("cuts", "cut sites", "Ends of the fragments, where Tn5 cut, per bp", COVERAGE),
            (
                "nucleosomes",
                f"fragments {first}-{last - 1} bp",
                f"Fragments of {first} to {last - 1} bp over each base: most hold one nucleosome",
                SPAN_COLORS[1],
            ),
        )
        for kind, name, what, color in shown:
            group.append(len(tracks))
            tracks.append(
                {
                    "name": f"{item['name']} {name}" if many else name.capitalize(),
                    "type": "wig",
                    "live": {"source": source, "kind": kind},
                    "order": features + len(group) / 1000,
                    "height": _LIVE_HEIGHT,
                    "color": css_color(color),
                    "autoscale": True,
                    "metadata": {"Shows": what},
                }
            )
    if group:
        added = {"name": "Input", "color": css_color(COVERAGE), "tracks": group, "label": False}
        on_top = sum(item["tracks"][0] < features for item in payload["groups"])
        payload["groups"].insert(on_top, added)


def _legend(models: Sequence[ModelRuns], tracks: Sequence[BrowserTrack]) -> list[dict[str, str]]:
    """Name, full name and colour of each state of the models whose states are shown."""
    if not any(track.kind == "states" for track in tracks):
        return []
    states = {
        (label.name, label.title, css_color(label.color)): None
        for runs in models
        for head in runs.spec.heads
        if head.kind == "states"
        for label in head.labels
    }
    return [{"name": name, "title": title, "color": color} for name, title, color in states]


def _groups(tracks: Sequence[BrowserTrack]) -> list[dict[str, Any]]:
    """Groups in the order of their first tracks, with the tracks' places in the session."""
    found: dict[str, dict[str, Any]] = {}
    for place, track in enumerate(tracks):
        group = found.setdefault(
            track.group,
            {
                "name": track.group,
                "color": css_color(track.color or NEUTRAL),
                "tracks": [],
                "label": track.label is not None,
            },
        )
        group["tracks"].append(place)
    return list(found.values())


# ---- Places worth a look: the strongest explained sites and calls of each label.


def site_lists(tracks: Sequence[BrowserTrack], sizes: ChromSizes) -> tuple[SiteList, ...]:
    """A list for each track of explained sites, and of calls of what is not explained in a sample.

    Raises:
        InputError: a BED file cannot be read.
        FormatError: a file is damaged.
    """
    explained = {(track.sample, track.group) for track in tracks if track.kind == "sites"}
    importance = {track.path.parent: track for track in tracks if track.kind == "importance"}
    found = []
    for track in tracks:
        called = track.kind == "calls" and (track.sample, track.group) not in explained
        if track.kind == "sites" or called:
            table = read_site_table(track.path, sizes)
            # The highest scores, equal ones in file order.
            order = np.argsort(-np.nan_to_num(table.numbers(5)), kind="stable")
            kept = table.select(order[:MOST_SITES])
            places = list(zip(kept.chroms, kept.centre.tolist(), strict=True))
            letters = importance.get(track.path.parent) if track.kind == "sites" else None
            if letters is not None:
                places = _most_important(letters, places, sizes)
            found.append(
                SiteList(track.group, track.name, track.kind == "sites", tuple(places), len(table))
            )
    return tuple(found)


def first_locus(lists: Sequence[SiteList], sizes: ChromSizes) -> Interval:
    """The surroundings of the first explained site, else of the first call, else a contig's start.

    Returns:
        up to 10 kb, inside the contig.
    """
    ordered = sorted(lists, key=lambda item: not item.explained)
    chrom, centre = next(
        (item.places[0] for item in ordered if item.places), (next(iter(sizes)), 0)
    )
    wanted = Interval.centred(chrom, centre, _FIRST_WIDTH)
    start = max(0, min(wanted.start, sizes[chrom] - _FIRST_WIDTH))
    return Interval(chrom, start, min(start + _FIRST_WIDTH, sizes[chrom]))


def _most_important(
    track: BrowserTrack, places: Sequence[tuple[str, int]], sizes: ChromSizes
) -> list[tuple[str, int]]:
    """Each place moved to the middle of the bases near it that contribute most.

    Raises:
        FormatError: the bigWig is damaged.
    """
    moved = []
    try:
        file: Any = pyBigWig.open(str(track.path))
        try:
            for chrom, centre in places:
                start, end = max(0, centre - _FLANK), min(sizes[chrom], centre + _FLANK)
                values = np.nan_to_num(file.values(chrom, start, end, numpy=True))
                sums = np.convolve(values, np.ones(_MOTIF), "same")
                # Of a contig shorter than a motif there are more sums than bases.
                moved.append((chrom, min(start + int(sums.argmax()), end - 1)))
        finally:
            file.close()
    except RuntimeError as error:
        raise FormatError(
            f"{track.path} cannot be read as bigWig ({error}): run it again"
        ) from error
    return moved

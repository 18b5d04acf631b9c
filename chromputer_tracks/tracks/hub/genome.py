"""The genome of a hub: one that UCSC's browser has, or one that the hub brings along."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from chromputer_tracks.errors import ContigError, FormatError, InputError
from chromputer_tracks.intervals import ChromSizes, Interval, check_contigs
from chromputer_tracks.io.bbi import check_bbi
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.record import Report, file_record
from chromputer_tracks.io.text import numbered_lines
from chromputer_tracks.options.predict import HubOptions
from chromputer_tracks.tracks.hub.pages import render
from chromputer_tracks.tracks.hub.stanzas import (
    BIGWIG,
    HubTrack,
    browser_position,
    plain,
    stanza,
    tracks_with_data,
)
from chromputer_tracks.tracks.runs import ModelRuns

GROUP = "chromputer"
"""The group of all tracks where the hub brings its own genome."""
GROUPS, SIZES, PAGE = "groups.txt", "chrom.sizes", "description.html"
"""Files of such a genome, beside its 2bit."""

_FLANK = 5_000
_START = 100_000
_ORDER = "4800"


def hub_contigs(
    options: HubOptions, models: Sequence[ModelRuns], tracks: Sequence[HubTrack], report: Report
) -> ChromSizes:
    """The contigs of the hub's genome, compared with those of the tracks.

    Raises:
        ContigError: they do not match, or are not those of the assembly.
        InputError: a file cannot be read.
    """
    path = next(
        shown.path
        for track, shown in tracks_with_data(tracks)
        if track.type == BIGWIG and track.input is None
    )
    contigs = check_bbi(path, BIGWIG, None).contigs
    if options.fasta is not None:
        with Fasta(options.fasta, options.scratch, report.note) as fasta:
            sizes = fasta.sizes
        check_contigs(contigs, str(path), sizes)
        return sizes
    check_names(contigs, options.assembly, str(path))
    known = check_known(contigs, options.assembly, str(path))
    if options.sizes is not None:
        sizes = read_sizes(options.sizes)
        check_contigs(contigs, str(path), sizes)
        return sizes
    sizes = ChromSizes(contigs, source=str(path))
    if not known and (options.assembly, sizes.digest()) not in [
        (model.spec.assembly, model.spec.sizes_digest) for model in models
    ]:
        report.note(
            f"note: contigs are not compared with those of {options.assembly}; give its "
            "chrom.sizes with --sizes to do so"
        )
    return sizes


def read_sizes(path: Path) -> ChromSizes:
    """Contigs and their lengths from a ``chrom.sizes`` or ``.fai`` file.

    Raises:
        InputError: it cannot be read or holds no line.
        FormatError: a line has no name and length, or a name comes twice.
    """
    sizes: dict[str, int] = {}
    for line in numbered_lines(path):
        name, *rest = line.fields
        if not (name and rest and rest[0].isdecimal()):
            raise FormatError(
                f"{path} line {line.number} is not a name and a length with a tab between them"
            )
        if name in sizes:
            raise FormatError(f"{path} line {line.number}: {name} comes twice")
        sizes[name] = int(rest[0])
    if not sizes:
        raise InputError(f"{path} is empty; give a chrom.sizes or .fai file")
    return ChromSizes(sizes, source=str(path))


def first_position(tracks: Sequence[HubTrack], sizes: ChromSizes) -> Interval:
    """What is shown at first: the strongest explained site or call, else a contig's start."""
    data = [shown for _, shown in tracks_with_data(tracks)]
    beds = [track.path for kind in ("sites", "calls") for track in data if track.kind == kind]
    if beds:
        table = read_bed(beds[0], sizes)
        row = 0 if table.scores is None else int(table.scores.argmax())
        chrom, centre = table.places[row]
        start = max(centre - _FLANK, 0)
        return Interval(chrom, start, min(start + 2 * _FLANK, sizes[chrom]))
    chrom = next(iter(sizes))
    return Interval(chrom, 0, min(sizes[chrom], _START))


# ---- A genome that UCSC's browser lacks: ``options.fasta``.


def twobit_name(options: HubOptions) -> str:
    """Name of the genome's sequence file."""
    return f"{options.assembly}.2bit"


def genome_settings(options: HubOptions, base: str, position: Interval) -> list[tuple[str, str]]:
    """The genome's lines in ``genomes.txt``; ``base`` is its folder, with a ``/`` behind it."""
    lines = [
        ("groups", base + GROUPS),
        ("description", plain(_description(options))),
        ("twoBitPath", base + twobit_name(options)),
        ("chromSizes", base + SIZES),
        ("organism", plain(options.organism or options.assembly)),
        ("defaultPos", browser_position(position)),
        ("orderKey", _ORDER),
    ]
    if options.scientific_name:
        lines.append(("scientificName", plain(options.scientific_name)))
    return [*lines, ("htmlPath", base + PAGE)]


def genome_texts(options: HubOptions, fasta: Path, sizes: ChromSizes) -> dict[str, str]:
    """The genome's text files by name."""
    group = {"name": GROUP, "label": "Chromputer", "priority": "1", "defaultIsClosed": "0"}
    longest = max(sizes, key=lambda name: sizes[name])
    page = render(
        "assembly",
        {
            "organism": options.organism or options.assembly,
            "description": _description(options),
            "contigs": f"{len(sizes):,}",
            "bases": f"{sizes.total:,}",
            "longest": f"{longest}, {sizes[longest]:,} bp",
            "fasta": fasta.name,
            "sha256": file_record(fasta).sha256,
        },
    )
    lines = "".join(f"{name}\t{size}\n" for name, size in sizes.items())
    return {GROUPS: stanza([*group.items()]), SIZES: lines, PAGE: page}


def _description(options: HubOptions) -> str:
    return options.description or f"Assembly {options.assembly}"


# ---- Whether contigs are those of an assembly at UCSC.

_BARE = re.compile(r"\d+[LR]?|[IVX]+|[XYWZ]|MT?|Mito", re.IGNORECASE)
"""Names of chromosomes that UCSC begins with ``chr``."""
_KNOWN = {
    "hg18": ("chr1", 247_249_719),
    "hg19": ("chr1", 249_250_621),
    "hg38": ("chr1", 248_956_422),
    "mm9": ("chr1", 197_195_432),
    "mm10": ("chr1", 195_471_971),
    "mm39": ("chr1", 195_154_279),
    "rn7": ("chr1", 260_522_016),
    "danRer11": ("chr1", 59_578_282),
    "dm3": ("chr2L", 23_011_544),
    "dm6": ("chr2L", 23_513_712),
    "ce11": ("chrI", 15_072_434),
    "sacCer3": ("chrI", 230_218),
}
"""A contig of assemblies at UCSC, and its length (bp), which no other of them has."""


def check_names(contigs: dict[str, int], assembly: str, source: str) -> None:
    """Check that the contigs of tracks are called as UCSC calls those of its own assemblies.

    Those of assemblies with accession numbers (``GCA_``, ``GCF_``) have several names there.
    ``source`` says where the contigs come from, for messages.

    Raises:
        ContigError: chromosomes are called ``1``, ``I``, ``X`` or ``MT``.
    """
    if assembly.startswith(("GCA_", "GCF_")):
        return
    bare = [name for name in contigs if _BARE.fullmatch(name)]
    if bare:
        raise ContigError(
            f"{source}: contig {bare[0]!r} is called {'chr' + bare[0]!r} in UCSC's {assembly}, "
            "where these tracks would stay empty: run `chromputer predict` with a FASTA that has "
            "UCSC's names, or give your FASTA with --fasta, and the hub brings its own genome"
        )


def check_known(contigs: dict[str, int], assembly: str, source: str) -> bool:
    """Compare contigs with one of those of a common assembly at UCSC; whether that was possible.

    ``source`` says where the contigs come from, for messages.

    Raises:
        ContigError: they are of another assembly.
    """
    if assembly not in _KNOWN:
        return False
    name, size = _KNOWN[assembly]
    if contigs.get(name) == size:
        return True
    other = next((key for key, (c, bases) in _KNOWN.items() if contigs.get(c) == bases), None)
    if name not in contigs and other is None:
        return False
    contig = name if other is None else _KNOWN[other][0]
    found = f"{contig} has {contigs[contig]:,} bp"
    theirs = f"{found}, as in {other}" if other else f"{found}, in {assembly} {size:,} bp"
    raise ContigError(
        f"{source} is not of UCSC's {assembly}: {theirs}; give the assembly of these tracks with "
        "--assembly"
    )

"""What the functions of the interface take: models, genomes, fragments and regions."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from operator import index
from pathlib import Path

from chromputer_tracks.data.features import Assay
from chromputer_tracks.errors import ContigError, FormatError, InputError
from chromputer_tracks.inference.registry import Model, load_model
from chromputer_tracks.inference.sample import Source, assay_sources, check_same_genome, unusual
from chromputer_tracks.intervals import ChromSizes, Interval, parse_region
from chromputer_tracks.io.assays import BigWigSource
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.fragments import FragmentOptions
from chromputer_tracks.tracks.explain.sites import region_sites

Genome = Fasta | str | Path
"""An open genome, or the path of a FASTA with its ``.fai``."""
FragmentFile = FragmentStore | str | Path
"""Fragments opened for many calls, or the path of a BAM, fragment file or BEDPE."""
AssayFile = Assay | str | Path
"""The same, or a bigWig."""

Regions = str | Path | Interval | Iterable[Interval | str]
"""Where: an :class:`~chromputer_tracks.intervals.Interval`, a region as browsers show it
(``chrI:1,001-2,000``) or a contig's name, several of these, or the path of a BED file. A string
that is a region of the genome is never taken for a path."""

_DEFAULT_OPTIONS = FragmentOptions()


def open_model(model: Model | str | Path) -> Model:
    """A model that may be open already.

    Raises:
        SpecError: see :func:`~chromputer_tracks.inference.registry.load_model`.
        InputError: it is neither a model nor a path.
    """
    if isinstance(model, Model | str):
        return model if isinstance(model, Model) else load_model(model)
    return load_model(_path(model, "model", "load_model"))


def _path(value: str | Path, what: str, opener: str) -> Path:
    """A path, also where a caller without types gave something else.

    Raises:
        InputError: it is no path; the message names what can be given.
    """
    if isinstance(value, str | os.PathLike):
        return Path(value)
    raise InputError(
        f"{what}: give a path or what {opener} returns, not an object of type "
        f"{type(value).__name__}"
    )


def open_genome(path: str | Path) -> Fasta:
    """Open a genome, for its contigs (``sizes``) and bases (``fetch``); a context manager.

    Args:
        path: FASTA, plain or compressed with bgzip, with its ``.fai`` (and ``.gzi``) beside it.

    Raises:
        InputError: the file is missing, unreadable, empty, or gzip that is not bgzip.
        FormatError: it is not FASTA, or was cut off.
        FileIndexError: an index is missing or stale.
    """
    return Fasta(Path(path))


def open_fragments(
    path: str | Path,
    genome: Genome,
    options: FragmentOptions = _DEFAULT_OPTIONS,
    *,
    scratch: str | Path | None = None,
) -> FragmentStore:
    """Read a file of fragments once, for many calls; a context manager.

    The fragments lie in scratch files (16 bytes each) until the store is closed.

    Args:
        path: BAM in any order, fragment file or BEDPE.
        genome: a FASTA or what :func:`open_genome` gives; the authority on contigs.
        options: which fragments count, and where their ends lie.
        scratch: folder for the scratch files; None: TMPDIR.

    Raises:
        InputError: the file cannot be read, or does not fit the genome.
        FormatError: it is malformed or truncated.
        OutputError: the scratch files cannot be written.
    """
    folder = None if scratch is None else Path(scratch)
    return FragmentStore.build(Path(path), contigs(genome), options, scratch=folder)


def contigs(fasta: Genome) -> ChromSizes:
    """A genome's contigs.

    Raises:
        InputError: see :func:`open_genome`.
    """
    if isinstance(fasta, Fasta):
        return fasta.sizes
    with Fasta(genome_path(fasta)) as genome:
        return genome.sizes


def genome_path(fasta: Genome) -> Path:
    """A genome's file."""
    return fasta.path if isinstance(fasta, Fasta) else _path(fasta, "fasta", "open_genome")


def warn_of(model: Model, sizes: ChromSizes, fragments: FragmentFile | None) -> None:
    """Warn, at the line that calls the caller, of what is unusual but may be meant."""
    for sentence in unusual(model, sizes, fragments):
        warnings.warn(sentence, stacklevel=3)


def place(region: Interval | str, sizes: ChromSizes, what: str) -> Interval:
    """One region as an interval of plain integers; an Interval may leave its contig.

    Args:
        region: an Interval, also of numpy's integers, or text.
        sizes: the genome's contigs.
        what: the argument that it came in.

    Raises:
        InputError: it is neither, or the text is no region of the genome.
    """
    if isinstance(region, str):
        return parse_region(region, sizes)
    if not isinstance(region, Interval):
        raise InputError(
            f"{what}: {region!r} is no region: write Interval('chrI', 1000, 2000), 0-based and "
            "half-open, or 'chrI:1,001-2,000'"
        )
    try:
        return Interval(region.chrom, index(region.start), index(region.end))
    except TypeError:
        raise InputError(f"{what}: start and end of {region!r} must be whole numbers") from None


def _region_or_path(text: str, sizes: ChromSizes) -> Interval | Path:
    try:
        return parse_region(text, sizes)
    except (ContigError, FormatError) as error:
        path = Path(text)
        if path.exists():
            return path
        why = str(error)
    raise InputError(f"{text!r} is neither a file nor a region: {why}")


def _parsed(regions: Regions, sizes: ChromSizes) -> Path | list[Interval]:
    """A BED's path, or intervals inside their contigs."""
    found = _region_or_path(regions, sizes) if isinstance(regions, str) else regions
    if isinstance(found, Path):
        return found
    # A table of pandas or polars gives its columns' names, not its rows.
    if not isinstance(found, Interval) and (
        not isinstance(found, Iterable) or isinstance(found, bytes) or hasattr(found, "columns")
    ):
        raise InputError(
            f"regions: give a region, several, or the path of a BED file, not an object of type "
            f"{type(found).__name__}; a table's rows are map(Interval, chroms, starts, ends)"
        )
    items = [found] if isinstance(found, Interval) else list(found)
    if not items:
        raise InputError("regions holds no region")
    return [sizes.check(place(item, sizes, "regions"), "regions") for item in items]


def intervals(regions: Regions, sizes: ChromSizes) -> list[Interval]:
    """The regions, inside their contigs, in the order given.

    Raises:
        InputError: there is none, one leaves its contig, or the BED cannot be used.
    """
    found = _parsed(regions, sizes)
    if isinstance(found, Path):
        return [record.interval for record in read_bed(found, sizes)]
    return found


def centres(regions: Regions, sizes: ChromSizes) -> list[tuple[str, int]]:
    """Contig and centre (bp, 0-based) of each region, as ``chromputer explain`` takes them.

    Raises:
        InputError: see :func:`intervals`.
    """
    found = _parsed(regions, sizes)
    if isinstance(found, Path):
        return [(site.chrom, site.centre) for site in region_sites(found, sizes).sites]
    return [(item.chrom, item.centre) for item in found]


def given_sources(
    model: Model,
    fragments: FragmentFile | None,
    assays: Mapping[str, AssayFile] | None,
    sizes: ChromSizes,
) -> dict[str, Source]:
    """What holds each assay that the model reads, open or a path.

    Args:
        model: says which.
        fragments: of the one assay of fragments that ``assays`` does not name.
        assays: by name.
        sizes: the genome's contigs, with which open ones were opened.

    Raises:
        InputError: one is missing, unknown, unreadable, of another kind or of another genome.
    """
    if not isinstance(assays, Mapping | None):
        raise InputError(f"assays: give files by name, such as {{'atac': file}}, not {assays!r}")
    given = {name: _source(source, f"assay {name!r}") for name, source in (assays or {}).items()}
    first = None if fragments is None else _source(fragments, "fragments")
    for source in (first, *given.values()):
        if source is not None and not isinstance(source, Path):
            check_same_genome(source, sizes)
    return assay_sources(model, first, given, flags=False)


def _source(source: AssayFile, what: str) -> Source:
    if isinstance(source, FragmentStore | BigWigSource):
        return source
    return _path(source, what, "open_fragments")

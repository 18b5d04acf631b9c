"""What the functions of the interface take: models, genomes, fragments and regions."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from operator import index
from pathlib import Path

from chromputer_tracks.data.features import Assay, Features, check_kind
from chromputer_tracks.errors import ContigError, FormatError, InputError
from chromputer_tracks.inference.registry import Model, load_model
from chromputer_tracks.intervals import ChromSizes, Interval, parse_region
from chromputer_tracks.io.assays import BigWigSource, is_bigwig, open_assay
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.fragments import FragmentOptions
from chromputer_tracks.spec import ModelSpec
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
    if sizes.digest() != model.spec.sizes_digest:
        warnings.warn(
            f"{sizes.source} is not the assembly that the model {model.name} was trained on "
            f"({model.spec.assembly}); its figures on other genomes are not known",
            stacklevel=3,
        )
    if fragments is not None and not any(item.assay for item in model.spec.inputs):
        warnings.warn(
            f"model {model.name} reads DNA only; fragments are not read",
            stacklevel=3,
        )


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


def assay_sources(
    model: Model,
    fragments: FragmentFile | None,
    assays: Mapping[str, AssayFile] | None,
    sizes: ChromSizes,
) -> dict[str, Assay | Path]:
    """What holds each assay that the model reads, open or a path.

    Args:
        model: says which.
        fragments: of the one assay of fragments that ``assays`` does not name.
        assays: by name.
        sizes: the genome's contigs, with which open ones were opened.

    Raises:
        InputError: one is missing, unknown, unreadable, of another kind or of another genome.
    """
    inputs = [item for item in model.spec.inputs if item.assay]
    needed = dict.fromkeys(item.assay for item in inputs)
    if not isinstance(assays, Mapping | None):
        raise InputError(f"assays: give files by name, such as {{'atac': file}}, not {assays!r}")
    given = dict(assays or {})
    for name in given:
        if name not in needed:
            raise InputError(
                f"assays: model {model.name} reads no {name!r}; it reads "
                f"{', '.join(needed) or 'DNA only'}"
            )
    if fragments is not None and needed:
        of_fragments = dict.fromkeys(item.assay for item in inputs if item.measure != "values")
        free = [name for name in of_fragments if name not in given]
        if len(free) != 1:
            raise InputError(
                f"model {model.name} reads fragments of {', '.join(of_fragments) or 'no assay'}: "
                "give each file by its name in assays, and no fragments"
            )
        given[free[0]] = fragments
    missing = [name for name in needed if name not in given]
    if missing:
        raise InputError(
            f"model {model.name} reads {', '.join(needed)}: {missing[0]} is missing; give "
            f"fragments, or assays={{{missing[0]!r}: file}}"
        )
    sources = {
        name: source
        if isinstance(source, FragmentStore | BigWigSource)
        else _path(source, f"fragments or assay {name!r}", "open_fragments")
        for name, source in given.items()
    }
    for source in sources.values():
        if not isinstance(source, Path) and dict(source.sizes) != dict(sizes):
            raise InputError(
                f"fragments were opened with the contigs of {source.sizes.source}, which are not "
                f"those of {sizes.source}: open them with this genome"
            )
    for item in inputs:
        source = sources[item.assay]
        bigwig = is_bigwig(source) if isinstance(source, Path) else isinstance(source, BigWigSource)
        where = source if isinstance(source, Path) else f"assay {item.assay!r}"
        check_kind(item, str(where), bigwig=bigwig)
    return sources


def open_features(
    stack: ExitStack, spec: ModelSpec, fasta: Path, sources: Mapping[str, Assay | Path]
) -> Features:
    """The maker of a model's input arrays.

    Args:
        stack: closes what is opened here; what was open stays so.
        spec: of the model.
        fasta: the genome.
        sources: from :func:`assay_sources`.

    Raises:
        InputError: a file cannot be used.
    """
    genome = stack.enter_context(Fasta(fasta))
    opened: dict[str, Assay] = {}
    for name, source in sources.items():
        opened[name] = (
            open_assay(stack, source, genome.sizes, _DEFAULT_OPTIONS)
            if isinstance(source, Path)
            else source
        )
    return Features(spec.inputs, genome, opened)

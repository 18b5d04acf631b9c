"""The Python interface: predictions, contributions and V-plots as numpy arrays.

``import chromputer_tracks as ct`` gives all of it as ``ct.predict``, ``ct.explain`` and so on.
Nothing here prints: what a user should hear of is a warning, what they can mend is a
:class:`~chromputer_tracks.errors.ChromputerError`.
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, fields
from operator import index
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import DEFAULT_BIN, DEFAULT_LENGTH_EDGES, Assay, Features
from chromputer_tracks.data.features import vplot as count_vplot
from chromputer_tracks.errors import ContigError, FormatError, InputError, counted
from chromputer_tracks.inference.explain import (
    DEFAULT_REFERENCES,
    Contributions,
    Explainer,
    Method,
    head_weights,
    mean_baselines,
    open_explainer,
)
from chromputer_tracks.inference.genome import Prediction, predict_regions, region_bins
from chromputer_tracks.inference.sample import (
    Source,
    assay_sources,
    check_same_genome,
    open_sources,
    unusual,
)
from chromputer_tracks.inference.session import (
    Model,
    ProviderChoice,
    Session,
    idle_gpu,
    load_model,
    open_session,
)
from chromputer_tracks.intervals import ChromSizes, Interval, parse_region
from chromputer_tracks.io.assays import BigWigSource
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore, GivenDepth
from chromputer_tracks.io.fragments import FragmentOptions
from chromputer_tracks.spec import ModelSpec, model_labels
from chromputer_tracks.tracks.explain.sites import region_sites

# What the functions take: models, genomes, fragments and regions.

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
        SpecError: see :func:`~chromputer_tracks.inference.session.load_model`.
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
        path: FASTA, plain or compressed with bgzip. Its ``.fai`` (and ``.gzi``) is made beside it
            where it is missing; see :class:`~chromputer_tracks.io.fasta.Fasta`.

    Raises:
        InputError: the file is missing, unreadable, empty, or gzip that is not bgzip.
        FormatError: it is not FASTA, cannot be indexed, or was cut off.
        FileIndexError: an index is stale.
    """
    return Fasta(Path(path))


def open_fragments(
    path: str | Path,
    genome: Genome,
    options: FragmentOptions = _DEFAULT_OPTIONS,
    *,
    depth: float | Regions | None = None,
    scratch: str | Path | None = None,
) -> FragmentStore:
    """Read a file of fragments once, for many calls; a context manager.

    The fragments lie in scratch files (16 bytes each) until the store is closed.

    Args:
        path: BAM in any order, fragment file or BEDPE.
        genome: a FASTA or what :func:`open_genome` gives; the authority on contigs.
        options: which fragments count, and where their ends lie.
        depth: where the file holds a part of the genome, fragments per kb of all of it, or regions
            (or a BED file) over which to take them; None: estimated, see ``FragmentStore.depth``.
        scratch: folder for the scratch files; None: TMPDIR.

    Raises:
        InputError: the file cannot be read, or does not fit the genome; the depth is not above 0,
            or its regions hold no fragment.
        FormatError: it is malformed or truncated.
        OutputError: the scratch files cannot be written.
    """
    folder, sizes = None if scratch is None else Path(scratch), contigs(genome)
    given: GivenDepth
    if depth is None or isinstance(depth, float | int):
        given = depth
    else:
        given = intervals(depth, sizes)
    return FragmentStore.build(Path(path), sizes, options, scratch=folder, depth=given)


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


def warn_of(
    model: Model, session: Session, sizes: ChromSizes, fragments: FragmentFile | None
) -> None:
    """Warn, at the line that calls the caller, of what is unusual but may be meant."""
    idle = idle_gpu(session.provider, session.reason)
    for sentence in (*unusual(model, sizes, fragments), *([] if idle is None else [idle])):
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
        fragments: those of the one assay of fragments that ``assays`` does not name.
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


# Predictions as arrays.


def predict(
    model: Model | str | Path,
    *,
    fasta: Genome,
    fragments: FragmentFile | None = None,
    assays: Mapping[str, AssayFile] | None = None,
    regions: Regions | None = None,
    average_strands: bool = False,
    provider: ProviderChoice = "auto",
    threads: int | None = None,
) -> Generator[tuple[Interval, dict[str, NDArray[np.float32]]], None, None]:
    """Predict regions or the whole genome, a region at a time.

    The values are those of ``chromputer predict``, which rounds them to write them. They are
    computed while the caller works on those before; nothing is kept but the region under way and,
    where regions are not sorted, those that wait for their turn.

    Args:
        model: from ``load_model``, or what it takes: a shipped model's name, a model folder or an
            ``.onnx`` file.
        fasta: the genome's FASTA, or from ``open_genome``; an open one is opened anew, so that it
            can be read meanwhile.
        fragments: for a model that reads fragments of one assay: a BAM, fragment file or BEDPE, or
            from ``open_fragments``, for many calls or for other than the default options.
        assays: the same by assay, or bigWig files, for models that read several.
        regions: what to predict: an ``Interval`` (0-based, half-open), text (``chrI`` or
            ``chrI:1,001-2,000``, as browsers show it), several of these, or the path of a BED
            file. None: all contigs, sorted by name, each whole.
        average_strands: take the mean of both strands' probabilities, at twice the time.
        provider: ``auto``, ``cpu``, ``cuda`` or ``tensorrt``.
        threads: CPU threads; None: those that the process may use.

    Returns:
        for each region, in the order given: the interval of its bins, from the start of the first
        bin that touches the region to the end of the last, cut at the contig's end; and by label
        float32 (bins,), an array of its own, one value every ``model.spec.stride`` bp:
        probabilities, and values of continuous labels. A label whose name several heads have is
        ``HEAD.LABEL``.

    Raises:
        SpecError: the model cannot be used.
        InputError: a file or region cannot be used, or does not fit the genome. What is wrong
            inside a file of fragments is found when the first item is asked for.
        ProviderError: the provider does not work here.
        OutputError: the scratch files of the fragments cannot be written.
    """
    used = open_model(model)
    sizes = contigs(fasta)
    if regions is None:
        places = [Interval(chrom, 0, sizes[chrom]) for chrom in sorted(sizes)]
    else:
        places = intervals(regions, sizes)
    sources = given_sources(used, fragments, assays, sizes)
    session = open_session(used.path, provider, threads)
    warn_of(used, session, sizes, fragments)
    return _predict(used, session, genome_path(fasta), sizes, sources, places, average_strands)


def _predict(
    model: Model,
    session: Session,
    fasta: Path,
    sizes: ChromSizes,
    sources: Mapping[str, Source],
    places: list[Interval],
    average_strands: bool,
) -> Generator[tuple[Interval, dict[str, NDArray[np.float32]]], None, None]:
    spec = model.spec
    grid = spec.grid
    wanted = [(place.chrom, *grid.bins(place.start, place.end)) for place in places]
    with ExitStack() as stack:
        features = open_sources(stack, model, stack.enter_context(Fasta(fasta)), sources).features
        bins = region_bins(places, sizes, grid)
        stream = predict_regions(
            session, spec, features, bins, sizes, average_strands=average_strands
        )
        for index, values in _gather(stack.enter_context(closing(stream)), wanted, spec):
            chrom, first, last = wanted[index]
            end = min(last * grid.stride, sizes[chrom])
            yield Interval(chrom, first * grid.stride, end), values


def _gather(
    stream: Iterable[Prediction], wanted: list[tuple[str, int, int]], spec: ModelSpec
) -> Generator[tuple[int, dict[str, NDArray[np.float32]]], None, None]:
    """Put the pieces of a prediction together by region.

    Args:
        stream: sorted, and covering all that is wanted.
        wanted: contig, first and last (exclusive) bin of each region, in any order.
        spec: the model, its inputs and labels.

    Yields:
        0, 1, 2 ... and the region's values by label, float32 (bins,). Each label has memory of its
        own, so that a caller who keeps one label of a genome does not keep them all.
    """
    keys = [item.key for item in model_labels(spec)]
    coming = deque(sorted(range(len(wanted)), key=wanted.__getitem__))
    started: dict[int, dict[str, NDArray[np.float32]]] = {}
    waiting: dict[int, dict[str, NDArray[np.float32]]] = {}
    turn = 0
    for piece in stream:
        first = piece.start // spec.stride
        last = first + piece.probabilities.shape[1]
        while coming and wanted[coming[0]][0] == piece.chrom and wanted[coming[0]][1] < last:
            index = coming.popleft()
            _, begin, end = wanted[index]
            started[index] = {key: np.empty(end - begin, dtype=np.float32) for key in keys}
        for index in list(started):
            _, begin, end = wanted[index]
            low, high = max(begin, first), min(end, last)
            new = piece.probabilities[:, low - first : high - first]
            for values, row in zip(started[index].values(), new, strict=True):
                values[low - begin : high - begin] = row
            if end <= last:
                waiting[index] = started.pop(index)
        while turn in waiting:
            yield turn, waiting.pop(turn)
            turn += 1


# Contributions as arrays.


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Explanation:
    """Contributions to one label's logit at n windows.

    Attributes:
        label: what is explained.
        windows: the model's windows, in the order of the arrays; they may leave their contigs.
        arrays: the model's inputs, by input name, float32 (n, channels, positions); DNA is one-hot
            A, C, G, T, and N is all zero.
        contributions: in units of the logit; see ``Contributions``.
    """

    label: str
    windows: tuple[Interval, ...]
    arrays: dict[str, NDArray[np.float32]]
    contributions: Contributions

    def __repr__(self) -> str:
        """What is explained and the shapes of the inputs, in a line."""
        shapes = ", ".join(f"{name} {values.shape}" for name, values in self.arrays.items())
        return f"<Explanation of {self.label} at {counted(len(self.windows), 'window')}: {shapes}>"


def explain(
    model: Model | str | Path,
    label: str,
    *,
    fasta: Genome,
    regions: Regions,
    fragments: FragmentFile | None = None,
    assays: Mapping[str, AssayFile] | None = None,
    method: Method = "deeplift",
    references: int = DEFAULT_REFERENCES,
    baseline: Literal["zero", "mean"] = "zero",
    seed: int = 0,
    provider: ProviderChoice = "auto",
    threads: int | None = None,
) -> Explanation:
    """Explain a label at the middle of each region.

    Args:
        model: as in ``predict``.
        label: a state, binary or continuous label; ``HEAD.LABEL`` where several heads have it.
        fasta: as in ``predict``.
        regions: as in ``predict``. One window of the model is centred on each: on an interval's
            ``centre``, on the summit of a narrowPeak or the middle of a BED's thick part. All are
            held in memory, some 0.1 MB each for a window of 2 kb.
        fragments: as in ``predict``.
        assays: as in ``predict``.
        method: ``deeplift`` or ``gradient*input``.
        references: dinucleotide shuffles of each window's sequence, for ``deeplift``.
        baseline: reference of V-plots and signals: nothing, or the genome's mean.
        seed: what the shuffles depend on; a window's result depends on no other window.
        provider: as in ``predict``.
        threads: as in ``predict``.

    Raises:
        SpecError: the model cannot be used or explained.
        InputError: there is no such label, no region, or a file that cannot be used.
        ProviderError: the provider does not work here.
    """
    used = open_model(model)
    weights = head_weights(used.spec, label)
    if baseline not in ("zero", "mean"):
        raise InputError(f"baseline {baseline!r} is not one of zero, mean")
    sizes = contigs(fasta)
    windows = [
        Interval.centred(chrom, centre, used.spec.window)
        for chrom, centre in centres(regions, sizes)
    ]
    sources = given_sources(used, fragments, assays, sizes)
    explainer = open_explainer(
        used, method, references=references, seed=seed, provider=provider, threads=threads
    )
    warn_of(used, explainer.session, sizes, fragments)
    with ExitStack() as stack:
        genome = stack.enter_context(Fasta(genome_path(fasta)))
        features = open_sources(stack, used, genome, sources).features
        if baseline == "mean":
            explainer = explainer.with_baselines(mean_baselines(used.spec, features, sizes))
        return _explanation(explainer, features, windows, label, weights)


def _explanation(
    explainer: Explainer,
    features: Features,
    windows: list[Interval],
    label: str,
    weights: NDArray[np.float32],
) -> Explanation:
    arrays: list[dict[str, NDArray[np.float32]]] = []
    parts: list[Contributions] = []
    for _, batch, contributions in explainer.stream(features, windows, weights):
        arrays.append(batch)
        parts.append(contributions)
    joined: dict[str, Any] = {
        item.name: _joined([getattr(part, item.name) for part in parts])
        for item in fields(Contributions)
    }
    return Explanation(label, tuple(windows), _joined(arrays), Contributions(**joined))


def _joined(parts: list[Any]) -> Any:
    """Arrays of batches as one, also where they lie in dicts; None of Nones."""
    first = parts[0]
    if first is None:
        return None
    if isinstance(first, dict):
        return {name: _joined([part[name] for part in parts]) for name in first}
    return np.concatenate(parts)


# V-plots as arrays.


def vplot(
    fragments: FragmentStore,
    interval: Interval | str,
    *,
    bin_size: int = DEFAULT_BIN,
    length_edges: tuple[int, ...] = DEFAULT_LENGTH_EDGES,
) -> NDArray[np.float32]:
    """Count an interval's fragments by length and position of their midpoint.

    Args:
        fragments: from ``open_fragments``.
        interval: an ``Interval``, which may leave its contig, or text such as ``chrI:1,001-2,000``.
        bin_size: bp per position, at least 1; it divides the interval's length.
        length_edges: bp, ascending; row i counts ``edges[i] <= length < edges[i + 1]``.

    Returns:
        float32 (len(length_edges) - 1, len(interval) / bin_size), not normalised.

    Raises:
        InputError: the bin does not divide the interval, the edges do not ascend, or the fragments
            are not open.
        ContigError: the contig is unknown.
    """
    if not isinstance(fragments, FragmentStore):
        raise InputError(
            "fragments: give what open_fragments returns, not an object of type "
            f"{type(fragments).__name__}"
        )
    where = place(interval, fragments.sizes, "interval")
    if bin_size < 1 or len(where) % bin_size:
        raise InputError(
            f"{where} is {len(where):,} bp, which is not a multiple of bins of {bin_size} bp"
        )
    if len(length_edges) < 2 or any(np.diff(length_edges) <= 0):
        raise InputError(f"length_edges must be at least two that ascend, got {length_edges}")
    midpoints, lengths = fragments.midpoints(where)
    return count_vplot(midpoints, lengths, where, bin_size, length_edges)

"""Predictions as arrays."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.api.inputs import (
    AssayFile,
    FragmentFile,
    Genome,
    Regions,
    assay_sources,
    contigs,
    genome_path,
    intervals,
    open_features,
    open_model,
    warn_of,
)
from chromputer_tracks.data.features import Assay
from chromputer_tracks.inference.genome import Prediction, predict_regions, region_bins
from chromputer_tracks.inference.model_labels import model_labels
from chromputer_tracks.inference.registry import Model
from chromputer_tracks.inference.session import ProviderChoice, Session, open_session
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.spec import ModelSpec


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
        fragments: of a model that reads fragments of one assay: a BAM, fragment file or BEDPE, or
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
    sources = assay_sources(used, fragments, assays, sizes)
    session = open_session(used.path, provider, threads)
    warn_of(used, sizes, fragments)
    return _predict(used.spec, session, genome_path(fasta), sizes, sources, places, average_strands)


def _predict(
    spec: ModelSpec,
    session: Session,
    fasta: Path,
    sizes: ChromSizes,
    sources: Mapping[str, Assay | Path],
    places: list[Interval],
    average_strands: bool,
) -> Generator[tuple[Interval, dict[str, NDArray[np.float32]]], None, None]:
    grid = spec.grid
    wanted = [(place.chrom, *grid.bins(place.start, place.end)) for place in places]
    with ExitStack() as stack:
        features = open_features(stack, spec, fasta, sources)
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
        spec: of the model.

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

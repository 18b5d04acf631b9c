"""Aggregate V-plots of what is to be trained, by state and by binary label."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from chromputer_tracks.analysis.dataset.counts import bin_centres
from chromputer_tracks.analysis.vplots.aggregate import (
    FINE_LENGTH_EDGES,
    VplotPair,
    VplotSet,
    aggregate_vplot,
)
from chromputer_tracks.data.labels import LabelSet
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.sources import Sample, Sources
from chromputer_tracks.spec import Label

_MOST_SITES = 10_000
"""Sites of a class that its V-plot is drawn from at most; more would not change the picture."""

_Sites = list[tuple[str, int]]
"""Contig and centre (bp, 0-based)."""


def dataset_vplots(config: TrainConfig, sources: Sources) -> Iterator[VplotSet]:
    """V-plots on the training contigs, one set for each fragment file of a training sample.

    A state's sites are the centres of its label bins, a binary label's its peak centres; masked
    ones and those that are no site are left out.
    """
    for sample in sources.training_samples:
        sites = list(_by_label(config, sources, sample))
        for assay, store in sample.assays.items():
            if isinstance(store, FragmentStore):
                window = config.network.window
                pairs = tuple(
                    VplotPair(
                        label,
                        len(rows),
                        aggregate_vplot(store, _thinned(rows), sources.sizes, window),
                    )
                    for label, rows in sites
                )
                title = assay if len(sources.samples) == 1 else f"{sample.name}: {assay}"
                yield VplotSet(title, window, FINE_LENGTH_EDGES, pairs)


def _by_label(
    config: TrainConfig, sources: Sources, sample: Sample
) -> Iterator[tuple[Label, _Sites]]:
    scored, train = sample.scored, config.splits.train
    for head in sources.heads:
        if head.kind == "states" and scored.states is not None:
            found: list[_Sites] = [[] for _ in head.labels]
            only = LabelSet(scored.states, (), scored.masked, scored.sites)
            for chrom in train:
                centres = bin_centres(sources.sizes, chrom, config.label_bin)
                states = only.at(chrom, centres).states
                for code, rows in enumerate(found):
                    rows.extend((chrom, at) for at in centres[states == code].tolist())
            yield from zip(head.labels, found, strict=True)
    binary = [label for head in sources.heads if head.kind == "binary" for label in head.labels]
    for label, peaks in zip(binary, scored.binary, strict=True):
        if peaks is None:
            continue
        places: _Sites = []
        for chrom in train:
            centres = peaks.centres.get(chrom, np.empty(0, dtype=np.int64))
            kept = ~scored.masked.at(chrom, centres)
            if scored.sites is not None:
                kept &= scored.sites.at(chrom, centres)
            places.extend((chrom, at) for at in centres[kept].tolist())
        yield label, places


def _thinned(rows: _Sites) -> _Sites:
    """At most :data:`_MOST_SITES` of the rows, evenly spaced."""
    if len(rows) <= _MOST_SITES:
        return rows
    return [rows[i * len(rows) // _MOST_SITES] for i in range(_MOST_SITES)]

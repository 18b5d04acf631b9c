"""Predictions and labels at the label bins of contigs, for any network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.features import Features
from chromputer_tracks.data.labels import LabelSet
from chromputer_tracks.data.segments import site_segments
from chromputer_tracks.errors import ConfigError
from chromputer_tracks.evaluation.sites import Sites
from chromputer_tracks.intervals import ChromSizes, Grid, Interval

Predict = Callable[[dict[str, NDArray[np.float32]]], NDArray[np.float32]]
"""Input name to float32 (1, channels, positions), to logits float32 (outputs, bins)."""


def predict_sites(
    predict: Predict,
    features: Features,
    labels: LabelSet,
    sizes: ChromSizes,
    contigs: Sequence[str],
    grid: Grid,
    label_bin: int,
    states: int,
) -> Sites:
    """Run a network over the whole label bins of contigs.

    Args:
        predict: the network.
        features: of the sample.
        labels: of the sample, in the order of the network's outputs.
        sizes: the genome's contigs.
        contigs: which to score.
        grid: where the network's outputs lie.
        label_bin: bp between sites.
        states: how many outputs are states.

    Raises:
        ConfigError: no contig holds a whole bin.
    """
    segments = site_segments(sizes, contigs, label_bin, grid.stride)
    if not segments:
        raise ConfigError(
            f"the contigs to score hold no whole bin of {label_bin} bp: choose longer ones in "
            f"splits.validation and splits.test"
        )
    step = label_bin // grid.stride
    parts = []
    for segment in segments:
        start = segment.first - grid.window // 2
        length = grid.window + (segment.outputs - 1) * grid.stride
        arrays = features.arrays(Interval(segment.chrom, start, start + length))
        logits = predict({name: array[None] for name, array in arrays.items()})[:, ::step]
        centres = segment.centres(grid.stride)[::step]
        found = labels.at(segment.chrom, centres)
        contig = np.zeros(len(centres), dtype=np.int64)
        parts.append(Sites((segment.chrom,), contig, centres, logits, *found, states))
    return pool_sites(parts)


def label_sites(
    labels: LabelSet,
    sizes: ChromSizes,
    contigs: Sequence[str],
    grid: Grid,
    label_bin: int,
    states: int,
) -> Sites:
    """The labels at the sites of :func:`predict_sites`, with nothing predicted.

    Raises:
        ConfigError: no contig holds a whole bin.
    """
    step = label_bin // grid.stride
    parts = []
    for segment in site_segments(sizes, contigs, label_bin, grid.stride):
        centres = segment.centres(grid.stride)[::step]
        found = labels.at(segment.chrom, centres)
        outputs = states + len(found.binary) + len(found.continuous)
        nothing = np.full((outputs, len(centres)), np.nan, dtype=np.float32)
        contig = np.zeros(len(centres), dtype=np.int64)
        parts.append(Sites((segment.chrom,), contig, centres, nothing, *found, states))
    if not parts:
        raise ConfigError(f"no contig of {', '.join(contigs)} holds a whole bin of {label_bin} bp")
    return pool_sites(parts)


def pool_sites(parts: Iterable[Sites], names: Sequence[str] | None = None) -> Sites:
    """Sites of several stretches or samples together.

    Args:
        parts: with the same outputs and labels.
        names: of the samples that the parts are of, which their contigs' names then carry, as
            ``chrI (K562)``; None: equal names are the same contig.
    """
    renamed = list(parts)
    if names is not None:
        renamed = [
            replace(part, contigs=tuple(f"{contig} ({name})" for contig in part.contigs))
            for part, name in zip(renamed, names, strict=True)
        ]
    contigs = tuple(dict.fromkeys(contig for part in renamed for contig in part.contigs))
    codes = {contig: code for code, contig in enumerate(contigs)}
    return Sites(
        contigs,
        np.concatenate(
            [np.array([codes[c] for c in part.contigs])[part.contig] for part in renamed]
        ),
        np.concatenate([part.centre for part in renamed]),
        np.concatenate([part.logits for part in renamed], axis=1),
        np.concatenate([part.states for part in renamed]),
        np.concatenate([part.binary for part in renamed], axis=1),
        np.concatenate([part.continuous for part in renamed], axis=1),
        renamed[0].number_of_states,
    )

"""V-plots of toy models for tests: a linear explainer, explained sites, and the numbers read."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tiny_models import tiny_spec

from chromputer_tracks.inference.explain import Contributions
from chromputer_tracks.io.contributions import Batch, ContributionWriter, Site

SPEC = tiny_spec()
HEAD = SPEC.heads[0]
VPLOT = SPEC.inputs[1]
SHAPE = (VPLOT.channels, SPEC.window // VPLOT.bin)
EFFECT = np.random.default_rng(1).normal(size=(SPEC.outputs, *SHAPE)).astype(np.float32)
"""What a fragment in a pixel adds to each logit of the fake model."""
STRANDS = "+-.-+"
CHROMS = ("chr1", "chr1", "chr1", "chr2", "chr2")
"""Of the explained sites."""


@dataclass(frozen=True)
class LinearExplainer:
    """A linear model explained against nothing, in batches of a size that fits no site."""

    batch: int = 2

    def stream(self, features, windows, weights) -> Iterator:
        for first in range(0, len(windows), self.batch):
            part = windows[first : first + self.batch]
            made = [features.arrays(window) for window in part]
            arrays = {name: np.stack([item[name] for item in made]) for name in made[0]}
            rows = weights[first : first + self.batch]
            given = arrays["atac"] * np.einsum("no,olp->nlp", rows, EFFECT)
            zeros = np.zeros(len(part), dtype=np.float32)
            yield first, arrays, Contributions(None, None, None, {"atac": given}, {}, zeros, zeros)


def write_explained(folder: Path, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One label's folder; its V-plots and their contributions."""
    rng = np.random.default_rng(seed)
    n, shape = 5, (5, *SHAPE)
    values = rng.poisson(0.3, shape).astype(np.float32)
    given = (values * rng.normal(size=shape)).astype(np.float32)
    numbers = np.zeros(n, dtype=np.float32)
    batch = Batch(
        np.zeros((n, 4, SPEC.window), dtype=np.int8),
        np.zeros((n, 4, SPEC.window), dtype=np.float32),
        {"atac": values},
        {"atac": given},
        {name: np.zeros((n, 2), dtype=np.float32) for name in ("dna", "atac")},
        numbers,
        numbers,
        numbers,
        {},
    )
    sites = [
        Site(chrom, 500 * i, 500 * i, 500 * i + 1, "ab"[i % 2], 0.0, strand)
        for i, (chrom, strand) in enumerate(zip(CHROMS, STRANDS, strict=True))
    ]
    folder.mkdir(parents=True)
    with ContributionWriter(folder, sites, SPEC.window, SPEC.inputs) as writer:
        writer.add(batch)
    return values, given


@dataclass
class VplotNumbers:
    """A file of numbers; ``images``: (class, quantity) to (lengths, positions)."""

    edges: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()
    sites: dict[str, int] = field(default_factory=dict)
    images: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)


def borders(spans: list[str]) -> tuple[int, ...]:
    """Of ``start:end`` texts, each of which begins where the one before ends."""
    pairs = [tuple(map(int, text.split(":"))) for text in spans]
    assert all(one[1] == other[0] for one, other in zip(pairs, pairs[1:], strict=False))
    return (pairs[0][0], *(end for _, end in pairs))


def read_numbers(path: Path) -> VplotNumbers:
    """What ``vplot`` wrote beside its picture; every image has the same length classes."""
    with path.open(encoding="utf-8", newline="") as file:
        data = [line for line in file if not line.startswith("#")]
    header, *rows = csv.reader(data, delimiter="\t", quoting=csv.QUOTE_NONE)
    assert header[:4] == ["length", "class", "sites", "quantity"]
    found = VplotNumbers(positions=borders(header[4:]))
    images: dict[tuple[str, str], list[list[float]]] = {}
    spans: dict[tuple[str, str], list[str]] = {}
    for length, name, count, quantity, *values in rows:
        found.sites[name] = int(count)
        images.setdefault((name, quantity), []).append([float(value) for value in values])
        spans.setdefault((name, quantity), []).append(length)
    (found.edges,) = {borders(items) for items in spans.values()}
    found.images = {key: np.array(values) for key, values in images.items()}
    return found

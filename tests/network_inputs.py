"""Inputs of networks in tests: specs of every kind, a table of DNA shape, random arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chromputer_tracks.spec import SHAPES, InputSpec, Normalisation

HOW = Normalisation((1.0,))
DNA = InputSpec("sequence", "dna")
SHAPE = InputSpec("sequence", "dna", bases=False, shape=("MGW", "Roll"))
DNA_AND_SHAPE = InputSpec("sequence", "dna", shape=SHAPES)
ATAC = InputSpec("vplot", "atac", 10, (20, 60, 100, 140, 180, 250, 350, 500), HOW, "atac")
MNASE = InputSpec("vplot", "mnase", 10, (100, 140, 160, 180, 200), HOW, "mnase")
CUTS = InputSpec("signal", "cuts", 10, (), HOW, "atac", "cuts")
VALUES = InputSpec("signal", "h3", 10, (), HOW, "h3", "values", 50)


def shape_table(seed: int = 2) -> NDArray[np.float64]:
    """Random values that read the same on both strands."""
    table = np.random.default_rng(seed).normal(3, 2, (1024, 6))
    codes = np.arange(1024)
    other = np.zeros_like(codes)
    for place in range(5):
        # Digits in base 4 from the last to the first, complemented.
        other = other * 4 + 3 - codes // 4**place % 4
    mirrored = table[other][:, [0, 1, 3, 2, 5, 4]]
    return np.asarray((table + mirrored) / 2)


def random_arrays(
    items: Sequence[InputSpec], batch: int, length: int, seed: int = 0
) -> list[Tensor]:
    """Bases with some N, counts; ``length`` in bp."""
    rng = np.random.default_rng(seed)
    arrays: list[NDArray[Any]] = []
    for item in items:
        if item.kind == "sequence":
            codes = rng.integers(0, 20, size=(batch, 1, length))
            arrays.append(np.where(codes < 19, codes % 4, 4) == np.arange(4)[:, None])
        else:
            arrays.append(np.log1p(rng.poisson(0.2, (batch, item.channels, length // item.bin))))
    return [torch.from_numpy(array.astype(np.float32)) for array in arrays]


def reverse_complement(sequence: Tensor) -> Tensor:
    """Of one-hot bases."""
    return sequence.flip(1, 2)

"""A proposal of contigs to train on, to choose by, and to score: whole contigs, balanced."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import InputError, counted
from chromputer_tracks.intervals import ChromSizes

TEST, VALIDATION = 0.2, 0.1
"""Shares of the genome that are scored, and that the epoch is chosen by."""
_MOST_CONTIGS = 3
_CANDIDATES = 40
"""The largest contigs, of which test and validation are chosen."""
_LEAST = 0.05
"""Of the largest contig's size: smaller ones are scaffolds, plasmids and organelles."""
_ORGANELLE = re.compile(r"(?i)(?:chr)?(?:m|mt|mito|mitochondrion|pt|c|2-?micron)$")


@dataclass(frozen=True, slots=True)
class Splits:
    """Contigs by use, each in the order of the genome; ``left`` are in none."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    left: tuple[str, ...] = ()

    def uses(self) -> dict[str, tuple[str, ...]]:
        """Name of each use to its contigs."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def main_contigs(sizes: ChromSizes) -> list[str]:
    """The chromosomes: contigs of some size that are no organelle."""
    nuclear = [name for name in sizes if not _ORGANELLE.match(name)]
    largest = max((sizes[name] for name in nuclear), default=0)
    return [name for name in nuclear if sizes[name] >= _LEAST * largest]


def propose_splits(
    sizes: ChromSizes,
    counts: Mapping[str, Mapping[str, int]],
    validation: Sequence[str] = (),
    test: Sequence[str] = (),
    usable: Container[str] | None = None,
) -> Splits:
    """Splits whose shares of bases, and of each label's peaks, are near to what is wanted.

    Of all sets of at most three of the largest contigs the one is taken whose shares differ the
    least, in the mean of squares, from :data:`TEST`; then of the others for :data:`VALIDATION`.
    The genome's and all labels' shares weigh the same.

    Args:
        sizes: the genome's contigs.
        counts: label to its peaks by contig.
        validation: contigs that were named.
        test: likewise.
        usable: contigs that have labels; None: all.

    Raises:
        InputError: there are too few contigs, or one that was named is unknown or named twice.
    """
    for use, names in (("--validation", validation), ("--test", test)):
        for name in names:
            sizes.require(name, use)
    twice = set(validation) & set(test)
    if twice:
        raise InputError(f"{min(twice)} is named with --validation and with --test; choose one")
    contigs = [name for name in main_contigs(sizes) if usable is None or name in usable]
    if len({*contigs, *validation, *test}) < 3:
        with_labels = "" if usable is None else " that have labels"
        raise InputError(
            f"{sizes.source} has {counted(len(contigs), 'contig')} of some size{with_labels}, but "
            "training needs three: to learn from, to choose by and to score. Name contigs with "
            "--validation and --test"
        )
    largest = sorted(contigs, key=lambda name: -sizes[name])[:_CANDIDATES]
    shares = _shares(sizes, contigs, counts)
    free = [name for name in largest if name not in validation]
    # Two contigs must be left.
    chosen = tuple(test) or _nearest(free, shares, TEST, len(contigs) - 2)
    free = [name for name in largest if name not in chosen]
    tuned = tuple(validation) or _nearest(free, shares, VALIDATION, len(free) - 1)
    train = tuple(name for name in contigs if name not in (*chosen, *tuned))
    if not train:
        raise InputError("--validation and --test leave no contig to train on")
    used = {*train, *tuned, *chosen}

    def ordered(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in sizes if name in names)

    return Splits(train, ordered(tuned), ordered(chosen), tuple(n for n in sizes if n not in used))


def _shares(
    sizes: ChromSizes, contigs: Sequence[str], counts: Mapping[str, Mapping[str, int]]
) -> dict[str, NDArray[np.float64]]:
    """Contig to its share of the bases and of each label that has peaks, float64 (1 + labels,)."""
    rows = [[sizes[name] for name in contigs]]
    rows += [[found.get(name, 0) for name in contigs] for found in counts.values()]
    table = np.array([row for row in rows if sum(row)], dtype=np.float64)
    table /= table.sum(axis=1, keepdims=True)
    return dict(zip(contigs, table.T, strict=True))


def _nearest(
    names: Sequence[str], shares: Mapping[str, NDArray[np.float64]], wanted: float, most: int
) -> tuple[str, ...]:
    """The contigs whose shares are the nearest to what is wanted; of equal ones the first."""
    sets = [
        group
        for number in range(1, max(1, min(_MOST_CONTIGS, most)) + 1)
        for group in combinations(names, number)
    ]
    totals = np.array([sum(shares[name] for name in group) for group in sets])
    return sets[int(np.argmin(((totals - wanted) ** 2).mean(axis=1)))]

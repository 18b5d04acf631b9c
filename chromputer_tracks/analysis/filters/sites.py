"""The sites at which filters are looked at: given ones, or a genome's most probable and random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.labels import Mask
from chromputer_tracks.inference.explain import head_weights
from chromputer_tracks.intervals import Interval
from chromputer_tracks.spec import HeadSpec, Label, ModelSpec, find_label, model_labels

_WAITING = 4
"""Times the number of sites asked for that are held before the worst are let go."""


@dataclass(frozen=True, slots=True, eq=False)
class FilterClass:
    """A label whose logit is explained.

    Attributes:
        name: the label's, as HEAD.LABEL where several heads have one of that name.
        row: place among the model's outputs.
        weights: float32 (outputs,), of the logits in what is explained.
    """

    name: str
    head: HeadSpec
    label: Label
    row: int
    weights: NDArray[np.float32]


def filter_classes(spec: ModelSpec, names: Sequence[str] = ()) -> tuple[FilterClass, ...]:
    """The labels asked for (LABEL or HEAD.LABEL), in the model's order; all where none is named.

    Raises:
        InputError: there is no such label, or more than one.
    """
    chosen = {find_label(spec, name).row for name in names}
    return tuple(
        FilterClass(item.key, item.head, item.label, item.row, head_weights(spec, item.key))
        for item in model_labels(spec)
        if not names or item.row in chosen
    )


@dataclass(frozen=True, slots=True, eq=False)
class FilterSites:
    """Where filters are looked at; all windows sorted and distinct.

    Attributes:
        by_class: class name to the windows of its sites, over which contributions are averaged.
        sample: windows that belong to no class, for what activates filters only.
        rule: how they were chosen, in a sentence or two.
    """

    by_class: dict[str, tuple[Interval, ...]]
    sample: tuple[Interval, ...]
    rule: str

    def windows(self) -> list[Interval]:
        """All of them, sorted, each once."""
        every = [window for windows in self.by_class.values() for window in windows]
        return sorted({*every, *self.sample})


class TopSites:
    """Collects, from predictions in genome order, the most probable sites of each class.

    A site is the bin with the highest value of a stretch of one window's length (stretches are
    counted from each contig's start, so that sites of a class hardly overlap). Only bins of the
    class count: where its state is the most likely, or its probability is at or above the label's
    threshold; of a continuous label all. Sites whose window touches the mask are left out.
    """

    def __init__(
        self, spec: ModelSpec, classes: Sequence[FilterClass], number: int, mask: Mask
    ) -> None:
        self._spec = spec
        self._classes = tuple(classes)
        self._number = number
        self._mask = mask
        self._per_stretch = spec.window // spec.stride
        self._found: dict[str, list[tuple[float, str, int]]] = {item.name: [] for item in classes}

    def add(self, chrom: str, start: int, values: NDArray[np.float32]) -> None:
        """Take the next bins.

        ``start`` is in bp, 0-based, a multiple of the stride; values are float32 (outputs, bins),
        probabilities and values of continuous labels.
        """
        first = start // self._spec.stride
        bins = np.arange(first, first + values.shape[1])
        edges = np.flatnonzero(np.diff(bins // self._per_stretch, prepend=-1))
        ends = [*edges[1:].tolist(), len(bins)]
        for item in self._classes:
            row = np.where(self._called(item, values), values[item.row], -np.inf)
            found = self._found[item.name]
            for begin, end in zip(edges.tolist(), ends, strict=True):
                top = begin + int(row[begin:end].argmax())
                if row[top] > -np.inf:
                    found.append((-float(row[top]), chrom, first + top))
            if len(found) > _WAITING * self._number:
                self._found[item.name] = self._thinned(found)

    def _called(self, item: FilterClass, values: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which bins are of the class; bool (bins,)."""
        called = np.ones(values.shape[1], dtype=np.bool_)
        if item.head.kind == "binary":
            called = values[item.row] >= np.float32(item.label.threshold)
        elif item.head.kind == "states":
            rows = self._spec.head_slices()[item.head.name]
            called = values[rows].argmax(axis=0) == item.row - rows.start
        return called

    def _thinned(self, found: list[tuple[float, str, int]]) -> list[tuple[float, str, int]]:
        """The best site of each stretch, the best first, as far as the last that may be needed.

        Masked ones stay, so that no other bin of their stretch takes their place.
        """
        kept: list[tuple[float, str, int]] = []
        seen: set[tuple[str, int]] = set()
        usable = 0
        for site in sorted(found):
            stretch = (site[1], site[2] // self._per_stretch)
            if stretch not in seen:
                seen.add(stretch)
                kept.append(site)
                usable += not self._masked(site)
            if usable == self._number:
                break
        return kept

    def _masked(self, site: tuple[float, str, int]) -> bool:
        window = self._window(site)
        return self._mask.touches(window.chrom, window.start, window.end)

    def _window(self, site: tuple[float, str, int]) -> Interval:
        _, chrom, place = site
        return self._spec.grid.span(chrom, place, place + 1)

    def result(self) -> dict[str, tuple[Interval, ...]]:
        """Class name to the windows around its sites, sorted; none where nothing was predicted."""
        return {
            name: tuple(
                sorted(
                    self._window(site) for site in self._thinned(found) if not self._masked(site)
                )
            )
            for name, found in self._found.items()
        }


def random_windows(
    regions: Sequence[Interval], number: int, window: int, seed: int
) -> list[Interval]:
    """Windows around bases that are drawn uniformly from disjoint regions, without repeats.

    Where there are fewer bases than ``number``, all are taken. The windows, of ``window`` bp, are
    sorted and may leave their contigs.
    """
    lengths = np.array([len(region) for region in regions], dtype=np.int64)
    ends = np.cumsum(lengths)
    total = int(lengths.sum())
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(total, min(number, total), replace=False, shuffle=False))
    rows = np.searchsorted(ends, drawn, side="right")
    starts = np.array([region.start for region in regions], dtype=np.int64)
    centres = drawn - (ends - lengths)[rows] + starts[rows]
    return sorted(
        Interval.centred(regions[row].chrom, centre, window)
        for row, centre in zip(rows.tolist(), centres.tolist(), strict=True)
    )


def drawn_sites(windows: Sequence[Interval], number: int, seed: int) -> tuple[Interval, ...]:
    """At most ``number`` of some windows, drawn at random, in their order."""
    if len(windows) <= number:
        return tuple(windows)
    rows = np.random.default_rng(seed).choice(len(windows), number, replace=False)
    return tuple(windows[row] for row in np.sort(rows).tolist())


def unmasked(windows: Sequence[Interval], mask: Mask) -> list[Interval]:
    """The windows that touch no position of a mask."""
    return [item for item in windows if not mask.touches(item.chrom, item.start, item.end)]

"""Fragments of a cell type: a Poisson process with the intensity of the states."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.simulation.genome import (
    LENGTH_STEP,
    SHORTEST,
    STEP,
    Array,
    CellType,
    Int64,
    Plan,
    Sites,
    element_intensity,
    element_span,
    quiescent,
    regional_bias,
)

_BLOCK = 1 << 20


class Drawn(NamedTuple):
    """``starts`` and ``ends``, int64 (n,), bp, 0-based, half-open; sorted by start, then end."""

    starts: Int64
    ends: Int64


class _Table(NamedTuple):
    """Intensities of everything that a step can be.

    Attributes:
        mass: float64 (rows,), expected fragments of a step by row.
        cumulative: float64 (rows * LENGTHS,): of each row's distribution of length classes, plus
            the row's number.
        first: row of the first step of each state's element; strand 1 has the rows after.
    """

    mass: Array
    cumulative: Array
    first: dict[tuple[int, bool], int]


def draw_fragments(plan: Plan, contig: str, sites: Sites, cell: CellType) -> Drawn:
    """The fragments of one contig.

    The number with midpoint in a step and length in a class is Poisson with mean ``scale * bias *
    intensity``; midpoints and lengths are uniform within the step and class. Fragments that would
    leave the contig are dropped; none of an element does.
    """
    table = _table(plan, cell)
    rows = _rows(plan, contig, sites, cell, table)
    bias = regional_bias(plan, contig, cell)
    rng = plan.generator("fragments", contig, cell.name, f"{cell.depth:g}")
    starts, ends = [], []
    for begin in range(0, len(rows), _BLOCK):
        block = rows[begin : begin + _BLOCK].astype(np.int64)
        counts = rng.poisson(table.mass[block] * bias[begin : begin + _BLOCK])
        step = np.repeat(np.arange(begin, begin + len(block)), counts)
        row = np.repeat(block, counts)
        cells = np.searchsorted(table.cumulative, row + rng.random(len(row)), side="right")
        classes = cells - row * (len(table.cumulative) // len(table.mass))
        midpoint = step * STEP + rng.integers(0, STEP, len(step))
        length = SHORTEST + classes * LENGTH_STEP + rng.integers(0, LENGTH_STEP, len(step))
        start = midpoint - length // 2
        starts.append(start)
        ends.append(start + length)
    start, end = np.concatenate(starts), np.concatenate(ends)
    inside = (start >= 0) & (end <= plan.sizes[contig])
    start, end = start[inside], end[inside]
    order = np.argsort(start * 1024 + (end - start), kind="stable")
    return Drawn(start[order], end[order])


def _table(plan: Plan, cell: CellType) -> _Table:
    digestion = cell.digestion
    images = [quiescent(digestion)[None]]
    first: dict[tuple[int, bool], int] = {}
    at = 1
    for state in range(1, plan.states):
        image = element_intensity(state, digestion)
        for reverse in (False, True):
            first[state, reverse] = at
            images.append(image[::-1] if reverse else image)
            at += len(image)
    intensity = np.concatenate(images)
    sums = intensity.sum(axis=1)
    cumulative = np.cumsum(intensity, axis=1) / sums[:, None]
    cumulative[:, -1] = 1.0
    cumulative += np.arange(len(sums))[:, None]
    return _Table(sums * plan.scale(cell), cumulative.ravel(), first)


def _rows(
    plan: Plan, contig: str, sites: Sites, cell: CellType, table: _Table
) -> NDArray[np.int16]:
    """Row of the table for each step of the contig."""
    rows = np.zeros(plan.sizes[contig] // STEP, dtype=np.int16)
    states = sites.states[plan.number(cell)]
    for (state, reverse), row in table.first.items():
        offset, length = element_span(state)
        begins = sites.steps[(states == state) & (sites.reverse == reverse)] + offset
        inner = np.arange(length)
        rows[begins[:, None] + inner] = row + inner
    return rows

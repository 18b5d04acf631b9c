"""A simulated genome with paired-end fragments, as large as asked for.

The simulator is ``chromputer simulate``'s, without its labels and its need of several contigs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.io.record import Silent
from chromputer_tracks.simulation.files import write_fragments as write_cell
from chromputer_tracks.simulation.files import write_genome as write_plan
from chromputer_tracks.simulation.genome import (
    STEP,
    GenomePlan,
    draw_fragments,
    draw_sites,
    first_cell,
)

STATES = 6


def plan_of(sizes: dict[str, int], fragments: int = 0, seed: int = 1) -> GenomePlan:
    """Contigs of these sizes, cut to whole steps; ``fragments`` expected in all."""
    whole = {name: size // STEP * STEP for name, size in sizes.items()}
    depth = max(1.0, fragments / sum(whole.values()) * 1000)
    return GenomePlan(whole, STATES, (first_cell(depth),), seed=seed)


def write_genome(path: Path, sizes: dict[str, int], seed: int = 1) -> None:
    """Bgzipped, with .fai and .gzi."""
    plan = plan_of(sizes, seed=seed)
    write_plan(plan, {name: draw_sites(plan, name) for name in plan.sizes}, path, Silent())


def write_fragments(path: Path, sizes: dict[str, int], count: int, seed: int = 1) -> None:
    """A sorted, bgzipped fragment file with its index; about ``count`` fragments in all."""
    plan = plan_of(sizes, count, seed)
    sites = {name: draw_sites(plan, name) for name in plan.sizes}
    write_cell(plan, sites, plan.cells[0], path, Silent())


def make_fragments(
    size: int, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and ends of about ``count`` fragments of one contig, sorted by start."""
    plan = plan_of({"chr1": size}, count, int(rng.integers(1 << 32)))
    drawn = draw_fragments(plan, "chr1", draw_sites(plan, "chr1"), plan.cells[0])
    return drawn.starts, drawn.ends

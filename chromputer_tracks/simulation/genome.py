"""A simulated genome: parameters, sites, their states in each cell type, and its fragments.

A contig is a row of steps of 10 bp. From its left margin on, each free step begins a site with
probability ``1 / (1 + gap)``; a site takes a whole slot, then the next step is free again. A site
has a class, which says what is planted in its sequence, and a strand. In each cell type it has the
state of its class, or, at a share of the sites, a state drawn anew, which may be silent: nothing
there but quiescent chromatin, with a motif in it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import InputError

# ---- The states and the fragments that each of them gives: intensities over position and length.
# An intensity has one value for each step of the midpoint and each class of fragment length. It is
# built from four parts: short fragments of open DNA, mono-nucleosomal ones around each nucleosome,
# di- and tri-nucleosomal ones around each pair and triple, and the stripes that a bound protein
# leaves empty, because no fragment ends inside its footprint (the V of a V-plot; Henikoff et al.
# 2011, doi:10.1073/pnas.1110731108).

Array = NDArray[np.float64]

STEP = 10
"""bp of a position step: midpoints are uniform within it, and sites lie on its grid."""

LENGTH_STEP = 10
SHORTEST, LONGEST = 30, 700
LENGTHS = (LONGEST - SHORTEST) // LENGTH_STEP
"""Number of length classes; class i holds ``SHORTEST + i * LENGTH_STEP <= length < `` the next."""

SLOT = 1000
"""bp that a site keeps to itself; its element is centred in it, quiescent around it."""

MOST_STATES = 8

_NUCLEOSOME = (168.0, 18.0)
_PAIR = (345.0, 30.0)
_TRIPLE = (525.0, 42.0)
# Of fragments of open DNA, and of those of the background, which are of any length.
_OPEN, _ANYWHERE = 28.0, 150.0
_EDGE = 12.0
_LEAK = 0.03

Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Element:
    """What a state does to the fragments of its element.

    Positions are bp from the element's centre, on the strand of the site.

    Attributes:
        title: the state's name.
        color: RGB.
        length: bp of the element, a multiple of twice :data:`STEP`, at most :data:`SLOT`.
        fold: fragments of the element relative to as much quiescent genome.
        open: stretches of open DNA: start, end and share of the element's fragments.
        nucleosomes: centre and fuzziness (standard deviation) of each nucleosome.
        mono: share of mono-nucleosomal fragments, spread evenly over the nucleosomes.
        pairs: share of fragments that span two neighbouring nucleosomes.
        triples: share of those that span three.
        footprint: centre and width of a bound protein, or nothing.
    """

    title: str
    color: Color
    length: int
    fold: float
    open: tuple[tuple[float, float, float], ...] = ()
    nucleosomes: tuple[tuple[float, float], ...] = ()
    mono: float = 0.0
    pairs: float = 0.0
    triples: float = 0.0
    footprint: tuple[float, float] | None = None


QUIESCENT_TITLE, QUIESCENT_COLOR = "Quiescent", (225, 225, 225)

ELEMENTS: tuple[Element, ...] = (
    # A wide nucleosome-free region; the +1 nucleosome is better placed than the -1.
    Element(
        "Promoter",
        (214, 39, 40),
        800,
        3.5,
        open=((-130, 40, 0.5),),
        nucleosomes=((-330, 40), (-200, 25), (120, 14), (290, 24)),
        mono=0.36,
        pairs=0.12,
    ),
    # A narrow one between fuzzy nucleosomes.
    Element(
        "Enhancer",
        (255, 160, 0),
        600,
        2.4,
        open=((-45, 45, 0.38),),
        nucleosomes=((-150, 38), (150, 38)),
        mono=0.5,
        pairs=0.1,
    ),
    # A footprint in open DNA, and nucleosomes phased by it on both sides.
    Element(
        "Insulator",
        (31, 119, 180),
        800,
        2.4,
        open=((-80, 80, 0.34),),
        nucleosomes=((-340, 18), (-170, 12), (170, 12), (340, 18)),
        mono=0.5,
        pairs=0.14,
        footprint=(0, 30),
    ),
    # A dense, regular array with little open DNA.
    Element(
        "Transcribed",
        (44, 160, 44),
        1000,
        1.9,
        open=((-500, 500, 0.06),),
        nucleosomes=((-400, 24), (-240, 22), (-80, 20), (80, 20), (240, 22), (400, 24)),
        mono=0.6,
        pairs=0.27,
        triples=0.05,
    ),
    # Compact: few fragments, most of them long.
    Element(
        "Repressed",
        (110, 110, 110),
        1000,
        0.35,
        open=((-500, 500, 0.05),),
        nucleosomes=((-400, 45), (-200, 45), (0, 45), (200, 45), (400, 45)),
        mono=0.2,
        pairs=0.4,
        triples=0.35,
    ),
    # Open DNA with a fragile nucleosome in its middle.
    Element(
        "Poised",
        (148, 103, 189),
        800,
        2.2,
        open=((-150, -80, 0.2), (80, 150, 0.2)),
        nucleosomes=((-330, 30), (0, 16), (330, 30)),
        mono=0.5,
        pairs=0.1,
    ),
    # Open from end to end.
    Element(
        "Hyperactive",
        (110, 0, 90),
        600,
        4.5,
        open=((-280, 280, 0.78),),
        nucleosomes=((-200, 60), (0, 60), (200, 60)),
        mono=0.22,
    ),
)
"""The states beside the quiescent one, in the order in which a genome takes them."""


@dataclass(frozen=True, slots=True)
class Digestion:
    """How one experiment sees the genome.

    Attributes:
        background: share of fragments that come from anywhere, whatever the state, in [0.01, 1).
        tilt: over-digestion: intensities are multiplied by ``exp(-tilt * (length - 200) / 100)``.
    """

    background: float
    tilt: float


def length_centres() -> Array:
    """Middle of each length class, float64 (LENGTHS,), bp."""
    middles: Array = SHORTEST + LENGTH_STEP * (np.arange(LENGTHS, dtype=np.float64) + 0.5)
    return middles


@cache
def quiescent(digestion: Digestion) -> Array:
    """Intensity of one quiescent step, float64 (LENGTHS,); sums to 1 where nothing is tilted."""
    mixture: Array = 0.3 * _falling(_OPEN) + 0.44 * _bell(_NUCLEOSOME) + 0.18 * _bell(_PAIR)
    mixture = mixture + 0.08 * _bell(_TRIPLE)
    blend = (1 - digestion.background) * mixture + digestion.background * _falling(_ANYWHERE)
    return blend * _tilt(digestion)


@cache
def element_intensity(state: int, digestion: Digestion) -> Array:
    """Intensity of a state's element, on the scale of :func:`quiescent`.

    Args:
        state: 1 for the first of :data:`ELEMENTS`.
        digestion: how the experiment sees the genome.

    Returns:
        float64 (length / STEP, LENGTHS), positions on the strand of the site.
    """
    element = ELEMENTS[state - 1]
    steps = np.arange(element.length // STEP, dtype=np.float64)
    positions: Array = STEP * (steps + 0.5) - element.length / 2
    lengths = length_centres()
    image = np.zeros((len(positions), LENGTHS))
    for start, end, share in element.open:
        plateau = _step(positions - start) * _step(end - positions)
        image += share * np.outer(plateau / plateau.sum(), _falling(_OPEN))
    for share, neighbours, bell in (
        (element.mono, 1, _NUCLEOSOME),
        (element.pairs, 2, _PAIR),
        (element.triples, 3, _TRIPLE),
    ):
        rows = _rows(positions, element.nucleosomes, neighbours)
        if share and len(rows):
            image += share / len(rows) * np.outer(rows.sum(axis=0), _bell(bell))
    if element.footprint is not None:
        centre, width = element.footprint
        nearer_end = np.abs(np.abs(positions - centre)[:, None] - lengths / 2)
        image *= np.where(nearer_end < width / 2, _LEAK, 1.0)
    image *= element.fold * len(positions) / image.sum()
    blend = (1 - digestion.background) * image + digestion.background * _falling(_ANYWHERE)
    return blend * _tilt(digestion)


def _rows(positions: Array, nucleosomes: Sequence[tuple[float, float]], neighbours: int) -> Array:
    """Where the midpoints of fragments over ``neighbours`` nucleosomes lie; each row sums to 1."""
    rows = []
    for first in range(len(nucleosomes) - neighbours + 1):
        group = nucleosomes[first : first + neighbours]
        centre = (group[0][0] + group[-1][0]) / 2
        spread = max(fuzziness for _, fuzziness in group)
        row = np.exp(-0.5 * ((positions - centre) / spread) ** 2)
        rows.append(row / row.sum())
    return np.array(rows)


def _step(distance: Array) -> Array:
    """0 to 1 around 0, smoothly."""
    return 1 / (1 + np.exp(-distance / _EDGE))


def _bell(shape: tuple[float, float]) -> Array:
    mean, deviation = shape
    bell = np.exp(-0.5 * ((length_centres() - mean) / deviation) ** 2)
    return np.asarray(bell / bell.sum())


def _falling(scale: float) -> Array:
    """Length distribution that falls exponentially, by a factor of e over ``scale`` bp."""
    lengths = np.exp(-(length_centres() - SHORTEST) / scale)
    return np.asarray(lengths / lengths.sum())


def _tilt(digestion: Digestion) -> Array:
    return np.asarray(np.exp(-digestion.tilt * (length_centres() - 200.0) / 100.0))


# ---- Parameters of a genome, and where its sites lie.

Int64 = NDArray[np.int64]

SLOT_STEPS = SLOT // STEP
MARGIN_STEPS = 40
"""Steps at each end of a contig without a site, so that no fragment of one leaves the contig."""

LEAST_CONTIG = 2_000
MOST_CONTIG = (1 << 31) - 1_000
_SILENT = 0.5


@dataclass(frozen=True, slots=True)
class CellType:
    """One cell type with its experiment.

    Attributes:
        name: name that its files carry.
        depth: expected fragments per kb of the whole genome.
        background: share of fragments from anywhere; see :class:`Digestion`.
        tilt: over-digestion; see :class:`Digestion`.
        domains: standard deviation of the natural logarithm of the regional bias, which is
            constant over domains of 10 to 50 kb; 0 for none.
        turnover: share of sites whose state is drawn anew instead of their class's.
    """

    name: str
    depth: float
    background: float = 0.1
    tilt: float = 0.0
    domains: float = 0.0
    turnover: float = 0.2

    def __post_init__(self) -> None:
        for key, value, low, high in (
            ("depth", self.depth, 0.5, 100_000.0),
            ("background", self.background, 0.01, 0.99),
            ("tilt", self.tilt, -2.0, 2.0),
            ("domains", self.domains, 0.0, 3.0),
            ("turnover", self.turnover, 0.0, 1.0),
        ):
            if not low <= value <= high:
                raise InputError(
                    f"cell type {self.name!r}: {key} {value:g} must be between "
                    f"{low:,g} and {high:,g}"
                )

    @property
    def digestion(self) -> Digestion:
        """What bears on the intensities."""
        return Digestion(self.background, self.tilt)


@dataclass(frozen=True, slots=True)
class GenomePlan:
    """Parameters of a simulated genome: what is drawn follows from them alone.

    Attributes:
        sizes: contig to its size in bp, each a multiple of :data:`STEP`.
        states: number of states, the quiescent one among them.
        cells: the cell types.
        gap: expected free steps between two sites' slots.
        gc: share of G and C in the background.
        seed: what everything random follows from.
    """

    sizes: dict[str, int]
    states: int
    cells: tuple[CellType, ...]
    gap: int = 100
    gc: float = 0.42
    seed: int = 1

    def __post_init__(self) -> None:
        if not 2 <= self.states <= MOST_STATES:
            raise InputError(f"{self.states} states: give 2 to {MOST_STATES}")
        if self.seed < 0:
            raise InputError(f"seed {self.seed} must be at least 0")
        for name, size in self.sizes.items():
            if size % STEP or not LEAST_CONTIG <= size <= MOST_CONTIG:
                raise InputError(
                    f"contig {name} of {size:,} bp: give {LEAST_CONTIG:,} to {MOST_CONTIG:,} bp, "
                    f"a multiple of {STEP}"
                )
        names = [cell.name for cell in self.cells]
        if not names or len(set(names)) != len(names):
            raise InputError(f"cell types must be distinct and at least one, got {names}")

    @property
    def begin(self) -> float:
        """Probability that a free step begins a site."""
        return 1 / (1 + self.gap)

    @property
    def site_rate(self) -> float:
        """Sites per step far from a contig's ends."""
        return 1 / (SLOT_STEPS + self.gap)

    def number(self, cell: CellType) -> int:
        """Index of the cell type of this name: it may differ from the plan's in depth."""
        return [item.name for item in self.cells].index(cell.name)

    def state_given_class(self, cell: CellType) -> Array:
        """Probability of each state (column, 0 silent) of a site of each class (row).

        Classes are equally frequent. float64 (states - 1, states).
        """
        active = self.states - 1
        anew = np.full(self.states, (1 - _SILENT) / active)
        anew[0] = _SILENT
        kept = np.eye(active, self.states, k=1)
        return np.asarray((1 - cell.turnover) * kept + cell.turnover * anew)

    def scale(self, cell: CellType) -> float:
        """Fragments that intensity 1 gives: makes the genome's expected fragments the depth."""
        state = self.state_given_class(cell).mean(axis=0)
        plain = float(quiescent(cell.digestion).sum())
        mean = plain
        for index in range(1, self.states):
            image = element_intensity(index, cell.digestion)
            mean += self.site_rate * state[index] * float(image.sum() - plain * len(image))
        return cell.depth * STEP / 1000 / mean

    def generator(self, *purpose: str) -> np.random.Generator:
        """The random numbers of one purpose: the same whatever else is drawn."""
        words = [zlib.crc32(word.encode()) for word in purpose]
        return np.random.default_rng([self.seed, *words])


@dataclass(frozen=True, slots=True)
class SimulatedSites:
    """The sites of one contig, left to right.

    Attributes:
        steps: int64 (n,), step at which the slot begins; its centre is the base
            ``steps * STEP + SLOT / 2``.
        classes: int64 (n,), 1 for the first of the states that are not quiescent.
        reverse: bool (n,), on the minus strand.
        states: int64 (cell types, n), 0 where silent.
    """

    steps: Int64
    classes: Int64
    reverse: NDArray[np.bool_]
    states: Int64

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def centres(self) -> Int64:
        """int64 (n,), bp, 0-based: the base right of each site's middle."""
        return self.steps * STEP + SLOT // 2


def draw_sites(plan: GenomePlan, contig: str) -> SimulatedSites:
    """The sites of a contig; see the module's docstring for the process."""
    steps = plan.sizes[contig] // STEP
    rng = plan.generator("sites", contig)
    last = steps - MARGIN_STEPS - SLOT_STEPS
    most = steps // SLOT_STEPS + 1
    free = rng.geometric(plan.begin, most) - 1
    begins = MARGIN_STEPS + np.cumsum(free) + SLOT_STEPS * np.arange(most)
    begins = begins[begins <= last].astype(np.int64)
    count = len(begins)
    classes = rng.integers(1, plan.states, count)
    reverse = rng.random(count) < 0.5
    states = np.empty((len(plan.cells), count), dtype=np.int64)
    for row, cell in zip(states, plan.cells, strict=True):
        draw = plan.generator("states", contig, cell.name)
        table = np.cumsum(plan.state_given_class(cell), axis=1)
        row[:] = (table[classes - 1] < draw.random(count)[:, None]).sum(axis=1)
    return SimulatedSites(begins, classes, reverse, np.minimum(states, plan.states - 1))


def state_steps(
    plan: GenomePlan, contig: str, sites: SimulatedSites, cell: int
) -> NDArray[np.int8]:
    """State of each step in a cell type, int8 (steps,), 0 where quiescent."""
    out = np.zeros(plan.sizes[contig] // STEP, dtype=np.int8)
    for state in range(1, plan.states):
        first, length = element_span(state)
        starts = sites.steps[sites.states[cell] == state] + first
        out[starts[:, None] + np.arange(length)] = state
    return out


def element_span(state: int) -> tuple[int, int]:
    """First step of a state's element from its slot's begin, and its number of steps."""
    length = ELEMENTS[state - 1].length // STEP
    return (SLOT_STEPS - length) // 2, length


def regional_bias(plan: GenomePlan, contig: str, cell: CellType) -> Array:
    """Factor on the intensities of each step, float64 (steps,), mean 1 in expectation."""
    steps = plan.sizes[contig] // STEP
    if not cell.domains:
        return np.broadcast_to(np.float64(1.0), steps)
    rng = plan.generator("bias", contig, cell.name)
    least, longest = 10_000 // STEP, 50_000 // STEP
    widths = rng.integers(least, longest + 1, steps // least + 1)
    widths = np.minimum(widths, np.maximum(steps - np.cumsum(widths) + widths, 0))
    factors = np.exp(rng.normal(-(cell.domains**2) / 2, cell.domains, len(widths)))
    return np.asarray(np.repeat(factors, widths))


def first_cell(depth: float) -> CellType:
    """A cell type without bias."""
    return CellType("A", depth)


def second_cell(depth: float) -> CellType:
    """Another one: over-digested, with more background and regional bias."""
    return CellType("B", depth, background=0.15, tilt=0.25, domains=0.5)


def equal_contigs(size: int, contigs: int) -> dict[str, int]:
    """Sizes of ``contigs`` contigs of about ``size`` bp in all: chr1, chr2 ..."""
    each = size // contigs // STEP * STEP
    return {f"chr{number + 1}": each for number in range(contigs)}


# ---- Fragments of a cell type: a Poisson process with the intensity of the states.

_BLOCK = 1 << 20
"""Steps whose fragments are drawn at a time."""


class SimulatedFragments(NamedTuple):
    """``starts`` and ``ends``, int64 (n,), bp, 0-based, half-open; sorted by start, then end."""

    starts: Int64
    ends: Int64


class _StepTable(NamedTuple):
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


def draw_fragments(
    plan: GenomePlan, contig: str, sites: SimulatedSites, cell: CellType
) -> SimulatedFragments:
    """The fragments of one contig.

    The number with midpoint in a step and length in a class is Poisson with mean ``scale * bias *
    intensity``; midpoints and lengths are uniform within the step and class. Fragments that would
    leave the contig are dropped; none of an element does.
    """
    table = _step_table(plan, cell)
    rows = _step_rows(plan, contig, sites, cell, table)
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
    return SimulatedFragments(start[order], end[order])


def _step_table(plan: GenomePlan, cell: CellType) -> _StepTable:
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
    return _StepTable(sums * plan.scale(cell), cumulative.ravel(), first)


def _step_rows(
    plan: GenomePlan, contig: str, sites: SimulatedSites, cell: CellType, table: _StepTable
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

"""The states and the fragments that each of them gives: intensities over position and length.

An intensity is piecewise constant: one value for each step of :data:`STEP` bp of the midpoint and
each class of :data:`LENGTH_STEP` bp of the fragment length. It is built from four parts: short
fragments of open DNA, mono-nucleosomal fragments around each nucleosome, di- and tri-nucleosomal
ones around each pair and triple, and the stripes that a bound protein leaves empty, because no
fragment ends inside its footprint (the V of a V-plot; Henikoff et al. 2011,
doi:10.1073/pnas.1110731108).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

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
_OPEN_SCALE = 28.0
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
    mixture: Array = 0.3 * _open_lengths() + 0.44 * _bell(_NUCLEOSOME) + 0.18 * _bell(_PAIR)
    mixture = mixture + 0.08 * _bell(_TRIPLE)
    blend = (1 - digestion.background) * mixture + digestion.background * _anywhere()
    return blend * _tilt(digestion)


@cache
def element_intensity(state: int, digestion: Digestion) -> Array:
    """Intensity of a state's element, on the scale of :func:`quiescent`.

    Args:
        state: 1 for the first of :data:`ELEMENTS`.
        digestion: of the experiment.

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
        image += share * np.outer(plateau / plateau.sum(), _open_lengths())
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
    blend = (1 - digestion.background) * image + digestion.background * _anywhere()
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


def _open_lengths() -> Array:
    lengths = np.exp(-(length_centres() - SHORTEST) / _OPEN_SCALE)
    return np.asarray(lengths / lengths.sum())


def _anywhere() -> Array:
    """Length distribution of background fragments: of any length, the short ones more often."""
    lengths = np.exp(-(length_centres() - SHORTEST) / 150.0)
    return np.asarray(lengths / lengths.sum())


def _tilt(digestion: Digestion) -> Array:
    return np.asarray(np.exp(-digestion.tilt * (length_centres() - 200.0) / 100.0))

"""Motifs that a site's class plants in its sequence, and what they say about where sites are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.simulation.genome import (
    MARGIN_STEPS,
    SLOT,
    SLOT_STEPS,
    STEP,
    Array,
    GenomePlan,
    Int64,
    SimulatedSites,
)

Bases = NDArray[np.uint8]
"""Codes 0 to 3 for A, C, G and T."""

LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)
_CODES = {"A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT"}
_CODES |= {"K": "GT", "M": "AC", "N": "ACGT"}
_FIT = 0.88


@dataclass(frozen=True, slots=True)
class Motif:
    """A factor and where it stands in the sites of a class.

    Attributes:
        name: name of the factor and its peaks.
        consensus: IUPAC letters, on the strand of the site; at each place one of the letter's
            bases stands with probability 0.88.
        kind: class of the sites.
        offset: bp from the site's centre to the motif's first base, on the strand of the site.
        rate: probability that a site of the class has it.
        color: RGB.
    """

    name: str
    consensus: str
    kind: int
    offset: int
    rate: float
    color: tuple[int, int, int]

    @property
    def width(self) -> int:
        """Bases of the motif."""
        return len(self.consensus)

    def matrix(self) -> Array:
        """Probability of A, C, G and T (row) at each place, float64 (4, width)."""
        columns = []
        for letter in self.consensus:
            fits = np.array([base in _CODES[letter] for base in "ACGT"])
            away = 4 - int(fits.sum())
            fit = _FIT if away else 1.0
            columns.append(np.where(fits, fit / fits.sum(), (1 - fit) / max(away, 1)))
        return np.array(columns).T


MOTIFS: tuple[Motif, ...] = (
    Motif("PromA", "TATAWAAGGC", 1, -60, 0.7, (178, 24, 43)),
    Motif("PromB", "CCGGAAGTGA", 1, -15, 0.6, (214, 96, 77)),
    Motif("Enha", "TGASTCATCG", 2, -5, 0.8, (230, 145, 56)),
    Motif("Insu", "CCACNAGRGGGC", 3, -6, 0.9, (31, 119, 180)),
    Motif("Elon", "GTTGCTAGGCAA", 4, -40, 0.6, (44, 160, 44)),
    Motif("Repr", "TTAGCACCRYGG", 5, -6, 0.7, (110, 110, 110)),
    Motif("Pois", "GCATGCAAATTA", 6, -90, 0.7, (148, 103, 189)),
    Motif("Hype", "AGGTCAAAGGTC", 7, 20, 0.8, (110, 0, 90)),
)
"""Motifs of one class do not overlap, so that the likelihood of a site is their product."""


def planted(
    plan: GenomePlan, contig: str, sites: SimulatedSites, motif: Motif
) -> NDArray[np.bool_]:
    """Which sites of a contig have the motif, bool (n,)."""
    draw = plan.generator("motif", contig, motif.name).random(len(sites))
    chosen: NDArray[np.bool_] = (sites.classes == motif.kind) & (draw < motif.rate)
    return chosen


def motif_starts(sites: SimulatedSites, motif: Motif) -> Int64:
    """Where the motif's first base on the plus strand is, or would be, int64 (n,), bp, 0-based."""
    before = np.where(sites.reverse, -motif.offset - motif.width, motif.offset)
    return sites.centres + before


def draw_bases(plan: GenomePlan, contig: str, sites: SimulatedSites) -> Bases:
    """The sequence of a contig, uint8 codes (size,): independent bases, then motifs in sites."""
    size = plan.sizes[contig]
    rng = plan.generator("bases", contig)
    steps = np.array([(1 - plan.gc) / 2, 0.5, 0.5 + plan.gc / 2])
    limits = np.round(steps * (1 << 16)).astype(np.uint32)
    bases = np.empty(size, dtype=np.uint8)
    for begin in range(0, size, 1 << 24):
        draw = rng.integers(0, 1 << 16, min(1 << 24, size - begin), dtype=np.uint16)
        bases[begin : begin + len(draw)] = (
            (draw >= limits[0]).view(np.uint8)
            + (draw >= limits[1]).view(np.uint8)
            + (draw >= limits[2]).view(np.uint8)
        )
    for motif in motifs_of(plan):
        chosen = planted(plan, contig, sites, motif)
        instances = np.cumsum(motif.matrix(), axis=0).T  # (width, 4)
        draw_ = plan.generator("instance", contig, motif.name)
        uniform = draw_.random((int(chosen.sum()), motif.width, 1))
        letters = np.minimum((uniform > instances).sum(axis=2), 3).astype(np.uint8)
        turned = sites.reverse[chosen]
        letters[turned] = 3 - letters[turned, ::-1]
        at = motif_starts(sites, motif)[chosen]
        bases[at[:, None] + np.arange(motif.width)] = letters
    return bases


def motifs_of(plan: GenomePlan) -> tuple[Motif, ...]:
    """The motifs of the plan's classes."""
    return tuple(motif for motif in MOTIFS if motif.kind < plan.states)


def motif_evidence(plan: GenomePlan, bases: Bases) -> Array:
    """Log likelihood ratio of the bases at each motif's place in a slot beginning at each step.

    Args:
        plan: parameters.
        bases: uint8 codes of a whole contig.

    Returns:
        float64 (motifs, 2 strands, steps), against background; 0 where a slot does not fit between
        the margins.
    """
    steps = len(bases) // STEP
    motifs = motifs_of(plan)
    out = np.zeros((len(motifs), 2, steps))
    begins = np.arange(MARGIN_STEPS, steps - MARGIN_STEPS - SLOT_STEPS + 1)
    background = np.array([1 - plan.gc, plan.gc, plan.gc, 1 - plan.gc])[:, None] / 2
    for row, motif in zip(out, motifs, strict=True):
        odds = np.log(motif.matrix() / background)
        for strand, table, offset in (
            (0, odds, motif.offset),
            (1, odds[::-1, ::-1], -motif.offset - motif.width),
        ):
            first = begins * STEP + SLOT // 2 + offset
            score = np.full(len(begins), np.log(motif.rate))
            for place in range(motif.width):
                score += table[bases[first + place], place]
            row[strand, begins] = np.logaddexp(np.log1p(-motif.rate), score)
    return out


def by_class(plan: GenomePlan, evidence: Array) -> Array:
    """Sums over each class's motifs: independent, and without overlap in a site.

    Args:
        plan: parameters.
        evidence: float64 (..., motifs, 2, steps) of :func:`motif_evidence`.

    Returns:
        float64 (..., states - 1, 2, steps).
    """
    kinds = [motif.kind for motif in motifs_of(plan)]
    member = np.arange(1, plan.states)[:, None] == kinds
    summed: Array = np.einsum("km,...mst->...kst", member.astype(np.float64), evidence)
    return summed

"""V-plots of a quiz as plain values for its page, which draws them itself.

Every picture has the same pixels: 10 bp of midpoint position by 10 bp of fragment length. A page
holds the fragments of each site, not an image of them: some hundred bytes a site.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from chromputer_tracks.analysis.vplots.aggregate import (
    FINE_LENGTH_EDGES,
    FragmentSource,
    aggregate_by_class,
)
from chromputer_tracks.data.features import DEFAULT_BIN, vplot
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.evaluation.sites import LabelledSites
from chromputer_tracks.intervals import ChromSizes, Interval

EDGES = FINE_LENGTH_EDGES
"""Fragment-length class edges in bp."""

_MOST_FRAGMENTS = 3_000
"""Fragments of one picture; more could not be told apart, and would make the page heavy."""
_MOST_SITES = 5_000
"""Sites of a class that its mean is drawn from."""
_EXAMPLES = 3
"""Single sites of a class to learn from."""
_GAMMA, _TOP = 0.5, 99.7
"""Of the colours of a mean: exponent, and percentile of its pixels at which they end."""
_MAP = "magma"


@dataclass(frozen=True, slots=True)
class Picture:
    """The V-plot of one site.

    Attributes:
        fragments: in the window and of lengths within :data:`EDGES`.
        steps: pixel of each fragment shown, as the difference to the one before, ascending; pixels
            are numbered along the positions, then the length classes from the shortest.
    """

    fragments: int
    steps: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """As the page takes it."""
        return {"fragments": self.fragments, "steps": self.steps}


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a class looks like, from the training contigs.

    Attributes:
        code: of the class.
        sites: with enough fragments.
        fragments: mean number in a picture.
        mean: base64 of uint8 (lengths, positions): the smoothed mean V-plot, on a scale of its own.
        examples: single sites.
    """

    code: int
    sites: int
    fragments: float
    mean: str
    examples: tuple[Picture, ...]

    def to_json(self) -> dict[str, Any]:
        """As the page takes it."""
        return {
            "code": self.code,
            "sites": self.sites,
            "fragments": round(self.fragments, 1),
            "mean": self.mean,
            "examples": [picture.to_json() for picture in self.examples],
        }


@dataclass(frozen=True, slots=True)
class Viewer:
    """Makes the pictures of a sample.

    Attributes:
        source: the fragments.
        sizes: the genome's contigs.
        window: bp of a picture, a multiple of its pixels' 10; the site is in its middle.
    """

    source: FragmentSource
    sizes: ChromSizes
    window: int

    def fragments(self, sites: LabelledSites) -> NDArray[np.int64]:
        """Fragments that the picture of each site shows, int64 (n,); -1 where a contig cuts it."""
        counts = np.full(len(sites), -1, dtype=np.int64)
        for code, name in enumerate(sites.contigs):
            size = self.sizes[name]
            midpoints, lengths = self.source.midpoints(Interval(name, 0, size))
            shown = np.sort(midpoints[(lengths >= EDGES[0]) & (lengths < EDGES[-1])])
            start = sites.centre - self.window // 2
            whole = (sites.contig == code) & (start >= 0) & (start + self.window <= size)
            here = np.flatnonzero(whole)
            begin = np.searchsorted(shown, start[here])
            counts[here] = np.searchsorted(shown, start[here] + self.window) - begin
        return counts

    def picture(self, chrom: str, centre: int) -> Picture:
        """The V-plot of a site; of very many fragments a random part, the same at each call.

        Args:
            chrom: contig.
            centre: bp, 0-based.
        """
        around = Interval.centred(chrom, centre, self.window)
        counts = vplot(*self.source.midpoints(around), around, DEFAULT_BIN, EDGES).ravel()
        pixels = np.repeat(np.arange(len(counts)), counts.astype(np.int64))
        number = len(pixels)
        if number > _MOST_FRAGMENTS:
            drawn = np.random.default_rng(centre).choice(number, _MOST_FRAGMENTS, replace=False)
            pixels = pixels[np.sort(drawn)]
        return Picture(number, tuple(np.diff(pixels, prepend=0).tolist()))

    def lessons(
        self,
        sites: LabelledSites,
        truth: NDArray[np.int64],
        usable: NDArray[np.bool_],
        offered: Sequence[int],
        seed: int,
    ) -> tuple[Lesson, ...]:
        """Mean V-plot and some sites of each class that has any.

        Args:
            sites: of training contigs.
            truth: int64 (n,), class of each.
            usable: bool (n,), whether its picture shows enough.
            offered: classes that are asked.
            seed: of the single sites.
        """
        rng = np.random.default_rng(seed)
        rows = {code: np.flatnonzero(usable & (truth == code)) for code in offered}
        chosen = np.full(len(sites), UNKNOWN, dtype=np.int64)
        for code, row in rows.items():
            # Evenly spaced over the contigs.
            chosen[row[:: -(-len(row) // _MOST_SITES) or 1]] = code
        means = aggregate_by_class(
            self.source,
            sites.contigs,
            sites.contig,
            sites.centre,
            chosen,
            max(offered) + 1,
            self.sizes,
            self.window,
            DEFAULT_BIN,
            EDGES,
        )
        found = []
        for code, row in rows.items():
            if len(row):
                shown = rng.choice(row, min(_EXAMPLES, len(row)), replace=False).tolist()
                pictures = tuple(
                    self.picture(sites.contigs[sites.contig[at]], int(sites.centre[at]))
                    for at in shown
                )
                mean = means[code]
                found.append(Lesson(code, len(row), float(mean.sum()), _scaled(mean), pictures))
        return tuple(found)


def _scaled(image: NDArray[np.float64]) -> str:
    """A mean as base64 of uint8, smoothed, weak signal raised."""
    smooth = gaussian_filter(image, 1.0, mode="nearest")
    top = float(np.percentile(smooth, _TOP)) or 1.0
    levels = np.round(255 * np.clip(smooth / top, 0, 1) ** _GAMMA).astype(np.uint8)
    return b64encode(levels.tobytes()).decode()


def color_table() -> str:
    """The colours of levels 0 to 255: base64 of uint8 (256, 3), RGB."""
    rgb = colormaps[_MAP](np.arange(256))[:, :3]
    return b64encode(np.round(rgb * 255).astype(np.uint8).tobytes()).decode()

"""Images of V-plots: axes and quantities, what pixels mean, and the colours that show them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, PowerNorm
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from chromputer_tracks.errors import InputError
from chromputer_tracks.io.atomic import atomic_path
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.text import tsv_lines
from chromputer_tracks.spec import Label

Float64 = NDArray[np.float64]


# ---- V-plots of several classes and quantities on the same axes, and their file of numbers.

_LEADING = ("length", "class", "sites", "quantity")
_DIGITS = 9
"""Significant digits of a value in a file; float32 has 7."""


@dataclass(frozen=True, slots=True)
class VplotAxes:
    """What the pixels of an image stand for.

    Attributes:
        start: bp of the first pixel's left border, from the site; of a locus: in its contig,
            0-based.
        bin: bp per position bin.
        bins: number of position bins.
        edges: fragment-length class edges in bp, ascending; class i holds
            ``edges[i] <= length < edges[i + 1]``.
        contig: that of a locus; empty where positions count from a site.
    """

    start: int
    bin: int
    bins: int
    edges: tuple[int, ...]
    contig: str = ""

    @classmethod
    def around_site(cls, window: int, bin_size: int, edges: tuple[int, ...]) -> VplotAxes:
        """Axes of a window of ``window`` bp with the site in its middle."""
        return cls(-(window // 2), bin_size, window // bin_size, edges)

    @property
    def end(self) -> int:
        """Right border of the last pixel, bp."""
        return self.start + self.bin * self.bins

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of an image: lengths, positions."""
        return len(self.edges) - 1, self.bins

    @property
    def positions(self) -> list[int]:
        """Left border of each position bin, bp."""
        return list(range(self.start, self.end, self.bin))


@dataclass(frozen=True, slots=True)
class Quantity:
    """What the values of an image are.

    Attributes:
        name: short, as the file of numbers has it.
        title: above a column of images.
        unit: unit of the values as stored.
        shown: unit of the values as drawn.
        profile: unit of the curve over positions, as drawn above an image.
        lengths: unit of the curve over fragment lengths, as drawn beside an image.
        factor: that drawn values are multiplied by for the numbers of the scale.
        per_area: values are counts that grow with a pixel's size, and are drawn per bp of position
            and bp of length.
        signed: values lie around 0; else they are at least 0.
        gamma: exponent of the colour scale of values at least 0: below 1 shows weak signal beside
            strong.
    """

    name: str
    title: str
    unit: str
    shown: str
    profile: str
    lengths: str
    factor: float = 1.0
    per_area: bool = False
    signed: bool = False
    gamma: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class VplotImage:
    """One image and what its margins show.

    Attributes:
        values: float64 (lengths, positions); NaN where there is no value.
        profile: float64 (positions,), over all lengths; None: no margins.
        lengths: float64 (lengths,), over all positions; None: no margins.
    """

    values: Float64
    profile: Float64 | None = None
    lengths: Float64 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class VplotRow:
    """The images of one class, one for each quantity of the table.

    Attributes:
        title: shown; may be longer than the name.
        color: RGB; None: none.
        points: midpoints (bp, as the axes count) and lengths of single fragments to mark.
    """

    name: str
    title: str
    sites: int
    images: tuple[VplotImage, ...]
    color: tuple[int, int, int] | None = None
    points: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class VplotTable:
    """Images of the same axes: rows are classes, columns are quantities."""

    axes: VplotAxes
    quantities: tuple[Quantity, ...]
    rows: tuple[VplotRow, ...]


def label_title(label: Label) -> str:
    """A label's name and full name, but for the name where the full one begins with it."""
    return label.title if label.title.startswith(label.name) else f"{label.name} {label.title}"


def write_vplot_tsv(path: Path, table: VplotTable) -> None:
    """Write all images of a table as one file of numbers.

    One line a length class of an image: ``length`` (``20:30``, in bp, the second not included),
    ``class``, ``sites``, ``quantity``, then one column a position bin, named by its borders in bp
    from the site (``-10:0``; of a locus: 0-based, in its contig). Lines that begin with ``#`` say
    what the quantities are. A pixel without a value is ``nan``.

    Raises:
        OutputError: it cannot be written.
    """
    axes = table.axes
    where = f"{axes.contig}, 0-based" if axes.contig else "bp from the site"
    columns = [f"{at}:{at + axes.bin}" for at in axes.positions]
    lengths = [f"{low}:{high}" for low, high in pairwise(axes.edges)]
    rows = (
        [length, row.name, row.sites, quantity.name, *(f"{v:.{_DIGITS}g}" for v in values.tolist())]
        for row in table.rows
        for quantity, image in zip(table.quantities, row.images, strict=True)
        for length, values in zip(lengths, image.values, strict=True)
    )
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(f"#length and positions: start:end, end not included; positions: {where}\n")
        file.writelines(f"#{quantity.name}: {quantity.unit}\n" for quantity in table.quantities)
        file.writelines(tsv_lines([[*_LEADING, *columns], *rows]))


# ---- What pixels mean: counts, depth, the genome's mean, a background.

PRIOR = 5.0
"""Fragments by which a ratio is drawn towards 1; see :func:`fold`."""

FRAGMENTS = Quantity(
    "fragments",
    "Fragments",
    "mean fragments per site and pixel",
    "fragments per 1,000 sites in 10 bp × 10 bp",
    "fragments per site and bp",
    "fragments per site and bp of length",
    1e5,
    per_area=True,
    gamma=0.5,
)
PER_MILLION = Quantity(
    "fragments_per_million",
    "Fragments at equal depth",
    "mean fragments per site and pixel, per million fragments of the sample",
    "fragments per 1,000 sites in 10 bp × 10 bp, of 1 million",
    "fragments per site and bp, of 1 million",
    "fragments per site and bp of length, of 1 million",
    1e5,
    per_area=True,
    gamma=0.5,
)
COUNTS = Quantity(
    "fragments",
    "Fragments",
    "fragments per pixel",
    "fragments in 10 bp × 10 bp",
    "fragments per bp",
    "fragments per bp of length",
    1e2,
    per_area=True,
    gamma=0.5,
)
"""What a pixel of one locus holds."""
INPUT = Quantity(
    "input",
    "What the network reads",
    "mean of the V-plot as the network reads it (normalised)",
    "normalised V-plot, mean over sites",
    "normalised V-plot, mean over lengths",
    "normalised V-plot, mean over positions",
    gamma=0.5,
)
CONTRIBUTION = Quantity(
    "contribution",
    "Contribution",
    "mean contribution to the explained logit (calibrated; of a state: minus the states' mean)",
    "contribution to the logit (× 10⁻³)",
    "contribution to the logit, sum over lengths",
    "contribution to the logit, sum over positions",
    1e3,
    signed=True,
)
CHANGE = Quantity(
    "probability_change",
    "Change in the state's probability",
    "mean over sites of softmax(contributions of this pixel to all states)[state] - 1 / states",
    "change in probability (× 10⁻⁴)",
    "change in probability, mean over lengths",
    "change in probability, mean over positions",
    1e4,
    signed=True,
)
FOLD = Quantity(
    "fold",
    "Over the genome's mean",
    "mean fragments per site and pixel, divided by the genome's mean for that length class",
    "fold of the genome's mean density of each length",
    "fold of the genome's mean, all lengths",
    "fold of the genome's mean, all positions",
)


def log2_against(background: str) -> Quantity:
    """The log2 ratio to a background, named as ``the genome's mean`` is."""
    return Quantity(
        "log2_ratio",
        "Against background",
        f"log2 of mean fragments per site and pixel over {background}",
        f"log2 ratio to {background}",
        "log2 ratio of all lengths",
        "log2 ratio of all positions",
        signed=True,
    )


def difference_from(quantity: Quantity, background: str) -> Quantity:
    """The quantity of an image minus that of a background; see :func:`log2_against`."""
    return replace(
        quantity,
        name=f"{quantity.name}_difference",
        title=f"Above {background}",
        unit=f"{quantity.unit}; minus {background}",
        signed=True,
    )


def density_image(values: Float64, axes: VplotAxes) -> VplotImage:
    """Mean fragments per site and pixel, float64 (lengths, positions), with their margins.

    These are fragments per bp, and per bp of length.
    """
    widths = np.diff(np.asarray(axes.edges))
    return VplotImage(values, values.sum(axis=0) / axes.bin, values.sum(axis=1) / widths)


def mean_image(values: Float64) -> VplotImage:
    """Values that do not add up, with their means over lengths and over positions."""
    return VplotImage(values, values.mean(axis=0), values.mean(axis=1))


def sum_image(values: Float64) -> VplotImage:
    """Values that add up, with their sums over lengths and over positions."""
    return VplotImage(values, values.sum(axis=0), values.sum(axis=1))


def genome_mean(source: FragmentStore, axes: VplotAxes) -> Float64:
    """Fragments that a pixel holds on average over the genome, whatever its position.

    The store's density is robust against contigs of extreme depth. The result, float64 (lengths,
    positions), is equal along positions.

    Raises:
        InputError: the fragments do not tell how deep the genome is covered.
    """
    source.sure_depth()
    per_bin = source.length_density(axes.edges) * (axes.bin / 1000)
    return np.repeat(per_bin[:, np.newaxis], axes.bins, axis=1)


def fold(values: Float64, sites: int, mean: Float64, prior: float = PRIOR) -> VplotImage:
    """Observed over expected, drawn towards 1 where few fragments are expected.

    ``(n * values + prior) / (n * mean + prior)`` with ``n`` the number of sites: ``n * values`` are
    the fragments that the pixel holds in all, ``n * mean`` those that it would hold if the sites
    were like the genome or the background. A pixel for which fewer than ``prior`` fragments are
    expected cannot show a large ratio by chance. The margins have the ratios of their own sums.

    Args:
        values: float64 (lengths, positions), mean fragments per site and pixel.
        sites: number of sites.
        mean: as ``values``, of what they are compared with.
        prior: fragments, above 0.

    Raises:
        InputError: the prior is not above 0.
    """
    if not prior > 0:
        raise InputError(f"the prior of a ratio ({prior}) must be above 0 fragments")

    def ratio(over: Float64, under: Float64) -> Float64:
        return np.asarray((sites * over + prior) / (sites * under + prior))

    return VplotImage(
        ratio(values, mean),
        ratio(values.sum(axis=0), mean.sum(axis=0)),
        ratio(values.sum(axis=1), mean.sum(axis=1)),
    )


def log2_ratio(
    values: Float64, sites: int, background: Float64, prior: float = PRIOR
) -> VplotImage:
    """Log2 of :func:`fold`, with the same arguments and errors."""
    found = fold(values, sites, background, prior)
    profile, lengths = (
        None if curve is None else np.log2(curve) for curve in (found.profile, found.lengths)
    )
    return VplotImage(np.log2(found.values), profile, lengths)


# ---- How values are drawn: smoothed, scaled and coloured.

SMOOTH = 1.0
"""Pixels of the Gaussian that smooths an image unless another is asked for."""
SIGNED_COLORS = (
    "#0a2f5c", "#124580", "#1f5e9f", "#2c7bb5", "#4897c5", "#74b0d4", "#a0c8e1", "#cbe0ed",
    "#f7f7f7", "#f9d7c0", "#f4b493", "#ea8f6b", "#db6a4c", "#c8433a", "#ac1c2e", "#870425",
    "#5f0a20",
)  # fmt: skip
"""Blue over white to red, each step as far from the next as any other in Oklab."""

_SEQUENTIAL = "magma"
_TOP, _SIGNED_TOP = 99.7, 99.0
"""Percentiles of all pixels at which a scale ends; signed values are near 0 in most pixels."""
_PLACES = (1 / 3, 2 / 3)
_NO_VALUE = "#c9ced4"


@dataclass(frozen=True, slots=True)
class VplotScale:
    """One colour scale for all images of a quantity.

    ``top`` is where it ends, in values as drawn, above 0; a signed one begins at ``-top``.
    """

    quantity: Quantity
    top: float

    @classmethod
    def of(cls, quantity: Quantity, images: Iterable[Float64]) -> VplotScale:
        """The scale on which images, as :func:`drawn` gives them, can be compared."""
        pixels = np.concatenate([np.zeros(1), *(np.abs(image).ravel() for image in images)])
        pixels = pixels[np.isfinite(pixels)]
        top = float(np.percentile(pixels, _SIGNED_TOP if quantity.signed else _TOP)) or float(
            pixels.max()
        )
        return cls(quantity, top or 1.0)

    @property
    def norm(self) -> Normalize:
        """The same as matplotlib's norm."""
        if self.quantity.signed:
            return Normalize(-self.top, self.top, clip=True)
        return PowerNorm(self.quantity.gamma, 0, self.top, clip=True)

    @property
    def ticks(self) -> list[float]:
        """Round values for the scale's bar, in the unit that is shown."""
        top = self.top * self.quantity.factor
        if self.quantity.signed:
            half, whole = rounded_down(top / 2, 1), rounded_down(top, 2)
            return [-whole, -half, 0.0, half, whole]
        # Evenly spaced along the scale.
        inner = [rounded_down(top * place ** (1 / self.quantity.gamma), 1) for place in _PLACES]
        return [0.0, *inner, rounded_down(top, 2)]

    @property
    def colors(self) -> Colormap:
        """Perceptually even; grey where there is no value."""
        base = (
            LinearSegmentedColormap.from_list("signed", SIGNED_COLORS, 512)
            if self.quantity.signed
            else colormaps[_SEQUENTIAL]
        )
        found: Colormap = base.with_extremes(bad=_NO_VALUE)
        return found

    def draw_bar(self, axes: Axes, size: float = 7.5) -> None:
        """Fill axes, wider than high, with the scale, its numbers and its unit."""
        bar = axes.figure.colorbar(
            ScalarMappable(self.norm, self.colors), cax=axes, orientation="horizontal"
        )
        ticks = self.ticks
        bar.set_ticks(
            [tick / self.quantity.factor for tick in ticks],
            labels=[minus(f"{tick:g}") for tick in ticks],
        )
        bar.set_label(self.quantity.shown, fontsize=size, labelpad=2)
        axes.tick_params(labelsize=size, pad=2)
        bar.outline.set_visible(False)


def drawn(values: Float64, quantity: Quantity, axes: VplotAxes, sigma: float) -> Float64:
    """Values (lengths, positions) as they are drawn: densities for counts, smoothed.

    A quantity ``per_area`` is divided by each pixel's bp and bp of length. The Gaussian of
    ``sigma`` pixels smooths along both axes; 0 for none. Pixels without a value (NaN) stay without
    and do not count for others.
    """
    if quantity.per_area:
        values = values / (np.diff(np.asarray(axes.edges))[:, np.newaxis] * axes.bin)
    if not sigma:
        return values
    known = np.isfinite(values)
    if known.all():
        smooth: Float64 = gaussian_filter(values, sigma, mode="nearest")
        return smooth
    sums = gaussian_filter(np.where(known, values, 0.0), sigma, mode="nearest")
    weights = gaussian_filter(known.astype(np.float64), sigma, mode="nearest")
    found: Float64 = np.full(values.shape, np.nan)
    np.divide(sums, weights, out=found, where=known)
    return found


def minus(text: str) -> str:
    """A number with a minus sign for its hyphen."""
    return text.replace("-", "\N{MINUS SIGN}")


def rounded_down(value: float, digits: int) -> float:
    """A value cut towards 0 to some significant digits."""
    if not value:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - digits + 1)
    # The quotient of a value that is already round may lie a little below its integer.
    return float(f"{math.copysign(math.floor(abs(value) / step + 1e-9) * step, value):.{digits}g}")

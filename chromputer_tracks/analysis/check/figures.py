"""Charts of a check, as SVG: the sample in the accent, the training sample in grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from chromputer_tracks.analysis.check.run import ContigCount, Row
from chromputer_tracks.data.lengths import LengthPeaks
from chromputer_tracks.figures import ACCENT, INK, MUTED, SERIES, canvas, to_svg
from chromputer_tracks.spec import (
    CUT_FLANK,
    GC_CLASSES,
    LENGTH_STEP,
    TSS_FLANK,
    TSS_STEP,
    TSS_VPLOT_FLANK,
    TSS_VPLOT_LENGTHS,
    DepthAccuracy,
)

_LONGEST = 700
"""bp; longer fragments are hardly any."""
_MOST_CONTIGS = 40
BASES = dict(zip("ACGT", (SERIES[2], SERIES[0], SERIES[3], SERIES[1]), strict=True))
"""Colours of bases."""
TRAINING = MUTED
"""Colour of the training sample."""
SAMPLE = ACCENT
"""Colour of the sample."""


def _percent(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axes.yaxis.set_major_locator(MaxNLocator(5))


def lengths_chart(counts: Sequence[int], training: Row | None, peaks: LengthPeaks) -> str:
    """Share of fragments by length, from 0 to 700 bp, with the peaks that were found."""
    values = np.array(counts, dtype=np.float64)
    share = values / max(values.sum(), 1)
    with canvas(7.2, 3.1) as figure:
        axes = figure.add_subplot()
        if training is not None:
            density = np.array(training[: _LONGEST // LENGTH_STEP]) / LENGTH_STEP
            borders = np.arange(0, _LONGEST + 1, LENGTH_STEP)
            axes.stairs(density, borders, fill=True, color=TRAINING, alpha=0.28)
        axes.plot(np.arange(_LONGEST), share[:_LONGEST], color=SAMPLE, linewidth=1.2)
        axes.set(xlim=(0, _LONGEST), xlabel="fragment length (bp)", ylabel="fragments per bp")
        axes.set_ylim(bottom=0)
        _percent(axes)
        top = axes.get_ylim()[1]
        named = {"free": peaks.free, "mono": peaks.mono, "di": peaks.di, "tri": peaks.tri}
        for name, at in named.items():
            if at is None:
                continue
            height = float(share[max(at - 15, 0) : at + 16].max())
            axes.annotate(
                f"{_PEAKS[name]}\n{at} bp", (at, height), xytext=(at, height + 0.08 * top),
                ha="center", va="bottom", fontsize=8, color=INK,
                arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.8, "shrinkB": 1},
            )  # fmt: skip
        axes.set_ylim(0, top * 1.2)
        return to_svg(figure, f"Fragments by length: {_told(peaks)}")


_PEAKS = {"free": "no nucleosome", "mono": "one", "di": "two", "tri": "three"}


def _told(peaks: LengthPeaks) -> str:
    named = {"free": peaks.free, "mono": peaks.mono, "di": peaks.di, "tri": peaks.tri}
    found = [f"{_PEAKS[name]} {at} bp" for name, at in named.items() if at is not None]
    return f"peaks of {', '.join(found)}" if found else "no peaks"


def contigs_chart(contigs: Sequence[ContigCount], depth: float) -> str:
    """Fragments per kb of the first 40 contigs, beside the depth."""
    shown = contigs[:_MOST_CONTIGS]
    with canvas(max(3.2, 0.24 * len(shown) + 1.0), 2.7) as figure:
        axes = figure.add_subplot()
        axes.grid(axis="x", visible=False)
        axes.bar(range(len(shown)), [item.per_kb for item in shown], 0.72, color=SAMPLE, alpha=0.85)
        axes.axhline(depth, color=INK, linewidth=1, dashes=(4, 3))
        # Contigs of organelles would flatten all others.
        usual = [item.per_kb for item in shown]
        limit = 4 * max(depth, float(np.median(usual)))
        cut = [place for place, value in enumerate(usual) if value > limit > 0]
        if cut:
            axes.set_ylim(0, limit)
            for place in cut:
                axes.annotate(
                    f"{usual[place]:,.0f}", (place, limit), xytext=(0, -2), rotation=90,
                    textcoords="offset points", ha="center", va="top", fontsize=7.5, color="white",
                )  # fmt: skip
        axes.set_xticks(range(len(shown)), [item.name for item in shown], rotation=90, color=INK)
        axes.set_xlim(-0.7, len(shown) - 0.3)
        axes.set_ylabel("fragments per kb")
        return to_svg(
            figure, f"Fragments per kb of {len(shown)} contigs; the sample's depth is {depth:.3g}"
        )


def tss_chart(cuts: Row, training: Row) -> str:
    """Cut sites around start sites over those 2 kb away; without a training sample an empty row."""
    with canvas(4.3, 2.9) as figure:
        axes = figure.add_subplot()
        x = np.arange(-TSS_FLANK, TSS_FLANK, TSS_STEP) + TSS_STEP / 2
        if training:
            axes.fill_between(x, training, color=TRAINING, alpha=0.28, linewidth=0)
        axes.plot(x, cuts, color=SAMPLE)
        axes.axvline(0, color=MUTED, linewidth=0.8, dashes=(3, 3))
        axes.axhline(1, color=MUTED, linewidth=0.8, dashes=(1, 2.5))
        axes.set(xlim=(-TSS_FLANK, TSS_FLANK), xlabel="bp from the TSS", ylabel="over background")
        axes.set_title("Cut sites around TSSs")
        axes.set_ylim(bottom=0)
        _signed_ticks(axes, TSS_FLANK)
        return to_svg(figure, "Cut sites around transcription start sites over those 2 kb away")


def _signed_ticks(axes: Axes, flank: int) -> None:
    ticks = (-flank, -flank // 2, 0, flank // 2, flank)
    axes.set_xticks(ticks, [f"{tick:+,}".replace("-", "−") if tick else "0" for tick in ticks])


def vplot_charts(images: Mapping[str, tuple[Row, ...]]) -> list[str]:
    """V-plots at start sites by title, all on one colour scale."""
    top = max(float(np.quantile(np.array(image), 0.995)) for image in images.values())
    charts = []
    for title, image in images.items():
        with canvas(4.3, 2.9) as figure:
            axes = figure.add_subplot()
            axes.grid(False)
            low, high = TSS_VPLOT_LENGTHS[0], TSS_VPLOT_LENGTHS[-1]
            drawn = axes.imshow(
                np.sqrt(np.array(image)), cmap="viridis", vmin=0, vmax=np.sqrt(top),
                extent=(-TSS_VPLOT_FLANK, TSS_VPLOT_FLANK, low, high), origin="lower",
                aspect="auto", interpolation="none",
            )  # fmt: skip
            axes.axhline(147, color="white", linewidth=0.7, alpha=0.6, dashes=(4, 4))
            axes.set(xlabel="bp from the TSS", ylabel="fragment length (bp)")
            axes.set_title(title)
            _signed_ticks(axes, TSS_VPLOT_FLANK)
            bar = figure.colorbar(drawn, ax=axes, pad=0.02, fraction=0.05)
            ticks = [tick for tick in (0, 0.5, 1, 2, 4, 8, 16, 32) if tick <= top]
            bar.set_ticks(list(np.sqrt(ticks)), labels=[f"{tick:g}" for tick in ticks])
            bar.set_label("over the mean", color=MUTED)
            bar.outline.set_visible(False)
            charts.append(to_svg(figure, f"V-plot at transcription start sites, {title}"))
    return charts


def bases_chart(shares: Sequence[Row], training: Sequence[Row]) -> str:
    """Shares of the bases around cut sites; the training sample's as dots."""
    with canvas(4.3, 2.9) as figure:
        axes = figure.add_subplot()
        x = np.arange(-CUT_FLANK, CUT_FLANK + 1)
        for place, (base, colour) in enumerate(BASES.items()):
            axes.plot(x, [row[place] for row in shares], color=colour, label=base, linewidth=1.4)
            if training:
                axes.plot(x, [row[place] for row in training], "o", color=colour, markersize=3)
        axes.axvline(0, color=MUTED, linewidth=0.8, dashes=(3, 3))
        axes.set(xlim=(-CUT_FLANK - 0.4, CUT_FLANK + 0.4), xlabel="bp from the cut site, 5′ to 3′")
        axes.set_xticks((-10, -5, 0, 5, 10), ("−10", "−5", "0", "+5", "+10"))
        axes.set_ylim(bottom=0)
        axes.set_title("Bases at cut sites")
        _percent(axes)
        return to_svg(figure, "Shares of A, C, G and T around cut sites")


def gc_chart(sample: Row, genome: Row, training: Row) -> str:
    """Fragments by GC, beside the genome's stretches of such lengths."""
    with canvas(4.3, 2.9) as figure:
        axes = figure.add_subplot()
        borders = np.linspace(0, 100, GC_CLASSES + 1)
        if training:
            axes.stairs(training, borders, fill=True, color=TRAINING, alpha=0.28)
        middle = (borders[1:] + borders[:-1]) / 2
        if genome:
            axes.plot(middle, genome, color=INK, linewidth=1.2, dashes=(3, 2))
        axes.plot(middle, sample, color=SAMPLE)
        axes.set(xlim=(0, 100), xlabel="G and C (%)", ylabel="fragments per 4 %")
        axes.set_title("GC of fragments")
        axes.set_ylim(bottom=0)
        _percent(axes)
        return to_svg(figure, "Fragments by their share of G and C")


ACCURACIES = {
    "accuracy": ("states right", ACCENT),
    "macro_f1": ("macro-F1 of the states", SERIES[1]),
    "auprc": ("mean AUPRC of the labels", SERIES[2]),
}
"""Name and colour of each figure of accuracy."""


def accuracy_chart(depths: Sequence[DepthAccuracy], here: float) -> str:
    """Accuracy by depth with its intervals, and where the sample lies."""
    with canvas(6.4, 3.1) as figure:
        axes = figure.add_subplot()
        axes.set_xscale("log")
        x = [item.depth for item in depths]
        for name, (_, colour) in ACCURACIES.items():
            rows = [getattr(item, name) for item in depths]
            if any(row is None for row in rows):
                continue
            value, low, high = np.array(rows).T
            axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
            axes.plot(x, value, color=colour, marker="o", markersize=3.5)
        axes.axvline(here, color=INK, linewidth=1.2, dashes=(4, 3))
        axes.annotate(
            "this sample", (here, 1), xycoords=("data", "axes fraction"), xytext=(0, 3),
            textcoords="offset points", ha="center", va="bottom", fontsize=8.5, color=INK,
        )  # fmt: skip
        ticks = sorted(x)
        axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
        axes.minorticks_off()
        axes.set(xlabel="fragments per kb", ylim=(0, 1))
        return to_svg(figure, f"Accuracy by depth; this sample has {here:.3g} fragments per kb")

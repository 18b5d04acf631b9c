"""The page of a check: the verdict first, then the figures that it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chromputer_tracks import __version__
from chromputer_tracks.analysis.check.figures import (
    ACCURACIES,
    BASES,
    SAMPLE,
    TRAINING,
    accuracy_chart,
    bases_chart,
    contigs_chart,
    gc_chart,
    lengths_chart,
    tss_chart,
    vplot_charts,
)
from chromputer_tracks.analysis.check.run import SampleCheck
from chromputer_tracks.analysis.pages import Page
from chromputer_tracks.analysis.report.blocks import (
    Block,
    Cell,
    Column,
    Fact,
    FactsBlock,
    FigureBlock,
    FindingsBlock,
    Key,
    Section,
    TableBlock,
    TextBlock,
)
from chromputer_tracks.data.verdict import summary
from chromputer_tracks.figures import INK
from chromputer_tracks.options.fields import recorded
from chromputer_tracks.options.predict import CheckOptions

_TEMPLATE, _STYLE = "report.html.j2", "report.css"
_FOLD = 12
"""Contigs from which on their table is folded."""


@dataclass(frozen=True, slots=True)
class _Head:
    """What the template shows above the sections."""

    title: str
    subtitle: str


def check_page(found: SampleCheck, options: CheckOptions) -> str:
    """The page, HTML5; it holds all that it shows."""
    against = found.training
    subtitle = f"{found.assay.kept or 0:,} fragments"
    if against is not None:
        subtitle += f", judged for the model {against.model} ({against.assembly})"
    page = Page(_TEMPLATE)
    return page.render(
        data=_Head(found.name, subtitle),
        kind="Sample check",
        sections=[section for section in _sections(found, options) if section.blocks],
        style=page.own(_STYLE),
        version=__version__,
    )


def _sections(found: SampleCheck, options: CheckOptions) -> tuple[Section, ...]:
    return (
        Section("summary", "Verdict", tuple(_verdict(found))),
        Section("accuracy", "Accuracy to expect", tuple(_accuracy(found))),
        Section("lengths", "Fragment lengths", tuple(_lengths(found))),
        Section("tss", "Start sites", tuple(_tss(found))),
        Section("bias", "Bias of sequence", tuple(_bias(found))),
        Section("contigs", "Contigs", tuple(_contigs(found))),
        Section("provenance", "How it was made", tuple(_made(found, options))),
    )


def _keys(found: SampleCheck) -> tuple[Key, ...]:
    keys = [Key("this sample", f"var(--fig-accent, {SAMPLE})")]
    if found.training is not None and found.training.profile is not None:
        keys.append(Key("training sample", f"var(--fig-muted, {TRAINING})", "area"))
    return tuple(keys)


def _verdict(found: SampleCheck) -> Iterator[Block]:
    model = None if found.training is None else found.training.model
    text = summary(found.verdict, model).removeprefix("sample: ")
    yield TextBlock(f"{text[0].upper()}{text[1:]}.", warning=found.verdict.level != "ok")
    order = {"unfit": 0, "warning": 1, "ok": 2}
    yield FindingsBlock(tuple(sorted(found.verdict.findings, key=lambda item: order[item.level])))
    yield FactsBlock(tuple(_facts(found)))


def _facts(found: SampleCheck) -> Iterator[Fact]:
    assay, peaks = found.assay, found.peaks
    yield Fact("Fragments", f"{assay.kept or 0:,}")
    how = "" if assay.depth is None else f" ({_HOW[assay.depth.how]})"
    yield Fact("Fragments per kb", f"{assay.per_kb or 0:.3g}{how}")
    if found.duplicates is not None:
        yield Fact("Duplicates", f"{found.duplicates:.1%} of the fragments that pass the filters")
    if found.mitochondrial is not None:
        yield Fact("Mitochondria and plastids", f"{found.mitochondrial:.1%}")
    if found.blacklisted is not None:
        yield Fact("In the blacklist", f"{found.blacklisted:.1%}")
    if found.tss is not None and found.tss.enrichment is not None:
        yield Fact("TSS enrichment", f"{found.tss.enrichment:.2f} ({found.tss.sites:,} TSSs)")
    shares = found.lengths
    short = sum(shares[:100]) / max(sum(shares), 1)
    yield Fact("Shorter than 100 bp", f"{short:.1%}")
    median = int(np.searchsorted(np.cumsum(shares), sum(shares) / 2))
    yield Fact("Median length", f"{median} bp")
    named = (
        ("Peak without nucleosome", peaks.free),
        ("Peak of one nucleosome", peaks.mono),
        ("Peak of two", peaks.di),
        ("Peak of three", peaks.tri),
    )
    for name, at in named:
        if at is not None:
            yield Fact(name, f"{at} bp")
    if peaks.ripple is not None:
        yield Fact("Ripples of the helix", f"every {peaks.ripple:g} bp")


_HOW = {
    "genome": "median over contigs",
    "confined": "over the regions that are covered",
    "regions": "over the regions given",
    "given": "as given",
}


def _accuracy(found: SampleCheck) -> Iterator[Block]:
    against, depth = found.training, found.assay.per_kb
    if against is None or not against.depths or depth is None:
        return
    yield FigureBlock(
        (accuracy_chart(against.depths, depth),),
        f"What {against.model} reaches on held-out contigs ({', '.join(against.contigs)}) with "
        "parts of the fragments of its own training sample, with 95 % intervals. "
        + (
            "This sample is unlike it, so that nothing of this can be expected."
            if found.verdict.expected is None
            else "A sample that is otherwise like it can be expected to reach as much at its depth."
        ),
        key=tuple(
            Key(title, f"var(--fig-accent, {color})" if color == SAMPLE else color)
            for name, (title, color) in ACCURACIES.items()
            if all(getattr(item, name) is not None for item in against.depths)
        ),
    )


def _lengths(found: SampleCheck) -> Iterator[Block]:
    profile = None if found.training is None else found.training.profile
    training = None if profile is None else profile.lengths
    ripple = found.peaks.ripple
    caption = (
        "Fragments by length. The peak without nucleosome is the mode of the smoothed counts below "
        "120 bp; those around one nucleosome and more are where the logarithm of the smoothed "
        "counts rises most above a trend of 60 bp. "
    )
    if ripple is not None:
        caption += (
            f"Ripples of {ripple:g} bp, a turn of the helix, stand out of the counting noise of 40 "
            f"to 200 bp by {found.peaks.ripple_power:,.0f} times. "
        )
    else:
        caption += "No ripples of 8 to 13 bp stand out of the counting noise. "
    if found.length_distance is not None:
        caption += f"Total variation distance to the training sample: {found.length_distance:.3f}."
    yield FigureBlock(
        (lengths_chart(found.lengths, training, found.peaks),), caption, key=_keys(found)
    )


def _tss(found: SampleCheck) -> Iterator[Block]:
    around = found.tss
    if around is None or not around.cuts:
        return
    profile = None if found.training is None else found.training.profile
    yield FigureBlock(
        (tss_chart(around.cuts, () if profile is None else profile.tss_cuts),),
        f"Around {around.sites:,} start sites, in the genes' direction. TSS enrichment is the mean "
        "number of cut sites within 50 bp of the TSSs over that 1.9 to 2 kb away on both sides "
        "(ENCODE's definition, with the ends of fragments in place of reads).",
        key=_keys(found),
    )
    images = {"V-plot, this sample": around.vplot} if around.vplot else {}
    if images and profile is not None and profile.tss_vplot:
        images["V-plot, training sample"] = profile.tss_vplot
    if images:
        yield FigureBlock(
            tuple(vplot_charts(images)),
            "Each fragment counts at its midpoint and length, over the mean of the image; the "
            "dashed line is 147 bp. Short fragments come from open DNA at the start sites, those "
            "above the line from the nucleosomes beside them.",
            "pair",
        )


def _bias(found: SampleCheck) -> Iterator[Block]:
    profile = None if found.training is None else found.training.profile
    if found.cut_bases:
        yield FigureBlock(
            (bases_chart(found.cut_bases, () if profile is None else profile.cut_bases),),
            "Bases around cut sites, on the strand that reads into the fragment; 0 is the middle "
            "of the 9 bp that Tn5 duplicates, if the ends are shifted by +4/-5 bp. "
            + ("Dots: the training sample." if profile is not None else ""),
            key=tuple(Key(base, colour) for base, colour in BASES.items()),
        )
    if found.gc:
        keys = _keys(found)
        if found.genome_gc:
            keys += (Key("anywhere in the genome", f"var(--fig-ink, {INK})", "dotted"),)
        yield FigureBlock(
            (gc_chart(found.gc, found.genome_gc, () if profile is None else profile.gc),),
            "Share of G and C of the fragments, and of as many stretches of such lengths from "
            "anywhere in the genome. Open chromatin is often richer in GC; a shift far beyond the "
            "training sample's speaks of amplification.",
            key=keys,
        )


def _contigs(found: SampleCheck) -> Iterator[Block]:
    depth = found.assay.per_kb or 0.0
    yield FigureBlock(
        (contigs_chart(found.contigs, depth),),
        f"Fragments per kb by contig; the dashed line is the sample's depth, {depth:.3g}.",
    )
    total = sum(item.fragments for item in found.contigs)
    yield TableBlock(
        "Fragments by contig.",
        (Column("contig", numeric=False), Column("bp"), Column("fragments"), Column("share"),
         Column("per kb")),
        tuple(
            (
                Cell(item.name),
                Cell(f"{item.bases:,}"),
                Cell(f"{item.fragments:,}"),
                Cell(f"{item.fragments / max(total, 1):.2%}"),
                Cell(f"{item.per_kb:,.3g}"),
            )
            for item in found.contigs
        ),
        folded=len(found.contigs) > _FOLD,
    )  # fmt: skip


def _made(found: SampleCheck, options: CheckOptions) -> Iterator[Block]:
    yield TextBlock("The files that were read, with their checksums, are in run.json beside it.")
    removed = found.assay.removed or {}
    rows = [(reason, f"{count:,}") for reason, count in removed.items() if count]
    if rows:
        yield TableBlock(
            "Read pairs or rows that do not count, by the first reason.",
            (Column("reason", numeric=False), Column("number")),
            tuple((Cell(reason), Cell(count)) for reason, count in rows),
        )
    given = {name: value for name, value in recorded(options).items() if value not in (None, [])}
    yield TableBlock(
        "Options.",
        (Column("option", numeric=False), Column("value", numeric=False)),
        tuple((Cell(name.replace("_", " ")), Cell(str(value))) for name, value in given.items()),
    )

"""``chromputer check``: measure a sample, judge it, and write a page and a JSON of it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.pages import write_texts
from chromputer_tracks.data.fitness import genome_gc, length_shares, nuclear, tss_profile
from chromputer_tracks.data.labels import Mask, read_mask
from chromputer_tracks.data.lengths import LengthPeaks, length_peaks
from chromputer_tracks.data.verdict import (
    GENOME,
    judge,
    length_distance,
    look_at,
    refuse,
    sentences,
    training_profile,
)
from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.sample import assay_record, given_depths, open_genome
from chromputer_tracks.inference.session import Model, load_model
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.bed import read_tss
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.fragments import FLAGGED, IDENTICAL
from chromputer_tracks.io.record import AssayRecord, Report, RunRecord, Silent, Verdict
from chromputer_tracks.io.run import run
from chromputer_tracks.options.predict import CheckOptions
from chromputer_tracks.records import to_plain
from chromputer_tracks.spec import DepthAccuracy, ModelSpec, SampleProfile, fragment_assays

KIND = "check"
"""What ``run.json`` says of the command."""
PAGE, DATA = "check.html", "check.json"
"""Files of a check."""
_DEFAULT_ASSAY = "atac"
"""What the fragments are taken for without a model."""

Row = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ContigCount:
    """Fragments of a contig.

    Attributes:
        name: of the contig.
        bases: its length, bp.
        fragments: their number.
        per_kb: fragments per kb.
    """

    name: str
    bases: int
    fragments: int
    per_kb: float


@dataclass(frozen=True, slots=True)
class TssFigures:
    """What lies around start sites, in the genes' direction.

    Attributes:
        sites: number of start sites that were looked at.
        enrichment: mean cut sites within 50 bp over those 1.9 to 2 kb away; None without any there.
        cuts: cut sites over those 1.9 to 2 kb away, in 50-bp classes from -2 kb to 2 kb.
        vplot: fragments over their mean, 20-bp classes of length from 20 to 420 bp by 50-bp classes
            of position from -1 kb to 1 kb.
    """

    sites: int
    enrichment: float | None
    cuts: Row
    vplot: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Training:
    """What a model brings of the sample that it was trained on.

    Attributes:
        model: its name.
        assembly: genome of the training sample.
        profile: how the fragments look; None where the model brings none.
        depths: accuracy by depth, the deepest first.
        contigs: held-out contigs of that accuracy.
    """

    model: str
    assembly: str
    profile: SampleProfile | None
    depths: tuple[DepthAccuracy, ...]
    contigs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SampleCheck:
    """What ``check.json`` holds.

    Attributes:
        name: of the sample's file.
        verdict: whether it is fit for the model, or without a model whether anything is against it.
        assay: format, fragments kept and removed by reason, depth and how it was found.
        duplicates: share of the fragments that are duplicates of others; None where the file or its
            reading does not tell.
        mitochondrial: share of the fragments on the organelles' contigs; None without such contigs.
        blacklisted: share of the fragments in the blacklist; None without one.
        contigs: in the genome's order.
        lengths: fragments of 0, 1, ... bp; the last are all of 1,000 bp and more. Of a large sample
            of a part that stands for all.
        length_distance: total variation distance of the lengths to the training sample's; None
            without one.
        peaks: periods of the lengths.
        cut_bases: shares of A, C, G, T from -10 to 10 around a cut site, 5' to 3' on its strand.
        gc: share of the fragments by GC, 25 classes.
        genome_gc: the same of stretches of such lengths from anywhere in the genome.
        tss: None without start sites.
        training: what the sample is compared with; None without a model.
    """

    name: str
    verdict: Verdict
    assay: AssayRecord
    duplicates: float | None
    mitochondrial: float | None
    blacklisted: float | None
    contigs: tuple[ContigCount, ...]
    lengths: tuple[int, ...]
    length_distance: float | None
    peaks: LengthPeaks
    cut_bases: tuple[Row, ...]
    gc: Row
    genome_gc: Row
    tss: TssFigures | None
    training: Training | None

    @property
    def length_shares(self) -> Row:
        """Shares by the classes of a profile."""
        return tuple(length_shares(np.array(self.lengths)).tolist())


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """What ``run.json`` says of a check beside what every record does."""

    model_name: str | None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a run gave: the figures and the verdict, and the record."""

    check: SampleCheck
    record: RunRecord


def check_sample(options: CheckOptions, report: Report | None = None) -> CheckResult:
    """Measure a sample and judge it; write ``check.html``, ``check.json`` and ``run.json``.

    Without matplotlib there is no page, which is told.

    Raises:
        InputError: a file cannot be used, or does not fit the genome; or the sample is not fit for
            the model in every respect, and ``strict``, when the files are written.
        SpecError: the model cannot be used.
        OutputError: the folder cannot be written.
    """
    report, files = report or Silent(), options.files()
    with run(KIND, options, report) as work, ExitStack() as stack:
        with work.stages.phase("checking"):
            model = None if options.model is None else load_model(options.model)
            assay = _assay(model, options.for_assay)
            fasta = open_genome(stack, files, report)
            tss = None if options.tss is None else read_tss(options.tss, fasta.sizes)
            mask = None if options.blacklist is None else read_mask(options.blacklist, fasta.sizes)
            depth = given_depths(files, [assay], fasta.sizes).get(assay)
            roles = {"fasta": options.fasta, "fragments": options.fragments, "tss": options.tss}
            roles |= {"blacklist": options.blacklist, "depth regions": options.depth_regions}
            work.read(roles | ({} if model is None else {"model": model.path}))
        with work.stages.phase("reading"):
            store = stack.enter_context(
                FragmentStore.build(
                    options.fragments,
                    fasta.sizes,
                    options.fragment_options,
                    lambda kept: report.progress("reading", kept, None, "fragments"),
                    options.scratch,
                    depth,
                )
            )
        with work.stages.phase("measuring"):
            spec = None if model is None else model.spec
            look = look_at(store, fasta)
            around = None if tss is None else tss_profile(store, tss)
            inside = None if mask is None else _inside(store, mask)
            verdict = judge(look, spec, assay, None, around, inside)
            profile = training_profile(spec, assay)
            every = look.bases.shares()
            found = SampleCheck(
                look.name,
                verdict,
                assay_record(store),
                _duplicates(store, options),
                look.mitochondrial,
                inside,
                tuple(_contigs(store, fasta.sizes)),
                tuple(look.lengths.tolist()),
                None if profile is None else round(length_distance(look.lengths, profile)[0], 4),
                length_peaks(look.lengths),
                _rows(every) if look.bases.ends.sum(axis=2).all() else (),
                _shares(look.bases.gc),
                _shares(genome_gc(fasta, nuclear(fasta.sizes), look.lengths)),
                None
                if around is None
                else TssFigures(
                    around.sites,
                    around.enrichment,
                    _row(around.relative_cuts()) if around.background else (),
                    _rows(around.relative_vplot()) if around.vplot.any() else (),
                ),
                None if spec is None else _training(spec, profile),
            )
        # The other commands tell this when they open the model.
        for item in verdict.faults:
            if item.subject == GENOME:
                report.note(f"warning: {item.subject}: {item.text}")
        for line in sentences(verdict, None if model is None else model.name):
            report.note(line)
        texts = {DATA: json.dumps(to_plain(found), indent=1) + "\n"}
        if importlib.util.find_spec("matplotlib") is None:
            report.note(
                f"note: no {PAGE}, whose figures need matplotlib: pip install "
                "'chromputer-tracks[analysis]'"
            )
        else:
            from chromputer_tracks.analysis.check.page import check_page

            with work.stages.phase("drawing"):
                texts[PAGE] = check_page(found, options)
        write_texts(work.folder, texts)
        work.describe(CheckRecord(None if model is None else model.name), verdicts={assay: verdict})
    if options.strict:
        refuse(verdict, None if model is None else model.name, str(options.fragments))
    return CheckResult(found, work.record)


def _assay(model: Model | None, name: str | None) -> str:
    """The model's name for the fragments.

    Raises:
        InputError: the model reads several or no assays of fragments, or none of this name.
    """
    if model is None:
        return name or _DEFAULT_ASSAY
    names = fragment_assays(model.spec.inputs)
    if not names:
        raise InputError(f"model {model.name} reads no fragments: there is nothing to check")
    if name is None and len(names) > 1:
        raise InputError(
            f"model {model.name} reads fragments of {', '.join(names)}: say which these are with "
            "--for-assay NAME"
        )
    if name is not None and name not in names:
        raise InputError(
            f"--for-assay {name}: model {model.name} reads fragments of {', '.join(names)}"
        )
    return name or names[0]


def _inside(store: FragmentStore, mask: Mask) -> float:
    """Share of all fragments whose midpoints lie in a mask."""
    inside = 0
    for name, size in store.sizes.items():
        if store.counts[name] and name in mask.starts:
            found = store.midpoints(Interval(name, 0, size))
            inside += int(mask.at(name, found.midpoints.astype(np.int64)).sum())
    return _cut(inside / store.total)


def _duplicates(store: FragmentStore, options: CheckOptions) -> float | None:
    """Share of duplicates among those that passed all other filters."""
    removed = store.summary.removed
    if not options.fragment_options.drop_duplicates or IDENTICAL not in removed:
        return None
    found = removed[IDENTICAL] + removed.get(FLAGGED, 0)
    return _cut(found / (store.total + found))


def _contigs(store: FragmentStore, sizes: ChromSizes) -> Iterator[ContigCount]:
    for name, size in sizes.items():
        many = store.counts[name]
        yield ContigCount(name, size, many, _cut(many / size * 1000))


def _training(spec: ModelSpec, profile: SampleProfile | None) -> Training:
    fitness = spec.fitness
    if fitness is None:
        return Training(spec.name, spec.assembly, profile, (), ())
    return Training(spec.name, spec.assembly, profile, fitness.depths, fitness.contigs)


def _cut(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


def _row(values: NDArray[np.float64]) -> Row:
    return tuple(map(_cut, values.tolist()))


def _rows(values: NDArray[np.float64]) -> tuple[Row, ...]:
    return tuple(map(_row, values))


def _shares(counts: NDArray[np.int64]) -> Row:
    """Shares; nothing where nothing was counted."""
    return _row(counts / counts.sum()) if counts.any() else ()

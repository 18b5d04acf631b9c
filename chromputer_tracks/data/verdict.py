"""Whether a sample is fit for a model, in plain sentences with the values that they rest on.

What is judged and from which limits on was chosen on real samples: see ``docs/check.md``, which has
their figures.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.data.fitness import (
    TSS_EDGE,
    Bases,
    TssProfile,
    count_bases,
    fragment_ends,
    length_counts,
    length_shares,
    mitochondrial_share,
    nuclear,
    organelles,
)
from chromputer_tracks.errors import InputError, counted
from chromputer_tracks.intervals import ChromSizes, Interval
from chromputer_tracks.io.depth import REMEDY, Depth
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.record import ExpectedAccuracy, Finding, Level, Verdict
from chromputer_tracks.spec import CUT_FLANK, LENGTH_STEP, DepthAccuracy, ModelSpec, SampleProfile

SHORT = 100
"""bp; shorter fragments lie between nucleosomes: all but ATAC-seq's shortest are missing from
MNase-seq, which digests them."""
FEWEST_SHORT = 0.02
"""Share of fragments shorter than :data:`SHORT` below which they count as missing."""
LIKE_TRAINING, UNLIKE_TRAINING = 0.15, 0.5
"""Total variation distances of lengths from which on a sample is warned of, and unfit."""
LEAST_PREFERENCE = 0.6
"""Correlation of the bases at cut sites with the training sample's below which they are not cut by
the same enzyme."""
LEAST_CUTS = 2000
"""Cut sites below which their bases are not judged."""
NO_FRAGMENTS = "these are no fragments"
"""How the sentence of a file of other intervals begins; nothing more is judged of it."""
MOST_ALIKE = 0.2
"""Share of the most frequent length above which intervals are no fragments."""
LEAST_INTERVALS = 100
"""Fragments below which intervals are not judged."""
LEAST_MISSED = 20
"""Overlaps that chance makes from which on their absence says something."""
LEAST_EXPECTED = 10
"""Fragments that a contig without any would have at the sample's depth, for it to be told."""
MOST_MITOCHONDRIAL, MOST_BLACKLISTED = 0.3, 0.2
"""Shares of fragments above which a sample is warned of."""
LEAST_AWAY = 200
"""Cut sites 1.9 to 2 kb away from TSSs below which their enrichment is not judged."""
DEEPER = 4
"""Times the deepest measured depth from which on a sample is warned of."""
GENOME = "genome"
"""Subject of the finding that commands tell of before they open a sample."""
_SHIFT_FLANK = 6
"""bp over which cut sites are looked for on each side of where they should be."""
_RANGE = range(-_SHIFT_FLANK, _SHIFT_FLANK + 1)
_UNSHIFTED, _TWICE = (4, 5), (-4, -5)
"""Where Tn5's preference lies from the left and right ends of fragments that were not shifted by
+4/-5, and shifted twice."""
_STRETCHES, _STRETCH = 200, 100

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is judged of a sample, counted on parts that stand for all of it.

    Attributes:
        name: of its file.
        sizes: the genome's contigs.
        fragments: their number.
        depth: fragments per kb, and how they were found.
        counts: fragments by contig.
        lengths: see :func:`~.fitness.length_counts`.
        bases: at cut sites, wide enough to look for a shift.
        overlaps: pairs of neighbours that overlap, by midpoint.
        by_chance: pairs that would, were the fragments strewn at random.
        mitochondrial: share on the organelles' contigs; None where the genome has none.
    """

    name: str
    sizes: ChromSizes
    fragments: int
    depth: Depth
    counts: dict[str, int]
    lengths: Int64
    bases: Bases
    overlaps: int
    by_chance: float
    mitochondrial: float | None

    @property
    def short(self) -> float:
        """Share of fragments shorter than :data:`SHORT`."""
        return float(self.lengths[:SHORT].sum() / max(self.lengths.sum(), 1))


def look_at(store: FragmentStore, fasta: Fasta) -> Look:
    """Count what is judged; it costs hardly more for 100 million fragments than for 100,000.

    Raises:
        InputError: the sequence cannot be read.
    """
    contigs = nuclear(store.sizes)
    overlaps, by_chance = _neighbours(store, contigs)
    return Look(
        store.summary.path.name,
        store.sizes,
        store.total,
        store.depth,
        store.counts,
        length_counts(store, contigs),
        count_bases(store, fasta, contigs, CUT_FLANK + _SHIFT_FLANK),
        overlaps,
        by_chance,
        mitochondrial_share(store),
    )


def _neighbours(store: FragmentStore, contigs: Collection[str]) -> tuple[int, float]:
    """Pairs of neighbours that overlap, and how many would by chance.

    By chance, the distance of two midpoints is exponential around its mean of the stretch.
    """
    overlaps, by_chance = 0, 0.0
    for _, found in store.stretches(contigs, _STRETCHES, _STRETCH):
        starts, ends = fragment_ends(found)
        if len(starts) < 2:
            continue
        overlaps += int((starts[1:] < ends[:-1]).sum())
        mean = max(float(np.diff(found.midpoints).mean()), 1.0)
        reach = (found.lengths[1:] + found.lengths[:-1].astype(np.int64)) / 2
        by_chance += float(-np.expm1(-reach / mean).sum())
    return overlaps, by_chance


# ---- What a sample is compared with.


def training_profile(spec: ModelSpec | None, assay: str) -> SampleProfile | None:
    """The profile of the sample that a model was trained on; None where it brings none."""
    return None if spec is None or spec.fitness is None else spec.fitness.samples.get(assay)


def length_distance(lengths: Int64, profile: SampleProfile) -> tuple[float, float]:
    """Total variation distance of the lengths to the training sample's.

    Returns:
        the distance, 0 to 1: the share of fragments that would have to be of another length; and
        what is expected of so few fragments if they were drawn from the training sample.
    """
    seen = np.array(profile.lengths)
    distance = float(np.abs(length_shares(lengths) - seen).sum() / 2)
    # Mean absolute deviation of a normal is sqrt(2 / pi) of its standard deviation.
    total = max(int(lengths.sum()), 1)
    return distance, float(np.sqrt(2 / math.pi * seen * (1 - seen) / total).sum() / 2)


def preference(shares: Float64) -> Float64:
    """Logarithm of the bases' shares around cut sites over their means, float64 (n,).

    The genome's composition is in the means, so that what is left is the enzyme's preference:
    NucleoATAC's matrices of yeast and man correlate at 0.98.
    """
    shares = np.maximum(shares, 1e-3)
    return np.asarray(np.log(shares / shares.mean(axis=0)).ravel())


def preferences(bases: Bases, profile: SampleProfile) -> tuple[Float64, Float64]:
    """Correlation of the bases around left and right ends with the training sample's.

    Returns:
        two of float64 (13,): for the middle from -6 to 6 bp away from where it should be.
    """
    known = preference(np.array(profile.cut_bases))
    rows = []
    for side in bases.ends:
        one = Bases(np.stack([side, np.zeros_like(side)]), bases.gc)
        rows.append(
            np.array([np.corrcoef(preference(one.shares(at, 0)), known)[0, 1] for at in _RANGE])
        )
    return rows[0], rows[1]


def expected_accuracy(
    depths: Sequence[DepthAccuracy], depth: float, contigs: tuple[str, ...]
) -> ExpectedAccuracy | None:
    """Accuracy at a depth, between those that were measured along the logarithm of the depth.

    Beyond the deepest it is the deepest's; None below the thinnest, and where none was measured.

    Args:
        depths: measured, the deepest first.
        depth: fragments per kb.
        contigs: of the measured sites.
    """
    if not depths or depth < depths[-1].depth or depth <= 0:
        return None
    known = np.log([item.depth for item in reversed(depths)])

    def figure(name: str) -> float | None:
        found = [getattr(item, name) for item in reversed(depths)]
        if any(value is None for value in found):
            return None
        values = [value[0] for value in found]
        return float(f"{np.interp(math.log(depth), known, values):.4g}")

    return ExpectedAccuracy(
        float(f"{depth:.4g}"), figure("accuracy"), figure("macro_f1"), figure("auprc"), contigs
    )


# ---- The judgement.


def judge(
    look: Look,
    spec: ModelSpec | None = None,
    assay: str = "atac",
    asked: Mapping[str, Asked] | None = None,
    tss: TssProfile | None = None,
    blacklisted: float | None = None,
) -> Verdict:
    """Judge whether a sample is fit for a model.

    Args:
        look: the sample.
        spec: the model's; None: only what needs no training sample is judged.
        assay: the model's name for the sample's fragments.
        asked: what is to be predicted, by contig; None: all but organelles.
        tss: fragments around start sites; None: not judged.
        blacklisted: share of the fragments in a blacklist; None: not known.
    """
    profile = training_profile(spec, assay)
    findings = [*_genome(look, spec), *_kind(look, profile, assay)]
    if any(item.text.startswith(NO_FRAGMENTS) for item in findings):
        return Verdict("unfit", tuple(findings), None, profile is not None)
    if profile is not None:
        findings += _lengths(look, profile)
        findings += _ends(look, profile)
    depths = () if spec is None or spec.fitness is None else spec.fitness.depths
    findings += _depth(look, depths)
    findings += _contigs(look, asked)
    findings += _shares(look, profile, blacklisted)
    if tss is not None:
        findings += _tss(tss, profile)
    level: Level = "ok"
    for worse in ("warning", "unfit"):
        if any(item.level == worse for item in findings):
            level = "unfit" if worse == "unfit" else "warning"
    expected = None
    known = not any(item.subject == GENOME and item.level != "ok" for item in findings)
    if known and level != "unfit" and spec is not None and spec.fitness is not None:
        expected = expected_accuracy(depths, look.depth.per_kb, spec.fitness.contigs)
    return Verdict(level, tuple(findings), expected, profile is not None)


def _percent(value: float) -> str:
    """One decimal where less would say nothing."""
    return f"{value:.1%}" if value < 0.1 else f"{value:.0%}"


def _what(assay: str) -> str:
    return "ATAC-seq" if assay.lower().startswith("atac") else assay


def _genome(look: Look, spec: ModelSpec | None) -> Iterator[Finding]:
    if spec is None:
        return
    if look.sizes.digest() == spec.sizes_digest:
        yield Finding(GENOME, "ok", f"{spec.assembly}, on which the model was trained")
    else:
        text = f"{look.sizes.source} is not {spec.assembly}, on which the model was trained: its "
        text += "accuracy there is not known; train a model on data of this genome"
        yield Finding(GENOME, "warning", text)


def _kind(look: Look, profile: SampleProfile | None, assay: str) -> Iterator[Finding]:
    """Whether it is fragments at all, and of the assay that the model reads."""
    what, counts = _what(assay), look.lengths
    total = int(counts.sum())
    remedy = f"give the paired-end BAM of the {what} library, or the fragments made of it"
    faults = []
    if total >= LEAST_INTERVALS:
        top = int(counts.argmax())
        present = np.flatnonzero(counts)
        step = int(np.gcd.reduce(present))
        if step > 1 and len(present) > 1:
            faults.append(f"the lengths of all {total:,} intervals are multiples of {step} bp")
        elif counts[top] > MOST_ALIKE * total and top < len(counts) - 1:
            share = "all" if counts[top] == total else f"{_percent(counts[top] / total)} of the"
            faults.append(f"{share} intervals are {top} bp long")
        if not look.overlaps and look.by_chance >= LEAST_MISSED:
            faults.append(
                f"no interval overlaps the next, where {look.by_chance:,.0f} of the pairs that "
                "were looked at would by chance"
            )
    if faults:
        text = f"{' and '.join(faults)}: they are reads, windows, peaks or states; {remedy}"
        yield Finding("kind", "unfit", f"{NO_FRAGMENTS}: {text}")
        return
    # Of the profile's classes, those below the limit.
    seen = None if profile is None else sum(profile.lengths[: SHORT // LENGTH_STEP])
    told = "" if seen is None else f" (training sample: {_percent(seen)})"
    expects = what == "ATAC-seq" if seen is None else seen > 5 * FEWEST_SHORT
    if total >= LEAST_INTERVALS and expects and look.short < FEWEST_SHORT:
        faults.append(
            f"{_percent(look.short)} of its fragments are shorter than {SHORT} bp{told}, as after "
            "digestion by MNase or selection by size"
        )
    fit = _fit(look, profile)
    if fit is not None and fit < LEAST_PREFERENCE:
        faults.append(
            f"the bases at its cut sites correlate at {fit:.2f} with those of the training sample "
            f"(the same enzyme: above {LEAST_PREFERENCE})"
        )
    if faults:
        yield Finding("kind", "unfit", f"this is no {what}: {'; '.join(faults)}; {remedy}")
        return
    tn5 = (
        ""
        if fit is None
        else f", and its cut sites have the training sample's preference ({fit:.2f})"
    )
    text = f"{_percent(look.short)} of the fragments are shorter than {SHORT} bp{told}{tn5}"
    yield Finding("kind", "ok", text)


def _fit(look: Look, profile: SampleProfile | None) -> float | None:
    """Best correlation of cut sites' bases, wherever the ends lie; None: not known."""
    if profile is None or not profile.cut_bases or not _has_bases(look.bases):
        return None
    return float(np.mean([row.max() for row in preferences(look.bases, profile)]))


def _has_bases(bases: Bases) -> bool:
    return int(bases.ends.sum(axis=2).min()) >= LEAST_CUTS // 2


def _lengths(look: Look, profile: SampleProfile) -> Iterator[Finding]:
    distance, noise = length_distance(look.lengths, profile)
    clear = distance - noise
    level: Level = (
        "unfit" if clear > UNLIKE_TRAINING else "warning" if clear > LIKE_TRAINING else "ok"
    )
    medians = [_median(row) for row in (length_shares(look.lengths), profile.lengths)]
    text = (
        f"fragment lengths differ from the training sample's by {distance:.2f} (total variation "
        f"distance; up to {LIKE_TRAINING} is alike); median {medians[0]:.0f} bp, there "
        f"{medians[1]:.0f} bp"
    )
    if level != "ok":
        text += (
            ": look for selection by size or digestion, and trust only a model that was trained on "
            "such a sample"
        )
    yield Finding("lengths", level, text)


def _median(shares: Sequence[float] | Float64) -> float:
    """The median length by the shares of classes, bp, taken as even within a class."""
    upto = np.concatenate([[0.0], np.cumsum(shares)])
    return float(np.interp(upto[-1] / 2, upto, np.arange(len(upto)) * LENGTH_STEP))


def _ends(look: Look, profile: SampleProfile) -> Iterator[Finding]:
    """Whether the cut sites lie where the training sample's do."""
    fit = _fit(look, profile)
    if fit is None or fit < LEAST_PREFERENCE:
        return
    left, right = (_RANGE[int(row.argmax())] for row in preferences(look.bases, profile))
    if max(abs(left), abs(right)) <= 1:
        yield Finding("ends", "ok", "fragments end where the training sample's do (Tn5 shift)")
        return
    where = f"Tn5's preference lies {left:+d} bp from left and {right:+d} bp from right ends"
    if (left, right) == _UNSHIFTED:
        text = f"the ends are not shifted by +4/-5 bp ({where}): pass --tn5-shift"
    elif (left, right) == _TWICE:
        text = f"the ends are shifted twice by +4/-5 bp ({where}): pass --no-tn5-shift"
    else:
        text = f"{where}, where the training sample has it on them: make the fragments anew"
    yield Finding("ends", "warning", text)


def _depth(look: Look, depths: Sequence[DepthAccuracy]) -> Iterator[Finding]:
    depth = look.depth.per_kb
    if look.depth.doubt:
        yield Finding("depth", "unfit", f"{look.depth.doubt}: {REMEDY}")
        return
    if not depths:
        return
    deepest, thinnest = depths[0], depths[-1]
    here = f"{depth:.3g} fragments per kb"
    measured = f"measured on ({thinnest.depth:.3g} to {deepest.depth:.3g})"
    if depth < thinnest.depth:
        text = (
            f"{here}, thinner than anything that the model was {measured}: how wrong such tracks "
            "are is not known; sequence deeper, or pool replicates"
        )
        yield Finding("depth", "unfit", text)
        return
    if depth > DEEPER * deepest.depth:
        times = depth / deepest.depth
        text = (
            f"{here}, {times:.0f} times the training sample's and more than the model was "
            f"{measured}: check that depth, and compare with the tracks of a part of the fragments "
            "(samtools view --subsample)"
        )
        yield Finding("depth", "warning", text)
        return
    found = expected_accuracy(depths, depth, ())
    losses: list[str] = []
    enough = deepest.depth
    for name, title in _FIGURES.items():
        full, now = getattr(deepest, name), getattr(found, name)
        if full is None or now is None:
            continue
        if now < full[1]:
            verb = "" if losses else " falls"
            losses.append(f"{title}{verb} from {full[0]:.2f} to {now:.2f}")
    for item in depths:
        figures = [(getattr(item, name), getattr(deepest, name)) for name in _FIGURES]
        if any(one is not None and full is not None and one[0] < full[1] for one, full in figures):
            break
        enough = item.depth
    if losses:
        lost = ", the ".join(losses)
        text = (
            f"{here}, where the training sample has {deepest.depth:.3g}: the {lost}; sequence "
            f"deeper or pool replicates ({enough:.3g} per kb lose nothing that could "
            "be measured)"
        )
        yield Finding("depth", "warning", text)
    else:
        yield Finding("depth", "ok", f"{here}, within what the model was {measured}")


_FIGURES = {
    "accuracy": "share of states that are right",
    "macro_f1": "states' macro-F1",
    "auprc": "mean AUPRC",
}


class Asked(NamedTuple):
    """What is to be predicted of a contig: bp, and fragments whose midpoints lie there."""

    bases: int
    fragments: int


def count_asked(store: FragmentStore, regions: Sequence[Interval]) -> dict[str, Asked]:
    """Bases and fragments of regions by contig; regions may overlap and leave their contigs."""
    found = {}
    for name in dict.fromkeys(region.chrom for region in regions):
        here = sorted((item.start, item.end) for item in regions if item.chrom == name)
        flat = np.array(here, dtype=np.int64).reshape(-1, 2)
        below = store.cumulative(name, flat.ravel()).reshape(-1, 2)
        bases = int((flat[:, 1] - flat[:, 0]).sum())
        found[name] = Asked(bases, int((below[:, 1] - below[:, 0]).sum()))
    return found


def _contigs(look: Look, asked: Mapping[str, Asked] | None) -> Iterator[Finding]:
    """Contigs without a fragment, of those that are long enough to have some."""
    every = {name: Asked(look.sizes[name], look.counts[name]) for name in nuclear(look.sizes)}
    wanted = {name: part for name, part in (asked or every).items() if name in every}
    where = "" if asked is None else " where tracks were asked for"
    expected = {name: part.bases / 1000 * look.depth.per_kb for name, part in wanted.items()}
    # A small region may hold none by chance.
    empty = [
        name
        for name, part in wanted.items()
        if not part.fragments and (not look.counts[name] or expected[name] >= LEAST_EXPECTED)
    ]
    if wanted and len(empty) == len(wanted):
        text = (
            f"{look.name} has no fragment{where} ({_names(empty)}): nothing can be said there; "
            "predict contigs that it covers (--chrom), or give the file of the whole sample"
        )
        yield Finding("contigs", "unfit", text)
        return
    missed = [name for name in empty if expected[name] >= LEAST_EXPECTED]
    if missed:
        bases = sum(wanted[name].bases for name in missed)
        share = bases / sum(part.bases for part in wanted.values())
        text = (
            f"no fragment on {counted(len(missed), 'contig')} ({_names(missed)}; {_percent(share)} "
            "of the bases to predict): tracks there rest on the sequence alone; leave them out "
            "(--chrom), or give the file of the whole sample"
        )
        yield Finding("contigs", "warning", text)
    elif wanted:
        yield Finding("contigs", "ok", "fragments on all contigs that are long enough for some")
    if asked is None and look.depth.how == "confined":
        share = look.depth.bases / sum(part.bases for part in wanted.values())
        text = (
            f"coverage is confined to {look.depth.bases / 1000:,.1f} kb in "
            f"{counted(look.depth.pieces, 'region')} ({_small(share)} of the genome): elsewhere "
            "tracks rest on the sequence alone; predict those regions (--regions), or give the "
            "file of the whole sample"
        )
        yield Finding("coverage", "warning", text)


def _small(share: float) -> str:
    return f"{share:.2%}" if share < 0.01 else _percent(share)


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"


def _shares(
    look: Look, profile: SampleProfile | None, blacklisted: float | None
) -> Iterator[Finding]:
    if look.mitochondrial is not None:
        seen = None if profile is None else profile.mitochondrial
        told = "" if seen is None else f" (training sample: {_percent(seen)})"
        which = ", ".join(organelles(look.sizes))
        text = f"{_percent(look.mitochondrial)} of the fragments lie on {which}{told}"
        high = look.mitochondrial > max(MOST_MITOCHONDRIAL, 2 * (seen or 0))
        if high:
            text += (
                f"; up to {_percent(MOST_MITOCHONDRIAL)} is usual: purify nuclei, or leave the "
                "contig out (--exclude-contig)"
            )
        yield Finding("mitochondria", "warning" if high else "ok", text)
    if blacklisted is not None:
        text = f"{_percent(blacklisted)} of the fragments lie in the blacklist"
        high = blacklisted > MOST_BLACKLISTED
        if high:
            text += f"; up to {_percent(MOST_BLACKLISTED)} is usual: look for repeats, or for an "
            text += "alignment without a filter of mapping quality"
        yield Finding("blacklist", "warning" if high else "ok", text)


def _tss(tss: TssProfile, profile: SampleProfile | None) -> Iterator[Finding]:
    found, seen = tss.enrichment, None if profile is None else profile.tss_enrichment
    if found is None:
        text = f"no cut site 1.9 to 2 kb away from {counted(tss.sites, 'TSS')}"
        yield Finding("tss", "warning", f"{text}: too few fragments, or of another genome")
        return
    told = "" if seen is None else f" (training sample: {seen:.2f})"
    text = f"TSS enrichment {found:.2f}{told}"
    # Less than half of what the training sample has above none.
    low = found < 1.1 if seen is None else found - 1 < (seen - 1) / 2
    if tss.background * 2 * TSS_EDGE < LEAST_AWAY:
        yield Finding("tss", "ok", f"{text}: too few cut sites away from the TSSs to judge")
        return
    if low:
        text += ": open chromatin hardly stands out; the nuclei were damaged, or the sites are of "
        text += "another genome, or starts of coding sequence in place of transcription"
    yield Finding("tss", "warning" if low else "ok", text)


# ---- What is told, and what --strict refuses.


def sentences(verdict: Verdict, model: str | None, of: str = "") -> list[str]:
    """The verdict for the terminal: faults, each as a warning, then what is to be expected.

    Args:
        verdict: of a sample.
        model: name of the model; None: of no model.
        of: which of several assays; empty: the only one.
    """
    which = f"{of}: " if of else ""
    lines = [
        f"warning: {which}{'unfit, ' * (item.level == 'unfit')}{item.subject}: {item.text}"
        for item in verdict.faults
        if item.subject != GENOME
    ]
    lines.append(f"{which}{summary(verdict, model)}")
    return lines


def summary(verdict: Verdict, model: str | None) -> str:
    """The verdict in one sentence."""
    told = "nothing was found against it" if verdict.level == "ok" else "see the warnings"
    if verdict.level == "unfit":
        what = "of no use" if model is None else f"unfit for {model}"
        return f"sample: {what}, no accuracy can be expected; do not use such tracks"
    if model is None:
        return f"sample: {told}; name a model to judge it for (--model)"
    if not verdict.compared:
        why = f"{model} brings no profile of its training sample to compare with"
        return f"sample: {told}; {why}{_expectation(verdict)}"
    fits = {"ok": "fit", "warning": "fit in part"}[verdict.level]
    return f"sample: {fits} for {model}{_expectation(verdict)}"


def _expectation(verdict: Verdict) -> str:
    found = verdict.expected
    if found is None:
        return ""
    parts = []
    if found.accuracy is not None:
        parts.append(f"{found.accuracy:.0%} of the states right")
    if found.macro_f1 is not None:
        parts.append(f"macro-F1 {found.macro_f1:.2f}")
    if found.auprc is not None:
        parts.append(f"mean AUPRC {found.auprc:.2f}")
    if not parts:
        return ""
    where = f" (as on held-out {', '.join(found.contigs)})" if found.contigs else ""
    return f"; at {found.depth:.3g} fragments per kb expect {', '.join(parts)}{where}"


def refuse(verdict: Verdict, model: str | None, path: str) -> None:
    """Make a verdict's faults an error, as ``--strict`` does.

    Raises:
        InputError: there are some.
    """
    if verdict.faults:
        told = "; ".join(f"({at}) {item.text}" for at, item in enumerate(verdict.faults, 1))
        what = "is not fit" if model is None else f"is not fit for model {model}"
        raise InputError(f"{path} {what}, and --strict was given: {told}")

"""From sites and a model to a folder of contributions: the whole explaining run."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import InputError, OutputError, counted
from chromputer_tracks.inference.explain import (
    Arrays,
    Contributions,
    Explainer,
    explainer_of,
    head_weights,
    mean_baselines,
)
from chromputer_tracks.inference.sample import (
    Sample,
    announce,
    input_roles,
    model_records,
    open_genome,
    open_sample,
)
from chromputer_tracks.inference.session import Model, load_model
from chromputer_tracks.intervals import ChromSizes, Interval, parse_region
from chromputer_tracks.io.atomic import output_errors
from chromputer_tracks.io.contributions import Batch, ContributionWriter, Site
from chromputer_tracks.io.record import RUN_JSON, Report, RunRecord, Silent
from chromputer_tracks.io.run import run
from chromputer_tracks.options.explain import ExplainOptions
from chromputer_tracks.spec import EXPLAIN, ModelSpec, find_label, model_labels
from chromputer_tracks.tracks.explain.importance import (
    ImportanceWriter,
    fragment_classes,
    importance_tracks,
)
from chromputer_tracks.tracks.explain.sites import (
    Candidates,
    HighestSites,
    called_sites,
    check_callable,
    region_sites,
)

ALL = "all"
"""Names every label."""
KIND = "explain"
"""What ``run.json`` says wrote the folder."""
COMPLETENESS_KEY = "completeness_error"
"""Where ``run.json`` says how the error is defined."""
IMAGES = "images"
"""Folder of a label's pictures."""
COMPLETE = 1e-3
"""Relative error of completeness above which a user is warned."""
_LEAST_DIFFERENCE = 0.1
"""Differences in logit below it count as this much: where a site differs hardly from its
references, rounding in the sums of thousands of float32 would else pass for an error."""
COMPLETENESS = f"|sum of contributions - difference| / max(|difference|, {_LEAST_DIFFERENCE})"


@dataclass(frozen=True, slots=True)
class Completeness:
    """How well contributions add up to the difference in logit, by :data:`COMPLETENESS`.

    Attributes:
        median: over sites.
        maximum: over sites.
        above: number of sites above :data:`COMPLETE`.
    """

    median: float
    maximum: float
    above: int


@dataclass(frozen=True, slots=True)
class LabelRecord:
    """What ``run.json`` says of a label.

    Attributes:
        label: its name.
        title: its full name.
        sites: number of windows.
        bases: bp that have a value in the tracks.
        mean_logit: mean of the explained logit over sites.
        mean_difference: mean of its difference from the references; None for ``gradient*input``.
        shares: share of each part (``sequence``, ``shape``, V-plots and signals by name) in the sum
            of all contributions without their signs.
        completeness: None for ``gradient*input``.
        candidates: sites of which the strongest were taken.
        weights: what each logit counts in what is explained, by ``HEAD.LABEL``, where not 0.
    """

    label: str
    title: str
    sites: int
    bases: int
    mean_logit: float
    mean_difference: float | None
    shares: dict[str, float]
    completeness: Completeness | None
    candidates: int = 0
    weights: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExplainRecord:
    """What ``run.json`` says of contributions beside what every record does.

    Attributes:
        sites: whether the sites are ``calls`` or those of ``regions``.
        window: bp of the model's window.
        completeness_error: how the error is defined.
        fragment_classes: fragment lengths (bp, first and last) by class of each V-plot.
        labels: figures by label.
    """

    sites: Literal["calls", "regions"]
    window: int
    completeness_error: str
    fragment_classes: dict[str, dict[str, tuple[int, int]]]
    labels: dict[str, LabelRecord]


@dataclass(frozen=True, slots=True)
class ExplainResult:
    """What a run gave: the model used, the figures of each label, and the record."""

    model: Model
    labels: tuple[LabelRecord, ...]
    record: RunRecord


def explain_tracks(options: ExplainOptions, report: Report | None = None) -> ExplainResult:
    """Explain labels at their sites, and write what :mod:`chromputer_tracks.io.contributions` says.

    Everything that can be checked is checked before the fragments are read. A run that fails
    leaves what was there.

    Raises:
        SpecError: the model cannot be used or explained.
        InputError: an input cannot be used or does not fit the genome, a label does not exist, or
            there is no site.
        ProviderError: the provider does not work here.
        OutputError: the results cannot be written.
    """
    report, files = report or Silent(), options.sample
    with run(KIND, options, report) as work, ExitStack() as stack:
        stages = work.stages
        with stages.phase("checking"):
            model = load_model(options.model)
            weights = _label_weights(model.spec, options)
            importance_tracks(model.spec)
            fasta = open_genome(stack, files, report)
            sizes = fasta.sizes
            within = [parse_region(text, sizes) for text in dict.fromkeys(options.chroms)]
            given = None
            if options.regions is not None:
                given = region_sites(options.regions, sizes, within, options.step)
            graph = model.path.with_name(EXPLAIN)
            work.read(input_roles(model, files, explain=graph, regions=options.regions))
            explainer = explainer_of(model, options)
        announce(model, explainer.session, sizes, files, report)
        asked = within or None
        if given is not None:
            window = model.spec.window
            asked = [Interval.centred(site.chrom, site.centre, window) for site in given.sites]
        sample = open_sample(stack, model, fasta, files, report, stages, asked)
        if options.baseline == "mean":
            with stages.phase("baseline"):
                mean = mean_baselines(model.spec, sample.features, sizes)
                explainer = explainer.with_baselines(mean)
        if given is None:
            with stages.phase("predicting"):
                found = called_sites(
                    options, model, sample, sizes, within, list(weights), stages, report
                )
        else:
            found = dict.fromkeys(weights, given)
        labels: dict[str, LabelRecord] = {}
        for name, row in weights.items():
            sites = found[name].strongest(options.max_sites, options.seed)
            report.note(_sites_note(name, sites, found[name], options))
            with stages.phase(f"explaining {name}"):
                figures = _explain(
                    options, explainer, sample, sites, name, row, sizes, work.folder, report
                )
            labels[name] = replace(
                figures,
                candidates=len(found[name].sites),
                weights={
                    f"{item.head.name}.{item.label.name}": float(row[item.row])
                    for item in model_labels(model.spec)
                    if row[item.row] != 0
                },
            )
        work.describe(
            ExplainRecord(
                "calls" if given is None else "regions",
                model.spec.window,
                COMPLETENESS,
                {
                    item.name: {
                        part.name or "all": (part.shortest, part.longest)
                        for part in fragment_classes(item.length_edges)
                    }
                    for item in model.spec.inputs
                    if item.kind == "vplot"
                },
                labels,
            ),
            **model_records(model, explainer.session, sizes, sample),
        )
    return ExplainResult(model, tuple(labels.values()), work.record)


def _label_weights(spec: ModelSpec, options: ExplainOptions) -> dict[str, NDArray[np.float32]]:
    """Weights of the logits by label, in the order asked for."""
    names = list(dict.fromkeys(options.heads))
    every = model_labels(spec)
    if ALL in names and ALL not in [item.label.name for item in every]:
        names = [
            item.key
            for item in every
            if item.head.kind != "continuous" or options.regions is not None
        ]
    if not names:
        keys = ", ".join(item.key for item in every)
        raise InputError(f"no label to explain: name one of {keys} with --label")
    weights = {name: head_weights(spec, name) for name in names}
    folded = [name.casefold() for name in names]
    for name in names:
        if folded.count(name.casefold()) > 1:
            raise OutputError(
                f"labels that differ in case alone, such as {name}, cannot share a folder: explain "
                "them one by one"
            )
    if options.regions is None:
        check_callable(spec, names)
        if options.step is not None:
            raise InputError("--step cuts the regions of --regions; it does not go with --calls")
    return weights


def _sites_note(name: str, sites: list[Site], found: Candidates, options: ExplainOptions) -> str:
    what = "call" if options.regions is None else "site" if options.step is None else "window"
    if len(sites) == len(found.sites):
        return f"{name}: {counted(len(sites), what)}"
    how = "the strongest" if found.strength.any() else "drawn at random, as they have no score"
    return f"{name}: {len(sites):,} of {counted(len(found.sites), what)}, {how}"


def _explain(
    options: ExplainOptions,
    explainer: Explainer,
    sample: Sample,
    sites: list[Site],
    name: str,
    weights: NDArray[np.float32],
    sizes: ChromSizes,
    results: Path,
    report: Report,
) -> LabelRecord:
    """One label's folder, with its pictures, in memory that does not grow with its arrays."""
    spec, folder = explainer.spec, results / name
    with output_errors(folder):
        folder.mkdir()
    label = find_label(spec, name).label
    windows = [Interval.centred(site.chrom, site.centre, spec.window) for site in sites]
    bases = next((item.name for item in spec.inputs if item.kind == "sequence" and item.bases), "")
    tally, highest = Tally(), HighestSites(options.images or 0)
    with ExitStack() as stack:
        tracks = stack.enter_context(ImportanceWriter(spec, folder, sizes, options.merge))
        writer = stack.enter_context(ContributionWriter(folder, sites, spec.window, spec.inputs))
        for first, arrays, found in explainer.stream(sample.features, windows, weights):
            total = found.total()
            batch = Batch(
                sequence=arrays[bases] if bases else None,
                hypothetical=found.hypothetical,
                values={item: arrays[item] for item in found.inputs},
                inputs=found.inputs,
                filters=found.filters,
                logit=found.logit,
                difference=found.difference,
                total=total,
                columns=tally.add(found, total),
            )
            writer.add(batch)
            done = first + len(total)
            tracks.add(windows[first:done], found)
            highest.add(sites[first:done], windows[first:done], batch, found)
            report.progress(f"explaining {name}", done, len(sites), "sites")
    figures = tally.record(name, label.title, tracks.bases)
    complete = figures.completeness
    if complete is not None and complete.above:
        report.note(
            f"warning: {name}: at {complete.above:,} of {counted(len(sites), 'site')} the "
            "contributions do not add up to the difference in logit within "
            f"{COMPLETE:g} (worst {complete.maximum:.2g}); see {COMPLETENESS_KEY} in {RUN_JSON}"
        )
    views = highest.views()
    if views:
        from chromputer_tracks.tracks.explain.pictures import write_pictures

        report.note(f"{name}: drawing {counted(len(views), 'site')}")
        with output_errors(folder / IMAGES):
            (folder / IMAGES).mkdir()
            write_pictures(views, spec, label, folder / IMAGES)
    return figures


# Figures of explained sites: shares of the inputs, and whether contributions add up.


class Tally:
    """Adds up the figures of a label's sites, a batch at a time."""

    def __init__(self) -> None:
        self._logits: list[NDArray[np.float32]] = []
        self._differences: list[NDArray[np.float32]] = []
        self._errors: list[NDArray[np.float32]] = []
        self._sizes: dict[str, float] = {}

    def add(self, found: Contributions, total: NDArray[np.float32]) -> Arrays:
        """Take a batch.

        Args:
            found: contributions of n sites.
            total: float32 (n,), the sum of each site's contributions.

        Returns:
            float32 (n,) by column: ``contribution.PART`` and ``share.PART`` of each part, the share
            being of the contributions without their signs (0 where all are 0), and
            ``completeness_error``, NaN for ``gradient*input``.
        """
        signed, sizes = found.parts(), _magnitudes(found)
        for name, values in sizes.items():
            self._sizes[name] = self._sizes.get(name, 0.0) + float(values.sum(dtype=np.float64))
        whole = np.sum(list(sizes.values()), axis=0)
        whole[whole == 0] = 1
        error = np.abs(total - found.difference)
        error /= np.maximum(np.abs(found.difference), np.float32(_LEAST_DIFFERENCE))
        self._logits.append(found.logit)
        self._differences.append(found.difference)
        self._errors.append(error)
        columns = {f"contribution.{name}": values for name, values in signed.items()}
        columns |= {f"share.{name}": values / whole for name, values in sizes.items()}
        return columns | {"completeness_error": error}

    def record(self, label: str, title: str, bases: int) -> LabelRecord:
        """Figures of all sites of a label, whose tracks have a value at so many bp."""
        logits = np.concatenate(self._logits)
        differences, errors = np.concatenate(self._differences), np.concatenate(self._errors)
        whole = sum(self._sizes.values()) or 1.0
        complete = difference = None
        if not np.isnan(differences).all():
            difference = float(differences.mean(dtype=np.float64))
            complete = Completeness(
                float(np.median(errors)), float(errors.max()), int((errors > COMPLETE).sum())
            )
        return LabelRecord(
            label=label,
            title=title,
            sites=len(logits),
            bases=bases,
            mean_logit=float(logits.mean(dtype=np.float64)),
            mean_difference=difference,
            shares={name: size / whole for name, size in self._sizes.items()},
            completeness=complete,
        )


def _magnitudes(found: Contributions) -> Arrays:
    """Sums of contributions without signs, float32 (n,) by part, as ``parts()`` names them."""
    sizes: Arrays = {}
    if found.sequence is not None:
        sizes["sequence"] = np.abs(found.sequence).sum(axis=1)
    if found.shape is not None:
        sizes["shape"] = np.abs(found.shape).sum(axis=(1, 2))
    return sizes | {name: np.abs(values).sum(axis=(1, 2)) for name, values in found.inputs.items()}

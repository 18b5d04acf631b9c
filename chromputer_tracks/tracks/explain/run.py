"""From sites and a model to a folder of contributions: the whole explaining run."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import InputError, OutputError, counted
from chromputer_tracks.inference.explain import (
    Explainer,
    explainer_of,
    head_weights,
    mean_baselines,
)
from chromputer_tracks.inference.genome import covered_bases, region_bins
from chromputer_tracks.inference.sample import (
    Sample,
    announce,
    input_roles,
    model_records,
    open_sample,
)
from chromputer_tracks.inference.session import Model, load_model, open_session
from chromputer_tracks.intervals import ChromSizes, Interval, parse_region
from chromputer_tracks.io.atomic import output_errors
from chromputer_tracks.io.contributions import Site
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.run import RUN_JSON, Report, RunRecord, Silent, Stages, run
from chromputer_tracks.options.explain import ExplainOptions
from chromputer_tracks.spec import EXPLAIN, ModelSpec, find_label, model_labels
from chromputer_tracks.tracks.explain.label import (
    COMPLETE,
    COMPLETENESS,
    LabelSummary,
    explain_label,
)
from chromputer_tracks.tracks.explain.layout import fragment_classes, importance_tracks
from chromputer_tracks.tracks.explain.sites import (
    Candidates,
    called_sites,
    check_callable,
    region_sites,
)

# ---- What an explaining run is asked, and what its ``run.json`` says.

ALL = "all"
"""Names every label."""
KIND = "explain"
"""What ``run.json`` says wrote the folder."""
COMPLETENESS_KEY = "completeness_error"
"""Where ``run.json`` says how the error is defined."""


@dataclass(frozen=True, slots=True)
class LabelRecord(LabelSummary):
    """What ``run.json`` says of a label beside its figures.

    Attributes:
        candidates: sites of which the strongest were taken.
        weights: of the logits in what is explained, by ``HEAD.LABEL``; those that are not 0.
    """

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


IMAGES = "images"


@dataclass(frozen=True, slots=True)
class ExplainResult:
    """What a run gave: the model used, the figures of each label, and the record."""

    model: Model
    labels: tuple[LabelSummary, ...]
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
            fasta = stack.enter_context(Fasta(files.fasta))
            sizes = fasta.sizes
            within = [parse_region(text, sizes) for text in dict.fromkeys(options.chroms)]
            given = None
            if options.regions is not None:
                given = region_sites(options.regions, sizes, within, options.step)
            graph = model.path.with_name(EXPLAIN)
            work.read(input_roles(model, files, explain=graph, regions=options.regions))
            explainer = explainer_of(model, options)
        announce(model, explainer.session, sizes, files, report)
        sample = open_sample(stack, model, fasta, files, report, stages)
        if options.baseline == "mean":
            with stages.phase("baseline"):
                mean = mean_baselines(model.spec, sample.features, sizes)
                explainer = explainer.with_baselines(mean)
        if given is None:
            found = _calls(options, model, sample, sizes, within, list(weights), stages, report)
        else:
            found = dict.fromkeys(weights, given)
        labels: dict[str, LabelSummary] = {}
        for name, row in weights.items():
            sites = found[name].strongest(options.max_sites, options.seed)
            report.note(_sites_note(name, sites, found[name], options))
            with stages.phase(f"explaining {name}"):
                labels[name] = _explain(
                    options, explainer, sample, sites, name, row, sizes, work.folder, report
                )
        work.describe(
            ExplainRecord(
                "regions" if options.calls is False else "calls",
                model.spec.window,
                COMPLETENESS,
                _length_classes(model.spec),
                {
                    name: _label_record(summary, len(found[name].sites), model.spec, weights[name])
                    for name, summary in labels.items()
                },
            ),
            **model_records(model, explainer.session, sizes, sample),
        )
    return ExplainResult(model, tuple(labels.values()), work.record)


def _length_classes(spec: ModelSpec) -> dict[str, dict[str, tuple[int, int]]]:
    return {
        item.name: {
            part.name or "all": (part.shortest, part.longest)
            for part in fragment_classes(item.length_edges)
        }
        for item in spec.inputs
        if item.kind == "vplot"
    }


def _label_record(
    summary: LabelSummary, candidates: int, spec: ModelSpec, weights: NDArray[np.float32]
) -> LabelRecord:
    names = [f"{head.name}.{label.name}" for head in spec.heads for label in head.labels]
    listed = {name: float(w) for name, w in zip(names, weights, strict=True) if w != 0}
    figures = {item.name: getattr(summary, item.name) for item in fields(summary)}
    return LabelRecord(**figures, candidates=candidates, weights=listed)


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
        raise InputError(f"no label to explain: name one of {keys} with --head")
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


def _calls(
    options: ExplainOptions,
    model: Model,
    sample: Sample,
    sizes: ChromSizes,
    within: list[Interval],
    names: list[str],
    stages: Stages,
    report: Report,
) -> dict[str, Candidates]:
    """The calls of each label."""
    bins = region_bins(within or None, sizes, model.spec.grid)
    total = covered_bases(bins, sizes, model.spec.grid)
    with stages.phase("predicting"):
        return called_sites(
            open_session(model.path, options.provider, options.threads),
            model.spec,
            sample,
            sizes,
            names,
            bins,
            stages,
            lambda bases: report.progress("predicting", bases, total, "bp"),
        )


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
) -> LabelSummary:
    """One label's folder, with its pictures."""
    folder = results / name
    with output_errors(folder):
        folder.mkdir()
    label = find_label(explainer.spec, name).label
    result = explain_label(
        explainer,
        sample.features,
        sites,
        weights,
        folder,
        sizes,
        rule=options.merge,
        label=(name, label.title),
        views=options.images or 0,
        progress=lambda done: report.progress(f"explaining {name}", done, len(sites), "sites"),
    )
    complete = result.summary.completeness
    if complete is not None and complete.above:
        report.note(
            f"warning: {name}: at {complete.above:,} of {counted(len(sites), 'site')} the "
            "contributions do not add up to the difference in logit within "
            f"{COMPLETE:g} (worst {complete.maximum:.2g}); see {COMPLETENESS_KEY} in {RUN_JSON}"
        )
    if not result.views:
        return result.summary
    from chromputer_tracks.tracks.explain.pictures import write_pictures

    report.note(f"{name}: drawing {counted(len(result.views), 'site')}")
    with output_errors(folder / IMAGES):
        (folder / IMAGES).mkdir()
        write_pictures(result.views, explainer.spec, label, folder / IMAGES)
    return result.summary

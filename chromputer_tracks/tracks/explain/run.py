"""From sites and a model to a folder of contributions: the whole explaining run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.errors import InputError, OutputError
from chromputer_tracks.inference.explain import (
    DEFAULT_REFERENCES,
    Explainer,
    Method,
    head_weights,
    mean_baselines,
    open_explainer,
)
from chromputer_tracks.inference.genome import covered_bases, region_bins
from chromputer_tracks.inference.registry import Model, find_label, load_model, model_labels
from chromputer_tracks.inference.run import (
    RUN_JSON,
    Checksums,
    output_folder,
    remove_stale,
    run_record,
    write_run_json,
)
from chromputer_tracks.inference.sample import (
    Report,
    Sample,
    SampleFiles,
    announce,
    input_roles,
    open_sample,
)
from chromputer_tracks.inference.session import ProviderChoice, open_session
from chromputer_tracks.inference.stages import Stages
from chromputer_tracks.intervals import ChromSizes, Interval, parse_region
from chromputer_tracks.io.atomic import Staging, output_errors
from chromputer_tracks.io.contributions import Site
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.spec import EXPLAIN, ModelSpec
from chromputer_tracks.tracks.explain.label import (
    COMPLETE,
    COMPLETENESS,
    LabelResult,
    LabelSummary,
    explain_label,
)
from chromputer_tracks.tracks.explain.layout import MergeRule, fragment_classes, importance_tracks
from chromputer_tracks.tracks.explain.sites import (
    Candidates,
    called_sites,
    check_callable,
    region_sites,
)
from chromputer_tracks.wording import counted

# ---- What an explaining run is asked, and what its ``run.json`` says.

ALL = "all"
"""Names every label."""
KIND = "explain"
"""What ``run.json`` says wrote the folder."""
COMPLETENESS_KEY = "completeness_error"
"""Where ``run.json`` says how the error is defined."""


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """What to explain, where, and how.

    Attributes:
        model: a model folder or a shipped model's name.
        sample: the genome and the sample's files.
        out: folder of the results; made when only its parent exists.
        heads: names of labels, or :data:`ALL`.
        regions: BED or narrowPeak of the sites; None: the calls of each label.
        chroms: contigs, or regions such as ``chrI:1,001-2,000``: only sites there; empty: all.
        method: of explaining.
        references: dinucleotide shuffles a window.
        seed: of the shuffles, and of which of equally strong sites are taken.
        baseline: reference of V-plots and signals: nothing, or the genome's mean.
        merge: what a base of several windows gets.
        step: bp; windows every so many bases along each region; None: one window a site.
        max_sites: explain the strongest so many of each label; None: all.
        images: pictures of so many sites of each label.
        provider: ``auto``, ``cpu``, ``cuda`` or ``tensorrt``.
        threads: CPU threads; None: those that the process may use.
        force: write into a folder that holds other things than an earlier run.
        command: the command line, for ``run.json``.
    """

    model: str | Path
    sample: SampleFiles
    out: Path
    heads: tuple[str, ...]
    regions: Path | None = None
    chroms: tuple[str, ...] = ()
    method: Method = "deeplift"
    references: int = DEFAULT_REFERENCES
    seed: int = 0
    baseline: Literal["zero", "mean"] = "zero"
    merge: MergeRule = "centre"
    step: int | None = None
    max_sites: int | None = None
    images: int = 0
    provider: ProviderChoice = "auto"
    threads: int | None = None
    force: bool = False
    command: tuple[str, ...] = ()


def label_record(
    summary: LabelSummary, candidates: int, spec: ModelSpec, weights: NDArray[np.float32]
) -> dict[str, Any]:
    """What ``run.json`` says of a label.

    Args:
        summary: figures.
        candidates: sites of which the strongest were taken.
        spec: of the model.
        weights: float32 (outputs,), of the logits in what is explained; those that are not 0 are
            listed by ``HEAD.LABEL``.
    """
    names = [f"{head.name}.{label.name}" for head in spec.heads for label in head.labels]
    listed = {name: float(w) for name, w in zip(names, weights, strict=True) if w != 0}
    return asdict(summary) | {"candidates": candidates, "weights": listed}


def explain_record(
    options: ExplainOptions,
    model: Model,
    explainer: Explainer,
    sizes: ChromSizes,
    sample: Sample,
    checksums: Mapping[str, Mapping[str, str | int]],
    labels: Mapping[str, Mapping[str, Any]],
    outputs: Iterable[str],
    started: datetime,
    stages: Stages,
) -> dict[str, Any]:
    """What ``run.json`` holds.

    Args:
        options: of the run.
        model: the model.
        explainer: what ran.
        sizes: the genome's contigs.
        sample: the open sample.
        checksums: path, size and SHA-256 of the files by role.
        labels: :func:`label_record` by label.
        outputs: the files, relative to the folder.
        started: when.
        stages: times.
    """
    spec = model.spec
    named = ("method", "references", "seed", "baseline", "merge", "step", "max_sites", "chroms")
    return run_record(
        KIND, options.command, started, model, explainer.session, sizes, sample, checksums, stages
    ) | {
        "sites": "calls" if options.regions is None else "regions",
        **{name: getattr(options, name) for name in named},
        "fragment_options": asdict(options.sample.fragment_options),
        "window": spec.window,
        COMPLETENESS_KEY: COMPLETENESS,
        "fragment_classes": {
            item.name: {
                part.name or "all": [part.shortest, part.longest]
                for part in fragment_classes(item.length_edges)
            }
            for item in spec.inputs
            if item.kind == "vplot"
        },
        "labels": dict(labels),
        "outputs": sorted(outputs),
    }


IMAGES = "images"


@dataclass(frozen=True, slots=True)
class ExplainResult:
    """What a run gave.

    Attributes:
        out: folder of the results.
        model: the model used.
        labels: figures of each label.
        record: what ``run.json`` holds.
    """

    out: Path
    model: Model
    labels: tuple[LabelSummary, ...]
    record: dict[str, Any]


def explain_tracks(options: ExplainOptions, report: Report) -> ExplainResult:
    """Explain labels at their sites, and write what :mod:`chromputer_tracks.io.contributions` says.

    Everything that can be checked is checked before the fragments are read. A run that fails
    leaves nothing under a final name, and removes the folder if it made it.

    Raises:
        SpecError: the model cannot be used or explained.
        InputError: an input cannot be used or does not fit the genome, a label does not exist, or
            there is no site.
        ProviderError: the provider does not work here.
        OutputError: the results cannot be written.
    """
    started = datetime.now(UTC)
    stages = Stages()
    with ExitStack() as stack:
        with stages.phase("checking"):
            model = load_model(options.model)
            weights = _label_weights(model.spec, options)
            importance_tracks(model.spec)
            fasta = stack.enter_context(Fasta(options.sample.fasta))
            sizes = fasta.sizes
            within = [parse_region(text, sizes) for text in dict.fromkeys(options.chroms)]
            given = None
            if options.regions is not None:
                given = region_sites(options.regions, sizes, within, options.step)
            graph = model.path.with_name(EXPLAIN)
            roles = input_roles(model, options.sample, explain=graph, regions=options.regions)
            earlier = stack.enter_context(output_folder(options.out, KIND, force=options.force))
            explainer = open_explainer(
                model,
                options.method,
                references=options.references,
                seed=options.seed,
                provider=options.provider,
                threads=options.threads,
            )
        announce(model, explainer.session, sizes, options.sample, report)
        checksums = stack.enter_context(Checksums(roles))
        sample = open_sample(stack, model, fasta, options.sample, report, stages)
        if options.baseline == "mean":
            with stages.phase("baseline"):
                mean = mean_baselines(model.spec, sample.features, sizes)
                explainer = explainer.with_baselines(mean)
        if given is None:
            found = _calls(options, model, sample, sizes, within, list(weights), stages, report)
        else:
            found = dict.fromkeys(weights, given)
        outputs: list[str] = []
        labels: dict[str, LabelSummary] = {}
        with Staging(options.out) as staging:
            for name, row in weights.items():
                sites = found[name].strongest(options.max_sites, options.seed)
                report.note(_sites_note(name, sites, found[name], options))
                with stages.phase(f"explaining {name}"):
                    result = _explain(
                        options, explainer, sample, sites, name, row, sizes, staging.folder, report
                    )
                labels[name] = result.summary
                outputs += [f"{name}/{file}" for file in result.names]
            staging.publish_when_done(outputs)
        records = {
            name: label_record(summary, len(found[name].sites), model.spec, weights[name])
            for name, summary in labels.items()
        }
        record = explain_record(
            options, model, explainer, sizes, sample, checksums.result(), records, outputs,
            started, stages,
        )  # fmt: skip
        write_run_json(options.out, record)
    remove_stale(options.out, earlier - set(outputs))
    return ExplainResult(options.out, model, tuple(labels.values()), record)


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
    staging: Path,
    report: Report,
) -> LabelResult:
    """One label's folder, with its pictures."""
    folder = staging / name
    with output_errors(options.out / name):
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
        views=options.images,
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
        return result
    from chromputer_tracks.tracks.explain.pictures import write_pictures

    report.note(f"{name}: drawing {counted(len(result.views), 'site')}")
    with output_errors(options.out / name / IMAGES):
        (folder / IMAGES).mkdir()
        made = write_pictures(result.views, explainer.spec, label, folder / IMAGES)
    return replace(result, names=(*result.names, *(f"{IMAGES}/{file}" for file in made)))

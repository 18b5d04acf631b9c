"""First-layer filters of a model: their motifs and patterns, and what they add to each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

from chromputer_tracks import __version__
from chromputer_tracks.analysis.filters.page import PAGE, draw_pictures, render_page
from chromputer_tracks.analysis.filters.results import (
    PATCH_RULE,
    RANK_RULE,
    ClassContributions,
    FilterResults,
    class_contributions,
    with_matches,
    write_files,
)
from chromputer_tracks.analysis.filters.scan import scan_layers
from chromputer_tracks.analysis.filters.sites import (
    FilterClass,
    FilterSites,
    TopSites,
    drawn_sites,
    filter_classes,
    random_windows,
    unmasked,
)
from chromputer_tracks.analysis.known_motifs import known_motifs
from chromputer_tracks.analysis.pages import write_texts
from chromputer_tracks.data.features import Features
from chromputer_tracks.data.labels import Mask, read_mask
from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.explain import Explainer, FirstLayer, explainer_of
from chromputer_tracks.inference.genome import covered_bases, predict_regions, region_bins
from chromputer_tracks.inference.sample import (
    announce,
    input_roles,
    model_records,
    open_genome,
    open_sample,
)
from chromputer_tracks.inference.session import Model, load_model, open_session
from chromputer_tracks.intervals import ChromSizes, Interval, parse_region
from chromputer_tracks.io.record import Report, RunRecord, Silent, Stages
from chromputer_tracks.io.run import run
from chromputer_tracks.options.explain import FiltersOptions
from chromputer_tracks.spec import EXPLAIN, ModelSpec
from chromputer_tracks.tracks.explain.run import COMPLETENESS
from chromputer_tracks.tracks.explain.sites import region_sites


@dataclass(frozen=True, slots=True, eq=False)
class FiltersResult:
    """What a run gave: what was found, and the record."""

    results: FilterResults
    record: RunRecord


def rank_filters(options: FiltersOptions, report: Report | None = None) -> FiltersResult:
    """Find motifs and patterns of the first layers, rank them by class, and write the results.

    Everything that can be checked is checked before the fragments are read. A run that fails
    leaves what was there.

    Raises:
        SpecError: the model cannot be used or explained.
        InputError: an input cannot be used or does not fit the genome, a label does not exist, or
            there is no site.
        ProviderError: the provider does not work here.
        OutputError: the results cannot be written.
    """
    report = report or Silent()
    with run("filters", options, report) as work, ExitStack() as stack:
        stages = work.stages
        with stages.phase("checking"):
            model = load_model(options.model)
            classes = filter_classes(model.spec, options.heads)
            fasta = open_genome(stack, options.sample, report)
            sizes = fasta.sizes
            within = [parse_region(text, sizes) for text in dict.fromkeys(options.chroms)]
            mask = read_mask(options.exclude, sizes)
            given = _given(options, model.spec, sizes, within, mask)
            known = known_motifs(options.motifs, options.jaspar, report)
            work.read(
                input_roles(
                    model,
                    options.sample,
                    explain=model.path.with_name(EXPLAIN),
                    regions=options.regions,
                    exclude=options.exclude,
                    motifs=options.motifs,
                )
            )
            explainer = explainer_of(model, options)
        announce(model, explainer.session, sizes, options.sample, report)
        sample = open_sample(stack, model, fasta, options.sample, report, stages)
        if given is None:
            with stages.phase("predicting"):
                sites = _model_sites(
                    options, model, classes, sample.features, sizes, within, mask, stages, report
                )
        else:
            sites = _given_sites(given, classes, options)
        windows = tuple(sites.windows())
        if not windows:
            raise InputError(
                "there is no site to look at: nothing was predicted outside of the excluded regions"
            )
        layers = explainer.first_layers()
        with stages.phase("scanning"):
            motifs, patches = scan_layers(
                model.spec,
                layers,
                sample.features,
                windows,
                lambda done, total: report.progress("scanning", done, total, "windows"),
            )
        with stages.phase("explaining"):
            contributions = _rank(explainer, sample.features, classes, sites, layers, report)
        results = FilterResults(
            spec=model.spec,
            classes=classes,
            sites=sites,
            windows=windows,
            layers=layers,
            motifs=motifs,
            patches=patches,
            contributions=contributions,
            top=options.top,
            q=options.q,
            method=options.method,
        )
        if known is not None and motifs is not None:
            with stages.phase("matching"):
                results = with_matches(results, known)
        with stages.phase("writing"):
            pictures = draw_pictures(results)
            write_files(results, pictures, work.folder, sizes)
            write_texts(work.folder, {PAGE: render_page(results, pictures, __version__)})
        made_by = model_records(model, explainer.session, sizes, sample)
        work.describe(_filters_record(results), **made_by)
    return FiltersResult(results, work.record)


def _filters_record(results: FilterResults) -> dict[str, Any]:
    """What ``run.json`` says of filters beside what every record does."""
    return {
        "motif_database": results.database or None,
        "rules": {
            "sites": results.sites.rule,
            "motifs": results.motif_rule,
            "patterns": PATCH_RULE,
            "ranking": RANK_RULE,
            "completeness": COMPLETENESS,
        },
        "windows": len(results.windows),
        "classes": {
            item.name: {
                "sites": item.sites,
                "mean_logit": item.logit,
                "completeness": item.completeness,
                "top": list(map(str, results.ranking(item.name)[: results.top])),
            }
            for item in results.contributions
        },
        "never_active": list(map(str, results.dead())),
    }


def _given(
    options: FiltersOptions,
    spec: ModelSpec,
    sizes: ChromSizes,
    within: Sequence[Interval],
    mask: Mask,
) -> list[Interval] | None:
    """Windows around the sites of a BED, sorted, distinct; None where the model says where."""
    if options.regions is None:
        return None
    sites = region_sites(options.regions, sizes, within).sites
    windows = {Interval.centred(site.chrom, site.centre, spec.window) for site in sites}
    kept = unmasked(sorted(windows), mask)
    if not kept:
        raise InputError(
            f"{options.regions}: each of its sites ({len(sites):,}) lies within {spec.window:,} bp "
            f"of a region of {options.exclude}: name another file, or leave out --blacklist"
        )
    return kept


def _model_sites(
    options: FiltersOptions,
    model: Model,
    classes: Sequence[FilterClass],
    features: Features,
    sizes: ChromSizes,
    within: list[Interval],
    mask: Mask,
    stages: Stages,
    report: Report,
) -> FilterSites:
    """The most probable sites of each class, and a random sample."""
    spec = model.spec
    bins = region_bins(within or None, sizes, spec.grid)
    total = covered_bases(bins, sizes, spec.grid)
    session = open_session(model.path, options.provider, options.threads)
    predictions = predict_regions(session, spec, features, bins, sizes, stages=stages)
    top = TopSites(spec, classes, options.sites, mask)
    done = 0
    with closing(predictions):
        for item in predictions:
            top.add(item.chrom, item.start, item.probabilities)
            done += item.end - item.start
            report.progress("predicting", done, total, "bp")
    found = top.result()
    for name, windows in found.items():
        if not windows:
            report.note(f"note: {name} is called nowhere; filters are not ranked for it")
    regions = [
        Interval(chrom, first * spec.stride, min(last * spec.stride, sizes[chrom]))
        for chrom, runs in bins.items()
        for first, last in runs
    ]
    drawn = random_windows(regions, options.sample_sites, spec.window, options.seed)
    rule = (
        f"Of each class up to {options.sites:,} sites of the {total:,} bp predicted: the most "
        f"probable of those that the model calls, one in each {spec.window:,} bp; and, for what "
        f"activates filters, {options.sample_sites:,} windows around bases drawn at random."
    )
    return FilterSites(found, tuple(unmasked(drawn, mask)), rule)


def _given_sites(
    windows: Sequence[Interval], classes: Sequence[FilterClass], options: FiltersOptions
) -> FilterSites:
    """The same sites for all classes."""
    some = drawn_sites(windows, options.sites, options.seed)
    rule = f"The {len(windows):,} sites given, the same for every class"
    if len(some) < len(windows):
        rule += f"; contributions are averaged over {len(some):,} of them, drawn at random"
    return FilterSites({item.name: some for item in classes}, tuple(windows), f"{rule}.")


def _rank(
    explainer: Explainer,
    features: Features,
    classes: Sequence[FilterClass],
    sites: FilterSites,
    layers: Mapping[str, FirstLayer],
    report: Report,
) -> tuple[ClassContributions, ...]:
    """Contributions of all filters to each class."""
    filters = {name: len(layer.weight) for name, layer in layers.items()}
    total = sum(len(windows) for windows in sites.by_class.values())
    found, before = [], 0
    for item in classes:
        windows = sites.by_class[item.name]

        def progress(done: int, before: int = before) -> None:
            report.progress("explaining", before + done, total, "sites")

        found.append(class_contributions(explainer, features, item, windows, filters, progress))
        before += len(windows)
    return tuple(found)

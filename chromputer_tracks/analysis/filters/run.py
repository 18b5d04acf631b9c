"""First-layer filters of a model: their motifs and patterns, and what they add to each class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
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
    predicted_sites,
    random_windows,
    unmasked,
)
from chromputer_tracks.analysis.known_motifs import known_motifs
from chromputer_tracks.data.features import Features
from chromputer_tracks.data.labels import Mask
from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.explain import Explainer, FirstLayer, Method, open_explainer
from chromputer_tracks.inference.genome import covered_bases, region_bins
from chromputer_tracks.inference.registry import Model, load_model
from chromputer_tracks.inference.run import (
    Checksums,
    output_folder,
    remove_stale,
    run_record,
    write_run_json,
)
from chromputer_tracks.inference.sample import announce, input_roles, open_sample
from chromputer_tracks.inference.session import ProviderChoice, open_session
from chromputer_tracks.inference.stages import Stages
from chromputer_tracks.intervals import ChromSizes, Interval, parse_region
from chromputer_tracks.io.atomic import Staging, output_errors
from chromputer_tracks.io.bed import read_bed
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.run import Report
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.spec import EXPLAIN, ModelSpec
from chromputer_tracks.tracks.explain.label import COMPLETENESS
from chromputer_tracks.tracks.explain.sites import region_sites

# ---- What ``chromputer filters`` is asked.

DEFAULT_TOP = 8
DEFAULT_SITES = 200
DEFAULT_SAMPLE = 1000
DEFAULT_REFERENCES = 5
"""Fewer than ``explain`` takes: the mean over sites is a mean over references, too."""
DEFAULT_Q = 0.01


@dataclass(frozen=True, slots=True)
class FiltersOptions:
    """Which filters to look at, where, and how.

    Attributes:
        model: a model folder or a shipped model's name.
        sample: the genome and the sample's files.
        out: folder of the results; made when only its parent exists.
        heads: labels that filters are ranked for; empty: all.
        regions: BED or narrowPeak of the sites; None: the model's most probable and random ones.
        chroms: contigs, or regions such as ``chrI:1,001-2,000``: only sites there; empty: all.
        exclude: BED; sites whose windows touch it are left out; None: none.
        top: filters shown of each class.
        sites: sites of each class over which contributions are averaged.
        sample_sites: random windows that are scanned beside those of the classes.
        motifs: MEME file of known motifs; None: see ``jaspar``.
        jaspar: taxon of JASPAR CORE to match to; None: no database.
        q: false discovery rate up to which a known motif is named.
        method: of explaining.
        references: dinucleotide shuffles a window.
        seed: of the shuffles and of what is drawn at random.
        provider: ``auto``, ``cpu``, ``cuda`` or ``tensorrt``.
        threads: CPU threads; None: those that the process may use.
        force: write into a folder that holds other things than an earlier run.
        command: the command line, for ``run.json``.
    """

    model: str | Path
    sample: SampleFiles
    out: Path
    heads: tuple[str, ...] = ()
    regions: Path | None = None
    chroms: tuple[str, ...] = ()
    exclude: Path | None = None
    top: int = DEFAULT_TOP
    sites: int = DEFAULT_SITES
    sample_sites: int = DEFAULT_SAMPLE
    motifs: Path | None = None
    jaspar: str | None = None
    q: float = DEFAULT_Q
    method: Method = "deeplift"
    references: int = DEFAULT_REFERENCES
    seed: int = 0
    provider: ProviderChoice = "auto"
    threads: int | None = None
    force: bool = False
    command: tuple[str, ...] = ()


KIND = "filters"
"""What ``run.json`` says wrote the folder."""


@dataclass(frozen=True, slots=True, eq=False)
class FiltersRun:
    """What a run gave.

    Attributes:
        out: folder of the results.
        results: what was found.
        record: what ``run.json`` holds.
    """

    out: Path
    results: FilterResults
    record: dict[str, Any]


def look_at_filters(options: FiltersOptions, report: Report) -> FiltersRun:
    """Find motifs and patterns of the first layers, rank them by class, and write the results.

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
            classes = filter_classes(model.spec, options.heads)
            fasta = stack.enter_context(Fasta(options.sample.fasta))
            sizes = fasta.sizes
            within = [parse_region(text, sizes) for text in dict.fromkeys(options.chroms)]
            mask = _mask(options.exclude, sizes)
            given = _given(options, model.spec, sizes, within, mask)
            known = known_motifs(options.motifs, options.jaspar, report)
            roles = input_roles(
                model,
                options.sample,
                explain=model.path.with_name(EXPLAIN),
                regions=options.regions,
                exclude=options.exclude,
                motifs=options.motifs,
            )
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
        with stages.phase("writing"), Staging(options.out) as staging:
            pictures = draw_pictures(results)
            outputs = write_files(results, pictures, staging.folder, sizes)
            with output_errors(options.out):
                page = render_page(results, pictures, __version__)
                (staging.folder / PAGE).write_text(page, encoding="utf-8")
            outputs.append(PAGE)
            staging.publish_when_done(outputs)
        record = run_record(
            KIND,
            options.command,
            started,
            model,
            explainer.session,
            sizes,
            sample,
            checksums.result(),
            stages,
        ) | {
            **_settings(options, results),
            "outputs": sorted(outputs),
        }
        write_run_json(options.out, record)
    remove_stale(options.out, earlier - set(outputs))
    return FiltersRun(options.out, results, record)


def _settings(options: FiltersOptions, results: FilterResults) -> dict[str, Any]:
    """How it was done and what came of it, for ``run.json``."""
    names = ("method", "references", "seed", "chroms", "top", "sites", "sample_sites", "q")
    return {
        **{name: getattr(options, name) for name in names},
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
                "mean_logit": _finite(item.logit),
                "completeness": asdict(item.completeness) if item.completeness else None,
                "top": [str(key) for key in results.ranking(item.name)[: results.top]],
            }
            for item in results.contributions
        },
        "never_active": [str(key) for key in results.dead()],
    }


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None


def _mask(path: Path | None, sizes: ChromSizes) -> Mask | None:
    if path is None:
        return None
    return Mask.from_intervals(record.interval for record in read_bed(path, sizes))


def _given(
    options: FiltersOptions,
    spec: ModelSpec,
    sizes: ChromSizes,
    within: Sequence[Interval],
    mask: Mask | None,
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
            f"of a region of {options.exclude}: name another file, or leave out --exclude"
        )
    return kept


def _model_sites(
    options: FiltersOptions,
    model: Model,
    classes: Sequence[FilterClass],
    features: Features,
    sizes: ChromSizes,
    within: list[Interval],
    mask: Mask | None,
    stages: Stages,
    report: Report,
) -> FilterSites:
    """The most probable sites of each class, and a random sample."""
    spec = model.spec
    bins = region_bins(within or None, sizes, spec.grid)
    total = covered_bases(bins, sizes, spec.grid)
    found = predicted_sites(
        open_session(model.path, options.provider, options.threads),
        spec,
        features,
        sizes,
        bins,
        TopSites(spec, classes, options.sites, mask),
        stages,
        lambda bases: report.progress("predicting", bases, total, "bp"),
    )
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
        start = before

        def progress(done: int, start: int = start) -> None:
            report.progress("explaining", start + done, total, "sites")

        found.append(class_contributions(explainer, features, item, windows, filters, progress))
        before += len(windows)
    return tuple(found)

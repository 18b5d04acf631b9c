"""A map of sites as a model sees them: from a genome and a sample to a folder of figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from chromputer_tracks.analysis.embed.clusters import (
    LEAST_SITES,
    Clustering,
    check_method,
    find_clusters,
    lay_out,
    principal_components,
    summarise,
)
from chromputer_tracks.analysis.embed.files import UCSC_ASSEMBLIES, write_map
from chromputer_tracks.analysis.embed.site_map import (
    SiteMap,
    category_color,
    colorings,
    resolve_key,
)
from chromputer_tracks.analysis.embed.windows import (
    MapSites,
    chosen_strands,
    find_elements,
    read_windows,
)
from chromputer_tracks.analysis.vplots.aggregate import (
    FINE_LENGTH_EDGES,
    VplotPair,
    VplotSet,
    aggregate_by_class,
)
from chromputer_tracks.data.features import DEFAULT_BIN
from chromputer_tracks.errors import InputError, ProviderError, SpecError, counted
from chromputer_tracks.inference.genome import (
    Prediction,
    covered_bases,
    predict_regions,
    region_bins,
)
from chromputer_tracks.inference.sample import (
    Sample,
    announce,
    input_roles,
    model_records,
    open_genome,
    open_sample,
)
from chromputer_tracks.inference.session import Model, Session, load_model, open_session
from chromputer_tracks.intervals import ChromSizes, parse_region
from chromputer_tracks.io.bed import SiteTable, read_site_table
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.record import Report, RunRecord, Silent, Stages
from chromputer_tracks.io.run import run
from chromputer_tracks.options.explain import EmbedOptions, Strands
from chromputer_tracks.spec import Label, ModelSpec


@dataclass(frozen=True, slots=True)
class EmbedResult:
    """What a run gave: the map, and the record."""

    map: SiteMap
    record: RunRecord


def embed_sites(options: EmbedOptions, report: Report | None = None) -> EmbedResult:
    """Map sites and write the results with ``run.json`` into ``options.out``.

    Everything that can be checked is checked before the fragments are read. A run that fails
    leaves what was there.

    Raises:
        SpecError: the model cannot be used.
        InputError: an input cannot be used, or does not fit the genome or the options.
        DependencyError: the method needs a package that is missing.
        ProviderError: the provider does not work here.
        OutputError: the results cannot be written.
    """
    report = report or Silent()
    with run("embed", options, report) as work, ExitStack() as stack:
        stages = work.stages
        with stages.phase("checking"):
            _check(options)
            model = load_model(options.model)
            spec = model.spec
            fasta = open_genome(stack, options.sample, report)
            sizes = fasta.sizes
            given = None if options.regions is None else read_site_table(options.regions, sizes)
            regions = [parse_region(text, sizes) for text in dict.fromkeys(options.chroms)]
            key = resolve_key(options.color_by, spec, () if given is None else given.columns)
            work.read(input_roles(model, options.sample, regions=options.regions))
            session = open_session(model.path, options.provider, options.threads)
            _check_embedding(model, session)
        announce(model, session, sizes, options.sample, report)
        sample = open_sample(stack, model, fasta, options.sample, report, stages)
        if given is None:
            bins = region_bins(regions or None, sizes, spec.grid)
            with stages.phase("finding elements"):
                elements = _find(session, spec, sample, bins, sizes, options, stages, report)
        else:
            elements = MapSites(given, "the regions of a BED")
        item = _map(session, spec, sample, elements, sizes, key, options, stages, report)
        with stages.phase("writing"):
            write_map(work.folder, item)
        work.describe(_map_record(item), **model_records(model, session, sizes, sample))
    return EmbedResult(item, work.record)


def _map_record(item: SiteMap) -> dict[str, Any]:
    """What ``run.json`` says of a map beside what every record does."""
    explained, clustering, layout = item.components.explained, item.clustering, item.layout
    return {
        "sites": {
            "found": item.found,
            "mapped": len(item),
            "rule": item.rule,
            "strands": item.outputs.strands,
            "window": item.spec.window,
        },
        "components": {
            "number": len(explained),
            "explained": [round(float(share), 5) for share in explained],
        },
        "map": {
            "method": layout.method,
            "library": layout.library,
            "perplexity": round(layout.perplexity, 3),
            "color_by": item.key,
            "ucsc": item.ucsc,
        },
        "clusters": {
            "number": clustering.k,
            "method": "k-means on the principal components",
            "stability": [round(float(value), 4) for value in clustering.stability],
            "least_stability_by_number": {
                str(k): round(value, 4) for k, value in clustering.tried.items()
            },
            "sites": [summary.sites for summary in item.summaries],
        },
    }


def _check(options: EmbedOptions) -> None:
    check_method(options.method)
    if options.regions is not None and options.chroms:
        raise InputError("give either --regions or --chrom, not both")
    if options.clusters is not None and options.clusters < 1:
        raise InputError(f"--clusters {options.clusters} must be at least 1")


def _check_embedding(model: Model, session: Session) -> None:
    """Whether the graph gives an embedding; of an empty window."""
    spec = model.spec
    window = {
        item.name: np.zeros((1, item.channels, spec.window // item.bin), dtype=np.float32)
        for item in spec.inputs
    }
    try:
        session.fetch(["embedding"], window)
    except ProviderError as error:
        raise SpecError(
            f"{model.path} gives no embedding: train or export the model again ({error})"
        ) from error


def _find(
    session: Session,
    spec: ModelSpec,
    sample: Sample,
    bins: dict[str, list[tuple[int, int]]],
    sizes: ChromSizes,
    options: EmbedOptions,
    stages: Stages,
    report: Report,
) -> MapSites:
    """The elements of the regions; both strands are averaged where the map does so."""
    total = covered_bases(bins, sizes, spec.grid)
    predictions = predict_regions(
        session,
        spec,
        sample.features,
        bins,
        sizes,
        average_strands=options.strands in ("auto", "both"),
        stages=stages,
    )

    def followed() -> Iterator[Prediction]:
        done = 0
        for item in predictions:
            done += item.end - item.start
            report.progress("finding elements", done, total, "bp")
            yield item

    with closing(predictions):
        return find_elements(spec, followed(), bins, sizes)


def _map(
    session: Session,
    spec: ModelSpec,
    sample: Sample,
    elements: MapSites,
    sizes: ChromSizes,
    key: str,
    options: EmbedOptions,
    stages: Stages,
    report: Report,
) -> SiteMap:
    """Everything from the sites to what is shown of them."""
    found = len(elements.sites)
    sites = elements.sites.sample(options.max_sites, options.seed)
    report.note(_site_note(elements, len(sites), options, chosen_strands(sites, options.strands)))
    with stages.phase("reading windows"):
        outputs = read_windows(
            session,
            spec,
            sample.features,
            sites,
            options.strands,
            progress=lambda done: report.progress("reading windows", done, len(sites), "sites"),
        )
    with stages.phase("clustering"):
        components = principal_components(outputs.embedding)
        clustering = find_clusters(components.scores, options.clusters, options.seed)
    shares = components.explained
    report.note(
        f"{counted(len(shares), 'principal component')} with {shares.sum():.0%} of the variance; "
        f"{counted(clustering.k, 'cluster')}"
    )
    if options.method != "pca" and len(sites) < LEAST_SITES:
        report.note(f"note: too few sites for {options.method} ({len(sites)}); map by pca")
    with stages.phase("laying out"):
        layout = lay_out(components, options.method, options.seed)
    with stages.phase("V-plots"):
        vplots = tuple(
            cluster_vplots(name, source, sites, clustering, sizes, spec.window)
            for name, source in sample.assays.items()
            if isinstance(source, FragmentStore)
        )
    known = spec.assembly in UCSC_ASSEMBLIES and sizes.digest() == spec.sizes_digest
    return SiteMap(
        spec,
        sites,
        found,
        elements.rule,
        outputs,
        components,
        layout,
        clustering,
        summarise(spec, components.scores, outputs.probabilities, clustering),
        colorings(spec, sites, outputs.probabilities, clustering),
        key,
        vplots,
        spec.assembly if known else "",
    )


def _site_note(elements: MapSites, taken: int, options: EmbedOptions, strands: Strands) -> str:
    found = len(elements.sites)
    how = {"forward": "", "site": ", each on its strand", "both": ", mean over both strands"}
    drawn = f", {taken:,} of them at random (--max-sites, --seed)" if taken < found else ""
    return (
        f"{counted(found, 'site')}: {elements.rule}{drawn}{how[strands]}; map by {options.method}"
    )


def cluster_vplots(
    title: str,
    source: FragmentStore,
    sites: SiteTable,
    clustering: Clustering,
    sizes: ChromSizes,
    window: int,
) -> VplotSet:
    """Mean V-plot of each cluster; sites of the - strand are turned around.

    The window, bp, is cut down to a multiple of two bins.
    """
    width = max(window // (2 * DEFAULT_BIN), 1) * 2 * DEFAULT_BIN
    images = aggregate_by_class(
        source,
        sites.contigs,
        sites.contig,
        sites.centre,
        clustering.codes,
        clustering.k,
        sizes,
        width,
        strand=sites.strand if sites.strand.any() else None,
    )
    counts = np.bincount(clustering.codes, minlength=clustering.k).tolist()
    pairs = tuple(
        VplotPair(Label(f"C{code + 1}", f"C{code + 1}", category_color(code)), count, image)
        for code, (count, image) in enumerate(zip(counts, images, strict=True))
    )
    return VplotSet(title, width, FINE_LENGTH_EDGES, pairs)

"""A map of sites as a model sees them: from a genome and a sample to a folder of figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from chromputer_tracks.analysis.embed.clusters import (
    LEAST_SITES,
    Clustering,
    Method,
    check_method,
    find_clusters,
    lay_out,
    principal_components,
    summarise,
)
from chromputer_tracks.analysis.embed.files import FILES, UCSC_ASSEMBLIES, write_map
from chromputer_tracks.analysis.embed.site_map import (
    SiteMap,
    category_color,
    colorings,
    resolve_key,
)
from chromputer_tracks.analysis.embed.windows import (
    Elements,
    Strands,
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
from chromputer_tracks.inference.registry import Model, load_model
from chromputer_tracks.inference.run import (
    Checksums,
    output_folder,
    remove_stale,
    run_record,
    write_run_json,
)
from chromputer_tracks.inference.sample import Sample, announce, input_roles, open_sample
from chromputer_tracks.inference.session import ProviderChoice, Session, open_session
from chromputer_tracks.inference.stages import Stages
from chromputer_tracks.intervals import ChromSizes, parse_region
from chromputer_tracks.io.bed import SiteTable, read_site_table
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.run import Report
from chromputer_tracks.options.fields import SampleFiles
from chromputer_tracks.spec import Label, ModelSpec

KIND = "embed"
"""What ``run.json`` says of the command."""
MOST_SITES = 10_000
"""By default; t-SNE takes a minute for them, and more would not look different."""


@dataclass(frozen=True, slots=True)
class EmbedOptions:
    """What to map, and how.

    Attributes:
        model: a model folder, an ``.onnx`` file or a shipped model's name.
        sample: the genome and the sample's files.
        out: folder of the results; made when only its parent exists.
        regions: BED of the sites; None: the elements that the model predicts.
        chroms: contigs, or regions such as ``chrI:1,001-2,000``, to find elements in; empty: all.
        color_by: ``state``, ``cluster``, a label, or a column of the BED by name or number; None:
            the state, or the cluster where the model has no states.
        method: of the map.
        clusters: their number; None: it is found.
        max_sites: at most so many sites are drawn at random.
        strands: which strand of the windows is read.
        seed: of the sample, the map and the clusters, at least 0.
        provider: ``auto``, ``cpu``, ``cuda`` or ``tensorrt``.
        threads: CPU threads of the network; None: those that the process may use.
        force: write into a folder that holds other things than an earlier run.
        command: the command line, for ``run.json``.
    """

    model: str | Path
    sample: SampleFiles
    out: Path
    regions: Path | None = None
    chroms: tuple[str, ...] = ()
    color_by: str | None = None
    method: Method = "tsne"
    clusters: int | None = None
    max_sites: int = MOST_SITES
    strands: Strands = "auto"
    seed: int = 0
    provider: ProviderChoice = "auto"
    threads: int | None = None
    force: bool = False
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EmbedResult:
    """What a run gave.

    Attributes:
        out: folder of the results.
        map: the map.
        record: what ``run.json`` holds.
    """

    out: Path
    map: SiteMap
    record: dict[str, Any]


def embed_sites(options: EmbedOptions, report: Report) -> EmbedResult:
    """Map sites and write the results with ``run.json`` into ``options.out``.

    Everything that can be checked is checked before the fragments are read. A run that fails
    leaves nothing under a final name, and removes the folder if it made it.

    Raises:
        SpecError: the model cannot be used.
        InputError: an input cannot be used, or does not fit the genome or the options.
        DependencyError: the method needs a package that is missing.
        ProviderError: the provider does not work here.
        OutputError: the results cannot be written.
    """
    started = datetime.now(UTC)
    stages = Stages()
    with ExitStack() as stack:
        with stages.phase("checking"):
            _check(options)
            model = load_model(options.model)
            spec = model.spec
            fasta = stack.enter_context(Fasta(options.sample.fasta))
            sizes = fasta.sizes
            given = None if options.regions is None else read_site_table(options.regions, sizes)
            regions = [parse_region(text, sizes) for text in dict.fromkeys(options.chroms)]
            key = resolve_key(options.color_by, spec, () if given is None else given.columns)
            roles = input_roles(model, options.sample, regions=options.regions)
            earlier = stack.enter_context(output_folder(options.out, KIND, force=options.force))
            session = open_session(model.path, options.provider, options.threads)
            _check_embedding(model, session)
        announce(model, session, sizes, options.sample, report)
        checksums = stack.enter_context(Checksums(roles))
        sample = open_sample(stack, model, fasta, options.sample, report, stages)
        if given is None:
            bins = region_bins(regions or None, sizes, spec.grid)
            with stages.phase("finding elements"):
                elements = _find(session, spec, sample, bins, sizes, options, stages, report)
        else:
            elements = Elements(given, "the regions of a BED")
        item = _map(session, spec, sample, elements, sizes, key, options, stages, report)
        inputs = checksums.result()
        with stages.phase("writing"):
            write_map(options.out, item)
        record = run_record(
            KIND, options.command, started, model, session, sizes, sample, inputs, stages
        ) | {
            "options": _option_record(options),
            **_map_record(item),
            "outputs": sorted(FILES),
        }
        write_run_json(options.out, record)
    remove_stale(options.out, earlier - set(FILES))
    return EmbedResult(options.out, item, record)


def _check(options: EmbedOptions) -> None:
    check_method(options.method)
    if options.regions is not None and options.chroms:
        raise InputError("give either --regions or --chrom, not both")
    for name, value, limit in (
        ("--max-sites", options.max_sites, 1),
        ("--clusters", options.clusters, 1),
        ("--seed", options.seed, 0),
    ):
        if value is not None and value < limit:
            raise InputError(f"{name} {value} must be at least {limit}")


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
) -> Elements:
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
    elements: Elements,
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
        readings = read_windows(
            session,
            spec,
            sample.features,
            sites,
            options.strands,
            progress=lambda done: report.progress("reading windows", done, len(sites), "sites"),
        )
    with stages.phase("clustering"):
        components = principal_components(readings.embedding)
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
        readings,
        components,
        layout,
        clustering,
        summarise(spec, components.scores, readings.probabilities, clustering),
        colorings(spec, sites, readings.probabilities, clustering),
        key,
        vplots,
        spec.assembly if known else "",
    )


def _site_note(elements: Elements, taken: int, options: EmbedOptions, strands: Strands) -> str:
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

    Args:
        title: of the set, the assay's name.
        source: the fragments.
        sites: n sites.
        clustering: of them.
        sizes: the genome's contigs.
        window: bp, cut down to a multiple of two bins.
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


def _option_record(options: EmbedOptions) -> dict[str, Any]:
    names = ("chroms", "color_by", "method", "clusters", "max_sites", "strands", "seed")
    return {name: getattr(options, name) for name in names} | asdict(
        options.sample.fragment_options
    )


def _map_record(item: SiteMap) -> dict[str, Any]:
    clustering = item.clustering
    return {
        "sites": {
            "found": item.found,
            "mapped": len(item),
            "rule": item.rule,
            "strands": item.readings.strands,
            "window": item.spec.window,
        },
        "components": {
            "number": len(item.components.explained),
            "explained": [round(float(share), 5) for share in item.components.explained],
        },
        "map": {
            "method": item.layout.method,
            "library": item.layout.library,
            "perplexity": round(item.layout.perplexity, 3),
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

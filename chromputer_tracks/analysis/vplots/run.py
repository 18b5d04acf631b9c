"""A whole run of ``chromputer vplot``: from files to a picture, its numbers and their record."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from chromputer_tracks.analysis.vplots.aggregate import FINE_LENGTH_EDGES
from chromputer_tracks.analysis.vplots.figures import check_suffix, save_vplots
from chromputer_tracks.analysis.vplots.fragments import (
    Background,
    Means,
    bed_background,
    fragment_means,
    genome_background,
    input_means,
    locus_table,
    random_background,
    sites_table,
)
from chromputer_tracks.analysis.vplots.images import (
    CHANGE,
    CONTRIBUTION,
    INPUT,
    VplotAxes,
    VplotRow,
    VplotTable,
    label_title,
    mean_image,
    sum_image,
    write_vplot_tsv,
)
from chromputer_tracks.analysis.vplots.sites import (
    ALL,
    VplotSites,
    only_classes,
    oriented,
    present_classes,
    read_sites,
    thinned,
)
from chromputer_tracks.analysis.vplots.states import (
    explain_states,
    explained_table,
    predicted_bins,
    state_bins,
    states_head,
    vplot_input,
    with_predicted_states,
    with_states,
)
from chromputer_tracks.data.features import DEFAULT_BIN, Features
from chromputer_tracks.data.labels import MODEL_STATES, UNKNOWN, Mask, read_mask, read_states
from chromputer_tracks.errors import FormatError, InputError, counted
from chromputer_tracks.inference.explain import explainer_of
from chromputer_tracks.inference.sample import (
    announce,
    assay_sources,
    given_depths,
    open_genome,
    open_sample,
)
from chromputer_tracks.inference.session import Model, load_model, open_session
from chromputer_tracks.intervals import ChromSizes, Interval, format_region, parse_region
from chromputer_tracks.io.assays import open_assay
from chromputer_tracks.io.bed import read_tss
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.record import RUN_JSON, Report, RunRecord, Silent
from chromputer_tracks.io.run import run_files
from chromputer_tracks.options.explain import GENOME, RANDOM, VplotOptions
from chromputer_tracks.spec import HeadSpec

# ---- Windows, bins and loci that can be drawn.


_MOST_BINS = 10_000
"""Position bins of a picture; a V-plot of more cannot be seen."""
_POSITION = re.compile(r"(?P<chrom>\S+):(?P<position>[0-9][0-9,]*)")


def own_axes(options: VplotOptions) -> tuple[int, int, tuple[int, ...]]:
    """Window, bin and length edges where no model gives them.

    Raises:
        InputError: they cannot be drawn.
    """
    bin_size = DEFAULT_BIN if options.bin_size is None else options.bin_size
    return (
        checked_window(2000 if options.window is None else options.window, bin_size),
        bin_size,
        FINE_LENGTH_EDGES if options.edges is None else options.edges,
    )


def checked_window(window: int, bin_size: int) -> int:
    """The window itself when it can be drawn.

    Raises:
        InputError: it is no even multiple of the bin, or of too many bins.
    """
    if bin_size < 1 or window < bin_size or window % 2 or window % bin_size:
        raise InputError(
            f"a V-plot's window of {window:,} bp must be even and a multiple of its bin of "
            f"{bin_size} bp"
        )
    if window > _MOST_BINS * bin_size:
        raise InputError(
            f"a V-plot of {window:,} bp in bins of {bin_size} bp has more than {_MOST_BINS:,} "
            "bins: draw less, or in larger bins"
        )
    return window


def parse_locus(text: str, sizes: ChromSizes, window: int, bin_size: int) -> Interval:
    """The stretch to draw of a locus, in whole bins.

    Args:
        text: ``chrI:1,001-2,000`` (1-based, inclusive) for all of it, its end moved right to a
            whole bin; ``chrI:1,500`` for the window around that base.
        sizes: the genome's contigs.
        window: bp around a single base.
        bin_size: bp.

    Raises:
        InputError: it cannot be read, leaves its contig, or is too long.
    """
    found = _POSITION.fullmatch(text.strip())
    if found and text.strip() not in sizes:
        size = sizes.require(found["chrom"], f"--site {text}")
        position = int(found["position"].replace(",", ""))
        if not 1 <= position <= size:
            raise InputError(f"--site {text}: {found['chrom']} has the bases 1 to {size:,}")
        return Interval.centred(found["chrom"], position - 1, checked_window(window, bin_size))
    try:
        region = parse_region(text, sizes)
    except FormatError as error:
        error.add_note("or as chrI:1,500 for the window around a base")
        raise
    bins = -(-len(region) // bin_size)
    if bins > _MOST_BINS:
        raise InputError(
            f"--site {text}: {len(region):,} bp in bins of {bin_size} bp are more than "
            f"{_MOST_BINS:,} bins: draw less, or in larger bins with --bin"
        )
    return Interval(region.chrom, region.start, region.start + bins * bin_size)


# ---- The run: a table drawn, its numbers and its record written.


@dataclass(frozen=True, slots=True)
class VplotResult:
    """What was drawn, and the record."""

    table: VplotTable
    record: RunRecord


def draw_vplots(options: VplotOptions, report: Report | None = None) -> VplotResult:
    """Draw V-plots, and write their numbers (``.tsv``) and record (``.json``) beside the picture.

    Options are checked before files are read.

    Raises:
        InputError: options that do not go together, or a file that cannot be used.
        SpecError: the model cannot be used.
        ProviderError: the provider does not work here.
        OutputError: something cannot be written.
    """
    report = report or Silent()
    check_suffix(options.out)
    options.check()
    with run_files("vplot", options, report) as work, ExitStack() as stack:
        model = None if options.model is None else load_model(options.model)
        work.read(_inputs(options, model))
        if model is not None and options.contributions is not None:
            item = vplot_input(model.spec, options.input)
            table = explained_table(
                options.contributions, model.spec, item, options.only, options.by, options.chroms
            )
        elif model is not None and options.by_state:
            table = _state_table(options, model, stack, report)
        else:
            table = _fragments_table(options, model, stack, report)
        report.note(f"drawing {options.out}")
        title = options.title
        if len(table.rows) == 1 and table.rows[0].name == ALL:
            # One class that has no name of its own takes the picture's title.
            stem = "" if options.regions is None else options.regions.name.partition(".")[0]
            row = replace(table.rows[0], title=title or stem)
            table, title = replace(table, rows=(row,)), ""
        picture = work.folder / options.out.name
        save_vplots(picture, table, title, options.at_zero, options.smooth)
        write_vplot_tsv(picture.with_suffix(".tsv"), table)
        classes = [{"name": row.name, "title": row.title, "sites": row.sites} for row in table.rows]
        units = {quantity.name: quantity.unit for quantity in table.quantities}
        work.describe({"classes": classes, "quantities": units})
    return VplotResult(table, work.record)


def _inputs(options: VplotOptions, model: Model | None) -> dict[str, Path | None]:
    """Files whose checksums are recorded, by what they are."""
    roles: dict[str, Path | None] = {
        "model": None if model is None else model.path,
        "regions": options.regions,
        "states": options.states,
        "exclude": options.exclude,
        "orient": options.orient,
    }
    if options.contributions is not None:
        record = options.contributions / RUN_JSON
        roles["contributions"] = record if record.is_file() else None
    elif options.sample is not None:
        roles["fasta"] = options.sample.fasta
        roles["fragments"] = options.sample.fragments
        roles |= {f"assay {name}": path for name, path in options.sample.assays.items()}
    if options.background not in (None, GENOME, RANDOM):
        roles["background"] = Path(str(options.background))
    return roles


# ---- Fragments of sites or of a locus.


def _fragments_table(
    options: VplotOptions, model: Model | None, stack: ExitStack, report: Report
) -> VplotTable:
    files = options.files()
    fasta = open_genome(stack, files, report)
    sizes = fasta.sizes
    if options.site is not None:
        window, bin_size, edges = own_axes(options)
        locus = parse_locus(options.site, sizes, window, bin_size)
        store = _store(options, stack, sizes, report)
        title = options.title or format_region(locus)
        return locus_table(store, locus, bin_size, edges, title)
    excluded = read_mask(options.exclude, sizes)
    sites = _region_sites(options, sizes, excluded, report)
    sites = present_classes(only_classes(sites, options.only, str(options.regions)))
    if model is None:
        axes = VplotAxes.around_site(*own_axes(options))
        store = _store(options, stack, sizes, report)
        means = fragment_means(store, sizes, axes)
    else:
        item = vplot_input(model.spec, options.input)
        window = checked_window(options.window or model.spec.window, item.bin)
        axes = VplotAxes.around_site(window, item.bin, item.length_edges)
        sample = open_sample(stack, model, fasta, files, report)
        source = sample.assays[item.assay]
        if not isinstance(source, FragmentStore):
            raise InputError(
                f"the assay {item.assay} of model {model.name} is no file of fragments"
            )
        store, means = source, input_means(sample.features, item, axes)
    return sites_table(
        means,
        store,
        sites,
        axes,
        str(options.regions),
        normalise=options.normalise,
        background=_background(options, means, store, sites, sizes, axes, excluded),
        compare=options.compare,
        prior=options.prior,
    )


def _store(
    options: VplotOptions, stack: ExitStack, sizes: ChromSizes, report: Report
) -> FragmentStore:
    files = options.files()
    if files.fragments is None:
        raise InputError("give a BAM, fragment file or BEDPE with --fragments")
    source = open_assay(
        stack,
        files.fragments,
        sizes,
        files.fragment_options,
        lambda kept: report.progress("reading", kept, None, "fragments"),
        files.scratch,
        given_depths(files, ["atac"], sizes).get("atac"),
    )
    if not isinstance(source, FragmentStore):
        raise InputError(f"{files.fragments} is a bigWig; a V-plot needs fragments")
    report.note(f"{source.total:,} fragments, {source.depth}")
    return source


def _background(
    options: VplotOptions,
    means: Means,
    store: FragmentStore,
    sites: VplotSites,
    sizes: ChromSizes,
    axes: VplotAxes,
    excluded: Mask,
) -> Background | None:
    if options.background is None:
        return None
    if options.background == GENOME:
        return genome_background(store, axes)
    if options.background == RANDOM:
        return random_background(means, sites, sizes, axes, excluded, options.seed)
    return bed_background(Path(options.background), means, sizes, options.centre, excluded)


# ---- Which sites are drawn: kept or left out, and turned, as the options say.


def _region_sites(
    options: VplotOptions, sizes: ChromSizes, excluded: Mask, report: Report
) -> VplotSites:
    """The sites of ``regions``.

    Raises:
        InputError: none are given or left, or a file cannot be used.
    """
    if options.regions is None:
        raise InputError("give sites with --regions")
    sites = read_sites(options.regions, sizes, options.centre, options.by)
    return _turned(options, _kept(options, sites, sizes, excluded, report), sizes, report)


def _kept(
    options: VplotOptions, sites: VplotSites, sizes: ChromSizes, excluded: Mask, report: Report
) -> VplotSites:
    """The sites that lie where they are asked for, and not where they are excluded.

    Raises:
        InputError: none is left.
    """
    there = np.ones(len(sites), dtype=bool)
    if options.chroms:
        wanted = Mask.from_intervals(parse_region(text, sizes) for text in options.chroms)
        there = sites.inside(wanted)
    hidden = sites.inside(excluded)
    kept = sites.take(there & ~hidden)
    what = str(options.regions or options.states or "the genome's bins")
    reasons = {
        f"not on {', '.join(options.chroms)}": int((~there).sum()),
        f"in {options.exclude}": int((there & hidden).sum()),
    }
    left_out = "; ".join(f"{count:,} {why}" for why, count in reasons.items() if count)
    if not len(kept):
        raise InputError(f"{what}: no site is left of {len(sites):,} ({left_out})")
    report.note(
        f"{counted(len(kept), 'site')} of {what}" + (f" (not: {left_out})" if left_out else "")
    )
    return kept


def _turned(
    options: VplotOptions, sites: VplotSites, sizes: ChromSizes, report: Report
) -> VplotSites:
    """Sites turned by the nearest gene's strand where ``orient`` is given, else as they are."""
    if options.orient is None:
        return sites
    found, near = oriented(sites, read_tss(options.orient, sizes), options.orient_within)
    report.note(
        f"{near:,} of {len(sites):,} sites are turned by the strand of a start site within "
        f"{options.orient_within:,} bp; the others stay as they are"
    )
    return found


# ---- A model's states: their sites found, explained, and made a table.


def _state_table(
    options: VplotOptions, model: Model, stack: ExitStack, report: Report
) -> VplotTable:
    """A row for each state with enough sites, each with three images.

    They are what the model reads there, the mean contributions to the state's logit, and the mean
    change of its probability.
    """
    spec, files = model.spec, options.files()
    head, item = states_head(spec), vplot_input(spec, options.input)
    fasta = open_genome(stack, files, report)
    sizes = fasta.sizes
    assay_sources(model, files.fragments, files.assays)
    known = None
    if options.states is not None:
        known = read_states(options.states, head.labels, sizes, MODEL_STATES)
    explainer = explainer_of(model, options)
    candidates = None
    if options.regions is not None or known is not None:
        candidates = _candidates(options, sizes, spec.label_bin, report)
    announce(model, explainer.session, sizes, files, report)
    features = open_sample(stack, model, fasta, files, report).features
    if candidates is not None and known is not None:
        sites = with_states(candidates, known, head)
    else:
        sites = _predicted(options, model, head, features, sizes, candidates, report)
    sites = _enough(options, only_classes(sites, options.only, f"model {model.name}"), report)
    sites = _turned(options, thinned(sites, options.max_sites), sizes, report)
    images = explain_states(
        explainer,
        features,
        sites,
        spec,
        head,
        item,
        lambda done: report.progress("explaining", done, len(sites), "sites"),
    )
    rows = tuple(
        VplotRow(
            label.name,
            label_title(label),
            int(images.sites[code]),
            (
                mean_image(images.values[code]),
                sum_image(images.contributions[code]),
                mean_image(images.changes[code]),
            ),
            label.color,
        )
        for code, label in enumerate(head.labels)
        if images.sites[code]
    )
    axes = VplotAxes.around_site(spec.window, item.bin, item.length_edges)
    return VplotTable(axes, (INPUT, CONTRIBUTION, CHANGE), rows)


def _contigs(options: VplotOptions, sizes: ChromSizes) -> list[str]:
    """Contigs on which bins are taken."""
    if not options.chroms:
        return list(sizes)
    return list(dict.fromkeys(parse_region(text, sizes).chrom for text in options.chroms))


def _candidates(options: VplotOptions, sizes: ChromSizes, width: int, report: Report) -> VplotSites:
    """The regions, or all whole label bins, that are not excluded."""
    excluded = read_mask(options.exclude, sizes)
    if options.regions is not None:
        return _region_sites(options, sizes, excluded, report)
    bins = state_bins(sizes, _contigs(options, sizes), width)
    return _kept(options, bins, sizes, excluded, report)


def _predicted(
    options: VplotOptions,
    model: Model,
    head: HeadSpec,
    features: Features,
    sizes: ChromSizes,
    regions: VplotSites | None,
    report: Report,
) -> VplotSites:
    """Sites in classes by the model's own states."""
    session = open_session(model.path, options.provider, options.threads)
    if regions is not None:
        report.note("predicting the states of the sites")
        return with_predicted_states(session, features, regions, model.spec, head)
    contigs = _contigs(options, sizes)
    report.note(f"predicting the states of {', '.join(contigs)}")
    bins = predicted_bins(session, features, sizes, contigs, model.spec, head)
    return _kept(options, bins, sizes, read_mask(options.exclude, sizes), report)


def _enough(options: VplotOptions, sites: VplotSites, report: Report) -> VplotSites:
    """Sites of the states that have enough of them."""
    count = sites.counts()
    few = (count < options.min_sites) & (count > 0)
    listed = ", ".join(
        f"{name} ({n:,})"
        for name, n, is_few in zip(sites.classes, count, few, strict=True)
        if is_few
    )
    if not (count >= max(1, options.min_sites)).any():
        where = options.states or f"the predictions of {options.model}"
        raise InputError(
            f"no state of {where} has {counted(options.min_sites, 'site')} or more"
            + (f": {listed}; lower --min-sites" if listed else "")
        )
    if listed:
        report.note(f"left out, with fewer than {counted(options.min_sites, 'site')}: {listed}")
    return sites.take((sites.code != UNKNOWN) & ~few[sites.code])

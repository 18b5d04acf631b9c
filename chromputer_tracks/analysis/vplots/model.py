"""V-plots by a model's states: their sites found, explained, and made a table."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np

from chromputer_tracks.analysis.vplots.measures import (
    CHANGE,
    CONTRIBUTION,
    INPUT,
    mean_image,
    sum_image,
)
from chromputer_tracks.analysis.vplots.options import VplotOptions
from chromputer_tracks.analysis.vplots.select import (
    excluded_positions,
    kept_sites,
    only_classes,
    region_sites,
    turned,
)
from chromputer_tracks.analysis.vplots.sites import VplotSites, thinned
from chromputer_tracks.analysis.vplots.states import (
    explain_states,
    predicted_bins,
    state_bins,
    states_head,
    vplot_input,
    with_predicted_states,
    with_states,
)
from chromputer_tracks.analysis.vplots.table import VplotAxes, VplotRow, VplotTable, label_title
from chromputer_tracks.data.features import Features
from chromputer_tracks.data.label_files import MODEL_STATES, read_states
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.explain import open_explainer
from chromputer_tracks.inference.registry import Model
from chromputer_tracks.inference.sample import Report, announce, assay_files, open_sample
from chromputer_tracks.inference.session import open_session
from chromputer_tracks.intervals import ChromSizes, parse_region
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.spec import HeadSpec
from chromputer_tracks.wording import counted


def state_table(
    options: VplotOptions, model: Model, stack: ExitStack, report: Report
) -> VplotTable:
    """What a model reads at the sites of each state, and what it makes of it.

    Args:
        options: of the run.
        model: predicts states.
        stack: closes the files.
        report: told what is done.

    Returns:
        a row for each state with enough sites: its mean V-plot, the mean contributions to its
        logit, and the mean change of its probability.

    Raises:
        InputError: a file cannot be used, or no state has enough sites.
        SpecError: the model cannot be explained.
        ProviderError: the provider does not work here.
    """
    spec, files = model.spec, options.files()
    head, item = states_head(spec), vplot_input(spec, options.input)
    fasta = stack.enter_context(Fasta(files.fasta))
    sizes = fasta.sizes
    assay_files(model, files)
    known = (
        None
        if options.states is None
        else (read_states(options.states, head.labels, sizes, MODEL_STATES))
    )
    explainer = open_explainer(
        model,
        options.method,
        references=options.references,
        seed=options.seed,
        provider=options.provider,
        threads=options.threads,
    )
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
    sites = turned(options, thinned(sites, options.max_sites), sizes, report)
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
    excluded = excluded_positions(options, sizes)
    if options.regions is not None:
        return region_sites(options, sizes, excluded, report)
    bins = state_bins(sizes, _contigs(options, sizes), width)
    return kept_sites(options, bins, sizes, excluded, report)


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
    return kept_sites(options, bins, sizes, excluded_positions(options, sizes), report)


def _enough(options: VplotOptions, sites: VplotSites, report: Report) -> VplotSites:
    """Sites of the states that have enough of them."""
    count = np.bincount(sites.code[sites.code != UNKNOWN], minlength=len(sites.classes))
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

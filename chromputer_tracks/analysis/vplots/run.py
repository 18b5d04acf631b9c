"""A whole run of ``chromputer vplot``: from files to a picture, its numbers and their record."""

from __future__ import annotations

import json
import shlex
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from chromputer_tracks.analysis.vplots.explained import explained_table
from chromputer_tracks.analysis.vplots.grid import PictureText, check_suffix, save_vplots
from chromputer_tracks.analysis.vplots.options import (
    GENOME,
    RANDOM,
    VplotOptions,
    checked_window,
    parse_locus,
)
from chromputer_tracks.analysis.vplots.regions import (
    fragment_means,
    input_means,
    locus_table,
    site_counts,
    sites_table,
)
from chromputer_tracks.analysis.vplots.select import (
    excluded_positions,
    only_classes,
    region_sites,
)
from chromputer_tracks.analysis.vplots.sites import ALL, VplotSites
from chromputer_tracks.analysis.vplots.states import state_table, vplot_input
from chromputer_tracks.analysis.vplots.table import VplotAxes, VplotTable, write_vplot_tsv
from chromputer_tracks.data.labels import UNKNOWN
from chromputer_tracks.errors import InputError
from chromputer_tracks.inference.registry import Model, load_model
from chromputer_tracks.inference.run import RUN_JSON, Checksums, versions
from chromputer_tracks.inference.sample import assay_files, open_sample
from chromputer_tracks.intervals import ChromSizes, format_region
from chromputer_tracks.io.assays import open_assay
from chromputer_tracks.io.atomic import atomic_path, check_parent
from chromputer_tracks.io.fasta import Fasta
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.run import Report

_RECORDED = tuple(
    field.name
    for field in fields(VplotOptions)
    if field.name not in ("out", "sample", "command", "threads", "provider")
)


@dataclass(frozen=True, slots=True)
class VplotResult:
    """What a run wrote.

    Attributes:
        outputs: the picture; its numbers, see :func:`~.vplots.table.write_vplot_tsv`; the record.
        table: what was drawn.
        record: what the JSON holds.
    """

    outputs: tuple[Path, Path, Path]
    table: VplotTable
    record: dict[str, Any]


def draw_vplots(options: VplotOptions, report: Report) -> VplotResult:
    """Draw V-plots, and write their numbers (``.tsv``) and record (``.json``) beside the picture.

    Options are checked before files are read.

    Raises:
        InputError: options that do not go together, or a file that cannot be used.
        SpecError: the model cannot be used.
        ProviderError: the provider does not work here.
        OutputError: something cannot be written.
    """
    check_suffix(options.out)
    options.check()
    check_parent(options.out)
    with ExitStack() as stack:
        model = None if options.model is None else load_model(options.model)
        checksums = stack.enter_context(Checksums(_roles(options, model)))
        if model is not None and options.contributions is not None:
            item = vplot_input(model.spec, options.input)
            table = explained_table(
                options.contributions, model.spec, item, options.only, options.by, options.chroms
            )
        elif model is not None and options.by_state:
            table = state_table(options, model, stack, report)
        else:
            table = _fragments_table(options, model, stack, report)
        report.note(f"drawing {options.out}")
        numbers, described = (options.out.with_suffix(suffix) for suffix in (".tsv", ".json"))
        title = options.title
        if len(table.rows) == 1 and table.rows[0].name == ALL:
            # One class that has no name of its own takes the picture's title.
            stem = "" if options.regions is None else options.regions.name.partition(".")[0]
            row = replace(table.rows[0], title=title or stem)
            table, title = replace(table, rows=(row,)), ""
        save_vplots(options.out, table, PictureText(title, options.at_zero), options.smooth)
        write_vplot_tsv(numbers, table)
        record = {
            "command": shlex.join(options.command),
            "versions": versions(),
            "inputs": checksums.result(),
            "options": {name: _plain(getattr(options, name)) for name in _RECORDED},
            "fragments": None
            if options.sample is None
            else asdict(options.sample.fragment_options),
            "classes": [
                {"name": row.name, "title": row.title, "sites": row.sites} for row in table.rows
            ],
            "quantities": {quantity.name: quantity.unit for quantity in table.quantities},
        }
        with atomic_path(described) as temporary:
            temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return VplotResult((options.out, numbers, described), table, record)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _roles(options: VplotOptions, model: Model | None) -> dict[str, Path]:
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
    return {role: path for role, path in roles.items() if path is not None}


def _fragments_table(
    options: VplotOptions, model: Model | None, stack: ExitStack, report: Report
) -> VplotTable:
    """The fragments of sites or of a locus."""
    files = options.files()
    fasta = stack.enter_context(Fasta(files.fasta))
    sizes = fasta.sizes
    if options.site is not None:
        window, bin_size, edges = options.own_axes()
        locus = parse_locus(options.site, sizes, window, bin_size)
        store = _store(options, stack, sizes, report)
        title = options.title or format_region(locus)
        return locus_table(store, locus, bin_size, edges, title)
    excluded = excluded_positions(options, sizes)
    sites = region_sites(options, sizes, excluded, report)
    sites = _present(only_classes(sites, options.only, str(options.regions)))
    if model is None:
        axes = VplotAxes.around_site(*options.own_axes())
        store = _store(options, stack, sizes, report)
        means = fragment_means(store, sizes, axes)
        return sites_table(options, means, store, sites, sizes, axes, excluded)
    item = vplot_input(model.spec, options.input)
    window = checked_window(options.window or model.spec.window, item.bin)
    axes = VplotAxes.around_site(window, item.bin, item.length_edges)
    assay_files(model, files)
    sample = open_sample(stack, model, fasta, files, report)
    source = sample.assays[item.assay]
    if not isinstance(source, FragmentStore):
        raise InputError(f"the assay {item.assay} of model {model.name} is no file of fragments")
    means = input_means(sample.features, item, axes)
    return sites_table(options, means, source, sites, sizes, axes, excluded)


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
    )
    if not isinstance(source, FragmentStore):
        raise InputError(f"{files.fragments} is a bigWig; a V-plot needs fragments")
    report.note(f"{source.total:,} fragments, {source.density:.3g} per kb")
    return source


def _present(sites: VplotSites) -> VplotSites:
    """The same sites without classes that no site has."""
    counts = site_counts(sites)
    sites = sites.take(sites.code != UNKNOWN)
    names = tuple(name for name, n in zip(sites.classes, counts, strict=True) if n)
    rank = (counts > 0).cumsum() - 1
    return replace(sites, classes=names, code=rank[sites.code])

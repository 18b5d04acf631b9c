"""Which sites a V-plot is drawn of: read, kept or left out, and turned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chromputer_tracks.analysis.vplots.options import VplotOptions
from chromputer_tracks.analysis.vplots.sites import VplotSites, oriented, read_sites
from chromputer_tracks.data.labels import UNKNOWN, Mask
from chromputer_tracks.errors import InputError, counted
from chromputer_tracks.intervals import ChromSizes, parse_region
from chromputer_tracks.io.bed import read_bed, read_tss
from chromputer_tracks.io.run import Report


def excluded_positions(options: VplotOptions, sizes: ChromSizes) -> Mask:
    """What ``exclude`` names; nothing without it."""
    if options.exclude is None:
        return Mask({}, {})
    return Mask.from_intervals(record.interval for record in read_bed(options.exclude, sizes))


def region_sites(
    options: VplotOptions, sizes: ChromSizes, excluded: Mask, report: Report
) -> VplotSites:
    """The sites of ``regions``, kept and turned as the options say.

    Raises:
        InputError: none are given or left, or a file cannot be used.
    """
    if options.regions is None:
        raise InputError("give sites with --regions")
    sites = read_sites(options.regions, sizes, options.centre, options.by)
    return turned(options, kept_sites(options, sites, sizes, excluded, report), sizes, report)


def kept_sites(
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


def turned(
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


def only_classes(sites: VplotSites, only: tuple[str, ...], what: str) -> VplotSites:
    """Sites of the named classes; the classes stay as they are, those of others are of none.

    Args:
        sites: in classes.
        only: names; empty: all.
        what: has the classes, for the message.

    Raises:
        InputError: there is no such class.
    """
    unknown = [name for name in only if name not in sites.classes]
    if unknown:
        raise InputError(f"{what} has no class {unknown[0]!r}, only {', '.join(sites.classes)}")
    if not only:
        return sites
    wanted = np.isin(sites.code, [sites.classes.index(name) for name in only])
    return replace(sites, code=np.where(wanted, sites.code, UNKNOWN))

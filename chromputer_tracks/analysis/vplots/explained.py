"""V-plots of explained sites: what ``chromputer explain`` wrote, averaged over sites."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.analysis.vplots.measures import CONTRIBUTION, INPUT, mean_image, sum_image
from chromputer_tracks.analysis.vplots.sites import MOST_CLASSES
from chromputer_tracks.analysis.vplots.table import (
    VplotAxes,
    VplotImage,
    VplotRow,
    VplotTable,
    label_title,
)
from chromputer_tracks.errors import InputError
from chromputer_tracks.io.contributions import (
    WINDOWS,
    ExplainedSites,
    explained_labels,
    read_contributions,
)
from chromputer_tracks.spec import InputSpec, ModelSpec


def explained_table(
    folder: Path,
    spec: ModelSpec,
    item: InputSpec,
    only: Sequence[str] = (),
    by: str | None = None,
    chroms: Sequence[str] = (),
) -> VplotTable:
    """Mean input and mean contributions over explained sites, turned by strand.

    Memory holds one label's contributions of the V-plot, 12.8 kB a site for one of 16 lengths and
    200 positions.

    Args:
        folder: that ``chromputer explain`` wrote, or that of one label in it.
        spec: of the model that was explained.
        item: its V-plot input.
        only: labels; empty: all.
        by: tell the sites of a label apart by ``name``, ``strand`` or ``chrom`` of their BED.
        chroms: contigs whose sites count; empty: all.

    Returns:
        a row for each label, or for each label and class.

    Raises:
        InputError: a label, input or column is not there, or no site is left.
        FormatError: a file is damaged, or not of this model.
    """
    if (folder / WINDOWS).is_file():
        folders = {folder.resolve().name: folder}
    else:
        folders = explained_labels(folder)
    unknown = [name for name in only if name not in folders]
    if unknown:
        raise InputError(f"{folder} holds no label {unknown[0]!r}, only {', '.join(folders)}")
    named = {label.name: label for head in spec.heads for label in head.labels}
    axes = VplotAxes.around_site(spec.window, item.bin, item.length_edges)
    rows = []
    for name in only or folders:
        sites = read_contributions(folders[name])
        label = named.get(name.rpartition(".")[2])
        for part, chosen in _classes(sites, by, chroms):
            title = label_title(label) if label else name
            rows.append(
                VplotRow(
                    f"{name}.{part}" if part else name,
                    f"{name}, {part}" if part else title,
                    len(chosen),
                    _images(sites, item, axes, chosen),
                    label.color if label else None,
                )
            )
    if not rows:
        raise InputError(f"{folder}: no site of {', '.join(only or folders)} lies on "
                         f"{', '.join(chroms)}")  # fmt: skip
    return VplotTable(axes, (INPUT, CONTRIBUTION), tuple(rows))


def _classes(
    sites: ExplainedSites, by: str | None, chroms: Sequence[str]
) -> list[tuple[str, NDArray[np.int64]]]:
    """Name and rows of each class that has any; the name is empty where there is one."""
    kept = np.flatnonzero(np.isin(sites.chrom, list(chroms))) if chroms else np.arange(len(sites))
    if by is None:
        return [("", kept)] if len(kept) else []
    columns = {
        "chrom": sites.chrom.tolist(),
        "name": sites.sites.names,
        "strand": sites.sites.strands,
    }
    words = columns.get(by)
    if words is None:
        raise InputError(
            f"{sites.sites.path} has no classes in a column {by!r}: choose name, strand or chrom"
        )
    column = np.array(words)[kept]
    names = sorted(set(column.tolist()))
    if len(names) > MOST_CLASSES:
        raise InputError(
            f"{sites.sites.path}: its column {by} has {len(names):,} different values, and at most "
            f"{MOST_CLASSES} classes can be drawn"
        )
    return [(name, kept[column == name]) for name in names]


def _images(
    sites: ExplainedSites, item: InputSpec, axes: VplotAxes, chosen: NDArray[np.int64]
) -> tuple[VplotImage, VplotImage]:
    """Mean input and contributions of some sites."""
    strands = sites.sites.strands
    reverse = np.array([word == "-" for word in strands] if strands else [False] * len(sites))
    means = []
    for array in (sites.values(item.name), sites.contributions(item.name)):
        if array.shape[1:] != axes.shape:
            raise InputError(
                f"{sites.folder} holds {item.name!r} of shape {array.shape[1:]}, but the model's "
                f"has {axes.shape}: name the model that was explained with --model"
            )
        forward, turned = chosen[~reverse[chosen]], chosen[reverse[chosen]]
        total = array[forward].sum(axis=0, dtype=np.float64)
        total += array[turned].sum(axis=0, dtype=np.float64)[:, ::-1]
        means.append(total / len(chosen))
    values, contributions = means
    return mean_image(values), sum_image(contributions)

"""The pictures of ``chromputer filters``, each an SVG file."""

from __future__ import annotations

import numpy as np

from chromputer_tracks.analysis.filters.figures import (
    contribution_map,
    signal_pattern,
    vplot_pattern,
)
from chromputer_tracks.analysis.filters.logo import logo_svg
from chromputer_tracks.analysis.filters.ranking import FilterKey
from chromputer_tracks.analysis.filters.results import FilterResults

MAP = "contributions.svg"


def draw_pictures(results: FilterResults) -> dict[str, str]:
    """File name to SVG: the map of contributions, the logo or pattern of each filter."""
    texts = {MAP: _map(results)}
    if results.motifs is not None and results.sequence is not None:
        for key in results.keys(results.sequence):
            if results.maximum(key):
                number = int(results.motifs.subsequences[key.number])
                texts[f"logos/{key}.svg"] = logo_svg(
                    results.pwm(key.number), f"{key}: {number:,} subsequences"
                )
    for name in results.patches:
        for key in results.keys(name):
            texts[pattern_file(key)] = _pattern(results, key)
    return texts


def pattern_file(key: FilterKey) -> str:
    """Name of the picture of a V-plot or signal filter."""
    return f"patterns/{key}.svg"


def _pattern(results: FilterResults, key: FilterKey) -> str:
    """The picture of a V-plot or signal filter, SVG."""
    layer, found = results.patches[key.input]
    item, top = results.item(key.input), found.top[key.number]
    kernel = layer.kernel[key.number]
    if item.kind == "vplot":
        return vplot_pattern(kernel, top, item.length_edges, item.bin, str(key))
    return signal_pattern(kernel, top, item.bin, str(key))


def _map(results: FilterResults) -> str:
    """The map of contributions, of the filters that are among the highest of a class, as SVG.

    They stand in the order of the class that they add most to, relative to its largest.
    """
    rows = [item for item in results.contributions if item.sites]
    top = {key for item in rows for key in results.ranking(item.name)[: results.top]}
    keys = sorted(top)
    values = np.array([[item.mean[key.input][key.number] for key in keys] for item in rows])
    values = values.reshape(len(rows), len(keys))
    largest = np.abs(values).max(axis=1, keepdims=True, initial=1e-9)
    order = sorted(
        range(len(keys)),
        key=lambda i: (int((values / largest)[:, i].argmax()), -float(values[:, i].max())),
    )
    names = []
    for i in order:
        match = results.known(keys[i].number) if keys[i].input == results.sequence else None
        names.append(
            f"{keys[i]} {match.target.alternate or match.target.name}" if match else str(keys[i])
        )
    return contribution_map(values[:, order], [item.name for item in rows], names)

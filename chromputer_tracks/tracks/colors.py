"""Colours that no model names: the same in hubs, in sessions and on the page."""

from __future__ import annotations

from itertools import groupby

from chromputer_tracks.io.bed import Rgb
from chromputer_tracks.spec import ModelSpec
from chromputer_tracks.tracks.explain.layout import importance_tracks

NEUTRAL: Rgb = (110, 110, 110)
"""Of signals and features of shape, and of files that the user added."""
NEGATIVE: Rgb = (120, 120, 120)
"""Of contributions below 0, where they are drawn as bars."""
COVERAGE: Rgb = (89, 99, 110)
SPAN_COLORS: tuple[Rgb, ...] = ((0, 114, 178), (213, 94, 0), (0, 158, 115))
"""Of short, middle and long fragments: blue, vermilion and green of Okabe and Ito's palette."""


def contribution_colors(spec: ModelSpec) -> dict[str, Rgb]:
    """Colour of what an explanation has beside the bases, by the stem of the file's name."""
    found = {}
    others = [item for item in importance_tracks(spec) if item.kind != "sequence"]
    for (kind, _), items in groupby(others, key=lambda item: (item.kind, item.source)):
        for place, item in enumerate(items):
            spans = kind == "vplot"
            found[item.name] = SPAN_COLORS[place % len(SPAN_COLORS)] if spans else NEUTRAL
    return found

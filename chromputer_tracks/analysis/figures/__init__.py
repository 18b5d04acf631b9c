"""Every figure of a report, as SVG that lives inside a page; see :mod:`.style`."""

from chromputer_tracks.analysis.figures.bars import Bar, bars, class_shares, label_counts
from chromputer_tracks.analysis.figures.curves import (
    Line,
    depth_curves,
    pr_curve,
    reliability_diagram,
    training_curve,
)
from chromputer_tracks.analysis.figures.matrices import (
    accuracy_matrix,
    confusion_matrix,
    overlap_matrix,
)
from chromputer_tracks.analysis.figures.vplots import color_bar, draw_vplot, set_scale, vplot_panel

__all__ = [
    "Bar",
    "Line",
    "accuracy_matrix",
    "bars",
    "class_shares",
    "color_bar",
    "confusion_matrix",
    "depth_curves",
    "draw_vplot",
    "label_counts",
    "overlap_matrix",
    "pr_curve",
    "reliability_diagram",
    "set_scale",
    "training_curve",
    "vplot_panel",
]

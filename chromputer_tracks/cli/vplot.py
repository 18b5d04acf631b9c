"""``chromputer vplot``: fragments around sites as an image, and what a model makes of them."""

from __future__ import annotations

from chromputer_tracks.cli.console import DRAWING, require
from chromputer_tracks.cli.flags import command
from chromputer_tracks.options.explain import VplotOptions


def run_vplot(options: VplotOptions) -> None:
    """Draw with messages and progress on stderr, then say what was written."""
    from chromputer_tracks.cli.console import Reporter

    require("chromputer vplot", DRAWING, "analysis")
    from chromputer_tracks.analysis.vplots.run import draw_vplots

    with Reporter() as reporter:
        table = draw_vplots(options, reporter).table
        out = options.out
        reporter.note(
            f"{out}: {', '.join(f'{row.title} ({row.sites:,})' for row in table.rows)}; numbers in "
            f"{out.with_suffix('.tsv').name}, how they were made in {out.with_suffix('.json').name}"
        )


vplot = command(
    VplotOptions,
    run_vplot,
    "vplot",
    "Draw V-plots: fragments by midpoint and length around sites, by class or by state.",
)

"""``chromputer explain``: why a model says what it says, at given sites or its own calls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chromputer_tracks.cli.console import require
from chromputer_tracks.cli.flags import command
from chromputer_tracks.errors import DependencyError, counted
from chromputer_tracks.options.explain import ExplainOptions

if TYPE_CHECKING:
    from rich.console import Console

    from chromputer_tracks.tracks.explain.run import ExplainResult

_PICTURES = ("logomaker", "matplotlib")
_IMAGES = 6


def run_explain(options: ExplainOptions) -> None:
    """Explain with messages and progress on stderr, then show what was found."""
    from chromputer_tracks.cli.console import Reporter
    from chromputer_tracks.tracks.explain.run import explain_tracks

    with Reporter() as reporter:
        options = replace(options, images=_pictures(options.images))
        result = explain_tracks(options, reporter)
    _summary(options, result, reporter.console)


def _pictures(asked: int | None) -> int:
    """How many sites are pictured: none by default where what draws them is not installed."""
    if asked == 0:
        return 0
    try:
        require("drawing sites (--images)", _PICTURES, extra="analysis")
    except DependencyError as error:
        if asked is not None:
            raise
        from chromputer_tracks.cli.console import stderr_console

        stderr_console("info").print(f"note: no pictures of sites: {error}")
        return 0
    return _IMAGES if asked is None else asked


explain = command(
    ExplainOptions,
    run_explain,
    "explain",
    "Explain a model's labels at sites: contributions of every base, fragment and signal.",
)


def _summary(options: ExplainOptions, result: ExplainResult, console: Console) -> None:
    from chromputer_tracks.cli.console import summary_table, took

    parts = list(dict.fromkeys(part for label in result.labels for part in label.shares))
    complete = any(label.completeness is not None for label in result.labels)
    numbers = ("sites", "mean logit", *parts, *(("median error", "largest") * complete))
    table = summary_table(("label",), numbers, overflow="fold")
    for label in result.labels:
        cells = [f"{label.sites:,}", f"{label.mean_logit:.2f}"]
        cells += [f"{label.shares.get(part, 0):.1%}" for part in parts]
        if label.completeness is not None:
            cells += [f"{label.completeness.median:.1e}", f"{label.completeness.maximum:.1e}"]
        table.add_row(label.label, *cells)
    console.print(table)
    what = f"{', '.join(parts)}: shares of all contributions without their signs"
    if complete:
        what += "; error: by how much contributions do not add up to the difference in logit"
    console.print(what)
    record, sites = result.record, sum(label.sites for label in result.labels)
    console.print(
        f"{counted(sites, 'site')} explained in {options.out} "
        f"({took(record, f'{sites / record.seconds:.1f} per s')}); how they were made is in "
        "run.json"
    )

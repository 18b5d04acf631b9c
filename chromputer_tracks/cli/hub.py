"""``chromputer hub``: a UCSC track hub of what was predicted and explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromputer_tracks.cli.flags import command
from chromputer_tracks.options.predict import HubOptions

if TYPE_CHECKING:
    from rich.console import Console

    from chromputer_tracks.tracks.hub.run import HubResult


def run_hub(options: HubOptions) -> None:
    """Make the hub with messages and progress on stderr, then say where to see it."""
    from chromputer_tracks.cli.console import Reporter
    from chromputer_tracks.tracks.hub.run import make_hub

    with Reporter() as reporter:
        result = make_hub(options, reporter)
    _summary(options, result, reporter.console)


hub = command(
    HubOptions,
    run_hub,
    "hub",
    "Make a UCSC track hub of predicted and explained tracks, of one sample or several.",
)


def _summary(options: HubOptions, result: HubResult, console: Console) -> None:
    megabytes, seconds = result.bytes / 1e6, result.record.seconds
    console.print(
        f"hub of {result.tracks} tracks in {options.out} ({megabytes:.1f} MB, {seconds:.0f} s); "
        "hub.html says what is in it"
    )
    where = result.url or "URL/hub.txt"
    console.print(
        f"put the folder on a web server and check it there with UCSC's hubCheck: hubCheck {where}"
    )
    for text, link in result.links:
        console.print(f"{text}: {link}")

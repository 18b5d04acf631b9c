"""``chromputer view``: tracks in a web page, on this machine alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from chromputer_tracks.tracks.view.run import View

_WAIT_SECONDS = 0.2


def view(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders that `chromputer predict` and `chromputer explain` wrote."),
    ] = None,
    sample: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=DIR", help="A folder with its sample's name; may be repeated."),
    ] = None,
    fasta: Annotated[
        Path | None, typer.Option(help="The genome, with its .fai; default: the one of the runs.")
    ] = None,
    track: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another file to show: BED, GFF, GTF, bigBed or bigWig; may be repeated."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="A model that is not where the run found it; may be repeated."),
    ] = None,
    locus: Annotated[
        str | None, typer.Option(help="Where to start, such as chrI:1,001-2,000.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
    write_session: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write session.json (igv.js) and session.xml (IGV) there, and serve nothing.",
        ),
    ] = None,
    log_requests: Annotated[
        bool, typer.Option("--log-requests", help="Show each request of the browser.")
    ] = False,
) -> None:
    """Show tracks in a genome browser, in a web page that works without a network."""
    from chromputer_tracks.cli.console import stderr_console
    from chromputer_tracks.cli.requirements import named_folders
    from chromputer_tracks.tracks.view.run import ViewOptions, read_view, write_view_sessions

    shown = read_view(
        ViewOptions(
            folders=tuple(folders or ()),
            samples=named_folders("--sample", sample or ()),
            models=tuple(model or ()),
            fasta=fasta,
            tracks=tuple(track or ()),
            locus=locus,
        )
    )
    console = stderr_console()
    if write_session is not None:
        written = write_view_sessions(shown, write_session)
        console.print(
            f"{len(shown.tracks)} tracks in {written[0]} (igv.js) and {written[1]} (IGV: File, "
            "Open Session)"
        )
        return
    _serve(shown, port, browser, log_requests, console)


def _serve(shown: View, port: int, browser: bool, log_requests: bool, console: Console) -> None:
    """Serve until Ctrl-C."""
    import os
    import platform
    import time
    import webbrowser

    from chromputer_tracks.tracks.view.run import open_server

    with (
        open_server(shown, port, console.print if log_requests else None) as server,
        server.serving(),
    ):
        console.print(f"{len(shown.tracks)} tracks at {server.url} (Ctrl-C stops)")
        if "SSH_CONNECTION" in os.environ:
            to = f"{server.port}:localhost:{server.port}"
            console.print(f"to see it from where you are: ssh -L {to} {platform.node()}")
        elif browser and _has_display():
            webbrowser.open(server.url)
        try:
            # Never for long: a signal that comes just before a wait does not end it.
            while True:
                time.sleep(_WAIT_SECONDS)
        except KeyboardInterrupt:
            console.print("\nStopped")


def _has_display() -> bool:
    """Whether a browser can open a window; else Python would start one in the terminal."""
    import os
    import sys

    shown = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in shown)

"""``chromputer view``: tracks in a web page, on this machine alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromputer_tracks.cli.flags import command
from chromputer_tracks.options.predict import ViewOptions

if TYPE_CHECKING:
    from rich.console import Console

    from chromputer_tracks.tracks.view.run import View

_WAIT_SECONDS = 0.2


def run_view(options: ViewOptions) -> None:
    """Write sessions, or serve the page until Ctrl-C."""
    from chromputer_tracks.cli.console import stderr_console
    from chromputer_tracks.tracks.runs import verdict_lines
    from chromputer_tracks.tracks.view.run import read_view, write_view_sessions

    shown = read_view(options)
    console = stderr_console()
    for line in verdict_lines(shown.models):
        stderr_console("warning").print(line)
    if options.write_session is None:
        _serve(options, shown, console)
        return
    written = write_view_sessions(options.write_session, shown)
    console.print(
        f"{len(shown.tracks)} tracks in {written[0]} (igv.js) and {written[1]} (IGV: File, "
        "Open Session)"
    )


view = command(
    ViewOptions,
    run_view,
    "view",
    "Show tracks in a genome browser, in a web page that works without a network.",
)


def _serve(options: ViewOptions, shown: View, console: Console) -> None:
    import os
    import platform
    import time
    import webbrowser

    from chromputer_tracks.tracks.view.run import open_server
    from chromputer_tracks.tracks.view.server import new_token

    log = console.print if options.log_requests else None
    token = new_token() if options.token else None
    with open_server(shown, options.port, log, token) as server, server.serving():
        console.print(f"{len(shown.tracks)} tracks at {server.url} (Ctrl-C stops)")
        if "SSH_CONNECTION" in os.environ:
            to = f"{server.port}:localhost:{server.port}"
            console.print(f"to see it from where you are: ssh -L {to} {platform.node()}")
        elif options.browser and _has_display():
            webbrowser.open(server.url_once())
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

"""The ``chromputer`` command; commands import what they need when they run, so help is fast."""

from __future__ import annotations

import signal
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from chromputer_tracks import __version__
from chromputer_tracks.cli.ablate import ablate
from chromputer_tracks.cli.dataset import dataset
from chromputer_tracks.cli.demo import demo
from chromputer_tracks.cli.doctor import doctor, models
from chromputer_tracks.cli.embed import embed
from chromputer_tracks.cli.evaluate import evaluate
from chromputer_tracks.cli.explain import explain
from chromputer_tracks.cli.filters import filters
from chromputer_tracks.cli.fragments import fragments
from chromputer_tracks.cli.hub import hub
from chromputer_tracks.cli.motifs import motifs
from chromputer_tracks.cli.predict import predict
from chromputer_tracks.cli.quiz import quiz
from chromputer_tracks.cli.simulate import simulate
from chromputer_tracks.cli.train import train
from chromputer_tracks.cli.view import view
from chromputer_tracks.cli.vplot import vplot
from chromputer_tracks.errors import ChromputerError

FAILURE, INTERRUPTED = 1, 130


class _Group(TyperGroup):
    """Turns the errors that a user can mend into one message and exit status 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ChromputerError as error:
            if ctx.params.get("debug"):
                traceback.print_exception(error)
            else:
                _show(error)
            raise typer.Exit(FAILURE) from error
        except KeyboardInterrupt:
            sys.stderr.write("\nInterrupted\n")
            raise typer.Exit(INTERRUPTED) from None


class _Command(TyperCommand):
    """Shows its help as plain text: Typer's tables cut the names of options in 80 columns."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "rich_markup_mode": None})


def _show(error: ChromputerError) -> None:
    from rich.text import Text

    from chromputer_tracks.cli.console import stderr_console

    message = Text("error: ", style="bold red").append(str(error), style="default not bold")
    for note in getattr(error, "__notes__", []):
        message.append(f" ({note})", style="default not bold")
    stderr_console().print(message)


app = typer.Typer(
    cls=_Group,
    name="chromputer",
    help="Chromatin-state and TF-binding tracks from ATAC-seq and a genome.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _panel, _commands in (
    ("Predict", (demo, predict, fragments, models)),
    ("Explain", (explain, motifs, filters, embed, vplot, quiz)),
    ("Show", (view, hub)),
    ("Train", (dataset, train, ablate, evaluate, simulate)),
    ("Help", (doctor,)),
):
    for _command in _commands:
        app.command(cls=_Command, rich_help_panel=_panel)(_command)


def _print_version(value: bool) -> None:
    if value:
        sys.stdout.write(f"chromputer {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of every error.")
    ] = False,
) -> None:
    # Both are acted upon elsewhere: the version in its callback, debug in _Group.
    del version, debug


def run() -> None:
    """The console entry point."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Ignored under nohup: it stays so.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)
    app()


def _stop(number: int, _: object) -> None:
    """End as on Ctrl-C, so that unfinished and scratch files go; a scheduler's cancel does this."""
    signal.signal(number, signal.SIG_IGN)
    sys.stderr.write(f"\nStopped by {signal.Signals(number).name}\n")
    sys.exit(128 + number)

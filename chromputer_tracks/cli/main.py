"""The ``chromputer`` command; commands import what they need when they run, so help is fast."""

from __future__ import annotations

import os
import re
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from chromputer_tracks import __version__
from chromputer_tracks.cli.ablate import ablate
from chromputer_tracks.cli.check import check
from chromputer_tracks.cli.console import level, set_level
from chromputer_tracks.cli.dataset import dataset
from chromputer_tracks.cli.demo import demo
from chromputer_tracks.cli.doctor import doctor, models
from chromputer_tracks.cli.embed import embed
from chromputer_tracks.cli.evaluate import evaluate
from chromputer_tracks.cli.explain import explain
from chromputer_tracks.cli.filters import filters
from chromputer_tracks.cli.flags import OLD_NAMES, with_messages
from chromputer_tracks.cli.fragments import fragments
from chromputer_tracks.cli.hub import hub
from chromputer_tracks.cli.init import init
from chromputer_tracks.cli.motifs import motifs
from chromputer_tracks.cli.predict import predict
from chromputer_tracks.cli.quiz import quiz
from chromputer_tracks.cli.simulate import simulate
from chromputer_tracks.cli.train import train
from chromputer_tracks.cli.view import view
from chromputer_tracks.cli.vplot import vplot
from chromputer_tracks.errors import ChromputerError
from chromputer_tracks.options.fields import MessageOptions

FAILURE, INTERRUPTED = 1, 130
_SHOWN = 400
"""Characters shown of a long word of a message; paths are shorter."""
_LONG_WORD = re.compile(rf"\S{{{2 * _SHOWN},}}")


class _Group(TyperGroup):
    """Turns the errors that a user can mend into one message and exit status 1."""

    def invoke(self, ctx: Any) -> Any:
        # Each command line begins anew: tests and programs run several in one process.
        set_level("info")
        try:
            return super().invoke(ctx)
        except ChromputerError as error:
            if ctx.params.get("debug"):
                traceback.print_exception(error)
            else:
                _show(error)
            raise typer.Exit(FAILURE) from error
        except (MemoryError, RuntimeError) as error:
            from chromputer_tracks.io.threads import shortage

            told = shortage(error)
            if told is None:
                raise
            _show(told)
            raise typer.Exit(FAILURE) from error
        except KeyboardInterrupt:
            sys.stderr.write("\nInterrupted\n")
            raise typer.Exit(INTERRUPTED) from None


class _Command(TyperCommand):
    """Shows its help as plain text: Typer's tables cut the names of options in 80 columns."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "rich_markup_mode": None})

    def make_parser(self, ctx: Any) -> Any:
        """Take the names that options had in earlier releases, too; help does not list them."""
        parser = super().make_parser(ctx)
        for old, now in vars(self.callback).get(OLD_NAMES, {}).items():
            option: Any = next(item for item in self.get_params(ctx) if now in item.opts)
            action = "append" if option.multiple else "store"
            parser.add_option(obj=option, opts=[old], dest=option.name, action=action)
        return parser


def _show(error: ChromputerError) -> None:
    from rich.text import Text

    from chromputer_tracks.cli.console import stderr_console

    message = Text("error: ", style="bold red").append(_cut(str(error)), style="default not bold")
    for note in getattr(error, "__notes__", []):
        message.append(f" ({note})", style="default not bold")
    cause = error.__cause__ if level() == "debug" else None
    while cause is not None:
        message.append(f"\n  from {type(cause).__name__}: {cause}", style="default not bold")
        cause = cause.__cause__
    stderr_console().print(message)


def _cut(text: str) -> str:
    """A message without the middle of what a file holds where its name or its limit is meant."""
    text = _LONG_WORD.sub(lambda word: f"{word[0][:_SHOWN]}...{word[0][-_SHOWN // 4 :]}", text)
    return text if len(text) <= 8 * _SHOWN else f"{text[: 6 * _SHOWN]} ... {text[-_SHOWN:]}"


app = typer.Typer(
    cls=_Group,
    name="chromputer",
    help="Chromatin-state and TF-binding tracks from ATAC-seq and a genome.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _hear(options: MessageOptions) -> None:
    """Say as much from here on as was asked for, before the command's name or behind it."""
    if options.level is not None:
        set_level(options.level)


for _panel, _commands in (
    ("Predict", (demo, check, predict, fragments, models)),
    ("Explain", (explain, motifs, filters, embed, vplot, quiz)),
    ("Show", (view, hub)),
    ("Train", (init, dataset, train, ablate, evaluate, simulate)),
    ("Help", (doctor,)),
):
    for _command in _commands:
        app.command(cls=_Command, rich_help_panel=_panel)(with_messages(_command, _hear))


def _print_version(value: bool) -> None:
    if value:
        sys.stdout.write(f"chromputer {__version__}\n")
        raise typer.Exit


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


app.callback()(with_messages(_options, _hear))


def run() -> None:
    """The console entry point."""
    from chromputer_tracks.io.threads import end_process, hear_signals

    # What a library of Rust prints when it panics: its stack would hide our sentence.
    os.environ["RUST_BACKTRACE"] = "0"
    hear_signals()
    try:
        app()
    except SystemExit as error:
        end_process(error.code if isinstance(error.code, int) else FAILURE)
        raise

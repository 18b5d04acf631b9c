"""``chromputer ablate``: what each input of a configuration is worth."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from chromputer_tracks.cli.sample_flags import Config, Data, Epochs


def ablate(
    config: Config,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for runs, tables and report.")],
    data: Data = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--inputs",
            metavar="A+B",
            help="Inputs to train with, joined by +; may be repeated, the full set last. "
            "Default: every combination of up to three inputs; of more, each alone, all but "
            "each, and all.",
        ),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option("--seed", min=0, help="A run from each; may be repeated. Default: 1, 2, 3."),
    ] = None,
    epochs: Epochs = None,
    tss: Annotated[
        Path | None, typer.Option(help="BED of genes or start sites; default: data.tss.")
    ] = None,
    replicate_states: Annotated[
        Path | None, typer.Option(help="Second states BED: its agreement is the ceiling.")
    ] = None,
    replicate: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=BED", help="Second peak file of a label; may be repeated."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Threads of the random forest.")] = 1,
) -> None:
    """Train subsets of the inputs and compare them with one another and with baselines.

    Finished runs in the output folder are read, not repeated, and one that was stopped goes on.
    """
    from dataclasses import replace

    from chromputer_tracks.cli.console import command_line, stderr_console, terminal_table
    from chromputer_tracks.cli.requirements import TRAINING, named_files, require

    require("an ablation", TRAINING)
    from chromputer_tracks.analysis.ablate import run as study
    from chromputer_tracks.analysis.ablate.files import terminal_tables, write_ablation
    from chromputer_tracks.model.config_file import load_config
    from chromputer_tracks.model.training import versions

    settings = load_config(config, data)
    if epochs is not None:
        settings = replace(settings, fit=replace(settings.fit, epochs=epochs))
    command = shlex.join(command_line())
    options = study.AblateOptions(
        settings,
        out,
        tuple(inputs or ()),
        tuple(dict.fromkeys(seed or (1, 2, 3))),
        tss,
        replicate_states,
        tuple(named_files("--replicate", replicate or []).items()),
        jobs,
    )
    console = stderr_console()
    found = study.ablate(options, console.print, command)
    if found is None:  # not the first of several training processes
        return
    provenance = {**versions(), "seeds": list(options.seeds), "command": command}
    text = config.read_text(encoding="utf-8")
    paths = write_ablation(found, out, settings.name, text, provenance)
    for table in terminal_tables(found):
        console.print(terminal_table(table, console.width))
    for note in found.notes:
        console.print(f"note: {note}")
    console.print(f"all figures in {', '.join(str(path) for path in paths)}")

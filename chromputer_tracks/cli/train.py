"""``chromputer train``: train a model from a configuration and export it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromputer_tracks.cli.sample_flags import Config, Data, Epochs

if TYPE_CHECKING:
    from chromputer_tracks.evaluation.scores import Scores


def train(
    config: Config,
    out: Annotated[Path, typer.Option("--out", "-o", help="Model folder to write.")],
    data: Data = None,
    epochs: Epochs = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on where a run into the same folder was stopped."),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Start from the beginning where a run was stopped; write into a folder that "
            "holds other files.",
        ),
    ] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Instead of the configuration's.")
    ] = None,
) -> None:
    """Train a model and export it as a model folder, with its model card."""
    from dataclasses import replace

    from chromputer_tracks.cli.console import command_line, stderr_console
    from chromputer_tracks.cli.requirements import TRAINING, require

    require("training", TRAINING)
    from chromputer_tracks.analysis.report.page import write_training_report
    from chromputer_tracks.model.checkpoints import LAST
    from chromputer_tracks.model.config_file import load_config
    from chromputer_tracks.model.training import train_model

    settings = load_config(config, data)
    if epochs is not None:
        settings = replace(settings, fit=replace(settings.fit, epochs=epochs))
    if seed is not None:
        settings = replace(settings, seed=seed)
    console = stderr_console()
    command = shlex.join(command_line())
    if resume and force:
        raise typer.BadParameter("goes on with what --force removes", param_hint="--resume")
    try:
        trained = train_model(settings, out, console.print, command, resume=resume, force=force)
    except (KeyboardInterrupt, SystemExit):
        if (out / "training" / LAST).exists():
            console.print("\nThe same command with --resume goes on after the last whole epoch")
        raise
    if trained is None:  # not the first of several training processes
        return
    console.print(f"on the test contigs: {_headline(trained.scores)}")
    # Said before the report is made, which the model does not need.
    console.print(
        f"model written to {trained.folder}, its figures to {trained.folder / 'README.md'}; ONNX "
        f"Runtime and PyTorch agree within {trained.parity:.1g}"
    )
    report = write_training_report(trained, settings, config.read_text(encoding="utf-8"))
    console.print(f"report written to {report}")


def _headline(scores: Scores) -> str:
    """The figures of each kind of head."""
    parts = []
    if scores.states is not None:
        for name, item in (
            ("accuracy", scores.states.accuracy),
            ("macro-F1", scores.states.macro_f1),
        ):
            parts.append(f"{name} {item.value:.3f} [{item.low:.3f}, {item.high:.3f}]")
    for name, values, of in (
        ("AUPRC", [item.auprc.value for item in scores.binary], "label"),
        ("Pearson", [item.pearson.value for item in scores.continuous], "signal"),
    ):
        if values:
            many = f"mean {name} of {len(values)} {of}s" if len(values) > 1 else f"{name}"
            parts.append(f"{many} {sum(values) / len(values):.3f}")
    return ", ".join(parts) or "no label can be scored"

"""``chromputer evaluate``: score models on held-out contigs, beside what they must beat."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from chromputer_tracks.cli.sample_flags import Provider, ProviderName, Threads


class SplitName(StrEnum):
    """Values of ``--split``."""

    TEST = "test"
    VALIDATION = "validation"


def evaluate(
    model: Annotated[
        list[str],
        typer.Argument(
            help="Model folders, .onnx files or shipped models; the first is compared with all "
            "others.",
            show_default=False,
        ),
    ],
    config: Annotated[
        Path,
        typer.Option(help="Training configuration (TOML): genome, samples, labels and splits."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for scores, tables and report.html.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder that relative paths in the configuration start from; "
            "default: the configuration's own folder."
        ),
    ] = None,
    split: Annotated[
        SplitName, typer.Option(help="Which of the configuration's splits to score.")
    ] = SplitName.TEST,
    contigs: Annotated[
        str | None,
        typer.Option(metavar="NAME,NAME", help="Score these contigs instead of a split."),
    ] = None,
    sample: Annotated[
        str | None, typer.Option(help="Score one of the configuration's samples; default: all.")
    ] = None,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines",
            help="Learn and score the majority class, gene proximity, a random forest on the "
            "fragments, and motif scans, too; some minutes.",
        ),
    ] = False,
    tss: Annotated[
        Path | None,
        typer.Option(
            help="BED of genes or transcription start sites, for gene proximity; default: "
            "data.tss of the configuration."
        ),
    ] = None,
    replicate_states: Annotated[
        Path | None,
        typer.Option(help="A second states BED: its agreement with the first is the ceiling."),
    ] = None,
    replicate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=BED", help="A second peak file of a label, likewise; may be repeated."
        ),
    ] = None,
    allow_training_contigs: Annotated[
        bool,
        typer.Option("--allow-training-contigs", help="Score contigs that a model was trained on."),
    ] = False,
    draws: Annotated[int, typer.Option(min=10, help="Bootstrap resamples.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of resampling and baselines.")] = 0,
    provider: Provider = ProviderName.AUTO,
    threads: Threads = None,
) -> None:
    """Score models on held-out contigs, with intervals, paired tests and baselines."""
    from chromputer_tracks.cli.console import command_line, stderr_console, terminal_table
    from chromputer_tracks.cli.requirements import TRAINING, named_files, require

    require("evaluating", TRAINING)
    from chromputer_tracks.analysis.evaluate.files import REPORT, summary, tables, write_evaluation
    from chromputer_tracks.analysis.evaluate.run import EvaluateOptions
    from chromputer_tracks.analysis.evaluate.run import evaluate as score
    from chromputer_tracks.io.atomic import check_folder

    options = EvaluateOptions(
        models=tuple(model),
        config=config,
        data=data,
        split=split.value,
        contigs=_names(contigs),
        sample=sample,
        baselines=baselines,
        tss=tss,
        replicate_states=replicate_states,
        replicates=named_files("--replicate", replicate or []),
        allow_training_contigs=allow_training_contigs,
        provider=provider.value,
        threads=threads,
        draws=draws,
        seed=seed,
    )
    # Before minutes are spent on what could not be written.
    check_folder(out)
    console = stderr_console()
    found = score(options, console.print)
    command = shlex.join(command_line())
    files = write_evaluation(found, options, out, command)
    for table in tables(found):
        console.print(terminal_table(table, console.width))
    console.print(summary(found, options))
    console.print(f"{len(files)} files in {out}; look at {out / REPORT}")


def _names(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise typer.BadParameter(
            f"{text!r} is not a list of different names such as chrVII,chrXIII",
            param_hint="--contigs",
        )
    return names

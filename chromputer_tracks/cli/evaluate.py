"""``chromputer evaluate``: score models on held-out contigs, beside what they must beat."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromputer_tracks.cli.predict import ProviderName

if TYPE_CHECKING:
    from rich.table import Table

    from chromputer_tracks.analysis.report_data import PlainTable

_NEEDED = ("torch", "scipy", "sklearn", "matplotlib", "jinja2")


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
    provider: Annotated[
        ProviderName,
        typer.Option(help="Where to run; auto takes a GPU when one works, else the CPU."),
    ] = ProviderName.AUTO,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads; default: those this process may use.")
    ] = None,
) -> None:
    """Score models on held-out contigs, with intervals, paired tests and baselines."""
    from importlib.util import find_spec

    from chromputer_tracks.cli.console import stderr_console
    from chromputer_tracks.errors import DependencyError

    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise DependencyError(
            f"evaluating needs {', '.join(missing)}: "
            "pip install 'chromputer-tracks[train,analysis]'"
        )
    from chromputer_tracks.analysis.evaluate import EvaluateOptions
    from chromputer_tracks.analysis.evaluate import evaluate as score
    from chromputer_tracks.analysis.evaluate_files import REPORT, summary, write_evaluation
    from chromputer_tracks.analysis.evaluate_tables import tables
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
        replicates=_replicates(replicate or []),
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
    command = shlex.join(["chromputer", *sys.argv[1:]])
    files = write_evaluation(found, options, out, command)
    for table in tables(found):
        console.print(_table(table))
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


def _replicates(given: list[str]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise typer.BadParameter(f"{text!r} is not NAME=BED", param_hint="--replicate")
        if name in files:
            raise typer.BadParameter(f"{name} is given twice", param_hint="--replicate")
        files[name] = Path(path)
    return files


def _table(table: PlainTable) -> Table:
    """The first column names the row; the others are figures, but for columns of words."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=Text(table.caption), title_justify="left", title_style="bold")
    for place, name in enumerate(table.header):
        figures = place and all(str(row[place])[:1] in "+-–0123456789<" for row in table.rows)
        shown.add_column(
            name, justify="right" if figures else "left", no_wrap=not place or bool(figures)
        )
    for row in table.rows:
        shown.add_row(*map(str, row))
    return shown

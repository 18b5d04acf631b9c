"""``chromputer quiz``: a page that lets people guess from V-plots, against the model."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromputer_tracks.cli.sample_flags import (
    AssayFiles,
    DropDuplicates,
    ExcludeContig,
    FastaFile,
    FragmentsFile,
    MinMapq,
    ModelName,
    Provider,
    ProviderName,
    Scratch,
    Threads,
    Tn5Shift,
    sample_files,
)

if TYPE_CHECKING:
    from rich.console import Console

    from chromputer_tracks.analysis.quiz.run import Quiz


class Choices(StrEnum):
    """Values of ``--choices``."""

    FOUR = "4"
    ALL = "all"


def quiz(
    model: ModelName,
    fasta: FastaFile,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The page (.html); its folder must exist.")
    ],
    fragments: FragmentsFile = None,
    assay: AssayFiles = None,
    states: Annotated[
        Path | None, typer.Option(help="BED of chromatin states: the truth; names as the model's.")
    ] = None,
    state_table: Annotated[
        Path | None,
        typer.Option(help="Names and colours of the states (TSV); default: the model's."),
    ] = None,
    binary: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help="Ask for one of the model's binary labels instead."),
    ] = None,
    peaks: Annotated[
        Path | None, typer.Option(help="Peaks of that label (BED or narrowPeak): the truth.")
    ] = None,
    blacklist: Annotated[Path | None, typer.Option(help="BED of regions not to ask.")] = None,
    chrom: Annotated[
        list[str] | None,
        typer.Option(
            help="Ask sites of this chromosome; may be repeated. Default: those that the model was "
            "tested on."
        ),
    ] = None,
    allow_training_contigs: Annotated[
        bool,
        typer.Option(
            "--allow-training-contigs", help="Ask sites that the model was trained on, too."
        ),
    ] = False,
    questions: Annotated[int, typer.Option(min=2, help="How many.")] = 20,
    choices: Annotated[
        Choices, typer.Option(help="Answers to choose from: four, or all classes.")
    ] = Choices.FOUR,
    min_fragments: Annotated[
        int,
        typer.Option(min=0, help="Ask only sites with at least so many fragments in the picture."),
    ] = 20,
    lesson: Annotated[
        bool,
        typer.Option(
            "--lesson/--no-lesson",
            help="Show what each class looks like on the training chromosomes.",
        ),
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Another seed asks other sites.")] = 0,
    draws: Annotated[
        int, typer.Option(min=10, help="Bootstrap resamples of the model's score.")
    ] = 1000,
    tsv: Annotated[
        bool,
        typer.Option("--tsv", help="Write questions (.tsv) and scores (.json) beside the page."),
    ] = False,
    provider: Provider = ProviderName.AUTO,
    threads: Threads = None,
    min_mapq: MinMapq = 30,
    drop_duplicates: DropDuplicates = True,
    exclude_contig: ExcludeContig = None,
    tn5_shift: Tn5Shift = None,
    scratch: Scratch = None,
) -> None:
    """Make a quiz, AI vs. human: guess from V-plots of held-out sites; one page, opens offline."""
    from chromputer_tracks.cli.console import Reporter, command_line
    from chromputer_tracks.cli.requirements import DRAWING, require

    require("a quiz", DRAWING, extra="analysis")
    from chromputer_tracks.analysis.quiz.files import write_files
    from chromputer_tracks.analysis.quiz.run import QuizOptions, make_quiz
    from chromputer_tracks.io.atomic import check_parent

    if out.suffix != ".html" or out.is_dir():
        raise typer.BadParameter(f"{out} is no name of a page (.html)", param_hint="--out")
    check_parent(out)
    options = QuizOptions(
        model=model,
        sample=sample_files(
            fasta, fragments, assay, scratch, min_mapq, drop_duplicates, exclude_contig, tn5_shift
        ),
        states=states,
        state_table=state_table,
        binary=binary,
        peaks=peaks,
        blacklist=blacklist,
        chroms=tuple(chrom or ()),
        allow_training_contigs=allow_training_contigs,
        questions=questions,
        choices=None if choices is Choices.ALL else int(choices),
        min_fragments=min_fragments,
        lesson=lesson,
        draws=draws,
        seed=seed,
        provider=provider.value,
        threads=threads,
    )
    command = shlex.join(command_line())
    with Reporter() as reporter:
        made = make_quiz(options, reporter)
        files = write_files(made, options, out, command, tables=tsv)
    _summary(made, reporter.console)
    reporter.console.print(f"written: {', '.join(map(str, files))}; open {out} in a browser")


def _summary(made: Quiz, console: Console) -> None:
    from chromputer_tracks.analysis.report.blocks import PlainTable
    from chromputer_tracks.cli.console import terminal_table

    draw, score = made.draw, made.score
    recall = dict(zip(draw.offered, score.recall, strict=True))
    rows = []
    for code, label in enumerate(made.subject.classes):
        asked = sum(item.truth == code for item in made.questions)
        right = f"{recall[code]:.2f}" if code in recall else "–"
        counts = (f"{made.labelled[code]:,}", f"{made.eligible[code]:,}", f"{asked}", right)
        rows.append((label.name, label.title, *counts))
    header = ("class", "name", "sites", "with enough fragments", "asked", "model right")
    caption = f"Sites on {', '.join(made.contigs)}"
    console.print(terminal_table(PlainTable(caption, header, tuple(rows)), console.width))
    questions, accuracy = len(made.questions), score.accuracy
    console.print(
        f"model {made.model.name} answers {made.right('model')} of these {questions} questions "
        f"rightly, the most common answer {made.right('most_common')}; on all {score.sites:,} "
        f"sites that could have been asked, every class counting the same, the model is right at "
        f"{accuracy.value:.3f} [{accuracy.low:.3f}, {accuracy.high:.3f}], chance at "
        f"{1 / draw.choices:.3f}"
    )

"""``chromputer quiz``: a page that asks people what a model predicts, AI vs. human."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromputer_tracks.cli.console import DRAWING, require
from chromputer_tracks.cli.flags import command
from chromputer_tracks.options.explain import QuizOptions

if TYPE_CHECKING:
    from rich.console import Console

    from chromputer_tracks.analysis.quiz.answers import Quiz


def run_quiz(options: QuizOptions) -> None:
    """Make a quiz with messages and progress on stderr, then tell the model's score."""
    from chromputer_tracks.cli.console import Reporter

    require("a quiz", DRAWING, extra="analysis")
    from chromputer_tracks.analysis.quiz.run import make_quiz

    with Reporter() as reporter:
        quiz = make_quiz(options, reporter).quiz
    _summary(quiz, reporter.console)
    out = options.out
    files = [out, *(out.with_suffix(suffix) for suffix in (".tsv", ".json") if options.tsv)]
    reporter.console.print(f"written: {', '.join(map(str, files))}; open {out} in a browser")


quiz = command(
    QuizOptions,
    run_quiz,
    "quiz",
    "Make a quiz, AI vs. human: guess from V-plots of held-out sites; one page, opens offline.",
)


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

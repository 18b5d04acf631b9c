"""``chromputer evaluate``: score models on held-out contigs, beside what they must beat."""

from __future__ import annotations

from chromputer_tracks.cli.flags import command
from chromputer_tracks.options.train import EvaluateOptions


def run_evaluate(options: EvaluateOptions) -> None:
    """Score, then show the tables on stderr."""
    from chromputer_tracks.cli.console import TRAINING, Reporter, require, terminal_table

    require("evaluating", TRAINING)
    from chromputer_tracks.analysis.evaluate.files import REPORT, summary, tables
    from chromputer_tracks.analysis.evaluate.run import evaluate as score

    with Reporter() as reporter:
        result = score(options, reporter)
    console, out, found = reporter.console, options.out, result.evaluation
    for table in tables(found):
        console.print(terminal_table(table, console.width))
    console.print(summary(found, options))
    console.print(f"{len(result.record.outputs)} files in {out}; look at {out / REPORT}")


evaluate = command(
    EvaluateOptions,
    run_evaluate,
    "evaluate",
    "Score models on held-out contigs, with intervals, paired tests and baselines.",
)

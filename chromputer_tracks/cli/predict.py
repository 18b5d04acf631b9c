"""``chromputer predict``: tracks of a genome from ATAC-seq fragments and a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromputer_tracks.cli.flags import command
from chromputer_tracks.options.predict import PredictOptions

if TYPE_CHECKING:
    from rich.console import Console

    from chromputer_tracks.tracks.predict import PredictResult


def run_predict(options: PredictOptions) -> None:
    """Predict with messages and progress on stderr, then show what is in the tracks."""
    from chromputer_tracks.cli.console import Reporter
    from chromputer_tracks.tracks.predict import predict_tracks

    with Reporter() as reporter:
        result = predict_tracks(options, reporter)
    _summary(options, result, reporter.console)


predict = command(
    PredictOptions,
    run_predict,
    "predict",
    "Predict tracks of a genome: chromatin states and binding probabilities for every base.",
)


def _summary(options: PredictOptions, result: PredictResult, console: Console) -> None:
    from chromputer_tracks.cli.console import summary_table, took

    if result.summary.states:
        table = summary_table(("state", "name"), ("bases", "share"))
        for state in result.summary.states:
            table.add_row(state.name, state.title, f"{state.bases:,}", f"{state.share:.1%}")
        console.print(table)
    if result.summary.calls:
        table = summary_table(("label", "name"), ("calls", "bases"))
        for call in result.summary.calls:
            table.add_row(call.name, call.title, f"{call.calls:,}", f"{call.bases:,}")
        console.print(table)
    record = result.record
    megabases = result.summary.bases / 1e6
    console.print(
        f"{len(record.outputs)} files with tracks of {megabases:.2f} Mb in {options.out} "
        f"({took(record, f'{megabases / record.seconds:.2f} Mb/s')}); how they were made is in "
        "run.json"
    )

"""``chromputer train``: train a model from a configuration and export it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chromputer_tracks.cli.flags import command
from chromputer_tracks.options.train import TrainOptions

if TYPE_CHECKING:
    from chromputer_tracks.evaluation.scores import Scores


def run_train(options: TrainOptions) -> None:
    """Train, then write the report; or measure the model that is there."""
    from chromputer_tracks.cli.console import TRAINING, Reporter, require

    require("training", TRAINING)
    if options.measure == "only":
        _measure(options)
        return
    from chromputer_tracks.analysis.report.page import write_training_report
    from chromputer_tracks.model import training
    from chromputer_tracks.model.checkpoints import run_folders

    out = options.out
    try:
        with Reporter() as reporter:
            trained = training.train_model(options, reporter)
    except (KeyboardInterrupt, SystemExit):
        if run_folders(out):
            reporter.note("\nThe same command with --resume goes on after the last whole epoch")
        raise
    if trained is None:  # not the first of several training processes
        return
    reporter.note(f"on the test contigs: {_headline(trained.scores)}")
    # Said before the report is made, which the model does not need.
    reporter.note(
        f"model written to {out}, its figures to {out / 'README.md'}; ONNX Runtime and PyTorch "
        f"agree within {trained.parity:.1g}"
    )
    text = options.config.read_text(encoding="utf-8")
    report = write_training_report(trained, trained.config, text)
    reporter.note(f"report written to {report}")


def _measure(options: TrainOptions) -> None:
    from chromputer_tracks.analysis.evaluate.measure import measure_model
    from chromputer_tracks.cli.console import Reporter

    with Reporter() as reporter:
        measured = measure_model(options, reporter)
    if measured.spec.fitness is None:
        reporter.note(f"{measured.spec.name} reads no fragments: there is nothing to measure")
    else:
        card = measured.folder / "README.md"
        reporter.note(f"the accuracy by depth is in {measured.folder}, its table in {card}")


train = command(
    TrainOptions,
    run_train,
    "train",
    "Train a model and export it as a model folder, with its model card.",
)


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

"""``chromputer check``: how a sample looks, and whether it is fit for a model."""

from __future__ import annotations

from chromputer_tracks.cli.flags import command
from chromputer_tracks.options.predict import CheckOptions


def run_check(options: CheckOptions) -> None:
    """Measure and judge, with the verdict on stderr."""
    from chromputer_tracks.analysis.check.run import DATA, PAGE, check_sample
    from chromputer_tracks.cli.console import Reporter

    with Reporter() as reporter:
        result = check_sample(options, reporter)
    files = [options.out / name for name in (PAGE, DATA) if name in result.record.outputs]
    reporter.console.print(f"written: {', '.join(map(str, files))}")


check = command(
    CheckOptions,
    run_check,
    "check",
    "Look at a sample before anything is predicted: lengths, depth, bias, and what to expect.",
)

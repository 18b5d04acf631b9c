"""``chromputer demo``: predict tracks of the yeast genome from the real data that ship."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_PACKAGE = Path(__file__).resolve().parents[1]


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the tracks.")] = Path(
        "demo-output"
    ),
) -> None:
    """Predict chromatin states and TF binding of the yeast genome from real ATAC-seq that ships."""
    import shlex
    import shutil
    import sys

    from chromputer_tracks.cli.console import stderr_console
    from chromputer_tracks.cli.predict import run_predict
    from chromputer_tracks.options.fields import SampleFiles
    from chromputer_tracks.options.predict import PredictOptions

    example = example_folder()
    run_predict(
        PredictOptions(
            model="yeast-atac",
            sample=SampleFiles(example / "sacCer3.fa.gz", example / "atac.fragments.tsv.gz"),
            out=out,
            command=("chromputer", "demo", "--out", str(out)),
        )
    )
    # `make demo` runs the command of an environment that is not on PATH.
    program = "chromputer" if shutil.which("chromputer") else sys.argv[0]
    stderr_console().print(f"look at them: {shlex.join((program, 'view', str(out)))}")


def example_folder() -> Path:
    """The yeast example: inside an installed package, or beside it in a checkout.

    Raises:
        InputError: it is in neither place.
    """
    from chromputer_tracks.errors import InputError

    places = (_PACKAGE / "_examples" / "yeast", _PACKAGE.parent / "examples" / "yeast")
    for place in places:
        if (place / "sacCer3.fa.gz").is_file():
            return place
    raise InputError("the example data are not in this installation; install the package again")

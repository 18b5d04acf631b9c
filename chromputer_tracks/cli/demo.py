"""``chromputer demo``: tracks of yeast chromosomes that the shipped model has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_PACKAGE = Path(__file__).resolve().parents[1]
_MODEL = "yeast-atac"


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the tracks.")] = Path(
        "demo-output"
    ),
    whole_genome: Annotated[
        bool,
        typer.Option(
            "--whole-genome", help="All chromosomes, also those that the model was trained on."
        ),
    ] = False,
) -> None:
    """Predict states and TF binding of yeast's held-out chromosomes from ATAC-seq that ships."""
    import shlex
    import shutil
    import sys

    from chromputer_tracks.cli.console import stderr_console
    from chromputer_tracks.cli.predict import run_predict
    from chromputer_tracks.inference.session import load_model
    from chromputer_tracks.options.fields import SampleFiles
    from chromputer_tracks.options.predict import PredictOptions

    example = example_folder()
    held_out = load_model(_MODEL).spec.splits["test"]
    more = ("--whole-genome",) if whole_genome else ()
    run_predict(
        PredictOptions(
            model=_MODEL,
            sample=SampleFiles(example / "sacCer3.fa.gz", example / "atac.fragments.tsv.gz"),
            out=out,
            chroms=() if whole_genome else held_out,
            command=("chromputer", "demo", "--out", str(out), *more),
        )
    )
    console = stderr_console("info")
    names = " and ".join(held_out)
    if whole_genome:
        told = f"only {names} were kept out of its training and tuning"
    else:
        told = f"{names} were kept out of its training; --whole-genome predicts all"
    console.print(
        f"note: {_MODEL} was trained on this very sample: {told}. How well it does on the sample "
        "of another laboratory has not been measured"
    )
    # `make demo` runs the command of an environment that is not on PATH.
    program = "chromputer" if shutil.which("chromputer") else sys.argv[0]
    console.print(f"look at them: {shlex.join((program, 'view', str(out)))}")


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

"""``chromputer predict`` run on toy files, and what it wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyBigWig
from numpy.typing import NDArray
from tiny_models import tiny_spec, write_tiny_model
from toy_genome import ToyGenome
from typer.testing import CliRunner, Result

from chromputer_tracks.cli.main import app

LABELS = ("states/S0", "states/S1", "states/S2", "factors/TF1", "factors/TF2")
"""Tracks of the tiny model."""


def toy_inputs(folder: Path, toy: ToyGenome) -> dict[str, Path]:
    """The tiny model and a toy genome's files in a folder ``input``; ``out`` is not made."""
    where = folder / "input"
    where.mkdir()
    fasta, fragments = toy.write(where)
    model = write_tiny_model(where / "tiny", tiny_spec(sizes_digest=toy.sizes.digest()))
    return {"model": model, "fasta": fasta, "fragments": fragments, "out": folder / "out"}


def predict(inputs: dict[str, Path], *more: str) -> Result:
    args = ["predict", str(inputs["model"]), "--provider", "cpu"]
    for name in ("fasta", "fragments", "out"):
        if name in inputs:
            args += [f"--{name}", str(inputs[name])]
    return CliRunner().invoke(app, [*args, *more])


def fails(inputs: dict[str, Path], *more: str) -> str:
    """The message of a run that must fail cleanly."""
    out = inputs["out"]
    before = sorted(out.rglob("*")) if out.is_dir() else None
    result = predict(inputs, *more)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    after = sorted(out.rglob("*")) if out.is_dir() else None
    assert after == before
    message = result.stderr.strip().splitlines()[-1]
    assert message.startswith("error: ")
    return message


def tracks(
    out: Path, labels: tuple[str, ...] = LABELS
) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Contig to label to one value a base."""
    values: dict[str, dict[str, NDArray[np.float32]]] = {}
    for label in labels:
        with pyBigWig.open(str(out / f"{label}.bw")) as file:
            for chrom, size in file.chroms().items():
                values.setdefault(chrom, {})[label] = file.values(chrom, 0, size, numpy=True)
    return values

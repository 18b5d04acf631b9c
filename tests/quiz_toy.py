"""A toy genome with three states in random 200-bp bins, and a quiz of it from the command line."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tiny_models import tiny_spec, write_tiny_model
from toy_genome import ToyGenome, toy_genome
from typer.testing import CliRunner, Result

from chromputer_tracks.cli.main import app

SIZES = {"chr1": 60_000, "chr2": 30_100, "chr3": 50_150, "chr4": 30_000}
SPLITS = {"train": ("chr1",), "validation": ("chr2",), "test": ("chr3",)}
LABELLED = ("chr1", "chr2", "chr3")


@dataclass(frozen=True)
class Toy:
    folder: Path
    genome: ToyGenome
    states: dict[tuple[str, int], int]
    """Contig and start of a bin, to its state."""

    def quiz(self, *more: object, states: bool = True, out: str = "quiz.html") -> Result:
        args = ["quiz", self.folder / "tiny", "--fasta", self.folder / "toy.fa"]
        args += ["--fragments", self.folder / "toy.fragments.tsv.gz", "--provider", "cpu"]
        args += ["--out", self.folder / out, "--draws", "20"]
        args += ["--states", self.folder / "states.bed"] if states else []
        return CliRunner().invoke(app, [*map(str, args), *map(str, more)], env={"COLUMNS": "160"})

    def page(self, *more: object, states: bool = True, out: str = "quiz.html") -> str:
        result = self.quiz(*more, states=states, out=out)
        assert result.exit_code == 0, result.output
        assert result.stdout == ""
        return (self.folder / out).read_text()


def make_toy(folder: Path) -> Toy:
    genome = toy_genome(SIZES)
    genome.write(folder)
    rng = np.random.default_rng(3)
    places = [(c, at) for c in LABELLED for at in range(0, SIZES[c] - 200, 200)]
    codes = rng.choice(3, len(places), p=[0.7, 0.2, 0.1]).tolist()
    states = dict(zip(places, codes, strict=True))
    (folder / "states.bed").write_text(
        "".join(f"{c}\t{at}\t{at + 200}\tS{k}\n" for (c, at), k in states.items())
    )
    spec = tiny_spec(sizes_digest=genome.sizes.digest(), splits=SPLITS)
    write_tiny_model(folder / "tiny", spec)
    return Toy(folder, genome, states)


def payload(page: str) -> dict[str, Any]:
    """What the page's script reads, with the answers unsealed."""
    text = page.split('<script type="application/json" id="quiz-data">')[1].split("</script>")[0]
    data: dict[str, Any] = json.loads(text)
    for question in data["questions"]:
        question["answer"] = json.loads(base64.b64decode(question["sealed"]))
    return data


def pixels(picture: dict[str, Any], data: dict[str, Any]) -> NDArray[np.int64]:
    """Fragments of each pixel, (lengths, positions), as the page's script counts them."""
    shape = (len(data["edges"]) - 1, data["window"] // data["bin"])
    counts = np.zeros(shape[0] * shape[1], dtype=np.int64)
    at = 0
    for step in picture["steps"]:
        at += step
        counts[at] += 1
    return counts.reshape(shape)

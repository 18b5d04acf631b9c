"""A toy genome, labels and two tiny models to evaluate, and the command."""

import csv
import dataclasses

import numpy as np
import onnx
from tiny_models import tiny_graph, tiny_spec, write_tiny_model
from toy_genome import toy_genome
from typer.testing import CliRunner

from chromputer_tracks.cli.main import app

SIZES = {"chr1": 60_000, "chr2": 30_100, "chr3": 50_150, "chr4": 30_000}


SPLITS = {"train": ("chr1",), "validation": ("chr2",), "test": ("chr3",)}


LABELLED = ("chr1", "chr2", "chr3")


CONFIG = """\
name = "toy"
assembly = "toy"
[data]
fasta = "toy.fa"
fragments = "toy.fragments.tsv.gz"
tss = "genes.bed"
[splits]
train = ["chr1"]
validation = ["chr2"]
test = ["chr3"]
[states]
bed = "states.bed"
table = "states.tsv"
[[binary]]
name = "TF2"
title = "factor 2"
peaks = "TF2.bed"
motif = "MA0363.3"
[[binary]]
name = "TF9"
peaks = "TF9.bed"
[[binary]]
name = "TF1"
peaks = "TF1.bed"
"""


def bed(path, rows):
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))


def run(*arguments):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)], env={"COLUMNS": "160"})


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def make_toy(folder):
    """Fill a folder with genome, fragments, labels, configuration and two models."""
    genome = toy_genome(SIZES)
    genome.write(folder)
    rng = np.random.default_rng(3)
    places = [(c, at) for c in LABELLED for at in range(0, SIZES[c] - 200, 200)]
    states = rng.integers(0, 3, len(places))
    for name, share in (("states", 0.0), ("states_again", 0.3)):
        again = np.where(rng.random(len(places)) < share, rng.integers(0, 3, len(places)), states)
        bed(
            folder / f"{name}.bed",
            [(c, at, at + 200, f"S{k}") for (c, at), k in zip(places, again, strict=True)],
        )
    (folder / "states.tsv").write_text(
        "state\tname\tcolor\n" + "".join(f"S{k}\tstate {k}\t{k},0,0\n" for k in range(3))
    )
    for name, share in (("TF1", 0.2), ("TF2", 0.1), ("TF9", 0.1), ("TF1_again", 0.2)):
        chosen = [place for place in places if rng.random() < share]
        bed(folder / f"{name}.bed", [(c, at + 60, at + 61, name, 0, "+") for c, at in chosen])
    genes = [(c, at, at + 400, f"g{at}", "class", "+-"[at // 1000 % 2]) for c, at in places[::13]]
    bed(folder / "genes.bed", genes)
    (folder / "toy.toml").write_text(CONFIG)
    spec = tiny_spec(sizes_digest=genome.sizes.digest(), splits=SPLITS)
    write_tiny_model(folder / "tiny", spec)
    other = dataclasses.replace(spec, name="other")
    write_tiny_model(folder / "second", other)
    # The second model's weights of the sequence are turned around.
    graph = tiny_graph(other)
    (turned,) = (item for item in graph.graph.initializer if item.name == "w_dna")
    values = onnx.numpy_helper.to_array(turned)[:, ::-1].copy()
    turned.CopyFrom(onnx.numpy_helper.from_array(values, "w_dna"))
    onnx.save(graph, folder / "second" / "predict.onnx")
    return folder

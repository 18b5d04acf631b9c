"""A training configuration for a simulated genome, in TOML."""

from __future__ import annotations

import json
from collections.abc import Iterable

from chromputer_tracks.errors import InputError
from chromputer_tracks.simulation.genome import Plan
from chromputer_tracks.simulation.motifs import motifs_of

GENOME, TSS, TABLE = "genome.fa.gz", "tss.bed", "states.tsv"

_LEAST_CONTIGS = 3


def fragments_name(cell: str) -> str:
    """File of a cell type's fragments."""
    return f"{cell}.fragments.tsv.gz"


def states_name(cell: str) -> str:
    """File of its states."""
    return f"{cell}.states.bed"


def peaks_name(cell: str, motif: str) -> str:
    """File of a factor's peaks in it."""
    return f"{cell}.peaks/{motif}.bed"


def splits(contigs: Iterable[str]) -> dict[str, list[str]]:
    """Contigs by use: the last quarter tests, the eighth before it validates.

    Raises:
        InputError: there are fewer than three.
    """
    names = list(contigs)
    if len(names) < _LEAST_CONTIGS:
        raise InputError(
            f"{len(names)} contigs cannot be split into training, validation and test: "
            f"give at least {_LEAST_CONTIGS}"
        )
    test = max(1, len(names) // 4)
    held = test + max(1, len(names) // 8)
    return {"train": names[:-held], "validation": names[-held:-test], "test": names[-test:]}


def config_text(plan: Plan) -> str:
    """The configuration: one sample a cell type, a small network that trains in minutes."""
    binary = motifs_of(plan)
    lines = [
        "# Made by chromputer simulate. Train with",
        "#   chromputer train config.toml --out MODEL",
        'name = "simulated"',
        'assembly = "simulated"',
        f"seed = {plan.seed}",
        "",
        "[data]",
        f"fasta = {_text(GENOME)}",
        f"tss = {_text(TSS)}",
        "",
        "[splits]",
        *(f"{use} = {_text(names)}" for use, names in splits(plan.sizes).items()),
        "",
        "[states]",
        f"table = {_text(TABLE)}",
        "",
        *_NETWORK,
    ]
    for cell in plan.cells:
        lines += [
            "",
            "[[samples]]",
            f"name = {_text(cell.name)}",
            f"assays = {{ atac = {_text(fragments_name(cell.name))} }}",
            f"states = {_text(states_name(cell.name))}",
            "",
            "[samples.peaks]",
            *(f"{item.name} = [{_text(peaks_name(cell.name, item.name))}]" for item in binary),
        ]
    for item in binary:
        lines += ["", "[[binary]]", f"name = {_text(item.name)}", f"color = {list(item.color)}"]
    return "\n".join(lines) + "\n"


_NETWORK = (
    "[network]",
    "motif_filters = 32",
    "sequence_channels = 32",
    "vplot_channels = [16, 32]",
    "context_channels = 48",
    "hidden = 64",
    "dilations = [1, 2, 4]",
    "pixel_dropout = 0.0",
    "base_dropout = 0.15",
    "",
    "[fit]",
    "epochs = 12",
    "batch = 16",
    "weight_decay = 0.05",
    'precision = "32-true"',
    "threads = 1",
)


def _text(value: object) -> str:
    """A string or a list of strings: JSON's form of them is TOML's, too."""
    return json.dumps(value)

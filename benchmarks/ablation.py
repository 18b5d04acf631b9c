"""What each input of the yeast model is worth: the table in docs/ablation.md.

    python benchmarks/ablation.py DATA OUT

DATA holds the files that models/yeast-atac.toml names, and ``dna_shape_pentamers.tsv``. The runs,
in OUT, take about half an hour a seed on one core; those that are there are not repeated.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from chromputer_tracks.analysis.ablate.run import write_ablation
from chromputer_tracks.analysis.ablate.study import ablation
from chromputer_tracks.cli.console import Reporter
from chromputer_tracks.model.config import SignalConfig
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.training import training_versions
from chromputer_tracks.options.train import AblateOptions

CONFIG = Path(__file__).parent.parent / "models" / "yeast-atac.toml"
SUBSETS = ("cuts", "vplot", "sequence", "vplot+sequence", "vplot+sequence+shape")
EPOCHS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    options = parser.parse_args()
    config = load_config(CONFIG, options.data)
    inputs = replace(
        config.inputs,
        shape=("MGW", "ProT", "Roll", "HelT"),
        shape_table=options.data / "dna_shape_pentamers.tsv",
        signals=(SignalConfig("cuts", "atac", "cuts"),),
    )
    config = replace(config, inputs=inputs, fit=replace(config.fit, epochs=EPOCHS))
    command = ("python", *sys.argv)
    wanted = AblateOptions(
        config=CONFIG,
        out=options.out,
        subsets=SUBSETS,
        seeds=tuple(options.seeds),
        command=command,
    )
    found = ablation(config, wanted, Reporter())
    if found is not None:
        record = {**training_versions(), "seeds": options.seeds, "command": shlex.join(command)}
        for path in write_ablation(
            found, options.out, "What each input is worth", CONFIG.read_text(), record
        ):
            print(path)


if __name__ == "__main__":
    main()

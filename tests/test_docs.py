"""The documentation names what there is."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import get_args, get_type_hints

from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.config_file import load_config

DOCS = Path(__file__).parent.parent / "docs"


def documented() -> dict[str, set[str]]:
    """Table to the keys that the reference in docs/training.md names."""
    found: dict[str, set[str]] = {}
    for line in (DOCS / "training.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 3 and re.fullmatch(r"(`[\w.]+`)?", cells[0]) and "`" in cells[1]:
            keys = re.findall(r"`(\w+)`", cells[1])
            found.setdefault(cells[0].strip("`"), set()).update(keys)
    return found


def config_keys(kind: type, table: str = "") -> dict[str, set[str]]:
    """Table to its keys, as the dataclasses have them."""
    found: dict[str, set[str]] = {table: set()}
    for name, hint in get_type_hints(kind).items():
        inner = next((t for t in (hint, *get_args(hint)) if dataclasses.is_dataclass(t)), None)
        if inner is None or table:
            found[table].add(name)
        if inner is not None:
            found |= config_keys(inner, f"{table}.{name}" if table else name)
    return found


def test_the_reference_has_every_key_and_no_other():
    assert documented() == config_keys(TrainConfig)


def load_example(folder: Path, text: str) -> TrainConfig:
    """The configuration, with empty files of all names in it."""
    for name in re.findall(r'"([\w.]+\.(?:fa\.gz|bam|bed|bw|gz|narrowPeak|tsv))"', text):
        (folder / name).touch()
    path = folder / "config.toml"
    path.write_text(text)
    return load_config(path)


def test_the_examples_of_training_are_right(tmp_path):
    text = (DOCS / "training.md").read_text()
    one, several, inputs, sites = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    single = load_example(tmp_path, one)
    assert [item.name for item in single.binary] == ["Reb1"]
    assert [sample.name for sample in load_example(tmp_path, several).samples] == [
        "GM12878",
        "K562",
    ]
    # The others go into the first.
    assays, inputs = re.findall(r"(?s)^\[data\]\n(.*?)\n(\[inputs\].*)", inputs)[0]
    merged = re.sub('fragments = "atac.bam".*', assays, one) + inputs + sites
    config = load_example(tmp_path, merged)
    assert config.inputs.assays == ("atac", "mnase")
    assert [item.kind for item in config.inputs.specs()] == ["sequence", "vplot", "vplot", "signal"]
    assert config.sites.matched is not None
    assert config.sites.matched.per_positive == 2

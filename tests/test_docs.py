"""The documentation names what there is."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import get_args, get_type_hints

from chromputer_tracks.model.config import TrainConfig

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

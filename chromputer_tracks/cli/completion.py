"""What a shell offers when a value is being typed: models, labels, contigs; quickly and silently.

Typer makes the shells' scripts (``chromputer --install-completion``) and calls these functions in a
process of its own for each press of the key. They read small files alone (``model.json``, ``.fai``)
and offer nothing where one cannot be read: a message would stand in the middle of what is typed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import typer

from chromputer_tracks.options.fields import Completion

_PACKAGE = Path(__file__).resolve().parents[1]
_MOST = 10_000
"""Contigs that are read of a ``.fai``; a genome may have a million scaffolds."""


def completer(what: Completion) -> Callable[[typer.Context, str], list[str]]:
    """The function that Typer asks for values of an option."""
    offer = {"model": _models, "label": _labels, "contig": _contigs}[what]

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        # Whatever is wrong with a file that was named before is not told here.
        try:
            return [name for name in offer(_given(ctx)) if name.startswith(incomplete)]
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return []

    return complete


def _given(ctx: typer.Context) -> dict[str, Any]:
    """What stands on the line, by parameter.

    Behind an option whose value is still being typed, Typer leaves the words without one unread.
    """
    given = dict(ctx.params)
    for name in ("model", "explained"):
        if name in given and given[name] is None and ctx.args:
            given[name] = ctx.args[0]
    return given


def _shipped() -> dict[str, Path]:
    from chromputer_tracks.spec import shipped_folders

    return shipped_folders(_PACKAGE)


def _models(given: Mapping[str, Any]) -> Iterable[str]:
    """Names of shipped models; the shell itself offers files where none of them begins so."""
    return _shipped()


def _labels(given: Mapping[str, Any]) -> Iterable[str]:
    """Labels of what was explained (motifs), of the model that was named, or of shipped ones."""
    if explained := given.get("explained"):
        return sorted(item.parent.name for item in Path(explained).glob("*/sites.tsv"))
    shipped = _shipped()
    name = given.get("model")
    folders = list(shipped.values()) if name is None else [shipped.get(str(name), Path(str(name)))]
    names: dict[str, None] = {}
    for folder in folders:
        path = folder if folder.is_dir() else folder.parent
        spec = json.loads((path / "model.json").read_text(encoding="utf-8"))
        names |= {label["name"]: None for head in spec["heads"] for label in head["labels"]}
    return names


def _contigs(given: Mapping[str, Any]) -> Iterable[str]:
    """Contigs of the FASTA that was named, of its index."""
    fasta = Path(given.get("sample_fasta") or given["fasta"])
    index = fasta.with_name(fasta.name + ".fai")
    names = []
    with index.open(encoding="utf-8") as lines:
        for _, line in zip(range(_MOST), lines, strict=False):
            names.append(line.partition("\t")[0])
    return names

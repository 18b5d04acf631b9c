"""An ablation as a table for people, TSV, JSON and an HTML report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from chromputer_tracks.analysis.ablate import Ablation, AblationRow, figures
from chromputer_tracks.analysis.report import write_report
from chromputer_tracks.analysis.report_data import ModelReport, PairedTest, PlainTable, ReportData
from chromputer_tracks.evaluation.scores import Scores
from chromputer_tracks.evaluation.scores_json import to_json
from chromputer_tracks.io.atomic import atomic_path

NONE = "–"
"""A cell without a value."""

_COLUMNS = 8
"""Labels in one table of the terminal."""


def terminal_tables(found: Ablation) -> Iterator[PlainTable]:
    """Narrow tables: the headlines, then the labels' AUPRC alone."""
    caption = "means over the seeds, 95 % intervals of one run"
    rows = tuple((row.name, *_headlines(row.scores)) for row in found.rows)
    yield PlainTable(caption, ("inputs", "accuracy", "macro-F1", "mean AUPRC"), rows)
    names = [item.name for row in found.rows for item in row.scores.binary]
    columns = list(dict.fromkeys(names))
    for first in range(0, len(columns), _COLUMNS):
        shown = columns[first : first + _COLUMNS]
        lines = []
        for row in found.rows:
            values = {item.name: f"{item.auprc.value:.3f}" for item in row.scores.binary}
            lines.append((row.name, *(values.get(name, NONE) for name in shown)))
        yield PlainTable("AUPRC", ("inputs", *shown), tuple(lines))


def _headlines(scores: Scores) -> list[str]:
    states = scores.states
    pair = (states.accuracy, states.macro_f1) if states is not None else ()
    cells = [f"{item.value:.3f} [{item.low:.3f}, {item.high:.3f}]" for item in pair] or [NONE] * 2
    values = [item.auprc.value for item in scores.binary]
    return [*cells, f"{np.mean(values):.3f}" if values else NONE]


def table(found: Ablation) -> tuple[list[str], list[list[str]]]:
    """Columns and rows: a line for each baseline, subset and ceiling.

    Cells are the mean over the seeds with the 95 % interval of one run, and, for networks, the
    lowest and highest of the seeds.
    """
    columns = list(dict.fromkeys(name for row in found.rows for name, *_ in figures(row.scores)))
    lines = []
    for row in found.rows:
        cells = {
            name: f"{v:.3f} [{low:.3f}, {high:.3f}]" for name, v, low, high in figures(row.scores)
        }
        if len(row.runs) > 1:
            for name, (least, most) in _spread(row).items():
                cells[name] += f" ({least:.3f}-{most:.3f})"
        lines.append([row.name, *(cells.get(name, NONE) for name in columns)])
    return ["inputs", *columns], lines


def write_ablation(
    found: Ablation, out: Path, title: str, config: str, provenance: dict[str, Any]
) -> list[Path]:
    """Write ``ablation.tsv``, ``ablation.md``, ``ablation.json`` and ``ablation.html``.

    Args:
        found: what was found.
        out: the folder.
        title: of the page.
        config: the configuration's text.
        provenance: versions, seeds, command.
    """
    paths = [out / f"ablation.{kind}" for kind in ("tsv", "md", "json", "html")]
    header, rows = table(found)
    with atomic_path(paths[0]) as path:
        path.write_text("".join("\t".join(map(str, line)) + "\n" for line in _long(found)))
    with atomic_path(paths[1]) as path:
        lines = [header, ["---"] * len(header), *rows]
        path.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines))
    record = {
        "rows": {
            row.name: {"role": row.role, "runs": [to_json(run) for run in row.runs]}
            for row in found.rows
        },
        "gains": {
            f"{found.full} over {name}": [to_json(item) for item in gains]
            for name, gains in found.paired
        },
        "provenance": provenance,
    }
    with atomic_path(paths[2]) as path:
        path.write_text(json.dumps(record, indent=1) + "\n")
    write_report(paths[3], _report(found, title, config, provenance))
    return paths


def _long(found: Ablation) -> Iterator[list[str | float]]:
    """A line for each row, seed and figure."""
    yield ["inputs", "role", "run", "figure", "value", "low", "high"]
    for row in found.rows:
        for run, scores in enumerate(row.runs, 1):
            for name, value, low, high in figures(scores):
                yield [row.name, row.role, run, name, *(f"{v:.4g}" for v in (value, low, high))]


def _spread(row: AblationRow) -> dict[str, tuple[float, float]]:
    values: dict[str, list[float]] = {}
    for run in row.runs:
        for name, value, _, _ in figures(run):
            values.setdefault(name, []).append(value)
    return {name: (min(found), max(found)) for name, found in values.items()}


def _report(found: Ablation, title: str, config: str, provenance: dict[str, Any]) -> ReportData:
    networks = [row for row in found.rows if row.role == "network"]
    ceiling = next((row for row in found.rows if row.role == "ceiling"), None)
    # The full model is the one that the page is about.
    networks.sort(key=lambda row: row.name != found.full)
    return ReportData(
        title=title,
        kind="ablation",
        subtitle="What each input is worth",
        models=tuple(
            ModelReport(row.name, row.scores, sites=found.sites if row.name == found.full else None)
            for row in networks
        ),
        baselines=tuple((row.name, row.scores) for row in found.rows if row.role == "baseline"),
        ceiling=None if ceiling is None else (ceiling.name, ceiling.scores),
        paired=tuple(PairedTest(found.full, name, gains) for name, gains in found.paired),
        config=config,
        provenance=provenance,
        notes="\n\n".join(
            [
                "Every figure of a network is the mean over its seeds, its interval the mean of "
                "the seeds' intervals. Paired tests average the seeds within each resample.",
                *found.notes,
            ]
        ),
    )

"""An ablation as a table for people, TSV, JSON and an HTML report."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chromputer_tracks.analysis.ablate.study import (
    KIND,
    RUNS,
    Ablation,
    AblationRow,
    Role,
    ablation,
)
from chromputer_tracks.analysis.evaluate.files import NONE, paired_table, short, with_interval
from chromputer_tracks.analysis.pages import write_texts
from chromputer_tracks.analysis.report.blocks import PlainTable, ReportData, ScoredModel
from chromputer_tracks.analysis.report.page import write_report
from chromputer_tracks.errors import counted
from chromputer_tracks.evaluation.metrics import Estimate
from chromputer_tracks.evaluation.scores import Scores, to_json
from chromputer_tracks.io.record import Report, RunRecord, Silent
from chromputer_tracks.io.run import run
from chromputer_tracks.io.text import write_tsv
from chromputer_tracks.model.config_file import load_config
from chromputer_tracks.model.processes import process_rank
from chromputer_tracks.model.training import training_versions
from chromputer_tracks.options.train import AblateOptions

_COLUMNS = 6
"""Labels in one table of the terminal, which is 80 columns wide."""

_HEADLINES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "mean_auprc": "mean AUPRC"}
_BY_LABEL = {"auprc": "AUPRC", "f1": "F1", "pearson": "Pearson correlation (log1p)"}


def _known(scores: Scores, role: Role) -> dict[tuple[str, str], Estimate]:
    """All figures that a row has; see ``Scores.figures``.

    Peaks of a replicate are calls without a ranking, so that a ceiling has no AUPRC.
    """
    found = scores.figures()
    return {key: found[key] for key in found if role != "ceiling" or key[0] != "auprc"}


def terminal_tables(found: Ablation) -> Iterator[PlainTable]:
    """Narrow tables: the headlines, the labels alone, and the gains of the full model."""
    rows = [(row, _headlines(found, row)) for row in found.rows]
    shown = [key for key in _HEADLINES if any(key in cells for _, cells in rows)]
    if shown:
        yield PlainTable(
            "means over the seeds, 95 % intervals of one run",
            ("inputs", *(_HEADLINES[key] for key in shown)),
            tuple((row.name, *(cells.get(key, NONE) for key in shown)) for row, cells in rows),
        )
    for figure in _figures_by_label(found):
        header, lines = table(found, (figure,), whole=False)
        for first in range(1, len(header), _COLUMNS):
            columns = slice(first, first + _COLUMNS)
            yield PlainTable(
                _BY_LABEL[figure],
                (header[0], *header[columns]),
                tuple((line[0], *line[columns]) for line in lines),
            )
    yield from paired_table(found.paired, _HEADLINES)


def _headlines(found: Ablation, row: AblationRow) -> dict[str, str]:
    """Cells by figure; the mean AUPRC where all labels of the full model have one."""
    values = _known(row.scores, row.role)
    cells = {key: with_interval(values[key, ""]) for key in _HEADLINES if (key, "") in values}
    (full,) = (other for other in found.rows if other.name == found.full)
    ranked = [values.get(("auprc", item.name)) for item in full.scores.binary]
    means = [value.value for value in ranked if value is not None]
    if means and len(means) == len(ranked):
        cells["mean_auprc"] = f"{np.mean(means):.3f}"
    return cells


def _figures_by_label(found: Ablation) -> list[str]:
    """Those that rows have; F1 only beside a ceiling, which has nothing else of the labels."""
    there = {key for row in found.rows for key, _ in _known(row.scores, row.role)}
    ceiling = any(row.role == "ceiling" and row.scores.binary for row in found.rows)
    return [key for key in _BY_LABEL if key in there and (key != "f1" or ceiling)]


def table(
    found: Ablation, shown: Sequence[str], *, whole: bool = True
) -> tuple[list[str], list[list[str]]]:
    """Columns and rows: a line for each baseline, subset and ceiling that has any of the figures.

    Args:
        found: what was found.
        shown: figures, as ``Scores.figures`` names them.
        whole: cells are the mean over the seeds with the 95 % interval of one run and, for several
            seeds, the lowest and highest of them; else the mean alone.
    """
    columns: dict[tuple[str, str], str] = {}
    lines: list[tuple[str, dict[tuple[str, str], str]]] = []
    for row in found.rows:
        cells = {}
        for (figure, label), value in _known(row.scores, row.role).items():
            if figure in shown:
                columns[figure, label] = label or _HEADLINES[figure]
                cells[figure, label] = with_interval(value) if whole else short(value.value)
        if whole and len(row.runs) > 1:
            for key, (least, most) in _spread(row).items():
                if key in cells:
                    cells[key] += f" ({least:.3f}-{most:.3f})"
        if cells:
            lines.append((row.name, cells))
    return (
        ["inputs", *columns.values()],
        [[name, *(cells.get(key, NONE) for key in columns)] for name, cells in lines],
    )


@dataclass(frozen=True, slots=True)
class AblateRecord:
    """What ``run.json`` says of an ablation beside what every record does.

    Attributes:
        subsets: inputs of the networks.
        seeds: seeds of the runs of each.
        notes: what the reader must know.
    """

    subsets: tuple[str, ...]
    seeds: tuple[int, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AblateResult:
    """What was found, the files, and the record of the run."""

    ablation: Ablation
    files: tuple[Path, ...]
    record: RunRecord


def ablate(options: AblateOptions, report: Report | None = None) -> AblateResult | None:
    """Train subsets of a configuration's inputs, compare them, and write tables and a report.

    Finished runs in ``options.out`` are read, not repeated, and one that was stopped goes on.

    Returns:
        None in all training processes but the first.

    Raises:
        ChromputerError: an input cannot be used, a run in ``options.out`` is of other settings, or
            a file cannot be written.
    """
    report = report or Silent()
    config = load_config(options.config, options.data)
    if options.epochs is not None:
        config = replace(config, fit=replace(config.fit, epochs=options.epochs))
    if process_rank(config.fit) != 0:
        ablation(config, options, report)
        return None
    with run(KIND, options, report, keep=(RUNS,)) as work:
        with work.stages.phase("training and scoring"):
            found = ablation(config, options, report)
        assert found is not None  # noqa: S101  the first process
        work.read({"configuration": options.config, **found.inputs})
        provenance = {
            **training_versions(),
            "seeds": list(found.seeds),
            "command": shlex.join(options.command),
        }
        text = options.config.read_text(encoding="utf-8")
        paths = write_ablation(found, work.folder, config.name, text, provenance)
        networks = tuple(row.name for row in found.rows if row.role == "network")
        work.describe(AblateRecord(networks, found.seeds, found.notes))
    return AblateResult(found, tuple(options.out / path.name for path in paths), work.record)


def write_ablation(
    found: Ablation, out: Path, title: str, config: str, provenance: dict[str, Any]
) -> list[Path]:
    """Write ``ablation.tsv``, ``ablation.md``, ``ablation.json`` and ``ablation.html``.

    Args:
        found: what was found.
        out: the folder.
        title: the page's.
        config: the configuration's text.
        provenance: versions, seeds, command.

    Raises:
        OutputError: a file cannot be written.
    """
    tsv, markdown, plain, page = (
        out / f"ablation.{kind}" for kind in ("tsv", "md", "json", "html")
    )
    provenance = {**provenance, "inputs": found.checksums}
    record = {
        "rows": {
            row.name: {
                "role": row.role,
                "mean": to_json(row.scores),
                "runs": [to_json(scores) for scores in row.runs],
            }
            for row in found.rows
        },
        "seeds": found.seeds,
        "gains": {
            f"{found.full} over {test.second}": [to_json(item) for item in test.differences]
            for test in found.paired
        },
        "notes": found.notes,
        "provenance": provenance,
    }
    header, *rows = _long(found)
    write_tsv(tsv, header, rows)
    texts = {"ablation.md": "\n".join(_markdown(found))}
    write_texts(out, texts | {"ablation.json": json.dumps(record, indent=1) + "\n"})
    write_report(page, _report(found, title, config, provenance))
    return [tsv, markdown, plain, page]


def _long(found: Ablation) -> Iterator[list[str]]:
    """A line for each row, run and figure; empty cells where there is no number."""
    yield ["inputs", "role", "seed", "figure", "label", "value", "low", "high"]
    for row in found.rows:
        seeds = found.seeds if row.role == "network" else [""]
        for seed, scores in zip(seeds, row.runs, strict=True):
            for (figure, label), value in _known(scores, row.role).items():
                numbers = (value.value, value.low, value.high)
                cells = ["" if math.isnan(number) else f"{number:.4g}" for number in numbers]
                yield [row.name, row.role, str(seed), figure, label, *cells]


def _markdown(found: Ablation) -> Iterator[str]:
    """States and AUPRC in one table, other figures of labels each in theirs, then the gains."""
    by_label = _figures_by_label(found)
    for caption, shown in (
        ("AUPRC of each label", ("accuracy", "macro_f1", "auprc")),
        *((_BY_LABEL[figure], (figure,)) for figure in by_label if figure != "auprc"),
    ):
        header, rows = table(found, shown)
        if len(header) > 1:
            yield from _lines(caption, header, rows)
    for gains in paired_table(found.paired, _HEADLINES):
        yield from _lines(gains.caption, gains.header, gains.rows)


def _lines(
    caption: str, header: Sequence[str], rows: Sequence[Sequence[str | float]]
) -> Iterator[str]:
    yield f"{caption}:\n"
    for line in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(map(str, line))} |"
    yield ""


def _spread(row: AblationRow) -> dict[tuple[str, str], tuple[float, float]]:
    """Lowest and highest of the runs by figure and label, where all have a number."""
    values: dict[tuple[str, str], list[float]] = {}
    for scores in row.runs:
        for key, value in _known(scores, row.role).items():
            values.setdefault(key, []).append(value.value)
    return {
        key: (min(found), max(found))
        for key, found in values.items()
        if not any(map(math.isnan, found))
    }


def _report(found: Ablation, title: str, config: str, provenance: dict[str, Any]) -> ReportData:
    networks = [row for row in found.rows if row.role == "network"]
    # The full model is the one that the page is about.
    networks.sort(key=lambda row: row.name != found.full)
    ceilings = [row for row in found.rows if row.role == "ceiling" and row.scores.states]
    seeds = counted(len(found.seeds), "seed")
    return ReportData(
        title=title,
        kind="ablation",
        subtitle=f"What each input is worth: means over {seeds}",
        models=tuple(
            ScoredModel(row.name, row.scores, found.spec, found.sites)
            if row.name == found.full
            else ScoredModel(row.name, row.scores)
            for row in networks
        ),
        baselines=tuple(
            ScoredModel(row.name, row.scores) for row in found.rows if row.role == "baseline"
        ),
        # Its peaks have no ranking, so that no AUPRC is shown of them.
        ceiling=next(
            (ScoredModel(row.name, replace(row.scores, binary=())) for row in ceilings), None
        ),
        paired=found.paired,
        config=config,
        provenance=provenance,
        notes="\n\n".join(
            [
                f"Every figure of a network is the mean over {seeds}, its interval the mean of "
                f"the seeds' intervals. Paired tests average the seeds within each resample. "
                f"Confusion matrices are rounded means; curves are those of the first seed.",
                *found.notes,
            ]
        ),
    )

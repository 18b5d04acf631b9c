"""The files of an evaluation: scores.json, sites, tables and the report."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chromputer_tracks.analysis.evaluate.run import EvaluateOptions, Evaluation
from chromputer_tracks.analysis.evaluate.tables import (
    Row,
    confusion_rows,
    continuous_rows,
    label_rows,
    paired_rows,
    state_rows,
    transfer,
)
from chromputer_tracks.analysis.report.data import ModelReport, PairedTest, ReportData
from chromputer_tracks.analysis.report.page import write_report
from chromputer_tracks.evaluation.scores_json import to_json
from chromputer_tracks.evaluation.sites import BLOCK, save_sites
from chromputer_tracks.inference.provenance import Checksums, versions
from chromputer_tracks.io.atomic import atomic_path, output_errors

REPORT = "report.html"


def write_evaluation(
    evaluation: Evaluation, options: EvaluateOptions, out: Path, command: str
) -> list[str]:
    """Write all files of an evaluation into a folder.

    Args:
        evaluation: what was found.
        options: how.
        out: the folder; its parent exists.
        command: for the provenance.

    Returns:
        names of the files, in the order of writing.

    Raises:
        OutputError: a file cannot be written.
    """
    with output_errors(out):
        out.mkdir(exist_ok=True)
    provenance = _provenance(evaluation, options, command)
    written = []
    with atomic_path(out / "scores.json") as path:
        path.write_text(json.dumps(_record(evaluation, provenance), indent=1) + "\n")
    written.append("scores.json")
    models = [item for item in evaluation.scored if item.role == "model"]
    for item in models:
        parts = [item.name] * (len(evaluation.entrants) > 1)
        parts += [item.sample] * (len(evaluation.samples) > 1)
        name = "-".join(["sites", *(re.sub(r"[^\w.-]+", "_", part) for part in parts)]) + ".npz"
        save_sites(out / name, item.sites, item.heads)
        written.append(name)
    for name, rows in (
        ("states.tsv", state_rows(evaluation)),
        ("labels.tsv", label_rows(evaluation)),
        ("continuous.tsv", continuous_rows(evaluation)),
        ("confusion.tsv", confusion_rows(evaluation)),
        ("paired.tsv", paired_rows(evaluation)),
    ):
        if _write_rows(out / name, rows):
            written.append(name)
    write_report(out / REPORT, _report(evaluation, options, provenance))
    return [*written, REPORT]


def _write_rows(path: Path, rows: Iterable[Row]) -> bool:
    """Write a table with a header, tab-separated; False, and no file, where there is no row."""
    lines = list(rows)
    if not lines:
        return False
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0], dialect="excel-tab", lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    return True


def _provenance(evaluation: Evaluation, options: EvaluateOptions, command: str) -> dict[str, Any]:
    with Checksums(_files(evaluation, options)) as checksums:
        files = checksums.result()
    return {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
        "contigs": list(evaluation.contigs),
        "resamples": options.draws,
        "block": BLOCK,
        "seed": options.seed,
        "providers": {item.name: item.session.provider for item in evaluation.entrants},
        "files": files,
    }


def _files(evaluation: Evaluation, options: EvaluateOptions) -> dict[str, Path]:
    """What was read, by what it is."""
    config = evaluation.config
    files = {f"model {item.name}": item.model.path for item in evaluation.entrants}
    files |= {"configuration": options.config, "fasta": config.data.fasta}
    several = len(evaluation.samples) > 1
    for sample in config.all_samples():
        if sample.name in evaluation.samples:
            own = {name: sample.assays[name] for name in config.inputs.assays}
            if sample.states is not None:
                own["states"] = sample.states
            for name, paths in sample.peaks.items():
                one = len(paths) == 1
                own |= {name if one else f"{name} {n}": path for n, path in enumerate(paths, 1)}
            own |= sample.signals
            files |= {f"{sample.name} {k}" if several else k: v for k, v in own.items()}
    if options.replicate_states is not None:
        files["replicate states"] = options.replicate_states
    files |= {f"replicate {name}": path for name, path in options.replicates.items()}
    tss = options.tss or config.data.tss
    if options.baselines and tss is not None:
        files["start sites"] = tss
    return files


def _record(evaluation: Evaluation, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """``scores.json``."""
    return {
        "provenance": provenance,
        "notes": list(evaluation.notes),
        "scored": [
            {
                "name": item.name,
                "role": item.role,
                "sample": item.sample,
                "scores": to_json(item.scores),
            }
            for item in evaluation.scored
        ],
        "paired": [to_json(item) for item in evaluation.compared],
    }


def _report(
    evaluation: Evaluation, options: EvaluateOptions, provenance: Mapping[str, Any]
) -> ReportData:
    """The page, about the first model on the first sample."""
    sample = evaluation.samples[0]
    specs = {item.name: item.model.spec for item in evaluation.entrants}
    ceilings = evaluation.on(sample, "ceiling")
    return ReportData(
        title=evaluation.entrants[0].name,
        kind="evaluation",
        subtitle=f"Scored on {', '.join(evaluation.contigs)}",
        summary=summary(evaluation, options),
        models=tuple(
            ModelReport(item.name, item.scores, specs[item.name], item.sites)
            for item in evaluation.on(sample, "model")
        ),
        baselines=tuple((item.name, item.scores) for item in evaluation.on(sample, "baseline")),
        ceiling=(ceilings[0].name, ceilings[0].scores) if ceilings else None,
        paired=tuple(
            PairedTest(item.first, item.second, item.differences)
            for item in evaluation.compared
            if item.sample == sample
        ),
        vplots=evaluation.vplots,
        transfer=transfer(evaluation),
        config=options.config.read_text(encoding="utf-8"),
        provenance=provenance,
        notes="\n\n".join(evaluation.notes),
    )


def summary(evaluation: Evaluation, options: EvaluateOptions) -> str:
    """What was scored, in a sentence or two."""
    first = evaluation.scored[0].sites
    others = [item.name for item in evaluation.on(evaluation.samples[0])][1:]
    beside = f" beside {', '.join(others)}" if others else ""
    of = f" of {len(evaluation.samples)} samples" if len(evaluation.samples) > 1 else ""
    return (
        f"{evaluation.scored[0].name}{beside} on {len(first):,} bins of "
        f"{evaluation.config.label_bin} bp on {', '.join(evaluation.contigs)}{of}. Brackets are "
        f"95 % intervals from {options.draws:,} resamples of the {int(first.blocks.max()) + 1:,} "
        f"blocks of {BLOCK // 1000} kb; ECE is the expected calibration error."
    )

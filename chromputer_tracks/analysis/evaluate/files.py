"""The files of an evaluation: scores.json, sites, tables and the report."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from chromputer_tracks.analysis.evaluate.run import EvaluateOptions, Evaluation, Scored
from chromputer_tracks.analysis.report.blocks import (
    PlainTable,
    ReportData,
    ScoredModel,
    Transfer,
)
from chromputer_tracks.analysis.report.page import write_report
from chromputer_tracks.evaluation.baselines import MAJORITY
from chromputer_tracks.evaluation.scores import BinaryScores, Estimate, to_json
from chromputer_tracks.evaluation.scoring import Difference, PairedTest
from chromputer_tracks.evaluation.sites import BLOCK, save_sites
from chromputer_tracks.inference.run import Checksums, versions
from chromputer_tracks.io.atomic import atomic_path, output_errors
from chromputer_tracks.spec import Label

# ---- An evaluation as tables: rows of numbers for files, and text for the terminal.

NONE = "–"
"""A cell without a value."""

Row = dict[str, str | int | float]
"""Column to value of one line of a file."""

_NAMES = {
    "accuracy": "accuracy of the states",
    "macro_f1": "macro-F1 of the states",
    "mean_auprc": "mean AUPRC of the labels",
}


def state_rows(evaluation: Evaluation) -> Iterator[Row]:
    """A line for each model, baseline and ceiling that has states, on each sample."""
    for item in evaluation.scored:
        if item.scores.states is not None:
            states = item.scores.states
            yield {
                **_who(item),
                "sites": states.sites,
                **_values("accuracy", states.accuracy),
                **_values("macro_f1", states.macro_f1),
                **_values("calibration_error", states.reliability.error),
            }


def label_rows(evaluation: Evaluation) -> Iterator[Row]:
    """A line for each label, each state against the rest among them."""
    for item in evaluation.scored:
        states = () if item.scores.states is None else item.scores.states.labels
        for kind, labels in (("state", states), ("binary", item.scores.binary)):
            for label in labels:
                row = {**_who(item), "kind": kind, "label": label.name, "sites": label.sites}
                row |= {"positives": label.positives}
                row |= _values("auprc", label.auprc) | _values("auroc", label.auroc)
                row |= _values("f1", label.f1)
                for level, recall in label.recall_at.items():
                    row |= _values(f"recall_at_{level}", recall)
                yield row | _values("calibration_error", label.reliability.error)


def continuous_rows(evaluation: Evaluation) -> Iterator[Row]:
    """A line for each continuous label."""
    for item in evaluation.scored:
        for label in item.scores.continuous:
            yield {
                **_who(item),
                "label": label.name,
                "sites": label.sites,
                **_values("pearson", label.pearson),
                **_values("spearman", label.spearman),
                **_values("explained", label.explained),
            }


def confusion_rows(evaluation: Evaluation) -> Iterator[Row]:
    """A line for each true and predicted state."""
    for item in evaluation.scored:
        if item.scores.states is not None:
            names = [label.name for label in item.heads[0].labels]
            for true, counts in zip(names, item.scores.states.confusion, strict=True):
                for predicted, sites in zip(names, counts, strict=True):
                    yield {**_who(item), "true": true, "predicted": predicted, "sites": sites}


def paired_rows(evaluation: Evaluation) -> Iterator[Row]:
    """A line for each figure of each paired test."""
    for test in evaluation.compared:
        for item in test.differences:
            yield {
                "sample": test.sample,
                "first": test.first,
                "second": test.second,
                "figure": item.figure,
                "label": item.label,
                **_values("difference", item.difference),
                "p": _digits(item.p),
            }


def _who(item: Scored) -> Row:
    return {"sample": item.sample, "name": item.name, "role": item.role}


def _values(name: str, value: Estimate) -> Row:
    return {
        name: _digits(value.value),
        f"{name}_low": _digits(value.low),
        f"{name}_high": _digits(value.high),
    }


def _digits(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4g}"


def transfer(evaluation: Evaluation) -> Transfer | None:
    """Models by samples: accuracy, or mean AUPRC without states; None with one sample."""
    if len(evaluation.samples) < 2:
        return None
    by_place = {(item.name, item.sample): item for item in evaluation.scored}
    names = [item.name for item in evaluation.on(evaluation.samples[0], "model", "baseline")]
    with_states = any(item.scores.states is not None for item in evaluation.scored)
    return Transfer(
        "accuracy" if with_states else "mean AUPRC",
        tuple(names),
        evaluation.samples,
        tuple(
            tuple(
                _transferred(by_place.get((name, sample)), states=with_states)
                for sample in evaluation.samples
            )
            for name in names
        ),
    )


def _transferred(item: Scored | None, *, states: bool) -> Estimate:
    nothing = Estimate(math.nan, math.nan, math.nan)
    if item is None:
        return nothing
    if states:
        return nothing if item.scores.states is None else item.scores.states.accuracy
    values = [label.auprc.value for label in item.scores.binary]
    return Estimate(sum(values) / len(values), math.nan, math.nan) if values else nothing


def tables(evaluation: Evaluation) -> Iterator[PlainTable]:
    """What the terminal shows; each label of the first model only where there is one sample."""
    several = len(evaluation.samples) > 1
    for sample in evaluation.samples:
        of = f", sample {sample}" if several else ""
        scored = evaluation.on(sample)
        yield from _states(scored, of)
        if not several:
            yield from _details(scored)
        yield from _by_label("AUPRC", [item for item in scored if item.role != "ceiling"], of)
        # A replicate's peaks are calls without a ranking.
        again = {
            label.name for item in scored if item.role == "ceiling" for label in item.scores.binary
        }
        if again:
            yield from _by_label("F1", scored, of, again)
        yield from _continuous(scored, of)
    matrix = transfer(evaluation)
    if matrix is not None:
        yield PlainTable(
            f"{matrix.what} of each model on each sample",
            ("", *matrix.samples),
            tuple(
                (name, *map(interval, row))
                for name, row in zip(matrix.models, matrix.values, strict=True)
            ),
        )
    for sample in evaluation.samples:
        tests = [test for test in evaluation.compared if test.sample == sample]
        yield from _paired(tests, f", sample {sample}" if several else "")


def _states(scored: list[Scored], of: str) -> Iterator[PlainTable]:
    with_states = [item for item in scored if item.scores.states is not None]
    if not with_states:
        return
    rows = []
    for item in with_states:
        states = item.scores.states
        if states is not None:
            # A replicate's states have no probability.
            error = NONE if item.role == "ceiling" else interval(states.reliability.error)
            rows.append((item.name, interval(states.accuracy), interval(states.macro_f1), error))
    yield PlainTable(f"chromatin states{of}", ("", "accuracy", "macro-F1", "ECE"), tuple(rows))


def _details(scored: list[Scored]) -> Iterator[PlainTable]:
    """Each state and each label of the first model."""
    first = scored[0]
    columns = ("AUPRC", "AUROC", "F1", "recall at precision\n0.5 / 0.9")
    if first.scores.states is not None:
        labels, known = first.heads[0].labels, first.scores.states.sites
        yield PlainTable(
            f"each state against the rest: {first.name}",
            ("", "state", "share", *columns),
            tuple(
                (
                    label.name,
                    _title(label.name, labels),
                    f"{label.positives / known:.1%}",
                    *_figures(label),
                )
                for label in first.scores.states.labels
            ),
        )
    if first.scores.binary:
        yield PlainTable(
            f"labels: {first.name}",
            ("", "positives", *columns, "ECE"),
            tuple(
                (
                    label.name,
                    f"{label.positives:,}",
                    *_figures(label),
                    _short(label.reliability.error.value),
                )
                for label in first.scores.binary
            ),
        )


def _by_label(
    figure: Literal["AUPRC", "F1"], scored: list[Scored], of: str, only: set[str] | None = None
) -> Iterator[PlainTable]:
    """One figure of each label, side by side; not of the majority class, which ranks nothing."""
    shown = [item for item in scored if item.scores.binary and item.name != MAJORITY]
    if len(shown) < 2:
        return
    by_name = [{label.name: label for label in item.scores.binary} for item in shown]
    labels = {
        label.name: label
        for found in reversed(by_name)
        for label in found.values()
        if only is None or label.name in only
    }
    rows = []
    for head in shown[0].heads:
        for label in head.labels if head.kind == "binary" else ():
            if label.name in labels:
                known = labels[label.name]
                values = [_value(figure, found.get(label.name)) for found in by_name]
                rows.append((label.name, _short(known.positives / known.sites), *values))
    yield PlainTable(
        f"{figure} of each label{of}",
        ("", "prevalence", *(item.name for item in shown)),
        tuple(rows),
    )


def _value(figure: Literal["AUPRC", "F1"], label: BinaryScores | None) -> str:
    if label is None:
        return NONE
    return _short((label.auprc if figure == "AUPRC" else label.f1).value)


def _continuous(scored: list[Scored], of: str) -> Iterator[PlainTable]:
    rows = tuple(
        (item.name, label.name, *map(interval, (label.pearson, label.spearman, label.explained)))
        for item in scored
        for label in item.scores.continuous
    )
    if rows:
        yield PlainTable(
            f"signals{of}", ("", "signal", "Pearson", "Spearman", "deviance explained"), rows
        )


def _paired(tests: list[PairedTest], of: str) -> Iterator[PlainTable]:
    rows = tuple(
        (test.second, _NAMES[item.figure], interval(item.difference, signed=True), _p(item))
        for test in tests
        for item in test.differences
        if item.figure in _NAMES
    )
    if rows:
        yield PlainTable(
            f"{tests[0].first} minus each other, paired on the same resamples{of}",
            ("other", "figure", "difference", "p"),
            rows,
        )


def _figures(label: BinaryScores) -> tuple[str, ...]:
    recalls = " / ".join(_short(item.value) for item in label.recall_at.values())
    return (interval(label.auprc), _short(label.auroc.value), _short(label.f1.value), recalls)


def interval(value: Estimate, *, signed: bool = False) -> str:
    """The figure, and its interval in brackets where there is one."""
    sign = "+" if signed else ""
    if math.isnan(value.value):
        return NONE
    if math.isnan(value.low):
        return f"{value.value:{sign}.3f}"
    return f"{value.value:{sign}.3f} [{value.low:{sign}.3f}, {value.high:{sign}.3f}]"


def _short(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:.3f}"


def _p(item: Difference) -> str:
    return f"{item.p:.2g}" if item.p >= 0.001 else "< 0.001"


def _title(name: str, labels: tuple[Label, ...]) -> str:
    return next((label.title for label in labels if label.name == name), name)


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
            ScoredModel(item.name, item.scores, specs[item.name], item.sites)
            for item in evaluation.on(sample, "model")
        ),
        baselines=tuple(
            ScoredModel(item.name, item.scores) for item in evaluation.on(sample, "baseline")
        ),
        ceiling=ScoredModel(ceilings[0].name, ceilings[0].scores) if ceilings else None,
        paired=tuple(item for item in evaluation.compared if item.sample == sample),
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

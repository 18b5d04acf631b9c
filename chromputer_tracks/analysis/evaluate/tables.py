"""An evaluation as tables: rows of numbers for files, and text for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from chromputer_tracks.analysis.evaluate.run import Compared, Evaluation, Scored
from chromputer_tracks.analysis.report.data import PlainTable, Transfer
from chromputer_tracks.evaluation.baseline_run import MAJORITY
from chromputer_tracks.evaluation.paired import Difference
from chromputer_tracks.evaluation.scores import BinaryScores, Estimate
from chromputer_tracks.spec import Label

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


def _paired(tests: list[Compared], of: str) -> Iterator[PlainTable]:
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

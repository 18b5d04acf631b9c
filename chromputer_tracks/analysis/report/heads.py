"""Sections of a report on what each head predicts: states, labels, signals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from chromputer_tracks.analysis.report.blocks import (
    MISSING,
    Block,
    Cell,
    Column,
    FigureBlock,
    HeadingBlock,
    Key,
    ModelReport,
    ReportData,
    TableBlock,
    estimate_cell,
    interval,
    label_cell,
    number,
    share,
    strip_cell,
)
from chromputer_tracks.analysis.report.summary import Competitor, auprc_of, competitors
from chromputer_tracks.evaluation.scores import BinaryScores, Curve
from chromputer_tracks.figures.charts import confusion_matrix, pr_curve, reliability_diagram
from chromputer_tracks.figures.style import RGB, SERIES
from chromputer_tracks.spec import Label

_OVERLAID = 3
"""Curves of models and baselines that are drawn beside the model's own."""

_PLAIN: RGB = (0, 114, 178)

_PR_CAPTION = (
    "Precision (how many of the calls are right) against recall (how many of the true sites are "
    "called) as the threshold falls; the larger the area, the better. Dotted: prevalence, where a "
    "random ranking would lie."
)
_RELIABILITY_CAPTION = (
    "Of the sites predicted with some probability, the share that is truly positive: on the "
    "diagonal, probabilities can be taken at their word. Larger dots hold more sites. ECE, the "
    "expected calibration error, is the mean distance to the diagonal."
)


def label_of(model: ModelReport, name: str) -> Label:
    """The label of the model's spec, or one with the name alone and a plain colour."""
    if model.spec:
        for head in model.spec.heads:
            for label in head.labels:
                if label.name == name:
                    return label
    return Label(name, name, _PLAIN)


def states(data: ReportData) -> tuple[Block, ...]:
    """Confusion matrix, table, PR and reliability of the main model's states."""
    if not data.models or data.models[0].scores.states is None:
        return ()
    model, scores = data.models[0], data.models[0].scores.states
    rows = [label_of(model, label.name) for label in scores.labels]
    named = _state_labels(model, len(scores.confusion))
    confusion = confusion_matrix(
        scores.confusion, [label.name for label in named], [label.color for label in named]
    )
    blocks: list[Block] = [
        FigureBlock(
            (confusion,),
            "Each row holds the sites of one true state and shows where the model put them: in "
            "per cent of the row, and in sites. On the diagonal it was right; off it are the "
            f"states that it takes for one another. Over all {scores.sites:,} sites: accuracy "
            f"{number(scores.accuracy.value)} {interval(scores.accuracy)}, macro-F1 "
            f"{number(scores.macro_f1.value)} {interval(scores.macro_f1)}.",
        ),
        _state_table(rows, scores.labels),
        HeadingBlock("Precision and recall of each state"),
        FigureBlock(
            tuple(
                pr_curve(label, row.color, title=f"{row.name}")
                for row, label in zip(rows, scores.labels, strict=True)
            ),
            _PR_CAPTION + " The area's colour is the state's.",
            "grid",
        ),
        HeadingBlock("Reliability of the states' probabilities"),
        FigureBlock(
            (
                reliability_diagram("Most likely", scores.reliability, _PLAIN),
                *(
                    reliability_diagram(row.name, label.reliability, row.color)
                    for row, label in zip(rows, scores.labels, strict=True)
                ),
            ),
            _RELIABILITY_CAPTION
            + " The first panel asks how often the most likely state is right when the model gives "
            "it some probability.",
            "grid",
        ),
    ]
    return tuple(blocks)


def _state_labels(model: ModelReport, count: int) -> list[Label]:
    if model.spec:
        for head in model.spec.heads:
            if head.kind == "states" and len(head.labels) == count:
                return list(head.labels)
    scored = model.scores.states.labels if model.scores.states else ()
    names = [label.name for label in scored]
    if len(names) != count:
        names = [str(index + 1) for index in range(count)]
    return [label_of(model, name) for name in names]


def _state_table(rows: Sequence[Label], scores: Sequence[BinaryScores]) -> TableBlock:
    return TableBlock(
        "Each state against all others. The strip shows AUPRC with its interval from 0 to 1; the "
        "tick is the prevalence, which a random ranking would reach.",
        (
            Column("state", numeric=False),
            Column("AUPRC", meaning="area under the precision-recall curve (average precision)"),
            Column("", numeric=False),
            Column("AUROC", meaning="area under the ROC curve"),
            Column("F1", meaning="of the most likely state"),
            Column("sites"),
            Column("prevalence", meaning="share of all sites"),
            Column("ECE", meaning="expected calibration error"),
        ),
        tuple(
            (
                label_cell(row.name, row.title, row.color),
                estimate_cell(label.auprc),
                strip_cell(label.auprc, (_prevalence(label),)),
                estimate_cell(label.auroc),
                estimate_cell(label.f1),
                Cell(f"{label.positives:,}"),
                Cell(share(_prevalence(label))),
                Cell(number(label.reliability.error.value)),
            )
            for row, label in zip(rows, scores, strict=True)
        ),
    )


def _prevalence(label: BinaryScores) -> float:
    return label.positives / label.sites if label.sites else float("nan")


def labels(data: ReportData) -> tuple[Block, ...]:
    """Table, PR and reliability of the main model's binary labels, with the others' AUPRC."""
    if not data.models or not data.models[0].scores.binary:
        return ()
    model, scored = data.models[0], data.models[0].scores.binary
    rivals = [rival for rival in competitors(data)[1:] if rival.scores.binary]
    rows = [label_of(model, label.name) for label in scored]
    overlaid = rivals[:_OVERLAID]
    key = tuple(Key(rival.name, SERIES[1 + index]) for index, rival in enumerate(overlaid)) + (
        Key("prevalence", "var(--muted)", "dotted"),
    )
    return (
        _label_table(rows, scored, rivals),
        HeadingBlock("Precision and recall of each label"),
        FigureBlock(
            tuple(
                pr_curve(label, row.color, tuple(_curves(overlaid, label.name)))
                for row, label in zip(rows, scored, strict=True)
            ),
            f"{_PR_CAPTION} The line over the filled area is {model.name}.",
            "grid",
            key=(Key(model.name, "var(--ink)"), *key),
        ),
        HeadingBlock("Reliability of the labels' probabilities"),
        FigureBlock(
            tuple(
                reliability_diagram(row.name, label.reliability, row.color)
                for row, label in zip(rows, scored, strict=True)
            ),
            _RELIABILITY_CAPTION,
            "grid",
        ),
    )


def _curves(rivals: Sequence[Competitor], name: str) -> Iterator[tuple[str, Curve]]:
    for rival in rivals:
        # One that did not score this label has no points, so that colours stay in step.
        found = next((label.pr for label in rival.scores.binary if label.name == name), None)
        yield rival.name, found or Curve((), ())


def _label_table(
    rows: Sequence[Label], scores: Sequence[BinaryScores], rivals: Sequence[Competitor]
) -> TableBlock:
    precisions = sorted({p for label in scores for p in label.recall_at}, key=float)
    body = []
    for row, label in zip(rows, scores, strict=True):
        others = [auprc_of(label.name)(rival.scores) for rival in rivals]
        marks = tuple(other.value for other in others if other is not None)
        best = max((mark for mark in marks if math.isfinite(mark)), default=-math.inf)
        body.append(
            (
                label_cell(row.name, row.title, row.color),
                estimate_cell(label.auprc, strong=label.auprc.value >= best),
                strip_cell(label.auprc, marks or (_prevalence(label),)),
                *(
                    estimate_cell(
                        other,
                        strong=other is not None
                        and other.value == best
                        and best >= label.auprc.value,
                    )
                    for other in others
                ),
                estimate_cell(label.auroc),
                *(estimate_cell(label.recall_at.get(p)) for p in precisions),
                estimate_cell(label.f1),
                Cell(f"{label.positives:,}"),
                Cell(share(_prevalence(label)) if label.sites else MISSING),
            )
        )
    ticks = "what it is compared with" if rivals else "prevalence, which a random ranking reaches"
    return TableBlock(
        f"Each label at the sites where it is known. The strip shows AUPRC with its interval from "
        f"0 to 1; ticks: {ticks}. The best AUPRC of each row in bold.",
        (
            Column("label", numeric=False),
            Column("AUPRC", meaning="area under the precision-recall curve (average precision)"),
            Column("", numeric=False),
            *(Column(f"{rival.name}: AUPRC") for rival in rivals),
            Column("AUROC", meaning="area under the ROC curve"),
            *(
                Column(
                    f"recall at precision {p}",
                    meaning=f"share of true sites found when {float(p):.0%} of the calls are right",
                )
                for p in precisions
            ),
            Column("F1", meaning="at the label's own threshold"),
            Column("positives", meaning="sites that have it"),
            Column("prevalence", meaning="share of sites that have it"),
        ),
        tuple(body),
    )


def continuous(data: ReportData) -> tuple[Block, ...]:
    """Table of the main model's continuous labels."""
    if not data.models or not data.models[0].scores.continuous:
        return ()
    model = data.models[0]
    return (
        TableBlock(
            "Predicted against observed signal of each bin. Correlations of 1 would be perfect; "
            "explained is the share of the deviance of a constant prediction that the model "
            "explains.",
            (
                Column("signal", numeric=False),
                Column("Pearson", meaning="correlation of log(1 + value)"),
                Column("", numeric=False),
                Column("Spearman", meaning="correlation of ranks"),
                Column("explained"),
                Column("sites"),
            ),
            tuple(
                (
                    label_cell(label.name, row.title, row.color),
                    estimate_cell(label.pearson),
                    strip_cell(label.pearson),
                    estimate_cell(label.spearman),
                    estimate_cell(label.explained),
                    Cell(f"{label.sites:,}"),
                )
                for label in model.scores.continuous
                for row in (label_of(model, label.name),)
            ),
        ),
    )

"""Sections of a report on what was scored: summary, comparison, states, labels, signals."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from chromputer_tracks.analysis.report.blocks import (
    Block,
    Cell,
    Column,
    Fact,
    FactsBlock,
    FigureBlock,
    HeadingBlock,
    Headline,
    HeadlinesBlock,
    Key,
    ReportData,
    ScoredModel,
    TableBlock,
    TextBlock,
    estimate_cell,
    interval,
    label_cell,
    number,
    share,
    signed,
    strip,
    strip_cell,
)
from chromputer_tracks.errors import counted
from chromputer_tracks.evaluation.metrics import Curve, Estimate
from chromputer_tracks.evaluation.scores import BinaryScores, Scores
from chromputer_tracks.figures import (
    RGB,
    SERIES,
    Bar,
    bars,
    confusion_matrix,
    pr_curve,
    reliability_diagram,
)
from chromputer_tracks.spec import InputSpec, Label, ModelSpec

# ---- What was done, how good it is, beside what.


def _figures(data: ReportData, scores: Scores) -> dict[tuple[str, str], Estimate]:
    """Figures that have a value; see ``Scores.figures``.

    The mean AUPRC is there, too, without an interval, where all labels of the main model are
    scored.
    """
    found = scores.figures()
    wanted = [("auprc", label.name) for label in data.models[0].scores.binary]
    if wanted and all(key in found for key in wanted):
        mean = float(np.mean([found[key].value for key in found if key in wanted]))
        found["mean_auprc", ""] = Estimate(mean, math.nan, math.nan)
    return {key: value for key, value in found.items() if math.isfinite(value.value)}


def summary(data: ReportData) -> tuple[Block, ...]:
    """What, on which data, and three figures beside the best baseline."""
    blocks: list[Block] = [TextBlock(part) for part in paragraphs(data.summary)]
    if data.models:
        main = data.models[0]
        headlines = tuple(_headlines(data, main.scores))
        if headlines:
            blocks.append(HeadlinesBlock(headlines))
        blocks.extend(_seen_in_training(main))
        facts = tuple(_facts(data, main))
        if facts:
            blocks.append(FactsBlock(facts))
    elif data.dataset:
        blocks.append(FactsBlock(tuple(_dataset_facts(data))))
    return tuple(blocks)


def paragraphs(text: str) -> list[str]:
    """Parts apart by an empty line, each on one line."""
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


def _headlines(data: ReportData, scores: Scores) -> Iterator[Headline]:
    ranked = sorted(
        (label for label in scores.binary if math.isfinite(label.auprc.value)),
        key=lambda label: label.auprc.value,
    )
    wanted: dict[str, tuple[str, str]] = {}
    if scores.states:
        wanted["States: accuracy"] = ("accuracy", "")
        wanted["States: macro-F1"] = ("macro_f1", "")
    if ranked:
        middle = ranked[(len(ranked) - 1) // 2]
        picks = [("median", middle)]
        if not wanted and len(ranked) > 2:
            picks = [("weakest", ranked[0]), *picks, ("strongest", ranked[-1])]
        if len(ranked) == 1:
            picks = [("", middle)]
        for rank, pick in picks:
            what = f"{pick.name}: AUPRC" + (f" ({rank} label)" if rank else "")
            wanted[what] = ("auprc", pick.name)
    for label in scores.continuous:
        wanted[f"{label.name}: correlation"] = ("pearson", label.name)
    own = _figures(data, scores)
    baselines = [(item.name, _figures(data, item.scores)) for item in data.baselines]
    prevalence = {("auprc", label.name): label.prevalence for label in scores.binary}
    for name, key in list(wanted.items())[:3]:
        if key not in own:
            continue
        value = own[key]
        against = [(baseline, found[key].value) for baseline, found in baselines if key in found]
        if not against and math.isfinite(prevalence.get(key, math.nan)):
            against = [("a random ranking", prevalence[key])]
        if not against:
            yield Headline(name, strip(value), number(value.value), interval(value))
            continue
        best, reached = max(against, key=lambda pair: pair[1])
        yield Headline(
            name,
            strip(value, (reached,)),
            number(value.value),
            interval(value),
            f"{best} {number(reached)}",
            signed(value.value - reached),
            value.value > reached,
        )


def _seen_in_training(model: ScoredModel) -> Iterator[TextBlock]:
    if model.spec is None or model.sites is None:
        return
    used = {use: set(model.spec.splits.get(use, ())) for use in ("train", "validation")}
    scored = [model.sites.contigs[code] for code in np.unique(model.sites.contig)]
    for use, consequence in (
        ("train", "The model was trained on them, so that these figures say little about new data"),
        ("validation", "They chose the epoch and the calibration, so that figures are optimistic"),
    ):
        seen = [name for name in scored if name in used[use]]
        if seen:
            yield TextBlock(f"Scored contigs include {_joined(seen)}. {consequence}.", warning=True)


def _facts(data: ReportData, main: ScoredModel) -> Iterator[Fact]:
    yield Fact("Model", main.name)
    if main.spec:
        yield Fact("Reads", _joined([describe_input(item) for item in main.spec.inputs]))
        yield Fact("Window", f"{main.spec.window:,} bp, an output every {main.spec.stride:,} bp")
        yield Fact("Predicts", _joined(_heads(main.spec)))
    if main.sites is not None and len(main.sites):
        codes = np.unique(main.sites.contig)
        yield Fact("Scored on", _contigs([main.sites.contigs[code] for code in codes]))
        width = f" of {main.spec.label_bin:,} bp" if main.spec else ""
        yield Fact("Sites", f"{len(main.sites):,} bins{width}")
    if main.spec and main.spec.splits.get("train"):
        yield Fact("Trained on", _contigs(list(main.spec.splits["train"])))
    if data.history:
        chosen = f", epoch {data.best_epoch} chosen" if data.best_epoch is not None else ""
        yield Fact("Epochs", f"{len(data.history)}{chosen}")
    if data.baselines:
        yield Fact("Compared with", _joined([baseline.name for baseline in data.baselines]))


def _dataset_facts(data: ReportData) -> Iterator[Fact]:
    assert data.dataset is not None  # noqa: S101  checked by the caller
    splits: dict[str, list[int]] = {}
    for (_, split), sites in zip(data.dataset.contigs, data.dataset.sites, strict=True):
        splits.setdefault(split, []).append(sites)
    for split, counts in splits.items():
        many, contigs = counted(sum(counts), "site"), counted(len(counts), "contig")
        yield Fact(split.capitalize(), f"{many} on {contigs}")
    if data.dataset.states:
        yield Fact("States", str(len(data.dataset.states)))
    if data.dataset.labels:
        yield Fact("Labels", str(len(data.dataset.labels)))


def describe_input(item: InputSpec) -> str:
    """``V-plot of atac``, ``DNA sequence and shape``, in words."""
    if item.kind == "sequence":
        parts = ["DNA sequence"] if item.bases else []
        if item.shape:
            parts.append("DNA shape (" + ", ".join(item.shape) + ")")
        return " with ".join(parts)
    assay = item.assay.upper() if item.assay in ("atac", "dnase") else item.assay
    if item.kind == "vplot":
        return f"V-plot ({assay})"
    return f"{item.measure} ({assay})"


def _heads(spec: ModelSpec) -> list[str]:
    words = {"states": "chromatin state", "binary": "label", "continuous": "signal"}
    return [counted(len(head.labels), words[head.kind]) for head in spec.heads]


def _joined(parts: list[str]) -> str:
    return ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1] if parts else ""


def _contigs(names: list[str]) -> str:
    return _joined(names) if len(names) <= 8 else f"{len(names)} contigs ({', '.join(names[:6])} …)"


def comparison(data: ReportData) -> tuple[Block, ...]:
    """Bars and a table of all models and baselines; empty where there is nothing to compare."""
    if not data.models:
        return ()
    ceiling = (data.ceiling,) if data.ceiling else ()
    scored = [
        (item.name, role, _figures(data, item.scores))
        for role, items in (("", data.models), ("baseline", data.baselines), ("ceiling", ceiling))
        for item in items
    ]
    rivals = [item for item in scored if item[1] != "ceiling"]
    main = data.models[0].scores
    figures = {
        ("accuracy", ""): "Accuracy of the states",
        ("macro_f1", ""): "Macro-F1 of the states",
        ("mean_auprc", ""): f"Mean AUPRC of {counted(len(main.binary), 'label')}",
    } | {("pearson", label.name): f"Correlation of {label.name}" for label in main.continuous}
    shown = {
        key: title
        for key, title in figures.items()
        if sum(key in found for _, _, found in rivals) > 1
    }
    if not shown:
        return ()
    pictures = [
        bars(
            [Bar(name, found[key], role != "") for name, role, found in rivals if key in found],
            title,
            next(
                (Bar(n, found[key]) for n, role, found in scored[len(rivals) :] if key in found),
                None,
            ),
        )
        for key, title in shown.items()
    ]
    caption = (
        "Each bar is a model (coloured) or a baseline (grey), scored at the same sites. Thin "
        "lines: 95 % intervals, from drawing whole stretches of the genome again and again; where "
        "two intervals overlap widely, the two may be equally good."
    )
    if data.ceiling:
        caption += f" Empty bar and dashed line: {data.ceiling.name}, the best to be expected."
    best = {key: max(found[key].value for *_, found in rivals if key in found) for key in shown}
    rows = tuple(
        (
            Cell(name, role),
            *(
                estimate_cell(
                    found.get(key),
                    strong=role != "ceiling" and key in found and found[key].value == best[key],
                )
                for key in shown
            ),
        )
        for name, role, found in scored
    )
    table = TableBlock(
        "Models and baselines at the same sites; the best of each column in bold, 95 % intervals "
        "in brackets.",
        (Column("model", numeric=False), *map(Column, shown.values())),
        rows,
    )
    return (FigureBlock(tuple(pictures), caption, "pair"), table)


# ---- What each head predicts: states, labels, signals.

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


def label_of(model: ScoredModel, name: str) -> Label:
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


def _state_labels(model: ScoredModel, count: int) -> list[Label]:
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
                strip_cell(label.auprc, (label.prevalence,)),
                estimate_cell(label.auroc),
                estimate_cell(label.f1),
                Cell(f"{label.positives:,}"),
                Cell(share(label.prevalence)),
                Cell(number(label.reliability.error.value)),
            )
            for row, label in zip(rows, scores, strict=True)
        ),
    )


def labels(data: ReportData) -> tuple[Block, ...]:
    """Table, PR and reliability of the main model's binary labels, with the others' AUPRC."""
    if not data.models or not data.models[0].scores.binary:
        return ()
    model, scored = data.models[0], data.models[0].scores.binary
    others = (*data.models[1:], *data.baselines)
    rivals = [rival for rival in others if rival.scores.binary]
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


def _curves(rivals: Sequence[ScoredModel], name: str) -> Iterator[tuple[str, Curve]]:
    for rival in rivals:
        # One that did not score this label has no points, so that colours stay in step.
        found = next((label.pr for label in rival.scores.binary if label.name == name), None)
        yield rival.name, found or Curve((), ())


def _label_table(
    rows: Sequence[Label], scores: Sequence[BinaryScores], rivals: Sequence[ScoredModel]
) -> TableBlock:
    precisions = sorted({p for label in scores for p in label.recall_at}, key=float)
    body = []
    for row, label in zip(rows, scores, strict=True):
        others = [rival.scores.figures().get(("auprc", label.name)) for rival in rivals]
        marks = tuple(other.value for other in others if other is not None)
        best = max((mark for mark in marks if math.isfinite(mark)), default=-math.inf)
        body.append(
            (
                label_cell(row.name, row.title, row.color),
                estimate_cell(label.auprc, strong=label.auprc.value >= best),
                strip_cell(label.auprc, marks or (label.prevalence,)),
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
                Cell(share(label.prevalence)),
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

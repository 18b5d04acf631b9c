"""The first sections of a report: what was done, how good it is, beside what."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from chromputer_tracks.analysis.report.blocks import (
    Block,
    Cell,
    Column,
    Fact,
    FactsBlock,
    FigureBlock,
    Headline,
    HeadlinesBlock,
    ModelReport,
    ReportData,
    TableBlock,
    TextBlock,
    estimate_cell,
    interval,
    number,
    signed,
    strip,
)
from chromputer_tracks.evaluation.scores import BinaryScores, Estimate, Scores
from chromputer_tracks.figures.charts import Bar, bars
from chromputer_tracks.spec import InputSpec, ModelSpec
from chromputer_tracks.wording import counted

_NAN = float("nan")
Get = Callable[[Scores], Estimate | None]


@dataclass(frozen=True, slots=True)
class Competitor:
    """A model, a baseline or the ceiling."""

    name: str
    scores: Scores
    baseline: bool


def competitors(data: ReportData) -> tuple[Competitor, ...]:
    """All models, then all baselines."""
    return (
        *(Competitor(model.name, model.scores, False) for model in data.models),
        *(Competitor(name, scores, True) for name, scores in data.baselines),
    )


def accuracy(scores: Scores) -> Estimate | None:
    """Of the states."""
    return scores.states.accuracy if scores.states else None


def macro_f1(scores: Scores) -> Estimate | None:
    """Of the states."""
    return scores.states.macro_f1 if scores.states else None


def auprc_of(name: str) -> Get:
    """The AUPRC of a binary label."""

    def get(scores: Scores) -> Estimate | None:
        return next((label.auprc for label in scores.binary if label.name == name), None)

    return get


def mean_auprc(names: tuple[str, ...]) -> Get:
    """The mean AUPRC over binary labels, without interval; None unless all of them are scored."""

    def get(scores: Scores) -> Estimate | None:
        found = [label.auprc.value for label in scores.binary if label.name in names]
        if not found or len(found) != len(names):
            return None
        return Estimate(float(np.mean(found)), _NAN, _NAN)

    return get


def pearson_of(name: str) -> Get:
    """The correlation of a continuous label."""

    def get(scores: Scores) -> Estimate | None:
        return next((label.pearson for label in scores.continuous if label.name == name), None)

    return get


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
    wanted: list[tuple[str, Get, BinaryScores | None]] = []
    if scores.states:
        wanted += [("States: accuracy", accuracy, None), ("States: macro-F1", macro_f1, None)]
    if ranked:
        middle = ranked[(len(ranked) - 1) // 2]
        picks = [("median", middle)]
        if not wanted and len(ranked) > 2:
            picks = [("weakest", ranked[0]), *picks, ("strongest", ranked[-1])]
        if len(ranked) == 1:
            picks = [("", middle)]
        for rank, pick in picks:
            what = f"{pick.name}: AUPRC" + (f" ({rank} label)" if rank else "")
            wanted.append((what, auprc_of(pick.name), pick))
    wanted += [
        (f"{label.name}: correlation", pearson_of(label.name), None) for label in scores.continuous
    ]
    for name, get, label in wanted[:3]:
        value = get(scores)
        if value is not None and math.isfinite(value.value):
            yield _headline(data, name, value, get, label)


def _headline(
    data: ReportData, name: str, value: Estimate, get: Get, label: BinaryScores | None
) -> Headline:
    against = [
        (baseline, found.value)
        for baseline, scores in data.baselines
        if (found := get(scores)) is not None and math.isfinite(found.value)
    ]
    if not against and label is not None and label.sites:
        against = [("a random ranking", label.positives / label.sites)]
    shown = Headline(name, strip(value), number(value.value), interval(value))
    if not against:
        return shown
    best, reached = max(against, key=lambda pair: pair[1])
    return Headline(
        name,
        strip(value, (reached,)),
        number(value.value),
        interval(value),
        f"{best} {number(reached)}",
        signed(value.value - reached),
        value.value > reached,
    )


def _seen_in_training(model: ModelReport) -> Iterator[TextBlock]:
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


def _facts(data: ReportData, main: ModelReport) -> Iterator[Fact]:
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
        yield Fact("Compared with", _joined([name for name, _ in data.baselines]))


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
    rivals = competitors(data)
    if len(rivals) < 2 or not data.models:
        return ()
    names = tuple(label.name for label in data.models[0].scores.binary)
    figures: list[tuple[str, Get]] = [
        ("Accuracy of the states", accuracy),
        ("Macro-F1 of the states", macro_f1),
        (f"Mean AUPRC of {counted(len(names), 'label')}", mean_auprc(names)),
    ]
    figures += [
        (f"Correlation of {label.name}", pearson_of(label.name))
        for label in data.models[0].scores.continuous
    ]
    shown = [
        (title, get)
        for title, get in figures
        if sum(_has(get, rival.scores) for rival in rivals) > 1
    ]
    if not shown:
        return ()
    pictures = []
    for title, get in shown:
        rows = [Bar(r.name, found, r.baseline) for r in rivals if (found := get(r.scores))]
        pictures.append(bars(rows, title, _ceiling(data, get)))
    table = _comparison_table(data, rivals, shown)
    caption = (
        "Each bar is a model (coloured) or a baseline (grey), scored at the same sites. Thin "
        "lines: 95 % intervals, from drawing whole stretches of the genome again and again; where "
        "two intervals overlap widely, the two may be equally good."
    )
    if data.ceiling:
        caption += f" Empty bar and dashed line: {data.ceiling[0]}, the best to be expected."
    return (FigureBlock(tuple(pictures), caption, "pair"), table)


def _has(get: Get, scores: Scores) -> bool:
    found = get(scores)
    return found is not None and math.isfinite(found.value)


def _ceiling(data: ReportData, get: Get) -> Bar | None:
    if data.ceiling is None:
        return None
    found = get(data.ceiling[1])
    return None if found is None else Bar(data.ceiling[0], found)


def _comparison_table(
    data: ReportData, rivals: tuple[Competitor, ...], figures: list[tuple[str, Get]]
) -> TableBlock:
    ceiling = (Competitor(data.ceiling[0], data.ceiling[1], True),) if data.ceiling else ()
    best = {
        title: max(get(r.scores).value for r in rivals if _has(get, r.scores))  # type: ignore[union-attr]
        for title, get in figures
    }
    rows = []
    for rival in (*rivals, *ceiling):
        cells = [Cell(rival.name, "" if not rival.baseline else "baseline")]
        if rival in ceiling:
            cells = [Cell(rival.name, "ceiling")]
        for title, get in figures:
            found = get(rival.scores)
            top = rival not in ceiling and found is not None and found.value == best[title]
            cells.append(estimate_cell(found, strong=top))
        rows.append(tuple(cells))
    columns = (Column("model", numeric=False), *(Column(title) for title, _ in figures))
    return TableBlock(
        "Models and baselines at the same sites; the best of each column in bold, 95 % intervals "
        "in brackets.",
        columns,
        tuple(rows),
    )

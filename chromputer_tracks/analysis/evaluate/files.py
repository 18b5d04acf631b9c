"""What an evaluation found, its tables, and its files: scores.json, sites, tables, the report."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from chromputer_tracks.analysis.pages import write_rows, write_texts
from chromputer_tracks.analysis.report.blocks import (
    FIGURES,
    PlainTable,
    ReportData,
    ScoredModel,
    Transfer,
)
from chromputer_tracks.analysis.report.page import write_report
from chromputer_tracks.analysis.vplots.aggregate import VplotSet
from chromputer_tracks.evaluation.baselines import MAJORITY
from chromputer_tracks.evaluation.metrics import Estimate
from chromputer_tracks.evaluation.scores import (
    BinaryScores,
    PairedTest,
    Scores,
    to_json,
)
from chromputer_tracks.evaluation.sites import BLOCK, LabelledSites, save_sites
from chromputer_tracks.io.record import versions
from chromputer_tracks.io.run import Run
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.options.train import EvaluateOptions
from chromputer_tracks.records import to_plain
from chromputer_tracks.spec import Fitness, HeadSpec

if TYPE_CHECKING:
    from chromputer_tracks.analysis.evaluate.run import EvaluatedModel

Role = Literal["model", "baseline", "ceiling"]


@dataclass(frozen=True, slots=True)
class SampleScores:
    """Scores of one model, baseline or ceiling on one sample.

    Attributes:
        name: name as tables show it.
        role: what it is.
        sample: name of the sample.
        heads: heads with the calibration that was applied.
        sites: predictions and labels.
        scores: figures at these sites.
    """

    name: str
    role: Role
    sample: str
    heads: tuple[HeadSpec, ...]
    sites: LabelledSites
    scores: Scores


@dataclass(frozen=True, slots=True)
class SampleDepths:
    """What a model makes of parts of a sample's fragments.

    Attributes:
        name: name of the model as tables show it.
        sample: name of the sample.
        fitness: the figures by depth, and by the fragments around a site.
    """

    name: str
    sample: str
    fitness: Fitness


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that was found.

    Attributes:
        config: the configuration.
        models: the models, in the order in which they were given.
        contigs: contigs that were scored.
        samples: names of the samples that were scored.
        scored: sample by sample: models, baselines, ceiling.
        paired: tests of the first model against each other.
        vplots: V-plots by state, of each sample's fragments.
        notes: what the reader must know.
        depths: models by samples with parts of the fragments, where that was asked for.
    """

    config: TrainConfig
    models: tuple[EvaluatedModel, ...]
    contigs: tuple[str, ...]
    samples: tuple[str, ...]
    scored: tuple[SampleScores, ...]
    paired: tuple[PairedTest, ...]
    vplots: tuple[VplotSet, ...]
    notes: tuple[str, ...]
    depths: tuple[SampleDepths, ...] = ()

    def on(self, sample: str, *roles: Role) -> list[SampleScores]:
        """What was scored on a sample, of some roles or of all."""
        return [
            item
            for item in self.scored
            if item.sample == sample and (not roles or item.role in roles)
        ]


# ---- An evaluation as tables: rows of numbers for files, and text for the terminal.

NONE = "–"
"""A cell without a value."""

Row = dict[str, str | int]
"""Column to value of one line of a file."""


def file_rows(evaluation: Evaluation) -> dict[str, list[Row]]:
    """Name of a table of numbers to its lines; tables that nothing is known for have none.

    ``states.tsv`` has a line for each model, baseline and ceiling on each sample, ``labels.tsv``
    one for each label (each state against the rest among them), ``continuous.tsv`` one for each
    signal, ``confusion.tsv`` one for each true and predicted state, ``paired.tsv`` one for each
    figure of each paired test, ``depths.tsv`` one for each part of a sample's fragments, and
    ``local.tsv`` one for each group of sites by the fragments in their window.
    """
    names = "states labels continuous confusion paired depths local".split()
    states, labels, continuous, confusion, paired, depths, local = tables = tuple[list[Row], ...](
        [] for _ in names
    )
    for part in evaluation.depths:
        of: Row = {"sample": part.sample, "name": part.name}
        depths += [
            {**of, "share": _digits(item.share), "fragments_per_kb": _digits(item.depth)}
            | _values(
                accuracy=_figure(item.accuracy),
                macro_f1=_figure(item.macro_f1),
                mean_auprc=_figure(item.auprc),
            )
            | {"confidence": "" if item.confidence is None else _digits(item.confidence)}
            for item in part.fitness.depths
        ]
        local += [
            {**of, "fragments": _digits(group.fragments), "sites": group.sites}
            | {"balanced_accuracy": _digits(group.accuracy)}
            for group in part.fitness.local
        ]
    for item in evaluation.scored:
        who: Row = {"sample": item.sample, "name": item.name, "role": item.role}
        found = item.scores.states
        if found is not None:
            states.append(
                {**who, "sites": found.sites}
                | _values(
                    accuracy=found.accuracy,
                    macro_f1=found.macro_f1,
                    calibration_error=found.reliability.error,
                )
            )
            codes = [label.name for label in item.heads[0].labels]
            confusion += [
                {**who, "true": true, "predicted": predicted, "sites": sites}
                for true, counts in zip(codes, found.confusion, strict=True)
                for predicted, sites in zip(codes, counts, strict=True)
            ]
        for kind, scored in (
            ("state", found.labels if found else ()),
            ("binary", item.scores.binary),
        ):
            labels += [
                {**who, "kind": kind, "label": label.name}
                | {"sites": label.sites, "positives": label.positives}
                | _values(
                    auprc=label.auprc,
                    auroc=label.auroc,
                    f1=label.f1,
                    **{f"recall_at_{level}": recall for level, recall in label.recall_at.items()},
                    calibration_error=label.reliability.error,
                )
                for label in scored
            ]
        continuous += [
            {**who, "label": label.name, "sites": label.sites}
            | _values(pearson=label.pearson, spearman=label.spearman, explained=label.explained)
            for label in item.scores.continuous
        ]
    paired += [
        {"sample": test.sample, "first": test.first, "second": test.second}
        | {"figure": item.figure, "label": item.label}
        | _values(difference=item.difference)
        | {"p": _digits(item.p)}
        for test in evaluation.paired
        for item in test.differences
    ]
    return {f"{name}.tsv": rows for name, rows in zip(names, tables, strict=True)}


def _values(**estimates: Estimate) -> Row:
    """Columns of estimates: the value, and the bounds behind it."""
    return {
        column: _digits(number)
        for name, value in estimates.items()
        for column, number in (
            (name, value.value),
            (f"{name}_low", value.low),
            (f"{name}_high", value.high),
        )
    }


def _figure(found: tuple[float, float, float] | None) -> Estimate:
    return Estimate(*(found or (math.nan, math.nan, math.nan)))


def _digits(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4g}"


def transfer(evaluation: Evaluation) -> Transfer | None:
    """Models by samples: accuracy, or mean AUPRC without states; None with one sample."""
    if len(evaluation.samples) < 2:
        return None
    by_place = {(item.name, item.sample): item.scores for item in evaluation.scored}
    with_states = any(scores.states is not None for scores in by_place.values())

    def value(name: str, sample: str) -> Estimate:
        scores, nothing = by_place.get((name, sample)), Estimate(math.nan, math.nan, math.nan)
        if scores is None:
            return nothing
        if with_states:
            return nothing if scores.states is None else scores.states.accuracy
        auprc = [label.auprc.value for label in scores.binary]
        return Estimate(sum(auprc) / len(auprc), math.nan, math.nan) if auprc else nothing

    names = [item.name for item in evaluation.on(evaluation.samples[0], "model", "baseline")]
    return Transfer(
        "accuracy" if with_states else "mean AUPRC",
        tuple(names),
        evaluation.samples,
        tuple(tuple(value(name, sample) for sample in evaluation.samples) for name in names),
    )


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
    for part in evaluation.depths:
        of = f", sample {part.sample}" if several else ""
        yield PlainTable(
            f"with parts of the fragments: {part.name}{of}",
            ("fragments", "per kb", "accuracy", "macro-F1", "mean probability", "mean AUPRC"),
            tuple(
                (
                    f"{item.share:.0%}",
                    f"{item.depth:.3g}",
                    with_interval(_figure(item.accuracy)),
                    with_interval(_figure(item.macro_f1)),
                    NONE if item.confidence is None else short(item.confidence),
                    with_interval(_figure(item.auprc)),
                )
                for item in part.fitness.depths
            ),
        )
    matrix = transfer(evaluation)
    if matrix is not None:
        yield PlainTable(
            f"{matrix.what} of each model on each sample",
            ("", *matrix.samples),
            tuple(
                (name, *map(with_interval, row))
                for name, row in zip(matrix.models, matrix.values, strict=True)
            ),
        )
    for sample in evaluation.samples:
        of = f", sample {sample}" if several else ""
        tests = [test for test in evaluation.paired if test.sample == sample]
        yield from paired_table(tests, FIGURES, of)


def _states(scored: list[SampleScores], of: str) -> Iterator[PlainTable]:
    rows = [
        (
            item.name,
            with_interval(states.accuracy),
            with_interval(states.macro_f1),
            # A replicate's states have no probability.
            NONE if item.role == "ceiling" else with_interval(states.reliability.error),
        )
        for item in scored
        if (states := item.scores.states) is not None
    ]
    if rows:
        header = ("", "accuracy", "macro-F1", "ECE")
        yield PlainTable(f"chromatin states{of}", header, tuple(rows))


def _details(scored: list[SampleScores]) -> Iterator[PlainTable]:
    """Each state and each label of the first model."""
    first = scored[0]
    columns = ("AUPRC", "AUROC", "F1", "recall at precision\n0.5 / 0.9")
    states, binary = first.scores.states, first.scores.binary
    if states is not None:
        titles = {label.name: label.title for label in first.heads[0].labels}
        yield PlainTable(
            f"each state against the rest: {first.name}",
            ("", "state", "share", *columns),
            tuple(
                (
                    label.name,
                    titles.get(label.name, label.name),
                    f"{label.positives / states.sites:.1%}",
                    *_figures(label),
                )
                for label in states.labels
            ),
        )
    if binary:
        yield PlainTable(
            f"labels: {first.name}",
            ("", "positives", *columns, "ECE"),
            tuple(
                (
                    label.name,
                    f"{label.positives:,}",
                    *_figures(label),
                    short(label.reliability.error.value),
                )
                for label in binary
            ),
        )


def _figures(label: BinaryScores) -> tuple[str, ...]:
    recalls = " / ".join(short(item.value) for item in label.recall_at.values())
    return (with_interval(label.auprc), short(label.auroc.value), short(label.f1.value), recalls)


def _by_label(
    figure: Literal["AUPRC", "F1"],
    scored: list[SampleScores],
    of: str,
    only: set[str] | None = None,
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
    key = "auprc" if figure == "AUPRC" else "f1"
    rows = [
        (
            label.name,
            short(labels[label.name].prevalence),
            *(
                short(getattr(found[label.name], key).value) if label.name in found else NONE
                for found in by_name
            ),
        )
        for head in shown[0].heads
        if head.kind == "binary"
        for label in head.labels
        if label.name in labels
    ]
    yield PlainTable(
        f"{figure} of each label{of}",
        ("", "prevalence", *(item.name for item in shown)),
        tuple(rows),
    )


def _continuous(scored: list[SampleScores], of: str) -> Iterator[PlainTable]:
    rows = tuple(
        (
            item.name,
            label.name,
            *map(with_interval, (label.pearson, label.spearman, label.explained)),
        )
        for item in scored
        for label in item.scores.continuous
    )
    if rows:
        yield PlainTable(
            f"signals{of}", ("", "signal", "Pearson", "Spearman", "deviance explained"), rows
        )


def paired_table(
    tests: Sequence[PairedTest], names: Mapping[str, str], of: str = ""
) -> Iterator[PlainTable]:
    """Differences of the figures over all labels; no table where there is none.

    Args:
        tests: those of one first model.
        names: figure to what it is called.
        of: what follows the caption.
    """
    rows = tuple(
        (test.second, names[item.figure], with_interval(item.difference, signed=True), _p(item.p))
        for test in tests
        for item in test.differences
        if not item.label
    )
    if rows:
        yield PlainTable(
            f"{tests[0].first} minus each other, paired on the same resamples{of}",
            ("other", "figure", "difference", "p"),
            rows,
        )


def with_interval(value: Estimate, *, signed: bool = False) -> str:
    """The figure, and its interval in brackets where there is one."""
    sign = "+" if signed else ""
    if math.isnan(value.value):
        return NONE
    if math.isnan(value.low):
        return f"{value.value:{sign}.3f}"
    return f"{value.value:{sign}.3f} [{value.low:{sign}.3f}, {value.high:{sign}.3f}]"


def short(value: float) -> str:
    """A figure alone."""
    return NONE if math.isnan(value) else f"{value:.3f}"


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 0.001 else "< 0.001"


REPORT = "report.html"


def write_evaluation(evaluation: Evaluation, options: EvaluateOptions, work: Run) -> None:
    """Write all files of an evaluation.

    Args:
        evaluation: what was found.
        options: how.
        work: the run, which reads what the evaluation was made from.

    Raises:
        OutputError: a file cannot be written.
    """
    provenance = {
        "command": shlex.join(options.command),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
        "contigs": list(evaluation.contigs),
        "resamples": options.draws,
        "block": BLOCK,
        "seed": options.seed,
        "providers": {item.name: item.session.provider for item in evaluation.models},
        "files": to_plain(work.checksums.result()),
    }
    record = {
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
        "paired": [to_json(item) for item in evaluation.paired],
        "by_depth": [to_json(item) for item in evaluation.depths],
    }
    write_texts(work.folder, {"scores.json": json.dumps(record, indent=1) + "\n"})
    for item in evaluation.scored:
        if item.role == "model":
            parts = [item.name] * (len(evaluation.models) > 1)
            parts += [item.sample] * (len(evaluation.samples) > 1)
            name = "-".join(["sites", *(re.sub(r"[^\w.-]+", "_", part) for part in parts)])
            save_sites(work.folder / f"{name}.npz", item.sites, item.heads)
    for name, rows in file_rows(evaluation).items():
        if rows:
            write_rows(work.folder / name, rows)
    write_report(work.folder / REPORT, _report(evaluation, options, provenance))


def _report(
    evaluation: Evaluation, options: EvaluateOptions, provenance: Mapping[str, Any]
) -> ReportData:
    """The page, about the first model on the first sample."""
    sample = evaluation.samples[0]
    specs = {item.name: item.model.spec for item in evaluation.models}
    ceilings = evaluation.on(sample, "ceiling")
    return ReportData(
        title=evaluation.models[0].name,
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
        paired=tuple(item for item in evaluation.paired if item.sample == sample),
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

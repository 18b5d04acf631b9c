"""A training run, an evaluation or a dataset as one HTML file that opens offline.

The page holds everything: figures are SVG inside it, styles are inline, there are no scripts, and
its content security policy forbids loading anything. Sections without data are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chromputer_tracks import __version__
from chromputer_tracks.analysis.pages import Page
from chromputer_tracks.analysis.report.blocks import (
    FIGURES,
    MISSING,
    Block,
    Cell,
    CodeBlock,
    Column,
    DatasetReport,
    FactsBlock,
    FigureBlock,
    HeadingBlock,
    HeadlinesBlock,
    Key,
    ReportData,
    ScoredModel,
    Section,
    Strip,
    TableBlock,
    TextBlock,
    interval,
    label_cell,
    plain,
    read_history,
    signed,
    words,
)
from chromputer_tracks.analysis.report.results import (
    comparison,
    continuous,
    label_of,
    labels,
    paragraphs,
    states,
    summary,
)
from chromputer_tracks.analysis.vplots.aggregate import VplotSet, state_vplots
from chromputer_tracks.analysis.vplots.figures import color_bar, set_scale, vplot_panel
from chromputer_tracks.analysis.vplots.images import VplotScale
from chromputer_tracks.errors import counted
from chromputer_tracks.evaluation.scores import Difference
from chromputer_tracks.evaluation.sites import LabelledSites
from chromputer_tracks.figures import (
    accuracy_matrix,
    class_shares,
    css,
    label_counts,
    overlap_matrix,
    training_curve,
)
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.atomic import atomic_path
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.text import write_tsv
from chromputer_tracks.model.config import SitesConfig, TrainConfig
from chromputer_tracks.model.sources import LabelledSample, open_sources
from chromputer_tracks.spec import Label

if TYPE_CHECKING:
    from chromputer_tracks.model.training import Trained

_KINDS = {
    "training": "Training run",
    "evaluation": "Evaluation",
    "ablation": "Ablation",
    "dataset": "Dataset",
}


def render_report(data: ReportData) -> str:
    """The page, HTML5.

    Every text of ``data`` is escaped; nothing in it can bring markup into the page.
    """
    page = Page("report.html.j2")
    return page.render(
        data=data,
        kind=_KINDS[data.kind],
        sections=sections(data),
        style=page.own("report.css"),
        version=__version__,
    )


def write_report(path: Path, data: ReportData) -> None:
    """Write the page, and the cells of its tables beside it; each appears only when it is complete.

    Raises:
        OutputError: they cannot be written.
    """
    page, cells = render_report(data), table_cells(sections(data))
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    write_tsv(path.with_name(f"{path.stem}{TABLES}"), CELL_COLUMNS, cells)


TABLES = ".tables.tsv"
"""What stands in place of ``.html`` in the name of the file of a report's cells."""
CELL_COLUMNS = ("section", "table", "row", "column", "text", "note", "value", "low", "high")


def table_cells(shown: Iterable[Section]) -> Iterator[tuple[object, ...]]:
    """A line for each cell of a report's tables, in the order of the page: :data:`CELL_COLUMNS`.

    ``text`` and ``note`` are what the page shows; ``value``, ``low`` and ``high`` the numbers of a
    figure that is drawn with its interval, in full.
    """
    for section in shown:
        heading = ""
        for block in section.blocks:
            if isinstance(block, HeadingBlock):
                heading = block.text
            elif isinstance(block, HeadlinesBlock):
                for item in block.headlines:
                    at = (section.title, heading, item.name, "")
                    yield *at, item.text, item.interval, *_ends(item.strip)
            elif isinstance(block, FactsBlock):
                for fact in block.facts:
                    yield section.title, heading, fact.name, "", fact.value, "", *_ends(None)
            elif isinstance(block, TableBlock):
                titles = [column.title for column in block.columns[1:]]
                for first, *others in block.rows:
                    for title, cell in zip(titles, others, strict=True):
                        at = (section.title, block.caption or heading, first.text, title)
                        if cell.text or cell.strip is not None:
                            yield *at, cell.text, cell.note, *_ends(cell.strip)


def _ends(drawn: Strip | None) -> tuple[float | None, ...]:
    return (None, None, None) if drawn is None else (drawn.value, drawn.low, drawn.high)


# ---- All sections, in their order.


def sections(data: ReportData) -> tuple[Section, ...]:
    """The page's sections that have something to show."""
    every = (
        Section("summary", "Summary", summary(data)),
        Section("comparison", "Comparison", comparison(data)),
        Section("paired", "Paired tests", _paired(data)),
        Section("states", "Chromatin states", states(data)),
        Section("labels", "Labels", labels(data)),
        Section("signals", "Signals", continuous(data)),
        Section("vplots", "V-plots", _vplots(data)),
        Section("transfer", "Across samples", _transfer(data)),
        Section("training", "Training", _training(data)),
        Section("dataset", "Data set", _dataset(data)),
        Section("notes", "Notes", tuple(TextBlock(part) for part in paragraphs(data.notes))),
        Section("configuration", "Configuration", _config(data)),
        Section("provenance", "Provenance", tuple(provenance(data.provenance))),
    )
    return tuple(section for section in every if section.blocks)


def _paired(data: ReportData) -> tuple[Block, ...]:
    tests = [test for test in data.paired if test.differences]
    if not tests:
        return ()
    blocks: list[Block] = [
        TextBlock(
            "Differences between two models on the same sites. Both are scored on the same "
            "resamples of the genome, so that what is hard for both cancels. Bold: the 95 % "
            "interval leaves 0 out. P-values are two-sided and not corrected for the number of "
            "rows."
        )
    ]
    for test in tests:
        blocks += [
            HeadingBlock(f"{test.first} against {test.second}"),
            TableBlock(
                f"{test.first} minus {test.second}: above 0, {test.first} is better.",
                (Column("figure", numeric=False), Column("difference"), Column("p")),
                tuple(_difference(item) for item in test.differences),
            ),
        ]
    return tuple(blocks)


def _difference(item: Difference) -> tuple[Cell, ...]:
    figure = FIGURES.get(item.figure, item.figure)
    clear = item.difference.low > 0 or item.difference.high < 0
    return (
        Cell(f"{item.label}: {figure}" if item.label else figure),
        Cell(signed(item.difference.value), interval(item.difference, "+.3f"), strong=clear),
        Cell(f"{item.p:.2g}" if math.isfinite(item.p) else MISSING),
    )


def _vplots(data: ReportData) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for item in data.vplots:
        if not item.pairs:
            continue
        both = all(pair.predicted is not None for pair in item.pairs)
        caption = (
            "How many fragments have their midpoint at some distance from a site (across) and some "
            "length (upwards): the mean over all sites of a class, their number in brackets. Short "
            "fragments come from open DNA, fragments above the dashed line (147 bp) span a "
            "nucleosome. "
        )
        if both:
            caption += (
                "Where the two pictures of a class look alike, the model finds sites with the "
                "right chromatin structure. "
            )
        scale = set_scale(item)
        blocks += [
            HeadingBlock(item.title),
            FigureBlock(
                tuple(_vplot_panels(item, scale, both=both)),
                caption + "All on one colour scale, slightly smoothed.",
                "couples" if both else "grid",
                foot=color_bar(scale),
                heads=tuple(
                    label_cell(pair.label.name, pair.label.title, pair.label.color)
                    for pair in item.pairs
                ),
            ),
        ]
    return tuple(blocks)


def _vplot_panels(item: VplotSet, scale: VplotScale, *, both: bool) -> Iterator[str]:
    for pair in item.pairs:
        what = f"Aggregate V-plot of {pair.label.name}, {pair.label.title}: "
        title = f"true ({pair.sites:,})" if both else f"{pair.label.name} ({pair.sites:,})"
        text = f"{what}{counted(pair.sites, 'site')}"
        yield vplot_panel(pair.observed, item, scale, title, text)
        if both and pair.predicted is not None:
            title = f"predicted ({pair.predicted_sites:,})"
            text = f"{what}{counted(pair.predicted_sites, 'site')} predicted to be it"
            yield vplot_panel(pair.predicted, item, scale, title, text)


def _transfer(data: ReportData) -> tuple[Block, ...]:
    if data.transfer is None:
        return ()
    grid = data.transfer
    return (
        FigureBlock(
            (accuracy_matrix(grid.values, grid.models, grid.samples, grid.what),),
            "Rows: the sample that a model was trained on; columns: the sample that it was scored "
            "on, on held-out contigs. A model that carries over loses little away from the "
            "diagonal.",
        ),
    )


def _training(data: ReportData) -> tuple[Block, ...]:
    rows = data.history
    if not rows:
        return ()
    epochs = [row["epoch"] for row in rows]
    named = dict.fromkeys(name for row in rows for name in row)

    def series(names: Sequence[str]) -> dict[str, tuple[list[float], list[float]]]:
        return {
            words(name.removeprefix("validation_")).replace("macro f1", "macro-F1"): (
                epochs,
                [row.get(name, math.nan) for row in rows],
            )
            for name in names
        }

    losses = {
        name.removesuffix("_loss"): (epochs, [row.get(name, math.nan) for row in rows])
        for name in named
        if name.endswith("_loss")
    }
    general = [n for n in named if n in _GENERAL]
    others = [
        n
        for n in named
        if n.startswith("validation_") and n not in _GENERAL and not n.endswith("_loss")
    ]
    colors = {}
    if data.models:
        for name in others:
            short = name.removeprefix("validation_")
            colors[words(short)] = label_of(data.models[0], short).color
    panels = [
        ("Loss", losses, {}),
        ("Validation: score and states", series(general), {}),
        ("Validation: labels", series(others), colors),
    ]
    if "learning_rate" in named:
        panels.append(("Learning rate", series(["learning_rate"]), {}))
    figures = [
        training_curve(title, lines, data.best_epoch, palette)
        for title, lines, palette in panels
        if lines
    ]
    chosen = (
        ""
        if data.best_epoch is None
        else (
            f" The dashed line marks epoch {data.best_epoch}, whose weights were kept: the one "
            "with the best validation score."
        )
    )
    return (
        FigureBlock(
            tuple(figures),
            "Learning by epoch (one pass over the training set). A training loss that falls while "
            f"the validation figures fall, too, means overfitting.{chosen}",
            "pair",
        ),
    )


_GENERAL = ("validation_score", "validation_accuracy", "validation_macro_f1")


def _dataset(data: ReportData) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if data.dataset:
        blocks += _dataset_figures(data.dataset)
    for table in data.tables:
        numeric = [
            all(not isinstance(row[at], str) for row in table.rows) and bool(table.rows)
            for at in range(len(table.header))
        ]
        blocks.append(
            TableBlock(
                table.caption,
                tuple(
                    Column(title, numeric=right)
                    for title, right in zip(table.header, numeric, strict=True)
                ),
                tuple(tuple(Cell(plain(cell)) for cell in row) for row in table.rows),
            )
        )
    return tuple(blocks)


def _dataset_figures(dataset: DatasetReport) -> Iterator[Block]:
    if dataset.states:
        rows = [
            (f"{contig} ({split})", counts)
            for (contig, split), counts in zip(dataset.contigs, dataset.state_counts, strict=True)
        ]
        yield FigureBlock(
            (
                class_shares(
                    rows,
                    [label.name for label in dataset.states],
                    [label.color for label in dataset.states],
                ),
            ),
            "Share of each state on each contig, and the number of sites at the right. Splits "
            "should look alike.",
            key=tuple(
                Key(
                    label.name if label.title == label.name else f"{label.name} {label.title}",
                    css(label.color),
                    "area",
                )
                for label in dataset.states
            ),
        )
    both = (*dataset.states, *dataset.labels)
    joined = [
        (*one, *other)
        for one, other in zip(dataset.state_counts, dataset.label_counts, strict=True)
    ]
    splits = list(dict.fromkeys(split for _, split in dataset.contigs))
    totals = {
        split: [
            sum(
                row[at] for row, (_, of) in zip(joined, dataset.contigs, strict=True) if of == split
            )
            for at in range(len(both))
        ]
        for split in splits
    }
    if both:
        yield FigureBlock(
            (label_counts([label.name for label in both], totals),),
            "Sites of each state and label in each split. Labels with few sites are learnt badly "
            "and scored with wide intervals.",
        )
        yield _counts_table(dataset, joined)
    if len(dataset.overlap_names) > 1:
        yield FigureBlock(
            (overlap_matrix(dataset.overlap, dataset.overlap_names),),
            "How far labels lie at the same sites: sites of both by sites of either (Jaccard "
            "index); 1 would be the same sites, 0 none in common.",
        )


def _counts_table(dataset: DatasetReport, joined: Sequence[Sequence[int]]) -> TableBlock:
    contigs = list(zip(dataset.contigs, dataset.sites, joined, strict=True))
    rows = [
        (
            Cell("all sites"),
            Cell(f"{sum(dataset.sites):,}"),
            *(Cell(f"{sites:,}") for _, sites, _ in contigs),
        )
    ]
    for at, label in enumerate((*dataset.states, *dataset.labels)):
        rows.append(
            (
                label_cell(label.name, label.title, label.color),
                Cell(f"{sum(row[at] for row in joined):,}"),
                *(Cell(f"{counts[at]:,}") for _, _, counts in contigs),
            )
        )
    return TableBlock(
        "Sites by label and contig.",
        (
            Column("label", numeric=False),
            Column("all"),
            *(Column(f"{contig} ({split})") for (contig, split), _, _ in contigs),
        ),
        tuple(rows),
        folded=True,
    )


def _config(data: ReportData) -> tuple[Block, ...]:
    text = data.config.strip()
    return (CodeBlock(text, "Configuration, TOML"),) if text else ()


# ---- What made the result: values, files, versions.

_FOLD = 12
"""Rows from which on a table is folded."""


def provenance(record: Mapping[str, Any]) -> Iterator[Block]:
    """A table of plain values, then a table for each mapping in it."""
    single = {key: value for key, value in record.items() if not isinstance(value, Mapping)}
    if single:
        yield TableBlock(
            "What made this result.",
            (Column("", numeric=False), Column("", numeric=False)),
            tuple((Cell(words(key)), _value(value)) for key, value in single.items()),
        )
    for key, value in record.items():
        if not isinstance(value, Mapping) or not value:
            continue
        inner = [item for item in value.values() if isinstance(item, Mapping)]
        fields = list(dict.fromkeys(name for item in inner for name in item))
        if len(inner) == len(value):
            rows = tuple(
                (Cell(str(name)), *(_value(item.get(one, MISSING)) for one in fields))
                for name, item in value.items()
            )
            columns = tuple(Column(words(name), numeric=False) for name in ("", *fields))
        else:
            rows = tuple((Cell(str(name)), _value(item)) for name, item in value.items())
            columns = (Column("", numeric=False), Column("", numeric=False))
        yield TableBlock(words(key).capitalize() + ".", columns, rows, folded=len(rows) > _FOLD)


def _value(value: object) -> Cell:
    if isinstance(value, Mapping):
        return Cell(", ".join(f"{words(k)} {plain(v)}" for k, v in value.items()))
    if isinstance(value, list | tuple):
        return Cell(", ".join(plain(item) for item in value))
    text = plain(value)
    return Cell(text, code=len(text) >= 32 and " " not in text or text.startswith("chromputer "))


# ---- The report of a training run.


def write_training_report(trained: Trained, config: TrainConfig, text: str) -> Path:
    """Write ``report.html`` beside the logs of a training run.

    Args:
        trained: what came of it.
        config: the configuration that was trained.
        text: the configuration's.

    Returns:
        The file.

    Raises:
        ChromputerError: the logs or the fragments cannot be read, or the file not be written.
    """
    # Loads torch, which other reports do without.
    from chromputer_tracks.model.checkpoints import METRICS

    spec = trained.spec
    history = read_history(trained.folder / "training" / METRICS)
    path = trained.folder / "training" / "report.html"
    write_report(
        path,
        ReportData(
            title=spec.name,
            kind="training",
            subtitle=" ".join(config.description.split()),
            models=(ScoredModel("network", trained.scores, spec, trained.sites),),
            baselines=tuple(ScoredModel(*item) for item in trained.baselines.items()),
            history=history,
            best_epoch=int(max(history, key=_validation_score)["epoch"]),
            vplots=_training_vplots(trained, config),
            config=text,
            provenance=spec.provenance,
        ),
    )
    return path


def _validation_score(row: Mapping[str, float]) -> float:
    """As training compares epochs: the first of the best, and not a number is the worst."""
    score = row["validation_score"]
    return -math.inf if math.isnan(score) else score


def _training_vplots(trained: Trained, config: TrainConfig) -> tuple[VplotSet, ...]:
    """By true and predicted state, of the fragments of the only sample that is learnt from."""
    train = [sample for sample in config.all_samples() if sample.use == "train"]
    if trained.scores.states is None or len(train) > 1:
        return ()
    labels = next(head.labels for head in trained.spec.heads if head.kind == "states")
    # Only the fragments are looked at.
    fragments = replace(config, auxiliary=None, sites=SitesConfig())
    with open_sources(fragments) as sources:
        (sample,) = sources.training_samples
        return tuple(assay_vplots(sources.sizes, sample, trained.sites, labels))


def assay_vplots(
    sizes: ChromSizes,
    sample: LabelledSample,
    sites: LabelledSites,
    states: tuple[Label, ...],
    of: str = "",
) -> Iterator[VplotSet]:
    """V-plots by true and predicted state, one set for each of a sample's fragment files.

    Args:
        sizes: the genome's contigs.
        sample: open.
        sites: sites with predictions of the states.
        states: labels of the states.
        of: what follows the assay's name in the title.
    """
    for assay, store in sample.assays.items():
        if isinstance(store, FragmentStore):
            yield state_vplots(f"{assay}{of}", store, sizes, sites, states)

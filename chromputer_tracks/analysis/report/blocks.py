"""What a report is made from, and what its page shows: sections of blocks, no HTML."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from chromputer_tracks.errors import FormatError
from chromputer_tracks.figures import RGB, css

if TYPE_CHECKING:
    from chromputer_tracks.analysis.vplots.aggregate import VplotSet
    from chromputer_tracks.evaluation.metrics import Estimate
    from chromputer_tracks.evaluation.scores import PairedTest, Scores
    from chromputer_tracks.evaluation.sites import LabelledSites
    from chromputer_tracks.io.record import Finding
    from chromputer_tracks.spec import Label, ModelSpec

MISSING = "–"

FIGURES = {
    "accuracy": "accuracy of the states",
    "macro_f1": "macro-F1 of the states",
    "auprc": "AUPRC",
    "mean_auprc": "mean AUPRC of the labels",
}
"""What the figures of a paired test are called."""


@dataclass(frozen=True, slots=True)
class Strip:
    """A small picture of an estimate on an axis from 0 to 1, beside its number.

    Attributes:
        value: the dot.
        low: lower end of its interval.
        high: upper end of its interval.
        marks: ticks of what it is compared with.
    """

    value: float
    low: float
    high: float
    marks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: shown.
        note: smaller, behind it: an interval, a full name.
        color: colour of a swatch in front of it, CSS.
        strip: drawn in place of text.
        strong: the best of its row or column.
        code: monospaced and breakable, such as a checksum.
    """

    text: str
    note: str = ""
    color: str = ""
    strip: Strip | None = None
    strong: bool = False
    code: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column's title, whether it stands to the right, and what it means (shown on hover)."""

    title: str
    numeric: bool = True
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class TextBlock:
    """A paragraph; ``warning`` sets it off."""

    text: str
    warning: bool = False
    block: ClassVar[str] = "text"


@dataclass(frozen=True, slots=True)
class HeadingBlock:
    """A heading within a section."""

    text: str
    block: ClassVar[str] = "heading"


@dataclass(frozen=True, slots=True)
class TableBlock:
    """A table; the first cell of each row is its header. ``folded``: shown on a click."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False
    block: ClassVar[str] = "table"


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of the key above figures: ``line``, ``dotted`` line or ``area`` of a CSS colour."""

    name: str
    color: str
    mark: str = "line"


@dataclass(frozen=True, slots=True)
class FigureBlock:
    """Figures with one caption.

    Attributes:
        figures: SVG from :mod:`.figures`.
        caption: what they show, in one plain sentence or two.
        layout: ``one`` (as wide as it is), ``pair`` (two in a row), ``grid`` (small panels), or
            ``couples`` (small panels that belong together two by two).
        key: shown above them.
        foot: a further SVG under them, such as a colour scale.
        heads: what stands over each couple.
    """

    figures: tuple[str, ...]
    caption: str
    layout: str = "one"
    key: tuple[Key, ...] = ()
    foot: str = ""
    heads: tuple[Cell, ...] = ()
    block: ClassVar[str] = "figure"


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and a value of the summary's list."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class FactsBlock:
    """A list of facts."""

    facts: tuple[Fact, ...]
    block: ClassVar[str] = "facts"


@dataclass(frozen=True, slots=True)
class Headline:
    """A figure of the summary.

    Attributes:
        name: name of the figure.
        strip: the estimate, with the baseline as its mark.
        text: the value.
        interval: in brackets.
        against: the best baseline and its value.
        gain: signed difference to it; empty without one.
        better: whether it is above 0.
    """

    name: str
    strip: Strip
    text: str
    interval: str
    against: str = ""
    gain: str = ""
    better: bool = True


@dataclass(frozen=True, slots=True)
class HeadlinesBlock:
    """The summary's figures."""

    headlines: tuple[Headline, ...]
    block: ClassVar[str] = "headlines"


@dataclass(frozen=True, slots=True)
class FindingsBlock:
    """What was judged of a sample, each with its level."""

    findings: tuple[Finding, ...]
    block: ClassVar[str] = "findings"


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Preformatted text with a name for those who cannot see it."""

    text: str
    name: str
    block: ClassVar[str] = "code"


Block = (
    TextBlock
    | HeadingBlock
    | TableBlock
    | FigureBlock
    | FactsBlock
    | HeadlinesBlock
    | FindingsBlock
    | CodeBlock
)


@dataclass(frozen=True, slots=True)
class Section:
    """A section with its anchor; one without blocks is left out."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


def number(value: float) -> str:
    """Three decimals, a true minus sign, an en dash where there is no value."""
    return f"{value:.3f}".replace("-", "−") if math.isfinite(value) else MISSING


def signed(value: float) -> str:
    """As :func:`number`, with its sign."""
    return f"{value:+.3f}".replace("-", "−") if math.isfinite(value) else MISSING


def share(value: float) -> str:
    """Three significant digits, for prevalences."""
    return f"{value:#.3g}" if math.isfinite(value) else MISSING


def interval(estimate: Estimate, form: str = ".3f") -> str:
    """``[0.722, 0.770]``; empty without an interval."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return ""
    return f"[{estimate.low:{form}}, {estimate.high:{form}}]".replace("-", "−")


def estimate_cell(estimate: Estimate | None, *, strong: bool = False) -> Cell:
    """A figure with its interval; an en dash where there is none."""
    if estimate is None or not math.isfinite(estimate.value):
        return Cell(MISSING)
    return Cell(number(estimate.value), interval(estimate), strong=strong)


def strip_cell(estimate: Estimate, marks: tuple[float, ...] = ()) -> Cell:
    """The picture of a figure and of what it is compared with."""
    if not math.isfinite(estimate.value):
        return Cell("")
    return Cell("", strip=strip(estimate, marks))


def strip(estimate: Estimate, marks: tuple[float, ...] = ()) -> Strip:
    """See :class:`Strip`; a missing interval has no width, values are cut at 0 and 1."""

    def cut(value: float, missing: float) -> float:
        return min(max(value if math.isfinite(value) else missing, 0.0), 1.0)

    value = cut(estimate.value, 0.0)
    return Strip(
        value,
        cut(estimate.low, value),
        cut(estimate.high, value),
        tuple(cut(mark, 0.0) for mark in marks if math.isfinite(mark)),
    )


def label_cell(name: str, title: str, color: RGB) -> Cell:
    """A label's name with its swatch and, where it says more, its full name.

    Of ``Reb1 (general regulatory factor)``, what is in brackets says more than ``Reb1``.
    """
    more = "" if title == name else title
    if title.startswith(f"{name} (") and title.endswith(")"):
        more = title[len(name) + 2 : -1]
    return Cell(name, more, css(color))


def plain(value: object) -> str:
    """A value of a record or a table: numbers with separators, or to four digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def words(key: object) -> str:
    """The name of a value of a record, without its underscores."""
    return str(key).replace("_", " ")


# ---- What a report is made from; the commands fill it, :mod:`.report.page` shows it.

Kind = Literal["training", "evaluation", "ablation", "dataset"]


@dataclass(frozen=True, slots=True)
class ScoredModel:
    """A model, a baseline or the ceiling, and what it scored.

    Attributes:
        name: short, as tables and figures show it.
        scores: at the sites.
        spec: gives the labels their titles and colours, and the summary its inputs; None: names
            alone.
        sites: the sites that were scored, for the summary's number and contigs; None: not said.
    """

    name: str
    scores: Scores
    spec: ModelSpec | None = None
    sites: LabelledSites | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """A figure of every model on every sample.

    Attributes:
        what: the figure (``accuracy``).
        models: rows: what each was trained on.
        samples: columns: what it was scored on.
        values: (models, samples); NaN where not scored.
    """

    what: str
    models: tuple[str, ...]
    samples: tuple[str, ...]
    values: tuple[tuple[Estimate, ...], ...]


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """Labels by contig and split.

    Attributes:
        contigs: name and split (``train``, ``validation``, ``test``) of each contig.
        sites: number of sites with any label, of each contig.
        states: the states, of which a site has one; may be empty.
        state_counts: (contigs, states): sites.
        labels: the binary labels, of which a site may have several; may be empty.
        label_counts: (contigs, labels): positive sites.
        overlap_names: names of the rows and columns of ``overlap``.
        overlap: Jaccard index of each pair, NaN where neither has a site.
    """

    contigs: tuple[tuple[str, str], ...]
    sites: tuple[int, ...]
    states: tuple[Label, ...]
    state_counts: tuple[tuple[int, ...], ...]
    labels: tuple[Label, ...]
    label_counts: tuple[tuple[int, ...], ...]
    overlap_names: tuple[str, ...] = ()
    overlap: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class PlainTable:
    """A further table of text.

    Attributes:
        caption: one sentence that says what the rows are.
        header: the columns' titles.
        rows: cells; the first of each names the row. Numbers stand to the right.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str | float | int, ...], ...]


@dataclass(frozen=True, slots=True)
class ReportData:
    """All that a report may show; see the module's docstring.

    Attributes:
        title: the page's title.
        kind: what the report is about.
        subtitle: one line under the title.
        summary: what was done, one paragraph for a reader who knows nothing of it.
        models: the first is the one that the report is about, with all its figures; the others
            stand beside it in the comparisons.
        baselines: what the models are compared with, on the same sites.
        ceiling: the best that can be expected (agreement of replicates).
        paired: tests between models.
        history: a row an epoch, from :func:`read_history`.
        best_epoch: the epoch that was chosen, as ``epoch`` in ``history`` counts.
        vplots: by true (and predicted) state or class, one set a sample.
        transfer: figures of models on samples.
        dataset: labels by contig and split.
        tables: further tables, shown with the dataset.
        config: the configuration, TOML.
        provenance: versions, seeds, SHA-256, command; values may be dicts and lists.
        notes: plain text, paragraphs apart by an empty line.
    """

    title: str
    kind: Kind
    subtitle: str = ""
    summary: str = ""
    models: tuple[ScoredModel, ...] = ()
    baselines: tuple[ScoredModel, ...] = ()
    ceiling: ScoredModel | None = None
    paired: tuple[PairedTest, ...] = ()
    history: tuple[Mapping[str, float], ...] = ()
    best_epoch: int | None = None
    vplots: tuple[VplotSet, ...] = ()
    transfer: Transfer | None = None
    dataset: DatasetReport | None = None
    tables: tuple[PlainTable, ...] = ()
    config: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notes: str = ""


def read_history(path: Path) -> tuple[dict[str, float], ...]:
    """Rows of a run's ``metrics.csv``; empty cells are NaN.

    Raises:
        FormatError: a cell is not a number, or there is no column ``epoch``.
    """
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if "epoch" not in (reader.fieldnames or ()):
            raise FormatError(f"{path}: line 1 has no column 'epoch'; is it a run's metrics.csv?")
        try:
            return tuple(
                {name: float(value or "nan") for name, value in row.items()} for row in reader
            )
        except ValueError as error:
            raise FormatError(f"{path}: line {reader.line_num}: {error}") from error

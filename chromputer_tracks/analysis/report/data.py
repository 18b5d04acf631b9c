"""What a report is made from; the commands fill it, :mod:`.report.page` shows it.

Everything has a default but the title and the kind: sections without data do not appear. A report
of a training run needs little more than::

    ReportData(
        title="yeast-atac",
        kind="training",
        models=(ModelReport("network", spec, score(sites, spec.heads), sites),),
        baselines=(("majority class", majority_scores),),
        history=read_history(run / "metrics.csv"),
        best_epoch=12,
        vplots=(state_vplots("ATAC-seq", store, store.sizes, sites, spec.heads[0].labels),),
        config=config_path.read_text(),
        provenance=spec.provenance,
    )
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from chromputer_tracks.analysis.figures import Line
from chromputer_tracks.analysis.vplots.aggregate import VplotSet
from chromputer_tracks.errors import FormatError
from chromputer_tracks.evaluation.paired import Difference
from chromputer_tracks.evaluation.scores import Estimate, Scores
from chromputer_tracks.evaluation.sites import Sites
from chromputer_tracks.spec import Label, ModelSpec

Kind = Literal["training", "evaluation", "ablation", "dataset"]


@dataclass(frozen=True, slots=True)
class ModelReport:
    """A model and what it scored.

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
    sites: Sites | None = None


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Differences between two models on the same sites.

    Attributes:
        first: name of the model that is better where a difference is above 0.
        second: name of the other.
        differences: from ``evaluation.paired.paired``.
    """

    first: str
    second: str
    differences: tuple[Difference, ...]


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
class Depth:
    """A figure against sequencing depth.

    Attributes:
        x: the depth and its unit (``fragments per kb``).
        y: the figure (``accuracy``).
        lines: one a model.
        ceiling: the best possible value, where it is known.
    """

    x: str
    y: str
    lines: tuple[Line, ...]
    ceiling: float | None = None


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
        overlap_names: of the rows and columns of ``overlap``.
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
        title: of the page.
        kind: of what.
        subtitle: one line under the title.
        summary: what was done, one paragraph for a reader who knows nothing of it.
        models: the first is the one that the report is about, with all its figures; the others
            stand beside it in the comparisons.
        baselines: name and scores of what the models are compared with, on the same sites.
        ceiling: name and scores of the best that can be expected (agreement of replicates).
        paired: tests between models.
        history: a row an epoch, from :func:`read_history`.
        best_epoch: the epoch that was chosen, as ``epoch`` in ``history`` counts.
        vplots: by true (and predicted) state or class, one set a sample.
        transfer: figures of models on samples.
        depth: a figure against depth.
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
    models: tuple[ModelReport, ...] = ()
    baselines: tuple[tuple[str, Scores], ...] = ()
    ceiling: tuple[str, Scores] | None = None
    paired: tuple[PairedTest, ...] = ()
    history: tuple[Mapping[str, float], ...] = ()
    best_epoch: int | None = None
    vplots: tuple[VplotSet, ...] = ()
    transfer: Transfer | None = None
    depth: Depth | None = None
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

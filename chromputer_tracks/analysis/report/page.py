"""A training run, an evaluation or a dataset as one HTML file that opens offline.

The page holds everything: figures are SVG inside it, styles are inline, there are no scripts, and
its content security policy forbids loading anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from chromputer_tracks import __version__
from chromputer_tracks.analysis.pages import Page
from chromputer_tracks.analysis.report.blocks import (
    DatasetReport,
    Depth,
    ModelReport,
    PairedTest,
    PlainTable,
    ReportData,
    Transfer,
    read_history,
)
from chromputer_tracks.analysis.report.sections import sections
from chromputer_tracks.analysis.vplots.aggregate import VplotSet, state_vplots
from chromputer_tracks.io.atomic import atomic_path
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.model.checkpoints import METRICS
from chromputer_tracks.model.config import SitesConfig, TrainConfig
from chromputer_tracks.model.sources import open_sources
from chromputer_tracks.model.training import Trained

__all__ = [
    "DatasetReport",
    "Depth",
    "ModelReport",
    "PairedTest",
    "PlainTable",
    "ReportData",
    "Transfer",
    "read_history",
    "render_report",
    "write_report",
]

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
    """Write the page; it appears only when it is complete.

    Raises:
        OutputError: it cannot be written.
    """
    page = render_report(data)
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


# ---- The report of a training run.


def write_training_report(trained: Trained, config: TrainConfig, text: str) -> Path:
    """Write ``report.html`` beside the logs of a training run.

    Args:
        trained: what came of it.
        config: of it.
        text: the configuration's.

    Returns:
        The file.

    Raises:
        ChromputerError: the logs or the fragments cannot be read, or the file not be written.
    """
    spec = trained.spec
    history = read_history(trained.folder / "training" / METRICS)
    path = trained.folder / "training" / "report.html"
    write_report(
        path,
        ReportData(
            title=spec.name,
            kind="training",
            subtitle=" ".join(config.description.split()),
            models=(ModelReport("network", trained.scores, spec, trained.sites),),
            baselines=tuple(trained.baselines.items()),
            history=history,
            best_epoch=int(max(history, key=_validation_score)["epoch"]),
            vplots=tuple(_vplots(trained, config)),
            config=text,
            provenance=spec.provenance,
        ),
    )
    return path


def _validation_score(row: Mapping[str, float]) -> float:
    """As training compares epochs: the first of the best, and not a number is the worst."""
    score = row["validation_score"]
    return -math.inf if math.isnan(score) else score


def _vplots(trained: Trained, config: TrainConfig) -> list[VplotSet]:
    """By true and predicted state, of the fragments of the only sample that is learnt from."""
    train = [sample for sample in config.all_samples() if sample.use == "train"]
    if trained.scores.states is None or len(train) > 1:
        return []
    labels = next(head.labels for head in trained.spec.heads if head.kind == "states")
    # Only the fragments are looked at.
    fragments = replace(config, auxiliary=None, sites=SitesConfig())
    with open_sources(fragments) as sources:
        (sample,) = sources.training_samples
        return [
            state_vplots(assay, store, sources.sizes, trained.sites, labels)
            for assay, store in sample.assays.items()
            if isinstance(store, FragmentStore)
        ]

"""The report of a training run."""

from __future__ import annotations

from pathlib import Path

from chromputer_tracks.analysis.report import write_report
from chromputer_tracks.analysis.report_data import ModelReport, ReportData, read_history
from chromputer_tracks.analysis.vplots import VplotSet, state_vplots
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.model.config import TrainConfig
from chromputer_tracks.model.sources import open_sources
from chromputer_tracks.model.training import Trained


def write_training_report(trained: Trained, config: TrainConfig, text: str) -> Path:
    """Write ``report.html`` beside the logs of a training run.

    Args:
        trained: what came of it.
        config: of it.
        text: the configuration's.

    Returns:
        The file.
    """
    spec = trained.spec
    history = read_history(trained.folder / "training" / "metrics.csv")
    best = max(history, key=lambda row: row["validation_score"])
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
            best_epoch=int(best["epoch"]),
            vplots=tuple(_vplots(trained, config)),
            config=text,
            provenance=spec.provenance,
        ),
    )
    return path


def _vplots(trained: Trained, config: TrainConfig) -> list[VplotSet]:
    """By true and predicted state, of the fragments of the only sample."""
    if trained.scores.states is None or config.samples:
        return []
    labels = next(head.labels for head in trained.spec.heads if head.kind == "states")
    with open_sources(config) as sources:
        return [
            state_vplots(assay, store, sources.sizes, trained.sites, labels)
            for assay, store in sources.samples[0].assays.items()
            if isinstance(store, FragmentStore)
        ]

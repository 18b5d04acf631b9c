"""The report of a training run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from chromputer_tracks.analysis.report.data import ModelReport, ReportData, read_history
from chromputer_tracks.analysis.report.page import write_report
from chromputer_tracks.analysis.vplots.aggregate import VplotSet, state_vplots
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.model.checkpoints import METRICS
from chromputer_tracks.model.config import SitesConfig, TrainConfig
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

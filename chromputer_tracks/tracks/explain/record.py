"""What an explaining run is asked, and what its ``run.json`` says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chromputer_tracks.inference.explain import DEFAULT_REFERENCES, Explainer, Method
from chromputer_tracks.inference.registry import Model
from chromputer_tracks.inference.run_record import run_record
from chromputer_tracks.inference.sample import Sample, SampleFiles
from chromputer_tracks.inference.session import ProviderChoice
from chromputer_tracks.inference.stages import Stages
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.spec import ModelSpec
from chromputer_tracks.tracks.explain.layout import fragment_classes
from chromputer_tracks.tracks.explain.merge import MergeRule
from chromputer_tracks.tracks.explain.tally import COMPLETENESS, LabelSummary

ALL = "all"
"""Names every label."""
KIND = "explain"
"""What ``run.json`` says wrote the folder."""
COMPLETENESS_KEY = "completeness_error"
"""Where ``run.json`` says how the error is defined."""


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """What to explain, where, and how.

    Attributes:
        model: a model folder or a shipped model's name.
        sample: the genome and the sample's files.
        out: folder of the results; made when only its parent exists.
        heads: names of labels, or :data:`ALL`.
        regions: BED or narrowPeak of the sites; None: the calls of each label.
        chroms: contigs, or regions such as ``chrI:1,001-2,000``: only sites there; empty: all.
        method: of explaining.
        references: dinucleotide shuffles a window.
        seed: of the shuffles, and of which of equally strong sites are taken.
        baseline: reference of V-plots and signals: nothing, or the genome's mean.
        merge: what a base of several windows gets.
        step: bp; windows every so many bases along each region; None: one window a site.
        max_sites: explain the strongest so many of each label; None: all.
        images: pictures of so many sites of each label.
        provider: ``auto``, ``cpu``, ``cuda`` or ``tensorrt``.
        threads: CPU threads; None: those that the process may use.
        force: write into a folder that holds other things than an earlier run.
        command: the command line, for ``run.json``.
    """

    model: str | Path
    sample: SampleFiles
    out: Path
    heads: tuple[str, ...]
    regions: Path | None = None
    chroms: tuple[str, ...] = ()
    method: Method = "deeplift"
    references: int = DEFAULT_REFERENCES
    seed: int = 0
    baseline: Literal["zero", "mean"] = "zero"
    merge: MergeRule = "centre"
    step: int | None = None
    max_sites: int | None = None
    images: int = 0
    provider: ProviderChoice = "auto"
    threads: int | None = None
    force: bool = False
    command: tuple[str, ...] = ()


def label_record(
    summary: LabelSummary, candidates: int, spec: ModelSpec, weights: NDArray[np.float32]
) -> dict[str, Any]:
    """What ``run.json`` says of a label.

    Args:
        summary: figures.
        candidates: sites of which the strongest were taken.
        spec: of the model.
        weights: float32 (outputs,), of the logits in what is explained; those that are not 0 are
            listed by ``HEAD.LABEL``.
    """
    names = [f"{head.name}.{label.name}" for head in spec.heads for label in head.labels]
    listed = {name: float(w) for name, w in zip(names, weights, strict=True) if w != 0}
    return asdict(summary) | {"candidates": candidates, "weights": listed}


def explain_record(
    options: ExplainOptions,
    model: Model,
    explainer: Explainer,
    sizes: ChromSizes,
    sample: Sample,
    checksums: Mapping[str, Mapping[str, str | int]],
    labels: Mapping[str, Mapping[str, Any]],
    outputs: Iterable[str],
    started: datetime,
    stages: Stages,
) -> dict[str, Any]:
    """What ``run.json`` holds.

    Args:
        options: of the run.
        model: the model.
        explainer: what ran.
        sizes: the genome's contigs.
        sample: the open sample.
        checksums: path, size and SHA-256 of the files by role.
        labels: :func:`label_record` by label.
        outputs: the files, relative to the folder.
        started: when.
        stages: times.
    """
    spec = model.spec
    named = ("method", "references", "seed", "baseline", "merge", "step", "max_sites", "chroms")
    return run_record(
        KIND, options.command, started, model, explainer.session, sizes, sample, checksums, stages
    ) | {
        "sites": "calls" if options.regions is None else "regions",
        **{name: getattr(options, name) for name in named},
        "fragment_options": asdict(options.sample.fragment_options),
        "window": spec.window,
        COMPLETENESS_KEY: COMPLETENESS,
        "fragment_classes": {
            item.name: {
                part.name or "all": [part.shortest, part.longest]
                for part in fragment_classes(item.length_edges)
            }
            for item in spec.inputs
            if item.kind == "vplot"
        },
        "labels": dict(labels),
        "outputs": sorted(outputs),
    }

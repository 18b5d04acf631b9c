"""What every command that runs a model says in ``run.json``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chromputer_tracks.inference.provenance import versions
from chromputer_tracks.inference.registry import Model
from chromputer_tracks.inference.sample import Sample, assay_record
from chromputer_tracks.inference.session import Session
from chromputer_tracks.inference.stages import Stages
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.spec import ModelSpec

SPEC = "spec"
"""Where the model's record holds its spec, so that results can be read without the model."""
GRAPHS = ("model", "explain")
"""Roles of the model's own files among the checksums."""


def run_record(
    kind: str,
    command: Sequence[str],
    started: datetime,
    model: Model,
    session: Session,
    sizes: ChromSizes,
    sample: Sample,
    checksums: Mapping[str, Any],
    stages: Stages,
) -> dict[str, Any]:
    """The part of a run's record that all commands share.

    Args:
        kind: the command.
        command: the command line.
        started: when.
        model: what ran.
        session: on what.
        sizes: the genome's contigs.
        sample: the open sample.
        checksums: path, size and SHA-256 of the files by role, of :data:`GRAPHS` among them.
        stages: times and memory.
    """
    graph = dict(checksums["model"])
    if "explain" in checksums:
        graph["explain"] = checksums["explain"]
    return {
        "kind": kind,
        "command": shlex.join(command),
        "directory": str(Path.cwd()),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round((datetime.now(UTC) - started).total_seconds(), 3),
        "versions": versions(),
        "provider": {
            "name": session.provider,
            "reason": session.reason,
            "threads": session.threads,
        },
        "model": {"name": model.name, **graph, SPEC: _described(model.spec)},
        "inputs": {role: item for role, item in checksums.items() if role not in GRAPHS},
        "genome": {
            "contigs": len(sizes),
            "bases": sizes.total,
            "digest": sizes.digest(),
            "model_assembly": model.spec.assembly,
            "same_as_model": sizes.digest() == model.spec.sizes_digest,
        },
        "assays": {name: assay_record(source) for name, source in sample.assays.items()},
        "peak_mb": round(stages.peak_mb(), 1),
        "stages": stages.report(),
    }


def _described(spec: ModelSpec) -> dict[str, Any]:
    """The spec without its figures and its own provenance, which would fill the record."""
    described: dict[str, Any] = json.loads(replace(spec, metrics={}, provenance={}).to_json())
    return described

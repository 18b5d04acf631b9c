"""Records of runs, as commands leave them in their folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chromputer_tracks.io.record import RUN_JSON, ModelRecord, RunRecord


def write_record(folder: Path, kind: str, model: str = "", outputs=(), **options: Any) -> None:
    """The ``run.json`` of a command that ran with these options, and a model of this name."""
    record = RunRecord(
        kind=kind,
        command=f"chromputer {kind}",
        directory="/",
        started="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        versions={},
        options=options,
        inputs={},
        outputs=tuple(outputs),
        peak_mb=1.0,
        stages={},
        model=ModelRecord(model, f"{model}.onnx", 1, "0" * 64, {}) if model else None,
    )
    (folder / RUN_JSON).write_text(record.to_json())

"""A report that remembers what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Notes:
    """Lines, and how far each stage was by its name."""

    lines: list[str] = field(default_factory=list)
    stages: dict[str, list[int]] = field(default_factory=dict)

    def note(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, stage: str, done: int, total: int | None, unit: str) -> None:
        assert total is None or 0 <= done <= total
        self.stages.setdefault(stage, []).append(done)

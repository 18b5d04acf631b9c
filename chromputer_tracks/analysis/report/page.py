"""A training run, an evaluation or a dataset as one HTML file that opens offline.

The page holds everything: figures are SVG inside it, styles are inline, there are no scripts, and
its content security policy forbids loading anything.
"""

from __future__ import annotations

from pathlib import Path

from chromputer_tracks import __version__
from chromputer_tracks.analysis.pages import Page
from chromputer_tracks.analysis.report.data import (
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
from chromputer_tracks.io.atomic import atomic_path

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

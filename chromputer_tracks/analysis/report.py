"""A training run, an evaluation or a dataset as one HTML file that opens offline.

The page holds everything: figures are SVG inside it, styles are inline, there are no scripts, and
its content security policy forbids loading anything.
"""

from __future__ import annotations

from pathlib import Path

import jinja2
from markupsafe import Markup

from chromputer_tracks import __version__
from chromputer_tracks.analysis.report_data import (
    DatasetReport,
    Depth,
    ModelReport,
    PairedTest,
    PlainTable,
    ReportData,
    Transfer,
    read_history,
)
from chromputer_tracks.analysis.report_sections import sections
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
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("chromputer_tracks.analysis", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # The figures and the style sheet are made by this package, with their texts escaped.
    environment.filters["svg"] = Markup
    style, _, _ = environment.loader.get_source(environment, "report.css")  # type: ignore[union-attr]
    page = environment.get_template("report.html.j2").render(
        data=data,
        kind=_KINDS[data.kind],
        sections=sections(data),
        style=Markup(style),  # noqa: S704
        version=__version__,
    )
    return page.lstrip()


def write_report(path: Path, data: ReportData) -> None:
    """Write the page; it appears only when it is complete.

    Raises:
        OutputError: it cannot be written.
    """
    page = render_report(data)
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")

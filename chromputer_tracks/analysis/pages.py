"""Files of results as text: self-contained HTML pages from templates, and whatever else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from chromputer_tracks.io.atomic import output_errors
from chromputer_tracks.io.text import write_tsv

Value = str | int | float
"""What a cell of a table holds."""


class Page:
    """A template of :mod:`chromputer_tracks.analysis`; every text that it is given is escaped."""

    def __init__(self, template: str) -> None:
        self._loader = jinja2.PackageLoader("chromputer_tracks.analysis", "templates")
        environment = jinja2.Environment(
            loader=self._loader,
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
        # Figures are made by this package, with their texts escaped.
        environment.filters["svg"] = Markup
        self._environment = environment
        self._template = environment.get_template(template)

    def own(self, *names: str) -> Markup:
        """Style sheets or scripts of this package, one after the other, as they are."""
        parts = [self._loader.get_source(self._environment, name)[0] for name in names]
        return Markup("\n".join(parts))  # noqa: S704

    def render(self, **values: Any) -> str:
        """The page, HTML5."""
        return self._template.render(**values).lstrip()


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write texts by their names in a folder of results, making the folders in it.

    Raises:
        OutputError: one cannot be written.
    """
    with output_errors(folder):
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")


def write_rows(path: Path, rows: Iterable[Mapping[str, Value]], comment: str = "") -> None:
    """Write a table whose rows name its columns; nothing but the comment where there is none.

    Raises:
        OutputError: it cannot be written.
    """
    lines = list(rows)
    if lines:
        header = list(lines[0])
        values = ([line[name] for name in header] for line in lines)
        write_tsv(path, header, values, [comment] if comment else ())
    else:
        write_texts(path.parent, {path.name: f"# {comment}\n" if comment else ""})

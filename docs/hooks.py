"""MkDocs hooks: files of the checkout outside docs/ that the pages link to are in the site, too.

Pages link to them as ``../models/yeast-atac.toml``, which is right in a checkout; in the site they
lie below the pages, under the same path.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
OUTSIDE = (
    "CHANGELOG.md",
    "benchmarks/README.md",
    "examples/yeast/README.md",
    "models/yeast-atac.toml",
    "models/yeast-atac/README.md",
)
"""Files that are put into the site, relative to the root of the checkout."""

_UP = re.compile(r"(\]\()\.\./(?=[\w./-])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files of :data:`OUTSIDE`."""
    for name in OUTSIDE:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links that leave docs/ to where the files are in the site."""
    return markdown if page.file.src_uri in OUTSIDE else _UP.sub(r"\1", markdown)

"""The documentation site: its links, the options that it names, its pages, and how it is built."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import typer
from docs_pages import DOCS, ROOT, blocks

from chromputer_tracks.cli.main import app

PAGES = sorted(DOCS.glob("*.md"))
READ = [*PAGES, ROOT / "README.md", ROOT / "benchmarks" / "README.md"]
# Options of other programs that the pages name outside of a command.
OTHERS = {"--build-arg", "--logdir", "--network", "--slurm-no-account"}


@cache
def commands() -> dict[str, set[str]]:
    """Each command's options."""
    group: Any = typer.main.get_command(app)
    return {
        name: {text for option in command.params for text in option.opts + option.secondary_opts}
        | {"--help", "-h"}
        for name, command in group.commands.items()
    }


def wrong_options(text: str) -> list[str]:
    """Commands and options in a page that ``chromputer`` does not have."""
    wrong = []
    code = "\n".join(block.text for block in blocks(text))
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`([^`\n]+)`", prose)
    lines = [*code.replace("\\\n", " ").splitlines(), *inline]
    for line in lines:
        for call in re.findall(r"(?:^|[\s$(])chromputer +([a-z]+\b[^|&;#>]*)", line):
            name, *words = call.split()
            if name not in commands():
                wrong.append(f"chromputer {name}")
                continue
            options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
            wrong += [f"chromputer {name} {word}" for word in sorted(options - commands()[name])]
    known = set().union(*commands().values()) | OTHERS
    named = [word.split()[0] for word in inline if re.match(r"--[a-z]", word)]
    return wrong + [word for word in named if word not in known]


@pytest.mark.parametrize("page", READ, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_option_exists(page: Path) -> None:
    assert wrong_options(page.read_text(encoding="utf-8")) == []


def test_a_wrong_option_is_seen() -> None:
    assert wrong_options("Say `--fastq`.\n") == ["--fastq"]
    page = "```sh\n$ chromputer predict x \\\n    --fastq y --out z\n$ chromputer predct\n```\n"
    assert wrong_options(page) == ["chromputer predict --fastq", "chromputer predct"]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as MkDocs and GitHub make them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", t).strip().lower()) for t in titles}


@pytest.mark.parametrize("page", READ, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if urlsplit(link).scheme:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


def test_the_navigation_has_every_page() -> None:
    listed = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    assert {path.name for path in PAGES} <= set(listed)
    assert len(listed) == len(set(listed))
    assert all((DOCS / name).is_file() or (ROOT / name).is_file() for name in listed)


class Page(HTMLParser):
    """What a built page loads and links to, and its ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids |= {values["id"] or ""} if "id" in values else set()
        if tag in ("script", "img", "iframe") and values.get("src"):
            self.loads.append(values["src"] or "")
        if tag == "link" and "canonical" not in (values.get("rel") or ""):
            self.loads.append(values.get("href") or "")
        if tag == "a" and values.get("href"):
            self.links.append(values["href"] or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("MkDocs is not installed: pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    return folder


def test_the_site_is_whole_and_loads_nothing_from_elsewhere(site: Path) -> None:
    built = {path: Page(path.read_text("utf-8")) for path in site.rglob("*.html")}
    assert len(built) > len(PAGES)
    for path, page in built.items():
        for link in page.loads:
            assert not urlsplit(link).netloc, f"{path}: {link}"
        if path.name == "404.html":  # its links start from the root of wherever the site is
            continue
        for link in (*page.loads, *page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or not (parts.path or parts.fragment):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), f"{path}: {link}"
            if parts.fragment and target in built:
                assert parts.fragment in built[target].ids, f"{path}: {link}"
    for path in site.rglob("*.css"):
        text = path.read_text("utf-8")
        assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import\s+['\"]http", text), path


def test_lists_are_lists(site: Path) -> None:
    """GitHub begins a list within a paragraph, MkDocs does not."""
    for path in site.rglob("*.html"):
        shown = re.sub(r"<pre>.*?</pre>", "", path.read_text("utf-8"), flags=re.DOTALL)
        assert not re.search(r"^ *([-*]|\d+\.) ", shown, re.MULTILINE), path


def test_the_site_holds_no_hooks_and_shows_the_model_card(site: Path) -> None:
    assert not list(site.rglob("*.py"))
    card = (site / "models" / "yeast-atac" / "index.html").read_text("utf-8")
    assert "calling threshold" in card
    assert (site / "models" / "yeast-atac.toml").read_bytes() == (
        ROOT / "models" / "yeast-atac.toml"
    ).read_bytes()


def test_scripts_of_the_pages_are_shell() -> None:
    scripts = [b for page in PAGES for b in blocks(page.read_text("utf-8")) if b.kind == "bash"]
    assert scripts
    for block in scripts:
        done = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr

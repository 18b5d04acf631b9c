"""The examples of the documentation's pages do what is shown, on the yeast data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from docs_pages import DOCS, ROOT, blocks, run_page

TOGETHER = ("quickstart.md", "reading-tracks.md", "browsers.md")
RUN = {*TOGETHER, "check.md", "cluster.md", "human.md", "python-api.md"}
"""Pages whose examples are run, some of them in other tests than these."""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like the root of a checkout, to write into."""
    for name in ("examples", "models"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def undocumented(run: dict[str, object], text: str) -> list[str]:
    """Outputs of a run whose kind a page does not name."""
    outputs = run["outputs"]
    assert isinstance(outputs, list)
    names = {
        "states": "states/STATE",
        "binary": "binary/NAME",
    }
    missing = []
    for output in outputs:
        folder, _, rest = output.partition("/")
        if folder in names:
            shown = f"{names[folder]}.{rest.rpartition('.')[2]}"
        else:
            shown = rest.partition("/")[0] if run["kind"] == "explain" else output
            shown += "/" if "/" in rest else ""
        if f"`{shown}`" not in text:
            missing.append(output)
    return missing


def test_quickstart_reading_and_browsers(checkout: Path) -> None:
    wrong = [message for name in TOGETHER for message in run_page(name, page(name), checkout)]
    assert wrong == []
    for folder in ("tracks", "reb1"):
        run = json.loads((checkout / folder / "run.json").read_text())
        assert undocumented(run, page("reading-tracks.md")) == []
    assert undocumented({"kind": "predict", "outputs": ["new.bed"]}, "") == ["new.bed"]


def test_cluster(checkout: Path) -> None:
    assert list(run_page("cluster.md", page("cluster.md"), checkout)) == []
    assert (checkout / "predicted" / "wt" / "run.json").is_file()


def test_check(checkout: Path) -> None:
    assert list(run_page("check.md", page("check.md"), checkout)) == []


def test_no_page_shows_what_is_not_run() -> None:
    """As index.md says of commands with output and of Python at a prompt."""
    for path in DOCS.glob("*.md"):
        for block in blocks(path.read_text(encoding="utf-8")):
            shown = block.kind == "pycon" or any(output for _, output in block.commands())
            assert path.name in RUN or not shown, f"{path.name}:{block.line}"


def test_a_wrong_example_is_seen(tmp_path: Path) -> None:
    text = "```console\n$ echo one\none\n$ echo two\n2\n$ exit 3\n```\n"
    text += "```pycon\n>>> 1 + 1\n3\n```\n"
    two, exited, added = run_page("page.md", text, tmp_path)
    assert two.startswith("page.md:2: echo two")
    assert "exit code 3" in exited
    assert "Expected:\n    3" in added

"""The examples in docs/python-api.md do what the page says, in a folder with the example data."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import matplotlib
import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "python-api.md"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def run_page(text: str) -> tuple[int, str]:
    """Number of examples in the page's console blocks, and what differed."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert {kind for kind, _ in blocks} == {"pycon"}
    session = "\n".join(block for _, block in blocks)
    test = doctest.DocTestParser().get_doctest(session, {}, PAGE.name, str(PAGE), 0)
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append)
    assert result.attempted == len(test.examples)
    assert bool(said) == bool(result.failed)
    return result.attempted, "".join(said)


def test_the_examples_run_as_they_are_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    examples, said = run_page(PAGE.read_text(encoding="utf-8"))
    assert said == ""
    assert examples > 50
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"examples", "mine.tsv", "reb1.bed", "reb1.bw", "tracks"}
    calls = (tmp_path / "reb1.bed").read_text().splitlines()
    assert {line.split("\t")[0] for line in calls} <= {"chrI", "chrM"}
    assert len(calls) > 3


def test_a_wrong_example_is_seen() -> None:
    page = "```pycon\n>>> 1 + 1\n3\n\n```\n"
    examples, said = run_page(page)
    assert examples == 1
    assert "Expected:\n    3" in said

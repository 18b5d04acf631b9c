"""CITATION.cff keeps the Citation File Format 1.2.0 and agrees with the project."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import chromputer_tracks as ct

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))

KEYS = {
    "abstract", "authors", "cff-version", "commit", "contact", "date-released", "doi",
    "identifiers", "keywords", "license", "license-url", "message", "preferred-citation",
    "references", "repository", "repository-artifact", "repository-code", "title", "type", "url",
    "version",
}  # fmt: skip
REFERENCE_KEYS = {
    "authors", "date-published", "doi", "end", "identifiers", "issue", "journal", "notes", "start",
    "title", "type", "url", "volume", "year",
}  # fmt: skip
"""Those of the format that are in use here."""
REFERENCE_TYPES = {"article", "conference-paper", "slides", "software", "website"}
DOI = re.compile(r"10\.\d{4,9}(\.\d+)?/[A-Za-z0-9:/_;\-.()\[\]\\]+")


def problems(citation: dict[str, Any]) -> Iterator[str]:
    """What breaks the format, as far as this file uses it."""
    yield from (f"unknown key {key}" for key in citation.keys() - KEYS)
    for key in ("authors", "cff-version", "message", "title"):
        if not citation.get(key):
            yield f"no {key}"
    if citation.get("cff-version") != "1.2.0":
        yield "another version of the format"
    if citation.get("type", "software") not in ("software", "dataset"):
        yield "no type of work"
    for key in ("version", "title", "message", "abstract"):
        if key in citation and not isinstance(citation[key], str):
            yield f"{key} is no text"
    for item in [citation, *citation.get("references", [])]:
        for author in item.get("authors", []):
            if author.keys() not in ({"name"}, {"family-names", "given-names"}):
                yield f"author {author}"
        if not DOI.fullmatch(item.get("doi", "10.1000/1")):
            yield f"DOI {item['doi']}"
    for item in citation.get("references", []):
        yield from (f"unknown key {key} of a reference" for key in item.keys() - REFERENCE_KEYS)
        if not (item.get("authors") and item.get("title")):
            yield "reference without authors or title"
        if item.get("type") not in REFERENCE_TYPES:
            yield f"type {item.get('type')} of a reference"


def test_it_keeps_the_format_and_agrees_with_the_project():
    assert list(problems(CITATION)) == []
    assert CITATION["version"] == ct.__version__
    assert CITATION["title"] == f"{PROJECT['name']}: " + (
        PROJECT["description"][0].lower() + PROJECT["description"][1:]
    )
    assert CITATION["license"] == PROJECT["license"]
    assert CITATION["keywords"] == PROJECT["keywords"]
    assert [item["name"] for item in CITATION["authors"]] == [
        item["name"] for item in PROJECT["authors"]
    ]


def test_it_is_dated_once_it_is_released():
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased = f"## {ct.__version__} (unreleased)" in changes
    assert ("date-released" in CITATION) != unreleased


def test_the_method_is_cited():
    titles = {item["title"] for item in CITATION["references"]}
    assert "Local chromatin architecture of regulatory elements" in titles
    found = {item.get("doi") for item in CITATION["references"]}
    assert {"10.1073/pnas.1110731108", "10.48550/arXiv.1605.01713"} <= found


@pytest.mark.parametrize(
    ("where", "key", "value", "message"),
    [
        ((), "titel", "x", "unknown key titel"),
        ((), "authors", [], "no authors"),
        ((), "cff-version", "1.1.0", "another version of the format"),
        ((), "version", 0.1, "version is no text"),
        ((), "type", "paper", "no type of work"),
        (("authors", 0), "orcid", "0", "author {"),
        (("references", 1), "doi", "https://doi.org/10.1073/pnas.1110731108", "DOI https"),
        (("references", 1), "authors", [], "reference without authors or title"),
        (("references", 0), "type", "talk", "type talk of a reference"),
        (("references", 0), "pages", 3, "unknown key pages of a reference"),
    ],
)
def test_what_breaks_the_format_is_seen(where, key, value, message):
    broken = copy.deepcopy(CITATION)
    item = broken
    for step in where:
        item = item[step]
    item[key] = value
    (found,) = problems(broken)
    assert found.startswith(message)

"""The bioconda recipe asks for what pyproject.toml asks for, under conda's names."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from recipe_lint import name_of, render

import chromputer_tracks
from chromputer_tracks.cli import main

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RECIPE = render((ROOT / "bioconda-recipe" / "meta.yaml").read_text(encoding="utf-8"))

CONDA = {
    "matplotlib": "matplotlib-base",
    "pyBigWig": "pybigwig",
    "torch": "pytorch",
}
"""What conda calls packages that have another name there."""
PIP_ONLY = {"memelite", "modisco-lite"}
"""Packages that neither conda-forge nor bioconda has; ``chromputer motifs`` asks for them."""


def as_conda(requirements: list[str]) -> set[str]:
    """The requirements of pyproject.toml as a recipe writes them."""
    found = set()
    for item in map(Requirement, requirements):
        if item.name not in PIP_ONLY:
            found.add(f"{CONDA.get(item.name, item.name)} {item.specifier}".strip())
    return found


def required() -> set[str]:
    extras = PROJECT["project"]["optional-dependencies"]
    return as_conda(PROJECT["project"]["dependencies"] + extras["analysis"])


def test_version_and_python_are_the_projects():
    assert RECIPE["package"]["name"] == PROJECT["project"]["name"]
    assert RECIPE["package"]["version"] == chromputer_tracks.__version__
    python = f"python {PROJECT['project']['requires-python']}"
    for section in ("host", "run"):
        assert RECIPE["requirements"][section][0] == python


def test_what_runs_is_required():
    run = RECIPE["requirements"]["run"][1:]
    assert set(run) == required()
    assert run == sorted(set(run))


def test_what_builds_is_required():
    build = set(PROJECT["build-system"]["requires"])
    assert set(RECIPE["requirements"]["host"][1:]) == as_conda(list(build)) | {"pip"}


def test_training_is_optional():
    train = as_conda(PROJECT["project"]["optional-dependencies"]["train"])
    known = {name_of(item) for item in required()}
    optional = {item for item in train if name_of(item) not in known}
    assert set(RECIPE["requirements"]["run_constrained"]) == optional
    # What both extras name has one bound.
    assert {item for item in train if name_of(item) in known} <= required()


@pytest.mark.parametrize(
    "change",
    [
        lambda items: items[:-1],
        lambda items: [*items, "polars>=1"],
        lambda items: [item.replace(">=0.22", ">=0.23") for item in items],
        lambda items: [item.replace("pybigtools", "bigtools") for item in items],
    ],
)
def test_a_changed_dependency_is_seen(monkeypatch, change):
    items = PROJECT["project"]["dependencies"]
    changed = change(items)
    assert changed != items
    monkeypatch.setitem(PROJECT["project"], "dependencies", changed)
    with pytest.raises(AssertionError):
        test_what_runs_is_required()


def test_the_notes_tell_what_conda_lacks():
    notes = (ROOT / "bioconda-recipe" / "README.md").read_text(encoding="utf-8")
    for name in PIP_ONLY | set(CONDA.values()):
        assert f"`{name}`" in notes


def test_the_command_and_its_entry_point():
    ((name, target),) = PROJECT["project"]["scripts"].items()
    assert RECIPE["build"]["entry_points"] == [f"{name} = {target}"]
    module, _, function = target.partition(":")
    assert module == main.__name__
    assert callable(getattr(main, function))


def test_the_tests_run_commands_that_exist():
    commands = RECIPE["test"]["commands"]
    known = {command.name or command.callback.__name__ for command in main.app.registered_commands}
    for command in commands:
        if command.startswith("chromputer "):
            word = command.split()[1]
            assert word in known or word in ("--help", "--version")
    assert "chromputer doctor" in commands
    for module in RECIPE["test"]["imports"]:
        __import__(module)


def test_the_build_asks_for_the_runtime_that_conda_has():
    """conda's onnxruntime comes with or without CUDA under one name, and so does ours here."""
    (install,) = RECIPE["build"]["script"]
    assert install.startswith("$PYTHON -m pip install . ")
    ours = {item.name: item for item in map(Requirement, PROJECT["project"]["dependencies"])}
    assert ours["onnxruntime"].marker is None
    assert "onnxruntime-gpu" not in ours
    assert f"onnxruntime {ours['onnxruntime'].specifier}" in RECIPE["requirements"]["run"]


def test_the_licence_and_summary_are_the_projects():
    about = RECIPE["about"]
    assert about["license"] == PROJECT["project"]["license"]
    assert about["license_file"] == PROJECT["project"]["license-files"]
    assert all((ROOT / name).is_file() for name in about["license_file"])
    assert about["summary"].rstrip(".") == PROJECT["project"]["description"]

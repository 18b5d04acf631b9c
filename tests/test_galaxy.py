"""The Galaxy tools, without a server: ``make test-galaxy`` runs them in one."""

from __future__ import annotations

import importlib
import re
import tomllib
from typing import Any, get_args, get_type_hints

import pytest
import typer
from galaxy_tools import GALAXY, NAMES, Tool, read_tool, undefined

from chromputer_tracks import __version__
from chromputer_tracks.cli.main import app
from chromputer_tracks.inference.session import load_model, shipped_models

PROJECT = GALAXY.parent
DATA = GALAXY / "test-data"
# What the tools decide for their users.
LEFT_OUT = {
    "check": {"scratch", "force"},
    "predict": {"provider", "tile", "batch", "scratch", "force", "resume", "table"},
    "explain": {"provider", "scratch", "force"},
    "hub": {"scratch", "force", "url", "one-file", "link", "name", "any-assembly"},
}
MESSAGES = {"quiet", "verbose", "log-level"}
"""Options of every command."""


@pytest.fixture(scope="module", params=NAMES)
def tool(request: pytest.FixtureRequest) -> Tool:
    return read_tool(request.param)


def params_of(name: str) -> list[Any]:
    group: Any = typer.main.get_command(app)
    return list(group.commands[name].params)


def known_options(name: str) -> set[str]:
    return {
        option.removeprefix("--")
        for param in params_of(name)
        for option in (*param.opts, *param.secondary_opts)
        if option.startswith("--")
    }


def used_options(tool: Tool) -> set[str]:
    """In the command, in parameters that are options themselves, and made of names in loops."""
    found = set(re.findall(r"(?<![\w-])--([a-z][a-z0-9-]*)", tool.command))
    if "--$option" in tool.command:
        found |= set(re.findall(r"\('([a-z-]+)', \$", tool.command))
    for param in tool.params():
        values = [param.attrib.get("truevalue", ""), param.attrib.get("falsevalue", "")]
        values += [option.attrib["value"] for option in param.iter("option")]
        found |= {value.removeprefix("--") for value in values if value.startswith("--")}
    return found


def test_versions_and_requirements_are_the_packages(tool: Tool):
    name = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["name"]
    assert tool.root.attrib["version"] == f"{__version__}+galaxy0"
    needed = {item.text: item.attrib["version"] for item in tool.root.iter("requirement")}
    assert needed[name] == __version__
    assert set(needed) == {name, "samtools"}
    assert tool.root.attrib["id"] == f"chromputer_{tool.name}"


def test_every_variable_of_the_command_is_defined(tool: Tool):
    assert undefined(tool) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "wrong"),
    [
        ("predict", "$average_strands", "$average_strand", ["$average_strand"]),
        ("predict", "'$where.regions' '$regions'", "'$where.region' '$regions'", ["$where.region"]),
        ("explain", "'$how.seed'", "'$how.sead'", ["$how.sead"]),
        ("explain", '<param name="labels"', '<param name="heads"', ["$labels"]),
        ("check", "quote(str($model.for_assay))", "quote(str($model.assay))", ["$model.assay"]),
        ("hub", "$sample.name", "$sample.nane", ["$sample.nane", "$sample.nane"]),
        ("hub", "quote(str($email))", "quote(str($mail))", ["$mail"]),
    ],
)
def test_undefined_variables_are_found(name: str, old: str, new: str, wrong: list[str]):
    text = (GALAXY / f"chromputer_{name}.xml").read_text()
    assert old in text
    assert undefined(read_tool(name, text.replace(old, new))) == wrong


def test_options_are_the_commands(tool: Tool):
    used, known = used_options(tool), known_options(tool.name)
    assert used - known == set()
    assert known - used == LEFT_OUT[tool.name] | MESSAGES


def test_defaults_and_choices_are_the_commands(tool: Tool):
    options = {option: param for param in params_of(tool.name) for option in param.opts}
    module = importlib.import_module(f"chromputer_tracks.cli.{tool.name}")
    hints = get_type_hints(getattr(module, tool.name))
    compared = []
    for item in tool.params():
        option = options.get(item.attrib.get("argument", ""))
        if option is None:
            continue
        default = option.default
        if item.attrib["type"] == "integer" and "value" in item.attrib and default is not None:
            assert item.attrib["value"] == str(default)
            compared.append(option.opts[0].lstrip("-").replace("-", "_"))
        if item.attrib["type"] == "select":
            choices = {choice.attrib["value"]: choice.attrib for choice in item.iter("option")}
            assert list(choices) == list(get_args(hints[option.name]))
            assert [value for value, more in choices.items() if "selected" in more] == [default]
            compared.append(option.opts[0].lstrip("-").replace("-", "_"))
    wanted = {
        "check": ["min_mapq"],
        "predict": ["min_mapq"],
        "explain": ["method", "references", "seed", "baseline", "merge", "min_mapq"],
        "hub": [],
    }
    assert compared == wanted[tool.name]


@pytest.mark.parametrize("name", ["check", "predict", "explain"])
def test_shipped_models_can_be_chosen_and_are_described(name: str):
    tool = read_tool(name)
    (choice,) = (
        param
        for param in tool.params()
        if (param.attrib.get("name"), param.attrib["type"]) == ("name", "select")
    )
    assert [item.attrib["value"] for item in choice.iter("option")] == list(shipped_models())
    told = tool.root.findtext("help") or ""
    for model in shipped_models():
        assert f"``{model}``" in told
        for head in load_model(model).spec.heads:
            for label in head.labels:
                assert re.search(rf"\b{re.escape(label.name)}\b", told), label.name


def test_threads_are_those_that_galaxy_gives():
    for name in ("predict", "explain"):
        assert '--threads "\\${GALAXY_SLOTS:-1}"' in read_tool(name).command


def test_pictures_of_the_help_are_there(tool: Tool):
    told = tool.root.findtext("help") or ""
    addresses = re.findall(r"\.\. image:: (\S+)", told)
    assert addresses
    for address in addresses:
        # A server finds it there: of the ToolShed in static/images, else in its own folder static.
        place, name = address.split("/", 1)
        assert place == "${static_path}"
        assert name.startswith("chromputer/")
        # A blank picture packs to next to nothing.
        assert (GALAXY / "static/images" / name).stat().st_size > 5_000, name


def test_files_of_the_tests_are_there(tool: Tool):
    names = [
        name
        for param in (tool.root.find("tests") or ())
        for item in param.iter("param")
        if "ftype" in item.attrib
        for name in item.attrib["value"].split(",")
    ]
    assert names
    for name in names:
        assert (DATA / name).is_file(), name

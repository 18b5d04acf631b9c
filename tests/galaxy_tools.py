"""The Galaxy tools as Galaxy reads them: macros expanded, tokens replaced."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

GALAXY = Path(__file__).parents[1] / "galaxy"
NAMES = ("check", "predict", "explain", "hub")

Element = ElementTree.Element


@dataclass(frozen=True)
class Tool:
    """A tool.

    Attributes:
        name: of the command.
        root: of its XML.
    """

    name: str
    root: Element

    @property
    def command(self) -> str:
        """The template of the command."""
        return self.root.findtext("command") or ""

    def inputs(self) -> dict[str, set[str]]:
        """Name of each input that is no branch to the names below it (of all its cases)."""
        inputs = self.root.find("inputs")
        assert inputs is not None
        return {
            item.attrib.get("name") or argument_name(item): set(_below(item))
            for item in inputs
            if item.tag in ("param", "conditional", "repeat", "section")
        }

    def outputs(self) -> set[str]:
        """Names of the outputs."""
        return {item.attrib["name"] for item in self.root.find("outputs") or ()}

    def params(self) -> Iterator[Element]:
        """All parameters of the inputs."""
        inputs = self.root.find("inputs")
        assert inputs is not None
        return inputs.iter("param")


def argument_name(item: Element) -> str:
    """The name that Galaxy makes of ``argument="--min-mapq"``."""
    return item.attrib["argument"].lstrip("-").replace("-", "_")


def _below(item: Element) -> Iterator[str]:
    for param in item.iter():
        if param is not item and param.tag in ("param", "repeat", "conditional"):
            yield param.attrib.get("name") or argument_name(param)


def read_tool(name: str, text: str | None = None) -> Tool:
    """A tool of ``galaxy/``; ``text`` in the place of its file."""
    if text is None:
        text = (GALAXY / f"chromputer_{name}.xml").read_text()
    macros = ElementTree.fromstring((GALAXY / "macros.xml").read_text())
    named = {item.attrib["name"]: item for item in macros.iter("xml")}
    tokens = {item.attrib["name"]: item.text or "" for item in macros.iter("token")}
    root = ElementTree.fromstring(text)
    _expand(root, named)
    _replace(root, tokens)
    return Tool(name, root)


def _expand(root: Element, named: Mapping[str, Element]) -> None:
    """Put the macros in the place of each ``<expand>``, those inside macros, too."""
    while True:
        found = next(
            (
                (parent, child)
                for parent in root.iter()
                for child in parent
                if child.tag == "expand"
            ),
            None,
        )
        if found is None:
            return
        parent, child = found
        macro = copy.deepcopy(named[child.attrib["macro"]])
        words = [word for word in macro.attrib.get("tokens", "").split(",") if word]
        _replace(macro, {f"@{word.upper()}@": child.attrib[word] for word in words})
        place = list(parent).index(child)
        parent.remove(child)
        for offset, made in enumerate(macro):
            parent.insert(place + offset, made)


def _replace(element: Element, tokens: Mapping[str, str]) -> None:
    for item in element.iter():
        if item.text:
            item.text = _replaced(item.text, tokens)
        for key, value in item.attrib.items():
            item.attrib[key] = _replaced(value, tokens)


def _replaced(text: str, tokens: Mapping[str, str]) -> str:
    # A token may hold others.
    for _ in range(3):
        for name, value in tokens.items():
            text = text.replace(name, value)
    return text


def variables(template: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each variable of a Cheetah template and the attributes that are asked of it."""
    code = "\n".join(line for line in template.splitlines() if not line.lstrip().startswith("##"))
    for match in re.finditer(r"(?<!\\)\$\{?([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*)*)", code):
        yield match[1], tuple(match[2].split(".")[1:])


def undefined(tool: Tool) -> list[str]:
    """Variables of the command that are neither inputs nor outputs nor set in it."""
    code = tool.command
    inputs, known = tool.inputs(), tool.outputs() | {"__user_email__"}
    known |= set(re.findall(r"#set \$(\w+)", code))
    for header in re.findall(r"#for (.+) in ", code) + re.findall(r"#def \w+\((.*)\)", code):
        known |= set(re.findall(r"\$(\w+)", header))
    known |= set(re.findall(r"#def (\w+)", code))
    known |= set(re.findall(r"#from \w+ import (\w+)", code))
    members = dict(inputs)
    # An element of a repeat has the repeat's parameters.
    for variable, repeat in re.findall(r"\$(\w+) in enumerate\(\$(\w+(?:\.\w+)?)\)", code):
        first, *rest = repeat.split(".")
        if first in inputs and inputs[first]:
            members[variable] = inputs[first] if not rest else members[first]
    wrong = []
    for name, attributes in variables(code):
        if name not in known and name not in inputs:
            wrong.append(f"${name}")
        below = members.get(name)
        if below and attributes and attributes[0] not in below:
            wrong.append(f"${name}.{attributes[0]}")
    return wrong

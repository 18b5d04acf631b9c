"""Rendering a conda recipe, and the rules of bioconda's linter that hold for a Python package.

The rules have the names that bioconda-utils 4.x gives them (its linter is not on PyPI), so that a
failure can be looked up in bioconda's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

RECIPE = Path(__file__).parents[1] / "bioconda-recipe"
if not RECIPE.is_dir():
    pytest.skip("the source archive has no recipe", allow_module_level=True)

SECTIONS = ("build", "host", "run")
_SELECTOR = re.compile(r"#\s*\[.*\]")
_CONSTRAINT = re.compile(r"[!~<=>]")
_COMPILERS = {"gcc", "llvm", "libgfortran", "libgcc", "go", "cgo", "toolchain", "rust"}


class DuplicateKey(yaml.YAMLError):
    """A mapping has a key twice."""


class _Loader(yaml.SafeLoader):
    """Refuses what YAML's own loader lets pass: a key that comes twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise DuplicateKey(f"{sorted(twice)} twice at {node.start_mark}")
        return super().construct_mapping(node, deep)


def render(text: str) -> dict[str, Any]:
    """A recipe as conda-build sees it.

    Raises:
        DuplicateKey: a mapping has a key twice.
        jinja2.UndefinedError: a variable is unknown.
    """
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    rendered = environment.from_string(text).render(
        PYTHON="$PYTHON",
        compiler=lambda language: f"compiler_{language}",
        pin_subpackage=lambda name, max_pin="x.x.x.x.x.x": f"pin {name} {max_pin}",
    )
    found = yaml.load(rendered, Loader=_Loader)
    assert isinstance(found, dict)
    return found


def name_of(requirement: str) -> str:
    """The package that a requirement names."""
    return re.split(r"[\s!~<=>]", requirement, maxsplit=1)[0]


def lint(folder: Path) -> list[str]:
    """Names of the rules that the recipe in a folder breaks, in order."""
    text = (folder / "meta.yaml").read_text(encoding="utf-8")
    try:
        recipe = render(text)
    except DuplicateKey:
        return ["duplicate_key_in_meta_yaml"]
    except jinja2.UndefinedError:
        return ["jinja_render_failure"]
    rules = [*_completeness(folder, recipe), *_policy(folder, recipe), *_noarch(text, recipe)]
    return rules + [*_build(recipe), *_syntax(recipe)]


def _completeness(folder: Path, recipe: dict[str, Any]) -> Iterator[str]:
    if not isinstance(recipe.get("build", {}).get("number"), int):
        yield "missing_build_number"
    for key in ("home", "summary", "license"):
        if not recipe.get("about", {}).get(key):
            yield f"missing_{key}"
    tests = recipe.get("test", {})
    scripts = any((folder / f"run_test.{end}").exists() for end in ("py", "sh", "pl"))
    if not (tests.get("imports") or tests.get("commands") or scripts):
        yield "missing_tests"
    if not re.fullmatch(r"[0-9a-f]{64}", str(recipe.get("source", {}).get("sha256", ""))):
        yield "missing_hash"


def _policy(folder: Path, recipe: dict[str, Any]) -> Iterator[str]:
    source, package = recipe.get("source", {}), recipe["package"]
    if any(f"{kind}_url" in source for kind in ("git", "svn", "hg")):
        yield "uses_vcs_url"
    elif not str(source.get("url", "")).startswith("https://"):
        yield "source_url_is_stable"
    if package["name"] != folder.name:
        yield "folder_and_package_name_must_match"
    if "fn" in source:
        yield "should_not_use_fn"
    if any(folder.glob("*.bat")):
        yield "has_windows_bat_file"
    if len(recipe.get("about", {}).get("summary") or "") > 120:
        yield "long_summary"
    if not isinstance(package["version"], str) or package["version"].startswith("v"):
        yield "version_starts_with_v"


def _requirements(recipe: dict[str, Any]) -> dict[str, list[str]]:
    return {name: recipe.get("requirements", {}).get(name) or [] for name in SECTIONS}


def _noarch(text: str, recipe: dict[str, Any]) -> Iterator[str]:
    build = recipe.get("build", {})
    named = {name_of(item) for items in _requirements(recipe).values() for item in items}
    compiled = any(name.startswith("compiler_") for name in named)
    if not compiled and build.get("noarch") != "python":
        yield "should_be_noarch_python"
    if compiled and build.get("noarch"):
        yield "should_not_be_noarch_compiler"
    if build.get("noarch") and build.get("skip"):
        yield "should_not_be_noarch_skip"
    if build.get("noarch") and _SELECTOR.search(text):
        yield "should_not_be_noarch_source"


def _build(recipe: dict[str, Any]) -> Iterator[str]:
    build = recipe.get("build", {})
    named = {
        name: {name_of(item) for item in items} for name, items in _requirements(recipe).items()
    }
    everywhere = set().union(*named.values())
    if build.get("run_exports") != [f"pin {recipe['package']['name']} x.x"]:
        yield "missing_run_exports"
    script = build.get("script", "")
    lines = [script] if isinstance(script, str) else script
    flags = ("-m pip install .", "--no-deps", "--no-build-isolation", "-vvv")
    if not any(all(flag in line for flag in flags) for line in lines):
        yield "pip_install_args"
    if _COMPILERS & everywhere:
        yield "should_use_compilers"
    if "setuptools" in named["run"]:
        yield "uses_setuptools"
    if "matplotlib" in everywhere:
        yield "uses_matplotlib"


def _syntax(recipe: dict[str, Any]) -> Iterator[str]:
    for items in _requirements(recipe).values():
        for item in items:
            match = _CONSTRAINT.search(item)
            if match and not item[: match.start()].endswith(" "):
                yield "version_constraints_missing_whitespace"
    identifiers = recipe.get("extra", {}).get("identifiers", [])
    if not isinstance(identifiers, list):
        yield "extra_identifiers_not_list"
    elif not all(isinstance(item, str) for item in identifiers):
        yield "extra_identifiers_not_string"
    elif not all(":" in item for item in identifiers):
        yield "extra_identifiers_missing_colon"

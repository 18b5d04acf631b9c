"""Rendering a conda recipe, and the rules of bioconda's linter that hold for a Python package.

The rules have the names that bioconda-utils 4.x gives them (its linter is not on PyPI), so that a
failure can be looked up in bioconda's documentation; ``pip_install_args`` and
``source_url_is_stable`` are from its written guidelines. Where the linter is laxer (any checksum,
any pin of ``run_exports``, any kind of ``noarch``, selectors outside of the source), the stricter
form is asked for. Rules on R, Java, several outputs and what is in the channels are left out.
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
        jinja2.TemplateError: the template is broken, or a variable is unknown.
    """
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    rendered = environment.from_string(text).render(
        PYTHON="$PYTHON",
        compiler=lambda language: f"compiler_{language}",
        stdlib=lambda language: f"stdlib_{language}",
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
    path = folder / "meta.yaml"
    if not path.is_file():
        return ["missing_meta_yaml"]
    text = path.read_text(encoding="utf-8")
    try:
        recipe = render(text)
    except DuplicateKey:
        return ["duplicate_key_in_meta_yaml"]
    except jinja2.TemplateError:
        return ["jinja_render_failure"]
    if not {"name", "version"} <= recipe.get("package", {}).keys():
        return ["missing_version_or_name"]
    if "build" not in recipe:
        return ["missing_build"]
    rules = [*_completeness(folder, recipe), *_policy(folder, recipe), *_noarch(text, recipe)]
    return rules + [*_build(recipe), *_syntax(recipe)]


def _completeness(folder: Path, recipe: dict[str, Any]) -> Iterator[str]:
    if not isinstance(recipe["build"].get("number"), int):
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
    about = recipe.get("about", {})
    if len(about.get("summary") or "") > 120:
        yield "long_summary"
    if "gpl" in str(about.get("license")).lower() and not about.get("license_file"):
        yield "gpl_requires_license_distributed"
    if not isinstance(package["version"], str) or package["version"].startswith("v"):
        yield "version_starts_with_v"


def _requirements(recipe: dict[str, Any]) -> dict[str, list[str]]:
    return {name: recipe.get("requirements", {}).get(name) or [] for name in SECTIONS}


def _noarch(text: str, recipe: dict[str, Any]) -> Iterator[str]:
    build = recipe["build"]
    named = {name_of(item) for items in _requirements(recipe).values() for item in items}
    compiled = any(name.startswith("compiler_") for name in named)
    if not compiled and not build.get("noarch"):
        yield "should_be_noarch_generic"
    elif not compiled and build["noarch"] != "python":
        yield "should_be_noarch_python"
    if compiled and build.get("noarch"):
        yield "should_not_be_noarch_compiler"
    if build.get("noarch") and build.get("skip"):
        yield "should_not_be_noarch_skip"
    if build.get("noarch") and _SELECTOR.search(text):
        yield "should_not_be_noarch_source"


def _build(recipe: dict[str, Any]) -> Iterator[str]:
    build, items = recipe["build"], _requirements(recipe)
    named = {section: {name_of(item) for item in items[section]} for section in SECTIONS}
    everywhere = set().union(*named.values())
    compilers = {name for name in everywhere if name.startswith("compiler_")}
    if build.get("run_exports") != [f"pin {recipe['package']['name']} x.x"]:
        yield "missing_run_exports"
    script = build.get("script", "")
    lines = [script] if isinstance(script, str) else script
    flags = ("-m pip install .", "--no-deps", "--no-build-isolation", "-vvv")
    if not any(all(flag in line for flag in flags) for line in lines):
        yield "pip_install_args"
    if _COMPILERS & everywhere:
        yield "should_use_compilers"
    if compilers & (named["host"] | named["run"]):
        yield "compilers_must_be_in_build"
    if compilers & named["build"] and "stdlib_c" not in named["build"]:
        yield "compiler_needs_stdlib_c"
    if "cython" in named["build"] | named["run"]:
        yield "cython_must_be_in_host"
    if "cython" in everywhere and not {"compiler_c", "compiler_cxx"} & compilers:
        yield "cython_needs_compiler"
    if "setuptools" in named["run"]:
        yield "uses_setuptools"
    if "matplotlib" in everywhere:
        yield "uses_matplotlib"
    if any(re.fullmatch(r"numpy .*x\.x.*", item) for item in sum(items.values(), [])):
        yield "deprecated_numpy_spec"


def _syntax(recipe: dict[str, Any]) -> Iterator[str]:
    for items in _requirements(recipe).values():
        for item in items:
            match = _CONSTRAINT.search(item)
            if match and not item[: match.start()].endswith(" "):
                yield "version_constraints_missing_whitespace"
    extra = recipe.get("extra", {})
    if not isinstance(extra.get("skip-lints", []), list):
        yield "extra_skip_lints_not_list"
    identifiers = extra.get("identifiers", [])
    if not isinstance(identifiers, list):
        yield "extra_identifiers_not_list"
    elif not all(isinstance(item, str) for item in identifiers):
        yield "extra_identifiers_not_string"
    elif not all(":" in item for item in identifiers):
        yield "extra_identifiers_missing_colon"

"""The public names: what they are, where they come from, and what importing them costs."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import chromputer_tracks as ct

PACKAGE = Path(ct.__file__).parent
PUBLIC = [name for name in dir(ct) if name != "__version__"]


def stub() -> dict[str, str]:
    """Name to the module that ``__init__.pyi`` takes it from."""
    found = {}
    for node in ast.parse((PACKAGE / "__init__.pyi").read_text()).body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                # Only ``name as name`` is exported by a stub (PEP 484).
                assert alias.asname == alias.name
                found[alias.name] = node.module
        else:
            assert ast.unparse(node) == "__version__: str"
    return found


def test_types_and_names_are_the_same():
    assert stub().keys() == set(PUBLIC)
    for name, module in stub().items():
        assert getattr(ct, name) is getattr(importlib.import_module(module), name)
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_is_documented(name):
    found = getattr(ct, name)
    assert found.__module__.startswith("chromputer_tracks.")
    assert inspect.getdoc(found)
    assert name in dir(ct)
    guide = Path(__file__).parents[1] / "docs" / "python-api.md"
    assert f"`{name}" in guide.read_text()


def test_all_errors_are_public():
    errors = importlib.import_module("chromputer_tracks.errors")
    names = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, ct.ChromputerError)
    }
    assert names <= set(PUBLIC)


def test_completion_offers_the_public_names_alone():
    assert dir(ct) == sorted([*stub(), "__version__"])
    assert set(ct.__all__) <= set(dir(ct))


def test_what_is_not_there():
    with pytest.raises(AttributeError, match="'chromputer_tracks' has no attribute 'nothing'"):
        _ = ct.nothing
    with pytest.raises(ImportError):
        exec("from chromputer_tracks import nothing")


def test_names_are_imported_when_they_are_asked_for():
    code = (
        "import sys, chromputer_tracks as ct\n"
        "first = {m for m in sys.modules if m.startswith('chromputer_tracks')}\n"
        "assert first == {'chromputer_tracks'}, first\n"
        "ct.Interval\n"
        "assert not {'numpy', 'onnxruntime'} & set(sys.modules)\n"
        "from chromputer_tracks import *\n"
        "assert {'numpy', 'onnxruntime'} <= set(sys.modules)\n"
        "assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules\n"
        "assert predict is ct.predict\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

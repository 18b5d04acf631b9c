"""What several commands ask of their surroundings and of their options."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import typer

from chromputer_tracks.errors import DependencyError

TRAINING = (
    "torch",
    "lightning",
    "tensorboard",
    "onnx",
    "onnxscript",
    "scipy",
    "sklearn",
    "pyjaspar",
    "matplotlib",
)
"""Modules of the extra ``train``."""

DRAWING = ("matplotlib",)
"""Modules of the extra ``analysis`` that draw figures and pages."""
MOTIFS = (*DRAWING, "memelite", "modiscolite", "pyjaspar", "scipy")
"""Modules of the extra ``analysis`` that find and match motifs."""
MAPS = (*DRAWING, "sklearn", "scipy")
"""Modules of the extra ``analysis`` that lay out sites."""

_PACKAGES = {"sklearn": "scikit-learn", "modiscolite": "modisco-lite"}


def require(what: str, modules: Sequence[str], extra: str = "train") -> None:
    """Check that modules are there, before minutes are spent on what then fails.

    Args:
        what: needs them, as the message begins.
        modules: of the extra.
        extra: that installs them.

    Raises:
        DependencyError: names the packages that are missing and how to install them.
    """
    missing = [
        _PACKAGES.get(name, name) for name in modules if importlib.util.find_spec(name) is None
    ]
    if missing:
        raise DependencyError(
            f"{what} needs {', '.join(missing)}: pip install 'chromputer-tracks[{extra}]'"
        )


def named_files(option: str, given: Sequence[str]) -> dict[str, Path]:
    """Name to file of an option that is given as ``NAME=FILE``, maybe several times."""
    files: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise typer.BadParameter(f"{text!r} is not NAME=FILE", param_hint=option)
        if name in files:
            raise typer.BadParameter(f"{name} is given twice", param_hint=option)
        files[name] = Path(path)
    return files


def named_folders(option: str, given: Sequence[str]) -> tuple[tuple[str, Path], ...]:
    """Names and folders of an option that is given as ``NAME=DIR``; a name may come again."""
    folders = []
    for text in given:
        name, equals, path = text.partition("=")
        if not (name.strip() and equals and path):
            raise typer.BadParameter(f"{text!r} is not NAME=DIR", param_hint=option)
        folders.append((name.strip(), Path(path)))
    return tuple(folders)

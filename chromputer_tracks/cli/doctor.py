"""``chromputer doctor`` and ``models``: what works on this machine, and what ships."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromputer_tracks.cli.completion import completer

if TYPE_CHECKING:
    from rich.table import Table

_PACKAGE = Path(__file__).resolve().parents[1]
_NEEDED = (
    "jinja2",
    "numpy",
    "oxbow",
    "pyarrow",
    "pyBigWig",
    "pybigtools",
    "pysam",
    "rich",
    "typer",
)
_OPTIONAL = {
    "torch": "train",
    "lightning": "train",
    "onnx": "train",
    "onnxscript": "train",
    "scipy": "analysis or train",
    "pybedtools": "train",
    "tensorboard": "train",
    "matplotlib": "analysis or train",
    "pyjaspar": "analysis or train",
    "scikit-learn": "analysis or train",
    "logomaker": "analysis",
    "memelite": "analysis",
    "modisco-lite": "analysis",
}
_BINARIES = {
    "bedtools": "labels from replicates (pybedtools), the tests",
    "samtools": "indexing a FASTA (samtools faidx), sorting BAM",
    "bgzip": "compressing a FASTA so that it can be indexed",
}


def doctor() -> None:
    """Report versions, working providers, optional packages and binaries.

    Exits with 1 when something that prediction needs is missing or broken.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table("what", "found", "note")
    advice: list[str] = []
    problems = [*_packages(table), *_runtime(table, advice)]
    _binaries(table)
    console = Console(markup=False, highlight=False)
    console.print(table)
    for problem in problems:
        console.print(f"problem: {problem}")
    for sentence in advice:
        console.print(f"warning: {sentence}")
    if problems:
        raise typer.Exit(1)
    console.print("No problem found." if not advice else "Everything needed works.")


def _packages(table: Table) -> list[str]:
    import platform

    from chromputer_tracks import __version__

    table.add_row("chromputer-tracks", __version__, "")
    table.add_row("python", platform.python_version(), platform.platform())
    problems = []
    for name in _NEEDED:
        version = _version(name)
        table.add_row(name, version or "missing", "")
        if version is None:
            problems.append(f"{name} is missing: pip install {name}")
    for name, extra in _OPTIONAL.items():
        remedy = f"pip install 'chromputer-tracks[{extra.split()[0]}]'"
        version = _version(name)
        note = f"optional, for {extra}" + ("" if version else f": {remedy}")
        table.add_row(name, version or "missing", note)
    return problems


def _version(name: str) -> str | None:
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _runtime(table: Table, advice: list[str]) -> list[str]:
    """Rows of the runtime; what is broken, and in ``advice`` what could be better."""
    from typing import get_args

    try:
        from chromputer_tracks.inference.session import (
            Provider,
            available_cpus,
            idle_gpu,
            installed_wheels,
            probe,
            wheel_conflict,
        )
    except ImportError as error:
        return [f"onnxruntime cannot be imported ({error}): pip install onnxruntime"]

    for name, version in installed_wheels().items():
        table.add_row(name, version, "")
    conflict = wheel_conflict()
    problems = [conflict] if conflict else []
    for provider in get_args(Provider):
        why = probe(provider)
        table.add_row(f"provider {provider}", "works" if why is None else "does not work", why)
        if provider == "cuda" and why is not None and conflict is None:
            idle = idle_gpu("cpu", f"no usable GPU: {why}")
            advice += [] if idle is None else [idle]
        if provider == "cpu" and why is not None:
            problems.append(f"ONNX Runtime does not run on the CPU: {why}")
    table.add_row("CPUs", str(available_cpus()), "default of --threads")
    return problems


def _binaries(table: Table) -> None:
    import shutil

    for name, purpose in _BINARIES.items():
        table.add_row(name, shutil.which(name) or "missing", f"optional, for {purpose}")


def models(
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            help="Print the training configuration (TOML) of this shipped model instead.",
            autocompletion=completer("model"),
        ),
    ] = None,
) -> None:
    """List the shipped models."""
    if config is not None:
        import sys

        sys.stdout.write(_config_of(config))
        return
    from rich.console import Console
    from rich.table import Table

    from chromputer_tracks.inference.session import read_spec, shipped_models

    table = Table("name", "inputs", "heads", "window", "trained on")
    for name, folder in shipped_models().items():
        spec = read_spec(folder)
        inputs = ", ".join(
            item.name if item.name == item.kind else f"{item.name} ({item.kind})"
            for item in spec.inputs
        )
        heads = "\n".join(
            f"{head.name} ({head.kind}): {', '.join(label.name for label in head.labels)}"
            for head in spec.heads
        )
        table.add_row(name, inputs, heads, f"{spec.window:,} / {spec.stride} bp", spec.assembly)
    console = Console(markup=False, highlight=False)
    if table.row_count:
        console.print(table)
    else:
        console.print("No model is shipped with this installation.")


def _config_of(name: str) -> str:
    """The text of a shipped model's configuration, which lies beside its folder.

    Raises:
        InputError: no shipped model has the name, or its configuration did not come along.
    """
    from chromputer_tracks.errors import InputError, meant
    from chromputer_tracks.spec import shipped_folders

    shipped = shipped_folders(_PACKAGE)
    if name not in shipped:
        known = ", ".join(shipped) or "none"
        raise InputError(
            f"--config {name}: no shipped model has that name; there is {known}"
            f"{meant(name, shipped)}"
        )
    path = shipped[name].with_name(f"{name}.toml")
    if not path.is_file():
        raise InputError(f"--config {name}: {path} did not come with this installation")
    return path.read_text(encoding="utf-8")

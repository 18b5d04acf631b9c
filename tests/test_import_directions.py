"""The architecture's import rule, read from the source; and what start-up does not load."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "chromputer_tracks"
NAME = PACKAGE.name
FILES = sorted(PACKAGE.rglob("*.py"))

LAYERS = (
    {"errors", "intervals", "records", "options", "spec", "__init__"},
    {"io"},
    {"data"},
    {"evaluation", "simulation"},
    {"model", "inference"},
    {"figures"},
    {"tracks"},
    {"analysis"},
    {"api"},
    {"cli"},
)
SEPARATE = ({"model", "inference"}, {"evaluation", "simulation"})
"""Rooms of one layer that do not import each other."""
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}


def room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path, *, module_level: bool = False) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each import; ``from a import b`` gives ``a.b``, too."""

    def visit(node: ast.AST) -> Iterator[tuple[int, str]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from ((child.lineno, alias.name) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: write imports absolutely"
                yield from ((child.lineno, f"{child.module}.{alias.name}") for alias in child.names)
            elif not (module_level and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)):
                yield from visit(child)

    yield from visit(ast.parse(path.read_text(), str(path)))


def own(name: str) -> str | None:
    """The room that an import reaches, None for other packages."""
    parts = name.split(".")
    if parts[0] != NAME:
        return None
    # ``from chromputer_tracks import __version__`` reaches the package itself.
    return parts[1] if len(parts) > 1 and parts[1] in RANK else "__init__"


def third_party(path: Path, package: str, *, module_level: bool = False) -> list[int]:
    found = imports(path, module_level=module_level)
    return [line for line, name in found if name.split(".")[0] == package]


def test_there_is_something_to_check():
    assert {"cli", "data", "inference", "io", "model", "tracks"} <= {room(path) for path in FILES}
    names = {name for path in FILES for _, name in imports(path)}
    assert "torch.nn" in names  # from torch import nn
    assert f"{NAME}.spec.ModelSpec" in names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    assert room(path) in RANK, f"{path} is in no room of the design"
    for line, name in imports(path):
        reached = own(name)
        if reached is None:
            continue
        assert RANK[reached] <= RANK[room(path)], (
            f"{path.relative_to(PACKAGE)}:{line} imports {name}, which lies above it"
        )
        for pair in SEPARATE:
            if {reached, room(path)} <= pair:
                where = f"{path.relative_to(PACKAGE)}:{line}"
                assert reached == room(path), f"{where}: {sorted(pair)} do not import each other"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_model_imports_torch(path):
    if room(path) == "model":
        return
    for package in ("torch", "lightning"):
        assert not third_party(path, package)


def test_nothing_but_commands_imports_the_simulator():
    for path in FILES:
        if room(path) not in ("simulation", "cli", "analysis"):
            assert "simulation" not in {own(name) for _, name in imports(path)}, path


def test_training_imports_onnxruntime_only_to_check_the_export():
    users = {path.name for path in FILES if room(path) == "model"}
    users &= {path.name for path in FILES if third_party(path, "onnxruntime")}
    assert users <= {"export.py", "export_explain.py"}
    for name in users:
        assert not third_party(PACKAGE / "model" / name, "onnxruntime", module_level=True)


def test_data_needs_numpy_only():
    """What else a function uses (scipy, pybedtools) it imports when it is called."""
    allowed = {"numpy", NAME, "__future__"} | set(sys.stdlib_module_names)
    for path in FILES:
        if room(path) == "data":
            loaded = {name.split(".")[0] for _, name in imports(path, module_level=True)}
            assert loaded <= allowed, path


def test_the_folders_of_analysis_form_no_circle():
    """Folders and single files of ``analysis/``: none imports one that leads back to it."""
    analysis = PACKAGE / "analysis"
    reached: dict[str, set[str]] = {}
    for path in analysis.rglob("*.py"):
        part = path.relative_to(analysis).parts[0].removesuffix(".py")
        names = [name.split(".") for _, name in imports(path)]
        others = {name[2] for name in names if name[:2] == [NAME, "analysis"] and len(name) > 2}
        reached.setdefault(part, set()).update(others - {part})
    assert "vplots" in reached["report"]
    try:
        TopologicalSorter(reached).prepare()
    except CycleError as error:
        pytest.fail(f"analysis/: {' imports '.join(reversed(error.args[1]))}")


def test_what_start_up_loads_needs_the_standard_library_alone():
    for path in FILES:
        if room(path) in LAYERS[0]:
            names = {name.split(".")[0] for _, name in imports(path, module_level=True)}
            kept = {"numpy"} if "TYPE_CHECKING" in path.read_text() else set()
            assert names - kept <= {NAME, "__future__", *sys.stdlib_module_names}, path


def test_reading_an_import_of_each_form(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "import a.b, c\nfrom d.e import f as g\n"
        "if True:\n    import h\n"
        "def i():\n    from j import k\n    class L:\n        import m\n"
        "class N:\n    import o\n    def p(self):\n        import q\n"
    )
    everywhere = [name for _, name in imports(path)]
    assert everywhere == ["a.b", "c", "d.e.f", "h", "j.k", "m", "o", "q"]
    assert list(imports(path, module_level=True)) == [
        (1, "a.b"),
        (1, "c"),
        (2, "d.e.f"),
        (4, "h"),
        (10, "o"),
    ]


HEAVY = "numpy pyarrow polars torch lightning onnxruntime pysam oxbow pyBigWig pybigtools".split()


@pytest.mark.parametrize(
    "code",
    [
        f"import {NAME}",
        f"import sys\nsys.argv = ['chromputer', '--help']\nfrom {NAME}.cli.main import run\n"
        "try:\n    run()\nexcept SystemExit as end:\n    assert not end.code",
    ],
    ids=["import", "chromputer --help"],
)
def test_start_up_loads_nothing_heavy(code):
    shown = f"\nimport sys\nsys.stderr.write(','.join(set(sys.modules) & {set(HEAVY)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code + shown], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    if "--help" in code:
        for command in ("predict", "fragments", "train", "evaluate", "models"):
            assert command in done.stdout


def test_the_map_of_the_house_is_true():
    page = (PACKAGE.parent / "CONTRIBUTING.md").read_text()
    section = page.partition("## The house on a page")[2].partition("\n## ")[0]
    picture = section.split("```")[1]
    lines = [line for line in picture.splitlines()[1:] if line]
    drawn = [
        {name.strip(" ,") for name in re.split(r" {2,}", line)[0].replace("│", ",").split(",")}
        for line in reversed(lines)
    ]
    known = {room(path) for path in FILES} - {"__init__"}
    layers = [rooms & known for rooms in LAYERS]
    assert drawn == [rooms for rooms in layers if rooms]
    named = re.findall(r"`([\w/]+(?:\.py|/))`", section)
    for name in named:
        assert (PACKAGE / name).exists() or name == "cli/NAME.py", name
    walks = section.partition("Three walks")[2].split("\n- ")[1:]
    assert [len(set(re.findall(r"`[\w/]+\.py`", walk))) <= 8 for walk in walks] == [True] * 3

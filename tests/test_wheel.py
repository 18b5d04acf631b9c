"""The wheel and the source archive hold what they should and nothing else, and the wheel works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import chromputer_tracks as ct
from chromputer_tracks.inference.session import WHEELS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
STEM = f"chromputer_tracks-{ct.__version__}"
INFO = f"{STEM}.dist-info"
PACKAGE = "chromputer_tracks"
MODEL_FILES = {"README.md", "explain.onnx", "model.json", "predict.onnx"}
SUFFIXES = {".css", ".html", ".j2", ".js", ".json", ".py", ".pyi", ".svg", ".tsv", ".typed"}
"""Of files that the package's own folders may hold; a new one is added here on purpose."""
FOREIGN = {"tests", "benchmarks", "docs", "training", "__pycache__"}
"""Folders of the checkout that are of no use to who runs the package."""
LARGEST = 12_000_000
"""bytes of a wheel."""


def build(hook: str, source: Path, out: Path) -> Path:
    """What a hook of the build backend makes (PEP 517)."""
    code = f"import hatchling.build as b, sys; sys.stdout.write(b.build_{hook}({str(out)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=source, capture_output=True, text=True, check=True
    )
    return out / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        return set(archive.namelist())


def source_files(folder: Path) -> set[str]:
    """Files below a folder of the checkout, but for what Python leaves there."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_package_the_models_and_the_examples(wheel):
    assert wheel.name == f"{STEM}-py3-none-any.whl"
    expected = {f"{PACKAGE}/{name}" for name in source_files(ROOT / PACKAGE)}
    expected |= {f"{PACKAGE}/_examples/{name}" for name in source_files(ROOT / "examples")}
    expected |= {
        f"{PACKAGE}/_models/{model}/{name}" for model in ct.shipped_models() for name in MODEL_FILES
    }
    expected |= {
        f"{PACKAGE}/_models/{model}{ending}"
        for model in ct.shipped_models()
        for ending in (".toml", ".notes.md")
    }
    about = {"METADATA", "RECORD", "WHEEL", "entry_points.txt"}
    about |= {f"licenses/{name}" for name in PROJECT["license-files"]}
    expected |= {f"{INFO}/{name}" for name in about}
    assert names(wheel) == expected
    assert wheel.stat().st_size < LARGEST


def test_no_file_is_in_the_wheel_that_does_not_belong_there(wheel):
    for name in names(wheel):
        path = Path(name)
        assert path.parts[0] in (PACKAGE, INFO), name
        assert not FOREIGN & set(path.parts), name
        assert not path.name.startswith((".", "test_", "conftest")), name
        if path.parts[0] == PACKAGE and path.parts[1] not in ("_examples", "_models"):
            known = path.suffix in SUFFIXES or "LICENSE" in path.name
            assert known, f"{name}: a new kind of file"


def test_the_wheel_says_what_the_project_says(wheel):
    with zipfile.ZipFile(wheel) as archive:
        said = HeaderParser().parsestr(archive.read(f"{INFO}/METADATA").decode())
        entry_points = archive.read(f"{INFO}/entry_points.txt").decode()
        licence = archive.read(f"{INFO}/licenses/LICENSE").decode()
    assert (said["Name"], said["Version"]) == ("chromputer-tracks", ct.__version__)
    assert said["Requires-Python"] == PROJECT["requires-python"]
    assert said["License-Expression"] == "MIT"
    assert licence == (ROOT / "LICENSE").read_text()
    required = [line for line in said.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert {canonicalize_name(Requirement(line).name) for line in required} == {
        canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]
    }
    assert set(said.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])
    assert (
        entry_points.split()
        == "[console_scripts] chromputer = chromputer_tracks.cli.main:run".split()
    )


def test_the_source_archive_builds_the_same_wheel(sdist, wheel, tmp_path):
    assert sdist.name == f"{STEM}.tar.gz"
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    assert [path.name for path in tmp_path.iterdir()] == [STEM]
    inside = source_files(tmp_path / STEM)
    for name in ("LICENSE", "README.md", "tests/test_wheel.py", "docs/python-api.md"):
        assert name in inside
    for name in inside:
        first = Path(name).parts[0]
        assert first not in (".ci", ".git", ".venv", "bioconda-recipe", "dist", "runs"), name
        assert "training" not in Path(name).parts, name
    (tmp_path / "out").mkdir()
    again = build("wheel", tmp_path / STEM, tmp_path / "out")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert {item.filename: item.CRC for item in one.infolist()} == {
            item.filename: item.CRC for item in other.infolist()
        }


def test_the_container_is_built_of_what_reaches_it(tmp_path):
    """Of the folder, only what .dockerignore lets through; the stage of the wheel, run by hand."""
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    recipe = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
    copied = {
        name for line in re.findall(r"^COPY (.*)$", recipe, re.M) for name in line.split()[:-1]
    }
    bound = set(re.findall(r"--mount=type=bind,source=([^,\s]+)", recipe))
    assert copied | bound == let_through
    for name in copied:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("training"))
        else:
            shutil.copy(source, tmp_path)
    (edit,) = re.findall(r"sed -i \S+ pyproject\.toml", recipe)
    for gpu, (asked, other) in enumerate((WHEELS, WHEELS[::-1])):
        if gpu:
            subprocess.run(["bash", "-euc", edit], cwd=tmp_path, check=True)
        out = tmp_path / f"out{gpu}"
        out.mkdir()
        with zipfile.ZipFile(build("wheel", tmp_path, out)) as archive:
            said = HeaderParser().parsestr(archive.read(f"{INFO}/METADATA").decode())
        names = {Requirement(line).name for line in said.get_all("Requires-Dist", [])}
        assert asked in names
        assert other not in names


def test_the_wheels_configuration_is_printed_as_it_stands(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "import sys; sys.argv[1:] = ['models', '--config', 'yeast-atac']; "
    done = subprocess.run(
        [sys.executable, "-c", f"{code}from chromputer_tracks.cli.main import run; run()"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        check=True,
    )
    assert done.stdout == (ROOT / "models" / "yeast-atac.toml").read_bytes()


def test_the_command_runs_from_the_wheel_alone(wheel, tmp_path):
    """With this environment's dependencies, but no file of the checkout."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import sys, chromputer_tracks\n"
        "from chromputer_tracks.cli.demo import example_folder\n"
        "from chromputer_tracks.cli.main import run\n"
        "sys.stderr.write(f'{chromputer_tracks.__file__}\\n')\n"
        "example = str(example_folder())\n"
        "sys.argv = ['chromputer', 'predict', 'yeast-atac', '--provider', 'cpu', '--out', 'out',\n"
        "    '--fasta', example + '/sacCer3.fa.gz', '--chrom', 'chrI',\n"
        "    '--fragments', example + '/atac.fragments.tsv.gz']\n"
        "run()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"{tmp_path / 'site' / PACKAGE / '__init__.py'}\n")
    assert (tmp_path / "out" / "states.bb").stat().st_size > 1000


@pytest.mark.skipif(
    not os.environ.get("CHROMPUTER_EMPTY_ENVIRONMENT"),
    reason="installs all dependencies anew, a minute: set CHROMPUTER_EMPTY_ENVIRONMENT=1",
)
def test_an_empty_environment_runs_the_demo(wheel, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    programs = tmp_path / "venv" / "bin"
    install = [str(programs / "python"), "-m", "pip", "install", "--quiet", str(wheel)]
    subprocess.run([*install, "-c", str(ROOT / "constraints.txt")], check=True)
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def chromputer(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(programs / "chromputer"), *args],
            cwd=tmp_path,
            env=clean,
            capture_output=True,
            text=True,
        )

    assert chromputer("--version").stdout == f"chromputer {ct.__version__}\n"
    doctor = chromputer("doctor")
    assert doctor.returncode == 0, doctor.stdout
    demo = chromputer("demo", "--out", "out")
    assert demo.returncode == 0, demo.stderr
    assert "files with tracks of 2.02 Mb in out" in demo.stderr
    assert "trained on this very sample: chrVII and chrXIII were kept out" in demo.stderr
    assert (tmp_path / "out" / "states.bb").stat().st_size > 10_000

"""The container file: instructions that parse, and copy what is there.

It has not been built: no container runtime was at hand.
"""

from __future__ import annotations

import fnmatch
import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INSTRUCTIONS = {
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL",
    "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One instruction, its continued lines joined."""

    word: str
    rest: str


def parse(text: str) -> list[Step]:
    """Comments go, also between continued lines; a line that no instruction begins is an error."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    steps = []
    for line in joined.splitlines():
        word, _, rest = line.partition(" ")
        if word not in INSTRUCTIONS or not rest.strip():
            raise ValueError(f"no instruction: {line!r}")
        steps.append(Step(word, " ".join(rest.split())))
    return steps


TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
STEPS = parse(TEXT)


def stages() -> list[list[Step]]:
    found: list[list[Step]] = []
    for step in STEPS:
        if step.word == "FROM":
            found.append([])
        if found:
            found[-1].append(step)
    return found


def context_sources() -> list[str]:
    """What is taken from the folder that is built: sources of COPY and of bind mounts."""
    found = []
    for step in STEPS:
        if step.word in ("COPY", "ADD") and "--from=" not in step.rest:
            found += [word for word in step.rest.split()[:-1] if not word.startswith("--")]
        for mount in re.findall(r"--mount=(\S+)", step.rest):
            options = dict(item.split("=") for item in mount.split(","))
            if options["type"] == "bind" and "from" not in options:
                found.append(options["source"])
    return found


def sent(path: str) -> bool:
    """Whether .dockerignore lets a path into the build; the last line that matches decides."""
    kept = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        parts = [path, *map(str, Path(path).parents)]
        names = [*parts, *Path(path).parts] if "**/" in line else parts
        if any(fnmatch.fnmatchcase(part, pattern) for part in names if part != "."):
            kept = line.startswith("!")
    return kept


def test_parsing_joins_lines_and_finds_what_is_no_instruction():
    steps = parse("# a\nFROM x AS y\nRUN a \\\n# b\n    && c\n\nCMD []\n")
    assert steps == [Step("FROM", "x AS y"), Step("RUN", "a && c"), Step("CMD", "[]")]
    for wrong in ("RUNN a", "RUN a\n    && c", "FROM"):
        with pytest.raises(ValueError, match="no instruction"):
            parse(wrong)


def test_every_source_is_there_and_sent():
    sources = context_sources()
    assert {"pyproject.toml", "chromputer_tracks", "models", "constraints.txt"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert sent(source), source
    assert not sent(".git/HEAD")
    assert not sent("shared")
    assert not sent("models/yeast-atac/training/last.ckpt")
    assert sent("models/yeast-atac/predict.onnx")
    assert not sent("chromputer_tracks/io/__pycache__/bed.pyc")


def test_the_build_gets_all_that_makes_the_wheel():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = {"pyproject.toml", project["project"]["readme"]}
    needed |= {pattern.split("/")[0] for pattern in project["project"]["license-files"]}
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["include"]
    needed |= {pattern.split("/")[1] for pattern in included}
    assert needed <= set(context_sources())


def test_stages_and_arguments_are_declared():
    images = [stage[0].rest for stage in stages()]
    names = {image.partition(" AS ")[2] for image in images}
    for source in re.findall(r"from=(\w+)", TEXT):
        assert source in names
    for stage in stages():
        known = {step.rest.split("=")[0] for step in stage if step.word == "ARG"}
        for step in stage[1:]:
            assert set(re.findall(r"\$\{?([A-Z]+)\b", step.rest)) <= known | {"HOME"}, step
    assert images == ["python:${PYTHON}-slim-bookworm AS wheel", "python:${PYTHON}-slim-bookworm"]
    default = next(step.rest for step in STEPS if step.rest.startswith("PYTHON="))
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    version = tuple(map(int, default.removeprefix("PYTHON=").split(".")))
    assert version >= tuple(map(int, oldest.removeprefix(">=").split(".")))


def test_it_runs_the_command_as_an_ordinary_user():
    last = stages()[-1]
    words = [step.word for step in last]
    user = next(step.rest for step in last if step.word == "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    # Nothing is installed by that user, and nothing runs as root after it.
    assert "RUN" not in words[words.index("USER") :]
    assert [step.rest for step in last if step.word == "ENTRYPOINT"] == ['["chromputer"]']
    assert "[analysis]" in TEXT


@pytest.mark.parametrize("gpu", ["0", "1"])
def test_shell_lines_are_sound_and_choose_the_runtime(gpu, tmp_path):
    runs = [re.sub(r"--mount=\S+", "", step.rest) for step in STEPS if step.word == "RUN"]
    for line in runs:
        subprocess.run(["sh", "-nc", line], check=True)
    choose = runs[0].partition(" && ")[0]
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    subprocess.run(["sh", "-ec", choose], cwd=tmp_path, env={"GPU": gpu}, check=True)
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]
    found = any(item.startswith("onnxruntime-gpu") for item in project["dependencies"])
    assert found == (gpu == "1")

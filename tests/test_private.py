"""Nothing leaves the machine, and nothing is written but what was asked for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from predict_command import toy_inputs
from toy_genome import toy_genome

RUN = "from chromputer_tracks.cli.main import run; run()"
FAMILIES = re.compile(r"connect\(\d+, \{sa_family=AF_INET6?, .*|.*sendto\(\d+, .*AF_INET.*")


def environment(folder: Path) -> dict[str, str]:
    """A home and a folder of temporary files of its own, and nobody's switches."""
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ORT_")}
    return kept | {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "XDG_CACHE_HOME": str(folder / "home" / ".cache"),
    }


@pytest.mark.parametrize("traced", [False, True], ids=["files", "connections"])
def test_a_prediction_keeps_to_itself(tmp_path: Path, traced: bool) -> None:
    if traced and shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    inputs = toy_inputs(tmp_path, toy_genome())
    words = [sys.executable, "-c", RUN, "predict", str(inputs["model"]), "--provider", "cpu"]
    for name in ("fasta", "fragments", "out"):
        words += [f"--{name}", str(inputs[name])]
    log = tmp_path / "calls.txt"
    if traced:
        words = ["strace", "-f", "-e", "trace=connect,sendto,sendmsg", "-o", str(log), *words]
    before = set(tmp_path.rglob("*"))
    subprocess.run(words, env=environment(tmp_path), check=True, capture_output=True)
    made = {path for path in tmp_path.rglob("*") if path.is_file()} - before - {log}
    assert {path.relative_to(tmp_path).parts[0] for path in made} == {"out"}
    if traced:
        assert [line for line in log.read_text().splitlines() if FAMILIES.search(line)] == []

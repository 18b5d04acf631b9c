"""Pipes as inputs: read whole, whatever the command does with them; refused in Python."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from chromputer_tracks.errors import InputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io.fragment_store import FragmentStore
from chromputer_tracks.io.fragments import open_fragments
from chromputer_tracks.io.record import file_record

ROWS = [f"chr1\t{i}\t{i + 50}\tbulk\t1\n" for i in range(6_000)]
"""More than a pipe holds (64 KiB), and than one read of it."""


@pytest.fixture
def fragments(tmp_path: Path) -> Path:
    path = tmp_path / "a.tsv"
    path.write_text("".join(ROWS))
    (tmp_path / "g.fa").write_text(f">chr1\n{'ACGT' * 2_000}\n")
    return path


def shell(line: str, folder: Path) -> str:
    """Run a line of bash in a folder, where ``chromputer`` is this package; its stderr."""
    run = "from chromputer_tracks.cli.main import run; run()"
    program = f"chromputer() {{ '{sys.executable}' -c '{run}' \"$@\"; }}\n"
    done = subprocess.run(
        ["bash", "-c", program + line],
        cwd=folder,
        env=os.environ | {"TMPDIR": str(folder), "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    "given",
    [
        "fragments <(cat a.tsv) --fasta g.fa",
        "fragments <(gzip -c a.tsv) --fasta <(cat g.fa)",
        "fragments - < <(cat a.tsv)",
        "fragments /dev/stdin < a.tsv",
        "fragments pipe",
    ],
)
def test_all_rows_arrive_and_nothing_stays(fragments, tmp_path, given):
    before = {path.name for path in tmp_path.iterdir()}
    make = "mkfifo pipe; cat a.tsv > pipe & " if "pipe" in given else ""
    shell(f"{make}chromputer {given} -o out.tsv.gz", tmp_path)
    assert gzip.decompress((tmp_path / "out.tsv.gz").read_bytes()).decode() == "".join(ROWS)
    left = {path.name for path in tmp_path.iterdir()} - before
    assert left - {"pipe", "g.fa.fai"} == {"out.tsv.gz", "out.tsv.gz.tbi"}


def test_python_refuses_a_pipe_at_once(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for read in (
        lambda: FragmentStore.build(pipe, ChromSizes({"chr1": 9})),
        lambda: open_fragments(pipe),
        lambda: file_record(pipe),
    ):
        found: list[object] = []

        def call(read=read, found=found) -> None:
            try:
                found.append(read())
            except InputError as error:
                found.append(str(error))

        thread = Thread(target=call, daemon=True)
        thread.start()
        thread.join(20)
        assert found == [
            f"{pipe} is a pipe, which can be read once only: write what it holds to a file"
        ]

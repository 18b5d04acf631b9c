"""Output folders that vanish and disks that fill during a run: one sentence, no litter."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from predict_command import predict, toy_inputs
from toy_genome import toy_genome

from chromputer_tracks.tracks.predict import TrackWriter


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    found = toy_inputs(tmp_path, toy_genome({"chr1": 30_000, "chr2": 30_000}))
    room = tmp_path / "room"
    room.mkdir()
    return {**found, "out": room / "out"}


def message(inputs: dict[str, Path]) -> str:
    result = predict(inputs, "--tile", "7")
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    return line


@pytest.mark.parametrize("what", ["hidden", "room"])
@pytest.mark.parametrize("earlier", [False, True])
def test_a_folder_that_vanishes_during_the_run(
    inputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch, what: str, earlier: bool
) -> None:
    room = inputs["out"].parent
    if earlier:
        assert predict(inputs).exit_code == 0
    real, calls = TrackWriter.write, iter(range(1_000))

    def write(*args: object) -> None:
        if next(calls) == 90:
            for path in [room] if what == "room" else list(room.glob(".partial-*-out")):
                shutil.rmtree(path)
        real(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(TrackWriter, "write", write)
        line = message(inputs)
    assert str(inputs["out"]) in line and "No such file or directory" in line
    if what == "room":
        assert not room.exists()
    else:
        assert [path.name for path in room.iterdir()] == (["out"] if earlier else [])
    room.mkdir(exist_ok=True)
    assert predict(inputs).exit_code == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=320k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount a disk here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk(inputs: dict[str, Path], small_disk: Path) -> None:
    """Room for one result of small contigs, but not for another beside it: the first stays."""
    inputs["out"] = small_disk / "out"
    assert predict(inputs, "--chrom", "chr1:1-5,000").exit_code == 0
    before = {path: path.read_bytes() for path in inputs["out"].rglob("*") if path.is_file()}
    filler = small_disk / "filler"
    for free in (0, 20_000, 60_000):
        room = shutil.disk_usage(small_disk).free - free
        filler.write_bytes(bytes(max(room, 0)))
        line = message(inputs)
        assert "No space left on device" in line or "is the disk full?" in line
        filler.unlink()
        found = {path: path.read_bytes() for path in inputs["out"].rglob("*") if path.is_file()}
        assert found == before
        assert [path.name for path in small_disk.iterdir()] == ["out"]
    assert predict(inputs, "--chrom", "chr1:1-5,000").exit_code == 0

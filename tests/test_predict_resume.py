"""``predict --resume``: behind the contigs that a killed run had finished, to the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from predict_command import predict, toy_inputs
from tiny_models import tiny_spec, write_tiny_model
from toy_genome import ToyGenome, toy_genome

from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.io import run as running
from chromputer_tracks.io.bigwig import BigWigWriter, read_unfinished
from chromputer_tracks.tracks.predict import TrackWriter

LENGTHS = {"chr1": 6_150, "chr10": 230, "chr2": 4_321, "chr3": 9_000, "chrM": 1_107}
MORE = ("--tile", "7", "--batch", "4")
"""Runs of the network that hold tiles of several contigs."""

_KILLED = """
import os, signal, sys
from chromputer_tracks.tracks import predict
from chromputer_tracks.io import run
number, where = int(sys.argv.pop(1)), sys.argv.pop(1)
kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if where == "write":
    real, calls = predict.TrackWriter.write, iter(range(10**6))
    def write(*args):
        real(*args)
        if next(calls) == number:
            kill()
    predict.TrackWriter.write = write
else:
    setattr(predict.TrackWriter if where == "_finish_beds" else run, where, kill)
from chromputer_tracks.cli.main import run
run()
"""


@pytest.fixture(scope="module")
def toy() -> ToyGenome:
    return toy_genome(LENGTHS)


@pytest.fixture
def inputs(tmp_path: Path, toy: ToyGenome) -> dict[str, Path]:
    return toy_inputs(tmp_path, toy)


def killed(inputs: dict[str, Path], number: int, *more: str, where: str = "write") -> None:
    """Kill the command after so many pieces were written, or where a function begins."""
    args = ["predict", str(inputs["model"]), "--provider", "cpu", *more]
    for name in ("fasta", "fragments", "out"):
        args += [f"--{name}", str(inputs[name])]
    command = [sys.executable, "-c", _KILLED, str(number), where, *args]
    assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode == -signal.SIGKILL


def contents(folder: Path) -> dict[str, bytes]:
    """All files but for the record, whose times differ."""
    found = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    record = json.loads(found.pop("run.json"))
    same = ("checksums", "outputs", "summary", "options", "inputs", "predicted_bases", "assays")
    return found | {key: json.dumps(record[key]).encode() for key in same}


def hidden(inputs: dict[str, Path]) -> list[Path]:
    return [path for path in inputs["out"].parent.glob(".partial-*") if path.is_dir()]


@pytest.mark.parametrize(
    ("number", "where", "behind"),
    [(18, "write", 1), (0, "_finish_beds", 4), (0, "_publish", 5)],
)
def test_the_same_bytes_as_an_unbroken_run(
    inputs: dict[str, Path], number: int, where: str, behind: int
) -> None:
    assert predict(inputs, *MORE).exit_code == 0
    wanted = contents(inputs["out"])
    shutil.rmtree(inputs["out"])
    killed(inputs, number, *MORE, where=where)
    assert not inputs["out"].exists() and len(hidden(inputs)) == 1
    result = predict(inputs, *MORE, "--resume")
    assert result.exit_code == 0, result.output
    assert f"going on behind {behind} of 5 contigs" in result.stderr
    assert contents(inputs["out"]) == wanted
    assert sorted(path.name for path in inputs["out"].parent.iterdir()) == ["input", "out"]


def test_killed_again_and_again(inputs: dict[str, Path]) -> None:
    """An earlier result stays meanwhile; of the unfinished runs the farthest counts."""
    assert predict(inputs, *MORE, "--chrom", "chr10").exit_code == 0
    earlier = contents(inputs["out"])
    killed(inputs, 40, *MORE)
    killed(inputs, 5, *MORE, "--resume")  # while it reads what the first had finished
    assert len(hidden(inputs)) == 2
    killed(inputs, 12, *MORE, "--resume")
    assert len(hidden(inputs)) == 2
    assert contents(inputs["out"]) == earlier
    result = predict(inputs, *MORE, "--resume")
    assert "going on behind 3 of 5 contigs" in result.stderr
    found = contents(inputs["out"])
    assert hidden(inputs) == []
    # Without --resume what is unfinished goes.
    killed(inputs, 40, *MORE)
    result = predict(inputs, *MORE)
    assert "going on" not in result.stderr and hidden(inputs) == []
    assert contents(inputs["out"]) == found
    result = predict(inputs, *MORE, "--resume")
    assert "nothing unfinished to go on with: beginning anew" in result.stderr
    assert contents(inputs["out"]) == found


def test_in_the_current_folder_and_of_regions(
    inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bed = tmp_path / "regions.bed"
    bed.write_text("chr1\t120\t130\nchr1\t3000\t3400\nchr2\t4000\t4321\nchr3\t0\t900\n")
    more = ("--regions", str(bed), "--tile", "3")
    assert predict(inputs, *more).exit_code == 0
    wanted = contents(inputs["out"])
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    inputs["out"] = Path()
    killed(inputs, 5, *more)
    result = predict(inputs, *more, "--resume")
    assert "going on behind 1 of 3 contigs" in result.stderr, result.stderr
    assert contents(here) == wanted
    assert not list(here.glob(".partial-*"))


def test_another_plan_is_refused(inputs: dict[str, Path]) -> None:
    killed(inputs, 40, *MORE)
    left = hidden(inputs)

    def refused(*more: str) -> str:
        result = predict(inputs, *more, "--resume")
        assert result.exit_code == 1
        assert hidden(inputs) == left and not inputs["out"].exists()
        (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert "leave out --resume to remove it and begin anew" in line
        return line

    assert "its tile was 7, now 9" in refused("--tile", "9", "--batch", "4")
    assert "its average_strands was False, now True" in refused(*MORE, "--average-strands")
    assert "its threads was " in refused(*MORE, "--threads", "1")
    fragments, times = inputs["fragments"], inputs["fragments"].stat()
    os.utime(fragments, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert "its assay atac has changed since" in refused(*MORE)
    os.utime(fragments, ns=(times.st_atime_ns, times.st_mtime_ns))
    plan = left[0] / ".partial-plan.json"
    text = plan.read_text()
    for damaged in (text[:100], "{}", "[" * 100_000):
        plan.write_text(damaged)
        assert "its plan cannot be read" in refused(*MORE)
    plan.write_text(text.replace('"numpy": "', '"numpy": "0'))
    assert "its numpy was 0" in refused(*MORE)
    plan.write_text(text)
    write_tiny_model(inputs["model"], tiny_spec(name="other"))
    assert "it was of another model" in refused(*MORE)


def test_damage_is_computed_again(inputs: dict[str, Path]) -> None:
    """A loss of power may leave zeros where data were, and cut files anywhere."""
    assert predict(inputs, *MORE).exit_code == 0
    wanted = contents(inputs["out"])
    for name, damage in (("states/.partial-S1.bw", b"\0" * 40), ("factors/.partial-TF2.bw", b"")):
        shutil.rmtree(inputs["out"])
        killed(inputs, 40, *MORE)
        path = hidden(inputs)[0] / name
        data = path.read_bytes()
        at = int.from_bytes(data[16:24], "little") + 500  # in the data of the first contigs
        path.write_bytes(data[:at] + damage + (data[at + len(damage) :] if damage else b""))
        result = predict(inputs, *MORE, "--resume")
        assert "going on behind " in result.stderr
        assert "behind 3 of" not in result.stderr
        assert contents(inputs["out"]) == wanted


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), SystemExit(143), OSError(28, "full")])
def test_what_a_stopped_run_says(
    inputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    real, calls = TrackWriter.write, iter(range(100))

    def write(*args: object) -> None:
        if next(calls) == 45:
            raise failure
        real(*args)  # type: ignore[arg-type]

    for worth in (1000.0, 0.0):
        monkeypatch.setattr(running, "_WORTH_KEEPING", worth)
        with monkeypatch.context() as patched:
            patched.setattr(TrackWriter, "write", write)
            result = predict(inputs, *MORE)
        assert result.exit_code in (1, 130, 143)
        assert not inputs["out"].exists()
        if worth:
            # Quickly done again.
            assert not hidden(inputs) and "--resume" not in result.stderr
        calls = iter(range(100))
    assert len(hidden(inputs)) == 1
    assert "the same command with --resume goes on behind them" in result.stderr
    result = predict(inputs, *MORE, "--resume")
    assert "going on behind 3 of 5 contigs" in result.stderr


def test_read_unfinished_gives_what_was_written(tmp_path: Path) -> None:
    sizes = ChromSizes({"b": 400_000, "a": 100_010}, "g.fa")
    rng = np.random.default_rng(1)
    pieces = [("a", 0, 90_000), ("a", 95_000, 100_010), ("b", 50, 300_000), ("b", 300_000, 400_000)]
    written = [(c, s, e, rng.random(-(-(e - s) // 50), np.float32)) for c, s, e in pieces]
    path = tmp_path / "x.bw"
    with pytest.raises(KeyboardInterrupt), BigWigWriter(path, sizes, 50, lambda: True) as writer:
        for piece in written:
            writer.add(*piece)
        raise KeyboardInterrupt
    unfinished = tmp_path / ".partial-x.bw"
    assert [item.name for item in tmp_path.iterdir()] == [unfinished.name]
    values = {name: np.full(-(-size // 50), np.nan, np.float32) for name, size in sizes.items()}
    for item in read_unfinished(path, 50):
        assert item.end - item.start <= 50 * len(item.values) < item.end - item.start + 50
        at = item.start // 50
        values["ab"[item.contig]][at : at + len(item.values)] = item.values
    for chrom, start, end, rows in written[:3]:
        # The last section of the file was not full.
        end = min(end, 4096 * 50 if chrom == "b" else end)
        found = values[chrom][start // 50 : -(-end // 50)]
        np.testing.assert_array_equal(found, rows[: len(found)])
    data = unfinished.read_bytes()
    whole = [item.start for item in read_unfinished(path, 50)]
    for cut in range(0, len(data), 997):
        unfinished.write_bytes(data[:cut])
        starts = [item.start for item in read_unfinished(path, 50)]
        assert starts == whole[: len(starts)]
    assert 0 < len(starts) < len(whole)

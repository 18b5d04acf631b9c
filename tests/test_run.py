"""A run's folder: published with its record in one step, never mixed with an earlier one."""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from limits import file_size_limit

from chromputer_tracks.errors import InputError, OutputError
from chromputer_tracks.io import run as module
from chromputer_tracks.io.atomic import made_parents
from chromputer_tracks.io.outputs import is_unchanged
from chromputer_tracks.io.record import (
    RUN_JSON,
    AssayRecord,
    EarlierRun,
    ModelRecord,
    RunRecord,
    Silent,
    Stages,
    file_record,
)
from chromputer_tracks.io.run import run, run_files
from chromputer_tracks.options.fields import RunOptions


class Notes(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@dataclass(frozen=True)
class Found:
    sites: int
    labels: dict[str, float]


def write(out: Path, files: dict[str, str], kind: str = "predict", **more: bool) -> RunRecord:
    options = RunOptions(out=out, command=("chromputer", kind), **more)
    with run(kind, options, Silent()) as work:
        put(work.folder, files)
    return work.record


def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def contents(folder: Path) -> dict[str, str]:
    """All files, hidden ones too, but for the record."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.name != RUN_JSON
    }


FIRST = {"states.bed": "1", "binary/A.bw": "1", "binary/B.bw": "1"}
SECOND = {"states.bed": "2", "binary/A.bw": "2", "other/C.bw": "2"}


def in_place(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are moved one by one into the current folder."""
    out.mkdir(exist_ok=True)
    monkeypatch.chdir(out)


def exchanged(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folders change places."""


def two_steps(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system cannot exchange."""

    class Libc:
        def renameat2(self, *_: object) -> int:
            return -1

    monkeypatch.setattr(module.ctypes, "CDLL", lambda *_, **__: Libc())
    monkeypatch.setattr(module.ctypes, "get_errno", lambda: errno.EINVAL)


WAYS = pytest.mark.parametrize("way", [exchanged, two_steps, in_place])
Way = Callable[[Path, pytest.MonkeyPatch], None]


@WAYS
def test_a_second_run_never_mixes_with_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    out = tmp_path / "out"
    way(out, monkeypatch)
    assert write(out, FIRST).outputs == tuple(sorted(FIRST))
    assert contents(out) == FIRST
    record = write(out, SECOND)
    assert contents(out) == SECOND
    assert RunRecord.read(out) == record
    # Nothing else is left, folders neither.
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert sorted(path.name for path in out.iterdir()) == [
        "binary",
        "other",
        RUN_JSON,
        "states.bed",
    ]


@WAYS
@pytest.mark.parametrize("failure", [ValueError("bug"), KeyboardInterrupt(), OutputError("full")])
def test_a_run_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Way, failure: BaseException
) -> None:
    out = tmp_path / "out"
    way(out, monkeypatch)
    made = list(tmp_path.iterdir())
    for before in ({}, FIRST):
        if before:
            write(out, before)
        with pytest.raises(type(failure)), run("predict", RunOptions(out=out), Silent()) as work:
            put(work.folder, SECOND)
            raise failure
        assert (contents(out) if out.exists() else {}) == before
        assert [path.name for path in tmp_path.iterdir()] == (["out"] if before or made else [])


@WAYS
def test_a_disk_that_fills_while_results_are_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    out = tmp_path / "out"
    way(out, monkeypatch)
    first = write(out, FIRST)
    for name in ("rename", "replace"):
        for number in range(8):
            calls = iter(range(100))
            real = getattr(Path, name)

            def failing(self: Path, target: Path, real=real, calls=calls, number=number) -> Path:
                # The way back never fails.
                if "/.earlier/" not in str(self) and next(calls) == number:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return real(self, target)

            with monkeypatch.context() as patch:
                patch.setattr(Path, name, failing)
                try:
                    write(out, SECOND)
                except OutputError as error:
                    assert f"cannot write {out}" in str(error)
                    assert ".partial-" not in str(error)
                    assert contents(out) == FIRST
                    assert RunRecord.read(out) == first
                else:
                    assert contents(out) == SECOND
            if contents(out) == SECOND:
                first = write(out, FIRST)
            assert [path.name for path in tmp_path.iterdir()] == ["out"]


def killed(out: Path, here: Path, after: int, how: str, keep: tuple[str, ...] = ()) -> None:
    """Publish a second run, and die before a certain one of the renames."""
    os.chdir(here)
    calls = iter(range(1000))
    for name in ("rename", "replace"):
        real = getattr(Path, name)

        def dying(self: Path, target: Path, real=real) -> Path:
            if next(calls) == after:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(self, target)

        setattr(Path, name, dying)
    if how == "two steps":
        module.ctypes.CDLL = lambda *_, **__: object()  # type: ignore[assignment,misc]
    with run("predict", RunOptions(out=out), Silent(), keep=keep) as work:
        put(work.folder, SECOND)


@pytest.mark.parametrize("after", range(10))
@pytest.mark.parametrize("how", ["exchanged", "two steps", "in place"])
def test_a_run_killed_while_it_publishes(tmp_path: Path, after: int, how: str) -> None:
    """The results are those of the first run or of the second, at the latest after the next run."""
    out = tmp_path / "out"
    write(out, FIRST)
    here = out if how == "in place" else tmp_path
    process = multiprocessing.get_context("fork").Process(
        target=killed, args=(out, here, after, how)
    )
    process.start()
    process.join()
    finished = process.exitcode == 0
    assert finished or process.exitcode == -signal.SIGKILL
    if how == "exchanged" or finished:
        found = contents(out)
        assert found == (SECOND if finished else FIRST)
        assert set(RunRecord.read(out).outputs) == set(found)
    # A run that fails, so that all that is seen is what was made good.
    with pytest.raises(ValueError, match="stop"), run("predict", RunOptions(out=out), Silent()):
        raise ValueError("stop")
    found = contents(out)
    assert found in (FIRST, SECOND) and (found == SECOND) >= finished
    assert set(RunRecord.read(out).outputs) == set(found)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_run_left_goes(tmp_path: Path) -> None:
    put(tmp_path, {".partial-0123abcd-out/states.bed": "x", ".partial-0123abcd-outer/keep": "y"})
    write(tmp_path / "out", FIRST)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".partial-0123abcd-outer", "out"]


def test_other_files_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    put(out, {"notes.txt": "mine", "binary/notes.txt": "mine"})
    with pytest.raises(OutputError, match="holds files that are not of an earlier run"):
        write(out, FIRST)
    write(out, FIRST, force=True)
    write(out, SECOND)
    assert contents(out) == SECOND | {"notes.txt": "mine", "binary/notes.txt": "mine"}


def test_results_of_another_command_stay(tmp_path: Path) -> None:
    write(tmp_path / "out", FIRST, "explain")
    for force in (False, True):
        with pytest.raises(OutputError, match="holds the results of `chromputer explain`"):
            write(tmp_path / "out", SECOND, force=force)
    assert contents(tmp_path / "out") == FIRST


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"kind": 3}', "[" * 100_000])
def test_a_record_that_is_none(tmp_path: Path, text: str) -> None:
    put(tmp_path / "out", {RUN_JSON: text})
    with pytest.raises(OutputError, match="is not the record of an earlier run"):
        write(tmp_path / "out", FIRST)


def test_an_edited_record_does_not_lead_outside(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, FIRST)
    put(tmp_path, {"mine.txt": "mine"})
    values = json.loads((out / RUN_JSON).read_text())
    values["outputs"] += ["../mine.txt", str(tmp_path / "mine.txt")]
    (out / RUN_JSON).write_text(json.dumps(values))
    (out / "notes.txt").write_text("so that files are moved one by one")
    write(out, SECOND, force=True)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def hostile(out: Path, how: Callable[[dict[str, Any]], object]) -> None:
    """Results as a stranger may send them."""
    write(out, FIRST)
    values = json.loads((out / RUN_JSON).read_text())
    how(values)
    (out / RUN_JSON).write_text(json.dumps(values))


@WAYS
@pytest.mark.parametrize(
    "how",
    [
        lambda values: values["outputs"].append("notes.txt"),
        lambda values: (
            values["outputs"].append("notes.txt"),
            values["checksums"].update({"notes.txt": values["checksums"]["states.bed"]}),
        ),
        lambda values: (values["outputs"].append("notes.txt"), values.pop("checksums")),
    ],
    ids=["listed", "listed with a checksum", "without checksums"],
)
def test_files_of_the_user_that_a_record_claims_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Way, how: Callable[[Any], object]
) -> None:
    out = tmp_path / "out"
    way(out, monkeypatch)
    hostile(out, how)
    put(out, {"notes.txt": "mine"})
    before = contents(out)
    with pytest.raises(OutputError, match=f"{out}/.* is not the file that the earlier run made"):
        write(out, SECOND)
    assert contents(out) == before
    write(out, SECOND, force=True)
    found = contents(out)
    assert found.items() >= (SECOND | {"notes.txt": "mine"}).items()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@WAYS
def test_a_result_that_was_edited_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    out = tmp_path / "out"
    way(out, monkeypatch)
    write(out, FIRST)
    for name in ("states.bed", "binary/B.bw"):
        (out / name).write_text("edited")
        with pytest.raises(OutputError, match=f"{name} is not the file that the earlier run made"):
            write(out, SECOND)
        assert (out / name).read_text() == "edited"
    # What the new run does not make stays; what it makes is written over, as is said.
    write(out, SECOND, force=True)
    assert contents(out) == SECOND | {"binary/B.bw": "edited"}


@WAYS
@pytest.mark.parametrize("name", ["states.bed", "binary/B.bw", "other/C.bw", "mine.txt"])
def test_what_is_written_meanwhile_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Way, name: str
) -> None:
    out = tmp_path / "out"
    way(out, monkeypatch)
    write(out, FIRST)
    raised = pytest.raises(OutputError, match=f"{out}/{name}: somebody else has written")
    with raised if name in SECOND else nullcontext():
        with run("predict", RunOptions(out=out), Silent()) as work:
            put(work.folder, SECOND)
            put(out, {name: "mine"})
    assert contents(out) == (FIRST if name in SECOND else SECOND) | {name: "mine"}


JOURNAL = {"names": [], "earlier": [], "folders": [], "made": {}}


@pytest.mark.parametrize("place", ["out/.partial-0123abcd-out", ".partial-0123abcd-out"])
@pytest.mark.parametrize(
    ("journal", "message"),
    [
        ({"names": ["../mine.txt"]}, "leads out of"),
        ({"names": ["{folder}/mine.txt"]}, "leads out of"),
        ({"names": ["notes.txt"], "folders": ["../empty"]}, "leads out of"),
        ({"names": ["link/mine.txt"]}, "leads out of"),
        ({"names": ["notes.txt"]}, None),
        ({"names": ["notes.txt"], "made": {"notes.txt": {"bytes": 4, "sha256": "0"}}}, None),
        ({"names": ["states.bed"]}, "states.bed is of no run, but in the place of"),
        ({"names": 3}, "is not what a run writes"),
        (None, "is not what a run writes"),
    ],
)
def test_a_strangers_journal_removes_nothing(
    tmp_path: Path, place: str, journal: dict[str, Any] | None, message: str | None
) -> None:
    out = tmp_path / "out"
    put(tmp_path, {"mine.txt": "mine", "out/notes.txt": "mine", "out/states.bed": "mine"})
    (tmp_path / "empty").mkdir()
    (out / "link").symlink_to(tmp_path)
    text = "{" if journal is None else json.dumps(JOURNAL | journal)
    text = text.replace("{folder}", str(tmp_path))
    put(tmp_path / place, {"publishing.json": text, ".earlier/states.bed": "not yours"})
    raised = pytest.raises(OutputError, match=message) if message else nullcontext()
    with raised:
        write(out, {"A.bw": "1"}, force=True)
    for name in ("mine.txt", "out/notes.txt", "out/states.bed"):
        assert (tmp_path / name).read_text() == "mine"
    assert (tmp_path / "empty").is_dir()


def test_a_link_among_the_results_does_not_lead_out(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    put(tmp_path, {"mine/A.bw": "mine"})
    (out / "binary").symlink_to(tmp_path / "mine")
    with pytest.raises(OutputError, match=f"cannot write {out}/binary/A.bw: a link of this folder"):
        write(out, FIRST, force=True)
    assert contents(tmp_path) == {"mine/A.bw": "mine"}


def test_files_beside_others_that_a_record_claims_stay(tmp_path: Path) -> None:
    options = RunOptions(out=tmp_path / "a.png")
    with run_files("vplot", options, Silent()) as work:
        put(work.folder, {"a.png": "1", "a.tsv": "1"})
    values = json.loads((tmp_path / "a.json").read_text())
    values["outputs"].append("notes.txt")
    (tmp_path / "a.json").write_text(json.dumps(values))
    put(tmp_path, {"notes.txt": "mine"})
    with run_files("vplot", options, Silent()) as work:
        put(work.folder, {"a.png": "2"})
    assert contents(tmp_path).keys() == {"a.png", "a.json", "notes.txt"}


def test_replacing_is_said(tmp_path: Path) -> None:
    first = write(tmp_path / "out", FIRST)
    notes = Notes()
    with run("predict", RunOptions(out=tmp_path / "out"), notes) as work:
        put(work.folder, SECOND)
    assert notes.lines == [
        f"note: {tmp_path / 'out'} holds the results of an earlier `chromputer predict` "
        f"({first.started}), which this run replaces"
    ]
    assert work.earlier == EarlierRun("predict", first.outputs, first.started, first.checksums)


def test_a_second_run_into_the_folder_waits_for_no_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with run("predict", RunOptions(out=out), Silent()) as work:
        put(work.folder, FIRST)
        with pytest.raises(OutputError, match=rf"written by another run \(process {os.getpid()} "):
            write(out, SECOND)
    assert contents(out) == FIRST
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def hold(out: Path) -> None:
    with run("predict", RunOptions(out=out), Silent()):
        (out.parent / "holds").touch()
        time.sleep(60)


def test_the_lock_of_a_killed_run_is_free(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=hold, args=(tmp_path / "out",))
    process.start()
    while not (tmp_path / "holds").exists():
        time.sleep(0.01)
    with pytest.raises(OutputError, match=f"another run .process {process.pid} on "):
        write(tmp_path / "out", FIRST)
    process.kill()
    process.join()
    (tmp_path / "holds").unlink()
    write(tmp_path / "out", FIRST)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_working_state_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    options, keep = RunOptions(out=out), ("training",)
    with (
        pytest.raises(ValueError, match="stop"),
        run("train", options, Silent(), keep=keep),
    ):
        raise ValueError("stop")
    assert not out.exists()
    for results in (FIRST, SECOND):
        with run("train", options, Silent(), keep=keep) as work:
            put(out, {"training/last.ckpt": "weights"})
            put(work.folder, results)
        assert contents(out) == results | {"training/last.ckpt": "weights"}
        assert set(work.record.outputs) == set(results)
    (out / RUN_JSON).unlink()
    for name in FIRST | SECOND:
        (out / name).unlink(missing_ok=True)
    for folder in ("binary", "other"):
        if (out / folder).exists():
            (out / folder).rmdir()
    # A run that was stopped before its end can go on.
    with run("train", options, Silent(), keep=keep) as work:
        put(work.folder, FIRST)


STATE = ("training", "training-[1-9]*")
CHECKPOINTS = {"training/last.ckpt": "old", "training/sub/x": "y", "training-2/last.ckpt": "new"}


@WAYS
def test_working_state_follows_into_the_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Way
) -> None:
    out = tmp_path / "out"
    way(out, monkeypatch)
    for results in (FIRST, SECOND):
        with run("train", RunOptions(out=out), Silent(), keep=STATE) as work:
            put(out, CHECKPOINTS)
            put(work.folder, results)
        assert contents(out) == results | CHECKPOINTS
    assert not [path for path in tmp_path.iterdir() if path != out]


@pytest.mark.parametrize("after", range(12))
@pytest.mark.parametrize("how", ["exchanged", "two steps", "in place"])
def test_working_state_of_a_killed_run_is_never_lost(tmp_path: Path, after: int, how: str) -> None:
    out = tmp_path / "out"
    with run("predict", RunOptions(out=out), Silent(), keep=STATE) as work:
        put(out, CHECKPOINTS)
        put(work.folder, FIRST)
    here = out if how == "in place" else tmp_path
    process = multiprocessing.get_context("fork").Process(
        target=killed, args=(out, here, after, how, STATE)
    )
    process.start()
    process.join()
    if how == "exchanged":
        # One step: there is no mixture, whenever it was killed.
        found = {name: text for name, text in contents(out).items() if "training" not in name}
        assert found in (FIRST, SECOND)
    with (
        pytest.raises(ValueError, match="stop"),
        run("predict", RunOptions(out=out), Silent(), keep=STATE),
    ):
        raise ValueError("stop")
    assert contents(out) in (FIRST | CHECKPOINTS, SECOND | CHECKPOINTS)
    assert not [path for path in tmp_path.iterdir() if path != out]


def test_working_state_that_cannot_follow_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with run("train", RunOptions(out=out), Silent(), keep=STATE) as work:
        put(out, CHECKPOINTS)
        put(work.folder, FIRST)
    rename = Path.rename

    def refused(self: Path, target: Path) -> Path:
        if self.name.startswith("training"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    with monkeypatch.context() as patch, pytest.raises(OutputError, match="Input/output error"):
        patch.setattr(Path, "rename", refused)
        with run("train", RunOptions(out=out), Silent(), keep=STATE) as work:
            put(work.folder, SECOND)
    assert contents(out) == SECOND
    with run("train", RunOptions(out=out), Silent(), keep=STATE) as work:
        put(work.folder, FIRST)
    assert contents(out) == FIRST | CHECKPOINTS
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_files_beside_each_other(tmp_path: Path) -> None:
    put(tmp_path, {"b.png": "other", "b.json": "{}"})
    options = RunOptions(out=tmp_path / "a.png")
    with run_files("vplot", options, Silent()) as work:
        put(work.folder, {"a.png": "1", "a.tsv": "1"})
        work.describe(Found(3, {}))
    assert json.loads((tmp_path / "a.json").read_text())["sites"] == 3
    assert contents(tmp_path).keys() == {"a.png", "a.tsv", "a.json", "b.png", "b.json"}
    with run_files("vplot", options, Silent(), record=False) as work:
        put(work.folder, {"a.png": "2"})
    assert contents(tmp_path) == {"a.png": "2", "b.png": "other", "b.json": "{}"}
    with pytest.raises(ValueError, match="stop"), run_files("vplot", options, Silent()) as work:
        put(work.folder, {"a.png": "3"})
        raise ValueError("stop")
    assert contents(tmp_path) == {"a.png": "2", "b.png": "other", "b.json": "{}"}


def test_the_record(tmp_path: Path) -> None:
    read = tmp_path / "genome.fa"
    read.write_text("ACGT")
    options = RunOptions(out=tmp_path / "out", command=("chromputer", "x", "a b"))
    with run("x", options, Silent()) as work:
        put(work.folder, FIRST)
        work.read({"fasta": read, "model": read, "regions": None})
        with work.stages.phase("reading"):
            pass
        work.describe(
            Found(3, {"A": 0.5, "B": float("nan")}),
            model=ModelRecord("m", "", 0, "", {"window": 2000}),
            assays={"atac": AssayRecord("bam", 3, {"duplicates": 1}, 2.5)},
        )
    found = RunRecord.read(tmp_path / "out")
    assert found == work.record
    assert found.command == "chromputer x 'a b'"
    assert found.inputs == {"fasta": file_record(read)}
    assert found.model is not None
    assert (found.model.name, found.model.bytes) == ("m", 4)
    assert found.assays["atac"].per_kb == 2.5
    assert found.results == {"sites": 3, "labels": {"A": 0.5, "B": None}}
    assert found.results_as(Found, tmp_path).sites == 3
    assert list(found.stages["phases"]) == ["reading"]
    values = json.loads((tmp_path / "out" / RUN_JSON).read_text())
    assert values["sites"] == 3 and values["provider"] is None
    one = hashlib.sha256(b"1").hexdigest()
    assert values["checksums"] == {name: {"bytes": 1, "sha256": one} for name in sorted(FIRST)}
    assert values["assays"] == {
        "atac": {"format": "bam", "kept": 3, "removed": {"duplicates": 1}, "per_kb": 2.5}
    }
    del values["sites"]
    (tmp_path / "out" / RUN_JSON).write_text(json.dumps(values))
    with pytest.raises(InputError, match="key 'sites' is missing"):
        RunRecord.read(tmp_path / "out").results_as(Found, tmp_path / "out")


def test_an_input_that_vanishes(tmp_path: Path) -> None:
    options = RunOptions(out=tmp_path / "out")
    with (
        pytest.raises(InputError, match="cannot read .*gone: "),
        run("x", options, Silent()) as work,
    ):
        work.read({"fasta": tmp_path / "gone"})
    assert list(tmp_path.iterdir()) == []


def test_the_folders_of_out_are_made(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b" / "out"
    with pytest.raises(ZeroDivisionError), run("test", RunOptions(out=out), Silent()):
        assert (tmp_path / "a" / "b").is_dir()
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    write(out, FIRST)
    assert (out / "run.json").is_file()
    # A folder that was there stays, and so does one with something in it.
    (tmp_path / "mine").mkdir()
    with pytest.raises(ZeroDivisionError), made_parents(tmp_path / "mine" / "c" / "d" / "x"):
        (tmp_path / "mine" / "c" / "kept").touch()
        raise ZeroDivisionError
    assert [path.name for path in (tmp_path / "mine").rglob("*")] == ["c", "kept"]


def test_refused_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(out: Path, message: str) -> None:
        with pytest.raises(OutputError, match=message):
            write(out, FIRST)

    (tmp_path / "file").write_text("x")
    refuse(tmp_path / "file" / "deep" / "out", "file is a file; name a folder")
    refuse(tmp_path / "file", "it is a file; name a folder")
    # Permissions do not bind root, so the answer is simulated.
    monkeypatch.setattr(os, "access", lambda *_: False)
    refuse(tmp_path / "new", "no permission to write into the folder")


def test_a_full_disk_names_the_final_file(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"^cannot write .*out/run\.json: File too large"),
        file_size_limit(100),
    ):
        write(tmp_path / "out", {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a b", "café", "x[1]*", ".hidden", "-x"])
def test_any_name(tmp_path: Path, name: str) -> None:
    put(tmp_path, {f".partial-0123abcd-{name}/states.bed": "left by a killed run"})
    for files in (FIRST, SECOND):
        write(tmp_path / name, files)
        assert contents(tmp_path / name) == files
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("here", "given"),
    [
        (".", "out"),
        (".", "./out/"),
        (".", "sub/../out"),
        ("sub", "../out"),
        ("out", "."),
        ("out", "../out"),
        ("out/binary", ".."),
        ("out", ""),
    ],
)
def test_any_way_to_say_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: str, given: str
) -> None:
    out = tmp_path / "out"
    for folder in ("sub", "out/binary"):
        (tmp_path / folder).mkdir(parents=True)
    (out / "binary" / "mine.txt").write_text("mine")
    monkeypatch.chdir(tmp_path / here)
    write(Path(given), FIRST, force=True)
    with run("predict", RunOptions(out=out), Silent()) as work:
        # The lock is that of the folder, by whatever name.
        with pytest.raises(OutputError, match="written by another run"):
            write(Path(given), SECOND)
        put(work.folder, SECOND)
    assert contents(out) == SECOND | {"binary/mine.txt": "mine"}
    # The current folder is the same as before, not one that was removed.
    assert Path.cwd().samefile(tmp_path / here)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "sub"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_folder_is_written(tmp_path: Path, there: bool) -> None:
    (tmp_path / "disk").mkdir()
    target, link = tmp_path / "disk" / "results", tmp_path / "out"
    if there:
        target.mkdir()
    link.symlink_to(target)
    for files in (FIRST, SECOND):
        write(link, files)
        assert link.is_symlink() and contents(target) == files
    with run("predict", RunOptions(out=link), Silent()):
        with pytest.raises(OutputError, match=f"{target} is being written by another run"):
            write(target, FIRST)
    assert [path.name for path in target.parent.iterdir()] == ["results"]


def test_a_link_that_leads_nowhere_and_a_folder_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OutputError, match=f"^cannot write {tmp_path / 'loop'}"):
        write(tmp_path / "loop", FIRST)
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(OutputError, match="^cannot write out: "):
        write(Path("out"), FIRST)


def test_links_among_results_and_other_files(tmp_path: Path) -> None:
    """A result that is a link is published as one; what a user's link names is not touched."""
    put(tmp_path, {"mine/keep.txt": "mine"})
    out = tmp_path / "out"
    for _ in range(2):
        with run("hub", RunOptions(out=out, force=True), Silent()) as work:
            (work.folder / "x.bw").symlink_to(tmp_path / "mine" / "keep.txt")
        assert (out / "x.bw").is_symlink() and work.record.outputs == ("x.bw",)
        # A link is told by where it leads; what lies there is not this run's.
        made = json.loads((out / RUN_JSON).read_text())["checksums"]["x.bw"]
        target = str((out / "x.bw").readlink())
        assert made["link"] == target and made["bytes"] == len(target)
        assert is_unchanged(out / "x.bw", RunRecord.read(out).checksums["x.bw"])
        if not (out / "mine").exists():
            (out / "mine").symlink_to(tmp_path / "mine")
    assert (out / "mine").is_symlink()
    assert contents(tmp_path / "mine") == {"keep.txt": "mine"}


def test_a_mount_point_and_a_parent_that_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    number, real = out.stat().st_ino, os.access
    monkeypatch.setattr(Path, "is_mount", lambda self: self == out)
    write(out, FIRST)
    monkeypatch.undo()
    # Permissions do not bind root, so the answer is simulated.
    monkeypatch.setattr(os, "access", lambda path, *more: path != tmp_path and real(path, *more))
    write(out, SECOND)
    assert contents(out) == SECOND
    assert out.stat().st_ino == number
    with pytest.raises(OutputError, match="no permission to write into the folder"):
        write(tmp_path / "new", FIRST)
    with pytest.raises(OutputError, match="no permission to write into the folder"):
        with run_files("vplot", RunOptions(out=tmp_path / "a.png"), Silent()):
            pytest.fail("entered")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM])
def test_folders_that_cannot_be_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Another owner's in a folder with a sticky bit, or one of a lower layer: files are moved."""
    out = tmp_path / "out"
    write(out, FIRST)

    class Libc:
        def renameat2(self, *_: object) -> int:
            return -1

    monkeypatch.setattr(module.ctypes, "CDLL", lambda *_, **__: Libc())
    monkeypatch.setattr(module.ctypes, "get_errno", lambda: number)
    write(out, SECOND)
    assert contents(out) == SECOND
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_in_the_place_of_a_file_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    put(out, {"states.bed/mine.txt": "mine"})
    with pytest.raises(OutputError, match=f"^cannot write {out}/states.bed: a folder has this"):
        write(out, FIRST, force=True)
    assert contents(tmp_path) == {"out/states.bed/mine.txt": "mine"}
    put(tmp_path, {"a.png/mine.txt": "mine"})
    with pytest.raises(OutputError, match=f"^cannot write {tmp_path}/a.png: a folder has this"):
        with run_files("vplot", RunOptions(out=tmp_path / "a.png"), Silent()) as work:
            put(work.folder, {"a.png": "1"})
    assert (tmp_path / "a.png" / "mine.txt").read_text() == "mine"


def test_what_cannot_be_put_back_is_kept_for_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    in_place(out, monkeypatch)
    first = write(out, FIRST)
    calls, real = iter(range(100)), Path.replace

    def failing(self: Path, target: Path) -> Path:
        if next(calls) > 3:
            raise OSError(errno.EIO, "Input/output error")
        return real(self, target)

    with monkeypatch.context() as patch, pytest.raises(OutputError, match="Input/output error"):
        patch.setattr(Path, "replace", failing)
        write(out, SECOND)
    assert contents(out) != FIRST
    with pytest.raises(ValueError, match="stop"), run("predict", RunOptions(out=out), Silent()):
        raise ValueError("stop")
    assert contents(out) == FIRST
    assert RunRecord.read(out) == first


def test_stages() -> None:
    stages = Stages()
    for _ in range(2):
        with stages.phase("a"):
            time.sleep(0.02)
        with stages.part("b"):
            sum(range(10**5))
    report = stages.report()
    assert 0.04 <= report["phases"]["a"]["seconds"] < 5
    assert report["phases"]["a"]["cpu_seconds"] < 0.04
    assert 0 < report["parts_of_predicting"]["b"]["cpu_seconds"] < 5
    assert stages.peak_mb() > 5

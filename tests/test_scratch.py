"""Temporary files: nothing of a process that was killed stays, nothing of a living one goes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from chromputer_tracks.io import scratch
from chromputer_tracks.io.scratch import ScratchFile, clean_scratch, scratch_folder


@pytest.fixture(autouse=True)
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_file_without_a_name(room: Path) -> None:
    file = ScratchFile(None)
    assert [file.append(text) for text in (b"\x01\0\0\0", b"\x02\0\0\0", b"")] == [0, 4, 8]
    file.flush()
    assert list(room.iterdir()) == []
    assert (file.read(2, 4), file.read(4, 100), file.read(8, 1)) == (
        b"\0\0\x02\0",
        b"\x02\0\0\0",
        b"",
    )
    mapped = file.map(np.int32)
    file.close()
    assert mapped.tolist() == [1, 2]


def _hold(room: Path) -> None:
    tempfile.tempdir = str(room)
    with scratch_folder() as folder:
        (folder / "points").write_text("x")
        time.sleep(600)


def test_a_killed_process_s_folder_goes_and_a_living_one_s_stays(room: Path) -> None:
    processes = [
        multiprocessing.get_context("fork").Process(target=_hold, args=(room,)) for _ in "ab"
    ]
    names: list[Path] = []
    for process in processes:
        process.start()
        while len(list(room.glob("*/points"))) <= len(names):
            time.sleep(0.01)
        names.append(
            next(path.parent for path in room.glob("*/points") if path.parent not in names)
        )
    clean_scratch()
    assert set(room.iterdir()) == set(names)
    os.kill(processes[0].pid or 0, signal.SIGKILL)
    processes[0].join()
    with scratch_folder() as mine:
        assert set(room.iterdir()) == {names[1], mine}
        clean_scratch()
        assert mine.is_dir()
    processes[1].kill()
    processes[1].join()
    clean_scratch()
    assert list(room.iterdir()) == []


def test_what_is_not_ours_stays(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other users', other machines', links, and names that only look alike."""
    own = scratch._prefix() + "01234567"
    (room / "elsewhere").mkdir()
    others = ["chromputer-elsewhere.org-01234567", "chromputer-abcdefgh", own + "8", own + "x"]
    for name in others:
        (room / name).mkdir()
    (room / own).symlink_to(room / "elsewhere")
    clean_scratch()
    assert {path.name for path in room.iterdir()} == {*others, own, "elsewhere"}
    (room / own).unlink()
    (room / own).mkdir()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    clean_scratch()
    assert (room / own).is_dir()
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    clean_scratch()
    assert {path.name for path in room.iterdir()} == {*others, "elsewhere"}

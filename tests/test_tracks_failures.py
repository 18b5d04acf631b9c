"""The folder of tracks when things fail: nothing under a final name, what stood there stays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from limits import file_size_limit
from test_tracks import (
    BINARY,
    BOTH,
    STATES,
    STRIDE,
    Piece,
    contents,
    spec,
    track_writer,
    whole_genome,
    write,
)

from chromputer_tracks.errors import ContigError, OutputError
from chromputer_tracks.intervals import ChromSizes
from chromputer_tracks.spec import HeadSpec, Label
from chromputer_tracks.tracks.writer import CallMerger, StateMerger

FAILURES = [
    ([("chr1", 0, 100, np.zeros((4, 2)))], OutputError, r"\(4, 2\) values for 5 tracks"),
    ([("chr1", 0, 100, np.zeros((5, 3)))], OutputError, "values for 5 tracks"),
    ([("chr1", 0, 100, np.full((5, 2), np.nan))], OutputError, "a value that is no probability"),
    ([("chr1", 0, 100, np.full((5, 2), 1.1))], OutputError, "a value that is no probability"),
    ([("chr1", 0, 100, np.full((5, 2), -0.1))], OutputError, "a value that is no probability"),
    ([("1", 0, 100, np.zeros((5, 2)))], ContigError, "contig '1' is not in g.fa, which calls it"),
    (
        [("chr2", 0, 50, np.zeros((5, 1))), ("chr10", 0, 50, np.zeros((5, 1)))],
        OutputError,
        "not sorted",
    ),
    ([("chr1", 25, 75, np.zeros((5, 1)))], OutputError, "must start after a multiple of 50"),
    ([], OutputError, "nothing was predicted"),
]


@pytest.mark.parametrize(("pieces", "kind", "message"), FAILURES)
@pytest.mark.parametrize("state", ["new", "empty", "used"])
def test_failure_leaves_the_folder_as_it_was(
    tmp_path: Path, pieces: list[Piece], kind: type[Exception], message: str, state: str
) -> None:
    out = tmp_path / "out"
    if state == "empty":
        out.mkdir()
    elif state == "used":
        write(out, whole_genome())
    before = contents(out)
    with pytest.raises(kind, match=message):
        write(out, [(c, s, e, v.astype(np.float32)) for c, s, e, v in pieces])
    assert (contents(out), out.exists()) == (before, state != "new")
    if state == "empty":
        assert list(out.iterdir()) == []


def test_foreign_errors_come_through(tmp_path: Path) -> None:
    for failure in (FileNotFoundError("genome.fa"), KeyboardInterrupt()):
        with pytest.raises(type(failure)) as caught, track_writer(tmp_path / "o") as w:
            w.write(*whole_genome()[0])
            raise failure
        assert caught.value is failure
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [0, 300, 1000, 2500, 20_000])
def test_full_disk(tmp_path: Path, limit: int) -> None:
    sizes = ChromSizes({"chr1": 6000 * STRIDE})
    rng = np.random.default_rng(0)
    values = rng.random((5, 6000)).astype(np.float32)
    with pytest.raises(OutputError, match="^cannot write .*(File too large|disk full)"):
        with file_size_limit(limit), track_writer(tmp_path / "out", BOTH, sizes) as writer:
            for first in range(0, 6000, 500):
                part = values[:, first : first + 500]
                writer.write("chr1", first * STRIDE, (first + 500) * STRIDE, part)
    assert list(tmp_path.iterdir()) == []


def test_failed_move_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    write(out, [(c, s, e, v[:3]) for c, s, e, v in whole_genome(1)], spec(STATES))
    # Beside a file of the user's the tracks are moved one by one.
    (out / "notes.txt").write_text("mine")
    before = contents(out)
    replace = Path.replace

    def failing(self: Path, target: Path) -> Path:
        if self.name == "Htz1.bed" and ".partial-" in str(self):
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OutputError, match=r"cannot write .*out: No space left on device"):
        write(out, whole_genome(2))
    assert contents(out) == before
    assert not (out / "factors").exists()


@pytest.mark.parametrize(
    ("kind", "name"), [(CallMerger, r"factors/Reb1\.bed"), (StateMerger, r"states\.bed")]
)
def test_lost_rows_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type, name: str
) -> None:
    line, lost = kind._line, iter([True])

    def short(self: Any, run: Any) -> str:
        text: str = line(self, run)
        return "" if next(lost, False) else text

    monkeypatch.setattr(kind, "_line", short)
    with pytest.raises(OutputError, match=rf"{name}: [0-9,]+ of [0-9,]+ rows read back"):
        write(tmp_path / "out", whole_genome())
    assert list(tmp_path.iterdir()) == []


def test_refused_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(out: Path, message: str) -> None:
        with pytest.raises(OutputError, match=message), track_writer(out):
            pytest.fail("entered")

    refuse(tmp_path / "gone" / "out", "folder .*gone does not exist; make it first")
    (tmp_path / "file").write_text("x")
    refuse(tmp_path / "file", "it is a file; name a folder")
    (tmp_path / "locked").mkdir()
    # Permissions do not bind root, so the answer is simulated.
    monkeypatch.setattr(os, "access", lambda *_: False)
    refuse(tmp_path / "locked", "no permission to write into the folder")
    monkeypatch.undo()

    def denied(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", denied)
    refuse(tmp_path / "locked", "cannot write .*locked: Permission denied")
    refuse(tmp_path / "new", "cannot write .*new: Permission denied")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "locked"]
    assert list((tmp_path / "locked").iterdir()) == []


def test_labels_that_would_share_a_file(tmp_path: Path) -> None:
    other = HeadSpec("binary", "Factors", (Label("REB1", "again", (0, 0, 0)),))
    with pytest.raises(OutputError, match=r"Factors/REB1\.bw: two labels have this name"):
        write(tmp_path / "out", [], spec(BINARY, other))
    assert list(tmp_path.iterdir()) == []

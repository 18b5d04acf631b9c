"""Files appear under their name when complete, and only then."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from chromputer_tracks.errors import FormatError, OutputError
from chromputer_tracks.io.atomic import atomic_path, output_errors


def listing(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_renamed_with_companions(tmp_path: Path) -> None:
    target = tmp_path / "x.[1].tsv.gz"
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.endswith("x.[1].tsv.gz")
        temporary.write_text("data")
        temporary.with_name(temporary.name + ".tbi").write_text("index")
        assert not target.exists()
    assert listing(tmp_path) == {"x.[1].tsv.gz": "data", "x.[1].tsv.gz.tbi": "index"}


def test_failure_keeps_the_old_file_and_removes_the_rest(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_text("old")
    for failure in (FormatError("bad"), KeyboardInterrupt()):
        with pytest.raises(type(failure)), atomic_path(target) as temporary:
            temporary.write_text("new")
            temporary.with_name(temporary.name + ".idx").write_text("new")
            raise failure
    assert listing(tmp_path) == {"x": "old"}


def test_success_replaces(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_text("old")
    with atomic_path(target) as temporary:
        temporary.write_text("new")
    assert listing(tmp_path) == {"x": "new"}


def test_names_that_start_alike_do_not_meet(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.bw.bed") as longer:
        longer.write_text("longer")
        with atomic_path(tmp_path / "a.bw") as shorter:
            shorter.write_text("shorter")
        assert listing(tmp_path) == {"a.bw": "shorter", longer.name: "longer"}
    assert listing(tmp_path) == {"a.bw": "shorter", "a.bw.bed": "longer"}


def test_os_errors_name_the_file(tmp_path: Path) -> None:
    target = tmp_path / "x"
    with pytest.raises(OutputError, match=f"cannot write {target}: No space left on device"):
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OutputError, match=rf"cannot write {target}: only words .is the disk"):
        with output_errors(target):
            raise OSError("only words")
    assert listing(tmp_path) == {}


def test_full_device() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    with pytest.raises(OutputError, match="No space left"), output_errors(Path("x")):
        full.write_text("something")


def test_missing_folder_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="folder .*gone does not exist; make it first"):
        with atomic_path(tmp_path / "gone" / "x"):
            pass
    with pytest.raises(OutputError, match="nothing was written"), atomic_path(tmp_path / "x"):
        pass
    assert listing(tmp_path) == {}

"""SIGKILL at random moments: nothing lost, nothing mixed, no litter, and a rerun is as unbroken.

Moments are drawn from a seed, over the time that the unbroken command takes. The suite kills twice;
``CHROMPUTER_KILLS=20 pytest tests/test_kills.py`` kills twenty times, ``explain``, ``hub`` and
``train`` among them (about ten minutes), at other moments with ``CHROMPUTER_KILLS_SEED``.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from toy_training import make_toy

KILLS = int(os.environ.get("CHROMPUTER_KILLS", "2"))
SEED = int(os.environ.get("CHROMPUTER_KILLS_SEED", "1"))
YEAST = Path(__file__).parents[1] / "examples" / "yeast"
COMMAND = [sys.executable, "-c", "from chromputer_tracks.cli.main import run; run()"]
SAMPLE = (
    *("yeast-atac", "--fragments", str(YEAST / "atac.fragments.tsv.gz")),
    *("--fasta", str(YEAST / "sacCer3.fa.gz"), "--provider", "cpu", "--threads", "2"),
)
DATE = re.compile(rb"20\d\d-\d\d-\d\d([T ]\d\d:\d\d:\d\d)?([.]\d+)?(\+00:00|Z)?")


@dataclass(frozen=True)
class Case:
    """A command, run in a folder of its own, where it makes ``out``.

    Attributes:
        name: of the command.
        words: that are killed and run again.
        before: words of an earlier run into the same place, whose results must not be lost.
        again: added for the run after the kill.
        results: what the command makes of its files there, by name; others (TensorBoard's logs,
            checkpoints) hold times.
    """

    name: str
    words: tuple[str, ...]
    before: tuple[str, ...]
    again: tuple[str, ...] = ()
    results: str = r".*"


def start(words: tuple[str, ...], room: Path) -> subprocess.Popen[str]:
    scratch = room / "tmp"
    scratch.mkdir(exist_ok=True)
    env = {**os.environ, "TMPDIR": str(scratch), "HOME": str(room.parent), "COLUMNS": "200"}
    return subprocess.Popen(
        [*COMMAND, *words], cwd=room, env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        text=True, start_new_session=True,
    )  # fmt: skip


def run(words: tuple[str, ...], room: Path) -> str:
    process = start(words, room)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return errors


def plain(data: bytes) -> bytes:
    """Without what says when, and how long it took."""
    data = re.sub(rb'(?s)"stages": \{.*?\n  \},\n', b"", data)
    data = re.sub(rb'"(seconds|peak_mb|command|directory)": [^\n]*\n', b"", data)
    return DATE.sub(b"DATE", data)


def results(case: Case, room: Path) -> dict[str, bytes]:
    """The files under final names, without times; of the record also without sums of such files."""
    found = {}
    for path in sorted(room.rglob("*")):
        name = str(path.relative_to(room))
        hidden = any(part.startswith(".partial-") for part in Path(name).parts)
        if path.is_file() and not hidden and re.fullmatch(case.results, name):
            found[name] = plain(path.read_bytes())
            if case.name == "train" and name.endswith("run.json"):
                found[name] = re.sub(rb'"(bytes|sha256)": [^\n]*', b"", found[name])
    return found


def litter(room: Path) -> list[str]:
    """Hidden leftovers, and whatever is in TMPDIR."""
    left = [path for path in room.rglob("*") if path.name.startswith(".partial-")]
    left += list((room / "tmp").rglob("*"))
    return sorted(str(path.relative_to(room)) for path in left)


@dataclass
class Unbroken:
    """What a case gives unbroken, over earlier results, and what these were."""

    case: Case
    room: Path
    before: dict[str, bytes]
    after: dict[str, bytes]
    seconds: float


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Unbroken]:
    folder = tmp_path_factory.mktemp("kills")
    made: dict[str, Unbroken] = {}

    def words(name: str) -> Case:
        chroms = ("--chrom", "chrI", "--chrom", "chrVI", "--chrom", "chrIII")
        out = ("--out", "out")
        if name.startswith("predict"):
            again = ("--resume",) if name == "predict --resume" else ()
            command = ("predict", *SAMPLE, *out)
            return Case("predict", (*command, *chroms), (*command, *chroms[:2]), again)
        if name == "fragments":
            source = str(YEAST / "atac.fragments.tsv.gz")
            command = ("fragments", source, "--out", "out.fragments.tsv.gz")
            return Case(name, command, (*command, "--exclude-contig", "chrI"))
        if name == "explain":
            (folder / "site.bed").write_text("chrVI\t100000\t100001\n")
            where = ("--regions", str(folder / "site.bed"), "--label", "Reb1")
            command = ("explain", *SAMPLE, *where, *out)
            return Case(name, (*command, "--references", "4"), (*command, "--references", "2"))
        if name == "hub":
            source = folder / "predicted"
            if not source.exists():
                source.mkdir()
                run(("predict", *SAMPLE, "--chrom", "chrI", *out), source)
            command = ("hub", str(source / "out"), "--assembly", "sacCer3", *out)
            email = ("--email", "me@example.org", "--no-coverage")
            return Case(name, (*command, *email), (*command, *email, "--one-file"))
        toy = folder / "toy"
        if not toy.exists():
            toy.mkdir()
            make_toy(toy)
        command = ("train", str(toy / "toy.toml"), *out, "--epochs", "2", "--force")
        command = (*command, "--measure", "no")
        finals = r"out/(README\.md|model\.json|(predict|explain)\.onnx|run\.json)"
        return Case(name, (*command, "--seed", "6"), (*command, "--seed", "3"), (), finals)

    def unbroken(name: str) -> Unbroken:
        if name not in made:
            shutil.rmtree(folder / name.replace(" --", "-"), ignore_errors=True)
            case = words(name)
            room = folder / name.replace(" --", "-")
            room.mkdir()
            run(case.before, room)
            shutil.rmtree(room / "tmp")
            shutil.copytree(room, room.with_name(f"{room.name}-before"), symlinks=True)
            before, begin = results(case, room), time.monotonic()
            run(case.words, room)
            made[name] = Unbroken(case, room, before, results(case, room), time.monotonic() - begin)
            assert made[name].after != before and litter(room) == []
        return made[name]

    return unbroken


ORDER = (
    *("predict --resume", "fragments", "explain", "hub", "predict"),
    *("predict --resume", "train", "explain", "hub", "fragments"),
)
ONLY = os.environ.get("CHROMPUTER_KILLS_OF", "")
"""One command, where not all are wanted."""


@pytest.mark.parametrize("number", range(KILLS))
def test_a_kill_at_any_moment(
    cases: Callable[[str], Unbroken], tmp_path: Path, number: int
) -> None:
    name = ONLY or ORDER[number % len(ORDER)]
    wanted = cases(name)
    case = wanted.case
    room = tmp_path / "room"
    shutil.copytree(f"{wanted.room}-before", room, symlinks=True)
    # What is imported takes the first part of a run, in which nothing can go wrong.
    share = random.Random(f"{SEED} {number}").uniform(0.3, 1.02)
    process = start(case.words, room)
    try:
        process.communicate(timeout=share * wanted.seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    ended = process.returncode
    assert ended in (0, -signal.SIGKILL)
    left, found = litter(room), results(case, room)
    what = "the new" if found == wanted.after else "the earlier" if found == wanted.before else "?"
    print(f"{name}: killed at {share:.0%}, ended {ended}, {what} results, left {len(left)}")
    names = {*found, *wanted.after}
    assert what != "?", sorted(n for n in names if found.get(n) != wanted.after.get(n))
    # Of scratch nothing stays even before anything is run again.
    assert [item for item in left if item.startswith("tmp/")] == []
    run((*case.words, *case.again), room)
    assert results(case, room) == wanted.after
    assert litter(room) == []
